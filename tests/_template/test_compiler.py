"""The compiler: Python from trees, with the place of each line."""

import textwrap

import pytest

from tornadolike._template.compiler import compile_to_python
from tornadolike._template.nodes import File
from tornadolike._template.parser import parse


def compiled(name: str, **sources: str) -> str:
    files = {key: parse(source, key, None if key == "raw" else "esc", "all") for key, source in sources.items()}

    def load(path: str, parent: str) -> File:
        return files[path]

    return compile_to_python(files[name], load)


def test_a_page() -> None:
    assert compiled("page", page="Hé {{ x }}\n{% raw y %}") == textwrap.dedent("""\
        def _tt_execute():  # page:0
            _tt_buffer = []  # page:0
            _tt_append = _tt_buffer.append  # page:0
            _tt_append(b'H\\xc3\\xa9 ')  # page:1
            _tt_tmp = x  # page:1
            _tt_append(_tt_escaped(_tt_tmp, esc))  # page:1
            _tt_append(b'\\n')  # page:1
            _tt_tmp = y  # page:2
            _tt_append(_tt_bytes(_tt_tmp))  # page:2
            return b''.join(_tt_buffer)  # page:0
        """)


def test_control_and_apply() -> None:
    source = compiled("page", page="{% if x %}{% else %}{% apply f %}{% apply g %}{% end %}{% end %}{% end %}")
    lines = [line.partition("  #")[0] for line in source.splitlines()]
    assert (
        lines
        == textwrap.dedent("""\
        def _tt_execute():
            _tt_buffer = []
            _tt_append = _tt_buffer.append
            if x:
                pass
            else:
                def _tt_apply0():
                    _tt_buffer = []
                    _tt_append = _tt_buffer.append
                    def _tt_apply1():
                        _tt_buffer = []
                        _tt_append = _tt_buffer.append
                        return b''.join(_tt_buffer)
                    _tt_append(_tt_utf8(g(_tt_apply1())))
                    return b''.join(_tt_buffer)
                _tt_append(_tt_utf8(f(_tt_apply0())))
                pass
            return b''.join(_tt_buffer)""").splitlines()
    )


def test_blocks_come_from_the_file_furthest_down_and_say_how_they_got_there() -> None:
    source = compiled(
        "leaf",
        base="\n{% block a %}base{% end %}{% block b %}{{ b }}{% end %}",
        raw="{% extends base %}{% block a %}{{ middle }}{% end %}{% block b %}{% include part %}{% end %}",
        leaf="{% extends raw %}ignored\n\n{% block a %}{{ leaf }}{% end %}",
        part="{% block c %}{{ c }}{% end %}",
    )
    assert "ignored" not in source
    assert "    _tt_tmp = leaf  # leaf:3 (via base:2)\n" in source
    assert "    _tt_tmp = c  # part:1 (via part:1, raw:1, base:2)\n" in source
    assert "middle" not in source


def test_the_escaping_is_that_of_the_file_in_which_an_expression_stands() -> None:
    source = compiled("raw", raw="{{ a }}{% include page %}{{ c }}", page="{{ b }}")
    assert [line.strip().partition("  #")[0] for line in source.splitlines() if "_tt_tmp)" in line or "_tt_tmp," in line] == [
        "_tt_append(_tt_bytes(_tt_tmp))",
        "_tt_append(_tt_escaped(_tt_tmp, esc))",
        "_tt_append(_tt_bytes(_tt_tmp))",
    ]


def test_blocks_of_included_files_can_be_replaced() -> None:
    source = compiled("page", page="{% include part %}{% if x %}{% block c %}here{% end %}{% end %}", part="{% block c %}there{% end %}")
    assert "there" not in source
    assert source.count("here") == 2


def test_what_cannot_be_loaded() -> None:
    with pytest.raises(KeyError):
        compiled("page", page="{% include missing %}")
