"""Access logs as servers write them: a JSON object or a line of the Common Log Format for each request. Not in Tornado.

`AccessLog` is a value for the setting ``log_function``::

    application = Application(routes, log_function=AccessLog("json"))

``tornadolike run --access-log json`` does the same for a program that sets none. The fields of a JSON line are ``time`` (UTC, when the
answer was complete), ``method``, ``route`` (the pattern of the rule, null where no rule fits), ``target`` (path and query), ``status``,
``bytes`` (of the answer's body; null where its length was not known beforehand), ``duration`` (seconds), ``protocol``, ``peer``,
``request_id``, and ``trace_id`` while there is a span of OpenTelemetry. With ``tornadolike run --access-log json`` a WebSocket that is over
has a line with ``"event": "websocket closed"``, its close ``code``, ``duration`` in seconds, ``messages_in`` and ``messages_out``.
"""

import asyncio
import itertools
import os
import re
import sys
import time
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, TextIO

from tornadolike import httpserver, httputil, web, websocket
from tornadolike._asgi_mounted import call as asgi_call
from tornadolike._http.log_text import one_line

FORMS = ("json", "common", "off")
"""What `AccessLog` can write."""

_ACCEPTABLE_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
_numbers = itertools.count(1)


def route(handler: web.RequestHandler) -> str | None:
    """The pattern of the rule that led to a handler, as it was written (without the end's ``$``); None where there is no such rule."""
    return _route(handler.application, handler.__class__, handler.request.path)


def _route(application: web.Application, handler_class: type[web.RequestHandler], path: str) -> str | None:
    # Rules may be added and taken at any time; comparing two lengths notices nearly all of it, and costs next to nothing.
    size = len(application.wildcard_router.rules), len(application.default_router.rules)
    known: Any = application.__dict__.get("_known_routes")
    if known is None or known[0] != size:
        patterns = _patterns(application)
        single = {cls: found[0][1] for cls, found in patterns.items() if len(found) == 1}
        application._known_routes = known = (size, patterns, single)  # type: ignore[attr-defined]  # ours
    found: str | None = known[2].get(handler_class)
    if found is not None:
        return found
    return next((text for regex, text in known[1].get(handler_class, ()) if regex.match(path)), None)


_Patterns = dict[type, list[tuple[re.Pattern[str], str]]]


def _patterns(application: web.Application) -> _Patterns:
    found: _Patterns = {}
    waiting: list[Any] = [application.default_router]
    while waiting:
        for rule in waiting.pop(0).rules:
            if hasattr(rule.target, "rules"):
                waiting.append(rule.target)
            elif isinstance(rule.target, type) and hasattr(rule.matcher, "regex"):
                regex = rule.matcher.regex
                found.setdefault(rule.target, []).append((regex, regex.pattern.removesuffix("$")))
    return found


def request_id(request: httputil.HTTPServerRequest) -> str:
    """The id of a request: that of its ``X-Request-ID``, where it has an acceptable one, else a new one.

    Acceptable are up to 128 of ``A-Za-z0-9_.:/+=@-``. The same for each call with the same request.
    """
    attributes = request.__dict__
    found: str | None = attributes.get("_request_id")
    if found is None:
        found = request.headers._get("X-Request-Id")
        if found is None or not _ACCEPTABLE_ID.fullmatch(found):
            found = f"{_process}-{next(_numbers):x}"
        attributes["_request_id"] = found
    return found


_process = os.urandom(8).hex()


def _in_child() -> None:
    global _process
    _process = os.urandom(8).hex()  # or it would count on with its parent's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


class RequestId(web.OutputTransform):
    """Puts the id of a request into its answer, as ``X-Request-ID``: for `Application.add_transform`."""

    def __init__(self, request: httputil.HTTPServerRequest) -> None:
        self._request = request

    def transform_first_chunk(
        self, status_code: int, headers: httputil.HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, httputil.HTTPHeaders, bytes]:
        headers["X-Request-Id"] = request_id(self._request)
        return status_code, headers, chunk


