"""Headers, start lines, forms, cookies and requests."""

import datetime as dt
import pickle
from collections.abc import Callable
from typing import Any

from tornadolike._bench.works.registry import Run, calls, work

_FIELDS = (
    "Host: example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nCookie: a=1; b=2; session=0123456789abcdef\r\nConnection: keep-alive\r\n"
    "Cache-Control: no-cache\r\nX-Request-Id: 1234\r\n"
)
_COOKIES = "session=0123456789abcdef0123456789abcdef; theme=dark; _xsrf=2|aaaa|bbbb|1700000000; lang=en; _ga=GA1.2.3.4"


def _form(parts: int, size: int) -> bytes:
    part = b'--BOUNDARY\r\nContent-Disposition: form-data; name="f%d"; filename="%d.txt"\r\nContent-Type: text/plain\r\n\r\n%b\r\n'
    return b"".join(part % (number, number, b"x" * size) for number in range(parts)) + b"--BOUNDARY--\r\n"


def _multipart(body: bytes) -> Callable[[Any], Run]:
    def make(httputil: Any) -> Run:
        def run(n: int) -> None:
            for _ in range(n):
                arguments: dict[str, Any] = {}
                files: dict[str, Any] = {}
                httputil.parse_body_arguments("multipart/form-data; boundary=BOUNDARY", body, arguments, files)
                assert files

        return run

    return make


_TEN_FIELDS = [(f"X-Field-{number}", f"value {number}") for number in range(10)]


def _ten_fields(module: Any) -> Any:
    made = module.HTTPHeaders()
    for name, value in _TEN_FIELDS:
        made.add(name, value)
    made.add("Set-Cookie", "a=b")
    made.add("Set-Cookie", "c=d")
    return made


def _replaced(module: Any) -> Callable[[], object]:
    made = _ten_fields(module)

    def once() -> None:
        made["X-Field-3"] = "new"
        del made["X-Field-3"]

    return once


def _ever_new(module: Any) -> Callable[[], object]:
    times = iter(range(1_000_000_000, 2_000_000_000))
    return lambda: module.format_timestamp(next(times))


def _request_only(module: Any) -> Callable[[], object]:
    headers = module.HTTPHeaders({"Host": "example.com"})
    return lambda: module.HTTPServerRequest(method="GET", uri="/a?b=c", headers=headers).path


def _full_url(module: Any) -> Callable[[], object]:
    headers = module.HTTPHeaders({"Host": "example.com"})
    return lambda: module.HTTPServerRequest(method="GET", uri="/a?b=c", headers=headers).full_url()


def _form_of_fifty(httputil: Any) -> Run:
    body = "&".join(f"field{number}=some+value%20{number}" for number in range(50)).encode()

    def run(n: int) -> None:
        for _ in range(n):
            arguments: dict[str, Any] = {}
            httputil.parse_body_arguments("application/x-www-form-urlencoded", body, arguments, {})
            assert len(arguments) == 50

    return run


def _star_form(httputil: Any) -> Run:
    head = b'Content-Disposition: form-data; name="f"; filename="x"; filename*=utf-8\'\'%C3%A9.txt'
    body = (
        b"--B\r\n"
        + head
        + b'\r\nContent-Type: text/plain\r\n\r\nx\r\n--B\r\nContent-Disposition: form-data; name="g"\r\n\r\ny\r\n--B--\r\n'
    )

    def run(n: int) -> None:
        for _ in range(n):
            arguments: dict[str, Any] = {}
            files: dict[str, Any] = {}
            httputil.parse_multipart_form_data(b"B", body, arguments, files)
            assert arguments
            assert files

    return run


calls("httputil: url_concat", lambda m: lambda f=m.url_concat: f("http://example.com/a?b=c", {"d": "e f", "g": "h"}))
calls("httputil: url_concat, without a query", lambda m: lambda f=m.url_concat: f("http://example.com/a", [("d", "e"), ("d", "f")]))
calls("httputil: parse_cookie", lambda m: lambda f=m.parse_cookie: f(_COOKIES))
calls("httputil: parse_cookie, in quotes", lambda m: lambda f=m.parse_cookie: f('a="b c"; d="e f"; g=h'))
calls("httputil: HTTPHeaders.parse", lambda m: lambda f=m.HTTPHeaders.parse: f(_FIELDS))
calls("httputil: format_timestamp", lambda m: lambda f=m.format_timestamp: f(1700000000))
calls("httputil: parse_request_start_line", lambda m: lambda f=m.parse_request_start_line: f("GET /a/b?c=d HTTP/1.1"))
calls("httputil: parse_response_start_line", lambda m: lambda f=m.parse_response_start_line: f("HTTP/1.1 200 OK"))
calls("httputil: split_host_and_port", lambda m: lambda f=m.split_host_and_port: f("example.com:8888"))
calls("httputil: encode_username_password", lambda m: lambda f=m.encode_username_password: f("Ada", "secret"))
calls("httputil: qs_to_qsl", lambda m: lambda f=m.qs_to_qsl: list(f({"a": [b"1", b"2"], "b": [b"3"]})))


@work("httputil: HTTPHeaders, set and get")
def _headers(httputil: Any) -> Run:
    def run(n: int) -> None:
        for _ in range(n):
            headers = httputil.HTTPHeaders()
            headers["content-type"] = "text/html; charset=UTF-8"
            headers["Content-Length"] = "12"
            headers.add("Set-Cookie", "a=b")
            headers.add("set-cookie", "c=d")
            assert headers["Content-Type"]
            assert headers.get("ETag") is None
            assert "content-length" in headers
            assert headers.get_list("Set-Cookie") == ["a=b", "c=d"]

    return run


