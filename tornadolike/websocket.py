"""WebSocket, server and client (RFC 6455, with the compression of RFC 7692).

A server derives from `WebSocketHandler`; a client calls `websocket_connect`. Between either of them and the bytes stands
`WebSocketProtocol`, the port: messages and control frames on one side, whatever carries them on the other. Here that is
`WebSocketProtocol13`, a stream after an HTTP/1.1 upgrade, whose frames are read and made by the engine in ``tornadolike._websocket``.
"""

import abc
import asyncio
import base64
import contextvars
import functools
import logging
import os
import struct
import sys
import time
import warnings
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from operator import length_hint
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast

from tornadolike import _imported_names, gen, httpclient, httputil, simple_httpclient, web
from tornadolike._websocket import handshake, keepalive
from tornadolike._websocket.deflate import DEFAULT_LEVEL, DEFAULT_MEM_LEVEL, Deflater, DeflateSettings, Inflater
from tornadolike._websocket.errors import InflatedTooLarge, PeerError
from tornadolike._websocket.events import CLOSE, PING, PONG, Close, Event, Ping, Pong
from tornadolike._websocket.latest_frame import latest
from tornadolike.concurrent import Future, future_set_result_unless_cancelled
from tornadolike.escape import json_encode, native_str, utf8
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import IOStream, StreamClosedError
from tornadolike.log import access_log, app_log, gen_log
from tornadolike.netutil import Resolver
from tornadolike.queues import Queue
from tornadolike.tcpclient import TCPClient

_default_max_message_size = 10 * 1024 * 1024

# How long a peer may take to answer our close frame.
_CLOSE_SECONDS = 5
_MAX_REASON_BYTES = 123

# How soon to look again whether a method of a handler's that runs the loop within the loop has returned.
_NESTED_SECONDS = 0.01

_NO_EVENTS: Iterator[Event] = iter(())

# Logs a line once in the life of the process, however many connections have the same to say.
de_dupe_gen_log = functools.lru_cache(gen_log.log)


# Called with "open", before ``open()``, and "close", after ``on_close()``, in the handler's Context: logs and metrics.
_observers: "list[Callable[[str, WebSocketHandler, WebSocketProtocol], None]]" = []


class WebSocketError(Exception):
    """The base of this module's errors; also what a client gets from a server that speaks no WebSocket."""


class WebSocketClosedError(WebSocketError):
    """The connection is closed or closing, so that nothing can be sent."""


