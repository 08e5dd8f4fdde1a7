"""A non-blocking HTTP server.

Most applications never name this module: `.Application.listen` makes an `HTTPServer`. It is needed for TLS, for several processes, for
limits and time-outs, and for servers without the ``web`` layer.
"""

import asyncio
import copy
import inspect
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from tornadolike import _imported_names, httputil, iostream, netutil
from tornadolike._http import forwarded
from tornadolike._http1 import select
from tornadolike._net.admission import Admission
from tornadolike.escape import native_str
from tornadolike.gen import convert_yielded
from tornadolike.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornadolike.httputil import _beyond_tornado
from tornadolike.ioloop import IOLoop
from tornadolike.log import app_log, gen_log
from tornadolike.tcpserver import TCPServer
from tornadolike.util import Configurable

HTTPRequest = httputil.HTTPServerRequest

# Of so many proxies in a row, the nearest first, one is not to be trusted.
_MAX_HOPS = 100
_INTERNET = (socket.AF_INET, socket.AF_INET6)

# Turns of the loop in which a drain still takes what has reached the kernel: accept, make the stream, read.
_LAST_TURNS = 8
_DRAIN_POLL_SECONDS = 0.02
# How long a connection must have been idle for a drain to close it: until then a request may be on its way.
_MOMENT_SECONDS = 1.0
_NAMED = 10  # exchanges that the log line about those cut off names

_TOO_SLOW = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

# What a hardened server allows.
_HARDENED_CONNECTIONS = 10_000
_HARDENED_CONNECTIONS_PER_ADDRESS = 100
_HARDENED_HEAD_SECONDS = 10.0
_HARDENED_IDLE_SECONDS = 75.0
_HARDENED_BODY_SECONDS = 60.0
_HARDENED_HANDLER_SECONDS = 60.0
_HARDENED_HEAD_BYTES = 16 * 1024
_HARDENED_HEADER_FIELDS = 100
_HARDENED_COOKIES = 200
_HARDENED_BODY_BYTES = 10 * 1024 * 1024
_DEFAULT_HEAD_BYTES = 65536
_DEFAULT_IDLE_SECONDS = 3600

# Servers that have listened in this process: what ``tornadolike run`` drains.
_servers: "WeakSet[HTTPServer]" = WeakSet()
# What is told of a server that begins to listen: the command line adds its health checks to it, and tells its supervisor.
_on_listen: "list[Callable[[HTTPServer], None]]" = []
# Applications of other kinds inside ours: their lives end with that of the server.
_companions: "WeakKeyDictionary[HTTPServer, set[Any]]" = WeakKeyDictionary()
# WebSockets that were agreed to, and receive nothing before their ``open`` is done: no stream has them for its consumer yet.
_opening: "WeakSet[Any]" = WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_servers.clear)  # the parent's, and its business


