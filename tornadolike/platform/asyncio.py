"""The asyncio side of `.IOLoop`: its implementations, and what bridges loops that cannot watch file descriptors.

`.IOLoop.current` and ``IOLoop()`` make these classes; applications seldom name them. They run on any asyncio loop: asyncio's own,
uvloop, and others with ``add_reader``. Where that is missing (asyncio's proactor loop on Windows), `SelectorThread` supplies it.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import contextvars
import functools
import os
import sys
import warnings
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tornadolike import _imported_names
from tornadolike._loop import factory
from tornadolike._loop.interrupt import Interrupt
from tornadolike._loop.selector_thread import SelectThread
from tornadolike._net import transport_source
from tornadolike.gen import _Yieldable, convert_yielded
from tornadolike.ioloop import IOLoop, _Selectable

if TYPE_CHECKING:
    from typing_extensions import TypeVarTuple, Unpack

    _Ts = TypeVarTuple("_Ts")


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


_FileDescriptorLike = int | _HasFileno
_T = TypeVar("_T")

_running_loop = factory.running_event_loop
_READ, _WRITE = IOLoop.READ, IOLoop.WRITE

# The selector threads that nobody has closed yet: at the interpreter's end they must not be left waiting.
_selector_loops: set["SelectorThread"] = set()


def _atexit_callback() -> None:
    for selector in tuple(_selector_loops):
        selector.close()
    _selector_loops.clear()


atexit.register(_atexit_callback)


def _is_blocking(fd: int) -> bool:
    try:
        return os.get_blocking(fd)
    except (OSError, AttributeError):  # what is wrong with it the loop will say; not on Windows
        return False


class BaseAsyncIOLoop(IOLoop):
    """`.IOLoop` on the asyncio loop that is passed to it; its methods hand on to that loop's."""

    # Configurable passes the constructor's arguments on to initialize(), whose parameters are therefore each class's own.
    def initialize(self, asyncio_loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:  # type: ignore[override]
        self.asyncio_loop = asyncio_loop
        self.selector_loop = asyncio_loop
        proactor = getattr(asyncio, "ProactorEventLoop", None)
        if proactor is not None and isinstance(asyncio_loop, proactor):
            self.selector_loop = AddThreadSelectorEventLoop(asyncio_loop)  # type: ignore[abstract] # all of it, by delegation
        self.handlers: dict[int, tuple[int | _Selectable, Callable[..., Any]]] = {}
        self.readers: set[int] = set()
        self.writers: set[int] = set()
        self.closing = False
        factory.noticed(asyncio_loop)
        self._register()
        super().initialize(**kwargs)

    def _register(self) -> None:
        known = IOLoop._ioloop_for_asyncio
        # Loops that asyncio closed on its own left their entry behind. Threads may do this at the same time: copy and pop are atomic.
        for loop in tuple(known):
            if loop.is_closed():
                known.pop(loop, None)
        owner = known.setdefault(self.asyncio_loop, self)
        if owner is not self:
            raise RuntimeError(f"IOLoop {owner} already associated with asyncio loop {self.asyncio_loop}")

    def close(self, all_fds: bool = False) -> None:
        if getattr(self, "finish_on_close", False) and not self.closing and _running_loop() is None and not self.asyncio_loop.is_closed():
            self._finish()
        self.closing = True
        for fd, (file, _handler) in tuple(self.handlers.items()):
            self.remove_handler(fd)
            if all_fds:
                self.close_fd(file)
        IOLoop._ioloop_for_asyncio.pop(self.asyncio_loop, None)
        if self.selector_loop is not self.asyncio_loop:
            self.selector_loop.close()
        self.asyncio_loop.close()

    def _finish(self) -> None:
        """End what is under way. Handlers and callbacks still work while it does."""
        loop = self.asyncio_loop
        if pending := asyncio.all_tasks(loop):
            for task in pending:
                task.cancel()
            loop.run_until_complete(asyncio.wait(pending))
            for task in pending:
                if not task.cancelled() and (error := task.exception()) is not None:
                    loop.call_exception_handler(
                        {"message": "unhandled exception while the loop was closed", "exception": error, "task": task}
                    )
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())

    def add_handler(self, fd: "int | _Selectable", handler: Callable[..., None], events: int) -> None:
        number, file = self.split_fd(fd)
        if number in self.handlers:
            raise ValueError(f"fd {number} added twice")
        self._watch(number, events)  # first, since it refuses what cannot be watched, such as a regular file
        self.handlers[number] = (file, handler)

    def update_handler(self, fd: "int | _Selectable", events: int) -> None:
        number, _ = self.split_fd(fd)
        if number not in self.handlers:
            raise KeyError(f"fd {number} has no handler")
        self._watch(number, events)

    def remove_handler(self, fd: "int | _Selectable") -> None:
        number, _ = self.split_fd(fd)
        if number in self.handlers:
            self._watch(number, IOLoop.NONE)
            del self.handlers[number]

    def _watch(self, fd: int, events: int) -> None:
        """Bring what the asyncio loop watches in line with ``events``; it knows readers and writers, nothing else."""
        loop, readers, writers = self.selector_loop, self.readers, self.writers
        # libuv makes what it begins to watch non-blocking, for good; a program that writes to a terminal by itself counts on what it was.
        is_new = fd not in readers and fd not in writers
        was_blocking = is_new and events != 0 and transport_source.suits(loop) and _is_blocking(fd)
        # What is added comes first: a loop that goes on watching has less to do than one that begins anew.
        if events & _READ and fd not in readers:
            loop.add_reader(fd, self._handle_events, fd, _READ)
            readers.add(fd)
        if events & _WRITE:
            if fd not in writers:
                loop.add_writer(fd, self._handle_events, fd, _WRITE)
                writers.add(fd)
        elif fd in writers:
            writers.remove(fd)
            loop.remove_writer(fd)
        if fd in readers and not events & _READ:
            readers.remove(fd)
            loop.remove_reader(fd)
        if was_blocking:
            os.set_blocking(fd, True)

    def _handle_events(self, fd: int, events: int) -> None:
        file, handler = self.handlers[fd]
        handler(file, events)

    def start(self) -> None:
        loop, running = self.asyncio_loop, asyncio._get_running_loop()
        try:
            with Interrupt(loop) if transport_source.suits(loop) else contextlib.nullcontext():
                loop.run_forever()
        finally:
            if running is not None:
                asyncio._set_running_loop(running)  # Python 3.13.0 forgets it when it refuses to run a second one

    def stop(self) -> None:
        self.asyncio_loop.stop()

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
        if kwargs or not callable(callback):
            callback = functools.partial(callback, **kwargs)
        # asyncio has a clock of its own, which cannot be set back: the distance is what both have in common.
        return self.asyncio_loop.call_later(max(0, when - self.time()), self._run_callback, callback, *args)

    def remove_timeout(self, timeout: object) -> None:
        timeout.cancel()  # type: ignore[attr-defined] # the handle is an asyncio.TimerHandle; Tornado's interface calls it object

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if kwargs or not callable(callback):  # partial() refuses what cannot be called, here rather than in the loop's next turn
            callback = functools.partial(callback, **kwargs)
        loop = self.asyncio_loop
        try:
            if _running_loop() is loop:
                loop.call_soon(self._run_callback, callback, *args)
            else:
                loop.call_soon_threadsafe(self._run_callback, callback, *args)
        except (RuntimeError, AttributeError):
            # The loop is closed, maybe while this thread was on its way here (AttributeError: the proactor loop's way to say so).
            pass

    def add_callback_from_signal(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        warnings.warn("add_callback_from_signal is deprecated", DeprecationWarning, stacklevel=2)
        call = functools.partial(callback, *args, **kwargs)
        try:
            self.asyncio_loop.call_soon_threadsafe(self._run_callback, call)
        except RuntimeError:
            pass

    def run_in_executor(
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[..., _T],
        *args: Any,
    ) -> "asyncio.Future[_T]":
        if executor is None or isinstance(executor, concurrent.futures.ThreadPoolExecutor):
            return self.asyncio_loop.run_in_executor(executor, contextvars.copy_context().run, func, *args)
        return self.asyncio_loop.run_in_executor(executor, func, *args)

    def set_default_executor(self, executor: concurrent.futures.Executor) -> None:
        self.asyncio_loop.set_default_executor(executor)


class AsyncIOMainLoop(BaseAsyncIOLoop):
    """The `.IOLoop` of the loop that runs in this thread or is set for it. `.IOLoop.current` makes it when it is first asked.

    Where there is no such loop, a new one is made and set.
    """

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]
        loop = factory.current_event_loop()
        if loop is None:
            loop = factory.new_event_loop()
            asyncio.set_event_loop(loop)
        super().initialize(loop, **kwargs)

    def _make_current(self) -> None:
        """Nothing to do: it stands for the loop that is current already."""


