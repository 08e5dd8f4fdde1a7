"""Handlers that use the stream of their request themselves, as tunnels do."""

import asyncio
from typing import Any

import pytest

from tornadolike import web


class Tunnel(web.RequestHandler):
    """Answers CONNECT, and echoes what comes, without `detach`."""

    SUPPORTED_METHODS = ("CONNECT",)  # type: ignore[assignment]

    async def connect(self) -> None:
        stream = self.request.connection.stream  # type: ignore[union-attr]
        stream.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while True:
            data = await stream.read_bytes(100, partial=True)
            if data == b"end":
                break
            await stream.write(b"<" + data + b">")
        stream.close()
        self._finished = True


class Peeking(web.RequestHandler):
    """Reads five bytes from the stream, then answers as usual."""

    async def post(self) -> None:
        stream = self.request.connection.stream  # type: ignore[union-attr]
        self.write(await stream.read_bytes(5))


class Unread(web.RequestHandler):
    def get(self) -> None:
        self.write("ok")


async def test_a_tunnel_needs_no_detach(serve: Any) -> None:
    site = serve([(".*", Tunnel)])
    client = await site.client()
    client.send(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\nearly")
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert await client.reader.readexactly(7) == b"<early>"
    client.send(b"later")
    assert await client.reader.readexactly(7) == b"<later>"
    client.send(b"end")
    assert await client.rest() == b""
    await site.until(lambda: not site.server._connections)


async def test_who_leaves_a_tunnel_is_noticed(serve: Any) -> None:
    heard: list[str] = []

    class Noting(Tunnel):
        async def connect(self) -> None:
            try:
                await super().connect()
            except Exception as error:
                heard.append(type(error).__name__)
                self._finished = True

        def on_connection_close(self) -> None:
            heard.append("close")

    site = serve([(".*", Noting)])
    client = await site.client()
    client.send(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.close()
    await site.until(lambda: len(heard) == 2 and not site.server._connections)
    assert heard == ["close", "StreamClosedError"]


async def test_http_goes_on_behind_what_a_handler_has_read(serve: Any) -> None:
    site = serve([("/peek", Peeking), ("/", Unread)])
    client = await site.client()
    client.send(b"POST /peek HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n12")
    await asyncio.sleep(0.01)
    client.send(b"345GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.response())[1] == b"12345"
    assert (await client.response())[1] == b"ok"
    client.get("/")
    assert (await client.response())[1] == b"ok"


async def test_the_stream_of_a_request_that_is_being_read_is_not_lent(serve: Any, logs: Any) -> None:
    @web.stream_request_body
    class Early(web.RequestHandler):
        async def prepare(self) -> None:
            with pytest.raises(AssertionError, match="Already reading"):
                await self.request.connection.stream.read_bytes(1)  # type: ignore[union-attr]

        def data_received(self, chunk: bytes) -> None:
            self.write(chunk)

        def post(self) -> None:
            pass

    client = await serve([("/", Early)]).client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
    assert (await client.response())[1] == b"body"
