"""Lines of the access log on the beginning and the end of a WebSocket."""

from typing import Any, Protocol


class Connection(Protocol):
    """What a line tells of a connection."""

    close_code: int | None
    _messages_in: int
    _messages_out: int
    _opened: float


def line(event: str, summary: str, connection: Connection, now: float) -> tuple[Any, ...]:
    """The format and its arguments for ``event``, "open" or "close", of a request that is summed up."""
    if event == "open":
        return "WebSocket opened %s", summary
    counts = connection._messages_in, connection._messages_out
    return "WebSocket closed %s code=%s %.3fs, %d messages in, %d out", summary, connection.close_code, now - connection._opened, *counts
