"""The figures as text."""

from collections.abc import Sequence

from tornadolike._bench.figures import Comparison, Result, Spread

_HEADINGS = ("req/s", "p50 ms", "p99 ms", "p99.9 ms", "RSS MiB")
_COLUMNS = ("per_second", "p50_ms", "p99_ms", "p999_ms", "resident_mib")
FIGURE_TITLES = {"cpu_us": "server CPU µs", "memory_kib": "memory KiB"}


def number(value: float | None) -> str:
    """Three digits that say something, without exponents."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(value: Spread | None) -> str:
    """Median and range."""
    return "-" if value is None else f"{number(value.median)} ({number(value.low)}-{number(value.high)})"


def render(comparisons: Sequence[Comparison]) -> str:
    """One block for each scenario."""
    return "\n\n".join(_block(one) for one in comparisons)


def aligned(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns; the first is on the left, all others on the right."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    return [_line(row, widths) for row in [headings, *rows]]


def _block(comparison: Comparison) -> str:
    title = f"{comparison.title}  [{comparison.name}]"
    main = f"{FIGURE_TITLES[comparison.figure]}/{comparison.unit}"
    headings = ["", main, "times less", *(_HEADINGS[0].replace("req", comparison.unit), *_HEADINGS[1:])]
    rows = [_row(one, comparison) for one in comparison.results if one.error is None]
    errors = [f"  {one.candidate}: ERROR: {one.error}" for one in comparison.results if one.error is not None]
    return "\n".join([title, *(aligned(headings, rows) if rows else ()), *errors])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = [
        cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return f"  {first}  {'  '.join(others)}".rstrip()


def _row(result: Result, comparison: Comparison) -> list[str]:
    others = [result.spread(figure) for figure in _COLUMNS]
    ratio = result.ratio(comparison.first, comparison.figure)
    return [
        result.candidate,
        spread(result.spread(comparison.figure)),
        spread(ratio),
        *(number(one.median if one else None) for one in others),
    ]
