"""Client and server sides of HTTP/1.x over an `.IOStream` (RFC 9112).

`HTTP1Connection` carries one exchange, `HTTP1ServerConnection` a whole server connection with any number of them. Both are
thin: what the bytes mean is decided by the engine in ``tornadolike._http1``; here its events reach a delegate, the delegate's
answer reaches the stream, and time-outs, back-pressure and closing are handled.

One chunk of input is one synchronous call chain, from the stream's byte source to the delegate; nothing is scheduled in between
unless the delegate itself returned an awaitable.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

from tornadolike import _imported_names, _inside, gen, httputil, iostream
from tornadolike._http.announced import announce
from tornadolike._http.content_coding import GzipInflater, InflatedTooLarge, InflateError
from tornadolike._http.log_text import one_line
from tornadolike._http1.engine import DONE, MAX_FIELDS, ClientEngine, ServerEngine
from tornadolike._http1.errors import BodyTooLong, HeadTooLarge, IllegalHeader, PeerError
from tornadolike._http1_io import gate, server_session
from tornadolike._http1_io.classic_reading import ClassicReading
from tornadolike._http1_io.endings import Endings
from tornadolike._http1_io.engines import new_engine
from tornadolike._http1_io.receiving import Receiving
from tornadolike._http1_io.sending import BURST_BYTES as _BURST_BYTES
from tornadolike._http1_io.sending import BURST_SECONDS as _BURST_SECONDS
from tornadolike._http1_io.sending import MOST_COPIED as _MOST_COPIED
from tornadolike._http1_io.sending import SMALL_PIECE as _SMALL_PIECE
from tornadolike._http1_io.sending import Sending
from tornadolike._http1_io.single_exchange import SingleExchange
from tornadolike._http1_io.state import BodyTooLargeInput
from tornadolike.concurrent import Future, future_set_result_unless_cancelled
from tornadolike.log import app_log, gen_log

if TYPE_CHECKING:

    class _Rooms(Receiving, ClassicReading, Sending, Endings): ...

else:
    _Rooms = httputil.HTTPConnection

CR_OR_LF_RE = re.compile(b"\r|\n")
"""What must not stand within a line of a head."""
DIGITS = re.compile(r"[0-9]+")
"""ASCII digits only, as in a Content-Length."""
HEXDIGITS = re.compile(r"[0-9a-fA-F]+")
"""ASCII hexadecimal digits only, as in the size of a chunk."""


_MAX_1XX_RESPONSES = 10


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


_BODY_READERS = frozenset(("_read_body", "_read_fixed_body", "_read_chunked_body", "_read_body_until_close"))


@_inside.made_of(Receiving, ClassicReading, Sending, Endings)
class HTTP1Connection(_Rooms):
    """One HTTP/1.x exchange on a stream, as client or as server.

    A client calls `write_headers`, `write` and `finish`, then `read_response`. On a server it is made by
    `HTTP1ServerConnection` for each request and is the ``connection`` of the request.
    """

    _interim_responses = 0
    _reads_bodies = False  # a subclass has a way of its own to do so

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
        # What every exchange reads; `state.ExchangeState` says what it is.
        self.stream = stream
        self.is_client = is_client
        self.params = params = HTTP1ConnectionParameters() if params is None else params
        self.context = context
        self.no_keep_alive = params.no_keep_alive
        self._over = self._read_done = self._delegate_open = self._upgraded = False
        self._delegate = self._close_callback = self._last_write = self._body_timer = None

    def _own_engine(self) -> ServerEngine | ClientEngine:
        """The engine; a new one where nobody has given it one."""
        if self._engine is None:
            self._engine = new_engine(self.is_client, self.params)
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
        owner = SingleExchange(self)
        self._owner = owner
        self._own_engine()
        self._deliver_to(delegate)
        if self._reads_bodies:
            return self._read_in_its_own_way(owner)
        self.stream._attach_consumer(owner)
        if self.stream is not None and not self._over and self._engine.waiting_bytes:
            self._input(b"")
        owner.watch_header_timeout()
        return owner.result

    def _read_body(self, code: int, headers: httputil.HTTPHeaders, delegate: httputil.HTTPMessageDelegate) -> Awaitable[None] | None:
        """Read the body of a request; for classes that override it, or one of the next three. Others are given what the engine reads."""
        field = headers.get("Content-Length")
        if is_transfer_encoding_chunked(headers):
            return self._read_chunked_body(delegate)
        length = 0 if field is None else parse_int(field)
        if length > self._body_limit():
            raise BodyTooLargeInput("Content-Length too long")
        return self._read_fixed_body(length, delegate)

    # -- endings

    # What the rooms ask for under names that programs replace.

    def _inflating(self, delegate: httputil.HTTPMessageDelegate) -> httputil.HTTPMessageDelegate:
        return _GzipMessageDelegate(delegate, self)

    def _count_interim(self) -> None:
        if self._interim_responses >= _MAX_1XX_RESPONSES:
            raise PeerError("Too many 1xx responses")
        self._interim_responses += 1

    @staticmethod
    def _length_in(field: str) -> int:
        return parse_int(field)

    @staticmethod
    def _chunk_size(line: str) -> int:
        return parse_hex_int(line)

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

    def _tell_delegate_of_close(self) -> None:
        if self._delegate_open and self._delegate is not None:
            self._delegate_open = False
            try:
                self._delegate.on_connection_close()
            except (Exception, asyncio.CancelledError):  # whatever it is, the connection has to be wound up
                app_log.error("Uncaught exception", exc_info=True)

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

    def _task_of_connection(self) -> "asyncio.Task[None] | None":
        owner = self._owner
        return owner._server._task_of_connection() if isinstance(owner, _ServerSession) else None

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
            self._gate.hold(gate.GONE)
        waiting = self._own_engine().take_waiting()
        if owner is not None:
            stream._detach_consumer(waiting)
            owner.exchange_detached(self)
        # Who speaks another protocol now may do so for long, and the handler, its request and this are there as long.
        self.stream = self._engine = self._gate = self._clean_context = None  # type: ignore[assignment]
        return stream

    def _remains(self) -> "HTTP1Connection":
        """What can stand in the place of this after `detach`, and is half as large."""
        return _GivenAway(self) if type(self) is HTTP1Connection else self

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
        if chunk is None:
            chunk = b""
        try:
            data: bytes | None = None
            if len(chunk) <= _MOST_COPIED and not self.is_client and type(headers) is httputil.HTTPHeaders:
                # Most of all answers: head and body at once, and both sides like to go on.
                data = engine.send_whole(start_line, headers._head, headers._joined, chunk)
            if data is None:
                data = self._head_and_chunk(start_line, headers, chunk)
        except BodyTooLong:
            raise self._too_long() from None
        except (IllegalHeader, ValueError) as error:
            if not self.is_client:
                # There is no response that could follow; without this the peer would wait for one.
                self.stream.close()
            raise ValueError(str(error)) from None
        if engine.stored and engine.peer is DONE and (future := self._collect_answer(data)) is not None:
            return future
        try:
            future = self._last_write = self.stream.write(data)
        except iostream.StreamClosedError as error:
            return self._lost(error)
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

    def finish(self) -> None:
        """End our message. Raises `.HTTPOutputError`, and closes, when less than the announced Content-Length was written.

        On a server the connection is then ready for the next request, or closed where either side asked for it, or where the request's
        body has not been read. Once the exchange has ended, it does nothing.
        """
        stream, engine = self.stream, self._engine
        if self._over or engine.own is DONE:
            return
        if engine.unsent_bytes:
            if not self._end_body():
                return
        else:
            engine.own = DONE
            if stream._collected is not None and not (engine.stored and engine.keep_alive) and not stream.closed():
                self._last_write = stream.write(b"")  # else it goes out with the answer to what was sent ahead
        if not self._read_done:
            if not self.is_client and engine.peer is not DONE:
                self._end_unread()
        elif self._upgraded:
            # Whoever speaks another protocol now takes the stream, and does so at once.
            asyncio.get_running_loop().call_soon(self._was_not_upgraded)
        else:
            last = self._last_write
            if last is not None and not last.done():
                self._maybe_done()
            else:
                self._complete()


class _GivenAway(HTTP1Connection):
    """What is left of an exchange whose stream was given away: a WebSocket's request has it for long."""

    is_client = _upgraded = _delegate_open = False
    _over = _read_done = True
    stream = _engine = _gate = _owner = _clean_context = None  # type: ignore[assignment]  # as after `detach`
    _delegate = _close_callback = _last_write = _body_timer = _rest = None

    def __init__(self, exchange: HTTP1Connection) -> None:
        self.params = exchange.params
        self.context = exchange.context
        self.no_keep_alive = exchange.no_keep_alive
        self._request_context = exchange._request_context


