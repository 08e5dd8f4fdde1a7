"""A client that leaves, or a server that goes, in the middle of everything: nothing is left running, and the next client is served."""

import asyncio
from typing import Any

import httpx
import httpx_ws
import httpx_ws.transport
import pytest

from tests.asgi.conftest import Host
from tests.asgi.test_adapter_websocket import connect
from tests.asgi.test_container import Serve, fetch, mounted, read_body, respond
from tests.conftest import Site
from tornadolike import asgi, web, websocket
from tornadolike.iostream import StreamClosedError
from tornadolike.websocket import websocket_connect

HEAD = b"GET /in HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
HANDSHAKE = HEAD + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"


async def nothing_runs(site: Site, container: Any) -> None:
    await site.until(lambda: not container._running)


def container_of(site: Site) -> Any:
    return site.server.request_callback.wildcard_router.rules[0].target  # type: ignore[union-attr]  # an Application


async def test_in_the_head(serve: Serve) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"next")

    site = mounted(serve, run)
    client = await site.client()
    client.send(b"GET /in HTTP/1.1\r\nHo")
    await asyncio.sleep(0)
    client.reset()
    assert (await fetch(site)).body == b"next"
    await nothing_runs(site, container_of(site))


async def test_in_the_body_of_an_application_that_waits_for_it(serve: Serve) -> None:
    seen: list[str] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await respond(send, b"next")
            return
        message = await receive()
        while message["type"] == "http.request":
            message = await receive()
        seen.append(message["type"])

    site = mounted(serve, run)
    client = await site.client()
    client.send(b"POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
    await site.until(lambda: container_of(site)._running)
    client.reset()
    await site.until(lambda: seen)
    assert (await fetch(site)).body == b"next"
    await nothing_runs(site, container_of(site))


async def test_in_a_flush(serve: Serve) -> None:
    raised: list[BaseException] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["query_string"]:
            await respond(send, b"next")
            return
        await send({"type": "http.response.start", "status": 200})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        except OSError as error:
            raised.append(error)
            raise

    site = mounted(serve, run)
    client = await site.client()
    client.get("/in")
    await client.reader.readexactly(100_000)
    client.reset()
    await site.until(lambda: raised)
    assert isinstance(raised[0], asgi.ClientDisconnected)
    assert (await fetch(site, "/in?next")).body == b"next"
    await nothing_runs(site, container_of(site))


async def test_in_a_websocket_message(serve: Serve) -> None:
    seen: list[Any] = []

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send, await read_body(receive) or b"next")
            return
        await receive()
        await send({"type": "websocket.accept"})
        seen.append(await receive())

    site = mounted(serve, run)
    client = await site.client()
    client.send(HANDSHAKE)
    await client.reader.readuntil(b"\r\n\r\n")
    client.send(b"\x81\xfe\x01\x00abcdhal")  # three bytes of 256
    await asyncio.sleep(0.01)
    client.reset()
    await site.until(lambda: seen)
    assert seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]
    assert (await fetch(site)).body == b"next"
    await nothing_runs(site, container_of(site))


async def test_in_the_handshake(serve: Serve) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send, b"next")
            return
        assert (await receive())["type"] == "websocket.connect"
        assert (await receive())["type"] == "websocket.disconnect"

    site = mounted(serve, run)
    client = await site.client()
    client.send(HANDSHAKE)
    await site.until(lambda: container_of(site)._running)
    client.reset()
    await nothing_runs(site, container_of(site))
    assert (await fetch(site)).body == b"next"


async def test_a_flush_of_a_handler_on_another_server(host: Host, logs: Any) -> None:
    ended: list[str] = []

    class Endless(web.RequestHandler):
        async def get(self) -> None:
            try:
                while True:
                    self.write(b"x" * 1000)
                    await self.flush()
            except StreamClosedError:
                ended.append("lost")
                raise

        def on_connection_close(self) -> None:
            ended.append("told")

    class Next(web.RequestHandler):
        def get(self) -> None:
            self.write("next")

    host.app = adapter = asgi.ASGIAdapter(web.Application([("/", Endless), ("/next", Next)]))
    call = host.http("GET", "/", b"")
    await call.until(lambda: len(call.sent) > 2)
    call.open.clear()  # the server waits for a client that does not read
    call.say("http.disconnect")
    await asyncio.sleep(0)
    call.open.set()
    await call.end()
    await call.until(lambda: len(ended) == 2)
    assert sorted(ended) == ["lost", "told"]
    logs.take("tornado.general", "the client has left")
    assert (await host.fetch("GET", "/next")).body == b"next"
    assert not adapter._exchanges


