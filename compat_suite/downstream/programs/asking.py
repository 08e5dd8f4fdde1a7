"""What the programs share: a server in a process of its own, requests to it, and its log without what changes from run to run."""

import contextlib
import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

STARTING_SECONDS = 90
_CHANGING = {"Date", "Etag", "Last-Modified", "Set-Cookie", "Expires"}
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


class Server:
    """A process that listens on ``port``; its output is in ``log`` when it has ended, its exit status in ``status``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.status: int | None = None
        self.log = ""

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (without those that change) and body of one answer, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, dict(headers or {}))
            answer = connection.getresponse()
            kept = {name.title(): value for name, value in answer.getheaders() if name.title() not in _CHANGING}
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def told(self) -> list[str]:
        """The lines of the log that tell of errors, each once and without numbers."""
        lines = {_NUMBERS.sub("N", line.strip()) for line in self.log.splitlines()}
        return sorted(
            line for line in lines if re.search(r"Traceback|^\w+(\.\w+)*(Error|Exception)\b|\b(ERROR|CRITICAL)\b|never retrieved", line)
        )


@contextlib.contextmanager
def served(command: list[str], port: int, directory: str | Path, *, end: int = signal.SIGTERM, **options: object) -> Iterator[Server]:
    """Run ``command`` with this Python until the block is left; then it gets the signal ``end``."""
    server = Server(port)
    output = Path(directory, "server-output")
    with output.open("w") as file:
        process = subprocess.Popen([sys.executable, *command], stdout=file, stderr=file, cwd=directory, **options)  # type: ignore[call-overload]
        try:
            wait_for(port, process)
            yield server
            process.send_signal(end)
            server.status = process.wait(30)
        except BaseException:
            print(output.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()
            server.log = output.read_text(encoding="utf-8", errors="replace")


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when something listens there. Raises `RuntimeError` where the process ends before."""
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nothing listens; exit status {process.poll()}") from None
            time.sleep(0.05)
