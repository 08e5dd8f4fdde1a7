"""``python -m compat_suite [all|surface|census|upstream|differential|downstream|loops|rooms|event-streams
|autobahn|load]``.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from compat_suite import autobahn, downstream, environment, loops, report, surface, upstream
from compat_suite.census import runner as census
from compat_suite.differential import runner as differential
from compat_suite.event_streams import runner as event_streams
from compat_suite.load import runner as load
from compat_suite.rooms import runner as rooms
from tornadolike._cli import output, parsing

Part = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """0: everything is as it should be, 1: something differs, 2: wrong usage, or it could not be run, 130: Ctrl-C."""
    whole, commands = parser()
    arguments, unknown = whole.parse_known_args(argv or ["all"])
    if unknown:
        commands[arguments.command].refuse_unknown(unknown[0])
    if problem := output.unwritable(getattr(arguments, "json", None), getattr(arguments, "html", None)):
        output.complain("compat_suite", problem)
        return parsing.USAGE_ERROR
    try:
        if arguments.command in ALONE:
            return ALONE[arguments.command](arguments)
        environment.check()
        return _run_chosen(arguments)
    except environment.Unsuitable as error:
        output.complain("compat_suite", str(error))
        return parsing.USAGE_ERROR
    except KeyboardInterrupt:
        return 130


def _run_chosen(arguments: argparse.Namespace) -> int:
    chosen = list(PARTS) if arguments.command == "all" else [arguments.command]
    statuses, results = {}, {}
    with output.aside(arguments.json):
        for name in chosen:
            print(f"\n=== {name}", flush=True)
            statuses[name], results[name] = run((PARTS | FURTHER)[name], arguments)
        if len(chosen) > 1:
            report.print_summary(statuses)
    report.write(statuses, results, html=arguments.html, as_json=arguments.json)
    return max(statuses.values())


def run(part: Part, arguments: argparse.Namespace) -> tuple[int, Any]:
    """One part's exit status and its results as JSON; a part that breaks down is one that failed, and does not stop the others."""
    with tempfile.TemporaryDirectory(prefix="compat_suite") as directory:
        path = Path(directory, "results.json")
        own = argparse.Namespace(**{**vars(arguments), "json": str(path)})
        try:
            status = part(own)
        except (Exception, SystemExit) as error:
            output.complain("compat_suite", f"{type(error).__name__}: {error}")
            status = 2
        return status, json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


# What needs no Tornado beside us.
ALONE: dict[str, Part] = {"loops": loops.execute, "rooms": rooms.execute, "event-streams": event_streams.execute}

PARTS: dict[str, Part] = {
    "surface": lambda arguments: surface.execute(arguments.json),
    "census": census.execute,
    "upstream": upstream.execute,
    "differential": differential.execute,
    "downstream": downstream.execute,
}


# What is no part of all: each takes half an hour and more.
FURTHER: dict[str, Part] = {"autobahn": autobahn.execute, "load": load.execute}


def parser() -> tuple[parsing.Parser, dict[str, parsing.Parser]]:
    whole = parsing.Parser(
        prog="python -m compat_suite",
        description=sys.modules["compat_suite"].__doc__,
        epilog="Exit status: 0 when all is as it should be, 1 when something differs, 2 when it could not be run, 130 for Ctrl-C.",
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=parsing.Parser)
    everything = commands.add_parser("all", help="surface, census, upstream, differential, downstream")
    upstream.add_options(everything)
    differential.add_own_options(everything)
    downstream.add_own_options(everything)
    parts = [
        commands.add_parser("surface", help="compare the public APIs, name by name"),
        commands.add_parser("census", help="look up the names of Tornado that published packages use"),
        commands.add_parser("upstream", help="run Tornado's own tests against tornadolike"),
        commands.add_parser("differential", help="run scenarios of our own on Tornado and on tornadolike"),
        commands.add_parser("downstream", help="run packages from PyPI on Tornado and on tornadolike"),
        commands.add_parser("autobahn", help="the Autobahn suite for servers and clients of WebSocket (half an hour)"),
        commands.add_parser("load", help="a server under load that lasts, beside clients that misbehave, and over a long time"),
    ]
    output.add_json(parts[0], "the result")
    census.add_options(parts[1])
    upstream.add_options(parts[2])
    differential.add_options(parts[3])
    downstream.add_options(parts[4])
    autobahn.add_options(parts[5])
    load.add_options(parts[6])
    loops.add_options(commands.add_parser("loops", help="what works on which event loop, on this Python"))
    rooms.add_options(commands.add_parser("rooms", help="rooms over processes and machines, under load and under what goes wrong"))
    event_streams.add_options(commands.add_parser("event-streams", help="what Chromium, npm's eventsource and httpx-sse make of ours"))
    for one in (everything, *parts):
        one.add_argument("--html", metavar="FILE", help="write a report there that stands on its own")
    return whole, commands.choices


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
