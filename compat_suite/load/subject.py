"""The server under test: started, and looked at from outside."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tornadolike._bench import candidates, generator
from tornadolike._bench.candidates import Candidate
from tornadolike._bench.exchanges import Request
from tornadolike._bench.server_process import ServerProcess
from tornadolike._http1 import select
from tornadolike._loop import factory

APPLICATION = Path(__file__).with_name("application.py")
_SETTLE_SECONDS, _SETTLE_STEP = 10.0, 0.25
_READINGS, _READING_STEP = 3, 0.02


@dataclass(frozen=True, slots=True)
class State:
    """What the server holds at one moment. ``blocks`` are those that Python's allocator has given out."""

    descriptors: int
    resident_bytes: int
    blocks: int

    @property
    def mebibytes(self) -> float:
        return self.resident_bytes / 2**20


def found(wanted: list[str]) -> list[Candidate]:
    """The candidates whose names contain one of ``wanted``; by default tornadolike, plainest and fastest. Raises LookupError."""
    every = candidates.find(factory.names(), select.names())
    wanted = wanted or ["tornadolike asyncio h11", "tornadolike uvloop httptools"]
    chosen = [one for one in every if any(text in one.name for text in wanted)]
    if not chosen:
        raise LookupError(f"no such candidate; there are: {', '.join(one.name for one in every)}")
    return chosen


class Subject:
    """A candidate that serves the application."""

    def __init__(self, server: ServerProcess) -> None:
        self.host, self.port = server.host, server.port
        self._server = server

    @classmethod
    @contextlib.contextmanager
    def serving(cls, candidate: Candidate) -> Iterator["Subject"]:
        """Warmed up: what is loaded with the first requests does not count."""
        with ServerProcess(candidate, APPLICATION) as server:
            server.wait_until_listening()
            subject = cls(server)
            for _ in range(50):
                subject.ask("/hello")
                subject.ask("/blocks")
            yield subject

    def ask(self, path: str) -> bytes:
        """The body that a request on a connection of its own is answered with."""
        return generator.ask(Request(path), self.host, self.port)[2]

    def cpu_seconds(self) -> float:
        """What the server has used so far."""
        return self._server.reading().cpu_seconds

    def descriptors(self) -> int:
        """How many files the server has open, besides a connection that is just being closed."""
        return min(self._descriptors_now() for _ in range(_READINGS))

    def _descriptors_now(self) -> int:
        time.sleep(_READING_STEP)
        return len(os.listdir(f"/proc/{self._server.pid}/fd"))

    def state(self) -> State:
        """As it is now, after a garbage collection."""
        blocks = int(self.ask("/blocks"))
        return State(self.descriptors(), self._server.reading().resident_bytes, blocks)

    def settled(self, descriptors: int) -> State:
        """The state once no more than so many descriptors are open; as it is after a while, where that does not come."""
        end = time.monotonic() + _SETTLE_SECONDS
        while self.descriptors() > descriptors and time.monotonic() < end:
            time.sleep(_SETTLE_STEP)
        return self.state()
