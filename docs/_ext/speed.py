"""``python docs/_ext/speed.py bench.json``: figures and charts of a run of ``tornadolike bench``, put into README.md and the pages of docs.

The run: ``tornadolike bench --targets --growth --json bench.json``, from a checkout. Text stands between two marks on each page,
charts are files in ``docs/_static``.
"""

import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from tornadolike._bench import charts  # noqa: E402 - found by the line above, so that a checkout needs no installation
from tornadolike._bench.table import number  # noqa: E402

Data = dict[str, Any]

TORNADO = ("tornado asyncio", "tornado uvloop")
BASE, FAST = "tornadolike asyncio h11", "tornadolike uvloop httptools"
OURS = (BASE, "tornadolike asyncio httptools", "tornadolike uvloop h11", FAST)
PEERS = ("aiohttp uvloop", "starlette uvloop httptools")
_README = ("hello", "json", "form", "template", "static-100k", "ws-64", "fetch", "idle-http")
_ENGINES = ("hello", "json", "args", "form", "template", "ws-64")
_UNITS = {"cpu_us": "µs", "memory_kib": "KiB"}


class Scenario:
    """One scenario of a run, by candidate; what has no figure is not there."""

    def __init__(self, data: Data) -> None:
        self.name: str = data["name"]
        self.label: str = data["title"]
        self.title = f"{self.label}, {_UNITS[data['figure']]} per {data['unit']}"
        self.figures: dict[str, Data] = {one["name"]: one[data["figure"]] for one in data["candidates"] if one[data["figure"]]}
        self._rounds: dict[str, list[float]] = {one["name"]: one["each_round"] for one in data["candidates"]}

    def median(self, candidate: str | None) -> str:
        """For a table."""
        return number(self.figures[candidate]["median"]) if candidate in self.figures else "-"

    def cheapest(self, candidates: Iterable[str]) -> str | None:
        """The one with the lowest median, such as Tornado on its better loop."""
        return min((one for one in candidates if one in self.figures), key=lambda one: float(self.figures[one]["median"]), default=None)

    def ratios(self, candidate: str) -> list[float]:
        """How many times less than Tornado on its better loop, round by round."""
        first = self.cheapest(TORNADO)
        if first is None or candidate not in self.figures:
            return []
        return [theirs / ours for theirs, ours in zip(self._rounds[first], self._rounds[candidate], strict=False) if ours]

    def times_less(self, candidate: str) -> str:
        """For a table."""
        ratios = self.ratios(candidate)
        return f"{number(statistics.median(ratios))}x" if ratios else "-"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def conditions(data: Data) -> str:
    """On what, with what, how long."""
    made = data["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return (
        f"`{made['command']}`, {made['time'][:10]}: {made['python']} on {made['system']}, {made['cpus']} CPUs, load average "
        f"{made['load_average']:.1f} at the end; {made['rounds']} rounds of {made['seconds']:g} s, load from {made['load_from']}. "
        f"Versions: {versions}."
    )


def readme(data: Data) -> str:
    """The short table."""
    found = _scenarios(data, _README)
    rows = [(one.title, one.median(one.cheapest(TORNADO)), one.median(BASE), one.median(FAST), one.times_less(FAST)) for one in found]
    return table(["server CPU or memory", "Tornado, better loop", "tornadolike, base install", "with `[fast]`", "less"], rows)


def engines(data: Data) -> str:
    """What loop and engine do, for the page on them."""
    found = _scenarios(data, _ENGINES)
    rows = [(one.title, *(one.median(name) for name in (*TORNADO, *OURS))) for one in found]
    text = table(["server CPU", *TORNADO, *(name.removeprefix("tornadolike ") for name in OURS)], rows)
    charted = "".join(f"\n![{one.title}](_static/speed-{one.name}.svg)\n" for one in found if one.name in ("hello", "form"))
    return f"{text}\n{charted}\n{conditions(data)}"


