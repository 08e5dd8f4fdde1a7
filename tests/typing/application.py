"""A typed Tornado application, which mypy reads with Tornado's types and with tornadolike's; it is not run."""

import asyncio
import datetime as dt
import logging
import socket
import ssl
from collections.abc import Awaitable, Generator
from typing import Any

import tornado.web
from tornado import gen, httputil, iostream, locale, locks, netutil, process, queues, template
from tornado.auth import GoogleOAuth2Mixin
from tornado.concurrent import Future, future_set_result_unless_cancelled, run_on_executor
from tornado.escape import json_decode, json_encode, to_unicode, url_escape, utf8, xhtml_escape
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, url_concat
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.iostream import IOStream, StreamClosedError
from tornado.log import app_log, enable_pretty_logging
from tornado.options import OptionParser, define, options, parse_command_line
from tornado.routing import HostMatches, PathMatches, Rule, RuleRouter, URLSpec
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient
from tornado.tcpserver import TCPServer
from tornado.testing import AsyncHTTPTestCase, AsyncTestCase, bind_unused_port, gen_test
from tornado.util import ObjectDict, import_object
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler, UIModule, authenticated, stream_request_body, url
from tornado.websocket import WebSocketClientConnection, WebSocketHandler, websocket_connect
from tornado.wsgi import WSGIContainer

define("port", default=8888, type=int, help="port to listen on")


class Base(RequestHandler):
    def initialize(self, store: dict[str, str]) -> None:
        self.store = store

    async def prepare(self) -> None:
        if self.request.headers.get("X-Refuse"):
            raise HTTPError(403, reason="Refused")

    def get_current_user(self) -> str | None:
        user = self.get_signed_cookie("user", max_age_days=1)
        return to_unicode(user) if user is not None else None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("X-At", dt.datetime.now())
        self.finish({"error": self._reason})

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None


class Article(Base):
    @authenticated
    async def get(self, name: str) -> None:
        found: str = self.get_argument("q", "nothing")
        maybe: str | None = self.get_query_argument("r", None)
        many: list[str] = self.get_arguments("s", strip=False)
        cookie: str | None = self.get_cookie("c")
        self.set_status(200, "Fine")
        self.add_header("X-Number", 1)
        self.set_cookie("c", cookie or "d", expires_days=1, httponly=True)
        self.write({"name": name, "found": found, "maybe": maybe, "many": many})
        await self.flush()
        written: Future[None] = self.finish()
        await written

    def post(self, name: str) -> None:
        body: Any = json_decode(self.request.body)
        files: list[httputil.HTTPFile] = self.request.files["upload"]
        self.store[name] = files[0].filename + str(body) + self.request.arguments["a"][0].decode()
        self.redirect(self.reverse_url("article", name), permanent=False, status=303)

    def put(self, name: str) -> Awaitable[None]:
        self.render("page.html", name=name, user=self.current_user)
        return gen.sleep(0.1)

    def options(self, *args: str, **kwargs: str) -> None:
        self.set_status(204)

    @gen.coroutine
    def delete(self, name: str) -> Generator[Any, Any, None]:
        yield gen.sleep(0.1)
        raise gen.Return

    def compute_etag(self) -> str | None:
        return None

    def on_finish(self) -> None:
        app_log.info("%s took %.3f s", self.request.uri, self.request.request_time())


@stream_request_body
class Upload(RequestHandler):
    received = 0

    async def data_received(self, chunk: bytes) -> None:
        self.received += len(chunk)

    def put(self) -> None:
        self.write(str(self.received))
        self.settings["log"] = self.application.settings.get("log")


class Login(RequestHandler, GoogleOAuth2Mixin):
    async def get(self) -> None:
        access: dict[str, Any] = await self.get_authenticated_user(redirect_uri="http://x/", code=self.get_argument("code"))
        user = await self.oauth2_request("http://x/user", access_token=access["access_token"])
        self.set_signed_cookie("user", json_encode(user))


class Own(StaticFileHandler):
    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-store")

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        return super().get_absolute_path(root, path)


class Entry(UIModule):
    def render(self, title: str, *args: Any, **kwargs: Any) -> str:
        return self.render_string("entry.html", title=title).decode()

    def css_files(self) -> list[str]:
        return ["entry.css"]


