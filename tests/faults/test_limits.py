"""Limits on connections, deadlines for heads and handlers, and the hardened profile."""

import asyncio
import contextlib
import gzip
import ssl
from pathlib import Path
from typing import Any

import pytest

import tornadolike
from tornadolike import web
from tornadolike._net.admission import Admission, address_key
from tornadolike.httpserver import HTTPServer


class Hello(web.RequestHandler):
    def get(self) -> None:
        self.finish("hello")


class Stuck(web.RequestHandler):
    left: asyncio.Event

    async def get(self) -> None:
        if self.get_query_argument("begin", ""):
            await self.flush()
        await Stuck.left.wait()

    def on_connection_close(self) -> None:
        Stuck.left.set()


class Cookies(web.RequestHandler):
    def get(self) -> None:
        first = self.get_cookie("c0")
        self.finish(f"{len(self.cookies)} {first}")


BOMB = gzip.compress(b"x" * 3000)
ROUTES = [("/", Hello), ("/stuck", Stuck), ("/cookies", Cookies)]


def _of_three_fields(server: HTTPServer) -> None:
    server.configure_limits(max_header_fields=3)


def _of_three_cookies(server: HTTPServer) -> None:
    server.configure_limits(max_cookies=3)


async def test_connections_beyond_the_limit_are_closed_and_room_comes_back(serve: Any, logs: Any) -> None:
    site = serve(ROUTES, lambda server: server.configure_limits(max_connections=2))
    first, second = await site.client(), await site.client()
    for client in (first, second):
        client.get()
        assert (await client.response())[1] == b"hello"
    for _ in range(3):
        assert await (await site.client()).rest() == b""
    logs.take("tornado.general", "Too many connections")  # one line for all three
    first.writer.close()
    await site.until(lambda: len(site.server._connections) == 1)
    third = await site.client()
    third.get()
    assert (await third.response())[1] == b"hello"


async def test_connections_of_one_address(serve: Any, logs: Any) -> None:
    site = serve(ROUTES, lambda server: server.configure_limits(max_connections_per_address=1))
    first = await site.client()
    first.get()
    assert (await first.response())[1] == b"hello"
    assert await (await site.client()).rest() == b""
    logs.take("tornado.general", r"Too many connections.*127\.0\.0\.1")
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, local_addr=("127.0.0.2", 0))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"hello")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("address", "key"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8::1", 5, 0, 0), "20010db800000000"),
        (("2001:db8::ffff:1", 6, 0, 0), "20010db800000000"),
        (("fe80::1%eth0", 6, 0, 2), "fe80000000000000"),
        (("::ffff:192.0.2.1", 6, 0, 0), "192.0.2.1"),
        ("", None),
        (None, None),
    ],
)
def test_what_counts_as_one_address(address: Any, key: str | None) -> None:
    assert address_key(address) == key


def test_the_count_of_those_who_left_without_a_word_is_swept() -> None:
    gone: set[int] = set()
    admission: Admission[int] = Admission(None, 2, gone.__contains__)
    host = ("192.0.2.1", 1)
    assert admission.admit(1, host, 0)
    assert admission.admit(2, host, 0)
    assert not admission.admit(3, host, 0)
    gone.add(1)
    assert not admission.admit(3, host, 0.5)  # swept less than a second ago
    assert admission.admit(3, host, 1.5)
    unlimited: Admission[int] = Admission(10**6, None, lambda owner: True)
    for owner in range(1000):
        unlimited.admit(owner, ("192.0.2.1", 1), 0)
    assert len(unlimited) <= 64


@pytest.mark.parametrize("start", [b"", b"GET / HT"])
async def test_slow_heads(serve: Any, logs: Any, start: bytes) -> None:
    site = serve(ROUTES, lambda server: server.configure_limits(head_timeout=0.1))
    client = await site.client()
    client.send(start)
    assert await client.rest() == b""
    logs.take("tornado.general", "Timeout reading head from 127.0.0.1")


