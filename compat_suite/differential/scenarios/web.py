"""Request handlers: what a method does, and what the client, the log and the handler's own notes show of it."""

# ruff: noqa: E501, PLW0108 - rows of tables; names are looked up when the call is made

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

from tornado import gen, iostream, web

from compat_suite.differential.applications import answering, application
from compat_suite.differential.conversation import talk
from compat_suite.differential.scenario import add

_GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
Body = Callable[[Any], Any]


def handler(
    name: str,
    body: Body,
    *pieces: bytes,
    attributes: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """A handler at ``/.*`` whose methods are ``body``."""

    async def run() -> Any:
        notes: list[Any] = []
        app = application((r"/.*", answering(body, notes=notes, **attributes or {}), {}, "it"), **settings or {})
        return await talk(app, pieces or (_GET,), notes=notes, **options)

    add(f"web/{name}", run)


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: h", *headers, b"", b""]) + body


def chain(*calls: tuple[Any, ...]) -> Body:
    """A method that makes these calls of the handler: (name, arguments...); what one raises is written into the response."""

    def body(self: Any, *path: str) -> None:
        for method, *arguments in calls:
            try:
                getattr(self, method)(*arguments)
            except Exception as error:
                if self._finished or self._headers_written:
                    raise
                self.write(f"[{method}: {type(error).__name__}: {error}]")

    return body


# What can be written
for _value in (
    "text",
    b"bytes",
    {"a": 1, "b": [None, True]},
    {},
    "",
    "\u00e9\u20ac",
    ["list"],
    3,
    None,
    1.5,
    {"</script>": "</x>"},
    bytearray(b"ba"),
    {1: 2},
):
    handler(f"write {_value!r}", lambda self, value=_value: self.write(value))
    handler(f"finish {_value!r}", lambda self, value=_value: self.finish(value))

# Headers
for _args in (
    ("X", "v"), ("x-low", "v"), ("X", 3), ("X", b"bytes"), ("X", dt.datetime(2020, 1, 2, 3, 4, 5)), ("X", "a\r\nb"), ("X", "a\nb"), ("X", "a\x00"), ("X", "\u00e9"),
    ("X", "\u20ac"), ("X", None), ("X", 1.5), ("X", True), ("X", ["l"]), ("X\r\n", "v"), ("X y", "v"), ("", "v"), ("X", ""), ("X", " v "), ("X", "a\tb"), ("X", "a\x7f"),
    ("Content-Length", "3"), ("Content-Type", "text/plain"), ("Server", "s"), ("Date", "d"), ("Etag", '"mine"'), ("Connection", "close"), ("Transfer-Encoding", "x"),
    ("X", dt.datetime(2020, 1, 2, tzinfo=dt.UTC)), ("X_Y", "v"), ("X", "v" * 5000), ("ETAG", "u"), ("X:y", "v"), ("\u00e9", "v"),
):  # fmt: skip
    handler(f"set_header {_args!r}"[:80], chain(("set_header", *_args), ("write", "abc")))
    handler(f"add_header {_args!r}"[:80], chain(("add_header", *_args), ("add_header", *_args), ("write", "abc")))
handler("clear_header", chain(("clear_header", "Server"), ("clear_header", "content-type"), ("clear_header", "X"), ("write", "a")))
handler("clear", chain(("set_header", "X", "y"), ("set_status", 201), ("write", "a"), ("clear",), ("write", "b")))
handler("set, add, set", chain(("set_header", "X", "1"), ("add_header", "X", "2"), ("add_header", "x", "3"), ("write", "b")))

# Status
for _status in (
    200,
    201,
    204,
    205,
    206,
    299,
    301,
    304,
    400,
    404,
    418,
    451,
    499,
    500,
    503,
    599,
    600,
    999,
    100,
    101,
    103,
    0,
    -1,
    "200",
    20,
    1000,
):
    handler(f"status {_status!r}", chain(("set_status", _status)))
    handler(f"status {_status!r} with body", chain(("set_status", _status), ("write", "abc")))
for _reason in ("Fine", "", "a\r\nb", "\u00e9", "a\x00", "\u20ac", b"bytes", "a\tb"):
    handler(f"reason {_reason!r}", chain(("set_status", 200, _reason), ("write", "abc")))
    handler(f"send_error with reason {_reason!r}", lambda self, reason=_reason: self.send_error(400, reason=reason))
    handler(f"HTTPError with reason {_reason!r}", lambda self, reason=_reason: _raise(web.HTTPError(400, reason=reason)))


def _raise(error: BaseException) -> None:
    raise error


# Errors
for _make in (
    lambda: web.HTTPError(403), lambda: web.HTTPError(404, "log %s", "arg"), lambda: web.HTTPError(500, "100%"), lambda: web.HTTPError(400, "no args %s"), lambda: web.HTTPError(777),
    lambda: web.HTTPError(404, "%d", "x"), lambda: web.HTTPError(200), lambda: web.HTTPError(304), lambda: web.HTTPError(204), lambda: web.MissingArgumentError("n"), lambda: web.Finish(),
    lambda: web.Finish("done"), lambda: web.Finish({"a": 1}), lambda: web.Finish(b"x"), lambda: ValueError("plain"), lambda: KeyError("k"), lambda: asyncio.CancelledError(),
    lambda: web.HTTPError(401, reason="Who\u00e9"), lambda: gen.Return(3), lambda: TimeoutError("t"), lambda: iostream.StreamClosedError(), lambda: web.HTTPError(reason="R"), lambda: web.HTTPError(404, None),
    lambda: web.HTTPError(500, "x", reason="<b>"), lambda: AssertionError(), lambda: OSError(2, "gone"), lambda: web.HTTPError(416), lambda: web.HTTPError(405), lambda: UnicodeDecodeError("utf8", b"\xff", 0, 1, "why"),
):  # fmt: skip
    _name = (
        repr(_make())
        if not isinstance(_make(), web.HTTPError)
        else f"HTTPError{_make().status_code, _make().log_message, _make().args, _make().reason!r}"
    )
    handler(f"raise {_name}", lambda self, make=_make: _raise(make()))
    handler(f"raise after write {_name}", lambda self, make=_make: (self.set_header("X", "y"), self.write("part"), _raise(make())))
    handler(f"raise after flush {_name}", lambda self, make=_make: (self.write("part"), self.flush(), _raise(make())))
    handler(f"raise in prepare {_name}", chain(("write", "never")), attributes={"prepare": lambda self, make=_make: _raise(make())})
handler("traceback in the page", lambda self: 1 / 0, settings={"serve_traceback": False, "debug": False})
handler("send_error", lambda self: self.send_error(418))
handler("send_error default", lambda self: self.send_error())
handler("send_error twice", lambda self: (self.send_error(418), self.send_error(419)))
handler("send_error after flush", lambda self: (self.write("a"), self.flush(), self.send_error(500)))
handler(
    "write_error of its own",
    lambda self: _raise(web.HTTPError(409, "m")),
    attributes={"write_error": lambda self, status, **k: self.finish(f"mine {status} {sorted(k)} {k['exc_info'][1]}")},
)
handler(
    "write_error that fails",
    lambda self: _raise(web.HTTPError(409)),
    attributes={"write_error": lambda self, status, **k: _raise(ValueError("inside"))},
)
handler(
    "write_error that does not finish",
    lambda self: _raise(web.HTTPError(409)),
    attributes={"write_error": lambda self, status, **k: self.write("x")},
)
handler(
    "log_exception of its own",
    lambda self: _raise(ValueError("v")),
    attributes={"log_exception": lambda self, *e: self.write(e[0].__name__)},
)
handler("on_finish fails", chain(("write", "a")), attributes={"on_finish": lambda self: _raise(ValueError("late"))})
handler("initialize fails", chain(("write", "a")), attributes={"initialize": lambda self: _raise(ValueError("early"))})
handler(
    "set_default_headers",
    chain(("write", "a"), ("clear",), ("write", "b")),
    attributes={"set_default_headers": lambda self: self.set_header("Server", "mine")},
)
handler(
    "set_default_headers and an error",
    lambda self: _raise(ValueError()),
    attributes={"set_default_headers": lambda self: self.set_header("X-Always", "1")},
)
handler("unknown method", chain(("write", "a")), request(b"FOO /"))
handler("method not there", chain(("write", "a")), request(b"PATCH /"), attributes={"patch": web.RequestHandler.patch})
handler("HEAD of a GET", chain(("write", "a")), request(b"HEAD /"))
handler("HEAD with Content-Length", chain(("set_header", "Content-Length", 10)), request(b"HEAD /"))
handler("HEAD with flush", chain(("write", "abc"), ("flush",), ("write", "def")), request(b"HEAD /"))
handler("HEAD not there", chain(("write", "a")), request(b"HEAD /"), attributes={"head": web.RequestHandler.head})
handler("OPTIONS not there", chain(("write", "a")), request(b"OPTIONS /"), attributes={"options": web.RequestHandler.options})

# Order of calls
for _calls in (
    [("write", "a"), ("finish",), ("write", "b")], [("finish", "a"), ("finish",)], [("finish",), ("set_header", "X", "y")], [("write", "a"), ("flush",), ("set_header", "X", "y"), ("write", "b")],
    [("write", "a"), ("flush",), ("set_status", 400), ("write", "b")], [("flush",)], [("flush",), ("flush",), ("write", "a")], [("write", "a"), ("flush",), ("write", "b"), ("flush",), ("flush",), ("finish", "c")],
    [("write", "a"), ("flush",), ("clear",)], [("finish",), ("flush",)], [("finish",), ("send_error", 500)], [("write", "a"), ("flush",), ("redirect", "/x")], [("finish",), ("redirect", "/x")],
    [("set_header", "Content-Length", "3"), ("write", "abcd")], [("set_header", "Content-Length", "5"), ("write", "abcd")], [("set_header", "Content-Length", "4"), ("write", "ab"), ("flush",), ("write", "cd")],
    [("set_header", "Content-Length", "4"), ("write", "ab"), ("flush",)], [("set_header", "Content-Length", "4"), ("flush",), ("write", "abcdef")], [("set_header", "Transfer-Encoding", "chunked"), ("write", "a")],
    [("set_header", "Transfer-Encoding", "chunked"), ("flush",), ("write", "a")], [("set_status", 204), ("flush",)], [("set_status", 304), ("flush",), ("write", "a")], [("set_header", "Connection", "close"), ("write", "a")],
    [("set_header", "Connection", "Keep-Alive"), ("write", "a")], [("set_status", 204), ("set_header", "Content-Length", "0")], [("set_status", 304), ("set_header", "Content-Length", "9"), ("set_header", "Content-Type", "x")],
    [("finish", "a"), ("set_cookie", "a", "b")], [("detach",)], [("set_etag_header",), ("write", "a")], [("check_etag_header",)], [("set_status", 304), ("set_header", "Allow", "GET"), ("set_header", "Last-Modified", "x")],
    [("write", ""), ("flush",), ("write", ""), ("write", "x")], [("set_header", "Content-Length", "0"), ("flush",)], [("set_status", 206), ("set_header", "Etag", '"x"')],
):  # fmt: skip
    _name = " ".join(f"{call[0]}{call[1:]}" for call in _calls)
    handler(f"calls {_name}"[:150], chain(*_calls))
    handler(f"calls in HTTP/1.0 {_name}"[:150], chain(*_calls), b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

# Redirects
for _args in (("/x",), ("/x", True), ("rel?q=1#f",), ("http://o/p",), ("//evil/x",), ("",), ("/\u00e9",), ("/a b",), ("/a\r\nX: y",), ("/x", False, 303), ("/x", False, 200), ("/x", True, 308), ("?q",), ("javascript:alert(1)",), ("/x\x00",), (b"/bytes",)):  # fmt: skip
    handler(f"redirect {_args!r}", lambda self, arguments=_args: self.redirect(*arguments))

# Arguments
_ASK = {
    "get_argument": lambda self, n: self.get_argument(n), "get_argument default": lambda self, n: self.get_argument(n, "dflt"), "get_arguments": lambda self, n: self.get_arguments(n),
    "no strip": lambda self, n: self.get_argument(n, strip=False), "query": lambda self, n: self.get_query_argument(n), "queries": lambda self, n: self.get_query_arguments(n, strip=False),
    "body": lambda self, n: self.get_body_argument(n, None), "bodies": lambda self, n: self.get_body_arguments(n), "None": lambda self, n: self.get_argument(n, None),
}  # fmt: skip
for _kind, _ask in _ASK.items():
    for _query in (
        b"a=1",
        b"a=1&a=2",
        b"a=",
        b"a",
        b"",
        b"a=+x+",
        b"a=%20x%09",
        b"a=%E9",
        b"a=%C3%A9",
        b"a=%00b%01",
        b"a=%ff%fe",
        b"b=1",
        b"a=1;b=2",
        b"a==",
        b"%61=x",
        b"a=%u1234",
        b"a=\xc3\xa9",
        b"a=x\x0b",
    ):
        handler(f"{_kind} of {_query!r}", lambda self, ask=_ask: self.write(repr(ask(self, "a"))), request(b"GET /?" + _query))
        if _query in (b"a=1&a=2", b"a=%E9", b"a=+x+", b""):
            _form = request(
                b"POST /?a=q", b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: %d" % len(_query), body=_query
            )
            handler(f"{_kind} of the form {_query!r}", lambda self, ask=_ask: self.write(repr(ask(self, "a"))), _form)
handler(
    "decode_argument of its own",
    lambda self: self.write(repr(self.get_argument("a"))),
    request(b"GET /?a=%E9"),
    attributes={"decode_argument": lambda self, value, name=None: f"{name}={value!r}"},
)
handler(
    "1001 arguments",
    lambda self: self.write(str(len(self.request.arguments))),
    request(b"GET /?" + b"&".join(b"a%d=1" % n for n in range(1001))),
)
handler(
    "1000 arguments",
    lambda self: self.write(str(len(self.request.arguments))),
    request(b"GET /?" + b"&".join(b"a%d=1" % n for n in range(1000))),
)
handler(
    "1001 in a form",
    lambda self: self.write("x"),
    request(b"POST /", b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: 4003", body=b"&".join([b"a=1"] * 1001)),
)
handler("path argument", lambda self: self.write("x"), request(b"GET /%E9"))


async def _path(pattern: str, line: bytes) -> Any:
    def body(self: Any, *path: Any, **named: Any) -> None:
        self.write(repr((path, named, self.path_args, self.path_kwargs)))

    return await talk(application((pattern, answering(body))), [request(line)])


for _pattern in (
    r"/(.*)",
    r"/(a)?(b)?",
    r"/(?P<x>\w+)/(?P<y>\w*)",
    r"/(\d+)",
    r"/(?:a|b)",
    r"/a/",
    r"/(\w+)$",
    r"",
    r"/.*?",
    r"/a\.b",
    r"/(?i:A)",
):
    for _line in (
        b"GET /",
        b"GET /a",
        b"GET /a/",
        b"GET /b",
        b"GET /a%2Fb",
        b"GET /%41",
        b"GET /12",
        b"GET /x/y",
        b"GET /%C3%A9",
        b"GET /%E9",
        b"GET /a+b",
        b"GET /a.b?q",
        b"GET /A",
        b"GET /a%00",
    ):
        add(f"web/route {_pattern} {_line!r}", lambda pattern=_pattern, line=_line: _path(pattern, line))

# Etags and conditional requests
for _condition in (b'If-None-Match: "x"', b"If-None-Match: *", b'If-None-Match: "a9993e364706816aba3e25717850c26c9cd0d89d"', b'If-None-Match: W/"a9993e364706816aba3e25717850c26c9cd0d89d"',
                   b'If-None-Match: "x", "a9993e364706816aba3e25717850c26c9cd0d89d"', b"If-None-Match: a9993e364706816aba3e25717850c26c9cd0d89d", b"If-None-Match: ", b"If-None-Match: \xe9", b'If-Match: "x"'):  # fmt: skip
    for _method in (b"GET", b"HEAD", b"POST"):
        handler(f"{_method!r} {_condition!r}", chain(("write", "abc")), request(_method + b" /", _condition))
    handler(f"status 201, {_condition!r}", chain(("set_status", 201), ("write", "abc")), request(b"GET /", _condition))
    handler(f"own etag, {_condition!r}", chain(("set_header", "Etag", '"x"'), ("write", "abc")), request(b"GET /", _condition))
    handler(
        f"compute_etag None, {_condition!r}",
        chain(("write", "abc")),
        request(b"GET /", _condition),
        attributes={"compute_etag": lambda self: None},
    )
    handler(
        f"weak etag, {_condition!r}",
        chain(("write", "abc")),
        request(b"GET /", _condition),
        attributes={"compute_etag": lambda self: 'W/"x"'},
    )

# Cookies
_COOKIES = (
    ("a", "b"), ("a", "b c"), ("a", 'q"uote'), ("a", "semi;colon"), ("a", "com,ma"), ("a", "\u00e9"), ("a", ""), ("a b", "c"), ("", "c"), ("a;", "c"), ("a", "c\r\nd"), ("a", "c\x00"), ("a", b"by"), ("\u00e9", "v"), ("a", "b\\c"), ("a=b", "c"), ("Path", "x"), ("expires", "x"), ("$x", "v"),
)  # fmt: skip
for _args in _COOKIES:
    handler(f"set_cookie {_args!r}", chain(("set_cookie", *_args)))
_WHEN = dt.datetime(2030, 1, 2, 3, 4, 5)
for _options in (
    {"domain": "d"}, {"path": "/p"}, {"path": None}, {"path": ""}, {"expires": _WHEN}, {"expires": 1_900_000_000}, {"expires": _WHEN.timetuple()}, {"max_age": 5}, {"max_age": 0}, {"max_age": "1; x"}, {"httponly": True},
    {"secure": True}, {"samesite": "Lax"}, {"samesite": "x;y"}, {"HttpOnly": True}, {"Secure": True, "MAX_AGE": 3}, {"secure": False, "httponly": False}, {"Domain": "D"}, {"domain": "a;b"}, {"path": "/;x"}, {"path": "a\nb"},
    {"comment": "c"}, {"version": 1}, {"nonsense": 1}, {"Path": "/q"}, {"SameSite": "Strict"}, {"expires": "text"}, {"domain": ""}, {"partitioned": True}, {"max_age": -1}, {"max_age": 1.5}, {"expires": None, "max_age": None},
):  # fmt: skip
    handler(f"set_cookie options {_options!r}"[:110], lambda self, options=_options: self.set_cookie("n", "v", **options))
handler("expires_days", lambda self: (self.set_cookie("n", "v", expires_days=0), self.write(self._new_cookie["n"].key)))
handler("two cookies, one twice", chain(("set_cookie", "a", "1"), ("set_cookie", "b", "2"), ("set_cookie", "a", "3")))
handler("clear_cookie", lambda self: (self.clear_cookie("a"), self.write(repr(self._new_cookie["a"]["path"])), self._new_cookie.clear()))
handler("clear_cookie with options", lambda self: _try(self, lambda: self.clear_cookie("a", path="/p", domain="d", expires=3)))
handler("clear_cookie with max_age", lambda self: _try(self, lambda: self.clear_cookie("a", max_age=3)))
handler("clear_all_cookies", lambda self: self.clear_all_cookies(), request(b"GET /", b"Cookie: a=1; b=2"))
handler(
    "get_cookie",
    lambda self: self.write(repr([self.get_cookie("a"), self.get_cookie("x"), self.get_cookie("x", "d")])),
    request(b"GET /", b"Cookie: a=1; b=2"),
)
handler("cookie after error", lambda self: (self.set_cookie("a", "b"), _raise(ValueError())))
handler("get_signed_cookie without secret", lambda self: _try(self, lambda: self.get_signed_cookie("a", "v")))
handler("set_signed_cookie without secret", lambda self: _try(self, lambda: self.set_signed_cookie("a", "v")))
for _cookie in (
    b"a=1; a=2",
    b"a",
    b"a=",
    b"=a",
    b"a=b=c",
    b'a="b c"',
    b'a="\\303\\251"',
    b"a=b,c",
    b"a=[b]",
    b"a=b;;c=d",
    b"a = b",
    b"\xe9=1",
    b"a=\xe9",
    b"a:b=c",
    b"a=b; Path=/x",
    b'a="unclosed; b=1',
    b"$Version=1; a=b",
    b"__proto__=x",
):
    handler(
        f"cookies {_cookie!r}",
        lambda self: self.write(repr(sorted((k, m.key, m.value, m.coded_value) for k, m in self.request.cookies.items()))),
        request(b"GET /", b"Cookie: " + _cookie),
    )


def _try(self: Any, function: Callable[[], Any]) -> None:
    try:
        self.write(repr(function()))
    except Exception as error:
        self.write(f"{type(error).__name__}: {error}")


# What a handler knows
handler("reverse_url", lambda self: self.write(repr([self.reverse_url("it"), self.application.settings.get("x")])))
handler("reverse_url unknown", lambda self: self.reverse_url("nosuch"))
handler("require_setting", lambda self: _try(self, lambda: self.require_setting("nosuch", "this feature")))
handler("static_url without path", lambda self: _try(self, lambda: self.static_url("x")))
handler("current_user", lambda self: self.write(repr(self.current_user)), attributes={"get_current_user": lambda self: "someone"})
handler("request repr", lambda self: self.write(repr(self.request)))
handler("locale", lambda self: self.write(self.locale.code), request(b"GET /", b"Accept-Language: de, en;q=0.5, fr;q=0.9, *"))
handler(
    "browser locale",
    lambda self: self.write(repr([self.get_browser_locale().code, self.get_user_locale()])),
    request(b"GET /", b"Accept-Language: xx;q=a, fr;q=1.5"),
)
handler("request_time", lambda self: self.write(str(self.request.request_time() >= 0)))
handler(
    "debug setting",
    lambda self: 1 / 0,
    settings={"serve_traceback": True},
    attributes={"write_error": lambda self, status, **k: self.finish("tb" if self.settings["serve_traceback"] else "no")},
)
handler("log_function", chain(("write", "a")), settings={"log_function": lambda handler: handler.request.connection and None})
handler("default_handler_class", chain(("write", "a")), request(b"GET /"), settings={"default_host": "x"})

for _decorated, _line in (("addslash", b"GET /a?b"), ("addslash", b"GET /a/"), ("addslash", b"POST /a"), ("removeslash", b"GET /a/?b=c"), ("removeslash", b"GET /"), ("removeslash", b"GET //e/"), ("addslash", b"GET //e"), ("removeslash", b"HEAD /a/"), ("addslash", b"HEAD /a"), ("authenticated", b"GET /a?b"), ("authenticated", b"POST /a"), ("authenticated", b"HEAD /")):  # fmt: skip
    handler(
        f"{_decorated} {_line!r}", getattr(web, _decorated)(lambda self: self.write("in")), request(_line), settings={"login_url": "/login"}
    )
handler(
    "authenticated, absolute login",
    web.authenticated(lambda self: self.write("in")),
    request(b"GET /a?b"),
    settings={"login_url": "https://sso/login?x=1"},
)
handler("authenticated without login_url", web.authenticated(lambda self: self.write("in")), request(b"GET /a?b"))

# Compression
for _accept in (b"gzip", b"gzip;q=0", b"deflate", b"*", b"GZIP", b"identity, gzip;q=0.5", b"x-gzip"):
    for _size in (10, 1023, 1024, 5000):
        handler(
            f"compress {_accept!r} {_size}",
            lambda self, size=_size: self.write("a" * size),
            request(b"GET /", b"Accept-Encoding: " + _accept),
            settings={"compress_response": True, "gzip": True},
        )
for _kind in (
    "text/html",
    "text/x",
    "image/png",
    "application/json",
    "application/javascript",
    "image/svg+xml",
    "application/xml; charset=x",
    "application/octet-stream",
    "TEXT/PLAIN",
    "application/atom+xml",
):
    handler(
        f"compress {_kind}",
        chain(("set_header", "Content-Type", _kind), ("write", "a" * 3000)),
        request(b"GET /", b"Accept-Encoding: gzip"),
        settings={"compress_response": True},
    )
handler(
    "compress and flush",
    chain(("write", "a" * 2000), ("flush",), ("write", "b" * 2000)),
    request(b"GET /", b"Accept-Encoding: gzip"),
    settings={"compress_response": True},
)
handler(
    "compress with Vary",
    chain(("set_header", "Vary", "Cookie"), ("write", "a" * 2000)),
    request(b"GET /", b"Accept-Encoding: gzip"),
    settings={"compress_response": True},
)
handler(
    "compress what is encoded",
    chain(("set_header", "Content-Encoding", "x"), ("write", "a" * 2000)),
    request(b"GET /", b"Accept-Encoding: gzip"),
    settings={"compress_response": True},
)
handler(
    "compress HEAD",
    chain(("set_header", "Content-Length", "2000")),
    request(b"HEAD /", b"Accept-Encoding: gzip"),
    settings={"compress_response": True},
)
handler(
    "compress 304",
    chain(("write", "abc")),
    request(b"GET /", b"Accept-Encoding: gzip", b"If-None-Match: *"),
    settings={"compress_response": True},
)


# Coroutines
async def _slow(self: Any) -> None:
    await asyncio.sleep(0)
    self.write("a")
    await self.flush()
    await asyncio.sleep(0)
    self.finish("b")


handler("coroutine", _slow)
handler("coroutine, two pipelined", _slow, _GET + _GET)


async def _late_error(self: Any) -> None:
    await asyncio.sleep(0)
    raise ValueError("late")


handler("coroutine that fails", _late_error)


@gen.coroutine
def _generator(self: Any) -> Any:
    yield gen.moment
    self.write("gen")
    raise gen.Return("ignored")


handler("gen.coroutine", _generator)
handler("returns a value", lambda self: "value")
handler("returns a number of futures", lambda self: [])


async def _finish_and_wait(self: Any) -> None:
    await self.finish("x")
    self.application.settings["after"] = True


handler("awaits finish", _finish_and_wait)


async def _client_leaves(self: Any) -> None:
    await asyncio.sleep(0.02)
    self.write("too late")


handler("the client leaves", _client_leaves, eof=True, probe=False, idle=0.0)


async def _prepare(self: Any) -> None:
    await asyncio.sleep(0)
    self.set_header("X-Prepared", "1")


handler("async prepare", chain(("write", "a")), attributes={"prepare": _prepare})
handler("finish in prepare", chain(("write", "never")), attributes={"prepare": lambda self: self.finish("early")})
handler(
    "redirect in prepare",
    chain(("write", "never")),
    request(b"POST /", b"Content-Length: 3", body=b"abc"),
    attributes={"prepare": lambda self: self.redirect("/y")},
)


def _streaming(name: str, *pieces: bytes, prepare: Any = None, data: Any = None, **options: Any) -> None:
    async def run() -> Any:
        notes: list[Any] = []

        @web.stream_request_body
        class Streaming(web.RequestHandler):
            async def prepare(self) -> None:
                notes.append("prepare")
                if prepare:
                    prepare(self)

            def data_received(self, chunk: bytes) -> Any:
                # How a body falls into pieces is a matter of time.
                sizes = notes.pop()[1] if isinstance(notes[-1], list) else 0
                notes.append(["body so far", sizes + len(chunk)])
                return data(self, chunk) if data else None

            def post(self) -> None:
                notes.append("post")
                self.write(repr(self.request.body))

            put = post

            def on_finish(self) -> None:
                notes.append(f"finished {self.get_status()}")

            def on_connection_close(self) -> None:
                notes.append("connection closed")

        return await talk(application((r"/.*", Streaming)), pieces, notes=notes, **options)

    add(f"web/streaming {name}", run)


_streaming("body", request(b"POST /", b"Content-Length: 6", body=b"abcdef"))
_streaming("in pieces", request(b"POST /", b"Content-Length: 6", body=b"abc"), b"def")
_streaming("chunked", request(b"POST /", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
_streaming("chunked in pieces", request(b"POST /", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"), b"2\r\nd", b"e\r\n0\r\n\r\n")
_streaming("without body", request(b"POST /"))
_streaming("large", request(b"POST /", b"Content-Length: 200000", body=b"a" * 200000))
_streaming(
    "too large",
    request(b"POST /", b"Content-Length: 20", body=b"a" * 20),
    prepare=lambda self: self.request.connection.set_max_body_size(10),
)
_streaming(
    "larger on request",
    request(b"POST /", b"Content-Length: 20", body=b"a" * 20),
    prepare=lambda self: self.request.connection.set_max_body_size(100),
    settings={"max_body_size": 10},
)
_streaming("refused in prepare", request(b"POST /", b"Content-Length: 20", body=b"a" * 20), prepare=lambda self: _raise(web.HTTPError(403)))
_streaming("finished in prepare", request(b"POST /", b"Content-Length: 20", body=b"a" * 20), prepare=lambda self: self.finish("early"))
_streaming("fails in data_received", request(b"POST /", b"Content-Length: 20", body=b"a" * 20), data=lambda self, chunk: 1 / 0)
_streaming(
    "coroutine in data_received", request(b"POST /", b"Content-Length: 20", body=b"a" * 20), data=lambda self, chunk: asyncio.sleep(0)
)
_streaming(
    "finishes in data_received",
    request(b"POST /", b"Content-Length: 20", body=b"a" * 10),
    b"a" * 10,
    data=lambda self, chunk: None if self._finished else self.finish("enough"),
)
_streaming("client leaves", request(b"POST /", b"Content-Length: 20", body=b"a" * 10), eof=True, probe=False)
_streaming("expect", request(b"POST /", b"Content-Length: 3", b"Expect: 100-continue"), b"abc")
_streaming("GET", request(b"GET /"))
