"""``tornadolike check``: what it finds in sources, what it says of it, and the exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tornadolike
from tornadolike._cli import check

ROOT = Path(tornadolike.__file__).parent.parent


def uses(tmp_path: Path, source: str) -> dict[str, str]:
    path = tmp_path / "program.py"
    path.write_text(source, encoding="utf-8")
    return {use.name: use.verdict for use in check.uses_in(path)}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import tornado.web\ntornado.web.Application", "tornado.web.Application"),
        ("import tornado.web as w\nw.RequestHandler.get_argument", "tornado.web.RequestHandler.get_argument"),
        ("from tornado import gen\ngen.sleep(1)", "tornado.gen.sleep"),
        ("from tornado.web import RequestHandler as Base\nBase", "tornado.web.RequestHandler"),
        ("from tornado.options import *\ndefine('x')", "tornado.options.define"),
        ("from tornado import web\nclass H(web.RequestHandler):\n def get(self): self.write('x')", "tornado.web.RequestHandler.write"),
        (
            "from tornado import web\nclass A(web.RequestHandler): ...\nclass B(A):\n def get(self): self.finish()",
            "tornado.web.RequestHandler.finish",
        ),
        ("import mock\nmock.patch('tornado.httpclient.AsyncHTTPClient')", "tornado.httpclient.AsyncHTTPClient"),
        ("import tornado.curl_httpclient", "tornado.curl_httpclient"),
        ("import tornado.platform.twisted", "tornado.platform.twisted"),
        ("from tornado.ioloop import IOLoop\nIOLoop.current().start()", "tornado.ioloop.IOLoop.current"),
        ("def f():\n from tornado import locks\n locks.Lock()", "tornado.locks.Lock"),
        (
            "from tornado.web import RequestHandler\nclass H(RequestHandler):\n def get(self): self.request",
            "tornado.web.RequestHandler.request",
        ),
    ],
)
def test_supported_names(tmp_path: Path, source: str, name: str) -> None:
    found = uses(tmp_path, source)
    assert found[name] == "supported"
    assert set(found.values()) == {"supported"}


@pytest.mark.parametrize(
    ("source", "name", "verdict"),
    [
        ("import tornado.nosuch", "tornado.nosuch", "unknown"),
        ("from tornado.web import asynchronous", "tornado.web.asynchronous", "unknown"),
        ("from tornado import web\nweb.nosuch", "tornado.web.nosuch", "unknown"),
        ("from tornado.iostream import _ERRNO_CONNRESET", "tornado.iostream._ERRNO_CONNRESET", "private, kept"),
        (
            "from tornado import web\nclass H(web.RequestHandler):\n def _execute(self): ...",
            "tornado.web.RequestHandler._execute",
            "private, kept",
        ),
        ("from tornado import ioloop\nioloop.IOLoop._nosuch", "tornado.ioloop.IOLoop._nosuch", "private, absent"),
        ("import tornado.speedups", "tornado.speedups", "private, absent"),
        ("from tornado.test import util", "tornado.test.util", "differs"),
        ("from tornado.process import Subprocess\nSubprocess.initialize()", "tornado.process.Subprocess.initialize", "differs"),
        (
            "from tornado import web\nclass H(web.ErrorHandler):\n def _cross_origin_protection(self): ...",
            "tornado.web.RequestHandler._cross_origin_protection, overridden",
            "differs",
        ),
    ],
)
def test_what_stands_out(tmp_path: Path, source: str, name: str, verdict: str) -> None:
    assert uses(tmp_path, source)[name] == verdict


@pytest.mark.parametrize(
    "source",
    [
        "import other.tornado",
        "from .tornado import web",
        "x = 'tornado.nosuch.anything'",
        "tornado = 3\ntornado.web",
        "import torn.ado",
    ],
)
def test_what_is_none_of_tornados(tmp_path: Path, source: str) -> None:
    assert uses(tmp_path, source) == {}


def test_names_of_the_program_itself_are_left_alone(tmp_path: Path) -> None:
    body = "self._mine(); self.other; H._mine; H.constant"
    source = f"from tornado.web import RequestHandler\nclass H(RequestHandler):\n def _mine(self): {body}\n"
    assert uses(tmp_path, source) == {"tornado.web.RequestHandler": "supported"}


@pytest.mark.parametrize(
    "body",
    [
        "self.request.headers.get('X'); self.request.body.strip(); self.application.mine.too",
        "self.log.warning('x'); self.app.icon; self._handle(1)",
        "self.current_user.name; self.settings['x'].y; self.path_args[0].z",
    ],
)
def test_what_lies_behind_an_attribute_is_not_followed(tmp_path: Path, body: str) -> None:
    """Nor is the program's own `log` taken for a part of `log_exception`."""
    found = uses(tmp_path, f"from tornado.web import RequestHandler\nclass H(RequestHandler):\n def get(self): {body}\n")
    assert set(found.values()) == {"supported"}
    assert not [name for name in found if name.count(".") > 3]


