"""URLs put together."""

import urllib.parse
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http.urls import with_query


@pytest.mark.parametrize(
    ("url", "arguments", "expected"),
    [
        ("http://a/p", [("x", "1")], "http://a/p?x=1"),
        ("http://a/p?x=1#f", [("y", "a b")], "http://a/p?x=1&y=a+b#f"),
        ("/p?empty=", [("x", 1)], "/p?empty=&x=1"),
        ("/p;v=1?x=1", [("y", b"\xff")], "/p;v=1?x=1&y=%FF"),
        ("/p", [], "/p"),
        ("/p?a=%C3%A9", [("é", "ü")], "/p?a=%C3%A9&%C3%A9=%C3%BC"),
    ],
)
def test_with_query(url: str, arguments: list[tuple[Any, Any]], expected: str) -> None:
    assert with_query(url, arguments) == expected


@pytest.mark.parametrize("url", [None, b"", b"/p", 5])
def test_what_is_no_text_is_for_the_standard_library_to_judge(url: Any) -> None:
    """Until Python 3.14 it takes None for bytes, then for a text."""

    def judged(function: Any) -> Any:
        try:
            return function(url)
        except Exception as error:
            return type(error)

    for arguments, query in (([], ""), ([("a", "b")], "a=b")):
        expected = judged(lambda url, query=query: urllib.parse.urlunparse(urllib.parse.urlparse(url)._replace(query=query)))
        assert judged(lambda url, arguments=arguments: with_query(url, arguments)) == expected


_TEXTS = st.text(st.characters(exclude_categories=("Cs",)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(_TEXTS, _TEXTS)), st.lists(st.tuples(_TEXTS, _TEXTS)))
def test_what_was_put_in_comes_out_in_order(first: list[tuple[str, str]], more: list[tuple[str, str]]) -> None:
    url = with_query(with_query("http://a.test/p", first), more)
    assert urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True) == [*first, *more]
