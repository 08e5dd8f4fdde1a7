#!/bin/sh
# uvloop 0.23.0 with asyncio's own eager task factory, on Python 3.13.0. A program that asks for eager tasks
# (loop.set_task_factory(asyncio.eager_task_factory), in the standard library since 3.12) cannot make a task any more: uvloop hands each task
# factory the keyword eager_start as soon as it runs on Python 3.13, whatever the caller has said, but the factory of 3.13.0 does not take it
# (later releases of 3.13 do). Not even asyncio.run's own clean-up gets through, since that needs a task as well. asyncio's loop passes on
# only what it was given, and works; so does uvloop on 3.12. Seen on Linux 6:
#     asyncio: 1
#     uvloop: TypeError eager_start
# A program has to wrap the factory, or to look at the release of Python before it chooses loop and factory.
set -eu
python=${PYTHON_3_13_0:-$HOME/.pyenv/versions/3.13.0/bin/python}
test "$("$python" -c 'import sys; print(*sys.version_info[:3], sep=".")')" = 3.13.0
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$python" -m venv "$directory/venv"
"$directory/venv/bin/pip" install -q uvloop==0.23.0
cat > "$directory/program.py" <<'PROGRAM'
import asyncio

import uvloop


async def one():
    return 1


async def observe():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    work = one()
    try:
        return str(await loop.create_task(work))
    except TypeError as error:
        return "TypeError eager_start" if "'eager_start'" in str(error) else str(error)
    finally:
        work.close()
        loop.set_task_factory(None)


for name, new_loop in ("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        print(f"{name}: {runner.run(observe())}")
PROGRAM
seen=$("$directory/venv/bin/python" "$directory/program.py")
echo "$seen"
test "$seen" = "asyncio: 1
uvloop: TypeError eager_start"
