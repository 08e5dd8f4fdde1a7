"""Functions of values: escape, httputil, util and the small parts of web, called with ordinary and with odd arguments."""

# ruff: noqa: E501, PLW0108, PLC3002, B023 - rows of tables; names are looked up when the call is made

import datetime as dt
import time
from typing import Any

from tornado import escape, httputil, util, web

from compat_suite.differential.scenario import add, calls, outcome, step

_TEXTS: list[Any] = [
    "",
    "plain",
    "<a href='x'>&\"</a>",
    "\u00e9\u20ac\U0001f600",
    "\x00\x01",
    b"bytes",
    b"\xff\xfe",
    None,
    3,
    "&lt;&amp;&quot;&#39;&apos;&#x41;&#65;&nope;&#xZZ;&#1114112;&;&nbsp",
    "a b+c%20d%2B%zz%",
    b"%C3%A9+%FF",
]
for _function in (
    escape.xhtml_escape,
    escape.xhtml_unescape,
    escape.url_escape,
    escape.url_unescape,
    escape.utf8,
    escape.to_unicode,
    escape.squeeze,
    escape.json_encode,
    escape.recursive_unicode,
    escape.linkify,
):
    calls(f"values.{_function.__name__}", _function, _TEXTS)
calls("values.url_escape plus", lambda value: escape.url_escape(value, plus=False), _TEXTS)
calls("values.url_unescape plus", lambda value: escape.url_unescape(value, plus=False), _TEXTS)
for _encoding in ("latin-1", None, "ascii", "nosuch"):
    calls(f"values.url_unescape {_encoding}", lambda value, encoding=_encoding: escape.url_unescape(value, encoding=encoding), _TEXTS)
calls(
    "values.json_decode",
    escape.json_decode,
    ["{}", b"[1]", "", "nope", '"\\u20ac"', b"\xff", None, "1" * 20, "[1,]", "NaN", '{"a":1,"a":2}'],
)
calls(
    "values.json_encode odd",
    escape.json_encode,
    [
        ("</x></y>",),
        ({1, 2},),
        ({"b": 1, "a": "\u2028"},),
        (float("nan"),),
        ([[]],),
        ({(1, 2): 3},),
        (b"b",),
        (dt.date(2020, 1, 1),),
        ("\u00e9",),
    ],
)
calls(
    "values.parse_qs_bytes",
    lambda *a: escape.parse_qs_bytes(*a),
    [
        ("a=1&b=2",),
        (b"a=1&a=2",),
        ("a",),
        ("a", True),
        ("a=&b", True),
        ("a=%E9",),
        (b"\xff=1",),
        ("a=1;b=2",),
        ("",),
        ("a" * 10 + "=" * 5,),
        ("a", False, True),
        ("=v",),
        ("&&a=1&&",),
        ("a=%zz",),
        ("+a=+b+",),
    ],
)
_LINKS = [
    "http://example.com", "see http://example.com/x?y=1&z=2#f, ok", "www.example.com", "(http://e.com/a_(b))", "https://e.com.", "ftp://e.com", "javascript:alert(1)", "mailto:a@b.c", "http://user:pw@e.com:80/", "<http://e.com>",
    "http://e.com/" + "a" * 100, "http:e.com", "http://", "a http://x.y and www.z.w.", "HTTP://E.COM", "http://\u00e9.com/\u00fc", "//e.com", "x@y.com", "http://e.com/'q'\"r\"", "www.e.com/a,b;c", "http://a.b/c&d&amp;e", "nothing", "http://e.com/%7Eu",
]  # fmt: skip
calls("values.linkify links", escape.linkify, _LINKS)
calls("values.linkify shorten", lambda text: escape.linkify(text, shorten=True), _LINKS)
calls("values.linkify protocol", lambda text: escape.linkify(text, require_protocol=True), _LINKS)
calls("values.linkify permitted", lambda text: escape.linkify(text, permitted_protocols=["ftp", "mailto"]), _LINKS)
calls("values.linkify params", lambda text: escape.linkify(text, extra_params='rel="nofollow" class="x"'), _LINKS[:4])
calls("values.linkify callable", lambda text: escape.linkify(text, extra_params=lambda url: f'data-u="{len(url)}"'), _LINKS[:4])

