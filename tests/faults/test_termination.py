"""SIGTERM and SIGKILL for programs under ``tornadolike run``."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
MOST_SECONDS = 120

PROGRAM = """
import asyncio, os, signal, sys
import tornado.httpserver, tornado.ioloop, tornado.netutil, tornado.process, tornado.web

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # in one piece: workers share the pipe

inside = 0
class Slow(tornado.web.RequestHandler):
    async def get(self):
        global inside
        inside += 1
        if inside == {flight}:
            say("all inside")
        await asyncio.sleep({seconds})
        self.finish("answered by %d" % os.getpid())

class Quick(tornado.web.RequestHandler):
    def get(self):
        self.finish(str(os.getpid()))

sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
if {workers}:
    say("port", sockets[0].getsockname()[1], os.getpid())
    tornado.process.fork_processes({workers})

async def main():
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/slow", Slow), ("/", Quick)]))
    server.add_sockets(sockets)
    if not {workers}:
        say("port", sockets[0].getsockname()[1], os.getpid())
    else:
        say("worker", os.getpid())
    try:
        await asyncio.Event().wait()
    finally:
        say("cleaned up")

{before_main}
asyncio.run(main())
"""


class Program:
    def __init__(
        self,
        path: Path,
        *arguments: str,
        flight: int = 1,
        seconds: float = 0.3,
        workers: int = 0,
        before_main: str = "",
        wrapper: tuple[str, ...] = (),
        target: tuple[str, ...] = (),
        source: str = "",
    ) -> None:
        path.write_text(source or PROGRAM.format(flight=flight, seconds=seconds, workers=workers, before_main=before_main))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [*wrapper, sys.executable, "-m", "tornadolike", "run", *arguments, *target, str(path)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        self.port = int(self.expect(r"port (\d+)")[1])

    @property
    def out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def expect(self, pattern: str) -> re.Match[str]:
        for line in self.out:
            found = re.search(pattern, line)
            if found is not None:
                return found
        raise AssertionError(f"no line {pattern!r}; stderr: {self.process.communicate()[1]}")

    def error_line(self, number: int) -> str:
        """A line of stderr, read as far as that."""
        assert self.process.stderr is not None
        line = ""
        for _ in range(number + 1):
            line = self.process.stderr.readline()
        return line

    def ask(self, path: str) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return client

    def get(self, path: str) -> bytes:
        return everything(self.ask(path))


def everything(client: socket.socket) -> bytes:
    got = b""
    with client:
        while piece := client.recv(65536):
            got += piece
    return got


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Any]:
    programs: list[Program] = []
    watchdogs: list[threading.Timer] = []

    def start(*arguments: str, **settings: Any) -> Program:
        programs.append(program := Program(tmp_path / "program.py", *arguments, **settings))
        # What waits for a line that never comes meets the end of the pipe instead.
        watchdogs.append(threading.Timer(MOST_SECONDS, os.killpg, (program.process.pid, signal.SIGKILL)))
        watchdogs[-1].start()
        return program

    yield start
    for watchdog in watchdogs:
        watchdog.cancel()
    for program in programs:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)  # the workers too: they hold the pipes open
        program.process.communicate(timeout=20)


def test_200_requests_in_flight_are_answered(run: Any) -> None:
    program = run(flight=200, seconds=0.5)
    clients = [program.ask("/slow") for _ in range(200)]
    program.expect("all inside")
    program.process.terminate()
    answers = [everything(client) for client in clients]
    assert sum(answer.startswith(b"HTTP/1.1 200 ") and b"answered by" in answer for answer in answers) == 200
    assert program.process.wait(20) == 0
    assert "cleaned up" in program.out.read()
    assert "Traceback" not in program.process.stderr.read()


def test_the_second_signal_ends_at_once(run: Any) -> None:
    program = run(seconds=60)
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.terminate()
    assert "waiting up to" in program.error_line(1)
    program.process.terminate()
    assert program.process.wait(20) == -signal.SIGTERM
    client.close()


def test_the_second_signal_ends_workers_and_their_parent_at_once(run: Any) -> None:
    program = run(workers=2, seconds=60)
    for _ in range(2):
        program.expect("worker")
    idle, busy = pin(program), pin(program)
    for client in busy.values():  # one that is asked nothing would be through with its drain, and clean up
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        program.expect("all inside")
    program.process.terminate()
    for client in idle.values():  # closed as soon as the draining has begun there
        assert client.recv(1) == b""
        client.close()
    program.process.terminate()
    assert program.process.wait(20) == -signal.SIGTERM
    for client in busy.values():
        assert everything(client) == b""
    assert "cleaned up" not in program.out.read()  # the output ends only when the workers have ended too


def test_ctrl_c_ends_the_parent_of_forked_workers_as_it_ends_one_process(run: Any) -> None:
    program = run(workers=2)
    for _ in range(2):
        program.expect("worker")
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(20) == -signal.SIGINT
    assert program.out.read().count("cleaned up") == 2
    assert "Traceback" not in program.process.stderr.read()


def test_drain_has_an_end(run: Any) -> None:
    program = run("--drain", "0.2", seconds=60)
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.terminate()
    assert program.process.wait(20) == 0
    assert everything(client) == b""


def test_drain_can_be_off(run: Any) -> None:
    program = run("--drain", "0")
    program.process.terminate()
    assert program.process.wait(20) == -signal.SIGTERM


def test_the_programs_own_handler_stays(run: Any) -> None:
    program = run(before_main="signal.signal(signal.SIGTERM, lambda *_: os._exit(7))")
    program.process.terminate()
    assert program.process.wait(20) == 7


def test_draining_says_what_it_waits_for(run: Any) -> None:
    program = run(seconds=0.5)
    client = program.ask("/slow?a=b")
    program.expect("all inside")
    program.process.terminate()
    assert b"answered by" in everything(client)
    assert program.process.wait(20) == 0
    errors = program.process.stderr.read()
    assert "tornadolike run: SIGTERM: waiting up to 30 s for GET /slow?a=b (127.0.0.1) (again: ends at once)\n" in errors


def test_draining_says_whom_it_cut_off(run: Any) -> None:
    program = run("--drain", "0.2", seconds=60)
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.terminate()
    assert program.process.wait(20) == 0
    assert "Drain: 0.2 s have passed, cutting off GET /slow (127.0.0.1)\n" in program.process.stderr.read()
    client.close()


@pytest.mark.parametrize("arguments", [(), ("--loop", "uvloop"), ("--loop", "rloop")])
def test_ctrl_c_drains_and_ends_in_one_line(run: Any, arguments: tuple[str, ...]) -> None:
    if arguments:
        pytest.importorskip(arguments[1])
    program = run(*arguments, seconds=0.5)
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.send_signal(signal.SIGINT)
    assert b"answered by" in everything(client)
    assert program.process.wait(20) == -signal.SIGINT
    assert "cleaned up" in program.out.read()
    _, line, *more = program.process.stderr.read().splitlines()
    assert "SIGINT: waiting up to 30 s for GET /slow" in line
    assert [text for text in more if "rloop" not in "".join(arguments)] == []  # rloop leaves a task pending, and asyncio says so


def test_the_second_ctrl_c_interrupts_at_once(run: Any) -> None:
    program = run(seconds=60)
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.send_signal(signal.SIGINT)
    assert "waiting up to" in program.error_line(1)
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(20) == -signal.SIGINT
    assert "cleaned up" in program.out.read()  # the program's own finally blocks
    assert "Traceback" not in program.process.stderr.read()
    client.close()


def test_ctrl_c_in_a_program_that_serves_nothing_is_pythons(run: Any) -> None:
    program = run(source="import time\nprint('port 0', flush=True)\ntime.sleep(60)\n")
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(20) == -signal.SIGINT
    errors = program.process.stderr.read()
    assert 'program.py", line ' in errors
    assert errors.endswith("KeyboardInterrupt\n")
    assert "_cli" not in errors
    assert "runpy" not in errors


def test_sigterm_on_a_loop_that_swallows_exits(run: Any) -> None:
    pytest.importorskip("rloop")
    program = run("--loop", "rloop", seconds=0.5)
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.terminate()
    assert b"answered by" in everything(client)
    assert program.process.wait(20) == 0
    assert "cleaned up" in program.out.read()


_CHILD = """
import multiprocessing, time
def child():
    import asyncio
    async def work():
        say("child works")
        await asyncio.sleep(60)
    asyncio.run(work())
