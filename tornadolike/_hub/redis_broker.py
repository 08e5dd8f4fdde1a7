"""The broker on Redis Streams (Redis 6.2 or later, Valkey).

Keys, all with one hash tag, so that a script may touch them on a cluster: ``{PREFIX}:room:NAME`` a stream for each room,
``{PREFIX}:sent:ORIGIN`` the numbers that a process sent last, ``{PREFIX}:here:NAME`` who has how many members, until when,
``{PREFIX}:wake:ORIGIN`` a stream that only ends the waiting of a process whose rooms changed. All expire.

Streams and not pub/sub: who was away for a moment goes on where it was. One XREAD waits for all rooms of the process.
"""

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING, Any, Unpack

from tornadolike._hub.broker import PRESENCE_SECONDS, BrokerDownError
from tornadolike._hub.messages import Message, Messages, Place, Progress, place
from tornadolike._hub.server_broker import Request, ServerBroker, ServerOptions

if TYPE_CHECKING:
    from redis.asyncio import Redis

# Adds messages, each once: KEYS sent, then the stream of each; ARGV history, seconds to keep, then number, data, kind of each. Gives their
# ids. One call for many: what a call costs in the client is several times what a message costs.
_PUBLISH = """
local ids = {}
for i = 2, #KEYS do
    local number, data, kind = ARGV[3 * i - 3], ARGV[3 * i - 2], ARGV[3 * i - 1]
    local slot, id = tonumber(number) % 1024, nil
    local before = redis.call('HGET', KEYS[1], slot)
    if before then
        local n, known = string.match(before, '^(%d+) (.+)$')
        if n == number then id = known end
    end
    if not id then
        local last = redis.call('XREVRANGE', KEYS[i], '+', '-', 'COUNT', 1)[1]
        local epoch, n
        if last then
            epoch, n = string.match(last[1], '^(%d+)-(%d+)$')
        else
            local now = redis.call('TIME')
            epoch, n = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000)), 0
        end
        id = epoch .. '-' .. string.format('%.0f', n + 1)
        redis.call('XADD', KEYS[i], 'MAXLEN', '~', ARGV[1], id, 'd', data, 'k', kind)
        redis.call('EXPIRE', KEYS[i], ARGV[2])
        redis.call('HSET', KEYS[1], slot, number .. ' ' .. id)
    end
    ids[i - 1] = id
end
redis.call('EXPIRE', KEYS[1], 300)
return ids
"""
# How many members a process has: KEYS here; ARGV origin, count, seconds.
_ANNOUNCE = """
if ARGV[2] == '0' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
local till = redis.call('TIME')[1] + ARGV[3]
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', till))
return redis.call('EXPIRE', KEYS[1], ARGV[3])
"""
# How many members all processes have: KEYS here. Takes off those of processes that went without a word.
_MEMBERS = """
local now, sum, all = tonumber(redis.call('TIME')[1]), 0, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
    local count, till = string.match(all[i + 1], '^(%d+) (%d+)$')
    if tonumber(till) > now then sum = sum + count else redis.call('HDEL', KEYS[1], all[i]) end
end
return sum
"""
_BLOCK_SECONDS = 5.0
_READ_AT_ONCE = 1000


