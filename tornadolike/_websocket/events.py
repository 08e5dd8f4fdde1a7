"""What a peer said, in wire order.

A text message is a `str`, a binary message is `bytes`: they are nearly all there is, and wrapping them would cost more than
reading them. Everything else is one of the classes here.
"""

PING, PONG, CLOSE = 0x9, 0xA, 0x8


class Ping:
    """To be answered with a pong of the same data (RFC 6455 §5.5.2)."""

    __slots__ = ("data",)
    opcode = PING

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"Ping({self.data!r})"


class Pong:
    """The answer to a ping, or unasked for (RFC 6455 §5.5.3)."""

    __slots__ = ("data",)
    opcode = PONG

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"Pong({self.data!r})"


class Close:
    """The peer will send nothing more (RFC 6455 §5.5.1). ``code`` and ``reason`` were checked; None where it gave none."""

    __slots__ = ("code", "reason")
    opcode = CLOSE

    def __init__(self, code: int | None, reason: str | None) -> None:
        self.code = code
        self.reason = reason

    def __repr__(self) -> str:
        return f"Close({self.code}, {self.reason!r})"


Event = str | bytes | Ping | Pong | Close
