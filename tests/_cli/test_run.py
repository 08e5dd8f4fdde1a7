"""``tornadolike run`` beside Python itself: the program sees the same, and Tornado is ours."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
_PROBE = """
import sys, __main__, os
print(sys.argv, __name__, __file__, sys.path[0], __package__, __spec__ and __spec__.name, __main__.__dict__ is globals(), __doc__)
print(sorted(name for name in globals() if name != "__annotations__"))
"""


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def run_ours(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "tornadolike", "run", *arguments, cwd=cwd, **variables)


@pytest.mark.parametrize("target", ["probe.py", "inner/probe.py", "link.py"])
def test_script_finds_what_python_gives_it(tmp_path: Path, target: str) -> None:
    (tmp_path / "inner").mkdir()
    for path in (tmp_path / "probe.py", tmp_path / "inner" / "probe.py"):
        path.write_text(_PROBE, encoding="utf-8")
    (tmp_path / "link.py").symlink_to(tmp_path / "inner" / "probe.py")
    expected = run(target, "--port=1", "--", "x", cwd=tmp_path)
    got = run_ours(target, "--", "--port=1", "--", "x", cwd=tmp_path)
    assert expected.returncode == 0, expected.stderr
    assert got.stdout == expected.stdout


def test_module_finds_what_python_gives_it(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(_PROBE, encoding="utf-8")
    for name in ("package", "package.__main__"):
        expected = run("-m", name, "one", cwd=tmp_path)
        got = run_ours("-m", name, "--", "one", cwd=tmp_path)
        assert expected.returncode == 0, expected.stderr
        assert got.stdout == expected.stdout


def test_directory_and_archive(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(
        "import sys, tornado; print(sys.argv, sys.path[0], tornado is __import__('tornadolike'))", encoding="utf-8"
    )
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.write(program / "__main__.py", "__main__.py")
    for target in ("program", "program.zip"):
        assert run_ours(target, "--", "1", cwd=tmp_path).stdout == f"['{target}', '1'] {target} True\n"


def test_says_in_one_line_what_it_runs_on(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import tornado, tornadolike; print(tornado is tornadolike)", encoding="utf-8")
    done = run_ours("program.py", "--http", "h11", cwd=tmp_path)
    assert done.stdout == "True\n"
    line, *more = done.stderr.splitlines()
    assert not more
    assert line.startswith(f"tornadolike {tornadolike.__version__} (API of Tornado {tornadolike.version}) on Python 3.")
    assert ": loop asyncio, HTTP engine h11 0." in line


def test_choices_reach_the_program_and_its_children(tmp_path: Path) -> None:
    pytest.importorskip("uvloop")
    (tmp_path / "program.py").write_text(
        "import asyncio, os, tornado.ioloop\n"
        "from tornadolike._http1 import select\n"
        "async def main():\n"
        "    print(type(asyncio.get_running_loop()).__module__)\n"
        "asyncio.run(main())\n"
        "print(type(tornado.ioloop.IOLoop(make_current=False).asyncio_loop).__module__, select.resolve())\n"
        "print(*(os.environ['TORNADOLIKE_' + name] for name in ('AS_TORNADO', 'LOOP', 'HTTP')))\n",
        encoding="utf-8",
    )
    done = run_ours("--loop", "uvloop", "program.py", "--http", "h11", cwd=tmp_path)
    assert done.stdout.split() == ["uvloop", "uvloop", "h11", "1", "uvloop", "h11"], done.stderr


def test_environment_names_the_loop_too(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("", encoding="utf-8")
    done = run_ours("program.py", cwd=tmp_path, TORNADOLIKE_LOOP="nosuch")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "unknown event loop 'nosuch'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["program.py", "--loop", "nosuch"], r"unknown event loop 'nosuch': available are asyncio"),
        (["program.py", "--loop", "winloop"], r"`pip install winloop`"),
        (["program.py", "--http", "nosuch"], r"unknown HTTP engine 'nosuch' (available: auto,"),
        (["missing.py"], r"can't open file 'missing.py'"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_status_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "program.py").write_text("print('ran')", encoding="utf-8")
    done = run_ours(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tornadolike run: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize("arguments", [[], ["program.py", "--port=1"], ["-m"], ["program.py", "-m", "program"]])
def test_usage_errors(tmp_path: Path, arguments: list[str]) -> None:
    done = run_ours(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "usage: " in done.stderr


def test_exit_status_and_traceback_are_the_programs(tmp_path: Path) -> None:
    (tmp_path / "exits.py").write_text("raise SystemExit(7)", encoding="utf-8")
    (tmp_path / "fails.py").write_text("1 / 0\n", encoding="utf-8")
    assert run_ours("exits.py", cwd=tmp_path).returncode == 7
    failed = run_ours("fails.py", cwd=tmp_path)
    assert failed.returncode == 1
    assert 'fails.py", line 1, in <module>\n    1 / 0' in failed.stderr
    assert run_ours("-m", "nosuchmodule", cwd=tmp_path).returncode == 1


def test_exit_handlers_and_threads_still_find_the_program(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import atexit, sys\nvalue = 5\natexit.register(lambda: print(value, sys.modules['__main__'].value))\n", encoding="utf-8"
    )
    assert run_ours("program.py", cwd=tmp_path).stdout == "5 5\n"
