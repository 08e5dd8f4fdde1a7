"""SIGTERM and Ctrl-C for programs under ``tornadolike run``: drain the HTTP servers, then end.

At the first signal the servers of this process, whichever thread's loop they listen on, are drained, and one line on stderr says what
is waited for. Then the program is left by way of an exception in its main thread, so that its own ``finally`` blocks run: `SystemExit`
(status 0) after SIGTERM, `KeyboardInterrupt` after Ctrl-C. Where there is nothing to drain, and at the second signal, a signal does
what it does without us. A program that handles a signal by itself keeps its handler. A parent of forked servers passes the signal on;
it ends by itself when its children have.

A signal handler may run anywhere, within any lock that the main thread holds: so this one only notes what it has to, and leaves the work
to a callback of the loop, or to a bare thread where no loop runs in the main thread.
"""

import _thread
import asyncio
import concurrent.futures
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, NoReturn

# Loops whose `run_forever` is left by an exception out of a callback. Others (rloop) log it and go on, and are left by a signal instead.
_LEFT_BY_EXCEPTIONS = ("asyncio", "uvloop", "winloop", "zuvloop")
_SHOWN = 3  # requests that a line names

# Readiness: what a load balancer is told. False from the moment in which the process is asked to end.
_ready = True


def is_ready() -> bool:
    """Whether this process still wants new work: what ``--ready`` answers with 200."""
    return _ready


def drain_on_signals(seconds: float, delay: float = 0.0) -> None:
    """Give the servers of this process, and of those forked from it, up to ``seconds`` when it is told to end.

    Before that they go on for ``delay`` seconds as if nothing had happened, while `is_ready` says no: the time that a load balancer
    takes to notice. To be called in the main thread. With 0 seconds signals do what they do without us, which for the first process
    of a container takes a handler, too.
    """
    terminator = _Terminator(seconds, delay)
    if seconds > 0 or os.getpid() == 1:
        signal.signal(signal.SIGTERM, terminator)
    if seconds > 0 and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the shell, or somebody else, decided
        signal.signal(signal.SIGINT, terminator)


