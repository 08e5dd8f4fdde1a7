"""The command: parts run one after the other, and one that breaks down does not hide the others."""

import argparse
import json
from pathlib import Path

import pytest

from compat_suite import __main__ as command
from compat_suite import environment


def passes(arguments: argparse.Namespace) -> int:
    Path(arguments.json).write_text("[]", encoding="utf-8")
    return 0


def differs(arguments: argparse.Namespace) -> int:
    Path(arguments.json).write_text("[]", encoding="utf-8")
    return 1


def breaks(arguments: argparse.Namespace) -> int:
    raise ValueError("of the part")


@pytest.fixture(autouse=True)
def _suitable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "check", lambda: None)


def test_a_part_that_breaks_down_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PARTS", {"upstream": breaks, "differential": differs, "downstream": passes})
    path = tmp_path / "all.json"
    assert command.main(["all", "--json", str(path)]) == 2
    out, err = capsys.readouterr()
    assert "compat_suite: ValueError: of the part" in err
    assert [line.split() for line in out.strip().splitlines()[-3:]] == [
        ["upstream", "did", "not", "run"],
        ["differential", "DIFFERS"],
        ["downstream", "as", "it", "should", "be"],
    ]
    assert json.loads(path.read_text(encoding="utf-8")) == {"upstream": None, "differential": [], "downstream": []}


@pytest.mark.parametrize(("part", "status"), [(passes, 0), (differs, 1), (breaks, 2)])
def test_the_exit_status_is_the_parts(part: command.Part, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PARTS", {"downstream": part})
    assert command.main(["downstream"]) == status


def test_an_unsuitable_environment_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def unsuitable() -> None:
        raise environment.Unsuitable("pip install it")

    monkeypatch.setattr(environment, "check", unsuitable)
    assert command.main(["surface"]) == 2
    assert capsys.readouterr().err == "compat_suite: pip install it\n"


def test_json_on_standard_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "PARTS", {"upstream": differs, "downstream": passes})
    assert command.main(["all", "--json", "-"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"upstream": [], "downstream": []}
    assert "=== summary" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["upstrem"], "(did you mean upstream?)"),
        (["upstream", "--lop", "uvloop"], "no such option: --lop (did you mean --loop?)"),
        (["surface", "--json", "none/out.json"], "can't write 'none/out.json': no such directory"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = command.main(words)
    except SystemExit as ended:
        status = ended.code  # type: ignore[assignment]
    said = capsys.readouterr().err
    assert (status, said.count("\n")) == (2, 1)
    assert message in said


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "check", interrupted)
    assert command.main(["surface"]) == 130
