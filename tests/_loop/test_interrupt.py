"""Ctrl-C while a loop runs: it always gets out, and as early as the second time from anywhere."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator

import pytest

from tornadolike._loop import factory
from tornadolike._loop.interrupt import Interrupt
from tornadolike.platform.asyncio import AsyncIOLoop


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    pytest.importorskip(request.param)
    with contextlib.closing(factory.new_event_loop(request.param)) as made:
        yield made


@pytest.fixture(autouse=True)
def _python_handles_ctrl_c() -> Iterator[None]:
    """A background job of a shell starts with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_callback_under_way_is_finished_first(loop: asyncio.AbstractEventLoop) -> None:
    seen = []

    def callback() -> None:
        ctrl_c()
        seen.append("finished")

    loop.call_soon(callback)
    with pytest.raises(KeyboardInterrupt), Interrupt(loop):
        loop.run_forever()
    assert seen == ["finished"]


def test_the_second_raises_at_once(loop: asyncio.AbstractEventLoop) -> None:
    seen = []

    def callback() -> None:
        ctrl_c()
        seen.append("first")
        ctrl_c()
        seen.append("second")

    loop.call_soon(callback)
    with pytest.raises(KeyboardInterrupt), Interrupt(loop):
        loop.run_forever()
    assert seen == ["first"]


def test_a_loop_that_stops_first_does_not_hide_it(loop: asyncio.AbstractEventLoop) -> None:
    with pytest.raises(KeyboardInterrupt), Interrupt(loop):
        ctrl_c()
    loop.call_soon(loop.stop)
    loop.run_forever()  # nothing is left over


def test_a_handler_of_the_programs_own_is_left_alone(loop: asyncio.AbstractEventLoop) -> None:
    seen = []
    signal.signal(signal.SIGINT, lambda signum, frame: seen.append(signum))
    with Interrupt(loop):
        ctrl_c()
    assert seen == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_handler_set_meanwhile_is_left_alone(loop: asyncio.AbstractEventLoop) -> None:
    with Interrupt(loop):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_have_no_signals(loop: asyncio.AbstractEventLoop) -> None:
    seen = []

    def run() -> None:
        with Interrupt(loop):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_program_on_uvloop_is_guarded() -> None:
    uvloop = pytest.importorskip("uvloop")
    io_loop = AsyncIOLoop(asyncio_loop=uvloop.new_event_loop(), make_current=False)
    seen = []

    def callback() -> None:
        ctrl_c()
        seen.append("finished")

    io_loop.add_callback(callback)
    with pytest.raises(KeyboardInterrupt):
        io_loop.start()
    io_loop.close()
    assert seen == ["finished"]
