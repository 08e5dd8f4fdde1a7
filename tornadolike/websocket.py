"""WebSocket, server and client (RFC 6455, with the compression of RFC 7692).

A server derives from `WebSocketHandler`; a client calls `websocket_connect`. Between either of them and the bytes stands
`WebSocketProtocol`, the port: messages and control frames on one side, whatever carries them on the other. Here that is
`WebSocketProtocol13`, a stream after an HTTP/1.1 upgrade, whose frames are read and made by the engine in ``tornadolike._websocket``.
"""

import abc
import asyncio
import base64
import functools
import logging
import os
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast

import tornadolike._websocket as _websocket  # from the package, the alias would look it up under a second name
import tornadolike._websocket_io as _websocket_io
from tornadolike import _imported_names, _inside, gen, httpclient, httputil, simple_httpclient
from tornadolike._http.announced import announce
from tornadolike._http.lazy import Empty
from tornadolike._websocket.deflate import DEFAULT_LEVEL, DEFAULT_MEM_LEVEL, Deflater, DeflateSettings, Inflater
from tornadolike._websocket.errors import InflatedTooLarge
from tornadolike._websocket.events import CLOSE, PING
from tornadolike._websocket.frames import close_payload
from tornadolike._websocket.latest_frame import latest
from tornadolike._websocket_io import http_methods
from tornadolike._websocket_io.receiver import Delegate, Receiver
from tornadolike._websocket_io.sending import done, with_error
from tornadolike.concurrent import Future, future_set_result_unless_cancelled
from tornadolike.escape import json_encode, native_str, utf8
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import IOStream, StreamClosedError
from tornadolike.log import access_log, app_log, gen_log
from tornadolike.netutil import Resolver
from tornadolike.queues import Queue
from tornadolike.tcpclient import TCPClient

# isort: split
from tornadolike import web  # behind the queues, as in Tornado
from tornadolike.httpserver import _opening

if TYPE_CHECKING:
    from tornadolike._websocket import handshake
    from tornadolike._websocket.wsproto_engine import WsprotoEngine

_default_max_message_size = 10 * 1024 * 1024

# How long a peer may take to answer our close frame.
_CLOSE_SECONDS = 5

# Logs a line once in the life of the process, however many connections have the same to say.
de_dupe_gen_log = functools.lru_cache(gen_log.log)


# Called with "open", before ``open()``, and "close", after ``on_close()``, in the handler's Context: logs and metrics.
_observers: "list[Callable[[str, WebSocketHandler, WebSocketProtocol], None]]" = []


class WebSocketError(Exception):
    """The base of this module's errors; also what a client gets from a server that speaks no WebSocket."""


class WebSocketClosedError(WebSocketError):
    """The connection is closed or closing, so that nothing can be sent."""


class _WebSocketDelegate(Delegate, Protocol):
    """What a connection tells: the interface that handler and client connection share."""

    def on_ws_connection_close(self, close_code: int | None = None, close_reason: str | None = None) -> None: ...
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


