"""Private names which programs in the wild use; each test says whose.

Versions are those whose source was read. What OctoPrint overrides of HTTP/1 connections is in ``test_octoprint.py``.
"""

import asyncio
import errno
import inspect
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tornadolike import auth, autoreload, httpclient, httpserver, httputil, iostream, locks, routing, simple_httpclient, web, websocket
from tornadolike.ioloop import IOLoop
from tornadolike.testing import bind_unused_port


class Connection(httputil.HTTPConnection):
    context = None

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        pass


def a_request(method: str = "GET", **options: Any) -> httputil.HTTPServerRequest:
    return httputil.HTTPServerRequest(start_line=httputil.RequestStartLine(method, "/", "HTTP/1.0"), connection=Connection(), **options)


class Hello(web.RequestHandler):
    def get(self, name: str = "") -> None:
        self.write("hello")


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[tuple[httpserver.HTTPServer, int]]:
    sock, port = bind_unused_port()
    server = httpserver.HTTPServer(app)
    server.add_socket(sock)
    try:
        yield server, port
    finally:
        server.stop()
        await server.close_all_connections()


async def fetch(app: web.Application, path: str = "/", **options: Any) -> httpclient.HTTPResponse:
    client: Any = simple_httpclient.SimpleAsyncHTTPClient(force_instance=True)
    async with serving(app) as (_, port):
        try:
            response: httpclient.HTTPResponse = await client.fetch(f"http://127.0.0.1:{port}{path}", raise_error=False, **options)
        finally:
            client.close()
    return response


# -- web


async def test_execute_can_be_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """sentry-sdk 2.75, ddtrace 4.16, elastic-apm 6.26, newrelic 14.1: a patched coroutine function, awaited with the transforms."""
    original = web.RequestHandler._execute
    assert inspect.iscoroutinefunction(original)
    seen = []

    async def wrapped(self: web.RequestHandler, transforms: Any, *args: Any, **kwargs: Any) -> None:
        seen.append((list(transforms), args, kwargs))
        await original(self, transforms, *args, **kwargs)
        seen.append(self.get_status())  # type: ignore[arg-type]

    monkeypatch.setattr(web.RequestHandler, "_execute", wrapped)
    response = await fetch(web.Application([("/(.*)", Hello)]), "/you")
    assert response.body == b"hello"
    assert seen == [([], (b"you",), {}), 200]


async def test_handle_request_exception_can_be_wrapped(monkeypatch: pytest.MonkeyPatch, logs: Any) -> None:
    """elastic-apm 6.26, and the handlers of bugsnag and raven."""
    original, seen = web.RequestHandler._handle_request_exception, []

    def wrapped(self: web.RequestHandler, e: BaseException) -> None:
        seen.append(e)
        original(self, e)

    class Failing(web.RequestHandler):
        def get(self) -> None:
            raise LookupError("lost")

    monkeypatch.setattr(web.RequestHandler, "_handle_request_exception", wrapped)
    assert (await fetch(web.Application([("/", Failing)]))).code == 500
    assert [str(error) for error in seen] == ["lost"]
    logs.take("tornado.application", "Uncaught exception")
    logs.take("tornado.access", "500 GET")


async def test_state_of_the_response() -> None:
    """_headers: gunicorn, opentelemetry 0.66b1, jupyterhub 6.1, thumbor 7.8, and jupyter-server-proxy 4.6 assigns it; _status_code,
    _reason: ddtrace, panel 1.9; _write_buffer, _transforms: ddtrace; _finished, _auto_finish: sockjs-tornado, salt 3008."""
    seen: dict[str, Any] = {}

    class Looking(web.RequestHandler):
        def get(self) -> None:
            self.set_status(202, "Taken")
            self.write("abc")
            seen.update(status=self._status_code, reason=self._reason, written=list(self._write_buffer), finished=self._finished)
            seen["automatic"] = self._auto_finish
            seen["type"] = self._headers["Content-Type"]
            self._headers = httputil.HTTPHeaders({"X-Own": "1"})
            self._write_buffer = []
            self._transforms = []

        def on_finish(self) -> None:
            seen["finished at the end"] = self._finished

    response = await fetch(web.Application([("/", Looking)]))
    assert (response.code, response.reason, response.body, response.headers["X-Own"]) == (202, "Taken", b"", "1")
    assert "Content-Type" not in response.headers
    assert seen == {
        "status": 202,
        "reason": "Taken",
        "written": [b"abc"],
        "finished": False,
        "automatic": True,
        "type": "text/html; charset=UTF-8",
        "finished at the end": True,
    }


