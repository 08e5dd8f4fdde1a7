"""Exchanges over a stream that is no socket: what reaches the delegate, what reaches the wire, how each ends."""

import asyncio
import gc
import gzip
import logging
from collections.abc import Awaitable
from typing import Any

import pytest

from tornadolike import httputil
from tornadolike._http1 import select
from tornadolike.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTP1ServerConnection,
    is_transfer_encoding_chunked,
    parse_hex_int,
    parse_int,
)
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import StreamClosedError


class MemoryStream:
    """The part of an IOStream that HTTP/1 uses: a consumer on one side, a list of bytes on the other."""

    max_buffer_size = 1000
    socket = None
    _collected: list[bytes] | None = None

    def __init__(self) -> None:
        self.written = b""
        self.consumer: Any = None
        self.paused = False
        self.error: Exception | None = None
        self.unread = b""
        self.unflushed: list[asyncio.Future[None]] | None = None
        self._closed = False
        self.io_loop = IOLoop.current()

    def _attach_consumer(self, consumer: Any) -> None:
        self.consumer = consumer
        waiting, self.unread = self.unread, b""
        if waiting:
            consumer.data_received(waiting)

    def _detach_consumer(self, unread: bytes = b"") -> None:
        self.consumer = None
        self.unread = unread

    def _pause_reading(self) -> None:
        self.paused = True

    def _resume_reading(self) -> None:
        self.paused = False

    def _write_now(self, data: bytes) -> bool:
        self.written += data
        return True

    def _send_collected(self) -> None:
        """There never is anything."""

    def _collect(self) -> None:
        """Here everything goes out at once."""

    def write(self, data: bytes) -> "asyncio.Future[None]":
        if self._closed:
            raise StreamClosedError
        self.written += data
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.unflushed is None:
            future.set_result(None)
        else:
            self.unflushed.append(future)
        return future

    def flush(self) -> None:
        waiting, self.unflushed = self.unflushed or [], None
        for future in waiting:
            future.set_result(None)

    def closed(self) -> bool:
        return self._closed

    def close(self, exc_info: Any = None) -> None:
        if not self._closed:
            self._closed = True
            if isinstance(exc_info, tuple):
                self.error = exc_info[1]
            if self.consumer is not None:
                consumer, self.consumer = self.consumer, None
                self.io_loop.add_callback(consumer.stream_closed)

    def receive(self, data: bytes) -> None:
        self.consumer.data_received(data)

    def set_nodelay(self, value: bool) -> None:
        self.nodelay = value

    def take(self) -> bytes:
        written, self.written = self.written, b""
        return written


class Recorder(httputil.HTTPMessageDelegate):
    """Writes down what it is told; ``waits`` are awaitables to return, by method."""

    def __init__(self, connection: Any = None, waits: dict[str, Awaitable[None]] | None = None) -> None:
        self.connection = connection
        self.waits = waits or {}
        self.calls: list[str] = []
        self.body = b""
        self.headers: httputil.HTTPHeaders | None = None
        self.start_line: Any = None
        self.on_finish: Any = None
        self.raises: str | None = None

    def _called(self, name: str) -> Any:
        self.calls.append(name)
        if self.raises == name:
            raise ZeroDivisionError(name)
        return self.waits.pop(name, None)

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Any:
        self.start_line, self.headers = start_line, headers
        return self._called("head")

    def data_received(self, chunk: bytes) -> Any:
        self.body += chunk
        return self._called("data")

    def finish(self) -> None:
        self._called("finish")
        if self.on_finish is not None:
            self.on_finish(self)

    def on_connection_close(self) -> None:
        self.calls.append("closed")


class Server(httputil.HTTPServerConnectionDelegate):
    """A server connection on a MemoryStream, its delegates kept for inspection."""

    def __init__(self, **params: Any) -> None:
        self.delegates: list[Recorder] = []
        self.closed = 0
        self.on_finish: Any = None
        self.raises: str | None = None
        self.waits: dict[str, Any] = {}
        self.stream = MemoryStream()
        self.connection = HTTP1ServerConnection(self.stream, HTTP1ConnectionParameters(**params), "peer")  # type: ignore[arg-type]
        self.connection.start_serving(self)

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> Recorder:
        delegate = Recorder(request_conn, self.waits)
        delegate.on_finish, delegate.raises = self.on_finish, self.raises
        self.delegates.append(delegate)
        return delegate

    def on_close(self, server_conn: object) -> None:
        self.closed += 1


