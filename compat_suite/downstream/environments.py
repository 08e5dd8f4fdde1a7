"""The virtual environments of the packages, and the unpacked source distributions: made once, kept in the cache directory."""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from compat_suite import environment

_BASE = (f"tornado=={environment.TORNADO_VERSION}", "h11>=0.16,<0.17", "wsproto>=1.3,<2", "httptools", "uvloop")

_NPM = "npm:"


@dataclass(frozen=True)
class Package:
    """An entry of ``packages.toml``, which says what each field means."""

    name: str
    about: str
    requires: list[str]
    kind: str
    run: list[str]
    seconds: int
    source: str = ""
    within: str = ""
    environment: str = ""
    distribution: str = ""
    subset: str = ""

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

    @property
    def published(self) -> str:
        """The name under which it is on PyPI, where that is not ``name``."""
        return self.distribution or self.source or self.name

    @functools.cached_property
    def version(self) -> str:
        """What is installed of it. Raises `subprocess.CalledProcessError` where it is not."""
        code = f"import importlib.metadata; print(importlib.metadata.version({self.published!r}))"
        return _quiet([str(self.python), "-c", code]).strip()


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tornadolike-downstream"


_LOCKS: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


def prepare(package: Package) -> None:
    """Make the environment, unless it is there already. Raises `subprocess.CalledProcessError` where pip cannot."""
    with _LOCKS[package.home]:
        _make(package)


def _make(package: Package) -> None:
    ready = package.home / "ready"
    if not ready.exists():
        shutil.rmtree(package.home, ignore_errors=True)
        package.home.mkdir(parents=True)
        _quiet([sys.executable, "-m", "venv", str(package.home / "venv")])
        modules = [name.removeprefix(_NPM) for name in package.requires if name.startswith(_NPM)]
        _install(package, [*_BASE, *(name for name in package.requires if not name.startswith(_NPM))])
        if modules:
            _quiet(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(package.home), *modules])
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
        pinned = f"{package.source}=={package.version}"
        _pip(package, "download", "--no-deps", "--no-binary", package.source, "--dest", directory, pinned)
        [archive] = [path for path in Path(directory).iterdir() if path.name.endswith((".tar.gz", ".zip"))]
        options = {} if archive.suffix == ".zip" else {"filter": "data"}
        shutil.unpack_archive(archive, Path(directory, "source"), **options)
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


def _install(package: Package, requirements: list[str]) -> None:
    """With ``uv`` where there is one, which needs a small part of pip's time."""
    if uv := shutil.which("uv"):
        _quiet([uv, "pip", "install", "--quiet", "--python", str(package.python), *requirements])
    else:
        _pip(package, "install", *requirements)


def _pip(package: Package, *arguments: str) -> None:
    _quiet([str(package.python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", *arguments])


def _quiet(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
