"""A request on its way to its handler: collected until it is whole, or handed over piece by piece."""

import asyncio
import contextvars
import functools
import math
import operator
from asyncio import Future
from collections.abc import Awaitable
from typing import Any

from tornadolike import httputil
from tornadolike._web_io import tasks
from tornadolike.concurrent import future_set_result_unless_cancelled
from tornadolike.iostream import StreamClosedError

# What of the application may run while a handler is made.
_making_of = operator.attrgetter("__init__", "initialize", "set_default_headers")


def end_body_early(request: httputil.HTTPServerRequest) -> None:
    """Tell a handler that streams: no more of the body will come."""
    body = request._body_future
    if not body.done():
        body.set_exception(StreamClosedError())
        # The handler may be gone already; then nobody else looks at it.
        body.exception()


async def body_complete(request: httputil.HTTPServerRequest, prepared: Future[None] | None) -> bool:
    """Wait for the end of a streamed body, now that its handler is ``prepared``; False when the client went away before."""
    if prepared is not None:
        future_set_result_unless_cancelled(prepared, None)
    try:
        await request._body_future
    except StreamClosedError as error:
        error.__traceback__ = None  # it leads by way of this frame and the request back to the future that holds the error
        return False
    return True


class RequestCollector(httputil.HTTPMessageDelegate):
    """Collects a request for a handler, and starts the handler when the request, or its head, is there."""

    handler: Any
    task: Future[None] | None = None  # of a handler that streams, as long as there is more of the body

    def __init__(
        self,
        application: Any,
        request: httputil.HTTPServerRequest,
        handler_class: Any,
        handler_kwargs: dict[str, Any] | None,
        path_args: list[bytes] | None,
        path_kwargs: dict[str, bytes] | None,
    ) -> None:
        self.application = application
        self.request = request
        self.connection = request.connection
        self.handler_class = handler_class
        self.handler_kwargs = handler_kwargs or {}
        self.path_args = path_args or []
        self.path_kwargs = path_kwargs or {}
        self.stream_request_body = handler_class._stream_request_body
        self.chunks: bytes | bytearray | None = None

    def _forget_caches(self, settings: dict[str, Any]) -> None:
        """Make changed files visible, where ``settings`` say so."""
        raise NotImplementedError

    def _make_substitute(self, error: Exception) -> Any:
        """The handler that answers where the making of the handler has raised ``error``."""
        raise NotImplementedError

    def _make_as_part_of_connection(self) -> Any:
        """The handler. What it runs of the application may ask for `asyncio.current_task`, and gets that of the connection."""
        connection: Any = self.connection
        served = issubclass(type(connection), httputil.HTTPConnection)  # by a server, and no mock of it
        task = connection._task_of_connection() if served else None
        return tasks.as_part_of(task, self.handler_class, self.application, self.request, **self.handler_kwargs)

    def _begin_streaming(self) -> Awaitable[None] | None:
        self.request._body_future = Future()
        return self.execute()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self.stream_request_body:
            return self._hand_over(chunk)
        if self.chunks is None:
            self.chunks = chunk if type(chunk) is bytes else bytearray(chunk)
        else:
            if type(self.chunks) is bytes:  # one alone is not copied
                self.chunks = bytearray(self.chunks)
            self.chunks += chunk
        return None

    def _hand_over(self, chunk: bytes) -> Awaitable[None] | None:
        try:
            taking = tasks.as_part_of(self.task, self.handler.data_received, chunk)
            if isinstance(taking, asyncio.Future) and taking.done():  # nothing to wait for
                taking = taking.result()
        except (Exception, asyncio.CancelledError) as error:
            self._answer_failed_piece(error)
            return None
        return None if taking is None else self._wait_for_taking(taking)

    async def _wait_for_taking(self, taking: Awaitable[None]) -> None:
        try:
            await taking
        except (Exception, asyncio.CancelledError) as error:
            self._answer_failed_piece(error)

    def _answer_failed_piece(self, error: BaseException) -> None:
        """The handler's ``data_received`` has raised ``error``, which is being handled."""
        if tasks.is_cancelled(error):
            raise error  # it is meant for who reads the connection
        self.handler._RequestHandler__answer_exception(error)

    def finish(self) -> None:
        if self.stream_request_body:
            self.task = None
            future_set_result_unless_cancelled(self.request._body_future, None)
            return
        chunks = self.chunks
        if chunks is not None:
            self.request.body = bytes(chunks)
            self.chunks = None
        self.execute()

    def on_connection_close(self) -> None:
        for observe in httputil._loss_observers:
            observe(self)
        if not self.stream_request_body:
            self.chunks = None
            return
        self.task = None
        try:
            self.handler.on_connection_close()
        finally:
            # Where it was overridden, and did not say so itself: the handler must not wait for its body for ever.
            end_body_early(self.request)

    def execute(self) -> Awaitable[None] | None:
        """Start the handler. Returns what data must wait for: ``prepare()`` of a handler that streams, else None."""
        application, request = self.application, self.request
        settings = application.settings
        if "compiled_template_cache" in settings or "static_hash_cache" in settings:
            self._forget_caches(settings)
        handler_class = self.handler_class
        try:
            if _making_of(handler_class) == handler_class._RequestHandler__plain_making:
                # The usual case: it runs nothing of the application.
                kwargs = self.handler_kwargs
                handler = handler_class(application, request, **kwargs) if kwargs else handler_class(application, request)
            else:
                handler = self._make_as_part_of_connection()
        except Exception as error:
            handler = self._make_substitute(error)
        self.handler = handler
        transforms = [transform(request) for transform in application.transforms] if application.transforms else []
        if self.stream_request_body:
            handler._prepared_future = Future()
        course = handler._execute
        running: Any = course(transforms, *self.path_args, **self.path_kwargs) if self.path_args or self.path_kwargs else course(transforms)
        seconds = getattr(handler, "request_deadline", None) or settings.get("request_deadline")
        if seconds is not None and seconds < math.inf:
            running = tasks.within(seconds, functools.partial(handler._RequestHandler__is_late, seconds), running)
        # The one Context of the handler and of all that follows is that of the request. Around `Application.__call__` something may have
        # set variables, though, which it resets when the call returns (``with tracer.start_as_current_span(...): application(request)``):
        # then it is a copy made now, that keeps them.
        connection: Any = self.connection
        try:
            context, clean, at_once = connection._request_context, connection._clean_context, connection._runs_at_once
        except AttributeError:
            context, clean, at_once = None, None, False  # a double
        if type(clean) is contextvars.Context and (here := contextvars.copy_context()) != clean:
            context = connection._request_context = here
        if at_once is True and not self.stream_request_body and tasks.keeps_itself(running):
            tasks.run_at_once(handler, running, connection)
            return None
        task = tasks.start(running, context)
        self.task = task if self.stream_request_body else None
        handler._RequestHandler__task = task
        return handler._prepared_future  # type: ignore[no-any-return]  # of a handler, which is web's
