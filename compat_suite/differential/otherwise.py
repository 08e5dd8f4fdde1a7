"""What is drawn and is other by intent: what Tornado would have to be told so that it answers as we do.

So the difference is said exactly: ours has to answer what was drawn as Tornado answers what stands for it here.
"""

import json
import re
from collections.abc import Callable
from typing import Any

Drawn = dict[str, Any]

_COOKIES = re.compile(r"(Cookie: [^\r]*)\r\n((?:(?!Cookie: )[^\r\n]+\r\n)*)Cookie: ([^\r]*)\r\n")
_SUFFIX = re.compile(r"Range: \w+=--.*", re.IGNORECASE)


def _behind_the_last(kind: str, value: Drawn) -> Drawn | None:
    """Behind a request in HTTP/1.0, whose connection closes, nothing is served (RFC 9112 §9.6): it is not there."""
    end = value.get("ends") if kind == "wire" else None
    return None if end is None else value | {"pieces": ["".join(value["pieces"])[:end]]}


def _two_cookies(kind: str, value: Drawn) -> Drawn | None:
    """Several Cookie fields are joined as cookies are (RFC 9113 §8.2.3): they are one."""
    if kind != "wire":
        return None
    text = "".join(value["pieces"])
    while (joined := _COOKIES.sub(r"\1; \3\r\n\2", text)) != text:
        text = joined
    return value | {"pieces": [text]}


def _bad_suffix(kind: str, value: Drawn) -> Drawn | None:
    """A suffix of minus so many bytes is no range, and ignored (RFC 9110 §14.1.1): the field is not there."""
    if kind != "file" or sum(field.startswith("Range: ") for field in value["headers"]) != 1:
        return None
    return value | {"headers": [field for field in value["headers"] if _SUFFIX.fullmatch(field) is None]}


_WAYS: list[Callable[[str, Drawn], Drawn | None]] = [_behind_the_last, _two_cookies, _bad_suffix]


def stand_in(kind: str, value: Any) -> Any:
    """What Tornado is asked instead of ``value``; None where nothing is other by intent."""
    other = value
    for way in _WAYS:
        changed = way(kind, other)
        other = other if changed is None else changed
    if kind == "wire" and "".join(other["pieces"]) == "".join(value["pieces"]):
        return None
    return None if other == value else other


def logs_less(kind: str, value: Any, tornado: str, ours: str) -> bool:
    """Whether all that differs is what Tornado logs of bytes behind a request in HTTP/1.0, which nobody looks at here."""
    if kind != "wire" or "HTTP/1.0" not in "".join(value["pieces"]):
        return False
    theirs, own = json.loads(tornado), json.loads(ours)
    more = theirs.pop("log", [])
    fewer = own.pop("log", [])
    return bool(theirs == own and more[: len(fewer)] == fewer)
