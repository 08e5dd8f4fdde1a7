"""Coroutines, the loop, locks, queues, futures: orders of events, results, exceptions, what is logged."""

# ruff: noqa: E501, PLW0108, ASYNC110 - rows of tables; names are looked up when the call is made

import asyncio
import concurrent.futures
import datetime as dt
from typing import Any

from tornado import concurrent as tconcurrent
from tornado import gen, ioloop, locks, queues

from compat_suite.differential.conversation import quiet_loop
from compat_suite.differential.recording import Logs
from compat_suite.differential.scenario import add, raised, step

Note = list[Any]


def loop(name: str) -> Any:
    """Decorator: a coroutine that gets a list to note things in, and the log beside it."""

    def register(function: Any) -> Any:
        async def run() -> Any:
            notes: Note = []
            with Logs() as logs:
                try:
                    result = await function(notes)
                    if result is not None:
                        notes.append(repr(result))
                except Exception as error:
                    notes.append(raised(error))
                await quiet_loop(10)
                return [notes, list(logs)]

        add(f"loops/{name}", run)
        return function

    return register


async def attempt(notes: Note, awaitable: Any) -> None:
    try:
        notes.append(repr(await awaitable))
    except BaseException as error:
        notes.append(raised(error))


_YIELDS: dict[str, Any] = {
    "None": lambda: None, "moment": lambda: gen.moment, "list": lambda: [done(1), done(2)], "dict": lambda: {"a": done(1)}, "nested": lambda: [[done(1)], {"b": done(2)}], "number": lambda: 3, "text": lambda: "x", "failed": lambda: failed(), "list with failed": lambda: [done(1), failed(), failed("second")], "sleep": lambda: gen.sleep(0.001),
    "coroutine": lambda: asyncio.sleep(0, "slept"), "empty list": list, "empty dict": dict, "tuple": lambda: (done(1),), "generator": lambda: (done(i) for i in range(2)), "concurrent": lambda: concurrent_done(5), "list with number": lambda: [3], "cancelled": lambda: cancelled(), "maybe_future": lambda: gen.maybe_future(7), "task": lambda: asyncio.ensure_future(asyncio.sleep(0, "task")),
}  # fmt: skip


def done(value: Any) -> Any:
    future: asyncio.Future[Any] = asyncio.Future()
    future.set_result(value)
    return future


def failed(text: str = "failed") -> Any:
    future: asyncio.Future[Any] = asyncio.Future()
    future.set_exception(ValueError(text))
    return future


def cancelled() -> Any:
    future: asyncio.Future[Any] = asyncio.Future()
    future.cancel()
    return future


def concurrent_done(value: Any) -> Any:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_result(value)
    return future


def _yielding(make: Any) -> Any:
    async def scenario(notes: Note) -> Any:
        @gen.coroutine
        def run() -> Any:
            result = yield make()
            return ["yielded", result]

        await attempt(notes, run())

    return scenario


def _awaiting(wrap: Any, make: Any) -> Any:
    async def scenario(notes: Note) -> Any:
        try:
            awaitable = wrap(make())
        except Exception as error:
            notes.append(raised(error))
            return
        await attempt(notes, awaitable)

    return scenario


for _name, _make in _YIELDS.items():
    loop(f"yield {_name}")(_yielding(_make))
    loop(f"multi {_name}")(_awaiting(gen.multi, _make))
    loop(f"convert_yielded {_name}")(_awaiting(gen.convert_yielded, _make))
    loop(f"with_timeout {_name}")(_awaiting(lambda value: gen.with_timeout(dt.timedelta(seconds=1), value), _make))
    loop(f"maybe_future {_name}")(_awaiting(gen.maybe_future, _make))
    loop(f"is_future {_name}")(_awaiting(lambda value: done(tconcurrent.is_future(value)), _make))


@loop("coroutine kinds")
async def _coroutines(notes: Note) -> None:
    @gen.coroutine
    def plain() -> Any:
        return 1

    @gen.coroutine
    def returns() -> Any:
        yield gen.moment
        raise gen.Return(2)

    @gen.coroutine
    def fails() -> Any:
        raise ValueError("at once")

    @gen.coroutine
    def fails_later() -> Any:
        yield gen.moment
        raise ValueError("later")

    @gen.coroutine
    def swallows() -> Any:
        try:
            yield failed()
        except ValueError as error:
            return f"caught {error}"

    @gen.coroutine
    def yields_bad() -> Any:
        try:
            yield object
        except gen.BadYieldError as error:
            return type(error).__name__

    for function in (plain, returns, fails, fails_later, swallows, yields_bad):
        await attempt(notes, function())
        notes.append([gen.is_coroutine_function(function), function.__name__, hasattr(function, "__wrapped__")])
    notes.append(gen.Return(3).value)
    notes.append(str(gen.Return(3)))


