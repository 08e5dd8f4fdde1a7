"""Runs the packages on both and compares: test by test, or what a program saw."""

import argparse
import json
import os
import subprocess
import tempfile
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from compat_suite import environment, upstream
from compat_suite.downstream import environments
from compat_suite.downstream.environments import Package

LIST = Path(__file__).with_name("packages.toml")


def add_options(parser: argparse.ArgumentParser) -> None:
    environment.add_options(parser)
    add_own_options(parser)


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """What no other part of the suite has."""
    parser.add_argument("--package", action="append", help="only this package (can be repeated)")


def execute(arguments: argparse.Namespace) -> int:
    """Prepare, run, compare, report. 0: every package does what it does on Tornado."""
    chosen = [one for one in packages() if not arguments.package or one.name in arguments.package]
    results = []
    for number, package in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {package.name:18}", end="", flush=True)
        results.append(measure(package, arguments.loop, arguments.http))
        print(results[-1].line(), flush=True)
    for one in results:
        for name in one.once:
            print(f"{one.package}: {name}: was equal at the second try only")
        for name, text in one.different.items():
            print(f"DIFFERS  {one.package}: {name}: {text}")
    print(f"{sum(1 for one in results if not one.different)} of {len(results)} packages do what they do on Tornado")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([vars(one) for one in results], indent=1), encoding="utf-8")
    return 1 if any(one.different for one in results) else 0


@dataclass
class Result:
    """One package: outcomes of both sides by name of the test (or step), and what is worse here than there."""

    package: str
    about: str
    tornado: dict[str, str] = field(default_factory=dict)
    ours: dict[str, str] = field(default_factory=dict)
    different: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    once: list[str] = field(default_factory=list)  # what differed at the first try alone

    def line(self) -> str:
        counts = [
            ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kinds(side)).items())) for side in (self.tornado, self.ours)
        ]
        took = " and ".join(f"{seconds:.0f} s" for seconds in self.seconds)
        return (
            f"Tornado: {counts[0] or 'nothing'}; tornadolike: {counts[1] or 'nothing'} ({took}){'  <-- differs' if self.different else ''}"
        )


def kinds(outcomes: dict[str, str]) -> list[str]:
    """Tests by their outcome; what a program saw counts as seen."""
    return [kind if (kind := value.partition(":")[0]) in ("passed", "failed", "skipped") else "seen" for value in outcomes.values()]


def packages(path: Path = LIST) -> list[Package]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    shared = content["environments"]
    return [Package(**{"requires": shared.get(entry.get("environment")), **entry}) for entry in content["package"]]


def measure(package: Package, loop: str, engine: str) -> Result:
    result = Result(package.name, package.about)
    try:
        environments.prepare(package)
    except (subprocess.CalledProcessError, OSError) as error:
        details = str(getattr(error, "stderr", "") or error).strip().splitlines()
        result.different = {"environment": f"could not be set up: {details[-1] if details else error}"}
        return result
    result.tornado, result.ours, result.different = compare(package, loop, engine, result.seconds)
    if result.different:
        # Some tests of others fail now and then, on Tornado as well. What differs has to differ twice.
        _, _, again = compare(package, loop, engine, [])
        result.once = sorted(result.different.keys() - again.keys())
        result.different = {name: text for name, text in result.different.items() if name in again}
    return result


def compare(package: Package, loop: str, engine: str, seconds: list[float]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Outcomes on Tornado, outcomes on tornadolike, and what differs; ``seconds`` gets the time that each side took."""
    sides = []
    for alias in (False, True):
        started = time.monotonic()
        sides.append(run(package, alias=alias, loop=loop, engine=engine))
        seconds.append(round(time.monotonic() - started, 1))
    return *sides, differences(*sides)


def differences(tornado: dict[str, str], ours: dict[str, str]) -> dict[str, str]:
    """What Tornado passes and we do not, what a program sees otherwise, and a run that brought nothing at all."""
    if not tornado:
        return {"baseline": "nothing ran on Tornado"}
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
        extra = [f"--junitxml={report}"] if package.kind == "pytest" else [directory, *map(str, given(package))]
        command = [str(package.python), *package.run, *extra]
        status, output = upstream.run_child(
            command, variables(alias=alias, loop=loop, engine=engine), str(environments.directory(package)), package.seconds
        )
        if package.kind == "program":
            return from_program(status, output)
        return from_junit(report) if report.exists() else {"run": f"exit status {status}: {last_line(output)}"}


def given(package: Package) -> list[Path]:
    """What a program is told beside the directory that it may fill: where the source distribution lies, if it wants one."""
    return [environments.source(package)] if package.source else []


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
