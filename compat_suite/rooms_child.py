"""A process of the rooms' load: a server whose members get ``ID DATA``, and which publishes numbered messages into all rooms when told.

Lines on standard input: ``publish SECONDS RATE``, ``quit``. On standard output: the port; for each ``publish`` one JSON line with the
number of messages that were accepted in each room, those that failed, and CPU seconds.
"""

import asyncio
import json
import sys
import time
from typing import Any

from tornadolike.hub import BrokerDownError, Hub, MemoryBroker, NATSBroker, PostgresBroker, RedisBroker
from tornadolike.web import Application, RequestHandler
from tornadolike.websocket import WebSocketHandler

BROKERS = {"redis": RedisBroker, "nats": NATSBroker, "postgresql": PostgresBroker}
_latest: list[Any] = [None, ""]


class Member(WebSocketHandler):
    """``/ROOM?last=ID``"""

    hub: Hub

    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    def open(self, room: str) -> None:
        self.hub.join(room, self, last_id=self.get_argument("last", "") or None)

    def on_hub_message(self, message: Any) -> None:
        if _latest[0] is not message:
            _latest[:] = message, f"{message.id} {message.data}"
        self.write_message(_latest[1])

    def on_hub_gap(self, room: str) -> None:
        self.write_message("gap")

    def on_close(self) -> None:
        self.hub.leave(self)


class Plain(Member):
    """Is sent what was published, as it is."""

    on_hub_message = None  # type: ignore[assignment]


class Count(RequestHandler):
    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    async def get(self, room: str) -> None:
        self.write(str(await self.hub.members(room)))


async def publish(hub: Hub, name: str, rooms: int, seconds: float, rate: float) -> dict[str, Any]:
    """Number the messages of each room; a message that failed keeps its number, and nobody may get it later than the next."""
    accepted, failed, counts = 0, 0, [0] * rooms
    end, cpu = time.monotonic() + seconds, time.process_time()
    waiting: set[asyncio.Future[str]] = set()
    tick = time.monotonic()
    while tick < end:
        for room in range(rooms):
            counts[room] += 1
            waiting.add(hub.publish(str(room), f"{name} {counts[room]}"))
        tick += rooms / rate
        await asyncio.sleep(max(0.0, tick - time.monotonic()))
    for future in waiting:
        try:
            await future
            accepted += 1
        except BrokerDownError:
            failed += 1
    return {"counts": counts, "accepted": accepted, "failed": failed, "cpu": time.process_time() - cpu}


async def main(broker: str, name: str, rooms: int) -> None:
    kind = BROKERS.get(broker.partition(":")[0])
    made = MemoryBroker() if kind is None else kind(broker, history=20_000, when_down="queue", max_queued=1_000_000)
    async with Hub(made) as hub:
        routes = [(r"/plain/(.*)", Plain, {"hub": hub}), (r"/count/(.*)", Count, {"hub": hub}), (r"/(.*)", Member, {"hub": hub})]
        server = Application(routes).listen(0, "127.0.0.1", backlog=4096)
        print(next(iter(server._sockets.values())).getsockname()[1], flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while words := (await reader.readline()).decode().split():
            if words[0] == "quit":
                return
            if words[0] == "cpu":
                print(time.process_time(), flush=True)
                continue
            print(json.dumps(await publish(hub, name, rooms, float(words[1]), float(words[2]))), flush=True)


if __name__ == "__main__":
    if sys.argv[4] == "uvloop":
        import uvloop

        uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