# httputil
_HEADERS = [
    "A: b\r\nC: d\r\n", "A: b\nC: d\n", "a: 1\r\nA: 2\r\n", "X: a\r\n b\r\n", " X: a\r\n", "no colon\r\n", "A:b", "A :b", ": v", "A:\r\n", "A: \u00e9", "A: a\x00", "", "\r\n", "A: b\r\n\r\nC: d", "Set-Cookie: a=b\r\nSet-Cookie: c=d", "A: b\r\r\n", "A(: b", "A: b\rC: d", "A: " + "x" * 200, "content-type:text/html;charset=utf-8", "x-a_b-c: v", "1: 2", "A: a\x7f", "A: a\x0bb ",
]  # fmt: skip
calls("values.HTTPHeaders.parse", lambda text: list(httputil.HTTPHeaders.parse(text).get_all()), _HEADERS)
calls("values.HTTPHeaders.parse text", lambda text: str(httputil.HTTPHeaders.parse(text)), _HEADERS)
calls("values.HTTPHeaders.parse chars", lambda text: list(httputil.HTTPHeaders.parse(text, _chars_are_bytes=False).get_all()), _HEADERS)


async def _headers() -> Any:
    record: list[Any] = []
    headers = httputil.HTTPHeaders({"Content-Type": "a", "x-y": "b"})
    for call in (
        lambda: headers.add("X-Y", "c"), lambda: headers["X-Y"], lambda: headers.get_list("x-y"), lambda: headers.get_list("none"), lambda: list(headers), lambda: len(headers), lambda: "x-Y" in headers, lambda: 3 in headers,
        lambda: headers.get("none"), lambda: headers["none"], lambda: headers.pop("x-y"), lambda: list(headers.get_all()), lambda: headers.update({"Q": "r"}, s="t"), lambda: repr(headers), lambda: str(headers), lambda: headers.copy() == headers,
        lambda: headers.add("B", 3), lambda: headers.add("B", "a\nb"), lambda: headers.add("B C", "v"), lambda: headers.__setitem__("B", None), lambda: list(headers.get_all()), lambda: headers.setdefault("Z", "zz"), lambda: headers.parse_line("W: 1"),
        lambda: headers.parse_line(" folded"), lambda: headers.parse_line("nocolon"), lambda: headers.parse_line(""), lambda: headers.parse_line("V : 1"), lambda: dict(headers), lambda: headers.clear(), lambda: bool(headers), lambda: headers == httputil.HTTPHeaders(),
        lambda: httputil.HTTPHeaders([("a", "1"), ("A", "2")]).get_all().__class__.__name__, lambda: list(httputil.HTTPHeaders([("a", "1"), ("A", "2")]).get_all()), lambda: httputil.HTTPHeaders(a_b="c")["A_b"], lambda: httputil.HTTPHeaders(1, 2), lambda: headers.popitem(),
        lambda: headers.__delitem__("none"), lambda: hash(headers), lambda: list(httputil.HTTPHeaders(httputil.HTTPHeaders({"a": "b"})).items()), lambda: headers.add("", "v"), lambda: headers.add("\u00e9", "v"), lambda: headers.add("A", "\u20ac"), lambda: str(headers),
    ):  # fmt: skip
        step(record, call)
    return record


