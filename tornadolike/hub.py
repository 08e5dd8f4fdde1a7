"""Rooms that any number of processes and machines share: what is published to a room reaches all its members, wherever they are
connected. Not in Tornado.

::

    hub = Hub()                                    # one process
    hub = Hub(RedisBroker("redis://10.0.0.5"))     # any number of them

    class Chat(WebSocketHandler):
        async def open(self, room):
            self.room = room
            await hub.join(room, self)

        def on_message(self, message):
            hub.publish(self.room, message)

        def on_close(self):
            hub.leave(self)

Every member gets the messages of a room in one order, the same for all, each once. A message has an id; whoever was away resumes behind
the last one that it saw, with `Hub.since`, `Hub.listen` or `Hub.join`, as far as the history goes. Messages that are lost (the history was
shorter than the absence, or the broker lost it) are reported to ``on_gap``, never silently left out.

A process has a fixed number of connections to the broker, and a message is framed once for all WebSockets of a process.
"""

import asyncio
import contextlib
import inspect
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from typing import Any, NamedTuple, TypeVar
from weakref import WeakSet

from tornadolike._hub.broker import Broker, BrokerDownError, Delays, end_tasks, start_task
from tornadolike._hub.memory import MemoryBroker
from tornadolike._hub.messages import Data, Message, Messages, Place, place
from tornadolike._hub.nats_broker import NATSBroker
from tornadolike._hub.postgres_broker import PostgresBroker
from tornadolike._hub.redis_broker import RedisBroker
from tornadolike.escape import json_encode
from tornadolike.iostream import StreamClosedError
from tornadolike.log import app_log
from tornadolike.websocket import WebSocketClosedError, WebSocketHandler

__all__ = [
    "Broker",
    "BrokerDownError",
    "Hub",
    "Listener",
    "MemoryBroker",
    "Message",
    "Messages",
    "NATSBroker",
    "PostgresBroker",
    "RedisBroker",
    "Statistics",
]

for _public in (Broker, BrokerDownError, MemoryBroker, Message, Messages, NATSBroker, PostgresBroker, RedisBroker):
    _public.__module__ = __name__
del _public

_T = TypeVar("_T")
_HEARTBEAT_SECONDS = 15.0
# Messages of the history that are asked for at once; and that may wait for a member while older ones are fetched.
_REPLAYED_AT_ONCE = 1000


class Statistics(NamedTuple):
    """What a hub of this process has done and has now; see `Hub.statistics`."""

    published: int
    """Messages that were published by this process, whether the broker took them or not."""
    delivered: int
    """Messages times the members of this process that were sent them."""
    gaps: int
    """How often messages of a room turned out to be lost."""
    rooms: int
    """Rooms that have members in this process."""
    members: int
    """Members in this process; one that is in two rooms counts twice."""
    connected: bool
    """Whether the broker can be reached."""
    waiting: int
    """Requests that wait for the broker."""


class _Member:
    """One member of one room."""

    __slots__ = ("across", "held", "last", "number", "overrun", "take", "write")

    def __init__(self, number: int, take: Callable[[Message], object] | None, write: Callable[..., object] | None) -> None:
        self.number = number
        # One of them: it gets the whole message, or what was published.
        self.take = take
        self.write = write
        # While older messages are fetched for it, those that come wait here.
        self.held: deque[Message] | None = None
        # More came than may wait: they are fetched as well.
        self.overrun = False
        # The last message that it was sent from the history, as long as that may be ahead of what is read.
        self.last: Place | None = None
        # It came back across a gap: what is sent again it may have had before that.
        self.across = False

    def send(self, message: Message) -> object:
        if self.write is None:
            assert self.take is not None
            return self.take(message)
        return self.write(message.data) if isinstance(message.data, str) else self.write(message.data, True)

    def hold(self, held: "deque[Message]", message: Message) -> None:
        if len(held) >= _REPLAYED_AT_ONCE:
            held.clear()
            self.overrun = True
        held.append(message)


