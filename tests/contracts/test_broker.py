"""What every broker promises to a `Hub`: in memory, on Redis, on NATS, on PostgreSQL."""

import asyncio
import contextlib
import gc
import hashlib
import importlib
import itertools
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tornadolike import hub as hub_module
from tornadolike._hub.server_broker import ServerBroker
from tornadolike.hub import Broker, BrokerDownError, Hub, MemoryBroker, NATSBroker, PostgresBroker, RedisBroker

KINDS = {"redis": RedisBroker, "nats": NATSBroker, "postgres": PostgresBroker}
SECONDS = 30
_names = itertools.count(1)


class Member:
    """Takes what a WebSocket handler would be sent."""

    def __init__(self) -> None:
        self.got: list[str | bytes] = []
        self.gaps: list[str] = []
        self.states: list[bool] = []
        self._news = asyncio.Event()

    def write_message(self, data: str | bytes, binary: bool = False) -> None:
        assert binary is isinstance(data, bytes)
        self.got.append(data)
        self._news.set()

    def on_hub_gap(self, room: str) -> None:
        self.gaps.append(room)
        self._news.set()

    def on_hub_state(self, up: bool) -> None:
        self.states.append(up)
        self._news.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self._news.clear()
                await self._news.wait()


@pytest.fixture(params=["memory", *KINDS])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=KINDS)
def server_kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def hubs(started: Callable[[str], Any]) -> AsyncIterator[Callable[..., Hub]]:
    """``hubs(kind)``: a hub like one of another process. Those of one test share their rooms, and no others."""
    prefix = f"test{next(_names)}"
    made: list[Hub] = []

    def make(kind: str, url: str | None = None, **options: Any) -> Hub:
        broker: Broker
        if kind == "memory":
            broker = MemoryBroker(**options)
        else:
            broker = KINDS[kind](url or started(kind).url, prefix=prefix, **{"timeout": SECONDS, **options})
        hub = Hub(broker)
        made.append(hub)
        return hub

    yield make
    for hub in made:
        await hub.close()
    assert left_open() == []


def left_open() -> list[Any]:
    """Connections of the client of Redis that wait for the collector, which would tell another test."""
    from redis.asyncio.connection import AbstractConnection

    return [one for one in gc.get_objects() if isinstance(one, AbstractConnection) and getattr(one, "_writer", None) is not None]


async def test_what_is_published_comes_to_members_as_it_was_in_one_order(kind: str, hubs: Any) -> None:
    hub, members = hubs(kind), [Member() for _ in range(3)]
    await asyncio.gather(*(hub.join("a room, täglich", member) for member in members))
    sent = ["text", b"\x00\xff", "", "späť", b"", "x" * 20_000]
    ids = await asyncio.gather(*(hub.publish("a room, täglich", message) for message in sent))
    await hub.publish("another", "unheard")
    await hub.publish("a room, täglich", {"a": 1})
    for member in members:
        await member.until(lambda member=member: len(member.got) == 7)
        assert member.got == [*sent, '{"a": 1}']
    assert len(set(ids)) == 6


async def test_without_waiting_what_comes_after_joining_is_not_lost(kind: str, hubs: Any) -> None:
    hub, member = hubs(kind), Member()
    await hub.publish("r", "before")
    hub.join("r", member)
    hub.publish("r", "after")
    await member.until(lambda: member.got)
    assert member.got == ["after"]


async def test_the_excluded_member_and_those_that_left_are_left_out(kind: str, hubs: Any) -> None:
    hub, one, other = hubs(kind), Member(), Member()
    await hub.join("r", one)
    await hub.join("r", other)
    await hub.join("s", one)
    await hub.publish("r", "1", exclude=one)
    await hub.publish("r", "2")
    await other.until(lambda: len(other.got) == 2)
    await one.until(lambda: one.got)
    assert (one.got, other.got) == (["2"], ["1", "2"])
    hub.leave("r", other)
    await hub.publish("r", "3")
    await one.until(lambda: len(one.got) == 2)
    assert other.got == ["1", "2"]
    hub.leave(one)
    hub.leave(one)
    assert await hub.members("r") == await hub.members("s") == 0


