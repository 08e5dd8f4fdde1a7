"""A worker class for Gunicorn: ``gunicorn -k tornadolike.gunicorn.Worker package.module:application``.

Serves an `.Application` (or a WSGI application, in `.WSGIContainer`) of each worker process, with ``import tornado`` answered by
tornadolike, on uvloop where that is installed (``TORNADOLIKE_LOOP`` chooses another loop). At SIGTERM, and when Gunicorn reloads (SIGHUP),
a worker drains (`.HTTPServer.drain`) for up to ``--graceful-timeout`` seconds. The application's ``on_startup`` (a method, or a setting) is
called in each worker before it serves, and ``on_shutdown`` when it has drained; what ``on_startup`` raises ends Gunicorn, as an application
does that cannot be imported.

Of Gunicorn's settings these have a meaning here: ``bind``, ``workers``, ``timeout``, ``graceful_timeout``, ``keepalive`` (0: none),
``max_requests`` with its jitter, ``worker_connections``, ``reload``, ``preload_app``, and those of TLS.
Set `Worker.xheaders` in a subclass to believe a proxy's headers.
"""

import asyncio
import contextlib
import os
import ssl
import sys
from types import FrameType
from typing import Any

from gunicorn.sock import ssl_context
from gunicorn.workers import base

import tornadolike
from tornadolike import httpserver, httputil, wsgi
from tornadolike._loop import factory
from tornadolike._web_io import lifetime

_NOTIFY_SECONDS = 1.0


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn is not typed
    """One worker process of Gunicorn; see the module."""

    xheaders = False
    """Whether the proxy in front is believed what it says of the client, see `.HTTPServer`."""

    _quick = False

    @classmethod
    def setup(cls) -> None:
        """Called by Gunicorn before any application is imported."""
        tornadolike.install_as_tornado()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: drain."""
        self.alive = False
        self._wake()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT, SIGINT: end at once, without an answer for what is in flight."""
        self._quick = True
        self.handle_exit(sig, frame)

    def _wake(self) -> None:
        loop: asyncio.AbstractEventLoop | None = getattr(self, "_loop", None)
        if loop is not None:
            loop.call_soon_threadsafe(self._ending.set)

    def run(self) -> None:
        """Serve until told to end; called by Gunicorn in the worker's process."""
        name = os.environ.get(factory.ENVIRONMENT_VARIABLE) or ("uvloop" if "uvloop" in factory.names() else None)
        with asyncio.Runner(loop_factory=lambda: factory.new_event_loop(name)) as runner:
            runner.run(self._serve())
        sys.exit(0)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        self._notifying = asyncio.ensure_future(self._go_on_notifying())
        server = self._server()
        self.booted = False  # what fails now would fail again in the next worker: Gunicorn ends
        await lifetime.begin(self.wsgi, httpserver._companions.setdefault(server, set()))
        self.booted = True
        self._notifying.cancel()
        for sock in self.sockets:
            sock.setblocking(False)
            server.add_socket(sock.sock if hasattr(sock, "sock") else sock)
        while self.alive:
            self.notify()
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                break
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _NOTIFY_SECONDS)
        self._notifying = asyncio.ensure_future(self._go_on_notifying())
        await server.drain(0 if self._quick else self.cfg.graceful_timeout)
        self._notifying.cancel()

    async def _go_on_notifying(self) -> None:
        while True:
            self.notify()
            await asyncio.sleep(_NOTIFY_SECONDS)

    def _server(self) -> httpserver.HTTPServer:
        application = self.wsgi
        if not isinstance(application, (httputil.HTTPServerConnectionDelegate, wsgi.WSGIContainer)):
            application = wsgi.WSGIContainer(application)
        options: dict[str, Any] = {"xheaders": self.xheaders, "no_keep_alive": self.cfg.keepalive <= 0}
        if self.cfg.keepalive > 0 and self.cfg.keepalive != 2:  # 2 is what Gunicorn says where nobody said anything
            options["idle_connection_timeout"] = self.cfg.keepalive
        if self.cfg.is_ssl:
            context: ssl.SSLContext = ssl_context(self.cfg)
            options["ssl_options"] = context
        if self.max_requests < sys.maxsize:
            application = _Counted(application, self)
        server = httpserver.HTTPServer(application, **options)
        server.configure_limits(max_connections=self.cfg.worker_connections)
        return server

    def _count_request(self) -> None:
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            self._ending.set()


class _Counted(httputil.HTTPServerConnectionDelegate):
    """Stands before the application where a worker is to serve no more than so many requests."""

    def __init__(self, target: Any, worker: Worker) -> None:
        self._target = target
        self._worker = worker

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        self._worker._count_request()
        if isinstance(self._target, httputil.HTTPServerConnectionDelegate):
            return self._target.start_request(server_conn, request_conn)
        return httpserver._CallableAdapter(self._target, request_conn)

    def on_close(self, server_conn: object) -> None:
        if isinstance(self._target, httputil.HTTPServerConnectionDelegate):
            self._target.on_close(server_conn)
