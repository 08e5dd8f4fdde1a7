"""``--health`` and ``--ready``: two paths that a load balancer asks, answered in whatever a program serves."""

from typing import Any

from tornadolike import httpserver, httputil, routing, web
from tornadolike._cli import draining


def install(health: str | None, ready: str | None) -> None:
    """Have the paths answered by each server that listens from now on."""
    rules: list[tuple[str, type[web.RequestHandler]]] = [
        (path, handler) for path, handler in ((health, Health), (ready, Ready)) if path is not None
    ]
    httpserver._on_listen.append(lambda server: _add(server, rules))


def _add(server: httpserver.HTTPServer, rules: list[tuple[str, type[web.RequestHandler]]]) -> None:
    target: Any = server.request_callback
    if isinstance(target, web.Application):
        for router in _routers(target):
            present = {id(rule.target) for rule in router.rules}
            router.rules[:0] = [_rule(path, handler) for path, handler in rules if id(handler) not in present]
    elif not isinstance(target, _Before):
        server.request_callback = _Before(target, rules)


def _rule(path: str, handler: type[web.RequestHandler]) -> routing.Rule:
    return web.url(path.replace(".", r"\."), handler)


def _routers(application: web.Application) -> list[web._ApplicationRouter]:
    """The routers of all hosts: the first rule of each sees the path first."""
    return [
        application.wildcard_router,
        *(rule.target for rule in application.default_router.rules if rule.target is not application.wildcard_router),
    ]


class _Before(httputil.HTTPServerConnectionDelegate):
    """Stands before what is no `Application`."""

    def __init__(self, target: Any, rules: list[tuple[str, type[web.RequestHandler]]]) -> None:
        self._target = target
        self._router = routing.RuleRouter(
            [*(routing.Rule(routing.PathMatches(path), web.Application([(".*", handler)])) for path, handler in rules)]
        )

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        return _Choice(self._target, self._router, server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        on_close = getattr(self._target, "on_close", None)
        if on_close is not None:
            on_close(server_conn)


class _Choice(httputil.HTTPMessageDelegate):
    """Gives a request to the probes or to the program, as its path wants it."""

    _chosen: httputil.HTTPMessageDelegate

    def __init__(self, target: Any, router: routing.RuleRouter, server_conn: object, request_conn: httputil.HTTPConnection) -> None:
        self._target, self._router, self._server, self._connection = target, router, server_conn, request_conn

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Any:
        request = httputil.HTTPServerRequest(
            connection=self._connection, server_connection=self._server, start_line=start_line, headers=headers
        )
        found = self._router.find_handler(request)
        if found is None and isinstance(self._target, httputil.HTTPServerConnectionDelegate):
            found = self._target.start_request(self._server, self._connection)
        if found is None:
            found = httpserver._CallableAdapter(self._target, self._connection)
        self._chosen = found
        return found.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._chosen.data_received(chunk)

    def finish(self) -> None:
        self._chosen.finish()

    def on_connection_close(self) -> None:
        self._chosen.on_connection_close()


class _Probe(web.RequestHandler):
    """Says yes in the cheapest way, and is in no access log."""

    def set_default_headers(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.set_header("Cache-Control", "no-store")

    def compute_etag(self) -> str | None:
        return None

    def _log(self) -> None:
        """These come every second, and say nothing."""


class Health(_Probe):
    """The process works: its loop turns."""

    def get(self) -> None:
        self.write("ok\n")

    head = get


class Ready(_Probe):
    """The process wants work."""

    def get(self) -> None:
        if draining.is_ready():
            self.write("ready\n")
        else:
            self.set_status(503)
            self.write("ending\n")

    head = get
