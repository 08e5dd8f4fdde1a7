"""Child processes of the suite: what is recorded, and that crashes, hangs and broken modules show."""

import importlib.metadata
import io
import os
import sys
import textwrap
import time
import unittest
from pathlib import Path

import pytest

from compat_suite import environment, upstream, upstream_child


def child(tmp_path: Path, code: str, timeout: float = 30) -> tuple[int | None, str]:
    return upstream.run_child([sys.executable, "-c", textwrap.dedent(code)], dict(os.environ), str(tmp_path), timeout)


def record_of(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "record"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_outcomes_are_read_from_the_record(tmp_path: Path) -> None:
    record = record_of(
        tmp_path,
        *('["started", "a", ""]', '["passed", "a", ""]', '["started", "b", ""]', '["failed", "b", "why"]', '["passed", "b", ""]'),
        *('["started", "c", ""]', '["skipped", "c", "no pycurl"]', '["started", "abstract", ""]'),
    )
    run = upstream.read_record(record, 1, "FAILED")
    assert run.outcomes == {"a": "passed", "b": "failed", "c": "skipped"}
    assert run.details == {"b": "why", "c": "no pycurl"}
    assert run.problem == ""


@pytest.mark.parametrize(("status", "problem"), [(None, "time limit"), (-11, "ended by signal 11: last words")])
def test_crash_and_hang_fail_the_running_test_and_the_module(tmp_path: Path, status: int | None, problem: str) -> None:
    record = record_of(tmp_path, '["started", "a", ""]', '["passed", "a", ""]', '["started", "b", ""]')
    run = upstream.read_record(record, status, "first\nlast words\n")
    assert run.outcomes == {"a": "passed", "b": "failed"}
    assert run.problem == problem


def test_stray_output_and_silent_exits_are_problems(tmp_path: Path) -> None:
    record = record_of(tmp_path, '["started", "a", ""]', '["passed", "a", ""]')
    noise = "OK\n[E 1] logged 0 infos, 1 warnings, 0 errors, and 0 bytes to stderr"
    assert upstream.read_record(record, 1, noise).problem.startswith("the runner found stray output")
    assert upstream.read_record(record, 1, "").problem == "exit status 1: no output"
    assert upstream.read_record(record, 0, "OK").problem == ""


def ended(pid: int) -> bool:
    """Whether a process is gone within five seconds; one that nobody has waited for yet (Z) is gone, too."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_children_are_ended_at_the_time_limit_with_what_they_started(tmp_path: Path) -> None:
    status, output = child(
        tmp_path,
        """
        import subprocess, sys, time
        inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(inner.pid, flush=True)
        time.sleep(60)
        """,
        timeout=2,
    )
    assert status is None
    assert ended(int(output))


def test_exit_status_and_output_of_children(tmp_path: Path) -> None:
    assert child(tmp_path, "import sys; print('out'); sys.exit(3)") == (3, "out\n")
    assert child(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")[0] == -11


class _Sample(unittest.TestCase):
    __test__ = False  # for pytest; unittest's own loader takes it

    def test_passes(self) -> None:
        pass

    def test_fails(self) -> None:
        self.fail("for the record")

    def test_subtests(self) -> None:
        with self.subTest(1):
            self.fail("inside")

    @unittest.skip("a reason")
    def test_skipped(self) -> None:
        pass

    @unittest.expectedFailure
    def test_unexpected(self) -> None:
        pass


def recorded(tmp_path: Path, wanted: upstream_child.Wanted) -> dict[str, str]:
    path = tmp_path / "record"
    result = upstream_child.recording_result(upstream_child.Record(str(path)))
    runner = upstream_child.choosing_runner(wanted)(stream=io.StringIO(), resultclass=result)
    runner.run(unittest.defaultTestLoader.loadTestsFromTestCase(_Sample))
    outcomes = upstream.read_record(path, 1, "FAILED").outcomes
    return {name.rpartition("_")[2]: outcome for name, outcome in outcomes.items()}


def test_every_verdict_of_the_runner_is_recorded(tmp_path: Path) -> None:
    expected = {"passes": "passed", "fails": "failed", "subtests": "failed", "skipped": "skipped", "unexpected": "failed"}
    assert recorded(tmp_path, lambda name: True) == expected


def test_chosen_tests_are_left_out(tmp_path: Path) -> None:
    assert recorded(tmp_path, lambda name: name.endswith("passes")) == {"passes": "passed"}


def test_modules_are_chosen_by_either_name() -> None:
    known = ["tornado.util.doctests", "tornado.test.web_test", "tornado.test.gen_test"]
    assert upstream.select_modules(known, ["web_test", "tornado.test.gen_test"]) == known[1:]
    assert upstream.select_modules(known, None) == known
    with pytest.raises(SystemExit, match="unknown test module"):
        upstream.select_modules(known, ["nosuch"])


def on_tornadolike(tmp_path: Path, module: str, sabotage: str = "") -> upstream.ModuleRun:
    try:
        found = importlib.metadata.version("tornado")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != environment.TORNADO_VERSION:
        pytest.skip(f"needs Tornado {environment.TORNADO_VERSION}")
    (tmp_path / "broken.py").write_text(
        f"import runpy\nfrom tornadolike import _alias\n_alias.install()\n{sabotage}\n"
        "runpy.run_module('compat_suite.upstream_child', run_name='__main__')\n",
        encoding="utf-8",
    )
    record = tmp_path / "record"
    record.touch()
    command = [sys.executable, str(tmp_path / "broken.py"), f"tornado.test.{module}", str(record), "--alias"]
    status, output = upstream.run_child(command, environment.child(alias=True), str(tmp_path), 60)
    return upstream.read_record(record, status, output)


def test_a_sound_module_passes_and_a_broken_one_fails(tmp_path: Path) -> None:
    sound = on_tornadolike(tmp_path, "escape_test")
    broken = on_tornadolike(tmp_path, "escape_test", "import tornado.escape\ntornado.escape.xhtml_escape = str")
    assert (sound.count("passed"), sound.count("failed"), sound.problem) == (15, 0, "")
    assert broken.count("failed") > 0


def test_stray_output_of_a_module_is_found(tmp_path: Path) -> None:
    noisy = "import tornado.escape, sys\nreal = tornado.escape.xhtml_escape\n"
    noisy += "def loud(value):\n    sys.stderr.write('noise')\n    return real(value)\ntornado.escape.xhtml_escape = loud"
    run = on_tornadolike(tmp_path, "escape_test", noisy)
    assert run.count("failed") == 0
    assert "stray output" in run.problem
