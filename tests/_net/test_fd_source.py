"""FdSource where the first bytes are expected: it looks for them before the loop is told to watch."""

import asyncio
import contextvars
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tornadolike._net.fd_source import FdSource


class Owner:
    read_chunk_size = 65536

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._context = contextvars.copy_context()
        self.ended = False
        self.errors: list[BaseException] = []

    def fileno(self) -> Any:
        return self.sock

    def _on_eof(self) -> None:
        self.ended = True

    def _on_read_error(self, error: BaseException) -> None:
        self.errors.append(error)

    def _on_readable(self) -> None: ...

    def _move(self) -> bool:
        return False


class Watching:
    """A loop, and whether it was told to watch."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.call_soon = self.loop.call_soon
        self.watched: list[Callable[[], None]] = []
        self.removals = 0

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        self.watched.append(callback)

    def remove_reader(self, fd: int) -> None:
        self.removals += 1


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


class Case:
    def __init__(self, ours: socket.socket) -> None:
        self.loop, self.owner, self.received = Watching(), Owner(ours), b""
        self.source = FdSource(self.loop, {}, self.owner, ours, True)  # type: ignore[arg-type]  # as much of them as is used
        self.source.deliver(self)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.loop.call_soon(self.after)

    def after(self) -> None: ...


async def turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_what_is_closed_at_once_is_never_watched(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    case.after = case.source.close  # type: ignore[method-assign]
    pair[1].send(b"request")
    case.source.resume()
    assert case.received == b""  # not inside the call
    await turns()
    assert case.received == b"request"
    assert (case.loop.watched, case.loop.removals) == ([], 0)


async def test_what_stays_open_is_watched_once(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    pair[1].send(b"request")
    case.source.resume()
    case.source.resume()
    await turns()
    assert case.received == b"request"
    assert case.loop.watched == [case.source._receive]
    case.source.close()
    assert case.loop.removals == 1


async def test_nothing_there_yet(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    case.source.resume()
    await turns()
    assert case.loop.watched == [case.source._receive]
    pair[1].send(b"late")
    case.loop.watched[0]()
    assert case.received == b"late"


async def test_pausing_before_the_look(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    pair[1].send(b"request")
    case.source.resume()
    case.source.pause()
    await turns()
    assert (case.received, case.loop.watched, case.loop.removals) == (b"", [], 0)
    case.source.resume()
    assert case.loop.watched == [case.source._receive]


async def test_a_reader_that_is_gone_before_the_look(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    pair[1].send(b"request")
    case.source.resume()
    case.source.deliver(None)
    await turns()
    assert (case.received, case.loop.watched) == (b"", [case.source._tell_owner])


async def test_an_end_or_an_error_at_the_look(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    pair[1].close()
    case.source.resume()
    await turns()
    assert case.owner.ended
    pair[0].close()
    other = Case(pair[0])
    other.source._fd = 9999
    other.source.resume()
    await turns()
    assert [type(error) for error in other.owner.errors] == [OSError]


async def test_a_pause_that_is_over_before_more_comes_is_none_for_the_loop(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    case.source.resume()
    await turns()
    case.source.pause()
    case.source.deliver(None)
    case.source.deliver(case)
    case.source.resume()
    assert (case.loop.watched, case.loop.removals) == ([case.source._receive], 0)
    pair[1].send(b"request")
    case.loop.watched[0]()
    assert case.received == b"request"


async def test_bytes_that_come_in_a_pause_end_the_watching(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    case.source.resume()
    await turns()
    case.source.pause()
    pair[1].send(b"request")
    case.loop.watched[0]()
    case.source.pause()
    assert (case.received, case.loop.removals) == (b"", 1)
    case.source.resume()
    assert case.loop.watched == [case.source._receive] * 2
    case.loop.watched[1]()
    assert case.received == b"request"
    case.source.close()
    assert case.loop.removals == 2


async def test_who_reads_by_himself_is_not_told_in_a_pause(pair: tuple[socket.socket, socket.socket]) -> None:
    case, told = Case(pair[0]), []
    case.owner._on_readable = lambda: told.append("readable")  # type: ignore[method-assign]
    case.source.deliver(None)
    case.source.resume()
    await turns()
    case.loop.watched[0]()
    case.source.pause()
    case.loop.watched[0]()
    assert (told, case.loop.removals) == (["readable"], 1)


async def test_hooks_that_replace_the_socket_in_a_pause(pair: tuple[socket.socket, socket.socket]) -> None:
    case = Case(pair[0])
    case.source.resume()
    await turns()
    case.source.pause()
    case.source.use_hooks()
    case.source.resume()
    assert case.loop.watched == [case.source._receive, case.source._receive_with_hook]
    assert case.loop.removals == 0


def _broken_pair() -> tuple[socket.socket, Callable[[bytes], None]]:
    """One end, and what makes the other send a little and break the connection off."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)

    def break_off(last: bytes) -> None:
        theirs.send(last)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()

    return ours, break_off


@pytest.mark.parametrize("pauses", [False, True])
@pytest.mark.parametrize("package", ["asyncio", "uvloop"])
def test_the_error_of_a_connection_is_told_behind_its_bytes(package: str, pauses: bool) -> None:
    """Also to those who were in a pause: libuv has told of it by then."""
    runner = pytest.importorskip(package)

    async def run() -> None:
        ours, break_off = _broken_pair()
        loop = asyncio.get_running_loop()
        owner, received, told = Owner(ours), [], asyncio.Event()

        class Receiver:
            def data_received(self, data: bytes) -> None:
                received.append(data)
                if pauses:
                    source.pause()
                    loop.call_later(0.01, source.resume)

        def fail(error: BaseException) -> None:
            owner.errors.append(error)
            source.close()
            told.set()

        owner._on_read_error = fail  # type: ignore[method-assign]
        source = FdSource(loop, {}, owner, ours)  # type: ignore[arg-type]  # as much of it as is used
        source.deliver(Receiver())
        source.resume()
        await asyncio.sleep(0)
        break_off(b"last words")
        await asyncio.wait_for(told.wait(), 10)
        assert b"".join(received) in (b"last words", b"")  # a reset may take away from the kernel what nobody has read yet
        assert [type(error) for error in owner.errors] == [ConnectionResetError]
        ours.close()

    runner.run(run())
