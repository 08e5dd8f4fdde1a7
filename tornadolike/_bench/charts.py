"""Charts as SVG: bars with their spread, and lines on two logarithmic axes. They need no script; colours come by class from `STYLE`."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tornadolike._bench.table import number

COLOURS = """
:root { --ink: #1d2733; --soft: #5d6b7a; --line: #dfe4ea; --paper: #fbfcfd; --card: #fff;
  --tornado: #8a97a6; --tornadolike: #1a7f64; --peer: #b6863a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --soft: #9aa7b5; --line: #2d3742; --paper: #12171c; --card: #1a2128;
    --tornado: #72808f; --tornadolike: #3fb894; --peer: #d2a456; --bad: #ff8a80; } }
"""
STYLE = """
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg.bars text { font-size: 15px; }
svg .value, svg text.tick { fill: var(--soft); }
svg .axis { stroke: var(--line); }
svg .spread { stroke: var(--ink); stroke-width: 1.5; }
rect.tornado, circle.tornado { fill: var(--tornado); }
rect.tornadolike, circle.tornadolike { fill: var(--tornadolike); }
rect.peer, circle.peer { fill: var(--peer); }
polyline { fill: none; stroke-width: 1.5; }
polyline.tornado { stroke: var(--tornado); }
polyline.tornadolike { stroke: var(--tornadolike); }
polyline.peer { stroke: var(--peer); }
"""
# Names stand above their bars: beside them they would leave a phone no room.
_ROW, _NAME, _BAR, _BARS, _VALUE = 44, 17, 16, 300, 150
_LEFT, _PLOT_WIDTH, _PLOT_HEIGHT, _BELOW, _NAMES = 70, 480, 260, 30, 250
_NAME_HEIGHT = 16
_DASHES = ("", "7 3", "2 3", "9 3 2 3")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar with the thin line of its spread, and what stands behind it. ``colour``: a kind, where the name tells none."""

    name: str
    median: float
    low: float
    high: float
    text: str
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a growth chart."""

    name: str
    values: Sequence[float]


def kind(candidate: str) -> str:
    """Which colour."""
    framework = candidate.partition(" ")[0]
    return framework if framework in ("tornado", "tornadolike") else "peer"


def bars(rows: Sequence[Bar], label: str) -> str:
    """A bar chart; ``label`` says in words what it shows."""
    longest = max(one.high for one in rows) or 1.0
    drawn = "".join(_bar(one, longest, place * _ROW) for place, one in enumerate(rows))
    height = len(rows) * _ROW + 4
    return _svg("bars", _BARS + _VALUE, height, label, drawn)


def _bar(bar: Bar, longest: float, top: int) -> str:
    median, low, high = (max(value, 0.0) / longest * _BARS for value in (bar.median, bar.low, bar.high))
    bar_top = top + _NAME + 4
    middle = bar_top + _BAR // 2
    return (
        f'<text x="0" y="{top + _NAME}">{html.escape(bar.name)}</text>'
        f'<rect class="{bar.colour or kind(bar.name)}" x="0" y="{bar_top}" width="{median:.1f}" height="{_BAR}" rx="2"/>'
        f'<path class="spread" fill="none" d="M{low:.1f} {middle - 4}v8m0 -4H{high:.1f}m0 -4v8"/>'
        f'<text class="value" x="{high + 8:.1f}" y="{middle + 4}">{html.escape(bar.text)}</text>'
    )


def lines(sizes: Sequence[int], series: Sequence[Series], label: str) -> str:
    """A chart on which straight and not steeper than the diagonal means linear: both axes count powers of ten."""
    values = [value for one in series for value in one.values]
    x = _Scale(min(sizes), max(sizes), _LEFT, _LEFT + _PLOT_WIDTH)
    y = _Scale(min(values), max(values), _PLOT_HEIGHT, 12)
    ticks = "".join(_tick(x.at(size), f"{size:,}") for size in sizes) + "".join(_grid(y.at(power), power) for power in y.powers())
    drawn = "".join(_line(one, sizes, place, x, y) for place, one in enumerate(series))
    names = "".join(_name(one, place, top) for place, one, top in _stacked(series, y))
    return _svg("lines", _LEFT + _PLOT_WIDTH + _NAMES, _PLOT_HEIGHT + _BELOW, label, ticks + drawn + names)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a value to a place, logarithmically."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        whole = math.log(self.high / self.low) or 1.0
        return self.start + math.log(value / self.low) / whole * (self.end - self.start)

    def powers(self) -> list[float]:
        """The powers of ten in between."""
        return [10.0**power for power in range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)]


def _tick(x: float, text: str) -> str:
    return f'<text class="tick" x="{x:.1f}" y="{_PLOT_HEIGHT + 22}" text-anchor="middle">{text}</text>'


def _grid(y: float, value: float) -> str:
    line = f'<line class="axis" x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _PLOT_WIDTH}" y2="{y:.1f}"/>'
    return f'{line}<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(value).removesuffix(".0")}</text>'


def _line(series: Series, sizes: Sequence[int], place: int, x: _Scale, y: _Scale) -> str:
    at = [(x.at(size), y.at(value)) for size, value in zip(sizes, series.values, strict=True)]
    points, colour = " ".join(f"{left:.1f},{top:.1f}" for left, top in at), kind(series.name)
    dots = "".join(f'<circle class="{colour}" cx="{left:.1f}" cy="{top:.1f}" r="3"/>' for left, top in at)
    return f'<polyline class="{colour}" points="{points}" stroke-dasharray="{_DASHES[place % len(_DASHES)]}"/>{dots}'


def _stacked(series: Sequence[Series], y: _Scale) -> Iterator[tuple[int, Series, float]]:
    """Names beside the ends of their lines, moved down where one would cover another."""
    ordered = sorted(enumerate(series), key=lambda pair: -pair[1].values[-1])
    top = 0.0
    for place, one in ordered:
        top = max(top + _NAME_HEIGHT, y.at(one.values[-1]) + 4)
        yield place, one, top


def _name(series: Series, place: int, top: float) -> str:
    left = _LEFT + _PLOT_WIDTH + 12
    dash = f'<polyline class="{kind(series.name)}" points="{left},{top - 4:.1f} {left + 24},{top - 4:.1f}" \
stroke-dasharray="{_DASHES[place % len(_DASHES)]}"/>'
    return f'{dash}<text x="{left + 30}" y="{top:.1f}">{html.escape(series.name)}</text>'


def _svg(name: str, width: int, height: int, label: str, content: str) -> str:
    return f'<svg class="{name}" viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(label)}">{content}</svg>'


def file(svg: str) -> str:
    """A chart as a file of its own, with its colours."""
    style = f'<svg xmlns="http://www.w3.org/2000/svg"><style>{COLOURS}{STYLE}</style>'
    begin, _, rest = svg.partition(">")
    return f'{begin} xmlns="http://www.w3.org/2000/svg">{style.partition(">")[2]}{rest}\n'
