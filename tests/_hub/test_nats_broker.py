"""What the broker on NATS leaves behind of connections: nothing; and what it tells a slow process."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tornadolike._hub.messages import Place
from tornadolike._hub.nats_broker import NATSBroker, _in_order, _Sparse
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


@pytest.mark.parametrize(
    ("kept", "number", "behind_it", "lacks"),
    [
        (10, 9, 9, True),
        (10, 6, 9, False),  # the next one of all rooms
        (10, 9, 8, False),  # the history was not full, or an older one was in it still
        (10, 9, 3, False),
        (10, 9, 2, True),  # four were behind the one before
        (10, 4, 9, False),  # one that comes again
        (1, 9, 3, False),
        (-1, 9, 10_000, False),
    ],
)
def test_what_was_gone_before_a_slow_process_read_it_is_missed(kept: int, number: int, behind_it: int, lacks: bool) -> None:
    progress = NATSBroker()._progress(Place(7, 5))
    assert isinstance(progress, _Sparse)
    progress.behind_it = 4
    assert progress.may_lack(Place(7, number), behind_it, kept) is lacks
    assert not progress.may_lack(Place(8, number), behind_it, kept)


class Slow:
    """Keeps its process busy for so long that the broker has forgotten what it was not sent yet."""

    def __init__(self, publish: Callable[[], object]) -> None:
        self.publish = publish
        self.got: list[int] = []
        self.gaps = 0

    def write_message(self, data: str, binary: bool = False) -> None:
        self.got.append(int(data))
        if len(self.got) == 1:
            self.publish()

    def on_hub_gap(self, room: str) -> None:
        self.gaps += 1


class Ignores:
    def write_message(self, data: str, binary: bool = False) -> None:
        """Whatever it is."""


_FLOOD = """
import asyncio, sys
from tornadolike.hub import Hub, NATSBroker

async def flood():
    async with Hub(NATSBroker(sys.argv[1], prefix=sys.argv[2], history=10)) as hub:
        for number in range(1, 5000):
            sent = hub.publish("other", "x" * 4000), hub.publish("r", str(number))
            if number % 100 == 0:
                await asyncio.gather(*sent)
        await asyncio.gather(*sent)

asyncio.run(flood())
"""


async def test_a_process_that_is_slower_than_the_history_is_told(started: Callable[[str], Any], logs: Any) -> None:
    url = started("nats").url
    command = [sys.executable, "-c", _FLOOD, url, "slower"]
    member = Slow(lambda: subprocess.run(command, check=True, timeout=60))
    async with asyncio.timeout(60), Hub(NATSBroker(url, prefix="slower", history=10)) as hub:
        await hub.join("r", member)
        await hub.join("other", Ignores())
        hub.publish("r", "0")
        while member.got[-1:] != [4999]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert len(member.got) < 5000
    assert member.gaps
    assert not [record for record in logs.records if record.name != "tornado.application"]
    logs.records.clear()
