"""Text in and out of other notations: HTML, JSON, URLs, UTF-8.

Most functions here take `str` and `bytes` alike, which is what they have over their relatives in the standard library.
"""

import codecs
import functools
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any, overload

from tornadolike import _imported_names
from tornadolike._http.lazy import pattern


@overload
def utf8(value: bytes) -> bytes: ...
@overload
def utf8(value: str) -> bytes: ...
@overload
def utf8(value: None) -> None: ...
def utf8(value: str | bytes | None) -> bytes | None:
    """``value`` as bytes: text is encoded as UTF-8, bytes and None are returned as they are.

    Raises `TypeError` for anything else.
    """
    if isinstance(value, bytes) or value is None:
        return value
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


@overload
def to_unicode(value: str) -> str: ...
@overload
def to_unicode(value: bytes) -> str: ...
@overload
def to_unicode(value: None) -> None: ...
def to_unicode(value: str | bytes | None) -> str | None:
    """``value`` as text: bytes are decoded as UTF-8, text and None are returned as they are.

    Raises `UnicodeDecodeError` for bytes that are not UTF-8, `TypeError` for anything but text, bytes and None.
    """
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"Expected bytes, unicode, or None; got {type(value)!r}")


_unicode = to_unicode
native_str = to_unicode
"""Another name of `to_unicode`, from the days of two kinds of string."""
to_basestring = to_unicode
"""Another name of `to_unicode`."""


def xhtml_escape(value: str | bytes) -> str:
    """``value`` as text in HTML or XML; within quotes also as the value of an attribute.

    >>> xhtml_escape("<a title='1 & 2'>")
    '&lt;a title=&#x27;1 &amp; 2&#x27;&gt;'
    """
    text = value if isinstance(value, str) else to_unicode(value)
    if text is None:
        raise AttributeError("'NoneType' object has no attribute 'replace'")  # as in Tornado
    # To look first is cheap, and most texts have none of these. The ampersand comes first: it is part of what the others become.
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if '"' in text:
        text = text.replace('"', "&quot;")
    if "'" in text:
        text = text.replace("'", "&#x27;")
    return text if type(text) is str else str.__str__(text)  # a subclass may say of itself that it needs no escaping


def xhtml_unescape(value: str | bytes) -> str:
    """The inverse of `xhtml_escape`; resolves every character reference that HTML 5 knows."""
    text = to_unicode(value)
    if "&" not in text:
        return text
    unescaped, count = _REFERENCE.subn(_referred_to, text)
    return unescaped if count == text.count("&") else _html_unescape()(text)


# A reference with its end. What Python takes for one never goes beyond that, so each can be looked up by itself.
_REFERENCE = pattern(r"&[^&;\s]{1,32};")


def _referred_to(reference: re.Match[str]) -> str:
    return _unescaped(reference[0])


@functools.lru_cache(maxsize=512)
def _unescaped(reference: str) -> str:
    return _html_unescape()(reference)


@functools.cache
def _html_unescape() -> Callable[[str], str]:
    from html import unescape  # with 2,200 names of characters, for a function that few programs call

    return unescape


def _unknown_to_json(value: Any, _level: int = 0) -> Any:
    raise TypeError(type(value))