@pytest.fixture(params=["h11", "httptools"], autouse=True)
def _engine(request: pytest.FixtureRequest) -> Any:
    select.set_default(request.param)
    yield
    select.set_default(None)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\n\r\n"


def respond(delegate: Recorder, body: bytes = b"ok", **fields: str) -> None:
    headers = httputil.HTTPHeaders({"Content-Length": str(len(body)), **fields})
    delegate.connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), headers, body)
    delegate.connection.finish()


def post(body: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(body), *fields, b"", body])


async def test_a_request_is_answered_and_the_next_one_read() -> None:
    server = Server()
    server.on_finish = respond
    for _ in range(2):
        server.stream.receive(GET)
        assert server.stream.take() == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert [delegate.calls for delegate in server.delegates] == [["head", "finish"]] * 2
    assert server.delegates[0].start_line == ("GET", "/", "HTTP/1.1")
    assert not server.stream.closed()


async def test_a_long_response_that_the_kernel_takes_at_once_lets_others_have_their_turn() -> None:
    server = Server()
    server.stream.receive(GET)
    connection = server.delegates[0].connection
    connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": str(64 << 14)}))
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 0)
    for number in range(64):
        written = connection.write(b"x" * (1 << 14))
        if not turns:
            assert written.done() == (number < 7), "128 KiB are taken without a pause"
        await written
    assert turns == [0]
    connection.finish()
    assert len(server.stream.take()) > 1 << 20


async def test_requests_sent_ahead_are_answered_in_order_one_at_a_time() -> None:
    server = Server()
    server.stream.receive(GET * 3)
    for number in (1, 2, 3):
        assert len(server.delegates) == number
        respond(server.delegates[-1], b"%d" % number)
        await asyncio.sleep(0)
    assert [line for line in server.stream.take().split(b"\r\n") if line in (b"1", b"2", b"3") or line.endswith(b"OK")]
    assert len(server.delegates) == 3


async def test_a_flood_of_requests_sent_ahead_pauses_reading() -> None:
    server = Server(max_header_size=100)
    server.stream.receive(GET)
    server.stream.receive(GET * 10)
    assert server.stream.paused
    for _ in range(11):
        respond(server.delegates[-1])
        await asyncio.sleep(0)
    assert not server.stream.paused
    assert len(server.delegates) == 11


async def test_the_next_request_waits_until_the_response_is_flushed() -> None:
    server = Server()
    server.stream.unflushed = []
    server.stream.receive(GET * 2)
    respond(server.delegates[0])
    await asyncio.sleep(0)
    assert len(server.delegates) == 1
    server.stream.flush()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(server.delegates) == 2


@pytest.mark.parametrize(
    ("request_head", "field", "closes"),
    [
        (GET, b"", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"Connection: close\r\n", True),
        (b"GET / HTTP/1.0\r\n\r\n", b"", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"Connection: Keep-Alive\r\n", False),
        (b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"", True),
    ],
)
async def test_keep_alive(request_head: bytes, field: bytes, closes: bool) -> None:
    server = Server()
    server.stream.receive(request_head)
    respond(server.delegates[0])
    assert server.stream.take() == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + field + b"\r\nok"
    assert server.stream.closed() is closes
    await asyncio.sleep(0)
    assert server.closed == closes


async def test_no_keep_alive_closes() -> None:
    server = Server(no_keep_alive=True)
    server.stream.receive(GET)
    respond(server.delegates[0])
    assert b"Connection: close\r\n" in server.stream.take()
    assert server.stream.closed()


@pytest.mark.parametrize("how", ["close", "Close", "CLOSE, X-Other"])
async def test_a_handler_that_announces_close_gets_it(how: str) -> None:
    server = Server()
    server.stream.receive(GET)
    respond(server.delegates[0], Connection=how)
    assert server.stream.closed()
    written = server.stream.written.split(b"\r\n")
    assert [line for line in written if line.startswith(b"Connection:")] == [b"Connection: " + how.encode()]


async def test_small_writes_are_not_held_back() -> None:
    assert Server().stream.nodelay