class _WebSocketDelegate(Protocol):
    """What a connection tells: the interface that handler and client connection share."""

    def on_ws_connection_close(self, close_code: int | None = None, close_reason: str | None = None) -> None: ...
    def on_message(self, message: str | bytes) -> Awaitable[None] | None: ...
    def on_ping(self, data: bytes) -> Awaitable[None] | None: ...
    def on_pong(self, data: bytes) -> Awaitable[None] | None: ...
    def log_exception(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None: ...


class _WebSocketParams:
    """Limits and options of a connection."""

    # Beyond Tornado: see `WebSocketHandler`.
    max_queued_bytes: int | None = None
    overflow = "close"

    def __init__(
        self,
        ping_interval: float | None = None,
        ping_timeout: float | None = None,
        max_message_size: int = _default_max_message_size,
        compression_options: dict[str, Any] | None = None,
    ) -> None:
        self.compression_options = compression_options
        self.max_message_size = max_message_size
        self.ping_timeout = ping_timeout
        self.ping_interval = ping_interval


class WebSocketHandler(web.RequestHandler):
    """A server's side of a WebSocket: derive from it and override `on_message`; `open` and `on_close` as needed.

    The connection begins as a GET request: ``prepare`` runs as for any handler, response headers may be set there and in
    ``set_default_headers``. Then comes the upgrade, `open`, and messages until `on_close`. Send with `write_message`; what belongs to
    HTTP (``write``, ``finish``, ``set_header`` and the like) raises `RuntimeError` from then on. A handler that echoes::

        class Echo(WebSocketHandler):
            def on_message(self, message):
                self.write_message(message)

        app = Application([(r"/echo", Echo)])

    Methods run one at a time and messages come in order: while a coroutine ``on_message`` is not done, no message and no ping is
    looked at and the peer has to wait. An exception in `open`, `on_message`, `on_ping` or `on_pong` is logged and drops the
    connection.

    Browsers let every page of every site open WebSockets to every server. Requests from another origin get status 403 unless
    `check_origin` or the setting ``trusted_origins`` says otherwise.

    A peer that breaks the protocol is told so by the close code (1002; 1007 for text that is not UTF-8 and for broken compression;
    1009 for a message that is too large) and is dropped.

    Application settings:

    * ``websocket_ping_interval``: seconds between the pings that keep the connection open and find dead peers; 0, the default: none.
    * ``websocket_ping_timeout``: seconds that an answer may take before the connection is closed; by default, and at most, the
      interval; 0: any time.
    * ``websocket_max_message_size``: bytes that a message may have, after decompression too; default 10 MiB.
    * ``websocket_max_queued_bytes`` (not in Tornado): bound on what waits to be sent to one peer; default None, no bound. Once more
      than this waits, a message is not sent; ``websocket_overflow`` says what happens instead: ``"close"``, the default, closes with
      code 1013 and raises `WebSocketClosedError`; ``"drop"`` leaves the message out, silently. For servers that send the same to
      many peers and must not store it for those that do not read.
    * ``websocket_access_log`` (not in Tornado): True: a line on ``tornado.access``, at INFO, when a connection opens, and one when it
      closes, with the peer's close code, its duration, and the messages that came and went. Default False: only the line of the upgrade.
    """

    _on_close_called = False
    # While it serves the handler, from the answer to the handshake to the end of on_close.
    _websocket_carrier: "WebSocketProtocol | None" = None
    __chosen: str | None = None  # the subprotocol, once there is no connection to ask

    def __init__(self, application: web.Application, request: httputil.HTTPServerRequest, **kwargs: Any) -> None:
        # Before the base class calls initialize(), which may look at them.
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.ws_connection: WebSocketProtocol | None = None
        super().__init__(application, request, **kwargs)

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Upgrade the connection; ends when it is gone and `on_close` has run.

        Not for overriding: see `prepare` and `open`.
        """
        self.open_args = args
        self.open_kwargs = kwargs
        connection = self.__accept()
        if connection is not None:
            await connection.accept_connection(self)

    def __accept(self) -> "WebSocketProtocol | None":
        """Who carries the messages from now on; None where the request was refused, or there is nobody to answer."""
        if self._on_close_called:  # the client has left while prepare() was waiting
            self._finished = True
            return None
        refusal = self.__refusal()
        if refusal is not None:
            _refuse(self, refusal)
            return None
        connection = self.ws_connection = self.get_websocket_protocol()
        if connection is None:
            self.set_status(426, "Upgrade Required")
            self.set_header("Sec-WebSocket-Version", "13")
            _log_refusal(self, 426, f"version {self.request.headers.get('Sec-WebSocket-Version')!r} is not 13")
        return connection

    def __refusal(self) -> handshake.Refusal | None:
        request = self.request
        headers = request.headers
        refusal = handshake.check_upgrade(request.version, headers.get("Upgrade"), headers.get("Connection"))
        if refusal is not None:
            return refusal
        # Always, and only now: check_origin may depend on what prepare() found out.
        foreign = self._check_cross_origin(self.check_origin)
        if foreign is not None:
            return handshake.Refusal(403, "Cross origin websockets not allowed", foreign)
        return None

    @property
    def ping_interval(self) -> float | None:
        """Seconds between pings, from the setting ``websocket_ping_interval``; 0 or None: no pings."""
        return cast("float | None", self.settings.get("websocket_ping_interval"))

    @property
    def ping_timeout(self) -> float | None:
        """Seconds that the answer to a ping may take, from the setting ``websocket_ping_timeout``.

        None means as long as `ping_interval`, which is also the most; 0 means any time.
        """
        return cast("float | None", self.settings.get("websocket_ping_timeout"))

    @property
    def max_message_size(self) -> int:
        """Bytes that a received message may have, from the setting ``websocket_max_message_size``; a larger one closes with 1009."""
        return cast(int, self.settings.get("websocket_max_message_size", _default_max_message_size))

    def write_message(self, message: bytes | str | dict[str, Any], binary: bool = False) -> "Future[None]":
        """Send a message.

        The result may be awaited, to wait until the message has left for the network: that keeps memory bounded when the
        peer is slow. It fails with `WebSocketClosedError` when the connection breaks before.

        :arg message: a str, bytes, or a dict, which becomes JSON.
        :arg binary: send a binary message; otherwise it is text, and bytes must be UTF-8.

        Raises `WebSocketClosedError` when the connection is closed or closing.
        """
        connection = self.ws_connection
        if connection is None:
            raise WebSocketClosedError
        return connection.write_message(message, binary)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Override to choose one of the ``subprotocols`` that the client proposes, in its order of preference; None: none of them.

        Called once for each connection, with an empty list when the client proposes none. Browsers that propose some, and get none,
        close the connection as soon as it is open; then a line in the log says so, once for each class.
        """
        return None

    @property
    def selected_subprotocol(self) -> str | None:
        """What `select_subprotocol` returned, for good; None before it was asked."""
        connection = self.ws_connection
        return self.__chosen if connection is None else connection.selected_subprotocol

    def get_compression_options(self) -> dict[str, Any] | None:
        """Override to allow compression: return a dict, perhaps an empty one. None, the default, is no compression.

        Keys are ``compression_level`` (default 6) and ``mem_level`` (default 8), as for `zlib.compressobj`. Messages are compressed if
        the client wants that too; it also decides about context takeover and window sizes (RFC 7692 §7.1).
        """
        return None

    def _open(self, *args: str, **kwargs: str) -> Awaitable[None] | None:
        """Called when the connection is open, with the arguments that the URL pattern captured.

        May be a coroutine; no message is delivered before it is done.
        """
        return None

    # Of this type, so that an override may name the arguments of its URL.
    open: Callable[..., Awaitable[None] | None] = _open

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Called with each message, a str or (binary) bytes. Must be overridden; may be a coroutine, then the next one waits for it."""
        raise NotImplementedError

    def ping(self, data: str | bytes = b"") -> None:
        """Send a ping with at most 125 bytes of ``data``; `on_pong` is called when the answer comes.

        To keep connections alive, the setting ``websocket_ping_interval`` is simpler. Raises `WebSocketClosedError`, and `ValueError` for
        too much data.
        """
        connection = self.ws_connection
        if connection is None or connection.is_closing():
            raise WebSocketClosedError
        connection.write_ping(utf8(data))

    def on_pong(self, data: bytes) -> Awaitable[None] | None:
        """Called when the peer has answered a ping, with the ping's data. May be a coroutine, as `on_message`."""

    def on_ping(self, data: bytes) -> Awaitable[None] | None:
        """Called when the peer has sent a ping. It is answered without our doing. May be a coroutine, as `on_message`."""

    def on_close(self) -> Awaitable[None] | None:
        """Called once, when the connection is gone: after `open`, or instead of it where the client left, or `open` failed, before.

        ``close_code`` and ``close_reason`` are what the peer sent, None if nothing. May be a coroutine; an exception is logged.
        """

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection: tell the peer, wait up to five seconds for its answer, then let go. `on_close` follows.

        :arg code: one of RFC 6455 §7.4.1, or 3000 to 4999; default none, or 1000 beside a ``reason``.
        :arg reason: at most 123 bytes of text for the peer.
        """
        connection = self.ws_connection
        if connection is not None:
            connection.close(code, reason)  # raises for a code that does not fit; then nothing has happened
            self.__leave(connection)

    def check_origin(self, origin: str) -> bool:
        """Override to say whether a page of another ``origin`` may connect, such as ``https://www.example.org``.

        Called after ``prepare``, and only where ``Sec-Fetch-Site``, or ``Origin`` against ``Host``, shows that it is another one. By
        default :meth:`.RequestHandler.check_trusted_origin` decides, that is the setting ``trusted_origins``. Do not return True for
        all without another protection if cookies tell who the user is: the browser sends them along, whoever's page it is.
        """
        return self.check_trusted_origin(origin)

    def set_nodelay(self, value: bool) -> None:
        """Send small messages at once (True), or let the kernel collect them (False); see `.BaseIOStream.set_nodelay`."""
        assert self.ws_connection is not None
        self.ws_connection.set_nodelay(value)

    def __leave(self, connection: "WebSocketProtocol") -> None:
        self.ws_connection = None
        chosen = connection.selected_subprotocol
        if chosen is not None:
            self.__chosen = chosen

    def on_connection_close(self) -> None:
        connection = self.ws_connection
        if connection is not None:
            self.__leave(connection)
            connection.on_connection_close()
        if not self._on_close_called:
            self._on_close_called = True
            carrier = self._websocket_carrier
            if carrier is not None:
                carrier._farewell = self.on_close()
            else:
                self.__close_unopened()

    def __close_unopened(self) -> None:
        """The client has left before there was a WebSocket."""
        try:
            farewell = self.on_close()
        except Exception:
            self.log_exception(*sys.exc_info())
            farewell = None
        if farewell is None:
            self._break_cycles()
        else:
            # In the request's own Context, which is no copy: a token of prepare() can be reset.
            context = getattr(self.request.connection, "_request_context", None)
            task = asyncio.get_running_loop().create_task(
                _say_farewell(self, farewell), context=context if isinstance(context, contextvars.Context) else None
            )
            io_loop = IOLoop.current()
            io_loop._register_task(task)
            task.add_done_callback(io_loop._unregister_task)

    def on_ws_connection_close(self, close_code: int | None = None, close_reason: str | None = None) -> None:
        """Called by the connection when it is gone."""
        self.close_code, self.close_reason = close_code, close_reason
        self.on_connection_close()

    def _break_cycles(self) -> None:
        # The response ends with the upgrade, but templates may be rendered for as long as there are messages.
        if self._websocket_carrier is None and (self._on_close_called or self.get_status() != 101):
            super()._break_cycles()

    def get_websocket_protocol(self) -> "WebSocketProtocol | None":
        """The connection for the version that the client asks for; None: there is no such version, the answer is 426."""
        if self.request.headers.get("Sec-WebSocket-Version") != "13":
            return None
        params = _WebSocketParams(self.ping_interval, self.ping_timeout, self.max_message_size, self.get_compression_options())
        settings = self.settings
        if settings.get("websocket_max_queued_bytes") is not None:
            params.max_queued_bytes = settings["websocket_max_queued_bytes"]
            params.overflow = settings.get("websocket_overflow", "close")
            if params.overflow not in ("close", "drop"):
                raise ValueError(f'the setting websocket_overflow is {params.overflow!r}, neither "close" nor "drop"')
        # A connection which has no bytes of its own for us says what carries the messages.
        carrier = getattr(type(self.request.connection), "_websocket_protocol", None)
        protocol = None if carrier is None else carrier(self.request.connection, self, params)
        return protocol or WebSocketProtocol13(self, False, params)

    def _detach_stream(self) -> IOStream:
        _leave_http(self)
        return self.detach()


_NO_HEADERS = httputil.HTTPHeaders()
_HTTP_METHODS = ("finish", "flush", "redirect", "set_cookie", "set_header", "set_status", "write")


def _raise_not_supported_for_websockets(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("Method not supported for Web Sockets")


def _leave_http(handler: WebSocketHandler) -> None:
    """What belongs to HTTP is over, and no longer to be called."""
    for name in _HTTP_METHODS:
        setattr(handler, name, _raise_not_supported_for_websockets)
    handler._headers = _NO_HEADERS  # a kilobyte that nobody needs for as long as there are messages


def _refuse(handler: WebSocketHandler, refusal: handshake.Refusal) -> None:
    """Answer a request that must not become a WebSocket, and say why."""
    handler.set_status(refusal.status)
    handler.finish(refusal.text)
    _log_refusal(handler, refusal.status, f"{refusal.text} {refusal.reason}")


def _log_refusal(handler: WebSocketHandler, status: int, reason: str) -> None:
    # Beside the line of the request, which has the status only.
    access_log.info("WebSocket refused with %d: %s: %s", status, handler._request_summary(), reason)


async def _say_farewell(handler: WebSocketHandler, farewell: Awaitable[None]) -> None:
    """Do what a coroutine ``on_close`` has to do."""
    try:
        await (farewell if isinstance(farewell, Awaitable) else gen.convert_yielded(farewell))
    except (Exception, asyncio.CancelledError):
        handler.log_exception(*sys.exc_info())
    handler._break_cycles()


class WebSocketProtocol(abc.ABC):
    """The port between a handler (or client connection) and whatever carries its messages.

    A carrier defines the abstract methods, `_answer` and `_receive_frame_loop`; the course of a connection, from the negotiation to
    ``on_ws_connection_close``, is here. ``stream`` is None, except where one stream belongs to this connection alone.
    """

    if TYPE_CHECKING:  # carriers define them at their classes, as Tornado's does
        close_code: int | None
        close_reason: str | None
    # Defaults at the class: an idle connection pays only for what it has used.
    _selected_subprotocol: str | None = None
    _farewell: Awaitable[None] | None = None  # what on_close still has to do
    _messages_in = 0
    _messages_out = 0
    _opened = 0.0  # time.monotonic() of the beginning, where somebody wants to know how long it lasts

    def __init__(self, handler: _WebSocketDelegate) -> None:
        self.handler = handler
        self.stream: IOStream | None = None
        # Whether a close frame came, and whether one went; named from the server's point of view, used on both sides.
        self.client_terminated = False
        self.server_terminated = False

    # The course of a server's connection

    @property
    def selected_subprotocol(self) -> str | None:
        """The subprotocol agreed upon; None before, and if there is none."""
        return self._selected_subprotocol

    @selected_subprotocol.setter
    def selected_subprotocol(self, value: str | None) -> None:
        self._selected_subprotocol = value

    async def accept_connection(self, handler: WebSocketHandler) -> None:
        """Answer the handshake, run ``handler.open``, deliver messages; returns when the connection is gone and ``on_close`` has run."""
        agreement = self._negotiate(handler)
        if agreement is None:
            return
        handler._websocket_carrier = self
        try:
            answered = await self._say_yes(handler, agreement)
            del agreement  # this frame lives as long as the connection
            if answered and await self._open(handler):
                await self._receive_frame_loop()
        except asyncio.CancelledError:
            self._abort()
        self._tell_end()
        handler._websocket_carrier = None
        farewell, self._farewell = self._farewell, None
        if farewell is not None:
            await _say_farewell(handler, farewell)
        handler._break_cycles()
        if self._opened:
            self._report(handler, "close")

    def _report(self, handler: WebSocketHandler, event: str) -> None:
        """Tell the log, where the settings want it, and the observers."""
        if handler.settings.get("websocket_access_log"):
            if event == "open":
                access_log.info("WebSocket opened %s", handler._request_summary())
            else:
                self._log_close(handler)
        for observer in _observers:
            try:
                observer(event, handler, self)
            except Exception:
                app_log.error("Uncaught exception in an observer of WebSockets", exc_info=True)

    def _log_close(self, handler: WebSocketHandler) -> None:
        access_log.info(
            "WebSocket closed %s code=%s %.3fs, %d messages in, %d out",
            handler._request_summary(),
            self.close_code,
            time.monotonic() - self._opened,
            self._messages_in,
            self._messages_out,
        )

    async def _say_yes(self, handler: WebSocketHandler, agreement: handshake.Agreement) -> bool:
        """Answer the handshake; whether all went well."""
        try:
            answered = self._answer(handler, agreement)
            if answered is not None:
                await answered
        except Exception:
            if not handler._headers_written:
                handler._websocket_carrier = None
                raise  # this can still be answered, with status 500
            # Such as a log_function that fails.
            self._on_handler_error()
            return False
        return True

    def _negotiate(self, handler: WebSocketHandler) -> handshake.Agreement | None:
        """What is agreed upon with the client; None: the request is malformed, and has been refused."""
        headers = handler.request.headers
        if (
            not headers.get("Host")
            or not headers.get("Sec-WebSocket-Version")
            or not handshake.is_key(headers.get("Sec-WebSocket-Key", ""))
        ):
            _refuse(handler, handshake.Refusal(400, "Missing/Invalid WebSocket headers", "(Host, Sec-WebSocket-Key or -Version)"))
            return None
        agreement = handshake.negotiate(headers, handler.select_subprotocol, self._compresses())
        self.selected_subprotocol = agreement.subprotocol
        if agreement.subprotocol is None and "Sec-WebSocket-Protocol" in headers:
            kind = type(handler)
            de_dupe_gen_log(
                logging.INFO,
                f"{kind.__module__}.{kind.__qualname__}.select_subprotocol has chosen none of the subprotocols that a client proposes: "
                "browsers close such a connection",
            )
        return agreement

    async def _open(self, handler: WebSocketHandler) -> bool:
        """Run ``open``; whether it went well."""
        if _observers or handler.settings.get("websocket_access_log"):
            self._opened = time.monotonic()
            self._report(handler, "open")
        try:
            opening = handler.open(*handler.open_args, **handler.open_kwargs)
            if opening is not None:
                await opening
        except Exception:
            self._on_handler_error()
            return False
        return True

    def _tell_end(self) -> None:
        """Tell the handler that the connection is gone."""
        try:
            self.handler.on_ws_connection_close(self.close_code, self.close_reason)
        except (Exception, asyncio.CancelledError):
            self.handler.log_exception(*sys.exc_info())

    async def _deliver_message(self, message: str | bytes) -> None:
        """Hand over a message, and wait until the handler has done with it. For carriers that receive in ``_receive_frame_loop``."""
        self._messages_in += 1
        try:
            handling = self.handler.on_message(message)
            if handling is not None:
                await gen.convert_yielded(handling)
        except Exception:
            self._on_handler_error()

    def _on_handler_error(self) -> None:
        """A method of the handler's has raised what is being handled."""
        handler = self.handler
        closed = isinstance(sys.exception(), WebSocketClosedError | StreamClosedError)
        if closed and self._is_lost() and isinstance(handler, WebSocketHandler):
            # Daily business: the client left while something was being sent to it.
            gen_log.info("The client has left while something was sent to it: %s", handler._request_summary())
        else:
            handler.log_exception(*sys.exc_info())
        self._abort()

    def _is_lost(self) -> bool:
        """Whether there is nobody any more at the other end."""
        return self.stream is not None and self.stream.closed()

    def on_connection_close(self) -> None:
        """The handler has been told, by something other than this object, that the connection is gone."""
        self._abort()

    def _abort(self) -> None:
        """Drop the connection, without a closing handshake."""
        self.client_terminated = self.server_terminated = True
        if self.stream is not None:
            self.stream.close()
        self.close()

    # What a carrier defines

    def _compresses(self) -> bool:
        """Whether compression is to be negotiated here. No, where it is a matter of those below."""
        return False

    def _answer(self, handler: WebSocketHandler, agreement: handshake.Agreement) -> Awaitable[Any] | None:
        """Tell the client that this is a WebSocket from now on; what is to be awaited before ``open``."""
        raise NotImplementedError

    def _receive_frame_loop(self) -> Awaitable[None]:
        """Deliver messages, in the handler's task and Context, until the connection is gone. Cancelled, the connection is dropped."""
        raise NotImplementedError

    @abc.abstractmethod
    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Begin to close, or go on if the peer has begun; idempotent."""

    @abc.abstractmethod
    def is_closing(self) -> bool:
        """Whether either side has begun to close, or the connection is gone."""

    @abc.abstractmethod
    def write_message(self, message: str | bytes | dict[str, Any], binary: bool = False) -> "Future[None]":
        """Send a message; as `WebSocketHandler.write_message`."""

    @abc.abstractmethod
    def write_ping(self, data: bytes) -> None:
        """Send a ping."""

    @abc.abstractmethod
    def start_pinging(self) -> None:
        """Begin to send pings, where the parameters ask for them."""

    @abc.abstractmethod
    def set_nodelay(self, x: bool) -> None:
        """As `WebSocketHandler.set_nodelay`."""

    def _process_server_headers(self, key: str | bytes, headers: httputil.HTTPHeaders) -> None:
        """Client: check the server's answer to our ``key``, and agree to its extensions. Raises `ValueError`."""
        raise NotImplementedError


_DecompressTooLargeError = InflatedTooLarge


class _PerMessageDeflateCompressor(Deflater):
    def __init__(self, persistent: bool, max_wbits: int | None, compression_options: dict[str, Any] | None = None) -> None:
        options = compression_options or {}
        level, mem_level = options.get("compression_level", DEFAULT_LEVEL), options.get("mem_level", DEFAULT_MEM_LEVEL)
        super().__init__(persistent, 15 if max_wbits is None else max_wbits, level, mem_level)


class _PerMessageDeflateDecompressor(Inflater):
    def __init__(
        self, persistent: bool, max_wbits: int | None, max_message_size: int, compression_options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(persistent, 15 if max_wbits is None else max_wbits, max_message_size)


class _Handling(Coroutine[Any, Any, None]):
    """A coroutine of the handler, which tells the connection from within its own last step that it is done.

    A callback of its task would come one round of the loop later; without, an echo by coroutine takes a fifth less on uvloop. An
    ``async def`` around the handler's would do as well, were it not for tasks that are cancelled before they begin.
    """

    __slots__ = ("_connection", "_work")

    def __init__(self, connection: "WebSocketProtocol13", work: Coroutine[Any, Any, None]) -> None:
        self._connection = connection
        self._work = work

    def send(self, value: Any) -> Any:
        return self._step(self._work.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._work.throw, *error)

    def _step(self, resume: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return resume(*arguments)
        except StopIteration:
            pass
        except (Exception, asyncio.CancelledError):
            self._connection._on_handler_error()
        except (SystemExit, KeyboardInterrupt) as error:
            self._connection._standby.end(error)
        self._connection._on_worked()
        raise StopIteration

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._work.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)  # for tools that show tasks: cr_frame and the like


class _Standby:
    """What a task waits for while its connection lives, so that callbacks can do the work in the task's place; to a stream, the consumer.

    What a task awaits is told the task's Context, for the call that wakes it up; before Python 3.12 there is no other way to learn it.
    So the callbacks of a handler run in the very Context in which its ``prepare`` ran, whoever has made the task and however; and
    meanwhile the task counts as the current one, as if it had called them.
    """

    __slots__ = ("_asyncio_future_blocking", "_connection", "_context", "_ended", "_error", "_loop", "_task", "_wake")

    def __init__(self, connection: "WebSocketProtocol13", loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = self._ended = False
        self._error: BaseException | None = None
        self._connection = connection
        self._loop = loop
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._context = contextvars.copy_context()  # for those who wait, but not in a task
        self._wake: Callable[..., Any] | None = None

    # What a task asks of a future.

    def __await__(self) -> Generator[Any, Any, None]:
        return cast("Generator[Any, Any, None]", self)  # a generator would take two hundred bytes

    def __iter__(self) -> "_Standby":
        return self

    def __next__(self) -> "_Standby":
        if self._ended:
            self.result()
            raise StopIteration
        self._asyncio_future_blocking = True
        return self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[..., Any], *, context: contextvars.Context) -> None:
        self._wake, self._context = wake, context

    def cancel(self, msg: object = None) -> bool:
        if self._ended:
            return False
        self.end(asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        return True

    def result(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    # What a stream calls.

    def data_received(self, data: bytes) -> None:
        connection, loop, task = self._connection, self._loop, self._task
        try:
            _enter_task(loop, task)
        except RuntimeError:
            taken = self.run(connection._take, data)
        else:
            # As in `run`, with one call less for each message.
            taken = True
            try:
                self._context.run(connection._take, data)
            except BaseException as error:
                taken = self._failed(error)
            finally:
                _leave_task(loop, task)
        if not taken:
            connection._put_off(data)
            connection.stream.io_loop.call_later(_NESTED_SECONDS, connection._continue)

    def stream_closed(self) -> None:
        self._connection._on_stream_closed()

    def going_away(self) -> None:
        """The server is draining (RFC 6455 §7.4.1)."""
        self._connection.close(1001)

    # What the connection asks.

    def end(self, error: BaseException | None = None) -> None:
        """Let the task go on, or let it fail."""
        self._ended = True
        self._error = error
        wake, self._wake = self._wake, None
        if wake is not None:
            self._loop.call_soon(wake, self, context=self._context)

    def release(self) -> None:
        """The stream is gone and calls no more: leave no cycle with the connection."""
        del self._connection

    def run(self, function: Callable[[Any], None], argument: Any) -> bool:
        """Call a function as the task would, and in its Context. False: not now, something that was called so has not yet returned."""
        try:
            _enter_task(self._loop, self._task)
        except RuntimeError:
            return self._run_within(cast("asyncio.Task[Any]", asyncio.current_task()), function, argument)
        try:
            self._context.run(function, argument)
        except BaseException as error:
            return self._failed(error)
        finally:
            _leave_task(self._loop, self._task)
        return True

    def _failed(self, error: BaseException) -> bool:
        """What the Context raised which is being handled, or let through. False: it is entered already, and nothing was called."""
        if isinstance(error, SystemExit | KeyboardInterrupt):
            self.end(error)  # whoever ends the program does so in the task, which the loop lets through without a word
            return True
        if isinstance(error, RuntimeError) and error.__traceback__ is not None and error.__traceback__.tb_next is None:
            return False
        raise error

    def _run_within(self, other: "asyncio.Task[Any]", function: Callable[[Any], None], argument: Any) -> bool:
        """The same inside another task, which runs a loop of its own."""
        if other is self._task:
            return False
        _leave_task(self._loop, other)
        try:
            return self.run(function, argument)
        finally:
            _enter_task(self._loop, other)


class WebSocketProtocol13(WebSocketProtocol):
    """Version 13 of the protocol, the only one: RFC 6455, on the stream of an HTTP/1.1 connection.

    What the stream brings goes through the engine to the handler in one synchronous call chain. It is interrupted, and reading
    pauses, while the handler is busy (an awaitable from ``on_message``) and after each portion of a flood of frames.
    """

    FIN = 0x80
    """In the first byte of a frame (RFC 6455 §5.2): the message ends with this frame."""
    RSV1 = 0x40
    """In the first byte: the message is compressed (RFC 7692 §6)."""
    RSV2 = 0x20
    """In the first byte: reserved for extensions."""
    RSV3 = 0x10
    """In the first byte: reserved for extensions."""
    RSV_MASK = RSV1 | RSV2 | RSV3
    """The three reserved bits."""
    OPCODE_MASK = 0x0F
    """The bits of the first byte that say what kind of frame it is."""

    stream: IOStream
    """The connection, once it is WebSocket's."""

    # Names of Tornado's class, which those who replace them look for here.
    accept_connection = WebSocketProtocol.accept_connection
    selected_subprotocol = WebSocketProtocol.selected_subprotocol

    # Defaults at the class: an idle connection pays only for what it has used.
    close_code: int | None = None
    """The code with which the peer closed, None before that and where it gave none."""
    close_reason: str | None = None
    """The text that came with it."""
    _wire_bytes_in = 0
    _wire_bytes_out = 0
    # Of messages whose frame was there already, so that the engine has not seen them.
    _repeated_bytes_out = 0
    # Events that wait for the handler; not None means that it is busy.
    _held: Iterator[Event] | None = None
    # The task of a coroutine of the handler's, and whether something waits for its end.
    _task: "asyncio.Task[None] | None" = None
    _task_awaited = False
    # Bytes that came while it was busy.
    _backlog = b""
    _paused = False
    _stream_lost = False
    _standby: _Standby
    """What the handler's task waits for, once the connection is open."""
    _close_timer: object = None
    _ping_task: "asyncio.Task[None] | None" = None
    _received_pong = False
    # The pong that has not left yet, and the data of the latest ping since then.
    _pong_future: "Future[None] | None" = None
    _pending_pong: bytes | None = None

    def __init__(self, handler: _WebSocketDelegate, mask_outgoing: bool, params: _WebSocketParams) -> None:
        super().__init__(handler)
        self.mask_outgoing = mask_outgoing
        self.params = params
        # With wsproto behind it, which a program that serves no WebSocket need not load.
        from tornadolike._websocket.wsproto_engine import WsprotoEngine

        self._engine = WsprotoEngine(mask_outgoing, params.max_message_size)
        self._max_queued_bytes = params.max_queued_bytes
        # Whether the frame of a message that was sent to somebody else can be sent as it is.
        self._repeats = not mask_outgoing and params.max_queued_bytes is None

    # Counters, for tests: of messages, uncompressed and in UTF-8; and of everything on the wire.

    @property
    def _message_bytes_in(self) -> int:
        return self._engine.message_bytes_in

    @property
    def _message_bytes_out(self) -> int:
        return self._engine.message_bytes_out + self._repeated_bytes_out

    # The opening handshake

    def _compresses(self) -> bool:
        return self.params.compression_options is not None

    def _answer(self, handler: WebSocketHandler, agreement: handshake.Agreement) -> None:
        if agreement.deflate is not None:
            self._create_compressors(agreement.deflate)
        accept = self.compute_accept_value(handler.request.headers["Sec-WebSocket-Key"])
        handler.clear_header("Content-Type")
        handler.set_status(101)
        for name, value in (*agreement.fields, ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            handler.set_header(name, value)
        try:
            handler.finish()
        finally:
            if handler._headers_written:
                self.stream = handler._detach_stream()
                self.stream._forget_finished()
        self.start_pinging()

    def _create_compressors(self, settings: DeflateSettings) -> None:
        params = self.params
        self._repeats = False
        self._engine.use_deflate(
            _PerMessageDeflateCompressor(settings.send_takeover, settings.send_window_bits, params.compression_options),
            _PerMessageDeflateDecompressor(settings.receive_takeover, settings.receive_window_bits, params.max_message_size),
        )

    @staticmethod
    def compute_accept_value(key: str | bytes) -> str:
        """The value of ``Sec-WebSocket-Accept`` that answers ``key`` (RFC 6455 §4.2.2)."""
        return handshake.accept_value(utf8(key))

    def _process_server_headers(self, key: str | bytes, headers: httputil.HTTPHeaders) -> None:
        options = [option.lower() for option in handshake.split_list(headers.get("Connection"))]
        if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in options:
            raise ValueError("the server did not upgrade to WebSocket")
        if headers.get("Sec-WebSocket-Accept") != self.compute_accept_value(key):
            raise ValueError("Sec-WebSocket-Accept does not match our key")
        extensions = handshake.parse_extensions(headers.get("Sec-WebSocket-Extensions"))
        settings = handshake.accept_deflate(extensions, self.params.compression_options is not None)
        if settings is not None:
            self._create_compressors(settings)
        self.selected_subprotocol = headers.get("Sec-WebSocket-Protocol")

    # Receiving

    def _receive_frame_loop(self) -> Awaitable[None]:
        loop = asyncio.get_running_loop()
        handler = self.handler
        if isinstance(handler, WebSocketHandler) and isinstance(handler.request.headers, httputil.HTTPHeaders):
            handler.request.headers._pack()
        standby = self._standby = _Standby(self, loop)
        # Not before the task waits: only then its Context is known.
        loop.call_soon(self._start_receiving)
        return standby

    def _start_receiving(self) -> None:
        self.stream._attach_consumer(self._standby)

    def _put_off(self, data: bytes) -> None:
        self._backlog += data
        self._paused = True
        self.stream._pause_reading()

    def _take(self, data: bytes) -> None:
        """Take what the stream brings."""
        if self._held is not None:
            self._await_handler()
            self._put_off(data)
            return
        self._wire_bytes_in += len(data)
        try:
            events = self._engine.feed(data)
        except PeerError as error:
            self._fail(error)
            return
        delivered = self._deliver(iter(events))
        if self._engine.has_more:
            if delivered:
                # Others want a turn, too.
                self._held = _NO_EVENTS
                asyncio.get_running_loop().call_soon(self._continue)
            else:
                self._await_handler()

    def _deliver(self, events: Iterator[Event]) -> bool:
        """Hand events over until the handler is busy with one; whether it has done with all."""
        on_message: Callable[[Any], Awaitable[None] | None] = self.handler.on_message
        for event in events:
            if self.client_terminated:
                break
            kind = type(event)
            if kind is bytes or kind is str:
                self._messages_in += 1
                try:
                    result = on_message(event)
                except (Exception, asyncio.CancelledError):
                    self._on_handler_error()
                    break
            elif isinstance(event, Close):
                self._on_close_frame(event)
                break
            else:
                control = cast(Ping | Pong, event)
                result = self._handle_message(control.opcode, control.data)
            if result is not None and self._is_busy_with(result):
                self._held = events
                if length_hint(events):
                    self._await_handler()
                return False
        return True

    def _handle_message(self, opcode: int, data: bytes) -> Awaitable[None] | None:
        """A ping or a pong."""
        try:
            if opcode == PING:
                self._send_pong(data)
                return self.handler.on_ping(data)
            self._received_pong = True
            return self.handler.on_pong(data)
        except (Exception, asyncio.CancelledError):
            self._on_handler_error()
            return None

    def _is_busy_with(self, result: Awaitable[None]) -> bool:
        """Whether there is something to wait for; then ``_on_worked`` or ``_continue`` is called at its end."""
        if type(result) is CoroutineType:
            return self._start(result)
        try:
            future = gen.convert_yielded(result)
            if future.done():
                future.result()
                return False
        except (Exception, asyncio.CancelledError):
            self._on_handler_error()
            return False
        future.add_done_callback(self._continue)
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run a coroutine of the handler's in a task; whether there is something to wait for."""
        task = asyncio.get_running_loop().create_task(_Handling(self, work))
        if task.done():  # the application has asked for eager tasks
            return False
        self._task = task
        self.stream.io_loop._register_task(task)
        return True

    def _on_worked(self) -> None:
        """The task is through. If nothing waits for that, the connection is as before it."""
        task, self._task = self._task, None
        if task is not None:
            self.stream.io_loop._unregister_task(task)
            if not self._task_awaited:
                self._held = None
            self._task_awaited = False

    def _await_handler(self) -> None:
        """Something waits for the handler's end: `_continue` is due then. Repeated calls are one."""
        if self._task is not None and not self._task_awaited:
            self._task_awaited = True
            self._task.add_done_callback(self._continue)

    def _continue(self, handled: "Future[Any] | None" = None) -> None:
        """What was held back, and what came in the meantime, in place of the stream."""
        if not self._standby.run(self._go_on, handled):
            self.stream.io_loop.call_later(_NESTED_SECONDS, self._continue, handled)

    def _go_on(self, handled: "Future[Any] | None") -> None:
        """The handler is ready for more: for what was held back, then for what came in the meantime."""
        if handled is not None:
            try:
                handled.result()
            except (Exception, asyncio.CancelledError):
                self._on_handler_error()
        events, self._held = self._held, None
        if events is not None and not self._deliver(events):
            self._await_handler()
            return
        while self._held is None and not self.client_terminated and (self._engine.has_more or self._backlog):
            data = b""
            if not self._engine.has_more:
                data, self._backlog = self._backlog, b""
            self._take(data)
        if self._held is not None:
            self._await_handler()
            return
        if self._stream_lost:
            self._finish()
        elif self._paused:
            self._paused = False
            self.stream._resume_reading()

    def _on_close_frame(self, event: Close) -> None:
        self.client_terminated = True
        self.close_code, self.close_reason = event.code, event.reason
        # The answer repeats the code (RFC 6455 §5.5.1).
        self.close(event.code)

    def _fail(self, error: PeerError) -> None:
        """Tell the peer what it did wrong, and drop it."""
        self.close(error.code, str(error).encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))
        self._abort()

    def _on_stream_closed(self) -> None:
        self._stream_lost = True
        if self._held is None:
            self._finish()
        else:
            self._await_handler()

    def _finish(self) -> None:
        self._abort()
        self._engine.feed_eof()
        self._standby.end()
        self._standby.release()

    # Sending

    def _write_frame(self, fin: bool, opcode: int, data: bytes, flags: int = 0) -> "Future[None]":
        frame = self._engine.send_frame((self.FIN if fin else 0) | flags | opcode, data)
        self._wire_bytes_out += len(frame)
        return self.stream.write(frame)

    def write_message(self, message: str | bytes | dict[str, Any], binary: bool = False) -> "Future[None]":
        if self.server_terminated or self.client_terminated:
            raise WebSocketClosedError
        stream, entry = self.stream, latest.entry
        if message is entry[0] and binary is entry[1] and self._repeats:
            # A broadcast: without the engine a quarter cheaper, as far as it is ours.
            self._repeated_bytes_out += entry[2]
            frame = entry[3]
        else:
            if not isinstance(message, (str, bytes)):
                message = json_encode(message) if isinstance(message, dict) else utf8(message)
            if self._max_queued_bytes is not None and stream._unwritten() > self._max_queued_bytes:
                return self._overflow()
            frame = self._engine.send_message(message, binary)
        self._wire_bytes_out += len(frame)
        self._messages_out += 1
        try:
            written = stream.write(frame)
        except StreamClosedError:
            raise WebSocketClosedError from None
        # What every write at once returns, or one of its own.
        return written if written is stream._finished else _with_own_error(written)

    def _overflow(self) -> "Future[None]":
        """The peer does not read what is sent to it."""
        if self.params.overflow == "close":
            self.close(1013, "too slow")
            raise WebSocketClosedError("too many bytes are waiting to be sent")
        dropped: Future[None] = Future()
        dropped.set_result(None)
        return dropped

    def write_ping(self, data: bytes) -> None:
        if self.server_terminated or self.client_terminated:
            raise WebSocketClosedError
        try:
            self._write_frame(True, PING, data)
        except StreamClosedError:
            raise WebSocketClosedError from None

    def _send_pong(self, data: bytes) -> None:
        """Answer a ping. While a pong has not left, only the latest ping is kept for an answer (RFC 6455 §5.5.3): a peer that pings
        and does not read fills no memory.
        """
        if self._pong_future is not None:
            self._pending_pong = data
            return
        if self.server_terminated:
            return
        try:
            future = self._write_frame(True, PONG, data)
        except StreamClosedError:
            self._abort()
            return
        if not future.done():
            self._pong_future = future
            future.add_done_callback(self._on_pong_sent)

    def _on_pong_sent(self, future: "Future[None]") -> None:
        self._pong_future = None
        latest, self._pending_pong = self._pending_pong, None
        if latest is not None and not future.cancelled() and future.exception() is None:
            self._send_pong(latest)

    # Closing

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        stream: IOStream | None = self.stream
        if not self.server_terminated and stream is not None and not stream.closed():
            try:
                self._write_frame(True, CLOSE, _close_payload(code, reason))
            except StreamClosedError:
                self._abort()
        self.server_terminated = True
        if self._ping_task is not None:
            self._ping_task.cancel()
            self._ping_task = None
        if stream is None:
            return
        if not self.client_terminated:
            if self._close_timer is None:
                self._close_timer = stream.io_loop.call_later(_CLOSE_SECONDS, self._abort)
            return
        if self._close_timer is not None:
            stream.io_loop.remove_timeout(self._close_timer)
            self._close_timer = None
        stream.close()

    def is_closing(self) -> bool:
        return self.client_terminated or self.server_terminated or self.stream.closed()

    def set_nodelay(self, x: bool) -> None:
        self.stream.set_nodelay(x)

    # Keeping the connection open

    @property
    def ping_interval(self) -> float:
        """Seconds between pings, 0 for none."""
        return self.params.ping_interval or 0

    @property
    def ping_timeout(self) -> float:
        """Seconds that the answer to a ping may take, 0 for any time; not more than the interval."""
        interval, timeout = self.ping_interval, self.params.ping_timeout
        if timeout is not None and interval and timeout > interval:
            de_dupe_gen_log(
                logging.WARNING,
                f"The websocket_ping_timeout ({timeout}) cannot be longer than the websocket_ping_interval ({interval})."
                f"\nSetting websocket_ping_timeout={interval}",
            )
        return keepalive.effective_timeout(interval, timeout)

    def start_pinging(self) -> None:
        if self._ping_task is None and self.ping_interval > 0:
            self._ping_task = asyncio.create_task(self.periodic_ping())

    @staticmethod
    def ping_sleep_time(*, last_ping_time: float, interval: float, now: float) -> float:
        """Seconds from ``now`` to the next ping."""
        return keepalive.seconds_to_next_ping(last_ping_time, interval, now)

    async def periodic_ping(self) -> None:
        """Send pings, and close the connection when one is not answered in time. Runs in a task of its own."""
        interval, timeout = self.ping_interval, self.ping_timeout
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(interval)
        while not self.is_closing():
            sent = clock()
            self._received_pong = False
            try:
                self.write_ping(b"")
            except WebSocketClosedError:
                break
            await asyncio.sleep(timeout)
            if timeout and not self._received_pong:
                self.close(reason="ping timed out")
                break
            await asyncio.sleep(self.ping_sleep_time(last_ping_time=sent, interval=interval, now=clock()))


def _close_payload(code: int | None, reason: str | None) -> bytes:
    if code is None:
        if reason is None:
            return b""
        code = 1000
    return struct.pack(">H", code) + utf8(reason or "")


def _with_own_error(written: "Future[None]") -> "Future[None]":
    """``written``, but failing with `WebSocketClosedError`; and nobody needs to look at it."""
    future: Future[None] = Future()

    def on_written(done: "Future[None]") -> None:
        if done.cancelled() or done.exception() is not None:
            if not future.done():
                future.set_exception(WebSocketClosedError())
                future.exception()
        else:
            future_set_result_unless_cancelled(future, None)

    written.add_done_callback(on_written)
    return future


class WebSocketClientConnection(simple_httpclient._HTTPConnection):
    """A client's side of a WebSocket. `websocket_connect` makes it."""

    __ended = False
    protocol: WebSocketProtocol | None = None
    """The protocol of the open connection, None before and after."""

    def __init__(
        self,
        request: httpclient.HTTPRequest,
        on_message_callback: Callable[[str | bytes | None], None] | None = None,
        compression_options: dict[str, Any] | None = None,
        ping_interval: float | None = None,
        ping_timeout: float | None = None,
        max_message_size: int = _default_max_message_size,
        subprotocols: list[str] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self.params = _WebSocketParams(ping_interval, ping_timeout, max_message_size, compression_options)
        self.connect_future: Future[WebSocketClientConnection] = Future()
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.key = base64.b64encode(os.urandom(16))
        self.read_queue: Queue[str | bytes | None] = Queue(1)
        self._on_message_callback = on_message_callback
        self._complete_request(request, subprotocols)
        self.tcp_client = TCPClient(resolver=resolver)
        limits = (104857600, self.tcp_client, 65536, 104857600)
        super().__init__(None, request, _no_release, self._on_http_response, *limits)
        self.connect_future.add_done_callback(self.__on_connect_ended)

    def __on_connect_ended(self, future: "Future[WebSocketClientConnection]") -> None:
        """Where the future was cancelled nobody has the connection, so nobody could close it."""
        if not future.cancelled():
            return
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol._abort()
        else:
            self._abandon()
            self.tcp_client.close()

    def _complete_request(self, request: httpclient.HTTPRequest, subprotocols: list[str] | None) -> None:
        scheme, colon, rest = request.url.partition(":")
        request.url = {"ws": "http", "wss": "https"}[scheme] + colon + rest
        # Nobody expects a redirect here, and the upgrade would not survive it.
        request.follow_redirects = False
        headers = request.headers
        headers["Upgrade"] = "websocket"
        headers["Connection"] = "Upgrade"
        headers["Sec-WebSocket-Key"] = native_str(self.key)
        headers["Sec-WebSocket-Version"] = "13"
        if subprotocols:  # RFC 6455 §4.1: without any there is no such field
            headers["Sec-WebSocket-Protocol"] = ",".join(subprotocols)
        if self.params.compression_options is not None:
            headers["Sec-WebSocket-Extensions"] = handshake.DEFLATE_OFFER

    def __del__(self) -> None:
        if self.protocol is not None:
            warnings.warn("Unclosed WebSocketClientConnection", ResourceWarning, stacklevel=2)

    # The handshake

    async def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> None:
        assert isinstance(start_line, httputil.ResponseStartLine)
        if start_line.code != 101:
            await super().headers_received(start_line, headers)
            return
        self._remove_timeout()
        self.headers = headers
        protocol = self.get_websocket_protocol()
        try:
            protocol._process_server_headers(self.key, headers)
            handshake.check_selected(protocol.selected_subprotocol, self.request.headers.get("Sec-WebSocket-Protocol"))
        except ValueError as error:
            self._reject(error)
            return
        stream = protocol.stream = self.connection.detach()
        stream.set_close_callback(None)
        # From here on errors are none of an HTTP request's.
        self.final_callback = None
        self.protocol = protocol
        task = asyncio.get_running_loop().create_task(self._receive(protocol))
        self.io_loop._register_task(task)
        task.add_done_callback(self.io_loop._unregister_task)
        protocol.start_pinging()
        future_set_result_unless_cancelled(self.connect_future, self)

    def _reject(self, reason: ValueError) -> None:
        """The server has switched to something that we did not ask for (RFC 6455 §4.1)."""
        self.final_callback = None
        if not self.connect_future.done():
            error = StreamClosedError(real_error=reason)
            error.__cause__ = reason
            self.connect_future.set_exception(error)
        self.connection.close()

    async def _receive(self, protocol: WebSocketProtocol) -> None:
        try:
            await protocol._receive_frame_loop()
        except asyncio.CancelledError:
            protocol._abort()
        protocol._tell_end()

    def _on_http_response(self, response: httpclient.HTTPResponse) -> None:
        if not self.connect_future.done():
            self.connect_future.set_exception(response.error or WebSocketError("Non-websocket response"))

    def get_websocket_protocol(self) -> WebSocketProtocol:
        """The protocol that speaks for this connection, still without a stream."""
        return WebSocketProtocol13(self, mask_outgoing=True, params=self.params)

    @property
    def selected_subprotocol(self) -> str | None:
        """The subprotocol that the server has chosen; None if none, and while there is no connection."""
        return None if self.protocol is None else self.protocol.selected_subprotocol

    # Sending

    def write_message(self, message: str | bytes | dict[str, Any], binary: bool = False) -> "Future[None]":
        """Send a message; as `WebSocketHandler.write_message`."""
        if self.protocol is None:
            raise WebSocketClosedError("Client connection has been closed")
        return self.protocol.write_message(message, binary=binary)

    def ping(self, data: bytes = b"") -> None:
        """Send a ping; as `WebSocketHandler.ping`. To keep the connection open, give `websocket_connect` a ``ping_interval``."""
        if self.protocol is None:
            raise WebSocketClosedError
        self.protocol.write_ping(utf8(data))

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection; as `WebSocketHandler.close`. Messages that come before the server's answer are still delivered."""
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.close(code, reason)

    # Receiving

    def read_message(self, callback: Callable[["Future[str | bytes | None]"], None] | None = None) -> Awaitable[str | bytes | None]:
        """Wait for the next message; None when the connection is closed, as often as you ask.

        Messages that nobody reads stop the server: at most one waits here, then no more is read from the connection. Not for
        connections with an ``on_message_callback``.

        :arg callback: called with the future of the message, as well.
        """
        message = self.__read()
        if callback is not None:
            self.io_loop.add_future(asyncio.ensure_future(message), callback)
        return message

    def __read(self) -> Awaitable[str | bytes | None]:
        if not (self.__ended and self.read_queue.empty()):
            return self.read_queue.get()
        nothing: Future[str | bytes | None] = Future()
        nothing.set_result(None)
        return nothing

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Called by the protocol with each message: queued for `read_message`, or given to the callback."""
        return self._on_message(message)

    def _on_message(self, message: str | bytes | None) -> Awaitable[None] | None:
        if self._on_message_callback is None:
            return self.read_queue.put(message)
        self._on_message_callback(message)
        return None

    def on_ping(self, data: bytes) -> Awaitable[None] | None:
        """Called when the server has sent a ping, which is answered anyway."""

    def on_pong(self, data: bytes) -> Awaitable[None] | None:
        """Called when the server has answered a ping."""

    # The end

    def on_ws_connection_close(self, close_code: int | None = None, close_reason: str | None = None) -> None:
        """Called by the protocol when the connection is gone."""
        self.close_code, self.close_reason = close_code, close_reason
        self.on_connection_close()

    def on_connection_close(self) -> None:
        self.tcp_client.close()
        # Where the connection was lost, the request's end tells the future, and why; not where the answer was no HTTP.
        failing = self.final_callback is not None and (self.stream.error is not None or self._loss == "Stream closed")
        if not failing:
            self.final_callback = None
        super().on_connection_close()
        if not failing and not self.connect_future.done():
            self.connect_future.set_exception(StreamClosedError())
        self._on_message(None)
        self.__ended = True
        for _ in range(len(self.read_queue._getters)):  # the others who wait
            self._on_message(None)

    def log_exception(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """Called by the protocol with what a callback of the application raised: it is logged."""
        if isinstance(value, WebSocketClosedError):
            # Daily business of a proxy: the browser that the message was for has left.
            gen_log.info("A message of a server could not be passed on: that WebSocket is closed")
            return
        app_log.error("Uncaught exception %s", value, exc_info=value)


def _no_release() -> None:
    """There is no client object that counts the connections."""


def websocket_connect(
    url: str | httpclient.HTTPRequest,
    callback: Callable[["Future[WebSocketClientConnection]"], None] | None = None,
    connect_timeout: float | None = None,
    on_message_callback: Callable[[str | bytes | None], None] | None = None,
    compression_options: dict[str, Any] | None = None,
    ping_interval: float | None = None,
    ping_timeout: float | None = None,
    max_message_size: int = _default_max_message_size,
    subprotocols: list[str] | None = None,
    resolver: Resolver | None = None,
) -> Awaitable[WebSocketClientConnection]:
    """Connect to a WebSocket server; the result is a Future of a `WebSocketClientConnection`.

    Read either with a loop or with a callback; None is what both get at the end::

        connection = await websocket_connect("ws://localhost:8888/chat")
        while (message := await connection.read_message()) is not None:
            ...

    :arg url: ``ws://`` or ``wss://``; or an `.HTTPRequest`, for headers of one's own, TLS options and the like. No redirect is followed.
    :arg callback: deprecated; called with the Future that is also returned.
    :arg connect_timeout: seconds; goes with a str, an `.HTTPRequest` has its own.
    :arg on_message_callback: called with each message, in place of ``read_message``.
    :arg compression_options: as `WebSocketHandler.get_compression_options` returns them; None, the default, offers no compression.
    :arg ping_interval: as the setting ``websocket_ping_interval`` of `WebSocketHandler`; so ``ping_timeout`` and ``max_message_size``.
    :arg subprotocols: proposals, of which the server's choice is ``selected_subprotocol``.
    :arg resolver: a `.Resolver` to look the host name up with; the caller closes it.

    Cancelling the Future, as `asyncio.wait_for` does, ends the connection. The Future fails with `.httpclient.HTTPError` when the server
    answers with an error, with `WebSocketError` when it answers with something else than an upgrade, and with what the network says when
    that fails.
    """
    if isinstance(url, str):
        request = httpclient.HTTPRequest(url, connect_timeout=connect_timeout)
    else:
        assert connect_timeout is None, "an HTTPRequest has a connect_timeout of its own"
        request = url
        # What the handshake adds must not show in the caller's own headers.
        request.headers = httputil.HTTPHeaders(request.headers)
    connection = WebSocketClientConnection(
        cast(httpclient.HTTPRequest, httpclient._RequestProxy(request, httpclient.HTTPRequest._DEFAULTS)),
        on_message_callback,
        compression_options,
        ping_interval,
        ping_timeout,
        max_message_size,
        subprotocols,
        resolver,
    )
    if callback is not None:
        warnings.warn(
            "The callback argument to websocket_connect is deprecated. Use the returned Future instead.", DeprecationWarning, stacklevel=2
        )
        IOLoop.current().add_future(connection.connect_future, callback)
    return connection.connect_future


_imported_names.complete(globals())
