"""Mistakes which mypy must find, the same with Tornado's types and with tornadolike's."""

from typing import Any

from tornado import gen, locks, queues
from tornado.concurrent import Future
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.routing import Rule
from tornado.web import Application, RequestHandler, UIModule
from tornado.websocket import WebSocketHandler, websocket_connect


class Mistaken(RequestHandler):
    def get(self) -> None:
        self.set_status("200")  # wrong
        self.set_header("A", object())  # wrong
        self.write(5)  # wrong
        number: int = self.get_argument("x")  # wrong
        self.nothing_of_the_kind()  # wrong
        print(number)

    def get_current_user(self, more: int) -> str:  # wrong
        return str(more)


async def mistaken() -> None:
    response: str = await AsyncHTTPClient().fetch("http://x/", unknown_response=1)  # wrong
    HTTPRequest("http://x/", no_such_option=1)  # wrong
    await locks.Lock().acquire("1")  # wrong
    queue: queues.Queue[int] = queues.Queue()
    queue.put_nowait("text")  # wrong
    IOLoop.current().call_later("1", print)  # wrong
    await websocket_connect(5)  # wrong
    stream = IOStream("socket")  # wrong
    text: str = await stream.read_bytes(5)  # wrong
    await gen.sleep("1")  # wrong
    print(response, text)


class Chat(WebSocketHandler):
    async def on_message(self, message: str) -> None:  # wrong
        await self.write_message(5)  # wrong
        self.close("1000")  # wrong
        self.ping("x", 5)  # wrong


class Entry(UIModule):
    def render(self, *args: Any) -> int:  # wrong
        return 5


def more() -> None:
    Application("not a list of handlers")  # wrong
    Rule("not a matcher", RequestHandler)  # wrong
    future: Future[int] = Future()
    future.set_result("text")  # wrong
    RequestHandler.no_such_method()  # wrong
