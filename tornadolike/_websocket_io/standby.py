"""A task that waits, and lends itself to the callbacks of a connection meanwhile."""

import asyncio
import contextvars
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable, Generator
from typing import Any, Protocol, cast

# How soon to look again whether a method of a handler's that runs the loop within the loop has returned.
NESTED_SECONDS = 0.01


class Lender(Protocol):
    """The connection whose task is lent: what a stream's events become there."""

    def _feed_engine(self, data: bytes) -> None: ...
    def _put_off(self, data: bytes) -> None: ...
    def _look_again(self) -> None: ...
    def _on_stream_closed(self) -> None: ...
    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


class Standby:
    """What a task waits for while its connection lives, so that callbacks can do the work in the task's place; to a stream, the consumer.

    What a task awaits is told the task's Context, for the call that wakes it up; before Python 3.12 there is no other way to learn it.
    So the callbacks of a handler run in the very Context in which its ``prepare`` ran, whoever has made the task and however; and
    meanwhile the task counts as the current one, as if it had called them.
    """

    __slots__ = ("_asyncio_future_blocking", "_connection", "_context", "_ended", "_error", "_loop", "_task", "_wake")

    def __init__(self, connection: Lender, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = self._ended = False
        self._error: BaseException | None = None
        self._connection = connection
        self._loop = loop
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._context = contextvars.copy_context()  # for those who wait, but not in a task
        self._wake: Callable[..., Any] | None = None

    # What a task asks of a future.

    def __await__(self) -> Generator[Any, Any, None]:
        return cast("Generator[Any, Any, None]", self)  # a generator would take two hundred bytes

    def __iter__(self) -> "Standby":
        return self

    def __next__(self) -> "Standby":
        if self._ended:
            self.result()
            raise StopIteration
        self._asyncio_future_blocking = True
        return self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[..., Any], *, context: contextvars.Context) -> None:
        self._wake, self._context = wake, context

    def cancel(self, msg: object = None) -> bool:
        if self._ended:
            return False
        self.end(asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        return True

    def result(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    # What a stream calls.

    def data_received(self, data: bytes) -> None:
        connection, loop, task = self._connection, self._loop, self._task
        try:
            _enter_task(loop, task)
        except RuntimeError:
            taken = self.run(connection._feed_engine, data)
        else:
            # As in `run`, with one call less for each message.
            taken = True
            try:
                self._context.run(connection._feed_engine, data)
            except BaseException as error:
                taken = self._failed(error)
            finally:
                _leave_task(loop, task)
        if not taken:
            connection._put_off(data)
            connection._look_again()

    def stream_closed(self) -> None:
        self._connection._on_stream_closed()

    def going_away(self) -> None:
        """The server is draining (RFC 6455 §7.4.1)."""
        self._connection.close(1001)

    # What the connection asks.

    def end(self, error: BaseException | None = None) -> None:
        """Let the task go on, or let it fail. What it fails with is not taken back by an end that comes afterwards."""
        if self._ended and error is None:
            return
        self._ended = True
        self._error = error
        wake, self._wake = self._wake, None
        if wake is not None:
            self._loop.call_soon(wake, self, context=self._context)

    def release(self) -> None:
        """The stream is gone and calls no more: leave no cycle with the connection."""
        del self._connection

    def run(self, function: Callable[[Any], None], argument: Any) -> bool:
        """Call a function as the task would, and in its Context. False: not now, something that was called so has not yet returned."""
        try:
            _enter_task(self._loop, self._task)
        except RuntimeError:
            return self._run_within(cast("asyncio.Task[Any]", asyncio.current_task()), function, argument)
        try:
            self._context.run(function, argument)
        except BaseException as error:
            return self._failed(error)
        finally:
            _leave_task(self._loop, self._task)
        return True

    def _failed(self, error: BaseException) -> bool:
        """What the Context raised which is being handled, or let through. False: it is entered already, and nothing was called."""
        if isinstance(error, SystemExit | KeyboardInterrupt):
            self.end(error)  # whoever ends the program does so in the task, which the loop lets through without a word
            return True
        if isinstance(error, RuntimeError) and error.__traceback__ is not None and error.__traceback__.tb_next is None:
            return False
        raise error

    def _run_within(self, other: "asyncio.Task[Any]", function: Callable[[Any], None], argument: Any) -> bool:
        """The same inside another task, which runs a loop of its own."""
        if other is self._task:
            return False
        _leave_task(self._loop, other)
        try:
            return self.run(function, argument)
        finally:
            _enter_task(self._loop, other)
