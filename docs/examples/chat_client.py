"""Enters a room of `chat.py`: says what it reads from standard input, prints what it hears; ends with the input.

python chat_client.py --room=tea --who=Ann
"""

import asyncio
import json
import sys
from urllib.parse import quote

from tornado.options import define, options, parse_command_line
from tornado.websocket import websocket_connect

define("port", default=8888, help="where chat.py listens")
define("room", default="lobby", help="name of the room")
define("who", default="nobody", help="your name")


async def listen(connection):
    while (message := await connection.read_message()) is not None:
        news = json.loads(message)
        line = f"{news['who']}: {news['text']}" if news["kind"] == "said" else f"{news['who']} {news['kind']}"
        print(line, flush=True)
    if connection.close_reason:
        print(connection.close_reason, file=sys.stderr)


async def main():
    parse_command_line()
    connection = await websocket_connect(f"ws://127.0.0.1:{options.port}/rooms/{quote(options.room)}?as={quote(options.who)}")
    listening = asyncio.ensure_future(listen(connection))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await connection.write_message({"text": line.rstrip("\n")})
    connection.close()
    await listening


if __name__ == "__main__":
    asyncio.run(main())
