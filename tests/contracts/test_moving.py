"""A connection that was accepted on readiness and moves to a transport: nothing is lost, doubled or reordered on the way.

What moves on uvloop only moves on every loop here. *During* is the turn of the loop in which the transport owns the descriptor and has
not taken over yet.
"""

import asyncio
import gc
import os
import socket
import ssl
import struct
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tornadolike
from tornadolike import web, websocket
from tornadolike._net import fd_source, transport_source
from tornadolike._net.fd_source import FdSource
from tornadolike._net.transport_source import TransportSource
from tornadolike.httpserver import HTTPServer
from tornadolike.iostream import IOStream, SSLIOStream, StreamClosedError
from tornadolike.netutil import bind_sockets
from tornadolike.tcpserver import TCPServer

HERE = Path(tornadolike.__file__).parent
MEGABYTE = 1 << 20
Connect = Callable[[], socket.socket]
During = Callable[[IOStream], None]


async def soon(awaitable: Any) -> Any:
    return await asyncio.wait_for(awaitable, 10)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # it has no event, and is a matter of a few turns of the loop
            await asyncio.sleep(0)


class Consumer:
    def __init__(self) -> None:
        self.received = b""
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def stream_closed(self) -> None:
        self.closed.set()

    async def has(self, data: bytes) -> None:
        await until(lambda: len(self.received) >= len(data))
        assert self.received == data


