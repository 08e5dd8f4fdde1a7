"""What brokers with a server have in common: one queue of requests to it, sent in order and in batches, and one reader of messages.

Both are tasks that connect, work until the connection breaks, and connect again, for ever. What was sent when a connection broke and had no
answer is sent again; a message carries its publisher's number, by which the broker knows one that it has already.

A broker that was restarted without its memory does not know it, though members may have had it. So what is sent again is marked: a process
that had it under its first id leaves out the second, and so does a member that comes back with an id of before.
"""

import asyncio
import dataclasses
import importlib
import itertools
import math
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypedDict

from tornadolike._hub.broker import Broker, BrokerDownError, Delays, end_tasks, start_task
from tornadolike._hub.messages import Data, Message, Messages, Place, Progress, Sender

MOST_IN_BATCH = 256
_MOST_PUBLISHERS = 1024
_NOBODY = Sender("", 0)

Kind = Literal["publish", "locate", "since", "announce", "members", "wake"]


@dataclasses.dataclass(slots=True, eq=False)
class Request:
    """One request to the broker, and the future that gets its answer.

    ``arguments`` by kind: ``publish`` data; ``since`` last id, limit; ``announce`` count. Of the others, ``locate`` asks for the place
    where the room ends, ``members`` how many it has, and ``wake`` has our reader look at its rooms again.
    """

    kind: Kind
    room: str
    arguments: tuple[Any, ...]
    answer: "asyncio.Future[Any]"
    deadline: float
    member: str = ""
    sender: Sender = _NOBODY
    """Of ``publish``: what it is known by, from when it is first sent."""
    first_sent: float = 0.0
    again: bool = False

    def mark(self) -> str:
        """Of ``publish``."""
        return self.sender.mark(self.arguments[0], again=self.again)


Received = tuple[Place, Message]


def behind(asked: Place | None, found: list[Received], *, complete: bool, end: Place) -> Messages:
    """What was found behind a place. Who comes across a gap is not sent what it may have had before that."""
    across = not complete and asked is not None and asked.epoch > 0
    last = found[-1][0] if found else end
    return Messages([message for _, message in found if not (across and message.again)], complete=complete, last_id=str(last))


class Followed:
    """A room that is followed: what was received of it.

    ``begun``: the memory of the broker (see `ServerBroker._begun`) that ``progress`` is about. ``lost``: that is gone, and what it had
    behind what we read.
    """

    __slots__ = ("begun", "heard", "interrupted", "lost", "placed", "progress", "ready")

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.interrupted = self.lost = False
        self.begun = 0
        # By the begin of a mark, kind and publisher, the rest of the last one.
        self.heard: dict[str, str] = {}
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Done when there is a progress: other than for the other one, nobody is let go before that.
        self.placed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def release(self) -> None:
        """Nobody needs to wait for it."""
        for future in (self.ready, self.placed):
            if not future.done():
                future.set_result(None)

    def take(self, progress: Progress, at: Place) -> tuple[bool, bool]:
        """As that of ``progress``, after an interruption."""
        epoch = progress.last.epoch
        taken = progress.take(at, reconnected=self.interrupted, lost=self.lost)
        self.interrupted = False
        self.lost = self.lost and at.epoch == epoch
        return taken

    def knows(self, sender: str, number: str) -> bool:
        """Whether this message that comes again has been here; what follows it has not, if it has not."""
        return any(_number(number) <= _number(self.heard.get(kind + sender[1:], "")) for kind in "tb")


class ServerOptions(TypedDict, total=False):
    """What every broker with a server may be given; see `RedisBroker`."""

    history: int
    prefix: str
    keep_seconds: float
    timeout: float
    when_down: str
    max_queued: int


