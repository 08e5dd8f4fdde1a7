"""Responses as ``http.response.start`` has them."""

from collections.abc import Iterable

from tornadolike._http.response_head import ResponseHead

Pairs = list[tuple[bytes, bytes]]

# About the connection, which is the server's (RFC 9110 §7.6.1). `Connection` itself may still ask an HTTP/1 server to close.
_CONNECTION_FIELDS = frozenset(("transfer-encoding", "keep-alive", "proxy-connection", "upgrade"))
# What servers set themselves, some of them whether the application does or not.
_SERVERS_FIELDS = frozenset(("date",))


class IllegalHeader(ValueError):
    """A field would break out of its line."""


def fields(headers: Iterable[tuple[str, str]], http_version: str, default_server: str) -> Pairs:
    """Fields in lower case, as ASGI has them, without those that are the server's business.

    ``default_server`` is the value of ``Server`` that nobody chose. Raises `IllegalHeader` for CR, LF and NUL, and for characters outside
    Latin-1.
    """
    pairs = []
    for name, value in headers:
        encoded = _names.get(name)
        if encoded is None:
            encoded = _encode_name(name)
        if not encoded or (encoded in _CONDITIONAL and not _is_sent(encoded, value, http_version, default_server)):
            continue
        pairs.append((encoded, value.encode() if value.isascii() and value.isprintable() else _encode_value(name, value)))
    return pairs


def fields_on(head: ResponseHead, added: dict[str, str], http_version: str, default_server: str) -> Pairs:
    """As `fields`, for those that an answer has ``added`` to a head that it shares with others."""
    shared: Pairs | None = head.forms.get("asgi")
    if shared is None:
        shared = head.forms["asgi"] = fields(head.values.items(), "HTTP/1.1", default_server)
    # Nearly always all of it is sent as it is.
    pairs, names = shared.copy(), _sent_names
    for name, value in added.items():
        encoded = names.get(name)
        if encoded is None or not value.isascii() or "\n" in value or "\r" in value or "\0" in value:
            return shared + fields(added.items(), http_version, default_server)
        pairs.append((encoded, value.encode()))
    return pairs


def _is_sent(name: bytes, value: str, http_version: str, default_server: str) -> bool:
    return value != default_server if name == b"server" else http_version.startswith("HTTP/1")


_CONDITIONAL = frozenset((b"server", b"connection"))
# Names as ASGI has them; empty for those that are not sent. Programs use few; those that make names up fill it once.
_names: dict[str, bytes] = {}
_sent_names: dict[str, bytes] = {}  # those that always are
_MAX_NAMES = 1000


def _encode_name(name: str) -> bytes:
    lowered = name.lower()
    encoded = b"" if lowered in _CONNECTION_FIELDS or lowered in _SERVERS_FIELDS else _encode_value(name, lowered)
    if len(_names) < _MAX_NAMES:
        _names[name] = encoded
        if encoded and encoded not in _CONDITIONAL:
            _sent_names[name] = encoded
    return encoded


def without_handshake(pairs: Pairs) -> Pairs:
    """Fields for ``websocket.accept``: those of the handshake itself are the server's."""
    return [pair for pair in pairs if pair[0] != b"connection" and not pair[0].startswith(b"sec-websocket-")]


def _encode_value(name: str, value: str) -> bytes:
    if "\n" in value or "\r" in value or "\0" in value:
        raise IllegalHeader(f"Illegal characters (CR or LF) in header: {f'{name}: {value}'.encode()!r}")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise IllegalHeader(f"Character outside Latin-1 in header: {f'{name}: {value}'!r}") from error
