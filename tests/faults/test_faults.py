"""Peers that vanish, hooks that raise, descriptors that run out: the next client is served all the same."""

import asyncio
import contextlib
import errno
import tracemalloc
from typing import Any

import pytest

from tornadolike import web, websocket
from tornadolike._net import listening
from tornadolike.iostream import StreamClosedError


class Hello(web.RequestHandler):
    def get(self) -> None:
        self.finish("hello")

    post = get


class Waiting(web.RequestHandler):
    inside = 0

    async def get(self) -> None:
        Waiting.inside += 1
        try:
            while not self.request.connection.stream.closed():  # type: ignore[union-attr]  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        finally:
            Waiting.inside -= 1


class Large(web.RequestHandler):
    """200 MB, for whoever reads them."""

    begun = False
    written = 0

    async def get(self) -> None:
        Large.begun, Large.written = True, 0
        piece = b"x" * 1_000_000
        for _ in range(200):
            self.write(piece)
            try:
                await self.flush()
            except StreamClosedError:
                return
            Large.written += 1


class Cancelled(web.RequestHandler):
    async def get(self) -> None:
        raise asyncio.CancelledError


class Failing(web.RequestHandler):
    def _fail(self, hook: str) -> None:
        if self.get_query_argument("in") == hook:
            raise RuntimeError(hook)

    def initialize(self) -> None:
        self._fail("initialize")

    def set_default_headers(self) -> None:
        self._fail("set_default_headers")

    def prepare(self) -> None:
        self._fail("prepare")

    def get(self) -> None:
        self._fail("get")
        if self.get_query_argument("in") in ("write_error", "log_exception"):
            raise RuntimeError
        self.finish(f"hello {self.current_user} {self.locale.code}"[:5])

    def log_exception(self, *error: Any) -> None:
        self._fail("log_exception")
        super().log_exception(*error)

    def get_user_locale(self) -> None:
        self._fail("get_user_locale")

    def on_finish(self) -> None:
        self._fail("on_finish")

    def compute_etag(self) -> str | None:
        self._fail("compute_etag")
        return None

    def get_current_user(self) -> None:
        self._fail("get_current_user")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if self.get_query_argument("in") == "write_error":
            raise RuntimeError
        super().write_error(status_code, **kwargs)


class Echo(websocket.WebSocketHandler):
    opened, closed = 0, 0

    def open(self, *args: str, **kwargs: str) -> None:
        Echo.opened += 1

    async def on_message(self, message: str | bytes) -> None:
        with contextlib.suppress(websocket.WebSocketClosedError):
            await self.write_message(message)

    def on_close(self) -> None:
        Echo.closed += 1


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
ROUTES = [("/ws", Echo), ("/", Hello), ("/wait", Waiting), ("/large", Large), ("/failing", Failing), ("/cancelled", Cancelled)]


async def served(site: Any) -> None:
    client = await site.client()
    client.get()
    assert (await client.response())[1] == b"hello"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1\r\nHost",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 50,
        b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        UPGRADE[:60],
        UPGRADE,
        UPGRADE + b"\x81\x82\0\0",
        UPGRADE + b"\x81\x82\0\0\0\0hi" * 100,
        UPGRADE + b"\x88\x80\0\0\0\0",
    ],
)
async def test_a_reset_at_any_stage(serve: Any, sent: bytes) -> None:
    site = serve(ROUTES)
    client = await site.client()
    await site.until(lambda: site.server._connections)
    client.send(sent)
    if b"/wait" in sent:
        await site.until(lambda: Waiting.inside)
    client.reset()
    await site.until(lambda: not site.server._connections and not Waiting.inside and Echo.opened == Echo.closed)
    await served(site)


