"""Versions of files: made once, forgotten with the file, few at a time."""

import pytest

from tornadolike._web import file_versions


def test_a_version_is_made_once() -> None:
    known: dict[str, str | None] = {}
    made: list[str] = []

    def make(path: str) -> str | None:
        made.append(path)
        return f"version of {path}" if path != "none" else None

    for _ in range(2):
        assert file_versions.look_up(known, "a", make, 10) == "version of a"
        assert file_versions.look_up(known, "none", make, 10) is None
    assert made == ["a", "none"]


def test_the_one_not_used_for_the_longest_time_goes() -> None:
    known: dict[str, str | None] = {}
    for path in ("a", "b", "a", "c"):
        file_versions.look_up(known, path, str, 2)
    assert list(known) == ["a", "c"]
    assert file_versions.look_up(known, "d", str, 0) == "d"
    assert list(known) == ["d"]


@pytest.mark.parametrize(("seen", "left"), [({}, {"a": "1"}), ({"a": (1,)}, {}), ({"b": (1,)}, {"a": "1"})])
def test_what_has_changed_is_forgotten(seen: dict[str, tuple[int, ...]], left: dict[str, str]) -> None:
    known: dict[str, str | None] = {"a": "1"}
    file_versions.note_change(seen, known, "a", (2,), 10)
    assert known == left
    assert seen["a"] == (2,)


def test_few_are_seen() -> None:
    seen: dict[str, tuple[int, ...]] = {}
    for number in range(10):
        file_versions.note_change(seen, {}, str(number), (number,), 3)
        assert len(seen) <= 3
