"""Runs the packages on both and compares: test by test, or what a program saw."""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from compat_suite import environment, upstream
from compat_suite.downstream import environments
from compat_suite.downstream.environments import Package

LIST = Path(__file__).with_name("packages.toml")
LOOPS = ("asyncio", "uvloop")
_SHOWN = 20
_TRIES_MORE = 2
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="PACKAGE", help="only these packages (all)")
    parser.add_argument("--loop", choices=["asyncio", "uvloop", "both"], default="both", help="event loop that tornadolike runs on")
    environment.add_engine_and_json(parser)
    add_own_options(parser)


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """What no other part of the suite has."""
    parser.add_argument("--package", action="append", metavar="PACKAGE", help="only this package (can be repeated)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many packages to run at the same time (1)")


def execute(arguments: argparse.Namespace) -> int:
    """Prepare, run, compare, report. 0: every package does what it does on Tornado; 2: one that was asked for is not in the list."""
    listed = {one.name: one for one in packages()}
    asked = [*getattr(arguments, "names", []), *(arguments.package or [])]
    if unknown := [name for name in asked if name not in listed]:
        print(f"compat_suite: no package {', '.join(unknown)} in {LIST.name}; there are: {', '.join(listed)}", file=sys.stderr)
        return 2
    chosen = [one for one in listed.values() if not asked or one.name in asked]
    loops = LOOPS if arguments.loop == "both" else (arguments.loop,)
    results = measured(chosen, loops, arguments.http, arguments.jobs)
    for one in results:
        for name in one.once:
            print(f"{one.package}: {name}: was equal at another try only")
        for name, text in list(one.different.items())[:_SHOWN]:
            print(f"DIFFERS  {one.package}: {name}: {text}")
        if len(one.different) > _SHOWN:
            print(f"DIFFERS  {one.package}: and {len(one.different) - _SHOWN} more, which --json shows")
    print(table(results, loops))
    print(f"{sum(1 for one in results if not one.different)} of {len(results)} packages do what they do on Tornado")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([vars(one) for one in results], indent=1), encoding="utf-8")
    return 1 if any(one.different for one in results) else 0


@dataclass
class Result:
    """One package: outcomes on Tornado and on each loop by name of the test (or step), and what is worse here than there.

    The names in ``different`` and ``once`` begin with the loop, those in ``seconds`` are ``"Tornado"`` and the loops.
    """

    package: str
    about: str
    subset: str = ""
    version: str = ""
    tornado: dict[str, str] = field(default_factory=dict)
    ours: dict[str, dict[str, str]] = field(default_factory=dict)
    different: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    once: list[str] = field(default_factory=list)  # what did not differ at each try

    def verdict(self) -> str:
        return f"DIFFERS: {len(self.different)}" if self.different else "as on Tornado"


