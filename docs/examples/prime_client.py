"""Asks `prime.py` about each of its arguments.

python prime_client.py 17 91 170141183460469231731687303715884105727
"""

import asyncio
import json

from tornado.options import define, options, parse_command_line
from tornado.websocket import websocket_connect

define("port", default=8888, help="where prime.py listens")


async def main():
    numbers = parse_command_line()
    connection = await websocket_connect(f"ws://127.0.0.1:{options.port}/prime")
    for number in numbers:
        await connection.write_message(number)
        message = await connection.read_message()
        if message is None:
            break
        answer = json.loads(message)
        print(answer.get("error") or f"{answer['number']} is {'' if answer['prime'] else 'not '}prime", flush=True)
    connection.close()


if __name__ == "__main__":
    asyncio.run(main())
