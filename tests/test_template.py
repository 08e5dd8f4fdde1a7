"""tornadolike.template: rendering, loaders, errors and their places."""

import codecs
import contextlib
import datetime as dt
import decimal
import gc
import pickle
import threading
import time
import traceback
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike import escape
from tornadolike.template import BaseLoader, DictLoader, Loader, ParseError, Template, filter_whitespace


def render(source: str | bytes, **names: Any) -> str:
    return Template(source).generate(**names).decode()


class Color(str):
    """A string which says something else when asked for its text."""

    __slots__ = ()

    def __str__(self) -> str:
        return "not this"

    def replace(self, *args: Any) -> str:
        return "nor this"


class TestOutput:
    @pytest.mark.parametrize(
        ("value", "escaped", "raw"),
        [
            ("<é>", "&lt;é&gt;", "<é>"),
            ("<é>".encode(), "&lt;é&gt;", "<é>"),
            (12, "12", "12"),
            (None, "None", "None"),
            (["&"], "[&#x27;&amp;&#x27;]", "['&']"),
            (Color("<red>"), "&lt;red&gt;", "<red>"),
        ],
    )
    def test_values(self, value: Any, escaped: str, raw: str) -> None:
        assert render("{{ x }}|{% raw x %}", x=value) == f"{escaped}|{raw}"
        assert render("{% autoescape None %}{{ x }}", x=value) == raw

    def test_bytes_need_not_be_utf8_when_raw(self) -> None:
        assert Template("{% raw x %}").generate(x=b"\xff") == b"\xff"

    def test_any_python_is_an_expression(self) -> None:
        assert render("{{ a, 'b' }}{{ a # and a comment\n }}{{ [i for i in range(a)] }}", a=2) == "(2, &#x27;b&#x27;)2[0, 1]"
        assert render("{% raw (lambda x: x * 2)(\n4) %}") == "8"

    def test_a_template_can_be_bytes(self) -> None:
        assert render("é{{ x }}".encode(), x=1) == "é1"

    def test_the_names_a_template_knows(self) -> None:
        source = "{{ escape('&') }}|{{ xhtml_escape('&') }}|{{ url_escape('a b') }}|{% raw json_encode({}) %}|"
        source += "{{ squeeze(' a  b ') }}|{{ datetime.date(2026, 1, 2) }}"
        assert render(source) == "&amp;amp;|&amp;amp;|a+b|{}|a b|2026-01-02"
        assert render("{% raw linkify('www.a.org') %}") == escape.linkify("www.a.org")

    def test_arguments_win_over_the_loader_and_that_over_the_standard_names(self) -> None:
        loader = DictLoader({"a": "{{ squeeze }} {{ x }} {{ y }}"}, namespace={"squeeze": 1, "x": 2, "y": 3})
        assert loader.load("a").generate(y=4) == b"1 2 4"

    def test_variables_do_not_outlive_a_rendering(self) -> None:
        template = Template("{% set y = x %}{% import os %}{{ y }}")
        assert template.generate(x=1) == b"1"
        with pytest.raises(NameError):
            template.generate()


class TestStatements:
    def test_loops_and_conditions(self) -> None:
        source = "{% for i in n %}{% if i == 1 %}{% continue %}{% elif i == 4 %}{% break %}{% else %}{{ i }}{% end %}{% end %}"
        assert render(source, n=range(9)) == "023"
        assert render("{% set i = 3 %}{% while i %}{{ i }}{% set i -= 1 %}{% else %}!{% end %}") == "321!"
        assert render("{% for i in [] %}{% end %}") == ""

    def test_try(self) -> None:
        source = "{% try %}{{ 1 / x }}{% except ZeroDivisionError as e %}{{ type(e).__name__ }}{% else %}fine{% finally %}!{% end %}"
        assert render(source, x=1) == "1.0fine!"
        assert render(source, x=0) == "ZeroDivisionError!"

    def test_imports(self) -> None:
        assert render("{% import math %}{% from math import floor as f %}{{ f(math.pi) }}") == "3"

    def test_apply_passes_bytes_and_takes_text_or_bytes(self) -> None:
        seen: list[Any] = []

        def upper(value: Any) -> Any:
            seen.append(value)
            return value.upper() if b"b" in value else value.decode()

        assert render("{% for c in 'ab' %}{% apply up %}{{ c }}é{% end %}{% end %}", up=upper) == "aéBé"
        assert seen == ["aé".encode(), "bé".encode()]

    def test_modules(self) -> None:
        class Modules:
            def Menu(self, n: int) -> str:
                return f"<menu {n}>"

        assert render("{% module Menu(n) %}", n=3, _tt_modules=Modules()) == "<menu 3>"


