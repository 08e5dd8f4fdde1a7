"""The room server within one process: a loop over a set. ``ROOMS_PORT``."""

import asyncio
import os
from collections import defaultdict

import uvloop

from tornadolike.web import Application
from tornadolike.websocket import WebSocketHandler

rooms = defaultdict(set)


class Room(WebSocketHandler):
    def open(self, room):
        self.members = rooms[room]
        self.members.add(self)

    def on_message(self, message):
        for member in self.members:
            member.write_message(message)

    def on_close(self):
        self.members.discard(self)


async def main():
    Application([(r"/(.*)", Room)], log_function=lambda handler: None).listen(int(os.environ["ROOMS_PORT"]), "127.0.0.1", backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
