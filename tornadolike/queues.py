"""Queues between the coroutines of one thread; for threads there is `queue.Queue`.

They are shaped like `asyncio.Queue`, with timeouts and with callers that need not be coroutines::

    async def consumer():
        async for item in queue:
            try:
                await work(item)
            finally:
                queue.task_done()

    async def main():
        consumers = asyncio.gather(consumer(), consumer())
        for item in items:
            await queue.put(item)
        await queue.join()
"""

import datetime as dt
import heapq
from collections import deque
from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

from tornadolike.concurrent import Future
from tornadolike.gen import _create_future
from tornadolike.locks import Event, _limit

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull"]

_T = TypeVar("_T")


class QueueEmpty(Exception):
    """Raised by `Queue.get_nowait` when there is no item."""


class QueueFull(Exception):
    """Raised by `Queue.put_nowait` when there is no room."""


def _expire(waiter: "Future[Any]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class Queue(Generic[_T]):
    """First in, first out. With ``maxsize`` 0 it takes any number of items, else putting waits while it is full.

    Items stay counted as unfinished until `task_done` is called for each; `join` waits for that. ``async for`` gets items forever.
    Raises `TypeError` where ``maxsize`` is ``None``, `ValueError` where it is negative.

    A subclass may keep its items otherwise: ``_init()`` sets ``self._queue``, ``_put(item)`` and ``_get()`` change it.
    """

    _queue: Any = None

    def __init__(self, maxsize: int = 0) -> None:
        if maxsize is None:
            raise TypeError("maxsize can't be None")
        if maxsize < 0:
            raise ValueError("maxsize can't be negative")
        self._maxsize = maxsize
        # At most one of the two has anyone waiting: for items, or with an item for room.
        self._getters: deque[Future[_T]] = deque()
        self._putters: deque[tuple[_T, Future[None]]] = deque()
        self._finished = Event()
        self._finished.set()
        self._unfinished_tasks = 0
        self._init()

    @property
    def maxsize(self) -> int:
        """The number of items that it takes; 0 where there is no limit."""
        return self._maxsize

    def qsize(self) -> int:
        """The number of items in it."""
        return len(self._queue)

    def empty(self) -> bool:
        """Whether there is no item in it."""
        return not self._queue

    def full(self) -> bool:
        """Whether there is no room in it."""
        return 0 < self._maxsize <= self.qsize()

    def put(self, item: _T, timeout: float | dt.timedelta | None = None) -> "Future[None]":
        """Put an item in, and wait for room where there is none. The future is done when it is in.

        At the ``timeout``, a deadline as for `.IOLoop.add_timeout`, it fails with `TimeoutError`, and the item is not put in.
        """
        waiter: Future[None] = _create_future()
        try:
            self.put_nowait(item)
        except QueueFull:
            self._putters.append((item, waiter))
            if timeout is not None:
                _limit(waiter, timeout, _expire)
        else:
            waiter.set_result(None)
        return waiter

    def put_nowait(self, item: _T) -> None:
        """Put an item in. Raises `QueueFull` where there is no room."""
        self._consume_expired()
        if not self._getters and self.full():
            raise QueueFull
        self._take_in(item)
        if self._getters:
            # Through the queue even so, because a subclass may give out another item than it was given.
            self._getters.popleft().set_result(self._get())

    def get(self, timeout: float | dt.timedelta | None = None) -> Awaitable[_T]:
        """Take an item out, and wait for one where there is none. Raises `TimeoutError` at the ``timeout``.

        Whoever stops waiting has to say so, by cancelling the future or by a ``timeout``: the next item would be lost to a future that
        nobody reads.
        """
        waiter: Future[_T] = _create_future()
        try:
            waiter.set_result(self.get_nowait())
        except QueueEmpty:
            self._getters.append(waiter)
            if timeout is not None:
                _limit(waiter, timeout, _expire)
        return waiter

    def get_nowait(self) -> _T:
        """Take an item out. Raises `QueueEmpty` where there is none."""
        self._consume_expired()
        if self._putters:
            item, putter = self._putters.popleft()
            self._take_in(item)
            putter.set_result(None)
        elif self.empty():
            raise QueueEmpty
        return self._get()

    def task_done(self) -> None:
        """Count one item that was taken out as finished. Raises `ValueError` where there is none left to finish."""
        if self._unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished_tasks -= 1
        if not self._unfinished_tasks:
            self._finished.set()

    def join(self, timeout: float | dt.timedelta | None = None) -> Awaitable[None]:
        """Wait until all items are finished. Raises `TimeoutError` at the ``timeout``."""
        return self._finished.wait(timeout)

    def _consume_expired(self) -> None:
        """Forget those at the head of a line who no longer wait."""
        while self._putters and self._putters[0][1].done():
            self._putters.popleft()
        while self._getters and self._getters[0].done():
            self._getters.popleft()

    def __aiter__(self) -> "_QueueIterator[_T]":
        return _QueueIterator(self)

    def _init(self) -> None:
        self._queue = deque()

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _get(self) -> _T:
        item: _T = self._queue.popleft()
        return item

    def _take_in(self, item: _T) -> None:
        self._put(item)
        self._unfinished_tasks += 1
        self._finished.clear()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self._format()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._format()}>"

    def _format(self) -> str:
        parts = [f"maxsize={self._maxsize!r}"]
        if self._queue:
            parts.append(f"queue={self._queue!r}")
        for name, waiting in ("getters", self._getters), ("putters", self._putters):
            if waiting:
                parts.append(f"{name}[{len(waiting)}]")
        if self._unfinished_tasks:
            parts.append(f"tasks={self._unfinished_tasks}")
        return " ".join(parts)


class _QueueIterator(Generic[_T]):
    def __init__(self, q: "Queue[_T]") -> None:
        self.q = q

    def __aiter__(self) -> "_QueueIterator[_T]":
        return self

    def __anext__(self) -> Awaitable[_T]:
        return self.q.get()


class PriorityQueue(Queue[Any]):
    """Gives out the smallest item first. Items are mostly pairs of a priority and something else."""

    def _init(self) -> None:
        self._queue = []

    def _put(self, item: Any) -> None:
        heapq.heappush(self._queue, item)

    def _get(self) -> Any:
        return heapq.heappop(self._queue)


class LifoQueue(Queue[Any]):
    """Last in, first out: a stack."""

    def _init(self) -> None:
        self._queue = []

    def _get(self) -> Any:
        return self._queue.pop()
