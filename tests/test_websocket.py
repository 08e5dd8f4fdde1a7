"""websocket: handlers and clients against each other, and against peers that misbehave."""

import asyncio
import base64
import contextlib
import contextvars
import gc
import hashlib
import inspect
import json
import logging
import os
import pathlib
import re
import signal
import socket
import struct
import sys
import urllib.parse
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest.mock import Mock, patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tornadolike
from tornadolike import httputil, web, websocket
from tornadolike._websocket.frames import frame
from tornadolike._websocket_io import receiver
from tornadolike.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornadolike.httpserver import HTTPServer
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import StreamClosedError
from tornadolike.simple_httpclient import HTTPStreamClosedError
from tornadolike.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketHandler,
    WebSocketProtocol,
    WebSocketProtocol13,
    websocket_connect,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
PACKAGE = pathlib.Path(tornadolike.__file__).parent
CERTIFICATE = {"certfile": str(PACKAGE / "testing.crt"), "keyfile": str(PACKAGE / "testing.key")}


async def soon(condition: Callable[[], Any], seconds: float = 5) -> None:
    """Wait until ``condition()`` is true; fail after a while."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens inside the code under test
            await asyncio.sleep(0.001)


class Recorder(WebSocketHandler):
    """Notes what happens to it, and to the last one of its class."""

    last: "Recorder"

    def initialize(self) -> None:
        type(self).last = self
        self.noted: list[Any] = []

    def open(self, *args: str, **kwargs: str) -> Awaitable[None] | None:
        self.noted.append("open")
        return None

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        self.noted.append(message)
        return None

    def on_ping(self, data: bytes) -> Awaitable[None] | None:
        self.noted.append(("ping", data))
        return None

    def on_pong(self, data: bytes) -> Awaitable[None] | None:
        self.noted.append(("pong", data))
        return None

    def on_close(self) -> Awaitable[None] | None:
        self.noted.append(("closed", self.close_code, self.close_reason))
        return None


class Echo(Recorder):
    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        super().on_message(message)
        return self.write_message(message, isinstance(message, bytes))


class RawPeer:
    """A client that writes its own frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self.reader, self.writer, self.head = reader, writer, head

    def send(self, first: int, payload: bytes = b"", masked: bool = True) -> None:
        self.writer.write(frame(first, payload, masked))

    async def receive(self) -> tuple[int, bytes]:
        async with asyncio.timeout(5):
            first, size = await self.reader.readexactly(2)
            if size > 125:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            return first, await self.reader.readexactly(size)

    async def end(self) -> bytes:
        """What comes before the connection ends, which it must."""
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read()
            return b""


