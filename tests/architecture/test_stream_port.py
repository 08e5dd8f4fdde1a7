"""What other modules use of a stream is its port (docs/design/stream.md), and nothing else that is private to it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tornadolike

PACKAGE = Path(tornadolike.__file__).parent
PAGE = PACKAGE.parent / "docs" / "design" / "stream.md"
# They make streams, and are part of it.
_OF_THE_STREAM = {"iostream.py", "tcpclient.py", "tcpserver.py"}
# How a stream is called where it is used, and what else of that name there is.
_STREAMS = {"stream", "_stream"}
# Read, never called: whether somebody takes what arrives.
_LOOKED_AT = {"_consumer"}
# The old name of `_write_file`, which a connection has too.
_OLD = {"_send_file", "_write_now"}


def port() -> set[str]:
    """The private names in the table of the page."""
    table = re.search(r"## The port\n(.*?)\n## ", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert table is not None
    rows = re.findall(r"^\| (`[^|]*) \|", table[1], re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(_\w+)", row)}


def used(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name in _STREAMS:
                yield node.attr


def test_the_port_is_what_the_page_says() -> None:
    from tornadolike.iostream import BaseIOStream, IOStream

    of_instances = {"_context", "_collected", "_finished"}
    assert len(port()) > 10
    assert [name for name in port() - of_instances if not hasattr(IOStream, name)] == []
    assert [name for name in _OLD if not hasattr(BaseIOStream, name)] == []


@pytest.mark.parametrize("module", sorted(path.name for path in PACKAGE.glob("*.py") if path.name not in _OF_THE_STREAM))
def test_nothing_but_the_port_is_used(module: str) -> None:
    found = set(used((PACKAGE / module).read_text(encoding="utf-8")))
    assert sorted(found - port() - _LOOKED_AT - _OLD) == []
