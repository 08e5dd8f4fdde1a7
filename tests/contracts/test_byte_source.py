"""What every byte source promises to a stream: on readiness and on transports, in the clear and over TLS.

The other end is asyncio's own ``open_connection``, so that two of ours do not agree on the same mistake.
"""

import asyncio
import contextlib
import contextvars
import gc
import os
import random
import socket
import ssl
import struct
import tempfile
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tornadolike
from tornadolike import iostream
from tornadolike._net import tls, transport_source
from tornadolike._net.stream_writing import WritingState
from tornadolike.iostream import IOStream, SSLIOStream, StreamBufferFullError, StreamClosedError, UnsatisfiableReadError

HERE = Path(tornadolike.__file__).parent
MEGABYTE = 1 << 20
SECONDS = 10


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "testing.crt", HERE / "testing.key")
    return context


def client_context(verify: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if verify:
        context.verify_mode = ssl.CERT_REQUIRED
    else:
        context.verify_mode = ssl.CERT_NONE
    return context


class Pair:
    """A stream under test and the other end of its connection."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.on_fd, self.tls = kind.startswith(("fd", "socket")), kind.endswith("tls")
        # Python's SSLSocket took a reset for an end of stream before 3.13.
        self.reset_error = (ConnectionResetError, type(None)) if kind == "fd-tls" else ConnectionResetError
        self.stream: IOStream = None  # type: ignore[assignment]  # open() sets it
        self.reader: asyncio.StreamReader = None  # type: ignore[assignment]
        self.writer: asyncio.StreamWriter = None  # type: ignore[assignment]
        self.server: asyncio.Server | None = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)

    async def listen(self, on_stream: Callable[[IOStream], None], **limits: Any) -> tuple[str, int]:
        address: tuple[str, int] = self.listener.getsockname()
        loop = asyncio.get_running_loop()
        if self.on_fd or self.kind == "moving":
            loop.add_reader(self.listener.fileno(), lambda: on_stream(self._accept(limits)))
        else:

            def protocol() -> transport_source.TransportSource:
                return transport_source.TransportSource(lambda source: on_stream(self._on_transport(source, limits)))

            self.server = await loop.create_server(protocol, sock=self.listener)
        return address

    def _accept(self, limits: dict[str, Any]) -> IOStream:
        connection, _ = self.listener.accept()
        if self.kind == "socket-tls":
            return SSLIOStream._from_socket(connection, ssl_options=server_context(), **limits)
        if self.tls:
            wrapped = server_context().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return SSLIOStream(wrapped, **limits)
        stream = IOStream(connection, **limits)
        stream._expects_bytes = self.kind == "moving"
        return stream

    def _on_transport(self, source: transport_source.TransportSource, limits: dict[str, Any]) -> IOStream:
        if self.tls:
            return SSLIOStream._from_transport(source, ssl_options=server_context(), **limits)
        return IOStream._from_transport(source, **limits)

    async def open(self, on_stream: Callable[[IOStream], None] = lambda stream: None, **limits: Any) -> None:
        accepted: asyncio.Queue[IOStream] = asyncio.Queue()

        def take(stream: IOStream) -> None:
            on_stream(stream)
            accepted.put_nowait(stream)

        host, port = await self.listen(take, **limits)
        options: dict[str, Any] = {"ssl": client_context(), "server_hostname": "x"} if self.tls else {}
        self.reader, self.writer = await asyncio.open_connection(host, port, limit=64 * MEGABYTE, **options)
        self.stream = await accepted.get()
        if isinstance(self.stream, SSLIOStream):
            await self.stream.wait_for_handshake()

    async def close(self) -> None:
        if self.server is not None:
            self.server.close()
        else:
            asyncio.get_running_loop().remove_reader(self.listener.fileno())
            self.listener.close()
        if self.stream is not None:
            self.stream.close()
        if self.writer is not None:
            self.writer.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)

    def reset(self) -> None:
        """Break the connection off from the other end."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def fill(self) -> "asyncio.Future[None]":
        """Write until the kernel takes no more; the future of the last write."""
        while True:
            written = self.stream.write(b"x" * MEGABYTE)
            if not written.done():
                return written


@pytest.fixture(params=["fd", "transport", "moving", "fd-tls", "socket-tls", "transport-tls"])
async def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(transport_source, "suits", lambda loop: True)  # what moves on uvloop only moves on every loop here
    made = Pair(request.param)
    yield made
    await made.close()


class Consumer:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed = asyncio.Event()
        self._more = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        assert data
        assert not self.closed.is_set()
        self.received += data
        self._more.set()

    def stream_closed(self) -> None:
        assert not self.closed.is_set(), "told twice"
        self.closed.set()

    async def has(self, count: int) -> bytes:
        async with asyncio.timeout(SECONDS):
            while len(self.received) < count:
                self._more.clear()
                await self._more.wait()
        return bytes(self.received)


async def soon(awaitable: Any) -> Any:
    return await asyncio.wait_for(awaitable, SECONDS)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """For what has no event: it is a matter of a few turns of the loop."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0)


# Reads.


async def test_each_kind_of_read(pair: Pair) -> None:
    await pair.open()
    stream = pair.stream
    pair.writer.write(b"line one\nline 2\nrest-of-it")
    assert await soon(stream.read_until(b"\n")) == b"line one\n"
    assert await soon(stream.read_until_regex(rb"\d\n")) == b"line 2\n"
    assert await soon(stream.read_bytes(4)) == b"rest"
    assert await soon(stream.read_bytes(0)) == b""
    target = bytearray(5)
    assert await soon(stream.read_into(target)) == 5
    assert target == b"-of-i"
    assert await soon(stream.read_bytes(99, partial=True)) == b"t"


async def test_reads_that_wait(pair: Pair) -> None:
    await pair.open()
    stream = pair.stream
    waiting = stream.read_until(b"\r\n")
    assert stream.reading()
    for piece in (b"a", b"\r", b"\nb"):
        assert not waiting.done()  # type: ignore[attr-defined]
        pair.writer.write(piece)
        await pair.writer.drain()
    assert await soon(waiting) == b"a\r\n"
    assert not stream.reading()
    target = bytearray(4)
    filling = stream.read_into(target)
    pair.writer.write(b"cdefg")
    assert await soon(filling) == 4
    assert target == b"bcde"
    target.clear()  # nobody holds on to it
    partly = bytearray(10)
    assert await soon(stream.read_into(partly, partial=True)) == 2
    assert partly.startswith(b"fg")


async def test_one_read_at_a_time(pair: Pair) -> None:
    await pair.open()
    waiting = pair.stream.read_bytes(1)
    with pytest.raises(AssertionError, match="Already reading"):
        pair.stream.read_bytes(1)
    with pytest.raises(AssertionError, match="Already reading"):
        pair.stream._attach_consumer(Consumer())
    pair.writer.write(b"a")
    assert await soon(waiting) == b"a"


@pytest.mark.parametrize("read", ["bytes", "partial", "many", "into", "until"])
@pytest.mark.parametrize("came", [0, 3])
async def test_what_comes_after_a_cancelled_read_is_for_the_next(pair: Pair, read: str, came: int) -> None:
    await pair.open()
    stream = pair.stream
    for _ in range(2):
        reading: Any = {
            "bytes": lambda: stream.read_bytes(9),
            "partial": lambda: stream.read_bytes(9, partial=True),
            "many": lambda: stream.read_bytes(1_000_000),
            "into": lambda: stream.read_into(bytearray(9)),
            "until": lambda: stream.read_until(b"h"),
        }[read]()
        if came and read != "partial":
            pair.writer.write(b"abc")
            await asyncio.sleep(0.02)
        reading.cancel()
        await turns()
        assert not stream.reading()
        pair.writer.write(b"defg")
        before = b"abc" if came and read != "partial" else b""
        assert await soon(stream.read_bytes(len(before) + 4)) == before + b"defg"
    waiting = stream.read_bytes(1)
    pair.writer.write(b"i")
    assert await soon(waiting) == b"i"


async def test_read_until_close_gives_everything(pair: Pair) -> None:
    await pair.open()
    pair.writer.write(b"a" * MEGABYTE)
    everything = pair.stream.read_until_close()
    pair.writer.close()
    assert await soon(everything) == b"a" * MEGABYTE
    assert pair.stream.closed()
    assert pair.stream.error is None
    assert await pair.stream.read_until_close() == b""


async def test_the_end_fails_a_read_that_wants_more(pair: Pair) -> None:
    await pair.open()
    waiting = pair.stream.read_bytes(10)
    pair.writer.write(b"five.")
    pair.writer.close()
    with pytest.raises(StreamClosedError) as raised:
        await soon(waiting)
    assert raised.value.real_error is None
    # What came can still be read; more cannot be asked for.
    assert await soon(pair.stream.read_bytes(5)) == b"five."
    with pytest.raises(StreamClosedError):
        pair.stream.read_bytes(1)


async def test_the_end_waits_for_unread_bytes(pair: Pair) -> None:
    await pair.open()
    closed = asyncio.Event()
    pair.stream.set_close_callback(closed.set)
    pair.writer.write(b"12")
    assert await soon(pair.stream.read_bytes(1)) == b"1"
    pair.writer.close()
    await asyncio.sleep(0.02)
    assert not closed.is_set()
    assert not pair.stream.closed()
    assert await soon(pair.stream.read_bytes(1)) == b"2"
    await soon(closed.wait())
    assert pair.stream.closed()


async def test_an_unnoticed_end_shows_in_the_next_read(pair: Pair) -> None:
    await pair.open()
    pair.writer.write(b"12")
    assert await soon(pair.stream.read_bytes(1)) == b"1"
    pair.writer.close()
    await asyncio.sleep(0.02)
    assert await soon(pair.stream.read_bytes(1)) == b"2"
    with pytest.raises(StreamClosedError):
        await soon(pair.stream.read_bytes(1))


async def test_close_callback_without_a_reader(pair: Pair) -> None:
    await pair.open()
    closed = asyncio.Event()
    pair.stream.set_close_callback(closed.set)
    pair.writer.close()
    await soon(closed.wait())
    assert pair.stream.closed()


async def test_a_reset_is_the_error(pair: Pair) -> None:
    await pair.open()
    closed = asyncio.Event()
    pair.stream.set_close_callback(closed.set)
    waiting = pair.stream.read_bytes(1)
    pair.reset()
    with pytest.raises(StreamClosedError) as raised:
        await soon(waiting)
    assert raised.value.real_error is pair.stream.error
    assert isinstance(pair.stream.error, pair.reset_error)
    await soon(closed.wait())


async def test_a_reset_ends_read_until_close(pair: Pair) -> None:
    await pair.open()
    everything = pair.stream.read_until_close()
    pair.writer.write(b"data")
    await until(lambda: bool(pair.stream._read_buffer))
    pair.reset()
    assert await soon(everything) == b"data"


async def test_an_error_fails_read_until_close(pair: Pair) -> None:
    await pair.open()
    everything = pair.stream.read_until_close()
    pair.stream.close(exc_info=OSError("boom"))
    with pytest.raises(StreamClosedError) as raised:
        await soon(everything)
    assert str(raised.value.real_error) == "boom"


async def test_the_unsatisfiable_read_closes(pair: Pair, logs: Any) -> None:
    await pair.open()
    pair.writer.write(b"abcdef")
    await asyncio.sleep(0.01)
    with pytest.raises(StreamClosedError) as raised:
        await soon(pair.stream.read_until(b"def", max_bytes=5))
    assert isinstance(raised.value.real_error, UnsatisfiableReadError)
    logs.take("tornado.general", r"^Unsatisfiable read, closing connection: delimiter b'def' not found within 5 bytes$")


async def test_the_read_buffer_is_bounded_while_nobody_reads(pair: Pair) -> None:
    await pair.open(read_chunk_size=10_000)
    stream = pair.stream
    pair.writer.write(b"z" * 16 * MEGABYTE)
    assert await soon(stream.read_bytes(1)) == b"z"
    await asyncio.sleep(0.05)
    assert len(stream._read_buffer or b"") <= 300_000  # a chunk of ours, or the one that the loop had under way
    assert len(await soon(stream.read_bytes(16 * MEGABYTE - 1))) == 16 * MEGABYTE - 1


async def test_small_reads_from_much_more_than_the_limit(pair: Pair) -> None:
    await pair.open(max_buffer_size=10_000)
    pair.writer.write(b"0123456789" * 20_000)
    for _ in range(200):
        assert await soon(pair.stream.read_bytes(1000)) == b"0123456789" * 100


async def test_a_read_beyond_the_limit_fails(pair: Pair, logs: Any) -> None:
    await pair.open(max_buffer_size=2000)
    waiting = pair.stream.read_until(b"never")
    pair.writer.write(b"x" * 5000)
    with pytest.raises(StreamClosedError) as raised:
        await soon(waiting)
    assert isinstance(raised.value.real_error, StreamBufferFullError)
    logs.take("tornado.general", r"^Reached maximum read buffer size$")
    logs.take("tornado.general", r"^error on read: Reached maximum read buffer size$")


# Writes.


async def test_writes_arrive_in_order(pair: Pair) -> None:
    await pair.open()
    stream = pair.stream
    parts = [bytes([n % 256]) * (1 + 7919 * n % 70_000) for n in range(300)]
    futures = []
    for n, part in enumerate(parts):
        futures.append(stream.write([part, memoryview(part), bytearray(part)][n % 3]))  # type: ignore[list-item]
    expected = b"".join(parts)
    assert await soon(pair.reader.readexactly(len(expected))) == expected
    await soon(asyncio.gather(*futures))
    assert not stream.writing()


async def test_a_small_write_is_done_at_once(pair: Pair) -> None:
    await pair.open()
    assert pair.stream.write(b"a").done()
    assert pair.stream.write(b"").done()
    assert pair.stream._write_now(b"b") is True
    assert await soon(pair.reader.readexactly(2)) == b"ab"


@pytest.fixture(params=["fd", "transport", "socket-tls", "transport-tls"])
async def direct(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Those whose writes go straight to the source, not through hooks."""
    made = Pair(request.param)
    yield made
    await made.close()


def collecting(pair: Pair) -> list[bytes]:
    pair.stream.write(b"")
    pieces = pair.stream._collect()
    assert pieces is not None
    return pieces


async def test_pieces_are_collected_until_the_end_of_the_turn(direct: Pair) -> None:
    await direct.open()
    stream = direct.stream
    assert stream.write(b"now ").done()
    pieces = collecting(direct)
    assert stream._collected is pieces
    pieces += [b"small ", b"pieces "]
    assert stream._finished is not None
    assert stream._finished.done()
    assert stream._unwritten() == 13
    assert stream._collect() is None, "it would be a second one"
    assert await soon(direct.reader.readuntil(b"pieces ")) == b"now small pieces "
    assert stream._collected is None
    assert not stream.writing()
    assert stream._write_now(b"after") is True
    assert await soon(direct.reader.readexactly(5)) == b"after"


@pytest.mark.parametrize("data", [b"", b"behind", bytearray(b"behind"), memoryview(b"behind"), b"x" * 100_000, memoryview(b"x" * 100_000)])
async def test_whatever_is_written_goes_behind_what_is_collected(direct: Pair, data: bytes) -> None:
    await direct.open()
    expected = b""
    for write in (direct.stream.write, direct.stream._write_now):
        collecting(direct).append(b"collected ")
        write(data)
        assert direct.stream._collected is None
        expected += b"collected " + bytes(data)
    assert await soon(direct.reader.readexactly(len(expected))) == expected


async def test_the_shared_write_queue_is_behind_what_is_collected(direct: Pair) -> None:
    await direct.open()
    collecting(direct).append(b"collected ")
    queue = direct.stream._write_buffer
    assert queue is not None
    queue.append(b"queued")
    direct.stream._total_write_index += len(b"queued")
    assert direct.stream._collect() is None
    await direct.stream.write(b"")
    assert await soon(direct.reader.readexactly(16)) == b"collected queued"


async def test_a_file_does_not_overtake_what_is_collected(plain: Pair) -> None:
    await plain.open()
    fd = temporary_file(b"content")
    collecting(plain).append(b"collected ")
    plain.stream._send_collected()
    await plain.stream._send_file(fd, 0, 7)
    assert await soon(plain.reader.readexactly(17)) == b"collected content"
    os.close(fd)


async def test_closing_sends_what_is_collected(direct: Pair) -> None:
    await direct.open()
    collecting(direct).append(b"collected")
    direct.stream.close()
    assert await soon(direct.reader.read()) == b"collected"
    assert direct.stream._collect() is None
    with pytest.raises(StreamClosedError):
        await direct.stream.write(b"")


async def test_nothing_is_collected_while_the_kernel_takes_no_more(pair: Pair) -> None:
    await pair.open()
    pair.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await pair.fill()
    assert pair.stream._collect() is None


async def test_what_is_collected_when_the_kernel_takes_no_more_waits(direct: Pair) -> None:
    await direct.open()
    direct.writer.transport.pause_reading()  # type: ignore[attr-defined]
    pieces = collecting(direct)
    pieces += [b"x" * MEGABYTE] * 20
    last = direct.stream.write(b"end")
    assert not last.done()
    assert direct.stream._collect() is None
    direct.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len(await soon(direct.reader.readuntil(b"end"))) == 20 * MEGABYTE + 3
    await soon(last)


@pytest.mark.parametrize("waits", [True, False])
async def test_what_is_collected_for_somebody_who_has_left(direct: Pair, waits: bool) -> None:
    await direct.open()
    closed = asyncio.Event()
    direct.stream.set_close_callback(closed.set)
    if waits:
        collecting(direct).append(b"collected")
    direct.reset()
    while not direct.stream.closed():
        if (pieces := direct.stream._collect()) is not None:
            pieces.append(b"x")
        await asyncio.sleep(0)
    await soon(closed.wait())
    assert direct.stream._collected is None


async def test_streams_with_a_limit_or_a_way_of_their_own_collect_nothing(pair: Pair) -> None:
    await pair.open(max_write_buffer_size=1000)
    assert pair.stream.write(b"x").done()
    assert pair.stream._collect() is None

    class Counting(IOStream):
        def write(self, data: bytes | memoryview) -> "asyncio.Future[None]":
            return super().write(data)

    ours, theirs = socket.socketpair()
    with theirs:
        stream = Counting(ours)
        await stream.write(b"x")
        assert stream._collect() is None
        stream.close()


async def test_a_large_write_is_done_when_the_kernel_has_it(pair: Pair) -> None:
    await pair.open()
    stream = pair.stream
    pair.writer.transport.pause_reading()  # type: ignore[attr-defined]
    last = await pair.fill()
    for _ in range(20):  # the other end's TLS reads ahead
        await asyncio.sleep(0.001)
        last = await pair.fill() if last.done() else last
    assert stream.writing()
    assert stream._write_now(b"end") is False
    assert not last.done()
    pair.writer.transport.resume_reading()  # type: ignore[attr-defined]
    await soon(pair.reader.readuntil(b"end"))
    await soon(last)
    await soon(stream.write(b""))
    assert stream._write_now(b"again") is True


async def test_typed_memoryview(pair: Pair) -> None:
    await pair.open()
    await soon(pair.stream.write(memoryview(bytes(range(80))).cast("L")))
    assert await soon(pair.reader.readexactly(80)) == bytes(range(80))


async def test_what_was_written_can_be_resized(pair: Pair) -> None:
    await pair.open()
    data = bytearray(b"y" * 100_000)
    written = pair.stream.write(data)  # type: ignore[arg-type]
    await soon(pair.reader.readexactly(100_000))
    await soon(written)
    data.clear()


async def test_what_was_not_written_can_be_resized_after_close(pair: Pair) -> None:
    await pair.open()
    await pair.fill()
    data = bytearray(b"y" * MEGABYTE)
    written = pair.stream.write(data)  # type: ignore[arg-type]
    pair.stream.close()
    with pytest.raises(StreamClosedError):
        await written
    data.clear()


async def test_the_write_limit(pair: Pair) -> None:
    await pair.open(max_write_buffer_size=8 * MEGABYTE)
    stream = pair.stream
    with pytest.raises(StreamBufferFullError, match="Reached maximum write buffer size"):
        stream.write(bytes(9 * MEGABYTE))
    with pytest.raises(StreamBufferFullError):
        for _ in range(64):
            stream.write(bytes(MEGABYTE))
    assert not stream.closed()


async def test_frames_put_into_the_write_buffer_as_distributed_does(pair: Pair) -> None:
    await pair.open()
    stream = pair.stream
    for size in (10, 100_000, 20 * MEGABYTE):
        frames = [memoryview(b"head%08d" % size), memoryview(bytes(size))]
        buffer = stream._write_buffer
        assert buffer is not None
        for frame in frames:
            buffer.append(frame)
            stream._total_write_index += frame.nbytes
        written = stream.write(b"")
        assert await soon(pair.reader.readexactly(12 + size)) == b"head%08d" % size + bytes(size)
        await soon(written)
        assert len(buffer) == 0
    stream.close()
    assert stream._write_buffer is None


async def test_writing_to_a_closed_stream(pair: Pair) -> None:
    await pair.open()
    error = ValueError("why")
    pair.stream.close(exc_info=error)
    for attempt in (pair.stream.write, pair.stream._write_now):
        with pytest.raises(StreamClosedError) as raised:
            attempt(b"x")
        assert raised.value.real_error is error


async def test_a_broken_connection_fails_writes(pair: Pair) -> None:
    await pair.open()
    pair.reset()
    with pytest.raises(StreamClosedError):
        async with asyncio.timeout(SECONDS):
            while True:
                await pair.stream.write(b"x" * 1000)
                await asyncio.sleep(0)
    assert pair.stream.closed()


# The socket, which programs use themselves.


async def test_what_programs_do_to_the_socket(pair: Pair) -> None:
    await pair.open()
    sock = pair.stream.socket
    assert sock.getpeername() == pair.writer.get_extra_info("sockname")
    assert sock.getsockname()[1] == pair.listener.getsockname()[1]
    assert sock.fileno() > 2
    assert sock.type == socket.SOCK_STREAM
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    sock.setblocking(False)


async def test_who_peeks_and_sends_past_the_stream(plain: Pair) -> None:
    await plain.open()
    with pytest.raises(BlockingIOError):
        plain.stream.socket.recv(1, socket.MSG_PEEK)
    assert plain.stream.socket.send(b"past") == 4
    assert await soon(plain.reader.readexactly(4)) == b"past"


@pytest.mark.parametrize("consumed", [True, False])
async def test_shutting_the_socket_down(pair: Pair, consumed: bool) -> None:
    """As Dask's `distributed` ends its connections."""
    await pair.open()
    consumer = Consumer()
    if consumed:
        pair.stream._attach_consumer(consumer)
    else:
        pair.stream.set_close_callback(consumer.closed.set)
    await pair.stream.write(b"bye")
    pair.stream.socket.shutdown(socket.SHUT_RDWR)
    assert await soon(pair.reader.read()) == b"bye"
    await soon(consumer.closed.wait())
    assert pair.stream.closed()


def check_state(stream: IOStream) -> WritingState:
    """The direct way is open in its state only, and where the source has one."""
    state = stream._writing_state()
    if state is WritingState.DIRECT:
        assert stream._source is not None
        assert stream._direct is stream._source.writer
    else:
        assert stream._direct is None
    assert stream.writing() is (state not in (WritingState.DIRECT, WritingState.CLOSED) and stream._unwritten() > 0)
    return state


@pytest.mark.parametrize("seed", range(5))
async def test_a_walk_through_the_states_of_writing(pair: Pair, seed: int) -> None:
    """Whatever is done in whatever order: all arrives, once and in order, and each future ends."""
    await pair.open()
    stream, choose = pair.stream, random.Random(seed)
    reader: Any = pair.writer.transport
    expected, futures, seen = bytearray(), list[Any](), set[WritingState]()
    content = choose.randbytes(3 * MEGABYTE)
    fd = temporary_file(content)

    def write(size: int) -> None:
        start = choose.randrange(len(content) - size)
        piece = content[start : start + size]
        expected.extend(piece)
        futures.append(stream.write(choose.choice([bytes, memoryview])(piece)))

    def collect() -> None:
        pieces = stream._collected or stream._collect()
        if pieces is not None:
            pieces.append(b"collected")
            expected.extend(b"collected")

    def send_file() -> None:
        if stream._takes_files() and not stream.writing():
            futures.append(stream._write_file(fd, 7, 2 * MEGABYTE))
            expected.extend(content[7 : 7 + 2 * MEGABYTE])

    def append() -> None:
        queue = stream._write_buffer
        assert queue is not None
        queue.append(b"appended" * 100)
        stream._total_write_index += 800
        futures.append(stream.write(b""))
        expected.extend(b"appended" * 100)

    steps: list[Callable[[], Any]] = [
        lambda: write(10),
        lambda: write(5000),
        lambda: write(choose.randrange(1, 2 * MEGABYTE)),
        lambda: futures.append(stream.write(b"")),
        collect,
        send_file,
        reader.pause_reading,
        reader.resume_reading,
    ]
    for step in range(100):
        choose.choice([*steps, append] if step > 80 else steps)()
        seen.add(check_state(stream))
        await turns(choose.choice([0, 0, 1, 3]))
        seen.add(check_state(stream))
    reader.resume_reading()
    stream._close_gracefully()
    assert check_state(stream) is WritingState.ENDED
    assert await soon(pair.reader.read()) == expected
    await soon(asyncio.gather(*futures))
    os.close(fd)
    assert WritingState.QUEUED in seen


# Files, which the kernel sends by itself: on plain TCP only.


def temporary_file(content: bytes) -> int:
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(content)
        return os.dup(file.fileno())


@pytest.fixture
def file() -> Iterator[tuple[int, bytes]]:
    content = random.Random(6).randbytes(12 * MEGABYTE)
    fd = temporary_file(content)
    yield fd, content
    os.close(fd)


async def test_only_plain_tcp_takes_files(pair: Pair) -> None:
    await pair.open()
    assert pair.stream.write(b"head").done()
    assert pair.stream._takes_files() is not pair.tls


async def test_streams_that_write_in_their_own_way_take_no_files(plain: Pair) -> None:
    class Counting(IOStream):
        def write(self, data: bytes | memoryview) -> "asyncio.Future[None]":
            return super().write(data)

    class Hooked(IOStream):
        def write_to_fd(self, data: memoryview) -> int:
            return super().write_to_fd(data)

    for kind in (Counting, Hooked):
        ours, theirs = socket.socketpair()
        with theirs:
            stream = kind(ours)
            await stream.write(b"x")
            assert not stream._takes_files()
            stream.close()


async def test_a_file_arrives_between_writes(plain: Pair, file: tuple[int, bytes]) -> None:
    """Parts of any size, to a reader who takes his time; what is written meanwhile goes behind the file."""
    await plain.open()
    stream, (fd, content) = plain.stream, file
    # Else the kernel might have room for the longest part.
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    plain.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    expected = b""
    for offset, count in [(0, 0), (0, 1), (5, 70_000), (0, len(content)), (len(content) - 3, 3), (MEGABYTE, 9 * MEGABYTE)]:
        assert stream.write(b"head").done()
        sent = stream._send_file(fd, offset, count)
        behind = [stream.write(b"behind"), stream.write(memoryview(b"it" * 3000))]
        expected = b"head" + content[offset : offset + count] + b"behind" + b"it" * 3000
        if count > 8 * MEGABYTE:
            assert stream.writing()
            assert not sent.done()
            assert not any(future.done() for future in behind)
        assert await soon(plain.reader.readexactly(len(expected))) == expected
        await soon(asyncio.gather(sent, *behind))
        assert not stream.writing()
        assert stream._write_now(b"") is True
    assert plain.stream.write(b"end").done()
    assert await soon(plain.reader.readexactly(3)) == b"end"


async def test_a_file_waits_for_a_reader_who_does_not_read(plain: Pair, file: tuple[int, bytes]) -> None:
    await plain.open()
    plain.writer.transport.pause_reading()  # type: ignore[attr-defined]
    sent = plain.stream._send_file(file[0], 0, len(file[1]))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not sent.done()
    assert plain.stream.writing()
    plain.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert await soon(plain.reader.readexactly(len(file[1]))) == file[1]
    await soon(sent)


async def test_reading_goes_on_while_a_file_is_sent(plain: Pair, file: tuple[int, bytes]) -> None:
    consumer = Consumer()
    await plain.open()
    plain.stream._attach_consumer(consumer)
    sent = plain.stream._send_file(file[0], 0, len(file[1]))
    plain.writer.write(b"more")
    assert await consumer.has(4) == b"more"
    assert not sent.done()
    assert await soon(plain.reader.readexactly(len(file[1]))) == file[1]
    await soon(sent)


@pytest.mark.parametrize("size", [0, 1000, 11 * MEGABYTE])
async def test_a_file_that_ends_early(plain: Pair, size: int) -> None:
    """Found at once, or after a while: what was there has been sent, the rest is up to the caller."""
    await plain.open()
    content = random.Random(size).randbytes(size)
    fd = temporary_file(content)
    sent = plain.stream._send_file(fd, 0, size + 5)
    assert await soon(plain.reader.readexactly(size)) == content
    with pytest.raises(EOFError, match="the file ended 5 bytes early"):
        await soon(sent)
    os.close(fd)
    assert not plain.stream.writing()
    plain.stream.close()
    assert await soon(plain.reader.read()) == b""


async def test_a_client_that_leaves_during_a_file(plain: Pair, file: tuple[int, bytes]) -> None:
    await plain.open()
    called = asyncio.Event()
    plain.stream.set_close_callback(called.set)
    sent = plain.stream._send_file(file[0], 0, len(file[1]))
    written = plain.stream.write(b"behind")
    await soon(plain.reader.readexactly(1000))
    plain.reset()
    for future in (sent, written):
        with pytest.raises(StreamClosedError):
            await soon(future)
    await soon(called.wait())
    assert plain.stream.closed()


async def test_close_during_a_file(plain: Pair, file: tuple[int, bytes]) -> None:
    await plain.open()
    descriptors = len(os.listdir("/dev/fd"))
    sent = plain.stream._send_file(file[0], 0, len(file[1]))
    assert plain.stream.writing()
    plain.stream.close()
    with pytest.raises(StreamClosedError):
        await sent
    with pytest.raises(StreamClosedError):
        plain.stream._send_file(file[0], 0, 1)
    await turns()
    assert len(os.listdir("/dev/fd")) <= descriptors


async def test_a_file_belongs_to_its_part(plain: Pair, file: tuple[int, bytes]) -> None:
    """The caller's descriptor is closed, and its number another file's, while the kernel has no room for the rest."""
    await plain.open()
    mine = os.dup(file[0])
    sent = plain.stream._write_file(mine, 0, len(file[1]))
    assert not sent.done()
    other = temporary_file(b"secret" * 3_000_000)
    os.dup2(other, mine)
    assert await soon(plain.reader.readexactly(len(file[1]))) == file[1]
    await soon(sent)
    os.close(mine)
    os.close(other)


async def test_a_cancelled_file_ends_the_stream(plain: Pair, file: tuple[int, bytes]) -> None:
    await plain.open()
    open_files = len(os.listdir("/proc/self/fd"))
    sent = plain.stream._write_file(file[0], 0, len(file[1]))
    behind = plain.stream.write(b"this must not look like a part of it")
    sent.cancel()
    with pytest.raises(StreamClosedError):
        await soon(behind)
    assert plain.stream.closed()
    received = await soon(plain.reader.read())
    assert file[1].startswith(received)
    assert len(received) < len(file[1])
    await until(lambda: len(os.listdir("/proc/self/fd")) < open_files)


async def test_a_file_without_a_descriptor_to_keep_it(plain: Pair, file: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    await plain.open()

    def refuse(fd: int) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", refuse)
        sent = plain.stream._write_file(file[0], 0, len(file[1]))
    with pytest.raises((StreamClosedError, iostream._UnsendableFileError, OSError)):
        await soon(sent)


async def test_a_file_that_the_kernel_does_not_send(plain: Pair) -> None:
    await plain.open()
    reading, writing = os.pipe()
    with pytest.raises(iostream._UnsendableFileError):
        await plain.stream._send_file(reading, 0, 10)
    os.close(reading)
    os.close(writing)
    assert not plain.stream.closed()
    assert plain.stream._write_now(b"instead") is True
    assert await soon(plain.reader.readexactly(7)) == b"instead"


# Closing.


async def test_close_fails_everything_that_waits(pair: Pair) -> None:
    await pair.open()
    stream, called = pair.stream, asyncio.Event()
    stream.set_close_callback(called.set)
    reading, writing = stream.read_bytes(1), await pair.fill()
    stream.close()
    assert stream.closed()
    assert stream.socket is None
    assert not called.is_set()  # later, from the loop
    for future in (reading, writing):
        with pytest.raises(StreamClosedError):
            await future
    await soon(called.wait())
    stream.close()


async def test_the_other_end_sees_the_close(pair: Pair) -> None:
    await pair.open()
    pair.stream.write(b"bye")
    pair.stream.close()
    assert await soon(pair.reader.read()) == b"bye"


# Consumers.


async def test_a_consumer_gets_everything_then_the_end(pair: Pair) -> None:
    await pair.open()
    consumer = Consumer()
    pair.writer.write(b"first")
    assert await soon(pair.stream.read_bytes(1)) == b"f"
    pair.stream._attach_consumer(consumer)
    pair.writer.write(b" second" * 50_000)
    pair.writer.close()
    await soon(consumer.closed.wait())
    assert consumer.received == b"irst" + b" second" * 50_000
    assert pair.stream.closed()
    assert pair.stream.error is None


async def test_a_consumer_is_told_before_those_who_wait(pair: Pair) -> None:
    """A handler that goes on after its failed flush finds its end told."""
    await pair.open()
    consumer, told = Consumer(), []
    pair.stream._attach_consumer(consumer)
    writes = [pair.stream.write(b"x" * 20 * MEGABYTE), pair.stream.write(b"y")]

    async def wait(write: "asyncio.Future[None]") -> BaseException:
        try:
            await write
        except StreamClosedError as error:
            told.append(consumer.closed.is_set())
            return error
        raise AssertionError("written")

    waiting = [asyncio.create_task(wait(write)) for write in writes]
    await turns()
    pair.reset()
    errors = await soon(asyncio.gather(*waiting))
    assert told == [True, True]
    assert errors[0] is not errors[1]


async def test_a_write_that_finds_it_broken_fails_behind_the_consumer(pair: Pair) -> None:
    await pair.open()
    consumer = Consumer()
    pair.stream._attach_consumer(consumer)
    pair.stream._pause_reading()
    pair.reset()
    async with asyncio.timeout(SECONDS):
        with pytest.raises(StreamClosedError):
            while True:
                await pair.stream.write(b"x" * 1000)
                await asyncio.sleep(0)
    assert consumer.closed.is_set()


who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Contexts(Consumer):
    """Notes whose context it is called in."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def data_received(self, data: bytes) -> None:
        self.seen.add(who.get())
        super().data_received(data)

    def eof_received(self) -> None:
        self.seen.add(who.get())

    def stream_closed(self) -> None:
        self.seen.add(who.get())
        super().stream_closed()


async def in_context_of(name: str, work: Callable[[], Any]) -> None:
    async def run() -> None:
        who.set(name)
        work()

    await asyncio.create_task(run())


async def test_callbacks_see_nothing_of_who_attached_paused_resumed_or_wrote(pair: Pair) -> None:
    await pair.open()
    stream, consumer = pair.stream, Contexts()
    pair.writer.write(b"1")
    assert await soon(stream.read_bytes(1)) == b"1"
    await in_context_of("attached", lambda: stream._attach_consumer(consumer))
    pair.writer.write(b"2")
    await consumer.has(1)
    await in_context_of("paused", stream._pause_reading)
    pair.writer.write(b"3")
    await asyncio.sleep(0.01)
    await in_context_of("resumed", stream._resume_reading)
    await consumer.has(2)
    await in_context_of("wrote", lambda: stream.write(b"x" * 10 * MEGABYTE))
    pair.writer.write(b"4")
    await consumer.has(3)
    assert len(await soon(pair.reader.readexactly(10 * MEGABYTE))) == 10 * MEGABYTE
    await in_context_of("detached", stream._detach_consumer)
    await in_context_of("again", lambda: stream._attach_consumer(consumer))
    pair.writer.write(b"5")
    await consumer.has(4)
    await in_context_of("closed", stream.close)
    await soon(consumer.closed.wait())
    assert consumer.seen == {"nobody"}


async def test_resuming_calls_nobody_itself(pair: Pair) -> None:
    await pair.open()
    consumer = Consumer()
    pair.stream._attach_consumer(consumer)
    pair.stream._pause_reading()
    pair.writer.write(b"waits")
    await asyncio.sleep(0.02)
    pair.stream._resume_reading()
    assert not consumer.received
    assert await consumer.has(5) == b"waits"


class Ending(Consumer):
    """Sees to the end itself, or leaves it to the stream."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.own = own
        self.ended = 0

    def eof_received(self) -> bool:
        self.ended += 1
        return self.own


def half_close(pair: Pair) -> None:
    if pair.writer.can_write_eof():
        pair.writer.write_eof()
    else:  # asyncio's TLS transports cannot: below them, and without a close_notify
        pair.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("hook", [True, False])
async def test_the_end_of_input_does_not_cut_off_what_is_written(plain: Pair, hook: bool) -> None:
    await plain.open()
    consumer = Ending(own=False) if hook else Consumer()
    plain.stream._attach_consumer(consumer)
    plain.writer.write(b"ask")
    assert await consumer.has(3) == b"ask"
    plain.writer.transport.pause_reading()  # type: ignore[attr-defined]
    written = plain.stream.write(b"x" * 20 * MEGABYTE)
    half_close(plain)
    await asyncio.sleep(0.02)
    assert not consumer.closed.is_set()

    async def go_on() -> None:
        await written
        await plain.stream.write(b"and more")

    going_on = asyncio.create_task(go_on())
    await turns()
    plain.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert await soon(plain.reader.read()) == b"x" * 20 * MEGABYTE + b"and more"
    await soon(going_on)
    await soon(consumer.closed.wait())
    assert plain.stream.error is None
    assert not hook or consumer.ended == 1  # type: ignore[attr-defined]


async def test_the_end_of_input_closes_at_once_where_nothing_is_written(plain: Pair) -> None:
    await plain.open()
    consumer = Ending(own=False)
    plain.stream._attach_consumer(consumer)
    half_close(plain)
    await soon(consumer.closed.wait())
    assert consumer.ended == 1
    assert plain.stream.closed()


async def test_a_consumer_sees_to_the_end_itself(plain: Pair) -> None:
    await plain.open()
    consumer = Ending(own=True)
    plain.writer.write(b"ask")
    half_close(plain)
    plain.stream._attach_consumer(consumer)
    await until(lambda: consumer.ended == 1)
    assert consumer.received == b"ask"
    assert not plain.stream.closed()
    plain.stream._pause_reading()
    plain.stream._resume_reading()
    await asyncio.sleep(0.01)
    assert plain.stream.write(b"answer").done()
    assert await soon(plain.reader.readexactly(6)) == b"answer"
    assert consumer.ended <= 2
    plain.stream.close()
    await soon(consumer.closed.wait())
    assert await soon(plain.reader.read()) == b""


async def test_watching_for_the_close_does_not_cut_off_what_is_written(plain: Pair) -> None:
    """As above, for one who reads and writes by himself, and has a close callback."""
    await plain.open()
    closed = asyncio.Event()
    plain.writer.write(b"ask")
    assert await soon(plain.stream.read_bytes(3)) == b"ask"
    plain.stream.set_close_callback(closed.set)
    plain.writer.transport.pause_reading()  # type: ignore[attr-defined]
    written = plain.stream.write(b"x" * 20 * MEGABYTE)
    half_close(plain)
    await asyncio.sleep(0.02)
    assert not closed.is_set()
    plain.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len(await soon(plain.reader.read())) == 20 * MEGABYTE
    await soon(written)
    await soon(closed.wait())


async def test_closing_gracefully(pair: Pair) -> None:
    """The other end gets all and our end, though it goes on sending meanwhile; what it sends is not looked at."""
    await pair.open()
    consumer = Consumer()
    pair.stream._attach_consumer(consumer)
    pair.writer.write(b"ask")
    await consumer.has(3)
    pair.writer.transport.pause_reading()  # type: ignore[attr-defined]
    pair.stream.write(b"x" * 10 * MEGABYTE)
    pair.stream.write(b"no")
    pair.stream._close_gracefully()
    pair.stream._close_gracefully()
    with pytest.raises(StreamClosedError):
        await pair.stream.write(b"more")
    for _ in range(20):
        pair.writer.write(b"y" * 100_000)
        await asyncio.sleep(0)
    pair.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert await soon(pair.reader.read()) == b"x" * 10 * MEGABYTE + b"no"
    assert consumer.received == b"ask"
    pair.writer.close()
    await soon(consumer.closed.wait())
    assert pair.stream.closed()


@pytest.mark.parametrize("limits", [{"linger_bytes": MEGABYTE}, {"linger_seconds": 0.05}])
async def test_closing_gracefully_has_an_end(plain: Pair, limits: Any) -> None:
    await plain.open()
    consumer = Consumer()
    plain.stream._attach_consumer(consumer)
    plain.stream._close_gracefully(**limits)
    if "linger_bytes" in limits:
        plain.writer.write(b"y" * 3 * MEGABYTE)
    await soon(consumer.closed.wait())
    assert plain.stream.closed()


async def test_closing_gracefully_after_the_other_end_has(plain: Pair) -> None:
    await plain.open()
    consumer = Ending(own=True)
    plain.stream._attach_consumer(consumer)
    half_close(plain)
    await until(lambda: consumer.ended == 1)
    plain.stream.write(b"bye")
    plain.stream._close_gracefully()
    await soon(consumer.closed.wait())
    assert await soon(plain.reader.read()) == b"bye"


async def test_a_consumer_is_told_of_our_own_close_later(pair: Pair) -> None:
    await pair.open()
    consumer = Consumer()
    pair.stream._attach_consumer(consumer)
    pair.stream.close()
    assert not consumer.closed.is_set()
    await soon(consumer.closed.wait())


async def test_a_consumer_of_a_closed_stream(pair: Pair) -> None:
    await pair.open()
    waiting = pair.stream.read_bytes(10)
    pair.writer.write(b"left")
    pair.writer.close()
    with pytest.raises(StreamClosedError):
        await soon(waiting)
    consumer = Consumer()
    pair.stream._attach_consumer(consumer)
    assert not consumer.received
    await soon(consumer.closed.wait())
    assert consumer.received == b"left"


async def test_a_reset_reaches_the_consumer(pair: Pair) -> None:
    await pair.open()
    consumer = Consumer()
    pair.stream._attach_consumer(consumer)
    pair.reset()
    await soon(consumer.closed.wait())
    assert isinstance(pair.stream.error, pair.reset_error)


async def test_a_paused_consumer_gets_nothing(pair: Pair) -> None:
    await pair.open()
    consumer = Consumer()
    pair.stream._attach_consumer(consumer)
    pair.writer.write(b"a")
    assert await consumer.has(1) == b"a"
    for _ in range(2):
        pair.stream._pause_reading()
        pair.stream._pause_reading()
        pair.writer.write(b"b" * 300_000)
        await asyncio.sleep(0.02)
        before = len(consumer.received)
        assert before in (1, 300_001)
        pair.stream._resume_reading()
        pair.stream._resume_reading()
        await consumer.has(before + 300_000)
    pair.stream._pause_reading()
    pair.writer.write(b"c" * 16 * MEGABYTE)
    await asyncio.sleep(0.02)
    assert len(pair.stream._read_buffer or b"") <= 300_000
    pair.stream._resume_reading()
    await consumer.has(600_001 + 16 * MEGABYTE)


async def test_a_consumer_that_pauses_within_the_call(pair: Pair) -> None:
    await pair.open()

    class Slow(Consumer):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            pair.stream._pause_reading()
            asyncio.get_running_loop().call_soon(pair.stream._resume_reading)

    consumer = Slow()
    pair.stream._attach_consumer(consumer)
    pair.writer.write(b"d" * 2 * MEGABYTE)
    pair.writer.close()
    await soon(consumer.closed.wait())
    assert len(consumer.received) == 2 * MEGABYTE


async def test_back_to_reads(pair: Pair) -> None:
    await pair.open()
    stream = pair.stream

    class Upgrading(Consumer):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            stream._detach_consumer(data[1:])

    consumer = Upgrading()
    stream._attach_consumer(consumer)
    pair.writer.write(b"abc")
    await consumer.has(1)
    pair.writer.write(b"def")
    assert await soon(stream.read_bytes(5)) == b"bcdef"
    second = Consumer()
    stream._attach_consumer(second)
    pair.writer.write(b"ghi")
    assert await second.has(3) == b"ghi"
    pair.writer.close()
    await soon(second.closed.wait())
    assert not consumer.closed.is_set()


async def test_a_consumer_attached_before_anything_came(pair: Pair) -> None:
    consumer = Consumer()
    await pair.open(lambda stream: stream._attach_consumer(consumer))
    pair.writer.write(b"x")
    assert await consumer.has(1) == b"x"


async def test_a_consumer_paused_before_anything_came(pair: Pair) -> None:
    consumer = Consumer()

    def attach(stream: IOStream) -> None:
        stream._attach_consumer(consumer)
        stream._pause_reading()

    await pair.open(attach)
    pair.writer.write(b"x" * 1000)
    await asyncio.sleep(0.02)
    assert not consumer.received
    pair.stream._resume_reading()
    await consumer.has(1000)


async def test_answers_within_the_call(pair: Pair) -> None:
    class Echo(Consumer):
        def data_received(self, data: bytes) -> None:
            pair.stream._write_now(data)

    await pair.open()
    pair.stream._attach_consumer(Echo())
    for n in range(20):
        pair.writer.write(b"%d\n" % n)
        assert await soon(pair.reader.readline()) == b"%d\n" % n


async def test_a_consumer_that_raises_ends_the_connection(pair: Pair, logs: Any) -> None:
    await pair.open()
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))

    class Raising(Consumer):
        def data_received(self, data: bytes) -> None:
            raise ValueError("cannot digest")

    consumer = Raising()
    pair.stream._attach_consumer(consumer)
    pair.writer.write(b"x")
    await soon(consumer.closed.wait())
    assert isinstance(pair.stream.error, ValueError)
    assert isinstance(reported[0]["exception"], ValueError)
    logs.take("tornado.general", "^error on read: cannot digest$", level=30)


