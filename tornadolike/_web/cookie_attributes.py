"""Cookies for the client (RFC 6265): what may be in them. `http.cookies` alone lets too much pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from http.cookies import SimpleCookie

_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20]")
# A semicolon would begin another attribute.
_NOT_IN_ATTRIBUTE = re.compile(r"[\x00-\x20;\x7f]")


def check(name: str, value: str, attributes: Iterable[tuple[str, Any]]) -> None:
    """Refuse what would inject a header or an attribute: ValueError for ``value``, CookieError for the others."""
    if _CONTROL_OR_SPACE.search(value):
        raise ValueError(f"Invalid cookie {name!r}: {value!r}")
    for attribute, content in (("name", name), *attributes):
        if content is not None and _NOT_IN_ATTRIBUTE.search(str(content)):
            from http.cookies import CookieError

            raise CookieError(f"Invalid cookie attribute {attribute}={content!r} for cookie {name!r}")


def put(jar: SimpleCookie, name: str, value: str, attributes: Iterable[tuple[str, Any]]) -> None:
    """Put a cookie into ``jar``, in place of one of that name; attributes that are empty or False are left out."""
    jar.pop(name, None)
    jar[name] = value
    morsel = jar[name]
    for attribute, content in attributes:
        if content:
            morsel[attribute] = content


def put_checked(
    jar: SimpleCookie | None, name: str, value: str, given: list[tuple[str, Any]], made: list[tuple[str, Any]], others: Mapping[str, Any]
) -> SimpleCookie:
    """Do what `check` and `put` do; nothing is put where anything is refused. Returns the jar, a new one where there was none.

    ``given`` are attributes that may hold anything, ``made`` those that we have made, of dates and numbers. ``others`` may have names that
    `http.cookies.Morsel` does not know, which refuses them.
    """
    check(name, value, [*given, *others.items()])
    if others:
        from http.cookies import Morsel

        Morsel().update(others)
    if jar is None:
        from http.cookies import SimpleCookie

        jar = SimpleCookie()
    put(jar, name, value, [*given, *made])
    if others:
        jar[name].update(others)
    return jar
