"""The pull way of a stream: one read at a time, answered from what has come. See docs/design/stream.md."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

from tornadolike._net import kept_buffers, read_buffer
from tornadolike._net.fd_source import FdSource
from tornadolike._net.stream_state import StreamState, succeed

_OFTEN_THERE = (read_buffer.Delimiter, read_buffer.Count)


class Reading(StreamState):
    """Answers reads, and takes what the source brings."""

    def _start_read(self, request: read_buffer.ReadRequest) -> asyncio.Future[Any]:
        if self._read_future is not None and self._reads():
            self._check_closed()
            raise AssertionError("Already reading")
        if self._consumer is not None:
            self._borrow(self._consumer)
        future: asyncio.Future[Any] = asyncio.Future()
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
            succeed(future, result)
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

    def _watch_for_close(self) -> None:
        """Somebody wants to know of the end: it is seen only by reading, when nothing lies before it and nothing is left to be written."""
        if self._close_callback is None or self._closed or self._connecting or self._read_buffer or self._consumer is not None:
            return
        if self._eof:
            self._close_when_written()
        elif self._read_future is None and not self._unwritten():
            self._listening = True
            self._connected_source().resume()

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
