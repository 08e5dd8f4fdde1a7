"""What may be written to a response."""

_LISTS = ". Lists not accepted for security reasons; see http://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.write"


def refusal(chunk: object) -> str:
    """Why ``chunk``, which is neither text nor bytes nor a dictionary, is not sent."""
    return f"write() only accepts bytes, unicode, and dict objects{_LISTS if isinstance(chunk, list) else ''}"
