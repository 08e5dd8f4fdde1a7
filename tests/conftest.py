"""What every test shares: the loops to run on, the rule that no log line goes unnoticed, and servers with clients that may misbehave."""

import asyncio
import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tornadolike import netutil, web
from tornadolike.httpserver import HTTPServer

GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", default="asyncio", choices=["asyncio", "uvloop"], help="event loop the asynchronous tests run on")


def _new_event_loop(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.new_event_loop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    name = config.getoption("--loop")
    return {name: _new_event_loop(name)}


@pytest.fixture(scope="session", autouse=True)
def _loop_name_in_environment(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORNADOLIKE_LOOP", request.config.getoption("--loop"))
        yield


class LogGuard(logging.Handler):
    """Collects log records; those that no test took are an error when the test ends."""

    def __init__(self) -> None:
        super().__init__(level=logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "tornado.access" and record.levelno < logging.WARNING:
            return
        self.records.append(record)

    def take(self, logger: str, pattern: str, level: int | None = None) -> logging.LogRecord:
        """Remove and return the first record of ``logger`` whose message matches ``pattern``; fail where there is none."""
        for record in self.records:
            if record.name == logger and re.search(pattern, record.getMessage()) and level in (None, record.levelno):
                self.records.remove(record)
                return record
        raise AssertionError(f"no record of {logger} matches {pattern!r}; there are {[(r.name, r.getMessage()) for r in self.records]}")


@pytest.fixture(autouse=True)
def logs() -> Iterator[LogGuard]:
    """Fails the test for every record at INFO and above (access lines below 400 aside) that it did not ``take``."""
    guard, root, ours = LogGuard(), logging.getLogger(), logging.getLogger("tornado")
    before = ours.level
    root.addHandler(guard)
    ours.setLevel(logging.INFO)
    yield guard
    ours.setLevel(before)
    root.removeHandler(guard)
    left = [(r.name, r.levelname, r.getMessage()) for r in guard.records if r.name.partition(".")[0] != "hypothesis"]
    assert not left, f"stray log output: {left}"


class Client:
    """A connection to the server, in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def get(self, path: str = "/") -> None:
        self.send(GET % path.encode())

    async def response(self) -> tuple[bytes, bytes]:
        """Head and body of one response with a Content-Length."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b":0")
            return head, await self.reader.readexactly(int(length.partition(b":")[2]))

    async def rest(self) -> bytes:
        """All until the server closes; a reset counts as closing."""
        async with asyncio.timeout(10):
            got = b""
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(65536):
                    got += piece
            return got

    def reset(self) -> None:
        """Leave with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Site:
    """A server on a free port."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        self.port: int = sockets[0].getsockname()[1]
        self._clients: list[Client] = []

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until ``condition()`` is true; fail after a while."""
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for happens inside the code under test
                await asyncio.sleep(0.002)

    async def close(self) -> None:
        self.server.stop()
        for client in self._clients:
            client.writer.close()
        await self.server.close_all_connections()
        for client in self._clients:
            with contextlib.suppress(ConnectionError):
                await client.writer.wait_closed()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Site]]:
    """``serve(routes, **options)``: an `Application`, or one of the routes, on an `HTTPServer` with the options."""
    sites: list[Site] = []

    def start(routes: list[Any] | web.Application, prepare: Callable[[HTTPServer], None] | None = None, **options: Any) -> Site:
        server = HTTPServer(routes if isinstance(routes, web.Application) else web.Application(routes), **options)
        if prepare is not None:
            prepare(server)
        sites.append(Site(server))
        return sites[-1]

    yield start
    for site in sites:
        await site.close()


# Servers that tests need: real ones, started here on loopback.


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
        """Returns when all of its threads have stopped: one may be about to answer."""
        end = time.monotonic() + 10
        for pid in self._signal(signal.SIGSTOP):
            while any(_state(thread) not in "Tt" for thread in Path(f"/proc/{pid}/task").iterdir()):
                assert time.monotonic() < end, "it does not stop"
                time.sleep(0.001)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _signal(self, number: int) -> list[int]:
        assert self.process is not None
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], check=False, capture_output=True, text=True)
        signalled = []
        for pid in [self.process.pid, *map(int, children.stdout.split())]:  # PostgreSQL's are in sessions of their own
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                signalled.append(pid)
        return signalled


def _state(thread: Path) -> str:
    """The letter that Linux gives for what a thread does; T where it has ended meanwhile."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "T"


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
    with tempfile.TemporaryDirectory() as directory:
        command = [tool("redis-server", "valkey-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", directory]
        server = Server(f"redis://127.0.0.1:{port}/0", port, [*command, "--save", "", "--appendonly", "no"])
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
    programs = tool("initdb"), tool("postgres"), tool("pg_isready")
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    with tempfile.TemporaryDirectory() as directory:
        if user is not None:
            shutil.chown(directory, user)
        data = f"{directory}/data"
        initdb = [programs[0], "-D", data, "-A", "trust", "-U", "tester", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd="/")
        command = [programs[1], "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", directory, "-F"]
        server = Server(
            f"postgresql://tester@127.0.0.1:{port}/postgres",
            port,
            command,
            user,
            [programs[2], "-q", "-h", "127.0.0.1", "-p", str(port)],
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
