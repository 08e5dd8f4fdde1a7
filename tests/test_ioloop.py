"""IOLoop: which loop is current, callbacks, timeouts, handlers, run_sync, PeriodicCallback."""

import asyncio
import concurrent.futures
import contextvars
import datetime as dt
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tornadolike import gen
from tornadolike.concurrent import Future, dummy_executor
from tornadolike.ioloop import IOLoop, PeriodicCallback
from tornadolike.platform.asyncio import AsyncIOLoop, AsyncIOMainLoop, BaseAsyncIOLoop


@pytest.fixture
def io_loop() -> Iterator[Any]:
    loop = IOLoop(make_current=False)
    yield loop
    loop.close()


def in_thread(function: Callable[[], Any]) -> Any:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(10)


async def turns(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


class TestCurrent:
    async def test_a_running_loop_has_one(self) -> None:
        current: Any = IOLoop.current()
        assert current is IOLoop.current() is IOLoop.instance()
        assert current.asyncio_loop is asyncio.get_running_loop()
        assert IOLoop._ioloop_for_asyncio[current.asyncio_loop] is current

    def test_a_thread_without_a_loop_gets_one_when_it_asks(self) -> None:
        def ask() -> None:
            assert IOLoop.current(instance=False) is None
            current: Any = IOLoop.current()
            assert isinstance(current, AsyncIOMainLoop)
            assert IOLoop.current(instance=False) is current
            assert current.run_sync(answer) is current
            current.close()
            asyncio.set_event_loop(None)

        async def answer() -> IOLoop:
            return IOLoop.current()

        in_thread(ask)

    def test_a_new_one_is_current_until_it_is_closed(self) -> None:
        def check() -> None:
            outer: Any = IOLoop()
            inner = IOLoop()
            assert IOLoop.current() is inner
            inner.close()
            assert IOLoop.current() is outer
            aside = IOLoop(make_current=False)
            assert IOLoop.current() is outer
            aside.close()
            outer.close()
            assert IOLoop.current(instance=False) is None

        in_thread(check)

    def test_closing_a_loop_that_was_displaced_leaves_its_successor_current(self) -> None:
        def check() -> None:
            first, second = IOLoop(), IOLoop()
            first.close()
            assert IOLoop.current() is second
            second.close()
            asyncio.set_event_loop(None)

        in_thread(check)

    def test_while_it_runs_it_is_current(self, io_loop: Any) -> None:
        async def answer() -> IOLoop:
            return IOLoop.current()

        assert io_loop.run_sync(answer) is io_loop

    def test_make_and_clear_current_are_deprecated(self, io_loop: Any) -> None:
        def check() -> None:
            with pytest.warns(DeprecationWarning, match="make_current is deprecated"):
                io_loop.install()
            assert IOLoop.current() is io_loop
            with pytest.warns(DeprecationWarning, match="clear_current is deprecated"):
                IOLoop.clear_instance()
            assert IOLoop.current(instance=False) is None
            with pytest.warns(DeprecationWarning, match="clear_current"):
                IOLoop.clear_current()

        in_thread(check)

    def test_an_asyncio_loop_has_one_ioloop(self) -> None:
        raw = asyncio.new_event_loop()
        wrapped: Any = IOLoop(asyncio_loop=raw, make_current=False)
        assert wrapped.asyncio_loop is raw
        with pytest.raises(RuntimeError, match="already associated"):
            IOLoop(asyncio_loop=raw, make_current=False)
        assert not raw.is_closed()
        wrapped.close()
        wrapped.close()
        assert raw.is_closed()
        assert raw not in IOLoop._ioloop_for_asyncio

    def test_loops_that_asyncio_closed_are_forgotten(self) -> None:
        async def use() -> None:
            IOLoop.current()

        for _ in range(5):
            asyncio.run(use())
        IOLoop(make_current=False).close()
        assert not any(loop.is_closed() for loop in IOLoop._ioloop_for_asyncio)

    def test_only_asyncio_implementations_can_be_configured(self) -> None:
        with pytest.raises(RuntimeError, match="only AsyncIOLoop"):
            IOLoop.configure(IOLoop)
        saved = IOLoop._save_configuration()  # type: ignore[attr-defined]

        class Mine(AsyncIOLoop):
            pass

        try:
            IOLoop.configure(Mine)
            loop = IOLoop(make_current=False)
            assert type(loop) is Mine
            loop.close()
            IOLoop.configure("tornadolike.platform.asyncio.AsyncIOLoop")
            assert IOLoop.configured_class() is AsyncIOLoop
        finally:
            IOLoop._restore_configuration(saved)  # type: ignore[attr-defined]

    def test_the_chosen_kind_of_loop_is_made(self, io_loop: Any, request: pytest.FixtureRequest) -> None:
        assert type(io_loop.asyncio_loop).__module__.partition(".")[0] == request.config.getoption("--loop")

    def test_a_program_without_a_running_loop_gets_no_warning(self) -> None:
        code = """if True:
            from tornadolike.ioloop import IOLoop
            from tornadolike import gen
            loop = IOLoop.current()
            @gen.coroutine
            def main():
                yield gen.sleep(0)
                return 7
            assert loop.run_sync(main) == 7
            loop.close()
        """
        subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", code], check=True, timeout=30)


class TestCallbacks:
    async def test_run_in_order_with_arguments(self) -> None:
        seen: list[Any] = []
        loop = IOLoop.current()
        loop.add_callback(seen.append, 1)
        asyncio.get_running_loop().call_soon(seen.append, 2)
        loop.spawn_callback(lambda **kw: seen.append(kw), a=3)
        assert seen == []
        await turns(1)
        assert seen == [1, 2, {"a": 3}]

    async def test_come_from_other_threads(self) -> None:
        called = Future[int]()
        loop = IOLoop.current()
        in_thread(lambda: loop.add_callback(called.set_result, 1))
        assert await asyncio.wait_for(called, 5) == 1

    def test_after_close_they_are_dropped(self) -> None:
        loop = IOLoop(make_current=False)
        loop.close()
        loop.add_callback(pytest.fail)
        with pytest.warns(DeprecationWarning, match="from_signal"):
            loop.add_callback_from_signal(pytest.fail)

    async def test_what_cannot_be_called_is_refused_at_once(self) -> None:
        with pytest.raises(TypeError, match="callable"):
            IOLoop.current().add_callback(None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="callable"):
            IOLoop.current().call_later(0, 5)  # type: ignore[arg-type]

    async def test_exceptions_are_logged_and_harm_nobody(self, logs: Any) -> None:
        seen: list[int] = []

        def cancelled() -> None:
            raise asyncio.CancelledError

        loop = IOLoop.current()
        loop.add_callback(lambda: 1 / 0)
        loop.add_callback(cancelled)
        loop.add_callback(seen.append, 1)
        await turns()
        assert seen == [1]
        assert logs.take("tornado.application", "Exception in callback").exc_info[0] is ZeroDivisionError

    async def test_awaitables_that_they_return_are_followed(self, logs: Any) -> None:
        async def native() -> None:
            await turns()
            raise LookupError

        @gen.coroutine
        def decorated() -> Any:
            yield None
            raise KeyError

        loop = IOLoop.current()
        loop.add_callback(native)
        loop.add_callback(decorated)
        loop.add_callback(lambda: [native()])
        loop.add_callback(lambda: "not awaitable")
        await turns(12)
        kinds = [logs.take("tornado.application", "Exception in callback").exc_info[0] for _ in range(3)]
        assert sorted(k.__name__ for k in kinds) == ["KeyError", "LookupError", "LookupError"]
        assert not IOLoop._pending_tasks

    async def test_the_log_line_names_the_callback_with_its_arguments_and_the_task_with_its_place(self, logs: Any) -> None:
        def job(number: int, *, name: str = "") -> None:
            raise LookupError(number)

        async def work() -> None:
            raise KeyError

        loop = IOLoop.current()
        loop.add_callback(job, 7)
        loop.add_callback(job, 8, name="x")
        loop.call_later(0, job, 9)
        loop.add_callback(work)
        loop.add_future(gen.maybe_future(1), job)  # type: ignore[arg-type]
        await turns(12)
        await asyncio.sleep(0.002)
        prefix = r"^Exception in callback functools\.partial\("
        logs.take("tornado.application", prefix + r"<function .*job at 0x[0-9a-f]+>, 7\)$")
        logs.take("tornado.application", prefix + r"<function .*job at 0x[0-9a-f]+>, 8, name='x'\)$")
        logs.take("tornado.application", prefix + r"<function .*job at 0x[0-9a-f]+>, 9\)$")
        logs.take("tornado.application", prefix + r"<function .*job at 0x[0-9a-f]+>, <Future finished result=1>\)$")
        logs.take("tornado.application", prefix + r".*<Task finished name='.*' coro=<.*work\(\) done, defined at .*test_ioloop.py:\d+>")

    async def test_from_a_signal_it_is_deprecated(self) -> None:
        called = Future[int]()
        with pytest.warns(DeprecationWarning, match="add_callback_from_signal is deprecated"):
            IOLoop.current().add_callback_from_signal(called.set_result, 4)
        assert await called == 4

    async def test_context_variables_are_those_of_the_caller(self) -> None:
        var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
        seen: list[str] = []
        contextvars.copy_context().run(lambda: (var.set("caller"), IOLoop.current().add_callback(lambda: seen.append(var.get()))))
        await turns()
        assert (seen, var.get()) == (["caller"], "none")

    async def test_futures_of_both_kinds_call_back_in_the_loop(self) -> None:
        loop, threads, done = IOLoop.current(), list[int](), asyncio.Event()

        def note(future: Any) -> None:
            assert future.result() == 1
            threads.append(threading.get_ident())
            if len(threads) == 3:
                done.set()

        asynchronous = Future[int]()
        asynchronous.set_result(1)
        loop.add_future(asynchronous, note)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            loop.add_future(pool.submit(int, "1"), note)
        loop.add_future(dummy_executor.submit(int, "1"), note)
        assert threads == []
        await asyncio.wait_for(done.wait(), 5)
        assert set(threads) == {threading.get_ident()}

    async def test_what_is_no_future_is_refused(self) -> None:
        with pytest.raises(AssertionError):
            IOLoop.current().add_future(gen.moment, print)


class TestTimeouts:
    @pytest.mark.parametrize("when", ["now", "past", "timedelta", "later", "at"])
    async def test_each_way_calls_with_arguments(self, when: str) -> None:
        loop, called = IOLoop.current(), Future[Any]()

        def note(*args: Any, **kwargs: Any) -> None:
            called.set_result((args, kwargs))

        handle = {
            "now": lambda: loop.add_timeout(loop.time(), note, 1, a=2),
            "past": lambda: loop.add_timeout(0, note, 1, a=2),
            "timedelta": lambda: loop.add_timeout(dt.timedelta(milliseconds=1), note, 1, a=2),
            "later": lambda: loop.call_later(0.001, note, 1, a=2),
            "at": lambda: loop.call_at(loop.time() + 0.001, note, 1, a=2),
        }[when]()
        assert await asyncio.wait_for(called, 5) == ((1,), {"a": 2})
        loop.remove_timeout(handle)

    async def test_a_removed_one_does_not_run(self) -> None:
        loop, done = IOLoop.current(), asyncio.Event()
        removed = loop.call_later(0, pytest.fail)
        loop.call_later(0.005, done.set)
        loop.remove_timeout(removed)
        await asyncio.wait_for(done.wait(), 5)

    async def test_other_deadlines_are_refused(self) -> None:
        with pytest.raises(TypeError, match="Unsupported deadline '5'"):
            IOLoop.current().add_timeout("5", print)  # type: ignore[arg-type]

    async def test_an_exception_is_logged(self, logs: Any) -> None:
        done = asyncio.Event()
        IOLoop.current().call_later(0, lambda: (done.set(), 1 / 0))
        await asyncio.wait_for(done.wait(), 5)
        logs.take("tornado.application", "Exception in callback")


class TestRunSync:
    def test_gives_the_outcome(self, io_loop: Any) -> None:
        async def native() -> int:
            return 1

        @gen.coroutine
        def decorated() -> Any:
            yield None
            return 2

        assert io_loop.run_sync(native) == 1
        assert io_loop.run_sync(decorated) == 2
        assert io_loop.run_sync(lambda: None) is None
        assert io_loop.run_sync(lambda: [native(), decorated()]) == [1, 2]
        with pytest.raises(gen.BadYieldError, match="42"):
            io_loop.run_sync(lambda: 42)
        with pytest.raises(ZeroDivisionError):
            io_loop.run_sync(lambda: 1 / 0)

    def test_timeout_cancels(self, io_loop: Any) -> None:
        ended: list[str] = []

        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        with pytest.raises(TimeoutError, match=r"Operation timed out after 0.01 seconds"):
            io_loop.run_sync(endless, timeout=0.01)
        assert ended == ["cancelled"]
        assert io_loop.run_sync(turns, timeout=10) is None

    def test_a_loop_that_is_stopped_early_is_an_error(self, io_loop: Any) -> None:
        async def stopping() -> None:
            IOLoop.current().stop()
            await asyncio.sleep(3600)

        async def cancel_leftovers() -> None:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        with pytest.raises(RuntimeError, match="Event loop stopped before Future completed"):
            io_loop.run_sync(stopping)
        io_loop.run_sync(cancel_leftovers)
        io_loop.run_sync(turns)

    async def test_inside_a_running_loop_it_is_refused(self) -> None:
        with pytest.raises(RuntimeError, match="already running"):
            IOLoop.current().run_sync(pytest.fail)
        await turns()


class TestFinishOnClose:
    """tornado#3017."""

    @staticmethod
    def leave_something(io_loop: Any, said: list[str]) -> None:
        async def generate() -> Any:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                said.append("generator")

        async def task() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                said.append("task")

        async def failing() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise LookupError("at the end")

        async def main() -> None:
            io_loop.add_callback(task)
            io_loop.kept = generate()  # of which nobody asks for the rest
            io_loop.failing = asyncio.ensure_future(failing())
            await anext(io_loop.kept)
            await io_loop.run_in_executor(None, str, 1)
            await turns()

        io_loop.run_sync(main)

    @pytest.mark.parametrize("where", ["instance", "class"])
    def test_finally_blocks_run(self, where: str, monkeypatch: pytest.MonkeyPatch, logs: Any) -> None:
        def run() -> None:
            io_loop: Any = IOLoop()
            monkeypatch.setattr(io_loop if where == "instance" else IOLoop, "finish_on_close", True, raising=False)
            self.leave_something(io_loop, said)
            io_loop.close()
            io_loop.close()
            assert asyncio.all_tasks(io_loop.asyncio_loop) == set()

        said: list[str] = []
        in_thread(run)
        assert sorted(said) == ["generator", "task"]
        assert "unhandled exception" in logs.take("asyncio", "unhandled exception while the loop was closed").getMessage()
        assert not IOLoop._pending_tasks

    async def test_a_loop_that_is_closed_within_another_is_closed_only(self) -> None:
        io_loop = IOLoop(make_current=False)
        io_loop.finish_on_close = True
        io_loop.close()
        assert io_loop.asyncio_loop.is_closed()  # type: ignore[attr-defined]

    def test_by_default_nothing_runs_any_more(self) -> None:
        def run() -> None:
            async def wait() -> None:
                await asyncio.Event().wait()

            io_loop: Any = IOLoop()
            task = asyncio.ensure_future(wait(), loop=io_loop.asyncio_loop)
            io_loop.run_sync(lambda: None)
            io_loop.close()
            assert not task.done()
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            task.get_coro().close()  # type: ignore[union-attr]

        in_thread(run)


class TestExecutor:
    async def test_runs_elsewhere_and_answers_here(self) -> None:
        loop = IOLoop.current()
        assert await loop.run_in_executor(None, threading.get_ident) != threading.get_ident()
        assert await loop.run_in_executor(None, divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, divmod, 7, 0)

    async def test_the_default_can_be_chosen(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
            IOLoop.current().set_default_executor(pool)
            name = await IOLoop.current().run_in_executor(None, lambda: threading.current_thread().name)
            assert name.startswith("mine")

    async def test_the_interface_alone_can_do_it_too(self) -> None:
        loop = IOLoop.current()
        assert await IOLoop.run_in_executor(loop, dummy_executor, str, 1) == "1"
        IOLoop.set_default_executor(loop, dummy_executor)
        assert await IOLoop.run_in_executor(loop, None, str, 2) == "2"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    left.setblocking(False)
    with left, right:
        yield left, right


class TestHandlers:
    @pytest.mark.parametrize("as_object", [True, False])
    async def test_the_handler_gets_what_was_passed_and_the_event(self, pair: Any, as_object: bool) -> None:
        left, right = pair
        loop, called = IOLoop.current(), Future[Any]()
        file = left if as_object else left.fileno()

        def ready(fd: Any, events: int) -> None:
            loop.remove_handler(fd)
            called.set_result((fd, events, left.recv(9)))

        loop.add_handler(file, ready, IOLoop.READ)
        right.send(b"x")
        assert await asyncio.wait_for(called, 5) == (file, IOLoop.READ, b"x")

    async def test_events_can_be_changed(self, pair: Any) -> None:
        left, right = pair
        loop: Any = IOLoop.current()
        events: asyncio.Queue[int] = asyncio.Queue()
        loop.add_handler(left, lambda fd, event: events.put_nowait(event), IOLoop.WRITE)
        assert await asyncio.wait_for(events.get(), 5) == IOLoop.WRITE
        loop.update_handler(left.fileno(), IOLoop.READ)
        right.send(b"x")
        while await asyncio.wait_for(events.get(), 5) != IOLoop.READ:
            pass
        assert (loop.readers, loop.writers) == ({left.fileno()}, set())
        loop.update_handler(left, IOLoop.READ | IOLoop.WRITE)
        assert (loop.readers, loop.writers) == ({left.fileno()}, {left.fileno()})
        loop.update_handler(left, IOLoop.NONE)
        assert (loop.readers, loop.writers) == (set(), set())
        loop.remove_handler(left)
        assert loop.handlers == {}

    @pytest.mark.parametrize("blocking", [True, False])
    async def test_whether_a_file_blocks_is_left_to_the_program(self, blocking: bool) -> None:
        loop = IOLoop.current()
        for fd in os.pipe():
            os.set_blocking(fd, blocking)
            for events in (IOLoop.READ, IOLoop.WRITE, IOLoop.READ | IOLoop.WRITE):
                loop.add_handler(fd, print, events)
                loop.update_handler(fd, IOLoop.READ | IOLoop.WRITE)
                assert os.get_blocking(fd) is blocking
                loop.remove_handler(fd)
            os.close(fd)

    async def test_a_second_handler_is_refused_and_an_unknown_file_too(self, pair: Any) -> None:
        left, right = pair
        loop = IOLoop.current()
        loop.add_handler(left, print, IOLoop.READ)
        with pytest.raises(ValueError, match="added twice"):
            loop.add_handler(left.fileno(), print, IOLoop.READ)
        loop.remove_handler(left)
        loop.remove_handler(left)
        with pytest.raises(KeyError):
            loop.update_handler(right, IOLoop.READ)

    async def test_what_cannot_be_watched_is_refused_and_not_remembered(self) -> None:
        loop: Any = IOLoop.current()
        with open(__file__) as regular_file, pytest.raises(PermissionError):  # noqa: ASYNC230 - nothing is read
            loop.add_handler(regular_file, print, IOLoop.READ)
        assert (loop.handlers, loop.readers) == ({}, set())

    @pytest.mark.parametrize("all_fds", [True, False])
    def test_closing_the_loop_closes_files_only_on_request(self, pair: Any, all_fds: bool) -> None:
        left, right = pair
        loop = IOLoop(make_current=False)
        fd = os.dup(right.fileno())
        loop.add_handler(left, print, IOLoop.READ)
        loop.add_handler(fd, print, IOLoop.WRITE)
        loop.close(all_fds)
        assert (left.fileno() == -1) is all_fds
        if all_fds:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)
        else:
            os.close(fd)
        loop.close_fd(fd if all_fds else left)


class TestPeriodicCallback:
    async def test_repeats_until_stopped(self) -> None:
        calls, done = list[bool](), asyncio.Event()

        def call() -> None:
            calls.append(periodic.is_running())
            if len(calls) == 3:
                periodic.stop()
                done.set()

        periodic = PeriodicCallback(call, 1)
        assert not periodic.is_running()
        periodic.start()
        await asyncio.wait_for(done.wait(), 5)
        await gen.sleep(0.01)
        assert calls == [True] * 3
        assert not periodic.is_running()

    @pytest.mark.parametrize("decorate", [None, gen.coroutine])
    async def test_an_awaitable_is_waited_for(self, decorate: Any) -> None:
        running, most, done = 0, 0, asyncio.Event()

        async def call() -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            if periodic.callback_time == 3:
                periodic.stop()
                done.set()
            periodic.callback_time += 1

        def decorated() -> Any:
            yield call()

        periodic = PeriodicCallback(call if decorate is None else decorate(decorated), dt.timedelta(milliseconds=1))
        assert periodic.callback_time == 1
        periodic.start()
        await asyncio.wait_for(done.wait(), 5)
        assert most == 1

    async def test_exceptions_are_logged_and_it_goes_on(self, logs: Any) -> None:
        calls, done = 0, asyncio.Event()

        def call() -> Any:
            nonlocal calls
            calls += 1
            if calls == 3:
                periodic.stop()
                done.set()
                return None
            return fail() if calls == 2 else 1 / 0

        async def fail() -> None:
            raise LookupError

        periodic = PeriodicCallback(call, 1)
        periodic.start()
        await asyncio.wait_for(done.wait(), 5)
        assert logs.take("tornado.application", "Exception in callback").exc_info[0] is ZeroDivisionError
        assert logs.take("tornado.application", "Exception in callback").exc_info[0] is LookupError

    async def test_starting_twice_makes_one_series(self) -> None:
        timers: list[Any] = []
        periodic = PeriodicCallback(lambda: None, 3_600_000)
        for _ in range(2):
            periodic.start()
            timers.append(periodic._timeout)
        assert [t.cancelled() for t in timers] == [True, False]
        periodic.stop()
        periodic.stop()
        assert timers[1].cancelled()

    @pytest.mark.parametrize("time", [0, -1, dt.timedelta(0)])
    def test_the_interval_must_be_positive(self, time: Any) -> None:
        with pytest.raises(ValueError, match="positive callback_time"):
            PeriodicCallback(lambda: None, time)

    def test_jitter_moves_each_call_by_up_to_half_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(random, "random", iter([0.0, 1.0, 0.5]).__next__)
        periodic = PeriodicCallback(lambda: None, 8_000, jitter=0.5)
        periodic._next_timeout = 100.0
        times = []
        for _ in range(3):
            periodic._update_next(periodic._next_timeout)
            times.append(periodic._next_timeout)
        assert times == [106, 116, 124]


def test_the_interface_without_an_implementation_says_so() -> None:
    bare = object.__new__(IOLoop)
    for call in (bare.start, bare.stop, bare.close, bare._make_current):
        with pytest.raises(NotImplementedError):
            call()
    assert issubclass(AsyncIOLoop, BaseAsyncIOLoop)
