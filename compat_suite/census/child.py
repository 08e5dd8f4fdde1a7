"""Answers, in a process that has one of the two, which dotted names of ``tornado`` are there, or which modules can be imported.

``python -m compat_suite.census.child names < JSON``: of a list of names those that exist.
``python -m compat_suite.census.child classes < JSON``: of a list of modules the classes, each with those that it derives from.
``python -m compat_suite.census.child imports < JSON``: of a list of modules those that cannot be imported, and why.
"""

import contextlib
import importlib
import inspect
import io
import json
import re
import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

_AN_INSTANCES = object()


def main(argv: list[str]) -> None:
    asked = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    kept, sys.stdout = sys.stdout, io.StringIO()  # some modules print when they are imported
    with contextlib.redirect_stderr(io.StringIO()):
        answer = _ANSWERS[argv[0]](asked)
    json.dump(answer, kept)


def existing(names: list[str]) -> list[str]:
    return [name for name in names if exists(name)]


def exists(name: str) -> bool:
    return lookup(name) is not None


@cache
def lookup(name: str) -> Any:
    """What has this name; `_AN_INSTANCES` for an attribute that only instances have; None where there is nothing."""
    owner, _, last = name.rpartition(".")
    if not owner:
        return _imported(name)
    value = lookup(owner)
    if value is None or value is _AN_INSTANCES:
        return None
    found = inspect.getattr_static(value, last, None) if inspect.isclass(value) else _attribute(value, last)
    if found is None and inspect.ismodule(value):
        return _imported(f"{owner}.{last}") if name.startswith(owner) else None
    if found is None and inspect.isclass(value):
        return _of_instances(value, last)
    return _AN_INSTANCES if found is None else found


def _attribute(value: Any, name: str) -> Any:
    try:
        found = getattr(value, name)
    except Exception:
        return None
    return _AN_INSTANCES if found is None else found


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A module that wants a package which is not installed here is there all the same.
        return None if str(error.name).partition(".")[0] == "tornado" else _AN_INSTANCES
    except Exception:
        return _AN_INSTANCES


def _of_instances(cls: type[Any], name: str) -> Any:
    for one in cls.__mro__[:-1]:
        if name in vars(one) or name in vars(one).get("__annotations__", {}) or name in vars(one).get("__slots__", ()):
            return _AN_INSTANCES
        if re.search(rf"\bself\.{name}\b\s*(:[^=\n]+)?(=|,.*=)(?!=)", _source(one)):
            return _AN_INSTANCES
    return None


@cache
def _source(cls: type[Any]) -> str:
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return ""


def orders(modules: list[str]) -> dict[str, list[str]]:
    found = {}
    for module in modules:
        for name, value in vars(lookup(module)).items() if inspect.ismodule(lookup(module)) else ():
            if inspect.isclass(value):
                mro = [f"{one.__module__}.{one.__qualname__}" for one in value.__mro__]
                found[f"{module}.{name}"] = [one for one in mro if one.startswith("tornado.")]
    return found


def failures(modules: list[str]) -> dict[str, str]:
    found = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            found[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return found


_ANSWERS: dict[str, Callable[[list[str]], Any]] = {"names": existing, "classes": orders, "imports": failures}

if __name__ == "__main__":
    main(sys.argv[1:])
