"""Time-outs of idle connections: one timer for many, since one for each would weigh more than all else that they have."""

import math
from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

# The time-out is kept to within so many parts of it, and never ends early.
_PARTS = 64
# So many in one turn of the loop; connections that were opened together would else keep everything else waiting.
MOST_AT_ONCE = 200


class Clock(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float:
        """Now, in seconds."""

    def call_at(self, when: float, callback: Callable[..., object], /, *args: Any) -> Any:
        """Call it then; what is returned has ``cancel``."""

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> Any:
        """Call it in the next turn."""


class Waiting(Protocol):
    """A connection."""

    def look_at_deadline(self) -> None:
        """Go, or be watched again."""


class Slot(dict[Waiting, None]):
    """Those that are looked at together. A dictionary: a set of as many takes twice the memory."""

    __slots__ = ("_deadlines", "_number", "timer")

    def __init__(self, deadlines: "IdleDeadlines", number: int) -> None:
        super().__init__()
        self._deadlines = deadlines
        self._number = number
        self.timer: Any = None

    def forget(self, one: Waiting) -> None:
        """It need not be looked at any more."""
        self.pop(one, None)
        if not self and self.timer is not None:
            self.timer.cancel()
            self.timer = None
            self._deadlines.slots.pop(self._number, None)


class IdleDeadlines:
    """Has connections with one and the same time-out looked at when their time has come."""

    __slots__ = ("_clock", "_step", "slots")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._step = seconds / _PARTS
        self.slots: dict[int, Slot] = {}

    def watch(self, one: Waiting, when: float) -> Slot:
        """Look at it at that time of the clock, or a little later; what is returned can `Slot.forget` it."""
        number = math.ceil(when / self._step)
        slot = self.slots.get(number)
        if slot is None:
            slot = self.slots[number] = Slot(self, number)
            slot.timer = self._clock.call_at(number * self._step, self._look, number)
        slot[one] = None
        return slot

    def _look(self, number: int) -> None:
        slot = self.slots.pop(number, None)
        if slot is not None:
            slot.timer = None
            self._go_through(slot)

    def _go_through(self, slot: Slot) -> None:
        try:
            for one in list(islice(slot, MOST_AT_ONCE)):
                if one in slot:  # another one's end may have been its own
                    del slot[one]
                    one.look_at_deadline()
        finally:  # who raises does not save the others
            if slot:
                self._clock.call_soon(self._go_through, slot)