class _Terminator:
    """The signal handler."""

    def __init__(self, seconds: float, delay: float) -> None:
        self._seconds = seconds
        self._delay = delay
        self._first: int | None = None
        self._seen: dict[int, int] = {}
        self._leaving = False  # the drain is over: the signal that comes now is our own
        self._draining: asyncio.Task[None] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._leaving:
            self._leaving = False
            self._leave()
        children = _pass_on(signal.SIGTERM)
        if self._is_repeated(number):
            if number == signal.SIGINT:
                self._interrupt()
                return
            _end(number)
        if self._first is not None:
            return
        self._first = number
        if children:
            vars(sys.modules["tornadolike.process"])["_leaving"] = self._exception()
            return
        loop = asyncio._get_running_loop()
        if self._seconds <= 0 or not _servers():
            _end(number)
        elif loop is not None:
            loop.call_soon_threadsafe(self._start_drain)
        else:
            _thread.start_new_thread(self._drain_in_thread, ())

    def _is_repeated(self, number: int) -> bool:
        """Whether this is somebody's second wish. A terminal's Ctrl-C reaches a child twice: by itself, and from its parent as SIGTERM."""
        self._seen[number] = self._seen.get(number, 0) + 1
        return self._seen[number] > 1 or (self._first is not None and not _has_parent_of_ours())

    def _interrupt(self) -> None:
        """Leave the drain: by way of the loop, as long as that turns, for the exception must not become that of some task."""
        loop = asyncio._get_running_loop()
        if loop is None or not _is_left_by_exceptions(loop) or self._seen[signal.SIGINT] > 2:
            self._leave()
        loop.call_soon_threadsafe(self._leave)

    def _start_drain(self) -> None:
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        await self._drain_all(asyncio.wrap_future)
        loop = asyncio.get_running_loop()
        if _is_left_by_exceptions(loop):
            # Out of a callback, not out of this task, where the exception would only become the task's result.
            loop.call_soon(self._leave)
        else:
            _thread.start_new_thread(self._signal_main_thread, ())

    def _drain_in_thread(self) -> None:
        """Where the main thread waits for threads that have the loops."""
        asyncio.run(self._drain_all(asyncio.wrap_future))
        self._signal_main_thread()

    async def _drain_all(self, awaitable: Callable[[concurrent.futures.Future[bool]], Awaitable[bool]]) -> None:
        global _ready
        _ready = False
        if self._delay:
            await asyncio.sleep(self._delay)
        servers = _servers()
        self._report(servers)
        here = asyncio.get_running_loop()
        drains: list[Awaitable[bool]] = []
        for server in servers:
            if server._listening_loop is here:
                drains.append(server.drain(self._seconds))
            else:
                drains.append(awaitable(asyncio.run_coroutine_threadsafe(server.drain(self._seconds), server._listening_loop)))
        await asyncio.gather(*drains, return_exceptions=True)

    def _report(self, servers: list[Any]) -> None:
        waiting = [text for server in servers for text in sys.modules["tornadolike.httpserver"]._in_flight(server)]
        name = signal.Signals(self._first).name if self._first is not None else ""
        if not waiting:
            say(f"{name}: nothing in flight, ending")
            return
        again = "again" if self._first == signal.SIGTERM else "Ctrl-C again"
        say(f"{name}: waiting up to {self._seconds:g} s for {listed(waiting)} ({again}: ends at once)")

    def _signal_main_thread(self) -> None:
        self._leaving = True
        assert self._first is not None
        signal.pthread_kill(threading.main_thread().ident or 0, self._first)

    def _leave(self) -> NoReturn:
        raise self._exception()

    def _exception(self) -> BaseException:
        leaving = KeyboardInterrupt() if self._first == signal.SIGINT else SystemExit(0)
        mark_as_said(leaving)
        return leaving


def _is_left_by_exceptions(loop: asyncio.AbstractEventLoop) -> bool:
    return type(loop).__module__.partition(".")[0] in _LEFT_BY_EXCEPTIONS or isinstance(loop, asyncio.BaseEventLoop)


def mark_as_said(leaving: BaseException) -> None:
    """A line has been said about what ends the program. For those who catch it to run programs in a row, and for who would print it."""
    leaving._by_signal = True  # type: ignore[attr-defined]  # an attribute of our own


def is_by_signal(leaving: BaseException) -> bool:
    """Whether it has been marked so."""
    return getattr(leaving, "_by_signal", False)


def say(line: str) -> None:
    """A line of ours on stderr, in one piece: workers share it."""
    try:
        os.write(2, f"tornadolike run: {line}\n".encode(errors="replace"))
    except OSError:
        pass  # nobody listens


def listed(things: list[str]) -> str:
    """``things``, the first few by name."""
    shown = ", ".join(things[:_SHOWN])
    return f"{shown} and {len(things) - _SHOWN} more" if len(things) > _SHOWN else shown


def _end(number: int) -> None:
    """End as without a handler, so that the parent sees the signal in our status."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Still here: the kernel spares the first process of a container.
    os._exit(128 + number)


def _has_parent_of_ours() -> bool:
    process = sys.modules.get("tornadolike.process")
    return os.environ.get("TORNADOLIKE_WORKER") is not None or (process is not None and process._task_id is not None)


def _pass_on(number: int) -> bool:
    """Send the signal to forked servers; says whether there are any."""
    process = sys.modules.get("tornadolike.process")
    return process is not None and process._terminate_children(number)


def _servers() -> list[Any]:
    """The HTTP servers that this process has let listen, and whose loops run: nobody is served by the others."""
    module = sys.modules.get("tornadolike.httpserver")
    if module is None:
        return []
    return [server for server in tuple(module._servers) if server._listening_loop is not None and server._listening_loop.is_running()]