def measured(chosen: Sequence[Package], loops: Sequence[str], engine: str, jobs: int) -> list[Result]:
    """The results in the order of ``chosen``; each is told of when it is there."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(measure, package, loops, engine): package for package in chosen}
        for number, one in enumerate(concurrent.futures.as_completed(waiting), 1):
            result = one.result()
            took = ", ".join(f"{side} {seconds:.0f} s" for side, seconds in result.seconds.items())
            print(f"[{number}/{len(chosen)}] {result.package}: {result.verdict()} ({took})", flush=True)
    return [one.result() for one in waiting]


def table(results: Sequence[Result], loops: Sequence[str]) -> str:
    """A table in Markdown, with a line for each package."""
    head = ["package", "version", "tests", "Tornado", *loops, "verdict"]
    rows = []
    for one in results:
        sides = [one.tornado, *(one.ours.get(loop, {}) for loop in loops)]
        rows.append([one.package, one.version, str(len(one.tornado)), *map(counted, sides), one.verdict()])
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def counted(outcomes: dict[str, str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kinds(outcomes)).items())) or "nothing"


def kinds(outcomes: dict[str, str]) -> list[str]:
    """Tests by their outcome; what a program saw counts as seen."""
    return [kind if (kind := value.partition(":")[0]) in ("passed", "failed", "skipped") else "seen" for value in outcomes.values()]


def packages(path: Path = LIST) -> list[Package]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    shared = content["environments"]
    return [Package(**{"requires": shared.get(entry.get("environment")), **entry}) for entry in content["package"]]


def measure(package: Package, loops: Sequence[str], engine: str) -> Result:
    result = Result(package.name, package.about, package.subset)
    try:
        environments.prepare(package)
        result.version = package.version
    except (subprocess.CalledProcessError, OSError) as error:
        details = str(getattr(error, "stderr", "") or error).strip().splitlines()
        result.different = {"environment": f"could not be set up: {details[-1] if details else error}"}
        return result
    result.tornado, result.seconds["Tornado"] = timed(package, "asyncio", engine, alias=False)
    for loop in loops:
        result.ours[loop], result.seconds[loop] = timed(package, loop, engine, alias=True)
        found = differences(result.tornado, result.ours[loop])
        different = dict(found)
        for _ in range(_TRIES_MORE if found else 0):
            # Some tests of others fail now and then, on Tornado as well, mostly where much else runs: what differs has to differ each time.
            again = differences(*(timed(package, loop, engine, alias=alias)[0] for alias in (False, True)))
            different = {name: text for name, text in different.items() if name in again}
            if not different:
                break
        result.once += [f"{loop}: {name}" for name in sorted(found.keys() - different.keys())]
        result.different |= {f"{loop}: {name}": text for name, text in different.items()}
    return result


def timed(package: Package, loop: str, engine: str, *, alias: bool) -> tuple[dict[str, str], float]:
    """The outcomes of one run, and the seconds that it took."""
    started = time.monotonic()
    return run(package, alias=alias, loop=loop, engine=engine), round(time.monotonic() - started, 1)


def differences(tornado: dict[str, str], ours: dict[str, str]) -> dict[str, str]:
    """What Tornado passes and we do not, what a program sees otherwise, and a run that brought nothing at all."""
    if not tornado or "run" in tornado:
        return {"baseline": f"nothing ran on Tornado: {tornado.get('run', '')}"}
    found = {}
    for name in tornado.keys() | ours.keys():
        theirs, mine = tornado.get(name, "missing"), ours.get(name, "missing")
        # Where Tornado itself fails there is nothing to be compared with.
        if theirs != mine and mine != "passed" and not theirs.startswith("failed"):
            found[name] = f"Tornado: {theirs[:200]}; tornadolike: {mine[:200]}"
    return dict(sorted(found.items()))


def run(package: Package, *, alias: bool, loop: str, engine: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="compat_downstream") as directory:
        report = Path(directory, "report.xml")
        if package.kind == "pytest":
            command = [*_PYTEST, f"--junitxml={report}", f"--basetemp={directory}/pytest", *package.run]
        else:
            command = [*package.run, directory, *map(str, given(package))]
        surroundings = variables(alias=alias, loop=loop, engine=engine) | {"TMPDIR": directory} | paths(package)
        status, output = upstream.run_child(
            [str(package.python), *command], surroundings, str(environments.directory(package)), package.seconds
        )
        if package.kind == "program":
            return from_program(status, output)
        return from_junit(report) if report.exists() else {"run": f"exit status {status}: {last_line(output)}"}


def given(package: Package) -> list[Path]:
    """What a program is told beside the directory that it may fill: where the source distribution lies, if it wants one."""
    return [environments.source(package)] if package.source else []


def paths(package: Package) -> dict[str, str]:
    """Where it finds the commands of its environment."""
    places = [package.python.parent, package.home / "node_modules" / ".bin"]
    return {"PATH": os.pathsep.join([*map(str, places), os.environ.get("PATH", os.defpath)])}


def variables(*, alias: bool, loop: str, engine: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TORNADOLIKE_", "PYTHON", "JUPYTER", "PYTEST", "VIRTUAL_ENV"))
    }
    kept |= {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    if alias:
        kept |= {"TORNADOLIKE_AS_TORNADO": "1", "TORNADOLIKE_LOOP": loop, "TORNADOLIKE_HTTP": engine}
    return kept


def from_junit(path: Path) -> dict[str, str]:
    """Each test's outcome from pytest's own report."""
    outcomes = {}
    for case in ET.parse(path).iter("testcase"):
        kinds_found = {child.tag for child in case}
        outcome = "failed" if kinds_found & {"failure", "error"} else "skipped" if "skipped" in kinds_found else "passed"
        outcomes[f"{case.get('classname')}.{case.get('name')}"] = outcome
    return outcomes


def from_program(status: int | None, output: str) -> dict[str, str]:
    """The JSON object in the last line of a program's output."""
    try:
        seen: dict[str, Any] = json.loads(last_line(output))
    except ValueError:
        return {"run": f"exit status {status}: {last_line(output)}"}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in seen.items()}


def last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else ""
