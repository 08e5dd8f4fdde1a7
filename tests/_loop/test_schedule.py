"""Deadlines and the grid of repeated calls."""

import datetime as dt
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._loop import schedule


@pytest.mark.parametrize(
    ("deadline", "due"),
    [(7, 7), (7.5, 7.5), (dt.timedelta(seconds=2), 102), (dt.timedelta(seconds=-2), 98), (Fraction(1, 4), 0.25), (True, 1)],
)
def test_a_number_is_a_time_and_a_timedelta_counts_from_now(deadline: float, due: float) -> None:
    assert schedule.due_time(deadline, now=100) == due


@pytest.mark.parametrize("deadline", [None, "5", dt.datetime(2020, 1, 1), 1j, [1]])
def test_other_deadlines_are_refused(deadline: float) -> None:
    with pytest.raises(TypeError, match="Unsupported deadline"):
        schedule.due_time(deadline, now=100)


@pytest.mark.parametrize(
    ("previous", "now", "following"),
    [(10, 10, 13), (10, 12.9, 13), (10, 13, 16), (10, 17, 19), (10, 4, 13), (10, -1000, 13)],
)
def test_the_next_call_is_the_first_on_the_grid_still_to_come(previous: float, now: float, following: float) -> None:
    assert schedule.next_call(previous, now, period=3) == following


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**4))
def test_the_next_call_is_later_than_now_and_less_than_a_period_away(previous: int, elapsed: int, period: int) -> None:
    now = previous + elapsed
    following = schedule.next_call(previous, now, period)
    assert now < following <= now + period
    assert (following - previous) % period == 0
