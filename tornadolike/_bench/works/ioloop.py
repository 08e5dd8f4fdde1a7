"""Callbacks, timeouts and handlers of the loop."""

import asyncio
import concurrent.futures
import socket
from typing import Any

from tornadolike._bench.works.registry import SOON, Coroutine, awaiting, calls_in_loop, work


@work("ioloop: add_callback")
def _add_callback(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop, done = ioloop.IOLoop.current(), asyncio.get_running_loop().create_future()
        for _ in range(n):
            io_loop.add_callback(int, "1")
        io_loop.add_callback(done.set_result, 1)
        await done

    return run


@work("ioloop: timeouts, set and removed")
def _timeouts(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        for number in range(n):
            io_loop.remove_timeout(io_loop.call_later(100, int))
            if number % 100 == 99:
                await asyncio.sleep(0)

    return run


@work("ioloop: call_later")
def _call_later(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop, loop = ioloop.IOLoop.current(), asyncio.get_running_loop()
        for _ in range(n // 20 + 1):
            done = loop.create_future()
            for _ in range(19):
                io_loop.call_later(0, int)
            io_loop.call_later(0, done.set_result, 1)
            await done

    return run


@work("ioloop: add_future")
def _add_future(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop, loop = ioloop.IOLoop.current(), asyncio.get_running_loop()
        for _ in range(n):
            future = loop.create_future()
            io_loop.add_future(future, bool)
            future.set_result(1)
            await future

    return run


@work("ioloop: coroutine callbacks")
def _spawn(ioloop: Any) -> Coroutine:
    async def callback() -> None:
        await asyncio.sleep(0)

    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        for _ in range(n):
            io_loop.spawn_callback(callback)
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)

    return run


@work("ioloop: run_in_executor")
def _executor(ioloop: Any) -> Coroutine:
    pool = concurrent.futures.ThreadPoolExecutor(1)
    return awaiting(lambda: ioloop.IOLoop.current().run_in_executor(pool, int))


@work("ioloop: add_callback with keywords")
def _keywords(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        for number in range(n):
            io_loop.add_callback(dict, a=1)
            if number % 100 == 99:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    return run


@work("ioloop: add_callback_from_signal")
def _signal(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        for number in range(n):
            io_loop.add_callback_from_signal(int)
            if number % 100 == 99:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    return run


@work("ioloop: add_timeout with a timedelta, removed")
def _deltas(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        for number in range(n):
            io_loop.remove_timeout(io_loop.add_timeout(SOON, int))
            if number % 100 == 99:
                await asyncio.sleep(0)

    return run


@work("ioloop: call_at, removed")
def _call_at(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        for number in range(n):
            io_loop.remove_timeout(io_loop.call_at(io_loop.time() + 100, int))
            if number % 100 == 99:
                await asyncio.sleep(0)

    return run


@work("ioloop: PeriodicCallback, started and stopped")
def _periodic(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        for number in range(n):
            one = ioloop.PeriodicCallback(int, 1000)
            one.start()
            one.stop()
            if number % 100 == 99:
                await asyncio.sleep(0)

    return run


@work("ioloop: PeriodicCallback, called")
def _periodic_called(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        left, done = n, asyncio.get_running_loop().create_future()

        def tick() -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set_result(None)

        one = ioloop.PeriodicCallback(tick, 0.001)
        one.start()
        await done
        one.stop()

    return run


@work("ioloop: add_future of one that is done")
def _done_future(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop, future = ioloop.IOLoop.current(), asyncio.get_running_loop().create_future()
        future.set_result(1)
        for number in range(n):
            io_loop.add_future(future, bool)
            if number % 100 == 99:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    return run


calls_in_loop("ioloop: current", lambda m: lambda f=m.IOLoop.current: f())
calls_in_loop("ioloop: time", lambda m: lambda f=m.IOLoop.current().time: f())


@work("ioloop: add_handler and remove_handler")
def _handlers(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        left, right = socket.socketpair()
        with left, right:
            for _ in range(n):
                io_loop.add_handler(left, id, io_loop.READ)
                io_loop.update_handler(left, io_loop.WRITE)
                io_loop.remove_handler(left)

    return run


@work("ioloop: add_handler, called")
def _handled(ioloop: Any) -> Coroutine:
    async def run(n: int) -> None:
        io_loop = ioloop.IOLoop.current()
        left, right = socket.socketpair()
        seen, done = 0, asyncio.get_running_loop().create_future()

        def readable(sock: Any, events: int) -> None:
            nonlocal seen
            sock.recv(10)
            seen += 1
            if seen == n:
                done.set_result(None)
            else:
                right.send(b"x")

        with left, right:
            left.setblocking(False)
            io_loop.add_handler(left, readable, io_loop.READ)
            right.send(b"x")
            await done
            io_loop.remove_handler(left)

    return run
