"""Lines of access logs, and the ids of requests."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
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


class Pieces(io.StringIO):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.on_write: Callable[[], object] = bool

    def write(self, text: str) -> int:
        self.pieces.append(text)
        self.on_write()
        return len(text)


async def test_lines_are_written_together(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_TOGETHER_SECONDS", 0.25)
    stream = Pieces()
    log = access_log.AccessLog("json", stream)
    for number in range(3):
        log.write(f"{number}\n")
        await asyncio.sleep(0)
    assert not stream.pieces
    await site.until(lambda: stream.pieces)
    assert stream.pieces == ["0\n1\n2\n"]


def test_a_loop_that_has_ended_takes_no_line_along() -> None:
    stream = Pieces()
    log = access_log.AccessLog("json", stream)

    async def write() -> None:
        log.write("a\n")

    async def write_and_wait() -> None:
        written = asyncio.Event()
        stream.on_write = written.set
        log.write("b\n")
        await written.wait()

    asyncio.run(write())
    assert not stream.pieces
    asyncio.run(write_and_wait())
    assert stream.pieces == ["a\nb\n"]


def test_lines_of_threads_are_each_written_once() -> None:
    stream = Pieces()
    log = access_log.AccessLog("json", stream)

    def write(name: int) -> None:
        for number in range(500):
            log.write(f"{name}-{number}\n")

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted("".join(stream.pieces).splitlines()) == sorted(f"{name}-{number}" for name in range(4) for number in range(500))


def test_the_end_of_a_process_writes_what_waits(tmp_path: Path) -> None:
    program = (
        "import asyncio, atexit, os\n"
        "from tornadolike.access_log import AccessLog\n"
        "log = AccessLog('json')\n"
        "async def main():\n"
        "    log.write('once\\n')\n"
        "    pid = os.fork()\n"
        "    if pid:\n"
        "        os.waitpid(pid, 0)\n"
        "        return\n"
        "    atexit._run_exitfuncs()\n"  # since Python 3.14 a child has no loop to go on with
        "    os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("once\n", "")


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), ValueError("I/O operation on closed file.")])
async def test_lines_that_cannot_be_written_are_mentioned_once(site: Any, logs: Any, error: Exception) -> None:
    class Stream(io.StringIO):
        broken = True

        def write(self, text: str) -> int:
            if self.broken:
                raise error
            return super().write(text)

    out = Stream()
    log = site.app.settings["log_function"] = access_log.AccessLog("json", out)
    client = await site.client()
    for _ in range(3):
        assert b"200 OK" in await ask(client, "/one/1")
    log.flush()
    out.broken = False
    await ask(client, "/one/2")
    log.flush()
    logs.take("tornado.general", "The access log cannot be written")
    assert not logs.records
    assert [json.loads(line)["target"] for line in out.getvalue().splitlines()] == ["/one/2"]


def test_forms() -> None:
    with pytest.raises(ValueError, match="one of json, common, off"):
        access_log.AccessLog("xml")
    out = io.StringIO()
    access_log.AccessLog("common", out).write("outside of a loop\n")
    assert out.getvalue() == "outside of a loop\n"
    assert logging.getLogger("tornado.access").handlers == []
