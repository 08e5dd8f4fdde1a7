"""``python -m compat_suite upstream``: Tornado's own tests, run by Tornado's own runner, on tornadolike and on Tornado.

Every test module runs in a child process of its own, under a time limit; a child that crashes or hangs is a failure of its
module. The results of real Tornado are kept for each environment in ``.compat_suite/`` and taken again with ``--refresh``.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from compat_suite import environment
from compat_suite.verdict import Exclusion, ModuleRun, differences, exclusions

CACHE = environment.ROOT / ".compat_suite"
BASELINE = Path(__file__).with_name("baseline.json")
_PREFIX = "tornado.test."
_LIST_MODULES = "from tornado.test import runtests; print(*runtests.TEST_MODULES)"


def add_options(parser: argparse.ArgumentParser) -> None:
    environment.add_options(parser)
    parser.add_argument("--module", action="append", help="only this test module, such as web_test (can be repeated)")
    parser.add_argument("--refresh", action="store_true", help="run real Tornado's suite again, though its results are known")
    parser.add_argument("--timeout", type=float, default=300, help="seconds that one module may take (300)")
    parser.add_argument(
        "--retry", type=int, default=1, help="times that a module with differences is run again (1); what passes then is shown"
    )
    parser.add_argument("--verbose", action="store_true", help="show the runner's own output for modules with differences")


def execute(arguments: argparse.Namespace) -> int:
    """Run, compare, report. 0: nothing differs but what the list of exclusions excuses."""
    run = Run(arguments)
    results = [run.module(number, name) for number, name in enumerate(run.modules, 1)]
    print_report(results, run)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([one.as_json() for one in results], indent=1), encoding="utf-8")
    return 1 if any(one.different for one in results) else 0


class ModuleResult:
    """One module on both, and what follows from it."""

    def __init__(self, name: str, tornado: ModuleRun, ours: ModuleRun, excluded: frozenset[str]) -> None:
        self.name, self.tornado, self.ours, self.excluded = name, tornado, ours, excluded
        self.different = differences(tornado, ours, excluded)
        self.flaky: list[str] = []
        self.needless: list[str] = []

    def better_of(self, again: ModuleRun) -> None:
        """Take a second run into account: what passed in one of the two passed."""
        for name, outcome in again.outcomes.items():
            if outcome == "passed" and self.ours.outcomes.get(name) != "passed":
                self.ours.outcomes[name] = "passed"
                self.flaky.append(name)
        self.ours.problem = again.problem and self.ours.problem
        self.different = differences(self.tornado, self.ours, self.excluded)

    def as_json(self) -> dict[str, object]:
        return {
            "module": self.name,
            "tornado": self.tornado.as_json(),
            "tornadolike": self.ours.as_json(),
            "excluded": sorted(self.excluded),
            "differences": self.different,
            "passed_at_second_try": self.flaky,
            "exclusions_no_longer_needed": self.needless,
        }


class Run:
    """The settings of one run, and the runner of modules."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.loop, self.engine, self.timeout = arguments.loop, arguments.http, arguments.timeout
        self.retry, self.verbose = arguments.retry, arguments.verbose
        self.exclusions: list[Exclusion] = [one for one in exclusions() if one.loops is None or self.loop in one.loops]
        self.modules = select_modules(list_modules(), arguments.module)
        self._known = Baseline(self.loop, refresh=arguments.refresh)
        self.output = ""

    def module(self, number: int, name: str) -> ModuleResult:
        print(f"[{number:2}/{len(self.modules)}] {short(name):28}", end="", flush=True)
        tornado = self._known.get(name) or self._known.put(name, self._run(name, alias=False))
        excluded = frozenset(one.id for one in self.exclusions if one.id.startswith(f"{name}.") or one.id in tornado.outcomes)
        result = ModuleResult(name, tornado, self._run(name, alias=True, skip=excluded), excluded)
        if excluded:
            outcomes = self._run(name, alias=True, only=excluded).outcomes
            result.needless = sorted(test for test, outcome in outcomes.items() if outcome == "passed" and test in excluded)
        output = self.output
        for _ in range(self.retry if result.different else 0):
            result.better_of(self._run(name, alias=True, skip=excluded))
        ours = result.ours
        print(f"{ours.count('passed'):4} passed, {len(result.different)} different ({ours.seconds:.1f} s)", flush=True)
        if self.verbose and result.different:
            print(output)
        return result

    def _run(self, name: str, *, alias: bool, skip: Iterable[str] = (), only: Iterable[str] = ()) -> ModuleRun:
        with tempfile.TemporaryDirectory(prefix="compat_suite") as directory:
            record, chosen = Path(directory, "record"), Path(directory, "ids")
            record.touch()
            chosen.write_text("\n".join([*skip, *only]), encoding="utf-8")
            choice = ["--only", str(chosen)] if only else ["--skip", str(chosen)]
            how = ["--alias"] if alias else ["--policy", self.loop]
            command = [sys.executable, "-m", "compat_suite.upstream_child", name, str(record), *how, *choice]
            started = time.monotonic()
            status, self.output = run_child(
                command, environment.child(alias=alias, loop=self.loop, engine=self.engine), directory, self.timeout
            )
            run = read_record(record, status, self.output)
            run.seconds = time.monotonic() - started
            return run


