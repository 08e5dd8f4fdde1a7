"""Starts examples of the documentation as programs of their own, on tornadolike and on Tornado, and talks to them."""

import http.client
import http.cookies
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
COMMANDS = {"tornadolike": ["-m", "tornadolike", "run"], "tornado": []}


class Program:
    """A running example. ``port`` is where it listens, ``stdout`` what it prints."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port
        assert process.stdout is not None
        self.stdout = process.stdout
        self.cookies: http.cookies.SimpleCookie = http.cookies.SimpleCookie()

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
        """Status, headers and body of one exchange; a dict as the body is sent as a form; cookies are kept."""
        headers = dict(headers or {})
        if isinstance(body, dict):
            body = urlencode(body)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        for value in response.headers.get_all("Set-Cookie", []):
            self.cookies.load(value)
        return response.status, response.headers, content

    def end(self) -> tuple[int, str, str]:
        """Terminate it: exit status, what else it printed, what stands on stderr."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        try:
            printed, errors = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, printed, errors


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def command_line(implementation: str, example: str, *arguments: str) -> list[str]:
    separator = ["--"] if COMMANDS[implementation] and arguments else []
    return [sys.executable, *COMMANDS[implementation], str(EXAMPLES / example), *separator, *arguments]


def environment(implementation: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_") or name == "TORNADOLIKE_LOOP"}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@pytest.fixture(params=list(COMMANDS))
def implementation(request: pytest.FixtureRequest) -> str:
    """What answers the example's `import tornado`."""
    name: str = request.param
    if name == "tornado" and importlib.util.find_spec("tornado") is None:
        pytest.skip("Tornado is not installed")
    return name


@pytest.fixture
def start(implementation: str, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts a server; returns when it listens. It ends with the test, and must not have written a traceback."""
    with ExitStack() as stack:
        running: list[Program] = []

        def starter(example: str, *arguments: str) -> Program:
            port = free_port()
            process = subprocess.Popen(
                command_line(implementation, example, f"--port={port}", *arguments),
                env=environment(implementation),
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            program = Program(process, port)
            # Whatever goes wrong, no read of its output may wait for ever.
            watch = threading.Timer(30, process.kill)
            watch.start()
            stack.callback(watch.cancel)
            assert str(port) in program.stdout.readline(), process.communicate()[1]
            running.append(program)
            return program

        yield starter
        for program in running:
            if program.process.poll() is None:
                status, _, errors = program.end()
                assert status in (0, -signal.SIGTERM)  # servers of HTTP are drained under `tornadolike run`
                assert "Traceback" not in errors


@pytest.fixture
def run(implementation: str, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs an example to its end."""

    def runner(example: str, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        command = command_line(implementation, example, *arguments)
        given = {"env": environment(implementation), "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 30}
        return subprocess.run(command, check=False, **{**given, **options})

    return runner
