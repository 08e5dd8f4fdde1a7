"""curl_httpclient: what reaches the wire through libcurl, what comes back, and what must not survive a request."""

import asyncio
import base64
import contextlib
import contextvars
import gzip
import logging
import pathlib
import pickle
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import tornadolike
from tests.conftest import tool
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
        self.readers: list[asyncio.StreamReader] = []
        self.url = ""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.readers.append(reader)
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


async def test_streaming_callback_that_raises_gets_the_rest(server: Server, client: CurlAsyncHTTPClient, logs: Any) -> None:
    chunks: list[bytes] = []

    def consume(chunk: bytes) -> None:
        chunks.append(chunk)
        if len(chunks) == 1:
            raise LookupError("first")

    server.answers = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"]
    await client.fetch(server.url, streaming_callback=consume)
    assert chunks == [b"one", b"two"]
    logs.take("tornado.application", "Exception in callback <function .*consume")


HERE = pathlib.Path(tornadolike.__file__).parent
NGINX = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/f;
    uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
    server {{
        listen 127.0.0.1:{port} ssl http2; ssl_certificate {here}/testing.crt; ssl_certificate_key {here}/testing.key;
        location / {{ return 200 "$server_protocol"; }}
        location /gone {{ return 302 /; }}
        location /missing {{ return 404; }}
    }}
}}
"""


@pytest.fixture
def nginx(tmp_path: pathlib.Path) -> Iterator[str]:
    """The URL of a real nginx that speaks HTTP/2 over TLS."""
    program = tool("nginx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(directory=tmp_path, port=port, here=HERE))
    process = subprocess.Popen([program, "-c", str(configuration), "-p", str(tmp_path), "-e", str(tmp_path / "start.log")])
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
    yield f"https://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


async def test_http2_of_nginx(nginx: str, client: CurlAsyncHTTPClient) -> None:
    result = await client.fetch(nginx, validate_cert=False)
    assert (result.code, result.reason, result.body) == (200, "OK", b"HTTP/2.0")
    assert "X-Http-Reason" not in result.headers
    assert (await client.fetch(nginx + "/gone", validate_cert=False)).effective_url == nginx + "/"
    missing = await client.fetch(nginx + "/missing", validate_cert=False, raise_error=False)
    assert (missing.code, missing.reason, str(missing.error)) == (404, "Not Found", "HTTP 404: Not Found")


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.1 103 \r\nLink: </a>\r\n\r\nHTTP/1.1 200 "])
async def test_no_reason(server: Server, client: CurlAsyncHTTPClient, line: bytes) -> None:
    server.answers = [line + b"\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok"]
    result = await client.fetch(server.url)
    assert (result.code, result.reason, result.body) == (200, "OK", b"ok")
    assert dict(result.headers) == {"Content-Length": "2", "X-A": "b"}


async def test_reason_of_an_interim_response_is_not_the_final_ones(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"]
    assert (await client.fetch(server.url)).reason == "OK"


async def test_hooks_of_a_transfer_as_tornado_http2_extends_them(server: Server) -> None:
    calls: list[Any] = []

    class Client(CurlAsyncHTTPClient):
        def _curl_setup_request(self, curl: Any, request: Any, buffer: Any, headers: Any) -> None:
            super()._curl_setup_request(curl, request, buffer, headers)
            calls.append((request.url, buffer, headers))

        def _finish(self, curl: Any, curl_error: int | None = None, curl_message: str | None = None) -> None:
            if not curl_error and curl.getinfo(pycurl.HTTP_CODE) == 205:
                curl_error = pycurl.E_PARTIAL_FILE
            super()._finish(curl, curl_error=curl_error, curl_message=curl_message)

    client = Client(force_instance=True)
    server.answers = [OK, response("205 Reset Content")]
    result = await client.fetch(server.url)
    url, buffer, headers = calls[0]
    assert (url, buffer.buffer, headers) == (server.url, result.buffer, result.headers)
    with pytest.raises(CurlError) as caught:
        await client.fetch(server.url)
    assert (caught.value.errno, caught.value.message) == (pycurl.E_PARTIAL_FILE, "Unknown")
    client.close()


async def test_each_fetch_has_its_callers_context(server: Server, client: CurlAsyncHTTPClient) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    seen: list[tuple[str, str, str]] = []

    async def fetch(name: str) -> None:
        user.set(name)

        def note(what: str) -> None:
            seen.append((name, what, user.get()))

        await client.fetch(
            HTTPRequest(
                server.url,
                header_callback=lambda line: note("header"),
                streaming_callback=lambda chunk: note("chunk"),
                prepare_curl_callback=lambda curl: note("prepare"),
            )
        )

    await asyncio.gather(*(fetch(name) for name in "abc"))  # one slot: two of them wait
    assert {(name, what) for name, what, _ in seen} == {(name, what) for name in "abc" for what in ("header", "chunk", "prepare")}
    assert [row for row in seen if row[0] != row[2]] == []


async def test_what_a_callback_sets_is_there_for_the_next(server: Server, client: CurlAsyncHTTPClient) -> None:
    count: contextvars.ContextVar[int] = contextvars.ContextVar("count", default=0)
    counts: list[int] = []

    def step(_: object) -> None:
        count.set(count.get() + 1)
        counts.append(count.get())

    await client.fetch(server.url, header_callback=step, streaming_callback=step)
    async with asyncio.timeout(5):
        while len(counts) < 4:  # noqa: ASYNC110 - start line, a field, empty line; body
            await asyncio.sleep(0.001)
    assert (counts, count.get()) == ([1, 2, 3, 4], 0)


async def test_cancelling_a_running_fetch_ends_its_connection_and_frees_its_slot(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [None, OK]
    stuck = asyncio.ensure_future(client.fetch(server.url))
    async with asyncio.timeout(5):
        while not server.requests:  # noqa: ASYNC110 - the server's end of the test
            await asyncio.sleep(0.001)
        waits = client.fetch(server.url)
        stuck.cancel()
        assert (await waits).body == b"ok"
        with contextlib.suppress(ConnectionError):
            assert await server.readers[0].read() == b""
    assert stuck.cancelled()


async def test_cancelling_a_fetch_in_the_queue(server: Server, client: CurlAsyncHTTPClient) -> None:
    first, second, third = (client.fetch(f"{server.url}/{number}") for number in range(3))
    second.cancel()
    await asyncio.gather(first, third)
    assert [line for line, _, _ in server.requests] == ["GET /0 HTTP/1.1", "GET /2 HTTP/1.1"]


async def test_cancelling_while_it_is_being_prepared(server: Server, client: CurlAsyncHTTPClient) -> None:
    first = client.fetch(server.url)
    futures: list[Any] = []
    futures.append(client.fetch(server.url + "/second", prepare_curl_callback=lambda curl: futures[0].cancel()))
    await first
    await asyncio.wait(futures)
    assert futures[0].cancelled()
    assert (await client.fetch(server.url)).body == b"ok"
    assert len(server.requests) == 2


async def test_the_request_time_counts_from_fetch(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = [None]
    first = client.fetch(server.url, request_timeout=0.3)
    queued = client.fetch(server.url, request_timeout=0.1)
    partly = client.fetch(server.url, request_timeout=0.5)
    results = await asyncio.gather(first, queued, partly, return_exceptions=True)
    errors = [result for result in results if isinstance(result, CurlError)]
    assert [error.errno for error in errors] == [pycurl.E_OPERATION_TIMEDOUT] * 3
    assert errors[1].message == "Timeout in request queue"
    assert "after 1" in errors[2].message or "after 2" in errors[2].message  # milliseconds that were left


def test_errors_survive_pickling() -> None:
    error = CurlError(7, "refused")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args, vars(again), str(again)) == (CurlError, error.args, vars(error), str(error))


@pytest.mark.parametrize(
    ("path", "target"),
    [("/a b?c d", "/a%20b?c%20d"), ("/caf\xe9", "/caf%C3%A9"), ("/caf%C3%A9%20x", "/caf%C3%A9%20x"), ("/100%", "/100%25")],
)
async def test_request_targets_are_encoded_once(server: Server, client: CurlAsyncHTTPClient, path: str, target: str) -> None:
    await client.fetch(server.url + path)
    assert server.requests[-1][0] == f"GET {target} HTTP/1.1"


async def test_a_redirect_in_raw_utf8(server: Server, client: CurlAsyncHTTPClient) -> None:
    server.answers = ["HTTP/1.1 302 Found\r\nLocation: /caf\xe9?a b\r\nContent-Length: 0\r\n\r\n".encode(), OK]
    await client.fetch(server.url)
    assert server.requests[-1][0].startswith("GET /caf%")
    assert server.requests[-1][0].lower() == "get /caf%c3%a9?a%20b http/1.1" or "a+b" in server.requests[-1][0]


async def test_control_characters_in_a_url(server: Server, client: CurlAsyncHTTPClient) -> None:
    with pytest.raises(ValueError, match="Illegal character in url"):
        await client.fetch(server.url + "/a\tb")


async def test_paths_as_names_of_files(nginx: str, client: CurlAsyncHTTPClient) -> None:
    assert (await client.fetch(nginx, ca_certs=HERE / "testing.crt")).code == 200
    with pytest.raises(CurlError):
        await client.fetch(nginx)
