"""Whether cost grows with the work and no faster: one thing gets bigger, step by step, everything else stays."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from tornadolike._bench import generator, many_connections
from tornadolike._bench.candidates import Candidate
from tornadolike._bench.comparing import Plan, Progress, compare_together
from tornadolike._bench.exchanges import Answer, PipelinedExchange, Request
from tornadolike._bench.figures import Comparison, Load, Result
from tornadolike._bench.scenarios import Driver, HTTPDriver, RunningDriver, Scenario, Settings
from tornadolike._bench.server_process import ServerProcess
from tornadolike._bench.table import aligned, number

# Cost as size to the power of this, from one step to the next. One is linear; what is over it leaves room for noise and for caches
# of the processor that get too small. A step is a factor of three to ten: quadratic cost shows as a power near two.
LIMIT = 1.2
_ROUNDS, _SECONDS_SHARE = 3, 0.5
# Several large bodies at once would measure how much memory the processor can reach quickly.
_BODY_CONNECTIONS = 1
_PIPELINING_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Family:
    """One thing that grows. ``cost`` says what is counted: the server's CPU time for one of these."""

    name: str
    title: str
    cost: str
    sizes: tuple[int, ...]
    drive: Callable[[ServerProcess, Settings, int], Driver]
    many: bool = False

    def scenarios(self) -> list[Scenario]:
        """One for each size."""

        def of(size: int) -> Scenario:
            def drive(server: ServerProcess, settings: Settings) -> Driver:
                return self.drive(server, settings, size)

            return Scenario(f"{self.name}-{size}", f"{self.title}: {size:,}", drive, unit=self.cost, many=self.many)

        return [of(size) for size in self.sizes]


def _headers(server: ServerProcess, settings: Settings, size: int) -> Driver:
    headers = {f"X-Header-{number}": f"value of header {number:05}" for number in range(size - 1)}  # and Host
    return HTTPDriver(server, settings, Request("/headers", headers=headers), Answer(200, b"%d" % size))


def _body(server: ServerProcess, settings: Settings, size: int) -> Driver:
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    request = Request("/body", "POST", {"Content-Type": "application/octet-stream"}, body)
    return HTTPDriver(server, settings, request, Answer(200, body), connections=_BODY_CONNECTIONS)


def _pipelined(server: ServerProcess, settings: Settings, size: int) -> Driver:
    def run(seconds: float) -> Load:
        exchange = PipelinedExchange(Request("/hello"), Answer(200, b"Hello, world"), server.host, server.port, size)
        make = lambda: generator.connect(server.host, server.port)  # noqa: E731 - a callback
        return generator.Generator(exchange, make, _PIPELINING_CONNECTIONS).run(seconds)

    return RunningDriver(run)


def _connections(server: ServerProcess, settings: Settings, size: int) -> Driver:
    request, answer = Request("/hello"), Answer(200, b"Hello, world")
    return RunningDriver(lambda seconds: many_connections.busy_http(server, request, answer, size, seconds))


def families(settings: Settings) -> list[Family]:
    """What can grow; the number of connections up to ``settings.many``."""
    connections = tuple(settings.many // share for share in (100, 10, 1))
    return [
        Family("headers", "Header fields of a request, all of them read", "request", (5, 15, 50), _headers),
        Family("body", "Bytes of a body, posted and sent back", "request", (1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20), _body),
        Family("pipelined", "Pipelined requests", "burst", (1, 10, 100), _pipelined),
        Family("connections", "Connections, a request on each of them at once", "turn of all", connections, _connections, many=True),
    ]


@dataclass(frozen=True, slots=True)
class Growth:
    """A family as it was measured: one comparison for each size."""

    family: Family
    comparisons: Sequence[Comparison]

    def lines(self) -> "list[Line]":
        """One for each candidate."""
        by_candidate = zip(*(one.results for one in self.comparisons), strict=True)
        return [Line(self.family.sizes, results) for results in by_candidate]


@dataclass(frozen=True, slots=True)
class Line:
    """What one candidate needs at each size."""

    sizes: tuple[int, ...]
    results: Sequence[Result]

    @property
    def candidate(self) -> str:
        return self.results[0].candidate

    @property
    def error(self) -> str | None:
        return next((one.error for one in self.results if one.error is not None), None)

    def costs(self) -> list[float]:
        """Median server CPU microseconds, size by size; nothing of a candidate with an error."""
        spreads = [one.spread("cpu_us") for one in self.results]
        return [] if self.error is not None else [one.median for one in spreads if one is not None]

    def power(self) -> float | None:
        """The steepest step."""
        costs = self.costs()
        return max(powers(self.sizes, costs)) if costs else None

    def linear(self) -> bool | None:
        """Whether it grows no faster than the work; None of a candidate with an error."""
        power = self.power()
        return None if power is None else power <= LIMIT


def render(grown: Iterable[Growth]) -> str:
    """One block for each family, as text."""
    return "\n\n".join(_block(one) for one in grown)


def _block(growth: Growth) -> str:
    title = f"{growth.family.title}: server CPU µs per {growth.family.cost}, by number  [growth: {growth.family.name}]"
    lines = growth.lines()
    headings = ["", *(f"{size:,}" for size in growth.family.sizes), "steepest power", "linear"]
    rows = [
        [one.candidate, *map(number, one.costs()), number(one.power()), "yes" if one.linear() else "NO"] for one in lines if one.costs()
    ]
    errors = [f"  {one.candidate}: ERROR: {one.error}" for one in lines if one.error is not None]
    return "\n".join([title, *(aligned(headings, rows) if rows else ()), *errors])


def powers(sizes: Sequence[int], costs: Sequence[float]) -> list[float]:
    """The ``p`` of ``cost = constant * size ** p`` between each size and the next."""
    points = list(zip(sizes, costs, strict=True))
    return [math.log(high / low) / math.log(larger / smaller) for (smaller, low), (larger, high) in itertools.pairwise(points)]


def measure(candidates: Sequence[Candidate], plan: Plan, progress: Progress, names: Iterable[str] = ()) -> list[Growth]:
    """All families, or those of these names. All sizes are measured in each turn of a candidate: they are what is compared."""
    # The load must not change its kind with the size: wrk neither pipelines nor sends ten megabytes.
    settings = replace(plan.settings, use_wrk=False)
    plan = replace(plan, settings=settings, rounds=min(plan.rounds, _ROUNDS), seconds=plan.seconds * _SECONDS_SHARE)
    chosen = set(names)
    return [
        Growth(one, compare_together(one.scenarios(), candidates, plan, progress, f"growth of {one.name}"))
        for one in families(settings)
        if not chosen or one.name in chosen
    ]
