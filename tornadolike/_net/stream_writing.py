"""How a stream writes: six states, a queue, parts of files, small pieces that go out together. See docs/design/stream.md."""

import asyncio
import enum
import sys
from collections import deque
from collections.abc import Callable
from typing import cast

from tornadolike._net.file_parts import FilePart, UnsendableFile
from tornadolike._net.ports import FileTaker
from tornadolike._net.stream_state import StreamState, fail, succeed
from tornadolike._net.write_buffer import WriteBuffer

# Windows refuses larger pieces for want of buffers; TLS sockets, those of 2 GiB and more.
MAX_SEND = 128 * 1024 if sys.platform == "win32" else 1 << 30

_TURNS_TO_WRITE = 8  # until whoever was woken by the end of a write, through some coroutines, has written again
_SMALL_WRITE = 16 << 10  # up to here a copy costs less than a send of its own


class WritingState(enum.Enum):
    """What a write meets with. Each state has its reason on the stream, and ends with it; see docs/design/stream.md."""

    DIRECT = "goes to the kernel at once"
    COLLECTING = "goes out together with small pieces, which wait for it or for the end of the loop's turn"
    QUEUED = "waits behind other bytes, or for the connection"
    FILE = "waits behind a part of a file"
    ENDED = "nothing can be written any more, since our end was sent, or is about to be"
    CLOSED = "the stream is closed"


class Writing(StreamState):
    """Gets bytes and files to the kernel in their order, and tells when they are there."""

    def _all_written(self) -> asyncio.Future[None]:
        """The future of all writes that have nothing to wait for."""
        if self._finished is None:
            self._finished = asyncio.Future()
            self._finished.set_result(None)
        return self._finished

    def _forget_finished(self) -> None:
        """Nothing will be written for long: the future that says so of the last write is made again when it is."""
        if self._collected is None:
            self._finished = None

    def _written_later(self) -> asyncio.Future[None]:
        """The future of the last write, where that has to wait, or has failed."""
        future: asyncio.Future[None] = asyncio.Future()
        if self._closed:
            self._fail_write(future)
            return future
        if self._write_futures is None:
            self._write_futures = deque()
        self._write_futures.append((self._total_write_index, future))
        return future

    def _fail_write(self, future: asyncio.Future[None]) -> None:
        """Fail the future of a write that found the stream broken: behind `Consumer.stream_closed`, where there is somebody to hear it."""
        if self._told_consumer:
            loop = self.io_loop.asyncio_loop
            loop.call_soon(fail, future, self._closed_error(), context=self._context)
        else:
            fail(future, self._closed_error())

    def _write_now(self, data: bytes | memoryview) -> bool:
        """Write ``data``, and say whether it is all in the kernel. Raises what :meth:`write` raises."""
        direct = self._direct
        if direct is not None and type(data) is bytes:
            if data:  # nothing is what a response ends with whose body has been flushed
                direct.write(data)
            failing = self._failing
            return self._direct is not None and (failing is None or not failing.is_closing())
        if self._collected is not None:
            return self._write_behind_collected(self._collected, data)
        return self._write_through_queue(data)

    def _end_collecting(self) -> None:
        """It is the end of the turn; a consumer may know that more comes in the next one."""
        holds: Callable[[int], bool] | None = getattr(self._consumer, "holds_answers", None)
        if self._collected is not None and holds is not None and holds(len(self._collected)):
            self.io_loop.asyncio_loop.call_soon(self._end_collecting)
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
                    with view[:MAX_SEND] as piece:  # released even if an error's traceback keeps it: the caller may resize its bytes
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

    def _unwritten(self) -> int:
        source, file, collected = self._source, self._file_part, self._collected
        waiting = len(self._write_queue or b"") + (0 if source is None else source.unsent()) + (0 if file is None else file.left)
        return waiting if collected is None else waiting + sum(map(len, collected))

    def _write_file(self, fd: int, offset: int, count: int) -> asyncio.Future[None]:
        """Send ``count`` bytes from ``offset`` of an open file without reading them.

        Only to be called where `_takes_files`, and with nothing waiting to be written. What is written later goes out behind the file;
        ``fd`` may be closed at once. Cancelling the Future before the last byte is in the kernel closes the stream: nothing that could
        follow would be understood. It fails with EOFError where the file is shorter by now (whoever announced its size has to close the
        stream), with UnsendableFile where the kernel does not do this with such a file, with `StreamClosedError` as a write does.
        """
        self._check_closed()
        assert not self.writing()
        assert self._file_part is None
        part = FilePart(fd, offset, count)
        if not count:
            part.future.set_result(None)
            return part.future
        self._file_part = part
        self._settle_writing()
        self._flush()
        if self._file_part is part:
            self._keep_file(part)
        return part.future

    def _send_file(self, fd: int, offset: int, count: int) -> asyncio.Future[None]:
        return self._write_file(fd, offset, count)

    def _keep_file(self, part: FilePart) -> None:
        """The part has to wait: for its caller's cancelling, and with a descriptor that nobody else closes."""
        try:
            part.own()
        except OSError as error:
            if part.left < part.count:
                self.close(exc_info=error)
            else:
                self._end_file(UnsendableFile(error))
            return
        part.future.add_done_callback(self._on_file_future_done, context=self._context)

    def _on_file_future_done(self, future: asyncio.Future[None]) -> None:
        part = self._file_part
        if part is not None and part.future is future:  # cancelled: otherwise the part would have ended before
            self.close()

    def _push_file(self, part: FilePart) -> None:
        """Send what the kernel takes now of the file."""
        source = cast(FileTaker, self._source)
        try:
            sent = source.send_file(part.fd, part.offset, min(part.left, MAX_SEND))
        except OSError as error:
            if part.left < part.count or self._is_connreset(error):
                raise
            self._end_file(UnsendableFile(error))
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
            fail(part.future, error)
        else:
            succeed(part.future, None)

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
                with queue.peek(MAX_SEND) as view:
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
                succeed(futures.popleft()[1], None)
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

    def _writing_state(self) -> WritingState:
        """The state, from the reasons for it; the first one counts."""
        source = self._source
        if self._closed:
            return WritingState.CLOSED
        if self._lingers:
            return WritingState.ENDED
        if self._file_part is not None:
            return WritingState.FILE
        if self._collected is not None:
            return WritingState.COLLECTING
        if self._write_queue is not None or source is None or source.blocked or self._connecting or self.max_write_buffer_size is not None:
            return WritingState.QUEUED
        return WritingState.DIRECT

    def _settle_writing(self) -> None:
        """A reason has gone or come: the direct way is open in one state only."""
        self._direct = self._source.writer if self._source is not None and self._writing_state() is WritingState.DIRECT else None

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

    def _on_blocked(self) -> None:
        self._direct = None

    def _on_unsent(self, rest: memoryview) -> None:
        self._direct = None
        self._write_queue = WriteBuffer()  # there was none: direct writing goes past an empty queue only
        self._write_queue.append(rest)
        self._total_write_index += len(rest)
