"""Coroutines written as generators, and tools for futures that serve native coroutines as well.

New code is better off with ``async def``; both kinds can await or yield each other. A decorated generator yields what it waits for::

    class Handler(RequestHandler):
        @gen.coroutine
        def get(self):
            first, second = yield [fetch(url1), fetch(url2)]
            self.write({"first": first.body, "second": second.body})

It may yield futures, awaitables, lists and dicts of them (waited for in parallel), ``None`` (let the loop run once), and whatever
`convert_yielded` has been taught.
"""

import asyncio
import concurrent.futures
import contextvars
import datetime as dt
import functools
import sys
import threading
import traceback
import types
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from functools import singledispatch
from inspect import isawaitable
from typing import Any, TypeVar, Union, cast, overload

from tornadolike import _imported_names
from tornadolike._loop import factory
from tornadolike.concurrent import (
    Future,
    _copy_outcome,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
    is_future,
)
from tornadolike.ioloop import IOLoop
from tornadolike.log import app_log
from tornadolike.util import TimeoutError as TimeoutError  # noqa: A004, PLC0414 - a re-export: programs import it from here

_T = TypeVar("_T")

_Yieldable = Union[None, Awaitable[Any], list[Awaitable[Any]], dict[Any, Awaitable[Any]], "concurrent.futures.Future[Any]"]

_QuietExceptions = type[Exception] | tuple[type[Exception], ...]

_running_loop = factory.running_event_loop


class KeyReuseError(Exception):
    """Kept for code that names it; nothing raises it any more."""


class UnknownKeyError(Exception):
    """Kept for code that names it; nothing raises it any more."""


class LeakedCallbackError(Exception):
    """Kept for code that names it; nothing raises it any more."""


class BadYieldError(Exception):
    """A coroutine yielded, or a function returned, something that cannot be waited for."""


class ReturnValueIgnoredError(Exception):
    """Kept for code that names it; nothing raises it any more."""


class Return(Exception):
    """Raised inside a `coroutine` to end it with a result. ``return value`` does the same and reads better."""

    def __init__(self, value: Any = None) -> None:
        super().__init__(value)
        self.value = value
        self.args = (value,)


# Whether asyncio might make a loop on its own, of another kind than IOLoop does, for a future that is made while none runs. Until
# Python 3.13 it does so in the main thread, unless one was set there before. (To ask each time whether one runs would be dearer than to
# make the future: the system is asked for the process's number, to be sure that it was not forked.)
_unsure = sys.version_info < (3, 14)


def _find_loop() -> None:
    """To be called before a future is made, as long as ``_unsure``: what is current then is what IOLoop says.

    In other threads the lack of a loop is an error, and asyncio says so: what is made there would never run.
    """
    global _unsure
    if threading.current_thread() is threading.main_thread():
        if _running_loop() is None:
            IOLoop.current()
        _unsure = not getattr(getattr(asyncio.get_event_loop_policy(), "_local", None), "_set_called", False)


def _create_future() -> "Future[Any]":
    if _unsure:
        _find_loop()
    future: Future[Any] = Future()
    if future._source_traceback is not None:  # type: ignore[attr-defined] # asyncio's debug mode
        _hide_this_file(future._source_traceback)  # type: ignore[attr-defined]  # asyncio sets it in debug mode
    return future


def _hide_this_file(created_at: list[traceback.FrameSummary]) -> None:
    """A future is to be reported as made where the caller's code is."""
    while created_at and created_at[-1].filename == __file__:
        created_at.pop()


def _finished(value: _T) -> "Future[_T]":
    if _unsure:
        _find_loop()
    future: Future[_T] = Future()
    future.set_result(value)
    return future


def _failed(error: BaseException) -> "Future[Any]":
    future = _create_future()
    future.set_exception(error)
    return future


def _future_of(yielded: _Yieldable) -> "Future[Any]":
    """As `convert_yielded`, which need not be asked about a future: it says that same future, and is slow to say so."""
    return yielded if isinstance(yielded, Future) else convert_yielded(yielded)


