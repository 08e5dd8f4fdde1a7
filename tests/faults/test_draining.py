"""HTTPServer.drain: nothing that was asked is left without an answer."""

import asyncio
import base64
from typing import Any

import pytest

from tornadolike import web, websocket

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + base64.b64encode(b"0123456789abcdef") + b"\r\n\r\n"
)


class Waiting(web.RequestHandler):
    """Answers when told to."""

    gate: asyncio.Event
    inside = 0

    async def get(self) -> None:
        Waiting.inside += 1
        try:
            await Waiting.gate.wait()
        finally:
            Waiting.inside -= 1
        self.finish("done")

    post = get


class Quick(web.RequestHandler):
    def get(self) -> None:
        self.finish("quick")

    post = get


class Socket(websocket.WebSocketHandler):
    pass


class SlowToOpen(websocket.WebSocketHandler):
    """Opens when the gate does."""

    inside = 0

    async def open(self) -> None:
        SlowToOpen.inside += 1
        await Waiting.gate.wait()


ROUTES = [("/wait", Waiting), ("/", Quick), ("/ws", Socket), ("/slow-ws", SlowToOpen)]


@pytest.fixture(autouse=True)
def _gate() -> None:
    Waiting.gate = asyncio.Event()


async def test_an_idle_server_is_drained_at_once(serve: Any) -> None:
    site = serve(ROUTES)
    assert await site.server.drain() is True
    with pytest.raises(ConnectionRefusedError):
        await site.client()


async def test_idle_connections_are_closed(serve: Any) -> None:
    site = serve(ROUTES)
    client = await site.client()
    client.get()
    assert (await client.response())[1] == b"quick"
    assert await asyncio.wait_for(site.server.drain(), 5) is True
    assert await client.rest() == b""


async def test_who_has_not_asked_yet_is_given_longer_than_who_was_answered(serve: Any) -> None:
    """Of thousands that come back at once some ask seconds after they were accepted."""
    site = serve(ROUTES)
    answered, fresh, silent = [await site.client() for _ in range(3)]
    answered.get()
    await answered.response()
    await site.until(lambda: len(site.server._connections) == 3)
    seconds = {client.writer.get_extra_info("sockname"): ago for client, ago in ((answered, 2), (fresh, 2), (silent, 6))}
    for connection in site.server._connections:
        connection._session._idle_since -= seconds[connection.context.address]
    draining = asyncio.ensure_future(site.server.drain())
    assert await answered.rest() == await silent.rest() == b""
    fresh.get()
    head, body = await fresh.response()
    assert body == b"quick"
    assert b"\r\nConnection: close\r\n" in head
    assert await asyncio.wait_for(draining, 5) is True


async def test_requests_in_flight_are_answered_and_say_close(serve: Any) -> None:
    site = serve(ROUTES)
    clients = [await site.client() for _ in range(50)]
    for client in clients:
        client.get("/wait")
    await site.until(lambda: Waiting.inside == 50)
    draining = asyncio.ensure_future(site.server.drain())
    await site.until(lambda: not site.server._sockets or site.server.conn_params.no_keep_alive)
    await asyncio.sleep(0.05)
    assert not draining.done()
    Waiting.gate.set()
    assert await asyncio.wait_for(draining, 5) is True
    for client in clients:
        head, body = await client.response()
        assert body == b"done"
        assert b"\r\nConnection: close\r\n" in head
        assert await client.rest() == b""


async def test_what_has_reached_the_kernel_is_answered(serve: Any) -> None:
    site = serve(ROUTES)
    clients = [await site.client() for _ in range(20)]
    for client in clients:
        client.get()  # written by now; the server has not had a turn to read it
    assert await asyncio.wait_for(site.server.drain(), 5) is True
    for client in clients:
        assert (await client.response())[1] == b"quick"


async def test_a_request_half_sent_may_be_completed(serve: Any) -> None:
    site = serve(ROUTES)
    first, second = await site.client(), await site.client()
    first.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    second.send(b"GET / HTT")
    await site.until(lambda: sum(c._session.exchange is not None for c in site.server._connections) == 2)
    draining = asyncio.ensure_future(site.server.drain())
    await site.until(lambda: site.server.conn_params.no_keep_alive)
    first.send(b"cd")
    second.send(b"P/1.1\r\nHost: a\r\n\r\n")
    for client in (first, second):
        head, body = await client.response()
        assert body == b"quick"
        assert b"Connection: close" in head
    assert await asyncio.wait_for(draining, 5) is True


