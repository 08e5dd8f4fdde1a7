"""Attacks from published advisories, as far as no other test names them (most stand beside the code that they are about)."""

from typing import Any

import pytest

from tornadolike import httpclient, httputil, web, websocket
from tornadolike._client import credentials
from tornadolike._http import multipart
from tornadolike._websocket import masking


class Hello(web.RequestHandler):
    def get(self, name: str = "") -> None:
        self.finish("hello")

    post = get


class Raw(web.RequestHandler):
    def get(self) -> None:
        self.set_header("X", self.get_query_argument("value", strip=False))


class Teller(websocket.WebSocketHandler):
    pass


ROUTES = [("/", Hello), ("/raw", Raw), ("/ws", Teller)]


def refused(answer: bytes) -> None:
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1  # nothing behind it was taken for a request


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


async def is_refused(serve: Any, logs: Any, sent: bytes) -> None:
    """All of it with one answer, 400, and one line in the log."""
    client = await serve(ROUTES).client()
    client.send(sent)
    refused(await client.rest())
    logs.take("tornado.general", "Malformed HTTP message")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"Content-Length: +5", id="GHSA-qppv-j76h-2rpx-plus"),
        pytest.param(b"Content-Length: 1_0", id="GHSA-qppv-j76h-2rpx-underscore"),
        pytest.param(b"Content-Length: 5\r\nTransfer-Encoding: chunked", id="CVE-2024-1135-gunicorn"),
        pytest.param(b"Transfer-Encoding: chunked, identity", id="CVE-2024-6827-gunicorn"),
        pytest.param(b"Transfer-Encoding: xchunked", id="CVE-2023-47627-aiohttp"),
        pytest.param(b"Content-Length : 5", id="CVE-2023-37276-aiohttp"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 6", id="CVE-2024-23829-aiohttp"),
        pytest.param(b"Host: b", id="CVE-2026-34525-aiohttp-two-hosts"),
        pytest.param(b"X: a\0b", id="CVE-2026-34520-aiohttp-nul"),
    ],
)
async def test_smuggling(serve: Any, logs: Any, fields: bytes) -> None:
    await is_refused(serve, logs, b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\nhello" + SMUGGLED)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"5;a\nx\r\nhello\r\n0\r\n\r\n", id="CVE-2025-55315-kestrel"),
        pytest.param(b"+5\r\nhello\r\n0\r\n\r\n", id="GHSA-qppv-j76h-2rpx-chunk-plus"),
        pytest.param(b"0x5\r\nhello\r\n0\r\n\r\n", id="GHSA-qppv-j76h-2rpx-chunk-0x"),
        pytest.param(b"5\r\nhelloXX0\r\n\r\n", id="CVE-2025-43859-h11"),
        pytest.param(b"0\r\n" + b"X: y\r\n" * 20000 + b"\r\n", id="CVE-2026-22815-aiohttp-trailers"),
    ],
)
async def test_chunks(serve: Any, logs: Any, body: bytes) -> None:
    await is_refused(serve, logs, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED)


async def test_cve_2024_52304_aiohttp_trailers_belong_to_the_message(serve: Any) -> None:
    client = await serve(ROUTES).client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n")
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await client.rest()).count(b"HTTP/1.1 200 OK") == 2