def _when_done(future: "Future[Any]", callback: Callable[["Future[Any]"], None]) -> None:
    """Call back in the loop: now where the future is done, else later; a future of `concurrent.futures` never in its thread."""
    if future.done():
        callback(future)
    elif isinstance(future, Future):
        future.add_done_callback(callback)
    else:
        IOLoop.current().add_future(future, callback)


@overload
def coroutine(func: Callable[..., "Generator[Any, Any, _T]"]) -> Callable[..., "Future[_T]"]: ...


@overload
def coroutine(func: Callable[..., _T]) -> Callable[..., "Future[_T]"]: ...


def coroutine(func: Callable[..., Any]) -> Callable[..., "Future[Any]"]:
    """Decorate a generator function: calling it runs it up to its first pending ``yield``, and returns a `Future` for its result.

    Each ``yield`` gives the result of what was yielded, or raises its exception, at that place. Each call has its own copy of the
    context variables. A function that is no generator may be decorated too: its value or exception becomes the future's.

    The caller must ``yield`` or ``await`` the future, or hand it to someone who does: otherwise exceptions go unnoticed until asyncio
    reports the forgotten future. Cancelling the future does not stop the generator.
    """

    @functools.wraps(func)
    def start(*args: Any, **kwargs: Any) -> "Future[Any]":
        future, yielded = _create_future(), None
        run_in_context = contextvars.copy_context().run
        try:
            try:
                made = run_in_context(func, *args, **kwargs)
                if type(made) is not types.GeneratorType and not isinstance(made, Generator):
                    future.set_result(made)
                    return future
                yielded = run_in_context(next, made)
            except (StopIteration, Return) as end:
                future.set_result(end.value)
            except asyncio.CancelledError:
                future.cancel()
            except Exception as error:
                future.set_exception(error)
            else:
                # As long as someone holds the future, its coroutine is alive.
                future._runner = Runner(run_in_context, made, future, yielded)  # type: ignore[attr-defined]  # the future keeps its runner alive
            return future
        finally:
            # The traceback of an exception that either ends with leads back to this frame: that would be a cycle.
            del future, yielded

    start.__tornado_coroutine__ = True  # type: ignore[attr-defined]  # the mark of a coroutine
    return start


def is_coroutine_function(func: Any) -> bool:
    """Whether ``func`` was decorated with `coroutine`. Native ``async def`` functions are not meant."""
    return getattr(func, "__tornado_coroutine__", False)


class WaitIterator:
    """Hands out the results of several futures in the order in which they arrive.

    Futures are passed by position or by name, not both (`ValueError`). ``current_index`` tells the position or name of the result
    that was handed out last, ``current_future`` its future; both are ``None`` after `done` has said that no result is left.
    A future that is passed twice is handed out twice.

    ::

        waiting = gen.WaitIterator(*futures)
        async for result in waiting:
            print(waiting.current_index, result)
    """

    def __init__(self, *args: "Future[Any]", **kwargs: "Future[Any]") -> None:
        if args and kwargs:
            raise ValueError("You must provide args or kwargs, not both")
        self.current_index: str | int | None = None
        self.current_future: Future[Any] | None = None
        self._finished: deque[Future[Any]] = deque()
        self._running_future: Future[Any] | None = None
        # The position or name of each that was not handed out; of one that was passed twice, both, one in the other list.
        self._unfinished: dict[Future[Any], str | int] = {}
        self._repeated: list[tuple[Future[Any], str | int]] = []
        for index, future in kwargs.items() if kwargs else enumerate(args):
            if future in self._unfinished:
                self._repeated.append((future, index))
            else:
                self._unfinished[future] = index
            _when_done(future, self._done_callback)

    def done(self) -> bool:
        """Whether every result has been handed out."""
        if self._unfinished:
            return False
        self.current_index = self.current_future = None
        return True

    def next(self) -> "Future[Any]":
        """A future for the next result or exception. Call it once `done` has said that there is one, and not again before it is done."""
        if self._finished:
            done = self._finished.popleft()
            self._hand_out(done)
            if isinstance(done, Future):
                return done
            wanted = _create_future()
            _copy_outcome(wanted, done)
        else:
            self._running_future = wanted = _create_future()
        return wanted

    def _done_callback(self, done: "Future[Any]") -> None:
        wanted = self._running_future
        if wanted is None or wanted.done():
            self._finished.append(done)
            return
        self._running_future = None
        self._hand_out(done)
        _copy_outcome(wanted, done)

    def _hand_out(self, done: "Future[Any]") -> None:
        self.current_future = done
        self.current_index = self._unfinished.pop(done)
        for again in self._repeated:
            if again[0] is done:
                self._repeated.remove(again)
                self._unfinished[done] = again[1]
                break

    def __aiter__(self) -> AsyncIterator[Any]:
        return cast(AsyncIterator[Any], self)

    def __anext__(self) -> "Future[Any]":
        if self.done():
            raise StopAsyncIteration
        return self.next()


