"""An ASGI application with nothing between it and its server: what servers cost by themselves."""

from typing import Any


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"12")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"Hello, world"})
        return
    assert scope["type"] == "websocket"  # it has no lifespan
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        content = {"bytes": message["bytes"]} if text is None else {"text": text}
        await send({"type": "websocket.send", **content})
