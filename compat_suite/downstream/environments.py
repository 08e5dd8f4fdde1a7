"""The virtual environments of the packages, and the unpacked source distributions: made once, kept in the cache directory."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
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
    environment: str = ""

    @property
    def home(self) -> Path:
        """The directory of its environment, which packages with the same ``environment`` share."""
        text = repr((self.requires, sys.version_info[:2], _BASE))
        return cache() / f"{self.environment or self.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def python(self) -> Path:
        return self.home / "venv" / "bin" / "python"

    @property
    def unpacked(self) -> Path:
        return self.home / f"source-{self.source}"


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
        ready.touch()
    if package.source and not package.unpacked.exists():
        _unpack(package)
    _put_tornadolike_in(package)


def directory(package: Package) -> Path:
    """Where the run takes place: among the package's own tests, or our programs."""
    return source(package) if package.source and package.kind == "pytest" else Path(__file__).with_name("programs")


def source(package: Package) -> Path:
    """The unpacked source distribution, or what lies ``within`` it."""
    return next(path for path in package.unpacked.iterdir() if path.is_dir()) / package.within


def _unpack(package: Package) -> None:
    with tempfile.TemporaryDirectory(dir=package.home) as directory:
        _pip(package, "download", "--no-deps", "--no-binary", package.source, "--dest", directory, package.source)
        with tarfile.open(next(Path(directory).glob("*.tar.gz"))) as archive:
            archive.extractall(Path(directory, "source"), filter="data")
        Path(directory, "source").rename(package.unpacked)


def _put_tornadolike_in(package: Package) -> None:
    """The checkout itself, by a link: nothing has to be installed anew when it changes."""
    answer = _quiet([str(package.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    site = Path(answer.strip())
    link, package_here = site / "tornadolike", environment.ROOT / "tornadolike"
    if link.is_symlink() and link.readlink() != package_here:
        link.unlink()  # the environment was used from another checkout
    if not link.is_symlink():
        link.symlink_to(package_here)
    shutil.copy(environment.ROOT / "tornadolike" / "tornadolike_alias.pth", site)


def _pip(package: Package, *arguments: str) -> None:
    _quiet([str(package.python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", *arguments])


def _quiet(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