class Site:
    """A server with handlers, at a port of its own."""

    def __init__(self, handlers: dict[str, type[WebSocketHandler]], ssl_options: Any, settings: dict[str, Any]) -> None:
        self.server = HTTPServer(web.Application(list(handlers.items()), **settings), ssl_options=ssl_options)
        self.server.listen(0, "127.0.0.1")
        (sock,) = self.server._sockets.values()
        self.port = sock.getsockname()[1]
        self.peers: list[RawPeer] = []
        self.writers: list[asyncio.StreamWriter] = []

    def abort_all(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    def url(self, path: str = "/") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    async def raw(self, path: str = "/", *fields: str, http: str = "1.1", **replaced: str | None) -> RawPeer:
        """Send a request for an upgrade, with ``fields`` added and others replaced or left out, and read the answer's head."""
        standard: dict[str, str | None] = {"Host": "x", "Upgrade": "websocket", "Connection": "Upgrade"}
        standard |= {"Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
        standard |= {name.replace("_", "-"): value for name, value in replaced.items()}
        lines = [f"GET {path} HTTP/{http}", *(f"{name}: {value}" for name, value in standard.items() if value is not None), *fields]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.peers.append(RawPeer(reader, writer, head))
        return self.peers[-1]


@contextlib.asynccontextmanager
async def site(
    handlers: dict[str, type[WebSocketHandler]] | type[WebSocketHandler], ssl_options: Any = None, **settings: Any
) -> AsyncIterator[Site]:
    made = Site(handlers if isinstance(handlers, dict) else {"/": handlers}, ssl_options, settings)
    try:
        yield made
    finally:
        made.server.stop()
        await made.server.close_all_connections()
        made.abort_all()
        await asyncio.sleep(0)  # that is when transports really close


async def ended(client: websocket.WebSocketClientConnection) -> None:
    """Close, and wait until both sides are done."""
    client.close()
    async with asyncio.timeout(5):
        while await client.read_message() is not None:
            pass


class TestMessages:
    async def test_text_binary_and_json(self) -> None:
        async with site(Echo) as here:
            client = await websocket_connect(here.url())
            for message in ("hello", "", "κόσμε", "x" * 70_000):
                await client.write_message(message)
                assert await client.read_message() == message
            await client.write_message(b"\xff\x00", binary=True)
            assert await client.read_message() == b"\xff\x00"
            await client.write_message({"a": [1]})
            assert json.loads(str(await client.read_message())) == {"a": [1]}
            await client.write_message(b"bytes as text")
            assert await client.read_message() == "bytes as text"
            assert client.protocol is not None
            assert client.protocol._message_bytes_in == client.protocol._message_bytes_out  # type: ignore[attr-defined]
            await ended(client)

    async def test_counters(self) -> None:
        async with site(Echo) as here:
            client = await websocket_connect(here.url())
            client.write_message("12345")
            assert await client.read_message() == "12345"
            ours: Any = client.protocol
            theirs: Any = Echo.last.ws_connection
            assert (ours._wire_bytes_out, ours._wire_bytes_in) == (theirs._wire_bytes_in, theirs._wire_bytes_out) == (11, 7)
            await ended(client)

    @pytest.mark.parametrize("settings", [{}, {"websocket_max_queued_bytes": 1 << 20}])
    async def test_the_same_message_to_many(self, settings: dict[str, int]) -> None:
        """Whether its frame is there already or not, each gets its own kind of it, and it is counted."""
        members: list[WebSocketHandler] = []

        class Member(WebSocketHandler):
            def open(self, *args: str, **kwargs: str) -> None:
                members.append(self)

            def get_compression_options(self) -> dict[str, Any]:
                return {}

        compressions: list[dict[str, Any] | None] = [None, {}, None, None]
        text = "κόσμε" * 10
        messages: list[tuple[str | bytes, bool]] = [
            (text, False),
            (text, False),
            (b"bytes", True),
            (b"bytes", False),
            ("", False),
            (text, True),
        ]
        async with site(Member, **settings) as here:
            clients = [await websocket_connect(here.url(), compression_options=each) for each in compressions]
            await soon(lambda: len(members) == len(clients))
            for message, binary in messages:
                for member in members:
                    assert member.write_message(message, binary).done()
            payloads = [message.encode() if isinstance(message, str) else message for message, _ in messages]
            for client in clients:
                for (_, binary), payload in zip(messages, payloads, strict=True):
                    assert await client.read_message() == (payload if binary else payload.decode())
            for number, member in enumerate(members):
                counted: Any = member.ws_connection
                assert counted._message_bytes_out == sum(map(len, payloads))
                assert (counted._wire_bytes_out == sum(map(len, payloads)) + 2 * len(messages)) is (number != 1)
            for client in clients:
                await ended(client)
            await soon(lambda: all(member.ws_connection is None for member in members))
            with pytest.raises(WebSocketClosedError):
                members[0].write_message(text)

    async def test_arguments_and_what_belongs_to_http(self) -> None:
        class Handler(WebSocketHandler):
            def open(self, one: str, two: str) -> None:
                refused = 0
                for name in ("write", "redirect", "set_header", "set_cookie", "set_status", "flush", "finish"):
                    with pytest.raises(RuntimeError, match="Method not supported for Web Sockets"):
                        getattr(self, name)()
                    refused += 1
                self.write_message(f"{one}-{two}-{refused}-{self.get_argument('q')}")

        async with site({"/(.*)/(.*)": Handler}) as here:
            client = await websocket_connect(here.url("/a/b?q=c"))
            assert await client.read_message() == "a-b-7-c"
            await ended(client)

    async def test_nothing_is_delivered_before_open_is_done(self) -> None:
        opened = asyncio.Event()

        class Handler(Echo):
            async def open(self) -> None:  # type: ignore[override]  # Tornado allows it
                await opened.wait()
                self.noted.append("open")

        async with site(Handler) as here:
            client = await websocket_connect(here.url())
            client.write_message("early")
            await asyncio.sleep(0.01)
            assert Handler.last.noted == []
            opened.set()
            assert await client.read_message() == "early"
            assert Handler.last.noted == ["open", "early"]
            await ended(client)

    async def test_coroutines_run_one_at_a_time_in_order(self) -> None:
        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                self.noted.append(message)
                await asyncio.sleep(0.001)
                self.noted.append(f"{message!s} done")
                if message == "3":
                    await self.write_message("end")

        async with site(Handler) as here:
            peer = await here.raw()
            peer.writer.write(b"".join(frame(TEXT, b"%d" % n, True) for n in range(4)) + frame(PING, b"p", True))
            assert await peer.receive() == (TEXT, b"end")
            assert await peer.receive() == (PONG, b"p")
            expected = [note for n in range(4) for note in (str(n), f"{n} done")]
            assert Handler.last.noted == ["open", *expected, ("ping", b"p")]

    async def test_a_busy_handler_stops_the_peer(self) -> None:
        free = asyncio.Event()

        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                self.noted.append(len(message))
                await free.wait()

        async with site(Handler) as here:
            peer = await here.raw()
            for _ in range(40):
                peer.send(BINARY, bytes(300_000))
            await soon(lambda: len(Handler.last.noted) == 2)
            protocol: Any = Handler.last.ws_connection
            await soon(lambda: protocol._paused)
            assert len(protocol._backlog) <= 262_144
            assert peer.writer.transport.get_write_buffer_size() > 1_000_000
            free.set()
            await soon(lambda: len(Handler.last.noted) == 41)

    async def test_a_flood_lets_others_have_a_turn(self) -> None:
        async with site(Recorder) as here:
            peer = await here.raw()
            turns = 0
            peer.writer.write(frame(BINARY, b"x", True) * 5000)
            await soon(lambda: len(Recorder.last.noted) > 1)
            while len(Recorder.last.noted) < 5001:
                turns += 1
                await asyncio.sleep(0)
            assert turns > 10

    async def test_writing_can_be_awaited(self) -> None:
        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                written = self.write_message(bytes(20_000_000), binary=True)
                self.noted.append(written.done())
                await written
                self.noted.append("written")

        async with site(Handler) as here:
            peer = await here.raw()
            peer.send(TEXT, b"go")
            await soon(lambda: len(Handler.last.noted) == 2)
            assert Handler.last.noted == ["open", False]
            assert len((await peer.receive())[1]) == 20_000_000
            await soon(lambda: Handler.last.noted[-1] == "written")

    async def test_what_was_not_written_fails_once_the_peer_is_gone(self) -> None:
        async with site(Recorder) as here:
            peer = await here.raw()
            await soon(lambda: Recorder.last.ws_connection)
            written = Recorder.last.write_message(bytes(20_000_000), binary=True)
            peer.writer.transport.abort()
            with pytest.raises(WebSocketClosedError):
                await asyncio.wait_for(written, 5)

    async def test_messages_sent_before_the_end_arrive(self) -> None:
        async with site(Recorder) as here:
            peer = await here.raw()
            peer.writer.write(b"".join(frame(TEXT, b"%d" % n, True) for n in range(300)))
            peer.writer.write_eof()
            await soon(lambda: Recorder.last.noted[-1] == ("closed", None, None))
            assert Recorder.last.noted[1:-1] == [str(n) for n in range(300)]


class TestUpgrade:
    async def test_the_answer(self) -> None:
        class Handler(Recorder):
            def prepare(self) -> None:
                self.set_header("X-Own", "yes")

        async with site(Handler) as here:
            head = (await here.raw()).head
            assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
            for line in ("Upgrade: websocket", "Connection: Upgrade", "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "X-Own: yes"):
                assert f"\r\n{line}\r\n" in head
            assert "Content-Type" not in head
            assert "Content-Length" not in head

    @pytest.mark.parametrize(
        ("replaced", "status"),
        [
            ({"Upgrade": "http2"}, 400),
            ({"Connection": "keep-alive"}, 400),
            ({"Connection": "notupgrade"}, 400),
            ({"Sec_WebSocket_Version": "12"}, 426),
            ({"Sec_WebSocket_Key": None}, 400),
            ({"Sec_WebSocket_Key": "short"}, 400),
            ({"Origin": "http://elsewhere.example"}, 403),
            ({"Origin": "http://x", "Sec_Fetch_Site": "cross-site"}, 403),
            ({"Origin": "http://x"}, 101),
            ({"Connection": "keep-alive, Upgrade"}, 101),
            ({"Upgrade": "WebSocket"}, 101),
            ({"Origin": "http://friend.example", "Sec_Fetch_Site": "cross-site"}, 101),
        ],
    )
    async def test_who_may_connect(self, replaced: dict[str, str | None], status: int, logs: Any) -> None:
        async with site(Recorder, trusted_origins=["http://friend.example"]) as here:
            peer = await here.raw("/", **replaced)
            assert peer.head.startswith(f"HTTP/1.1 {status} ")
            if status == 426:
                assert "Sec-Websocket-Version: 13" in peer.head
            if status >= 400:
                logs.take("tornado.access", str(status))

    async def test_check_origin_comes_after_prepare(self) -> None:
        class Handler(Recorder):
            def prepare(self) -> None:
                self.user = "known"

            def check_origin(self, origin: str) -> bool:
                return self.user == "known" and origin == "http://elsewhere.example"

        async with site(Handler) as here:
            assert " 101 " in (await here.raw(Origin="http://elsewhere.example")).head

    async def test_subprotocols(self) -> None:
        asked: list[list[str]] = []

        class Handler(Recorder):
            def select_subprotocol(self, subprotocols: list[str]) -> str | None:
                asked.append(subprotocols)
                return "b" if "b" in subprotocols else None

        async with site(Handler) as here:
            client = await websocket_connect(here.url(), subprotocols=["a", "b"])
            assert client.selected_subprotocol == Handler.last.selected_subprotocol == "b"
            await ended(client)
            client = await websocket_connect(here.url())
            assert client.selected_subprotocol is None
            await ended(client)
        assert asked == [["a", "b"], []]

    async def test_errors_in_open(self, logs: Any) -> None:
        class Fails(Recorder):
            def open(self) -> None:  # type: ignore[override]  # Tornado allows it
                raise ValueError("not today")

        class FailsLater(Recorder):
            async def open(self) -> None:  # type: ignore[override]  # as well
                await asyncio.sleep(0)
                raise ValueError("not today")

        async with site({"/now": Fails, "/later": FailsLater}) as here:
            for path in ("/now", "/later"):
                peer = await here.raw(path)
                assert await peer.end() == b""
                logs.take("tornado.application", "Uncaught exception GET " + path)

    async def test_a_plain_request_and_an_error_in_prepare(self, logs: Any) -> None:
        class Handler(Recorder):
            def prepare(self) -> None:
                if self.get_argument("deny", ""):
                    raise web.HTTPError(401)

        async with site(Handler) as here:
            with pytest.raises(HTTPClientError) as refused:
                await AsyncHTTPClient(force_instance=True).fetch(here.url().replace("ws", "http"))
            assert refused.value.response is not None
            assert refused.value.response.body == b'Can "Upgrade" only to "WebSocket".'
            logs.take("tornado.access", "400")
            with pytest.raises(HTTPClientError) as denied:
                await websocket_connect(here.url("/?deny=1"))
            assert denied.value.code == 401
            logs.take("tornado.access", "401")


class TestControlFrames:
    async def test_pings_both_ways(self) -> None:
        async with site(Recorder) as here:
            peer = await here.raw()
            peer.send(PING, b"from client")
            assert await peer.receive() == (PONG, b"from client")
            Recorder.last.ping("from server")
            assert await peer.receive() == (PING, b"from server")
            peer.send(PONG, b"from server")
            await soon(lambda: len(Recorder.last.noted) == 3)
            assert Recorder.last.noted[1:] == [("ping", b"from client"), ("pong", b"from server")]
            with pytest.raises(ValueError, match="125"):
                Recorder.last.ping(b"x" * 126)

    async def test_only_the_latest_ping_is_answered_while_a_pong_waits(self) -> None:
        async with site(Recorder) as here:
            peer = await here.raw()
            await soon(lambda: Recorder.last.noted)
            connection: Any = Recorder.last.ws_connection
            written: list[tuple[bytes, asyncio.Future[None]]] = []

            def write_frame(fin: bool, opcode: int, data: bytes, flags: int = 0) -> "asyncio.Future[None]":
                written.append((data, asyncio.get_running_loop().create_future()))
                return written[-1][1]

            connection._write_frame = write_frame
            for data in (b"1", b"2", b"3"):
                peer.send(PING, data)
            await soon(lambda: len(Recorder.last.noted) == 4)
            assert [data for data, _ in written] == [b"1"]
            written[0][1].set_result(None)
            await soon(lambda: len(written) == 2)
            assert written[1][0] == b"3"
            del connection._write_frame

    async def test_keepalive(self) -> None:
        async with site(Recorder, websocket_ping_interval=0.01) as here:
            client = await websocket_connect(here.url())
            await soon(lambda: Recorder.last.noted.count(("pong", b"")) >= 3)
            await ended(client)
            await soon(lambda: Recorder.last.noted[-1] == ("closed", None, None))

    async def test_a_silent_peer_is_closed(self) -> None:
        async with site(Recorder, websocket_ping_interval=0.02, websocket_ping_timeout=0.01) as here:
            peer = await here.raw()
            assert await peer.receive() == (PING, b"")
            assert await peer.receive() == (CLOSE, struct.pack(">H", 1000) + b"ping timed out")

    async def test_ping_settings(self, logs: Any) -> None:
        websocket.de_dupe_gen_log.cache_clear()
        for _ in range(2):
            params = websocket._WebSocketParams(ping_interval=3, ping_timeout=7)
            assert WebSocketProtocol13(Recorder, False, params).ping_timeout == 3  # type: ignore[arg-type]  # it is not looked at
        logs.take("tornado.general", r"The websocket_ping_timeout \(7\) cannot be longer than the websocket_ping_interval \(3\)")
        assert WebSocketProtocol13.ping_sleep_time(last_ping_time=10, interval=5, now=12) == 3

    async def test_errors_in_hooks(self, logs: Any) -> None:
        class Handler(Recorder):
            def on_ping(self, data: bytes) -> None:
                raise ValueError("no pings")

        async with site(Handler) as here:
            peer = await here.raw()
            peer.send(PING)
            await peer.end()
            await soon(lambda: Handler.last.noted[-1] == ("closed", None, None))
            logs.take("tornado.application", "Uncaught exception")


class TestClosing:
    async def test_the_client_closes(self) -> None:
        async with site(Recorder) as here:
            client = await websocket_connect(here.url())
            client.close(4001, "good bye")
            assert await client.read_message() is None
            assert (client.close_code, client.close_reason) == (4001, None)
            assert Recorder.last.noted == ["open", ("closed", 4001, "good bye")]
            with pytest.raises(WebSocketClosedError):
                client.write_message("late")
            with pytest.raises(WebSocketClosedError):
                client.ping()

    async def test_the_server_closes(self) -> None:
        class Handler(Recorder):
            def on_message(self, message: str | bytes) -> None:
                connection = self.ws_connection
                assert connection is not None
                self.close(reason="enough")
                assert connection.is_closing()
                for send in (lambda: self.write_message("late"), lambda: connection.write_message("late"), self.ping):
                    with pytest.raises(WebSocketClosedError):
                        send()
                self.noted.append("refused")

        async with site(Handler) as here:
            client = await websocket_connect(here.url())
            stream = client.protocol.stream  # type: ignore[union-attr]  # it is open
            assert stream is not None
            client.write_message("x")
            assert await client.read_message() is None
            assert (client.close_code, client.close_reason) == (1000, "enough")
            assert stream.socket is None
            await soon(lambda: Handler.last.noted == ["open", "refused", ("closed", 1000, None)])
            client.close()

    async def test_a_peer_that_does_not_answer_is_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(websocket, "_CLOSE_SECONDS", 0.02)
        async with site(Recorder) as here:
            peer = await here.raw()
            await soon(lambda: Recorder.last.noted)
            Recorder.last.close(1001)
            assert await peer.receive() == (CLOSE, b"\x03\xe9")
            peer.send(TEXT, b"still delivered")
            assert await peer.end() == b""
            await soon(lambda: Recorder.last.noted[1:] == ["still delivered", ("closed", None, None)])

    async def test_a_close_reason_has_a_limit(self) -> None:
        async with site(Recorder) as here:
            await here.raw()
            await soon(lambda: Recorder.last.noted)
            connection = Recorder.last.ws_connection
            assert connection is not None
            with pytest.raises(ValueError, match="125"):
                connection.close(1000, "x" * 124)

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (frame(TEXT, b"x", False), 1002),
            (frame(0xC1, b"x", True), 1002),
            (frame(0x83, b"x", True), 1002),
            (frame(0x09, b"", True), 1002),
            (frame(PING, b"", True)[:1] + b"\xfe\x00\x7e" + bytes(130), 1002),
            (frame(CLOSE, b"\x03\xee", True), 1002),
            (frame(TEXT, b"\xff", True), 1007),
            (frame(BINARY, bytes(2000), True), 1009),
        ],
    )
    async def test_violations(self, data: bytes, code: int) -> None:
        async with site(Recorder, websocket_max_message_size=1000) as here:
            other = await websocket_connect(here.url())
            undisturbed = Recorder.last
            peer = await here.raw()
            peer.writer.write(frame(TEXT, b"before", True) + data + frame(TEXT, b"after", True))
            first, payload = await peer.receive()
            assert (first, struct.unpack(">H", payload[:2])[0]) == (CLOSE, code)
            await peer.end()
            await soon(lambda: Recorder.last.noted == ["open", "before", ("closed", None, None)])
            assert undisturbed.noted == ["open"]
            await ended(other)

    async def test_who_sends_a_message_to_its_end_reads_that_it_was_too_large(self) -> None:
        """As clients without a loop do: a reset would tell them nothing."""
        size = 12_000_000

        def talk(sock: socket.socket) -> bytes:
            sock.sendall(b"\x82\xff" + size.to_bytes(8, "big") + bytes(4 + size))
            received = b""
            while piece := sock.recv(65536):
                received += piece
            return received

        async with site(Recorder, websocket_max_message_size=1000) as here:
            peer = await here.raw()
            sock = peer.writer.get_extra_info("socket").dup()
            sock.setblocking(True)
            peer.writer.transport.pause_reading()
            told = asyncio.create_task(asyncio.to_thread(talk, sock))
            await soon(lambda: Recorder.last.noted == ["open", ("closed", None, None)])
            assert await told == b"\x88\x11\x03\xf1message too big"
            sock.close()

    async def test_errors_in_on_message(self, logs: Any) -> None:
        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                await asyncio.sleep(0)
                raise asyncio.CancelledError if message == "cancelled" else ValueError(message)

        class Sync(Recorder):
            def on_message(self, message: str | bytes) -> None:
                raise ValueError(message)

        async with site({"/async": Handler, "/sync": Sync}) as here:
            for path, message in (("/async", "wrong"), ("/async", "cancelled"), ("/sync", "wrong")):
                client = await websocket_connect(here.url(path))
                client.write_message(message)
                client.write_message("never seen")
                assert await client.read_message() is None
                logs.take("tornado.application", "Uncaught exception")
                client.close()

    async def test_an_error_in_on_close(self, logs: Any) -> None:
        class Handler(Recorder):
            def on_close(self) -> None:
                super().on_close()
                raise ValueError

        async with site(Handler) as here:
            await ended(await websocket_connect(here.url()))
            await soon(lambda: len(Handler.last.noted) == 2)
            logs.take("tornado.application", "Uncaught exception")

    async def test_a_thousand_aborted_connections_leave_nothing_behind(self) -> None:
        alive: weakref.WeakSet[Recorder] = weakref.WeakSet()

        class Handler(Recorder):
            def open(self, *args: str, **kwargs: str) -> None:
                alive.add(self)

            async def on_message(self, message: str | bytes) -> None:
                await asyncio.sleep(0)

        async def abort(count: int) -> None:
            for n in range(count):
                peer = await here.raw()
                peer.writer.write(frame(TEXT, b"x", True) * 3 + frame(TEXT, b"half of it", True)[: n % 10])
                peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.writer.transport.abort()
                if not n % 100:
                    await other.write_message(f"still there? {n}")
                    assert await other.read_message() == f"still there? {n}"
            here.peers.clear()
            here.writers.clear()
            Handler.last = None  # type: ignore[assignment]  # it would keep one of them
            # A collection of all that a whole run has made takes its time.
            await soon(lambda: gc.collect() is not None and not alive, 60)
            assert not here.server._connections

        async with site({"/": Handler, "/echo": Echo}, websocket_ping_interval=60) as here:
            other = await websocket_connect(here.url("/echo"))
            await abort(100)  # what is made once is made
            before = Footprint()
            await abort(1000)
            after = Footprint()
            assert after.descriptors == before.descriptors
            assert after.tasks == before.tasks
            # Fewer than one for each ten connections: nothing that each of them has made is left.
            assert after.objects - before.objects < 100
            await ended(other)

    async def test_the_peer_goes_while_the_handler_is_busy(self) -> None:
        free = asyncio.Event()

        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                await free.wait()
                self.noted.append(message)

        async with site(Handler) as here:
            peer = await here.raw()
            peer.send(TEXT, b"last words")
            await soon(lambda: Handler.last.ws_connection and Handler.last.ws_connection._held is not None)  # type: ignore[attr-defined]
            peer.writer.transport.abort()
            await soon(lambda: Handler.last.ws_connection._stream_lost)  # type: ignore[union-attr]
            assert Handler.last.noted == ["open"]
            free.set()
            await soon(lambda: len(Handler.last.noted) == 3)
            assert Handler.last.noted == ["open", "last words", ("closed", None, None)]


class Footprint:
    """What the process holds at present."""

    def __init__(self) -> None:
        gc.collect()
        self.objects = len(gc.get_objects())
        self.descriptors = len(os.listdir("/proc/self/fd"))
        self.tasks = len(asyncio.all_tasks())


class TestCoroutines:
    """The tasks in which coroutines of handlers run."""

    async def test_nothing_is_left_of_them(self) -> None:
        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                await asyncio.sleep(0)
                await self.write_message(message)

        async with site(Handler) as here:
            peer = await here.raw()
            for n in range(3):
                peer.send(TEXT, b"%d" % n)
                assert await peer.receive() == (TEXT, b"%d" % n)
            protocol: Any = Handler.last.ws_connection
            assert protocol._held is protocol._task is None
            assert not protocol._task_awaited
            assert not protocol.stream.io_loop._pending_tasks

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=8),
        st.lists(st.integers(1, 30), max_size=6),
        st.integers(0, 2),
    )
    def test_messages_are_handled_as_by_plain_methods(self, waits: list[int | None], cuts: list[int], turns: int) -> None:
        """Coroutines (which wait some turns of the loop) and plain methods (None) in any order, bytes in any pieces, at any time."""
        noted: list[Any] = []

        class Handler:
            def on_message(self, message: str) -> Awaitable[None] | None:
                wait = waits[int(message)]
                return noted.append(message) if wait is None else self.later(message, wait)  # type: ignore[func-returns-value]

            async def later(self, message: str, wait: int) -> None:
                noted.append((message, "begins"))
                for _ in range(wait):
                    await asyncio.sleep(0)
                noted.append(message)

            def on_ws_connection_close(self, *_: object) -> None:
                noted.append("closed")

        async def run() -> None:
            connection: Any = WebSocketProtocol13(Handler(), False, websocket._WebSocketParams())  # type: ignore[arg-type]
            connection.stream = Mock(io_loop=IOLoop.current(), closed=Mock(return_value=True))

            async def serve() -> None:
                await connection._receive_frame_loop()
                connection._tell_end()

            task = asyncio.create_task(serve())
            await soon(lambda: connection.stream._attach_consumer.called)
            data = b"".join(frame(TEXT, b"%d" % n, True) for n in range(len(waits)))
            for cut in [*cuts, len(data)]:
                connection._standby.data_received(data[:cut])
                data = data[cut:]
                for _ in range(turns):
                    await asyncio.sleep(0)
            connection._on_stream_closed()
            await soon(lambda: noted and noted[-1] == "closed")
            assert connection._task is None
            await task

        asyncio.run(run())
        expected: list[Any] = []
        for n, wait in enumerate(waits):
            expected += [str(n)] if wait is None else [(str(n), "begins"), str(n)]
        assert noted == [*expected, "closed"]

    async def test_one_that_is_cancelled_before_it_begins(self, logs: Any) -> None:
        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                self.noted.append(message)

        async with site(Handler) as here:
            loop, others = asyncio.get_running_loop(), []

            def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
                task = asyncio.Task(work, loop=loop, **options)
                if isinstance(work, receiver.Handling):
                    task.cancel()
                    others.append(work)
                return task

            peer = await here.raw()
            await soon(lambda: Handler.last.ws_connection)
            loop.set_task_factory(make)
            try:
                peer.send(TEXT, b"never seen")
                assert await peer.end() == b""
            finally:
                loop.set_task_factory(None)
            await soon(lambda: Handler.last.noted == ["open", ("closed", None, None)])
            assert others[0].cr_frame is None  # closed, and Python has nothing to complain about
            logs.take("tornado.application", "Uncaught exception")

    async def test_tools_see_the_handlers_frame(self) -> None:
        free = asyncio.Event()

        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                await free.wait()

        async with site(Handler) as here:
            peer = await here.raw()
            peer.send(TEXT, b"x")
            await soon(lambda: Handler.last.ws_connection and Handler.last.ws_connection._task)  # type: ignore[attr-defined]
            task: asyncio.Task[None] = Handler.last.ws_connection._task  # type: ignore[union-attr]
            assert [entry.f_code.co_name for entry in task.get_stack()] == ["on_message"]
            assert "Handler.on_message" in repr(task)
            free.set()
            await soon(task.done)

    async def test_variables_of_a_message_are_not_the_next_ones(self) -> None:
        variable = contextvars.ContextVar("variable", default="untouched")

        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                self.noted.append(variable.get())
                variable.set("touched")
                await asyncio.sleep(0)

        async with site(Handler) as here:
            peer = await here.raw()
            peer.writer.write(frame(TEXT, b"x", True) * 3)
            await soon(lambda: len(Handler.last.noted) == 4)
            assert Handler.last.noted[1:] == ["untouched"] * 3

    @pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12 brought eager tasks")
    async def test_eager_tasks(self, logs: Any, pytestconfig: pytest.Config) -> None:
        takes = inspect.signature(asyncio.eager_task_factory).parameters  # type: ignore[attr-defined]
        if pytestconfig.getoption("--loop") == "uvloop" and sys.version_info >= (3, 13) and "eager_start" not in takes:
            pytest.skip("uvloop passes an argument which the factory of 3.13.0 does not take")

        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                self.noted.append(message)
                if message == "wait":
                    await asyncio.sleep(0)
                if message == "fail":
                    raise ValueError

        async with site(Handler) as here:
            peer = await here.raw()
            await soon(lambda: Handler.last.ws_connection)
            loop = asyncio.get_running_loop()
            loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
            try:
                peer.writer.write(b"".join(frame(TEXT, word, True) for word in (b"a", b"wait", b"b", b"fail", b"c")))
                assert await peer.end() == b""
            finally:
                loop.set_task_factory(None)
            await soon(lambda: Handler.last.noted[-1] == ("closed", None, None))
            assert Handler.last.noted[1:-1] == ["a", "wait", "b", "fail"]
            logs.take("tornado.application", "Uncaught exception")


