"""What ``tornadolike bench`` does with its arguments."""

import argparse
import importlib.util
import signal
import sys
from dataclasses import replace
from pathlib import Path

from tornadolike._bench import candidates, comparing, growth, own_application, page, record, scenarios, sweep, table, targets, wrk
from tornadolike._bench.errors import BenchError, ProgramEnded
from tornadolike._bench.exchanges import Request
from tornadolike._cli import output, parsing

USAGE_ERROR = 2
MEASURING_ERROR = 1
_NO_TORNADO = "the real Tornado is not installed here: pip install tornado"
_QUICK_ROUNDS, _QUICK_MANY, _QUICK_UPLOAD_MIB = 2, 1000, 20


def execute(arguments: argparse.Namespace, loops: list[str], engines: list[str]) -> int:
    """Measure, print a table, write the files; the exit status. ``loops`` and ``engines`` are what tornadolike can use here."""
    if arguments.sweep:
        return _sweep(arguments, loops, engines)
    try:
        chosen = _scenarios(arguments)
        taking_part = _candidates(arguments, loops, engines)
        plan = _plan(arguments)
    except (LookupError, OSError, ValueError) as error:
        text = f"can't open file {error.filename!r}: {error.strerror}" if isinstance(error, OSError) else str(error)
        output.complain("tornadolike bench", text)
        return USAGE_ERROR
    if arguments.list:
        _list(taking_part)
        return 0
    if not any(one.framework == "tornado" for one in taking_part) and not arguments.candidate:
        output.complain("tornadolike bench", f"there is nothing to compare with, as {_NO_TORNADO}")
    # The servers have to end with this process, and do so on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets background jobs start with it ignored
    show = output.Progress()
    seconds = sum(comparing.estimate(scenario, taking_part, plan) for scenario in chosen)
    if seconds:
        output.complain("tornadolike bench", f"this takes about {_duration(seconds)}{' and more for --growth' * arguments.growth}")
    try:
        measured = _measured(chosen, taking_part, plan, arguments, show)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except ProgramEnded as error:
        show.end()
        output.complain("tornadolike bench", str(error))
        return MEASURING_ERROR
    finally:
        show.end()
    _report(measured, plan, arguments)
    return MEASURING_ERROR if measured.failed() else 0


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _sweep(arguments: argparse.Namespace, loops: list[str], engines: list[str]) -> int:
    if importlib.util.find_spec("tornado") is None:
        output.complain("tornadolike bench --sweep", _NO_TORNADO)
        return USAGE_ERROR
    show = output.Progress()
    try:
        rows = sweep.measure(arguments.rounds or 9, show, chosen=arguments.scenario, loops=[one for one in sweep.LOOPS if one in loops])
        names = [one for one in sweep.SCENARIOS if not arguments.scenario or any(text in one for text in arguments.scenario)]
        taking_part = [one for one in candidates.find(loops, engines) if not one.without]
        plan = comparing.Plan(rounds=arguments.rounds or 5, seconds=min(arguments.seconds, 0.5), settings=scenarios.Settings(use_wrk=False))
        compared = [comparing.compare(one, taking_part, plan, show) for one in (scenarios.named(names) if names else [])]
    except BenchError as error:
        output.complain("tornadolike bench --sweep", str(error))
        return MEASURING_ERROR
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        show.end()
    rows += map(sweep.row_of, compared)
    with output.aside(arguments.json):
        print(sweep.render(rows))  # noqa: T201 - what the command is for
    if arguments.json:
        output.write_json(arguments.json, [sweep.as_data(row) for row in rows])
    return 0 if rows and all(row.holds for row in rows) else MEASURING_ERROR


def _measured(
    chosen: list[scenarios.Scenario],
    taking_part: list[candidates.Candidate],
    plan: comparing.Plan,
    arguments: argparse.Namespace,
    show: comparing.Progress,
) -> record.Measured:
    comparisons = [comparing.compare(scenario, taking_part, plan, show) for scenario in chosen]
    verdicts = targets.judge(comparisons) if arguments.targets else []
    return record.Measured(comparisons, verdicts, growth.measure(_ordinary(taking_part), plan, show) if arguments.growth else [])


