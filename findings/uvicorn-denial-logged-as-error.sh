#!/bin/sh
# An ASGI application that refuses a WebSocket with a response of its own (websocket.http.response.start and .body, complete), and returns.
#
#   uvicorn 0.54.0 --ws websockets-sansio (what --ws auto takes)   the client gets the 401, and the log an ERROR:
#                                                                  "ASGI callable returned without completing handshake."
#   uvicorn 0.54.0 --ws websockets, --ws wsproto                   the client gets the 401
#
# The application has done what the extension asks of it. Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q uvicorn==0.54.0 websockets==17.4 wsproto==1.3.2 2>/dev/null
cat > "$here/deny.py" <<'PY'
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-length", b"2")]})
    await send({"type": "websocket.http.response.body", "body": b"no"})
PY
cat > "$here/drive.py" <<'PY'
import socket
import subprocess
import sys
import time

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

got = {}
for engine in ("auto", "websockets-sansio", "websockets", "wsproto"):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    program = [sys.executable, "-m", "uvicorn", "deny:app", "--port", str(port), "--ws", engine]
    server = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    status = None
    for _ in range(200):
        try:
            connect(f"ws://127.0.0.1:{port}/")
        except InvalidStatus as refusal:
            status = refusal.response.status_code
            break
        except OSError:
            time.sleep(0.1)
    server.terminate()
    got[engine] = status, "without completing handshake" in server.communicate()[0]
print(got)
said, silent = (401, True), (401, False)
raise SystemExit(got != {"auto": said, "websockets-sansio": said, "websockets": silent, "wsproto": silent})
PY
cd "$here" && PYTHONPATH="$here" "$here/venv/bin/python" drive.py
