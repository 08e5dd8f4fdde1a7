"""A TCP server: listens on sockets, and hands every connection to ``handle_stream`` as an IOStream."""

import asyncio
import errno
import functools
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from tornadolike import _imported_names, gen, process
from tornadolike._net import tls_settings, transport_source, unsent
from tornadolike.concurrent import Future
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import IOStream, SSLIOStream
from tornadolike.log import app_log
from tornadolike.netutil import (
    _DEFAULT_BACKLOG,
    add_accept_handler,
    bind_sockets,
    ssl_options_to_context,
    ssl_wrap_socket,
)

if TYPE_CHECKING:
    from tornadolike.platform.asyncio import BaseAsyncIOLoop

# A peer that is gone before it was greeted, such as a port scanner: what wrapping its socket for TLS gives then.
_GONE = frozenset({errno.ECONNABORTED, errno.EINVAL, errno.ENOTCONN})


def _check_files(ssl_options: dict[str, Any]) -> None:
    """Raise now what would otherwise befall the first client."""
    if "certfile" not in ssl_options:
        raise KeyError('missing key "certfile" in ssl_options')
    for name in ("certfile", "keyfile"):  # the key may lie in the certificate's file
        if name in ssl_options and not os.path.exists(ssl_options[name]):
            raise ValueError(f'{name} "{ssl_options[name]}" does not exist')


def _raise_failure(future: "Future[Any]") -> None:
    future.result()


