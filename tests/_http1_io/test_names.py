"""What the rooms of an exchange need under names that programs replace, they find in ``http1connection``; and they show in no base."""

import asyncio
import gzip
import socket
from typing import Any

import pytest

from tornadolike import http1connection, httputil, iostream
from tornadolike.http1connection import HTTP1Connection, HTTP1ConnectionParameters


class Delegate(httputil.HTTPMessageDelegate):
    def __init__(self) -> None:
        self.heads: list[Any] = []
        self.body = b""
        self.over = asyncio.get_running_loop().create_future()

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        self.heads.append(start_line)

    def data_received(self, chunk: bytes) -> None:
        self.body += chunk

    def finish(self) -> None:
        self.over.set_result("finish")

    def on_connection_close(self) -> None:
        self.over.set_result("close")


async def exchange(sent: bytes, is_client: bool, kind: type[HTTP1Connection] = HTTP1Connection, **options: Any) -> Delegate:
    """What a connection makes of these bytes, behind which the other end sends no more."""
    ours, theirs = socket.socketpair()
    theirs.sendall(sent)
    theirs.shutdown(socket.SHUT_WR)
    delegate = Delegate()
    connection = kind(iostream.IOStream(ours), is_client, HTTP1ConnectionParameters(**options))
    if is_client:
        connection.write_headers(httputil.RequestStartLine("GET", "/", ""), httputil.HTTPHeaders({"Host": "a"}))
        connection.finish()
    reading = asyncio.ensure_future(connection.read_response(delegate))
    try:
        async with asyncio.timeout(10):
            await asyncio.wait([reading, delegate.over], return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.close()
        theirs.close()
        await asyncio.gather(reading, return_exceptions=True)
    return delegate


def test_no_room_is_a_base() -> None:
    assert HTTP1Connection.__mro__ == (HTTP1Connection, httputil.HTTPConnection, object)
    assert {"_input", "_frame", "_give_up", "_read_fixed_body"} <= set(vars(HTTP1Connection))


async def test_how_many_interim_responses(monkeypatch: pytest.MonkeyPatch, logs: Any) -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + b"HTTP/1.1 204 No Content\r\n\r\n"
    assert [line.code for line in (await exchange(answer, True)).heads] == [100, 100, 100, 204]
    monkeypatch.setattr(http1connection, "_MAX_1XX_RESPONSES", 1)
    assert [line.code for line in (await exchange(answer, True)).heads] == [100, 100]
    logs.take("tornado.general", "Too many 1xx responses")


async def test_what_inflates(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Inflating(http1connection._GzipMessageDelegate):
        def __init__(self, delegate: Any, connection: Any) -> None:
            made.append(delegate)
            super().__init__(delegate, connection)

    monkeypatch.setattr(http1connection, "_GzipMessageDelegate", Inflating)
    body = gzip.compress(b"hello")
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    delegate = await exchange(head + body, False, decompress=True)
    assert made == [delegate]
    assert delegate.body == b"hello"


class Classic(HTTP1Connection):
    """One that reads bodies in its own way, which is the inherited one."""

    def _read_body(self, *args: Any) -> Any:
        return super()._read_body(*args)


async def test_what_reads_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noting(name: str) -> None:
        original = getattr(http1connection, name)
        monkeypatch.setattr(http1connection, name, lambda text: (read.append(f"{name} {text}"), original(text))[1])

    noting("parse_int")
    noting("parse_hex_int")
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert (await exchange(chunked, False, Classic)).body == b"hello"
    assert read == ["parse_hex_int 5", "parse_hex_int 0"]
    ours, theirs = socket.socketpair()
    connection = HTTP1Connection(iostream.IOStream(ours), True)
    line = httputil.RequestStartLine("POST", "/", "")
    connection.write_headers(line, httputil.HTTPHeaders({"Content-Length": "5"}), b"hello")
    connection.close()
    theirs.close()
    assert read[2:] == ["parse_int 5"]