@pytest.mark.parametrize("sent", [b"GET", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", UPGRADE, UPGRADE + b"\x81"])
async def test_half_closed_in_the_middle(serve: Any, sent: bytes) -> None:
    site = serve(ROUTES)
    client = await site.client()
    client.send(sent)
    client.writer.write_eof()
    await client.rest()
    await site.until(lambda: not site.server._connections and Echo.opened == Echo.closed)
    await served(site)


async def test_half_closed_connections(serve: Any) -> None:
    """End of input is the end of the connection, as in Tornado; what was asked before is not left hanging."""
    site = serve(ROUTES)
    client = await site.client()
    client.get()
    client.writer.write_eof()
    await client.rest()
    await site.until(lambda: not site.server._connections)
    await served(site)


async def test_a_client_that_never_reads_costs_bounded_memory(serve: Any) -> None:
    site = serve(ROUTES)
    client = await site.client()
    client.writer.transport.pause_reading()
    tracemalloc.start()
    try:
        Large.begun = False
        client.get("/large")
        before = -1
        await site.until(lambda: Large.begun)
        while Large.written != before:
            before = Large.written
            await asyncio.sleep(0.1)
            await served(site)  # others are served meanwhile
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert before < 100
    assert peak < 20_000_000
    client.reset()
    await site.until(lambda: len(site.server._connections) < 1 or not client.reader.at_eof())


async def test_ten_thousand_pipelined_requests_cost_bounded_memory(serve: Any) -> None:
    site = serve(ROUTES)
    client = await site.client()
    count = 10_000

    async def count_answers() -> int:
        seen = 0
        while seen < count:
            await client.reader.readuntil(b"\r\n\r\nhello")
            seen += 1
        return seen

    answers = asyncio.ensure_future(count_answers())
    client.send((b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 300 + b"\r\n\r\n") * count)  # more than 3 MB
    worst = 0
    while not answers.done():
        for connection in site.server._connections:
            if connection._session is not None:
                worst = max(worst, connection._session.engine.waiting_bytes)
        await asyncio.sleep(0)
    assert await answers == count
    assert 0 < worst <= 600_000  # a head's worth and what one read brings


HOOKS = ["initialize", "set_default_headers", "prepare", "get", "on_finish", "compute_etag"]
HOOKS += ["get_current_user", "get_user_locale", "write_error", "log_exception"]


@pytest.mark.parametrize("hook", HOOKS)
async def test_hooks_that_raise(serve: Any, logs: Any, hook: str) -> None:
    site = serve(ROUTES)
    client = await site.client()
    client.send(b"GET /failing?in=%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % hook.encode())
    answer = await client.rest()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 500 ", b"HTTP/1.1 200 "))
    await served(site)
    await site.until(lambda: any(record.levelname == "ERROR" for record in logs.records))
    logs.records.clear()


async def test_a_cancelled_handler_leaves_no_connection_hanging(serve: Any, logs: Any) -> None:
    site = serve(ROUTES)
    client = await site.client()
    client.get("/cancelled")
    assert (await client.response())[0].startswith(b"HTTP/1.1 500 ")
    await served(site)
    logs.records.clear()


async def test_no_descriptors_left() -> None:
    """EMFILE: no busy loop, one line for a second, and connections are taken again afterwards."""
    exhausted: list[OSError] = []
    later: list[float] = []

    class Full:
        def accept(self) -> Any:
            raise OSError(errno.EMFILE, "no more")

    class Watcher:
        watching = False
        now = 0.0

        def watch(self, sock: Any, on_readable: Any) -> None:
            self.watching, self.readable = True, on_readable

        def unwatch(self, sock: Any) -> None:
            self.watching = False

        def call_later(self, delay: float, callback: Any) -> None:
            later.append(delay)
            self.again = callback

        def time(self) -> float:
            return self.now

        def exhausted(self, error: OSError) -> None:
            exhausted.append(error)

    watcher = Watcher()
    listening.Acceptor(Full(), lambda *_: None, watcher)  # type: ignore[arg-type]
    for _ in range(25):
        watcher.readable()
        assert not watcher.watching
        watcher.now += later[-1]
        watcher.again()
        assert watcher.watching
    assert min(later) >= 0.05
    assert len(exhausted) <= 1 + watcher.now
