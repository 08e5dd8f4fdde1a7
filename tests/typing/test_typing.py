"""mypy finds the same in a Tornado application, whether it reads Tornado's types or tornadolike's."""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tornadolike

HERE = Path(__file__).parent
PACKAGES = Path(tornadolike.__file__).parent.parent
SOURCES = ("application.py", "mistakes.py")


def findings(directory: Path, package: str, cache: Path) -> list[str]:
    """What mypy has to say to the sources when they import ``package``; the package's name left out."""
    directory.mkdir()
    for source in SOURCES:
        text = (HERE / source).read_text(encoding="utf-8")
        (directory / source).write_text(re.sub(r"\btornado\b", package, text), encoding="utf-8")
    (directory / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\nhide_error_context = true\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TORNADOLIKE_", "MYPY", "PYTHONPATH"))}
    if PACKAGES.name not in ("site-packages", "dist-packages"):
        environment["MYPYPATH"] = str(PACKAGES)
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(cache), "--no-error-summary", *SOURCES]
    run = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return sorted(run.stdout.replace(f"{package}.", "").replace(f'"{package}"', '"tornado"').splitlines())


@pytest.fixture(scope="module")
def of_tornadolike(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pytest.importorskip("mypy")
    base = tmp_path_factory.mktemp("types")
    return findings(base / "tornadolike", "tornadolike", base / "cache")


def test_an_application_has_no_type_errors(of_tornadolike: list[str]) -> None:
    assert [line for line in of_tornadolike if line.startswith("application.py")] == []


def test_mistakes_are_found(of_tornadolike: list[str]) -> None:
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    found = {int(line.split(":")[1]) for line in of_tornadolike if ": error: " in line}
    assert found == wrong


def test_as_with_tornado(of_tornadolike: list[str], tmp_path: Path) -> None:
    if importlib.util.find_spec("tornado") is None or importlib.metadata.version("tornado") != tornadolike.version:
        pytest.skip("needs the Tornado whose API is offered")
    assert findings(tmp_path / "tornado", "tornado", tmp_path / "cache") == of_tornadolike
