"""``tornadolike check PATH``: which of Tornado's names a program uses, and what becomes of each on tornadolike.

The sources are read, not imported: only names that are written out can be found. ``import tornado.web as w``, ``from tornado
import gen``, ``self.write`` in a subclass of a handler and the like are followed; what is passed around in variables is not.
"""

import argparse
import ast
import importlib
import inspect
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tornadolike._cli import output, parsing

_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})
_SUPPORTED, _DIFFERS, _KEPT, _ABSENT, _UNKNOWN, _UNREADABLE = (
    "supported",
    "differs",
    "private, kept",
    "private, absent",
    "unknown",
    "unreadable",
)
_FAILING = (_ABSENT, _UNKNOWN, _UNREADABLE)

_DIFFERENCES = tomllib.loads(Path(__file__).with_name("differences.toml").read_text(encoding="utf-8"))["difference"]
# What works, but not exactly as in Tornado: by the name that is used, or by the method that a program replaces.
_USED = {name: entry["what"] for entry in _DIFFERENCES for name in entry.get("names", ())}
_GONE = frozenset(name for entry in _DIFFERENCES if entry.get("gone") for name in entry["names"])
_OVERRIDDEN = {name: entry["what"] for entry in _DIFFERENCES for name in entry.get("overridden", ())}
_OF_AN_INSTANCE = object()  # an attribute that is there; what lies behind it is not followed
_SHOWN_PLACES = 3  # of a name that needs no change


@dataclass(frozen=True, order=True)
class Use:
    """One name of Tornado's in one line of a program."""

    path: str
    line: int
    name: str
    verdict: str
    remark: str = ""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="list what a program uses of Tornado, and whether tornadolike has it",
        description="Read a program's sources (they are not imported) and say of each of Tornado's names whether tornadolike has it.",
        epilog="Exit status: 0 when everything is there, 1 when something is not, 2 for a PATH that does not exist or has no Python files.",
    )
    parser.add_argument("path", metavar="PATH", nargs="+", help="a Python file, or a directory to be searched for them")
    parser.add_argument("--all", action="store_true", help="list supported names too, line by line")
    output.add_json(parser, "a list of all uses (path, line, name, verdict, remark)")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print what stands out, line by line, and the sums. Returns the exit status."""
    files: set[Path] = set()
    problem = output.unwritable(arguments.json)
    if arguments.json and arguments.json.endswith(".py"):
        problem = f"--json {arguments.json}: that would write over a source"
    for path in arguments.path:
        found = set(python_files(Path(path))) if os.path.exists(path) else set()
        if not found:
            problem = f"{'no Python files in' if os.path.exists(path) else 'no such file or directory:'} {path}"
        files |= found
    if problem:
        output.complain("tornadolike check", problem)
        return parsing.USAGE_ERROR
    uses = sorted(use for file in files for use in uses_in(file))
    with output.aside(arguments.json):
        print("\n".join(summary(uses, len(files), everything=arguments.all)))  # noqa: T201 - what the command is for
    if arguments.json:
        output.write_json(arguments.json, [asdict(use) for use in uses])
    return 1 if any(use.verdict in _FAILING for use in uses) else 0


def python_files(path: Path) -> Iterator[Path]:
    """``path`` itself, or every Python file below it that is the program's own: hidden directories and environments are left out."""
    if not path.is_dir():
        yield path
        return
    for directory, names, files in os.walk(path):
        names[:] = [
            name for name in names if not name.startswith(".") and name not in _SKIPPED and not Path(directory, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(directory, name) for name in files if name.endswith(".py"))


def uses_in(path: Path) -> set[Use]:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError, OSError) as error:
        return {Use(str(path), getattr(error, "lineno", None) or 1, "", _UNREADABLE, str(error))}
    reader = _Reader()
    reader.visit(tree)
    return {Use(str(path), line, name, *verdict(name)) for line, name in reader.found}


