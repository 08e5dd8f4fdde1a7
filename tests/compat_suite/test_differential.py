"""The differential suite: what is compared, and that a defect in tornadolike makes it fail and is named."""

# ruff: noqa: E501 - tables, whose rows do not get better by being broken up

import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_suite import environment
from compat_suite.differential import deliberate, generated, otherwise, results, runner
from compat_suite.differential.deliberate import Deliberate
from compat_suite.differential.sides import Side, Sides

_PURPOSE = Deliberate("x/.*", "on purpose", "there", "here")


def test_verdicts() -> None:
    assert results.verdict("same", "same", None) == ""
    assert "+mine" in results.verdict("theirs", "mine", None)
    assert results.verdict("there", "here", _PURPOSE) == ""
    assert "tornadolike does not show" in results.verdict("there", "mine", _PURPOSE)
    assert "Tornado does not show" in results.verdict("nowhere", "here", _PURPOSE)
    assert "on Tornado" in results.verdict('{"suite": "took more"}', '{"suite": "took more"}', None)


def test_declarations_need_a_reason_and_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "deliberate.toml"
    entry = '[[difference]]\nscenarios = "a/b.*"\nreason = "{}"\ntornado = "x"\nours = "y"\n'
    path.write_text(entry.format("why"), encoding="utf-8")
    (one,) = deliberate.declared(path)
    assert one.covers("a/bcd")
    assert not one.covers("a/x")
    path.write_text(entry.format(" "), encoding="utf-8")
    with pytest.raises(ValueError, match="does not say why"):
        deliberate.declared(path)


def test_declarations_that_nothing_shows_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "declared", lambda: [_PURPOSE])
    assert results.needless([results.Result("x/1")]) == ["x/.*"]
    assert results.needless([results.Result("x/1", deliberate="on purpose")]) == []
    assert results.needless([results.Result("y/1")]) == []


def test_equal_differences_are_shown_once() -> None:
    found = [
        results.Result("g/1", "-a 1\n+b 2"),
        results.Result("g/2", "-a 3\n+b 4"),
        results.Result("g/3", "-c\n+d"),
        results.Result("g/4"),
    ]
    assert list(results.alike(found).values()) == [["g/1", "g/2"], ["g/3"]]


def test_a_refusal_may_be_worded_otherwise_but_must_be_one() -> None:
    line = "tornado.general INFO: Malformed HTTP message from 127.0.0.1: {}"
    said = ['{"received": "400", "log": ["' + line.format(text) + '"]}' for text in ("one", "two")]
    assert generated.tolerated(*said)
    assert not generated.tolerated(said[0], said[1].replace("400", "200"))
    assert not generated.tolerated(said[0], said[1].replace("INFO", "ERROR"))


@pytest.fixture(scope="module")
def tornado() -> Iterator[Side]:
    try:
        found = importlib.metadata.version("tornado")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != environment.TORNADO_VERSION:
        pytest.skip(f"needs Tornado {environment.TORNADO_VERSION}")
    side = Side(alias=False, loop="asyncio", engine="auto")
    yield side
    side.close()


# What is broken, and a scenario that has to notice.
_DEFECTS = {
    "header casing": ("import tornado.httputil as m; m._normalize_header = str.lower", "values.header names/0 ('a-b')"),
    "etag": ("import tornado.web as m; m.RequestHandler.compute_etag = lambda self: '\"wrong\"'", "web/write 'text'"),
    "cookie": ("import tornado.httputil as m; m.parse_cookie = lambda text: {}", "web/cookies b'a=b; Path=/x'"),
    "signature": ("import tornado.web as m; m.create_signed_value = lambda *a, **k: b'2|1:0|x'", "secrets/signed 'value', version 2"),
    "close code": ("import tornado.websocket as m; old = m.WebSocketHandler.close; m.WebSocketHandler.close = lambda self, code=None, reason=None: old(self, 4002, reason)", "websocket/frame handler closes"),
    "log level": ("import tornado.web as m; m.Application.log_request = lambda self, handler: None", "web/write 'text'"),
    "redirect": ("import tornado.web as m; old = m.RequestHandler.redirect; m.RequestHandler.redirect = lambda self, url, *a, **k: old(self, url, True)", "web/redirect ('/x',)"),
    "template": ("import tornado.template as m; old = m.Template.generate; m.Template.generate = lambda self, **names: old(self, **names).upper()", "templates/1 'plain'"),
    "missing private name": ("import tornado.httpclient as m; del m._RequestProxy", "client._RequestProxy/0 ({})"),
    "crash": ("import tornado.web as m, os; m.RequestHandler.finish = lambda self, *a: os._exit(3)", "web/write 'text'"),
}  # fmt: skip


