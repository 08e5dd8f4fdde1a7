"""A message of a room, and its place in the room's history.

**Places.** A broker numbers the messages of each room without holes: 1, 2, 3, ... The number alone would not tell a history that was
lost and begun anew from the one before, so an id is ``EPOCH-NUMBER``. The epoch is the time, in milliseconds, at which the history began;
a later history of the same room has a larger one. Ids of one room therefore grow, and two neighbours differ by one in their number or
by their epoch: what is missing between two messages can be read off their ids.
"""

import dataclasses
import re
from typing import NamedTuple

_ID = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")

Data = str | bytes


class Place(NamedTuple):
    """Where a message stands in its room; ordered as the messages are."""

    epoch: int
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"


def place(text: str) -> Place | None:
    """The place that an id names; None for what is no id, which clients may send."""
    match = _ID.fullmatch(text)
    return Place(int(match[1]), int(match[2])) if match else None


@dataclasses.dataclass(slots=True)
class Message:
    """One message of a room, as members and listeners get it.

    * ``id``: its place, ``EPOCH-NUMBER``; what `Hub.since`, ``Last-Event-ID`` and reconnecting clients resume from.
    * ``data``: what was published, str or bytes; a dict was made JSON by `Hub.publish`.
    * ``room``: the name of the room.
    """

    id: str
    data: Data
    room: str
    mark: str = dataclasses.field(default="", repr=False, compare=False)
    """What the broker keeps with it; see `Sender.mark`."""

    @property
    def again(self) -> bool:
        """Whether it was sent to the broker once before, which did not know it: who came across a gap may have had it before that."""
        return self.mark[:1] in ("T", "B")

    @property
    def excluded(self) -> tuple[str, str]:
        """Origin and member that are not sent it; nothing: everybody is."""
        sender, _, member = self.mark.partition(":")
        return sender[1:].partition(".")[0], member


class Messages(list[Message]):
    """Messages of one room, oldest first.

    * ``complete``: False where messages after the place that was asked for are gone from the history, or where that place is of a
      history that does not exist any more.
    * ``last_id``: the place after the newest of them, to go on from; also where there are none.
    """

    def __init__(self, messages: "list[Message] | None" = None, *, complete: bool = True, last_id: str = "0-0") -> None:
        super().__init__(messages or ())
        self.complete = complete
        self.last_id = self[-1].id if self else last_id


class Progress:
    """What was received of a room: tells messages that come again and messages that are missing."""

    __slots__ = ("last",)

    def __init__(self, last: Place) -> None:
        self.last = last

    def take(self, at: Place, *, reconnected: bool = False, lost: bool = False) -> tuple[bool, bool]:
        """Whether the message at this place is new, and whether messages before it are missing.

        A new epoch begins with number 1. While the connection to the broker lasted, the old history was complete when it ended (a
        room that nobody used for long); after an interruption nobody knows what was in it behind ``last``. ``lost``: the broker has
        forgotten the end of the old one, or may have.
        """
        last = self.last
        if at <= last:
            return False, False
        self.last = at
        if at.epoch == last.epoch:
            return True, at.number != last.number + 1
        return True, at.number != 1 or lost or (reconnected and last.epoch != 0)


class Sender(NamedTuple):
    """Who sent a message."""

    origin: str
    number: int
    """Of all messages of this origin, in the order in which they were sent to the broker."""
    member: str = ""
    """Whom of the origin's members it is not for."""

    def mark(self, data: Data, *, again: bool = False) -> str:
        """``ORIGIN.NUMBER[:MEMBER]`` behind ``t`` for text or ``b`` for bytes; a capital one where it was sent before, without answer."""
        kind = "t" if isinstance(data, str) else "b"
        return f"{kind.upper() if again else kind}{self.origin}.{self.number}" + (f":{self.member}" if self.member else "")


def marked(id_: str, data: bytes, room: str, mark: str) -> Message:
    """A message as it was kept."""
    return Message(id_, data.decode("utf-8", "replace") if mark[:1] in ("t", "T") else data, room, mark)
