"""The figures as one HTML page that needs nothing else: charts as inline SVG, and the table behind each of them."""

import html
from collections.abc import Sequence
from typing import Any

from tornadolike._bench import charts
from tornadolike._bench.table import FIGURE_TITLES, number

_COLUMNS = {"per_second": "{unit}/s", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "p999_ms": "p99.9 ms", "resident_mib": "RSS MiB"}
_TARGET_COLUMNS = ("what", "against", "wanted", "measured", "verdict")

_STYLE = f"""{charts.COLOURS}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 60rem; padding: 2rem 1rem 4rem; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }}
h1 {{ font-size: 1.6rem; margin: 0 0 .25rem; }}
h2 {{ font-size: 1.1rem; margin: 0 0 .25rem; }}
p {{ margin: .25rem 0; color: var(--soft); }}
section {{ background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1rem 1.25rem; margin: 1rem 0; overflow-x: auto; }}
svg {{ display: block; width: 100%; height: auto; }}
svg.bars {{ max-width: 34rem; }}
svg.lines {{ min-width: 40rem; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
td, th {{ padding: .2rem .5rem; text-align: right; border-bottom: 1px solid var(--line); }}
td:first-child, th:first-child {{ text-align: left; }}
th {{ font-weight: 600; color: var(--soft); }}
details {{ margin-top: .5rem; }}
summary {{ cursor: pointer; color: var(--soft); }}
.error {{ color: var(--bad); white-space: pre-wrap; }}
td.bad {{ color: var(--bad); }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .75rem 0; }}
dt {{ color: var(--soft); }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
{charts.STYLE}"""


def render(data: dict[str, Any]) -> str:
    """The page for what `record.of` gives."""
    sections = "".join(_section(one) for one in data["scenarios"])
    grown = "".join(_growth(one) for one in data["growth"])
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>tornadolike bench</title><style>{_STYLE}</style></head><body>\n<h1>tornadolike bench</h1>\n"
        "<p>Shorter bars are better. A bar is the median of the rounds; the thin line goes from the lowest to the highest. "
        "Server CPU is what the server process used, divided by the work done.</p>\n"
        f"{_environment(data['environment'])}{_targets(data['targets'])}{sections}{grown}</body></html>\n"
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
    rows = [charts.Bar(one["name"], **one[scenario["figure"]], text=_bar_text(one, scenario["figure"])) for one in measured]
    return charts.bars(rows, f"{scenario['title']}: {title}")


def _bar_text(candidate: dict[str, Any], figure: str) -> str:
    ratio = candidate["times_less"]
    less = f" ({number(ratio['median'])}x less)" if ratio and abs(ratio["median"] - 1) > 0.005 else ""
    return number(candidate[figure]["median"]) + less


def _table(scenario: dict[str, Any], measured: list[dict[str, Any]], title: str) -> str:
    headings = ["", title, "times less", *(heading.format(unit=scenario["unit"]) for heading in _COLUMNS.values())]
    rows = [
        [one["name"], *map(_spread, (one[scenario["figure"]], one["times_less"])), *(_median(one[key]) for key in _COLUMNS)]
        for one in measured
    ]
    return f"<details><summary>All figures</summary>{_html_table(headings, rows)}</details>"


def _html_table(headings: Sequence[str], rows: Sequence[Sequence[str]], bad: Sequence[bool] = ()) -> str:
    """``bad``: rows whose last cell says that something is not as it should be."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in headings)
    body = ""
    for place, row in enumerate(rows):
        *cells, last = (html.escape(cell) for cell in row)
        mark = ' class="bad"' if bad and bad[place] else ""
        body += "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"<td{mark}>{last}</td></tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _targets(targets: list[dict[str, Any]]) -> str:
    if not targets:
        return ""
    rows = [[one[column] for column in _TARGET_COLUMNS] for one in targets]
    met = sum(one["met"] is True for one in targets)
    table = _html_table(["target", *_TARGET_COLUMNS[1:]], rows, [one["met"] is not True for one in targets])
    return f'<section id="targets"><h2>Targets</h2><p>{met} of {len(targets)} met</p>{table}</section>\n'


def _growth(family: dict[str, Any]) -> str:
    measured = [one for one in family["candidates"] if one["error"] is None]
    errors = "".join(_error(one) for one in family["candidates"] if one["error"] is not None)
    about = f"server CPU µs per {family['cost']}, both axes logarithmic; cost grows as a power of the size, of which 1 is linear"
    heading = f"<h2>{html.escape(family['title'])}</h2><p>{html.escape(about)}</p>"
    content = ""
    if measured:
        series = [charts.Series(one["name"], one["costs"]) for one in measured]
        rows = [[one["name"], *map(number, one["costs"]), number(one["power"]), "yes" if one["linear"] else "NO"] for one in measured]
        headings = ["", *(f"{size:,}" for size in family["sizes"]), "steepest power", "linear"]
        table = _html_table(headings, rows, [not one["linear"] for one in measured])
        content = charts.lines(family["sizes"], series, f"{family['title']}: {about}") + table
    return f'<section id="growth-{html.escape(family["name"])}">{heading}{content}{errors}</section>\n'


def _spread(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{number(value['median'])} ({number(value['low'])}-{number(value['high'])})"


def _median(value: dict[str, float] | None) -> str:
    return "-" if value is None else number(value["median"])
