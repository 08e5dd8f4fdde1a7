"""The push way of a stream: one consumer gets all that arrives, and hears of the end first. See docs/design/stream.md."""

from collections.abc import Callable

from tornadolike._net.stream_state import Consumer, StreamState

# A client that is refused an upload mostly sends it to its end before it reads the answer.
_LINGER_BYTES = 64 << 20
_LINGER_SECONDS = 5.0


class Lingering:
    """In a consumer's place while a stream closes gracefully: lets the other end say what it still says, up to a limit."""

    def __init__(self, stream: StreamState, consumer: Consumer | None, most_bytes: int, seconds: float) -> None:
        self._stream = stream
        self._consumer = consumer
        self._bytes_left = most_bytes
        loop = stream.io_loop.asyncio_loop
        self._timer = loop.call_later(seconds, stream.close, context=stream._context.copy())

    def data_received(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self._stream.close()

    def stream_closed(self) -> None:
        self._timer.cancel()
        if self._consumer is not None:
            self._consumer.stream_closed()


class Feeding(StreamState):
    """Hands bytes to a consumer, and ends what it is told to end."""

    def _attach_consumer(self, consumer: Consumer) -> None:
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

    def _feed_consumer(self) -> None:
        consumer = self._consumer
        while self._read_buffer and consumer is not None and not self._paused:
            consumer.data_received(self._take_read_buffer())
            consumer = self._consumer
        if consumer is None:
            return
        if self._closed:
            self._consumer = None
            self.io_loop._run_callback(consumer.stream_closed)
            return
        if self._paused or not self._can_read():
            return
        if self._eof:
            self._end_consumer(consumer)
            return
        source = self._connected_source()
        source.deliver(consumer)
        source.resume()

    def _end_consumer(self, consumer: Consumer) -> None:
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
        source.pause()
        source.deliver(None)

    def _resume_reading(self) -> None:
        """The opposite. What came in the meantime is delivered by the loop."""
        if self._consumer is None or not self._paused:
            return
        self._paused = False
        self._begin_feeding()

    def _borrow(self, consumer: Consumer) -> None:
        """Somebody reads the stream itself, as a tunnel does: the consumer may step aside, and hears of the end only."""
        lend: Callable[[], bytes | None] | None = getattr(consumer, "lend", None)
        unread = None if lend is None else lend()
        if unread is None:
            raise AssertionError("Already reading")
        self._detach_consumer(unread)
        self._lender = consumer

    def _take_back(self, consumer: Consumer) -> None:
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

    def _close_gracefully(self, linger_bytes: int = _LINGER_BYTES, linger_seconds: float = _LINGER_SECONDS) -> None:
        """Send all that is written and our end, go on reading without looking at it, for a while, and close.

        To close while the other end still sends makes the kernel answer with a reset, and that can take away from it what it has not
        read yet, such as the refusal of its upload (RFC 9112 §9.6). Nothing can be written from now on; the consumer hears only of the
        close. Where nobody can be expected to send more, this is `close`.
        """
        if self._closed or self._eof or self._read_future is not None or self._connecting:
            self._close_when_written()
            return
        if isinstance(self._consumer, Lingering):
            return
        lingering = Lingering(self, self._consumer, linger_bytes, linger_seconds)
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