class Chat(WebSocketHandler):
    members: set["Chat"] = set()

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.members.add(self)

    async def on_message(self, message: str | bytes) -> None:
        for one in self.members:
            await one.write_message(message, binary=isinstance(message, bytes))
        self.ping(b"x")

    def on_close(self) -> None:
        self.members.discard(self)
        app_log.info("%s %s", self.close_code, self.close_reason)

    def check_origin(self, origin: str) -> bool:
        return super().check_origin(origin) or origin == "https://x"

    def get_compression_options(self) -> dict[str, Any] | None:
        return {"compression_level": 5}

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[0] if subprotocols else None


def make_app(store: dict[str, str]) -> Application:
    return Application(
        [
            (r"/article/(.*)", Article, {"store": store}, "article"),
            url(r"/upload", Upload, name="upload"),
            URLSpec(r"/login", Login),
            (r"/chat", Chat),
            (HostMatches("static.example"), [(r"/(.*)", Own, {"path": "."})]),
            Rule(PathMatches("/old"), tornado.web.RedirectHandler, {"url": "/new"}),
        ],
        default_host="x",
        ui_modules={"Entry": Entry},
        cookie_secret="s",
        debug=True,
    )


async def fetching() -> int:
    client = AsyncHTTPClient(force_instance=True, defaults={"user_agent": "x"})
    AsyncHTTPClient.configure(SimpleAsyncHTTPClient, max_clients=5)
    request = HTTPRequest(
        url_concat("http://x/", {"a": "b"}), method="POST", headers={"A": "b"}, body=b"", request_timeout=5, streaming_callback=print
    )
    response: HTTPResponse = await client.fetch(request, raise_error=False)
    try:
        response = await client.fetch("http://x/", headers=HTTPHeaders({"A": "b"}), follow_redirects=False)
        response.rethrow()
    except HTTPClientError as error:
        response = error.response or response
    client.close()
    body: bytes = response.body
    seconds: float | None = response.request_time
    values: list[str] = response.headers.get_list("Set-Cookie")
    for name, value in response.headers.get_all():
        values += [name, value]
    return response.code + len(body) + len(values) + int(seconds or 0)


async def talking() -> None:
    connection: WebSocketClientConnection = await websocket_connect("ws://x/", ping_interval=5, subprotocols=["a"])
    await connection.write_message("hi")
    message: str | bytes | None = await connection.read_message()
    connection.close(1000, "bye")
    print(message, connection.close_code)


async def streaming(address: tuple[str, int]) -> bytes:
    stream: IOStream = await TCPClient().connect(*address, timeout=3.0)
    sock = IOStream(socket.socket(), max_buffer_size=10)
    await sock.connect(address)
    stream.set_close_callback(lambda: None)
    try:
        await stream.write(b"x")
        line: bytes = await stream.read_until(b"\n", max_bytes=10)
        more: bytes = await stream.read_bytes(5, partial=True)
        count: int = await stream.read_into(bytearray(5))
        rest = await stream.read_until_regex(rb"\r?\n")
        secure: iostream.SSLIOStream = await stream.start_tls(False, ssl.create_default_context(), server_hostname="x")
        secure.close()
    except StreamClosedError as error:
        print(error.real_error)
        raise
    return line + more + rest + bytes(count)


class Echo(TCPServer):
    async def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        await stream.write(await stream.read_until_close())


async def coordinating() -> None:
    lock, event, semaphore = locks.Lock(), locks.Event(), locks.BoundedSemaphore(2)
    condition = locks.Condition()
    async with lock, semaphore:
        event.set()
    with await semaphore.acquire():
        await event.wait(timeout=dt.timedelta(seconds=1))
    woken: bool = await condition.wait(timeout=1.0)
    queue: queues.Queue[int] = queues.Queue(maxsize=3)
    await queue.put(int(woken))
    queue.put_nowait(2)
    item: int = await queue.get()
    async for each in queue:
        item += each
        queue.task_done()
    await queue.join(timeout=2)
    ordered: queues.PriorityQueue = queues.PriorityQueue()
    latest: queues.LifoQueue = queues.LifoQueue(5)
    print(ordered.get_nowait(), latest.qsize())


