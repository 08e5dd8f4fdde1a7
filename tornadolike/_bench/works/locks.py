"""Locks, semaphores, events and conditions."""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

from tornadolike._bench.works.registry import SOON, Coroutine, awaiting, calls, calls_in_loop, sibling, work


def _contended(make: Callable[[Any], Any], *, bare: bool = False) -> Callable[[Any], Coroutine]:
    def made(locks: Any) -> Coroutine:
        async def run(n: int) -> None:
            lock = make(locks)

            async def one() -> None:
                for _ in range(n // 4 + 1):
                    if bare:
                        await lock.acquire()
                        await asyncio.sleep(0)
                        lock.release()
                    else:
                        async with lock:
                            await asyncio.sleep(0)

            await asyncio.gather(*(one() for _ in range(4)))

        return run

    return made


async def _wait(event: Any) -> None:
    await event.wait()


def _set(event: Any) -> Any:
    event.set()
    return event


@work("locks: Lock, free")
def _free_lock(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        lock = locks.Lock()
        for _ in range(n):
            async with lock:
                pass

    return run


work("locks: Lock, contended")(_contended(lambda locks: locks.Lock()))
work("locks: Lock, contended, acquire and release")(_contended(lambda locks: locks.Lock(), bare=True))
work("locks: Semaphore of two, contended")(_contended(lambda locks: locks.Semaphore(2)))


@work("locks: Event")
def _event(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        event = locks.Event()
        for _ in range(n):
            waiting = event.wait()
            event.set()
            await waiting
            event.clear()

    return run


@work("locks: Event, wait with timeout")
def _event_timeout(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        event = locks.Event()
        for _ in range(n):
            waiting = event.wait(SOON)
            event.set()
            await waiting
            event.clear()

    return run


@work("locks: Condition, notify_all")
def _condition(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        condition = locks.Condition()
        for _ in range(n // 10 + 1):
            waiting = [condition.wait() for _ in range(10)]
            condition.notify_all()
            for one in waiting:
                await one

    return run


@work("locks: Condition, notify_all to tasks")
def _condition_tasks(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        condition = locks.Condition()

        async def wait() -> None:
            for _ in range(n // 10 + 1):
                await condition.wait()

        tasks = [asyncio.ensure_future(wait()) for _ in range(10)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            condition.notify_all()

    return run


@work("locks: Condition, wait with timeout")
def _condition_timeout(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        condition = locks.Condition()
        for _ in range(n):
            waiting = condition.wait(SOON)
            condition.notify()
            assert await waiting

    return run


@work("locks: Event to ten tasks")
def _event_to_ten_tasks(locks: Any) -> Coroutine:
    async def once() -> None:
        event = locks.Event()
        tasks = [asyncio.ensure_future(_wait(event)) for _ in range(10)]
        await asyncio.sleep(0)
        event.set()
        await asyncio.gather(*tasks)

    return awaiting(once)


calls_in_loop("locks: Event, wait for one that is set", lambda m: lambda e=_set(m.Event()): e.wait())
calls("locks: Event, made, set and cleared", lambda m: lambda: _set(m.Event()).clear())


@work("locks: Semaphore, free")
def _free(locks: Any) -> Coroutine:
    semaphore = locks.Semaphore(10)

    async def once() -> None:
        async with semaphore:
            pass

    return awaiting(once)


@work("locks: Semaphore, with yield")
def _yielded(locks: Any) -> Coroutine:
    gen = sibling(locks, "gen")
    semaphore = locks.BoundedSemaphore(1)

    @gen.coroutine
    def root() -> Any:
        with (yield semaphore.acquire()):
            pass

    return awaiting(root)


@work("locks: Semaphore, acquire with timeout that is over")
def _over(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        semaphore = locks.Semaphore(0)
        for _ in range(n):
            try:
                await semaphore.acquire(dt.timedelta(0))
            except sibling(locks, "util").TimeoutError:
                pass

    return run


@work("locks: Semaphore, acquire with timeout")
def _in_time(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        semaphore = locks.Semaphore(0)
        for _ in range(n):
            waiting = semaphore.acquire(SOON)
            semaphore.release()
            await waiting

    return run


@work("locks: Lock, made and taken")
def _made(locks: Any) -> Coroutine:
    async def once() -> None:
        await locks.Lock().acquire()

    return awaiting(once)


@work("locks: Condition, notify one")
def _notify(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        condition = locks.Condition()
        for _ in range(n):
            waiting = condition.wait()
            condition.notify()
            await waiting

    return run


@work("locks: Condition, wait whose timeout is over")
def _condition_over(locks: Any) -> Coroutine:
    async def run(n: int) -> None:
        condition = locks.Condition()
        for _ in range(n):
            assert not await condition.wait(dt.timedelta(0))

    return run
