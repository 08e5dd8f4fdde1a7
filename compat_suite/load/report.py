"""Results as text and as Markdown."""

from collections.abc import Iterable
from pathlib import Path

from compat_suite.load.rough import Rough
from compat_suite.load.soak import Soak
from compat_suite.load.steady import Steady

BEGIN, END = "<!-- load {}: begin -->", "<!-- load {}: end -->"

Row = tuple[str, ...]
_HELD = ("memory before / during / after", "blocks before / after", "descriptors before / during / after")
HEADS: dict[str, Row] = {
    "steady": ("server", "connections", "requests", "failed", "p50 / p99 ms", "CPU", *_HELD),
    "rough": ("server", "normal requests", "failed", "p99 alone / beside, ms", *_HELD),
    "soak": ("server", "what", "memory at 10, 20 ... 100 %, MiB", "growth from 20 % on", "blocks of memory"),
}


def _held(result: Steady | Rough) -> Row:
    before, during, after, last = result.before, result.during, result.after[0], result.after[-1]
    return (
        f"{before.mebibytes:.1f} / {during.mebibytes:.1f} / {after.mebibytes:.1f} MiB",
        f"{before.blocks:,} / {last.blocks:,}",
        f"{before.descriptors} / {during.descriptors} / {last.descriptors}",
    )


def steady(name: str, result: Steady) -> Row:
    """A line of the table."""
    outcome = result.outcome
    return (
        name,
        f"{result.connections:,}",
        f"{outcome.sent:,} at {outcome.sent / outcome.seconds:,.0f}/s",
        str(len(outcome.failed)),
        f"{outcome.quantile(0.5) * 1e3:.2f} / {outcome.quantile(0.99) * 1e3:.2f}",
        f"{result.cpu_seconds / outcome.seconds:.0%} of a core",
        *_held(result),
    )


def rough(name: str, result: Rough) -> Row:
    """A line of the table."""
    every = [*result.quiet, *result.disturbed]
    return (
        name,
        f"{sum(one.sent for one in every):,} at {every[0].sent / every[0].seconds:,.0f}/s",
        str(sum(len(one.failed) for one in every)),
        f"{result.p99(result.quiet) * 1e3:.2f} / {result.p99(result.disturbed) * 1e3:.2f} ({result.ratio:.2f} times)",
        *_held(result),
    )


def soak(name: str, result: Soak) -> Row:
    """A line of the table."""
    return (
        name,
        f"{result.done:,} {result.what}",
        " ".join(f"{state.mebibytes:.1f}" for state in result.states),
        f"{result.growth / 1024:+,.0f} KiB",
        f"{result.states[-1].blocks - result.states[1].blocks:+d}",
    )


def markdown(part: str, rows: Iterable[Row]) -> str:
    """A table."""
    head = HEADS[part]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def put_into(page: Path, part: str, table: str) -> None:
    """Write a table between the marks of its part. Raises ValueError where the page has none."""
    begin, end = BEGIN.format(part), END.format(part)
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no {begin} and {end}")
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
