"""The ABNF of RFC 3986, 9110 and 9112 as compiled patterns, each under its name there, and the spelling of field names.

Only what this package checks is here. All patterns are for ``fullmatch`` and take time linear in their input.
"""

import re
from collections.abc import Callable
from typing import AnyStr

# The RFC's host is both more intricate (the shapes of IP literals) and laxer than DNS. The set of characters is what
# keeps a URL built from it whole, so that is all that is checked; brackets and colons may stand anywhere.
uri_host = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:\[\]-]|%[0-9A-Fa-f]{2})*")
uri_port = re.compile(r"[0-9]*")
host = re.compile(rf"(?:{uri_host.pattern})(?::{uri_port.pattern})?")

# A value neither begins nor ends with white space; the empty value is one.
field_value = re.compile(r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
token = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
field_name = token
method = token

HTTP_version = re.compile(r"HTTP/[0-9]\.[0-9]")
reason_phrase = re.compile(r"[\t -~\x80-\xff]+")
# Anything visible: stricter checks would refuse URLs that browsers send (the WHATWG's allow non-ASCII).
request_target = re.compile(r"[!-~\x80-\xff]+")
# Of the schemes that are served here, and without a query: authority and path.
absolute_form = re.compile(r"https?://([^/]*)(.*)", re.IGNORECASE | re.DOTALL)
request_line = re.compile(f"({method.pattern}) ({request_target.pattern}) ({HTTP_version.pattern})")
status_code = re.compile(r"[0-9]{3}")
status_line = re.compile(f"({HTTP_version.pattern}) ({status_code.pattern}) ({reason_phrase.pattern})?")

# For text that is not bytes in disguise: control characters other than TAB are refused, everything else may pass.
control_chars = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


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
