"""The broker on Redis Streams (Redis 6.2 or later, Valkey).

Keys, all with one hash tag, so that a script may touch them on a cluster: ``{PREFIX}:room:NAME`` a stream for each room,
``{PREFIX}:sent:ORIGIN`` the numbers that a process sent last, ``{PREFIX}:here:NAME`` who has how many members, until when,
``{PREFIX}:wake:ORIGIN`` a stream that only ends the waiting of a process whose rooms changed, ``{PREFIX}:run`` which run of the server that
is, and since when. All expire.

Streams and not pub/sub: who was away for a moment goes on where it was. One XREAD waits for all rooms of the process.

A server that is killed comes back with what it saved last, or with nothing, and would give ids a second time. So with each run of a
server the histories of all rooms begin a new epoch; whoever was in an older one is told that messages may be missing. Not so where the
server writes everything to its disk before it answers (``appendfsync always``).
"""

import asyncio
import contextlib
import re
from itertools import groupby
from typing import TYPE_CHECKING, Any, Unpack

from tornadolike._hub.broker import PRESENCE_SECONDS, BrokerDownError
from tornadolike._hub.messages import Messages, Place, Progress, marked, place
from tornadolike._hub.server_broker import Received, Request, ServerBroker, ServerOptions, behind

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

# Adds messages, each once: KEYS sent, run, then the stream of each; ARGV history, seconds to keep, seconds to know what was sent, begin of
# the run, then number, data, mark of each. Gives their ids. One call for many: what a call costs in the client is several times what a
# message costs.
_PUBLISH = """
local ids, begun = {}, tonumber(ARGV[4])
for i = 3, #KEYS do
    local number, data, mark = ARGV[3 * i - 4], ARGV[3 * i - 3], ARGV[3 * i - 2]
    local slot, id = tonumber(number) % 1024, nil
    local before = redis.call('HGET', KEYS[1], slot)
    if before then
        local n, known = string.match(before, '^(%d+) (.+)$')
        if n == number then id = known end
    end
    if not id then
        local last = redis.call('XREVRANGE', KEYS[i], '+', '-', 'COUNT', 1)[1]
        local epoch, n = 0, 0
        if last then
            local e, k = string.match(last[1], '^(%d+)-(%d+)$')
            epoch, n = tonumber(e), tonumber(k)
        end
        if not last or epoch < begun then
            local now = redis.call('TIME')
            epoch, n = math.max(now[1] * 1000 + math.floor(now[2] / 1000), begun, epoch + 1), 0
        end
        id = string.format('%.0f-%.0f', epoch, n + 1)
        redis.call('XADD', KEYS[i], 'MAXLEN', '~', ARGV[1], id, 'd', data, 'k', mark)
        redis.call('EXPIRE', KEYS[i], ARGV[2])
        redis.call('HSET', KEYS[1], slot, number .. ' ' .. id)
    end
    ids[i - 2] = id
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return ids
"""
# Since when this run of the server is known, in milliseconds: KEYS run; ARGV its name, seconds to keep. Who cannot write begins now.
_BEGUN = """
local name, begun = string.match(redis.call('GET', KEYS[1]) or '', '^(.*) (%d+)$')
if name ~= ARGV[1] then
    local now = redis.call('TIME')
    begun = string.format('%.0f', math.max(now[1] * 1000 + math.floor(now[2] / 1000), (begun or 0) + 1))
    redis.pcall('SET', KEYS[1], ARGV[1] .. ' ' .. begun)
end
redis.pcall('EXPIRE', KEYS[1], ARGV[2])
return begun
"""
# Ends the waiting of a process: KEYS wake; ARGV seconds to keep.
_WAKE = """
redis.call('XADD', KEYS[1], 'MAXLEN', 1, '*', 'w', '')
return redis.call('EXPIRE', KEYS[1], ARGV[1])
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
_UNBLOCK_AGAIN_SECONDS = 0.05
_WAKE_SECONDS = 60  # who waits has looked by then
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
        it waits for as long as it takes; but what was sent and had no answer for an hour (NATS: 100 seconds) fails, since the broker
        would not know that it has it.
    :arg max_queued: requests that may wait; one more is refused with `BrokerDownError`. 10,000 by default.
    """

    name = "redis"
    client = ("redis.asyncio", "redis")
    any_prefix = True
    remembers_seconds = 3600.0

    def __init__(self, url: str = "redis://127.0.0.1:6379/0", **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        from redis.asyncio.connection import parse_url

        parse_url(url)  # a wrong one is told now
        self._url = url
        self._tag = f"{{{self._prefix}}}"
        self._writer: AbstractConnection | None = None
        self._reader: AbstractConnection | None = None

    def _reset(self) -> None:
        super()._reset()
        self._woken_at = b"0-0"
        self._reading: _Reading | None = None
        self._reader_id = 0  # the server's number for the connection that reads

    def _connection(self) -> Any:
        """One that is not connected yet. The connection itself, without the client and the pool around it: a command through those takes as
        long as all else here together, and a pool whose closing is cancelled forgets its connections.
        """
        from redis.asyncio import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool: Any = ConnectionPool.from_url(
            self._url,
            protocol=2,
            decode_responses=False,
            socket_connect_timeout=self._timeout,
            socket_timeout=None,  # its own costs a task for each command; the time is kept here
            retry=Retry(NoBackoff(), 0),  # what to do about a broken connection is decided here
        )
        return pool.make_connection()

    def _key(self, kind: str, name: str) -> str:
        return f"{self._tag}:{kind}:{name}"

    # ---- requests

    async def _open_writer(self) -> None:
        connection: Any = self._connection()
        self._writer = connection
        await connection.connect()
        self._begun["requests"] = await self._begin(connection)
        scripts = _PUBLISH, _ANNOUNCE, _MEMBERS, _WAKE
        commands = [("SCRIPT", "LOAD", script) for script in scripts]
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        self._scripts: list[str] = [(await connection.read_response(disable_decoding=True)).decode() for _ in scripts]

    async def _begin(self, connection: Any) -> int:
        """Since when the server that this connection has remembers everything, in milliseconds."""
        from redis.exceptions import ResponseError

        name = ""
        with contextlib.suppress(ResponseError):  # who may not ask takes it for one that never forgets
            run = re.search(rb"\brun_id:(\w+)", await _asked(connection, "INFO", "server"))
            name = run[1].decode() if run else ""
            settings = await _asked(connection, "CONFIG", "GET", "append*")
            if {b"appendonly": b"yes", b"appendfsync": b"always"}.items() <= dict(zip(settings[::2], settings[1::2], strict=True)).items():
                name = "lasting"
        return int(await _asked(connection, "EVAL", _BEGUN, 1, f"{self._tag}:run", name, int(self._keep_seconds)))

    async def _close_writer(self) -> None:
        await _close(self._writer)

    def _is_closed(self) -> bool:
        reader = getattr(self._writer, "_reader", None)
        return reader is None or reader.at_eof() or reader.exception() is not None

    async def _send(self, batch: list[Request]) -> list[Any]:
        from redis.exceptions import NoScriptError, ResponseError

        connection = self._writer
        assert connection is not None
        groups = [(publishes, list(requests)) for publishes, requests in groupby(batch, lambda request: request.kind == "publish")]
        commands: list[tuple[Any, ...]] = []
        for publishes, requests in groups:
            commands += [self._publishing(requests)] if publishes else map(self._command, requests)
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
                _refusal(reply) if isinstance(reply, ResponseError) else _understood(request, reply, self._begun["requests"])
                for request, reply in zip(requests, replies, strict=True)
            ]
        return answers

    def _publishing(self, requests: list[Request]) -> tuple[Any, ...]:
        keys: list[str] = [self._key("sent", self.origin), f"{self._tag}:run"]
        # It is known for longer than it may be sent: what was put off until then is on its way for a while.
        known = int(self.remembers_seconds + 60 + 2 * self._timeout)
        arguments: list[Any] = [self._history, int(self._keep_seconds), known, self._begun["requests"]]
        for request in requests:
            keys.append(self._key("room", request.room))
            arguments += [request.sender.number, request.arguments[0], request.mark()]
        return "EVALSHA", self._scripts[0], len(keys), *keys, *arguments

    def _command(self, request: Request) -> tuple[Any, ...]:
        room, arguments = request.room, request.arguments
        _, announce, members, wake = self._scripts
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
            if arguments:
                return "CLIENT", "UNBLOCK", *arguments
            return "EVALSHA", wake, 1, self._key("wake", self.origin), _WAKE_SECONDS
        if request.kind == "announce":
            return "EVALSHA", announce, 1, self._key("here", room), self.origin, arguments[0], int(PRESENCE_SECONDS)
        return "EVALSHA", members, 1, self._key("here", room)

    # ---- messages

    def _rooms_changed(self, room: str) -> None:
        self._reading = None
        self._ask("wake", room).add_done_callback(self._woken)

    def _woken(self, answer: "asyncio.Future[Any]") -> None:
        """A server without memory takes no entry, not even that one: then the waiting is ended by hand."""
        if not answer.cancelled() and answer.exception() is not None:
            self._unblock()

    def _unblock(self) -> None:
        if self._reading is None and self._reader_id and self._tasks:
            self._ask("wake", "", self._reader_id).add_done_callback(self._unblocked)

    def _unblocked(self, answer: "asyncio.Future[Any]") -> None:
        if not answer.cancelled() and answer.exception() is None and not answer.result():
            self._loop.call_later(_UNBLOCK_AGAIN_SECONDS, self._unblock)  # it did not wait yet

    async def _open_reader(self) -> None:
        from redis.exceptions import ResponseError

        connection: Any = self._connection()
        self._reader = connection
        self._reader_id = 0
        await connection.connect()
        self._begun["messages"] = await self._begin(connection)
        with contextlib.suppress(ResponseError):  # who may not ask is served all the same
            self._reader_id = await _asked(connection, "CLIENT", "ID")

    async def _close_reader(self) -> None:
        await _close(self._reader)

    async def _read(self) -> None:
        assert self._reader is not None
        if self._reading is None:
            rooms = {name: followed.progress for name, followed in self._followed.items() if followed.progress is not None}
            self._reading = _Reading({self._key("room", name): name for name in rooms}, rooms, self._key("wake", self.origin))
        reading = self._reading
        connection = self._reader
        async with asyncio.timeout(_BLOCK_SECONDS + self._timeout):
            await connection.send_packed_command([reading.command(self._woken_at)], check_health=False)
            answer: Any = await connection.read_response(disable_decoding=True)
        for key, entries in answer or ():
            name = reading.names.get(key)
            if name is None:
                self._woken_at = entries[-1][0]
            else:
                self._took(name, _each(name, entries))


