"""The examples of the documentation answer, on every loop and HTTP parser, and on Tornado where that is installed."""

import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
# Runs an example as it is, on a free port.
_ON_FREE_PORT = """
import runpy, signal, sys, tornado.web
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell starts with it ignored
original = tornado.web.Application.listen
def listen(self, port, *args, **kwargs):
    assert port == 8888
    server = original(self, 0, "127.0.0.1", *args, **kwargs)
    print([sock.getsockname()[1] for sock in server._sockets.values()][0], flush=True)
    return server
tornado.web.Application.listen = listen
try:
    runpy.run_path(sys.argv[1], run_name="__main__")
except KeyboardInterrupt:
    pass
"""


@contextmanager
def started(tmp_path: Path, example: Path, *command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process of an example, and the port on which it answers; it is gone afterwards, whatever happened."""
    program = tmp_path / "on_free_port.py"
    program.write_text(_ON_FREE_PORT, encoding="utf-8")
    line = [str(program) if part == "PROGRAM" else part for part in command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
    environment["PYTHONPATH"] = str(ROOT)
    with subprocess.Popen(
        [sys.executable, *line, str(example)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            assert first, process.communicate()[1]
            yield process, int(first)
        finally:
            process.kill()


@contextmanager
def serving(tmp_path: Path, example: str, *command: str) -> Iterator[int]:
    """The port on which an example answers; it ends with the test."""
    with started(tmp_path, EXAMPLES / example, *command) as (process, port):
        yield port
        process.terminate()
        errors = process.communicate(timeout=10)[1]
        # `tornadolike run` finishes what is under way and ends in order; Tornado itself is ended by the signal.
        assert process.returncode == (0 if "tornadolike" in command else -signal.SIGTERM)
        assert "Traceback" not in errors


def answers(port: int) -> list[tuple[int, bytes, dict[str, str]]]:
    """Two requests over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    found = []
    for path in ("/", "/nowhere"):
        connection.request("GET", path)
        response = connection.getresponse()
        headers = {name: value for name, value in response.getheaders() if name not in ("Server", "Date")}
        found.append((response.status, response.read(), headers))
    connection.close()
    return found


@pytest.mark.parametrize("example", ["hello.py", "hello_asyncio.py"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("engine", ["h11", "httptools"])
def test_examples_answer_as_on_tornado(tmp_path: Path, example: str, loop: str, engine: str) -> None:
    for package in (loop, engine):
        pytest.importorskip(package)
    command = ("-m", "tornadolike", "run", "PROGRAM", "--loop", loop, "--http", engine, "--")
    with serving(tmp_path, example, *command) as port:
        ours = answers(port)
    assert [(status, body[:12]) for status, body, _ in ours] == [(200, b"Hello, world"), (404, b"<html><title")]
    if importlib.util.find_spec("tornado") is not None:
        with serving(tmp_path, example, "PROGRAM") as port:
            assert answers(port) == ours


def on_loop(loop: str) -> tuple[str, ...]:
    pytest.importorskip(loop)
    return ("-m", "tornadolike", "run", "PROGRAM", "--loop", loop, "--http", "h11", "--")


@pytest.mark.parametrize("example", ["hello.py", "hello_asyncio.py"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_ctrl_c_ends_an_example(tmp_path: Path, example: str, loop: str) -> None:
    with started(tmp_path, EXAMPLES / example, *on_loop(loop)) as (process, port):
        answers(port)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


_ENDS_ITSELF = """
import sys, tornado.ioloop, tornado.web

class Ending(tornado.web.RequestHandler):
    def get(self):
        HOW

tornado.web.Application([("/", Ending)]).listen(8888)
tornado.ioloop.IOLoop.current().start()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("how", "status"), [("sys.exit(3)", 3), ("raise KeyboardInterrupt", 0)])
def test_what_is_meant_for_the_program_gets_out_of_a_handler(tmp_path: Path, loop: str, how: str, status: int) -> None:
    """uvloop takes what data_received raises for an error of the connection, be it Ctrl-C."""
    program = tmp_path / "ends_itself.py"
    program.write_text(_ENDS_ITSELF.replace("HOW", how), encoding="utf-8")
    with started(tmp_path, program, *on_loop(loop)) as (process, port), socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert process.wait(timeout=10) == status
