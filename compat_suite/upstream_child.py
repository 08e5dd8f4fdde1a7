"""Runs one module of Tornado's tests with upstream's own runner, and writes down test by test what the runner decides.

Arguments: the test module, the file for the record, and ``--alias`` to run on tornadolike. ``--skip FILE`` or ``--only FILE``
name test ids, one a line. The record holds one JSON array a line: the moment's event, a test id, and for failures the last line
of the traceback. It is written as the tests go, so that it tells where a crash or a time limit struck.
"""

import argparse
import asyncio
import json
import os
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

Wanted = Callable[[str], bool]


class Record:
    """The file of results; forked children of a test must not write to it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._process = os.getpid()

    def note(self, event: str, test: Any, detail: str = "") -> None:
        if os.getpid() == self._process:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([event, test_id(test), detail]) + "\n")


def test_id(test: Any) -> str:
    """The runner's id; a doctest of ours goes by the name of the package that it is in."""
    name: str = test.id()
    return f"tornado.{name.removeprefix('tornadolike.')}" if name.startswith("tornadolike.") else name


def recording_result(record: Record) -> type[unittest.TextTestResult]:
    """A result class which behaves as unittest's and notes every verdict; upstream's own result class derives from it."""

    class RecordingResult(unittest.TextTestResult):
        def startTest(self, test: Any) -> None:
            record.note("started", test)
            super().startTest(test)

        def addSuccess(self, test: Any) -> None:
            record.note("passed", test)
            super().addSuccess(test)

        def addExpectedFailure(self, test: Any, err: Any) -> None:
            record.note("passed", test)
            super().addExpectedFailure(test, err)

        def addUnexpectedSuccess(self, test: Any) -> None:
            record.note("failed", test, "passed, though it is marked as an expected failure")
            super().addUnexpectedSuccess(test)

        def addFailure(self, test: Any, err: Any) -> None:
            record.note("failed", test, last_line(err))
            super().addFailure(test, err)

        def addError(self, test: Any, err: Any) -> None:
            record.note("failed", test, last_line(err))
            super().addError(test, err)

        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
            if err is not None:
                record.note("failed", test, last_line(err))
            super().addSubTest(test, subtest, err)

        def addSkip(self, test: Any, reason: str) -> None:
            record.note("skipped", test, reason)
            super().addSkip(test, reason)

    return RecordingResult


def last_line(err: Any) -> str:
    return f"{err[0].__name__}: {err[1]}".strip().splitlines()[0][:300]


def filtered(suite: Any, wanted: Wanted) -> Any:
    """``suite`` without the tests that ``wanted`` refuses; the nesting stays, since class and module set-up hang on it."""
    if not isinstance(suite, unittest.TestSuite):
        return suite if wanted(test_id(suite)) else None
    kept = [inner for inner in (filtered(inner, wanted) for inner in suite) if inner is not None]
    return type(suite)(kept)


def choosing_runner(wanted: Wanted) -> type[unittest.TextTestRunner]:
    class ChoosingRunner(unittest.TextTestRunner):
        def run(self, test: Any) -> Any:
            return super().run(filtered(test, wanted))

    return ChoosingRunner


def ids(path: str | None) -> frozenset[str]:
    return frozenset(Path(path).read_text(encoding="utf-8").split()) if path else frozenset()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("record")
    parser.add_argument("--alias", action="store_true")
    parser.add_argument("--policy", help="loop whose policy Tornado is to run under")
    parser.add_argument("--skip")
    parser.add_argument("--only")
    arguments = parser.parse_args()
    if arguments.alias:
        import tornadolike._alias

        tornadolike._alias.install()
    elif arguments.policy == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    skip, only = ids(arguments.skip), ids(arguments.only)
    unittest.TextTestResult = recording_result(Record(arguments.record))  # type: ignore[misc,assignment]  # as upstream's runner finds it
    unittest.TextTestRunner = choosing_runner(lambda name: name in only if only else name not in skip)  # type: ignore[misc]
    sys.argv = ["tornado.test.runtests", arguments.module]
    from tornado.test import runtests

    runtests.main()  # type: ignore[no-untyped-call]  # upstream's tests are not typed


if __name__ == "__main__":
    main()
