"""An ASGI application on our own server, as ``tornadolike run --asgi`` serves it."""

import asyncio
import importlib
import logging

from tornadolike import asgi, httpserver, netutil


async def main() -> None:
    logging.getLogger("tornado.access").setLevel(logging.WARNING)
    server = httpserver.HTTPServer(asgi.ASGIContainer(importlib.import_module("raw_asgi").application, lifespan="off"))
    server.add_sockets(netutil.bind_sockets(8888, "127.0.0.1", backlog=1024))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
