"""Scopes made from requests, for ASGI applications that run inside."""

import urllib.parse
from collections.abc import Iterable
from typing import Any

from tornadolike._http import grammar

Pairs = list[tuple[bytes, bytes]]

SPEC_VERSION = "2.5"
LIFESPAN_VERSIONS = {"version": "3.0", "spec_version": "2.0"}


def http_version(version: str) -> str:
    """``1.1`` from ``HTTP/1.1``, ``2`` from ``HTTP/2.0``."""
    number = version.removeprefix("HTTP/")
    return number if number.startswith("1.") else number.partition(".")[0]


def fields(headers: Iterable[tuple[str, str]]) -> Pairs:
    """Fields as ASGI has them: names in lower case, bytes."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def scope(kind: str, request_line: tuple[str, str, str], pairs: Pairs, ends: tuple[str, Any, Any], root_path: str) -> dict[str, Any]:
    """The scope of a request, ``kind`` ``http`` or ``websocket``.

    ``request_line`` is method, target and version; ``ends`` are the scheme, and (host, port) or None for client and server. ``root_path``
    is a beginning of the path that stays in it (asgiref's HTTP specification, "path" and "root_path").
    """
    method, target, version = request_line
    scheme, client, server = ends
    raw_path, _, query = target.partition("?")
    path = raw_path
    if raw_path[:1] != "/":
        absolute = grammar.absolute_form.fullmatch(raw_path)
        path = raw_path = raw_path if absolute is None else absolute[2] or "/"
    if "%" in path:
        path = urllib.parse.unquote(path)
    elif not path.isascii():
        path = _utf8(path)
    made: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
        "http_version": "1.1" if version == "HTTP/1.1" else http_version(version),
        "scheme": scheme,
        "path": path,
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": root_path,
        "headers": pairs,
        "client": client,
        "server": server,
    }
    if kind == "http":
        made["method"] = method
        made["extensions"] = {}
        return made
    made["scheme"] = {"https": "wss"}.get(scheme, "ws")
    offered = [value.decode("latin-1") for name, value in pairs if name == b"sec-websocket-protocol"]
    made["subprotocols"] = [one.strip() for value in offered for one in value.split(",") if one.strip()]
    made["extensions"] = {"websocket.http.response": {}}
    return made


def _utf8(path: str) -> str:
    """Raw bytes in a path are UTF-8 there too; those that are not become U+FFFD."""
    return path.encode("latin-1").decode("utf-8", "replace")
