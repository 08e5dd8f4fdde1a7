"""A Tornado application as an ASGI application, over a server in memory. Each trap of the specification has a test that names it."""

import asyncio
import contextvars
import gc
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import async_asgi_testclient
import httpx
import pytest

from tests.asgi.conftest import Host
from tornadolike import asgi, httputil, web
from tornadolike._asgi_hosted import carrier, http_exchange
from tornadolike.ioloop import IOLoop, PeriodicCallback
from tornadolike.iostream import StreamClosedError

EXPECTED = "expected"


class Echo(web.RequestHandler):
    def get(self) -> None:
        request = self.request
        names = ("method", "uri", "path", "query", "version", "remote_ip", "protocol", "host", "host_name")
        self.write(
            {**{name: getattr(request, name) for name in names}, "full_url": request.full_url(), "arguments": sorted(request.arguments)}
        )

    head = get

    def post(self) -> None:
        self.write({"a": self.get_argument("a", None), "body": self.request.body.decode("latin-1"), "files": sorted(self.request.files)})


def adapter(*routes: Any, **settings: Any) -> asgi.ASGIAdapter:
    return asgi.ASGIAdapter(web.Application([*routes, ("/echo.*", Echo)], **settings))


async def test_a_request_looks_as_on_our_own_server(host: Host) -> None:
    host.app = adapter()
    seen = json.loads((await host.fetch("GET", "/echo?b=1&c=2")).body)
    assert seen == {
        "method": "GET",
        "uri": "/echo?b=1&c=2",
        "path": "/echo",
        "query": "b=1&c=2",
        "version": "HTTP/1.1",
        "remote_ip": "192.0.2.7",
        "protocol": "http",
        "host": "example.org",
        "host_name": "example.org",
        "full_url": "http://example.org/echo?b=1&c=2",
        "arguments": ["b", "c"],
    }


@pytest.mark.parametrize(("number", "shown"), [("1.0", "HTTP/1.0"), ("2", "HTTP/2.0"), ("3", "HTTP/3.0")])
async def test_versions(host: Host, number: str, shown: str) -> None:
    host.app = adapter()
    assert json.loads((await host.fetch("GET", "/echo", http_version=number)).body)["version"] == shown


async def test_a_complete_answer_is_two_messages_and_the_server_adds_date_and_server(host: Host) -> None:
    host.app = adapter()
    call = await host.fetch("GET", "/echo")
    assert [message["type"] for message in call.sent] == ["http.response.start", "http.response.body"]
    assert set(call.headers) == {"content-type", "content-length", "etag"}
    assert int(call.headers["content-length"]) == len(call.body)


async def test_head_answers_have_a_length_and_no_body(host: Host) -> None:
    host.app = adapter()
    call = await host.fetch("HEAD", "/echo")
    assert int(call.headers["content-length"]) > 100
    assert call.body == b""
    assert len(call.sent) == 2


async def test_what_the_client_has_is_304(host: Host) -> None:
    host.app = adapter()
    etag = (await host.fetch("GET", "/echo")).headers["etag"]
    call = await host.fetch("GET", "/echo", headers=[(b"if-none-match", etag.encode())])
    assert (call.status, call.body) == (304, b"")
    assert "content-length" not in call.headers


async def test_forms_and_files(host: Host) -> None:
    host.app = adapter()
    form = await host.fetch("POST", "/echo", b"a=x%20y", headers=[(b"content-type", b"application/x-www-form-urlencoded")])
    assert json.loads(form.body) == {"a": "x y", "body": "a=x%20y", "files": []}
    part = b'--q\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\ncontent\r\n--q--\r\n'
    upload = await host.fetch("POST", "/echo", part, headers=[(b"content-type", b"multipart/form-data; boundary=q")])
    assert json.loads(upload.body)["files"] == ["f"]


async def test_trap_a_post_without_length_is_asked_for_its_body(host: Host) -> None:
    host.app = adapter()
    call = host.http("POST", "/echo")
    call.say("http.request", body=b"one", more_body=True)
    call.say("http.request", body=b"two")  # more_body is optional
    await call.end()
    assert json.loads(call.body)["body"] == "onetwo"


async def test_trap_http2_announces_no_body(host: Host) -> None:
    class Body(web.RequestHandler):
        def get(self) -> None:
            self.write(self.request.body)

    host.app = adapter(("/body", Body))
    call = host.http("GET", "/body", http_version="2")
    call.say("http.request", body=b"text", more_body=False)
    await call.end()
    assert call.body == b"text"


