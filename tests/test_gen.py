"""Generator coroutines and the tools for futures."""

import asyncio
import concurrent.futures
import contextvars
import datetime as dt
import gc
import inspect
import threading
import weakref
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from tornadolike import gen
from tornadolike.concurrent import Future
from tornadolike.ioloop import IOLoop

SOON = dt.timedelta(milliseconds=1)


async def turns(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def finished(value: Any) -> "Future[Any]":
    future = Future[Any]()
    future.set_result(value)
    return future


def failed(error: BaseException) -> "Future[Any]":
    future = Future[Any]()
    future.set_exception(error)
    return future


async def native(value: Any) -> Any:
    await turns(1)
    return value


class TestCoroutine:
    async def test_what_needs_no_waiting_is_done_when_the_call_returns(self) -> None:
        @gen.coroutine
        def plain() -> int:
            return 1

        @gen.coroutine
        def generator() -> Any:
            got = yield finished(2)
            got += yield [finished(3), finished(4)] and finished(3)
            return got

        @gen.coroutine
        def raising_return() -> Any:
            raise gen.Return(6)
            yield

        assert [f().result() for f in (plain, generator, raising_return)] == [1, 5, 6]

    async def test_return_ends_a_plain_function_too(self) -> None:
        @gen.coroutine
        def plain() -> Any:
            raise gen.Return

        @gen.coroutine
        def stopping() -> Any:
            raise StopIteration(8)

        assert plain().result() is None
        assert stopping().result() == 8
        assert gen.Return(5).args == (5,)

    async def test_values_and_exceptions_come_out_of_yield(self) -> None:
        @gen.coroutine
        def work() -> Any:
            assert (yield native(1)) == 1
            assert (yield None) is None
            yield gen.moment
            assert (yield {"a": native(2), "b": [native(3)]}) == {"a": 2, "b": [3]}
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                assert (yield pool.submit(threading.get_ident)) != threading.get_ident()
            with pytest.raises(KeyError):
                yield failed(KeyError())
            with pytest.raises(gen.BadYieldError, match="yielded unknown object 42"):
                yield 42
            return "done"

        assert await work() == "done"

    @pytest.mark.parametrize("wait_first", [True, False])
    async def test_an_exception_fails_the_future(self, wait_first: bool) -> None:
        @gen.coroutine
        def work() -> Any:
            if wait_first:
                yield native(None)
            raise LookupError("x")
            yield

        with pytest.raises(LookupError, match="x"):
            await work()

    async def test_an_exception_thrown_in_is_not_the_context_of_a_later_one(self) -> None:
        @gen.coroutine
        def work() -> Any:
            try:
                yield failed(KeyError())
            except KeyError:
                pass
            raise LookupError

        error = work().exception()
        assert isinstance(error, LookupError)
        assert error.__context__ is None

    @pytest.mark.parametrize("where", ["function", "first step", "later"])
    async def test_cancellation_inside_cancels_the_future(self, where: str) -> None:
        def function() -> None:
            raise asyncio.CancelledError

        def generator() -> Any:
            if where == "later":
                yield native(None)
            raise asyncio.CancelledError
            yield

        future = gen.coroutine(function if where == "function" else generator)()
        with pytest.raises(asyncio.CancelledError):
            await future
        assert future.cancelled()

    async def test_a_cancelled_child_raises_cancelled_error_at_the_yield(self) -> None:
        child = Future[None]()

        @gen.coroutine
        def work() -> Any:
            try:
                yield child
            except asyncio.CancelledError:
                return "noticed"

        waiting = work()
        child.cancel()
        assert await waiting == "noticed"

    async def test_cancelling_the_future_leaves_the_generator_running(self, logs: Any) -> None:
        child, reached = Future[None](), list[str]()

        @gen.coroutine
        def work() -> Any:
            yield child
            reached.append("end")
            raise KeyError

        future = work()
        future.cancel()
        child.set_result(None)
        await turns()
        assert reached == ["end"]
        logs.take("tornado.application", "Exception after Future was cancelled")

    async def test_context_variables_are_each_calls_own(self) -> None:
        var: contextvars.ContextVar[int] = contextvars.ContextVar("var")

        @gen.coroutine
        def work(value: int) -> Any:
            token = var.set(value)
            yield None
            assert var.get() == value
            yield native(None)
            assert (yield see()) == value
            var.reset(token)
            return var.get()

        @gen.coroutine
        def see() -> Any:
            yield None
            return var.get()

        var.set(0)
        assert await gen.multi([work(i) for i in range(1, 5)]) == [0] * 4
        assert var.get() == 0

    async def test_it_keeps_name_and_can_be_recognised(self) -> None:
        @gen.coroutine
        def work() -> None:
            """Doc."""

        assert (work.__name__, work.__doc__) == ("work", "Doc.")
        assert gen.is_coroutine_function(work)
        assert not gen.is_coroutine_function(native)
        assert not gen.is_coroutine_function(work.__wrapped__)  # type: ignore[attr-defined]

    def test_it_may_be_called_before_the_loop_runs(self) -> None:
        def check() -> None:
            loop: Any = IOLoop()

            @gen.coroutine
            def work() -> Any:
                return (yield gen.sleep(0))

            future = work()
            assert future.get_loop() is loop.asyncio_loop
            assert loop.run_sync(lambda: future) is None
            loop.close()

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(check).result(10)

    def test_in_a_thread_without_a_loop_it_is_refused(self) -> None:
        @gen.coroutine
        def work() -> Any:
            yield None

        with concurrent.futures.ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="no current event loop"):
            pool.submit(work).result(10)

    async def test_in_debug_mode_the_future_names_the_line_of_the_caller(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        try:
            future: Any = gen.sleep(0)
            assert future._source_traceback[-1].filename == __file__
            await future
        finally:
            loop.set_debug(False)

    async def test_yield_from_a_future_works(self) -> None:
        @gen.coroutine
        def work() -> Any:
            return (yield from asyncio.ensure_future(native(3)))

        assert await work() == 3


class TestRunner:
    async def test_it_can_be_driven_by_hand(self) -> None:
        def generator() -> Any:
            try:
                yield pending
            except KeyError:
                yield None
            return "handled"

        pending, result = Future[None](), Future[str]()
        made = generator()
        runner = gen.Runner(contextvars.copy_context().run, made, result, next(made))
        assert (runner.running, runner.finished, runner.future) == (False, False, pending)
        runner.run()
        assert not result.done()
        assert runner.handle_exception(KeyError, KeyError("in"), None)  # type: ignore[arg-type]
        assert await result == "handled"
        assert runner.finished
        assert not runner.handle_exception(KeyError, KeyError(), None)  # type: ignore[arg-type]
        runner.run()


class TestGarbage:
    @pytest.fixture(autouse=True)
    def _no_collector(self) -> Iterator[None]:
        gc.collect()
        gc.disable()
        yield
        gc.enable()

    async def test_a_suspended_coroutine_lives_as_long_as_its_future(self) -> None:
        children: list[Any] = []

        @gen.coroutine
        def work() -> Any:
            child = Future[int]()
            children.append(weakref.ref(child))
            return (yield child)

        held, dropped = work(), work()
        del dropped
        gc.collect()
        assert children[1]() is None
        children[0]().set_result(9)
        assert await held == 9

    @pytest.mark.parametrize("outcome", ["value", "error", "child", "waiting child", "list", "timeout"])
    async def test_a_finished_one_is_freed_without_the_collector(self, outcome: str) -> None:
        class Local:
            pass

        alive: list[Any] = []

        def local() -> Local:
            made = Local()
            alive.append(weakref.ref(made))
            return made

        @gen.coroutine
        def child(wait: bool) -> Any:
            _held = local()
            if wait:
                yield None
            raise KeyError

        @gen.coroutine
        def work() -> Any:
            _held = local()
            yield {
                "value": lambda: native(None),
                "error": lambda: failed(KeyError()),
                "child": lambda: child(wait=False),
                "waiting child": lambda: child(wait=True),
                "list": lambda: gen.multi([child(wait=False), child(wait=True)], quiet_exceptions=KeyError),
                "timeout": lambda: gen.with_timeout(dt.timedelta(hours=1), child(wait=True)),
            }[outcome]()

        @gen.coroutine
        def outer() -> Any:
            try:
                yield work()
            except KeyError:
                pass

        await outer()
        await turns()
        assert [ref() for ref in alive] == [None] * len(alive)


class TestMulti:
    async def test_lists_dicts_and_nothing(self) -> None:
        assert await gen.multi([native(1), finished(2), None]) == [1, 2, None]
        assert await gen.multi({"a": native(1), "b": gen.moment}) == {"a": 1, "b": None}
        assert gen.multi([]).result() == []
        assert gen.multi({}).result() == {}
        assert await gen.Multi((native(4), native(5))) == [4, 5]

    async def test_a_future_may_be_listed_twice(self) -> None:
        future = Future[int]()
        both = gen.multi_future([future, future])
        future.set_result(1)
        assert await both == [1, 1]

    async def test_done_children_need_no_turn_of_the_loop(self) -> None:
        assert gen.multi([finished(1), finished(2)]).result() == [1, 2]

    async def test_the_first_exception_counts_and_others_are_logged(self, logs: Any) -> None:
        with pytest.raises(KeyError):
            await gen.multi([native(1), failed(KeyError()), failed(LookupError())])
        record = logs.take("tornado.application", "Multiple exceptions in yield list")
        assert record.exc_info[0] is LookupError
        with pytest.raises(KeyError):
            await gen.multi([failed(KeyError()), failed(LookupError())], quiet_exceptions=(OSError, LookupError))

    async def test_all_are_waited_for_even_after_a_failure(self) -> None:
        slow = Future[None]()
        both = gen.multi([failed(KeyError()), slow])
        await turns()
        assert not both.done()
        slow.set_result(None)
        with pytest.raises(KeyError):
            await both

    async def test_cancelled_children_are_exceptions_that_nobody_logs(self) -> None:
        cancelled = [Future[None](), Future[None]()]
        for future in cancelled:
            future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gen.multi(cancelled)

    async def test_futures_of_threads_answer_in_the_loop(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert await gen.multi([pool.submit(divmod, 7, 2), pool.submit(int, "5")]) == [(3, 1), 5]

    async def test_what_cannot_be_yielded_is_refused(self) -> None:
        with pytest.raises(gen.BadYieldError):
            gen.multi([finished(1), 5])  # type: ignore[list-item]


class TestWaitIterator:
    async def test_gives_results_in_order_of_arrival(self) -> None:
        futures = [Future[str]() for _ in range(3)]
        waiting = gen.WaitIterator(*futures)
        first = waiting.next()
        futures[2].set_result("c")
        assert await first == "c"
        assert (waiting.current_index, waiting.current_future) == (2, futures[2])
        futures[0].set_exception(KeyError())
        futures[1].set_result("b")
        await turns()
        with pytest.raises(KeyError):
            await waiting.next()
        assert waiting.current_index == 0
        assert not waiting.done()
        assert await waiting.next() == "b"
        assert waiting.done()
        assert (waiting.current_index, waiting.current_future) == (None, None)

    async def test_names_and_async_for(self) -> None:
        waiting = gen.WaitIterator(a=finished(1), b=gen.sleep(0), c=finished(3))
        got = [(waiting.current_index, value) async for value in waiting]
        assert got == [("a", 1), ("c", 3), ("b", None)]

    async def test_a_future_passed_twice_comes_twice(self) -> None:
        waiting = gen.WaitIterator(future := finished(5), future)
        assert [(value, waiting.current_index) async for value in waiting] == [(5, 0), (5, 1)]

    async def test_futures_of_threads(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert [v async for v in gen.WaitIterator(pool.submit(int, "5"))] == [5]  # type: ignore[arg-type]

    async def test_nothing_and_too_much(self) -> None:
        assert gen.WaitIterator().done()
        with pytest.raises(ValueError, match="not both"):
            gen.WaitIterator(finished(1), a=finished(1))


class TestWithTimeout:
    async def test_in_time_it_is_the_result(self) -> None:
        assert await gen.with_timeout(dt.timedelta(hours=1), native(1)) == 1
        assert gen.with_timeout(dt.timedelta(hours=1), finished(2)).result() == 2
        assert gen.with_timeout(dt.timedelta(hours=1), None).result() is None
        with pytest.raises(KeyError):
            await gen.with_timeout(dt.timedelta(hours=1), failed(KeyError()))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert await gen.with_timeout(dt.timedelta(hours=1), pool.submit(int, "3")) == 3

    async def test_in_time_the_timer_is_removed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        removed: list[object] = []
        loop = IOLoop.current()
        monkeypatch.setattr(loop, "remove_timeout", removed.append)
        await gen.with_timeout(IOLoop.current().time() + 3600, native(1))
        await turns()
        assert [handle.cancel() for handle in removed] == [None]  # type: ignore[attr-defined]

    @pytest.mark.parametrize(("message", "text"), [(None, "Timeout"), ("too slow", "too slow"), (lambda: "made", "made"), ("", "")])
    async def test_too_late_it_raises(self, message: Any, text: str) -> None:
        with pytest.raises(TimeoutError) as caught:
            await gen.with_timeout(SOON, Future(), message=message)
        assert str(caught.value) == text

    async def test_a_late_exception_is_logged_unless_it_is_quiet(self, logs: Any) -> None:
        late = [Future[None](), Future[None](), Future[None]()]
        for future, quiet in zip(late, [(), KeyError, ()], strict=True):
            with pytest.raises(TimeoutError):
                await gen.with_timeout(0, future, quiet_exceptions=quiet)
        late[0].set_exception(LookupError())
        late[1].set_exception(KeyError())
        late[2].cancel()
        await turns()
        assert logs.take("tornado.application", "Exception in Future .* after timeout").exc_info[0] is LookupError

    async def test_cancellation_of_the_future_arrives(self) -> None:
        future = Future[None]()
        waiting = gen.with_timeout(dt.timedelta(hours=1), future)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


class TestConversion:
    async def test_other_types_can_be_taught(self) -> None:
        class Boxed:
            def __init__(self, value: int) -> None:
                self.value = value

        @gen.convert_yielded.register
        def _convert(box: Boxed) -> "Future[int]":
            if box.value < 0:
                raise OverflowError
            return finished(box.value)

        @gen.coroutine
        def work() -> Any:
            with pytest.raises(OverflowError):
                yield Boxed(-1)
            return (yield [Boxed(1), Boxed(2)])

        assert await work() == [1, 2]

    async def test_an_object_with_await_is_started(self) -> None:
        class Awaitable:
            def __await__(self) -> Any:
                return native(3).__await__()

        assert await gen.convert_yielded(Awaitable()) == 3
        assert gen.convert_yielded(None) is gen.moment
        assert gen.convert_yielded(gen.moment) is gen.moment
        future = finished(1)
        assert gen.convert_yielded(future) is future

    async def test_a_task_made_of_an_awaitable_is_kept_until_it_is_done(self) -> None:
        child = Future[int]()

        async def wait() -> int:
            return await child

        task: Any = gen.convert_yielded(wait())
        await turns()
        assert task in IOLoop._pending_tasks
        child.set_result(1)
        await task
        await turns()
        assert task not in IOLoop._pending_tasks

    async def test_maybe_future(self) -> None:
        future = finished(1)
        assert gen.maybe_future(future) is future
        assert gen.maybe_future(5).result() == 5

    async def test_sleep_can_be_cancelled(self) -> None:
        sleeping = gen.sleep(0.001)
        sleeping.cancel()
        await gen.sleep(0.003)
        assert sleeping.cancelled()


def test_in_a_thread_without_a_loop_nothing_of_a_coroutine_runs() -> None:
    ran: list[str] = []

    @gen.coroutine
    def generator() -> Any:
        ran.append("generator")
        yield None

    @gen.coroutine
    def function() -> None:
        ran.append("function")

    def refused(start: Any) -> str:
        try:
            start()
        except RuntimeError as error:
            return str(error)
        return ""

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for start in (generator, function):
            assert "no current event loop" in pool.submit(refused, start).result(10)
    assert ran == []


def test_a_coroutine_is_no_native_one_to_those_who_ask() -> None:
    """apscheduler#307: whoever gets a yes passes the result to ``create_task`` or ``asyncio.run``, which refuse a future."""

    @gen.coroutine
    def decorated() -> Any:
        yield None

    assert gen.is_coroutine_function(decorated)
    assert not inspect.iscoroutinefunction(decorated)
    # What mocks are made of depends on it, too: an AsyncMock gives its return_value to those who await it only.
    assert type(mock.create_autospec(decorated)) is type(mock.create_autospec(lambda: None))


async def test_what_distributed_asks_a_wait_iterator() -> None:
    """Which of its futures have not been handed out: it awaits them after the first failure, so that theirs are not reported."""
    first, second, again = Future[int](), Future[int](), Future[int]()
    waiting = gen.WaitIterator(first, second, again, first)
    assert list(waiting._unfinished) == [first, second, again]
    first.set_result(1)
    assert await waiting.next() == 1
    assert (waiting.current_index, list(waiting._unfinished)) == (0, [second, again, first])
    assert await waiting.next() == 1
    assert (waiting.current_index, list(waiting._unfinished)) == (3, [second, again])
    again.set_exception(LookupError())
    with pytest.raises(LookupError):
        await waiting.next()
    assert list(waiting._unfinished) == [second]
    assert not waiting.done()
