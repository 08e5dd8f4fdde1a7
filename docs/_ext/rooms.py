"""Sphinx extension: the design as the source tells it.

The directive ``rooms`` lists the private packages and their files with what they say of themselves; ``theory`` gives the whole docstring
of a private module.
"""

import ast
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).parent.parent.parent / "tornadolike"


def rooms() -> list[str]:
    """Names of the private packages."""
    return sorted(path.parent.name for path in PACKAGE.glob("_*/__init__.py"))


def described(path: Path) -> str:
    """What a file says it is for. One that says nothing is a warning."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not text:
        logger.warning("file without a description: %s", path, type="described")
    return text or ""


def purposes(room: str) -> dict[str, str]:
    """For each file of a room the first sentence about it."""
    paths = [path for path in sorted(PACKAGE.joinpath(room).glob("*.py")) if path.stem != "__init__"]
    return {path.stem: re.split(r"(?<=\.)\s|\n\n|\n\*", described(path))[0].strip().rstrip(":") for path in paths}


def _in_one_line(text: str) -> str:
    """Text of a docstring in Markdown."""
    return re.sub(r"\s+", " ", text).replace("``", "`")


class Rooms(SphinxDirective):
    """The names of the rooms are the content, in the order in which they are shown."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        named = " ".join(self.content).split()
        if sorted(named) != rooms():
            raise ExtensionError(f"docs/design: the rooms are {rooms()}, the page names {sorted(named)}")
        lines = []
        for room in named:
            subject = described(PACKAGE / room / "__init__.py").partition("\n\n")[0]
            lines += [f"**{room}**: {_in_one_line(subject)}", ""]
            lines += [f"* `{name}`: {_in_one_line(purpose)}" for name, purpose in purposes(room).items()]
            lines.append("")
        return self.parse_text_to_nodes("\n".join(lines))


class Theory(SphinxDirective):
    """The argument is the path of a module within the package. For use in reStructuredText, since that is what docstrings are."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = PACKAGE / self.arguments[0]
        self.env.note_dependency(str(path))
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        # The page has its own headings.
        return self.parse_text_to_nodes(re.sub(r"^Theory of operation\n-+$", "", text, flags=re.MULTILINE))


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("rooms", Rooms)
    app.add_directive("theory", Theory)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
