"""Describes the public API that ``import tornado`` gives, as JSON on stdout; ``--alias`` makes that tornadolike's.

The entries are those of upstream's own API description (``tornado.test.api_test``): kinds, bases, signatures. To each function
come its defaults in full, and to each constant its type and value, which that description leaves out.
"""

import importlib
import inspect
import json
import re
import sys
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
    json.dump({"modules": sorted(modules), "entries": described(modules)}, sys.stdout)


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
