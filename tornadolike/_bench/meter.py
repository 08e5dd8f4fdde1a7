"""What a server used: CPU seconds and resident memory of a process and its children.

On Linux the kernel is asked: membership of the session and memory from /proc, CPU time from the process's CPU clock, which
counts nanoseconds where /proc counts ticks of 10 ms. Elsewhere the process answers for itself (`launch.py`).
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_HAS_PROC = sys.platform == "linux"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """A state of the counters; differences of two are what counts."""

    cpu_seconds: float
    resident_bytes: int


@dataclass(slots=True)
class Readings:
    """How one process is read. ``variables`` and ``child_fds`` go to it at its start."""

    variables: dict[str, str] = field(default_factory=dict)
    child_fds: tuple[int, ...] = ()
    _ask: int = -1
    _answer: int = -1

    @classmethod
    def make(cls, *, from_proc: bool = _HAS_PROC) -> "Readings":
        """For a process that is about to start."""
        if from_proc:
            return cls()
        questions, ask = os.pipe()
        answer, answers = os.pipe()
        return cls({"TORNADOLIKE_BENCH_READINGS": f"{questions},{answers}"}, (questions, answers), ask, answer)

    def started(self) -> "Readings":
        """The process has its ends of the pipes now: let go of them here."""
        for fd in self.child_fds:
            os.close(fd)
        self.child_fds = ()
        return self

    def take(self, session: int) -> Reading:
        """The counters of the process ``session`` and of all processes that it started."""
        if self._ask >= 0:
            os.write(self._ask, b"?")
            cpu, resident = os.read(self._answer, 200).split()
            return Reading(float(cpu), int(resident))
        readings = list(_session(session))
        return Reading(sum(one.cpu_seconds for one in readings), sum(one.resident_bytes for one in readings))

    def close(self) -> None:
        """Let go of the pipes."""
        for fd in (self._ask, self._answer, *self.child_fds):
            if fd >= 0:
                os.close(fd)


def _session(session: int) -> Iterator[Reading]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(f"/proc/{entry.name}/stat", "rb") as file:
                # proc(5): what stands behind the name in brackets begins with field 3, the state.
                fields = file.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session:
            yield Reading(_cpu_seconds(int(entry.name), fields), int(fields[21]) * _PAGE_BYTES)


def _cpu_seconds(pid: int, fields: list[bytes]) -> float:
    try:
        # The number of another process's clock, as clock_getcpuclockid(3) makes it.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return (int(fields[11]) + int(fields[12])) / _TICKS
