"""IOStream, TCP servers and clients, netutil: what reads give, when streams close, which exceptions and log lines appear."""

# ruff: noqa: E501, PLW0108 - rows of tables; names are looked up when the call is made

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from tornado import iostream, netutil, tcpclient, tcpserver

from compat_suite.differential.conversation import quiet_loop
from compat_suite.differential.recording import Logs
from compat_suite.differential.scenario import add, calls, raised, step

Notes = list[Any]


async def attempt(notes: Notes, call: Callable[[], Any]) -> None:
    """One call that may raise at once or later."""
    try:
        notes.append(repr(await asyncio.wait_for(call(), 0.3)))
    except TimeoutError:
        notes.append("nothing came")
    except Exception as error:
        notes.append(raised(error))


def stream(name: str, *sent: bytes, close: bool = False, **options: Any) -> Any:
    """Decorator: a coroutine that gets notes, a stream whose peer has sent ``sent`` (and closed), and the peer's socket."""

    def register(function: Any) -> Any:
        async def run() -> Any:
            notes: Notes = []
            with Logs() as logs:
                ours, theirs = socket.socketpair()
                theirs.setblocking(False)
                here = iostream.IOStream(ours, **options)
                here.set_close_callback(lambda: notes.append("close callback"))
                for piece in sent:
                    theirs.sendall(piece)
                if close:
                    theirs.close()
                await quiet_loop(5)
                try:
                    await function(notes, here, theirs)
                except Exception as error:
                    notes.append(raised(error))
                await quiet_loop(10)
                notes.append([here.closed(), here.reading(), here.writing(), repr(here.error)])
                here.close()
                theirs.close()
                await quiet_loop(5)
                return [notes, list(logs)]

        add(f"streams/{name}", run)
        return function

    return register


_READS: dict[str, Callable[[Any], Any]] = {
    "until": lambda s: s.read_until(b"\r\n"), "until with limit": lambda s: s.read_until(b"\r\n", max_bytes=4), "until_regex": lambda s: s.read_until_regex(b"\r?\n"), "until_regex with limit": lambda s: s.read_until_regex(b"\n", max_bytes=3), "bytes": lambda s: s.read_bytes(5), "bytes partial": lambda s: s.read_bytes(50, partial=True),
    "bytes 0": lambda s: s.read_bytes(0), "until_close": lambda s: s.read_until_close(), "into": lambda s: s.read_into(bytearray(5)), "into partial": lambda s: s.read_into(bytearray(50), partial=True), "empty delimiter": lambda s: s.read_until(b""), "negative": lambda s: s.read_bytes(-1), "bad regex": lambda s: s.read_until_regex(b"("),
}  # fmt: skip
for _name, _read in _READS.items():
    for _data in ((), (b"hello\r\nworld\r\n",), (b"he", b"llo\r", b"\nworld"), (b"abc",)):
        for _close in (False, True):

            async def _twice(notes: Notes, here: Any, theirs: Any, read: Any = _read) -> None:
                await attempt(notes, lambda: read(here))
                await attempt(notes, lambda: read(here))

            stream(f"read {_name} {_data!r} {'closed' if _close else 'open'}", *_data, close=_close)(_twice)


@stream("two reads at once")
async def _overlapping(notes: Notes, here: Any, theirs: Any) -> None:
    first = here.read_bytes(3)
    step(notes, lambda: here.read_bytes(2))
    step(notes, lambda: here.read_until(b"x"))
    theirs.sendall(b"abc")
    notes.append(repr(await first))


@stream("writes")
async def _writes(notes: Notes, here: Any, theirs: Any) -> None:
    for value in (b"abc", bytearray(b"def"), memoryview(b"ghi"), b"", memoryview(b"jklm")[::1]):
        await attempt(notes, lambda value=value: here.write(value))
    for value in ("text", None, 3, [b"x"]):
        step(notes, lambda value=value: here.write(value))
    await quiet_loop(5)
    notes.append(theirs.recv(100).decode())


