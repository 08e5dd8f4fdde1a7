"""What the census finds in sources, what it asks of both sides, and what it makes of the answers."""

import argparse
import io
import json
import tarfile
import textwrap
import zipfile
from pathlib import Path

import pytest

from compat_suite.census import child, runner, sources
from compat_suite.census.resolver import Package, relevant

MRO = {"tornado.websocket.WebSocketHandler": ["tornado.websocket.WebSocketHandler", "tornado.web.RequestHandler"]}


def uses(*texts: str, **modules: str) -> set[str]:
    """The names in one module, or in modules of a package that are given by their names."""
    files = {f"package/{name}.py": textwrap.dedent(text) for name, text in modules.items()}
    files |= {f"one{number}.py": textwrap.dedent(text) for number, text in enumerate(texts)}
    return Package(files, MRO).uses()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import tornado.web", {"tornado.web"}),
        (
            "from tornado import web, gen as g\ng.sleep(1)\nweb.HTTPError(1)",
            {"tornado.web", "tornado.gen", "tornado.gen.sleep", "tornado.web.HTTPError"},
        ),
        ("import tornado.httputil as h\nh.urlencode({})", {"tornado.httputil", "tornado.httputil.urlencode"}),
        ("from tornado.iostream import _ERRNO_CONNRESET", {"tornado.iostream._ERRNO_CONNRESET"}),
        ("try:\n    from tornado.web import a\nexcept ImportError:\n    a = None", {"tornado.web.a"}),
        ("from unittest import mock\nmock.patch('tornado.web.time.time')", {"tornado.web.time.time"}),
        ("from tornado import web\nmock.patch.object(web, 'app_log')", {"tornado.web", "tornado.web.app_log"}),
        (
            "from tornado import web\ngetattr(web.RequestHandler, '_x', 1)",
            {"tornado.web", "tornado.web.RequestHandler", "tornado.web.RequestHandler._x"},
        ),
        ("x = 'tornado is a word. tornado.'\nweb = 1\nweb.tornado", set()),
        ("from nowhere import tornado\ntornado.x", set()),
    ],
)
def test_imports_chains_and_strings(text: str, expected: set[str]) -> None:
    assert uses(text) == expected


def test_what_subclasses_override_and_look_up() -> None:
    found = uses("""
        import tornado.web
        class Mine(tornado.web.RequestHandler):
            _log_it = True
            async def _execute(self, *args):
                self._headers["a"] = "b"
                await super()._request_summary()
            def get(self):
                getattr(self, "_auto_finish")
                self.request.connection.stream._read_buffer
        class Other:
            def _log(self):
                self._headers
    """)
    expected = {"_execute", "_headers", "_request_summary", "_auto_finish", "_log_it", "get"}
    assert {f"tornado.web.RequestHandler.{name}" for name in expected} <= found
    assert "tornado.iostream.IOStream._read_buffer" in found
    assert "tornado.web.RequestHandler._log" not in found


def test_classes_over_several_modules() -> None:
    found = uses(
        base="from tornado.websocket import WebSocketHandler\nclass Base(WebSocketHandler):\n    pass\n",
        __init__="from .base import Base as Exported\n",
        handlers="from . import Exported\nclass One(Exported):\n    def _abort(self):\n        self.request._body\n",
        more="from package import handlers\nclass Two(handlers.One):\n    def _last(self): pass\nTwo._first\n",
    )
    names = {f"tornado.websocket.WebSocketHandler.{name}" for name in ("_abort", "_last", "_first")}
    assert names | {"tornado.httputil.HTTPServerRequest._body"} <= found


def test_variables_that_hold_something_of_tornados() -> None:
    found = uses("""
        from tornado.iostream import IOStream as Stream
        from tornado import ioloop
        import tornado.httpserver
        def connect(given: Stream, named: "tornado.httpserver.HTTPServer"):
            stream = Stream(1)
            stream._consume(2)
            given._state
            named._sockets
            ioloop.IOLoop.current()._callbacks
        class Client:
            def __init__(self):
                self.server = tornado.httpserver.HTTPServer()
            def look(self):
                return self.server._connections
        def other(stream):
            stream._unknown
    """)
    expected = {"iostream.IOStream._consume", "iostream.IOStream._state", "httpserver.HTTPServer._sockets", "ioloop.IOLoop._callbacks"}
    assert {f"tornado.{name}" for name in expected | {"httpserver.HTTPServer._connections"}} <= found
    assert not any("_unknown" in name for name in found)


