"""ASGI servers of others under the scenarios' applications, in the scenario's own event loop, in place of `HTTPServer`.

``COMPAT_HOST`` names one for the process. Only what `conversation.serve` returns is different: ``stop``, ``close_all_connections``.
"""

import asyncio
import os
import socket
from typing import Any

NAMES = ("uvicorn", "hypercorn", "granian", "daphne")
NATIVE = "native"  # our own server, recorded as the others are
# Arguments of HTTPServer that ASGIAdapter has as well; the others are the server's business.
_ADAPTED = {"max_body_size", "body_timeout", "decompress_request"}


class NotThere(Exception):
    """The scenario is about something that an ASGI server does in its own way."""


def chosen() -> str:
    return os.environ.get("COMPAT_HOST", "")


async def serve(application: Any, settings: dict[str, Any]) -> tuple[Any, int]:
    """Serve on a free port; the server, and the port."""
    from tornado.asgi import ASGIAdapter  # type: ignore[import-not-found]  # under the alias it is ours

    if set(settings) - _ADAPTED:
        raise NotThere(f"arguments of HTTPServer: {', '.join(sorted(settings))}")
    adapter = ASGIAdapter(application, **settings)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = listening.getsockname()[1]
    server = {"uvicorn": _Uvicorn, "hypercorn": _Hypercorn, "granian": _Granian, "daphne": _Daphne}[chosen()](adapter)
    await server.start(listening)
    return server, port


class _Server:
    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter

    def stop(self) -> None:
        pass

    async def close_all_connections(self) -> None:
        pass


class _Uvicorn(_Server):
    async def start(self, listening: socket.socket) -> None:
        import uvicorn

        config = uvicorn.Config(
            self.adapter, http="httptools", lifespan="off", log_config=None, access_log=False, server_header=False, date_header=False
        )
        config.load()
        self.server = uvicorn.Server(config)
        self.server.lifespan = config.lifespan_class(config)
        self.listening = listening
        await self.server.startup(sockets=[listening])

    async def close_all_connections(self) -> None:
        self.server.force_exit = True
        await self.server.shutdown(sockets=[self.listening])


class _Hypercorn(_Server):
    async def start(self, listening: socket.socket) -> None:
        import hypercorn.asyncio
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"fd://{listening.detach()}"]
        config.include_server_header = config.include_date_header = False
        config.errorlog = config.accesslog = None
        config.graceful_timeout = 0.05
        self.ended = asyncio.Event()
        self.task = asyncio.ensure_future(hypercorn.asyncio.serve(self.adapter, config, shutdown_trigger=self.ended.wait))
        await asyncio.sleep(0.02)

    async def close_all_connections(self) -> None:
        self.ended.set()
        await asyncio.wait([self.task], timeout=2)


class _Granian(_Server):
    async def start(self, listening: socket.socket) -> None:
        from granian.constants import Interfaces
        from granian.server.embed import Server

        port = listening.getsockname()[1]
        listening.close()
        self.server = Server(self.adapter, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
        self.task = asyncio.ensure_future(self.server.serve())
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                await asyncio.sleep(0.01)
        raise RuntimeError("granian does not listen")

    async def close_all_connections(self) -> None:
        self.server.stop()
        await asyncio.wait([self.task], timeout=2)


class _NoTimers:
    """In place of the reactor where Daphne's server asks for its next look at the applications: `_Daphne` looks oftener."""

    def callLater(self, *_: Any) -> None:
        pass


class _Daphne(_Server):
    """On Twisted's reactor for asyncio, which needs one loop for the life of the process: see the child."""

    async def start(self, listening: socket.socket) -> None:
        import daphne.server
        from daphne.http_protocol import HTTPFactory
        from daphne.ws_protocol import WebSocketFactory
        from twisted.internet import reactor

        any_reactor: Any = reactor
        if not any_reactor.running:
            any_reactor.startRunning(installSignalHandlers=False)
        daphne.server.reactor = _NoTimers()
        self.server = daphne.server.Server(self.adapter, endpoints=["none"], signal_handlers=False, verbosity=0)
        self.server.connections = {}
        self.server.ws_factory = WebSocketFactory(self.server, server=self.server.server_name)
        self.server.ws_factory.setProtocolOptions(autoPingTimeout=30, allowNullOrigin=True, openHandshakeTimeout=5)
        self.server.http_factory = HTTPFactory(self.server)
        self.port = any_reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, self.server.http_factory)
        self.listening = listening
        self.checking = asyncio.ensure_future(self._check())

    async def _check(self) -> None:
        """What Daphne does once a second: see which applications have ended, and answer for those that raised."""
        while True:
            await asyncio.sleep(0.005)
            self.server.application_checker()

    async def close_all_connections(self) -> None:
        self.port.stopListening()
        self.listening.close()
        for protocol, details in list(self.server.connections.items()):
            transport = getattr(protocol, "transport", None)
            if transport is not None:
                transport.loseConnection()
            if (running := details.get("application_instance")) is not None:
                running.cancel()
        await asyncio.sleep(0.01)
        self.checking.cancel()
