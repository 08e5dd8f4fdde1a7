"""What OctoPrint overrides in HTTP/1.1, to limit bodies by their path (octoprint 1.11, ``server/util/tornado.py``)."""

import re
import socket
from typing import Any

import pytest

from tornadolike import gen, http1connection, httpserver, httputil, iostream, netutil, web


class Connection(http1connection.HTTP1Connection):
    """Limits bodies by method and path."""

    def __init__(self, stream: Any, is_client: bool, params: Any = None, context: Any = None) -> None:
        super().__init__(stream, is_client, params=params, context=context)
        self.sizes = [("POST", re.compile("/large"), 1 << 20)]

    def _read_body(self, code: int, headers: Any, delegate: Any) -> Any:
        if "Content-Length" in headers:
            length = int(headers["Content-Length"])
            line: Any = self._request_start_line
            limit = next((size for method, path, size in self.sizes if method == line.method and path.match(line.path)), 100)
            if length > limit:
                raise httputil.HTTPInputError("Content-Length too long")
            return self._read_fixed_body(length, delegate)
        if headers.get("Transfer-Encoding") == "chunked":
            return self._read_chunked_body(delegate)
        return None


class ServerConnection(http1connection.HTTP1ServerConnection):
    """Uses that class."""

    @gen.coroutine
    def _server_request_loop(self, delegate: Any) -> Any:
        try:
            while True:
                connection = Connection(self.stream, False, self.params, self.context)
                request_delegate = delegate.start_request(self, connection)
                try:
                    going_on = yield connection.read_response(request_delegate)
                except (iostream.StreamClosedError, iostream.UnsatisfiableReadError):
                    return
                if not going_on:
                    return
                yield gen.moment
        finally:
            delegate.on_close(self)


class Server(httpserver.HTTPServer):
    def handle_stream(self, stream: Any, address: Any) -> None:
        context = httpserver._HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)
        connection = ServerConnection(stream, self.conn_params, context)
        self._connections.add(connection)
        connection.start_serving(self)


class Body(web.RequestHandler):
    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


@pytest.fixture
async def client(serve: Any) -> Any:
    site = serve([("/.*", Body)])
    server = Server(site.server.request_callback)
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    site.port = sockets[0].getsockname()[1]
    yield await site.client()
    server.stop()
    await server.close_all_connections()


def post(path: bytes, size: int) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path, size) + b"x" * size


async def test_its_limits_hold(client: Any, logs: Any) -> None:
    for _ in range(2):
        client.get()
        assert (await client.response())[1] == b"hello"
        client.send(post(b"/large", 300_000))
        assert (await client.response())[1] == b"300000"
        client.send(post(b"/small", 100))
        assert (await client.response())[1] == b"100"
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert (await client.response())[1] == b"5"
    client.send(post(b"/small", 101))
    assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
    logs.take("tornado.general", "Content-Length too long")


async def test_two_requests_at_once(client: Any) -> None:
    client.send(post(b"/small", 3) + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.response())[1] == b"3"
    assert (await client.response())[1] == b"hello"


async def test_a_class_that_would_not_be_asked_is_refused(monkeypatch: pytest.MonkeyPatch, serve: Any) -> None:
    monkeypatch.setattr(http1connection, "HTTP1Connection", Connection)
    site = serve([("/", Body)])
    ours, theirs = socket.socketpair()
    stream = iostream.IOStream(ours)
    with pytest.raises(TypeError, match="overrides how bodies are read"):
        site.server.handle_stream(stream, ("192.0.2.1", 1))
    site.server._connections.clear()
    stream.close()
    theirs.close()
