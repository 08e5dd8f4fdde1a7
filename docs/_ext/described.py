"""Sphinx extension: a public name without a description, or a public module without a page, is a warning (and so fails the gate)."""

from pathlib import Path
from typing import Any

import public_names
from sphinx.application import Sphinx
from sphinx.util import logging


def check(app: Sphinx) -> None:
    """Warn about each name that is missing."""
    logger = logging.getLogger(__name__)
    pages = {path.stem for path in Path(app.srcdir, "reference").glob("*.rst")}
    for name in public_names.modules(Path(app.srcdir).parent / public_names.PACKAGE):
        for missing in public_names.undescribed(name):
            logger.warning("public name without a description: %s.%s", public_names.PACKAGE, missing, type="described")
        if name not in pages:
            logger.warning("public module without a page: docs/reference/%s.rst", name, type="described")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
