"""The suite can fail: every way in which a run can be worse than Tornado's is a difference."""

from pathlib import Path

import pytest

from compat_suite.verdict import EXCLUSIONS, ModuleRun, differences, exclusions

_NOTHING: frozenset[str] = frozenset()


def run(problem: str = "", **outcomes: str) -> ModuleRun:
    return ModuleRun(outcomes=outcomes, problem=problem)


def test_the_same_outcome_is_no_difference() -> None:
    assert differences(run(a="passed", b="skipped"), run(a="passed", b="skipped"), _NOTHING) == {}


@pytest.mark.parametrize("got", ["failed", "skipped", None])
def test_a_test_that_tornado_passes_and_we_do_not(got: str | None) -> None:
    ours = run(a="passed") if got is None else run(a="passed", b=got)
    assert list(differences(run(a="passed", b="passed"), ours, _NOTHING)) == ["b"]


def test_details_are_shown() -> None:
    ours = ModuleRun(outcomes={"a": "failed"}, details={"a": "AssertionError: 1 != 2"})
    assert differences(run(a="passed"), ours, _NOTHING) == {"a": "failed: AssertionError: 1 != 2"}


def test_listed_tests_are_excused_and_no_others() -> None:
    assert list(differences(run(a="passed", b="passed"), run(a="failed", b="failed"), frozenset({"a"}))) == ["b"]


def test_what_tornado_itself_does_not_pass_is_not_asked_for() -> None:
    assert differences(run(a="failed", b="skipped"), run(a="failed", b="failed"), _NOTHING) == {}


def test_failures_outside_of_tornados_tests_count() -> None:
    assert list(differences(run(a="passed"), run(a="passed", extra="failed", more="passed"), _NOTHING)) == ["extra"]


def test_a_run_that_ends_badly_counts_though_every_test_passed() -> None:
    assert differences(run(a="passed"), run("time limit", a="passed"), _NOTHING) == {"": "time limit"}
    assert differences(run("noise", a="passed"), run("noise", a="passed"), _NOTHING) == {}


def test_a_module_that_cannot_be_imported_is_one_difference() -> None:
    ours = ModuleRun(outcomes={"unittest.loader._FailedTest.web_test": "failed"})
    assert list(differences(run(a="passed", b="passed"), ours, _NOTHING)) == ["unittest.loader._FailedTest.web_test"]


def test_exclusions_need_a_reason_and_stand_once(tmp_path: Path) -> None:
    path = tmp_path / "exclusions.toml"
    entry = '[[test]]\nid = "a"\nreason = "{}"\nwhitebox = true\nloops = ["uvloop"]\n'
    path.write_text(entry.format("drives a private class"), encoding="utf-8")
    assert [(one.id, one.whitebox, one.loops) for one in exclusions(path)] == [("a", True, ("uvloop",))]
    path.write_text(entry.format(" "), encoding="utf-8")
    with pytest.raises(ValueError, match="a has no reason"):
        exclusions(path)
    path.write_text(entry.format("x") * 2, encoding="utf-8")
    with pytest.raises(ValueError, match="listed twice: a"):
        exclusions(path)


def test_the_list_in_the_repository_is_well_formed() -> None:
    assert all(one.id.startswith("tornado.") for one in exclusions(EXCLUSIONS))
