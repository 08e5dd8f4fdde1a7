"""Twice the input costs about twice the time, and memory stays within bounds, for every parser that reads what strangers send."""

import gc
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tornadolike import httputil, options, template
from tornadolike._http import content_coding, cookies, header_values, multipart, ranges
from tornadolike._http1 import framing, select
from tornadolike._http1.body import ChunkedReader
from tornadolike._http1.engine import ServerEngine
from tornadolike._http1.errors import PeerError
from tornadolike._http1.events import RequestHead
from tornadolike._web import conditional, languages
from tornadolike._websocket import errors as websocket_errors
from tornadolike._websocket import handshake
from tornadolike._websocket.deflate import Inflater
from tornadolike._websocket.frames import frame
from tornadolike._websocket.wsproto_engine import WsprotoEngine
from tornadolike.httpserver import _HTTPRequestContext


def _fields(parser: str) -> Callable[[int], object]:
    return lambda n: ServerEngine(select.parser(parser), 10**7, max_fields=10**6).feed(
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * n + b"\r\n"
    )


def _dribbled(n: int) -> None:
    engine = ServerEngine(select.parser("h11"), 10**7)
    for _ in range(n // 10):
        engine.feed(b"x")


def _repeated(n: int) -> None:
    headers = httputil.HTTPHeaders()
    for _ in range(n):
        headers.add("X", "y")
    headers["X"]


def _urlencoded(n: int) -> None:
    config = httputil.ParseBodyConfig(urlencoded=httputil.ParseUrlEncodedConfig(max_arguments=10**9))
    httputil.parse_body_arguments("application/x-www-form-urlencoded", b"a=%41&" * n, {}, {}, config=config)


def _request(target: str = "/", cookie: str = "") -> httputil.HTTPServerRequest:
    headers = httputil.HTTPHeaders({"Host": "a", "Cookie": cookie})
    return httputil.HTTPServerRequest(start_line=httputil.RequestStartLine("GET", target, "HTTP/1.1"), headers=headers)


def _query(n: int) -> None:
    """At the limit of a thousand, with longer and longer values."""
    _ = _request("/?" + "&".join(f"a{index}={'%41' * (n // 1000)}" for index in range(1000))).arguments


def _dechunked(n: int) -> None:
    reader, wire = ChunkedReader(10**9), b"1\r\nx\r\n" * n
    position = 0
    while position < len(wire):
        position += reader.read(wire[position : position + 4096])[1]


def _frames(n: int) -> None:
    engine = WsprotoEngine(False, 10**9)
    wire = frame(0x02, b"x", True) + frame(0x00, b"x", True) * (n // 10)
    for start in range(0, len(wire), 4096):
        engine.feed(wire[start : start + 4096])
        while engine.has_more:
            engine.feed()


def _options(n: int) -> None:
    parser = options.OptionParser()
    parser.define("names", multiple=True)
    parser.parse_command_line(["", "--names=" + "a," * n])


PARSERS: dict[str, Callable[[int], object]] = {
    "head, h11": _fields("h11"),
    "head, httptools": _fields("httptools"),
    "head byte by byte": _dribbled,
    "CVE-2025-67725 one name many times": _repeated,
    "CVE-2024-52804 quoted cookie": lambda n: cookies.parse_cookie_pairs('a="' + "\\" * n + '"'),
    "many cookies": lambda n: cookies.parse_cookie_pairs("a=b; " * n),
    "CVE-2025-67726 quoted semicolons": lambda n: header_values.parse_parameters('form-data; a="' + ";" * n),
    "parameters": lambda n: header_values.parse_parameters("form-data" + ";a=b" * n),
    "CVE-2025-62727 ranges": lambda n: ranges.parse_range("bytes=" + "0-0," * n),
    "urlencoded": _urlencoded,
    "multipart": lambda n: list(multipart.split_parts(b"b", b"--b\r\nX: y\r\n\r\nz\r\n" * n + b"--b--\r\n", 10**9, 10240)),
    "CVE-2026-40347 multipart epilogue": lambda n: list(
        multipart.split_parts(b"b", b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n" + b"\r\n--" * n, 9, 10240)
    ),
    "query": _query,
    "chunks": _dechunked,
    "WebSocket fragments": _frames,
    "gzip members": lambda n: list(content_coding.GzipInflater(65536, 10**9).feed(gzip.compress(b"x", mtime=0) * (n // 100))),
    "options": _options,
    "template": lambda n: template.Template("{{ a }}" * (n // 100)),
    "multipart near delimiters": lambda n: list(
        multipart.split_parts(b"b", b"--b\r\nX: y\r\n\r\n" + b"\r\n--" * n + b"\r\n--b--\r\n", 9, 10240)
    ),
}


def seconds(parse: Callable[[int], object], n: int) -> float:
    best = float("inf")
    gc.disable()  # it looks through all objects of the process, of which there are many at the end of a long run
    try:
        for _ in range(5):
            begin = time.process_time()
            parse(n)
            best = min(best, time.process_time() - begin)
    finally:
        gc.enable()
    return best


@pytest.mark.parametrize("name", PARSERS)
def test_twice_the_input(name: str) -> None:
    parse, ratios = PARSERS[name], []
    for _ in range(4):  # noise only ever adds: one good measurement is enough, and a quadratic parser gives none
        once = seconds(parse, 8000)
        ratios.append(seconds(parse, 16000) / max(once, 5e-4))
        if ratios[-1] < 2.5:
            return
    raise AssertionError(ratios)


LIMIT = 65_536
MESSAGE_LIMIT = 1_000_000
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
PART = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n"


def _numbered(form: str, size: int = LIMIT) -> str:
    """Pieces that are all different, of ``size`` characters together."""
    pieces: list[str] = []
    left = size
    while left >= (width := len(form % len(pieces))):
        pieces.append(form % len(pieces))
        left -= width
    return "".join(pieces)


def _head_of(fields: bytes) -> bytes:
    return HEAD + fields[: LIMIT - len(HEAD) - 2].rpartition(b"\r\n")[0] + b"\r\n\r\n"


def _head(parser: str, wire: bytes) -> None:
    """Parsed, and all of it read."""
    events = ServerEngine(select.parser(parser), LIMIT).feed(wire)
    assert isinstance(events[0], RequestHead)
    list(httputil.HTTPHeaders._from_wire(events[0].headers).get_all())


def _answered(name: str, value: str) -> None:
    """What is done with the list that a header field holds."""
    if name in ("Connection", "Content-Length"):
        framing.decide_request([(b"Host", b"a"), (name.encode(), value.encode())], "HTTP/1.1", "GET")
    elif name == "If-None-Match":
        assert not conditional.none_match(value, '"none"')
    elif name == "Accept-Language":
        languages.preferred(value)
    elif name == "X-Forwarded-For":
        _HTTPRequestContext(SimpleNamespace(socket=None), ("10.0.0.1", 1), None)._apply_xheaders(httputil.HTTPHeaders({name: value}))
    else:
        handshake.parse_extensions(value)


def _form(kind: str, body: bytes) -> None:
    httputil.parse_body_arguments(kind, body, {}, {})


def _fed(engine: WsprotoEngine, first: bytes, then: bytes = b"", times: int = 0) -> None:
    for wire in [first] + [then] * times:
        for start in range(0, len(wire), 65536):
            engine.feed(wire[start : start + 65536])
            while engine.has_more:
                engine.feed()


def _inflating() -> WsprotoEngine:
    engine = WsprotoEngine(False, MESSAGE_LIMIT)
    engine.use_deflate(None, Inflater(True, zlib.MAX_WBITS, MESSAGE_LIMIT))  # type: ignore[arg-type]  # nothing is sent
    return engine


def _bomb() -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return (stream.compress(bytes(20_000_000)) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def _gunzip(wire: bytes) -> None:
    for _ in content_coding.GzipInflater(65536, MESSAGE_LIMIT).feed(wire):
        pass


def _chunks(wire: bytes) -> None:
    """The buffer of the connection counts as well."""
    engine = ServerEngine(select.parser("h11"), LIMIT)
    engine.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(wire), 65536):
        engine.feed(wire[start : start + 65536])
        while engine.has_more:
            engine.feed()


Made = tuple[Callable[[], object], int, float]
"""What is done, the limit in bytes that holds for it, and how many times the limit its memory may be at most."""


def _memory_cases() -> dict[str, Made]:
    urlencoded, multipart_kind = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
    most_fields = b"&".join(b"%d=%b" % (index, b"%41" * 300) for index in range(1000))
    too_many_fields = b"a=b&" * 200_000
    most_parts = (PART + b"x" * 9000 + b"\r\n") * 99 + b"--b--\r\n"
    too_many_parts = (PART + b"x\r\n") * 20_000 + b"--b--\r\n"
    cookie, query = _numbered("%x=;"), _numbered("%x=&")
    heads = [
        ("one field", _head_of(b"X: " + b"y" * LIMIT + b"\r\n"), 8),
        ("most fields", _head_of(_numbered("%x: " + "y" * 59 + "\r\n").encode()), 12),
        ("most tiny fields", _head_of(b"a:\r\n" * 999), 7),
        # As Python objects the smallest fields and cookies take up to 65 and 140 times their bytes: they are counted before.
        ("tiny fields, refused", _head_of(b"a:\r\n" * LIMIT), 2),
        ("many names, refused", _head_of(_numbered("%x:\r\n").encode()), 2),
    ]
    most_cookies = _numbered("%x=" + "y" * 128 + ";")
    parameters, fragments = "form-data" + _numbered(";%x="), frame(0x00, b"x", True) * 200
    bomb, gzip_bomb = _bomb(), gzip.compress(bytes(20_000_000))
    whole, empty = frame(0x82, bytes(MESSAGE_LIMIT), True), frame(0x00, b"", True) * 200
    tiny_chunks, one_chunk, trailers = b"1\r\nx\r\n" * 5000, b"f0000\r\n" + b"x" * 0xF0000, b"0\r\n" + b"X: y\r\n" * 1000
    return {
        **{
            f"head of {what}, {name}": (lambda name=name, wire=wire: _head(name, wire), LIMIT, multiple)
            for what, wire, multiple in heads
            for name in ("h11", "httptools")
        },
        "cookies": (lambda: _request(cookie=most_cookies).cookies, LIMIT, 10),
        "cookies, refused": (lambda: _request(cookie=cookie).cookies, LIMIT, 5),
        **{
            f"list in {name}": (lambda name=name, value=value: _answered(name, value), LIMIT, 3)
            for name, value in (
                ("Connection", _numbered("%x,")),
                ("Content-Length", ",".join(["12"] * (LIMIT // 3 - 1))),
                ("If-None-Match", _numbered('"%x",')),
                ("Accept-Language", _numbered("%x,")),
                ("X-Forwarded-For", _numbered("%x,")),
                ("Sec-WebSocket-Extensions", _numbered("%x,")),
            )
        },
        "query, refused": (lambda: _request("/?" + query), LIMIT, 6),
        "query": (lambda: _query(20_000), 65_000, 12),
        "urlencoded": (lambda: _form(urlencoded, most_fields), len(most_fields), 3),
        "urlencoded, refused": (lambda: _form(urlencoded, too_many_fields), len(too_many_fields), 0.1),
        "multipart": (lambda: _form(multipart_kind, most_parts), len(most_parts), 2),
        "multipart, refused": (lambda: _form(multipart_kind, too_many_parts), len(too_many_parts), 0.1),
        "multipart headers": (lambda: _form(multipart_kind, PART[:-2] + b"X:\r\n" * 98 + b"\r\nx\r\n--b--\r\n"), 10_240, 4),
        "multipart headers, refused": (lambda: _form(multipart_kind, PART[:-2] + b"X:\r\n" * 2500 + b"\r\nx\r\n--b--\r\n"), 10_240, 4),
        "parameters": (lambda: header_values.parse_parameters(parameters), LIMIT, 2),
        "tiny chunks": (lambda: _chunks(tiny_chunks), LIMIT, 6),
        "one large chunk": (lambda: _chunks(one_chunk), LIMIT, 4),
        "trailers": (lambda: _chunks(trailers), LIMIT, 2),
        "WebSocket message": (lambda: _fed(WsprotoEngine(False, MESSAGE_LIMIT), whole), MESSAGE_LIMIT, 7),
        "WebSocket bomb": (lambda: _fed(_inflating(), frame(0xC2, bomb, True)), MESSAGE_LIMIT, 4),
        "WebSocket bomb in fragments": (
            lambda: _fed(_inflating(), frame(0x42, bomb[:100], True) + frame(0x80, bomb[100:], True)),
            MESSAGE_LIMIT,
            4,
        ),
        "WebSocket tiny fragments": (
            lambda: _fed(WsprotoEngine(False, 2000), frame(0x02, b"", True), fragments, 11),
            2000,
            4,
        ),
        "WebSocket empty fragments": (
            lambda: _fed(WsprotoEngine(False, 2000), frame(0x02, b"", True), empty, 10),
            2000,
            4,
        ),
        "gzip bomb": (lambda: _gunzip(gzip_bomb), MESSAGE_LIMIT, 1),
    }


MEMORY = _memory_cases()
REFUSED = (PeerError, httputil.HTTPInputError, websocket_errors.PeerError, content_coding.InflatedTooLarge)


def peak_bytes(parse: Callable[[], object]) -> int:
    """The most memory that was in use at once; the same in every run, however busy the machine."""
    gc.collect()
    tracemalloc.start()
    try:
        parse()
    except REFUSED:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize("name", MEMORY)
def test_memory_within_a_multiple_of_the_limit(name: str, logs: Any) -> None:
    parse, limit, multiple = MEMORY[name]
    assert peak_bytes(parse) < multiple * limit
    if name == "cookies, refused":
        logs.take("tornado.general", "Too many cookies")


@pytest.mark.parametrize("name", PARSERS)
def test_twice_the_input_takes_twice_the_memory(name: str) -> None:
    parse = PARSERS[name]
    assert peak_bytes(lambda: parse(4000)) < 2.5 * max(peak_bytes(lambda: parse(2000)), 50_000)