async def test_trap_repeated_cookies_are_joined_with_semicolons(host: Host) -> None:
    class Cookies(web.RequestHandler):
        def get(self) -> None:
            self.write({name: self.get_cookie(name) for name in self.request.cookies})

    host.app = adapter(("/", Cookies))
    call = await host.fetch("GET", headers=[(b"cookie", b"a=1"), (b"cookie", b"b=2; c=3")])
    assert json.loads(call.body) == {"a": "1", "b": "2", "c": "3"}


async def test_cookies_of_the_response_stay_apart(host: Host) -> None:
    class Login(web.RequestHandler):
        def get(self) -> None:
            self.set_cookie("a", "1")
            self.set_signed_cookie("b", "2")

    host.app = adapter(("/", Login), cookie_secret="s")
    call = await host.fetch("GET")
    assert len([value for name, value in call.sent[0]["headers"] if name == b"set-cookie"]) == 2


async def test_trap_raw_path_may_be_missing(host: Host) -> None:
    class Name(web.RequestHandler):
        def get(self, name: str) -> None:
            self.write(f"{name}|{self.request.uri}")

    host.app = adapter((r"/n/([^/]*)", Name))
    whole = await host.fetch("GET", "/n/x", path="/n/ä b", raw_path=b"/n/%C3%A4%20b")
    assert whole.body.decode() == "ä b|/n/%C3%A4%20b"
    without = await host.fetch("GET", "/n/x", path="/n/ä b", raw_path=None)
    assert without.body.decode() == "ä b|/n/%C3%A4%20b"


async def test_trap_a_quoted_slash_is_no_slash(host: Host) -> None:
    class Name(web.RequestHandler):
        def get(self, name: str) -> None:
            self.write(name)

    host.app = adapter((r"/n/([^/]*)", Name))
    call = await host.fetch("GET", "/n/x", path="/n/a/b", raw_path=b"/n/a%2Fb")
    assert call.body == b"a/b"


class Links(web.RequestHandler):
    def get(self) -> None:
        self.write(
            " ".join([self.request.path, self.request.uri, self.request.full_url(), self.reverse_url("links"), self.static_url("a")])
        )


@pytest.mark.parametrize(
    ("path", "raw_path"), [("/app/links", b"/app/links"), ("/app/links", b"/links"), ("/app/links", None), ("/links", b"/links")]
)
async def test_trap_root_path_is_part_of_path(host: Host, path: str, raw_path: bytes | None, tmp_path: Path) -> None:
    """The last is what hypercorn, granian, daphne and gunicorn say behind a proxy that takes the root path away."""
    (tmp_path / "a").write_bytes(b"")
    application = web.Application([web.url("/links", Links, name="links")], static_path=str(tmp_path))
    host.app = asgi.ASGIAdapter(application)
    scope = {"path": path, "raw_path": raw_path, "root_path": "/app"}
    routed, uri, full_url, reversed_url, static_url = (await host.fetch("GET", **scope)).body.decode().split()
    assert (routed, uri, full_url, reversed_url) == ("/links", "/app/links", "http://example.org/app/links", "/app/links")
    assert static_url.startswith("/app/static/a?v=")


@pytest.mark.parametrize(("path", "root_path", "status"), [("/application", "/app", 404), ("/app", "/app", 200), ("/", "/app", 200)])
async def test_only_whole_segments_of_the_root_path_are_stripped(host: Host, logs: Any, path: str, root_path: str, status: int) -> None:
    class Root(web.RequestHandler):
        def get(self) -> None:
            self.write(self.request.path)

    host.app = adapter(("/", Root))
    assert (await host.fetch("GET", path, root_path=root_path)).status == status
    if status == 404:
        logs.take("tornado.access", "404 GET /app/application")


async def test_the_root_path_can_be_kept(host: Host) -> None:
    host.app = asgi.ASGIAdapter(web.Application([("/app/echo", Echo)]), root_path="keep")
    assert (await host.fetch("GET", "/app/echo", root_path="/app")).status == 200
    with pytest.raises(ValueError, match="root_path"):
        asgi.ASGIAdapter(web.Application(), root_path="other")  # type: ignore[arg-type]  # that is the point


async def test_redirects_of_slashes_stay_below_the_root_path(host: Host) -> None:
    class Slash(web.RequestHandler):
        @web.addslash
        def get(self) -> None:
            raise AssertionError

    host.app = adapter(("/s/?", Slash))
    assert (await host.fetch("GET", "/app/s?x=1", root_path="/app")).headers["location"] == "/app/s/?x=1"


async def test_the_delegate_of_a_router_sees_the_stripped_path(host: Host) -> None:
    def answer(request: httputil.HTTPServerRequest) -> None:
        body = request.path.encode()
        request.connection.write_headers(
            httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": str(len(body))}), body
        )
        request.connection.finish()

    host.app = asgi.ASGIAdapter(answer)
    assert (await host.fetch("POST", "/app/x", root_path="/app")).body == b"/x"


