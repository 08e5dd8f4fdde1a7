"""Synchronisation of coroutines within one thread: what `threading` offers for threads, for a loop's coroutines.

Nothing here is thread-safe. Wherever a ``timeout`` can be given it is a deadline as for `.IOLoop.add_timeout`: a
`datetime.timedelta` from now, or a time; ``None`` waits for as long as it takes.
"""

import asyncio
import datetime as dt
import types
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from tornadolike.concurrent import Future
from tornadolike.gen import _create_future
from tornadolike.ioloop import IOLoop
from tornadolike.util import TimeoutError  # noqa: A004 - the same as the builtin; Tornado's spelling

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]

_T = TypeVar("_T")

# So many waiters may give up before their futures are swept out of the queue.
_SWEEP_AFTER = 100


def _limit(waiter: "Future[_T]", timeout: float | dt.timedelta, expire: Callable[["Future[_T]"], None]) -> None:
    """Call ``expire(waiter)`` at the deadline, unless the waiter is done before."""
    io_loop = IOLoop.current()
    timer = io_loop.add_timeout(timeout, expire, waiter)
    waiter.add_done_callback(lambda _: io_loop.remove_timeout(timer))


class _TimeoutGarbageCollector:
    """A queue of waiters. Those that have given up stay in it, which costs nothing, until there are enough to be swept out."""

    def __init__(self) -> None:
        self._waiters: deque[Future[Any]] = deque()
        self._timeouts = 0

    def _enqueue(self, timeout: float | dt.timedelta | None, expire: "Callable[[Future[Any]], None]") -> "Future[Any]":
        waiter = _create_future()
        self._waiters.append(waiter)
        if timeout is not None:
            _limit(waiter, timeout, expire)
        waiter.add_done_callback(self._count_if_cancelled)
        return waiter

    def _next_waiter(self) -> "Future[Any] | None":
        """Take the longest waiting one out of the queue; those that have given up are dropped on the way."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _count_if_cancelled(self, waiter: "Future[Any]") -> None:
        if waiter.cancelled():
            self._garbage_collect()

    def _garbage_collect(self) -> None:
        """One more waiter has given up."""
        self._timeouts += 1
        if self._timeouts > _SWEEP_AFTER:
            self._timeouts = 0
            self._waiters = deque(waiter for waiter in self._waiters if not waiter.done())


class Condition(_TimeoutGarbageCollector):
    """Lets coroutines wait until they are notified. Unlike `threading.Condition` it needs no lock around it.

    ::

        condition = locks.Condition()

        async def waiter():
            await condition.wait()

        async def notifier():
            condition.notify()
    """

    def __repr__(self) -> str:
        waiting = f" waiters[{len(self._waiters)}]" if self._waiters else ""
        return f"<{type(self).__name__}{waiting}>"

    def wait(self, timeout: float | dt.timedelta | None = None) -> Awaitable[bool]:
        """Wait for `notify`. The result is ``True``, or ``False`` at the ``timeout``."""
        return self._enqueue(timeout, self._expire)

    def _expire(self, waiter: "Future[bool]") -> None:
        if not waiter.done():
            waiter.set_result(False)
        self._garbage_collect()

    def notify(self, n: int = 1) -> None:
        """Wake the ``n`` that have waited longest, or all where they are fewer."""
        for _ in range(n):
            waiter = self._next_waiter()
            if waiter is None:
                break
            waiter.set_result(True)

    def notify_all(self) -> None:
        """Wake all that wait."""
        self.notify(len(self._waiters))


class Event:
    """A flag that coroutines can wait for. It is clear at first; while it is set, nobody waits."""

    def __init__(self) -> None:
        self._value = False
        self._waiters: set[Future[None]] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'set' if self._value else 'clear'}>"

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._value

    def set(self) -> None:
        """Set the flag and wake all that wait for it."""
        if not self._value:
            self._value = True
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def clear(self) -> None:
        """Take the flag back: from now on `wait` waits."""
        self._value = False

    def wait(self, timeout: float | dt.timedelta | None = None) -> Awaitable[None]:
        """Wait until the flag is set. Raises `TimeoutError` at the ``timeout``."""
        waiter: Future[None] = _create_future()
        if self._value:
            waiter.set_result(None)
            return waiter
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        if timeout is not None:
            _limit(waiter, timeout, _time_out)
        return waiter


def _time_out(waiter: "Future[Any]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("Timeout"))


class _Releasable(Protocol):
    def release(self) -> None: ...


class _ReleasingContextManager:
    """What acquiring gives to ``with (yield lock.acquire()):``, which releases at its end."""

    __slots__ = ("_obj",)

    def __init__(self, obj: _Releasable) -> None:
        self._obj = obj

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: types.TracebackType | None,
    ) -> None:
        self._obj.release()


async def _entered(acquiring: Awaitable[Any], lock: _Releasable) -> None:
    """Wait for ``lock`` on behalf of ``async with``; a task that is cancelled just after it got the lock gives it back."""
    try:
        await acquiring
    except asyncio.CancelledError:
        if isinstance(acquiring, Future) and acquiring.done() and not acquiring.cancelled():
            lock.release()
        raise


class Semaphore(_TimeoutGarbageCollector):
    """Lets ``value`` coroutines in at a time; the others wait until one of them is done, first come, first served.

    ::

        semaphore = locks.Semaphore(2)

        async def worker():
            async with semaphore:
                await use_some_resource()

    Raises `ValueError` where ``value`` is negative. More releases than acquisitions raise the value; see `BoundedSemaphore`.
    """

    def __init__(self, value: int = 1) -> None:
        super().__init__()
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._value = value

    def __repr__(self) -> str:
        state = f"unlocked,value:{self._value}" if self._value else "locked"
        waiting = f",waiters:{len(self._waiters)}" if self._waiters else ""
        return f"<{super().__repr__()[1:-1]} [{state}{waiting}]>"

    def release(self) -> None:
        """Let the next one in, or count one more for those to come."""
        waiter = self._next_waiter()
        if waiter is None:
            self._value += 1
        else:
            waiter.set_result(_ReleasingContextManager(self))

    def acquire(self, timeout: float | dt.timedelta | None = None) -> Awaitable[_ReleasingContextManager]:
        """Wait for admission; `release` must follow. Raises `TimeoutError` at the ``timeout``.

        The result is a context manager that releases. Better: ``async with semaphore:``.
        """
        if self._value <= 0:
            return self._enqueue(timeout, self._expire)
        self._value -= 1
        admitted: Future[_ReleasingContextManager] = _create_future()
        admitted.set_result(_ReleasingContextManager(self))
        return admitted

    def _expire(self, waiter: "Future[Any]") -> None:
        if not waiter.done():
            waiter.set_exception(TimeoutError())
        self._garbage_collect()

    async def __aenter__(self) -> None:
        await _entered(self.acquire(), self)

    async def __aexit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: types.TracebackType | None,
    ) -> None:
        self.release()

    def __enter__(self) -> None:
        raise RuntimeError("Use 'async with' instead of 'with' for Semaphore")

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.__enter__()


class BoundedSemaphore(Semaphore):
    """A `Semaphore` that raises `ValueError` when it is released more often than acquired, which mostly is a mistake."""

    def __init__(self, value: int = 1) -> None:
        self._initial_value = value
        super().__init__(value)

    def release(self) -> None:
        """As `Semaphore.release`. Raises `ValueError` where nothing is left to release."""
        if self._value >= self._initial_value:
            raise ValueError("Semaphore released too many times")
        super().release()


class Lock:
    """Lets one coroutine in at a time. Anyone may release it; releasing an unlocked one raises `RuntimeError`.

    ::

        lock = locks.Lock()

        async def exclusive():
            async with lock:
                ...
    """

    def __init__(self) -> None:
        self._block = BoundedSemaphore(value=1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} _block={self._block}>"

    # Word for word as in Semaphore: a base class for both would show in their bases, which are part of the public surface.
    async def __aenter__(self) -> None:
        await _entered(self.acquire(), self)

    async def __aexit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: types.TracebackType | None,
    ) -> None:
        self.release()

    def __enter__(self) -> None:
        raise RuntimeError("Use `async with` instead of `with` for Lock")

    def __exit__(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: types.TracebackType | None,
    ) -> None:
        self.__enter__()

    def acquire(self, timeout: float | dt.timedelta | None = None) -> Awaitable[_ReleasingContextManager]:
        """Wait for the lock; `release` must follow. Raises `TimeoutError` at the ``timeout``. Better: ``async with lock:``."""
        return self._block.acquire(timeout)

    def release(self) -> None:
        """Unlock it for the one that has waited longest. Raises `RuntimeError` where it is not locked."""
        try:
            self._block.release()
        except ValueError:
            raise RuntimeError("release unlocked lock") from None
