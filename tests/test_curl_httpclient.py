"""curl_httpclient: what reaches the wire through libcurl, what comes back, and what must not survive a request."""

import asyncio
import base64
import gzip
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tornadolike import gen
from tornadolike.httpclient import HTTPRequest

pycurl = pytest.importorskip("pycurl")

from tornadolike.curl_httpclient import CurlAsyncHTTPClient, CurlError, _CurlStreamingBuffer, curl_log  # noqa: E402 - needs pycurl

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers the n-th request with the n-th answer (the last one for all that follow) and notes the requests. None: no answer."""

    def __init__(self) -> None:
        self.answers: list[bytes | None] = [OK]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.url = ""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                await self.one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").strip().split("\r\n")
        fields = {name.lower(): value for name, value in (field.split(": ", 1) for field in lines)}
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append((line, fields, body))
        if answer is not None:
            writer.write(answer)
        await writer.drain()

    @property
    def fields(self) -> dict[str, str]:
        return self.requests[-1][1]


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{server.port}"
    yield server
    listener.close()
    for writer in server.writers:
        writer.transport.abort()
    await asyncio.sleep(0)


def make_client(**options: Any) -> CurlAsyncHTTPClient:
    client = CurlAsyncHTTPClient(force_instance=True, **options)
    assert isinstance(client, CurlAsyncHTTPClient)
    return client


@pytest.fixture
async def client() -> AsyncIterator[CurlAsyncHTTPClient]:
    client = make_client(max_clients=1)  # one handle: each request gets it as the one before left it
    yield client
    client.close()


def response(status: str, *fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]).encode("latin1") + body


async def test_least_request(server: Server, client: CurlAsyncHTTPClient) -> None:
    result = await client.fetch(server.url)
    assert (result.code, result.reason, result.body, result.effective_url) == (200, "OK", b"ok", server.url + "/")
    assert server.requests[0][0] == "GET / HTTP/1.1"
    assert server.fields == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "Mozilla/5.0 (compatible; pycurl)",
        "accept": "*/*",
        "accept-encoding": "gzip,deflate",
    }
    assert set(result.time_info) > {"queue", "total", "connect"}
    assert result.request_time is not None
    assert result.start_time is not None


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"method": "HEAD"}, "HEAD"),
        ({"method": "DELETE"}, "DELETE"),
        ({"method": "OPTIONS"}, "OPTIONS"),
        ({"method": "POST", "body": "ü"}, "POST"),
        ({"method": "PUT", "body": "ü"}, "PUT"),
        ({"method": "PATCH", "body": "ü"}, "PATCH"),
        ({"method": "DELETE", "body": "ü", "allow_nonstandard_methods": True}, "DELETE"),
        ({"method": "PURGE", "allow_nonstandard_methods": True}, "PURGE"),
        ({"method": "POST", "allow_nonstandard_methods": True}, "POST"),
    ],
)
async def test_methods_one_after_the_other(server: Server, client: CurlAsyncHTTPClient, options: dict[str, Any], line: str) -> None:
    server.answers = [response("200 OK")]
    await client.fetch(server.url + "/x", **options)
    await client.fetch(server.url)
    assert server.requests[0][0] == f"{line} /x HTTP/1.1"
    assert server.requests[0][2] == options.get("body", "").encode()
    assert server.requests[1][0] == "GET / HTTP/1.1"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"method": "PURGE"}, KeyError),
        ({"method": "A\r\nX: y", "allow_nonstandard_methods": True}, ValueError),
        ({"method": "POST"}, ValueError),
        ({"body": b"x"}, ValueError),
        ({"body": b"x", "allow_nonstandard_methods": True}, ValueError),
        ({"headers": {"A": "b\nC: d"}}, ValueError),
        ({"headers": {"A\rB": "c"}}, ValueError),
        ({"user_agent": "a\r\nX: y"}, ValueError),
        ({"url": "http://localhost/\r\nX: y"}, ValueError),
        ({"auth_username": "a", "auth_password": "b", "auth_mode": "x"}, ValueError),
        ({"proxy_host": "localhost", "proxy_port": 1, "proxy_auth_mode": "x"}, ValueError),
        ({"ssl_options": {}}, ValueError),
        ({"url": "ftp://localhost/"}, CurlError),
        ({"network_interface": "no-such-thing"}, CurlError),
    ],
)
async def test_what_cannot_be_sent(server: Server, client: CurlAsyncHTTPClient, options: dict[str, Any], error: type[Exception]) -> None:
    options = dict(options)
    with pytest.raises(error):
        await client.fetch(options.pop("url", server.url), **options)
    assert server.requests == []
    assert (await client.fetch(server.url)).body == b"ok"


async def test_streaming_callback_must_be_a_function(server: Server, client: CurlAsyncHTTPClient) -> None:
    async def native(chunk: bytes) -> None: ...

    @gen.coroutine
    def generator(chunk: bytes) -> Any: ...

    for callback in (native, generator):
        with pytest.raises(TypeError, match="async streaming_callbacks"):
            await client.fetch(server.url, streaming_callback=callback)


async def test_headers(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [response("200 Fine so far", "X-A: 1", "X-A: 2", "X-B: \xe4")]
    lines: list[str] = []
    result = await client.fetch(server.url, headers={"X-Mine": "ä"}, user_agent="me", header_callback=lines.append)
    assert (server.fields["x-mine"], server.fields["user-agent"]) == ("\xe4", "me")
    assert result.reason == "Fine so far"
    assert result.headers.get_list("X-A") == ["1", "2"]
    assert result.headers["X-B"] == "\xe4"
    assert lines[0] == "HTTP/1.1 200 Fine so far\r\n"
    assert lines[-1] == "\r\n"


async def test_malformed_header(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [b"HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 0\r\n\r\n", OK]
    with pytest.raises(CurlError) as caught:
        await client.fetch(server.url)
    assert caught.value.errno == pycurl.E_WRITE_ERROR
    assert "X A" in str(caught.value) or "header" in str(caught.value).lower()
    assert (await client.fetch(server.url)).body == b"ok"


async def test_redirect(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [response("302 Found", "Location: /next", "X-Only: here", body=b"x" * 50), OK]
    result = await client.fetch(server.url + "/first")
    assert result.effective_url == server.url + "/next"
    assert result.body == b"ok"
    assert "X-Only" not in result.headers
    server.answers = [response("302 Found", "Location: ftp://localhost/")]
    with pytest.raises(CurlError):
        await client.fetch(server.url)


async def test_not_following_redirects(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [response("302 Found", "Location: /next")]
    assert (await client.fetch(server.url, follow_redirects=False, raise_error=False)).code == 302


async def test_limit_of_body(server: Server) -> None:
    client = make_client(max_body_size=10, max_clients=1)
    received: list[bytes] = []
    for body, fields in ((b"x" * 11, ()), (gzip.compress(b"x" * 1000), ("Content-Encoding: gzip",))):
        server.answers = [response("200 OK", *fields, body=body)]
        for callback in (None, received.append):
            with pytest.raises(CurlError, match="body exceeded max_body_size of 10 bytes"):
                await client.fetch(server.url, streaming_callback=callback)
    assert sum(map(len, received)) <= 20
    server.answers = [response("200 OK", body=b"x" * 10)]
    assert (await client.fetch(server.url)).body == b"x" * 10
    client.close()


async def test_timeout(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [None, OK]
    with pytest.raises(CurlError) as caught:
        await client.fetch(server.url, request_timeout=0.0001)
    assert (caught.value.code, caught.value.errno) == (599, pycurl.E_OPERATION_TIMEDOUT)


async def test_queue(server: Server, client: CurlAsyncHTTPClient) -> None:
    results = await asyncio.gather(*[client.fetch(server.url) for _ in range(3)])
    assert [result.body for result in results] == [b"ok"] * 3
    assert results[2].time_info["queue"] > 0


async def test_nothing_survives_a_request(server: Server, client: CurlAsyncHTTPClient) -> None:
    prepared: list[Any] = []
    await client.fetch(
        server.url,
        headers={"X-Secret": "1"},
        auth_username="me",
        auth_password="pw",
        user_agent="first",
        decompress_response=False,
        network_interface="127.0.0.1",
        prepare_curl_callback=lambda curl: (prepared.append(curl), curl.setopt(pycurl.REFERER, "http://secret.example/")),
    )
    first = server.fields
    assert first["authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()
    assert (first["referer"], first["user-agent"], "accept-encoding" in first) == ("http://secret.example/", "first", False)
    await client.fetch(server.url)
    assert {"authorization", "x-secret", "referer"}.isdisjoint(server.fields)
    assert len(prepared) == 1


async def test_nothing_survives_a_request_that_could_not_start(server: Server, client: CurlAsyncHTTPClient) -> None:
    with pytest.raises(ValueError, match="ssl_options"):
        await client.fetch(server.url, auth_username="me", auth_password="pw", headers={"X-Secret": "1"}, ssl_options={})
    await client.fetch(server.url)
    assert {"authorization", "x-secret"}.isdisjoint(server.fields)


async def test_proxy(server: Server, client: CurlAsyncHTTPClient) -> None:
    options = {"proxy_host": "127.0.0.1", "proxy_port": server.port}
    await client.fetch("http://elsewhere.example/a", **options, proxy_username="me", proxy_password="pw")
    assert server.requests[0][0] == "GET http://elsewhere.example/a HTTP/1.1"
    assert server.fields["proxy-authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()
    await client.fetch("http://elsewhere.example/b", **options)
    assert "proxy-authorization" not in server.fields
    await client.fetch(server.url)
    assert server.requests[-1][0] == "GET / HTTP/1.1"


async def test_digest_authentication(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [response("401 Who?", 'WWW-Authenticate: Digest realm="r", nonce="n"'), OK]
    assert (await client.fetch(server.url, auth_mode="digest", auth_username="me", auth_password="pw")).body == b"ok"
    assert server.fields["authorization"].startswith('Digest username="me"')


async def test_callback_that_raises(server: Server, client: CurlAsyncHTTPClient, logs: Any) -> None:
    def fail(result: Any) -> None:
        called.set()
        raise LookupError("nobody home")

    called = asyncio.Event()
    client.fetch_impl(HTTPRequest(server.url, connect_timeout=5, request_timeout=5, max_redirects=1), fail)
    await asyncio.wait_for(called.wait(), 5)
    logs.take("tornado.application", "Exception in callback")
    assert (await client.fetch(server.url)).body == b"ok"


async def test_debug_log_shows_the_exchange(server: Server, client: CurlAsyncHTTPClient) -> None:
    records: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    handler, before = Collector(), curl_log.level
    curl_log.addHandler(handler)
    curl_log.setLevel(logging.DEBUG)
    try:
        await client.fetch(server.url, method="POST", body=b"data", auth_username="me", auth_password="hidden")
    finally:
        curl_log.setLevel(before)
        curl_log.removeHandler(handler)
    assert f"POST {server.url} (username: 'me')" in records
    assert "> POST / HTTP/1.1" in records
    assert "< HTTP/1.1 200 OK" in records


async def test_closing_with_a_transfer_under_way(server: Server) -> None:
    server.answers = [None]
    client = make_client(max_clients=1)
    first, waiting = client.fetch(server.url), client.fetch(server.url)
    for _ in range(500):
        if server.requests:
            break
        await asyncio.sleep(0.01)
    assert len(server.requests) == 1
    client.close()
    client.close()
    assert not first.done()
    assert not waiting.done()
    assert client._watched_fds == set()


async def test_closing_in_a_callback(server: Server) -> None:
    client = make_client()
    closed = asyncio.Event()

    def close(result: Any) -> None:
        client.close()
        closed.set()

    client.fetch_impl(HTTPRequest(server.url, connect_timeout=5, request_timeout=5, max_redirects=1), close)
    await asyncio.wait_for(closed.wait(), 5)
    with pytest.raises(RuntimeError, match="closed"):
        client.fetch(server.url)


class FakeCurl:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.resumed = 0

    def pause(self, flags: int) -> None:
        assert flags == pycurl.PAUSE_CONT
        if self.error is not None:
            raise self.error
        self.resumed += 1


class FakeClient:
    def __init__(self) -> None:
        self.io_loop = self
        self.max_body_size = 100
        self.scheduled: list[Any] = []
        self.timeouts: list[int] = []

    def add_callback(self, callback: Any) -> None:
        self.scheduled.append(callback)

    def _set_timeout(self, msecs: int) -> None:
        self.timeouts.append(msecs)


def make_buffer(curl: FakeCurl, chunks: list[bytes]) -> tuple[Any, FakeClient]:
    client = FakeClient()
    buffer = _CurlStreamingBuffer(client, curl, chunks.append)  # type: ignore[arg-type]
    buffer.max_buffer_size = 4
    return buffer, client


def test_streaming_buffer_pauses_and_resumes() -> None:
    curl, chunks = FakeCurl(), []  # type: ignore[var-annotated]
    buffer, client = make_buffer(curl, chunks)
    assert buffer.write(b"one") == 3
    assert buffer.write(b"two") == 3
    assert buffer.write(b"three") == pycurl.WRITEFUNC_PAUSE
    assert client.scheduled == [buffer.flush]
    assert chunks == []
    buffer.flush()
    assert (chunks, curl.resumed, client.timeouts, buffer.paused) == ([b"one", b"two"], 1, [0], False)
    assert buffer.write(b"three") == 5


def test_streaming_buffer_after_the_end() -> None:
    curl, chunks = FakeCurl(), []  # type: ignore[var-annotated]
    buffer, _ = make_buffer(curl, chunks)
    buffer.write(b"12345")
    buffer.write(b"again")
    buffer.finish()
    buffer.flush()
    assert (chunks, curl.resumed) == ([b"12345"], 0)


def test_streaming_buffer_whose_transfer_failed() -> None:
    buffer, client = make_buffer(FakeCurl(pycurl.error(pycurl.E_WRITE_ERROR, "x")), [])
    buffer.write(b"12345")
    buffer.write(b"again")
    buffer.flush()
    assert client.timeouts == []


def test_streaming_callback_that_raises_gets_the_rest(logs: Any) -> None:
    chunks: list[bytes] = []

    def consume(chunk: bytes) -> None:
        chunks.append(chunk)
        if len(chunks) == 1:
            raise LookupError("first")

    buffer = _CurlStreamingBuffer(FakeClient(), FakeCurl(), consume)  # type: ignore[arg-type]
    buffer.write(b"one")
    buffer.write(b"two")
    buffer.flush()
    assert chunks == [b"one", b"two"]
    logs.take("tornado.application", "Exception in callback")