class Mover(TCPServer):
    """Hands out what it accepts, and does something in the turn in which a connection moves."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: asyncio.Queue[IOStream] = asyncio.Queue()
        self.during: During = lambda stream: None
        self.moves = 0

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        self.streams.put_nowait(stream)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[IOStream, asyncio.StreamReader, asyncio.StreamWriter]]:
        (sock,) = bind_sockets(0, "127.0.0.1")
        self.add_socket(sock)
        reader, writer = await asyncio.open_connection(*sock.getsockname(), limit=64 * MEGABYTE)
        stream = await soon(self.streams.get())
        self.stop()
        yield stream, reader, writer
        stream.close()
        writer.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.fixture
def mover(monkeypatch: pytest.MonkeyPatch) -> Mover:
    made, genuine = Mover(), IOStream._move

    def move(stream: IOStream) -> bool:
        asyncio.get_running_loop().call_soon(during, stream)  # comes before the transport does
        moving = genuine(stream)
        made.moves += moving
        return moving

    def during(stream: IOStream) -> None:
        if stream._moving:
            made.during(stream)

    monkeypatch.setattr(transport_source, "suits", lambda loop: True)
    monkeypatch.setattr(fd_source, "loops", SimpleNamespace(on_libuv=lambda loop: True))  # where reads are counted
    monkeypatch.setattr(fd_source, "_BUSY_READS", 1)  # at once
    monkeypatch.setattr(IOStream, "_move", move)
    return made


def moved(stream: IOStream) -> bool:
    return type(stream._source) is TransportSource


def registered(stream: IOStream) -> Any:
    handlers: dict[int, Any] = stream.io_loop.handlers  # type: ignore[attr-defined]  # every IOLoop that we make has them
    return [file for file, _ in handlers.values() if isinstance(file, IOStream | TransportSource)]


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# When it moves.


async def test_one_that_lasts_moves_once_and_is_known_to_the_loop_until_it_ends(mover: Mover) -> None:
    async with mover.connected() as (stream, reader, writer):
        assert isinstance(stream.socket, socket.socket)
        assert registered(stream) == []
        consumer = Consumer()
        stream._attach_consumer(consumer)
        writer.write(b"first")
        await until(lambda: moved(stream))
        await consumer.has(b"first")
        assert registered(stream) == [stream._source]
        assert stream.socket.getpeername() == writer.get_extra_info("sockname")
        stream._pause_reading()
        stream._resume_reading()
        writer.write(b" second")
        await consumer.has(b"first second")
        stream._write_now(b"answer")
        assert await soon(reader.readexactly(6)) == b"answer"
        stream.close()
        assert registered(stream) == []
        assert await soon(reader.read()) == b""
    assert mover.moves == 1


async def test_one_that_reads_little_stays(mover: Mover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fd_source, "_BUSY_READS", 3)
    monkeypatch.setattr(fd_source, "_BUSY_SECONDS", 0.0)
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()
        stream._attach_consumer(consumer)
        for count in range(1, 8):
            writer.write(b"x")
            await consumer.has(b"x" * count)
        assert mover.moves == 0
        monkeypatch.setattr(fd_source, "_BUSY_SECONDS", 60.0)
        while not moved(stream) and count < 20:
            count += 1
            writer.write(b"x")
            await consumer.has(b"x" * count)
        await until(lambda: moved(stream))
    assert mover.moves == 1


async def test_the_end_of_the_connection_ends_its_registration(mover: Mover) -> None:
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()
        stream._attach_consumer(consumer)
        await until(lambda: moved(stream))
        reset(writer)
        await soon(consumer.closed.wait())
        assert registered(stream) == []
        assert isinstance(stream.error, ConnectionResetError)


async def test_one_that_is_answered_and_closed_at_once_never_moves(mover: Mover) -> None:
    class Answering(Consumer):
        def data_received(self, data: bytes) -> None:
            stream._write_now(b"answer to " + data)
            asyncio.get_running_loop().call_soon(stream.close)

    async with mover.connected() as (stream, reader, writer):
        writer.write(b"it")
        await asyncio.sleep(0.01)
        stream._attach_consumer(Answering())
        assert await soon(reader.read()) == b"answer to it"
    assert mover.moves == 0


async def test_nor_does_one_that_cannot(mover: Mover, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (NotImplementedError(), OSError(22, "invalid")):

        def refuse(*args: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(transport_source, "take_over", refuse)
        async with mover.connected() as (stream, reader, writer):
            consumer = Consumer()
            stream._attach_consumer(consumer)
            writer.write(b"a")
            await consumer.has(b"a")
            writer.write(b"b")
            await consumer.has(b"ab")
            assert type(stream._source) is FdSource
            stream._write_now(b"c")
            assert await soon(reader.readexactly(1)) == b"c"


async def test_nor_while_bytes_wait_for_the_kernel(mover: Mover) -> None:
    async with mover.connected() as (stream, reader, writer):
        written = stream.write(b"x" * 16 * MEGABYTE)
        assert not written.done()
        consumer = Consumer()
        stream._attach_consumer(consumer)
        writer.write(b"upload")
        await consumer.has(b"upload")
        assert await soon(reader.readexactly(16 * MEGABYTE)) == b"x" * 16 * MEGABYTE
        await soon(written)
        assert mover.moves == 0


# During.


async def test_nothing_happens_during(mover: Mover) -> None:
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()
        stream._attach_consumer(consumer)
        await until(lambda: mover.moves == 1)
        assert not moved(stream)
        writer.write(b"line\nmore")
        await consumer.has(b"line\nmore")
        assert moved(stream)


async def test_who_reads_by_hand_stays_on_the_descriptor(mover: Mover) -> None:
    """A move costs more than it gains for a short conversation."""
    async with mover.connected() as (stream, _, writer):
        waiting = stream.read_until(b"\n")
        writer.write(b"line\nmore")
        assert await soon(waiting) == b"line\n"
        assert await soon(stream.read_bytes(4)) == b"more"
        assert (mover.moves, moved(stream)) == (0, False)


async def test_bytes_and_their_end_that_come_during(mover: Mover) -> None:
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()

        def send(_: IOStream) -> None:
            writer.write(b"during")
            writer.write_eof()

        mover.during = send
        stream._attach_consumer(consumer)
        await soon(consumer.closed.wait())
        assert consumer.received == b"during"
        assert stream.error is None


async def test_a_large_write_during(mover: Mover) -> None:
    pieces = [b"%d," % n * 100_000 for n in range(30)]
    futures: list[Any] = []

    def write(stream: IOStream) -> None:
        futures.extend(stream.write(piece) for piece in pieces[:20])
        assert not futures[-1].done()

    mover.during = write
    async with mover.connected() as (stream, reader, _):
        stream._write_now(b"before ")
        stream._attach_consumer(Consumer())
        await until(lambda: moved(stream))
        futures.extend(stream.write(piece) for piece in pieces[20:])
        expected = b"before " + b"".join(pieces)
        assert await soon(reader.readexactly(len(expected))) == expected
        await soon(asyncio.gather(*futures))
        assert not stream.writing()
        assert stream._write_now(b"at once") is True


async def test_a_file_during(mover: Mover, tmp_path: Path) -> None:
    path, futures = tmp_path / "file", []
    content = os.urandom(8 * MEGABYTE)
    path.write_bytes(content)
    with path.open("rb") as file:

        def send(stream: IOStream) -> None:
            futures.append(stream._send_file(file.fileno(), 0, len(content)))
            futures.append(stream.write(b"behind"))

        mover.during = send
        async with mover.connected() as (stream, reader, _):
            stream._attach_consumer(Consumer())
            assert await soon(reader.readexactly(len(content) + 6)) == content + b"behind"
            await soon(asyncio.gather(*futures))


@pytest.mark.parametrize("written", [b"", b"last words"])
async def test_closing_during(mover: Mover, written: bytes) -> None:
    def close(stream: IOStream) -> None:
        stream._write_now(written)
        stream.close()
        assert stream.socket is None

    mover.during = close
    async with mover.connected() as (stream, reader, _):
        descriptors = len(os.listdir("/dev/fd"))
        consumer = Consumer()
        stream._attach_consumer(consumer)
        assert await soon(reader.read()) == written
        await soon(consumer.closed.wait())
        await until(lambda: len(os.listdir("/dev/fd")) < descriptors)
        assert registered(stream) == []
        with pytest.raises(StreamClosedError):
            await stream.write(b"x")


async def test_a_write_that_fails_during(mover: Mover) -> None:
    async with mover.connected() as (stream, _, _):
        consumer = Consumer()

        def fail(_: IOStream) -> None:
            stream.socket.shutdown(socket.SHUT_WR)
            stream._write_now(b"x")

        mover.during = fail
        stream._attach_consumer(consumer)
        await soon(consumer.closed.wait())
        assert isinstance(stream.error, BrokenPipeError)
        assert registered(stream) == []


async def test_a_reset_during(mover: Mover) -> None:
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()
        mover.during = lambda _: reset(writer)
        stream._attach_consumer(consumer)
        await soon(consumer.closed.wait())
        assert isinstance(stream.error, ConnectionResetError)
        assert registered(stream) == []


async def test_pausing_during(mover: Mover) -> None:
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()
        mover.during = lambda stream: stream._pause_reading()
        stream._attach_consumer(consumer)
        await until(lambda: moved(stream))
        writer.write(b"x" * MEGABYTE)
        writer.write_eof()
        await asyncio.sleep(0.02)
        assert consumer.received == b""
        assert not consumer.closed.is_set()
        assert len(stream._read_buffer or b"") <= 300_000
        stream._resume_reading()
        await soon(consumer.closed.wait())
        assert consumer.received == b"x" * MEGABYTE


async def test_an_end_that_comes_during_a_pause_waits_for_the_consumer(mover: Mover) -> None:
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()
        mover.during = lambda stream: stream._pause_reading()
        stream._attach_consumer(consumer)
        await until(lambda: moved(stream))
        writer.write_eof()
        await asyncio.sleep(0.02)
        assert not consumer.closed.is_set()
        stream._resume_reading()
        await soon(consumer.closed.wait())


async def test_back_to_reads_during(mover: Mover) -> None:
    reads: list[Any] = []

    def detach(stream: IOStream) -> None:
        stream._detach_consumer(b"un")
        reads.append(stream.read_until(b"\n"))

    mover.during = detach
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()
        stream._attach_consumer(consumer)
        await until(lambda: moved(stream))
        writer.write(b"read\nrest")
        assert await soon(reads[0]) == b"unread\n"
        assert await soon(stream.read_bytes(4)) == b"rest"
        assert consumer.received == b""


async def test_start_tls_during(mover: Mover) -> None:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(HERE / "testing.crt", HERE / "testing.key")
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    secured: list[Any] = []

    def start(stream: IOStream) -> None:
        stream._detach_consumer()
        secured.append(stream.start_tls(True, server))

    mover.during = start
    async with mover.connected() as (stream, reader, writer):
        stream._attach_consumer(Consumer())
        await soon(writer.start_tls(client, server_hostname="x"))
        tls = await soon(secured[0])
        assert isinstance(tls, SSLIOStream)
        writer.write(b"ping\n")
        assert await soon(tls.read_until(b"\n")) == b"ping\n"
        await soon(tls.write(b"pong\n"))
        assert await soon(reader.readline()) == b"pong\n"
        tls.close()
        assert await soon(reader.read()) == b""


async def test_a_stream_that_moved_and_was_closed_leaves_no_cycle(mover: Mover) -> None:
    async with mover.connected() as (stream, _, writer):
        consumer = Consumer()
        stream._attach_consumer(consumer)
        writer.write(b"x")
        await consumer.has(b"x")
        await until(lambda: moved(stream))
        gone, former = weakref.ref(stream), weakref.ref(consumer)
        stream.close()
        await soon(consumer.closed.wait())
        del consumer
    gc.disable()
    try:
        stream = None  # type: ignore[assignment]  # connected() does not need it any more
        await asyncio.sleep(0)
        assert (gone(), former()) == (None, None)
    finally:
        gc.enable()


# On top of it.


class Echo(web.RequestHandler):
    def get(self) -> None:
        self.finish(b"a" * int(self.get_argument("size", "5")))

    def post(self) -> None:
        self.finish(b"%d" % len(self.request.body))


class EchoSocket(websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)


@pytest.fixture
async def connect(mover: Mover) -> AsyncIterator[Connect]:
    server = HTTPServer(web.Application([("/", Echo), ("/ws", EchoSocket)], log_function=lambda handler: None))
    (sock,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)
    with ExitStack() as ends:
        # The kernel's part of it: the server takes the connection in the loop's next turn.
        yield lambda: ends.enter_context(socket.create_connection(sock.getsockname()))
    server.stop()
    await server.close_all_connections()
    await asyncio.sleep(0)


async def streams(client: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(sock=client.dup(), limit=64 * MEGABYTE)


async def body(reader: asyncio.StreamReader) -> bytes:
    head = await soon(reader.readuntil(b"\r\n\r\n"))
    length = next(int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
    result: bytes = await soon(reader.readexactly(length))
    return result


@pytest.mark.parametrize("cut", [1, 18, 40, 57, 60])
async def test_pipelined_requests_split_around_the_move(mover: Mover, connect: Connect, cut: int) -> None:
    requests = b"GET /?size=3 HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET /?size=4 HTTP/1.1\r\nHost: x\r\n\r\n"
    client = connect()
    mover.during = lambda stream: client.sendall(requests[cut:])
    client.sendall(requests[:cut])
    reader, writer = await streams(client)
    assert [len(await body(reader)) for _ in range(3)] == [3, 3, 4]
    assert mover.moves == 1
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await soon(reader.read())).endswith(b"\r\n\r\naaaaa")
    writer.close()


async def test_a_big_upload_and_a_slow_reader(mover: Mover, connect: Connect) -> None:
    reader, writer = await streams(connect())
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (8 * MEGABYTE))
    writer.write(b"u" * 8 * MEGABYTE)
    assert await body(reader) == b"%d" % (8 * MEGABYTE)
    writer.write(b"GET /?size=%d HTTP/1.1\r\nHost: x\r\n\r\n" % (16 * MEGABYTE))
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0.02)
    writer.transport.resume_reading()  # type: ignore[attr-defined]  # the stub knows its writing half only
    assert len(await body(reader)) == 16 * MEGABYTE
    writer.close()


async def test_a_slow_reader_of_the_first_answer(mover: Mover, connect: Connect) -> None:
    reader, writer = await streams(connect())
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /?size=%d HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n" % (16 * MEGABYTE))
    await asyncio.sleep(0.02)
    writer.transport.resume_reading()  # type: ignore[attr-defined]  # the stub knows its writing half only
    assert len(await body(reader)) == 16 * MEGABYTE
    assert await body(reader) == b"aaaaa"
    writer.close()


async def test_a_websocket(mover: Mover, connect: Connect) -> None:
    client = connect()
    client.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    mover.during = lambda stream: client.sendall(b"\x81\x82\0\0\0\0ho")
    reader, writer = await streams(client)
    assert (await soon(reader.readuntil(b"\r\n\r\n"))).startswith(b"HTTP/1.1 101 ")
    assert mover.moves == 0
    writer.write(b"\x81\x82\0\0\0\0hi")
    assert await soon(reader.readexactly(4)) == b"\x81\x02hi"
    assert await soon(reader.readexactly(4)) == b"\x81\x02ho"
    assert mover.moves == 1
    writer.close()


async def test_a_unix_socket(mover: Mover, tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    sock.bind(str(tmp_path / "socket"))
    sock.listen()
    mover.add_socket(sock)
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "socket"))
    stream = await soon(mover.streams.get())
    consumer = Consumer()
    stream._attach_consumer(consumer)
    writer.write(b"line\n")
    await consumer.has(b"line\n")
    await until(lambda: moved(stream))
    stream.write(b"back")
    stream.close()
    assert await soon(reader.read()) == b"back"
    writer.close()
    mover.stop()
    await asyncio.sleep(0)
