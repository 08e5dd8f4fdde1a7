"""A hub as programs use it, well and badly: on the broker of one process."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.conftest import Client
from tornadolike.hub import BrokerDownError, Hub, MemoryBroker, Message, Messages
from tornadolike.sse import EventStreamHandler, ServerSentEvent
from tornadolike.web import RequestHandler
from tornadolike.websocket import WebSocketHandler, websocket_connect

SECONDS = 20


class Broker(MemoryBroker):
    """Tells which rooms are followed, and how often its history was asked; answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.following: set[str] = set()
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def follow(self, room: str) -> "asyncio.Future[None]":
        self.following.add(room)
        return super().follow(room)

    def unfollow(self, room: str) -> None:
        self.following.discard(room)
        super().unfollow(room)

    async def since(self, room: str, last_id: str | None, limit: int) -> Messages:
        self.asked += 1
        found = await super().since(room, last_id, limit)
        await self.may_answer.wait()
        return found


class Member:
    def __init__(self) -> None:
        self.got: list[str | bytes] = []

    def write_message(self, data: str | bytes, binary: bool = False) -> None:
        self.got.append(data)


class Slow:
    """Takes one message after the other."""

    def __init__(self) -> None:
        self.got: list[str | bytes] = []
        self.sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_hub_message(self, message: Message) -> "asyncio.Future[None]":
        self.got.append(message.data)
        return self.sent

    def sends(self) -> None:
        sent, self.sent = self.sent, asyncio.get_running_loop().create_future()
        sent.set_result(None)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with Hub(Broker()) as hub:
        yield hub


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


# ---- who comes back


async def test_who_joins_twice_gets_everything_once(hub: Hub) -> None:
    first = await hub.publish("r", "1")
    for data in "23":
        await hub.publish("r", data)
    member = Member()
    once = hub.join("r", member, last_id=first)
    again = hub.join("r", member, last_id=first)
    hub.publish("r", "4")
    await asyncio.gather(once, again)
    hub.publish("r", "5")
    assert member.got == list("2345")
    assert await hub.members("r") == 1


async def test_who_left_while_older_messages_were_sent_gets_no_more(hub: Hub) -> None:
    first = await hub.publish("r", "1")
    for data in "234":
        await hub.publish("r", data)
    member = Slow()
    joined = hub.join("r", member, last_id=first)
    await turns()
    assert member.got == ["2"]
    hub.leave(member)
    member.sends()
    await joined
    assert member.got == ["2"]


async def test_older_messages_are_sent_as_fast_as_the_member_takes_them(hub: Hub) -> None:
    first = await hub.publish("r", "1")
    for data in "23":
        await hub.publish("r", data)
    member = Slow()
    joined = hub.join("r", member, last_id=first)
    await turns()
    hub.publish("r", "4")
    for count in (1, 2, 3):
        assert member.got == ["2", "3", "4"][:count]
        member.sends()
        await turns()
    await joined
    hub.publish("r", "5")
    assert member.got == ["2", "3", "4", "5"]


async def test_what_is_published_while_older_messages_are_sent_takes_bounded_memory(hub: Hub, logs: Any) -> None:
    first = await hub.publish("r", "0")
    await hub.publish("r", "1")
    member = Slow()
    joined = hub.join("r", member, last_id=first)
    await turns()
    for number in range(2, 3500):
        hub.publish("r", str(number))
        assert len(hub._rooms["r"][member].held or ()) <= 1000
        if number % 900 == 0:
            member.sends()
            await turns()
    while not joined.done():
        member.sends()
        await turns(3)
    # The history has the last thousand; what is gone from it was said.
    assert [int(data) for data in member.got] == sorted({int(data) for data in member.got})
    assert member.got[-1] == "3499"
    assert len(member.got) > 1000
    logs.take("tornado.application", "messages of 'r' are lost")


async def test_many_who_come_back_ask_the_history_once_together(hub: Hub) -> None:
    broker: Any = hub.broker
    first = await hub.publish("r", "1")
    await hub.publish("r", "2")
    members = [Member() for _ in range(500)]
    await asyncio.gather(*(hub.join("r", member, last_id=first) for member in members))
    hub.publish("r", "3")
    assert all(member.got == ["2", "3"] for member in members)
    assert broker.asked < 10


