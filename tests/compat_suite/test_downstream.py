"""Packages from PyPI: what counts as the same, and what is read from a run. No package is installed here."""

import argparse
import json
import re
from pathlib import Path

import pytest

from compat_suite.downstream import environments, runner


def test_the_same_outcomes_are_no_difference() -> None:
    assert runner.differences({"a": "passed", "b": "failed"}, {"a": "passed", "b": "failed"}) == {}


@pytest.mark.parametrize(
    ("tornado", "ours", "names"),
    [
        ({"a": "passed"}, {"a": "failed"}, ["a"]),
        ({"a": "passed"}, {"a": "skipped"}, ["a"]),
        ({"a": "passed", "b": "passed"}, {"a": "passed"}, ["b"]),
        ({"a": "failed"}, {"a": "passed"}, []),
        ({"a": "failed: it broke"}, {"a": "[200]"}, []),
        ({"cell": "[1]"}, {"cell": "[2]"}, ["cell"]),
        ({"a": "passed"}, {"a": "passed", "log": "an error"}, ["log"]),
        ({}, {"a": "passed"}, ["baseline"]),
        ({"run": "exit status 1: gone"}, {"run": "exit status 1: gone"}, ["baseline"]),
        ({"a": "passed"}, {"run": "exit status 1: gone"}, ["a", "run"]),
    ],
)
def test_differences(tornado: dict[str, str], ours: dict[str, str], names: list[str]) -> None:
    assert list(runner.differences(tornado, ours)) == names


def test_outcomes_from_junit(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    cases = '<testcase classname="m.C" name="a"/><testcase classname="m.C" name="b"><failure>x</failure></testcase>'
    cases += '<testcase classname="m" name="c"><skipped/></testcase><testcase classname="m" name="d"><error/></testcase>'
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
    assert runner.from_junit(path) == {"m.C.a": "passed", "m.C.b": "failed", "m.c": "skipped", "m.d": "failed"}


def test_outcomes_from_a_program() -> None:
    assert runner.from_program(0, 'noise\n{"a": "x", "b": [1]}\n') == {"a": "x", "b": "[1]"}
    assert runner.from_program(None, "Traceback\nValueError: x") == {"run": "exit status None: ValueError: x"}


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {"a": "passed", "b": "failed"}
    result = runner.Result("p", "", version="1.2", tornado=outcomes, ours={"asyncio": outcomes, "uvloop": {**outcomes, "c": "[1]"}})
    broken = runner.Result("q", "", different={"asyncio: a": "x", "uvloop: a": "x"})
    assert runner.table([result, broken], runner.LOOPS).splitlines() == [
        "| package | version | tests | Tornado | asyncio | uvloop | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| p | 1.2 | 2 | 1 failed, 1 passed | 1 failed, 1 passed | 1 failed, 1 passed, 1 seen | as on Tornado |",
        "| q |  | 0 | nothing | nothing | nothing | DIFFERS: 2 |",
    ]


def test_what_cannot_be_installed_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environments.sys, "executable", "/nonexistent/python")
    package = environments.Package("p", "", ["nothing"], "program", ["x.py"], 1)
    result = runner.measure(package, ["asyncio"], "auto")
    assert list(result.different) == ["environment"]
    assert package.home.is_relative_to(tmp_path)


@pytest.fixture
def no_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "prepare", lambda package: None)
    monkeypatch.setattr(environments.Package, "version", "1")


