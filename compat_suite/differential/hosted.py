"""``differential --host NAME``: our own server against an ASGI server, the same application under both, by what the answers mean.

Scenarios that go over a connection to an application run; those about HTTP/1.1 itself, which is the server's affair there, do not.
"""

import argparse
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compat_suite.differential import hosts, meaning, results
from compat_suite.differential.results import Result
from compat_suite.differential.sides import Side
from compat_suite.readme import put_into

LIST = Path(__file__).with_name("hosted.toml")
ALL = "all"
# Daphne has one loop only.
ON = [(name, loop) for name in hosts.NAMES for loop in ("asyncio", "uvloop") if (name, loop) != ("daphne", "uvloop")]
BEGIN, END = "<!-- hosts: begin -->", "<!-- hosts: end -->"
Runs = dict[tuple[str, str], list[Result]]
GROUPS = ("web/", "static/", "secrets/", "templates/", "settings/", "faults/", "websocket/")


@dataclass(frozen=True)
class Expected:
    """Scenarios (a regular expression for their names) that cannot come out the same on these hosts, and why."""

    hosts: tuple[str, ...]
    scenarios: str
    reason: str

    def covers(self, host: str, name: str) -> bool:
        return host in self.hosts and re.fullmatch(self.scenarios, name, re.DOTALL) is not None


def declared(path: Path = LIST) -> list[Expected]:
    """Raises `ValueError` for an entry without a reason, or for a host that there is not."""
    found = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("difference", []):
        one = Expected(tuple(entry.get("hosts", hosts.NAMES)), entry["scenarios"], entry["reason"])
        if not one.reason.strip() or set(one.hosts) - set(hosts.NAMES):
            raise ValueError(f"{path.name}: {one.scenarios} has no reason, or names an unknown host")
        found.append(one)
    return found


def execute(arguments: argparse.Namespace) -> int:
    """Run, compare, report. 0: nothing differs but what is declared."""
    runs: Runs = {}
    for host, loop in ON if arguments.host == ALL else [(arguments.host, arguments.loop)]:
        native = Side(alias=True, loop=loop, engine=arguments.http, host=hosts.NATIVE)
        other = Side(alias=True, loop=loop, engine=arguments.http, host=host)
        try:
            found = runs[host, loop] = run_all(native, other, host, arguments.only)
        finally:
            native.close()
            other.close()
        results.print_report(found)
        for name in needless(host, found):
            print(f"declared as different under {host}, but equal: {name}")
    print(table(runs))
    if arguments.json:
        data = [{"host": host, "loop": loop, **vars(one)} for (host, loop), found in runs.items() for one in found]
        Path(arguments.json).write_text(json.dumps(data, indent=1), encoding="utf-8")
    if arguments.page:
        page = Path(arguments.page)
        page.write_text(put_into(page.read_text(encoding="utf-8"), table(runs), BEGIN, END), encoding="utf-8")
    return 1 if any(one.different for found in runs.values() for one in found) else 0


def run_all(native: Side, other: Side, host: str, only: str | None) -> list[Result]:
    expected = declared()
    names = [one["name"] for one in native.ask({"list": True})]
    found = []
    progress = results.Progress()
    for name in names:
        if not (name.startswith(GROUPS) and results.chosen(name, only)):
            continue
        result = run_one(native, other, host, name, expected)
        if result is not None:
            found.append(result)
            progress.show(result)
    progress.end()
    return found


def run_one(native: Side, other: Side, host: str, name: str, expected: list[Expected]) -> Result | None:
    """One scenario on both; what differs has to differ three times. None for one that is not about a connection."""
    difference = ""
    for _ in range(3):
        native.send({"run": name})
        other.send({"run": name})
        ours, theirs = _meant(native.answer()), _meant(other.answer())
        if "answers" not in ours:
            return None
        difference = "" if ours == theirs else results.difference(_text(ours), _text(theirs))
        if not difference:
            return Result(name)
        found = next((one for one in expected if one.covers(host, name)), None)
        if found is not None:
            return Result(name, deliberate=found.reason, declaration=found.scenarios, seen=difference)
    return Result(name, different=difference)


def _meant(answer: Any) -> dict[str, Any]:
    recording = json.loads(answer["normal"])
    return meaning.of(recording) or {"other": recording}


def _text(meant: dict[str, Any]) -> str:
    return json.dumps(meant, indent=1)


def needless(host: str, found: list[Result]) -> list[str]:
    """What came out equal though it is declared: a declaration that is too broad, or chance where time matters."""
    expected = declared()
    equal = [one.name for one in found if not (one.different or one.deliberate)]
    return [name for name in equal if any(one.covers(host, name) for one in expected)]


def table(runs: Runs) -> str:
    """Markdown: a row for each host and loop; then what was declared, how often, and why."""
    lines = ["| server | loop | scenarios | equal | declared | different |", "|---|---|---|---|---|---|"]
    declarations: dict[str, dict[str, int]] = {}
    for (host, loop), found in runs.items():
        differing = [one for one in found if one.deliberate]
        for one in differing:
            count = declarations.setdefault(one.deliberate, {})
            count[host] = count.get(host, 0) + (loop == "asyncio" or (host, "asyncio") not in runs)
        different = sum(bool(one.different) for one in found)
        cells = (host, loop, len(found), len(found) - len(differing) - different, len(differing), different)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    names = [host for host in hosts.NAMES if any(one == host for one, _ in runs)]
    lines += ["", f"| what is declared | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for reason, count in sorted(declarations.items(), key=lambda item: -sum(item[1].values())):
        lines.append(f"| {reason} | " + " | ".join(str(count.get(name) or "") for name in names) + " |")
    return "\n".join(lines)
