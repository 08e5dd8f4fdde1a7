"""What every test shares: the loops to run on, and the rule that no log line goes unnoticed."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", default="asyncio", choices=["asyncio", "uvloop"], help="event loop the asynchronous tests run on")


def _new_event_loop(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.new_event_loop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    name = config.getoption("--loop")
    return {name: _new_event_loop(name)}


@pytest.fixture(scope="session", autouse=True)
def _loop_name_in_environment(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORNADOLIKE_LOOP", request.config.getoption("--loop"))
        yield


class LogGuard(logging.Handler):
    """Collects log records; those that no test took are an error when the test ends."""

    def __init__(self) -> None:
        super().__init__(level=logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "tornado.access" and record.levelno < logging.WARNING:
            return
        self.records.append(record)

    def take(self, logger: str, pattern: str, level: int | None = None) -> logging.LogRecord:
        """Remove and return the first record of ``logger`` whose message matches ``pattern``; fail where there is none."""
        for record in self.records:
            if record.name == logger and re.search(pattern, record.getMessage()) and level in (None, record.levelno):
                self.records.remove(record)
                return record
        raise AssertionError(f"no record of {logger} matches {pattern!r}; there are {[(r.name, r.getMessage()) for r in self.records]}")


@pytest.fixture(autouse=True)
def logs() -> Iterator[LogGuard]:
    """Fails the test for every record at INFO and above (access lines below 400 aside) that it did not ``take``."""
    guard, root, ours = LogGuard(), logging.getLogger(), logging.getLogger("tornado")
    before = ours.level
    root.addHandler(guard)
    ours.setLevel(logging.INFO)
    yield guard
    ours.setLevel(before)
    root.removeHandler(guard)
    left = [(r.name, r.levelname, r.getMessage()) for r in guard.records if r.name.partition(".")[0] != "hypothesis"]
    assert not left, f"stray log output: {left}"
