"""The broker on NATS JetStream (nats-server 2.9 or later).

One stream holds the messages of all rooms, each room a subject. JetStream numbers the messages of a stream, not those of a subject: between
neighbours of a room are holes. What is missing is therefore looked for where it can arise, when reading begins again: if the message
that was read last is in the stream, then nothing behind it is gone, since the oldest of a subject go first.
"""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from tornadolike._hub.broker import PRESENCE_SECONDS, BrokerDownError, end_tasks, start_task
from tornadolike._hub.messages import Messages, Place, Progress, marked, place
from tornadolike._hub.server_broker import Received, Request, ServerBroker, ServerOptions, behind

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

_T = TypeVar("_T")

# Of one room, one is to be answered before the other is asked.
_APART = {"publish": "locate", "locate": "publish"}
_KIND = "Tornadolike-Kind"
_LOOK_SECONDS = 2.0
_LONGEST_NAME = 500
_DUPLICATE_SECONDS = 120.0


class _Sparse(Progress):
    """Numbers grow, with holes that say nothing."""

    __slots__ = ("behind_it",)

    def __init__(self, last: Place) -> None:
        super().__init__(last)
        # How many the server had to send to us after that one.
        self.behind_it = 0

    def may_lack(self, at: Place, behind_it: int, kept: int) -> bool:
        """Whether messages before this one may have gone from the history before they were sent to us. Then it was the oldest one that
        the server had, and the history was full: as many are behind it as there is room for (with room for one nobody can tell). Or fewer
        are behind it than there must be.
        """
        before, self.behind_it = self.behind_it, behind_it
        if at.epoch != self.last.epoch or at.number <= self.last.number + 1:
            return False
        return 1 < kept <= behind_it + 1 or behind_it < before - 1

    def take(self, at: Place, *, reconnected: bool = False, lost: bool = False) -> tuple[bool, bool]:
        new = at > self.last
        if new:
            self.last = at
        return new, False


