"""URL patterns read backwards: the text that a simple route regex would match for given groups."""

import re
from collections.abc import Callable

from tornadolike._http.lazy import pattern

SLOT = "%s"
"""Stands for one group in a `template`."""

_ENCODED = pattern(r"(?:%[89A-Fa-f][0-9A-Fa-f])+")
_NOT_ASCII = pattern(r"[^\x00-\x7f]+")


def readable(path: str) -> str:
    """``path`` with the characters outside ASCII that are percent-encoded in it, as UTF-8; what is no UTF-8 stays.

    >>> readable("/caf%C3%A9/%2F%ff")
    '/café/%2F%ff'
    """
    return _ENCODED.sub(_decoded, path)


def _decoded(found: re.Match[str]) -> str:
    try:
        return bytes.fromhex(found[0].replace("%", "")).decode()
    except UnicodeDecodeError:
        return found[0]


def encoded(path: str) -> str:
    """The inverse of `readable`."""
    if path.isascii():
        return path
    return _NOT_ASCII.sub(lambda found: "".join([f"%{byte:02X}" for byte in found[0].encode()]), path)


def template(pattern: str, groups: int, unescape: Callable[[str], str]) -> str | None:
    """Return the literal text of ``pattern`` with `SLOT` in place of each of its ``groups`` capturing groups.

    None where the pattern says more than one text between its groups (alternatives, classes, nested or
    non-capturing groups): such a pattern cannot be read backwards. ``unescape`` undoes `re.escape` and raises
    ValueError at an escape that stands for several characters.
    """
    pattern = pattern.removeprefix("^").removesuffix("$")
    if pattern.count("(") != groups:
        return None
    literals = []
    for piece in pattern.split("("):
        group, closing, after = piece.partition(")")
        try:
            literals.append((SLOT + unescape(after)) if closing else unescape(group))
        except ValueError:
            return None
    return "".join(literals)


def format_of(path: str, groups: int) -> str:
    """A `template` as what the operator ``%`` takes, for as many values, which have to be quoted. ValueError where it has other slots."""
    literals = path.split(SLOT) if groups else [path]
    if len(literals) - 1 != groups:
        raise ValueError(f"{path!r} has {len(literals) - 1} slots, not {groups}")
    return SLOT.join([literal.replace("%", "%%") for literal in literals])