async def test_websocket_schemes_and_missing_clients(host: Host) -> None:
    host.app = adapter()
    seen = json.loads((await host.fetch("GET", "/echo", scheme="https", client=None)).body)
    assert (seen["protocol"], seen["remote_ip"]) == ("https", "0.0.0.0")


async def test_flush_sends_the_head_and_waits_for_the_server(host: Host) -> None:
    steps: list[str] = []

    class Slow(web.RequestHandler):
        async def get(self) -> None:
            await self.flush()
            for number in range(3):
                self.write(f"{number}")
                await self.flush()
                steps.append(f"flushed {number}")

    host.app = adapter(("/", Slow))
    call = host.http("GET")
    call.open.clear()
    await asyncio.sleep(0.01)
    assert steps == []
    call.open.set()
    await call.end()
    assert (call.body, steps) == (b"012", ["flushed 0", "flushed 1", "flushed 2"])
    assert "transfer-encoding" not in call.headers


async def test_trap_a_head_goes_out_only_with_a_body_event(host: Host) -> None:
    release = asyncio.Event()

    class Events(web.RequestHandler):
        async def get(self) -> None:
            await self.flush()
            await release.wait()

    host.app = adapter(("/", Events))
    call = host.http("GET")
    await call.until(lambda: len(call.sent) == 2)
    assert call.sent[1] == {"type": "http.response.body", "body": b"", "more_body": True}
    release.set()
    await call.end()
    assert call.is_complete


@web.stream_request_body
class Upload(web.RequestHandler):
    pieces: list[int]
    release: asyncio.Event

    def initialize(self, pieces: list[int], release: asyncio.Event) -> None:
        self.pieces, self.release = pieces, release

    async def data_received(self, chunk: bytes) -> None:
        self.pieces.append(len(chunk))
        await self.release.wait()

    def put(self) -> None:
        self.write(str(sum(self.pieces)))

    def on_connection_close(self) -> None:
        self.pieces.append(-1)
        super().on_connection_close()


async def test_a_streamed_body_is_fetched_as_it_is_taken(host: Host) -> None:
    pieces: list[int] = []
    release = asyncio.Event()
    host.app = adapter(("/", Upload, {"pieces": pieces, "release": release}))
    call = host.http("PUT")
    for _ in range(3):
        call.say("http.request", body=b"x" * 10, more_body=True)
    call.say("http.request", body=b"", more_body=False)
    await call.until(lambda: pieces)
    await asyncio.sleep(0.01)
    assert (pieces, call.unread) == ([10], 3)
    release.set()
    await call.end()
    assert call.body == b"30"


async def test_an_early_answer_does_not_wait_for_the_body(host: Host, logs: Any) -> None:
    @web.stream_request_body
    class Refusing(web.RequestHandler):
        def prepare(self) -> None:
            raise web.HTTPError(403)

        def data_received(self, chunk: bytes) -> None:
            raise AssertionError("it was refused")

    host.app = adapter(("/", Refusing))
    call = host.http("PUT")
    await call.end()
    assert call.status == 403
    logs.take("tornado.access", "403 PUT")


async def test_a_body_beyond_the_limit_is_answered_400(host: Host, logs: Any) -> None:
    host.app = asgi.ASGIAdapter(web.Application([("/", Echo)]), max_body_size=10)
    assert (await host.fetch("POST", "/", b"x" * 11)).status == 400
    logs.take("tornado.general", "Malformed HTTP message from 192.0.2.7: Content-Length too long")
    call = host.http("POST", "/")
    for _ in range(2):
        call.say("http.request", body=b"x" * 6, more_body=True)
    await call.end()
    assert call.status == 400
    logs.take("tornado.general", "Malformed HTTP message from 192.0.2.7: body too large")
    assert (await host.fetch("POST", "/", b"x" * 10)).status == 200


async def test_trap_headers_of_a_scope_may_be_what_can_be_iterated_over_once(host: Host, logs: Any) -> None:
    host.app = asgi.ASGIAdapter(web.Application([("/", Echo)]), max_body_size=10)
    fields = [(b"host", b"example.org"), (b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"3")]
    call = host.http("POST", "/", b"a=1", headers=iter(fields))
    call.scope["headers"] = iter(fields)
    await call.end()
    assert json.loads(call.body)["a"] == "1"
    call = host.http("POST", "/", None)
    call.scope["headers"] = iter([fields[0], (b"content-length", b"11")])
    await call.end()  # nothing of the body was asked for
    assert call.status == 400
    logs.take("tornado.general", "Content-Length too long")


