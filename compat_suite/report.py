"""The results of all parts: a table in the terminal, one HTML page that stands on its own, JSON for machines."""

import html as escaping
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from compat_suite import autobahn, environment
from compat_suite.differential.deliberate import declared
from compat_suite.verdict import exclusions
from tornadolike._cli import output

_WORDS = {0: "as it should be", 1: "DIFFERS", 2: "did not run"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem }
td, th { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
th { background: #f4f4f6 } .bad { background: #fde8e8 } td, code, pre { overflow-wrap: anywhere }
pre { white-space: pre-wrap; background: #f4f4f6; padding: .6rem }
"""
Row = Sequence[object]


def print_summary(statuses: dict[str, int]) -> None:
    print("\n=== summary")
    for name, status in statuses.items():
        print(f"{name:14} {_WORDS.get(status, 'did not run')}")


def write(statuses: dict[str, int], results: dict[str, Any], *, html: str | None, as_json: str | None) -> None:
    """Write what was asked for. One part alone gives its own results as JSON, several a mapping with one entry for each."""
    if as_json:
        content = results if len(results) > 1 else next(iter(results.values()))
        output.write_json(as_json, content)
    if html:
        Path(html).write_text(page(statuses, results), encoding="utf-8")


def page(statuses: dict[str, int], results: dict[str, Any]) -> str:
    sections = [table(("part", "result"), [(name, _WORDS.get(status, "did not run")) for name, status in statuses.items()])]
    for name, result in results.items():
        if result is not None:
            sections += [f"<h2>{name}</h2>", *_SECTIONS[name](result)]
    title = f"tornadolike and Tornado {environment.TORNADO_VERSION}"
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en">{head}<h1>{title}</h1>{"".join(sections)}</html>\n'


def table(head: Row, rows: Iterable[Row]) -> str:
    """Rows which say that something differs are marked."""
    lines = ["<table><tr>" + "".join(f"<th>{text(cell)}</th>" for cell in head) + "</tr>"]
    for row in rows:
        bad = any("DIFFERS" in str(cell) or "did not run" in str(cell) for cell in row)
        lines.append(f"<tr{' class=bad' if bad else ''}>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>")
    return "".join(lines) + "</table>"


def text(value: object) -> str:
    return escaping.escape(str(value))


def _surface(result: dict[str, Any]) -> list[str]:
    rows = [
        (name, why, "DIFFERS" if name in result["unlisted"] else "listed, with its reason") for name, why in result["differences"].items()
    ]
    return [table(("name", "what differs", ""), rows)] if rows else ["<p>Every name is the same.</p>"]


def _census(result: dict[str, Any]) -> list[str]:
    rows = [(name, "DIFFERS: only Tornado has it", ", ".join(packages)) for name, packages in result["missing"].items()]
    rows += [(name, reason, ", ".join(result["names"][name])) for name, reason in result["reasons"].items()]
    rows += [(f"import of {module}", f"DIFFERS: {why}", one) for one, found in result["imports"].items() for module, why in found.items()]
    figures = f"<p>{len(result['packages'])} packages use {len(result['names'])} names of Tornado.</p>"
    return [figures, table(("name", "what differs", "used by"), rows) if rows else "<p>Every one of them is there.</p>"]


def _upstream(result: list[dict[str, Any]]) -> list[str]:
    rows = []
    for one in result:
        ours, theirs = (Counter(one[side]["outcomes"].values()) for side in ("tornadolike", "tornado"))
        rows.append(
            (
                one["module"].removeprefix("tornado.test."),
                ours["passed"],
                theirs["passed"],
                len(one["excluded"]),
                "; ".join(f"DIFFERS: {name}: {why}" for name, why in one["differences"].items()),
            )
        )
    left_out = [(one.id, "it looks inside a private class" if one.whitebox else "behaviour", one.reason) for one in exclusions()]
    return [
        table(("module", "passed", "on Tornado", "excluded", ""), rows),
        "<h3>Excluded</h3>",
        "<p>To be done: nothing, unless your program does what such a test does; the reason says what to expect then.</p>",
        table(("test", "kind", "reason"), left_out),
    ]


def _differential(result: list[dict[str, Any]]) -> list[str]:
    groups: dict[str, Counter[str]] = {}
    for one in result:
        kind = "different" if one["different"] else "declared" if one["deliberate"] else "equal"
        groups.setdefault(one["name"].partition("/")[0].partition(".")[0], Counter())[kind] += 1
    rows = [
        (name, count["equal"], count["declared"], f"DIFFERS: {count['different']}" if count["different"] else "")
        for name, count in groups.items()
    ]
    details = [f"<h3>{text(one['name'])}</h3><pre>{text(one['different'])}</pre>" for one in result if one["different"]]
    shown = Counter(one["deliberate"] for one in result if one["deliberate"] and not one["different"])
    reasons = [(one.scenarios, one.reason, shown[one.reason]) for one in declared() if shown[one.reason]]
    return [
        table(("group", "equal", "different on purpose", ""), rows),
        *details,
        "<h3>Different on purpose</h3>",
        "<p>docs/differences.md tells of them in a few words; <code>tornadolike check PATH</code> says which your own sources touch.</p>",
        table(("scenarios", "why", "times"), reasons),
    ]


def _downstream(result: list[dict[str, Any]]) -> list[str]:
    rows = []
    for one in result:
        theirs = one["tornado"].items()
        sides = [f"{sum(1 for name, value in theirs if side.get(name) == value)} on {loop}" for loop, side in one["ours"].items()]
        rows.append(
            (
                f"{one['package']} {one['version']}",
                f"{one['about']}; {one['subset']}" if one["subset"] else one["about"],
                f"{len(one['tornado'])} tests or steps, as on Tornado: {', '.join(sides)}",
                "; ".join(f"DIFFERS: {name}: {why}" for name, why in one["different"].items()),
            )
        )
    advice = "<p>To be done about one that DIFFERS: run it alone (<code>downstream NAME</code>); if it differs again, report it.</p>"
    return [table(("package", "what is run", "result", ""), rows), *([advice] if any(one["different"] for one in result) else [])]


def _autobahn(result: dict[str, Any]) -> list[str]:
    parts = []
    for side, cases in result.items():
        rows = [
            (group, autobahn.SUBJECTS.get(group, ""), *(count[kind] or "" for kind in autobahn.KINDS), "DIFFERS" if count["FAILED"] else "")
            for group, count in autobahn.counts(cases).items()
        ]
        parts += [f"<h3>{text(side)}</h3>", table(("group", "about", *autobahn.KINDS, ""), rows)]
    return parts


def _load(result: dict[str, list[dict[str, Any]]]) -> list[str]:
    parts = []
    for name, measured in result.items():
        rows = [(*one["figures"].values(), "; ".join(f"DIFFERS: {problem}" for problem in one["problems"])) for one in measured]
        parts += [f"<h3>{text(name)}</h3>", table((*(measured[0]["figures"] if measured else ()), ""), rows)]
    return parts


_SECTIONS = {
    "surface": _surface,
    "census": _census,
    "upstream": _upstream,
    "differential": _differential,
    "downstream": _downstream,
    "autobahn": _autobahn,
    "load": _load,
}
