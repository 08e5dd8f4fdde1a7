"""The scanner: tags, braces, comments, line numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._template.scanner import SyntaxProblem, scan


@pytest.mark.parametrize(
    ("source", "tokens"),
    [
        ("", []),
        ("plain { text } %}", [("text", "plain { text } %}", 1)]),
        ("a{{ b }}c", [("text", "a", 1), ("expression", "b", 1), ("text", "c", 1)]),
        ("{% if x %}\n{%end%}", [("directive", "if x", 1), ("text", "\n", 1), ("directive", "end", 2)]),
        ("{# {{ no }} \n #}{{x}}", [("expression", "x", 2)]),
        ("{##}", []),
        ("{{{x}}}", [("text", "{", 1), ("expression", "x", 1), ("text", "}", 1)]),
        ("{{! x }}", [("text", "{{", 1), ("text", " x }}", 1)]),
        ("\n{%!%}{#!#}", [("text", "\n", 1), ("text", "{%", 2), ("text", "%}", 2), ("text", "{#", 2), ("text", "#}", 2)]),
        ("{{ f(1,\n2) }}{{ y }}", [("expression", "f(1,\n2)", 1), ("expression", "y", 2)]),
        ("x{", [("text", "x{", 1)]),
        ("{ {", [("text", "{ {", 1)]),
    ],
)
def test_tokens(source: str, tokens: list[tuple[str, str, int]]) -> None:
    assert list(scan(source)) == tokens


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("\n{{ x", "Missing end expression }}", 2),
        ("{{ a }}\n\n{% x }}", "Missing end block %}", 3),
        ("{{{% x %}", "Missing end expression }}", 1),
        ("{# x", "Missing end comment #}", 1),
        ("{{ \n }}", "Empty expression tag", 1),
        ("\n\n{%%}", "Empty block tag", 3),
    ],
)
def test_problems(source: str, message: str, line: int) -> None:
    with pytest.raises(SyntaxProblem, match=message) as problem:
        list(scan(source))
    assert problem.value.line == line


@given(st.text(st.sampled_from("{}%#! \nab")))
@settings(max_examples=200, deadline=None)
def test_any_source_is_scanned_or_refused(source: str) -> None:
    last_line = source.count("\n") + 1
    try:
        tokens = list(scan(source))
    except SyntaxProblem as problem:
        if not 1 <= problem.line <= last_line:
            raise
        return
    assert all(token.value for token in tokens)
    lines = [token.line for token in tokens]
    assert lines == sorted(lines)
    assert not lines or lines[-1] <= last_line
    if "{{" not in source and "{%" not in source and "{#" not in source:
        assert "".join(token.value for token in tokens) == source
