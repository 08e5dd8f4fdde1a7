"""Futures: the objects that stand for results which are not there yet.

`Future` is `asyncio.Future`. The functions of this module work on it and on `concurrent.futures.Future` alike, so that code which
is handed either kind need not ask which one it got.
"""

import asyncio
import contextvars
import functools
import types
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar, Union, overload

from tornadolike import _imported_names
from tornadolike.log import app_log

_T = TypeVar("_T")


class ReturnValueIgnoredError(Exception):
    """Kept for code that names it; nothing raises it any more."""


Future = asyncio.Future
"""The future of this package is asyncio's, and belongs to the loop that was current when it was made."""

FUTURES = (futures.Future, Future)
"""Both kinds of future, for ``isinstance``; `is_future` asks that question."""

_AnyFuture = Union["futures.Future[_T]", "Future[_T]"]


def is_future(x: Any) -> bool:
    """Whether ``x`` is a future of either kind, asyncio's or that of `concurrent.futures`."""
    return isinstance(x, FUTURES)


class DummyExecutor(futures.Executor):
    """An executor that has no threads: `submit` runs the function at once, in the caller's thread."""

    # Overridden against typeshed, which has the function positional-only: Tornado lets it be named.
    def submit(self, fn: Callable[..., _T], *args: Any, **kwargs: Any) -> "futures.Future[_T]":  # type: ignore[override]  # the same by position
        """Call ``fn`` and return a finished future with its result or with the `Exception` that it raised."""
        outcome: futures.Future[_T] = futures.Future()
        try:
            outcome.set_result(fn(*args, **kwargs))
        except Exception as error:
            outcome.set_exception(error)
        return outcome

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        """Do nothing: there is nothing to end, and the executor stays usable."""


dummy_executor = DummyExecutor()
"""One `DummyExecutor` for everybody."""


def run_on_executor(*args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Decorate a synchronous method so that calling it runs it on an executor and returns a `Future`.

    The executor is read at each call from the instance's attribute ``executor``, or from the one named by the decorator's
    keyword argument ``executor``. The future belongs to the caller's event loop and may be awaited there. In threads, the method sees
    the caller's context variables.

    ::

        class Images:
            pool = ThreadPoolExecutor(4)

            @run_on_executor(executor="pool")
            def scale(self, image): ...

    Raises `ValueError` where the decorator is given more than the method, or the method together with keywords.
    """
    if args and kwargs:
        raise ValueError("cannot combine positional and keyword args")
    if len(args) > 1:
        raise ValueError(f"expected 1 argument, got {len(args)}")
    decorate = functools.partial(_on_executor, attribute=kwargs.get("executor", "executor"))
    return decorate(args[0]) if args else decorate


def _on_executor(method: Callable[..., _T], attribute: str) -> Callable[..., "Future[_T]"]:
    @functools.wraps(method)
    def submitting(self: Any, *args: Any, **kwargs: Any) -> "Future[_T]":
        answer: Future[_T] = Future()
        chain_future(_submit(getattr(self, attribute), method, self, *args, **kwargs), answer)
        return answer

    return submitting


def _submit(executor: Any, function: Callable[..., _T], *args: Any, **kwargs: Any) -> "futures.Future[_T]":
    """``executor.submit``, with a copy of the caller's context where the function runs in this process."""
    if isinstance(executor, (futures.ThreadPoolExecutor, DummyExecutor)):
        return executor.submit(contextvars.copy_context().run, function, *args, **kwargs)
    # Whatever other processes get has to be pickled, which a context cannot be.
    submitted: futures.Future[_T] = executor.submit(function, *args, **kwargs)
    return submitted


def chain_future(a: "_AnyFuture[_T]", b: "_AnyFuture[_T]") -> None:
    """Let ``b`` end as ``a`` ends: with its result, its exception or its cancellation. A ``b`` that is done by then stays as it is.

    The two may be of different kinds. An asyncio future ``a`` that is already done is copied before the call returns;
    where ``a`` is a `concurrent.futures.Future`, the copy is made on the current `.IOLoop`, never in a worker's thread.
    """
    if not isinstance(a, Future):
        from tornadolike.ioloop import IOLoop

        IOLoop.current().add_future(a, functools.partial(_copy_outcome, b))
    elif a.done():
        _copy_outcome(b, a)
    else:
        a.add_done_callback(functools.partial(_copy_outcome, b))


def _copy_outcome(target: "_AnyFuture[_T]", source: "_AnyFuture[_T]") -> None:
    if target.done():
        return
    if source.cancelled():
        target.cancel()
    elif (error := source.exception()) is not None:
        target.set_exception(error)
    else:
        target.set_result(source.result())


def future_set_result_unless_cancelled(future: "_AnyFuture[_T]", value: _T) -> None:
    """Give ``future`` its result; do nothing where its consumer has cancelled it.

    Raises `asyncio.InvalidStateError` (or the one of `concurrent.futures`) where the future has an outcome already.
    """
    if not future.cancelled():
        future.set_result(value)


def future_set_exception_unless_cancelled(future: "_AnyFuture[_T]", exc: BaseException) -> None:
    """Give ``future`` its exception; where its consumer has cancelled it, log the exception so that it does not vanish."""
    if future.cancelled():
        app_log.error("Exception after Future was cancelled", exc_info=exc)
    else:
        future.set_exception(exc)


def future_set_exc_info(
    future: "_AnyFuture[_T]",
    exc_info: tuple[type | None, BaseException | None, types.TracebackType | None],
) -> None:
    """Give ``future`` the exception of an ``exc_info`` triple, as `future_set_exception_unless_cancelled` does.

    Raises `Exception` where the triple holds none.
    """
    error = exc_info[1]
    if error is None:
        raise Exception("future_set_exc_info called with no exception")
    future_set_exception_unless_cancelled(future, error)


@overload
def future_add_done_callback(future: "futures.Future[_T]", callback: Callable[["futures.Future[_T]"], None]) -> None: ...


@overload
def future_add_done_callback(future: "Future[_T]", callback: Callable[["Future[_T]"], None]) -> None: ...


def future_add_done_callback(future: "_AnyFuture[_T]", callback: Callable[..., None]) -> None:
    """Call ``callback(future)`` once the future is done: before this returns where it is done already.

    That is the difference to asyncio's method of a similar name, which always waits for the event loop. A callback of a pending
    `concurrent.futures.Future` runs in whichever thread completes it.
    """
    if future.done():
        callback(future)
    else:
        future.add_done_callback(callback)


_imported_names.complete(globals())