async def test_a_handler_may_allow_larger_bodies(host: Host) -> None:
    @web.stream_request_body
    class Large(web.RequestHandler):
        size = 0

        def prepare(self) -> None:
            self.request.connection.set_max_body_size(100)
            self.request.connection.set_body_timeout(60)

        def data_received(self, chunk: bytes) -> None:
            self.size += len(chunk)

        def put(self) -> None:
            self.write(str(self.size))

    host.app = asgi.ASGIAdapter(web.Application([("/", Large)]), max_body_size=10)
    assert (await host.fetch("PUT", "/", b"x" * 99)).body == b"99"


async def test_a_body_that_takes_too_long(host: Host, logs: Any) -> None:
    host.app = asgi.ASGIAdapter(web.Application([("/", Echo)]), body_timeout=0.01)
    call = host.http("POST", "/")
    with pytest.raises(asgi.ResponseIncomplete):
        await call.end()
    logs.take("tornado.general", "Timeout reading body from 192.0.2.7")


async def test_compressed_bodies(host: Host) -> None:
    host.app = asgi.ASGIAdapter(web.Application([("/", Echo)]), decompress_request=True)
    call = await host.fetch("POST", "/", gzip.compress(b"hello"), headers=[(b"content-encoding", b"gzip")])
    assert json.loads(call.body)["body"] == "hello"


@pytest.mark.parametrize("headers", [[(b"host", b"a"), (b"host", b"b")], [(b"host", b"a b")], []])
async def test_a_host_that_is_none_is_answered_400(host: Host, logs: Any, headers: list[tuple[bytes, bytes]]) -> None:
    host.app = adapter()
    call = host.http("GET", "/echo", b"")
    call.scope["headers"] = headers
    await call.end()
    assert (call.status, call.is_complete) == (400, True)
    logs.take("tornado.general", "Malformed HTTP message")


async def test_a_client_that_leaves_while_the_handler_waits(host: Host) -> None:
    closed = asyncio.Event()
    outcome: list[Any] = []

    class Waiting(web.RequestHandler):
        async def get(self) -> None:
            self.write("x")
            await self.flush()
            await closed.wait()
            self.write("y")
            try:
                await self.flush()
            except StreamClosedError as error:
                outcome.append(error)

        def on_connection_close(self) -> None:
            closed.set()

    host.app = adapter(("/", Waiting))
    call = host.http("GET")
    await call.until(lambda: call.sent)
    call.say("http.disconnect")
    await call.end()
    await call.until(lambda: outcome)
    assert not call.is_complete


async def test_a_client_that_leaves_in_the_middle_of_its_body(host: Host) -> None:
    pieces: list[int] = []
    release = asyncio.Event()
    release.set()
    host.app = adapter(("/", Upload, {"pieces": pieces, "release": release}), ("/whole", Echo))
    for path in ("/", "/whole"):
        call = host.http("PUT" if path == "/" else "POST", path)
        call.say("http.request", body=b"x", more_body=True)
        call.say("http.disconnect")
        await call.end()
        assert call.sent == []
    assert pieces == [1, -1]


async def test_trap_disconnect_after_a_complete_answer_is_no_lost_client(host: Host) -> None:
    lost: list[str] = []

    class Finishing(web.RequestHandler):
        async def get(self) -> None:
            await asyncio.sleep(0.005)
            await self.finish("done")

        def on_connection_close(self) -> None:
            lost.append("lost")

    host.app = adapter(("/", Finishing))
    call = host.http("GET")
    await asyncio.sleep(0.001)
    call.open.clear()
    await asyncio.sleep(0.01)
    call.say("http.disconnect")
    await asyncio.sleep(0.005)
    call.open.set()
    await call.end()
    assert (lost, call.body) == ([], b"done")


async def test_trap_send_may_raise_an_oserror(host: Host) -> None:
    lost: list[str] = []

    class Streaming(web.RequestHandler):
        async def get(self) -> None:
            self.write("x")
            with pytest.raises(StreamClosedError):
                await self.flush()
            lost.append("flush")

        def on_connection_close(self) -> None:
            lost.append("closed")

    host.app = adapter(("/", Streaming))
    call = host.http("GET")
    call.send_error = OSError("gone")
    await call.end()
    await call.until(lambda: len(lost) == 2)
    assert lost == ["closed", "flush"]


async def test_a_send_that_hangs_after_the_client_left_is_not_waited_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "_STUCK_SECONDS", 0.01)

    class Streaming(web.RequestHandler):
        async def get(self) -> None:
            self.write("x")
            with pytest.raises(StreamClosedError):
                await self.flush()

    host.app = adapter(("/", Streaming))
    call = host.http("GET")
    call.open.clear()
    await asyncio.sleep(0.005)
    call.say("http.disconnect")
    await call.end()


