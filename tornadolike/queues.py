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
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tornadolike import _imported_names, gen
from tornadolike.concurrent import Future
from tornadolike.gen import _finished
from tornadolike.locks import Event, _Claim, _is_done, _Timed, _TimedClaim

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull"]

_T = TypeVar("_T")
if TYPE_CHECKING:
    # Bare `PriorityQueue`, all that Tornado's types allow, stays right beside `PriorityQueue[int]`.
    from typing_extensions import TypeVar as _TypeVar

    _Item = _TypeVar("_Item", default=Any)
else:
    _Item = TypeVar("_Item")


class QueueEmpty(Exception):
    """Raised by `Queue.get_nowait` when there is no item."""


class QueueFull(Exception):
    """Raised by `Queue.put_nowait` when there is no room."""


class _Delivery(_Claim):
    """Waits for an item. One that nobody takes is for the next who waits, or else the next to be given out."""

    __slots__ = ("_item",)
    _item: Any  # what the queue was given, where it gave out the result for it

    def give_back(self, value: Any) -> None:
        queue = self.owner
        queue._consume_expired()
        if queue._getters:
            getter = queue._getters.popleft()
            getter._item = self._item
            getter.give(value)
        elif (type(queue)._put, type(queue)._get, type(queue._queue)) == (Queue._put, Queue._get, deque):
            queue._queue.appendleft(value)
        else:
            queue._put(self._item)


class _TimedDelivery(_TimedClaim, _Delivery):
    __slots__ = ()


class Queue(Generic[_T]):
    """First in, first out. With ``maxsize`` 0 it takes any number of items, else putting waits while it is full.

    Items stay counted as unfinished until `task_done` is called for each; `join` waits for that. ``async for`` gets items forever.
    Raises `TypeError` where ``maxsize`` is ``None``, `ValueError` where it is negative.

    A subclass may keep its items otherwise: ``_init()`` sets ``self._queue``, ``_put(item)`` and ``_get()`` change it.
    """

    _queue: Any = None
    _asks_otherwise = False  # whether a subclass says otherwise than by `_queue` that there is nothing to get

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._asks_otherwise = (cls.get_nowait, cls.empty, cls.qsize) != (Queue.get_nowait, Queue.empty, Queue.qsize)

    __init_subclass__.__module__ = "beyond_tornado"  # listings of Tornado's API pass it by

    def __init__(self, maxsize: int = 0) -> None:
        if maxsize is None:
            raise TypeError("maxsize can't be None")
        if maxsize < 0:
            raise ValueError("maxsize can't be negative")
        self._maxsize = maxsize
        # At most one of the two has anyone waiting: for items, or with an item for room.
        self._getters: deque[_Delivery] = deque()
        self._putters: deque[tuple[_T, Future[None]]] = deque()
        self._finished = Event()
        self._finished.set()
        self._unfinished_tasks = 0
        self.__taken_in: Future[None] | None = None
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
        try:
            self.put_nowait(item)
        except QueueFull:
            return self._wait_for_room(item, timeout)
        # They are all the same, and the same one does for all.
        if self.__taken_in is None or self.__taken_in.get_loop().is_closed():
            self.__taken_in = _finished(None)
        return self.__taken_in

    def _wait_for_room(self, item: _T, timeout: float | dt.timedelta | None) -> "Future[None]":
        if gen._unsure:
            gen._find_loop()
        putter: Future[None]
        if timeout is None:
            putter = Future()
        else:
            putter = _Timed()
            putter.limit(timeout)
        self._putters.append((item, putter))
        return putter

    def put_nowait(self, item: _T) -> None:
        """Put an item in. Raises `QueueFull` where there is no room."""
        while self._getters:
            getter = self._getters.popleft()
            behind = getter.behind  # what `done` asks, without the call
            if not (_is_done(getter) if behind is None else behind.done()):
                # Through the queue even so, because a subclass may give out another item than it was given.
                self._take_in(item)
                getter._item = item  # `_get` may have given out another one for it
                getter.give(self._get())
                return
        if self._putters:
            self._consume_expired()
        if self.full():
            raise QueueFull
        self._take_in(item)

    def get(self, timeout: float | dt.timedelta | None = None) -> Awaitable[_T]:
        """Take an item out, and wait for one where there is none. Raises `TimeoutError` at the ``timeout``.

        A task that is cancelled while it awaits this has taken nothing. Others who stop waiting have to say so, by cancelling the future
        or by a ``timeout``: the next item would be lost to a future that nobody reads.
        """
        if self._queue or self._putters or self._asks_otherwise:
            try:
                return _finished(self.get_nowait())
            except QueueEmpty:
                pass
        elif self._getters and self._getters[0].done():
            self._consume_expired()
        if gen._unsure:
            gen._find_loop()
        getter: _Delivery
        if timeout is None:
            getter = _Delivery()
        else:
            getter = timed = _TimedDelivery()
            timed.limit(timeout)
        getter.owner = self
        getter.behind = None
        self._getters.append(getter)
        return getter

    def get_nowait(self) -> _T:
        """Take an item out. Raises `QueueEmpty` where there is none."""
        if self._putters or self._getters:
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
        if self._unfinished_tasks == 1:
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


class PriorityQueue(Queue[_Item]):
    """Gives out the smallest item first. Items are mostly pairs of a priority and something else."""

    def _init(self) -> None:
        self._queue = []

    def _put(self, item: _Item) -> None:
        heapq.heappush(self._queue, item)

    def _get(self) -> _Item:
        item: _Item = heapq.heappop(self._queue)
        return item


class LifoQueue(Queue[_Item]):
    """Last in, first out: a stack."""

    def _init(self) -> None:
        self._queue = []

    def _get(self) -> _Item:
        item: _Item = self._queue.pop()
        return item


_imported_names.complete(globals())
