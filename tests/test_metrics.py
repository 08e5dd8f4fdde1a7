"""What Prometheus is shown."""

import asyncio
import importlib
import shutil
from typing import Any

import pytest

pytest.importorskip("prometheus_client")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tornadolike import hub, metrics, web, websocket


class Item(web.RequestHandler):
    def get(self, number: str) -> None:
        if number == "7":
            raise web.HTTPError(403)
        if number == "8":
            raise ZeroDivisionError
        self.write(number)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def application(registry: CollectorRegistry) -> web.Application:
    made = web.Application(
        [(r"/item/([0-9]+)", Item), (r"/other/([0-9]+)", Item), (r"/metrics", metrics.MetricsHandler, {"registry": registry})]
    )
    metrics.instrument(made, registry)
    metrics.instrument(made, registry)  # no twice as many
    return made


def values(text: str) -> dict[tuple[Any, ...], float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def counted(found: dict[tuple[Any, ...], float]) -> dict[tuple[str, str, str, str], float]:
    """Requests by method, route, status and error; the names of the labels are OpenTelemetry's, with underscores."""
    names = {"error_type", "http_request_method", "http_response_status_code", "http_route", "url_scheme"}
    counts = {}
    for (name, *pairs), value in found.items():
        if name == "http_server_request_duration_seconds_count":
            labels = dict(pairs)
            assert labels.keys() == names
            assert labels["url_scheme"] == "http"
            key = labels["http_request_method"], labels["http_route"], labels["http_response_status_code"], labels["error_type"]
            counts[key] = value
    return counts


async def test_requests_by_route(serve: Any, registry: CollectorRegistry, logs: Any) -> None:
    site = serve([])
    site.server.request_callback = application(registry)
    client = await site.client()
    for path in ("/item/1", "/item/2", "/other/3", "/item/7", "/item/8", "/nowhere", "/nowhere/else"):
        client.get(path)
        await client.response()
    logs.take("tornado.application", "Uncaught exception GET /item/8")
    logs.take("tornado.access", "500 GET /item/8")
    for path in ("/item/7", "/nowhere", "/nowhere/else"):
        logs.take("tornado.access", rf"40[34] GET {path} ")
    client.get("/metrics")
    head, body = await client.response()
    assert b"text/plain" in head
    found = values(body.decode())

    assert counted(found) == {
        ("GET", "/item/([0-9]+)", "200", ""): 2,
        ("GET", "/other/([0-9]+)", "200", ""): 1,
        ("GET", "/item/([0-9]+)", "403", ""): 1,
        ("GET", "/item/([0-9]+)", "500", "500"): 1,
        ("GET", "", "404", ""): 2,
    }
    assert not any("/metrics" in str(key) for key in found)


async def test_methods_that_are_none_share_a_label(serve: Any, registry: CollectorRegistry, logs: Any) -> None:
    site = serve([])
    site.server.request_callback = application(registry)
    client = await site.client()
    for number in range(3):
        client.send(b"MADEUP%d /item/1 HTTP/1.1\r\nHost: a\r\n\r\n" % number)
        await client.response()
        logs.take("tornado.access", "405 MADEUP")
    client.get("/metrics")
    text = (await client.response())[1].decode()
    assert 'http_request_method="_OTHER"' in text
    assert "MADEUP" not in text


class Waiting(web.RequestHandler):
    going_on: asyncio.Event

    def initialize(self, *, begun: bool = False) -> None:
        self.begun = begun

    async def get(self) -> None:
        if self.begun:
            self.write("a")
            await self.flush()
        await self.going_on.wait()
        self.write("answer")

    post = get


@web.stream_request_body
class Streamed(Waiting):
    def data_received(self, chunk: bytes) -> None:
        pass


async def test_active_requests_by_method(serve: Any, registry: CollectorRegistry) -> None:
    site = serve([])
    made = application(registry)
    made.add_handlers(".*", [("/wait", Waiting)])
    site.server.request_callback = made
    metrics.instrument(made, registry).watch(site.server)
    Waiting.going_on = asyncio.Event()
    waiting, asking = await site.client(), await site.client()
    waiting.send(b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na")
    await site.until(lambda: any(tuple(connection.exchanges()) for connection in site.server._connections))

    async def active() -> dict[str, float]:
        asking.get("/metrics")
        found = values((await asking.response())[1].decode())
        return {
            dict(pairs)["http_request_method"]: value for (name, *pairs), value in found.items() if name == "http_server_active_requests"
        }

    assert await active() == {"GET": 1, "POST": 1}
    Waiting.going_on.set()
    await waiting.response()
    assert await active() == {"GET": 1, "POST": 0}


def test_names_are_those_of_the_conventions(registry: CollectorRegistry) -> None:
    http_metrics = pytest.importorskip("opentelemetry.semconv.metrics.http_metrics")
    conventions = pytest.importorskip("opentelemetry.semconv.attributes")
    modules = ("http_attributes", "url_attributes", "error_attributes")
    names = {
        value.replace(".", "_")
        for module in modules
        for value in vars(importlib.import_module(f"{conventions.__name__}.{module}")).values()
        if isinstance(value, str)
    }
    made = metrics.Metrics(registry)
    assert set(made.duration._labelnames) | set(made.active._labelnames) <= names
    assert made.duration._name == f"{http_metrics.HTTP_SERVER_REQUEST_DURATION.replace('.', '_')}_seconds"
    assert made.active._name == "http_server_active_requests"


@web.stream_request_body
class Refusing(web.RequestHandler):
    def prepare(self) -> None:
        raise web.HTTPError(413)


async def test_what_is_answered_before_its_body_is_counted_once_and_by_its_route(
    serve: Any, registry: CollectorRegistry, logs: Any
) -> None:
    limits = pytest.importorskip("tornadolike.limits")

    class Limited(web.RequestHandler):
        @limits.rate_limited("1/hour")  # type: ignore[untyped-decorator]
        def get(self, number: str) -> None:
            self.write(number)

    made = web.Application([("/refusing", Refusing), ("/limited/([0-9]+)", Limited), ("/also/([0-9]+)", Limited)])
    measured = metrics.instrument(made, registry)
    site = serve([])
    site.server.request_callback = made
    for sent in (
        b"POST /refusing HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        b"GET /limited/1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /limited/2 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /also/3 HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        client = await site.client()
        client.send(sent)
        await client.response()
        client.reset()
        await site.until(lambda: not site.server._connections)
    for message in ("413 POST", "429 GET", "429 GET"):
        logs.take("tornado.access", message)
    measured.sample()
    assert counted(values(generate_latest(registry).decode())) == {
        ("POST", "/refusing", "413", ""): 1.0,
        ("GET", "/limited/([0-9]+)", "200", ""): 1.0,
        ("GET", "/limited/([0-9]+)", "429", ""): 1.0,
        ("GET", "/also/([0-9]+)", "429", ""): 1.0,
    }


@pytest.mark.parametrize(
    ("path", "sent", "route", "status"),
    [
        ("/wait", b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n", "/wait", ""),
        ("/begun", b"GET /begun HTTP/1.1\r\nHost: a\r\n\r\n", "/begun", "200"),
        ("/wait", b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf", "/wait", ""),
        ("/streamed", b"POST /streamed HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf", "/streamed", ""),
        ("/streamed", b"POST /streamed HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "/streamed", ""),
    ],
)
async def test_a_client_that_leaves_is_counted_once(
    serve: Any, registry: CollectorRegistry, path: str, sent: bytes, route: str, status: str
) -> None:
    Waiting.going_on = asyncio.Event()
    made = web.Application([("/wait", Waiting), ("/begun", Waiting, {"begun": True}), ("/streamed", Streamed)])
    measured = metrics.instrument(made, registry)
    site = serve([])
    site.server.request_callback = made

    def now() -> dict[tuple[str, str, str, str], float]:
        measured.sample()
        return counted(values(generate_latest(registry).decode()))

    client = await site.client()
    client.send(sent)
    if status:
        await client.reader.readuntil(b"a\r\n")
    await site.until(lambda: site.server._connections and next(iter(site.server._connections)).exchanges())
    client.reset()
    method = sent.split()[0].decode()
    expected = {(method, route, status, "StreamClosedError"): 1.0}
    await site.until(lambda: now() == expected)
    Waiting.going_on.set()  # the handler ends, and is not counted once more
    other = await site.client()
    other.get("/wait")
    await other.response()
    assert now() == {**expected, ("GET", "/wait", "200", ""): 1.0}


async def test_what_is_open_now(registry: CollectorRegistry) -> None:
    server = application(registry).listen(0, "127.0.0.1")
    measured = metrics.instrument(server.request_callback, registry)
    assert server in measured._servers
    measured.sample()
    assert registry.get_sample_value("http_server_open_connections") == 0
    server.stop()


class Echo(websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)
        self.write_message(message)


async def test_websockets(serve: Any, registry: CollectorRegistry) -> None:
    made = web.Application([("/ws", Echo)])
    measured = metrics.instrument(made, registry)
    site = serve([])
    site.server.request_callback = made
    measured.watch(site.server)

    def value(name: str, **labels: str) -> float | None:
        measured.sample()
        return registry.get_sample_value(name, labels)  # type: ignore[no-any-return,unused-ignore]

    connections = [await websocket.websocket_connect(f"ws://127.0.0.1:{site.port}/ws") for _ in range(2)]
    for connection in connections:
        await connection.write_message("one")
        for _ in range(2):
            assert await connection.read_message() == "one"
    assert value("websocket_server_open_connections") == 2
    assert value("websocket_server_queued_bytes") == 0
    assert value("websocket_server_messages_total", direction="received") == 2
    assert value("websocket_server_messages_total", direction="sent") == 4
    await connections[0].write_message("two")
    for connection in connections:
        connection.close()
    await site.until(lambda: value("websocket_server_open_connections") == 0)
    await site.until(lambda: value("websocket_server_messages_total", direction="received") == 3)
    assert value("websocket_server_messages_total", direction="sent") == 6  # counted to the end, each once


class Down(hub.MemoryBroker):
    """Is there, and then is not."""

    waiting = 3


async def test_a_hub(registry: CollectorRegistry, logs: Any) -> None:
    async with hub.Hub(Down()) as ours:
        measured = metrics.instrument(application(registry), registry, hub=ours)
        metrics.instrument(application(registry), registry, hub=ours)  # no twice as many
        members = [Echo.__new__(Echo) for _ in range(3)]
        for member in members:
            member.write_message = lambda data: None  # type: ignore[method-assign,assignment,misc]
            ours.join("one", member)
        ours.join("two", members[0])
        ours.publish("one", "to three")
        ours.publish("one", "to two", exclude=members[0])
        ours.publish("nobody's", "to nobody")
        await ours.since("one", "1-1")  # is of no history that there is

        def value(name: str) -> float | None:
            return registry.get_sample_value(name)

        for _ in range(2):
            measured.sample()
            assert [value(f"hub_{name}_total") for name in ("messages_published", "messages_delivered", "gaps")] == [3, 5, 1]
            assert [value(f"hub_{name}") for name in ("members", "rooms", "broker_connected", "broker_waiting_requests")] == [4, 2, 1, 3]
        ours.changed(False, "for a test")
        ours.leave(members[1])
        measured.sample()
        assert [value("hub_broker_connected"), value("hub_members")] == [0, 3]
    logs.take("tornado.application", "messages of 'one' are lost")
    logs.take("tornado.application", "the broker is down")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package prometheus")
async def test_promtool_accepts_the_page(serve: Any, registry: CollectorRegistry) -> None:
    site = serve([])
    site.server.request_callback = application(registry)
    metrics.instrument(site.server.request_callback, registry, hub=hub.Hub())
    client = await site.client()
    client.get("/item/1")
    await client.response()
    client.get("/metrics")
    page = (await client.response())[1]
    pipe = asyncio.subprocess.PIPE
    promtool = await asyncio.create_subprocess_exec("promtool", "check", "metrics", stdin=pipe, stdout=pipe, stderr=pipe)
    said = await promtool.communicate(page)
    assert promtool.returncode == 0, said
    assert said == (b"", b"")  # no advice either
