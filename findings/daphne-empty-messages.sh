#!/bin/sh
# An ASGI application that sends an empty message over a WebSocket, and another one behind it.
#
#   uvicorn 0.54.0, hypercorn 0.18.0   the client gets "", then "b"
#   daphne 4.2.3                       the client gets "b": the empty message is not sent, without a word
#
# ASGI's websocket.send lets text be "" (it must not be None if there are no bytes). Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q uvicorn==0.54.0 hypercorn==0.18.0 daphne==4.2.3 websockets==17.4 2>/dev/null
cat > "$here/empty.py" <<'PY'
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    for text in ("", "b"):
        await send({"type": "websocket.send", "text": text})
    await send({"type": "websocket.close"})
PY
cat > "$here/drive.py" <<'PY'
import socket
import subprocess
import sys
import time

from websockets.sync.client import connect

COMMANDS = {
    "uvicorn": ["uvicorn", "empty:app", "--port", "{port}", "--log-level", "critical"],
    "hypercorn": ["hypercorn", "--workers", "0", "empty:app", "--bind", "127.0.0.1:{port}"],
    "daphne": ["daphne", "--port", "{port}", "empty:app"],
}
got = {}
for name, command in COMMANDS.items():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    program = [sys.executable, "-m", *(part.format(port=port) for part in command)]
    server = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                with connect(f"ws://127.0.0.1:{port}/") as client:
                    got[name] = list(client)
                break
            except OSError:
                time.sleep(0.1)
    finally:
        server.terminate()
        server.wait()
print(got)
raise SystemExit(got != {"uvicorn": ["", "b"], "hypercorn": ["", "b"], "daphne": ["b"]})
PY
cd "$here" && PYTHONPATH="$here" "$here/venv/bin/python" drive.py
