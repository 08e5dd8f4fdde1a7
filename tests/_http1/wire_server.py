"""``python wire_server.py PACKAGE``: a server of tornado's or tornadolike's; prints its port, ends with its input."""

import asyncio
import importlib
import json
import logging
import sys
from typing import Any


def application(web: Any) -> Any:
    class Echo(web.RequestHandler):
        def get(self) -> None:
            self.finish(json.dumps({"got": [self.request.method, self.request.path, self.request.body.decode("latin-1")]}) + "\n")

        post = get

    class Broken(web.RequestHandler):
        async def get(self) -> None:
            self.write("begun")
            await self.flush()
            raise ValueError

    return web.Application([("/broken", Broken), ("/.*", Echo)])


async def main(package: str) -> None:
    logging.disable()
    web, httpserver, netutil = (importlib.import_module(f"{package}.{name}") for name in ("web", "httpserver", "netutil"))
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    httpserver.HTTPServer(application(web)).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