class TestEscaping:
    def test_a_function_of_ones_own_gets_bytes(self) -> None:
        assert render("{% autoescape show %}{{ 'é' }}{{ 1 }}", show=repr) == r"b'\xc3\xa9'b'1'"

    def test_the_function_may_be_replaced_under_its_name(self) -> None:
        assert render("{{ '<' }}", xhtml_escape=lambda value: b"[" + value + b"]") == "[<]"

    def test_loader_and_template_say_which(self) -> None:
        sources = {"a": "{{ x }}", "b": "{% autoescape url_escape %}{{ x }}{% include a %}"}
        loader = DictLoader(sources, autoescape=None)
        assert loader.load("b").generate(x="<") == b"%3C<"
        assert loader.load("a").autoescape is None
        assert Template("{{ x }}", loader=loader, autoescape="xhtml_escape").generate(x="<") == b"&lt;"
        assert DictLoader(sources).load("b").autoescape == "url_escape"


class TestInheritance:
    SOURCES = {
        "base.html": "<{% block head %}H{% end %}|{% block body %}B{{ x }}{% end %}>",
        "page.html": '{% extends "base.html" %}{% block body %}P{{ x }}{% include "parts/a.txt" %}{% end %}',
        "leaf.html": '{% extends "page.html" %}{% block head %}L{% block inner %}I{% end %}{% end %}',
        "parts/a.txt": "({% include b.txt %})",
        "parts/b.txt": "{% set y = 9 %}b{{ y }}",
    }

    @pytest.mark.parametrize(("name", "output"), [("base.html", "<H|B1>"), ("page.html", "<H|P1(b9)>"), ("leaf.html", "<LI|P1(b9)>")])
    def test_extends_and_include(self, name: str, output: str) -> None:
        assert DictLoader(self.SOURCES).load(name).generate(x=1).decode() == output

    def test_files(self, tmp_path: Path) -> None:
        for name, source in self.SOURCES.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(source)
        loader = Loader(str(tmp_path))
        assert loader.load("leaf.html").generate(x=1) == b"<LI|P1(b9)>"
        assert sorted(loader.templates) == ["base.html", "leaf.html", "page.html", "parts/a.txt", "parts/b.txt"]

    @pytest.mark.parametrize("source", ["{% extends a %}", "{% include a %}"])
    def test_a_loader_is_needed(self, source: str) -> None:
        with pytest.raises(ParseError, match="no template loader"):
            Template(source)