class ServerBroker(Broker):
    """A broker that runs elsewhere; subclasses know its protocol.

    Raises `ValueError` for options that make no sense, and `RuntimeError` where the client's package is not installed.
    """

    name: ClassVar[str] = "broker"
    """Also that of the extra that brings the client."""
    client: ClassVar[tuple[str, str]]
    """The client's module, and its package."""
    any_prefix: ClassVar[bool] = False
    """Whether ``prefix`` may be any text, and not only a name."""

    remembers_seconds: ClassVar[float] = math.inf
    """For how long the broker knows a message that is sent again."""

    def __init__(
        self,
        *,
        history: int = 1000,
        prefix: str = "tornadolike",
        keep_seconds: float = 86400.0,
        timeout: float = 5.0,
        when_down: str = "raise",
        max_queued: int = 10_000,
    ) -> None:
        if when_down not in {"raise", "queue"}:
            raise ValueError(f"when_down is 'raise' or 'queue', not {when_down!r}")
        if history < 1:
            raise ValueError(f"history is a number of messages, at least 1, not {history!r}")
        if not (self.any_prefix or (prefix.isidentifier() and prefix.isascii())):
            raise ValueError(f"prefix is made of letters, digits and underscores, not {prefix!r}")
        module, package = self.client
        try:
            importlib.import_module(module)
        except ImportError:
            raise RuntimeError(f"{type(self).__name__} needs the {package} package: pip install 'tornadolike[{self.name}]'") from None
        self._history = history
        self._prefix = prefix
        self._keep_seconds = keep_seconds
        self._timeout = timeout
        self._queues = when_down == "queue"
        self._max_queued = max_queued
        self._numbers = itertools.count(1)
        self._reset()

    def _reset(self) -> None:
        """Nothing is of the time before: neither rooms nor, where another loop begins, what belonged to the one that ended."""
        self._waiting: deque[Request] = deque()
        self._in_flight: list[Request] = []
        self._something = asyncio.Event()
        self._followed: dict[str, Followed] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._disconnecting: set[asyncio.Task[None]] = set()
        self._states: dict[str, str | None] = {"requests": None, "messages": None}
        # Since when the broker remembers everything, as each of the two connections was told when it was made. An epoch before that may
        # lack its end.
        self._begun = {"requests": 0, "messages": 0}
        self._up: bool | None = None

    # ---- what a subclass does

    async def _open_writer(self) -> None:
        """Connect for requests."""
        raise NotImplementedError

    def _is_closed(self) -> bool:
        """Whether the connection for requests is known to be: what cannot be sent need not be sent again."""
        return False

    async def _send(self, batch: list[Request]) -> list[Any]:
        """Ask for all of them, in order; an answer for each: an id, a `Place`, `Messages`, None, a number; or an exception."""
        raise NotImplementedError

    async def _close_writer(self) -> None:
        """Disconnect; the connection may be broken already."""

    async def _open_reader(self) -> None:
        """Connect for messages."""
        raise NotImplementedError

    async def _read(self) -> None:
        """Receive something and hand it to `_took`; returns now and then."""
        raise NotImplementedError

    async def _close_reader(self) -> None:
        """Disconnect; the connection may be broken already."""

    def _rooms_changed(self, room: str) -> None:
        """Begin to read this room, or cease to."""

    def _progress(self, end: Place) -> Progress:
        """What keeps track of a room of which nothing is read up to ``end``."""
        return Progress(end)

    # ---- the two tasks

    def start(self, receiver: Any) -> None:
        super().start(receiver)
        self._reset()
        self._loop = asyncio.get_running_loop()
        self._tasks = [start_task(work) for work in (self._keep_up("requests"), self._keep_up("messages"), self._watch())]

    async def close(self) -> None:
        await end_tasks(*self._tasks)
        self._tasks = []
        for followed in self._followed.values():
            followed.release()
        if self._disconnecting:
            await asyncio.wait(self._disconnecting)
        self._fail_all(BrokerDownError(f"the connection to the {self.name} broker was closed"))

    def _fail_all(self, error: Exception) -> None:
        for request in [*self._in_flight, *self._waiting]:
            if not request.answer.done():
                request.answer.set_exception(error)
                request.answer.exception()  # of some nobody waits for the answer
        self._in_flight.clear()
        self._waiting.clear()

    async def _keep_up(self, what: str) -> None:
        requests = what == "requests"
        delays = Delays()
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    await (self._open_writer() if requests else self._open_reader())
                if not requests:
                    await self._check_places()
                delays.succeeded()
                self._state(what, "")
                while True:
                    await (self._write() if requests else self._read())
            except Exception as error:
                self._state(what, str(error) or type(error).__name__)
            finally:
                # Whoever cancels us does so again when that takes long; it goes on, and `close` waits for it.
                disconnecting = start_task(self._disconnect(requests))
                self._disconnecting.add(disconnecting)
                disconnecting.add_done_callback(self._disconnecting.discard)
                await asyncio.shield(disconnecting)
            if not requests:
                for followed in self._followed.values():
                    followed.interrupted = True
            await asyncio.sleep(delays.again())

    async def _disconnect(self, requests: bool) -> None:
        try:
            async with asyncio.timeout(1):
                await (self._close_writer() if requests else self._close_reader())
        except Exception:
            return  # it was broken

    def _state(self, what: str, reason: str) -> None:
        """Up is what can both be asked and be read; ``reason`` says why not, empty: it can."""
        self._states[what] = reason
        if not reason and None in self._states.values():
            return  # the other one has not tried yet
        up = not any(self._states.values())
        if up is not self._up:
            self._up = up
            if not up:
                self._release_followers()
            self.receiver.changed(up, reason)

    def _release_followers(self) -> None:
        """Nobody waits for a broker that is down: members are served from when it is back."""
        for followed in self._followed.values():
            if not followed.ready.done():
                followed.ready.set_result(None)

    # ---- requests

    @property
    def waiting(self) -> int:
        return len(self._in_flight) + len(self._waiting)

    def _ask(self, kind: Kind, room: str, *arguments: Any, member: str = "") -> "asyncio.Future[Any]":
        answer: asyncio.Future[Any] = self._loop.create_future()
        if len(self._waiting) >= self._max_queued and kind not in {"locate", "wake"}:  # of those there is one a room
            answer.set_exception(BrokerDownError(f"{len(self._waiting)} requests wait for the {self.name} broker already"))
            return answer
        lasting = kind in {"locate", "wake"} or (self._queues and kind == "publish")
        deadline = math.inf if lasting else self._loop.time() + self._timeout
        self._waiting.append(Request(kind, room, arguments, answer, deadline, member))
        self._something.set()
        return answer

    async def _watch(self) -> None:
        """Ends the waiting of those who waited for long enough. One watch for all: a timer for each would cost more than the request."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._timeout / 8)
            now = loop.time()
            reason = self._reason()
            for request in [*self._in_flight, *self._waiting]:
                if request.deadline < now and not request.answer.done():
                    late = f"the {self.name} broker did not answer within {self._timeout:g} s: {reason}"
                    request.answer.set_exception(BrokerDownError(late))

    def _reason(self) -> str:
        """Why it does not answer."""
        return "; ".join(filter(None, self._states.values())) or "it is slow"

    async def _write(self) -> None:
        """Send what waits, after what was sent before and had no answer. Requests whose asker gave up are left out."""
        batch, now = self._in_flight, self._loop.time()
        if (batch or self._waiting) and self._is_closed():
            raise BrokerDownError("the connection was closed")
        for request in batch:
            if request.kind == "publish":
                self._sent_before(request, now)
        batch[:] = [request for request in batch if not request.answer.done()]
        self._fill(batch, now)
        if not batch:
            self._something.clear()
            await self._something.wait()
            return
        async with asyncio.timeout(self._timeout):
            answers = await self._send(batch)
        self._in_flight = []
        for request, answer in zip(batch, answers, strict=True):
            if request.answer.done():
                continue
            if isinstance(answer, Exception):
                request.answer.set_exception(answer)
            else:
                request.answer.set_result(answer)

    def _fill(self, batch: list[Request], now: float) -> None:
        while len(batch) < MOST_IN_BATCH and self._waiting:
            request = self._waiting.popleft()
            if request.answer.done():
                continue
            if request.kind == "publish":  # numbered now: those in flight at one time are neighbours
                request.sender = Sender(self.origin, next(self._numbers), request.member)
                request.first_sent = now
            batch.append(request)

    def _sent_before(self, request: Request, now: float) -> None:
        """Without an answer: once more, as long as the broker would know it."""
        request.again = True
        if now - request.first_sent > min(self.remembers_seconds, self._keep_seconds) and not request.answer.done():
            lost = f"the {self.name} broker did not answer for so long that it would not know the message again, if it has it"
            request.answer.set_exception(BrokerDownError(lost))

    def publish(self, room: str, data: Data, excluded: str) -> "asyncio.Future[str]":
        return self._ask("publish", room, data, member=excluded)

    async def since(self, room: str, last_id: str | None, limit: int) -> Messages:
        followed = self._followed.get(room)
        if followed is not None and not followed.placed.done():
            await self._until_placed(followed)
        messages: Messages = await self._ask("since", room, last_id, limit)
        if not messages and not messages.complete:
            end: Messages = await self._ask("since", room, None, 0)
            messages.last_id = end.last_id
        return messages

    async def _until_placed(self, followed: Followed) -> None:
        """What is behind an answer must come by itself: so a room that is followed is asked only when it is known where it was then."""
        done, _ = await asyncio.wait([followed.placed], timeout=self._timeout)
        if not done or not self._tasks:
            raise BrokerDownError(f"the {self.name} broker has not said where the room ends: {self._reason()}")

    async def announce(self, counts: Mapping[str, int]) -> None:
        rooms = iter(counts.items())
        while some := list(itertools.islice(rooms, MOST_IN_BATCH)):  # of many rooms not all at once: other requests wait, too
            await asyncio.gather(*(self._ask("announce", room, count) for room, count in some))

    async def members(self, room: str) -> int:
        count: int = await self._ask("members", room)
        return count

    # ---- messages

    def follow(self, room: str) -> "asyncio.Future[None]":
        followed = self._followed.get(room)
        if followed is None:
            followed = self._followed[room] = Followed()
            self._locate(room, followed, Delays())
            if self._up is False:
                followed.ready.set_result(None)
        return followed.ready

    def _locate(self, room: str, followed: Followed, delays: Delays) -> None:
        """Ask where the room ends; in the queue of requests, so that what is published next comes behind that place."""
        if self._followed.get(room) is not followed or not self._tasks:
            return

        def located(answer: "asyncio.Future[Any]") -> None:
            if self._followed.get(room) is not followed:
                return
            if answer.cancelled() or not self._tasks:
                return  # closed
            if answer.exception() is not None:  # refused: nobody waits for that, and it may be passing
                if not followed.ready.done():
                    followed.ready.set_result(None)
                self._loop.call_later(delays.again(), self._locate, room, followed, delays)
                return
            if self._begun["requests"] < self._begun["messages"]:
                self._loop.call_later(delays.again(), self._locate, room, followed, delays)
                return  # that was before the broker lost its memory, as the reader knows
            followed.progress, followed.begun = self._progress(answer.result()), self._begun["requests"]
            self._rooms_changed(room)
            followed.release()

        self._ask("locate", room).add_done_callback(located)

    def unfollow(self, room: str) -> None:
        followed = self._followed.pop(room, None)
        if followed is not None:
            followed.release()
            self._rooms_changed(room)

    async def _check_places(self) -> None:
        """After an interruption: a history that is not the one that we read is lost, also where nothing new is in it."""
        begun = self._begun["messages"]
        asked: dict[str, asyncio.Future[Place]] = {}
        for room, followed in self._followed.items():
            if followed.interrupted and followed.progress is not None:
                followed.lost = followed.lost or followed.begun < begun
                followed.begun = max(followed.begun, begun)
                if followed.lost or followed.progress.last.epoch:
                    asked[room] = self._ask("locate", room)
        for room, answer in asked.items():
            end = await answer
            known = self._followed.get(room)
            if known is None or known.progress is None:
                continue
            if end < known.progress.last or (known.lost and end == known.progress.last):
                known.progress.last = end
                known.interrupted = known.lost = False
                self.receiver.missed(room)

    def _took(self, room: str, messages: list[Received]) -> None:
        """What was read of a room: hand on what is new, tell what is missing."""
        followed = self._followed.get(room)
        if followed is None or followed.progress is None:
            return
        new: list[Message] = []
        progress, heard = followed.progress, followed.heard
        for at, message in messages:
            certain = not (followed.interrupted or followed.lost)
            fresh, missing = progress.take(at) if certain else followed.take(progress, at)
            if missing:
                if new:
                    self.receiver.received(new)
                    new = []
                self.receiver.missed(room)
            if not fresh:
                continue
            sender, _, number = message.mark.partition(".")
            if sender < "a":  # a capital: it was sent before
                if followed.knows(sender, number):
                    continue
                sender = sender.lower()
            heard[sender] = number
            new.append(message)
        while len(heard) > _MOST_PUBLISHERS:
            del heard[next(iter(heard))]
        if new:
            self.receiver.received(new)


def _number(text: str) -> int:
    """Of the rest of a mark; 0 where there is none."""
    number = text.partition(":")[0]
    return int(number) if number.isdecimal() else 0
