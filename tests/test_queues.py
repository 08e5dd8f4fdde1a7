"""Queue, PriorityQueue and LifoQueue."""

import asyncio
import datetime as dt
from typing import Any

import pytest

from tornadolike import gen, queues

SOON = dt.timedelta(milliseconds=1)


async def test_first_in_first_out() -> None:
    queue: queues.Queue[int] = queues.Queue()
    for i in range(3):
        queue.put_nowait(i)
    assert (queue.qsize(), queue.empty(), queue.full(), queue.maxsize) == (3, False, False, 0)
    assert [await queue.get(), queue.get_nowait(), await queue.get()] == [0, 1, 2]
    with pytest.raises(queues.QueueEmpty):
        queue.get_nowait()


async def test_priority_and_lifo() -> None:
    smallest: queues.PriorityQueue[Any] = queues.PriorityQueue()
    last: queues.LifoQueue[Any] = queues.LifoQueue()
    for item in (3, 1, 2):
        smallest.put_nowait(item)
        last.put_nowait(item)
    assert [smallest.get_nowait() for _ in range(3)] == [1, 2, 3]
    assert [last.get_nowait() for _ in range(3)] == [2, 1, 3]


async def test_getters_are_served_in_order() -> None:
    queue: queues.Queue[str] = queues.Queue()
    first, second = queue.get(), queue.get()
    queue.put_nowait("a")
    await queue.put("b")
    assert (await first, await second) == ("a", "b")


async def test_a_full_queue_makes_putters_wait_in_order() -> None:
    queue: queues.Queue[int] = queues.Queue(1)
    assert queue.put(1).done()
    waiting = [queue.put(2), queue.put(3)]
    assert queue.full()
    with pytest.raises(queues.QueueFull):
        queue.put_nowait(9)
    assert queue.get_nowait() == 1
    assert [w.done() for w in waiting] == [True, False]
    assert [await queue.get(), await queue.get()] == [2, 3]
    await asyncio.gather(*waiting)


async def test_timeouts_raise_and_change_nothing() -> None:
    queue: queues.Queue[int] = queues.Queue(1)
    with pytest.raises(TimeoutError):
        await queue.get(SOON)
    queue.put_nowait(1)
    with pytest.raises(TimeoutError):
        await queue.put(2, SOON)
    assert queue.get_nowait() == 1
    assert queue.empty()
    queue.put_nowait(3)
    assert not queue._getters
    assert not queue._putters
    assert queue.get_nowait() == 3


async def test_a_cancelled_getter_loses_no_item() -> None:
    queue: queues.Queue[int] = queues.Queue()
    cancelled: Any = queue.get()
    cancelled.cancel()
    queue.put_nowait(1)
    assert queue.get_nowait() == 1


class Doubling(queues.Queue[int]):
    def _put(self, item: int) -> None:
        super()._put(item * 2)


async def _wait_for_item(queue: Any) -> asyncio.Task[Any]:
    async def get() -> Any:
        return await queue.get()

    task = asyncio.ensure_future(get())
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize(
    ("kind", "left"),
    [(queues.Queue, [1, 2]), (queues.LifoQueue, [2, 1]), (queues.PriorityQueue, [1, 2]), (Doubling, [2, 4])],
    ids=lambda kind: getattr(kind, "__name__", ""),
)
@pytest.mark.parametrize("awaited", ["plain", "timeout", "future", "wait_for"])
async def test_an_item_given_to_a_task_that_is_cancelled_in_the_same_turn_is_kept(kind: Any, left: list[int], awaited: str) -> None:
    queue = kind()

    async def get() -> None:
        async with asyncio.timeout(None) as limit:
            if awaited == "timeout":  # the deadline is reached between the item and the next turn
                asyncio.get_running_loop().call_soon(lambda: (limit.reschedule(0), queue.put_nowait(1)))
            await queue.get()

    if awaited == "future":
        getting: Any = asyncio.ensure_future(queue.get())
        queue.put_nowait(1)
        assert getting.cancel()
        await asyncio.wait([getting])
        assert getting.cancelled()
    elif awaited == "wait_for":
        task = asyncio.ensure_future(asyncio.wait_for(queue.get(), 10))
        await asyncio.sleep(0)
        queue.put_nowait(1)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():  # until Python 3.11 it gives the item to those who cancel
            assert task.result() == (2 if kind is Doubling else 1)
            queue.put_nowait(1)
            queue.task_done()
    else:
        task = asyncio.ensure_future(get())
        await asyncio.sleep(0)
        if awaited == "plain":
            queue.put_nowait(1)
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or isinstance(task.exception(), TimeoutError)
    queue.put_nowait(2)
    assert [queue.get_nowait(), queue.get_nowait()] == left
    queue.task_done()
    queue.task_done()
    await queue.join(SOON)


async def test_a_returned_item_goes_to_the_next_who_waits() -> None:
    queue = Doubling()
    cancelled, patient = await _wait_for_item(queue), await _wait_for_item(queue)
    queue.put_nowait(4)
    cancelled.cancel()
    assert await patient == 8
    assert queue.empty()


async def test_those_who_gave_up_are_forgotten_by_the_next_who_comes() -> None:
    queue: queues.Queue[int] = queues.Queue(1)
    queue.put_nowait(0)
    late: list[Any] = [queue.put(1, SOON) for _ in range(5)]
    await asyncio.wait(late)
    queue.put(2)
    assert len(queue._putters) == 1
    assert all(isinstance(one.exception(), TimeoutError) for one in late)


