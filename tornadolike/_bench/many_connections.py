"""Loads of thousands of connections at once: what idle ones weigh, what a message to all of them costs."""

import contextlib
import functools
import resource
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tornadolike._bench import generator, websocket_load
from tornadolike._bench.errors import BenchError, WrongAnswer
from tornadolike._bench.exchanges import Answer, Exchange, HTTPExchange, Request
from tornadolike._bench.figures import Load, Percentiles
from tornadolike._bench.server_process import ServerProcess

_SPARE_FILES = 200
_DELIVERY_SECONDS = 30.0
_OPENED_AT_ONCE = 50
_LEAST_TURNS = 2
_SETTLE_READINGS, _SETTLE_SECONDS = 20, 0.05
_MESSAGE = b"to all of you: " + b"m" * 49


def raise_file_limit(count: int) -> None:
    """Allow this process, and the servers it starts from now on, ``count`` connections. Raises `BenchError`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise BenchError(f"{count} connections need {wanted} open files, the limit here is {hard} (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a connection is opened: ``begin`` asks, ``finish`` takes the answer. Between the two others may begin."""

    begin: Callable[[], socket.socket]
    finish: Callable[[socket.socket], None]


@contextlib.contextmanager
def _opened(count: int, opening: _Opening) -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    try:
        while len(made) < count:
            # Several at once: to wait for each answer alone takes much longer, most of all on a busy machine.
            first = len(made)
            for _ in range(min(_OPENED_AT_ONCE, count - first)):
                made.append(opening.begin())  # noqa: PERF401 - what was opened before a failure has to be closed
            for one in made[first:]:
                opening.finish(one)
        yield made
    finally:
        for one in made:
            one.close()


def _http(server: ServerProcess, request: Request, answer: Answer) -> _Opening:
    wire = request.wire(server.host, server.port)

    def begin() -> socket.socket:
        connection = generator.connect(server.host, server.port)
        connection.sendall(wire)
        return connection

    def finish(connection: socket.socket) -> None:
        _, status, body = generator.receive(connection)
        answer.check(status, body)

    return _Opening(begin, finish)


def _websocket(server: ServerProcess, path: str) -> _Opening:
    return _Opening(functools.partial(websocket_load.begin, path, server.host, server.port), websocket_load.finish)


def idle_http(server: ServerProcess, request: Request, answer: Answer, count: int) -> Load:
    """Keep-alive connections which wait after one request."""
    generator.http_load(request, answer, server.host, server.port, connections=1, seconds=0.2)  # what is loaded once is loaded
    return _idle(server, count, _http(server, request, answer))


def busy_http(server: ServerProcess, request: Request, answer: Answer, count: int, seconds: float) -> Load:
    """Turn after turn, a request on each of ``count`` open connections at once, for this long. Work is turns of all."""
    exchange = HTTPExchange(request, answer, server.host, server.port)
    with _opened(count, _http(server, request, answer)) as sockets, selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ, one)
        _settled_memory(server)
        return _repeated(server, lambda: _turn(sockets, selector, exchange), seconds)


def _turn(sockets: list[socket.socket], selector: selectors.BaseSelector, exchange: Exchange) -> float:
    begun = time.perf_counter()
    for one in sockets:
        one.sendall(exchange.request)
    missing = len(sockets)
    while missing:
        for one in _ready(selector, missing):
            # Answers here are short: each arrives whole.
            data = one.recv(4096)
            if not data or not exchange.answered(data):
                raise WrongAnswer(f"answers with {data[:200]!r}")
            missing -= 1
    return time.perf_counter() - begun


def _ready(selector: selectors.BaseSelector, missing: int) -> list[socket.socket]:
    ready = selector.select(_DELIVERY_SECONDS)
    if not ready:
        raise BenchError(f"on {missing} connections nothing came within {_DELIVERY_SECONDS:.0f} s")
    return [key.data for key, _ in ready]


def idle_websockets(server: ServerProcess, path: str, count: int) -> Load:
    """WebSocket connections on which nothing happens."""
    websocket_load.connect(path, server.host, server.port).close()
    return _idle(server, count, _websocket(server, path))


def _idle(server: ServerProcess, count: int, opening: _Opening) -> Load:
    before = _settled_memory(server)
    begun = time.perf_counter()
    with _opened(count, opening):
        took = time.perf_counter() - begun
        return Load(count, took, memory_bytes=float(_settled_memory(server) - before))


def _settled_memory(server: ServerProcess) -> int:
    """Resident memory when the server has come to rest: two readings without any CPU time between them."""
    last = server.reading()
    for _ in range(_SETTLE_READINGS):
        time.sleep(_SETTLE_SECONDS)
        last, before = server.reading(), last
        if last.cpu_seconds - before.cpu_seconds < 1e-4:
            break
    return last.resident_bytes


def broadcast(server: ServerProcess, path: str, count: int, seconds: float) -> Load:
    """One message after the other to all connections of a channel, for this long. Work is messages that arrived.

    The connections are there for this call only: those of all candidates together would be too many.
    """
    with _opened(count, _websocket(server, path)) as sockets, selectors.DefaultSelector() as selector:
        for one in sockets:
            one.setblocking(False)
            selector.register(one, selectors.EVENT_READ, one)
        _settled_memory(server)
        load = _repeated(server, lambda: _send_to_all(sockets, selector), seconds)
    return replace(load, work=load.work * count)


def _repeated(server: ServerProcess, once: Callable[[], float], seconds: float) -> Load:
    """What the server needs for these calls alone, without the opening of the connections; work is calls."""
    used_before = server.reading().cpu_seconds
    begun = time.perf_counter()
    took: list[float] = []
    while len(took) < _LEAST_TURNS or time.perf_counter() < begun + seconds:
        took.append(once())
    seconds = time.perf_counter() - begun
    used = server.reading().cpu_seconds - used_before
    return Load(len(took), seconds, Percentiles.of(took), cpu_seconds=used)


def _send_to_all(sockets: list[socket.socket], selector: selectors.BaseSelector) -> float:
    begun = time.perf_counter()
    sockets[0].send(websocket_load.frame(_MESSAGE, masked=True))
    expected = websocket_load.frame(_MESSAGE, masked=False)
    missing = len(sockets)
    while missing:
        ready = _ready(selector, missing)
        for one in ready:
            got = one.recv(4096)
            if got != expected:
                raise WrongAnswer(f"sends {got[:100]!r} instead of {expected!r}")
        missing -= len(ready)
    return time.perf_counter() - begun