class HTTPServer(TCPServer, Configurable, httputil.HTTPServerConnectionDelegate):
    """Serves HTTP/1.1 on the ports that it listens on.

    What answers is either a `.HTTPServerConnectionDelegate` (an `.Application`, a `.Router`) or a callable which takes a complete
    `.HTTPServerRequest`.

    ::

        server = HTTPServer(application)
        server.listen(8888)

    Ways to begin are those of `.TCPServer`: ``listen`` for one process, ``bind`` and ``start``, or ``add_sockets`` for several.

    * ``no_keep_alive``: close after each response.
    * ``xheaders``: believe ``X-Real-Ip``/``X-Forwarded-For`` and ``X-Scheme``/``X-Forwarded-Proto``: only behind a proxy that sets them.
      ``protocol`` ("https") says what the proxy speaks when it sets none; ``trusted_downstream`` lists proxies to be skipped in
      ``X-Forwarded-For``.
    * ``ssl_options``: an `ssl.SSLContext`, or a dictionary of keyword arguments for `ssl.SSLContext.load_cert_chain` as in Tornado.
    * ``decompress_request``: inflate request bodies with ``Content-Encoding: gzip``.
    * ``idle_connection_timeout``: seconds that a connection may wait for its next complete request head; one hour by default.
    * ``body_timeout``: seconds that a request body may take; no limit by default.
    * ``max_header_size`` (64 KiB), ``max_body_size`` (``max_buffer_size``), ``max_buffer_size`` (100 MiB) and ``chunk_size`` (64 KiB) are
      in bytes.

    Beyond Tornado, and off unless called: `drain` ends without losing a request, `configure_limits` sets limits on connections and
    deadlines, `harden` turns on the safe values together.
    """

    _admission: Admission[iostream.IOStream] | None = None
    __deadlines: "_Deadlines | None" = None
    _listening_loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # `Configurable` hands all arguments to initialize(); the base classes' own constructors are called from there.
        pass

    def initialize(
        self,
        request_callback: httputil.HTTPServerConnectionDelegate | Callable[[httputil.HTTPServerRequest], None],
        no_keep_alive: bool = False,
        xheaders: bool = False,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        protocol: str | None = None,
        decompress_request: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        idle_connection_timeout: float | None = None,
        body_timeout: float | None = None,
        max_body_size: int | None = None,
        max_buffer_size: int | None = None,
        trusted_downstream: list[str] | None = None,
    ) -> None:
        """Set the server up; see the class for what the arguments mean."""
        _ = httputil.responses  # now, and not while a request waits: it imports something
        self.request_callback = request_callback
        self.xheaders = xheaders
        self.protocol = protocol
        self.conn_params = HTTP1ConnectionParameters(
            no_keep_alive=no_keep_alive,
            chunk_size=chunk_size,
            max_header_size=max_header_size,
            header_timeout=idle_connection_timeout or 3600,
            max_body_size=max_body_size,
            body_timeout=body_timeout,
            decompress=decompress_request,
        )
        TCPServer.__init__(self, ssl_options=ssl_options, max_buffer_size=max_buffer_size, read_chunk_size=chunk_size)
        self._connections: set[HTTP1ServerConnection] = set()
        self.trusted_downstream = trusted_downstream

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return HTTPServer

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return HTTPServer

    async def close_all_connections(self) -> None:
        """Close every open connection, with whatever is in flight on it; returns when all are closed.

        New ones are still accepted unless `.TCPServer.stop` was called first.
        """
        while self._connections:
            connection = next(iter(self._connections))
            await connection.close()

    @_beyond_tornado
    def stop(self) -> None:
        """Stop accepting connections. What is open goes on to the end of the request under way, or of one more."""
        super().stop()
        for connection in tuple(self._connections):
            if isinstance(connection, HTTP1ServerConnection):
                connection.wind_down(float("inf"))

    @_beyond_tornado
    def configure_limits(
        self,
        *,
        max_connections: int | None = None,
        max_connections_per_address: int | None = None,
        head_timeout: float | None = None,
        handler_timeout: float | None = None,
        max_header_fields: int | None = None,
        max_cookies: int | None = None,
        standard_refusals: bool | None = None,
    ) -> None:
        """Limit connections, the time that they may take, and what a head may hold. Not in Tornado; call it before the server listens.

        Each call sets the first four anew; for them None is no limit. Connections beyond a limit are closed as soon as they are
        accepted, with one line in the log for a second of them. WebSockets count as long as they are open.

        :arg max_connections: connections at once.
        :arg max_connections_per_address: connections at once from one IPv4 address or one IPv6 /64 network. Behind a proxy all
            come from the proxy's address: leave it off there.
        :arg head_timeout: seconds from the first byte of a request (of a new connection: from its beginning) until the head is
            complete; then the connection is closed. ``idle_connection_timeout`` goes on counting besides.
        :arg handler_timeout: seconds from the end of a request until the end of its response. Then 503 is answered, where nothing was
            sent yet, and the connection is closed. The handler hears of it by ``on_connection_close``; it is not cancelled.
        :arg max_header_fields: fields in the head of a request (1000 unless set); more are answered 431.
        :arg max_cookies: cookies in a request (500 unless set); of more the request shows none.
        :arg standard_refusals: True: a body larger than ``max_body_size`` is answered 413 (RFC 9110 §15.5.14), and whatever is refused
            before a handler sees it carries ``Content-Length: 0`` and ``Connection: close``. False, the default: 400, and the answer is a
            bare status line, as by Tornado, whose own tests ask for just that.

        Time is looked at four times in each of the shorter timeouts; a connection may live that much longer. Raises ValueError for a
        number that is not positive.
        """
        for value in (max_connections, max_connections_per_address, head_timeout, handler_timeout, max_header_fields, max_cookies):
            if value is not None and value <= 0:
                raise ValueError(f"a limit must be positive, not {value!r}")
        self._admission = self.__deadlines = None
        if max_connections is not None or max_connections_per_address is not None:
            self._admission = Admission(max_connections, max_connections_per_address, iostream.IOStream.closed)
        if head_timeout is not None or handler_timeout is not None:
            self.__deadlines = _Deadlines(self, head_timeout, handler_timeout)
        if max_header_fields is not None:
            self.conn_params._max_header_fields = max_header_fields
        if max_cookies is not None:
            self.conn_params._max_cookies = max_cookies
        if standard_refusals is not None:
            self.conn_params._standard_refusals = standard_refusals

    @_beyond_tornado
    def harden(self) -> None:
        """Turn on safe values for a server that faces the internet. Not in Tornado; call it before the server listens.

        At once 10,000 connections, 100 from one address (not with ``xheaders``: behind a proxy); 10 seconds for a head, 75 between
        requests, 60 for a body, 60 for a handler; heads of 16 KiB with 100 fields and 200 cookies, bodies of 10 MiB, and 413 for
        larger ones. What was given to the constructor stays. Call `configure_limits` afterwards to choose other limits for connections,
        heads and handlers.
        """
        params = self.conn_params
        if params.header_timeout == _DEFAULT_IDLE_SECONDS:
            params.header_timeout = _HARDENED_IDLE_SECONDS
        if params.body_timeout is None:
            params.body_timeout = _HARDENED_BODY_SECONDS
        if params.max_header_size == _DEFAULT_HEAD_BYTES:
            params.max_header_size = _HARDENED_HEAD_BYTES
        if params.max_body_size is None:
            params.max_body_size = min(_HARDENED_BODY_BYTES, self.max_buffer_size or _HARDENED_BODY_BYTES)
        self.configure_limits(
            max_connections=_HARDENED_CONNECTIONS,
            max_connections_per_address=None if self.xheaders else _HARDENED_CONNECTIONS_PER_ADDRESS,
            head_timeout=_HARDENED_HEAD_SECONDS,
            handler_timeout=_HARDENED_HANDLER_SECONDS,
            max_header_fields=_HARDENED_HEADER_FIELDS,
            max_cookies=_HARDENED_COOKIES,
            standard_refusals=True,
        )

    @_beyond_tornado
    async def drain(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - it has an end of its own, not an exception
        """Stop without losing a request. Not in Tornado.

        Accepts no more connections, lets the requests in flight be answered, with ``Connection: close``, tells their handlers
        (`.RequestHandler.on_drain`), closes connections that have been idle for a second, or on which nothing was asked yet for five (a
        request may be on its way to the others, and is answered with ``Connection: close``), and closes WebSockets with code 1001.
        Returns True when nothing is open any more; False when ``timeout`` seconds have passed before that (None: no limit), and the rest
        was closed with what was in flight on it, which a warning on ``tornado.general`` names. Call it in the server's event loop, once: a
        drained server does not serve again.
        """
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        await _let_arrive()
        self.stop()
        await _let_arrive()
        self.conn_params.no_keep_alive = True
        for companion in tuple(_companions.get(self, ())):
            companion._going_away()
        told: WeakSet[iostream.IOStream] = WeakSet()
        heard: WeakSet[Any] = WeakSet()
        while self.__wind_down(told, heard):
            if deadline is not None and loop.time() >= deadline:
                await self.__cut_off(told, timeout)
                await self.__end_companions()
                return False
            await asyncio.sleep(_DRAIN_POLL_SECONDS)
        await self.__end_companions()
        return True

    async def __end_companions(self) -> None:
        """End the lifespans of applications inside, once nothing is open that could need them."""
        for companion in sorted(_companions.pop(self, ()), key=lambda companion: getattr(companion, "_ends_last", False)):
            await companion._server_gone(self)

    def __wind_down(self, told: WeakSet[iostream.IOStream], heard: WeakSet[Any]) -> bool:
        """Close what is idle, let nothing become idle again, tell handlers and WebSockets. Says whether anything is still open."""
        for connection in tuple(self._connections):
            connection.wind_down(_MOMENT_SECONDS)
            handler = _handler_on(connection)
            if handler is not None and handler not in heard:
                heard.add(handler)
                _tell(handler)
        for stream, go_away in _websockets(self).items():  # not ours any more, but told even so
            if stream not in told:
                told.add(stream)
                go_away()
        return bool(self._connections) or any(not stream.closed() for stream in told)

    async def __cut_off(self, told: WeakSet[iostream.IOStream], timeout: float | None) -> None:  # noqa: ASYNC109 - for the log
        left = self.__in_flight()
        if left:
            more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
            gen_log.warning("Drain: %g s have passed, cutting off %s%s", timeout, ", ".join(left[:_NAMED]), more)
        for stream in tuple(told):
            stream.close()
        await self.close_all_connections()

    def __in_flight(self) -> list[str]:
        """What a drain would wait for, one text for each: ``GET /feed (192.0.2.1)``, ``WebSocket (192.0.2.1)``."""
        found = []
        for connection in tuple(self._connections):
            for _ in connection.exchanges():
                handler = _handler_on(connection)
                found.append(f"a request ({connection.context})" if handler is None else handler._request_summary())
        return found + ["a WebSocket" for _ in _websockets(self)]

    def _listen_to(self, sock: socket.socket) -> Callable[[], None]:
        select.resolve()  # an engine that cannot be had is found out now, and not by every connection
        self._listening_loop = getattr(IOLoop.current(), "asyncio_loop", None)
        _servers.add(self)
        accepting_ends = super()._listen_to(sock)
        for tell in _on_listen:
            tell(self)
        return accepting_ends

    def __admits(self, stream: iostream.IOStream, address: tuple[Any, ...]) -> bool:
        admission = self._admission
        if admission is None:
            return True
        now = asyncio.get_running_loop().time()
        if admission.admit(stream, address, now):
            return True
        if now - self.__reported_refusals >= 1:
            self.__reported_refusals = now
            gen_log.warning("Too many connections, closing new ones; the last was from %s", address)
        stream.close()
        return False

    __reported_refusals = float("-inf")

    def handle_stream(self, stream: iostream.IOStream, address: tuple[Any, ...]) -> None:
        """Serve one accepted connection."""
        if not self.__admits(stream, address):
            return
        context = _HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)
        connection = HTTP1ServerConnection(stream, self.conn_params, context)
        self._connections.add(connection)
        connection.start_serving(self)
        if self.__deadlines is not None:
            self.__deadlines.watch(connection)

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """The delegate that takes the next request of a connection."""
        callback = self.request_callback
        delegate: httputil.HTTPMessageDelegate
        if isinstance(callback, httputil.HTTPServerConnectionDelegate):
            delegate = callback.start_request(server_conn, request_conn)
        else:
            delegate = _CallableAdapter(callback, request_conn)
        if self.xheaders:
            delegate = _ProxyAdapter(delegate, request_conn)
        return delegate

    def on_close(self, server_conn: object) -> None:
        """A connection is closed, or has left HTTP."""
        self._connections.discard(server_conn)
        stream: iostream.IOStream = server_conn.stream  # type: ignore[attr-defined]  # an HTTP1Connection
        if not stream.closed():
            stream._left_server = self  # a set of such streams would weigh more than all else that is known of a connection
        elif self._admission is not None:
            self._admission.release(stream)


