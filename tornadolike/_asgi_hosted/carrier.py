"""What every exchange over ASGI has: one reader, one sender, and an end."""

import asyncio
import contextvars
import functools
import types
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Protocol, cast

from tornadolike import httpserver, httputil, iostream
from tornadolike._asgi import requests
from tornadolike._asgi.interface import Message, Receive, ResponseIncomplete, Scope, Send
from tornadolike.concurrent import Future
from tornadolike.http1connection import HTTP1ConnectionParameters
from tornadolike.ioloop import IOLoop
from tornadolike.log import app_log

_running_loop = asyncio.get_running_loop  # one look-up less
_new_context = object.__new__
DEFAULT_MAX_BODY = 100 * 1024 * 1024
# How long a server may go on waiting in send() after it has said that the client is gone.
_STUCK_SECONDS = 1.0


Written = tuple[list[Message], "Future[None]"]
"""Events that belong together, and what is done when they are sent."""


class Adapter(Protocol):
    """What an exchange asks of the `ASGIAdapter`."""

    application: Any
    _strips_root_path: bool
    _starts_plainly: bool  # `_start_request` need not be asked
    _exchanges: "set[Carrier]"

    def _start_request(self, connection: Any) -> httputil.HTTPMessageDelegate:
        """The delegate that takes one request."""
        ...


class Context:
    """Who is at the other end, as far as the server says. It is filled in by `Carrier`."""

    __slots__ = ("_client", "protocol", "remote_ip")

    _client: Any
    protocol: str
    remote_ip: str

    @property
    def address(self) -> Any:
        """The address and the port, None without one."""
        return tuple(self._client) if self._client else None

    def __str__(self) -> str:
        return self.remote_ip


# As for Unix sockets on our own server: a peer without an address.
_NO_ADDRESS = "0.0.0.0"


class NoStream:
    """Stands where applications look for the stream of a connection; the socket is the ASGI server's."""

    socket = None
    error = None

    def __init__(self, connection: "Carrier") -> None:
        self._connection = connection
        self.io_loop = IOLoop.current()
        self.max_buffer_size = DEFAULT_MAX_BODY

    def closed(self) -> bool:
        """Whether the client is gone, as far as the server has said."""
        return self._connection._lost

    def reading(self) -> bool:
        """No: the server does that."""
        return False

    def writing(self) -> bool:
        """Whether something that was written waits for the server."""
        return self._connection._sending or bool(self._connection._outbox)

    def close(self, exc_info: Any = False) -> None:
        """Let the client go, with the response as it is."""
        self._connection._give_up()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """As `HTTPConnection.set_close_callback`."""
        self._connection.set_close_callback(callback)

    def set_nodelay(self, value: bool) -> None:
        """Nothing: it is the server's socket."""