@overload
def multi(children: Sequence[_Yieldable], quiet_exceptions: _QuietExceptions = ()) -> "Future[list[Any]]": ...


@overload
def multi(children: Mapping[Any, _Yieldable], quiet_exceptions: _QuietExceptions = ()) -> "Future[dict[Any, Any]]": ...


def multi(
    children: Sequence[_Yieldable] | Mapping[Any, _Yieldable],
    quiet_exceptions: _QuietExceptions = (),
) -> "Future[list[Any]] | Future[dict[Any, Any]]":
    """Wait for several things at once: a future for the list of their results, or for the dict where ``children`` is one.

    It is what a coroutine gets that yields a list or a dict. All children are waited for, even when one has failed. The first
    exception, in the order of ``children``, becomes the future's; others are logged, except cancellations and ``quiet_exceptions``.
    """
    return multi_future(children, quiet_exceptions)


Multi = multi
"""Another name of `multi`."""


def multi_future(
    children: Sequence[_Yieldable] | Mapping[Any, _Yieldable],
    quiet_exceptions: _QuietExceptions = (),
) -> "Future[list[Any]] | Future[dict[Any, Any]]":
    """The same as `multi`."""
    keys = None
    if type(children) is not list and isinstance(children, Mapping):
        keys, children = list(children), list(children.values())
    futures = [_future_of(child) for child in children]
    answer = _create_future()
    # Who waits for the answer keeps the children alive, coroutines among them.
    answer._children = futures  # type: ignore[attr-defined]  # as asyncio.gather() does
    _Gathering(futures, keys, answer, quiet_exceptions).go_on(answer)
    return answer


class _Gathering:
    """Waits for futures one after the other, since all of them have to be done: most are by the time that the first one is."""

    __slots__ = ("_answer", "_futures", "_keys", "_left", "_quiet")

    def __init__(self, futures: "list[Future[Any]]", keys: list[Any] | None, answer: "Future[Any]", quiet: _QuietExceptions) -> None:
        self._futures, self._keys, self._answer, self._quiet = futures, keys, answer, quiet
        self._left = iter(futures)

    def go_on(self, _: "Future[Any]") -> None:
        for future in self._left:
            if not future.done():
                _when_done(future, self.go_on)
                return
        self._finish()

    def _finish(self) -> None:
        answer = self._answer
        answer._children = None  # type: ignore[attr-defined]  # as above
        results = []
        for future in self._futures:
            error = _exception_of(future)
            if error is None:
                results.append(future.result())
            elif not answer.done():
                answer.set_exception(error)
            elif not isinstance(error, (asyncio.CancelledError, self._quiet)):
                app_log.error("Multiple exceptions in yield list", exc_info=error)
        if not answer.done():
            answer.set_result(results if self._keys is None else dict(zip(self._keys, results, strict=True)))


def _exception_of(future: "Future[Any]") -> BaseException | None:
    """How a finished future failed, its cancellation included. Nothing is raised here, so the traceback gets no new frames."""
    if isinstance(future, _NullFuture):
        return None
    if future.cancelled():
        return asyncio.CancelledError()
    return future.exception()


