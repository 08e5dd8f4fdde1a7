"""`tasks`: where handlers run, how long, and who looks at what comes out."""

import asyncio
import contextvars
from collections.abc import Iterator
from typing import Any

import pytest

from tornadolike import gen
from tornadolike._http import deadline
from tornadolike._web_io import tasks

MARK: contextvars.ContextVar[str] = contextvars.ContextVar("MARK", default="")


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    yield
    assert not tasks.running


async def test_a_handler_runs_in_the_context_it_is_given() -> None:
    context = contextvars.copy_context()

    async def handler() -> None:
        MARK.set("set")

    tasks.start(handler(), context)
    await asyncio.wait(tasks.running)  # type: ignore[type-var]  # none is None here
    assert context[MARK] == "set"
    assert MARK.get() == ""


async def test_one_that_keeps_itself_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler() -> None:
        pass

    monkeypatch.setattr(tasks, "keeping_themselves", [handler.__code__])
    task = tasks.start(handler(), None)
    assert task is not None
    assert not tasks.running
    await task


async def test_whatever_can_be_awaited_will_do() -> None:
    made: list[str] = []

    @gen.coroutine
    def handler() -> Any:
        yield None
        made.append("run")

    assert tasks.start(handler(), None) is None
    await asyncio.wait(tasks.running)  # type: ignore[type-var]
    assert made == ["run"]


async def test_what_comes_out_is_for_the_loop_to_log() -> None:
    reports: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context["exception"]))
    error = RuntimeError("out")

    async def handler() -> None:
        raise error

    tasks.start(handler(), None)
    await asyncio.wait(tasks.running)  # type: ignore[type-var]
    await asyncio.sleep(0)
    assert reports == [error]


async def test_a_piece_of_a_body_belongs_to_the_task_that_waits_for_it() -> None:
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    await asyncio.sleep(0)
    seen: list[Any] = []

    def take(chunk: bytes) -> None:
        seen.append(asyncio.current_task())

    asyncio.get_running_loop().call_soon(tasks.as_part_of, waiting, take, b"")
    await asyncio.sleep(0)
    tasks.as_part_of(waiting, take, b"")  # there is a task already
    tasks.as_part_of(None, take, b"")
    assert seen == [waiting, asyncio.current_task(), asyncio.current_task()]
    waiting.cancel()


async def test_cancelled_is_who_was_asked_to_stop_not_who_waited_for_one() -> None:
    assert not tasks.is_cancelled(ValueError())
    assert not tasks.is_cancelled(asyncio.CancelledError())
    seen: list[bool] = []

    async def stopped() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            seen.append(tasks.is_cancelled(error))
            raise

    task = asyncio.ensure_future(stopped())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert seen == [True]


@pytest.mark.parametrize("late", [True, False])
async def test_a_deadline_ends_the_handler_only_where_it_is_late(late: bool) -> None:
    asked = asyncio.Event()
    steps: list[str] = []

    def is_too_late() -> bool:
        asked.set()
        return late

    async def handler() -> None:
        assert deadline.current.get() is not None
        try:
            await asked.wait()
            await asyncio.sleep(0)
            steps.append("went on")
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise

    await asyncio.create_task(tasks.within(0.0, is_too_late, handler()))
    assert steps == ["cancelled" if late else "went on"]


async def test_who_cancels_it_otherwise_is_heard() -> None:
    task = asyncio.create_task(tasks.within(100.0, lambda: True, asyncio.Event().wait()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Served:
    """What `run_at_once` sees of a handler, and of the connection."""

    def __init__(self) -> None:
        self._RequestHandler__task: Any = None
        self._loop = asyncio.get_running_loop()
        self._request_context = contextvars.copy_context()

    async def course(self, gate: asyncio.Event) -> None:
        self._RequestHandler__task = self._RequestHandler__task or asyncio.current_task()
        tasks.running.add(self._RequestHandler__task)
        try:
            waiting: Any = gate.wait()
            await (tasks.apart(waiting) if self._RequestHandler__task is tasks.AT_ONCE else waiting)
        finally:
            tasks.running.discard(self._RequestHandler__task)


@pytest.mark.parametrize("eager", [False, True])
async def test_what_begins_at_once_is_kept_as_its_task_alone(monkeypatch: pytest.MonkeyPatch, eager: bool) -> None:
    if eager and not tasks._TASKS_ARE_EAGER:
        pytest.skip("tasks begin at once since Python 3.12")
    monkeypatch.setattr(tasks, "_TASKS_ARE_EAGER", eager)
    monkeypatch.setattr(tasks, "keeping_themselves", [Served.course.__code__])
    served, gate = Served(), asyncio.Event()
    tasks.run_at_once(served, served.course(gate), served)
    (task,) = tasks.running
    assert isinstance(task, asyncio.Task)
    gate.set()
    await task
