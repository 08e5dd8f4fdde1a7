from collections.abc import Callable
from typing import Any

import pytest

from tornadolike._http1.idle import MOST_AT_ONCE, IdleDeadlines


class Timer:
    def __init__(self, when: float, call: Callable[[], object]) -> None:
        self.when, self.call, self.cancelled = when, call, False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., object], /, *args: Any) -> Timer:
        self.timers.append(Timer(when, lambda: callback(*args)))
        return self.timers[-1]

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> Timer:
        return self.call_at(self.now, callback, *args)

    @property
    def pending(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.cancelled]

    def turn(self) -> None:
        """Run what is due, but not what that adds."""
        due = [timer for timer in self.pending if timer.when <= self.now]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            timer.call()


class Connection:
    def __init__(self, looked_at: list["Connection"]) -> None:
        self.looked_at = looked_at
        self.then: Callable[[], object] = lambda: None

    def look_at_deadline(self) -> None:
        self.looked_at.append(self)
        self.then()


def test_not_before_its_time_and_soon_after_it() -> None:
    clock, looked_at = Clock(), list[Connection]()
    deadlines, connection = IdleDeadlines(clock, 64.0), Connection(looked_at)
    deadlines.watch(connection, 1064.3)
    clock.now = 1064.2
    clock.turn()
    assert looked_at == []
    clock.now = 1065.3
    clock.turn()
    assert looked_at == [connection]
    assert not deadlines.slots
    assert not clock.pending


def test_many_need_few_timers_and_none_when_they_are_gone() -> None:
    clock = Clock()
    deadlines = IdleDeadlines(clock, 64.0)
    kept = []
    for number in range(1000):
        connection = Connection([])
        kept.append((connection, deadlines.watch(connection, 1064.0 + number * 0.01)))
    assert len(clock.pending) <= 11
    for connection, slot in kept:
        slot.forget(connection)
        slot.forget(connection)
    assert not clock.pending
    assert not deadlines.slots


def test_who_comes_again_is_looked_at_again() -> None:
    clock, looked_at = Clock(), list[Connection]()
    deadlines, connection = IdleDeadlines(clock, 64.0), Connection(looked_at)
    connection.then = lambda: len(looked_at) < 2 and deadlines.watch(connection, clock.now + 10)
    deadlines.watch(connection, 1064.0)
    for clock.now in (1064.0, 1069.0, 1075.0, 1200.0):
        clock.turn()
    assert looked_at == [connection] * 2


def test_others_have_a_turn_and_one_that_raises_stops_nobody() -> None:
    clock, looked_at = Clock(), list[Connection]()
    deadlines = IdleDeadlines(clock, 64.0)
    connections = [Connection(looked_at) for _ in range(2 * MOST_AT_ONCE)]
    slots = [deadlines.watch(connection, 1064.0) for connection in connections]
    connections[3].then = lambda: 1 / 0
    connections[4].then = lambda: slots[5].forget(connections[5])
    clock.now = 1064.0
    with pytest.raises(ZeroDivisionError):
        clock.turn()
    assert len(looked_at) == 4
    clock.turn()
    assert len(looked_at) == 4 + MOST_AT_ONCE - 1
    clock.turn()
    assert looked_at == [connection for connection in connections if connection is not connections[5]]
    assert not clock.pending
