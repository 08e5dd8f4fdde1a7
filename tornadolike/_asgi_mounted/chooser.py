"""Between a server and the calls of an application inside: what kind of call a request is."""

import time
from collections.abc import Awaitable
from typing import Any, cast

from tornadolike import httputil
from tornadolike._asgi import messages, scopes
from tornadolike._asgi_mounted.call import Call, Container, plain
from tornadolike._asgi_mounted.http_call import HTTPCall
from tornadolike._asgi_mounted.websocket_call import WebSocketCall
from tornadolike._websocket import handshake

_SPECIAL = frozenset((b"upgrade", b"expect"))


class Chooser(httputil.HTTPMessageDelegate):
    """Stands in until the head has come, which says whether it is a WebSocket."""

    __slots__ = ("_call", "_connections", "_container")
    _call: Call

    def __init__(self, container: Container, server_conn: object, request_conn: Any) -> None:
        self._container = container
        self._connections = server_conn, request_conn

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        line = cast(httputil.RequestStartLine, start_line)
        wire = headers._pairs
        pairs = scopes.fields(headers.get_all()) if wire is None else [(name.lower(), value.strip(b" \t")) for name, value in wire]
        upgrades = expects = False
        for name, _ in pairs:
            if name in _SPECIAL:
                upgrades = upgrades or name == b"upgrade"
                expects = expects or name == b"expect"
        if not (upgrades and _asks_for_websocket(line, headers)):
            call = HTTPCall(self._container, *self._connections)
            self._call = call
            return call.begin(line, pairs, expects)
        socket = WebSocketCall(self._container, *self._connections)
        self._call = socket
        refusal = _refusal_of(headers)
        if refusal is None:
            socket.begin(line, headers, pairs)
        else:
            socket._line = line
            socket._began = time.monotonic()
            socket.respond(*refusal)
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._call.data_received(chunk)

    def finish(self) -> None:
        self._call.finish()

    def on_connection_close(self) -> None:
        self._call.on_connection_close()


def _asks_for_websocket(line: httputil.RequestStartLine, headers: httputil.HTTPHeaders) -> bool:
    return line.method == "GET" and handshake.check_upgrade(line.version, headers["Upgrade"], headers.get("Connection")) is None


def _refusal_of(headers: httputil.HTTPHeaders) -> tuple[messages.Head, bytes] | None:
    """The answer to a handshake that is malformed (RFC 6455 §4.2.2)."""
    if headers.get("Sec-WebSocket-Version") != "13":
        return plain(426, [(b"sec-websocket-version", b"13")])
    return None if handshake.is_key(headers.get("Sec-WebSocket-Key", "")) else plain(400)
