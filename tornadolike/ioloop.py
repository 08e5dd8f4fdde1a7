"""Tornado's view of the event loop: a thin layer over asyncio's, whichever implementation that is.

New code can use asyncio alone and never name this module: every `IOLoop` wraps an asyncio loop (``io_loop.asyncio_loop``), and a
running asyncio loop has its `IOLoop` (`IOLoop.current`). What the layer adds is Tornado's spelling, callbacks whose exceptions are
logged to ``tornado.application``, handlers for file descriptors, and `PeriodicCallback`.

::

    async def main():
        tornadolike.ioloop.IOLoop.current().call_later(60, refresh)
        await asyncio.Event().wait()

    asyncio.run(main())
"""

import asyncio
import concurrent.futures
import contextvars
import datetime as dt
import functools
import os
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, overload

from tornadolike import _imported_names
from tornadolike._loop import factory, schedule
from tornadolike.concurrent import Future, _submit, chain_future, future_add_done_callback, is_future
from tornadolike.log import app_log
from tornadolike.util import Configurable, TimeoutError, import_object  # noqa: A004 - a re-export: programs import it from here


class _Selectable(Protocol):
    """What can be watched instead of a bare file descriptor: a socket, a pipe's file object."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


_T = TypeVar("_T")
_S = TypeVar("_S", bound=_Selectable)

_running_loop = factory.running_event_loop


class IOLoop(Configurable):
    """An event loop with Tornado's interface. ``IOLoop()`` makes a new one; `IOLoop.current` is what most code wants.

    ``IOLoop(make_current=True, asyncio_loop=None)`` makes a new asyncio loop, of the kind that the environment variable
    ``TORNADOLIKE_LOOP`` names, or wraps ``asyncio_loop``. By default it becomes the current loop of this thread.
    Raises `RuntimeError` where ``asyncio_loop`` has an `IOLoop` already. The caller has to `close` it; that closes the asyncio loop.

    All methods except `add_callback`, and `add_future` for a `concurrent.futures.Future`, belong to the loop's own thread.
    """

    # Event bits for add_handler and its handlers.
    NONE = 0
    """No event."""
    READ = 0x001
    """The file can be read without blocking, or has come to its end."""
    WRITE = 0x004
    """The file can be written without blocking."""
    ERROR = 0x018
    """The file is in error, or was closed by the other side. Reported whether asked for or not."""

    _ioloop_for_asyncio: ClassVar[dict[asyncio.AbstractEventLoop, "IOLoop"]] = {}

    # asyncio holds its tasks weakly, and a future is held by those who wait for it. What nobody else waits for, what callbacks returned and
    # what was made of yielded awaitables, is kept here until it is done.
    _pending_tasks: ClassVar[set["Future[Any]"]] = set()

    @classmethod
    def configure(cls, impl: "str | type[Configurable] | None", **kwargs: Any) -> None:
        """Choose the class that ``IOLoop()`` makes: a subclass of `.BaseAsyncIOLoop`, or its dotted name.

        Raises `RuntimeError` for any other class.
        """
        from tornadolike.platform.asyncio import BaseAsyncIOLoop

        chosen = import_object(impl) if isinstance(impl, str) else impl
        if isinstance(chosen, type) and not issubclass(chosen, BaseAsyncIOLoop):
            raise RuntimeError("only AsyncIOLoop is allowed when asyncio is available")
        super().configure(chosen, **kwargs)

    @staticmethod
    def instance() -> "IOLoop":
        """The same as `current`; kept from the time when there was one loop for the whole process."""
        return IOLoop.current()

    def install(self) -> None:
        """The same as `make_current`; deprecated with it."""
        self.make_current()

    @staticmethod
    def clear_instance() -> None:
        """The same as `clear_current`; deprecated with it."""
        IOLoop.clear_current()

    @overload
    @staticmethod
    def current() -> "IOLoop": ...

    @overload
    @staticmethod
    def current(instance: bool = True) -> "IOLoop | None": ...

    @staticmethod
    def current(instance: bool = True) -> "IOLoop | None":
        """The `IOLoop` of the asyncio loop that runs in this thread, or else of the one that is set for this thread.

        Where there is no loop, one is made and set for the thread; a loop without an `IOLoop` gets one. With ``instance=False``
        nothing is made and the answer is ``None`` in these cases.
        """
        loop = _running_loop() or factory.current_event_loop()
        found = IOLoop._ioloop_for_asyncio.get(loop)  # type: ignore[arg-type] # None is no key
        if found is None and instance:
            from tornadolike.platform.asyncio import AsyncIOMainLoop

            found = AsyncIOMainLoop()
        return found

    def make_current(self) -> None:
        """Set this loop for the calling thread. Deprecated: a loop is current by itself while it runs."""
        warnings.warn("make_current is deprecated; start the event loop first", DeprecationWarning, stacklevel=2)
        self._make_current()

    def _make_current(self) -> None:
        raise NotImplementedError

    @staticmethod
    def clear_current() -> None:
        """Undo `make_current` for the calling thread. Deprecated."""
        warnings.warn("clear_current is deprecated", DeprecationWarning, stacklevel=2)
        IOLoop._clear_current()

    @staticmethod
    def _clear_current() -> None:
        io_loop = IOLoop.current(instance=False)
        if io_loop is not None:
            io_loop._clear_current_hook()

    def _clear_current_hook(self) -> None:
        """Told that this loop is no longer to be the current one; for subclasses that made it so."""

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return IOLoop

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        from tornadolike.platform.asyncio import AsyncIOLoop

        return AsyncIOLoop

    def initialize(self, make_current: bool = True) -> None:
        if make_current:
            self._make_current()

    if TYPE_CHECKING:
        finish_on_close: bool  # not set by default, so that listings of Tornado's API find nothing that Tornado has not

    def close(self, all_fds: bool = False) -> None:
        """Release what the loop holds; it must not run, and cannot be used any more.

        With ``all_fds`` the file descriptors and file objects that still have handlers are closed too.

        What is still under way is dropped, as in Tornado. With ``finish_on_close = True`` on the loop, or on the class for all loops, it is
        ended as `asyncio.run` does it: tasks are cancelled and waited for, asynchronous generators closed, the default executor's threads
        joined, so that ``finally`` blocks run.
        """
        raise NotImplementedError

    @overload
    def add_handler(self, fd: int, handler: Callable[[int, int], None], events: int) -> None: ...

    @overload
    def add_handler(self, fd: _S, handler: Callable[[_S, int], None], events: int) -> None: ...

    def add_handler(self, fd: "int | _Selectable", handler: Callable[..., None], events: int) -> None:
        """Call ``handler(fd, events)`` whenever ``fd`` is ready for one of ``events``, an OR of `READ` and `WRITE`.

        ``fd`` is a descriptor or an object with ``fileno()`` and ``close()``; the handler gets what was passed here. One handler for
        each descriptor: `ValueError` where it has one. Call `remove_handler` before closing the file. A descriptor that belongs to
        an asyncio transport cannot be watched.
        """
        raise NotImplementedError

    def update_handler(self, fd: "int | _Selectable", events: int) -> None:
        """Change the events that the handler of ``fd`` is called for. Raises `KeyError` where ``fd`` has none."""
        raise NotImplementedError

    def remove_handler(self, fd: "int | _Selectable") -> None:
        """Stop watching ``fd``; nothing happens where it has no handler."""
        raise NotImplementedError

    def start(self) -> None:
        """Run the loop until `stop` is called. Raises `RuntimeError` where a loop runs in this thread already."""
        raise NotImplementedError

    def stop(self) -> None:
        """Let `start` return after the callbacks that are due now; where the loop does not run, its next start returns at once.

        From another thread: ``add_callback(io_loop.stop)``.
        """
        raise NotImplementedError

    def run_sync(self, func: Callable[..., Any], timeout: float | None = None) -> Any:
        """Start the loop, call ``func()`` in it, wait for its outcome, stop the loop, and return or raise the outcome.

        ``func`` returns an awaitable or ``None``; anything else raises `.gen.BadYieldError`. After ``timeout`` seconds the
        operation is cancelled and `TimeoutError` raised. `RuntimeError` where someone else stops the loop before.
        """
        call = _SyncCall(self, func)
        self.add_callback(call.begin)
        timer = None if timeout is None else self.add_timeout(self.time() + timeout, call.expire)
        try:
            self.start()
        finally:
            call.awaited = False
            if timer is not None:
                self.remove_timeout(timer)
        future = call.future
        if future is not None and future.done() and not future.cancelled():
            return future.result()
        if call.expired:
            raise TimeoutError(f"Operation timed out after {timeout} seconds")
        raise RuntimeError("Event loop stopped before Future completed.")

    def time(self) -> float:
        """Now, on the clock of `add_timeout` and `call_at`: seconds since 1970, as from `time.time`."""
        return time.time()

    def add_timeout(self, deadline: float | dt.timedelta, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
        """Call ``callback(*args, **kwargs)`` at ``deadline``: a time on the clock of `time`, or a `datetime.timedelta` from now.

        Returns a handle for `remove_timeout`. Raises `TypeError` for other kinds of deadline.
        """
        if type(deadline) is not float:
            deadline = schedule.due_time(deadline, self.time())
        return self.call_at(deadline, callback, *args, **kwargs)

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
        """Call ``callback(*args, **kwargs)`` in ``delay`` seconds. Returns a handle for `remove_timeout`."""
        return self.call_at(self.time() + delay, callback, *args, **kwargs)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
        """Call ``callback(*args, **kwargs)`` at the time ``when``, at once where that is past. Returns a handle for `remove_timeout`."""
        return self.add_timeout(when, callback, *args, **kwargs)

    def remove_timeout(self, timeout: object) -> None:
        """Cancel a timeout by the handle that `add_timeout` and its kin returned; one that has run already is no error."""
        raise NotImplementedError

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call ``callback(*args, **kwargs)`` in the next turn of the loop. May be called from any thread.

        An exception is logged; so is that of an awaitable which the callback returns. After `close` callbacks are dropped silently.
        """
        raise NotImplementedError

    def add_callback_from_signal(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """`add_callback`, also for signal handlers. Deprecated: ``asyncio_loop.add_signal_handler`` runs handlers in the loop."""
        raise NotImplementedError

    def spawn_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """`add_callback` by the name that says: fire and forget, exceptions are logged. Coroutine functions are welcome."""
        self.add_callback(callback, *args, **kwargs)

    def add_future(
        self,
        future: "Future[_T] | concurrent.futures.Future[_T]",
        callback: Callable[["Future[_T]"], None],
    ) -> None:
        """Call ``callback(future)`` in the loop once ``future`` is done. Exceptions of the callback are logged.

        Both kinds of futures are accepted; that of `concurrent.futures` may be completed in any thread. The callback runs in a copy
        of the context variables as they are now.
        """
        if isinstance(future, Future):
            future.add_done_callback(functools.partial(self._run_callback, callback))
        else:
            assert is_future(future)
            # The thread that completes it has a context of its own, which nobody filled.
            run_in_context = contextvars.copy_context().run
            future_add_done_callback(future, functools.partial(run_in_context, self.add_callback, callback))

    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[..., _T],
        *args: Any,
    ) -> "Future[_T]":
        """Run ``func(*args)`` on ``executor`` and return a future for its result.

        Without an executor, that of `set_default_executor` is taken, else a pool of threads which the loop keeps. In threads, the
        function sees the caller's context variables.
        """
        submitted = _submit(executor or self._own_executor(), func, *args)
        answer: Future[_T] = Future()
        chain_future(submitted, answer)
        return answer

    def _own_executor(self) -> concurrent.futures.Executor:
        if not hasattr(self, "_executor"):
            self._executor: concurrent.futures.Executor = concurrent.futures.ThreadPoolExecutor((os.cpu_count() or 1) * 5)
        return self._executor

    def set_default_executor(self, executor: concurrent.futures.Executor) -> None:
        """The executor for calls of `run_in_executor` that name none."""
        self._executor = executor

    def _run_callback(self, callback: Callable[..., Any], *args: Any) -> None:
        try:
            outcome = callback(*args)
            if outcome is not None:
                self._follow(outcome)
        except asyncio.CancelledError:
            pass
        except Exception:
            # With its arguments: of a failed coroutine they are the task, which knows its name and its place.
            app_log.error("Exception in callback %r", functools.partial(callback, *args), exc_info=True)

    def _follow(self, outcome: Any) -> None:
        """See to it that what a callback returned is run to its end, where it is awaitable, and that its exception is logged."""
        if not isinstance(outcome, Future):
            from tornadolike import gen

            try:
                outcome = gen.convert_yielded(outcome)
            except gen.BadYieldError:
                return
        self._register_task(outcome)
        self.add_future(outcome, self._discard_future_result)

    def _discard_future_result(self, future: "Future[Any]") -> None:
        self._unregister_task(future)
        future.result()

    def split_fd(self, fd: "int | _Selectable") -> "tuple[int, int | _Selectable]":
        """A descriptor and the object it came from: ``(fd, fd)`` for a bare descriptor. For subclasses."""
        return (fd if isinstance(fd, int) else fd.fileno()), fd

    def close_fd(self, fd: "int | _Selectable") -> None:
        """Close a descriptor or file object; errors of the operating system are ignored. For subclasses."""
        try:
            os.close(fd) if isinstance(fd, int) else fd.close()
        except OSError:
            pass

    def _register_task(self, f: "Future[Any]") -> None:
        self._pending_tasks.add(f)

    def _unregister_task(self, f: "Future[Any]") -> None:
        self._pending_tasks.discard(f)