add("values/HTTPHeaders", _headers)
calls(
    "values.request line",
    httputil.parse_request_start_line,
    [
        "GET / HTTP/1.1",
        "GET /",
        "GET / HTTP/1.0",
        "GET / HTTP/2",
        "GET  / HTTP/1.1",
        "",
        "G T / HTTP/1.1",
        "get / HTTP/1.1",
        "GET /\x00 HTTP/1.1",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.a",
        "A" * 50 + " / HTTP/1.1",
        "GET / HTTP/1.12",
        "G\u00e9T / HTTP/1.1",
        "GET /\u00e9 HTTP/1.1",
    ],
)
calls(
    "values.response line",
    httputil.parse_response_start_line,
    [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200",
        "HTTP/1.1 200 ",
        "HTTP/1.0 404 Not Found here",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/2 200 OK",
        "",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 abc OK",
        "HTTP/1.1 200 \u00e9",
        "HTTP/1.1 200 a\x00",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 200 a\tb",
    ],
)
_DISPOSITIONS = [
    'form-data; name="a"', 'form-data; name="a"; filename="f;x.txt"', "attachment; filename*=UTF-8''%e2%82%ac.txt", 'form-data; name="a\\"b"', "x", "", ";", "x;", "x; =y", "x; y", "x; y=", 'x; y="unclosed', "X; Y=Z; y=w", 'x; y="a\\\\b"', "x; y*0=a; y*1=b", "x; y*=iso-8859-1'en'%A3", "x; y*=nosuch''a",
    "x; y*=a", 'x; y=";";z=1', "x;y=1;;z=2", 'form-data; name="C:\\dir\\f.txt"', "text/html; charset=UTF-8", 'x; a="b"c', "x; \u00e9=\u00e9", "x; y*=utf-8''%zz", "x; y*0*=utf-8''%c3; y*1*=%a9", "x; y*1=b", "x ; y = z ",
]  # fmt: skip
calls("values._parse_header", httputil._parse_header, _DISPOSITIONS)
calls(
    "values._encode_header",
    httputil._encode_header,
    [("a", {}), ("a", {"b": "c"}), ("a", {"b": None, "c": "d e"}), ("a", {"z": "1", "b": "2"}), ("a", {"b": '"'})],
)
calls(
    "values.url_concat",
    httputil.url_concat,
    [
        ("http://h/", {"a": "1"}),
        ("http://h/?x=1", {"a": "1 2"}),
        ("http://h/?x=1#f", [("a", "\u00e9")]),
        ("http://h/", None),
        ("http://h/", []),
        ("http://h/?", {"a": ""}),
        ("/p;x", (("a", "b"), ("a", "c"))),
        ("http://h", "a=1"),
        ("http://h", 3),
        ("?a", {"b": "c"}),
        ("", {"a": "b"}),
        ("http://h/?q&r=", {"a": "b"}),
    ],
)
_WHEN = dt.datetime(2013, 1, 27, 18, 43, 20, 500)
calls(
    "values.format_timestamp",
    httputil.format_timestamp,
    [
        (_WHEN,),
        (_WHEN.replace(tzinfo=dt.timezone(dt.timedelta(hours=5))),),
        (1_359_312_200,),
        (1_359_312_200.5,),
        (0,),
        (-1,),
        ((2013, 1, 27, 18, 43, 20, 6, 27, -1),),
        (time.gmtime(5),),
        (dt.date(2020, 1, 1),),
        ("text",),
        (None,),
        (1e20,),
        (dt.datetime(1, 1, 1),),
    ],
)
_RANGES = [
    "bytes=1-2",
    "bytes=1-",
    "bytes=-2",
    "bytes=",
    "bytes=-0",
    "bytes=2-1",
    "x=1-2",
    "bytes",
    "bytes=1-2,3-4",
    "bytes= 1 - 2",
    "bytes=+1-2",
    "bytes=1_0-2",
    "bytes=a-",
    "bytes=--1",
    "",
    "bytes=\u0661-",
    "bytes=-",
    "BYTES=1-2",
    "bytes=0-0",
    "bytes=1-2-3",
    "bytes==1-2",
]
calls("values._parse_request_range", httputil._parse_request_range, _RANGES)
calls(
    "values._get_content_range",
    httputil._get_content_range,
    [(0, 5, 10), (None, 5, 10), (3, None, 10), (None, None, 0), (0, 0, 0), (-5, None, 10)],
)
_COOKIES = [
    "a=b",
    "a=b; c=d",
    "a=b;c=d",
    "a",
    "a=",
    "=b",
    "",
    ";;",
    'a="x"',
    'a="x\\"y"',
    'a="\\303\\251"',
    "a=b=c",
    "a = b ; c",
    "a=b; a=c",
    'a="unclosed',
    "a=[b]; c",
    "\u00e9=\u00e9",
    'a="\\\\"',
    'a="\\9"',
    "a=b,c=d",
    " a=b ",
    "a=b\tc",
    "Path=/; a=b",
    'a="' + "\\" * 9 + '"',
    'a="\\400"',
    'a="\\0"',
    'a=""',
    '"=x',
    "a=\x00",
]
calls("values.parse_cookie", httputil.parse_cookie, _COOKIES)
calls(
    "values._unquote_cookie",
    httputil._unquote_cookie,
    ['"a"', "a", '"', '""', '"\\054"', '"\\"', '"a\\"b"', '"\\1"', "", '"\\377\\400"', '"\\\\054"'],
)
calls(
    "values.split_host_and_port",
    httputil.split_host_and_port,
    ["h", "h:80", "[::1]", "[::1]:80", "::1", "h:", ":80", "", "h:x", "h:80:90", "h:\u0661", "a b:1", "h:-1", "h:99999"],
)
calls("values.qs_to_qsl", lambda value: list(httputil.qs_to_qsl(value)), [({"a": [b"1", b"2"], "b": []},), ({},)])
calls(
    "values.encode_username_password",
    httputil.encode_username_password,
    [("u", "p"), ("\u00e9", b"\xff"), ("u:v", ""), ("e\u0301", "x"), (None, "p")],
)
calls(
    "values.is_transfer_encoding_chunked",
    lambda value: httputil.is_transfer_encoding_chunked(httputil.HTTPHeaders(value)),
    [
        ({},),
        ({"Transfer-Encoding": "chunked"},),
        ({"Transfer-Encoding": "CHUNKED"},),
        ({"Transfer-Encoding": "x"},),
        ({"Transfer-Encoding": "chunked", "Content-Length": "1"},),
        ({"Transfer-Encoding": "gzip, chunked"},),
    ],
)
calls(
    "values.header names",
    lambda name: httputil._normalize_header(name),
    ["a-b", "ETAG", "x_y", "", "-a-", "www-authenticate", "a--b", "\u00e9a", "a b", "1a-2b"],
)


