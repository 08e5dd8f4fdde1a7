"""Bytes over a pair of streams."""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

from tornadolike._bench.works.registry import Coroutine, awaiting, work


def _bytes(read: Callable[[Any, bytearray], Awaitable[Any]]) -> Callable[[Any], Coroutine]:
    """A MiB at a time over a connection; the work of both ends."""

    def made(iostream: Any) -> Coroutine:
        async def run(n: int) -> None:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                client = socket.create_connection(listener.getsockname())
                left, right = iostream.IOStream(client), iostream.IOStream(listener.accept()[0])
            data, buffer = b"x" * (1 << 20), bytearray(1 << 20)
            for _ in range(n):
                written = left.write(data)
                await read(right, buffer)
                await written
            left.close()
            right.close()

        return run

    return made


def _over_a_pair(name: str, once: Callable[[Any, Any], Awaitable[object]]) -> None:
    @work(f"iostream: {name}")
    def make(iostream: Any) -> Coroutine:
        async def run(n: int) -> None:
            left, right = map(iostream.IOStream, socket.socketpair())
            for _ in range(n):
                await once(left, right)
            left.close()
            right.close()

        return run


async def _regex(left: Any, right: Any) -> None:
    left.write(b"some head\r\n\r\n")
    await right.read_until_regex(b"\r?\n\r?\n")


async def _exact(left: Any, right: Any) -> None:
    left.write(b"x" * 100)
    await right.read_bytes(100)


async def _partial(left: Any, right: Any) -> None:
    left.write(b"x" * 100)
    await right.read_bytes(1000, partial=True)


async def _ten_lines(left: Any, right: Any) -> None:
    left.write(b"a line\r\n" * 10)
    for _ in range(10):
        await right.read_until(b"\r\n")


async def _ping_pong(left: Any, right: Any) -> None:
    left.write(b"x")
    await right.read_bytes(1)
    right.write(b"y")
    await left.read_bytes(1)


async def _small_writes(left: Any, right: Any) -> None:
    for _ in range(10):
        left.write(b"0123456789")
    await right.read_bytes(100)


async def _large(left: Any, right: Any) -> None:
    left.write(b"x" * 100_000)
    await right.read_bytes(100_000)


async def _large_partial(left: Any, right: Any) -> None:
    left.write(b"x" * 100_000)
    seen = 0
    while seen < 100_000:
        seen += len(await right.read_bytes(65536, partial=True))


async def _into_partial(left: Any, right: Any) -> None:
    left.write(b"x" * 1000)
    seen, buffer = 0, bytearray(1000)
    while seen < 1000:
        seen += await right.read_into(buffer, partial=True)


async def _fixed_and_line(left: Any, right: Any) -> None:
    left.write(b"0004abcd\r\n")
    assert await right.read_bytes(await _length(right)) == b"abcd"
    await right.read_until(b"\n", max_bytes=10)


async def _length(stream: Any) -> int:
    return int(await stream.read_bytes(4))


@work("iostream: lines over a pair")
def _lines(iostream: Any) -> Coroutine:
    async def run(n: int) -> None:
        left, right = map(iostream.IOStream, socket.socketpair())
        for _ in range(n):
            await left.write(b"a line of text\r\n")
            assert await right.read_until(b"\r\n")
        left.close()
        right.close()

    return run


work("iostream: read_bytes, 1 MiB")(_bytes(lambda stream, _: stream.read_bytes(1 << 20)))
work("iostream: read_into, 1 MiB")(_bytes(lambda stream, buffer: stream.read_into(buffer)))
_over_a_pair("read_until_regex", _regex)
_over_a_pair("read_bytes, 100", _exact)
_over_a_pair("read_bytes, partial", _partial)
_over_a_pair("ten lines that came together", _ten_lines)
_over_a_pair("ping-pong of a byte", _ping_pong)
_over_a_pair("ten small writes", _small_writes)
_over_a_pair("100 KB", _large)
_over_a_pair("100 KB, in parts", _large_partial)
_over_a_pair("read_into, partial", _into_partial)
_over_a_pair("frames of a length", _fixed_and_line)


@work("iostream: read_until_close")
def _until_close(iostream: Any) -> Coroutine:
    async def once() -> None:
        left, right = map(iostream.IOStream, socket.socketpair())
        await left.write(b"x" * 1000)
        left.close()
        assert len(await right.read_until_close()) == 1000

    return awaiting(once)


@work("iostream: made and closed")
def _made(iostream: Any) -> Coroutine:
    async def once() -> None:
        left, right = map(iostream.IOStream, socket.socketpair())
        left.close()
        right.close()

    return awaiting(once)