async def test_listening_and_resuming(kind: str, hubs: Any) -> None:
    hub = hubs(kind)
    listener = hub.listen("r")
    for number in range(5):
        await hub.publish("r", str(number))
    messages = [await anext(listener) for _ in range(5)]
    assert [message.data for message in messages] == ["0", "1", "2", "3", "4"]
    assert {message.room for message in messages} == {"r"}
    since = await hub.since("r", messages[1].id)
    assert (list(since), since.complete, since.last_id) == (messages[2:], True, messages[4].id)
    part = await hub.since("r", messages[0].id, limit=2)
    assert (list(part), part.last_id) == (messages[1:3], messages[2].id)
    end = await hub.since("r", None)
    assert (list(end), end.last_id) == ([], messages[4].id)
    late = hub.listen("r", messages[2].id)
    await hub.publish("r", b"5")
    assert [(await anext(late)).data for _ in range(3)] == ["3", "4", b"5"]
    member = Member()
    await hub.join("r", member, last_id=messages[3].id)
    await hub.publish("r", "6")
    await member.until(lambda: len(member.got) == 3)
    assert member.got == ["4", b"5", "6"]
    listener.close()
    with pytest.raises(StopAsyncIteration):
        await anext(listener)


async def test_a_long_poll_waits_for_the_first_message(kind: str, hubs: Any) -> None:
    hub = hubs(kind)
    first = await hub.since("r", None)
    assert list(await hub.since("r", first.last_id, wait=0.05)) == []
    poll = asyncio.create_task(hub.since("r", first.last_id, wait=SECONDS))
    await asyncio.sleep(0)
    id_ = await hub.publish("r", "news")
    found = await poll
    assert (found[0].data, found.last_id) == ("news", id_)
    assert await hub.since("r", first.last_id, wait=SECONDS) == found


async def test_what_is_gone_from_the_history_is_reported(kind: str, hubs: Any, logs: Any) -> None:
    hub = hubs(kind, history=3)
    gaps: list[str] = []
    hub.on_gap = gaps.append
    first = await hub.publish("r", "first")
    await asyncio.gather(*(hub.publish("r", str(number)) for number in range(600)))
    found = await hub.since("r", first)
    assert not found.complete
    assert found[-1].data == "599"
    assert gaps == ["r"]
    stranger = await hub.since("r", "no id at all")
    assert not stranger.complete
    assert (await hub.since("r", "1-1")).complete is False
    assert gaps == ["r"] * 3
    for _ in gaps:
        logs.take("tornado.application", r"messages of 'r' are lost")


async def test_a_slow_listener_is_served_from_the_history(kind: str, hubs: Any) -> None:
    hub = hubs(kind)
    listener = hub.listen("r", max_waiting=5)
    await asyncio.gather(*(hub.publish("r", str(number)) for number in range(200)))
    async with asyncio.timeout(SECONDS):
        got = [(await anext(listener)).data for _ in range(200)]
    assert got == [str(number) for number in range(200)]


async def test_processes_hear_each_other_in_the_same_order(server_kind: str, hubs: Any) -> None:
    all_hubs, members = [hubs(server_kind) for _ in range(3)], [Member() for _ in range(3)]
    for hub, member in zip(all_hubs, members, strict=True):
        await hub.join("r", member)
    await asyncio.gather(*(hub.publish("r", f"{number} {each}") for each in range(40) for number, hub in enumerate(all_hubs)))
    for member in members:
        await member.until(lambda member=member: len(member.got) == 120)
    assert members[0].got == members[1].got == members[2].got
    for number in range(3):
        own = [message for message in members[0].got if str(message).startswith(f"{number} ")]
        assert own == [f"{number} {each}" for each in range(40)]


