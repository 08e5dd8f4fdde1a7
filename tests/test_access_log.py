"""Lines of access logs, and the ids of requests."""

import asyncio
import io
import json
import logging
import sys
from typing import Any

import pytest

from tornadolike import access_log, routing, web


class Item(web.RequestHandler):
    def get(self, *args: str) -> None:
        self.write(access_log.request_id(self.request))


class Streamed(web.RequestHandler):
    async def get(self) -> None:
        self.write("a")
        await self.flush()
        self.finish("b")


@pytest.fixture
def site(serve: Any) -> Any:
    made = serve([("/one/([0-9]+)", Item), ("/two/([a-z]+)", Item), ("/plain$", Streamed)])
    made.out = io.StringIO()
    made.app = made.server.request_callback
    made.app.settings["log_function"] = access_log.AccessLog("json", made.out)
    made.app.add_transform(access_log.RequestId)
    return made


async def lines(site: Any, count: int) -> list[dict[str, Any]]:
    await site.until(lambda: site.out.getvalue().count("\n") >= count)
    return [json.loads(line) for line in site.out.getvalue().splitlines()]


async def ask(client: Any, path: str, fields: str = "") -> bytes:
    client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
    return (await client.response())[0]  # type: ignore[no-any-return]


async def test_routes_are_patterns(site: Any) -> None:
    client = await site.client()
    for path in ("/one/1", "/two/x", "/nowhere"):
        await ask(client, path)
    site.app.add_handlers("a", [("/late/(.*)", Item)])
    for path in ("/late/1", "/one/2"):
        await ask(client, path)
    found = [line["route"] for line in await lines(site, 5)]
    assert found == ["/one/([0-9]+)", "/two/([a-z]+)", None, "/late/(.*)", "/one/([0-9]+)"]


async def test_nested_rules(serve: Any) -> None:
    site = serve([])
    out = io.StringIO()
    inner = [(r"/in/(x)", Item)]
    site.server.request_callback = web.Application(
        [routing.Rule(routing.PathMatches("/in/.*"), inner)], log_function=access_log.AccessLog("json", out)
    )
    client = await site.client()
    await ask(client, "/in/x")
    await site.until(out.getvalue)
    assert json.loads(out.getvalue())["route"] == "/in/(x)"


@pytest.mark.parametrize("text", ["abc-123", "a" * 128, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
async def test_an_id_is_handed_on(site: Any, text: str) -> None:
    client = await site.client()
    assert f"\r\nX-Request-Id: {text}\r\n".encode() in await ask(client, "/one/1", f"X-Request-ID: {text}\r\n")
    assert (await lines(site, 1))[0]["request_id"] == text


@pytest.mark.parametrize("text", ["", "a" * 129, "a b", 'a"b', "\u00e4", "a\tb"])
async def test_an_id_that_is_none_is_replaced(site: Any, text: str) -> None:
    client = await site.client()
    heads = [await ask(client, "/one/1", f"X-Request-ID: {text}\r\n") for _ in range(2)]
    ids = {head.partition(b"X-Request-Id: ")[2].partition(b"\r\n")[0].decode() for head in heads}
    assert len(ids) == 2
    assert {line["request_id"] for line in await lines(site, 2)} == ids


async def test_a_length_that_was_not_known_is_null(site: Any) -> None:
    client = await site.client()
    client.get("/plain")
    await client.reader.readuntil(b"0\r\n\r\n")
    line = (await lines(site, 1))[0]
    assert (line["bytes"], line["route"]) == (None, "/plain")


async def test_what_clients_write_cannot_break_a_line(site: Any) -> None:
    client = await site.client()
    await ask(client, '/one/1?"},\\x7f%0d%0a{"')
    common = io.StringIO()
    site.app.settings["log_function"] = access_log.AccessLog("common", common)
    await ask(client, '/one/1?"\x85')
    assert (await lines(site, 1))[0]["target"].startswith('/one/1?"},')
    await site.until(common.getvalue)
    assert common.getvalue().count('"') == 2
    assert len(common.getvalue().splitlines()) == 1


async def test_trace_ids(site: Any) -> None:
    trace = pytest.importorskip("opentelemetry.trace")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    tracer = sdk.TracerProvider().get_tracer("test")
    seen = []

    class Traced(web.RequestHandler):
        def get(self) -> None:
            with tracer.start_as_current_span("get") as span:
                seen.append(f"{span.get_span_context().trace_id:032x}")
                self.finish("traced")

    site.app.add_handlers(".*", [("/traced", Traced)])
    client = await site.client()
    await ask(client, "/traced")
    await ask(client, "/one/1")
    first, second = await lines(site, 2)
    assert first["trace_id"] == seen[0]
    assert "trace_id" not in second
    assert trace is sys.modules["opentelemetry.trace"]


async def test_a_turn_is_written_in_one_piece(site: Any) -> None:
    pieces: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    log = access_log.AccessLog("json", Stream())
    for number in range(3):
        log.write(f"{number}\n")
    await asyncio.sleep(0)
    assert pieces == ["0\n1\n2\n"]


def test_forms() -> None:
    with pytest.raises(ValueError, match="one of json, common, off"):
        access_log.AccessLog("xml")
    out = io.StringIO()
    access_log.AccessLog("common", out).write("outside of a loop\n")
    assert out.getvalue() == "outside of a loop\n"
    assert logging.getLogger("tornado.access").handlers == []
