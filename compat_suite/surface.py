"""``python -m compat_suite surface``: the public API of Tornado and ours, name by name.

Compared are modules, classes with their bases, functions and methods with their signatures and defaults, properties, attributes
and constants with their values; then all globals of all modules, private ones too, and whether those that Tornado's module only imports
are the same objects. Deliberate differences stand in ``surface_differences.toml``, each with its reason.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from compat_suite import environment

DELIBERATE = Path(__file__).with_name("surface_differences.toml")
_FACETS = ("description", "defaults", "value")
Surface = dict[str, Any]


def execute(json_path: str | None) -> int:
    """Introspect both, compare, print the figures. 0: nothing differs but what is listed."""
    tornado = introspect(alias=False)
    ours = introspect(alias=True, asked=tornado["globals"])
    deliberate = listed()
    found = differences(tornado, ours)
    unlisted = {name: text for name, text in found.items() if name not in deliberate}
    report(tornado, ours, found, deliberate)
    if json_path:
        Path(json_path).write_text(json.dumps({"differences": found, "unlisted": sorted(unlisted)}, indent=1), encoding="utf-8")
    return 1 if unlisted else 0


def listed(*kinds: str) -> dict[str, str]:
    """The deliberate differences: a reason for each name. Raises `ValueError` for a name that stands there twice."""
    found: dict[str, str] = {}
    entries = tomllib.loads(DELIBERATE.read_text(encoding="utf-8"))
    for entry in (one for kind in kinds or ("difference",) for one in entries.get(kind, [])):
        for name in entry.get("names", "").split() or [entry["name"]]:
            if name in found:
                raise ValueError(f"{DELIBERATE.name}: listed twice: {name}")
            found[name] = entry["reason"]
    return found


def introspect(*, alias: bool, asked: Iterable[str] = ()) -> Surface:
    """The surface of one side; of the globals those that the other side has (some are there only when they are asked for)."""
    modules: dict[str, list[str]] = {}
    for name in asked:
        modules.setdefault(name.rpartition(".")[0], []).append(name.rpartition(".")[2])
    command = [sys.executable, "-m", "compat_suite.surface_child", *(["--alias"] if alias else []), *(["--globals"] if modules else [])]
    answer = subprocess.run(
        command, env=environment.child(alias=alias), input=json.dumps(modules), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise SystemExit(f"compat_suite surface: a child process failed\n{answer.stderr}")
    surface: Surface = json.loads(answer.stdout)
    return surface


def differences(tornado: Surface, ours: Surface) -> dict[str, str]:
    """Every name that is not the same in both, and what differs."""
    found = {name: "module is missing" for name in tornado["modules"] if name not in ours["modules"]}
    absent = tuple(f"{name}." for name in found)
    for name in sorted(tornado["entries"].keys() | ours["entries"].keys()):
        theirs, mine = tornado["entries"].get(name), ours["entries"].get(name)
        if mine is None and name.startswith(absent):
            continue
        if mine is None:
            found[name] = f"missing: {theirs['description']}"
        elif theirs is None:
            found[name] = f"not in Tornado: {mine['description']}"
        elif facet := different_facet(theirs, mine):
            found[name] = f"{facet}: Tornado has {theirs.get(facet)}, tornadolike has {mine.get(facet)}"
    return different_globals(tornado.get("globals", {}), ours.get("globals", {}), absent) | found


def different_globals(theirs: dict[str, str], ours: dict[str, str], absent: tuple[str, ...]) -> dict[str, str]:
    """Globals that are not there, and those imported from elsewhere that are another object than Tornado's."""
    found = {}
    for name, identity in theirs.items():
        module = name.rpartition(".")[0]
        if name.startswith(absent) and absent:
            continue
        if name not in ours:
            found[name] = f"missing: global of {module}"
        elif ours[name] != identity and not identity.startswith(f"{module}.") and not name.startswith(f"{module}._") and _public(identity):
            found[name] = f"another object: Tornado has {identity}, tornadolike has {ours[name]}"
    return found


def _public(identity: str) -> bool:
    """What a private module of Tornado or its C extension gives has no counterpart of that name."""
    return bool(identity) and "tornado._" not in identity and "tornado.speedups" not in identity


def different_facet(theirs: dict[str, Any], mine: dict[str, Any]) -> str:
    """The first facet in which two entries differ, or "". An attribute may have its value in the class or only in instances."""
    pairs = ((facet, theirs.get(facet), mine.get(facet)) for facet in _FACETS)
    return next((facet for facet, one, other in pairs if one != other and (facet != "value" or (one and other))), "")


def report(tornado: Surface, ours: Surface, found: dict[str, str], deliberate: dict[str, str]) -> None:
    entries = tornado["entries"]
    same = sum(1 for name in entries if name not in found and name in ours["entries"])
    present = sum(1 for name, entry in entries.items() if ours["entries"].get(name, {}).get("description") == entry["description"])
    modules = len(set(tornado["modules"]) & set(ours["modules"]))
    print(f"surface of Tornado {environment.TORNADO_VERSION}: modules {modules} of {len(tornado['modules'])}")
    print(f"entries with the same kind, bases and signature: {present} of {len(entries)}; with defaults and values as well: {same}")
    globals_there = len(tornado["globals"].keys() & ours["globals"].keys())
    print(f"globals of all modules: {globals_there} of {len(tornado['globals'])}")
    for name, text in found.items():
        print(f"deliberate: {name}: {deliberate[name]}" if name in deliberate else f"DIFFERS  {name}: {text}")
    for name in deliberate:
        if name not in found:
            print(f"listed difference no longer there: {name}")