def results(data: Data) -> str:
    """Everything, for the page on performance."""
    found = _scenarios(data)
    rows = [
        (
            one.title,
            one.median(one.cheapest(TORNADO)),
            *(cell for name in (BASE, FAST) for cell in (one.median(name), one.times_less(name))),
            *(one.median(name) for name in PEERS),
        )
        for one in found
    ]
    headings = ["", "Tornado, better loop", "asyncio h11", "less", "uvloop httptools", "less", "aiohttp", "Starlette, httptools"]
    parts = [conditions(data), "![How many times less than Tornado](_static/speed-gain.svg)", table(headings, rows)]
    if data["targets"]:
        columns = ["what", "against", "wanted", "measured", "verdict"]
        met = sum(one["met"] is True for one in data["targets"])
        targets = table(columns, ([one[name] or "-" for name in columns] for one in data["targets"]))
        parts += [f"### Targets\n\n{met} of {len(data['targets'])} are met.", targets]
    if data["growth"]:
        parts.append("### Growth\n\nServer CPU in µs. The power is that of the steepest step; 1 is linear.")
    parts += [_grown(one) for one in data["growth"]]
    return "\n\n".join(parts)


def _grown(family: Data) -> str:
    good = [one for one in family["candidates"] if one["error"] is None]
    rows = [(one["name"], *map(number, one["costs"]), number(one["power"])) for one in good]
    text = table([f"{family['title']}", *(f"{size:,}" for size in family["sizes"]), "power"], rows)
    return f"{text}\n\n![{family['title']}](_static/growth-{family['name']}.svg)"


def _scenarios(data: Data, names: Sequence[str] = ()) -> list[Scenario]:
    return [Scenario(one) for one in data["scenarios"] if not names or one["name"] in names]


def drawn(data: Data) -> dict[str, str]:
    """The charts, by file name."""
    found = {f"speed-{one.name}.svg": _bars(one) for one in _scenarios(data, ("hello", "form")) if one.figures}
    gains = [bar for one in _scenarios(data) for bar in _gain(one)]
    if gains:
        found["speed-gain.svg"] = charts.bars(gains, "How many times less than Tornado on its better loop")
    for family in data["growth"]:
        series = [charts.Series(one["name"], one["costs"]) for one in family["candidates"] if one["error"] is None]
        if series:
            found[f"growth-{family['name']}.svg"] = charts.lines(family["sizes"], series, f"{family['title']}: server CPU µs")
    return {name: charts.file(svg) for name, svg in found.items()}


def _bars(scenario: Scenario) -> str:
    return charts.bars(
        [charts.Bar(name, **value, text=number(value["median"])) for name, value in scenario.figures.items()], scenario.title
    )


def _gain(scenario: Scenario) -> list[charts.Bar]:
    ratios = scenario.ratios(FAST) or scenario.ratios(BASE)
    if not ratios:
        return []
    median = statistics.median(ratios)
    return [charts.Bar(scenario.label, median, min(ratios), max(ratios), f"{number(median)}x less", "tornadolike")]


def put_into(text: str, content: str) -> str:
    """``text`` with ``content`` in place of what stands between the marks."""
    begin, end = "<!-- speed: begin -->", "<!-- speed: end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no {begin} and {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def publish(data: Data, root: Path) -> None:
    """Write all of it below ``root``."""
    pages = {"README.md": readme, "docs/performance.md": results, "docs/engines.md": engines}
    for name, content in pages.items():
        page = root / name
        page.write_text(put_into(page.read_text(encoding="utf-8"), content(data)), encoding="utf-8")
    static = root / "docs" / "_static"
    static.mkdir(exist_ok=True)
    for name, svg in drawn(data).items():
        (static / name).write_text(svg, encoding="utf-8")


def main(argv: Sequence[str]) -> int:
    """Status 2 for wrong usage."""
    if len(argv) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    publish(json.loads(Path(argv[0]).read_text(encoding="utf-8")), ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
