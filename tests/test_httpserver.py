"""HTTPServer on real sockets: what the outside sees, on every engine, plain and TLS."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import tornadolike
from tornadolike import httputil, netutil
from tornadolike._http1 import select
from tornadolike.httpserver import HTTPServer, _HTTPRequestContext
from tornadolike.httputil import HTTPServerRequest
from tornadolike.iostream import IOStream

CERTIFICATE = Path(tornadolike.__file__).parent / "testing.crt"
KEY = CERTIFICATE.with_suffix(".key")


@pytest.fixture(params=["h11", "httptools"], autouse=True)
def _engine(request: pytest.FixtureRequest) -> Any:
    select.set_default(request.param)
    yield
    select.set_default(None)


def echo(request: HTTPServerRequest) -> None:
    text = f"{request.method} {request.path} {request.protocol} {request.remote_ip} {request.body.decode()}".encode()
    connection = request.connection
    assert connection is not None
    connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": str(len(text))}), text)
    connection.finish()


class Running:
    """A server on a free port and a way to talk to it."""

    def __init__(self, server: HTTPServer, family: int = socket.AF_INET, address: str = "127.0.0.1") -> None:
        self.server = server
        sockets = netutil.bind_sockets(0, address, family)
        server.add_sockets(sockets)
        self.address = sockets[0].getsockname()

    async def talk(self, wire: bytes, tls: ssl.SSLContext | None = None) -> bytes:
        """Send ``wire``, and return all that comes until the server closes."""
        reader, writer = await asyncio.open_connection(*self.address[:2], ssl=tls)
        writer.write(wire)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.fixture
async def serve() -> AsyncIterator[Any]:
    started: list[Running] = []

    def start(callback: Any = echo, **options: Any) -> Running:
        running = Running(HTTPServer(callback, **options))
        started.append(running)
        return running

    yield start
    for running in started:
        running.server.stop()
        await running.server.close_all_connections()


LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def test_pipelined_requests_are_answered_in_order(serve: Any) -> None:
    running = serve()
    wire = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + LAST
    answer = await running.talk(wire)
    assert [line for line in answer.split(b"\r\n") if b"http 127.0.0.1" in line][-1].endswith(b"GET /last http 127.0.0.1 ")
    assert answer.index(b"GET /1") < answer.index(b"POST /2 http 127.0.0.1 hi") < answer.index(b"GET /last")


BAD = {
    "bad request line": (b"nonsense\r\n\r\n", b"400 Bad Request", "Malformed HTTP request line"),
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"400 Bad Request",
        "Multiple unequal Content-Lengths",
    ),
    "too large a head": (b"GET / HTTP/1.1\r\nX: " + b"a" * 3000, b"431 Request Header Fields Too Large", "Unsatisfiable read"),
    "another version": (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", b"505 HTTP Version Not Supported", "Unexpected HTTP version"),
    "too large a body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n", b"400 Bad Request", "Content-Length too long"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_is_refused_once_and_the_next_client_is_served(serve: Any, logs: Any, case: str) -> None:
    wire, status, text = BAD[case]
    running = serve(max_header_size=2000, max_body_size=2000)
    fields = b"" if status.startswith(b"400") else b"Content-Length: 0\r\nConnection: close\r\n"  # Tornado's 400 has none
    assert await running.talk(wire) == b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n"
    logs.take("tornado.general", text, logging.INFO)
    assert not logs.records
    assert b"GET /last" in await running.talk(LAST)


async def test_a_truncated_body_disturbs_nobody(serve: Any) -> None:
    running = serve()
    _, writer = await asyncio.open_connection(*running.address)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert b"GET /last" in await running.talk(LAST)


async def test_tls(serve: Any) -> None:
    running = serve(ssl_options={"certfile": str(CERTIFICATE), "keyfile": str(KEY)})
    client = ssl.create_default_context(cafile=str(CERTIFICATE))
    client.check_hostname = False
    assert b"GET /last https 127.0.0.1" in await running.talk(LAST, client)


async def test_close_all_connections_and_stop(serve: Any) -> None:
    running = serve()
    reader, writer = await asyncio.open_connection(*running.address)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"127.0.0.1 ")
    assert len(running.server._connections) == 1
    running.server.stop()
    await running.server.close_all_connections()
    assert await reader.read() == b""
    assert not running.server._connections
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*running.address)


async def test_unix_socket(serve: Any, tmp_path: Path) -> None:
    running = serve()
    path = str(tmp_path / "socket")
    running.server.add_socket(netutil.bind_unix_socket(path))
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(LAST)
    assert b"GET /last http 0.0.0.0" in await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("fields", "remote_ip", "protocol"),
    [
        ({}, "10.0.0.1", "http"),
        ({"X-Forwarded-For": "1.2.3.4"}, "1.2.3.4", "http"),
        ({"X-Forwarded-For": "9.9.9.9, 1.2.3.4"}, "1.2.3.4", "http"),
        ({"X-Forwarded-For": "1.2.3.4, 5.5.5.5"}, "1.2.3.4", "http"),
        ({"X-Forwarded-For": "1.2.3.4" + ", 5.5.5.5" * 99}, "1.2.3.4", "http"),
        ({"X-Forwarded-For": "1.2.3.4" + ", 5.5.5.5" * 101}, "10.0.0.1", "http"),
        ({"X-Forwarded-For": "1.2.3.4", "X-Real-Ip": "4.4.4.4"}, "4.4.4.4", "http"),
        ({"X-Real-Ip": "not an address"}, "10.0.0.1", "http"),
        ({"X-Real-Ip": "::1"}, "::1", "http"),
        ({"X-Scheme": "https"}, "10.0.0.1", "https"),
        ({"X-Forwarded-Proto": "http, https"}, "10.0.0.1", "https"),
        ({"X-Forwarded-Proto": "gopher"}, "10.0.0.1", "http"),
    ],
)
async def test_what_a_proxy_says_holds_for_one_request(fields: dict[str, str], remote_ip: str, protocol: str) -> None:
    class Stream:
        socket = socket.socket()

    try:
        context = _HTTPRequestContext(Stream(), ("10.0.0.1", 1), None, ["5.5.5.5"])  # type: ignore[arg-type]
        context._apply_xheaders(httputil.HTTPHeaders(fields))
        assert (context.remote_ip, context.protocol) == (remote_ip, protocol)
        context._unapply_xheaders()
        assert (context.remote_ip, context.protocol) == ("10.0.0.1", "http")
        assert str(context) == "10.0.0.1"
    finally:
        Stream.socket.close()


@pytest.mark.parametrize("address", [["192.0.2.1", 1], (b"192.0.2.1", 1), (None, 1)])
async def test_an_address_of_another_kind_is_taken_as_it_is(address: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()):
        stream = IOStream(listening.accept()[0])
        context: Any = _HTTPRequestContext(stream, address, None)
        assert context.address is address
        assert context.remote_ip is address[0]
        stream.close()
