"""ASGI, in both directions: a Tornado application on any ASGI server, and ASGI applications inside a Tornado application.

`ASGIAdapter` is an ASGI 3 application made from an `.Application`, with no change to any handler::

    app = tornado.web.Application([(r"/", Hello), (r"/chat", Chat)])
    asgi = tornado.asgi.ASGIAdapter(app)  # uvicorn module:asgi, hypercorn, granian --interface asgi, daphne

`ASGIContainer` goes the other way: Starlette, FastAPI, Django, Quart, Litestar behind a rule, next to Tornado's handlers, on the
same port; `Mount` puts one under a path::

    app = tornado.web.Application([(r"/", Hello), Mount("/api", fastapi_app)])

Neither needs a package beyond tornadolike. This module is not in Tornado 6.6.
"""

import asyncio
import contextlib
import contextvars
import functools
import inspect
import logging
import os
import re
import stat
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, cast
from weakref import WeakSet, ref

import tornadolike
from tornadolike import gen, httpserver, httputil, iostream, websocket
from tornadolike._asgi import messages, requests, responses, scopes
from tornadolike._http.grammar import WIRE_SPELLINGS
from tornadolike._http.log_text import one_line
from tornadolike._http.response_head import ResponseHead
from tornadolike._websocket import handshake
from tornadolike.concurrent import Future
from tornadolike.escape import json_encode, utf8
from tornadolike.http1connection import HTTP1ConnectionParameters, _GzipMessageDelegate, parse_int
from tornadolike.ioloop import IOLoop
from tornadolike.log import access_log, app_log, gen_log
from tornadolike.routing import PathMatches, Rule

Message = MutableMapping[str, Any]
"""What ``receive`` returns and ``send`` takes."""
Scope = MutableMapping[str, Any]
"""What a connection is about; ``scope["type"]`` is the protocol."""
Receive = Callable[[], Awaitable[Message]]
"""How an application gets the next message."""
Send = Callable[[Message], Awaitable[None]]
"""How an application sends one."""
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""

_DEFAULT_SERVER = f"TornadoServer/{tornadolike.version}"
_DEFAULT_MAX_BODY = 100 * 1024 * 1024
# Turns of the loop in which a file, or a body, may follow a head that was flushed by itself, before the head goes out alone.
_TURNS_FOR_BODY = 3
# How long a server may go on waiting in send() after it has said that the client is gone.
_STUCK_SECONDS = 1.0


# Takes the place of the line on ``tornado.access``: start line, status, context of the connection, seconds. `access_log` sets it.
_log_line: "Callable[[httputil.RequestStartLine, int, Any, float], None] | None" = None


class ResponseIncomplete(Exception):
    """Raised out of an `ASGIAdapter` to the server where a response cannot be completed, so that the client can tell.

    What went wrong has been logged. ASGI has no message for it; servers close the connection, or reset the stream.
    """


class _Context:
    """Who is at the other end, as far as the server says."""

    __slots__ = ("address", "protocol", "remote_ip")

    def __init__(self, scope: Scope) -> None:
        client = scope.get("client")
        self.address = tuple(client) if client else None
        # As for Unix sockets on our own server: a peer without an address.
        self.remote_ip = str(client[0]) if client and client[0] else "0.0.0.0"
        self.protocol = requests.scheme(scope)

    def __str__(self) -> str:
        return self.remote_ip


class _NoStream:
    """Stands where applications look for the stream of a connection; the socket is the ASGI server's."""

    socket = None
    error = None

    def __init__(self, connection: "_Carrier") -> None:
        self._connection = connection
        self.io_loop = IOLoop.current()
        self.max_buffer_size = _DEFAULT_MAX_BODY

    def closed(self) -> bool:
        """Whether the client is gone, as far as the server has said."""
        return self._connection._lost

    def close(self, exc_info: Any = False) -> None:
        """Let the client go, with the response as it is."""
        self._connection._give_up()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """As `HTTPConnection.set_close_callback`."""
        self._connection.set_close_callback(callback)

    def set_nodelay(self, value: bool) -> None:
        """Nothing: it is the server's socket."""


class _Carrier(httputil.HTTPConnection):
    """What every exchange over ASGI has: one reader of ``receive``, and one task that sends in order what was written.

    A future of a write is done when ``send`` has returned, so that the server's back-pressure reaches whoever awaits it.
    """

    # Set for few exchanges, so they live on the class until then.
    _close_callback: Callable[[], None] | None = None
    _waiter: "Future[None] | None" = None
    _reader: "asyncio.Task[None] | None" = None
    _task: "asyncio.Task[None] | None" = None
    _stuck: asyncio.TimerHandle | None = None
    _interrupted = False
    _sending = False
    _quiet = False  # whoever has set this sends what is written
    _over = False  # nothing more is to be sent
    _lost = False  # the client is gone
    _incomplete = False  # a response that begun cannot be completed
    _stream: _NoStream | None = None
    _delegate: httputil.HTTPMessageDelegate | None = None
    _delegate_open = False
    _head_only = False  # the head is sent, or about to be, and no body event yet
    _request_context: contextvars.Context

    def __init__(self, scope: Scope, receive: Receive, send: Send, params: HTTP1ConnectionParameters) -> None:
        self.scope = scope
        self.params = params
        self.context = _Context(scope)
        self._receive = receive
        self._send = send
        self._outbox: deque[tuple[list[Message], Future[None]]] = deque()
        # The application's own context is entered as long as its task runs; a copy can be handed to tasks and callbacks.
        self._request_context = contextvars.copy_context()

    @property
    def stream(self) -> Any:
        """A stand-in: ``closed``, ``close``, ``set_close_callback`` work, ``socket`` is None."""
        if self._stream is None:
            self._stream = _NoStream(self)
        return self._stream

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have ``callback`` called, once, if the client leaves between the end of the request and that of the response."""
        self._close_callback = callback

    def detach(self) -> Any:
        """Raises `RuntimeError`: the connection is the ASGI server's, and no application's to take."""
        raise RuntimeError("the connection belongs to the ASGI server and cannot be detached")

    def _start(self, adapter: "ASGIAdapter", start_line: httputil.RequestStartLine, pairs: requests.Pairs) -> Awaitable[None] | None:
        """Give the head to whoever will answer; returns what the body has to wait for."""
        headers = httputil.HTTPHeaders._from_wire(pairs)
        delegate = adapter._start_request(self)
        self._delegate = delegate
        self._delegate_open = True
        return delegate.headers_received(start_line, headers)

    # -- sending

    def _put(self, messages: list[Message]) -> "Future[None]":
        future: Future[None] = Future()
        if self._over:
            future.set_exception(iostream.StreamClosedError())
            future.exception()
            return future
        self._outbox.append((messages, future))
        if not self._quiet:
            self._wake()
        return future

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            _settle(waiter)

    async def _send_all(self) -> None:
        """Send what is written until that is all. Runs in the task that the server made for this call."""
        while not self._lost:
            if self._outbox and not self._sending:
                await self._send_next()
                continue
            if not self._sending:
                if self._over:
                    return
                if self._head_only:
                    await self._settle_head()
                    if self._outbox or self._over:
                        continue
            self._waiter = Future()
            await self._waiter

    async def _send_next(self) -> None:
        messages, future = self._outbox.popleft()
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

    def _lose(self, error: BaseException | None = None) -> None:
        """The client is gone."""
        if self._over:
            return
        self._over = self._lost = True
        self._tell_of_close()
        while self._outbox:
            self._fail_write(self._outbox.popleft()[1], error)
        self._wake()
        if self._sending and self._task is not None and self._task is not asyncio.current_task():
            self._stuck = asyncio.get_running_loop().call_later(_STUCK_SECONDS, self._interrupt)

    def _tell_of_close(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            self._call_later(functools.partial(httputil._run_close_callback, callback))

    def _call_later(self, function: Callable[[], object]) -> None:
        """Call what belongs to the application, in the request's context, which may be entered at the moment."""
        asyncio.get_running_loop().call_soon(_guarded, function, context=self._request_context)

    def _interrupt(self) -> None:
        if self._sending and self._task is not None:
            self._interrupted = True
            self._task.cancel()

    def _give_up(self) -> None:
        """End an exchange that cannot be completed."""
        if not self._over:
            self._incomplete = True
            self._lose()

    async def _carry(self) -> None:
        """Send until the end of the exchange, and leave nothing running."""
        self._task = asyncio.current_task()
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


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


