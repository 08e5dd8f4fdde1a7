"""Answers that are kept for a second, and whether anything was put in the place of what makes them."""

import gc
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tornadolike._web import kept_answers
from tornadolike._web.kept_answers import KeptAnswers, as_made, replaceable
from tornadolike._web.kept_files import KeptFiles

HEAD, LATER_HEAD = object(), object()
NOW = time.time() + 100


def kept(tmp_path: Path, content: bytes = b"content") -> tuple[KeptAnswers, str, bytes]:
    path = str(tmp_path / "file")
    Path(path).write_bytes(content)
    files = KeptFiles()
    files.keep(path, os.stat(path), content, NOW)
    return KeptAnswers(files), path, content


def test_the_answer_is_that_of_before(tmp_path: Path) -> None:
    answers, path, content = kept(tmp_path)
    key = (HEAD, "a")
    assert answers.find(key, NOW) is None
    answers.note(key, path, None, {"Etag": '"x"', "Content-Length": "7"}, content)
    known = answers.find(key, NOW)
    assert known is not None
    answer, found = known
    assert (answer.content, answer.length, answer.head.values, answer.head.tagged) == (content, "7", {"Etag": '"x"'}, True)
    assert found.st_size == 7


def test_not_of_a_file_that_has_changed_or_gone(tmp_path: Path) -> None:
    answers, path, content = kept(tmp_path)
    key = (HEAD, "a")
    answers.note(key, path, None, {"Content-Length": "7"}, content)
    Path(path).write_bytes(b"another")
    os.utime(path, (1, 1))
    assert answers.find(key, NOW) is None
    os.unlink(path)
    assert answers.find(key, NOW) is None


def test_those_of_another_second_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, path, content = kept(tmp_path)
    for key in ((HEAD, "a"), (HEAD, "b"), (LATER_HEAD, "a")):
        answers.note(key, path, None, {"Content-Length": "7"}, content)
    assert [answers.find(key, NOW) is not None for key in ((HEAD, "a"), (HEAD, "b"), (LATER_HEAD, "a"))] == [False, False, True]
    monkeypatch.setattr(kept_answers, "MAX_ANSWERS", 2)
    for name in ("b", "c"):
        answers.note((LATER_HEAD, name), path, None, {"Content-Length": "7"}, content)
    assert [answers.find((LATER_HEAD, name), NOW) is not None for name in "abc"] == [False, False, True]


def classes() -> tuple[Any, Any]:
    base: Any = type("Base", (), {"write": lambda self: None, "flush": lambda self: None})
    derived: Any = type("Derived", (base,), {"get": lambda self: None, "stat": staticmethod(len), "_X__own": len, "number": 3})
    return base, derived


def test_what_can_be_replaced() -> None:
    assert replaceable(classes()[1], {"get"}) == ("stat",)
    assert replaceable(classes()[1], ()) == ("get", "stat")


@pytest.mark.parametrize(
    "how", ["class", "base", "class, inherited", "object", "deleted", "not at all", "another", "another on the object"]
)
@pytest.mark.parametrize("earlier", [None, "class", "class, inherited", "base"])
def test_any_replacement_is_seen(how: str, earlier: str | None) -> None:
    """On an object they are looked for where somebody else was called with it before."""
    base, derived = classes()
    base.prepare = derived.get = lambda self: None
    holds, one = as_made(derived, ["stat"], base, ["write", "flush"], ["prepare", "get"]), derived()
    assert holds(one)
    if earlier is not None:
        setattr(base if earlier == "base" else derived, "get" if earlier == "class" else "prepare", lambda self: None)
        assert holds(one)
    if how == "class":
        derived.stat = lambda self: None
    elif how == "base":
        base.flush = lambda self: None
    elif how == "class, inherited":
        derived.flush = lambda self: None
    elif how == "object":
        one.write = lambda: None
    elif how == "deleted":
        del derived.stat
    elif how == "another":
        derived.another = lambda self: None
    elif how == "another on the object":
        one.another = lambda: None
    assert holds(one) == (how in ("not at all", "another", "another on the object") or (how == "object" and earlier is None))


def test_an_object_keeps_its_attributes_where_they_are() -> None:
    base, derived = classes()
    holds, one = as_made(derived, ["get"], base, ["write"]), derived()
    one.first = one.second = 1
    before = gc.get_referents(one)  # each of them, where they are in an array
    assert holds(one)
    assert gc.get_referents(one) == before
