"""Streams of bytes: reading and writing without blocking, on sockets, TLS connections and pipes."""

import contextlib
import contextvars
import enum
import errno
import io
import os
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from tornadolike import _imported_names, ioloop
from tornadolike._net import kept_buffers, read_buffer, tls, transport_source, unsent
from tornadolike._net.fd_source import FdSource
from tornadolike._net.ports import ByteSource, FileTaker
from tornadolike._net.socket_source import SocketSource
from tornadolike._net.transport_source import TransportSocket, TransportSource
from tornadolike._net.write_buffer import WriteBuffer
from tornadolike.concurrent import Future, future_set_result_unless_cancelled
from tornadolike.log import gen_log
from tornadolike.netutil import _client_ssl_defaults, _server_ssl_defaults, ssl_options_to_context, ssl_wrap_socket

if TYPE_CHECKING:
    from tornadolike.platform.asyncio import BaseAsyncIOLoop

_Socket = socket.socket  # streams have an attribute of the module's name
_StreamT = TypeVar("_StreamT", bound="IOStream")
_ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

# The other end has gone without a farewell. That is daily business: nobody wants to read about it in the log.
_ERRNO_CONNRESET: tuple[int, ...] = (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT)
if sys.platform == "win32":
    _ERRNO_CONNRESET += (errno.WSAECONNRESET, errno.WSAECONNABORTED, errno.WSAETIMEDOUT)
elif sys.platform == "darwin":
    _ERRNO_CONNRESET += (errno.EPROTOTYPE,)  # what send(2) says there while the socket is being torn down

# Windows refuses larger pieces for want of buffers; TLS sockets, those of 2 GiB and more.
_MAX_SEND = 128 * 1024 if sys.platform == "win32" else 1 << 30

_MAX_BUFFER = 100 << 20
_READ_CHUNK = 64 << 10
_OFTEN_THERE = (read_buffer.Delimiter, read_buffer.Count)
_MANY = 64 << 10  # from here on `read_bytes` does not read by way of the buffer
_TURNS_TO_WRITE = 8  # until whoever was woken by the end of a write, through some coroutines, has written again
# A client that is refused an upload mostly sends it to its end before it reads the answer.
_LINGER_BYTES = 64 << 20
_LINGER_SECONDS = 5.0
_SMALL_WRITE = 16 << 10  # up to here a copy costs less than a send of its own

_StreamBuffer = WriteBuffer


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


class _Writing(enum.Enum):
    """What a write meets with. Each state has its reason on the stream, and ends with it; see docs/design/stream.md."""

    DIRECT = "goes to the kernel at once"
    COLLECTING = "goes out together with small pieces, which wait for it or for the end of the loop's turn"
    QUEUED = "waits behind other bytes, or for the connection"
    FILE = "waits behind a part of a file"
    ENDED = "nothing can be written any more, since our end was sent, or is about to be"
    CLOSED = "the stream is closed"


class _UnsendableFileError(Exception):
    """The kernel does not send from this file; nothing was sent."""


class _FilePart:
    """What is still to be sent of a file, and whom to tell.

    A part that has to wait for the kernel owns its descriptor: the caller's may be closed meanwhile, and its number be another file's.
    """

    __slots__ = ("_own_fd", "count", "fd", "future", "left", "offset")

    def __init__(self, fd: int, offset: int, count: int) -> None:
        self.fd, self.offset, self.count = fd, offset, count
        self.left = count
        self.future: Future[None] = Future()
        self._own_fd = -1

    def own(self) -> None:
        """Have a descriptor of its own from now on. Raises OSError where the process has none left."""
        if self._own_fd < 0:
            self.fd = self._own_fd = os.dup(self.fd)

    def release(self) -> None:
        fd, self._own_fd = self._own_fd, -1
        if fd >= 0:
            os.close(fd)


class _Consumer(Protocol):
    """Takes all that arrives, instead of reads. What it is told comes from the loop, in the stream's own context.

    It may have a further method, ``eof_received()``: the other end sends no more. True as its result: it sees to it that the stream is
    closed. Otherwise the stream closes as soon as nothing is left to be written. And an attribute ``takes_rest``: where it is true, and
    the connection breaks while writing, what the other end said before (a refusal, most likely) is delivered ahead of ``stream_closed``.
    """

    def data_received(self, data: bytes, /) -> None: ...
    def stream_closed(self) -> None: ...


