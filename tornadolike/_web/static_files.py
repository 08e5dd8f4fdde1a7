"""Files under a root: which paths are inside, which part of a file is asked for, and how it is read."""

import datetime as dt
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

CHUNK_BYTES = 256 * 1024
"""The most that is read at once."""
LEAST_FOR_KERNEL = 64 * 1024
"""From this size on it pays to have the kernel send a file: one system call more, but no byte is copied."""


def is_inside(directory: str, path: str) -> bool:
    """True when ``path`` is ``directory`` or below it. Both are absolute and normal; nothing is looked up on disk."""
    directory = directory if directory.endswith(os.sep) else directory + os.sep
    return (path + os.sep).startswith(directory)


@lru_cache(maxsize=64)
def _normal_directory(path: str) -> str:
    return os.path.join(os.path.normpath(path), "")


def absolute_directory(path: str) -> str:
    """Return ``path``, absolute, normal, and with a separator at its end. Nothing is looked up on disk."""
    path = os.fspath(path)
    # What is absolute already says all: it need not be computed for each request.
    return _normal_directory(path) if os.sep == "/" and path.startswith("/") else os.path.join(os.path.abspath(path), "")


@lru_cache(maxsize=1024)
def _below(root: str, path: str) -> str:
    return os.path.abspath(os.path.join(root, path))


def below(root: str, path: str) -> str:
    """The absolute path of ``path``, which is relative to ``root``. Nothing is looked up on disk."""
    if os.sep == "/" and type(root) is str and root.startswith("/"):  # whatever the current directory is
        return _below(root, path)
    return os.path.abspath(os.path.join(root, path))


@lru_cache(maxsize=1024)
def utc(seconds: int) -> dt.datetime:
    """A time stamp as a date."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


class Targets:
    """Where paths lead, symbolic links followed, as long as the very same file is found there.

    Looking at each directory on the way costs more than all the rest of a small file. What is remembered holds while one look at the
    path shows the file that was found to be inside the allowed directories, unchanged: same device, inode, size and times.
    """

    _MAX_KNOWN = 4096

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[tuple[int, ...], str]] = {}

    def find(self, path: str, directories: Iterable[str]) -> tuple[str, os.stat_result] | None:
        """The target of ``path`` and what it is; None where it has to be looked up."""
        target = self._known.get((path, *directories))
        if target is None:
            return None
        try:
            found = os.stat(path)
        except OSError:
            return None
        return (target[1], found) if identity(found) == target[0] else None

    def remember(self, path: str, directories: Iterable[str], target: str, found: os.stat_result) -> None:
        """Note that ``path`` leads to ``target``, a file inside of one of the directories."""
        if len(self._known) >= self._MAX_KNOWN:
            self._known.clear()
        self._known[path, *directories] = identity(found), target


def target(path: str, directories: Iterable[str]) -> str | None:
    """Where ``path`` leads, symbolic links followed; None where that is in none of the ``directories``."""
    found = os.path.realpath(path)
    for resolve in (os.path.abspath, os.path.realpath):
        # A target, in which every link is followed, can be below a directory as it is written only if that has no links in it
        # either. That is the usual case, and spares the look-ups of the second one.
        if any(is_inside(resolve(directory), found) for directory in directories):
            return found
    return None


def media_type(guessed: str | None, encoding: str | None) -> str:
    """The ``Content-Type`` of a file, from what `mimetypes.guess_type` makes of its name."""
    if encoding is None:
        return guessed or "application/octet-stream"
    # RFC 6713. The file is sent as it is, not as something that was encoded for the transfer.
    return "application/gzip" if encoding == "gzip" else "application/octet-stream"


def identity(found: os.stat_result) -> tuple[int, ...]:
    """What stays the same while nobody changes a file, or puts another one in its place."""
    # Whatever is done to a file or its names, apart from reading, changes st_ctime.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


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
