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
import atexit
import itertools
import os
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, TextIO

from tornadolike import httputil, web, websocket
from tornadolike._asgi_mounted import call as asgi_call
from tornadolike._http.log_text import one_line
from tornadolike.log import gen_log

FORMS = ("json", "common", "off")
"""What `AccessLog` can write."""

_ACCEPTABLE_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
_TRACING = "opentelemetry.trace"
_WITHOUT_BODY = frozenset((101, 204, 304))


def route(handler: web.RequestHandler) -> str | None:
    """The pattern of the rule that led to a handler, as it was written (without the end's ``$``); None where there is no such rule."""
    return _route(handler.application, handler.__class__, handler.request.path)


def _route(application: web.Application, handler_class: type[web.RequestHandler], path: str) -> str | None:
    routes = _routes(application)
    found: str | None = routes.single.get(handler_class)
    return routes.find(handler_class, path) if found is None else found


class _Routes:
    """The patterns of an application's rules, for as long as there are so many of them.

    Rules may be added and taken at any time; comparing two lengths notices nearly all of it, and costs next to nothing.
    """

    __slots__ = ("beginnings", "hosts", "patterns", "rules", "single")

    def __init__(self, application: web.Application) -> None:
        self.rules, self.hosts = len(application.wildcard_router.rules), len(application.default_router.rules)
        self.patterns = _patterns(application)
        self.single = {cls: found[0][1] for cls, found in self.patterns.items() if len(found) == 1}
        # How lines on requests for these classes, with these methods, go on behind the time.
        self.beginnings: dict[Any, dict[Any, str]] = {cls: {} for cls in self.single}

    def find(self, handler_class: type[web.RequestHandler], path: str) -> str | None:
        """The pattern for a path, where a class stands behind several, or for another one, or behind none."""
        handler_class = getattr(handler_class, "_in_place_of", handler_class)
        return next((text for regex, text in self.patterns.get(handler_class, ()) if regex.match(path)), None)

    def beginning(self, handler_class: type[web.RequestHandler], method: str, path: str) -> str:
        """Method and route, as a line has them."""
        pattern = self.single.get(handler_class) or self.find(handler_class, path)
        text = f', "method": {_quoted(str(method))}, "route": {"null" if pattern is None else _quoted(pattern)}, "target": '
        if handler_class in self.single and method in web.RequestHandler.SUPPORTED_METHODS:
            self.beginnings[handler_class][method] = text
        return text


# In an application's dictionary, where no attribute of a program can have the name.
_ROUTES = "access_log routes"


def _routes(application: web.Application) -> _Routes:
    known: _Routes | None = application.__dict__.get(_ROUTES)
    if known is None or known.rules != len(application.wildcard_router.rules) or known.hosts != len(application.default_router.rules):
        known = application.__dict__[_ROUTES] = _Routes(application)
    return known


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
    found = request._request_id
    if found is None:
        headers = request.headers
        if not getattr(headers, "_bare", False):  # what is has no such field
            found = headers.get("X-Request-Id")
        if found is None or not _ACCEPTABLE_ID.fullmatch(found):
            found = next(_new_ids)
        request._request_id = found
    return found


def _ids() -> Iterator[str]:
    """Ids that no other process gives."""
    begin = f"{os.urandom(8).hex()}-%x"
    # In blocks that differ in the last two digits: that is a third of the price of formatting each number.
    blocks = (map((begin % block).__add__, _LAST_DIGITS) for block in itertools.count())
    return itertools.chain.from_iterable(blocks)


_LAST_DIGITS = [f"{number:02x}" for number in range(256)]


_new_ids = _ids()


def _in_child() -> None:
    global _new_ids
    _new_ids = _ids()  # or it would count on with its parent's
    for log in tuple(_logs):
        log._lines.clear()  # which the parent writes
        log._writing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


class RequestId(web.OutputTransform):
    """Puts the id of a request into its answer, as ``X-Request-ID``: for `Application.add_transform`."""

    _changes_heads_only = True  # so that the kernel may still send files

    def __init__(self, request: httputil.HTTPServerRequest) -> None:
        self._request = request

    def transform_first_chunk(
        self, status_code: int, headers: httputil.HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, httputil.HTTPHeaders, bytes]:
        _add_id(self._request, headers)
        return status_code, headers, chunk


