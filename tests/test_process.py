"""Forked servers and child processes."""

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from tornadolike import process
from tornadolike.ioloop import IOLoop
from tornadolike.process import Subprocess

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix processes")

PYTHON = [sys.executable, "-S", "-E", "-c"]


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


class TestSubprocess:
    @pytest.fixture(params=["descriptor", "thread"], autouse=True)
    def _way_to_notice(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param == "thread":
            monkeypatch.delattr(os, "pidfd_open", raising=False)

    @pytest.mark.parametrize(("code", "status"), [("pass", 0), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)])
    async def test_the_exit_status_arrives(self, code: str, status: int) -> None:
        child = Subprocess([*PYTHON, code])
        assert child.returncode is None
        assert await asyncio.wait_for(child.wait_for_exit(raise_error=False), 10) == status
        assert (child.returncode, child.proc.returncode, child.pid) == (status, status, child.proc.pid)

    async def test_a_failure_is_an_exception_by_default(self) -> None:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            await asyncio.wait_for(Subprocess([*PYTHON, "raise SystemExit(4)"]).wait_for_exit(), 10)
        assert caught.value.returncode == 4

    async def test_an_end_long_ago_is_reported_and_so_is_a_second_question(self) -> None:
        child = Subprocess([*PYTHON, "pass"])
        child.proc.wait()
        assert await asyncio.wait_for(child.wait_for_exit(), 10) == 0
        assert await asyncio.wait_for(child.wait_for_exit(), 10) == 0

    async def test_the_last_callback_counts(self) -> None:
        child = Subprocess([*PYTHON, "input()"], stdin=Subprocess.STREAM)
        child.set_exit_callback(pytest.fail)
        ended: asyncio.Queue[int] = asyncio.Queue()
        child.set_exit_callback(ended.put_nowait)
        child.stdin.close()
        assert await asyncio.wait_for(ended.get(), 10) == 1

    async def test_a_failing_callback_is_logged(self, logs: Any) -> None:
        child = Subprocess([*PYTHON, "pass"])
        ended = asyncio.Event()

        def fail(status: int) -> None:
            ended.set()
            raise LookupError

        child.set_exit_callback(fail)
        await asyncio.wait_for(ended.wait(), 10)
        logs.take("tornado.application", "Exception in callback")

    async def test_pipes_are_streams(self) -> None:
        code = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('oops')"
        child = Subprocess([*PYTHON, code], stdin=Subprocess.STREAM, stdout=Subprocess.STREAM, stderr=Subprocess.STREAM)
        await child.stdin.write(b"shout")
        child.stdin.close()
        assert await asyncio.wait_for(child.stdout.read_until_close(), 10) == b"SHOUT"
        assert await asyncio.wait_for(child.stderr.read_until_close(), 10) == b"oops"
        assert await child.wait_for_exit() == 0

    async def test_other_pipes_are_those_of_popen(self) -> None:
        child = Subprocess([*PYTHON, "print(1)"], stdout=subprocess.PIPE)
        assert child.stdin is None
        assert child.stderr is None
        assert child.stdout.read() == b"1\n"
        child.stdout.close()
        await child.wait_for_exit()

    async def test_a_program_that_cannot_be_started_leaves_no_pipe_open(self) -> None:
        before = open_descriptors()
        with pytest.raises(FileNotFoundError):
            Subprocess(["/no/such/program"], stdin=Subprocess.STREAM, stdout=Subprocess.STREAM)
        await asyncio.sleep(0)
        assert open_descriptors() == before

    async def test_no_signal_handler_is_touched(self) -> None:
        before = signal.getsignal(signal.SIGCHLD)
        Subprocess.initialize()
        await Subprocess([*PYTHON, "pass"]).wait_for_exit()
        Subprocess.uninitialize()
        assert signal.getsignal(signal.SIGCHLD) is before

    def test_a_loop_that_is_closed_first_leaves_nothing_open(self) -> None:
        io_loop = IOLoop(make_current=False)

        async def start() -> Subprocess:
            child = Subprocess([*PYTHON, "input()"], stdin=subprocess.PIPE)
            child.set_exit_callback(pytest.fail)
            return child

        child = io_loop.run_sync(start)
        descriptors = [file for file, _ in io_loop.handlers.values()]  # type: ignore[attr-defined]
        io_loop.close()
        child.proc.stdin.close()
        child.proc.wait()
        del child
        for descriptor in descriptors:
            descriptor.close()
            assert descriptor.fileno() == -1


