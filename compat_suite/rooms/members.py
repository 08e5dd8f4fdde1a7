"""The clients: WebSockets that check what they are sent. Lean, since there are ten thousand of them."""

import asyncio
import base64
import os
import socket
from collections import Counter
from collections.abc import Callable
from typing import cast

TEXT, CLOSE, PING = 1, 8, 9
_SMALL_BUFFER = 4096


class Check:
    """What all members together saw."""

    def __init__(self, kind: str = "") -> None:
        self.kind = kind
        self.received = self.doubled = self.lost = self.reported = self.gaps = 0
        self.examples: list[str] = []
        self.left: list[Member] = []
        self.closed: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.came_back = 0
        self.over = False


class Member(asyncio.Protocol):
    """One of a room.

    ``reads``: whether it takes what it is sent; ``slow``: it will cease to at some time, and has small buffers for that.
    """

    def __init__(self, check: Check, room: int, address: tuple[str, int], *, slow: bool = False) -> None:
        self.check, self.room, self.address, self.slow = check, room, address, slow
        self.seen: dict[str, int] = {}
        self.last = ""
        self.gaps = 0
        self.reads = True
        self.close_code = 0
        self._told: dict[str, int] = {}
        self.transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] | None = None
        self._rest = b""

    async def connect(self, address: tuple[str, int] | None = None) -> None:
        """Join; done when the server has agreed. Raises `ConnectionError`."""
        self.address = address or self.address
        self._rest, self.reads = b"", True
        loop = asyncio.get_running_loop()
        self.opened = opened = loop.create_future()
        if self.slow:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
            sock.setblocking(False)
            await loop.sock_connect(sock, self.address)
            await loop.create_connection(lambda: self, sock=sock)
        else:
            await loop.create_connection(lambda: self, *self.address)
        await opened  # by now it may have been answered

    @property
    def path(self) -> str:
        return f"/{self.check.kind}{self.room}" + (f"?last={self.last}" if self.last else "")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        fields = ["Host: a", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        self.transport.write("\r\n".join([f"GET {self.path} HTTP/1.1", *fields, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if self.opened is not None:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            opened, self.opened = self.opened, None
            if not data.startswith(b"HTTP/1.1 101"):
                opened.set_exception(ConnectionError(data[:200].decode("latin-1")))
                return
            opened.set_result(None)
            data = data[end + 4 :]
        self._rest = each_frame(data, self.frame)

    def frame(self, opcode: int, content: bytes) -> None:
        if opcode == TEXT:
            self.message(content[:100].decode())
        elif opcode == CLOSE:
            self.close_code = int.from_bytes(content[:2], "big")
            self.check.closed[self.close_code] += 1
            if self.transport is not None:
                self.transport.close()

    def message(self, text: str) -> None:
        """``ID NAME NUMBER ...``, without the id where members are sent what was published; or ``gap``."""
        if text == "gap":
            self.gaps += 1
            self.check.gaps += 1
            return
        words = text.split(" ")
        if not self.check.kind:
            self.last = words.pop(0)
        name, number = words[0], int(words[1])
        before = self.seen.get(name, 0)
        self.check.received += 1
        if number <= before:
            self.check.doubled += 1
            self._example(name, before, number)
            return
        if number != before + 1:
            missing = number - before - 1
            # Only a gap that was told since the last message of this publisher is about what is missing here.
            if self.gaps > self._told.get(name, 0):
                self.check.reported += missing
            else:
                self.check.lost += missing
                self._example(name, before, number)
        self.seen[name] = number
        self._told[name] = self.gaps

    def _example(self, name: str, before: int, number: int) -> None:
        if len(self.check.examples) < 5:
            self.check.examples.append(f"room {self.room}, {name}: {before} -> {number}, last id {self.last}")

    def stop_reading(self) -> None:
        self.reads = False
        if self.transport is not None:
            self.transport.pause_reading()

    def go_on_reading(self) -> None:
        self.reads = True
        if self.transport is not None:
            self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.opened is not None and not self.opened.done():
            self.opened.set_exception(ConnectionError("closed before it was open"))
            self.opened.exception()  # nobody may be waiting any more
        elif not self.check.over:
            self.check.left.append(self)


def each_frame(data: bytes, take: Callable[[int, bytes], None]) -> bytes:
    """Hand on the whole frames of a server; returns the rest."""
    at, length = 0, len(data)
    while length - at >= 2:
        size, begin = data[at + 1], at + 2
        if size == 126:
            if length - at < 4:
                break
            size, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        if length - begin < size:
            break
        take(data[at] & 15, data[begin : begin + size])
        at = begin + size
    return data[at:]
