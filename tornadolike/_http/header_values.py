"""Field values of the shape ``value; name=value; name*=charset''value`` (RFC 9110 §5.6.6, RFC 2231, RFC 8187)."""

import codecs
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from urllib.parse import unquote

from tornadolike._http.lazy import pattern

# Decoders whose time grows faster than their input; no sender has a use for them here.
_COSTLY_CHARSETS = frozenset({"idna", "punycode"})
_STARRED_NAME = pattern(r"(?P<name>[\w.-]+)\*(?:(?P<number>[0-9]{1,4})(?P<extended>\*)?)?")
# As many as a sender likes would take thirty times their bytes.
_MAX_PARAMETERS = 200
_QUOTED_PAIR = pattern(r'\\([\\"])')


def split_parameters(text: str) -> Iterator[str]:
    """The pieces between those semicolons that no quotes enclose, stripped.

    A backslash takes the meaning from the quotation mark right behind it. A quotation which is never closed reaches
    to the end. Each character is looked at a fixed number of times, whatever the quotes (CVE-2025-67726).
    """
    begin = start = quoted = 0
    while (end := text.find(";", start)) >= 0:
        if quotes := text.count('"', start, end):
            quoted ^= (quotes - text.count('\\"', start, end)) & 1
        start = end + 1
        if not quoted:
            yield text[begin:end].strip()
            begin = start
    yield text[begin:].strip()


def parse_parameters(text: str) -> tuple[str, dict[str, str]]:
    """The value before the first semicolon and its parameters, names in lower case.

    Parameters without ``=`` are left out; of two with one name the last counts; of more than 200 the first. Never raises.
    """
    pieces = split_parameters(text)
    value = next(pieces)
    parameters: dict[str, str] = {}
    starred: list[tuple[re.Match[str], str]] = []
    for piece in islice(pieces, _MAX_PARAMETERS):
        name, equals, content = piece.partition("=")
        if not equals:
            continue
        name, content = name.strip().lower(), _unquoted(content.strip())
        if "*" in name and (found := _STARRED_NAME.fullmatch(name)):
            starred.append((found, content))
        else:
            parameters[name] = content
    if starred:
        # Later, so that ``filename*`` wins over the ``filename`` for older readers (RFC 6266 §4.3).
        parameters.update(_join_extended(starred))
    return value, parameters


def format_parameters(value: str, parameters: Mapping[str, object]) -> str:
    """The inverse of `parse_parameters` for parameters that need no quotes, sorted by name; None stands for a bare name."""
    pieces = [value]
    for name, content in sorted(parameters.items()):
        pieces.append(name if content is None else f"{name}={content}")
    return "; ".join(pieces)


def _join_extended(starred: list[tuple[re.Match[str], str]]) -> Iterator[tuple[str, str]]:
    """Put the sections of ``name*0``, ``name*1`` together (RFC 2231 §3) and decode them where one is marked extended."""
    sections: dict[str, list[tuple[int, str, bool]]] = {}
    for found, content in starred:
        number = int(found["number"] or 0)
        extended = bool(found["extended"]) or not found["number"]
        sections.setdefault(found["name"], []).append((number, unquote(content, encoding="latin-1") if extended else content, extended))
    for name, parts in sections.items():
        joined = "".join(part for _, part, _ in sorted(parts))
        yield name, _decode_octets(joined) if any(extended for _, _, extended in parts) else joined


def _decode_octets(text: str) -> str:
    """``charset'language'octets``, each octet one character, as the text it stands for; an odd one stays as it is."""
    charset, *rest = text.split("'", 2)
    if len(rest) < 2:
        charset, rest = "us-ascii", [text]
    try:
        codec = codecs.lookup(charset).name
        return rest[-1] if codec in _COSTLY_CHARSETS else str(rest[-1].encode("latin-1"), codec, "replace")
    except (LookupError, ValueError):
        return rest[-1]


def _unquoted(content: str) -> str:
    if len(content) < 2 or content[0] != '"' or content[-1] != '"':
        return content
    # Other backslashes stand for themselves: browsers send Windows paths unescaped.
    content = content[1:-1]
    return _QUOTED_PAIR.sub(r"\1", content) if "\\" in content else content
