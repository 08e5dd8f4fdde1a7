"""What the broker on NATS leaves behind of connections: nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tornadolike._hub.nats_broker import NATSBroker

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