class _SyncCall:
    """One `IOLoop.run_sync`: starts its function inside the loop, and stops the loop when the outcome is there."""

    __slots__ = ("awaited", "expired", "func", "future", "io_loop")

    def __init__(self, io_loop: IOLoop, func: Callable[..., Any]) -> None:
        self.io_loop = io_loop
        self.func = func
        self.future: Future[Any] | None = None
        self.expired = False
        self.awaited = True

    def begin(self) -> None:
        if not self.awaited:  # the loop could not be started, or was interrupted first
            return
        try:
            outcome = self._awaitable()
        except Exception as error:
            outcome = Future()
            outcome.set_exception(error)
        self.future = outcome
        self.io_loop.add_future(outcome, self.end)

    def _awaitable(self) -> "Future[Any]":
        outcome = self.func()
        if outcome is not None:
            from tornadolike.gen import convert_yielded

            outcome = convert_yielded(outcome)
        if is_future(outcome):
            future: Future[Any] = outcome
        else:
            future = Future()
            future.set_result(outcome)
        return future

    def end(self, _future: "Future[Any]") -> None:
        if self.awaited:  # else the loop was stopped by someone else, and runs for another purpose by now
            self.io_loop.stop()

    def expire(self) -> None:
        self.expired = True
        if self.future is None or not self.future.cancel():
            self.io_loop.stop()


