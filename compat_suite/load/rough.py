"""Normal traffic beside clients that misbehave, compared with the same traffic alone."""

import json
import subprocess
import sys
from dataclasses import dataclass
from statistics import median

from compat_suite.load.steady import leftovers
from compat_suite.load.subject import State, Subject
from compat_suite.load.traffic import Outcome, Traffic
from tornadolike._bench.many_connections import raise_file_limit

P99_RATIO = 2.0
_NORMAL_CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Rough:
    """Rounds with and without misbehaving clients, in turn. ``happened``: what those of all rounds together did."""

    quiet: list[Outcome]
    disturbed: list[Outcome]
    happened: dict[str, int]
    before: State
    during: State
    after: list[State]

    def p99(self, rounds: list[Outcome]) -> float:
        """Seconds; the median of the rounds."""
        return median(one.quantile(0.99) for one in rounds)

    @property
    def ratio(self) -> float:
        """How much slower the slowest hundredth of the normal requests is beside the misbehaving clients."""
        return self.p99(self.disturbed) / self.p99(self.quiet)

    def problems(self) -> list[str]:
        """What should not have been; nothing of it, as a rule."""
        failed = [why for one in (*self.quiet, *self.disturbed) for why in one.failed]
        found = [f"{len(failed)} normal requests failed, such as: {failed[0]}"] if failed else []
        found += [f"{count} times {what}" for what, count in self.happened.items() if "wrong" in what or "error" in what or "cut" in what]
        if self.ratio > P99_RATIO:
            found.append(f"p99 is {self.ratio:.2f} times that of the quiet rounds")
        return found + leftovers(self.before, self.during, self.after)


def run(subject: Subject, websockets: int, slow: int, rate: float, seconds: float, rounds: int) -> Rough:
    """``rounds`` quiet rounds and as many disturbed ones, in turn."""
    raise_file_limit(slow)
    before = subject.state()
    quiet, disturbed, settled = [], [], []
    happened: dict[str, int] = {}
    during = before
    for _ in range(rounds):
        quiet.append(_round(subject, 0, 0, rate, seconds)[0])
        outcome, told, during = _round(subject, websockets, slow, rate, seconds)
        disturbed.append(outcome)
        for what, count in told.items():
            happened[what] = happened.get(what, 0) + count
        settled.append(subject.settled(before.descriptors))
    return Rough(quiet, disturbed, happened, before, during, settled)


def _round(subject: Subject, websockets: int, slow: int, rate: float, seconds: float) -> tuple[Outcome, dict[str, int], State]:
    """One round; the other process is there in the quiet ones too, and sleeps."""
    command = [
        sys.executable,
        "-m",
        "compat_suite.load.disturbers",
        subject.host,
        str(subject.port),
        str(seconds),
        str(websockets),
        str(slow),
    ]
    traffic = Traffic(subject.host, subject.port, _NORMAL_CONNECTIONS, "/hello", b"Hello, world")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as others:
        try:
            outcome = traffic.run(rate, seconds)
            during = subject.state()
            assert others.stdin is not None
            assert others.stdout is not None
            others.stdin.close()
            told = json.loads(others.stdout.read())
        finally:
            others.kill()
            traffic.close()
    return outcome, told, during
