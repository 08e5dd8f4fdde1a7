"""Where `import tornado` is served, each import brings the modules that it brings on Tornado, in Tornado's order.

Programs depend on it without knowing: a hook on one module expects another to be there, a module that patches at its import has to come
behind what it patches, and a package that is half imported, in a circle, has what Tornado's would have by then.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
MODULES = (
    *("util", "escape", "log", "options", "locale", "httputil", "template", "concurrent", "ioloop", "gen", "locks", "queues"),
    *("netutil", "iostream", "process", "tcpserver", "tcpclient", "http1connection", "httpserver", "httpclient", "simple_httpclient"),
    *("curl_httpclient", "routing", "wsgi", "web", "websocket", "auth", "autoreload", "testing"),
    *("platform", "platform.asyncio", "platform.twisted", "platform.caresresolver"),
)
TOGETHER = (
    "web websocket",
    "ioloop web",
    "websocket web",
    "httpserver httpclient",
    "httputil httpserver",
    "wsgi web",
    "options log web",
    "gen locks queues iostream",
    "testing websocket",
    "web ioloop websocket httpclient",
    "template locale",
)
# Each import in a fork of a process that has Python's own modules: half a minute less than a process for each.
_CHILD = """
import asyncio, concurrent.futures, dataclasses, email.utils, http.client, http.cookies, inspect, json, os, ssl, subprocess, sys, unittest
if sys.argv[1] == "alias":
    from tornadolike import _alias
    _alias.install()
before = set(sys.modules)
for case in sys.argv[2:]:
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            for name in case.split():
                __import__(f"tornado.{name}")
            found = [name for name in sys.modules if name.startswith("tornado.")]
        except ModuleNotFoundError as error:
            found = str(error)
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        print(json.dumps([case, json.load(answer)]))
    os.wait()
"""

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("tornado") is None, reason="is compared with Tornado, which is not installed"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"),
]


def brought(*cases: str, side: str) -> dict[str, list[str]]:
    """The public modules that ``sys.modules`` has in the end, in its order, which is that in which they were completed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
    if side == "alias":
        environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-W", "ignore", "-c", _CHILD, side, *cases]
    done = subprocess.run(command, env=environment, cwd=ROOT.parent, capture_output=True, text=True, timeout=120, check=True)
    answers = (json.loads(line) for line in done.stdout.splitlines())
    return {case: [name for name in found if is_public(name)] if isinstance(found, list) else [found] for case, found in answers}


def is_public(name: str) -> bool:
    # Written in C, and optional in Tornado.
    return name != "tornado.speedups" and not any(part.startswith("_") for part in name.split("."))


@functools.cache
def all_of(side: str) -> dict[str, list[str]]:
    return brought(*MODULES, *TOGETHER, side=side)


@pytest.mark.parametrize("case", [*MODULES, *TOGETHER])
def test_modules_come_as_on_tornado(case: str) -> None:
    assert all_of("alias")[case] == all_of("tornado")[case]


def test_what_all_modules_take_from_the_package_has_one_name() -> None:
    """A second one costs a search, and shows in ``sys.modules``."""
    code = "import sys; from tornadolike import _alias; _alias.install(); import tornado.websocket, tornado.httpclient; print(*sys.modules)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True)
    private = [name for name in done.stdout.split() if name.startswith("tornado._")]
    assert set(private) <= {"tornado._web", "tornado._locale_data"}
