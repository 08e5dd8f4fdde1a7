"""The types of the ASGI interface, and what is raised through it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]


class ResponseIncomplete(Exception):
    """Raised out of an `ASGIAdapter` to the server where a response cannot be completed, so that the client can tell.

    What went wrong has been logged. ASGI has no message for it; servers close the connection, or reset the stream.
    """


class ClientDisconnected(OSError):
    """Raised by the ``send`` of an application in an `ASGIContainer` when its client is gone (the specification's version 2.4)."""


# They are named in `tornadolike.asgi`.
ResponseIncomplete.__module__ = ClientDisconnected.__module__ = "tornadolike.asgi"
