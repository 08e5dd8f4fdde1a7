"""tcpserver: starting and stopping, what a connection becomes, and what goes wrong with one."""

import asyncio
import contextlib
import contextvars
import gc
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import weakref
from typing import Any

import pytest

import tornadolike
from tornadolike import tcpserver
from tornadolike._net import transport_source
from tornadolike._net.tls_settings import ServerContexts
from tornadolike.iostream import IOStream, SSLIOStream, StreamClosedError
from tornadolike.netutil import bind_sockets, bind_unix_socket
from tornadolike.tcpclient import TCPClient
from tornadolike.tcpserver import TCPServer

HERE = pathlib.Path(tornadolike.__file__).parent
CERTIFICATE = {"certfile": str(HERE / "testing.crt"), "keyfile": str(HERE / "testing.key")}


class Greeter(TCPServer):
    """Keeps the stream and says hello."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.streams: asyncio.Queue[IOStream] = asyncio.Queue()
        self.addresses: list[Any] = []

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        stream.write(b"hello")
        self.addresses.append(address)
        self.streams.put_nowait(stream)

    def port(self) -> int:
        (sock,) = self._sockets.values()
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def connected(server: Any, **kwargs: Any) -> Any:
    (sock,) = server._sockets.values()
    stream = await TCPClient().connect(*sock.getsockname()[:2], **kwargs)
    try:
        yield stream
    finally:
        stream.close()
        server.stop()


async def test_a_connection_becomes_a_stream() -> None:
    server = Greeter(max_buffer_size=12345, read_chunk_size=321)
    server.listen(0, "127.0.0.1")
    async with connected(server) as client:
        assert await client.read_bytes(5) == b"hello"
        stream = await server.streams.get()
        assert type(stream) is IOStream
        assert (stream.max_buffer_size, stream.read_chunk_size) == (12345, 321)
        assert server.addresses == [client.socket.getsockname()]
        assert stream.socket.getpeername() == client.socket.getsockname()
        await client.write(b"x" * 3)
        assert await stream.read_bytes(3) == b"xxx"
        stream.close()


class Seeing(Greeter):
    """Sees each socket before it becomes a stream; passes it on at once, or in the next turn of the loop."""

    later = False

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        self.addresses.append(address)
        if self.later:
            asyncio.get_running_loop().call_soon(super()._handle_connection, connection, address)
        else:
            super()._handle_connection(connection, address)


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("tls", [False, True])
async def test_who_sees_sockets_passes_them_on(tls: bool, later: bool) -> None:
    server = Seeing(ssl_options=CERTIFICATE if tls else None)
    server.later = later
    server.listen(0, "127.0.0.1")
    async with connected(server, ssl_options={"cert_reqs": ssl.CERT_NONE} if tls else None) as client:
        assert await client.read_bytes(5) == b"hello"
        stream = await server.streams.get()
        assert isinstance(stream, SSLIOStream) is tls
        assert server.addresses == [client.socket.getsockname()] * 2
        assert stream._family == (None if later else socket.AF_INET)
        stream.close()


async def test_ipv6_address_has_four_parts() -> None:
    server = Greeter()
    try:
        server.listen(0, "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    async with connected(server) as client:
        (await server.streams.get()).close()
        assert server.addresses == [client.socket.getsockname()]
        assert len(server.addresses[0]) == 4


async def test_sockets_are_known_by_their_descriptor() -> None:
    server = TCPServer()
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    assert server._sockets == {sock.fileno(): sock for sock in sockets}
    server.stop()
    server.stop()
    assert [sock.fileno() for sock in sockets] == [-1]


async def test_nothing_is_accepted_after_stop() -> None:
    server = Greeter()
    server.listen(0, "127.0.0.1")
    port = server.port()
    server.stop()
    with pytest.raises(StreamClosedError):
        await TCPClient().connect("127.0.0.1", port)
    assert server.streams.empty()


async def test_open_connections_outlive_the_server() -> None:
    server = Greeter()
    server.listen(0, "127.0.0.1")
    async with connected(server) as client:
        stream = await server.streams.get()
        server.stop()
        await client.write(b"more")
        assert await stream.read_bytes(4) == b"more"
        stream.close()


class Forgetful(TCPServer):
    """Does what it is told to with a stream, and keeps no hold of it."""

    def __init__(self, use: Any) -> None:
        super().__init__()
        self.use = use
        self.streams: weakref.WeakSet[IOStream] = weakref.WeakSet()
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        self.streams.add(stream)
        asyncio.get_running_loop().call_soon(self.begun.set)
        await self.use(stream)
        asyncio.get_running_loop().call_soon(self.ended.set)


async def _nothing(stream: IOStream) -> None:
    pass


async def _write(stream: IOStream) -> None:
    await stream.write(b"hello")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # what Python says about the socket of a forgotten stream is right
@pytest.mark.parametrize(("use", "received"), [(_nothing, b""), (_write, b"hello")])
async def test_a_stream_that_nobody_holds_or_waits_for_is_closed(use: Any, received: bytes) -> None:
    server = Forgetful(use)
    server.listen(0, "127.0.0.1")
    async with connected(server) as client:
        await asyncio.wait_for(server.ended.wait(), 5)
        gc.collect()
        assert await asyncio.wait_for(client.read_until_close(), 5) == received


async def _read(stream: IOStream) -> None:
    await stream.read_until(b"a")


async def _watch(stream: IOStream) -> None:
    stream.set_close_callback(lambda: None)


async def _write_much(stream: IOStream) -> None:
    stream.write(b"x" * 50_000_000)  # more than the kernel takes at once


@pytest.mark.parametrize("use", [_read, _watch, _write_much])
async def test_one_that_the_loop_knows_stays_open(use: Any) -> None:
    """As in Tornado: what waits, or has waited, belongs to the loop."""
    server = Forgetful(use)
    server.listen(0, "127.0.0.1")
    async with connected(server) as client:
        await asyncio.wait_for(server.begun.wait(), 5)
        await client.write(b"a")
        await asyncio.wait_for(server.ended.wait(), 5)
        gc.collect()
        if use is _write_much:
            await asyncio.wait_for(client.read_bytes(50_000_000), 10)
        (stream,) = server.streams
        assert not stream.closed()
        stream.close()


async def test_bind_waits_for_start() -> None:
    server = Greeter()
    server.bind(0, "127.0.0.1")
    assert server._sockets == {}
    server.start()
    assert len(server._sockets) == 1
    server.bind(0, "127.0.0.1")
    assert len(server._sockets) == 2
    with pytest.raises(AssertionError):
        server.start()
    server.stop()


async def test_unix_socket(tmp_path: Any) -> None:
    server = Greeter()
    path = str(tmp_path / "socket")
    server.add_socket(bind_unix_socket(path))
    client = IOStream(socket.socket(socket.AF_UNIX))
    await client.connect(path)  # type: ignore[arg-type]
    assert await client.read_bytes(5) == b"hello"
    assert server.addresses == [""]
    (await server.streams.get()).close()
    client.close()
    server.stop()


class Failing(TCPServer):
    """Fails as it is told, at once or in a coroutine."""

    at_once = True

    def handle_stream(self, stream: IOStream, address: Any) -> Any:
        if self.at_once:
            raise ValueError("at once")
        return self.later(stream)

    async def later(self, stream: IOStream) -> None:
        try:
            await stream.read_bytes(1)
        finally:
            stream.close()
        raise ValueError("later")


@pytest.mark.parametrize(("at_once", "message"), [(True, "Error in connection callback"), (False, "Exception in callback")])
async def test_errors_are_logged_and_the_server_goes_on(at_once: bool, message: str, logs: Any) -> None:
    server = Failing()
    server.at_once = at_once
    server.listen(0, "127.0.0.1")
    for _ in range(2):
        (sock,) = server._sockets.values()
        client = await TCPClient().connect(*sock.getsockname())
        with contextlib.suppress(StreamClosedError):
            await client.write(b"x")
            await client.read_until_close()
        client.close()
        await asyncio.sleep(0)
        record = logs.take("tornado.application", message)
        assert record.exc_info[0] is ValueError
    server.stop()


async def test_handling_must_be_defined(logs: Any) -> None:
    with pytest.raises(NotImplementedError):
        TCPServer().handle_stream(None, ())  # type: ignore[arg-type]


class Tls(Greeter):
    async def handle_stream(self, stream: IOStream, address: Any) -> None:  # type: ignore[override]
        assert isinstance(stream, SSLIOStream)
        self.streams.put_nowait(stream)
        with contextlib.suppress(StreamClosedError, ssl.SSLError):
            await stream.wait_for_handshake()
            await stream.write(b"hello")


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(**CERTIFICATE)
    return context


@pytest.mark.parametrize("options", [CERTIFICATE, server_context()], ids=["dict", "context"])
async def test_tls(options: Any) -> None:
    server = Tls(ssl_options=options)
    server.listen(0, "127.0.0.1")
    trusting = ssl.create_default_context(cafile=CERTIFICATE["certfile"])
    async with connected(server, ssl_options=trusting) as client:
        assert await client.read_bytes(5) == b"hello"
        (await server.streams.get()).close()


async def test_the_handler_runs_before_the_handshake() -> None:
    server = Tls(ssl_options=CERTIFICATE)
    server.listen(0, "127.0.0.1")
    async with connected(server) as client:  # says nothing
        stream = await asyncio.wait_for(server.streams.get(), 5)
        assert stream.socket.cipher() is None
        client.close()
        await asyncio.sleep(0.01)
        stream.close()


@pytest.mark.parametrize("error", [OSError(22, "invalid"), OSError(103, "aborted"), ssl.SSLEOFError(8, "EOF")])
async def test_a_peer_that_is_gone_before_tls_begins_is_no_error(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr(tcpserver, "ssl_wrap_socket", fail)
    ours, theirs = socket.socketpair()
    Tls(ssl_options=CERTIFICATE)._handle_connection(ours, "")
    with theirs:
        assert ours.fileno() == -1


async def test_other_tls_errors_are_logged(monkeypatch: pytest.MonkeyPatch, logs: Any) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise ValueError("no such cipher")

    monkeypatch.setattr(tcpserver, "ssl_wrap_socket", fail)
    ours, theirs = socket.socketpair()
    Tls(ssl_options=CERTIFICATE)._handle_connection(ours, "")
    theirs.close()
    assert ours.fileno() == -1
    logs.take("tornado.application", "Error in connection callback")


def test_tls_files_are_checked_early() -> None:
    with pytest.raises(KeyError, match='missing key "certfile" in ssl_options'):
        TCPServer(ssl_options={})
    with pytest.raises(ValueError, match='certfile "/none" does not exist'):
        TCPServer(ssl_options={"certfile": "/none"})
    with pytest.raises(ValueError, match='keyfile "/none" does not exist'):
        TCPServer(ssl_options={"certfile": CERTIFICATE["certfile"], "keyfile": "/none"})


def test_contexts_are_reused_until_a_file_changes(tmp_path: Any) -> None:
    options = {}
    for name, path in CERTIFICATE.items():
        copy = tmp_path / name
        copy.write_bytes(pathlib.Path(path).read_bytes())
        options[name] = str(copy)
    contexts = ServerContexts()
    first = contexts.current(options)
    assert contexts.current(options) is first
    os.utime(options["certfile"], ns=(1, 1))
    renewed = contexts.current(options)
    assert renewed is not first
    assert contexts.current({**options, "ciphers": "ECDHE+AESGCM"}) is not renewed


async def test_a_tls_connection_that_comes_as_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    server, genuine = Tls(ssl_options=CERTIFICATE), transport_source.take_over

    def take_over(*args: Any) -> None:
        genuine(*args)
        server.stop()

    monkeypatch.setattr(transport_source, "suits", lambda loop: True)  # as on uvloop
    monkeypatch.setattr(transport_source, "take_over", take_over)
    (sock,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert server.streams.empty()
    writer.close()


FORKING = """
from tornadolike.process import task_id
from tornadolike.tcpserver import TCPServer
server = TCPServer()
server.bind(0, "127.0.0.1")
from tornadolike.ioloop import IOLoop
server.start(2)
assert len(server._sockets) == 1
IOLoop.current().run_sync(lambda: None)
print(task_id(), end="", flush=True)
"""


def test_forked_processes_share_the_socket() -> None:
    environ = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, env=environ, timeout=30, check=False)
    assert (sorted(done.stdout), done.stderr) == (["0", "1"], "")


async def test_what_is_known_of_a_connection_without_asking_it_is_true() -> None:
    server = Greeter()
    server.listen(0, "127.0.0.1")
    async with connected(server):
        stream = await server.streams.get()
        assert stream._family == stream.socket.family == socket.AF_INET
        stream.close()


async def test_a_socket_that_blocks_does_not_stop_the_loop() -> None:
    """As systemd hands it over: `socket.socket(fileno=3)`."""
    server, sock = Greeter(), socket.create_server(("127.0.0.1", 0))
    assert sock.getblocking()
    server.add_sockets([sock])
    assert not sock.getblocking()
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port())
        assert await asyncio.wait_for(reader.readexactly(5), 10) == b"hello"
        writer.close()
        (await server.streams.get()).close()
    server.stop()


async def test_each_connection_has_a_context_of_its_own() -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    seen: list[str] = []

    class Noting(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            seen.append(user.get())
            user.set("somebody")
            stream.close()

    server = Noting()
    server.add_sockets(bind_sockets(0, "127.0.0.1"))
    (sock,) = server._sockets.values()
    for _ in range(3):
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
    server.stop()
    assert len(seen) == 3
    assert set(seen) == {"nobody"}
