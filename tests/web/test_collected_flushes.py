"""Flushes that follow one another closely are sent together: the client gets the same bytes, and waits no longer than the turn."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tornadolike import http1connection, iostream, web
from tornadolike._http1_io import sending
from tornadolike.http1connection import HTTP1Connection
from tornadolike.httpclient import AsyncHTTPClient
from tornadolike.httpserver import HTTPServer
from tornadolike.testing import bind_unused_port

SECONDS = 5
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
Do = Callable[[web.RequestHandler], Any]


class Doing(web.RequestHandler):
    """Does what the test says, and sends no header that changes."""

    def initialize(self, do: Do) -> None:
        self.do = do

    def set_default_headers(self) -> None:
        self.clear_header("Date")

    async def get(self) -> None:
        await self.do(self)

    head = get


async def piece(handler: web.RequestHandler, data: bytes) -> None:
    handler.write(data)
    await handler.flush()


def serving(do: Do, **options: Any) -> web.Application:
    return web.Application([(r"/", Doing, {"do": do})], log_function=lambda handler: None, **options)


class Sends:
    """What goes to the byte source, piece by piece, and a clock that stands still until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.made: list[bytes] = []
        for module in (http1connection, sending):
            monkeypatch.setattr(module, "monotonic", lambda: self.now)

    def watch(self, stream: iostream.IOStream) -> None:
        source: Any = stream._connected_source()
        made, kind = self.made, type(source)

        class Watched(kind):  # type: ignore[misc, valid-type]
            __slots__ = ()

            def write(self, data: bytes) -> None:
                made.append(data)
                super().write(data)

        source.__class__ = Watched
        if stream._direct is not None:
            stream._direct = source


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> Sends:
    return Sends(monkeypatch)


class Client:
    """The other end of a served connection."""

    def __init__(self, application: web.Application, sends: Sends | None = None) -> None:
        ours, self.socket = socket.socketpair()
        self.socket.setblocking(False)
        self.stream = iostream.IOStream(ours)
        self.server = HTTPServer(application)
        self.server.handle_stream(self.stream, ("192.0.2.1", 1))
        if sends is not None:
            sends.watch(self.stream)

    async def read(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 1 << 20), SECONDS)

    async def read_until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            data = await self.read()
            assert data, f"closed after {received[-100:]!r}"
            received += data
        return received

    async def close(self) -> None:
        self.socket.close()
        await self.server.close_all_connections()


@pytest.fixture
async def connect(sends: Sends) -> AsyncIterator[Callable[[Do], Client]]:
    clients = []

    def connect(do: Do) -> Client:
        clients.append(Client(serving(do), sends))
        clients[-1].socket.send(GET)
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


# -- what is sent together, and when


