"""The sweep: that both packages do the same work, what is made of the figures, and the status of the command."""

import json
import tomllib
from typing import Any

import pytest

from tornadolike.__main__ import main
from tornadolike._bench import scenarios, sweep
from tornadolike._bench.errors import BenchError
from tornadolike._bench.figures import Comparison, Load, Result, Round
from tornadolike._bench.works.__main__ import load

pytest.importorskip("tornado")


def row(ours: float, tornado: float, floor: float = 1.0) -> sweep.Row:
    return sweep.Row("some: work", {("tornado", "asyncio"): [tornado, tornado * 9], ("tornadolike", "asyncio"): [ours * 5, ours]}, floor)


def test_the_least_of_each_counts_on_the_best_loop() -> None:
    one = row(1.0, 3.0)
    one.seconds["tornado", "uvloop"] = [2.0, 7.0]
    assert (one.best("tornado"), one.best("tornadolike"), one.ratio) == (2.0, 1.0, 2.0)


@pytest.mark.parametrize(("ratio", "floor", "holds"), [(1.0, 1.0, True), (0.96, 1.0, True), (0.94, 1.0, False), (2.0, 2.2, False)])
def test_a_floor_holds_but_for_noise(ratio: float, floor: float, holds: bool) -> None:
    assert row(1.0, ratio, floor).holds is holds


def test_what_could_not_be_measured_does_not_hold() -> None:
    broken = row(1.0, 2.0)
    broken.error = "it ended"
    assert not broken.holds
    nothing = sweep.Row("some: work", {("tornado", "asyncio"): [], ("tornadolike", "asyncio"): [1.0]})
    assert (nothing.ratio, nothing.holds) == (0.0, False)
    assert "BELOW ITS FLOOR: some: work: it ended" in sweep.render([broken])
    json.dumps(sweep.as_data(nothing))


class Child:
    """Takes what it is told to, one value after the other."""

    loop = "asyncio"

    def __init__(self, package: str, *seconds: float) -> None:
        self.package, self.left = package, [0.01, *seconds]

    def seconds(self, name: str, count: int) -> float:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@pytest.mark.parametrize(("ours", "looks"), [((0.02, 0.02, 0.01), 2), ((0.01, 0.02), 1), ((0.02,), 1 + sweep._MORE_LOOKS)])
def test_what_lies_below_its_floor_is_measured_again(ours: tuple[float, ...], looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_count", lambda child, name: 1)
    children: Any = [Child("tornado", 0.01), Child("tornadolike", *ours)]
    measured = sweep.Row("some: work")
    sweep._measure(measured, children, 2)
    assert {len(rounds) for rounds in measured.seconds.values()} == {2 * looks}
    assert measured.holds is (looks <= sweep._MORE_LOOKS)


def test_a_scenario_becomes_a_row() -> None:
    rounds = [Round(Load(100, 1.0), cpu, 0) for cpu in (0.2, 0.1)]
    results = [Result("tornado uvloop", rounds), Result("tornadolike uvloop httptools", [Round(Load(100, 1.0), 0.02, 0)])]
    made = sweep.row_of(Comparison("hello", "Hello", "request", "cpu_us", results))
    assert (made.name, made.ratio, made.floor) == ("HTTP: hello", 5.0, sweep.floors()["HTTP: hello"])


def test_each_floor_is_that_of_a_work() -> None:
    known = {*load(), sweep._IMPORTS, *(f"HTTP: {name}" for name in sweep.SCENARIOS)}
    assert set(tomllib.loads(sweep.FLOORS.read_text(encoding="utf-8"))["floors"]) <= known
    assert len(scenarios.named(list(sweep.SCENARIOS))) == len(sweep.SCENARIOS)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_all_works_work_on_both(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    for package in (sweep.TORNADO, sweep.OURS):
        child = sweep._Child(package, loop)
        try:
            assert all(child.seconds(name, 3) >= 0 for name in child.names)
            assert {name.partition(":")[0] for name in child.names} >= {"escape", "gen", "ioloop", "locks", "queues", "iostream", "web"}
            with pytest.raises(BenchError, match=f"{package} on {loop} ended: (?s:.*)KeyError"):
                child.seconds("no such work", 1)
        finally:
            child.close()


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sweep.json"
    arguments = ["bench", "--sweep", "--rounds", "1", "--scenario", "util: import_object", "--json", str(file)]
    monkeypatch.setattr(sweep, "floors", lambda: {"util: import_object": 0.001})
    assert main(arguments) == 0
    assert "1 of 1 hold" in capsys.readouterr().out
    assert json.loads(file.read_text(encoding="utf-8"))[0]["holds"] is True
    monkeypatch.setattr(sweep, "floors", lambda: {"util: import_object": 1000})
    assert main(arguments) == 1
    assert "BELOW ITS FLOOR: util: import_object" in capsys.readouterr().out
    assert main(["bench", "--sweep", "--scenario", "nothing of that name"]) == 1
