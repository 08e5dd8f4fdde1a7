"""A Socket.IO server on Tornado: polling and WebSocket clients, rooms, acknowledgements, binary data, two namespaces. Prints what was seen.

``socketio_session.py DIRECTORY``; ``socketio_session.py serve PORT`` is the server.
"""

import asyncio
import json
import sys

import asking
import socketio
import tornado.web


def serve(port: int) -> None:  # noqa: C901 - one short handler after another
    server = socketio.AsyncServer(async_mode="tornado", cors_allowed_origins="*", max_http_buffer_size=200_000)

    @server.event
    async def connect(sid, environ, auth):
        if auth == "refused":
            raise socketio.exceptions.ConnectionRefusedError("no")
        await server.save_session(sid, {"agent": environ["HTTP_X_AGENT"], "path": environ["PATH_INFO"]})

    @server.event
    async def disconnect(sid, reason):
        await server.emit("left", reason, room="watchers")

    @server.event
    async def who(sid):
        return await server.get_session(sid)

    @server.event
    async def echo(sid, *data):
        return data

    @server.event
    async def join(sid, room):
        await server.enter_room(sid, room)

    @server.event
    async def say(sid, room, text):
        await server.emit("said", text, room=room, skip_sid=sid)

    @server.event
    async def back(sid, number):
        await server.emit("result", await server.call("double", number, to=sid, timeout=20), to=sid)

    @server.on("ping me", namespace="/other")
    async def other(sid):
        await server.emit("pong", "from other", namespace="/other", to=sid)

    @server.event
    async def fail(sid):
        raise ValueError("of the handler")

    class Page(tornado.web.RequestHandler):
        def get(self):
            self.write("page")

    async def main() -> None:
        handler = socketio.get_tornado_handler(server)
        tornado.web.Application([("/socket.io/", handler), ("/", Page)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(main())


async def session(port: int) -> dict[str, object]:
    seen: dict[str, object] = {}
    address = f"http://127.0.0.1:{port}"
    for transports in (["polling"], ["websocket"], ["polling", "websocket"]):
        name = " then ".join(transports)
        heard: asyncio.Queue[list[object]] = asyncio.Queue()
        one, other = (listening(heard, f"{number}") for number in ("one", "other"))
        headers = {"X-Agent": name}
        await one.connect(address, transports=transports, headers=headers, namespaces=["/", "/other"], wait_timeout=30)
        await other.connect(address, transports=transports, headers=headers, wait_timeout=30)
        seen[f"{name}: transport"] = one.transport()
        seen[f"{name}: session"] = await one.call("who", timeout=30)
        seen[f"{name}: echo"] = repr(await one.call("echo", ("\u00e9", {"a": [1, b"\x00\xff"]}, b"x" * 5000), timeout=30))[:200]
        for client in (one, other):
            await client.call("join", "room", timeout=30)
        await other.call("join", "watchers", timeout=30)
        await one.call("say", ("room", "hello"), timeout=30)
        seen[f"{name}: said"] = await asyncio.wait_for(heard.get(), 30)
        await one.emit("back", 21)
        seen[f"{name}: called back"] = await asyncio.wait_for(heard.get(), 30)
        await one.emit("ping me", namespace="/other")
        seen[f"{name}: other namespace"] = await asyncio.wait_for(heard.get(), 30)
        await one.emit("fail")
        await one.disconnect()
        seen[f"{name}: left"] = await asyncio.wait_for(heard.get(), 30)
        await other.disconnect()
        seen[f"{name}: refused"] = await refused(address, transports)
    return seen


def listening(heard: "asyncio.Queue[list[object]]", name: str) -> socketio.AsyncClient:
    client = socketio.AsyncClient(reconnection=False)
    for event, namespace in (("said", "/"), ("result", "/"), ("left", "/"), ("pong", "/other")):
        client.on(event, lambda *data, event=event: heard.put_nowait([name, event, *data]), namespace=namespace)
    client.on("double", lambda number: 2 * number)
    return client


async def refused(address: str, transports: list[str]) -> str:
    client = socketio.AsyncClient(reconnection=False)
    try:
        await client.connect(address, transports=transports, auth="refused", headers={"X-Agent": "a"}, wait_timeout=30)
    except socketio.exceptions.ConnectionError as error:
        return str(error)
    finally:
        await client.shutdown()
    return "let in"


def main() -> None:
    port = asking.free_port()
    with asking.served([__file__, "serve", str(port)], port, sys.argv[1]) as server:
        seen = asyncio.run(session(port))
        for path in ("/", "/socket.io/", "/socket.io/?EIO=4&transport=nosuch", "/socket.io/?EIO=4&transport=polling&sid=nosuch"):
            status, headers, body = server.ask("GET", path)
            seen[path] = [status, sorted(headers.items()), body.decode()]
    print(json.dumps(seen | {"exit status": server.status, "log": server.told()}))


if __name__ == "__main__":
    serve(int(sys.argv[2])) if sys.argv[1] == "serve" else main()