async def test_members_of_all_processes_count(server_kind: str, hubs: Any) -> None:
    here, there = hubs(server_kind), hubs(server_kind)
    for _ in range(3):
        await here.join("r", Member())
    leaving = Member()
    await there.join("r", leaving)
    await there.members("r")
    assert await here.members("r") == 4
    there.leave(leaving)
    await there.members("r")
    assert await here.members("r") == 3
    await here.close()
    assert await there.members("r") == 0


async def test_members_of_a_process_that_died_are_gone_and_no_others(server_kind: str, hubs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"tornadolike._hub.{server_kind}_broker")
    assert 2 * hub_module._HEARTBEAT_SECONDS < module.PRESENCE_SECONDS <= 45
    monkeypatch.setattr(module, "PRESENCE_SECONDS", 3.0)
    monkeypatch.setattr(hub_module, "_HEARTBEAT_SECONDS", 0.1)
    alive, dead = hubs(server_kind), hubs(server_kind)
    await alive.join("r", Member())
    await dead.join("r", Member())
    await dead.members("r")
    assert await alive.members("r") == 2
    dead._beating.cancel()
    async with asyncio.timeout(SECONDS):
        while (count := await alive.members("r")) == 2:  # noqa: ASYNC110 # by the server's clock
            await asyncio.sleep(0.05)
    assert count == 1


