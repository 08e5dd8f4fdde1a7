"""The processes of a load: brokers that can be frozen, killed and started again, and servers."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
_START_SECONDS = 30.0
_ANSWER_SECONDS = 90.0
Prefix = tuple[str, ...]


class CannotRun(Exception):
    """Something that is needed is not on this machine."""


def wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, seconds: float = 60) -> None:
    """Raises `CannotRun` where the process ends, or nobody can connect in so many seconds."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise CannotRun(f"{process.args!r} does not listen") from None
            time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def program(name: str) -> str:
    """The path of a program. Raises `CannotRun`."""
    places = [name, *map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), f"/usr/sbin/{name}"]
    found = next(filter(None, map(shutil.which, places)), None)
    if found is None:
        raise CannotRun(f"{name} is not installed")
    return found


class BrokerServer:
    """A broker of ours.

    ``prefix`` is put before commands, which lets them run in a network namespace, where the server has the address ``host``.
    """

    def __init__(self, host: str, prefix: Prefix, directory: str, *, lasting: bool) -> None:
        self.host, self.prefix, self.directory, self.lasting = host, prefix, directory, lasting
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.user: str | None = None

    url = ""
    command: list[str] = []

    def start(self) -> None:
        """Returns when it listens."""
        self._launch()
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self.process is not None
            if time.monotonic() > end:
                raise CannotRun(f"{self.command} does not come to listen")
            if self.process.poll() is not None:
                self._launch()  # after a kill something of the one before may still be in its way
            time.sleep(0.02)

    def _launch(self) -> None:
        devnull = subprocess.DEVNULL
        self.process = subprocess.Popen([*self.prefix, *self.command], stdout=devnull, stderr=devnull, user=self.user, cwd="/")

    def _answers(self) -> bool:
        connecting = f"import socket; socket.create_connection(({self.host!r}, {self.port}), 1)"
        if self.prefix:
            return subprocess.run([*self.prefix, sys.executable, "-c", connecting], check=False, capture_output=True).returncode == 0
        with contextlib.suppress(OSError):
            socket.create_connection((self.host, self.port), 1).close()
            return True
        return False

    def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def signal(self, number: int) -> None:
        """To all of its processes."""
        assert self.process is not None
        those = [self.process.pid]
        for one in those:
            with contextlib.suppress(OSError):
                those += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        for one in those:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)

    def cut_connections(self) -> None:
        """End those that there are."""
        raise NotImplementedError


class Redis(BrokerServer):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.url = f"redis://{self.host}:{self.port}/0"
        lasting = ["--appendonly", "yes", "--appendfsync", "always"] if self.lasting else []
        self.command = [program("redis-server"), "--port", str(self.port), "--bind", self.host, "--protected-mode", "no"]
        self.command += ["--save", "", "--dir", self.directory, *lasting]

    def cut_connections(self) -> None:
        command = [*self.prefix, "redis-cli", "-h", self.host, "-p", str(self.port), "client", "kill", "type", "normal"]
        subprocess.run(command, check=False, capture_output=True)


class NATS(BrokerServer):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.url = f"nats://{self.host}:{self.port}"
        self.command = [program("nats-server"), "-a", self.host, "-p", str(self.port), "-js", "-sd", self.directory]

    def cut_connections(self) -> None:
        self.kill()  # what it has is on disk, and nothing else cuts a connection of NATS
        self.start()


