"""Thousands of connections at once, and requests among them, for a while."""

from dataclasses import dataclass

from compat_suite.load.subject import State, Subject
from compat_suite.load.traffic import Outcome, Traffic
from tornadolike._bench.many_connections import raise_file_limit

_MORE_ROUNDS = 3
# What a count of a hundred thousand sways by, and what further rounds may add to memory.
_BLOCKS_TOLERANCE, _TOLERATED_BYTES = 1.02, 2 << 20


@dataclass(frozen=True, slots=True)
class Steady:
    """What came out. ``after``: when all had left, and again after further rounds of connections with one request each."""

    connections: int
    outcome: Outcome
    cpu_seconds: float
    before: State
    during: State
    after: list[State]

    def problems(self) -> list[str]:
        """What should not have been; nothing of it, as a rule."""
        found = [f"{len(self.outcome.failed)} requests failed, such as: {self.outcome.failed[0]}"] if self.outcome.failed else []
        return found + leftovers(self.before, self.during, self.after)


def leftovers(before: State, during: State, rounds: list[State]) -> list[str]:
    """What was not given back after rounds of the same.

    Descriptors and the blocks that Python has given out have to be back where they were. Resident memory cannot be judged like that: an
    arena of a mebibyte stays as long as one block of it is in use. But further rounds must not need more than the first one did.
    """
    found, last = [], rounds[-1]
    if last.descriptors > before.descriptors:
        found.append(f"{last.descriptors - before.descriptors} descriptors are still open")
    if last.blocks > before.blocks * _BLOCKS_TOLERANCE:
        found.append(f"{last.blocks - before.blocks} blocks of memory are still in use, besides {before.blocks}")
    if last.resident_bytes - during.resident_bytes > _TOLERATED_BYTES:
        found.append(f"memory grew with each round: {', '.join(f'{one.mebibytes:.1f}' for one in (during, *rounds))} MiB")
    return found


def run(subject: Subject, connections: int, rate: float, seconds: float) -> Steady:
    """Put the load on."""
    raise_file_limit(connections)
    before = subject.state()
    traffic = Traffic(subject.host, subject.port, connections, "/hello", b"Hello, world")
    try:
        used = subject.cpu_seconds()
        outcome = traffic.run(rate, seconds)
        used = subject.cpu_seconds() - used
        during = subject.state()
    finally:
        traffic.close()
    after = [subject.settled(before.descriptors)]
    for _ in range(_MORE_ROUNDS):
        Traffic(subject.host, subject.port, connections, "/hello", b"Hello, world").close()
        after.append(subject.settled(before.descriptors))
    return Steady(connections, outcome, used, before, during, after)
