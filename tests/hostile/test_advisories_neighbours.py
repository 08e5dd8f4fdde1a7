"""Attacks from advisories about other servers, clients and parsers, tried on ours. Each test or case names its advisory."""

import asyncio
import contextlib
import hmac
import os
import socket
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tornadolike import http1connection, httpclient, httputil, iostream, simple_httpclient, web, websocket
from tornadolike._http import multipart
from tornadolike._websocket.deflate import Inflater
from tornadolike._websocket.errors import PeerError
from tornadolike._websocket.frames import frame
from tornadolike._websocket.wsproto_engine import WsprotoEngine

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = f"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{KEY}\r\nSec-WebSocket-Version: 13\r\n".encode()


class Form(web.RequestHandler):
    """Says what it got; ``begun`` counts how often a body reached it."""

    begun = 0

    def post(self) -> None:
        Form.begun += 1
        self.finish({"arguments": len(self.request.body_arguments), "files": len(self.request.files)})

    get = post


class Url(web.RequestHandler):
    def get(self, path: str) -> None:
        self.finish(self.request.full_url())


class Deflating(websocket.WebSocketHandler):
    got: list[str | bytes]
    deflates = True

    def get_compression_options(self) -> dict[str, Any] | None:
        return {} if self.deflates else None

    def open(self, *args: str, **kwargs: str) -> None:
        type(self).got = []

    def on_message(self, message: str | bytes) -> None:
        type(self).got.append(message)


class Plain(Deflating):
    deflates = False


@pytest.fixture(autouse=True)
def _nothing_begun() -> None:
    Form.begun = 0


