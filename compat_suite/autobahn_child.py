"""The two programs that Autobahn's suite examines: a server that echoes, and a client that does. Run by `compat_suite.autobahn`.

Written for Tornado; the alias decides what they run on.
"""

import asyncio
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


async def serve():
    """Print the port, then echo until the end of the process."""
    server = httpserver.HTTPServer(web.Application([("/", Echo)], websocket_max_message_size=_MAX_MESSAGE_BYTES))
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


if __name__ == "__main__":
    asyncio.run(examine(sys.argv[1]) if len(sys.argv) > 1 else serve())
