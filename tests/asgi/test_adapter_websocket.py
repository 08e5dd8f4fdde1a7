"""WebSocket handlers as an ASGI application, over a server in memory."""

import asyncio
import contextvars
from typing import Any

import httpx
import httpx_ws
import httpx_ws.transport
import pytest

from tests.asgi.conftest import Call, Host
from tornadolike import asgi, web, websocket
from tornadolike.ioloop import IOLoop


class Chat(websocket.WebSocketHandler):
    notes: list[Any]

    def initialize(self, notes: list[Any] | None = None) -> None:
        self.notes = [] if notes is None else notes

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return "chat" if "chat" in subprotocols else None

    def open(self, *args: str) -> None:
        self.notes.append(("open", self.selected_subprotocol))

    def on_message(self, message: str | bytes) -> Any:
        if message == "close":
            self.close(4001, "enough")
        elif message == "close without":
            self.close()
        elif message == "fail":
            raise ValueError(message)
        elif message == "later":
            return self.later()
        elif message == "ping":
            self.ping(b"x")
        else:
            self.write_message(message, binary=isinstance(message, bytes))
        return None

    async def later(self) -> None:
        await self.write_message({"now": 1})
        await asyncio.sleep(0.001)
        await self.write_message("then")

    def on_close(self) -> None:
        self.notes.append(("close", self.close_code, self.close_reason))


def socket_scope(path: str = "/", **scope: Any) -> dict[str, Any]:
    whole = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org")],
        "client": ("192.0.2.7", 4711),
        "server": ("192.0.2.1", 80),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    return {**whole, **scope}


def application(notes: list[Any], handler: Any = Chat, **settings: Any) -> asgi.ASGIAdapter:
    return asgi.ASGIAdapter(web.Application([("/(.*)", handler, {"notes": notes})], **settings))


async def connect(host: Host, **scope: Any) -> Call:
    call = host.call(socket_scope(**scope))
    call.say("websocket.connect")
    await call.until(lambda: call.sent)
    return call


async def test_messages_and_a_close_of_the_clients(host: Host) -> None:
    notes: list[Any] = []
    host.app = application(notes)
    call = await connect(host, subprotocols=["other", "chat"])
    assert call.sent[0]["type"] == "websocket.accept"
    assert call.sent[0]["subprotocol"] == "chat"
    assert call.sent[0]["headers"] == []
    call.say("websocket.receive", text="hello")
    call.say("websocket.receive", text=None, bytes=b"\0")
    call.say("websocket.receive", text="later", bytes=None)
    await call.until(lambda: len(call.sent) == 5)
    assert [message.get("text", message.get("bytes")) for message in call.sent[1:]] == ["hello", b"\0", '{"now": 1}', "then"]
    call.say("websocket.disconnect", code=3000, reason="bye")
    await call.end()
    await call.until(lambda: len(notes) == 2)
    assert notes == [("open", "chat"), ("close", 3000, "bye")]
    assert len(call.sent) == 5


async def test_all_callbacks_of_a_websocket_run_in_one_context(host: Host) -> None:
    variable = contextvars.ContextVar("variable", default=0)
    tokens: list[Any] = []
    seen: list[int] = []

    class Counting(websocket.WebSocketHandler):
        def initialize(self) -> None:
            self.count()

        def prepare(self) -> None:
            self.count()

        def open(self, *args: str) -> None:
            self.count()

        def on_message(self, message: str | bytes) -> None:
            self.count()

        def on_close(self) -> None:
            seen.append(variable.get())
            while tokens:
                variable.reset(tokens.pop())  # which works in the very context only
            seen.append(variable.get())

        def count(self) -> None:
            tokens.append(variable.set(variable.get() + 1))

    host.app = asgi.ASGIAdapter(web.Application([("/", Counting)]))
    call = await connect(host)
    for _ in range(2):
        call.say("websocket.receive", text="x")
    call.say("websocket.disconnect", code=1000)
    await call.end()
    assert seen == [5, 0]


@pytest.mark.parametrize(("code", "seen"), [(1005, None), (1006, None), (1001, 1001), (1012, 1012)])
async def test_trap_1005_and_1006_are_no_codes(host: Host, code: int, seen: int | None) -> None:
    notes: list[Any] = []
    host.app = application(notes)
    call = await connect(host)
    call.say("websocket.disconnect", code=code, reason="")
    await call.end()
    await call.until(lambda: len(notes) == 2)
    assert notes[1] == ("close", seen, None)


