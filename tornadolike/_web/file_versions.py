"""Versions of files, each made once for as long as the file stays what it is, and bounded in number. For one thread at a time."""

from collections.abc import Callable


def look_up(known: dict[str, str | None], path: str, make: Callable[[str], str | None], limit: int) -> str | None:
    """The version of a file; None for one that has none. ``known`` is in the order of last use, and has no more than ``limit`` of them."""
    if path in known:
        version = known[path] = known.pop(path)
        return version or None
    version = make(path)
    while known and len(known) >= limit:
        del known[next(iter(known))]
    known[path] = version
    return version or None


def note_change(seen: dict[str, tuple[int, ...]], known: dict[str, str | None], path: str, identity: tuple[int, ...], limit: int) -> None:
    """A file is not what it was when it was ``seen`` last, if ever: forget the version of what it was."""
    if path in seen:
        known.pop(path, None)
    if len(seen) >= limit:
        seen.clear()
    seen[path] = identity
