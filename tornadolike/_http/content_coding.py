"""Undoing ``Content-Encoding: gzip`` without trusting the sender (RFC 1952, RFC 9110 §8.4.1.3).

A few kilobytes of gzip can stand for gigabytes, so the output is bounded *while* it is made: no call into zlib may
produce more than one piece, and the sum of all pieces may not pass a total. A body may hold several members one after
another; it may end only between two of them.
"""

import zlib
from collections.abc import Iterator

_MAGIC = b"\x1f\x8b"
_GZIP_ONLY = 16 + zlib.MAX_WBITS  # tells zlib to expect, and verify, gzip's header and trailer


class InflateError(ValueError):
    """The data is not gzip, is damaged, or ends in the middle of a member."""


class InflatedTooLarge(InflateError):
    """The body is larger than allowed once inflated."""


class GzipInflater:
    """Inflates one message body: `feed` what arrives, then `feed_eof`.

    :arg max_piece_bytes: no piece handed out is longer than this.
    :arg max_total_bytes: more output than this raises `InflatedTooLarge`; at most one byte beyond it is ever inflated.
    :arg ignores_padding: zero bytes behind a body of one member are passed over, as gzip and browsers do. Where there were several, what
        follows the last one is another or a damaged one.
    """

    __slots__ = ("_ignores_padding", "_left", "_max_piece", "_member", "_members", "_padded")

    def __init__(self, max_piece_bytes: int, max_total_bytes: int, ignores_padding: bool = False) -> None:
        self._max_piece = max_piece_bytes
        self._left = max_total_bytes
        self._ignores_padding = ignores_padding
        self._member: zlib._Decompress | None = None
        self._members = 0
        self._padded = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what ``data`` inflates to, in pieces; each piece is made only when it is asked for.

        Exhaust the iterator before the next `feed`. Raises `InflateError` from the iteration.
        """
        while data:
            if self._member is None:
                if self._in_padding(data):
                    return
                self._member = _begin_member(data)
                self._members += 1
            try:
                piece = self._member.decompress(data, min(self._max_piece, self._left + 1))
            except zlib.error as error:
                raise InflateError(str(error)) from error
            if self._member.eof:
                data, self._member = self._member.unused_data, None
            else:
                data = self._member.unconsumed_tail
            if piece:
                self._left -= len(piece)
                if self._left < 0:
                    raise InflatedTooLarge("inflated body too large")
                yield piece

    def _in_padding(self, data: bytes) -> bool:
        if self._ignores_padding and self._members == 1 and (self._padded or data[0] == 0):
            if data.strip(b"\0"):
                raise InflateError("data behind the padding")
            self._padded = True
        return self._padded

    def feed_eof(self) -> None:
        """Say that the body is over. Raises `InflateError` when a member is still open."""
        if self._member is not None:
            raise InflateError("incomplete or truncated gzip stream")


def _begin_member(data: bytes) -> "zlib._Decompress":
    # A lone first byte is let through: zlib judges the second one when it arrives.
    if not _MAGIC.startswith(data[:2]):
        raise InflateError(f"expected a gzip member, got {data[:2]!r}")
    return zlib.decompressobj(_GZIP_ONLY)