class TCPServer:
    """A server for any protocol over TCP, Unix sockets or TLS: subclass it and override :meth:`handle_stream`.

    ::

        class Shouting(TCPServer):
            async def handle_stream(self, stream, address):
                line = await stream.read_until(b"\\n", max_bytes=1000)
                await stream.write(line.upper())
                stream.close()

    Start it in one of these ways:

    * in one process, inside a coroutine: ``server.listen(8888)``. With ``reuse_port=True`` several processes may do so.
    * in forked processes: ``sockets = bind_sockets(8888)``, then ``fork_processes(0)``, and then in each child, inside a
      coroutine, ``server.add_sockets(sockets)``. Nothing may touch an event loop before the fork.
    * deprecated: ``server.bind(8888)``, ``server.start(0)``, ``IOLoop.current().start()``.

    :arg ssl_options: an ``ssl.SSLContext`` for the server side, or a dictionary with ``certfile``, ``keyfile`` and the other
        keys of :func:`tornado.netutil.ssl_options_to_context`; with it the server speaks TLS. Of a dictionary, ``certfile``
        must be there (KeyError), and the files must exist (ValueError); files that change later are read again.
    :arg max_buffer_size: bytes that an IOStream may buffer, see there.
    :arg read_chunk_size: bytes that an IOStream reads at once, see there.
    """

    def __init__(
        self,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
    ) -> None:
        if isinstance(ssl_options, dict):
            _check_files(ssl_options)
        self.ssl_options = ssl_options
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self.__contexts = tls_settings.ServerContexts()
        self._started = False
        self._pending_sockets: list[socket.socket] = []  # bound before start()
        self._handlers: dict[int, Callable[[], None]] = {}  # what ends the accepting, by descriptor
        self._sockets: dict[int, socket.socket] = {}

    def listen(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = _DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Accept connections on ``port`` from now on, that is, as soon as the event loop runs.

        The arguments are those of :func:`tornado.netutil.bind_sockets`, and so are the errors. May be called for several ports.
        """
        self.add_sockets(bind_sockets(port, address, family, backlog, flags, reuse_port))

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on listening sockets, such as :func:`tornado.netutil.bind_sockets` makes. :meth:`stop` closes them.

        They are non-blocking from now on. So a socket that systemd opened will do: ``socket.socket(fileno=3)``.
        """
        for sock in sockets:
            self.add_socket(sock)

    def add_socket(self, socket: socket.socket) -> None:
        """The same for a single socket."""
        unsent.limit(socket)
        fd = socket.fileno()
        self._sockets[fd] = socket
        self._handlers[fd] = self._listen_to(socket)

    def _listen_to(self, sock: socket.socket) -> Callable[[], None]:
        """Begin to accept on ``sock``; returns what ends it."""
        io_loop = IOLoop.current()
        loop: asyncio.AbstractEventLoop | None = getattr(io_loop, "asyncio_loop", None)
        transports = cast("BaseAsyncIOLoop", io_loop) if loop is not None and transport_source.suits(loop) else None
        # A connection is of the family of the socket it came to: asking each one would cost 1.5 µs and more.
        return add_accept_handler(sock, functools.partial(self.__accept, self._handle_connection, sock.family, transports))

    def __accept(self, handle: Callable[..., object], family: int, transports: "BaseAsyncIOLoop | None", *accepted: Any) -> None:
        self.__origin = family, transports
        try:
            handle(*accepted)
        finally:
            self.__origin = None, None

    def bind(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = _DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Listen on ``port``, and accept connections once :meth:`start` is called; after that, at once.

        The arguments are those of :func:`tornado.netutil.bind_sockets`. May be called for several ports. Deprecated: use
        :meth:`listen` or :meth:`add_sockets`.
        """
        sockets = bind_sockets(port, address, family, backlog, flags, reuse_port)
        if self._started:
            self.add_sockets(sockets)
        else:
            self._pending_sockets += sockets

    def start(self, num_processes: int | None = 1, max_restarts: int | None = None) -> None:
        """Accept connections on what was bound before, in this process or in ``num_processes`` forked ones.

        None or a number below 1 means one process for each core. ``max_restarts`` is that of
        :func:`tornado.process.fork_processes`. No event loop may exist before a fork, and autoreload does not go with it.
        May be called once. Deprecated: use :meth:`listen` or :meth:`add_sockets`.
        """
        assert not self._started
        self._started = True
        if num_processes != 1:
            process.fork_processes(num_processes, max_restarts)
        sockets, self._pending_sockets = self._pending_sockets, []
        self.add_sockets(sockets)

    def stop(self) -> None:
        """Accept no more connections, and close the listening sockets. Connections that are open go on. Idempotent."""
        while self._handlers:
            fd, stop_accepting = self._handlers.popitem()
            stop_accepting()
            self._sockets[fd].close()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> Awaitable[None] | None:
        """Override: take over ``stream``, a new connection from ``address``, and close it when you are done.

        May be a coroutine; others are accepted while it runs, and what it raises is logged. With TLS, ``stream`` is an
        SSLIOStream whose handshake may not be over yet: await ``stream.wait_for_handshake()`` before asking about the peer.
        """
        raise NotImplementedError

    def __server_context(self) -> ssl.SSLContext:
        options = self.ssl_options
        assert options is not None
        return self.__contexts.current(options) if isinstance(options, dict) else ssl_options_to_context(options)

    def __wrap(self, connection: socket.socket) -> socket.socket | None:
        """The connection with TLS on top; None for one that is gone already, and is closed then."""
        try:
            return ssl_wrap_socket(connection, self.__server_context(), server_side=True, do_handshake_on_connect=False)
        except Exception as error:
            connection.close()
            if isinstance(error, OSError) and (error.errno in _GONE or isinstance(error, ssl.SSLEOFError)):
                return None
            raise

    # Of the connection that is being accepted: its family, and a loop with transports.
    __origin: "tuple[int | None, BaseAsyncIOLoop | None]" = None, None

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        """Make a stream of an accepted socket; for TLS on one of the transports of a loop, if there is one that suits."""
        family, transports = self.__origin
        try:
            if self.ssl_options is None:
                stream = IOStream(connection, max_buffer_size=self.max_buffer_size, read_chunk_size=self.read_chunk_size)
                stream._expects_bytes = True
            elif transports is not None:
                connection.setblocking(False)
                on_source = functools.partial(self.__handle_source, address, family)
                transport_source.take_over(transports.asyncio_loop, transports.handlers, connection, on_source)
                return
            else:
                wrapped = self.__wrap(connection)
                if wrapped is None:
                    return
                stream = SSLIOStream(wrapped, max_buffer_size=self.max_buffer_size, read_chunk_size=self.read_chunk_size)
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)
        else:
            stream._family = family
            self.__handle_accepted(stream, address)

    def __handle_source(self, address: Any, family: int | None, source: transport_source.TransportSource) -> None:
        """Make a TLS stream of an accepted connection that is on a transport now."""
        if not self._handlers:  # stopped meanwhile
            source.transport.abort()
            return
        try:
            stream = SSLIOStream._from_transport(
                source,
                max_buffer_size=self.max_buffer_size,
                read_chunk_size=self.read_chunk_size,
                ssl_options=self.__server_context(),
                server_side=True,
            )
        except Exception:
            source.transport.abort()
            app_log.error("Error in connection callback", exc_info=True)
        else:
            stream._family = family
            self.__handle_accepted(stream, address)

    def __begin_handling(self, stream: IOStream, address: Any) -> None:
        handling = self.handle_stream(stream, address)
        if handling is not None:
            IOLoop.current().add_future(gen.convert_yielded(handling), _raise_failure)

    def __handle_accepted(self, stream: IOStream, address: Any) -> None:
        try:
            # In a context of its own: this one is that of all connections.
            stream._context.copy().run(self.__begin_handling, stream, address)
        except Exception:
            app_log.error("Error in connection callback", exc_info=True)
            stream.close()  # nobody else will


_imported_names.complete(globals())
