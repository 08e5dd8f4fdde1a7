"""mypy finds the same in a Tornado application, whether it reads Tornado's types or tornadolike's; pyright finds it through the stubs."""

import importlib.metadata
import importlib.util
import json
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


def findings(directory: Path, package: str, cache: Path, found_in: Path | None = None) -> list[str]:
    """What mypy has to say to the sources when they import ``package``, ``found_in`` that directory; the package's name left out."""
    directory.mkdir()
    for source in SOURCES:
        text = (HERE / source).read_text(encoding="utf-8")
        (directory / source).write_text(re.sub(r"\btornado\b", package, text), encoding="utf-8")
    (directory / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\nhide_error_context = true\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TORNADOLIKE_", "MYPY", "PYTHONPATH"))}
    places = [] if found_in is None else [str(directory.with_name("types"))]
    if found_in is not None:
        directory.with_name("types").mkdir()
        directory.with_name("types").joinpath(package).symlink_to(found_in)
    if PACKAGES.name not in ("site-packages", "dist-packages"):
        places.append(str(PACKAGES))
    environment["MYPYPATH"] = os.pathsep.join(places)
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
    [real] = importlib.util.find_spec("tornado").submodule_search_locations  # type: ignore[union-attr]  # it is there
    assert findings(tmp_path / "tornado", "tornado", tmp_path / "cache", Path(real)) == of_tornadolike


def test_with_the_stubs_import_tornado_gives_the_same(of_tornadolike: list[str], tmp_path: Path) -> None:
    """Where only tornadolike is installed; the wheel has them as ``tornado-stubs``."""
    stubs = PACKAGES / ".ci" / "tornado-stubs"
    if not stubs.is_dir():
        pytest.skip("needs the checkout")
    found = findings(tmp_path / "stubs", "tornado", tmp_path / "cache", stubs)
    assert [line.replace("tornadolike.", "") for line in found] == of_tornadolike


def test_the_stubs_are_those_that_are_written_from_the_modules() -> None:
    if not (PACKAGES / ".ci" / "stubs.py").exists():
        pytest.skip("needs the checkout")
    done = subprocess.run([sys.executable, str(PACKAGES / ".ci" / "stubs.py"), "--check"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")


def test_what_only_type_checkers_see(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(
        "from tornadolike import gen, httputil, queues, web\n"
        "class Main(web.RequestHandler):\n"
        "    async def get(self) -> None:\n"
        "        assert self.request.connection is not None\n"
        "        self.request.connection.set_max_body_size(3)\n"
        "        self.request.connection.stream.set_nodelay(True)\n"
        "        numbers: queues.PriorityQueue[int] = queues.PriorityQueue()\n"
        "        anything: queues.PriorityQueue = queues.PriorityQueue()\n"
        "        reveal_type((await numbers.get(), gen.TimeoutError()))\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "--no-error-summary", "program.py"]
    variables = {**os.environ, "MYPYPATH": str(PACKAGES)} if PACKAGES.name not in ("site-packages", "dist-packages") else {**os.environ}
    run = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert run.stdout.strip().endswith('note: Revealed type is "tuple[int, TimeoutError]"'), run.stdout
    assert len(run.stdout.splitlines()) == 1


def test_pyright_resolves_import_tornado_through_the_stubs(tmp_path: Path) -> None:
    """As editors do, where only tornadolike is installed: an application without a complaint, and the mistakes that are its kind."""
    pytest.importorskip("pyright", reason="the extra `dev` is not installed")
    stubs = PACKAGES / ".ci" / "tornado-stubs"
    if not stubs.is_dir():
        pytest.skip("needs the checkout")
    (tmp_path / "typings").mkdir()
    (tmp_path / "typings" / "tornado").symlink_to(stubs)
    for source in SOURCES:
        (tmp_path / source).write_text((HERE / source).read_text(encoding="utf-8"), encoding="utf-8")
    settings = {"include": list(SOURCES), "extraPaths": [str(PACKAGES)], "stubPath": "typings", "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert "{" in run.stdout, run.stdout + run.stderr
    report = json.loads(run.stdout[run.stdout.index("{") :])  # behind what it says of its installation
    assert report["summary"]["filesAnalyzed"] == len(SOURCES)
    found = {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in report["generalDiagnostics"] if one["severity"] == "error"
    }
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    wrong = {("mistakes.py", number) for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert found == wrong
