"""Targets: data that fits the scenarios, and verdicts."""

import re

import pytest

from tornadolike._bench import candidates, scenarios, targets
from tornadolike._bench.figures import Comparison, Load, Result, Round
from tornadolike._bench.targets import Target


def comparison(figure: str = "cpu_us", **costs: float | str) -> Comparison:
    def result(name: str, cost: float | str) -> Result:
        name = name.replace("_", " ")
        if isinstance(cost, str):
            return Result(name, error=cost)
        return Result(name, [Round(Load(1, 1.0, memory_bytes=cost * 1024), cost * 1e-6, 0)] * 3)

    return Comparison("hello", "Hello", "request", figure, [result(*item) for item in costs.items()])


def said(target: Target, of: Comparison) -> str:
    (verdict,) = targets.judge([of], [target])
    return f"{verdict.against}: {targets.sentence(verdict)}"


def test_targets_name_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_real_tornado", lambda: True)
    monkeypatch.setattr(candidates, "_installed", lambda name: True)
    there = candidates.find(["asyncio", "uvloop"], ["h11", "httptools"], with_peers=True, with_base=True)
    names = {one.name for one in there}
    known = {one.name: one for one in scenarios.BUILT_IN}
    for target in targets.TARGETS:
        assert {target.ours, *target.against} <= names
        assert bool(target.against) == bool(target.times) != bool(target.limit)
        peers = {name.partition(" ")[0] for name in target.against} - {"tornado"}
        assert peers <= set(known[target.scenario].peers)


def test_the_better_loop_counts() -> None:
    target = Target("hello", "tornadolike uvloop", ("tornado asyncio", "tornado uvloop"), 4)
    both = comparison(tornado_asyncio=100.0, tornado_uvloop=80.0, tornadolike_uvloop=20.0)
    assert said(target, both) == "tornado uvloop: met"
    assert (
        said(target, comparison(tornado_asyncio=90.0, tornado_uvloop="gone", tornadolike_uvloop=30.0)) == "tornado asyncio: short by 25 %"
    )


def test_a_limit() -> None:
    target = Target("hello", "tornadolike uvloop", limit=10)
    assert said(target, comparison(tornadolike_uvloop=10.0)) == ": met"
    assert said(target, comparison("memory_kib", tornadolike_uvloop=12.0)) == ": over by 20 %"


@pytest.mark.parametrize(
    ("of", "note"),
    [
        (comparison(tornado_asyncio=1.0), "no figure of tornadolike uvloop"),
        (comparison(tornadolike_uvloop=1.0), "no figure of tornado asyncio"),
        (comparison(tornadolike_uvloop=1.0, tornado_asyncio="gone"), "no figure of tornado asyncio"),
        (comparison(tornadolike_uvloop="gone\nlong ago", tornado_asyncio=1.0), "gone"),
    ],
)
def test_what_is_missing_is_said(of: Comparison, note: str) -> None:
    assert said(Target("hello", "tornadolike uvloop", ("tornado asyncio",), 2), of) == f"tornado asyncio: not measured: {note}"


def test_table() -> None:
    both = comparison(tornado_asyncio=100.0, tornado_uvloop=80.0, tornadolike_uvloop_httptools=20.0, aiohttp_uvloop=13.0)
    lines = targets.render(targets.judge([both])).splitlines()
    assert lines[0] == "Targets: 0 of 5 met"
    columns = ["Hello: uvloop httptools", "tornado uvloop", "7x less", "4.00 (4.00-4.00)", "short by 43 %"]
    assert re.split(r"  +", lines[2].strip()) == columns
    assert "not measured: no figure of tornadolike asyncio h11" in lines[5]


def test_only_what_was_measured_is_judged() -> None:
    assert targets.judge([]) == []
