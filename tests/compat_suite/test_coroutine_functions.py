"""What is a coroutine function in Tornado is one here: programs give its result to `create_task`, `asyncio.run`, `iscoroutinefunction`."""

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

MODULES = [
    "auth",
    "autoreload",
    "concurrent",
    "escape",
    "gen",
    "http1connection",
    "httpclient",
    "httpserver",
    "httputil",
    "ioloop",
    "iostream",
    "locale",
    "locks",
    "log",
    "netutil",
    "options",
    "process",
    "queues",
    "routing",
    "simple_httpclient",
    "tcpclient",
    "tcpserver",
    "template",
    "testing",
    "util",
    "web",
    "websocket",
    "wsgi",
    "platform.asyncio",
]
# The same to whoever awaits or iterates over what comes back, and private or of a class that nobody derives from.
OTHERWISE = {"StaticFileHandler.get_content"}
# What they return is a coroutine, which is not their own: one the less for each connection.
MARKED = {"WebSocketHandler.get"}


def is_marked(function: Callable[..., Any]) -> bool:
    """What `inspect` looks at only since Python 3.12, and `asyncio` before."""
    return bool(asyncio.iscoroutinefunction(function))


def kind(function: Callable[..., Any]) -> str:
    if inspect.iscoroutinefunction(function) or (sys.version_info < (3, 12) and function.__qualname__ in MARKED and is_marked(function)):
        return "coroutine function"
    if inspect.isasyncgenfunction(function):
        return "asynchronous generator function"
    return "generator function" if inspect.isgeneratorfunction(function) else "function"


def functions(module: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value) and value.__module__ == module.__name__:
            yield from ((f"{name}.{entry}", getattr(value, entry)) for entry in vars(value) if not entry.startswith("_"))


@pytest.mark.parametrize("name", MODULES)
def test_kinds_of_functions(name: str) -> None:
    real = pytest.importorskip(f"tornado.{name}", reason="needs the real Tornado")
    if real.__name__ != f"tornado.{name}" or hasattr(importlib.import_module("tornado"), "__version__"):
        pytest.skip("`import tornado` is answered by tornadolike here")
    ours = importlib.import_module(f"tornadolike.{name}")
    other = {}
    for path, function in functions(real):
        own: Any = ours
        for step in path.split("."):
            own = getattr(own, step)
        if inspect.isfunction(function) and callable(own) and path not in OTHERWISE and kind(own) != kind(function):
            other[path] = kind(own)
    assert other == {}
