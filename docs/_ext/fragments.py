"""Sphinx extension: the directive ``unreleased-changes`` shows the fragments of ``docs/changes/fragments``, by kind."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

KINDS = ("added", "changed", "fixed", "removed")


class UnreleasedChanges(SphinxDirective):
    """Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        paths = sorted(Path(self.env.srcdir, "changes", "fragments").glob("*.md"))
        for path in paths:
            self.env.note_dependency(str(path))
            if kind_of(path) not in KINDS:
                raise ExtensionError(f"{path.name}: the kind must be one of {', '.join(KINDS)}")
        for kind in KINDS:
            texts = [path.read_text(encoding="utf-8") for path in paths if kind_of(path) == kind]
            if texts:
                items = "\n".join("* " + text.strip().replace("\n", "\n  ") for text in texts)
                found += self.parse_text_to_nodes(f"**{kind.capitalize()}**\n\n{items}\n")
        return found


def kind_of(path: Path) -> str:
    return path.stem.rpartition(".")[2]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("unreleased-changes", UnreleasedChanges)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