def maybe_future(x: Any) -> "Future[Any]":
    """``x`` itself where it is a future, else a finished future with the result ``x``.

    Deprecated: it leaves native coroutines and other awaitables unstarted; `convert_yielded` does not.
    """
    return x if is_future(x) else _finished(x)


def with_timeout(
    timeout: float | dt.timedelta,
    future: _Yieldable,
    quiet_exceptions: _QuietExceptions = (),
    *,
    message: str | Callable[[], str] | None = None,
) -> "Future[Any]":
    """A future that ends as ``future`` does, or fails with `TimeoutError` at ``timeout``, whichever comes first.

    ``timeout`` is a deadline as for `.IOLoop.add_timeout`: a time, or a `datetime.timedelta` from now. ``message`` is the text of the
    `TimeoutError`, or a function that makes it, called when it is needed. ``future`` is anything that can be yielded.

    ``future`` goes on after the timeout. An exception that it raises then is logged, unless it is one of ``quiet_exceptions``; who
    wants it stopped has to cancel it.
    """
    waited = _future_of(future)
    answer = _create_future()
    if isinstance(waited, _NullFuture):
        answer.set_result(None)
        return answer
    if waited.done():
        _copy_outcome(answer, waited)
        return answer
    io_loop = IOLoop.current()
    timer = io_loop.add_timeout(timeout, _expire, waited, answer, quiet_exceptions, message)

    def settle(done: "Future[Any]") -> None:
        io_loop.remove_timeout(timer)
        _copy_outcome(answer, done)

    _when_done(waited, settle)
    return answer


def _expire(
    waited: "Future[Any]",
    answer: "Future[Any]",
    quiet: _QuietExceptions,
    message: str | Callable[[], str] | None,
) -> None:
    if not answer.done():
        text = message() if callable(message) else message
        answer.set_exception(TimeoutError("Timeout" if text is None else text))

    def report(late: "Future[Any]") -> None:
        error = _exception_of(late)
        if error is not None and not isinstance(error, (asyncio.CancelledError, quiet)):
            app_log.error("Exception in Future %r after timeout", late, exc_info=error)

    _when_done(waited, report)


def sleep(duration: float) -> "Future[None]":
    """A future that is done after ``duration`` seconds; ``yield`` or ``await`` it. Unlike `time.sleep` it blocks nothing."""
    future: Future[None] = _create_future()
    IOLoop.current().call_later(duration, future_set_result_unless_cancelled, future, None)
    return future


class _NullFuture:
    """What is left of a future that has always been done, without a result. It belongs to no loop, so one serves all."""

    def result(self) -> None:
        return None

    def done(self) -> bool:
        return True


# Stands for "nothing to wait for": a runner has it where it waits for no future.
_null_future = cast("Future[Any]", _NullFuture())

moment = cast("Future[Any]", _NullFuture())
"""Yielded in a `coroutine`, lets the loop run once: for coroutines that compute long, or whose futures are always done.

``yield`` alone, or ``yield None``, does the same. In native coroutines it is ``await asyncio.sleep(0)``.
"""


class _CurrentLoop:
    """An attribute whose value is the loop that runs: no runner has to keep it."""

    def __get__(self, runner: object, owner: type | None = None) -> Any:
        return self if runner is None else IOLoop.current()


