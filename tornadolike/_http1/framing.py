"""The strictness that every engine shares: which heads are refused, and where a message's body ends.

An engine's parser splits a head into its parts. What may stand in them, how long the body is and whether the connection
lives on is decided here, over the raw bytes and the parsed pairs, so that all parsers give the same verdict on the same bytes
(RFC 9112 §2.2, §3, §5, §6, §9.3; RFC 9110 §5.5).
"""

from tornadolike._http.lazy import pattern
from tornadolike._http1.errors import PeerError, UnsupportedVersion
from tornadolike._http1.events import Pairs

# SP, TAB, VCHAR, obs-text and the line ends: all that a head may hold (RFC 9110 §5.5).
_ALLOWED_BYTES = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F), *range(0x80, 0x100)])
_HEAD_END = pattern(rb"\r?\n\r?\n")
_TOKEN = pattern(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REQUEST_LINE = pattern(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE = pattern(rb"HTTP/([0-9])\.([0-9]) ([0-9]{3})(?: ([\t\x20-\x7e\x80-\xff]*))?")
# uri-host [":" port] (RFC 9110 §7.2): an IP literal or a name, and a port in digits.
_HOST = pattern(rb"(?:\[[0-9A-Fa-f:.vV]+\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
_DIGITS = pattern(rb"[0-9]+")
# Lists are searched, not split: the pieces of a long one take dozens of times its bytes.
_LISTED = pattern(rb"(?:\A|,[ \t]*)([^,]*)")
_CLOSE, _KEEP_ALIVE = (pattern(rb"(?i)(?:\A|,)[ \t]*%b[ \t]*(?:,|\Z)" % token) for token in (b"close", b"keep-alive"))

_OTHER, _LENGTH, _CODING, _CONNECTION, _EXPECT, _HOSTNAME, _NOTED = range(7)
_FRAMING_FIELDS = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"expect": _EXPECT,
    b"host": _HOSTNAME,
}
# No matter of framing: those that somebody asks for in every request. Where none of them is there, nobody needs to look (`BARE`).
_NOTED_FIELDS = dict.fromkeys((b"content-type", b"if-none-match", b"if-modified-since", b"range", b"x-request-id"), _NOTED)
_KNOWN_FIELDS = _FRAMING_FIELDS | _NOTED_FIELDS
# What is so in HTTP/1.1 without being said.
_NO_NEWS = (b"keep-alive", b"Keep-Alive")
# Spelling on the wire -> which framing field it is. Peers use few spellings, so a dictionary saves one lower() a field;
# it takes no more than this many entries, whatever peers send.
_MAX_SPELLINGS = 1024
_spellings: dict[bytes, int] = dict(_KNOWN_FIELDS)
# Host values that were found valid; as few and as bounded.
_plain_hosts: set[bytes] = set()

CHUNKED = -1
UNTIL_CLOSE = -2


Framing = tuple[int, bool, bool]
"""What the fields of a message say: body length in bytes (or `CHUNKED`, `UNTIL_CLOSE`), keep-alive, a wish for 100-continue."""

_PLAIN_11: Framing = (0, True, False)
BARE: Framing = (*_PLAIN_11,)
_PLAIN_10: Framing = (0, False, False)


def find_head_end(data: bytes | bytearray, start: int) -> int:
    """Index behind the empty line that ends the head, or -1. A bare LF counts as a line end (RFC 9112 §2.2)."""
    match = _HEAD_END.search(data, start)
    return match.end() if match else -1


def has_allowed_bytes(head: bytes) -> bool:
    """Whether there is nothing in a head but text and white space."""
    return not head.translate(None, _ALLOWED_BYTES)


def check_head(head: bytes) -> None:
    """Refuse what no header section may hold: control characters, a CR that ends no line, folded lines."""
    if not has_allowed_bytes(head) or head.count(b"\r") != head.count(b"\r\n") or b"\n " in head or b"\n\t" in head:
        raise PeerError(fault_in_head(head) or "Malformed HTTP header section")


def fault_in_head(head: bytes) -> str:
    """What is wrong with a head that was refused, as one short line for the log; "" where only the parser knows."""
    first, *lines = (line.removesuffix(b"\r") for line in head.strip(b"\r\n").split(b"\n"))
    is_response = first.startswith(b"HTTP/")
    if (_STATUS_LINE if is_response else _REQUEST_LINE).fullmatch(first) is None:
        return "Error parsing response start line" if is_response else "Malformed HTTP request line"
    pairs: Pairs = []
    for line in lines:
        fault = _fault_in_field(line)
        if fault:
            return fault
        name, _, value = line.partition(b":")
        pairs.append((name, value.strip(b" \t")))
    try:
        version = "HTTP/1.0" if first.endswith(b" HTTP/1.0") else "HTTP/1.1"
        decide_response(pairs, "HTTP/1.1") if is_response else decide_request(pairs, version, "GET")
    except PeerError as error:
        return str(error)
    return ""


def _fault_in_field(line: bytes) -> str | None:
    if line[:1] in (b" ", b"\t"):
        return "header line cannot start with whitespace, folding not supported"
    name, colon, value = line.partition(b":")
    if not colon:
        return "no colon in header line"
    if _TOKEN.fullmatch(name) is None:
        return f"Invalid header name {name.decode('latin-1')!r}"
    if value.translate(None, _ALLOWED_BYTES) or b"\r" in value:
        shown = value.strip(b" \t").decode("latin-1")
        return f"Invalid header value {shown!r}"
    return None


def request_line(head: bytes) -> tuple[bytes, bytes, bytes]:
    """Method, target and version ("1.0" or "1.1") of a head; raises `PeerError` where the line is not exactly RFC 9112 §3."""
    end = head.find(b"\n")
    match = _REQUEST_LINE.fullmatch(head[:end].removesuffix(b"\r"))
    if match is None:
        raise PeerError("Malformed HTTP request line")
    method, target, major, minor = match.groups()
    if major != b"1":
        raise UnsupportedVersion(f"HTTP/{major.decode()}.{minor.decode()}")
    # A higher minor version is served as the highest that we speak (RFC 9110 §2.5).
    return method, target, b"1.0" if minor == b"0" else b"1.1"


def status_line(head: bytes) -> tuple[str, int, str]:
    """Version, status and reason of a response head."""
    end = head.find(b"\n")
    match = _STATUS_LINE.fullmatch(head[:end].removesuffix(b"\r"))
    if match is None:
        raise PeerError("Error parsing response start line")
    major, minor, status, reason = match.groups()
    if major != b"1":
        raise UnsupportedVersion(f"HTTP/{major.decode()}.{minor.decode()}")
    return "HTTP/1.0" if minor == b"0" else "HTTP/1.1", int(status), (reason or b"").decode("latin-1")


def _spelled(name: bytes) -> int:
    kind = _KNOWN_FIELDS.get(name.lower(), _OTHER)
    if len(_spellings) < _MAX_SPELLINGS and len(name) < 64:
        _spellings[name] = kind
    return kind


def decide_request(pairs: Pairs, version: str, method: str) -> Framing:
    """Body length and connection fate of a request; raises `PeerError` where its framing fields are ambiguous.

    The very object `BARE` says in addition that none of Content-Type, If-None-Match, If-Modified-Since, Range and
    X-Request-ID is among the fields.
    """
    known = _spellings.get
    found: dict[int, bytes] | None = None
    host: bytes | None = None
    bare = version == "HTTP/1.1"
    for name, value in pairs:
        kind = known(name)
        if kind is None:
            kind = _spelled(name)
        if kind == _OTHER:
            continue
        if kind == _HOSTNAME:
            host = value if host is None and value in _plain_hosts else _one_host(host, value)
        elif kind == _NOTED:
            bare = False
        elif value in _NO_NEWS and kind == _CONNECTION and version == "HTTP/1.1":
            continue
        elif found is None:
            found = {kind: value.strip(b" \t")}
        else:
            _join(found, kind, value)
    if host is None and version == "HTTP/1.1":
        raise PeerError("Missing Host header")
    if found is None:
        return BARE if bare else _plain(version)
    return _decide(pairs, found, version, method in ("GET", "HEAD"), False)


def _plain(version: str) -> Framing:
    return _PLAIN_11 if version == "HTTP/1.1" else _PLAIN_10


def _join(found: dict[int, bytes], kind: int, value: bytes) -> None:
    value = value.strip(b" \t")
    found[kind] = found[kind] + b"," + value if kind in found else value


def _one_host(before: bytes | None, value: bytes) -> bytes:
    value = value.strip(b" \t")
    if before is not None:
        raise PeerError(f"Multiple host headers not allowed: {(before + b',' + value).decode('latin-1')!r}")
    if b"," in value:
        # Several Host fields, perhaps joined by a proxy; no name in the DNS has a comma.
        raise PeerError(f"Multiple host headers not allowed: {value.decode('latin-1')!r}")
    if _HOST.fullmatch(value) is None:
        raise PeerError(f"Invalid Host header: {value.decode('latin-1')!r}")
    if len(_plain_hosts) < _MAX_SPELLINGS and len(value) < 256:
        _plain_hosts.add(value)
    return value


def decide_response(pairs: Pairs, version: str) -> Framing:
    """The same for a response; whether its status or request forbid a body is the engine's business."""
    found: dict[int, bytes] = {}
    for name, value in pairs:
        kind = _FRAMING_FIELDS.get(name.lower(), _OTHER)
        if kind != _OTHER:
            _join(found, kind, value)
    return _decide(pairs, found, version, False, True)


def _decide(pairs: Pairs, found: dict[int, bytes], version: str, bodyless_method: bool, is_response: bool) -> Framing:
    body = UNTIL_CLOSE if is_response else 0
    length = found.get(_LENGTH)
    coding = found.get(_CODING)
    if coding is not None:
        body = _chunked(coding, length)
    elif length is not None:
        body = content_length(length)
        if b"," in length:
            _keep_one_length(pairs, b"%d" % body)
    options = found.get(_CONNECTION, b"")
    if version == "HTTP/1.1":
        keep_alive = _CLOSE.search(options) is None
    else:
        # A transfer coding in HTTP/1.0 is faulty framing: the message is served, and nothing behind it is read (RFC 9112 §6.1).
        framed = coding is None and (length is not None or bodyless_method)
        keep_alive = framed and _KEEP_ALIVE.search(options) is not None and _CLOSE.search(options) is None
    expects = version == "HTTP/1.1" and found.get(_EXPECT, b"").lower() == b"100-continue"
    return body, keep_alive, expects


def _keep_one_length(pairs: Pairs, length: bytes) -> None:
    """One field in place of several that said the same, for whoever reads the headers later."""
    first = next(index for index, (name, _) in enumerate(pairs) if name.lower() == b"content-length")
    pairs[:] = [pair for index, pair in enumerate(pairs) if index == first or pair[0].lower() != b"content-length"]
    pairs[first] = (pairs[first][0], length)


def _chunked(coding: bytes, length: bytes | None) -> int:
    if length is not None:
        raise PeerError("Message with both Transfer-Encoding and Content-Length")
    if coding.lower() != b"chunked":
        raise PeerError(f"Unsupported Transfer-Encoding {coding.decode('latin-1')}")
    return CHUNKED


def content_length(value: bytes) -> int:
    """One length from a Content-Length value, which may repeat itself as a list (RFC 9112 §6.3)."""
    if b"," in value:
        first = value[: value.index(b",")]
        if any(found[1] != first for found in _LISTED.finditer(value)):
            raise PeerError(f"Multiple unequal Content-Lengths: {value.decode('latin-1')!r}")
        value = first
    if _DIGITS.fullmatch(value) is None:
        raise PeerError(f"Only integer Content-Length is allowed: {value.decode('latin-1')}")
    if len(value) > 18:
        raise PeerError("Content-Length too long")
    return int(value)