@pytest.mark.parametrize("defect", _DEFECTS)
def test_a_defect_is_found_and_named(defect: str, tornado: Side, tmp_path: Path) -> None:
    code, scenario = _DEFECTS[defect]
    (tmp_path / "sabotage.py").write_text(code, encoding="utf-8")
    with Sides(sabotage="sabotage", path=str(tmp_path), tornado=tornado) as sides:
        result = runner.run_one(sides, {"name": scenario, "exchanges": scenario.startswith("secrets/signed")})
    assert result.different
    assert result.name == scenario


def test_sound_scenarios_are_equal_and_there_are_enough(tornado: Side) -> None:
    listed = tornado.ask({"list": True})
    assert len(listed) > 3000
    names = {one["name"] for one in listed}
    assert {scenario for _, scenario in _DEFECTS.values()} <= names
    with Sides(tornado=tornado) as sides:
        for scenario in ("http1/byte by byte", "web/write 'text'", "secrets/signed 'value', version 2"):
            assert not runner.run_one(sides, {"name": scenario, "exchanges": scenario.startswith("secrets/signed")}).different


def test_hypothesis_finds_a_defect_and_makes_it_small(tornado: Side, tmp_path: Path) -> None:
    code = "import compat_suite.differential.drawn as d, tornado.httputil as h\nd._FUNCTIONS['cookie'] = lambda text: {} if ';' in text else h.parse_cookie(text)"
    (tmp_path / "sabotage.py").write_text(code, encoding="utf-8")
    kind, strategy = generated._CASES["cookies"]
    with Sides(sabotage="sabotage", path=str(tmp_path), tornado=tornado) as sides:
        result = generated.draw(sides, "cookies", kind, strategy, 60)
    assert result.different.startswith('drawn: {"function": "cookie", "argument": ')
    assert len(result.different.splitlines()[0]) < 60


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("wire", {"pieces": ["GET / HTTP/1.0\r\n\r\n", "GET"], "ends": 18}, {"pieces": ["GET / HTTP/1.0\r\n\r\n"], "ends": 18}),
        ("wire", {"pieces": ["Cookie: a=b\r\nX: y\r\nCook", "ie: c=d\r\n\r\n"]}, {"pieces": ["Cookie: a=b; c=d\r\nX: y\r\n\r\n"]}),
        ("wire", {"pieces": ["Cookie: a=b\r\nX: y\r\n", "\r\nCookie: c=d\r\n\r\n"]}, None),
        ("file", {"headers": ["Range: bytes=--1", "X: y"]}, {"headers": ["X: y"]}),
        ("file", {"headers": ["Range: bytes=--1", "Range: bytes=0-3"]}, None),
        ("file", {"headers": ["Range: bytes=-1"]}, None),
        ("call", {"function": "cookie", "argument": "a=b"}, None),
    ],
)
def test_what_stands_for_what_is_other_by_intent(kind: str, value: Any, expected: Any) -> None:
    assert otherwise.stand_in(kind, value) == expected


def test_what_is_logged_of_bytes_behind_the_last_request() -> None:
    drawn = {"pieces": ["GET / HTTP/1.0\r\n\r\nx"]}
    said = [json.dumps({"received": ["200"], "log": log}) for log in (["a", "b"], ["a"])]
    assert otherwise.logs_less("wire", drawn, *said)
    assert not otherwise.logs_less("wire", drawn, *reversed(said))
    assert not otherwise.logs_less("wire", {"pieces": ["GET / HTTP/1.1\r\n\r\nx"]}, *said)
    assert not otherwise.logs_less("wire", drawn, said[0], said[1].replace("200", "400"))
