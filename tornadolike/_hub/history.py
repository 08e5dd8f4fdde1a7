"""The newest messages of a room, kept in memory."""

from collections import deque
from itertools import islice

from tornadolike._hub.messages import Data, Message, Messages, Place, place


class History:
    """Up to ``size`` messages, numbered from 1 on in this ``epoch``."""

    def __init__(self, room: str, size: int, epoch: int) -> None:
        self.room = room
        self.last = Place(epoch, 0)
        self._kept: deque[Message] = deque(maxlen=size)

    def append(self, data: Data, mark: str = "") -> Message:
        """The new last message."""
        self.last = Place(self.last.epoch, self.last.number + 1)
        message = Message(str(self.last), data, self.room, mark)
        self._kept.append(message)
        return message

    def since(self, last_id: str | None, limit: int) -> Messages:
        """At most ``limit`` messages behind ``last_id``; None: none, only the place to go on from. See `Messages.complete`."""
        if last_id is None:
            return Messages(last_id=str(self.last))
        at = place(last_id)
        if at is None or at.epoch != self.last.epoch or at.number > self.last.number:
            complete, skipped = at == Place(0, 0) and self.last.number == len(self._kept), 0
        else:
            skipped = at.number - (self.last.number - len(self._kept))
            complete = skipped >= 0
        begin = max(skipped, 0)
        return Messages(list(islice(self._kept, begin, begin + limit)), complete=complete, last_id=str(self.last))
