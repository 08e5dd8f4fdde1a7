#!/bin/sh
# Starlette's StreamingResponse hears that a client has left in one of two ways, and the server's spec_version decides which.
#
# Starlette 1.10.0: below spec_version 2.4 it listens to receive() while it streams, and cancels the generator when http.disconnect comes.
# From 2.4 on it does not listen: it expects send() to raise OSError. A stream that sends nothing (an idle event stream) therefore goes on
# for ever under 2.4 and later, though the server has said http.disconnect; under 2.3 it ends at once.
# So a server that announces 2.4 has to raise, and one that shuts down cannot end an idle stream by http.disconnect alone.
# Seen on Python 3.11.7. Exits with 1 if that changes.
set -eu
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install -q starlette==1.10.0 2>/dev/null
cat > "$here/drive.py" <<'PY'
import asyncio, sys
from starlette.responses import StreamingResponse


async def idle():
    yield b": hello\n\n"
    await asyncio.Event().wait()


async def ends(version):
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]

    async def receive():
        await asyncio.sleep(0)
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message):
        pass

    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": version}, "method": "GET", "path": "/", "headers": []}
    response = StreamingResponse(idle(), media_type="text/event-stream")
    try:
        await asyncio.wait_for(response(scope, receive, send), 1)
    except TimeoutError:
        return False
    return True


found = {version: asyncio.run(ends(version)) for version in ("2.3", "2.4", "2.5")}
print("ends at http.disconnect:", found)
sys.exit(found != {"2.3": True, "2.4": False, "2.5": False})
PY
"$here/venv/bin/python" "$here/drive.py"
