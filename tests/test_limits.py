"""`rate_limited`: who asks too often is told so, before the body is read."""

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("limits")

from tests.conftest import tool
from tornadolike import limits, web

TEN = b"0123456789"


def handlers(storage: str = "memory://") -> list[Any]:
    class Method(web.RequestHandler):
        @limits.rate_limited("2/minute", storage=storage, scope=f"method {id(object())} {storage}")
        def post(self) -> None:
            self.write(f"{len(self.request.body)} {self.get_body_argument('a', '-')}")

        def get(self) -> None:
            self.write("free")

    @limits.rate_limited("2/minute", key=lambda request: request.headers.get("X-User", ""), storage=storage, scope=f"class {id(object())}")
    class Whole(web.RequestHandler):
        def get(self) -> None:
            self.write("some")

        def prepare(self) -> None:
            self.set_header("X-Prepared", "yes")

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.finish(f"own page {status_code}")

    return [("/method", Method), ("/class", Whole)]


async def test_a_method(serve: Any, logs: Any) -> None:
    site = serve(handlers())
    client = await site.client()
    form = b"POST /method HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=1"
    for _ in range(2):
        client.send(form)
        assert (await client.response())[1] == b"3 1"
    client.send(b"POST /method HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")  # and no body
    head, _ = await client.response()
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert 1 <= int(head.partition(b"\r\nRetry-After: ")[2].partition(b"\r\n")[0]) <= 60
    logs.take("tornado.access", "429 POST /method")
    assert await client.rest() == b""
    other = await site.client()
    other.get("/method")
    assert (await other.response())[1] == b"free"


async def test_a_class_by_key(serve: Any, logs: Any) -> None:
    site = serve(handlers())
    client = await site.client()

    async def ask(user: str) -> tuple[bytes, bytes]:
        client.send(f"GET /class HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n".encode())
        return await client.response()

    for user in ("ada", "ada", "bob"):
        assert (await ask(user))[1] == b"some"
    head, body = await ask("ada")
    assert (head.split()[1], body) == (b"429", b"own page 429")
    assert b"X-Prepared" not in head
    logs.take("tornado.access", "429 GET /class")
    client = await site.client()
    assert (await ask("bob"))[1] == b"some"


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="couldn't parse"):
        limits.rate_limited("often")
    with pytest.raises(ValueError, match="unknown storage scheme"):
        limits.rate_limited("1/second", storage="nowhere://")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    program = tool("redis-server")
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert any("Ready to accept connections" in line for line in server.stdout)
    yield f"async+redis://127.0.0.1:{port}"
    server.kill()
    server.wait()
    server.stdout.close()


async def test_redis_counts_for_all(serve: Any, logs: Any, redis: str) -> None:
    limits._storage.cache_clear()
    site = serve(handlers(redis))
    statuses = []
    for _ in range(4):
        client = await site.client()
        client.send(b"POST /method HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" + TEN)
        statuses.append((await client.response())[0].split()[1])
    assert statuses == [b"200", b"200", b"429", b"429"]
    logs.take("tornado.access", "429 POST /method")
    logs.take("tornado.access", "429 POST /method")
    await limits._storage(redis, ()).bridge.storage.aclose()


async def test_a_storage_that_is_away_lets_requests_through(serve: Any, logs: Any) -> None:
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = serve(handlers(f"async+redis://127.0.0.1:{port}"))
    client = await site.client()
    for _ in range(3):
        client.send(b"POST /method HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" + TEN)
        assert (await client.response())[1] == b"10 -"
    logs.take("tornado.application", "Rate limit of .*: the storage fails, requests pass")
    await asyncio.sleep(0)
