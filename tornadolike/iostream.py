"""Streams of bytes: reading and writing without blocking, on sockets, TLS connections and pipes."""

import contextlib
import contextvars
import errno
import io
import os
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tornadolike import _imported_names, _inside, ioloop
from tornadolike._http.announced import announce
from tornadolike._net import kept_buffers, read_buffer, tls, transport_source, unsent
from tornadolike._net.fd_source import FdSource
from tornadolike._net.file_parts import UnsendableFile
from tornadolike._net.ports import ByteSource
from tornadolike._net.socket_source import SocketSource
from tornadolike._net.stream_feeding import Feeding
from tornadolike._net.stream_reading import Reading
from tornadolike._net.stream_state import fail
from tornadolike._net.stream_writing import MAX_SEND, Writing
from tornadolike._net.transport_source import TransportSocket, TransportSource
from tornadolike._net.write_buffer import WriteBuffer
from tornadolike.concurrent import Future, future_set_result_unless_cancelled
from tornadolike.log import gen_log
from tornadolike.netutil import _client_ssl_defaults, _server_ssl_defaults, ssl_options_to_context, ssl_wrap_socket

if TYPE_CHECKING:
    from tornadolike.platform.asyncio import BaseAsyncIOLoop

    class _Rooms(Reading, Feeding, Writing): ...

else:
    _Rooms = object

_Socket = socket.socket  # streams have an attribute of the module's name
_StreamT = TypeVar("_StreamT", bound="IOStream")
_ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

# The other end has gone without a farewell. That is daily business: nobody wants to read about it in the log.
_ERRNO_CONNRESET: tuple[int, ...] = (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT)
if sys.platform == "win32":
    _ERRNO_CONNRESET += (errno.WSAECONNRESET, errno.WSAECONNABORTED, errno.WSAETIMEDOUT)
elif sys.platform == "darwin":
    _ERRNO_CONNRESET += (errno.EPROTOTYPE,)  # what send(2) says there while the socket is being torn down

_MAX_BUFFER = 100 << 20
_READ_CHUNK = 64 << 10
_MANY = 64 << 10  # from here on `read_bytes` does not read by way of the buffer

_StreamBuffer = WriteBuffer
_UnsendableFileError = UnsendableFile
_fail = fail


class StreamClosedError(OSError):
    """The stream is closed, or was closed before the operation came to its end.

    ``real_error`` is the exception that closed the stream, None when there was none. The close callback runs later than what
    waits for this exception: it may not have run yet.
    """

    def __init__(self, real_error: BaseException | None = None) -> None:
        super().__init__("Stream is closed")
        self.real_error = real_error


class UnsatisfiableReadError(Exception):
    """What ``read_until`` or ``read_until_regex`` looks for did not come within ``max_bytes``: the ``error`` of the stream it closed."""


class StreamBufferFullError(Exception):
    """More bytes are to be buffered than ``max_buffer_size`` or ``max_write_buffer_size`` allows."""


