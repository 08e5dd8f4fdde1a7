"""simple_httpclient against a server that says, byte for byte, what the test wants it to say."""

import asyncio
import contextlib
import contextvars
import functools
import gc
import gzip
import logging
import pathlib
import socket
import ssl
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import tornadolike
from tornadolike import simple_httpclient, web
from tornadolike.httpclient import HTTPClient, HTTPError, HTTPRequest
from tornadolike.httputil import HTTPHeaders, ResponseStartLine
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import UnsatisfiableReadError
from tornadolike.netutil import Resolver
from tornadolike.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient, _HTTPConnection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HERE = pathlib.Path(tornadolike.__file__).parent


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> tuple[bytes, bytes]:
        head = await self.head()
        length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        return head, await self.reader.readexactly(int(length[0])) if length else b""

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def gone(self) -> None:
        with contextlib.suppress(ConnectionError):
            assert await self.reader.read() == b""


Script = Callable[[Peer], Awaitable[None]]


class Server:
    """Runs one script after the other, one for each connection (the last one for all that follow), and notes what was asked."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.errors: list[BaseException] = []
        self.tasks: set[Any] = set()
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.url = ""

    def answer(self, *answers: bytes, close: bool = False) -> None:
        """A script: each answer to one request."""

        async def script(peer: Peer) -> None:
            for answer in answers:
                head, body = await peer.request()
                self.heads.append(head + body)
                peer.send(answer)
            if not close:
                await peer.gone()

        self.scripts.append(script)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        self.writers.append(writer)
        try:
            await script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client hung up between two requests
        except AssertionError as e:
            self.errors.append(e)
        finally:
            writer.close()

    def fields(self, index: int = -1) -> HTTPHeaders:
        return HTTPHeaders.parse(self.heads[index].decode("latin1").split("\r\n\r\n")[0].partition("\r\n")[2])

    def line(self, index: int = -1) -> str:
        return self.heads[index].decode("latin1").partition("\r\n")[0]


def forever(answer: bytes) -> Script:
    """A script: the same answer to every request."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            peer.send(answer)

    return script


@contextlib.asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
    yield server
    listener.close()
    for writer in server.writers:
        writer.transport.abort()
    await asyncio.gather(*server.tasks)
    assert server.errors == []


@pytest.fixture
async def server() -> Any:
    async with serving() as server:
        yield server


@contextlib.contextmanager
def closing(client: SimpleAsyncHTTPClient) -> Any:
    try:
        yield client
    finally:
        client.close()


def make_client(**options: Any) -> Any:
    return closing(SimpleAsyncHTTPClient(force_instance=True, **options))


@pytest.fixture
async def client() -> Any:
    with make_client() as client:
        yield client


def response(status: str, *fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]).encode("latin1") + body


# What is sent


async def test_least_request(server: Any, client: Any) -> None:
    server.answer(OK)
    result = await client.fetch(server.url)
    assert (result.code, result.reason, result.body) == (200, "OK", b"ok")
    assert server.line() == "GET / HTTP/1.1"
    assert dict(server.fields()) == {
        "Connection": "close",
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": f"Tornado/{tornadolike.version}",
        "Accept-Encoding": "gzip",
    }
    assert (result.effective_url, result.time_info) == (server.url, {})
    assert 0 <= result.request_time < 5


async def test_post(server: Any, client: Any) -> None:
    server.answer(OK)
    await client.fetch(server.url + "/a?b=c", method="POST", body="ü", user_agent="me", decompress_response=False)
    assert server.line() == "POST /a?b=c HTTP/1.1"
    assert server.heads[0].endswith("\r\n\r\nü".encode())
    fields = server.fields()
    assert (fields["Content-Length"], fields["Content-Type"], fields["User-Agent"]) == ("2", "application/x-www-form-urlencoded", "me")
    assert "Accept-Encoding" not in fields


async def test_header_values_may_be_bytes(server: Any, client: Any) -> None:
    server.answer(OK)
    await client.fetch(server.url, headers={"X-A": "ä".encode(), "X-B": "b"})
    assert b"X-A: \xe4\r\nX-B: b\r\n" in server.heads[0]


@pytest.mark.parametrize("userinfo", ["anna:pw@", ""])
async def test_basic_authentication(server: Any, client: Any, userinfo: str) -> None:
    server.answer(OK)
    options = {} if userinfo else {"auth_username": "anna", "auth_password": "pw"}
    await client.fetch(server.url.replace("//", f"//{userinfo}"), **options)
    assert server.fields()["Authorization"] == "Basic YW5uYTpwdw=="
    assert server.fields()["Host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "ftp://localhost/"}, ValueError),
        ({"url": "http://localhost:x/"}, ValueError),
        ({"method": "PURGE"}, KeyError),
        ({"method": "A\r\nX: y", "allow_nonstandard_methods": True}, ValueError),
        ({"headers": {"A": "b\r\nC: d"}}, ValueError),
        ({"headers": {"A\nB": "c"}}, ValueError),
        ({"user_agent": "a\nb"}, ValueError),
        ({"method": "POST"}, ValueError),
        ({"method": "GET", "body": b"x"}, ValueError),
        ({"auth_username": "a", "auth_mode": "digest"}, ValueError),
        ({"network_interface": "eth0"}, ValueError),
        ({"proxy_host": "proxy"}, NotImplementedError),
    ],
)
async def test_what_cannot_be_sent_is_raised(server: Any, client: Any, options: dict[str, Any], error: type[Exception]) -> None:
    server.answer(OK)
    options = dict(options)
    with pytest.raises(error):
        await client.fetch(options.pop("url", server.url), **options)
    assert server.heads == []
    assert client.active == {}


async def test_body_producer(server: Any, client: Any) -> None:
    async def producer(write: Callable[[bytes], Any]) -> None:
        await write(b"one")
        await write(b"two")

    async def script(peer: Peer) -> None:
        server.heads.append(await peer.head())
        server.heads.append(await peer.reader.readuntil(b"0\r\n\r\n"))
        peer.send(OK)

    server.scripts.append(script)
    await client.fetch(server.url, method="POST", body_producer=producer)
    assert server.fields(0)["Transfer-Encoding"] == "chunked"
    assert server.heads[1] == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


async def test_failing_body_producer(server: Any, client: Any) -> None:
    def producer(write: Callable[[bytes], Any]) -> None:
        raise RuntimeError("nothing to say")

    server.answer(OK)
    with pytest.raises(RuntimeError, match="nothing to say"):
        await client.fetch(server.url, method="PUT", body_producer=producer)


async def test_body_waits_for_100_continue(server: Any, client: Any) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.head())
        # Twice is once too often, but must not send the body twice.
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        seen.append(await peer.reader.readexactly(4))
        peer.send(OK)
        await peer.gone()

    server.scripts.append(script)
    await client.fetch(server.url, method="POST", body=b"body", expect_100_continue=True)
    assert b"\r\nExpect: 100-continue\r\n" in seen[0]
    assert seen[1] == b"body"


