"""The lifespan of an application inside."""

import asyncio
import contextvars
from typing import Any

from tornadolike._asgi import messages, scopes
from tornadolike._asgi.interface import ASGIApplication, Message, Scope
from tornadolike.concurrent import Future
from tornadolike.log import app_log


def settle(future: "Future[None] | None") -> None:
    """Let go whoever waits, if anybody does still."""
    if future is not None and not future.done():
        future.set_result(None)


class Life:
    """The lifespan of an application."""

    _task: "asyncio.Task[None]"
    _started: "Future[None]"
    _leave: "Future[None]"

    def __init__(self, app: ASGIApplication, mode: str, timeout: float) -> None:
        self.state: dict[str, Any] = {}
        self.failure: str | None = None
        self._app = app
        self._mode = mode
        self._timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = self._ended = False

    def is_started(self) -> bool:
        """Whether requests may be let through."""
        return self._mode == "off" or (self._loop is not None and self._started.done() and self.failure is None)

    async def start(self) -> None:
        """Raises `RuntimeError` where it fails, or has failed."""
        if self._mode == "off":
            return
        if self._loop is None or self._loop.is_closed():
            self._start_lifespan()
        await asyncio.shield(self._started)
        if self.failure is not None:
            raise RuntimeError(self.failure)

    def _start_lifespan(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._started, self._leave = Future(), Future()
        self._asked = self._ended = False
        self.failure = None
        self.state.clear()
        # It belongs to no request: not in the context of the first one.
        self._task = loop.create_task(self._run(), context=contextvars.Context())
        timer = loop.call_later(self._timeout, self._on_timeout)
        self._started.add_done_callback(lambda _: timer.cancel())

    def _on_timeout(self) -> None:
        self._fail(f"the start-up of an ASGI application took more than {self._timeout:g} seconds")
        self._task.cancel()

    def _fail(self, text: str, error: BaseException | None = None) -> None:
        if not self._started.done():
            self.failure = text
            app_log.error("%s", text[0].upper() + text[1:], exc_info=error)
            self._started.set_result(None)

    async def _run(self) -> None:
        scope: Scope = {"type": "lifespan", "asgi": dict(scopes.LIFESPAN_VERSIONS), "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            self._fail("the start-up of an ASGI application was cancelled")
            raise
        except Exception as error:
            self._on_error(error)
        finally:
            settle(self._started)

    def _on_error(self, error: Exception) -> None:
        if self._started.done():
            if not self._ended and self.failure is None:
                app_log.error("The lifespan of an ASGI application ended with an exception", exc_info=error)
        elif self._mode == "on":
            self._fail("the start-up of an ASGI application failed", error)
        # Else: an application without a lifespan says so by an exception.

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await asyncio.shield(self._leave)
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind, told = message["type"], message.get("message", "")
        if kind == "lifespan.startup.complete":
            settle(self._started)
        elif kind == "lifespan.startup.failed":
            self._fail(f"the start-up of an ASGI application failed: {told}")
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            self._ended = True
            # Else it was cancelled with the whole loop, and says no more than that.
            if kind.endswith("failed") and self._leave.done():
                app_log.error("The shutdown of an ASGI application failed: %s", told)
        else:
            raise messages.MessageError(f"not a message of a lifespan: {kind!r}")

    async def end(self, grace: float) -> None:
        """Run the shutdown, for at most ``grace`` seconds; afterwards it can be started anew."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        if self._started.done():
            settle(self._leave)
        else:
            self._task.cancel()
        await asyncio.wait([self._task], timeout=grace)
        if not self._task.done():
            app_log.error("The shutdown of an ASGI application took more than %g seconds, and was cancelled", grace)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=grace)
