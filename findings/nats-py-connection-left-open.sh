#!/bin/sh
# A client whose connect() fails, since the server accepts and then says nothing for longer than connect_timeout, and which may not reconnect.
#
#   nats-py 2.16.0, allow_reconnect=False   TimeoutError; the connection is still open a second later
#   nats-py 2.16.0, allow_reconnect=True    NoServersError; the connection is closed
#
# Without reconnecting, the error is raised ahead of what closes the transport. Nobody but the garbage collector ends the connection then.
# Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cat > "$here/connect.py" <<'PY'
import asyncio
import sys

from nats.aio.client import Client


async def quiet(error):
    pass


async def main():
    left = asyncio.Event()

    async def silent(reader, writer):
        while await reader.read(1000):
            pass
        left.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    client = Client()
    try:
        await client.connect(
            f"nats://{host}:{port}", allow_reconnect=sys.argv[1] == "yes", max_reconnect_attempts=1, reconnect_time_wait=0.1,
            connect_timeout=1, error_cb=quiet,
        )
    except Exception as error:
        raised = type(error).__name__
    try:
        await asyncio.wait_for(left.wait(), 1)
        return f"{raised}, closed"
    except asyncio.TimeoutError:
        return f"{raised}, open"


print(asyncio.run(main()))
PY
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q nats-py==2.16.0 2>/dev/null
without=$("$here/venv/bin/python" "$here/connect.py" no 2>/dev/null)
with=$("$here/venv/bin/python" "$here/connect.py" yes 2>/dev/null)
echo "allow_reconnect=False: $without"
echo "allow_reconnect=True: $with"
[ "$without; $with" = "TimeoutError, open; NoServersError, closed" ]
