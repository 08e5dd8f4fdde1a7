"""What ``--reload`` waits for: changes of sources, by watchfiles where that is installed, else by looking twice a second."""

import asyncio
import importlib.util
import os
import sysconfig
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

_SUFFIXES = (".py", ".html", ".tmpl", ".env", ".toml", ".ini", ".yaml", ".yml", ".json")
_SKIPPED = frozenset(
    {"__pycache__", "node_modules", "site-packages", ".git", ".hg", ".venv", "venv", ".tox", ".mypy_cache", ".pytest_cache"}
)
_LOOK_SECONDS = 0.5
_SHOWN = 3


async def changes(directories: Iterable[Path]) -> AsyncIterator[set[str]]:
    """Yield the paths of sources that have changed, again and again."""
    wanted = sorted({path.resolve() for path in directories})
    try:
        import watchfiles
    except ImportError:
        async for changed in _look(wanted):
            yield changed
        return
    async for events in watchfiles.awatch(*wanted, watch_filter=lambda _, path: _is_source(path), debounce=400, step=50):
        yield {path for _, path in events}


def places_of(module: str) -> list[Path]:
    """Where the outermost package of a module lies, or the module; nothing where that is installed, and is not worked on."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []  # the current directory is watched in any case
    found = spec.submodule_search_locations or ([os.path.dirname(spec.origin)] if spec.has_location and spec.origin else [])
    return [Path(place) for place in found if not _SKIPPED.intersection(Path(place).parts) and not _is_of_python(place)]


def _is_of_python(place: str) -> bool:
    return Path(place).is_relative_to(sysconfig.get_path("stdlib"))


def _is_source(path: str) -> bool:
    return path.endswith(_SUFFIXES) and not _SKIPPED.intersection(Path(path).parts)


async def _look(directories: list[Path]) -> AsyncIterator[set[str]]:
    known = _times(directories)
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        found = _times(directories)
        changed = {path for path in known.keys() | found.keys() if known.get(path) != found.get(path)}
        if changed:
            known = found
            yield changed


def _times(directories: list[Path]) -> dict[str, tuple[int, int]]:
    """When each source was last changed, with its size."""
    times = {}
    for top in directories:
        for directory, names, files in os.walk(top):
            names[:] = [name for name in names if name not in _SKIPPED]
            for name in files:
                path = os.path.join(directory, name)
                if name.endswith(_SUFFIXES):
                    try:
                        status = os.stat(path)
                    except OSError:
                        continue
                    times[path] = (status.st_mtime_ns, status.st_size)
    return times


def syntax_error(paths: Iterable[str]) -> str | None:
    """What is wrong with the first of these that Python cannot read; None where it can read all."""
    for path in sorted(paths):
        if path.endswith(".py") and os.path.isfile(path):
            try:
                compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError) as error:
                where = f"{path}:{error.lineno}" if isinstance(error, SyntaxError) else path
                return f"{where}: {error.msg if isinstance(error, SyntaxError) else error}"
            except OSError:
                continue
    return None


def shown(paths: Iterable[str]) -> str:
    """The first few paths."""
    names = sorted(os.path.relpath(path) for path in paths)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