async def test_nothing_pipelined_behind_close_is_served() -> None:
    server = Server()
    server.stream.receive(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    respond(server.delegates[0])
    await asyncio.sleep(0)
    assert len(server.delegates) == 1


async def test_chunked_response_of_unknown_length() -> None:
    server = Server()
    server.stream.receive(GET)
    connection = server.delegates[0].connection
    connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders(), b"hel")
    connection.write(b"lo")
    connection.finish()
    assert server.stream.take() == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"


@pytest.mark.parametrize("length", [None, "5"])
async def test_a_body_that_broke_off_does_not_look_complete(length: str | None) -> None:
    """RFC 9112 §8. With a length its end speaks for itself."""
    server = Server()
    server.stream.receive(GET + GET)
    connection = server.delegates[0].connection
    headers = httputil.HTTPHeaders() if length is None else httputil.HTTPHeaders({"Content-Length": length})
    connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), headers, b"hello")
    connection._break_off()
    connection.finish()
    await asyncio.sleep(0)
    assert server.stream.take().endswith(b"\r\n5\r\nhello\r\n" if length is None else b"\r\n\r\nhello")
    assert server.stream.closed() is (length is None)
    assert len(server.delegates) == (1 if length is None else 2)


async def test_body_and_limits(logs: Any) -> None:
    server = Server(max_body_size=5)
    server.stream.receive(post(b"hello"))
    assert server.delegates[0].body == b"hello"
    respond(server.delegates[0])
    server.stream.take()
    server.stream.receive(post(b"hello!"))
    logs.take("tornado.general", "Malformed HTTP message from peer: Content-Length too long", logging.INFO)
    assert server.stream.take() == REFUSED
    assert server.stream.closed()
    assert server.delegates[1].calls == ["head", "closed"]


async def test_a_limit_set_for_one_request_is_gone_with_it(logs: Any) -> None:
    server = Server(max_body_size=5)
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    server.waits = {"head": waiting}
    server.stream.receive(post(b"hello, world"))
    server.delegates[0].connection.set_max_body_size(20)
    waiting.set_result(None)
    await asyncio.sleep(0)
    assert server.delegates[0].body == b"hello, world"
    respond(server.delegates[0])
    server.stream.receive(post(b"hello, world"))
    logs.take("tornado.general", "Content-Length too long")


@pytest.mark.parametrize("method", ["head", "data"])
async def test_a_delegate_that_wants_time_stops_the_input(method: str) -> None:
    server = Server(chunk_size=2)
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    server.waits = {method: waiting}
    server.stream.receive(post(b"hello, ") + b"")
    server.stream.receive(GET)
    delegate = server.delegates[0]
    assert server.stream.paused
    assert delegate.calls == (["head"] if method == "head" else ["head", "data"])
    waiting.set_result(None)
    await asyncio.sleep(0)
    assert delegate.body == b"hello, "
    assert delegate.calls[-1] == "finish"
    assert not server.stream.paused
    respond(delegate)
    await asyncio.sleep(0)
    assert len(server.delegates) == 2


async def test_a_coroutine_is_as_good_as_a_future() -> None:
    async def soon() -> None:
        await asyncio.sleep(0)

    server = Server()
    server.waits = {"head": soon(), "data": soon()}
    server.stream.receive(post(b"hello"))
    for _ in range(8):
        await asyncio.sleep(0)
    assert server.delegates[0].calls == ["head", "data", "finish"]


async def test_continue_is_sent_once_the_head_was_accepted() -> None:
    server = Server()
    server.stream.receive(post(b"hello", b"Expect: 100-continue")[:-5])
    assert server.stream.take() == b"HTTP/1.1 100 (Continue)\r\n\r\n"
    server.stream.receive(b"hello")
    assert server.delegates[0].body == b"hello"


async def test_no_continue_before_a_refusal(logs: Any) -> None:
    server = Server(max_body_size=2)
    server.stream.receive(post(b"hello", b"Expect: 100-continue")[:-5])
    logs.take("tornado.general", "Content-Length too long")
    assert server.stream.take() == REFUSED


@pytest.mark.parametrize("method", ["head", "data", "finish"])
async def test_an_error_of_the_delegate_is_logged_and_closes(method: str, logs: Any) -> None:
    server = Server()
    server.raises = method
    server.stream.receive(post(b"hello"))
    logs.take("tornado.application", "Uncaught exception", logging.ERROR)
    assert server.stream.closed()
    assert server.delegates[0].calls[-1] == "closed"
    await asyncio.sleep(0)
    assert server.closed == 1


