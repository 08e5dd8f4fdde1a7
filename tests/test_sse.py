"""Event streams over sockets: what is sent, when it ends, and the client that comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tornadolike import sse, web
from tornadolike.httpclient import HTTPClientError
from tornadolike.hub import Hub
from tornadolike.sse import EventStreamHandler, ServerSentEvent

SECONDS = 10


class Numbers(EventStreamHandler):
    """Ends after three events; who comes back goes on."""

    async def stream(self) -> AsyncIterator[Any]:
        begin = int(self.last_event_id or 0)
        for number in range(begin + 1, begin + 4):
            yield ServerSentEvent(f"{number}", id=str(number))


class Kinds(EventStreamHandler):
    async def stream(self) -> AsyncIterator[Any]:
        yield "two\nlines"
        yield {"a": [1]}
        yield ServerSentEvent("x", event="kind", retry=20, comment="c")


async def events_of(client: Any, path: str, *fields: bytes) -> tuple[bytes, bytes]:
    client.send(b"GET %s HTTP/1.0\r\n%s\r\n" % (path.encode(), b"".join(field + b"\r\n" for field in fields)))
    head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    return head, body


async def test_head_and_events(serve: Callable[..., Any]) -> None:
    site = serve(web.Application([("/", Kinds)], compress_response=True))
    head, body = await events_of(await site.client(), "/", b"Accept-Encoding: gzip")
    assert b"\r\nContent-Type: text/event-stream; charset=utf-8\r\n" in head
    assert b"\r\nCache-Control: no-cache\r\n" in head
    assert b"Content-Encoding" not in head
    assert body == b':\n\ndata: two\ndata: lines\n\ndata: {"a": [1]}\n\n: c\nevent: kind\nretry: 20\ndata: x\n\n'


async def test_a_stream_that_a_handler_is_given_when_it_is_there(serve: Callable[..., Any]) -> None:
    class Given(EventStreamHandler):
        async def prepare(self) -> None:
            async def stream() -> AsyncIterator[str]:
                yield "given"

            self.stream = stream  # type: ignore[method-assign]

    site = serve([("/", Given)])
    _, body = await events_of(await site.client(), "/")
    assert body == b":\n\ndata: given\n\n"


async def test_who_goes_on_with_the_stream_of_the_base_waits_for_its_end(serve: Callable[..., Any]) -> None:
    ended = asyncio.Event()

    class Passing(EventStreamHandler):
        async def stream(self) -> AsyncIterator[Any]:
            try:
                yield "first"
                async for event in super().stream():
                    yield event
            finally:
                ended.set()

    site = serve([("/", Passing)])
    client = await site.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(client.reader.readuntil(b"data: first\n\n"), SECONDS)
    client.writer.close()
    await asyncio.wait_for(ended.wait(), SECONDS)


async def test_resuming(serve: Callable[..., Any]) -> None:
    site = serve([("/", Numbers)])
    _, body = await events_of(await site.client(), "/", b"Last-Event-ID: 41")
    assert body == b":\n\nid: 42\ndata: 42\n\nid: 43\ndata: 43\n\nid: 44\ndata: 44\n\n"


class Endless(EventStreamHandler):
    ended: "asyncio.Queue[str]"
    heartbeat = 0.01

    async def stream(self) -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            self.ended.put_nowait("ended")


@pytest.fixture
def ended() -> "asyncio.Queue[str]":
    Endless.ended = asyncio.Queue()  # stays: what is open at the end of a test ends behind it
    return Endless.ended


async def test_heartbeats_and_a_client_that_leaves(serve: Callable[..., Any], ended: "asyncio.Queue[str]") -> None:
    site = serve([("/", Endless)])
    client = await site.client()
    client.get()
    async with asyncio.timeout(SECONDS):
        await client.reader.readuntil(b"data: first\n\n")
        for _ in range(3):
            await client.reader.readuntil(b":\n\n")
        client.reset()
        assert await ended.get() == "ended"


async def test_a_drain_ends_the_stream_in_whole(serve: Callable[..., Any], ended: "asyncio.Queue[str]") -> None:
    handlers: list[Endless] = []

    class Noted(Endless):
        def initialize(self) -> None:
            handlers.append(self)

    site = serve([("/", Noted)])
    client = await site.client()
    client.get()
    async with asyncio.timeout(SECONDS):
        await client.reader.readuntil(b"data: first\n\n")
        handlers[0].on_drain()
        assert await ended.get() == "ended"
        assert (await client.reader.readuntil(b"\r\n0\r\n\r\n")).endswith(b"0\r\n\r\n")
        client.get()  # the connection is as good as before
        await client.reader.readuntil(b"data: first\n\n")


async def test_a_client_that_does_not_read_is_cut_off(serve: Callable[..., Any], logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    class Flood(EventStreamHandler):
        heartbeat = 0.01
        write_timeout = 0.05

        async def stream(self) -> AsyncIterator[str]:
            try:
                while True:
                    yield "x" * 100_000
            finally:
                ended.set()

    site = serve([("/", Flood)])
    client = await site.client()
    client.writer.transport.pause_reading()
    client.get()
    async with asyncio.timeout(SECONDS):
        await ended.wait()
    logs.take("tornado.application", r"event stream to 127.0.0.1 ends: nothing went out for 0.05 s")


async def test_an_error_in_a_stream_breaks_it_off(serve: Callable[..., Any], logs: Any) -> None:
    class Broken(EventStreamHandler):
        async def stream(self) -> AsyncIterator[str]:
            yield "a"
            raise ZeroDivisionError

    site = serve([("/", Broken)])
    client = await site.client()
    client.get()
    rest = await client.rest()
    assert rest.endswith(b"data: a\n\n\r\n")
    logs.take("tornado.application", "Uncaught exception GET /")
    logs.take("tornado.general", "Cannot send error response after headers written")


async def test_a_room_becomes_a_stream(serve: Callable[..., Any]) -> None:
    async with Hub() as hub:

        class Room(EventStreamHandler):
            async def prepare(self) -> None:
                await hub.join("r", self, self.last_event_id or None)

            def on_finish(self) -> None:
                hub.leave(self)

            def on_connection_close(self) -> None:
                super().on_connection_close()
                hub.leave(self)

        site = serve([("/", Room)])
        first = await hub.publish("r", "a")
        await hub.publish("r", "b\nc")
        client = await site.client()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nLast-Event-ID: %s\r\n\r\n" % first.encode())
        async with asyncio.timeout(SECONDS):
            await client.reader.readuntil(b"data: b\ndata: c\n\n")
            last = await hub.publish("r", b"bytes")
            await client.reader.readuntil(b"id: %s\ndata: bytes\n\n" % last.encode())
            assert await hub.members("r") == 1
            client.reset()
            while await hub.members("r"):  # noqa: ASYNC110
                await asyncio.sleep(0.002)


class TestListen:
    async def test_comes_back_with_the_last_id(self, serve: Callable[..., Any]) -> None:
        site = serve([("/", Numbers)])
        async with asyncio.timeout(SECONDS):
            got = []
            async for event in sse.listen(f"http://127.0.0.1:{site.port}/", retry=0):
                got.append((event.data, event.id))
                if len(got) == 7:
                    break
        assert got == [(str(number), str(number)) for number in range(1, 8)]

    async def test_ends_at_204_and_raises_for_other_answers(self, serve: Callable[..., Any]) -> None:
        class Status(web.RequestHandler):
            def get(self, status: str) -> None:
                self.set_status(int(status))
                if status == "200":
                    self.write("no stream")

        site = serve(web.Application([("/([0-9]+)", Status)], log_function=lambda handler: None))
        base = f"http://127.0.0.1:{site.port}"
        async with asyncio.timeout(SECONDS):
            assert [event async for event in sse.listen(f"{base}/204")] == []
            with pytest.raises(HTTPClientError, match="404"):
                await anext(sse.listen(f"{base}/404"))
            with pytest.raises(ValueError, match="not text/event-stream"):
                await anext(sse.listen(f"{base}/200"))

    async def test_tries_again_while_the_server_is_replaced(self, serve: Callable[..., Any]) -> None:
        answers = iter([503, 502, 200, 204])

        class Coming(EventStreamHandler):
            def prepare(self) -> None:
                self.set_status(next(answers))
                if self.get_status() != 200:
                    self.finish()

            async def stream(self) -> AsyncIterator[str]:
                yield "here"

        site = serve(web.Application([("/", Coming)], log_function=lambda handler: None))
        async with asyncio.timeout(SECONDS):
            assert [event.data async for event in sse.listen(f"http://127.0.0.1:{site.port}/", retry=0)] == ["here"]

    async def test_comes_back_when_the_connection_breaks_or_cannot_be_made(self, logs: Any) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        answers = [
            head + b"Transfer-Encoding: chunked\r\n\r\n19\r\nid: \xc3\xa9\xe2\x98\x83\ndata: chunked\n\n\r\n",
            head + b"Content-Length: 1000\r\n\r\ndata: counted\n\ndata: half",
            b"",
            b"no HTTP\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
        ]
        asked: list[bytes] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answers[len(asked) - 1])
            writer.close()

        async with asyncio.timeout(SECONDS), await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            assert [event.data async for event in sse.listen(url, retry=0)] == ["chunked", "counted"]
            assert [b"\xc3\xa9\xe2\x98\x83\r\n" in head for head in asked] == [False, True, True, True, True]
        async with asyncio.timeout(SECONDS):
            listening = asyncio.ensure_future(anext(sse.listen(url, retry=0)))
            while not any("refused" in record.getMessage() for record in logs.records):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            listening.cancel()
            await asyncio.wait([listening])
        assert all(record.name == "tornado.general" or url in record.getMessage() for record in logs.records)
        logs.records.clear()

    async def test_an_id_is_sent_as_it_was(self, serve: Callable[..., Any]) -> None:
        class Back(EventStreamHandler):
            async def stream(self) -> AsyncIterator[str]:
                yield self.last_event_id

        site = serve([("/", Back)])
        async with asyncio.timeout(SECONDS):
            for last in ("\xe9\u2603", "plain"):
                assert (await anext(sse.listen(f"http://127.0.0.1:{site.port}/", last_event_id=last))).data == last
        client = await site.client()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nLast-Event-ID: \xe9\r\n\r\n")
        async with asyncio.timeout(SECONDS):
            await client.reader.readuntil("data: \xe9\n\n".encode())

    async def test_a_stream_that_is_left_is_closed(self, serve: Callable[..., Any], ended: "asyncio.Queue[str]") -> None:
        site = serve([("/", Endless)])
        async with asyncio.timeout(SECONDS):
            stream = sse.listen(f"http://127.0.0.1:{site.port}/")
            assert (await anext(stream)).data == "first"
            await stream.aclose()  # type: ignore[attr-defined]
            await asyncio.sleep(0)
