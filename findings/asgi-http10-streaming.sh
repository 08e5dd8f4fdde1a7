#!/bin/sh
# A streamed answer of unknown length, to a client that speaks HTTP/1.0. RFC 9112 §6.1: no Transfer-Encoding for such a client.
#
#   uvicorn 0.54.0 with httptools   transfer-encoding: chunked all the same; the client gets "3\r\none\r\n..." as the body
#   uvicorn 0.54.0 with h11         plain, ended by closing
#   hypercorn 0.18.0                plain, ended by closing
#   granian 2.8.9, daphne 4.2.3     plain, ended by closing, under a status line of HTTP/1.0
#
# So the parser that uvicorn finds installed decides what an HTTP/1.0 client (nginx by default, ab, old load balancers) reads. Python
# 3.11.7. Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q uvicorn==0.54.0 httptools hypercorn==0.18.0 granian==2.8.9 daphne==4.2.3 2>/dev/null
cat > "$here/streaming.py" <<'PY'
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})
PY
cat > "$here/drive.py" <<'PY'
import socket, subprocess, sys, time

UVICORN = ["uvicorn", "streaming:app", "--port", "{port}", "--log-level", "critical", "--http"]
COMMANDS = {
    "uvicorn httptools": [*UVICORN, "httptools"],
    "uvicorn h11": [*UVICORN, "h11"],
    "hypercorn": ["hypercorn", "streaming:app", "--bind", "127.0.0.1:{port}"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "--no-log", "streaming:app"],
    "daphne": ["daphne", "--port", "{port}", "streaming:app"],
}


def ask(port):
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
                got = b""
                while piece := client.recv(65536):
                    got += piece
            if got:
                return got
        except OSError:
            pass
        time.sleep(0.1)
    return b""


found = {}
for name, command in COMMANDS.items():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", *[word.format(port=port) for word in command]]
    server = subprocess.Popen(words, cwd=sys.argv[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        head, _, body = ask(port).partition(b"\r\n\r\n")
    finally:
        server.terminate()
        server.wait()
    found[name] = b"chunked" in head.lower(), body
    print(f"{name:18} {found[name]}")
expected = dict.fromkeys(COMMANDS, (False, b"onetwo")) | {"uvicorn httptools": (True, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")}
sys.exit(found != expected)
PY
"$here/venv/bin/python" "$here/drive.py" "$here"
