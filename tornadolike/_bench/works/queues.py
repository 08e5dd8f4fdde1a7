"""Queues."""

import asyncio
import datetime as dt
from typing import Any

from tornadolike._bench.works.registry import SOON, Coroutine, Run, calls, sibling, work


@work("queues: put and get")
def _put_get(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue()
        for number in range(n):
            await queue.put(number)
            assert await queue.get() == number
            queue.task_done()

    return run


@work("queues: put_nowait and get_nowait")
def _nowait(queues: Any) -> Run:
    def run(n: int) -> None:
        queue = queues.Queue()
        for number in range(n):
            queue.put_nowait(number)
            queue.get_nowait()

    return run


@work("queues: PriorityQueue")
def _priority(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.PriorityQueue()
        for number in range(n):
            await queue.put((-number % 7, number))
            if number % 2:
                await queue.get()
                await queue.get()

    return run


@work("queues: hand-over to a waiting consumer")
def _hand_over(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue()

        async def consume() -> None:
            for _ in range(n):
                await queue.get()
                queue.task_done()

        consumer = asyncio.ensure_future(consume())
        await asyncio.sleep(0)
        for number in range(n):
            await queue.put(number)
            await asyncio.sleep(0)
        await consumer

    return run


@work("queues: bounded, producer and consumer")
def _bounded(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue(maxsize=2)

        async def consume() -> None:
            async for item in queue:
                queue.task_done()
                if item is None:
                    return

        consumer = asyncio.ensure_future(consume())
        for number in range(n):
            await queue.put(number)
        await queue.put(None)
        await queue.join()
        await consumer

    return run


calls("queues: Queue, made", lambda m: lambda f=m.Queue: f(10))


@work("queues: LifoQueue")
def _lifo(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.LifoQueue()
        for number in range(n):
            await queue.put(number)
            await queue.get()

    return run


@work("queues: get with timeout")
def _timed(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue()
        for number in range(n):
            waiting = queue.get(SOON)
            queue.put_nowait(number)
            await waiting

    return run


@work("queues: get whose timeout is over")
def _over(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue, error = queues.Queue(), sibling(queues, "util").TimeoutError
        for _ in range(n):
            try:
                await queue.get(dt.timedelta(0))
            except error:
                pass

    return run


@work("queues: put with timeout into a full one")
def _full(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue(1)
        queue.put_nowait(0)
        for number in range(n):
            waiting = queue.put(number, SOON)
            queue.get_nowait()
            await waiting

    return run


@work("queues: join")
def _join(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue()
        for number in range(n):
            queue.put_nowait(number)
            waiting = queue.join()
            queue.get_nowait()
            queue.task_done()
            await waiting

    return run


@work("queues: async for, ten consumers")
def _iterated(queues: Any) -> Coroutine:
    async def run(n: int) -> None:
        queue = queues.Queue()

        async def consume() -> None:
            async for _ in queue:
                queue.task_done()

        tasks = [asyncio.ensure_future(consume()) for _ in range(10)]
        for number in range(n):
            queue.put_nowait(number)
            if number % 10 == 9:
                await asyncio.sleep(0)
        await queue.join()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return run


@work("queues: PriorityQueue, nowait")
def _priority_nowait(queues: Any) -> Run:
    def run(n: int) -> None:
        queue = queues.PriorityQueue()
        for number in range(n):
            queue.put_nowait(-number % 7)
            if number % 2:
                queue.get_nowait()
                queue.get_nowait()

    return run