def test_what_is_not_python_3_is_named() -> None:
    package = Package({"a.py": "import tornado\nprint 'x'\n", "b.py": "print 'x'\n", "c.py": "from tornado import web"})
    assert package.uses() == {"tornado.web"}
    assert package.unreadable == ["a.py"]


def test_sources_that_have_nothing_to_do_with_tornado_are_not_parsed() -> None:
    found = relevant(
        {"p/a.py": "import tornado", "p/b.py": "from p.a import X", "p/c.py": "from .b import X", "p/d.py": "import os\nb = 1\n"}
    )
    assert found == {"p/a.py", "p/b.py", "p/c.py"}


def test_sources_of_directories_and_archives(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "a.py").write_text("a = 1", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "b.whl", "w") as archive:
        archive.writestr("p/b.py", "b = 1")
        archive.writestr("p/data", "no")
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("c-1.0/p/c.py")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"c = 1"))
    assert sources.read(str(tmp_path / "directory")) == {"a.py": "a = 1"}
    assert sources.read(str(tmp_path / "b.whl")) == {"p/b.py": "b = 1"}
    assert sources.read(str(tmp_path / "c.tar.gz")) == {"p/c.py": "c = 1"}
    with pytest.raises(sources.NotThere, match="neither a path nor NAME==VERSION"):
        sources.read("--index-url=x==1")


def test_the_list_names_a_version_of_each() -> None:
    assert len(sources.listed()) > 80
    assert all(sources._REQUIREMENT.fullmatch(one) for one in sources.listed())


def test_what_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tornado")
    there = [
        "tornado.web",
        "tornado.web.RequestHandler._headers",
        "tornado.web.RequestHandler.get",
        "tornado.httpclient.HTTPRequest._DEFAULTS",
    ]
    there += ["tornado.iostream.IOStream.socket", "tornado.web.RequestHandler.SUPPORTED_METHODS", "tornado.platform.asyncio.AsyncIOLoop"]
    absent = ["tornado.nowhere", "tornado.web.nowhere", "tornado.web.RequestHandler._nothing", "tornado.web.RequestHandler._headers.more"]
    assert [child.exists(name) for name in there + absent] == [True] * len(there) + [False] * len(absent)


def test_a_run_names_what_only_tornado_has(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tornado")
    (tmp_path / "program.py").write_text(
        "from tornado import web, httputil\nhttputil.urlencode({})\nclass A(web.RequestHandler):\n    def _own(self): self._headers\n",
        encoding="utf-8",
    )
    path = tmp_path / "result.json"
    arguments = argparse.Namespace(what=[str(tmp_path)], json=str(path), import_too=False)
    assert runner.execute(arguments) == 0
    written = json.loads(path.read_text(encoding="utf-8"))
    expected = {"web", "web.RequestHandler", "web.RequestHandler._headers", "httputil", "httputil.urlencode"}
    assert set(written["names"]) == {f"tornado.{name}" for name in expected}
    ask = runner.ask

    def lacking(question: str, about: list[str], *, alias: bool, **more: str) -> object:
        answer = ask(question, about, alias=alias, **more)
        return [name for name in answer if not (alias and name.endswith("urlencode"))] if question == "names" else answer

    monkeypatch.setattr(runner, "ask", lacking)
    assert runner.execute(arguments) == 1
    assert f"ONLY TORNADO HAS  tornado.httputil.urlencode: {tmp_path}" in capsys.readouterr().out


def test_nothing_read_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tornado")
    assert runner.execute(argparse.Namespace(what=["/no/such/path"], json=None, import_too=False)) == 2
    assert "not read: /no/such/path" in capsys.readouterr().out


def test_modules_that_fail_to_import_on_one_side_only() -> None:
    pytest.importorskip("tornado")
    assert runner.ask("imports", ["tornado.web", "tornado.nowhere"], alias=True) == {
        "tornado.nowhere": "ModuleNotFoundError: No module named 'tornado.nowhere'"
    }
    assert runner._importable({"a/b.py": "tornado", "a/tests/c.py": "tornado", "a/d.py": "", "a/__init__.py": "tornado"}) == {"a.b", "a"}
