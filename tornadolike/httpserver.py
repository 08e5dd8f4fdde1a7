"""A non-blocking HTTP server.

Most applications never name this module: `.Application.listen` makes an `HTTPServer`. It is needed for TLS, for several processes, for
limits and time-outs, and for servers without the ``web`` layer.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from tornadolike import httputil, iostream, netutil
from tornadolike.escape import native_str
from tornadolike.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornadolike.tcpserver import TCPServer
from tornadolike.util import Configurable

HTTPRequest = httputil.HTTPServerRequest

_INTERNET = (socket.AF_INET, socket.AF_INET6)


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
    """

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

    def handle_stream(self, stream: iostream.IOStream, address: tuple[Any, ...]) -> None:
        """Serve one accepted connection."""
        context = _HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)
        connection = HTTP1ServerConnection(stream, self.conn_params, context)
        self._connections.add(connection)
        connection.start_serving(self)

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
        """A connection is closed."""
        self._connections.discard(server_conn)


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


class _HTTPRequestContext:
    """Who is at the other end of a connection, as far as the socket or a trusted proxy says."""

    __slots__ = ("_orig_protocol", "_orig_remote_ip", "address", "address_family", "protocol", "remote_ip", "trusted_downstream")

    def __init__(
        self, stream: iostream.IOStream, address: tuple[Any, ...], protocol: str | None, trusted_downstream: list[str] | None = None
    ) -> None:
        self.address = address
        self.address_family = None if stream.socket is None else stream.socket.family
        # A Unix socket's peer has no address worth the name.
        self.remote_ip = address[0] if self.address_family in _INTERNET and address is not None else "0.0.0.0"
        self.protocol = protocol or ("https" if isinstance(stream, iostream.SSLIOStream) else "http")
        self.trusted_downstream = frozenset(trusted_downstream or ())
        self._orig_remote_ip, self._orig_protocol = self.remote_ip, self.protocol

    def __str__(self) -> str:
        if self.address_family in _INTERNET:
            return str(self.remote_ip)
        return native_str(self.address) if isinstance(self.address, bytes) else str(self.address)

    def _apply_xheaders(self, headers: httputil.HTTPHeaders) -> None:
        """Take address and scheme from what the proxy says about one request."""
        candidate = self.remote_ip
        for hop in reversed(headers.get("X-Forwarded-For", candidate).split(",")):
            candidate = hop.strip()
            if candidate not in self.trusted_downstream:
                break
        candidate = headers.get("X-Real-Ip", candidate)
        if netutil.is_valid_ip(candidate):
            self.remote_ip = candidate
        scheme = headers.get("X-Scheme", headers.get("X-Forwarded-Proto", self.protocol))
        # With a chain of proxies the last entry is the one that the nearest of them wrote.
        scheme = scheme.rpartition(",")[2].strip()
        if scheme in ("http", "https"):
            self.protocol = scheme

    def _unapply_xheaders(self) -> None:
        """Forget it again: the next request on the connection may be somebody else's."""
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
        self._connection.context._apply_xheaders(headers)  # type: ignore[attr-defined]
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()
        self._connection.context._unapply_xheaders()  # type: ignore[attr-defined]

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()
        self._connection.context._unapply_xheaders()  # type: ignore[attr-defined]
