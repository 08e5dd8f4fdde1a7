"""The comparison of two runs of one test module, without running anything."""

import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXCLUSIONS = Path(__file__).with_name("exclusions.toml")


_FAILED_IMPORT = "unittest.loader._FailedTest."


@dataclass(frozen=True)
class Exclusion:
    """A test that is not asked for: why, whether it looks inside a private class, and on which loops (None: on all)."""

    id: str
    reason: str
    whitebox: bool
    loops: tuple[str, ...] | None = None


@dataclass
class ModuleRun:
    """What the runner said about one module: each test's outcome, details of failures, and whether the run itself was clean."""

    outcomes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    seconds: float = 0.0

    def count(self, outcome: str) -> int:
        return Counter(self.outcomes.values())[outcome]

    def as_json(self) -> dict[str, Any]:
        return {"outcomes": self.outcomes, "details": self.details, "problem": self.problem, "seconds": round(self.seconds, 2)}


def exclusions(path: Path = EXCLUSIONS) -> list[Exclusion]:
    """The list in the repository. Raises `ValueError` for an entry without a reason or one that stands there twice."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("test", [])
    found = []
    for entry in entries:
        if not str(entry.get("reason", "")).strip():
            raise ValueError(f"{path.name}: {entry.get('id')} has no reason")
        loops = tuple(entry["loops"]) if "loops" in entry else None
        found.append(Exclusion(entry["id"], entry["reason"], bool(entry["whitebox"]), loops))
    twice = [name for name, times in Counter(one.id for one in found).items() if times > 1]
    if twice:
        raise ValueError(f"{path.name}: listed twice: {', '.join(twice)}")
    return found


def differences(tornado: ModuleRun, ours: ModuleRun, excluded: frozenset[str]) -> dict[str, str]:
    """Each test (or the module as a whole, under the empty id) in which we are worse than Tornado and which nothing excuses."""
    found = {}
    unloadable = any(name.startswith(_FAILED_IMPORT) for name in ours.outcomes)
    for name, outcome in tornado.outcomes.items():
        got = ours.outcomes.get(name, "missing")
        if got == "missing" and unloadable:
            continue  # one entry for the module says it
        if outcome != "passed" or name in excluded or got == "passed":
            continue
        found[name] = f"{got}: {ours.details.get(name, '')}".rstrip(": ")
    for name, outcome in ours.outcomes.items():
        if name not in tornado.outcomes and name not in excluded and outcome == "failed":
            found[name] = f"failed, and is not among Tornado's tests: {ours.details.get(name, '')}"
    if ours.problem and not tornado.problem:
        found[""] = ours.problem
    return found
