"""Responses as ``http.response.start`` has them."""

from collections.abc import Iterable

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
        lowered = name.lower()
        if lowered in _CONNECTION_FIELDS or lowered in _SERVERS_FIELDS:
            continue
        if lowered == "connection" and not http_version.startswith("HTTP/1"):
            continue
        if lowered == "server" and value == default_server:
            continue
        pairs.append(_encoded(lowered, value))
    return pairs


def without_handshake(pairs: Pairs) -> Pairs:
    """Fields for ``websocket.accept``: those of the handshake itself are the server's."""
    return [pair for pair in pairs if pair[0] != b"connection" and not pair[0].startswith(b"sec-websocket-")]


def _encoded(name: str, value: str) -> tuple[bytes, bytes]:
    text = name + value
    if "\n" in text or "\r" in text or "\0" in text:
        raise IllegalHeader(f"Illegal characters (CR or LF) in header: {f'{name}: {value}'.encode()!r}")
    try:
        return name.encode("latin-1"), value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise IllegalHeader(f"Character outside Latin-1 in header: {f'{name}: {value}'!r}") from error
