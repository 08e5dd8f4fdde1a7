"""The load generator against servers of a few lines."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tornadolike._bench import generator
from tornadolike._bench.errors import WrongAnswer
from tornadolike._bench.exchanges import Answer, Request

_GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextlib.contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Call ``serve`` with each connection, in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0))

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                thread = threading.Thread(target=handle, args=(connection,))
                thread.start()
                threads.append(thread)

    threads: list[threading.Thread] = []
    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(5)
        for thread in threads:
            thread.join(5)


def answering(*answers: bytes) -> Callable[[socket.socket], None]:
    """Answer requests with these bytes, the last one again and again; empty bytes close."""

    def serve(connection: socket.socket) -> None:
        left = list(answers)
        while connection.recv(4096):
            answer = left.pop(0) if len(left) > 1 else left[0]
            if not answer:
                return
            connection.sendall(answer)

    return serve


def test_load_counts_requests_and_bytes() -> None:
    with serving(answering(_GOOD)) as port:
        load = generator.http_load(Request("/"), Answer(200, b"hello"), "127.0.0.1", port, connections=2, seconds=0.05)
    assert load.work >= 2
    assert load.received_bytes == load.work * len(_GOOD)
    assert load.latency is not None
    assert 0 < load.latency.p50 <= load.latency.p99 <= load.latency.p999


def test_a_connection_for_each_request() -> None:
    def once(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(_GOOD)

    with serving(once) as port:
        closing = Request("/", headers={"Connection": "close"})
        load = generator.http_load(closing, Answer(200, b"hello"), "127.0.0.1", port, connections=1, seconds=0.05)
    assert load.work >= 2


def test_answers_in_pieces() -> None:
    def slowly(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(4096):
            for place in range(0, len(_GOOD), 9):
                connection.sendall(_GOOD[place : place + 9])

    with serving(slowly) as port:
        load = generator.http_load(Request("/"), Answer(200, b"hello"), "127.0.0.1", port, connections=1, seconds=0.02)
        assert generator.ask(Request("/"), "127.0.0.1", port) == (200, _GOOD[:34], b"hello")
    assert load.received_bytes == load.work * len(_GOOD)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ((_GOOD, _GOOD.replace(b"hello", b"other")), "wrong body"),
        ((_GOOD, _GOOD.replace(b"200", b"500")), "status 500"),
        ((_GOOD, b""), "closed the connection"),
    ],
)
def test_one_wrong_answer_among_right_ones_is_an_error(answers: tuple[bytes, ...], message: str) -> None:
    with serving(answering(*answers)) as port, pytest.raises(WrongAnswer, match=message):
        generator.http_load(Request("/"), Answer(200, b"hello"), "127.0.0.1", port, connections=1, seconds=5)


def test_an_answer_that_ends_with_the_connection() -> None:
    def until_close(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    with serving(until_close) as port:
        assert generator.ask(Request("/"), "127.0.0.1", port)[::2] == (200, b"all of it")
