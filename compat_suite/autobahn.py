"""``python -m compat_suite autobahn``: the Autobahn suite, more than 500 cases for servers and clients of WebSocket.

It is a program for Python 2.7, which has to be there (``--python2``, or pyenv's); the suite itself comes from PyPI, into the cache
directory, once. All cases take half an hour of two cores, nearly all of it for compression (groups 12 and 13).
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from compat_suite import environment
from compat_suite.downstream.environments import cache
from compat_suite.readme import put_into
from tornadolike._cli import output, parsing

VERSION = "25.10.1"
BEGIN, END = "<!-- autobahn: begin -->", "<!-- autobahn: end -->"
SUBJECTS = {
    1: "frames of all sizes",
    2: "pings and pongs",
    3: "reserved bits",
    4: "reserved opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "the closing handshake",
    9: "limits and performance",
    10: "fragments of our own making",
    12: "compression",
    13: "compression with parameters",
}
# Run on their own, the long ones in parts.
PIECES = [*(f"{group}.*" for group in SUBJECTS if group < 12), *(f"12.{n}.*" for n in range(1, 6)), *(f"13.{n}.*" for n in range(1, 8))]
KINDS = ("OK", "NON-STRICT", "INFORMATIONAL", "FAILED")
SIDES = ("server", "client")
# Servers that take part when they are named: an ASGI application inside ours, and our handler under a server of others.
HOSTED = ("mounted", "uvicorn")
_COMMAND = "compat_suite autobahn"
_AGENT = "examined"
_CHILD = "compat_suite.autobahn_child"
_SUITE = "from autobahntestsuite.wstest import run; run()"
_START_SECONDS = 120  # on a machine that is busy with other cases


def main(argv: Sequence[str]) -> int:
    """As ``python -m compat_suite autobahn``."""
    from compat_suite import __main__ as whole

    return whole.main(["autobahn", *argv])


def execute(arguments: argparse.Namespace) -> int:
    """0: no case failed, 1: some did, 2: it could not be run, or some cases have no result."""
    chosen = [arguments.side] if arguments.side else list(SIDES)
    if arguments.page and not Path(arguments.page).is_file():
        output.complain(_COMMAND, f"--page: no such file: {arguments.page}")
        return parsing.USAGE_ERROR
    try:
        suite = Suite(arguments.python2 or find_python2())
        with output.aside(arguments.json):
            results = examine_all(chosen, suite, arguments)
            for side, cases in results.items():
                print_report(side, cases)
    except (environment.Unsuitable, Incomplete, subprocess.CalledProcessError) as error:
        output.complain(_COMMAND, str(getattr(error, "stderr", None) or error))
        return parsing.USAGE_ERROR
    if arguments.json:
        output.write_json(arguments.json, results)
    if arguments.page:
        page = Path(arguments.page)
        page.write_text(put_into(page.read_text(encoding="utf-8"), table(results), BEGIN, END), encoding="utf-8")
    return 1 if any(verdict(case) == "FAILED" for cases in results.values() for case in cases.values()) else 0


def add_options(options: argparse.ArgumentParser) -> None:
    """The options of the command."""
    options.add_argument(
        "--side",
        choices=SIDES + HOSTED,
        help="examine only this one; mounted: an ASGI echo inside an application of ours; uvicorn: our echo handler under uvicorn",
    )
    options.add_argument("--case", metavar="N", action="append", help="only these cases, such as 9.* or 5.1 (can be repeated)")
    options.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio", help="event loop to run on")
    options.add_argument("--on", choices=["tornadolike", "tornado"], default="tornadolike", help="what is examined")
    options.add_argument("--python2", metavar="FILE", help="an interpreter of Python 2.7")
    options.add_argument(
        "--jobs", type=parsing.whole(1), metavar="N", default=2, help="groups of cases, or parts of groups, under way at the same time (2)"
    )
    options.add_argument("--timeout", type=parsing.seconds(above=True), default=3600, help="seconds that each of them may take (3600)")
    options.add_argument("--page", metavar="FILE", help=f"put the table into this page, between {BEGIN} and {END}")
    output.add_json(options, "the verdicts, case by case,")


class Incomplete(Exception):
    """Some cases have no result."""


# The suite, on Python 2.7


def find_python2() -> str:
    """An interpreter of Python 2.7: on the path, or pyenv's. Raises `environment.Unsuitable`."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [shutil.which("python2.7"), *sorted(map(str, root.glob("versions/2.7*/bin/python2.7")))]
    for path in found:
        # A shim of pyenv's is on the path even where the version is not chosen.
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    raise environment.Unsuitable("no Python 2.7 here, which the Autobahn suite needs: pyenv install 2.7.18, or --python2 FILE")


