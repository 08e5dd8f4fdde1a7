"""One timer for many deadlines."""

import contextvars
import time
from collections.abc import Callable
from typing import Any

import pytest

from tornadolike._fetch import timeouts
from tornadolike._fetch.timeouts import Alarm, Timeouts


class Loop:
    """Timers that go off when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.armed: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> object:
        self.armed.append((self.now + delay, callback))
        return self.armed[-1]

    def remove_timeout(self, timer: Any) -> None:
        self.armed.remove(timer)

    def until(self, now: float) -> None:
        self.now = now
        for timer in [one for one in self.armed if one[0] <= now]:
            self.armed.remove(timer)
            timer[1]()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Loop()
    monkeypatch.setattr(timeouts.time, "monotonic", lambda: made.now)
    yield made
    monkeypatch.undo()
    assert time.monotonic() != made.now


class Request:
    def __init__(self, noted: list[Any], name: str) -> None:
        self._context = contextvars.copy_context()
        self.noted, self.name = noted, name

    def _on_timeout(self, info: str | None = None) -> None:
        self.noted.append((self.name, info))


def test_one_timer_for_all_of_a_client(loop: Any) -> None:
    noted: list[Any] = []
    requests = [Request(noted, str(number)) for number in range(100)]
    watching = Timeouts(loop)
    for number, request in enumerate(requests):
        watching.watch(request, 120.0 + number)
        assert len(loop.armed) == 1
    for request in requests[:50]:
        watching.forget(request)
        watching.forget(request)
    loop.until(169)
    assert noted == []
    loop.until(171.5)
    assert noted == [("50", "during request"), ("51", "during request")]
    assert [when for when, _ in loop.armed] == [172.0]


def test_an_earlier_one_comes_first(loop: Any) -> None:
    noted: list[Any] = []
    watching = Timeouts(loop)
    watching.watch(Request(noted, "late"), 130)
    watching.watch(Request(noted, "early"), 110)
    assert [when for when, _ in loop.armed] == [110]
    loop.until(111)
    loop.until(131)
    assert noted == [("early", "during request"), ("late", "during request")]
    assert not loop.armed


def test_closing_leaves_no_timer_unless_somebody_waits(loop: Any) -> None:
    watching, request = Timeouts(loop), Request([], "one")
    watching.watch(request, 130)
    watching.close()
    assert loop.armed
    watching.forget(request)
    watching.close()
    assert not loop.armed


def test_an_alarm_that_is_set_again_rings_once(loop: Any) -> None:
    rings: list[float] = []
    alarm = Alarm(loop, lambda: rings.append(loop.now))
    alarm.set(110)
    alarm.set(105)
    alarm.set(107)
    assert alarm.due == 107
    loop.until(106)
    loop.until(108)
    loop.until(120)
    assert rings == [108]
    alarm.set(130)
    alarm.set(None)
    assert not loop.armed
    assert alarm.due == float("inf")
