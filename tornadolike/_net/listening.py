"""Listening sockets: opening them, and taking connections from them.

Theory of operation. A host name may stand for several addresses, and a server listens on all of them under *one* port; when
the system is to choose the port, the first address gets it and the others must follow, so the whole round is repeated when one
of them is refused. An :class:`Acceptor` takes connections in batches whenever its socket is readable. When the process has no
descriptor left, a listening socket stays readable, and a loop that kept asking would only burn the processor that the open
connections need: the acceptor stops watching for a moment instead.
"""

import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Any, Protocol

#: How many connections may wait in the kernel, and how many are taken in one turn of the loop.
DEFAULT_BACKLOG = 128

EXHAUSTED_PAUSE_SECONDS = 0.1
EXHAUSTED_REPORT_SECONDS = 1.0

_PORT_ROUNDS = 32

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# What Linux reports from accept() about a connection that died in the queue (accept(2), "Error handling"): the next one may be fine.
_LOST_IN_QUEUE = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED",
        "EPROTO",
        "ENOPROTOOPT",
        "EHOSTDOWN",
        "ENONET",
        "EHOSTUNREACH",
        "ENETDOWN",
        "ENETUNREACH",
        "EINTR",
        "EPERM",
    )
    if hasattr(errno, name)
)

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


def _allow_address_reuse(sock: socket.socket) -> None:
    if os.name == "nt":  # there the option would let a second process steal the port
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise


def _new_socket(family: int, kind: int, proto: int) -> socket.socket | None:
    """A non-blocking socket, or None where the machine does not know the address family."""
    try:
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    sock.setblocking(False)
    return sock


def _is_phantom(error: OSError, host: str | None, sockaddr: tuple[Any, ...]) -> bool:
    """Containers often resolve localhost to ::1 without having that address; there, and only there, IPv4 alone will do."""
    return error.errno == errno.EADDRNOTAVAIL and host == "localhost" and sockaddr[0] == "::1"


class Opener(Protocol):
    """Opens listening sockets for this process somewhere else: for a worker its supervisor does. Raises what binding raises."""

    def tcp(self, family: int, kind: int, proto: int, address: tuple[Any, ...], backlog: int) -> socket.socket: ...
    def unix(self, path: str, mode: int, backlog: int) -> socket.socket: ...


opener: Opener | None = None


def _bind_one(info: AddressInfo, host: str | None, shared_port: int, reuse_port: bool, backlog: int) -> socket.socket | None:
    family, kind, proto, _, sockaddr = info
    if shared_port and not sockaddr[1]:
        sockaddr = (sockaddr[0], shared_port, *sockaddr[2:])
    try:
        if opener is not None:
            return opener.tcp(family, kind, proto, sockaddr, backlog)
        return open_socket(family, kind, proto, sockaddr, reuse_port=reuse_port, backlog=backlog)
    except OSError as error:
        if _is_phantom(error, host, sockaddr) or (opener is not None and error.errno == errno.EAFNOSUPPORT):
            return None
        error._listening_on = f"{f'[{sockaddr[0]}]' if family == socket.AF_INET6 else sockaddr[0]}:{sockaddr[1]}"  # type: ignore[attr-defined]
        raise


def place_of(error: OSError) -> str | None:
    """The address, as users write it, on which `bind_addresses` could not listen when it raised ``error``; None: not it raised this."""
    place: str | None = vars(error).get("_listening_on")
    return place


def open_socket(family: int, kind: int, proto: int, address: tuple[Any, ...], *, reuse_port: bool, backlog: int) -> socket.socket | None:
    """A listening socket on one address; None where the machine does not know the address family."""
    sock = _new_socket(family, kind, proto)
    if sock is None:
        return None
    try:
        _allow_address_reuse(sock)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # One socket for each family, on every system: a dual-stack socket would collide with its IPv4 neighbour.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_round(infos: list[AddressInfo], host: str | None, reuse_port: bool, backlog: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    shared_port = 0
    try:
        for info in infos:
            if bound and not shared_port:
                shared_port = bound[0].getsockname()[1]
            sock = _bind_one(info, host, shared_port, reuse_port, backlog)
            if sock is not None:
                bound.append(sock)
    except OSError:
        for sock in bound:
            sock.close()
        raise
    return bound


