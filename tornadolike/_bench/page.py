"""The figures as one HTML page that needs nothing else: bars with their spread as inline SVG, and the table behind each chart."""

import html
from typing import Any

from tornadolike._bench.table import FIGURE_TITLES, number

_ROW, _BAR, _LABEL, _CHART, _VALUE = 30, 16, 230, 420, 150
_COLUMNS = {"per_second": "{unit}/s", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "p999_ms": "p99.9 ms", "resident_mib": "RSS MiB"}

_STYLE = """
:root { --ink: #1d2733; --soft: #5d6b7a; --line: #dfe4ea; --paper: #fbfcfd; --card: #fff;
  --tornado: #8a97a6; --tornadolike: #1a7f64; --peer: #b6863a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --soft: #9aa7b5; --line: #2d3742; --paper: #12171c; --card: #1a2128;
    --tornado: #72808f; --tornadolike: #3fb894; --peer: #d2a456; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1rem 4rem; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0 0 .25rem; }
p { margin: .25rem 0; color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1rem 1.25rem; margin: 1rem 0; overflow-x: auto; }
svg { display: block; width: 100%; min-width: 40rem; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .value { fill: var(--soft); }
svg .axis { stroke: var(--line); }
svg .spread { stroke: var(--ink); stroke-width: 1.5; }
.tornado { fill: var(--tornado); }
.tornadolike { fill: var(--tornadolike); }
.peer { fill: var(--peer); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid var(--line); }
td:first-child, th:first-child { text-align: left; }
th { font-weight: 600; color: var(--soft); }
details { margin-top: .5rem; }
summary { cursor: pointer; color: var(--soft); }
.error { color: var(--bad); white-space: pre-wrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .75rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
"""


def render(data: dict[str, Any]) -> str:
    """The page for what `record.of` gives."""
    sections = "".join(_section(one) for one in data["scenarios"])
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>tornadolike bench</title><style>{_STYLE}</style></head><body>\n<h1>tornadolike bench</h1>\n"
        "<p>Shorter bars are better. A bar is the median of the rounds; the thin line goes from the lowest to the highest. "
        "Server CPU is what the server process used, divided by the work done.</p>\n"
        f"{_environment(data['environment'])}{sections}</body></html>\n"
    )


def _environment(environment: dict[str, Any]) -> str:
    shown = {
        "Command": environment["command"],
        "Time": environment["time"],
        "Machine": f"{environment['system']}, {environment['cpus']} CPUs, load average {environment['load_average']}",
        "Python": environment["python"],
        "Versions": ", ".join(f"{name} {version}" for name, version in environment["versions"].items()),
        "Load": f"{environment['load_from']}, {environment['connections']} connections",
        "Rounds": f"{environment['rounds']} of {environment['seconds']} s, interleaved",
    }
    return "<dl>" + "".join(f"<dt>{html.escape(term)}</dt><dd>{html.escape(str(value))}</dd>" for term, value in shown.items()) + "</dl>\n"


def _section(scenario: dict[str, Any]) -> str:
    measured = [one for one in scenario["candidates"] if one["error"] is None and one[scenario["figure"]] is not None]
    errors = [_error(one) for one in scenario["candidates"] if one["error"] is not None]
    title = f"{FIGURE_TITLES[scenario['figure']]} per {scenario['unit']}"
    content = _chart(scenario, measured, title) + _table(scenario, measured, title) if measured else ""
    heading = f"<h2>{html.escape(scenario['title'])}</h2><p>{html.escape(title)}</p>"
    return f'<section id="{html.escape(scenario["name"])}">{heading}{content}{"".join(errors)}</section>\n'


def _error(candidate: dict[str, Any]) -> str:
    return f'<p class="error">{html.escape(candidate["name"])}: {html.escape(candidate["error"])}</p>'


def _chart(scenario: dict[str, Any], measured: list[dict[str, Any]], title: str) -> str:
    figure = scenario["figure"]
    longest = max(one[figure]["high"] for one in measured) or 1.0
    rows = "".join(_bar(one, one[figure], longest, place * _ROW) for place, one in enumerate(measured))
    width, height = _LABEL + _CHART + _VALUE, len(measured) * _ROW + 4
    axis = f'<line class="axis" x1="{_LABEL}" y1="0" x2="{_LABEL}" y2="{height}"/>'
    label = html.escape(f"{scenario['title']}: {title}")
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{axis}{rows}</svg>'


def _bar(candidate: dict[str, Any], value: dict[str, float], longest: float, top: int) -> str:
    median, low, high = (max(value[part], 0.0) / longest * _CHART for part in ("median", "low", "high"))
    middle, bar_top = top + _ROW // 2 + 2, top + (_ROW - _BAR) // 2 + 2
    framework = candidate["name"].partition(" ")[0]
    kind = framework if framework in ("tornado", "tornadolike") else "peer"
    ratio = candidate["times_less"]
    text = number(value["median"]) + (f" ({number(ratio['median'])}x less)" if ratio and abs(ratio["median"] - 1) > 0.005 else "")
    return (
        f'<text x="{_LABEL - 8}" y="{middle + 4}" text-anchor="end">{html.escape(candidate["name"])}</text>'
        f'<rect class="{kind}" x="{_LABEL}" y="{bar_top}" width="{median:.1f}" height="{_BAR}" rx="2"/>'
        f'<path class="spread" fill="none" d="M{_LABEL + low:.1f} {middle - 4}v8m0 -4H{_LABEL + high:.1f}m0 -4v8"/>'
        f'<text class="value" x="{_LABEL + high + 8:.1f}" y="{middle + 4}">{html.escape(text)}</text>'
    )


def _table(scenario: dict[str, Any], measured: list[dict[str, Any]], title: str) -> str:
    headings = ["", title, "times less", *(heading.format(unit=scenario["unit"]) for heading in _COLUMNS.values())]
    rows = [
        [one["name"], *map(_spread, (one[scenario["figure"]], one["times_less"])), *(_median(one[key]) for key in _COLUMNS)]
        for one in measured
    ]
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in headings)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<details><summary>All figures</summary><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"


def _spread(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{number(value['median'])} ({number(value['low'])}-{number(value['high'])})"


def _median(value: dict[str, float] | None) -> str:
    return "-" if value is None else number(value["median"])
