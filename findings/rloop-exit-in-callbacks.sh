#!/usr/bin/env bash
# rloop 0.5.0 does not let sys.exit() out of a callback or a task. Seen on 2026-11-28 with CPython 3.11.7 on Linux.
#
# On asyncio and on uvloop 0.23.0, SystemExit from either ends run_until_complete(), so that the process ends with its status; rloop prints
# "Exception in callback" (for a task only the traceback) and goes on: a program that ends itself from a timer never ends there. SystemExit that a
# signal handler raises does end all three. Exits with 1 if that has changed.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check rloop==0.5.0 uvloop==0.23.0
cd "$place"

cat >leave.py <<'PYTHON'
import asyncio, importlib, os, sys, threading

async def main(where):
    loop = asyncio.get_running_loop()
    async def leave():
        sys.exit(7)
    task = loop.create_task(leave()) if where == "task" else loop.call_soon(sys.exit, 7)
    await asyncio.sleep(0.5)
    sys.stdout.write("went on\n")
    sys.stdout.flush()
    os._exit(0)

name, where = sys.argv[1:]
maker = asyncio.new_event_loop if name == "asyncio" else importlib.import_module(name).new_event_loop
maker().run_until_complete(main(where))
PYTHON

seen=""
for loop in asyncio uvloop rloop; do
    for where in callback task; do
        status=0
        said=$(timeout 20 "$place/venv/bin/python" leave.py "$loop" "$where" 2>/dev/null) || status=$?
        seen="$seen$loop $where: ${said:-status $status}; "
    done
done
echo "$seen"
[ "$seen" = "asyncio callback: status 7; asyncio task: status 7; uvloop callback: status 7; uvloop task: status 7; rloop callback: went on; rloop task: went on; " ]
