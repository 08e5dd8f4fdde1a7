#!/bin/sh
# What a scope says of a request that names its target in full, `GET http://a/q HTTP/1.1`, which every server has to accept (RFC 9112
# §3.2.2) and clients send that take it for a proxy; and of small things that the ASGI specification fixes.
#
#                                  uvicorn 0.54.0        hypercorn 0.18.0   granian 2.8.9   daphne 4.2.3
#   path                           http://a/q            http://a/q         /q              http://a/q
#   path, with the root path /api  /apihttp://a/q        http://a/q         /q              http://a/q
#   port of client and server      a number              a number           text            a number
#   asgi["spec_version"]           2.3                   2.1                2.3             missing
#   state (lifespan)               yes                   yes                yes             no
#
# An application that routes by `path` answers 404 on three of four; one that does arithmetic with ports fails on the fourth. Python
# 3.11.7. Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q uvicorn==0.54.0 hypercorn==0.18.0 granian==2.8.9 daphne==4.2.3 2>/dev/null
cat > "$here/telling.py" <<'PY'
import json


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await receive()
    kinds = {type(scope[name][1]).__name__ for name in ("client", "server")}
    told = [scope["path"], *kinds, scope["asgi"].get("spec_version"), "state" in scope]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})
PY
cat > "$here/drive.py" <<'PY'
import json, re, socket, subprocess, sys, time

COMMANDS = {
    "uvicorn": ["uvicorn", "telling:app", "--port", "{port}", "--log-level", "critical", "--root-path", "{root}"],
    "hypercorn": ["hypercorn", "telling:app", "--bind", "127.0.0.1:{port}", "--root-path", "{root}"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "--no-log", "--url-path-prefix", "{root}", "telling:app"],
    "daphne": ["daphne", "--port", "{port}", "--root-path", "{root}", "telling:app"],
}
SEEN = {
    "uvicorn": ["http://a/q", "/apihttp://a/q", "int", "2.3", True],
    "hypercorn": ["http://a/q", "http://a/q", "int", "2.1", True],
    "granian": ["/q", "/q", "str", "2.3", True],
    "daphne": ["http://a/q", "http://a/q", "int", None, False],
}


def ask(port):
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(b"GET http://a/q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                got = b""
                while piece := client.recv(65536):
                    got += piece
            if got:
                return json.loads(re.search(rb"\[.*\]", got)[0])
        except OSError:
            pass
        time.sleep(0.1)
    return [""]


found = {}
for name, command in COMMANDS.items():
    answers = []
    for root in ("", "/api"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = [word.format(port=port, root=root) for word in command if root or word not in ("--root-path", "--url-path-prefix", "{root}")]
        server = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            answers.append(ask(port))
        finally:
            server.terminate()
            server.wait(20)
    found[name] = [answers[0][0], answers[1][0], *answers[0][1:]]
    print(f"{name:12}", found[name])
sys.exit(found != SEEN)
PY
cd "$here"
venv/bin/python drive.py
