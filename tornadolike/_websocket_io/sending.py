"""Futures of messages that are being sent."""

from typing import Any

from tornadolike.concurrent import Future, future_set_result_unless_cancelled


def done() -> "Future[Any]":
    """Nothing to wait for; the result is None."""
    future: Future[Any] = Future()
    future.set_result(None)
    return future


def with_error(written: "Future[None]", error: type[Exception]) -> "Future[None]":
    """``written``, but failing with an ``error``; and nobody needs to look at it."""
    future: Future[None] = Future()

    def on_written(done: "Future[None]") -> None:
        if done.cancelled() or done.exception() is not None:
            if not future.done():
                future.set_exception(error())
                future.exception()
        else:
            future_set_result_unless_cancelled(future, None)

    written.add_done_callback(on_written)
    return future
