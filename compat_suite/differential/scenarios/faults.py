"""Exceptions from every hook of handlers and WebSockets: what the client gets, what is logged, what becomes of the connection."""

import asyncio
from collections.abc import Callable
from typing import Any

from tornado import iostream, web, websocket

from compat_suite.differential.applications import application
from compat_suite.differential.conversation import Peer, quiet_loop, serve, talk
from compat_suite.differential.recording import Logs
from compat_suite.differential.scenario import add
from compat_suite.differential.scenarios.web import request
from compat_suite.differential.scenarios.websocket import frame, hello

ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("a hook's"),
    "HTTPError": lambda: web.HTTPError(418, "a hook's"),
    "Finish": lambda: web.Finish("finished early"),
    "StreamClosedError": iostream.StreamClosedError,
    "CancelledError": asyncio.CancelledError,
}
GET, POST = request(b"GET /"), request(b"POST /", b"Content-Length: 3", body=b"abc")


class Plain(web.RequestHandler):
    """Comes by every hook. Those that only run after a failure are reached by one in ``get``."""

    fails = False

    def get(self) -> None:
        self.write(f"user {self.current_user} ")
        self.write(self.locale.code)
        if self.fails:
            raise RuntimeError("in get")

    post = get


@web.stream_request_body
class Streaming(Plain):
    def data_received(self, chunk: bytes) -> None:
        """Takes it and forgets it."""


def _raising(hook: str, error: Callable[[], BaseException], *, late: bool) -> dict[str, Any]:
    """The hook's replacement: raises at once, or (a coroutine) at its next turn."""

    def raise_now(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise error()

    async def raise_later(self: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        raise error()

    return {hook: raise_later if late else raise_now}


def _http(hook: str, base: type[Any], sent: list[bytes], *, late: bool = False, fails: bool = False, eof: bool = False) -> None:
    for name, error in ERRORS.items():

        async def run(error: Callable[[], BaseException] = error) -> Any:
            members = {**_raising(hook, error, late=late), "fails": fails}
            app = application((r"/.*", type("Handler", (base,), members)))
            return await talk(app, sent, eof=eof, probe=not eof)

        add(f"faults/{name} in {hook}{' later' if late else ''}{' after a failure' if fails else ''}", run)


for _hook in ("initialize", "set_default_headers", "prepare", "get", "get_current_user", "get_user_locale", "compute_etag", "on_finish"):
    _http(_hook, Plain, [GET])
for _hook in ("write_error", "log_exception", "set_default_headers", "on_finish"):
    _http(_hook, Plain, [GET], fails=True)
for _hook in ("prepare", "get"):
    _http(_hook, Plain, [GET], late=True)
for _late in (False, True):
    _http("data_received", Streaming, [POST], late=_late)
_http("prepare", Streaming, [POST], late=True, fails=True)
_http("on_connection_close", Streaming, [POST[:-1]], eof=True)


class Echo(websocket.WebSocketHandler):
    def on_message(self, message: Any) -> Any:
        return self.write_message(message)


_CONVERSATION = [
    hello(b"Origin: http://h", b"Sec-WebSocket-Protocol: chat", b"Sec-WebSocket-Extensions: permessage-deflate"),
    frame(1, b"one"),
    frame(9, b"ping"),
    frame(10, b"pong"),
    frame(1, b"two"),
    frame(8, b"\x03\xe8"),
]


def _websocket(hook: str, *, late: bool = False) -> None:
    for name, error in ERRORS.items():

        async def run(error: Callable[[], BaseException] = error) -> Any:
            handler = type("Handler", (Echo,), _raising(hook, error, late=late))
            with Logs() as logs:
                server, port = await serve(application((r"/ws", handler)))
                peer = await Peer.connect(port)
                for piece in _CONVERSATION:
                    await peer.send(piece)
                    await peer.quiet()
                await peer.quiet()
                received, fate = peer.received.decode("latin-1").split("\n"), peer.fate
                await peer.close()
                await quiet_loop()
                server.stop()
                await server.close_all_connections()
            return {"received": received, "connection": fate, "log": list(logs)}

        add(f"faults/WebSocket {name} in {hook}{' later' if late else ''}", run)


for _hook in (
    *("prepare", "open", "check_origin", "select_subprotocol", "get_compression_options"),
    *("on_message", "on_ping", "on_pong", "on_close", "on_finish", "on_connection_close", "log_exception"),
):
    _websocket(_hook)
for _hook in ("prepare", "open", "on_message"):
    _websocket(_hook, late=True)
