"""Applications that scenarios share."""

from collections.abc import Callable
from typing import Any

from tornado import web


class Echo(web.RequestHandler):
    """Answers with what it understood of the request."""

    SUPPORTED_METHODS = (*web.RequestHandler.SUPPORTED_METHODS, "PROPFIND")

    def _answer(self, *path: str) -> None:
        request = self.request
        self.set_header("X-Version", request.version)
        self.write(
            {
                "line": [request.method, request.uri, request.version, request.path, request.query],
                "headers": list(request.headers.get_all()),
                "path": path,
                "body": request.body.decode("latin-1"),
                "arguments": shown(request.arguments),
                "query": shown(request.query_arguments),
                "form": shown(request.body_arguments),
                "files": {
                    name: [[one.filename, one.content_type, one.body.decode("latin-1")] for one in found]
                    for name, found in request.files.items()
                },
                "cookies": {name: morsel.value for name, morsel in request.cookies.items()},
                "peer": [request.remote_ip, request.protocol, request.host, request.host_name, request.full_url()],
            }
        )

    get = post = put = patch = delete = options = propfind = _answer  # type: ignore[assignment]  # a handler may return anything awaitable

    def head(self) -> None:
        self.set_header("X-Seen", "head")


class Probe(web.RequestHandler):
    def get(self) -> None:
        self.finish("probe")


def shown(arguments: dict[str, list[bytes]]) -> dict[str, list[str]]:
    return {name: [value.decode("latin-1") for value in values] for name, values in arguments.items()}


def application(*rules: Any, **settings: Any) -> web.Application:
    return web.Application([("/probe-of-the-suite", Probe), *rules], **settings)


def echo(**settings: Any) -> web.Application:
    return application((r"/echo/(\w+)/(.*)", Echo), (r"/.*", Echo), **settings)


def answering(body: Callable[..., Any], *methods: str, notes: list[Any] | None = None, **attributes: Any) -> type[web.RequestHandler]:
    """A handler whose methods are all ``body``; its end and its closed connections go into ``notes``."""
    members: dict[str, Any] = dict.fromkeys(methods or ("get", "post", "head", "put", "delete", "options", "patch"), body)
    if notes is not None:
        members["on_finish"] = lambda self: notes.append(f"finished {self.get_status()}")
        members["on_connection_close"] = lambda self: notes.append("connection closed")
    return type("Handler", (web.RequestHandler,), {**members, **attributes})
