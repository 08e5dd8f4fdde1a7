"""The examples of live rooms: several processes on one broker, members that come back."""

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tornadolike import sse
from tornadolike.websocket import WebSocketClientConnection, websocket_connect

SECONDS = 20


@pytest.fixture
def implementation() -> str:
    """The hub is ours."""
    return "tornadolike"


@pytest.fixture(params=["memory", "redis", "nats", "postgres"])
def broker(request: pytest.FixtureRequest, started: Callable[[str], Any]) -> str:
    url: str = "memory" if request.param == "memory" else started(request.param).url
    return url


async def enter(port: int, room: str, last: str = "") -> WebSocketClientConnection:
    return await websocket_connect(f"ws://127.0.0.1:{port}/rooms/{room}?last={last}")


async def heard(connection: WebSocketClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        message = await connection.read_message()
    assert message is not None
    told: dict[str, Any] = json.loads(message)
    return told


async def until_members(program: Any, room: str, count: int) -> None:
    async with asyncio.timeout(SECONDS):
        while json.loads(program.request("GET", f"/load/{room}")[2])["members"] != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_chat_over_two_processes(start: Callable[..., Any], broker: str) -> None:
    room = f"tea{os.urandom(4).hex()}"
    one = start("live_chat.py", f"--broker={broker}")
    other = one if broker == "memory" else start("live_chat.py", f"--broker={broker}")
    assert b"new WebSocket(" in one.request("GET", "/")[2]
    ann, bob = await enter(one.port, room), await enter(other.port, room)
    await until_members(one, room, 2)
    await until_members(other, room, 2)
    await ann.write_message("hello")
    first = await heard(bob)
    assert first["text"] == (await heard(ann))["text"] == "hello"
    bob.close()
    await ann.write_message("missed")
    await heard(ann)
    bob = await enter(one.port, room, first["id"])
    assert (await heard(bob))["text"] == "missed"
    for connection in (ann, bob):
        connection.close()
        while await connection.read_message() is not None:
            pass
    await until_members(other, room, 0)


@pytest.mark.parametrize("broker", ["memory", "redis"], indirect=True)
async def test_the_load_of_all_processes(start: Callable[..., Any], broker: str) -> None:
    one = start("live_chat.py", f"--broker={broker}")
    other = one if broker == "memory" else start("live_chat.py", f"--broker={broker}")
    assert b'new EventSource("/load")' in one.request("GET", "/load")[2]
    member = await enter(other.port, f"tea{os.urandom(4).hex()}")
    found: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(SECONDS):
        reports = sse.listen(f"http://127.0.0.1:{one.port}/load")
        async for event in reports:
            report = json.loads(event.data or "")
            found[report["name"]] = report
            await member.write_message("hello")
            ours = [report for name, report in found.items() if name.endswith((f" {one.process.pid}", f" {other.process.pid}"))]
            if len(ours) == len({one, other}) and sum(report["members"] for report in ours) == 2 and any(r["published"] > 0 for r in ours):
                break
        await reports.aclose()  # type: ignore[attr-defined]
    assert all(report["delivered"] >= 0 and report["waiting"] >= 0 for report in found.values())
    member.close()
    while await member.read_message() is not None:
        pass


async def test_a_ticker_that_is_resumed(start: Callable[..., Any], started: Callable[[str], Any]) -> None:
    url = started("redis").url
    one, other = start("live_ticker.py", f"--broker={url}"), start("live_ticker.py", f"--broker={url}")
    assert b"new EventSource(" in one.request("GET", "/")[2]
    assert one.request("POST", "/publish", {"symbol": "A", "price": "cheap"})[0] == 400
    first = json.loads(one.request("POST", "/publish", {"symbol": "A", "price": "1.5"})[2])["id"]
    one.request("POST", "/publish", {"symbol": "B", "price": "2"})
    async with asyncio.timeout(SECONDS):
        prices = sse.listen(f"http://127.0.0.1:{other.port}/prices", last_event_id=first)
        event = await anext(prices)
        assert json.loads(event.data or "") == {"symbol": "B", "price": 2.0}
        await asyncio.to_thread(one.request, "POST", "/publish", {"symbol": "C", "price": "3"})
        event = await anext(prices)
        assert json.loads(event.data or "") == {"symbol": "C", "price": 3.0}
        await prices.aclose()  # type: ignore[attr-defined]
