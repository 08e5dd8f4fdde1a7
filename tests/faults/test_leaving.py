"""Clients that leave, or say that they send no more, while an answer is under way."""

import asyncio
import socket
from typing import Any

import pytest

from tornadolike import iostream, web
from tornadolike.iostream import StreamClosedError

MEGABYTE = 1 << 20


class Subscribing(web.RequestHandler):
    """Is told of the end by `on_connection_close`, whatever it was waiting for."""

    subscribers: set["Subscribing"] = set()
    told = 0

    async def get(self, way: str) -> None:
        Subscribing.subscribers.add(self)
        try:
            while True:
                self.write(b"x" * MEGABYTE)
                await self.flush()
                if way == "events":
                    await asyncio.sleep(0.001)
        except StreamClosedError:
            if way == "raises":
                raise

    def on_connection_close(self) -> None:
        Subscribing.told += 1
        Subscribing.subscribers.discard(self)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("way", ["returns", "raises", "events"])
async def test_who_waits_for_a_flush_is_told(serve: Any, way: str, reset: bool, logs: Any) -> None:
    site = serve([("/(.*)", Subscribing)])
    Subscribing.told = 0
    clients = [await site.client() for _ in range(5)]
    for client in clients:
        client.get("/" + way)
        await client.reader.readuntil(b"\r\n\r\n")
    assert len(Subscribing.subscribers) == 5
    for client in clients:
        if reset:
            client.reset()
        else:
            client.writer.transport.abort()
    await site.until(lambda: not Subscribing.subscribers)
    assert Subscribing.told == 5
    logs.records.clear()


class Sized(web.RequestHandler):
    def get(self, size: str) -> None:
        self.write(b"x" * int(size))


async def test_the_end_of_input_leaves_the_answer_whole(serve: Any) -> None:
    site = serve([("/(.*)", Sized)])
    client = await site.client()
    client.get(f"/{3 * MEGABYTE}")
    client.writer.write_eof()
    _, body = await client.response()
    assert body == b"x" * 3 * MEGABYTE
    assert await client.rest() == b""


async def test_the_end_of_input_leaves_an_answer_whole_that_waits_for_its_reader(serve: Any) -> None:
    site = serve([("/(.*)", Sized)])
    client = await site.client()
    client.writer.transport.pause_reading()
    client.get(f"/{20 * MEGABYTE}")
    client.writer.write_eof()
    await asyncio.sleep(0.05)
    client.writer.transport.resume_reading()
    _, body = await client.response()
    assert body == b"x" * 20 * MEGABYTE
    assert await client.rest() == b""


class Later(web.RequestHandler):
    """Answers after some turns of the loop, or never."""

    told = 0

    def prepare(self) -> None:
        self.gone = asyncio.Event()

    async def get(self, way: str) -> None:
        if way == "never":
            await self.gone.wait()
            return
        for _ in range(2):
            await asyncio.sleep(0)
        if way == "sleeping":
            await asyncio.sleep(0.05)
        self.write(way)

    def on_connection_close(self) -> None:
        Later.told += 1
        self.gone.set()


@pytest.mark.parametrize("paths", [["1", "2", "3"], ["200000", "3000000", "200000"]])
async def test_the_end_of_input_behind_pipelined_requests(serve: Any, paths: list[str]) -> None:
    site = serve([("/(.*)", Sized)])
    client = await site.client()
    for path in paths:
        client.get("/" + path)
    client.writer.write_eof()
    for path in paths:
        _, body = await client.response()
        assert body == b"x" * int(path)
    assert await client.rest() == b""


@pytest.mark.parametrize(
    ("ways", "answered"), [("turns turns turns", 3), ("sleeping turns", 2), ("turns sleeping turns", 3), ("turns never", 1)]
)
async def test_the_end_of_input_behind_requests_that_wait(serve: Any, ways: str, answered: int) -> None:
    """All are served; who waits for something without having begun an answer is told, as nobody may be there any more."""
    site, Later.told = serve([("/(.*)", Later)]), 0
    client = await site.client()
    for way in ways.split():
        client.get("/" + way)
    client.writer.write_eof()
    for way in ways.split()[:answered]:
        _, body = await client.response()
        assert body == way.encode()
    assert await client.rest() == b""
    assert Later.told == len(ways.split()) - answered


