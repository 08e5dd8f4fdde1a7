"""``tornadolike run`` beside Python itself: the program sees the same, and Tornado is ours."""

import gc
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tornadolike
from tornadolike._cli import run as run_command

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


def test_what_loops_cannot_do_is_nothing() -> None:
    """What the table of the documentation says, made by ``compat_suite loops``: else the banner would have to say it, too."""
    table = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| 3.")]
    assert {row[1] for row in rows} == {"asyncio", "uvloop", "rloop", "zuvloop"}
    assert not [row for row in rows if any(cell not in {"yes", "-"} for cell in row[2:])]


def test_says_which_loop_runs_where_the_program_chooses_its_own(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")
    (tmp_path / "program.py").write_text(
        "import asyncio, sys, warnings\nwarnings.simplefilter('ignore')\nimport uvloop, tornado.web\n"
        "if 'own' in sys.argv: uvloop.install()\n"
        "async def main():\n    tornado.web.Application().listen(0, '127.0.0.1').stop()\n"
        "asyncio.run(main())\nasyncio.run(main())\n",
        encoding="utf-8",
    )
    for words, corrected in (["own"], True), ([], False):
        _banner, *more = run_ours("program.py", *words, cwd=tmp_path).stderr.splitlines()
        assert more == [f"tornadolike: the program runs on its own choice of loop: uvloop {uvloop.__version__}"] * corrected


_COLLECTED = """\
import asyncio, gc, sys, tornado.web
if "own" in sys.argv: gc.set_threshold(5, 6, 7)
if "off" in sys.argv: gc.disable()
async def main():
    before = gc.get_threshold()
    for _ in range(2):
        tornado.web.Application().listen(0, "127.0.0.1").stop()
        now = gc.get_threshold()
        print(gc.get_freeze_count() > 10_000, now[0], now[1:] == before[1:], gc.isenabled())
        gc.set_threshold(9)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([], "True 20000 True True"),
        (["--gc", "server"], "True 20000 True True"),
        (["--gc", "python"], f"False {gc.get_threshold()[0]} True True"),
        (["program.py", "own"], "False 5 True True"),
        (["program.py", "off"], f"False {gc.get_threshold()[0]} True False"),
    ],
    ids=" ".join,
)
def test_the_collector_is_set_for_a_server_once_unless_the_program_has_its_own_way(tmp_path: Path, words: list[str], first: str) -> None:
    (tmp_path / "program.py").write_text(_COLLECTED, encoding="utf-8")
    lines = run_ours(*words, *(() if "program.py" in words else ("program.py",)), cwd=tmp_path).stdout.splitlines()
    assert lines[0] == first
    assert lines[1].split()[1] == "9"  # what the program says later stays


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


_ERRORS = [
    ([], "what is to be run?"),
    (["-m"], "-m: expected one argument"),
    (["-m", "one", "--", "two"], None),
    (["--prot", "1", "program.py"], "no such option: --prot (did you mean --port?)"),
    (["--port", "1", "program.py"], "--port is for package.module:attribute; program.py listens by itself"),
    (["--access-log", "jsn", "program.py"], "--access-log: 'jsn' is none of off, common, json (did you mean json?)"),
    (["--drain", "-1", "program.py"], "--drain: '-1': must be a finite number of seconds, at least 0"),
    (["--drain-timeout", "nan", "program.py"], "'nan': must be a finite number"),
    (["--drain", "inf", "program.py"], "'inf': must be a finite number"),
    (["--drain=soon", "program.py"], "'soon' is not a number of seconds"),
    (["--drain-delay", "3", "--drain", "0", "program.py"], "--drain-delay needs a --drain above 0"),
    (["program.pi"], "no such file or directory (did you mean program.py?)"),
    (["made:app", "--port", "70000"], "'70000' is not a whole number from 0 to 65535"),
    (["made:app", "--uds", "a", "--port", "0"], "--port and --uds exclude each other"),
    (["made:app", "--max-body-size", "ten"], "'ten' is not a number of bytes"),
    (["made:app", "--ssl-keyfile", "program.py"], "--ssl-keyfile needs --ssl-certfile"),
    (["made:app", "--ssl-certfile", "progam.py"], "--ssl-certfile: no such file: progam.py (did you mean program.py?)"),
    (["made:app", "--trusted-proxies", "::1"], "--trusted-proxies needs --proxy-headers"),
    (["made:app", "--health", "healthz"], "'healthz' is not the path of a URL"),
    (["made:app", "surplus"], "unexpected argument: surplus"),
    (["--env-file", "no.env", "program.py"], "--env-file: no such file: no.env"),
    (["--env-file", "wrong.env", "program.py"], "--env-file: wrong.env, line 2: not NAME=VALUE"),
    (["--env-file", "latin.env", "program.py"], "--env-file: latin.env is not UTF-8"),
    (["--log-config", "wrong.env", "program.py"], "--log-config: wrong.env: wrong.env is invalid: File contains no section headers. file:"),
    (["program"], "(-m program runs it as a module; program:NAME serves an application in it)"),
    (["made:app", "--bind", ":80"], "no such option: --bind (here: --host and --port, or --uds)"),
    (["made:app", "-w", "4"], "no such option: -w (here: --workers)"),
    (["made:app", "--host", "localhost:80"], "--host: 'localhost:80' is not an address or a name alone"),
    (["made:app", "--host", "[::1]:80"], "--host: '[::1]:80' is not an address or a name alone"),
    (["made:app", "--host", "http://localhost"], "--host: 'http://localhost' is not an address or a name alone"),
    (["--workers", "-2", "program.py"], "'-2' is not a whole number at least 0"),
    (["program.py:make_app"], "program.py:make_app names a file, not a module (did you mean program:make_app?)"),
    (["./program.py:make_app"], "(did you mean program:make_app?)"),
    (["progam.py:make_app"], "no module named progam.py"),
    (["--reload", "--reload-dir", "sources", "program.py"], "--reload-dir: no such directory: sources"),
    (["--pid-file", "run/program.pid", "program.py"], "--pid-file: cannot write run/program.pid: No such file or directory"),
]


@pytest.mark.parametrize(("arguments", "message"), [case for case in _ERRORS if case[1]])
def test_a_wrong_command_line_is_one_line_and_status_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "program.py").write_text("print('ran')", encoding="utf-8")
    (tmp_path / "wrong.env").write_text("A=1\nwhat is this\n", encoding="utf-8")
    (tmp_path / "latin.env").write_bytes(b"A=\xe9\n")
    done = run_ours(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    lines = [line for line in done.stderr.splitlines() if " on Python " not in line]  # that one says what it runs on
    assert len(lines) == 1
    assert lines[0].startswith("tornadolike run: ")
    assert message in lines[0]


def test_a_directory_or_archive_without_a_main_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("other.py", "")
    for target in ("empty", "archive.zip"):
        done = run_ours(target, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")  # there is nothing to run
        assert done.stderr.splitlines()[1:] == [f"tornadolike run: can't find '__main__' module in {target!r}"]


@pytest.mark.parametrize(("words", "message"), [([], "what is to be done? run, "), (["rnu"], "no such command: rnu (did you mean run?)")])
def test_commands_are_named(tmp_path: Path, words: list[str], message: str) -> None:
    done = run("-m", "tornadolike", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (["program.py", "--port=9000"], ["--port=9000"]),
        (["program.py", "a", "--", "b"], ["a", "--", "b"]),
        (["program.py", "--loop", "asyncio", "--port=1"], ["--port=1"]),
        (["program.py", "--drain=8", "--http", "h11", "x"], ["x"]),
        (["program.py", "--log-level", "info", "--", "x"], ["x"]),
        (["program.py", "--log-level", "info", "y", "--", "x"], ["--log-level", "info", "y", "--", "x"]),
        (["--log-level", "info", "program.py", "-m", "x"], ["-m", "x"]),
        (["-m", "program", "-v", "--help"], ["-v", "--help"]),
        (["-mprogram", "--help"], ["--help"]),
        (["program.py", "--", "--", "x"], ["--", "x"]),
    ],
)
def test_what_stands_behind_the_target_is_the_programs(tmp_path: Path, words: list[str], argv: list[str]) -> None:
    (tmp_path / "program.py").write_text("import sys; print(sys.argv[1:])", encoding="utf-8")
    done = run_ours(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{argv}\n"), done.stderr


def test_says_whose_an_ambiguous_option_is(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("", encoding="utf-8")
    done = run_ours("program.py", "--workers", "4", cwd=tmp_path)
    assert "--workers stands behind the program's name and is the program's" in done.stderr
    assert done.stderr.count("\n") == 1
    done = run_ours("program.py", "--port=9000", cwd=tmp_path)  # before the name it would be refused: there is no doubt whose it is
    assert "stands behind" not in done.stderr


@pytest.mark.parametrize("loader", ["/dev/stdin", "pipe"])
def test_programs_that_come_through_a_pipe(tmp_path: Path, loader: str) -> None:
    source = "import sys, tornado; print(sys.argv, __name__, tornado.__name__)\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reading, writing = os.pipe()
    os.write(writing, source.encode())
    os.close(writing)
    target = loader if loader != "pipe" else f"/dev/fd/{reading}"
    done = subprocess.run(
        [sys.executable, "-m", "tornadolike", "run", target, "one"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        pass_fds=[reading],
        **({"stdin": reading} if loader != "pipe" else {}),
    )
    os.close(reading)
    assert (done.returncode, done.stdout) == (0, f"['{target}', 'one'] __main__ tornado\n"), done.stderr


def test_env_file(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import os; print(os.environ['A'], os.environ['B'], os.environ['C'])", encoding="utf-8")
    (tmp_path / "app.env").write_text("# of the site\nexport A=one\nB='two words'\nC=kept\n", encoding="utf-8")
    done = run_ours("--env-file", "app.env", "program.py", cwd=tmp_path, C="given")
    assert done.stdout == "one two words given\n", done.stderr


def test_env_file_without_dotenv(tmp_path: Path) -> None:
    from tornadolike._cli.run import _read_environment

    path = tmp_path / "app.env"
    path.write_text('A=1\n\n# no\nexport B = "x = y"\nC=\n', encoding="utf-8")
    assert _read_environment(str(path)) == {"A": "1", "B": "x = y", "C": ""}
    path.write_text("A=1\nwhat is this\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: not NAME=VALUE"):
        _read_environment(str(path))


def test_pid_file(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import os; print(os.getpid(), open('program.pid').read())", encoding="utf-8")
    done = run_ours("--pid-file", "program.pid", "program.py", cwd=tmp_path)
    pid, written = done.stdout.split()
    assert pid == written
    assert not (tmp_path / "program.pid").exists()


@pytest.mark.parametrize("suffix", ["json", "toml", "ini", "yaml"])
def test_log_config(tmp_path: Path, suffix: str) -> None:
    if suffix == "yaml":
        pytest.importorskip("yaml")
    texts = {
        "json": '{"version": 1, "formatters": {"f": {"format": "<%(message)s>"}}, "handlers": {"h": {"class": "logging.StreamHandler", '
        '"formatter": "f", "stream": "ext://sys.stdout"}}, "root": {"level": "INFO", "handlers": ["h"]}}',
        "toml": 'version = 1\n[formatters.f]\nformat = "<%(message)s>"\n[handlers.h]\nclass = "logging.StreamHandler"\nformatter = "f"\n'
        'stream = "ext://sys.stdout"\n[root]\nlevel = "INFO"\nhandlers = ["h"]\n',
        "ini": "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=f\n[logger_root]\nlevel=INFO\nhandlers=h\n"
        "[handler_h]\nclass=StreamHandler\nformatter=f\nargs=(sys.stdout,)\n[formatter_f]\nformat=<%(message)s>\n",
        "yaml": "version: 1\nformatters: {f: {format: <%(message)s>}}\nhandlers: {h: {class: logging.StreamHandler, formatter: f, "
        "stream: ext://sys.stdout}}\nroot: {level: INFO, handlers: [h]}\n",
    }
    (tmp_path / f"log.{suffix}").write_text(texts[suffix], encoding="utf-8")
    (tmp_path / "program.py").write_text("import tornado.log; tornado.log.gen_log.info('here')", encoding="utf-8")
    done = run_ours("--log-config", f"log.{suffix}", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "<here>\n"), done.stderr
    (tmp_path / f"log.{suffix}").write_text("{{{", encoding="utf-8")
    done = run_ours("--log-config", f"log.{suffix}", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[1][:30]) == (2, "tornadolike run: --log-config:")


def test_log_level(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import tornado.log as l; l.gen_log.info('no'); l.gen_log.warning('yes')", encoding="utf-8")
    done = run_ours("--log-level", "warning", "program.py", cwd=tmp_path)
    assert done.stderr.splitlines()[1].endswith("] yes")
    assert "no" not in done.stderr.splitlines()[1:]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(tmp_path: Path, shell: str) -> None:
    pytest.importorskip("shtab")
    done = run("-m", "tornadolike", "--print-completion", shell, cwd=tmp_path)
    assert done.returncode == 0
    assert "--drain-delay" in done.stdout


def test_bash_completes(tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    script = run("-m", "tornadolike", "--print-completion", "bash", cwd=tmp_path).stdout
    (tmp_path / "completion").write_text(script, encoding="utf-8")
    function = r"$(complete -p tornadolike | sed 's/.*-F \([^ ]*\).*/\1/')"
    ask = f"source ./completion; COMP_WORDS=(tornadolike run --drain-); COMP_CWORD=2; {function}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["--drain-timeout", "--drain-delay"], done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["run ", "bench ", "check ", "alias "]),
        (["run"], ["where to listen", "processes:", "logs:", "examples:", "exit status:"]),
        (["bench"], ["Exit status: "]),
        (["check"], ["Exit status: "]),
        (["alias"], ["Exit status: "]),
    ],
)
def test_help_is_grouped_and_fits_a_terminal(tmp_path: Path, command: list[str], words: list[str]) -> None:
    done = run("-m", "tornadolike", *command, "--help", cwd=tmp_path, COLUMNS="80")
    assert done.returncode == 0
    for word in words:
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    if command == ["run"]:  # whose lines are broken by hand
        for text in (run_command._DESCRIPTION, run_command._EPILOG):
            assert text in done.stdout


def test_exit_status_and_traceback_are_the_programs(tmp_path: Path) -> None:
    (tmp_path / "exits.py").write_text("raise SystemExit(7)", encoding="utf-8")
    (tmp_path / "fails.py").write_text("1 / 0\n", encoding="utf-8")
    assert run_ours("exits.py", cwd=tmp_path).returncode == 7
    failed = run_ours("fails.py", cwd=tmp_path)
    assert failed.returncode == 1
    assert (
        failed.stderr.partition("\n")[2] == run(str(tmp_path / "fails.py"), cwd=tmp_path).stderr
    )  # behind the banner, as Python prints it
    (tmp_path / "broken.py").write_text("1 +\n", encoding="utf-8")
    failed = run_ours("broken.py", cwd=tmp_path)
    assert failed.stderr.partition("\n")[2] == run(str(tmp_path / "broken.py"), cwd=tmp_path).stderr
    failed = run_ours("-m", "fails", cwd=tmp_path)
    assert "_cli" not in failed.stderr
    assert "runpy" not in failed.stderr
    assert run_ours("-m", "nosuchmodule", cwd=tmp_path).returncode == 2  # there is nothing to run, as with nosuchmodule:app


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_a_port_that_is_taken_is_one_line_and_status_2(tmp_path: Path, workers: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = tmp_path / "program.py"
        program.write_text(f"import tornado.web\ntornado.web.Application().listen({port}, '127.0.0.1')\n", encoding="utf-8")
        done = run_ours(*workers, "program.py", cwd=tmp_path)
        assert done.returncode == 2
        said = f"tornadolike run: cannot listen on 127.0.0.1:{port}: Address already in use"
        assert said in done.stderr.splitlines()
        assert len(done.stderr.splitlines()) == (3 if workers else 2)
        # A program which has exceptions shown in its own way, or meets one of its own, goes on doing so.
        source = program.read_text(encoding="utf-8")
        program.write_text(f"import sys\nsys.excepthook = lambda *error: print('own', error[1])\n{source}", encoding="utf-8")
        done = run_ours("program.py", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "own [Errno 98] Address already in use\n")
        program.write_text(f"import socket\nsocket.create_server(('127.0.0.1', {port}))\n", encoding="utf-8")
        assert "Traceback" in run_ours("program.py", cwd=tmp_path).stderr


def test_exit_handlers_and_threads_still_find_the_program(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import atexit, sys\nvalue = 5\natexit.register(lambda: print(value, sys.modules['__main__'].value))\n", encoding="utf-8"
    )
    assert run_ours("program.py", cwd=tmp_path).stdout == "5 5\n"
