"""Sphinx extension: a public name without a description, or a public module without a page, is an error of the build."""

from pathlib import Path
from typing import Any

import public_names
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError


def check(app: Sphinx) -> None:
    """Raise `ExtensionError` with all names that are missing."""
    pages = {path.stem for path in Path(app.srcdir, "reference").glob("*.rst")}
    package = Path(app.srcdir).parent / public_names.PACKAGE
    missing = []
    for name in public_names.modules(package):
        missing += public_names.undescribed(name)
        if name not in pages:
            missing.append(f"docs/reference/{name}.rst")
    if missing:
        raise ExtensionError(f"{len(missing)} public names are not described: {', '.join(missing)}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