class Postgres(BrokerServer):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.url = f"postgresql://tester@{self.host}:{self.port}/postgres"
        self.user = "postgres" if os.getuid() == 0 and not self.prefix else None  # it refuses to run as root
        data = f"{self.directory}/data"
        become = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 and self.prefix else []
        self.command = [*become, program("postgres"), "-D", data, "-p", str(self.port), "-h", self.host, "-k", self.directory]
        if os.getuid() == 0:
            shutil.chown(self.directory, "postgres")
        initdb = [*become, program("initdb"), "-D", data, "-A", "trust", "-U", "tester", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, user=self.user, cwd="/")
        with open(f"{data}/pg_hba.conf", "a") as file:
            file.write(f"host all tester {self.host}/24 trust\n")

    def _answers(self) -> bool:
        command = [*self.prefix, program("pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def cut_connections(self) -> None:
        query = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tornadolike hub'"
        subprocess.run([*self.prefix, program("psql"), "-Atq", "-c", query, self.url], check=False, capture_output=True)


BROKERS: dict[str, type[BrokerServer]] = {"redis": Redis, "nats": NATS, "postgres": Postgres}


@contextlib.contextmanager
def broker(kind: str, host: str = "127.0.0.1", prefix: Prefix = (), *, lasting: bool = False) -> Iterator[BrokerServer]:
    """A server of ours, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="rooms") as directory:
        server = BROKERS[kind](host, prefix, directory, lasting=lasting)
        try:
            server.start()
            yield server
        finally:
            server.kill()


class Process:
    """A server process of `child`, which does what it is told on its standard input. ``address`` is there when it is ready."""

    def __init__(self, options: dict[str, Any], host: str = "127.0.0.1", prefix: Prefix = ()) -> None:
        self.name: str = options["name"]
        self.silent = False
        command = [*prefix, sys.executable, "-m", "compat_suite.rooms.child", json.dumps({**options, "host": host})]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self._host = host
        self.address = host, 0

    def wait_until_ready(self) -> None:
        """Raises `CannotRun`."""
        line = self._line()
        if not line:
            raise CannotRun(f"{self.name} {'says nothing' if self.silent else 'ended'}: {self.popen.wait()}")
        self.address = self._host, int(line)

    def _line(self) -> str:
        """What it says next; nothing where it has ended, or must be because it says nothing."""
        assert self.popen.stdout is not None
        patience = threading.Timer(_ANSWER_SECONDS, self._lose_patience)
        patience.start()
        try:
            return self.popen.stdout.readline()
        finally:
            patience.cancel()

    def _lose_patience(self) -> None:
        self.silent = True
        self.popen.kill()

    def tell(self, line: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def result(self) -> Any:
        """What it says at the end of its work; of one that was killed: nothing. Raises `CannotRun` where it does not come to an end."""
        line = self._line()
        if self.silent:
            raise CannotRun(f"{self.name} does not come to an end")
        return json.loads(line or '{"counts": [], "accepted": 0, "failed": 0, "cpu": 0}')

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait(_START_SECONDS)
        for pipe in (self.popen.stdin, self.popen.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class Workers:
    """``tornadolike run --workers``, whose workers serve members on one port and publish nothing."""

    def __init__(self, options: dict[str, Any], count: int, directory: str) -> None:
        port = free_port()
        self.address = "127.0.0.1", port
        self._said = Path(directory, "said")
        command = [sys.executable, "-m", "tornadolike", "run", "--workers", str(count), "--loop", options["loop"], "--drain", "20"]
        command += [str(Path(__file__).with_name("child.py")), "--", json.dumps({**options, "host": "127.0.0.1", "port": port})]
        with self._said.open("w") as file:
            # Nothing that reads what we say waits for these.
            streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file}
            self.popen = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **streams)
        try:
            self.wait_for("listening on")
        except BaseException:
            self.end()  # nobody has it who could
            raise

    def wait_for(self, text: str) -> None:
        """Until the supervisor says so."""
        end = time.monotonic() + 4 * _START_SECONDS
        while text not in self._said.read_text():
            if self.popen.poll() is not None or time.monotonic() > end:
                raise CannotRun(f"tornadolike run does not say {text!r}, but: {self._said.read_text()[-1000:]}")
            time.sleep(0.02)

    def roll(self) -> None:
        """Replace the workers one by one; returns when that is done."""
        self.popen.send_signal(signal.SIGHUP)
        self.wait_for("all workers are replaced")

    def end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            self.popen.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(5)
                return
