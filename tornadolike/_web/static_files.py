"""Files under a root: which paths are inside, which part of a file is asked for, and how it is read."""

import os
from collections.abc import Iterator
from typing import NamedTuple, Protocol

CHUNK_BYTES = 256 * 1024


def is_inside(directory: str, path: str) -> bool:
    """True when ``path`` is ``directory`` or below it. Both are absolute and normal; nothing is looked up on disk."""
    directory = directory if directory.endswith(os.sep) else directory + os.sep
    return (path + os.sep).startswith(directory)


def names_stream(root: str, path: str) -> bool:
    """True when the part of ``path`` below ``root`` names an NTFS stream (``a.txt::$DATA``) or another drive."""
    return ":" in path[len(root) :]


class Span(NamedTuple):
    """A part of a file: bytes from ``start`` up to but not including ``end``."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def span(wanted: tuple[int | None, int | None], size: int) -> Span | None:
    """Return which bytes of a file of ``size`` a Range header asks for; None where there are none (416).

    ``wanted`` is what the header said as a slice: a negative start counts from the end of the file. RFC 9110 §14.1.2:
    an end behind the file means its end, a suffix longer than the file means the whole of it.
    """
    first, last = wanted
    if last == 0:
        return None
    start = first or 0
    if start < 0:
        start = max(0, start + size)
    if first is not None and (start >= size or (last is not None and start >= last)):
        return None
    return Span(start, size if last is None else min(last, size))


class Readable(Protocol):
    """What is asked of a file; a buffer between it and us would only copy."""

    def read(self, size: int, /) -> bytes | None: ...

    def seek(self, offset: int, /) -> int: ...


def chunks(file: Readable, start: int | None, end: int | None) -> Iterator[bytes]:
    """Read ``file`` from ``start`` to ``end`` (None: its beginning, its end) in pieces of `CHUNK_BYTES` at most."""
    if start:
        file.seek(start)
    if end is None:
        while piece := file.read(CHUNK_BYTES):
            yield piece
        return
    left = end - (start or 0)
    while left > 0 and (piece := file.read(min(left, CHUNK_BYTES))):
        left -= len(piece)
        yield piece
    assert left <= 0, f"the file ended {left} bytes early"