VARIABLE: contextvars.ContextVar[Any] = contextvars.ContextVar("VARIABLE", default=None)


class Traced(Recorder):
    """Notes the variable and the task that each of its methods sees, and resets the variable at the end."""

    seen: list[tuple[str, Any]]
    tasks: "list[asyncio.Task[Any] | None]"

    def note(self, name: str) -> None:
        self.seen.append((name, VARIABLE.get()))
        self.tasks.append(asyncio.current_task())

    def prepare(self) -> None:
        self.seen, self.tasks = [], []
        self.token = VARIABLE.set("prepared")
        self.note("prepare")

    def open(self, *args: str, **kwargs: str) -> Awaitable[None] | None:
        self.note("open")
        return None

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        self.note("message")
        VARIABLE.set(f"after {message!r}")
        return None

    def on_ping(self, data: bytes) -> Awaitable[None] | None:
        self.note("ping")
        return None

    def on_pong(self, data: bytes) -> Awaitable[None] | None:
        self.note("pong")
        return None

    def on_close(self) -> Awaitable[None] | None:
        self.note("close")
        VARIABLE.reset(self.token)
        self.note("end")
        return None


class TracedCoroutines(Traced):
    async def prepare(self) -> None:  # type: ignore[override]  # as in Tornado
        await asyncio.sleep(0)
        super().prepare()

    async def open(self, *args: str, **kwargs: str) -> None:
        await asyncio.sleep(0)
        super().open()

    async def on_close(self) -> None:
        await asyncio.sleep(0)
        super().on_close()


