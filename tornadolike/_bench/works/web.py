"""What a handler does while it answers, and signed values."""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornadolike._bench.works.registry import COOKIES, TEXT, Coroutine, Run, calls, done, sibling, work


class _Connection:
    """Stands for the connection of a request: takes what is written."""

    no_keep_alive = False
    context = None

    def set_close_callback(self, callback: Any) -> None:
        pass

    def write_headers(self, start_line: Any, headers: Any, chunk: bytes = b"") -> Any:
        return done(asyncio.get_running_loop().create_future)

    def write(self, chunk: bytes) -> Any:
        return done(asyncio.get_running_loop().create_future)

    def finish(self) -> None:
        pass


_SETTINGS: dict[str, Any] = {"cookie_secret": "secret", "xsrf_cookies": False, "static_path": str(Path(__file__).parent)}


def _handled(web: Any, kind: Any, uri: str = "/a?b=c&d=1&d=2", *, cookies: str = COOKIES, headers: "dict[str, str] | None" = None) -> Any:
    httputil = sibling(web, "httputil")
    fields = httputil.HTTPHeaders({"Host": "example.com", "Cookie": cookies, **(headers or {})})
    request = httputil.HTTPServerRequest(method="GET", uri=uri, headers=fields, connection=_Connection(), version="HTTP/1.1")
    made = kind(_application(web), request)
    made._transforms = []
    return made


_applications: dict[str, Any] = {}


def _application(web: Any) -> Any:
    if web.__name__ not in _applications:
        template = sibling(web, "template")
        _applications[web.__name__] = web.Application(
            [web.url("/named/(.*)", web.RequestHandler, name="named")],
            template_loader=template.DictLoader({"a.html": "<p>{{ word }} {{ reverse_url('named', word) }}</p>"}),
            **_SETTINGS,
        )
    return _applications[web.__name__]


def _handler(name: str, use: Callable[[Any], object], **how: Any) -> None:
    """What one handler does while it answers."""

    @work(f"web: {name}")
    def make(web: Any) -> Coroutine:
        async def run(n: int) -> None:
            for _ in range(n):
                use(_handled(web, web.RequestHandler, **how))

        return run


