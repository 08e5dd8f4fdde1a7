"""What is fuzzed: each target takes any bytes, and may raise nothing but the errors that it promises.

In the gate by test_targets.py; for long runs ``python tests/fuzz/long_run.py TARGET`` (needs atheris).
"""

from tornadolike import escape, httputil, template
from tornadolike._http import cookies, header_values, multipart, ranges
from tornadolike._http1 import select
from tornadolike._http1.engine import ServerEngine
from tornadolike._http1.errors import PeerError
from tornadolike._websocket import handshake


def _engine(name: str, data: bytes) -> None:
    engine = ServerEngine(select.parser(name), 4096)
    try:
        for start in range(0, len(data), 50):
            engine.feed(data[start : start + 50])
        engine.feed_eof()
    except PeerError:
        pass


def h11(data: bytes) -> None:
    _engine("h11", data)


def httptools(data: bytes) -> None:
    _engine("httptools", data)


def multipart_body(data: bytes) -> None:
    boundary, _, body = data.partition(b"\n")
    try:
        parts = list(multipart.split_parts(boundary or b"b", body, 20, 500))
    except multipart.MultipartError:
        return
    assert len(parts) <= 20


def form(data: bytes) -> None:
    kind, _, body = data.partition(b"\n")
    try:
        httputil.parse_body_arguments(kind.decode("latin-1"), body, {}, {})
    except httputil.HTTPInputError:
        pass


def cookie(data: bytes) -> None:
    cookies.parse_cookie_pairs(data.decode("latin-1"))


def header_value(data: bytes) -> None:
    text = data.decode("latin-1")
    header_values.parse_parameters(text)
    ranges.parse_range(text)
    handshake.parse_extensions(text)


def template_source(data: bytes) -> None:
    try:
        template.Template(escape.to_unicode(data.decode("utf-8", "replace")))
    except (template.ParseError, SyntaxError, ValueError):
        pass  # not a template; or its expressions are not Python


TARGETS = {target.__name__: target for target in (h11, httptools, multipart_body, form, cookie, header_value, template_source)}
SEEDS = {
    "h11": [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"],
    "httptools": [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n"],
    "multipart_body": [b'b\n--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n'],
    "form": [
        b"multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b--",
        b"application/x-www-form-urlencoded\na=b&c=%41",
    ],
    "cookie": [b'a=b; c="d\\054"; e'],
    "header_value": [
        b'form-data; name="a;b\\""; filename*=utf-8\'\'%e2%82%ac',
        b"bytes=0-5",
        b"permessage-deflate; client_max_window_bits=10",
    ],
    "template_source": [b"{% if a %}{{ b }}{% else %}{# c #}{% end %}"],
}
