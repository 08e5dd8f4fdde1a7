"""From the bytes of a stream to the methods of a handler, one at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from operator import length_hint
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, cast

from tornadolike import gen
from tornadolike._websocket.engine import Engine
from tornadolike._websocket.errors import PeerError
from tornadolike._websocket.events import PING, PONG, Close, Event, Ping, Pong
from tornadolike._websocket_io.standby import NESTED_SECONDS, Standby
from tornadolike.concurrent import Future
from tornadolike.iostream import IOStream, StreamClosedError

_MAX_REASON_BYTES = 123
_NO_EVENTS: Iterator[Event] = iter(())


class Handling(Coroutine[Any, Any, None]):
    """A coroutine of the handler, which tells the connection from within its own last step that it is done.

    A callback of its task would come one round of the loop later; without, an echo by coroutine takes a fifth less on uvloop. An
    ``async def`` around the handler's would do as well, were it not for tasks that are cancelled before they begin.
    """

    __slots__ = ("_connection", "_work")

    def __init__(self, connection: "Receiver", work: Coroutine[Any, Any, None]) -> None:
        self._connection = connection
        self._work = work

    def send(self, value: Any) -> Any:
        return self._step(self._work.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._work.throw, *error)

    def _step(self, resume: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return resume(*arguments)
        except StopIteration:
            pass
        except (Exception, asyncio.CancelledError):
            self._connection._on_handler_error()
        except (SystemExit, KeyboardInterrupt) as error:
            self._connection._standby.end(error)
        self._connection._on_worked()
        raise StopIteration

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._work.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)  # for tools that show tasks: cr_frame and the like


class Delegate(Protocol):
    """Who is told."""

    def on_message(self, message: str | bytes) -> Awaitable[None] | None: ...
    def on_ping(self, data: bytes) -> Awaitable[None] | None: ...
    def on_pong(self, data: bytes) -> Awaitable[None] | None: ...


class Receiver:
    """The receiving half of a connection, which derives from it and does what is named below.

    What the stream brings goes through the engine to the handler in one synchronous call chain. It is interrupted, and reading
    pauses, while the handler is busy (an awaitable from ``on_message``) and after each portion of a flood of frames.
    """

    if TYPE_CHECKING:  # what the connection has and does
        handler: Delegate
        stream: IOStream
        client_terminated: bool
        server_terminated: bool
        close_code: int | None
        close_reason: str | None
        _engine: Engine
        _messages_in: int

        def _write_frame(self, fin: bool, opcode: int, data: bytes, flags: int = 0) -> "Future[None]": ...
        def _on_handler_error(self) -> None: ...
        def _abort(self) -> None: ...
        def _let_go(self) -> None: ...
        def _tell_end(self) -> None: ...
        def close(self, code: int | None = None, reason: str | None = None) -> None: ...

    # Defaults at the class: an idle connection pays only for what it has used.
    _wire_bytes_in = 0
    # Events that wait for the handler; not None means that it is busy.
    _held: Iterator[Event] | None = None
    # The task of a coroutine of the handler's, and whether something waits for its end.
    _task: "asyncio.Task[None] | None" = None
    _task_awaited = False
    # Bytes that came while it was busy.
    _backlog = b""
    _paused = False
    _stream_lost = False
    _standby: Standby
    """What the handler's task waits for, once the connection is open."""
    _received_pong = False
    # The pong that has not left yet, and the data of the latest ping since then.
    _pong_future: "Future[None] | None" = None
    _pending_pong: bytes | None = None

    def _begin_receiving(self) -> Standby:
        """Begin to receive, in the task that awaits the result. Cancelled, it ends; so it does when the connection is gone."""
        loop = asyncio.get_running_loop()
        standby = self._standby = Standby(self, loop)
        # Not before the task waits: only then its Context is known.
        loop.call_soon(self._start_receiving)
        return standby

    def _start_receiving(self) -> None:
        self.stream._attach_consumer(self._standby)

    def _put_off(self, data: bytes) -> None:
        self._backlog += data
        self._paused = True
        self.stream._pause_reading()

    def _look_again(self) -> None:
        self.stream.io_loop.call_later(NESTED_SECONDS, self._continue)

    def _feed_engine(self, data: bytes) -> None:
        """Take what the stream brings."""
        if self._held is not None:
            self._await_handler()
            self._put_off(data)
            return
        self._wire_bytes_in += len(data)
        try:
            events = self._engine.feed(data)
        except PeerError as error:
            self._fail(error)
            return
        delivered = self._deliver(iter(events))
        if self._engine.has_more:
            if delivered:
                # Others want a turn, too.
                self._held = _NO_EVENTS
                asyncio.get_running_loop().call_soon(self._continue)
            else:
                self._await_handler()

    def _deliver(self, events: Iterator[Event]) -> bool:
        """Hand events over until the handler is busy with one; whether it has done with all."""
        on_message: Callable[[Any], Awaitable[None] | None] = self.handler.on_message
        for event in events:
            if self.client_terminated:
                break
            kind = type(event)
            if kind is bytes or kind is str:
                self._messages_in += 1
                try:
                    result = on_message(event)
                except (Exception, asyncio.CancelledError):
                    self._on_handler_error()
                    break
            elif isinstance(event, Close):
                self._on_close_frame(event)
                break
            else:
                control = cast(Ping | Pong, event)
                result = self._handle_message(control.opcode, control.data)
            if result is not None and self._is_busy_with(result):
                self._held = events
                if length_hint(events):
                    self._await_handler()
                return False
        else:
            return True
        self._tell_if_gone()
        return True

    def _handle_message(self, opcode: int, data: bytes) -> Awaitable[None] | None:
        """A ping or a pong."""
        try:
            if opcode == PING:
                self._send_pong(data)
                return self.handler.on_ping(data)
            self._received_pong = True
            return self.handler.on_pong(data)
        except (Exception, asyncio.CancelledError):
            self._on_handler_error()
            return None

    def _is_busy_with(self, result: Awaitable[None]) -> bool:
        """Whether there is something to wait for; then ``_on_worked`` or ``_continue`` is called at its end."""
        if type(result) is CoroutineType:
            return self._start(result)
        try:
            future = gen.convert_yielded(result)
            if future.done():
                future.result()
                return False
        except (Exception, asyncio.CancelledError):
            self._on_handler_error()
            return False
        future.add_done_callback(self._continue)
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run a coroutine of the handler's in a task; whether there is something to wait for."""
        task = asyncio.get_running_loop().create_task(Handling(self, work))
        if task.done():  # the application has asked for eager tasks
            return False
        self._task = task
        self.stream.io_loop._register_task(task)
        return True

    def _on_worked(self) -> None:
        """The task is through. If nothing waits for that, the connection is as before it."""
        task, self._task = self._task, None
        if task is not None:
            self.stream.io_loop._unregister_task(task)
            if not self._task_awaited:
                self._held = None
            self._task_awaited = False

    def _await_handler(self) -> None:
        """Something waits for the handler's end: `_continue` is due then. Repeated calls are one."""
        if self._task is not None and not self._task_awaited:
            self._task_awaited = True
            self._task.add_done_callback(self._continue)

    def _continue(self, handled: "Future[Any] | None" = None) -> None:
        """What was held back, and what came in the meantime, in place of the stream."""
        if not self._standby.run(self._go_on, handled):
            self.stream.io_loop.call_later(NESTED_SECONDS, self._continue, handled)

    def _go_on(self, handled: "Future[Any] | None") -> None:
        """The handler is ready for more: for what was held back, then for what came in the meantime."""
        if handled is not None:
            try:
                handled.result()
            except (Exception, asyncio.CancelledError):
                self._on_handler_error()
        events, self._held = self._held, None
        if events is not None and not self._deliver(events):
            self._await_handler()
            return
        while self._held is None and not self.client_terminated and (self._engine.has_more or self._backlog):
            data = b""
            if not self._engine.has_more:
                data, self._backlog = self._backlog, b""
            self._feed_engine(data)
        if self._held is not None:
            self._await_handler()
            return
        if self._stream_lost:
            self._tell_end()
            self._finish()
        elif self._paused:
            self._paused = False
            self.stream._resume_reading()

    def _on_close_frame(self, event: Close) -> None:
        self.client_terminated = True
        self.close_code, self.close_reason = event.code, event.reason
        # The answer repeats the code (RFC 6455 §5.5.1).
        self.close(event.code)

    def _fail(self, error: PeerError) -> None:
        """Tell the peer what it did wrong, and drop it."""
        self.close(error.code, str(error).encode()[:_MAX_REASON_BYTES].decode(errors="ignore"))
        self._let_go()
        self._tell_end()

    def _tell_if_gone(self) -> None:
        """In the handler's task: tell it of the end before anybody else has a turn in which writing fails."""
        if self.stream.closed():
            self._tell_end()

    def _on_stream_closed(self) -> None:
        self._stream_lost = True
        if self._held is None:
            self._finish()
        else:
            self._await_handler()

    def _finish(self) -> None:
        self._abort()
        self._engine.feed_eof()
        self._standby.run(type(self)._tell_end, self)  # where that is not possible now, the task does it
        self._standby.end()
        self._standby.release()

    def _send_pong(self, data: bytes) -> None:
        """Answer a ping. While a pong has not left, only the latest ping is kept for an answer (RFC 6455 §5.5.3): a peer that pings
        and does not read fills no memory.
        """
        if self._pong_future is not None:
            self._pending_pong = data
            return
        if self.server_terminated:
            return
        try:
            future = self._write_frame(True, PONG, data)
        except StreamClosedError:
            self._abort()
            return
        if not future.done():
            self._pong_future = future
            future.add_done_callback(self._on_pong_sent)

    def _on_pong_sent(self, future: "Future[None]") -> None:
        self._pong_future = None
        latest, self._pending_pong = self._pending_pong, None
        if latest is not None and not future.cancelled() and future.exception() is None:
            self._send_pong(latest)
