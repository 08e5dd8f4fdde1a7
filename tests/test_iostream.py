"""Streams on sockets and pipes, and what subclasses may rely on. What both byte sources promise: contracts/test_byte_source.py."""

import asyncio
import errno
import gc
import os
import re
import socket
import ssl
import struct
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tornadolike
from tornadolike.iostream import (
    _ERRNO_CONNRESET,
    BaseIOStream,
    IOStream,
    PipeIOStream,
    SSLIOStream,
    StreamBufferFullError,
    StreamClosedError,
    _StreamBuffer,
)

HERE = Path(tornadolike.__file__).parent
SECONDS = 10


async def soon(awaitable: Any) -> Any:
    return await asyncio.wait_for(awaitable, SECONDS)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.setblocking(False)
        yield made


async def accept(listener: socket.socket) -> socket.socket:
    connection, _ = await soon(asyncio.get_running_loop().sock_accept(listener))
    assert isinstance(connection, socket.socket)
    return connection


def tls_pair_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(HERE / "testing.crt", HERE / "testing.key")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return server, client


# Connecting.


async def test_connect_and_talk(listener: socket.socket) -> None:
    client = IOStream(socket.socket())
    connecting = client.connect(listener.getsockname())
    early = client.write(b"early")  # before the connection stands
    answer = client.read_bytes(2)
    server = IOStream(await accept(listener))
    assert await soon(connecting) is client
    await soon(early)
    assert await soon(server.read_bytes(5)) == b"early"
    await server.write(b"ok")
    assert await soon(answer) == b"ok"
    client.close()
    server.close()


async def test_a_consumer_attached_while_connecting(listener: socket.socket) -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Consumer:
        def data_received(self, data: bytes) -> None:
            got.set_result(data)

        def stream_closed(self) -> None:
            pass

    client = IOStream(socket.socket())
    connecting = client.connect(listener.getsockname())
    client._attach_consumer(Consumer())
    connection = await accept(listener)
    await soon(connecting)
    connection.send(b"hi")
    assert await soon(got) == b"hi"
    connection.close()
    client.close()


async def test_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = unused.getsockname()
    client = IOStream(socket.socket())
    closed = asyncio.Event()
    client.set_close_callback(closed.set)
    reading = client.read_bytes  # not before connect()
    with pytest.raises(StreamClosedError) as raised:
        await soon(client.connect(address))
    assert isinstance(client.error, ConnectionRefusedError)
    assert raised.value.real_error is client.error
    with pytest.raises(StreamClosedError):
        reading(1)
    await soon(closed.wait())


async def test_what_is_written_before_a_connection_that_is_refused_is_no_write_error() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = nobody.getsockname()
    stream = IOStream(socket.socket())
    stream.set_close_callback(lambda: None)
    connecting, writing = stream.connect(address), stream.write(b"early")
    for future in (connecting, writing):
        with pytest.raises(StreamClosedError) as caught:
            await future
        assert isinstance(caught.value.real_error, ConnectionRefusedError)


async def test_what_is_written_before_the_connection_stands_waits_for_it(listener: socket.socket) -> None:
    stream = IOStream(socket.socket())
    stream.set_close_callback(lambda: None)
    connecting, writing = stream.connect(listener.getsockname()), stream.write(b"early")
    assert not writing.done()
    assert await connecting is stream
    await writing
    other, _ = await asyncio.get_running_loop().sock_accept(listener)
    with other:
        assert await asyncio.get_running_loop().sock_recv(other, 5) == b"early"
    stream.close()


async def test_connect_that_fails_at_once() -> None:
    client = IOStream(socket.socket(socket.AF_UNIX))
    with pytest.raises(StreamClosedError) as raised:
        await client.connect("/nowhere/at/all")
    assert isinstance(raised.value.real_error, FileNotFoundError)
    assert client.closed()


async def test_tls_connect(listener: socket.socket) -> None:
    for_server, for_client = tls_pair_contexts()
    client = SSLIOStream(socket.socket(), ssl_options=for_client)
    connecting = client.connect(listener.getsockname(), server_hostname="localhost")
    early = client.write(b"early")
    wrapped = for_server.wrap_socket(await accept(listener), server_side=True, do_handshake_on_connect=False)
    server = SSLIOStream(wrapped)
    assert client.writing()
    assert await soon(connecting) is client
    await soon(early)
    assert await soon(server.read_bytes(5)) == b"early"
    assert client.socket.cipher() is not None
    server.write(b"z" * 500_000)
    server.close()
    client.close()


