"""The tree of a parsed template. Nodes hold what was written and where; the compiler knows what it means."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Text:
    value: str
    line: int


@dataclass(slots=True)
class Expression:
    """Output of a Python expression; ``raw``: whatever the escaping in force."""

    source: str
    line: int
    raw: bool = False


@dataclass(slots=True)
class Statement:
    """A line of Python: an assignment, an import, break or continue."""

    source: str
    line: int


@dataclass(slots=True)
class Control:
    """A compound statement of Python: its header and what is indented below it."""

    header: str
    line: int
    body: list[Node]


@dataclass(slots=True)
class Branch:
    """The header of a further part (else, except, ...) of the `Control` whose body this stands in."""

    header: str
    line: int


@dataclass(slots=True)
class Apply:
    """Output which passes through a function."""

    function: str
    line: int
    body: list[Node]


@dataclass(slots=True)
class Block:
    """A part with a name, which a file that extends this one may replace."""

    name: str
    line: int
    body: list[Node]


@dataclass(slots=True)
class Include:
    path: str
    line: int


Node = Text | Expression | Statement | Control | Branch | Apply | Block | Include


@dataclass(slots=True)
class File:
    """A whole template.

    ``autoescape`` is the name of the escaping function, None for none; ``extends`` the paths of the templates whose
    blocks it replaces.
    """

    name: str
    autoescape: str | None
    body: list[Node] = field(default_factory=list)
    extends: list[str] = field(default_factory=list)
