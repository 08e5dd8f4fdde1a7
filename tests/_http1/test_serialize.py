"""Fields as bytes: those that come again and again are kept, others do not push them out."""

import pytest

from tornadolike._http1 import serialize
from tornadolike._http1.errors import IllegalHeader


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialize, "known", {})


def test_a_field_is_made_once() -> None:
    first = serialize.line(("X-One", "a"))
    assert (first, serialize.known) == (b"X-One: a\r\n", {("X-One", "a"): first})


@pytest.mark.parametrize("name", ["X-Request-Id", "Set-Cookie"])
def test_what_differs_with_each_response_pushes_nothing_out(name: str) -> None:
    kept = serialize.line(("Content-Type", "text/plain"))
    for number in range(2 * serialize._MAX_KNOWN):
        assert serialize.line((name, f"v{number}")) == f"{name}: v{number}\r\n".encode()
    assert serialize.known == {("Content-Type", "text/plain"): kept}


def test_the_number_of_known_fields_is_bounded() -> None:
    for number in range(3 * serialize._MAX_KNOWN):
        serialize.line(("Etag", f'"{number}"'))
        assert len(serialize.known) <= serialize._MAX_KNOWN
    serialize.line(("X-Long", "x" * serialize._MAX_KNOWN_CHARS))
    assert ("X-Long", "x" * serialize._MAX_KNOWN_CHARS) not in serialize.known


@pytest.mark.parametrize("field", [("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\0b"), ("X", "\u20ac")])
def test_what_would_break_out_of_its_line_is_refused(field: tuple[str, str]) -> None:
    with pytest.raises(IllegalHeader):
        serialize.line(field)
    assert serialize.known == {}