async def test_who_waits_before_other_requests_hears_of_the_end_too(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornadolike._http1_io.server_session._SECONDS_TO_ANSWER", 0.05)
    site, Later.told = serve([("/(.*)", Later)]), 0
    client = await site.client()
    for way in ("never", "turns"):
        client.get("/" + way)
    client.writer.write_eof()
    assert await client.rest() == b""
    await site.until(lambda: not site.server._connections)
    assert Later.told == 1


async def test_the_end_of_input_within_a_request(serve: Any, logs: Any) -> None:
    site = serve([("/(.*)", Sized)])
    for part in (b"GET /1 HTT", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /", b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"):
        client = await site.client()
        client.send(part)
        client.writer.write_eof()
        await client.rest()
    assert not site.server._connections


class Refusing(web.RequestHandler):
    def prepare(self) -> None:
        raise web.HTTPError(403)


@web.stream_request_body
class RefusingStream(Refusing):
    def data_received(self, chunk: bytes) -> None:
        raise AssertionError("refused")


def upload(port: int, path: str, size: int) -> bytes:
    """What a client gets that sends all that it has to before it reads."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path.encode(), size))
        sent, piece = 0, b"x" * 100_000
        while sent < size:
            client.sendall(piece[: size - sent])
            sent += len(piece)
        received = b""
        while piece := client.recv(65536):
            received += piece
        return received


@pytest.mark.parametrize(("path", "status"), [("/1", b"400"), ("/stream", b"403")])
async def test_an_upload_that_is_refused_hears_of_it(serve: Any, path: str, status: bytes, logs: Any) -> None:
    """The server reads on after its answer: closing at once would reset the connection and take the answer away."""
    site = serve([("/stream", RefusingStream), ("/(.*)", Sized)], max_body_size=1 << 20)
    if path == "/stream":
        site.server.conn_params.max_body_size = 1 << 30
    for size in (3 * MEGABYTE, 20 * MEGABYTE):
        for _ in range(5):
            answer = await asyncio.to_thread(upload, site.port, path, size)
            assert answer.startswith(b"HTTP/1.1 " + status)
    logs.records.clear()


async def test_who_sends_on_behind_its_last_request_gets_the_whole_answer(serve: Any) -> None:
    """What came behind that request is not served; to close with more of it on the way would take the end of the answer away."""
    site = serve([("/(.*)", Sized)])
    size = 3 * MEGABYTE
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as client:
        client.sendall(b"GET /%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /1 HTTP" % size)
        received = bytearray()
        while len(received) < size - 100_000:  # the rest lies in the kernel
            received += await asyncio.to_thread(client.recv, 65536)
        (session,) = site.server._connections or [None]
        await site.until(lambda: session is None or session.stream.closed() or not session.stream._unwritten())
        client.sendall(b"/1.1\r\nHost: a\r\n\r\n")
        client.sendall(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        while piece := await asyncio.to_thread(client.recv, 65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert len(body) == size
    await site.until(lambda: not site.server._connections)


async def test_lingering_has_an_end(serve: Any, logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = serve([("/(.*)", Sized)], max_body_size=1 << 20)
    defaults = (10 * MEGABYTE, 0.2)
    monkeypatch.setattr(iostream.BaseIOStream._close_gracefully, "__defaults__", defaults)
    head = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 40)
    idle, flooding = await site.client(), await site.client()
    idle.send(head)
    assert (await idle.rest()).startswith(b"HTTP/1.1 400 ")
    flooding.send(head)
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(10):
            while True:
                flooding.send(b"x" * MEGABYTE)
                await flooding.writer.drain()
    await site.until(lambda: not site.server._connections)
    logs.records.clear()
