"""What users of Tornado have reported about its server; each test says where."""

import asyncio
import logging
import os
import socket
import unittest.mock
from http.cookies import CookieError
from typing import Any

import pytest

from tornadolike import web, wsgi
from tornadolike.httpserver import HTTPServer
from tornadolike.iostream import IOStream, StreamClosedError
from tornadolike.routing import PathMatches
from tornadolike.websocket import WebSocketHandler


class Hello(web.RequestHandler):
    def get(self) -> None:
        self.write("hello")

    post = get


def ask(path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: a", *fields, "", ""]).encode()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["X-Forwarded-For: [2001:db8::10]"], b"2001:db8::10 http"),
        (["X-Forwarded-For: 192.0.2.7:1234"], b"192.0.2.7 http"),
        (["X-Forwarded-For: [2001:db8::10]:99, [2001:db8::1]:80"], b"2001:db8::10 http"),
        (["X-Real-Ip: [2001:db8::10]"], b"2001:db8::10 http"),
        (["X-Forwarded-Proto: HTTPS"], b"127.0.0.1 https"),
        (["X-Scheme: Https"], b"127.0.0.1 https"),
    ],
)
async def test_tornado_3561_what_proxies_write(serve: Any, fields: list[str], expected: bytes) -> None:
    class Who(web.RequestHandler):
        def get(self) -> None:
            self.write(f"{self.request.remote_ip} {self.request.protocol}")

    client = await serve([("/", Who)], xheaders=True, trusted_downstream=["2001:db8::1"]).client()
    client.send(ask("/", *fields))
    assert (await client.response())[1] == expected


class Cookies(web.RequestHandler):
    def get(self) -> None:
        self.write(f"{self.get_cookie('a')} {self.cookies['a'].value} {list(self.request.cookies)} {self.request.headers['Cookie']}")


async def test_jupyterhub_4750_the_first_of_equal_cookies_counts(serve: Any) -> None:
    client = await serve([("/", Cookies)]).client()
    client.send(ask("/", "Cookie: a=narrow; b=2; a=wide"))
    assert (await client.response())[1] == b"narrow narrow ['a', 'b'] a=narrow; b=2; a=wide"


async def test_two_cookie_fields_are_one_list(serve: Any) -> None:
    client = await serve([("/", Cookies)]).client()
    client.send(ask("/", "Cookie: a=1", "Cookie: b=2"))
    assert (await client.response())[1] == b"1 1 ['a', 'b'] a=1; b=2"


@pytest.mark.parametrize("how", ["flush", "finish"])
async def test_cylc_uiserver_254_whoever_leaves_is_no_error(serve: Any, logs: Any, how: str) -> None:
    """Also zulip#22336."""
    began = asyncio.Event()
    ended: list[str] = []

    class Large(web.RequestHandler):
        async def get(self) -> None:
            began.set()
            self.write(b"x" * 30_000_000)
            await (self.flush() if how == "flush" else self.finish())

        def on_connection_close(self) -> None:
            ended.append("close")

        def on_finish(self) -> None:
            ended.append("finish")

    site = serve([("/", Large)])
    client = await site.client()
    client.get()
    await began.wait()
    client.reset()
    await site.until(lambda: not web._running)
    logs.take("tornado.general", r"GET / \(127.0.0.1\): the client has left", logging.INFO)
    assert ended == (["close", "finish"] if how == "flush" else ["finish"])  # it was finished with, as far as the handler is concerned
    assert not logs.records


async def test_who_hears_of_another_stream_that_its_client_has_left_is_finished_with(serve: Any, logs: Any) -> None:
    """No answer has begun: 500, as on Tornado, for the log and for whoever counts."""
    ended: list[Any] = []

    class Elsewhere(web.RequestHandler):
        async def get(self) -> None:
            gone.set()
            await left.wait()
            raise StreamClosedError

        def on_connection_close(self) -> None:
            left.set()

        def on_finish(self) -> None:
            ended.append(self.get_status())

    gone, left = asyncio.Event(), asyncio.Event()
    site = serve([("/", Elsewhere)])
    client = await site.client()
    client.get()
    await gone.wait()
    client.reset()
    await site.until(lambda: not web._running)
    logs.take("tornado.general", r"GET / \(127.0.0.1\): the client has left", logging.INFO)
    logs.take("tornado.access", r"500 GET / \(127.0.0.1\) .*ms", logging.ERROR)
    assert ended == [500]