# The socket.


async def test_the_socket_can_be_asked(pair: Pair) -> None:
    await pair.open()
    sock = pair.stream.socket
    assert sock.getsockname() == pair.writer.get_extra_info("peername")
    assert sock.getpeername() == pair.writer.get_extra_info("sockname")
    assert sock.family == socket.AF_INET
    assert sock.fileno() > 0
    pair.stream.set_nodelay(True)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    pair.stream.set_nodelay(False)
    assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    pair.stream.close()
    assert pair.stream.socket is None
    pair.stream.set_nodelay(True)


# TLS alone.


@pytest.fixture(params=["fd-tls", "socket-tls", "transport-tls"])
async def secure(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    made = Pair(request.param)
    yield made
    await made.close()


async def test_the_certificate_and_cipher(secure: Pair) -> None:
    before: list[object] = []
    await secure.open(lambda stream: before.append(stream.socket.cipher()))  # type: ignore[attr-defined]
    stream = secure.stream
    assert isinstance(stream, SSLIOStream)
    assert before == [None]
    assert stream.socket.cipher() == secure.writer.get_extra_info("cipher")
    assert stream.socket.version() is not None
    assert stream.socket.getpeercert() is None
    assert stream.socket.server_side
    assert await soon(stream.wait_for_handshake()) is stream


async def test_writes_and_reads_wait_for_the_handshake(secure: Pair) -> None:
    results: list[Any] = []

    def use(stream: IOStream) -> None:
        results.extend((stream.write(b"early" * 1000), stream.read_bytes(2)))
        assert not results[0].done()
        assert stream.wait_for_handshake() is not None  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError, match="Already waiting"):
            stream.wait_for_handshake()  # type: ignore[attr-defined]

    accepted: asyncio.Future[IOStream] = asyncio.get_running_loop().create_future()

    def take(stream: IOStream) -> None:
        use(stream)
        accepted.set_result(stream)

    host, port = await secure.listen(take)
    secure.reader, secure.writer = await asyncio.open_connection(host, port, ssl=client_context(), server_hostname="x")
    secure.stream = await accepted
    secure.writer.write(b"hi")
    assert await soon(secure.reader.readexactly(5000)) == b"early" * 1000
    assert await soon(results[1]) == b"hi"
    await soon(results[0])