@work("httputil: HTTPHeaders, get_all")
def _get_all(httputil: Any) -> Run:
    headers = httputil.HTTPHeaders.parse(_FIELDS)
    return lambda n: [list(headers.get_all()) for _ in range(n)]


work("httputil: multipart of ten small files")(_multipart(_form(10, 100)))
work("httputil: multipart of 100 KB")(_multipart(_form(1, 100_000)))


@work("httputil: urlencoded form")
def _urlencoded(httputil: Any) -> Run:
    body = b"name=Ada+Lovelace&email=ada%40example.com&text=" + b"x" * 200

    def run(n: int) -> None:
        for _ in range(n):
            arguments: dict[str, Any] = {}
            httputil.parse_body_arguments("application/x-www-form-urlencoded", body, arguments, {})

    return run


@work("httputil: HTTPServerRequest with arguments")
def _request(httputil: Any) -> Run:
    headers = httputil.HTTPHeaders({"Host": "example.com", "Cookie": "a=b"})
    line = httputil.RequestStartLine("GET", "/a?b=c&d=e", "HTTP/1.1")

    def run(n: int) -> None:
        for _ in range(n):
            request = httputil.HTTPServerRequest(start_line=line, headers=headers)
            assert request.arguments["b"] == [b"c"]
            assert request.cookies["a"].value == "b"

    return run


calls("httputil: HTTPHeaders, from a dict", lambda m: lambda f=m.HTTPHeaders, d=dict(_TEN_FIELDS): f(d))
calls("httputil: HTTPHeaders, from keywords", lambda m: lambda f=m.HTTPHeaders: f(a="b", c="d"))
calls("httputil: HTTPHeaders, add ten", lambda m: lambda: _ten_fields(m))
calls("httputil: HTTPHeaders, copy", lambda m: lambda f=_ten_fields(m): f.copy())
calls("httputil: HTTPHeaders, items", lambda m: lambda f=_ten_fields(m): list(f.items()))
calls("httputil: HTTPHeaders, names", lambda m: lambda f=_ten_fields(m): list(f))
calls("httputil: HTTPHeaders, get", lambda m: lambda f=_ten_fields(m): f.get("X-Field-3"))
calls("httputil: HTTPHeaders, get, written otherwise", lambda m: lambda f=_ten_fields(m): f.get("x-field-3"))
calls("httputil: HTTPHeaders, get of one that is not there", lambda m: lambda f=_ten_fields(m): f.get("X-Missing"))
calls("httputil: HTTPHeaders, in", lambda m: lambda f=_ten_fields(m): "X-Field-3" in f)
calls("httputil: HTTPHeaders, get_list", lambda m: lambda f=_ten_fields(m): f.get_list("Set-Cookie"))
calls("httputil: HTTPHeaders, as text", lambda m: lambda f=_ten_fields(m): str(f))
calls("httputil: HTTPHeaders, parse_line", lambda m: lambda f=m.HTTPHeaders: f().parse_line("Content-Type: text/html"))
calls("httputil: HTTPHeaders, update", lambda m: lambda f=m.HTTPHeaders, d=dict(_TEN_FIELDS): f().update(d))
calls("httputil: HTTPHeaders, equal", lambda m: lambda a=_ten_fields(m), b=_ten_fields(m): a == b)
calls("httputil: HTTPHeaders, in, not there", lambda m: lambda f=_ten_fields(m): "X-Missing" in f)
calls("httputil: HTTPHeaders, pop of one that is not there", lambda m: lambda f=_ten_fields(m): f.pop("X-Missing", None))
calls("httputil: HTTPHeaders, a dict of them", lambda m: lambda f=_ten_fields(m): dict(f))
calls("httputil: HTTPHeaders, pickled and read", lambda m: lambda f=_ten_fields(m): pickle.loads(pickle.dumps(f)))
calls("httputil: HTTPHeaders, length", lambda m: lambda f=_ten_fields(m): len(f))
calls("httputil: HTTPHeaders, set and delete", _replaced)
calls("httputil: ResponseStartLine", lambda m: lambda f=m.ResponseStartLine: f("HTTP/1.1", 200, "OK"))
calls("httputil: RequestStartLine", lambda m: lambda f=m.RequestStartLine: f("GET", "/", "HTTP/1.1"))
calls("httputil: format_timestamp, a datetime", lambda m: lambda f=m.format_timestamp, t=dt.datetime(2024, 1, 2, 3, 4): f(t))
calls("httputil: format_timestamp, ever new", _ever_new)
calls("httputil: url_concat, nothing", lambda m: lambda f=m.url_concat: f("http://a/b", None))
calls("httputil: url_concat, a fragment", lambda m: lambda f=m.url_concat: f("http://a/b?c=d#e", {"f": "g"}))
calls("httputil: split_host_and_port, no port", lambda m: lambda f=m.split_host_and_port: f("example.com"))
calls("httputil: split_host_and_port, IPv6", lambda m: lambda f=m.split_host_and_port: f("[::1]:80"))
calls("httputil: parse_cookie, one", lambda m: lambda f=m.parse_cookie: f("a=b"))
calls("httputil: parse_cookie, a long one", lambda m: lambda f=m.parse_cookie: f("; ".join(f"name{n}=value{n}" for n in range(20))))
calls("httputil: HTTPServerRequest", _request_only)
calls("httputil: HTTPServerRequest, full_url", _full_url)
calls("httputil: HTTPFile", lambda m: lambda f=m.HTTPFile: f(filename="a", body=b"b", content_type="c").body)
work("httputil: urlencoded form of 50 fields")(_form_of_fifty)
work("httputil: multipart, a name that is not ASCII")(_star_form)
