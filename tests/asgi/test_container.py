"""ASGI applications inside a Tornado application, over our own server. Each trap of the specification has a test that names it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.conftest import Site
from tornadolike import asgi, web
from tornadolike._asgi_mounted import http_call
from tornadolike.httpclient import AsyncHTTPClient
from tornadolike.websocket import WebSocketClosedError, websocket_connect

Serve = Callable[..., Site]
EXPECTED = "expected"


async def read_body(receive: Any) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


async def respond(send: Any, body: bytes = b"", status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


def only_http(run: Callable[..., Awaitable[None]]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await run(scope, receive, send)

    return app


def mounted(serve: Serve, run: Callable[..., Awaitable[None]], **options: Any) -> Site:
    return serve([asgi.Mount("/in", only_http(run), **options)])


async def fetch(site: Site, path: str = "/in", **options: Any) -> Any:
    return await AsyncHTTPClient().fetch(f"http://127.0.0.1:{site.port}{path}", raise_error=False, **options)


async def test_the_scope(serve: Serve) -> None:
    scopes: list[Any] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await respond(send)

    site = mounted(serve, run)
    await fetch(site, "/in/a%20b%2Fc?x=%20&y", headers={"X-Some": "1"})
    (scope,) = scopes
    assert {
        name: scope[name] for name in ("type", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path")
    } == {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/in/a b/c",
        "raw_path": b"/in/a%20b%2Fc",
        "query_string": b"x=%20&y",
        "root_path": "/in",
    }
    assert (b"x-some", b"1") in scope["headers"]
    assert all(name == name.lower() for name, _ in scope["headers"])
    assert scope["client"][0] == "127.0.0.1"
    assert scope["server"] == ("127.0.0.1", site.port)
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["state"] == {}


@pytest.mark.parametrize(("path", "status"), [("/in", 200), ("/in/", 200), ("/in/x", 200), ("/inside", 404), ("/", 404)])
async def test_what_a_mount_takes(serve: Serve, logs: Any, path: str, status: int) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await respond(send)

    assert (await fetch(mounted(serve, run), path)).code == status
    if status == 404:
        logs.take("tornado.access", "404")


async def test_a_container_is_a_rule_target_as_it_is(serve: Serve) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, scope["root_path"].encode() + scope["path"].encode())

    site = serve([(r"/api/.*", asgi.ASGIContainer(only_http(run)))])
    assert (await fetch(site, "/api/x")).body == b"/api/x"


async def test_a_complete_answer_gets_its_length(serve: Serve) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"hello", 201, [(b"x-mine", b"1"), (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2")])

    answer = await fetch(mounted(serve, run))
    assert (answer.code, answer.body, answer.headers["Content-Length"], answer.headers["X-Mine"]) == (201, b"hello", "5", "1")
    assert answer.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
    assert "Date" in answer.headers


async def test_trap_headers_may_be_what_can_be_iterated_over_once(serve: Serve) -> None:
    """Sanic's are a generator: looked at twice, they were empty."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        pairs = ((name, value) for name, value in [(b"content-type", b"text/x"), (b"x-mine", b"1")])
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b"hello"})

    site = mounted(serve, run)
    for _ in range(2):
        answer = await fetch(site)
        assert (answer.headers["Content-Type"], answer.headers["X-Mine"], answer.body) == ("text/x", "1", b"hello")


async def test_head_and_statuses_without_a_body(serve: Serve) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        status = 204 if scope["path"].endswith("204") else 200
        await respond(send, b"hello", status, [(b"content-length", b"5")] if status == 200 else [])

    site = mounted(serve, run)
    head = await fetch(site, method="HEAD")
    assert (head.body, head.headers["Content-Length"]) == (b"", "5")
    assert (await fetch(site, "/in/204")).body == b""
    client = await site.client()
    client.send(b"HEAD /in HTTP/1.1\r\nHost: a\r\n\r\nGET /in HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")
    assert (await client.response())[1] == b"hello"


