"""URL patterns read backwards: the text that a simple route regex would match for given groups."""

import re
from collections.abc import Callable, Sequence

SLOT = "%s"
"""Stands for one group in a `template`."""

_LITERAL = re.compile(r"\^?((?:\\[^A-Za-z0-9]|\((?!\?)|[^(.^$*+?{}\[\]\\|])*)\$", re.DOTALL)
_ESCAPED_OR_GROUP = re.compile(r"\\(.)|[()]", re.DOTALL)


def literal(regex: re.Pattern[str]) -> str | None:
    """The one path that matches ``regex``, if it is anchored and has nothing special in it but groups; a line end may follow that path."""
    found = _LITERAL.fullmatch(regex.pattern) if regex.flags == re.UNICODE else None
    return None if found is None else _ESCAPED_OR_GROUP.sub(lambda piece: piece[1] or "", found[1])


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


def fill(path: str, values: Sequence[str]) -> str:
    """Return a `template` with its slots replaced by ``values``, which are as many and already quoted."""
    literals = path.split(SLOT)
    if len(literals) - 1 != len(values):
        raise ValueError(f"{path!r} has {len(literals) - 1} slots, not {len(values)}")
    return literals[0] + "".join([value + literal for value, literal in zip(values, literals[1:], strict=True)])
