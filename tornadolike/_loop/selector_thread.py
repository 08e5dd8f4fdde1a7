"""A thread that waits with ``select`` on behalf of an event loop which cannot watch file descriptors itself."""

import queue
import select
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any


class SelectThread:
    """Waits for files to become ready, one round at a time, and reports each round once.

    A round begins with `begin_round` and ends with one call of ``report(readable, writable)`` *in the thread*. Nothing is watched
    between rounds, so whoever handles a report can change what it watches and then begin the next one. `wake` ends a running
    round early; ``waker_r`` shows it, has to be among the files that are watched for reading, and has to be emptied with `drain`.
    """

    def __init__(self, report: Callable[[list[Any], list[Any]], None]) -> None:
        self.waker_r, self.waker_w = socket.socketpair()
        self.waker_r.setblocking(False)
        self.waker_w.setblocking(False)
        self.thread = threading.Thread(name="Tornado selector", target=self._run, daemon=True)
        self._report = report
        self._rounds: queue.SimpleQueue[tuple[list[Any], list[Any]] | None] = queue.SimpleQueue()
        self._closed = False

    def begin_round(self, readers: Iterable[Any], writers: Iterable[Any]) -> None:
        """Watch these files until one is ready. The previous round must have been reported."""
        self._rounds.put((list(readers), list(writers)))

    def wake(self) -> None:
        """End the running round: what it watches is out of date."""
        if self._closed:
            return
        try:
            self.waker_w.send(b"!")
        except BlockingIOError:
            pass  # it is full of earlier wake-ups, which do as well

    def drain(self) -> None:
        """Take the wake-ups out of ``waker_r``."""
        try:
            self.waker_r.recv(1024)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """End the thread, wait for it, and close the waker's sockets."""
        if self._closed:
            return
        self._rounds.put(None)
        self.wake()
        if self.thread.is_alive():
            self.thread.join()
        self._closed = True
        self.waker_r.close()
        self.waker_w.close()

    def _run(self) -> None:
        while (watched := self._rounds.get()) is not None:
            self._report(*self._select(*watched))

    def _select(self, readers: list[Any], writers: list[Any]) -> tuple[list[Any], list[Any]]:
        try:
            # A failed connect shows as an exceptional condition on Windows, as writable elsewhere.
            readable, writable, failed = select.select(readers, writers, writers)
        except (OSError, ValueError):
            # A file may have been removed and closed since the round began. Then there has been a wake-up too, and the
            # next round is without it; anything else is a defect that must show.
            if not select.select([self.waker_r], [], [], 0)[0]:
                raise
            return [self.waker_r], []
        return readable, writable + [file for file in failed if file not in writable]
