"""Whatever Tornado takes by duck typing, this takes as well."""

import pytest

from compat_suite import arguments


def test_argument_types() -> None:
    pytest.importorskip("tornado")
    assert arguments.differences() == {}


def test_a_refusal_and_another_answer_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {False: {"a": "1", "b": "2", "c": None, "d": "4"}, True: {"a": "1", "b": None, "c": "3", "d": "5"}}
    monkeypatch.setattr(arguments, "_side", lambda *, alias: sides[alias])
    assert set(arguments.differences()) == {"b", "d"}
