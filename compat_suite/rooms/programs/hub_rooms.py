"""The room server on a hub: what comes from a member goes to all of its room. ``ROOMS_BROKER``, ``ROOMS_PORT``."""

import asyncio
import os

import uvloop

from tornadolike.hub import Hub, RedisBroker
from tornadolike.web import Application
from tornadolike.websocket import WebSocketHandler

hub = Hub(RedisBroker(os.environ["ROOMS_BROKER"]))


class Room(WebSocketHandler):
    def open(self, room):
        self.room = room
        hub.join(room, self)

    def on_message(self, message):
        hub.publish(self.room, message)

    def on_close(self):
        hub.leave(self)


async def main():
    async with hub:
        Application([(r"/(.*)", Room)], log_function=lambda handler: None).listen(int(os.environ["ROOMS_PORT"]), "127.0.0.1", backlog=4096)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