async def test_puts_that_need_not_wait_share_a_future() -> None:
    queue: queues.Queue[int] = queues.Queue(2)
    one, other, third = queue.put(1), queue.put(2), queue.put(3)
    assert one is other is not third
    assert (one.done(), third.done()) == (True, False)


def test_a_queue_may_be_used_in_one_loop_after_the_other() -> None:
    queue: queues.Queue[int] = queues.Queue()

    async def use() -> int:
        await asyncio.gather(queue.put(1), queue.put(2))
        return await queue.get() + await queue.get()

    for _ in range(2):
        with asyncio.Runner() as runner:
            assert runner.run(use()) == 3


async def test_a_putter_cancelled_after_its_item_was_taken_in_puts_it_in_once() -> None:
    queue: queues.Queue[int] = queues.Queue(1)
    queue.put_nowait(1)

    async def put() -> None:
        await queue.put(2)

    task = asyncio.ensure_future(put())
    await asyncio.sleep(0)
    assert queue.get_nowait() == 1
    task.cancel()
    await asyncio.wait([task])
    assert queue.get_nowait() == 2
    assert queue.empty()


async def test_join_waits_for_every_item() -> None:
    queue: queues.Queue[int] = queues.Queue()
    await queue.join()
    for i in range(2):
        queue.put_nowait(i)
    joined: Any = queue.join()
    for _ in range(2):
        assert not joined.done()
        queue.get_nowait()
        queue.task_done()
    await joined
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()
    queue.put_nowait(1)
    with pytest.raises(TimeoutError):
        await queue.join(SOON)


async def test_async_for_takes_items_for_ever() -> None:
    queue: queues.Queue[int] = queues.Queue(2)
    got: list[int] = []

    async def consume() -> None:
        async for item in queue:
            got.append(item)
            queue.task_done()

    task = asyncio.ensure_future(consume())
    for i in range(10):
        await queue.put(i)
    await queue.join()
    task.cancel()
    await asyncio.wait([task])
    assert got == list(range(10))


async def test_a_subclass_may_give_out_something_else() -> None:
    queue = Doubling()
    waiting = queue.get()
    queue.put_nowait(4)
    assert await waiting == 8


async def test_text_tells_the_state() -> None:
    queue: queues.Queue[int] = queues.Queue(1)
    assert str(queue) == "<Queue maxsize=1>"
    queue.put_nowait(1)
    queue.put(2)
    assert str(queue) == "<Queue maxsize=1 queue=deque([1]) putters[1] tasks=1>"
    assert repr(queue).startswith(f"<Queue at {id(queue):#x} maxsize=1")
    empty: queues.Queue[int] = queues.Queue()
    empty.get()
    assert str(empty) == "<Queue maxsize=0 getters[1]>"


def test_maxsize_is_checked() -> None:
    with pytest.raises(TypeError, match="can't be None"):
        queues.Queue(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="can't be negative"):
        queues.Queue(-1)


async def test_a_subclass_that_has_items_from_elsewhere_is_asked() -> None:
    class Endless(queues.Queue[int]):
        def get_nowait(self) -> int:
            return 7

    class Counted(queues.Queue[int]):
        def _init(self) -> None:
            self.left = 2

        def qsize(self) -> int:
            return self.left

        def empty(self) -> bool:
            return not self.left

        def _get(self) -> int:
            self.left -= 1
            return self.left

    assert await Endless().get() == 7
    counted = Counted()
    assert [await counted.get(), await counted.get()] == [1, 0]
    assert not counted.get().done()  # type: ignore[attr-defined]


@pytest.mark.parametrize("cancelled", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
async def test_an_item_that_several_tasks_await_is_given_once(cancelled: tuple[int, ...]) -> None:
    queue: queues.Queue[int] = queues.Queue()

    async def take(getting: Any) -> int:
        return await getting  # type: ignore[no-any-return]

    getting = queue.get()
    tasks = [asyncio.ensure_future(take(getting)) for _ in range(3)]
    await asyncio.sleep(0)
    queue.put_nowait(7)
    for index in cancelled:
        tasks[index].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [index for index, result in enumerate(results) if isinstance(result, asyncio.CancelledError)] == list(cancelled)
    assert [result for index, result in enumerate(results) if index not in cancelled] == [7] * (3 - len(cancelled))
    assert queue.qsize() == (len(cancelled) == 3)


async def test_a_future_that_a_task_awaits_cannot_be_cancelled_once_it_has_an_item() -> None:
    queue: queues.Queue[int] = queues.Queue()

    async def take(getting: Any) -> int:
        return await getting  # type: ignore[no-any-return]

    getting: Any = queue.get()
    task = asyncio.ensure_future(take(getting))
    await asyncio.sleep(0)
    queue.put_nowait(7)
    assert not getting.cancel()
    assert (await task, queue.qsize()) == (7, 0)


async def test_who_comes_next_clears_away_those_whose_time_is_over() -> None:
    queue: queues.Queue[int] = queues.Queue()
    late = [asyncio.ensure_future(queue.get(timeout=dt.timedelta(milliseconds=1))) for _ in range(10)]
    waiting = queue.get()
    for getter in late:
        with pytest.raises(gen.TimeoutError):
            await getter
    assert len(queue._getters) == 11
    another = queue.get()
    assert len(queue._getters) == 2
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert (await waiting, await another) == (1, 2)
