"""The whitespace modes."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._template.whitespace import default_mode, filter_for


@pytest.mark.parametrize(("mode", "result"), [("all", " a \t b\r\n  c\n\n\n d"), ("single", " a b\nc\nd"), ("oneline", " a b c d")])
def test_modes(mode: str, result: str) -> None:
    assert filter_for(mode)(" a \t b\r\n  c\n\n\n d") == result


@given(st.text(st.sampled_from(" \t\n\r\x0b\u2003a")))
@settings(max_examples=200, deadline=None)
def test_single_is_blanks_joined_and_then_lines_trimmed(text: str) -> None:
    assert filter_for("single")(text) == re.sub(r"\s*\n\s*", "\n", re.sub(r"[\t ]+", " ", text))


@pytest.mark.parametrize("mode", ["single", "oneline"])
def test_time_is_linear(mode: str) -> None:
    start = time.process_time()
    filter_for(mode)("\r" * 300_000)
    assert time.process_time() - start < 1


def test_unknown_modes() -> None:
    with pytest.raises(ValueError, match="invalid whitespace mode double"):
        filter_for("double")


@pytest.mark.parametrize(
    ("name", "mode"), [("a.html", "single"), ("a.js", "single"), ("a.txt", "all"), ("<string>", "all"), ("html", "all")]
)
def test_defaults(name: str, mode: str) -> None:
    assert default_mode(name) == mode
