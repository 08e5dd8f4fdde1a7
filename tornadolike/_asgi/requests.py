"""What a scope asks for, in the words of HTTP/1.1: for handlers that were written for that.

Servers fill scopes differently where the specification leaves it open: ``raw_path`` may be missing, may hold the query string, or may
lack the root path that ``path`` begins with; repeated ``cookie`` fields come apart from HTTP/2.
"""

import base64
import os
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tornadolike._http import grammar

Pairs = list[tuple[bytes, bytes]]
Scope = Mapping[str, Any]

# What RFC 3986 §3.3 lets stand in a path as it is.
_PATH_SAFE = "/!$&'()*+,;=:@-._~"
_BODILESS_METHODS = frozenset(("GET", "HEAD"))
_WEBSOCKET_SCHEMES = {"ws": "http", "wss": "https"}
_KEY_BYTES = 16


class Target(NamedTuple):
    """``uri`` is the whole request target; ``path`` the part of it that is routed, without ``root_path``."""

    uri: str
    path: str
    root_path: str


def version(scope: Scope) -> str:
    """``HTTP/1.1`` and the like; ``HTTP/2.0`` for HTTP/2."""
    number = str(scope.get("http_version", "1.1"))
    if number == "1.1":
        return "HTTP/1.1"
    return f"HTTP/{number}" if "." in number else f"HTTP/{number}.0"


def scheme(scope: Scope) -> str:
    """``http`` or ``https``, for WebSockets too."""
    named = str(scope.get("scheme") or "http")
    return _WEBSOCKET_SCHEMES.get(named, named)


def plain_target(scope: Scope) -> str | None:
    """The request target where the server tells it as it came, as nearly always; None where `target` has to put it together."""
    path: str = scope["path"]
    raw_path: bytes | None = scope.get("raw_path")
    if raw_path is None or not path.isascii() or scope.get("root_path") or raw_path != path.encode():
        return None
    query = scope.get("query_string")
    return f"{path}?{query.decode('latin-1')}" if query else path


def target(scope: Scope, strip_root_path: bool = True) -> Target:
    """The request target, percent-encoded as it came as far as the server tells.

    Behind a proxy that takes the root path away, servers leave it so (hypercorn, granian, daphne, gunicorn) or put it back (uvicorn); it is
    part of the target in either case.
    """
    path: str = scope["path"]
    root_path = str(scope.get("root_path") or "").rstrip("/")
    raw = _raw_path(scope, path, root_path)
    query = scope.get("query_string") or b""
    uri = f"{raw}?{query.decode('latin-1')}" if query else raw
    if not (strip_root_path and root_path and raw.startswith("/")):
        return Target(uri, raw, "")
    if not is_below(path, root_path):
        root = urllib.parse.quote(root_path, safe=_PATH_SAFE)
        return Target(root + uri, raw, root)
    root = _root_of(raw, root_path)
    return Target(uri, raw[len(root) :] or "/", root)


def is_below(path: str, root_path: str) -> bool:
    """Whether ``path`` is ``root_path`` or lies below it."""
    return path.startswith(root_path) and path[len(root_path) : len(root_path) + 1] in ("", "/")


def _raw_path(scope: Scope, path: str, root_path: str) -> str:
    given = (scope.get("raw_path") or b"").partition(b"?")[0]
    if given:
        raw = given.decode("latin-1")
        decoded = urllib.parse.unquote_to_bytes(given).decode("utf-8", "replace")
        if decoded == path:
            return raw
        if root_path and path == root_path + decoded:
            return urllib.parse.quote(root_path, safe=_PATH_SAFE) + raw
    return urllib.parse.quote(path, safe=_PATH_SAFE) or "/"


def _root_of(raw: str, root_path: str) -> str:
    """The beginning of ``raw`` that stands for ``root_path``, which has as many slashes."""
    end = -1
    for _ in range(root_path.count("/") + 1):
        end = raw.find("/", end + 1)
        if end < 0:
            return raw
    return raw[:end]


