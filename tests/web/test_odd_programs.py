"""What programs do with handlers and requests that no manual mentions: each was seen to work on Tornado."""

import copy
import pickle
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pytest

from tornadolike import httputil, web, websocket

Serve = Callable[..., Any]


class Changed(web.RequestHandler):
    """Does something to its request, then says what it sees."""

    def initialize(self, change: Callable[[httputil.HTTPServerRequest], None]) -> None:
        self.change = change

    def prepare(self) -> None:
        self.change(self.request)

    def get(self) -> None:
        request = self.request
        self.write({"host": request.host, "name": request.host_name, "url": request.full_url(), "locale": self.locale.code})


class ChangedFile(web.StaticFileHandler):
    def prepare(self) -> None:
        self.request.headers = dict(self.request.headers)  # type: ignore[assignment]


async def answer(serve: Serve, app: web.Application, request: bytes) -> bytes:
    client = await serve(app).client()
    client.send(request)
    return cast(bytes, await client.rest())


def put_host(request: httputil.HTTPServerRequest) -> None:
    request.headers["Host"] = "upstream:81"


def delete_host(request: httputil.HTTPServerRequest) -> None:
    del request.headers["Host"]


def replace_headers(request: httputil.HTTPServerRequest) -> None:
    request.headers = httputil.HTTPHeaders({"X": "y"})


@pytest.mark.parametrize("change", [put_host, delete_host, replace_headers])
async def test_the_host_is_what_came_whatever_a_proxy_does_to_the_headers(serve: Serve, change: Any) -> None:
    app = web.Application([("/", Changed, {"change": change})])
    response = await answer(serve, app, b"GET / HTTP/1.1\r\nHost: Came:80\r\nConnection: close\r\n\r\n")
    assert b'"host": "Came:80", "name": "came", "url": "http://Came:80/"' in response


def assign_host(request: httputil.HTTPServerRequest) -> None:
    request.host = "assigned"


async def test_a_host_that_is_assigned_leaves_host_name_alone(serve: Serve) -> None:
    app = web.Application([("/", Changed, {"change": assign_host})])
    response = await answer(serve, app, b"GET / HTTP/1.1\r\nHost: came\r\nConnection: close\r\n\r\n")
    assert b'"host": "assigned", "name": "came", "url": "http://assigned/"' in response


def plain_headers(request: httputil.HTTPServerRequest) -> None:
    request.headers = dict(request.headers)  # type: ignore[assignment]


