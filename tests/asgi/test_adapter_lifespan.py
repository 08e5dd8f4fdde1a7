"""The lifespan of a Tornado application on an ASGI server in memory: start-up, shutdown, and who is told of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.asgi.conftest import Call, Host
from tests.asgi.test_adapter_websocket import socket_scope
from tornadolike import asgi, web, websocket
from tornadolike.platform.asyncio import BaseAsyncIOLoop


def life(host: Host, **scope: Any) -> Call:
    call = host.call({"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}, **scope})
    call.say("lifespan.startup")
    return call


async def started(host: Host) -> Call:
    call = life(host)
    await call.until(lambda: call.sent)
    assert call.sent == [{"type": "lifespan.startup.complete"}]
    return call


async def shut_down(call: Call) -> None:
    call.say("lifespan.shutdown")
    await call.end()
    assert call.sent[-1] == {"type": "lifespan.shutdown.complete"}


async def test_methods_and_settings_are_called(host: Host) -> None:
    steps: list[str] = []

    class Application(web.Application):
        async def on_startup(self) -> None:
            steps.append("method up")

        def on_shutdown(self) -> None:
            steps.append("method down")

    async def up(application: web.Application) -> None:
        steps.append("setting up")

    host.app = asgi.ASGIAdapter(Application([], on_startup=[up], on_shutdown=lambda _: steps.append("setting down")))
    await shut_down(await started(host))
    assert steps == ["method up", "setting up", "method down", "setting down"]


async def test_trap_what_was_started_at_import_waits_on_a_loop_that_does_not_run(host: Host, logs: Any) -> None:
    """uvicorn, hypercorn and daphne import the program before they make their event loop."""
    other = BaseAsyncIOLoop(asyncio_loop=asyncio.SelectorEventLoop(), make_current=False)
    try:
        host.app = asgi.ASGIAdapter(web.Application([]))
        await shut_down(await started(host))  # a loop that has nothing to do is no mistake
        other.call_later(3600, int)
        await shut_down(await started(host))
        logs.take("tornado.application", "Callbacks wait on an event loop that does not run")
    finally:
        other.close(all_fds=True)


async def test_a_context_manager_gives_the_state(host: Host) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(application: Any) -> AsyncIterator[dict[str, str]]:
        yield {"database": "open"}

    host.app = asgi.ASGIAdapter(web.Application([]), lifespan=lifespan)
    call = await started(host)
    assert call.scope["state"] == {"database": "open"}
    await shut_down(call)


async def test_trap_a_start_up_that_fails_is_told_and_not_raised(host: Host, logs: Any) -> None:
    async def fail(application: Any) -> None:
        raise OSError("no database")

    host.app = asgi.ASGIAdapter(web.Application([], on_startup=fail))
    call = life(host)
    await call.end()
    assert call.sent == [{"type": "lifespan.startup.failed", "message": "OSError: no database"}]
    logs.take("tornado.application", "start-up of the application failed")


async def test_a_shutdown_that_fails_is_told(host: Host, logs: Any) -> None:
    def fail(application: Any) -> None:
        raise OSError("the disk is full")

    host.app = asgi.ASGIAdapter(web.Application([], on_shutdown=fail))
    call = await started(host)
    call.say("lifespan.shutdown")
    await call.end()
    assert call.sent[-1] == {"type": "lifespan.shutdown.failed", "message": "OSError: the disk is full"}
    logs.take("tornado.application", "shutdown of the application failed")


async def test_a_start_up_that_hangs_ends_when_the_server_gives_up(host: Host) -> None:
    steps: list[str] = []

    async def hang(application: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("cancelled")

    class Hello(web.RequestHandler):
        def get(self) -> None:
            self.write("hello")

    host.app = asgi.ASGIAdapter(web.Application([("/", Hello)], on_startup=hang))
    call = life(host)
    await asyncio.sleep(0)
    call.task.cancel()
    await asyncio.wait([call.task])
    assert call.task.cancelled()
    assert steps == ["cancelled"]
    assert call.sent == []
    assert (await host.fetch("GET", "/")).body == b"hello"


async def test_a_lifespan_that_is_cancelled_runs_the_shutdown(host: Host) -> None:
    steps: list[str] = []
    host.app = asgi.ASGIAdapter(web.Application([], on_shutdown=lambda _: steps.append("down")))
    call = await started(host)
    call.task.cancel()
    await asyncio.wait([call.task])
    assert call.task.cancelled()
    assert steps == ["down"]


async def test_handlers_under_way_are_told_of_the_shutdown(host: Host) -> None:
    class Stream(web.RequestHandler):
        def initialize(self) -> None:
            self.ending = asyncio.Event()

        async def get(self) -> None:
            self.write("one")
            await self.flush()
            await self.ending.wait()
            self.write("the end")

        def on_drain(self) -> None:
            self.ending.set()

    host.app = asgi.ASGIAdapter(web.Application([("/", Stream)]))
    lifespan = await started(host)
    call = host.http("GET", "/", b"")
    await call.until(lambda: call.body == b"one")
    await shut_down(lifespan)
    await call.end()
    assert call.body == b"onethe end"
    assert call.is_complete


async def test_a_server_can_say_earlier_that_it_goes(host: Host, logs: Any) -> None:
    class Stream(web.RequestHandler):
        async def get(self) -> None:
            self.write("one")
            await self.flush()
            self.ending = asyncio.Event()
            await self.ending.wait()

        async def on_drain(self) -> None:
            self.ending.set()
            raise ValueError("in the hook")

    host.app = adapter = asgi.ASGIAdapter(web.Application([("/", Stream)]))
    call = host.http("GET", "/", b"")
    await call.until(lambda: call.body == b"one")
    adapter.going_away()
    await call.end()
    logs.take("tornado.application", "Exception in on_drain")
    assert not adapter._exchanges


async def test_websockets_are_closed_at_the_shutdown(host: Host) -> None:
    codes: list[Any] = []

    class Chat(websocket.WebSocketHandler):
        def on_close(self) -> None:
            codes.append(self.close_code)

    host.app = asgi.ASGIAdapter(web.Application([("/", Chat)]))
    lifespan = await started(host)
    call = host.call(socket_scope())
    call.say("websocket.connect")
    await call.until(lambda: call.sent)
    await shut_down(lifespan)
    await call.until(lambda: len(call.sent) == 2)
    assert call.sent[1] == {"type": "websocket.close", "code": 1001, "reason": ""}
    call.say("websocket.disconnect", code=1006)
    await call.end()
    assert codes == [1001]


@pytest.mark.parametrize("path", ["/in", "/in/deeper"])
async def test_lifespans_inside_end_with_that_of_the_server(host: Host, path: str) -> None:
    steps: list[str] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            steps.append("up")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            steps.append("down")
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"inside"})

    host.app = asgi.ASGIAdapter(web.Application([asgi.Mount("/in", inside)], on_shutdown=lambda _: steps.append("ours is down")))
    lifespan = await started(host)
    for _ in range(2):
        assert (await host.fetch("GET", path)).body == b"inside"
    assert steps == ["up"]
    await shut_down(lifespan)
    assert steps == ["up", "down", "ours is down"]


async def test_event_streams_inside_end_with_the_server(host: Host) -> None:
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
            await asyncio.sleep(0.002)

    host.app = asgi.ASGIAdapter(web.Application([asgi.Mount("/in", inside)]))
    lifespan = await started(host)
    call = host.http("GET", "/in", b"")
    await call.until(lambda: call.body)
    await shut_down(lifespan)
    await call.end()
    assert call.is_complete