@_inside.made_of(Reading, Feeding, Writing)
class BaseIOStream(_Rooms):
    """Reads from and writes to something that does not block; subclasses say what it is.

    ``write`` and the ``read_`` methods return a Future. There may be one read at a time and any number of writes. When the stream
    closes, whatever is pending fails with :class:`StreamClosedError`, and ``error`` is the exception that was the reason (None after
    an orderly end). What was received before can still be read.

    A subclass overrides :meth:`fileno`, :meth:`read_from_fd`, :meth:`write_to_fd`, :meth:`close_fd` and, if it knows more about errors,
    :meth:`get_fd_error`. Must be made while the IOLoop it is to belong to is the current one.
    """

    io_loop: "ioloop.IOLoop"
    """The loop to which it belongs: that which was current when it was made."""

    def __init__(
        self, max_buffer_size: int | None = None, read_chunk_size: int | None = None, max_write_buffer_size: int | None = None
    ) -> None:
        """Make a stream of the current IOLoop.

        :arg max_buffer_size: how many received bytes may wait to be read; default 100 MiB. A read that needs more closes the stream
            with :class:`StreamBufferFullError`.
        :arg read_chunk_size: how many bytes are read at once; default 64 KiB, never more than half of ``max_buffer_size``.
        :arg max_write_buffer_size: how many written bytes may wait for the kernel; default unlimited. A write beyond it raises
            :class:`StreamBufferFullError`.
        """
        self.io_loop = ioloop.IOLoop.current()
        # The loop calls back in copies of it, whoever's call makes it watch: what a handler sets must not show in the next one.
        self._context = contextvars.copy_context()
        self.error: BaseException | None = None
        self.max_write_buffer_size = max_write_buffer_size
        self.max_buffer_size = max_buffer_size or _MAX_BUFFER
        # Were it as large as the buffer, one chunk too many would be the end of a stream that has done nothing wrong.
        self.read_chunk_size = min(self.max_buffer_size // 2, read_chunk_size or _READ_CHUNK)

    # What subclasses define.

    def fileno(self) -> "int | ioloop._Selectable":
        """The file descriptor, or an object whose ``fileno()`` it is."""
        raise NotImplementedError

    def close_fd(self) -> None:
        """Close the file. Called once, by :meth:`close`; everybody else calls that."""
        raise NotImplementedError

    def write_to_fd(self, data: memoryview) -> int:
        """Write as much of ``data`` as is possible at once and return the number of bytes.

        When nothing is possible, return 0 or raise BlockingIOError. Keep no reference to ``data``.
        """
        raise NotImplementedError

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read at most ``len(buf)`` bytes into ``buf`` and return their number: None when there are none for now, 0 at the end.

        Keep no reference to ``buf``.
        """
        raise NotImplementedError

    def get_fd_error(self) -> Exception | None:
        """The error that the file is in, None if it is unknown. Asked for when connecting ends."""
        return None

    # Reading, the pull way.

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read up to the end of the first match of ``regex``; the result begins with whatever came before the match.

        When ``max_bytes`` bytes have come and the match does not lie within them, the stream closes with
        :class:`UnsatisfiableReadError`.
        """
        return self._start_read(read_buffer.Pattern(regex, max_bytes))

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read up to and with the first ``delimiter``.

        When ``max_bytes`` bytes have come and the delimiter does not lie within them, the stream closes with
        :class:`UnsatisfiableReadError`.
        """
        return self._start_read(read_buffer.Delimiter(delimiter, max_bytes))

    def read_bytes(self, num_bytes: int, partial: bool = False) -> Awaitable[bytes]:
        """Read ``num_bytes`` bytes; with ``partial``, at least one and at most so many, as soon as there are any."""
        if _MANY < num_bytes <= self.max_buffer_size and not partial and self._read_buffer_size < num_bytes and self._read_future is None:
            return self._start_read(read_buffer.Many(num_bytes))
        return self._start_read(read_buffer.Count(num_bytes, partial))

    def read_into(self, buf: bytearray, partial: bool = False) -> Awaitable[int]:
        """Fill ``buf``; with ``partial``, put at least one byte into it. The result is the number of bytes.

        Do not resize ``buf`` before the read has ended.
        """
        return self._start_read(read_buffer.Into(buf, partial))

    def read_until_close(self) -> Awaitable[bytes]:
        """Read until the stream closes; the result is all that came, at most ``max_buffer_size`` bytes.

        A connection reset counts as an end. After any other error the read fails with :class:`StreamClosedError`.
        """
        if self._closed and not self._reads():
            future: Future[bytes] = Future()
            future.set_result(self._take_read_buffer())
            return future
        return self._start_read(read_buffer.UntilClose())

    def _read_buffer_full(self) -> StreamBufferFullError:
        gen_log.error("Reached maximum read buffer size")
        error = StreamBufferFullError("Reached maximum read buffer size")
        self.close(exc_info=error)
        return error

    def _close_unsatisfiable(self, reason: read_buffer.Unsatisfiable) -> None:
        error = UnsatisfiableReadError(str(reason))
        gen_log.info("Unsatisfiable read, closing connection: %s", error)
        self.close(exc_info=error)

    # Reading, the push way.

    # Writing.

    def write(self, data: bytes | memoryview) -> "Future[None]":
        """Write ``data``. The Future is done once it is all in the kernel, which says nothing about its arrival.

        A bytearray, or what a memoryview shows, must neither be changed nor be resized before. Raises :class:`StreamClosedError` when
        the stream is closed, :class:`StreamBufferFullError` when more than ``max_write_buffer_size`` bytes would have to wait.
        Several writes that end at once may share one Future.
        """
        direct = self._direct
        if direct is not None and type(data) is bytes:
            # As in _write_now, with one call less for each message of a broadcast.
            if data:
                direct.write(data)
            failing = self._failing
            sent = self._direct is not None and (failing is None or not failing.is_closing())
        else:
            sent = self._write_now(data or b"")  # None and "" are nothing to write, as they always were
        if sent:
            return self._finished or self._all_written()
        return self._written_later()

    def _collect(self) -> list[bytes] | None:
        """A list for small pieces: what is put into it now goes out, in one write, at the end of the loop's turn, or ahead of whatever
        is written or done before that. `_finished` is there for those who wait.

        None where a write does not go straight to the kernel: where one would have to wait, or where a subclass wants to see it.
        """
        failing = self._failing
        if self._direct is None or (failing is not None and failing.is_closing()) or self._shows_writes():
            return None
        self._all_written()
        self._direct = None
        pieces: list[bytes] = []
        self._collected = pieces
        cast("BaseAsyncIOLoop", self.io_loop).asyncio_loop.call_soon(self._end_collecting)
        return pieces

    def _check_write_limit(self, size: int) -> None:
        if self.max_write_buffer_size is not None and self._unwritten() + size > self.max_write_buffer_size:
            raise StreamBufferFullError("Reached maximum write buffer size")

    def _takes_files(self) -> bool:
        """Whether `_send_file` works on this stream: on plain TCP, unless a subclass has a way of its own to write.

        A source knows whether bytes go through ``write_to_fd``: then it has no socket.
        """
        source = self._source
        return not self._shows_writes() and isinstance(source, FdSource | TransportSource) and source.takes_files()

    def _shows_writes(self) -> bool:
        """Whether somebody wants to see each write: then nothing goes past it. See docs/design/index.md."""
        return type(self).write is not _WRITE

    # Closing.

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Call ``callback`` without arguments once the stream is closed; None: call nothing.

        The end is noticed even if nobody reads, but not before the bytes in front of it have been read.
        """
        self._close_callback = callback
        self._watch_for_close()

    def close(self, exc_info: "bool | BaseException | _ExcInfo | None" = False) -> None:
        """Close the stream. Bytes that the kernel has not taken are lost.

        :arg exc_info: the reason, for ``error``: an exception, a ``sys.exc_info()`` tuple, or True for the exception being handled.
        """
        if self._collected is not None:
            self._send_collected()
        if not self._closed:
            if exc_info:
                self._note_error(exc_info)
            if self._request is not None:
                self._finish_read_at_close()
            self._closed = True
            self._direct = self._failing = None
            source, self._source = self._source, None
            try:
                if source is not None:
                    source.close()
                self.close_fd()
            finally:
                self._signal_closed()
        else:
            self._signal_closed()

    def _close_broken(self, error: BaseException) -> None:
        if self._is_connreset(error):
            error.__traceback__ = None  # it tells nothing, and keeps the stream alive in a reference cycle
            self._collected = None  # as far as anybody can tell, it was under way
            error = self._last_words() or error
        self.close(exc_info=error)

    def _last_words(self) -> BaseException | None:
        """Read what the other end said before it broke the connection off. Returns the reason, where it gave one."""
        return None

    def _note_error(self, exc_info: "bool | BaseException | _ExcInfo | None") -> None:
        if isinstance(exc_info, BaseException):
            self.error = exc_info
        elif exc_info:
            error = exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1]
            if error is not None or isinstance(exc_info, tuple):
                self.error = error

    def _signal_closed(self) -> None:
        # The consumer hears of it ahead of whoever waits, in the same turn of the loop: a handler that goes on after its failed flush
        # shall find its end told already.
        self._release_consumer()
        read, connect, secure = self._read_future, self._connect_future, self._ssl_connect_future
        writes = self._write_futures
        if read is not None or connect is not None or writes is not None:
            self._connect_future = self._write_futures = None
            self._drop_request()
            for future in (read, *[pending for _, pending in writes or ()], connect):
                if future is not None:
                    _fail(future, self._closed_error())
        if self._file_part is not None:
            self._end_file(self._closed_error())
        if secure is not None:
            self._ssl_connect_future = None
            _fail(secure, self.error or self._closed_error())
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            self.io_loop.add_callback(callback)
        queue, self._write_queue = self._write_queue, None
        if queue is not None:
            queue.clear()

    def _closed_error(self) -> StreamClosedError:
        """One for each who waits: an exception that is raised in several places collects the frames of all."""
        return StreamClosedError(real_error=self.error)

    def reading(self) -> bool:
        """Whether a read is pending. One that was cancelled is not."""
        return self._reads()

    def writing(self) -> bool:
        """Whether written bytes wait for the kernel."""
        return self._unwritten() > 0

    def closed(self) -> bool:
        """Whether the stream has been closed."""
        return self._closed

    def set_nodelay(self, value: bool) -> None:
        """Send small pieces at once (True), or let the kernel collect them (False). Where there is no such choice: nothing."""

    def _check_closed(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _is_connreset(self, exc: BaseException) -> bool:
        return isinstance(exc, OSError) and exc.errno in _ERRNO_CONNRESET

    # What the source calls.

    def _connected_source(self) -> ByteSource:
        """The source; a stream on a file descriptor gets one when it first needs it."""
        if self._source is None:
            io_loop = cast("BaseAsyncIOLoop", self.io_loop)
            self._source = FdSource(io_loop.selector_loop, io_loop.handlers, self, self._plain_socket(), self._expects_bytes)
            self._settle_writing()
        return self._source

    def _plain_socket(self) -> socket.socket | None:
        """The socket, if reading and writing it is all that the hooks do, so that they can be passed by."""
        return None

    def _move(self) -> bool:
        """Asked once of a new connection that is busy: have something better than this FdSource take over soon, if there is."""
        return False

    def _on_read_error(self, error: BaseException) -> None:
        if not self._is_connreset(error):
            gen_log.warning("error on read: %s", error)
        self._close_broken(error)

    def _on_lost(self, error: BaseException | None) -> None:
        self._collected = None  # there is nothing left that would take it
        if error is None:
            self.close()
        else:
            self._on_read_error(error)

    def _on_write_error(self, error: OSError) -> None:
        if not self._is_connreset(error):
            gen_log.warning("Write error on %s: %s", self.fileno(), error)
        self._close_broken(error)

    def _on_drained(self) -> None:
        if self._connecting:
            self._handle_connect()
        if not self._closed and not self._connecting:
            self._flush()

    def _handle_connect(self) -> None:
        """Connecting has come to its end, one way or the other."""
        raise NotImplementedError


class _Attribute:
    """A property for those who use it, and a plain attribute, as it is in Tornado, for those who list what a class has."""

    def __init__(self, get: Callable[[Any], Any], replace: Callable[[Any, Any], None]) -> None:
        self._get, self._replace = get, replace

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else self._get(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        self._replace(instance, value)


class IOStream(BaseIOStream):
    """A stream on a socket.

    ``socket`` (non-blocking from now on) may be connected or not; in the latter case call :meth:`connect`. ``stream.socket`` is None
    once the stream is closed. Streams that a server hands out may be on an asyncio transport instead, or go over to one: then
    ``stream.socket`` stands in for the socket, and does all that one does but ``detach()`` and ``makefile()``.
    """

    _socket: _Socket = None  # type: ignore[assignment]  # None says "closed"; declared so, every user had to check
    _replaced = False  # somebody put another object in the socket's place: the hooks read and write that
    _family: int | None = None  # a server knows the address family of what it accepts
    _moving = False  # a transport owns the socket already, and takes over with the loop's next turn
    _allowance: unsent.Allowance | None = None  # once the kernel has not taken everything
    _left_server: object = None  # the HTTP server that it came from, and left, as WebSockets do

    def __init__(self, socket: _Socket, *args: Any, **kwargs: Any) -> None:
        self._socket = socket
        self._socket.setblocking(False)
        super().__init__(*args, **kwargs)

    def _get_socket(self) -> _Socket:
        return self._socket

    def _replace_socket(self, replacement: _Socket) -> None:
        self._socket = replacement
        if isinstance(self._source, FdSource):
            self._direct = None
            self._source.use_hooks()
        self._replaced = True

    if TYPE_CHECKING:
        socket: _Socket
    else:
        socket = _Attribute(_get_socket, _replace_socket)
        """The socket, None once the stream is closed.

        Something that wraps it, for compression perhaps, may be put in its place: reading and writing go through that then.
        """

    @classmethod
    def _from_transport(
        cls: type[_StreamT],
        source: TransportSource,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> _StreamT:
        """A stream on the transport that ``source`` has just been connected to."""
        stream = cls.__new__(cls)
        stream._socket = cast("_Socket", TransportSocket(source.transport))
        BaseIOStream.__init__(stream, max_buffer_size, read_chunk_size, max_write_buffer_size)
        stream._source = source
        stream._failing = source.transport
        stream._settle_writing()
        source.adopt(stream)
        return stream

    def _on_drained(self) -> None:
        if not self._connecting and self._socket is not None:
            if self._allowance is None:
                self._allowance = unsent.Allowance(self._socket)
            self._allowance.drained(self._socket, time.monotonic())
        super()._on_drained()

    def fileno(self) -> "int | ioloop._Selectable":
        return self._socket

    def close_fd(self) -> None:
        sock, self._socket = self._socket, None  # type: ignore[assignment]  # see _socket
        if self._moving:
            self._moving = False  # the transport has the socket, and closes it
        elif sock is not None:  # None: start_tls has taken it
            sock.close()

    def get_fd_error(self) -> Exception | None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return OSError(code, os.strerror(code))

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        try:
            return self._socket.recv_into(buf, len(buf))
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int:
        return self._socket.send(data)

    def _plain_socket(self) -> _Socket | None:
        kind = type(self)
        plain = kind.read_from_fd is _READ_FROM_FD and kind.write_to_fd is _WRITE_TO_FD
        return self._socket if plain and not self._replaced else None

    def _last_words(self) -> BaseException | None:
        """Read what the other end said before it broke the connection off. Returns the reason, where TLS gives one.

        Who refuses an upload, or a client without a certificate, says so and closes; then writing fails before anybody has read it.
        """
        consumer = self._consumer
        if self._closed or self._connecting or self._moving or not isinstance(self._source, FdSource | None):
            return None
        while len(self._read_buffer or b"") < self.max_buffer_size // 2:
            buffer = kept_buffers.scratch(self.read_chunk_size)
            try:
                size = self.read_from_fd(buffer)
            except ssl.SSLError as error:
                error.__traceback__ = None
                return None if self._is_connreset(error) else error
            except Exception:  # it is broken: there is nothing more to find out
                return None
            if not size:
                return None
            if consumer is None or getattr(consumer, "takes_rest", False):
                self._store(buffer, size)
        return None

    def _move(self) -> bool:
        io_loop = cast("BaseAsyncIOLoop", self.io_loop)
        if not transport_source.suits(io_loop.asyncio_loop) or self._plain_socket() is None:
            return False
        try:
            context = self._context.copy()
            context.run(transport_source.take_over, io_loop.asyncio_loop, io_loop.handlers, self._socket, self._on_transport)
        except (OSError, ValueError, RuntimeError):  # a loop without the means (NotImplementedError), a socket that is no stream
            return False
        self._moving = True
        return True

    def _send_end(self) -> None:
        try:
            self._say_goodbye()
            # Not the method of an SSLSocket, which would forget its keys, while there is more to be read.
            if isinstance(self._socket, _Socket):
                _Socket.shutdown(self._socket, socket.SHUT_WR)
            else:
                self._socket.shutdown(socket.SHUT_WR)
        except OSError:  # the other end is gone, and the source will say so
            pass

    def _say_goodbye(self) -> None:
        """Before our end: what the protocol above TCP wants sent."""

    def _on_transport(self, source: TransportSource) -> None:
        if not self._moving:  # closed meanwhile, or talking TLS
            source.transport.abort()
            return
        self._moving = False
        former = cast(FdSource, self._source)
        receiver = former.leave()
        self._socket = cast("_Socket", TransportSocket(source.transport))
        self._source, self._failing = source, source.transport
        source.adopt(self, receiver)
        if former.blocked:
            self._flush()
        else:
            self._settle_writing()

    def connect(self: _StreamT, address: Any, server_hostname: str | None = None) -> "Future[_StreamT]":
        """Connect to ``address``, which is what ``socket.connect`` takes; the result is this stream.

        Give an IP address: a host name is looked up, and that blocks. Writing and reading may begin before the connection stands.
        When it fails, the Future raises :class:`StreamClosedError` with the reason as ``real_error``. ``server_hostname`` matters only
        to :class:`SSLIOStream`.
        """
        self._connecting = True
        self._settle_writing()  # there is a source already where a close callback was set before
        future: Future[_StreamT] = Future()
        self._connect_future = future
        try:
            self._socket.connect(address)
        except BlockingIOError:
            pass
        except OSError as error:
            self.close(exc_info=error)
            return future
        cast(FdSource, self._connected_source()).watch_writing()
        return future

    def _handle_connect(self) -> None:
        error = self.get_fd_error()
        if isinstance(error, OSError) and error.errno:
            self.error = error
            self.close()
            return
        self._connecting = False
        future, self._connect_future = self._connect_future, None
        if future is not None:
            future_set_result_unless_cancelled(future, self)
        if self._consumer is not None:
            self._feed_consumer()
        else:
            self._watch_for_close()

    def start_tls(
        self, server_side: bool, ssl_options: dict[str, Any] | ssl.SSLContext | None = None, server_hostname: str | None = None
    ) -> "Future[SSLIOStream]":
        """Speak TLS from here on; the result is a new stream, which takes the place of this one, after the handshake.

        There must be nothing pending (ValueError). On a client there must be no unread byte either; on a server those that are unread
        are the beginning of the handshake, as where a PROXY line and a ClientHello come in one packet. Do not use this stream any more.
        When the handshake fails, the Future raises its error; cancelling the Future closes the connection.

        :arg server_side: whether we are the server.
        :arg ssl_options: an ``ssl.SSLContext``, or a dictionary as for :func:`tornado.netutil.ssl_options_to_context`; default: a
            context that verifies the server, or a server's without a certificate.
        :arg server_hostname: what the server's certificate is checked for, and what SNI tells the server.
        """
        unread = bool(self._read_buffer) and not server_side
        if self._reads() or self._write_futures or self._connect_future or self._closed or unread or self._unwritten():
            raise ValueError("IOStream is not idle; cannot convert to SSL")
        if ssl_options is None:
            ssl_options = _server_ssl_defaults() if server_side else _client_ssl_defaults()
        stream = self._convert(server_side, ssl_options, server_hostname)
        stream.max_buffer_size = self.max_buffer_size
        stream.read_chunk_size = self.read_chunk_size
        callback, self._close_callback = self._close_callback, None
        stream.set_close_callback(callback)
        future = stream.wait_for_handshake()
        future.add_done_callback(lambda done: stream.close() if done.cancelled() else None)
        return future

    def _convert(self, server_side: bool, ssl_options: dict[str, Any] | ssl.SSLContext, server_hostname: str | None) -> "SSLIOStream":
        source, unread = self._source, self._take_read_buffer()
        if isinstance(source, TransportSource):
            stream = SSLIOStream._from_transport(source, ssl_options=ssl_options, server_side=server_side, server_hostname=server_hostname)
            self._release_socket()
            stream._receive_beginning(unread)
            return stream
        if source is not None:
            source.close()
        sock = self._release_socket()
        if self._moving:
            self._moving = False
            sock = sock.dup()  # the first one ends with the transport
        if unread:  # a socket of the ssl module knows nothing but what it reads itself
            stream = SSLIOStream._from_socket(sock, ssl_options=ssl_options, server_side=server_side, server_hostname=server_hostname)
            stream._receive_beginning(unread)
            return stream
        wrapped = ssl_wrap_socket(sock, ssl_options, server_hostname, server_side=server_side, do_handshake_on_connect=False)
        return SSLIOStream(wrapped, ssl_options=ssl_options)

    def _release_socket(self) -> _Socket:
        sock, self._socket = self._socket, None  # type: ignore[assignment]  # see _socket
        self._source = self._direct = self._failing = None
        return sock

    def set_nodelay(self, value: bool) -> None:
        if self._socket is None or (self._family or self._socket.family) not in (socket.AF_INET, socket.AF_INET6):
            return
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1 if value else 0)
        except OSError as error:
            # A connection that is breaking down says EINVAL or worse; whoever uses it next will be told.
            if error.errno != errno.EINVAL and not self._is_connreset(error):
                raise


# What a server's connection gets behind its constructor.
_LATE = "_expects_bytes", "_family", "_consumer", "_paused", "_listening", "_source", "_direct", "_finished", "_moving", "_failing"
announce(IOStream, (*_LATE, "_told_consumer", "_closed", "_left_server"))

# As they are where no program has put its own in their place, on these classes or on subclasses.
_WRITE, _READ_FROM_FD, _WRITE_TO_FD = BaseIOStream.write, IOStream.read_from_fd, IOStream.write_to_fd


class SSLIOStream(IOStream):
    """A stream on a TLS connection.

    ``socket`` is unconnected, for :meth:`connect` to connect and to wrap; or connected, and then it must be an ``ssl.SSLSocket``, made
    with ``do_handshake_on_connect=False``. The handshake happens by itself; reads and writes wait for it.
    """

    if TYPE_CHECKING:
        socket: ssl.SSLSocket
        _socket: ssl.SSLSocket
    else:
        socket = IOStream.socket

    _handshake_reading = False
    _handshake_writing = False
    _server_hostname: str | None = None

    _handshake_peer: Any = "(not connected)"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """``ssl_options``, a keyword argument, is for :meth:`connect`: an ``ssl.SSLContext`` or a dictionary, as for
        :func:`tornado.netutil.ssl_options_to_context`; default: the server's certificate is verified. The rest is as in :class:`IOStream`.
        """
        options = kwargs.pop("ssl_options", None)
        self._ssl_options: dict[str, Any] | ssl.SSLContext = _client_ssl_defaults() if options is None else options
        self._ssl_accepting = True
        super().__init__(*args, **kwargs)
        try:
            self._handshake_peer = self._socket.getpeername()
        except OSError:
            return  # connect() will come
        # The handshake begins with the loop's next turn.
        cast(FdSource, self._connected_source()).watch_writing()

    @classmethod
    def _from_transport(  # type: ignore[override]  # it needs to know more
        cls,
        source: TransportSource,
        *,
        ssl_options: dict[str, Any] | ssl.SSLContext,
        server_side: bool = True,
        server_hostname: str | None = None,
        **limits: int | None,
    ) -> "SSLIOStream":
        """A TLS stream on the transport (a plain one) that ``source`` has been connected to. Its handshake begins at once."""
        session = tls.Session(ssl_options_to_context(ssl_options, server_side), server_side, server_hostname)
        stream = cls.__new__(cls)
        BaseIOStream.__init__(stream, **limits)
        stream._failing = source.transport
        stream._secure(source, TransportSocket(source.transport), session, ssl_options)
        return stream

    @classmethod
    def _from_socket(
        cls,
        sock: _Socket,
        *,
        ssl_options: dict[str, Any] | ssl.SSLContext,
        server_side: bool = True,
        server_hostname: str | None = None,
        **limits: int | None,
    ) -> "SSLIOStream":
        """The same on a plain connected socket: cheaper than on one that is wrapped, or on a transport of asyncio's own loop."""
        session = tls.Session(ssl_options_to_context(ssl_options, server_side), server_side, server_hostname)
        sock.setblocking(False)
        stream = cls.__new__(cls)
        BaseIOStream.__init__(stream, **limits)
        io_loop = cast("BaseAsyncIOLoop", stream.io_loop)
        source = SocketSource(io_loop.selector_loop, io_loop.handlers, sock, stream)
        stream._secure(source, sock, session, ssl_options)
        return stream

    def _secure(self, raw: tls.RawSource, plain: Any, session: tls.Session, ssl_options: dict[str, Any] | ssl.SSLContext) -> None:
        self._ssl_options = ssl_options
        self._ssl_accepting = True
        with contextlib.suppress(OSError):
            self._handshake_peer = plain.getpeername()
        self._socket = cast(ssl.SSLSocket, tls.TLSSocket(plain, session))
        source = self._source = tls.TLSSource(raw, session, self)
        source.resume()
        if not session.object.server_side:
            self._call_soon(source.start)

    def _say_goodbye(self) -> None:
        if isinstance(self._source, tls.TLSSource):
            self._source.say_goodbye()
        else:
            with contextlib.suppress(ssl.SSLError):  # having sent its alert, it would wait for the other end's
                self._socket.unwrap()

    def _receive_beginning(self, data: bytes) -> None:
        """What came of the handshake before it was known to be one."""
        if data:
            cast(tls.TLSSource, self._source)._on_data(data)

    def reading(self) -> bool:
        return self._handshake_reading or super().reading()

    def writing(self) -> bool:
        return self._handshake_writing or super().writing()

    def connect(self, address: Any, server_hostname: str | None = None) -> "Future[SSLIOStream]":
        """As :meth:`IOStream.connect`, and the handshake is part of it.

        ``server_hostname`` is the name that the certificate must be for (if the options ask for that at all). When the handshake fails,
        the Future raises its error.
        """
        self._server_hostname = server_hostname
        super().connect(address)  # when it fails, so does the handshake
        return self.wait_for_handshake()

    def wait_for_handshake(self) -> "Future[SSLIOStream]":
        """Wait for the handshake; the result is this stream, whose ``socket`` then knows certificate, cipher and so on.

        For streams that a server accepted; :meth:`connect` and ``start_tls`` wait by themselves. Raises RuntimeError while another call
        is still waiting. The Future raises the error of a failed handshake.
        """
        if self._ssl_connect_future is not None:
            raise RuntimeError("Already waiting")
        future = self._ssl_connect_future = Future()
        if self._closed:
            self._signal_closed()
        elif not self._ssl_accepting:
            self._finish_ssl_connect()
        return future

    def _finish_ssl_connect(self) -> None:
        future, self._ssl_connect_future = self._ssl_connect_future, None
        if future is not None:
            future_set_result_unless_cancelled(future, self)

    def _handle_connect(self) -> None:
        super()._handle_connect()
        if self._closed:
            return
        # The file descriptor stays the same, and so does the loop's interest in it.
        try:
            self._socket = ssl_wrap_socket(
                self._socket, self._ssl_options, server_hostname=self._server_hostname, server_side=False, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            self.close(exc_info=error)

    def _can_read(self) -> bool:
        # Until the handshake is over, a file descriptor's readiness is about that. A transport's source makes no such difference.
        return not (self._ssl_accepting and isinstance(self._source, FdSource | None)) and super()._can_read()

    # The handshake of an SSLSocket.

    def _do_handshake(self) -> None:
        source = cast(FdSource, self._connected_source())
        self._handshake_reading = self._handshake_writing = False
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._handshake_reading = True
            source.resume()
        except ssl.SSLWantWriteError:
            self._handshake_writing = True
            source.watch_writing()
        except (OSError, AttributeError, ValueError) as error:
            # AttributeError: the connection was reset even before it was wrapped.
            self._on_handshake_failed(error)
        else:
            self._on_secured()
            if not self._closed and self._request is not None:
                super()._on_readable()  # what came along with the handshake makes no descriptor ready

    def _on_secured(self) -> None:
        self._ssl_accepting = False
        self._finish_ssl_connect()
        self._flush()
        if self._consumer is not None and not self._closed:
            self._feed_consumer()

    def _on_handshake_failed(self, error: BaseException) -> None:
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            try:
                peer: Any = self._socket.getpeername()
            except OSError:  # it has left meanwhile
                peer = self._handshake_peer
            gen_log.warning("SSL Error on %s %s: %s", self._socket.fileno(), peer, error)
        self.close(exc_info=error)

    def _on_readable(self) -> None:
        if self._closed:
            return
        if self._ssl_accepting:
            self._do_handshake()
        else:
            super()._on_readable()

    def _on_drained(self) -> None:
        if self._ssl_accepting:
            if self._connecting:
                self._handle_connect()
            if not self._closed and not self._connecting:
                self._do_handshake()
        else:
            super()._on_drained()

    def _on_lost(self, error: BaseException | None) -> None:
        if self._ssl_accepting and error is None:
            error = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        super()._on_lost(error)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        if self._ssl_accepting:
            return None
        try:
            return self._socket.recv_into(buf, min(len(buf), MAX_SEND))
        except (ssl.SSLWantReadError, BlockingIOError):
            return None
        except ssl.SSLZeroReturnError:  # the end, where we had sent ours first
            return 0

    def write_to_fd(self, data: memoryview) -> int:
        if self._ssl_accepting:
            return 0
        try:
            return self._socket.send(data)
        except ssl.SSLWantWriteError:
            return 0

    def _is_connreset(self, exc: BaseException) -> bool:
        return isinstance(exc, ssl.SSLEOFError) or super()._is_connreset(exc)


def _open_streams(io_loop: "ioloop.IOLoop") -> Iterator[BaseIOStream]:
    """Those of a loop that something is waited for on."""
    for owner, _ in tuple(cast("BaseAsyncIOLoop", io_loop).handlers.values()):
        found: Any = owner
        while isinstance(found, TransportSource | tls.TLSSource):
            found = found._owner
        if isinstance(found, BaseIOStream):
            yield found


class PipeIOStream(BaseIOStream):
    """A stream on one end of a pipe: reading or writing, not both. ``fd`` is a file descriptor, as from ``os.pipe()``. Not on Windows."""

    def __init__(self, fd: int, *args: Any, **kwargs: Any) -> None:
        if sys.platform == "win32":
            raise AssertionError("PipeIOStream is not supported on Windows")
        self.fd = fd
        self._file = io.FileIO(fd, "r+")
        os.set_blocking(fd, False)
        super().__init__(*args, **kwargs)

    def fileno(self) -> int:
        return self.fd

    def close_fd(self) -> None:
        self._file.close()

    def write_to_fd(self, data: memoryview) -> int:
        return os.write(self.fd, data)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        try:
            return self._file.readinto(buf)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            # A pipe whose writer is gone counts as readable, yet reading it may fail like this.
            self.close(exc_info=error)
            return None


def doctests() -> Any:
    """The module's doctests, for unittest's ``load_tests``."""
    import doctest

    return doctest.DocTestSuite()


_imported_names.complete(globals())
