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
        Left.inside = False

    def on_connection_close(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_a_connection_is_wound_up_whatever_on_connection_close_raises(serve: Any, logs: Any, error: Any) -> None:
    Leaving.error = Left.error = error
    site = serve([("/", Hello), ("/leaving", Leaving), ("/left", Left)])
    first, second = await site.client(), await site.client()
    Left.inside = False
    first.send(b"GET /left HTTP/1.1\r\nHost: a\r\n\r\n")
    second.send(b"POST /leaving HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    await site.until(lambda: Left.inside and len(site.server._connections) == 2)
    for client in (first, second):
        client.reset()
    # A handler that the end of the test cancels would be one more line in the log.
    await site.until(lambda: not site.server._connections and not Left.inside)
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
    assert (await client.response())[0].startswith(b"HTTP/1.1 500 ")
    assert logs.take("tornado.application", "Uncaught exception").exc_info[0] is iostream.StreamClosedError
    logs.take("tornado.access", "500 GET /foreign")
    await served(site)


class Hooks(websocket.WebSocketHandler):
    """A WebSocket, one hook of which fails."""

    failing = ""
    closed = 0

    def _fail(self, hook: str) -> None:
        if Hooks.failing == hook:
            raise RuntimeError(hook)

    def prepare(self) -> None:
        self._fail("prepare")

    def check_origin(self, origin: str) -> bool:
        self._fail("check_origin")
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        self._fail("select_subprotocol")
        return None

    def get_compression_options(self) -> None:
        self._fail("get_compression_options")

    def open(self, *args: str, **kwargs: str) -> None:
        self._fail("open")

    def on_message(self, message: str | bytes) -> None:
        self._fail("on_message")

    def on_ping(self, data: bytes) -> None:
        self._fail("on_ping")

    def on_pong(self, data: bytes) -> None:
        self._fail("on_pong")

    def on_close(self) -> None:
        Hooks.closed += 1
        self._fail("on_close")


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


@pytest.mark.parametrize("hook", ["prepare", "check_origin", "select_subprotocol", "get_compression_options"])
async def test_a_hook_that_fails_before_the_upgrade_is_an_error_like_any_other(serve: Any, logs: Any, hook: str) -> None:
    Hooks.failing, Hooks.closed = hook, 0
    site = serve([("/", Hello), ("/ws", Hooks)])
    client = await site.client()
    client.send(UPGRADE[:-2] + b"Origin: http://elsewhere\r\n\r\n")
    assert (await client.response())[0].startswith(b"HTTP/1.1 500")
    logs.take("tornado.access", "500")
    await served(site)
    assert Hooks.closed == 0
    assert logs.take("tornado.application", "Uncaught exception").exc_info[0] is RuntimeError


@pytest.mark.parametrize("hook", ["open", "on_message", "on_ping", "on_pong", "on_close"])
async def test_a_hook_of_a_websocket_that_fails_ends_it(serve: Any, logs: Any, hook: str) -> None:
    Hooks.failing, Hooks.closed = hook, 0
    site = serve([("/", Hello), ("/ws", Hooks)])
    client = await site.client()
    client.send(UPGRADE + b"".join(first + b"\x82\0\0\0\0hi" for first in (b"\x89", b"\x8a", b"\x81")) + b"\x88\x80\0\0\0\0")
    assert (await client.rest()).startswith(b"HTTP/1.1 101")
    await site.until(lambda: not site.server._connections and Hooks.closed)
    await served(site)
    assert Hooks.closed == 1
    assert logs.take("tornado.application", "Uncaught exception").exc_info[0] is RuntimeError