async def test_bodies_are_streamed_both_ways(serve: Serve) -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        while True:
            message = await receive()
            await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
            if not message["more_body"]:
                return

    client = await mounted(serve, echo).client()
    client.send(b"POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    async with asyncio.timeout(10):
        await client.reader.readuntil(b"one\r\n")
        client.send(b"3\r\ntwo\r\n")
        await client.reader.readuntil(b"two\r\n")
        client.send(b"0\r\n\r\n")
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"


async def test_an_application_that_does_not_read_makes_the_client_wait(serve: Serve) -> None:
    release = asyncio.Event()

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await respond(send, b"%d" % len(await read_body(receive)))

    site = mounted(serve, run)
    client = await site.client()
    size = 50_000_000
    client.send(b"POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    writing = asyncio.ensure_future(_send_much(client, size))
    await asyncio.sleep(0.1)
    assert not writing.done()
    release.set()
    assert (await client.response())[1] == b"%d" % size
    await writing


async def _send_much(client: Any, size: int) -> None:
    for _ in range(size // 1_000_000):
        client.send(b"x" * 1_000_000)
        await client.writer.drain()


async def test_a_client_that_does_not_read_makes_send_wait(serve: Serve) -> None:
    sent = 0
    gone: list[BaseException] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
                sent += 1
        except OSError as error:
            gone.append(error)
            raise

    site = mounted(serve, run)
    client = await site.client()
    client.writer.transport.pause_reading()
    client.get("/in")
    await asyncio.sleep(0.2)
    before = sent
    await asyncio.sleep(0.1)
    assert sent == before < 60
    client.reset()
    await site.until(lambda: gone)
    assert isinstance(gone[0], asgi.ClientDisconnected)


async def test_trap_100_continue_when_the_application_asks_for_the_body(serve: Serve, logs: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("refuse"):
            await respond(send, b"no", 403)
        else:
            await respond(send, await read_body(receive))

    site = mounted(serve, run)
    client = await site.client()
    client.send(b"POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert b" 100 " in await client.reader.readuntil(b"\r\n\r\n")
    client.send(b"ok")
    assert (await client.response())[1] == b"ok"
    other = await site.client()
    other.send(b"POST /in/refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert b" 403 " in (await other.rest())
    logs.take("tornado.access", "403")


async def test_trap_receive_after_the_body_waits_for_the_client_to_leave(serve: Serve) -> None:
    told: list[str] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        told.append("read")
        told.append((await receive())["type"])
        told.append((await receive())["type"])

    site = mounted(serve, run)
    client = await site.client()
    client.get("/in")
    await site.until(lambda: told)
    await asyncio.sleep(0.01)
    assert told == ["read"]
    client.reset()
    await site.until(lambda: len(told) == 3)
    assert told == ["read", "http.disconnect", "http.disconnect"]


async def test_trap_receive_after_the_answer_says_disconnect(serve: Serve) -> None:
    told: list[str] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await respond(send)
        told.append((await receive())["type"])

    site = mounted(serve, run)
    await fetch(site)
    await site.until(lambda: told)
    assert told == ["http.disconnect"]


async def test_trap_receive_that_waits_while_the_answer_is_completed_says_disconnect(serve: Serve) -> None:
    """Litestar watches for it beside every stream, and waits for that."""
    heard: list[str] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        watching = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await respond(send, b"whole")
        heard.append((await watching)["type"])

    site = mounted(serve, run)
    client = await site.client()
    client.get("/in")
    assert (await client.response())[1] == b"whole"
    await site.until(lambda: heard)
    assert heard == ["http.disconnect"]


async def test_a_client_that_leaves_in_the_middle_of_its_body(serve: Serve) -> None:
    told: list[str] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        while not told or told[-1] != "http.disconnect":
            told.append((await receive())["type"])
        with pytest.raises(OSError, match="gone"):
            await respond(send)
        told.append("done")

    site = mounted(serve, run)
    client = await site.client()
    client.send(b"POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
    await site.until(lambda: told)
    client.reset()
    await site.until(lambda: told[-1] == "done")


async def test_an_application_that_fails_is_answered_500(serve: Serve, logs: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        if scope["path"].endswith("raise"):
            raise ValueError(EXPECTED)

    site = mounted(serve, run)
    for path, line in (("/in/raise", "Exception in ASGI application for GET /in/raise"), ("/in", "returned without completing")):
        assert (await fetch(site, path)).code == 500
        logs.take("tornado.application", line)
        logs.take("tornado.access", "500")


async def test_trap_what_was_cancelled_inside_the_application_is_its_failure(serve: Serve, logs: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
        waited = asyncio.get_running_loop().create_future()
        waited.cancel()
        await waited

    site = mounted(serve, run)
    assert (await fetch(site)).code == 500
    logs.take("tornado.application", "Exception in ASGI application for GET /in")
    logs.take("tornado.access", "500")
    chat = await websocket_connect(f"ws://127.0.0.1:{site.port}/in")
    assert await chat.read_message() is None
    assert chat.close_code == 1011
    chat.close()
    logs.take("tornado.application", "Exception in ASGI application for GET /in")


async def test_an_answer_that_comes_after_the_application_has_returned_is_refused_from_its_head_on(serve: Serve, logs: Any) -> None:
    late: list[BaseException] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        async def answer() -> None:
            await returned.wait()
            try:
                await send({"type": "http.response.start", "status": 200})
            except RuntimeError as error:
                late.append(error)

        tasks.append(asyncio.create_task(answer()))

    returned, tasks = asyncio.Event(), list[Any]()
    assert (await fetch(mounted(serve, run))).code == 500
    returned.set()
    await asyncio.gather(*tasks)
    assert len(late) == 1
    logs.take("tornado.application", "returned without completing")
    logs.take("tornado.access", "500")


@pytest.mark.parametrize("length", [None, b"10"])
async def test_trap_an_exception_behind_the_head_breaks_the_answer_off(serve: Serve, logs: Any, length: bytes | None) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)] if length else []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise ValueError(EXPECTED)

    client = await mounted(serve, run).client()
    client.get("/in")
    got = await client.rest()
    assert b"part" in got
    assert not got.endswith(b"0\r\n\r\n")
    logs.take("tornado.application", "Exception in ASGI application")


@pytest.mark.parametrize(
    "sent",
    [
        [{"type": "http.response.body", "body": b""}],
        [{"type": "http.response.start", "status": 200}] * 2,
        [{"type": "http.response.start", "status": 0}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc: d")]}],
        [{"type": "websocket.accept"}],
    ],
)
async def test_what_the_specification_does_not_allow_is_refused(serve: Serve, logs: Any, sent: list[Any]) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        for message in sent:
            await send(message)

    assert (await fetch(mounted(serve, run))).code == 500
    assert "MessageError" in str(logs.take("tornado.application", "Exception in ASGI application").exc_info[0])
    logs.take("tornado.access", "500")


async def test_more_and_less_than_the_announced_length(serve: Serve, logs: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"xx" if scope["path"].endswith("less") else b"xxxx"})

    site = mounted(serve, run)
    for path in ("/in/less", "/in/more"):
        client = await site.client()
        client.get(path)
        assert not (await client.rest()).endswith(b"xxx")
        logs.take("tornado.application", "Exception in ASGI application")


async def test_trap_transfer_encoding_of_the_application_is_ignored(serve: Serve) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"plain", headers=[(b"Transfer-Encoding", b"chunked")])

    assert (await fetch(mounted(serve, run))).body == b"plain"


async def test_a_root_path_of_a_server_in_front_comes_first(host: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        await respond(send, f"{scope['root_path']} {scope['path']} {scope['server']}".encode())

    host.app = asgi.ASGIAdapter(web.Application([asgi.Mount("/in", only_http(run))]))
    call = await host.fetch("POST", "/front/in/x", b"body", root_path="/front")
    assert call.body == b"/front/in /front/in/x ('192.0.2.1', 80)"


# -- lifespans


class Living:
    """An application with a lifespan, and what happened to it."""

    def __init__(self, fail: str = "") -> None:
        self.steps: list[Any] = []
        self.fail = fail

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
            return
        self.steps.append(("request", scope["state"].get("database")))
        scope["state"]["database"] = "changed"
        await respond(send, b"ok")

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        self.steps.append("up")
        if self.fail == "raise":
            raise ValueError(EXPECTED)
        if self.fail == "say":
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        if self.fail == "hang":
            await asyncio.Event().wait()
        await asyncio.sleep(0.005)
        scope["state"]["database"] = "open"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        if self.fail == "hang at the end":
            await asyncio.Event().wait()
        self.steps.append("down")
        await send({"type": "lifespan.shutdown.complete"})


async def test_a_lifespan_starts_before_the_first_request_and_ends_with_drain(serve: Serve) -> None:
    app = Living()
    site = serve([asgi.Mount("/in", app)])
    answers = await asyncio.gather(*[fetch(site) for _ in range(3)])
    assert [answer.code for answer in answers] == [200] * 3
    assert app.steps == ["up"] + [("request", "open")] * 3
    assert await site.server.drain(5)
    assert app.steps[-1] == "down"


async def test_a_lifespan_ends_with_the_last_of_its_servers(serve: Serve) -> None:
    app = Living()
    container = asgi.ASGIContainer(app)
    sites = [serve([(".*", container)]) for _ in range(2)]
    for site in sites:
        await fetch(site)
    await sites[0].server.drain(5)
    assert app.steps[-1] != "down"
    await sites[1].server.drain(5)
    assert app.steps[-1] == "down"


async def test_one_container_in_two_rules_is_started_once_and_an_application_in_two_mounts_twice(serve: Serve) -> None:
    shared, mounted = Living(), Living()
    container = asgi.ASGIContainer(shared)
    site = serve([("/a.*", container), ("/b.*", container), asgi.Mount("/c", mounted), asgi.Mount("/d", mounted)])
    for path in ("/a", "/b", "/c", "/d"):
        assert (await fetch(site, path)).code == 200
    assert await site.server.drain(5)
    for app, times in ((shared, 1), (mounted, 2)):
        assert (app.steps.count("up"), app.steps.count("down")) == (times, times)


async def test_a_lifespan_can_be_started_at_once(serve: Serve) -> None:
    app = Living()
    container = asgi.ASGIContainer(app)
    await container.startup()
    assert app.steps == ["up"]
    await container.startup()
    await container.shutdown()
    assert app.steps == ["up", "down"]


async def test_a_lifespan_can_be_left_out(serve: Serve) -> None:
    app = Living()
    site = serve([asgi.Mount("/in", app, lifespan="off")])
    await fetch(site)
    assert app.steps == [("request", None)]
    with pytest.raises(ValueError, match="lifespan"):
        asgi.ASGIContainer(app, lifespan="perhaps")  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(("fail", "lifespan"), [("say", "auto"), ("raise", "on"), ("hang", "auto")])
async def test_a_start_up_that_fails_or_hangs_is_logged_and_answered_503(serve: Serve, logs: Any, fail: str, lifespan: str) -> None:
    app = Living(fail)
    site = serve([asgi.Mount("/in", app, lifespan=lifespan, startup_timeout=0.05), ("/", Home)])
    for _ in range(2):
        assert (await fetch(site)).code == 503
        logs.take("tornado.access", "503")
    logs.take("tornado.application", {"say": "failed: no database", "raise": "failed", "hang": "took more than 0.05 seconds"}[fail])
    assert app.steps == ["up"]
    assert (await fetch(site, "/")).body == b"home"
    with pytest.raises(RuntimeError):
        await next(iter(site.server.request_callback.wildcard_router.rules)).target.startup()
    assert await site.server.drain(5)


class Home(web.RequestHandler):
    def get(self) -> None:
        self.write("home")


async def test_an_application_without_a_lifespan_is_fine(serve: Serve) -> None:
    app = Living("raise")
    assert (await fetch(serve([asgi.Mount("/in", app)]))).code == 200


async def test_a_client_that_leaves_while_the_start_up_hangs(serve: Serve, logs: Any) -> None:
    app = Living("hang")
    site = serve([asgi.Mount("/in", app), ("/", Home)])
    client = await site.client()
    client.get("/in")
    await site.until(lambda: app.steps)
    client.reset()
    assert (await fetch(site, "/")).body == b"home"
    assert await site.server.drain(5)
    logs.take("tornado.application", "start-up of an ASGI application was cancelled")


async def test_a_shutdown_that_hangs_is_cancelled(serve: Serve, logs: Any) -> None:
    container = asgi.ASGIContainer(Living("hang at the end"))
    await container.startup()
    await container.shutdown(0.01)
    logs.take("tornado.application", "shutdown of an ASGI application took more than 0.01 seconds")


async def test_a_lifespan_that_is_cancelled_with_its_loop_says_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()
        except asyncio.CancelledError:
            await send({"type": "lifespan.shutdown.failed", "message": "cancelled"})
            raise

    container = asgi.ASGIContainer(app)
    await container.startup()
    container._life._task.cancel()
    await asyncio.wait([container._life._task])


# -- draining


async def test_a_stream_of_events_ends_at_drain(serve: Serve) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
            await asyncio.sleep(0.005)

    site = mounted(serve, run)
    client = await site.client()
    client.get("/in")
    await client.reader.readuntil(b"data: x\n\n")
    assert await site.server.drain(5)
    assert (await client.rest()).endswith(b"0\r\n\r\n")


async def test_a_silent_stream_of_events_ends_at_drain(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_call, "_EVENTS_GRACE_SECONDS", 0.01)

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        await asyncio.Event().wait()

    site = mounted(serve, run)
    client = await site.client()
    client.get("/in")
    await client.reader.readuntil(b":\n\n")
    assert await site.server.drain(5)


async def test_a_download_in_flight_is_completed_at_drain(serve: Serve) -> None:
    release = asyncio.Event()

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await release.wait()
        await send({"type": "http.response.body", "body": b"two"})

    site = mounted(serve, run)
    client = await site.client()
    client.get("/in")
    await client.reader.readuntil(b"one\r\n")
    draining = asyncio.ensure_future(site.server.drain(5))
    await asyncio.sleep(0.01)
    release.set()
    assert b"two" in await client.rest()
    assert await draining


async def test_an_application_that_runs_on_after_the_drains_time_is_cancelled(
    serve: Serve, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "_GRACE_SECONDS", 0.01)
    cancelled: list[str] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("cancelled")
            raise

    site = mounted(serve, run)
    client = await site.client()
    client.get("/in")
    await asyncio.sleep(0.01)
    assert not await site.server.drain(0.01)
    logs.take("tornado.general", "cutting off a request")
    assert cancelled == ["cancelled"]
    logs.take("tornado.application", "did not end when its client had gone")


# -- WebSockets


async def echo_socket(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0], "headers": [(b"x-mine", b"1")]})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "return":
            return
        if message.get("text") == "raise":
            raise ValueError(EXPECTED)
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4002, "reason": "asked"})
            continue
        content = {name: message[name] for name in ("text", "bytes") if message.get(name) is not None}
        await send({"type": "websocket.send", **content})
    SEEN.append(message)


SEEN: list[Any] = []


@pytest.fixture
async def open_socket(serve: Serve) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    SEEN.clear()
    opened: list[Any] = []

    async def connect(run: Any = echo_socket, path: str = "/in/ws", **options: Any) -> Any:
        site = mounted(serve, run)
        connection = await websocket_connect(f"ws://127.0.0.1:{site.port}{path}", **options)
        connection.site = site  # type: ignore[attr-defined]  # for the test
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()
        with contextlib.suppress(WebSocketClosedError):
            await connection.read_message()


async def test_messages(open_socket: Any) -> None:
    connection = await open_socket(subprotocols=["a", "b"])
    assert connection.selected_subprotocol == "a"
    assert connection.headers["X-Mine"] == "1"
    for message in ("text", b"bytes", "x" * 100_000):
        await connection.write_message(message, binary=isinstance(message, bytes))
        assert await connection.read_message() == message
    connection.close(3001, "bye")
    assert await connection.read_message() is None
    await connection.site.until(lambda: SEEN)
    assert SEEN == [{"type": "websocket.disconnect", "code": 3001, "reason": "bye"}]


@pytest.mark.parametrize(("asked", "code", "reason"), [("return", 1000, None), ("raise", 1011, None), ("close", 4002, "asked")])
async def test_trap_how_an_application_ends_is_the_close_code(open_socket: Any, logs: Any, asked: str, code: int, reason: Any) -> None:
    connection = await open_socket()
    await connection.write_message(asked)
    assert await connection.read_message() is None
    assert (connection.close_code, connection.close_reason) == (code, reason)
    if asked == "raise":
        logs.take("tornado.application", "Exception in ASGI application for GET /in/ws")
    if asked == "close":
        await connection.site.until(lambda: SEEN)
        assert SEEN[0]["code"] == 4002


async def test_a_client_that_drops_the_connection(open_socket: Any) -> None:
    connection = await open_socket()
    connection.protocol.stream.close()
    await connection.site.until(lambda: SEEN)
    assert SEEN == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


async def test_send_after_the_client_left(open_socket: Any) -> None:
    raised: list[BaseException] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        try:
            await send({"type": "websocket.send", "text": "x"})
        except OSError as error:
            raised.append(error)
            raise

    connection = await open_socket(run)
    connection.close()
    await connection.site.until(lambda: raised)
    assert isinstance(raised[0], asgi.ClientDisconnected)


async def handshake(site: Site, *fields: bytes) -> bytes:
    client = await site.client()
    lines = (b"Upgrade: websocket", b"Connection: Upgrade", *fields)
    client.send(b"GET /in HTTP/1.1\r\nHost: a\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
    head, body = await client.response()
    return head + body


VALID = (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")


@pytest.mark.parametrize(("fields", "status"), [(VALID[1:], 426), (VALID[:1], 400), ((b"Sec-WebSocket-Version: 12", VALID[1]), 426)])
async def test_malformed_handshakes(serve: Serve, logs: Any, fields: tuple[bytes, ...], status: int) -> None:
    got = await handshake(mounted(serve, echo_socket), *fields)
    assert b" %d " % status in got
    assert (b"Sec-Websocket-Version: 13" in got) is (status == 426)
    logs.take("tornado.access", str(status))


async def test_trap_a_close_before_accept_is_403(serve: Serve, logs: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close"})
        assert (await receive())["type"] == "websocket.disconnect"

    assert b" 403 " in await handshake(mounted(serve, run), *VALID)
    logs.take("tornado.access", "403")


async def test_a_denial_with_a_body(serve: Serve, logs: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        assert "websocket.http.response" in scope["extensions"]
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic")]})
        await send({"type": "websocket.http.response.body", "body": b"log ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"in"})

    got = await handshake(mounted(serve, run), *VALID)
    assert b" 401 " in got
    assert b"Www-Authenticate: Basic" in got
    assert got.endswith(b"log in")
    logs.take("tornado.access", "401")


@pytest.mark.parametrize("how", ["raise", "return"])
async def test_no_answer_to_the_handshake_is_500(serve: Serve, logs: Any, how: str) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if how == "raise":
            raise ValueError(EXPECTED)

    assert b" 500 " in await handshake(mounted(serve, run), *VALID)
    logs.take("tornado.application", "Exception in ASGI" if how == "raise" else "without answering the handshake")
    logs.take("tornado.access", "500")


async def test_a_websocket_is_told_of_a_drain(open_socket: Any) -> None:
    connection = await open_socket()
    draining = asyncio.ensure_future(connection.site.server.drain(5))
    assert await connection.read_message() is None
    assert connection.close_code == 1001
    assert await draining
    assert SEEN[0]["code"] == 1001


async def test_an_application_that_does_not_read_its_messages_makes_the_client_wait(open_socket: Any) -> None:
    release = asyncio.Event()

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await release.wait()
        count = 0
        while (await receive())["type"] == "websocket.receive":
            count += 1
            if count == 300:
                await send({"type": "websocket.send", "text": "all"})

    connection = await open_socket(run)
    writing = [connection.write_message(b"x" * 100_000, binary=True) for _ in range(300)]
    await asyncio.sleep(0.1)
    assert not writing[-1].done()
    release.set()
    assert await connection.read_message() == "all"


async def test_compression(serve: Serve) -> None:
    site = mounted(serve, echo_socket, websocket_compression_options={})
    connection = await websocket_connect(f"ws://127.0.0.1:{site.port}/in", compression_options={})
    assert "permessage-deflate" in connection.headers["Sec-WebSocket-Extensions"]
    await connection.write_message("x" * 10_000)
    assert await connection.read_message() == "x" * 10_000
    assert connection.protocol._wire_bytes_in < 200
    connection.close()
    assert await connection.read_message() is None
