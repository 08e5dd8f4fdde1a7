"""Client and server sides of HTTP/1.x over an `.IOStream` (RFC 9112).

`HTTP1Connection` carries one exchange, `HTTP1ServerConnection` a whole server connection with any number of them. Both are
thin: what the bytes mean is decided by the engine in ``tornadolike._http1``; here its events reach a delegate, the delegate's
answer reaches the stream, and time-outs, back-pressure and closing are handled.

One chunk of input is one synchronous call chain, from the stream's byte source to the delegate; nothing is scheduled in between
unless the delegate itself returned an awaitable.
"""

import asyncio
import contextvars
import io
import re
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from time import monotonic
from types import CoroutineType, FunctionType
from typing import Any, Protocol, cast

from tornadolike import _imported_names, gen, httputil, iostream
from tornadolike._http.content_coding import GzipInflater, InflatedTooLarge, InflateError
from tornadolike._http.log_text import one_line
from tornadolike._http.response_head import ResponseHead as ResponseFields
from tornadolike._http1 import select
from tornadolike._http1.engine import DONE, IDLE, MAX_FIELDS, ClientEngine, HeadParser, KnownResponse, ServerEngine
from tornadolike._http1.errors import BodyTooLarge, BodyTooLong, BodyTooShort, HeadTooLarge, IllegalHeader, IncompleteMessage, PeerError
from tornadolike._http1.events import END, START, BodyChunk, BodyStart, Event, MessageEnd, RequestHead, ResponseHead
from tornadolike.concurrent import Future, future_set_result_unless_cancelled
from tornadolike.log import app_log, gen_log

CR_OR_LF_RE = re.compile(b"\r|\n")
"""What must not stand within a line of a head."""
DIGITS = re.compile(r"[0-9]+")
"""ASCII digits only, as in a Content-Length."""
HEXDIGITS = re.compile(r"[0-9a-fA-F]+")
"""ASCII hexadecimal digits only, as in the size of a chunk."""

_MAX_1XX_RESPONSES = 10
_BODYLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
# What a response may write, while the kernel takes it all, before awaiting the write lets the loop go on to others. Sockets have
# megabytes of buffer: a handler that sends a stream in small pieces would fill it in one turn of several milliseconds.
_BURST_BYTES = 128 * 1024
# What is copied behind its head, to go out with it in one piece; more than that is dearer to copy than to write apart.
_MOST_COPIED = 64 * 1024
# A small piece of a body that comes so soon after another was sent goes out with what follows, at the latest at the end of the loop's
# turn: a send costs more than all the rest of a `flush`.
_BURST_SECONDS = 0.001
# After one that nothing followed in its turn, so many small pieces are sent by themselves.
_ALONE = 7
_SMALL_PIECE = 16 * 1024
# Answers to requests that were sent ahead go out together, as long as the next one is given within two turns of the loop.
_SMALL_ANSWER = 4 * 1024
_MOST_HELD = 32

# What a server answers before it closes, by the status of the error. Tornado's 400 is bare, and its tests ask for these very bytes.
_BARE_REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_REFUSALS = {
    status: b"HTTP/1.1 %d %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % (status, reason)
    for status, reason in {
        400: b"Bad Request",
        413: b"Content Too Large",
        431: b"Request Header Fields Too Large",
        505: b"HTTP Version Not Supported",
    }.items()
}
_TURNS_TO_ANSWER = 8  # for a handler that waits for nothing but its turn, after the client's end of input
_SECONDS_TO_ANSWER = 5.0  # for one that waits, where others were asked for behind it
_CONTINUE = b"HTTP/1.1 100 (Continue)\r\n\r\n"

# Why a connection is not read for the moment.
_HANDLER = 1  # what a delegate returned is pending
_TURN = 2  # others on this loop shall have their turn
_AHEAD = 4  # enough was sent ahead
_GONE = 8  # it is not ours any more


class _BodyTooLarge(BodyTooLarge, httputil.HTTPInputError):
    """What code that works on Tornado's class may wait for."""


class _Gate:
    """Lets a connection's bytes in as long as there is no reason to hold them back."""

    __slots__ = ("_stream", "reasons")

    def __init__(self, stream: iostream.IOStream) -> None:
        self._stream = stream
        self.reasons = 0

    def hold(self, reason: int) -> None:
        """Do not read until ``reason`` is taken back."""
        if not self.reasons:
            self._stream._pause_reading()
        self.reasons |= reason

    def release(self, reasons: int) -> None:
        """Take reasons back, if they are there; behind the last one reading goes on."""
        if self.reasons & reasons:
            self.reasons &= ~reasons
            if not self.reasons and not self._stream.closed():
                self._stream._resume_reading()


class HTTP1ConnectionParameters:
    """Limits and options of a connection, shared by all that are made with it."""

    # Not in Tornado, hence no arguments of the constructor: `HTTPServer.configure_limits` sets them.
    _max_header_fields = MAX_FIELDS
    _max_cookies = httputil._MAX_COOKIES
    _standard_refusals = False

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


class _QuietException(Exception):
    """Raised by Tornado for what it has logged already; here for those who catch it."""


class _Owner(Protocol):
    """Who is told what became of an exchange."""

    def exchange_done(self, connection: "HTTP1Connection") -> None:
        """Both messages are through and flushed."""

    def exchange_lost(self, connection: "HTTP1Connection", error: Exception | None) -> None:
        """It ended early; ``error`` where the stream broke, None where the failure was logged and the stream closed here."""

    def exchange_detached(self, connection: "HTTP1Connection") -> None:
        """Somebody else took the stream."""


_BODY_READERS = frozenset(("_read_body", "_read_fixed_body", "_read_chunked_body", "_read_body_until_close"))


