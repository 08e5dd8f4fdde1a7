"""Describes the public API that ``import tornado`` gives, as JSON on stdout; ``--alias`` makes that tornadolike's.

The entries are those of upstream's own API description (``tornado.test.api_test``): kinds, bases, signatures. To each function
come its defaults in full, and to each constant its type and value, which that description leaves out. Then there are the globals of
all modules, with what each of them is: programs take modules, types and functions from there which Tornado's module only imports.
"""

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterable
from typing import Any

_OBJECT = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>")
_CONSTANT = (str, bytes, bool, int, float, tuple, frozenset, type(None))
_ABSENT = object()  # an attribute that only instances have


def main() -> None:
    if "--alias" in sys.argv[1:]:
        import tornadolike._alias

        tornadolike._alias.install()
    from tornado.test import api_test

    modules = api_test.describe_api()
    json.dump({"modules": sorted(modules), "entries": described(modules), "globals": global_names(asked(modules))}, sys.stdout)


def asked(modules: Iterable[str]) -> dict[str, list[str] | None]:
    """Whose globals are described: each module's own, or those that standard input names."""
    names: dict[str, list[str] | None] = dict.fromkeys(["tornado", *modules])
    return json.load(sys.stdin) if "--globals" in sys.argv[1:] else names


def global_names(modules: dict[str, list[str] | None]) -> dict[str, str]:
    """What each global is. Modules, classes and functions are named in full, so that two sides can be seen to have the very same."""
    found = {}
    for module, names in modules.items():
        value = importlib.import_module(module)
        for name in names or [name for name in vars(value) if not (name.startswith("__") and name.endswith("__"))]:
            if hasattr(value, name):
                found[f"{module}.{name}"] = identity(getattr(value, name))
    return found


def identity(value: Any) -> str:
    if inspect.ismodule(value):
        return f"module {value.__name__}"
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    return repr(value) if type(value).__module__ == "typing" else ""


def described(modules: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    entries = {}
    for module, lines in modules.items():
        for line in lines:
            name, _, description = line.partition(": ")
            entries[name] = {"description": description, **extras(module, name, description)}
    return entries


def extras(module: str, name: str, description: str) -> dict[str, Any]:
    value: Any = importlib.import_module(module)
    *path, last = name.removeprefix(f"{module}.").split(".")
    for part in path:
        value = getattr(value, part)
    value = inspect.getattr_static(value, last, _ABSENT)
    if description in ("data", "attribute"):
        return {"value": f"{type(value).__name__} {value!r}"} if isinstance(value, _CONSTANT) else {}
    value = getattr(value, "__func__", value)
    return {"defaults": defaults(value)} if inspect.isfunction(value) else {}


def defaults(function: Any) -> dict[str, str]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name: _OBJECT.sub("<object>", repr(ordered(one.default))) for one in parameters if one.default is not one.empty}


def ordered(value: Any) -> Any:
    return sorted(value.items()) if isinstance(value, dict) else value


if __name__ == "__main__":
    main()
