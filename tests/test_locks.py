"""Condition, Event, Semaphore and Lock."""

import asyncio
import datetime as dt
import gc
from typing import Any

import pytest

from tornadolike import gen, locks
from tornadolike.ioloop import IOLoop

SOON = dt.timedelta(milliseconds=1)


async def turns(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


class _Counting(locks.Lock):
    """As a program might have it."""

    calls = 0

    def acquire(self, timeout: Any = None) -> Any:
        self.calls += 1
        return super().acquire(timeout)


class TestCondition:
    async def test_wakes_in_order_of_arrival(self) -> None:
        condition, woken = locks.Condition(), list[int]()

        async def wait(name: int) -> None:
            assert await condition.wait()
            woken.append(name)

        tasks = [asyncio.ensure_future(wait(i)) for i in range(4)]
        await turns()
        assert repr(condition) == "<Condition waiters[4]>"
        condition.notify()
        await turns()
        assert woken == [0]
        condition.notify(2)
        await turns()
        assert woken == [0, 1, 2]
        condition.notify_all()
        await asyncio.gather(*tasks)
        assert woken == [0, 1, 2, 3]
        assert repr(condition) == "<Condition>"

    async def test_timeout_answers_false_and_is_not_notified(self) -> None:
        condition = locks.Condition()
        late, patient = condition.wait(SOON), condition.wait()
        assert await late is False
        condition.notify()
        assert await patient is True

    async def test_those_who_gave_up_are_swept_out_whether_timed_out_or_cancelled(self) -> None:
        condition = locks.Condition()
        for give_up in ("timeout", "cancel"):
            for _ in range(3):
                waiters: list[Any] = [condition.wait(SOON if give_up == "timeout" else None) for _ in range(101)]
                if give_up == "cancel":
                    for waiter in waiters:
                        waiter.cancel()
                await asyncio.wait(waiters)
                await turns()
            assert len(condition._waiters) < 110

    async def test_the_end_of_a_wait_ends_its_timer(self) -> None:
        for kind in (locks.Condition(), locks.Event(), locks.Semaphore(0)):
            timers: list[Any] = []
            removed: list[Any] = []
            io_loop: Any = IOLoop.current()
            add, remove = io_loop.add_timeout, io_loop.remove_timeout
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(io_loop, "add_timeout", lambda *args: timers.append(add(*args)) or timers[-1])  # noqa: B023
                patch.setattr(io_loop, "remove_timeout", lambda timer: (removed.append(timer), remove(timer)))  # noqa: B023
                acquire: Any = getattr(kind, "acquire", getattr(kind, "wait", None))
                end: Any = getattr(kind, "notify", getattr(kind, "set", getattr(kind, "release", None)))
                ended, cancelled = acquire(dt.timedelta(hours=1)), acquire(dt.timedelta(hours=1))
                cancelled.cancel()
                end()
                await ended
            assert sorted(removed, key=id) == sorted(timers, key=id)
            assert len(timers) == 2

    async def test_notify_without_waiters_is_forgotten(self) -> None:
        condition = locks.Condition()
        condition.notify()
        condition.notify_all()
        assert await condition.wait(SOON) is False


class TestEvent:
    async def test_set_wakes_all_and_stays(self) -> None:
        event = locks.Event()
        waits: list[Any] = [event.wait(), event.wait()]
        assert not any(w.done() for w in waits)
        assert (repr(event), event.is_set()) == ("<Event clear>", False)
        event.set()
        event.set()
        await asyncio.gather(*waits)
        assert (repr(event), event.is_set()) == ("<Event set>", True)
        assert event.wait().done()  # type: ignore[attr-defined]
        event.clear()
        assert not event.wait().done()  # type: ignore[attr-defined]

    async def test_timeout_and_cancellation_leave_no_waiter(self) -> None:
        event = locks.Event()
        with pytest.raises(TimeoutError, match="Timeout"):
            await event.wait(SOON)
        limited: Any = event.wait(dt.timedelta(days=1))
        limited.cancel()
        assert not event._waiters
        patient: Any = event.wait()
        for _ in range(10 * locks._SWEEP_AFTER):
            cancelled: Any = event.wait()
            cancelled.cancel()
            assert len(event._waiters) <= 2 * locks._SWEEP_AFTER
        event.set()
        assert patient.done()


class TestSemaphore:
    async def test_admits_as_many_as_its_value(self) -> None:
        semaphore, inside, most = locks.Semaphore(2), 0, 0

        async def work() -> None:
            nonlocal inside, most
            async with semaphore:
                inside += 1
                most = max(most, inside)
                await turns()
                inside -= 1

        await asyncio.gather(*(work() for _ in range(7)))
        assert (most, inside, semaphore._value) == (2, 0, 2)

    async def test_repr_tells_its_state(self) -> None:
        semaphore = locks.Semaphore()
        assert repr(semaphore).endswith("[unlocked,value:1]>")
        semaphore.acquire()
        semaphore.acquire()
        assert repr(semaphore).endswith("[locked,waiters:1]>")

    async def test_timeout_raises_and_the_permit_goes_to_the_next(self) -> None:
        semaphore = locks.Semaphore(0)
        late, patient = semaphore.acquire(SOON), semaphore.acquire()
        with pytest.raises(TimeoutError):
            await late
        semaphore.release()
        with await patient:
            assert semaphore._value == 0
        assert semaphore._value == 1

    async def test_generator_coroutines_use_with(self) -> None:
        semaphore = locks.Semaphore()

        @gen.coroutine
        def work() -> Any:
            with (yield semaphore.acquire()):
                assert semaphore._value == 0
            raise gen.Return(semaphore._value)

        assert await work() == 1

    async def test_a_task_cancelled_just_after_it_was_admitted_gives_the_permit_back(self) -> None:
        semaphore = locks.Semaphore(0)

        async def work() -> None:
            async with semaphore:
                raise AssertionError("never inside")

        task = asyncio.ensure_future(work())
        await turns()
        semaphore.release()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert semaphore._value == 1

    @pytest.mark.parametrize("how", ["acquire", "async with", "override"])
    @pytest.mark.parametrize("ending", ["cancelled", "timeout", "closed", "closed early", "future"])
    async def test_an_acquiring_that_was_broken_off_leaves_nothing_locked(self, how: str, ending: str) -> None:
        lock = _Counting() if how == "override" else locks.Lock()
        await lock.acquire()

        async def work() -> None:
            async with asyncio.timeout(None) as limit:
                if ending == "timeout":  # the deadline is reached between the release and the next turn
                    asyncio.get_running_loop().call_soon(lambda: (limit.reschedule(0), lock.release()))
                await (lock.acquire() if how == "acquire" else lock.__aenter__())

        if ending == "future":
            acquiring: Any = lock.acquire()
            lock.release()
            assert acquiring.cancel()
            assert acquiring.cancelled()
            for ask in (acquiring.result, acquiring.exception):
                with pytest.raises(asyncio.CancelledError):
                    ask()
            assert not acquiring.cancel()
        elif ending.startswith("closed"):
            coroutine = work()
            coroutine.send(None)
            if ending == "closed":
                lock.release()
            coroutine.close()
            if ending == "closed early":
                lock.release()
        else:
            task = asyncio.ensure_future(work())
            await asyncio.sleep(0)
            if ending == "cancelled":
                lock.release()
                task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or isinstance(task.exception(), TimeoutError)
        assert lock._block._value == 1
        await lock.acquire(SOON)

    @pytest.mark.parametrize("limit", [None, SOON])
    async def test_one_that_has_looked_keeps_its_permit(self, limit: Any) -> None:
        lock = locks.Lock()
        await lock.acquire()
        acquiring: Any = lock.acquire(limit)
        lock.release()
        with await acquiring:
            assert not acquiring.cancel()
            assert acquiring.exception() is None
        assert lock._block._value == 1
        late: Any = lock.acquire()
        assert not late.cancel(), "one that need not wait has it at once"

    @pytest.mark.parametrize("limit", [None, dt.timedelta(seconds=60)])
    async def test_two_may_await_the_same_acquiring(self, limit: Any) -> None:
        lock = locks.Lock()
        await lock.acquire()
        acquiring: Any = lock.acquire(limit)

        async def wait() -> Any:
            return await acquiring

        both = [asyncio.ensure_future(wait()) for _ in range(2)]
        await turns()
        lock.release()
        first, second = await asyncio.gather(*both)
        assert first is second is acquiring.result()
        lock.release()

    async def test_an_acquiring_whose_task_was_cancelled_is_over_at_once(self) -> None:
        lock = locks.Lock()
        await lock.acquire()
        acquiring: Any = lock.acquire()

        async def wait() -> Any:
            return await acquiring

        task = asyncio.ensure_future(wait())
        await turns()
        assert not acquiring.done()
        assert not acquiring.cancelled()
        task.cancel()
        assert acquiring.done()
        assert acquiring.cancelled()
        lock.release()
        await asyncio.wait([task])
        assert lock._block._value == 1

    async def test_an_acquiring_that_is_cancelled_ends_who_awaits_it(self) -> None:
        lock = locks.Lock()
        await lock.acquire()
        acquiring: Any = lock.acquire()

        async def wait() -> Any:
            return await acquiring

        task = asyncio.ensure_future(wait())
        await turns()
        assert acquiring.cancel()
        with pytest.raises(asyncio.InvalidStateError):
            acquiring.set_result(None)
        await asyncio.wait([task])
        assert task.cancelled()

    async def test_one_whose_time_is_over_has_nothing_to_give_back(self) -> None:
        semaphore = locks.Semaphore(0)
        late: Any = semaphore.acquire(SOON)
        await asyncio.wait([late])
        assert not late.cancel()
        assert isinstance(late.exception(), TimeoutError)
        assert semaphore._value == 0

    async def test_a_permit_given_back_goes_to_the_next(self) -> None:
        lock, log = locks.Lock(), list[str]()
        await lock.acquire()

        async def work(name: str) -> None:
            await lock.acquire()
            log.append(name)
            lock.release()

        tasks = [asyncio.ensure_future(work(name)) for name in "abc"]
        await turns()
        lock.release()
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert (log, lock._block._value) == (["b", "c"], 1)

    def test_misuse(self) -> None:
        with pytest.raises(ValueError, match=">= 0"):
            locks.Semaphore(-1)
        with pytest.raises(RuntimeError, match="async with"), locks.Semaphore():
            pass

    async def test_bounded_refuses_one_release_too_many(self) -> None:
        semaphore = locks.BoundedSemaphore(2)
        semaphore.acquire()
        semaphore.release()
        with pytest.raises(ValueError, match="released too many times"):
            semaphore.release()


class TestLock:
    async def test_excludes(self) -> None:
        lock, log = locks.Lock(), list[str]()

        async def work(name: str) -> None:
            async with lock:
                log.append(name)
                await turns()
                log.append(name)

        await asyncio.gather(work("a"), work("b"))
        assert log == ["a", "a", "b", "b"]
        assert lock._block._value == 1

    async def test_is_released_when_the_body_fails(self) -> None:
        lock = locks.Lock()
        with pytest.raises(KeyError):
            async with lock:
                assert "locked" in repr(lock)
                raise KeyError
        assert "unlocked" in repr(lock)

    async def test_timeout(self) -> None:
        lock = locks.Lock()
        await lock.acquire()
        with pytest.raises(TimeoutError):
            await lock.acquire(timeout=SOON)

    def test_misuse(self) -> None:
        with pytest.raises(RuntimeError, match="release unlocked lock"):
            locks.Lock().release()
        with pytest.raises(RuntimeError, match="async with"), locks.Lock():
            pass


async def test_waiting_leaves_no_reference_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        semaphore = locks.Semaphore()
        async with semaphore:
            waiting = asyncio.ensure_future(asyncio.wait_for(semaphore.acquire(), 5))  # type: ignore[arg-type]
            await turns()
        await waiting
        del semaphore, waiting
        await turns()
        assert [x for x in gc.get_objects() if isinstance(x, locks.Semaphore)] == []
    finally:
        gc.enable()


async def test_a_lock_that_two_tasks_await_has_one_owner() -> None:
    lock = locks.Lock()
    await lock.acquire()
    acquiring = lock.acquire()

    async def enter() -> None:
        await acquiring

    first, second = asyncio.ensure_future(enter()), asyncio.ensure_future(enter())
    await asyncio.sleep(0)
    lock.release()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert (first.cancelled(), second.cancelled()) == (False, True)
    assert not lock.acquire().done()  # type: ignore[attr-defined]