async def test_tls_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = unused.getsockname()
    client = SSLIOStream(socket.socket(), ssl_options=tls_pair_contexts()[1])
    with pytest.raises(ConnectionRefusedError):
        await soon(client.connect(address))


async def test_wait_for_handshake_of_a_closed_stream(listener: socket.socket) -> None:
    client = SSLIOStream(socket.socket(), ssl_options=tls_pair_contexts()[1])
    client.close()
    with pytest.raises(StreamClosedError):
        await soon(client.wait_for_handshake())


async def test_a_verified_name_is_needed(listener: socket.socket) -> None:
    client = SSLIOStream(socket.socket())  # default options
    connecting = client.connect(listener.getsockname())
    with pytest.raises(ValueError, match="server_hostname"):
        await soon(connecting)
    assert client.closed()


async def test_the_log_says_whose_handshake_failed_though_it_has_left(listener: socket.socket, logs: Any) -> None:
    """Tornado says "(not connected)"."""
    server_context, _ = tls_pair_contexts()
    for wrapped in (True, False):
        client = socket.create_connection(listener.getsockname())
        address = client.getsockname()
        accepted = await accept(listener)
        if wrapped:
            accepted = server_context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
            stream = SSLIOStream(accepted, ssl_options=server_context)
        else:
            stream = SSLIOStream._from_socket(accepted, ssl_options=server_context)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with pytest.raises(OSError, match="not connected"):
            accepted.getpeername()
        stream._on_handshake_failed(ssl.SSLError(1, "no"))
        logs.take("tornado.general", "SSL Error on .*" + re.escape(str(address)))


async def test_a_tls_socket_that_has_shaken_hands_already() -> None:
    for_server, for_client = tls_pair_contexts()
    left, right = socket.socketpair()
    serving = asyncio.to_thread(for_server.wrap_socket, left, server_side=True)
    wrapped, served = await asyncio.gather(asyncio.to_thread(for_client.wrap_socket, right), serving)
    client, server = SSLIOStream(wrapped), SSLIOStream(served)
    client.write(b"x" * 100_000)
    assert await soon(server.read_bytes(100_000)) == b"x" * 100_000
    client.close()
    server.close()


# Pipes.


async def test_pipe() -> None:
    reading_end, writing_end = os.pipe()
    reader, writer = PipeIOStream(reading_end), PipeIOStream(writing_end)
    assert reader.fileno() == reader.fd == reading_end
    written = writer.write(b"one " * 300_000)
    assert writer.writing()
    assert await soon(reader.read_bytes(1_200_000)) == b"one " * 300_000
    await soon(written)
    writer.write(b"end")
    writer.close()
    assert await soon(reader.read_until_close()) == b"end"
    reader.set_nodelay(True)


async def test_writing_to_a_pipe_without_a_reader() -> None:
    reading_end, writing_end = os.pipe()
    writer = PipeIOStream(writing_end)
    os.close(reading_end)
    with pytest.raises(StreamClosedError) as raised:
        await writer.write(b"x")
    assert isinstance(raised.value.real_error, BrokenPipeError)
    assert writer.closed()


async def test_a_pipe_consumer() -> None:
    reading_end, writing_end = os.pipe()
    received, closed = bytearray(), asyncio.Event()

    class Consumer:
        def data_received(self, data: bytes) -> None:
            received.extend(data)

        def stream_closed(self) -> None:
            closed.set()

    reader = PipeIOStream(reading_end, read_chunk_size=1000)
    reader._attach_consumer(Consumer())
    os.write(writing_end, b"p" * 50_000)
    os.close(writing_end)
    await soon(closed.wait())
    assert received == b"p" * 50_000


# Subclasses with hooks of their own.


class Chopping(IOStream):
    """Writes three bytes at a time, reads in upper case."""

    def write_to_fd(self, data: memoryview) -> int:
        with data[:3] as piece:
            return super().write_to_fd(piece)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        size = super().read_from_fd(buf)
        if size:
            with memoryview(buf) as whole:
                whole[:size] = bytes(whole[:size]).upper()
        return size


