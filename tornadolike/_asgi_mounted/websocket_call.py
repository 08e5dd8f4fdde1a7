"""One WebSocket of an application inside."""

import asyncio
from collections import deque
from typing import Any, cast

from tornadolike import httputil, iostream, websocket
from tornadolike._asgi import messages, scopes
from tornadolike._asgi.interface import ClientDisconnected, Message, Scope
from tornadolike._asgi_mounted.call import Call, Container, plain, shared_head
from tornadolike._asgi_mounted.life import settle
from tornadolike._websocket import handshake
from tornadolike.concurrent import Future
from tornadolike.log import app_log

# What waits for the application to ask for it; beyond that the client has to wait.
_MAX_QUEUED = 64 * 1024


class _Inside13(websocket.WebSocketProtocol13):
    """A connection whose messages go to an application inside."""

    said_goodbye = False  # a close frame came

    def _on_close_frame(self, event: Any) -> None:
        self.said_goodbye = True
        super()._on_close_frame(event)


class WebSocketCall(Call):
    """One WebSocket of an application inside."""

    _protocol: Any = None  # _Inside13, or what another carrier has in its place
    _connect_told = False
    _over = False
    _sent_code: int | None = None
    _room: "Future[None] | None" = None
    _queued = 0
    _refusal: messages.Head | None = None
    _refused = False

    def __init__(self, container: Container, server_conn: object, request_conn: Any) -> None:
        super().__init__(container, server_conn, request_conn)
        self._received: deque[str | bytes] = deque()
        self._carrying: asyncio.Task[None] | None = None

    def begin(self, line: httputil.RequestStartLine, headers: httputil.HTTPHeaders, pairs: scopes.Pairs) -> None:
        """Start the application, which will agree to the WebSocket or refuse it."""
        self._headers = headers
        self._start("websocket", line, pairs)

    def shut_down(self) -> None:
        """The application has to end, though the client is there: it is told so."""
        protocol = self._protocol
        if protocol is not None and not protocol.is_closing():
            protocol.close(1001)
        elif protocol is None and not (self._refused or self._over):
            self._answer(503)
        self.client_left()

    def client_left(self) -> None:
        super().client_left()
        self._over = True
        self._wake()
        settle(self._room)

    def on_connection_close(self) -> None:
        self.client_left()

    async def _run(self, scope: Scope) -> None:
        container = self._container
        life = container._life
        try:
            if life.is_started() or await self._may_begin():
                scope["state"] = life.state.copy()
                await self._run_application(scope)
        finally:
            container._running.discard(self)

    async def _run_application(self, scope: Scope) -> None:
        try:
            await self._container.app(scope, self._receive, self._send)
        except asyncio.CancelledError as error:
            if self._is_cancelled():
                self._end(1001)
                raise
            self._log_exception(error)  # it is the application's
            self._end(1011)
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
        settle(self._room)

    def _answer(self, status: int) -> None:
        self.respond(*plain(status))

    def respond(self, head: messages.Head, body: bytes) -> None:
        """Answer with a response, in place of a WebSocket."""
        self._refused = True
        if not self._over:
            self._write_head(head, shared_head(head), body, True)
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
            settle(room)
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
                self.respond(self._refusal, self._refusal_body)
        else:
            raise messages.MessageError(f"not a message of a handshake: {kind!r}")

    async def _accept(self, message: Message) -> None:
        connection, headers, subprotocol = self._connection, self._headers, message.get("subprotocol")
        params = self._container._websocket_params
        pairs = [pair for pair in messages.field_pairs(message.get("headers") or ()) if not pair[0].startswith(b"sec-websocket-")]
        carried = getattr(connection, "_websocket_protocol", None)
        if carried is not None:  # we are on another server ourselves, and frames are its business
            connection.subprotocol = subprotocol
            try:
                await self._say_yes(pairs)
            except (iostream.StreamClosedError, websocket.WebSocketClosedError) as error:
                raise ClientDisconnected("the client is gone") from error
            self._carry_by(carried(self, params))
            return
        protocol = _Inside13(cast(Any, self), False, params)
        agreement = handshake.negotiate(headers, lambda _: subprotocol, params.compression_options is not None)
        accept = protocol.compute_accept_value(headers["Sec-WebSocket-Key"])
        fields = [*agreement.fields, ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
        pairs += scopes.fields(fields)
        if agreement.deflate is not None:
            protocol._create_compressors(agreement.deflate)
        self._say_yes(pairs)
        protocol.stream = connection.detach()
        protocol.start_pinging()
        self._carry_by(protocol)

    def _say_yes(self, pairs: messages.Pairs) -> "Future[None]":
        written = self._write_head(messages.Head(101, pairs, None, False, False), None, b"", False)
        self._connection.finish()
        self._log(101)
        return written

    def _carry_by(self, protocol: Any) -> None:
        self._protocol = protocol
        self._carrying = asyncio.create_task(self._carry(protocol))

    async def _carry(self, protocol: Any) -> None:
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