async def test_trap_on_close_reports_the_code_that_we_sent_whatever_the_server_says(host: Host) -> None:
    notes: list[Any] = []
    host.app = application(notes)
    call = await connect(host)
    call.say("websocket.receive", text="close")
    await call.until(lambda: len(call.sent) == 2)
    assert call.sent[1] == {"type": "websocket.close", "code": 4001, "reason": "enough"}
    call.say("websocket.disconnect", code=1006)
    await call.end()
    await call.until(lambda: len(notes) == 2)
    assert notes[1][:2] == ("close", 4001)


async def test_a_close_without_a_code_is_1000_on_the_wire(host: Host) -> None:
    notes: list[Any] = []
    host.app = application(notes)
    call = await connect(host)
    call.say("websocket.receive", text="close without")
    await call.until(lambda: len(call.sent) == 2)
    assert call.sent[1]["code"] == 1000
    call.say("websocket.disconnect", code=1000)
    await call.end()


async def test_trap_a_server_that_says_nothing_after_our_close(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_CLOSE_SECONDS", 0.01)
    notes: list[Any] = []
    host.app = application(notes)
    call = await connect(host)
    call.say("websocket.receive", text="close")
    await call.end()
    await call.until(lambda: len(notes) == 2)


async def test_a_handler_that_fails_closes_with_1011(host: Host, logs: Any) -> None:
    notes: list[Any] = []
    host.app = application(notes)
    call = await connect(host)
    call.say("websocket.receive", text="fail")
    await call.end()
    assert call.sent[-1]["code"] == 1011
    await call.until(lambda: len(notes) == 2)
    logs.take("tornado.application", "Uncaught exception")


async def test_headers_and_cookies_of_the_handler_are_in_the_acceptance(host: Host) -> None:
    class Setting(Chat):
        def prepare(self) -> None:
            self.set_cookie("a", "1")
            self.set_header("X-Mine", "2")

    host.app = application([], Setting)
    call = await connect(host)
    assert dict(call.sent[0]["headers"])[b"x-mine"] == b"2"
    assert dict(call.sent[0]["headers"])[b"set-cookie"].startswith(b"a=1")
    call.say("websocket.disconnect", code=1000)
    await call.end()


class Refusing(Chat):
    def prepare(self) -> None:
        raise web.HTTPError(401)


@pytest.mark.parametrize("offered", [True, False])
async def test_trap_a_denial_is_one_body_event_or_a_close(host: Host, logs: Any, offered: bool) -> None:
    host.app = application([], Refusing)
    call = await connect(host, extensions={"websocket.http.response": {}} if offered else {})
    await call.end()
    logs.take("tornado.access", "401 GET /")
    if not offered:
        assert [message["type"] for message in call.sent] == ["websocket.close"]
        return
    assert [message["type"] for message in call.sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert call.sent[0]["status"] == 401
    assert b"401" in call.sent[1]["body"]
    assert call.sent[1]["more_body"] is False


async def test_other_origins_are_refused(host: Host, logs: Any) -> None:
    host.app = application([])
    call = await connect(host, headers=[(b"host", b"example.org"), (b"origin", b"http://evil.example")])
    await call.end()
    assert call.sent[0]["status"] == 403
    logs.take("tornado.access", "403")


async def test_a_handler_that_overrides_get_runs_unchanged(host: Host) -> None:
    class Overriding(Chat):
        async def get(self, *args: Any, **kwargs: Any) -> None:
            self.notes.append(self.request.headers["Upgrade"])
            await super().get(*args, **kwargs)
            self.notes.append("end")

    notes: list[Any] = []
    host.app = application(notes, Overriding)
    call = await connect(host, http_version="2")
    call.say("websocket.disconnect", code=1000)
    await call.end()
    await call.until(lambda: "end" in notes)
    assert notes[0] == "websocket"


async def test_an_ordinary_handler_answers_with_a_denial(host: Host, logs: Any) -> None:
    host.app = asgi.ASGIAdapter(web.Application())
    call = await connect(host)
    await call.end()
    assert call.sent[0]["status"] == 404
    logs.take("tornado.access", "404")


async def test_a_malformed_request_is_refused(host: Host, logs: Any) -> None:
    host.app = application([])
    call = await connect(host, headers=[(b"host", b"a b")])
    await call.end()
    assert call.sent[0]["status"] == 400
    logs.take("tornado.general", "Malformed HTTP message")


async def test_messages_that_are_too_large(host: Host) -> None:
    host.app = application([], websocket_max_message_size=10)
    call = await connect(host)
    call.say("websocket.receive", text="x" * 11)
    await call.until(lambda: len(call.sent) == 2)
    assert call.sent[1]["code"] == 1009
    call.say("websocket.disconnect", code=1009)
    await call.end()


@pytest.mark.parametrize("overflow", ["close", "drop"])
async def test_slow_clients_have_a_bound(host: Host, overflow: str) -> None:
    handlers: list[Chat] = []

    class Noting(Chat):
        def open(self, *args: str) -> None:
            handlers.append(self)

    host.app = application([], Noting, websocket_max_queued_bytes=10, websocket_overflow=overflow)
    call = await connect(host)
    await call.until(lambda: handlers)
    call.open.clear()
    first = handlers[0].write_message("x" * 11)
    if overflow == "close":
        with pytest.raises(websocket.WebSocketClosedError):
            handlers[0].write_message("y")
    else:
        assert handlers[0].write_message("y").done()
    call.open.set()
    await first
    call.say("websocket.disconnect", code=1000)
    await call.end()
    assert [message["type"] for message in call.sent[1:]] == ["websocket.send"] + ["websocket.close"] * (overflow == "close")


async def test_a_client_that_leaves_while_something_is_sent(host: Host, logs: Any) -> None:
    notes: list[Any] = []
    host.app = application(notes)
    call = await connect(host)
    call.send_error = OSError("gone")
    call.say("websocket.receive", text="hello")
    await call.end()
    await call.until(lambda: len(notes) == 2)
    assert notes[1] == ("close", None, None)


async def test_a_client_that_leaves_before_the_handshake(host: Host) -> None:
    host.app = application([])
    call = host.call(socket_scope())
    call.say("websocket.disconnect", code=1006)
    await call.end()
    assert call.sent == []


async def test_a_server_that_cancels_tells_the_handler(host: Host) -> None:
    notes: list[Any] = []
    host.app = application(notes)
    call = await connect(host)
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.task
    await call.until(lambda: len(notes) == 2)


async def test_pings_are_the_servers(host: Host) -> None:
    host.app = application([], websocket_ping_interval=0.001)
    call = await connect(host)
    call.say("websocket.receive", text="ping")
    call.say("websocket.receive", text="after")
    await call.until(lambda: len(call.sent) == 2)
    assert call.sent[1]["text"] == "after"
    call.say("websocket.disconnect", code=1000)
    await call.end()


async def test_httpx_ws_drives_it() -> None:
    notes: list[Any] = []
    transport = httpx_ws.transport.ASGIWebSocketTransport(application(notes))
    async with (
        httpx.AsyncClient(transport=transport) as client,
        httpx_ws.aconnect_ws("http://example.org/ws", client, subprotocols=["chat"]) as connection,
    ):
        await connection.send_text("hello")
        assert await connection.receive_text() == "hello"
        assert connection.subprotocol == "chat"
    assert notes[0] == ("open", "chat")


async def test_the_stream_of_a_websocket_is_a_stand_in(host: Host) -> None:
    """sockjs-tornado, as others, calls ``ws_connection.stream.set_nodelay``."""
    seen: list[Any] = []

    class Looking(websocket.WebSocketHandler):
        def open(self, *args: str) -> None:
            stream: Any = self.ws_connection.stream  # type: ignore[union-attr]  # it is open
            stream.set_nodelay(True)
            stream.set_close_callback(lambda: seen.append("callback"))
            seen.append((stream.socket, stream.closed(), stream.reading(), stream.writing(), stream.io_loop is IOLoop.current()))
            self.kept = stream

        def on_message(self, message: str | bytes) -> None:
            self.kept.close()

        def on_close(self) -> None:
            seen.append(("closed", self.kept.closed()))

    host.app = asgi.ASGIAdapter(web.Application([("/", Looking)]))
    for ours in (False, True):
        call = await connect(host)
        if ours:
            call.say("websocket.receive", text="x")
        else:
            call.say("websocket.disconnect", code=1000)
        await call.end()
        await call.until(lambda: len(seen) == 3)
        assert seen == [(None, False, False, False, True), ("closed", True), "callback"]
        seen.clear()
    assert call.sent[-1]["type"] == "websocket.close"
    assert call.sent[-1]["code"] == 1011
