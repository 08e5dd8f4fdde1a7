"""Sends each line of its standard input to `echo_server.py` and prints what comes back."""

import asyncio
import sys

from tornado.options import define, options, parse_command_line
from tornado.tcpclient import TCPClient

define("host", default="127.0.0.1", help="where the server is")
define("port", default=8888, help="its TCP port")


async def main():
    parse_command_line()
    stream = await TCPClient().connect(options.host, options.port, timeout=5)
    for line in sys.stdin:
        await stream.write(line.encode())
        print((await stream.read_until(b"\n")).decode(), end="", flush=True)
    stream.close()


if __name__ == "__main__":
    asyncio.run(main())
