"""Templates: output, whitespace, errors and where they are said to be, generated code's behaviour, UI modules."""

# ruff: noqa: E501 - rows of tables; names are looked up when the call is made

import traceback
from typing import Any

from tornado import escape, template, web

from compat_suite.differential.applications import answering, application
from compat_suite.differential.conversation import talk
from compat_suite.differential.scenario import add, raised

_NAMES: dict[str, Any] = {
    "a": "<A&>",
    "items": [1, 2, 3],
    "none": None,
    "number": 4,
    "data": b"by\xc3\xa9tes",
    "d": {"k": "v"},
    "fail": lambda: 1 / 0,
    "_tt_x": 1,
}
_OTHERS = {
    "base.html": "<title>{% block title %}base{% end %}</title>{% block body %}<p>  body\n  </p>{% end %}", "part.html": "[{{ a }}]", "mid.html": '{% extends "base.html" %}{% block title %}mid {% end %}', "fails.html": "\n{{ fail() }}",
    "includes.html": '\n\n{% include "fails.html" %}', "text.txt": "a\n\n  b {{ a }}", "script.js": "var  x\n = {{ a }};", "loop.html": '{% include "loop.html" %}', "auto.html": "{% autoescape None %}{{ a }}", "extends_fails.html": '{% extends "base.html" %}{% block body %}\n\n{{ nosuch }}{% end %}',
}  # fmt: skip
_TEXTS = [
    "", "plain", "{{ a }}", "{{a}}", "{{ data }}", "{{ number }}", "{{ none }}", "{% raw a %}", "{{ a + 'x' }}", "{{! not }}", "{%! not %}", "{#! not #}", "{# comment #}x", "{% comment anything %}x", "{{ '}}' }}", "{{ '%}' }}", "{{ {'k': 1}['k'] }}", "{{{ a }}}", "{ { a } }", "a{b}c", "{", "{{", "{%", "{#", "}}", "%}",
    "{{ a", "{% if a %}", "{% end %}", "{% if a %}yes{% else %}no{% end %}", "{% if none %}1{% elif number == 4 %}2{% else %}3{% end %}", "{% for i in items %}{{ i }},{% end %}", "{% for i in items %}{% if i == 2 %}{% continue %}{% end %}{{ i }}{% end %}", "{% for i in items %}{{ i }}{% break %}{% end %}", "{% break %}",
    "{% while number > 2 %}{% set number = number - 1 %}{{ number }}{% end %}", "{% for i in [] %}x{% else %}empty{% end %}", "{% try %}{{ fail() }}{% except ZeroDivisionError %}caught{% else %}e{% finally %}f{% end %}", "{% else %}", "{% elif %}", "{% set x = 1 %}{{ x }}", "{% set %}", "{% import os.path %}{{ os.path.join('a','b') }}",
    "{% from os import path %}{{ path.sep }}", "{% import %}", "{% from %}", "{% nosuch %}", "{% %}", "{{ }}", "{% module Nosuch() %}", "{% apply upper %}x{% end %}", "{% apply %}x{% end %}", "{% apply len %}abc{% end %}", "{% apply xhtml_escape %}<{% end %}", "{% autoescape None %}{{ a }}", "{% autoescape xhtml_escape %}{{ a }}",
    "{% autoescape url_escape %}{{ a }}", "{% autoescape %}", "{% autoescape nosuch %}{{ a }}", "{% block x %}{{ a }}{% end %}", "{% block %}x{% end %}", "{% block x %}1{% end %}{% block x %}2{% end %}", '{% include "part.html" %}', '{% include "nosuch.html" %}', "{% include part.html %}", "{% include %}", '{% extends "base.html" %}',
    '{% extends "mid.html" %}{% block body %}{{ super() }}{% end %}', '{% extends "mid.html" %}ignored{% block body %}mine {{ a }}{% end %}', '{% extends "nosuch.html" %}', "{% extends %}", '{% extends "base.html" %}{% extends "mid.html" %}', "{% whitespace all %}a  b\n\n c", "{% whitespace single %}a  b\n\n c", "{% whitespace oneline %}a  b\n\n c",
    "{% whitespace nosuch %}", "{% whitespace %}", "a  b\n\n  c \t d", "<pre>a  b</pre>\n\n<p>  x", "{{ a }}\n{{ nosuch }}", "\n\n{{ fail() }}", '\n{% include "fails.html" %}', '{% include "includes.html" %}', '{% extends "extends_fails.html" %}', "{{ escape(a) }}{{ xhtml_escape(a) }}{{ url_escape(a) }}{{ json_encode(d) }}{{ squeeze('a  b') }}{{ linkify('http://x.y') }}",
    "{{ datetime.date(2020, 1, 1) }}", "{{ _tt_x }}", "{{ __name__ }}", "{{ 1\n + 2 }}", "{% if True %}\n  {% if False %}x{% end %}\n{% end %}y", "{{ lambda: 1 }}"[:9] + " }}", "{{ 1 if }}", "{% if %}x{% end %}", "{% for x %}y{% end %}", "\u00e9{{ '\u20ac' }}", "{% raw data %}", "{% raw %}", "{% if a %}{% for i in items %}{{ i }}{% end %}", "{% try %}x{% end %}",
    "{% with open('x') as f %}x{% end %}", "{{ [i for i in items] }}", "{% set f = lambda x: x + 1 %}{{ f(1) }}", "{{ a if a else 'b' }}", "{{ await_ }}", "{{ ''.join(sorted('ba')) }}", "{% block a %}{% block b %}x{% end %}{% end %}", "{{ handler }}", "{% for i in items %}\n{{ i }}\n{% end %}", "x\r\ny", "{% if a %}x{% end if %}", "{% end x %}",
    "{% else x %}", "{% if a %}{% except %}{% end %}", "{%if a%}tight{%end%}", "{%\nif a\n%}x{% end %}", "{% continue %}", "{# unclosed", "{% comment %}", "{{ 'a' 'b' }}", "{% import os %}{% import sys as s %}{{ s.maxsize > 0 }}", "$}{$", "{{ a }}{{ a }}\n" * 5,
]  # fmt: skip


