"""Coroutines of generators, and what waits for several."""

import asyncio
import concurrent.futures
import datetime as dt
from typing import Any

from tornadolike._bench.works.registry import SOON, Coroutine, awaiting, calls, calls_in_loop, done, work


@work("gen: coroutine chain")
def _coroutines(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        yield gen.moment
        return 1

    @gen.coroutine
    def middle() -> Any:
        return (yield leaf())

    @gen.coroutine
    def root(n: int) -> Any:
        for _ in range(n):
            assert (yield middle()) == 1

    return root


@work("gen: coroutine that is done at once")
def _at_once(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        return 1
        yield

    async def run(n: int) -> None:
        for _ in range(n):
            assert await leaf() == 1

    return run


@work("gen: native coroutines, yielded")
def _native(gen: Any) -> Coroutine:
    async def leaf() -> int:
        await asyncio.sleep(0)
        return 1

    @gen.coroutine
    def root(n: int) -> Any:
        for _ in range(n):
            assert (yield leaf()) == 1

    return root


@work("gen: multi of ten")
def _multi(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(n):
            futures = [loop.create_future() for _ in range(10)]
            waiting = gen.multi(futures)
            for future in futures:
                future.set_result(1)
            await waiting

    return run


@work("gen: multi of ten coroutines")
def _multi_of_coroutines(gen: Any) -> Coroutine:
    async def leaf() -> int:
        await asyncio.sleep(0)
        return 1

    async def run(n: int) -> None:
        for _ in range(n):
            assert await gen.multi([leaf() for _ in range(10)]) == [1] * 10

    return run


@work("gen: multi of a dict")
def _multi_dict(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            futures = {"a": gen.Future(), "b": gen.Future()}
            waiting = gen.multi(futures)
            for future in futures.values():
                future.set_result(1)
            await waiting

    return run


@work("gen: WaitIterator")
def _wait_iterator(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            futures = [gen.Future() for _ in range(5)]
            waiting = gen.WaitIterator(*futures)
            for future in futures:
                future.set_result(1)
            async for _ in waiting:
                pass

    return run


@work("gen: with_timeout")
def _with_timeout(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            future = gen.Future()
            waiting = gen.with_timeout(SOON, future)
            future.set_result(1)
            await waiting

    return run


@work("gen: sleep")
def _sleep(gen: Any) -> Coroutine:
    async def run(n: int) -> None:
        for _ in range(n):
            await gen.sleep(0)

    return run


@work("gen: coroutine with gen.Return")
def _returning(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        yield gen.moment
        raise gen.Return(1)

    return awaiting(leaf)


@work("gen: coroutine that fails")
def _failing(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        yield gen.moment
        raise KeyError

    @gen.coroutine
    def root() -> Any:
        try:
            yield leaf()
        except KeyError:
            return

    return awaiting(root)


@work("gen: coroutine without a yield")
def _no_generator(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        return 1

    return awaiting(leaf)


@work("gen: coroutine, ten futures that are done")
def _done_ones(gen: Any) -> Coroutine:
    @gen.coroutine
    def root() -> Any:
        future = gen.Future()
        future.set_result(1)
        for _ in range(10):
            yield future

    return awaiting(root)


@work("gen: coroutine, a future that is not done")
def _pending(gen: Any) -> Coroutine:
    @gen.coroutine
    def root() -> Any:
        future = gen.Future()
        asyncio.get_running_loop().call_soon(future.set_result, 1)
        yield future

    return awaiting(root)


@work("gen: coroutine, a list and a dict yielded")
def _lists(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        yield gen.moment
        return 1

    @gen.coroutine
    def root() -> Any:
        assert (yield [leaf(), leaf()]) == [1, 1]
        assert (yield {"a": leaf(), "b": leaf()}) == {"a": 1, "b": 1}

    return awaiting(root)


@work("gen: coroutine, a native one awaits it")
def _awaited(gen: Any) -> Coroutine:
    @gen.coroutine
    def leaf() -> Any:
        yield asyncio.sleep(0)
        return 1

    async def root() -> None:
        await leaf()

    return awaiting(root)


@work("gen: coroutine, yielded concurrent future")
def _executor_future(gen: Any) -> Coroutine:
    @gen.coroutine
    def root() -> Any:
        future: concurrent.futures.Future[int] = concurrent.futures.Future()
        future.set_result(1)
        assert (yield future) == 1

    return awaiting(root)


@work("gen: moment")
def _moment(gen: Any) -> Coroutine:
    @gen.coroutine
    def root(n: int) -> Any:
        for _ in range(n):
            yield gen.moment

    return root


@work("gen: sleep of no time, awaited in a coroutine")
def _sleeping(gen: Any) -> Coroutine:
    @gen.coroutine
    def root(n: int) -> Any:
        for _ in range(n):
            yield gen.sleep(0)

    return root


@work("gen: with_timeout of a coroutine")
def _with_timeout_of_a_coroutine(gen: Any) -> Coroutine:
    async def leaf() -> int:
        await asyncio.sleep(0)
        return 1

    return awaiting(lambda: gen.with_timeout(SOON, leaf()))


@work("gen: with_timeout that is over")
def _timed_out(gen: Any) -> Coroutine:
    async def once() -> None:
        try:
            await gen.with_timeout(dt.timedelta(0), gen.Future())
        except gen.TimeoutError:
            pass

    return awaiting(once)


@work("gen: WaitIterator of a dict")
def _iterating(gen: Any) -> Coroutine:
    async def once() -> None:
        futures = {"a": gen.Future(), "b": gen.Future()}
        waiting = gen.WaitIterator(**futures)
        for future in futures.values():
            future.set_result(1)
        while not waiting.done():
            await waiting.next()

    return awaiting(once)


@work("gen: multi of a hundred")
def _hundred(gen: Any) -> Coroutine:
    async def once() -> None:
        futures = [gen.Future() for _ in range(100)]
        waiting = gen.multi(futures)
        for future in futures:
            future.set_result(1)
        await waiting

    return awaiting(once)


calls_in_loop("gen: multi of nothing", lambda m: lambda f=m.multi: f([]))
calls_in_loop("gen: multi of two that are done", lambda m: lambda f=m.multi, d=done(m.Future): f([d, d]))
calls_in_loop("gen: maybe_future, a value", lambda m: lambda f=m.maybe_future: f(1))
calls_in_loop("gen: maybe_future, a future", lambda m: lambda f=m.maybe_future, d=done(m.Future): f(d))
calls_in_loop("gen: convert_yielded, a future", lambda m: lambda f=m.convert_yielded, d=done(m.Future): f(d))
calls_in_loop("gen: convert_yielded, None", lambda m: lambda f=m.convert_yielded: f(None))
calls("gen: is_coroutine_function", lambda m: lambda f=m.is_coroutine_function, g=m.coroutine(int): f(g))
calls("gen: coroutine, decorating", lambda m: lambda f=m.coroutine: f(awaiting))