def run_forking(program: str) -> "subprocess.CompletedProcess[str]":
    head = "import os, signal, sys, time, logging\nlogging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')\n"
    head += "from tornadolike.process import fork_processes, task_id\nsignal.alarm(20)\n"
    return subprocess.run([sys.executable, "-c", head + program], check=False, capture_output=True, text=True, timeout=30)


class TestFork:
    def test_each_child_has_its_number_and_the_parent_ends_with_them(self) -> None:
        ended = run_forking("number = fork_processes(3)\nassert number == task_id()\nos.write(1, b'child %d\\n' % number)\n")
        assert sorted(ended.stdout.split("\n")) == ["", "child 0", "child 1", "child 2"]
        assert ended.returncode == 0
        assert "INFO Starting 3 processes" in ended.stderr
        assert ended.stderr.count("exited normally") == 3

    def test_a_failed_child_is_started_again_under_its_number(self) -> None:
        program = """
import tempfile
marks = tempfile.mkdtemp()
number = fork_processes(2, max_restarts=2)
mark = os.path.join(marks, str(number))
if not os.path.exists(mark):
    open(mark, 'w').close()
    if number:
        os._exit(5)
    os.kill(os.getpid(), signal.SIGTERM)
os.write(1, b'again %d\\n' % number)
"""
        ended = run_forking(program)
        assert sorted(ended.stdout.split("\n")) == ["", "again 0", "again 1"]
        assert "WARNING child 1 (pid" in ended.stderr
        assert "exited with status 5, restarting" in ended.stderr
        assert f"killed by signal {signal.SIGTERM:d}, restarting" in ended.stderr
        assert ended.returncode == 0

    def test_too_many_restarts_are_given_up(self) -> None:
        ended = run_forking("fork_processes(1, max_restarts=2)\nos.write(1, b'x')\nos._exit(1)\n")
        assert ended.stdout == "xxx"
        assert "RuntimeError: Too many child restarts, giving up" in ended.stderr

    def test_children_have_different_random_numbers(self) -> None:
        ended = run_forking("import random\nfork_processes(2)\nos.write(1, b'%d\\n' % random.getrandbits(60))\n")
        assert len(set(ended.stdout.split())) == 2

    def test_the_default_is_one_for_each_processor(self) -> None:
        ended = run_forking("fork_processes(0)\n")
        assert f"Starting {process.cpu_count()} processes" in ended.stderr

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl")
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_children_do_not_outlive_their_parent(self, number: int) -> None:
        program = "import os, signal, time\nfrom tornadolike.process import fork_processes\nsignal.alarm(20)\n"
        program += "fork_processes(2)\nos.write(1, b'%d\\n' % os.getpid())\ntime.sleep(20)\n"
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
            assert parent.stdout is not None
            children = [int(parent.stdout.readline()) for _ in range(2)]
            parent.send_signal(number)
            assert parent.wait(10) == -number
            assert parent.stdout.read() == b""  # its end: nobody has the pipe any more
        assert len(children) == 2

    def test_this_process_is_none_of_them(self) -> None:
        assert process.task_id() is None


def test_an_unknown_number_of_processors_is_one(monkeypatch: pytest.MonkeyPatch, logs: Any) -> None:
    assert process.cpu_count() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert process.cpu_count() == 1
    logs.take("tornado.general", "assuming 1")