def _plain_json_encoder() -> Callable[[Any, int], Iterable[str]]:
    """The encoder in C below `json.dumps`, which makes a new one for every call: for small values most of the work.

    Arguments: no check for cycles, what to do with unknown types, how to write strings, no indent, the separators, keys
    neither sorted nor skipped, and NaN allowed. They are the defaults of `json.dumps`, apart from the first two. Where there is no such
    encoder, everything is left to `json.dumps`.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    write_string = json.encoder.encode_basestring_ascii
    return make(None, _unknown_to_json, write_string, None, ": ", ", ", False, False, True) if make else _unknown_to_json


_encode_plain_json = _plain_json_encoder()
_standard_dumps = json.dumps


def json_encode(value: Any) -> str:
    """``value`` as JSON which may stand in an HTML ``<script>``: it never contains ``</``."""
    # Applications replace json.dumps, or teach it types: whatever is not plain is left to it, and so is any complaint.
    text = None
    if json.dumps is _standard_dumps:
        try:
            text = "".join(_encode_plain_json(value, 0))
        except (TypeError, RecursionError):
            pass
    if text is None:
        text = json.dumps(value)
    # "\/" is another spelling of "/" in a JSON string (RFC 8259 §7), and "</" occurs nowhere but in strings.
    return text.replace("</", "<\\/")


def json_decode(value: str | bytes) -> Any:
    """The value which this JSON text describes; `json.JSONDecodeError`, a `ValueError`, when it is none."""
    return json.loads(value)


_BLANKS = pattern(r"[\x00-\x20]+")


def squeeze(value: str) -> str:
    """``value`` without blanks and control characters at both ends, and one space for each run of them between."""
    return _BLANKS.sub(" ", value).strip()


def url_escape(value: str | bytes, plus: bool = True) -> str:
    """``value`` percent-encoded; text is encoded as UTF-8 first.

    The default suits query strings and forms: a space becomes ``+``, a slash ``%2F``. With ``plus=False``, which suits
    a path, a space becomes ``%20`` and slashes remain.
    """
    if type(value) is not str:
        return urllib.parse.quote_plus(value) if plus else urllib.parse.quote(value)
    escapes = _QUERY_ESCAPES if plus else _PATH_ESCAPES
    if value.isascii():
        return value if value.isalnum() else value.translate(escapes)
    return "".join(map(escapes.__getitem__, value.encode()))


class _Escapes(dict[int, str]):
    """What becomes of each byte. Looking that up for a short text takes a third of the time of urllib's functions, which are asked once."""

    def __init__(self, escape: Callable[[bytes], str]) -> None:
        super().__init__()
        self._escape = escape

    def __missing__(self, byte: int) -> str:
        escaped = self[byte] = self._escape(bytes([byte]))
        return escaped


_QUERY_ESCAPES, _PATH_ESCAPES = _Escapes(urllib.parse.quote_plus), _Escapes(urllib.parse.quote)


@overload
def url_unescape(value: str | bytes, encoding: None, plus: bool = True) -> bytes: ...
@overload
def url_unescape(value: str | bytes, encoding: str = "utf-8", plus: bool = True) -> str: ...
def url_unescape(value: str | bytes, encoding: str | None = "utf-8", plus: bool = True) -> str | bytes:
    """``value`` without its percent-encoding.

    The result is text in the given encoding, with U+FFFD for whatever that cannot decode; with ``encoding=None`` it is
    bytes. ``+`` stands for a space unless ``plus=False``, which suits a path. Escapes that are none remain as they are.
    """
    text = to_unicode(value)
    if plus:
        text = text.replace("+", " ")
    if encoding is None:
        return _unquote_to_bytes(text.encode())
    if "%" not in text:
        return text
    if text.isascii():
        return _unquote_to_bytes(text.encode()).decode(encoding, "replace")
    # Characters which should have been escaped pass unchanged, and only what stands between them is decoded.
    return urllib.parse.unquote(text, encoding)


# A percent sign which begins no escape, and how much is searched for those at a time: the search makes objects.
_STRAY_PERCENT = pattern(rb"%(?![0-9A-Fa-f]{2})")
_STRAY_WINDOW = 16384


def _unquote_to_bytes(data: bytes) -> bytes:
    """The same as `urllib.parse.unquote_to_bytes`, without its objects for every escape."""
    if b"%" not in data:
        return data
    try:
        return _unquote_strictly(data)
    except ValueError:
        return b"".join(map(_unquote_leniently, _windows(data)))