class NATSBroker(ServerBroker):
    """Carries messages over NATS with JetStream (extra ``nats``).

    One connection to publish and one to read for each process. A stream named by ``prefix`` is made where there is none.

    :arg url: ``nats://[user:password@]host:port``, or several, separated by commas.
    :arg history: messages of each room that are kept; 1000 by default.
    :arg prefix: the name of the stream and the first part of its subjects: letters, digits, underscores.

    ``keep_seconds``, ``timeout``, ``when_down`` and ``max_queued`` are those of `RedisBroker`.
    """

    name = "nats"
    client = ("nats", "nats-py")
    remembers_seconds = _DUPLICATE_SECONDS - 20  # what was put off until then is on its way for a while

    def __init__(self, url: str = "nats://127.0.0.1:4222", **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self._servers = [server.strip() for server in url.split(",")]
        self._writer: Client | None = None
        self._reader: Client | None = None
        self._epoch = 0
        self._kept = -1

    def _reset(self) -> None:
        super()._reset()
        self._subscriptions: dict[str, Any] = {}
        self._to_look_at: set[str] = set()
        self._look = asyncio.Event()
        # Done when the connection has ended.
        self._writer_gone: asyncio.Future[None]
        self._reader_gone: asyncio.Future[None]

    def _subject(self, room: str) -> str:
        """Names of rooms are any text, tokens of subjects are not."""
        return f"{self._prefix}.room.{_token(room)}"

    async def _connect(self, closed: Callable[[], Coroutine[Any, Any, None]] | None = None) -> "Client":
        from nats.aio.client import Client

        client = Client()
        try:
            await client.connect(
                servers=self._servers,
                allow_reconnect=False,  # what to do about a broken connection is decided here
                max_reconnect_attempts=0,
                connect_timeout=max(1, int(self._timeout)),
                ping_interval=2,
                max_outstanding_pings=2,
                error_cb=_ignore,
                closed_cb=closed,
                name="tornadolike hub",
            )
        except BaseException:
            _abort(client)
            raise
        return client

    # ---- requests

    async def _open_writer(self) -> None:
        self._writer_gone = gone = asyncio.get_running_loop().create_future()
        self._writer = await self._connect(_ending(gone))
        self._stream = self._writer.jetstream(timeout=self._timeout)
        await _answered(self._writer, gone, self._prepare())

    async def _prepare(self) -> None:
        """Make what is not there yet, and learn the epoch."""
        from nats.js.api import StreamConfig
        from nats.js.errors import NotFoundError

        config = StreamConfig(
            name=self._prefix,
            subjects=[f"{self._prefix}.room.*"],
            max_msgs_per_subject=self._history,
            max_age=self._keep_seconds,
            duplicate_window=min(_DUPLICATE_SECONDS, self._keep_seconds),
        )
        try:
            info = await self._stream.stream_info(self._prefix)
        except NotFoundError:
            info = await self._stream.add_stream(config)
        assert info.created is not None
        self._epoch = int(info.created.timestamp() * 1000)
        self._kept = info.config.max_msgs_per_subject or -1  # whoever made the stream may have said otherwise than we do
        self._here = await self._presence()

    async def _presence(self) -> Any:
        from nats.js.api import KeyValueConfig

        return await self._stream.create_key_value(KeyValueConfig(bucket=f"{self._prefix}_here", ttl=PRESENCE_SECONDS))

    async def _close_writer(self) -> None:
        await _close(self._writer)

    def _is_closed(self) -> bool:
        return self._writer is None or not self._writer.is_connected

    async def _send(self, batch: list[Request]) -> list[Any]:
        assert self._writer is not None
        answers = await _answered(self._writer, self._writer_gone, self._do_all(batch))
        return [_refusal(answer) if isinstance(answer, Exception) else answer for answer in answers]

    async def _do_all(self, batch: list[Request]) -> list[Any]:
        answers: list[Any] = []
        for part in _in_order(batch):
            answers += await asyncio.gather(*map(self._do, part), return_exceptions=True)
        return answers

    async def _do(self, request: Request) -> Any:
        room = request.room
        if request.kind == "publish":
            (data,), sender = request.arguments, request.sender
            content = data.encode() if isinstance(data, str) else data
            headers = {_KIND: request.mark(), "Nats-Msg-Id": f"{sender.origin}-{sender.number}"}
            added = await self._stream.publish(self._subject(room), content, headers=headers, timeout=self._timeout)
            return str(Place(self._epoch, added.seq))
        if request.kind == "locate":
            return await self._end(room)
        if request.kind == "since":
            return await self._since(room, *request.arguments)
        if request.kind == "announce":
            key = f"{_token(room)}.{self.origin}"
            if request.arguments[0]:
                await self._here.put(key, str(request.arguments[0]).encode())
            else:
                await self._here.delete(key)
            return None
        if request.kind == "members":
            return await self._members(room)
        return None

    async def _end(self, room: str) -> Place:
        from nats.js.errors import NotFoundError

        try:
            last = await self._stream.get_last_msg(self._prefix, self._subject(room))
        except NotFoundError:
            return Place(self._epoch, 0)
        return Place(self._epoch, last.seq or 0)

    async def _has(self, room: str, number: int) -> bool:
        from nats.js.errors import NotFoundError

        try:
            message = await self._stream.get_msg(self._prefix, number)
        except NotFoundError:
            return False
        return message.subject == self._subject(room)

    async def _since(self, room: str, last_id: str | None, limit: int) -> Messages:
        end = await self._end(room)
        if last_id is None:
            return Messages(last_id=str(end))
        asked = place(last_id)
        known = asked is not None and asked.epoch == self._epoch and asked.number <= end.number
        if asked == end:
            return Messages(last_id=last_id)
        begin = asked.number if known and asked is not None else 0
        complete = known and (begin == 0 or await self._has(room, begin))
        found = await self._fetch(room, begin, end.number, limit) if end.number > begin else []
        return behind(asked, found, complete=complete or (asked == Place(0, 0) and len(found) < self._history), end=end)

    async def _fetch(self, room: str, after: int, until: int, limit: int) -> list[Received]:
        """The messages of a room behind one number up to another."""
        from nats.js.errors import NotFoundError

        subscription = await self._subscribe(self._stream, room, after)
        found: list[Received] = []
        try:
            while len(found) < limit:
                raw = await subscription.next_msg(timeout=self._timeout)
                found.append(self._message(room, raw))
                if found[-1][0].number >= until:
                    break
        finally:
            await subscription.unsubscribe()
        # The server would keep it for a while, and allows some at a time.
        with contextlib.suppress(NotFoundError):
            await self._stream.delete_consumer(self._prefix, (await subscription.consumer_info()).name)
        return found

    async def _subscribe(self, stream: "JetStreamContext", room: str, after: int, **options: Any) -> Any:
        from nats.js.api import ConsumerConfig, DeliverPolicy

        config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1, inactive_threshold=30.0)
        return await stream.subscribe(self._subject(room), stream=self._prefix, ordered_consumer=True, config=config, **options)

    async def _members(self, room: str) -> int:
        """Asked for, not watched: a watch is a consumer, of which servers allow some at a time, and what is announced meanwhile could be in
        it twice or not at all.
        """
        before = f"$KV.{self._prefix}_here."
        info = await self._stream.stream_info(f"KV_{self._prefix}_here", subjects_filter=f"{before}{_token(room)}.*")
        return sum(await asyncio.gather(*(self._announced(subject.removeprefix(before)) for subject in info.state.subjects or ())))

    async def _announced(self, key: str) -> int:
        from nats.js.errors import KeyNotFoundError

        try:
            return int((await self._here.get(key)).value or b"0")
        except KeyNotFoundError:  # its time has just passed
            return 0

    # ---- messages

    def _progress(self, end: Place) -> Progress:
        return _Sparse(end)

    def _rooms_changed(self, room: str) -> None:
        self._to_look_at.add(room)
        self._look.set()

    async def _open_reader(self) -> None:
        self._reader_gone = gone = asyncio.get_running_loop().create_future()
        gone.add_done_callback(lambda _: self._look.set())
        self._reader = await self._connect(_ending(gone))
        self._subscriptions.clear()
        self._to_look_at = set(self._followed)
        self._look.set()

    async def _close_reader(self) -> None:
        await _close(self._reader)

    async def _read(self) -> None:
        assert self._reader is not None
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._look.wait()
        except TimeoutError:
            pass
        self._look.clear()
        if not self._reader.is_connected:
            raise BrokerDownError("the connection was closed")
        if self._to_look_at:
            await _answered(self._reader, self._reader_gone, self._look_at_all())

    async def _look_at_all(self) -> None:
        while self._to_look_at:
            await self._look_at(self._to_look_at.pop())

    async def _look_at(self, room: str) -> None:
        assert self._reader is not None
        followed, subscription = self._followed.get(room), self._subscriptions.get(room)
        if followed is None or followed.progress is None:
            if subscription is not None:
                del self._subscriptions[room]
                await subscription.unsubscribe()
        elif subscription is None:
            after = followed.progress.last
            if after.epoch != self._epoch or (followed.interrupted and after.number and not await self._has(room, after.number)):
                self.receiver.missed(room)
                followed.progress.last = Place(self._epoch, after.number if after.epoch == self._epoch else 0)
            followed.interrupted = False

            async def received(raw: Any) -> None:
                message = self._message(room, raw)
                followed = self._followed.get(room)
                progress = None if followed is None else followed.progress
                if isinstance(progress, _Sparse) and progress.may_lack(message[0], raw.metadata.num_pending, self._kept):
                    self.receiver.missed(room)
                self._took(room, [message])

            stream = self._reader.jetstream(timeout=self._timeout)
            self._subscriptions[room] = await self._subscribe(stream, room, followed.progress.last.number, cb=received)

    def _message(self, room: str, raw: Any) -> Received:
        at = Place(self._epoch, raw.metadata.sequence.stream)
        return at, marked(str(at), raw.data, room, (raw.headers or {}).get(_KIND, "b"))