async def test_a_refused_certificate_is_logged_with_the_alert(secure: Pair, logs: Any) -> None:
    accepted: asyncio.Future[IOStream] = asyncio.get_running_loop().create_future()
    host, port = await secure.listen(accepted.set_result)
    client = socket.create_connection((host, port))
    with contextlib.closing(client):
        # A client that says why it refuses: asyncio's own keeps that to itself.
        attempt = asyncio.to_thread(client_context(verify=True).wrap_socket, client, server_hostname="x")
        with pytest.raises(ssl.SSLCertVerificationError):
            await soon(attempt)
        secure.stream = await accepted
        stream = secure.stream
        assert isinstance(stream, SSLIOStream)
        with pytest.raises((ssl.SSLError, StreamClosedError)) as raised:
            await soon(stream.wait_for_handshake())
    assert "alert unknown ca" in str(getattr(raised.value, "real_error", None) or raised.value).lower()
    logs.take("tornado.general", r"(?i)^SSL Error on \d+ (\('127.0.0.1', \d+\)|\(not connected\)): .*alert unknown ca", level=30)


async def test_garbage_instead_of_a_handshake_gets_an_alert(secure: Pair, logs: Any) -> None:
    accepted: asyncio.Future[IOStream] = asyncio.get_running_loop().create_future()
    host, port = await secure.listen(accepted.set_result)
    secure.reader, secure.writer = await asyncio.open_connection(host, port)
    secure.writer.write(b"\x16\x03\x01\x00\x05hello")  # a record with something that is no handshake message
    secure.stream = await accepted
    try:
        answer = await soon(secure.reader.read())
    except ConnectionResetError:
        assert secure.on_fd  # closed with bytes unread, as SSLSockets are
    else:
        assert answer[:1] == b"\x15"  # an alert, RFC 8446 §6
    logs.take("tornado.general", r"^SSL Error on ")
    assert isinstance(secure.stream.error, ssl.SSLError)


