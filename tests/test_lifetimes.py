"""What nobody but the loop knows of lives until it is done, and runs in the context that its caller had.

asyncio holds its tasks weakly. A coroutine that waits for something which only itself can reach is garbage, unless someone keeps it.
"""

import asyncio
import concurrent.futures
import contextvars
import datetime as dt
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tornadolike import gen, locks, queues
from tornadolike.concurrent import Future, dummy_executor, run_on_executor
from tornadolike.ioloop import IOLoop, PeriodicCallback

HOUR = dt.timedelta(hours=1)
SECRET: contextvars.ContextVar[str] = contextvars.ContextVar("SECRET", default="nobody")


class Waiting:
    """Coroutines that wait for what they alone hold; a test holds it weakly, to let them go on."""

    def __init__(self) -> None:
        self.keys: list[weakref.ref[Any]] = []
        self.ended = 0

    async def native(self) -> None:
        own = asyncio.Event()
        self.keys.append(weakref.ref(own))
        await own.wait()
        self.ended += 1

    @gen.coroutine
    def decorated(self) -> Any:
        own = asyncio.Event()
        self.keys.append(weakref.ref(own))
        yield own.wait()
        self.ended += 1

    @gen.coroutine
    def on_a_future(self) -> Any:
        own = Key()
        self.keys.append(weakref.ref(own))
        yield own.future
        self.ended += 1

    @gen.coroutine
    def nested(self) -> Any:
        yield self.on_a_future()


class Key:
    def __init__(self) -> None:
        self.future = Future[None]()

    def set(self) -> None:
        self.future.set_result(None)


async def _multi(waiting: Waiting) -> None:
    await gen.multi([waiting.on_a_future(), waiting.native()])


async def _multi_of_a_dict(waiting: Waiting) -> None:
    await gen.multi({"a": waiting.nested(), "b": waiting.decorated()})


async def _wait_iterator(waiting: Waiting) -> None:
    async for _ in gen.WaitIterator(waiting.on_a_future(), waiting.decorated()):
        pass


async def _with_timeout(waiting: Waiting) -> None:
    await gen.with_timeout(HOUR, waiting.on_a_future())


WAYS: dict[str, Callable[[Waiting], Any]] = {
    "add_callback": lambda waiting: IOLoop.current().add_callback(waiting.native),
    "add_callback, a generator": lambda waiting: IOLoop.current().add_callback(waiting.decorated),
    "add_callback, on a future": lambda waiting: IOLoop.current().add_callback(waiting.on_a_future),
    "add_callback, nested": lambda waiting: IOLoop.current().add_callback(waiting.nested),
    "spawn_callback": lambda waiting: IOLoop.current().spawn_callback(waiting.on_a_future),
    "call_later": lambda waiting: IOLoop.current().call_later(0, waiting.on_a_future),
    "add_timeout": lambda waiting: IOLoop.current().add_timeout(dt.timedelta(0), waiting.native),
    "add_future": lambda waiting: IOLoop.current().add_future(gen.maybe_future(1), lambda _: waiting.on_a_future()),
    "convert_yielded": lambda waiting: gen.convert_yielded(waiting.native()) and None,
    "PeriodicCallback": lambda waiting: _once(waiting.native),
    "PeriodicCallback, a generator": lambda waiting: _once(waiting.on_a_future),
    "multi": lambda waiting: IOLoop.current().add_callback(_multi, waiting),
    "multi of a dict": lambda waiting: IOLoop.current().add_callback(_multi_of_a_dict, waiting),
    "WaitIterator": lambda waiting: IOLoop.current().add_callback(_wait_iterator, waiting),
    "with_timeout": lambda waiting: IOLoop.current().add_callback(_with_timeout, waiting),
}


def _once(callback: Callable[[], Any]) -> None:
    def run() -> Any:
        periodic.stop()
        return callback()

    periodic = PeriodicCallback(run, 1)
    periodic.start()


async def _until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not ready():  # noqa: ASYNC110 - what is waited for must not know that it is
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("way", WAYS)
async def test_it_lives_until_it_is_done(way: str) -> None:
    waiting = Waiting()
    WAYS[way](waiting)
    expected = 2 if way.startswith(("multi", "Wait")) else 1
    await _until(lambda: len(waiting.keys) == expected)
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)
    keys = [key() for key in waiting.keys]
    assert None not in keys
    for key in keys:
        assert key is not None
        key.set()
    await _until(lambda: waiting.ended == expected)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not IOLoop._pending_tasks


async def test_a_loop_of_ones_own_keeps_what_run_sync_waits_for() -> None:
    waiting = Waiting()

    def run() -> int:
        io_loop = IOLoop()
        io_loop.call_later(0.01, gc.collect)
        io_loop.call_later(0.02, lambda: [key().set() for key in waiting.keys])  # type: ignore[union-attr]
        io_loop.run_sync(waiting.on_a_future, timeout=10)
        io_loop.close()
        return waiting.ended

    assert await asyncio.to_thread(run) == 1


