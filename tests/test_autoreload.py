"""autoreload: what is watched, what a restart keeps, and the command line."""

import os
import pathlib
import select
import signal
import subprocess
import sys
from typing import Any

import pytest

import tornadolike
from tornadolike import autoreload, process


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoreload, "_watched_files", set())
    monkeypatch.setattr(autoreload, "_reload_hooks", [])
    monkeypatch.setattr(autoreload, "_broken_files", set())
    monkeypatch.setattr(autoreload, "_reload_attempted", False)
    monkeypatch.setattr(autoreload, "_io_loops", type(autoreload._io_loops)())


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    monkeypatch.setattr(autoreload, "_reload", lambda: calls.append(1))
    return calls


def touch(path: pathlib.Path, seconds: int) -> None:
    path.touch()
    os.utime(path, (seconds, seconds))


def test_a_watched_file_that_changes(tmp_path: Any, reloads: list[int], logs: Any) -> None:
    path = tmp_path / "template.html"
    touch(path, 1000)
    times: dict[str, float] = {}
    autoreload.watch(str(path))
    autoreload._reload_on_update(times)
    autoreload._reload_on_update(times)
    assert reloads == []
    touch(path, 900)  # older is changed, too
    autoreload._reload_on_update(times)
    assert reloads == [1]
    logs.take("tornado.general", "template.html modified; restarting server", level=20)


def test_a_source_file_that_does_not_compile_is_waited_for(tmp_path: Any, reloads: list[int], logs: Any) -> None:
    """tornado#2398: the process died of it."""
    broken, sound = tmp_path / "broken.py", tmp_path / "sound.py"
    times: dict[str, float] = {}
    for number, (text, said) in enumerate([("x = 1", ""), ("x = (", "'\\('"), ("x = \0", "null bytes"), ("x =", "invalid syntax")]):
        broken.write_text(text)
        touch(broken, 1000 + number)
        touch(sound, 1000)
        autoreload.watch(str(broken))
        autoreload.watch(str(sound))
        autoreload._reload_on_update(times)
        autoreload._reload_on_update(times)
        if said:
            logs.take("tornado.general", f"broken.py modified; not restarting before it is mended: .*{said}", level=40)
    touch(sound, 2000)
    autoreload._reload_on_update(times)
    assert reloads == []
    broken.write_text("x = 2")
    touch(broken, 2000)
    autoreload._reload_on_update(times)
    assert reloads == [1]
    logs.take("tornado.general", r"(broken|sound).py modified; restarting server", level=20)


SERVER = """\
import os, sys
from tornadolike import autoreload, ioloop, log
import module
log.enable_pretty_logging(type("Options", (), dict(logging="info", log_file_prefix="", log_to_stderr=True)))
print(module.text, os.getpid(), flush=True)
if module.text == "new":
    os._exit(0)
autoreload.start(check_time=10)
ioloop.IOLoop.current().start()
"""


