"""The Tornado application that is put under load."""

import asyncio
import contextlib
import gc
import sys

import tornado.httpclient
import tornado.web
import tornado.websocket

with contextlib.suppress(ImportError):  # ours loads it with the first WebSocket, which must not look like memory that was not given back
    import tornadolike._websocket.wsproto_engine  # noqa: F401

STREAM_PIECE, STREAM_PIECES = b"s" * 16384, 256


class Hello(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.write("Hello, world")


class Upload(tornado.web.RequestHandler):
    def post(self) -> None:
        self.write(str(len(self.request.body)))


class Stream(tornado.web.RequestHandler):
    """4 MiB at the reader's pace."""

    async def get(self) -> None:
        with contextlib.suppress(tornado.iostream.StreamClosedError):
            for _ in range(STREAM_PIECES):
                self.write(STREAM_PIECE)
                await self.flush()


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


class Fetches(tornado.web.RequestHandler):
    """Fetches ``url`` ``n`` times, 32 at a time; answers with how many were right."""

    async def get(self) -> None:
        url, left = self.get_argument("url"), int(self.get_argument("n"))
        client = tornado.httpclient.AsyncHTTPClient()

        async def some(count: int) -> int:
            return sum([(await client.fetch(url)).body == b"Hello, world" for _ in range(count)])

        self.write(str(sum(await asyncio.gather(*(some(left // 32 + (number < left % 32)) for number in range(32))))))


class Blocks(tornado.web.RequestHandler):
    """How many blocks of memory Python has given out, after a garbage collection: a leak shows here, whatever the allocator keeps."""

    def get(self) -> None:
        gc.collect()
        self.write(str(sys.getallocatedblocks()))


ROUTES = [("/hello", Hello), ("/upload", Upload), ("/stream", Stream), ("/echo", Echo), ("/fetches", Fetches), ("/blocks", Blocks)]


async def main() -> None:
    # Tornado knows no "keep_alive" and ignores it.
    tornado.httpclient.AsyncHTTPClient.configure(None, max_clients=32, defaults={"keep_alive": True})
    tornado.web.Application(ROUTES).listen(8888, "127.0.0.1", backlog=1024)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
