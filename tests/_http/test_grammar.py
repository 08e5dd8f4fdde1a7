"""Patterns and the spelling of field names."""

import pytest

from tornadolike._http import grammar


@pytest.mark.parametrize("value", ["", "a", "a b\tc", "\xe9", '"q", x;y=1'])
def test_field_values(value: str) -> None:
    assert grammar.field_value.fullmatch(value)


@pytest.mark.parametrize("value", [" a", "a\t", "a\rb", "a\nb", "\0", "\x7f", "\u20ac", " "])
def test_no_field_values(value: str) -> None:
    assert not grammar.field_value.fullmatch(value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "\xe9", "a\n", "(a)"])
def test_no_tokens(name: str) -> None:
    assert not grammar.token.fullmatch(name)


@pytest.mark.parametrize("host", ["", "a.test", "a.test:80", "[::1]:8", "10.0.0.1", "%41.test", "a_b!"])
def test_hosts(host: str) -> None:
    assert grammar.host.fullmatch(host)


@pytest.mark.parametrize("host", ["a b", "a/b", "a?b", "a#b", "u@h", "a\\b", "%4", "\xe9", "a\n", "a<b"])
def test_no_hosts(host: str) -> None:
    assert not grammar.host.fullmatch(host)


@pytest.mark.parametrize(
    ("written", "spelling"), [("ETAG", "Etag"), ("x-xss-PROTECTION", "X-Xss-Protection"), ("a--b", "A--B"), ("-", "-")]
)
def test_spellings_of_names(written: str, spelling: str) -> None:
    assert grammar.SPELLINGS[written] == spelling
    assert grammar.WIRE_SPELLINGS[written.encode()] == spelling


@pytest.mark.parametrize("remembered", [grammar.SPELLINGS, grammar.WIRE_SPELLINGS])
def test_peers_cannot_fill_the_memory_with_names(remembered: dict[str | bytes, str]) -> None:
    as_key = str if remembered is grammar.SPELLINGS else lambda text: text.encode()
    for number in range(grammar.MAX_REMEMBERED_NAMES * 2):
        assert remembered[as_key(f"x-{number}")] == f"X-{number}"
        assert len(remembered) <= grammar.MAX_REMEMBERED_NAMES
    long_name = as_key("y" * (grammar.MAX_REMEMBERED_LENGTH + 1))
    assert remembered[long_name] == "Y" + "y" * grammar.MAX_REMEMBERED_LENGTH
    assert long_name not in remembered
