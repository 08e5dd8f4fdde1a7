"""The short ways of a server, past the delegates in and in one write out, lead to the same as the ordinary ones."""

import asyncio
import contextlib
import re
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike import httputil, iostream, routing, web
from tornadolike._http1 import select
from tornadolike.httpserver import HTTPServer

_DATE = re.compile(rb"Date: [^\r]+")


def quiet(handler: web.RequestHandler) -> None:
    """A log_function that keeps the access log quiet."""


class Page(web.RequestHandler):
    """Does what the request says."""

    def initialize(self, greeting: str = "hello") -> None:
        self.greeting = greeting

    async def get(self, *groups: str, **named: str) -> None:
        self.write(f"{self.greeting} {groups} {sorted(named.items())} {self.get_query_arguments('q')}")
        how = self.get_query_argument("how", "")
        if how == "later":
            await asyncio.sleep(0)
        elif how == "json":
            self._write_buffer.clear()
            self.write({"a": 1})
        elif how == "large":
            self.write("x" * 70_000)
        elif how == "flush":
            self.flush()
        elif how == "cookie":
            self.set_cookie("a", "b")
        else:
            self.change(how, groups)

    def change(self, how: str, groups: tuple[str, ...]) -> None:
        if how == "header":
            self.set_header("X-One", "1")
        elif how == "status":
            self.set_status(404 if groups else 200, "Because")
        elif how == "empty":
            self.set_status(204)
            self._write_buffer.clear()
        elif how == "error":
            raise web.HTTPError(418)
        elif how == "early":
            self.finish("early")
        elif how == "looked":
            assert "Date" in self._headers

    head = get

    def post(self, *groups: str, **named: str) -> None:
        self.write(self.request.body + repr(self.request.arguments).encode())


class OwnEtag(web.RequestHandler):
    def compute_etag(self) -> str:
        return '"mine"'

    def get(self) -> None:
        self.write("tagged")


@web.stream_request_body
class Upload(web.RequestHandler):
    def prepare(self) -> None:
        self.pieces: list[bytes] = []

    def data_received(self, chunk: bytes) -> None:
        self.pieces.append(chunk)

    def get(self) -> None:
        self.write("no body needed")

    def post(self) -> None:
        self.write(b"".join(self.pieces))


RULES: list[Any] = [
    (r"/page", Page),
    (r"/page/([^/]*)/(.*)", Page, {"greeting": "hi"}),
    (r"/named/(?P<one>[^/]*)", Page),
    (r"/etag", OwnEtag),
    (r"/upload", Upload),
    (r"/inner/.*", web.Application([(r"/inner/page", Page)], log_function=quiet)),
    (r"/go", web.RedirectHandler, {"url": "/page"}),
]
PATHS = ["/page", "/page/a%20b/c", "/named/%C3%A9", "/etag", "/upload", "/inner/page", "/go", "/none", "*", "http://other/page"]
HOWS = ["", "later", "json", "large", "flush", "cookie", "header", "status", "empty", "error", "early", "looked"]


class Ordinary(web.Application):
    """Overrides a step, so that no step may be left out."""

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> Any:
        return super().find_handler(request, **kwargs)


def request(method: str, path: str, how: str, fields: list[str], version: str, body: bytes) -> bytes:
    length = [f"Content-Length: {len(body)}"] if method == "POST" else []
    lines = [f"{method} {path}?how={how}&q=1 HTTP/{version}", "Host: a", *fields, *length]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body if method == "POST" else b"")


requests = st.builds(
    request,
    st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "PATCH", "DELETE"]),
    st.sampled_from(PATHS),
    st.sampled_from(HOWS),
    st.lists(
        st.sampled_from(
            [
                "Expect: 100-continue",
                "Content-Type: application/x-www-form-urlencoded",
                "If-None-Match: *",
                "Connection: keep-alive",
                "Connection: close",
                "Cookie: a=b",
                "Content-Type: text/plain",
                "X: y",
                "x: z",
            ]
        ),
        max_size=3,
        unique=True,
    ),
    st.sampled_from(["1.1", "1.1", "1.1", "1.0"]),
    st.sampled_from([b"", b"a=1"]),
)


async def conversation(application: web.Application, pieces: list[bytes], **options: Any) -> bytes:
    """What a server says to these pieces until it closes, dates taken out."""
    ours, theirs = socket.socketpair()
    server = HTTPServer(application, **options)
    server.handle_stream(iostream.IOStream(ours), ("192.0.2.1", 1))
    theirs.setblocking(False)
    answer = b""
    with theirs, contextlib.suppress(ConnectionError):  # it may close before it has read everything
        for piece in pieces:
            theirs.send(piece)
            await asyncio.sleep(0)
        while data := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 65536), 10):
            answer += data
    await server.close_all_connections()
    return _DATE.sub(b"Date: now", answer)


LAST = b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("engine", ["h11", "httptools"])
@given(wires=st.lists(requests, min_size=1, max_size=3), split=st.booleans())
@settings(max_examples=60, deadline=None)
def test_both_ways_answer_alike(engine: str, wires: list[bytes], split: bool) -> None:
    pieces = [*wires, LAST]
    if split:
        pieces = [half for piece in pieces for half in (piece[:20], piece[20:])]
    select.set_default(engine)
    try:
        short = asyncio.run(conversation(web.Application(RULES, log_function=quiet), pieces))
        ordinary = asyncio.run(conversation(Ordinary(RULES, log_function=quiet), pieces))
    finally:
        select.set_default(None)
    assert short == ordinary


