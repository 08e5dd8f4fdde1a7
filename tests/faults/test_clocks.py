"""The clock on the wall is set, by an hour, forward or backward: what was to take a while still takes as long."""

import asyncio
import time
from typing import Any

import pytest

from tornadolike import web
from tornadolike.httpclient import HTTPClientError
from tornadolike.ioloop import PeriodicCallback
from tornadolike.simple_httpclient import SimpleAsyncHTTPClient

HOUR = 3600.0


class Hello(web.RequestHandler):
    def get(self) -> None:
        self.finish("hello")


class Waiting(web.RequestHandler):
    gate: asyncio.Event
    inside = 0

    async def get(self) -> None:
        Waiting.inside += 1
        await Waiting.gate.wait()
        self.finish("done")


ROUTES = [("/", Hello), ("/wait", Waiting)]


@pytest.fixture(params=[HOUR, -HOUR], ids=["forward", "backward"])
def jump(request: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    wall = time.time
    Waiting.gate, Waiting.inside = asyncio.Event(), 0
    return lambda: monkeypatch.setattr(time, "time", lambda: wall() + request.param)


@pytest.mark.parametrize("limits", [{}, {"head_timeout": 30, "handler_timeout": 30}])
async def test_connections_and_handlers_live_on(serve: Any, jump: Any, limits: Any) -> None:
    site = serve(ROUTES, lambda server: server.configure_limits(**limits), idle_connection_timeout=30, body_timeout=30)
    idle, busy = await site.client(), await site.client()
    idle.get()
    assert (await idle.response())[1] == b"hello"
    busy.get("/wait")
    await site.until(lambda: Waiting.inside)
    jump()
    await asyncio.sleep(0.02)
    idle.get()
    assert (await idle.response())[1] == b"hello"
    Waiting.gate.set()
    assert (await busy.response())[1] == b"done"


async def test_idle_connections_are_closed_in_time(serve: Any, jump: Any) -> None:
    site = serve(ROUTES, idle_connection_timeout=0.2)
    client = await site.client()
    client.get()
    await client.response()
    jump()
    assert await client.rest() == b""


async def test_slow_heads_and_handlers_end_in_time(serve: Any, jump: Any, logs: Any) -> None:
    site = serve(ROUTES, lambda server: server.configure_limits(head_timeout=0.2, handler_timeout=0.2))
    slow, stuck = await site.client(), await site.client()
    slow.send(b"GET / HT")
    stuck.get("/wait")
    await site.until(lambda: Waiting.inside)
    jump()
    assert await slow.rest() == b""
    assert (await stuck.rest()).startswith(b"HTTP/1.1 503 ")
    Waiting.gate.set()
    logs.take("tornado.general", "Timeout reading head")
    logs.take("tornado.general", "Timeout waiting for the handler")


@pytest.mark.parametrize("defaults", [{}, {"keep_alive": True}])
async def test_fetches_go_on_and_end_in_time(serve: Any, jump: Any, defaults: Any) -> None:
    site = serve(ROUTES)
    client = SimpleAsyncHTTPClient(force_instance=True, defaults=defaults)
    url = f"http://127.0.0.1:{site.port}"
    try:
        going_on = client.fetch(f"{url}/wait", request_timeout=30, connect_timeout=30)
        too_long = client.fetch(f"{url}/wait", request_timeout=1.0)
        await site.until(lambda: Waiting.inside == 2)
        jump()
        with pytest.raises(HTTPClientError, match="Timeout during request"):
            await asyncio.wait_for(too_long, 5)
        Waiting.gate.set()
        response = await asyncio.wait_for(going_on, 5)
        assert response.body == b"done"
        assert response.request_time is not None
        assert 0 < response.request_time < 20
        assert (await client.fetch(url)).body == b"hello"
    finally:
        client.close()


async def test_a_clock_set_back_does_not_stop_periodic_callbacks(jump: Any) -> None:
    calls: list[float] = []
    enough = asyncio.Event()

    def call() -> None:
        calls.append(time.time())
        if len(calls) == 2:
            jump()
        if len(calls) >= 4:
            enough.set()

    periodic = PeriodicCallback(call, 20)
    periodic.start()
    try:
        await asyncio.wait_for(enough.wait(), 5)
    finally:
        periodic.stop()


async def test_signed_cookies_follow_the_clock_on_the_wall(jump: Any) -> None:
    value = web.create_signed_value("secret", "name", "value")
    assert web.decode_signed_value("secret", "name", value, max_age_days=1 / 48) == b"value"
    before = time.time()
    jump()
    expected = None if time.time() > before else b"value"
    assert web.decode_signed_value("secret", "name", value, max_age_days=1 / 48) == expected
