"""What cookies may hold."""

import http.cookies

from tornadolike._web import cookie_attributes


def test_cookie_attributes():
    jar = http.cookies.SimpleCookie()
    cookie_attributes.put(jar, "a", "1", [("path", "/"), ("domain", None)])
    cookie_attributes.put(jar, "a", "2", [("httponly", True)])
    assert jar.output(header="") == " a=2; HttpOnly"
    cookie_attributes.check("a", "1", [("path", None)])