async def test_a_handler_hears_of_it_before_its_flush_fails(serve: Any, logs: Any) -> None:
    heard: list[str] = []

    class Large(web.RequestHandler):
        async def get(self) -> None:
            heard.append("get")
            self.write(b"x" * 30_000_000)
            try:
                await self.flush()
            finally:
                heard.append("failed")

        def on_connection_close(self) -> None:
            heard.append("close")

    site = serve([("/", Large)])
    client = await site.client()
    client.get()
    await site.until(lambda: heard)
    client.reset()
    await site.until(lambda: len(heard) == 3)
    assert heard == ["get", "close", "failed"]
    logs.take("tornado.general", "the client has left")


async def test_tornado_892_a_file_changed_within_a_second_has_another_tag(serve: Any, tmp_path: Any) -> None:
    """Also python-livereload#183."""
    path = tmp_path / "a.txt"
    site = serve([("/(.*)", web.StaticFileHandler, {"path": str(tmp_path)})])
    client = await site.client()
    tags, now = [], 1_700_000_000_000_000_000
    for number in range(3):
        path.write_bytes(b"text %d" % number)
        os.utime(path, ns=(now + number, now + number))
        client.send(ask("/a.txt", *([f"If-None-Match: {tags[-1]}"] if tags else [])))
        head, body = await client.response()
        assert b" 200 " in head
        assert body == b"text %d" % number
        tags.append(next(line[6:] for line in head.decode().split("\r\n") if line.startswith("Etag: ")))
    assert len(set(tags)) == 3
    settings = {"static_path": str(tmp_path)}
    before = web.StaticFileHandler.make_static_url(settings, "a.txt")
    path.write_bytes(b"text 4")
    assert web.StaticFileHandler.make_static_url(settings, "a.txt") != before


async def test_gunicorn_2317_at_most_one_more_after_stop(serve: Any) -> None:
    """Also tornado#1700."""
    site = serve([("/", Hello)])
    client = await site.client()
    client.get()
    await client.response()
    site.server.stop()
    client.get()
    head, body = await client.response()
    assert body == b"hello"
    assert b"Connection: close" in head
    assert await client.rest() == b""