# What uploads and answers in pieces have, of which thirty may begin at once.
announce(HTTP1Connection, ("_rest", "_max_body_size", "_burst_bytes", "_sent_at", "_was_alone", "_alone_left"))


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
            raise BodyTooLargeInput("decompressed body too large") from None
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


class _ServerSession(server_session.ServerSession):
    """Makes each exchange, by the name that programs replace."""

    __slots__ = ()

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
            self._gate.hold(gate.AHEAD)


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
    _ended: "tuple[Future[None], ...]" = ()  # those who wait for it, each with his own: one that is cancelled is nobody else's
    _lent_task: "asyncio.Task[None] | None" = None
    _lent_until: "Future[None] | None" = None
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
        session = self._session = (_WatchedSession if server_session.is_watched(delegate) else _ServerSession)(self, delegate)
        self.stream._attach_consumer(session)

    async def _until_ended(self) -> None:
        if self._session is not None:  # a task begins a turn later, and the end may have come meanwhile
            ended: Future[None] = Future()
            self._ended += (ended,)
            await ended

    async def _server_request_loop(self, delegate: httputil.HTTPServerConnectionDelegate) -> None:
        """Serve until the connection ends: for classes that override it, and are then asked to serve, as Tornado asks them."""
        self._serve(delegate)
        await self._until_ended()

    def _task_of_connection(self) -> "asyncio.Task[None] | None":
        """What `HTTPConnection._task_of_connection` of its exchanges gives: made when first asked for."""
        if self._lent_task is None and self._session is not None:
            loop: asyncio.AbstractEventLoop = self.stream.io_loop.asyncio_loop  # type: ignore[attr-defined]
            context = self._session._clean_context if loop.get_task_factory() is None else None  # a factory may not know of contexts
            self._lent_until = Future(loop=loop)
            self._lent_task = task = loop.create_task(_lent(self._lent_until), context=context)
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it does nothing that could be lost with the loop
        return self._lent_task

    def _end_lent_task(self) -> None:
        """Nobody will ask for it, for long."""
        until, self._lent_until, self._lent_task = self._lent_until, None, None
        if until is not None:
            future_set_result_unless_cancelled(until, None)

    def _session_ended(self) -> None:
        self._session = None
        self._end_lent_task()
        for waiting in self._ended:
            future_set_result_unless_cancelled(waiting, None)
        self._ended = ()

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


async def _lent(until: "Future[None]") -> None:
    """What the task of a connection does: it is there."""
    await until


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
