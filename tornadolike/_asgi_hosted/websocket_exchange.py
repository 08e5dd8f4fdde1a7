"""One WebSocket that came over ASGI."""

import asyncio
from typing import Any, cast

import tornadolike
from tornadolike import gen, httputil, iostream, websocket
from tornadolike._asgi import requests, responses
from tornadolike._asgi.interface import Message
from tornadolike._asgi_hosted.carrier import Adapter, Carrier, NoStream, done, is_being_cancelled
from tornadolike._http.log_text import one_line
from tornadolike.concurrent import Future
from tornadolike.escape import json_encode, utf8
from tornadolike.log import app_log, gen_log

_MAX_REASON_BYTES = 123  # RFC 6455 §5.5

_DEFAULT_SERVER = f"TornadoServer/{tornadolike.version}"


class SocketExchange(Carrier):
    """One WebSocket, from its opening handshake on: HTTP to the handler, until that has agreed to it or refused."""

    _accepted = False
    _refusal: Message | None = None
    _refusal_body = b""
    subprotocol: str | None = None
    # The task that waits in receive(), for the time of that.
    _receiving: "asyncio.Task[Any] | None" = None
    _receiving_ended = False
    _protocol: "ASGIWebSocketProtocol | None" = None

    def going_away(self) -> None:
        """The server will stop: so does the WebSocket, with code 1001 (RFC 6455 §7.4.1)."""
        if self._protocol is not None:
            self._protocol.close(1001)
        else:
            super().going_away()

    @property
    def stream(self) -> Any:
        """As on our own server: None, once it is a WebSocket."""
        return None if self._accepted else super().stream

    async def run(self, adapter: Adapter) -> None:
        """Have ``adapter``'s application open a WebSocket; returns when it is closed."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        try:
            self._request_context.run(self._give_head, adapter)
        except (Exception, asyncio.CancelledError) as error:  # nothing was awaited: it is the application's
            self._failed(error)
        await self._carry(adapter)
        self._delegate = self._protocol = None  # which lead back to us

    def _give_head(self, adapter: Adapter) -> None:
        target = requests.target(self.scope, adapter._strips_root_path)
        self._root_path = target.root_path
        line = httputil.RequestStartLine("GET", target.uri, "HTTP/1.1")
        headers = httputil.HTTPHeaders._from_wire(requests.handshake_fields(self.scope))
        delegate = self._delegate = adapter._start_request(self)
        self._delegate_open = True
        wanted = delegate.headers_received(line, headers)
        finish = delegate.finish
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
        self._protocol = ASGIWebSocketProtocol(handler, self, params)
        return self._protocol

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
            return done()
        self._accepted = True
        accept = {"type": "websocket.accept", "subprotocol": self.subprotocol, "headers": responses.without_handshake(pairs)}
        return self._put([accept])

    def write(self, chunk: bytes) -> "Future[None]":
        """Keep a piece of an answer that is no WebSocket."""
        self._refusal_body += chunk
        return done()

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
                await self._send_next(self._take_written())
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

    def _give_up(self) -> None:
        if self._accepted and self._protocol is not None:
            self._protocol._abort()
        else:
            super()._give_up()

    def _fail_write(self, future: "Future[None]", error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(websocket.WebSocketClosedError() if self._accepted else iostream.StreamClosedError(real_error=error))
            future.exception()


class _SocketsStream(NoStream):
    """Stands where applications look for the stream of a WebSocket; ``close`` ends it with code 1011."""

    def closed(self) -> bool:
        """Whether the WebSocket is over."""
        return self._connection._over


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
    said_goodbye = False  # the client did, or so the server says

    def __init__(self, handler: websocket.WebSocketHandler, connection: SocketExchange, params: websocket._WebSocketParams) -> None:
        super().__init__(handler)
        self._connection = connection
        self._params = params
        self.stream = cast(Any, _SocketsStream(connection))

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
                await self._deliver_to_handler(message.get("bytes") if data is None else data)
        finally:
            self._end()

    async def _deliver_to_handler(self, data: str | bytes | None) -> None:
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
            if is_being_cancelled():
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
        self.said_goodbye = code != 1006
        # 1005 and 1006 stand for a close without a code, and for none (RFC 6455 §7.1.5).
        self.close_code = None if code in (1005, 1006) else code
        self.close_reason = message.get("reason") or None

    def _end(self) -> None:
        self.client_terminated = self.server_terminated = True
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._connection.end()
        self._connection._tell_of_close()  # whoever asked the stream for it

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
        if len(reason_bytes) > _MAX_REASON_BYTES:
            raise ValueError(f"a reason has at most {_MAX_REASON_BYTES} bytes")
        self.server_terminated = True
        connection = self._connection
        if self._closing or connection._over or self.client_terminated:
            return
        self._closing = True
        self._sent_code = code if code is not None or reason is None else 1000
        connection._put([{"type": "websocket.close", "code": 1000 if code is None else code, "reason": reason or ""}])
        self._close_timer = connection._loop.call_later(websocket._CLOSE_SECONDS, connection.end_receiving)

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
        return done()

    def write_ping(self, data: bytes) -> None:
        """Nothing: pings are the server's, and `~.WebSocketHandler.on_pong` is never called."""

    def start_pinging(self) -> None:
        """Nothing: the server sends pings as it is configured to."""

    def set_nodelay(self, x: bool) -> None:
        """Nothing: it is the server's socket."""


# It is named in `tornadolike.asgi`.
ASGIWebSocketProtocol.__module__ = "tornadolike.asgi"