async def test_a_bad_request_is_answered_logged_once_and_closed(logs: Any) -> None:
    server = Server()
    server.stream.receive(b"garbage\r\n\r\n")
    logs.take("tornado.general", "Malformed HTTP message from peer: Malformed HTTP request line", logging.INFO)
    assert server.stream.take() == REFUSED
    assert server.stream.closed()
    await asyncio.sleep(0)
    assert server.closed == 1


async def test_a_head_over_the_limit(logs: Any) -> None:
    server = Server(max_header_size=100)
    server.stream.receive(b"GET / HTTP/1.1\r\nX: " + b"a" * 100)
    logs.take("tornado.general", "Unsatisfiable read, closing connection: header section larger than 100 bytes", logging.INFO)
    assert server.stream.take() == b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert server.stream.closed()


async def test_an_answer_before_the_body_is_read_closes() -> None:
    server = Server()
    server.stream.receive(post(b"hello")[:-3])
    respond(server.delegates[0])
    assert server.delegates[0].calls == ["head", "data"]
    await asyncio.sleep(0)
    assert server.stream.closed()
    assert server.delegates[0].calls == ["head", "data", "closed"]


async def test_the_peer_leaves_while_sending_or_while_waiting() -> None:
    called: list[int] = []
    server = Server()
    server.stream.receive(post(b"hello")[:-3])
    server.delegates[0].connection.set_close_callback(lambda: called.append(0))
    server.stream.close()
    await asyncio.sleep(0)
    assert server.delegates[0].calls[-1] == "closed"
    assert called == []
    server = Server()
    server.stream.receive(GET)
    server.delegates[0].connection.set_close_callback(lambda: called.append(1))
    server.stream.close()
    await asyncio.sleep(0)
    assert called == [1]
    assert server.delegates[0].calls == ["head", "finish"]
    failed = server.delegates[0].connection.write(b"x")
    with pytest.raises(StreamClosedError):
        await failed


async def test_too_much_or_too_little_output(logs: Any) -> None:
    for body, text in (
        (b"hello!", "Tried to write more data than Content-Length"),
        (b"he", "Tried to write 3 bytes less than Content-Length"),
    ):
        server = Server()
        server.stream.receive(GET)
        connection = server.delegates[0].connection
        headers = httputil.HTTPHeaders({"Content-Length": "5"})

        def write(connection: Any = connection, headers: Any = headers, body: bytes = body) -> None:
            connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), headers, body)
            connection.finish()

        with pytest.raises(httputil.HTTPOutputError, match=text):
            write()
        assert server.stream.closed()


async def test_a_header_that_cannot_be_sent_closes() -> None:
    server = Server()
    server.stream.receive(GET)
    headers = httputil.HTTPHeaders({"X": "a"})
    headers._lists["X"] = ["a\r\nY: b"]
    with pytest.raises(ValueError, match="Illegal characters"):
        server.delegates[0].connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), headers)
    assert server.stream.closed()
    assert server.stream.take() == b""


async def test_writing_on_after_too_much_output_fails_quietly() -> None:
    server = Server()
    server.stream.receive(GET)
    connection = server.delegates[0].connection
    connection.write_headers(httputil.ResponseStartLine("", 200, "OK"), httputil.HTTPHeaders({"Content-Length": "1"}))
    with pytest.raises(httputil.HTTPOutputError):
        connection.write(b"too much")
    with pytest.raises(StreamClosedError):
        await connection.write(b"more")
    connection.finish()


async def test_body_timeout(logs: Any) -> None:
    server = Server(body_timeout=0.01)
    server.stream.receive(post(b"hello")[:-3])
    closed = asyncio.Event()
    server.on_close = lambda _: closed.set()  # type: ignore[method-assign]
    await asyncio.wait_for(closed.wait(), 5)
    logs.take("tornado.general", "Timeout reading body from peer", logging.INFO)


async def test_idle_timeout_counts_from_the_last_exchange() -> None:
    server = Server(header_timeout=0.05)
    closed = asyncio.Event()
    server.on_close = lambda _: closed.set()  # type: ignore[method-assign]
    server.stream.receive(GET)
    loop = asyncio.get_running_loop()
    await asyncio.wait({loop.run_in_executor(None, closed.is_set)})
    begin = loop.time()
    respond(server.delegates[0])
    await asyncio.wait_for(closed.wait(), 5)
    assert loop.time() - begin >= 0.045


