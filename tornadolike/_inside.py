"""What looks otherwise from outside: classes written in several rooms, functions that make no coroutine of their own."""

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any, TypeVar

_Class = TypeVar("_Class", bound=type)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def made_of(*rooms: type) -> Callable[[_Class], _Class]:
    """Decorate a class: all that ``rooms`` and their bases have becomes part of it, as if it were written there.

    They are no bases of it, because programs see which bases a class has, and look its methods up in the class itself. What it defines
    itself stays; what a room overrides of its own base is what counts. For a type checker, give the rooms as bases nevertheless.
    """

    def fill(cls: _Class) -> _Class:
        own = set(vars(cls))
        _, *bases, _ = type(cls.__name__, rooms, {}).__mro__
        for base in reversed(bases):
            for name, value in vars(base).items():
                if name not in own and not (name.startswith("__") and name.endswith("__")):
                    setattr(cls, name, value)
        return cls

    return fill


def coroutine_function(function: _Function) -> _Function:
    """Mark a function that returns the coroutine of another one as a coroutine function, for whoever asks.

    Before Python 3.12, `inspect.iscoroutinefunction` cannot be told; `asyncio.iscoroutinefunction` can.
    """
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return function
