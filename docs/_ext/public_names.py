"""Which names the package offers, and which of them nobody has described.

A name is public when its module defines it and it does not begin with an underscore. A class, function, method or property is
described by its docstring (a method also by that of the method it overrides), a constant or attribute by the string that follows
its assignment, or by what it is another name of. Attributes and properties may also stand in the class's docstring, in backticks.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "tornadolike"


def modules(package: Path) -> list[str]:
    """Public modules of the package, without the package's name: ``web``, ``platform.asyncio``, ..."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if not any(part.startswith("_") for part in parts):
            found.append(".".join(parts))
    return found


def undescribed(name: str) -> list[str]:
    """Public names of the module ``tornadolike.<name>`` that have no description, the module's own included."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    source = inspect.getsource(module)
    tree, lines = ast.parse(source), source.splitlines()
    missing = [] if module.__doc__ else [name]
    missing += [f"{name}.{value}" for value in _undescribed_values(module, tree.body, lines)]
    for entry, value in vars(module).items():
        if not entry.startswith("_") and _defined_in(value, module, entry):
            missing += [f"{name}.{member}" for member in _undescribed_object(entry, value)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            missing += [f"{name}.{node.name}.{value}" for value in _undescribed_values(getattr(module, node.name), node.body, lines)]
    return sorted(set(missing))


def _defined_in(value: Any, module: ModuleType, name: str) -> bool:
    return (inspect.isclass(value) or inspect.isroutine(value)) and value.__module__ == module.__name__ and value.__name__ == name


def _undescribed_object(name: str, value: Any) -> Iterator[str]:
    if not value.__doc__:
        yield name
    if inspect.isclass(value):
        for entry, member in vars(value).items():
            if not entry.startswith("_") and _needs_description(member) and not _is_described(value, entry):
                yield f"{name}.{entry}"


def _needs_description(member: Any) -> bool:
    plain = getattr(member, "__func__", member) if isinstance(member, (staticmethod, classmethod)) else member
    if inspect.ismemberdescriptor(plain):
        return False  # a slot
    return inspect.isroutine(plain) or inspect.isdatadescriptor(plain) or inspect.isclass(plain)


def _is_described(owner: Any, name: str) -> bool:
    """Whether the object of this name has a docstring, or the class's docstring names it."""
    value = getattr(owner, name, None)
    if inspect.isclass(value) or inspect.isroutine(value):
        return bool(inspect.getdoc(value))
    if not inspect.isclass(owner):
        return isinstance(value, ModuleType)
    return f"`{name}`" in (owner.__doc__ or "") or (inspect.isdatadescriptor(value) and bool(inspect.getdoc(value)))


def _undescribed_values(owner: Any, body: list[ast.stmt], lines: list[str]) -> Iterator[str]:
    """Names that a module's or a class's body assigns without a string behind the assignment, or a comment ``#:`` before it."""
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or lines[statement.lineno - 2].lstrip().startswith("#:"):
            continue
        if not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant) and isinstance(following.value.value, str)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [target.id for target in targets if isinstance(target, ast.Name) and not target.id.startswith("_")]
            yield from (name for name in names if not _is_described(owner, name))
