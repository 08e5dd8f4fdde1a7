"""Exchanges: each ends once, in a context of its own, and leaves its connection as it found it."""

import asyncio
import contextvars
import gc
import gzip
import socket
import weakref
from typing import Any

import pytest

from tornadolike import httputil, web
from tornadolike.httpserver import HTTPServer
from tornadolike.iostream import IOStream

GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


class Hello(web.RequestHandler):
    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(self.request.body)


# -- answered before the request was read


@web.stream_request_body
class Early(web.RequestHandler):
    """Answers in ``prepare`` or with the first piece of the body; notes what it hears."""

    heard: list[str]

    def initialize(self, heard: list[str], where: str) -> None:
        self.heard, self.where = heard, where

    async def prepare(self) -> None:
        if self.where == "raises":
            raise web.HTTPError(401)
        if self.where == "prepare":
            await asyncio.sleep(0)
            self.finish("early")

    def data_received(self, chunk: bytes) -> None:
        self.heard.append("data")
        if self.where == "data":
            self.finish("early")

    def get(self) -> None:
        self.finish("late")

    post = get

    def on_connection_close(self) -> None:
        self.heard.append("close")
        super().on_connection_close()

    async def _execute(self, *args: Any, **kwargs: Any) -> None:
        await super()._execute(*args, **kwargs)
        self.heard.append("executed")


@pytest.mark.parametrize(("where", "status"), [("prepare", b"200"), ("raises", b"401")])
async def test_a_connection_goes_on_after_an_answer_in_prepare(serve: Any, logs: Any, where: str, status: bytes) -> None:
    heard: list[str] = []
    site = serve([("/early", Early, {"heard": heard, "where": where}), ("/", Hello)])
    client = await site.client()
    for _ in range(3):
        client.get("/early")
        assert status in (await client.response())[0]
        client.get()
        assert (await client.response())[1] == b"hello"
    await site.until(lambda: heard.count("executed") == 3)
    assert heard.count("close") == 3  # the delegate is owed an end: as on Tornado, this one
    assert "data" not in heard
    for _ in range(3 if status == b"401" else 0):
        logs.take("tornado.access", "401 GET")


async def test_whoever_leaves_after_an_answer_in_prepare_is_noticed(serve: Any) -> None:
    site = serve([("/early", Early, {"heard": [], "where": "prepare"})])
    clients = [await site.client() for _ in range(20)]
    for client in clients:
        client.get("/early")
        await client.response()
        client.writer.close()
    await site.until(lambda: not site.server._connections)


@pytest.mark.parametrize("rest", [b"", b"c" * 70_000])
async def test_a_handler_that_answers_with_the_first_piece_ends(serve: Any, rest: bytes) -> None:
    heard: list[str] = []
    site = serve([("/early", Early, {"heard": heard, "where": "data"})])
    client = await site.client()
    client.send(POST % (b"/early", 3 + len(rest)) + b"abc" + rest[:65_530])
    assert (await client.response())[1] == b"early"
    client.send(rest[65_530:])
    await site.until(lambda: "executed" in heard)
    assert heard == ["data", "close", "executed"]
    if rest:  # there is nothing else that could be done with it
        await client.rest()


# -- bytes that come in pieces that the delegate takes its time with


@pytest.mark.parametrize("members", [1, 2, 5])
@pytest.mark.parametrize("pause", [True, False])
async def test_inflated_bodies_are_whole(serve: Any, members: int, pause: bool) -> None:
    @web.stream_request_body
    class Count(web.RequestHandler):
        size = 0

        async def data_received(self, chunk: bytes) -> None:
            if pause:
                await asyncio.sleep(0)
            self.size += len(chunk)

        def post(self) -> None:
            self.write(str(self.size))

    site = serve([("/", Count)], decompress_request=True)
    client = await site.client()
    body = gzip.compress(bytes(range(250)) * 4_000) * members
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert (await client.response())[1] == b"%d" % (1_000_000 * members)


