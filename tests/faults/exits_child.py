"""Ends in one hook or callback: ``exits_child.py HOOK (exit|interrupt)``; 77 where it goes on. ``tasks``: where a task is current."""

import asyncio
import base64
import os
import sys

import tornado.gen
import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web
import tornado.websocket

HOOK, KIND = sys.argv[1:]
GREETING = (
    b"GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
)


def reached(place: str) -> None:
    if HOOK == "tasks":
        print(place, asyncio.current_task() is not None, flush=True)
    if place == HOOK:
        raise SystemExit(3) if KIND == "exit" else KeyboardInterrupt


async def reached_later(place: str) -> None:
    await asyncio.sleep(0)
    reached(place)


class Plain(tornado.web.RequestHandler):
    def initialize(self) -> None:
        reached("initialize")

    def set_default_headers(self) -> None:
        reached("set_default_headers")

    def prepare(self) -> None:
        reached("prepare")

    def get(self) -> None:
        reached("get")
        self.write("x")

    def write_error(self, status_code: int, **kwargs: object) -> None:
        reached("write_error")

    def on_finish(self) -> None:
        reached("on_finish")


class Waiting(tornado.web.RequestHandler):
    async def prepare(self) -> None:
        await reached_later("async prepare")

    async def get(self) -> None:
        await reached_later("async get")


class Generator(tornado.web.RequestHandler):
    @tornado.gen.coroutine
    def get(self) -> object:
        yield tornado.gen.sleep(0)
        reached("coroutine")


@tornado.web.stream_request_body
class Streaming(tornado.web.RequestHandler):
    def data_received(self, chunk: bytes) -> None:
        reached("data_received")

    def post(self) -> None:
        pass


class Socket(tornado.websocket.WebSocketHandler):
    def open(self) -> None:
        reached("open")

    def on_message(self, message: str | bytes) -> None:
        reached("on_message")

    def on_ping(self, data: bytes) -> None:
        reached("on_ping")

    def on_close(self) -> None:
        reached("on_close")


CALLBACKS = ("add_callback", "call_later", "spawn_callback", "periodic")
PATHS = {
    "async prepare": "/waiting",
    "async get": "/waiting",
    "coroutine": "/generator",
    "data_received": "/streaming",
    "tasks": "/streaming",
}


async def main() -> None:
    routes = [("/plain", Plain), ("/waiting", Waiting), ("/generator", Generator), ("/streaming", Streaming), ("/socket", Socket)]
    [listener] = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(tornado.web.Application(routes))
    server.add_sockets([listener])
    port = listener.getsockname()[1]
    callbacks(tornado.ioloop.IOLoop.current())
    if HOOK in ("open", "on_message", "on_ping", "on_close", "tasks"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GREETING + base64.b64encode(b"x" * 16) + b"\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x89\x80abcd" + bytes([0x81, 0x81, *b"abcd", ord("x") ^ ord("a")]))
        await reader.read(2)  # the pong
        writer.close()
        await asyncio.sleep(0.2 if HOOK == "tasks" else 5)
    if HOOK not in CALLBACKS:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        path = PATHS.get(HOOK, "/plain")
        method = "POST" if path == "/streaming" else "PUT" if HOOK == "write_error" else "GET"
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx".encode())
        await reader.read()
    if HOOK in (*CALLBACKS, "on_finish"):
        await asyncio.sleep(5)
    os._exit(0 if HOOK == "tasks" else 77)


def callbacks(loop: tornado.ioloop.IOLoop) -> None:
    if HOOK == "add_callback":
        loop.add_callback(reached, HOOK)
    elif HOOK == "call_later":
        loop.call_later(0, reached, HOOK)
    elif HOOK == "spawn_callback":
        loop.spawn_callback(reached_later, HOOK)
    elif HOOK == "periodic":
        tornado.ioloop.PeriodicCallback(lambda: reached(HOOK), 1).start()


asyncio.run(main())