async def test_a_handler_that_is_not_finished_for_us() -> None:
    """sockjs-tornado and salt 3008 set _auto_finish to False and finish later."""

    class Later(web.RequestHandler):
        def get(self) -> None:
            self._auto_finish = False
            IOLoop.current().add_callback(self.finish, "later")

    assert (await fetch(web.Application([("/", Later)]))).body == b"later"


async def test_log_and_request_summary(logs: Any) -> None:
    """octoprint 1.11, flower 2.2 and salt call or override them."""
    seen = []

    class Summed(web.RequestHandler):
        def _request_summary(self) -> str:
            return "in short"

        def _log(self) -> None:
            seen.append("log")
            super()._log()

        def get(self) -> None:
            self.send_error(500)

    await fetch(web.Application([("/", Summed)]))
    assert seen == ["log"]
    logs.take("tornado.access", r"^500 in short \d")


async def test_current_user_and_token_are_kept_where_applications_put_them() -> None:
    """jupyterhub 6.1 assigns _xsrf_token and _current_user; flower 2.2 and jupyter_server 2.21 assign the latter."""

    class Known(web.RequestHandler):
        def prepare(self) -> None:
            self._current_user = "anna"
            self._xsrf_token = b"token"

        def get(self) -> None:
            self.write(f"{self.current_user} {self.xsrf_token.decode()}")

    assert (await fetch(web.Application([("/", Known)]))).body == b"anna token"


def test_unimplemented_method() -> None:
    """jupyter_server 2.21 compares a handler's methods with it."""
    assert Hello.post is web.RequestHandler._unimplemented_method
    assert Hello.get is not web.RequestHandler._unimplemented_method  # type: ignore[comparison-overlap]


def test_static_file_hashes_and_their_lock() -> None:
    """jupyter_server 2.21 and livereload 2.7 override get_version() with them."""
    assert isinstance(web.StaticFileHandler._static_hashes, dict)
    with web.StaticFileHandler._lock:
        assert isinstance(web.StaticFileHandler._lock, type(threading.Lock()))


def test_names_that_are_imported_from_web() -> None:
    """_has_stream_request_body: elastic-apm 6.26; the others: applications on GitHub."""
    streaming = web.stream_request_body(type("Streaming", (web.RequestHandler,), {}))
    assert web._has_stream_request_body(streaming)
    assert not web._has_stream_request_body(Hello)
    assert isinstance(web._ARG_DEFAULT, web._ArgDefaultMarker)
    assert issubclass(web._ApplicationRouter, routing.ReversibleRuleRouter)
    app = web.Application()
    assert isinstance(app.default_router, web._ApplicationRouter)
    request = a_request()
    handler: Any = web.RequestHandler(app, request)
    assert isinstance(handler.ui["_tt_modules"], web._UIModuleNamespace)


# -- routing, httputil


def test_routing() -> None:
    """_RuleList: thumbor 7.8 imports it; _find_groups: opentelemetry 0.66b1 makes route templates of it."""
    assert routing._RuleList is not None
    assert routing.PathMatches(r"/a/(\d+)/(.*)")._find_groups() == ("/a/%s/%s", 2)
    assert routing.PathMatches(r"/a/(?:b|c)/(.*)")._find_groups() == (None, None)


def test_parsers_of_header_values() -> None:
    """_parseparam: octoprint 1.11; _normalize_header: newrelic 14.1; the others: upload and streaming applications."""
    assert httputil._parse_header('form-data; name="a;b"; filename=c') == ("form-data", {"name": "a;b", "filename": "c"})
    assert list(httputil._parseparam('; a="1;2"; b')) == ['a="1;2"', "b"]
    assert httputil._normalize_header("content-TYPE") == "Content-Type"
    assert httputil._parse_request_range("bytes=1-2") == (1, 3)
    assert httputil._parse_request_range("bytes=-6") == (-6, None)
    assert httputil._parse_request_range("lines=1") is None
    assert httputil._get_content_range(1, 3, 10) == "bytes 1-2/10"


def test_parse_body() -> None:
    """ddtrace 4.16 calls it."""
    headers = httputil.HTTPHeaders({"Content-Type": "application/x-www-form-urlencoded"})
    request = a_request("POST", headers=headers, body=b"a=1")
    request._parse_body()
    assert request.body_arguments == {"a": [b"1"]}


# -- servers


