"""The virtual environments of the packages, and the unpacked source distributions: made once, kept in the cache directory."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from compat_suite import environment

_BASE = (f"tornado=={environment.TORNADO_VERSION}", "h11>=0.16,<0.17", "wsproto>=1.3,<2", "httptools", "uvloop")


@dataclass(frozen=True)
class Package:
    """An entry of ``packages.toml``."""

    name: str
    about: str
    requires: list[str]
    kind: str
    run: list[str]
    seconds: int
    source: str = ""
    within: str = ""

    @property
    def home(self) -> Path:
        text = repr((self.requires, self.source, sys.version_info[:2], _BASE))
        return cache() / f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def python(self) -> Path:
        return self.home / "venv" / "bin" / "python"


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tornadolike-downstream"


def prepare(package: Package) -> None:
    """Make the environment, unless it is there already. Raises `subprocess.CalledProcessError` where pip cannot."""
    ready = package.home / "ready"
    if not ready.exists():
        shutil.rmtree(package.home, ignore_errors=True)
        package.home.mkdir(parents=True)
        _quiet([sys.executable, "-m", "venv", str(package.home / "venv")])
        _pip(package, "install", *_BASE, *package.requires)
        if package.source:
            _unpack(package)
        ready.touch()
    _put_tornadolike_in(package)


def directory(package: Package) -> Path:
    """Where the package's tests lie, or our programs."""
    if not package.source:
        return Path(__file__).with_name("programs")
    return next(path for path in (package.home / "source").iterdir() if path.is_dir()) / package.within


def _unpack(package: Package) -> None:
    target = package.home / "source"
    _pip(package, "download", "--no-deps", "--no-binary", ":all:", "--dest", str(package.home), package.source)
    with tarfile.open(next(package.home.glob("*.tar.gz"))) as archive:
        archive.extractall(target, filter="data")


def _put_tornadolike_in(package: Package) -> None:
    """The checkout itself, by a link: nothing has to be installed anew when it changes."""
    answer = _quiet([str(package.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    site = Path(answer.strip())
    link = site / "tornadolike"
    if not link.is_symlink():
        link.symlink_to(environment.ROOT / "tornadolike")
    shutil.copy(environment.ROOT / "tornadolike" / "tornadolike_alias.pth", site)


def _pip(package: Package, *arguments: str) -> None:
    _quiet([str(package.python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", *arguments])


def _quiet(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