@stream("large write")
async def _large(notes: Notes, here: Any, theirs: Any) -> None:
    future = here.write(b"x" * 3_000_000)
    notes.append([future.done(), here.writing()])
    total = 0
    while total < 3_000_000:
        try:
            total += len(theirs.recv(1 << 20))
        except BlockingIOError:
            await asyncio.sleep(0)
    await future
    notes.append([total, here.writing()])


@stream("max_write_buffer_size", max_write_buffer_size=1000)
async def _too_much(notes: Notes, here: Any, theirs: Any) -> None:
    step(notes, lambda: here.write(b"x" * 3_000_000))


@stream("max_buffer_size", b"x" * 2000, max_buffer_size=1000)
async def _too_much_read(notes: Notes, here: Any, theirs: Any) -> None:
    await attempt(notes, lambda: here.read_until(b"y"))


@stream("max_buffer_size and bytes", max_buffer_size=1000)
async def _too_much_asked(notes: Notes, here: Any, theirs: Any) -> None:
    await attempt(notes, lambda: here.read_bytes(2000))


@stream("max_buffer_size is large enough", b"x" * 2000, max_buffer_size=1000)
async def _in_parts(notes: Notes, here: Any, theirs: Any) -> None:
    await attempt(notes, lambda: here.read_bytes(1000))
    await attempt(notes, lambda: here.read_bytes(1000))


@stream("close while reading")
async def _closing(notes: Notes, here: Any, theirs: Any) -> None:
    future = here.read_bytes(3)
    here.close()
    await attempt(notes, lambda: future)
    step(notes, lambda: here.read_bytes(3))
    step(notes, lambda: here.write(b"x"))
    step(notes, lambda: here.close())
    step(notes, lambda: here.fileno())
    step(notes, lambda: here.socket)


@stream("close with an error")
async def _closing_with(notes: Notes, here: Any, theirs: Any) -> None:
    future = here.read_bytes(3)
    here.close(exc_info=ValueError("mine"))
    try:
        await future
    except iostream.StreamClosedError as error:
        notes.append([str(error), repr(error.real_error)])


@stream("the peer closes with data", b"last words", close=True)
async def _last(notes: Notes, here: Any, theirs: Any) -> None:
    await attempt(notes, lambda: here.read_bytes(4))
    notes.append(here.closed())
    await attempt(notes, lambda: here.read_until_close())
    notes.append(here.closed())


@stream("write to a closed peer", close=True)
async def _gone(notes: Notes, here: Any, theirs: Any) -> None:
    for _ in range(2):
        try:
            await here.write(b"x" * 10)
            await quiet_loop(5)
        except iostream.StreamClosedError as error:
            notes.append(type(error.real_error).__name__)


@stream("nodelay and repr")
async def _small(notes: Notes, here: Any, theirs: Any) -> None:
    step(notes, lambda: here.set_nodelay(True))
    notes.append(type(here).__name__)
    step(notes, lambda: here.set_close_callback(None))
    step(notes, lambda: here.get_fd_error())


async def _pipe() -> Any:
    notes: Notes = []
    reading, writing = os.pipe()
    source, sink = iostream.PipeIOStream(reading), iostream.PipeIOStream(writing)
    await attempt(notes, lambda: sink.write(b"through a pipe"))
    await attempt(notes, lambda: source.read_bytes(7))
    sink.close()
    await attempt(notes, lambda: source.read_until_close())
    await attempt(notes, lambda: source.read_bytes(1))
    source.close()
    return notes


add("streams/pipe", _pipe)