class Suite:
    """The suite, installed. Raises `subprocess.CalledProcessError` where pip cannot."""

    def __init__(self, python2: str) -> None:
        self._python = python2
        self._home = cache() / f"autobahntestsuite-{VERSION}"
        if not (self._home / "ready").exists():
            self._install()

    def _install(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        pip = [self._python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--target", str(self._home)]
        subprocess.run([*pip, f"autobahntestsuite=={VERSION}"], check=True, capture_output=True, text=True)
        # A package in parts, which only a path file would put together; such files do not work beside --target.
        (self._home / "zope" / "__init__.py").touch()
        (self._home / "ready").touch()

    @contextlib.contextmanager
    def running(self, mode: str, specification: dict[str, Any], directory: Path) -> Iterator["Process"]:
        path = directory / "specification.json"
        path.write_text(json.dumps({"exclude-cases": [], "exclude-agent-cases": {}, **specification}), encoding="utf-8")
        command = [self._python, "-u", "-c", _SUITE, "-m", mode, "-s", str(path), "-u", "0"]
        with Process(command, {**os.environ, "PYTHONPATH": str(self._home)}, directory / "suite.txt") as process:
            yield process


class Process:
    """A child with its output in a file; ended on leaving."""

    def __init__(self, command: list[str], variables: dict[str, str], output: Path) -> None:
        self._output = output
        with output.open("w") as file:
            self._popen = subprocess.Popen(
                command, env=variables, cwd=output.parent, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.wait()

    @property
    def text(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def says(self, pattern: str) -> str:
        """The group of ``pattern`` as soon as the child has written it. Raises `Incomplete` when it does not."""
        limit = time.monotonic() + _START_SECONDS
        while time.monotonic() < limit:
            over = self._popen.poll() is not None
            if found := re.search(pattern, self.text, re.MULTILINE):
                return found[1]
            if over:
                break
            time.sleep(0.05)
        raise Incomplete(f"a child did not start: {self.text[-1000:]}")

    def wait(self, seconds: float) -> None:
        """Until the child ends by itself. Raises `subprocess.TimeoutExpired`."""
        self._popen.wait(seconds)


# Examining


def examine_all(sides: list[str], suite: Suite, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Piece by piece; what the suite says about each case, in the order of their numbers. Raises `Incomplete`, when all are through."""
    pieces = [(side, pattern) for pattern in reversed(arguments.case or PIECES) for side in sides]
    found: dict[str, dict[str, Any]] = {side: {} for side in sides}
    problems: list[str] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        pending = {pool.submit(examine, side, pattern, suite, arguments): side for side, pattern in pieces}
        for done in as_completed(pending):
            try:
                found[pending[done]] |= done.result()
            except Incomplete as problem:
                problems.append(str(problem))
            if arguments.json and arguments.json != output.STDOUT:  # whatever happens to the others
                output.write_json(arguments.json, found)
    if problems:
        raise Incomplete("\n".join(problems))
    return {side: {number: cases[number] for number in sorted(cases, key=order)} for side, cases in found.items()}


def examine(side: str, pattern: str, suite: Suite, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the cases of one pattern against one side. Raises `Incomplete`."""
    variables = environment.child(alias=arguments.on == "tornadolike", loop=arguments.loop)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="compat_autobahn") as name:
        directory = Path(name)
        try:
            if side == "client":
                expected = _examine_client(suite, [pattern], variables, directory, arguments.timeout)
            else:
                expected = _examine_server(side, suite, [pattern], variables, directory, arguments.timeout)
        except subprocess.TimeoutExpired:
            raise Incomplete(f"{pattern} is not through with the {side} after {arguments.timeout:.0f} s") from None
        found = read(directory)
        if not found or len(found) != expected:
            text = (directory / "examined.txt").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise Incomplete(f"{len(found)} of {expected} cases of {pattern} have a result for the {side}\n{text}")
    what = _cell(sum(counts(found).values(), Counter()))
    print(f"{side}, {pattern}: {what} ({time.monotonic() - started:.0f} s)", file=sys.stderr, flush=True)
    return found


def _examine_server(side: str, suite: Suite, cases: list[str], variables: dict[str, str], directory: Path, seconds: float) -> int:
    with Process([sys.executable, "-m", _CHILD, *([side] if side in HOSTED else [])], variables, directory / "examined.txt") as server:
        url = "ws://127.0.0.1:" + server.says(r"^(\d+)$")
        specification = {"outdir": str(directory), "servers": [{"agent": _AGENT, "url": url}], "cases": cases}
        with suite.running("fuzzingclient", specification, directory) as fuzzing:
            expected = int(fuzzing.says(r"will run (\d+) test cases"))
            fuzzing.wait(seconds)
    return expected


def _examine_client(suite: Suite, cases: list[str], variables: dict[str, str], directory: Path, seconds: float) -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"ws://127.0.0.1:{probe.getsockname()[1]}"
    with suite.running("fuzzingserver", {"outdir": str(directory), "url": url, "cases": cases}, directory) as fuzzing:
        expected = int(fuzzing.says(r"will run (\d+) test cases"))
        fuzzing.says(r"^Cases = (.)")
        _await_port(url)
        with Process([sys.executable, "-m", _CHILD, url], variables, directory / "examined.txt") as client:
            client.wait(seconds)
    return expected


def _await_port(url: str) -> None:
    host, _, port = url.removeprefix("ws://").partition(":")
    limit = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            return


def read(directory: Path) -> dict[str, Any]:
    """What the suite wrote about each case."""
    path = directory / "index.json"
    cases: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get(_AGENT, {}) if path.exists() else {}
    wanted = ("behavior", "behaviorClose", "remoteCloseCode", "duration")
    return {number: {name: case[name] for name in wanted} for number, case in cases.items()}


def order(number: str) -> list[int]:
    return [int(part) for part in number.split(".")]


# Reporting


def verdict(case: dict[str, Any]) -> str:
    """One of `KINDS`: the worse of what the suite says about the messages and about the closing handshake."""
    return max((word if word in KINDS else "FAILED" for word in (case["behavior"], case["behaviorClose"])), key=KINDS.index)


def counts(cases: dict[str, Any]) -> dict[int, Counter[str]]:
    """Verdicts by group."""
    groups: dict[int, Counter[str]] = {}
    for number, case in cases.items():
        groups.setdefault(order(number)[0], Counter())[verdict(case)] += 1
    return groups


def print_report(side: str, cases: dict[str, Any]) -> None:
    print(f"\n=== {side}\n{'group':36}" + "".join(f"{kind:>15}" for kind in KINDS))
    groups = counts(cases)
    for group, count in groups.items():
        print(f"{group:3} {SUBJECTS.get(group, ''):32}" + "".join(f"{count[kind]:15}" for kind in KINDS))
    print(f"{'all':36}" + "".join(f"{sum(count[kind] for count in groups.values()):15}" for kind in KINDS))
    for number, case in cases.items():
        if verdict(case) != "OK":
            seconds = case["duration"] / 1000  # the suite has time limits of 100 to 480 seconds, which a busy machine may not meet
            words = f"messages {case['behavior']}, closing {case['behaviorClose']}, close code {case['remoteCloseCode']}"
            print(f"{number}: {words}, {seconds:.1f} s")


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: OK, non-strict, informational and failed cases of both sides, by group."""
    lines = ["| group | " + " | ".join(results) + " |", "|---|" + "---|" * len(results)]
    by_side = [counts(cases) for cases in results.values()]
    for group in sorted({group for groups in by_side for group in groups}):
        cells = [_cell(groups.get(group, Counter())) for groups in by_side]
        lines.append(f"| {group}: {SUBJECTS.get(group, '')} | " + " | ".join(cells) + " |")
    lines.append("| all | " + " | ".join(_cell(sum(groups.values(), Counter())) for groups in by_side) + " |")
    return "\n".join(lines)


def _cell(count: Counter[str]) -> str:
    return ", ".join(f"{count[kind]} {kind if kind == 'OK' else kind.lower()}" for kind in KINDS if count[kind]) or "none"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
