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
    def __init__(self, path: Path, *arguments: str, flight: int = 1, seconds: float = 0.3, workers: int = 0, before_main: str = "") -> None:
        path.write_text(PROGRAM.format(flight=flight, seconds=seconds, workers=workers, before_main=before_main))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tornadolike", "run", str(path), *arguments]
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

    def start(*arguments: str, **settings: Any) -> Program:
        programs.append(Program(tmp_path / "program.py", *arguments, **settings))
        return programs[-1]

    yield start
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
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):  # draining has begun when nobody is accepted any more
        while True:
            program.ask("/").close()
    program.process.terminate()
    assert program.process.wait(20) == -signal.SIGTERM
    client.close()


def test_the_second_signal_ends_workers_and_their_parent_at_once(run: Any) -> None:
    program = run(workers=2, seconds=60)
    for _ in range(2):
        program.expect("worker")
    pinned = pin(program)
    client = program.ask("/slow")
    program.expect("all inside")
    program.process.terminate()
    for idle in pinned.values():  # closed as soon as the draining has begun there
        assert idle.recv(1) == b""
        idle.close()
    program.process.terminate()
    assert program.process.wait(20) == -signal.SIGTERM
    assert everything(client) == b""
    assert "cleaned up" not in program.out.read()  # which ends only when the workers have ended too


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