@types.coroutine
def _one_turn() -> Generator[None, None, None]:
    """Let those who are ready have their turn."""
    yield


def _guarded(function: Callable[[], object]) -> None:
    try:
        function()
    except (Exception, asyncio.CancelledError):  # whatever it is, the exchange has to be wound up
        app_log.error("Uncaught exception", exc_info=True)


class _HTTPExchange(_Carrier):
    """One request and its response."""

    is_client = False
    _read_all = False
    _started = False
    _finished = False
    _has_content = True  # such as answers to HEAD have none
    _said_last = False  # in an event that is sent, or waits to be
    _broken = False
    _unsent: int | None = None
    _body_size = 0
    _body_timer: asyncio.TimerHandle | None = None
    _body_limit_set: int | None = None
    _body_timeout: float | None = None

    def __init__(self, scope: Scope, receive: Receive, send: Send, params: HTTP1ConnectionParameters) -> None:
        super().__init__(scope, receive, send, params)
        self._method: str = scope["method"]
        self._version = requests.version(scope)

    async def run(self, adapter: "ASGIAdapter") -> None:
        """Have ``adapter``'s application answer; returns when it has, or the client is gone."""
        try:
            wanted = self._request_context.run(self._begin, adapter)
            if wanted is not None or not self._read_all:
                self._reader = asyncio.create_task(self._read(wanted))
        except (Exception, asyncio.CancelledError) as error:  # nothing was awaited: it is the application's
            self._failed(error)
        if self._reader is None and await self._is_answered_at_once():
            return
        await self._carry()
        if self._delegate_open:
            # It was answered before it was there; who reads it shall not wait for the rest.
            self._tell_of_close()
        self._delegate = None  # which leads back to us

    async def _is_answered_at_once(self) -> bool:
        """Give the handler one turn of the loop: most need no more, and nobody has to look whether their clients are still there."""
        if not self._over:
            try:
                await _one_turn()
            except asyncio.CancelledError:
                self._lose()
                raise
        if not self._over:
            self._reader = asyncio.create_task(self._until_disconnect())
            return False
        if len(self._outbox) != 1 or self._incomplete:
            return False
        self._delegate = None  # which leads back to us
        await self._send_next()
        return True

    def _begin(self, adapter: "ASGIAdapter") -> Awaitable[None] | None:
        """Give the head to the application; returns what the body has to wait for."""
        pairs = requests.fields(self.scope["headers"])
        target = requests.target(self.scope, adapter._strips_root_path)
        self._root_path = target.root_path
        self._read_all = not requests.may_have_body(self._method, self._version, pairs)
        wanted = self._start(adapter, httputil.RequestStartLine(self._method, target.uri, self._version), pairs)
        if wanted is None and self._read_all:
            self._end_request()
        return wanted

    # -- reading

    async def _read(self, wanted: Awaitable[None] | None) -> None:
        """Give the body to the delegate, piece by piece as it is ready for them; then wait for the client to leave."""
        try:
            if wanted is not None:
                await gen.convert_yielded(wanted)
            if not self._read_all:
                self._start_body_timer()
                await self._read_body()
            elif not self._over:
                self._request_context.run(self._end_request)
            await self._until_disconnect()
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            self._failed(error)  # what the application waited for was cancelled
        except Exception as error:
            self._failed(error)

    async def _read_body(self) -> None:
        delegate = self._delegate
        assert delegate is not None
        if requests.announced_length(self.scope["headers"]) > self._body_limit():
            raise httputil.HTTPInputError("Content-Length too long")
        while not self._over:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._lose()
                return
            chunk = message.get("body", b"")
            if chunk and not self._finished:
                self._count_body(len(chunk))
                wanted = self._request_context.run(delegate.data_received, bytes(chunk))
                if wanted is not None:
                    await gen.convert_yielded(wanted)
            if not message.get("more_body", False):
                self._request_context.run(self._end_request)
                return

    def _count_body(self, size: int) -> None:
        self._body_size += size
        if self._body_size > self._body_limit():
            raise httputil.HTTPInputError("body too large")

    def _body_limit(self) -> int:
        for limit in (self._body_limit_set, self.params.max_body_size):
            if limit is not None:
                return limit
        return _DEFAULT_MAX_BODY

    def _end_request(self) -> None:
        """The request is complete."""
        if self._body_timer is not None:
            self._body_timer.cancel()
        self._read_all = True
        delegate = self._delegate
        if self._finished or self._over or delegate is None:
            self._delegate_open = False
            return
        self._delegate_open = False
        try:
            delegate.finish()
        except Exception:
            self._delegate_open = True
            raise

    async def _until_disconnect(self) -> None:
        # One reader, since ``receive`` is not for two. What a body without content still has to say is passed over.
        while not self._over:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                # Servers say so after a complete response too: that is no client who left.
                if not (self._finished or self._said_last):
                    self._lose()
                return

    def set_max_body_size(self, max_body_size: int) -> None:
        """Largest body of this request in bytes; has to be called before the body is read."""
        self._body_limit_set = max_body_size

    def set_body_timeout(self, timeout: float) -> None:
        """Seconds that reading the body of this request may take."""
        self._body_timeout = timeout

    def _start_body_timer(self) -> None:
        seconds = self._body_timeout if self._body_timeout is not None else self.params.body_timeout
        if seconds is not None:
            self._body_timer = asyncio.get_running_loop().call_later(seconds, self._on_body_timeout)

    def _on_body_timeout(self) -> None:
        gen_log.info("Timeout reading body from %s", self.context)
        self._give_up()

    # -- endings

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, httputil.HTTPInputError):
            gen_log.info("Malformed HTTP message from %s: %s", self.context, one_line(str(error)))
            if not self._started:
                self._tell_of_close()
                self._put([_start(400, [(b"connection", b"close")] if self._version.startswith("HTTP/1") else []), _body(b"", False)])
                self._started = self._finished = self._over = True
                return
        elif not isinstance(error, iostream.StreamClosedError) or not self._lost:
            app_log.error("Uncaught exception", exc_info=error)
        self._give_up()

    def _tell_of_close(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
        delegate, is_open = self._delegate, self._delegate_open
        self._delegate_open = False
        if is_open and delegate is not None:
            self._call_later(delegate.on_connection_close)
        else:
            super()._tell_of_close()

    # -- the response

    def write_headers(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "Future[None]":
        """Send the head, and with it the first piece of the body. The reason phrase, ``Date`` and a ``Server`` that nobody chose are left
        to the server. Raises `ValueError` for header text that would break out of its line.
        """
        code = cast(httputil.ResponseStartLine, start_line).code
        try:
            pairs = self._response_fields(headers)
        except responses.IllegalHeader:
            self._give_up()
            raise
        self._started = True
        length = headers._get("Content-Length")
        if self._method == "HEAD" or code in (204, 304):
            self._has_content = False
        elif length is not None:
            self._unsent = parse_int(length)
        messages = [_start(code, pairs)]
        if chunk and self._has_content:
            messages.append(self._piece(bytes(chunk)))
        else:
            self._head_only = True
        return self._put(messages)

    def _response_fields(self, headers: httputil.HTTPHeaders) -> responses.Pairs:
        base = headers._head
        if base is None:
            return responses.fields(headers.get_all(), self._version, _DEFAULT_SERVER)
        shared = base.forms.get("asgi")
        if shared is None:
            shared = base.forms["asgi"] = responses.fields(base.values.items(), "HTTP/1.1", _DEFAULT_SERVER)
        return shared + responses.fields(headers._joined.items(), self._version, _DEFAULT_SERVER)

    def write(self, chunk: bytes) -> "Future[None]":
        """Send a piece of the body; done when the server has taken it. Raises `.HTTPOutputError` beyond the Content-Length."""
        return self._put([self._piece(bytes(chunk))]) if chunk and self._has_content else _done()

    def _piece(self, chunk: bytes) -> Message:
        self._head_only = False
        if self._unsent is None:
            return _body(chunk, True)
        self._unsent -= len(chunk)
        if self._unsent < 0:
            self._leave_incomplete()
            raise httputil.HTTPOutputError("Tried to write more data than Content-Length")
        self._said_last = self._unsent == 0
        return _body(chunk, not self._said_last)

    def _write_file(self, fd: int, offset: int, count: int) -> "Future[None] | None":
        """Have the server send a whole open file (the extension ``http.response.pathsend``); None where it cannot."""
        extensions = self.scope.get("extensions") or {}
        if "http.response.pathsend" not in extensions or not self._head_only or offset or self._unsent != count:
            return None
        path = _path_of(fd, count)
        if path is None:
            return None
        self._unsent = 0
        self._head_only, self._said_last = False, True
        return self._put([{"type": "http.response.pathsend", "path": path}])

    def _break_off(self) -> None:
        if self._unsent is None:
            self._broken = True

    def finish(self) -> None:
        """End the response. Raises `.HTTPOutputError` when less than the Content-Length was written."""
        if self._finished:
            return
        self._finished = True
        self._close_callback = None
        if self._over:
            return
        if self._unsent:
            missing, self._unsent = self._unsent, None
            self._leave_incomplete()
            raise httputil.HTTPOutputError(f"Tried to write {missing} bytes less than Content-Length")
        if self._broken:
            self._leave_incomplete()
            return
        if not self._said_last:
            self._end_body()
        self._over = True
        self._wake()

    def _leave_incomplete(self) -> None:
        """What was written is sent, and then no more."""
        self._close_callback = None
        self._incomplete = self._finished = self._over = True
        self._wake()

    def _end_body(self) -> None:
        """Say with the last event that it is the last; one more event only where it cannot be said with one that waits."""
        self._said_last = True
        waiting = self._outbox[-1][0] if self._outbox else None
        if waiting is None:
            self._put([_body(b"", False)])
        elif waiting[-1]["type"] == "http.response.body":
            waiting[-1]["more_body"] = False
        else:
            waiting.append(_body(b"", False))

    async def _settle_head(self) -> None:
        for _ in range(_TURNS_FOR_BODY):
            await asyncio.sleep(0)
            if self._outbox or self._over:
                return
        # Servers keep the head until there is a first piece of the body, be it empty.
        self._head_only = False
        self._put([_body(b"", True)])


def _start(status: int, pairs: responses.Pairs) -> Message:
    return {"type": "http.response.start", "status": status, "headers": pairs}


def _body(chunk: bytes, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more_body}


def _path_of(fd: int, size: int) -> str | None:
    """The path of an open file of ``size`` bytes, if it leads there still."""
    try:
        path = os.readlink(f"/proc/self/fd/{fd}")
        found, opened = os.stat(path), os.fstat(fd)
    except OSError:
        return None
    return path if os.path.samestat(found, opened) and found.st_size == size and stat.S_ISREG(found.st_mode) else None


class _SocketExchange(_Carrier):
    """One WebSocket, from its opening handshake on: HTTP to the handler, until that has agreed to it or refused."""

    _accepted = False
    _refusal: Message | None = None
    _refusal_body = b""
    subprotocol: str | None = None
    # The task that waits in receive(), for the time of that.
    _receiving: "asyncio.Task[Any] | None" = None
    _receiving_ended = False

    @property
    def stream(self) -> Any:
        """As on our own server: None, once it is a WebSocket."""
        return None if self._accepted else super().stream

    async def run(self, adapter: "ASGIAdapter") -> None:
        """Have ``adapter``'s application open a WebSocket; returns when it is closed."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        try:
            self._request_context.run(self._begin, adapter)
        except (Exception, asyncio.CancelledError) as error:  # nothing was awaited: it is the application's
            self._failed(error)
        await self._carry()
        self._delegate = None  # which leads back to us

    def _begin(self, adapter: "ASGIAdapter") -> None:
        target = requests.target(self.scope, adapter._strips_root_path)
        self._root_path = target.root_path
        line = httputil.RequestStartLine("GET", target.uri, "HTTP/1.1")
        wanted = self._start(adapter, line, requests.handshake_fields(self.scope))
        finish = cast(httputil.HTTPMessageDelegate, self._delegate).finish
        if wanted is None:
            finish()
        else:
            gen.convert_yielded(wanted).add_done_callback(lambda _: finish(), context=self._request_context)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, httputil.HTTPInputError):
            gen_log.info("Malformed HTTP message from %s: %s", self.context, one_line(str(error)))
            status = 400
        else:
            app_log.error("Uncaught exception", exc_info=error)
            status = 500
        self._refuse(status, [], b"")

    # -- before it is a WebSocket

    def _websocket_protocol(self, handler: websocket.WebSocketHandler, params: websocket._WebSocketParams) -> websocket.WebSocketProtocol:
        return ASGIWebSocketProtocol(handler, self, params)

    def write_headers(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "Future[None]":
        """Accept (101), or keep an answer of another kind until it is complete."""
        code = cast(httputil.ResponseStartLine, start_line).code
        pairs = responses.fields(headers.get_all(), "HTTP/1.1", _DEFAULT_SERVER)
        if code != 101:
            self._refusal = {"type": "websocket.http.response.start", "status": code, "headers": pairs}
            self._refusal_body = bytes(chunk or b"")
            return _done()
        self._accepted = True
        accept = {"type": "websocket.accept", "subprotocol": self.subprotocol, "headers": responses.without_handshake(pairs)}
        return self._put([accept])

    def write(self, chunk: bytes) -> "Future[None]":
        """Keep a piece of an answer that is no WebSocket."""
        self._refusal_body += chunk
        return _done()

    def finish(self) -> None:
        """End an answer that is no WebSocket."""
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            self._refuse(refusal["status"], refusal["headers"], self._refusal_body)

    def _refuse(self, status: int, pairs: responses.Pairs, body: bytes) -> None:
        """Answer with a response where the server can; else close, which makes it answer 403. One body event: servers know no other."""
        if "websocket.http.response" in (self.scope.get("extensions") or {}):
            start = {"type": "websocket.http.response.start", "status": status, "headers": pairs}
            self._put([start, {"type": "websocket.http.response.body", "body": body, "more_body": False}])
        else:
            self._put([{"type": "websocket.close", "code": 1008, "reason": ""}])
        self.end()

    # -- as a WebSocket

    async def next_message(self) -> Message | None:
        """What the client sent; None when nothing will come any more."""
        if self._receiving_ended:
            return None
        task = self._receiving = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if not self._receiving_ended:
                raise
            cast("asyncio.Task[Any]", task).uncancel()
            return None
        finally:
            self._receiving = None

    def end_receiving(self) -> None:
        """Wait no longer for the client."""
        if not self._receiving_ended:
            self._receiving_ended = True
            if self._receiving is not None:
                self._receiving.cancel()

    async def send_at_once(self) -> None:
        """Send what was written, without the detour to the other task, unless that is about it."""
        try:
            while self._outbox and not self._sending:
                await self._send_next()
        except Exception as error:
            self._lose(error)
        if self._over:
            self._wake()

    def end(self) -> None:
        """The exchange is over when everything is sent."""
        self._over = True
        self._wake()

    def _lose(self, error: BaseException | None = None) -> None:
        super()._lose(error)
        self.end_receiving()

    def _fail_write(self, future: "Future[None]", error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(websocket.WebSocketClosedError() if self._accepted else iostream.StreamClosedError(real_error=error))
            future.exception()


class ASGIWebSocketProtocol(websocket.WebSocketProtocol):
    """A WebSocket whose frames are the ASGI server's business: so are pings, compression and fragments."""

    close_code: int | None = None
    """The code with which the client closed, None before that and where it gave none."""
    close_reason: str | None = None
    """The text that came with it."""
    _close_timer: asyncio.TimerHandle | None = None
    _sent_code: int | None = None
    _closing = False  # websocket.close is sent, or waits to be
    _queued_bytes = 0

    def __init__(self, handler: websocket.WebSocketHandler, connection: _SocketExchange, params: websocket._WebSocketParams) -> None:
        super().__init__(handler)
        self._connection = connection
        self._params = params

    def _answer(self, handler: websocket.WebSocketHandler, agreement: Any) -> "Future[None]":
        self._connection.subprotocol = agreement.subprotocol or None
        handler.clear_header("Content-Type")
        handler.set_status(101)
        accepted = handler.finish()
        websocket._leave_http(handler)
        return accepted

    async def _receive_frame_loop(self) -> None:
        connection = self._connection
        try:
            while (message := await connection.next_message()) is not None:
                if message["type"] == "websocket.disconnect":
                    self._on_disconnect(message)
                    return
                if self.client_terminated or message["type"] != "websocket.receive":
                    continue
                data = message.get("text")
                await self._take(message.get("bytes") if data is None else data)
        finally:
            self._end()

    async def _take(self, data: str | bytes | None) -> None:
        if data is None or len(data) > self._params.max_message_size:
            self.close(1009, "message too big")
            return
        connection = self._connection
        connection._quiet = True
        try:
            handling = self.handler.on_message(data)
        except (Exception, asyncio.CancelledError):  # nothing was awaited: it is the application's
            handling = None
            self._on_handler_error()
        finally:
            connection._quiet = False
        if handling is None:
            if connection._outbox:
                await connection.send_at_once()
            return
        if connection._outbox:
            connection._wake()
        try:
            await gen.convert_yielded(handling)
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            self._on_handler_error()
        except Exception:
            self._on_handler_error()

    def _on_disconnect(self, message: Message) -> None:
        self.client_terminated = True
        if self._closing:
            # Servers say here what they like about a close that was ours.
            self.close_code = self._sent_code
            return
        code = message.get("code", 1005)
        # 1005 and 1006 stand for a close without a code, and for none (RFC 6455 §7.1.5).
        self.close_code = None if code in (1005, 1006) else code
        self.close_reason = message.get("reason") or None

    def _end(self) -> None:
        self.client_terminated = self.server_terminated = True
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._connection.end()

    def _is_lost(self) -> bool:
        return self._connection._lost

    def _abort(self) -> None:
        # There is no way to drop a connection: an error of the handler's is told by its code (RFC 6455 §7.4.1).
        if not (self.client_terminated or self._connection._over):
            self.close(1011)
        self.client_terminated = self.server_terminated = True
        self._connection.end_receiving()

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close; a code is always sent, 1000 without one."""
        reason_bytes = utf8(reason or "")
        if len(reason_bytes) > websocket._MAX_REASON_BYTES:
            raise ValueError(f"a reason has at most {websocket._MAX_REASON_BYTES} bytes")
        self.server_terminated = True
        connection = self._connection
        if self._closing or connection._over or self.client_terminated:
            return
        self._closing = True
        self._sent_code = code if code is not None or reason is None else 1000
        connection._put([{"type": "websocket.close", "code": 1000 if code is None else code, "reason": reason or ""}])
        self._close_timer = asyncio.get_running_loop().call_later(websocket._CLOSE_SECONDS, connection.end_receiving)

    def is_closing(self) -> bool:
        """Whether either side has begun to close, or the connection is gone."""
        return self.client_terminated or self.server_terminated or self._connection._over

    def write_message(self, message: str | bytes | dict[str, Any], binary: bool = False) -> "Future[None]":
        """Send a message; done when the server has taken it."""
        if self.is_closing():
            raise websocket.WebSocketClosedError
        if not isinstance(message, str):
            message = json_encode(message) if isinstance(message, dict) else utf8(message)
        limit = self._params.max_queued_bytes
        if limit is not None and self._queued_bytes > limit:
            return self._overflow()
        content: Message
        if binary:
            content = {"type": "websocket.send", "bytes": utf8(message)}
        else:
            content = {"type": "websocket.send", "text": message if isinstance(message, str) else message.decode()}
        written = self._connection._put([content])
        if limit is not None:
            self._count(len(message), written)
        return written

    def _count(self, size: int, written: "Future[None]") -> None:
        self._queued_bytes += size

        def on_written(_: "Future[None]") -> None:
            self._queued_bytes -= size

        written.add_done_callback(on_written)

    def _overflow(self) -> "Future[None]":
        """The peer does not read what is sent to it."""
        if self._params.overflow == "close":
            self.close(1013, "too slow")
            raise websocket.WebSocketClosedError("too many bytes are waiting to be sent")
        return _done()

    def write_ping(self, data: bytes) -> None:
        """Nothing: pings are the server's, and `~.WebSocketHandler.on_pong` is never called."""

    def start_pinging(self) -> None:
        """Nothing: the server sends pings as it is configured to."""

    def set_nodelay(self, x: bool) -> None:
        """Nothing: it is the server's socket."""


def _done() -> "Future[None]":
    future: Future[None] = Future()
    future.set_result(None)
    return future


Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
"""What the argument ``lifespan`` may be: called with the application, its context is entered at start-up and left at shutdown."""


class ASGIAdapter:
    """An ASGI 3 application that has a Tornado application answer.

    Handlers run as on Tornado's own server: streamed request bodies and `~.RequestHandler.flush` with back-pressure, static files,
    WebSockets, ``on_connection_close``, `.IOLoop` on the server's event loop. What ASGI has no words for is left out: reason phrases,
    `~.RequestHandler.detach` (which raises `RuntimeError`), pings (the server sends and answers them).

    :arg application: an `.Application`, any other `.HTTPServerConnectionDelegate`, or a callable that takes an `.HTTPServerRequest`.
    :arg lifespan: called with ``application``; returns an asynchronous context manager, entered when the server starts and left when
        it stops. If it yields a dictionary, that becomes the lifespan's ``state``. Without it ``on_startup`` and ``on_shutdown`` are
        called, if the application has them: as methods, without arguments, or as settings, a function (or a list of functions) of the
        application. All may be coroutines.
    :arg root_path: ``"strip"``: rules see the path without the server's ``root_path``; `~.HTTPServerRequest.full_url`, ``request.uri``,
        `~.RequestHandler.static_url` and `~.RequestHandler.reverse_url` have it. ``"keep"``: rules see the whole path.
    :arg max_body_size: largest request body in bytes, 100 MiB by default; larger ones are answered 400.
    :arg body_timeout: seconds that a request body may take; no limit by default.
    :arg decompress_request: inflate request bodies with ``Content-Encoding: gzip``.

    ``request.connection.scope`` is the scope. ``request.remote_ip`` and ``request.protocol`` are what the server says; behind a proxy
    configure the server for it.
    """

    def __init__(
        self,
        application: httputil.HTTPServerConnectionDelegate | Callable[[httputil.HTTPServerRequest], Any],
        *,
        lifespan: Lifespan | None = None,
        root_path: Literal["strip", "keep"] = "strip",
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        decompress_request: bool = False,
    ) -> None:
        if root_path not in ("strip", "keep"):
            raise ValueError(f'root_path is "strip" or "keep", not {root_path!r}')
        _ = httputil.responses  # now, and not while a request waits: it imports something
        self.application = application
        self._lifespan = lifespan
        self._strips_root_path = root_path == "strip"
        self._params = HTTP1ConnectionParameters(max_body_size=max_body_size, body_timeout=body_timeout, decompress=decompress_request)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call. Raises `ValueError` for a protocol that is not ``http``, ``websocket`` or ``lifespan``."""
        kind = scope["type"]
        if kind == "http":
            await _HTTPExchange(scope, receive, send, self._params).run(self)
        elif kind == "websocket":
            await _SocketExchange(scope, receive, send, self._params).run(self)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        else:
            raise ValueError(f"not a protocol of this application: {kind!r}")

    def _start_request(self, connection: Any) -> httputil.HTTPMessageDelegate:
        application = self.application
        delegate: httputil.HTTPMessageDelegate
        if isinstance(application, httputil.HTTPServerConnectionDelegate):
            delegate = application.start_request(self, connection)
        else:
            delegate = httpserver._CallableAdapter(application, connection)
        return _GzipMessageDelegate(delegate, connection) if self._params.decompress else delegate

    # -- lifespan

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run start-up and shutdown. Failures are logged and told: what is raised here, servers take for "there is no lifespan"."""
        manager = self._lifespan(self.application) if self._lifespan is not None else _Hooks(self.application)
        await _expect(receive, "lifespan.startup")
        try:
            state = await manager.__aenter__()
        except Exception as error:
            app_log.error("The start-up of the application failed", exc_info=True)
            await send({"type": "lifespan.startup.failed", "message": _told(error)})
            return
        if isinstance(state, dict) and "state" in scope:
            scope["state"].update(state)
        await send({"type": "lifespan.startup.complete"})
        failure: BaseException | None = None
        try:
            await _expect(receive, "lifespan.shutdown")
        except BaseException as error:
            failure = error
        await self._end_life(manager, failure, send)

    async def _end_life(self, manager: AbstractAsyncContextManager[Any], failure: BaseException | None, send: Send) -> None:
        try:
            await manager.__aexit__(None if failure is None else type(failure), failure, None)
        except Exception as error:
            app_log.error("The shutdown of the application failed", exc_info=True)
            if failure is None:
                await send({"type": "lifespan.shutdown.failed", "message": _told(error)})
                return
        if failure is not None:
            raise failure
        await send({"type": "lifespan.shutdown.complete"})


async def _expect(receive: Receive, kind: str) -> None:
    while (await receive())["type"] != kind:
        pass


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


class _Hooks(AbstractAsyncContextManager[None]):
    """The lifespan of an application that has methods or settings for it."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __aenter__(self) -> None:
        await self._call("on_startup")

    async def __aexit__(self, *_: object) -> None:
        await self._call("on_shutdown")

    async def _call(self, name: str) -> None:
        method = getattr(self._application, name, None)
        if callable(method):
            await _awaited(method())
        settings = getattr(self._application, "settings", None) or {}
        hooks = settings.get(name) or ()
        for hook in hooks if isinstance(hooks, (list, tuple)) else [hooks]:
            await _awaited(hook(self._application))


async def _awaited(result: Any) -> None:
    if inspect.isawaitable(result):
        await result


class ClientDisconnected(OSError):
    """Raised by the ``send`` of an application in an `ASGIContainer` when its client is gone (the specification's version 2.4)."""


# What waits for the application to ask for it; beyond that the client has to wait.
_MAX_QUEUED = 64 * 1024
# How long a client's application may go on after its client, or its server, has gone; then it is cancelled.
_GRACE_SECONDS = 5.0
_STARTUP_SECONDS = 60.0
_EVENTS_GRACE_SECONDS = 2.0
_EVENT_STREAM = b"text/event-stream"


class ASGIContainer(httputil.HTTPServerConnectionDelegate):
    """Runs an ASGI 3 application behind Tornado's HTTP server: as the target of a rule, or for `.HTTPServer`.

    ::

        app = Application([(r"/live", LiveHandler), (r"/api/.*", ASGIContainer(fastapi_app))])

    Request and response bodies are streamed, with back-pressure both ways; WebSockets work; what the application raises is logged and
    answered 500, or breaks the response off where that has begun. After a client has left, ``receive`` says so, and ``send`` raises
    `ClientDisconnected`.

    :arg app: the application.
    :arg root_path: the part of the path that belongs to us and not to the application's routes; it stays in the scope's ``path``.
    :arg lifespan: ``"auto"``: the application's lifespan is run; that it has none is fine. ``"on"``: a lifespan that raises has failed.
        ``"off"``: none is run. It starts with `startup`, at the latest before the first request is let through, and is ended by
        `shutdown`, which `.HTTPServer.drain` calls.
    :arg startup_timeout: seconds that the start-up may take; after that it has failed. 60 by default.
    :arg websocket_ping_interval: as the settings of a `.WebSocketHandler`; so ``websocket_ping_timeout`` and
        ``websocket_max_message_size``. ``websocket_compression_options`` are what its ``get_compression_options`` returns; None, the
        default: no compression.

    When the start-up fails (the application says so, raises with ``"on"``, or takes too long), that is logged and every request is
    answered 503.
    """

    def __init__(
        self,
        app: ASGIApplication,
        *,
        root_path: str = "",
        lifespan: Literal["auto", "on", "off"] = "auto",
        startup_timeout: float = _STARTUP_SECONDS,
        websocket_ping_interval: float | None = None,
        websocket_ping_timeout: float | None = None,
        websocket_max_message_size: int = websocket._default_max_message_size,
        websocket_compression_options: dict[str, Any] | None = None,
    ) -> None:
        if lifespan not in ("auto", "on", "off"):
            raise ValueError(f'lifespan is "auto", "on" or "off", not {lifespan!r}')
        if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
            raise ValueError(f"a root path begins with a slash and does not end with one: {root_path!r}")
        self.app = app
        self.root_path = root_path
        self._life = _Life(app, lifespan, startup_timeout)
        self._websocket_params = websocket._WebSocketParams(
            websocket_ping_interval, websocket_ping_timeout, websocket_max_message_size, websocket_compression_options
        )
        self._servers: WeakSet[object] = WeakSet()
        self._latest_server: Callable[[], object] = _nobody
        self._running: set[_Inside] = set()

    async def startup(self) -> None:
        """Run the start-up of the application's lifespan, once; later calls wait for it. Raises `RuntimeError` if it fails."""
        await self._life.start()

    async def shutdown(self, grace: float | None = None) -> None:
        """Tell the applications of all open requests that their clients are gone, cancel those that run on after ``grace`` seconds (5 by
        default), and run the shutdown of the lifespan, which may take as long. What fails in it is logged.
        """
        if grace is None:
            grace = _GRACE_SECONDS
        for run in tuple(self._running):
            run.client_left()
        tasks = [run.task for run in self._running if run.task is not None]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=grace)
            for task in pending:
                app_log.warning("An ASGI application did not end when its client had gone, and was cancelled")
                task.cancel()
            if pending:
                await asyncio.wait(pending, timeout=grace)
        await self._life.end(grace)

    # -- for the server

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """The delegate that runs the application for one request."""
        self._serve_for(server_conn)
        return _Chooser(self, server_conn, request_conn)

    def _serve_for(self, server_conn: object) -> None:
        """Note the server of a connection, if we do not know it yet."""
        server = httpserver._server_of(server_conn)
        if server is None or server is self._latest_server():
            return
        self._latest_server = ref(server)
        self._servers.add(server)
        httpserver._companions.setdefault(server, set()).add(self)

    def _going_away(self) -> None:
        """A server drains: streams of events, which have no end of their own, come to one."""
        for run in tuple(self._running):
            run.server_leaves()

    async def _server_gone(self, server: object) -> None:
        """A server has drained."""
        self._servers.discard(server)
        self._latest_server = _nobody
        if not self._servers:
            await self.shutdown()


def _nobody() -> None:
    """No server yet."""


class _Chooser(httputil.HTTPMessageDelegate):
    """Stands in until the head has come, which says whether it is a WebSocket."""

    def __init__(self, container: ASGIContainer, server_conn: object, request_conn: Any) -> None:
        self._arguments = container, server_conn, request_conn

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        line = cast(httputil.RequestStartLine, start_line)
        chosen = _Socket if _asks_for_websocket(line, headers) else _Run
        delegate = chosen(*self._arguments)
        # From now on without the detour.
        self.data_received = delegate.data_received  # type: ignore[method-assign]
        self.finish = delegate.finish  # type: ignore[method-assign]
        self.on_connection_close = delegate.on_connection_close  # type: ignore[method-assign]
        if chosen is _Socket and (refusal := _refusal_of(headers)) is not None:
            delegate._line = line
            delegate._began = time.monotonic()
            cast(_Socket, delegate)._respond(*refusal)
            return None
        return delegate.headers_received(start_line, headers)


def _asks_for_websocket(line: httputil.RequestStartLine, headers: httputil.HTTPHeaders) -> bool:
    if line.method != "GET" or "Upgrade" not in headers:
        return False
    return handshake.check_upgrade(line.version, headers["Upgrade"], headers.get("Connection")) is None


def _refusal_of(headers: httputil.HTTPHeaders) -> tuple[messages.Head, bytes] | None:
    """The answer to a handshake that is malformed (RFC 6455 §4.2.2)."""
    if headers.get("Sec-WebSocket-Version") != "13":
        return _plain(426, [(b"sec-websocket-version", b"13")])
    return None if handshake.is_key(headers.get("Sec-WebSocket-Key", "")) else _plain(400)


class Mount(Rule):
    """A rule that puts an ASGI application under a path, ``path`` itself and everything below it::

        Application([(r"/", Home), Mount("/api", fastapi_app)])

    The application sees ``path`` as its ``root_path``, after that of a server in front if there is one.

    :arg path: such as ``/api``; ``""`` or ``"/"`` for everything that no earlier rule takes.
    :arg app: the application, or an `ASGIContainer`.
    :arg options: as for `ASGIContainer`: ``lifespan``, ``startup_timeout`` and those of WebSockets.
    """

    def __init__(self, path: str, app: "ASGIApplication | ASGIContainer", *, name: str | None = None, **options: Any) -> None:
        path = path.rstrip("/")
        container = app if isinstance(app, ASGIContainer) else ASGIContainer(app, root_path=path, **options)
        super().__init__(PathMatches(f"{re.escape(path)}(?:/.*)?$"), container, name=name)


class _Life:
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
            self._begin()
        await asyncio.shield(self._started)
        if self.failure is not None:
            raise RuntimeError(self.failure)

    def _begin(self) -> None:
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
            _settle(self._started)

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
            _settle(self._started)
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
            _settle(self._leave)
        else:
            self._task.cancel()
        await asyncio.wait([self._task], timeout=grace)
        if not self._task.done():
            app_log.error("The shutdown of an ASGI application took more than %g seconds, and was cancelled", grace)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=grace)


class _Inside(httputil.HTTPMessageDelegate):
    """What every call of an application inside has."""

    task: "asyncio.Task[None] | None" = None
    _waiter: "Future[None] | None" = None
    _waits_for_start = False

    def __init__(self, container: ASGIContainer, server_conn: object, request_conn: Any) -> None:
        self._container = container
        self._server_connection = server_conn
        self._connection = request_conn

    def client_left(self) -> None:
        """The client is gone."""
        if self._waits_for_start and self.task is not None:
            self.task.cancel()  # no application is in it yet

    def server_leaves(self) -> None:
        """The server drains."""

    def _start(self, kind: str, line: httputil.RequestStartLine, pairs: scopes.Pairs) -> None:
        """Start the application."""
        self._line = line
        self._began = time.monotonic()
        connection, container = self._connection, self._container
        root_path = getattr(connection, "_root_path", "") + container.root_path
        scope = scopes.scope(kind, line, pairs, _ends(self._server_connection, connection), root_path)
        connection.set_close_callback(self.client_left)
        container._running.add(self)
        context = getattr(connection, "_request_context", None)
        self.task = asyncio.get_running_loop().create_task(self._run(scope), context=context)

    async def _run(self, scope: Scope) -> None:
        container = self._container
        life = container._life
        try:
            if life.is_started() or await self._may_begin():
                scope["state"] = life.state.copy()
                await self._run_application(scope)
        finally:
            container._running.discard(self)

    async def _may_begin(self) -> bool:
        """Wait for the start-up of the application; where that has failed, the answer is 503."""
        life = self._container._life
        self._waits_for_start = True
        try:
            await life.start()
        except RuntimeError:  # which has been logged
            self._answer(503)
            return False
        finally:
            self._waits_for_start = False
        return True

    async def _run_application(self, scope: Scope) -> None:
        raise NotImplementedError

    def _answer(self, status: int) -> None:
        raise NotImplementedError

    def _write_head(self, head: messages.Head, chunk: bytes, is_whole: bool) -> "Future[None]":
        """Send the head with the first piece of the body; with a length, where that is known only now."""
        status, length = head.status, head.length
        if length is None and is_whole and self._line.method != "HEAD" and status not in (101, 204, 304):
            length = len(chunk)
        headers = _shared_headers(head)
        if headers is None:
            headers = httputil.HTTPHeaders._from_wire([*head.pairs, *_own_fields(head, int(time.time()))])
        if length is not None:
            headers["Content-Length"] = str(length)
        line = httputil._STANDARD_START_LINES.get(status) or httputil.ResponseStartLine("", status, "Unknown")
        written: Future[None] = self._connection.write_headers(line, headers, chunk)
        return written

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        _settle(waiter)

    async def _wait(self) -> None:
        """Wait for news; several may."""
        if self._waiter is None:
            self._waiter = Future()
        await asyncio.shield(self._waiter)

    def _summary(self) -> str:
        context = getattr(self._connection, "context", None)
        return f"{self._line.method} {one_line(self._line.path)} ({getattr(context, 'remote_ip', None)})"

    def _log(self, status: int) -> None:
        if _log_line is not None:
            _log_line(self._line, status, getattr(self._connection, "context", None), time.monotonic() - self._began)
            return
        level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
        if access_log.isEnabledFor(level):
            access_log.log(level, "%d %s %.2fms", status, self._summary(), 1000 * (time.monotonic() - self._began))

    def _log_exception(self, error: BaseException) -> None:
        if not _comes_of_leaving(error):
            app_log.error("Exception in ASGI application for %s", self._summary(), exc_info=error)


def _own_fields(head: messages.Head, now: int) -> messages.Pairs:
    """What a server says where the application does not (RFC 9110 §6.6.1)."""
    fields = [] if head.has_server else [(b"server", _DEFAULT_SERVER.encode())]
    return fields if head.has_date else [*fields, (b"date", httputil.format_timestamp(now).encode())]


# Heads of one second, serialised, by what applications sent. Replaced as a whole: other threads may have loops, too.
_heads: tuple[int, dict[tuple[tuple[bytes, bytes], ...], ResponseHead]] = (-1, {})
_MAX_HEADS = 64


def _shared_headers(head: messages.Head) -> httputil.HTTPHeaders | None:
    """Headers that stand on a head which others have, too, since applications send few different ones; None where a name repeats."""
    global _heads
    now = int(time.time())
    second, known = _heads
    if second != now:
        known = {}
        _heads = (now, known)
    key = tuple(head.pairs)
    shared = known.get(key)
    if shared is None:
        if len(known) >= _MAX_HEADS:
            return None
        pairs = [*head.pairs, *_own_fields(head, now)]
        values = {WIRE_SPELLINGS[name]: value.decode("latin-1") for name, value in pairs}
        if len(values) < len(pairs):
            return None
        shared = known[key] = ResponseHead(values)
    return httputil.HTTPHeaders._standing_on(shared)


def _plain(status: int, fields: scopes.Pairs | None = None) -> tuple[messages.Head, bytes]:
    """An answer of our own."""
    text = httputil.responses[status].encode()
    pairs = [(b"content-type", b"text/plain; charset=utf-8"), *(fields or ())]
    return messages.Head(status, pairs, len(text), False, False), text


class _Run(_Inside):
    """One request to an application inside."""

    _queued = 0
    _room: "Future[None] | None" = None
    _interest: "Future[None] | None" = None
    _body_read = False  # all of it has come
    _told_end = False  # and the application knows that
    _left = False  # the client has gone, or shall seem to have
    _cut = False  # nothing can be sent any more
    _head: messages.Head | None = None
    _begun = False  # the head is sent
    _complete = False

    def __init__(self, container: ASGIContainer, server_conn: object, request_conn: Any) -> None:
        super().__init__(container, server_conn, request_conn)
        self._chunks: list[bytes] = []

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        """Start the application; where the client waits for ``100 Continue``, it gets that when the application asks for the body."""
        self._start("http", cast(httputil.RequestStartLine, start_line), _fields_of(headers))
        if "Expect" in headers:
            self._interest = Future()
        return self._interest

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Keep a piece for the application; what it has not asked for makes the client wait."""
        if self._complete or self._cut:
            return None
        self._chunks.append(chunk)
        self._queued += len(chunk)
        self._wake()
        if self._queued > _MAX_QUEUED and self._room is None:
            self._room = Future()
        return self._room

    def finish(self) -> None:
        self._body_read = True
        self._wake()

    def on_connection_close(self) -> None:
        self.client_left()

    def client_left(self) -> None:
        """The client is gone: ``receive`` says so, ``send`` raises."""
        super().client_left()
        if not self._complete:
            self._cut = self._left = True
            self._wake()
            _settle(self._room)
            _settle(self._interest)

    def server_leaves(self) -> None:
        """The server drains: a stream of events would go on for ever, so its client seems to have left."""
        head = self._head
        if self._complete or self._left or head is None or self.task is None:
            return
        if any(name == b"content-type" and value.lower().startswith(_EVENT_STREAM) for name, value in head.pairs):
            self._left = True
            self._wake()
            # One that neither asks nor sends cannot hear of it.
            asyncio.get_running_loop().call_later(_EVENTS_GRACE_SECONDS, self.task.cancel)

    # -- the application

    async def _run_application(self, scope: Scope) -> None:
        try:
            await self._container.app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            if not self._left:
                raise
        except Exception as error:
            self._log_exception(error)
        else:
            if not (self._complete or self._left):
                app_log.error("ASGI application returned without completing its response to %s", self._summary())
        finally:
            self._end()

    def _end(self) -> None:
        """The application is through; is the response?"""
        _settle(self._room)
        _settle(self._interest)
        if self._complete or self._cut:
            return
        if not self._begun:
            self._answer(500)
            return
        self._complete = True
        if not self._left:
            self._connection._break_off()
        try:
            self._connection.finish()
        except httputil.HTTPOutputError:
            pass  # fewer bytes than announced: the connection is closed by that
        assert self._head is not None
        self._log(self._head.status)

    def _answer(self, status: int) -> None:
        if not self._cut:
            self._complete = True
            self._write_head(*_plain(status), True)
            self._connection.finish()
            self._log(status)

    async def _receive(self) -> Message:
        _settle(self._interest)
        while not (self._chunks or self._left or self._complete or (self._body_read and not self._told_end)):
            await self._wait()
        if self._left or self._complete:
            return {"type": "http.disconnect"}
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._queued = 0
        room, self._room = self._room, None
        _settle(room)
        self._told_end = self._body_read
        return {"type": "http.request", "body": body, "more_body": not self._told_end}

    async def _send(self, message: Message) -> None:
        if self._left:
            raise ClientDisconnected("the client is gone")
        kind = message["type"]
        if kind == "http.response.start":
            if self._head is not None:
                raise messages.MessageError("http.response.start was sent before")
            self._head = messages.response_head(message)
        elif kind == "http.response.body":
            await self._send_body(*messages.body(message))
        else:
            raise messages.MessageError(f"not a message of a response: {kind!r}")

    async def _send_body(self, chunk: bytes, more: bool) -> None:
        if self._head is None or self._complete:
            raise messages.MessageError(
                "http.response.body has no place " + ("before http.response.start" if self._head is None else "any more")
            )
        self._complete = not more
        if self._line.method == "HEAD" or self._head.status in (204, 304):
            chunk = b""
        written = None
        try:
            if not self._begun:
                self._begun = True
                written = self._write_head(self._head, chunk, not more)
            elif chunk:
                written = self._connection.write(chunk)
            if not more:
                self._connection.finish()
        except httputil.HTTPOutputError as error:
            self._cut = self._left = True
            raise messages.MessageError(str(error)) from error
        if not more:
            self._log(self._head.status)
        if written is not None:
            try:
                await written
            except iostream.StreamClosedError as error:
                raise ClientDisconnected("the client is gone") from error


class _Inside13(websocket.WebSocketProtocol13):
    """A connection whose messages go to an application inside."""

    said_goodbye = False  # a close frame came

    def _on_close_frame(self, event: Any) -> None:
        self.said_goodbye = True
        super()._on_close_frame(event)


class _Socket(_Inside):
    """One WebSocket of an application inside."""

    _protocol: _Inside13 | None = None
    _connect_told = False
    _over = False
    _sent_code: int | None = None
    _room: "Future[None] | None" = None
    _queued = 0
    _refusal: messages.Head | None = None
    _refused = False

    def __init__(self, container: ASGIContainer, server_conn: object, request_conn: Any) -> None:
        super().__init__(container, server_conn, request_conn)
        self._received: deque[str | bytes] = deque()
        self._carrying: asyncio.Task[None] | None = None

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        self._headers = headers
        self._start("websocket", cast(httputil.RequestStartLine, start_line), _fields_of(headers))
        return None

    def client_left(self) -> None:
        super().client_left()
        self._over = True
        self._wake()
        _settle(self._room)

    def on_connection_close(self) -> None:
        self.client_left()

    async def _run_application(self, scope: Scope) -> None:
        try:
            await self._container.app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            self._end(1001)
            raise
        except Exception as error:
            if not (self._over and isinstance(error, ClientDisconnected)):
                self._log_exception(error)
            self._end(1011)
        else:
            if self._protocol is None and not (self._refused or self._over):
                app_log.error("ASGI application returned without answering the handshake of %s", self._summary())
            self._end(1000)

    def _end(self, code: int) -> None:
        """The application is through: so is its WebSocket."""
        protocol = self._protocol
        if protocol is not None:
            if not (self._over or protocol.is_closing()):
                protocol.close(code)
        elif not (self._refused or self._over):
            self._answer(500)
        _settle(self._room)

    def _answer(self, status: int) -> None:
        self._respond(*_plain(status))

    def _respond(self, head: messages.Head, body: bytes) -> None:
        self._refused = True
        if not self._over:
            self._write_head(head, body, True)
            self._connection.finish()
            self._log(head.status)

    # -- the port of the protocol

    def on_message(self, message: str | bytes) -> "Future[None] | None":
        self._received.append(message)
        self._queued += len(message)
        self._wake()
        if self._queued > _MAX_QUEUED and self._room is None:
            self._room = Future()
        return self._room

    def on_ping(self, data: bytes) -> None:
        pass

    def on_pong(self, data: bytes) -> None:
        pass

    def on_ws_connection_close(self, close_code: int | None = None, close_reason: str | None = None) -> None:
        self.client_left()

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        app_log.error("Uncaught exception for %s", self._summary(), exc_info=value)

    # -- the application

    async def _receive(self) -> Message:
        if not self._connect_told:
            self._connect_told = True
            return {"type": "websocket.connect"}
        while not (self._received or self._over or self._refused):
            await self._wait()
        if not self._received:
            return self._disconnect()
        message = self._received.popleft()
        self._queued -= len(message)
        if self._queued <= _MAX_QUEUED:
            room, self._room = self._room, None
            _settle(room)
        return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

    def _disconnect(self) -> Message:
        protocol, code, reason = self._protocol, self._sent_code, ""
        if protocol is not None and code is None:
            code, reason = protocol.close_code, protocol.close_reason or ""
            if code is None:
                code = 1005 if protocol.said_goodbye else 1006
        return {"type": "websocket.disconnect", "code": 1006 if code is None else code, "reason": reason}

    async def _send(self, message: Message) -> None:
        if self._over:
            raise ClientDisconnected("the client is gone")
        kind = message["type"]
        if self._refused:
            raise messages.MessageError(f"{kind} was sent after the refusal")
        if self._protocol is None:
            await self._send_before(kind, message)
        elif kind == "websocket.send":
            await self._send_data(messages.websocket_data(message))
        elif kind == "websocket.close":
            self._close(message)
        else:
            raise messages.MessageError(f"not a message of an open WebSocket: {kind!r}")

    async def _send_before(self, kind: str, message: Message) -> None:
        if self._refusal is not None and kind != "websocket.http.response.body":
            raise messages.MessageError(f"{kind} was sent after websocket.http.response.start")
        if kind == "websocket.accept":
            await self._accept(message)
        elif kind == "websocket.close":
            self._answer(403)
        elif kind == "websocket.http.response.start":
            self._refusal, self._refusal_body = messages.response_head(message), b""
        elif kind == "websocket.http.response.body" and self._refusal is not None:
            chunk, more = messages.body(message)
            self._refusal_body += chunk
            if not more:
                self._respond(self._refusal, self._refusal_body)
        else:
            raise messages.MessageError(f"not a message of a handshake: {kind!r}")

    async def _accept(self, message: Message) -> None:
        container, headers, subprotocol = self._container, self._headers, message.get("subprotocol")
        params = container._websocket_params
        protocol = _Inside13(cast(Any, self), False, params)
        agreement = handshake.negotiate(headers, lambda _: subprotocol, params.compression_options is not None)
        pairs = [pair for pair in messages.field_pairs(message.get("headers") or ()) if not pair[0].startswith(b"sec-websocket-")]
        accept = protocol.compute_accept_value(headers["Sec-WebSocket-Key"])
        fields = [*agreement.fields, ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
        pairs += scopes.fields(fields)
        if agreement.deflate is not None:
            protocol._create_compressors(agreement.deflate)
        connection = self._connection
        self._write_head(messages.Head(101, pairs, None, False, False), b"", False)
        connection.finish()
        self._log(101)
        protocol.stream = connection.detach()
        self._protocol = protocol
        protocol.start_pinging()
        self._carrying = asyncio.create_task(self._carry(protocol))

    async def _carry(self, protocol: _Inside13) -> None:
        try:
            await protocol._receive_frame_loop()
        finally:
            protocol._abort()
            self.client_left()

    async def _send_data(self, data: str | bytes) -> None:
        assert self._protocol is not None
        try:
            await self._protocol.write_message(data, isinstance(data, bytes))
        except websocket.WebSocketClosedError as error:
            if self._sent_code is not None:
                raise messages.MessageError("websocket.send was sent after websocket.close") from error
            raise ClientDisconnected("the client is gone") from error

    def _close(self, message: Message) -> None:
        assert self._protocol is not None
        if self._sent_code is not None:
            raise messages.MessageError("websocket.close was sent before")
        code = message.get("code", 1000)
        self._protocol.close(1000 if code is None else code, message.get("reason") or None)
        self._sent_code = 1000 if code is None else code


def _comes_of_leaving(error: BaseException) -> bool:
    """Whether an exception is what an application made of `ClientDisconnected`."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ClientDisconnected):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _fields_of(headers: httputil.HTTPHeaders) -> scopes.Pairs:
    pairs = headers._pairs
    return scopes.fields(headers.get_all()) if pairs is None else [(name.lower(), value.strip(b" \t")) for name, value in pairs]


def _settle(future: "Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _ends(server_conn: object, connection: Any) -> tuple[str, Any, Any]:
    """Scheme, client and server for a scope."""
    context: Any = getattr(connection, "context", None)
    address = getattr(context, "address", None)
    remote_ip = getattr(context, "remote_ip", None)
    client: Any = None
    if isinstance(address, tuple) and len(address) >= 2:
        # What a trusted proxy says about the address, it does not say about the port.
        client = (remote_ip, address[1] if address[0] == remote_ip else 0)
    return getattr(context, "protocol", "http"), client, _server_address(server_conn, connection)


def _server_address(server_conn: object, connection: Any) -> Any:
    known = getattr(server_conn, "_asgi_server", None)
    if known is not None:
        return known
    try:
        name = connection.stream.socket.getsockname()
    except (AttributeError, OSError):
        scope = getattr(connection, "scope", None)
        return None if scope is None else scope.get("server")
    found = tuple(name[:2]) if isinstance(name, tuple) else (name or "", None)
    with contextlib.suppress(AttributeError):
        server_conn._asgi_server = found  # type: ignore[attr-defined]  # it is the same for all requests of the connection
    return found