async def test_a_server_that_cancels_the_call_tells_the_handler(host: Host) -> None:
    closed = asyncio.Event()

    class Waiting(web.RequestHandler):
        async def get(self) -> None:
            await closed.wait()

        def on_connection_close(self) -> None:
            closed.set()

    host.app = adapter(("/", Waiting))
    call = host.http("GET")
    await asyncio.sleep(0.005)
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.task
    assert closed.is_set()


async def test_an_answer_that_breaks_off_stays_incomplete(host: Host, logs: Any) -> None:
    class Breaking(web.RequestHandler):
        async def get(self) -> None:
            self.write("x")
            await self.flush()
            raise ValueError(EXPECTED)

    class Short(web.RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Length", "10")
            self.write("x")
            await self.flush()

    host.app = adapter(("/", Breaking), ("/short", Short))
    for path in ("/", "/short"):
        call = host.http("GET", path)
        with pytest.raises(asgi.ResponseIncomplete):
            await call.end()
        assert (call.body, call.is_complete) == (b"x", False)
    logs.take("tornado.application", "Uncaught exception GET /")
    logs.take("tornado.general", "Cannot send error response after headers written")
    logs.take("tornado.application", "Uncaught exception GET /short")
    logs.take("tornado.general", "Cannot send error response after headers written")


async def test_more_than_the_announced_length_is_refused(host: Host, logs: Any) -> None:
    class Long(web.RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Length", "1")
            self.write("xyz")
            await self.flush()

    host.app = adapter(("/", Long))
    call = host.http("GET")
    with pytest.raises(asgi.ResponseIncomplete):
        await call.end()
    assert call.body == b""
    logs.take("tornado.application", "Uncaught exception GET /")
    logs.take("tornado.general", "Cannot send error response")


async def test_trap_a_body_where_there_is_none_leaves_the_answer_complete(host: Host, logs: Any) -> None:
    """Granian answers 500 in its place where the call raises."""

    class Unmodified(web.RequestHandler):
        async def get(self) -> None:
            self.set_status(304)
            await self.flush()
            self.write("a")

    host.app = adapter(("/", Unmodified))
    call = await host.fetch("GET", "/")
    assert (call.status, call.body) == (304, b"")
    logs.take("tornado.application", "Uncaught exception")
    logs.take("tornado.general", "Cannot send error response")


async def test_a_handler_that_fails_is_answered_500(host: Host, logs: Any) -> None:
    class Failing(web.RequestHandler):
        def get(self) -> None:
            raise ValueError(EXPECTED)

    host.app = adapter(("/", Failing))
    assert (await host.fetch("GET")).status == 500
    logs.take("tornado.application", "Uncaught exception")
    logs.take("tornado.access", "500")


async def test_trap_transfer_encoding_is_never_sent_and_connection_only_to_http1(host: Host) -> None:
    class Hop(web.RequestHandler):
        def get(self) -> None:
            self.set_header("Transfer-Encoding", "chunked")
            self.set_header("Connection", "close")
            self.set_header("Server", "mine")
            self.write("x")

    host.app = adapter(("/", Hop))
    first = await host.fetch("GET")
    assert "transfer-encoding" not in first.headers
    assert (first.headers["connection"], first.headers["server"]) == ("close", "mine")
    second = host.http("GET", http_version="2")
    second.say("http.request")
    await second.end()
    assert "connection" not in second.headers


async def test_headers_that_would_break_out_of_their_line(host: Host, logs: Any) -> None:
    def answer(request: httputil.HTTPServerRequest) -> None:
        headers = httputil.HTTPHeaders()
        headers["X"] = "a\r\nSet-Cookie: evil=1"
        request.connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), headers)

    host.app = asgi.ASGIAdapter(answer)
    call = host.http("GET")
    with pytest.raises(asgi.ResponseIncomplete):
        await call.end()
    assert call.sent == []
    logs.take("tornado.application", "Uncaught exception")


async def test_detach_says_why_not(host: Host, logs: Any) -> None:
    class Taking(web.RequestHandler):
        def get(self) -> None:
            self.detach()

    host.app = adapter(("/", Taking))
    call = host.http("GET")
    await call.until(lambda: logs.records)
    assert "cannot be detached" in str(logs.take("tornado.application", "Uncaught exception GET /").exc_info[1])
    call.say("http.disconnect")
    await call.end()


