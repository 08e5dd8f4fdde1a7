"""The Python sources of a package: from the index, by way of pip, or from a path. Downloads are kept in the cache directory."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGES = Path(__file__).with_name("packages.txt")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*==[\w.+!-]+")
_ARCHIVES = (".whl", ".zip", ".egg", ".tar.gz", ".tar.bz2", ".tgz")


class NotThere(Exception):
    """A package that could not be had; the message says why."""


def listed() -> list[str]:
    """The packages of the list in the repository, as ``NAME==VERSION``."""
    return [line.strip() for line in PACKAGES.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")]


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tornadolike-census"


def read(what: str) -> dict[str, str]:
    """Every Python source of ``what`` (``NAME==VERSION``, a directory, a file, an archive), by its path. Raises `NotThere`."""
    path = Path(what)
    if path.exists():
        return dict(_of_path(path))
    if not _REQUIREMENT.fullmatch(what):
        raise NotThere(f"{what} is neither a path nor NAME==VERSION")
    return dict(_of_archive(fetch(what)))


def fetch(requirement: str) -> Path:
    """The package's wheel, else its source distribution, downloaded unless it is in the cache."""
    directory = cache() / requirement
    found = _archives(directory)
    if found:
        return found[0]
    directory.mkdir(parents=True, exist_ok=True)
    problem = ""
    for form in ((), ("--no-binary", ":all:")):
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
        command += ["download", "--no-deps", "--no-build-isolation", "--ignore-requires-python", *form]
        command += ["--dest", str(directory), requirement]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        found = _archives(directory)  # pip keeps an sdist that it could not build: its sources are there all the same
        if found:
            return found[0]
        problem = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
    raise NotThere(f"{requirement}: {problem}")


def _archives(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted((path for path in directory.iterdir() if path.name.endswith(_ARCHIVES)), key=lambda path: path.suffix != ".whl")


def _of_path(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_dir():
        for one in sorted(path.rglob("*.py")):
            yield str(one.relative_to(path)), _text(one.read_bytes())
    elif path.name.endswith(_ARCHIVES):
        yield from _of_archive(path)
    else:
        yield path.name, _text(path.read_bytes())


def _of_archive(path: Path) -> Iterator[tuple[str, str]]:
    members = _of_zip(path) if zipfile.is_zipfile(path) else _of_tar(path)
    yield from ((name, _text(content)) for name, content in members)


def _of_zip(path: Path) -> Iterable[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        yield from ((name, archive.read(name)) for name in archive.namelist() if name.endswith(".py"))


def _of_tar(path: Path) -> Iterable[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".py"):
                content = archive.extractfile(member)
                assert content is not None
                yield member.name.partition("/")[2], content.read()


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
