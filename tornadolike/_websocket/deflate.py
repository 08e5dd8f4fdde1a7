"""Messages compressed one by one: the extension permessage-deflate (RFC 7692 §7).

A message ends with a sync flush, whose last four bytes are left out on the wire. With *context takeover* the window lives from
message to message; without, every message starts anew, and between messages nothing is kept.
"""

import zlib
from typing import NamedTuple

from tornadolike._websocket.errors import InflatedTooLarge, InvalidDeflate

_FLUSH_END = b"\x00\x00\xff\xff"
DEFAULT_LEVEL = 6
DEFAULT_MEM_LEVEL = 8


class DeflateSettings(NamedTuple):
    """What both sides agreed upon. Window bits are 8 to 15; ``*_takeover`` says whether the window is kept between messages."""

    send_takeover: bool = True
    send_window_bits: int = zlib.MAX_WBITS
    receive_takeover: bool = True
    receive_window_bits: int = zlib.MAX_WBITS


def check_window_bits(bits: int) -> int:
    """``bits`` when it lies in the range of RFC 7692 §7.1.2, otherwise `ValueError`."""
    if not 8 <= bits <= zlib.MAX_WBITS:
        raise ValueError(f"Invalid max_wbits value {bits}; allowed range 8-{zlib.MAX_WBITS}")
    return bits


class Deflater:
    """Compresses messages. Its window takes up to 256 KiB, from the first message on."""

    __slots__ = ("_level", "_mem_level", "_stream", "_takeover", "_window_bits")

    def __init__(self, takeover: bool, window_bits: int, level: int = DEFAULT_LEVEL, mem_level: int = DEFAULT_MEM_LEVEL) -> None:
        self._takeover = takeover
        self._window_bits = check_window_bits(window_bits)
        self._level = level
        self._mem_level = mem_level
        self._stream: zlib._Compress | None = None

    def compress(self, data: bytes) -> bytes:
        """The payload of one message."""
        stream = self._stream
        if stream is None:
            stream = zlib.compressobj(self._level, zlib.DEFLATED, -self._window_bits, self._mem_level)
            if self._takeover:
                self._stream = stream
        # Nothing in, nothing out: then zlib makes no second flush either, and one empty block stands for the message (§7.2.3.6).
        return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4] or b"\x00"


class Inflater:
    """Decompresses messages and stops as soon as one turns out larger than ``max_bytes``: memory stays bounded by that."""

    __slots__ = ("_max_bytes", "_stream", "_takeover", "_window_bits")

    def __init__(self, takeover: bool, window_bits: int, max_bytes: int) -> None:
        self._takeover = takeover
        self._window_bits = check_window_bits(window_bits)
        self._max_bytes = max_bytes
        self._stream: zlib._Decompress | None = None

    def decompress(self, data: bytes) -> bytes:
        """One message from its whole payload. Raises `InflatedTooLarge` and `InvalidDeflate`; then this object is of no more use."""
        stream = self._stream or zlib.decompressobj(-self._window_bits)
        try:
            message = stream.decompress(data + _FLUSH_END, self._max_bytes + 1)
        except zlib.error as error:
            raise InvalidDeflate(str(error)) from None
        if len(message) > self._max_bytes or stream.unconsumed_tail:
            raise InflatedTooLarge
        # A block may be marked as the last one (§7.2.3.4); what comes after it is for a new stream.
        self._stream = stream if self._takeover and not stream.eof else None
        return message
