"""Synchronisation of coroutines within one thread: what `threading` offers for threads, for a loop's coroutines.

Nothing here is thread-safe. Wherever a ``timeout`` can be given it is a deadline as for `.IOLoop.add_timeout`: a
`datetime.timedelta` from now, or a time; ``None`` waits for as long as it takes.
"""

import datetime as dt
import types
from collections import deque
from collections.abc import Awaitable, Generator
from typing import Any, Generic, Protocol, TypeVar

from tornadolike._loop import factory
from tornadolike.concurrent import Future
from tornadolike.gen import _finished, _loop_to_come
from tornadolike.ioloop import IOLoop
from tornadolike.util import TimeoutError  # noqa: A004 - the same as the builtin; Tornado's spelling

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]

_Owner = TypeVar("_Owner")

# So many waiters may give up before their futures are swept out of the queue.
_SWEEP_AFTER = 100

_running_loop = factory.running_event_loop


class _Waiter(Future[Any], Generic[_Owner]):
    """The future of one who waits in a line: for its turn, a notice, an item.

    It ends when it is given that (`_give`), at its timeout or by being cancelled. A task may also be cancelled in between: after it was
    given what it waits for, and before it runs and knows. What it was given then goes back to the owner of the line.
    """

    __slots__ = ("_owner", "_timer")

    def __init__(self, owner: _Owner, timeout: float | dt.timedelta | None) -> None:
        super().__init__(loop=_running_loop() or _loop_to_come())
        self._owner = owner
        self._timer: tuple[IOLoop, object] | None = None
        if timeout is not None:
            io_loop = IOLoop.current()
            self._timer = io_loop, io_loop.add_timeout(timeout, self._time_out)

    def _give(self, value: Any) -> None:
        """End the waiting; not for one that is done."""
        self.set_result(value)
        if self._timer is not None:
            self._end_timer()

    def _end_timer(self) -> None:
        assert self._timer is not None
        io_loop, timer = self._timer
        self._timer = None
        io_loop.remove_timeout(timer)

    def _time_out(self) -> None:
        self._timer = None
        if not self.done():
            self._expire()
            self._leave()

    def cancel(self, msg: Any = None) -> bool:
        if not super().cancel(msg=msg):
            return False
        if self._timer is not None:
            self._end_timer()
        self._leave()
        return True

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.done():
            self._asyncio_future_blocking = True
            try:
                yield self
            except BaseException:
                self._break_off()
                raise
        return self.result()

    __iter__ = __await__

    def _break_off(self) -> None:
        """Nobody waits any more."""
        if not self.done():  # the coroutine was closed
            self.cancel()
        elif not self.cancelled() and self.exception() is None:
            self._return(self.result())

    def _expire(self) -> None:
        """End it at its timeout."""
        self.set_exception(TimeoutError())

    def _leave(self) -> None:
        """Told that it gave up, or that its time is over."""

    def _return(self, value: Any) -> None:
        """Told that it was given ``value`` and that nobody is there to take it."""


class _TimeoutGarbageCollector:
    """A queue of waiters. Those that have given up stay in it, which costs nothing, until there are enough to be swept out."""

    def __init__(self) -> None:
        self._waiters: deque[_Waiter[Any]] = deque()
        self._timeouts = 0

    def _garbage_collect(self) -> None:
        """One more waiter has given up."""
        self._timeouts += 1
        if self._timeouts > _SWEEP_AFTER:
            self._timeouts = 0
            self._waiters = deque(waiter for waiter in self._waiters if not waiter.done())


class _Notice(_Waiter["Condition"]):
    __slots__ = ()

    def _expire(self) -> None:
        self.set_result(False)

    def _leave(self) -> None:
        self._owner._garbage_collect()

    def _return(self, value: Any) -> None:
        if value:
            self._owner.notify()


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
        notice = _Notice(self, timeout)
        self._waiters.append(notice)
        return notice

    def notify(self, n: int = 1) -> None:
        """Wake the ``n`` that have waited longest, or all where they are fewer.

        The notice to a task that is cancelled before it runs goes to the next one.
        """
        waiters = self._waiters
        while n > 0 and waiters:
            notice = waiters.popleft()
            if not notice.done():
                n -= 1
                notice._give(True)

    def notify_all(self) -> None:
        """Wake all that wait."""
        self.notify(len(self._waiters))


class _Signal(_Waiter["Event"]):
    __slots__ = ()

    def _expire(self) -> None:
        self.set_exception(TimeoutError("Timeout"))

    def _leave(self) -> None:
        self._owner._waiters.discard(self)


class Event:
    """A flag that coroutines can wait for. It is clear at first; while it is set, nobody waits."""

    def __init__(self) -> None:
        self._value = False
        self._waiters: set[_Signal] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'set' if self._value else 'clear'}>"

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._value

    def set(self) -> None:
        """Set the flag and wake all that wait for it."""
        if not self._value:
            self._value = True
            waiters, self._waiters = self._waiters, set()
            for waiter in waiters:
                if not waiter.done():
                    waiter._give(None)

    def clear(self) -> None:
        """Take the flag back: from now on `wait` waits."""
        self._value = False

    def wait(self, timeout: float | dt.timedelta | None = None) -> Awaitable[None]:
        """Wait until the flag is set. Raises `TimeoutError` at the ``timeout``."""
        if self._value:
            return _finished(None)
        waiter = _Signal(self, timeout)
        self._waiters.add(waiter)
        return waiter


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


class _Acquiring(Protocol):
    def acquire(self) -> Awaitable[Any]: ...

    def release(self) -> None: ...


# What Semaphore and Lock have in common. A base class for both would show in their bases, which are part of the public surface.


async def _enter(self: _Acquiring) -> None:
    await self.acquire()


async def _exit(
    self: _Acquiring,
    typ: type[BaseException] | None,
    value: BaseException | None,
    tb: types.TracebackType | None,
) -> None:
    self.release()


class _Admission(_Waiter["Semaphore"]):
    __slots__ = ()

    def _leave(self) -> None:
        self._owner._garbage_collect()

    def _return(self, value: Any) -> None:
        self._owner.release()


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
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter._give(_ReleasingContextManager(self))
                return
        self._value += 1

    def acquire(self, timeout: float | dt.timedelta | None = None) -> Awaitable[_ReleasingContextManager]:
        """Wait for admission; `release` must follow. Raises `TimeoutError` at the ``timeout``.

        The result is a context manager that releases. Better: ``async with semaphore:``. A task that is cancelled while it awaits this
        has not acquired anything.
        """
        if self._value > 0:
            self._value -= 1
            return _finished(_ReleasingContextManager(self))
        waiter = _Admission(self, timeout)
        self._waiters.append(waiter)
        return waiter

    __aenter__ = _enter
    __aexit__ = _exit

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

    __aenter__ = _enter
    __aexit__ = _exit

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