async def test_websockets_are_closed_with_1001(serve: Any) -> None:
    site = serve(ROUTES)
    client = await site.client()
    client.send(UPGRADE)
    assert (await client.response())[0].startswith(b"HTTP/1.1 101")
    draining = asyncio.ensure_future(site.server.drain())
    async with asyncio.timeout(5):
        assert await client.reader.readexactly(4) == b"\x88\x02\x03\xe9"
    assert not draining.done()
    client.send(b"\x88\x82\0\0\0\0\x03\xe9")
    assert await asyncio.wait_for(draining, 4) is True


class Stream(web.RequestHandler):
    """Goes on until it is told to end."""

    kind = "plain"

    def initialize(self, kind: str = "plain") -> None:
        self.ended = asyncio.Event()
        self.kind = kind

    async def get(self) -> None:
        Waiting.inside += 1
        await self.flush()
        await self.ended.wait()
        Waiting.inside -= 1
        self.finish("told")

    def on_drain(self) -> Any:
        if self.kind == "fails":
            self.ended.set()
            raise ValueError("in on_drain")
        if self.kind == "coroutine":
            return self.end()
        self.ended.set()
        return None

    async def end(self) -> None:
        await asyncio.sleep(0)
        self.ended.set()


@pytest.mark.parametrize("kind", ["plain", "coroutine", "fails"])
async def test_handlers_are_told(serve: Any, logs: Any, kind: str) -> None:
    Waiting.inside = 0
    site = serve([("/", Stream, {"kind": kind})])
    client = await site.client()
    client.get()
    await site.until(lambda: Waiting.inside == 1)
    assert await asyncio.wait_for(site.server.drain(30), 5) is True
    assert (await client.rest()).endswith(b"4\r\ntold\r\n0\r\n\r\n")
    if kind == "fails":
        logs.take("tornado.application", r"Exception in Stream\.on_drain")


def test_every_handler_has_the_hook() -> None:
    assert web.RequestHandler.on_drain(Quick.__new__(Quick)) is None  # so that subclasses can call super()'s


async def test_a_handler_that_begins_while_draining_is_told_too(serve: Any) -> None:
    Waiting.inside = 0
    site = serve([*ROUTES, ("/stream", Stream)])
    slow, late = await site.client(), await site.client()
    slow.get("/wait")
    await site.until(lambda: Waiting.inside == 1)
    draining = asyncio.ensure_future(site.server.drain(30))
    await site.until(lambda: site.server.conn_params.no_keep_alive)
    late.get("/stream")
    head = await late.reader.readuntil(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert (await late.rest()).endswith(b"told\r\n0\r\n\r\n")
    Waiting.gate.set()
    assert await asyncio.wait_for(draining, 5) is True


async def test_a_websocket_that_still_opens_is_told_and_waited_for(serve: Any) -> None:
    SlowToOpen.inside = 0
    site = serve(ROUTES)
    client = await site.client()
    client.send(UPGRADE.replace(b"/ws", b"/slow-ws"))
    assert (await client.response())[0].startswith(b"HTTP/1.1 101")
    await site.until(lambda: SlowToOpen.inside == 1)
    draining = asyncio.ensure_future(site.server.drain(30))
    async with asyncio.timeout(5):
        assert await client.reader.readexactly(4) == b"\x88\x02\x03\xe9"
    assert not draining.done()
    client.send(b"\x88\x82\0\0\0\0\x03\xe9")
    Waiting.gate.set()
    assert await asyncio.wait_for(draining, 4) is True


async def test_who_has_just_been_accepted_or_answered_may_still_ask(serve: Any) -> None:
    site = serve(ROUTES)
    new, kept = await site.client(), await site.client()
    kept.get()
    await kept.response()
    draining = asyncio.ensure_future(site.server.drain())
    await site.until(lambda: site.server.conn_params.no_keep_alive)
    await asyncio.sleep(0.1)  # a request takes its time on the wire
    for client in (new, kept):
        client.get()
        head, body = await client.response()
        assert body == b"quick"
        assert b"\r\nConnection: close\r\n" in head
        assert await client.rest() == b""
    assert await asyncio.wait_for(draining, 5) is True


async def test_the_time_limit_cuts_off(serve: Any, logs: Any) -> None:
    site = serve(ROUTES)
    client, silent = await site.client(), await site.client()
    silent.send(UPGRADE)
    assert (await silent.response())[0].startswith(b"HTTP/1.1 101")
    client.get("/wait")
    await site.until(lambda: Waiting.inside == 1)
    assert await asyncio.wait_for(site.server.drain(0.1), 5) is False
    assert await client.rest() == b""
    assert await silent.rest() == b"\x88\x02\x03\xe9"
    logs.take("tornado.general", r"Drain: 0\.1 s have passed, cutting off GET /wait \(127\.0\.0\.1\), a WebSocket$")
    Waiting.gate.set()
    await site.until(lambda: Waiting.inside == 0)