async def test_decompressed_requests() -> None:
    server = Server(decompress=True, chunk_size=4)
    server.stream.receive(post(gzip.compress(b"hello, world"), b"Content-Encoding: gzip"))
    delegate = server.delegates[0]
    assert delegate.body == b"hello, world"
    assert delegate.headers is not None
    assert delegate.headers["X-Consumed-Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in delegate.headers


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (gzip.compress(b"x" * 2000), "decompressed body too large"),
        (b"plain", "invalid gzip data"),
        (gzip.compress(b"hello")[:-3], "invalid gzip data"),
    ],
)
async def test_bad_gzip(data: bytes, text: str, logs: Any) -> None:
    server = Server(decompress=True, max_body_size=1000)
    server.stream.receive(post(data, b"Content-Encoding: gzip"))
    logs.take("tornado.general", f"Malformed HTTP message from peer: {text}", logging.INFO)
    assert server.stream.take() == REFUSED
    assert server.delegates[0].calls[-1] == "closed"


async def test_detach_gives_the_stream_with_what_came_behind() -> None:
    server = Server()
    server.stream.receive(GET + b"\x81\x00")
    connection = server.delegates[0].connection
    assert connection.detach() is server.stream
    assert connection.stream is None
    assert server.stream.unread == b"\x81\x00"
    assert server.closed == 1
    assert not server.stream.closed()


async def test_close_waits_for_the_delegate_to_be_told() -> None:
    server = Server()
    server.stream.receive(GET)
    await server.connection.close()
    assert server.closed == 1


async def test_exchanges_leave_no_reference_cycles() -> None:
    server = Server()
    server.on_finish = respond
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            server.stream.receive(GET)
            server.delegates.clear()
        assert gc.collect() == 0
    finally:
        gc.enable()


# -- as a client


def client(**params: Any) -> tuple[MemoryStream, HTTP1Connection]:
    stream = MemoryStream()
    return stream, HTTP1Connection(stream, True, HTTP1ConnectionParameters(**params))  # type: ignore[arg-type]


def send(connection: HTTP1Connection, method: str = "GET", body: bytes = b"", **fields: str) -> None:
    headers = httputil.HTTPHeaders({"Host": "a", **fields})
    connection.write_headers(httputil.RequestStartLine(method, "/x", ""), headers, body)
    connection.finish()


async def test_a_client_writes_a_request_and_reads_the_response() -> None:
    stream, connection = client()
    send(connection)
    assert stream.take() == b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    delegate = Recorder()
    done = connection.read_response(delegate)
    stream.receive(b"HTTP/1.1 200 Fine\r\nContent-Length: 5\r\n\r\nhel")
    stream.receive(b"lo")
    assert await done is True
    assert delegate.start_line == ("HTTP/1.1", 200, "Fine")
    assert delegate.body == b"hello"
    assert stream.consumer is None
    assert connection._reusable()


async def test_a_request_body_of_unknown_length_is_chunked() -> None:
    stream, connection = client()
    send(connection, "POST", b"hi")
    assert stream.take() == b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"


@pytest.mark.parametrize("tail", [b"Connection: close\r\nContent-Length: 0\r\n\r\n", b"Content-Length: 0\r\n\r\nmore"])
async def test_connections_that_are_not_reusable(tail: bytes) -> None:
    stream, connection = client()
    send(connection)
    done = connection.read_response(Recorder())
    stream.receive(b"HTTP/1.1 200 OK\r\n" + tail)
    assert await done is True
    assert not connection._reusable()


