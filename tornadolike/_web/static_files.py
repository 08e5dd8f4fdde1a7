"""Files under a root: which paths are inside, which part of a file is asked for, and how it is read."""

import os
from collections.abc import Iterator
from typing import NamedTuple

CHUNK_BYTES = 256 * 1024
"""The most that is read at once."""
LEAST_FOR_KERNEL = 64 * 1024
"""From this size on it pays to have the kernel send a file: one system call more, but no byte is copied."""


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


def chunks(file: int, part: Span) -> Iterator[bytes]:
    """Read ``part`` of an open file, a descriptor, in pieces of `CHUNK_BYTES` at most. EOFError where the file ends before that."""
    position, end = part
    if position:
        os.lseek(file, position, os.SEEK_SET)
    while position < end:
        piece = os.read(file, min(end - position, CHUNK_BYTES))
        if not piece:
            raise EOFError(f"the file ended {end - position} bytes early")
        position += len(piece)
        yield piece
