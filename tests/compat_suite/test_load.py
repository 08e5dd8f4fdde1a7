"""The load suite with small numbers: nothing fails, nothing is left behind."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_suite.load import __main__ as command
from compat_suite.load import report, rough, runner, soak, steady
from compat_suite.load.subject import Subject, found
from compat_suite.load.traffic import Outcome, Traffic


@pytest.fixture(scope="module")
def subject(request: Any) -> Iterator[Subject]:
    (candidate,) = found([f"tornadolike {request.config.getoption('--loop')} httptools"])
    with Subject.serving(candidate) as serving:
        yield serving


def test_steady(subject: Subject) -> None:
    result = steady.run(subject, connections=300, rate=300, seconds=2)
    assert result.problems() == []
    assert result.outcome.sent == len(result.outcome.latencies) == 600
    assert result.during.descriptors >= 300
    assert report.steady("name", result)[:2] == ("name", "300")


def test_rough(subject: Subject) -> None:
    result = rough.run(subject, websockets=40, slow=90, rate=100, seconds=1.5, rounds=2)
    # How much slower others get is no question for so small and busy a machine as a gate's.
    assert [problem for problem in result.problems() if not problem.startswith("p99")] == []
    assert result.happened["WebSockets aborted"] == 80
    assert result.happened["readers began"] == 60
    assert result.during.descriptors > result.before.descriptors + 80
    assert report.rough("name", result)[0] == "name"


@pytest.mark.parametrize("what", soak.WORKS)
def test_soak(subject: Subject, what: str) -> None:
    result = soak.run(subject, what, 600)
    assert result.done >= 600
    assert len(result.states) == 10
    assert result.problems() == []
    assert report.soak("name", result)[1].endswith(what)


def test_a_server_that_leaks_is_found_out() -> None:
    def state(descriptors: int, mebibytes: int, blocks: int) -> Any:
        return steady.State(descriptors, mebibytes << 20, blocks)

    before = state(9, 30, 100_000)
    assert steady.leftovers(before, state(99, 50, 200_000), [state(9, 45, 100_900), state(9, 50, 100_900)]) == []
    problems = steady.leftovers(before, state(99, 50, 200_000), [state(9, 50, 100_000), state(11, 53, 103_000)])
    assert [problem.split(" ")[0] for problem in problems] == ["2", "3000", "memory"]
    soaked = soak.Soak("requests", 10, [before, before, *[state(9, 30 + n, 100_000 + 1000 * n) for n in range(8)]])
    assert len(soaked.problems()) == 2


def test_failures_are_counted(subject: Subject) -> None:
    with pytest.raises(Exception, match="answers with status 404"):
        Traffic(subject.host, subject.port, 1, "/nowhere", b"Hello, world")
    broken = Outcome(sent=1, failed=["closed the connection"])
    result = steady.Steady(1, broken, 0.1, *[steady.State(9, 1, 1)] * 2, [steady.State(9, 1, 1)] * 2)
    assert result.problems() == ["1 requests failed, such as: closed the connection"]


def test_a_page_gets_the_table(tmp_path: Any) -> None:
    page = tmp_path / "page.md"
    page.write_text("before <!-- load soak: begin -->\nold\n<!-- load soak: end --> after", encoding="utf-8")
    report.put_into(page, "soak", report.markdown("soak", [("a", "b", "c", "d", "e")]))
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert "| a | b | c | d | e |" in text
    assert text.startswith("before ")
    assert text.endswith(" after")
    with pytest.raises(ValueError, match="has no"):
        report.put_into(page, "rough", "")


def test_the_command(monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    pytest.importorskip("tornado", reason="the suite needs the real Tornado")
    pytest.importorskip("uvloop")
    head = report.HEADS["rough"]

    def measure(candidate: Any, arguments: Any) -> Any:
        yield tuple(f"{candidate.name} {arguments.slow} {name}" for name in head), ["a leak"] if "uvloop" in candidate.name else []

    monkeypatch.setitem(runner.PARTS, "rough", measure)
    as_json, html = tmp_path / "figures.json", tmp_path / "page.html"
    words = ["rough", "--slow", "7", "--candidate"]
    assert command.main([*words, "tornadolike asyncio h11"]) == 0
    assert command.main([*words, "tornadolike uvloop h11", "--json", str(as_json), "--html", str(html)]) == 1
    [one] = json.loads(as_json.read_text(encoding="utf-8"))["rough"]
    assert one["problems"] == ["a leak"]
    assert one["figures"]["server"] == "tornadolike uvloop h11 7 server"
    assert "DIFFERS: a leak" in html.read_text(encoding="utf-8")
    assert "PROBLEM: a leak" in capsys.readouterr().out
    for wrong, message in (
        (["rough", "--slow", "0"], "compat_suite load: --slow: '0' is not a whole number at least 1 (--help lists the options)"),
        (["rough", "--rate", "x"], "compat_suite load: --rate: 'x' is not a number of more than 0 (--help lists the options)"),
        (["rough", "--raet", "1"], "compat_suite load: no such option: --raet (did you mean --rate?) (--help lists the options)"),
    ):
        with pytest.raises(SystemExit) as ended:
            command.main(wrong)
        assert ended.value.code == 2
        assert capsys.readouterr().err == f"python -m {message}\n"


def test_unknown_candidates(capsys: Any) -> None:
    pytest.importorskip("tornado", reason="the suite needs the real Tornado")
    assert command.main(["steady", "--candidate", "nothing like it"]) == 2
    assert "there are: " in capsys.readouterr().err
