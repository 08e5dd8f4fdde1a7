"""The way in: from the bytes of the stream to the delegate, which may hold it back. See docs/design/index.md."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import CoroutineType
from typing import Any, cast

from tornadolike import gen, httputil
from tornadolike._http1.engine import DONE, IDLE
from tornadolike._http1.events import END, START, BodyChunk, BodyStart, Event, MessageEnd, RequestHead, ResponseHead
from tornadolike._http1_io import gate
from tornadolike._http1_io.state import CONTINUE, ExchangeState
from tornadolike.concurrent import Future


class Receiving(ExchangeState):
    """The receiving half of an exchange."""

    def _deliver_to(self, delegate: httputil.HTTPMessageDelegate) -> None:
        if self.params.decompress:
            delegate = self._inflating(delegate)
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
        engine = self._engine
        try:
            if not engine.takes_piece(data):
                self._pump(iter(engine.feed(data)))
            elif self.is_client or engine.own is not DONE:
                wanted = self._delegate.data_received(data)  # type: ignore[union-attr]  # a piece of the body, behind a head
                if wanted is not None and not self._over:
                    self._has_to_wait(wanted, iter(()))
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
                self._hold(gate.TURN)
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
        delegate = self._delegate
        if delegate is None:
            session: Any = self._owner
            delegate = session._delegate.start_request(session._server, self)
            if self.params.decompress:
                delegate = self._inflating(delegate)
            self._delegate = delegate
        self._delegate_open = True
        line = head.known_line
        if line is None:
            line = line_of(head)
        return delegate.headers_received(line, httputil.HTTPHeaders._from_wire(head.headers, head.bare))

    def _on_response(self, head: ResponseHead) -> Awaitable[None] | None:
        assert self._delegate is not None
        headers = httputil.HTTPHeaders._from_wire(head.headers)
        start_line = httputil.ResponseStartLine(head.version, head.status, head.reason)
        self._delegate_open = not 100 <= head.status < 200
        wanted = self._delegate.headers_received(start_line, headers)
        if 100 <= head.status < 200:
            self._count_interim()
        return wanted

    def _on_body_start(self) -> None:
        """The delegate has seen the head of a message with a body: limits, 100-continue, time-out."""
        engine = self._engine
        engine.limit_body(self._body_limit())
        if engine.own is IDLE and engine.expects_continue:
            self.stream._write_now(CONTINUE)
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
        self._hold(gate.HANDLER)
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
            self._gate = gate.Gate(self.stream)
        self._gate.hold(reason)

    def _release_gate(self) -> None:
        if self._gate is not None:  # None: nothing was held back yet, or the stream was given away meanwhile
            self._gate.release(gate.HANDLER | gate.TURN)

    def _go_on(self, future: "Future[None] | None" = None) -> None:
        """The delegate is ready for more, or everybody else has had a turn."""
        self._release_gate()
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


def line_of(head: RequestHead) -> httputil.RequestStartLine:
    """The start line of a request; the same object for heads that come again."""
    if head.known_line is None:
        head.known_line = httputil._request_start_line(head.start_line)
    line: httputil.RequestStartLine = head.known_line
    return line
