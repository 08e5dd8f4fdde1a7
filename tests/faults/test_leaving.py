"""Clients that leave, or say that they send no more, while an answer is under way."""

import asyncio
from typing import Any

import pytest

from tornadolike import web
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
