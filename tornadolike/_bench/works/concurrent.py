"""Futures and executors."""

import concurrent.futures
from typing import Any

from tornadolike._bench.works.registry import Coroutine, awaiting, calls_in_loop, done, work


@work("concurrent: chain_future")
def _chain(concurrent: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            a, b = concurrent.Future(), concurrent.Future()
            concurrent.chain_future(a, b)
            a.set_result(1)
            await b

    return run


@work("concurrent: run_on_executor, the dummy one")
def _on_executor(concurrent: Any) -> Coroutine:
    class Jobs:
        executor = concurrent.dummy_executor

        @concurrent.run_on_executor
        def job(self, number: int) -> int:
            return number

    async def run(n: int) -> None:
        jobs = Jobs()
        for number in range(n):
            assert await jobs.job(number) == number

    return run


calls_in_loop("concurrent: is_future", lambda m: lambda f=m.is_future, d=m.Future(): f(d))
calls_in_loop("concurrent: set_result_unless_cancelled", lambda m: lambda: m.future_set_result_unless_cancelled(m.Future(), 1))
calls_in_loop("concurrent: add_done_callback, done", lambda m: lambda d=done(m.Future): m.future_add_done_callback(d, id))


@work("concurrent: set_exception_unless_cancelled")
def _failing(module: Any) -> Coroutine:
    error = KeyError()

    async def run(n: int) -> None:
        for _ in range(n):
            future = module.Future()
            module.future_set_exception_unless_cancelled(future, error)
            future.exception()

    return run


@work("concurrent: set_exc_info")
def _exc_info(module: Any) -> Coroutine:
    error = KeyError()

    async def run(n: int) -> None:
        for _ in range(n):
            future = module.Future()
            module.future_set_exc_info(future, (KeyError, error, None))
            future.exception()

    return run


@work("concurrent: add_done_callback, not done")
def _later(module: Any) -> Coroutine:
    async def once() -> None:
        future = module.Future()
        module.future_add_done_callback(future, id)
        future.set_result(1)
        await future

    return awaiting(once)


@work("concurrent: chain_future of one that is done")
def _chained(module: Any) -> Coroutine:
    async def once() -> None:
        target = module.Future()
        module.chain_future(done(module.Future), target)
        await target

    return awaiting(once)


@work("concurrent: run_on_executor, a thread")
def _thread(module: Any) -> Coroutine:
    class Jobs:
        pool = concurrent.futures.ThreadPoolExecutor(1)

        @module.run_on_executor(executor="pool")
        def job(self) -> int:
            return 1

    return awaiting(Jobs().job)