async def test_a_client_that_leaves_before_the_handshake_is_no_news(secure: Pair) -> None:
    closed = asyncio.Event()
    host, port = await secure.listen(lambda stream: stream.set_close_callback(closed.set))
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await soon(closed.wait())


# From plain to TLS.


@pytest.fixture(params=["fd", "transport", "moving"])
async def plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(transport_source, "suits", lambda loop: True)
    made = Pair(request.param)
    yield made
    await made.close()


async def test_start_tls_as_the_server(plain: Pair) -> None:
    await plain.open()
    secured = plain.stream.start_tls(True, server_context())
    plain_stream = plain.stream
    await soon(plain.writer.start_tls(client_context(), server_hostname="x"))
    plain.stream = await soon(secured)
    assert isinstance(plain.stream, SSLIOStream)
    assert plain_stream.socket is None
    plain.writer.write(b"ping\n")
    assert await soon(plain.stream.read_until(b"\n")) == b"ping\n"
    await soon(plain.stream.write(b"pong\n"))
    assert await soon(plain.reader.readline()) == b"pong\n"


async def test_start_tls_as_the_client(plain: Pair) -> None:
    await plain.open(max_buffer_size=MEGABYTE)
    future = plain.stream.start_tls(False, client_context(), server_hostname="x")
    loop = asyncio.get_running_loop()
    transport = await soon(
        loop.start_tls(plain.writer.transport, plain.writer.transport.get_protocol(), server_context(), server_side=True)
    )
    plain.stream = await soon(future)
    assert plain.stream.max_buffer_size == MEGABYTE
    assert plain.stream.socket.getpeercert(binary_form=True)  # type: ignore[attr-defined]
    transport.write(b"hello")
    assert await soon(plain.stream.read_bytes(5)) == b"hello"
    transport.abort()
    await turns()


