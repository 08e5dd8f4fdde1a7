"""ASGI, in both directions: a Tornado application on any ASGI server, and ASGI applications inside a Tornado application.

`ASGIAdapter` is an ASGI 3 application made from an `.Application`, with no change to any handler::

    app = tornado.web.Application([(r"/", Hello), (r"/chat", Chat)])
    asgi = tornado.asgi.ASGIAdapter(app)  # uvicorn module:asgi, hypercorn, granian --interface asgi, daphne

`ASGIContainer` goes the other way: Starlette, FastAPI, Django, Quart, Litestar behind a rule, next to Tornado's handlers, on the
same port; `Mount` puts one under a path::

    app = tornado.web.Application([(r"/", Hello), Mount("/api", fastapi_app)])

Neither needs a package beyond tornadolike. This module is not in Tornado 6.6.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, cast
from weakref import WeakSet, ref

from tornadolike import httpserver, httputil, websocket
from tornadolike._asgi import interface
from tornadolike._asgi_hosted import websocket_exchange
from tornadolike._asgi_hosted.carrier import Carrier
from tornadolike._asgi_hosted.http_exchange import HTTPExchange
from tornadolike._asgi_mounted.call import Call
from tornadolike._asgi_mounted.chooser import Chooser
from tornadolike._asgi_mounted.life import Life
from tornadolike._web_io import lifetime
from tornadolike.http1connection import HTTP1ConnectionParameters, _GzipMessageDelegate
from tornadolike.ioloop import IOLoop
from tornadolike.log import app_log
from tornadolike.routing import PathMatches, Rule

Message = interface.Message
"""What ``receive`` returns and ``send`` takes."""
Scope = interface.Scope
"""What a connection is about; ``scope["type"]`` is the protocol."""
Receive = interface.Receive
"""How an application gets the next message."""
Send = interface.Send
"""How an application sends one."""
ASGIApplication = interface.ASGIApplication
"""An ASGI 3 application."""

ResponseIncomplete = interface.ResponseIncomplete
ClientDisconnected = interface.ClientDisconnected
ASGIWebSocketProtocol = websocket_exchange.ASGIWebSocketProtocol

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
"""What the argument ``lifespan`` may be: called with the application, its context is entered at start-up and left at shutdown."""


class ASGIAdapter:
    """An ASGI 3 application that has a Tornado application answer.

    Handlers run as on Tornado's own server: streamed request bodies and `~.RequestHandler.flush` with back-pressure, static files,
    WebSockets, ``on_connection_close``, `.IOLoop` on the server's event loop. What ASGI has no words for is left out: reason phrases,
    `~.RequestHandler.detach` (which raises `RuntimeError`), pings (the server sends and answers them).

    :arg application: an `.Application`, any other `.HTTPServerConnectionDelegate`, or a callable that takes an `.HTTPServerRequest`.
    :arg lifespan: called with ``application``; returns an asynchronous context manager, entered when the server starts and left when
        it stops. If it yields a dictionary, that becomes the lifespan's ``state``. Without it ``on_startup`` and ``on_shutdown`` are
        called, if the application has them: as methods, without arguments, or as settings, a function (or a list of functions) of the
        application. All may be coroutines.
    :arg root_path: ``"strip"``: rules see the path without the server's ``root_path``; `~.HTTPServerRequest.full_url`, ``request.uri``,
        `~.RequestHandler.static_url` and `~.RequestHandler.reverse_url` have it. ``"keep"``: rules see the whole path.
    :arg max_body_size: largest request body in bytes, 100 MiB by default; larger ones are answered 400.
    :arg body_timeout: seconds that a request body may take; no limit by default.
    :arg decompress_request: inflate request bodies with ``Content-Encoding: gzip``.

    ``request.connection.scope`` is the scope. ``request.remote_ip`` and ``request.protocol`` are what the server says; behind a proxy
    configure the server for it.
    """

    def __init__(
        self,
        application: httputil.HTTPServerConnectionDelegate | Callable[[httputil.HTTPServerRequest], Any],
        *,
        lifespan: Lifespan | None = None,
        root_path: Literal["strip", "keep"] = "strip",
        max_body_size: int | None = None,
        body_timeout: float | None = None,
        decompress_request: bool = False,
    ) -> None:
        if root_path not in ("strip", "keep"):
            raise ValueError(f'root_path is "strip" or "keep", not {root_path!r}')
        _ = httputil.responses  # now, and not while a request waits: it imports something
        self.application = application
        self._starts_requests = isinstance(application, httputil.HTTPServerConnectionDelegate)
        self._starts_plainly = self._starts_requests and not decompress_request
        self._lifespan = lifespan
        self._strips_root_path = root_path == "strip"
        self._params = HTTP1ConnectionParameters(max_body_size=max_body_size, body_timeout=body_timeout, decompress=decompress_request)
        # What a shutdown has to know of: requests that took longer than a turn of the loop, WebSockets, and applications inside ours.
        self._exchanges: set[Carrier] = set()
        self._companions: set[ASGIContainer] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI call. Raises `ValueError` for a protocol that is not ``http``, ``websocket`` or ``lifespan``."""
        kind = scope["type"]
        if kind == "http":
            exchange = HTTPExchange(scope, receive, send, self._params)
            answer = exchange.begin(self) or await exchange.run(self)
            if answer is None:
                return
            try:
                for message in answer[0]:
                    await send(message)
            except BaseException as error:
                exchange.not_sent(answer[1], error)
            else:
                if not answer[1].done():
                    answer[1].set_result(None)
        elif kind == "websocket":
            await websocket_exchange.SocketExchange(scope, receive, send, self._params).run(self)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        else:
            raise ValueError(f"not a protocol of this application: {kind!r}")

    def _start_request(self, connection: Any) -> httputil.HTTPMessageDelegate:
        application: Any = self.application
        delegate: httputil.HTTPMessageDelegate
        if self._starts_requests:
            delegate = application.start_request(self, connection)
        else:
            delegate = httpserver._CallableAdapter(application, connection)
        return _GzipMessageDelegate(delegate, connection) if self._params.decompress else delegate

    # -- lifespan

    def going_away(self) -> None:
        """Tell all that is under way that the server will stop: handlers by `~.RequestHandler.on_drain`, WebSockets by a close with code
        1001, applications in an `ASGIContainer` as `.HTTPServer.drain` does.

        Called when the server ends the lifespan. Most servers do that when no request is left, which endless answers keep them from: who
        knows earlier that they will stop (a signal handler, a hook of the server) can call it then.
        """
        for exchange in tuple(self._exchanges):
            exchange.going_away()
        for companion in tuple(self._companions):
            companion._going_away()

    async def _end_companions(self) -> None:
        for companion in tuple(self._companions):
            self._companions.discard(companion)
            await companion._server_gone(self)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run start-up and shutdown. Failures are logged and told: what is raised here, servers take for "there is no lifespan"."""
        manager = self._lifespan(self.application) if self._lifespan is not None else lifetime.Hooks(self.application)
        await _expect(receive, "lifespan.startup")
        _look_for_lost_callbacks()
        try:
            state = await manager.__aenter__()
        except Exception as error:
            app_log.error("The start-up of the application failed", exc_info=True)
            await send({"type": "lifespan.startup.failed", "message": _told(error)})
            return
        if isinstance(state, dict) and "state" in scope:
            scope["state"].update(state)
        await send({"type": "lifespan.startup.complete"})
        failure: BaseException | None = None
        try:
            await _expect(receive, "lifespan.shutdown")
        except BaseException as error:
            failure = error
        else:
            self.going_away()
            await self._end_companions()
        await self._end_life(manager, failure, send)

    async def _end_life(self, manager: AbstractAsyncContextManager[Any], failure: BaseException | None, send: Send) -> None:
        try:
            await manager.__aexit__(None if failure is None else type(failure), failure, None)
        except Exception as error:
            app_log.error("The shutdown of the application failed", exc_info=True)
            if failure is None:
                await send({"type": "lifespan.shutdown.failed", "message": _told(error)})
                return
        if failure is not None:
            raise failure
        await send({"type": "lifespan.shutdown.complete"})


async def _expect(receive: Receive, kind: str) -> None:
    while (await receive())["type"] != kind:
        pass


def _look_for_lost_callbacks() -> None:
    """Say so where callbacks wait on an event loop that nobody runs: most servers make theirs after they have imported the program."""
    for loop in tuple(IOLoop._ioloop_for_asyncio):
        if not loop.is_running() and not loop.is_closed() and (getattr(loop, "_ready", None) or getattr(loop, "_scheduled", None)):
            app_log.warning(
                "Callbacks wait on an event loop that does not run: that of IOLoop.current() before the server's ran, as at import. "
                "Start them in on_startup"
            )
            return


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# How long a client's application may go on after its client, or its server, has gone; then it is cancelled.
_GRACE_SECONDS = 5.0
_STARTUP_SECONDS = 60.0


class ASGIContainer(httputil.HTTPServerConnectionDelegate):
    """Runs an ASGI 3 application behind Tornado's HTTP server: as the target of a rule, or for `.HTTPServer`.

    ::

        app = Application([(r"/live", LiveHandler), (r"/api/.*", ASGIContainer(fastapi_app))])

    Request and response bodies are streamed, with back-pressure both ways; WebSockets work; what the application raises is logged and
    answered 500, or breaks the response off where that has begun. After a client has left, ``receive`` says so, and ``send`` raises
    `ClientDisconnected`.

    :arg app: the application.
    :arg root_path: the part of the path that belongs to us and not to the application's routes; it stays in the scope's ``path``.
    :arg lifespan: ``"auto"``: the application's lifespan is run; that it has none is fine. ``"on"``: a lifespan that raises has failed.
        ``"off"``: none is run. It starts with `startup`, at the latest before the first request is let through, and is ended by
        `shutdown`, which `.HTTPServer.drain` calls.
    :arg startup_timeout: seconds that the start-up may take; after that it has failed. 60 by default.
    :arg websocket_ping_interval: as the settings of a `.WebSocketHandler`; so ``websocket_ping_timeout`` and
        ``websocket_max_message_size``. ``websocket_compression_options`` are what its ``get_compression_options`` returns; None, the
        default: no compression.

    When the start-up fails (the application says so, raises with ``"on"``, or takes too long), that is logged and every request is
    answered 503.
    """

    def __init__(
        self,
        app: ASGIApplication,
        *,
        root_path: str = "",
        lifespan: Literal["auto", "on", "off"] = "auto",
        startup_timeout: float = _STARTUP_SECONDS,
        websocket_ping_interval: float | None = None,
        websocket_ping_timeout: float | None = None,
        websocket_max_message_size: int = websocket._default_max_message_size,
        websocket_compression_options: dict[str, Any] | None = None,
    ) -> None:
        if lifespan not in ("auto", "on", "off"):
            raise ValueError(f'lifespan is "auto", "on" or "off", not {lifespan!r}')
        if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
            raise ValueError(f"a root path begins with a slash and does not end with one: {root_path!r}")
        self.app = app
        self.root_path = root_path
        self._life = Life(app, lifespan, startup_timeout)
        self._websocket_params = websocket._WebSocketParams(
            websocket_ping_interval, websocket_ping_timeout, websocket_max_message_size, websocket_compression_options
        )
        self._servers: WeakSet[object] = WeakSet()
        self._latest_server: Callable[[], object] = _nobody
        self._running: set[Call] = set()

    async def startup(self) -> None:
        """Run the start-up of the application's lifespan, once; later calls wait for it. Raises `RuntimeError` if it fails."""
        await self._life.start()

    async def shutdown(self, grace: float | None = None) -> None:
        """Tell the applications of all open requests that their clients are gone, cancel those that run on after ``grace`` seconds (5 by
        default), and run the shutdown of the lifespan, which may take as long. What fails in it is logged.
        """
        if grace is None:
            grace = _GRACE_SECONDS
        for run in tuple(self._running):
            run.shut_down()
        tasks = [run.task for run in self._running if run.task is not None]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=grace)
            for task in pending:
                app_log.warning("An ASGI application did not end when its client had gone, and was cancelled")
                task.cancel()
            if pending:
                await asyncio.wait(pending, timeout=grace)
        await self._life.end(grace)

    # -- for the server

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """The delegate that runs the application for one request."""
        if getattr(server_conn, "_asgi_container", None) is not self:
            self._serve_for(server_conn)
        return Chooser(self, server_conn, request_conn)

    def _serve_for(self, server_conn: object) -> None:
        """Note the server of a connection, if we do not know it yet."""
        with contextlib.suppress(AttributeError):
            cast(Any, server_conn)._asgi_container = self  # so that its next request need not ask
        server = server_conn if isinstance(server_conn, ASGIAdapter) else httpserver._server_of(server_conn)
        if server is None or server is self._latest_server():
            return
        self._latest_server = ref(server)
        self._servers.add(server)
        if isinstance(server, ASGIAdapter):
            server._companions.add(self)
        else:
            httpserver._companions.setdefault(server, set()).add(self)

    def _going_away(self) -> None:
        """A server drains: streams of events, which have no end of their own, come to one."""
        for run in tuple(self._running):
            run.server_leaves()

    async def _server_gone(self, server: object) -> None:
        """A server has drained."""
        self._servers.discard(server)
        self._latest_server = _nobody
        if not self._servers:
            await self.shutdown()


def _nobody() -> None:
    """No server yet."""


class Mount(Rule):
    """A rule that puts an ASGI application under a path, ``path`` itself and everything below it::

        Application([(r"/", Home), Mount("/api", fastapi_app)])

    The application sees ``path`` as its ``root_path``, after that of a server in front if there is one.

    :arg path: such as ``/api``; ``""`` or ``"/"`` for everything that no earlier rule takes.
    :arg app: the application, or an `ASGIContainer`.
    :arg options: as for `ASGIContainer`: ``lifespan``, ``startup_timeout`` and those of WebSockets.
    """

    def __init__(self, path: str, app: "ASGIApplication | ASGIContainer", *, name: str | None = None, **options: Any) -> None:
        path = path.rstrip("/")
        container = app if isinstance(app, ASGIContainer) else ASGIContainer(app, root_path=path, **options)
        super().__init__(PathMatches(f"{re.escape(path)}(?:/.*)?$"), container, name=name)
