"""A request leaves no garbage behind that only the cyclic collector finds, whatever kind of handler answered it."""

import asyncio
import contextlib
import gc
import socket
import struct
import types
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tornadolike import gen, web
from tornadolike.httpserver import HTTPServer
from tornadolike.iostream import StreamClosedError
from tornadolike.testing import bind_unused_port
from tornadolike.websocket import WebSocketHandler


class Plain(web.RequestHandler):
    def get(self) -> None:
        self.write("plain")

    def post(self) -> None:
        self.write(self.get_body_argument("a"))


class Waiting(web.RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(0)
        self.write("waited")


class Older(web.RequestHandler):
    @gen.coroutine
    def get(self) -> Any:
        yield gen.moment
        self.write("older")


class Flushing(web.RequestHandler):
    async def get(self) -> None:
        for _ in range(3):
            self.write("piece")
            await self.flush()


@web.stream_request_body
class Receiving(web.RequestHandler):
    received = 0

    async def data_received(self, chunk: bytes) -> None:
        await asyncio.sleep(0)
        self.received += len(chunk)

    def post(self) -> None:
        self.write(str(self.received))


class Refusing(web.RequestHandler):
    def get(self) -> None:
        raise web.HTTPError(400)

    async def post(self) -> None:
        await asyncio.sleep(0)
        raise web.HTTPError(409)


class Failing(web.RequestHandler):
    def get(self) -> None:
        raise LookupError("lost")


class Page(web.RequestHandler):
    def get(self) -> None:
        self.render("page.html", items=[1, 2])


class Moved(web.RequestHandler):
    def get(self) -> None:
        self.redirect("/plain")


class Lost(web.RequestHandler):
    """Answers more than the kernel takes, in one of several ways."""

    async def get(self, way: str) -> None:
        answer = b"x" * (8 << 20)
        if way == "finished":
            await self.finish(answer)
        elif way == "flushed":
            self.write(answer)
            await self.flush()
        elif way == "caught":
            self.write(answer)
            with contextlib.suppress(StreamClosedError):
                await self.flush()
        elif way == "in pieces":
            for _ in range(4):
                self.write(answer)
                await self.flush()
        else:
            self.write(answer)


class Echo(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    (tmp_path / "page.html").write_text("{% for item in items %}{{ item }}{% end %}", encoding="utf-8")
    (tmp_path / "file.txt").write_text("from a file" * 1000, encoding="utf-8")
    handlers: list[Any] = [
        (r"/plain", Plain),
        (r"/waiting", Waiting),
        (r"/older", Older),
        (r"/flushing", Flushing),
        (r"/receiving", Receiving),
        (r"/refusing", Refusing),
        (r"/failing", Failing),
        (r"/page", Page),
        (r"/moved", Moved),
        (r"/lost/(.*)", Lost),
        (r"/echo", Echo),
        (r"/static/(.*)", web.StaticFileHandler, {"path": str(tmp_path)}),
    ]
    app = web.Application(handlers, template_path=str(tmp_path), compress_response=True)
    sock, port = bind_unused_port()
    server = HTTPServer(app)
    server.add_socket(sock)
    yield port
    server.stop()
    await server.close_all_connections()


@contextmanager
def garbage() -> Iterator[list[Any]]:
    """What the collector finds at the end of the block that nothing else freed."""
    found: list[Any] = []
    gc.collect()
    gc.disable()
    before = gc.get_debug()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [one for one in gc.garbage if not isinstance(one, types.ModuleType)]
    finally:
        gc.set_debug(before)
        gc.garbage.clear()
        gc.enable()


class Client:
    """A socket, since asyncio's own transports leave cycles."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self._received = sock, b""

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def until(self, end: bytes) -> bytes:
        while end not in self._received:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
            assert data, "the end"
            self._received += data
        found, _, self._received = self._received.partition(end)
        return found + end

    async def exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            self._received += await asyncio.get_running_loop().sock_recv(self.sock, 65536)
        found, self._received = self._received[:count], self._received[count:]
        return found


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    """A client; in the end its connection is closed, and the server has had time to notice."""
    sock = socket.socket()
    sock.setblocking(False)
    with sock:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        yield Client(sock)
    await asyncio.sleep(0.02)


async def exchange(port: int, *requests: bytes) -> list[bytes]:
    """Requests on one connection, and the status of each response."""
    answers = []
    async with connected(port) as client:
        for request in requests:
            await client.send(request)
            head = await client.until(b"\r\n\r\n")
            answers.append(head[9:12])
            if b"Content-Length: " in head:
                await client.exactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
            elif b"chunked" in head:
                await client.until(b"0\r\n\r\n")
    return answers


def get(path: str, fields: str = "", method: str = "GET", body: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{length}{fields}\r\n{body}".encode()


FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
REQUESTS = {
    "sync": (get("/plain"), b"200"),
    "compressed": (get("/static/file.txt", "Accept-Encoding: gzip\r\n"), b"200"),
    "form": (get("/plain", FORM, "POST", "a=5"), b"200"),
    "async": (get("/waiting"), b"200"),
    "coroutine": (get("/older"), b"200"),
    "flushes": (get("/flushing"), b"200"),
    "streamed body": (get("/receiving", "", "POST", "x" * 1000), b"200"),
    "HTTPError": (get("/refusing"), b"400"),
    "HTTPError in a task": (get("/refusing", "", "POST", "x"), b"409"),
    "exception": (get("/failing"), b"500"),
    "not found": (get("/nowhere"), b"404"),
    "template": (get("/page"), b"200"),
    "redirect": (get("/moved"), b"302"),
    "file": (get("/static/file.txt"), b"200"),
    "part of a file": (get("/static/file.txt", "Range: bytes=5-9\r\n"), b"206"),
    "file not modified": (get("/static/file.txt", "If-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT\r\n"), b"304"),
    "chunked form": (get("/plain", FORM + "Transfer-Encoding: chunked\r\n", "POST") + b"3\r\na=5\r\n0\r\n\r\n", b"200"),
    "last one": (get("/plain", "Connection: close\r\n"), b"200"),
}


@pytest.mark.parametrize("kind", REQUESTS)
async def test_requests(port: int, kind: str, logs: Any) -> None:
    request, status = REQUESTS[kind]
    repeated = 1 if kind == "last one" else 3
    await exchange(port, request)  # what is made once and kept
    with garbage() as left:
        answers = await exchange(port, *[request] * repeated)
    logs.records.clear()
    assert answers == [status] * repeated
    assert left == []


async def test_a_client_that_leaves(port: int, logs: Any) -> None:
    async def leave() -> None:
        async with connected(port) as client:
            await client.send(get("/receiving", "", "POST", "x" * 1000)[:-10])
            await asyncio.sleep(0.02)

    await leave()
    with garbage() as left:
        await leave()
    assert left == []


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("way", ["finished", "flushed", "caught", "in pieces", "left to the end"])
async def test_answers_that_nobody_waits_for(port: int, way: str, reset: bool, logs: Any) -> None:
    async def leave() -> None:
        async with connected(port) as client:
            await client.send(get(f"/lost/{way.replace(' ', '%20')}"))
            await client.until(b"\r\n\r\n")
            if reset:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    await leave()
    with garbage() as left:
        await leave()
    logs.records.clear()
    assert left == []


async def test_websockets(port: int) -> None:
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

    async def talk() -> None:
        async with connected(port) as client:
            await client.send(get("/echo", upgrade))
            assert (await client.until(b"\r\n\r\n"))[9:12] == b"101"
            for _ in range(3):
                await client.send(b"\x81\x82\0\0\0\0hi")
                assert await client.exactly(4) == b"\x81\x02hi"
            await client.send(b"\x88\x82\0\0\0\0\x03\xe8")
            assert await client.exactly(4) == b"\x88\x02\x03\xe8"

    await talk()
    with garbage() as left:
        await talk()
    assert left == []
