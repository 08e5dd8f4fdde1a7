"""``gunicorn -k tornadolike.gunicorn.Worker``, as a user starts it."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tornadolike

pytest.importorskip("gunicorn")

ROOT = Path(tornadolike.__file__).parent.parent
APPLICATION = """
import asyncio, os, tornado.web, tornado.ioloop
class Who(tornado.web.RequestHandler):
    def get(self):
        loop = type(tornado.ioloop.IOLoop.current().asyncio_loop).__module__
        self.write(f"{os.getpid()} {'tornadolike' in tornado.__file__} {loop} {self.request.remote_ip}")
class Slow(tornado.web.RequestHandler):
    async def get(self):
        os.write(2, b"slow is inside\\n")
        await asyncio.sleep(1)
        self.write("slow")
class Stuck(tornado.web.RequestHandler):
    def get(self):
        import time
        time.sleep(100)
app = tornado.web.Application([("/", Who), ("/slow", Slow), ("/stuck", Stuck)])
async def begin(application):
    await asyncio.sleep(0)
    application.settings["begun"] = "begun"
class Begun(tornado.web.RequestHandler):
    def get(self):
        self.write(self.settings["begun"])
def end(application):
    os.write(2, b"it has ended\\n")
living = tornado.web.Application([("/", Begun)], on_startup=begin, on_shutdown=[end])
async def fail(application):
    raise RuntimeError("no database")
failing = tornado.web.Application([], on_startup=fail)
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wsgi"]
"""


class Gunicorn:
    def __init__(self, directory: Path, *options: str, target: str = "shop:app") -> None:
        (directory / "shop.py").write_text(APPLICATION, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
        words = ["-m", "gunicorn", "-k", "tornadolike.gunicorn.Worker", "-b", "127.0.0.1:0", "--no-control-socket", *options, target]
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=directory,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.port = int(self.expect(r"Listening at: http\S*:(\d+)")[1])

    def expect(self, pattern: str) -> re.Match[str]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError("".join(self.lines))

    def get(self, path: str = "/") -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            got = b""
            while piece := client.recv(65536):
                got += piece
        return got.partition(b"\r\n\r\n")[2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    running: list[Gunicorn] = []

    def begin(*options: str, **settings: Any) -> Gunicorn:
        running.append(Gunicorn(tmp_path, *options, **settings))
        return running[-1]

    yield begin
    for one in running:
        try:
            os.killpg(one.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        one.process.wait(20)
        one.process.stderr.close()


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_serves_and_drains(start: Any, options: tuple[str, ...]) -> None:
    server = start("--workers", "2", "--graceful-timeout", "5", *options)  # gunicorn loses a SIGTERM while a worker starts
    _, name, loop, peer = server.get().split()
    assert (name, peer) == (b"True", b"127.0.0.1")
    assert loop.startswith(b"uvloop" if importlib.util.find_spec("uvloop") else b"asyncio")
    answers: list[bytes] = []
    slow = threading.Thread(target=lambda: answers.append(server.get("/slow")))
    slow.start()
    server.expect("slow is inside")
    server.process.terminate()
    slow.join(20)
    assert answers == [b"slow"]
    assert server.process.wait(20) == 0


def test_the_application_begins_and_ends(start: Any) -> None:
    server = start(target="shop:living")
    assert server.get() == b"begun"
    server.process.terminate()
    server.expect("it has ended")
    assert server.process.wait(20) == 0


def test_an_application_that_cannot_begin_ends_gunicorn(start: Any) -> None:
    server = start(target="shop:failing")
    server.expect("RuntimeError: no database")
    assert server.process.wait(20) == 3


def test_a_reload_loses_nothing(start: Any) -> None:
    server = start("--workers", "2")
    before = {server.get().split()[0] for _ in range(20)}
    wrong, over = [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                assert server.get().split()[1] == b"True"
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while {server.get().split()[0] for _ in range(10)} & before:
        assert time.monotonic() < deadline
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_wsgi_and_max_requests(start: Any) -> None:
    server = start("--workers", "1", "--max-requests", "3", target="shop:wsgi")
    assert [server.get() for _ in range(10)] == [b"wsgi"] * 10
    server.expect("Autorestarting worker")


def test_a_worker_that_is_stuck_is_killed(start: Any) -> None:
    server = start("--workers", "1", "--timeout", "2")
    asking = threading.Thread(target=server.get, args=("/stuck",))
    asking.start()
    server.expect("WORKER TIMEOUT")
    asking.join(20)
    assert server.get().split()[1] == b"True"