async def test_the_stream_of_the_connection_is_a_stand_in(host: Host) -> None:
    seen: list[Any] = []

    class Looking(web.RequestHandler):
        async def get(self) -> None:
            stream = self.request.connection.stream
            closed = asyncio.Event()
            stream.set_close_callback(closed.set)
            stream.set_nodelay(True)
            seen.append((stream.socket, stream.closed(), stream.io_loop is IOLoop.current(), self.request.get_ssl_certificate()))
            await closed.wait()
            seen.append(stream.closed())

    host.app = adapter(("/", Looking))
    call = host.http("GET")
    await call.until(lambda: seen)
    call.say("http.disconnect")
    await call.end()
    await call.until(lambda: len(seen) == 2)
    assert seen == [(None, False, True, None), True]


async def test_closing_the_stand_in_ends_the_exchange(host: Host) -> None:
    class Closing(web.RequestHandler):
        def get(self) -> None:
            self._auto_finish = False
            self.request.connection.stream.close()

    host.app = adapter(("/", Closing))
    with pytest.raises(asgi.ResponseIncomplete):
        await host.http("GET").end()


@pytest.mark.parametrize("offered", [True, False])
async def test_static_files_go_by_path_where_the_server_offers_that(host: Host, tmp_path: Path, offered: bool) -> None:
    content = b"0123456789" * 100_000
    (tmp_path / "big").write_bytes(content)
    host.app = asgi.ASGIAdapter(web.Application(static_path=str(tmp_path)))
    call = host.http("GET", "/static/big", b"", extensions={"http.response.pathsend": {}} if offered else None)
    await call.end()
    if offered:
        assert call.sent[1:] == [{"type": "http.response.pathsend", "path": str(tmp_path / "big")}]
    else:
        assert call.is_complete
        assert call.body == content
    part = host.http("GET", "/static/big", b"", headers=[(b"range", b"bytes=10-400009")], extensions={"http.response.pathsend": {}})
    await part.end()
    assert (part.status, part.body) == (206, content[10:400010])


async def test_each_request_has_a_context_of_its_own(host: Host) -> None:
    variable = contextvars.ContextVar("variable", default="")
    seen: list[str] = []

    class Setting(web.RequestHandler):
        async def get(self) -> None:
            seen.append(variable.get())
            variable.set(self.get_argument("v"))
            await asyncio.sleep(0.002)
            self.write(variable.get())

    inner = adapter(("/", Setting))

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        variable.set("from outside")
        await inner(scope, receive, send)

    host.app = middleware
    calls = [host.http("GET", f"/?v={number}", b"") for number in range(3)]
    for number, call in enumerate(calls):
        await call.end()
        assert call.body == str(number).encode()
    assert seen == ["from outside"] * 3


async def test_the_next_request_of_a_connection_sees_nothing_of_the_context(host: Host) -> None:
    """Servers may call for all requests of a connection in one context, even in one task."""
    variable = contextvars.ContextVar("variable", default="")
    seen: list[str] = []

    class Setting(web.RequestHandler):
        def initialize(self) -> None:
            seen.append(variable.get())
            variable.set("initialize")

        def prepare(self) -> None:
            seen.append(variable.get())
            variable.set("prepare")

        async def get(self) -> None:
            await asyncio.sleep(0)
            seen.append(variable.get())

        def on_finish(self) -> None:
            seen.append(variable.get())

    inner = adapter(("/", Setting))

    async def twice(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)
        await inner(scope, receive, send)
        seen.append(variable.get())

    host.app = twice
    call = host.http("GET", "/", b"")
    await call.end()
    assert seen == ["", "initialize", "prepare", "prepare"] * 2 + [""]


async def test_each_request_has_an_address_of_its_own(host: Host) -> None:
    class Changing(web.RequestHandler):
        async def get(self) -> None:
            before = self.request.remote_ip, self.request.connection.context.remote_ip  # type: ignore[union-attr]  # ours has one
            self.request.connection.context.remote_ip = "198.51.100.1"  # type: ignore[union-attr]
            self.request.remote_ip = "198.51.100.2"
            await asyncio.sleep(0)
            self.write({"seen": before})

    host.app = adapter(("/", Changing))
    client = ("192.0.2.7", 4711)
    calls = [await host.fetch("GET", "/", client=client) for _ in range(2)]
    assert [json.loads(call.body)["seen"] for call in calls] == [["192.0.2.7", "192.0.2.7"]] * 2
    other = await host.fetch("GET", "/", client=("2001:db8::1", 1))
    assert json.loads(other.body)["seen"] == ["2001:db8::1", "2001:db8::1"]