def _position(error: BaseException) -> list[Any]:
    """What is wrong, and where in the templates: generated code says that in the comments of its lines."""
    comments = [frame.line.partition("  # ")[2] for frame in traceback.extract_tb(error.__traceback__) if frame.line]
    return [
        raised(error),
        [one for one in comments if ".html" in one or ".txt" in one],
        getattr(error, "filename", None),
        getattr(error, "lineno", None),
    ]


async def _render(text: str, mode: str | None, name: str) -> Any:
    loader = template.DictLoader({**_OTHERS, name: text}, **({"whitespace": mode} if mode else {}))
    try:
        made = loader.load(name)
    except Exception as error:
        return _position(error)
    try:
        return repr(made.generate(**_NAMES))
    except Exception as error:
        lines = [line for line in str(error).splitlines() if "generated" not in line]
        return [lines, _position(error)]


for _number, _text in enumerate(_TEXTS):
    add(f"templates/{_number} {_text[:50]!r}", lambda text=_text: _render(text, None, "it.html"))
    if "  " in _text or "\n" in _text:
        for _mode in ("all", "single", "oneline"):
            add(f"templates/{_number} {_mode}", lambda text=_text, mode=_mode: _render(text, mode, "it.html"))
        add(f"templates/{_number} as text", lambda text=_text: _render(text, None, "it.txt"))
for _name in _OTHERS:
    add(f"templates/{_name}", lambda name=_name: _render(_OTHERS[name], None, name)) if _name != "loop.html" else None


async def _direct() -> Any:
    record: list[Any] = []
    for arguments in (("{{ a }}",), (b"{{ a }}\xc3\xa9",), ("{{ a }}", "n.html"), ("a  b", "x.js"), ("a  b", "x.css")):
        made = template.Template(*arguments)
        record.append([repr(made.generate(**_NAMES)), made.name, made.autoescape])
    for keywords in (
        {"autoescape": None},
        {"autoescape": "url_escape"},
        {"compress_whitespace": True},
        {"compress_whitespace": False},
        {"whitespace": "oneline"},
        {"whitespace": "bad"},
        {"whitespace": "all", "compress_whitespace": True},
    ):
        try:
            record.append(repr(template.Template("<b>  {{ a }} \n\n x", **keywords).generate(**_NAMES)))
        except Exception as error:
            record.append(raised(error))
    record.append([template.filter_whitespace(mode, " a \n\n  b\tc ") for mode in ("all", "single", "oneline")])
    return record


add("templates/direct", _direct)


class _Module(web.UIModule):
    def render(self, value: Any, **more: Any) -> Any:
        return f"<m>{escape.xhtml_escape(str(value))}</m>"

    css_files = "m.css"
    javascript_files = ("m.js", "http://x/n.js", "/abs.js")

    def embedded_css(self) -> str:
        return ".m {}"

    def embedded_javascript(self) -> str:
        return "m()"

    def html_head(self) -> str:
        return "<head-of-m>"

    def html_body(self) -> str:
        return "<body-of-m>"


class _Plain(web.UIModule):
    def render(self) -> str:
        return self.render_string("part.html", a="plain").decode()


_PAGES = {
    "page.html": "<html><head></head><body>{% module Module(1) %}{% module Module(2) %}{{ upper('x') }}{% module Plain() %}</body></html>", "bare.html": "{% module Module(1) %}", "part.html": "[{{ a }}]", "names.html": "{{ request.method }} {{ current_user }} {{ reverse_url('it') }} {{ locale.code }} {{ static_url('x') if False else '' }}{{ handler.__class__.__name__ }}",
    "translated.html": "{{ _('x') }} {{ locale.translate('a', 'b', 2) }}", "nosuchmodule.html": "{% module Nosuch() %}", "xsrf.html": "{{ len(xsrf_form_html()) > 20 }}", "fails.html": "\n{{ 1 / 0 }}", "tmpl.html": "{% module Template('part.html', a='<x>') %}", "linkify.html": "{% module linkify('http://e.com') %}{% module xsrf_form_html() %}"[:40],
    "nobody.html": "<p>{% module Module(3) %}", "set_resources.html": "<head></head>{% module Template('res.html') %}<body></body>", "res.html": "{{ set_resources(embedded_css='c', javascript_files=['z.js'], html_body='<hb>') }}R",
}  # fmt: skip
for _page in _PAGES:
    add(
        f"templates/page {_page}",
        lambda page=_page: talk(
            application(
                (r"/.*", answering(lambda self: self.render(page, a="<a>")), {}, "it"),
                template_loader=template.DictLoader(_PAGES),
                ui_modules={"Module": _Module, "Plain": _Plain},
                ui_methods={"upper": lambda handler, text: text.upper()},
                static_path="/nowhere",
            ),
            [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"],
        ),
    )
