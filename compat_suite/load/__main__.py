"""``python -m compat_suite.load [steady|rough|soak|all]``."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from compat_suite.load import report, rough, soak, steady
from compat_suite.load.subject import Subject, found
from tornadolike._bench.candidates import Candidate
from tornadolike._bench.errors import BenchError

Rows = Iterator[tuple[report.Row, list[str]]]


def main(argv: Sequence[str] | None = None) -> int:
    """1: something was not as it should be; 2: it could not be measured."""
    arguments = parser().parse_args(argv)
    try:
        chosen = found(arguments.candidate)
    except LookupError as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    status = 0
    for name in PARTS if arguments.part == "all" else [arguments.part]:
        status = max(status, execute(name, chosen, arguments))
    return status


def execute(name: str, chosen: list[Candidate], arguments: argparse.Namespace) -> int:
    """One part for all candidates."""
    rows, wrong = [], 0
    for candidate in chosen:
        try:
            for row, problems in PARTS[name](candidate, arguments):
                rows.append(row)
                print("  ".join(row), *(f"\n  PROBLEM: {one}" for one in problems), flush=True)
                wrong += len(problems)
        except (BenchError, OSError) as error:
            print(f"load: {candidate.name}: {error}", file=sys.stderr)
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


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole: Any = argparse.ArgumentParser(prog="python -m compat_suite.load", description=sys.modules["compat_suite.load"].__doc__)
    whole.add_argument("part", choices=[*PARTS, "all"])
    whole.add_argument("--candidate", metavar="TEXT", action="append", default=[], help="servers whose name contains TEXT; may be repeated")
    whole.add_argument("--connections", type=int, default=10_000, help="steady: connections at once (10,000)")
    whole.add_argument("--rate", type=float, default=2000.0, help="steady: requests a second (2,000); rough: a quarter of it")
    whole.add_argument("--seconds", type=float, default=60.0, help="steady: how long (60); rough: half of it for each of four rounds")
    whole.add_argument("--websockets", type=int, default=1000, help="rough: WebSockets aborted in each disturbed round (1,000)")
    whole.add_argument("--slow", type=int, default=2000, help="rough: slow clients at once (2,000)")
    whole.add_argument("--count", type=int, default=1_000_000, help="soak: requests (1,000,000); a tenth connections; a fifth of the rest")
    whole.add_argument("--page", type=Path, metavar="FILE", help="write the tables into this page, between its marks")
    return whole


if __name__ == "__main__":
    sys.exit(main())
