"""ASGI servers of others, each in a process of its own on loopback."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS: dict[str, Callable[[str, int, str], list[str]]] = {
    "uvicorn": lambda app, port, loop: [app, "--port", str(port), "--loop", loop, "--log-level", "warning", "--no-access-log"],
    # Without workers: a process that has them takes signals only some time after its worker answers.
    "hypercorn": lambda app, port, loop: [app, "--bind", f"127.0.0.1:{port}", "--worker-class", loop, "--workers", "0"],
    "granian": lambda app, port, loop: ["--interface", "asgi", "--port", str(port), "--loop", loop, app],
    "daphne": lambda app, port, loop: ["--port", str(port), app],
}
HOSTS = [("uvicorn", "asyncio"), ("uvicorn", "uvloop"), ("hypercorn", "asyncio"), ("hypercorn", "uvloop")]
HOSTS += [("granian", "asyncio"), ("granian", "uvloop"), ("daphne", "asyncio")]


class Server:
    """A server in a process of its own."""

    def __init__(self, name: str, loop: str, app: str = "tests.hosts.served:asgi") -> None:
        self.name, self.loop = name, loop
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - stop() closes it
        self._process = subprocess.Popen(
            [sys.executable, "-m", name, *COMMANDS[name](app, self.port, loop)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._await_port()

    def _await_port(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"{self.name} does not listen:\n{self.stop()}")

    def output(self) -> str:
        self._output.seek(0)
        return self._output.read()

    def stop(self) -> str:
        """End it as its operator would; what it has printed."""
        if self._output.closed:
            return ""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        text = self.output()
        self._output.close()
        return text

    async def talk(self, data: bytes, *, until: bytes | None = None) -> bytes:
        """Send, then read until the server closes or ``until`` has come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        got = b""
        try:
            async with asyncio.timeout(10):
                while (until is None or until not in got) and (piece := await reader.read(65536)):
                    got += piece
        except ConnectionError:
            pass
        finally:
            writer.close()
        return got


@pytest.fixture(scope="session", params=HOSTS, ids=lambda host: f"{host[0]}-{host[1]}")
def server(request: Any) -> Iterator[Server]:
    name, loop = request.param
    pytest.importorskip(name, reason="the extra `hosts` is not installed")
    started = Server(name, loop)
    yield started
    started.stop()