async def test_hooks_move_the_bytes() -> None:
    left, right = socket.socketpair()
    stream, other = Chopping(left), IOStream(right)
    await soon(stream.write(b"0123456789"))
    assert await soon(other.read_bytes(10)) == b"0123456789"
    other.write(b"abc" * 100_000)
    assert await soon(stream.read_bytes(300_000)) == b"ABC" * 100_000
    target = bytearray(3)
    other.write(b"xyz")
    assert await soon(stream.read_into(target)) == 3
    assert target == b"XYZ"
    stream.close()
    other.close()


async def test_hooks_move_the_bytes_of_a_consumer() -> None:
    left, right = socket.socketpair()
    stream, other = Chopping(left, read_chunk_size=100), IOStream(right)
    received, closed = bytearray(), asyncio.Event()

    class Consumer:
        def data_received(self, data: bytes) -> None:
            received.extend(data)

        def stream_closed(self) -> None:
            closed.set()

    stream._attach_consumer(Consumer())
    other.write(b"q" * 30_000)
    other.close()
    await soon(closed.wait())
    assert received == b"Q" * 30_000


async def test_a_hook_that_raises_ends_the_stream(logs: Any) -> None:
    class Broken(IOStream):
        def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
            raise ValueError("broken hook")

    left, right = socket.socketpair()
    stream, closed = Broken(left), asyncio.Event()
    stream.set_close_callback(closed.set)
    right.send(b"x")
    await soon(closed.wait())
    logs.take("tornado.general", "^error on read: broken hook$")
    assert isinstance(stream.error, ValueError)
    right.close()


async def test_an_error_of_a_read_goes_to_its_caller() -> None:
    class Broken(IOStream):
        def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
            raise OSError(errno.EIO, "no luck")

    left, right = socket.socketpair()
    stream = Broken(left)
    with pytest.raises(OSError, match="no luck"):
        stream.read_bytes(1)
    assert stream.closed()
    right.close()


async def test_a_write_error_is_logged(logs: Any) -> None:
    class Broken(IOStream):
        def write_to_fd(self, data: memoryview) -> int:
            raise OSError(errno.EIO, "no luck")

    left, right = socket.socketpair()
    stream = Broken(left)
    with pytest.raises(StreamClosedError):
        await stream.write(b"x")
    logs.take("tornado.general", r"^Write error on <socket\.socket .*>: \[Errno \d+\] no luck$")
    right.close()


async def test_nothing_may_be_written_as_anything_that_is_empty() -> None:
    """Programs hand on what a function gave, which may be None; a text that has letters is a mistake."""
    left, right = socket.socketpair()
    stream = IOStream(left)
    nothing: Any
    for nothing in (None, "", b"", bytearray(), memoryview(b"")):
        await stream.write(nothing)
    text: Any = "text"
    with pytest.raises(TypeError):
        stream.write(text)
    await stream.write(b"x")
    assert right.recv(10) == b"x"
    stream.close()
    right.close()


READS: list[Callable[[IOStream], Any]] = [
    lambda stream: stream.read_bytes(7),
    lambda stream: stream.read_bytes(7, partial=True),
    lambda stream: stream.read_bytes(1_000_000),
    lambda stream: stream.read_into(bytearray(7)),
    lambda stream: stream.read_until(b"g"),
    lambda stream: stream.read_until_regex(b"g"),
    lambda stream: stream.read_until_close(),
]


@pytest.mark.parametrize("read", range(len(READS)))
@pytest.mark.parametrize("before", [b"", b"abc"])
async def test_tornado_2617_what_comes_after_a_cancelled_read_is_for_the_next(read: int, before: bytes) -> None:
    """Nor is it "already reading"; what had come for the cancelled one is not lost either."""
    ours, theirs = socket.socketpair()
    stream = IOStream(ours)
    reading = READS[read](stream)
    if before:
        theirs.send(before)
        await asyncio.sleep(0.01)
    if reading.done():  # a partial one
        before = b""
    else:
        reading.cancel()
    theirs.send(b"defg")
    await asyncio.sleep(0.01)
    assert not stream.reading()
    assert await soon(stream.read_bytes(len(before) + 4)) == before + b"defg"
    cancelled = stream.read_bytes(1)
    cancelled.cancel()
    theirs.send(b"h")
    assert await soon(stream.read_bytes(1)) == b"h"
    stream.close()
    theirs.close()