async def test_addresses_of_a_server() -> None:
    """bokeh 3.9, pytest-jupyter and pytest-tornasync ask the sockets; octoprint 1.11 adds to the connections."""
    async with serving(web.Application()) as (server, port):
        assert [sock.getsockname()[1] for sock in server._sockets.values()] == [port]
        assert list(server._sockets) == [sock.fileno() for sock in server._sockets.values()]
        connections: Any = server._connections
        extra = asyncio.Event()
        connections.add(extra)
        assert extra in connections
        connections.discard(extra)


async def test_context_of_a_request() -> None:
    """opentelemetry 0.66b1 reads _orig_remote_ip; octoprint 1.11 constructs contexts and replaces _apply_xheaders."""
    ours, theirs = socket.socketpair()
    stream = iostream.IOStream(ours)
    context = httpserver._HTTPRequestContext(stream, ("192.0.2.1", 5), None, ["192.0.2.9"])
    context.address_family, context.remote_ip = socket.AF_INET, "192.0.2.1"
    assert context.trusted_downstream == {"192.0.2.9"}
    context._apply_xheaders(httputil.HTTPHeaders({"X-Forwarded-For": "198.51.100.7, 192.0.2.9"}))
    assert context.remote_ip == "198.51.100.7"
    context._unapply_xheaders()
    assert context.remote_ip == context._orig_remote_ip
    assert context.protocol == context._orig_protocol == "http"
    stream.close()
    theirs.close()


async def test_a_handler_sees_whom_the_socket_named() -> None:
    """opentelemetry 0.66b1: request.connection.context._orig_remote_ip."""

    class Peer(web.RequestHandler):
        def get(self) -> None:
            context: Any = self.request.connection.context  # type: ignore[union-attr]
            self.write(context._orig_remote_ip)

    assert (await fetch(web.Application([("/", Peer)]))).body == b"127.0.0.1"


# -- clients


def test_defaults_of_a_request() -> None:
    """jupyter-server-proxy 4.6 makes a request for its websocket connection out of them."""
    request: Any = httpclient._RequestProxy(httpclient.HTTPRequest("http://x/"), httpclient.HTTPRequest._DEFAULTS)
    assert request.connect_timeout == 20.0
    assert request.url == "http://x/"
    assert websocket._default_max_message_size == 10 * 1024 * 1024


async def test_a_connection_class_of_ones_own() -> None:
    """Proxies on GitHub replace the class of a client's connections."""
    seen = []

    class Noting(simple_httpclient._HTTPConnection):
        async def run(self) -> None:
            seen.append(self.request.url)
            await super().run()

    class Client(simple_httpclient.SimpleAsyncHTTPClient):
        def _connection_class(self) -> type:
            return Noting

    client: Any = Client(force_instance=True)
    async with serving(web.Application([("/", Hello)])) as (_, port):
        response = await client.fetch(f"http://127.0.0.1:{port}/")
        client.close()
    assert response.body == b"hello"
    assert seen == [f"http://127.0.0.1:{port}/"]


# -- websocket


async def test_inside_of_a_websocket_connection() -> None:
    """sockjs-tornado and octoprint 1.11: ws_connection._abort() and .stream.socket, None once closed; jupyter_server 2.21:
    .client_terminated; jupyter-server-proxy 4.6: subclasses WebSocketClientConnection and calls protocol.write_ping()."""
    opened: asyncio.Future[websocket.WebSocketHandler] = asyncio.get_running_loop().create_future()
    closed, ponged = asyncio.Event(), asyncio.Event()

    class Socket(websocket.WebSocketHandler):
        def open(self, *args: str, **kwargs: str) -> None:
            opened.set_result(self)

        def on_message(self, message: str | bytes) -> None:
            pass

        def on_close(self) -> None:
            closed.set()

    class Client(websocket.WebSocketClientConnection):
        def on_pong(self, data: bytes) -> None:
            if data == b"?":
                ponged.set()

    async with serving(web.Application([("/", Socket)])) as (_, port):
        request: Any = httpclient._RequestProxy(
            httpclient.HTTPRequest(f"ws://127.0.0.1:{port}/", headers=httputil.HTTPHeaders()), httpclient.HTTPRequest._DEFAULTS
        )
        client = Client(request, max_message_size=websocket._default_max_message_size)
        await asyncio.wait_for(client.connect_future, 5)
        protocol: Any = client.protocol
        protocol.write_ping(b"?")
        await asyncio.wait_for(ponged.wait(), 5)
        handler = await asyncio.wait_for(opened, 5)
        connection: Any = handler.ws_connection
        assert connection.client_terminated is False
        stream = connection.stream
        assert stream.socket is not None
        connection._abort()
        assert connection.client_terminated is True
        assert stream.socket is None
        await asyncio.wait_for(closed.wait(), 5)
        assert handler.ws_connection is None
        assert await asyncio.wait_for(client.read_message(), 5) is None
        client.close()