class Carrier(httputil.HTTPConnection):
    """What every exchange over ASGI has: one reader of ``receive``, and one task that sends in order what was written.

    A future of a write is done when ``send`` has returned, so that the server's back-pressure reaches whoever awaits it.
    """

    # Most have one write, or one at a time: a list of one does for that.
    _outbox: "list[Written] | deque[Written] | None"
    _waiter: "Future[None] | None"
    _reader: "asyncio.Task[None] | None"
    _over: bool  # nothing more is to be sent
    _incomplete: bool  # a response that begun cannot be completed
    # Set for few exchanges, or read where few come, so they live on the class until then.
    _close_callback: Callable[[], None] | None = None
    _task: "asyncio.Task[None] | None" = None
    _stuck: asyncio.TimerHandle | None = None
    _interrupted = False
    _sending = False
    _quiet = False  # whoever has set this sends what is written
    _lost = False  # the client is gone
    _stream: NoStream | None = None
    _delegate: httputil.HTTPMessageDelegate | None = None
    _delegate_open = False
    _head_only = False  # the head is sent, or about to be, and no body event yet
    _request_context: contextvars.Context

    def __init__(self, scope: Scope, receive: Receive, send: Send, params: HTTP1ConnectionParameters) -> None:
        """Everything that an exchange begins with. Most requests need no more than this, so it is one call."""
        self.scope = scope
        self.params = params
        context = self.context = _new_context(Context)
        client = context._client = scope.get("client")
        context.remote_ip = str(client[0]) if client and client[0] else _NO_ADDRESS
        context.protocol = "http" if scope.get("scheme") == "http" else requests.scheme(scope)
        self._receive = receive
        self._send = send
        self._loop = _running_loop()
        # The application's own context is entered as long as its task runs; a copy can be handed to tasks and callbacks.
        self._request_context = contextvars.copy_context()
        # Every exchange looks at these, some of them several times: from the class that would cost eight times as much.
        self._outbox = self._waiter = self._reader = None
        self._over = self._incomplete = False

    @property
    def stream(self) -> Any:
        """A stand-in: ``closed``, ``close``, ``set_close_callback`` work, ``socket`` is None."""
        if self._stream is None:
            self._stream = NoStream(self)
        return self._stream

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have ``callback`` called, once, if the client leaves between the end of the request and that of the response."""
        self._close_callback = callback

    def detach(self) -> Any:
        """Raises `RuntimeError`: the connection is the ASGI server's, and no application's to take."""
        raise RuntimeError("the connection belongs to the ASGI server and cannot be detached")

    # -- sending

    def _put(self, messages: list[Message]) -> "Future[None]":
        future: Future[None] = Future(loop=self._loop)
        if self._over:
            future.set_exception(iostream.StreamClosedError())
            future.exception()
            return future
        outbox = self._outbox
        if not outbox:
            self._outbox = [(messages, future)]
        elif type(outbox) is list:
            self._outbox = deque((*outbox, (messages, future)))
        else:
            outbox.append((messages, future))
        if self._waiter is not None and not self._quiet:
            self._wake()
        return future

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _send_all(self) -> None:
        """Send what is written until that is all. Runs in the task that the server made for this call."""
        while not self._lost:
            if self._outbox and not self._sending:
                await self._send_next(self._take_written())
                continue
            if not self._sending:
                if self._over:
                    return
                if self._head_only:
                    await self._settle_head()
                    if self._outbox or self._over:
                        continue
            self._waiter = Future(loop=self._loop)
            await self._waiter

    def _take_written(self) -> "Written":
        """What is to be sent next; there is something."""
        outbox = self._outbox
        return outbox.popleft() if type(outbox) is deque else outbox.pop()  # type: ignore[union-attr]  # a list

    async def _send_next(self, written: "Written") -> None:
        messages, future = written
        self._sending = True
        try:
            for message in messages:
                await self._send(message)
        except OSError as error:
            # What servers raise that follow version 2.4 of the specification; the others say nothing.
            self._sending = False
            self._lose(error)
            self._fail_write(future, error)
            return
        except BaseException as error:
            self._fail_write(future, error)
            raise
        finally:
            self._sending = False
        if not future.done():
            future.set_result(None)

    async def _settle_head(self) -> None:
        """Called when all that was written is sent, and more is to come."""

    def _fail_write(self, future: "Future[None]", error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(iostream.StreamClosedError(real_error=error))
            future.exception()

    # -- endings

    def going_away(self) -> None:
        """The server will stop: tell the handler (`web.RequestHandler.on_drain`)."""
        handler = getattr(self._close_callback, "__self__", None)
        if hasattr(handler, "on_drain"):
            httpserver._tell(handler)

    def _lose(self, error: BaseException | None = None) -> None:
        """The client is gone."""
        if self._over:
            return
        self._over = self._lost = True
        self._tell_of_close()
        while self._outbox:
            self._fail_write(self._take_written()[1], error)
        self._wake()
        if self._sending and self._task is not None and self._task is not asyncio.current_task():
            self._stuck = self._loop.call_later(_STUCK_SECONDS, self._interrupt)

    def _tell_of_close(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            self._call_later(functools.partial(httputil._run_close_callback, callback))

    def _call_later(self, function: Callable[[], object]) -> None:
        """Call what belongs to the application, in the request's context, which may be entered at the moment."""
        self._loop.call_soon(_guarded, function, context=self._request_context)

    def _interrupt(self) -> None:
        if self._sending and self._task is not None:
            self._interrupted = True
            self._task.cancel()

    def _give_up(self) -> None:
        """End an exchange that cannot be completed."""
        if not self._over:
            self._incomplete = True
            self._lose()

    async def _carry(self, adapter: Adapter) -> None:
        """Send until the end of the exchange, and leave nothing running."""
        self._task = asyncio.current_task()
        adapter._exchanges.add(self)
        try:
            await self._send_all()
        except asyncio.CancelledError:
            self._lose()
            if not self._interrupted:
                raise
            cast("asyncio.Task[None]", self._task).uncancel()
        except BaseException as error:
            self._lose(error)
            raise
        finally:
            self._over = True
            self._task = None
            adapter._exchanges.discard(self)
            if self._reader is not None or self._stuck is not None:
                await self._stop()
        if self._incomplete:
            raise ResponseIncomplete("the response could not be completed; the log says why")

    async def _stop(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
        reader, self._reader, self._task = self._reader, None, None
        if reader is not None and not reader.done():
            reader.cancel()
            await asyncio.wait([reader])


def is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


@types.coroutine
def one_turn() -> Generator[None, None, None]:
    """Let those who are ready have their turn."""
    yield


def _guarded(function: Callable[[], object]) -> None:
    try:
        function()
    except (Exception, asyncio.CancelledError):  # whatever it is, the exchange has to be wound up
        app_log.error("Uncaught exception", exc_info=True)


def done() -> "Future[None]":
    future: Future[None] = Future()
    future.set_result(None)
    return future
