"""``python -m compat_suite load [steady|rough|soak|all]``."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from compat_suite.load import report, rough, soak, steady
from compat_suite.load.subject import Subject, found
from tornadolike._bench.candidates import Candidate
from tornadolike._bench.errors import BenchError
from tornadolike._cli import output, parsing

_COMMAND = "compat_suite load"

Measured = dict[str, Any]
Rows = Iterator[tuple[report.Row, list[str]]]


def execute(arguments: argparse.Namespace) -> int:
    """0: all was as it should be, 1: something was not, 2: it could not be measured."""
    try:
        chosen = found(arguments.candidate)
    except LookupError as error:
        output.complain(_COMMAND, error.args[0])
        return parsing.USAGE_ERROR
    if arguments.page is not None and not arguments.page.is_file():
        output.complain(_COMMAND, f"--page: no such file: {arguments.page}")
        return parsing.USAGE_ERROR
    results: dict[str, list[Measured]] = {}
    status = 0
    with output.aside(arguments.json):
        for name in PARTS if arguments.part == "all" else [arguments.part]:
            results[name] = []
            status = max(status, _measure(name, chosen, arguments, results[name]))
    if arguments.json:
        output.write_json(arguments.json, results)
    return status


def _measure(name: str, chosen: list[Candidate], arguments: argparse.Namespace, results: list[Measured]) -> int:
    """One part for all candidates."""
    rows, wrong = [], 0
    progress = output.Progress()
    for candidate in chosen:
        progress(f"{name}: {candidate.name}")
        try:
            for row, problems in PARTS[name](candidate, arguments):
                progress.end()
                rows.append(row)
                results.append({"figures": dict(zip(report.HEADS[name], row, strict=True)), "problems": problems})
                print("  ".join(row), *(f"\n  PROBLEM: {one}" for one in problems), flush=True)
                wrong += len(problems)
        except (BenchError, OSError) as error:
            progress.end()
            output.complain(_COMMAND, f"{candidate.name}: {error}")
            return 2
    if arguments.page is not None:
        report.put_into(arguments.page, name, report.markdown(name, rows))
    return 1 if wrong else 0


def _steady(candidate: Candidate, arguments: argparse.Namespace) -> Rows:
    with Subject.serving(candidate) as subject:
        result = steady.run(subject, arguments.connections, arguments.rate, arguments.seconds)
    yield report.steady(candidate.name, result), result.problems()


def _rough(candidate: Candidate, arguments: argparse.Namespace) -> Rows:
    with Subject.serving(candidate) as subject:
        result = rough.run(subject, arguments.websockets, arguments.slow, arguments.rate / 4, arguments.seconds / 2, rounds=2)
    print(", ".join(f"{count} {what}" for what, count in result.happened.items()))
    yield report.rough(candidate.name, result), result.problems()


def _soak(candidate: Candidate, arguments: argparse.Namespace) -> Rows:
    counts = {"requests": arguments.count, "connections": arguments.count // 10}
    for what in soak.WORKS:
        with Subject.serving(candidate) as subject:
            result = soak.run(subject, what, counts.get(what, arguments.count // 5))
        yield report.soak(candidate.name, result), result.problems()


PARTS: dict[str, Callable[[Candidate, argparse.Namespace], Rows]] = {"steady": _steady, "rough": _rough, "soak": _soak}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    count, seconds, rate = parsing.whole(1), parsing.seconds(above=True), parsing.number(above=0)
    add = parser.add_argument
    add("part", choices=[*PARTS, "all"], help="connections at once; clients that misbehave; a long time; all of it")
    add("--candidate", metavar="TEXT", action="append", default=[], help="servers whose name contains TEXT; may be repeated")
    add("--connections", type=count, metavar="N", default=10_000, help="steady: connections at once (10,000)")
    add("--rate", type=rate, metavar="N", default=2000.0, help="steady: requests a second (2,000); rough: a quarter of it")
    add("--seconds", type=seconds, default=60.0, help="steady: how long (60); rough: half of it for each of four rounds")
    add("--websockets", type=count, metavar="N", default=1000, help="rough: WebSockets aborted in each disturbed round (1,000)")
    add("--slow", type=count, metavar="N", default=2000, help="rough: slow clients at once (2,000)")
    add("--count", type=count, metavar="N", default=1_000_000, help="soak: requests (1,000,000); a tenth connections; a fifth of the rest")
    add("--page", type=Path, metavar="FILE", help="put the tables into this page, between its marks")
    output.add_json(parser, "the figures")