async def test_the_loop_is_the_servers(host: Host) -> None:
    class Looping(web.RequestHandler):
        async def get(self) -> None:
            loop = IOLoop.current()
            ticks: asyncio.Queue[int] = asyncio.Queue()
            ticking = PeriodicCallback(lambda: ticks.put_nowait(1), 1)
            ticking.start()
            number = await loop.run_in_executor(None, lambda: 7)
            await ticks.get()
            ticking.stop()
            self.write(f"{number} {loop.asyncio_loop is asyncio.get_running_loop()}")  # type: ignore[attr-defined]  # an AsyncIOLoop

    host.app = adapter(("/", Looping))
    assert (await host.fetch("GET")).body == b"7 True"


async def test_other_protocols_are_refused(host: Host) -> None:
    host.app = adapter()
    with pytest.raises(ValueError, match="carrier-pigeon"):
        await host.call({"type": "carrier-pigeon"}).task


async def test_xsrf(host: Host, logs: Any) -> None:
    class Form(web.RequestHandler):
        def get(self) -> None:
            self.write(self.xsrf_token)

        def post(self) -> None:
            self.write("ok")

    host.app = adapter(("/", Form), xsrf_cookies=True)
    token = await host.fetch("GET")
    cookie = token.headers["set-cookie"].partition(";")[0].encode()
    assert (await host.fetch("POST", "/", b"")).status == 403
    logs.take("tornado.general", "403 POST")
    logs.take("tornado.access", "403 POST")
    assert (await host.fetch("POST", "/", headers=[(b"cookie", cookie), (b"x-xsrftoken", token.body)])).body == b"ok"


async def test_httpx_drives_it() -> None:
    transport = httpx.ASGITransport(adapter(), root_path="/app")
    async with httpx.AsyncClient(transport=transport, base_url="http://example.org") as client:
        answer = await client.post("/app/echo", data={"a": "1"})
        assert answer.json() == {"a": "1", "body": "a=1", "files": []}
        assert (await client.get("/app/echo?x=1")).json()["path"] == "/echo"


@pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning")  # the client's own, from 3.14 on
async def test_async_asgi_testclient_drives_it() -> None:
    started: list[str] = []
    application = adapter(on_startup=lambda _: started.append("up"), on_shutdown=lambda _: started.append("down"))
    async with async_asgi_testclient.TestClient(application) as client:
        answer = await client.get("/echo", query_string={"x": "1"})
        assert answer.json()["query"] == "x=1"
        posted = await client.post("/echo", form={"a": "2"})
        assert posted.json()["a"] == "2"
    assert started == ["up", "down"]


async def test_an_exchange_leaves_no_cycle_behind(host: Host) -> None:
    host.app = adapter()
    await host.fetch("GET", "/echo")
    await host.fetch("POST", "/echo", b"a=1")
    await asyncio.sleep(0)
    gc.collect()
    gc.disable()
    try:
        for method, body in (("GET", b""), ("POST", b"a=1")):
            await host.fetch(method, "/echo", body)
            await asyncio.sleep(0)
        host.calls.clear()
        await asyncio.sleep(0)
        left = [one for one in gc.get_objects() if type(one) is http_exchange.HTTPExchange]
    finally:
        gc.enable()
    assert left == []


class Tasks(web.RequestHandler):
    """Notes in which task what ran."""

    seen: list[tuple[str, Any]] = []

    def note(self, name: str) -> None:
        self.seen.append((name, asyncio.current_task()))

    def prepare(self) -> Any:
        self.note("prepare")
        return self.prepare_later() if self.get_argument("later", None) else None

    async def prepare_later(self) -> None:
        self.note("prepare later")
        await asyncio.sleep(0)
        self.note("prepared")

    def get(self, kind: str) -> Any:
        self.note("get")
        return None if kind == "plain" else self.answer()

    async def answer(self) -> None:
        self.note("coroutine")
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        self.note("went on")

    def on_finish(self) -> None:
        self.note("finish")


async def test_a_handler_has_a_task_of_its_own_for_all_that_is_awaited(host: Host) -> None:
    """Before Python 3.12, where a task cannot begin at once, plain functions run in that of the server."""
    host.app = adapter(("/tasks/(.*)", Tasks))
    plain, seen = await tasks_of(host, "plain")
    assert [name for name, _ in seen] == ["prepare", "get", "finish"]
    assert len({task for _, task in seen}) == 1
    assert (seen[0][1] is plain.task) == (sys.version_info < (3, 12))
    later, seen = await tasks_of(host, "coroutine")
    assert [name for name, _ in seen] == ["prepare", "get", "coroutine", "went on", "finish"]
    assert_own(seen[2:], later)
    earlier, seen = await tasks_of(host, "coroutine?later=1")
    assert [name for name, _ in seen] == ["prepare", "prepare later", "prepared", "get", "coroutine", "went on", "finish"]
    assert_own(seen[1:], earlier)