@contextlib.asynccontextmanager
async def peer(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that notes what it is sent and answers ``answer(head)``: its port and its notes."""
    notes: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
            notes.append(head + await reader.readexactly(int(length or 0)))
            writer.write(answer(head))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], notes
    server.close()
    for writer in writers:
        writer.close()
    for writer in writers:
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def watched(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[tuple[Any, ...]]:
    """The calls of a function, which goes on working, by their arguments."""
    calls: list[tuple[Any, ...]] = []
    really = getattr(owner, name)

    def call(*args: Any, **options: Any) -> Any:
        calls.append(args)
        return really(*args, **options)

    monkeypatch.setattr(owner, name, call)
    return calls


def ok(head: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def client() -> AsyncIterator[httpclient.AsyncHTTPClient]:
    client = simple_httpclient.SimpleAsyncHTTPClient(force_instance=True)
    yield client
    client.close()


class TestRequestsOfTheClient:
    @pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nX: y\r\n", "GET /other", "G\nET", "G\0ET", ""])
    async def test_cve_2023_49082_aiohttp_methods_cannot_inject(self, client: httpclient.AsyncHTTPClient, method: str) -> None:
        async with peer(ok) as (port, notes):
            with pytest.raises(ValueError, match="method"):
                await client.fetch(f"http://127.0.0.1:{port}/", method=method, allow_nonstandard_methods=True)
            assert not notes

    async def test_cve_2023_49081_aiohttp_versions_cannot_inject(self) -> None:
        """The version in a start line is not what goes out."""
        async with peer(ok) as (port, notes):
            stream = iostream.IOStream(socket.socket())
            await stream.connect(("127.0.0.1", port))
            connection = http1connection.HTTP1Connection(stream, True)
            line = httputil.RequestStartLine("GET", "/", "HTTP/1.1\r\nX: injected\r\n")
            await connection.write_headers(line, httputil.HTTPHeaders({"Host": "a"}))
            connection.finish()
            await connection.read_response(httputil.HTTPMessageDelegate())
            stream.close()
            assert notes == [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"Content-Length": "5", "content-length": "6"},
            {"CONTENT-LENGTH": "99"},
            {"Transfer-Encoding": "chunked"},
            {"transfer-encoding": "chunked", "Content-Length": "99"},
        ],
    )
    async def test_cve_2026_1525_undici_one_length_in_a_request(self, client: httpclient.AsyncHTTPClient, fields: dict[str, str]) -> None:
        """Headers that a caller copied from elsewhere cannot say anything about the body but what it is (RFC 9112 §6.2)."""
        async with peer(ok) as (port, notes):
            await client.fetch(f"http://127.0.0.1:{port}/", method="POST", body=b"hello", headers=fields)
            head = notes[0].lower()
            assert head.count(b"content-length: 5\r\n") == head.count(b"content-length") == 1
            assert b"transfer-encoding" not in head

    async def test_cve_2026_1525_undici_a_produced_body_has_one_length_too(self, client: httpclient.AsyncHTTPClient) -> None:
        async def produce(write: Callable[[bytes], Any]) -> None:
            await write(b"hello")

        async with peer(ok) as (port, notes):
            fields = {"Content-Length": "5", "Transfer-Encoding": "chunked"}
            await client.fetch(f"http://127.0.0.1:{port}/", method="POST", body_producer=produce, headers=fields)
            assert b"transfer-encoding" not in notes[0].lower()
            doubled = httputil.HTTPHeaders()
            doubled.add("Content-Length", "5")
            doubled.add("content-length", "6")
            with pytest.raises(ValueError, match="5,6"):
                await client.fetch(f"http://127.0.0.1:{port}/", method="POST", body_producer=produce, headers=doubled)
            assert len(notes) == 1

    @pytest.mark.parametrize("text", ["a\r\nX: y", "a\nX: y", "a\rX: y", "a\0"])
    async def test_cve_2026_1527_undici_upgrades_cannot_inject(self, text: str) -> None:
        async with peer(ok) as (port, notes):
            with pytest.raises(ValueError, match=r"Illegal characters|Invalid"):
                await websocket.websocket_connect(f"ws://127.0.0.1:{port}/", subprotocols=[text])
            with pytest.raises(ValueError, match=r"Illegal characters|Invalid"):
                request = httpclient.HTTPRequest(f"ws://127.0.0.1:{port}/", headers={"Origin": text})
                await websocket.websocket_connect(request)
            assert not notes


class TestForms:
    async def test_cve_2023_30798_starlette_parts_are_counted(self, serve: Any, logs: Any) -> None:
        # What stands before the first delimiter counts as one of a hundred, as in Tornado.
        part = b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n\r\n'
        for count, status in ((99, b"200"), (100, b"400")):
            body = b"".join(part % index for index in range(count)) + b"--b--\r\n"
            head = await post(serve, b"multipart/form-data; boundary=b", body)
            assert head.split()[1] == status
        logs.take("tornado.general", "too many parts")
        logs.take("tornado.access", "400")

    async def test_cve_2026_54283_starlette_fields_are_counted(self, serve: Any, logs: Any) -> None:
        for count, status in ((1000, b"200"), (1001, b"400")):
            head = await post(serve, b"application/x-www-form-urlencoded", b"&".join(b"a%d=b" % index for index in range(count)))
            assert head.split()[1] == status
        logs.take("tornado.general", "Max number of fields")
        logs.take("tornado.access", "400")

    @pytest.mark.parametrize("announced", [True, False])
    async def test_cve_2024_47874_starlette_cve_2026_34517_aiohttp_size_is_checked_before_reading(
        self, serve: Any, logs: Any, announced: bool
    ) -> None:
        """A form field is refused by what is announced (a length, the size of a chunk), not once it lies in memory."""
        client = await serve([("/", Form)], max_body_size=10_000).client()
        size = b"Content-Length: 10001\r\n\r\n" if announced else b"Transfer-Encoding: chunked\r\n\r\n2711\r\n"
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n" + size)
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
        assert Form.begun == 0
        logs.take("tornado.general", "Malformed HTTP message")

    async def test_cve_2026_34516_aiohttp_cve_2026_42561_python_multipart_headers_of_parts_are_bounded(self, serve: Any, logs: Any) -> None:
        for fields in (b"X: " + b"y" * 10240, b"X: y\r\n" * 1709 + b"X: y"):
            body = b"--b\r\nContent-Disposition: form-data; name=a\r\n" + fields + b"\r\n\r\nx\r\n--b--\r\n"
            assert (await post(serve, b"multipart/form-data; boundary=b", body)).split()[1] == b"400"
            logs.take("tornado.general", "part header too large")
            logs.take("tornado.access", "400")

    def test_cve_2026_40347_python_multipart_preamble_and_epilogue_are_skipped(self) -> None:
        noise = b"\r\n-" * 300_000
        body = noise + b"\r\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b--\r\n" + noise
        assert len(list(multipart.split_parts(b"b", body, 10, 10240))) == 1

    async def test_cve_2025_54121_starlette_uploads_are_not_spooled(self, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A large part neither opens nor writes a file, which would block the loop."""
        opened, spooled = watched(monkeypatch, os, "open"), watched(monkeypatch, tempfile, "SpooledTemporaryFile")
        body = b'--b\r\nContent-Disposition: form-data; name="a"; filename="/etc/x"\r\n\r\n' + bytes(3_000_000) + b"\r\n--b--\r\n"
        assert (await post(serve, b"multipart/form-data; boundary=b", body)).split()[1] == b"200"
        assert opened == spooled == []

    async def test_cve_2026_24486_python_multipart_file_names_are_only_names(self, serve: Any, tmp_path: Any) -> None:
        """What a client calls its file is told to the handler, and nothing is written under that name."""
        target = tmp_path / "written"
        body = f'--b\r\nContent-Disposition: form-data; name="a"; filename="{target}"\r\n\r\nx\r\n--b--\r\n'.encode()
        assert (await post(serve, b"multipart/form-data; boundary=b", body)).split()[1] == b"200"
        assert not target.exists()


async def post(serve: Any, kind: bytes, body: bytes) -> bytes:
    """The head of the answer to a form."""
    client = await serve([("/", Form)]).client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)) + body)
    head, _ = await client.response()
    return bytes(head)


