"""What is in a file: opened with care, read in pieces, hashed."""

import os
import stat
from collections.abc import Callable, Generator, Iterable
from typing import Any, NoReturn

from tornadolike._web.static_files import Span, chunks

# Should it have become a FIFO, do not wait for a writer.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def open_regular(path: str) -> tuple[int, os.stat_result] | None:
    """Open a file; its descriptor and what it is. None where it is something else; OSError where it cannot be opened."""
    file = os.open(path, _FLAGS)
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        os.close(file)
        return None
    return file, found


class FileContent:
    """A part of a file, in pieces. Opened when the first one is asked for; whoever knows a quicker way to send a file need not ask.

    Without ``end`` it goes to the end of the file, as ``look`` says it is by then.
    """

    def __init__(self, path: str, start: int | None, end: int | None, look: Callable[[str, str], os.stat_result]) -> None:
        self.path = path
        self._pieces = self._read(path, start, end, look)

    @staticmethod
    def _read(path: str, start: int | None, end: int | None, look: Callable[[str, str], os.stat_result]) -> Generator[bytes, None, None]:
        size = look(path, path).st_size
        file = os.open(path, _FLAGS)
        try:
            yield from chunks(file, Span(start or 0, size if end is None else end))
        finally:
            os.close(file)

    def __iter__(self) -> Generator[bytes, None, None]:
        return self._pieces

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Close the file, if it was opened."""
        self._pieces.close()


def hex_digest(content: bytes | Iterable[bytes], hasher: Any, limit: int) -> str:
    """What ``hasher`` makes of all ``content``, in hex. Raises ValueError for more than ``limit`` bytes.

    A file half read is closed now, not when somebody collects the garbage.
    """
    # That a file is too large is known before so much of it has been read.
    if type(content) is FileContent and os.path.isfile(content.path) and os.path.getsize(content.path) > limit:
        _refuse_size(limit)
    size = 0
    try:
        for chunk in [content] if isinstance(content, bytes) else content:
            size += len(chunk)
            if size > limit:
                _refuse_size(limit)
            hasher.update(chunk)
    finally:
        if hasattr(content, "close"):
            content.close()
    return str(hasher.hexdigest())


def _refuse_size(limit: int) -> NoReturn:
    raise ValueError(f"content is larger than MAX_VERSION_CONTENT_SIZE ({limit} bytes)")
