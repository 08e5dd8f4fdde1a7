"""Where a body ends: one reader for each kind of framing (RFC 9112 §6 and §7).

A reader is given the bytes that wait and says which are body, how many it used, and whether the message is over. All parsers
share these readers: a parser that decodes bodies by itself runs past the end of a message into the next one, and each
has its own idea of chunk extensions and trailers.
"""

from typing import Protocol

from tornadolike._http.lazy import pattern
from tornadolike._http1.errors import BodyTooLarge, PeerError

MAX_CHUNK_LINE_BYTES = 256
"""The longest chunk-size line, extensions included, and the longest trailer line is `MAX_TRAILER_BYTES`."""
MAX_TRAILER_BYTES = 8192
MAX_CHUNKS_PER_FEED = 256
"""After so many chunks a reader rests, so that a body of tiny chunks cannot hold the loop."""

# chunk-size [ chunk-ext ] without CRLF; extensions may hold what field values may (RFC 9112 §7.1.1).
_CHUNK_LINE = pattern(rb"([0-9A-Fa-f]+)(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = pattern(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class BodyReader(Protocol):
    """Reads one body."""

    finished: bool
    received_bytes: int

    def read(self, data: bytearray | bytes) -> tuple[list[bytes], int]:
        """Body pieces found in ``data`` and how many of its bytes were used up. Raises `PeerError`."""
        ...


class FixedReader:
    """A body of exactly ``length`` bytes."""

    __slots__ = ("finished", "received_bytes", "remaining")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.received_bytes = 0
        self.finished = length == 0

    def read(self, data: bytearray | bytes) -> tuple[list[bytes], int]:
        size = len(data)
        if size > self.remaining:
            data, size = data[: self.remaining], self.remaining
        self.remaining -= size
        self.received_bytes += size
        self.finished = self.remaining == 0
        return [bytes(data)] if size else [], size


class UntilCloseReader:
    """A response body that ends when the peer closes."""

    __slots__ = ("finished", "max_body_bytes", "received_bytes")

    def __init__(self, max_body_bytes: int) -> None:
        self.finished = False
        self.received_bytes = 0
        self.max_body_bytes = max_body_bytes

    def read(self, data: bytearray | bytes) -> tuple[list[bytes], int]:
        self.received_bytes += len(data)
        if self.received_bytes > self.max_body_bytes:
            raise BodyTooLarge("Body too long")
        return [bytes(data)] if data else [], len(data)


class ChunkedReader:
    """A chunked body; extensions and trailers are checked, bounded and dropped."""

    __slots__ = ("_in_chunk", "_trailer_bytes", "finished", "max_body_bytes", "received_bytes")

    def __init__(self, max_body_bytes: int) -> None:
        self.finished = False
        self.received_bytes = 0
        self.max_body_bytes = max_body_bytes
        # Bytes of the current chunk that are still to come, its CRLF included; 0 between chunks, -1 in the trailers.
        self._in_chunk = 0
        self._trailer_bytes = 0

    def read(self, data: bytearray | bytes) -> tuple[list[bytes], int]:
        pieces: list[bytes] = []
        position, chunks = 0, 0
        while not self.finished and chunks < MAX_CHUNKS_PER_FEED:
            before = position
            if self._in_chunk > 0:
                position = self._chunk_data(data, position, pieces)
                chunks += 1
            elif self._in_chunk == 0:
                position = self._chunk_line(data, position)
            else:
                position = self._trailer_line(data, position)
            if position == before:
                break
        return pieces, position

    def _chunk_line(self, data: bytearray | bytes, start: int) -> int:
        end = data.find(b"\r\n", start, start + MAX_CHUNK_LINE_BYTES)
        if end < 0:
            if len(data) - start >= MAX_CHUNK_LINE_BYTES or data.find(b"\n", start) >= 0:
                raise PeerError("invalid chunk size")
            return start
        match = _CHUNK_LINE.fullmatch(data, start, end)
        if match is None:
            raise PeerError("invalid chunk size")
        size = int(match.group(1), 16)
        if self.received_bytes + size > self.max_body_bytes:
            raise BodyTooLarge("chunked body too large")
        self._in_chunk = size + 2 if size else -1
        return end + 2

    def _chunk_data(self, data: bytearray | bytes, start: int, pieces: list[bytes]) -> int:
        body = min(self._in_chunk - 2, len(data) - start)
        if body > 0:
            pieces.append(bytes(data[start : start + body]))
            self.received_bytes += body
            self._in_chunk -= body
            start += body
        if self._in_chunk == 2 and len(data) - start >= 2:
            if data[start : start + 2] != b"\r\n":
                raise PeerError("improperly terminated chunk")
            self._in_chunk = 0
            start += 2
        return start

    def _trailer_line(self, data: bytearray | bytes, start: int) -> int:
        end = data.find(b"\r\n", start)
        self._check_trailer_size(len(data) if end < 0 else end, start)
        if end < 0:
            return start
        if end == start:
            self.finished = True
        elif _TRAILER.fullmatch(data, start, end) is None:
            raise PeerError("improperly terminated chunked request")
        else:
            self._trailer_bytes += end - start
        return end + 2

    def _check_trailer_size(self, end: int, start: int) -> None:
        if self._trailer_bytes + end - start > MAX_TRAILER_BYTES:
            raise PeerError("trailers too large")
