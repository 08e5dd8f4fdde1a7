"""SIGTERM for programs under ``tornadolike run``: drain the HTTP servers, then exit with status 0.

A program that sets a handler of its own for SIGTERM keeps it. Where there is nothing to drain, and at the second signal, SIGTERM does
what it does by default. A parent of forked servers passes the signal on; it ends by itself when its children have.
"""

import asyncio
import os
import signal
import sys
from types import FrameType
from typing import Any


def drain_on_sigterm(seconds: float) -> None:
    """Give the servers of this process, and of those forked from it, up to ``seconds`` at SIGTERM. To be called in the main thread."""
    signal.signal(signal.SIGTERM, _Terminator(seconds))


class _Terminator:
    """The signal handler."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked = False
        self._draining: asyncio.Task[None] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        children = _pass_on(number)
        if self._asked:
            _end(number)
        self._asked = True
        if children:
            return
        loop = asyncio._get_running_loop()
        if loop is None or not _servers():
            _end(number)
        else:
            loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._draining = asyncio.ensure_future(_drain_all(self._seconds))


def _end(number: int) -> None:
    """Die as without a handler, so that the parent sees the signal in our status."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _pass_on(number: int) -> bool:
    """Send the signal to forked servers; says whether there are any."""
    process = sys.modules.get("tornadolike.process")
    return process is not None and process._terminate_children(number)


def _servers() -> list[Any]:
    """The HTTP servers that this process has let listen."""
    module = sys.modules.get("tornadolike.httpserver")
    return (
        []
        if module is None
        else [server for server in module._servers if server._listening_loop is not None and not server._listening_loop.is_closed()]
    )


async def _drain_all(seconds: float) -> None:
    here = asyncio.get_running_loop()
    drains = []
    for server in _servers():
        if server._listening_loop is here:
            drains.append(asyncio.ensure_future(server.drain(seconds)))
        else:  # in another thread
            drains.append(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(server.drain(seconds), server._listening_loop)))
    await asyncio.gather(*drains, return_exceptions=True)
    # Out of a callback, not out of this task, where the exception would only become the task's result.
    here.call_soon(sys.exit, 0)
