"""Clients that misbehave, in a process of their own: ``python -m compat_suite.load.disturbers HOST PORT SECONDS WEBSOCKETS SLOW``.

Slow clients come in three kinds, a third each: heads and bodies that arrive byte by byte, one a second, and readers that take 2 KiB a
second of 4 MiB. A head or body that is through is followed by the next. WebSockets are aborted in one of four ways. Everything begins
evenly spread over time: slow clients over the first third, WebSockets over the whole. All slow clients vanish once standard input ends.

The only output is one line of JSON: what happened.
"""

import functools
import heapq
import json
import os
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

from tornadolike._bench import generator, websocket_load
from tornadolike._bench.errors import BenchError

_STEP_SECONDS = 1.0
_READ_BYTES = 2048
_RESET = struct.pack("ii", 1, 0)
_BODY = b"0123456789"

Steps = Iterator[None]


class Disturbers:
    """Runs clients, each a generator that is resumed once a second."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.happened: Counter[str] = Counter()

    def run(self, seconds: float, websockets: int, slow: int) -> None:
        """Keep it up for so long."""
        begun = time.monotonic()
        kinds = (self.slow_head, self.slow_body, self.slow_reader)
        order = count()
        agenda: list[tuple[float, int, Callable[[], object]]] = []
        alive: list[Steps] = []
        for number in range(slow):
            steps = kinds[number % 3]()
            alive.append(steps)
            agenda.append((begun + number * seconds / 3 / slow, next(order), functools.partial(next, steps, True)))
        agenda += [
            (begun + number * seconds / websockets, next(order), functools.partial(self.abort_websocket, number))
            for number in range(websockets)
        ]
        heapq.heapify(agenda)
        while agenda and agenda[0][0] < begun + seconds:
            due, _, action = agenda[0]
            time.sleep(max(due - time.monotonic(), 0))
            if self._still_there(action) and due + _STEP_SECONDS < begun + seconds:
                heapq.heapreplace(agenda, (due + _STEP_SECONDS, next(order), action))
            else:
                heapq.heappop(agenda)
        time.sleep(max(begun + seconds - time.monotonic(), 0))
        sys.stdin.read()
        for steps in alive:
            steps.close()

    def _still_there(self, action: Callable[[], object]) -> bool:
        """Whether a client goes on after its next step. Whatever befalls one of them is counted, and is no end of the others."""
        try:
            return action() is None
        except (OSError, BenchError) as error:
            self.happened[f"error: {error}"] += 1
            return False

    def _connected(self) -> socket.socket:
        connection = generator.connect(self._host, self._port)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)  # whoever vanishes leaves a reset behind
        return connection

    def slow_head(self) -> Steps:
        """A request for a greeting whose fields come a byte a second."""
        yield from self._dribble("heads", b"GET /hello HTTP/1.1\r\n", b"Host: slow\r\n\r\n", b"Hello, world")

    def slow_body(self) -> Steps:
        """Ten bytes of a body in as many seconds."""
        head = b"POST /upload HTTP/1.1\r\nHost: slow\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
        yield from self._dribble("bodies", head, _BODY, b"10")

    def _dribble(self, kind: str, start: bytes, slow: bytes, answer: bytes) -> Steps:
        with self._connected() as connection:
            while True:
                connection.sendall(start)
                for byte in slow:
                    connection.sendall(bytes([byte]))
                    yield
                good = connection.recv(65536).endswith(b"\r\n\r\n" + answer)
                self.happened[f"{kind} answered" if good else f"{kind} answered wrongly"] += 1

    def slow_reader(self) -> Steps:
        """Takes far less than it asked for."""
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.settimeout(20)
            connection.connect((self._host, self._port))
            connection.sendall(b"GET /stream HTTP/1.1\r\nHost: slow\r\n\r\n")
            self.happened["readers began"] += 1
            while True:
                yield
                if not connection.recv(_READ_BYTES):
                    self.happened["readers cut off"] += 1
                    return

    def abort_websocket(self, number: int) -> bool:
        """Vanish: after the handshake, within a frame, with an echo unread, or with FIN in place of a close frame."""
        connection = websocket_load.connect("/echo", self._host, self._port)
        frame = websocket_load.frame(b"never to be answered" * 50, masked=True)
        if number % 4 == 1:
            connection.sendall(frame[:100])
        elif number % 4 == 2:
            connection.sendall(frame)
        if number % 4 != 3:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.close()
        self.happened["WebSockets aborted"] += 1
        return True


def main() -> None:
    host, port, seconds, websockets, slow = sys.argv[1:]
    disturbers = Disturbers(host, int(port))
    disturbers.run(float(seconds), int(websockets), int(slow))
    os.write(1, json.dumps(disturbers.happened).encode() + b"\n")


if __name__ == "__main__":
    main()