class _Reading:
    """An XREAD of all rooms that are followed, of which only the places change from one time to the next."""

    def __init__(self, names: dict[str, str], rooms: dict[str, Progress], wake: str) -> None:
        self.names = {key.encode(): name for key, name in names.items()}
        self._progress = [rooms[name] for name in names.values()]
        self._places: list[Place | None] = [None] * len(names)
        self._ids = [b""] * len(names)
        words = b"XREAD", b"COUNT", b"%d" % _READ_AT_ONCE, b"BLOCK", b"%d" % (_BLOCK_SECONDS * 1000), b"STREAMS"
        keys = [*self.names, wake.encode()]
        self._words = b"*%d\r\n" % (len(words) + 2 * len(keys)) + b"".join(map(_word, [*words, *keys]))

    def command(self, woken_at: bytes) -> bytes:
        """As it goes to the server."""
        for number, progress in enumerate(self._progress):
            last = progress.last
            if last is not self._places[number]:
                self._places[number], self._ids[number] = last, _word(b"%d-%d" % last)
        return b"".join([self._words, *self._ids, _word(woken_at)])


async def _asked(connection: Any, *command: Any) -> Any:
    await connection.send_command(*command, check_health=False)
    return await connection.read_response(disable_decoding=True)


async def _close(connection: "AbstractConnection | None") -> None:
    """At once, whatever is on its way: what counts was answered. Whoever cancels this gets a closed connection as well."""
    if connection is not None:
        writer = getattr(connection, "_writer", None)
        if writer is not None:
            writer.transport.abort()  # who is frozen would not let it go for as long as something is unsent
        await connection.disconnect()


