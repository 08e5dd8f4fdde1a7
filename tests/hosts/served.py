"""The application that the servers of these tests serve, in processes of their own: ``tests.hosts.served:asgi``."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tornadolike import asgi as tornado_asgi
from tornadolike import web, websocket
from tornadolike.ioloop import IOLoop

NOTES: list[str] = []
logging.basicConfig(stream=sys.stderr, level=logging.WARNING)


class Echo(web.RequestHandler):
    def get(self) -> None:
        request = self.request
        names = ("method", "uri", "path", "query", "remote_ip", "protocol", "host_name")
        self.write({name: getattr(request, name) for name in names})

    head = get

    def post(self) -> None:
        self.set_cookie("seen", "1")
        self.set_cookie("twice", "2")
        self.write({"a": self.get_argument("a"), "cookie": self.get_cookie("c")})


class Stream(web.RequestHandler):
    async def get(self) -> None:
        for number in range(3):
            self.write(f"{number}\n")
            await self.flush()
            await asyncio.sleep(0.1)


class Endless(web.RequestHandler):
    async def get(self) -> None:
        NOTES.append("endless began")
        try:
            while True:
                self.write(b"x" * 65536)
                await self.flush()
        finally:
            NOTES.append("endless ended")


class Waiting(web.RequestHandler):
    async def get(self) -> None:
        self.closed = asyncio.Event()
        NOTES.append("waiting")
        await self.closed.wait()

    def on_connection_close(self) -> None:
        NOTES.append("left")
        self.closed.set()


@web.stream_request_body
class Upload(web.RequestHandler):
    size = 0

    def prepare(self) -> None:
        if "refuse" in self.request.arguments:
            raise web.HTTPError(413)

    async def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)
        await asyncio.sleep(0)

    def put(self) -> None:
        self.write(str(self.size))

    def on_connection_close(self) -> None:
        NOTES.append("upload left")
        super().on_connection_close()


class Breaking(web.RequestHandler):
    async def get(self) -> None:
        if "length" in self.request.arguments:
            self.set_header("Content-Length", "100")
        self.write("part")
        await self.flush()
        raise web.HTTPError(500)


class Empty(web.RequestHandler):
    def get(self, status: str) -> None:
        self.set_status(int(status))


class Chat(websocket.WebSocketHandler):
    def prepare(self) -> None:
        if "deny" in self.request.arguments:
            raise web.HTTPError(401)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[-1] if subprotocols else None

    def on_message(self, message: str | bytes) -> None:
        if message == "close":
            self.close(4001, "enough")
        else:
            self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        NOTES.append(f"closed {self.close_code} {self.close_reason}")


class Notes(web.RequestHandler):
    def get(self) -> None:
        self.write({"notes": NOTES, "loop": type(asyncio.get_running_loop()).__module__, "ours": IOLoop.current() is not None})


@contextlib.asynccontextmanager
async def lifespan(application: Any) -> AsyncIterator[None]:
    NOTES.append("up")
    yield
    print("came down", file=sys.stderr, flush=True)


application = web.Application(
    [
        ("/echo", Echo),
        ("/stream", Stream),
        ("/endless", Endless),
        ("/waiting", Waiting),
        ("/upload", Upload),
        ("/breaking", Breaking),
        ("/empty/([0-9]+)", Empty),
        ("/chat", Chat),
        ("/notes", Notes),
    ],
    static_path=str(Path(__file__).parent),
)
asgi = tornado_asgi.ASGIAdapter(application, lifespan=lifespan)
