"""One request to an application inside."""

import asyncio
from collections.abc import Awaitable

from tornadolike import httputil, iostream
from tornadolike._asgi import messages, scopes
from tornadolike._asgi.interface import ClientDisconnected, Message, Scope
from tornadolike._asgi_mounted.call import Call, read_head
from tornadolike._asgi_mounted.life import settle
from tornadolike._http.response_head import ResponseHead
from tornadolike.concurrent import Future
from tornadolike.log import app_log

# What waits for the application to ask for it; beyond that the client has to wait.
_MAX_QUEUED = 64 * 1024
_EVENTS_GRACE_SECONDS = 2.0
_EVENT_STREAM = b"text/event-stream"
_WITHOUT_CONTENT = frozenset((204, 304))


class HTTPCall(Call):
    """One request to an application inside."""

    _queued = 0
    _room: "Future[None] | None" = None
    _interest: "Future[None] | None" = None
    _body_read = False  # all of it has come
    _told_end = False  # and the application knows that
    _left = False  # the client has gone, or shall seem to have
    _cut = False  # nothing can be sent any more
    _head: messages.Head | None = None
    _shared: ResponseHead | None = None  # what is sent of it that other responses have, too
    _begun = False  # the head is sent
    _aborted = False  # the response shall not look complete
    _complete = False

    _chunks: list[bytes] | None = None

    def begin(self, line: httputil.RequestStartLine, pairs: scopes.Pairs, expects: bool) -> Awaitable[None] | None:
        """Start the application; where the client waits for ``100 Continue``, it gets that when the application asks for the body."""
        self._start("http", line, pairs)
        if expects:
            self._interest = Future()
        return self._interest

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Keep a piece for the application; what it has not asked for makes the client wait."""
        if self._complete or self._cut:
            return None
        if self._chunks is None:
            self._chunks = [chunk]
        else:
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
            settle(self._room)
            settle(self._interest)

    def shut_down(self) -> None:
        """The application has to end: its client seems to have left, and gets 503, or an answer that breaks off."""
        if not (self._complete or self._left):
            Call.client_left(self)
            self._left = self._aborted = True
            self._wake()
            settle(self._room)
            settle(self._interest)

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

    async def _run(self, scope: Scope) -> None:
        container = self._container
        life = container._life
        try:
            if not life.is_started() and not await self._may_begin():
                return
            scope["state"] = life.state.copy()
            try:
                await container.app(scope, self._receive, self._send)
            except asyncio.CancelledError as error:
                if not self._left:
                    if self._is_cancelled():
                        raise
                    self._log_exception(error)  # it is the application's
            except Exception as error:
                self._log_exception(error)
            else:
                if not (self._complete or self._left):
                    app_log.error("ASGI application returned without completing its response to %s", self._summary())
            finally:
                self._end()
        finally:
            container._running.discard(self)

    def _end(self) -> None:
        """The application is through; is the response?"""
        if self._room is not None:
            settle(self._room)
        if self._interest is not None:
            settle(self._interest)
        if self._complete or self._cut:
            return
        if not self._begun:
            self._answer(503 if self._aborted else 500)
            return
        self._complete = True
        if self._aborted or not self._left:
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
            self._write_plain(status)
            self._connection.finish()
            self._log(status)

    async def _receive(self) -> Message:
        if self._interest is not None:
            settle(self._interest)
        while not (self._chunks or self._left or self._complete or (self._body_read and not self._told_end)):
            await self._wait()
        if self._left or self._complete:
            return {"type": "http.disconnect"}
        chunks, self._chunks = self._chunks, None
        body = b"" if chunks is None else chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._queued = 0
        room, self._room = self._room, None
        if room is not None:
            settle(room)
        self._told_end = self._body_read
        return {"type": "http.request", "body": body, "more_body": not self._told_end}

    async def _send(self, message: Message) -> None:
        if self._left:
            raise ClientDisconnected("the client is gone")
        kind = message["type"]
        if kind == "http.response.body":
            written = self._send_body(*messages.body(message))
            if written is not None:
                try:
                    await written
                except iostream.StreamClosedError as error:
                    raise ClientDisconnected("the client is gone") from error
        elif kind == "http.response.start":
            if self._head is not None or self._complete:
                raise messages.MessageError("http.response.start was sent before")
            self._head, self._shared = read_head(message)
        else:
            raise messages.MessageError(f"not a message of a response: {kind!r}")

    def _send_body(self, chunk: bytes, more: bool) -> "Future[None] | None":
        head = self._head
        if head is None or self._complete:
            raise messages.MessageError(f"http.response.body has no place {'before http.response.start' if head is None else 'any more'}")
        connection = self._connection
        self._complete = not more
        if chunk and (self._line.method == "HEAD" or head.status in _WITHOUT_CONTENT):
            chunk = b""
        written = None
        try:
            if not self._begun:
                self._begun = True
                written = self._write_head(head, self._shared, chunk, not more)
            elif chunk:
                written = connection.write(chunk)
            if not more:
                connection.finish()
        except httputil.HTTPOutputError as error:
            self._cut = self._left = True
            raise messages.MessageError(str(error)) from error
        if not more:
            self._log(head.status)
            if self._waiter is not None:
                self._wake()
        return written
