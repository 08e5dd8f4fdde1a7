"""Clients that send slowly, or nothing: they are closed in time, and others are served meanwhile."""

import asyncio
from typing import Any

import pytest

from tornadolike import web


class Hello(web.RequestHandler):
    def get(self) -> None:
        self.finish("hello")

    post = get


@pytest.mark.parametrize(
    ("options", "sent", "logged"),
    [
        ({"idle_connection_timeout": 0.5}, b"", None),
        ({"idle_connection_timeout": 0.5}, b"GET / HTTP/1.1\r\nHo", None),
        ({"body_timeout": 0.5}, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx", "Timeout reading body"),
        ({"body_timeout": 0.5}, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx", "Timeout reading body"),
    ],
)
async def test_a_flood_of_them(serve: Any, logs: Any, options: dict[str, float], sent: bytes, logged: str | None) -> None:
    site = serve([("/", Hello)], **options)
    slow = [await site.client() for _ in range(60)]
    for one in slow:
        one.send(sent)
    other = await site.client()
    other.get()
    assert (await other.response())[1] == b"hello"
    assert await asyncio.gather(*[one.rest() for one in slow]) == [b""] * 60
    await site.until(lambda: len(site.server._connections) <= 1)
    for _ in range(60 if logged else 0):
        logs.take("tornado.general", str(logged))