class AsyncIOLoop(BaseAsyncIOLoop):
    """What ``IOLoop()`` makes: a loop of one's own, on a new asyncio loop or on the one passed as ``asyncio_loop``."""

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override]
        self.is_current = False
        given = kwargs.pop("asyncio_loop", None)
        loop = factory.new_event_loop() if given is None else given
        try:
            super().initialize(loop, **kwargs)
        except Exception:
            if given is None:
                loop.close()
            raise

    def close(self, all_fds: bool = False) -> None:
        self._clear_current_hook()
        super().close(all_fds=all_fds)

    def _make_current(self) -> None:
        if not self.is_current:
            self.old_asyncio = factory.current_event_loop()
            self.is_current = True
        asyncio.set_event_loop(self.asyncio_loop)

    def _clear_current_hook(self) -> None:
        if self.is_current:
            self.is_current = False
            if factory.current_event_loop() is self.asyncio_loop:  # else another loop has taken its place since
                asyncio.set_event_loop(self.old_asyncio)


def to_tornado_future(asyncio_future: "asyncio.Future[_T]") -> "asyncio.Future[_T]":
    """``asyncio_future`` itself: the two kinds are one since Tornado 5. Deprecated."""
    return asyncio_future


def to_asyncio_future(tornado_future: _Yieldable) -> "asyncio.Future[Any]":
    """A future for anything that a coroutine may yield, as `.gen.convert_yielded` makes it. Deprecated: ``await`` takes futures."""
    return convert_yielded(tornado_future)


