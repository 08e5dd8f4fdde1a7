#!/bin/sh
# What an ASGI application is told when a WebSocket client closes with code 3001 and the reason "bye": one clean close, four answers.
#
#   uvicorn 0.54.0    code 3001, reason "bye"
#   granian 2.8.9     code 3001, no reason
#   daphne 4.2.3      code 3001, no reason
#   hypercorn 0.18.0  code 1006, no reason: the code that means "no close frame came"
#
# Seen on Python 3.11.7, asyncio. The reason is an optional key since version 2.5 of the specification. A program that tells a clean
# close from a lost connection by the code works on three of them. Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q uvicorn==0.54.0 hypercorn==0.18.0 granian==2.8.9 daphne==4.2.3 websockets==17.4 2>/dev/null
cat > "$here/closing.py" <<'PY'
import os


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        pass
    with open(os.environ["TOLD"], "w") as told:
        told.write(f"{message.get('code')} {message.get('reason') or '-'}")
PY
cat > "$here/drive.py" <<'PY'
import asyncio, os, socket, subprocess, sys, time
import websockets

here, python = sys.argv[1], sys.executable
COMMANDS = {
    "uvicorn": ["closing:app", "--port", "{port}", "--ws", "websockets", "--log-level", "critical"],
    "hypercorn": ["closing:app", "--bind", "127.0.0.1:{port}"],
    "granian": ["--interface", "asgi", "--port", "{port}", "--no-log", "closing:app"],
    "daphne": ["--port", "{port}", "closing:app"],
}
EXPECTED = {"uvicorn": "3001 bye", "hypercorn": "1006 -", "granian": "3001 -", "daphne": "3001 -"}


async def close(port):
    for _ in range(200):
        try:
            client = await websockets.connect(f"ws://127.0.0.1:{port}/")
            break
        except OSError:
            await asyncio.sleep(0.1)
    await client.close(3001, "bye")


found = {}
for name, arguments in COMMANDS.items():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = os.path.join(here, name)
    command = [python, "-m", name, *[one.format(port=port) for one in arguments]]
    server = subprocess.Popen(command, cwd=here, env={**os.environ, "TOLD": told}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(close(port))
        for _ in range(100):
            if os.path.exists(told) and os.path.getsize(told):
                break
            time.sleep(0.1)
        with open(told) as file:
            found[name] = file.read()
    finally:
        server.terminate()
        server.wait()
    print(f"{name:10} {found[name]}")
sys.exit(found != EXPECTED)
PY
"$here/venv/bin/python" "$here/drive.py" "$here"