def _add_id(request: httputil.HTTPServerRequest, headers: httputil.HTTPHeaders) -> None:
    """Put the id of a request into the head of its answer."""
    found = request._request_id or request_id(request)
    if type(headers) is httputil.HTTPHeaders and headers._head is not None:  # as most are: assigned with what that costs left out
        headers._joined["X-Request-Id"] = found
    else:
        headers["X-Request-Id"] = found


class AccessLog:
    """Writes a line for each request that is finished; a value for the setting ``log_function``.

    :arg form: ``json`` or ``common`` (the Common Log Format of NCSA's httpd and Apache).
    :arg stream: where to, a file or anything with ``write`` and ``flush``; `sys.stdout` by default.

    Lines are written within five milliseconds or little more, all that have come together in one piece; at the end of the process, at
    once, unless a signal kills it. Raises `ValueError` for another ``form``.
    """

    def __init__(self, form: str = "json", stream: TextIO | None = None) -> None:
        if form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
        self._line = {"json": _json_line, "common": _common_line, "off": None}[form]
        self._stream = stream
        self._lines: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # whose timer is to write them
        self._writing = threading.Lock()
        self._is_failing = False
        _logs.add(self)

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
                f'{_time(time.time())}, "method": {_quoted(line.method)}, "route": null, "target": {_quoted(line.path)}, '
                f'"status": {status}, "bytes": null, "duration": {seconds:.6f}, "protocol": "{line.version}", "peer": {_quoted(peer)}, '
                f'"request_id": null{_trace()}}}\n'
            )
        elif self._line is not None:
            self.write(_in_common_format(peer, f"{line.method} {line.path} {line.version}", status, None))

    def write(self, line: str) -> None:
        """Write a line with those that come within the same few milliseconds."""
        lines = self._lines
        lines.append(line)
        # Another loop: that one may have ended before its timer.
        if len(lines) == 1 or asyncio._get_running_loop() is not self._loop:
            self._see_to_writing()

    def _see_to_writing(self) -> None:
        """Have what waits written soon."""
        self._loop = loop = asyncio._get_running_loop()
        if loop is None:
            self.flush()
        else:
            # Not at the end of this turn: where requests come one by one each of them would cost a look at all sockets more.
            loop.call_later(_TOGETHER_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what waits. What cannot be written (the disk is full, the reader of a pipe has left) is dropped, and that is said once."""
        lines = self._lines
        with self._writing:
            self._loop = None
            while lines:  # threads may add some meanwhile
                count = len(lines)
                text = "".join(lines[:count])
                del lines[:count]
                self._write_text(text)

    def _write_text(self, text: str) -> None:
        stream = sys.stdout if self._stream is None else self._stream
        if stream is None:
            return
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError) as error:  # the second: it is closed
            if not self._is_failing:
                self._is_failing = True
                gen_log.error("The access log cannot be written (%s): lines are dropped until it can", error)
        else:
            self._is_failing = False


# A server that is not busy all the time is woken for them: five times as often, each request would cost a tenth more.
_TOGETHER_SECONDS = 0.005
_logs: weakref.WeakSet[AccessLog] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    for log in tuple(_logs):
        log.flush()


def _body_bytes(handler: web.RequestHandler, status: int) -> str | None:
    if status in _WITHOUT_BODY or handler.request.method == "HEAD":
        return "0"
    headers = handler._headers
    if getattr(headers, "_head", None) is not None:  # which never has a length
        return headers._joined.get("Content-Length")
    return headers.get("Content-Length")


_second = -1
_second_text = ""
# A millisecond, the beginning of its lines, and whether OpenTelemetry is loaded by then.
_stamp = (-1, "", False)


def _time(now: float) -> str:
    """The beginning of a line, with the time to the millisecond as RFC 3339 writes it."""
    milliseconds = int(now * 1000)
    return (_stamp if milliseconds == _stamp[0] else _stamped(milliseconds))[1]


def _stamped(milliseconds: int) -> tuple[int, str, bool]:
    """What `_stamp` is from now on."""
    global _second, _second_text, _stamp
    second = milliseconds // 1000
    if second != _second:
        _second, _second_text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    text = '{"time": "%s.%03dZ"' % (_second_text, milliseconds % 1000)  # noqa: UP031 - half the time of an f-string
    _stamp = stamp = milliseconds, text, _TRACING in sys.modules
    return stamp


class _Ready(dict[Any, str]):
    """Pieces of lines that come up again and again."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any], str]) -> None:
        self._make = make

    def __missing__(self, key: Any) -> str:
        if len(self) >= _MAX_READY:
            self.clear()
        made = self[key] = self._make(key)
        return made


_MAX_READY = 1000
_status_pieces = _Ready(lambda status: f', "status": {int(status)}, "bytes": ')
_peer_pieces = _Ready(lambda peer: f'", "peer": {_quoted(str(peer))}, "request_id": "')


def _json_line(handler: web.RequestHandler) -> str:
    # Written out, not made by json.dumps: that takes twice as long, for each request. What a request id may be needs no escapes.
    request, kind, status, headers = handler.request, handler.__class__, handler.get_status(), handler._headers
    method, now = request.method, time.time()
    _, begin, traced = _stamp if (milliseconds := int(now * 1000)) == _stamp[0] else _stamped(milliseconds)
    routes = _routes(handler.application)
    known = routes.beginnings.get(kind)
    method_and_route = (known.get(method) if known else None) or routes.beginning(kind, method, request.path)
    if getattr(headers, "_head", None) is not None and method != "HEAD" and status not in _WITHOUT_BODY:
        size = headers._joined.get("Content-Length")  # the usual case of `_body_bytes`
    else:
        size = _body_bytes(handler, status)
    duration = "%.6f" % (now - request._start_time)
    return (
        f'{begin}{method_and_route}{_quoted(request.uri or "")}{_status_pieces[status]}{size or "null"}, "duration": {duration}, '
        f'"protocol": "{request.version}{_peer_pieces[request.remote_ip]}{request._request_id or request_id(request)}"'
        f"{_trace() if traced else ''}}}\n"
    )


def _json_close_line(handler: web.RequestHandler, protocol: Any) -> str:
    request = handler.request
    pattern, code = route(handler), protocol.close_code
    return (
        f'{_time(time.time())}, "event": "websocket closed", "route": {"null" if pattern is None else _quoted(pattern)}, '
        f'"target": {_quoted(str(request.uri))}, "code": {"null" if code is None else int(code)}, '
        f'"duration": {time.monotonic() - protocol._opened:.6f}, "messages_in": {protocol._messages_in}, '
        f'"messages_out": {protocol._messages_out}, "peer": {_quoted(str(request.remote_ip))}, '
        f'"request_id": "{request_id(request)}"{_trace() if _TRACING in sys.modules else ""}}}\n'
    )


def _trace() -> str:
    """The current span of OpenTelemetry, where the program has loaded that."""
    tracing: Any = sys.modules.get(_TRACING)
    if tracing is None:
        return ""
    context = tracing.get_current_span().get_span_context()
    return f', "trace_id": "{context.trace_id:032x}"' if context.is_valid else ""


def _common_line(handler: web.RequestHandler) -> str:
    request = handler.request
    line = f"{request.method} {request.uri} {request.version}"
    status = handler.get_status()
    return _in_common_format(str(request.remote_ip), line, status, _body_bytes(handler, status))


_common_second = (-1, "")


def _in_common_format(peer: str, request: str, status: int, size: str | None) -> str:
    global _common_second
    second = int(time.time())
    if second != _common_second[0]:
        _common_second = second, time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
    shown = one_line(request).replace('"', "%22")
    return f'{peer} - - [{_common_second[1]}] "{shown}" {status} {"-" if size is None else size}\n'


def replace_default(form: str, stream: TextIO | None = None) -> AccessLog:
    """Make `Application.log_request` of this process write such lines; a program's ``log_function`` still takes its place.

    With ``json`` all answers of handlers have the id, too.
    """
    log = AccessLog(form, stream)
    asgi_call.log_line = log._asgi
    web.Application.log_request = _log_request(log)  # type: ignore[assignment,method-assign]  # as programs do
    if form == "json":
        web._complete_head = _add_id
        websocket._observers.append(log.websocket)
    return log


def _log_request(log: AccessLog) -> Callable[[web.Application, web.RequestHandler], None]:
    make, lines, running_loop = log._line, log._lines, asyncio._get_running_loop

    def log_request(self: web.Application, handler: web.RequestHandler) -> None:
        own = self.settings.get("log_function")
        if own is not None:
            own(handler)
        elif make is not None:
            # As `AccessLog.write`, without the call.
            lines.append(make(handler))
            if len(lines) == 1 or log._loop is not running_loop():
                log._see_to_writing()

    return log_request
