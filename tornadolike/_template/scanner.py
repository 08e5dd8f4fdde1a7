"""Splits a template's source into text, expressions and directives.

The language has three kinds of tags, ``{{ expression }}``, ``{% directive %}`` and ``{# comment #}``. Of a run of more
than two braces the innermost two count, which leaves the others to languages such as LaTeX. A tag that starts with an
exclamation mark, ``{{!``, is text: its own opening without the mark.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_OPENING = re.compile(r"\{(?:\{(?!\{)|[%#])")
_CLOSINGS = {"{{": "}}", "{%": "%}", "{#": "#}"}
_TAG_NAMES = {"{{": "expression", "{%": "block", "{#": "comment"}


class SyntaxProblem(Exception):
    """The source is not a template; ``line`` is where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Token(NamedTuple):
    """A piece of the source and the line it starts in; a tag's value is what stands between its braces, stripped."""

    kind: Literal["text", "expression", "directive"]
    value: str
    line: int


def scan(source: str) -> Iterator[Token]:
    """The tokens of ``source`` in order, comments left out.

    Raises `SyntaxProblem` for tags which are empty or have no end.
    """
    position, line = 0, 1
    while opening := _OPENING.search(source, position):
        start, inside = opening.span()
        if start > position:
            yield Token("text", source[position:start], line)
            line += source.count("\n", position, start)
        braces = opening[0]
        if source.startswith("!", inside):
            yield Token("text", braces, line)
            position = inside + 1
            continue
        end = source.find(_CLOSINGS[braces], inside)
        if end < 0:
            raise SyntaxProblem(f"Missing end {_TAG_NAMES[braces]} {_CLOSINGS[braces]}", line)
        if braces != "{#":
            yield _tag(braces, source[inside:end].strip(), line)
        line += source.count("\n", inside, end)
        position = end + 2
    if position < len(source):
        yield Token("text", source[position:], line)


def _tag(braces: str, value: str, line: int) -> Token:
    if not value:
        raise SyntaxProblem(f"Empty {_TAG_NAMES[braces]} tag", line)
    return Token("expression" if braces == "{{" else "directive", value, line)
