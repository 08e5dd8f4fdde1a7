"""Load without wrk: many connections, one request at a time on each, on one epoll (or kqueue) of this process.

Per request: one recv, one comparison, one send and two clock readings, about 10 microseconds. Nothing else belongs into the loop.
"""

import selectors
import socket
import time
from collections.abc import Callable

from tornadolike._bench.errors import BenchError, WrongAnswer
from tornadolike._bench.exchanges import Answer, Exchange, HTTPExchange, Request, split
from tornadolike._bench.figures import Load, Percentiles

_CHUNK = 1 << 18
_ANSWER_SECONDS = 20.0
_NEVER_STARTED = -1.0


class _Connection:
    __slots__ = ("pending", "received", "sent_at", "socket")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.sent_at = _NEVER_STARTED
        self.received = bytearray()
        self.pending = memoryview(b"")


class Generator:
    """Keeps ``connections`` busy with an exchange. ``connect`` makes a connection on which requests may be sent."""

    def __init__(self, exchange: Exchange, connect: Callable[[], socket.socket], connections: int) -> None:
        self._exchange = exchange
        self._connect = connect
        self._selector = selectors.DefaultSelector()
        self._latencies: list[float] = []
        self._bytes = 0
        self._count = connections

    def run(self, seconds: float) -> Load:
        """Send for this long; what is under way at the end is waited for and counted. Raises `BenchError`."""
        try:
            begun = time.perf_counter()
            for _ in range(self._count):
                self._open()
            end = begun + seconds
            while self._selector.get_map():
                ready = self._selector.select(_ANSWER_SECONDS)
                if not ready:
                    raise BenchError(f"a request was not answered within {_ANSWER_SECONDS:.0f} s")
                for key, events in ready:
                    self._serve(key.data, events, end)
            took = time.perf_counter() - begun
        finally:
            for key in list(self._selector.get_map().values()):
                key.data.socket.close()
            self._selector.close()
        return Load(len(self._latencies), took, Percentiles.of(self._latencies), self._bytes)

    def _open(self) -> None:
        connection = _Connection(self._connect())
        connection.socket.setblocking(False)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._send(connection)

    def _close(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _send(self, connection: _Connection) -> None:
        request = self._exchange.request
        connection.sent_at = time.perf_counter()
        sent = connection.socket.send(request)
        if sent < len(request):
            connection.pending = memoryview(request)[sent:]
            self._selector.modify(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, connection)

    def _send_rest(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.send(connection.pending)
        except BlockingIOError:
            return
        connection.pending = connection.pending[sent:]
        if not connection.pending:
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)

    def _serve(self, connection: _Connection, events: int, end: float) -> None:
        if events & selectors.EVENT_WRITE:
            self._send_rest(connection)
        if not events & selectors.EVENT_READ:
            return
        try:
            data = connection.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise WrongAnswer(f"closed the connection in the middle of an answer: {bytes(connection.received[:200])!r}")
        whole: bytes | bytearray = data
        if connection.received:
            connection.received += data
            whole = connection.received
        if not self._exchange.answered(whole):
            if whole is data:
                connection.received += data
            return
        now = time.perf_counter()
        self._latencies.append(now - connection.sent_at)
        self._bytes += len(whole)
        self._next(connection, now < end)

    def _next(self, connection: _Connection, wanted: bool) -> None:
        connection.received = bytearray()
        if self._exchange.closes or not wanted:
            self._close(connection)
            if wanted:
                self._open()
            return
        self._send(connection)


def connect(host: str, port: int) -> socket.socket:
    """A connection without Nagle's delays; every wait on it is bounded."""
    made = socket.create_connection((host, port), timeout=_ANSWER_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def http_load(request: Request, answer: Answer, host: str, port: int, connections: int, seconds: float) -> Load:
    """Load of one HTTP request, repeated."""
    return Generator(HTTPExchange(request, answer, host, port), lambda: connect(host, port), connections).run(seconds)


def ask(request: Request, host: str, port: int) -> tuple[int, bytes, bytes]:
    """One request on a connection of its own: status, raw head, body. Raises `WrongAnswer`, `BenchError`."""
    with connect(host, port) as connection:
        connection.sendall(request.wire(host, port))
        head, status, body = receive(connection)
    return status, head, body


def receive(connection: socket.socket) -> tuple[bytes, int, bytes]:
    """One answer off a connection: raw head, status, body."""
    data = bytearray()
    while True:
        try:
            piece = connection.recv(_CHUNK)
        except TimeoutError:
            raise BenchError(f"a request was not answered within {_ANSWER_SECONDS:.0f} s") from None
        data += piece
        parts = split(data)
        if parts is not None:
            return (bytes(data.partition(b"\r\n\r\n")[0]), *parts)
        if not piece:
            return _until_close(bytes(data))


def _until_close(data: bytes) -> tuple[bytes, int, bytes]:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end or b"content-length" in head.lower() or not head.startswith(b"HTTP/1."):
        raise WrongAnswer(f"closed the connection in the middle of an answer: {data[:200]!r}")
    return head, int(head.split(b" ", 2)[1]), body
