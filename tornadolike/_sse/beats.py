"""One timer for the heartbeats of all streams of a loop: a timer for each would take more memory than the stream's own state."""

from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

# So many in one turn of the loop; streams that were opened together would else keep everything else waiting.
MOST_AT_ONCE = 200


class Clock(Protocol):
    """What is needed of an event loop."""

    def time(self) -> float:
        """Now, in seconds."""

    def call_at(self, when: float, callback: Callable[[], object], /) -> Any:
        """Call it then; what is returned has ``cancel``."""


class Beats:
    """Calls ``beat`` with each of those that are waiting, once, ``seconds`` after they were added."""

    def __init__(self, clock: Clock, seconds: float, beat: Callable[[Any], object]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._beat = beat
        # Ordered by time, since all wait equally long.
        self._due: dict[Any, float] = {}
        self._timer: Any = None

    def __len__(self) -> int:
        return len(self._due)

    def add(self, one: Any) -> None:
        """From now on; who waits already begins anew."""
        self._due.pop(one, None)
        self._due[one] = due = self._clock.time() + self._seconds
        if self._timer is None:
            self._timer = self._clock.call_at(due, self._run)

    def remove(self, one: Any) -> None:
        """Not any more. Who does not wait is no error."""
        if self._due.pop(one, None) is not None and not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._timer = None
        now = self._clock.time()
        try:
            for one, due in list(islice(self._due.items(), MOST_AT_ONCE)):
                if due > now:
                    break
                if self._due.pop(one, None) is not None:  # another one's beat may have ended it
                    self._beat(one)
        finally:  # who raises does not silence the others
            if self._due:
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._clock.call_at(next(iter(self._due.values())), self._run)
