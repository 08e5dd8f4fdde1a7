"""When something is due: the arithmetic of deadlines and of repeated calls. Times and spans are in seconds."""

import datetime as dt
import math
import numbers


def due_time(deadline: dt.timedelta | float, now: float) -> float:
    """The time that a deadline means: a number is a time already, a `datetime.timedelta` counts from ``now``.

    Raises `TypeError` for everything else.
    """
    if isinstance(deadline, dt.timedelta):
        return now + deadline.total_seconds()
    if isinstance(deadline, (float, int)):
        return deadline
    if isinstance(deadline, numbers.Real):
        return float(deadline)
    raise TypeError(f"Unsupported deadline {deadline!r}")


def next_call(previous: float, now: float, period: float) -> float:
    """The first time on the grid ``previous + n * period`` that is still to come.

    Calls that were missed, because a callback or the machine was slow, are left out rather than made up for. A clock that went
    backwards does not move the grid: the call after ``previous`` is one period later.
    """
    missed = math.floor((now - previous) / period) if now >= previous else 0
    return previous + (missed + 1) * period
