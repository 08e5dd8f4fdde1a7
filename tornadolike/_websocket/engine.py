"""One side of one WebSocket connection, without I/O, after the handshake (RFC 6455 §5 to §7).

Theory of operation
-------------------
`Engine.feed` takes bytes as they come and returns what they mean: messages (`str` or `bytes`, whole, unmasked, inflated, checked)
and control frames, in wire order. The ``send_`` methods return the bytes of one frame. The engine answers nothing by itself: to
send a pong, or to echo a close, is for its owner, who knows whether the last pong has left and whether a close was already sent.

=============  ==========================================================================
the peer sent  what `feed` does next
=============  ==========================================================================
nothing wrong  returns events, at most `MAX_EVENTS` and `MAX_BYTES` of them, more or less, or none
               after as many fragments: then ``has_more`` is true and ``feed(b"")`` is due, after
               others had a turn
a violation    returns the events before it; raises `PeerError` the next time
a close frame  returns `Close` last; nothing that is fed after it is looked at
=============  ==========================================================================

After `PeerError` the connection has to be closed with the error's code; the engine can still send.

There is one engine, `wsproto_engine.WsprotoEngine`, with two ways through it: all frames go through wsproto, or all but those
which are plain. Both give the same events for the same bytes.
"""

from typing import Protocol

from tornadolike._websocket.events import Event

MAX_EVENTS = 128
MAX_BYTES = 256 * 1024


class Engine(Protocol):
    """What `WebSocketProtocol13` asks of an engine."""

    has_more: bool
    # Of whole messages, in UTF-8 and uncompressed.
    message_bytes_in: int
    message_bytes_out: int

    def feed(self, data: bytes = b"", /) -> list[Event]:
        """Bytes from the peer; b"" goes on with what is stored. Raises `PeerError`."""
        ...

    def feed_eof(self) -> list[Event]:
        """The peer will send nothing more: forget what is stored. There are no events, half a message is none."""
        ...

    def send_message(self, message: str | bytes, binary: bool, /) -> bytes:
        """The frame of a whole message; bytes for text are already UTF-8."""
        ...

    def send_frame(self, first: int, payload: bytes, /) -> bytes:
        """Any other frame; ``first`` is its first byte: flags and opcode. Raises `IllegalFrame`."""
        ...