def _unquote_strictly(data: bytes) -> bytes:
    # Rewritten to an escape of Python's literals, which the standard library decodes in C.
    return codecs.escape_decode(data.replace(b"\\", b"\\\\").replace(b"%", b"\\x"))[0]


def _unquote_leniently(data: bytes) -> bytes:
    # Runs of signs are the cheapest to send, so they are not left to the slower expression. One replacement is not
    # enough for them: of three signs it sees the first two.
    data = data.replace(b"%%", b"%25%").replace(b"%%", b"%25%")
    return _unquote_strictly(_STRAY_PERCENT.sub(b"%25", data))


def _windows(data: bytes) -> Iterator[bytes]:
    """``data`` in pieces of limited size, none of which ends within an escape."""
    start = 0
    while start < len(data):
        # Before a sign no escape can be open. Where no sign is near, none is open either.
        end = data.rfind(b"%", start + 1, start + _STRAY_WINDOW)
        if end < 0:
            end = start + _STRAY_WINDOW
        yield data[start:end]
        start = end


def parse_qs_bytes(
    qs: str | bytes,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    *,
    max_num_fields: int | None = None,
) -> dict[str, list[bytes]]:
    """The arguments of a query string or form: for each name its values, in order of appearance.

    Names are decoded as latin-1, values remain bytes. Arguments with an empty value are left out unless
    ``keep_blank_values``. Raises `ValueError` for more than ``max_num_fields`` arguments and, with ``strict_parsing``,
    for one without ``=``.

    >>> parse_qs_bytes("a=1&b=%C3%A9&a=2+3")
    {'a': [b'1', b'2 3'], 'b': [b'\\xc3\\xa9']}
    """
    if not qs:
        return {}
    data = qs.encode("latin1") if isinstance(qs, str) else qs
    if max_num_fields is not None and data.count(b"&") >= max_num_fields:
        raise ValueError("Max number of fields exceeded")
    escaped = b"%" in data
    arguments: dict[str, list[bytes]] = {}
    for field in data.replace(b"+", b" ").split(b"&"):
        name, equals, value = field.partition(b"=")
        if not equals and strict_parsing:
            raise ValueError(f"bad query field: {field!r}")
        if not (value or (keep_blank_values and field)):
            continue
        if escaped:
            name, value = _unquote_to_bytes(name), _unquote_to_bytes(value)
        key = name.decode("latin1")
        if key in arguments:
            arguments[key].append(value)
        else:
            arguments[key] = [value]
    return arguments


def recursive_unicode(obj: Any) -> Any:
    """A copy of ``obj`` with every `bytes` in its dicts, lists and tuples, keys included, decoded as UTF-8."""
    match obj:
        case bytes():
            return obj.decode()
        case dict():
            return {recursive_unicode(key): recursive_unicode(item) for key, item in obj.items()}
        case list():
            return [recursive_unicode(item) for item in obj]
        case tuple():
            return tuple(map(recursive_unicode, obj))
    return obj


# Links are looked for in text that is HTML-escaped already: first by what every link contains, which few other texts do.
_PUNCTUATION = frozenset("!\"#$%&'()*+,.:;<=>?@[]^`{|}~")


@functools.cache
def _link_expression() -> re.Pattern[str]:
    """A link, with the name of its protocol, and with the punctuation that may follow it. Compiled when somebody needs it.

    Behind the protocol come runs of characters and what stands in parentheses, which follow a run unless it ends in punctuation. All
    repetitions are possessive, and a protocol is looked for from its first letter only: nothing is read twice, whatever is sent.
    """
    one = r"(?:[^\s&()]++|&amp;|&quot;)"
    group = rf"\({one}*+\)"
    last = "".join(map(re.escape, sorted(_PUNCTUATION - {")"})))
    rest = rf"(?:{one}++|(?:{group})++{one}*+)(?:(?<![{last}]){group}{one}*+)*+"
    return re.compile(rf"(?<!\w)(?:www\.|(?<!-)-*+([\w-]++):/){rest}")


