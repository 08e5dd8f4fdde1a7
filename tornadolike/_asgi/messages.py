"""What an ASGI application sends: read, checked, and put into order. Raises `MessageError` for what the specification does not allow."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tornadolike._http import grammar

Pairs = list[tuple[bytes, bytes]]

# About the connection, which is the server's: an application that says how it is framed would contradict what it is framed with.
_FRAMING = frozenset((b"transfer-encoding", b"keep-alive", b"proxy-connection", b"upgrade"))
_SPECIAL = _FRAMING | {b"content-length", b"date", b"server"}
_MIN_STATUS, _MAX_STATUS = 200, 599


class MessageError(RuntimeError):
    """The application sent something that is not ASGI, or not now."""


class Head(NamedTuple):
    """A response's status and its fields, names and values checked; not among them is the Content-Length, ``length``, None without one."""

    status: int
    pairs: Pairs
    length: int | None
    has_date: bool
    has_server: bool


def response_head(message: Mapping[str, Any]) -> Head:
    """Read ``http.response.start`` or ``websocket.http.response.start``."""
    status = message.get("status")
    if not isinstance(status, int) or not _MIN_STATUS <= status <= _MAX_STATUS:
        raise MessageError(f"not the status of a response: {status!r}")
    pairs: Pairs = []
    length: int | None = None
    has_date = has_server = False
    for pair in message.get("headers") or ():
        name, value = pair = _field(pair)
        if name in _SPECIAL:
            if name in _FRAMING:
                continue
            if name == b"content-length":
                length = _length(value, length)
                continue
            has_date = has_date or name == b"date"
            has_server = has_server or name == b"server"
        pairs.append(pair)
    return Head(status, pairs, length, has_date, has_server)


def _length(value: bytes, before: int | None) -> int:
    if not value.isdigit():
        raise MessageError(f"not a Content-Length: {value!r}")
    if before is not None and before != int(value):
        raise MessageError("two different values of Content-Length")
    return int(value)


def field_pairs(headers: Iterable[Any]) -> Pairs:
    """Fields with names in lower case, each checked: no name that is no token, no value that would break out of its line."""
    return [_field(pair) for pair in headers]


def _field(pair: Any) -> tuple[bytes, bytes]:
    try:
        name, value = pair
    except (TypeError, ValueError):
        raise MessageError(f"not a pair of name and value: {pair!r}") from None
    if not isinstance(name, bytes) or not isinstance(value, bytes):
        raise MessageError(f"header names and values are bytes: {pair!r}")
    lowered = _known_names.get(name) or _check_name(name)
    if b"\n" in value or b"\r" in value or b"\0" in value:
        raise MessageError(f"Illegal characters (CR or LF) in header: {name + b': ' + value!r}")
    return lowered, value


# Names that applications have used, each found to be a token, in lower case. They use few; those that make names up fill it once.
_known_names: dict[bytes, bytes] = {}
_MAX_KNOWN_NAMES = 1000


def _check_name(name: bytes) -> bytes:
    if not grammar.field_name.fullmatch(name.decode("latin-1")):
        raise MessageError(f"not the name of a header: {name!r}")
    if len(_known_names) < _MAX_KNOWN_NAMES:
        _known_names[name] = name.lower()
    return name.lower()


def body(message: Mapping[str, Any]) -> tuple[bytes, bool]:
    """The bytes of ``http.response.body``, and whether more follow."""
    chunk = message.get("body", b"")
    if not isinstance(chunk, (bytes, bytearray, memoryview)):
        raise MessageError(f"a body is bytes, not {type(chunk).__name__}")
    return bytes(chunk), bool(message.get("more_body", False))


def websocket_data(message: Mapping[str, Any]) -> str | bytes:
    """The data of ``websocket.send``: one of ``text`` and ``bytes``."""
    text, data = message.get("text"), message.get("bytes")
    if text is not None and data is not None:
        raise MessageError("websocket.send has either text or bytes")
    if isinstance(text, str):
        return text
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise MessageError("websocket.send has neither text nor bytes")
