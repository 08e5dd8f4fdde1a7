"""Whether a connection is read: a set of reasons not to."""

from tornadolike import iostream

HANDLER = 1  # what a delegate returned is pending
TURN = 2  # others on this loop shall have their turn
AHEAD = 4  # enough was sent ahead
GONE = 8  # it is not ours any more


class Gate:
    """Lets a connection's bytes in as long as there is no reason to hold them back."""

    __slots__ = ("_stream", "reasons")

    def __init__(self, stream: iostream.IOStream) -> None:
        self._stream = stream
        self.reasons = 0

    def hold(self, reason: int) -> None:
        """Do not read until ``reason`` is taken back."""
        if not self.reasons:
            self._stream._pause_reading()
        self.reasons |= reason

    def release(self, reasons: int) -> None:
        """Take reasons back, if they are there; behind the last one reading goes on."""
        if self.reasons & reasons:
            self.reasons &= ~reasons
            if not self.reasons and not self._stream.closed():
                self._stream._resume_reading()
