"""Signals on loops that sleep through them.

Python runs a signal's handler between two steps of its main thread. A loop like zuvloop 0.0.17 takes no step until something happens on
it: the handler of Ctrl-C would run at the next request.
"""

import contextlib
import os
import signal
import socket
import threading
from asyncio import AbstractEventLoop
from collections.abc import Collection

_SIGNALS_AT_ONCE = 64


def wake_at_signals(loops: Collection[AbstractEventLoop]) -> None:
    """From now on have each of ``loops``, which may become more, take a step when a signal comes, in forked processes too.

    To be called in the main thread, once. It takes `signal.set_wakeup_fd`.
    """
    _listen(loops)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _listen(loops))


def _listen(loops: Collection[AbstractEventLoop]) -> None:
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_wake, args=(reader, writer, loops), name="signals", daemon=True).start()


def _wake(reader: socket.socket, writer: socket.socket, loops: Collection[AbstractEventLoop]) -> None:
    with reader, writer:  # the signal module keeps nothing of the other end but its number
        while reader.recv(_SIGNALS_AT_ONCE):
            for loop in tuple(loops):
                with contextlib.suppress(RuntimeError):  # it is closed
                    loop.call_soon_threadsafe(_take_a_step)


def _take_a_step() -> None:
    """Nothing: before it, Python runs the handlers that wait."""
