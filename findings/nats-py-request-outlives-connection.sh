#!/bin/sh
# A request is under way when the server ends the connection in order; the client may not reconnect. The server is a stand-in that speaks the
# few lines of the protocol that this takes.
#
#   nats-py 2.16.0   the client knows at once (is_closed, closed_cb), a new request raises ConnectionClosedError at once;
#                    the one under way raises TimeoutError, and not before its own time-out of 2 s is over
#
# Who gives requests long time-outs has to watch for the end of the connection by himself. Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cat > "$here/request.py" <<'PY'
import asyncio
import json
import time

from nats.aio.client import Client


async def quiet(error):
    pass


async def serve(reader, writer):
    writer.write(b"INFO " + json.dumps({"server_id": "a", "version": "2.10.0", "proto": 1, "max_payload": 1000, "headers": True}).encode() + b"\r\n")
    while line := await reader.readline():
        if line == b"PING\r\n":
            writer.write(b"PONG\r\n")
        elif line.startswith((b"PUB", b"HPUB")):
            break
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    closed = asyncio.Event()

    async def on_close():
        closed.set()

    client = Client()
    await client.connect(f"nats://{host}:{port}", allow_reconnect=False, error_cb=quiet, closed_cb=on_close)
    began = time.monotonic()

    async def ask(timeout):
        try:
            await client.request("subject", b"?", timeout=timeout)
        except Exception as error:
            return type(error).__name__

    under_way = asyncio.ensure_future(ask(2))
    await closed.wait()
    knew = time.monotonic() - began < 1
    print(f"told within a second: {knew and client.is_closed}")
    print(f"a new request: {await ask(2)}, within a second: {time.monotonic() - began < 1}")
    print(f"the one under way: {await under_way}, within a second: {time.monotonic() - began < 1}")


asyncio.run(main())
PY
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q nats-py==2.16.0 2>/dev/null
"$here/venv/bin/python" "$here/request.py" 2>/dev/null > "$here/said"
cat "$here/said"
printf '%s\n' 'told within a second: True' 'a new request: ConnectionClosedError, within a second: True' \
    'the one under way: TimeoutError, within a second: False' | cmp -s - "$here/said"
