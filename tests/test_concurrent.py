"""Futures of both kinds, run_on_executor."""

import asyncio
import concurrent.futures
import threading
from typing import Any

import pytest

from tornadolike import concurrent as ours
from tornadolike.concurrent import Future, chain_future, dummy_executor, run_on_executor


def thread_future() -> "concurrent.futures.Future[Any]":
    return concurrent.futures.Future()


def test_both_kinds_are_futures() -> None:
    assert ours.is_future(thread_future())
    assert not ours.is_future(None)
    assert not ours.is_future(Future)
    assert (concurrent.futures.Future, asyncio.Future) == ours.FUTURES
    assert Future is asyncio.Future


async def test_an_asyncio_future_is_one_too() -> None:
    assert ours.is_future(asyncio.get_running_loop().create_future())


def test_the_dummy_executor_runs_at_once_in_the_callers_thread() -> None:
    assert dummy_executor.submit(threading.get_ident).result() == threading.get_ident()
    assert dummy_executor.submit(fn=lambda: 3).result() == 3
    with pytest.raises(ZeroDivisionError):
        dummy_executor.submit(lambda: 1 / 0).result()
    dummy_executor.shutdown()
    assert dummy_executor.submit(dict, a=1).result() == {"a": 1}


class Worker:
    def __init__(self, executor: concurrent.futures.Executor) -> None:
        self.executor = self.other = executor

    @run_on_executor
    def thread(self) -> int:
        """Where it runs."""
        return threading.get_ident()

    @run_on_executor()
    def echo(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    @run_on_executor(executor="other")
    def fail(self) -> None:
        raise LookupError("gone")


async def test_run_on_executor_takes_arguments_results_and_exceptions_across() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        worker = Worker(pool)
        assert await worker.thread() not in (None, threading.get_ident())
        assert await worker.echo(1, two=2) == ((1,), {"two": 2})
        with pytest.raises(LookupError, match="gone"):
            await worker.fail()
    assert (Worker.thread.__name__, Worker.thread.__doc__) == ("thread", "Where it runs.")


async def test_run_on_executor_works_on_the_dummy_executor() -> None:
    assert await Worker(dummy_executor).thread() == threading.get_ident()


def test_run_on_executor_refuses_misuse() -> None:
    with pytest.raises(ValueError, match="cannot combine"):
        run_on_executor(len, executor="pool")
    with pytest.raises(ValueError, match="expected 1 argument, got 2"):
        run_on_executor(len, max)


@pytest.mark.parametrize("source_kind", [Future, concurrent.futures.Future])
@pytest.mark.parametrize("target_kind", [Future, concurrent.futures.Future])
async def test_a_chained_future_ends_as_its_source(source_kind: Any, target_kind: Any) -> None:
    def chain() -> tuple[Any, Any]:
        source, target = source_kind(), target_kind()
        chain_future(source, target)
        return source, target

    async def wait(target: Any) -> Any:
        return await (target if isinstance(target, Future) else asyncio.wrap_future(target))

    source, target = chain()
    source.set_result(5)
    assert await wait(target) == 5
    source, target = chain()
    source.set_exception(KeyError("k"))
    with pytest.raises(KeyError):
        await wait(target)
    source, target = chain()
    source.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait(target)
    assert target.cancelled()


async def test_a_done_source_is_copied_before_chain_returns() -> None:
    source, target = Future[int](), Future[int]()
    source.set_result(1)
    chain_future(source, target)
    assert target.result() == 1


async def test_a_done_target_stays_as_it_is() -> None:
    source, target = Future[int](), Future[int]()
    chain_future(source, target)
    target.set_result(1)
    source.set_result(2)
    await asyncio.sleep(0)
    assert target.result() == 1


async def test_setting_a_cancelled_future_is_silent_for_results_and_logged_for_exceptions(logs: Any) -> None:
    future = Future[int]()
    future.cancel()
    ours.future_set_result_unless_cancelled(future, 1)
    ours.future_set_exception_unless_cancelled(future, ValueError("late"))
    assert logs.take("tornado.application", "Exception after Future was cancelled").exc_info[0] is ValueError
    assert future.cancelled()


async def test_setting_twice_is_an_error() -> None:
    future = Future[int]()
    ours.future_set_result_unless_cancelled(future, 1)
    with pytest.raises(asyncio.InvalidStateError):
        ours.future_set_result_unless_cancelled(future, 2)


async def test_exc_info_needs_an_exception() -> None:
    future = Future[int]()
    with pytest.raises(Exception, match="no exception"):
        ours.future_set_exc_info(future, (None, None, None))
    error = OSError()
    ours.future_set_exc_info(future, (OSError, error, None))
    assert future.exception() is error


@pytest.mark.parametrize("kind", [Future, concurrent.futures.Future])
async def test_a_callback_of_a_done_future_runs_at_once(kind: Any) -> None:
    seen: list[Any] = []
    done, pending = kind(), kind()
    done.set_result(1)
    ours.future_add_done_callback(done, seen.append)
    ours.future_add_done_callback(pending, seen.append)
    assert seen == [done]
    pending.set_result(2)
    await asyncio.sleep(0)
    assert seen == [done, pending]