async def _server_and_client() -> Any:
    notes: Notes = []

    class Server(tcpserver.TCPServer):
        async def handle_stream(self, stream: Any, address: Any) -> None:
            try:
                line = await stream.read_until(b"\n", max_bytes=20)
            except Exception as error:
                notes.append(f"server {type(error).__name__}")
                raise
            if line == b"fail\n":
                raise ValueError("in handle_stream")
            await stream.write(b"<" + line.strip() + b">")
            stream.close()

    with Logs() as logs:
        server = Server()
        listening, port = netutil.bind_sockets(0, "127.0.0.1", family=socket.AF_INET), 0
        server.add_sockets(listening)
        port = listening[0].getsockname()[1]
        client = tcpclient.TCPClient()
        for line in (b"hello\n", b"fail\n", b"x" * 30):
            connection = await client.connect("127.0.0.1", port)
            await attempt(notes, lambda connection=connection, line=line: connection.write(line))
            await attempt(notes, connection.read_until_close)
        server.stop()
        step(notes, server.stop)
        await attempt(notes, lambda: client.connect("127.0.0.1", port))
        await attempt(notes, lambda: client.connect("127.0.0.1", port, timeout=0.00001))
        await attempt(notes, lambda: client.connect("127.0.0.1", 99999))
        await attempt(notes, lambda: client.connect("127.0.0.1", port, source_ip="nonsense"))
        client.close()
        return [notes, list(logs)]


add("streams/server and client", _server_and_client)


async def _server_api() -> Any:
    notes: Notes = []
    server = tcpserver.TCPServer()
    step(notes, lambda: server.handle_stream(None, None))
    step(notes, lambda: tcpserver.TCPServer(ssl_options={}))
    step(notes, lambda: tcpserver.TCPServer(ssl_options={"certfile": "/nowhere"}))
    step(notes, lambda: tcpserver.TCPServer(ssl_options={"certfile": os.__file__, "keyfile": "/nowhere"}))
    step(notes, lambda: server.bind(0, "127.0.0.1"))
    step(notes, server.start)
    step(notes, server.start)
    server.stop()
    return notes


add("streams/server api", _server_api)
calls(
    "streams.is_valid_ip",
    netutil.is_valid_ip,
    [
        "127.0.0.1",
        "::1",
        "1.2.3",
        "localhost",
        "",
        "\x00",
        "1.2.3.4.5",
        "::ffff:1.2.3.4",
        "fe80::1%lo",
        "a" * 300,
        "0x7f.1",
        "\u0661.1.1.1",
        None,
        "1.2.3.4 ",
    ],
)
calls(
    "streams.ssl_options_to_context",
    lambda value: type(netutil.ssl_options_to_context(value)).__name__,
    [
        ({},),
        ({"nosuch": 1},),
        ({"cert_reqs": ssl.CERT_NONE},),
        ({"ssl_version": ssl.PROTOCOL_TLS_CLIENT},),
        ({"certfile": "/nowhere"},),
        ({"ciphers": "nosuch"},),
        (None,),
    ],
)
calls(
    "streams.bind_sockets",
    lambda *a: len(netutil.bind_sockets(*a)),
    [(0, "127.0.0.1"), (0, "nosuch.invalid"), (0, "127.0.0.1", socket.AF_INET6), (-1, "127.0.0.1")],
)


async def _resolvers() -> Any:
    notes: Notes = []
    for name in (
        "tornado.netutil.BlockingResolver",
        "tornado.netutil.ThreadedResolver",
        "tornado.netutil.DefaultExecutorResolver",
        "tornado.netutil.DefaultLoopResolver",
    ):
        netutil.Resolver.configure(name)
        resolver = netutil.Resolver()
        await attempt(notes, lambda resolver=resolver: resolver.resolve("127.0.0.1", 80, socket.AF_INET))
        await attempt(notes, lambda resolver=resolver: resolver.resolve("\u00e9" * 70, 80))
        resolver.close()
    netutil.Resolver.configure(None)
    override = netutil.OverrideResolver(
        netutil.Resolver(), {"a": "127.0.0.1", ("b", 1): ("127.0.0.1", 2), ("c", 1, socket.AF_INET): ("127.0.0.1", 3)}
    )
    for arguments in (("a", 80), ("b", 1), ("b", 2), ("c", 1, socket.AF_INET)):
        if arguments != ("b", 2):
            await attempt(notes, lambda arguments=arguments: override.resolve(*arguments))
    return notes


add("streams/resolvers", _resolvers)
