"""`with_error` and `done`: futures of messages that are being sent."""

import asyncio
import gc

import pytest

from tornadolike._websocket_io.sending import done, with_error
from tornadolike.concurrent import Future


class Gone(Exception):
    pass


async def test_done_is_done() -> None:
    assert done().result() is None
    assert await done() is None


async def test_a_message_that_left() -> None:
    written: Future[None] = Future()
    future = with_error(written, Gone)
    assert not future.done()
    written.set_result(None)
    assert await future is None


@pytest.mark.parametrize("cancelled", [False, True])
async def test_one_that_did_not_and_nobody_looks(cancelled: bool) -> None:
    written: Future[None] = Future()
    future = with_error(written, Gone)
    if cancelled:
        written.cancel()
    else:
        written.set_exception(OSError())
    await asyncio.wait([future])
    assert isinstance(future.exception(), Gone)
    second = with_error(written, Gone)
    await asyncio.wait([second])
    del second, future
    gc.collect()  # a future whose error nobody has seen would be logged, which fails the test


async def test_a_caller_who_has_cancelled_hears_nothing_more() -> None:
    for result in (None, OSError()):
        written: Future[None] = Future()
        future = with_error(written, Gone)
        future.cancel()
        if result is None:
            written.set_result(None)
        else:
            written.set_exception(result)
        await asyncio.sleep(0)
        assert future.cancelled()
