"""Exceptions that are no `Exception`, in a handler: the program ends, or goes on, as it does on Tornado."""

import importlib.metadata
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
PROGRAM = """
import asyncio, os
import tornado.httpserver, tornado.netutil, tornado.web

class Own(BaseException):
    pass

KINDS = {"exit": SystemExit(3), "interrupt": KeyboardInterrupt(), "cancelled": asyncio.CancelledError(), "own": Own()}

class Raising(tornado.web.RequestHandler):
    def get(self, kind):
        raise KINDS[kind]

class RaisingLater(tornado.web.RequestHandler):
    async def get(self, kind):
        await asyncio.sleep(0.01)
        raise KINDS[kind]

class Hello(tornado.web.RequestHandler):
    def get(self):
        self.finish("hello")

async def main():
    routes = [(r"/now/(.*)", Raising), (r"/later/(.*)", RaisingLater), ("/", Hello)]
    server = tornado.httpserver.HTTPServer(tornado.web.Application(routes))
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    os.write(1, b"%d\\n" % sockets[0].getsockname()[1])
    await asyncio.Event().wait()

asyncio.run(main())
"""


def ending(directory: Path, command: list[str], path: str) -> tuple[bytes, bytes, int | None]:
    """First line of the answer, the answer to another client, and the exit status (None: it serves on)."""
    program = directory / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen([*command, str(program)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        first = asked(port, path).partition(b"\r\n")[0]
        if first:
            return first, asked(port, "/")[-5:], None
        try:
            return first, b"", server.wait(10 if path.startswith(("/now", "/later")) and "own" not in path else 0.3)
        except subprocess.TimeoutExpired:
            return first, asked(port, "/")[-5:], None
    finally:
        server.kill()
        server.communicate()


def asked(port: int, path: str) -> bytes:
    """What a request on a connection of its own is answered with; nothing where that takes too long."""
    got = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            while piece := client.recv(65536):
                got += piece
    except (ConnectionError, TimeoutError):
        pass
    return got


def real_tornado_is_there() -> bool:
    try:
        return importlib.metadata.version("tornado") == "6.6.1"
    except importlib.metadata.PackageNotFoundError:
        return False


EXPECTED: dict[str, Any] = {
    "exit": (b"", b"", 3),
    "interrupt": (b"", b"", -2),
    "cancelled": (b"HTTP/1.1 500 Internal Server Error", b"hello", None),
    "own": (b"", b"hello", None),
}


@pytest.mark.parametrize(("when", "kind"), [("now", "exit"), *(("later", kind) for kind in EXPECTED)])
def test_what_a_handler_raises(request: Any, tmp_path: Path, when: str, kind: str) -> None:
    loop = request.config.getoption("--loop")
    ours = ending(tmp_path, [sys.executable, "-m", "tornadolike", "run", "--loop", loop], f"/{when}/{kind}")
    assert ours == EXPECTED[kind]


@pytest.mark.skipif(not real_tornado_is_there(), reason="compares with real Tornado")
@pytest.mark.parametrize("kind", EXPECTED)
def test_it_is_what_tornado_does(request: Any, tmp_path: Path, kind: str) -> None:
    if request.config.getoption("--loop") != "asyncio":
        pytest.skip("once is enough")
    assert ending(tmp_path, [sys.executable], f"/later/{kind}") == EXPECTED[kind]
