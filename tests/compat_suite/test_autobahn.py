"""The command that runs the Autobahn suite: what it makes of the suite's verdicts. The suite itself is not run here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compat_suite import autobahn, environment


def case(behavior: str = "OK", closing: str = "OK") -> dict[str, Any]:
    return {"behavior": behavior, "behaviorClose": closing, "remoteCloseCode": 1000, "duration": 1}


RESULTS = {
    "server": {"1.2.10": case(), "1.2.2": case(), "6.4.2": case("NON-STRICT"), "7.1.6": case("INFORMATIONAL", "INFORMATIONAL")},
    "client": {"1.1.1": case(), "9.1.1": case("FAILED")},
}


@pytest.mark.parametrize(
    ("behavior", "closing", "verdict"),
    [
        ("OK", "OK", "OK"),
        ("NON-STRICT", "OK", "NON-STRICT"),
        ("NON-STRICT", "INFORMATIONAL", "INFORMATIONAL"),
        ("OK", "FAILED", "FAILED"),
        ("OK", "UNCLEAN", "FAILED"),
        ("OK", "WRONG CODE", "FAILED"),
        ("UNIMPLEMENTED", "OK", "FAILED"),
    ],
)
def test_verdicts(behavior: str, closing: str, verdict: str) -> None:
    assert autobahn.verdict(case(behavior, closing)) == verdict


def test_the_table() -> None:
    assert autobahn.table(RESULTS).splitlines() == [
        "| group | server | client |",
        "|---|---|---|",
        "| 1: frames of all sizes | 2 OK | 1 OK |",
        "| 6: UTF-8 | 1 non-strict | none |",
        "| 7: the closing handshake | 1 informational | none |",
        "| 9: limits and performance | none | 1 failed |",
        "| all | 2 OK, 1 non-strict, 1 informational | 1 OK, 1 failed |",
    ]


def test_the_pieces_are_the_groups() -> None:
    assert {autobahn.order(piece.partition(".*")[0])[0] for piece in autobahn.PIECES} == set(autobahn.SUBJECTS)


def test_what_the_suite_wrote(tmp_path: Path) -> None:
    index = {"examined": {"1.1.1": {**case(), "reportfile": "x"}}}
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    assert autobahn.read(tmp_path) == {"1.1.1": case()}
    assert autobahn.read(tmp_path / "nowhere") == {}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command with given verdicts in place of the suite."""
    monkeypatch.setattr(environment, "check", lambda: None)
    monkeypatch.setattr(autobahn, "Suite", lambda python2: None)

    def run(found: dict[str, Any] | Exception, *options: str) -> int:
        def examine(side: str, pattern: str, *_: object) -> dict[str, Any]:
            if isinstance(found, Exception):
                raise found
            return {number: one for number, one in found[side].items() if number.startswith(pattern.rstrip("*"))}

        monkeypatch.setattr(autobahn, "examine", examine)
        return autobahn.main(["--python2", "python2.7", *options])

    return run


def test_the_report_and_the_exit_status(command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, as_json, html = tmp_path / "page.md", tmp_path / "results.json", tmp_path / "page.html"
    page.write_text(f"before\n{autobahn.BEGIN}\n{autobahn.END}\nafter", encoding="utf-8")
    assert command(RESULTS, "--page", str(page), "--json", str(as_json), "--html", str(html)) == 1
    assert "<td>DIFFERS</td>" in html.read_text(encoding="utf-8")
    assert autobahn.table(RESULTS) in page.read_text(encoding="utf-8")
    assert json.loads(as_json.read_text(encoding="utf-8")) == RESULTS
    out = capsys.readouterr().out
    assert "9.1.1: messages FAILED, closing OK, close code 1000, 0.0 s" in out
    assert "1.1.1:" not in out
    assert list(json.loads(as_json.read_text(encoding="utf-8"))["server"]) == ["1.2.2", "1.2.10", "6.4.2", "7.1.6"]
    assert command(RESULTS, "--side", "server") == 0


def test_a_run_that_is_not_complete(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(autobahn.Incomplete("1 of 2 cases"), "--side", "client", "--case", "1.*") == 2
    assert capsys.readouterr().err == "compat_suite autobahn: 1 of 2 cases\n"


def test_without_python_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(environment, "check", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert autobahn.main([]) == 2
    assert "pyenv install 2.7.18" in capsys.readouterr().err


def test_a_child_is_waited_for_and_ended(tmp_path: Path) -> None:
    program = "import time; print('port 17', flush=True); time.sleep(60)"
    with autobahn.Process([sys.executable, "-c", program], {}, tmp_path / "out.txt") as child:
        assert child.says(r"^port (\d+)$") == "17"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.01)
    child.wait(0)
    broken = autobahn.Process([sys.executable, "-c", "print('no')"], {}, tmp_path / "out.txt")
    with broken, pytest.raises(autobahn.Incomplete, match="did not start: no"):
        broken.says(r"^port (\d+)$")