async def test_who_shares_an_answer_does_not_lack_what_came_before_it_joined(hub: Hub) -> None:
    broker: Any = hub.broker
    last = await hub.publish("r", "1")
    broker.may_answer.clear()
    early, late = Member(), Member()
    joined = [hub.join("r", early, last_id=last)]
    await turns()
    await hub.publish("r", "2")  # the answer that is on its way lacks it, and nobody keeps it for the late one
    joined.append(hub.join("r", late, last_id=last))
    await turns()
    broker.may_answer.set()
    await asyncio.gather(*joined)
    assert early.got == late.got == ["2"]


# ---- listeners that nobody closes


class Lost(Broker):
    """Has forgotten what came after any id."""

    async def since(self, room: str, last_id: str | None, limit: int) -> Messages:
        found = await super().since(room, None, limit)
        found.complete = False
        return found


async def test_what_is_sent_again_is_not_for_who_came_across_a_gap_and_may_have_had_it(logs: Any) -> None:
    broker = Lost()
    async with Hub(broker) as hub:
        new, back, held = Member(), Member(), Member()
        hub.join("r", new)
        await hub.join("r", back, last_id="5-1")
        listener = hub.listen("r", "5-1")
        broker.may_answer.clear()
        joining = hub.join("r", held, last_id="5-1")
        waiting = asyncio.create_task(anext(listener))
        await turns()
        hub.received([Message("9999999999999-1", "first", "r", "Tab.1")])
        broker.may_answer.set()
        await joining
        hub.received([Message("9999999999999-2", "second", "r", "Tab.2"), Message("9999999999999-3", "third", "r")])
        assert (await waiting).data == "third"
        assert (new.got, back.got, held.got) == (["first", "second", "third"], ["third"], ["third"])
    logs.records.clear()


async def test_a_long_poll_is_told_at_once_that_messages_are_missing(logs: Any) -> None:
    async with Hub(Lost()) as hub:
        async with asyncio.timeout(SECONDS):
            found = await hub.since("r", "5-1", wait=10 * SECONDS)
        assert (list(found), found.complete) == ([], False)
    logs.take("tornado.application", "messages of 'r' are lost")


async def test_a_listener_that_nobody_has_is_forgotten(hub: Hub) -> None:
    broker: Any = hub.broker
    listener = hub.listen("r")
    hub.publish("r", "1")
    assert (await anext(listener)).data == "1"
    assert broker.following == {"r"}
    del listener
    gc.collect()
    await turns()
    assert broker.following == set()


async def test_one_that_is_waited_for_is_kept(hub: Hub) -> None:
    got: list[Any] = []

    async def read() -> None:
        async for message in hub.listen("r"):
            got.append(message.data)  # noqa: PERF401

    tasks = [asyncio.create_task(read())]
    await turns()
    tasks.clear()
    gc.collect()
    hub.publish("r", "1")
    await until(lambda: got)


class Prices(EventStreamHandler):
    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    async def stream(self) -> AsyncIterator[ServerSentEvent]:  # type: ignore[override]
        async for message in self.hub.listen("prices"):
            yield ServerSentEvent(str(message.data), id=message.id)


async def test_a_stream_whose_client_left_follows_nothing(hub: Hub, serve: Any) -> None:
    broker: Any = hub.broker
    site = serve([("/", Prices, {"hub": hub})])
    client = await site.client()
    client.get("/")
    await client.reader.readuntil(b"\r\n\r\n")
    await until(lambda: broker.following)
    client.writer.close()
    gc.collect()
    await until(lambda: not broker.following)


# ---- where it is used


def test_before_a_loop_runs_it_can_be_made_but_not_used() -> None:
    hub = Hub()
    for use in (lambda: hub.join("r", Member()), lambda: hub.publish("r", "1"), lambda: hub.listen("r"), hub.start):
        with pytest.raises(RuntimeError, match="within its event loop"):
            use()


async def test_from_a_thread_it_says_how(hub: Hub) -> None:
    member, loop, errors = Member(), asyncio.get_running_loop(), []
    await hub.join("r", member)

    def work() -> None:
        try:
            hub.publish("r", "wrong")
        except RuntimeError as error:
            errors.append(str(error))
        loop.call_soon_threadsafe(hub.publish, "r", "right")

    await asyncio.to_thread(work)
    await until(lambda: member.got)
    assert member.got == ["right"]
    assert "call_soon_threadsafe" in errors[0]


