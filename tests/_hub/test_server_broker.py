"""What brokers with a server share, against a server within the test that answers what it is told to."""

import asyncio
from typing import Any, ClassVar

import pytest

from tornadolike._hub.messages import Messages, Place, marked, place
from tornadolike._hub.server_broker import Received, Request, ServerBroker
from tornadolike.hub import BrokerDownError, Hub

SECONDS = 20


class Server(ServerBroker):
    """One room, kept in a list. It may refuse to say where that ends."""

    name: ClassVar[str] = "test"
    client: ClassVar[tuple[str, str]] = ("asyncio", "asyncio")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.kept: list[Received] = []
        self.refuses = True
        self.refused = asyncio.Event()
        self.news = asyncio.Event()

    async def _open_writer(self) -> None:
        """Always."""

    _open_reader = _open_writer

    async def _send(self, batch: list[Request]) -> list[Any]:
        await asyncio.sleep(0)
        return [self._answer(request) for request in batch]

    def _answer(self, request: Request) -> Any:
        if request.kind == "locate":
            if self.refuses:
                self.refused.set()
                return BrokerDownError("not now")
            return self.kept[-1][0] if self.kept else Place(0, 0)
        if request.kind == "since":
            asked = place(request.arguments[0] or "") or Place(0, 0)
            return Messages([message for at, message in self.kept if at > asked], last_id=str(asked))
        if request.kind == "publish":
            at = Place(1, len(self.kept) + 1)
            self.kept.append((at, marked(str(at), request.arguments[0].encode(), request.room, request.mark())))
            self.news.set()
            return str(at)
        return 0

    def _rooms_changed(self, room: str) -> None:
        self.news.set()

    async def _read(self) -> None:
        await self.news.wait()
        self.news.clear()
        for room, followed in self._followed.items():
            if followed.progress is not None:
                last = followed.progress.last
                self._took(room, [(at, message) for at, message in self.kept if at > last])


class Member:
    def __init__(self) -> None:
        self.got: list[str | bytes] = []

    def write_message(self, data: str | bytes, binary: bool = False) -> None:
        self.got.append(data)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornadolike._hub.broker.FIRST_DELAY_SECONDS", 0.001)


async def test_who_comes_back_while_the_room_cannot_be_located_misses_nothing_until_it_is() -> None:
    """What is published behind an answer of the history and before the room is followed would come to nobody."""
    async with asyncio.timeout(SECONDS), Hub(server := Server()) as hub:
        first = await hub.publish("r", "1")
        listener = hub.listen("r", first)
        reading = asyncio.ensure_future(anext(listener))
        joined = hub.join("r", member := Member(), last_id=first)
        await server.refused.wait()
        for _ in range(20):  # turns in which somebody asks the history
            await asyncio.sleep(0)
        await hub.publish("r", "2")
        server.refuses = False
        await joined
        await hub.publish("r", "3")
        assert [(await reading).data, (await anext(listener)).data] == ["2", "3"]
        assert member.got == ["2", "3"]


async def test_a_room_that_cannot_be_located_is_an_error_of_who_asks_for_it_and_follows_it() -> None:
    async with asyncio.timeout(SECONDS), Hub(Server(timeout=0.05)) as hub:
        with pytest.raises(BrokerDownError, match="where the room ends"):
            await hub.since("r", "1-1", wait=SECONDS)
        assert list(await hub.since("r", "1-1")) == []


async def test_who_asks_is_told_when_the_hub_is_closed() -> None:
    async with asyncio.timeout(SECONDS), Hub(server := Server(timeout=2 * SECONDS)) as hub:
        asking = asyncio.ensure_future(hub.since("r", "1-1", wait=SECONDS))
        await server.refused.wait()
        await asyncio.sleep(0)
        await hub.close()
        with pytest.raises(BrokerDownError):
            await asking