@loop("order")
async def _order(notes: Note) -> None:
    here = ioloop.IOLoop.current()
    here.add_callback(notes.append, "callback 1")
    asyncio.get_running_loop().call_soon(notes.append, "call_soon")
    here.add_callback(notes.append, "callback 2")
    here.add_timeout(here.time() + 0.002, notes.append, "timeout 2")
    here.call_later(0.001, notes.append, "timeout 1")
    here.add_callback_from_signal(notes.append, "from signal")
    here.spawn_callback(notes.append, "spawned")
    removed = here.call_later(0.001, notes.append, "never")
    here.remove_timeout(removed)
    here.add_future(done(1), lambda future: notes.append(f"future {future.result()}"))
    await asyncio.sleep(0.05)


@loop("errors in callbacks")
async def _callback_errors(notes: Note) -> None:
    here = ioloop.IOLoop.current()

    def fail() -> None:
        raise ValueError("sync")

    async def fail_async() -> None:
        raise ValueError("async")

    @gen.coroutine
    def fail_coroutine() -> Any:
        yield gen.moment
        raise ValueError("coroutine")

    here.add_callback(fail)
    here.add_callback(fail_async)
    here.add_callback(fail_coroutine)
    here.call_later(0, fail)
    here.spawn_callback(fail_async)
    here.add_callback(lambda: (_ for _ in ()).throw(asyncio.CancelledError()))
    await asyncio.sleep(0.02)


@loop("timeouts")
async def _timeouts(notes: Note) -> None:
    here = ioloop.IOLoop.current()
    for deadline in (dt.timedelta(seconds=0), here.time(), "x", None):
        step(notes, lambda deadline=deadline: type(here.add_timeout(deadline, lambda: None)).__name__ != "")
    pending: asyncio.Future[Any] = asyncio.Future()
    await attempt(notes, gen.with_timeout(dt.timedelta(milliseconds=1), pending))
    notes.append(pending.cancelled())
    pending.set_exception(ValueError("too late"))
    await asyncio.sleep(0.01)
    quiet: asyncio.Future[Any] = asyncio.Future()
    await attempt(notes, gen.with_timeout(dt.timedelta(milliseconds=1), quiet, quiet_exceptions=ValueError))
    quiet.set_exception(ValueError("too late, quietly"))
    await asyncio.sleep(0.01)


@loop("loop api")
async def _loop_api(notes: Note) -> None:
    here = ioloop.IOLoop.current()
    step(notes, lambda: ioloop.IOLoop.instance() is here)
    step(notes, lambda: here.add_handler(99999, print, here.READ))
    step(notes, lambda: here.remove_handler(99999))
    step(notes, lambda: here.run_in_executor(None, print) is not None)
    step(notes, lambda: ioloop.PeriodicCallback(print, 0))
    step(notes, lambda: ioloop.PeriodicCallback(print, dt.timedelta(seconds=1)).callback_time)
    step(notes, lambda: ioloop.PeriodicCallback(print, 10).is_running())
    step(notes, lambda: ioloop.IOLoop(asyncio_loop=here.asyncio_loop))
    step(notes, lambda: (here.READ, here.WRITE, here.ERROR))


@loop("periodic")
async def _periodic(notes: Note) -> None:
    async def beat() -> None:
        notes.append("beat")
        if len(notes) == 2:
            raise ValueError("second")

    periodic = ioloop.PeriodicCallback(beat, 2)
    periodic.start()
    while len(notes) < 4:
        await asyncio.sleep(0.001)
    periodic.stop()
    count = len(notes)
    await asyncio.sleep(0.01)
    notes.append(len(notes) == count)
    del notes[4:-1]


async def _sync(notes: Note) -> None:
    def inside() -> None:
        here = ioloop.IOLoop(make_current=False)

        async def works() -> str:
            return "result"

        async def fails() -> None:
            raise ValueError("inside")

        async def hangs() -> None:
            await asyncio.sleep(10)

        for function in (works, fails, lambda: 3, lambda: done_in(here), lambda: None):
            step(notes, here.run_sync, function)
        step(notes, here.run_sync, hangs, timeout=0.01)
        here.close()
        step(notes, here.run_sync, works)
        step(notes, here.add_callback, print)

    await asyncio.get_running_loop().run_in_executor(None, inside)


def done_in(here: Any) -> Any:
    future = here.asyncio_loop.create_future()
    future.set_result("future")
    return future