def _server_of(server_conn: object) -> HTTPServer | None:
    """The server that a connection belongs to, as far as it is one of ours."""
    delegate = getattr(getattr(server_conn, "_session", None), "_delegate", None)
    return delegate if isinstance(delegate, HTTPServer) else None


def _in_flight(server: HTTPServer) -> list[str]:
    """What a drain of ``server`` would wait for now."""
    found: list[str] = server._HTTPServer__in_flight()  # type: ignore[attr-defined]  # apart from the names of programs' subclasses
    return found


def _left_http(server: HTTPServer) -> list[iostream.IOStream]:
    """The open streams of ``server`` that have left HTTP, as WebSockets do."""
    streams = iostream._open_streams(IOLoop.current())
    return [stream for stream in streams if isinstance(stream, iostream.IOStream) and stream._left_server is server and not stream.closed()]


def _websockets(server: HTTPServer) -> dict[iostream.IOStream, Callable[[], None]]:
    """The streams of WebSockets among them, each with what tells it that the server is going away."""
    opening = {socket.stream: socket._going_away for socket in _opening}
    found = {stream: opening.get(stream) or getattr(stream._consumer, "going_away", None) for stream in _left_http(server)}
    return {stream: go_away for stream, go_away in found.items() if go_away is not None}


async def _let_arrive() -> None:
    """Let the loop take what has reached the kernel already: it is in flight."""
    for _ in range(_LAST_TURNS):
        await asyncio.sleep(0)


