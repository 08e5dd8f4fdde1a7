"""A candidate while it runs: a process (with its children) in a session of its own, which tells where it listens."""

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tornadolike._bench import meter
from tornadolike._bench.candidates import Candidate
from tornadolike._bench.errors import BenchError

_START_SECONDS = 30.0
_NEXT_PORT_SECONDS = 3.0
_STOP_SECONDS = 3.0
_ENDING_SECONDS = 0.5
_OUTPUT_SHOWN = 2000


class ServerProcess:
    """Started by its making; reachable at ``127.0.0.1:port`` once `wait_until_listening` has returned. To be closed.

    Raises `BenchError`, with the end of the program's output, where the program ends or does not listen in time.
    """

    def __init__(self, candidate: Candidate, application: Path, arguments: Sequence[str] = (), wanted_port: int | None = None) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.candidate = candidate
        self._wanted_port = wanted_port
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._reports, report = os.pipe()
        readings = meter.Readings.make()
        variables = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
        variables |= {**candidate.variables, **readings.variables, "TORNADOLIKE_BENCH_REPORT": str(report)}
        self._process = subprocess.Popen(
            candidate.command(application.resolve(), arguments),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(report, *readings.child_fds),
            start_new_session=True,
        )
        os.close(report)
        self._readings = readings.started()
        self.pid = self._process.pid

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def wait_until_listening(self) -> None:
        """Return once the program listens on its port: the first it opened, or the one that was asked for."""
        deadline = time.monotonic() + _START_SECONDS
        buffer = b""
        while not self._chosen(buffer):
            ready = self._wait_for_report(max(deadline - time.monotonic(), 0))
            more = os.read(self._reports, 4096) if ready else b""
            if not more:
                raise BenchError(f"the program {self._not_listening(buffer, ended=ready)}{self.output()}")
            buffer += more
            # It listens, if on something else: whatever is missing should come soon.
            deadline = min(deadline, time.monotonic() + _NEXT_PORT_SECONDS)

    def _not_listening(self, reports: bytes, *, ended: bool) -> str:
        if ended:
            return "ended"
        ports = ", ".join(f"{wanted} (IPv{family})" for wanted, family, _ in _parsed(reports))
        if not ports:
            return f"did not listen within {_START_SECONDS:.0f} s"
        return f"does not listen on {'IPv4' if self._wanted_port is None else f'port {self._wanted_port}, IPv4'}, but on {ports}"

    def _wait_for_report(self, seconds: float) -> bool:
        # Not select(): with thousands of connections in this process the number may be too large for it.
        with selectors.DefaultSelector() as selector:
            selector.register(self._reports, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def _chosen(self, reports: bytes) -> bool:
        for wanted, family, port in _parsed(reports):
            if family == 4 and self._wanted_port in (None, wanted):
                self.port = port
                return True
        return False

    def reading(self) -> meter.Reading:
        """What the process and its children used so far. Raises `BenchError` where it is gone."""
        if self._process.poll() is not None:
            raise BenchError(self._ended())
        return self._readings.take(self.pid)

    def how_it_ended(self) -> str:
        """Status and output of a process that is over; empty while it runs. It may be about to end: a moment is waited for it."""
        try:
            self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        return self._ended()

    def _ended(self) -> str:
        early = " (it has to listen, and to go on)" if self._process.returncode == 0 else ""
        return f"the program ended with status {self._process.returncode}{early}{self.output()}"

    def output(self) -> str:
        """The end of what the program wrote, for an error message."""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(size - _OUTPUT_SHOWN, 0))
        text = self._output.read().decode(errors="replace").strip()
        return f"; its output:\n{text}" if text else ""

    def close(self) -> None:
        """End the process and its children."""
        for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, _STOP_SECONDS)):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                break
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
        os.close(self._reports)
        self._readings.close()
        self._output.close()


def _parsed(reports: bytes) -> list[tuple[int, int, int]]:
    """What `launch.py` reported: the port the program asked for, the IP version, the port it got."""
    lines = [line.split() for line in reports.split(b"\n")[:-1]]
    return [(int(wanted), int(family), int(port)) for wanted, family, port in lines]
