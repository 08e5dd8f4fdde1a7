"""What aiohttp needs for the same answers, where the scenario has an equivalent there."""

import asyncio
import importlib
import socket
from typing import Any

# By name: type checking must not depend on what happens to be installed.
aiohttp: Any = importlib.import_module("aiohttp")
web: Any = importlib.import_module("aiohttp.web")


async def hello(request: Any) -> Any:
    return web.Response(text="Hello, world")


async def json(request: Any) -> Any:
    return web.json_response({"message": "Hello, world", "items": [1, 2, 3], "ok": True})


async def arguments(request: Any) -> Any:
    query, parts = request.query, request.match_info
    tags = ",".join(query.getall("tag"))
    return web.Response(text=f"{parts['user']} {parts['post']} {query['q']} {query.get('page', '1')} {tags}")


async def form(request: Any) -> Any:
    fields = await request.post()
    return web.Response(text=f"{fields['name']} {fields['email']} {len(fields['text'])}")


async def fetches(request: Any) -> Any:
    url, left = request.query["url"], int(request.query["n"])

    async def fetch_some(session: Any, count: int) -> int:
        good = 0
        for _ in range(count):
            async with session.get(url) as response:
                good += await response.read() == b"Hello, world"
        return good

    shares = [left // 64 + (number < left % 64) for number in range(64)]
    async with aiohttp.ClientSession() as session:
        total = sum(await asyncio.gather(*(fetch_some(session, share) for share in shares)))
    return web.Response(text=str(total))


async def echo(request: Any) -> Any:
    connection = web.WebSocketResponse(compress=request.path == "/deflated", max_msg_size=1 << 24)
    await connection.prepare(request)
    async for message in connection:
        if message.type is aiohttp.WSMsgType.TEXT:
            await connection.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await connection.send_bytes(message.data)
    return connection


def main() -> None:
    application = web.Application()
    routes = {
        "/hello": hello,
        "/sync": hello,
        "/json": json,
        "/users/{user}/posts/{post}": arguments,
        "/fetches": fetches,
        "/echo": echo,
        "/deflated": echo,
    }
    application.router.add_routes([web.get(path, handler) for path, handler in routes.items()])
    application.router.add_post("/form", form)
    listening = socket.create_server(("127.0.0.1", 8888), backlog=1024)
    web.run_app(application, sock=listening, access_log=None, print=None)


if __name__ == "__main__":
    main()
