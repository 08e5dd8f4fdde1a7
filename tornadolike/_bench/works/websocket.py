"""Messages there and back."""

import logging
import socket
from typing import Any

from tornadolike._bench.works.registry import Coroutine, sibling, work


def _echoed(name: str, message: "str | bytes", **how: Any) -> None:
    @work(f"websocket: {name}")
    def make(websocket: Any) -> Coroutine:
        web, httpserver = sibling(websocket, "web"), sibling(websocket, "httpserver")
        logging.getLogger("tornado.access").disabled = True

        class Echo(websocket.WebSocketHandler):
            def get_compression_options(self) -> Any:
                return how.get("compression_options")

            def on_message(self, message: Any) -> None:
                self.write_message(message, binary=isinstance(message, bytes))

        async def run(n: int) -> None:
            server = httpserver.HTTPServer(web.Application([("/", Echo)]))
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            server.add_sockets([listener])
            client = await websocket.websocket_connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/", **how)
            for _ in range(n):
                client.write_message(message, binary=isinstance(message, bytes))
                assert len(await client.read_message()) == len(message)
            client.close()
            await client.read_message()
            server.stop()

        return run


_echoed("echo of a text", "hello")
_echoed("echo of 1 KB", "x" * 1000)
_echoed("echo of 100 KB of bytes", b"x" * 100_000)
_echoed("echo of 1 KB, deflated", "x" * 1000, compression_options={})


@work("websocket: connect and close")
def _connect(websocket: Any) -> Coroutine:
    web, httpserver = sibling(websocket, "web"), sibling(websocket, "httpserver")
    logging.getLogger("tornado.access").disabled = True

    class Silent(websocket.WebSocketHandler):
        def on_message(self, message: Any) -> None:
            pass

    async def run(n: int) -> None:
        server = httpserver.HTTPServer(web.Application([("/", Silent)]))
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        server.add_sockets([listener])
        for _ in range(n):
            client = await websocket.websocket_connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/")
            client.close()
            assert await client.read_message() is None
        server.stop()

    return run
