"""The port between an application and whatever carries its requests: `httputil.HTTPConnection`, on HTTP/1.1 and on ASGI."""

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, Protocol

import pytest

from tornadolike import asgi, httputil
from tornadolike.httpserver import HTTPServer
from tornadolike.iostream import StreamClosedError
from tornadolike.netutil import bind_sockets

OK = httputil.ResponseStartLine("", 200, "OK")


class Got(NamedTuple):
    """What a client got: ``complete`` says whether it can tell that the answer is whole."""

    status: int
    fields: dict[str, str]
    body: bytes
    complete: bool


class Client(Protocol):
    async def request(self, method: str = "GET", body: bytes = b"", announced: int | None = None) -> None: ...
    async def response(self) -> Got: ...
    def leave(self) -> None: ...


class HTTP1Client:
    """A client of our own server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def request(self, method: str = "GET", body: bytes = b"", announced: int | None = None) -> None:
        length = len(body) if announced is None else announced
        self._method = method
        self._writer.write(b"%b / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (method.encode(), length, body))

    async def response(self) -> Got:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        status = int(head[0].split()[1])
        if self._method == "HEAD" or status in (204, 304):
            return Got(status, fields, b"", True)
        body, complete = b"", True
        try:
            if fields.get("transfer-encoding") == "chunked":
                while size := int(await self._reader.readuntil(b"\r\n"), 16):
                    body += (await self._reader.readexactly(size + 2))[:-2]
            elif "content-length" in fields:
                body = await self._reader.readexactly(int(fields["content-length"]))
            else:
                body = await self._reader.read()
        except asyncio.IncompleteReadError as error:
            body, complete = body + error.partial, False
        return Got(status, fields, body, complete)

    def leave(self) -> None:
        self._writer.transport.abort()


class ASGIClient:
    """A server of others, and its client."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent: list[dict[str, Any]] = []
        self.task: asyncio.Task[None] | None = None

    async def request(self, method: str = "GET", body: bytes = b"", announced: int | None = None) -> None:
        length = len(body) if announced is None else announced
        headers = [(b"host", b"a"), (b"content-length", b"%d" % length)]
        scope = {"type": "http", "http_version": "1.1", "method": method, "path": "/", "headers": headers, "client": ("127.0.0.1", 1)}
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": len(body) < length})
        self.task = asyncio.ensure_future(self._app(scope, self._messages.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self._sent.append({**message})

    async def response(self) -> Got:
        assert self.task is not None
        with contextlib.suppress(asgi.ResponseIncomplete):
            await self.task
        start, *pieces = self._sent
        fields = {name.decode(): value.decode() for name, value in start["headers"]}
        complete = bool(pieces) and not pieces[-1]["more_body"]
        return Got(start["status"], fields, b"".join(piece["body"] for piece in pieces), complete)

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


class Delegate(httputil.HTTPMessageDelegate):
    """Notes what it is told, and calls the test's function when the request is complete."""

    def __init__(self, notes: list[Any], connection: Any, run: Callable[[Any], Any]) -> None:
        self.notes, self.connection, self.run = notes, connection, run

    def headers_received(self, start_line: Any, headers: Any) -> Awaitable[None] | None:
        self.notes.append(("head", start_line.method))
        prepare = getattr(self.run, "prepare", None)
        if prepare is not None:
            prepare(self.connection)
        return None

    def data_received(self, chunk: bytes) -> None:
        self.notes.append(("data", bytes(chunk)))

    def finish(self) -> None:
        self.notes.append(("end",))
        self.run(self.connection)

    def on_connection_close(self) -> None:
        self.notes.append(("closed",))


class Port:
    """One carrier under test."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.notes: list[Any] = []
        self.connections: list[Any] = []
        self._server: HTTPServer | None = None
        self._clients: list[Any] = []

    async def client(self, run: Callable[[Any], Any]) -> Client:
        port = self

        class Application(httputil.HTTPServerConnectionDelegate):
            def start_request(self, server_conn: object, request_conn: Any) -> Delegate:
                port.connections.append(request_conn)
                return Delegate(port.notes, request_conn, run)

        client: Any
        if self.kind == "asgi":
            client = ASGIClient(asgi.ASGIAdapter(Application()))
        else:
            self._server = HTTPServer(Application())
            sockets = bind_sockets(0, "127.0.0.1")
            self._server.add_sockets(sockets)
            client = HTTP1Client(*await asyncio.open_connection("127.0.0.1", sockets[0].getsockname()[1]))
        self._clients.append(client)
        return client  # type: ignore[no-any-return]  # one of the two

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - what is waited for happens inside the code under test
                await asyncio.sleep(0.001)

    async def close(self) -> None:
        for client in self._clients:
            client.leave()
            task = getattr(client, "task", None)
            if task is not None:
                await asyncio.wait([task], timeout=5)
                assert isinstance(task.exception(), asgi.ResponseIncomplete | None)
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()


@pytest.fixture(params=["http1", "asgi"])
async def port(request: Any) -> AsyncIterator[Port]:
    made = Port(request.param)
    yield made
    await made.close()


def fields(**values: str) -> httputil.HTTPHeaders:
    return httputil.HTTPHeaders({name.replace("_", "-"): value for name, value in values.items()})


async def test_a_whole_answer(port: Port) -> None:
    def answer(connection: Any) -> None:
        connection.write_headers(OK, fields(Content_Length="5", X_Mine="1"), b"hello")
        connection.finish()

    client = await port.client(answer)
    await client.request("POST", b"abc")
    got = await client.response()
    assert (got.status, got.body, got.complete, got.fields["content-length"], got.fields["x-mine"]) == (200, b"hello", True, "5", "1")
    assert port.notes == [("head", "POST"), ("data", b"abc"), ("end",)]


@pytest.mark.parametrize("length", [None, "6"])
async def test_an_answer_in_pieces(port: Port, length: str | None) -> None:
    def answer(connection: Any) -> None:
        connection.write_headers(OK, fields(Content_Length=length) if length else fields())
        for piece in (b"one", b"two"):
            connection.write(piece)
        connection.finish()

    client = await port.client(answer)
    await client.request()
    got = await client.response()
    assert (got.body, got.complete) == (b"onetwo", True)


async def test_the_futures_are_done_when_more_may_be_written(port: Port) -> None:
    done: list[bool] = []

    def answer(connection: Any) -> None:
        async def run() -> None:
            await connection.write_headers(OK, fields())
            for _ in range(5):
                await connection.write(b"x" * 100_000)
                done.append(True)
            connection.finish()

        tasks.append(asyncio.ensure_future(run()))

    tasks: list[Any] = []
    client = await port.client(answer)
    await client.request()
    assert len((await client.response()).body) == 500_000
    assert len(done) == 5


async def test_an_exchange_ends_once(port: Port) -> None:
    def answer(connection: Any) -> None:
        connection.write_headers(OK, fields(Content_Length="2"), b"ok")
        connection.finish()
        connection.finish()

    client = await port.client(answer)
    await client.request()
    assert (await client.response()).body == b"ok"


async def test_head_has_the_length_and_no_body(port: Port) -> None:
    def answer(connection: Any) -> None:
        connection.write_headers(OK, fields(Content_Length="5"))
        connection.finish()

    client = await port.client(answer)
    await client.request("HEAD")
    got = await client.response()
    assert (got.fields["content-length"], got.body, got.complete) == ("5", b"", True)


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(port: Port, status: int) -> None:
    def answer(connection: Any) -> None:
        connection.write_headers(httputil.ResponseStartLine("", status, "x"), fields())
        connection.finish()

    client = await port.client(answer)
    await client.request()
    got = await client.response()
    assert (got.status, got.body, got.complete) == (status, b"", True)


async def test_a_body_that_is_broken_off(port: Port) -> None:
    def answer(connection: Any) -> None:
        connection.write_headers(OK, fields(), b"part")
        connection._break_off()
        connection.finish()

    client = await port.client(answer)
    await client.request()
    got = await client.response()
    assert (got.body, got.complete) == (b"part", False)


@pytest.mark.parametrize("body", [b"much too long", b"x"])
async def test_more_and_less_than_was_announced(port: Port, body: bytes) -> None:
    raised: list[BaseException] = []

    def answer(connection: Any) -> None:
        try:
            connection.write_headers(OK, fields(Content_Length="5"))
            connection.write(body)
            connection.finish()
        except httputil.HTTPOutputError as error:
            raised.append(error)

    client = await port.client(answer)
    await client.request()
    await port.until(lambda: raised)
    assert str(raised[0]) == f"Tried to write {'more data than' if len(body) > 5 else '4 bytes less than'} Content-Length"


async def test_fields_that_would_break_out_of_their_line(port: Port) -> None:
    raised: list[BaseException] = []

    def answer(connection: Any) -> None:
        headers = fields()
        headers["X"] = "a\r\nb: c"
        try:
            connection.write_headers(OK, headers)
        except ValueError as error:
            raised.append(error)

    client = await port.client(answer)
    await client.request()
    await port.until(lambda: raised)
    assert "Illegal characters" in str(raised[0])


async def test_a_client_that_leaves_before_the_answer_is_told_once(port: Port) -> None:
    called: list[str] = []

    def answer(connection: Any) -> None:
        connection.set_close_callback(lambda: called.append("left"))

    client = await port.client(answer)
    await client.request()
    await port.until(lambda: ("end",) in port.notes)
    client.leave()
    await port.until(lambda: called)
    connection = port.connections[0]
    with pytest.raises(StreamClosedError):
        await connection.write_headers(OK, fields())
    assert called == ["left"]
    assert ("closed",) not in port.notes


async def test_a_client_that_leaves_in_its_body_is_told_to_the_delegate(port: Port) -> None:
    def answer(connection: Any) -> None:
        raise AssertionError("the request is not complete")

    client = await port.client(answer)
    await client.request("POST", b"ab", 10)
    await port.until(lambda: ("data", b"ab") in port.notes)
    client.leave()
    await port.until(lambda: ("closed",) in port.notes)


async def test_after_the_answer_nobody_is_told(port: Port) -> None:
    called: list[str] = []

    def answer(connection: Any) -> None:
        connection.set_close_callback(lambda: called.append("left"))
        connection.write_headers(OK, fields(Content_Length="2"), b"ok")
        connection.finish()

    client = await port.client(answer)
    await client.request()
    await client.response()
    client.leave()
    for _ in range(10):
        await asyncio.sleep(0.001)
    assert called == []
    assert ("closed",) not in port.notes


async def test_a_limit_for_one_body(port: Port, logs: Any) -> None:
    def answer(connection: Any) -> None:
        raise AssertionError("it was too long")

    answer.prepare = lambda connection: connection.set_max_body_size(10)  # type: ignore[attr-defined]  # for Delegate
    client = await port.client(answer)
    await client.request("POST", b"x" * 11)
    assert (await client.response()).status == 400
    logs.take("tornado.general", "Malformed HTTP message from 127.0.0.1")


async def test_a_time_for_one_body(port: Port, logs: Any) -> None:
    def answer(connection: Any) -> None:
        raise AssertionError("it is not complete")

    answer.prepare = lambda connection: connection.set_body_timeout(0.01)  # type: ignore[attr-defined]  # for Delegate
    client = await port.client(answer)
    await client.request("POST", b"x", 10)
    await port.until(lambda: ("closed",) in port.notes)
    logs.take("tornado.general", "Timeout reading body from 127.0.0.1")


async def test_who_is_at_the_other_end(port: Port) -> None:
    seen: list[Any] = []

    def answer(connection: Any) -> None:
        context = connection.context
        seen.append((context.remote_ip, context.protocol, str(context), connection.stream.closed()))
        connection.write_headers(OK, fields(Content_Length="0"))
        connection.finish()

    client = await port.client(answer)
    await client.request()
    await client.response()
    assert seen == [("127.0.0.1", "http", "127.0.0.1", False)]


async def test_all_that_is_called_runs_in_the_context_of_the_request(port: Port) -> None:
    variable = contextvars.ContextVar("variable", default="")
    seen: list[str] = []

    def prepare(connection: Any) -> None:
        variable.set("of this request")

    def answer(connection: Any) -> None:
        seen.append(variable.get())
        connection.set_close_callback(lambda: seen.append(variable.get()))
        seen.append(connection._request_context.get(variable))

    answer.prepare = prepare  # type: ignore[attr-defined]  # for Delegate
    client = await port.client(answer)
    await client.request("POST", b"x")
    await port.until(lambda: seen)
    client.leave()
    await port.until(lambda: len(seen) == 3)
    assert seen == ["of this request"] * 3
    assert variable.get() == ""
