"""Open-loop traffic: so many requests a second over keep-alive connections, whatever the server's pace.

A request is sent when it is due, on the connection that has been idle longest, so that all take part in turn. Its latency counts from
the moment of sending, or of being due where no connection was idle: a slow server cannot hide behind requests that were not sent.
"""

import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field

from tornadolike._bench import generator
from tornadolike._bench.errors import WrongAnswer
from tornadolike._bench.exchanges import Answer, HTTPExchange, Request

_ANSWER_SECONDS = 20.0


@dataclass(slots=True)
class Outcome:
    """What became of the requests. ``failed`` holds why, one sentence for each."""

    sent: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Seconds within which that share of the requests was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("inf")


class _Connection:
    __slots__ = ("received", "since", "socket")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.received = b""
        self.since = 0.0


class Traffic:
    """Connections that are open, and have each had one answer. To be closed."""

    def __init__(self, host: str, port: int, connections: int, path: str, body: bytes) -> None:
        self._host, self._port = host, port
        self._exchange = HTTPExchange(Request(path), Answer(200, body), host, port)
        self._poll = select.epoll()
        self._by_fd: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        try:
            for _ in range(connections):
                self._open(_Connection(generator.connect(self._host, self._port)))
        except BaseException:
            self.close()
            raise

    def _open(self, connection: _Connection) -> None:
        self._by_fd[connection.socket.fileno()] = connection
        connection.socket.sendall(self._exchange.request)
        answer = b""
        while not self._exchange.answered(answer):
            piece = connection.socket.recv(65536)
            if not piece:
                raise WrongAnswer("closes a new connection")
            answer += piece
        connection.socket.setblocking(False)
        self._poll.register(connection.socket, select.EPOLLIN)
        self._idle.append(connection)

    def close(self) -> None:
        """Leave, all at once."""
        self._poll.close()
        for connection in self._by_fd.values():
            connection.socket.close()

    def run(self, rate: float, seconds: float) -> Outcome:
        """Send ``rate`` requests a second for so long, and wait for the last answers."""
        outcome = Outcome()
        begun = time.perf_counter()
        total, answered_by = int(rate * seconds), begun + seconds + _ANSWER_SECONDS
        starved = False
        while len(outcome.latencies) + len(outcome.failed) < total:
            now = time.perf_counter()
            if now > answered_by:
                outcome.failed += ["not answered in time"] * (total - len(outcome.latencies) - len(outcome.failed))
                break
            due = min(int((now - begun) * rate) + 1, total)
            while outcome.sent < due and self._idle:
                # The poll's clock has milliseconds: being late by so little is our doing, being late for want of a connection is not.
                self._send(self._idle.popleft(), begun + outcome.sent / rate if starved else time.perf_counter(), outcome)
            starved = outcome.sent < due
            pause = begun + outcome.sent / rate - now if outcome.sent < total and self._idle else 0.1
            for fd, _ in self._poll.poll(max(pause, 0)):
                self._receive(self._by_fd[fd], outcome)
        outcome.seconds = time.perf_counter() - begun
        return outcome

    def _send(self, connection: _Connection, since: float, outcome: Outcome) -> None:
        outcome.sent += 1
        connection.since = since
        try:
            connection.socket.send(self._exchange.request)
        except OSError as error:
            self._drop(connection, str(error), outcome)

    def _receive(self, connection: _Connection, outcome: Outcome) -> None:
        try:
            piece = connection.socket.recv(65536)
            if not piece:
                raise WrongAnswer("closed the connection")
            connection.received += piece
            if not self._exchange.answered(connection.received):
                return
        except (OSError, WrongAnswer) as error:
            self._drop(connection, str(error), outcome)
            return
        outcome.latencies.append(time.perf_counter() - connection.since)
        connection.received = b""
        self._idle.append(connection)

    def _drop(self, connection: _Connection, why: str, outcome: Outcome) -> None:
        outcome.failed.append(why)
        self._poll.unregister(connection.socket)
        del self._by_fd[connection.socket.fileno()]
        connection.socket.close()
        if connection in self._idle:  # closed while nothing was asked of it
            self._idle.remove(connection)
