"""``tornadolike bench`` as a user calls it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import tornadolike
from tornadolike.__main__ import main
from tornadolike._bench import candidates, comparing

ROOT = Path(tornadolike.__file__).parent.parent
_APPLICATION = """
import asyncio, sys, tornado, tornado.web
class Page(tornado.web.RequestHandler):
    def get(self):
        if "tornadolike" in tornado.__file__ and "liar" in sys.argv:
            self.write("something else")
        else:
            self.write("a page")
    def post(self):
        self.write(self.request.body)
async def main():
    tornado.web.Application([("/page", Page)]).listen(8888)
    await asyncio.Event().wait()
asyncio.run(main())
"""
_QUICKLY = ("--load", "builtin", "--rounds", "2", "--seconds", "0.05", "--connections", "2")


def bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
    command = [sys.executable, "-m", "tornadolike", "bench", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(_APPLICATION, encoding="utf-8")
    return tmp_path


def test_own_application(application: Path) -> None:
    body = application / "body"
    body.write_bytes(b"posted")
    own = ("app.py", "--url", "/page", "--body", "body", "--candidate", "asyncio h11", "--html", "out.html", "--json", "out.json")
    done = bench(*own, *_QUICKLY, cwd=application)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "POST /page" in done.stdout
    assert "round 2 of 2, tornadolike asyncio h11" in done.stderr
    (scenario,) = json.loads((application / "out.json").read_text(encoding="utf-8"))["scenarios"]
    (candidate,) = scenario["candidates"]
    assert candidate["name"] == "tornadolike asyncio h11"
    assert candidate["rounds"] == 2
    assert candidate["cpu_us"]["median"] > 0
    assert "<svg" in (application / "out.html").read_text(encoding="utf-8")


def test_json_on_standard_output(application: Path) -> None:
    done = bench("app.py", "--url", "/page", "--candidate", "asyncio h11", "--json", "-", *_QUICKLY, cwd=application)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["environment"]["load_average"] == round(data["environment"]["load_average"], 1)
    assert "GET /page  [application]" in done.stderr
    assert "tornadolike bench: this takes about 1 seconds" in done.stderr


def test_a_program_that_ends_is_not_gone_on_with(application: Path) -> None:
    (application / "app.py").write_text("raise RuntimeError('no database')", encoding="utf-8")
    done = bench("app.py", "--url", "/page", "--candidate", "tornadolike", *_QUICKLY, cwd=application)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("starting") == 1
    assert "round" not in done.stderr
    assert "tornadolike bench: on tornadolike asyncio h11, the program ended with status 1; its output:" in done.stderr
    assert done.stderr.endswith("RuntimeError: no database\n")


def test_an_application_without_a_program_around_it(application: Path) -> None:
    (application / "app.py").write_text("import tornado.web\napp = tornado.web.Application()\n", encoding="utf-8")
    done = bench("app.py", "--url", "/page", "--candidate", "tornadolike asyncio h11", *_QUICKLY, cwd=application)
    assert done.returncode == 1
    assert "the program ended with status 0 (it has to listen, and to go on)" in done.stderr
    done = bench("app:app", "--url", "/page", cwd=application)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "can't open file 'app:app': no such file; it is a program that is wanted, which listens by itself" in done.stderr


def test_a_program_that_ends_in_the_middle(application: Path) -> None:
    source = _APPLICATION.replace(
        "        if ",
        "        import os; self.application.asked = getattr(self.application, 'asked', 0) + 1\n"
        "        if self.application.asked > 20: os._exit(7)\n        if ",
        1,
    )
    (application / "app.py").write_text(source, encoding="utf-8")
    done = bench("app.py", "--url", "/page", "--candidate", "tornadolike asyncio h11", *_QUICKLY, "--rounds", "30", cwd=application)
    assert done.returncode == 1
    assert "the program ended with status 7" in done.stdout + done.stderr
    assert "round 30 of 30" not in done.stderr


def test_what_to_install_where_there_is_nothing_to_compare_with(
    application: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(application)
    monkeypatch.setattr(candidates, "_real_tornado", lambda: False)
    monkeypatch.setattr(comparing, "compare", mock.Mock(side_effect=KeyboardInterrupt))
    assert main(["bench", "app.py", "--url", "/page", *_QUICKLY]) == 130
    assert "nothing to compare with, as the real Tornado is not installed here: pip install tornado\n" in capsys.readouterr().err


def test_a_wrong_answer_is_an_error(application: Path) -> None:
    pytest.importorskip("tornado")
    chosen = ("--candidate", "tornado asyncio", "--candidate", "tornadolike asyncio h11")
    done = bench("app.py", "--url", "/page", *chosen, *_QUICKLY, "--", "liar", cwd=application)
    assert done.returncode == 1, done.stderr + done.stdout
    assert "tornadolike asyncio h11: ERROR: answers with a wrong body, b'something else' instead of b'a page'" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("app.py",), "a program needs --url with a path"),
        (("--url", "/"), "--url needs a program"),
        (("none.py", "--url", "/"), "can't open file 'none.py'"),
        (("--scenario", "none"), "no scenario none; there are hello, sync"),
        (("--candidate", "none"), "no such candidate; there are: "),
        (("--rounds", "0"), "positive numbers"),
        (("app.py", "--url", "/", "--body", "none"), "can't open file 'none': No such file or directory"),
        (("--json", "none/out.json"), "can't write 'none/out.json': no such directory"),
        (("app.py", "--url", "/", "--targets"), "for the built-in application, not for a program"),
    ],
)
def test_wrong_usage(
    application: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(application)
    assert main(["bench", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("tornadolike bench: ")
    assert message in said


def test_verdicts_on_targets(application: Path) -> None:
    chosen = ("--scenario", "import", "--candidate", "tornadolike asyncio h11", "--json", "out.json")
    done = bench("--targets", *chosen, *_QUICKLY, cwd=application)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Targets: 0 of 1 met" in done.stdout
    assert "not measured: no figure of tornado asyncio" in done.stdout
    data = json.loads((application / "out.json").read_text(encoding="utf-8"))
    (candidate,) = data["scenarios"][0]["candidates"]
    assert candidate["cpu_us"]["median"] > 1000
    assert data["targets"][0]["met"] is None


def test_an_error_status_is_no_answer(application: Path) -> None:
    done = bench("app.py", "--url", "/none", "--candidate", "tornadolike asyncio h11", *_QUICKLY, cwd=application)
    assert done.returncode == 1
    assert "ERROR: answers with status 404" in done.stdout


def test_other_commands_do_not_load_the_bench() -> None:
    code = "import sys, tornadolike.__main__; print([name for name in sys.modules if '_bench' in name])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_servers_end_with_the_command(application: Path, number: int, before: signal.Handlers) -> None:
    (application / "app.py").write_text(f"open('pid', 'w').write(str(__import__('os').getpid()))\n{_APPLICATION}", encoding="utf-8")
    command = [sys.executable, "-m", "tornadolike", "bench", "app.py", "--url", "/page", "--candidate", "tornadolike asyncio h11"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "--load", "builtin"],
        cwd=application,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, before),  # noqa: PLW1509 - as the shell leaves it to a foreground or a background job
    ) as run:
        assert run.stderr is not None
        while "round 1" not in run.stderr.readline():
            assert run.poll() is None
        run.send_signal(number)
        _, said = run.communicate(timeout=30)
    assert run.returncode == 128 + number
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.kill(int((application / "pid").read_text(encoding="utf-8")), 0)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list"]) == 0
    listed = capsys.readouterr().out
    assert "ws-deflate" in listed
    assert "tornadolike asyncio h11" in listed