def test_a_server_survives_a_syntax_error_and_serves_the_new_text_once_it_is_mended(tmp_path: Any) -> None:
    module, script = tmp_path / "module.py", tmp_path / "program.py"
    module.write_text("text = 'old'")
    script.write_text(SERVER)
    environ = {**os.environ, "PYTHONPATH": str(pathlib.Path(tornadolike.__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    with run:
        assert run.stdout is not None
        assert run.stderr is not None
        first = run.stdout.readline().split()
        # It looks at the files for the first time in its own time, and says nothing of it: so they change until it does say something.
        while not select.select([run.stderr], [], [], 0.02)[0]:
            module.write_text("text = 'new")
        assert "not restarting before it is mended: unterminated string" in run.stderr.readline()
        module.write_text("text = 'new'")
        second = run.stdout.readline().split()
        assert run.wait(30) == 0
        assert "module.py modified; restarting server" in run.stderr.read()
    assert [first, second] == [["old", str(run.pid)], ["new", str(run.pid)]]


def test_modules_are_watched_and_missing_files_ignored(reloads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "no_module", object())  # type: ignore[arg-type]
    autoreload.watch("/no/such/file")
    autoreload.watch("nul\0")
    times: dict[str, float] = {}
    autoreload._reload_on_update(times)
    assert autoreload.__file__ in times
    assert "/no/such/file" not in times
    assert reloads == []


@pytest.mark.parametrize("reason", ["child", "attempted"])
def test_when_nothing_is_done(reason: str, reloads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    if reason == "child":
        monkeypatch.setattr(process, "task_id", lambda: 0)
    else:
        monkeypatch.setattr(autoreload, "_reload_attempted", True)
    times: dict[str, float] = {}
    autoreload._reload_on_update(times)
    assert times == {}


async def test_started_once_for_each_loop(logs: Any) -> None:
    autoreload.start(check_time=60000)
    autoreload.start(check_time=60000)
    assert len(autoreload._io_loops) == 1

    class Other:
        pass

    autoreload._io_loops.clear()
    other = Other()
    autoreload._io_loops.add(other)  # type: ignore[arg-type]
    autoreload.start(check_time=60000)
    logs.take("tornado.general", "started more than once")


def test_restart_runs_hooks_and_keeps_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda path, command: seen.append((path, command)))
    monkeypatch.setattr(sys, "orig_argv", ["py", "-W", "error", "-m", "app", "--port=1"])
    signal.setitimer(signal.ITIMER_REAL, 3600)
    autoreload.add_reload_hook(lambda: seen.append("hook"))
    autoreload._reload()
    assert seen == ["hook", (sys.executable, [sys.executable, "-W", "error", "-m", "app", "--port=1"])]
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert autoreload._reload_attempted


def parse(text: str) -> Any:
    return autoreload._parse_arguments(text.split())


def test_arguments() -> None:
    assert parse("-m pkg.mod -x --until-success") == ("pkg.mod", ["-x", "--until-success"], False)
    assert parse("-m pkg.mod --until-success a -m b") == ("pkg.mod", ["a", "-m", "b"], True)
    assert parse("--until-success script.py -m x") == (None, ["script.py", "-m", "x"], True)


@pytest.mark.parametrize(
    ("text", "status", "output"), [("", 1, "Either -m"), ("-m", 1, "Either"), ("-x y", 2, "usage:"), ("--help", 0, "usage:")]
)
def test_bad_arguments(text: str, status: int, output: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as end:
        parse(text)
    assert end.value.code == status
    assert output in "".join(capsys.readouterr())


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    monkeypatch.setattr(autoreload, "wait", lambda: calls.append(1))
    return calls


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    command = ["autoreload.py", *arguments]
    monkeypatch.setattr(sys, "argv", command)
    autoreload.main()
    assert sys.argv == command


@pytest.mark.parametrize(
    ("code", "line", "again"),
    [
        ("x = 1", "Script exited normally", False),
        ("raise SystemExit(0)", "status 0", False),
        ("raise SystemExit(3)", "status 3", True),
        ("1 / 0", "uncaught exception", True),
    ],
)
def test_main_until_success(
    code: str, line: str, again: bool, tmp_path: Any, waits: list[int], logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text(code)
    run_main(monkeypatch, "--until-success", str(script), "argument")
    logs.take("tornado.general", line)
    assert bool(waits) is again


def test_main_waits_after_success_as_well(tmp_path: Any, waits: list[int], logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; assert sys.argv[1:] == ['-m', 'x']")
    run_main(monkeypatch, str(script), "-m", "x")
    logs.take("tornado.general", "Script exited normally")
    assert waits == [1]


def test_files_with_errors_are_watched(tmp_path: Any, waits: list[int], logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    run_main(monkeypatch, "-m", "broken_module")
    logs.take("tornado.general", "uncaught exception")
    assert str(tmp_path / "broken_module.py") in autoreload._watched_files
    assert waits == [1]


def test_a_module_is_watched_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    autoreload._watch_module("json.tool")
    autoreload._watch_module("sys")
    autoreload._watch_module("no_such_package.module")
    assert [pathlib.Path(path).name for path in autoreload._watched_files] == ["tool.py"]


PROGRAM = """
import os, sys
from tornadolike import autoreload
print(__name__, sys.flags.optimize, sys.argv[1:], flush=True)
if "SECOND" in os.environ:
    os._exit(0)
os.environ["SECOND"] = "1"
autoreload._reload()
"""


def test_a_real_restart(tmp_path: Any) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    environ = {**os.environ, "PYTHONPATH": str(pathlib.Path(tornadolike.__file__).parent.parent)}
    command = [sys.executable, "-O", "-m", "tornadolike.autoreload", str(script), "argument"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("__main__ 1 ['argument']\n" * 2, "")