def bind_addresses(infos: list[AddressInfo], host: str | None, reuse_port: bool, backlog: int) -> list[socket.socket]:
    """Listen on every address of ``infos`` (as of ``getaddrinfo``), all on the port that the first one got.

    Raises the OSError of the address that cannot be bound; then nothing stays open.
    """
    if len(infos) == 1:
        return _bind_round(infos, host, reuse_port, backlog)
    chosen_by_system = all(not info[4][1] for info in infos)
    for _ in range(_PORT_ROUNDS if chosen_by_system else 0):
        try:
            return _bind_round(infos, host, reuse_port, backlog)
        except OSError as error:
            # Free in one family is not free in the other; a new round draws another port.
            if error.errno != errno.EADDRINUSE:
                raise
    return _bind_round(infos, host, reuse_port, backlog)


def _remove_stale_socket(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ValueError(f"File {path} exists and is not a socket")
    os.remove(path)


def bind_unix(path: str, mode: int, backlog: int) -> socket.socket:
    """Listen on a Unix socket; a path that begins with NUL lies in Linux's abstract namespace and leaves no file behind."""
    if opener is not None:
        return opener.unix(path, mode, backlog)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if path.startswith("\0"):
            sock.bind(path)
        else:
            _remove_stale_socket(path)
            sock.bind(path)
            os.chmod(path, mode)
        sock.listen(backlog)
    except (OSError, ValueError):
        sock.close()
        raise
    return sock


class Watcher(Protocol):
    """What an acceptor needs of its event loop; see :class:`Acceptor`."""

    def watch(self, sock: socket.socket, on_readable: Callable[[], None]) -> None: ...
    def unwatch(self, sock: socket.socket) -> None: ...
    @property
    def call_later(self) -> Callable[[float, Callable[[], None]], object]: ...
    @property
    def time(self) -> Callable[[], float]: ...
    def exhausted(self, error: OSError) -> None: ...


class Acceptor:
    """Hands every connection that arrives at ``sock`` to ``on_connection(connection, address)``, until :meth:`stop`.

    The connections are blocking or not as ``accept`` leaves them. What ``on_connection`` raises goes to the caller of the
    readiness callback; the connections still in the queue follow with the next readiness event.
    """

    __slots__ = ("_on_connection", "_reported", "_sock", "_stopped", "_watcher", "_watching")

    def __init__(self, sock: socket.socket, on_connection: Callable[[socket.socket, Any], object], watcher: Watcher) -> None:
        self._sock = sock
        self._on_connection = on_connection
        self._watcher = watcher
        self._stopped = False
        self._watching = False
        self._reported = -EXHAUSTED_REPORT_SECONDS
        self._watch()

    def _watch(self) -> None:
        if not self._stopped:
            self._watcher.watch(self._sock, self._accept_batch)
            self._watching = True

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._watcher.unwatch(self._sock)

    def stop(self) -> None:
        """Take no more connections, from this moment on. The socket stays open; closing it is the caller's business. Idempotent."""
        self._stopped = True
        self._unwatch()

    def _accept_batch(self) -> None:
        accept, on_connection = self._sock.accept, self._on_connection
        # Bounded, so that a flood of connections cannot starve those which are already open; and one accept at a time, so that
        # processes which share the socket share the load.
        for _ in range(DEFAULT_BACKLOG):
            if self._stopped:
                return
            try:
                connection, address = accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _LOST_IN_QUEUE:
                    continue
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(error)
                return
            on_connection(connection, address)

    def _pause(self, error: OSError) -> None:
        self._unwatch()
        self._watcher.call_later(EXHAUSTED_PAUSE_SECONDS, self._watch)
        now = self._watcher.time()
        if now - self._reported >= EXHAUSTED_REPORT_SECONDS:
            self._reported = now
            self._watcher.exhausted(error)
