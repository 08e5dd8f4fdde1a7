"""``python -m compat_suite differential``: both sides run every scenario, and every difference is shown."""

import argparse
import json
from pathlib import Path
from typing import Any

from compat_suite import environment
from compat_suite.differential import hosted, hosts, results
from compat_suite.differential.results import Result
from compat_suite.differential.sides import Sides


def add_options(parser: argparse.ArgumentParser) -> None:
    environment.add_options(parser)
    add_own_options(parser)


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """What no other part of the suite has."""
    parser.add_argument("--only", metavar="PATTERN", help="scenarios whose name matches, such as 'http1/*'")
    parser.add_argument("--examples", type=int, default=60, help="examples that Hypothesis draws of each kind (60)")
    parser.add_argument(
        "--host",
        choices=(*hosts.NAMES, hosted.ALL),
        help="compare our own server with this ASGI server under ASGIAdapter, not with Tornado; all: with each, on each of its loops",
    )
    parser.add_argument(
        "--page", metavar="FILE", help=f"with --host: put the table into this page, between {hosted.BEGIN} and {hosted.END}"
    )
    parser.add_argument("--store", action="store_true", help="keep a difference that Hypothesis found as a scenario (found.json)")


def execute(arguments: argparse.Namespace) -> int:
    """Run, compare, report. 0: nothing differs but what a scenario declares."""
    if arguments.host is not None:
        return hosted.execute(arguments)
    from compat_suite.differential import generated  # needs Hypothesis, whose absence the environment's check reports in words

    with Sides(arguments.loop, arguments.http) as sides:
        found = run_table(sides, arguments.only)
        found += generated.run_all(sides, arguments.examples, arguments.only, store=arguments.store)
    superfluous = results.needless(found)
    results.print_report(found)
    for scenarios in superfluous:
        print(f"declared as different, but equal on both sides: {scenarios}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([vars(one) for one in found], indent=1), encoding="utf-8")
    return 1 if superfluous or any(one.different for one in found) else 0


def run_table(sides: Sides, only: str | None = None) -> list[Result]:
    table = sides.tornado.ask({"list": True})
    if not isinstance(table, list):
        raise SystemExit(f"compat_suite differential: {table['normal']}")
    listed = [one for one in table if results.chosen(one["name"], only)]
    progress = results.Progress()
    found = []
    for entry in listed:
        found.append(run_one(sides, entry))
        progress.show(found[-1])
    progress.end()
    return found


def run_one(sides: Sides, entry: dict[str, Any]) -> Result:
    """Run one scenario on both sides; what differs a first time has to differ a second time too, or it is remarked on only."""
    result = _compared(sides, entry)
    if result.different:
        again = _compared(sides, entry)
        if not again.different:
            again.remarks.append("was equal at the second try only")
            return again
    return result


def _compared(sides: Sides, entry: dict[str, Any]) -> Result:
    name, differs = entry["name"], sides.deliberate(entry["name"])
    tornado, ours = sides.both({"run": name})
    equal = tornado["normal"] == ours["normal"]
    result = Result(name, results.verdict(tornado["normal"], ours["normal"], differs), differs.reason if differs and not equal else "")
    if entry["exchanges"] and not result.different:
        theirs, mine = sides.both({"receive": name, "value": ours["raw"]}, {"receive": name, "value": tornado["raw"]})
        result.different = results.verdict(theirs, mine, None)
    return result
