"""The figures as plain data, for a JSON file and for the page."""

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tornadolike._bench import candidates, growth, targets, wrk
from tornadolike._bench.comparing import Plan
from tornadolike._bench.figures import FIGURES, Comparison, Result, Spread


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of the command found out."""

    comparisons: Sequence[Comparison] = ()
    verdicts: Sequence[targets.Verdict] = ()
    grown: Sequence[growth.Growth] = ()

    def failed(self) -> bool:
        """Whether some candidate has an error instead of figures."""
        everything = [*self.comparisons, *(one for growth in self.grown for one in growth.comparisons)]
        return any(one.error for comparison in everything for one in comparison.results)


def of(measured: Measured, plan: Plan, command: Sequence[str]) -> dict[str, Any]:
    """Everything that was measured, and on what."""
    return {
        "environment": environment(plan, command),
        "scenarios": [_scenario(one) for one in measured.comparisons],
        "targets": [_target(one) for one in measured.verdicts],
        "growth": [_growth(one) for one in measured.grown],
    }


def environment(plan: Plan, command: Sequence[str]) -> dict[str, Any]:
    """The machine, the versions, the command."""
    return {
        "command": " ".join(command),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1) if sys.platform != "win32" else None,
        "load_from": "wrk" if plan.settings.use_wrk and plan.seconds >= wrk.LEAST_SECONDS else "the built-in generator",
        "connections": plan.settings.connections,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "versions": candidates.versions(),
    }


def _scenario(comparison: Comparison) -> dict[str, Any]:
    return {
        "name": comparison.name,
        "title": comparison.title,
        "unit": comparison.unit,
        "figure": comparison.figure,
        "first": comparison.first.candidate,
        "candidates": [_candidate(one, comparison) for one in comparison.results],
    }


def _target(verdict: targets.Verdict) -> dict[str, Any]:
    texts = dict(zip(targets.HEADINGS, targets.rows([verdict])[0], strict=True))
    target = verdict.target
    return {"scenario": target.scenario, "ours": target.ours, "met": verdict.met, "ratio": _spread(verdict.measured), **texts}


def _growth(one: growth.Growth) -> dict[str, Any]:
    family = one.family
    lines = [
        {"name": line.candidate, "error": line.error, "costs": line.costs(), "power": line.power(), "linear": line.linear()}
        for line in one.lines()
    ]
    return {"name": family.name, "title": family.title, "cost": family.cost, "sizes": list(family.sizes), "candidates": lines}


def _candidate(result: Result, comparison: Comparison) -> dict[str, Any]:
    figures = {figure: _spread(result.spread(figure)) for figure in FIGURES}
    ratio = _spread(result.ratio(comparison.first, comparison.figure))
    each_round = [] if result.error else [one.value(comparison.figure) for one in result.rounds]
    return {
        "name": result.candidate,
        "error": result.error,
        "rounds": len(result.rounds),
        **figures,
        "times_less": ratio,
        "each_round": each_round,
    }


def _spread(value: Spread | None) -> dict[str, float] | None:
    return None if value is None else asdict(value)