async def test_ghsa_mfx4_hv73_q22v_aiohttp_upgrade_with_a_body(serve: Any, logs: Any) -> None:
    """What stands in the body of a refused upgrade is a body."""
    client = await serve(ROUTES).client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED))
    client.send(SMUGGLED + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = await client.rest()
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"404" not in answer


async def test_cve_2020_7694_uvicorn_log_lines_cannot_be_forged(serve: Any, logs: Any) -> None:
    client = await serve(ROUTES).client()
    client.send(b"GET /%0d%0a\x1b[31mforged HTTP/1.1\r\nHost: a\r\n\r\n")
    refused(await client.rest())
    assert not set(logs.take("tornado.general", "Malformed").getMessage()) & set("\r\n\x1b")
    again = await serve(ROUTES).client()
    again.get("/no%0d%0aforged")
    assert (await again.response())[0].startswith(b"HTTP/1.1 404 ")
    assert "\n" not in logs.take("tornado.access", "404").getMessage()


@pytest.mark.parametrize(
    ("lines", "logger"),
    [
        (b"GET /\xc2\x85forged\x9b2J\x85 HTTP/1.1\r\nHost: a", "tornado.access"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \x9b2J\x85", "tornado.general"),
    ],
)
async def test_bytes_above_ascii_are_no_commands_to_whoever_reads_the_log(serve: Any, logs: Any, lines: bytes, logger: str) -> None:
    """U+0085 ends a line, U+009B begins a command of a terminal."""
    client = await serve(ROUTES).client()
    client.send(lines + b"\r\nConnection: close\r\n\r\n")
    await client.rest()
    line = logs.take(logger, "").getMessage()
    assert "\\x9b2J\\x85" in line
    assert len(line.splitlines()) == 1


async def test_cve_2020_7695_uvicorn_header_values_cannot_inject(serve: Any, logs: Any) -> None:
    client = await serve(ROUTES).client()
    client.get("/raw?value=a%0d%0aSet-Cookie:%20x=y")
    head, _ = await client.response()
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"Set-Cookie" not in head
    logs.take("tornado.application", "Uncaught exception")
    logs.take("tornado.access", "500")


async def test_cve_2024_27306_aiohttp_error_pages_are_escaped(serve: Any, logs: Any) -> None:
    client = await serve(ROUTES).client()
    client.get("/<script>alert(1)</script>")
    assert b"<script>" not in (await client.response())[1]
    logs.take("tornado.access", "404")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/%2e%2e%2fsecret", id="CVE-2022-35920-sanic"),
        pytest.param("/..%2Fsecret", id="CVE-2017-16762-sanic"),
        pytest.param("/%2e%2e/secret", id="CVE-2024-23334-aiohttp"),
        pytest.param("/%5c..%5csecret", id="CVE-2026-48818-starlette"),
        pytest.param("/a%00.txt", id="NUL"),
    ],
)
async def test_static_paths(serve: Any, logs: Any, tmp_path: Any, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_text("public")
    (tmp_path / "secret").write_text("secret")
    client = await serve([("/(.*)", web.StaticFileHandler, {"path": str(root)})]).client()
    client.get(path)
    head, body = await client.response()
    assert head.split()[1] in (b"400", b"403", b"404")
    assert b"secret" not in body
    logs.records.clear()  # which line it is, is the business of test_static_files


@pytest.mark.parametrize("text", ["a\r\nX: y", "a\nX: y", "a\rX: y", "a\0"])
@pytest.mark.parametrize("where", ["name", "value"])
async def test_ghsa_w235_7p84_xx57_client_headers_cannot_inject(serve: Any, text: str, where: str) -> None:
    site = serve(ROUTES)
    fields = httputil.HTTPHeaders()
    client = httpclient.AsyncHTTPClient(force_instance=True)
    try:
        with pytest.raises((ValueError, httputil.HTTPInputError)):
            fields.add(text if where == "name" else "X", text if where == "value" else "y")
            await client.fetch(f"http://127.0.0.1:{site.port}/", headers=fields)
        with pytest.raises(ValueError):  # noqa: PT011 - the words are the client's
            await client.fetch(
                f"http://127.0.0.1:{site.port}/", headers={text if where == "name" else "X": text if where == "value" else "y"}
            )
    finally:
        client.close()


def test_ghsa_3x9g_8vmp_wqvf_cve_2026_49853_fields_that_must_not_follow_to_another_origin() -> None:
    """That they do not is shown in test_simple_httpclient."""
    assert {"Authorization", "Cookie"} <= set(credentials.BOUND_TO_ORIGIN)
    assert "auth_username" in credentials.OPTIONS_BOUND_TO_ORIGIN


def test_cve_2026_49854_ghsa_cx3h_4qpv_8hc9_masks_of_every_length_and_alignment() -> None:
    mask = b"\x01\x02\x03\x04"
    for offset in range(4):
        for size in range(10):
            data = bytes(range(offset + size))[offset:]
            expected = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
            assert masking.apply_pure(data, mask) == expected
            assert masking.choose()(data, mask) == expected


def test_cve_2023_25577_werkzeug_parts_are_counted() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 101 + b"--b--\r\n"
    with pytest.raises(multipart.MultipartError):
        list(multipart.split_parts(b"b", body, 100, 10240))


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=" + ";" * 20000, "application/x-www-form-urlencoded; a=" + '"\\' * 20000])
def test_cve_2024_24762_content_types_are_linear(kind: str) -> None:
    try:
        httputil.parse_body_arguments(kind, b"a=b", {}, {})
    except httputil.HTTPInputError:
        assert kind.startswith("multipart")
