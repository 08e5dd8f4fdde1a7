"""Does the works that it is asked for, in a process of its own.

Run as a file, ``python -P works/__main__.py PACKAGE LOOP``, so that nothing else of tornadolike is in the process that measures Tornado
(and nothing here in the place of Python's own modules). It prints the names of all works as one line of JSON; then, for each line
``NAME COUNT`` on its input, the CPU seconds of so many.
"""

import asyncio
import importlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

_PACKAGE = "tornadolike._bench.works"
_FILES = (
    "registry",  # which the others import
    "escape",
    "httputil",
    "template",
    "locale",
    "options",
    "log",
    "util",
    "routing",
    "web",
    "netutil",
    "concurrent",
    "gen",
    "ioloop",
    "queues",
    "locks",
    "iostream",
    "tcpserver",
    "httpclient",
    "httpserver",
    "websocket",
    "testing",
)


def load() -> Any:
    """Load all works, and return the table. By their paths, under their names: the packages above them are not imported."""
    for name in _FILES:
        full_name = f"{_PACKAGE}.{name}"
        if full_name not in sys.modules:
            spec = importlib.util.spec_from_file_location(full_name, Path(__file__).with_name(f"{name}.py"))
            assert spec is not None
            assert spec.loader is not None
            sys.modules[full_name] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
    return sys.modules[f"{_PACKAGE}.registry"].WORKS


def main() -> None:
    """Answer on standard output to what is asked on standard input."""
    works = load()
    package, loop_name = sys.argv[1:3]
    loop = importlib.import_module("uvloop").new_event_loop() if loop_name == "uvloop" else asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    made: dict[str, Any] = {}
    print(json.dumps(list(works)), flush=True)  # noqa: T201 - the protocol with the parent
    for line in sys.stdin:
        name, count = json.loads(line)
        if name not in made:
            module, make = works[name]
            made[name] = make(importlib.import_module(f"{package}.{module}"))
        begun = time.process_time()
        result = made[name](count)
        if hasattr(result, "__await__"):
            loop.run_until_complete(result)
        print(time.process_time() - begun, flush=True)  # noqa: T201 - the protocol with the parent
        asyncio.set_event_loop(loop)


if __name__ == "__main__":
    main()