async def test_interim_responses_reach_the_delegate_and_are_counted(logs: Any) -> None:
    stream, connection = client()
    send(connection)
    delegate = Recorder()
    done = connection.read_response(delegate)
    stream.receive(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10)
    assert delegate.calls == ["head"] * 10
    stream.receive(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert await done is False
    logs.take("tornado.general", "Malformed HTTP message from None: Too many 1xx responses")
    assert stream.closed()


async def test_a_body_until_close_and_a_connection_lost() -> None:
    stream, connection = client()
    send(connection)
    delegate = Recorder()
    done = connection.read_response(delegate)
    stream.receive(b"HTTP/1.1 200 OK\r\n\r\nhello")
    stream.close()
    assert await done is True
    assert delegate.calls == ["head", "data", "finish"]
    stream, connection = client()
    send(connection)
    delegate = Recorder()
    done = connection.read_response(delegate)
    stream.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
    stream.close()
    with pytest.raises(StreamClosedError):
        await done
    assert delegate.calls[-1] == "closed"


async def test_a_malformed_response_is_logged_and_told(logs: Any) -> None:
    stream, connection = client()
    send(connection)
    delegate = Recorder()
    done = connection.read_response(delegate)
    stream.receive(b"nonsense\r\n\r\n")
    assert await done is False
    logs.take("tornado.general", "Malformed HTTP message from None: Error parsing response start line")
    assert delegate.calls == ["closed"]


async def test_a_client_can_detach_in_headers_received() -> None:
    stream, connection = client()
    send(connection)
    delegate = Recorder()
    delegate.headers_received = lambda *_: connection.detach() and None  # type: ignore[method-assign, assignment]
    done = connection.read_response(delegate)
    stream.receive(b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes")
    assert await done is False
    assert stream.unread == b"frames"
    assert not stream.closed()


@pytest.mark.parametrize("value", ["+5", "-5", "5.0", "1_0", " 5", "", "\u0665"])
def test_integers_are_ascii_digits(value: str) -> None:
    with pytest.raises(ValueError, match="not an integer"):
        parse_int(value)
    with pytest.raises(ValueError, match="not a hexadecimal integer"):
        parse_hex_int("g" + value)
    assert parse_int("05") == 5
    assert parse_hex_int("fF") == 255


def test_is_transfer_encoding_chunked() -> None:
    assert not is_transfer_encoding_chunked(httputil.HTTPHeaders())
    assert is_transfer_encoding_chunked(httputil.HTTPHeaders({"Transfer-Encoding": "Chunked"}))
    for fields in ({"Transfer-Encoding": "gzip"}, {"Transfer-Encoding": "chunked", "Content-Length": "1"}):
        with pytest.raises(httputil.HTTPInputError):
            is_transfer_encoding_chunked(httputil.HTTPHeaders(fields))


@pytest.mark.parametrize(
    "request_head",
    [
        GET,
        GET.replace(b"GET", b"HEAD"),
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ],
)
@pytest.mark.parametrize("status", [200, 302, 404, 500])
async def test_a_head_serialised_beforehand_is_the_one_that_would_be_made(request_head: bytes, status: int) -> None:
    """The short way through write_headers() against the long one."""
    written = []
    for ready in (True, False):
        server = Server()
        server.stream.receive(request_head)
        headers = httputil.HTTPHeaders._from_wire([(b"Server", b"x"), (b"Content-Length", b"2")])
        if ready:
            headers._ready = (status, b"Server: x\r\nContent-Length: 2\r\n", 2)
        connection = server.delegates[0].connection
        chunk = b"" if request_head.startswith(b"HEAD") else b"ok"
        connection.write_headers(httputil._STANDARD_START_LINES[status], headers, chunk)
        connection.finish()
        written.append((server.stream.take(), server.stream.closed(), list(headers.get_all())))
    assert written[0] == written[1]


async def test_a_head_serialised_beforehand_is_forgotten_when_headers_change() -> None:
    server = Server()
    server.stream.receive(GET)
    headers = httputil.HTTPHeaders._from_wire([(b"Content-Length", b"2")])
    headers._ready = (200, b"Content-Length: 2\r\n", 2)
    headers["X-More"] = "y"
    server.delegates[0].connection.write_headers(httputil._STANDARD_START_LINES[200], headers, b"ok")
    assert server.stream.take() == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-More: y\r\n\r\nok"


async def test_a_head_serialised_beforehand_is_for_one_status_and_reason() -> None:
    """A transform may change the status after the lines were made; a reason of one's own is not in them."""
    for line in (httputil._STANDARD_START_LINES[404], httputil.ResponseStartLine("", 200, "Fine")):
        server = Server()
        server.stream.receive(GET)
        headers = httputil.HTTPHeaders._from_wire([(b"Content-Length", b"2")])
        headers._ready = (200, b"Content-Length: 2\r\n", 2)
        server.delegates[0].connection.write_headers(line, headers, b"ok")
        assert server.stream.take() == f"HTTP/1.1 {line.code} {line.reason}\r\nContent-Length: 2\r\n\r\nok".encode()