# -- loop, locks, streams


async def test_the_loop_of_an_asyncio_loop() -> None:
    """panel 1.9, and the sockjs inside of octoprint 1.11."""
    current = IOLoop.current()
    assert IOLoop._ioloop_for_asyncio[asyncio.get_running_loop()] is current


async def test_whether_a_lock_is_held() -> None:
    """panel 1.9 looks at the semaphore's counter."""
    lock = locks.Lock()
    assert lock._block._value == 1
    async with lock:
        assert lock._block._value == 0
    assert lock._block._value == 1


async def test_frames_put_into_a_streams_buffer() -> None:
    """distributed 2026.8 sends every message so; tests/contracts/test_byte_source.py does it on all kinds of streams."""
    ours, theirs = socket.socketpair()
    sender, receiver = iostream.IOStream(ours), iostream.IOStream(theirs)
    frames = [memoryview(b"head"), memoryview(bytes(3_000_000))]
    buffer: Any = sender._write_buffer
    for frame in frames:
        buffer.append(frame)
        sender._total_write_index += frame.nbytes
    written = sender.write(b"")
    assert await asyncio.wait_for(receiver.read_bytes(3_000_004), 10) == b"head" + bytes(3_000_000)
    await asyncio.wait_for(written, 5)
    sender.close()
    receiver.close()


def test_errors_of_a_reset() -> None:
    """webssh and its forks import it."""
    assert set(iostream._ERRNO_CONNRESET) == {errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT}


# -- autoreload, auth


def test_autoreload(monkeypatch: pytest.MonkeyPatch, logs: Any) -> None:
    """Applications call _reload and replace it; _reload_on_update looks once."""
    seen = []
    monkeypatch.setattr(autoreload, "_reload", lambda: seen.append("reload"))
    times: dict[str, float] = {}
    autoreload._reload_on_update(times)
    assert seen == []
    times[autoreload.__file__] = 0.0
    autoreload._reload_on_update(times)
    assert seen == ["reload"]
    logs.take("tornado.general", "autoreload.py modified; restarting server")


async def test_addresses_of_the_services() -> None:
    """flower 2.2 and panel 1.9 override them."""
    for mixin, names in (
        (
            auth.TwitterMixin,
            "_OAUTH_REQUEST_TOKEN_URL _OAUTH_ACCESS_TOKEN_URL _OAUTH_AUTHORIZE_URL _OAUTH_AUTHENTICATE_URL _TWITTER_BASE_URL",
        ),
        (auth.GoogleOAuth2Mixin, "_OAUTH_AUTHORIZE_URL _OAUTH_ACCESS_TOKEN_URL _OAUTH_USERINFO_URL"),
        (auth.FacebookGraphMixin, "_OAUTH_ACCESS_TOKEN_URL _OAUTH_AUTHORIZE_URL _FACEBOOK_BASE_URL"),
    ):
        for name in names.split():
            assert getattr(mixin, name).startswith("https://"), name
    assert auth.GoogleOAuth2Mixin._OAUTH_SETTINGS_KEY == "google_oauth"
    assert auth.TwitterMixin._OAUTH_NO_CALLBACKS is False

    class Own(web.RequestHandler, auth.GoogleOAuth2Mixin):
        _OAUTH_AUTHORIZE_URL = "https://own.example/authorize"

        def get(self) -> None:
            self.authorize_redirect("https://here.example/", client_id="id", response_type="code")

    response = await fetch(web.Application([("/", Own)]), follow_redirects=False)
    assert response.headers["Location"].startswith("https://own.example/authorize?")


def test_consumer_token() -> None:
    """Applications override it to have more than one account."""
    assert inspect.isfunction(auth.OAuthMixin._oauth_consumer_token)
    app = web.Application(twitter_consumer_key="k", twitter_consumer_secret="s")

    class Login(web.RequestHandler, auth.TwitterMixin):
        pass

    handler = Login(app, a_request())
    assert handler._oauth_consumer_token() == {"key": "k", "secret": "s"}