async def test_members_count_once_while_they_are_announced_again(server_kind: str, hubs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_HEARTBEAT_SECONDS", 0.002)
    hub, other = hubs(server_kind), hubs(server_kind)
    await hub.join("r", Member())
    await other.join("r", Member())
    await other.members("r")
    assert {await hub.members("r") for _ in range(300)} == {2}


async def test_nats_keeps_no_consumer_of_who_only_asked(hubs: Any) -> None:
    """Servers allow some at a time."""
    hub = hubs("nats")
    ids = [await hub.publish("r", str(number)) for number in range(3)]
    broker = hub.broker
    before = (await broker._stream.stream_info(broker._prefix)).state.consumer_count
    for _ in range(20):
        assert [message.data for message in await hub.since("r", ids[0])] == ["1", "2"]
        assert await hub.members("r") == 0
    for bucket in (broker._prefix, f"KV_{broker._prefix}_here"):
        assert (await broker._stream.stream_info(bucket)).state.consumer_count <= before


async def test_a_process_has_two_connections_whatever_the_number_of_members(started: Any, hubs: Any) -> None:
    def connections(kind: str) -> int:
        server = started(kind)
        if kind == "redis":
            command = ["redis-cli", "-p", str(server.port), "client", "list"]
        else:
            query = "select pid from pg_stat_activity where application_name = 'tornadolike hub'"
            command = ["psql", "-Atq", "-c", query, server.url]
        return len(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n"))

    for kind in ("redis", "postgres"):
        others = connections(kind)
        hub, members = hubs(kind), [Member() for _ in range(200)]
        await asyncio.gather(*(hub.join(f"room {number % 50}", member) for number, member in enumerate(members)))
        await asyncio.gather(*(hub.publish(f"room {number}", "x") for number in range(50)))
        for member in members:
            await member.until(lambda member=member: member.got)
        assert connections(kind) - others == 2


NAMES = [
    "a",
    "A",
    "",
    " ",
    "a b",
    "a.b",
    "a.*",
    ">",
    "*",
    "{a}",
    "a:b",
    "%61",
    "täglich ☕",
    "nul\0",
    "#",
    "_",
    "n\nl",
    "x" * 5000,
    "x" * 5001,
    "ü" * 300,
]


async def test_any_text_is_the_name_of_a_room(kind: str, hubs: Any) -> None:
    hub, other = hubs(kind), hubs(kind)
    names = [*NAMES, "#" + hashlib.sha256(b"x" * 5000).hexdigest()]
    members = {name: Member() for name in names}
    await asyncio.gather(*(hub.join(name, member) for name, member in members.items()))
    publisher = hub if kind == "memory" else other
    ids = dict(zip(names, await asyncio.gather(*(publisher.publish(name, f"to {name}") for name in names)), strict=True))
    for name, member in members.items():
        await member.until(lambda member=member: member.got)
        assert member.got == [f"to {name}"]
        assert await hub.members(name) == 1
        found = await hub.since(name, "0-0")
        assert [(message.room, message.id, message.data) for message in found] == [(name, ids[name], f"to {name}")]


async def test_what_cannot_be_sent_is_in_nobodys_way(kind: str, hubs: Any) -> None:
    hub, member = hubs(kind), Member()
    await hub.join("r", member)
    half = "half of \ud800"
    for refused in (
        lambda: hub.publish("r", half),
        lambda: hub.publish(half, "1"),
        lambda: hub.join(half, member),
        lambda: hub.listen(half),
    ):
        with pytest.raises(ValueError, match="surrogates"):
            refused()
    ten_megabytes = b"x" * 10_000_000
    large = hub.publish("r", ten_megabytes)
    await hub.publish("r", {"half": half})
    with contextlib.nullcontext() if kind != "nats" else pytest.raises(BrokerDownError, match="refuses"):
        await large  # what a server of NATS takes is its setting: a megabyte
    await member.until(lambda: member.got and member.got[-1] == '{"half": "half of \\ud800"}')
    assert member.got[:-1] == ([] if kind == "nats" else [ten_megabytes])


async def test_a_hub_that_was_closed_begins_anew(kind: str, hubs: Any) -> None:
    hub, publisher, old, new = hubs(kind), hubs(kind), Member(), Member()
    if kind == "memory":
        publisher = hub
    await hub.join("r", old)
    first = await publisher.publish("r", "1")
    await old.until(lambda: old.got)
    await hub.close()
    second = await publisher.publish("r", "2")
    await hub.join("r", new)
    await publisher.publish("r", "3")
    await new.until(lambda: new.got)
    assert (old.got, new.got) == (["1"], ["3"])
    assert await hub.members("r") == 1
    assert (await hub.since("r", first))[0].id == second


class Unhurried(ServerBroker):
    """Takes its time to disconnect."""

    client = ("asyncio", "asyncio")

    def __init__(self) -> None:
        super().__init__()
        self.open = 0

    async def _open_writer(self) -> None:
        self.open += 1

    async def _open_reader(self) -> None:
        self.open += 1

    async def _read(self) -> None:
        await asyncio.Event().wait()

    async def _close_writer(self) -> None:
        await asyncio.sleep(0.4)  # longer than it takes until a task is cancelled once more
        self.open -= 1

    _close_reader = _close_writer


async def test_closing_waits_until_the_connections_are_closed() -> None:
    broker = Unhurried()
    hub = Hub(broker)
    hub.start()
    async with asyncio.timeout(SECONDS):
        while broker.open < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await hub.close()
    assert broker.open == 0


class Withholding:
    """Stands before a broker: ends the connection on which this word was sent when the server has answered, and keeps the answer."""

    def __init__(self, server: Any, word: bytes) -> None:
        self._server = server
        self._tail = len(word) - 1
        self.word = word
        self.withheld = asyncio.Event()
        # Until then nobody gets a connection any more.
        self.mended = asyncio.Event()
        self.mended.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Withholding":
        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

        self._listening = await asyncio.start_server(accepted, "127.0.0.1", 0)
        port = self._listening.sockets[0].getsockname()[1]
        self.url = self._server.url.replace(f":{self._server.port}", f":{port}")
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports that were aborted close now

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(writer.transport.abort)
            await self.mended.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._server.port)
            stack.callback(back.transport.abort)
            asked = asyncio.Event()
            both = {asyncio.create_task(self._ask(reader, back, asked)), asyncio.create_task(self._answer(there, writer, asked))}
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)

    async def _ask(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        before = b""
        while data := await reader.read(65536):
            if not self.withheld.is_set() and self.word in before + data:
                self.mended.clear()
                asked.set()
            before = (before + data)[-self._tail :]
            back.write(data)

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        while data := await there.read(65536):
            if asked.is_set():
                self.withheld.set()
                return
            writer.write(data)


class TestInterruptions:
    """On a server of its own: connections that are cut, a broker that is frozen, killed, not there."""

    @pytest.fixture
    def server(self, server_kind: str, started: Callable[[str], Any]) -> Any:
        return started(server_kind)

    @staticmethod
    def cut_connections(kind: str, server: Any) -> None:
        if kind == "redis":
            command = ["redis-cli", "-p", str(server.port), "client", "kill", "type", "normal"]
        elif kind == "postgres":
            query = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tornadolike hub'"
            command = ["psql", "-Atq", "-c", query, server.url]
        else:
            server.kill()  # what it has is on disk, and nothing else cuts a connection of NATS
            server.start()
            return
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    async def test_nothing_is_lost_or_doubled_when_connections_are_cut(self, server_kind: str, server: Any, hubs: Any, logs: Any) -> None:
        here, there, member = hubs(server_kind, timeout=SECONDS), hubs(server_kind), Member()
        await there.join("r", member)
        published: list[asyncio.Future[str]] = []
        for round_ in range(3):
            for number in range(100):
                published.append(here.publish("r", f"{round_} {number}"))
                if number % 10 == 0:
                    await asyncio.sleep(0)
                if number == 50:
                    self.cut_connections(server_kind, server)
            await member.until(lambda round_=round_: len(member.got) == (round_ + 1) * 100)
        assert member.got == [f"{round_} {number}" for round_ in range(3) for number in range(100)]
        assert len({await future for future in published}) == 300
        assert member.gaps == []
        self.forgive(logs)

    @staticmethod
    def forgive(logs: Any) -> None:
        logs.records = [record for record in logs.records if not record.getMessage().startswith("hub: the broker is")]

    async def test_who_had_no_answer_sends_again_and_members_get_it_once(self, server_kind: str, server: Any, hubs: Any, logs: Any) -> None:
        there, member = hubs(server_kind), Member()
        await there.join("r", member)
        async with Withholding(server, b"the one") as proxy:
            here = hubs(server_kind, url=proxy.url, timeout=SECONDS)
            await here.publish("r", "before")
            published = here.publish("r", "the one")
            here.publish("r", "next")
            await member.until(lambda: "the one" in member.got)
            await proxy.withheld.wait()
            assert not published.done()
            proxy.mended.set()
            id_ = await published
            await here.publish("r", "after")
            await member.until(lambda: "after" in member.got)
            assert (member.got, member.gaps) == (["before", "the one", "next", "after"], [])
            assert [message.data for message in await there.since("r", id_)] == ["next", "after"]
            await here.close()
        self.forgive(logs)

    @pytest.mark.parametrize("saved", ["nothing", "all before", "everything"])
    async def test_a_broker_that_forgets_what_it_had_no_time_to_answer(self, saved: str, started: Any, hubs: Any, logs: Any) -> None:
        """Redis had the message, readers too, and then it is killed: the publisher sends again, and nobody gets it twice."""
        server = started("redis")
        there, member, late = hubs("redis", timeout=SECONDS), Member(), Member()
        await there.join("r", member)
        listener = there.listen("r")
        async with Withholding(server, b"the one") as proxy:
            here, own = hubs("redis", url=proxy.url, timeout=SECONDS), Member()
            await here.join("r", own)
            await here.publish("r", "before")
            self.save(server, saved == "all before")
            published = here.publish("r", "the one")
            await member.until(lambda: "the one" in member.got)
            await proxy.withheld.wait()
            *_, seen = [await anext(listener) for _ in range(2)]
            self.save(server, saved == "everything")
            server.kill()
            await member.until(lambda: False in member.states)
            server.start()
            proxy.mended.set()
            id_ = await published
            await here.publish("r", "after")
            for one in (member, own):
                await one.until(lambda one=one: "after" in one.got)
                assert (one.got, one.gaps) == (["before", "the one", "after"], ["r"])
            await there.join("r", late, last_id=seen.id)
            assert (late.got, late.gaps) == (["after"], ["r"])
            assert [message.data for message in await there.since("r", id_)] == ["after"]
            assert [(await anext(listener)).data] == ["after"]
            await here.close()
        logs.records = [record for record in logs.records if record.getMessage() != "hub: messages of 'r' are lost"]
        self.forgive(logs)

    @staticmethod
    def save(server: Any, really: bool) -> None:
        if really:
            subprocess.run(["redis-cli", "-p", str(server.port), "save"], check=True, stdout=subprocess.DEVNULL)

    async def test_ids_that_a_restarted_redis_has_forgotten_are_not_given_again(self, started: Any, hubs: Any, logs: Any) -> None:
        """It comes back with what it saved last; a reader that comes after others have published again is told all the same."""
        server = started("redis")
        here, there, member, own = hubs("redis", timeout=SECONDS), hubs("redis", timeout=SECONDS), Member(), Member()
        await there.join("r", member)
        await here.join("r", own)
        await here.publish("r", "1")
        self.save(server, really=True)
        forgotten = [await here.publish("r", text) for text in ("2", "3")]
        await member.until(lambda: len(member.got) == 3)
        blocked = asyncio.Event()
        opening = there.broker._open_reader

        async def open_later() -> None:
            await blocked.wait()
            await opening()

        there.broker._open_reader = open_later
        server.kill()
        await own.until(lambda: False in own.states)  # nothing is sent there any more, which the broker might have had
        server.start()
        again = [await here.publish("r", text) for text in ("4", "5", "6")]
        blocked.set()
        await member.until(lambda: "6" in member.got)
        assert (member.got, member.gaps) == (["1", "2", "3", "4", "5", "6"], ["r"])
        assert not {*again} & {*forgotten}
        back = Member()
        await there.join("r", back, last_id=forgotten[1])
        assert (back.got, back.gaps) == (["4", "5", "6"], ["r"])
        logs.records = [record for record in logs.records if record.getMessage() != "hub: messages of 'r' are lost"]
        self.forgive(logs)

    async def test_a_room_in_which_nothing_was_when_redis_forgot(self, started: Any, hubs: Any, logs: Any) -> None:
        server = started("redis")
        hub, member = hubs("redis", timeout=SECONDS), Member()
        await hub.join("r", member)
        server.kill()
        server.start()
        await member.until(lambda: member.gaps)
        await hub.publish("r", "after")
        await member.until(lambda: member.got)
        assert (member.got, member.gaps) == (["after"], ["r"])
        logs.take("tornado.application", "messages of 'r' are lost")
        self.forgive(logs)

    async def test_what_the_broker_would_not_know_any_more_is_not_sent_again(
        self, server_kind: str, server: Any, hubs: Any, logs: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(KINDS[server_kind], "remembers_seconds", 0.0)
        async with Withholding(server, b"the one") as proxy:
            here = hubs(server_kind, url=proxy.url, timeout=SECONDS, when_down="queue")
            published = here.publish("r", "the one")
            await proxy.withheld.wait()
            proxy.mended.set()
            with pytest.raises(BrokerDownError, match="would not know"):
                await published
            end = await here.publish("r", "after")
            assert [message.data for message in await here.since("r", "0-0")] == ["the one", "after"], end
            await here.close()
        self.forgive(logs)

    async def test_a_room_joined_while_redis_has_no_memory_is_read_at_once(self, started: Any, hubs: Any) -> None:
        server = started("redis")

        def allow(size: str) -> None:
            command = ["redis-cli", "-p", str(server.port), "config", "set", "maxmemory", size]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        hub, there, member = hubs("redis"), hubs("redis"), Member()
        await hub.join("before", member)
        await there.publish("before", "1")
        await member.until(lambda: member.got)
        allow("1")
        try:
            await hub.join("r", member)
        finally:
            allow("0")
        begun = asyncio.get_running_loop().time()
        await there.publish("r", "2")
        await member.until(lambda: len(member.got) == 2)
        assert asyncio.get_running_loop().time() - begun < 2
        assert member.got == ["1", "2"]
        assert member.gaps == []

    async def test_a_frozen_broker_delays_and_bounds(self, server_kind: str, server: Any, hubs: Any, logs: Any) -> None:
        hub, patient, member = hubs(server_kind, timeout=0.5), hubs(server_kind, timeout=0.5, when_down="queue", max_queued=5), Member()
        await hub.join("r", member)
        await patient.publish("r", "before")
        await member.until(lambda: member.got)
        server.freeze()
        try:
            with pytest.raises(BrokerDownError):
                await hub.publish("r", "lost, perhaps")
            queued = [patient.publish("r", str(number)) for number in range(5)]
            with contextlib.suppress(BrokerDownError):  # the first five may be on their way already
                async with asyncio.timeout(SECONDS):
                    while True:
                        queued.append(patient.publish("r", str(len(queued))))
                        await asyncio.wait(queued[-1:], timeout=0)
                        if queued[-1].done():
                            queued.pop().result()
        finally:
            server.thaw()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*queued)
        await member.until(lambda: len([m for m in member.got if str(m).isdigit()]) == len(queued))
        assert [message for message in member.got if str(message).isdigit()] == [str(number) for number in range(len(queued))]
        await hub.close()
        await patient.close()
        self.forgive(logs)

    async def test_a_broker_that_is_killed_and_started_again(self, server_kind: str, server: Any, hubs: Any, logs: Any) -> None:
        hub, member = hubs(server_kind, timeout=SECONDS), Member()
        await hub.join("r", member)
        await hub.publish("r", "before")
        await member.until(lambda: member.got)
        server.kill()
        await member.until(lambda: False in member.states)
        hub.publish("r", "meanwhile")
        server.start()
        await member.until(lambda: member.got[-1] == "meanwhile")
        await hub.publish("r", "after")
        await member.until(lambda: member.got[-1] == "after")
        assert member.got == ["before", "meanwhile", "after"]
        # Redis keeps nothing here: what else it may have had is not known, and that is said.
        assert member.gaps == (["r"] if server_kind == "redis" else [])
        if member.gaps:
            logs.take("tornado.application", "messages of 'r' are lost")
        self.forgive(logs)

    async def test_who_comes_back_while_the_broker_does_not_answer_gets_everything_later(
        self, server_kind: str, server: Any, hubs: Any, logs: Any
    ) -> None:
        hub, other, member = hubs(server_kind, timeout=0.5), hubs(server_kind, timeout=SECONDS), Member()
        first = await other.publish("r", "1")
        await other.publish("r", "2")
        await hub.join("another", Member())
        server.freeze()
        try:
            async with asyncio.timeout(SECONDS):
                await hub.join("r", member, last_id=first)
            published = other.publish("r", "3")
            assert (member.got, member.gaps) == ([], [])
        finally:
            server.thaw()
        await published
        await member.until(lambda: len(member.got) == 2)
        await other.publish("r", "4")
        await member.until(lambda: len(member.got) == 3)
        assert (member.got, member.gaps) == (["2", "3", "4"], [])
        await hub.close()
        self.forgive(logs)

    async def test_a_broker_that_is_down_at_the_start(self, server_kind: str, server: Any, hubs: Any, logs: Any) -> None:
        hub, member = hubs(server_kind, timeout=0.3), Member()
        server.kill()
        try:
            async with asyncio.timeout(SECONDS):
                await hub.join("r", member)
            await member.until(lambda: member.states)
            with pytest.raises(BrokerDownError):
                await hub.publish("r", "nobody")
            with pytest.raises(BrokerDownError):
                await hub.members("r")
        finally:
            server.start()
        await member.until(lambda: member.states == [False, True])
        await hub.publish("r", "hello")
        await member.until(lambda: member.got)
        assert member.got == ["hello"]
        logs.take("tornado.application", "hub: the broker is down, trying again: .")
        logs.take("tornado.application", "hub: the broker is back")