class WrappedExecute(Traced):
    async def _execute(self, *args: Any, **kwargs: Any) -> None:
        """As instrumentations do."""
        await super()._execute(*args, **kwargs)


class TestContexts:
    """All methods run in the Context object in which `prepare` ran, and the handler's task is the current one."""

    EXPECTED = (
        *(("prepare", "prepared"), ("open", "prepared"), ("message", "prepared"), ("message", "after 'a'"), ("ping", "after 'b'")),
        *(("pong", "after 'b'"), ("close", "after 'b'"), ("end", None)),
    )

    async def drive(self, handler: type[Traced], secure: bool = False) -> Traced:
        async with site(handler, ssl_options=CERTIFICATE if secure else None) as here:
            request = HTTPRequest(here.url().replace("ws:", "wss:") if secure else here.url(), validate_cert=False)
            client = await websocket_connect(request)
            client.write_message("a")
            await soon(lambda: len(handler.last.seen) > 2)
            client.write_message("b")
            client.ping()
            protocol: Any = client.protocol
            protocol._send_pong(b"unasked")
            await soon(lambda: len(handler.last.seen) > 5)
            await ended(client)
            await soon(lambda: handler.last.seen[-1][0] == "end")
        return handler.last  # type: ignore[return-value]

    @pytest.mark.parametrize("handler", [Traced, TracedCoroutines, WrappedExecute])
    @pytest.mark.parametrize("secure", [False, True])
    async def test_a_variable_of_prepare_lasts_until_it_is_reset(self, handler: type[Traced], secure: bool) -> None:
        done = await self.drive(handler, secure)
        assert tuple(done.seen) == self.EXPECTED
        assert len(set(done.tasks)) == 1
        assert isinstance(done.tasks[0], asyncio.Task)
        assert VARIABLE.get() is None

    async def test_connections_do_not_see_each_other(self) -> None:
        first, second = await asyncio.gather(self.drive(type("A", (Traced,), {})), self.drive(type("B", (Traced,), {})))
        assert first.seen == second.seen
        assert first.tasks[0] is not second.tasks[0]

    async def test_the_client_that_leaves_without_a_word(self) -> None:
        class Handler(Traced):
            pass

        async with site(Handler) as here:
            peer = await here.raw()
            await soon(lambda: Handler.last.seen[-1:] == [("open", "prepared")])  # type: ignore[attr-defined]
            peer.writer.transport.abort()
            await soon(lambda: Handler.last.seen[-1][0] == "end")  # type: ignore[attr-defined]
            assert len(set(Handler.last.tasks)) == 1  # type: ignore[attr-defined]

    async def test_a_loop_within_the_loop(self) -> None:
        """A plain method that runs the loop until something else has happened, as nest_asyncio allows: messages wait, none is lost."""

        class Handler(Traced):
            def on_message(self, message: str | bytes) -> None:
                self.noted.append(message)
                standby = self.ws_connection._standby  # type: ignore[union-attr]
                if message == "outer":
                    assert not standby.run(self.noted.append, "never")
                    standby.data_received(frame(TEXT, b"inner", True))  # type: ignore[union-attr]
                    self.noted.append("outer ends")

        async with site(Handler) as here:
            peer = await here.raw()
            peer.send(TEXT, b"outer")
            await soon(lambda: Handler.last.noted[-1:] == ["inner"])
            assert Handler.last.noted == ["outer", "outer ends", "inner"]
            # Data that another task's loop brings: the handler's own task is current for that time.
            standby: Any = Handler.last.ws_connection._standby  # type: ignore[union-attr]
            seen: list[Any] = []
            assert standby.run(lambda _: seen.append(asyncio.current_task()), None)
            assert seen == [standby._task]
            assert asyncio.current_task() is not standby._task

    async def test_code_behind_get_runs_at_the_end(self) -> None:
        class Handler(Recorder):
            async def get(self, *args: Any, **kwargs: Any) -> None:
                await super().get(*args, **kwargs)
                self.noted.append("behind")

        async with site(Handler) as here:
            client = await websocket_connect(here.url())
            client.write_message("x")
            await soon(lambda: Handler.last.noted == ["open", "x"])
            await ended(client)
            await soon(lambda: Handler.last.noted == ["open", "x", ("closed", None, None), "behind"])

    @pytest.mark.parametrize("how", ["task", "timeout"])
    async def test_a_cancelled_handler_drops_the_connection(self, how: str) -> None:
        class Handler(Recorder):
            async def get(self, *args: Any, **kwargs: Any) -> None:
                self.task = asyncio.current_task()
                if how == "task":
                    await super().get(*args, **kwargs)
                else:
                    async with asyncio.timeout(0.05):
                        await super().get(*args, **kwargs)
                self.noted.append("behind")

        async with site(Handler) as here:
            peer = await here.raw()
            await soon(lambda: Handler.last.noted)
            if how == "task":
                Handler.last.task.cancel()  # type: ignore[attr-defined]
            assert await peer.end() == b""
            await soon(lambda: Handler.last.noted == ["open", ("closed", None, None), "behind"])

    async def test_the_client_has_one_task_too(self) -> None:
        seen: list[Any] = []

        def callback(message: str | bytes | None) -> None:
            seen.append((message, asyncio.current_task()))

        async with site(Echo) as here:
            client = await websocket_connect(here.url(), on_message_callback=callback)
            for n in range(2):
                client.write_message(str(n))
                await soon(lambda: len(seen) == n + 1)  # noqa: B023 - it is called within this round
            client.close()
            await soon(lambda: len(seen) == 3)
        assert [message for message, _ in seen] == ["0", "1", None]
        assert len({task for _, task in seen}) == 1
        assert isinstance(seen[0][1], asyncio.Task)


