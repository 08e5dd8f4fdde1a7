"""What a handler's ``on_close`` does, where that is more than a call."""

import asyncio
import contextvars
import sys
from collections.abc import Awaitable
from typing import Any, Protocol

from tornadolike import gen
from tornadolike.ioloop import IOLoop


class Leaving(Protocol):
    """A handler whose connection is gone."""

    request: Any

    def on_close(self) -> Awaitable[None] | None: ...
    def log_exception(self, typ: Any, value: Any, tb: Any) -> None: ...
    def _break_cycles(self) -> None: ...


async def said(handler: Leaving, farewell: Awaitable[None]) -> None:
    """Do what a coroutine ``on_close`` has to do."""
    try:
        await (farewell if isinstance(farewell, Awaitable) else gen.convert_yielded(farewell))
    except (Exception, asyncio.CancelledError):
        handler.log_exception(*sys.exc_info())
    handler._break_cycles()


def of_one_unopened(handler: Leaving) -> None:
    """The client has left before there was a WebSocket."""
    try:
        farewell = handler.on_close()
    except Exception:
        handler.log_exception(*sys.exc_info())
        farewell = None
    if farewell is None:
        handler._break_cycles()
        return
    # In the request's own Context, which is no copy: a token of prepare() can be reset.
    context = getattr(handler.request.connection, "_request_context", None)
    task = asyncio.get_running_loop().create_task(
        said(handler, farewell), context=context if isinstance(context, contextvars.Context) else None
    )
    io_loop = IOLoop.current()
    io_loop._register_task(task)
    task.add_done_callback(io_loop._unregister_task)