@pytest.mark.usefixtures("no_environments")
@pytest.mark.parametrize(
    ("tries", "different", "once"),
    [
        (["passed"], [], ["uvloop: a"]),
        (["failed", "passed"], [], ["uvloop: a"]),
        (["failed", "failed"], ["uvloop: a"], []),
    ],
)
def test_what_differs_has_to_differ_each_time(
    monkeypatch: pytest.MonkeyPatch, tries: list[str], different: list[str], once: list[str]
) -> None:
    more = [{"a": outcome} for ours in tries for outcome in ("passed", ours)]
    outcomes = iter([{"a": "passed"}, {"a": "passed"}, {"a": "failed"}, *more])
    ran = []

    def run(package: environments.Package, *, alias: bool, loop: str, engine: str) -> dict[str, str]:
        ran.append(loop if alias else "Tornado")
        return next(outcomes)

    monkeypatch.setattr(runner, "run", run)
    result = runner.measure(environments.Package("p", "", [], "pytest", ["x"], 1), runner.LOOPS, "auto")
    assert (list(result.different), result.once) == (different, once)
    assert result.ours == {"asyncio": {"a": "passed"}, "uvloop": {"a": "failed"}}
    assert list(result.seconds) == ["Tornado", "asyncio", "uvloop"]
    assert ran == ["Tornado", "asyncio", "uvloop", *["Tornado", "uvloop"] * len(tries)]


def _arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    runner.add_options(parser)
    return parser.parse_args(given)


@pytest.mark.usefixtures("no_environments")
@pytest.mark.parametrize(("ours", "status"), [("passed", 0), ("failed", 1)])
def test_packages_are_picked_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], ours: str, status: int
) -> None:
    monkeypatch.setattr(runner, "run", lambda package, *, alias, **_: {"a": ours if alias else "passed"})
    path = tmp_path / "results.json"
    assert runner.execute(_arguments("tenacity", "--package", "bottle", "--jobs", "2", "--json", str(path))) == status
    written = json.loads(path.read_text(encoding="utf-8"))
    assert [one["package"] for one in written] == [one.name for one in runner.packages() if one.name in ("tenacity", "bottle")]
    assert [list(one["ours"]) for one in written] == [["asyncio", "uvloop"]] * 2
    assert ("2 of 2 packages" if status == 0 else "0 of 2 packages") in capsys.readouterr().out


def test_one_that_is_not_listed_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.execute(_arguments("nosuch", "tenacity")) == 2
    assert "no package nosuch" in capsys.readouterr().err


def test_an_environment_that_another_checkout_made_is_pointed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_quiet", lambda command: f"{tmp_path}\n")
    package = environments.Package("p", "", [], "program", ["x.py"], 1)
    (tmp_path / "tornadolike").symlink_to("/elsewhere/tornadolike")
    for _ in range(2):
        environments._put_tornadolike_in(package)
        assert (tmp_path / "tornadolike").readlink() == environments.environment.ROOT / "tornadolike"
    assert (tmp_path / "tornadolike_alias.pth").exists()


def test_packages_may_share_an_environment_but_not_their_sources() -> None:
    one = environments.Package("a", "", ["x"], "program", ["x.py"], 1, environment="e")
    other = environments.Package("b", "", ["x"], "pytest", ["x.py"], 1, source="b", environment="e")
    assert one.home == other.home
    assert one.home != environments.Package("a", "", ["y"], "program", ["x.py"], 1, environment="e").home
    assert other.unpacked.name == "source-b"


def test_the_list_in_the_repository_is_well_formed() -> None:
    listed = runner.packages()
    assert len({one.name for one in listed}) == len(listed)
    for one in listed:
        assert one.kind in ("pytest", "program")
        assert one.about
        pinned = {re.split(r"[\[=]", name)[0].lower().replace("_", "-") for name in one.requires if "==" in name}
        assert one.published.lower().replace("_", "-") in pinned  # whose version the table shows
        if one.kind == "program":
            assert environments.directory(one).joinpath(one.run[0]).exists()


def test_children_are_told_which_tornado() -> None:
    variables = runner.variables(alias=True, loop="uvloop", engine="h11")
    assert (variables["TORNADOLIKE_AS_TORNADO"], variables["TORNADOLIKE_LOOP"]) == ("1", "uvloop")
    assert "TORNADOLIKE_AS_TORNADO" not in runner.variables(alias=False, loop="uvloop", engine="h11")
    assert json.dumps(variables)