class RedisBroker(ServerBroker):
    """Carries messages over a Redis server, version 6.2 or later, or Valkey (extra ``redis``).

    It needs two connections for each process, whatever the number of rooms and clients. Order in a room is the same for all processes;
    what is missed while the connection is broken is read when it is back, as far as the history goes.

    :arg url: ``redis://[[user]:password@]host[:port][/db]``, ``rediss://`` for TLS, ``unix:///path``.
    :arg history: messages of each room that are kept at least; 1000 by default.
    :arg prefix: begins the names of all keys; hubs with another one do not meet.
    :arg keep_seconds: after so long without a message a room's history is forgotten; a day by default.
    :arg timeout: seconds to wait for an answer; 5 by default.
    :arg when_down: ``"raise"``, the default: publishing raises `BrokerDownError` when there was no answer within ``timeout``. ``"queue"``:
        it waits for as long as it takes.
    :arg max_queued: requests that may wait; one more is refused with `BrokerDownError`. 10,000 by default.
    """

    name = "redis"
    client = ("redis.asyncio", "redis")
    any_prefix = True

    def __init__(self, url: str = "redis://127.0.0.1:6379/0", **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        from redis.asyncio.connection import parse_url

        parse_url(url)  # a wrong one is told now
        self._url = url
        self._tag = f"{{{self._prefix}}}"
        self._writer: Redis | None = None
        self._reader: Redis | None = None
        self._woken_at = b"0-0"
        self._reading: _Reading | None = None

    def _client(self) -> "Redis":
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return Redis.from_url(
            self._url,
            protocol=2,
            single_connection_client=True,
            decode_responses=False,
            socket_connect_timeout=self._timeout,
            socket_timeout=None,  # its own costs a task for each command; the time is kept here
            retry=Retry(NoBackoff(), 0),  # what to do about a broken connection is decided here
        )

    def _key(self, kind: str, name: str) -> str:
        return f"{self._tag}:{kind}:{name}"

    # ---- requests

    async def _open_writer(self) -> None:
        self._writer = self._client()
        await self._writer.initialize()
        self._scripts = [await self._writer.script_load(script) for script in (_PUBLISH, _ANNOUNCE, _MEMBERS)]

    async def _close_writer(self) -> None:
        if self._writer is not None:
            await self._writer.aclose()

    async def _send(self, batch: list[Request]) -> list[Any]:
        from redis.exceptions import NoScriptError, ResponseError

        assert self._writer is not None
        groups = [(publishes, list(requests)) for publishes, requests in groupby(batch, lambda request: request.kind == "publish")]
        commands: list[tuple[Any, ...]] = []
        for publishes, requests in groups:
            commands += [self._publishing(requests)] if publishes else map(self._command, requests)
        # Through the connection, as in `_read`.
        connection = self._writer.connection
        assert connection is not None
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        answers: list[Any] = []
        for publishes, requests in groups:
            replies: list[Any] = []
            for _ in requests[:1] if publishes else requests:
                try:
                    replies.append(await connection.read_response(disable_decoding=True))
                except NoScriptError as error:
                    raise BrokerDownError("the broker was restarted") from error
                except ResponseError as error:
                    replies.append(error)
            if publishes:
                replies = replies * len(requests) if isinstance(replies[0], ResponseError) else replies[0]
            answers += [
                _refusal(reply) if isinstance(reply, ResponseError) else _understood(request, reply)
                for request, reply in zip(requests, replies, strict=True)
            ]
        return answers

    def _publishing(self, requests: list[Request]) -> tuple[Any, ...]:
        keys, arguments = [self._key("sent", self.origin)], [self._history, int(self._keep_seconds)]
        for request in requests:
            number, data, excluded = request.arguments
            keys.append(self._key("room", request.room))
            arguments += [number, data, ("t" if isinstance(data, str) else "b") + excluded]
        return "EVALSHA", self._scripts[0], len(keys), *keys, *arguments

    def _command(self, request: Request) -> tuple[Any, ...]:
        room, arguments = request.room, request.arguments
        _, announce, members = self._scripts
        end = "XREVRANGE", self._key("room", room), "+", "-", "COUNT", 1
        if request.kind == "locate":
            return end
        if request.kind == "since":
            last_id, limit = arguments
            if last_id is None:
                return end
            begin = "-" if place(last_id) is None else last_id
            # From the place itself on: whether it is there tells whether what follows it is complete.
            return "XRANGE", self._key("room", room), begin, "+", "COUNT", limit + 1
        if request.kind == "wake":
            return "XADD", self._key("wake", self.origin), "MAXLEN", 1, "*", "w", ""
        if request.kind == "announce":
            return "EVALSHA", announce, 1, self._key("here", room), self.origin, arguments[0], int(PRESENCE_SECONDS)
        return "EVALSHA", members, 1, self._key("here", room)

    # ---- messages

    def _rooms_changed(self, room: str) -> None:
        self._reading = None
        self._ask("wake", room)

    async def _open_reader(self) -> None:
        self._reader = self._client()
        await self._reader.initialize()

    async def _close_reader(self) -> None:
        if self._reader is not None:
            await self._reader.aclose()

    async def _read(self) -> None:
        assert self._reader is not None
        if self._reading is None:
            rooms = {name: followed.progress for name, followed in self._followed.items() if followed.progress is not None}
            self._reading = _Reading({self._key("room", name): name for name in rooms}, rooms, self._key("wake", self.origin))
        reading = self._reading
        # The connection itself, without the client around it: that takes as long as all else here together.
        connection = self._reader.connection
        assert connection is not None
        async with asyncio.timeout(_BLOCK_SECONDS + self._timeout):
            await connection.send_packed_command([reading.command(self._woken_at)], check_health=False)
            answer: Any = await connection.read_response(disable_decoding=True)
        for key, entries in answer or ():
            name = reading.names.get(key)
            if name is None:
                self._woken_at = entries[-1][0]
            else:
                self._took(name, [message for entry in entries if (message := _message(name, entry)) is not None])


class _Reading:
    """An XREAD of all rooms that are followed, of which only the places change from one time to the next."""

    def __init__(self, names: dict[str, str], rooms: dict[str, Progress], wake: str) -> None:
        self.names = {key.encode(): name for key, name in names.items()}
        self._progress = [rooms[name] for name in names.values()]
        self._places: list[Place | None] = [None] * len(names)
        self._ids = [b""] * len(names)
        words = b"XREAD", b"COUNT", b"%d" % _READ_AT_ONCE, b"BLOCK", b"%d" % (_BLOCK_SECONDS * 1000), b"STREAMS"
        keys = [*self.names, wake.encode()]
        self._begin = b"*%d\r\n" % (len(words) + 2 * len(keys)) + b"".join(map(_word, [*words, *keys]))

    def command(self, woken_at: bytes) -> bytes:
        """As it goes to the server."""
        for number, progress in enumerate(self._progress):
            last = progress.last
            if last is not self._places[number]:
                self._places[number], self._ids[number] = last, _word(b"%d-%d" % last)
        return b"".join([self._begin, *self._ids, _word(woken_at)])


def _word(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def _refusal(error: Exception) -> Exception:
    return BrokerDownError(f"the redis broker refuses: {error}")


def _understood(request: Request, answer: Any) -> Any:
    if request.kind == "publish":
        return answer.decode()
    if request.kind == "locate":
        return _place(answer[0][0]) if answer else Place(0, 0)
    if request.kind == "since":
        return _messages(request, answer)
    return None if request.kind == "wake" else int(answer)


def _place(id_: bytes) -> Place:
    epoch, _, number = id_.partition(b"-")
    return Place(int(epoch), int(number))


def _message(room: str, entry: Any) -> tuple[Place, Message] | None:
    """An entry of a stream as a message; None for what others wrote into it."""
    id_, fields = entry
    if len(fields) != 4 or fields[0] != b"d" or fields[2] != b"k":
        return None
    kind: bytes = fields[3]
    data = fields[1].decode() if kind[:1] == b"t" else fields[1]
    return _place(id_), Message(id_.decode(), data, room, kind[1:].decode())


def _messages(request: Request, answer: Any) -> Messages:
    last_id, limit = request.arguments
    if last_id is None:
        return Messages(last_id=answer[0][0].decode() if answer else "0-0")
    asked = place(last_id)
    found = [message for entry in answer if (message := _message(request.room, entry)) is not None]
    if asked is None:
        return Messages([message for _, message in found[:limit]], complete=False)
    before = found[0][0] if found else None
    complete = asked == Place(0, 0) and (before is None or before.number == 1)
    if before == asked:
        found, complete = found[1:], True
    elif before is not None and before.epoch == asked.epoch and before.number == asked.number + 1:
        complete = True
    return Messages([message for _, message in found[:limit]], complete=complete, last_id=last_id)
