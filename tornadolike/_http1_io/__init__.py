"""HTTP/1.x on a stream: between the engine (``_http1``), which knows bytes, and ``http1connection``, which has the names.

One exchange is one object, an `.HTTP1Connection`. Its methods are written in four rooms by what they are about: `receiving` (from bytes
to the delegate, and holding back), `classic_reading` (for classes that read bodies themselves), `sending` (our message) and `endings`.
`state` has what they share, and what they ask of each other and of the class. Who is told what became of an exchange is its owner: a
`server_session`, which has one exchange after the other and keeps the deadlines, or a `single_exchange`.
"""