class Jobs:
    def __init__(self, executor: Any) -> None:
        self.executor = executor

    @run_on_executor
    def who(self) -> str:
        return SECRET.get()


def _value_in(call: Callable[[Callable[[], Any]], Any]) -> "asyncio.Future[str]":
    """What a callback sees that was given to ``call`` in a context of its own."""
    seen = asyncio.get_running_loop().create_future()

    def callback(*_: object) -> None:
        value = SECRET.get()
        SECRET.set("left behind")
        seen.set_result(value)

    contextvars.copy_context().run(lambda: (SECRET.set("caller"), call(callback)))
    return seen


CALLS: dict[str, Callable[[Any], Any]] = {
    "add_callback": lambda callback: IOLoop.current().add_callback(callback),
    "spawn_callback": lambda callback: IOLoop.current().spawn_callback(callback),
    "call_later": lambda callback: IOLoop.current().call_later(0, callback),
    "call_at": lambda callback: IOLoop.current().call_at(0, callback),
    "add_future": lambda callback: IOLoop.current().add_future(gen.sleep(0), callback),
    "PeriodicCallback": lambda callback: _once(callback),
}


@pytest.mark.parametrize("call", CALLS)
async def test_callbacks_see_what_the_caller_saw(call: str) -> None:
    assert await _value_in(CALLS[call]) == "caller"
    assert SECRET.get() == "nobody"


async def test_callbacks_added_from_a_thread_see_what_it_saw() -> None:
    io_loop = IOLoop.current()
    seen = asyncio.get_running_loop().create_future()

    def run() -> None:
        SECRET.set("thread")
        io_loop.add_callback(lambda: seen.set_result(SECRET.get()))

    thread = threading.Thread(target=run)
    thread.start()
    assert await seen == "thread"
    thread.join()


async def test_a_future_of_a_thread_calls_back_in_the_context_of_who_asked() -> None:
    release = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        submitted = pool.submit(release.wait, 10)
        seen = _value_in(lambda callback: IOLoop.current().add_future(submitted, callback))
        release.set()
        assert await seen == "caller"


@pytest.mark.parametrize("kind", ["pool", "dummy"])
async def test_executors_see_the_context_of_the_caller(kind: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        executor = pool if kind == "pool" else dummy_executor
        io_loop, jobs = IOLoop.current(), Jobs(executor)
        SECRET.set("caller")
        assert await jobs.who() == "caller"
        assert await IOLoop.run_in_executor(io_loop, executor, SECRET.get) == "caller"
        if kind == "pool":
            assert await io_loop.run_in_executor(pool, SECRET.get) == "caller"
            assert await io_loop.run_in_executor(None, SECRET.get) == "caller"
            await io_loop.run_in_executor(pool, SECRET.set, "pool")
        assert SECRET.get() == "caller"


class Recording(concurrent.futures.Executor):
    """Stands for one that sends its work elsewhere: it must get nothing that cannot be pickled."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.got = fn, args
        return dummy_executor.submit(fn, *args, **kwargs)


async def test_other_executors_get_the_function_itself() -> None:
    executor = Recording()
    assert await IOLoop.current().run_in_executor(executor, abs, -1) == 1
    assert executor.got == (abs, (-1,))
    assert await Jobs(executor).who() == "nobody"
    assert executor.got[0] is not contextvars.Context.run


@pytest.mark.parametrize("kind", ["plain", "native", "generator"])
async def test_each_periodic_call_has_a_copy_of_the_context_at_start(kind: str) -> None:
    seen: list[str] = []

    def note() -> None:
        seen.append(SECRET.get())
        SECRET.set(f"call {len(seen)}")

    async def native() -> None:
        note()
        await asyncio.sleep(0)

    @gen.coroutine
    def generator() -> Any:
        note()
        yield None

    periodic = PeriodicCallback({"plain": note, "native": native, "generator": generator}[kind], 1)
    SECRET.set("start")
    periodic.start()
    SECRET.set("later")
    await _until(lambda: len(seen) >= 3)
    periodic.stop()
    assert set(seen) == {"start"}
    assert SECRET.get() == "later"


async def test_waiting_in_locks_and_queues_goes_on_in_the_context_of_who_waits() -> None:
    lock, queue, event = locks.Lock(), queues.Queue[int](), locks.Event()
    seen: list[str] = []

    async def wait(name: str, waited: Callable[[], Any]) -> None:
        SECRET.set(name)
        await waited()
        seen.append(SECRET.get())

    await lock.acquire()
    tasks = [asyncio.create_task(wait(name, call)) for name, call in [("l", lock.acquire), ("q", queue.get), ("e", event.wait)]]
    await asyncio.sleep(0)
    SECRET.set("giver")
    lock.release()
    queue.put_nowait(1)
    event.set()
    await asyncio.gather(*tasks)
    assert sorted(seen) == ["e", "l", "q"]
