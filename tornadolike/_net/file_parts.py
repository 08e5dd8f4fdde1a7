"""Parts of files on their way through a stream."""

import asyncio
import os


class UnsendableFile(Exception):
    """The kernel does not send from this file; nothing was sent."""


class FilePart:
    """What is still to be sent of a file, and whom to tell.

    A part that has to wait for the kernel owns its descriptor: the caller's may be closed meanwhile, and its number be another file's.
    """

    __slots__ = ("_own_fd", "count", "fd", "future", "left", "offset")

    def __init__(self, fd: int, offset: int, count: int) -> None:
        self.fd, self.offset, self.count = fd, offset, count
        self.left = count
        self.future: asyncio.Future[None] = asyncio.Future()
        self._own_fd = -1

    def own(self) -> None:
        """Have a descriptor of its own from now on. Raises OSError where the process has none left."""
        if self._own_fd < 0:
            self.fd = self._own_fd = os.dup(self.fd)

    def release(self) -> None:
        fd, self._own_fd = self._own_fd, -1
        if fd >= 0:
            os.close(fd)