def _word(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def _refusal(error: Exception) -> Exception:
    return BrokerDownError(f"the redis broker refuses: {error}")


def _understood(request: Request, answer: Any, begun: int) -> Any:
    if request.kind == "publish":
        return answer.decode()
    if request.kind == "locate":
        return _place(answer[0][0]) if answer else Place(0, 0)
    if request.kind == "since":
        return _messages(request, answer, begun)
    return None if request.kind == "wake" and not request.arguments else int(answer)


def _place(id_: bytes) -> Place:
    epoch, _, number = id_.partition(b"-")
    return Place(int(epoch), int(number))


def _each(room: str, entries: Any) -> list[Received]:
    """The entries of a stream that are messages, and not what others wrote into it."""
    return [
        (_place(id_), marked(id_.decode(), fields[1], room, fields[3].decode("utf-8", "replace")))
        for id_, fields in entries
        if len(fields) == 4 and fields[0] == b"d" and fields[2] == b"k"
    ]


def _messages(request: Request, answer: Any, begun: int) -> Messages:
    last_id, limit = request.arguments
    if last_id is None:
        return Messages(last_id=answer[0][0].decode() if answer else "0-0")
    asked = place(last_id)
    found = _each(request.room, answer)
    if asked is None:
        return behind(None, found[:limit], complete=False, end=Place(0, 0))
    before = found[0][0] if found else None
    complete = asked == Place(0, 0) and (before is None or before.number == 1)
    if before == asked:
        found, complete = found[1:], True
    elif before is not None and before.epoch == asked.epoch and before.number == asked.number + 1:
        complete = True
    complete = complete and (asked.epoch == 0 or asked.epoch >= begun)
    return behind(asked, found[:limit], complete=complete, end=asked)
