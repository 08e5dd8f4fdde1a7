"""Prices as an event stream: a page at /, the stream at /prices, and what is published at /publish (POST symbol=..., price=...).

tornadolike run live_ticker.py -- --broker=redis://127.0.0.1
"""

import asyncio

from tornado.options import define, options, parse_command_line
from tornado.web import Application, HTTPError, RequestHandler

import tornadolike.hub
from tornadolike.sse import EventStreamHandler

define("port", default=8888, help="TCP port to listen on")
define("broker", default="memory", help="memory, or redis://HOST")

PAGE = """<!DOCTYPE html>
<html lang=en>
<title>Prices</title>
<dl></dl>
<script>
const list = document.querySelector("dl");
new EventSource("/prices").onmessage = event => {
    const {symbol, price} = JSON.parse(event.data);
    list.insertAdjacentHTML("afterbegin", "<dt></dt><dd></dd>");
    list.children[0].textContent = symbol;
    list.children[1].textContent = price;
};
</script>
"""


class PricesHandler(EventStreamHandler):
    """Joins the room; each message becomes an event with its id, and who comes back gets what it missed."""

    def initialize(self, hub):
        self.hub = hub

    def prepare(self):
        self.hub.join("prices", self, last_id=self.last_event_id or None)

    def on_finish(self):
        self.hub.leave(self)

    def on_connection_close(self):
        super().on_connection_close()
        self.hub.leave(self)


class PublishHandler(RequestHandler):
    def initialize(self, hub):
        self.hub = hub

    async def post(self):
        try:
            price = float(self.get_body_argument("price"))
        except ValueError:
            raise HTTPError(400, reason="price is a number") from None
        news = {"symbol": self.get_body_argument("symbol"), "price": price}
        self.write({"id": await self.hub.publish("prices", news)})


class PageHandler(RequestHandler):
    def get(self):
        self.write(PAGE)


def make_app(hub):
    return Application(
        [(r"/", PageHandler), (r"/prices", PricesHandler, {"hub": hub}), (r"/publish", PublishHandler, {"hub": hub})],
    )


async def main():
    parse_command_line()
    broker = tornadolike.hub.RedisBroker(options.broker) if options.broker.startswith("redis") else tornadolike.hub.MemoryBroker()
    async with tornadolike.hub.Hub(broker) as hub:
        make_app(hub).listen(options.port)
        print(f"http://127.0.0.1:{options.port}/ answers", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
