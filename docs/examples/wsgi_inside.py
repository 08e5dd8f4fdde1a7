"""A WSGI application (Flask, Django, ... have one; here a small one by hand) beside handlers, on one port.

Requests that no handler takes go to WSGI. It blocks, so it gets threads of its own, and the event loop stays free for the rest.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

from tornado.options import define, options, parse_command_line
from tornado.web import Application, FallbackHandler, RequestHandler
from tornado.wsgi import WSGIContainer

define("port", default=8888, help="TCP port to listen on")


def guest_book(entries):
    """The WSGI application: GET shows the entries, POST adds one."""

    def application(environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            entries.extend(parse_qs(body.decode()).get("entry", []))
            start_response("303 See Other", [("Location", "/guests"), ("Content-Length", "0")])
            return [b""]
        if environ["PATH_INFO"] != "/guests":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"nothing here\n"]
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{entry}\n".encode() for entry in entries]

    return application


class TimeHandler(RequestHandler):
    """An ordinary handler; it answers also while WSGI's threads are busy."""

    async def get(self):
        self.write({"uptime": asyncio.get_running_loop().time() - self.settings["started"]})


def make_app(started):
    container = WSGIContainer(guest_book([]), executor=ThreadPoolExecutor(8))
    return Application([(r"/time", TimeHandler), (r".*", FallbackHandler, {"fallback": container})], started=started)


async def main():
    parse_command_line()
    make_app(asyncio.get_running_loop().time()).listen(options.port)
    print(f"http://127.0.0.1:{options.port}/guests answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