async def test_a_message_of_a_handler_on_another_server(host: Host) -> None:
    notes: list[Any] = []

    class Slow(websocket.WebSocketHandler):
        async def on_message(self, message: str | bytes) -> None:
            await asyncio.sleep(0)
            notes.append(message)

        def on_close(self) -> None:
            notes.append(("closed", self.close_code))

    host.app = adapter = asgi.ASGIAdapter(web.Application([("/", Slow)]))
    call = await connect(host)
    call.say("websocket.receive", text="a")
    call.say("websocket.disconnect", code=1006)
    await call.end()
    assert notes == ["a", ("closed", None)]
    assert not adapter._exchanges


async def test_a_container_that_is_shut_down_while_its_clients_are_there(serve: Serve, logs: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
        elif scope["query_string"]:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await read_until_disconnect(receive)

    site = mounted(serve, run)
    container = container_of(site)
    waiting, streaming = await site.client(), await site.client()
    waiting.get("/in")
    streaming.get("/in?stream")
    await streaming.reader.readuntil(b"begun")
    chat = await websocket_connect(f"ws://127.0.0.1:{site.port}/in")
    await site.until(lambda: len(container._running) == 3)
    await container.shutdown()
    assert (await waiting.response())[0].startswith(b"HTTP/1.1 503 ")
    logs.take("tornado.access", "503 GET /in")
    assert not (await streaming.rest()).endswith(b"0\r\n\r\n")
    assert await chat.read_message() is None
    assert chat.close_code == 1001
    chat.close()
    assert not container._running


async def read_until_disconnect(receive: Any) -> None:
    while not (await receive())["type"].endswith("disconnect"):
        pass


async def test_a_container_that_is_shut_down_while_a_handshake_waits(serve: Serve, logs: Any) -> None:
    async def run(scope: Any, receive: Any, send: Any) -> None:
        await read_until_disconnect(receive)

    site = mounted(serve, run)
    client = await site.client()
    client.send(HANDSHAKE)
    await site.until(lambda: container_of(site)._running)
    await container_of(site).shutdown()
    assert (await client.response())[0].startswith(b"HTTP/1.1 503 ")
    logs.take("tornado.access", "503 GET /in")


async def test_websockets_of_applications_inside_on_another_server(logs: Any) -> None:
    """ASGI in, on ASGI out: frames are the outer server's business."""
    ended: list[Any] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        if "refuse" in scope["path"]:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-one", b"1")]})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
            if message.get("text") == "end":
                await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        ended.append(message)

    app = asgi.ASGIAdapter(web.Application([asgi.Mount("/in", inside)]))
    async with httpx.AsyncClient(transport=httpx_ws.transport.ASGIWebSocketTransport(app), base_url="http://example.org") as client:
        async with httpx_ws.aconnect_ws("/in", client, subprotocols=["chat"]) as socket:
            assert socket.subprotocol == "chat"
            await socket.send_text("a")
            assert await socket.receive_text() == "a"
            await socket.send_bytes(b"\0")
            assert await socket.receive_bytes() == b"\0"
            await socket.send_text("end")
            assert await socket.receive_text() == "end"
            with pytest.raises(httpx_ws.WebSocketDisconnect) as left:
                await socket.receive_text()
            assert left.value.code == 4001
        with pytest.raises((httpx_ws.WebSocketUpgradeError, httpx_ws.WebSocketDisconnect)):
            async with httpx_ws.aconnect_ws("/in/refuse", client):
                pass
    logs.take("tornado.access", "403 GET /in/refuse")
    assert [message["type"] for message in ended] == ["websocket.disconnect"]
    assert ended[0]["code"] == 4001
