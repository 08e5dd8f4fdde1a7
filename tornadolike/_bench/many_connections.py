"""Loads of thousands of connections at once: what idle ones weigh, what a message to all of them costs."""

import contextlib
import functools
import resource
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from tornadolike._bench import generator, websocket_load
from tornadolike._bench.errors import BenchError, WrongAnswer
from tornadolike._bench.exchanges import Answer, Exchange, HTTPExchange, Request
from tornadolike._bench.figures import Load, Percentiles
from tornadolike._bench.server_process import ServerProcess

_SPARE_FILES = 200
_DELIVERY_SECONDS = 30.0
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


@contextlib.contextmanager
def _opened(count: int, open_one: Callable[[], socket.socket]) -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(open_one())  # noqa: PERF401 - what was opened before a failure has to be closed
        yield made
    finally:
        for one in made:
            one.close()


def idle_http(server: ServerProcess, request: Request, answer: Answer, count: int) -> Load:
    """Keep-alive connections which wait after one request."""
    generator.http_load(request, answer, server.host, server.port, connections=1, seconds=0.2)  # what is loaded once is loaded
    return _idle(server, count, functools.partial(_open_http, server, request, answer))


def _open_http(server: ServerProcess, request: Request, answer: Answer) -> socket.socket:
    connection = generator.connect(server.host, server.port)
    connection.sendall(request.wire(server.host, server.port))
    _, status, body = generator.receive(connection)
    answer.check(status, body)
    return connection


def busy_http(server: ServerProcess, request: Request, answer: Answer, count: int, seconds: float) -> Load:
    """Turn after turn, a request on each of ``count`` open connections at once, for this long. Work is turns of all."""
    exchange = HTTPExchange(request, answer, server.host, server.port)
    with _opened(count, functools.partial(_open_http, server, request, answer)) as sockets, selectors.DefaultSelector() as selector:
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
    return _idle(server, count, lambda: websocket_load.connect(path, server.host, server.port))


def _idle(server: ServerProcess, count: int, open_one: Callable[[], socket.socket]) -> Load:
    before = _settled_memory(server)
    begun = time.perf_counter()
    with _opened(count, open_one):
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
    open_one = functools.partial(websocket_load.connect, path, server.host, server.port)
    with _opened(count, open_one) as sockets, selectors.DefaultSelector() as selector:
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
