"""The parser: the tree that a source becomes, and what it refuses."""

from typing import Any

import pytest

from tornadolike._template.nodes import Apply, Block, Branch, Control, Expression, Include, Statement, Text
from tornadolike._template.parser import parse
from tornadolike._template.scanner import SyntaxProblem


def tree(source: str, mode: str = "all") -> list[Any]:
    return parse(source, "page.html", "escape_it", mode).body


def test_text_around_comments_is_one() -> None:
    assert tree("a{# b #}{{! c") == [Text("a{{ c", 1)]


def test_blocks_nest() -> None:
    source = "{% if x %}{% for y in z %}\n{{ y }}{% break %}{% else %}{% end %}{% elif w %}{% raw w %}{% end %}"
    loop = Control("for y in z", 1, [Text("\n", 1), Expression("y", 2), Statement("break", 2), Branch("else", 2)])
    assert tree(source) == [Control("if x", 1, [loop, Branch("elif w", 2), Expression("w", 2, raw=True)])]


def test_directives() -> None:
    assert tree("{% set a = 1 %}{% import os %}{% from os import path %}{% comment x %}") == [
        Statement("a = 1", 1),
        Statement("import os", 1),
        Statement("from os import path", 1),
    ]
    assert tree("{% include \"a.html\" %}{% include 'b.html' %}{% include c.html %}") == [Include(f"{name}.html", 1) for name in "abc"]
    assert tree("{% block head %}{% apply f.g %}x{% end %}{% end %}") == [Block("head", 1, [Apply("f.g", 1, [Text("x", 1)])])]
    assert tree("{% module Menu(1) %}") == [Expression("_tt_modules.Menu(1)", 1, raw=True)]


def test_settings_of_the_file() -> None:
    file = parse("{% extends 'base.html' %}{% autoescape other %}", "a", "first", "all")
    assert (file.extends, file.autoescape, file.body) == (["base.html"], "other", [])
    assert parse("{% autoescape None %}", "a", "first", "all").autoescape is None
    assert parse("", "a", "first", "all").autoescape == "first"


def test_whitespace_counts_from_its_directive_on() -> None:
    assert tree("a  b{% whitespace oneline %}c \n d<pre>  {% set x = 1 %}\n\n", "single") == [
        Text("a bc \n d<pre>  ", 1),
        Statement("x = 1", 2),
        Text(" ", 2),
    ]


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("\n{% if x %}\n\n{% for y in x %}{% end %}", "no {% end %} for the if block", 2),
        ("{% end %}", "{% end %} without a block", 1),
        ("{% else %}", "else outside of a block", 1),
        ("{% if x %}{% except %}{% end %}", "except in a if block", 1),
        ("{% apply f %}{% else %}{% end %}", "else in a apply block", 1),
        ("\n{% break %}", "break outside of a loop", 2),
        ("{% for x in y %}{% apply f %}{% continue %}{% end %}{% end %}", "continue outside of a loop", 1),
        ("{% block %}{% end %}", "block without a name", 1),
        ("{% apply %}{% end %}", "apply without a name", 1),
        ("{% extends '' %}", "extends without a path", 1),
        ("{% include %}", "include without a path", 1),
        ("{% if x %}{% extends a %}{% end %}", "extends inside of a block", 1),
        ("{% set %}", "set without a statement", 1),
        ("{% from %}", "import without a statement", 1),
        ("{% unknown x %}", "unknown operator: 'unknown'", 1),
    ],
)
def test_problems(source: str, message: str, line: int) -> None:
    with pytest.raises(SyntaxProblem) as problem:
        tree(source)
    assert (problem.value.message, problem.value.line) == (message, line)


def test_loops_reach_into_conditions_and_blocks_but_not_out_of_them() -> None:
    tree("{% while x %}{% if y %}{% block b %}{% continue %}{% end %}{% end %}{% end %}")
    with pytest.raises(SyntaxProblem):
        tree("{% while x %}{% end %}{% break %}")


def test_unknown_whitespace_mode() -> None:
    with pytest.raises(ValueError, match="invalid whitespace mode x"):
        tree("{% whitespace x %}")


def test_depth_needs_no_recursion() -> None:
    node = tree("{% if x %}" * 5000 + "{% end %}" * 5000)[0]
    for _ in range(4999):
        node = node.body[0]
    assert node.body == []
