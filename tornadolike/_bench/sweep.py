"""``tornadolike bench --sweep``: work of every module beside Tornado's, and whether it is nowhere dearer than it may be."""

import contextlib
import functools
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornadolike._bench.errors import BenchError
from tornadolike._bench.figures import Comparison
from tornadolike._bench.table import aligned

_PROGRAM = Path(__file__).with_name("works") / "__main__.py"
FLOORS = Path(__file__).with_name("floors.toml")
TORNADO, OURS = "tornado", "tornadolike"
LOOPS = ("asyncio", "uvloop")
SCENARIOS = (
    "hello",
    "json",
    "args",
    "form",
    "cookie",
    "template",
    "static-1k",
    "static-100k",
    "flushes",
    "hooks",
    "xsrf",
    "not-modified",
    "range",
    "gzip",
    "multipart",
    "post-1m",
    "events",
    "connect",
    "upload",
    "fetch",
    "ws-64",
)
# Long beside a turn of the clock and the interpreter's own occasional work, short beside the machine's moods.
_SECONDS_EACH = 0.01
_FIRST_COUNT, _MOST = 8, 1 << 20
# By so much a ratio may lie below its floor without being called a fault: what interleaved minima of CPU time leave of the noise.
TOLERANCE = 0.05
# So often a row that lies below its floor is measured again, with all candidates: where others work, the least of a few rounds is not
# the least.
_MORE_LOOKS = 4
HEADINGS = ("work", "Tornado µs", "tornadolike µs", "ratio", "floor")
_IMPORTS = "importing web, ioloop, websocket, httpclient"
_IMPORT = """\
import time, asyncio
begun = time.process_time()
import {0}.web, {0}.ioloop, {0}.websocket, {0}.httpclient
print(time.process_time() - begun)
"""

Progress = Callable[[str], None]


@dataclass(slots=True)
class Row:
    """One kind of work: CPU seconds of each round by candidate, where a candidate is a package on a loop."""

    name: str
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    floor: float = 1.0
    error: str = ""

    def best(self, package: str) -> float:
        """The least of all rounds, on the loop that suits the package best; infinite where there is none."""
        return min((min(rounds) for (one, _), rounds in self.seconds.items() if one == package and rounds), default=float("inf"))

    @property
    def ratio(self) -> float:
        """How many times more Tornado takes; 0 where one of the two could not be measured."""
        ours, tornado = self.best(OURS), self.best(TORNADO)
        return tornado / ours if 0 < ours < float("inf") and tornado < float("inf") else 0.0

    @property
    def holds(self) -> bool:
        """Whether the ratio is what it has to be, but for noise."""
        return not self.error and self.ratio >= self.floor * (1 - TOLERANCE)


class _Child:
    """A process that does work of one package on one loop."""

    def __init__(self, package: str, loop: str) -> None:
        self.package, self.loop = package, loop
        variables = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM), package, loop],
            env=variables | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.names: list[str] = json.loads(self._line())

    def seconds(self, name: str, count: int) -> float:
        """CPU seconds for each of ``count`` times. Raises `BenchError`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([name, count]) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # its last words are more telling
        return float(self._line()) / count

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            raise BenchError(f"{self.package} on {self.loop} ended: {said.strip()[-400:]}")
        return line

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@functools.cache
def floors() -> dict[str, float]:
    """The least ratios that are accepted, by the names of works and of scenarios; 1 for others."""
    known: dict[str, float] = tomllib.loads(FLOORS.read_text(encoding="utf-8"))["floors"]
    return known


def measure(rounds: int, progress: Progress, *, chosen: Sequence[str] = (), loops: Iterable[str] = LOOPS) -> list[Row]:
    """Every work whose name contains one of ``chosen``, all for none. The children take turns, so that all see the same machine."""
    rows = []
    with contextlib.ExitStack() as stack:
        children = []
        for loop in loops:
            for package in (TORNADO, OURS):
                children.append(_Child(package, loop))
                stack.callback(children[-1].close)
        for name in [*children[0].names, _IMPORTS]:
            if not chosen or any(text in name for text in chosen):
                progress(f"sweep: {name}")
                row = Row(name, floor=floors().get(name, 1.0))
                _measure(row, children, rounds)
                rows.append(row)
    return rows


def row_of(compared: Comparison) -> Row:
    """A scenario over HTTP as a row: the server's CPU seconds for each request."""
    row = Row(f"HTTP: {compared.name}", floor=floors().get(f"HTTP: {compared.name}", 1.0))
    for result in compared.results:
        package, _, way = result.candidate.partition(" ")
        if result.error is not None:
            row.error = f"{result.candidate}: {result.error}"
        row.seconds[package, way] = [one.cpu_seconds / one.load.work for one in result.rounds]
    return row


def as_data(row: Row) -> dict[str, Any]:
    """A row for a file."""
    seconds = {" ".join(who): min(rounds) for who, rounds in row.seconds.items() if rounds}
    return {"name": row.name, "ratio": row.ratio, "floor": row.floor, "holds": row.holds, "error": row.error, "least_cpu_seconds": seconds}


def _measure(row: Row, children: Sequence[_Child], rounds: int) -> None:
    try:
        if row.name == _IMPORTS:
            _imports(row, rounds)
            return
        count = _count(children[0], row.name)
        for child in children:
            child.seconds(row.name, max(count // 4, 1))
            row.seconds[child.package, child.loop] = []
        for _ in range(1 + _MORE_LOOKS):
            for _ in range(rounds):
                for child in children:
                    row.seconds[child.package, child.loop].append(child.seconds(row.name, count))
            if row.holds:
                return
    except BenchError as error:
        row.error = str(error)


def _count(child: _Child, name: str) -> int:
    """How many times take long enough to be measured."""
    count = _FIRST_COUNT
    while count < _MOST:
        each = child.seconds(name, count)
        if each * count > _SECONDS_EACH / 4:
            return max(1, int(_SECONDS_EACH / each))
        count *= 4
    return count


def _imports(row: Row, rounds: int) -> None:
    """In processes of their own, one after the other; the first of each leaves the byte code that later ones load."""
    row.seconds.update({(package, "asyncio"): [] for package in (TORNADO, OURS)})
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("TORNADOLIKE_", "PYTHONDONTWRITE"))}
    for number in range(rounds + 1):
        for package in (TORNADO, OURS):
            command = [sys.executable, "-P", "-c", _IMPORT.format(package)]
            ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)
            if ended.returncode:
                raise BenchError(ended.stderr.strip()[-300:])
            if number:
                row.seconds[package, "asyncio"].append(float(ended.stdout))


def render(rows: Sequence[Row]) -> str:
    """The table, and what of it does not hold."""
    shown = [(row.name, _us(row.best(TORNADO)), _us(row.best(OURS)), f"{row.ratio:.2f}", _floor(row)) for row in rows]
    below = [f"BELOW ITS FLOOR: {row.name}: {row.error or f'{row.ratio:.2f}, not {row.floor:g}'}" for row in rows if not row.holds]
    head = f"Sweep: Tornado's CPU time divided by ours; {len(rows) - len(below)} of {len(rows)} hold"
    return "\n".join([head, *aligned(HEADINGS, shown), *below])


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.2f}" if seconds < float("inf") else "-"


def _floor(row: Row) -> str:
    return f"{row.floor:g}" + ("" if row.holds else "  BELOW")
