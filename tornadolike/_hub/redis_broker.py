"""The broker on Redis Streams (Redis 6.2 or later, Valkey).

Keys, all with one hash tag, so that a script may touch them on a cluster: ``{PREFIX}:room:NAME`` a stream for each room,
``{PREFIX}:sent:ORIGIN`` the numbers that a process sent last, ``{PREFIX}:here:NAME`` who has how many members, until when,
``{PREFIX}:wake:ORIGIN`` a stream that only ends the waiting of a process whose rooms changed. All expire.

Streams and not pub/sub: who was away for a moment goes on where it was. One XREAD waits for all rooms of the process.
"""

from itertools import groupby
from typing import TYPE_CHECKING, Any

from tornadolike._hub.broker import PRESENCE_SECONDS, BrokerDownError
from tornadolike._hub.messages import Message, Messages, Place, place
from tornadolike._hub.server_broker import Request, ServerBroker

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

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        history: int = 1000,
        prefix: str = "tornadolike",
        keep_seconds: float = 86400.0,
        timeout: float = 5.0,
        when_down: str = "raise",
        max_queued: int = 10_000,
    ) -> None:
        super().__init__(history=history, timeout=timeout, when_down=when_down, max_queued=max_queued)
        try:
            import redis.asyncio
        except ImportError:
            raise RuntimeError("RedisBroker needs the redis package: pip install 'tornadolike[redis]'") from None
        redis.asyncio.connection.parse_url(url)  # a wrong one is told now
        self._url = url
        self._prefix = f"{{{prefix}}}"
        self._keep_seconds = str(int(keep_seconds))
        self._writer: Redis | None = None
        self._reader: Redis | None = None
        self._woken_at = "0-0"

    def _client(self) -> "Redis":
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        client = Redis.from_url(
            self._url,
            protocol=2,
            single_connection_client=True,
            decode_responses=False,
            socket_connect_timeout=self._timeout,
            socket_timeout=_BLOCK_SECONDS + self._timeout,
            retry=Retry(NoBackoff(), 0),  # what to do about a broken connection is decided here
        )
        client.set_response_callback("XREAD", _as_it_came)
        client.set_response_callback("XREVRANGE", _as_it_came)
        client.set_response_callback("XRANGE", _as_it_came)
        return client

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"

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
        pipeline = self._writer.pipeline(transaction=False)
        groups = [(publishes, list(requests)) for publishes, requests in groupby(batch, lambda request: request.kind == "publish")]
        for publishes, requests in groups:
            if publishes:
                self._add_messages(pipeline, requests)
            else:
                for request in requests:
                    self._add(pipeline, request)
        replies = iter(await pipeline.execute(raise_on_error=False))
        answers: list[Any] = []
        for publishes, requests in groups:
            reply = [next(replies)] if publishes else [next(replies) for _ in requests]
            for answer in reply:
                if isinstance(answer, NoScriptError):
                    raise BrokerDownError("the broker was restarted") from answer
            if publishes:
                reply = reply * len(requests) if isinstance(reply[0], ResponseError) else reply[0]
            answers += [
                _refusal(answer) if isinstance(answer, ResponseError) else _understood(request, answer)
                for request, answer in zip(requests, reply, strict=True)
            ]
        return answers

    def _add_messages(self, pipeline: Any, requests: list[Request]) -> None:
        keys, arguments = [self._key("sent", self.origin)], [self._history, self._keep_seconds]
        for request in requests:
            number, data, excluded = request.arguments
            keys.append(self._key("room", request.room))
            arguments += [number, data, ("t" if isinstance(data, str) else "b") + excluded]
        pipeline.evalsha(self._scripts[0], len(keys), *keys, *arguments)

    def _add(self, pipeline: Any, request: Request) -> None:
        room, arguments = request.room, request.arguments
        _, announce, members = self._scripts
        if request.kind == "locate":
            pipeline.execute_command("XREVRANGE", self._key("room", room), "+", "-", "COUNT", 1)
        elif request.kind == "since":
            last_id, limit = arguments
            begin = "-" if last_id is None or place(last_id) is None else last_id
            if last_id is None:
                pipeline.execute_command("XREVRANGE", self._key("room", room), "+", "-", "COUNT", 1)
            else:  # from the place itself on: whether it is there tells whether what follows it is complete
                pipeline.execute_command("XRANGE", self._key("room", room), begin, "+", "COUNT", limit + 1)
        elif request.kind == "wake":
            pipeline.execute_command("XADD", self._key("wake", self.origin), "MAXLEN", 1, "*", "w", "")
        elif request.kind == "announce":
            pipeline.evalsha(announce, 1, self._key("here", room), self.origin, arguments[0], int(PRESENCE_SECONDS))
        else:
            pipeline.evalsha(members, 1, self._key("here", room))

    # ---- messages

    def _rooms_changed(self, room: str) -> None:
        self._ask("wake", room)

    async def _open_reader(self) -> None:
        self._reader = self._client()
        await self._reader.initialize()

    async def _close_reader(self) -> None:
        if self._reader is not None:
            await self._reader.aclose()

    async def _read(self) -> None:
        assert self._reader is not None
        places: dict[str, Place | str] = {self._key("wake", self.origin): self._woken_at}
        for room, followed in self._followed.items():
            if followed.progress is not None:
                places[self._key("room", room)] = followed.progress.last
        block = int(_BLOCK_SECONDS * 1000)
        command: tuple[Any, ...] = "XREAD", "COUNT", _READ_AT_ONCE, "BLOCK", block, "STREAMS", *places, *map(str, places.values())
        for key, entries in await self._reader.execute_command(*command) or ():  # type: ignore[no-untyped-call]
            kind, _, name = key.decode()[len(self._prefix) + 1 :].partition(":")
            if kind == "wake":
                self._woken_at = entries[-1][0].decode()
            else:
                self._took(name, [message for entry in entries if (message := _message(name, entry)) is not None])


def _as_it_came(response: Any, **options: Any) -> Any:
    return response


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
