"""Small files that are asked for again and again: kept in memory for as long as one look at each shows that it is unchanged.

Whether a file may be served is decided elsewhere, for the file as it was then. What is kept stands for that very file: it is handed out
only while the path it was found by leads to the same device and inode, with the same size and the same times. Whoever writes to a file,
or puts another one or another link in its place, changes one of them. The times are as coarse as the clock of the file system, so two
changes can share one; a file is kept only when its last change is far enough back that the next one cannot (git calls the others
"racily clean").

Some ways to change a file leave no trace in its times at once: through a shared memory mapping, or on another machine that has the same
network file system. So whatever is kept is read again now and then.
"""

import os

from tornadolike._web.static_files import identity

MAX_FILE_BYTES = 128 * 1024
"""The largest file that is kept. From there on it is cheaper to have the kernel send a file."""
MAX_BYTES = 4 * 1024 * 1024
"""All that is kept, in bytes of content."""
MAX_FILES = 1024
"""All that is kept, in files."""
MAX_AGE_SECONDS = 60.0
"""How long a file is kept before it is read again."""
SETTLED_SECONDS = 2.0
"""How long ago a file must have changed to be kept: the coarsest clock there is on a file system, that of FAT."""


class _KeptFile:
    """A file as it was when it was read."""

    __slots__ = ("content", "identity", "read_at", "recently_used")

    def __init__(self, found: os.stat_result, content: bytes, read_at: float) -> None:
        self.identity = identity(found)
        self.content = content
        self.read_at = read_at
        self.recently_used = False


class KeptFiles:
    """The files that are kept, each under its path (no link), bounded in number and in bytes.

    When it is full, those go that were not used since they last came to the end of the queue. One that was used stays, and what was to
    take its place has to wait: many files in turn, more than there is room for, must not throw each other out.

    Any thread may call `get`; all others are for one thread at a time.
    """

    def __init__(self) -> None:
        self._files: dict[str, _KeptFile] = {}
        self._bytes = 0

    def get(self, path: str, found: os.stat_result, now: float) -> bytes | None:
        """The content of a file which has just been ``found`` like this; None where it has to be read."""
        kept = self._files.get(path)
        if kept is None or identity(found) != kept.identity or now - kept.read_at > MAX_AGE_SECONDS:
            return None
        kept.recently_used = True
        return kept.content

    def admits(self, found: os.stat_result, now: float) -> bool:
        """Whether a file may be kept that was found like this at ``now``, before it was read: small, at rest, and there is room."""
        if os.name != "posix":  # where st_ctime tells of the last change
            return False
        if not 0 < found.st_size <= MAX_FILE_BYTES or max(found.st_mtime, found.st_ctime) > now - SETTLED_SECONDS:
            return False
        return self._makes_room(found.st_size)

    def keep(self, path: str, found: os.stat_result, content: bytes, now: float) -> None:
        """Keep a file that was admitted, found and read at ``now``."""
        self._drop(path)
        if self._makes_room(len(content)):
            self._files[path] = _KeptFile(found, content, now)
            self._bytes += len(content)

    def clear(self) -> None:
        """Forget all files."""
        self._files.clear()
        self._bytes = 0

    def _makes_room(self, size: int) -> bool:
        files = self._files
        while files and (self._bytes + size > MAX_BYTES or len(files) >= MAX_FILES):
            path, oldest = next(iter(files.items()))
            self._drop(path)
            if oldest.recently_used:
                oldest.recently_used = False
                files[path] = oldest
                self._bytes += len(oldest.content)
                return False
        return True

    def _drop(self, path: str) -> None:
        kept = self._files.pop(path, None)
        if kept is not None:
            self._bytes -= len(kept.content)
