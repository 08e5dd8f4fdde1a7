#!/bin/sh
# uvloop 0.23.0: the object that transport.get_extra_info("socket") returns has a shutdown() which raises TypeError, not OSError
# ("transport sockets do not support shutdown() method"). asyncio's stand-in has one that works: the other end sees the end of the stream.
#
# Programs that end connections with `sock.shutdown(SHUT_RDWR)` inside `except OSError`, as Dask's distributed does for its comms, pass
# all their tests on asyncio and fail in their clean-up on uvloop as soon as their connections are on transports. Seen with Python 3.11.7:
#     asyncio: shutdown works, the peer reads b''
#     uvloop: TypeError
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install -q uvloop==0.23.0
cat > "$directory/program.py" <<'PROGRAM'
import asyncio
import socket

import uvloop


async def observe():
    server = await asyncio.start_server(lambda reader, writer: kept.append((reader, writer)), "127.0.0.1", 0)
    kept = []
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    while not kept:
        await asyncio.sleep(0.01)
    try:
        writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        seen = repr(await asyncio.wait_for(kept[0][0].read(), 5))
    except Exception as error:
        seen = type(error).__name__
    writer.close()
    kept[0][1].close()
    server.close()
    return seen


on_asyncio, on_uvloop = asyncio.run(observe()), uvloop.run(observe())
print("asyncio: shutdown works, the peer reads", on_asyncio)
print("uvloop:", on_uvloop)
assert on_asyncio == "b''"
assert on_uvloop == "TypeError"
PROGRAM
"$directory/venv/bin/python" "$directory/program.py"
