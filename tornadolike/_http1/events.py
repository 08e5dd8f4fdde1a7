"""What a peer said: the events that `engine.Engine.feed` returns, in wire order."""

from typing import Any

from tornadolike._http.header_fields import WireFields

Pairs = list[tuple[bytes, bytes]]
"""Header fields as on the wire: name in the sender's spelling; white space behind a value may still be there."""


class RequestHead:
    """A request line and its header fields (RFC 9112 §3). Not to be changed: engines hand out the same object again."""

    __slots__ = ("bare", "body", "expects_continue", "head_only", "headers", "is_plain", "keep_alive", "known_line", "start_line")

    def __init__(
        self,
        method: str,
        target: str,
        version: str,
        headers: Pairs,
        keep_alive: bool,
        expects_continue: bool,
        bare: bool = False,
        body: int = 0,
    ) -> None:
        self.start_line = method, target, version
        self.headers = WireFields(headers)  # shared by all requests with this head: to be read only
        self.body = body  # its length, or what ends it: `framing.Framing`
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        # Nothing is said about content or conditions (`framing.BARE`).
        self.bare = bare
        self.head_only = method == "HEAD"
        self.is_plain = version == "HTTP/1.1" and not self.head_only
        self.known_line: Any = None  # what others make of the start line, for when they get it again

    @property
    def method(self) -> str:
        return self.start_line[0]

    @property
    def target(self) -> str:
        return self.start_line[1]

    @property
    def version(self) -> str:
        return self.start_line[2]

    def __repr__(self) -> str:
        return f"RequestHead({self.method} {self.target} {self.version}, {self.headers})"


class ResponseHead:
    """A status line and its header fields (RFC 9112 §4); ``status`` 1xx heads are interim, another head follows."""

    __slots__ = ("headers", "keep_alive", "reason", "status", "version")

    def __init__(self, version: str, status: int, reason: str, headers: Pairs, keep_alive: bool) -> None:
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers
        self.keep_alive = keep_alive

    def __repr__(self) -> str:
        return f"ResponseHead({self.version} {self.status} {self.reason}, {self.headers})"


class BodyStart:
    """Behind a head with a body: what is to hold for the body has to be settled now (`engine.Engine.limit_body`); `feed` reads it then."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "BodyStart()"


class BodyChunk:
    """A piece of the body after transfer decoding, never empty, never longer than the engine's ``max_chunk_bytes``."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"BodyChunk({self.data!r})"


class MessageEnd:
    """The message is complete; trailers, if any, were read and dropped."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MessageEnd()"


START = BodyStart()
END = MessageEnd()

Event = RequestHead | ResponseHead | BodyStart | BodyChunk | MessageEnd
