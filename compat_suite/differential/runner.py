"""``python -m compat_suite differential``: both sides run every scenario, and every difference is shown."""

import argparse
import difflib
import fnmatch
import json
import re
import selectors
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from compat_suite import environment
from compat_suite.differential.deliberate import Deliberate, declared

_NUMBER = re.compile(r"\b[0-9a-f]{8,}\b|\d+")
_SHOWN = 40  # kinds of differences that are printed in full
_SECONDS = 60.0  # without an answer: the child hangs


def add_options(parser: argparse.ArgumentParser) -> None:
    environment.add_options(parser)
    add_own_options(parser)


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """What no other part of the suite has."""
    parser.add_argument("--only", metavar="PATTERN", help="scenarios whose name matches, such as 'http1/*'")
    parser.add_argument("--examples", type=int, default=60, help="examples that Hypothesis draws of each kind (60)")
    parser.add_argument("--store", action="store_true", help="keep a difference that Hypothesis found as a scenario (found.json)")


def execute(arguments: argparse.Namespace) -> int:
    """Run, compare, report. 0: nothing differs but what a scenario declares."""
    from compat_suite.differential import generated

    with Sides(arguments.loop, arguments.http) as sides:
        results = run_table(sides, arguments.only)
        results += generated.run_all(sides, arguments.examples, arguments.only, store=arguments.store)
    superfluous = needless(results)
    print_report(results)
    for scenarios in superfluous:
        print(f"declared as different, but equal on both sides: {scenarios}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([vars(one) for one in results], indent=1), encoding="utf-8")
    return 1 if superfluous or any(one.different for one in results) else 0


@dataclass
class Result:
    """One scenario: what is wrong with it (nothing, if all is well) and the reason of a declared difference."""

    name: str
    different: str = ""
    deliberate: str = ""
    remarks: list[str] = field(default_factory=list)

    @property
    def group(self) -> str:
        return self.name.partition("/")[0].partition(".")[0]


class Side:
    """The child process of one side. A child that crashes or hangs gives a recording that says so, and is started anew."""

    def __init__(self, *, alias: bool, loop: str, engine: str, sabotage: str = "", path: str = "") -> None:
        self._command = [sys.executable, "-m", "compat_suite.differential.child", *(["--alias"] if alias else [])]
        self._command += ["--sabotage", sabotage] if sabotage else []
        self._variables = environment.child(alias=False) | {"PYTHONHASHSEED": "0", "TZ": "UTC", "LANG": "C.UTF-8"}
        self._variables["PYTHONPATH"] += f":{path}" if path else ""
        if alias:
            self._variables |= {"TORNADOLIKE_LOOP": loop, "TORNADOLIKE_HTTP": engine}
        self._process: subprocess.Popen[str] | None = None
        self._output: IO[str] | None = None

    def ask(self, request: dict[str, Any]) -> Any:
        self.send(request)
        return self.answer()

    def send(self, request: dict[str, Any]) -> None:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._output = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - close() closes it
            self._process = subprocess.Popen(
                self._command,
                env=self._variables,
                cwd=environment.ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                text=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if selector.select(_SECONDS) else ""
        if line:
            return json.loads(line)
        assert self._output is not None
        self._output.seek(0)
        last = self._output.read().strip().splitlines()[-1:]
        self.close()
        text = f"the process of this side crashed or hung: {''.join(last)}"
        return {"raw": text, "normal": json.dumps(text)}

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        if self._output is not None:
            self._output.close()
            self._output = None


class Sides:
    """Tornado and tornadolike, each in its process. A ``tornado`` that is given stays open at the end."""

    def __init__(
        self, loop: str = "asyncio", engine: str = "auto", *, sabotage: str = "", path: str = "", tornado: Side | None = None
    ) -> None:
        self._given = tornado is not None
        self.tornado = tornado or Side(alias=False, loop=loop, engine=engine)
        self.ours = Side(alias=True, loop=loop, engine=engine, sabotage=sabotage, path=path)
        self._declared = declared()

    def __enter__(self) -> "Sides":
        return self

    def __exit__(self, *_: object) -> None:
        self.ours.close()
        if not self._given:
            self.tornado.close()

    def deliberate(self, name: str) -> Deliberate | None:
        return next((one for one in self._declared if one.covers(name)), None)

    def both(self, request: dict[str, Any], other: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Ask both at once; ``other`` is what tornadolike is asked where that is not the same."""
        self.tornado.send(request)
        self.ours.send(request if other is None else other)
        return self.tornado.answer(), self.ours.answer()


def run_table(sides: Sides, only: str | None = None) -> list[Result]:
    table = sides.tornado.ask({"list": True})
    if not isinstance(table, list):
        raise SystemExit(f"compat_suite differential: {table['normal']}")
    listed = [one for one in table if chosen(one["name"], only)]
    progress = Progress()
    results = []
    for entry in listed:
        results.append(run_one(sides, entry))
        progress.show(results[-1])
    progress.end()
    return results


def chosen(name: str, only: str | None) -> bool:
    return only is None or fnmatch.fnmatch(name, only) or name.startswith(only)


def run_one(sides: Sides, entry: dict[str, Any]) -> Result:
    """Run one scenario on both sides; what differs a first time has to differ a second time too, or it is remarked on only."""
    result = _compared(sides, entry)
    if result.different:
        again = _compared(sides, entry)
        if not again.different:
            again.remarks.append("was equal at the second try only")
            return again
    return result


def _compared(sides: Sides, entry: dict[str, Any]) -> Result:
    name, differs = entry["name"], sides.deliberate(entry["name"])
    tornado, ours = sides.both({"run": name})
    equal = tornado["normal"] == ours["normal"]
    result = Result(name, verdict(tornado["normal"], ours["normal"], differs), differs.reason if differs and not equal else "")
    if entry["exchanges"] and not result.different:
        theirs, mine = sides.both({"receive": name, "value": ours["raw"]}, {"receive": name, "value": tornado["raw"]})
        result.different = verdict(theirs, mine, None)
    return result


def verdict(tornado: str, ours: str, differs: Deliberate | None) -> str:
    """What is wrong, or nothing."""
    if '"suite": "' in tornado:
        return f"on Tornado: {tornado}"
    if tornado == ours:
        return ""
    if differs is None:
        return difference(tornado, ours)
    for side, text, expected in (("Tornado", tornado, differs.tornado), ("tornadolike", ours, differs.ours)):
        if not re.search(expected, text):
            return f"{side} does not show the declared {expected!r}:\n{text}"
    return ""


def difference(tornado: str, ours: str) -> str:
    lines = difflib.unified_diff(tornado.splitlines(), ours.splitlines(), "Tornado", "tornadolike", lineterm="", n=2)
    return "\n".join(lines)


class Progress:
    """One line a group, as it goes."""

    def __init__(self) -> None:
        self._group, self._count, self._different, self._started = "", 0, 0, time.monotonic()

    def show(self, result: Result) -> None:
        if result.group != self._group:
            self.end()
            self._group = result.group
            print(f"{self._group:24}", end="", flush=True)
        self._count += 1
        self._different += bool(result.different)

    def end(self) -> None:
        if self._group:
            print(f"{self._count:4} scenarios, {self._different} different ({time.monotonic() - self._started:.1f} s)", flush=True)
        self._group, self._count, self._different, self._started = "", 0, 0, time.monotonic()


def needless(results: list[Result]) -> list[str]:
    """Declared differences that no scenario shows any more (of the groups that ran)."""
    shown = {one.deliberate for one in results}
    ran = [one.name for one in results]
    return [one.scenarios for one in declared() if one.reason not in shown and any(one.covers(name) for name in ran)]


def alike(results: list[Result]) -> dict[str, list[str]]:
    """The differences, each with the names of the scenarios that show it; numbers and hashes do not make a new one."""
    found: dict[str, tuple[str, list[str]]] = {}
    for one in results:
        if one.different:
            changed = "\n".join(line for line in one.different.splitlines() if line.startswith(("+", "-"))) or one.different
            key = one.group + _NUMBER.sub("#", changed)
            found.setdefault(key, (one.different, []))[1].append(one.name)
    return dict(found.values())


def print_report(results: list[Result]) -> None:
    found = alike(results)
    for text, names in list(found.items())[:_SHOWN]:
        others = (
            f"  (and {len(names) - 1} more in the same way: {', '.join(names[1:4])}{', ...' if len(names) > 4 else ''})"
            if names[1:]
            else ""
        )
        print(f"\nDIFFERS  {names[0]}{others}\n{text}")
    if len(found) > _SHOWN:
        print(f"\n... and {len(found) - _SHOWN} kinds of differences more; --json FILE has them all")
    for one in results:
        for remark in one.remarks:
            print(f"{one.name}: {remark}")
    different = sum(1 for one in results if one.different)
    deliberate = sum(1 for one in results if one.deliberate and not one.different)
    print(f"\n{len(results)} scenarios: {len(results) - different - deliberate} equal, {deliberate} differ as declared, {different} DIFFER")
