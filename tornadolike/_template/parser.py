"""Builds the tree of a template from its tokens.

Open blocks are kept on a stack of their own, so nesting costs no recursion. A directive is looked up by its first word:
one that opens a block, divides one, ends one, or stands alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from tornadolike._template import whitespace
from tornadolike._template.nodes import Apply, Block, Branch, Control, Expression, File, Include, Node, Statement, Text
from tornadolike._template.scanner import SyntaxProblem, Token, scan

_OPENERS = frozenset({"apply", "block", "if", "for", "while", "try"})
_DIVIDERS = {
    "else": frozenset({"if", "for", "while", "try"}),
    "elif": frozenset({"if"}),
    "except": frozenset({"try"}),
    "finally": frozenset({"try"}),
}


def parse(source: str, name: str, autoescape: str | None, mode: str) -> File:
    """The tree of a template.

    ``autoescape`` and ``mode`` (of whitespace) hold until the template itself sets others.
    Raises `SyntaxProblem`, and `ValueError` for an unknown mode.
    """
    parser = _Parser(File(name, autoescape), mode)
    for token in scan(source):
        parser.take(token)
    return parser.finished()


@dataclass(slots=True)
class _Open:
    """A block whose end was not seen yet. ``outer`` is the list of nodes it belongs into."""

    operator: str
    argument: str
    header: str
    line: int
    outer: list[Node]
    in_loop: bool


class _Parser:
    def __init__(self, file: File, mode: str) -> None:
        self._file = file
        self._nodes = file.body
        self._open: list[_Open] = []
        self._filter = whitespace.filter_for(mode)

    def take(self, token: Token) -> None:
        if token.kind == "text":
            self._take_text(token)
        elif token.kind == "expression":
            self._nodes.append(Expression(token.value, token.line))
        else:
            self._take_directive(token)

    def finished(self) -> File:
        if self._open:
            block = self._open[-1]
            raise SyntaxProblem(f"no {{% end %}} for the {block.operator} block", block.line)
        return self._file

    def _take_text(self, token: Token) -> None:
        # A crude rule, but layout within <pre> is meant as it is.
        value = token.value if "<pre>" in token.value else self._filter(token.value)
        last = self._nodes[-1] if self._nodes else None
        if isinstance(last, Text):
            last.value += value
        else:
            self._nodes.append(Text(value, token.line))

    def _take_directive(self, token: Token) -> None:
        operator, _, argument = token.value.partition(" ")
        argument = argument.strip()
        if operator in _OPENERS:
            self._open_block(operator, argument, token)
        elif operator in _DIVIDERS:
            self._divide(operator, token)
        elif operator == "end":
            self._close_block(token)
        elif operator in _SIMPLE:
            _SIMPLE[operator](self, argument, token)
        else:
            _refuse(f"unknown operator: {operator!r}", token)

    def _open_block(self, operator: str, argument: str, token: Token) -> None:
        if operator in ("apply", "block") and not argument:
            _refuse(f"{operator} without a name", token)
        # The body of apply becomes a function, which a loop around it does not reach into.
        in_loop = operator in ("for", "while") or (operator != "apply" and self._in_loop())
        self._open.append(_Open(operator, argument, token.value, token.line, self._nodes, in_loop))
        self._nodes = []

    def _divide(self, operator: str, token: Token) -> None:
        block = self._open[-1].operator if self._open else None
        if block not in _DIVIDERS[operator]:
            _refuse(f"{operator} in a {block} block" if block else f"{operator} outside of a block", token)
        self._nodes.append(Branch(token.value, token.line))

    def _close_block(self, token: Token) -> None:
        if not self._open:
            _refuse("{% end %} without a block", token)
        block, body = self._open.pop(), self._nodes
        self._nodes = block.outer
        self._nodes.append(_closed(block, body))

    def _in_loop(self) -> bool:
        return bool(self._open) and self._open[-1].in_loop

    # Directives which stand alone.

    def _comment(self, argument: str, token: Token) -> None:
        pass

    def _extends(self, argument: str, token: Token) -> None:
        if self._open:
            _refuse("extends inside of a block", token)
        self._file.extends.append(_unquoted(argument, token))

    def _include(self, argument: str, token: Token) -> None:
        self._nodes.append(Include(_unquoted(argument, token), token.line))

    def _set(self, argument: str, token: Token) -> None:
        if not argument:
            _refuse("set without a statement", token)
        self._nodes.append(Statement(argument, token.line))

    def _import(self, argument: str, token: Token) -> None:
        if not argument:
            _refuse("import without a statement", token)
        self._nodes.append(Statement(token.value, token.line))

    def _jump(self, argument: str, token: Token) -> None:
        if not self._in_loop():
            _refuse(f"{token.value} outside of a loop", token)
        self._nodes.append(Statement(token.value, token.line))

    def _autoescape(self, argument: str, token: Token) -> None:
        self._file.autoescape = None if argument in ("", "None") else argument

    def _whitespace(self, argument: str, token: Token) -> None:
        self._filter = whitespace.filter_for(argument)

    def _raw(self, argument: str, token: Token) -> None:
        self._nodes.append(Expression(argument, token.line, raw=True))

    def _module(self, argument: str, token: Token) -> None:
        # The namespace of UI modules, which the web module provides.
        self._nodes.append(Expression("_tt_modules." + argument, token.line, raw=True))


_SIMPLE: dict[str, Callable[[_Parser, str, Token], None]] = {
    "comment": _Parser._comment,
    "extends": _Parser._extends,
    "include": _Parser._include,
    "set": _Parser._set,
    "import": _Parser._import,
    "from": _Parser._import,
    "break": _Parser._jump,
    "continue": _Parser._jump,
    "autoescape": _Parser._autoescape,
    "whitespace": _Parser._whitespace,
    "raw": _Parser._raw,
    "module": _Parser._module,
}


def _closed(block: _Open, body: list[Node]) -> Node:
    if block.operator == "apply":
        return Apply(block.argument, block.line, body)
    if block.operator == "block":
        return Block(block.argument, block.line, body)
    return Control(block.header, block.line, body)


def _unquoted(argument: str, token: Token) -> str:
    path = argument.strip('"').strip("'")
    if not path:
        _refuse(f"{token.value.partition(' ')[0]} without a path", token)
    return path


def _refuse(message: str, token: Token) -> NoReturn:
    raise SyntaxProblem(message, token.line)
