"""Twice the input costs about twice the time, for every parser that reads what strangers send."""

import time
from collections.abc import Callable

import pytest

from tornadolike import httputil
from tornadolike._http import cookies, header_values, multipart, ranges
from tornadolike._http1 import select
from tornadolike._http1.engine import ServerEngine


def _fields(parser: str) -> Callable[[int], object]:
    return lambda n: ServerEngine(select.parser(parser), 10**7).feed(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * n + b"\r\n")


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
    "multipart near delimiters": lambda n: list(
        multipart.split_parts(b"b", b"--b\r\nX: y\r\n\r\n" + b"\r\n--" * n + b"\r\n--b--\r\n", 9, 10240)
    ),
}


def seconds(parse: Callable[[int], object], n: int) -> float:
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        parse(n)
        best = min(best, time.process_time() - begin)
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