async def test_a_burst_is_two_sends(connect: Callable[[Do], Client], sends: Sends) -> None:
    async def burst(handler: web.RequestHandler) -> None:
        for _ in range(50):
            await piece(handler, b"x")

    client = connect(burst)
    answer = await client.read_until(b"0\r\n\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == b"1\r\nx\r\n" * 50 + b"0\r\n\r\n"
    assert [send.count(b"x\r\n") for send in sends.made] == [1, 49]


async def test_flushes_now_and_then_are_sent_at_once(connect: Callable[[Do], Client], sends: Sends) -> None:
    async def slow(handler: web.RequestHandler) -> None:
        for number in range(3):
            sends.now += 0.0011  # no time for others: the loop has no turn
            await piece(handler, b"%d" % number)
            assert sends.made[-1].endswith(b"1\r\n%d\r\n" % number)

    await connect(slow).read_until(b"0\r\n\r\n")
    assert len(sends.made) == 4


async def test_what_was_collected_goes_out_when_the_millisecond_has_passed(connect: Callable[[Do], Client], sends: Sends) -> None:
    async def slow(handler: web.RequestHandler) -> None:
        for number in range(8):
            await piece(handler, bytes([97 + number]))
            sends.now += 0.0004

    await connect(slow).read_until(b"0\r\n\r\n")
    assert sends.made[1:] == [b"1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n", b"1\r\ne\r\n1\r\nf\r\n1\r\ng\r\n", b"1\r\nh\r\n0\r\n\r\n"]


async def test_a_piece_is_sent_when_its_handler_waits(connect: Callable[[Do], Client], sends: Sends) -> None:
    """Server-sent events, long polling, proxies: nobody waits for a flush that comes later, or never."""
    never, seen = asyncio.Event(), []

    async def stuck(handler: web.RequestHandler) -> None:
        for data in (b"one", b"two", b"three"):
            await piece(handler, data)
        seen.append(len(sends.made))
        asyncio.get_running_loop().call_soon(lambda: seen.append(len(sends.made)))
        await never.wait()

    client = connect(stuck)
    assert (await client.read_until(b"three\r\n")).count(b"\r\n3\r\n") == 2
    # Ahead of everything that was scheduled after it.
    assert seen == [1, 2]
    never.set()
    await client.read_until(b"0\r\n\r\n")


async def test_code_that_blocks_the_loop_holds_a_piece_up(connect: Callable[[Do], Client], sends: Sends) -> None:
    """The price of it; the first piece, or one that comes later than a millisecond after another, is not held up."""

    async def blocking(handler: web.RequestHandler) -> None:
        await two(handler)
        sends.now += 10  # time.sleep(10)
        assert sends.made[-1].endswith(b"\r\n3\r\none\r\n")
        await asyncio.sleep(0)
        assert sends.made[-1] == b"3\r\ntwo\r\n"

    await connect(blocking).read_until(b"0\r\n\r\n")


async def test_a_handler_that_flushes_in_each_turn_is_heard_in_each(connect: Callable[[Do], Client], sends: Sends) -> None:
    async def ticks(handler: web.RequestHandler) -> None:
        for number in range(5):
            await piece(handler, b"%d" % number)
            await asyncio.sleep(0)
            assert sends.made[-1].endswith(b"1\r\n%d\r\n" % number)

    await connect(ticks).read_until(b"0\r\n\r\n")


async def test_pieces_that_nothing_follows_in_their_turn_are_not_held_for_others(connect: Callable[[Do], Client], sends: Sends) -> None:
    """Each in its turn, most of them before `flush` returns; and a burst that comes then is collected again after a few."""
    at_once = []

    async def do(handler: web.RequestHandler) -> None:
        await piece(handler, b"start")
        for number in range(20):
            before = len(sends.made)
            await piece(handler, b"event %d" % number)
            at_once.append(len(sends.made) > before)
            await asyncio.sleep(0)
            assert b"event %d" % number in sends.made[-1]
        before = len(sends.made)
        for _ in range(50):
            await piece(handler, b"burst")
        assert len(sends.made) - before <= sending.ALONE + 1
        await asyncio.sleep(0)
        assert len(sends.made) - before <= sending.ALONE + 2

    client = connect(do)
    received = await client.read_until(b"0\r\n\r\n")
    assert received.count(b"burst") == 50
    assert sum(at_once) >= 15


async def test_large_pieces_are_sent_at_once(connect: Callable[[Do], Client], sends: Sends) -> None:
    async def large(handler: web.RequestHandler) -> None:
        await piece(handler, b"small")
        await piece(handler, b"small")
        await piece(handler, bytes(20_000))
        assert len(sends.made) == 3
        assert len(sends.made[-1]) == 20_000 + len(b"4e20\r\n\r\n")

    await connect(large).read_until(b"0\r\n\r\n")


async def test_others_have_a_turn_and_memory_a_bound(connect: Callable[[Do], Client], sends: Sends) -> None:
    others: list[str] = []

    async def much(handler: web.RequestHandler) -> None:
        asyncio.get_running_loop().call_soon(others.append, "turn")
        for _ in range(1000):
            await piece(handler, bytes(1000))
            if not others:
                stream = handler.request.connection.stream  # type: ignore[union-attr]
                assert sum(map(len, stream._collected or ())) < 140_000

    client = connect(much)
    received = 0
    while received < 1_000_000:
        received += len(await client.read())
    assert others
    assert len(sends.made) >= 8


# -- nothing is lost, nothing overtaken


async def two(handler: web.RequestHandler) -> None:
    await piece(handler, b"one")
    await piece(handler, b"two")


def stream_of(handler: web.RequestHandler) -> iostream.IOStream:
    connection = handler.request.connection
    assert isinstance(connection, HTTP1Connection)
    return connection.stream


async def closing(handler: web.RequestHandler) -> None:
    await two(handler)
    stream_of(handler).close()
    with pytest.raises(iostream.StreamClosedError):
        await handler.flush()


async def closing_the_connection(handler: web.RequestHandler) -> None:
    await two(handler)
    handler.request.connection.close()  # type: ignore[union-attr]
    handler._auto_finish = False


async def writing_past_it(handler: web.RequestHandler) -> None:
    await two(handler)
    assert stream_of(handler).write(b"5\r\nthree\r\n").done()
    handler.request.connection.close()  # type: ignore[union-attr]
    handler._auto_finish = False


async def writing_much_past_it(handler: web.RequestHandler) -> None:
    await two(handler)
    await stream_of(handler).write(memoryview(b"5\r\nthree\r\n" * 2000))
    handler.request.connection.close()  # type: ignore[union-attr]
    handler._auto_finish = False


async def detaching(handler: web.RequestHandler) -> None:
    await two(handler)
    stream = handler.detach()
    assert not stream.writing()
    await stream.write(b"5\r\nthree\r\n")
    stream.close()


async def failing(handler: web.RequestHandler) -> None:
    await two(handler)
    raise ZeroDivisionError


async def writing_too_much(handler: web.RequestHandler) -> None:
    handler.set_header("Content-Length", "6")
    await handler.flush()
    await two(handler)
    handler.write(b"!")
    await handler.flush()


@pytest.mark.parametrize(
    ("do", "end", "log"),
    [
        (closing, b"3\r\none\r\n3\r\ntwo\r\n", ()),
        (closing_the_connection, b"3\r\none\r\n3\r\ntwo\r\n", ()),
        (writing_past_it, b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n", ()),
        (writing_much_past_it, b"3\r\none\r\n3\r\ntwo\r\n" + b"5\r\nthree\r\n" * 2000, ()),
        (detaching, b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n", ()),
        (failing, b"3\r\none\r\n3\r\ntwo\r\n", ("Uncaught exception GET", "Cannot send error response")),
        (writing_too_much, b"\r\n\r\nonetwo", ("Uncaught exception GET", "Cannot send error response")),
    ],
)
async def test_nothing_is_lost_or_overtaken(connect: Callable[[Do], Client], logs: Any, do: Do, end: bytes, log: tuple[str, ...]) -> None:
    client, received = connect(do), b""
    while data := await client.read():
        received += data
    assert received.endswith(end)
    for line in log:
        logs.take("tornado.application" if line.startswith("Uncaught") else "tornado.general", line)


async def test_a_body_of_known_length_goes_out_with_its_end(connect: Callable[[Do], Client], sends: Sends) -> None:
    async def known(handler: web.RequestHandler) -> None:
        handler.set_header("Content-Length", "6")
        await two(handler)
        assert not handler._finished
        handler.finish()
        assert sends.made[-1].endswith(b"two")

    client = connect(known)
    await client.read_until(b"onetwo")
    client.socket.send(GET)  # and the connection is as good as before
    await client.read_until(b"onetwo")


async def test_back_pressure_holds(sends: Sends) -> None:
    stalled = asyncio.Event()
    most = [0]

    async def endless(handler: web.RequestHandler) -> None:
        stream = stream_of(handler)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for _ in range(2000):
            handler.write(bytes(1000))
            done = handler.flush()
            if not done.done() and not stream._write_futures:
                await done  # a turn for the others
            elif not done.done():
                stalled.set()
                await done
            most[0] = max(most[0], stream._unwritten())

    client = Client(serving(endless), sends)
    client.socket.send(GET)
    await asyncio.wait_for(stalled.wait(), SECONDS)
    assert client.stream._collected is None
    received = 0
    while received < 2_000_000:
        received += len(await client.read())
    assert most[0] < 300_000
    await client.close()


@pytest.mark.parametrize("waits", [True, False])
async def test_a_client_that_has_gone_is_noticed(waits: bool) -> None:
    """With and without turns for the loop between the flushes."""
    outcome: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    begun, gone = asyncio.Event(), asyncio.Event()
    closed = asyncio.Event()

    async def endless(handler: web.RequestHandler) -> None:
        handler.request.connection.set_close_callback(closed.set)  # type: ignore[union-attr]
        begun.set()
        await gone.wait()
        try:
            while True:
                await piece(handler, b"x" * 100)
                if waits:
                    await asyncio.sleep(0)
        except iostream.StreamClosedError as error:
            outcome.set_result(error)
            handler._auto_finish = False

    server = HTTPServer(serving(endless))
    listener, port = bind_unused_port()
    server.add_socket(listener)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    await asyncio.wait_for(begun.wait(), SECONDS)
    writer.transport.abort()
    gone.set()
    assert isinstance(await asyncio.wait_for(outcome, SECONDS), iostream.StreamClosedError)
    await asyncio.wait_for(closed.wait(), SECONDS)
    server.stop()
    await server.close_all_connections()


async def test_pieces_of_a_clients_body_arrive_before_it_waits() -> None:
    arrived = asyncio.Event()
    received: list[bytes] = []

    @web.stream_request_body
    class Upload(web.RequestHandler):
        def data_received(self, chunk: bytes) -> None:
            received.append(chunk)
            if sum(map(len, received)) == 30:
                arrived.set()

        def post(self) -> None:
            self.write(b"".join(received))

    async def body(write: Callable[[bytes], Any]) -> None:
        for number in range(3):
            await write(b"%d" % number * 10)
        await asyncio.wait_for(arrived.wait(), SECONDS)
        await write(b"end")

    server = HTTPServer(web.Application([(r"/", Upload)], log_function=lambda handler: None))
    listener, port = bind_unused_port()
    server.add_socket(listener)
    client = AsyncHTTPClient(force_instance=True)
    response = await client.fetch(f"http://127.0.0.1:{port}/", method="POST", body_producer=body)
    assert response.body == b"0" * 10 + b"1" * 10 + b"2" * 10 + b"end"
    client.close()
    server.stop()
    await server.close_all_connections()


# -- the same bytes


async def perform(handler: web.RequestHandler, steps: list[Any], length: bool) -> None:
    if length:
        handler.set_header("Content-Length", str(sum(step for step in steps if isinstance(step, int))))
    for number, step in enumerate(steps):
        if step == "turn":
            await asyncio.sleep(0)
        elif step == "empty":
            await handler.flush()
        elif step == "unawaited":
            handler.flush()
        else:
            handler.write(bytes([97 + number % 26]) * step)
            if number % 3:
                await handler.flush()


async def everything(requests: list[bytes], steps: list[Any], length: bool, gzip: bool) -> bytes:
    async def do(handler: web.RequestHandler) -> None:
        await perform(handler, steps, length)

    client, received = Client(serving(do, compress_response=gzip)), b""
    for request in requests:
        client.socket.send(request)
    while data := await client.read():
        received += data
    await client.close()
    return received


requests = st.lists(
    st.sampled_from(
        [
            GET,
            b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n",
        ]
    ),
    max_size=2,
)
steps = st.lists(st.one_of(st.integers(1, 50), st.sampled_from(["turn", "empty", "unawaited", 5000, 20_000, 70_000])), max_size=12)


@given(requests, steps, st.booleans(), st.booleans())
@example([b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"], [1, 1, 1, *[70_000] * 5, 1], False, False)  # the last answer, others asked
@settings(max_examples=80, deadline=None)
def test_the_same_bytes_as_one_by_one(wires: list[bytes], steps: list[Any], length: bool, gzip: bool) -> None:
    wires = [*wires, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http1connection, "_BURST_SECONDS", 1e9)
        together = asyncio.run(everything(wires, steps, length, gzip))
        patch.setattr(http1connection, "_BURST_SECONDS", -1)
        one_by_one = asyncio.run(everything(wires, steps, length, gzip))
    assert together == one_by_one


# -- answers to requests that were sent ahead


async def test_answers_to_requests_sent_ahead_go_out_together(connect: Callable[[Do], Client], sends: Sends) -> None:
    async def answer(handler: web.RequestHandler) -> None:
        handler.write(b"answer.")

    client = connect(answer)
    await client.read_until(b"answer.")
    sends.made.clear()
    client.socket.send(GET * 20)
    received = b""
    while received.count(b"answer.") < 20:
        received += await client.read()
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 20
    assert len(sends.made) <= 2, [len(send) for send in sends.made]


async def test_an_answer_does_not_wait_for_a_handler_that_waits(connect: Callable[[Do], Client], sends: Sends) -> None:
    """The second request is never answered; what was answered before it is not held back, and the close behind it is noticed."""
    begun: list[web.RequestHandler] = []

    async def answer(handler: web.RequestHandler) -> None:
        begun.append(handler)
        if len(begun) == 4:
            await asyncio.Event().wait()
        handler.write(b"answer.")

    client = connect(answer)
    await client.read_until(b"answer.")
    client.socket.send(GET * 5)
    received = b""
    while received.count(b"answer.") < 2:
        received += await client.read()
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2


async def test_answers_that_were_held_go_out_before_the_connection_closes(connect: Callable[[Do], Client], logs: Any) -> None:
    """The third request is no HTTP: the two before it are answered even so, in order, and then it is refused."""

    async def answer(handler: web.RequestHandler) -> None:
        handler.write(b"answer.")

    client = connect(answer)
    await client.read_until(b"answer.")
    client.socket.send(GET * 2 + b"what?\r\n\r\n" + GET)
    received = b""
    while data := await client.read():
        received += data
    assert received.count(b"answer.") == 2
    assert received.endswith(b"answer.HTTP/1.1 400 Bad Request\r\n\r\n")
    logs.take("tornado.general", "Malformed HTTP message")
