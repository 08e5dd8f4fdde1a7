"""Commands started as a user starts them, whose output is read as it comes."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tornadolike

ROOT = Path(tornadolike.__file__).parent.parent


class Command:
    """A running command."""

    def __init__(self, words: list[str], cwd: Path, variables: dict[str, str], **options: Any) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
        self.process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**environment, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def expect(self, pattern: str, start: int = 0, seconds: float = 30) -> re.Match[str]:
        """The first line from number ``start`` on in which the pattern is found, as soon as there is one."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines[start:] if (match := re.search(pattern, line))), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._over, seconds)
            match = found()
        assert match is not None, f"no line {pattern!r} in\n" + "\n".join(self.lines)
        return match

    @property
    def port(self) -> int:
        return int(self.expect(r"listening on \S*:(\d+)")[1])

    def get(self, path: str = "/", port: int | None = None, headers: str = "") -> bytes:
        """The whole answer to a request on a connection of its own."""
        with socket.create_connection(("127.0.0.1", port or self.port), timeout=20) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n".encode())
            got = b""
            while piece := client.recv(65536):
                got += piece
        return got

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit status, when all has been read."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        self._reader.join(30)
        return status


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """``start("app.py", "--option", NAME="value")``: ``tornadolike run`` in ``tmp_path``."""
    commands: list[Command] = []

    def begin(*words: str, wrapper: tuple[str, ...] = (), options: dict[str, Any] | None = None, **variables: str) -> Command:
        command = [*wrapper, sys.executable, "-m", "tornadolike", "run", *words]
        commands.append(Command(command, tmp_path, variables, **(options or {})))
        return commands[-1]

    yield begin
    for one in commands:
        children = _descendants(one.process.pid)
        for pid in [one.process.pid, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        one.process.wait(20)
        one._reader.join(20)
        one.process.stdout.close()


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []
    return [*children, *(below for child in children for below in _descendants(child))]
