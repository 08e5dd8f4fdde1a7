"""What came out: for each scenario, for all of them, on the screen."""

import difflib
import fnmatch
import re
import time
from dataclasses import dataclass, field

from compat_suite.differential.deliberate import Deliberate, declared

_NUMBER = re.compile(r"\b[0-9a-f]{8,}\b|\d+")
_SHOWN = 40  # kinds of differences that are printed in full


@dataclass
class Result:
    """One scenario: what is wrong with it (nothing, if all is well), the reason of a declared difference, and under which declaration."""

    name: str
    different: str = ""
    deliberate: str = ""
    remarks: list[str] = field(default_factory=list)
    declaration: str = ""
    seen: str = ""  # the declared difference itself

    @property
    def group(self) -> str:
        return self.name.partition("/")[0].partition(".")[0]


def chosen(name: str, only: str | None) -> bool:
    return only is None or fnmatch.fnmatch(name, only) or name.startswith(only)


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
