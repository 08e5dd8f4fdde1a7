"""One event, written as lines and read from them (HTML standard §9.2.5, §9.2.6)."""

import codecs
import dataclasses
import re

# What ends a line for who reads. In data it makes another line; in the other fields, which are one line, it is refused.
_LINE_END = re.compile(r"\r\n|\r|\n")
_NOT_IN_FIELD = re.compile(r"[\r\n]")


@dataclasses.dataclass(slots=True)
class ServerSentEvent:
    """One event of an event stream.

    * ``data``: the text; its lines may end in LF, CR LF or CR, which arrive as LF. None: an event that nobody is told of, but whose
      ``id`` and ``retry`` count.
    * ``event``: its type; empty is ``message``.
    * ``id``: what a client that comes back says it saw last, as ``Last-Event-ID``. None: that of the event before stays; empty: none.
    * ``retry``: milliseconds after which a client shall come back; None: as before.
    * ``comment``: lines that clients ignore.
    """

    data: str | None = None
    event: str = ""
    id: str | None = None
    retry: int | None = None
    comment: str = ""


def encode(event: ServerSentEvent) -> bytes:
    """The event as it is sent.

    Raises `ValueError` where ``event`` or ``id`` has a line end, which would begin a field of its own, or ``id`` has a NUL, which clients
    ignore the whole id for.
    """
    lines = [f": {line}" for line in _LINE_END.split(event.comment)] if event.comment else []
    if event.event:
        if _NOT_IN_FIELD.search(event.event):
            raise ValueError(f"the type of an event is one line, not {event.event!r}")
        lines.append(f"event: {event.event}")
    if event.id is not None:
        if _NOT_IN_FIELD.search(event.id) or "\0" in event.id:
            raise ValueError(f"the id of an event is one line without NUL, not {event.id!r}")
        lines.append(f"id: {event.id}" if event.id else "id")
    if event.retry is not None:
        if not 0 <= event.retry < 1 << 31:
            raise ValueError(f"retry is milliseconds, 0 or more, not {event.retry!r}")
        lines.append(f"retry: {event.retry:d}")
    if event.data is not None:
        lines += [f"data: {line}" for line in _LINE_END.split(event.data)]
    if not lines:
        lines = [":"]
    return ("\n".join(lines) + "\n\n").encode()


class EventStreamTooLong(ValueError):
    """One line or event is longer than the reader allows."""


class EventReader:
    """Makes events of pieces of an event stream, wherever they were cut.

    ``last_id`` is what to send as ``Last-Event-ID`` when coming back, ``retry`` the milliseconds to wait before, None where the server did
    not say.
    """

    def __init__(self, max_event_bytes: int = 1 << 20) -> None:
        self.last_id = ""
        self.retry: int | None = None
        self.max_event_bytes = max_event_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""
        self._after_cr = False
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id: str | None = None

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that are complete with this piece. Raises `EventStreamTooLong`."""
        text = self._decoder.decode(data)
        if self._after_cr and text:
            # The CR that ended the piece before ended its line; an LF behind it belongs to it.
            text = text.removeprefix("\n")
            self._after_cr = False
        *lines, self._rest = _LINE_END.split(self._rest + text)
        self._after_cr = text.endswith("\r") if text else self._after_cr
        events = [event for line in lines if (event := self._line(line)) is not None]
        if self._size + len(self._rest) > self.max_event_bytes:
            raise EventStreamTooLong(f"an event of more than {self.max_event_bytes} characters")
        return events

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value) + 1
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = min(int(value[:12]), (1 << 31) - 1)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        """The end of an event. One without data is not told, but its id counts (§9.2.6)."""
        if self._id is not None:
            self.last_id = self._id
        data, event = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        return ServerSentEvent("\n".join(data), event or "message", self.last_id) if data else None
