"""Two kinds of error: theirs (what the peer sent) and ours (what the caller asked for)."""


class PeerError(Exception):
    """The peer broke the protocol or a limit. ``code`` is the close code that says so (RFC 6455 §7.4.1)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class InflatedTooLarge(Exception):
    """A compressed message is larger than its limit once inflated."""


class InvalidDeflate(Exception):
    """A message that claims to be compressed cannot be inflated."""


class NotNegotiable(ValueError):
    """Extension parameters that are unknown, malformed, or beyond what zlib can do."""


class IllegalFrame(ValueError):
    """A control frame that is fragmented or longer than 125 bytes (RFC 6455 §5.5)."""