async def test_what_is_sent_ahead_is_bounded_whatever_pauses_in_between(serve: Any, logs: Any) -> None:
    ready, over = asyncio.Event(), asyncio.Event()

    @web.stream_request_body
    class Slow(web.RequestHandler):
        async def prepare(self) -> None:
            await ready.wait()

        def data_received(self, chunk: bytes) -> None:
            pass

        async def post(self) -> None:
            await over.wait()

    site = serve([("/", Hello), ("/slow", Slow)])
    client = await site.client()
    client.send(GET % b"/" + POST % (b"/slow", 10) + b"0123456789")
    assert (await client.response())[1] == b"hello"
    sock = client.writer.get_extra_info("socket")
    flood, sent = b"x" * (1 << 20), 0
    with socket.socket(fileno=sock.fileno()) as raw:
        try:
            for count in range(300):
                if count == 20:
                    ready.set()
                try:
                    sent += raw.send(flood)
                except BlockingIOError:
                    await asyncio.sleep(0.002)
        finally:
            raw.detach()
    over.set()
    assert sent < 30 << 20
    await site.until(lambda: not site.server._connections)
    logs.take("tornado.general", "header section larger")


async def test_a_large_body_sent_ahead_is_read_to_its_end(serve: Any) -> None:
    """Once its head is taken, what waits behind it are no requests: they are not held back."""

    @web.stream_request_body
    class Counting(web.RequestHandler):
        size = 0

        def data_received(self, chunk: bytes) -> None:
            self.size += len(chunk)

        def post(self) -> None:
            self.write(str(self.size))

    site = serve([("/", Hello), ("/count", Counting)], chunk_size=500)
    client = await site.client()
    client.send(GET % b"/" + POST % (b"/count", 1_000_000) + b"x" * 1_000_000)
    assert (await client.response())[1] == b"hello"
    assert (await client.response())[1] == b"1000000"


# -- an exchange that is over stays over


async def test_a_second_finish_does_not_reach_the_next_request() -> None:
    handles: list[httputil.HTTPConnection] = []

    def answer(request: httputil.HTTPServerRequest) -> None:
        connection = request.connection
        assert connection is not None
        connection.write_headers(
            httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": str(len(request.body))}), request.body
        )
        connection.finish()
        handles.append(connection)

    ours, theirs = socket.socketpair()
    server = HTTPServer(answer)
    server.handle_stream(IOStream(ours), ("192.0.2.1", 1))
    reader, writer = await asyncio.open_connection(sock=theirs)
    for number in range(3):
        writer.write(POST % (b"/", 4))
        await asyncio.sleep(0.01)
        for handle in handles:
            handle.finish()
            await handle.write(b"nobody asked for this")
            handle._break_off()
        writer.write(b"%04d" % number)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(4) == b"%04d" % number
    writer.close()
    await server.close_all_connections()


async def test_a_log_function_that_raises_costs_no_request(serve: Any, logs: Any) -> None:
    failures = [ValueError("first")]

    def log(handler: web.RequestHandler) -> None:
        if failures:
            raise failures.pop()

    application = web.Application([("/", Hello)], log_function=log)
    server = HTTPServer(application)
    ours, theirs = socket.socketpair()
    server.handle_stream(IOStream(ours), ("192.0.2.1", 1))
    reader, writer = await asyncio.open_connection(sock=theirs)
    writer.write(GET % b"/")
    await reader.readuntil(b"hello")
    writer.write(POST % (b"/", 4))
    await asyncio.sleep(0.01)
    writer.write(b"body")
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(4) == b"body"
    logs.take("tornado.application", "Uncaught exception GET /")
    logs.take("tornado.general", "Cannot send error response after headers written")
    writer.close()
    await server.close_all_connections()


async def test_no_body_follows_a_head_request_that_calls_itself_get(serve: Any, logs: Any) -> None:
    class Renamed(web.RequestHandler):
        def prepare(self) -> None:
            self.request.method = "GET"

        def get(self) -> None:
            self.write("hello")

    site = serve([("/", Renamed)])
    client = await site.client()
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"hello" not in await client.rest()
    logs.take("tornado.application", "Uncaught exception GET /")
    logs.take("tornado.general", "Cannot send error response after headers written")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304)])