async def test_start_tls_that_the_client_refuses(plain: Pair, logs: Any) -> None:
    await plain.open()
    closed = asyncio.Event()
    plain.stream.set_close_callback(closed.set)
    future = plain.stream.start_tls(False, client_context(verify=True), server_hostname="x")
    loop = asyncio.get_running_loop()
    with pytest.raises((ssl.SSLError, OSError), match=r"(?i)unknown.ca"):
        await soon(loop.start_tls(plain.writer.transport, plain.writer.transport.get_protocol(), server_context(), server_side=True))
    with pytest.raises(ssl.SSLCertVerificationError):
        await soon(future)
    logs.take("tornado.general", "^SSL Error on .*certificate verify failed", level=30)
    await soon(closed.wait())


async def test_start_tls_needs_an_idle_stream(plain: Pair) -> None:
    await plain.open()
    reading = plain.stream.read_bytes(1)
    with pytest.raises(ValueError, match="IOStream is not idle; cannot convert to SSL"):
        plain.stream.start_tls(True, server_context())
    plain.writer.write(b"xy")
    await soon(reading)
    await until(lambda: bool(plain.stream._read_buffer_size) or plain.on_fd)
    with pytest.raises(ValueError, match="not idle"):
        plain.stream.start_tls(False, client_context(), server_hostname="x")  # what a server said in the clear is no part of a handshake