async def test_refusal_instead_of_100_continue(server: Any, client: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(response("417 No"))
        await peer.gone()

    server.scripts.append(script)
    result = await client.fetch(server.url, method="POST", body=b"body", expect_100_continue=True, raise_error=False)
    assert result.code == 417


# What comes back


async def test_callbacks(server: Any, client: Any) -> None:
    server.answer(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + response("200 Fine", "X-A: 1", "X-A: 2", body=b"hello"))
    lines: list[str] = []
    chunks: list[bytes] = []
    result = await client.fetch(server.url, header_callback=lines.append, streaming_callback=chunks.append)
    assert lines[:3] == ["HTTP/1.1 103 Early Hints\r\n", "Link: x\r\n", "\r\n"]
    assert lines[3:] == ["HTTP/1.1 200 Fine\r\n", "X-A: 1\r\n", "X-A: 2\r\n", "Content-Length: 5\r\n", "\r\n"]
    assert b"".join(chunks) == b"hello"
    assert (result.body, result.reason) == (b"", "Fine")


async def test_streaming_callback_holds_reading_back(server: Any, client: Any) -> None:
    running = 0

    async def consume(chunk: bytes) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        received.append(chunk)

    received: list[bytes] = []
    server.answer(response("200 OK", body=b"x" * 300_000))
    await client.fetch(server.url, streaming_callback=consume)
    assert len(received) > 1
    assert b"".join(received) == b"x" * 300_000


async def test_gzip(server: Any, client: Any) -> None:
    server.answer(response("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"plain")))
    assert (await client.fetch(server.url)).body == b"plain"


async def test_limits(server: Any, logs: Any) -> None:
    with make_client(max_body_size=10, max_header_size=200) as client:
        server.answer(response("200 OK", body=b"x" * 10))
        assert (await client.fetch(server.url)).body == b"x" * 10
        server.answer(response("200 OK", body=b"x" * 11))
        with pytest.raises(HTTPStreamClosedError):
            await client.fetch(server.url)
        logs.take("tornado.general", "Malformed HTTP message from None: Content-Length too long")
        server.answer(response("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"x" * 11)))
        with pytest.raises(HTTPStreamClosedError):
            await client.fetch(server.url, streaming_callback=lambda chunk: None)
        logs.take("tornado.general", "Malformed HTTP message from None: (Content-Length too long|decompressed body too large)")
        server.answer(response("200 OK", "X-Long: " + "x" * 200))
        with pytest.raises(UnsatisfiableReadError):
            await client.fetch(server.url)
        logs.take("tornado.general", "Unsatisfiable read")


async def test_body_until_close(server: Any, client: Any) -> None:
    server.answer(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True)
    assert (await client.fetch(server.url)).body == b"all of it"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123"])
async def test_connection_lost(server: Any, client: Any, start: bytes) -> None:
    server.answer(start, close=True)
    with pytest.raises(HTTPStreamClosedError) as caught:
        await client.fetch(server.url, raise_error=False)
    assert caught.value.code == 599


async def test_reset_in_the_middle_is_reported(server: Any, client: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123")
        await peer.writer.drain()
        await asyncio.wait_for(arrived.wait(), 5)
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.writer.transport.abort()

    arrived = asyncio.Event()
    server.scripts.append(script)
    with pytest.raises((ConnectionResetError, HTTPStreamClosedError)):
        await client.fetch(server.url, streaming_callback=lambda chunk: arrived.set())


async def test_too_many_interim_responses(server: Any, client: Any, logs: Any) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    server.answer(hint * 10 + OK)
    assert (await client.fetch(server.url)).body == b"ok"
    server.answer(hint * 11 + OK)
    with pytest.raises(HTTPStreamClosedError):
        await client.fetch(server.url)
    logs.take("tornado.general", "Too many 1xx responses")


@pytest.mark.parametrize("name", ["header_callback", "streaming_callback"])
async def test_failing_callback_fails_the_request(server: Any, client: Any, logs: Any, name: str) -> None:
    def fail(_: object) -> None:
        raise LookupError("not here")

    server.answer(OK)
    with pytest.raises(HTTPStreamClosedError):
        await client.fetch(server.url, **{name: fail})
    logs.take("tornado.application", "Uncaught exception")


# Redirects


async def test_redirect(server: Any, client: Any) -> None:
    server.answer(response("302 Found", "Location: /next", body=b"moved"))
    server.answer(OK)
    result = await client.fetch(server.url + "/first", method="POST", body=b"x", headers={"Content-Type": "text/x", "X-Mine": "1"})
    assert result.request.url == server.url + "/first"
    assert result.request.method == "POST"
    assert result.effective_url == server.url + "/next"
    assert server.line() == "GET /next HTTP/1.1"
    assert server.fields()["X-Mine"] == "1"
    assert {"Content-Type", "Content-Length"}.isdisjoint(server.fields())


async def test_redirect_with_body(server: Any, client: Any) -> None:
    server.answer(response("307 Again", "Location: /next"))
    server.answer(OK)
    await client.fetch(server.url, method="PUT", body=b"data")
    assert server.line() == "PUT /next HTTP/1.1"
    assert server.heads[1].endswith(b"\r\n\r\ndata")


async def test_redirect_of_produced_body_to_get(server: Any, client: Any) -> None:
    server.answer(response("303 Look", "Location: /next"))
    server.answer(OK)
    headers = {"Content-Length": "2"}
    await client.fetch(server.url, method="POST", headers=headers, body_producer=lambda write: write(b"hi"))
    assert server.line() == "GET /next HTTP/1.1"
    assert "Content-Length" not in server.fields()


async def test_redirect_limit(server: Any, client: Any) -> None:
    server.answer(response("302 Found", "Location: /again"))
    result = await client.fetch(server.url, max_redirects=2, raise_error=False)
    assert (result.code, server.connections) == (302, 3)
    assert (await client.fetch(server.url, follow_redirects=False, raise_error=False)).code == 302


@pytest.mark.parametrize("location", ["ftp://localhost/", "file:///etc/passwd", "h:5", "http://localhost:bad/", "http://[x/"])
async def test_redirect_to_nowhere(server: Any, client: Any, location: str) -> None:
    server.answer(response("302 Found", f"Location: {location}"))
    with pytest.raises(ValueError):  # noqa: PT011 - in part urllib's words
        await client.fetch(server.url)
    assert client.active == {}


async def test_redirect_after_the_client_was_closed(server: Any) -> None:
    server.answer(response("302 Found", "Location: /next"))
    with make_client() as client, pytest.raises(RuntimeError, match="closed"):
        await fetch_and_close(client, server)


async def fetch_and_close(client: Any, server: Any) -> Any:
    future = client.fetch(server.url)
    client.close()
    return await future


CREDENTIALS: list[dict[str, Any]] = [
    {"headers": {"authorization": "secret", "COOKIE": "a=b", "Proxy-Authorization": "x"}},
    {"auth_username": "me", "auth_password": "pw"},
]


@pytest.mark.parametrize("credentials", CREDENTIALS)
async def test_credentials_do_not_go_elsewhere(server: Any, client: Any, credentials: dict[str, Any]) -> None:
    async with serving() as other:
        other.answer(response("302 Found", "Location: /deeper"))
        other.answer(OK)
        location = other.url.replace("//", "//eve:trap@")
        server.answer(response("302 Found", f"Location: {location}/x"))
        await client.fetch(server.url, **credentials)
        assert other.connections == 2
        for index in (0, 1):
            assert {"Authorization", "Cookie", "Proxy-Authorization"}.isdisjoint(other.fields(index))
            assert "User-Agent" in other.fields(index)


async def test_default_credentials_do_not_go_elsewhere_either(server: Any) -> None:
    async with serving() as other:
        other.answer(OK)
        server.answer(response("302 Found", f"Location: {other.url}/"))
        with make_client(defaults={"auth_username": "me", "auth_password": "pw"}) as client:
            await client.fetch(server.url)
        assert "Authorization" in server.fields()
        assert "Authorization" not in other.fields()


@pytest.mark.parametrize("location", ["/next", "{url}/next"])
async def test_credentials_stay_within_the_origin(server: Any, client: Any, location: str) -> None:
    server.answer(response("302 Found", f"Location: {location.format(url=server.url)}"))
    server.answer(OK)
    await client.fetch(server.url.replace("//", "//me:pw@"), headers={"Cookie": "a=b"})
    assert server.fields()["Authorization"] == "Basic bWU6cHc="
    assert server.fields()["Cookie"] == "a=b"


# Queue and time-outs


async def hang(peer: Peer) -> None:
    await peer.head()
    await peer.gone()


async def test_queue(server: Any) -> None:
    release = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await release.wait()
        peer.send(OK)

    server.scripts.append(script)
    with make_client(max_clients=2) as client:
        fetches = [client.fetch(server.url) for _ in range(5)]
        assert (len(client.active), len(client.queue), len(client.waiting)) == (2, 3, 3)
        release.set()
        await asyncio.gather(*fetches)
        assert (len(client.active), len(client.queue), len(client.waiting)) == (0, 0, 0)


async def test_timeout_in_queue(server: Any) -> None:
    server.scripts.append(hang)
    with make_client(max_clients=1) as client:
        first = client.fetch(server.url, request_timeout=0.3)
        with pytest.raises(HTTPTimeoutError, match=r"^Timeout in request queue$"):
            await client.fetch(server.url, request_timeout=0.01)
        assert len(client.queue) == 0
        with pytest.raises(HTTPTimeoutError, match=r"^Timeout during request$"):
            await first
        assert server.connections == 1


@pytest.mark.parametrize("defaults", [None, {"request_timeout": 9}])
async def test_the_connect_time_counts_from_connecting(server: Any, defaults: Any) -> None:
    async def slow(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(0.6)
        peer.send(OK)
        await peer.gone()

    server.scripts.append(slow)
    options = {} if defaults else {"request_timeout": 9}
    with make_client(max_clients=1, defaults=defaults) as client:
        first, second = client.fetch(server.url), client.fetch(server.url, connect_timeout=0.5, **options)
        assert [(await first).code, (await second).code] == [200, 200]


async def test_without_a_request_timeout_of_its_own_the_connect_time_covers_the_queue(server: Any) -> None:
    server.scripts.append(hang)
    with make_client(max_clients=1) as client:
        first = client.fetch(server.url)
        with pytest.raises(HTTPTimeoutError, match=r"^Timeout in request queue$"):
            await client.fetch(server.url, connect_timeout=0.05)
        first.cancel()


async def test_the_request_time_counts_from_fetch(server: Any) -> None:
    server.scripts.append(hang)
    with make_client(max_clients=1) as client:
        begin = asyncio.get_running_loop().time()
        first, second = client.fetch(server.url, request_timeout=0.2), client.fetch(server.url, request_timeout=0.3)
        for future in (first, second):
            with pytest.raises(HTTPTimeoutError, match=r"^Timeout during request$"):
                await future
        assert asyncio.get_running_loop().time() - begin < 0.45


async def test_the_request_time_covers_redirects(server: Any, client: Any) -> None:
    async def slow_redirect(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(0.15)
        with contextlib.suppress(RuntimeError):  # uvloop's word for a connection that is gone
            peer.send(response("302 Found", "Location: /again"))
        await peer.gone()

    server.scripts.append(slow_redirect)
    with pytest.raises(HTTPTimeoutError):
        await client.fetch(server.url, request_timeout=0.4, max_redirects=10)
    assert 2 <= server.connections <= 4


class Silent(Resolver):
    def initialize(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        self.asked.append(host)
        await asyncio.Event().wait()
        raise AssertionError("not reached")


async def test_timeout_while_connecting() -> None:
    with make_client(resolver=Silent()) as client:
        with pytest.raises(HTTPTimeoutError, match=r"Timeout while resolving nowhere\.example") as caught:
            await client.fetch("http://nowhere.example/", connect_timeout=0.01)
        assert caught.value.code == 599


async def test_connection_refused(client: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await client.fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/")


async def test_zero_is_no_timeout(server: Any, client: Any) -> None:
    server.answer(OK)
    assert (await client.fetch(server.url, connect_timeout=0, request_timeout=0)).code == 200


async def test_hostname_mapping(server: Any) -> None:
    server.answer(OK)
    with make_client(hostname_mapping={"nowhere.example": "127.0.0.1"}) as client:
        await client.fetch(f"http://nowhere.example:{server.port}/")
    assert server.fields()["Host"] == f"nowhere.example:{server.port}"


async def test_own_resolver_is_left_open() -> None:
    closed = []

    class Noting(Silent):
        def close(self) -> None:
            closed.append(self)

    with make_client(resolver=Noting()):
        pass
    assert closed == []


def test_blocking_client_over_this_one() -> None:
    client = HTTPClient(SimpleAsyncHTTPClient)
    with pytest.raises(ValueError, match="Unsupported url scheme"):
        client.fetch("gopher://localhost/")
    client.close()


# TLS


def certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "testing.crt", HERE / "testing.key")
    return context


async def test_tls() -> None:
    async with serving(certificate()) as server:
        server.answer(OK)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with make_client() as client:
            for options in ({"validate_cert": False}, {"ssl_options": {"cert_reqs": ssl.CERT_NONE}}, {"ssl_options": trusting}):
                assert (await client.fetch(server.url, **options)).body == b"ok"


async def test_contexts_are_shared_until_a_file_changes(tmp_path: pathlib.Path) -> None:
    def context(**options: Any) -> Any:
        request = HTTPRequest("https://localhost/", **options)
        return _HTTPConnection._get_ssl_options(type("C", (), {"request": request})(), "https")  # type: ignore[arg-type]

    unchecked = context(validate_cert=False)
    assert context(validate_cert=False) is unchecked
    assert (unchecked.check_hostname, unchecked.verify_mode) == (False, ssl.CERT_NONE)
    file = tmp_path / "ca.pem"
    file.write_bytes((HERE / "testing.crt").read_bytes())
    first = context(validate_cert=True, ca_certs=str(file))
    assert context(validate_cert=True, ca_certs=str(file)) is first
    file.write_bytes(file.read_bytes() + b"\n")
    assert context(validate_cert=True, ca_certs=str(file)) is not first
    with pytest.raises(OSError, match="No such file"):
        context(ca_certs=str(tmp_path / "none.pem"), validate_cert=True)


# Kept connections


KEEP = {"keep_alive": True}


async def test_connections_are_not_kept_unless_asked(server: Any, client: Any) -> None:
    server.answer(OK, OK)
    await client.fetch(server.url)
    await client.fetch(server.url)
    assert server.connections == 2


async def test_reuse(server: Any) -> None:
    server.answer(*[OK] * 4)
    with make_client(defaults=KEEP) as client:
        for options in ({}, {"decompress_response": False}, {"method": "POST", "body": "x"}, {"headers": {"Connection": "Keep-Alive"}}):
            assert (await client.fetch(server.url, **options)).body == b"ok"
        assert len(client._kept) == 1
    assert server.connections == 1
    assert "Connection" not in server.fields(0)


async def test_reuse_by_a_waiting_request_and_by_redirects(server: Any) -> None:
    server.answer(response("302 Found", "Location: /2"), OK, OK)
    with make_client(defaults=KEEP, max_clients=1) as client:
        await asyncio.gather(client.fetch(server.url), client.fetch(server.url))
    assert server.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        response("200 OK", "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"surplus",
    ],
)
async def test_connections_that_cannot_be_reused(server: Any, first: bytes) -> None:
    server.answer(first, OK)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        assert len(client._kept) == 0
        await client.fetch(server.url)
    assert server.connections == 2


async def test_requests_that_want_a_connection_of_their_own(server: Any) -> None:
    server.answer(OK, OK)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        await client.fetch(server.url, headers={"Connection": "close"})
        assert len(client._kept) == 1
    assert server.connections == 2


async def test_unasked_bytes_are_not_an_answer(server: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(OK)
        await asyncio.wait_for(idle.wait(), 5)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        await peer.gone()
        closed.set()

    idle, closed = asyncio.Event(), asyncio.Event()
    server.scripts.append(script)
    server.answer(OK)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        idle.set()
        await asyncio.wait_for(closed.wait(), 5)
        assert len(client._kept) == 0
        assert (await client.fetch(server.url)).body == b"ok"


async def test_closed_idle_connection_is_forgotten(server: Any) -> None:
    server.answer(OK, close=True)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        for _ in range(100):
            if not len(client._kept):
                break
            await asyncio.sleep(0.01)
        assert len(client._kept) == 0
        assert (await client.fetch(server.url)).body == b"ok"


async def test_stale_connection_is_replaced(server: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.request()  # and no answer: the server's own time-out struck just then

    server.scripts.append(script)
    server.answer(OK)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        assert (await client.fetch(server.url)).body == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize(
    "options",
    [
        {"method": "POST", "body": b"x"},
        {"method": "PUT", "headers": {"Content-Length": "1"}, "body_producer": lambda write: write(b"x")},
        {"streaming_callback": lambda chunk: None},
    ],
)
async def test_what_is_not_sent_twice(server: Any, options: dict[str, Any]) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.request()

    server.scripts.append(script)
    server.answer(OK)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        with pytest.raises((HTTPStreamClosedError, ConnectionResetError)):
            await client.fetch(server.url, **options)
    assert server.connections == 1


@pytest.mark.parametrize("start", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1"])
async def test_no_second_attempt_once_something_was_received(server: Any, start: bytes) -> None:
    server.answer(OK, start, close=True)
    server.answer(OK)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        with pytest.raises(HTTPStreamClosedError):
            await client.fetch(server.url)
    assert server.connections == 1


async def test_no_second_attempt_after_a_timeout(server: Any) -> None:
    server.answer(OK, b"")
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        with pytest.raises(HTTPTimeoutError, match="Timeout during request"):
            await client.fetch(server.url, request_timeout=0.02)
    assert server.connections == 1


async def test_malformed_answer_on_a_kept_connection(server: Any, logs: Any) -> None:
    server.answer(OK, b"nonsense\r\n\r\n")
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        with pytest.raises(HTTPStreamClosedError):
            await client.fetch(server.url)
    logs.take("tornado.general", "Malformed HTTP message")
    assert server.connections == 1


async def test_idle_connections_end_after_a_while(server: Any) -> None:
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(OK)
        await peer.gone()
        ended.set()

    server.scripts.append(script)
    with make_client(defaults={"keep_alive": 0.02}) as client:
        await client.fetch(server.url)
        assert len(client._kept) == 1
        await asyncio.wait_for(ended.wait(), 5)
        assert len(client._kept) == 0


async def test_closing_the_client_ends_idle_connections(server: Any) -> None:
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(OK)
        await peer.gone()
        ended.set()

    server.scripts.append(script)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
    await asyncio.wait_for(ended.wait(), 5)


async def test_response_after_closing_the_client_is_not_kept(server: Any) -> None:
    server.answer(OK)
    with make_client(defaults=KEEP) as client:
        assert (await fetch_and_close(client, server)).body == b"ok"
        assert len(client._kept) == 0


async def test_early_answer_to_an_unfinished_request_ends_the_connection(server: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(response("417 No"))
        await peer.gone()

    server.scripts.append(script)
    with make_client(defaults=KEEP) as client:
        result = await client.fetch(server.url, method="POST", body=b"x", expect_100_continue=True, raise_error=False)
        assert result.code == 417
        assert len(client._kept) == 0


async def test_answer_before_the_body_was_read_ends_the_connection(server: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.send(OK)
        await answered.wait()

    answered = asyncio.Event()
    server.scripts.append(script)
    with make_client(defaults=KEEP) as client:
        result = await client.fetch(server.url, method="PUT", body=b"x" * 30_000_000, request_timeout=10)
        assert result.body == b"ok"
        assert len(client._kept) == 0
        answered.set()


async def test_kept_tls_connections_by_context() -> None:
    async with serving(certificate()) as server:
        server.answer(OK, OK)
        with make_client(defaults=KEEP | {"validate_cert": False}) as client:
            await client.fetch(server.url)
            await client.fetch(server.url)
            assert server.connections == 1
            await client.fetch(server.url, ssl_options={"cert_reqs": ssl.CERT_NONE})
            assert server.connections == 2


# Subclasses


async def test_subclass_with_coroutine_methods(server: Any) -> None:
    class Connection(_HTTPConnection):
        async def headers_received(self, first_line: Any, headers: HTTPHeaders) -> None:  # type: ignore[override]
            assert isinstance(first_line, ResponseStartLine)
            await super().headers_received(first_line, headers)

        def data_received(self, chunk: bytes) -> None:
            super().data_received(chunk.upper())

    class Client(SimpleAsyncHTTPClient):
        def _connection_class(self) -> type:
            return Connection

    server.answer(OK)
    with closing(Client(force_instance=True)) as client:
        assert (await client.fetch(server.url)).body == b"OK"


async def test_failing_callback_of_fetch_impl_is_logged(server: Any, client: Any, logs: Any) -> None:
    def fail(result: Any) -> None:
        called.set()
        raise LookupError("nobody home")

    called = asyncio.Event()
    server.answer(OK)
    request = HTTPRequest(server.url, connect_timeout=5, request_timeout=5)
    client.fetch_impl(request, fail)
    await asyncio.wait_for(called.wait(), 5)
    logs.take("tornado.application", "Exception in callback")
    assert client.active == {}


async def test_error_after_the_outcome_is_logged(server: Any, logs: Any) -> None:
    failed = asyncio.Event()

    class Connection(_HTTPConnection):
        async def _read_response(self) -> None:
            await super()._read_response()
            failed.set()
            raise LookupError("afterthought")

    class Client(SimpleAsyncHTTPClient):
        def _connection_class(self) -> type:
            return Connection

    server.answer(OK)
    with closing(Client(force_instance=True)) as client:
        assert (await client.fetch(server.url)).body == b"ok"
        await asyncio.wait_for(failed.wait(), 5)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    logs.take("tornado.application", "Exception in callback")


def test_errors_say_what_happened() -> None:
    assert str(HTTPTimeoutError("")) == "Timeout"
    assert str(HTTPStreamClosedError("Stream closed")) == "Stream closed"
    assert repr(HTTPStreamClosedError("Stream closed")) == "HTTP 599: Stream closed"
    assert isinstance(HTTPTimeoutError("x"), HTTPError)


async def test_own_fields_are_shown_and_shared_with_nobody(server: Any, client: Any) -> None:
    server.answer(*[OK] * 3)
    for _ in range(2):
        response = await client.fetch(server.url)
        sent = HTTPHeaders.parse(server.heads[-1].partition(b"\r\n")[2].decode().rstrip("\r\n"))
        assert list(response.request.headers.get_all()) == list(sent.get_all())
        response.request.headers["X-Mine"] = "1"
    await client.fetch(response.request)
    assert b"X-Mine: 1\r\n" in server.heads[-1]


async def test_each_request_has_a_time_limit_of_its_own(server: Any) -> None:
    async def request(seconds: float) -> None:
        with pytest.raises(HTTPTimeoutError, match="Timeout during request"):
            await client.fetch(server.url, request_timeout=seconds, connect_timeout=5)
        order.append(seconds)

    order: list[float] = []
    server.answer(b"")
    with make_client() as client:
        await asyncio.wait_for(asyncio.gather(*map(request, (0.3, 0.1, 0.2))), 5)
    assert order == [0.1, 0.2, 0.3]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        (OK, {}),
        (OK, {"raise_error": False, "method": "POST", "body": "x" * 100_000}),
        (response("404 Not Here", "X-A: 1", "X-A: 2", body=b"no"), {"raise_error": False}),
        (response("404 Not Here"), {}),
        (response("302 Found", "Location: /", body=b"x"), {"follow_redirects": False, "raise_error": False}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", {"method": "HEAD"}),
        (b"HTTP/1.1 204 No Content\r\n\r\n", {"method": "DELETE"}),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx", {}),
        (CHUNKED, {}),
        (b"HTTP/1.1 103 Early\r\n\r\n" + OK, {}),
        (response("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"packed")), {}),
        (response("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"packed")), {"decompress_response": False}),
        (response("200 OK", "Content-Encoding: gzip", body=b"not packed"), {}),
        (response("200 OK", body=b"x" * 1001), {}),
        (response("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"x" * 1001)), {}),
        (response("200 OK", "X: " + "x" * 1000), {}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", {}),
        (b"nonsense\r\n\r\n", {}),
    ],
)
@pytest.mark.parametrize("cut", [None, 20, -1])
async def test_a_kept_connection_makes_no_difference(
    server: Any, logs: Any, answer: bytes, options: dict[str, Any], cut: int | None
) -> None:
    def script(*before: bytes) -> Script:
        async def answers(peer: Peer) -> None:
            for whole in before:
                await peer.request()
                peer.send(whole)
            await peer.request()
            peer.send(answer[:cut])
            if cut:
                await asyncio.sleep(0.01)
                if not peer.writer.is_closing():
                    peer.send(answer[cut:])
            await peer.gone()

        return answers

    async def outcome(client: Any) -> tuple[Any, ...]:
        try:
            answered = await client.fetch(server.url, **options)
        except Exception as error:
            return type(error), str(error), logged()
        return answered.code, answered.reason, list(answered.headers.get_all()), answered.body, answered.effective_url, logged()

    def logged() -> list[str]:
        lines = [record.getMessage() for record in logs.records]
        logs.records.clear()
        return lines

    limits: dict[str, Any] = {"max_body_size": 1000, "max_header_size": 500}
    server.scripts[:] = [script(), script(OK)]
    with make_client(**limits) as client:
        expected = await outcome(client)
    with make_client(defaults=KEEP, **limits) as client:
        assert (await client.fetch(server.url)).body == b"ok"
        assert await outcome(client) == expected
    assert server.connections == 2


# Contexts and tasks

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
MODES = pytest.mark.parametrize("defaults", [None, KEEP], ids=["close", "keep"])


@MODES
async def test_each_fetch_has_its_callers_context(server: Any, defaults: Any) -> None:
    server.scripts.append(forever(b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" + OK))
    seen: list[tuple[str, str, str]] = []

    async def fetch(client: Any, name: str) -> None:
        user.set(name)

        def note(what: str) -> None:
            seen.append((name, what, user.get()))

        async def consume(chunk: bytes) -> None:
            note("chunk")
            await asyncio.sleep(0)
            note("later")

        async def produce(write: Callable[[bytes], Any]) -> None:
            note("produce")
            await write(b"x")
            note("produced")

        options = {"header_callback": lambda line: note("header"), "streaming_callback": consume}
        await client.fetch(server.url, method="PUT", body_producer=produce, headers={"Content-Length": "1"}, **options)
        done = asyncio.get_running_loop().create_future()
        client.fetch_impl(HTTPRequest(server.url), lambda response: (note("end"), done.set_result(None)))
        await done

    with make_client(max_clients=1, defaults=defaults) as client:
        await asyncio.gather(*(fetch(client, name) for name in "abc"))
    kinds = ("header", "chunk", "later", "produce", "produced", "end")
    assert {(name, what) for name, what, _ in seen} == {(name, what) for name in "abc" for what in kinds}
    assert [row for row in seen if row[0] != row[2]] == []


@MODES
async def test_all_callbacks_of_a_fetch_share_one_context(server: Any, defaults: Any) -> None:
    server.scripts.append(forever(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"))
    count: contextvars.ContextVar[list[str]] = contextvars.ContextVar("count")
    count.set([])

    async def consume(chunk: bytes) -> None:
        count.set([*count.get(), "chunk"])
        await asyncio.sleep(0)

    async def produce(write: Callable[[bytes], Any]) -> None:
        count.set([*count.get(), "body"])
        await write(b"x")

    with make_client(defaults=defaults) as client:
        for _ in range(2):
            done = asyncio.get_running_loop().create_future()
            request = HTTPRequest(
                server.url,
                method="PUT",
                headers=HTTPHeaders({"Content-Length": "1"}),
                body_producer=produce,
                header_callback=lambda line: count.set([*count.get(), "line"]),
                streaming_callback=consume,
            )
            client.fetch_impl(request, lambda response: done.set_result(count.get()))  # noqa: B023 - the one of this turn
            assert await done == ["body", "line", "line", "line", "chunk"]
    assert count.get() == []


@MODES
async def test_log_lines_belong_to_the_fetch(server: Any, defaults: Any) -> None:
    users: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            users.append(user.get())

    async def bad(peer: Peer) -> None:
        await peer.request()
        if defaults:
            peer.send(OK)
            await peer.request()
        peer.send(b"nonsense\r\n\r\n")
        await peer.gone()

    server.scripts.append(bad)
    handler, logger = Handler(), logging.getLogger("tornado.general")
    with make_client(max_clients=1, defaults=defaults) as client:

        async def fetch(name: str) -> None:
            user.set(name)
            with pytest.raises(HTTPStreamClosedError):
                await client.fetch(server.url)

        if defaults:
            await client.fetch(server.url)
        logger.addHandler(handler)
        logger.propagate = False
        try:
            await asyncio.create_task(fetch("anna"))
        finally:
            logger.removeHandler(handler)
            logger.propagate = True
    assert users == ["anna"]


class Waiters:
    """Lets a coroutine wait for an event that nobody knows but itself."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.begun = asyncio.Event()
        self.events: list[Any] = []

    async def wait(self, where: str) -> None:
        if where == self.where:
            event = asyncio.Event()
            self.events.append(weakref.ref(event))
            self.begun.set()
            await event.wait()

    async def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        await self.wait("resolver")
        return [(socket.AF_INET, ("127.0.0.1", port))]

    def close(self) -> None: ...


@MODES
@pytest.mark.parametrize("where", ["producer", "chunk", "resolver"])
async def test_a_fetch_that_waits_is_not_collected(server: Any, defaults: Any, where: str) -> None:
    waiters = Waiters(where)
    ended: list[int] = []

    async def produce(write: Callable[[bytes], Any]) -> None:
        await waiters.wait("producer")
        await write(b"x")

    options: Any = {"method": "PUT", "headers": {"Content-Length": "1"}, "body_producer": produce, "request_timeout": 0}
    server.answer(OK)
    with make_client(defaults=defaults, resolver=waiters) as client:
        future = client.fetch(f"http://a.example:{server.port}/", streaming_callback=lambda chunk: waiters.wait("chunk"), **options)
        future.add_done_callback(lambda future: ended.append(future.result().code))
        del future
        async with asyncio.timeout(5):
            await waiters.begun.wait()
            gc.collect()
            waiters.events[0]().set()
            while not ended:  # noqa: ASYNC110 - the end of a fetch that nobody else knows of
                await asyncio.sleep(0.001)
    assert ended == [200]


# Cancelling


@MODES
async def test_cancelling_ends_the_connection_and_frees_the_slot(server: Any, defaults: Any) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        if defaults:
            peer.send(OK)
            await peer.request()
        asked.set()
        await peer.gone()
        gone.set()

    server.scripts.append(silent)
    server.answer(OK)
    with make_client(max_clients=1, defaults=defaults) as client:
        if defaults:
            await client.fetch(server.url)
        stuck = asyncio.create_task(asyncio.wait_for(client.fetch(server.url), 60))
        await asyncio.wait_for(asked.wait(), 5)
        waits = client.fetch(server.url)
        stuck.cancel()
        assert (await waits).body == b"ok"
        await asyncio.wait_for(gone.wait(), 5)
        assert (len(client.active), len(client.queue), len(client.waiting)) == (0, 0, 0)
    assert stuck.cancelled()


async def test_a_cancelled_fetch_that_is_answered_soon_leaves_its_connection(server: Any) -> None:
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        await peer.request()
        asked.set()
        peer.send(OK)
        await peer.request()
        peer.send(OK)
        await peer.gone()

    server.scripts.append(script)
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        future = client.fetch(server.url)
        future.cancel()
        await asked.wait()
        while not len(client._kept):  # noqa: ASYNC110 - what nobody is told of
            await asyncio.sleep(0.001)
        await client.fetch(server.url)
    assert server.connections == 1


async def test_many_cancelled_fetches_end_at_once(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simple_httpclient, "_LINGER_SECONDS", 1000)
    gone: list[bool] = []

    async def silent(peer: Peer) -> None:
        await peer.head()
        await peer.gone()
        gone.append(True)

    server.scripts.append(silent)
    with make_client(max_clients=2) as client:
        for _ in range(6):
            future = client.fetch(server.url)
            while server.connections == 0:  # noqa: ASYNC110 - the server's end
                await asyncio.sleep(0.001)
            server.connections = 0
            future.cancel()
        async with asyncio.timeout(5):
            while len(gone) < 4:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.001)
        assert len(gone) == 4


async def test_cancelling_in_the_queue(server: Any) -> None:
    server.answer(OK)
    with make_client(max_clients=1) as client:
        first, second, third = (client.fetch(f"{server.url}/{number}") for number in range(3))
        assert second.cancel()
        assert (len(client.queue), len(client.waiting)) == (1, 1)
        await asyncio.gather(first, third)
    assert [server.line(index) for index in range(2)] == ["GET /0 HTTP/1.1", "GET /2 HTTP/1.1"]
    assert server.connections == 2


async def test_cancelling_while_connecting(server: Any) -> None:
    silent = Silent()
    with make_client(max_clients=1, resolver=silent) as client:
        future = client.fetch("http://nowhere.example/")
        await asyncio.sleep(0)
        future.cancel()
        assert client.active == {}


@MODES
async def test_cancelling_while_the_body_is_produced(server: Any, defaults: Any) -> None:
    producing, ended = asyncio.Event(), asyncio.Event()

    async def produce(write: Callable[[bytes], Any]) -> None:
        producing.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    server.scripts.append(hang)
    with make_client(defaults=defaults) as client:
        future = client.fetch(server.url, method="PUT", headers={"Content-Length": "9"}, body_producer=produce)
        async with asyncio.timeout(5):
            await producing.wait()
            future.cancel()
            assert client.active == {}
            await ended.wait()


async def test_cancelling_after_a_redirect(server: Any, client: Any) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.gone()
        gone.set()

    server.answer(response("302 Found", "Location: /next"))
    server.scripts.append(silent)
    future = client.fetch(server.url)
    async with asyncio.timeout(5):
        await asked.wait()
        future.cancel()
        await gone.wait()
    assert client.active == {}


async def test_a_callback_may_cancel_its_own_fetch(server: Any, client: Any) -> None:
    server.answer(OK)
    futures: list[Any] = []
    futures.append(client.fetch(server.url, header_callback=lambda line: futures[0].cancel()))
    await asyncio.wait(futures)
    assert futures[0].cancelled()
    assert client.active == {}


# Answers before the request is through


@MODES
async def test_an_answer_while_the_body_is_produced(server: Any, defaults: Any) -> None:
    cancelled = asyncio.Event()

    async def produce(write: Callable[[bytes], Any]) -> None:
        try:
            while True:
                await write(b"x" * 1000)
                await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def full(peer: Peer) -> None:
        await peer.head()
        peer.send(response("507 Insufficient Storage", body=b"full"))
        await peer.reader.read()

    server.scripts.append(full)
    with make_client(defaults=defaults) as client:
        result = await client.fetch(server.url, method="POST", body_producer=produce, raise_error=False)
        assert (result.code, result.body) == (507, b"full")
        await asyncio.wait_for(cancelled.wait(), 5)
        assert client.active == {}


@MODES
@pytest.mark.parametrize("expect", [False, True])
async def test_an_early_refusal_of_a_large_upload(server: Any, defaults: Any, expect: bool) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.head()
        if expect:
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await peer.reader.readexactly(1000)
        peer.send(response("413 Content Too Large", "Connection: close"))
        await peer.reader.read()

    server.scripts.append(refuse)
    with make_client(defaults=defaults) as client:
        body = b"x" * 30_000_000
        result = await client.fetch(server.url, method="POST", body=body, raise_error=False, expect_100_continue=expect)
        assert result.code == 413


@MODES
@pytest.mark.parametrize("produced", [False, True])
async def test_an_upload_larger_than_our_server_takes(serve: Any, logs: Any, defaults: Any, produced: bool) -> None:
    class Taking(web.RequestHandler):
        def post(self) -> None: ...

    async def produce(write: Callable[[bytes], Any]) -> None:
        for _ in range(200):
            await write(bytes(100_000))

    site = serve([("/", Taking)], max_body_size=1_000_000)
    options: Any = {"headers": {"Content-Length": "20000000"}, "body_producer": produce} if produced else {"body": bytes(20_000_000)}
    with make_client(defaults=defaults) as client:
        for _ in range(3):
            result = await client.fetch(f"http://127.0.0.1:{site.port}/", method="POST", raise_error=False, **options)
            assert result.code in (400, 413)
            logs.take("tornado.general", "Content-Length too long")


@MODES
async def test_a_refusal_with_a_reset_behind_it(server: Any, defaults: Any) -> None:
    async def rude(peer: Peer) -> None:
        await peer.head()
        peer.send(response("413 Content Too Large", "Connection: close"))  # then it closes, with much still unread

    server.scripts.append(rude)
    with make_client(defaults=defaults) as client:
        for _ in range(3):
            result = await client.fetch(server.url, method="POST", body=bytes(20_000_000), raise_error=False)
            assert result.code == 413


def test_the_alert_of_a_server_that_wants_a_certificate(logs: Any) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(HERE / "testing.crt"))
    context.load_cert_chain(HERE / "testing.crt", HERE / "testing.key")
    context.verify_mode = ssl.CERT_REQUIRED

    def refuse(listener: socket.socket) -> None:
        for _ in range(6):
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True).recv(1)

    async def fetch(url: str, defaults: Any) -> None:
        with make_client(defaults=defaults) as client, pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
            await client.fetch(url, validate_cert=False)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=[listener])
        thread.start()
        for defaults in (None, KEEP) * 3:
            IOLoop(make_current=False).run_sync(functools.partial(fetch, f"https://127.0.0.1:{listener.getsockname()[1]}/", defaults))
        thread.join()
    logs.records[:] = [record for record in logs.records if not record.getMessage().startswith("error on read: ")]  # of the stream


# What callbacks raise


@MODES
@pytest.mark.parametrize("name", ["streaming_callback", "header_callback", "coroutine"])
async def test_the_error_of_a_callback_is_the_cause(server: Any, defaults: Any, logs: Any, name: str) -> None:
    error = LookupError("mine")

    def fail(_: object) -> None:
        raise error

    async def fail_later(_: object) -> None:
        await asyncio.sleep(0)
        raise error

    server.answer(OK, OK)
    server.answer(OK)
    with make_client(defaults=defaults) as client:
        if defaults:
            await client.fetch(server.url)
        options: Any = {"streaming_callback": fail_later} if name == "coroutine" else {name: fail}
        with pytest.raises(HTTPStreamClosedError) as caught:
            await client.fetch(server.url, **options)
        assert caught.value.__cause__ is error
    logs.take("tornado.application", "Uncaught exception")


# Redirects and subclasses


async def test_redirects_leave_a_fetch_of_another_signature_alone(server: Any) -> None:
    class Client(SimpleAsyncHTTPClient):
        def fetch(self, path: str) -> Any:  # type: ignore[override]
            assert path.startswith("/")
            return super().fetch(server.url + path)

    server.answer(response("302 Found", "Location: /next"))
    server.answer(OK)
    client: Any = Client(force_instance=True)
    with closing(client):
        assert (await client.fetch("/")).effective_url == server.url + "/next"


async def test_a_redirect_in_raw_utf8(server: Any, client: Any) -> None:
    server.answer("HTTP/1.1 302 Found\r\nLocation: /caf\xe9?a b\r\nContent-Length: 0\r\n\r\n".encode())
    server.answer(OK)
    result = await client.fetch(server.url)
    assert server.line() == "GET /caf%C3%A9?a%20b HTTP/1.1"
    assert result.effective_url == server.url + "/caf%C3%A9?a%20b"


@pytest.mark.parametrize(("path", "target"), [("/a b", "/a%20b"), ("/é?ü=%20", "/%C3%A9?%C3%BC=%20"), ("/%C3%A9", "/%C3%A9")])
async def test_request_targets_are_encoded_once(server: Any, client: Any, path: str, target: str) -> None:
    server.answer(OK)
    await client.fetch(server.url + path)
    assert server.line() == f"GET {target} HTTP/1.1"


async def test_a_zone_is_not_told_to_the_server() -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await reader.read()
        writer.close()

    try:
        listener = await asyncio.start_server(serve, "::1", 0)
    except OSError:
        pytest.skip("there is no IPv6")
    port = listener.sockets[0].getsockname()[1]
    with make_client() as client:
        for zone in ("%1", "%251"):
            await client.fetch(f"http://[::1{zone}]:{port}/")
    listener.close()
    assert all(f"\r\nHost: [::1]:{port}\r\n".encode() in head for head in heads)
    assert len(heads) == 2


# Compressed bodies


@MODES
@pytest.mark.parametrize("streaming", ["whole", "plain", "coroutine"])
@pytest.mark.parametrize("kind", ["long", "members", "padded", "one zero"])
async def test_gzip_to_its_end(server: Any, defaults: Any, streaming: str, kind: str) -> None:
    text = bytes(range(256)) * 4000
    body = {
        "long": gzip.compress(text),
        "members": gzip.compress(text[:1000]) + gzip.compress(text[1000:]),
        "padded": gzip.compress(text) + bytes(700),
        "one zero": gzip.compress(text) + b"\0",
    }[kind]
    server.scripts.append(forever(response("200 OK", "Content-Encoding: gzip", body=body)))
    chunks: list[bytes] = []

    async def consume(chunk: bytes) -> None:
        await asyncio.sleep(0)
        chunks.append(chunk)

    options: Any = {"whole": {}, "plain": {"streaming_callback": chunks.append}, "coroutine": {"streaming_callback": consume}}[streaming]
    with make_client(defaults=defaults) as client:
        for _ in range(2):
            chunks.clear()
            result = await client.fetch(server.url, **options)
            assert (result.body if streaming == "whole" else b"".join(chunks)) == text
    assert server.connections == (1 if defaults else 2)


@pytest.mark.parametrize("tail", [b"garbage", bytes(9) + b"x", bytes(9) + gzip.compress(b"x")], ids=["garbage", "mixed", "member"])
async def test_what_is_no_padding_behind_gzip(server: Any, client: Any, logs: Any, tail: bytes) -> None:
    server.answer(response("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"text") + tail))
    with pytest.raises(HTTPStreamClosedError):
        await client.fetch(server.url)
    logs.take("tornado.general", "Malformed HTTP message from None: invalid gzip data")


@MODES
async def test_a_response_in_many_chunks_leaves_the_connection_usable(server: Any, defaults: Any) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"
    server.scripts.append(forever(chunks))
    with make_client(defaults=defaults) as client:
        for _ in range(4):
            assert len((await client.fetch(server.url)).body) == 20_000
    assert server.connections == (1 if defaults else 4)


# Kept connections by the server's word, and by the environment's


@pytest.mark.parametrize(("field", "connections"), [("timeout=1", 2), ("timeout=5, max=1", 2), ("timeout=60, max=9", 1)])
async def test_the_servers_keep_alive_field(server: Any, monkeypatch: pytest.MonkeyPatch, field: str, connections: int) -> None:
    server.scripts.append(forever(response("200 OK", f"Keep-Alive: {field}")))
    with make_client(defaults=KEEP) as client:
        await client.fetch(server.url)
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 1)
        await client.fetch(server.url)
        monkeypatch.undo()
    assert server.connections == connections


async def test_an_idle_connection_ends_when_the_server_says_so(server: Any) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(response("200 OK", "Keep-Alive: timeout=1"))
        await peer.gone()
        gone.set()

    server.scripts.append(script)
    server.scripts.append(forever(OK))
    with make_client(defaults=KEEP) as client:
        first, second = client.fetch(server.url), client.fetch(server.url)  # the second is kept for longer
        await asyncio.gather(first, second)
        await asyncio.wait_for(gone.wait(), 5)
        assert len(client._kept) == 1


@pytest.mark.parametrize(("value", "connections"), [("1", 1), ("on", 1), ("0", 2), ("", 2)])
async def test_keep_alive_by_the_environment(server: Any, monkeypatch: pytest.MonkeyPatch, value: str, connections: int) -> None:
    monkeypatch.setenv("TORNADOLIKE_KEEP_ALIVE", value)
    server.scripts.append(forever(OK))
    with make_client() as client:
        await client.fetch(server.url)
        await client.fetch(server.url)
    assert server.connections == connections


async def test_another_value_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORNADOLIKE_KEEP_ALIVE", "sometimes")
    with pytest.raises(ValueError, match=r"^TORNADOLIKE_KEEP_ALIVE must be 1 .* not 'sometimes'$"):
        SimpleAsyncHTTPClient(force_instance=True)
    with make_client(defaults={"keep_alive": False}) as client:
        assert client._kept is None


async def test_an_option_that_cannot_be_compared(server: Any) -> None:
    """Plans are kept under the options; one with a value of some program's is made anew."""

    async def answer(peer: Peer) -> None:
        assert b"User-Agent: " in await peer.head()
        peer.send(OK)
        await peer.gone()

    server.scripts += [answer, answer]
    with make_client() as client:
        for _ in range(2):
            assert (await client.fetch(server.url, auth_mode=["of", "no", "use"])).code == 200
        assert not client._plans


async def test_the_same_again_and_something_else_between(server: Any) -> None:
    heads = []

    async def answer(peer: Peer) -> None:
        heads.append(await peer.head())
        peer.send(OK)
        await peer.gone()

    server.scripts += [answer] * 5
    with make_client(defaults={"user_agent": "one"}) as client:
        await client.fetch(server.url)
        response = await client.fetch(server.url)
        assert response.request.headers["User-Agent"] == "one"
        response.request.headers["User-Agent"] = "two"
        await client.fetch(server.url)
        client.defaults["user_agent"] = "three"
        await client.fetch(server.url)
        await client.fetch(server.url, headers={"X": "y"})
    assert heads[0] == heads[1] == heads[2]
    assert heads[3] == heads[0].replace(b"one", b"three")
    assert b"X: y\r\n" in heads[4]
