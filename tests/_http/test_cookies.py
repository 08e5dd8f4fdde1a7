"""The Cookie field."""

import http.cookies

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http.cookies import may_name, parse_cookie_pairs, unquote


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", {}),
        (";; ;", {}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;a=2", {"a": "2"}),
        ("lonely", {"": "lonely"}),
        ("=v", {"": "v"}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        (' a = "x y" ', {"a": "x y"}),
        (r'a="1\073 2"', {"a": "1; 2"}),
        (r'a="\"q\" \\"', {"a": '"q" \\'}),
        (r'a="\477"', {"a": "477"}),
        ('a="', {"a": '"'}),
        ("n[a]=1; b=2", {"n[a]": "1", "b": "2"}),
        ("\xe9=\xfc", {"\xe9": "\xfc"}),
    ],
)
def test_parse(field: str, expected: dict[str, str]) -> None:
    assert parse_cookie_pairs(field) == expected


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=0xFF)))
def test_what_the_standard_library_quotes_is_unquoted(value: str) -> None:
    try:
        jar = http.cookies.SimpleCookie({"k": value})
    except http.cookies.CookieError:  # control characters, from Python 3.14 on; older versions quote them
        assert not value.isprintable()
        return
    coded = jar["k"].coded_value
    if coded.startswith('"'):
        assert unquote(coded) == value


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text(alphabet="ab=\"\\[]{},'"))
def test_quotes_and_brackets_neither_swallow_nor_make_cookies(odd: str, odder: str) -> None:
    """Tornado 4.4.2: with such tricks one cookie (of a sibling domain) could hide the XSRF cookie or fake it."""
    assert parse_cookie_pairs(f"x{odder}; _xsrf=mine")["_xsrf"] == "mine"
    assert set(parse_cookie_pairs('x="' + odd.replace(";", ""))) <= {"x", ""}


def test_cve_2024_52804_unquoting_is_linear() -> None:
    r"""CVE-2024-52804 / GHSA-8w49-h785-mj3c (cf. CVE-2024-7592): ``a="\\\\…"`` took quadratic time, here days."""
    assert parse_cookie_pairs('a="' + "\\" * 1_000_000 + '"') == {"a": "\\" * 500_000}
    assert parse_cookie_pairs('a="' + '\\"' * 500_000 + '"') == {"a": '"' * 500_000}
    assert parse_cookie_pairs('a="' + "\\012" * 250_000 + '"') == {"a": "\n" * 250_000}


@pytest.mark.parametrize(
    ("name", "allowed"), [("a", True), ("a!b", True), ("", False), ("a b", False), ("n[a]", False), ("\xe9", False), ("path", False)]
)
def test_may_name(name: str, allowed: bool) -> None:
    assert may_name(name) is allowed
