"""News for everyone who waits: long polling.

    POST /news                 text=...   tells everyone
    GET  /news?after=3&wait=20            what came after number 3, at once or as soon as there is something; [] after 20 s

A client asks again with the last number that it has seen. It misses nothing in between, because the board keeps what was said.
"""

import asyncio
import datetime as dt

from tornado.locks import Condition
from tornado.options import define, options, parse_command_line
from tornado.web import Application, RequestHandler

define("port", default=8888, help="TCP port to listen on")

KEPT = 200
LONGEST_WAIT = 60

PAGE = """<!DOCTYPE html>
<html lang=en>
<meta name=viewport content="width=device-width">
<title>News</title>
<h1>News</h1>
<form><label>News <input name=text required autofocus autocomplete=off></label> <button>Tell everyone</button></form>
<ul></ul>
<script>
const list = document.querySelector("ul"), form = document.querySelector("form");
form.onsubmit = event => {
    event.preventDefault();
    fetch("/news", {method: "POST", body: new URLSearchParams(new FormData(form))});
    form.reset();
};
async function poll(after) {
    for (;;) {
        // no-store: two pages of one browser would wait for each other's answer to come into the cache
        const answer = await fetch(`/news?after=${after}`, {cache: "no-store"});
        for (const item of (await answer.json()).news) {
            after = item.number;
            list.appendChild(document.createElement("li")).textContent = item.text;
        }
    }
}
poll(0);
</script>
"""


class Board:
    """The latest pieces of news, numbered from 1."""

    def __init__(self):
        self._news = []
        self._last = 0
        self._changed = Condition()

    def tell(self, text):
        self._last += 1
        self._news = [*self._news, {"number": self._last, "text": text}][-KEPT:]
        self._changed.notify_all()

    def after(self, number):
        return [item for item in self._news if item["number"] > number]

    def change(self, seconds):
        """A future: true when something was told, false when the time is over."""
        return self._changed.wait(timeout=dt.timedelta(seconds=seconds))


class NewsHandler(RequestHandler):
    waiting = None

    def initialize(self, board):
        self.board = board

    async def get(self):
        after = int(self.get_argument("after", "0"))
        wait = min(float(self.get_argument("wait", "20")), LONGEST_WAIT)
        if not self.board.after(after):
            self.waiting = asyncio.ensure_future(self.board.change(wait))
            try:
                await self.waiting
            except asyncio.CancelledError:
                return  # the client has gone
        self.set_header("Cache-Control", "no-store")
        self.write({"news": self.board.after(after)})

    def on_connection_close(self):
        if self.waiting is not None:
            self.waiting.cancel()

    def post(self):
        self.board.tell(self.get_body_argument("text"))
        self.set_status(204)


class PageHandler(RequestHandler):
    def get(self):
        self.write(PAGE)


def make_app():
    return Application([(r"/", PageHandler), (r"/news", NewsHandler, {"board": Board()})])


async def main():
    parse_command_line()
    make_app().listen(options.port)
    print(f"http://127.0.0.1:{options.port}/ answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