@work("web: signed value, made and read")
def _signed(web: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            value = web.create_signed_value("secret", "user", "somebody")
            assert web.decode_signed_value("secret", "user", value) == b"somebody"

    return run


_handler("a handler, made", id)
_handler("get_argument", lambda h: (h.get_argument("b"), h.get_argument("x", None), h.get_query_argument("d")))
_handler("get_arguments", lambda h: (h.get_arguments("d"), h.get_body_arguments("d")))
_handler("get_cookie", lambda h: (h.get_cookie("theme"), h.get_cookie("none")))
_handler("set_cookie", lambda h: h.set_cookie("a", "b", httponly=True, secure=True, samesite="Lax", expires_days=30))
_handler("clear_cookie", lambda h: h.clear_cookie("a"))
_handler("set_signed_cookie", lambda h: h.set_signed_cookie("user", "ada"))
_handler("get_signed_cookie, none", lambda h: h.get_signed_cookie("user"))
_handler("set_header, five", lambda h: [h.set_header(f"X-{n}", "value") for n in range(5)])
_handler(
    "set_header, a number and a date",
    lambda h: (h.set_header("Content-Length", 5), h.set_header("Expires", dt.datetime(2024, 1, 2))),
)
_handler("add_header and clear_header", lambda h: (h.add_header("X-A", "b"), h.add_header("X-A", "c"), h.clear_header("X-A")))
_handler("set_status", lambda h: (h.set_status(404), h.get_status()))
_handler("write and finish, text", lambda h: (h.write("text"), h.finish()))
_handler("write and finish, a dict", lambda h: h.finish({"a": 1}))
_handler("write ten and finish", lambda h: ([h.write("text") for _ in range(10)], h.finish()))
_handler("redirect", lambda h: h.redirect("/other"))
_handler("render_string", lambda h: h.render_string("a.html", word="w"))
_handler("render", lambda h: h.render("a.html", word="w"))
_handler("reverse_url and static_url", lambda h: h.reverse_url("named", "a"))
_handler("xsrf_token", lambda h: h.xsrf_token)
_handler("xsrf_form_html", lambda h: h.xsrf_form_html())
_handler("locale", lambda h: h.locale, headers={"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"})
_handler("current_user", lambda h: h.current_user)
_handler("send_error", lambda h: h.send_error(404))
_handler("flush three times", lambda h: ([(h.write("x"), h.flush()) for _ in range(3)], h.finish()))
_handler("check_etag_header", lambda h: (h.write("x"), h.finish()), headers={"If-None-Match": '"11f6ad8ec52a2984abaafd7c3b516503785c2072"'})
_handler("request_time", lambda h: h.request.request_time())
_handler("path_args and decode_argument", lambda h: h.decode_argument(b"abc"))


@work("web: signed value, version 1")
def _version_1(web: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            value = web.create_signed_value("secret", "user", "ada", version=1)
            assert web.decode_signed_value("secret", "user", value, min_version=1) == b"ada"

    return run


@work("web: signed value with key versions")
def _keys(web: Any) -> Run:
    secrets = {1: "a", 2: "b"}

    def run(n: int) -> None:
        for _ in range(n):
            value = web.create_signed_value(secrets, "user", "ada", key_version=2)
            assert web.decode_signed_value(secrets, "user", value) == b"ada"

    return run


@work("web: signed value that is false")
def _forged(web: Any) -> Run:
    value = web.create_signed_value("other", "user", "ada")
    return lambda n: [web.decode_signed_value("secret", "user", value) for _ in range(n)]


calls("web: HTTPError", lambda m: lambda f=m.HTTPError: str(f(404, "not %s", "here")))


@work("web: GZipContentEncoding, 2 KB")
def _transform(web: Any) -> Run:
    httputil = sibling(web, "httputil")
    request = httputil.HTTPServerRequest(method="GET", uri="/", headers=httputil.HTTPHeaders({"Accept-Encoding": "gzip"}))
    body = (TEXT * 16).encode()

    def run(n: int) -> None:
        for _ in range(n):
            fields = httputil.HTTPHeaders({"Content-Type": "text/html; charset=UTF-8"})
            web.GZipContentEncoding(request).transform_first_chunk(200, fields, body, True)

    return run


def _on_one(name: str, use: Callable[[Any], object], **how: Any) -> None:
    """What one handler does again and again: without the making of a handler, beside which a small thing would not be seen."""

    @work(f"web: again, {name}")
    def make(web: Any) -> Coroutine:
        async def run(n: int) -> None:
            handler = _handled(web, web.RequestHandler, **how)
            for _ in range(n):
                use(handler)

        return run


def _cleared(handler: Any, chunk: Any) -> None:
    handler.write(chunk)
    handler._write_buffer.clear()


_on_one("get_argument", lambda handler: handler.get_argument("b"))
_on_one("get_argument, its default", lambda handler: handler.get_argument("missing", None))
_on_one("get_arguments", lambda handler: handler.get_arguments("d"))
_on_one("get_argument, controls in it", lambda handler: handler.get_argument("e"), uri="/a?e=%20a%01b%20")
_on_one("get_cookie", lambda handler: handler.get_cookie("theme"))
_on_one("set_status", lambda handler: handler.set_status(404))
_on_one("set_status, a reason", lambda handler: handler.set_status(418, "Teapot"))
_on_one("set_header", lambda handler: handler.set_header("X-Name", "value"))
_on_one("set_header, Content-Type", lambda handler: handler.set_header("Content-Type", "application/json"))
_on_one("write, a text", lambda handler: _cleared(handler, "text"))
_on_one("write, a dict", lambda handler: _cleared(handler, {"a": 1, "b": [1, 2, 3]}))
_on_one("set_cookie", lambda handler: handler.set_cookie("name", "value", httponly=True))
_on_one("static_url", lambda handler: handler.static_url("web.py"))
_on_one("reverse_url", lambda handler: handler.reverse_url("named", "x y"))
_on_one("render_string", lambda handler: handler.render_string("a.html", word="a & b"))
_on_one("request.headers", lambda handler: handler.request.headers.get("Host"))
_on_one("get_browser_locale", lambda handler: handler.get_browser_locale(), headers={"Accept-Language": "de-DE,de;q=0.9,en;q=0.8"})
_on_one("get_signed_cookie, refused", lambda handler: handler.get_signed_cookie("theme"))
