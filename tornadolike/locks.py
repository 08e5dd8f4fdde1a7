"""Synchronisation of coroutines within one thread: what `threading` offers for threads, for a loop's coroutines.

Nothing here is thread-safe. Wherever a ``timeout`` can be given it is a deadline as for `.IOLoop.add_timeout`: a
`datetime.timedelta` from now, or a time; ``None`` waits for as long as it takes.
"""

import asyncio
import datetime as dt
import types
from collections import deque
from collections.abc import Awaitable, Generator
from typing import Any

from tornadolike import _imported_names, gen
from tornadolike.concurrent import Future
from tornadolike.gen import _finished
from tornadolike.ioloop import IOLoop
from tornadolike.util import TimeoutError  # noqa: A004 - the same as the builtin; Tornado's spelling

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]

# So many waiters may give up before their futures are swept out of the queue.
_SWEEP_AFTER = 100

_future_result, _future_exception, _is_done = Future.result, Future.exception, Future.done
_set_result, _set_exception = Future.set_result, Future.set_exception


class _Timed(Future[Any]):
    """The future of someone who waits until a deadline at most; `limit` has to follow its making."""

    _timer: tuple[IOLoop, object] | None = None

    def limit(self, timeout: float | dt.timedelta) -> None:
        """Let `expire` be called at the deadline, unless it is done before."""
        io_loop = IOLoop.current()
        self._timer = io_loop, io_loop.add_timeout(timeout, self._time_out)

    def _time_out(self) -> None:
        self._timer = None
        if not self.done():
            self.expire()

    def expire(self) -> None:
        self.set_exception(TimeoutError())

    def _end_timer(self) -> None:
        if self._timer is not None:
            io_loop, timer = self._timer
            self._timer = None
            io_loop.remove_timeout(timer)

    def set_result(self, result: Any) -> None:
        super().set_result(result)
        self._end_timer()

    def cancel(self, msg: Any = None) -> bool:
        self._end_timer()
        return super().cancel(msg=msg)


class _Claim(Future[Any]):
    """The future of someone who waits for what only one can have: a permit, an item.

    A task that waits may be cancelled in the turn in which it is given that: after it was, and before it has looked. Then `give_back` is
    called, and this is a cancelled future which was given nothing: nothing is lost, and nobody has it twice. ``owner`` and ``behind`` have
    to be set.

    Who awaits this waits for a plain future behind it, because asyncio's tasks take half a microsecond longer to wait for another class.
    """

    __slots__ = ("behind", "owner")
    owner: Any  # of the line; None once someone has looked
    behind: Future[None] | None
    _given_back: bool = False
    _others: int = 0  # tasks that wait for the same `behind`, besides one

    def give(self, value: Any) -> bool:
        """Let ``value`` be the result, unless nobody waits any more."""
        behind = self.behind
        if behind is None:
            if _is_done(self):
                return False
        elif behind.done():
            return False
        else:
            behind.set_result(None)
        _set_result(self, value)
        return True

    def give_back(self, value: Any) -> None:
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, Any]:
        if _is_done(self):
            return self.result()
        behind = self.behind
        if behind is None:
            behind = self.behind = Future(loop=self._loop)
        else:
            self._others += 1
        behind._asyncio_future_blocking = True  # what asyncio's own iterator does before it gives the future to the task
        try:
            yield behind
        except BaseException:
            if self._others:  # who may take it
                self._others -= 1
            else:
                self.behind = None
                self.cancel()
            raise
        value = _future_result(self)
        self.owner = None
        return value

    __iter__ = __await__

    def done(self) -> bool:
        if not _is_done(self) and self.behind is not None and self.behind.done():
            super().cancel()  # as the task that awaits it was
        return _is_done(self)

    def result(self) -> Any:
        if self._given_back:
            raise asyncio.CancelledError
        value = _future_result(self)
        self.owner = None
        return value

    def exception(self) -> BaseException | None:
        if self._given_back:
            raise asyncio.CancelledError
        return _future_exception(self)

    def cancelled(self) -> bool:
        return self._given_back or (self.done() and super().cancelled())

    def set_result(self, result: Any) -> None:
        if not self.give(result):
            raise asyncio.InvalidStateError("invalid state")

    def set_exception(self, exception: Any) -> None:
        _set_exception(self, exception)
        behind = self.behind
        if behind is not None and not behind.done():
            behind.set_result(None)

    def cancel(self, msg: Any = None) -> bool:
        if super().cancel(msg=msg):
            if self.behind is not None:
                self.behind.cancel(msg=msg)
            return True
        if self.owner is None or self.cancelled() or _future_exception(self) is not None:
            return False
        if self.behind is not None:
            return False  # who waits is about to take it
        self._given_back = True
        self.give_back(_future_result(self))
        self.owner = None
        return True


class _TimedClaim(_Timed, _Claim):
    __slots__ = ()

    def give(self, value: Any) -> bool:
        given = super().give(value)
        self._end_timer()
        return given


