"""URL patterns read backwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike._web import url_patterns


def test_url_patterns():
    assert url_patterns.template("^/(a)/x(b)$", 2, str) == "/%s/x%s"
    assert url_patterns.template("/(?:a)", 0, str) is None
    assert url_patterns.format_of("/%s/%x%s", 2) % ("1", "%s") == "/1/%x%s"
    assert url_patterns.format_of("/%s/100%", 0) % () == "/%s/100%"
    with pytest.raises(ValueError, match="1 slots, not 2"):
        url_patterns.format_of("/%s", 2)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/caf%C3%A9", "/café"),
        ("/caf%c3%a9/%2F%20", "/café/%2F%20"),
        ("/%E2%82%AC%ff", "/%E2%82%AC%ff"),
        ("/plain", "/plain"),
    ],
)
def test_characters_outside_ascii_are_readable(path, text):
    assert url_patterns.readable(path) == text


@given(st.text(max_size=20))
def test_what_was_encoded_is_readable(text):
    path = url_patterns.encoded(text.encode("utf-8", "replace").decode())
    assert path.isascii()
    if "%" not in text:
        assert url_patterns.readable(path) == text.encode("utf-8", "replace").decode()