async def _close(client: "Client | None") -> None:
    if client is not None:
        try:
            await client.close()  # in vain, as long as something is unsent to a server that is frozen
        finally:
            _abort(client)


def _abort(client: "Client") -> None:
    """Close what a ``connect`` that failed or was cancelled has left open, and what cannot be closed in order."""
    writer = getattr(client._transport, "_bare_io_writer", None)
    if writer is not None:
        writer.transport.abort()


def _token(room: str) -> str:
    """One token of a subject. A server takes lines of 4 KiB: of a long name, a digest, whose length no other token has."""
    name = room.encode()
    if len(name) > _LONGEST_NAME:
        return "_" + hashlib.sha256(name).hexdigest()
    return base64.urlsafe_b64encode(name).decode().rstrip("=") or "_"


def _in_order(batch: list[Request]) -> Iterator[list[Request]]:
    """Parts that can be sent at once. Newer servers (seen: 2.15) answer questions aside of what is published on the same connection: where
    a room ends would be now before, now behind a message that went out behind the question.
    """
    part: list[Request] = []
    asked: set[tuple[str, str]] = set()
    for request in batch:
        other = _APART.get(request.kind)
        if other is not None:
            if (other, request.room) in asked:
                yield part
                part, asked = [], set()
            asked.add((request.kind, request.room))
        part.append(request)
    if part:
        yield part


def _ending(gone: "asyncio.Future[None]") -> Callable[[], Coroutine[Any, Any, None]]:
    """What a client calls when its connection has ended."""

    async def closed() -> None:
        if not gone.done():
            gone.set_result(None)

    return closed


async def _answered(client: "Client", gone: "asyncio.Future[None]", asking: Coroutine[Any, Any, _T]) -> _T:
    """What ``asking`` returns. Raises `BrokerDownError` when the connection ends: the client waits for answers from one that is closed."""
    answering = start_task(asking)
    either: list[asyncio.Future[Any]] = [answering, gone]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not client.is_connected:
            raise BrokerDownError("the connection was closed")
        return await answering
    finally:
        await end_tasks(answering)


async def _ignore(error: Exception) -> None:
    """What breaks a connection is seen where the connection is used."""


def _refusal(error: Exception) -> Exception:
    return error if isinstance(error, BrokerDownError) else BrokerDownError(f"the nats broker refuses: {error or type(error).__name__}")