async def test_two_loops_do_not_share_one(hub: Hub) -> None:
    await hub.join("r", Member())
    errors: list[Exception] = []

    async def elsewhere() -> None:
        for use in (lambda: hub.publish("r", "1"), lambda: hub.join("r", Member())):
            with pytest.raises(RuntimeError, match="another event loop"):
                use()
        with pytest.raises(RuntimeError, match="event loop that it serves"):
            await hub.close()

    def run() -> None:
        try:
            asyncio.run(elsewhere())
        except BaseException as error:
            errors.append(error)  # type: ignore[arg-type]

    thread = threading.Thread(target=run)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert errors == []


def test_one_loop_after_the_other_as_tests_have_them() -> None:
    hub, old = Hub(), Member()

    async def visit(member: Member, *, closes: bool) -> list[str | bytes]:
        await hub.join("r", member)
        await hub.publish("r", "hello")
        assert await hub.members("r") == 1
        assert len(await hub.since("r", "0-0")) > 0
        if closes:
            await hub.close()
        return member.got

    assert asyncio.run(visit(old, closes=False)) == ["hello"]
    assert asyncio.run(visit(Member(), closes=True)) == ["hello"]
    assert asyncio.run(visit(Member(), closes=False)) == ["hello"]
    asyncio.run(hub.close())
    assert old.got == ["hello"]


async def test_a_broker_is_of_one_hub(hub: Hub) -> None:
    other = Hub(hub.broker)
    with pytest.raises(RuntimeError, match="one hub"):
        other.start()
    await hub.close()
    async with other:
        pass


# ---- who joins


class Early(WebSocketHandler):
    """Joins too early."""

    hub: Hub

    def prepare(self) -> None:
        self.hub.join("r", self)


class Late(WebSocketHandler):
    """Joins when it is gone."""

    hub: Hub

    def on_close(self) -> None:
        self.hub.join("r", self)
        self.hub.leave("r", self)
        self.hub.join("r", self)


