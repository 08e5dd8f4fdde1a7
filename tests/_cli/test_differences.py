"""What `tornadolike check` says of a name that works otherwise is what docs/differences.md says."""

import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import tornadolike
from tornadolike._cli import check

ROOT = Path(tornadolike.__file__).parent.parent
SHIPPED = tomllib.loads(Path(check.__file__).with_name("differences.toml").read_text(encoding="utf-8"))
SKIPPED_SECTIONS = ("Additions", "Reports")  # which no program for Tornado uses; an index


def entries() -> list[tuple[str, str]]:
    """(where, what) of each row of docs/differences.md; tables without a "Where" say it in "what"."""
    found = []
    section, head = "", list[str]()
    for line in (ROOT / "docs" / "differences.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section, head = line[3:], []
        elif line.startswith("|") and section not in SKIPPED_SECTIONS:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not head:
                head = cells
            elif cells[0].strip("-"):
                found.append((cells[0], cells[1]) if head[0] == "Where" else ("", cells[0]))
    return found


def api_names() -> set[str]:
    """Public classes and functions, and methods of the classes."""
    found = set()
    for module in pkgutil.iter_modules(tornadolike.__path__):
        if not module.name.startswith("_"):
            try:
                members = vars(importlib.import_module(f"tornadolike.{module.name}"))
            except ImportError:  # an optional package is not installed
                continue
            public = {name: value for name, value in members.items() if not name.startswith("_") and callable(value)}
            found |= set(public)
            for value in public.values():
                if inspect.isclass(value) and value.__module__.startswith("tornadolike."):
                    found |= {name for name in vars(value) if not name.startswith("__")}
    return found


def test_what_is_shipped_is_what_the_documentation_says() -> None:
    documented = {what for _, what in entries()}
    assert len(documented) > 50
    assert [one["what"] for one in SHIPPED["difference"] if one["what"] not in documented] == []


def test_every_entry_about_the_api_is_shipped() -> None:
    shipped = {one["what"] for one in SHIPPED["difference"]}
    known = api_names()
    unclassified = []
    for where, what in entries():
        words = {part for code in re.findall(r"`([^`]+)`", where or what) for part in re.findall(r"\w+", code)}
        full = f"{where}: {what}".removeprefix(": ")
        if words & known and what not in shipped and not full.startswith(tuple(SHIPPED["elsewhere"])):
            unclassified.append(full)
    assert not unclassified, "put them into tornadolike/_cli/differences.toml: with the names that they concern, or among `elsewhere`"


def test_nothing_that_is_gone_is_named() -> None:
    texts = [f"{where}: {what}".removeprefix(": ") for where, what in entries()]
    assert [prefix for prefix in SHIPPED["elsewhere"] if not any(text.startswith(prefix) for text in texts)] == []
    names = [name for one in SHIPPED["difference"] for name in (*one.get("names", ()), *one.get("overridden", ()))]
    assert len(names) == len(set(names))
    gone = {name for name in names if not check._exists(name)}
    assert gone == {"tornado.speedups", "tornado.test"}  # which is what their entries say
