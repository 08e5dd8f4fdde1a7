"""How the documentation is built: ``python -m sphinx -W --keep-going -b html docs build/docs`` in the project's root."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE / "changes"), str(HERE.parent)]

import tornadolike  # noqa: E402 - found by the line above, so that a checkout needs no installation

project = "tornadolike"
author = "the tornadolike project"
copyright = f"{author}; Apache License 2.0"  # noqa: A001 - the option's name
version = release = tornadolike.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton", "described", "fragments", "rooms", "states"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["changes/fragments/*", "examples/**"]
default_role = "py:obj"
highlight_language = "python"
pygments_style = "friendly"
maximum_signature_line_length = 90
python_use_unqualified_type_names = True
add_module_names = False

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist", "substitution"]
myst_heading_anchors = 3
myst_substitutions = {"api": tornadolike.version, "version": tornadolike.__version__}

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
html_theme = "furo"
html_title = f"tornadolike {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["filter.js"]
html_favicon = "_static/favicon.svg"
# The button takes what is to be typed, not the prompt, and nothing of what was printed.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
