"""Marks for what Tornado's modules do not have: listings of its API, such as that of its own tests, pass by what comes from elsewhere."""

from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")
_Method = TypeVar("_Method", bound=Callable[..., Any])


def tornado_method(method: _Method) -> _Method:
    """Mark a method that Tornado's class has not."""
    method.__module__ = "beyond_tornado"
    return method


def tornado_class(cls: type[_T]) -> type[_T]:
    """Mark a class that Tornado has not: it keeps our name where `import tornado` is served."""
    first_line = vars(cls).get("__firstlineno__")
    cls.__module__ = f"tornadolike.{cls.__module__.partition('.')[2]}"
    cls._beyond_tornado = True  # type: ignore[attr-defined]  # what the alias looks for
    if first_line is not None:
        cls.__firstlineno__ = first_line  # type: ignore[attr-defined]  # from Python 3.13 on a new __module__ takes it away
    return cls