async def test_the_headers_of_a_request_may_become_a_dictionary(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    app = web.Application([("/", Changed, {"change": plain_headers}), ("/(.*)", ChangedFile, {"path": str(tmp_path)})])
    response = await answer(serve, app, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Language: en\r\n\r\n")
    assert b'"locale": "en_US"' in response
    response = await answer(serve, app, b"GET /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: bytes=0-2\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 206 ")
    assert response.endswith(b"\r\n\r\ncon")
    conditional = b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"
    response = await answer(serve, app, b"GET /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%b\r\n\r\n" % conditional)
    assert response.startswith(b"HTTP/1.1 304 ")


class Kept(httputil.HTTPHeaders):
    """Header fields that say when they are written to."""

    written: list[str]

    def __setitem__(self, name: str, value: str) -> None:
        vars(self).setdefault("written", []).append(name)
        super().__setitem__(name, value)


class Replacing(web.RequestHandler):
    def set_default_headers(self) -> None:
        self._headers = self.settings["kind"](self._headers)

    def get(self) -> None:
        self.set_header("X-A", "1")
        self.write("text")


class Duck:
    """Not made of ours, but enough for Tornado."""

    def __init__(self, fields: httputil.HTTPHeaders) -> None:
        self._fields = dict(fields.get_all())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fields, name)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._fields[name] = value

    def get_all(self) -> Any:
        return self._fields.items()


@pytest.mark.parametrize("kind", [Kept, Duck, copy.copy])
async def test_the_headers_of_a_response_may_be_of_another_kind(serve: Serve, kind: Any) -> None:
    app = web.Application([("/", Replacing)], kind=kind)
    response = await answer(serve, app, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"\r\nX-A: 1\r\n" in response
    assert b"\r\nContent-Length: 4\r\n" in response
    assert response.endswith(b"\r\n\r\ntext")


class Refusing(web.RequestHandler):
    def get(self) -> None:
        self.get_argument("a")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1]
        self.finish(f"{error.log_message} {error.args!r}")


async def test_the_message_of_an_error_is_whole(serve: Serve, logs: Any) -> None:
    """Pages show `HTTPError.log_message` as it is."""
    app = web.Application([("/", Refusing)])
    response = await answer(serve, app, b"GET /?a=%ff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert response.endswith(b"\r\n\r\nInvalid unicode in a: b'\\xff' ()")
    logs.take("tornado.general", "400 GET .*: Invalid unicode in a")
    logs.take("tornado.access", "400 GET ")


class Mixin:
    """What programs put behind `RequestHandler`, counting on its constructor to call this one."""

    def __init__(self) -> None:
        self.made = ["mixin"]


class WithMixin(web.RequestHandler, Mixin):
    def get(self) -> None:
        self.write(str(self.made))


class OfWithMixin(WithMixin):
    pass


@pytest.mark.parametrize("kind", [WithMixin, OfWithMixin])
async def test_a_base_behind_the_handlers_class_is_made_too(serve: Serve, kind: Any) -> None:
    response = await answer(serve, web.Application([("/", kind)]), b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert response.endswith(b"\r\n\r\n['mixin']")


def test_a_request_is_copied_whole() -> None:
    line, headers = httputil.RequestStartLine("GET", "/?a=1", "HTTP/1.1"), httputil.HTTPHeaders({"Host": "a"})
    request = httputil.HTTPServerRequest(start_line=line, headers=headers)
    for copied in (copy.copy(request), copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
        assert copied.arguments == {"a": [b"1"]}
        assert (copied.path, copied.host) == ("/", "a")


class OwnCookies(web.RequestHandler):
    """With a `set_cookie` and a `flush` taken from an older Tornado."""

    def set_cookie(self, name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        if not hasattr(self, "_new_cookie"):
            self._new_cookie = SimpleCookie()
        if name in self._new_cookie:
            del self._new_cookie[name]
        self._new_cookie[name] = value
        self._new_cookie[name]["samesite"] = "None"

    def flush(self, include_footers: bool = False) -> Any:
        if hasattr(self, "_new_cookie"):
            self.set_header("X-Cookies", len(self._new_cookie.values()))
        return super().flush(include_footers)

    def get(self) -> None:
        if self.get_argument("cookie", ""):
            self.set_cookie("a", "b")


async def test_whether_cookies_are_set_can_be_asked(serve: Serve) -> None:
    app = web.Application([("/", OwnCookies)])
    response = await answer(serve, app, b"GET /?cookie=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"\r\nSet-Cookie: a=b; SameSite=None\r\n" in response
    assert b"\r\nX-Cookies: 1\r\n" in response
    response = await answer(serve, app, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"ookie" not in response


def test_a_mock_in_the_place_of_a_websocket_sees_the_calls_that_it_sees_on_tornado() -> None:
    handler = websocket.WebSocketHandler(web.Application(), mock.Mock(headers={}))
    connection = mock.Mock()
    handler.ws_connection = connection
    connection.is_closing.return_value = False
    handler.write_message({"a": 1})
    handler.write_message(b"b", binary=True)
    assert connection.write_message.mock_calls == [mock.call('{"a": 1}', binary=False), mock.call(b"b", binary=True)]
    connection.is_closing.return_value = True
    with pytest.raises(websocket.WebSocketClosedError):
        handler.write_message("c")
