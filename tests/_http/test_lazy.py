"""What is made when somebody looks."""

import copy
import re
from typing import Any

import pytest

from tornadolike._http.lazy import Empty, Lazy, pattern

_compile = re.compile


class Shop:
    asked = 0

    @Lazy
    def stock(self) -> list[str]:
        self.asked += 1
        return ["tea"]


def test_it_is_computed_once_and_then_an_ordinary_attribute() -> None:
    shop = Shop()
    assert "stock" not in vars(shop)
    assert shop.stock is shop.stock
    assert (shop.asked, vars(shop)["stock"]) == (1, ["tea"])


def test_it_can_be_assigned_and_deleted() -> None:
    shop = Shop()
    shop.stock = ["coffee"]
    assert (shop.stock, shop.asked) == (["coffee"], 0)
    del shop.stock
    assert (shop.stock, shop.asked) == (["tea"], 1)


def test_on_the_class_it_is_itself() -> None:
    assert isinstance(Shop.stock, Lazy)


class Long:
    arguments: Any = Empty(list)


def test_an_empty_one_is_kept_once_it_was_read() -> None:
    one = Long()
    assert not vars(one)
    one.arguments.append(1)
    assert (one.arguments, Long().arguments, Long.arguments) == ([1], [], None)
    del one.arguments
    assert one.arguments == []


class TestPattern:
    def test_is_compiled_by_its_first_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compiled: list[tuple[object, ...]] = []

        def compile_noting(*what: Any) -> Any:
            compiled.append(what)
            return _compile(*what)

        monkeypatch.setattr(re, "compile", compile_noting)
        digits = pattern(r"[A-F]+", re.IGNORECASE)
        assert not compiled
        assert [bool(digits.fullmatch(text)) for text in ("aF", "x")] == [True, False]
        assert compiled == [(r"[A-F]+", re.IGNORECASE)]

    def test_is_what_re_makes_of_it(self) -> None:
        text, same = rb"(?P<a>x)|y", pattern(rb"(?P<a>x)|y")
        assert (same.pattern, same.groups, same.groupindex) == (text, 1, {"a": 1})
        assert same.sub(b"-", b"xyz") == b"--z"
        assert [found["a"] for found in same.finditer(b"yx")] == [None, b"x"]

    def test_has_no_names_of_python_s_own(self) -> None:
        assert not hasattr(pattern("x"), "__len__")
        assert copy.copy(pattern("x")).match("x")
