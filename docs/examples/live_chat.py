"""A chat over any number of processes and machines: rooms of a hub, a page for browsers at /, and what all processes do at /load.

    tornadolike run live_chat.py                                            one process
    tornadolike run --workers 4 live_chat.py -- --broker=redis://127.0.0.1  four on one port; the same on other machines

A browser whose connection broke says which message it saw last, and is sent what it missed.
"""

import asyncio
import json
import os
import socket
import time

from tornado.options import define, options, parse_command_line
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

import tornadolike.hub
from tornadolike.sse import EventStreamHandler

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

LOAD_PAGE = """<!DOCTYPE html>
<html lang=en>
<meta name=viewport content="width=device-width">
<title>Load</title>
<style>
body { font: 16px sans-serif; margin: 2em }
table { border-collapse: collapse }
tr { border-bottom: 1px solid #ddd }
th, td { text-align: right; padding: .3em 1em; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
polyline { fill: none; stroke: #36c; stroke-width: 1.5 }
</style>
<h1>Load</h1>
<table>
<thead><tr><th>process<th>rooms<th>members<th>published/s<th>delivered/s<th>waiting<th>delivered, last minute</thead>
<tbody></tbody>
</table>
<script>
const body = document.querySelector("tbody"), all = new Map();
const columns = ["rooms", "members", "published", "delivered", "waiting"];
function show(name, figures, row, history) {
    row.cells[0].textContent = name;
    columns.forEach((column, at) => row.cells[at + 1].textContent = Math.round(figures[column]).toLocaleString());
    history.push(figures.delivered);
    if (history.length > 60) history.shift();
    const most = Math.max(...history, 1);
    const points = history.map((value, at) => `${at * 4},${39 - 38 * value / most}`).join(" ");
    row.cells[6].innerHTML = `<svg width=240 height=40><polyline points="${points}"/></svg>`;
}
function row() {
    const made = body.insertRow();
    for (let cell = 0; cell < 7; cell++) made.insertCell();
    return made;
}
const total = {row: row(), history: []};
new EventSource("/load").onmessage = event => {
    const figures = JSON.parse(event.data), known = all.get(figures.name) || {row: row(), history: []};
    all.set(figures.name, {...known, figures, seen: Date.now()});
    show(figures.name, figures, known.row, known.history);
};
setInterval(() => {
    const sum = Object.fromEntries(columns.map(column => [column, 0]));
    for (const [name, {figures, row, seen}] of all) {
        if (Date.now() - seen > 5000) { row.remove(); all.delete(name); continue; }
        columns.forEach(column => sum[column] += figures[column]);
    }
    show("all", sum, total.row, total.history);
}, 1000);
</script>
"""


class RoomHandler(WebSocketHandler):
    def initialize(self, hub):
        self.hub = hub

    async def open(self, name):
        self.room = room = f"room {name}"
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

    async def get(self, name):
        self.write({"room": name, "members": await self.hub.members(f"room {name}")})


class LoadPageHandler(EventStreamHandler):
    """A page; and to the page, which asks for it as EventSource does, what all processes report."""

    def initialize(self, hub):
        self.hub = hub

    def prepare(self):
        if "text/event-stream" in self.request.headers.get("Accept", ""):
            self.hub.join("load", self)
        else:
            self.finish(LOAD_PAGE)

    def on_finish(self):
        self.hub.leave(self)

    def on_connection_close(self):
        super().on_connection_close()
        self.hub.leave(self)


async def report_load(hub):
    """Once a second, as long as somebody looks at it on any process: what this process does."""
    name = f"{socket.gethostname()} {os.getpid()}"
    while True:
        before, began = hub.statistics(), time.monotonic()
        await asyncio.sleep(1)
        now, seconds = hub.statistics(), time.monotonic() - began
        rates = {what: (getattr(now, what) - getattr(before, what)) / seconds for what in ("published", "delivered")}
        try:
            if await hub.members("load"):
                hub.publish("load", {"name": name, "rooms": now.rooms, "members": now.members, "waiting": now.waiting, **rates})
        except tornadolike.hub.BrokerDownError:
            pass  # the log says it


class PageHandler(RequestHandler):
    def get(self):
        self.write(PAGE)


def make_broker(url):
    kinds = {"redis": "RedisBroker", "rediss": "RedisBroker", "nats": "NATSBroker", "postgresql": "PostgresBroker"}
    scheme = url.partition(":")[0]
    return getattr(tornadolike.hub, kinds[scheme])(url) if scheme in kinds else tornadolike.hub.MemoryBroker()


def make_app(hub):
    return Application(
        [
            (r"/", PageHandler),
            (r"/rooms/(.+)", RoomHandler, {"hub": hub}),
            (r"/load", LoadPageHandler, {"hub": hub}),
            (r"/load/(.+)", LoadHandler, {"hub": hub}),
        ],
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
        await report_load(hub)


if __name__ == "__main__":
    asyncio.run(main())
