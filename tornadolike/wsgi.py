"""Runs a WSGI application (PEP 3333) behind Tornado's HTTP server, beside native handlers."""

import concurrent.futures
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import tornadolike
from tornadolike import _imported_names, escape, httputil
from tornadolike._http.log_text import one_line
from tornadolike.concurrent import dummy_executor
from tornadolike.ioloop import IOLoop
from tornadolike.log import access_log, app_log

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication as WSGIAppType


def to_wsgi_str(s: bytes) -> str:
    """Bytes in the disguise that WSGI wants: a ``str`` of Latin-1 characters, one for each byte."""
    assert isinstance(s, bytes)
    return s.decode("latin-1")


class _Response:
    """Collects what a WSGI application says; is its ``start_response``."""

    __slots__ = ("headers", "pieces", "status")

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.pieces: list[bytes] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
        # Nothing has been sent before the application is through, so that a later call may always replace an earlier one.
        self.status, self.headers = status, headers
        return self.pieces.append

    def collect(self, application: "WSGIAppType", environ: dict[str, Any]) -> None:
        chunks: Iterable[bytes] = application(environ, self)
        try:
            self.pieces += chunks
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def complete_headers(self, code: int, body_bytes: int) -> httputil.HTTPHeaders:
        headers = httputil.HTTPHeaders()
        for name, value in self.headers:
            headers.add(name, value)
        if code not in (204, 304):
            if "Content-Length" not in headers:
                headers["Content-Length"] = str(body_bytes)
            if "Content-Type" not in headers:
                headers["Content-Type"] = "text/html; charset=UTF-8"
        if "Server" not in headers:
            headers["Server"] = f"TornadoServer/{tornadolike.version}"
        return headers


class WSGIContainer:
    """Makes a WSGI application a request callback: for ``HTTPServer``, the ``routing`` module or ``web.FallbackHandler``.

    ::

        wsgi_app = WSGIContainer(django_or_flask_app, executor=ThreadPoolExecutor(20))
        app = Application([(r"/live", LiveHandler), (r".*", FallbackHandler, {"fallback": wsgi_app})])

    WSGI is synchronous: a request and its response are in memory as a whole, and there are no WebSockets.

    :arg executor: runs the application, typically a ``ThreadPoolExecutor``; the application must then be thread-safe. Without
        it the application runs on the event loop's thread and blocks everything else, which is deprecated.
    """

    def __init__(self, wsgi_application: "WSGIAppType", executor: concurrent.futures.Executor | None = None) -> None:
        self.wsgi_application = wsgi_application
        self.executor = executor if executor is not None else dummy_executor

    def __call__(self, request: httputil.HTTPServerRequest) -> None:
        """Answer ``request``, beginning with the loop's next turn. What the application raises is logged, and answered with 500."""
        IOLoop.current().spawn_callback(self._answer, request)

    async def _answer(self, request: httputil.HTTPServerRequest) -> None:
        try:
            await self.handle_request(request)
        except Exception:
            app_log.error("Exception in the WSGI application for %s", self._summary(request), exc_info=True)
            self._send(request, _broken())

    async def handle_request(self, request: httputil.HTTPServerRequest) -> None:
        """Run the application for ``request`` and send its response. Raises what the application raises."""
        response = _Response()
        work = (response.collect, self.wsgi_application, self.environ(request))
        await IOLoop.current().run_in_executor(self.executor, *work)
        if not response.status:
            raise Exception("WSGI app did not call start_response")
        if not response.status[:3].isdecimal():
            raise Exception(f"WSGI app gave no status: {response.status!r}")
        self._send(request, response)

    def _send(self, request: httputil.HTTPServerRequest, response: _Response) -> None:
        body = b"".join(response.pieces)
        number, _, reason = response.status.partition(" ")
        start_line = httputil.ResponseStartLine("HTTP/1.1", int(number), reason)
        headers = response.complete_headers(start_line.code, len(body))
        connection = request.connection
        assert connection is not None
        connection.write_headers(start_line, headers, chunk=None if request.method == "HEAD" else body)
        connection.finish()
        self._log(start_line.code, request)

    def environ(self, request: httputil.HTTPServerRequest) -> dict[str, Any]:
        """The WSGI environment for ``request``."""
        host, port = httputil.split_host_and_port(request.host)
        if port is None:
            port = 443 if request.protocol == "https" else 80
        environ = {
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": request.version,
            "REMOTE_ADDR": request.remote_ip,
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": to_wsgi_str(escape.url_unescape(request.path, None, plus=False)),
            "QUERY_STRING": request.query,
            "wsgi.version": (1, 0),
            "wsgi.multithread": self.executor is not dummy_executor,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.url_scheme": request.protocol,
            "wsgi.errors": sys.stderr,
            "wsgi.input": BytesIO(escape.utf8(request.body)),
        }
        for name, value in request.headers.items():
            key = name.replace("-", "_").upper()
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            elif "_" in name:
                continue
            if "_" not in name or key not in environ:
                environ[key] = value  # X_Real_Ip, which no proxy filters, must not pass for X-Real-Ip
        return environ

    def _log(self, status_code: int, request: httputil.HTTPServerRequest) -> None:
        if status_code >= 500:
            write = access_log.error
        else:
            write = access_log.warning if status_code >= 400 else access_log.info
        write("%d %s %.2fms", status_code, self._summary(request), 1000 * request.request_time())

    @staticmethod
    def _summary(request: httputil.HTTPServerRequest) -> str:
        return f"{request.method} {one_line(str(request.uri))} ({request.remote_ip})"


def _broken() -> _Response:
    response = _Response()
    response("500 Internal Server Error", [("Content-Type", "text/plain")])
    response.pieces.append(b"Internal Server Error\n")
    return response


HTTPRequest = httputil.HTTPServerRequest
"""Another name of `.HTTPServerRequest`."""


_imported_names.complete(globals())