loop("run_sync")(_sync)


@loop("locks")
async def _locks(notes: Note) -> None:
    lock = locks.Lock()
    notes.append(repr(lock))
    async with lock:
        step(notes, lambda: lock.acquire().done())
    step(notes, lock.release)
    step(notes, lock.release)
    step(notes, lock.__enter__)
    semaphore = locks.Semaphore(2)
    for _ in range(3):
        notes.append(semaphore.acquire().done())
    notes.append(repr(semaphore))
    semaphore.release()
    notes.append(repr(semaphore))
    await attempt(notes, semaphore.acquire(timeout=dt.timedelta(milliseconds=1)))
    step(notes, locks.Semaphore, -1)
    bounded = locks.BoundedSemaphore(1)
    step(notes, bounded.release)
    condition = locks.Condition()
    waiting = [condition.wait() for _ in range(3)]
    notes.append(repr(condition))
    condition.notify()
    notes.append([future.done() for future in waiting])
    condition.notify_all()
    await attempt(notes, condition.wait(timeout=dt.timedelta(milliseconds=1)))
    event = locks.Event()
    notes.append([event.is_set(), repr(event)])
    await attempt(notes, event.wait(timeout=dt.timedelta(milliseconds=1)))
    waits = event.wait()
    event.set()
    await attempt(notes, waits)
    event.clear()
    notes.append(repr(event))


@loop("queues")
async def _queues(notes: Note) -> None:
    for kind in (queues.Queue, queues.LifoQueue, queues.PriorityQueue):
        queue = kind(2)
        for value in (2, 1):
            queue.put_nowait(value)
        step(notes, queue.put_nowait, 3)
        notes.append([queue.qsize(), queue.full(), queue.empty(), queue.maxsize, str(queue), repr(queue)])
        notes.append([queue.get_nowait(), queue.get_nowait()])
        step(notes, queue.get_nowait)
        await attempt(notes, queue.get(timeout=dt.timedelta(milliseconds=1)))
        step(notes, queue.task_done)
        step(notes, queue.task_done)
        step(notes, queue.task_done)
        await attempt(notes, queue.join(timeout=dt.timedelta(milliseconds=1)))
    step(notes, queues.Queue, -1)
    step(notes, queues.Queue, None)
    queue = queues.Queue(1)
    queue.put_nowait(1)
    await attempt(notes, queue.put(2, timeout=dt.timedelta(milliseconds=1)))
    putting = queue.put(3)
    notes.append(putting.done())
    notes.append(await queue.get())
    notes.append([putting.done(), await queue.get()])
    full = queues.Queue()
    for value in range(3):
        full.put_nowait(value)
    found = []
    async for value in full:
        found.append(value)
        if len(found) == 3:
            break
    notes.append(found)


@loop("wait iterator")
async def _iterator(notes: Note) -> None:
    iterator = gen.WaitIterator(done(1), failed(), done(3))
    while not iterator.done():
        await attempt(notes, iterator.next())
        notes.append([iterator.current_index])
    named = gen.WaitIterator(a=done(1), b=done(2))
    async for value in named:
        notes.append([named.current_index, value])
    step(notes, lambda: gen.WaitIterator(done(1), a=done(2)))
    notes.append(gen.WaitIterator().done())


@loop("futures")
async def _futures(notes: Note) -> None:
    one, two = asyncio.Future(), asyncio.Future()
    tconcurrent.chain_future(one, two)
    one.set_result(5)
    await attempt(notes, two)
    one, two = asyncio.Future(), asyncio.Future()
    tconcurrent.chain_future(one, two)
    one.set_exception(ValueError("chained"))
    await attempt(notes, two)
    three = cancelled()
    step(notes, tconcurrent.future_set_result_unless_cancelled, three, 1)
    step(notes, tconcurrent.future_set_exception_unless_cancelled, three, ValueError("logged"))
    step(notes, tconcurrent.future_set_exc_info, asyncio.Future(), (None, None, None))
    executor = tconcurrent.dummy_executor
    step(notes, lambda: executor.submit(lambda: 4).result())
    step(notes, lambda: executor.submit(lambda: 1 / 0).result())

    class Work:
        executor = tconcurrent.dummy_executor

        @tconcurrent.run_on_executor
        def work(self, value: int) -> int:
            return value * 2

        @tconcurrent.run_on_executor(executor="executor")
        def fail(self) -> int:
            raise KeyError("k")

    await attempt(notes, Work().work(4))
    await attempt(notes, Work().fail())
    tconcurrent.future_add_done_callback(done(1), lambda future: notes.append("at once"))
    notes.append(tconcurrent.is_future(done(1)))
