"""``--workers`` and ``--reload``: processes that share ports, are replaced and end together."""

import asyncio
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tornadolike._cli import supervisor

# As programs are written that know nothing of workers: a plain listen().
PROGRAM = """
import asyncio, os, sys
import tornado.web

class Who(tornado.web.RequestHandler):
    def get(self):
        self.write(str(os.getpid()))

class Slow(tornado.web.RequestHandler):
    async def get(self):
        os.write(1, b"slow is inside\\n")
        await asyncio.sleep(float(os.environ.get('SECONDS', '0.5')))
        self.write(str(os.getpid()))

class Fall(tornado.web.RequestHandler):
    def get(self):
        os._exit(5)

async def main():
    tornado.web.Application([("/", Who), ("/slow", Slow), ("/fall", Fall)]).listen(PORT, "127.0.0.1")
    os.write(1, f"worker {os.getpid()}\\n".encode())
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("PORT", "0"), encoding="utf-8")
    return path


def workers(command: Any, count: int, start: int = 0) -> set[int]:
    """The process ids of ``count`` workers that have said they listen."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = {int(line.split()[1]) for line in list(command.lines)[start:] if re.fullmatch(r"worker \d+", line)}
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(command.lines)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].startswith(" Z")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def quiet(command: Any, seconds: float = 1.5) -> None:
    """Wait until nothing has been said for a while, longer than two looks at the files are apart."""
    said = -1
    while said != len(command.lines):
        said = len(command.lines)
        time.sleep(seconds)


def body(answer: bytes) -> bytes:
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return answer.partition(b"\r\n\r\n")[2]


def test_workers_share_a_port_evenly_and_end_together(start: Any, program: Path) -> None:
    command = start("--workers", "3", "program.py")
    pids = workers(command, 3)
    counts = dict.fromkeys(pids, 0)
    for _ in range(300):
        counts[int(body(command.get()))] += 1
    assert min(counts.values()) > 40, counts
    slow = threading.Thread(target=lambda: body(command.get("/slow")))
    slow.start()
    command.expect("slow is inside")
    assert command.end() == 0
    slow.join()
    assert not any(lives(pid) for pid in pids)
    assert sum("listening on" in line for line in command.lines) == 1


def test_a_worker_for_each_core_and_a_directory_to_watch(start: Any, program: Path, tmp_path: Path) -> None:
    command = start("--workers", "0", "--drain-timeout", "5", "program.py")
    assert len(workers(command, os.cpu_count() or 1)) == (os.cpu_count() or 1)
    assert command.end() == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = start("--reload", "--reload-dir", "elsewhere", "program.py")
    first = workers(command, 1)

    def is_noticed() -> bool:
        (tmp_path / "unwatched.py").write_text(str(time.time()), encoding="utf-8")
        (elsewhere / "page.html").write_text(str(time.time()), encoding="utf-8")
        return any("elsewhere/page.html changed, restarting" in line for line in command.lines)

    until(is_noticed)  # nothing says when the files begin to be watched
    assert workers(command, 2) > first
    assert not any("unwatched" in line for line in command.lines)


def test_an_attribute_in_workers(start: Any, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import os, tornado.web\n"
        "class Who(tornado.web.RequestHandler):\n    def get(self): self.write(str(os.getpid()))\n"
        "def make(): return tornado.web.Application([('/', Who)])\n",
        encoding="utf-8",
    )
    command = start("shop:make", "--workers", "2", "--port", "0", "--loop", "asyncio", "--pid-file", "shop.pid")
    command.expect(r"listening on http://127\.0\.0\.1:\d+$")
    until(lambda: len({body(command.get()) for _ in range(20)}) == 2)
    assert (tmp_path / "shop.pid").read_text(encoding="ascii") == f"{command.process.pid}\n"
    assert command.end() == 0
    assert not (tmp_path / "shop.pid").exists()
    command = start("shop:make", "--workers", "2", "--uds", "shop.sock")
    command.expect("listening on unix:")

    def ask() -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "shop.sock"))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return body(client.recv(65536))

    assert ask().isdigit()


