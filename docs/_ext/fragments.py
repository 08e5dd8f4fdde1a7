"""Sphinx extension: the directive ``unreleased-changes`` shows the fragments of ``docs/changes/fragments``, by kind."""

from pathlib import Path
from typing import Any

import collation
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective


class UnreleasedChanges(SphinxDirective):
    """Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        directory = Path(self.env.srcdir, "changes", "fragments")
        try:
            for path in collation.paths(directory):
                self.env.note_dependency(str(path))
        except ValueError as error:
            raise ExtensionError(str(error)) from None
        return self.parse_text_to_nodes(collation.collated(directory) or "Nothing.\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("unreleased-changes", UnreleasedChanges)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