# Nearly all connections of a program have the same, and need not have it twice.
_same_params: Callable[..., _WebSocketParams] = functools.lru_cache(maxsize=16)(_WebSocketParams)


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

    What the rule's pattern captured is given to :meth:`open`; it is also there as `open_args` and `open_kwargs`.
    """

    _on_close_called = False
    # While it serves the handler, from the answer to the handshake to the end of on_close.
    _websocket_carrier: "WebSocketProtocol | None" = None
    _RequestHandler__set_late = ("_transforms", "path_args", "path_kwargs", "ui", "open_args", "_websocket_carrier", "_on_close_called")
    __chosen: str | None = None  # the subprotocol, once there is no connection to ask

    open_kwargs: dict[str, Any] = Empty(dict)  # type: ignore[assignment]  # it makes one

    def __init__(self, application: web.Application, request: httputil.HTTPServerRequest, **kwargs: Any) -> None:
        # Before the base class calls initialize(), which may look at them.
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.ws_connection: WebSocketProtocol | None = None
        super().__init__(application, request, **kwargs)

    _RequestHandler__plain_making = (__init__, web.RequestHandler._initialize, web.RequestHandler.set_default_headers)

    @_inside.coroutine_function
    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None]:
        """Upgrade the connection; ends when it is gone and `on_close` has run.

        Not for overriding: see `prepare` and `open`.
        """
        # A coroutine of its own would last as long as the connection, only to await the other one.
        self.open_args = args
        if kwargs:
            self.open_kwargs = kwargs
        connection = self.__accept()
        return _refused() if connection is None else connection.accept_connection(self)

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

    def __refusal(self) -> "handshake.Refusal | None":
        request = self.request
        headers = request.headers
        refusal = _websocket.handshake.check_upgrade(request.version, headers.get("Upgrade"), headers.get("Connection"))
        # Always, and only now: check_origin may depend on what prepare() found out.
        foreign = None if refusal else self._check_cross_origin(self.check_origin)
        return refusal if foreign is None else _websocket.handshake.Refusal(403, "Cross origin websockets not allowed", foreign)

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
        if connection is None or connection.is_closing():
            raise WebSocketClosedError
        if isinstance(message, dict):
            message = json_encode(message)
        return connection.write_message(message, binary=binary)

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
                _websocket_io.farewell.of_one_unopened(self)

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
        compression, settings = self.get_compression_options(), self.settings
        make = _WebSocketParams if compression is not None or "websocket_max_queued_bytes" in settings else _same_params
        params = make(self.ping_interval, self.ping_timeout, self.max_message_size, compression)
        if settings.get("websocket_max_queued_bytes") is not None:
            params.max_queued_bytes = settings["websocket_max_queued_bytes"]
            params.overflow = settings.get("websocket_overflow", "close")
            if params.overflow not in ("close", "drop"):
                raise ValueError(f'the setting websocket_overflow is {params.overflow!r}, neither "close" nor "drop"')
        # A connection which has no bytes of its own for us says what carries the messages.
        carrier = getattr(type(self.request.connection), "_websocket_protocol", None)
        protocol = None if carrier is None else carrier(self.request.connection, self, params)
        return protocol or WebSocketProtocol13(self, False, params)

    def __before_handshake(self) -> Awaitable[None] | None:
        """What must be done before the handshake is answered; for those who extend handlers."""
        return None

    def _detach_stream(self) -> IOStream:
        _leave_http(self)
        stream = self.detach()
        remains = getattr(self.request.connection, "_remains", None)
        if remains is not None:
            self.request.connection = remains()
        return stream


def _raise_not_supported_for_websockets(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("Method not supported for Web Sockets")


# What belongs to HTTP is over for a handler, and no longer to be called.
_leave_http = http_methods.end_with_upgrade(WebSocketHandler, _raise_not_supported_for_websockets)


async def _refused() -> None:
    """There is nothing to wait for."""


def _refuse(handler: WebSocketHandler, refusal: "handshake.Refusal") -> None:
    """Answer a request that must not become a WebSocket, and say why."""
    handler.set_status(refusal.status)
    handler.finish(refusal.text)
    _log_refusal(handler, refusal.status, f"{refusal.text} {refusal.reason}")


def _log_refusal(handler: WebSocketHandler, status: int, reason: str) -> None:
    # Beside the line of the request, which has the status only.
    access_log.info("WebSocket refused with %d: %s: %s", status, handler._request_summary(), reason)


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
    _told = False  # whether the handler has heard of the end
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
        left, self._farewell = self._farewell, None
        if left is not None:
            await _websocket_io.farewell.said(handler, left)
        handler._break_cycles()
        if self._opened:
            self._report(handler, "close")

    def _report(self, handler: WebSocketHandler, event: str) -> None:
        """Tell the log, where the settings want it, and the observers."""
        if handler.settings.get("websocket_access_log"):
            access_log.info(*_websocket_io.access_lines.line(event, handler._request_summary(), self, time.monotonic()))
        for observer in _observers:
            try:
                observer(event, handler, self)
            except Exception:
                app_log.error("Uncaught exception in an observer of WebSockets", exc_info=True)

    async def _say_yes(self, handler: WebSocketHandler, agreement: "handshake.Agreement") -> bool:
        """Answer the handshake; whether all went well."""
        try:
            before = handler._WebSocketHandler__before_handshake()  # type: ignore[attr-defined]  # apart from names of programs
            if before is not None:
                await before
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

    def _negotiate(self, handler: WebSocketHandler) -> "handshake.Agreement | None":
        """What is agreed upon with the client; None: the request is malformed, and has been refused."""
        headers = handler.request.headers
        refusal = _websocket.handshake.check_offer(headers)
        if refusal is not None:
            _refuse(handler, refusal)
            return None
        agreement = _websocket.handshake.negotiate(headers, handler.select_subprotocol, self._compresses())
        if agreement.subprotocol is not None:
            self.selected_subprotocol = agreement.subprotocol
        elif "Sec-WebSocket-Protocol" in headers:
            kind = f"{type(handler).__module__}.{type(handler).__qualname__}"
            cause = "has chosen none of the subprotocols that a client proposes: browsers close such a connection"
            de_dupe_gen_log(logging.INFO, f"{kind}.select_subprotocol {cause}")
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
        """Tell the handler that the connection is gone, once."""
        if self._told:
            return
        self._told = True
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
        """The handler has been told, perhaps by something other than this object, that the connection is gone."""
        if not (self.client_terminated and self.server_terminated):
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

    def _answer(self, handler: WebSocketHandler, agreement: "handshake.Agreement") -> Awaitable[Any] | None:
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


if TYPE_CHECKING:

    class _Received(Receiver, WebSocketProtocol):
        handler: _WebSocketDelegate
        stream: IOStream

else:
    _Received = WebSocketProtocol


@_inside.made_of(Receiver)
class WebSocketProtocol13(_Received):
    """Version 13 of the protocol, the only one: RFC 6455, on the stream of an HTTP/1.1 connection.

    What comes over it is the `Receiver`'s; what goes out, and the handshakes at both ends, are here.
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
    client_terminated: bool
    """Whether the peer has sent its Close frame, or all is over."""
    _engine: "WsprotoEngine"

    # Names of Tornado's class, which those who replace them look for here.
    accept_connection = WebSocketProtocol.accept_connection
    selected_subprotocol = WebSocketProtocol.selected_subprotocol

    # Defaults at the class: an idle connection pays only for what it has used.
    close_code: int | None = None
    """The code with which the peer closed, None before that and where it gave none."""
    close_reason: str | None = None
    """The text that came with it."""
    _wire_bytes_out = 0
    # Of messages whose frame was there already, so that the engine has not seen them.
    _repeated_bytes_out = 0
    _close_timer: object = None
    _ping_task: "asyncio.Task[None] | None" = None

    def __init__(self, handler: _WebSocketDelegate, mask_outgoing: bool, params: _WebSocketParams) -> None:
        super().__init__(handler)
        self.mask_outgoing = mask_outgoing
        self.params = params
        # With wsproto behind it, which a program that serves no WebSocket need not load.
        from tornadolike._websocket.wsproto_engine import WsprotoEngine

        self._engine = WsprotoEngine(mask_outgoing, params.max_message_size)
        self._max_queued_bytes = params.max_queued_bytes  # each message asks for it: an instance's is read sooner than a class's
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

    def _answer(self, handler: WebSocketHandler, agreement: "handshake.Agreement") -> None:
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
                _opening.add(self)
        self.start_pinging()

    def _create_compressors(self, settings: DeflateSettings) -> None:
        self._repeats = False
        self._engine.use_deflate(
            _PerMessageDeflateCompressor(settings.send_takeover, settings.send_window_bits, self.params.compression_options),
            _PerMessageDeflateDecompressor(settings.receive_takeover, settings.receive_window_bits, self.params.max_message_size),
        )

    @staticmethod
    def compute_accept_value(key: str | bytes) -> str:
        """The value of ``Sec-WebSocket-Accept`` that answers ``key`` (RFC 6455 §4.2.2)."""
        return _websocket.handshake.accept_value(utf8(key))

    def _process_server_headers(self, key: str | bytes, headers: httputil.HTTPHeaders) -> None:
        _websocket.handshake.check_answer(headers.get("Upgrade"), headers.get("Connection"))
        if headers.get("Sec-WebSocket-Accept") != self.compute_accept_value(key):
            raise ValueError("Sec-WebSocket-Accept does not match our key")
        extensions = _websocket.handshake.parse_extensions(headers.get("Sec-WebSocket-Extensions"))
        settings = _websocket.handshake.accept_deflate(extensions, self.params.compression_options is not None)
        if settings is not None:
            self._create_compressors(settings)
        self.selected_subprotocol = headers.get("Sec-WebSocket-Protocol")

    def _going_away(self) -> None:
        """As that of `Standby`, which is not there before ``open`` is done."""
        self.close(1001)

    # Receiving

    def _start_receiving(self) -> None:
        _opening.discard(self)
        Receiver._start_receiving(self)

    def _receive_frame_loop(self) -> Awaitable[None]:
        handler = self.handler
        if isinstance(handler, WebSocketHandler) and isinstance(handler.request, httputil.HTTPServerRequest):
            handler.request._keep_little()
        return self._begin_receiving()

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
        return written if written is stream._finished else with_error(written, WebSocketClosedError)

    def _overflow(self) -> "Future[None]":
        """The peer does not read what is sent to it."""
        if self.params.overflow == "close":
            self.close(1013, "too slow")
            raise WebSocketClosedError("too many bytes are waiting to be sent")
        return done()

    def write_ping(self, data: bytes) -> None:
        if self.server_terminated or self.client_terminated:
            raise WebSocketClosedError
        try:
            self._write_frame(True, PING, data)
        except StreamClosedError:
            raise WebSocketClosedError from None

    # Closing

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        stream: IOStream | None = self.stream
        if not self.server_terminated and stream is not None and not stream.closed():
            try:
                self._write_frame(True, CLOSE, close_payload(code, None if reason is None else utf8(reason)))
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

    def _let_go(self) -> None:
        """Drop a peer that was told why. A client that sends a large message learns only of a reset, unless it may
        send it to its end (RFC 6455 §7.1.7 wants a clean end of TCP).
        """
        stream: IOStream | None = self.stream
        if self.mask_outgoing or stream is None or stream.closed():
            self._abort()
            return
        self.client_terminated = True
        if self._close_timer is not None:
            stream.io_loop.remove_timeout(self._close_timer)
            self._close_timer = None
        stream._close_gracefully()

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
            reason = f"The websocket_ping_timeout ({timeout}) cannot be longer than the websocket_ping_interval ({interval})."
            de_dupe_gen_log(logging.WARNING, f"{reason}\nSetting websocket_ping_timeout={interval}")
        return _websocket.keepalive.effective_timeout(interval, timeout)

    def start_pinging(self) -> None:
        if self._ping_task is None and self.ping_interval > 0:
            self._ping_task = asyncio.create_task(self.periodic_ping())

    @staticmethod
    def ping_sleep_time(*, last_ping_time: float, interval: float, now: float) -> float:
        """Seconds from ``now`` to the next ping."""
        return _websocket.keepalive.seconds_to_next_ping(last_ping_time, interval, now)

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