async def test_the_base_class_is_abstract() -> None:
    stream = BaseIOStream()
    for call in (stream.fileno, stream.close_fd, lambda: stream.read_from_fd(bytearray(1)), lambda: stream.write_to_fd(memoryview(b"x"))):
        with pytest.raises(NotImplementedError):
            call()
    assert stream.get_fd_error() is None


# Small print.


async def test_sizes() -> None:
    left, right = socket.socketpair()
    stream = IOStream(left, max_buffer_size=1000)
    assert (stream.max_buffer_size, stream.read_chunk_size, stream.max_write_buffer_size) == (1000, 500, None)
    other = IOStream(right)
    assert (other.max_buffer_size, other.read_chunk_size) == (104857600, 65536)
    stream.close()
    other.close()


async def test_overflow_of_a_read_that_is_answered_inline(logs: Any) -> None:
    left, right = socket.socketpair()
    stream = IOStream(left, max_buffer_size=1000)
    right.send(b"x" * 3000)
    with pytest.raises(StreamBufferFullError, match=r"^Reached maximum read buffer size$"):
        stream.read_until(b"never")
    logs.take("tornado.general", "^Reached maximum read buffer size$")
    right.close()


async def test_a_bad_pattern_leaves_the_stream_usable() -> None:
    left, right = socket.socketpair()
    stream = IOStream(left)
    with pytest.raises(Exception, match="unterminated"):
        stream.read_until_regex(b"[")
    right.send(b"ab")
    assert await soon(stream.read_until_regex(b"b")) == b"ab"
    stream.close()
    right.close()


async def test_a_failed_read_leaves_the_stream_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = socket.socketpair()
    stream = IOStream(left)
    with monkeypatch.context() as patch:
        patch.setattr(BaseIOStream, "_try_inline_read", lambda self: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            stream.read_until_close()
    assert not stream.reading()
    right.send(b"a")
    assert await soon(stream.read_bytes(1)) == b"a"
    stream.close()
    right.close()


async def test_close_with_the_exception_being_handled() -> None:
    left, right = socket.socketpair()
    stream, other = IOStream(left), IOStream(right)
    try:
        raise KeyError("reason")
    except KeyError:
        stream.close(exc_info=True)
    assert isinstance(stream.error, KeyError)
    other.close(exc_info=(ValueError, ValueError("tuple"), None))
    assert isinstance(other.error, ValueError)


async def test_the_loop_can_close_it_all() -> None:
    from tornadolike.ioloop import IOLoop

    left, right = socket.socketpair()
    stream = IOStream(left)
    stream.read_bytes(1)
    handlers = IOLoop.current().handlers  # type: ignore[attr-defined]
    file, _ = handlers[left.fileno()]
    with pytest.raises(ValueError, match="added twice"):
        IOLoop.current().add_handler(left, lambda fd, events: None, IOLoop.READ)
    file.close()
    assert stream.closed()
    assert left.fileno() == -1
    assert stream not in [entry[0] for entry in handlers.values()]
    right.close()


async def test_a_closed_stream_is_not_kept_in_a_cycle() -> None:
    left, right = socket.socketpair()
    stream, other = IOStream(left), IOStream(right)
    await stream.write(b"x")
    assert await soon(other.read_bytes(1)) == b"x"
    waiting = other.read_bytes(1)
    stream.close()
    with pytest.raises(StreamClosedError):
        await soon(waiting)
    gone = weakref.ref(other), weakref.ref(stream)
    gc.disable()
    try:
        del stream, other, waiting
        for _ in range(3):
            await asyncio.sleep(0)
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()


def test_names_that_others_import() -> None:
    assert errno.ECONNRESET in _ERRNO_CONNRESET
    buffer = _StreamBuffer()
    buffer.append(b"abc")
    buffer.advance(1)
    assert bytes(buffer.peek(9)) == b"bc"
    error = StreamClosedError()
    assert isinstance(error, IOError)
    assert str(error) == "Stream is closed"
    assert error.real_error is None
