"""Which loops have transports that connections may be put on."""

import asyncio
from typing import Any

import pytest

from tornadolike._net import transport_source


def loop_of(package: str, base: type = object) -> Any:
    return type("Loop", (base,), {"__module__": package})()


@pytest.mark.parametrize("package", ["uvloop", "winloop", "uvloop.loop"])
def test_loops_on_libuv_do(package: str) -> None:
    assert transport_source.suits(loop_of(package))
    assert transport_source.suits(loop_of("some.application", type(loop_of(package))))


@pytest.mark.parametrize("package", ["rloop", "zuvloop", "blazio", "asyncio.unix_events", "qasync", "uvloopish"])
def test_others_are_watched(package: str) -> None:
    assert not transport_source.suits(loop_of(package))


def test_asyncio_is_watched() -> None:
    loop = asyncio.new_event_loop()
    assert not transport_source.suits(loop)
    loop.close()
