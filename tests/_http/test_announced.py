"""Attributes that are announced cost no dictionary in each instance, however many instances there are before they are set."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from tornadolike import web
from tornadolike._http.announced import announce


def made(instances: int, cls: type) -> list[Any]:
    return [cls() for _ in range(instances)]


def sizes(announced: bool, names: tuple[str, ...]) -> set[int]:
    class Handler:
        def __init__(self) -> None:
            self.early = 1

    if announced:
        announce(Handler, names)
    instances = made(60, Handler)
    for instance in instances:
        for name in names:
            setattr(instance, name, 1)
    assert all([name for name in names if getattr(one, name) == 1] == list(names) for one in instances)
    return {sys.getsizeof(vars(one)) for one in instances}


def test_late_attributes_find_their_places() -> None:
    names = ("a", "b", "c", "d")
    (announced,) = sizes(True, names)
    assert announced < max(sizes(False, names))


def test_nothing_is_left_of_it() -> None:
    class Plain:
        pass

    announce(Plain, ("late",))
    assert not hasattr(Plain(), "late")
    assert vars(Plain()) == {}


def test_classes_that_need_more_are_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    class Ends:
        def __del__(self) -> None:
            raise AssertionError("there is nothing to end")

    class Mapped(dict[str, int]):
        pass

    class Guarded:
        def __setattr__(self, name: str, value: object) -> None:
            raise AssertionError(name)

        @property
        def late(self) -> int:
            return 7

        @late.setter
        def late(self, value: int) -> None:
            raise AssertionError("a program's")

    for cls in (Ends, Mapped, Guarded):
        announce(cls, ("late",))
    assert Guarded().late == 7
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("base", [web.RequestHandler, web.StaticFileHandler, web.RedirectHandler])
def test_handlers_of_programs(base: Callable[..., Any]) -> None:
    class Handler(base):  # type: ignore[misc,valid-type]
        pass

    one = object.__new__(Handler)
    for name in Handler._RequestHandler__set_late:
        setattr(one, name, None)
    many = [object.__new__(Handler) for _ in range(60)]
    for each in many:
        for name in Handler._RequestHandler__set_late:
            setattr(each, name, None)
    assert {sys.getsizeof(vars(each)) for each in many} == {sys.getsizeof(vars(one))}