class TestNothingIsCollected:
    """Whoever waits for what only it itself holds is not garbage."""

    @pytest.mark.parametrize("where", ["prepare", "open", "on_message", "on_ping", "on_pong", "on_close"])
    async def test_coroutines(self, where: str) -> None:
        waiting: weakref.WeakSet[asyncio.Future[None]] = weakref.WeakSet()
        done: list[str] = []

        async def wait(self: Any, *_: Any) -> None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting.add(future)
            await future
            done.append(where)

        handler = type("Waits", (WebSocketHandler,), {"on_message": lambda self, message: None, where: wait})
        async with site(handler) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            fields = (
                f"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            writer.write(b"GET / HTTP/1.1\r\n" + fields.encode())
            first = {"on_message": TEXT, "on_ping": PING, "on_pong": PONG, "on_close": CLOSE}.get(where)
            if first is not None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(frame(first, b"", True))
            await soon(lambda: waiting)
            for _ in range(3):
                gc.collect()
                await asyncio.sleep(0)
            assert len(waiting) == 1
            waiting.pop().set_result(None)
            await soon(lambda: done)
            writer.transport.abort()

    async def test_a_future_of_on_message(self) -> None:
        waiting: weakref.WeakSet[asyncio.Future[None]] = weakref.WeakSet()

        class Handler(Recorder):
            def on_message(self, message: str | bytes) -> Awaitable[None]:
                super().on_message(message)
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self.keep = future  # nobody else does
                waiting.add(future)
                return future

        async with site(Handler) as here:
            peer = await here.raw()
            Handler.last = Mock()
            for _ in range(100):
                peer.send(TEXT, b"x")  # so many that reading pauses
            await soon(lambda: waiting)
            for _ in range(3):
                gc.collect()
                await asyncio.sleep(0.01)
            assert len(waiting) == 1


class TestEndings:
    """``on_close`` comes once, after ``open`` or instead of it."""

    async def test_the_subprotocol_at_any_time(self) -> None:
        class Handler(Recorder):
            def prepare(self) -> None:
                self.noted.append(self.selected_subprotocol)

            def select_subprotocol(self, subprotocols: list[str]) -> str | None:
                return subprotocols[0]

            def on_message(self, message: str | bytes) -> None:
                self.close()
                self.noted.append(self.selected_subprotocol)

            def on_close(self) -> None:
                self.noted.append(self.selected_subprotocol)

        async with site(Handler) as here:
            client = await websocket_connect(here.url(), subprotocols=["a", "b"])
            client.write_message("x")
            assert await client.read_message() is None
            await soon(lambda: Handler.last.noted == [None, "open", "a", "a"])
            client.close()
            assert client.selected_subprotocol is None

    @pytest.mark.parametrize(
        ("name", "first", "payload"), [("close", CLOSE, b"\x03\xe8"), ("violation", 0x83, b""), ("error", TEXT, b"fail")]
    )
    async def test_no_turn_between_the_end_and_on_close(self, name: str, first: int, payload: bytes, logs: Any) -> None:
        """Bokeh's keep-alive pings every connection: where one failed before ``on_close``, that found its session gone."""

        class Handler(Recorder):
            def on_message(self, message: str | bytes) -> None:
                raise ValueError(message)

        heard: list[bool] = []

        def look() -> None:
            handler = Handler.last
            told = ("closed", handler.close_code, handler.close_reason) in handler.noted
            try:
                handler.ping(b"")
            except WebSocketClosedError:
                heard.append(told)
            if not told:
                asyncio.get_running_loop().call_soon(look)

        async with site(Handler) as here:
            peer = await here.raw()
            await soon(lambda: Handler.last.noted)
            look()
            peer.send(first, payload)
            await soon(lambda: heard)
            assert heard == [True]
            assert [type(one) for one in Handler.last.noted].count(tuple) == 1
        if name == "error":
            logs.take("tornado.application", "Uncaught exception")

    async def test_an_end_of_input_while_a_message_is_handled_shows_at_once(self) -> None:
        """It is no closing handshake, and looks like a client that is gone."""
        noticed = asyncio.Event()

        class Handler(Recorder):
            async def on_message(self, message: str | bytes) -> None:
                self.noted.append(message)
                await noticed.wait()
                with pytest.raises(WebSocketClosedError):
                    self.write_message("for nobody")

        async with site(Handler) as here:
            peer = await here.raw()
            peer.send(TEXT, b"x")
            await soon(lambda: "x" in Handler.last.noted)
            connection = Handler.last.ws_connection
            assert connection is not None
            peer.writer.write_eof()
            await soon(connection.is_closing)
            noticed.set()
            await soon(lambda: Handler.last.noted == ["open", "x", ("closed", None, None)])

    async def test_a_server_without_keep_alive(self) -> None:
        async with site(Echo) as here:
            here.server.conn_params.no_keep_alive = True
            client = await websocket_connect(here.url())
            for message in ("one", "two"):
                await client.write_message(message)
                assert await client.read_message() == message
            await ended(client)

    @pytest.mark.parametrize("later", [False, True])
    async def test_open_that_fails(self, later: bool, logs: Any) -> None:
        class Handler(Recorder):
            def open(self, *args: str, **kwargs: str) -> Awaitable[None] | None:
                super().open()
                if later:
                    return self.fail()
                raise ValueError("not today")

            async def fail(self) -> None:
                await asyncio.sleep(0)
                raise ValueError("not today")

        async with site(Handler) as here:
            peer = await here.raw()
            assert await peer.end() == b""
            await soon(lambda: len(Handler.last.noted) > 1)
            assert Handler.last.noted == ["open", ("closed", None, None)]
            logs.take("tornado.application", "Uncaught exception GET /")

    async def test_the_client_leaves_while_prepare_waits(self) -> None:
        class Handler(Recorder):
            async def prepare(self) -> None:  # type: ignore[override]  # as in Tornado
                self.token = VARIABLE.set("prepared")
                self.noted.append("prepare")
                await free.wait()
                self.noted.append("prepared")

            async def on_close(self) -> None:  # type: ignore[override]
                await asyncio.sleep(0)
                self.noted.append("closed")

        free = asyncio.Event()
        async with site(Handler) as here:
            Handler.last = Mock(noted=[])
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(here.raw(), 0.05)
            await soon(lambda: Handler.last.noted == ["prepare"])
            here.abort_all()
            await soon(lambda: Handler.last.noted == ["prepare", "closed"])
            free.set()
            await soon(lambda: not web._running)
            assert Handler.last.noted == ["prepare", "closed", "prepared"]

    async def test_the_client_leaves_while_open_waits(self) -> None:
        class Handler(Recorder):
            async def open(self, *args: str, **kwargs: str) -> None:
                self.noted.append("open")
                await free.wait()
                self.noted.append("opened")

        free = asyncio.Event()
        async with site(Handler) as here:
            peer = await here.raw()
            peer.writer.transport.abort()
            await asyncio.sleep(0.01)
            assert Handler.last.noted == ["open"]
            free.set()
            await soon(lambda: Handler.last.noted == ["open", "opened", ("closed", None, None)])

    async def test_coroutines_at_the_end_and_between(self, logs: Any) -> None:
        class Handler(Recorder):
            async def on_ping(self, data: bytes) -> None:  # type: ignore[override]
                await asyncio.sleep(0.001)
                self.noted.append("ping")

            async def on_pong(self, data: bytes) -> None:  # type: ignore[override]
                await asyncio.sleep(0.001)
                self.noted.append("pong")

            async def on_close(self) -> None:  # type: ignore[override]
                await asyncio.sleep(0.001)
                self.noted.append("closed")
                raise ValueError("too late")

        async with site(Handler) as here:
            peer = await here.raw()
            peer.send(PING)
            peer.send(PONG)
            peer.send(TEXT, b"x")
            await soon(lambda: len(Handler.last.noted) == 4)
            peer.send(CLOSE)
            await peer.end()
            await soon(lambda: Handler.last.noted == ["open", "ping", "pong", "x", "closed"])
            await soon(lambda: logs.records)
            logs.take("tornado.application", "Uncaught exception GET /")

    @pytest.mark.parametrize("hook", ["on_ping", "on_pong"])
    async def test_coroutines_that_fail(self, hook: str, logs: Any) -> None:
        async def fail(self: Any, data: bytes) -> None:
            await asyncio.sleep(0)
            raise ValueError(hook)

        handler = type("Fails", (Recorder,), {hook: fail})
        async with site(handler) as here:
            peer = await here.raw()
            peer.send({"on_ping": PING, "on_pong": PONG}[hook])
            await peer.end()
            logs.take("tornado.application", "Uncaught exception GET /")

    @pytest.mark.parametrize("method", ["open", "on_message"])
    async def test_the_client_leaves_while_something_is_sent_to_it(self, method: str, logs: Any) -> None:
        class Handler(Recorder):
            async def open(self, *args: str, **kwargs: str) -> None:
                if method == "open":
                    await self.send()

            async def on_message(self, message: str | bytes) -> None:
                await self.send()

            async def send(self) -> None:
                self.noted.append("sending")
                while True:
                    await self.write_message(b"x" * 1_000_000, binary=True)

        async with site(Handler) as here:
            peer = await here.raw()
            if method == "on_message":
                peer.send(TEXT, b"go")
            await soon(lambda: Handler.last.noted == ["sending"])
            await asyncio.sleep(0.01)
            peer.writer.transport.abort()
            await soon(lambda: Handler.last.noted[-1] == ("closed", None, None))
            logs.take("tornado.general", "The client has left while something was sent to it: GET /", logging.INFO)

    async def test_sending_after_the_own_close_is_an_error(self, logs: Any) -> None:
        class Handler(Recorder):
            def on_message(self, message: str | bytes) -> None:
                self.close()
                self.write_message("late")

        async with site(Handler) as here:
            peer = await here.raw()
            peer.send(TEXT, b"go")
            await peer.end()
            await soon(lambda: Handler.last.noted[-1] == ("closed", None, None))
            logs.take("tornado.application", "Uncaught exception GET /", logging.ERROR)

    async def test_a_log_function_that_fails(self, logs: Any) -> None:
        def fail(handler: web.RequestHandler) -> None:
            raise ValueError("no log today")

        async with site(Recorder, log_function=fail) as here:
            peer = await here.raw()
            assert " 101 " in peer.head
            assert await peer.end() == b""
            await soon(lambda: Recorder.last.noted)
            assert Recorder.last.noted == [("closed", None, None)]
            logs.take("tornado.application", "Uncaught exception GET /")

    @pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt"])
    @pytest.mark.parametrize("where", ["open", "on_message", "on_pong", "on_close", "later"])
    async def test_a_program_may_end_anywhere(self, where: str, error: str, pytestconfig: pytest.Config) -> None:
        """``sys.exit(3)``: nothing is logged; an interrupt: one traceback, and no complaint about a task."""
        command = sys.executable, "-c", ENDING_PROGRAM, where, error, pytestconfig.getoption("--loop")
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, said = await asyncio.wait_for(process.communicate(), 20)
        if error == "SystemExit":
            assert (process.returncode, said) == (3, b"")
        else:
            assert process.returncode == -signal.SIGINT
            assert said.count(b"Traceback") == 1
            assert said.endswith(b"KeyboardInterrupt: 3\n")


ENDING_PROGRAM = """
import asyncio, socket, sys
from tornadolike import httpserver, ioloop, web, websocket

where, error, loop = sys.argv[1:]
error = getattr(__builtins__, error)
if loop == "uvloop":
    import uvloop
    uvloop.install()

def now(self, *_):
    raise error(3)

async def later(self, *_):
    await asyncio.sleep(0)
    raise error(3)

methods = {"on_message": later} if where == "later" else {"on_message": lambda self, message: None, where: now}
server = httpserver.HTTPServer(web.Application([("/", type("Ends", (websocket.WebSocketHandler,), methods))]))
server.listen(0, "127.0.0.1")
client = socket.create_connection(next(iter(server._sockets.values())).getsockname())
fields = "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
client.sendall("\\r\\n".join(("GET / HTTP/1.1", "Host: x", *fields, "", "")).encode())
client.sendall(b"\\x8a\\x80mask" + b"\\x81\\x80mask" + b"\\x88\\x80mask")
ioloop.IOLoop.current().start()
"""


class TestReports:
    """Logs and metrics of connections, for those who want them."""

    @pytest.mark.parametrize("wanted", [False, True])
    async def test_the_access_log(self, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        lines: list[str] = []
        for module in (web, websocket):
            monkeypatch.setattr(module, "access_log", Mock(info=lambda text, *values: lines.append(text % values)))
        monkeypatch.setattr(web.access_log, "log", lambda level, text, *values: lines.append(text % values))
        async with site(Echo, websocket_access_log=wanted) as here:
            client = await websocket_connect(here.url("/"))
            for n in range(3):
                client.write_message(str(n))
                assert await client.read_message() == str(n)
            Echo.last.write_message("once more")
            client.close(1000)
            await soon(lambda: not web._running)
        assert lines[0].startswith("101 GET / (127.0.0.1)")
        if wanted:
            assert lines[1] == "WebSocket opened GET / (127.0.0.1)"
            pattern = r"WebSocket closed GET / \(127.0.0.1\) code=1000 0\.\d{3}s, 3 messages in, 4 out"
            assert re.fullmatch(pattern, lines[2])
        assert len(lines) == (3 if wanted else 1)

    async def test_observers(self, monkeypatch: pytest.MonkeyPatch, logs: Any) -> None:
        seen: list[Any] = []

        def observe(event: str, handler: WebSocketHandler, protocol: WebSocketProtocol) -> None:
            seen.append((event, handler, list(handler.noted), protocol._messages_in))  # type: ignore[attr-defined]

        def fail(*_: Any) -> None:
            raise ValueError("no")

        monkeypatch.setattr(websocket, "_observers", [fail, observe])
        async with site(Recorder) as here:
            peer = await here.raw()
            peer.send(TEXT, b"x")
            peer.send(CLOSE)
            await peer.end()
            await soon(lambda: len(seen) == 2)
        last = Recorder.last
        assert seen == [("open", last, [], 0), ("close", last, ["open", "x", ("closed", None, None)], 1)]
        for _ in range(2):
            logs.take("tornado.application", "Uncaught exception in an observer")


class TestRefusals:
    """A request that does not become a WebSocket is answered, and one line in the access log, at INFO, says why."""

    @pytest.fixture
    def access(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        lines: list[str] = []
        monkeypatch.setattr(websocket, "access_log", Mock(info=lambda text, *values: lines.append(text % values)))
        return lines

    @pytest.mark.parametrize(
        ("version", "replaced", "status", "reason"),
        [
            ("1.0", {}, 400, "the request is HTTP/1.0; a proxy .*proxy_http_version 1.1"),
            ("1.1", {"Upgrade": None}, 400, "no Upgrade header came; a proxy .*proxy_set_header Upgrade"),
            ("1.1", {"Connection": "keep-alive"}, 400, "the Connection header is 'keep-alive'; a proxy"),
            ("1.1", {"Origin": "http://[bad"}, 403, r"Origin 'http://\[bad' not allowed"),
            ("1.1", {"Origin": "http://other\x01"}, 400, ""),
            ("1.1", {"Sec_WebSocket_Version": "8"}, 426, "version '8' is not 13"),
            ("1.1", {"Sec_WebSocket_Key": "x"}, 400, "Sec-WebSocket-Key"),
        ],
    )
    async def test_why(self, version: str, replaced: dict[str, str | None], status: int, reason: str, access: list[str], logs: Any) -> None:
        async with site(Recorder) as here:
            peer = await here.raw("/", http=version, **replaced)
            assert peer.head.startswith(f"HTTP/1.1 {status} ")
            if not reason:  # refused by HTTP itself
                logs.take("tornado.general", "Malformed HTTP")
                return
            logs.take("tornado.access", str(status))
            (line,) = access
            assert re.match(f"WebSocket refused with {status}: GET / .*{reason}", line)

    async def test_an_origin_that_the_application_cannot_parse(self, logs: Any) -> None:
        class Handler(Recorder):
            def check_origin(self, origin: str) -> bool:
                return urllib.parse.urlsplit(origin).netloc.endswith(".example")

        class Broken(Recorder):
            def check_origin(self, origin: str) -> bool:
                raise ValueError("a fault of its own")

        async with site({"/": Handler, "/broken": Broken}) as here:
            assert " 403 " in (await here.raw(Origin="http://[bad")).head
            logs.take("tornado.access", "403")
            assert " 101 " in (await here.raw(Origin="http://www.example")).head
            assert " 500 " in (await here.raw("/broken", Origin="http://www.example")).head
            logs.take("tornado.access", "500")
            logs.take("tornado.application", "Uncaught exception GET /broken")

    async def test_choosing_no_subprotocol_is_said_once(self, logs: Any) -> None:
        class Handler(Recorder):
            pass

        async with site(Handler) as here:
            for _ in range(3):
                await here.raw(Sec_WebSocket_Protocol="a, b")
            await here.raw()
            logs.take("tornado.general", "Handler.select_subprotocol has chosen none of the subprotocols", logging.INFO)

    async def test_choosing_what_nobody_offered(self, logs: Any) -> None:
        class Handler(Recorder):
            def select_subprotocol(self, subprotocols: list[str]) -> str | None:
                return "c"

        async with site(Handler) as here:
            assert " 500 " in (await here.raw(Sec_WebSocket_Protocol="a, b")).head
            logs.take("tornado.access", "500")
            record = logs.take("tornado.application", "Uncaught exception GET /")
            assert "'c', which is none of ['a', 'b']" in str(record.exc_info[1])
            assert Handler.last.noted == []


class TestServersThatLeave:
    """What `websocket_connect` says when the other side is not what it seems."""

    async def connect(self, answer: bytes, reset: bool) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = httputil.HTTPHeaders.parse((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n", 1)[1])
            accept = WebSocketProtocol13.compute_accept_value(head["Sec-WebSocket-Key"])
            writer.write(answer.replace(b"ACCEPT", accept.encode()))
            await writer.drain()
            if reset:
                await asyncio.sleep(0.02)  # the answer is to be read before: a reset overtakes it
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            async with asyncio.timeout(5):
                return await websocket_connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    @pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 101 Switch", b"HTTP/1.1 100 Continue\r\n\r\n"])
    async def test_before_they_answer(self, answer: bytes) -> None:
        with pytest.raises(HTTPStreamClosedError) as left:
            await self.connect(answer, False)
        assert left.value.code == 599
        with pytest.raises(ConnectionResetError):
            await self.connect(answer, True)

    async def test_without_a_word_of_http(self, logs: Any) -> None:
        with pytest.raises(StreamClosedError):
            await self.connect(b"SSH-2.0-OpenSSH\r\n\r\n", False)
        logs.take("tornado.general", "Malformed HTTP message")

    @pytest.mark.parametrize("field", [b"Content-Length: 0", b"Transfer-Encoding: chunked"])
    async def test_an_upgrade_whose_head_speaks_of_a_body(self, field: bytes) -> None:
        head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ACCEPT\r\n"
        client = await self.connect(head + field + b"\r\n\r\n" + frame(TEXT, b"hello"), False)
        assert await client.read_message() == "hello"
        assert await client.read_message() is None
        client.close()

    async def test_after_the_end(self) -> None:
        class Handler(Recorder):
            def open(self, *args: str, **kwargs: str) -> None:
                self.close(1001)

        async with site(Handler) as here:
            client = await websocket_connect(here.url())
            waiting = [asyncio.ensure_future(client.read_message()) for _ in range(3)]
            assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [None] * 3
            for _ in range(3):
                assert await asyncio.wait_for(client.read_message(), 5) is None
            with pytest.raises(WebSocketClosedError):
                client.ping()
            with pytest.raises(WebSocketClosedError):
                client.write_message("late")
            client.close()


class TestCompression:
    @pytest.mark.parametrize(
        ("server", "client"), [({}, {}), ({"compression_level": 1, "mem_level": 1}, {"compression_level": 9}), (None, {}), ({}, None)]
    )
    async def test_messages(self, server: dict[str, Any] | None, client: dict[str, Any] | None) -> None:
        class Handler(Echo):
            def get_compression_options(self) -> dict[str, Any] | None:
                return server

        async with site(Handler) as here:
            connection = await websocket_connect(here.url(), compression_options=client)
            for message in ("a" * 5000, "", "a" * 5000):
                await connection.write_message(message)
                assert await connection.read_message() == message
            protocol: Any = connection.protocol
            compressed = server is not None and client is not None
            assert (protocol._wire_bytes_in < 500) is (protocol._wire_bytes_out < 500) is compressed
            await ended(connection)

    async def test_without_takeover_and_with_a_bomb(self) -> None:
        class Handler(Echo):
            def get_compression_options(self) -> dict[str, Any]:
                return {}

        async with site(Handler, websocket_max_message_size=1000) as here:
            offer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            peer = await here.raw("/", offer)
            assert "permessage-deflate; client_no_context_takeover; server_no_context_takeover" in peer.head
            deflater = websocket._PerMessageDeflateCompressor(persistent=False, max_wbits=None)
            for _ in range(2):
                peer.send(0xC1, deflater.compress(b"hello hello hello"))
                assert await peer.receive() == (0xC1, deflater.compress(b"hello hello hello"))
            peer.send(0xC1, deflater.compress(bytes(100_000)))
            assert await peer.receive() == (CLOSE, struct.pack(">H", 1009) + b"message too big after decompression")

    def test_private_names(self) -> None:
        inflater = websocket._PerMessageDeflateDecompressor(persistent=True, max_wbits=15, max_message_size=10)
        deflater = websocket._PerMessageDeflateCompressor(True, None, {"compression_level": 1})
        assert inflater.decompress(deflater.compress(b"1234567890")) == b"1234567890"
        with pytest.raises(websocket._DecompressTooLargeError):
            inflater.decompress(deflater.compress(b"12345678901"))
        assert websocket._default_max_message_size == 10 << 20


class TestSlowPeers:
    async def test_close(self) -> None:
        async with site(Recorder, websocket_max_queued_bytes=100_000) as here:
            peer = await here.raw()
            await soon(lambda: Recorder.last.noted)
            handler, sent = Recorder.last, 0
            with pytest.raises(WebSocketClosedError):
                for _ in range(1000):
                    handler.write_message(bytes(50_000), binary=True)
                    sent += 1
            for _ in range(sent):
                assert (await peer.receive())[0] == BINARY
            assert await peer.receive() == (CLOSE, struct.pack(">H", 1013) + b"too slow")

    async def test_drop(self) -> None:
        async with site(Recorder, websocket_max_queued_bytes=100_000, websocket_overflow="drop") as here:
            peer = await here.raw()
            await soon(lambda: Recorder.last.noted)
            handler = Recorder.last
            for _ in range(1000):
                written = handler.write_message(bytes(50_000), binary=True)
            assert written.done()
            stream = handler.ws_connection.stream  # type: ignore[union-attr]  # it is open
            assert stream is not None
            assert stream._unwritten() < 200_000
            received = 0
            while stream._unwritten():
                received += len((await peer.receive())[1])
            handler.write_message("again")
            while (message := await peer.receive()) != (TEXT, b"again"):
                received += len(message[1])
            assert received < 50_000_000

    async def test_there_are_two_policies(self, logs: Any) -> None:
        async with site(Recorder, websocket_max_queued_bytes=100_000, websocket_overflow="wait") as here:
            assert (await here.raw()).head.startswith("HTTP/1.1 500 ")
            record = logs.take("tornado.application", "Uncaught exception GET /")
            assert str(record.exc_info[1]) == 'the setting websocket_overflow is \'wait\', neither "close" nor "drop"'
            logs.take("tornado.access", "500 GET /")


class TestClient:
    async def test_callbacks(self) -> None:
        received: list[Any] = []
        async with site(Echo) as here:
            client = await websocket_connect(here.url(), on_message_callback=received.append)
            for n in range(5):
                client.write_message(str(n))
            await soon(lambda: len(received) == 5)
            client.close()
            await soon(lambda: received == ["0", "1", "2", "3", "4", None])

    async def test_a_failing_callback(self, logs: Any) -> None:
        def callback(message: str | bytes | None) -> None:
            if message is not None:
                raise ValueError(message)

        async with site(Echo) as here:
            client = await websocket_connect(here.url(), on_message_callback=callback)
            client.write_message("x")
            await soon(lambda: Echo.last.noted[-1] == ("closed", None, None))
            logs.take("tornado.application", "Uncaught exception x")
            client.close()

    async def test_coffea_casa_118_a_callback_that_passes_messages_on_to_who_has_left(self, logs: Any) -> None:
        """As that of jupyter-server-proxy."""

        def callback(message: str | bytes | None) -> None:
            if message is not None:
                raise WebSocketClosedError

        async with site(Echo) as here:
            client = await websocket_connect(here.url(), on_message_callback=callback)
            client.write_message("x")
            await soon(lambda: Echo.last.noted[-1] == ("closed", None, None))
            logs.take("tornado.general", "could not be passed on", logging.INFO)
            client.close()

    @pytest.mark.parametrize("when", ["at once", "connected", "upgraded"])
    async def test_cancelling_ends_the_connection(self, when: str) -> None:
        """As tornado#3289 wishes for a fetch."""
        came, left = asyncio.Event(), asyncio.Event()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                key = re.search(rb"(?i)sec-websocket-key: (.*)\r\n", head)
                assert key is not None
                if when == "upgraded":
                    digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
                    fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + base64.b64encode(digest)
                    writer.write(b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n\r\n")
                came.set()
                await reader.read()
            left.set()
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        connecting = websocket_connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        assert isinstance(connecting, asyncio.Future)
        if when == "upgraded":  # cancelled in the turn in which the answer is there
            made, connection_made = [], WebSocketClientConnection.get_websocket_protocol

            def cancelling(client: Any) -> Any:
                connecting.cancel()
                made.append(client)
                return connection_made(client)

            with patch.object(WebSocketClientConnection, "get_websocket_protocol", cancelling):
                await asyncio.wait_for(came.wait(), 10)
                await asyncio.wait_for(left.wait(), 10)
            assert made
        elif when == "connected":
            await asyncio.wait_for(came.wait(), 10)
            connecting.cancel()
            await asyncio.wait_for(left.wait(), 10)
        else:
            connecting.cancel()
            await asyncio.sleep(0.05)
            assert not came.is_set()
        assert connecting.cancelled()
        server.close()

    @pytest.mark.parametrize(("subprotocols", "field"), [(None, None), ([], None), (["a", "b"], "a,b")])
    async def test_jupyter_server_proxy_458_no_subprotocols_are_no_field(self, subprotocols: Any, field: str | None, logs: Any) -> None:
        async with site(Echo) as here:
            client = await websocket_connect(here.url(), subprotocols=subprotocols)
            assert Echo.last.request.headers.get("Sec-WebSocket-Protocol") == field
            client.close()
        logs.records.clear()

    async def test_unread_messages_stop_the_server(self) -> None:
        async with site(Echo) as here:
            client = await websocket_connect(here.url())
            for n in range(10):
                client.write_message(str(n))
            await soon(lambda: len(Echo.last.noted) == 11)
            await soon(client.read_queue.full)
            protocol: Any = client.protocol
            await soon(lambda: protocol._held is not None)
            assert [await client.read_message() for _ in range(10)] == [str(n) for n in range(10)]
            await ended(client)

    async def test_requests_and_deprecated_callbacks(self) -> None:
        class Handler(Recorder):
            def open(self, *args: str, **kwargs: str) -> None:
                self.write_message(self.request.headers["X-Own"])

        async with site(Handler) as here:
            headers = {"X-Own": "yes"}
            request = HTTPRequest(here.url(), headers=headers)
            done: list[Any] = []
            with pytest.warns(DeprecationWarning, match="callback"):
                future = websocket_connect(request, callback=done.append)
            client = await future
            await soon(lambda: done == [future])
            heard: list[Any] = []
            message = client.read_message(heard.append)
            assert await message == "yes"
            await soon(lambda: heard)
            assert headers == {"X-Own": "yes"}
            await ended(client)

    async def test_limits(self) -> None:
        async with site(Echo) as here:
            client = await websocket_connect(here.url(), max_message_size=100)
            client.write_message("x" * 101)
            assert await client.read_message() is None
            await soon(lambda: Echo.last.noted[-1] == ("closed", 1009, "message too big"))
            client.close()

    async def test_failures_before_the_upgrade(self) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        sock.close()
        with pytest.raises(OSError, match="refused"):
            await websocket_connect(f"ws://127.0.0.1:{port}/")
        with pytest.raises(KeyError):
            await websocket_connect(f"http://127.0.0.1:{port}/")

    @pytest.mark.parametrize(
        "fields",
        [
            "Sec-WebSocket-Accept: wrong\r\n",
            "",
            "Upgrade: h2c\r\nSec-WebSocket-Accept: ACCEPT\r\n",
            "Sec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Extensions: x\r\n",
            "Sec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Protocol: nobody-offered\r\n",
        ],
    )
    async def test_answers_that_are_no_upgrade(self, fields: str) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = httputil.HTTPHeaders.parse((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n", 1)[1])
            accept = WebSocketProtocol13.compute_accept_value(head["Sec-WebSocket-Key"])
            assert len(base64.b64decode(head["Sec-WebSocket-Key"])) == 16
            start = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n" + ("" if "Upgrade" in fields else "Upgrade: websocket\r\n")
            writer.write((start + fields.replace("ACCEPT", accept) + "\r\n").encode())
            await reader.read()
            writer.close()
            answered.set()

        answered = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            with pytest.raises(StreamClosedError) as failed:
                await websocket_connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", subprotocols=["offered"])
            assert isinstance(failed.value.real_error, ValueError)
            await asyncio.wait_for(answered.wait(), 5)

    async def test_a_forgotten_connection_warns(self) -> None:
        async with site(Recorder) as here:
            client = await websocket_connect(here.url())
            with pytest.warns(ResourceWarning, match="Unclosed WebSocketClientConnection"):
                client.__del__()
            await ended(client)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                client.__del__()


class TestTLS:
    async def test_both_sides(self) -> None:
        server = HTTPServer(web.Application([("/", Echo)]), ssl_options=CERTIFICATE)
        server.listen(0, "127.0.0.1")
        (sock,) = server._sockets.values()
        client = await websocket_connect(HTTPRequest(f"wss://127.0.0.1:{sock.getsockname()[1]}/", validate_cert=False))
        for message in ("hello", "x" * 300_000):
            await client.write_message(message)
            assert await client.read_message() == message
        await ended(client)
        await soon(lambda: Echo.last.noted[-1] == ("closed", None, None))
        server.stop()


class MemoryProtocol(WebSocketProtocol):
    """A carrier without a stream: lists."""

    def __init__(self, handler: WebSocketHandler) -> None:
        super().__init__(handler)
        self.sent: list[Any] = []

    async def accept_connection(self, handler: WebSocketHandler) -> None:
        handler.finish()
        handler.open()

    def _answer(self, handler: WebSocketHandler, agreement: Any) -> None: ...

    def write_message(self, message: Any, binary: bool = False) -> "asyncio.Future[None]":
        self.sent.append(message)
        future: asyncio.Future[None] = asyncio.Future()
        future.set_result(None)
        return future

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.server_terminated = True

    def is_closing(self) -> bool:
        return self.server_terminated

    selected_subprotocol = "memory"

    def write_ping(self, data: bytes) -> None:
        self.sent.append(("ping", data))

    def start_pinging(self) -> None: ...
    def set_nodelay(self, x: bool) -> None: ...


class TestPort:
    async def test_a_handler_needs_no_stream(self) -> None:
        carriers: list[MemoryProtocol] = []

        class Handler(Echo):
            def get_websocket_protocol(self) -> WebSocketProtocol:
                carriers.append(MemoryProtocol(self))
                return carriers[0]

        async with site(Handler) as here:
            await here.raw()
        (carrier,) = carriers
        handler = Handler.last
        handler.on_message("hello")
        handler.ping(b"p")
        assert handler.selected_subprotocol == "memory"
        assert carrier.sent == ["hello", ("ping", b"p")]
        carrier.handler.on_ws_connection_close(1001, "away")
        assert carrier.is_closing()
        assert handler.noted == ["open", "hello", ("closed", 1001, "away")]
        with pytest.raises(WebSocketClosedError):
            handler.write_message("late")

    def test_it_is_abstract(self) -> None:
        with pytest.raises(TypeError, match="abstract"):
            WebSocketProtocol(None)  # type: ignore[abstract,arg-type]  # that is the point
        assert inspect.isabstract(WebSocketProtocol)
