"""By when the request that is being handled has to be answered, for whatever is asked of others on its behalf."""

from contextvars import ContextVar

current: ContextVar[float | None] = ContextVar("tornadolike_request_deadline", default=None)
"""The time, on the clock of `time.monotonic`; None where there is no deadline. Set in the context of the handler."""


def remaining(now: float) -> float | None:
    """Seconds that are left at the time ``now``, never below 0; None where there is no deadline."""
    end = current.get()
    return None if end is None else max(0.0, end - now)