def run_child():
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    time.sleep(0.5)
    began = time.monotonic()
    process.terminate()
    process.join()
    say("child ended with", process.exitcode, "in", time.monotonic() - began)
class Fork(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.get_running_loop().run_in_executor(None, run_child)
        self.write("forked")
Quick = Fork
"""


def test_a_child_that_the_program_forks_dies_at_once(run: Any) -> None:
    program = run(before_main=_CHILD)
    assert b"forked" in program.get("/")
    found = program.expect(r"child ended with (-?\d+) in (\S+)")
    assert int(found[1]) == -signal.SIGTERM
    assert float(found[2]) < 5
    program.process.terminate()
    assert program.process.wait(20) == 0


def test_under_autoreload_sigterm_ends_the_whole(run: Any) -> None:
    program = run(seconds=0.5, target=("-m", "tornado.autoreload", "--"))
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.terminate()
    assert b"answered by" in everything(client)
    assert program.process.wait(20) == 0


def test_autoreload_that_waits_for_changes_ends(run: Any) -> None:
    program = run(source="print('port 0', flush=True)", target=("-m", "tornado.autoreload", "--"))
    program.process.terminate()
    assert program.process.wait(20) == -signal.SIGTERM


_THREADS = """
import asyncio, threading, os
import tornado.web, tornado.netutil, tornado.httpserver
class Slow(tornado.web.RequestHandler):
    async def get(self):
        os.write(1, b"all inside\\n")
        await asyncio.sleep(0.5)
        self.finish("answered by a thread")
async def main():
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(tornado.web.Application([("/slow", Slow)])).add_sockets(sockets)
    print("port", sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
thread.start()
try:
    thread.join()
finally:
    print("cleaned up", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_loops_in_other_threads_are_drained(run: Any, number: signal.Signals) -> None:
    program = run(source=_THREADS)
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.send_signal(number)
    assert b"answered by a thread" in everything(client)
    assert program.process.wait(20) == (0 if number == signal.SIGTERM else -number)
    assert "cleaned up" in program.out.read()


_NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


def _first_process(program: Program) -> int:
    """The process that is number 1 in its own namespace: a child of ``unshare``."""
    with open(f"/proc/{program.process.pid}/task/{program.process.pid}/children", encoding="ascii") as file:
        return int(file.read().split()[0])


def _needs_namespaces() -> None:
    if subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make process namespaces")


def test_the_first_process_of_a_container_ends_at_the_second_signal(run: Any) -> None:
    _needs_namespaces()
    program = run(seconds=60, wrapper=_NAMESPACE)
    client = program.ask("/slow")
    program.expect("all inside")
    os.kill(_first_process(program), signal.SIGTERM)
    assert "waiting up to" in program.error_line(1)
    os.kill(_first_process(program), signal.SIGTERM)
    assert program.process.wait(20) == 128 + signal.SIGTERM
    client.close()


def test_the_first_process_of_a_container_ends_without_draining(run: Any) -> None:
    _needs_namespaces()
    program = run("--drain", "0", wrapper=_NAMESPACE)
    os.kill(_first_process(program), signal.SIGTERM)
    assert program.process.wait(20) == 128 + signal.SIGTERM


def test_forked_workers_drain_and_their_parent_ends(run: Any) -> None:
    program = run(workers=2, flight=1, seconds=0.5)
    for _ in range(2):
        program.expect("worker")
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.terminate()
    assert b"answered by" in everything(client)
    assert program.process.wait(20) == 0


def test_a_killed_worker_is_replaced_and_the_others_lose_nothing(run: Any) -> None:
    program = run(workers=2, flight=1, seconds=0.5)
    workers = {int(program.expect(r"worker (\d+)")[1]) for _ in range(2)}
    client = program.ask("/slow")
    program.expect("all inside")
    # Who has the request is not known yet; the one that answers a quick one may be either. Kill one, and see who answers.
    answers: list[bytes] = []
    reader = threading.Thread(target=lambda: answers.append(everything(client)))
    victim = next(iter(workers))
    os.kill(victim, signal.SIGKILL)
    try:
        reader.start()
        new = int(program.expect(r"worker (\d+)")[1])
        assert new not in workers
        alive = {str(pid).encode() for pid in (workers - {victim}) | {new}}
        assert all(program.get("/").rpartition(b"\r\n\r\n")[2] in alive for _ in range(20))
    finally:
        reader.join(20)
    if answers[0]:  # the survivor had it
        assert answers[0].endswith(f"answered by {next(iter(workers - {victim}))}".encode())


def test_a_connection_to_the_survivor_outlives_kill_9(run: Any) -> None:
    program = run(workers=2, flight=1, seconds=0.5)
    workers = {int(program.expect(r"worker (\d+)")[1]) for _ in range(2)}
    pinned = pin(program)
    victim, survivor = workers
    pinned[survivor].sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    program.expect("all inside")
    os.kill(victim, signal.SIGKILL)
    assert pinned[victim].recv(1) == b""
    assert pinned[survivor].recv(65536).endswith(f"answered by {survivor}".encode())
    assert int(program.expect(r"worker (\d+)")[1]) not in workers
    assert {ask_on(pinned[survivor], "/") for _ in range(50)} == {survivor}
    for client in pinned.values():
        client.close()


def ask_on(client: socket.socket, path: str) -> int:
    """The worker that answers on a connection which is kept."""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return int(client.recv(65536).rpartition(b"\r\n\r\n")[2])


def pin(program: Program) -> dict[int, socket.socket]:
    """A kept connection to each of two workers."""
    pinned: dict[int, socket.socket] = {}
    while len(pinned) < 2:  # whichever worker is faster gets a connection: until each has one
        client = socket.create_connection(("127.0.0.1", program.port), timeout=20)
        owner = ask_on(client, "/")
        if owner in pinned:
            client.close()
        pinned.setdefault(owner, client)
    return pinned
