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


# ---- the first step of a handler that can be awaited, before its task has its turn


class Handled(Served):
    """A handler whose method is given."""

    async def course(self, method: Any) -> None:  # type: ignore[override]
        self._RequestHandler__task = self._RequestHandler__task or asyncio.current_task()
        tasks.running.add(self._RequestHandler__task)
        try:
            result = method()
            await (tasks.apart(result) if self._RequestHandler__task is tasks.AT_ONCE else result)
        finally:
            tasks.running.discard(self._RequestHandler__task)
            self._RequestHandler__task = None


@pytest.fixture(params=[False, True], ids=["by hand", "eager"])
async def served(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Handled:
    if request.param and not tasks._TASKS_ARE_EAGER:
        pytest.skip("tasks begin at once since Python 3.12")
    monkeypatch.setattr(tasks, "_TASKS_ARE_EAGER", request.param)
    monkeypatch.setattr(tasks, "keeping_themselves", [Handled.course.__code__])
    return Handled()


async def test_a_method_that_waits_for_nothing_is_over_when_the_call_returns(served: Handled) -> None:
    seen: list[Any] = []

    async def method() -> None:
        seen.append(asyncio.current_task())

    mine = asyncio.current_task()
    served._request_context.run(tasks.run_at_once, served, served.course(method), served)
    assert seen
    assert isinstance(seen[0], asyncio.Task)
    assert seen[0] is not mine
    assert asyncio.current_task() is mine
    assert not tasks.running
    await asyncio.sleep(0)
    assert seen[0].done()
    assert not seen[0].cancelled()


async def test_all_steps_are_those_of_one_task(served: Handled) -> None:
    seen: list[Any] = []
    gates = [asyncio.Event() for _ in range(3)]

    async def method() -> None:
        for gate in gates:
            seen.append(asyncio.current_task())
            await gate.wait()
            await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    tasks.run_at_once(served, served.course(method), served)
    (task,) = tasks.running
    for gate in gates:
        gate.set()
    assert task is not None
    await task
    assert seen == [task] * 4


@pytest.mark.parametrize("turns", [0, 1, 3])
@pytest.mark.parametrize("deaf", [False, True])
async def test_it_can_be_cancelled_before_its_turn_and_behind(served: Handled, turns: int, deaf: bool) -> None:
    steps: list[str] = []

    async def method() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            steps.append("cancelled")
            if not deaf:
                raise
        await asyncio.sleep(0)
        steps.append("went on")

    tasks.run_at_once(served, served.course(method), served)
    (task,) = tasks.running
    assert task is not None
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() is not deaf
    assert steps == (["cancelled", "went on"] if deaf else ["cancelled"])


@pytest.mark.parametrize("seconds", [0.0, 0.001])
async def test_its_time_outs_end_what_they_were_set_for(served: Handled, seconds: float) -> None:
    ended: list[str] = []

    async def method() -> None:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append("time-out")
        await asyncio.sleep(0)
        ended.append("end")

    tasks.run_at_once(served, served.course(method), served)
    (task,) = tasks.running
    assert task is not None
    await task
    assert ended == ["time-out", "end"]
    assert not task.cancelling()


async def test_what_ends_the_program_comes_out_of_the_loop(served: Handled, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[BaseException] = []
    monkeypatch.setattr(tasks, "_raise", raised.append)

    async def method() -> None:
        raise KeyboardInterrupt

    tasks.run_at_once(served, served.course(method), served)
    await asyncio.sleep(0)
    assert [type(error) for error in raised] == [KeyboardInterrupt]


async def test_one_that_cancels_itself_is_cancelled(served: Handled) -> None:
    seen: list[Any] = []

    async def method() -> None:
        seen.append(asyncio.current_task())
        raise asyncio.CancelledError

    tasks.run_at_once(served, served.course(method), served)
    await asyncio.wait(seen)
    assert seen[0].cancelled()


async def test_where_tasks_are_made_by_a_factory_it_makes_that_one_too(served: Handled) -> None:
    made: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        made.append(asyncio.Task(coroutine, loop=loop, **options))
        return made[-1]

    asyncio.get_running_loop().set_task_factory(factory)
    seen: list[Any] = []

    async def method() -> None:
        seen.append(asyncio.current_task())

    tasks.run_at_once(served, served.course(method), served)
    await asyncio.wait(made)
    assert seen == made