class Runner:
    """Drives one generator of a `coroutine` to its end. Made by the decorator; applications have no use for it.

    ``ctx_run`` runs functions in the context of the call, ``first_yielded`` is what the generator yielded when it was started,
    ``result_future`` gets the outcome.
    """

    io_loop = _CurrentLoop()
    """The loop that it runs on."""

    def __init__(
        self,
        ctx_run: Callable[..., Any],
        gen: "Generator[_Yieldable, Any, _T]",
        result_future: "Future[_T]",
        first_yielded: _Yieldable,
    ) -> None:
        self.ctx_run = ctx_run
        self.gen = gen
        self.result_future: Future[_T] | None = result_future
        self.future: Future[Any] = _null_future
        self.running = False
        self.finished = False
        if ctx_run(self.handle_yield, first_yielded):
            # Neither may be found in a traceback, whose exception they may end up with.
            del result_future, first_yielded
            ctx_run(self.run)

    def run(self) -> None:
        """Resume the generator, and go on for as long as what it yields is done already. Has to run in the coroutine's context."""
        if self.running or self.finished:
            return
        self.running = True
        try:
            while self.future.done() and self.handle_yield(self._resume()):
                pass
        except (StopIteration, Return) as end:
            future_set_result_unless_cancelled(self._end(), end.value)
        except asyncio.CancelledError:
            self._end().cancel()
        except Exception as error:
            future_set_exception_unless_cancelled(self._end(), error)
        finally:
            self.running = False

    def _resume(self) -> _Yieldable:
        """Give the generator what it waited for and return what it yields next."""
        awaited, self.future = self.future, _null_future
        try:
            value = awaited.result()
        except (Exception, asyncio.CancelledError) as failure:
            error: BaseException = failure
        else:
            return self.gen.send(value)
        finally:
            del awaited  # its exception's traceback knows this frame
        try:
            # Outside of the except clause, lest the exception is taken for the context of what the generator raises later.
            return self.gen.throw(error)
        finally:
            del error

    def _end(self) -> "Future[Any]":
        """Mark the coroutine as ended, cut the cycle of runner and future, and return the future."""
        self.finished = True
        self.future = _null_future
        future, self.result_future = self.result_future, None
        assert future is not None
        future._runner = None  # type: ignore[attr-defined]  # as above
        return future

    def handle_yield(self, yielded: _Yieldable) -> bool:
        """Take what the generator yielded; says whether it can be resumed at once. Else it is resumed by the loop."""
        if isinstance(yielded, Future) or yielded is moment:
            self.future = yielded
        else:
            try:
                self.future = convert_yielded(yielded)
            except Exception as error:
                self.future = _failed(error)
        if self.future is moment:
            self.io_loop.add_callback(self.ctx_run, self.run)
            return False
        if self.future.done():
            return True
        if isinstance(self.future, Future):
            self.future.add_done_callback(self._wake)
        else:
            self.io_loop.add_future(self.future, self._wake)
        return False

    def _wake(self, awaited: "Future[Any]") -> None:
        del awaited  # as in _resume()
        self.ctx_run(self.run)

    def handle_exception(self, typ: type[Exception], value: Exception, tb: types.TracebackType) -> bool:
        """Raise an exception in a coroutine that is suspended; says whether it was."""
        if self.running or self.finished:
            return False
        self.future = _failed(value.with_traceback(tb))
        self.ctx_run(self.run)
        return True


def _wrap_awaitable(awaitable: Awaitable[Any]) -> "Future[Any]":
    io_loop = IOLoop.current()
    # asyncio's task for it; the loop keeps it until it is done, since asyncio itself would not.
    task: Future[Any] = asyncio.ensure_future(awaitable, loop=io_loop.asyncio_loop)  # type: ignore[attr-defined]  # every IOLoop of ours has one
    io_loop._register_task(task)
    task.add_done_callback(io_loop._unregister_task)
    return task


@singledispatch
def convert_yielded(yielded: _Yieldable) -> "Future[Any]":
    """The future for anything that a coroutine may yield. Awaitables are started, as asyncio tasks.

    Raises `BadYieldError` for what cannot be waited for. Other kinds can be taught: ``convert_yielded.register(type)`` decorates a
    function that makes a `Future` of an instance.
    """
    if isawaitable(yielded):
        return _wrap_awaitable(yielded)
    raise BadYieldError(f"yielded unknown object {yielded!r}")


@convert_yielded.register(type(None))
def _convert_none(yielded: None) -> "Future[Any]":
    return moment


@convert_yielded.register(Future)
@convert_yielded.register(concurrent.futures.Future)
@convert_yielded.register(cast(Any, _NullFuture))
def _convert_future(yielded: "Future[Any]") -> "Future[Any]":
    return yielded


@convert_yielded.register(list)
@convert_yielded.register(dict)
def _convert_collection(yielded: Any) -> "Future[Any]":
    return multi(yielded)


_imported_names.complete(globals())