@pytest.mark.parametrize("fields", [b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n"])
@pytest.mark.parametrize("how", [b"", b"?how=large", b"?how=status"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_what_is_known_of_the_answer_afterwards(how: bytes, fields: bytes, version: bytes) -> None:
    seen: list[tuple[str, str]] = []

    def note(handler: web.RequestHandler) -> None:
        seen.extend(field for field in handler._headers.get_all() if field[0] != "Date")

    asked = b"GET /page%b HTTP/%b\r\nHost: a\r\n%b\r\n" % (how, version, fields)
    await conversation(web.Application(RULES, log_function=note), [asked, LAST])
    short = seen.copy()
    seen.clear()
    await conversation(Ordinary(RULES, log_function=note), [asked, LAST])
    assert short == seen
    if version == b"1.1":
        assert short[-1] == ("Connection", "close")


GET = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (web.Application, "start_request"),
        (web.Application, "find_handler"),
        (web.Application, "get_handler_delegate"),
        (web._HandlerDelegate, "execute"),
        (web._HandlerDelegate, "finish"),
        (routing._RoutingDelegate, "headers_received"),
        (HTTPServer, "start_request"),
        (web.RequestHandler, "flush"),
        (web.RequestHandler, "compute_etag"),
        (web.RequestHandler, "set_etag_header"),
        (web.RequestHandler, "check_etag_header"),
    ],
)
async def test_a_step_that_somebody_replaced_is_not_left_out(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    before, called = getattr(owner, name), []

    def instrumented(self: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(name)
        return before(self, *args, **kwargs)

    if owner is HTTPServer:
        # Overriding is how a server is changed; the class itself counts as the ordinary one.
        server = type("Server", (HTTPServer,), {name: instrumented})
        monkeypatch.setitem(globals(), "HTTPServer", server)
    else:
        monkeypatch.setattr(owner, name, instrumented)
    answer = await conversation(web.Application([(r"/page", Page)], log_function=quiet), [GET, LAST])
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert called.count(name) >= 2


async def test_a_step_replaced_on_one_application_is_not_left_out() -> None:
    application, called = web.Application([(r"/page", Page)], log_function=quiet), []
    before = application.find_handler
    application.find_handler = lambda request, **kwargs: called.append(request.path) or before(request, **kwargs)  # type: ignore[method-assign,func-returns-value]
    await conversation(application, [GET, LAST])
    assert called == ["/page", "/page"]


@pytest.mark.parametrize("options", [{"xheaders": True}, {"decompress_request": True}])
async def test_options_that_change_requests_work_on_all(options: dict[str, bool]) -> None:
    class Seen(web.RequestHandler):
        def get(self) -> None:
            headers = self.request.headers
            self.write(f"{self.request.remote_ip} {headers.get('X-Consumed-Content-Encoding')}")

    fields = b"X-Real-Ip: 192.0.2.9\r\nContent-Encoding: gzip\r\n\r\n"
    answer = await conversation(web.Application([(r"/page", Seen)], log_function=quiet), [LAST[:-2] + fields], **options)
    assert answer.endswith(b"192.0.2.9 None" if "xheaders" in options else b"0.0.0.0 gzip")


async def test_rules_may_change_between_requests() -> None:
    application = web.Application([(r"/page", Page)], log_function=quiet)
    asked = [GET.replace(b"/page", b"/new"), LAST]
    assert b"404" in (await conversation(application, asked))[:20]
    application.wildcard_router.rules.insert(0, web.URLSpec(r"/new", Page, {"greeting": "new"}))
    assert b"new ()" in await conversation(application, asked)
    application.wildcard_router.rules[0].target = OwnEtag
    application.wildcard_router.rules[0].target_kwargs = {}
    assert b"tagged" in await conversation(application, asked)
    application.add_handlers(r"a", [(r"/new", Page, {"greeting": "host a"})])
    assert b"host a" in await conversation(application, asked)


async def test_a_body_that_is_there_is_taken_at_once_unless_it_is_too_long(logs: Any) -> None:
    post = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=1"
    application = web.Application(RULES, log_function=quiet)
    answer = await conversation(application, [post % b"/page" + post % b"/upload" + LAST], max_body_size=3)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    for path in (b"/page", b"/upload"):
        answer = await conversation(application, [post % path], max_body_size=2)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n\r\n"), path
        logs.take("tornado.general", "Content-Length too long")


async def test_a_streaming_handler_may_lower_the_limit_for_a_body_that_is_there(logs: Any) -> None:
    @web.stream_request_body
    class Small(Upload):
        def prepare(self) -> None:
            super().prepare()
            self.request.connection.set_max_body_size(2)  # type: ignore[union-attr]

    post = b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=1"
    for application in (web.Application([("/small", Small)]), Ordinary([("/small", Small)])):
        answer = await conversation(application, [post])
        assert answer == b"HTTP/1.1 400 Bad Request\r\n\r\n"
        logs.take("tornado.general", "Content-Length too long")


async def test_the_headers_of_an_answer_are_there_afterwards() -> None:
    seen: list[dict[str, str]] = []
    application = web.Application([(r"/page", Page)], log_function=lambda handler: seen.append(dict(handler._headers)))
    answer = await conversation(application, [GET, LAST])
    for headers, head in zip(seen, re.findall(rb"HTTP/1.1 200 OK\r\n(.*?)\r\n\r\n", answer, re.DOTALL), strict=True):
        told = [line.split(b": ")[0].decode() for line in head.split(b"\r\n") if line]
        assert list(headers) == told


async def test_the_headers_of_a_request_may_be_changed_by_its_handler() -> None:
    class Conditional(web.RequestHandler):
        def prepare(self) -> None:
            self.request.headers["If-None-Match"] = "*"

        def get(self) -> None:
            self.write("x")

    answer = await conversation(web.Application([(r"/page", Conditional)], log_function=quiet), [LAST])
    assert answer.startswith(b"HTTP/1.1 304 ")