def _ordinary(taking_part: list[candidates.Candidate]) -> list[candidates.Candidate]:
    """Without those that can do only some of the scenarios."""
    return [one for one in taking_part if one.program is None and not one.only]


def _list(taking_part: list[candidates.Candidate]) -> None:
    lines = [f"{one.name:12} {one.title}" for one in scenarios.BUILT_IN]
    print("\n".join(["Scenarios:", *lines, "Candidates:", *(one.name for one in taking_part)]))  # noqa: T201 - what was asked for


def _scenarios(arguments: argparse.Namespace) -> list[scenarios.Scenario]:
    if arguments.application is None:
        if arguments.url is not None:
            raise LookupError("--url needs a program: tornadolike bench APP.py --url PATH")
        return _built_in(arguments)
    if arguments.targets or arguments.growth or arguments.scenario:
        raise LookupError("--scenario, --targets and --growth are for the built-in application, not for a program")
    if arguments.url is None or not arguments.url.startswith("/"):
        raise LookupError("a program needs --url with a path, such as --url /")
    body = Path(arguments.body).read_bytes() if arguments.body else b""
    method = arguments.method or ("POST" if arguments.body else "GET")
    headers = dict(_header(line) for line in arguments.header)
    return [own_application.scenario(Request(arguments.url, method.upper(), headers, body))]


def _built_in(arguments: argparse.Namespace) -> list[scenarios.Scenario]:
    """What was named; else what the targets need; with --growth alone, none."""
    if arguments.scenario:
        return scenarios.named(arguments.scenario)
    if arguments.targets:
        return scenarios.named(list(targets.SCENARIOS))
    return [] if arguments.growth else scenarios.named([])


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(f"--header needs NAME:VALUE, not {line!r}")
    return name.strip(), value.strip()


def _candidates(arguments: argparse.Namespace, loops: list[str], engines: list[str]) -> list[candidates.Candidate]:
    with_peers = (arguments.peers or arguments.targets) and arguments.application is None
    found = candidates.find(loops, engines, with_peers=with_peers, with_base=arguments.targets, with_asgi=arguments.asgi)
    wanted = [one for one in found if not arguments.candidate or any(text in one.name for text in arguments.candidate)]
    if not wanted:
        raise LookupError(f"no such candidate; there are: {', '.join(one.name for one in found)}")
    return wanted


def _plan(arguments: argparse.Namespace) -> comparing.Plan:
    if arguments.load == "wrk" and wrk.path() is None:
        raise LookupError("wrk is not installed")
    if min(arguments.seconds, arguments.connections, 1 if arguments.rounds is None else arguments.rounds) <= 0:
        raise ValueError("rounds, seconds and connections are positive numbers")
    if problem := output.unwritable(arguments.html, arguments.json):
        raise LookupError(problem)
    settings = scenarios.Settings(use_wrk=arguments.load != "builtin" and wrk.path() is not None, connections=arguments.connections)
    if arguments.quick:
        settings = replace(settings, many=_QUICK_MANY, upload_mib=_QUICK_UPLOAD_MIB)
    plan = comparing.Plan(
        rounds=arguments.rounds or (_QUICK_ROUNDS if arguments.quick else 5), seconds=arguments.seconds, settings=settings
    )
    if arguments.application is None:
        return plan
    if not Path(arguments.application).is_file():
        wants = "; it is a program that is wanted, which listens by itself" if parsing.is_attribute(arguments.application) else ""
        raise LookupError(f"can't open file {arguments.application!r}: no such file{wants}")
    return replace(plan, application=Path(arguments.application), arguments=arguments.program_arguments, port=arguments.port)


def _report(measured: record.Measured, plan: comparing.Plan, arguments: argparse.Namespace) -> None:
    blocks = [table.render(measured.comparisons)] if measured.comparisons else []
    blocks += [growth.render(measured.grown)] if measured.grown else []
    blocks += [targets.render(measured.verdicts)] if measured.verdicts else []
    with output.aside(arguments.json):
        print("\n\n".join(blocks))  # noqa: T201 - what the command is for
    data = record.of(measured, plan, ["tornadolike", *sys.argv[1:]])
    if arguments.json:
        output.write_json(arguments.json, data)
    if arguments.html:
        Path(arguments.html).write_text(page.render(data), encoding="utf-8")
