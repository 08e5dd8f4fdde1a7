"""The broker on PostgreSQL 12 or later: two tables of messages and members, and NOTIFY to say that there is something.

A notification carries the name of the room alone: what is in it is read from the table, so that messages may be longer than a
notification (8,000 bytes), and one that was missed is made up for by the next, or by a look when the connection is back. The row of a room
gives its messages their numbers; while a transaction holds that row, no other can take a number of this room, hence they are seen in order.
"""

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Unpack

from tornadolike._hub.broker import PRESENCE_SECONDS, BrokerDownError
from tornadolike._hub.messages import Messages, Place, marked, place
from tornadolike._hub.server_broker import Received, Request, ServerBroker, ServerOptions, behind

if TYPE_CHECKING:
    from asyncpg import Connection

_TABLES = """
CREATE TABLE IF NOT EXISTS {p}_room (room text PRIMARY KEY, epoch bigint NOT NULL, number bigint NOT NULL, used timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS {p}_message (
    room text NOT NULL, epoch bigint NOT NULL, number bigint NOT NULL, origin text NOT NULL, sent bigint NOT NULL,
    kind text NOT NULL, data bytea NOT NULL, PRIMARY KEY (room, epoch, number), UNIQUE (origin, sent));
CREATE TABLE IF NOT EXISTS {p}_here (
    room text NOT NULL, origin text NOT NULL, count bigint NOT NULL, till timestamptz NOT NULL, PRIMARY KEY (room, origin));
"""
_PUBLISH = """
WITH known AS (SELECT epoch, number FROM {p}_message WHERE origin = $2 AND sent = $3),
numbered AS (
    INSERT INTO {p}_room AS r
    SELECT $1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 1, now() WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (room) DO UPDATE SET number = r.number + 1, used = now() RETURNING epoch, number),
added AS (INSERT INTO {p}_message SELECT $1, epoch, number, $2, $3, $4, $5 FROM numbered)
SELECT epoch, number, pg_notify('{p}', $1) FROM numbered UNION ALL SELECT epoch, number, NULL FROM known
"""
_LOCATE = "SELECT epoch, number FROM {p}_room WHERE room = $1"
_BEHIND = """
SELECT epoch, number, kind, data FROM {p}_message WHERE room = $1 AND (epoch, number) > ($2, $3) ORDER BY epoch, number LIMIT $4
"""
_TRIM = "DELETE FROM {p}_message WHERE room = $1 AND (epoch < $2 OR number <= $3)"
_FORGET = """
WITH old AS (DELETE FROM {p}_room WHERE used < now() - make_interval(secs => $1) RETURNING room)
DELETE FROM {p}_message WHERE room IN (SELECT room FROM old)
"""
_ANNOUNCE = """
INSERT INTO {p}_here VALUES ($1, $2, $3, now() + make_interval(secs => $4))
ON CONFLICT (room, origin) DO UPDATE SET count = excluded.count, till = excluded.till
"""
_MEMBERS = "SELECT coalesce(sum(count), 0)::bigint FROM {p}_here WHERE room = $1 AND till > now()"
_GONE = "DELETE FROM {p}_here WHERE till < now() OR count = 0"
_READ_AT_ONCE = 1000
# A history grows by so many messages beyond its length before it is cut.
_TRIM_EACH = 64
_LOOK_SECONDS = 10.0
_LONGEST_NAME = 250


