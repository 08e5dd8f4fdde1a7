"""Client and server sides of HTTP/1.x over an `.IOStream` (RFC 9112).

`HTTP1Connection` carries one exchange, `HTTP1ServerConnection` a whole server connection with any number of them. Both are
thin: what the bytes mean is decided by the engine in ``tornadolike._http1``; here its events reach a delegate, the delegate's
answer reaches the stream, and time-outs, back-pressure and closing are handled.

One chunk of input is one synchronous call chain, from the stream's byte source to the delegate; nothing is scheduled in between
unless the delegate itself returned an awaitable.
"""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from time import monotonic
from typing import Protocol, cast

from tornadolike import gen, httputil, iostream
from tornadolike._http.content_coding import GzipInflater, InflatedTooLarge, InflateError
from tornadolike._http.log_text import one_line
from tornadolike._http1 import select
from tornadolike._http1.engine import DONE, IDLE, MAX_FIELDS, ClientEngine, HeadParser, ServerEngine
from tornadolike._http1.errors import BodyTooLong, BodyTooShort, HeadTooLarge, IllegalHeader, IncompleteMessage, PeerError
from tornadolike._http1.events import END, BodyChunk, Event, MessageEnd, Pairs, RequestHead, ResponseHead
from tornadolike.concurrent import Future, future_set_result_unless_cancelled
from tornadolike.log import app_log, gen_log

CR_OR_LF_RE = re.compile(b"\r|\n")
"""What must not stand within a line of a head."""
DIGITS = re.compile(r"[0-9]+")
"""ASCII digits only, as in a Content-Length."""
HEXDIGITS = re.compile(r"[0-9a-fA-F]+")
"""ASCII hexadecimal digits only, as in the size of a chunk."""

_MAX_1XX_RESPONSES = 10
# What a response may write, while the kernel takes it all, before awaiting the write lets the loop go on to others. Sockets have
# megabytes of buffer: a handler that sends a stream in small pieces would fill it in one turn of several milliseconds.
_BURST_BYTES = 128 * 1024
# What is copied behind its head, to go out with it in one piece; more than that is dearer to copy than to write apart.
_MOST_COPIED = 64 * 1024
# A small piece of a body that comes so soon after another was sent goes out with what follows, at the latest at the end of the loop's
# turn: a send costs more than all the rest of a `flush`.
_BURST_SECONDS = 0.001
_SMALL_PIECE = 16 * 1024

# What a server answers before it closes, by the status of the error. Bare, as Tornado's: no date, no body, nothing to parse.
_REFUSALS = {
    400: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n",
    505: b"HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n",
}
_CONTINUE = b"HTTP/1.1 100 (Continue)\r\n\r\n"

_WRITE = iostream.BaseIOStream.write

_STATUS_LINES = {code: f"HTTP/1.1 {code} {line.reason}\r\n".encode() for code, line in httputil._STANDARD_START_LINES.items()}


class HTTP1ConnectionParameters:
    """Limits and options of a connection, shared by all that are made with it."""

    # Not in Tornado, hence no arguments of the constructor: `HTTPServer.configure_limits` sets them.
    _max_header_fields = MAX_FIELDS
    _max_cookies = httputil._MAX_COOKIES

    def __init__(
        self,
        no_keep_alive: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        header_timeout: float | None = None,
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        decompress: bool = False,
    ) -> None:
        """
        :arg no_keep_alive: close after the first exchange.
        :arg chunk_size: largest piece of body, in bytes, that a delegate gets in one call; 64 KiB by default.
        :arg max_header_size: largest start line and header fields together, in bytes; 64 KiB by default.
        :arg header_timeout: seconds that may pass, idle time included, until a head is complete; None: no limit.
        :arg max_body_size: largest body in bytes, after decompression too; the stream's ``max_buffer_size`` by default.
        :arg body_timeout: seconds that reading one body may take; None: no limit.
        :arg decompress: decode bodies with ``Content-Encoding: gzip`` before the delegate sees them.
        """
        self.no_keep_alive = no_keep_alive
        self.chunk_size = chunk_size or 65536
        self.max_header_size = max_header_size or 65536
        self.header_timeout = header_timeout
        self.max_body_size = max_body_size
        self.body_timeout = body_timeout
        self.decompress = decompress


_TakeRequest = Callable[[httputil.HTTPServerRequest, Callable[[], bytes] | None], httputil.HTTPMessageDelegate | None]
"""Takes a request that is complete, and what gives its body, if it has one; returns who wants to be given it piece by piece as
usual, or None where the answer is under way already."""


class _Owner(Protocol):
    """Who is told what became of an exchange."""

    def exchange_done(self, connection: "HTTP1Connection") -> None:
        """Both messages are through and flushed."""

    def exchange_lost(self, connection: "HTTP1Connection", error: Exception | None) -> None:
        """It ended early; ``error`` where the stream broke, None where the failure was logged and the stream closed here."""

    def exchange_detached(self, connection: "HTTP1Connection") -> None:
        """Somebody else took the stream."""


