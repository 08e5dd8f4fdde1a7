"""The forms in which fields are kept show the same, whichever way one gets from one to the next."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike._http.header_fields import HeaderFields, WireFields, unpacking
from tornadolike._http.response_head import ResponseHead
from tornadolike._inside import made_of


@made_of(HeaderFields)
class _Fields:
    """Nothing but the inside."""


Fields: Any = _Fields


class _PackedFields(_Fields):
    __getattribute__ = unpacking(_Fields)


Fields._packed_form = _PackedFields

NAMES = ["Host", "X-One", "Cookie", "Vary"]
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), st.text("ab \t", max_size=4).map(str.strip)), max_size=6)
STEPS: list[Callable[[Any], object]] = [
    lambda fields: fields._names(),
    lambda fields: fields._get("x-one"),
    lambda fields: fields._listed(),
    lambda fields: fields._pack(),
]


def wire(pairs: list[tuple[str, str]]) -> Any:
    return Fields._from_wire([(name.lower().encode(), f" {value}\t".encode()) for name, value in pairs])


@given(PAIRS, st.lists(st.sampled_from(STEPS)))
def test_whatever_is_looked_at_before(pairs: list[tuple[str, str]], steps: list[Callable[[Any], object]]) -> None:
    fields = wire(pairs)
    for step in steps:
        step(fields)
    for name in NAMES:
        values = [value for one, value in pairs if one == name]
        joined = ("; " if name == "Cookie" else ",").join(values) if values else None
        assert fields._get(name.upper()) == joined
    assert list(fields._names()) == list(dict.fromkeys(name for name, _ in pairs))


def test_a_head_is_shared_until_lists_are_wanted() -> None:
    head = ResponseHead({"Server": "s", "Date": "d"})
    fields, copy = Fields._standing_on(head), Fields()
    fields._joined["X-One"] = "1"
    assert copy._shares_form_of(fields)
    assert copy._joined == {"X-One": "1"}
    assert copy._joined is not fields._joined
    assert fields._listed() == {"Server": ["s"], "Date": ["d"], "X-One": ["1"]}
    assert (fields._head, copy._head, head.values) == (None, head, {"Server": "s", "Date": "d"})
    assert not Fields()._shares_form_of(fields)


def test_what_could_not_have_been_added_is_left_to_the_caller() -> None:
    source, copy = Fields._from_wire([]), Fields._from_wire([])
    source._listed().update({"A": ["1", "2"], "B": [" x"], "No name": ["1"], "C": [b"bytes", 7]})
    assert copy._take_sound_lists(source) == [("B", " x"), ("No name", "1"), ("C", b"bytes"), ("C", 7)]
    assert copy._listed() == {"A": ["1", "2"]}
    copy._listed()["A"].append("3")
    assert source._listed()["A"] == ["1", "2"]


def test_only_a_class_with_a_packed_form_of_its_own_is_packed() -> None:
    class Derived(Fields):
        pass

    plain, derived = wire([("Host", "a")]), Derived._from_wire([(b"host", b"a")])
    plain._pack()
    derived._pack()
    assert type(derived) is Derived
    assert type(plain) is _PackedFields
    assert plain._get("Host") == "a"
    assert type(plain) is Fields


@pytest.mark.parametrize(("bare", "later"), [(None, None), (False, False), (True, False)])
def test_what_the_framing_has_seen(bare: bool | None, later: bool | None) -> None:
    fields = Fields._from_wire([(b"host", b"a")], bare)
    assert fields._bare is bare
    assert fields._listed() == {"Host": ["a"]}
    assert fields._bare is later


def test_a_class_keeps_its_bases() -> None:
    assert _Fields.__bases__ == (object,)
    assert {"_from_wire", "_listed", "_get"} <= vars(_Fields).keys()


@given(PAIRS, st.lists(st.tuples(st.integers(0, 2), st.sampled_from(STEPS))))
def test_messages_with_the_same_head_share_what_is_read_and_nothing_else(
    pairs: list[tuple[str, str]], steps: list[tuple[int, Callable[[Any], object]]]
) -> None:
    shared = WireFields([(name.lower().encode(), f" {value}\t".encode()) for name, value in pairs])
    before = list(shared)
    messages = [Fields._from_wire(shared) for _ in range(3)]
    for which, step in steps:
        step(messages[which])
    messages[0]._listed()["Host"] = ["changed"]
    messages[0]._joined["Host"] = "changed"
    for message in messages[1:]:
        for name in NAMES:
            values = [value for one, value in pairs if one == name]
            assert message._get(name) == (("; " if name == "Cookie" else ",").join(values) if values else None)
    assert shared == before


def test_a_head_that_comes_again_is_read_once() -> None:
    shared = WireFields([(b"host", b"a")])
    first, second = Fields._from_wire(shared), Fields._from_wire(shared)
    assert first._get("Host") == "a"
    assert second._names() is first._names()
    assert second._get("Host") is first._get("Host")