@pytest.mark.parametrize("cut", [1, 5, 100, 10_000])
async def test_start_tls_with_the_beginning_of_the_handshake(plain: Pair, cut: int) -> None:
    """A PROXY line and a ClientHello in one packet, or a part of it."""
    await plain.open()
    session = tls.Session(client_context(), server_side=False, server_hostname="x")
    session.start()
    hello = session.outgoing()
    plain.writer.write(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + hello[:cut])
    assert (await soon(plain.stream.read_until(b"\r\n"))).startswith(b"PROXY")
    secured = plain.stream.start_tls(True, server_context())
    plain.writer.write(hello[cut:])
    while not session.established:
        session.feed(await soon(plain.reader.read(65536)))
        plain.writer.write(session.outgoing())
    stream = await soon(secured)
    plain.writer.write(session.encrypt(b"question"))
    assert await soon(stream.read_bytes(8)) == b"question"
    await stream.write(b"answer")
    received = b""
    while received != b"answer":
        received += session.feed(await soon(plain.reader.read(65536)))
    plain.stream = stream


async def test_start_tls_with_bytes_that_are_no_handshake(plain: Pair, logs: Any) -> None:
    await plain.open()
    plain.writer.write(b"STARTTLS\r\nMAIL FROM: a\r\n")
    await soon(plain.stream.read_until(b"\r\n"))
    await asyncio.sleep(0.01)
    with pytest.raises(ssl.SSLError):
        await soon(plain.stream.start_tls(True, server_context()))
    logs.records.clear()


