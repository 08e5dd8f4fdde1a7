"""What a stream is made of, whatever it does: the state that its three halves share, and what they ask of each other."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tornadolike._net.file_parts import FilePart
from tornadolike._net.ports import ByteSource, Failing, Receiver, Writer
from tornadolike._net.read_buffer import ReadRequest, Unsatisfiable
from tornadolike._net.write_buffer import WriteBuffer


class Consumer(Receiver, Protocol):
    """Takes all that arrives, instead of reads. What it is told comes from the loop, in the stream's own context.

    It may have a further method, ``eof_received()``: the other end sends no more. True as its result: it sees to it that the stream is
    closed. Otherwise the stream closes as soon as nothing is left to be written. And an attribute ``takes_rest``: where it is true, and
    the connection breaks while writing, what the other end said before (a refusal, most likely) is delivered ahead of ``stream_closed``.
    """

    def stream_closed(self) -> None: ...


def fail(future: asyncio.Future[Any], error: BaseException) -> None:
    """Fail ``future``, and do not complain when nobody looks at it."""
    if not future.done():
        future.set_exception(error)
        future.exception()


def succeed(future: asyncio.Future[Any], result: Any) -> None:
    """Give ``future`` its result, unless whoever waited for it has cancelled it."""
    if not future.cancelled():
        future.set_result(result)


class StreamState:
    """The base of `stream_reading.Reading`, `stream_feeding.Feeding` and `stream_writing.Writing`.

    They are one object with the stream, not parts of it: a connection that is idle shall weigh little, and a write shall be one call.
    What they cannot do themselves, since it needs a public name (an exception, a log) or the kind of the stream, is declared here and
    defined by ``iostream.BaseIOStream`` and what derives from it.
    """

    # The constructor of BaseIOStream sets these.
    io_loop: Any
    error: BaseException | None
    max_buffer_size: int
    max_write_buffer_size: int | None
    read_chunk_size: int
    _context: contextvars.Context  # the loop calls back in copies of it, whoever's call makes it watch
    # Defaults at the class: an idle connection pays only for what it has used.
    _source: ByteSource | None = None
    _direct: Writer | None = None  # the source's writer, while nothing stands in its way
    # The transport: a write may have shown it that the other end is gone, of which the loop tells only later.
    _failing: Failing | None = None
    _consumer: Consumer | None = None
    _told_consumer = False  # of the end
    _lender: Consumer | None = None  # a consumer that has stepped aside
    _paused = False  # the consumer wants nothing at present
    _request: ReadRequest | None = None
    _read_future: asyncio.Future[Any] | None = None
    _read_buffer: bytearray | None = None
    _expects_bytes = False  # the other end has to speak first, and probably has: a consumer's source looks before it waits
    _listening = False  # somebody has been waiting for bytes, so that an end of stream is news
    _eof = False  # the other end sends no more: bytes before that are still to be read, or ours still to be written
    _write_queue: WriteBuffer | None = None
    _write_queue_shared = False
    _write_futures: deque[tuple[int, asyncio.Future[None]]] | None = None
    _file_part: FilePart | None = None  # goes before what is in the write queue
    _collected: list[bytes] | None = None  # goes out with the next write, or at the end of the loop's turn; then there is no _direct
    _finished: asyncio.Future[None] | None = None
    _total_write_index = 0
    _connecting = False
    _connect_future: asyncio.Future[Any] | None = None
    _ssl_connect_future: asyncio.Future[Any] | None = None
    _close_callback: Callable[[], None] | None = None
    _closes_when_written = False
    _lingers = False  # nothing can be written any more
    _closed = False

    def _call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        self.io_loop.asyncio_loop.call_soon(callback, *args, context=self._context.copy())

    if TYPE_CHECKING:
        # The public side.

        def close(self, exc_info: Any = False) -> None: ...
        def writing(self) -> bool: ...
        def read_from_fd(self, buf: bytearray | memoryview) -> int | None: ...
        def _check_closed(self) -> None: ...
        def _check_write_limit(self, size: int) -> None: ...
        def _closed_error(self) -> OSError: ...
        def _close_broken(self, error: BaseException) -> None: ...
        def _close_unsatisfiable(self, reason: Unsatisfiable) -> None: ...
        def _read_buffer_full(self) -> Exception: ...
        def _is_connreset(self, exc: BaseException) -> bool: ...
        def _connected_source(self) -> ByteSource: ...
        def _handle_connect(self) -> None: ...
        def _on_read_error(self, error: BaseException) -> None: ...
        def _on_write_error(self, error: OSError) -> None: ...

        # What the halves ask of each other.

        def _reads(self) -> bool: ...
        def _take_read_buffer(self) -> bytes: ...
        def _watch_for_close(self) -> None: ...
        def _borrow(self, consumer: Consumer) -> None: ...
        def _feed_consumer(self) -> None: ...
        def _close_when_written(self, turns: int = 0) -> None: ...
        def _send_end(self) -> None: ...
        def _send_collected(self) -> None: ...
        def _settle_writing(self) -> None: ...
        def _unwritten(self) -> int: ...