async def test_a_websocket_that_is_not_open_yet_is_told_so(hub: Hub, serve: Any, logs: Any) -> None:
    Early.hub = hub
    site = serve([("/", Early)])
    client: Client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
    client.send(b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    assert b"500" in (await client.response())[0].split(b"\r\n")[0]
    assert r"open()" in str(logs.take("tornado.application", "Uncaught exception").exc_info[1])
    logs.take("tornado.access", "500")
    assert await hub.members("r") == 0


async def test_a_websocket_that_is_closed_does_not_come_in(hub: Hub, serve: Any) -> None:
    Late.hub = hub
    site = serve([("/", Late)])
    connection = await websocket_connect(f"ws://127.0.0.1:{site.port}/")
    connection.close()
    assert await connection.read_message() is None
    await turns()
    assert await hub.members("r") == 0


class Feed(EventStreamHandler):
    hub: Hub
    made: list["Feed"] = []

    def prepare(self) -> None:
        self.made.append(self)
        self.hub.join("r", self)


async def test_an_event_stream_that_ended_is_taken_off(hub: Hub, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornadolike.hub._HEARTBEAT_SECONDS", 0.01)
    await hub.close()
    hub.start()
    Feed.hub = hub
    Feed.made.clear()
    site = serve([("/", Feed)])
    client = await site.client()
    client.get("/")
    await client.reader.readuntil(b"\r\n\r\n")
    assert await hub.members("r") == 1
    client.writer.close()
    await until(lambda: Feed.made[0].stream_ended)
    await until(lambda: hub.statistics().members == 0)
    await hub.join("r", Feed.made[0])
    assert hub.statistics().members == 0


class Coroutine:
    async def on_hub_message(self, message: Message) -> None:
        """Nobody would wait for it."""


async def test_what_cannot_be_a_member_a_room_or_a_message(hub: Hub) -> None:
    with pytest.raises(TypeError, match="not a coroutine"):
        hub.join("r", Coroutine())
    with pytest.raises(AttributeError):
        hub.join("r", object())
    for room in (1, None, b"r"):
        for use in (
            lambda room=room: hub.join(room, Member()),
            lambda room=room: hub.publish(room, "1"),
            lambda room=room: hub.listen(room),
        ):
            with pytest.raises(TypeError, match="name of a room"):
                use()
        with pytest.raises(TypeError, match="name of a room"):
            await hub.since(room, None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="name of a room"):
            await hub.members(room)  # type: ignore[arg-type]
    for message in (1, None, [1], bytearray(b"1")):
        with pytest.raises(TypeError, match="str, bytes or a dict"):
            hub.publish("r", message)  # type: ignore[arg-type]
    assert hub.statistics()[:2] == (0, 0)
    assert hub.statistics().rooms == hub.statistics().members == 0


class Broken(Member):
    def write_message(self, data: str | bytes, binary: bool = False) -> None:
        raise KeyError("no")


async def test_a_member_that_raises_is_taken_off_and_no_other(hub: Hub, logs: Any) -> None:
    first, broken, last = Member(), Broken(), Member()
    for member in (first, broken, last):
        hub.join("r", member)
    hub.publish("r", "1")
    hub.publish("r", "2")
    assert first.got == last.got == ["1", "2"]
    logs.take("tornado.application", "a member of 'r' failed and is taken off")
    assert await hub.members("r") == 2


class Echo(RequestHandler):
    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    def get(self) -> None:
        member = Member()
        self.hub.join("r", member)
        self.hub.publish("r", "from a request")
        self.hub.leave(member)
        self.write(str(member.got))


async def test_within_a_request_it_is_at_once(hub: Hub, serve: Any) -> None:
    site = serve([("/", Echo, {"hub": hub})])
    client = await site.client()
    client.get("/")
    assert (await client.response())[1] == b"['from a request']"


async def test_who_comes_back_as_an_answer_arrives_asks_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer that is there already was asked for before this member joined, and lacks what came since: to wait for it again and again
    would be the end of the loop.
    """
    later, asked, tries, fetch = Member(), 0, 0, Hub._fetch

    class Answering(MemoryBroker):
        async def since(self, room: str, last_id: str | None, limit: int) -> Messages:
            nonlocal asked
            asked += 1
            found = await super().since(room, last_id, limit)
            if asked == 1:
                hub.join("a", later, last_id=last_id)  # its first step comes after this has ended, and before anybody is told so
            return found

    def counted(hub: Hub, room: str, last_id: str) -> Any:
        nonlocal tries
        tries += 1
        assert tries < 10
        return fetch(hub, room, last_id)

    monkeypatch.setattr(Hub, "_fetch", counted)
    async with Hub(Answering()) as hub:
        seen = await hub.publish("a", "seen")
        hub.join("a", first := Member(), last_id=seen)
        await until(lambda: tries > 1)
        await turns()
        assert tries < 5
        await hub.publish("a", "new")
        await until(lambda: later.got and first.got)
    assert later.got == first.got == ["new"]


class Unreadable(MemoryBroker):
    async def since(self, room: str, last_id: str | None, limit: int) -> Messages:
        raise ValueError("no history")


async def test_a_history_that_cannot_be_read_is_a_gap_and_not_silence(logs: Any) -> None:
    missed: list[str] = []
    async with Hub(Unreadable(), on_gap=missed.append) as hub:
        seen = await hub.publish("a", "seen")
        await hub.join("a", member := Member(), last_id=seen)
        await hub.publish("a", "new")
        await until(lambda: member.got)
    assert member.got == ["new"]
    assert missed == ["a"]
    logs.take("tornado.application", "what came before in 'a' cannot be had")
    logs.take("tornado.application", "messages of 'a' are lost")


# ---- what goes wrong while older messages are fetched


class Fails(Broker):
    """Answers, when it may, that it is down."""

    fails = False

    async def since(self, room: str, last_id: str | None, limit: int) -> Messages:
        found = await super().since(room, last_id, limit)
        if self.fails:
            raise BrokerDownError("down")
        return found


async def test_who_lacks_what_came_before_is_not_sent_what_came_after_that_when_the_hub_is_closed(hub: Hub) -> None:
    """Its client would come back with the id of the newer one, and never hear of the older one."""
    broker: Any = hub.broker
    first = await hub.publish("r", "1")
    await hub.publish("r", "2")
    broker.may_answer.clear()
    joined = hub.join("r", member := Member(), last_id=first)
    await turns()
    await hub.publish("r", "3")
    await hub.close()
    await joined
    assert member.got == []


async def test_who_lacks_what_came_before_is_taken_off_where_the_history_fails(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    broker: Any = hub.broker
    first = await hub.publish("r", "1")
    broker.may_answer.clear()
    joined = hub.join("r", member := Member(), last_id=first)
    await turns()
    await hub.publish("r", "2")
    (fetch,) = hub._fetching.values()
    fetch.messages.cancel()
    await joined
    await hub.publish("r", "3")
    assert member.got == []
    assert hub.statistics().members == 0


async def test_a_listener_whose_fetching_failed_goes_on_behind_what_it_has_read() -> None:
    async with Hub(broker := Fails()) as hub:
        first = await hub.publish("r", "1")
        await hub.publish("r", "2")
        broker.may_answer.clear()
        broker.fails = True
        listener = hub.listen("r", first)
        reading = asyncio.ensure_future(anext(listener))
        await turns()
        await hub.publish("r", "3")
        broker.may_answer.set()
        with pytest.raises(BrokerDownError):
            await reading
        broker.fails = False
        assert [(await anext(listener)).data for _ in "23"] == ["2", "3"]


async def test_a_listener_that_was_given_up_while_fetching_goes_on_behind_what_it_has_read(hub: Hub) -> None:
    broker: Any = hub.broker
    first = await hub.publish("r", "1")
    await hub.publish("r", "2")
    broker.may_answer.clear()
    listener = hub.listen("r", first)
    reading = asyncio.ensure_future(anext(listener))
    await turns()
    await hub.publish("r", "3")
    reading.cancel()
    await turns()
    broker.may_answer.set()
    assert [(await anext(listener)).data for _ in "23"] == ["2", "3"]


@pytest.mark.parametrize("last_id", ["9999999999999999-5", "no id", ""])
@pytest.mark.parametrize("kept", [[], ["1"]])
async def test_a_listener_that_resumes_from_nowhere_hears_what_there_is(hub: Hub, logs: Any, last_id: str, kept: list[str]) -> None:
    """What a client says it saw last may be of a broker whose clock was ahead, or anything."""
    for data in kept:
        await hub.publish("r", data)
    listener = hub.listen("r", last_id)
    async with asyncio.timeout(SECONDS):
        assert [(await anext(listener)).data for _ in kept] == kept
        reading = asyncio.ensure_future(anext(listener))
        await turns()
        await hub.publish("r", "2")
        assert (await reading).data == "2"
    logs.take("tornado.application", "messages of 'r' are lost")


async def test_who_left_before_anything_was_fetched_leaves_nothing_followed(hub: Hub) -> None:
    broker: Any = hub.broker
    first = await hub.publish("r", "1")
    joined = hub.join("r", member := Member(), last_id=first)
    hub.leave(member)
    await joined
    await turns()
    assert broker.following == set()


class Talkative:
    """Answers what it is told, and leaves at the word."""

    def __init__(self, hub: Hub) -> None:
        self.hub, self.got = hub, list[Any]()

    def on_hub_message(self, message: Message) -> None:
        self.got.append(message.data)
        if message.data in {"2", "3"}:
            self.hub.publish("r", f"to {message.data}")
        if message.data == "go":
            self.hub.leave(self)


async def test_who_publishes_while_it_is_sent_what_came_meanwhile_hears_it_in_order(hub: Hub) -> None:
    broker: Any = hub.broker
    first = await hub.publish("r", "1")
    hub.join("r", other := Member())
    broker.may_answer.clear()
    joined = hub.join("r", member := Talkative(hub), last_id=first)
    await turns()
    for data in ("2", "3", "4"):
        await hub.publish("r", data)
    broker.may_answer.set()
    await joined
    assert member.got == other.got == ["2", "3", "4", "to 2", "to 3"]


async def test_who_leaves_while_it_is_sent_what_came_meanwhile_gets_no_more(hub: Hub) -> None:
    broker: Any = hub.broker
    first = await hub.publish("r", "1")
    broker.may_answer.clear()
    joined = hub.join("r", member := Talkative(hub), last_id=first)
    await turns()
    for data in ("go", "5"):
        await hub.publish("r", data)
    broker.may_answer.set()
    await joined
    assert member.got == ["go"]
    assert broker.following == set()


# ---- while it is closed


class Leaving(Broker):
    """Takes its time to take leave."""

    def __init__(self) -> None:
        super().__init__()
        self.may_leave = asyncio.Event()

    async def close(self) -> None:
        await self.may_leave.wait()
        await super().close()


async def test_while_it_is_closed_it_says_so() -> None:
    hub = Hub(broker := Leaving())
    await hub.join("r", Member())
    closing = [asyncio.ensure_future(hub.close()) for _ in range(2)]
    await turns()
    for use in (lambda: hub.join("r", Member()), lambda: hub.listen("r"), hub.start):
        with pytest.raises(BrokerDownError, match="being closed"):
            use()
    published = hub.publish("r", "1")
    with pytest.raises(BrokerDownError, match="being closed"):
        await published
    assert not any(task.done() for task in closing)
    broker.may_leave.set()
    await asyncio.gather(*closing)
    await hub.join("r", member := Member())
    await hub.publish("r", "2")
    assert member.got == ["2"]
    await hub.close()
