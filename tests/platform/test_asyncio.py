"""The asyncio implementations of IOLoop, AnyThreadEventLoopPolicy, and the selector thread for loops without readers."""

import asyncio
import concurrent.futures
import contextvars
import gc
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tornadolike import gen
from tornadolike.ioloop import IOLoop
from tornadolike.platform import asyncio as bridge


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


async def test_the_future_adapters() -> None:
    @gen.coroutine
    def decorated() -> Any:
        yield None
        return 1

    future = asyncio.get_running_loop().create_future()
    assert bridge.to_tornado_future(future) is future
    assert await bridge.to_asyncio_future(decorated()) == 1
    assert await bridge.to_asyncio_future([asyncio.sleep(0, 2)]) == [2]


def test_a_loop_of_ones_own_is_closed_where_making_its_ioloop_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    original = bridge.factory.new_event_loop
    monkeypatch.setattr(bridge.factory, "new_event_loop", lambda: made.append(original()) or made[-1])
    with pytest.raises(TypeError):
        bridge.AsyncIOLoop(no_such_argument=1)
    assert made[0].is_closed()


class TestPolicy:
    @pytest.fixture(autouse=True)
    def _policy_restored(self) -> Iterator[None]:
        if sys.version_info >= (3, 14):
            pytest.skip("loop policies are deprecated there")
        before = asyncio.get_event_loop_policy()
        yield
        asyncio.set_event_loop_policy(before)

    def test_every_thread_gets_a_loop(self) -> None:
        with pytest.warns(DeprecationWarning, match="AnyThreadEventLoopPolicy is deprecated"):
            asyncio.set_event_loop_policy(bridge.AnyThreadEventLoopPolicy())

        def ask() -> tuple[Any, Any]:
            loop = asyncio.get_event_loop()
            same = asyncio.get_event_loop() is loop
            current: Any = IOLoop.current()
            matches = current.asyncio_loop is loop
            current.close()
            return same, matches

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert pool.submit(ask).result(5) == (True, True)

    def test_it_is_made_once_and_other_names_are_refused(self) -> None:
        assert bridge.AnyThreadEventLoopPolicy is bridge.AnyThreadEventLoopPolicy
        assert bridge.AnyThreadEventLoopPolicy.__qualname__ == "AnyThreadEventLoopPolicy"
        with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
            bridge.Nothing  # noqa: B018