_HOST_FIELD, _NOTED, _COOKIE, _LENGTH, _CODING = range(5)
_KINDS = {
    b"host": _HOST_FIELD,
    b"content-type": _NOTED,
    b"if-none-match": _NOTED,
    b"if-modified-since": _NOTED,
    b"range": _NOTED,
    b"cookie": _COOKIE,
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
}
# Values of Host that were found to be well-formed. Servers are known by few names; what is made up fills it once.
_plain_hosts: set[bytes] = set()
_MAX_HOSTS = 1000
_MAX_HOST_BYTES = 255


def survey(headers: Iterable[Iterable[bytes]]) -> tuple[Pairs, bool | None, bool]:
    """The header fields, cookies in one, and what has to be known about them: whether they are ``bare``, and whether there is a body.

    Bare: there is one Host, which is well-formed, and no field that says something about the body or asks for less than the whole answer.
    False: such a Host, but such fields, too. None: the Host has to be looked at. Cookies are joined here since they are with a semicolon
    (RFC 9113 §8.2.3), other fields with a comma.
    """
    pairs: Pairs = [*headers]  # type: ignore[list-item]  # pairs, be they tuples or lists
    hosts = cookies = 0
    announces_body, bare, host = False, True, b""
    for name, value in pairs:
        kind = _KINDS.get(name)
        if kind is None:
            continue
        if kind == _HOST_FIELD:
            hosts, host = hosts + 1, value
        elif kind == _NOTED:
            bare = False
        elif kind == _COOKIE:
            cookies += 1
        elif kind == _CODING or value.strip() != b"0":
            announces_body = True
    if cookies > 1:
        crumbs = b"; ".join([value for name, value in pairs if name == b"cookie"])
        pairs = [pair for pair in pairs if pair[0] != b"cookie"]
        pairs.append((b"cookie", crumbs))
    return pairs, bare if hosts == 1 and (host in _plain_hosts or _is_plain_host(host)) else None, announces_body


def _is_plain_host(value: bytes) -> bool:
    # With a comma it stands for several; what else is wrong with it, whoever reads it says.
    if len(value) > _MAX_HOST_BYTES or b"," in value or grammar.host.fullmatch(value.decode("latin-1")) is None:
        return False
    if len(_plain_hosts) < _MAX_HOSTS:
        _plain_hosts.add(value)
    return True


def may_have_body(method: str, http_version: str) -> bool:
    """Whether a body has to be asked for though its head announces none: in HTTP/1 it does (RFC 9112 §6.3)."""
    return method not in _BODILESS_METHODS or not http_version.startswith("HTTP/1")


def announced_length(headers: Iterable[Iterable[bytes]]) -> int:
    """The Content-Length, 0 without one; what the server let through that is no number counts as none."""
    for name, value in headers:
        if name == b"content-length":
            return int(value[:18]) if value.isdigit() else 0  # more digits are more than any limit even so
    return 0


def handshake_fields(scope: Scope) -> Pairs:
    """The fields of a WebSocket's opening handshake (RFC 6455 §4.1), those of HTTP/1.1 filled in where the scope has come another way.

    Over HTTP/2 there is no key (RFC 8441 §5); any one will do, since the server has seen to the handshake.
    """
    pairs = survey(scope["headers"])[0]
    names = {name for name, _ in pairs}
    wanted = {
        b"upgrade": b"websocket",
        b"connection": b"Upgrade",
        b"sec-websocket-version": b"13",
        b"sec-websocket-protocol": ", ".join(scope.get("subprotocols") or ()).encode("latin-1"),
    }
    if b"sec-websocket-key" not in names:
        wanted[b"sec-websocket-key"] = base64.b64encode(os.urandom(_KEY_BYTES))
    pairs += [(name, value) for name, value in wanted.items() if value and name not in names]
    return pairs
