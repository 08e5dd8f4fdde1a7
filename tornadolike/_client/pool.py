"""The idle connections of a client: which to reuse, which to let go.

A connection is either *lent* (the pool knows nothing of it) or *idle* (in the pool). ``put`` makes it idle, ``take`` lends the one idle
for the shortest time (the others may so grow old and leave), ``discard`` forgets one that died. The pool closes nothing itself: what
falls out of it is returned, for the caller to close. It has no clock either: times are arguments, in seconds.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

Connection = TypeVar("Connection", bound=Hashable)


class IdlePool(Generic[Connection]):
    """Idle connections by key (everything two requests must share to use one connection), at most ``max_idle`` of them, and at most
    ``max_idle_per_key`` with the same key, each until a deadline of its own."""

    __slots__ = ("_by_key", "_idle", "_max_idle", "_max_idle_per_key")

    def __init__(self, max_idle: int, max_idle_per_key: int) -> None:
        self._max_idle = max_idle if max_idle_per_key else 0
        self._max_idle_per_key = max_idle_per_key
        # Both in the order of becoming idle.
        self._idle: dict[Connection, tuple[Hashable, float]] = {}
        self._by_key: dict[Hashable, list[Connection]] = {}

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, key: Hashable) -> Connection | None:
        """Lend an idle connection for ``key``. The caller checks that it is still alive."""
        same_key = self._by_key.get(key)
        if not same_key:
            return None
        connection = same_key.pop()
        del self._idle[connection]
        if not same_key:
            del self._by_key[key]
        return connection

    def put(self, key: Hashable, connection: Connection, deadline: float) -> list[Connection]:
        """Make a connection idle until ``deadline``. Returns the connections that have no place any more, maybe this one."""
        same_key = self._by_key.get(key)
        if same_key is None and len(self._idle) < self._max_idle:
            self._by_key[key] = [connection]
            self._idle[connection] = key, deadline
            return []
        if not self._max_idle:
            return [connection]
        evicted = []
        if same_key is not None and len(same_key) >= self._max_idle_per_key:
            evicted.append(same_key[0])
        elif len(self._idle) >= self._max_idle:
            evicted.append(next(iter(self._idle)))
        for oldest in evicted:
            self.discard(oldest)
        self._idle[connection] = (key, deadline)
        self._by_key.setdefault(key, []).append(connection)
        return evicted

    def discard(self, connection: Connection) -> bool:
        """Forget a connection; False when it was not idle."""
        entry = self._idle.pop(connection, None)
        if entry is None:
            return False
        same_key = self._by_key[entry[0]]
        same_key.remove(connection)
        if not same_key:
            del self._by_key[entry[0]]
        return True

    def expire(self, now: float) -> list[Connection]:
        """Let go of the connections that were idle long enough, and return them."""
        expired = [connection for connection, (_, deadline) in self._idle.items() if deadline <= now]
        for connection in expired:
            self.discard(connection)
        return expired

    def next_deadline(self) -> float | None:
        """When `expire` will have something to do next; None while nothing is idle."""
        return min((deadline for _, deadline in self._idle.values()), default=None)

    def drain(self) -> list[Connection]:
        """Let go of everything, and return it."""
        connections = list(self._idle)
        self._idle.clear()
        self._by_key.clear()
        return connections
