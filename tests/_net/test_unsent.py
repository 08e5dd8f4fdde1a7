"""How much waits in the kernel for one connection."""

import asyncio
import contextlib
import socket

import pytest

from tornadolike._net import unsent
from tornadolike.iostream import IOStream, StreamClosedError
from tornadolike.tcpserver import TCPServer
from tornadolike.testing import bind_unused_port

pytestmark = pytest.mark.skipif(unsent._OPTION is None, reason="the system has no TCP_NOTSENT_LOWAT")
OPTION = unsent._OPTION or 0


class Peer:
    """A socket as far as an allowance looks at it."""

    family, type = socket.AF_INET, socket.SOCK_STREAM

    def __init__(self, limit: int, error: OSError | None = None) -> None:
        self.limit = limit
        self.error = error
        self.changes: list[int] = []

    def getsockopt(self, level: int, option: int) -> int:
        assert (level, option) == (socket.IPPROTO_TCP, OPTION)
        return self.limit

    def setsockopt(self, level: int, option: int, value: int) -> None:
        assert (level, option) == (socket.IPPROTO_TCP, OPTION)
        if self.error is not None:
            raise self.error
        self.limit = value
        self.changes.append(value)


def follow(peer: Peer, *times: float) -> None:
    allowance = unsent.Allowance(peer)  # type: ignore[arg-type]  # as much of a socket as is needed
    for now in times:
        allowance.drained(peer, now)  # type: ignore[arg-type]


def test_grows_for_a_quick_peer_up_to_a_bound() -> None:
    peer = Peer(unsent.LEAST_BYTES)
    follow(peer, *(number * unsent.QUICK_SECONDS / 2 for number in range(20)))
    assert peer.changes == [unsent.LEAST_BYTES << steps for steps in range(1, 6)]
    assert peer.limit == unsent.MOST_BYTES


def test_stays_for_a_moderate_peer() -> None:
    peer = Peer(unsent.LEAST_BYTES)
    follow(peer, *(number * unsent.QUICK_SECONDS * 2 for number in range(20)))
    assert peer.changes == []


def test_goes_back_when_the_peer_becomes_slow() -> None:
    peer = Peer(unsent.LEAST_BYTES)
    follow(peer, 0, unsent.QUICK_SECONDS / 2, 2 * unsent.SLOW_SECONDS)
    assert peer.changes == [2 * unsent.LEAST_BYTES, unsent.LEAST_BYTES]


@pytest.mark.parametrize("limit", [0, 1, unsent.LEAST_BYTES - 1, unsent.MOST_BYTES + 1])
def test_leaves_limits_of_others_alone(limit: int) -> None:
    peer = Peer(limit)
    follow(peer, *(number * unsent.QUICK_SECONDS / 2 for number in range(20)))
    assert peer.changes == []


def test_a_connection_that_is_gone_is_none_of_its_business() -> None:
    peer = Peer(unsent.LEAST_BYTES, OSError("gone"))
    follow(peer, 0, unsent.QUICK_SECONDS / 2, unsent.QUICK_SECONDS)
    assert peer.changes == []


async def test_what_is_accepted_inherits_the_limit() -> None:
    streams: asyncio.Queue[IOStream] = asyncio.Queue()

    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: object) -> None:
            streams.put_nowait(stream)

    listening, port = bind_unused_port()
    server = Server()
    server.add_socket(listening)
    with socket.create_connection(("127.0.0.1", port)):
        stream = await streams.get()
        assert stream.socket.getsockopt(socket.IPPROTO_TCP, OPTION) == unsent.LEAST_BYTES
        stream.close()
    server.stop()


def test_a_limit_of_the_application_stays() -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, OPTION, 4711)
        unsent.limit(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, OPTION) == 4711


def test_other_kinds_of_sockets_have_no_limit() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        unsent.limit(sock)


async def test_a_client_that_does_not_read_holds_little() -> None:
    """Without the limit the kernel takes several MiB."""
    written = 0
    blocked = asyncio.Event()

    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: object) -> None:
            nonlocal written
            with contextlib.suppress(StreamClosedError):
                while True:
                    future = stream.write(bytes(16 << 10))
                    if not future.done():
                        break
                    written += 16 << 10
                blocked.set()
                await future

    listening, port = bind_unused_port()
    server = Server()
    server.add_socket(listening)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        await blocked.wait()
    server.stop()
    assert 0 < written <= 2 * unsent.LEAST_BYTES


async def test_quick_clients_get_everything() -> None:
    size = 20 << 20
    listening, port = bind_unused_port()
    done = asyncio.Event()

    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: object) -> None:
            await stream.write(bytes(size))
            stream.close()
            done.set()

    server = Server()
    server.add_socket(listening)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = 0
    while piece := await reader.read(1 << 20):
        received += len(piece)
    assert received == size
    await done.wait()
    writer.close()
    server.stop()