class _TimeoutGarbageCollector:
    """A queue of waiters. Those that have given up stay in it, which costs nothing, until there are enough to be swept out."""

    _sweep_above: int = _SWEEP_AFTER

    def __init__(self) -> None:
        self._waiters: deque[Future[Any]] = deque()
        self._timeouts = 0

    def _garbage_collect(self) -> None:
        """One more waiter is out of time."""
        self._timeouts += 1
        if self._timeouts > _SWEEP_AFTER:
            self._timeouts = 0
            self._sweep()

    def _sweep(self) -> None:
        self._waiters = deque(waiter for waiter in self._waiters if not waiter.done())
        # As many again may come before it is worth while.
        self._sweep_above = 2 * len(self._waiters) + _SWEEP_AFTER


class _TimedNotice(_Timed):
    __slots__ = ("owner",)
    owner: "Condition"

    def expire(self) -> None:
        _set_result(self, False)
        self.owner._garbage_collect()


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
        if gen._unsure:
            gen._find_loop()
        notice: Future[bool]
        if timeout is None:
            notice = Future()
        else:
            notice = _TimedNotice()
            notice.owner = self
            notice.limit(timeout)
        waiters = self._waiters
        waiters.append(notice)
        if len(waiters) > self._sweep_above:
            self._sweep()
        return notice

    def notify(self, n: int = 1) -> None:
        """Wake the ``n`` that have waited longest, or all where they are fewer."""
        waiters = self._waiters
        while n > 0 and waiters:
            notice = waiters.popleft()
            if not notice.done():
                n -= 1
                notice.set_result(True)

    def notify_all(self) -> None:
        """Wake all that wait."""
        self.notify(len(self._waiters))


class _Signal(_Timed):
    __slots__ = ("owner",)
    owner: "Event"

    def expire(self) -> None:
        self.set_exception(TimeoutError("Timeout"))
        self.owner._waiters.discard(self)

    def cancel(self, msg: Any = None) -> bool:
        self.owner._waiters.discard(self)
        return super().cancel(msg=msg)


class Event:
    """A flag that coroutines can wait for. It is clear at first; while it is set, nobody waits."""

    _sweep_above: int = _SWEEP_AFTER

    def __init__(self) -> None:
        self._value = False
        # Those that were cancelled stay among them until there are enough to be swept out.
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
            if self._waiters:
                waiters, self._waiters = self._waiters, set()
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_result(None)

    def clear(self) -> None:
        """Take the flag back: from now on `wait` waits."""
        self._value = False

    def wait(self, timeout: float | dt.timedelta | None = None) -> Awaitable[None]:
        """Wait until the flag is set. Raises `TimeoutError` at the ``timeout``."""
        if self._value:
            return _finished(None)
        if gen._unsure:
            gen._find_loop()
        waiter: Future[None]
        if timeout is None:
            waiter = Future()
        else:
            waiter = signal = _Signal()
            signal.owner = self
            signal.limit(timeout)
        waiters = self._waiters
        waiters.add(waiter)
        if len(waiters) > self._sweep_above:
            self._waiters = waiters = {one for one in waiters if not one.done()}
            self._sweep_above = 2 * len(waiters) + _SWEEP_AFTER
        return waiter


class _ReleasingContextManager:
    """What acquiring gives to ``with (yield lock.acquire()):``, which releases at its end."""

    __slots__ = ("_obj",)

    def __init__(self, obj: "Semaphore") -> None:
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


# What Semaphore and Lock have in common. A base class for both would show in their bases, which are part of the public surface.


async def _enter(self: "Semaphore | Lock") -> None:
    block = self._block if isinstance(self, Lock) else self
    block._entering = True
    try:
        admitted = self.acquire()
    finally:
        block._entering = False
    try:
        await admitted
    except BaseException:
        if type(admitted) is Future:
            if not admitted.done():
                admitted.cancel()
            elif not admitted.cancelled() and admitted.exception() is None:
                self.release()
        raise


async def _exit(
    self: "Semaphore | Lock",
    typ: type[BaseException] | None,
    value: BaseException | None,
    tb: types.TracebackType | None,
) -> None:
    self.release()


class _Admission(_Claim):
    __slots__ = ()

    def give_back(self, value: Any) -> None:
        self.owner.release()


class _TimedAdmission(_TimedClaim, _Admission):
    __slots__ = ()

    def expire(self) -> None:
        self.set_exception(TimeoutError())
        self.owner._garbage_collect()


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
        # While `async with` acquires: it sees to it itself that nothing is lost, and a plain future is cheaper.
        self._entering = False

    def __repr__(self) -> str:
        state = f"unlocked,value:{self._value}" if self._value else "locked"
        waiting = f",waiters:{len(self._waiters)}" if self._waiters else ""
        return f"<{super().__repr__()[1:-1]} [{state}{waiting}]>"

    def release(self) -> None:
        """Let the next one in, or count one more for those to come."""
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if isinstance(waiter, _Claim):
                if waiter.give(_ReleasingContextManager(self)):
                    return
            elif not waiter.done():
                waiter.set_result(_ReleasingContextManager(self))
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
        if gen._unsure:
            gen._find_loop()
        waiter: Future[Any]
        if self._entering:  # it is looked after
            waiter = Future()
        else:
            claim: _Admission
            if timeout is None:
                claim = _Admission()
            else:
                claim = timed = _TimedAdmission()
                timed.limit(timeout)
            claim.owner = self
            claim.behind = None
            waiter = claim
        waiters = self._waiters
        waiters.append(waiter)
        if len(waiters) > self._sweep_above:
            self._sweep()
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
        Semaphore.release(self)


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


_imported_names.complete(globals())
