"""A class made of rooms shows none of them; a function that hands a coroutine on counts as one that makes it."""

import asyncio
import inspect
import sys
from collections.abc import Coroutine
from typing import Any

from tornadolike._inside import coroutine_function, made_of


class _State:
    limit = 1

    def name(self) -> str:
        return "state"


class _Room(_State):
    def name(self) -> str:
        return f"room of {self.limit}"

    def other(self) -> str:
        return self.own()

    def own(self) -> str:
        return "room's"


class _Second(_State):
    limit = 2


@made_of(_Room, _Second)
class _Whole:
    def own(self) -> str:
        return "whole's"


def test_methods_are_in_the_class_itself() -> None:
    assert _Whole.__bases__ == (object,)
    assert {"name", "other", "own", "limit"} <= set(vars(_Whole))
    assert not isinstance(_Whole(), _State)


def test_what_the_class_defines_stays() -> None:
    assert _Whole().other() == "whole's"  # type: ignore[attr-defined]


def test_a_room_goes_before_its_base_and_before_the_next() -> None:
    class Bases(_Room, _Second):
        own = _Whole.own

    whole, bases = _Whole(), Bases()
    assert whole.name() == "room of 2" == bases.name()  # type: ignore[attr-defined]


def test_documentation_and_module_are_the_class_own() -> None:
    assert _Whole.__doc__ is None
    assert _Whole.__module__ == __name__


async def answer() -> int:
    return 42


@coroutine_function
def handed_on() -> Coroutine[Any, Any, int]:
    return answer()


def test_who_asks_is_told_that_it_is_a_coroutine_function() -> None:
    asks = inspect.iscoroutinefunction if sys.version_info >= (3, 12) else asyncio.iscoroutinefunction
    assert asks(handed_on)
    assert asyncio.run(handed_on()) == 42
