"""Connections on which nothing happens: each costs little, and nothing when it is gone."""

import asyncio
import gc
import socket
import tracemalloc
from typing import Any

import pytest

from tornadolike import web

CONNECTIONS = 300
# Of the server's objects; what asyncio has for a connection is among it.
BYTES_EACH = 12 * 1024


class Hello(web.RequestHandler):
    def get(self) -> None:
        self.finish("hello")


async def _connected(port: int, sent: bytes) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    client.send(sent)
    return client


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="silent"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100, id="in a head"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", id="between requests"),
    ],
)
async def test_an_idle_flood_costs_bounded_memory(serve: Any, sent: bytes) -> None:
    site = serve([("/", Hello)])
    warm = await site.client()
    warm.get()
    await warm.response()
    gc.collect()
    tracemalloc.start()
    try:
        clients = [await _connected(site.port, sent) for _ in range(CONNECTIONS)]
        await site.until(lambda: len(site.server._connections) == CONNECTIONS + 1)
        for client in clients if sent.endswith(b"\r\n\r\n") else ():
            assert (await asyncio.get_running_loop().sock_recv(client, 1000)).endswith(b"hello")
        gc.collect()
        flooded = tracemalloc.get_traced_memory()[0]
        warm.get()
        assert (await warm.response())[1] == b"hello"
        for client in clients:
            client.close()
        await site.until(lambda: len(site.server._connections) == 1)
        await asyncio.sleep(0)
        clients.clear()
        gc.collect()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert flooded < CONNECTIONS * BYTES_EACH
    assert left < flooded / 5