class PostgresBroker(ServerBroker):
    """Carries messages over a PostgreSQL server that an application has anyway (extra ``postgres``): for tens or hundreds of messages a
    second. For more, `RedisBroker`.

    Two connections for each process. Tables are made where they do not exist.

    :arg dsn: ``postgresql://user:password@host:port/database``; what is left out comes from the environment, as for libpq.
    :arg history: messages of each room that are kept at least; 1000 by default.
    :arg prefix: begins the names of tables, and is the channel of notifications: letters, digits, underscores.

    ``keep_seconds``, ``timeout``, ``when_down`` and ``max_queued`` are those of `RedisBroker`.
    """

    name = "postgres"
    client = ("asyncpg", "asyncpg")

    def __init__(self, dsn: str = "postgresql://", **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self._dsn = dsn
        self._prefix = self._prefix.lower()
        self._writer: Connection | None = None
        self._reader: Connection | None = None

    def _reset(self) -> None:
        super()._reset()
        # Names as they are stored; and those of the rooms that are followed.
        self._told: set[str] = set()
        self._names: dict[str, str] = {}
        self._tell = asyncio.Event()

    def _sql(self, statement: str) -> str:
        return statement.replace("{p}", self._prefix)

    async def _connect(self) -> "Connection":
        import asyncpg

        return await asyncpg.connect(self._dsn, timeout=self._timeout, server_settings={"application_name": "tornadolike hub"})

    # ---- requests

    async def _open_writer(self) -> None:
        self._writer = connection = await self._connect()
        async with connection.transaction():
            # Two that make the same table at the same time are an error of PostgreSQL, whatever IF NOT EXISTS says.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", self._prefix)
            await connection.execute(self._sql(_TABLES))

    async def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.terminate()

    def _is_closed(self) -> bool:
        return self._writer is None or self._writer.is_closed()

    async def _send(self, batch: list[Request]) -> list[Any]:
        import asyncpg

        assert self._writer is not None
        answers: list[Any] = []
        for request in batch:
            try:
                answers.append(await self._do(self._writer, request))
            except asyncpg.PostgresConnectionError:
                raise
            except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
                if self._writer.is_closed():
                    raise
                answers.append(BrokerDownError(f"the postgres broker refuses: {error}"))
        return answers

    async def _do(self, connection: "Connection", request: Request) -> Any:
        room = _stored(request.room)
        if request.kind == "publish":
            return await self._publish(connection, room, request)
        if request.kind == "locate":
            row = await connection.fetchrow(self._sql(_LOCATE), room)
            return Place(*row) if row else Place(0, 0)
        if request.kind == "since":
            return await self._since(connection, request.room, *request.arguments)
        if request.kind == "announce":
            await connection.execute(self._sql(_ANNOUNCE), room, self.origin, request.arguments[0], PRESENCE_SECONDS)
            return None
        if request.kind == "members":
            await connection.execute(self._sql(_GONE))
            await connection.execute(self._sql(_FORGET), self._keep_seconds)
            return await connection.fetchval(self._sql(_MEMBERS), room)
        self._tell.set()
        return None

    async def _publish(self, connection: "Connection", room: str, request: Request) -> str:
        (data,), sender = request.arguments, request.sender
        content = data.encode() if isinstance(data, str) else data
        row = await connection.fetchrow(self._sql(_PUBLISH), room, sender.origin, sender.number, request.mark(), content)
        at = Place(row[0], row[1])
        if at.number % _TRIM_EACH == 0:
            await connection.execute(self._sql(_TRIM), room, at.epoch, at.number - self._history)
        return str(at)

    async def _since(self, connection: "Connection", room: str, last_id: str | None, limit: int) -> Messages:
        row = await connection.fetchrow(self._sql(_LOCATE), _stored(room))
        end = Place(*row) if row else Place(0, 0)
        if last_id is None:
            return Messages(last_id=str(end))
        asked = place(last_id)
        rows = await connection.fetch(self._sql(_BEHIND), _stored(room), *(asked or Place(0, 0)), limit)
        found = [_message(room, row) for row in rows]
        if asked is None or asked > end:
            complete = False
        elif not found:
            complete = asked == end
        else:
            first = found[0][0]
            complete = first.number == 1 if asked == Place(0, 0) else (first.epoch == asked.epoch and first.number == asked.number + 1)
        return behind(asked, found, complete=complete, end=end)

    # ---- messages

    def _rooms_changed(self, room: str) -> None:
        self._names[_stored(room)] = room
        self._told.add(room)
        self._tell.set()

    async def _open_reader(self) -> None:
        self._reader = await self._connect()
        self._told = set(self._followed)  # what there is by now
        self._tell.set()
        await self._reader.add_listener(self._prefix, self._notified)
        self._reader.add_termination_listener(self._ended)

    def _notified(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        room = self._names.get(payload)
        if room is not None:
            self._told.add(room)
            self._tell.set()

    def _ended(self, connection: Any) -> None:
        self._tell.set()

    async def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.terminate()

    async def _read(self) -> None:
        assert self._reader is not None
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._tell.wait()
        except TimeoutError:
            async with asyncio.timeout(self._timeout):
                await self._reader.fetchval("SELECT 1")  # is it there still?
            return
        self._tell.clear()
        if self._reader.is_closed():
            raise BrokerDownError("the connection was closed")
        while self._told:
            await self._read_room(self._told.pop())

    async def _read_room(self, room: str) -> None:
        followed = self._followed.get(room)
        if followed is None:
            self._names.pop(_stored(room), None)
            return
        if followed.progress is None:
            return
        assert self._reader is not None
        async with asyncio.timeout(self._timeout):
            rows = await self._reader.fetch(self._sql(_BEHIND), _stored(room), *followed.progress.last, _READ_AT_ONCE)
        self._took(room, [_message(room, row) for row in rows])
        if len(rows) == _READ_AT_ONCE:
            self._told.add(room)


def _stored(room: str) -> str:
    """The name under which a room is kept and notified: indices and notifications take no long ones, and no text has a NUL."""
    if len(room) > _LONGEST_NAME or "\0" in room or room.startswith("#"):
        return "#" + hashlib.sha256(room.encode()).hexdigest()
    return room


def _message(room: str, row: Any) -> Received:
    epoch, number, mark, data = row
    at = Place(epoch, number)
    return at, marked(str(at), data, room, mark)