@pytest.fixture
def zipped(serve: Any, tmp_path: Any) -> Any:
    (tmp_path / "a.txt").write_bytes(b"text " * 1000)

    class Page(web.RequestHandler):
        def get(self) -> None:
            self.write("text " * 1000)

        head = get

    routes = [("/page", Page), ("/(.*)", web.StaticFileHandler, {"path": str(tmp_path)})]
    return HTTPServer(web.Application(routes, compress_response=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/page", "/a.txt"])
async def test_tornado_1580_head_says_what_get_would(zipped: Any, path: str) -> None:
    heads = []
    for method in ("GET", "HEAD"):
        answer = await said(zipped, ask(path, "Accept-Encoding: gzip", "Connection: close", method=method))
        heads.append({line.partition(b":")[0]: line for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]})
    for one in heads:
        one.pop(b"Date")
        one.pop(b"Transfer-Encoding", None)  # of a body that there is not
    assert heads[0] == heads[1]
    assert heads[0][b"Content-Encoding"] == b"Content-Encoding: gzip"
    assert heads[0][b"Etag"].startswith(b'Etag: W/"')


async def test_tornado_1580_who_gets_gzip(zipped: Any) -> None:
    for field, wanted in [("gzip;q=0", False), ("x-gzip-not", False), ("GZIP", True), ("br, gzip;q=0.3", True)]:
        answer = await said(zipped, ask("/page", f"Accept-Encoding: {field}", "Connection: close"))
        assert (b"Content-Encoding: gzip" in answer) is wanted, field
    answer = await said(zipped, ask("/a.txt", "Accept-Encoding: gzip", "Range: bytes=0-2999", "Connection: close"))
    assert b" 206 " in answer
    assert b"Content-Encoding" not in answer
    assert answer.endswith(b"\r\n\r\n" + (b"text " * 1000)[:3000])


async def said(server: HTTPServer, request: bytes) -> bytes:
    ours, theirs = socket.socketpair()
    server.handle_stream(IOStream(ours), ("192.0.2.1", 1))
    reader, writer = await asyncio.open_connection(sock=theirs)
    writer.write(request)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


def raises(environ: Any, start_response: Any) -> Any:
    raise LookupError("lost")


def silent(environ: Any, start_response: Any) -> Any:
    return [b"x"]


def odd(environ: Any, start_response: Any) -> Any:
    start_response("OK", [])
    return [b"x"]


@pytest.mark.parametrize("application", [raises, silent, odd])
async def test_a_wsgi_application_that_fails_is_answered(logs: Any, application: Any) -> None:
    answer = await said(HTTPServer(wsgi.WSGIContainer(application)), ask("/x", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    logs.take("tornado.application", "Exception in the WSGI application for GET /x")
    logs.take("tornado.access", "500 GET /x")


async def test_the_redirect_to_a_directory_keeps_the_query(serve: Any, tmp_path: Any) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text("index")
    client = await serve([("/(.*)", web.StaticFileHandler, {"path": str(tmp_path), "default_filename": "index.html"})]).client()
    client.send(ask("/sub?a=1&b=%20"))
    head, _ = await client.response()
    assert b"301" in head
    assert b"Location: /sub/?a=1&b=%20\r\n" in head


async def test_tornado_1236_routes_outside_ascii(serve: Any) -> None:
    class Echo(web.RequestHandler):
        def get(self, name: str) -> None:
            self.write(name)

    client = await serve([("/café/(.*)", Echo)]).client()
    client.send(ask("/caf%C3%A9/cr%c3%a8me%2F"))
    assert (await client.response())[1].decode() == "crème/"
    assert PathMatches("/café/(.*)").reverse("crème") == "/caf%C3%A9/cr%C3%A8me"


def test_a_cookie_that_is_refused_leaves_nothing() -> None:
    handler = web.RequestHandler(web.Application(), unittest.mock.MagicMock())
    with pytest.raises(CookieError):
        handler.set_cookie("a", "b", Max_Age=5)
    assert not getattr(handler, "_new_cookie", None)


@pytest.mark.parametrize(
    ("arguments", "attribute"), [({"max_age": 0}, "Max-Age=0"), ({"expires": 0}, "expires=Thu, 01 Jan 1970 00:00:00 GMT")]
)
def test_a_cookie_may_expire_at_once(arguments: dict[str, int], attribute: str) -> None:
    handler = web.RequestHandler(web.Application(), unittest.mock.MagicMock())
    handler.set_cookie("a", "b", **arguments)  # type: ignore[arg-type]
    assert handler._new_cookie is not None
    assert attribute in handler._new_cookie["a"].OutputString()


@pytest.mark.parametrize("value", ["somebody|else|s", "2|x", "eA==|1700000000|0123456789abcdef0123456789abcdef01234567", "1"])
def test_foreign_cookies_are_none_with_a_dictionary_of_secrets(value: str) -> None:
    assert web.decode_signed_value({1: "old", 2: "new"}, "name", value) is None


async def test_a_streaming_handler_that_does_not_call_super_ends(serve: Any) -> None:
    began: list[str] = []

    @web.stream_request_body
    class Upload(web.RequestHandler):
        def prepare(self) -> None:
            began.append("prepare")

        def data_received(self, chunk: bytes) -> None:
            pass

        def on_connection_close(self) -> None:
            began.append("close")

    site = serve([("/", Upload)])
    client = await site.client()
    client.send(ask("/", "Content-Length: 10", method="POST"))
    await site.until(lambda: began)
    client.writer.close()
    await site.until(lambda: not web._running)
    assert began == ["prepare", "close"]


@web.stream_request_body
class Upload(web.RequestHandler):
    heard: list[str] = []

    def prepare(self) -> None:
        Upload.heard = []

    def data_received(self, chunk: bytes) -> Any:
        Upload.heard.append("data")
        way = self.request.path[1:]
        if way.startswith("later"):
            return self.later(way)
        raise self.error(way)

    async def later(self, way: str) -> None:
        await asyncio.sleep(0)
        raise self.error(way)

    def error(self, way: str) -> BaseException:
        self.set_status(403)
        kinds = {"http": web.HTTPError(413), "value": ValueError("bad"), "cancel": asyncio.CancelledError(), "end": web.Finish("enough")}
        return kinds[way.rpartition("-")[2]]

    def post(self) -> None:
        Upload.heard.append("post")

    def on_finish(self) -> None:
        Upload.heard.append("finish")


@pytest.mark.parametrize("size", [3, 300_000])
@pytest.mark.parametrize("later", ["", "later-"])
@pytest.mark.parametrize(("way", "status"), [("http", 413), ("value", 500), ("cancel", 500), ("end", 403)])
async def test_tornado_1223_what_data_received_raises_is_answered(
    serve: Any, logs: Any, way: str, later: str, status: int, size: int
) -> None:
    site = serve([("/.*", Upload)])
    client = await site.client()
    client.send(ask(f"/{later}{way}", f"Content-Length: {size}", method="POST") + b"x" * size)
    head, body = await client.response()
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert (body == b"enough") is (way == "end")
    assert Upload.heard == ["data", "finish"]
    await site.until(lambda: not web._running)
    if status == 500:
        logs.take("tornado.application", "Uncaught exception POST /")
    logs.take("tornado.access", f"{status} POST /")


class Unmade(web.RequestHandler):
    def initialize(self, error: Exception) -> None:
        raise error

    def prepare(self) -> None:
        raise AssertionError("it was not made")

    get = post = prepare


@web.stream_request_body
class UnmadeUpload(Unmade):
    def data_received(self, chunk: bytes) -> None:
        raise AssertionError("it was not made")


class UnmadeSocket(WebSocketHandler):
    def initialize(self, error: Exception) -> None:
        raise error

    def on_message(self, message: str | bytes) -> None:
        raise AssertionError("it was not made")


@pytest.mark.parametrize("size", [3, 300_000])
@pytest.mark.parametrize("handler", [Unmade, UnmadeUpload, UnmadeSocket])
@pytest.mark.parametrize(("error", "status"), [({"error": ValueError()}, 500), ({"error": web.HTTPError(403)}, 403), ({"unknown": 1}, 500)])
async def test_h5serv_65_what_making_a_handler_raises_is_answered(
    serve: Any, logs: Any, handler: type[web.RequestHandler], error: dict[str, Any], status: int, size: int
) -> None:
    client = await serve(web.Application([("/", handler, error), ("/hello", Hello)], xsrf_cookies=True)).client()
    client.send(ask("/", f"Content-Length: {size}", method="POST") + b"x" * size)
    assert (await client.response())[0].startswith(b"HTTP/1.1 %d " % status)
    if handler is not UnmadeUpload:
        client.send(ask("/hello"))  # the connection has gone on
        assert (await client.response())[1] == b"hello"
    if status == 500:
        logs.take("tornado.application", "Uncaught exception POST /")
    logs.take("tornado.access", f"{status} POST /")


async def test_tornado_1223_behind_the_beginning_of_an_answer(serve: Any, logs: Any) -> None:
    @web.stream_request_body
    class Echo(web.RequestHandler):
        async def data_received(self, chunk: bytes) -> None:
            self.write(b"part")
            await self.flush()
            raise ValueError("bad")

    client = await serve([("/", Echo)]).client()
    client.send(ask("/", "Content-Length: 100", method="POST") + b"x")
    assert b"part" in await client.rest()
    logs.take("tornado.application", "Uncaught exception POST /")
    logs.take("tornado.general", "Cannot send error response after headers written")


async def test_tornado_2769_a_file_that_grows_while_it_is_sent(serve: Any, tmp_path: Any) -> None:
    class Growing(web.StaticFileHandler):
        @classmethod
        def get_content(cls, abspath: str, start: int | None = None, end: int | None = None) -> Any:
            with open(abspath, "ab") as file:
                file.write(b"b" * 100_000)
            yield from super().get_content(abspath, start, end)

        @classmethod
        def get_content_version(cls, abspath: str) -> str:
            return "1"

    for size in (10, 200_000):
        (tmp_path / "log").write_bytes(b"a" * size)
        client = await serve([("/(.*)", Growing, {"path": str(tmp_path)})]).client()
        client.send(ask("/log"))
        assert (await client.response())[1] == b"a" * size
        client.send(ask("/log"))  # the connection has gone on
        assert len((await client.response())[1]) == size + 100_000


async def test_tornado_1046_a_large_file_is_not_read_for_a_version(serve: Any, tmp_path: Any, logs: Any, monkeypatch: Any) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1_000_000)
    monkeypatch.setattr(web.StaticFileHandler, "MAX_VERSION_CONTENT_SIZE", 999_999)
    monkeypatch.setattr(web.static_files, "chunks", lambda *_: pytest.fail("it is read"))
    assert web.StaticFileHandler.make_static_url({"static_path": str(tmp_path)}, "large") == "/static/large"
    logs.take("tornado.general", "Could not open static file .* larger than MAX_VERSION_CONTENT_SIZE")
