"""When requests have taken too long, and idle connections have lain long enough: one timer for many."""

import math
import time
from collections.abc import Callable
from contextvars import Context
from typing import Protocol

from tornadolike.ioloop import IOLoop


class Alarm:
    """A timer for many deadlines (of `time.monotonic`): ``ring`` is called at the earliest, and has to `set` the next one.

    To arm and to cancel a timer for each costs more than to remember when it would be due.
    """

    __slots__ = ("_io_loop", "_ring", "_timer", "due")

    def __init__(self, io_loop: IOLoop, ring: Callable[[], None]) -> None:
        self.due = math.inf
        self._io_loop = io_loop
        self._ring = ring
        self._timer: object = None

    def set(self, deadline: float | None) -> None:
        """Ring at ``deadline``, and not before; None: not at all."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._io_loop.remove_timeout(timer)
        self.due = math.inf if deadline is None else deadline
        if deadline is not None:
            self._timer = self._io_loop.call_later(max(deadline - time.monotonic(), 0), self._go_off)

    def _go_off(self) -> None:
        self._timer = None
        self._ring()


class Request(Protocol):
    """What may take too long."""

    _context: Context

    def _on_timeout(self, info: str | None = None) -> None: ...


class Timeouts:
    """By when the requests of a client have to be done."""

    __slots__ = ("_alarm", "_deadlines")

    def __init__(self, io_loop: IOLoop) -> None:
        self._deadlines: dict[Request, float] = {}
        self._alarm = Alarm(io_loop, self._look)

    def watch(self, request: Request, deadline: float) -> None:
        """Have ``request._on_timeout`` called at ``deadline`` (of `time.monotonic`), unless it is forgotten before."""
        self._deadlines[request] = deadline
        if deadline < self._alarm.due:
            self._alarm.set(deadline)

    def forget(self, request: Request) -> None:
        self._deadlines.pop(request, None)

    def close(self) -> None:
        """Stop the timer, if no request is left that it could be for."""
        if not self._deadlines:
            self._alarm.set(None)

    def _look(self) -> None:
        now = time.monotonic()
        late = [request for request, deadline in self._deadlines.items() if deadline <= now]
        for request in late:
            del self._deadlines[request]
        self._alarm.set(min(self._deadlines.values(), default=None))
        for request in late:
            request._context.copy().run(request._on_timeout, "during request")