def test_an_inherited_socket_in_workers(start: Any, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import os, tornado.web\n"
        "class Who(tornado.web.RequestHandler):\n    def get(self): self.write(str(os.getpid()))\n"
        "app = tornado.web.Application([('/', Who)])\n",
        encoding="utf-8",
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        command = start("shop:app", "--workers", "2", "--fd", str(listening.fileno()), options={"pass_fds": [listening.fileno()]})
        assert body(command.get(port=port)).isdigit()
        assert command.end() == 0


class Load:
    """Clients that keep asking, on kept connections and on new ones, and note what went wrong."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.wrong: list[str] = []
        self.answers = 0
        self.pids: set[bytes] = set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(kept,)) for kept in (True, True, False, False)]
        for thread in self._threads:
            thread.start()

    def _ask(self, kept: bool) -> None:
        client: socket.socket | None = None
        while not self._over.is_set():
            try:
                if client is None:
                    client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                got = client.recv(65536)
                head, _, pid = got.partition(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200") or not pid:
                    self.wrong.append(repr(got))
                self.answers += 1
                self.pids.add(pid)
                if not kept or b"Connection: close" in head:
                    client.close()
                    client = None
            except OSError as error:
                self.wrong.append(repr(error))
                client = None
            time.sleep(0.001)
        if client is not None:
            client.close()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_a_rolling_restart_under_load_fails_no_request(start: Any, program: Path) -> None:
    command = start("--workers", "2", "program.py")
    old = workers(command, 2)
    load = Load(command.port)
    try:
        for _ in range(2):
            at = len(command.lines)
            command.process.send_signal(signal.SIGHUP)
            command.expect("SIGHUP: all workers are replaced", at)
    finally:
        load.end()
    assert load.wrong == []
    assert load.answers > 200
    assert len(load.pids) >= 4
    assert not any(lives(pid) for pid in old)
    assert command.end() == 0


def test_a_replacement_that_does_not_come_up_leaves_the_others(start: Any, program: Path) -> None:
    command = start("--workers", "2", "program.py")
    old = workers(command, 2)
    program.write_text("raise ValueError('new version')", encoding="utf-8")
    command.process.send_signal(signal.SIGHUP)
    command.expect("the new worker 0 .* does not listen; the others stay")
    assert {int(body(command.get())) for _ in range(50)} == old
    assert command.end() == 0


def test_an_end_in_the_middle_of_a_replacement_blames_nobody(start: Any, program: Path) -> None:
    command = start("--workers", "2", "program.py")
    workers(command, 2)
    program.write_text("import time\nprint('late', flush=True)\nwhile True:\n    time.sleep(0.1)", encoding="utf-8")
    command.process.send_signal(signal.SIGHUP)
    command.expect("^late$")
    assert command.end() == 0
    assert not [line for line in command.lines if "does not listen" in line]


# The kernel hands the signal to another thread, which is as if it had come just before the sleep: Python notes it, and nothing wakes up.
DEAF = """
import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.write(1, b"sleeps\\n")
time.sleep(1000)
"""


def test_a_program_that_sleeps_without_a_loop_hears_of_the_end(start: Any, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(DEAF, encoding="utf-8")
    command = start("--workers", "1", "program.py")
    command.expect("^sleeps$")
    assert command.end() == 0
    assert not [line for line in command.lines if "killing" in line]


SLOW_STARTER = """
import asyncio, os
start = asyncio.create_subprocess_exec

async def slowly(*words, **options):
    process = await start(*words, **options)
    if os.path.exists("slow"):
        await asyncio.sleep(2)
        print("started", flush=True)
    return process

asyncio.create_subprocess_exec = slowly
"""


def test_an_end_while_a_worker_is_being_started_is_for_that_one_too(start: Any, program: Path) -> None:
    (program.parent / "sitecustomize.py").write_text(SLOW_STARTER, encoding="utf-8")
    command = start("--workers", "2", "program.py", PYTHONPATH=str(program.parent))
    workers(command, 2)
    (program.parent / "slow").touch()
    program.write_text("import time\nprint('late', flush=True)\nwhile True:\n    time.sleep(0.1)", encoding="utf-8")
    command.process.send_signal(signal.SIGHUP)
    command.expect("^late$")
    with socket.create_connection(("127.0.0.1", command.port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n")  # keeps its worker from ending
        command.process.send_signal(signal.SIGTERM)
        command.expect("^started$")
        client.sendall(b"\r\n")
        assert command.process.wait(30) == 0


def test_a_fallen_worker_is_replaced_and_its_connections_wait(start: Any, program: Path) -> None:
    command = start("--workers", "2", "program.py")
    workers(command, 2)
    at = len(command.lines)
    assert command.get("/fall") == b""
    command.expect("exited with status 5, starting another$", at)
    for _ in range(100):
        body(command.get())  # none is refused, whichever worker it was given to
    workers(command, 1, at)
    for _ in range(20):
        if command.get("/fall") == b"":
            break
    command.expect("exited with status 5, starting another", at + 2)
    assert command.end() == 0


def test_workers_that_never_start_end_the_whole(start: Any, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import nosuchmodule", encoding="utf-8")
    command = start("--workers", "2", "program.py")
    assert command.process.wait(30) == 3
    command.expect("exited with status 1 before it listened; giving up")
    assert sum("ModuleNotFoundError" in line for line in command.lines) == 1  # once is enough


def test_workers_that_never_listen_are_all_started(start: Any, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import os, time\nos.write(1, b'works\\n')\ntime.sleep(60)", encoding="utf-8")
    command = start("--workers", "3", "program.py")
    until(lambda: sum("works" in line for line in command.lines) == 3)
    command.end()


async def test_a_signal_does_not_take_a_workers_status_from_who_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        one = supervisor._Worker(0, process, ours, -1)
        polled: list[Any] = []
        with monkeypatch.context() as patch:
            patch.setattr(subprocess.Popen, "poll", lambda process: polled.append(process))
            one.tell(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        assert not polled
        one.tell()  # it is gone: nobody is told


def test_workers_that_all_end_well_end_the_whole(start: Any, program: Path) -> None:
    program.write_text(
        program.read_text(encoding="utf-8").replace("os._exit(5)", "os._exit(0 if self.get_query_argument('well', '') else 5)")
    )
    command = start("--workers", "1", "program.py")
    workers(command, 1)
    command.get("/fall")
    workers(command, 2)
    command.get("/fall?well=1")
    assert command.process.wait(20) == 0
    command.expect("exited normally")


def test_no_orphans(start: Any, program: Path) -> None:
    command = start("--workers", "2", "program.py")
    pids = workers(command, 2)
    command.process.kill()
    until(lambda: not any(lives(pid) for pid in pids))


def test_ctrl_c_ends_all(start: Any, program: Path) -> None:
    command = start("--workers", "2", "program.py")
    pids = workers(command, 2)
    assert command.end(signal.SIGINT) == 130
    assert not any(lives(pid) for pid in pids)
    assert "Traceback" not in "".join(command.lines)


def test_the_second_signal_kills(start: Any, program: Path) -> None:
    command = start("--workers", "1", "program.py", SECONDS="60")
    [pid] = workers(command, 1)
    with socket.create_connection(("127.0.0.1", command.port)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        command.expect("slow is inside")
        command.process.terminate()
        command.expect("waiting up to")
        command.process.terminate()
        command.process.wait(20)
    assert not lives(pid)


@pytest.mark.parametrize("with_watchfiles", [True, False])
def test_reload(start: Any, program: Path, tmp_path: Path, with_watchfiles: bool) -> None:
    if with_watchfiles:
        pytest.importorskip("watchfiles")
    else:
        (tmp_path / "watchfiles.py").write_text("raise ImportError", encoding="utf-8")
    (tmp_path / "answer.py").write_text("TEXT = 'first'", encoding="utf-8")
    program.write_text(
        program.read_text(encoding="utf-8")
        .replace("str(os.getpid())", "answer.TEXT", 1)
        .replace("import asyncio", "import answer, asyncio", 1),
        encoding="utf-8",
    )
    command = start("--reload", "program.py", PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}:{Path(__file__).parents[2]}")
    pids = workers(command, 1)
    assert body(command.get()) == b"first"
    port = command.port
    for number in range(10):  # ten times in two seconds, every third one broken
        text = "TEXT = (" if number % 3 == 2 else f"TEXT = 'version {number}'"
        (tmp_path / "answer.py").write_text(text, encoding="utf-8")
        time.sleep(0.2)
    until(lambda: command.get(port=port).endswith(b"version 9"))
    quiet(command)  # it may have been read by a worker that was started for the one before
    at = len(command.lines)
    (tmp_path / "answer.py").write_text("TEXT = (", encoding="utf-8")
    command.expect(r"answer\.py:1: .*; waiting for the next change", at)
    assert command.get(port=port).endswith(b"version 9")  # what was there goes on
    (tmp_path / "answer.py").write_text("raise KeyError('broken')", encoding="utf-8")
    command.expect("the program exited with status 1; waiting for a change", at)
    (tmp_path / "answer.py").write_text("TEXT = 'mended'", encoding="utf-8")
    until(lambda: command.get(port=port).endswith(b"mended"))
    pids |= workers(command, 1)
    assert command.end() == 0
    until(lambda: not any(lives(pid) for pid in pids))


@pytest.mark.parametrize("with_watchfiles", [True, False])
def test_reload_of_a_package_that_lies_elsewhere(start: Any, tmp_path: Path, with_watchfiles: bool) -> None:
    if with_watchfiles:
        pytest.importorskip("watchfiles")
    source = tmp_path / "project" / "src"
    (source / "shop").mkdir(parents=True)
    if not with_watchfiles:
        (source / "watchfiles.py").write_text("raise ImportError", encoding="utf-8")
    module = source / "shop" / "main.py"

    def write(text: str) -> None:
        module.write_text(
            "import tornado.web\nclass Says(tornado.web.RequestHandler):\n"
            f"    def get(self): self.write({text!r})\napp = tornado.web.Application([('/', Says)])\n",
            encoding="utf-8",
        )

    write("first")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = f"{source}:{Path(__file__).parents[2]}"
    command = start("shop.main:app", "--port", "0", "--reload", wrapper=("env", f"--chdir={elsewhere}"), PYTHONPATH=path)
    port = command.port
    assert body(command.get(port=port)) == b"first"
    texts = itertools.count()

    def is_noticed() -> bool:
        write(f"text {next(texts)}")
        return any("shop/main.py changed, restarting" in line for line in command.lines)

    until(is_noticed)  # nothing says when the files begin to be watched
    write("last")
    until(lambda: command.get(port=port).endswith(b"last"))
    assert command.end() == 0


def test_a_package_in_src_that_cannot_be_found(start: Any, tmp_path: Path) -> None:
    (tmp_path / "src" / "shop").mkdir(parents=True)
    command = start("shop.main:app")
    command.expect(r"no module named shop.main \(it lies in src: set PYTHONPATH=src, or install your package\)")
    assert command.process.wait(20) == 2
