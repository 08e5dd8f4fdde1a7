"""The programs that Autobahn's suite examines: servers that echo, and a client that does. Run by `compat_suite.autobahn`.

Written for Tornado; the alias decides what they run on.
"""

import asyncio
import socket
import sys

from tornado import httpserver, netutil, web
from tornado.websocket import WebSocketClosedError, WebSocketHandler, websocket_connect

# The longest message of group 9 has 16 MiB.
_MAX_MESSAGE_BYTES = 1 << 25


class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {}

    def on_message(self, message):
        return self.write_message(message, isinstance(message, bytes))


async def asgi_echo(scope, receive, send):
    """An ASGI application that does the same."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def mounted():
    """The application above, inside one of ours."""
    from tornado import asgi

    options = {"websocket_max_message_size": _MAX_MESSAGE_BYTES, "websocket_compression_options": {}}
    return web.Application([asgi.Mount("/", asgi_echo, lifespan="off", **options)])


async def serve_by_uvicorn():
    """Our handler under a server of others; the WebSocket engine is that of the package websockets."""
    import uvicorn
    from tornado import asgi

    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    app = asgi.ASGIAdapter(application())
    config = uvicorn.Config(app, lifespan="off", log_config=None, ws_max_size=_MAX_MESSAGE_BYTES, ws_ping_interval=None)
    await uvicorn.Server(config).serve(sockets=[listening])


def application():
    return web.Application([("/", Echo)], websocket_max_message_size=_MAX_MESSAGE_BYTES)


async def serve(application):
    """Print the port, then echo until the end of the process."""
    server = httpserver.HTTPServer(application)
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def examine(url):
    """Go through all cases of the fuzzing server at ``url``."""
    answers = await websocket_connect(f"{url}/getCaseCount")
    count = int(await answers.read_message())
    for number in range(1, count + 1):
        await echo_all(f"{url}/runCase?case={number}&agent=examined")
    await echo_all(f"{url}/updateReports?agent=examined")


async def echo_all(url):
    connection = await websocket_connect(url, compression_options={}, max_message_size=_MAX_MESSAGE_BYTES)
    while (message := await connection.read_message()) is not None:
        try:
            await connection.write_message(message, isinstance(message, bytes))
        except WebSocketClosedError:
            break
    connection.close()


def main(chosen=""):
    if chosen == "uvicorn":
        return serve_by_uvicorn()
    if chosen in ("", "mounted"):
        return serve(mounted() if chosen else application())
    return examine(chosen)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
