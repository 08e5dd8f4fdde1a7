"""The connections of a client that keeps connections: the idle ones, and those in use."""

import math
import time
from collections.abc import Hashable
from contextvars import Context
from typing import Any, Protocol, cast

from tornadolike._client.keep_alive import idle_seconds_allowed
from tornadolike._client.pool import IdlePool
from tornadolike._fetch.timeouts import Alarm
from tornadolike._http1.engine import ClientEngine
from tornadolike._http1.events import ResponseHead
from tornadolike._http1_io.state import ExchangeState
from tornadolike.http1connection import HTTP1Connection
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import IOStream, StreamClosedError

# What is copied behind its head, to go out with it in one piece; more than that is dearer to copy than to write apart.
_MOST_COPIED = 64 * 1024
_IDLE_HOSTS = 4


class KeptConnections:
    """The idle connections of a client: an `IdlePool`, and what it needs of the loop, a timer."""

    def __init__(self, io_loop: IOLoop, max_clients: int, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._pool: IdlePool[Link] = IdlePool(max_clients * _IDLE_HOSTS, max_clients)
        self._alarm = Alarm(io_loop, self._expire)
        self._closed = False

    def __len__(self) -> int:
        return len(self._pool)

    def take(self, key: Hashable) -> "Link | None":
        """A connection that was alive a moment ago, or None."""
        while (link := self._pool.take(key)) is not None:
            if not link.stream.closed():
                if link.idle_until > time.monotonic():
                    return link
                link.stream.close()  # the loop was too busy to do that in time
        return None

    def put(self, key: Hashable, link: "Link", keep_alive_field: str | None) -> None:
        """Take back a connection that can carry another request, and keep it for as long as both sides want to."""
        seconds = self._idle_seconds
        if keep_alive_field is not None:
            seconds = min(seconds, idle_seconds_allowed(keep_alive_field))
        if self._closed or seconds <= 0:
            link.stream.close()
            return
        deadline = link.idle_until = time.monotonic() + seconds
        for evicted in self._pool.put(key, link, deadline):
            evicted.stream.close()
        if deadline < self._alarm.due:
            self._alarm.set(self._pool.next_deadline())

    def forget(self, link: "Link") -> None:
        self._pool.discard(link)

    def close(self) -> None:
        self._closed = True
        self._alarm.set(None)
        for link in self._pool.drain():
            link.stream.close()

    def _expire(self) -> None:
        for link in self._pool.expire(time.monotonic()):
            link.stream.close()
        self._alarm.set(self._pool.next_deadline())


class User(Protocol):
    """A request that goes over a link, and takes what comes back as a delegate of `HTTP1Connection` does."""

    connection: HTTP1Connection
    # Nobody wants to see the response before it is complete.
    _takes_whole: bool
    # Whether the request may be sent again over a new connection, should nothing have come.
    _retriable: bool
    _context: Context

    def _body_limit(self) -> int: ...
    def _create_connection(self, stream: IOStream) -> HTTP1Connection: ...
    def _whole_response_received(self, head: ResponseHead, body: bytes) -> None: ...
    def _conclude(self) -> None: ...
    def _connection_lost(self, error: Exception | None) -> None: ...


class Link:
    """A connection of a client that keeps connections: idle, or in use by one request. Always the consumer of its stream.

    A response that arrives whole costs neither an `HTTP1Connection` nor a task nor a future; any other one goes by way of the former.
    """

    __slots__ = ("_connection", "_pool", "_user", "engine", "idle_until", "sent", "stream", "used")

    takes_rest = True  # a server may have refused what could not be written any more

    def __init__(self, pool: KeptConnections, stream: IOStream, engine: ClientEngine) -> None:
        self.stream = stream
        self.engine = engine
        self.used = False
        self.idle_until = math.inf
        # Of the latest whole request.
        self.sent: Any = None
        self._pool = pool
        self._user: User | None = None
        self._connection: HTTP1Connection | None = None
        stream._attach_consumer(self)

    def send(self, user: User, method: str, head: bytes, body: bytes | None) -> None:
        """Send a whole request; ``user`` gets the response, or hears that there is none. Raises `StreamClosedError`."""
        self._user = user
        self.engine.whole_request_sent(method)
        if body is not None and len(body) > _MOST_COPIED:
            self.stream.write(head)
            self.sent = self.stream.write(body)
        else:
            self.sent = self.stream.write(head + body if body else head)

    def connect(self, user: User) -> HTTP1Connection:
        """For a request, or a response, that comes piece by piece."""
        self._user = user
        connection = self._connection = user._create_connection(self.stream)
        connection._engine = self.engine
        connection._owner = self
        connection._deliver_to(cast(Any, user))
        return connection

    def abandon(self) -> None:
        self._user = self._connection = None
        self.stream.close()

    def data_received(self, data: bytes) -> None:
        user = self._user
        if user is None:
            # Nobody asked for anything, so it must never be taken for the answer to the next request.
            self.stream.close()
        elif self._connection is not None:
            user._context.copy().run(self._connection._input, data)
        else:
            user._context.copy().run(self._first_data, user, data)

    def _first_data(self, user: User, data: bytes) -> None:
        user._retriable = False
        whole = self.engine.whole_response(data, user._body_limit()) if user._takes_whole else None
        if whole is not None:
            self._user = None
            user._whole_response_received(*whole)
        else:
            user.connection = self.connect(user)
            user.connection._input(data)

    def stream_closed(self) -> None:
        user = self._user
        if user is None:
            self._pool.forget(self)
        elif self._connection is not None:
            user._context.copy().run(self._connection._on_stream_closed)
        else:
            user._context.copy().run(self.exchange_lost, None, StreamClosedError(real_error=self.stream.error))

    def exchange_done(self, connection: ExchangeState) -> None:
        connection._release_gate()
        user = self._release()
        if self.engine.take_waiting():
            # More than the one response that was asked for: as above.
            self.engine.keep_alive = False
        if user is not None:
            user._conclude()
        # Whoever paused it, because the response came in too many pieces at a time, had it to end before he could go on.
        self.stream._resume_reading()

    def exchange_lost(self, connection: ExchangeState | None, error: Exception | None) -> None:
        user = self._release()
        if user is not None:
            user._connection_lost(error)

    def exchange_detached(self, connection: ExchangeState) -> None:
        self._release()

    def _release(self) -> User | None:
        user, self._user, self._connection = self._user, None, None
        return user