async def tasks_of(host: Host, kind: str) -> tuple[Any, list[tuple[str, Any]]]:
    Tasks.seen = seen = []
    return await host.fetch("GET", f"/tasks/{kind}"), seen


def assert_own(seen: list[tuple[str, Any]], call: Any) -> None:
    tasks = {task for _, task in seen}
    assert len(tasks) == 1
    assert call.task not in tasks


@pytest.mark.parametrize("awaited", [False, True])
async def test_what_a_handler_sets_in_its_context_is_there_in_all_that_follows(host: Host, awaited: bool) -> None:
    name = contextvars.ContextVar("name", default="nobody")
    seen: list[str] = []
    left = asyncio.Event()

    class Waiting(web.RequestHandler):
        def prepare(self) -> None:
            name.set("prepared")

        async def get(self) -> None:
            name.set("begun")
            if awaited:
                await asyncio.sleep(0)
                name.set("went on")
            self.write("x")
            await self.flush()
            await left.wait()

        def on_connection_close(self) -> None:
            seen.append(name.get())
            left.set()

    host.app = adapter(("/wait", Waiting))
    call = host.http("GET", "/wait", b"")
    await call.until(lambda: call.sent)
    call.say("http.disconnect")
    await call.end()
    await call.until(lambda: seen)
    assert seen == ["went on" if awaited else "begun"]


async def test_a_handler_that_is_cancelled_before_its_method_begins(host: Host, logs: Any) -> None:
    """Nothing is said about a coroutine that nobody awaited; where tasks begin at once, the method was faster."""

    class Cancelled(web.RequestHandler):
        def prepare(self) -> None:
            asyncio.get_running_loop().call_soon(self.cancel)

        def cancel(self) -> None:
            tasks = [task for task in asyncio.all_tasks() if "_execute" in repr(task)]
            for task in tasks:
                task.cancel()

        async def get(self) -> None:
            self.write("x")

    host.app = adapter(("/cancelled", Cancelled))
    call = await host.fetch("GET", "/cancelled")
    gc.collect()
    if sys.version_info < (3, 12):
        assert call.status == 500
        logs.take("tornado.access", "500 GET /cancelled")
    else:
        assert call.body == b"x"


async def test_a_task_factory_makes_the_tasks_of_handlers(host: Host) -> None:
    loop, made = asyncio.get_running_loop(), []

    def make(loop: Any, coroutine: Any, **options: Any) -> Any:
        made.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **options)

    host.app = adapter(("/tasks/(.*)", Tasks))
    loop.set_task_factory(make)
    try:
        await tasks_of(host, "coroutine")
    finally:
        loop.set_task_factory(None)
    assert "RequestHandler._execute" in made


async def test_a_plain_handler_needs_no_turn_of_the_loop(host: Host) -> None:
    class Now(web.RequestHandler):
        def get(self) -> None:
            self.write("now")

    host.app = adapter(("/now", Now))
    sent = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        raise AssertionError("nobody has to look")

    call = host.app(host.http("GET", "/echo", b"").scope | {"path": "/now", "raw_path": b"/now"}, receive, send)
    with pytest.raises(StopIteration):
        call.send(None)
    assert sent == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("where", ["prepare", "get"])
async def test_what_ends_a_program_ends_the_loop_whatever_the_server_makes_of_it(host: Host, where: str) -> None:
    class Exit(web.RequestHandler):
        def prepare(self) -> None:
            if where == "prepare":
                raise SystemExit(3)

        def get(self) -> None:
            raise SystemExit(3)

    host.app = adapter(("/exit", Exit))

    def serve() -> None:
        async def main() -> None:
            async def send(message: Any) -> None: ...

            scope = {"type": "http", "method": "GET", "path": "/exit", "headers": [(b"host", b"a")], "http_version": "1.1"}
            try:
                await host.app(scope, asyncio.Event().wait, send)
            except SystemExit:  # as uvicorn does
                await asyncio.Event().wait()

        asyncio.run(main())

    with pytest.raises(SystemExit) as ended:
        await asyncio.get_running_loop().run_in_executor(None, serve)
    assert ended.value.code == 3


async def test_what_cannot_be_awaited_is_an_error_as_on_our_own_server(host: Host, logs: Any) -> None:
    class Value(web.RequestHandler):
        def get(self) -> Any:
            return ("a", "b")

    host.app = adapter(("/value", Value))
    call = host.http("GET", "/value", b"")
    await call.end()
    assert call.status == 500
    assert logs.take("tornado.application", "Uncaught exception GET /value").exc_info[0] is TypeError
    logs.take("tornado.access", "500")
