"""Two kinds of error: theirs (what the peer sent) and ours (what the caller asked for)."""


class PeerError(Exception):
    """The peer broke the protocol or a limit. ``status`` is the answer that a server owes it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class BodyTooLarge(PeerError):
    """The body is larger than its limit (RFC 9110 §15.5.14). Whether it is answered 400, as by Tornado, or 413, is the server's choice."""


class HeadTooLarge(PeerError):
    """The header section is larger than its limit (RFC 9110 §5.4, RFC 6585 §5)."""

    def __init__(self, max_head_bytes: int) -> None:
        super().__init__(f"header section larger than {max_head_bytes} bytes", 431)


class TooManyFields(PeerError):
    """More header fields than allowed (RFC 6585 §5)."""

    def __init__(self, max_fields: int) -> None:
        super().__init__(f"more than {max_fields} header fields", 431)


class UnsupportedVersion(PeerError):
    """A request in an HTTP version of another major number (RFC 9110 §15.6.6)."""

    def __init__(self, version: str) -> None:
        super().__init__(f"Unexpected HTTP version {version!r}", 505)


class IncompleteMessage(PeerError):
    """The peer closed its side in the middle of a message (RFC 9112 §8)."""


class UsageError(Exception):
    """The caller asked for something that must not go on the wire."""


class BodyTooLong(UsageError):
    """More body bytes than the Content-Length that was announced."""


class BodyTooShort(UsageError):
    """Fewer body bytes than the Content-Length that was announced."""

    def __init__(self, missing_bytes: int) -> None:
        super().__init__(missing_bytes)
        self.missing_bytes = missing_bytes


class IllegalHeader(UsageError):
    """A start line or header that would break out of its line (CR, LF or NUL), or cannot be encoded."""
