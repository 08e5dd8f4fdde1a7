"""The table of loops: what it tries works here, and what does not work is said."""

import json
import shutil
from pathlib import Path

import pytest

from compat_suite import __main__ as command
from compat_suite import loops


@pytest.fixture(autouse=True)
def _certificates() -> None:
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificates with openssl")


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_everything_works(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "loops.json"
    assert command.main(["loops", "--only", name, "--json", str(path)]) == 0
    assert json.loads(path.read_text(encoding="utf-8")) == {name: dict.fromkeys(loops.COLUMNS, "yes")}
    assert f"| {name} | yes | yes |" in capsys.readouterr().out


def test_what_does_not_work_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('not on this loop')")
    monkeypatch.setattr(loops, "_PROGRAM", broken)
    assert command.main(["loops", "--only", "asyncio"]) == 1
    out = capsys.readouterr().out
    assert "| asyncio | no: not on this loop |" in out
