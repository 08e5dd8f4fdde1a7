"""A process of the rooms' load: a server whose members get ``ID DATA``, and which publishes numbered messages into all rooms when told.

The argument is JSON: ``broker`` its URL, ``name``, ``rooms`` how many, ``loop``, ``host``, ``port``, ``overflow`` what becomes of a member
that does not read. Lines on standard input: ``publish RATE SIZE`` (the size of what the first room is told besides), and when it is enough
``stop``. On standard output: the port; for each
``publish`` one JSON line with the number of messages that were numbered in each room, those that were accepted, those that failed, and CPU
seconds. Under ``tornadolike run`` it only serves.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import time
from typing import Any

from tornadolike.hub import BrokerDownError, Hub, MemoryBroker, NATSBroker, PostgresBroker, RedisBroker
from tornadolike.web import Application, RequestHandler
from tornadolike.websocket import WebSocketHandler

BROKERS = {"redis": RedisBroker, "nats": NATSBroker, "postgresql": PostgresBroker}
_latest: list[Any] = [None, ""]
_QUEUED_BYTES, _SMALL_BUFFER = 65536, 8192


class Member(WebSocketHandler):
    """``/ROOM?last=ID``"""

    hub: Hub

    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    def open(self, room: str) -> None:
        self.hub.join(room, self, last_id=self.get_argument("last", "") or None)

    def on_hub_message(self, message: Any) -> Any:
        if _latest[0] is not message:
            _latest[:] = message, f"{message.id} {message.data}"
        return self.write_message(_latest[1])

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


async def publish(hub: Hub, name: str, rooms: int, rate: float, size: int, stopped: asyncio.Event) -> dict[str, Any]:
    """Number the messages of each room; a message that failed keeps its number, and nobody may get it later than the next."""
    accepted, failed, counts = 0, 0, [0] * rooms
    cpu = time.process_time()
    waiting: set[asyncio.Future[str]] = set()
    tick = time.monotonic()
    filler = " " + "x" * size if size else ""
    while not stopped.is_set():
        for room in range(rooms):
            counts[room] += 1
            waiting.add(hub.publish(str(room), f"{name} {counts[room]}{'' if room else filler}"))
        tick += rooms / rate
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, tick - time.monotonic())):
                await stopped.wait()
    for future in waiting:
        try:
            await future
            accepted += 1
        except BrokerDownError:
            failed += 1
    return {"counts": counts, "accepted": accepted, "failed": failed, "cpu": time.process_time() - cpu}


def listen(hub: Hub, options: dict[str, Any]) -> int:
    """Serve; the port."""
    routes = [(r"/plain/(.*)", Plain, {"hub": hub}), (r"/count/(.*)", Count, {"hub": hub}), (r"/(.*)", Member, {"hub": hub})]
    settings: dict[str, Any] = {}
    if options["overflow"]:
        settings = {"websocket_max_queued_bytes": _QUEUED_BYTES, "websocket_overflow": options["overflow"]}
    server = Application(routes, log_function=lambda handler: None, **settings).listen(
        options.get("port", 0), options["host"], backlog=4096
    )
    sock: socket.socket = next(iter(server._sockets.values()))
    if options["overflow"]:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL_BUFFER)  # else the kernel takes megabytes for who does not read
    port: int = sock.getsockname()[1]
    return port


def make_broker(options: dict[str, Any]) -> Any:
    kind = BROKERS.get(options["broker"].partition(":")[0])
    return MemoryBroker() if kind is None else kind(options["broker"], history=20_000, when_down="queue", max_queued=1_000_000)


async def main(options: dict[str, Any]) -> None:
    async with Hub(make_broker(options)) as hub:
        port = listen(hub, options)
        if os.environ.get("TORNADOLIKE_WORKER"):
            await asyncio.Event().wait()
        print(port, flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        stopped = asyncio.Event()
        while words := (await reader.readline()).decode().split():
            if words[0] == "stop":
                stopped.set()
            else:
                rate, size = float(words[1]), int(words[2])
                publishing = asyncio.create_task(publish(hub, options["name"], options["rooms"], rate, size, stopped))
                publishing.add_done_callback(lambda task: print(json.dumps(task.result()), flush=True))


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    logging.getLogger("tornado").setLevel(logging.ERROR)
    if given["loop"] == "uvloop" and not os.environ.get("TORNADOLIKE_WORKER"):
        import uvloop

        uvloop.run(main(given))
    else:
        asyncio.run(main(given))