def _parts(match: re.Match[str]) -> tuple[str, str, str]:
    """The dashes before a link that was found, the link itself, and the punctuation behind it. The link may turn out to be none: ""."""
    found: str = match[0]
    start, least = (0, 4) if match[1] is None else (match.start(1) - match.start(), match.end(1) - match.start() + 2)
    end, group = len(found), found.rfind(")") + 1  # which is no punctuation
    while end > max(least, group) and found[end - 1] in _PUNCTUATION:
        # A character reference is as much punctuation as what it stands for.
        end -= next((len(one) for one in ("&amp;", "&quot;") if found.endswith(one, max(least, group), end)), 1)
    return (found[:start], found[start:end], found[end:]) if end > least else (found, "", "")


_SHORT_LINK = 30


def linkify(
    text: str | bytes,
    shorten: bool = False,
    extra_params: str | Callable[[str], str] = "",
    require_protocol: bool = False,
    permitted_protocols: list[str] = ["http", "https"],  # noqa: B006 - Tornado's signature; it is only read
) -> str:
    """Plain text as HTML, with its URLs as links.

    :arg shorten: show long URLs abridged; the whole one is then the link's title.
    :arg extra_params: attributes for the link, or a function which is given its target and returns them.
    :arg require_protocol: leave alone what starts with ``www.`` and no protocol.
    :arg permitted_protocols: those that become links. ``javascript`` must never be among them.

    >>> linkify("See www.example.com!")
    'See <a href="http://www.example.com">www.example.com</a>!'
    """

    text = xhtml_escape(text)
    colon, www = text.find(":/"), text.find("www.")
    first = colon if www < 0 or 0 <= colon < www else www
    if first < 0:
        return text

    fixed = _spaced(extra_params) if isinstance(extra_params, str) else None

    def anchor(match: re.Match[str]) -> str:
        url: str = match[0]
        protocol: str | None = match[1]
        if require_protocol if protocol is None else protocol not in permitted_protocols:
            return url
        before = behind = ""
        if url[-1] in _PUNCTUATION or url[0] == "-":
            before, url, behind = _parts(match)
            if not url:
                return before + behind
        href = url if protocol else "http://" + url
        attributes = fixed if fixed is not None else _spaced(extra_params(href))  # type: ignore[operator]  # else it is a function
        label = url
        if shorten and (label := _shortened(url, protocol)) != url:
            attributes += f' title="{href}"'
        return f'{before}<a href="{href}"{attributes}>{label}</a>{behind}'

    # The expression is slow to pass by what is no link, and no link has a blank in it.
    start = text.rfind(" ", 0, first) + 1
    linked = _link_expression().sub
    return text[:start] + linked(anchor, text[start:]) if start else linked(anchor, text)


def _spaced(attributes: str) -> str:
    return " " + attributes.strip() if attributes else ""


def _shortened(url: str, protocol: str | None) -> str:
    """``url``, or its host with the beginning of its path and an ellipsis where that is shorter."""
    if len(url) <= _SHORT_LINK:
        return url
    scheme_length = 0
    if protocol:
        scheme_length = len(protocol) + 1
        while scheme_length < len(protocol) + 4 and url[scheme_length] == "/":
            scheme_length += 1
    host, slash, path = url[scheme_length:].partition("/")
    short = url
    if slash:
        directory = path.partition("/")[0][:8].partition("?")[0].partition(".")[0]
        short = f"{url[:scheme_length]}{host}/{directory}"
    if len(short) > _SHORT_LINK * 1.5:
        short = short[:_SHORT_LINK]
    if short == url:
        return url
    # Do not cut a character reference in two.
    ampersand = short.rfind("&")
    if ampersand > _SHORT_LINK - 5:
        short = short[:ampersand]
    short += "..."
    return short if len(short) < len(url) else url


_imported_names.complete(globals())
