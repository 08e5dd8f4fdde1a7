"""A chat over any number of processes and machines: rooms of a hub, a page for browsers at /, and who is where at /load.

    tornadolike run live_chat.py                                              one process
    tornadolike run live_chat.py -- --broker=redis://127.0.0.1 --port=8889    as many as there are ports, or machines

A browser whose connection broke says which message it saw last, and is sent what it missed.
"""

import asyncio
import json

from tornado.options import define, options, parse_command_line
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

import tornadolike.hub

define("port", default=8888, help="TCP port to listen on")
define("broker", default="memory", help="memory, redis://HOST, nats://HOST or postgresql://USER@HOST/DATABASE")

LONGEST_TEXT = 2000

PAGE = """<!DOCTYPE html>
<html lang=en>
<meta name=viewport content="width=device-width">
<title>Chat</title>
<h1>Chat</h1>
<form><label>Text <input name=text required autocomplete=off autofocus></label> <button>Say</button></form>
<ul></ul>
<script>
const form = document.querySelector("form"), list = document.querySelector("ul");
let socket, last = "";
function connect() {
    const scheme = location.protocol == "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/rooms/hall?last=${last}`);
    socket.onmessage = event => {
        const {id, text, lost} = JSON.parse(event.data);
        last = id || last;
        list.appendChild(document.createElement("li")).textContent = lost ? "(some messages are lost)" : text;
    };
    socket.onclose = () => setTimeout(connect, 500 + 1000 * Math.random());
}
connect();
form.onsubmit = event => { event.preventDefault(); socket.send(new FormData(form).get("text")); form.reset(); };
</script>
"""


class RoomHandler(WebSocketHandler):
    def initialize(self, hub):
        self.hub = hub

    async def open(self, room):
        self.room = room
        await self.hub.join(room, self, last_id=self.get_argument("last", "") or None)

    def on_message(self, message):
        if isinstance(message, str) and 0 < len(message) <= LONGEST_TEXT:
            self.hub.publish(self.room, message)
        else:
            self.close(4001, f"1 to {LONGEST_TEXT} characters")

    def on_hub_message(self, message):
        self.write_message(json.dumps({"id": message.id, "text": message.data}))

    def on_hub_gap(self, room):
        self.write_message('{"lost": true}')

    def on_close(self):
        self.hub.leave(self)


class LoadHandler(RequestHandler):
    def initialize(self, hub):
        self.hub = hub

    async def get(self, room):
        self.write({"room": room, "members": await self.hub.members(room)})


class PageHandler(RequestHandler):
    def get(self):
        self.write(PAGE)


def make_broker(url):
    kinds = {"redis": "RedisBroker", "rediss": "RedisBroker", "nats": "NATSBroker", "postgresql": "PostgresBroker"}
    scheme = url.partition(":")[0]
    return getattr(tornadolike.hub, kinds[scheme])(url) if scheme in kinds else tornadolike.hub.MemoryBroker()


def make_app(hub):
    return Application(
        [(r"/", PageHandler), (r"/rooms/(.+)", RoomHandler, {"hub": hub}), (r"/load/(.+)", LoadHandler, {"hub": hub})],
        websocket_ping_interval=30,
        websocket_max_message_size=65536,
        websocket_max_queued_bytes=1 << 20,
        websocket_overflow="close",  # who does not read is cut off, comes back, and gets what it missed
    )


async def main():
    parse_command_line()
    async with tornadolike.hub.Hub(make_broker(options.broker)) as hub:
        make_app(hub).listen(options.port)
        print(f"http://127.0.0.1:{options.port}/ answers", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