@gen.coroutine
def older(count: int) -> Generator["Future[int]", int, int]:
    future: Future[int] = Future()
    future_set_result_unless_cancelled(future, count)
    value = yield future
    return value


async def combining() -> None:
    first: int = await older(1)
    both: list[Any] = await gen.multi([older(1), older(2)])
    named: dict[str, Any] = await gen.multi({"a": older(1)})
    late: int = await gen.with_timeout(dt.timedelta(seconds=1), older(3), quiet_exceptions=ValueError)
    waiting = gen.WaitIterator(older(1), older(2))
    while not waiting.done():
        print(await waiting.next(), waiting.current_index)
    print(first, both, named, late, gen.is_coroutine_function(older))


def looping() -> None:
    loop: IOLoop = IOLoop.current()
    maybe: IOLoop | None = IOLoop.current(instance=False)
    handle: object = loop.call_later(1, print, "x", end="")
    loop.remove_timeout(handle)
    loop.add_timeout(dt.timedelta(seconds=1), print)
    loop.add_callback(print, 1)
    loop.add_handler(0, lambda fd, events: None, IOLoop.READ | IOLoop.WRITE)
    loop.spawn_callback(fetching)
    result: Any = loop.run_sync(fetching, timeout=5)
    answer: Future[int] = loop.run_in_executor(None, len, "abc")
    loop.add_future(answer, lambda future: print(future.result()))
    periodic = PeriodicCallback(fetching, 1000, jitter=0.1)
    periodic.start()
    print(periodic.is_running(), maybe, result, loop.time())


def templating() -> str:
    loader = template.Loader("templates", autoescape=None, whitespace="oneline")
    made: bytes = loader.load("page.html").generate(name="x")
    direct = template.Template("{{ x }}", loader=loader).generate(x=1)
    found: locale.Locale = locale.get("en")
    return to_unicode(made) + found.translate("one", "many", 2) + direct.decode() + found.friendly_number(1000)


def escaping() -> str:
    text: str = xhtml_escape("<")
    raw: bytes = utf8("x")
    nothing: None = utf8(None)
    return text + url_escape(raw) + str(nothing) + str(ObjectDict(a=1).a)


def configuring() -> None:
    parser = OptionParser()
    parser.define("names", multiple=True, type=str, callback=print)
    rest: list[str] = parser.parse_command_line(["x", "--names=a,b"], final=False)
    enable_pretty_logging(parser, logging.getLogger("x"))
    print(rest, parser.names, parser.as_dict(), import_object("os.path"))


class Background:
    executor = None

    @run_on_executor
    def work(self, number: int) -> int:
        return number


class Tests(AsyncHTTPTestCase):
    def get_app(self) -> Application:
        return make_app({})

    def test_page(self) -> None:
        response: HTTPResponse = self.fetch("/article/x", method="GET")
        assert response.code == self.get_http_port()

    @gen_test(timeout=3)
    async def test_client(self) -> None:
        print(await self.http_client.fetch(self.get_url("/")))


class LoopTests(AsyncTestCase):
    @gen_test
    def test_older(self) -> Generator[Any, Any, None]:
        yield older(1)


async def main() -> None:
    parse_command_line()
    app = make_app({})
    server: HTTPServer = app.listen(options.port, xheaders=True, max_body_size=1000)
    sock, port = bind_unused_port()
    other = HTTPServer(RuleRouter([Rule(PathMatches("/.*"), app)]), ssl_options={"certfile": "x"})
    other.add_sockets(netutil.bind_sockets(port, "127.0.0.1", family=socket.AF_INET))
    other.add_socket(sock)
    Echo(ssl_options=None).listen(0)

    def plain(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    HTTPServer(WSGIContainer(plain))
    child = process.Subprocess(["true"], stdout=process.Subprocess.STREAM)
    status: int = await child.wait_for_exit(raise_error=False)
    print(status, process.cpu_count(), process.task_id())

    def bare(request: HTTPServerRequest) -> None:
        assert request.connection is not None
        request.connection.write_headers(httputil.ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders(), b"x")
        request.connection.finish()

    HTTPServer(bare)
    server.stop()
    await server.close_all_connections()


if __name__ == "__main__":
    asyncio.run(main())
