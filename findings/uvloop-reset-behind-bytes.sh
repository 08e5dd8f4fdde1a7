#!/bin/sh
# uvloop 0.23.0 (libuv 1.x), loop.add_reader: a peer sends two bytes and then resets the connection, and both have arrived by the time the
# loop looks. The reader callback reads once per call, as code for readiness usually does on asyncio.
#
# asyncio calls it twice: the first call gets the bytes, the second one ConnectionResetError. uvloop calls it once, with the bytes there to
# be read, and then never again, though the error is still pending; the descriptor is no longer watched, without any sign of it. (libuv
# reports a poll error and stops the handle; uvloop runs the callback for that report and closes the handle.) What is more, add_reader for
# the same descriptor raises RuntimeError from then on ("... the handler is closed"), until remove_reader has been called.
#
# So a reader on uvloop has to go on until EAGAIN, end or error. Seen with Python 3.11.7 on Linux 6:
#     asyncio: ['2 bytes', 'ConnectionResetError'] add_reader again: works
#     uvloop: ['2 bytes'] add_reader again: RuntimeError
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install -q uvloop==0.23.0
cat > "$directory/program.py" <<'PROGRAM'
import asyncio
import socket
import struct
import time

import uvloop


async def observe():
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setblocking(False)
    theirs.sendall(b"no")
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    time.sleep(0.1)
    seen = []

    def readable():
        try:
            seen.append(f"{len(ours.recv(100))} bytes")
        except OSError as error:
            seen.append(type(error).__name__)
            loop.remove_reader(ours)

    loop.add_reader(ours, readable)
    await asyncio.sleep(0.5)
    try:
        loop.add_reader(ours, readable)
        again = "works"
    except RuntimeError:
        again = "RuntimeError"
    loop.remove_reader(ours)
    ours.close()
    return seen, again


on_asyncio, on_uvloop = asyncio.run(observe()), uvloop.run(observe())
print("asyncio:", on_asyncio[0], "add_reader again:", on_asyncio[1])
print("uvloop:", on_uvloop[0], "add_reader again:", on_uvloop[1])
assert on_asyncio == (["2 bytes", "ConnectionResetError"], "works")
assert on_uvloop == (["2 bytes"], "RuntimeError")
PROGRAM
"$directory/venv/bin/python" "$directory/program.py"
