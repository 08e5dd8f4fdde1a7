"""Event loops by name, made without touching the loop policy.

``asyncio`` is always there. The others are packages which offer ``new_event_loop()`` and are looked for only when named.
"""

import asyncio
import functools
import importlib
import os
import sys
from collections.abc import Callable
from weakref import WeakSet

ENVIRONMENT_VARIABLE = "TORNADOLIKE_LOOP"
BUILT_IN = "asyncio"
PACKAGES = ("uvloop", "winloop", "rloop", "zuvloop")
# Those that run no signal handler before something else happens.
_SLEEPING = ("zuvloop",)
sleeping: "WeakSet[asyncio.AbstractEventLoop]" = WeakSet()
"""The loops of that kind that were made here."""

# asyncio's accessor that answers None instead of raising (it is in asyncio.events.__all__): the cheapest way to ask.
running_event_loop = asyncio._get_running_loop

_default: str | None = None
# What was said to the user, and whom to tell if another loop runs.
_announced: tuple[str, Callable[[str], None]] | None = None


class UnknownLoop(ValueError):
    """The named event loop does not exist or is not installed. The message says what is available and how to get it."""


def names() -> list[str]:
    """The event loops that can be made here: ``asyncio`` first, then the installed packages."""
    from importlib.util import find_spec

    return [BUILT_IN, *filter(find_spec, PACKAGES)]


def set_default(name: str | None) -> None:
    """Choose the loop that ``new_event_loop()`` makes from now on; ``None`` gives the choice back to the environment.

    Raises `UnknownLoop` at once where ``name`` cannot be made.
    """
    global _default
    if name is not None:
        _maker(name)
    _default = name


def new_event_loop(name: str | None = None) -> asyncio.AbstractEventLoop:
    """A new event loop, which the caller has to close.

    ``name`` is one of `names`. By default it is what `set_default` chose, else the environment's ``TORNADOLIKE_LOOP``,
    else ``asyncio``, which means asyncio's own choice: an application that installed a loop policy gets that policy's loop.
    Raises `UnknownLoop`.
    """
    name = name or _chosen()
    loop = _maker(name)()
    if name in _SLEEPING:
        sleeping.add(loop)
    return loop


def is_to_be_woken() -> bool:
    """Whether the loop that is made by default runs no signal handler before something else happens."""
    return _chosen() in _SLEEPING


def _chosen() -> str:
    return _default or os.environ.get(ENVIRONMENT_VARIABLE) or BUILT_IN


def check_environment() -> None:
    """Raise `UnknownLoop` if ``TORNADOLIKE_LOOP`` names a loop that cannot be had; nothing is imported for it."""
    name = os.environ.get(ENVIRONMENT_VARIABLE)
    if name and name not in names():
        raise _unknown(name, f"{ENVIRONMENT_VARIABLE}: ")


def announce(name: str, correct: Callable[[str], None]) -> None:
    """Note that the user was told that loop ``name`` will run. ``correct`` gets the name of one that does run instead."""
    global _announced
    _announced = (name, correct)


def noticed(loop: asyncio.AbstractEventLoop) -> None:
    """Compare a loop that is used with what was announced, once."""
    global _announced
    if _announced is None:
        return
    (name, correct), _announced = _announced, None
    real = type(loop).__module__.partition(".")[0]
    if real != name:
        correct(real)


def _unknown(name: str, where: str = "") -> UnknownLoop:
    if name not in PACKAGES:
        known = ", ".join(names())
        return UnknownLoop(f"{where}unknown event loop {name!r}: available are {known}; `pip install uvloop` adds a faster one")
    return UnknownLoop(f"{where}event loop {name!r} is not installed: available are {', '.join(names())}; `pip install {name}` adds it")


@functools.cache
def _maker(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == BUILT_IN:
        return asyncio.new_event_loop
    if name not in PACKAGES:
        raise _unknown(name)
    try:
        maker: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(name).new_event_loop
    except ImportError as error:
        raise _unknown(name) from error
    return maker


def current_event_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, else the one that was set for this thread, else ``None``; never makes one.

    Up to Python 3.13 ``asyncio.get_event_loop()`` may make a loop on its own, which would be asyncio's and not the one that was
    asked for by name, and would warn about it. So with a policy that looks its loop up as asyncio's does, its slot is read.
    """
    loop = running_event_loop()
    if loop is not None:
        return loop
    if sys.version_info < (3, 14):
        policy = asyncio.get_event_loop_policy()
        if type(policy).get_event_loop is asyncio.events.BaseDefaultEventLoopPolicy.get_event_loop:
            found: asyncio.AbstractEventLoop | None = getattr(getattr(policy, "_local", None), "_loop", None)
            return found
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None
