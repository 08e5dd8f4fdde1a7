"""The room server on python-socketio with its Redis manager, on Tornado. ``ROOMS_BROKER``, ``ROOMS_PORT``."""

import asyncio
import os
from urllib.parse import parse_qs

import socketio
import tornado.web

server = socketio.AsyncServer(async_mode="tornado", client_manager=socketio.AsyncRedisManager(os.environ["ROOMS_BROKER"]))
rooms = {}


@server.event
async def connect(sid, environ):
    rooms[sid] = parse_qs(environ["QUERY_STRING"])["room"][0]
    await server.enter_room(sid, rooms[sid])


@server.on("message")
async def on_message(sid, data):
    await server.emit("message", data, room=rooms[sid])


@server.event
async def disconnect(sid):
    rooms.pop(sid, None)


async def main():
    handler = socketio.get_tornado_handler(server)
    tornado.web.Application([(r"/socket.io/", handler)], log_function=lambda handler: None).listen(
        int(os.environ["ROOMS_PORT"]), "127.0.0.1", backlog=4096
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    if os.environ.get("ROOMS_LOOP") == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