class _Reader(ast.NodeVisitor):
    """Collects (line, full name) of everything that comes from Tornado."""

    def __init__(self) -> None:
        self.found: set[tuple[int, str]] = set()
        self._names: dict[str, str] = {}
        self._derived: set[str] = set()
        self._bases: list[str] = []

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if _is_tornado(alias.name):
                self.found.add((node.lineno, alias.name))
                self._names[alias.asname or "tornado"] = alias.name if alias.asname else "tornado"

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or not _is_tornado(node.module or ""):
            return
        for alias in node.names:
            if alias.name == "*":
                self.found.add((node.lineno, str(node.module)))
                self._names |= {name: f"{node.module}.{name}" for name in _public(str(node.module))}
            else:
                self.found.add((node.lineno, f"{node.module}.{alias.name}"))
                self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = [name for base in node.bases if (name := self._full_name(base)) and inspect.isclass(lookup(name))]
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        if bases:
            self._names[node.name] = bases[0]  # so that classes which derive from this one are understood as well
            self._derived.add(node.name)
        self._bases.append(bases[0] if bases else "")
        for statement in node.body:
            if bases and isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self._override(bases[0], statement)
            self.visit(statement)
        self._bases.pop()

    def _override(self, base: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A method of Tornado's which the program replaces, where that matters; one that Tornado does not have is the program's own."""
        name = function.name
        for owner in lookup(base).__mro__:
            full = f"{owner.__module__.replace('tornadolike', 'tornado', 1)}.{owner.__qualname__}.{name}"
            if full in _OVERRIDDEN:
                self.found.add((function.lineno, f"{full}, overridden"))
                return
        if name.startswith("_") and not name.startswith("__") and _exists(f"{base}.{name}"):
            self.found.add((function.lineno, f"{base}.{name}"))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self._full_name(node)
        if name is not None:
            self.found.add((node.lineno, name))
        else:
            self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self._names and isinstance(node.ctx, ast.Load):
            self.found.add((node.lineno, self._names[node.id]))

    def visit_Constant(self, node: ast.Constant) -> None:
        """Names in strings, as for `mock.patch` and `Configurable.configure`."""
        text = node.value
        if (
            isinstance(text, str)
            and text.startswith("tornado.")
            and text.replace(".", "").replace("_", "").isalnum()
            and lookup(".".join(text.split(".")[:2])) is not None
        ):
            self.found.add((node.lineno, text))

    def _full_name(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            if node.id in ("self", "cls") and self._bases and self._bases[-1]:
                return None
            return self._names.get(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        base = self._base_behind(node.value)
        if base:
            return f"{base}.{node.attr}" if _exists(f"{base}.{node.attr}") else None
        inner = self._full_name(node.value)
        if inner is None:
            return None
        value = lookup(inner)
        # What lies behind an instance or a result is not Tornado's name any more.
        return f"{inner}.{node.attr}" if value is None or inspect.ismodule(value) or inspect.isclass(value) else inner

    def _base_behind(self, node: ast.expr) -> str:
        """Tornado's class behind ``self``, ``cls`` or a class of the program, whose other attributes are the program's own."""
        if not isinstance(node, ast.Name):
            return ""
        if node.id in ("self", "cls"):
            return self._bases[-1] if self._bases else ""
        return self._names[node.id] if node.id in self._derived else ""


def _is_tornado(name: str) -> bool:
    return name == "tornado" or name.startswith("tornado.")


@cache
def lookup(name: str) -> Any:
    """What tornadolike has under Tornado's ``name``; ``None`` where there is nothing."""
    first, *parts = name.split(".")
    if first != "tornado":
        return None
    value: Any = importlib.import_module("tornadolike")
    for number, part in enumerate(parts):
        try:
            found = getattr(value, part, None)
        except ImportError:  # the package imports its modules when they are asked for
            found = None
        if found is None and inspect.ismodule(value):
            found = _module(".".join(["tornadolike", *parts[: number + 1]]))
        if found is None:
            return _instance_attribute(value, part) if number == len(parts) - 1 else None
        value = found
    return value


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        # A module of ours that wants a package which is not installed here (pycurl, pycares, twisted) is there all the same.
        return None if error.name and error.name.startswith("tornadolike") else sys.modules.get("tornadolike")


def _instance_attribute(value: Any, name: str) -> Any:
    """Attributes which only instances have are found in the source of the class, or of one that it derives from."""
    if not inspect.isclass(value):
        return None
    for one in value.__mro__:
        if one.__module__.startswith("tornadolike") and (
            name in getattr(one, "__annotations__", {}) or re.search(rf"\bself\.{name}\b", _source(one))
        ):
            return _OF_AN_INSTANCE
    return None


@cache
def _source(cls: type[Any]) -> str:
    return inspect.getsource(cls)


def _public(module: str) -> list[str]:
    value = lookup(module)
    return list(getattr(value, "__all__", [name for name in vars(value) if not name.startswith("_")])) if inspect.ismodule(value) else []


def verdict(name: str) -> tuple[str, str]:
    """What becomes of a name, and a remark."""
    if name.endswith(", overridden"):
        return _DIFFERS, _OVERRIDDEN[name.removesuffix(", overridden")]
    if name in _GONE:
        return _ABSENT, _USED[name]
    if remark := _USED.get(name) or _USED.get(".".join(name.split(".")[:2])):  # of the name itself, or of its whole module
        return _DIFFERS, remark
    private = any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    if _exists(name):
        return (_KEPT, "kept for programs that use it, but no API") if private else (_SUPPORTED, "")
    return (
        (_ABSENT, "a detail of Tornado's that is not here") if private else (_UNKNOWN, "neither tornadolike nor Tornado 6.6.1's API has it")
    )


def _exists(name: str) -> bool:
    owner, _, last = name.rpartition(".")
    return lookup(name) is not None or (bool(owner) and hasattr(lookup(owner), last))  # the latter: its value is None


def summary(uses: list[Use], files: int, *, everything: bool) -> list[str]:
    """What is printed: what has to be changed, line by line; what works but is not quite the same, name by name; the sums."""
    lines = [_line(use) for use in uses if everything or use.verdict in _FAILING]
    lines += [""] if lines else []
    if not everything:
        lines += _by_name("works, with a difference (docs/differences.md)", [use for use in uses if use.verdict == _DIFFERS])
        lines += _by_name("private names, kept for programs that use them", [use for use in uses if use.verdict == _KEPT])
    counts = {kind: sum(1 for use in uses if use.verdict == kind) for kind in (_SUPPORTED, _DIFFERS, _KEPT, _ABSENT, _UNKNOWN, _UNREADABLE)}
    names = len({use.name for use in uses if use.name})
    using = len({use.path for use in uses if use.name})
    lines.append(
        f"{using} of {files} Python file{'s' * (files != 1)} use{'s' * (using == 1)} {names} of Tornado's names in "
        f"{sum(counts.values())} places: " + ", ".join(f"{count} {kind}" for kind, count in counts.items() if count or kind == _SUPPORTED)
    )
    lines.append(
        "nothing stands in the way" if not any(counts[kind] for kind in _FAILING) else "see the lines above for what has to be changed"
    )
    return lines


def _line(use: Use) -> str:
    return f"{use.path}:{use.line}: {use.name or 'file'}: {use.verdict}{f' ({use.remark})' if use.remark else ''}"


def _by_name(title: str, uses: list[Use]) -> list[str]:
    """A line for each name, with what is to be known of it and its first places."""
    places: dict[str, list[Use]] = {}
    for use in uses:
        places.setdefault(use.name, []).append(use)
    lines = [f"{title}:"] if places else []
    for name, found in sorted(places.items()):
        remark = f": {found[0].remark}" if found[0].verdict == _DIFFERS else ""
        shown = ", ".join(f"{use.path}:{use.line}" for use in found[:_SHOWN_PLACES])
        more = f" and {len(found) - _SHOWN_PLACES} more" if len(found) > _SHOWN_PLACES else ""
        lines += [f"  {name}{remark}", f"      {shown}{more}"]
    return [*lines, ""] if lines else []
