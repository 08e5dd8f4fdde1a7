"""Turns the tree of a template into Python source: one function, ``_tt_execute``, which returns the output as bytes.

Blocks and included files are written out where they stand, so all of a template shares one set of local variables. Every
line ends in a comment with the place it comes from, and those which led there; a traceback shows it.

The source expects two functions in its globals: ``_tt_escaped(value, function)`` and ``_tt_bytes(value)``.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tornadolike._template.nodes import Apply, Block, Branch, Control, Expression, File, Include, Node, Statement, Text

# Gives the file for a path and the name of the file which refers to it.
Load = Callable[[str, str], File]


def compile_to_python(file: File, load: Load) -> str:
    """The source for ``file``, with the files it extends and includes, which ``load`` provides."""
    # The file furthest up decides over the layout; blocks are taken from the one furthest down.
    lineage = [*_lineage(file, load)][::-1]
    blocks: dict[str, tuple[Block, File]] = {}
    for member in lineage:
        _collect_blocks(member.body, member, load, blocks)
    writer = _Writer(lineage[0], load, blocks)
    writer.write_function("_tt_execute", lineage[0].body, 0)
    return "".join(writer.lines)


def _lineage(file: File, load: Load) -> Iterator[File]:
    yield file
    for path in file.extends:
        yield from _lineage(load(path, file.name), load)


def _collect_blocks(nodes: Iterable[Node], file: File, load: Load, blocks: dict[str, tuple[Block, File]]) -> None:
    for node in nodes:
        if isinstance(node, Include):
            included = load(node.path, file.name)
            _collect_blocks(included.body, included, load, blocks)
        elif isinstance(node, Block | Control | Apply):
            if isinstance(node, Block):
                blocks[node.name] = (node, file)
            _collect_blocks(node.body, file, load, blocks)


class _Writer:
    def __init__(self, file: File, load: Load, blocks: dict[str, tuple[Block, File]]) -> None:
        self.lines: list[str] = []
        self._file = file
        self._load = load
        self._blocks = blocks
        self._depth = 0
        self._applied = 0
        # What led to the current file, with the latest first: " (via base.html:3, page.html:1)".
        self._via: list[str] = []

    def write_function(self, name: str, body: list[Node], line: int) -> None:
        self._write(f"def {name}():", line)
        self._depth += 1
        self._write("_tt_buffer = []", line)
        self._write("_tt_append = _tt_buffer.append", line)
        self._write_nodes(body)
        self._write("return b''.join(_tt_buffer)", line)
        self._depth -= 1

    def _write(self, code: str, line: int) -> None:
        via = f" (via {', '.join(self._via)})" if self._via else ""
        self.lines.append(f"{'    ' * self._depth}{code}  # {self._file.name}:{line}{via}\n")

    def _write_nodes(self, nodes: list[Node]) -> None:
        for node in nodes:
            _WRITERS[type(node)](self, node)

    @contextmanager
    def _entering(self, file: File, line: int) -> Iterator[None]:
        outer = self._file
        self._via.insert(0, f"{outer.name}:{line}")
        self._file = file
        yield
        self._file = outer
        del self._via[0]

    def _write_text(self, node: Text) -> None:
        if node.value:
            self._write(f"_tt_append({node.value.encode()!r})", node.line)

    def _write_expression(self, node: Expression) -> None:
        # A statement of its own: whatever may stand behind "=" is an expression here, be it a tuple or with a comment.
        self._write(f"_tt_tmp = {node.source}", node.line)
        escape = None if node.raw else self._file.autoescape
        if escape is None:
            self._write("_tt_append(_tt_bytes(_tt_tmp))", node.line)
        else:
            self._write(f"_tt_append(_tt_escaped(_tt_tmp, {escape}))", node.line)

    def _write_statement(self, node: Statement) -> None:
        self._write(node.source, node.line)

    def _write_control(self, node: Control) -> None:
        self._write(f"{node.header}:", node.line)
        self._depth += 1
        self._write_nodes(node.body)
        # Python wants something in every block, and this one may be empty.
        self._write("pass", node.line)
        self._depth -= 1

    def _write_branch(self, node: Branch) -> None:
        self._write("pass", node.line)
        self._depth -= 1
        self._write(f"{node.header}:", node.line)
        self._depth += 1

    def _write_apply(self, node: Apply) -> None:
        name = f"_tt_apply{self._applied}"
        self._applied += 1
        self.write_function(name, node.body, node.line)
        self._write(f"_tt_append(_tt_utf8({node.function}({name}())))", node.line)

    def _write_block(self, node: Block) -> None:
        block, owner = self._blocks[node.name]
        with self._entering(owner, node.line):
            self._write_nodes(block.body)

    def _write_include(self, node: Include) -> None:
        included = self._load(node.path, self._file.name)
        with self._entering(included, node.line):
            self._write_nodes(included.body)


_WRITERS: dict[type, Callable[[_Writer, Any], None]] = {
    Text: _Writer._write_text,
    Expression: _Writer._write_expression,
    Statement: _Writer._write_statement,
    Control: _Writer._write_control,
    Branch: _Writer._write_branch,
    Apply: _Writer._write_apply,
    Block: _Writer._write_block,
    Include: _Writer._write_include,
}
