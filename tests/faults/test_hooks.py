"""Exceptions that would end more than one request, from hooks of handlers and WebSockets.

What each hook's exception gives, compared with Tornado, stands in ``compat_suite/differential/scenarios/faults.py``.
"""

import asyncio
from typing import Any

import pytest

from tornadolike import iostream, web, websocket


class Hello(web.RequestHandler):
    def get(self) -> None:
        self.finish("hello")


async def served(site: Any) -> None:
    client = await site.client()
    client.get()
    assert (await client.response())[1] == b"hello"


@web.stream_request_body
class Leaving(web.RequestHandler):
    """Somebody leaves in the middle of the body."""

    error: type[BaseException]

    def data_received(self, chunk: bytes) -> None:
        pass

    def on_connection_close(self) -> None:
        super().on_connection_close()
        raise self.error


class Left(web.RequestHandler):
    """Somebody leaves before the answer."""

    error: type[BaseException]
    inside = False

    async def get(self) -> None:
        Left.inside = True
        while not self.request.connection.stream.closed():  # type: ignore[union-attr]  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    def on_connection_close(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_a_connection_is_wound_up_whatever_on_connection_close_raises(serve: Any, logs: Any, error: Any) -> None:
    Leaving.error = Left.error = error
    site = serve([("/", Hello), ("/leaving", Leaving), ("/left", Left)])
    first, second = await site.client(), await site.client()
    first.send(b"GET /left HTTP/1.1\r\nHost: a\r\n\r\n")
    second.send(b"POST /leaving HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    Left.inside = False
    await site.until(lambda: Left.inside and len(site.server._connections) == 2)
    for client in (first, second):
        client.reset()
    await site.until(lambda: not site.server._connections)
    await served(site)
    for _ in range(2):
        assert logs.take("tornado.application", "Uncaught exception").exc_info[0] is error


class Foreign(web.RequestHandler):
    def initialize(self) -> None:
        raise iostream.StreamClosedError


async def test_that_a_stream_of_the_handlers_own_is_closed_is_logged(serve: Any, logs: Any) -> None:
    site = serve([("/", Hello), ("/foreign", Foreign)])
    client = await site.client()
    client.get("/foreign")
    assert await client.rest() == b""
    assert logs.take("tornado.application", "Uncaught exception").exc_info[0] is iostream.StreamClosedError
    await served(site)


class Socket(websocket.WebSocketHandler):
    error: type[BaseException]
    closed = 0

    def on_message(self, message: str | bytes) -> None:
        raise self.error

    def on_close(self) -> None:
        Socket.closed += 1
        raise self.error


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_a_websocket_whose_hooks_all_fail_is_closed_once(serve: Any, logs: Any, error: Any) -> None:
    Socket.error, Socket.closed = error, 0
    site = serve([("/", Hello), ("/ws", Socket)])
    client = await site.client()
    client.send(UPGRADE)
    assert (await client.response())[0].startswith(b"HTTP/1.1 101")
    client.send(b"\x81\x82\0\0\0\0hi")
    await client.rest()
    await site.until(lambda: Socket.closed and not site.server._connections)
    await served(site)
    assert Socket.closed == 1
    assert {record.exc_info[0] for record in logs.records} <= {error}
    logs.records.clear()
