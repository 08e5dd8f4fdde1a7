"""Content on its way out, with a double of a handler."""

import os
import tempfile
from typing import Any
from unittest import mock

import pytest

from tornadolike import httputil
from tornadolike._web.static_files import Span
from tornadolike._web_io import file_sending


class Handler:
    def __init__(self, connection: Any = None) -> None:
        self.sent: list[bytes] = []
        self.flushes = 0
        self.request = mock.Mock(connection=connection)

    def write(self, chunk: bytes) -> None:
        self.sent.append(chunk)

    async def flush(self) -> None:
        self.flushes += 1


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"whole", [b"whole"]),
        ([b"who", b"le"], [b"who", b"le"]),
        ([b"who", b"le and more", b"and more"], [b"who", b"le"]),
        ([b"short"[:2]], [b"sh"]),
    ],
)
async def test_no_more_is_sent_than_was_announced(content: Any, sent: list[bytes]) -> None:
    handler = Handler()
    await file_sending.send(handler, content, 5)
    assert handler.sent == sent
    assert handler.flushes == len(sent)


async def test_a_part_of_a_file() -> None:
    handler = Handler()
    with tempfile.TemporaryFile() as file:
        os.pwrite(file.fileno(), b"0123456789", 0)
        assert await file_sending.send_file(handler, file.fileno(), Span(2, 5)) == b"234"
        assert await file_sending.send_file(handler, file.fileno(), Span(5, 5)) == b""
    assert handler.sent == [b"234"]


class Kernel(httputil.HTTPConnection):
    """What sends files, cannot, or finds out late that it cannot."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.asked: list[Any] = []

    def _write_file(self, file: int, start: int, size: int) -> Any:
        self.asked.append((file, start, size))
        return None if self.way == "cannot" else self._send()

    async def _send(self) -> None:
        if self.way == "late":
            from io import UnsupportedOperation

            raise UnsupportedOperation


@pytest.mark.parametrize(("way", "done"), [("can", True), ("cannot", False), ("late", False)])
async def test_the_kernel_is_asked(way: str, done: bool) -> None:
    connection = Kernel(way)
    handler = Handler(connection)
    assert await file_sending.sent_by_kernel(handler, 7, Span(2, 5)) == done
    assert connection.asked == [(7, 2, 3)]
    assert handler.flushes == 1  # the head goes first


async def test_doubles_of_connections_are_not_asked() -> None:
    for connection in (object(), mock.Mock(spec=httputil.HTTPConnection)):
        assert not await file_sending.sent_by_kernel(Handler(connection), 7, Span(0, 1))
