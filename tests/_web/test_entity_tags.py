"""Tags are hashes, of known bodies and of others."""

import hashlib

import pytest

from tornadolike._web import entity_tags


@pytest.mark.parametrize("body", [b"", b"small", b"x" * 201, bytearray(b"changes")])
def test_a_tag_is_a_quoted_hash(body: bytes) -> None:
    expected = f'"{hashlib.sha1(body).hexdigest()}"'
    assert [entity_tags.strong(body, hashlib.sha1) for _ in range(2)] == [expected] * 2


def test_what_is_large_or_can_change_is_hashed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entity_tags, "known", {})
    asked = []

    def sha1(body: bytes) -> object:
        asked.append(len(body))
        return hashlib.sha1(body)

    for body in (b"x" * 200, b"x" * 201, bytearray(b"x")):
        for _ in range(2):
            entity_tags.strong(body, sha1)
    assert asked == [200, 201, 201, 1, 1]


def test_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entity_tags, "known", {})
    for number in range(3 * entity_tags.MAX_KNOWN):
        entity_tags.strong(b"%d" % number, hashlib.sha1)
        assert len(entity_tags.known) <= entity_tags.MAX_KNOWN
