"""An ASGI application (FastAPI, Starlette, Django, ... are such; here a small one by hand) beside handlers, on one port.

It counts visitors, with a lifespan that opens and closes its counter, and echoes over WebSocket. Needs tornadolike: Tornado has no
`tornado.asgi`.
"""

import asyncio
import json

from tornado.asgi import Mount
from tornado.options import define, options, parse_command_line
from tornado.web import Application, RequestHandler

define("port", default=8888, help="TCP port to listen on")


async def live(scope, receive, send):
    """The lifespan: what is put into the state, every request sees."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            scope["state"]["visits"] = []
            await send({"type": "lifespan.startup.complete"})
        else:
            print(f"{len(scope['state']['visits'])} visits", flush=True)
            await send({"type": "lifespan.shutdown.complete"})
            return


async def answer(scope, receive, send):
    """One HTTP request."""
    scope["state"]["visits"].append(scope["path"])
    body = json.dumps({"path": scope["path"], "visits": len(scope["state"]["visits"])}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send):
    """One WebSocket."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def counter(scope, receive, send):
    """The ASGI application."""
    await {"lifespan": live, "http": answer, "websocket": echo}[scope["type"]](scope, receive, send)


class HomeHandler(RequestHandler):
    def get(self):
        self.write("a handler\n")


async def main():
    parse_command_line()
    Application([(r"/", HomeHandler), Mount("/counter", counter)]).listen(options.port)
    print(f"http://127.0.0.1:{options.port}/counter answers", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
