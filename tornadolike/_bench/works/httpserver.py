"""Requests on a connection that stays."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from tornadolike._bench.works.registry import COOKIES, Coroutine, sibling, work

_GET = b"GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nAccept: text/html\r\nCookie: %b\r\n\r\n" % COOKIES.encode()


class _Asking(asyncio.Protocol):
    """A client that sends the same bytes and waits for an answer of so many, as cheaply as asyncio has it."""

    transport: Any
    missing = 0
    answered: "asyncio.Future[None]"

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if self.missing <= 0 and not self.answered.done():
            self.answered.set_result(None)

    def ask(self, data: bytes, size: int) -> "asyncio.Future[None]":
        self.missing, self.answered = size, asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.answered


def _answered(name: str, request: bytes, make_handler: Callable[[Any], Any], **settings: Any) -> None:
    """One request after the other on a connection that stays; what the client takes is part of it, and the same for both."""

    @work(f"httpserver: {name}")
    def make(httpserver: Any) -> Coroutine:
        web = sibling(httpserver, "web")
        logging.getLogger(f"{web.__name__.partition('.')[0]}.access").disabled = True
        logging.getLogger("tornado.access").disabled = True
        application = web.Application([("/.*", make_handler(web))], **settings)
        server = httpserver.HTTPServer(application)

        async def run(n: int) -> None:
            loop = asyncio.get_running_loop()
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            server.add_sockets([listener])
            _, client = await loop.create_connection(_Asking, *listener.getsockname())
            size = await _size(client, request)
            for _ in range(n):
                await client.ask(request, size)
            client.transport.close()
            server.stop()
            await server.close_all_connections()

        return run


async def _size(client: Any, request: bytes) -> int:
    """How long an answer is: asked for twice, in pieces of the loop's choice, until nothing more comes."""
    asked = client.ask(request, 1 << 60)
    before = -1
    while client.missing != before:
        before = client.missing
        await asyncio.sleep(0.02)
    asked.cancel()
    return (1 << 60) - client.missing


def _plain(web: Any) -> Any:
    class Plain(web.RequestHandler):
        def get(self) -> None:
            self.write("hello")

        post = get

    return Plain


def _with_prepare(web: Any) -> Any:
    class Hooked(web.RequestHandler):
        def set_default_headers(self) -> None:
            for number in range(5):
                self.set_header(f"X-{number}", "value")

        async def prepare(self) -> None:
            self.user = self.get_cookie("session")

        async def get(self) -> None:
            self.finish({"user": self.user})

        def on_finish(self) -> None:
            self.user = None

    return Hooked


def _streaming(web: Any) -> Any:
    @web.stream_request_body
    class Streaming(web.RequestHandler):
        def prepare(self) -> None:
            self.seen = 0

        def data_received(self, chunk: bytes) -> None:
            self.seen += len(chunk)

        def post(self) -> None:
            self.write(str(self.seen))

    return Streaming


def _events(web: Any) -> Any:
    class Events(web.RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Type", "text/event-stream")
            for number in range(20):
                self.write(f"data: {number}\n\n")
                await self.flush()
                await asyncio.sleep(0)

    return Events


def _generator(web: Any) -> Any:
    gen = sibling(web, "gen")

    class Generator(web.RequestHandler):
        @gen.coroutine
        def get(self) -> Any:
            yield gen.sleep(0)
            self.write("hello")

    return Generator


def _failing(web: Any) -> Any:
    class Failing(web.RequestHandler):
        def get(self) -> None:
            raise web.HTTPError(404)

    return Failing


_POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


def _long(web: Any) -> Any:
    body = '{"id": 12, "name": "some name", "price": 12.5}, ' * 100

    class Long(web.RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Type", "application/json")
            self.write(body)

    return Long


_answered("GET", _GET, _plain)
_answered("GET, hooks and five headers", _GET, _with_prepare)
_answered("GET, a generator", _GET, _generator)
_answered("GET, an error", _GET, _failing)
_answered("GET, compressed", _GET.replace(b"Cookie", b"Accept-Encoding: gzip\r\nCookie"), _long, compress_response=True)
_answered("POST, 1 KB", _POST % 1000 + b"x" * 1000, _plain)
_answered("POST, 100 KB", _POST % 100_000 + b"x" * 100_000, _plain)
_answered("POST, streamed 100 KB", _POST % 100_000 + b"x" * 100_000, _streaming)
_answered(
    "POST, chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * 10 + b"0\r\n\r\n", _plain
)
_answered("20 events", _GET, _events)
_answered("16 pipelined", _GET * 16, _plain)