_OF_OPEN = "stream", "_standby", "_messages_in", "_messages_out", "_wire_bytes_in", "_wire_bytes_out", "_repeated_bytes_out"
announce(WebSocketProtocol13, (*_OF_OPEN, "_selected_subprotocol", "_ping_task"))


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
        request.url = _websocket.handshake.http_url(request.url)
        # Nobody expects a redirect here, and the upgrade would not survive it.
        request.follow_redirects = False
        offer = _websocket.handshake.offer(native_str(self.key), subprotocols, compresses=self.params.compression_options is not None)
        request.headers.update(offer)

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
            _websocket.handshake.check_selected(protocol.selected_subprotocol, self.request.headers.get("Sec-WebSocket-Protocol"))
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
        return done()

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
    with_defaults = cast(httpclient.HTTPRequest, httpclient._RequestProxy(request, httpclient.HTTPRequest._DEFAULTS))
    how = compression_options, ping_interval, ping_timeout, max_message_size, subprotocols, resolver
    connection = WebSocketClientConnection(with_defaults, on_message_callback, *how)
    if callback is not None:
        warnings.warn(
            "The callback argument to websocket_connect is deprecated. Use the returned Future instead.", DeprecationWarning, stacklevel=2
        )
        IOLoop.current().add_future(connection.connect_future, callback)
    return connection.connect_future


_imported_names.complete(globals())