class PeriodicCallback:
    """Calls ``callback()`` every ``callback_time`` milliseconds, or every `datetime.timedelta`, from `start` until `stop`.

    The calls keep to a grid that begins at `start`; those that a slow callback missed are left out. A callback that returns an
    awaitable is waited for before the next call is scheduled, so that it never runs twice at a time. Exceptions are logged and do
    not end the series. ``jitter`` varies each interval at random, by up to half its value in either direction: 0.1 means ±5 %.
    Each call has its own copy of the context variables as they were at `start`.

    Raises `ValueError` where ``callback_time`` is not positive.
    """

    def __init__(
        self,
        callback: Callable[[], Awaitable[Any] | None],
        callback_time: dt.timedelta | float,
        jitter: float = 0,
    ) -> None:
        milliseconds = callback_time / dt.timedelta(milliseconds=1) if isinstance(callback_time, dt.timedelta) else callback_time
        if milliseconds <= 0:
            raise ValueError("Periodic callback must have a positive callback_time")
        self.callback = callback
        self.callback_time = milliseconds
        self.jitter = jitter
        self._running = False
        self._timeout: object = None

    def is_running(self) -> bool:
        """Whether `start` was called, and `stop` was not since then."""
        return self._running

    def start(self) -> None:
        """Begin the series on the current `IOLoop`; the first call comes one interval from now."""
        self._running = True
        self._context = contextvars.copy_context()
        self.io_loop = io_loop = IOLoop.current()
        self._next_timeout = io_loop.time()
        self._schedule_next()

    def stop(self) -> None:
        """End the series; `start` may begin a new one. A call that is under way is not interrupted."""
        timer, self._timeout = self._timeout, None
        if timer is not None:
            self.io_loop.remove_timeout(timer)
        self._running = False

    def _run(self) -> Coroutine[Any, Any, None] | None:
        self._timeout = None
        if not self._running:
            return None
        try:
            outcome = self.callback()
            if outcome is not None and isawaitable(outcome):
                return self._finish(outcome)
        except Exception:
            self._log_exception()
        except BaseException:
            self._schedule_next()
            raise
        self._schedule_next()
        return None

    async def _finish(self, awaitable: Awaitable[Any]) -> None:
        try:
            await awaitable
        except Exception:
            self._log_exception()
        finally:
            self._schedule_next()

    def _log_exception(self) -> None:
        app_log.error("Exception in callback %r", self.callback, exc_info=True)

    def _schedule_next(self) -> None:
        if self._running:
            if self._timeout is not None:  # started again meanwhile: one series is enough
                self.io_loop.remove_timeout(self._timeout)
            now = self.io_loop.time()
            self._update_next(now)
            # A clock that was set back by an hour must not make it wait for an hour.
            latest = now + self.callback_time / 1000 * (1 + self.jitter)
            # A timer copies the context that it is set in. Set from within a call, it would hand what that has changed on to the next.
            self._timeout = self._context.run(self.io_loop.add_timeout, min(self._next_timeout, latest), self._run)

    def _update_next(self, current_time: float) -> None:
        period = self.callback_time / 1000
        if self.jitter:
            from random import random

            period *= 1 + self.jitter * (random() - 0.5)
        self._next_timeout = schedule.next_call(self._next_timeout, current_time, period)


factory.check_environment()
_imported_names.complete(globals())