async def test_a_length_that_is_no_number_does_not_matter_without_a_body(serve: Any, method: str, status: int) -> None:
    class Junk(web.RequestHandler):
        def get(self) -> None:
            self.set_status(status)
            self.set_header("Content-Length", "junk")

        head = get

    site = serve([("/", Junk), ("/next", Hello)])
    client = await site.client()
    client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    async with asyncio.timeout(5):
        assert b"%d" % status in await client.reader.readuntil(b"\r\n\r\n")
    client.get("/next")
    assert (await client.response())[1] == b"hello"


async def test_a_length_that_is_no_number_ends_the_connection_where_it_matters(serve: Any, logs: Any) -> None:
    class Junk(web.RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Length", "junk")
            self.write("hello")

    client = await serve([("/", Junk)]).client()
    client.get()
    assert await client.rest() == b""
    logs.take("tornado.application", "Uncaught exception GET /")
    logs.take("tornado.general", "Cannot send error response after headers written")


@pytest.mark.parametrize("options", [{}, {"no_keep_alive": True}])
@pytest.mark.parametrize("sets_close", [False, True])
async def test_http_1_0_says_what_becomes_of_the_connection(serve: Any, options: dict[str, bool], sets_close: bool) -> None:
    class Page(web.RequestHandler):
        def get(self) -> None:
            if sets_close:
                self.set_header("Connection", "close")
            self.write("hello")

    site = serve([("/", Page)], **options)
    client = await site.client()
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    head, body = await client.response()
    assert body == b"hello"
    closes = sets_close or bool(options)
    assert (b"Connection: Keep-Alive" in head) is not closes
    if closes:
        assert await client.rest() == b""


async def test_http_1_0_without_a_length_ends_with_the_connection(serve: Any) -> None:
    class Page(web.RequestHandler):
        async def get(self) -> None:
            self.write("hello")
            await self.flush()

    client = await serve([("/", Page)]).client()
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    answer = await client.rest()
    assert answer.endswith(b"\r\n\r\nhello")
    assert b"Keep-Alive" not in answer


# -- who is asking


async def test_what_a_proxy_says_of_one_request_is_not_said_of_the_next(serve: Any) -> None:
    @web.stream_request_body
    class Who(web.RequestHandler):
        def prepare(self) -> None:
            context: Any = self.request.connection.context  # type: ignore[union-attr]
            self.finish(f"{self.request.remote_ip} {self.request.protocol} {context.remote_ip}")

        def data_received(self, chunk: bytes) -> None:
            pass

    site = serve([("/", Who)], xheaders=True)
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Real-Ip: 192.0.2.9\r\nX-Scheme: https\r\n\r\n")
    assert (await client.response())[1] == b"192.0.2.9 https 192.0.2.9"
    client.get()
    assert (await client.response())[1] == b"127.0.0.1 http 127.0.0.1"


# -- contexts and tasks

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


class Contexts(web.RequestHandler):
    """Sets a variable in every hook; says what was there before."""

    def initialize(self) -> None:
        self.before = user.get()
        user.set("initialize")

    def set_default_headers(self) -> None:
        pass

    async def prepare(self) -> None:
        self.seen = [user.get()]
        user.set("prepare")

    async def get(self) -> None:
        self.seen.append(user.get())
        user.set("get")
        if self.get_query_argument("slow", ""):
            await asyncio.sleep(0.05)
        self.write(f"{self.before} {' '.join(self.seen)} {user.get()}")


async def test_each_request_has_a_context_of_its_own(serve: Any) -> None:
    site = serve([("/", Contexts)])
    client = await site.client()
    expected = b"nobody initialize prepare get"
    client.get("/?slow=1")
    await asyncio.sleep(0.02)
    client.send(GET % b"/" * 3)
    for _ in range(4):
        assert (await client.response())[1] == expected
    client.send((b"GET /?x=" + b"y" * 30_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n") * 10)  # so much that reading pauses
    for _ in range(10):
        assert (await client.response())[1] == expected
    client.get("/?slow=1")
    assert (await client.response())[1] == expected
    assert user.get() == "nobody"


async def test_all_of_one_request_runs_in_one_context(serve: Any) -> None:
    seen: list[Any] = []

    @web.stream_request_body
    class Upload(web.RequestHandler):
        def prepare(self) -> None:
            self.token = user.set("prepare")

        def data_received(self, chunk: bytes) -> Any:
            seen.append(user.get())
            user.set(f"{len(seen)} pieces")
            return self.think() if len(seen) % 2 else None

        async def think(self) -> None:
            await asyncio.sleep(0)
            user.set(user.get() + " thought over")

        def post(self) -> None:
            seen.append(user.get())
            user.reset(self.token)
            self.write(user.get())

    site = serve([("/", Upload)])
    client = await site.client()
    client.send(POST % (b"/", 9))
    for piece in (b"one", b"two", b"six"):
        count = len(seen)
        client.send(piece)
        await site.until(lambda count=count: len(seen) > count)
    assert (await client.response())[1] == b"nobody"
    assert seen == ["prepare", "1 pieces thought over", "2 pieces", "3 pieces thought over"]


async def test_a_handler_that_waits_for_what_only_it_holds_is_not_lost(serve: Any) -> None:
    class Waiting(web.RequestHandler):
        async def get(self) -> None:
            loop = asyncio.get_running_loop()
            queue: asyncio.Queue[str] = asyncio.Queue()
            # Nothing but this frame holds the queue, and the queue nothing but this task.
            found = weakref.ref(queue)

            def put() -> None:
                gc.collect()
                there = found()
                assert there is not None
                there.put_nowait("got it")

            loop.call_later(0.02, gc.collect)
            loop.call_later(0.05, put)
            self.write(await queue.get())

    client = await serve([("/", Waiting)]).client()
    client.get()
    assert (await client.response())[1] == b"got it"
    assert not web._running


async def test_a_handler_that_is_left_is_kept_until_it_ends(serve: Any) -> None:
    ended: list[str] = []

    class Waiting(web.RequestHandler):
        async def get(self) -> None:
            queue: asyncio.Queue[str] = asyncio.Queue()
            asyncio.get_running_loop().call_later(0.1, queue.put_nowait, "x")
            try:
                await queue.get()
            finally:
                ended.append("ended")

    site = serve([("/", Waiting)])
    client = await site.client()
    client.get()
    await site.until(lambda: web._running)
    client.reset()
    await site.until(lambda: not site.server._connections)
    gc.collect()
    await site.until(lambda: ended)


class Watching:
    """Stands in the place of a method, as the wrappers of monitoring agents do."""

    def __init__(self, wrapped: Any, seen: list[Any]) -> None:
        self.wrapped, self.seen = wrapped, seen

    def __get__(self, instance: Any, owner: type) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.seen.append(asyncio.current_task())
            return self.wrapped(instance, *args, **kwargs)

        return call


async def test_where_somebody_watches_a_connection_has_a_task(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(HTTPServer, "start_request", Watching(HTTPServer.start_request, seen))
    monkeypatch.setattr(web.Application, "find_handler", Watching(web.Application.find_handler, seen))
    site = serve([("/", Hello)])
    first, second = await site.client(), await site.client()
    for client in (first, first, second):
        client.get()
        assert (await client.response())[1] == b"hello"
    tasks = seen.copy()
    assert None not in tasks
    assert [task is tasks[0] for task in tasks] == [True] * 4 + [False] * 2
    first.writer.close()
    second.writer.close()
    await site.until(lambda: all(task.done() for task in tasks))
    assert asyncio.current_task() not in tasks


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_no_body_follows_a_304(serve: Any, logs: Any, version: str) -> None:
    class Unchanged(web.RequestHandler):
        async def get(self) -> None:
            self.set_status(304)
            await self.flush()
            self.write("surprise")

    client = await serve([("/", Unchanged)]).client()
    client.send(f"GET / HTTP/{version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n".encode())
    assert b"surprise" not in await client.rest()
    logs.take("tornado.application", "Uncaught exception GET /")
    logs.take("tornado.general", "Cannot send error response after headers written")


async def test_who_says_101_and_stays_goes_on_with_http(serve: Any) -> None:
    class Switching(web.RequestHandler):
        def get(self) -> None:
            self.set_status(101)

    client = await serve([("/", Switching), ("/next", Hello)]).client()
    client.get()
    assert b" 101 " in await client.reader.readuntil(b"\r\n\r\n")
    client.get("/next")
    assert (await client.response())[1] == b"hello"
