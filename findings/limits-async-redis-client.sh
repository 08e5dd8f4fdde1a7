#!/usr/bin/env bash
# limits 5.8.0 with the storage "async+redis://" does not use redis-py, though "redis://" does and redis-py has its asyncio client in the same
# package: it asks for coredis, and raises ConfigurationError where only redis is installed. implementation="redispy" is the way.
# Seen on 2026-11-28 with CPython 3.11.7 and redis 8.1.0; no server is needed. Exits with 1 if that has changed.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check limits==5.8.0 redis==8.1.0

seen=$("$place/venv/bin/python" - <<'PYTHON'
from limits.errors import ConfigurationError
from limits.storage import storage_from_string
print("redis://", type(storage_from_string("redis://127.0.0.1:1").storage).__module__.partition(".")[0])
try:
    storage_from_string("async+redis://127.0.0.1:1")
except ConfigurationError as error:
    print("async+redis://", "coredis" in str(error))
print("redispy", type(storage_from_string("async+redis://127.0.0.1:1", implementation="redispy").bridge.storage).__module__)
PYTHON
)
echo "$seen"
[ "$seen" = "redis:// redis
async+redis:// True
redispy redis.asyncio.client" ]
