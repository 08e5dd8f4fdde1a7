#!/bin/sh
# A consumer that waits on the channel layer for Redis, with the newest redis-py that the layer's requirement (redis>=4.6) lets in.
#
#   channels-redis 4.3.0, redis 8.1.0   receive() ends after 5 s with redis.exceptions.TimeoutError
#   channels-redis 4.3.0, redis 6.4.0   receive() waits, as it is meant to
#
# The layer asks the server to wait for 5 s (BZPOPMIN ... 5); redis-py 8 has a socket_timeout of 5 s where there was none, and the
# client's end comes first. Under Channels the exception ends the ASGI application, so that each WebSocket which is idle for 5 s is
# closed. No load and nothing unusual is needed. Needs redis-server (taken from Debian's package where there is none). Exits with 1 if
# that changes.
set -eu
here=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$here"' EXIT
server=
if ! command -v redis-server >/dev/null; then
    (cd "$here" && apt-get -qq download redis-server redis-tools && for package in *.deb; do dpkg -x "$package" .; done)
    PATH="$here/usr/bin:$PATH"
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$port" --save '' --bind 127.0.0.1 >/dev/null &
server=$!
cat > "$here/wait.py" <<'PY'
import asyncio
import sys
import time

import redis
from channels_redis.core import RedisChannelLayer


async def main():
    for _ in range(200):
        layer = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{sys.argv[1]}/0"])
        try:
            channel = await layer.new_channel()
            started = time.monotonic()
            await asyncio.wait_for(layer.receive(channel), 8)
        except redis.exceptions.TimeoutError as error:
            return f"redis.exceptions.TimeoutError after {time.monotonic() - started:.0f} s"
        except redis.exceptions.ConnectionError:
            await asyncio.sleep(0.05)
        except asyncio.TimeoutError:
            return "waits"


print(asyncio.run(main()))
PY
seen=
for version in 8.1.0 6.4.0; do
    python3 -m venv "$here/$version"
    "$here/$version/bin/pip" install -q channels-redis==4.3.0 "redis==$version" 2>/dev/null
    found=$("$here/$version/bin/python" "$here/wait.py" "$port")
    echo "redis $version: $found"
    seen="$seen$found;"
done
[ "$seen" = "redis.exceptions.TimeoutError after 5 s;waits;" ]
