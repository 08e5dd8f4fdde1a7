"""asgion, an inspector of the ASGI protocol, between our side and a server or an application: it finds no violation."""

import asyncio
from typing import Any

import pytest

from tests.asgi.conftest import Host
from tests.asgi.test_adapter import Echo
from tests.asgi.test_adapter_websocket import Chat, Refusing, connect
from tests.asgi.test_container import Living, echo_socket, fetch, only_http, read_body
from tests.conftest import Site
from tornadolike import asgi, web
from tornadolike.websocket import websocket_connect

asgion = pytest.importorskip("asgion", reason="needs Python 3.12 and the extra `hosts`")


def inspected(app: Any) -> tuple[Any, list[Any]]:
    found: list[Any] = []
    # WF-007 and the like are remarks on what is allowed.
    return asgion.Inspector(app, on_violation=lambda one: None if one.severity in ("info", "perf") else found.append(one)), found


class Stream(web.RequestHandler):
    async def get(self) -> None:
        for _ in range(3):
            self.write("x")
            await self.flush()


async def test_what_the_adapter_sends(host: Host, logs: Any) -> None:
    application = web.Application([("/echo", Echo), ("/stream", Stream), ("/chat", Chat), ("/deny", Refusing)])
    host.app, found = inspected(asgi.ASGIAdapter(application))
    # Not HEAD: a length without a body is a violation to it (SEM-003), but what RFC 9110 §9.3.2 asks for.
    for method, path in (("GET", "/echo"), ("POST", "/echo"), ("GET", "/stream"), ("GET", "/missing")):
        await host.fetch(method, path)
    logs.take("tornado.access", "404")
    call = await connect(host, path="/chat")
    for text in ("hello", "close"):
        call.say("websocket.receive", text=text)
    await call.until(lambda: len(call.sent) == 3)
    call.say("websocket.disconnect", code=4001)
    await call.end()
    await (await connect(host, path="/deny")).end()
    logs.take("tornado.access", "401")
    lifespan = host.call({"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}})
    for kind in ("lifespan.startup", "lifespan.shutdown"):
        lifespan.say(kind)
    await lifespan.end()
    assert found == []


async def test_what_the_container_gives(serve: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await echo_socket(scope, receive, send)
            return
        body = await read_body(receive)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    plain, found = inspected(only_http(run))
    living, found_too = inspected(Living())
    site: Site = serve([asgi.Mount("/in", plain), asgi.Mount("/live", living)])
    await fetch(site, "/in/%C3%A4?x=1")
    await fetch(site, "/in", method="POST", body=b"x" * 200_000)
    await fetch(site, "/live")
    connection = await websocket_connect(f"ws://127.0.0.1:{site.port}/in", subprotocols=["a"])
    await connection.write_message("x")
    assert await connection.read_message() == "x"
    connection.close(1000)
    assert await connection.read_message() is None
    assert await site.server.drain(5)
    await asyncio.sleep(0)
    assert found + found_too == []