class TestRequests:
    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param("Transfer-Encoding: chun\u212aed".encode(), id="CVE-2025-69224-aiohttp-kelvin-sign"),
            pytest.param("Content-Length: \u0665".encode(), id="CVE-2025-69224-aiohttp-digits"),
            pytest.param(b"Transfer-Encoding: chunked\xa0", id="CVE-2025-69224-aiohttp-space"),
        ],
    )
    async def test_non_ascii_in_framing(self, serve: Any, logs: Any, fields: bytes) -> None:
        client = await serve([("/", Form)]).client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1") == 1
        logs.take("tornado.general", "Malformed HTTP message")

    async def test_cve_2025_53643_aiohttp_no_request_in_trailers(self, serve: Any) -> None:
        """Trailers end where their empty line says, not at the last chunk: what looks like a request in them is none."""
        client = await serve([("/", Form), ("/u(.*)", Url)]).client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: GET /u HTTP/1.1\r\nHost: a\r\n\r\n")
        client.send(b"GET /u/next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await client.rest()
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert answer.endswith(b"http://a/u/next")

    @pytest.mark.parametrize("host", [b"a/b", b"a?b", b"a#b", b"a@b", b"a b", b"a\\b", b"a:80/@b"])
    async def test_cve_2026_54282_starlette_hosts_cannot_move_the_url(self, serve: Any, logs: Any, host: bytes) -> None:
        client = await serve([("/(.*)", Url)]).client()
        client.send(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
        logs.take("tornado.general", "Invalid Host header")

    @pytest.mark.parametrize(
        ("target", "url"),
        [
            (b"//evil.example/x", b"http://a//evil.example/x"),
            (b"/@evil.example/x", b"http://a/@evil.example/x"),
            (b"https://b.example/x?y", b"http://b.example/x?y"),  # neither does it choose the scheme
        ],
    )
    async def test_cve_2026_54282_starlette_paths_cannot_move_the_url(self, serve: Any, target: bytes, url: bytes) -> None:
        client = await serve([("/(.*)", Url)]).client()
        client.send(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.response())[1] == url

    @pytest.mark.parametrize(
        "path", ["//server/share/a", "/%5C%5Cserver%5Cshare%5Ca", "/\\\\server\\share\\a", "/%2F%2Fserver/share/a", "/C:/a"]
    )
    async def test_cve_2026_34515_aiohttp_paths_of_other_machines(
        self, serve: Any, logs: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        """Nothing outside of the root is even looked for: on Windows looking is enough to send credentials."""
        looked = watched(monkeypatch, os, "stat")
        client = await serve([("/(.*)", web.StaticFileHandler, {"path": str(tmp_path)})]).client()
        client.get(path)
        assert (await client.response())[0].split()[1] in (b"403", b"404")
        elsewhere = [name for name, *_ in looked if "share" in str(name) and not str(name).startswith(str(tmp_path))]
        assert elsewhere == []
        logs.records.clear()  # which line it is, is the business of test_static_files


class TestSecrets:
    def test_cve_2021_33880_websockets_secrets_are_compared_in_constant_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compared = watched(monkeypatch, hmac, "compare_digest")
        signed = web.create_signed_value("secret", "name", "value")
        forged = signed[:-1] + (b"0" if signed[-1:] != b"0" else b"1")
        assert web.decode_signed_value("secret", "name", signed) == b"value"
        assert web.decode_signed_value("secret", "name", forged) is None
        assert len(compared) == 2

    async def test_cve_2021_33880_websockets_xsrf_tokens_too(self, serve: Any, logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        compared = watched(monkeypatch, hmac, "compare_digest")
        site = serve([("/", Form)])
        site.server.request_callback.settings["xsrf_cookies"] = True
        client = await site.client()
        token = b"2|00000000|00000000000000000000000000000000|1"
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nCookie: _xsrf=%b\r\nX-Xsrftoken: %b\r\nContent-Length: 0\r\n\r\n" % (token, token[:-1] + b"2")
        )
        assert (await client.response())[0].split()[1] in (b"200", b"403")
        assert compared
        logs.records.clear()

    @pytest.mark.parametrize("text", ["a\x00b", "a\x01b", "a\x1fb", "a\tb", "a\r\nX: y", "a;b"])
    def test_cve_2026_3644_cpython_cookies_hold_no_control_characters(self, text: str) -> None:
        application = web.Application()
        request = httputil.HTTPServerRequest(
            start_line=httputil.RequestStartLine("GET", "/", "HTTP/1.1"), headers=HOST, connection=_Connection()
        )
        handler = web.RequestHandler(application, request)
        attributes: list[dict[str, Any]] = [{"domain": text}, {"path": text}, {"samesite": text}]
        for attribute in attributes:
            with pytest.raises(Exception, match="Invalid cookie"):
                handler.set_cookie("a", "b", **attribute)
        with pytest.raises(Exception, match=r"Invalid cookie|Illegal key"):
            handler.set_cookie(text, "b")
        if text != "a;b":  # which is quoted
            with pytest.raises(ValueError, match="Invalid cookie"):
                handler.set_cookie("a", text)
        assert not getattr(handler, "_new_cookie", None)


HOST = httputil.HTTPHeaders({"Host": "a"})


class _Connection(httputil.HTTPConnection):
    """What a handler asks of its connection before it answers."""

    context = None

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        pass


class TestWebSockets:
    async def test_cve_2018_1000518_websockets_bombs_end_at_the_limit(self, serve: Any) -> None:
        site = serve([("/ws", Deflating)])
        site.server.request_callback.settings["websocket_max_message_size"] = 10_000
        client = await site.client()
        client.send(UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        assert b"permessage-deflate" in await client.reader.readuntil(b"\r\n\r\n")
        stream = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = (stream.compress(bytes(9_000_000)) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert len(bomb) < 10_000
        client.send(frame(0xC2, bomb, True))
        assert await client.rest() == frame(0x88, b"\x03\xf1message too big after decompression")
        assert Deflating.got == []

    def test_cve_2026_1526_undici_a_client_ends_bombs_too(self) -> None:
        engine = WsprotoEngine(True, 10_000)
        stream = zlib.compressobj(9, zlib.DEFLATED, -15)
        engine.use_deflate(None, Inflater(True, 15, 10_000))  # type: ignore[arg-type]  # nothing is sent
        bomb = (stream.compress(bytes(9_000_000)) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
        with pytest.raises(PeerError) as caught:
            engine.feed(frame(0xC2, bomb))
        assert caught.value.code == 1009

    @pytest.mark.parametrize("first", [0xC1, 0xC2, 0xA1, 0x91])
    @pytest.mark.parametrize("is_client", [True, False])
    def test_cve_2026_59881_ghsa_mq44_7p77_q5h7_aiohttp_compressed_without_agreement(self, first: int, is_client: bool) -> None:
        with pytest.raises(PeerError) as caught:
            WsprotoEngine(is_client, 10_000).feed(frame(first, b"\xca\x48\xcd\xc9\xc9\x07\x00", not is_client))
        assert caught.value.code == 1002

    async def test_cve_2026_59881_aiohttp_compressed_to_a_handler_that_does_not(self, serve: Any) -> None:
        client = await serve([("/ws", Plain)]).client()
        client.send(UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        assert b"permessage-deflate" not in await client.reader.readuntil(b"\r\n\r\n")
        client.send(frame(0xC1, b"\xca\x48\xcd\xc9\xc9\x07\x00", True))
        assert (await client.rest()).startswith(b"\x88")
        assert Plain.got == []

    @pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**63 - 1, 2**53, 2**32])
    @pytest.mark.parametrize("is_client", [True, False])
    @pytest.mark.parametrize("step", [1, 100])
    def test_cve_2026_1528_undici_lengths_of_64_bits(self, length: int, is_client: bool, step: int) -> None:
        wire = bytes([0x82, 127 | (0 if is_client else 0x80)]) + length.to_bytes(8, "big") + b"\0\0\0\0" + bytes(100)
        engine = WsprotoEngine(is_client, 10_000)
        with pytest.raises(PeerError) as caught:
            for start in range(0, len(wire), step):
                engine.feed(wire[start : start + step])
        assert caught.value.code in (1002, 1009)

    @pytest.mark.parametrize("bits", ["", "=", "=7", "=16", "=-1", "=a", "=0x9", "=10 ", "=999999999999", '="', "=\u0669"])
    async def test_cve_2026_2229_undici_window_bits_of_a_server(self, bits: str) -> None:
        def answer(head: bytes) -> bytes:
            key = head.lower().partition(b"sec-websocket-key: ")[2]
            accept = websocket.WebSocketProtocol13.compute_accept_value(head[-len(key) :].split(b"\r\n")[0])
            extension = f"permessage-deflate; server_max_window_bits{bits}"
            fields = [
                "Upgrade: websocket",
                "Connection: Upgrade",
                f"Sec-WebSocket-Accept: {accept}",
                f"Sec-WebSocket-Extensions: {extension}",
            ]
            return "\r\n".join(["HTTP/1.1 101 Switching Protocols", *fields, "", ""]).encode()

        async with peer(answer) as (port, _):
            connecting = websocket.websocket_connect(f"ws://127.0.0.1:{port}/", compression_options={})
            if bits == "=10 ":  # nothing wrong with it
                (await connecting).close()
                return
            with pytest.raises((websocket.WebSocketError, ValueError, iostream.StreamClosedError)):
                await asyncio.wait_for(connecting, 5)


@pytest.fixture
async def curl(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpclient.AsyncHTTPClient]:
    """A client with one handle, which all its requests use one after the other."""
    pytest.importorskip("pycurl")
    from tornadolike.curl_httpclient import CurlAsyncHTTPClient

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    client = CurlAsyncHTTPClient(force_instance=True, max_clients=1)
    yield client
    client.close()


async def test_ghsa_pw6j_qg29_8w7f_curl_handles_forget_credentials(curl: httpclient.AsyncHTTPClient) -> None:
    async with peer(ok) as (port, notes):
        url = f"http://127.0.0.1:{port}/"
        proxy: dict[str, Any] = {"proxy_host": "127.0.0.1", "proxy_port": port}
        await curl.fetch(url, auth_username="u", auth_password="p", **proxy, proxy_username="q", proxy_password="r")
        await curl.fetch(url, **proxy)
        await curl.fetch(url)
    first, second, third = (note.lower() for note in notes)
    assert b"\r\nauthorization: " in first
    assert b"\r\nproxy-authorization: " in first
    assert b"authorization" not in second
    assert b"authorization" not in third
    assert third.startswith(b"get / http/1.1\r\n")


async def test_ghsa_pw6j_qg29_8w7f_curl_handles_forget_certificates(curl: httpclient.AsyncHTTPClient) -> None:
    from tornadolike.curl_httpclient import CurlError

    async with peer(ok) as (port, _):
        certificate_problem = 58
        with pytest.raises(CurlError) as caught:
            await curl.fetch(f"https://127.0.0.1:{port}/", client_cert="/nowhere.pem", client_key="/nowhere.key", validate_cert=False)
        assert caught.value.errno == certificate_problem
        asked = asyncio.ensure_future(curl.fetch(f"https://127.0.0.1:{port}/", request_timeout=0.5))
        with pytest.raises(CurlError) as caught:
            await asked
        assert caught.value.errno != certificate_problem  # the handshake was tried: there is no TLS here
