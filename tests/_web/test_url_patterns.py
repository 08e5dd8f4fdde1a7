"""URL patterns read backwards."""

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike._web import url_patterns


def test_url_patterns():
    assert url_patterns.template("^/(a)/x(b)$", 2, str) == "/%s/x%s"
    assert url_patterns.template("/(?:a)", 0, str) is None
    assert url_patterns.fill("/%s/%x%s", ["1", "%s"]) == "/1/%x%s"
    with pytest.raises(ValueError, match="1 slots, not 2"):
        url_patterns.fill("/%s", ["1", "2"])


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/hello$", "/hello"),
        ("^/hello$", "/hello"),
        ("$", ""),
        (r"/(favicon\.ico)$", "/favicon.ico"),
        (r"/(?P<name>robots)$", None),
        (r"/a\(b\)$", "/a(b)"),
        ("/(a)(b(c))$", "/abc"),
        ("/hello", None),
        ("/a.b$", None),
        ("/a?$", None),
        ("/(a)*$", None),
        (r"/\d$", None),
        ("/a|/b$", None),
        ("/[a]$", None),
        ("/a{2}$", None),
        ("/(?i:a)$", None),
        ("/a$$", None),
    ],
)
def test_literals(pattern, path):
    assert url_patterns.literal(re.compile(pattern)) == path


def test_flags_change_what_a_literal_is():
    assert url_patterns.literal(re.compile("/hello$", re.IGNORECASE)) is None
    assert url_patterns.literal(re.compile("/hello $", re.VERBOSE)) is None


@given(st.text("/ab.()\\|?*^$\n[]{}0", max_size=8), st.text("/ab.()\n0", max_size=8))
def test_a_literal_and_nothing_else_matches(pattern, other):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "[[" may become a nested set one day
        try:
            regex = re.compile(pattern + "$")
        except re.error:
            return
    path = url_patterns.literal(regex)
    if path is not None:
        assert regex.match(path)
        assert regex.match(path + "\n")
        assert bool(regex.match(other)) == (other in (path, path + "\n"))
