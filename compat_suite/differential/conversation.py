"""A client that speaks in bytes: sends pieces as they are, notes what comes back and what becomes of the connection.

Server and client share one event loop, and loopback delivers at once. So "nothing more will come" needs no waiting time: it is
said when the loop has gone round a number of times and nothing has arrived.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Sequence
from typing import Any

from tornado.httpserver import HTTPServer

from compat_suite.differential import hosts
from compat_suite.differential.recording import Logs

_ROUNDS = 30  # of the loop without news: the server has nothing more to say
_HOSTED_SECONDS = 0.02  # servers of others have tasks, queues and threads of their own
_GZIP_HEAD = re.compile(rb"\x1f\x8b\x08\x00.{6}", re.DOTALL)  # holds the time and who compressed
_PROBE = b"GET /probe-of-the-suite HTTP/1.1\r\nHost: probe\r\n\r\n"


class Peer:
    """One connection of a client."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Task[None] | None = None
        self.received = bytearray()
        self.fate = "open"

    @classmethod
    async def connect(cls, port: int) -> "Peer":
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        peer = cls(connection)
        peer._reading = asyncio.ensure_future(peer._read())
        return peer

    async def _read(self) -> None:
        try:
            while data := await self._loop.sock_recv(self._socket, 65536):
                self.received += data
            self.fate = "closed"
        except ConnectionError:
            self.fate = "closed"  # a reset: whether unread input turns FIN into RST is the kernel's timing

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await self._loop.sock_sendall(self._socket, data)

    async def quiet(self, seconds: float = 0.0) -> None:
        """Return when nothing has arrived for some rounds of the loop, and for ``seconds``."""
        while True:
            before = len(self.received), self.fate
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)
            seconds = max(seconds, _HOSTED_SECONDS if hosts.chosen() else 0)
            if seconds:
                await asyncio.sleep(seconds)
            if before == (len(self.received), self.fate):
                return

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        self._socket.close()


async def serve(application: Any, **settings: Any) -> tuple[Any, int]:
    """A server of ``application`` on a port of its own."""
    if hosts.chosen() not in ("", hosts.NATIVE):
        return await hosts.serve(application, settings)
    server = HTTPServer(application, **settings)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it: no 40 ms between two small answers
    server.add_socket(listening)
    return server, listening.getsockname()[1]


async def talk(
    application: Any,
    pieces: Sequence[bytes],
    *,
    idle: float = 0.0,
    probe: bool = True,
    eof: bool = False,
    settings: dict[str, Any] | None = None,
    notes: list[Any] | None = None,
) -> dict[str, Any]:
    """Send ``pieces`` one after the other to a server of ``application``; what came back, the connection's fate, the log.

    ``probe``: ask once more at the end, to see whether the connection can still be used. ``eof``: close our side at the end.
    ``notes`` is what the application itself wrote down.
    """
    with Logs() as logs:
        server, port = await serve(application, **settings or {})
        peer = await Peer.connect(port)
        for piece in pieces:
            await peer.send(piece)
            if len(pieces) > 1:
                await peer.quiet() if len(pieces) < 20 else await asyncio.sleep(0)
        await peer.quiet(idle)
        received = bytes(peer.received) if hosts.chosen() else _GZIP_HEAD.sub(b"<gzip>", bytes(peer.received))
        fate = await _fate(peer, probe=probe, idle=idle)
        if eof:
            await peer.close()
            await quiet_loop()
        seen = list(logs)
        server.stop()
        await server.close_all_connections()
        await peer.close()
    recording = {
        "received": received.decode("latin-1").split("\n"),
        "connection": fate,
        "log": [one for one in seen if "probe-of-the" not in one],
    }
    if notes is not None:
        recording["notes"] = list(notes)
    return recording


async def _fate(peer: Peer, *, probe: bool, idle: float) -> str:
    if peer.fate != "open" or not probe:
        return peer.fate
    before = len(peer.received)
    await peer.send(_PROBE)
    await peer.quiet(idle)
    if len(peer.received) > before:
        status = bytes(peer.received[before:]).split(b"\r\n", 1)[0].decode("latin-1")
        return f"open, answers: {status}, then {peer.fate}"
    return "open, and waits" if peer.fate == "open" else "closed by one more request"


async def quiet_loop(rounds: int = _ROUNDS) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)