class Shifting:
    """What some clients put in the place of the socket once both ends speak another coding: here each byte plus one."""

    def __init__(self, sock: socket.socket, before: bytes) -> None:
        self.sock, self.before = sock, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def recv_into(self, buffer: Any, size: int) -> int:
        data, self.before = self.before or self.sock.recv(size), b""
        buffer[: len(data)] = bytes(one - 1 for one in data)
        return len(data)

    def send(self, data: memoryview) -> int:
        return self.sock.send(bytes(one + 1 for one in data))


@pytest.mark.parametrize("consumed", [True, False])
async def test_another_object_in_the_place_of_the_socket(consumed: bool) -> None:
    """As pynsq does, which takes the bytes that are there over into it."""
    pair = Pair("fd")
    await pair.open()
    stream, consumer = pair.stream, Consumer()
    assert stream._consume(0) == b""
    assert stream._read_buffer_size == 0
    await stream.write(b"plain")
    assert await soon(pair.reader.readexactly(5)) == b"plain"
    pair.writer.write(b"compress\nbcd")
    assert await soon(stream.read_until(b"\n")) == b"compress\n"
    before = stream._consume(stream._read_buffer_size)
    stream.socket = Shifting(stream.socket, before)  # type: ignore[assignment]
    if consumed:
        stream._attach_consumer(consumer)
        assert await consumer.has(len(before)) == b"abc"[: len(before)]
        pair.writer.write(b"efg")
        assert (await consumer.has(len(before) + 3)).endswith(b"def")
    else:
        pair.writer.write(b"efg")
        assert (await soon(stream.read_bytes(len(before) + 3))).endswith(b"def")
    await stream.write(b"abc")
    assert await soon(pair.reader.readexactly(3)) == b"bcd"
    await pair.close()


async def test_cancelling_start_tls_closes_the_connection(plain: Pair) -> None:
    await plain.open()
    future = plain.stream.start_tls(False, client_context(), server_hostname="x")
    future.cancel()
    await soon(plain.reader.read())
    with pytest.raises(asyncio.CancelledError):
        await future


async def test_a_closed_connection_leaves_no_cycle(pair: Pair) -> None:
    await pair.open()
    consumer = Consumer()
    pair.stream._attach_consumer(consumer)
    pair.writer.write(b"x")
    await consumer.has(1)
    pair.stream._write_now(b"y")
    pair.writer.close()
    await soon(consumer.closed.wait())
    await turns()
    gone = weakref.ref(pair.stream)
    gc.disable()
    try:
        pair.stream = None  # type: ignore[assignment]  # close() knows
        await turns()
        assert gone() is None
    finally:
        gc.enable()
