"""Accepting by the event loop itself, on uvloop: the loop for which that exists."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tornadolike._net import listening
from tornadolike._net.listening import LoopAcceptor
from tornadolike._net.transport_source import TransportSource

uvloop = pytest.importorskip("uvloop")


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
        uvloop.run(asyncio.wait_for(main, 5))

    return run_on_uvloop


class Accepted:
    """Takes sources; the transports are aborted at the end."""

    def __init__(self, sock: socket.socket) -> None:
        self.queue: asyncio.Queue[TransportSource] = asyncio.Queue()
        self.exhausted: list[OSError] = []
        self.acceptor = LoopAcceptor(asyncio.get_running_loop(), sock, self.queue.put_nowait, self.exhausted.append)

    async def drop(self) -> None:
        self.acceptor.stop()
        await asyncio.sleep(0)
        while not self.queue.empty():
            self.queue.get_nowait().transport.abort()
        await asyncio.sleep(0)


def test_which_loops_accept(run: Any) -> None:
    with socket.socket() as sock:

        async def main() -> None:
            assert listening.loop_accepts(asyncio.get_running_loop(), sock)

        run(main())
        loop = asyncio.SelectorEventLoop()
        assert not listening.loop_accepts(loop, sock)
        loop.close()


def test_a_connection_becomes_a_source(run: Any) -> None:
    async def main() -> None:
        (sock,) = listening.bind_addresses([(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))], None, False, 7)
        with sock:
            accepted = Accepted(sock)
            with socket.create_connection(sock.getsockname()) as client:
                source = await accepted.queue.get()
                assert source.peer_address() == client.getsockname()
                source.transport.abort()
                await accepted.drop()
            assert sock.fileno() != -1
            assert listening._backlogs[sock] == 7

    run(main())


def test_unix_socket_keeps_its_file(run: Any, tmp_path: Any) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        with listening.bind_unix(path, 0o600, 5) as sock:
            accepted = Accepted(sock)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                (await accepted.queue.get()).transport.abort()
                await accepted.drop()

    run(main())
    assert os.path.exists(path)


def test_nothing_is_announced_after_stop(run: Any) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            accepted = Accepted(sock)
            with socket.create_connection(sock.getsockname()) as client:
                source = TransportSource(lambda source: None)
                await asyncio.get_running_loop().create_connection(lambda: source, sock=client.dup())
                accepted.acceptor.stop()
                accepted.acceptor._on_transport(source)
                assert source.transport.is_closing()
                await accepted.drop()

    run(main())


def test_a_server_that_its_loop_gave_up_comes_back(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "EXAMINATION_SECONDS", 0.01)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            accepted = Accepted(sock)
            accepted.acceptor._server.close()
            assert accepted.acceptor._serving.fileno() == -1
            with socket.create_connection(sock.getsockname()):
                (await accepted.queue.get()).transport.abort()
                await accepted.drop()

    run(main())


def test_that_no_descriptor_is_left_is_reported(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "EXAMINATION_SECONDS", 0.01)

    def full(fd: int) -> int:
        raise OSError(errno.EMFILE, "no more")

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            accepted = Accepted(sock)
            await asyncio.sleep(0.05)
            assert accepted.exhausted == []
            with monkeypatch.context() as patch:
                patch.setattr(listening.os, "dup", full)
                while not accepted.exhausted:  # noqa: ASYNC110 - what is waited for happens inside the code under test
                    await asyncio.sleep(0.01)
            await accepted.drop()

    run(main())


def test_all_acceptors_of_a_loop_stop_together(run: Any) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            accepted = Accepted(sock)
            listening.stop_accepting(asyncio.get_running_loop())
            listening.stop_accepting(asyncio.get_running_loop())
            assert accepted.acceptor._on_source is None

    run(main())
