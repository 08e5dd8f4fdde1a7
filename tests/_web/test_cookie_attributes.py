"""What cookies may hold."""

import http.cookies

import pytest

from tornadolike._web import cookie_attributes


def test_cookie_attributes():
    jar = http.cookies.SimpleCookie()
    cookie_attributes.put(jar, "a", "1", [("path", "/"), ("domain", None)])
    cookie_attributes.put(jar, "a", "2", [("httponly", True)])
    assert jar.output(header="") == " a=2; HttpOnly"
    cookie_attributes.check("a", "1", [("path", None)])


def test_nothing_is_put_where_anything_is_refused():
    put = cookie_attributes.put_checked
    jar = put(None, "a", "1", [("path", "/")], [("expires", "Sun, 06 Nov 1994 08:49:37 GMT")], {"comment": "c"})
    expected = jar.output(header="")
    assert "expires=Sun, 06 Nov" in expected
    assert "Comment=c" in expected
    for value, given, others in (
        ("1 2", [], {}),
        ("1", [("path", "/;x")], {}),
        ("1", [], {"comment": "c d"}),
        ("1", [], {"unheard": "of"}),
    ):
        with pytest.raises((ValueError, http.cookies.CookieError)):
            put(jar, "a", value, given, [], others)
    assert jar.output(header="") == expected
    assert put(jar, "b", "2", [], [], {}) is jar
    assert set(jar) == {"a", "b"}
