"""The event loops by name, and the lookup of the current one that never makes one."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tornadolike._loop import factory


@pytest.fixture(autouse=True)
def _default_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "_default", None)


def module_of(loop: asyncio.AbstractEventLoop) -> str:
    loop.close()
    return type(loop).__module__.partition(".")[0]


def in_thread(function: Callable[[], Any]) -> Any:
    """What ``function`` returns in a fresh thread, where no loop was ever set."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_names_start_with_asyncio_and_list_only_what_is_installed() -> None:
    assert factory.names()[0] == "asyncio"
    assert set(factory.names()) <= {"asyncio", *factory.PACKAGES}
    for name in factory.names():
        assert module_of(factory.new_event_loop(name)) == name


def test_a_named_loop_wins_over_default_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvloop")
    monkeypatch.setenv("TORNADOLIKE_LOOP", "uvloop")
    assert module_of(factory.new_event_loop()) == "uvloop"
    assert module_of(factory.new_event_loop("asyncio")) == "asyncio"
    factory.set_default("asyncio")
    assert module_of(factory.new_event_loop()) == "asyncio"
    factory.set_default(None)
    assert module_of(factory.new_event_loop()) == "uvloop"


def test_those_that_sleep_through_signals_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zuvloop", asyncio)  # in the place of the real one, which Python 3.11 has not
    monkeypatch.delenv("TORNADOLIKE_LOOP", raising=False)
    factory._maker.cache_clear()
    assert not factory.is_to_be_woken()
    factory.set_default("zuvloop")
    assert factory.is_to_be_woken()
    loop, other = factory.new_event_loop(), factory.new_event_loop("asyncio")
    assert set(factory.sleeping) == {loop}
    loop.close()
    other.close()
    factory._maker.cache_clear()


def test_without_a_choice_asyncio_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORNADOLIKE_LOOP", raising=False)
    made = asyncio.new_event_loop()
    monkeypatch.setattr(factory.asyncio, "new_event_loop", lambda: made)
    factory._maker.cache_clear()
    try:
        assert factory.new_event_loop() is made
    finally:
        factory._maker.cache_clear()
        made.close()


@pytest.mark.parametrize("name", ["libuv", "asyncio.events", "../uvloop", "os"])
def test_an_unknown_name_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(factory.UnknownLoop, match=r"unknown event loop .* available are asyncio"):
        factory.new_event_loop(name)
    with pytest.raises(ValueError, match="pip install uvloop"):
        factory.set_default(name)
    assert factory._default is None


def test_a_missing_package_is_named_with_the_command_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rloop", None)
    with pytest.raises(factory.UnknownLoop, match=r"'rloop' is not installed: .*`pip install rloop`") as caught:
        factory.new_event_loop("rloop")
    assert "\n" not in str(caught.value)


async def test_the_running_loop_is_current() -> None:
    assert factory.current_event_loop() is asyncio.get_running_loop()


def test_a_set_loop_is_current_and_none_is_ever_made() -> None:
    def lookup() -> list[asyncio.AbstractEventLoop | None]:
        loop = factory.new_event_loop()
        asyncio.set_event_loop(loop)
        found = [factory.current_event_loop()]
        asyncio.set_event_loop(None)
        found.append(factory.current_event_loop())
        loop.close()
        return [found[0] and (found[0] is loop), found[1]]  # type: ignore[list-item]

    assert in_thread(factory.current_event_loop) is None
    assert in_thread(lookup) == [True, None]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="loop policies are deprecated there")
def test_a_policy_with_its_own_lookup_is_asked() -> None:
    class Policy(asyncio.DefaultEventLoopPolicy):
        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            return mine

    mine, before = factory.new_event_loop(), asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(Policy())
    try:
        assert factory.current_event_loop() is mine
    finally:
        asyncio.set_event_loop_policy(before)
        mine.close()


def test_in_the_main_thread_too_no_loop_is_made() -> None:
    code = "from tornadolike._loop import factory; assert factory.current_event_loop() is None; assert factory.current_event_loop() is None"
    subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", code], check=True, timeout=20)


def test_a_name_in_the_environment_that_cannot_be_had_is_told_at_the_import() -> None:
    for name, text in ("nosuch", "unknown event loop 'nosuch'"), ("winloop", "event loop 'winloop' is not installed"):
        environment = {**os.environ, "TORNADOLIKE_LOOP": name}
        done = subprocess.run(
            [sys.executable, "-c", "import tornadolike.ioloop"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert f"UnknownLoop: TORNADOLIKE_LOOP: {text}: available are asyncio" in done.stderr.splitlines()[-1]


def test_a_loop_other_than_announced_is_told_once() -> None:
    told: list[str] = []
    loop = asyncio.SelectorEventLoop()
    for name in "asyncio", "uvloop":
        factory.announce(name, told.append)
        factory.noticed(loop)
        factory.noticed(loop)
    loop.close()
    assert told == ["asyncio"]