def _handler_on(connection: HTTP1ServerConnection) -> Any:
    """The `web.RequestHandler` that works for a connection now; None where there is none, or something else."""
    for exchange in connection.exchanges():
        handler = getattr(getattr(exchange, "_close_callback", None), "__self__", None)
        if hasattr(handler, "on_drain"):
            return handler
    return None


def _tell(handler: Any) -> None:
    """Call a handler's hook, in a turn of the loop of its own."""
    context = getattr(handler.request.connection, "_request_context", None)
    asyncio.get_running_loop().call_soon(_call_hook, handler, context=context)


def _call_hook(handler: Any) -> None:
    try:
        outcome = handler.on_drain()
        if inspect.isawaitable(outcome):
            IOLoop.current().add_future(convert_yielded(outcome), _log_failure)
    except Exception:
        app_log.error("Exception in %s.on_drain", type(handler).__name__, exc_info=True)


def _log_failure(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled() and future.exception() is not None:
        app_log.error("Exception in on_drain", exc_info=future.exception())


class _Deadlines:
    """Watches over the time that heads and handlers take.

    Looks at all connections now and then. So a request pays nothing for it, and a connection at rest costs no timer.
    """

    __slots__ = ("_begun", "_handler_seconds", "_head_seconds", "_interval", "_server", "_timer")

    def __init__(self, server: HTTPServer, head_seconds: float | None, handler_seconds: float | None) -> None:
        self._server = server
        self._head_seconds = head_seconds
        self._handler_seconds = handler_seconds
        self._interval = min(seconds for seconds in (head_seconds, handler_seconds) if seconds is not None) / 4
        # What was seen to be under way, whether it was in its head, and when it was seen first.
        self._begun: dict[object, tuple[bool, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, connection: HTTP1ServerConnection) -> None:
        """Look after a connection that was just accepted."""
        loop = asyncio.get_running_loop()
        for exchange, in_head in connection.stages():
            self._begun[exchange] = in_head, loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._interval, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        server, before, begun = self._server, self._begun, self._begun.__class__()
        for connection in tuple(server._connections):
            for exchange, in_head in connection.stages():
                was_in_head, since = before.get(exchange, (in_head, now))
                if was_in_head is not in_head:
                    since = now
                limit = self._head_seconds if in_head else self._handler_seconds
                if limit is not None and now - since >= limit:
                    self._end(connection, exchange, in_head)
                else:
                    begun[exchange] = in_head, since
        self._begun = begun
        self._timer = loop.call_later(self._interval, self._look) if server._connections else None

    def _end(self, connection: HTTP1ServerConnection, exchange: object, in_head: bool) -> None:
        if in_head:
            gen_log.info("Timeout reading head from %s", connection.context)
            connection.stream.close()
        else:
            gen_log.warning("Timeout waiting for the handler of a request from %s", connection.context)
            connection.cut_off(exchange, _TOO_SLOW)


class _CallableAdapter(httputil.HTTPMessageDelegate):
    """Collects a whole request for a plain callable."""

    __slots__ = ("_callback", "_chunks", "_connection", "_request")

    def __init__(self, request_callback: Callable[[httputil.HTTPServerRequest], None], request_conn: httputil.HTTPConnection) -> None:
        self._callback = request_callback
        self._connection = request_conn
        self._request: httputil.HTTPServerRequest | None = None
        self._chunks: list[bytes] = []

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, httputil.RequestStartLine)
        self._request = httputil.HTTPServerRequest(connection=self._connection, start_line=start_line, headers=headers)
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._chunks.append(chunk)
        return None

    def finish(self) -> None:
        request = self._request
        assert request is not None
        request.body = b"".join(self._chunks)
        request._parse_body()
        self._callback(request)

    def on_connection_close(self) -> None:
        self._request = None
        self._chunks.clear()


_NOBODY: frozenset[str] = frozenset()


class _HTTPRequestContext:
    """Who is at the other end of a connection, as far as the socket or a trusted proxy says."""

    __slots__ = ("_orig_protocol", "_orig_remote_ip", "address", "address_family", "protocol", "remote_ip", "trusted_downstream")

    def __init__(
        self, stream: iostream.IOStream, address: tuple[Any, ...], protocol: str | None, trusted_downstream: list[str] | None = None
    ) -> None:
        self.address_family = None if stream.socket is None else getattr(stream, "_family", None) or stream.socket.family
        if self.address_family in _INTERNET and address is not None:
            self.remote_ip = address[0]
            if type(address) is tuple and type(self.remote_ip) is str:
                # Behind a proxy all have the same.
                self.remote_ip = sys.intern(self.remote_ip)
                address = (self.remote_ip, *address[1:])
        else:
            self.remote_ip = "0.0.0.0"  # a Unix socket's peer has no address worth the name
        self.address = address
        self.protocol = protocol or ("https" if isinstance(stream, iostream.SSLIOStream) else "http")
        self.trusted_downstream = frozenset(trusted_downstream) if trusted_downstream else _NOBODY
        self._orig_remote_ip, self._orig_protocol = self.remote_ip, self.protocol

    def __str__(self) -> str:
        if self.address_family in _INTERNET:
            return str(self.remote_ip)
        return native_str(self.address) if isinstance(self.address, bytes) else str(self.address)

    def _apply_xheaders(self, headers: httputil.HTTPHeaders) -> None:
        """Take address and scheme from what the proxy says about one request."""
        candidate = self.remote_ip
        for hop in reversed(headers.get("X-Forwarded-For", candidate).rsplit(",", _MAX_HOPS)):
            candidate = forwarded.address(hop)
            if candidate not in self.trusted_downstream:
                break
        if "X-Real-Ip" in headers:
            candidate = forwarded.address(headers["X-Real-Ip"])
        if netutil.is_valid_ip(candidate):
            self.remote_ip = candidate
        scheme = headers.get("X-Scheme", headers.get("X-Forwarded-Proto", self.protocol))
        # With a chain of proxies the last entry is the one that the nearest of them wrote.
        scheme = scheme.rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            self.protocol = scheme

    def _unapply_xheaders(self) -> None:
        """Forget it again. Each request has a context of its own: this is for servers that make their own requests."""
        self.remote_ip = self._orig_remote_ip
        self.protocol = self._orig_protocol


class _ProxyAdapter(httputil.HTTPMessageDelegate):
    """Applies the proxy's headers for the time of one request."""

    __slots__ = ("_connection", "_delegate")

    def __init__(self, delegate: httputil.HTTPMessageDelegate, request_conn: httputil.HTTPConnection) -> None:
        self._connection = request_conn
        self._delegate = delegate

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        # What the proxy says of this request is true of no other one on its connection.
        context = self._connection.context = copy.copy(self._connection.context)
        context._apply_xheaders(headers)
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()


_imported_names.complete(globals())
