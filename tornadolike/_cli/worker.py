"""A worker's side of ``--workers`` and ``--reload``: where its listening sockets come from, and who it must not outlive.

The supervisor opens the listening sockets and keeps them, so that connections wait in a queue, and are not refused, while a worker is
replaced. A worker asks for them over a socket pair at the place where it would open one: programs call ``listen(port)`` as ever.
"""

import errno
import json
import os
import signal
import socket
import threading
import time
from typing import Any

from tornadolike._net import listening

ENVIRONMENT_VARIABLE = "TORNADOLIKE_WORKER"
SIGNAL_SENT = b"s"
"""What the supervisor says down the pipe when it has sent a signal."""
# What a worker that does not react to its end is given beyond the time of its drain.
_GRACE_SECONDS = 5.0

# What by default is ignored, and hardly anybody handles.
_NUDGE = signal.SIGURG
_NUDGE_SECONDS = 0.2

_MAX_ANSWER = 65536


def attach(text: str, drain_seconds: float) -> None:
    """Become the worker that the environment describes, in this process. To be called before the program runs."""
    settings = json.loads(text)
    channel = _Channel(socket.socket(fileno=settings["channel"]))
    listening.opener = channel
    watcher = threading.Thread(target=_watch, args=(settings["life"], os.getpid(), drain_seconds), name="supervisor watcher", daemon=True)
    signal.signal(_NUDGE, _do_nothing)
    watcher.start()
    from tornadolike import httpserver

    httpserver._on_listen.append(lambda _: channel.ready())


def _do_nothing(number: int, frame: object) -> None:
    """A handler: there has to be one for a signal to interrupt what its thread waits for."""


def number(text: str) -> int:
    """The number of a worker."""
    found: int = json.loads(text)["number"]
    return found


class _Channel:
    """Asks the supervisor."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._said_ready = False

    def ready(self) -> None:
        """A server has begun to listen."""
        if not self._said_ready and os.getpid() == self._pid:
            self._said_ready = True
            with self._lock:
                self._sock.sendall(b'{"ready": true}\n')

    def tcp(self, family: int, kind: int, proto: int, address: tuple[Any, ...], backlog: int) -> socket.socket:
        """A listening socket on an address."""
        return self._ask({"family": int(family), "kind": int(kind), "proto": proto, "address": list(address), "backlog": backlog})

    def unix(self, path: str, mode: int, backlog: int) -> socket.socket:
        """A listening Unix socket."""
        return self._ask({"path": path, "mode": mode, "backlog": backlog})

    def _ask(self, question: dict[str, Any]) -> socket.socket:
        with self._lock:
            self._sock.sendall(json.dumps(question).encode() + b"\n")
            data, descriptors, _, _ = socket.recv_fds(self._sock, _MAX_ANSWER, 1)
        if not data:
            raise OSError(errno.EPIPE, "the supervisor is gone")
        if not descriptors:
            number, text = json.loads(data)
            raise (ValueError(text) if number is None else OSError(number, text))
        sock = socket.socket(fileno=descriptors[0])
        sock.setblocking(False)
        return sock


def _watch(life: int, pid: int, drain_seconds: float) -> None:
    """Wait for the end of the supervisor, which holds the other end of a pipe, and end with it.

    A byte in the pipe: a signal has been sent. Python hands signals over between two steps of the main thread: one that comes just before
    a long ``time.sleep`` or ``accept`` would have to wait for the end of that. So what the main thread waits for is interrupted once more.
    """
    while True:
        try:
            if not os.read(life, 1):
                break
        except OSError:
            break
        time.sleep(_NUDGE_SECONDS)
        if signal.getsignal(_NUDGE) is _do_nothing:
            signal.pthread_kill(threading.main_thread().ident or 0, _NUDGE)
    os.kill(pid, signal.SIGTERM)
    time.sleep(drain_seconds + _GRACE_SECONDS)
    os._exit(1)