def __getattr__(name: str) -> Any:
    if name != "AnyThreadEventLoopPolicy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _any_thread_policy()


@functools.cache
def _any_thread_policy() -> type:
    """``AnyThreadEventLoopPolicy``, made when first asked for."""
    # From where they are defined: on Python 3.14 the mere mention of ``asyncio.DefaultEventLoopPolicy`` warns.
    if sys.platform == "win32":
        place, name = asyncio.windows_events, "WindowsSelectorEventLoopPolicy"
    else:
        place, name = asyncio.unix_events, "DefaultEventLoopPolicy"
    base: Any = getattr(place, f"_{name}", None) or getattr(place, name)

    class AnyThreadEventLoopPolicy(base):  # type: ignore[misc] # the base depends on the platform
        """A loop policy under which every thread, not just the main one, gets a loop as soon as it asks for one.

        Deprecated, and loop policies with it: use `asyncio.run` or `asyncio.new_event_loop` in the thread.
        """

        def __init__(self) -> None:
            super().__init__()
            message = "AnyThreadEventLoopPolicy is deprecated, use asyncio.run or asyncio.new_event_loop instead"
            warnings.warn(message, DeprecationWarning, stacklevel=2)

        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            try:
                found: asyncio.AbstractEventLoop = super().get_event_loop()
            except RuntimeError:
                found = self.new_event_loop()
                self.set_event_loop(found)
            return found

    AnyThreadEventLoopPolicy.__qualname__ = "AnyThreadEventLoopPolicy"
    return AnyThreadEventLoopPolicy


