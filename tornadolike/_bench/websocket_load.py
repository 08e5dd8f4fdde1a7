"""WebSocket load without a WebSocket library: frames are made once, answers are compared as bytes (RFC 6455 §5.2, RFC 7692)."""

import functools
import os
import socket
import struct
import zlib

from tornadolike._bench import generator
from tornadolike._bench.errors import WrongAnswer
from tornadolike._bench.figures import Load

_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
)
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
_ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the answer to that key, from RFC 6455 §1.3
_FIN, _COMPRESSED, _MASKED, _TEXT = 0x80, 0x40, 0x80, 1


def connect(path: str, host: str, port: int, *, deflate: bool = False) -> socket.socket:
    """A connection after its handshake. Raises `WrongAnswer`."""
    made = begin(path, host, port, deflate=deflate)
    finish(made, deflate=deflate)
    return made


def begin(path: str, host: str, port: int, *, deflate: bool = False) -> socket.socket:
    """A connection that has asked for its upgrade; `finish` has to follow."""
    made = generator.connect(host, port)
    made.sendall(_UPGRADE.format(path=path, host=host, port=port, extra=_DEFLATE if deflate else "").encode())
    return made


def finish(made: socket.socket, *, deflate: bool = False) -> None:
    """Take the answer to the handshake. Raises `WrongAnswer`, and closes the connection then."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = made.recv(4096)
        if not piece:
            break
        head += piece
    status = head.partition(b"\r\n")[0]
    if b" 101 " not in status or _ACCEPT not in head or deflate != (b"permessage-deflate" in head):
        made.close()
        raise WrongAnswer(f"answers the WebSocket handshake with {head[:300]!r}")


def frame(payload: bytes, *, masked: bool, compressed: bool = False) -> bytes:
    """A text message in one frame; of a client (masked) or of a server."""
    first = _FIN | _TEXT | (_COMPRESSED if compressed else 0)
    mask_bit = _MASKED if masked else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, mask_bit | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    together = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + together.to_bytes(len(payload), "big")


def frame_size(data: bytes | bytearray) -> int | None:
    """How long the frame at the beginning of ``data`` is; None where its head is not complete."""
    if len(data) < 2:
        return None
    head = _head_size(data)
    if len(data) < head:
        return None
    return head + (int.from_bytes(data[2:head], "big") if head > 2 else data[1] & 0x7F)


def _head_size(data: bytes | bytearray) -> int:
    return 2 + {126: 2, 127: 8}.get(data[1] & 0x7F, 0)


class EchoExchange:
    """The same message again and again, which has to come back. A plain echo is compared byte by byte."""

    closes = False

    def __init__(self, message: bytes) -> None:
        self.request = frame(message, masked=True)
        self._expected = frame(message, masked=False)

    def answered(self, data: bytes | bytearray) -> bool:
        if data == self._expected:
            return True
        if len(data) < len(self._expected) and self._expected.startswith(data):
            return False
        raise WrongAnswer(f"echoes {bytes(data[:100])!r} instead of {self._expected[:100]!r}")


class DeflatedEchoExchange:
    """As `EchoExchange`, compressed. Later answers refer to earlier ones, so their frames are looked at, not inflated."""

    closes = False

    def __init__(self, message: bytes) -> None:
        self.request = frame(deflated(message), masked=True, compressed=True)

    def answered(self, data: bytes | bytearray) -> bool:
        if data[0] != _FIN | _COMPRESSED | _TEXT:
            raise WrongAnswer(f"echoes something else than a compressed text message: {bytes(data[:100])!r}")
        size = frame_size(data)
        if size is not None and len(data) > size:
            raise WrongAnswer(f"echoes more than one message: {bytes(data[:100])!r}")
        return size is not None and len(data) == size


def deflated(message: bytes) -> bytes:
    """A compressed message that refers to no earlier one, which is always allowed."""
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def check_deflated(message: bytes, path: str, host: str, port: int) -> None:
    """Whether two compressed messages, the second with the first as its context, come back as they went. Raises `WrongAnswer`."""
    inflater = zlib.decompressobj(wbits=-15)
    exchange = DeflatedEchoExchange(message)
    with connect(path, host, port, deflate=True) as connection:
        for _ in range(2):
            connection.sendall(exchange.request)
            data = connection.recv(1 << 18)
            while data and not exchange.answered(data):
                data += connection.recv(1 << 18)
            if inflater.decompress(data[_head_size(data) :] + b"\x00\x00\xff\xff") != message:
                raise WrongAnswer("echoes a compressed message that does not inflate to what was sent")


def echo_load(message: bytes, path: str, host: str, port: int, connections: int, seconds: float, *, deflate: bool) -> Load:
    """Echo, one message at a time on each connection."""
    exchange = DeflatedEchoExchange(message) if deflate else EchoExchange(message)
    make = functools.partial(connect, path, host, port, deflate=deflate)
    return generator.Generator(exchange, make, connections).run(seconds)
