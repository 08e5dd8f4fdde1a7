"""The task of each handler: in the context of its request, kept as long as it runs, and no longer than its deadline."""

import asyncio
import contextvars
import sys
import time
import types
from asyncio import Future
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar, cast

from tornadolike import gen
from tornadolike._http import deadline
from tornadolike.ioloop import IOLoop

_T = TypeVar("_T")

running: set[Future[None] | None] = set()
"""The handlers under way: the loop alone would not keep one that waits for something which only the handler itself holds."""

keeping_themselves: list[types.CodeType] = []
"""Coroutines that put their task into `running` by themselves, and answer all exceptions. No set: to hash code costs as much as a call."""


def start(coroutine: Any, context: Any, loop: asyncio.AbstractEventLoop | None = None) -> Future[None] | None:
    """Run a handler in a task of its own, from the next turn of the loop on, in the context of its request.

    Also one of plain functions, though it could run at once: all requests that have arrived are read first, and all answers
    go out together, which costs a busy server less than the task does. Nobody waits for the task.
    """
    if type(coroutine) is not types.CoroutineType:
        # Wrapped or replaced, it may return anything that can be awaited.
        _keep(gen.convert_yielded(coroutine))
        return None
    if loop is None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # Called before the loop runs, as tests do; then it begins with this.
            loop = IOLoop.current().asyncio_loop  # type: ignore[attr-defined]
    if type(context) is contextvars.Context and loop.get_task_factory() is None:
        task = loop.create_task(coroutine, context=context)
    else:
        task = loop.create_task(coroutine)
    if coroutine.cr_code not in keeping_themselves:
        _keep(task)
        return None
    return task


AT_ONCE: Any = object()
"""Stands for the task of a handler that has none, since it has not waited for anything."""
_TASK = "_RequestHandler__task"  # apart from the names of programs' handlers
_TASKS_ARE_EAGER = sys.version_info >= (3, 12)
_Task: Any = asyncio.Task


def keeps_itself(coroutine: Any) -> bool:
    """Whether it is the course of a request as we know it, neither wrapped nor replaced."""
    return type(coroutine) is types.CoroutineType and coroutine.cr_code in keeping_themselves


def run_at_once(handler: Any, coroutine: Any, connection: Any) -> None:
    """Run a handler now, until it has to wait: in a task of its own, which Python 3.12 can begin at once.

    Before 3.12 its plain functions run in the task of whoever calls; what can be awaited begins in one of its own.
    """
    loop: asyncio.AbstractEventLoop = connection._loop
    try:
        if _TASKS_ARE_EAGER and loop.get_task_factory() is None:
            # The context of the request is entered, and goes on as this copy.
            connection._request_context = context = contextvars.copy_context()
            _Task(coroutine, loop=loop, context=context, eager_start=True)
            return
        setattr(handler, _TASK, AT_ONCE)
        coroutine.send(None)
    except StopIteration:
        return
    except BaseException as error:
        # It ends the loop, as out of a task.
        loop.call_soon(_raise, error)
        return
    task = start(coroutine, connection._request_context, loop)
    running.discard(AT_ONCE)
    running.add(task)
    setattr(handler, _TASK, task)


def apart(awaitable: Any) -> Awaitable[None]:
    """Have `run_at_once` make a task, and wait in that."""
    return _pause_before(awaitable) if type(awaitable) is types.CoroutineType else _begin_apart(awaitable)


@types.coroutine
def _pause_before(coroutine: Any) -> Generator[Any, Any, None]:
    try:
        yield
    except BaseException:
        coroutine.close()  # else Python would warn that nobody awaited it
        raise
    yield from coroutine


async def _begin_apart(awaitable: Awaitable[None]) -> None:
    await _pause()
    await awaitable


@types.coroutine
def _pause() -> Generator[None, None, None]:
    yield


def _raise(error: BaseException) -> None:
    raise error


def _keep(task: Future[None]) -> None:
    running.add(task)
    task.add_done_callback(pass_on)


def pass_on(task: Future[None]) -> None:
    """Let the loop log what came out of a handler; nothing does unless answering an exception failed too."""
    running.discard(task)
    if not task.cancelled() and isinstance(task.exception(), Exception):
        task.result()  # what ends the program has gone its way already


def as_part_of(task: Any, function: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    """Call it so that `asyncio.current_task` is ``task``, which waits: monitoring agents and the like ask for one."""
    loop = None if task is None or task.done() else asyncio.get_running_loop()
    if loop is not None:
        try:
            asyncio.tasks._enter_task(loop, task)
        except RuntimeError:  # there is one already
            loop = None
    try:
        return function(*arguments, **named)
    finally:
        if loop is not None:
            asyncio.tasks._leave_task(loop, task)


def is_cancelled(error: BaseException) -> bool:
    """Whether it is the task that runs now which is being cancelled, not something that it waited for."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def within(seconds: float, is_too_late: Callable[[], bool], handling: Awaitable[None]) -> None:
    """Run a handler for no longer than that: then, if ``is_too_late`` says so, its task is cancelled.

    Who asks others on its behalf finds the deadline in `deadline.current`.
    """
    deadline.current.set(time.monotonic() + seconds)
    task = cast("asyncio.Task[None]", asyncio.current_task())
    late: list[bool] = []

    def expire() -> None:
        if is_too_late():
            late.append(True)
            task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        await (handling if asyncio.iscoroutine(handling) else gen.convert_yielded(handling))
    except asyncio.CancelledError:
        if not late or task.uncancel() > 0:
            raise
    finally:
        timer.cancel()
