"""The ABNF of RFC 3986, 9110 and 9112 as compiled patterns, each under its name there, and the spelling of field names.

Only what this package checks is here. All patterns are for ``fullmatch`` and take time linear in their input. They are compiled
when one is first looked up, or by `load`: together they are a hundredth of what importing `web` takes.
"""

import re
from collections.abc import Callable
from typing import AnyStr

# The RFC's host is both more intricate (the shapes of IP literals) and laxer than DNS. The set of characters is what
# keeps a URL built from it whole, so that is all that is checked; brackets and colons may stand anywhere.
_URI_HOST = r"(?:[A-Za-z0-9._~!$&'()*+,;=:\[\]-]|%[0-9A-Fa-f]{2})*"
_URI_PORT = r"[0-9]*"
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_HTTP_VERSION = r"HTTP/[0-9]\.[0-9]"
_REASON_PHRASE = r"[\t -~\x80-\xff]+"
# Anything visible: stricter checks would refuse URLs that browsers send (the WHATWG's allow non-ASCII).
_REQUEST_TARGET = r"[!-~\x80-\xff]+"
_STATUS_CODE = r"[0-9]{3}"

uri_host: re.Pattern[str]
uri_port: re.Pattern[str]
host: re.Pattern[str]
field_value: re.Pattern[str]
token: re.Pattern[str]
field_name: re.Pattern[str]
method: re.Pattern[str]
HTTP_version: re.Pattern[str]
reason_phrase: re.Pattern[str]
request_target: re.Pattern[str]
absolute_form: re.Pattern[str]
request_line: re.Pattern[str]
status_code: re.Pattern[str]
status_line: re.Pattern[str]
control_chars: re.Pattern[str]

_PATTERNS = {
    "uri_host": _URI_HOST,
    "uri_port": _URI_PORT,
    "host": f"(?:{_URI_HOST})(?::{_URI_PORT})?",
    # A value neither begins nor ends with white space; the empty value is one.
    "field_value": r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?",
    "token": _TOKEN,
    "field_name": _TOKEN,
    "method": _TOKEN,
    "HTTP_version": _HTTP_VERSION,
    "reason_phrase": _REASON_PHRASE,
    "request_target": _REQUEST_TARGET,
    # Of the schemes that are served here, and without a query: authority and path.
    "absolute_form": r"(?is)https?://([^/]*)(.*)",
    "request_line": f"({_TOKEN}) ({_REQUEST_TARGET}) ({_HTTP_VERSION})",
    "status_code": _STATUS_CODE,
    "status_line": f"({_HTTP_VERSION}) ({_STATUS_CODE}) ({_REASON_PHRASE})?",
    # For text that is not bytes in disguise: control characters other than TAB are refused, everything else may pass.
    "control_chars": r"[\x00-\x08\x0a-\x1f\x7f]",
}


def __getattr__(name: str) -> re.Pattern[str]:
    if name not in _PATTERNS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = pattern = re.compile(_PATTERNS[name])
    return pattern


def load() -> None:
    """Compile them. From then on a look-up is as quick as one in any other module, which it is not where `__getattr__` stands in one."""
    for name, pattern in _PATTERNS.items():
        globals().setdefault(name, re.compile(pattern))
    globals().pop("__getattr__", None)  # see the package's `load`


def canonical_name(name: str) -> str:
    """A field name the way Tornado spells it: every word between hyphens capitalised."""
    return "-".join([word.capitalize() for word in name.split("-")])


def _canonical_wire_name(name: bytes) -> str:
    return canonical_name(name.decode("latin-1"))


MAX_REMEMBERED_NAMES = 1000
MAX_REMEMBERED_LENGTH = 64


class _Spellings(dict[AnyStr, str]):
    """Remembers canonical names, so that a name seen before costs one dictionary look-up.

    Peers choose the names, hence two bounds: the number of names, and the length of one worth remembering.
    """

    __slots__ = ("_spell",)
    _spell: Callable[[AnyStr], str]

    def __init__(self, spell: Callable[[AnyStr], str]) -> None:
        super().__init__()
        self._spell = spell

    def __missing__(self, name: AnyStr) -> str:
        spelling = self._spell(name)
        if len(name) <= MAX_REMEMBERED_LENGTH:
            if len(self) >= MAX_REMEMBERED_NAMES:
                self.clear()
            self[name] = spelling
        return spelling


SPELLINGS: _Spellings[str] = _Spellings(canonical_name)
WIRE_SPELLINGS: _Spellings[bytes] = _Spellings(_canonical_wire_name)
