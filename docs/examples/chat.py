"""A chat with rooms: a page for browsers at /, a WebSocket for each room; `chat_client.py` talks to it from a terminal.

    /rooms/NAME?as=ANN      send {"text": ...}; receive {"kind": "said" | "came" | "went", "who": ..., "text": ...}

Who comes in first hears what was said last. A peer that does not read is thrown out, so that it fills no memory.
"""

import asyncio
import collections
import json

from tornado.options import define, options, parse_command_line
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

define("port", default=8888, help="TCP port to listen on")

REMEMBERED = 50
LONGEST_NAME = 30
LONGEST_TEXT = 2000

PAGE = """<!DOCTYPE html>
<html lang=en>
<meta name=viewport content="width=device-width">
<title>Chat</title>
<h1>Chat</h1>
<form id=enter>
  <label>Room <input name=room required autofocus></label> <label>Your name <input name=who required></label> <button>Enter</button>
</form>
<form id=say hidden><label>Text <input name=text required autocomplete=off></label> <button>Say</button></form>
<ul></ul>
<script>
const enter = document.querySelector("#enter"), say = document.querySelector("#say"), list = document.querySelector("ul");
let socket;
enter.onsubmit = event => {
    event.preventDefault();
    const {room, who} = Object.fromEntries(new FormData(enter));
    const scheme = location.protocol == "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/rooms/${encodeURIComponent(room)}?as=${encodeURIComponent(who)}`);
    const show = text => list.appendChild(document.createElement("li")).textContent = text;
    socket.onopen = () => { enter.hidden = true; say.hidden = false; say.elements.text.focus(); };
    socket.onmessage = event => {
        const {kind, who, text} = JSON.parse(event.data);
        show(kind == "said" ? `${who}: ${text}` : `${who} ${kind}`);
    };
    socket.onclose = event => { enter.hidden = false; say.hidden = true; show(`disconnected ${event.reason}`); };
};
say.onsubmit = event => {
    event.preventDefault();
    socket.send(JSON.stringify(Object.fromEntries(new FormData(say))));
    say.reset();
};
</script>
"""


class Room:
    def __init__(self):
        self.members = set()
        self.said = collections.deque(maxlen=REMEMBERED)

    def tell(self, **news):
        if news["kind"] == "said":
            self.said.append(news)
        for member in self.members:
            try:
                member.write_message(news)
            except WebSocketClosedError:
                pass  # it is about to leave


class Rooms(dict):
    """Rooms by name: a room begins with its first member and ends with its last."""

    def enter(self, name, member):
        room = self.setdefault(name, Room())
        room.members.add(member)
        return room

    def leave(self, name, member):
        room = self[name]
        room.members.discard(member)
        if not room.members:
            del self[name]
        return room


class RoomHandler(WebSocketHandler):
    room = None

    def initialize(self, rooms):
        self.rooms = rooms

    def open(self, name):
        self.name = name
        self.who = self.get_argument("as", "")
        if not 0 < len(self.who) <= LONGEST_NAME:
            self.close(4000, f"as=NAME, 1 to {LONGEST_NAME} characters")
            return
        self.room = self.rooms.enter(name, self)
        for news in self.room.said:
            self.write_message(news)
        self.room.tell(kind="came", who=self.who)

    def on_message(self, message):
        if self.room is None:
            return
        try:
            text = json.loads(message)["text"]
        except (ValueError, KeyError, TypeError):
            text = None
        if isinstance(text, str) and 0 < len(text) <= LONGEST_TEXT:
            self.room.tell(kind="said", who=self.who, text=text)
        else:
            self.close(4001, f'{{"text": 1 to {LONGEST_TEXT} characters}}')

    def on_close(self):
        if self.room is not None:
            self.rooms.leave(self.name, self).tell(kind="went", who=self.who)


class PageHandler(RequestHandler):
    def get(self):
        self.write(PAGE)


def make_app():
    return Application(
        [(r"/", PageHandler), (r"/rooms/([^/]+)", RoomHandler, {"rooms": Rooms()})],
        websocket_ping_interval=30,
        websocket_max_message_size=65536,
        websocket_max_queued_bytes=1 << 20,  # not in Tornado, which ignores it
    )


async def main():
    parse_command_line()
    make_app().listen(options.port)
    print(f"http://127.0.0.1:{options.port}/ answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
