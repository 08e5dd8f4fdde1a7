"""``from tornado.web import *`` brings what it brings on Tornado: a program's own ``dt`` or ``Empty`` stays what it was."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
MODULES = [
    *("auth", "autoreload", "concurrent", "curl_httpclient", "escape", "gen", "http1connection", "httpclient", "httpserver", "httputil"),
    *("ioloop", "iostream", "locale", "locks", "log", "netutil", "options", "platform.asyncio", "platform.caresresolver"),
    *("platform.twisted", "process", "queues", "routing", "simple_httpclient", "tcpclient", "tcpserver", "template", "testing", "util"),
    *("web", "websocket", "wsgi"),
]
PROGRAM = """
import importlib, json, sys
brought = {}
for name in sys.argv[2:]:
    space = {}
    try:
        exec(f"from {sys.argv[1]}.{name} import *", space)
    except ImportError:  # what it needs is not installed
        continue
    brought[name] = sorted(set(space) - {"__builtins__"})
print(json.dumps(brought))
"""


def brought(package: str) -> dict[str, list[str]]:
    """By module, the names that a star brings out of ``package``, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
    environment |= {"PYTHONPATH": str(ROOT), "TORNADOLIKE_AS_TORNADO": "0"}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, package, *MODULES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    names: dict[str, list[str]] = json.loads(done.stdout)
    return names


def test_a_star_brings_what_it_brings_on_tornado() -> None:
    pytest.importorskip("tornado")
    if importlib.metadata.version("tornado") != tornadolike.version:
        pytest.skip("another Tornado")
    theirs, ours = brought("tornado"), brought("tornadolike")
    spelled = {"tornadolike": "tornado"}
    assert {name: sorted(spelled.get(each, each) for each in ours[name]) for name in ours} == theirs


def test_a_star_leaves_a_programs_own_names_alone() -> None:
    names = brought("tornadolike")
    assert {"dt", "tasks", "Empty", "logging"}.isdisjoint(names["web"])
    assert {"time", "latest", "done"}.isdisjoint(names["websocket"])
    assert {"RequestHandler", "asyncio", "datetime", "gzip", "urlencode"} <= set(names["web"])
