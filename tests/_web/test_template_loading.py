"""Where templates are looked for, and how they are read."""

import os
import sys

from tornadolike._web import template_loading


def called_here() -> str:
    return template_loading.directory_of_caller(sys._getframe())


def test_the_caller_is_the_first_other_file() -> None:
    made: dict[str, object] = {"called_here": called_here}
    exec(compile("found = called_here()", os.path.join("somewhere", "else.py"), "exec"), made)
    assert made["found"] == "somewhere"


def test_what_a_loader_is_told() -> None:
    settings = {"autoescape": None, "template_whitespace": "single", "debug": True}
    assert template_loading.options(settings) == {"autoescape": None, "whitespace": "single"}
    assert template_loading.options({}) == {}
