"""Listening sockets and the acceptor, on a watcher that the test drives by hand."""

import errno
import os
import socket
import stat
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from tornadolike._net import listening
from tornadolike._net.listening import Acceptor


class Listener:
    """Stands in for a listening socket: accept() gives or raises what the test queued."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = deque(outcomes)

    def accept(self) -> tuple[Any, Any]:
        outcome = self.outcomes.popleft() if self.outcomes else BlockingIOError()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome, f"address of {outcome}"


class Watcher:
    def __init__(self) -> None:
        self.on_readable: Callable[[], None] | None = None
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.now = 100.0
        self.errors: list[OSError] = []

    def watch(self, sock: Any, on_readable: Callable[[], None]) -> None:
        assert self.on_readable is None
        self.on_readable = on_readable

    def unwatch(self, sock: Any) -> None:
        assert self.on_readable is not None
        self.on_readable = None

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.timers.append((self.now + seconds, callback))

    def time(self) -> float:
        return self.now

    def exhausted(self, error: OSError) -> None:
        self.errors.append(error)

    def readable(self) -> None:
        assert self.on_readable is not None
        self.on_readable()

    def advance(self) -> None:
        self.now, callback = self.timers.pop(0)
        callback()


def accepting(*outcomes: Any) -> tuple[Listener, Watcher, list[Any], Acceptor]:
    listener, watcher, taken = Listener(*outcomes), Watcher(), []
    acceptor = Acceptor(listener, lambda connection, address: taken.append((connection, address)), watcher)  # type: ignore[arg-type]
    return listener, watcher, taken, acceptor


def test_a_batch_ends_when_the_queue_is_empty() -> None:
    _, watcher, taken, _ = accepting("a", "b")
    watcher.readable()
    assert taken == [("a", "address of a"), ("b", "address of b")]
    assert watcher.on_readable is not None


def test_a_batch_is_bounded() -> None:
    listener, watcher, taken, _ = accepting(*range(200))
    watcher.readable()
    assert len(taken) == listening.DEFAULT_BACKLOG
    assert len(listener.outcomes) == 200 - listening.DEFAULT_BACKLOG


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN])
def test_a_connection_lost_in_the_queue_is_passed_over(code: int) -> None:
    _, watcher, taken, _ = accepting(OSError(code, "lost"), "next")
    watcher.readable()
    assert [name for name, _ in taken] == ["next"]


def test_an_unknown_error_is_the_callers() -> None:
    _, watcher, _, _ = accepting(OSError(errno.EBADF, "bad"))
    with pytest.raises(OSError, match="bad"):
        watcher.readable()


def test_stopping_inside_the_callback_takes_nothing_more() -> None:
    listener, watcher, taken = Listener("a", "b"), Watcher(), []

    def on_connection(connection: Any, address: Any) -> None:
        taken.append(connection)
        acceptor.stop()

    acceptor = Acceptor(listener, on_connection, watcher)  # type: ignore[arg-type]
    watcher.readable()
    assert taken == ["a"]
    assert watcher.on_readable is None
    acceptor.stop()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_the_socket_is_left_alone_for_a_moment(code: int) -> None:
    _, watcher, taken, _ = accepting(OSError(code, "none left"), "later")
    watcher.readable()
    assert watcher.on_readable is None
    assert taken == []
    watcher.advance()
    watcher.readable()
    assert [name for name, _ in taken] == ["later"]


def test_exhaustion_is_reported_once_a_second() -> None:
    _, watcher, _, _ = accepting(*(OSError(errno.EMFILE, "none left") for _ in range(31)))
    for _ in range(30):
        watcher.readable()
        watcher.advance()
    assert 3 <= len(watcher.errors) <= 4
    assert watcher.now >= 102.9


def test_stopping_during_the_pause_is_final() -> None:
    _, watcher, _, acceptor = accepting(OSError(errno.EMFILE, "none left"))
    watcher.readable()
    acceptor.stop()
    watcher.advance()
    assert watcher.on_readable is None


V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))


def close_all(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def test_a_port_taken_in_the_second_family_means_another_round(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []
    genuine = listening._bind_round

    def bind_round(infos: Any, host: Any, reuse_port: bool, backlog: int) -> list[socket.socket]:
        rounds.append(1)
        if len(rounds) < 3:
            raise OSError(errno.EADDRINUSE, "taken")
        return genuine(infos[:1], host, reuse_port, backlog)

    monkeypatch.setattr(listening, "_bind_round", bind_round)
    sockets = listening.bind_addresses([V4, V4], "localhost", False, 5)
    close_all(sockets)
    assert len(rounds) == 3


def test_a_failed_round_leaves_no_socket_open() -> None:
    made: list[socket.socket] = []
    taken = socket.create_server(("127.0.0.1", 0))
    busy = (*V4[:4], taken.getsockname())
    genuine = listening._bind_one

    def bind_one(*args: Any) -> socket.socket | None:
        sock = genuine(*args)
        assert sock is not None
        made.append(sock)
        return sock

    with pytest.MonkeyPatch.context() as patch, taken:
        patch.setattr(listening, "_bind_one", bind_one)
        with pytest.raises(OSError, match="in use"):
            listening.bind_addresses([V4, busy], None, False, 5)
    assert [sock.fileno() for sock in made] == [-1]


def test_localhost_without_ipv6_address_is_ipv4_alone() -> None:
    def failing(code: int, host: str, sockaddr: tuple[Any, ...]) -> bool:
        return listening._is_phantom(OSError(code, ""), host, sockaddr)

    assert failing(errno.EADDRNOTAVAIL, "localhost", ("::1", 0, 0, 0))
    assert not failing(errno.EADDRNOTAVAIL, "::1", ("::1", 0, 0, 0))
    assert not failing(errno.EADDRINUSE, "localhost", ("::1", 0, 0, 0))
    assert not failing(errno.EADDRNOTAVAIL, "localhost", ("127.0.0.1", 0))


def test_unknown_address_family_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "no such family")

    monkeypatch.setattr(socket, "socket", refuse)
    assert listening.bind_addresses([V4], None, False, 5) == []


def test_unix_socket_replaces_a_socket_and_nothing_else(tmp_path: Any) -> None:
    path = str(tmp_path / "s")
    listening.bind_unix(path, 0o600, 5).close()
    with listening.bind_unix(path, 0o640, 5) as sock:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
        assert not sock.getblocking()
    other = tmp_path / "file"
    other.write_text("precious")
    with pytest.raises(ValueError, match="exists and is not a socket"):
        listening.bind_unix(str(other), 0o600, 5)
    assert other.read_text() == "precious"
