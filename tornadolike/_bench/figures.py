"""Figures: what one round gave, and what many rounds say."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies in seconds."""

    p50: float
    p99: float
    p999: float

    @classmethod
    def of(cls, latencies: Iterable[float]) -> "Percentiles | None":
        """None of none."""
        ordered = sorted(latencies)
        if not ordered:
            return None
        last = len(ordered) - 1
        p50, p99, p999 = (ordered[min(int(len(ordered) * share), last)] for share in (0.5, 0.99, 0.999))
        return cls(p50, p99, p999)


@dataclass(frozen=True, slots=True)
class Load:
    """What was done to a server: requests (or whatever the scenario counts), how long it took, how fast answers came."""

    work: float
    seconds: float
    latency: Percentiles | None = None
    received_bytes: int = 0
    memory_bytes: float | None = None  # what the server's memory grew by, where the scenario is about that
    cpu_seconds: float | None = None  # what the work alone cost the server, where the round had more to do than that

    @classmethod
    def of_calls(cls, once: Callable[[], float], seconds: float) -> "Load":
        """Calls ``once``, which returns the work that it did, for this long and at least once; how long each call took is its latency."""
        begun = last = time.perf_counter()
        work, took = 0.0, []
        while last < begun + seconds:
            work += once()
            now = time.perf_counter()
            took.append(now - last)
            last = now
        return cls(work, last - begun, Percentiles.of(took))


@dataclass(frozen=True, slots=True)
class Round:
    """A load and what it cost the server."""

    load: Load
    cpu_seconds: float
    resident_bytes: int

    def value(self, figure: str) -> float | None:
        """One figure by name; None where this round has none."""
        load, latency = self.load, self.load.latency
        match figure:
            case "per_second":
                return load.work / load.seconds
            case "cpu_us":
                return self.cpu_seconds / load.work * 1e6
            case "resident_mib":
                return self.resident_bytes / 2**20
            case "memory_kib":
                return None if load.memory_bytes is None else load.memory_bytes / load.work / 1024
            case _:
                return None if latency is None else float(getattr(latency, figure.removesuffix("_ms"))) * 1e3


FIGURES = ("cpu_us", "memory_kib", "per_second", "p50_ms", "p99_ms", "p999_ms", "resident_mib")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of rounds, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(slots=True)
class Result:
    """One candidate in one scenario. With an ``error`` there are no figures, whatever the rounds before it gave."""

    candidate: str
    rounds: list[Round] = field(default_factory=list)
    error: str | None = None

    def spread(self, figure: str) -> Spread | None:
        if self.error is not None:
            return None
        values = [one.value(figure) for one in self.rounds]
        return Spread.of([value for value in values if value is not None])

    def ratio(self, first: "Result", figure: str) -> Spread | None:
        """How many times less than ``first`` this needs, round by round: both saw the same machine at nearly the same time."""
        if self.error is not None or first.error is not None:
            return None
        pairs = [(a.value(figure), b.value(figure)) for a, b in zip(first.rounds, self.rounds, strict=False)]
        return Spread.of([a / b for a, b in pairs if a and b])


@dataclass(slots=True)
class Comparison:
    """One scenario with all its candidates; ``figure`` is the one that counts, ``unit`` what it is counted per."""

    name: str
    title: str
    unit: str
    figure: str
    results: list[Result]

    @property
    def first(self) -> Result:
        """What the ratios refer to: the first candidate that has figures, as a rule real Tornado."""
        return next((one for one in self.results if one.error is None), self.results[0])
