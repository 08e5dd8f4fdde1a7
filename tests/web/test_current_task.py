"""`asyncio.current_task` while a handler is made: a task, as on Tornado, for monitoring agents and the like."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest

from tornadolike import web, websocket
from tornadolike.sse import EventStreamHandler

HERE = os.path.dirname(__file__)
Seen = list[tuple[str, Any]]
GET = b"GET /get HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def file_routes(seen: Seen) -> list[Any]:
    class Files(web.StaticFileHandler):
        def initialize(self, path: str) -> None:  # type: ignore[override]
            seen.append(("files initialize", asyncio.current_task()))
            super().initialize(path)

    class Made(web.StaticFileHandler):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            seen.append(("made", asyncio.current_task()))
            super().__init__(*args, **kwargs)

    return [(f"/{name}/(.*)", handler, {"path": HERE}) for name, handler in (("files", Files), ("made", Made))]


def routes(seen: Seen) -> list[Any]:
    class Noting:
        request: Any

        def initialize(self) -> None:
            seen.append((f"{self.request.path} initialize", asyncio.current_task()))

        def set_default_headers(self) -> None:
            seen.append((f"{self.request.path} headers", asyncio.current_task()))

    class Page(Noting, web.RequestHandler):
        def get(self) -> None:
            self.write("x")

        post = get

    @web.stream_request_body
    class Streamed(Noting, web.RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            pass

        def post(self) -> None:
            self.write("x")

    class Socket(Noting, websocket.WebSocketHandler):
        pass

    class Headers(web.RequestHandler):
        def set_default_headers(self) -> None:
            seen.append(("headers alone", asyncio.current_task()))

        def get(self) -> None:
            pass

    class Plain(web.RequestHandler):
        def get(self) -> None:
            pass

    return [
        *file_routes(seen),
        ("/plain", Plain),
        ("/get|/post", Page),
        ("/streamed", Streamed),
        ("/socket", Socket),
        ("/headers", Headers),
    ]


ARRIVALS: dict[str, list[tuple[bytes, int]]] = {
    "first": [(GET, 1)],
    "sent ahead": [(GET * 3, 3)],
    "sent ahead, of others": [(GET.replace(b"/get", b"/plain") + GET, 2)],
    "again": [(GET, 1), (GET, 1)],
    "body": [(POST % b"/post" + b"abc", 1)],
    "body in pieces": [(POST % b"/post", 0), (b"abc", 1)],
    "streamed": [(POST % b"/streamed" + b"abc", 1)],
    "streamed in pieces": [(POST % b"/streamed", 0), (b"abc", 1)],
    "handshake": [(HANDSHAKE, 1)],
    "files": [(GET.replace(b"/get", b"/files/conftest.py"), 1)],
    "made": [(GET.replace(b"/get", b"/made/conftest.py"), 1)],
    "headers alone": [(GET.replace(b"/get", b"/headers"), 1)],
}


@pytest.mark.parametrize("arrival", ARRIVALS)
async def test_there_is_one(serve: Callable[..., Any], arrival: str) -> None:
    seen: Seen = []
    site = serve(routes(seen))
    client = await site.client()
    for piece, answers in ARRIVALS[arrival]:
        client.send(piece)
        await client.writer.drain()
        for _ in range(answers):
            await client.response()
    assert seen
    assert all(task is not None for _, task in seen), seen
    client.writer.close()
    await site.until(lambda: all(task.done() for _, task in seen))


async def test_it_is_the_connection_s(serve: Callable[..., Any]) -> None:
    seen: Seen = []
    site = serve(routes(seen))
    first, second = await site.client(), await site.client()
    for client in (first, first, second):
        client.send(GET)
        await client.response()
    one, *others = [task for where, task in seen if where == "/get initialize"]
    assert [task is one for task in others] == [True, False]


async def test_a_handler_that_runs_nothing_when_made_costs_no_task(serve: Callable[..., Any]) -> None:
    class Plain(web.RequestHandler):
        def get(self) -> None:
            self.write("x")

    site = serve([("/", Plain), ("/files/(.*)", web.StaticFileHandler, {"path": HERE})])
    client = await site.client()
    for path in ("/", "/files/conftest.py"):
        client.get(path)
        await client.response()
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if "_lent" in repr(task)]


async def test_an_open_event_stream_keeps_none(serve: Callable[..., Any]) -> None:
    """It was for `initialize`, and the stream may be open for days."""
    seen: list[Any] = []

    class Events(EventStreamHandler):
        def initialize(self) -> None:
            seen.append(asyncio.current_task())

    site = serve([("/", Events)])
    client = await site.client()
    client.get()
    await client.reader.readuntil(b"\r\n\r\n")
    assert "_lent" in repr(seen[0])
    await site.until(lambda: seen[0].done())
    assert not seen[0].cancelled()


async def test_one_that_was_cancelled_is_missing_and_no_more(serve: Callable[..., Any]) -> None:
    class Cancels(web.RequestHandler):
        def initialize(self) -> None:
            task = asyncio.current_task()
            if task is not None:
                task.cancel()

        def get(self) -> None:
            self.write("x")

    site = serve([("/", Cancels)])
    client = await site.client()
    for _ in range(3):
        client.get()
        assert (await client.response())[1] == b"x"
