"""The connections of the Redis broker: none is left open, whenever who opens or closes it is cancelled."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

import pytest

from tornadolike._hub.redis_broker import RedisBroker
from tornadolike.hub import Hub


class Cancelled:
    """Awaits a coroutine in the current task, which is cancelled when it has waited for so many things."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], at: int) -> None:
        self.waits = 0
        self._coroutine, self._at = coroutine, at

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._coroutine.__await__()
        go_on: Callable[[], Any] = partial(next, steps)
        while True:
            try:
                awaited = go_on()
            except StopIteration:
                return
            self.waits += 1
            task = asyncio.current_task()
            if self.waits == self._at and task is not None:
                task.cancel()
            try:
                yield awaited
            except BaseException as error:
                go_on = partial(steps.throw, error)
            else:
                go_on = partial(next, steps)


async def cancelled(coroutine: Coroutine[Any, Any, None], at: int) -> int:
    """How often it waits, in a task that is cancelled at one of these times."""
    counted = Cancelled(coroutine, at)

    async def work() -> None:
        await counted

    await asyncio.wait([asyncio.create_task(work())])
    return counted.waits


def open_connections() -> list[Any]:
    from redis.asyncio.connection import AbstractConnection

    return [one for one in gc.get_objects() if isinstance(one, AbstractConnection) and getattr(one, "_writer", None) is not None]


@pytest.mark.parametrize("which", ["writer", "reader"])
@pytest.mark.parametrize("closing_too", [False, True])
async def test_no_connection_is_left_open(started: Callable[[str], Any], which: str, closing_too: bool) -> None:
    broker = RedisBroker(started("redis").url)

    async def attempt(opening: int, closing: int) -> tuple[int, int]:
        opened = await cancelled(getattr(broker, f"_open_{which}")(), opening)
        closed = await cancelled(getattr(broker, f"_close_{which}")(), closing)
        assert open_connections() == [], (opening, closing)
        return opened, closed

    waits, waits_closing = await attempt(0, 0)
    assert waits > 1
    for opening in range(waits + 1):
        for closing in range(1, waits_closing + 1) if closing_too else (0,):
            await attempt(opening, closing)


class Member:
    def write_message(self, data: str | bytes, binary: bool = False) -> None:
        """Whatever it is."""


async def test_whatever_a_process_leaves_expires(started: Callable[[str], Any]) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(started("redis").url) as redis:
        async with Hub(RedisBroker(started("redis").url, prefix="leaves")) as hub:
            for room in "ab":
                await hub.join(room, Member())
                await hub.publish(room, "1")
            assert await hub.members("a") == 1
        left = {key: await redis.ttl(key) async for key in redis.scan_iter("{leaves}:*")}
    assert {key.split(b":")[1] for key in left} >= {b"room", b"run", b"sent", b"wake"}
    assert min(left.values()) > 0, left