class TestLoaders:
    @pytest.mark.parametrize(
        ("name", "parent", "path"),
        [
            ("a.html", None, "a.html"),
            ("a.html", "x/b.html", "x/a.html"),
            ("../a.html", "x/y/b.html", "x/a.html"),
            ("a.html", "<string>", "a.html"),
            ("/a.html", "x/b.html", "/a.html"),
            ("a.html", "/x/b.html", "a.html"),
        ],
    )
    def test_relative_names(self, name: str, parent: str | None, path: str) -> None:
        assert DictLoader({}).resolve_path(name, parent) == path
        assert Loader("/templates").resolve_path(name, parent) == path

    def test_names_which_lead_out_of_the_root_remain(self) -> None:
        loader = Loader("/templates")
        assert loader.resolve_path("../templates-of-others/a.html", "b.html") == "../templates-of-others/a.html"
        assert Loader("/").resolve_path("a.html", "x/b.html") == "x/a.html"

    def test_templates_are_compiled_once_until_reset(self) -> None:
        loader = DictLoader({"a": "1"})
        first = loader.load("a")
        loader.dict["a"] = "2"
        assert loader.load("a") is first
        loader.reset()
        assert loader.load("a").generate() == b"2"

    def test_threads_compile_a_template_once(self) -> None:
        made: list[str] = []

        class Slow(DictLoader):
            def _create_template(self, name: str) -> Template:
                made.append(name)
                return super()._create_template(name)

        loader = Slow({"a": "{% include b %}", "b": ""})
        threads = [threading.Thread(target=loader.load, args=("a",)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(made) == ["a", "b"]

    def test_missing_templates(self, tmp_path: Path) -> None:
        with pytest.raises(KeyError):
            DictLoader({}).load("a")
        with pytest.raises(FileNotFoundError):
            Loader(str(tmp_path)).load("a")
        with pytest.raises(NotImplementedError):
            BaseLoader().load("a")
        with pytest.raises(NotImplementedError):
            BaseLoader()._create_template("a")


class TestWhitespace:
    def test_the_filter(self) -> None:
        assert filter_whitespace("single", "a \n\n b  c") == "a\nb c"

    def test_who_decides(self) -> None:
        source = " a  b\n\nc"
        single, everything = b" a b\nc", source.encode()
        assert Template(source, "x.html").generate() == single
        assert Template(source, "x.txt").generate() == everything
        assert Template(source, whitespace="single").generate() == single
        assert Template(source, "x.html", loader=DictLoader({}, whitespace="all")).generate() == everything
        assert Template(source, compress_whitespace=True).generate() == single
        assert Template(source, "x.html", compress_whitespace=False).generate() == everything
        assert Template("{% whitespace oneline %}" + source).generate() == b" a b c"
        with pytest.raises(ValueError, match="both"):
            Template("", compress_whitespace=True, whitespace="all")
        with pytest.raises(ValueError, match="invalid whitespace mode"):
            Template("", whitespace="some")


class TestErrors:
    def test_a_parse_error_says_where(self) -> None:
        with pytest.raises(ParseError) as error:
            Template("\n\n{{ x", name="shop/page.html")
        assert (error.value.filename, error.value.lineno) == ("shop/page.html", 3)
        assert str(error.value) == "Missing end expression }} at shop/page.html:3"
        assert str(ParseError("bad")) == "bad at None:0"

    def test_python_which_is_none_is_logged_with_numbers(self, logs: Any) -> None:
        with pytest.raises(SyntaxError):
            Template("{{ 1 1 }}", name="page.html")
        record = logs.take("tornado.application", "^page.html code:\n")
        assert "\n4      _tt_tmp = 1 1  # page.html:1\n" in record.getMessage()

    @pytest.mark.parametrize(
        ("name", "place"),
        [
            ("leaf.html", "# leaf.html:2 (via base.html:1)"),
            ("outer.html", "# part.html:2 (via outer.html:3)"),
            ("apply.html", "# apply.html:2"),
        ],
    )
    def test_tracebacks_show_the_place(self, name: str, place: str) -> None:
        loader = DictLoader(
            {
                "base.html": "{% block a %}{% end %}",
                "leaf.html": "{% extends base.html %}{% block a %}\n{{ 1 / 0 }}{% end %}",
                "outer.html": "\n\n{% include part.html %}",
                "part.html": "\n{{ 1 / 0 }}",
                "apply.html": "{% apply str %}\n{{ 1 / 0 }}{% end %}",
            }
        )
        with pytest.raises(ZeroDivisionError) as error:
            loader.load(name).generate()
        assert place in "".join(traceback.format_exception(error.value))

    def test_tracebacks_of_templates_with_one_name_do_not_mix(self) -> None:
        for number in (1, 2):
            with pytest.raises(ZeroDivisionError) as error:
                Template(f"{{{{ {number} / 0 }}}}").generate()
            assert f"_tt_tmp = {number} / 0" in "".join(traceback.format_exception(error.value))


WHEN = dt.datetime(2026, 11, 28, 9, 30)

# Calls into C, most of which import something there: by way of the globals of the Python that called them.
CALLS_INTO_C = [
    "when.strftime('%Y %B')",
    "datetime.datetime.strptime('2026-02', '%Y-%m')",
    "format(when, '%H:%M')",
    "f'{when:%d.%m.}'",
    "time.strptime('7', '%M').tm_min",
    "time.strftime('%Y', when.timetuple())",
    "pickle.loads(pickle.dumps(when))",
    "pickle.loads(pickle.dumps(decimal.Decimal('1.5'), 0))",
    "codecs.encode('ab', 'rot13')",
    "'b\u00fccher'.encode('idna')",
    "b'a+AOk-'.decode('utf-7')",
    "decimal.Decimal(2).sqrt()",
    "__import__('math').hypot(3, 4)",
    "eval('[x * 2 for x in range(3)]')",
    "sorted(when.__reduce__(), key=str)[-1].__class__",
    "type('Made', (), {}).__module__",
]
# Everywhere that Python stands in a template.
PLACES = {
    "expression": "{{ CALL }}",
    "raw": "{% raw xhtml_escape(str(CALL)) %}",
    "set": "{% set x = CALL %}{{ x }}",
    "for": "{% for x in [CALL] %}{{ x }}{% end %}",
    "if": "{% if CALL is not None %}{{ CALL }}{% end %}",
    "while": "{% set n = 1 %}{% while n and (CALL, 1) %}{{ CALL }}{% set n = 0 %}{% end %}",
    "try": "{% try %}{{ 1 / 0 }}{% except ZeroDivisionError %}{{ CALL }}{% finally %}{% set _ = CALL %}{% end %}",
    "apply": "{% apply (lambda text: (CALL, text)[1]) %}{{ CALL }}{% end %}",
    "module": "{% module Shown(CALL) %}",
    "include": "{% include part %}",
    "block": "{% extends base %}{% block b %}{{ CALL }}{% end %}",
    "comprehension": "{{ [CALL for _ in (1,)][0] }}",
    "lambda": "{{ (lambda: CALL)() }}",
    "default": "{{ (lambda x=CALL: x)() }}",
    "autoescape": "{% autoescape own %}{{ CALL }}",
}


class _Modules:
    def Shown(self, value: Any) -> str:
        return escape.xhtml_escape(str(value))


class TestTheWorldThatExecGives:
    """Where Tornado runs a template with `exec`, which gives its namespace what a module has."""

    @given(st.sampled_from(CALLS_INTO_C), st.sampled_from(sorted(PLACES)))
    def test_functions_in_c_work_wherever_python_stands(self, call: str, place: str) -> None:
        names = {"when": WHEN, "time": time, "pickle": pickle, "codecs": codecs, "decimal": decimal}
        seen = eval(call, {**names, "datetime": dt, "__name__": "page_html"})
        sources = {
            "page.html": PLACES[place].replace("CALL", call),
            "part": PLACES["expression"].replace("CALL", call),
            "base": "{% block b %}{% end %}",
        }
        loader = DictLoader(sources, namespace=names)
        output = loader.load("page.html").generate(_tt_modules=_Modules(), own=lambda text: escape.xhtml_escape(text))
        text = seen if isinstance(seen, bytes) and place not in ("raw", "module") else str(seen)
        assert output.decode() == escape.xhtml_escape(text)

    def test_the_names_are_those_of_tornado_and_a_few(self) -> None:
        in_tornado = {"__builtins__", "__loader__", "__name__", "_tt_execute", "_tt_string_types", "_tt_utf8", "datetime", "escape"}
        in_tornado |= {"json_encode", "linkify", "squeeze", "url_escape", "xhtml_escape"}
        ours = eval(render("{% raw sorted(globals()) %}"))
        assert set(ours) - in_tornado == {"__spec__", "_tt_bytes", "_tt_escaped"}
        assert in_tornado <= set(ours)
        assert render("{% raw type(__builtins__).__name__ %} {% raw _tt_execute.__globals__ is globals() %}") == "dict True"

    def test_builtins_can_be_replaced_by_the_namespace(self) -> None:
        with pytest.raises(NameError, match="open"):
            Template("{{ open }}").generate(__builtins__={})
        assert Template("{{ shout }}").generate(__builtins__={"shout": 1}) == b"1"

    def test_a_relative_import_says_what_it_says_elsewhere(self) -> None:
        with pytest.raises(ImportError, match="no known parent package"):
            Template("{% from . import x %}").generate()

    @pytest.mark.parametrize("source", ["{{ x and 1 }}", "{{ x and 1 / 0 }}"])
    def test_a_rendering_leaves_no_cycle(self, source: str) -> None:
        class Held:
            pass

        held = Held()
        gone = weakref.ref(held)
        gc.collect()
        gc.disable()
        try:
            with contextlib.suppress(ZeroDivisionError):
                Template(source).generate(x=held)
            del held
            assert gone() is None
        finally:
            gc.enable()


def test_what_a_template_shows_of_itself() -> None:
    template = Template("{{ x }}", name="a.txt", loader=(loader := DictLoader({}, namespace={"x": dt.MINYEAR})))
    assert template.loader is loader
    assert template.namespace is loader.namespace
    assert (template.name, template.autoescape, template.file.name) == ("a.txt", "xhtml_escape", "a.txt")
    assert "_tt_tmp = x" in template.code
    assert template.compiled.co_filename == "a_txt.generated.py"
    assert template.generate() == b"1"
