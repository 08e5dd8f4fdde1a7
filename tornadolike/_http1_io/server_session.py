"""A server's connection while it lasts: one exchange after the other, requests that were sent ahead, deadlines, and the end."""

import asyncio
import contextvars
import weakref
from collections.abc import Iterable
from types import FunctionType
from typing import Any, Protocol, cast

from tornadolike import httputil, iostream
from tornadolike._http1.engine import DONE, IDLE, ServerEngine
from tornadolike._http1.idle import IdleDeadlines, Slot
from tornadolike._http1_io import gate
from tornadolike._http1_io.engines import new_engine
from tornadolike._http1_io.state import ExchangeState

_TURNS_TO_ANSWER = 8  # for a handler that waits for nothing but its turn, after the client's end of input
_SECONDS_TO_ANSWER = 5.0  # for one that waits, where others were asked for behind it
_MOST_HELD = 32
# Who has just connected will ask: where thousands come at once, that takes them longer than a request that is on its way.
_TIMES_FOR_FIRST = 5


class _Server(Protocol):
    """The `HTTP1ServerConnection`."""

    stream: iostream.IOStream
    params: Any
    context: Any

    def _session_ended(self) -> None: ...
    def _task_of_connection(self) -> asyncio.Task[None] | None: ...
    async def _until_ended(self) -> None: ...


def _idle_deadlines_of(io_loop: Any) -> dict[float, IdleDeadlines]:
    known: dict[float, IdleDeadlines] | None = getattr(io_loop, "_idle_deadlines", None)
    if known is None:
        known = io_loop._idle_deadlines = {}
    return known


class ServerSession:
    """Consumer of a server's stream: one exchange after the other until the stream closes. Who makes them derives from it."""

    __slots__ = (
        "_begun",
        "_clean_context",
        "_delegate",
        "_end_timer",
        "_gate",
        "_idle_since",
        "_idle_slot",
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

    def __init__(self, server: _Server, delegate: httputil.HTTPServerConnectionDelegate) -> None:
        self._server = server
        self.stream = stream = server.stream
        self.engine = cast(ServerEngine, new_engine(False, server.params))
        self.exchange: ExchangeState | None = None
        self._delegate: httputil.HTTPServerConnectionDelegate | None = delegate  # as long as it is served
        self._gate = gate.Gate(stream)
        # What each request's own context is a copy of. Nothing of the application runs in it.
        here, streams_own = contextvars.copy_context(), getattr(stream, "_context", None)
        self._clean_context = streams_own if here == streams_own else here
        self._latest = 0  # the id of the exchange that began last
        self._served = False  # one is over
        self._begun = False  # a request that was sent ahead has its turn, and may be answered at once
        self._winding_down = False
        self._lent = False  # a handler reads the stream itself
        self._input_ended = False  # the client sends no more
        self._end_timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop = stream.io_loop.asyncio_loop  # type: ignore[attr-defined]
        self._idle_since = self._loop.time()  # when an exchange ended last
        self._idle_slot: Slot | None = None
        # Answers go out whole, in as few writes as there are: there is nothing for the kernel to wait for (RFC 9293 §3.7.4).
        stream.set_nodelay(True)
        timeout = server.params.header_timeout
        if timeout is not None:
            self._idle_slot = self._deadlines(timeout).watch(self, self._idle_since + timeout)

    def _deadlines(self, timeout: float) -> IdleDeadlines:
        """Those of all connections on this loop with the same time-out."""
        known: dict[float, IdleDeadlines] = _idle_deadlines_of(self.stream.io_loop)
        found = known.get(timeout)
        if found is None:
            found = known[timeout] = IdleDeadlines(self._loop, timeout)
        return found

    def look_at_deadline(self) -> None:
        # The deadline moves: a connection is looked at once in the time-out, not armed for each request.
        self._idle_slot = None
        timeout = self._server.params.header_timeout
        if timeout is None:  # no longer
            return
        now = self._loop.time()
        deadline = self._idle_since + timeout
        if self.engine.peer is IDLE and now >= deadline:
            self.stream.close()
            return
        self._idle_slot = self._deadlines(timeout).watch(self, deadline if deadline > now else now + timeout)

    # -- what the stream calls

    def data_received(self, data: bytes) -> None:
        raise NotImplementedError

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

    def _on_end_timer(self, waiting: weakref.ref[ExchangeState]) -> None:
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

    def exchange_done(self, connection: ExchangeState) -> None:
        self.exchange = None
        self._served = True
        engine, gated = self.engine, self._gate
        if gated.reasons:
            gated.release(gate.HANDLER | gate.TURN)
        if not engine.keep_alive:
            stream = self.stream
            if engine.waiting_bytes:
                # Who sends more than he was asked for may go on doing so. A stream that is none of ours knows no other way.
                getattr(stream, "_close_gracefully", stream.close)()
            else:
                stream.close()
            return
        engine.peer = engine.own = IDLE  # `next_exchange`: both are done
        self._idle_since = self._loop.time()
        if self._lent:
            self._lent = False
            if self.stream.reading():
                self.stream.close()  # it has become something else
                return
            self.stream._take_back(self)
        if engine.stored:
            if len(engine.stored) > engine.max_head_bytes:
                # One request is served in each turn of the loop; a turn could bring more of them than that.
                gated.hold(gate.AHEAD)
            self._begun = True
            self._loop.call_soon(self._next_waiting, context=self._clean_context)
        elif self._input_ended:
            self._end_of_input(0)
        elif gated.reasons:
            gated.release(gate.AHEAD)

    def _next_waiting(self) -> None:
        """Serve the next request that was sent ahead, after all others on this loop had their turn."""
        engine = self.engine
        if self.exchange is None and self._delegate is not None and engine.stored:
            self.data_received(b"")
            self._begun = engine.peer is DONE
        if len(engine.stored) <= engine.max_head_bytes or engine.peer is not DONE:
            self._gate.release(gate.AHEAD)  # what waits behind a head is its body, which the exchange asks for as fast as it goes
        if self._input_ended:
            self._end_of_input(_TURNS_TO_ANSWER)

    def holds_answers(self, answers: int) -> bool:
        """Whether what the stream has collected waits one more turn, for the answer to a request that has begun just now."""
        begun, self._begun = self._begun, False
        return begun and answers < _MOST_HELD

    def exchange_lost(self, connection: ExchangeState, error: Exception | None) -> None:
        # It stays in its place until the stream is closed, and drops what still comes in.
        pass

    def may_detach(self, connection: ExchangeState) -> bool:
        """Whether an exchange that is done may still take the stream, because no other one has begun on it."""
        return self._delegate is not None and self._latest == id(connection)

    def exchange_detached(self, connection: ExchangeState) -> None:
        self.exchange = None
        self._end()

    def _end(self) -> None:
        delegate, self._delegate = self._delegate, None
        if delegate is None:
            return
        if self._idle_slot is not None:
            self._idle_slot.forget(self)
            self._idle_slot = None
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
            idle = self._loop.time() - self._idle_since
            if idle >= (idle_seconds if self._served else idle_seconds * _TIMES_FOR_FIRST):
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


def is_watched(delegate: httputil.HTTPServerConnectionDelegate) -> bool:
    """Whether something that is no function stands in the place of `start_request`, as an agent's wrapper."""
    for cls in type(delegate).__mro__:
        step = vars(cls).get("start_request")
        if step is not None:
            return type(step) is not FunctionType
    return False