class HTTP1Connection(httputil.HTTPConnection):
    """One HTTP/1.x exchange on a stream, as client or as server.

    A client calls `write_headers`, `write` and `finish`, then `read_response`. On a server it is made by
    `HTTP1ServerConnection` for each request and is the ``connection`` of the request.
    """

    # Set for few exchanges, so they live on the class until then: an exchange is built for every request. What every one reads is set
    # by the constructor: from the class, reading costs four times as much.
    _max_body_size: int | None = None
    _body_timeout: float | None = None
    _expects_continue = False
    _stream_lost = False
    _interim_responses = 0
    _reads_bodies = False  # a subclass has a way of its own to do so
    _request_start_line: httputil.RequestStartLine
    _request_headers: httputil.HTTPHeaders
    _burst_bytes = 0
    _sent_at = 0.0
    _was_alone = False  # nothing has followed the piece that was collected last
    _alone_left = 0  # so many go by themselves before some are collected again

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
        self.stream: iostream.IOStream = stream
        self.is_client = is_client
        self.params = params = HTTP1ConnectionParameters() if params is None else params
        self.context = context
        self.no_keep_alive = params.no_keep_alive
        # `_over`: the exchange has ended. `_read_done`: the peer's message has been handed over to its end. `_delegate_open`: the delegate
        # has seen a head, and is owed an end. `_upgraded`: 101 was sent, and what follows is no HTTP.
        self._over = self._read_done = self._delegate_open = self._upgraded = False
        self._delegate: httputil.HTTPMessageDelegate | None
        self._close_callback: Callable[[], None] | None
        self._last_write: Future[None] | None
        self._body_timer: asyncio.TimerHandle | None
        self._rest: Iterator[Event] | None  # events that wait while the delegate wants time
        self._delegate = self._close_callback = self._last_write = self._body_timer = self._rest = None
        # The exchanges of a server connection share these: it sets them.
        self._owner: _Owner | None = None
        self._gate: _Gate | None = None
        self._engine: ServerEngine | ClientEngine = None  # type: ignore[assignment]  # there is one before the first byte comes or goes

    def _own_engine(self) -> ServerEngine | ClientEngine:
        """The engine; a new one where nobody has given it one."""
        if self._engine is None:
            self._engine = _new_engine(self.is_client, self.params)
        return self._engine

    @httputil._beyond_tornado
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not _BODY_READERS.isdisjoint(vars(cls)):
            cls._reads_bodies = True

    # -- the peer's message

    def read_response(self, delegate: httputil.HTTPMessageDelegate) -> Awaitable[bool]:
        """Read one message, a response as client or a request as server, and give it to ``delegate``.

        Resolves when the exchange is over, our own message included: to True, or to False where it failed and the connection was
        closed (the reason has been logged and the delegate told by ``on_connection_close``). Raises
        `.StreamClosedError` when the connection was lost in the middle.
        """
        owner = _SingleExchange(self)
        self._owner = owner
        self._own_engine()
        self._begin(delegate)
        if self._reads_bodies:
            return self._read_in_its_own_way(owner)
        self.stream._attach_consumer(owner)
        if self.stream is not None and not self._over and self._engine.waiting_bytes:
            self._input(b"")
        owner.watch_header_timeout()
        return owner.result

    async def _read_in_its_own_way(self, owner: "_SingleExchange") -> bool:
        """`read_response` for classes with a way of their own to read bodies: they are asked where Tornado asks them.

        Everything is read from the stream by whoever wants it, so that they can do the same. For requests only.
        """
        if self.is_client:
            raise TypeError(f"{type(self).__name__} overrides how bodies are read, which is not supported for responses")
        stream = self.stream
        stream.set_close_callback(self._on_stream_closed)
        owner.watch_header_timeout()
        try:
            head = await stream.read_until_regex(b"\r?\n\r?\n", max_bytes=self.params.max_header_size)
            first, following = self._engine.feed(head)
            await self._read_request_in_its_own_way(cast(RequestHead, first), type(following) is BodyStart)
        except iostream.StreamClosedError:
            self._on_stream_closed()
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)
        return await owner.result

    async def _read_request_in_its_own_way(self, head: RequestHead, has_body: bool) -> None:
        wanted = self._on_request(head)
        if wanted is not None:
            await wanted
        if self._over:
            return
        if has_body:
            if head.expects_continue and self._engine.own is IDLE:
                await self.stream.write(_CONTINUE)
            body = self._read_body(0, self._request_headers, cast(httputil.HTTPMessageDelegate, self._delegate))
            timeout = self._body_timeout if self._body_timeout is not None else self.params.body_timeout
            if timeout is not None:
                self._body_timer = asyncio.get_running_loop().call_later(timeout, self._on_body_timeout)
            if body is not None:
                await body
            self._engine.peer = DONE
        if not self._over:
            self._on_end()

    def _read_body(self, code: int, headers: httputil.HTTPHeaders, delegate: httputil.HTTPMessageDelegate) -> Awaitable[None] | None:
        """Read the body of a request; for classes that override it, or one of the next three. Others are given what the engine reads."""
        field = headers.get("Content-Length")
        if is_transfer_encoding_chunked(headers):
            return self._read_chunked_body(delegate)
        length = 0 if field is None else parse_int(field)
        if length > self._body_limit():
            raise _BodyTooLarge("Content-Length too long")
        return self._read_fixed_body(length, delegate)

    async def _deliver_body(self, delegate: httputil.HTTPMessageDelegate, data: bytes) -> None:
        if self._engine.own is not DONE:
            wanted = delegate.data_received(data)
            if wanted is not None:
                await wanted

    async def _read_fixed_body(self, content_length: int, delegate: httputil.HTTPMessageDelegate) -> None:
        while content_length > 0:
            data = await self.stream.read_bytes(min(self.params.chunk_size, content_length), partial=True)
            content_length -= len(data)
            await self._deliver_body(delegate, data)

    async def _read_chunked_body(self, delegate: httputil.HTTPMessageDelegate) -> None:
        total, limit = 0, self._body_limit()
        while True:
            line = await self.stream.read_until(b"\r\n", max_bytes=64)
            try:
                size = parse_hex_int(line[:-2].decode("latin-1"))
            except ValueError:
                raise httputil.HTTPInputError("invalid chunk size") from None
            total += size
            if total > limit:
                raise _BodyTooLarge("chunked body too large")
            await self._read_fixed_body(size, delegate)
            if await self.stream.read_bytes(2) != b"\r\n":
                raise httputil.HTTPInputError("improperly terminated chunk")
            if not size:
                return

    async def _read_body_until_close(self, delegate: httputil.HTTPMessageDelegate) -> None:
        raise httputil.HTTPInputError("a request does not end with its connection")

    def _begin(self, delegate: httputil.HTTPMessageDelegate) -> None:
        if self.params.decompress:
            delegate = _GzipMessageDelegate(delegate, self)
        self._delegate = delegate

    def _body_limit(self) -> int:
        for limit in (self._max_body_size, self.params.max_body_size):
            if limit is not None:
                return limit
        return self.stream.max_buffer_size

    def _input(self, data: bytes) -> None:
        """Bytes from the stream."""
        if self._over:
            return
        if self._rest is not None:
            self._engine.store(data)
            return
        try:
            self._pump(iter(self._engine.feed(data)))
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)

    def _on_whole_request(self, head: RequestHead) -> None:
        """A request that is all there, as nearly all are: `_pump` without the events."""
        try:
            wanted = self._on_request(head)
            if self._over or (wanted is not None and self._has_to_wait(wanted, iter((START if head.body else END,)))):
                return
            if head.body:
                self._on_body_start()
                body = self._engine.take_body()  # type: ignore[union-attr]  # a server's
                wanted = None if self._engine.own is DONE else self._delegate.data_received(body)  # type: ignore[union-attr]  # it has the head
                if self._over or (wanted is not None and self._has_to_wait(wanted, iter((END,)))):
                    return
            self._on_end()
        except (Exception, asyncio.CancelledError) as error:
            self._failed(error)

    def _pump(self, events: Iterator[Event]) -> None:
        """Hand over events, and those that follow, until there are no more for now or the delegate wants time."""
        engine = self._engine
        kind: type[Event] | None = BodyStart  # as after anything but pieces of a body
        while True:
            for event in events:
                kind = type(event)
                if kind is RequestHead:
                    wanted = self._on_request(event)  # type: ignore[arg-type]  # it is one
                elif kind is MessageEnd:
                    self._on_end()
                    return
                else:
                    wanted = self._hand_over(event)
                if self._over or (wanted is not None and self._has_to_wait(wanted, events)):
                    return
            if not engine.has_more:
                return
            if kind is None or kind is BodyChunk:
                # A body of very many chunks: let others have their turn.
                self._rest = iter(())
                self._hold(_TURN)
                asyncio.get_running_loop().call_soon(self._go_on)
                return
            events, kind = iter(engine.feed()), None

    def _hand_over(self, event: Event) -> Awaitable[None] | None:
        if type(event) is BodyStart:
            self._on_body_start()
        elif type(event) is ResponseHead:
            return self._on_response(event)
        elif self.is_client or self._engine.own is not DONE:
            return self._delegate.data_received(event.data)  # type: ignore[union-attr]  # a piece of the body, behind a head
        return None

    def _on_request(self, head: RequestHead) -> Awaitable[None] | None:
        if self.no_keep_alive:
            self._engine.keep_alive = False
        if head.expects_continue:
            self._expects_continue = True
        delegate = self._delegate
        if delegate is None:
            session: _ServerSession = self._owner  # type: ignore[assignment]  # a server's
            delegate = session._delegate.start_request(session._server, self)  # type: ignore[union-attr]  # it is being served
            if self.params.decompress:
                delegate = _GzipMessageDelegate(delegate, self)
            self._delegate = delegate
        self._delegate_open = True
        headers = httputil.HTTPHeaders._from_wire(head.headers, head.bare)
        line = head.known_line
        if line is None:
            line = head.known_line = httputil._request_start_line(head.start_line)
        if self._reads_bodies:  # OctoPrint's looks at the line
            self._request_start_line, self._request_headers = line, headers
        return delegate.headers_received(line, headers)

    def _on_response(self, head: ResponseHead) -> Awaitable[None] | None:
        assert self._delegate is not None
        headers = httputil.HTTPHeaders._from_wire(head.headers)
        start_line = httputil.ResponseStartLine(head.version, head.status, head.reason)
        self._delegate_open = not 100 <= head.status < 200
        wanted = self._delegate.headers_received(start_line, headers)
        if 100 <= head.status < 200:
            if self._interim_responses >= _MAX_1XX_RESPONSES:
                raise PeerError("Too many 1xx responses")
            self._interim_responses += 1
        return wanted

    def _on_body_start(self) -> None:
        """The delegate has seen the head of a message with a body: limits, 100-continue, time-out."""
        self._engine.limit_body(self._body_limit())
        if self._expects_continue and self._engine.own is IDLE:
            self._expects_continue = False
            self.stream._write_now(_CONTINUE)
        timeout = self._body_timeout if self._body_timeout is not None else self.params.body_timeout
        if timeout is not None:
            self._body_timer = asyncio.get_running_loop().call_later(timeout, self._on_body_timeout, context=self._request_context)

    def _on_end(self) -> None:
        if self._body_timer is not None:
            self._stop_body_timer()
        self._read_done = True
        engine = self._engine
        if engine.own is DONE and not self.is_client:
            # Answered before it was read: as Tornado, this is no proper end for the delegate.
            self._tell_delegate_of_close()
        else:
            self._delegate_open = False
            try:
                self._delegate.finish()  # type: ignore[union-attr]  # whoever got the head is there
            except Exception:
                self._delegate_open = True
                raise
        if engine.own is DONE or self.is_client:
            self._maybe_done()

    def _has_to_wait(self, wanted: Awaitable[None], events: Iterator[Event]) -> bool:
        """Whether what the delegate returned is still pending; then input stops until it is done."""
        future = wanted if isinstance(wanted, asyncio.Future) else self._future_of(wanted)
        if future.done():
            future.result()
            return False
        self._rest = events
        self._hold(_HANDLER)
        future.add_done_callback(self._go_on)
        return True

    def _future_of(self, wanted: Awaitable[None]) -> "Future[None]":
        loop = asyncio.get_running_loop()
        if type(wanted) is CoroutineType and self._request_context is not None and loop.get_task_factory() is None:
            # What one piece of the body sets in its context, the next one sees.
            return loop.create_task(cast("Coroutine[Any, Any, None]", wanted), context=self._request_context)
        return gen.convert_yielded(wanted)

    def _hold(self, reason: int) -> None:
        if self._gate is None:
            self._gate = _Gate(self.stream)
        self._gate.hold(reason)

    def _go_on(self, future: "Future[None] | None" = None) -> None:
        """The delegate is ready for more, or everybody else has had a turn."""
        assert self._gate is not None
        self._gate.release(_HANDLER | _TURN)
        self._run(self._continue, future)

    def _continue(self, future: "Future[None] | None") -> None:
        rest, self._rest = self._rest, None
        try:
            if future is not None:
                future.result()
            if self._over or rest is None:
                return
            self._pump(rest)
        except (Exception, asyncio.CancelledError) as error:
            # Nobody can cancel us, since we are no task: it was the delegate's awaitable that was cancelled.
            self._failed(error)
        if self._stream_lost and self._rest is None:
            self._on_stream_closed()

    def _run(self, function: Callable[..., None], *args: Any) -> None:
        """Call something that may call the application, in the request's context. For callbacks of the loop: one enters a context once."""
        if self._request_context is None:
            function(*args)
        else:
            self._request_context.run(function, *args)

    # -- endings

    def _maybe_done(self) -> None:
        """Tell the owner once both messages are through and ours has reached the kernel."""
        if self._over or self._upgraded or not self._read_done or self._engine.own is not DONE:
            return
        last = self._last_write
        if last is None or last.done():
            self._complete()
        else:
            last.add_done_callback(self._flushed)

    def _complete(self) -> None:
        self._over = True
        self._delegate = self._close_callback = self._last_write = None
        gate = self._gate
        if gate is not None and gate.reasons:
            gate.release(_HANDLER | _TURN)
        self._owner.exchange_done(self)  # type: ignore[union-attr]  # nothing is read without one

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
            self._refuse(self._status_of(error))
        elif not isinstance(error, iostream.StreamClosedError) or (self.stream is not None and not self.stream.closed()):
            app_log.error("Uncaught exception", exc_info=error)
        self._give_up()

    def _status_of(self, error: BaseException) -> int:
        if isinstance(error, BodyTooLarge) and self.params._standard_refusals:
            return 413
        return error.status if isinstance(error, PeerError) else 400

    def _refuse(self, status: int) -> None:
        if not self.is_client and self.stream is not None and self._engine.own is IDLE and not self.stream.closed():
            self._engine.own = DONE
            bare = status == 400 and not self.params._standard_refusals
            self._last_write = self.stream.write(_BARE_REFUSAL if bare else _REFUSALS[status])

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
            last.add_done_callback(lambda _: self._leave())
        else:
            self._leave()
        self._last_write = None
        if owner is not None:
            owner.exchange_lost(self, None)

    def _leave(self) -> None:
        """Close. One who was answered while he still sends gets time to read the answer."""
        stream = self.stream
        graceful = getattr(stream, "_close_gracefully", None)  # a stream that is none of ours has no such way
        if graceful is None or self.is_client or self._engine.own is not DONE or self._engine.peer is DONE:
            self.close()
        else:
            graceful()

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
        try:
            events = self._engine.feed_eof()
        except IncompleteMessage:
            events = []
        if events and not self._hand_over_last(events):
            return
        self._over = True
        self._stop_body_timer()
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
        if self.is_client and self._engine.peer is DONE:
            owner.exchange_done(self)
        else:
            owner.exchange_lost(self, iostream.StreamClosedError(real_error=self.stream.error))

    def _hand_over_last(self, events: list[Event]) -> bool:
        """Events that only the end of the stream brought; whether the exchange is still ours to end."""
        try:
            self._pump(iter(events))
        except Exception as error:
            self._failed(error)
        if self._rest is not None:
            self._stream_lost = True
        return not self._over and self._rest is None

    def _run_close_callback(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            try:
                httputil._run_close_callback(callback)
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
        stream, owner = self.stream, self._owner
        if self._over and not (isinstance(owner, _ServerSession) and owner.may_detach(self)):
            raise RuntimeError("this exchange has ended: the connection is not its own any more")
        stream._send_collected()
        self._over = True
        self._delegate_open = False
        self._delegate = self._close_callback = self._owner = self._rest = self._last_write = None
        self._stop_body_timer()
        if self._gate is not None:
            self._gate.hold(_GONE)
        waiting = self._own_engine().take_waiting()
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
        header text that would break out of its line, and for a Content-Length that is no number.
        """
        if self._over:
            return self._not_sent()
        engine: Any = self._engine or self._own_engine()
        rest = b""
        if chunk and len(chunk) > _MOST_COPIED:
            chunk, rest = b"", chunk
        try:
            if self.is_client:
                data = self._request_head(start_line, headers, chunk or b"")  # type: ignore[arg-type]  # a client's
            else:
                data = self._response_head(start_line, headers, chunk or b"", len(rest))  # type: ignore[arg-type]  # a server's
        except BodyTooLong:
            raise self._too_long() from None
        except (IllegalHeader, ValueError) as error:
            if not self.is_client:
                # There is no response that could follow; without this the peer would wait for one.
                self.stream.close()
            raise ValueError(str(error)) from None
        if rest:
            self._send(data)
            data = self._body_bytes(rest)
        if engine.stored and engine.peer is DONE and (future := self._collect_answer(data)) is not None:
            return future
        try:
            future = self._last_write = self.stream.write(data)
        except iostream.StreamClosedError as error:
            return self._lost(error)
        return future

    def _collect_answer(self, data: bytes) -> "Future[None] | None":
        """The client has sent more requests: small answers go out together. None where this one has to go by itself."""
        stream = self.stream
        if len(data) > _SMALL_ANSWER or not isinstance(self._owner, _ServerSession):
            return None
        pieces = stream._collect() if stream._collected is None else stream._collected
        if pieces is None:
            return None
        pieces.append(data)
        self._last_write = stream._finished  # which is there wherever pieces are collected
        return self._last_write

    def _request_head(self, start_line: httputil.RequestStartLine, headers: httputil.HTTPHeaders, chunk: bytes) -> bytes:
        engine = cast(ClientEngine, self._engine)
        method, target = start_line.method, start_line.path
        base: ResponseFields | None = getattr(headers, "_head", None)
        if base is not None and not headers._joined and not chunk and method in _BODYLESS_METHODS:
            # Fields that many requests share, and that say nothing of a body.
            return engine.send_ready_head(method, target, base.lines)
        field = headers.get("Content-Length")
        length = None if field is None else parse_int(field)
        chunked = length is None and method in ("POST", "PUT", "PATCH")
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        return engine.send_head(method, target, headers.get_all(), length, chunked) + (engine.send_body(chunk) if chunk else b"")

    def _response_head(self, start_line: httputil.ResponseStartLine, headers: httputil.HTTPHeaders, chunk: bytes, later: int) -> bytes:
        """The head and ``chunk``, behind which so many bytes come at once."""
        engine: ServerEngine = self._engine  # type: ignore[assignment]  # a server's
        base = headers._head
        if base is not None and not later:
            # Most of all answers: head and body at once, and both sides like to go on.
            whole = engine.send_whole(start_line, base, headers._joined, chunk)
            if whole is not None:
                return whole
        _, code, reason = start_line
        size = len(chunk) + later
        if base is None:
            length, chunked = self._frame(code, headers, headers.get("Content-Length"), headers.get("Connection"), size)
            head = engine.send_head(code, reason, headers.get_all(), length, chunked)
            return head + engine.send_body(chunk) if chunk else head
        fields = headers._joined  # what they stand on says nothing about framing
        length, chunked = self._frame(code, headers, fields.get("Content-Length"), fields.get("Connection"), size)
        return engine.send_ready_head(engine.ready_head(code, reason, base), fields.items(), length, chunked, chunk)

    def _frame(
        self, code: int, headers: httputil.HTTPHeaders, field: str | None, options: str | None, size: int
    ) -> tuple[int | None, bool]:
        """The length of a response, and whether it is chunked; sets what its head has to say about that, and about the connection."""
        engine: ServerEngine = self._engine  # type: ignore[assignment]  # a server's
        length = 0 if engine.has_no_content(code) else None
        if field is not None and length is None:
            length = parse_int(field)
            if engine.peer is not DONE and length == size:
                # This is the whole answer, and the rest of the request is not worth waiting for.
                engine.keep_alive = False
        chunked = field is None and engine.frame_response(code)
        announced = options is not None and engine.keep_alive and "close" in options.lower()
        if announced:
            engine.keep_alive = False
        if code == 101:
            self._upgraded = True
        option = engine.connection_field() if code != 101 else None  # what comes behind it has its own end
        if option is not None and not announced:  # which stays as it was written
            headers["Connection"] = option
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
            self._sent_at = monotonic()  # others mostly go out whole, and need not know
        return length, chunked

    def _body_bytes(self, chunk: bytes) -> bytes:
        try:
            return self._engine.send_body(chunk)
        except BodyTooLong:
            raise self._too_long() from None

    def _too_long(self) -> httputil.HTTPOutputError:
        self.stream.close()
        return httputil.HTTPOutputError("Tried to write more data than Content-Length")

    def _not_sent(self) -> "Future[None]":
        """What a write returns that comes after the end: nothing is sent, and if it ended too early, that is an error."""
        future: Future[None] = Future()
        if self.stream is None or self.stream.closed():
            future.set_exception(iostream.StreamClosedError(real_error=None if self.stream is None else self.stream.error))
            future.exception()
        else:
            future.set_result(None)
        return future

    def _send(self, data: bytes) -> "Future[None]":
        try:
            future = self._last_write = self.stream.write(data)
        except iostream.StreamClosedError as error:
            return self._lost(error)
        return future

    def _lost(self, error: iostream.StreamClosedError) -> "Future[None]":
        """What a write returns that finds the stream closed."""
        future: Future[None] = Future()
        # Later, behind the news of the close; and another error, since the traceback of this one holds this frame and the future.
        self.stream.io_loop.add_callback(iostream._fail, future, iostream.StreamClosedError(error.real_error))
        return future

    def write(self, chunk: bytes) -> "Future[None]":
        """Send a piece of the body. Resolves when it has reached the kernel: await it to keep memory bounded.

        A small piece that follows another within a millisecond is sent together with what comes next, at the latest at the end of the
        loop's turn, and the future is done. Raises `.HTTPOutputError`, and closes, when it is more than the announced Content-Length.
        """
        if self._over or self._engine.own is DONE:
            return self._not_sent()
        stream, size = self.stream, len(chunk)
        if not size and self._last_write is not None and stream._collected is None and not stream.closed():
            return self._last_write
        self._burst_bytes += size
        if size < _SMALL_PIECE and self._burst_bytes < _BURST_BYTES and monotonic() - self._sent_at < _BURST_SECONDS:
            # A third of the price of a flush that is sent by itself.
            pieces = stream._collected
            if pieces is None and size:
                pieces = self._begin_to_collect(stream)
            if pieces is not None and type(chunk) is bytes:
                if pieces:
                    self._was_alone = False
                try:
                    pieces.append(self._engine.send_body(chunk))
                except BodyTooLong:
                    raise self._too_long() from None
                return stream._finished  # type: ignore[return-value]  # which is there wherever pieces are collected
        return self._write_at_once(chunk)

    def _begin_to_collect(self, stream: iostream.IOStream) -> list[bytes] | None:
        """A list for this piece and those that follow in the same turn; None where this one had better go at once.

        Who lets the loop run between pieces gains nothing by collecting: after a list of one, the next pieces go by themselves.
        """
        if self._alone_left:
            self._alone_left -= 1
            return None
        if self._was_alone:
            self._alone_left, self._was_alone = _ALONE, False
            return None
        pieces = stream._collect()
        self._was_alone = pieces is not None
        return pieces

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

    def _write_file(self, fd: int, offset: int, count: int) -> Awaitable[None] | None:
        stream = self.stream
        if self._over or stream.closed() or not self._engine.may_bypass(count):
            return None
        stream._send_collected()
        return self._write_file_part(fd, offset, count) if stream._takes_files() and not stream.writing() else None

    async def _write_file_part(self, fd: int, offset: int, count: int) -> None:
        future = self._last_write = self.stream._write_file(fd, offset, count)
        try:
            await future
        except iostream._UnsendableFileError as error:
            raise io.UnsupportedOperation(str(error)) from error
        # Not before it went out: of a file that turned out to be shorter less was sent, and finish() has to notice.
        self._engine.count_bypassed(count)

    def finish(self) -> None:
        """End our message. Raises `.HTTPOutputError`, and closes, when less than the announced Content-Length was written.

        On a server the connection is then ready for the next request, or closed where either side asked for it, or where the request's
        body has not been read. Once the exchange has ended, it does nothing.
        """
        stream, engine = self.stream, self._engine
        if self._over or engine.own is DONE:
            return
        try:
            end = engine.send_end()
        except BodyTooShort as error:
            engine.own = DONE
            if not stream.closed():
                stream.close()
                raise httputil.HTTPOutputError(f"Tried to write {error.missing_bytes} bytes less than Content-Length") from None
            return
        if (end or (stream._collected is not None and not engine.stored)) and not stream.closed():
            self._last_write = stream.write(end)
        if self._read_done:
            last = self._last_write
            if self._upgraded:
                # Whoever speaks another protocol now takes the stream, and does so at once.
                asyncio.get_running_loop().call_soon(self._was_not_upgraded)
            elif last is not None and not last.done():
                self._maybe_done()
            else:
                self._complete()
        elif not self.is_client and engine.peer is not DONE:
            # The rest of the request is not worth waiting for: answer, then close.
            engine.keep_alive = False
            if self._last_write is None or self._last_write.done():
                # Not at once: the handler shall have finished before its delegate hears that the connection is closed.
                asyncio.get_running_loop().call_soon(self._abandon, context=self._request_context)
            else:
                self._last_write.add_done_callback(self._abandon, context=self._request_context)

    def _was_not_upgraded(self) -> None:
        self._upgraded = False
        self._maybe_done()

    def _break_off(self) -> None:
        if not self._over:
            self._engine.break_off()

    def _abandon(self, _: "Future[None] | None" = None) -> None:
        if not self._over:
            self._give_up()


class _Parsers(threading.local):
    """One parser for all connections of a thread, since it takes whole heads, one at a time; and the heads that it has read lately."""

    def __init__(self) -> None:
        self.by_choice: dict[str, tuple[HeadParser, dict[bytes, RequestHead], dict[bytes, KnownResponse]]] = {}


_parsers = _Parsers()


def _new_engine(is_client: bool, params: HTTP1ConnectionParameters) -> ServerEngine | ClientEngine:
    choice = select.chosen()
    found = _parsers.by_choice.get(choice)
    if found is None:
        found = _parsers.by_choice[choice] = select.parser(choice), {}, {}
    parser, requests, responses = found
    limits = params.max_header_size, params.chunk_size, params._max_header_fields
    return ClientEngine(parser, *limits, responses) if is_client else ServerEngine(parser, *limits, requests)


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
        pieces = self._inflated(self._inflater.feed(chunk))
        for piece in pieces:
            wanted = self._delegate.data_received(piece)
            if wanted is not None:
                return self._deliver_rest(wanted, pieces)
        return None

    async def _deliver_rest(self, wanted: Awaitable[None] | None, pieces: Iterator[bytes]) -> None:
        """Hand over the pieces that follow, each when the one before it has been dealt with."""
        while True:
            if wanted is not None:
                await wanted
            piece = next(pieces, None)
            if piece is None:
                return
            wanted = self._delegate.data_received(piece)

    @staticmethod
    def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from pieces
        except InflatedTooLarge:
            raise _BodyTooLarge("decompressed body too large") from None
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

    __slots__ = ("_connection", "_header_timer", "result", "takes_rest")

    def __init__(self, connection: HTTP1Connection) -> None:
        self._connection = connection
        self.takes_rest = connection.is_client  # a server may have refused what could not be written any more
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


def _is_watched(delegate: httputil.HTTPServerConnectionDelegate) -> bool:
    """Whether something that is no function stands in the place of `start_request`, as an agent's wrapper."""
    for cls in type(delegate).__mro__:
        step = vars(cls).get("start_request")
        if step is not None:
            return type(step) is not FunctionType
    return False


class _ServerSession:
    """Consumer of a server's stream: one exchange after the other until the stream closes."""

    __slots__ = (
        "_begun",
        "_clean_context",
        "_deadline",
        "_delegate",
        "_end_timer",
        "_gate",
        "_head_seconds",
        "_idle_timer",
        "_input_ended",
        "_latest",
        "_lent",
        "_loop",
        "_served",
        "_server",
        "_winding_down",
        "engine",
        "exchange",
        "stream",
    )

    def __init__(self, server: "HTTP1ServerConnection", delegate: httputil.HTTPServerConnectionDelegate) -> None:
        self._server = server
        self.stream = stream = server.stream
        self.engine = cast(ServerEngine, _new_engine(False, server.params))
        self.exchange: HTTP1Connection | None = None
        self._delegate: httputil.HTTPServerConnectionDelegate | None = delegate  # as long as it is served
        self._gate = _Gate(stream)
        # What each request's own context is a copy of. Nothing of the application runs in it.
        self._clean_context = contextvars.copy_context()
        self._latest = 0  # the id of the exchange that began last
        self._served = False  # one is over
        self._begun = False  # a request that was sent ahead has its turn, and may be answered at once
        self._winding_down = False
        self._lent = False  # a handler reads the stream itself
        self._input_ended = False  # the client sends no more
        self._end_timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop = stream.io_loop.asyncio_loop  # type: ignore[attr-defined]
        # The loop's time at which the next head has to be complete.
        self._deadline = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        # Answers go out whole, in as few writes as there are: there is nothing for the kernel to wait for (RFC 9293 §3.7.4).
        stream.set_nodelay(True)
        timeout = server.params.header_timeout
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

    # -- what the stream calls

    def data_received(self, data: bytes) -> None:
        exchange, engine = self.exchange, self.engine
        if exchange is None:
            server = self._server
            exchange = self.exchange = HTTP1Connection(self.stream, False, server.params, server.context)
            exchange._owner = self
            exchange._gate = self._gate
            exchange._engine = engine
            exchange._clean_context = clean = self._clean_context
            exchange._request_context = context = clean.copy()
            if self._winding_down:
                exchange.no_keep_alive = True
            self._latest = id(exchange)
            head = engine.take_whole(data)
            if head is None:
                context.run(exchange._input, data)
            else:
                context.run(exchange._on_whole_request, head)
        else:
            exchange._request_context.run(exchange._input, data)  # type: ignore[union-attr]  # ours have one
        # Requests sent ahead wait in the engine while one is served; no more than a head's worth of them.
        if engine.stored and engine.peer is DONE and self.exchange is exchange and len(engine.stored) > engine.max_head_bytes:
            self._gate.hold(_AHEAD)

    def lend(self) -> bytes | None:
        """The bytes that wait, for somebody who reads the stream by himself: a handler may, as soon as its request is read."""
        exchange = self.exchange
        if exchange is None or exchange._over or not exchange._read_done:
            return None
        self._lent = True
        self._gate.reasons = 0  # whoever reads decides
        return self.engine.take_waiting()

    def eof_received(self) -> bool:
        self._input_ended = True
        self._end_of_input(_TURNS_TO_ANSWER)
        return True

    def _end_of_input(self, turns: int) -> None:
        """The client sends no more, and may wait for answers even so: to all that it asked, but for the last only if one has begun.

        For it may as well be gone, which looks the same, and then a handler that waits for something has to hear of it: at once where it
        is the last, after some seconds where others wait behind it.
        """
        exchange, engine = self.exchange, self.engine
        if self._delegate is None:
            return
        if engine.waiting_bytes and (exchange is None or engine.peer is DONE):
            # The next request is served, or this one, and then we come back here.
            if exchange is not None and self._end_timer is None:
                self._end_timer = self._loop.call_later(_SECONDS_TO_ANSWER, self._on_end_timer, weakref.ref(exchange))
            return
        if exchange is not None and engine.peer is DONE:
            if engine.own is not IDLE and engine.may_bypass(1):
                return
            if turns and engine.own is IDLE:
                self._loop.call_soon(self._end_of_input, turns - 1, context=self._clean_context)
                return
        self.stream._close_when_written()

    def _on_end_timer(self, waiting: "weakref.ref[HTTP1Connection]") -> None:
        self._end_timer = None
        exchange = self.exchange
        if exchange is None or exchange is not waiting():
            self._end_of_input(0)
        elif self.engine.own is IDLE:
            self.stream._close_when_written()

    def stream_closed(self) -> None:
        exchange = self.exchange
        if exchange is not None:
            exchange._run(exchange._on_stream_closed)
        self._end()

    # -- what an exchange calls

    def exchange_done(self, connection: HTTP1Connection) -> None:
        self.exchange = None
        self._served = True
        engine = self.engine
        if not engine.next_exchange():
            self.stream.close()
            return
        if self._lent:
            self._lent = False
            if self.stream.reading():
                self.stream.close()  # it has become something else
                return
            self.stream._take_back(self)
        if self._idle_timer is not None:
            self._deadline = self._loop.time() + self._head_seconds
        if engine.stored:
            if len(engine.stored) > engine.max_head_bytes:
                # One request is served in each turn of the loop; a turn could bring more of them than that.
                self._gate.hold(_AHEAD)
            self._begun = True
            self._loop.call_soon(self._next_waiting, context=self._clean_context)
        elif self._input_ended:
            self._end_of_input(0)
        elif self._gate.reasons:
            self._gate.release(_AHEAD)

    def _next_waiting(self) -> None:
        """Serve the next request that was sent ahead, after all others on this loop had their turn."""
        engine = self.engine
        if self.exchange is None and self._delegate is not None and engine.stored:
            self.data_received(b"")
            self._begun = engine.peer is DONE
        if len(engine.stored) <= engine.max_head_bytes or engine.peer is not DONE:
            self._gate.release(_AHEAD)  # what waits behind a head is its body, which the exchange asks for as fast as it goes
        if self._input_ended:
            self._end_of_input(_TURNS_TO_ANSWER)

    def holds_answers(self, answers: int) -> bool:
        """Whether what the stream has collected waits one more turn, for the answer to a request that has begun just now."""
        begun, self._begun = self._begun, False
        return begun and answers < _MOST_HELD

    def exchange_lost(self, connection: HTTP1Connection, error: Exception | None) -> None:
        # It stays in its place until the stream is closed, and drops what still comes in.
        pass

    def may_detach(self, connection: HTTP1Connection) -> bool:
        """Whether an exchange that is done may still take the stream, because no other one has begun on it."""
        return self._delegate is not None and self._latest == id(connection)

    def exchange_detached(self, connection: HTTP1Connection) -> None:
        self.exchange = None
        self._end()

    def _end(self) -> None:
        delegate, self._delegate = self._delegate, None
        if delegate is None:
            return
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._end_timer is not None:
            self._end_timer.cancel()
        self._server._session_ended()
        delegate.on_close(self._server)

    # -- draining and deadlines

    def wind_down(self, idle_seconds: float = 0.0) -> None:
        self._winding_down = True
        exchange = self.exchange
        if exchange is not None:
            exchange.no_keep_alive = True  # for a head that is not complete yet
            if self.engine.peer is not IDLE:
                self.engine.keep_alive = False
        elif self._delegate is not None and not self.engine.waiting_bytes:
            idle_since = self._deadline - self._head_seconds
            if self._loop.time() - idle_since >= idle_seconds:
                self.stream.close()

    def stages(self) -> Iterable[tuple[object, bool]]:
        exchange = self.exchange
        if self._delegate is None or (exchange is None and self._served):
            return ()
        if exchange is None or self.engine.peer is IDLE:
            # The first head is waited for from the beginning of the connection.
            return ((exchange if self._served and exchange is not None else self, True),)
        return ((exchange, False),) if self.engine.peer is DONE else ()

    def cut_off(self, exchange: object, last_words: bytes) -> None:
        stream = self.stream
        if exchange is self.exchange and self.engine.own is IDLE and not stream.closed():
            stream.write(last_words)
        stream.close()


class _WatchedSession(_ServerSession):
    """One with a task of its own, which is `asyncio.current_task` while the delegate is called.

    For those who tell by it what belongs together: monitoring agents do. It costs as much as an exchange, so it is there where one watches.
    """

    __slots__ = ("_task",)

    def __init__(self, server: "HTTP1ServerConnection", delegate: httputil.HTTPServerConnectionDelegate) -> None:
        super().__init__(server, delegate)
        self._task = self._loop.create_task(server._until_ended(), context=self._clean_context)

    def data_received(self, data: bytes) -> None:
        asyncio.tasks._enter_task(self._loop, self._task)
        try:
            super().data_received(data)
        finally:
            asyncio.tasks._leave_task(self._loop, self._task)


class HTTP1ServerConnection:
    """A server's side of one connection: reads requests and has them answered until it closes."""

    _session: _ServerSession | None = None
    _ended: "Future[None] | None" = None
    _has_own_loop = False
    _serving_future: "Future[None] | None" = None

    @httputil._beyond_tornado
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_server_request_loop" in vars(cls):
            cls._has_own_loop = True

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
        self.stream: iostream.IOStream = stream
        self.params = params if params is not None else HTTP1ConnectionParameters()
        self.context = context

    async def close(self) -> None:
        """Close the connection; returns when its delegate has been told by ``on_close``."""
        self.stream.close()
        if self._serving_future is not None:
            await asyncio.wait([self._serving_future])
        elif self._session is not None:
            await self._until_ended()

    def start_serving(self, delegate: httputil.HTTPServerConnectionDelegate) -> None:
        """Begin to serve: ``delegate.start_request`` for each request, ``delegate.on_close`` at the end."""
        assert isinstance(delegate, httputil.HTTPServerConnectionDelegate)
        if self._has_own_loop:
            self._serving_future = gen.convert_yielded(self._server_request_loop(delegate))
            self.stream.io_loop.add_future(self._serving_future, lambda future: future.result())
        else:
            self._serve(delegate)

    def _serve(self, delegate: httputil.HTTPServerConnectionDelegate) -> None:
        if HTTP1Connection._reads_bodies:
            raise TypeError(f"{HTTP1Connection.__name__} overrides how bodies are read: HTTP1ServerConnection needs a loop that calls it")
        session = self._session = (_WatchedSession if _is_watched(delegate) else _ServerSession)(self, delegate)
        self.stream._attach_consumer(session)

    async def _until_ended(self) -> None:
        if self._ended is None:
            self._ended = Future()
        await asyncio.wait([self._ended])

    async def _server_request_loop(self, delegate: httputil.HTTPServerConnectionDelegate) -> None:
        """Serve until the connection ends: for classes that override it, and are then asked to serve, as Tornado asks them."""
        self._serve(delegate)
        await self._until_ended()

    def _session_ended(self) -> None:
        self._session = None
        if self._ended is not None:
            future_set_result_unless_cancelled(self._ended, None)

    @httputil._beyond_tornado
    def wind_down(self, idle_seconds: float = 0.0) -> None:
        """Close the connection if it has been idle for so long; else the answer under way, or the next one, is the last."""
        if self._session is not None:
            self._session.wind_down(idle_seconds)

    @httputil._beyond_tornado
    def exchanges(self) -> Iterable[httputil.HTTPConnection]:
        """The requests under way, each by what carries it."""
        return () if self._session is None or self._session.exchange is None else (self._session.exchange,)

    @httputil._beyond_tornado
    def stages(self) -> Iterable[tuple[object, bool]]:
        """What must come to an end: an object for each request, and whether its head is incomplete. Bodies have a limit of their own."""
        return () if self._session is None else self._session.stages()

    @httputil._beyond_tornado
    def cut_off(self, exchange: object, last_words: bytes) -> None:
        """End one of `stages`, with ``last_words`` (a response) where nothing was answered yet."""
        if self._session is not None:
            self._session.cut_off(exchange, last_words)


def parse_int(s: str) -> int:
    """A non-negative decimal integer in ASCII digits alone; `ValueError` for anything else (signs, spaces, underscores)."""
    if not (s.isascii() and s.isdigit()):
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


_imported_names.complete(globals())
