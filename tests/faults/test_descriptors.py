"""A server that has no file descriptors left."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
LIMIT = 48
PROGRAM = """
import asyncio, os, resource
import tornado.netutil, tornado.httpserver, tornado.log, tornado.web

class Hello(tornado.web.RequestHandler):
    def get(self):
        self.finish("hello")

async def main():
    tornado.log.enable_pretty_logging()
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", Hello)], log_function=lambda handler: None))
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    os.write(1, b"%d\\n" % sockets[0].getsockname()[1])
    await asyncio.Event().wait()

resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
asyncio.run(main())
"""


class Server:
    def __init__(self, directory: Path, loop: str) -> None:
        program, self._log = directory / "program.py", directory / "log"
        program.write_text(PROGRAM.format(limit=LIMIT), encoding="utf-8")
        command = [sys.executable, "-m", "tornadolike", "run", str(program), "--loop", loop, "--drain", "0"]
        with self._log.open("wb") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def cpu_seconds(self) -> float:
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=10)


def answered(client: socket.socket) -> bool:
    """Whether a request on the connection is answered; not, when it was closed."""
    try:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return client.recv(65536).endswith(b"hello")
    except ConnectionError:
        return False


@pytest.fixture
def server(request: Any, tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path, request.config.getoption("--loop"))
    yield started
    started.process.kill()
    started.process.communicate()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at /proc")
def test_a_server_without_descriptors_serves_those_it_has_and_comes_back(server: Server) -> None:
    first = server.connect()
    assert answered(first)
    others = [server.connect() for _ in range(2 * LIMIT)]
    deadline = time.monotonic() + 10
    while "Too many open files" not in server.log() and time.monotonic() < deadline:
        time.sleep(0.02)
    used, begun = server.cpu_seconds(), time.monotonic()
    while time.monotonic() < begun + 1.5:
        assert answered(first)
        others.append(server.connect())
        time.sleep(0.1)
    lines = re.findall("Too many open files", server.log())
    assert 1 <= len(lines) <= 1 + (time.monotonic() - begun + 10 - (deadline - begun))
    assert server.cpu_seconds() - used < 0.5
    assert "Traceback" not in server.log()
    for one in others:
        one.close()
    deadline = time.monotonic() + 10
    while True:
        with server.connect() as again:
            if answered(again):
                break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.close()