def _form(kind: str, body: bytes, headers: dict[str, str] | None = None, **config: Any) -> Any:
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[httputil.HTTPFile]] = {}
    keywords = {"config": httputil.ParseBodyConfig(multipart=httputil.ParseMultipartConfig(**config))} if config else {}
    result = outcome(httputil.parse_body_arguments, kind, body, arguments, files, httputil.HTTPHeaders(headers or {}), **keywords)
    return result, arguments, files


_URLENCODED = "application/x-www-form-urlencoded"
calls("values.form", _form, [(_URLENCODED, b"a=1&b=2"), (_URLENCODED, b"a=%E9&\xff=1"), (_URLENCODED + "; charset=x", b"a=1"), (_URLENCODED, b""), (_URLENCODED, b"a&b="), ("text/plain", b"a=1"), ("", b"a=1"), (_URLENCODED, b"a=1", {"Content-Encoding": "gzip"}), (_URLENCODED.upper(), b"a=1"), (_URLENCODED, b"a=1&" * 1001), ("multipart/form-data", b""), ("multipart/form-data; boundary=", b""), ("multipart/form-data; boundary", b"")])  # fmt: skip


def part(*lines: bytes, body: bytes = b"v", boundary: bytes = b"B") -> bytes:
    return b"--" + boundary + b"\r\n" + b"\r\n".join([*lines, b"", body]) + b"\r\n"


