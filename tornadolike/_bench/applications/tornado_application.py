"""The Tornado application of the built-in scenarios: real Tornado and tornadolike run this same file."""

import asyncio
import contextlib
import json
import os
import tempfile
from typing import Any

import tornado.httpclient
import tornado.web
import tornado.websocket

ITEMS = [{"id": number, "name": f"item {number}", "price": number * 1.25} for number in range(20)]
PAGE = """<!DOCTYPE html><html><head><title>{{ title }}</title></head><body>
<h1>{{ title }}</h1>{% module Greeting("reader") %}
<table>{% for item in items %}<tr class="{{ 'odd' if item['id'] % 2 else 'even' }}">
<td>{{ item["id"] }}</td><td>{{ item["name"] }}</td>
<td>{% if item["price"] > 10 %}<b>{{ item["price"] }}</b>{% else %}{{ item["price"] }}{% end %}</td>
</tr>{% end %}</table></body></html>
"""
STATIC = {"1k.bin": 1 << 10, "100k.bin": 100 << 10, "10m.bin": 10 << 20}


class Hello(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.write("Hello, world")


class SyncHello(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write("Hello, world")


class JSON(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.write({"message": "Hello, world", "items": [1, 2, 3], "ok": True})


class Arguments(tornado.web.RequestHandler):
    async def get(self, user: str, post: str) -> None:
        tags = ",".join(self.get_arguments("tag"))
        self.write(f"{user} {post} {self.get_argument('q')} {self.get_argument('page', '1')} {tags}")


class Headers(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.write(str(len(list(self.request.headers.get_all()))))


class Body(tornado.web.RequestHandler):
    async def post(self) -> None:
        self.write(self.request.body)


class Form(tornado.web.RequestHandler):
    async def post(self) -> None:
        self.write(f"{self.get_body_argument('name')} {self.get_body_argument('email')} {len(self.get_body_argument('text'))}")


class Login(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.set_signed_cookie("user", "somebody")
        self.write("in")


class Member(tornado.web.RequestHandler):
    async def get(self) -> None:
        user = self.get_signed_cookie("user")
        if user is None:
            raise tornado.web.HTTPError(403)
        self.write(b"Hello, " + user)


class Greeting(tornado.web.UIModule):
    def render(self, name: str) -> str:
        return f"<p>Hello, {name}</p>"


class Page(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.render("page.html", title="Items & more", items=ITEMS)


class Flushes(tornado.web.RequestHandler):
    async def get(self) -> None:
        for _ in range(50):
            self.write(b"x" * 100)
            await self.flush()


class Events(tornado.web.RequestHandler):
    """An event stream, with a turn of the loop between its events."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        for number in range(20):
            self.write(f"data: event {number}\n\n")
            await self.flush()
            await asyncio.sleep(0)


class Hooks(tornado.web.RequestHandler):
    """Every hook of a handler, and five headers."""

    def initialize(self, greeting: str) -> None:
        self.greeting = greeting

    def set_default_headers(self) -> None:
        for number in range(5):
            self.set_header(f"X-Header-{number}", "value")

    async def prepare(self) -> None:
        self.user = self.get_query_argument("user", "nobody")

    async def get(self) -> None:
        self.write(f"{self.greeting}, {self.user}")

    def on_finish(self) -> None:
        self.user = ""


class Protected(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.write(self.xsrf_token)

    def post(self) -> None:
        self.write(self.get_body_argument("name"))

    def prepare(self) -> None:
        if self.request.method == "POST":
            self.check_xsrf_cookie()


class Compressed(tornado.web.RequestHandler):
    """JSON of 70 KB, compressed as ``compress_response`` does it."""

    body = json.dumps([{"id": n, "name": f"item {n * 7919 % 1000}", "price": n * 1.25, "tags": ["a", "b"]} for n in range(1000)])

    async def get(self) -> None:
        self._transforms = [tornado.web.GZipContentEncoding(self.request)]
        self.set_header("Content-Type", "application/json")
        self.write(self.body)


class Files(tornado.web.RequestHandler):
    async def post(self) -> None:
        self.write(str(len(self.request.files["file"][0]["body"])))


class Size(tornado.web.RequestHandler):
    async def post(self) -> None:
        self.write(str(len(self.request.body)))


@tornado.web.stream_request_body
class Upload(tornado.web.RequestHandler):
    def prepare(self) -> None:
        self.received = 0
        self.request.connection.set_max_body_size(1 << 40)  # type: ignore[union-attr]  # there is a connection

    def data_received(self, chunk: bytes) -> None:
        self.received += len(chunk)

    async def put(self) -> None:
        self.write(str(self.received))


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


class DeflatedEcho(Echo):
    def get_compression_options(self) -> dict[str, int]:
        return {}


class Channel(tornado.websocket.WebSocketHandler):
    """A message from anyone goes to everyone."""

    members: "set[Channel]" = set()

    def open(self, *args: str, **kwargs: str) -> None:
        self.members.add(self)

    def on_close(self) -> None:
        self.members.discard(self)

    def on_message(self, message: str | bytes) -> None:
        for member in self.members:
            member.write_message(message)


class Fetches(tornado.web.RequestHandler):
    """Fetches a URL ``n`` times, 64 at a time: the client is what is measured."""

    async def get(self) -> None:
        url, left = self.get_argument("url"), int(self.get_argument("n"))
        client = tornado.httpclient.AsyncHTTPClient()

        async def fetch_some(count: int) -> int:
            good = 0
            for _ in range(count):
                response = await client.fetch(url)
                good += response.body == b"Hello, world"
            return good

        shares = [left // 64 + (number < left % 64) for number in range(64)]
        self.write(json.dumps(sum(await asyncio.gather(*map(fetch_some, shares)))))


def make_application(directory: str) -> tornado.web.Application:
    """With the static files and the template in ``directory``."""
    for name, size in STATIC.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write((bytes(range(256)) * (size // 256 + 1))[:size])
    with open(os.path.join(directory, "page.html"), "w", encoding="utf-8") as page:
        page.write(PAGE)
    routes: list[Any] = [
        (r"/hello", Hello),
        (r"/sync", SyncHello),
        (r"/json", JSON),
        (r"/users/([^/]+)/posts/(\d+)", Arguments),
        (r"/headers", Headers),
        (r"/body", Body),
        (r"/form", Form),
        (r"/login", Login),
        (r"/member", Member),
        (r"/page", Page),
        (r"/flushes", Flushes),
        (r"/events", Events),
        (r"/hooks", Hooks, {"greeting": "Hello"}),
        (r"/protected", Protected),
        (r"/compressed", Compressed),
        (r"/files", Files),
        (r"/size", Size),
        (r"/upload", Upload),
        (r"/echo", Echo),
        (r"/deflated", DeflatedEcho),
        (r"/channel", Channel),
        (r"/fetches", Fetches),
    ]
    return tornado.web.Application(
        routes,
        cookie_secret="a secret of the benchmark, not of anyone",
        static_path=directory,
        template_path=directory,
        ui_modules={"Greeting": Greeting},
    )


async def main() -> None:
    # Tornado knows no "keep_alive" and ignores it.
    tornado.httpclient.AsyncHTTPClient.configure(None, max_clients=64, defaults={"keep_alive": True})
    with tempfile.TemporaryDirectory() as directory:
        make_application(directory).listen(8888, "127.0.0.1")
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
