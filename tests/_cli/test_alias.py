"""`tornadolike alias on|off|status`, in virtual environments as a user has them."""

import importlib.util
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
_WHERE = "import tornado, tornado.util, pathlib; print(tornado.util.__name__, pathlib.Path(tornado.__file__).parent.name)"


class Environment:
    """A virtual environment into which nothing is installed but tornadolike (by a link) and what that needs."""

    def __init__(self, home: Path) -> None:
        venv.create(home, with_pip=True, symlinks=True)
        self.home = home
        [self.site] = home.glob("lib/python*/site-packages")
        for name in ("h11", "wsproto"):
            [place] = importlib.util.find_spec(name).submodule_search_locations  # type: ignore[union-attr]  # they are installed
            (self.site / name).symlink_to(place)
        (self.site / "tornadolike").symlink_to(ROOT / "tornadolike")
        self.distribution("tornadolike", tornadolike.__version__)

    def distribution(self, name: str, version: str) -> None:
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{info.name}/RECORD,,\n", encoding="utf-8")

    def files(self) -> set[str]:
        return {str(path.relative_to(self.site)) for path in self.site.rglob("*") if "__pycache__" not in path.parts}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TORNADOLIKE_", "PYTHONPATH", "PIP_"))}
        command = [str(self.home / "bin" / "python"), *arguments]
        return subprocess.run(
            command, cwd=self.home, env=kept | variables, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
        )

    def alias(self, *words: str, **variables: str) -> tuple[int, str]:
        done = self.run("-m", "tornadolike", "alias", *words, **variables)
        assert "Traceback" not in done.stderr
        return done.returncode, (done.stdout + done.stderr).strip()


@pytest.fixture
def fresh(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


def wheel(directory: Path, name: str, requirement: str) -> None:
    with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{name}.py", "import tornado.web\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {requirement}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_on_status_off(fresh: Environment) -> None:
    before = fresh.files()
    assert fresh.alias("status") == (1, f"off: `import tornado` gives nothing in {fresh.home}, unless TORNADOLIKE_AS_TORNADO=1 is set")
    ours = f"with it, tornadolike {tornadolike.__version__}"
    assert fresh.alias("status", TORNADOLIKE_AS_TORNADO="yes") == (
        1, f"off: `import tornado` gives nothing in {fresh.home}, but TORNADOLIKE_AS_TORNADO=yes is set here: {ours}",
    )  # fmt: skip
    status, said = fresh.alias("on")
    assert (status, said.partition(":")[0]) == (0, "on")
    assert fresh.run("-c", _WHERE).stdout.strip() == "tornado.util tornadolike"
    assert fresh.run("-I", "-c", _WHERE).stdout.strip() == "tornado.util tornadolike"
    assert "No module named 'tornado'" in fresh.run("-c", _WHERE, TORNADOLIKE_AS_TORNADO="0").stderr
    assert fresh.alias("on") == (0, said)  # once more changes nothing
    assert fresh.alias("status")[0] == 0
    assert fresh.alias("off")[0] == 0
    assert fresh.files() == before
    assert fresh.alias("off") == (0, f"off already in {fresh.home}")
    assert fresh.run("-c", _WHERE).returncode == 1


def test_requirements_are_met_and_stay_so(fresh: Environment, tmp_path: Path) -> None:
    wheel(tmp_path, "needs_tornado", "tornado>=6.2")
    install = (
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--find-links",
        str(tmp_path),
        "needs_tornado",
    )
    assert fresh.run(*install).returncode != 0  # there is no Tornado to be had
    fresh.alias("on")
    done = fresh.run(*install)
    assert (done.returncode, done.stderr) == (0, "")
    assert fresh.run("-m", "pip", "check").stdout.strip() == "No broken requirements found."
    assert (
        fresh.run("-c", "import needs_tornado, importlib.metadata as m; print(m.version('tornado'))").stdout.strip() == tornadolike.version
    )
    fresh.alias("off")
    assert "requires tornado" in fresh.run("-m", "pip", "check").stdout


def test_pip_takes_it_away_as_off_does(fresh: Environment) -> None:
    before = fresh.files()
    fresh.alias("on")
    done = fresh.run("-m", "pip", "uninstall", "--yes", "--disable-pip-version-check", "tornado")
    assert done.returncode == 0, done.stderr
    assert fresh.files() == before


def test_refused_beside_the_real_tornado(fresh: Environment) -> None:
    fresh.distribution("tornado", "6.5.2")
    (fresh.site / "tornado").mkdir()
    (fresh.site / "tornado" / "__init__.py").write_text("raise AssertionError('imported')", encoding="utf-8")
    before = fresh.files()
    status, said = fresh.alias("on")
    assert (status, fresh.files()) == (2, before)
    assert "the real Tornado is installed (6.5.2 in " in said
    assert "-m pip uninstall tornado" in said
    assert fresh.alias("status") == (
        1, f"off: `import tornado` gives Tornado 6.5.2 in {fresh.site}, unless TORNADOLIKE_AS_TORNADO=1 is set",
    )  # fmt: skip


@pytest.mark.parametrize("is_environment", [False, True])
def test_refused_in_a_python_of_the_operating_system(fresh: Environment, is_environment: bool) -> None:
    """And not in an environment that was made of such a one, whose standard library is the same."""
    stdlib = fresh.home / "stdlib"
    stdlib.mkdir()
    (stdlib / "EXTERNALLY-MANAGED").touch()
    program = f"""
import sys, sysconfig
sysconfig.get_path = lambda name, f=sysconfig.get_path: {str(stdlib)!r} if name == 'stdlib' else f(name)
sys.base_prefix = sys.base_prefix if {is_environment} else sys.prefix
from tornadolike.__main__ import main
sys.exit(main())
"""
    done = fresh.run("-c", program, "alias", "on")
    refused = (done.returncode, "belongs to the operating system" in done.stderr)
    assert refused == ((0, False) if is_environment else (2, True))


def test_refused_where_it_is_not_installed(fresh: Environment) -> None:
    [info] = fresh.site.glob("tornadolike-*.dist-info")
    info.rename(fresh.home / "elsewhere")
    assert fresh.alias("on") == (2, f"tornadolike alias: tornadolike itself is not installed in {fresh.home}")


def test_what_is_left_when_tornadolike_is_gone_is_harmless(fresh: Environment) -> None:
    fresh.alias("on")
    (fresh.site / "tornadolike").unlink()
    done = fresh.run("-c", "print('runs')")
    assert (done.stdout, done.stderr) == ("runs\n", "")


def test_one_line_for_a_word_that_is_no_action() -> None:
    done = subprocess.run([sys.executable, "-m", "tornadolike", "alias", "up"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "'up'" in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run([sys.executable, "-m", "tornadolike", "alias"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "on|off|status" in done.stderr