def test_what_needs_no_change_is_told_name_by_name() -> None:
    uses = [check.Use("a.py", line, "tornado.testing.gen_test", "differs", "awaits") for line in range(1, 6)]
    uses += [
        check.Use("a.py", 7, "tornado.web.RequestHandler._execute", "private, kept"),
        check.Use("b.py", 1, "tornado.x", "unknown", "gone"),
    ]
    assert check.summary(uses, 2, everything=False) == [
        "b.py:1: tornado.x: unknown (gone)",
        "",
        "works, with a difference (docs/differences.md):",
        "  tornado.testing.gen_test: awaits",
        "      a.py:1, a.py:2, a.py:3 and 2 more",
        "",
        "private names, kept for programs that use them:",
        "  tornado.web.RequestHandler._execute",
        "      a.py:7",
        "",
        "2 of 2 Python files use 3 of Tornado's names in 7 places: 0 supported, 5 differs, 1 private, kept, 1 unknown",
        "see the lines above for what has to be changed",
    ]


def test_a_file_that_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def (", encoding="utf-8")
    (use,) = check.uses_in(tmp_path / "bad.py")
    assert (use.verdict, use.line) == ("unreadable", 1)


def test_which_files_are_read(tmp_path: Path) -> None:
    for name in ("a.py", "inner/b.py", ".hidden/c.py", "env/pyvenv.cfg", "env/lib/d.py", "node_modules/e.py", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert sorted(path.name for path in check.python_files(tmp_path)) == ["a.py", "b.py"]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tornadolike", "check", *arguments]
    return subprocess.run(command, cwd=cwd, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False)


def test_exit_status_and_summary(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("from tornado import web\nweb.Application()\n", encoding="utf-8")
    good = run("good.py", cwd=tmp_path)
    assert (good.returncode, good.stdout.splitlines()) == (
        0,
        ["1 of 1 Python file uses 2 of Tornado's names in 2 places: 2 supported", "nothing stands in the way"],
    )
    assert "good.py:2: tornado.web.Application: supported" in run("--all", "good.py", cwd=tmp_path).stdout
    (tmp_path / "bad.py").write_text("import tornado.nosuch\n", encoding="utf-8")
    bad = run(".", cwd=tmp_path)
    assert bad.returncode == 1
    assert "bad.py:1: tornado.nosuch: unknown" in bad.stdout
    gone = run("nowhere", cwd=tmp_path)
    assert (gone.returncode, gone.stdout) == (2, "")
    assert gone.stderr == "tornadolike check: no such file or directory: nowhere\n"


def test_only_files_that_use_tornado_are_counted(tmp_path: Path) -> None:
    for name, source in (("one.py", "import tornado.web"), ("two.py", "import json"), ("three.py", "from tornado import gen")):
        (tmp_path / name).write_text(source, encoding="utf-8")
    assert "2 of 3 Python files use 2 of Tornado's names in 2 places: 2 supported" in run(".", cwd=tmp_path).stdout


def test_a_directory_without_sources_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    for path in ("empty", "."):
        done = run(path, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"tornadolike check: no Python files in {path}\n")


def test_json_never_goes_over_a_source(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("import tornado.web\n", encoding="utf-8")
    done = run("--json", "a.py", "b.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tornadolike check: --json a.py: that would write over a source\n"
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "import tornado.web\n"
    assert run("--json", "none/out", "b.py", cwd=tmp_path).stderr == "tornadolike check: can't write 'none/out': no such directory\n"


def test_the_program_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import tornado.web\nopen('touched', 'w')\n", encoding="utf-8")
    assert run("program.py", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "touched").exists()


def test_json_and_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import tornado.web\ntornado.web._nothing\n" * 500, encoding="utf-8")
    words = [sys.executable, "-m", "tornadolike", "check", "--json", "-", str(tmp_path / "program.py")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert "1 of 1 Python file uses 2 of Tornado's names" in done.stderr
    assert done.returncode == 1
    assert found[0] == {"path": str(tmp_path / "program.py"), "line": 1, "name": "tornado.web", "verdict": "supported", "remark": ""}
    assert found[1]["verdict"] == "private, absent"
    piped = subprocess.run(f"{' '.join(words)} 2>/dev/null | head -n 1", shell=True, capture_output=True, text=True, check=False)
    assert (piped.stdout, piped.stderr) == ("[\n", "")
    words[5] = str(tmp_path / "found.json")
    assert "1 of 1 Python file" in subprocess.run(words, capture_output=True, text=True, check=False).stdout
    assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8")) == found
