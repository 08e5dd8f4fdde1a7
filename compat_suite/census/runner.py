"""``python -m compat_suite census [PACKAGE==VERSION | PATH ...]``: reads the packages' sources, and asks both sides for each name in them.

With ``--import`` each package is also installed, with what it requires, into a virtual environment of its own, and all of its modules are
imported on Tornado and on tornadolike.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compat_suite import environment, surface
from compat_suite.census import sources
from compat_suite.census.resolver import Package
from tornadolike._cli import output

_ENGINES = (f"tornado=={environment.TORNADO_VERSION}", "h11>=0.16,<0.17", "wsproto>=1.3,<2")
_UNREADABLE = f"cannot be read by Python {sys.version_info.major}.{sys.version_info.minor}"
_MODULES = """
auth autoreload concurrent curl_httpclient escape gen http1connection httpclient httpserver httputil ioloop iostream locale locks log
netutil options platform.asyncio process queues routing simple_httpclient tcpclient tcpserver template testing util web websocket wsgi
"""


@dataclass
class Result:
    """What the census says: the names of Tornado in use, by which packages, and what only Tornado has."""

    packages: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    not_read: dict[str, str] = field(default_factory=dict)
    imports: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def status(self) -> int:
        if not self.packages:
            return 2
        return 1 if self.missing or any(self.imports.values()) else 0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="*", metavar="PACKAGE==VERSION | PATH", help="what to read (default: the list in the repository)")
    parser.add_argument("--import", action="store_true", dest="import_too", help="install each package, import its modules on both sides")
    output.add_json(parser, "the result")


def execute(arguments: argparse.Namespace) -> int:
    """Print the figures, and each name that only Tornado has, with the packages. 0: there is none; 2: nothing could be read."""
    what = getattr(arguments, "what", None) or sources.listed()
    result = take(what)
    if getattr(arguments, "import_too", False):
        for one in result.packages:
            result.imports[one] = imports(one)
    report(result)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")
    return result.status


def take(what: Iterable[str]) -> Result:
    result = Result()
    order = ask("classes", modules(), alias=False)
    for one in what:
        try:
            package = Package(sources.read(one), order)
        except sources.NotThere as error:
            result.not_read[one] = str(error)
            continue
        result.packages.append(one)
        for name in package.uses():
            result.names.setdefault(name, []).append(one)
        result.not_read |= {f"{one}: {path}": _UNREADABLE for path in package.unreadable}
    _judge(result)
    return result


def _judge(result: Result) -> None:
    theirs = ask("names", sorted(result.names), alias=False)
    ours = set(ask("names", theirs, alias=True))
    result.names = {name: result.names[name] for name in theirs}
    known = surface.listed("difference", "private")
    for name in theirs:
        if name in ours:
            continue
        where = result.reasons if name in known else result.missing
        where[name] = known[name] if name in known else result.names[name]  # type: ignore[index]  # of one type each


def modules() -> list[str]:
    """The names of Tornado's modules."""
    return [f"tornado.{name}" for name in _MODULES.split()]


def ask(question: str, about: list[str], *, alias: bool, python: str = sys.executable) -> Any:
    command = [python, "-m", "compat_suite.census.child", question]
    variables = environment.child(alias=alias)
    answer = subprocess.run(command, env=variables, input=json.dumps(about), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(f"compat_suite census: a child process failed\n{answer.stderr}")
    return json.loads(answer.stdout)


def imports(requirement: str) -> dict[str, str]:
    """The modules of a package that can be imported on Tornado and not on tornadolike, and why not."""
    home = sources.cache() / "environments" / requirement
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", "install", *_ENGINES, requirement]
        done = subprocess.run(pip, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            return {"": f"not installed: {(done.stderr.strip().splitlines() or [''])[-1]}"}
        (home / "ready").touch()
    names = sorted(_importable(sources.read(requirement)))
    theirs, ours = (_failures(str(python), names, alias=alias) for alias in (False, True))
    return {name: why for name, why in ours.items() if name not in theirs}


def _failures(python: str, names: list[str], *, alias: bool) -> dict[str, str]:
    """One process for all; where it dies of one, each in a process of its own."""
    try:
        return dict(ask("imports", names, alias=alias, python=python))
    except SystemExit as error:
        if len(names) == 1:
            return {names[0]: str(error).splitlines()[-1]}
        half = len(names) // 2
        return _failures(python, names[:half], alias=alias) | _failures(python, names[half:], alias=alias)


def _importable(found: dict[str, str]) -> set[str]:
    """The modules which name Tornado, as they are called once they are installed; no scripts and no tests."""
    names = set()
    for path, text in found.items():
        parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
        skipped = {"tests", "test", "setup", "__main__", "docs", "examples", "conftest"}
        if "tornado" in text and not skipped & set(parts) and all(part.isidentifier() for part in parts):
            names.add(".".join(parts))
    return names


def report(result: Result) -> None:
    print(f"census: {len(result.packages)} packages use {len(result.names)} names of Tornado {environment.TORNADO_VERSION}")
    for name, packages in result.missing.items():
        print(f"ONLY TORNADO HAS  {name}: {', '.join(packages)}")
    for name, reason in result.reasons.items():
        print(f"left out: {name} ({', '.join(result.names[name])}): {reason}")
    for package, failures in result.imports.items():
        for module, why in failures.items():
            print(f"NOT IMPORTED  {package}: {module}: {why}")
    for what, why in result.not_read.items():
        print(f"not read: {what}: {why}")