async def test_the_time_for_a_head_begins_before_the_handshake(serve: Any, logs: Any) -> None:
    certificate = Path(tornadolike.__file__).with_name("testing.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    site = serve(ROUTES, lambda server: server.configure_limits(max_connections=1, head_timeout=0.3), ssl_options=context)
    silent, beyond = await site.client(), await site.client()
    assert await beyond.rest() == b""
    logs.take("tornado.general", "Too many connections")
    assert await silent.rest() == b""
    logs.take("tornado.general", "Timeout reading head from 127.0.0.1")


async def test_dribbled_heads_do_not_gain_time_and_idle_connections_are_left_alone(serve: Any, logs: Any) -> None:
    # Long enough for a busy machine to get the first request in.
    site = serve(ROUTES, lambda server: server.configure_limits(head_timeout=1.0))
    idle, slow = await site.client(), await site.client()
    idle.get()
    assert (await idle.response())[1] == b"hello"
    slow.get()
    await slow.response()

    async def dribble() -> None:
        while True:
            slow.send(b"X")
            await asyncio.sleep(0.01)

    dribbling = asyncio.ensure_future(dribble())
    with contextlib.suppress(ConnectionResetError):  # what came last may be unread when the connection is closed
        assert await slow.rest() == b""
    dribbling.cancel()
    logs.take("tornado.general", "Timeout reading head")
    idle.get()
    assert (await idle.response())[1] == b"hello"


@pytest.mark.parametrize(("path", "start"), [("/stuck", b"HTTP/1.1 503 "), ("/stuck?begin=1", b"HTTP/1.1 200 ")])
async def test_handlers_that_take_too_long(serve: Any, logs: Any, path: str, start: bytes) -> None:
    Stuck.left = asyncio.Event()
    site = serve(ROUTES, lambda server: server.configure_limits(handler_timeout=0.1))
    client = await site.client()
    client.get(path)
    answer = await client.rest()
    assert answer.startswith(start)
    assert not answer.endswith(b"0\r\n\r\n")  # an unfinished body must not look complete
    logs.take("tornado.general", "Timeout waiting for the handler")
    await asyncio.wait_for(Stuck.left.wait(), 5)


async def test_many_requests_on_one_connection_do_not_add_up(serve: Any) -> None:
    site = serve(ROUTES, lambda server: server.configure_limits(head_timeout=0.1, handler_timeout=0.1))
    client = await site.client()
    end = asyncio.get_running_loop().time() + 0.4
    while asyncio.get_running_loop().time() < end:
        client.get()
        assert (await client.response())[1] == b"hello"


def test_limits_are_positive() -> None:
    server = HTTPServer(web.Application())
    times_and_connections = ("max_connections", "max_connections_per_address", "head_timeout", "handler_timeout")
    for name in (*times_and_connections, "max_header_fields", "max_cookies"):
        with pytest.raises(ValueError, match="must be positive"):
            server.configure_limits(**{name: 0})


def test_hardened_values_fill_what_was_not_chosen() -> None:
    server = HTTPServer(web.Application())
    server.harden()
    params = server.conn_params
    assert (params.header_timeout, params.body_timeout, params.max_header_size, params.max_body_size) == (75, 60, 16384, 10 * 1024 * 1024)
    assert server._admission is not None
    assert server._admission.max_per_address == 100
    assert (params._max_header_fields, params._max_cookies) == (100, 200)
    server.configure_limits(max_cookies=300)
    assert (params._max_header_fields, params._max_cookies) == (100, 300)
    chosen = HTTPServer(web.Application(), idle_connection_timeout=5, body_timeout=6, max_header_size=777, max_body_size=8, xheaders=True)
    chosen.harden()
    params = chosen.conn_params
    assert (params.header_timeout, params.body_timeout, params.max_header_size, params.max_body_size) == (5, 6, 777, 8)
    assert chosen._admission is not None
    assert chosen._admission.max_per_address is None


@pytest.mark.parametrize(("prepare", "limit"), [(None, 1000), (HTTPServer.harden, 100), (_of_three_fields, 3)])
async def test_too_many_header_fields_are_431(serve: Any, logs: Any, prepare: Any, limit: int) -> None:
    site = serve(ROUTES, prepare)
    for fields in (limit, limit + 1):
        client = await site.client()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * (fields - 1) + b"\r\n")
        line = (await client.reader.readline()).decode()
        assert line.startswith("HTTP/1.1 200" if fields == limit else "HTTP/1.1 431")
        client.writer.close()
    logs.take("tornado.general", f"Malformed HTTP message.*more than {limit} header fields")


@pytest.mark.parametrize(("prepare", "limit"), [(None, 500), (HTTPServer.harden, 200), (_of_three_cookies, 3)])
async def test_cve_2025_58186_of_too_many_cookies_none_is_read(serve: Any, logs: Any, prepare: Any, limit: int) -> None:
    """CVE-2025-58186, of Go: thousands of tiny cookies became thousands of large objects."""
    site = serve(ROUTES, prepare)
    client = await site.client()
    for count, shown in ((limit, limit), (limit + 1, 0)):
        cookies = "; ".join(f"c{index}={index}" for index in range(count))
        client.send(f"GET /cookies HTTP/1.1\r\nHost: a\r\nCookie: {cookies}\r\n\r\n".encode())
        assert (await client.response())[1] == f"{shown} {'0' if shown else None}".encode()
    logs.take("tornado.general", "Too many cookies from 127.0.0.1")


@pytest.mark.parametrize("asked", [True, False])
async def test_tornado_2900_a_body_that_is_too_large_is_413_where_asked_for(serve: Any, logs: Any, asked: bool) -> None:
    """Tornado's bare 400 is what its own tests compare with; see docs/differences.md."""
    sent = {
        "length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n",
        "digits": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % 10**20,
        "chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
        "gzip": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(BOMB), BOMB),
        "no number": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    }
    prepare = HTTPServer.harden if asked else None
    site = serve(ROUTES, prepare, max_body_size=2000, decompress_request=True)
    for name, request in sent.items():
        client = await site.client()
        client.send(request)
        status = b"400 Bad Request" if name in ("digits", "no number") or not asked else b"413 Content Too Large"
        fields = b"Content-Length: 0\r\nConnection: close\r\n" if asked else b""
        assert await client.rest() == b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n", name
        logs.take("tornado.general", "Malformed HTTP message|too l")


async def test_a_hardened_server_serves(serve: Any) -> None:
    site = serve(ROUTES, HTTPServer.harden)
    client = await site.client()
    client.get()
    assert (await client.response())[1] == b"hello"
