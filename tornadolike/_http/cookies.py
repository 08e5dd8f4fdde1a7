"""The ``Cookie`` field as browsers mean it, which is not what RFC 6265 says."""

import re
from functools import lru_cache

_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|.)")


def parse_cookie_pairs(text: str) -> dict[str, str]:
    """Names and values of a ``Cookie`` field; of two cookies with one name the last counts.

    Nothing is refused: a piece without ``=`` is a value with the empty name, as in browsers. One odd cookie takes no
    other with it, because a semicolon ends a cookie even between quotes.
    """
    cookies = {}
    quoted = '"' in text
    for piece in text.split(";"):
        name, equals, value = piece.partition("=")
        if equals:
            name = name.strip()
        else:
            name, value = "", name
        value = value.strip()
        if name or value:
            cookies[name] = unquote(value) if quoted and value[:1] == '"' else value
    return cookies


def unquote(value: str) -> str:
    r"""Undo the quoting of `http.cookies`: ``"a\"b\073"`` stands for ``a"b;``. A value not in quotes is itself.

    One pass from left to right, so the cost is linear (CVE-2024-52804 was not).
    """
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    value = value[1:-1]
    return _ESCAPE.sub(_unescape, value) if "\\" in value else value


def _unescape(found: re.Match[str]) -> str:
    escaped = found[1]
    return chr(int(escaped, 8)) if len(escaped) == 3 else escaped


@lru_cache(maxsize=256)
def may_name(name: str) -> bool:
    """Whether `http.cookies` takes the name; cookies of other names are not shown. Applications ask for few."""
    from http.cookies import CookieError, SimpleCookie

    try:
        SimpleCookie()[name] = ""
    except CookieError:
        return False
    return True