class HTTP1Connection(httputil.HTTPConnection):
    """One HTTP/1.x exchange on a stream, as client or as server.

    A client calls `write_headers`, `write` and `finish`, then `read_response`. On a server it is made by
    `HTTP1ServerConnection` for each request and is the ``connection`` of the request.
    """

    # Set for few exchanges, so they live on the class until then: an exchange is built for every request.
    _owner: _Owner | None = None
    _delegate: httputil.HTTPMessageDelegate | None = None
    _close_callback: Callable[[], None] | None = None
    _max_body_size: int | None = None
    _body_timeout: float | None = None
    _body_timer: asyncio.TimerHandle | None = None
    _last_write: "Future[None] | None" = None
    _delegate_open = False
    _over = False
    _said_close = False  # in a head that `_write_whole` sent
    # While the delegate wants time: the events, and the input, that wait with us.
    _rest: Iterator[Event] | None = None
    _held: list[bytes] | None = None
    _head_settled = True
    _expects_continue = False
    _stream_lost = False
    _interim_responses = 0
    _burst_bytes = 0
    _sent_at = 0.0

    def __init__(
        self,
        stream: iostream.IOStream,
        is_client: bool,
        params: HTTP1ConnectionParameters | None = None,
        context: object | None = None,
    ) -> None:
        """
        :arg stream: the `.IOStream` that carries the exchange.
        :arg is_client: which side of it we are.
        :arg params: limits and options; the defaults of `HTTP1ConnectionParameters` without it.
        :arg context: anything; it is there as ``connection.context``, and its ``str()`` names the peer in log lines.
        """
        self.stream = stream
        self.is_client = is_client
        self.params = params if params is not None else HTTP1ConnectionParameters()
        self.context = context
        self.no_keep_alive = self.params.no_keep_alive
        self._engine: ServerEngine | ClientEngine = _new_engine(is_client, self.params)

    @classmethod
    def _on_server(cls, session: "_ServerSession") -> "HTTP1Connection":
        """An exchange that shares its server connection's engine."""
        self = cls.__new__(cls)
        self.stream = session.stream
        self.is_client = False
        params = self.params = session.params
        self.context = session.context
        self.no_keep_alive = params.no_keep_alive
        self._engine = session.engine
        self._owner = session
        return self

    # -- the peer's message

    def read_response(self, delegate: httputil.HTTPMessageDelegate) -> Awaitable[bool]:
        """Read one message, a response as client or a request as server, and give it to ``delegate``.

        Resolves when the exchange is over, our own message included: to True, or to False where it failed and the connection was
        closed (the reason has been logged and the delegate told by ``on_connection_close``). Raises
        `.StreamClosedError` when the connection was lost in the middle.
        """
        owner = _SingleExchange(self)
        self._owner = owner
        self._begin(delegate)
        self.stream._attach_consumer(owner)
        if self.stream is not None and not self._over and self._engine.waiting_bytes:
            self._input(b"")
        owner.watch_header_timeout()
        return owner.result

    def _begin(self, delegate: httputil.HTTPMessageDelegate) -> None:
        if self.params.decompress:
            delegate = _GzipMessageDelegate(delegate, self)
        self._delegate = delegate

    def _body_limit(self) -> int:
        for limit in (self._max_body_size, self.params.max_body_size):
            if limit is not None:
                return limit
        return self.stream.max_buffer_size

    def _first_input(self, data: bytes, session: "_ServerSession", take: "_TakeRequest") -> None:
        """The first bytes of a request which, when it is all there, can go past the delegates: a fifth cheaper as a whole."""
        engine = session.engine
        try:
            alone = engine.lone_request(data)
            if alone is not None:
                self._on_whole_request(*alone, session, take)
                return
            events = engine.feed(data)
            head = events[0] if events else None
            whole = len(events) == 2 or (head is not None and engine.whole_body_waits(self._body_limit()))
            if type(head) is RequestHead and whole and not head.expects_continue:
                self._on_whole_request(head.method, head.target, head.version, head.headers, head.bare, session, take)
            else:
                self._begin(session.delegate.start_request(session.server, self))
                self._pump(events)
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)

    def _on_whole_request(
        self, method: str, target: str, version: str, pairs: Pairs, bare: bool, session: "_ServerSession", take: "_TakeRequest"
    ) -> None:
        engine = session.engine
        if self.no_keep_alive:
            engine.keep_alive = False
        headers = httputil.HTTPHeaders._from_wire(pairs)
        headers._host_checked = True
        headers._bare = bare
        request = httputil.HTTPServerRequest._of_connection(self, session.server, method, target, version, headers)
        delegate = take(request, None if engine.peer is DONE else engine.take_whole_body)
        if delegate is None:
            return
        self._delegate = delegate
        self._delegate_open = True
        rest: tuple[Event, ...] = (END,)
        if engine.peer is not DONE:
            self._head_settled = False
            rest = ()
        wanted = delegate.headers_received(httputil.RequestStartLine(method, target, version), headers)
        if (wanted is None or not self._must_wait(wanted, iter(rest))) and not self._over:
            self._proceed(iter(rest), b"")

    def _input(self, data: bytes) -> None:
        """Bytes from the stream."""
        if self._over:
            return
        if self._rest is not None:
            assert self._held is not None
            self._held.append(data)
            return
        try:
            events = self._engine.feed(data)
            if len(events) == 2 and type(head := events[0]) is RequestHead:
                # A request without a body, the most frequent of all: nothing to settle, nothing to iterate.
                wanted = self._on_head(head)
                if (wanted is None or not self._must_wait(wanted, iter(events[1:]))) and not self._over:
                    self._on_end()
            else:
                self._pump(events)
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)

    def _pump(self, events: list[Event]) -> None:
        engine = self._engine
        while self._hand_over(iter(events)) and engine.has_more:
            if events and type(events[-1]) is not BodyChunk:
                # Behind a head the engine waits for what was settled about the body.
                events = engine.feed()
            else:
                # A body of very many chunks: let others have their turn.
                self._rest, self._held = iter(()), []
                self.stream._pause_reading()
                asyncio.get_running_loop().call_soon(self._go_on)
                return

    def _hand_over(self, events: Iterator[Event]) -> bool:
        """Give events to the delegate; False when there is no going on for now."""
        for event in events:
            if type(event) is MessageEnd:
                self._on_end()
                return False
            if type(event) is BodyChunk:
                wanted = self._on_chunk(event.data)
            else:
                wanted = self._on_head(cast(RequestHead | ResponseHead, event))
            if wanted is not None and self._must_wait(wanted, events):
                return False
            if not self._head_settled:
                self._settle_head()
            if self._over:
                return False
        return True

    def _on_head(self, head: RequestHead | ResponseHead) -> Awaitable[None] | None:
        delegate = self._delegate
        assert delegate is not None
        headers = httputil.HTTPHeaders._from_wire(head.headers)
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine
        if type(head) is RequestHead:
            if self.no_keep_alive:
                self._engine.keep_alive = False
            self._expects_continue = head.expects_continue
            headers._host_checked = True
            start_line = httputil.RequestStartLine(head.method, head.target, head.version)
        else:
            assert type(head) is ResponseHead
            start_line = httputil.ResponseStartLine(head.version, head.status, head.reason)
            if 100 <= head.status < 200:
                return self._on_interim(delegate, start_line, headers)
        self._delegate_open = True
        if self._engine.peer is not DONE:
            self._head_settled = False
        return delegate.headers_received(start_line, headers)

    def _on_interim(
        self, delegate: httputil.HTTPMessageDelegate, start_line: httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        wanted = delegate.headers_received(start_line, headers)
        if self._interim_responses >= _MAX_1XX_RESPONSES:
            raise PeerError("Too many 1xx responses")
        self._interim_responses += 1
        return wanted

    def _settle_head(self) -> None:
        """The delegate has seen the head of a message with a body: limits, 100-continue, time-out."""
        self._head_settled = True
        if self._over:
            return
        self._engine.limit_body(self._body_limit())
        if self._expects_continue and self._engine.own is IDLE:
            self._expects_continue = False
            self.stream._write_now(_CONTINUE)
        timeout = self._body_timeout if self._body_timeout is not None else self.params.body_timeout
        if timeout is not None:
            self._body_timer = asyncio.get_running_loop().call_later(timeout, self._on_body_timeout)
        if self._engine.waiting_bytes:
            self._engine.has_more = True

    def _on_chunk(self, data: bytes) -> Awaitable[None] | None:
        if self._engine.own is DONE and not self.is_client:
            return None
        assert self._delegate is not None
        return self._delegate.data_received(data)

    def _on_end(self) -> None:
        if self._body_timer is not None:
            self._stop_body_timer()
        delegate = self._delegate
        assert delegate is not None
        engine = self._engine
        self._delegate_open = False
        if self.is_client or engine.own is not DONE:
            try:
                delegate.finish()
            except Exception:
                self._delegate_open = True
                raise
        if self._over:
            return
        if self.is_client or engine.own is DONE:
            self._maybe_done()

    def _must_wait(self, wanted: Awaitable[None], events: Iterator[Event]) -> bool:
        """Whether what the delegate returned is still pending; then input stops until it is done."""
        future = wanted if isinstance(wanted, asyncio.Future) else gen.convert_yielded(wanted)
        if future.done():
            future.result()
            return False
        self._rest, self._held = events, []
        if self.stream is not None:
            self.stream._pause_reading()
        future.add_done_callback(self._go_on)
        return True

    def _go_on(self, future: "Future[None] | None" = None) -> None:
        """The delegate is ready for more."""
        rest, held = self._rest, self._held
        assert rest is not None
        assert held is not None
        self._rest = self._held = None
        try:
            if future is not None:
                future.result()
            if self._over:
                return
            self._proceed(rest, b"".join(held))
        except (Exception, asyncio.CancelledError) as error:
            # Nobody can cancel us, since we are no task: it was the delegate's awaitable that was cancelled.
            self._failed(error)

    def _proceed(self, rest: Iterator[Event], data: bytes) -> None:
        if not self._head_settled:
            self._settle_head()
        if self._hand_over(rest):
            self._pump(self._engine.feed(data))
        elif self._rest is not None and data:
            self._held = [data]
        elif data and not self._over:
            self._engine.feed(data)
        if self._rest is None and not self._over:
            if self._stream_lost:
                self._on_stream_closed()
            elif self.stream is not None:
                self.stream._resume_reading()

    # -- endings

    def _maybe_done(self) -> None:
        """Tell the owner once both messages are through and ours has reached the kernel."""
        engine = self._engine
        if self._over or engine.peer is not DONE or engine.own is not DONE:
            return
        last = self._last_write
        if last is not None and not last.done():
            last.add_done_callback(self._flushed)
            return
        self._complete()

    def _complete(self) -> None:
        self._over = True
        self._delegate = self._close_callback = self._last_write = None
        assert self._owner is not None
        self._owner.exchange_done(self)

    def _flushed(self, future: "Future[None]") -> None:
        if not future.cancelled() and future.exception() is None:
            self._maybe_done()

    def _stop_body_timer(self) -> None:
        timer, self._body_timer = self._body_timer, None
        if timer is not None:
            timer.cancel()

    def _on_body_timeout(self) -> None:
        gen_log.info("Timeout reading body from %s", self.context)
        self._give_up()

    def _failed(self, error: BaseException) -> None:
        """An exception on the way from the wire to the delegate or out of it: theirs is answered, ours is logged."""
        if self._over and not self._delegate_open:
            return
        if isinstance(error, HeadTooLarge):
            gen_log.info("Unsatisfiable read, closing connection: %s", error)
            reason = iostream.UnsatisfiableReadError(str(error))
            self._refuse(error.status)
            if self.is_client:
                self.stream.close((type(reason), reason, None))
                return
        elif isinstance(error, (PeerError, httputil.HTTPInputError)):
            gen_log.info("Malformed HTTP message from %s: %s", self.context, one_line(str(error)))
            self._delegate_open = self._delegate_open or self.is_client
            self._refuse(error.status if isinstance(error, PeerError) else 400)
        elif not isinstance(error, iostream.StreamClosedError) or (self.stream is not None and not self.stream.closed()):
            app_log.error("Uncaught exception", exc_info=error)
        self._give_up()

    def _refuse(self, status: int) -> None:
        if not self.is_client and self.stream is not None and self._engine.own is IDLE and not self.stream.closed():
            self._engine.own = DONE
            self._last_write = self.stream.write(_REFUSALS[status])

    def _give_up(self) -> None:
        """End an exchange that cannot be completed, once what was written is flushed."""
        self._over = True
        self._stop_body_timer()
        self._tell_delegate_of_close()
        self._delegate = self._close_callback = None
        owner, self._owner = self._owner, None
        if self.stream is not None and self.stream._collected is not None:
            self._send(b"")
        last = self._last_write
        if last is not None and not last.done() and not self.stream.closed():
            last.add_done_callback(lambda _: self.close())
        else:
            self.close()
        self._last_write = None
        if owner is not None:
            owner.exchange_lost(self, None)

    def _tell_delegate_of_close(self) -> None:
        if self._delegate_open and self._delegate is not None:
            self._delegate_open = False
            try:
                self._delegate.on_connection_close()
            except (Exception, asyncio.CancelledError):  # whatever it is, the connection has to be wound up
                app_log.error("Uncaught exception", exc_info=True)

    def _on_stream_closed(self) -> None:
        """The stream is gone: an orderly end for a body that ends with it, a loss for anything else."""
        if self._rest is not None:
            self._stream_lost = True
            return
        if self._over:
            return
        engine = self._engine
        try:
            events = engine.feed_eof()
        except IncompleteMessage:
            events = []
        if events and not self._hand_over_last(events):
            return
        self._over = True
        self._stop_body_timer()
        read = engine.peer is DONE
        # Who hears of it depends on how far the peer's message has come; never both.
        if self._delegate_open:
            self._tell_delegate_of_close()
        else:
            self._run_close_callback()
        # The future's error has the frames of whoever waited for it, and through them this exchange and its answer.
        self._delegate = self._close_callback = self._last_write = None
        owner, self._owner = self._owner, None
        if owner is None:
            return
        if read and self.is_client:
            owner.exchange_done(self)
        else:
            owner.exchange_lost(self, iostream.StreamClosedError(real_error=self.stream.error))

    def _hand_over_last(self, events: list[Event]) -> bool:
        """Events that only the end of the stream brought; whether the exchange is still ours to end."""
        try:
            self._hand_over(iter(events))
        except Exception as error:
            self._failed(error)
        if self._rest is not None:
            self._stream_lost = True
        return not self._over and self._rest is None

    def _run_close_callback(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            try:
                callback()
            except (Exception, asyncio.CancelledError):
                app_log.error("Uncaught exception", exc_info=True)

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have ``callback`` called, once, if the connection closes between the end of the peer's message and the end of ours.

        While the peer's message is still being read, its delegate hears of it through ``on_connection_close`` instead.
        """
        self._close_callback = callback

    def close(self) -> None:
        """Close the stream; nothing of the exchange is delivered any more."""
        if self.stream is not None:
            self.stream.close()

    def detach(self) -> iostream.IOStream:
        """Give the stream away and stop all HTTP processing on it.

        For protocols that start with an HTTP handshake. Bytes which came behind the message are in the stream's buffer again, for its
        next reader. The caller owns the stream from here on.
        """
        stream = self.stream
        stream._send_collected()
        self._over = True
        self._delegate_open = False
        self._delegate = self._close_callback = None
        self._stop_body_timer()
        waiting = self._engine.take_waiting()
        if self._held:
            waiting += b"".join(self._held)
            self._held.clear()
        owner, self._owner = self._owner, None
        if owner is not None:
            stream._detach_consumer(waiting)
            owner.exchange_detached(self)
        self.stream = None  # type: ignore[assignment]
        return stream

    def set_body_timeout(self, timeout: float) -> None:
        """Seconds that reading this message's body may take, instead of the parameters' ``body_timeout``."""
        self._body_timeout = timeout

    def set_max_body_size(self, max_body_size: int) -> None:
        """Largest body of this message in bytes, instead of the parameters' ``max_body_size``.

        Has to be called before the body is read, in ``headers_received`` or in a streaming handler's ``prepare``.
        """
        self._max_body_size = max_body_size

    def _reusable(self) -> bool:
        """Client side: whether the connection may carry another request, now that `read_response` is done."""
        engine = self._engine
        return self.stream is not None and not self.stream.closed() and engine.next_exchange()

    # -- our message

    def write_headers(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "Future[None]":
        """Send a start line, header fields and, in the same write, the first piece of the body.

        Chunked transfer coding is chosen where the length is not given and the peer can take it; ``Connection`` and
        ``Transfer-Encoding`` are then set in ``headers``. Resolves when the bytes have reached the kernel. Raises `ValueError` for
        header text that would break out of its line.
        """
        ready = headers._ready
        if ready is not None and not self.is_client and start_line is httputil._STANDARD_START_LINES[ready[0]]:
            # What `web` answers with when no handler touched a header: about a third cheaper as a whole.
            head = self._ready_head(headers, *ready)
        else:
            head = self._checked_head(start_line, headers)
        if chunk:
            head += self._body_bytes(chunk)
        return self._send(head)

    def _ready_head(self, headers: httputil.HTTPHeaders, status: int, lines: bytes, length: int) -> bytes:
        engine = cast(ServerEngine, self._engine)
        field = engine.connection_field()
        if field is not None:
            value = field.encode()
            headers._append_raw(b"Connection", value)
            lines += b"Connection: %b\r\n" % value
        return engine.send_ready_head(_STATUS_LINES[status], lines, length)

    def _write_whole(self, status: int, lines: bytes, body: bytes) -> "Future[None] | None":
        """`write_headers` and `finish` in one, for a head that is serialised already; None where it is not as simple as that.

        Saves a tenth of the time of a small response.
        """
        engine: ServerEngine = self._engine  # type: ignore[assignment]  # a client has no such responses
        if len(body) > _MOST_COPIED:
            return self._write_large(status, lines, body)
        data = None if self._over else engine.send_whole(_STATUS_LINES[status], lines, body)
        if data is None:
            return None
        if not engine.keep_alive:
            self._said_close = True
        self._close_callback = None
        stream = self.stream
        direct = stream._direct is not None and type(stream).write is _WRITE
        if direct and stream._write_now(data):
            self._complete()
            return stream._finished or stream._all_written()
        future = self._last_write = stream._written_later() if direct else self._send(data)
        self._maybe_done()
        return future

    def _write_large(self, status: int, lines: bytes, body: bytes) -> "Future[None] | None":
        """`_write_whole` for a body that is dearer to copy than to write by itself."""
        engine = cast(ServerEngine, self._engine)
        head = None if self._over else engine.send_whole(_STATUS_LINES[status], lines, b"")
        if head is None:
            return None
        self._said_close = not engine.keep_alive
        self._close_callback = None
        self._send(head)
        future = self._send(body)
        self._maybe_done()
        return future

    def _checked_head(self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders) -> bytes:
        field = headers._get("Content-Length")
        length = None if field is None else parse_int(field)
        try:
            if self.is_client:
                return self._request_head(cast(httputil.RequestStartLine, start_line), headers, length)
            return self._response_head(cast(httputil.ResponseStartLine, start_line), headers, length)
        except IllegalHeader as error:
            if not self.is_client:
                # There is no response that could follow; without this the peer would wait for one.
                self.stream.close()
            raise ValueError(str(error)) from None

    def _request_head(self, start_line: httputil.RequestStartLine, headers: httputil.HTTPHeaders, length: int | None) -> bytes:
        method, target = start_line.method, start_line.path
        chunked = length is None and method in ("POST", "PUT", "PATCH")
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        return cast(ClientEngine, self._engine).send_head(method, target, headers.get_all(), length, chunked)

    def _response_head(self, start_line: httputil.ResponseStartLine, headers: httputil.HTTPHeaders, length: int | None) -> bytes:
        engine = cast(ServerEngine, self._engine)
        _, code, reason = start_line
        chunked = engine.chunks_response(code, length is not None)
        if "Connection" in headers and "close" in headers["Connection"].lower():
            engine.keep_alive = False
        field = engine.connection_field()
        if field is not None:
            headers["Connection"] = field
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
            self._sent_at = monotonic()  # others mostly go out whole, and need not know
        return engine.send_head(code, reason, headers.get_all(), length, chunked)

    def _body_bytes(self, chunk: bytes) -> bytes:
        try:
            return self._engine.send_body(chunk)
        except BodyTooLong:
            raise self._too_long() from None

    def _too_long(self) -> httputil.HTTPOutputError:
        self.stream.close()
        return httputil.HTTPOutputError("Tried to write more data than Content-Length")

    def _send(self, data: bytes) -> "Future[None]":
        try:
            future = self._last_write = self.stream.write(data)
        except iostream.StreamClosedError as error:
            future = Future()
            # Later, behind the news of the close; and another error, since the traceback of this one holds this frame and the future.
            lost = iostream.StreamClosedError(error.real_error)
            self.stream.io_loop.add_callback(iostream._fail, future, lost)
        return future

    def write(self, chunk: bytes) -> "Future[None]":
        """Send a piece of the body. Resolves when it has reached the kernel: await it to keep memory bounded.

        A small piece that follows another within a millisecond is sent together with what comes next, at the latest at the end of the
        loop's turn, and the future is done. Raises `.HTTPOutputError`, and closes, when it is more than the announced Content-Length.
        """
        stream, size = self.stream, len(chunk)
        self._burst_bytes += size
        if size < _SMALL_PIECE and self._burst_bytes < _BURST_BYTES and monotonic() - self._sent_at < _BURST_SECONDS:
            # A third of the price of a flush that is sent by itself.
            pieces = stream._collected
            if pieces is None and size:
                pieces = stream._collect()
            if pieces is not None and type(chunk) is bytes:
                try:
                    pieces.append(self._engine.send_body(chunk))
                except BodyTooLong:
                    raise self._too_long() from None
                return stream._finished  # type: ignore[return-value]  # which is there wherever pieces are collected
        return self._write_at_once(chunk)

    def _write_at_once(self, chunk: bytes) -> "Future[None]":
        written = self._send(chunk if self.stream.closed() else self._body_bytes(chunk))
        self._sent_at = monotonic()
        if self._burst_bytes >= _BURST_BYTES:
            self._burst_bytes = 0
            if written.done() and written.exception() is None:
                return self._in_the_next_turn()
        return written

    def _in_the_next_turn(self) -> "Future[None]":
        """A future for somebody who has written much, all of which the kernel took: others shall have their turn, too."""
        turn: Future[None] = Future()
        self.stream.io_loop.add_callback(future_set_result_unless_cancelled, turn, None)
        return turn

    def _takes_file(self, count: int) -> bool:
        """Whether `_write_file` works: the head is out, with a Content-Length of at least ``count``, and the stream is one for it."""
        stream = self.stream
        stream._send_collected()
        return self._engine.may_bypass(count) and stream._takes_files() and not stream.writing()

    async def _write_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of an open file as the next piece of the body, without reading it. Returns when it has reached the kernel.

        Only to be called where `_takes_file`, after all writes were awaited. Raises what ``IOStream._send_file`` does.
        """
        future = self._last_write = self.stream._send_file(fd, offset, count)
        await future
        # Not before it went out: of a file that turned out to be shorter less was sent, and finish() has to notice.
        self._engine.count_bypassed(count)

    def finish(self) -> None:
        """End our message. Raises `.HTTPOutputError`, and closes, when less than the announced Content-Length was written.

        On a server the connection is then ready for the next request, or closed where either side asked for it, or where the request's
        body has not been read.
        """
        stream, engine = self.stream, self._engine
        try:
            end = engine.send_end()
        except BodyTooShort as error:
            engine.own = DONE
            if not stream.closed():
                stream.close()
                raise httputil.HTTPOutputError(f"Tried to write {error.missing_bytes} bytes less than Content-Length") from None
            return
        if (end or stream._collected is not None) and not stream.closed():
            self._last_write = stream.write(end)
        if engine.peer is DONE:
            self._maybe_done()
        elif not self.is_client:
            # The rest of the request is not worth waiting for: answer, then close.
            engine.keep_alive = False
            if self._last_write is None or self._last_write.done():
                # Not at once: the handler shall have finished before its delegate hears that the connection is closed.
                self.stream.io_loop.add_callback(self._abandon)
            else:
                self._last_write.add_done_callback(self._abandon)

    def _break_off(self) -> None:
        self._engine.break_off()

    def _abandon(self, _: "Future[None] | None" = None) -> None:
        if not self._over:
            self._give_up()


class _Parsers(threading.local):
    """One parser for all connections of a thread: they take whole heads, one at a time."""

    def __init__(self) -> None:
        self.by_choice: dict[str, HeadParser] = {}


_parsers = _Parsers()


def _new_engine(is_client: bool, params: HTTP1ConnectionParameters) -> ServerEngine | ClientEngine:
    choice = select.chosen()
    parser = _parsers.by_choice.get(choice)
    if parser is None:
        parser = _parsers.by_choice[choice] = select.parser(choice)
    return (ClientEngine if is_client else ServerEngine)(parser, params.max_header_size, params.chunk_size, params._max_header_fields)


class _GzipMessageDelegate(httputil.HTTPMessageDelegate):
    """Stands before a delegate and inflates gzip bodies, piece by piece and within the body limit."""

    def __init__(self, delegate: httputil.HTTPMessageDelegate, connection: HTTP1Connection) -> None:
        self._delegate = delegate
        self._connection = connection
        self._is_gzip = False
        self._inflater: GzipInflater | None = None

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        coding = headers.get("Content-Encoding", "")
        if coding.lower() == "gzip":
            self._is_gzip = True
            headers.add("X-Consumed-Content-Encoding", coding)
            del headers["Content-Encoding"]
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if not self._is_gzip:
            return self._delegate.data_received(chunk)
        if self._inflater is None:
            # Only now is the limit settled: the delegate may have set one of its own when it saw the head.
            connection = self._connection
            self._inflater = GzipInflater(connection.params.chunk_size, connection._body_limit(), connection.is_client)
        return self._deliver(self._checked(self._inflater.feed(chunk)))

    def _deliver(self, pieces: Iterator[bytes]) -> Awaitable[None] | None:
        for piece in pieces:
            wanted = self._delegate.data_received(piece)
            if wanted is not None:
                return self._deliver_after(wanted, pieces)
        return None

    async def _deliver_after(self, wanted: Awaitable[None], pieces: Iterator[bytes]) -> None:
        await wanted
        for piece in pieces:
            again = self._delegate.data_received(piece)
            if again is not None:
                await again

    @staticmethod
    def _checked(pieces: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from pieces
        except InflatedTooLarge:
            raise httputil.HTTPInputError("decompressed body too large") from None
        except InflateError as error:
            raise httputil.HTTPInputError(f"invalid gzip data: {error}") from None

    def finish(self) -> None:
        if self._inflater is not None:
            try:
                self._inflater.feed_eof()
            except InflateError as error:
                raise httputil.HTTPInputError(f"invalid gzip data: {error}") from None
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()


class _SingleExchange:
    """Consumer of a stream for one `HTTP1Connection.read_response`."""

    __slots__ = ("_connection", "_header_timer", "result")

    def __init__(self, connection: HTTP1Connection) -> None:
        self._connection = connection
        self._header_timer: asyncio.TimerHandle | None = None
        self.result: Future[bool] = Future()

    def watch_header_timeout(self) -> None:
        timeout = self._connection.params.header_timeout
        if timeout is not None and not self.result.done():
            self._header_timer = asyncio.get_running_loop().call_later(timeout, self._on_header_timeout)

    def _on_header_timeout(self) -> None:
        if not self._connection._delegate_open and self._connection._engine.peer is IDLE:
            self._connection._give_up()

    def data_received(self, data: bytes) -> None:
        self._connection._input(data)

    def stream_closed(self) -> None:
        self._connection._on_stream_closed()

    def exchange_done(self, connection: HTTP1Connection) -> None:
        if not connection.stream.closed():
            unasked = connection._engine.take_waiting()
            if unasked and connection.is_client:
                # Nobody asked for more than one response: whatever this is, it must not answer the next request.
                connection._engine.keep_alive = False
            connection.stream._detach_consumer(unasked)
            if not connection.is_client and not connection._engine.keep_alive:
                connection.close()
        self._settle(True)

    def exchange_lost(self, connection: HTTP1Connection, error: Exception | None) -> None:
        if error is None:
            self._settle(False)
            return
        self._stop()
        if not self.result.done():
            self.result.set_exception(error)
            self.result.exception()

    def exchange_detached(self, connection: HTTP1Connection) -> None:
        self._settle(False)

    def _settle(self, outcome: bool) -> None:
        self._stop()
        if not self.result.done():
            self.result.set_result(outcome)

    def _stop(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def _nobody() -> None:
    """Said by delegates that want to be asked for each request."""


class _ServerSession:
    """Consumer of a server's stream: one exchange after the other until the stream closes."""

    __slots__ = (
        "_closed",
        "_connection",
        "_deadline",
        "_head_seconds",
        "_idle_timer",
        "_loop",
        "_paused",
        "_take",
        "context",
        "delegate",
        "engine",
        "params",
        "server",
        "stream",
    )

    def __init__(self, server: "HTTP1ServerConnection", delegate: httputil.HTTPServerConnectionDelegate) -> None:
        self.server = server
        self.stream = server.stream
        self.params = server.params
        self.context = server.context
        self.engine = cast(ServerEngine, _new_engine(False, server.params))
        self.delegate = delegate
        self._take: _TakeRequest | None = None if server.params.decompress else getattr(delegate, "_request_taker", _nobody)()
        self._connection: HTTP1Connection | None = None
        self._paused = False
        self._closed = False
        # The loop's time at which the next head has to be complete.
        self._deadline = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop = self.stream.io_loop.asyncio_loop  # type: ignore[attr-defined]
        # Answers go out whole, in as few writes as there are: there is nothing for the kernel to wait for (RFC 9293 §3.7.4).
        self.stream.set_nodelay(True)
        timeout = self.params.header_timeout
        self._head_seconds = timeout or 0.0
        if timeout is not None:
            self._deadline = self._loop.time() + timeout
            self._idle_timer = self._loop.call_later(timeout, self._on_idle_timer, timeout)

    def _on_idle_timer(self, timeout: float) -> None:
        # One timer for the connection's life, which looks at a deadline that moves: arming and cancelling one for each request would
        # cost more than parsing it.
        now = self._loop.time()
        if self.engine.peer is IDLE and now >= self._deadline:
            self._idle_timer = None
            self.stream.close()
            return
        again = self._deadline if self._deadline > now else now + timeout
        self._idle_timer = self._loop.call_at(again, self._on_idle_timer, timeout)

    def data_received(self, data: bytes) -> None:
        connection = self._connection
        if connection is None:
            connection = self._connection = HTTP1Connection._on_server(self)
            take = self._take
            if take is not None:
                connection._first_input(data, self, take)
                return
            connection._begin(self.delegate.start_request(self.server, connection))
            connection._input(data)
            return
        connection._input(data)
        # Requests sent ahead wait in the engine while one is served; no more than a head's worth of them.
        if self.engine.peer is DONE and not self._paused and self.engine.waiting_bytes > self.engine.max_head_bytes:
            self._paused = True
            self.stream._pause_reading()

    def exchange_done(self, connection: HTTP1Connection) -> None:
        self._connection = None
        engine = self.engine
        if not engine.next_exchange():
            self.stream.close()
            return
        if self._idle_timer is not None:
            self._deadline = self._loop.time() + self._head_seconds
        waiting = engine.waiting_bytes
        if waiting:
            if waiting > engine.max_head_bytes and not self._paused:
                # One request is served in each turn of the loop; a turn could bring more of them than that.
                self._paused = True
                self.stream._pause_reading()
            self._loop.call_soon(self._next_waiting)
        elif self._paused:
            self._resume()

    def _next_waiting(self) -> None:
        """Serve the next request that was sent ahead, after all others on this loop had their turn."""
        if self._connection is None and not self._closed and self.engine.waiting_bytes:
            self.data_received(b"")
        if self._paused and self.engine.waiting_bytes <= self.engine.max_head_bytes:
            self._resume()

    def _resume(self) -> None:
        self._paused = False
        if not self.stream.closed():
            self.stream._resume_reading()

    def exchange_lost(self, connection: HTTP1Connection, error: Exception | None) -> None:
        # It stays in its place until the stream is closed, and drops what still comes in.
        pass

    def exchange_detached(self, connection: HTTP1Connection) -> None:
        self._connection = None
        self._end()

    def stream_closed(self) -> None:
        connection = self._connection
        if connection is not None:
            connection._on_stream_closed()
        self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        self.server._session_ended()
        self.delegate.on_close(self.server)


class HTTP1ServerConnection:
    """A server's side of one connection: reads requests and has them answered until it closes."""

    _session: _ServerSession | None = None
    _ended: "Future[None] | None" = None

    def __init__(
        self,
        stream: iostream.IOStream,
        params: HTTP1ConnectionParameters | None = None,
        context: object | None = None,
    ) -> None:
        """
        :arg stream: an `.IOStream` that is connected.
        :arg params: limits and options; the defaults of `HTTP1ConnectionParameters` without it.
        :arg context: anything; each request's connection has it as ``connection.context``.
        """
        self.stream = stream
        self.params = params if params is not None else HTTP1ConnectionParameters()
        self.context = context

    async def close(self) -> None:
        """Close the connection; returns when its delegate has been told by ``on_close``."""
        self.stream.close()
        if self._session is not None:
            if self._ended is None:
                self._ended = Future()
            await self._ended

    def start_serving(self, delegate: httputil.HTTPServerConnectionDelegate) -> None:
        """Begin to serve: ``delegate.start_request`` for each request, ``delegate.on_close`` at the end."""
        assert isinstance(delegate, httputil.HTTPServerConnectionDelegate)
        session = self._session = _ServerSession(self, delegate)
        self.stream._attach_consumer(session)

    def _session_ended(self) -> None:
        self._session = None
        if self._ended is not None:
            future_set_result_unless_cancelled(self._ended, None)


def parse_int(s: str) -> int:
    """A non-negative decimal integer in ASCII digits alone; `ValueError` for anything else (signs, spaces, underscores)."""
    if DIGITS.fullmatch(s) is None:
        raise ValueError(f"not an integer: {s!r}")
    return int(s)


def parse_hex_int(s: str) -> int:
    """A non-negative hexadecimal integer in ASCII digits alone; `ValueError` for anything else."""
    if HEXDIGITS.fullmatch(s) is None:
        raise ValueError(f"not a hexadecimal integer: {s!r}")
    return int(s, 16)


def is_transfer_encoding_chunked(headers: httputil.HTTPHeaders) -> bool:
    """Whether the message has a chunked body (RFC 9112 §6.1).

    Raises `.HTTPInputError` for any other transfer coding, and for a Content-Length beside it.
    """
    coding = headers.get("Transfer-Encoding")
    if coding is None:
        return False
    if "Content-Length" in headers:
        raise httputil.HTTPInputError("Message with both Transfer-Encoding and Content-Length")
    if coding.lower() != "chunked":
        raise httputil.HTTPInputError(f"Unsupported Transfer-Encoding {coding}")
    return True
