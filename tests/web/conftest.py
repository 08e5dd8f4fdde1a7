"""Handlers driven without a socket: a request in, what the connection was told out."""

import asyncio
import zlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tornadolike import httputil, web


class Context:
    remote_ip = "192.0.2.7"
    protocol = "http"


class Connection(httputil.HTTPConnection):
    """Remembers the response."""

    context = Context()

    def __init__(self) -> None:
        self.start_line: Any = None
        self.headers: Any = None
        self.pieces: list[bytes] = []
        self.close_callback: Any = None
        self.finished = asyncio.Event()

    def set_close_callback(self, callback: Any) -> None:
        self.close_callback = callback

    def write_headers(self, start_line: Any, headers: Any, chunk: bytes | None = None) -> Any:
        assert self.start_line is None, "two heads"
        assert isinstance(headers, httputil.HTTPHeaders)
        self.start_line, self.headers = start_line, headers
        return self.write(chunk or b"")

    def write(self, chunk: bytes) -> Any:
        self.pieces.append(chunk)
        written = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written

    def finish(self) -> None:
        assert not self.finished.is_set(), "finished twice"
        self.finished.set()

    def detach(self) -> str:
        return "the stream"

    @property
    def status(self) -> int:
        return int(self.start_line.code)

    @property
    def reason(self) -> str:
        return str(self.start_line.reason)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def text(self) -> str:
        return self.body.decode()

    def gunzipped(self) -> bytes:
        return zlib.decompress(self.body, 31)


Headers = dict[str, str] | list[tuple[str, str]]
Ask = Callable[..., Coroutine[Any, Any, Connection]]


def start(app: web.Application, uri: str, method: str, headers: Headers, body: bytes) -> Connection:
    connection = Connection()
    fields = httputil.HTTPHeaders({"Host": "example.test"})
    for name, value in headers.items() if isinstance(headers, dict) else headers:
        if name.lower() == "host":
            fields[name] = value
        else:
            fields.add(name, value)
    line = httputil.RequestStartLine(method, uri, "HTTP/1.1")
    delegate = app.start_request(object(), connection)
    delegate.headers_received(line, fields)
    if body:
        delegate.data_received(body)
    delegate.finish()
    return connection


@pytest.fixture
def begin() -> Callable[..., Connection]:
    """``begin(app_or_handler, uri)``: send a request and return the connection without waiting for the response."""

    def begin(
        app: web.Application | type, uri: str = "/", method: str = "GET", headers: Headers = (), body: bytes = b"", **settings: Any
    ) -> Connection:
        if isinstance(app, type):
            app = web.Application([(r"/.*", app)], **settings)
        return start(app, uri, method, headers or {}, body)

    return begin


@pytest.fixture
def ask(begin: Callable[..., Connection]) -> Ask:
    """``await ask(app_or_handler, uri, method=, headers=, body=, **settings)``: a request, and its whole response."""

    async def ask(*args: Any, **kwargs: Any) -> Connection:
        connection = begin(*args, **kwargs)
        await asyncio.wait_for(connection.finished.wait(), 5)
        return connection

    return ask