_NAME = b'Content-Disposition: form-data; name="a"'
_FILE = b'Content-Disposition: form-data; name="f"; filename="n.txt"'
_END = b"--B--\r\n"
_PARTS = [
    part(_NAME) + _END, part(_NAME) + part(_NAME, body=b"w") + _END, part(_FILE) + _END, part(_FILE, b"Content-Type: text/x") + _END, part(_NAME), part(_NAME) + b"--B--", part(_NAME) + b"--B", b"preamble\r\n" + part(_NAME) + _END + b"epilogue", part() + _END,
    part(b"X: y") + _END, part(b"Content-Disposition: attachment; name=a") + _END, part(b"Content-Disposition: form-data") + _END, part(b"Content-Disposition: form-data; name=a") + _END, part(_NAME.lower()) + _END, part(_NAME, body=b"") + _END, part(_NAME, body=b"\r\n") + _END,
    part(_NAME, body=b"--B") + _END, part(b'Content-Disposition: form-data; name="\xc3\xa9"') + _END, part(b'Content-Disposition: form-data; name="\xff"') + _END, part(b"Content-Disposition: form-data; name*=utf-8''%C3%A9") + _END, part(b'Content-Disposition: form-data; name="a"; filename="C:\\x\\y"') + _END,
    part(b'Content-Disposition: form-data; name="f"; filename=""') + _END, part(_NAME, b"no colon") + _END, part(_NAME, b"X: a\rb") + _END, part(_NAME, b" folded") + _END, b"--B\nContent-Disposition: form-data; name=a\n\nv\n--B--", b"", b"--B--", b"--B\r\n--B--", part(_NAME, boundary=b"C") + b"--C--",
    part(_NAME) * 101 + _END, part(_NAME) * 100 + _END, part(_NAME, b"X: " + b"y" * 11000) + _END, part(_FILE, body=bytes(range(256))) + _END, part(b"Content-Disposition: form-data; name=a; filename=x; filename*=utf-8''y") + _END, b"--B \r\n" + part(_NAME)[5:] + _END, part(_NAME)[:-2] + _END, part(_FILE, b"Content-Type: ") + _END,
    part(b'Content-Disposition: form-data; name=""') + _END, part(_NAME + b"\x00") + _END, part(_NAME, b"Content-Disposition: form-data; name=b") + _END,
]  # fmt: skip
calls("values.multipart", lambda body: _form("multipart/form-data; boundary=B", body), [(one,) for one in _PARTS])
calls(
    "values.multipart boundary",
    lambda kind: _form(kind, part(_NAME) + _END),
    [
        'multipart/form-data; boundary="B"',
        "multipart/form-data;boundary=B",
        "multipart/form-data; boundary=B; x=y",
        "multipart/form-data; Boundary=B",
        "Multipart/Form-Data; boundary=B",
        "multipart/mixed; boundary=B",
        "multipart/form-data; boundary= B",
        'multipart/form-data; x=";boundary=B"',
    ],
)
calls(
    "values.multipart limits",
    lambda limits: _form("multipart/form-data; boundary=B", part(_NAME) * 3 + _END, None, **limits),
    [({"max_parts": 2},), ({"max_parts": 3},), ({"max_part_header_size": 10},), ({"enabled": False},), ({"max_parts": 0},)],
)

# util and web
calls("values.GzipDecompressor", lambda data: util.GzipDecompressor().decompress(data), [(b"",), (b"garbage",)])
calls(
    "values.import_object",
    util.import_object,
    ["os", "os.path", "os.path.join", "nosuch", "os.nosuch", "", "os.", ".x", "tornado.escape.utf8", "a.b.c"],
)
calls("values.timedelta_to_seconds", util.timedelta_to_seconds, [(dt.timedelta(1, 2, 3),), (3,)])
calls("values.unicode_type", lambda value: (util.unicode_type, util.basestring_type, value), [(1,)])
calls("values.re_unescape", util.re_unescape, ["a", "\\.", "\\\\", "\\d", "\\", "a\\-b", "\\n", ""])
calls("values.errno_from_exception", util.errno_from_exception, [(OSError(2, "x"),), (OSError("x"),), (ValueError(),), (OSError(),)])
calls(
    "values._websocket_mask",
    util._websocket_mask,
    [(b"abcd", b"hello world"), (b"abcd", b""), (b"\0\0\0\0", b"xyz"), (b"\xff" * 4, bytes(range(9)))],
)
calls("values.exec_in", lambda code: (lambda names: (util.exec_in(code, names), names["x"]))({}), ["x = 1", "x = ", "y = 2", "x: int = 3"])
calls(
    "values.HTTPError",
    lambda *a: (lambda e: (str(e), repr(e.args), e.status_code, e.log_message, e.reason))(web.HTTPError(*a)),
    [(), (400,), (404, "m"), (404, "m %s", 1), (404, "m %s"), (999,), (404, "100%"), (404, None), (500, "%d", "x"), (500, "a", "b")],
)
calls("values.MissingArgumentError", lambda name: str(web.MissingArgumentError(name)), ["a", ""])


