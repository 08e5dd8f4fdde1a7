"""The broker within one process: no server, no waiting."""

import asyncio
import time
from collections.abc import Callable, Mapping

from tornadolike._hub.broker import Broker, Receiver
from tornadolike._hub.history import History
from tornadolike._hub.messages import Data, Messages, Sender


class MemoryBroker(Broker):
    """Carries messages within one process only. The default of `Hub`.

    :arg history: how many messages of each room are kept, for who comes back; 1000 by default.
    :arg keep_seconds: after so long without a message, without a member and without a question a room's history is forgotten; a day
        by default.
    """

    def __init__(self, history: int = 1000, *, keep_seconds: float = 86400.0, clock: Callable[[], float] = time.time) -> None:
        if history < 1:
            raise ValueError(f"history is a number of messages, at least 1, not {history!r}")
        self._size = history
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._rooms: dict[str, History] = {}
        self._used: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._followed: set[str] = set()
        self._epoch = 0

    def _history(self, room: str) -> History:
        now = self._clock()
        self._used.pop(room, None)
        self._used[room] = now  # the order of the dictionary is that of the last use
        history = self._rooms.get(room)
        if history is None:
            self._forget_unused(now)
            self._epoch = max(self._epoch + 1, int(now * 1000))
            history = self._rooms[room] = History(room, self._size, self._epoch)
        return history

    def _forget_unused(self, now: float) -> None:
        for room, used in list(self._used.items()):
            if used > now - self._keep_seconds:
                return
            if room not in self._followed:
                del self._used[room], self._rooms[room]

    def start(self, receiver: Receiver) -> None:
        super().start(receiver)
        self._followed.clear()
        self._counts.clear()
        receiver.changed(True, "")

    def publish(self, room: str, data: Data, excluded: str) -> "asyncio.Future[str]":
        message = self._history(room).append(data, Sender(self.origin, 0, excluded).mark(data) if excluded else "")
        if room in self._followed:
            self.receiver.received([message])
        published = asyncio.get_running_loop().create_future()
        published.set_result(message.id)
        return published

    def follow(self, room: str) -> "asyncio.Future[None]":
        self._followed.add(room)
        followed = asyncio.get_running_loop().create_future()
        followed.set_result(None)
        return followed

    def unfollow(self, room: str) -> None:
        self._followed.discard(room)

    async def since(self, room: str, last_id: str | None, limit: int) -> Messages:
        return self._history(room).since(last_id, limit)

    async def announce(self, counts: Mapping[str, int]) -> None:
        for room, count in counts.items():
            if count:
                self._counts[room] = count
            else:
                self._counts.pop(room, None)

    async def members(self, room: str) -> int:
        return self._counts.get(room, 0)

    async def close(self) -> None:
        self._followed.clear()