class TestSelectorThread:
    async def test_files_call_back_in_the_loop_with_the_context_of_the_maker(self, pair: Any) -> None:
        left, right = pair
        var: contextvars.ContextVar[str] = contextvars.ContextVar("var")
        var.set("maker")
        selector = bridge.SelectorThread(asyncio.get_running_loop())
        events: asyncio.Queue[Any] = asyncio.Queue()

        def readable(name: str) -> None:
            events.put_nowait((name, left.recv(9), var.get(), threading.get_ident()))

        try:
            selector.add_reader(left, readable, "left")
            right.send(b"x")
            assert await asyncio.wait_for(events.get(), 5) == ("left", b"x", "maker", threading.get_ident())
            selector.add_writer(right.fileno(), events.put_nowait, "writable")
            assert await asyncio.wait_for(events.get(), 5) == "writable"
            assert selector.remove_writer(right.fileno())
            assert selector.remove_reader(left)
            assert not selector.remove_reader(left)
            assert not selector.remove_writer(left)
        finally:
            selector.close()
            selector.close()
        assert selector not in bridge._selector_loops

    async def test_a_failing_callback_does_not_end_it(self, pair: Any, logs: Any) -> None:
        left, right = pair
        selector = bridge.SelectorThread(asyncio.get_running_loop())
        calls, done = list[bytes](), asyncio.Event()

        def readable() -> None:
            calls.append(left.recv(1))
            if len(calls) == 2:
                done.set()
            else:
                raise LookupError

        try:
            selector.add_reader(left, readable)
            right.send(b"ab")
            await asyncio.wait_for(done.wait(), 5)
        finally:
            selector.close()
        assert calls == [b"a", b"b"]
        logs.take("asyncio", "Exception in callback")

    async def test_a_file_may_be_removed_and_closed_while_it_is_watched(self, pair: Any) -> None:
        left, right = pair
        selector = bridge.SelectorThread(asyncio.get_running_loop())
        first, second = asyncio.Event(), asyncio.Event()
        extra, other = socket.socketpair()
        try:
            selector.add_reader(extra, pytest.fail)
            selector.add_writer(right, first.set)
            await asyncio.wait_for(first.wait(), 5)
            selector.remove_writer(right)
            selector.remove_reader(extra)
            extra.close()
            other.close()
            selector.add_writer(left, second.set)
            await asyncio.wait_for(second.wait(), 5)
        finally:
            selector.close()

    def test_asyncio_run_ends_the_thread(self) -> None:
        made: list[bridge.SelectorThread] = []

        async def main() -> None:
            ready = asyncio.Event()
            selector = bridge.SelectorThread(asyncio.get_running_loop())
            made.append(selector)
            with socket.socket() as sock:
                selector.add_writer(sock, ready.set)
                await asyncio.wait_for(ready.wait(), 5)
                selector.remove_writer(sock)

        asyncio.run(main())
        assert not made[0]._thread.is_alive()
        assert made[0]._waker_r.fileno() == -1

    def test_the_exit_hook_closes_what_is_left(self) -> None:
        loop = bridge.factory.new_event_loop()
        selector = bridge.SelectorThread(loop)
        loop.run_until_complete(asyncio.sleep(0.001))
        bridge._atexit_callback()
        assert (selector._waker_r.fileno(), selector._waker_w.fileno()) == (-1, -1)
        assert not bridge._selector_loops
        loop.close()

    def test_a_loop_that_stops_at_once_leaves_nothing_behind(self) -> None:
        loop = bridge.factory.new_event_loop()
        selector = bridge.SelectorThread(loop)
        loop.call_soon(loop.stop)
        loop.run_forever()
        task = selector._thread_manager_task
        assert task is not None
        assert not task.done()
        assert not selector._thread.is_alive()
        selector.close()
        loop.close()
        del loop, selector, task
        gc.collect()

    def test_closed_before_the_loop_ever_ran(self) -> None:
        loop = bridge.factory.new_event_loop()
        selector = bridge.SelectorThread(loop)
        selector.close()
        loop.run_until_complete(asyncio.sleep(0))
        assert selector._thread_manager_task is None
        loop.close()


class TestAddThreadSelectorEventLoop:
    def test_readers_come_from_the_thread_and_the_rest_from_the_loop(self, pair: Any) -> None:
        left, right = pair
        real = bridge.factory.new_event_loop()
        loop: Any = bridge.AddThreadSelectorEventLoop(real)  # type: ignore[abstract]
        seen: list[bytes] = []

        def readable() -> None:
            seen.append(left.recv(9))
            loop.stop()

        loop.add_reader(left, readable)
        right.send(b"hello")
        loop.call_later(5, loop.stop)
        loop.run_forever()
        assert seen == [b"hello"]
        assert loop.remove_reader(left) is True
        assert loop.remove_writer(left) is False
        loop.add_writer(left, loop.stop)
        assert loop.remove_writer(left) is True
        assert loop.get_debug() == real.get_debug()
        loop.close()
        loop.close()
        assert real.is_closed()

    def test_an_ioloop_on_it_handles_files(self, pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        left, right = pair
        real = bridge.factory.new_event_loop()
        monkeypatch.setattr(asyncio, "ProactorEventLoop", type(real), raising=False)
        io_loop: Any = IOLoop(asyncio_loop=real, make_current=False)
        assert isinstance(io_loop.selector_loop, bridge.AddThreadSelectorEventLoop)
        io_loop.add_handler(left, lambda fd, events: io_loop.stop(), IOLoop.READ)
        io_loop.call_later(0, right.send, b"x")
        io_loop.call_later(5, pytest.fail)
        io_loop.start()
        io_loop.close()
        assert real.is_closed()


@pytest.mark.parametrize("module", ["ioloop", "gen", "platform.asyncio", "locks", "queues", "process"])
def test_importing_warns_of_nothing(module: str) -> None:
    subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", f"import tornadolike.{module}"], check=True, timeout=30)
