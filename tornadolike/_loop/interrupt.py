"""Ctrl-C on loops whose transports are native code."""

import asyncio
import signal
import threading
from types import FrameType


class Interrupt:
    """A context in which the first Ctrl-C becomes a turn of the loop, from which `KeyboardInterrupt` reaches ``run_forever()``.

    Python's own handler raises where the program happens to be. Where that is a protocol's method, uvloop takes the exception for
    an error of the connection, and the program goes on. A second Ctrl-C raises at once, for code that does not come back to the
    loop. Does nothing outside of the main thread, or where the program handles the signal itself. (`asyncio.Runner` does alike.)
    """

    __slots__ = ("_handle", "_handler", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.Handle | None = None

    def __enter__(self) -> None:
        # Kept: a bound method is made anew each time it is looked up, and __exit__ compares.
        self._handler = self._on_signal
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handler)

    def __exit__(self, *raised: object) -> None:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is self._handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        del self._handler  # it refers to its owner
        if self._handle is not None:  # the loop was stopped before that turn came
            self._handle.cancel()
            self._raise()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self._handle is not None:
            self._raise()
        self._handle = self._loop.call_soon_threadsafe(self._raise)

    def _raise(self) -> None:
        self._handle = None
        raise KeyboardInterrupt