async def _objdict() -> Any:
    record: list[Any] = []
    value = util.ObjectDict(a=1)
    for call in (
        lambda: value.a,
        lambda: value.b,
        lambda: setattr(value, "c", 2),
        lambda: dict(value),
        lambda: repr(value),
        lambda: value["a"],
        lambda: hasattr(value, "x"),
    ):
        step(record, call)
    replacer = util.ArgReplacer(lambda one, two, three=3: None, "two")
    for call in (
        lambda: replacer.get_old_value((1, 2), {}),
        lambda: replacer.replace("x", (1, 2), {}),
        lambda: replacer.replace("x", (1,), {"two": 4}),
        lambda: replacer.replace("x", (1,), {}),
        lambda: replacer.get_old_value((1,), {}, "dflt"),
    ):
        step(record, call)

    class Base(util.Configurable):
        @classmethod
        def configurable_base(cls) -> Any:
            return Base

        @classmethod
        def configurable_default(cls) -> Any:
            return First

        def initialize(self, size: int = 0) -> None:
            self.size = size

    class First(Base): ...

    class Second(Base): ...

    for call in (
        lambda: type(Base()).__name__, lambda: Base(size=2).size, lambda: Base.configure(Second, size=5), lambda: (type(Base()).__name__, Base().size, Base(size=1).size), lambda: Base.configured_class().__name__, lambda: Base.configure("nosuch.Name"),
        lambda: Base.configure(int), lambda: type(First()).__name__, lambda: First().size, lambda: Base.configure(None), lambda: type(Base()).__name__, lambda: Base(3), lambda: Base(nosuch=3), lambda: Base._save_configuration()[1],
    ):  # fmt: skip
        step(record, call)
    return record


add("values/util", _objdict)


async def _request() -> Any:
    record: list[Any] = []
    for keywords in (
        {"method": "GET", "uri": "/p?a=1&b=%20"}, {"method": "POST", "uri": "/", "body": b"x", "host": "h:80"}, {"uri": "http://o/x"}, {"method": "GET", "uri": "/", "headers": httputil.HTTPHeaders({"Host": "hh", "Cookie": "a=b"})}, {"method": "GET", "uri": ""}, {"method": "GET", "uri": "/x#y"},
        {"method": "GET", "uri": "/", "version": "HTTP/1.1"}, {"start_line": httputil.RequestStartLine("PUT", "/s", "HTTP/1.1")}, {}, {"method": "GET", "uri": "//x/y"}, {"method": "GET", "uri": "*"}, {"method": "GET", "uri": "/?\u00e9=\u00e9"},
    ):  # fmt: skip
        request = step(record, lambda keywords=keywords: httputil.HTTPServerRequest(**keywords))
        if request is not None:
            for name in (
                "method",
                "uri",
                "path",
                "query",
                "version",
                "host",
                "host_name",
                "protocol",
                "remote_ip",
                "arguments",
                "body",
                "cookies",
                "files",
            ):
                step(record, lambda name=name: getattr(request, name))
            step(record, request.full_url)
            step(record, request.get_ssl_certificate)
    return record


add("values/HTTPServerRequest", _request)