class SelectorThread:
    """``add_reader`` and its kin for a loop that lacks them, by means of a thread that waits with ``select``.

    The thread starts when ``real_loop`` runs for more than a moment; callbacks are called in the loop. `close` ends it. Without
    `close` it ends when the loop shuts down its asynchronous generators, as `asyncio.run` does, or with the interpreter.
    """

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        self._real_loop = real_loop
        # Callbacks run in the context of this call: a thread has one of its own, which nobody filled.
        self._context = contextvars.copy_context()
        self._select = SelectThread(self._report)
        self._thread = self._select.thread
        self._waker_r, self._waker_w = self._select.waker_r, self._select.waker_w
        self._readers: dict[_FileDescriptorLike, Callable[[], None]] = {self._waker_r: self._select.drain}
        self._writers: dict[_FileDescriptorLike, Callable[[], None]] = {}
        self._closed = False
        self._lifetime = self._run_while_loop_lives()
        self._thread_manager_task: asyncio.Task[None] | None = None
        _selector_loops.add(self)
        real_loop.call_soon(self._launch, context=self._context)

    def _launch(self) -> None:
        if not self._closed:
            self._thread_manager_task = self._real_loop.create_task(self._start_thread())

    async def _start_thread(self) -> None:
        # The first turn goes by unused, so that a loop which stops at once never has a thread to start and to end.
        await asyncio.sleep(0)
        await anext(self._lifetime)

    async def _run_while_loop_lives(self) -> AsyncGenerator[None, None]:
        """Suspended all the time: the loop tracks asynchronous generators and closes this one when it shuts down."""
        self._thread.start()
        self._begin_round()
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Stop watching, end the thread and wait for it. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._select.close()
        self._abandon_task()
        self._readers.clear()
        self._writers.clear()
        _selector_loops.discard(self)

    def _abandon_task(self) -> None:
        """A task that has not started the thread by now never will: it must not be reported as forgotten."""
        task, self._thread_manager_task = self._thread_manager_task, None
        if task is not None and not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined] # asyncio's own switch for tasks dropped on purpose
            task.cancel()
            coroutine = task.get_coro()
            if coroutine is not None:
                coroutine.close()

    def add_reader(self, fd: _FileDescriptorLike, callback: Callable[..., None], *args: Any) -> None:
        """Call ``callback(*args)`` in the loop whenever ``fd`` can be read; it takes the place of an earlier one."""
        self._readers[fd] = functools.partial(callback, *args)
        self._select.wake()

    def add_writer(self, fd: _FileDescriptorLike, callback: Callable[..., None], *args: Any) -> None:
        """Call ``callback(*args)`` in the loop whenever ``fd`` can be written; it takes the place of an earlier one."""
        self._writers[fd] = functools.partial(callback, *args)
        self._select.wake()

    def remove_reader(self, fd: _FileDescriptorLike) -> bool:
        """Undo `add_reader`; says whether there was anything to undo."""
        return self._forget(self._readers, fd)

    def remove_writer(self, fd: _FileDescriptorLike) -> bool:
        """Undo `add_writer`; says whether there was anything to undo."""
        return self._forget(self._writers, fd)

    def _forget(self, watched: dict[_FileDescriptorLike, Callable[[], None]], fd: _FileDescriptorLike) -> bool:
        if watched.pop(fd, None) is None:
            return False
        self._select.wake()
        return True

    def _begin_round(self) -> None:
        self._select.begin_round(self._readers, self._writers)

    def _report(self, readable: list[_FileDescriptorLike], writable: list[_FileDescriptorLike]) -> None:
        """In the thread: hand a finished round over to the loop."""
        try:
            self._real_loop.call_soon_threadsafe(self._handle_round, readable, writable, context=self._context)
        except (RuntimeError, AttributeError):
            pass  # the loop was closed before this was; no round follows, and close() ends the thread

    def _handle_round(self, readable: list[_FileDescriptorLike], writable: list[_FileDescriptorLike]) -> None:
        if self._closed:
            return
        try:
            for watched, ready in ((self._readers, readable), (self._writers, writable)):
                for fd in ready:
                    callback = watched.get(fd)
                    if callback is not None:  # else a callback of this very round has removed it
                        callback()
        finally:
            if not self._closed:
                self._begin_round()


class AddThreadSelectorEventLoop(asyncio.AbstractEventLoop):
    """``real_loop`` with ``add_reader``, ``add_writer``, ``remove_reader`` and ``remove_writer`` from a `SelectorThread`.

    Everything else is the wrapped loop's. Closing it closes both.
    """

    MY_ATTRIBUTES = {"_real_loop", "_selector", "add_reader", "add_writer", "close", "remove_reader", "remove_writer"}
    """What is answered here; all other attributes, even those of the base class, come from the wrapped loop."""

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        self._selector = SelectorThread(real_loop)
        self._real_loop = real_loop

    def __getattribute__(self, name: str) -> Any:
        own = name in AddThreadSelectorEventLoop.MY_ATTRIBUTES
        return super().__getattribute__(name) if own else getattr(self._real_loop, name)

    def remove_reader(self, fd: _FileDescriptorLike) -> bool:
        """As `SelectorThread.remove_reader`."""
        return self._selector.remove_reader(fd)

    def remove_writer(self, fd: _FileDescriptorLike) -> bool:
        """As `SelectorThread.remove_writer`."""
        return self._selector.remove_writer(fd)

    def add_reader(self, fd: _FileDescriptorLike, callback: Callable[["Unpack[_Ts]"], Any], *args: "Unpack[_Ts]") -> None:
        """As `SelectorThread.add_reader`."""
        return self._selector.add_reader(fd, callback, *args)

    def add_writer(self, fd: _FileDescriptorLike, callback: Callable[["Unpack[_Ts]"], Any], *args: "Unpack[_Ts]") -> None:
        """As `SelectorThread.add_writer`."""
        return self._selector.add_writer(fd, callback, *args)

    def close(self) -> None:
        self._selector.close()
        self._real_loop.close()


_imported_names.complete(globals())