class Baseline:
    """Real Tornado's results in this environment, kept from run to run."""

    def __init__(self, loop: str, *, refresh: bool) -> None:
        self._path = CACHE / f"tornado-{loop}-{environment.fingerprint(loop)}.json"
        self._runs: dict[str, ModuleRun] = {}
        if self._path.exists() and not refresh:
            self._runs = {name: ModuleRun(**run) for name, run in json.loads(self._path.read_text(encoding="utf-8")).items()}

    def get(self, name: str) -> ModuleRun | None:
        return self._runs.get(name)

    def put(self, name: str, run: ModuleRun) -> ModuleRun:
        self._runs[name] = run
        CACHE.mkdir(exist_ok=True)
        self._path.write_text(json.dumps({name: run.as_json() for name, run in self._runs.items()}), encoding="utf-8")
        return run


def list_modules() -> list[str]:
    """The test modules of the installed Tornado, in its runner's order."""
    answer = subprocess.run(
        [sys.executable, "-c", _LIST_MODULES], env=environment.child(alias=False), capture_output=True, text=True, check=True
    )
    return answer.stdout.split()


def select_modules(known: list[str], wanted: list[str] | None) -> list[str]:
    if not wanted:
        return known
    chosen = [name for name in known if name in wanted or short(name) in wanted]
    if len(chosen) != len(set(wanted)):
        raise SystemExit(f"compat_suite: unknown test module; there are {', '.join(map(short, known))}")
    return chosen


def short(name: str) -> str:
    return name.removeprefix(_PREFIX)


def run_child(command: list[str], variables: dict[str, str], directory: str, timeout: float) -> tuple[int | None, str]:
    """Exit status and output of a child; ``None`` where the time limit ended it, together with what it had started."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        child = subprocess.Popen(
            command, env=variables, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        status: int | None
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        output.seek(0)
        return status, output.read()


def read_record(record: Path, status: int | None, output: str) -> ModuleRun:
    """The run that a child wrote down. A test that was running when the child crashed or hung failed."""
    run = ModuleRun()
    for line in record.read_text(encoding="utf-8").splitlines():
        event, test, detail = json.loads(line)
        if event == "started":
            run.outcomes.setdefault(test, event)
        elif run.outcomes.get(test) != "failed":
            run.outcomes[test] = event
            if detail:
                run.details[test] = detail
    for test in [test for test, outcome in run.outcomes.items() if outcome == "started"]:
        if status is None or status < 0:
            run.outcomes[test], run.details[test] = "failed", "ran when the process was ended"
        else:
            del run.outcomes[test]  # an abstract base test: upstream's runner does not report it
    run.problem = problem(status, run, output)
    return run


def problem(status: int | None, run: ModuleRun, output: str) -> str:
    last = output.strip().splitlines()[-1][:300] if output.strip() else "no output"
    if status is None:
        return "time limit"
    if status < 0:
        return f"ended by signal {-status}: {last}"
    noise = next((line for line in output.splitlines() if "bytes to stderr" in line), "")
    if noise and not run.count("failed"):
        return f"the runner found stray output: {noise}"
    if status and not run.count("failed"):
        return f"exit status {status}: {last}"
    return ""


def print_report(results: list[ModuleResult], run: Run) -> None:
    engine = run.engine if run.engine != "auto" else "auto (httptools where installed)"
    print(f"\nTornado {environment.TORNADO_VERSION}'s own suite on tornadolike: loop {run.loop}, HTTP engine {engine}")
    print(f"{'module':28}{'passed':>8}{'failed':>8}{'skipped':>8}{'excluded':>9}   Tornado: passed, failed, skipped")
    totals = [0] * 7
    for one in results:
        counts = [one.ours.count("passed"), one.ours.count("failed"), one.ours.count("skipped"), len(one.excluded)]
        counts += [one.tornado.count("passed"), one.tornado.count("failed"), one.tornado.count("skipped")]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        print_row(short(one.name), counts, "  <-- differs" if one.different else "")
    print_row("total", totals, "")
    print_remarks(results, run)


def print_row(name: str, counts: list[int], remark: str) -> None:
    print(f"{name:28}{counts[0]:8}{counts[1]:8}{counts[2]:8}{counts[3]:9}   {counts[4]:15}, {counts[5]:6}, {counts[6]:7}{remark}")


def print_remarks(results: list[ModuleResult], run: Run) -> None:
    for one in results:
        for test, detail in one.different.items():
            print(f"DIFFERS  {test or one.name}: {detail}")
    for one in results:
        for test in one.flaky:
            print(f"passed at the second try: {test}")
        for test in one.needless:
            print(f"exclusion no longer needed, the test passes: {test}")
    for exclusion in run.exclusions:
        if any(exclusion.id in one.excluded for one in results):
            kind = "white-box" if exclusion.whitebox else "behaviour"
            print(f"excluded ({kind}): {exclusion.id}: {exclusion.reason}")
    recorded = json.loads(BASELINE.read_text(encoding="utf-8"))[run.loop] if BASELINE.exists() else None
    if recorded and len(results) == len(list_modules()):
        print(f"recorded for real Tornado with every optional package installed: {recorded}")
    print("nothing differs but what is excluded" if not any(one.different for one in results) else "there are differences")
