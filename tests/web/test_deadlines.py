"""``request_deadline``: a handler is cancelled, and its client hears of it."""

import asyncio
import contextvars
import math
import time
from typing import Any

import pytest

from tornadolike import gen, web
from tornadolike._http import deadline


class Slow(web.RequestHandler):
    seen: float | None = None
    left: Any = None

    async def get(self) -> None:
        Slow.seen = deadline.remaining(time.monotonic())
        try:
            await asyncio.Event().wait()
        finally:
            Slow.left = "cancelled"

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish(f"own page {status_code}")


class Decorated(web.RequestHandler):
    @gen.coroutine
    def get(self) -> Any:
        yield asyncio.Event().wait()


class Prepares(web.RequestHandler):
    async def prepare(self) -> None:
        await asyncio.Event().wait()


class Begun(web.RequestHandler):
    async def get(self) -> None:
        self.write("part")
        await self.flush()
        await asyncio.Event().wait()


class Patient(Slow):
    request_deadline = math.inf

    async def get(self) -> None:
        await asyncio.sleep(0.2)
        self.write(str(deadline.current.get()))


class Hasty(web.RequestHandler):
    request_deadline = 0.05

    async def get(self) -> None:
        await asyncio.Event().wait()


class Afterwards(web.RequestHandler):
    done = False

    async def get(self) -> None:
        self.finish("answered")
        await asyncio.sleep(0.2)
        Afterwards.done = True


@web.stream_request_body
class Body(web.RequestHandler):
    def data_received(self, chunk: bytes) -> None:
        pass

    def post(self) -> None:
        self.write("all")


ROUTES = [
    ("/slow", Slow),
    ("/decorated", Decorated),
    ("/prepares", Prepares),
    ("/begun", Begun),
    ("/patient", Patient),
    ("/hasty", Hasty),
    ("/afterwards", Afterwards),
    ("/body", Body),
]


@pytest.fixture
def site(serve: Any) -> Any:
    made = serve(ROUTES)
    made.server.request_callback.settings["request_deadline"] = 0.1
    return made


def take(logs: Any, path: str, seconds: str = "0.1") -> None:
    logs.take("tornado.general", rf"503 (GET|POST) {path} \(127\.0\.0\.1\): no answer within {seconds} seconds")


@pytest.mark.parametrize("path", ["/slow", "/decorated", "/prepares"])
async def test_a_late_handler_is_cancelled_and_503_answered(site: Any, logs: Any, path: str) -> None:
    client = await site.client()
    client.get(path)
    head, body = await client.response()
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    take(logs, path)
    logs.take("tornado.access", f"503 GET {path}")
    if path == "/slow":
        assert body == b"own page 503"
        assert Slow.left == "cancelled"
    client.get("/patient")  # the connection goes on
    assert (await client.response())[1] == b"None"


async def test_what_is_asked_on_its_behalf_knows_the_deadline(site: Any, logs: Any) -> None:
    client = await site.client()
    client.get("/slow")
    await client.response()
    assert Slow.seen is not None
    assert 0 < Slow.seen <= 0.1
    take(logs, "/slow")
    logs.take("tornado.access", "503")


async def test_an_answer_that_has_begun_is_broken_off(site: Any, logs: Any) -> None:
    client = await site.client()
    client.get("/begun")
    got = await client.rest()
    assert got.endswith(b"\r\n4\r\npart\r\n")  # and no last chunk
    take(logs, "/begun")
    logs.take("tornado.general", "Cannot send error response after headers written")
    logs.take("tornado.access", "200|503") if any(record.name == "tornado.access" for record in logs.records) else None


async def test_a_class_has_the_last_word(site: Any, logs: Any) -> None:
    client = await site.client()
    client.get("/hasty")
    assert (await client.response())[0].startswith(b"HTTP/1.1 503")
    take(logs, "/hasty", "0.05")
    logs.take("tornado.access", "503")


async def test_what_is_done_behind_the_answer_goes_on(site: Any) -> None:
    client = await site.client()
    client.get("/afterwards")
    assert (await client.response())[1] == b"answered"
    await site.until(lambda: Afterwards.done)


async def test_a_body_that_does_not_come(site: Any, logs: Any) -> None:
    client = await site.client()
    client.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    assert (await client.response())[0].startswith(b"HTTP/1.1 503")
    take(logs, "/body")
    logs.take("tornado.access", "503")
    assert await client.rest() == b""


@pytest.mark.parametrize("kind", ["simple", "curl"])
async def test_fetches_of_a_handler_end_with_it(serve: Any, logs: Any, kind: str) -> None:
    if kind == "curl":
        pytest.importorskip("pycurl")
        from tornadolike.curl_httpclient import CurlAsyncHTTPClient as Client
    else:
        from tornadolike.simple_httpclient import SimpleAsyncHTTPClient as Client  # type: ignore[assignment]
    failures: list[Any] = []
    client = Client(force_instance=True)

    class Asks(web.RequestHandler):
        request_deadline = 5.0

        async def get(self) -> None:
            deadline.current.set(time.monotonic() + 0.1)  # as if most of it had passed
            try:
                await client.fetch(f"http://127.0.0.1:{site.port}/never", request_timeout=0)
            except Exception as error:
                failures.append(error)
            self.write("gave up")

    class Never(web.RequestHandler):
        request_deadline = math.inf

        async def get(self) -> None:
            await over.wait()

    over = asyncio.Event()
    site = serve([("/asks", Asks), ("/never", Never)])
    asking = await site.client()
    asking.get("/asks")
    assert (await asking.response())[1] == b"gave up"
    assert failures[0].code == 599
    client.close()
    over.set()
    await asyncio.sleep(0)


def test_remaining_time() -> None:
    def inside() -> None:
        assert deadline.remaining(10.0) is None
        deadline.current.set(12.0)
        assert deadline.remaining(10.0) == 2.0
        assert deadline.remaining(13.0) == 0.0

    contextvars.copy_context().run(inside)
    assert deadline.current.get() is None
