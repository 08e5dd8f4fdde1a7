"""What tornadolike has to reach, as data, and the verdict on what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tornadolike._bench.figures import Comparison, Result, Spread
from tornadolike._bench.table import aligned, spread


@dataclass(frozen=True, slots=True)
class Target:
    """``ours`` needs at least ``times`` less than the cheapest of ``against``; or, without those, at most ``limit`` per unit."""

    scenario: str
    ours: str
    against: tuple[str, ...] = ()
    times: float = 0.0
    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what became of it. ``met`` is None where it was not measured; ``note`` then says why."""

    target: Target
    title: str
    against: str = ""
    wanted: str = ""
    measured: Spread | None = None
    met: bool | None = None
    note: str = ""


_OURS = "tornadolike "
_BEST = _OURS + "uvloop httptools"
_TORNADO = ("tornado asyncio", "tornado uvloop")
_UNITS = {"cpu_us": "µs", "memory_kib": "KiB"}


def _less_than_tornado(times: float, *scenarios: str) -> list[Target]:
    return [Target(one, _BEST, _TORNADO, times) for one in scenarios]


TARGETS: tuple[Target, ...] = (
    Target("hello", _BEST, _TORNADO, 7),
    Target("hello", _BEST, ("aiohttp uvloop",), 1.3),
    Target("hello", _OURS + "asyncio httptools", ("tornado asyncio",), 6),
    Target("hello", _OURS + "asyncio h11", ("tornado asyncio",), 3.5),
    Target("hello", _OURS + "uvloop h11", ("starlette uvloop h11",), 2.5),
    *_less_than_tornado(5, "json", "args", "sync", "flushes"),
    *_less_than_tornado(3, "form", "cookie"),
    *_less_than_tornado(2, "template"),
    *_less_than_tornado(4, "static-1k"),
    *_less_than_tornado(3, "static-100k", "static-10m", "upload"),
    *_less_than_tornado(2.5, "connect"),
    *_less_than_tornado(2, "idle-http"),
    *_less_than_tornado(3, "fetch"),
    Target("fetch", _BEST, ("aiohttp uvloop",), 1),
    Target("import", _OURS + "asyncio h11", ("tornado asyncio",), 1),
    Target("ws-64", _OURS + "asyncio httptools", ("tornado asyncio",), 5),
    Target("ws-64", _BEST, ("aiohttp uvloop",), 1),
    Target("ws-64", _OURS + "asyncio h11 without websockets", ("tornado asyncio",), 3.5),
    *_less_than_tornado(3, "ws-16k"),
    *_less_than_tornado(1.5, "ws-deflate"),
    Target("idle-ws", _BEST, limit=7),
    Target("broadcast", _BEST, limit=10),
)
HEADINGS = ("what", "against", "wanted", "measured", "verdict")
SCENARIOS = tuple(dict.fromkeys(one.scenario for one in TARGETS))


def judge(comparisons: Iterable[Comparison], targets: Sequence[Target] = TARGETS) -> list[Verdict]:
    """The verdict on every target whose scenario was measured, in the order of the targets."""
    measured = {one.name: one for one in comparisons}
    return [_judged(one, measured[one.scenario]) for one in targets if one.scenario in measured]


def _judged(target: Target, comparison: Comparison) -> Verdict:
    title = f"{comparison.title}: {target.ours.removeprefix(_OURS)}"
    results = {one.candidate: one for one in comparison.results}
    missing = [name for name in (target.ours, *target.against) if name not in results]
    ours = results.get(target.ours)
    others = [results[name] for name in target.against if name in results and results[name].spread(comparison.figure)]
    wanted = _wanted(target, comparison.figure)
    if ours is None or ours.error is not None or (target.against and not others):
        error = ours.error.partition("\n")[0] if ours and ours.error else ""
        note = error or f"no figure of {' or '.join(missing or target.against)}"
        return Verdict(target, title, " or ".join(target.against), wanted, note=note)
    if not target.against:
        used = ours.spread(comparison.figure)
        return Verdict(target, title, "", wanted, used, used is not None and used.median <= target.limit)
    cheapest = min(others, key=lambda one: _median(one, comparison.figure))
    ratio = ours.ratio(cheapest, comparison.figure)
    return Verdict(target, title, cheapest.candidate, wanted, ratio, ratio is not None and ratio.median >= target.times)


def _wanted(target: Target, figure: str) -> str:
    if not target.against:
        return f"at most {target.limit:g} {_UNITS[figure]}"
    return "not more" if target.times == 1 else f"{target.times:g}x less"


def _median(result: Result, figure: str) -> float:
    value = result.spread(figure)
    return float("inf") if value is None else value.median


def sentence(verdict: Verdict) -> str:
    """One verdict in words: ``short by 20 %``."""
    if verdict.met is None or verdict.measured is None:
        return f"not measured: {verdict.note}"
    if verdict.met:
        return "met"
    target, median = verdict.target, verdict.measured.median
    off = 1 - median / target.times if target.against else median / target.limit - 1
    return f"{'short' if target.against else 'over'} by {off * 100:.0f} %"


def rows(verdicts: Iterable[Verdict]) -> list[tuple[str, str, str, str, str]]:
    """What, against what, wanted, measured, verdict: as text."""
    return [(one.title, one.against, one.wanted, spread(one.measured), sentence(one)) for one in verdicts]


def render(verdicts: Sequence[Verdict]) -> str:
    """The table of the targets, as text."""
    met = sum(one.met is True for one in verdicts)
    return "\n".join([f"Targets: {met} of {len(verdicts)} met", *aligned(["", *HEADINGS[1:]], rows(verdicts))])
