"""The layout of a frame (RFC 6455 §5.2)."""

import os
import struct

from tornadolike._websocket import masking
from tornadolike._websocket.errors import IllegalFrame

FIN, RSV1, MASKED = 0x80, 0x40, 0x80
CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
MAX_CONTROL_BYTES = 125

_MEDIUM = struct.Struct("!BBH")
_LARGE = struct.Struct("!BBQ")
SHORT_HEADS = {first: [bytes((first, size)) for size in range(126)] for first in (FIN | TEXT, FIN | BINARY)}


def extent(data: bytes | bytearray, start: int) -> tuple[int, int] | None:
    """Where the payload of the frame at ``start`` begins, and its length; None while the header is incomplete."""
    size = len(data) - start
    if size < 2:
        return None
    second = data[start + 1]
    length, begin = second & 0x7F, start + (6 if second & MASKED else 2)
    if length == 126:
        begin += 2
    elif length == 127:
        begin += 8
    if begin > len(data):
        return None
    if length == 126:
        length = int.from_bytes(data[start + 2 : start + 4], "big")
    elif length == 127:
        length = int.from_bytes(data[start + 2 : start + 10], "big")
    return begin, length


def long_extent(data: bytes, begin: int, start: int, code: int) -> tuple[int, int]:
    """Where the payload of the frame at ``start`` begins, and its length, when ``code`` (126 or 127) says that a length field follows.

    ``begin`` is where it would begin without one. The length is -1 for another code, an incomplete header, and a length that has a
    shorter form.
    """
    if code > 127:
        return begin, -1
    width = 2 if code == 126 else 8
    begin += width
    length = int.from_bytes(data[start + 2 : start + 2 + width], "big")
    if begin > len(data) or length < (126 if width == 2 else 65536):
        return begin, -1
    return begin, length


def frame(first: int, payload: bytes, masked: bool = False) -> bytes:
    """A whole frame; ``first`` is its first byte."""
    size = len(payload)
    if masked:
        mask = os.urandom(4)
        return _head(first, size, MASKED) + mask + masking.apply(payload, mask)
    if size < 126 and first in SHORT_HEADS:
        return SHORT_HEADS[first][size] + payload
    return _head(first, size, 0) + payload


def checked(first: int, payload: bytes) -> bytes:
    """``payload``, if a frame that begins with ``first`` may have it (RFC 6455 §5.5). Raises `IllegalFrame`."""
    if first & 0x08:
        if not first & FIN:
            raise IllegalFrame("control frames may not be fragmented")
        if len(payload) > MAX_CONTROL_BYTES:
            raise IllegalFrame("control frame payloads may not exceed 125 bytes")
    return payload


def _head(first: int, size: int, mask_bit: int) -> bytes:
    if size < 126:
        return bytes((first, size | mask_bit))
    if size < 65536:
        return _MEDIUM.pack(first, 126 | mask_bit, size)
    return _LARGE.pack(first, 127 | mask_bit, size)


def close_payload(code: int | None, reason: bytes | None) -> bytes:
    """What a close frame says: nothing, or a code, 1000 where there is but a ``reason``, and that (RFC 6455 §5.5.1)."""
    if code is None:
        if reason is None:
            return b""
        code = 1000
    return struct.pack(">H", code) + (reason or b"")
