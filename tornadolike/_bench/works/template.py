"""Templates, compiled and filled in."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornadolike._bench.works.registry import TEXT, Run, calls, work

_PAGE = """<html><head><title>{{ title }}</title></head><body>{% include "head.html" %}
<table>{% for item in items %}<tr class="{{ 'odd' if item['id'] % 2 else 'even' }}"><td>{{ item["id"] }}</td><td>{{ item["name"] }}</td>
<td>{% if item["price"] > 10 %}<b>{{ item["price"] }}</b>{% else %}{{ item["price"] }}{% end %}</td></tr>{% end %}</table></body></html>"""
_ITEMS = [{"id": number, "name": f"item <{number}>", "price": number * 1.25} for number in range(20)]
_PAGES = {
    "base.html": "<html><head>{% block title %}Title{% end %}</head><body>{% block body %}{% end %}</body></html>",
    "page.html": '{% extends "base.html" %}{% block title %}{{ title }}{% end %}{% block body %}'
    "{% for x in items %}<p>{{ x }}</p>{% end %}{% end %}",
    "apply.html": "{% apply upper %}some {{ word }} text{% end %}{% set a = 1 %}{% raw word %}{{ a }}",
    "control.html": "{% set n = count %}{% while n %}{% set n = n - 1 %}{% if n == 3 %}{% continue %}{% elif n == 1 %}{% break %}{% else %}"
    "{{ n }}{% end %}{% end %}"
    "{% try %}{{ 1 // 0 }}{% except ZeroDivisionError %}none{% finally %}.{% end %}",
    "plain.html": TEXT * 20,
    "raw.html": "{% autoescape None %}{% for x in items %}{{ x }},{% end %}",
}
_ITEM_TEXTS = [f"item <{number}>" for number in range(20)]


def _generated(page: str, **values: Any) -> Callable[[Any], Callable[[], object]]:
    return lambda m: lambda t=m.DictLoader(_PAGES).load(page): t.generate(**values)


def _from_files(template: Any) -> Callable[[], object]:
    directory = tempfile.mkdtemp()
    for name, text in _PAGES.items():
        Path(directory, name).write_text(text)

    return lambda: template.Loader(directory).load("page.html").generate(title="a", items=["b"])


@work("template: generate a page")
def _page(template: Any) -> Run:
    loader = template.DictLoader({"page.html": _PAGE, "head.html": "<h1>{{ title }}</h1>"})
    page = loader.load("page.html")
    return lambda n: [page.generate(title="A & B", items=_ITEMS) for _ in range(n)]


@work("template: generate a line")
def _line(template: Any) -> Run:
    page = template.Template("Hello, {{ name }}!")
    return lambda n: [page.generate(name="Ada") for _ in range(n)]


@work("template: compile")
def _compile(template: Any) -> Run:
    return lambda n: [template.Template(_PAGE.replace('{% include "head.html" %}', "")) for _ in range(n)]


calls("template: a page that extends another", _generated("page.html", title="a & b", items=_ITEM_TEXTS))
calls("template: apply, set, raw", _generated("apply.html", upper=lambda s: s.upper(), word="w"))
calls("template: control", _generated("control.html", count=6))
calls("template: text alone", _generated("plain.html"))
calls("template: without escaping", _generated("raw.html", items=_ITEM_TEXTS))
calls("template: loaded again", lambda m: lambda f=m.DictLoader(_PAGES): f.load("page.html"))
calls("template: load and compile three", lambda m: lambda f=m.DictLoader: (f(_PAGES).load("page.html"), f(_PAGES).load("control.html")))
calls("template: compile text alone", lambda m: lambda f=m.Template, t=_PAGES["plain.html"]: f(t))
calls("template: numbers", lambda m: lambda t=m.Template("{% for n in range(50) %}{{ n }} {% end %}"): t.generate())
calls("template: filter_whitespace", lambda m: lambda f=m.filter_whitespace: f("single", "a\n   b \n\n c" * 20))
calls("template: Loader, from files", _from_files)
