"""HTTP engines by name: "h11", "httptools", or "auto" for the fastest that is installed."""

import os

from tornadolike._http1.engine import HeadParser

_MODULES = {"httptools": "httptools", "h11": "h11"}
_default: str | None = None
# What `chosen` says. Found out once: every new connection asks, and a look into the environment costs 2 µs.
_chosen: str | None = None


class UnknownEngine(ValueError):
    """No engine of this name, or its package is not installed; the message says what there is."""


def names() -> list[str]:
    """The engines that can be used here, fastest first."""
    from importlib.util import find_spec

    return [name for name, module in _MODULES.items() if find_spec(module) is not None]


def set_default(name: str | None) -> None:
    """Make ``name`` the engine of all connections that are made from now on; None: TORNADOLIKE_HTTP, else "auto"."""
    global _default, _chosen
    if name is not None:
        resolve(name)
    _default = name
    _chosen = None


def resolve(name: str | None = None) -> str:
    """The name of the engine that a new connection uses. Raises `UnknownEngine`."""
    name = name or chosen()
    available = names()
    if name == "auto":
        return available[0]
    if name in available:
        return name
    where = "TORNADOLIKE_HTTP: " if _default is None and name == os.environ.get("TORNADOLIKE_HTTP") else ""
    choice = f"available: auto, {', '.join(available)}"
    if name in _MODULES:
        raise UnknownEngine(f"{where}HTTP engine {name!r} is not installed ({choice}); install it with: pip install {name}")
    raise UnknownEngine(f"{where}unknown HTTP engine {name!r} ({choice})")


def chosen() -> str:
    """What new connections are to use, as it was asked for: a name or "auto"."""
    global _chosen
    if _chosen is None:
        _chosen = _default or os.environ.get("TORNADOLIKE_HTTP") or "auto"
    return _chosen


def parser(name: str | None = None) -> HeadParser:
    """A new parser, for use in one thread. Raises `UnknownEngine`."""
    return _make(resolve(name))


def _make(name: str) -> HeadParser:
    if name == "httptools":
        from tornadolike._http1.httptools_engine import HttptoolsHeadParser

        return HttptoolsHeadParser()
    from tornadolike._http1.h11_engine import H11HeadParser

    return H11HeadParser()
