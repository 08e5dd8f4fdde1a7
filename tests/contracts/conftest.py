"""Servers that the contracts of brokers need: real ones, started here on loopback."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Server:
    """A server process that can be stopped, frozen, killed and started again at the same place."""

    def __init__(self, url: str, port: int, command: list[str], user: str | None = None, ready: list[str] | None = None) -> None:
        self.url, self.port, self.command, self.user, self.ready = url, port, command, user, ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        output = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, stdout=output, stderr=output, user=self.user, cwd="/", start_new_session=True)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                if self.ready is not None:
                    subprocess.run(self.ready, check=True, stdout=subprocess.DEVNULL)
                return
            except (OSError, subprocess.CalledProcessError):
                assert self.process.poll() is None, f"{self.command} ended with {self.process.returncode}"
                assert time.monotonic() < end, f"{self.command} does not listen"
                time.sleep(0.01)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _signal(self, number: int) -> None:
        assert self.process is not None
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], check=False, capture_output=True, text=True)
        for pid in [self.process.pid, *map(int, children.stdout.split())]:  # PostgreSQL's are in sessions of their own
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def tool(*names: str) -> str:
    """The path of a program. Where it is not installed a test is skipped, but not in the gate."""
    for name in names:
        places = [name, *map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), f"/usr/sbin/{name}"]
        for place in places:
            if path := shutil.which(place):
                return path
    if os.environ.get("CI"):
        pytest.fail(f"{names[0]} is not installed")
    pytest.skip(f"{names[0]} is not installed")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    port = free_port()
    command = [tool("redis-server", "valkey-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = Server(f"redis://127.0.0.1:{port}/0", port, command)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def nats_server() -> Iterator[Server]:
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [tool("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", directory]
        server = Server(f"nats://127.0.0.1:{port}", port, command)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    port = free_port()
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory() as directory:
        if user is not None:
            shutil.chown(directory, user)
        data = f"{directory}/data"
        initdb = [tool("initdb"), "-D", data, "-A", "trust", "-U", "tester", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd="/")
        command = [tool("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", directory, "-F"]
        server = Server(
            f"postgresql://tester@127.0.0.1:{port}/postgres",
            port,
            command,
            user,
            [tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)],
        )
        server.start()
        yield server
        server.kill()


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Callable[[str], Server]:
    """``started("redis")``: the server of this name."""

    def get(name: str) -> Server:
        server: Server = request.getfixturevalue(f"{name}_server")
        return server

    return get
