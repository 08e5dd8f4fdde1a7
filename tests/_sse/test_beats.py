"""One timer for many, on a clock that the test moves."""

from collections.abc import Callable
from typing import Any

import pytest

from tornadolike._sse.beats import MOST_AT_ONCE, Beats


class Clock:
    """A loop's timers; ``go(seconds)`` lets time pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> Any:
        timer = Timer(self.timers, when, callback)
        self.timers.append(timer)
        return timer

    def go(self, seconds: float) -> None:
        """A turn of the loop, so much later."""
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.when <= self.now]:
            timer.cancel()
            timer.callback()


class Timer:
    def __init__(self, timers: list[Any], when: float, callback: Callable[[], object]) -> None:
        self.timers, self.when, self.callback = timers, when, callback

    def cancel(self) -> None:
        if self in self.timers:
            self.timers.remove(self)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_each_beats_when_its_time_has_come(clock: Clock) -> None:
    beaten: list[str] = []
    beats = Beats(clock, 15, beaten.append)
    beats.add("a")
    clock.go(10)
    beats.add("b")
    assert len(clock.timers) == 1
    clock.go(4)
    assert beaten == []
    clock.go(1)
    assert (beaten, len(beats)) == (["a"], 1)
    beats.add("a")
    clock.go(10)
    assert beaten == ["a", "b"]
    clock.go(5)
    assert (beaten, len(beats), clock.timers) == (["a", "b", "a"], 0, [])


def test_who_is_removed_does_not_beat_and_the_last_takes_the_timer_along(clock: Clock) -> None:
    beaten: list[str] = []
    beats = Beats(clock, 15, beaten.append)
    beats.add("a")
    beats.add("b")
    beats.remove("a")
    beats.remove("a")
    clock.go(15)
    assert beaten == ["b"]
    beats.add("c")
    beats.remove("c")
    assert clock.timers == []


def test_one_that_removes_another_and_one_that_raises(clock: Clock) -> None:
    beaten: list[str] = []

    def beat(one: str) -> None:
        beaten.append(one)
        if one == "a":
            beats.remove("b")
        if one == "c":
            raise ValueError(one)
        beats.add(one)

    beats = Beats(clock, 15, beat)
    for one in "abcd":
        beats.add(one)
    with pytest.raises(ValueError, match="c"):
        clock.go(15)
    assert beaten == ["a", "c"]
    clock.go(0)
    assert beaten == ["a", "c", "d"]
    assert len(clock.timers) == 1
    clock.go(15)
    assert beaten == ["a", "c", "d", "a", "d"]


def test_many_beat_in_several_turns(clock: Clock) -> None:
    beaten: list[int] = []
    beats = Beats(clock, 1, beaten.append)
    for number in range(MOST_AT_ONCE * 2 + 1):
        beats.add(number)
    clock.go(1)
    assert len(beaten) == MOST_AT_ONCE
    clock.go(0)
    clock.go(0)
    assert beaten == list(range(MOST_AT_ONCE * 2 + 1))
    assert clock.timers == []
