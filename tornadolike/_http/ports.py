"""What servers, carriers and applications ask of one another, besides what Tornado has names for."""

from collections.abc import Iterable
from typing import Any, Protocol


class ServerConnection(Protocol):
    """What a server holds of a connection that carries requests: the port for draining and deadlines."""

    stream: Any

    def wind_down(self, idle_seconds: float = 0.0) -> None:
        """Close the connection if it has been idle for so long; else the answer under way, or the next one, is the last."""
        ...

    def exchanges(self) -> Iterable[Any]:
        """The requests under way, each by what carries it."""
        ...

    def stages(self) -> Iterable[tuple[object, bool]]:
        """What must come to an end: an object for each request, and whether its head is incomplete. Bodies have a limit of their own."""
        ...

    def cut_off(self, exchange: object, last_words: bytes) -> None:
        """End one of `stages`, with ``last_words`` (a response of HTTP/1.1) where nothing was answered yet."""
        ...

    async def close(self) -> None:
        """Close the connection, with whatever is in flight on it."""
        ...