def _fail(future: "Future[Any]", error: BaseException) -> None:
    """Fail ``future``, and do not complain when nobody looks at it."""
    if not future.done():
        future.set_exception(error)
        future.exception()


class _Lingering:
    """In a consumer's place while a stream closes gracefully: lets the other end say what it still says, up to a limit."""

    def __init__(self, stream: "BaseIOStream", consumer: _Consumer | None, most_bytes: int, seconds: float) -> None:
        self._stream = stream
        self._consumer = consumer
        self._bytes_left = most_bytes
        loop = cast("BaseAsyncIOLoop", stream.io_loop).asyncio_loop
        self._timer = loop.call_later(seconds, stream.close, context=stream._context.copy())

    def data_received(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self._stream.close()

    def stream_closed(self) -> None:
        self._timer.cancel()
        if self._consumer is not None:
            self._consumer.stream_closed()


class BaseIOStream:
    """Reads from and writes to something that does not block; subclasses say what it is.

    ``write`` and the ``read_`` methods return a Future. There may be one read at a time and any number of writes. When the stream
    closes, whatever is pending fails with :class:`StreamClosedError`, and ``error`` is the exception that was the reason (None after
    an orderly end). What was received before can still be read.

    A subclass overrides :meth:`fileno`, :meth:`read_from_fd`, :meth:`write_to_fd`, :meth:`close_fd` and, if it knows more about errors,
    :meth:`get_fd_error`. Must be made while the IOLoop it is to belong to is the current one.
    """

    # Defaults at the class: an idle connection pays only for what it has used.
    _source: ByteSource | None = None
    _direct: Callable[[bytes], None] | None = None  # the source's write, while nothing stands in its way
    # A transport's is_closing(): a write may have shown that the other end is gone, of which the loop tells only later.
    _failing: Callable[[], bool] | None = None
    _consumer: _Consumer | None = None
    _told_consumer = False  # of the end
    _lender: _Consumer | None = None  # a consumer that has stepped aside
    _paused = False  # the consumer wants nothing at present
    _request: read_buffer.ReadRequest | None = None
    _read_future: "Future[Any] | None" = None
    _read_buffer: bytearray | None = None
    _expects_bytes = False  # the other end has to speak first, and probably has: a consumer's source looks before it waits
    _listening = False  # somebody has been waiting for bytes, so that an end of stream is news
    _eof = False  # the other end sends no more: bytes before that are still to be read, or ours still to be written
    _write_queue: WriteBuffer | None = None
    _write_queue_shared = False
    _write_futures: "deque[tuple[int, Future[None]]] | None" = None
    _file_part: _FilePart | None = None  # goes before what is in the write queue
    _collected: list[bytes] | None = None  # goes out with the next write, or at the end of the loop's turn; then there is no _direct
    _finished: "Future[None] | None" = None
    _total_write_index = 0
    _connecting = False
    _connect_future: "Future[Any] | None" = None
    _ssl_connect_future: "Future[Any] | None" = None
    _close_callback: Callable[[], None] | None = None
    _closes_when_written = False
    _lingers = False  # nothing can be written any more
    _closed = False

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

    def _start_read(self, request: read_buffer.ReadRequest) -> "Future[Any]":
        if self._read_future is not None and self._reads():
            self._check_closed()
            raise AssertionError("Already reading")
        if self._consumer is not None:
            self._borrow(self._consumer)
        future: Future[Any] = Future()
        buffer = self._read_buffer
        if buffer and isinstance(request, _OFTEN_THERE) and (size := request.find_quietly(buffer)) is not None:
            # As below, with five calls less for each of the lines or frames that came together.
            future.set_result(read_buffer.consume(buffer, size))
            self._watch_for_close()
            return future
        self._read_future = future
        self._request = request
        if buffer is None:
            self._read_buffer = bytearray()
        try:
            self._try_inline_read()
        except read_buffer.Unsatisfiable as error:
            self._close_unsatisfiable(error)
        except BaseException:
            self._drop_request()
            raise
        return future

    def _drop_request(self) -> None:
        """No answer will come: what was read for it can still be read."""
        request, self._request, self._read_future = self._request, None, None
        if isinstance(request, read_buffer.Many) and request.filled:
            self._read_buffer = bytearray(request.taken()) + (self._read_buffer or b"")

    def _try_inline_read(self) -> None:
        """Answer the read from what is there; if that is not enough, have it answered when more comes."""
        if self._satisfy_read():
            return
        self._check_closed()
        if self._eof:
            self.close()
            return
        source = self._connected_source()
        self._listening = True
        if isinstance(source, FdSource) and not self._connecting:
            self._read_ahead()
        if self._read_future is not None:
            source.resume()

    def _satisfy_read(self) -> bool:
        if not self._reads():
            return False
        request, buffer = self._request, self._read_buffer
        if request is None or buffer is None:
            return False
        size = request.find(buffer)
        if size is None:
            return False
        self._finish_read(request.answer(buffer, size))
        return True

    def _finish_read(self, result: bytes | int) -> None:
        future, self._read_future = self._read_future, None
        self._request = None
        if future is not None:
            future_set_result_unless_cancelled(future, result)
        self._watch_for_close()

    def _take_read_buffer(self) -> bytes:
        buffer, self._read_buffer = self._read_buffer, None
        return bytes(buffer) if buffer else b""

    @property
    def _read_buffer_size(self) -> int:
        """How many bytes have come that were not read yet. pynsq asks."""
        return len(self._read_buffer or b"")

    def _consume(self, loc: int) -> bytes:
        """Take the first ``loc`` of these bytes out. pynsq does before it puts a compressing socket in the place of ``socket``."""
        buffer = self._read_buffer
        if not loc:
            return b""
        assert buffer is not None
        assert loc <= len(buffer)
        return read_buffer.consume(buffer, loc)

    def _read_ahead(self) -> None:
        """Read chunks with the hook until the pending read has its answer or nothing is left.

        A regular expression starts from the beginning each time: hence the search at doubled sizes only, and at the end.
        """
        next_search = 0
        while self._reads() and (request := self._request) is not None and self._read_chunk(request):
            size = len(self._read_buffer or b"")
            if request.enough(size):
                break
            if size >= next_search:
                if self._satisfy_read():
                    return
                next_search = 2 * size
        self._satisfy_read()

    def _read_chunk(self, request: read_buffer.ReadRequest | None) -> bool:
        """Read once with the hook, into the buffer or the caller's target. False when nothing came."""
        try:
            if isinstance(request, read_buffer.Into):
                with request.room() as room:
                    size = self.read_from_fd(room)
                request.filled += size or 0
            else:
                buffer = kept_buffers.scratch(self.read_chunk_size)
                size = self.read_from_fd(buffer)
                if size:
                    self._store(buffer, size)
        except OSError as error:
            self._close_broken(error)
            if self._is_connreset(error) or isinstance(error, ssl.SSLError):
                return False
            raise
        if size == 0:
            self.close()
        return bool(size)

    def _store(self, chunk: bytes | bytearray | memoryview, size: int) -> None:
        with memoryview(chunk) as whole, whole[:size] as received:
            if self._read_buffer is None:
                self._read_buffer = bytearray(received)
            else:
                self._read_buffer += received
        if len(self._read_buffer) > self.max_buffer_size and isinstance(self._source, FdSource):
            raise self._read_buffer_full()

    def _read_buffer_full(self) -> StreamBufferFullError:
        gen_log.error("Reached maximum read buffer size")
        error = StreamBufferFullError("Reached maximum read buffer size")
        self.close(exc_info=error)
        return error

    def _close_unsatisfiable(self, reason: read_buffer.Unsatisfiable) -> None:
        error = UnsatisfiableReadError(str(reason))
        gen_log.info("Unsatisfiable read, closing connection: %s", error)
        self.close(exc_info=error)

    def _watch_for_close(self) -> None:
        """Somebody wants to know of the end: it is seen only by reading, when nothing lies before it and nothing is left to be written."""
        if self._close_callback is None or self._closed or self._connecting or self._read_buffer or self._consumer is not None:
            return
        if self._eof:
            self._close_when_written()
        elif self._read_future is None and not self._unwritten():
            self._listening = True
            self._connected_source().resume()

    # Reading, the push way.

    def _attach_consumer(self, consumer: _Consumer) -> None:
        """Hand all bytes to ``consumer.data_received`` from now on, those that wait here first.

        ``consumer.stream_closed`` is called once when the stream is closed, also if it is closed already. All calls come from the loop.
        """
        if self._reads() or self._consumer is not None:
            raise AssertionError("Already reading")
        self._consumer = consumer
        self._paused = False
        self._listening = True
        self._begin_feeding()

    def _begin_feeding(self) -> None:
        """What is here already is told by the loop: the caller may be a handler, in a context and at a point of its own."""
        if self._read_buffer or self._eof or self._closed:
            self._call_soon(self._feed_consumer)
        else:
            self._feed_consumer()

    def _call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        cast("BaseAsyncIOLoop", self.io_loop).asyncio_loop.call_soon(callback, *args, context=self._context.copy())

    def _feed_consumer(self) -> None:
        consumer = self._consumer
        while self._read_buffer and consumer is not None and not self._paused:
            consumer.data_received(self._take_read_buffer())
            consumer = self._consumer
        if consumer is None:
            return
        if self._closed:
            self._consumer = None
            cast("BaseAsyncIOLoop", self.io_loop)._run_callback(consumer.stream_closed)
            return
        if self._paused or not self._can_read():
            return
        if self._eof:
            self._end_consumer(consumer)
            return
        source = self._connected_source()
        source.deliver(consumer.data_received)
        source.resume()

    def _end_consumer(self, consumer: _Consumer) -> None:
        """The other end sends no more, and all that it sent was delivered."""
        eof_received: Callable[[], bool | None] | None = getattr(consumer, "eof_received", None)
        if eof_received is None or not eof_received():
            self._close_when_written()

    def _close_when_written(self, turns: int = 0) -> None:
        """Close as soon as nothing waits to be written, and nobody has used ``turns`` turns of the loop to write more."""
        self._send_collected()
        if self._closed or self._unwritten():
            self._closes_when_written = not self._closed  # _finish_writes comes back here
        elif turns:
            self._call_soon(self._close_when_written, turns - 1)
        else:
            self.close()

    def _can_read(self) -> bool:
        """Not before the connection stands. Then, _feed_consumer has to be called."""
        return not self._connecting

    def _detach_consumer(self, unread: bytes = b"") -> None:
        """Back to reads; ``unread`` is what they get first."""
        self._consumer = None
        self._paused = False
        if unread:
            self._read_buffer = bytearray(unread) + (self._read_buffer or b"")
        if not self._closed:
            self._connected_source().deliver(None)
            self._watch_for_close()

    def _pause_reading(self) -> None:
        """Let the bytes wait in the kernel. For a consumer, idempotent."""
        if self._consumer is None or self._paused or self._closed:
            return
        self._paused = True
        source = self._connected_source()
        source.deliver(None)
        source.pause()

    def _resume_reading(self) -> None:
        """The opposite. What came in the meantime is delivered by the loop."""
        if self._consumer is None or not self._paused:
            return
        self._paused = False
        self._begin_feeding()

    def _borrow(self, consumer: _Consumer) -> None:
        """Somebody reads the stream itself, as a tunnel does: the consumer may step aside, and hears of the end only."""
        lend: Callable[[], bytes | None] | None = getattr(consumer, "lend", None)
        unread = None if lend is None else lend()
        if unread is None:
            raise AssertionError("Already reading")
        self._detach_consumer(unread)
        self._lender = consumer

    def _take_back(self, consumer: _Consumer) -> None:
        """Bytes are the consumer's again. AssertionError while somebody reads."""
        self._lender = None
        self._attach_consumer(consumer)

    def _release_consumer(self) -> None:
        consumer, self._lender = self._consumer or self._lender, None
        if consumer is None:
            return
        self._told_consumer = True
        if self._consumer is not None and self._read_buffer and getattr(consumer, "takes_rest", False):
            self._call_soon(self._feed_consumer)  # which tells of the close behind it
        else:
            self._consumer = None
            self._context.copy().run(self.io_loop.add_callback, consumer.stream_closed)

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
                direct(data)
            failing = self._failing
            sent = self._direct is not None and (failing is None or not failing())
        else:
            sent = self._write_now(data or b"")  # None and "" are nothing to write, as they always were
        if sent:
            return self._finished or self._all_written()
        return self._written_later()

    def _all_written(self) -> "Future[None]":
        """The future of all writes that have nothing to wait for."""
        if self._finished is None:
            self._finished = Future()
            self._finished.set_result(None)
        return self._finished

    def _forget_finished(self) -> None:
        """Nothing will be written for long: the future that says so of the last write is made again when it is."""
        if self._collected is None:
            self._finished = None

    def _written_later(self) -> "Future[None]":
        """The future of the last write, where that has to wait, or has failed."""
        future: Future[None] = Future()
        if self._closed:
            self._fail_write(future)
            return future
        if self._write_futures is None:
            self._write_futures = deque()
        self._write_futures.append((self._total_write_index, future))
        return future

    def _fail_write(self, future: "Future[None]") -> None:
        """Fail the future of a write that found the stream broken: behind `_Consumer.stream_closed`, where there is somebody to hear it."""
        if self._told_consumer:
            loop = cast("BaseAsyncIOLoop", self.io_loop).asyncio_loop
            loop.call_soon(_fail, future, self._closed_error(), context=self._context)
        else:
            _fail(future, self._closed_error())

    def _write_now(self, data: bytes | memoryview) -> bool:
        """Write ``data``, and say whether it is all in the kernel. Raises what :meth:`write` raises."""
        direct = self._direct
        if direct is not None and type(data) is bytes:
            if data:  # nothing is what a response ends with whose body has been flushed
                direct(data)
            failing = self._failing
            return self._direct is not None and (failing is None or not failing())
        if self._collected is not None:
            return self._write_behind_collected(self._collected, data)
        return self._write_through_queue(data)

    def _collect(self) -> list[bytes] | None:
        """A list for small pieces: what is put into it now goes out, in one write, at the end of the loop's turn, or ahead of whatever
        is written or done before that. `_finished` is there for those who wait.

        None where a write does not go straight to the kernel: where one would have to wait, or where a subclass wants to see it.
        """
        failing = self._failing
        if self._direct is None or (failing is not None and failing()) or type(self).write is not BaseIOStream.write:
            return None
        self._all_written()
        self._direct = None
        pieces: list[bytes] = []
        self._collected = pieces
        cast("BaseAsyncIOLoop", self.io_loop).asyncio_loop.call_soon(self._end_collecting)
        return pieces

    def _end_collecting(self) -> None:
        """It is the end of the turn; a consumer may know that more comes in the next one."""
        holds: Callable[[int], bool] | None = getattr(self._consumer, "holds_answers", None)
        if self._collected is not None and holds is not None and holds(len(self._collected)):
            cast("BaseAsyncIOLoop", self.io_loop).asyncio_loop.call_soon(self._end_collecting)
        else:
            self._send_collected()

    def _send_collected(self) -> None:
        if self._collected is not None:
            self._write_behind_collected(self._collected, b"")

    def _write_behind_collected(self, pieces: list[bytes], data: bytes | memoryview) -> bool:
        self._collected = None
        self._connected_source()
        self._settle_writing()
        if len(data) > _SMALL_WRITE:
            self._write_now(b"".join(pieces))
            return self._write_now(data)
        return self._write_now(b"".join((*pieces, data)))

    def _write_through_queue(self, data: bytes | bytearray | memoryview) -> bool:
        self._check_closed()
        if self._lingers:
            raise self._closed_error()
        with memoryview(data) as given, given.cast("B") as view:
            self._check_write_limit(len(view))
            queue = self._write_queue
            self._total_write_index += len(view)
            sent = 0
            if view and not queue and not self._connecting and not self._connected_source().blocked:
                try:
                    with view[:_MAX_SEND] as piece:  # released even if an error's traceback keeps it: the caller may resize its bytes
                        sent = self._connected_source().send(piece)
                except OSError as error:
                    self._on_write_error(error)
                    return False
            if sent < len(view):
                if queue is None:
                    queue = self._write_queue = WriteBuffer()
                    self._direct = None
                with view[sent:] as rest:
                    queue.append(rest)
        self._flush()
        return not self._closed and not self.writing() and not self._connecting

    def _check_write_limit(self, size: int) -> None:
        if self.max_write_buffer_size is not None and self._unwritten() + size > self.max_write_buffer_size:
            raise StreamBufferFullError("Reached maximum write buffer size")

    def _unwritten(self) -> int:
        source, file, collected = self._source, self._file_part, self._collected
        waiting = len(self._write_queue or b"") + (0 if source is None else source.unsent()) + (0 if file is None else file.left)
        return waiting if collected is None else waiting + sum(map(len, collected))

    def _takes_files(self) -> bool:
        """Whether `_send_file` works on this stream: on plain TCP, unless a subclass has a way of its own to write."""
        source, kind = self._source, type(self)
        plain = kind.write is BaseIOStream.write and kind.write_to_fd is IOStream.write_to_fd
        return plain and isinstance(source, FdSource | TransportSource) and source.takes_files()

    def _write_file(self, fd: int, offset: int, count: int) -> "Future[None]":
        """Send ``count`` bytes from ``offset`` of an open file without reading them.

        Only to be called where `_takes_files`, and with nothing waiting to be written. What is written later goes out behind the file;
        ``fd`` may be closed at once. Cancelling the Future before the last byte is in the kernel closes the stream: nothing that could
        follow would be understood. It fails with EOFError where the file is shorter by now (whoever announced its size has to close the
        stream), with _UnsendableFileError where the kernel does not do this with such a file, with `StreamClosedError` as a write does.
        """
        self._check_closed()
        assert not self.writing()
        assert self._file_part is None
        part = _FilePart(fd, offset, count)
        if not count:
            part.future.set_result(None)
            return part.future
        self._file_part = part
        self._settle_writing()
        self._flush()
        if self._file_part is part:
            self._keep_file(part)
        return part.future

    def _send_file(self, fd: int, offset: int, count: int) -> "Future[None]":
        return self._write_file(fd, offset, count)

    def _keep_file(self, part: _FilePart) -> None:
        """The part has to wait: for its caller's cancelling, and with a descriptor that nobody else closes."""
        try:
            part.own()
        except OSError as error:
            if part.left < part.count:
                self.close(exc_info=error)
            else:
                self._end_file(_UnsendableFileError(error))
            return
        part.future.add_done_callback(self._on_file_future_done, context=self._context)

    def _on_file_future_done(self, future: "Future[None]") -> None:
        part = self._file_part
        if part is not None and part.future is future:  # cancelled: otherwise the part would have ended before
            self.close()

    def _push_file(self, part: _FilePart) -> None:
        """Send what the kernel takes now of the file."""
        source = cast(FileTaker, self._source)
        try:
            sent = source.send_file(part.fd, part.offset, min(part.left, _MAX_SEND))
        except OSError as error:
            if part.left < part.count or self._is_connreset(error):
                raise
            self._end_file(_UnsendableFileError(error))
            return
        if sent:
            part.offset += sent
            part.left -= sent
        elif sent is not None:
            self._end_file(EOFError(f"the file ended {part.left} bytes early"))
        if not part.left:
            self._end_file(None)

    def _end_file(self, error: Exception | None) -> None:
        part, self._file_part = self._file_part, None
        if part is None:
            return
        part.release()
        if error is not None:
            _fail(part.future, error)
        else:
            future_set_result_unless_cancelled(part.future, None)

    def _flush(self) -> None:
        """Give the source what it takes of the queue, and finish the writes that are through."""
        if self._connecting:
            return
        source, queue = self._connected_source(), self._write_queue
        try:
            while (part := self._file_part) is not None and not source.blocked:
                if part.future.cancelled():
                    self.close()
                    return
                self._push_file(part)
            while queue and not source.blocked:
                with queue.peek(_MAX_SEND) as view:
                    sent = source.send(view)
                if sent:
                    queue.advance(sent)
        except OSError as error:
            self._on_write_error(error)
            return
        self._finish_writes()

    def _finish_writes(self) -> None:
        source, futures = self._connected_source(), self._write_futures
        if futures and not source.unsent():
            written = self._total_write_index - len(self._write_queue or b"")
            while futures and futures[0][0] <= written:
                future_set_result_unless_cancelled(futures.popleft()[1], None)
        if not self._write_queue and not source.blocked:
            if not self._write_queue_shared:
                self._write_queue = None
            self._settle_writing()
            if self._lingers:
                self._send_end()
            elif self._closes_when_written:
                self._closes_when_written = False
                self._close_when_written(_TURNS_TO_WRITE)
            elif self._close_callback is not None:
                self._watch_for_close()

    def _writing_state(self) -> _Writing:
        """The state, from the reasons for it; the first one counts."""
        source = self._source
        if self._closed:
            return _Writing.CLOSED
        if self._lingers:
            return _Writing.ENDED
        if self._file_part is not None:
            return _Writing.FILE
        if self._collected is not None:
            return _Writing.COLLECTING
        if self._write_queue is not None or source is None or source.blocked or self._connecting or self.max_write_buffer_size is not None:
            return _Writing.QUEUED
        return _Writing.DIRECT

    def _settle_writing(self) -> None:
        """A reason has gone or come: the direct way is open in one state only."""
        self._direct = self._source.write if self._source is not None and self._writing_state() is _Writing.DIRECT else None

    @property
    def _write_buffer(self) -> WriteBuffer | None:
        """The bytes that wait for the kernel; None once the stream is closed.

        Dask's `distributed` appends its frames here, raises ``_total_write_index`` by their length and then calls ``write(b"")``.
        """
        self._send_collected()
        if self._closed:
            return None
        if self._write_queue is None:
            self._write_queue = WriteBuffer()
        self._write_queue_shared = True  # somebody may append at any time: from now on every write looks into it first
        self._direct = None
        return self._write_queue

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

    def _close_gracefully(self, linger_bytes: int = _LINGER_BYTES, linger_seconds: float = _LINGER_SECONDS) -> None:
        """Send all that is written and our end, go on reading without looking at it, for a while, and close.

        To close while the other end still sends makes the kernel answer with a reset, and that can take away from it what it has not
        read yet, such as the refusal of its upload (RFC 9112 §9.6). Nothing can be written from now on; the consumer hears only of the
        close. Where nobody can be expected to send more, this is `close`.
        """
        if self._closed or self._eof or self._read_future is not None or self._connecting:
            self._close_when_written()
            return
        if isinstance(self._consumer, _Lingering):
            return
        lingering = _Lingering(self, self._consumer, linger_bytes, linger_seconds)
        self._consumer, self._paused, self._listening = lingering, False, True
        self._read_buffer = None
        self._send_collected()
        self._lingers = True
        self._settle_writing()
        if not self._unwritten():
            self._send_end()
        self._begin_feeding()

    def _send_end(self) -> None:
        """All is written: tell the other end that no more comes."""

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

    def _finish_read_at_close(self) -> None:
        """What has come may be all that the pending read waits for."""
        if isinstance(self._request, read_buffer.UntilClose):
            if self.error is None or self._is_connreset(self.error):
                self._close_callback, callback = None, self._close_callback  # _finish_read must not begin to watch for it
                self._finish_read(self._take_read_buffer())
                self._close_callback = callback
            return
        try:
            self._satisfy_read()
        except read_buffer.Unsatisfiable:
            pass

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

    def _reads(self) -> bool:
        """`reading`, for ourselves. What comes after a read was cancelled, and what has come for it, is for the next one."""
        future = self._read_future
        if future is None:
            return False
        if not future.cancelled():
            return True
        request = self._request
        self._drop_request()
        if type(request) is read_buffer.Into and request.filled:
            self._read_buffer = bytearray(request.taken()) + (self._read_buffer or b"")
        return False

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
        """Asked once of a new connection that lasts: have something better than this FdSource take over soon, if there is."""
        return False

    def _room(self) -> memoryview | None:
        """Where the source may put bytes itself; it tells of them with `_on_filled`."""
        request = self._request if self._reads() else None
        return request.room() if isinstance(request, read_buffer.Into) and not self._read_buffer else None

    def _on_filled(self, size: int) -> None:
        cast(read_buffer.Into, self._request).filled += size
        self._answer(self._satisfy_read)

    def _on_data(self, data: bytes) -> None:
        request = self._request if self._reads() else None
        taken = request.take(data) if isinstance(request, read_buffer.Into) and not self._read_buffer else 0
        if taken < len(data):
            self._store(data[taken:], len(data) - taken)
        if self._consumer is not None:
            if self._paused:
                self._connected_source().pause()
            else:
                self._feed_consumer()
        elif self._request is not None:
            self._answer(self._satisfy_or_overflow)
        self._limit_buffer()

    def _satisfy_or_overflow(self) -> None:
        if not self._satisfy_read() and len(self._read_buffer or b"") > self.max_buffer_size:
            raise self._read_buffer_full()

    def _limit_buffer(self) -> None:
        """Nobody reads: one chunk may wait here, more stays in the kernel."""
        if self._read_future is None and not self._closed and len(self._read_buffer or b"") >= self.read_chunk_size:
            self._connected_source().pause()

    def _answer(self, attempt: Callable[[], Any]) -> None:
        """Run ``attempt`` for a read whose caller is no longer there to be told what it raises."""
        try:
            attempt()
        except read_buffer.Unsatisfiable as error:
            self._close_unsatisfiable(error)
        except Exception as error:  # also from overridden hooks: it ends this stream, not the loop
            self._on_read_error(error)

    def _on_readable(self) -> None:
        if self._connecting:
            self._handle_connect()
        if self._closed or self._connecting:
            return
        if self._request is not None:
            self._answer(self._read_ahead)
        elif not self._read_buffer:
            self._answer(self._look_for_close)
        if self._read_future is None and self._read_buffer and not self._closed:
            # What comes next, be it the end, can wait until these bytes have been read.
            self._connected_source().pause()

    def _look_for_close(self) -> None:
        if self._unwritten():
            self._connected_source().pause()  # an end of input does not cut off what is under way to the other end
        else:
            self._read_chunk(None)

    def _on_eof(self) -> None:
        self._eof = True
        if self._reads():
            self.close()
        elif self._read_buffer or not self._listening or self._paused:
            self._connected_source().pause()  # it will be seen behind the bytes before it
        elif self._consumer is not None:
            self._connected_source().pause()
            self._end_consumer(self._consumer)
        else:
            self._close_when_written()

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

    def _on_blocked(self) -> None:
        self._direct = None

    def _on_unsent(self, rest: memoryview) -> None:
        self._direct = None
        self._write_queue = WriteBuffer()  # there was none: direct writing goes past an empty queue only
        self._write_queue.append(rest)
        self._total_write_index += len(rest)

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

    def __init__(self, socket: _Socket, *args: Any, **kwargs: Any) -> None:
        self._socket = socket
        self._socket.setblocking(False)
        # Not left to the class: what an instance gets later than some dozens of others began costs it a dictionary of its own, 0.8 KiB.
        self._moving, self._failing = False, None
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
        stream._failing = source.transport.is_closing
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
        plain = kind.read_from_fd is IOStream.read_from_fd and kind.write_to_fd is IOStream.write_to_fd
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
        self._source, self._failing = source, source.transport.is_closing
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
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
        *,
        ssl_options: dict[str, Any] | ssl.SSLContext,
        server_side: bool = True,
        server_hostname: str | None = None,
    ) -> "SSLIOStream":
        """A TLS stream on the transport (a plain one) that ``source`` has been connected to. Its handshake begins at once."""
        session = tls.Session(ssl_options_to_context(ssl_options, server_side), server_side, server_hostname)
        stream = cls.__new__(cls)
        BaseIOStream.__init__(stream, max_buffer_size, read_chunk_size, max_write_buffer_size)
        stream._failing = source.transport.is_closing
        stream._secure(source, TransportSocket(source.transport), session, ssl_options)
        return stream

    @classmethod
    def _from_socket(
        cls,
        sock: _Socket,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
        *,
        ssl_options: dict[str, Any] | ssl.SSLContext,
        server_side: bool = True,
        server_hostname: str | None = None,
    ) -> "SSLIOStream":
        """The same on a plain connected socket: cheaper than on one that is wrapped, or on a transport of asyncio's own loop."""
        session = tls.Session(ssl_options_to_context(ssl_options, server_side), server_side, server_hostname)
        sock.setblocking(False)
        stream = cls.__new__(cls)
        BaseIOStream.__init__(stream, max_buffer_size, read_chunk_size, max_write_buffer_size)
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
            return self._socket.recv_into(buf, min(len(buf), _MAX_SEND))
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
