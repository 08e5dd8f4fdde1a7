"""Deferreds in coroutines."""

import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("twisted")

from twisted.internet.defer import Deferred

import tornadolike.platform.twisted  # noqa: F401 - teaches gen about Deferreds
from tornadolike import gen


async def test_a_deferred_can_be_yielded() -> None:
    pending: Any = Deferred()

    @gen.coroutine
    def work() -> Any:
        return (yield pending)

    waiting = work()
    pending.callback(5)
    assert await waiting == 5


async def test_a_failure_is_raised_with_its_traceback() -> None:
    def fail(_: Any) -> None:
        raise LookupError("deep")

    failing: Any = Deferred()
    failing.addCallback(fail)
    failing.callback(None)

    @gen.coroutine
    def work() -> Any:
        yield failing

    with pytest.raises(LookupError, match="deep") as caught:
        await work()
    assert "fail" in [entry.name for entry in caught.traceback]


async def test_a_cancelled_future_does_not_disturb_the_deferred() -> None:
    deferred: Any = Deferred()
    future = gen.convert_yielded(deferred)
    future.cancel()
    deferred.callback(1)
    assert future.cancelled()


def test_install_puts_the_reactor_on_asyncio() -> None:
    code = """if True:
        from tornadolike.platform.twisted import install
        install()
        from twisted.internet import reactor
        print(type(reactor).__name__)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "AsyncioSelectorReactor"
