"""Requests to a server whose answers cost nothing."""

import asyncio
import gzip
import io
from collections.abc import Callable
from typing import Any

from tornadolike._bench.works.registry import Coroutine, calls, sibling, work


async def _canned(answer: bytes) -> tuple[Any, int]:
    """A server that answers each piece it is sent with the same bytes, as cheaply as asyncio has it."""

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(answer)

    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def _fetched(name: str, head: bytes, content: bytes, together: int = 1, **how: Any) -> None:
    @work(f"simple_httpclient: {name}")
    def make(module: Any) -> Coroutine:
        client = module.SimpleAsyncHTTPClient(force_instance=True, max_clients=100)
        answer = b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(content) + content

        async def run(n: int) -> None:
            server, port = await _canned(answer)
            for _ in range((n + together - 1) // together):
                if "streaming_callback" in how:
                    how["streaming_callback"] = [].append
                fetches = [client.fetch(f"http://127.0.0.1:{port}/", **how) for _ in range(together)]
                for one in fetches:
                    assert (await one).code == 200
            server.close()

        return run


_BODY = b"x" * 1000


def _response(httpclient: Any) -> Callable[[], object]:
    httputil = sibling(httpclient, "httputil")
    request = httpclient.HTTPRequest("http://a/")
    headers = httputil.HTTPHeaders({"A": "b"})

    def once() -> object:
        return httpclient.HTTPResponse(request, 200, headers=headers, buffer=io.BytesIO(b"x")).body

    return once


_fetched("GET", b"", _BODY)
_fetched("GET, 20 at once", b"", _BODY, 20)
_fetched("POST", b"", _BODY, method="POST", body=b"y" * 500)
_fetched("GET, gzip", b"Content-Encoding: gzip\r\n", gzip.compress(_BODY * 20))
_fetched("GET, streamed", b"", _BODY * 100, streaming_callback=id)
_fetched(
    "GET, with fields",
    b"Set-Cookie: a=b\r\nX-A: b\r\n",
    _BODY,
    headers={"Accept": "text/html", "X-B": "c"},
    auth_username="a",
    auth_password="b",
)
calls("httpclient: HTTPRequest, POST", lambda m: lambda f=m.HTTPRequest: f("http://a/b", method="POST", body="x=1", headers={"A": "b"}))
calls("httpclient: HTTPRequest", lambda m: lambda f=m.HTTPRequest: f("http://a/", headers={"A": "b"}, body=None, request_timeout=5))
calls("httpclient: HTTPResponse", _response)