class _Fetch(NamedTuple):
    """Messages of a history that are on their way to all members who came back with the same id."""

    number: int
    """Drawn like those of members: who joined later may lack what came before they did."""
    messages: "asyncio.Task[Messages]"


class Hub:
    """Rooms on a broker. Make one for the application; it connects when it is first used within a running loop.

    :arg broker: `MemoryBroker`, the default, `RedisBroker`, `NATSBroker` or `PostgresBroker`. A broker belongs to one hub.
    :arg on_gap: called with the name of a room of which messages were lost, before the next message of it is delivered; an attribute,
        too. A member with a method ``on_hub_gap`` is told as well.
    :arg on_state: called with True when the broker can be reached, and with False when not any more; an attribute, too. A member with a
        method ``on_hub_state`` is told as well. The log says it in any case.

    A hub serves one event loop, the one it is first used in; used from anywhere else it raises `RuntimeError` (from a thread, call
    ``loop.call_soon_threadsafe(hub.publish, room, message)``). `close` it before the loop ends, or use it as an asynchronous context
    manager. Names of rooms are any text of any length.
    """

    def __init__(
        self,
        broker: Broker | None = None,
        *,
        on_gap: Callable[[str], object] | None = None,
        on_state: Callable[[bool], object] | None = None,
    ) -> None:
        self.broker = MemoryBroker() if broker is None else broker
        self.on_gap = on_gap
        self.on_state = on_state
        self._rooms: dict[str, dict[Hashable, _Member]] = {}
        self._joined: dict[Hashable, tuple[str, ...]] = {}
        # Who stops reading need not close a listener; one that is waited for is kept.
        self._listeners: dict[str, WeakSet[Listener]] = {}
        self._awaited: set[Listener] = set()
        self._numbers = itertools.count(1)
        self._arrived: deque[list[Message]] = deque()
        self._delivering = False
        self._changed: set[str] = set()
        self._announcing: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._following: dict[str, asyncio.Future[None]] = {}
        self._fetching: dict[tuple[str, str], _Fetch] = {}
        self._work: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Future[None] | None = None
        self._up: bool | None = None
        self._published = self._delivered = self._gaps = 0

    # ---- begin and end

    def start(self) -> None:
        """Begin to connect now instead of at the first use. A broker that is down is tried again, with growing delays, for ever."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "a hub is used within its event loop; from a thread: loop.call_soon_threadsafe(hub.publish, room, message)"
            ) from None
        if self._beating is not None:
            if loop is self._loop:
                return
            if self._serves():
                raise RuntimeError("this hub serves another event loop; make one for each, or close it there first")
            self._forget()  # that loop has ended, and nobody has closed the hub
        if self._closing is not None and self._closing.get_loop() is loop:
            raise BrokerDownError("this hub is being closed")
        owner = getattr(self.broker, "receiver", None)
        if isinstance(owner, Hub) and owner is not self and owner._serves():
            raise RuntimeError("a broker belongs to one hub: make another for this one")
        self._loop = loop
        self.broker.start(self)
        self._beating = start_task(self._beat())

    def _serves(self) -> bool:
        return self._beating is not None and self._loop is not None and not self._loop.is_closed()

    def _forget(self) -> None:
        """What belonged to a loop that has ended, or to the time before `close`."""
        for of_rooms in (self._rooms, self._joined, self._listeners, self._following, self._fetching):
            of_rooms.clear()
        for waiting in (self._awaited, self._changed, self._work):
            waiting.clear()
        self._arrived.clear()
        self._beating = self._announcing = self._up = None
        self._delivering = False

    async def close(self) -> None:
        """Leave all rooms and disconnect. The hub can be used again, when that is done; until then, joining and asking raise
        `BrokerDownError`, and publishing fails with it.
        """
        loop = asyncio.get_running_loop()
        if self._closing is not None and self._closing.get_loop() is loop:
            await asyncio.shield(self._closing)
            return
        if self._beating is None:
            return
        if self._loop is not loop:
            if self._serves():
                raise RuntimeError("a hub is closed in the event loop that it serves")
            self._forget()
            return
        self._closing = closing = loop.create_future()
        try:
            await self._close(self._beating)
        finally:
            self._closing = None
            closing.set_result(None)

    async def _close(self, beating: "asyncio.Task[None]") -> None:
        tasks = [beating, self._announcing, *self._work]
        self._beating = None
        await end_tasks(*tasks)
        rooms, up = {*self._changed, *self._rooms}, self._up
        for listener in list(itertools.chain.from_iterable(self._listeners.values())):
            listener.close()
        self._forget()
        try:
            if rooms and up is not False:
                with contextlib.suppress(ConnectionError):  # the others will see our members go after a while
                    await self.broker.announce(dict.fromkeys(rooms, 0))
        finally:
            await self.broker.close()

    async def __aenter__(self) -> "Hub":
        self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    # ---- members

    def join(self, room: str, member: Any, last_id: str | None = None) -> "asyncio.Future[None]":
        """Send what is published to a room to this member from now on.

        :arg member: a `.WebSocketHandler`, or anything with its ``write_message``: it is sent the data as it was published, str as text
            and bytes as binary. One with a method ``on_hub_message`` gets the whole `Message` instead (as an
            `.EventStreamHandler` does, which sends the id along). It must be hashable, and may join any number of rooms.
        :arg last_id: resume: what came after this message is sent first, before anything new.

        The future need not be awaited. It is done when the room is followed, and what came before was sent; at once where the broker
        is down, in which case the member is served when it is back. `leave` must be called when the member goes; a WebSocket or event
        stream that was closed is taken off at the next message, or within 15 seconds, and one that is closed already does not come in. Who
        joins twice is in once. A member that raises is taken off, and the error logged.

        What came before is sent as fast as the member takes it, where ``write_message`` or ``on_hub_message`` returns a future.

        Raises `RuntimeError` for a WebSocket that is not open yet: join in its ``open``; and `TypeError` for an ``on_hub_message`` that is
        a coroutine, since messages come in order and nobody would wait for it.
        """
        _check_room(room)
        self.start()
        take = getattr(member, "on_hub_message", None)
        if inspect.iscoroutinefunction(take):
            raise TypeError(f"on_hub_message of {type(member).__name__} is a plain method, not a coroutine")
        if _is_gone(member):
            gone = asyncio.get_running_loop().create_future()
            gone.set_result(None)
            return gone
        entry = _Member(next(self._numbers), take, None if take is not None else member.write_message)
        self._rooms.setdefault(room, {})[member] = entry
        self._joined[member] = (*(name for name in self._joined.get(member, ()) if name != room), room)
        self._count_changed(room)
        following = self._follow(room)
        if last_id is None:
            return following
        entry.held = deque()
        caught_up = asyncio.get_running_loop().create_future()
        replay = self._work_on(self._replay(room, member, entry, last_id, caught_up))
        replay.add_done_callback(lambda replay: _settle(caught_up))
        return caught_up

    def leave(self, *room_and_member: Any) -> None:
        """``leave(member)``: out of all its rooms; ``leave(room, member)``: out of one. Who is not in is no error."""
        if len(room_and_member) == 2:
            room, member = room_and_member
            rooms = {room}
        else:
            (member,) = room_and_member
            rooms = set(self._joined.get(member, ()))
        for room in rooms:
            members = self._rooms.get(room)
            if members is None or members.pop(member, None) is None:
                continue
            left = tuple(name for name in self._joined.pop(member) if name != room)
            if left:
                self._joined[member] = left
            if not members:
                del self._rooms[room]
                self._unfollow(room)
            self._count_changed(room)

    async def members(self, room: str) -> int:
        """How many members the room has in all processes. A process that died counts for 40 seconds more.

        Raises `BrokerDownError`.
        """
        _check_room(room)
        self.start()
        await self._announce()
        return await self.broker.members(room)

    def statistics(self) -> Statistics:
        """What this process has done with the hub so far, and what it has now; for a page or a graph. Costs nothing worth mentioning."""
        members = sum(map(len, self._rooms.values()))
        connected = self._up is True
        return Statistics(self._published, self._delivered, self._gaps, len(self._rooms), members, connected, self.broker.waiting)

    # ---- messages

    def publish(self, room: str, message: str | bytes | dict[str, Any], exclude: Any = None) -> "asyncio.Future[str]":
        """Send a message to all members of a room, in all processes.

        :arg message: str, bytes, or a dict, which becomes JSON.
        :arg exclude: a member, of this process, that is not sent it: usually the one that it came from.

        The future gets the message's id when the broker has it, or `BrokerDownError`; it need not be awaited. Our own members get the
        message the way all others do, through the broker, so that the order is one. Without the answer of a broker whose connection
        broke the message is sent again, and yet is delivered once.

        Raises `TypeError` for what is none of them, and `ValueError` for a str that UTF-8 cannot hold (half of a surrogate pair).
        """
        data: Data = json_encode(message) if isinstance(message, dict) else message
        if not isinstance(data, str | bytes):
            raise TypeError(f"a message is str, bytes or a dict, not {type(message).__name__}")
        if isinstance(data, str) and not data.isascii():
            data.encode()  # raises here, and not where it would be in the way of all other messages
        _check_room(room)
        try:
            self.start()
        except BrokerDownError as error:
            failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            failed.exception()
            return failed
        self._published += 1
        entry = None if exclude is None else self._rooms.get(room, {}).get(exclude)
        published = self.broker.publish(room, data, "" if entry is None else str(entry.number))
        published.add_done_callback(_retrieved)
        return published

    async def since(self, room: str, last_id: str | None, *, limit: int = 1000, wait: float = 0.0) -> Messages:
        """What was published to a room after the message ``last_id``, oldest first: for long polling.

        :arg last_id: an id; None: nothing is returned, but ``last_id`` of the result is the place to begin from; ``"0-0"``: all that is
            kept.
        :arg limit: at most so many messages; ask again from ``last_id`` of the result for more.
        :arg wait: where there are none, and none are missing, wait for up to so many seconds until there are.

        Where messages are missing ``complete`` of the result is False, and ``on_gap`` is told. Raises `BrokerDownError`.
        """
        _check_room(room)
        self.start()
        listener = self.listen(room) if wait > 0 else None
        try:
            if listener is not None:
                await self._follow(room)
            found = await self.broker.since(room, last_id, limit)
            if not found.complete:
                self._tell_gap(room)
            if found or listener is None or not found.complete:
                return found
            return await listener._next_ones(found.last_id, wait, limit)
        finally:
            if listener is not None:
                listener.close()

    def listen(self, room: str, last_id: str | None = None, *, max_waiting: int = 1000) -> "Listener":
        """``async for message in hub.listen(room)``: the messages of a room, from this call on, or behind ``last_id``.

        :arg max_waiting: messages that may wait for who reads; the rest is fetched from the history when it gets there.

        Ends with `Listener.close`, when nobody has it any more, or when the hub is closed. Raises `BrokerDownError` while reading, where
        messages must be fetched from a broker that is down; reading may go on afterwards.
        """
        _check_room(room)
        self.start()
        return Listener(self, room, last_id, max_waiting)

    # ---- what the broker tells

    def received(self, messages: list[Message]) -> None:
        """Called by the broker: deliver these."""
        self._arrived.append(messages)
        if self._delivering:
            return  # a member publishes while it is told something: one after the other
        self._delivering = True
        try:
            while self._arrived:
                for message in self._arrived.popleft():
                    self._deliver(message)
        finally:
            self._delivering = False

    def missed(self, room: str) -> None:
        """Called by the broker: messages of this room are lost."""
        self._tell_gap(room)
        for member in tuple(self._rooms.get(room, ())):
            self._tell(member, "on_hub_gap", room)

    def changed(self, up: bool, reason: str) -> None:
        """Called by the broker: it can be reached, or not any more."""
        before, self._up = self._up, up
        if up and before is not None:
            app_log.info("hub: the broker is back")
            self._changed.update(self._rooms)
            self._start_announcing()
        elif not up:
            app_log.warning("hub: the broker is down, trying again: %s", reason)
        self._call(self.on_state, up)
        for member in tuple(self._joined):
            self._tell(member, "on_hub_state", up)

    def _deliver(self, message: Message) -> None:
        gone: list[Hashable] = []
        excluded = self._excluded(message)
        data, text = message.data, isinstance(message.data, str)
        members = tuple(self._rooms.get(message.room, {}).items())
        if message.again:
            members = tuple((member, entry) for member, entry in members if not entry.across)
        for member, entry in members:
            write = entry.write
            if write is None or entry.held is not None or entry.last is not None or entry.number == excluded:
                if entry.number == excluded:
                    self._delivered -= 1
                elif not self._pass_on(entry, message):
                    gone.append(member)
                continue
            try:  # what `_send` does, which for thousands of members is a fourth of the work
                if text:
                    write(data)
                else:
                    write(data, True)
            except Exception as error:
                self._log_failure(error, message)
                gone.append(member)
        self._delivered += len(members) - len(gone)
        for member in gone:
            self.leave(message.room, member)
        for listener in tuple(self._listeners.get(message.room, ())):
            listener._enqueue(message)

    def _excluded(self, message: Message) -> int:
        """The number of the member of ours that this message is not for; 0: of none."""
        if ":" not in message.mark:
            return 0
        origin, member = message.excluded
        return int(member) if origin == self.broker.origin else 0

    def _pass_on(self, entry: _Member, message: Message) -> bool:
        """Send it, or keep it until what came before is sent; not if it was in that. False: the member cannot be sent anything."""
        if entry.held is not None:
            entry.hold(entry.held, message)
            return True
        if entry.last is not None:
            at = place(message.id)
            if at is not None and at <= entry.last:
                return True
            entry.last = None
        return (message.again and entry.across) or self._send(entry, message)

    def _send(self, entry: _Member, message: Message) -> bool:
        try:
            entry.send(message)
        except Exception as error:
            self._log_failure(error, message)
            return False
        return True

    def _log_failure(self, error: Exception, message: Message) -> None:
        """A member that is closed has not failed."""
        if not isinstance(error, WebSocketClosedError | StreamClosedError):
            app_log.error("hub: a member of %r failed and is taken off", message.room, exc_info=error)

    async def _replay(self, room: str, member: Hashable, entry: _Member, last_id: str, caught_up: "asyncio.Future[None]") -> None:
        """Send what came after ``last_id``, then what came meanwhile."""
        delays = Delays()
        final = False
        try:
            if self._is_in(room, member, entry):  # or nobody would cease to follow
                await self._follow(room)
            while not final and self._is_in(room, member, entry):
                entry.overrun = False
                number, fetched = self._fetch(room, last_id)
                try:
                    found = await fetched
                except ConnectionError:
                    _settle(caught_up)  # nobody waits for a broker that is down
                    await asyncio.sleep(delays.again())
                    continue
                except Exception:
                    app_log.exception("hub: what came before in %r cannot be had", room)
                    self._tell_missed(room, member)
                    final = True
                    break
                if not found.complete:
                    entry.across = True
                    self._tell_missed(room, member)
                last_id = found.last_id
                if not await self._send_all(room, member, entry, found):
                    self._leave_as(room, member, entry)
                final = not found and number > entry.number and not entry.overrun
        finally:
            if not final:  # it lacks what came before: what came meanwhile would look as if it did not
                self._leave_as(room, member, entry)
            self._release(room, member, entry, last_id)

    def _release(self, room: str, member: Hashable, entry: _Member, last_id: str) -> None:
        """It has what came before: send what came meanwhile, and nothing later before that."""
        held, entry.held = entry.held or deque(), None
        entry.last = place(last_id)
        delivering, self._delivering = self._delivering, True
        try:
            for message in held:
                if not self._is_in(room, member, entry):
                    break
                if not self._pass_on(entry, message):
                    self._leave_as(room, member, entry)
        finally:
            self._delivering = delivering
            self.received([])

    def _is_in(self, room: str, member: Hashable, entry: _Member) -> bool:
        """Whether it has neither left nor joined once more."""
        return self._rooms.get(room, {}).get(member) is entry

    def _leave_as(self, room: str, member: Hashable, entry: _Member) -> None:
        if self._is_in(room, member, entry):
            self.leave(room, member)

    def _fetch(self, room: str, last_id: str) -> "tuple[int, asyncio.Future[Messages]]":
        """Ask the history once for all who come back with the same id: mostly those of a process that is gone."""
        key = room, last_id
        fetch = self._fetching.get(key)
        if fetch is None or fetch.messages.done():  # what is done already may lack what came since, however often it is asked for
            fetch = self._fetching[key] = _Fetch(next(self._numbers), self._work_on(self.broker.since(room, last_id, _REPLAYED_AT_ONCE)))

            def fetched(messages: "asyncio.Task[Messages]") -> None:
                latest = self._fetching.get(key)
                if latest is not None and latest.messages is messages:
                    del self._fetching[key]
                _retrieved(messages)

            fetch.messages.add_done_callback(fetched)
        return fetch.number, asyncio.shield(fetch.messages)

    async def _send_all(self, room: str, member: Hashable, entry: _Member, messages: Messages) -> bool:
        """As fast as the member takes them. False: it cannot be sent anything."""
        for message in messages:
            if not self._is_in(room, member, entry):
                return True
            if self._excluded(message) == entry.number:
                continue
            try:
                sent = entry.send(message)
                if asyncio.isfuture(sent):
                    await sent
            except Exception as error:
                self._log_failure(error, message)
                return False
        return True

    def _tell_gap(self, room: str) -> None:
        self._gaps += 1
        app_log.warning("hub: messages of %r are lost", room)
        self._call(self.on_gap, room)

    def _tell_missed(self, room: str, member: Any) -> None:
        self._tell_gap(room)
        self._tell(member, "on_hub_gap", room)

    def _tell(self, member: Any, hook: str, argument: Any) -> None:
        self._call(getattr(member, hook, None), argument)

    def _call(self, hook: Callable[[Any], object] | None, argument: Any) -> None:
        if hook is not None:
            try:
                hook(argument)
            except Exception:
                app_log.exception("hub: %r failed", hook)

    # ---- rooms that are followed, and how many are in them

    def _follow(self, room: str) -> "asyncio.Future[None]":
        following = self._following.get(room)
        if following is None:
            following = self._following[room] = self.broker.follow(room)
        return asyncio.shield(following)

    def _work_on(self, coroutine: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        task = start_task(coroutine)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _unfollow(self, room: str) -> None:
        if room in self._rooms or self._listeners.get(room):
            return
        if self._following.pop(room, None) is not None:
            self.broker.unfollow(room)

    def _listener_gone(self, room: str) -> None:
        if room in self._listeners and not self._listeners[room]:
            del self._listeners[room]
            self._unfollow(room)

    def _count_changed(self, room: str) -> None:
        self._changed.add(room)
        self._start_announcing()

    def _start_announcing(self) -> None:
        if self._announcing is None and self._beating is not None:
            self._announcing = start_task(self._announce_soon())

    async def _announce_soon(self) -> None:
        await asyncio.sleep(0)  # with all that happens in this turn
        self._announcing = None
        try:
            await self._announce()
        except ConnectionError:
            pass  # all rooms are announced when the broker is back

    async def _announce(self) -> None:
        changed, self._changed = self._changed, set()
        if changed:
            await self.broker.announce({room: len(self._rooms.get(room, ())) for room in changed})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            for member in tuple(self._joined):
                if _is_closed(member):  # and nobody said so
                    self.leave(member)
            self._changed.update(self._rooms)
            self._start_announcing()


class Listener(AsyncIterator[Message]):
    """The messages of a room, one by one; made by `Hub.listen`."""

    def __init__(self, hub: Hub, room: str, last_id: str | None, max_waiting: int) -> None:
        self._hub = hub
        self._room = room
        self._max_waiting = max_waiting
        self._waiting: deque[Message] = deque()
        self._last = None if last_id is None else place(last_id) or Place(0, 0)
        self._last_id = last_id
        # Messages are in the history that are not among those that wait.
        self._behind = last_id is not None
        # It came across a gap: what is sent again it may have had before that.
        self._across = False
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None
        hub._listeners.setdefault(room, WeakSet()).add(self)
        self._following = hub._follow(room)

    def close(self) -> None:
        """End: who waits for a message gets `StopAsyncIteration`; what was not read yet is dropped."""
        self._closed = True
        self._behind = False
        self._waiting.clear()
        self._hub._listeners.get(self._room, WeakSet()).discard(self)
        self._hub._listener_gone(self._room)
        self._wake()

    def __del__(self) -> None:
        loop = self._hub._loop
        if not self._closed and loop is not None:
            with contextlib.suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(self._hub._listener_gone, self._room)

    async def aclose(self) -> None:
        """As `close`."""
        self.close()

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> Message:
        while True:
            if self._behind and not self._waiting:
                await self._catch_up()
            while self._waiting:
                message = self._waiting.popleft()
                at = place(message.id)
                if self._last is None or at is None or at > self._last:
                    self._last, self._last_id = at, message.id
                    return message
            if self._closed:
                raise StopAsyncIteration
            if not self._behind:
                await self._something()

    async def _something(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        self._hub._awaited.add(self)  # or nobody might have the task that waits, either
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._hub._awaited.discard(self)

    async def _catch_up(self) -> None:
        """Fetch from the history; what comes meanwhile is taken as well, and sorted out by its place."""
        await self._following
        self._behind = False
        try:
            found = await self._hub.broker.since(self._room, self._last_id, self._max_waiting)
        except BaseException:
            # What came meanwhile is in the history as well, behind what could not be fetched.
            self._waiting.clear()
            self._behind = True
            raise
        if not found.complete:
            self._across = True
            # Where it asked from is no place of this history, or not one to compare with.
            self._last = None if found else place(found.last_id)
            self._last_id = found.last_id if not found else self._last_id
            self._hub._tell_gap(self._room)
        came, self._waiting = self._waiting, deque(found)
        if len(found) >= self._max_waiting:
            self._behind = True  # there may be more
        else:
            self._waiting += (message for message in came if not (message.again and self._across))

    def _enqueue(self, message: Message) -> None:
        if len(self._waiting) >= self._max_waiting:
            self._behind = True
        if self._behind or (message.again and self._across):
            return
        self._waiting.append(message)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _next_ones(self, last_id: str, seconds: float, limit: int) -> Messages:
        """What comes behind ``last_id`` within so many seconds; as soon as there is something."""
        self._last = place(last_id)
        try:
            async with asyncio.timeout(seconds):
                messages = [await anext(self)]
        except (TimeoutError, StopAsyncIteration):
            return Messages(last_id=last_id)
        while self._waiting and len(messages) < limit:
            messages.append(self._waiting.popleft())
        return Messages(messages)


def _check_room(room: object) -> None:
    if not isinstance(room, str):
        raise TypeError(f"the name of a room is a str, not {type(room).__name__}")
    if not room.isascii():
        room.encode()  # raises ValueError for what no broker could hold


def _is_closed(member: object) -> bool:
    """A WebSocket or an event stream that has ended."""
    return getattr(member, "ws_connection", member) is None or getattr(member, "stream_ended", False) is True


def _is_gone(member: object) -> bool:
    """Whether there is nobody to join. Raises `RuntimeError` where there is nobody yet."""
    if not _is_closed(member):
        return False
    if isinstance(member, WebSocketHandler) and member.get_status() != 101 and not (member._on_close_called or member._finished):
        raise RuntimeError(f"{type(member).__name__} joins a room before its connection is open: do that in open()")
    return True


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _retrieved(published: "asyncio.Future[Any]") -> None:
    """A message that nobody waits for fails without a word: that the broker is down was said once."""
    if not published.cancelled():
        published.exception()
