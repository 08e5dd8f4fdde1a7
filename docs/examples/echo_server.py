"""A TCP server that sends every line back; `echo_client.py` talks to it."""

import asyncio

from tornado.iostream import StreamClosedError
from tornado.options import define, options, parse_command_line
from tornado.tcpserver import TCPServer

define("port", default=8888, help="TCP port to listen on")

LONGEST_LINE = 65536


class EchoServer(TCPServer):
    async def handle_stream(self, stream, address):
        lines = 0
        try:
            while True:
                line = await stream.read_until(b"\n", max_bytes=LONGEST_LINE)
                await stream.write(line)
                lines += 1
        except StreamClosedError as closed:
            # That is how the loop ends; a line that was too long, or a connection that broke, is the real error behind it.
            print(f"{lines} lines, then {closed.real_error or 'the end'}", flush=True)


async def main():
    parse_command_line()
    EchoServer().listen(options.port)
    print(f"127.0.0.1:{options.port} echoes", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
