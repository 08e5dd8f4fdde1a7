"""WebSocket: handshakes, frames byte for byte, close codes, what handler and client are told."""

# ruff: noqa: E501, PLW0108 - rows of tables; names are looked up when the call is made

import asyncio
import struct
from typing import Any

from tornado import web, websocket

from compat_suite.differential.applications import application
from compat_suite.differential.conversation import Peer, quiet_loop, serve
from compat_suite.differential.recording import Logs
from compat_suite.differential.scenario import add, raised

_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_MASK = b"\x01\x02\x03\x04"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0, length: int | None = None
) -> bytes:
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    head += (
        bytes([bit | size])
        if size < 126
        else bytes([bit | 126]) + struct.pack("!H", size)
        if size < 65536
        else bytes([bit | 127]) + struct.pack("!Q", size)
    )
    if not masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[place % 4] for place, byte in enumerate(payload))


def hello(*headers: bytes, drop: bytes = b"", first: bytes = b"GET /ws HTTP/1.1") -> bytes:
    lines = [b"Host: h", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: " + _KEY, b"Sec-WebSocket-Version: 13"]
    lines = [line for line in lines if not (drop and line.startswith(drop))]
    return b"\r\n".join([first, *lines, *headers, b"", b""])


def _handler(notes: list[Any], members: dict[str, Any]) -> type[websocket.WebSocketHandler]:
    async def on_message(self: Any, message: Any) -> None:
        notes.append(["message", repr(message)[:60], len(message)])
        if message == "close":
            self.close(4001, "asked")
        elif message == "close plain":
            self.close()
        elif message == "fail":
            raise ValueError("in on_message")
        elif message == "ping":
            self.ping(b"p")
        elif message == "abort":
            self.ws_connection._abort()
        else:
            await self.write_message(message, binary=isinstance(message, bytes))

    basic = {
        "on_message": on_message,
        "open": lambda self, *path: notes.append("open"),
        "on_close": lambda self: notes.append(["close", self.close_code, self.close_reason]),
        "on_ping": lambda self, data: notes.append(["ping", data]),
        "on_pong": lambda self, data: notes.append(["pong", data]),
        "on_finish": lambda self: notes.append(f"finished {self.get_status()}"),
    }
    return type("Handler", (websocket.WebSocketHandler,), basic | members)


async def talk(pieces: tuple[bytes, ...], members: dict[str, Any], settings: dict[str, Any], *, eof: bool, idle: float) -> Any:
    notes: list[Any] = []
    with Logs() as logs:
        server, port = await serve(application((r"/ws", _handler(notes, members)), **settings))
        peer = await Peer.connect(port)
        for piece in pieces:
            await peer.send(piece)
            await peer.quiet()
        await peer.quiet(idle or 0.004)
        if peer.fate == "open" and b"".join(pieces[1:]).count(_MASK) > 1:
            await asyncio.sleep(0.06)  # Tornado has Nagle's algorithm on: the second of two small answers waits for 40 ms
            await peer.quiet()
        received, fate = bytes(peer.received), peer.fate
        if eof:
            await peer.close()
            await quiet_loop()
        seen = [list(notes), list(logs)]
        server.stop()
        await peer.close()
        await quiet_loop()
        await server.close_all_connections()
        head, _, frames = received.partition(b"\r\n\r\n")
        return [head.decode("latin-1").split("\r\n"), frames.hex(" "), fate, *seen]


def ws(
    name: str,
    *pieces: bytes,
    settings: dict[str, Any] | None = None,
    members: dict[str, Any] | None = None,
    eof: bool = False,
    idle: float = 0.0,
) -> None:
    add(f"websocket/{name}", lambda: talk(pieces, members or {}, settings or {}, eof=eof, idle=idle))


# Handshakes
for _header in (
    b"",
    b"Sec-WebSocket-Protocol: a, b",
    b"Sec-WebSocket-Extensions: permessage-deflate",
    b"Sec-WebSocket-Extensions: x",
    b"Origin: http://h",
    b"Origin: http://other",
    b"Origin: null",
    b"Origin: https://h",
    b"Sec-Websocket-Origin: http://h",
    b"Origin: http://h:80",
    b"Origin: ",
    b"Origin: HTTP://H",
    b"Cookie: a=b",
    b"Content-Length: 0",
    b"Content-Length: 3\r\n\r\nabc",
):
    ws(f"handshake with {_header!r}", hello(*([_header] if _header else [])))
    ws(
        f"handshake with {_header!r}, protocol chosen",
        hello(*([_header] if _header else [])),
        members={"select_subprotocol": lambda self, offered: offered[-1] if offered else None},
    )
for _drop in (b"Host", b"Upgrade", b"Connection", b"Sec-WebSocket-Key", b"Sec-WebSocket-Version"):
    ws(f"handshake without {_drop!r}", hello(drop=_drop))
for _drop, _other in ((b"Upgrade", b"Upgrade: h2c"), (b"Upgrade", b"Upgrade: WebSocket"), (b"Upgrade", b"Upgrade: websocket, x"), (b"Connection", b"Connection: keep-alive, Upgrade"), (b"Connection", b"Connection: upgrade"), (b"Connection", b"Connection: close"), (b"Connection", b"Connection: notupgrade"), (b"Sec-WebSocket-Version", b"Sec-WebSocket-Version: 7"), (b"Sec-WebSocket-Version", b"Sec-WebSocket-Version: 8"), (b"Sec-WebSocket-Version", b"Sec-WebSocket-Version: 12"), (b"Sec-WebSocket-Version", b"Sec-WebSocket-Version: 14"), (b"Sec-WebSocket-Version", b"Sec-WebSocket-Version: x"), (b"Sec-WebSocket-Key", b"Sec-WebSocket-Key: "), (b"Sec-WebSocket-Key", b"Sec-WebSocket-Key: x")):  # fmt: skip
    ws(f"handshake with {_other!r} instead", hello(_other, drop=_drop))
for _first in (b"GET /ws HTTP/1.0", b"POST /ws HTTP/1.1", b"HEAD /ws HTTP/1.1", b"GET /other HTTP/1.1", b"OPTIONS /ws HTTP/1.1"):
    ws(f"handshake {_first!r}", hello(first=_first))
for _offer in (b"permessage-deflate", b"permessage-deflate; client_max_window_bits", b"permessage-deflate; server_max_window_bits=10", b"permessage-deflate; server_no_context_takeover", b"permessage-deflate; client_no_context_takeover", b"permessage-deflate; nosuch", b"permessage-deflate; server_max_window_bits=99", b"permessage-deflate, x", b"x, permessage-deflate", b"permessage-deflate; client_max_window_bits=9"):  # fmt: skip
    ws(
        f"compression offer {_offer!r}",
        hello(b"Sec-WebSocket-Extensions: " + _offer),
        frame(1, b"hello hello hello"),
        members={"get_compression_options": lambda self: {}},
    )
ws(
    "compression with options",
    hello(b"Sec-WebSocket-Extensions: permessage-deflate"),
    frame(1, b"a" * 100),
    members={"get_compression_options": lambda self: {"compression_level": 9, "mem_level": 9}},
)
ws(
    "compressed message",
    hello(b"Sec-WebSocket-Extensions: permessage-deflate"),
    frame(1, bytes.fromhex("f248cdc9c90700"), reserved=4),
    members={"get_compression_options": lambda self: {}},
)
ws("compressed, but not negotiated", hello(), frame(1, bytes.fromhex("f248cdc9c90700"), reserved=4))
ws(
    "compressed garbage",
    hello(b"Sec-WebSocket-Extensions: permessage-deflate"),
    frame(1, b"\xff\xff\xff", reserved=4),
    members={"get_compression_options": lambda self: {}},
)
ws("prepare refuses", hello(), members={"prepare": lambda self: self.send_error(401)})
ws("prepare fails", hello(), members={"prepare": lambda self: 1 / 0})
ws("prepare finishes", hello(), members={"prepare": lambda self: self.finish("no")})
ws("open fails", hello(), frame(1, b"x"), members={"open": lambda self: 1 / 0})
ws("open closes", hello(), frame(1, b"x"), members={"open": lambda self: self.close(1000, "bye")})
ws("open writes", hello(), members={"open": lambda self: self.write_message("welcome")})
ws("check_origin of its own", hello(b"Origin: http://other"), members={"check_origin": lambda self, origin: True})
ws("check_origin fails", hello(b"Origin: http://other"), members={"check_origin": lambda self, origin: 1 / 0})
ws("set_header before", hello(), members={"prepare": lambda self: (self.set_header("X-A", "b"), self.set_cookie("c", "d"))})
ws("frame with the handshake", hello() + frame(1, b"early"))

# Frames
for _name, _frames in {
    "text": [frame(1, b"hello")], "binary": [frame(2, b"\x00\xff")], "empty": [frame(1)], "empty binary": [frame(2)], "125": [frame(1, b"a" * 125)], "126": [frame(1, b"a" * 126)], "65535": [frame(2, b"a" * 65535)], "65536": [frame(2, b"a" * 65536)], "two in one piece": [frame(1, b"a") + frame(1, b"b")], "utf-8": [frame(1, "\u20ac\u00e9".encode())],
    "bad utf-8": [frame(1, b"\xff")], "cut utf-8": [frame(1, b"\xe2\x82")], "unmasked": [frame(1, b"x", masked=False)], "fragments": [frame(1, b"he", fin=False), frame(0, b"l", fin=False), frame(0, b"lo")], "fragmented utf-8": [frame(1, b"\xe2\x82", fin=False), frame(0, b"\xac")], "ping": [frame(9, b"data")], "ping empty": [frame(9)], "pong": [frame(10, b"data")],
    "ping inside": [frame(1, b"he", fin=False), frame(9, b"p"), frame(0, b"y")], "continuation first": [frame(0, b"x")], "text inside text": [frame(1, b"a", fin=False), frame(1, b"b")], "fragmented ping": [frame(9, b"x", fin=False)], "long ping": [frame(9, b"x" * 126)], "reserved bits": [frame(1, b"x", reserved=1)], "reserved opcode": [frame(3, b"x")], "reserved control": [frame(11, b"x")],
    "close": [frame(8)], "close 1000": [frame(8, struct.pack("!H", 1000))], "close with reason": [frame(8, struct.pack("!H", 1000) + b"bye")], "close 1001": [frame(8, struct.pack("!H", 1001))], "close 4000": [frame(8, struct.pack("!H", 4000) + "gr\u00fc\u00df".encode())], "close 1005": [frame(8, struct.pack("!H", 1005))], "close 999": [frame(8, struct.pack("!H", 999))], "close 5000": [frame(8, struct.pack("!H", 5000))],
    "close one byte": [frame(8, b"x")], "close bad utf-8": [frame(8, struct.pack("!H", 1000) + b"\xff")], "close long": [frame(8, struct.pack("!H", 1000) + b"x" * 124)], "after close": [frame(8) + frame(1, b"late")], "close twice": [frame(8), frame(8)], "handler closes": [frame(1, b"close")], "handler closes, then the client": [frame(1, b"close"), frame(8, struct.pack("!H", 4001))],
    "handler closes plainly": [frame(1, b"close plain"), frame(8)], "handler fails": [frame(1, b"fail"), frame(1, b"after")], "handler pings": [frame(1, b"ping"), frame(10, b"p")], "handler aborts": [frame(1, b"abort")], "three pings": [frame(9, b"1") + frame(9, b"2") + frame(9, b"3")], "huge length": [frame(2, b"", length=2**40)], "too big": [frame(2, b"a" * 200)], "half a frame": [frame(1, b"hello")[:4]],
    "byte by byte": [bytes([byte]) for byte in frame(1, b"hello") + frame(9, b"x")], "message after handler's close": [frame(1, b"close"), frame(1, b"ignored"), frame(9, b"x")], "long form of a short length": [b"\x81\xfe\x00\x01" + _MASK + b"y"], "negative length": [b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + _MASK], "garbage": [b"\xff" * 20], "HTTP": [b"GET / HTTP/1.1\r\n\r\n"],
}.items():  # fmt: skip
    ws(f"frame {_name}", hello(), *_frames, settings={"websocket_max_message_size": 100} if _name == "too big" else {})
    if len(_frames) < 4 and _name not in ("65535", "65536"):
        ws(f"frame {_name}, then the client goes", hello(), *_frames, eof=True)
        ws(
            f"frame {_name}, compression on",
            hello(b"Sec-WebSocket-Extensions: permessage-deflate"),
            *_frames,
            members={"get_compression_options": lambda self: {}},
        )
ws("the client goes at once", hello(), eof=True)
ws("ping interval", hello(), settings={"websocket_ping_interval": 0.03}, idle=0.045)
ws("ping timeout", hello(), settings={"websocket_ping_interval": 0.03, "websocket_ping_timeout": 0.02}, idle=0.12)


# What a handler may do, and the client
async def _api() -> Any:
    notes: list[Any] = []

    def note(call: Any) -> None:
        try:
            notes.append(repr(call()))
        except Exception as error:
            notes.append(raised(error))

    class Handler(websocket.WebSocketHandler):
        def open(self) -> None:
            for call in (
                lambda: self.write("x"), lambda: self.finish("x"), lambda: self.redirect("/"), lambda: self.set_header("a", "b"), lambda: self.set_status(200), lambda: self.flush(), lambda: self.send_error(500), lambda: self.set_cookie("a", "b"), lambda: self.ping(b"x" * 126), lambda: self.ping("text"), lambda: self.write_message(3),
                lambda: self.write_message({"a": 1}) is not None, lambda: self.write_message("\u00e9", binary=True) is not None, lambda: self.write_message(b"bytes") is not None, lambda: self.selected_subprotocol, lambda: self.max_message_size, lambda: self.ping_interval, lambda: self.ping_timeout, lambda: self.get_compression_options(), lambda: self.set_nodelay(True), lambda: self.get_status(), lambda: self.close(1000, "x" * 200), lambda: self.close(99999), lambda: self.close(3000, "ok"), lambda: self.write_message("late"), lambda: self.ping(),
            ):  # fmt: skip
                note(call)

        def on_message(self, message: Any) -> None: ...

    server, port = await serve(application((r"/ws", Handler)))
    peer = await Peer.connect(port)
    await peer.send(hello())
    await peer.quiet()
    frames = bytes(peer.received).partition(b"\r\n\r\n")[2].hex(" ")
    await peer.close()
    server.stop()
    await server.close_all_connections()
    return [notes, frames]


add("websocket/handler api", _api)


async def _client(messages: tuple[Any, ...], members: dict[str, Any], options: dict[str, Any], settings: dict[str, Any]) -> Any:
    told: list[Any] = []
    notes: list[Any] = []
    with Logs() as logs:
        server, port = await serve(application((r"/ws", _handler(told, members)), (r"/http", web.RequestHandler), **settings))
        path = options.pop("path", "/ws")
        if options.pop("callback", False):
            options["on_message_callback"] = lambda message: notes.append(["callback", repr(message)[:60]])
        try:
            connection = await websocket.websocket_connect(f"ws://127.0.0.1:{port}{path}", **options)
            notes.append([connection.selected_subprotocol, sorted(connection.headers)])
            for message in messages:
                notes.append(repr(await connection.write_message(message, binary=isinstance(message, bytes))))
                if "on_message_callback" not in options:
                    notes.append(repr(await asyncio.wait_for(connection.read_message(), 1))[:60])
            await quiet_loop(100)
            connection.close(1000, "done")
            for _ in range(50):
                if connection.close_code is None:
                    await asyncio.sleep(0.01)
            notes.append([connection.close_code, connection.close_reason])
            if "on_message_callback" not in options:
                notes.append(repr(await asyncio.wait_for(connection.read_message(), 1)))
            try:
                await connection.write_message("late")
            except Exception as error:
                notes.append(raised(error))
        except Exception as error:
            notes.append(raised(error))
        server.stop()
        await server.close_all_connections()
        return [repr(notes).replace(str(port), "<port>"), told, list(logs)]


def client(
    name: str, *messages: Any, members: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **options: Any
) -> None:
    add(f"websocket/client {name}", lambda: _client(messages, members or {}, dict(options), settings or {}))


client("text", "hello", "\u20ac")
client("bytes", b"\x00\xff", b"")
client("large", "a" * 100_000)
client("compression", "hello hello hello", compression_options={}, members={"get_compression_options": lambda self: {}})
client("compression refused", "hello", compression_options={})
client("subprotocols", "x", subprotocols=["a", "b"], members={"select_subprotocol": lambda self, offered: offered[1]})
client("subprotocols ignored", "x", subprotocols=["a"])
client("server closes", "close")
client("server closes plainly", "close plain")
client("server fails", "fail")
client("server aborts", "abort")
client("server pings", "ping", callback=True)
client("callback", "one", "two", callback=True)
client("not found", path="/nosuch")
client("no websocket", path="/http")
client("refused", members={"prepare": lambda self: self.send_error(401)})
client("too big", "a" * 200, max_message_size=100)
client("too big for the server", "a" * 200, settings={"websocket_max_message_size": 100})
client("bad message", 3)
client("dict", {"a": 1})


async def _errors() -> Any:
    found = []
    for arguments in (("ftp://127.0.0.1/",), ("ws://127.0.0.1:1/",), ("",), ("http://127.0.0.1:1/",)):
        try:
            found.append(repr(await websocket.websocket_connect(*arguments)))
        except Exception as error:
            found.append(raised(error))
    found += [str(websocket.WebSocketClosedError()), issubclass(websocket.WebSocketClosedError, websocket.WebSocketError)]
    return found


add("websocket/client errors", _errors)
