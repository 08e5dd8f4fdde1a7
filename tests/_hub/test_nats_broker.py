"""What the broker on NATS leaves behind of connections: nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tornadolike._hub.nats_broker import NATSBroker, _in_order
from tornadolike._hub.server_broker import Request
from tornadolike.hub import BrokerDownError, Hub

SECONDS = 10


class SilentServer:
    """Accepts, and never says anything, as a server that is frozen."""

    def __init__(self) -> None:
        self.accepted, self.left = asyncio.Event(), asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted.set()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        self.left.set()
        writer.close()


@pytest.fixture
async def silent() -> AsyncIterator[SilentServer]:
    pytest.importorskip("nats", reason="the extra `nats` is not installed")
    silent = SilentServer()
    server = await asyncio.start_server(silent.serve, "127.0.0.1", 0)
    silent.url = "nats://{}:{}".format(*server.sockets[0].getsockname())
    yield silent
    server.close()
    await server.wait_closed()


async def test_a_connection_that_is_given_up_while_it_is_made_is_closed(silent: SilentServer) -> None:
    connecting = asyncio.create_task(NATSBroker(silent.url)._connect())
    await asyncio.wait_for(silent.accepted.wait(), SECONDS)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await asyncio.wait_for(silent.left.wait(), SECONDS)


async def test_a_connection_to_a_server_that_does_not_answer_is_closed(silent: SilentServer) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await NATSBroker(silent.url, timeout=1.0)._connect()
    await asyncio.wait_for(silent.left.wait(), SECONDS)


class Leaving:
    """A server of NATS that agrees to every connection, and is gone when it is asked something: killed at that moment."""

    def __init__(self) -> None:
        self.asked = 0
        self.again = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b'INFO {"server_id": "a", "version": "2.9.10", "proto": 1, "max_payload": 1048576, "headers": true, "jetstream": true}\r\n'
        )
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                if line == b"PING\r\n":
                    writer.write(b"PONG\r\n")
                elif line.startswith((b"PUB ", b"HPUB ")):
                    self.asked += 1
                    if self.asked == 2:
                        self.again.set()
                    break
        writer.close()


async def test_a_connection_that_ends_while_it_is_prepared_is_made_again_at_once(logs: Any) -> None:
    """And not after ``timeout`` seconds, for which the client would wait for an answer."""
    pytest.importorskip("nats", reason="the extra `nats` is not installed")
    leaving = Leaving()
    server = await asyncio.start_server(leaving.serve, "127.0.0.1", 0)
    hub = Hub(NATSBroker("nats://{}:{}".format(*server.sockets[0].getsockname()), timeout=10 * SECONDS))
    published = hub.publish("room", "message")
    async with asyncio.timeout(SECONDS):
        await leaving.again.wait()
    await hub.close()
    with pytest.raises(BrokerDownError):
        await published
    server.close()
    await server.wait_closed()
    logs.take("tornado.application", "hub: the broker is down, trying again: the connection was closed")


def test_where_a_room_ends_is_known_before_what_comes_behind_is_sent() -> None:
    """nats-server 2.15 answers what is asked aside of what is published, though both come on one connection."""

    def parts(*asked: str) -> list[list[str]]:
        kinds: dict[str, Any] = {"l": "locate", "p": "publish", "s": "since"}
        future: Any = None
        batch = [Request(kinds[one[0]], one[1], (), future, 0.0) for one in asked]
        names = {id(request): one for request, one in zip(batch, asked, strict=True)}
        return [[names[id(request)] for request in part] for part in _in_order(batch)]

    assert parts() == []
    assert parts("pa", "pa", "lb", "sa", "pc") == [["pa", "pa", "lb", "sa", "pc"]]
    assert parts("pa", "la", "pa", "pa") == [["pa"], ["la"], ["pa", "pa"]]
    assert parts("la", "lb", "sa", "pb", "pa", "la") == [["la", "lb", "sa"], ["pb", "pa"], ["la"]]