class AccessLog:
    """Writes a line for each request that is finished; a value for the setting ``log_function``.

    :arg form: ``json`` or ``common`` (the Common Log Format of NCSA's httpd and Apache).
    :arg stream: where to, a file or anything with ``write`` and ``flush``; `sys.stdout` by default.

    Lines are written at the end of the loop's turn, all of a turn in one piece. Raises `ValueError` for another ``form``.
    """

    def __init__(self, form: str = "json", stream: TextIO | None = None) -> None:
        if form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
        self._line = {"json": _json_line, "common": _common_line, "off": None}[form]
        self._stream = stream
        self._lines: list[str] = []

    def __call__(self, handler: web.RequestHandler) -> None:
        """Log the request of a handler."""
        if self._line is not None:
            self.write(self._line(handler))

    def websocket(self, event: str, handler: web.RequestHandler, protocol: Any) -> None:
        """Log the end of a WebSocket, in JSON; its beginning is a request with status 101."""
        if event == "close" and self._line is _json_line:
            self.write(_json_close_line(handler, protocol))

    def _asgi(self, line: httputil.RequestStartLine, status: int, context: Any, seconds: float) -> None:
        """Log a request that an ASGI application has answered: its routes are its own affair."""
        peer = str(getattr(context, "remote_ip", None))
        if self._line is _json_line:
            self.write(
                f'{{"time": "{_now()}", "method": {_quoted(line.method)}, "route": null, "target": {_quoted(line.path)}, '
                f'"status": {status}, "bytes": null, "duration": {seconds:.6f}, "protocol": "{line.version}", "peer": {_quoted(peer)}, '
                f'"request_id": null{_trace()}}}\n'
            )
        elif self._line is not None:
            self.write(_in_common_format(peer, f"{line.method} {line.path} {line.version}", status, None))

    def write(self, line: str) -> None:
        """Write a line with the others of this turn."""
        lines = self._lines
        lines.append(line)
        if len(lines) == 1:
            loop = asyncio._get_running_loop()
            if loop is None:
                self.flush()
            else:
                loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits."""
        lines, self._lines = self._lines, []
        stream = sys.stdout if self._stream is None else self._stream
        if lines and stream is not None:
            stream.write("".join(lines))
            stream.flush()


def _body_bytes(handler: web.RequestHandler) -> str | None:
    if handler.request.method == "HEAD" or handler.get_status() in (101, 204, 304):
        return "0"
    return handler._headers._get("Content-Length")


_second = (-1, "")


def _now() -> str:
    """The time, with milliseconds, as RFC 3339 writes it."""
    global _second
    now = time.time()
    whole = int(now)
    if _second[0] != whole:
        _second = (whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)))
    return "%s.%03dZ" % (_second[1], (now - whole) * 1000)  # noqa: UP031 - half the time of an f-string


def _json_line(handler: web.RequestHandler) -> str:
    request = handler.request
    pattern = route(handler)
    # Written out, not made by json.dumps: that takes twice as long, for each request.
    return (
        f'{{"time": "{_now()}", "method": {_quoted(str(request.method))}, "route": {"null" if pattern is None else _quoted(pattern)}, '
        f'"target": {_quoted(str(request.uri))}, "status": {handler.get_status()}, "bytes": {_body_bytes(handler) or "null"}, '
        f'"duration": {request.request_time():.6f}, "protocol": "{request.version}", "peer": {_quoted(str(request.remote_ip))}, '
        f'"request_id": {_quoted(request_id(request))}{_trace()}}}\n'
    )


def _json_close_line(handler: web.RequestHandler, protocol: Any) -> str:
    request = handler.request
    pattern, code = route(handler), protocol.close_code
    return (
        f'{{"time": "{_now()}", "event": "websocket closed", "route": {"null" if pattern is None else _quoted(pattern)}, '
        f'"target": {_quoted(str(request.uri))}, "code": {"null" if code is None else int(code)}, '
        f'"duration": {time.monotonic() - protocol._opened:.6f}, "messages_in": {protocol._messages_in}, '
        f'"messages_out": {protocol._messages_out}, "peer": {_quoted(str(request.remote_ip))}, '
        f'"request_id": {_quoted(request_id(request))}{_trace()}}}\n'
    )


def _trace() -> str:
    """The current span of OpenTelemetry, where the program has loaded that."""
    tracing = sys.modules.get("opentelemetry.trace")
    if tracing is None:
        return ""
    context = tracing.get_current_span().get_span_context()
    return f', "trace_id": "{context.trace_id:032x}"' if context.is_valid else ""


def _common_line(handler: web.RequestHandler) -> str:
    request = handler.request
    line = f"{request.method} {request.uri} {request.version}"
    return _in_common_format(str(request.remote_ip), line, handler.get_status(), _body_bytes(handler))


def _in_common_format(peer: str, request: str, status: int, size: str | None) -> str:
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    shown = one_line(request).replace('"', "%22")
    return f'{peer} - - [{when}] "{shown}" {status} {"-" if size is None else size}\n'


def replace_default(form: str, stream: TextIO | None = None) -> AccessLog:
    """Make `Application.log_request` of this process write such lines; a program's ``log_function`` still takes its place.

    With ``json`` applications that are listened for from now on send the id, too.
    """
    log = AccessLog(form, stream)

    def log_request(self: web.Application, handler: web.RequestHandler) -> None:
        own = self.settings.get("log_function")
        (log if own is None else own)(handler)

    asgi_call.log_line = log._asgi
    web.Application.log_request = log_request  # type: ignore[method-assign]  # as programs do
    if form == "json":
        httpserver._on_listen.append(_send_ids)
        websocket._observers.append(log.websocket)
    return log


def _send_ids(server: httpserver.HTTPServer) -> None:
    application = server.request_callback
    if isinstance(application, web.Application) and RequestId not in application.transforms:
        application.add_transform(RequestId)
