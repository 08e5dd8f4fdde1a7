"""The HTTP client over libcurl (through pycurl): what `.simple_httpclient` offers, and proxies, Digest authentication and more.

libcurl's *multi* interface runs all transfers. It tells which sockets it wants watched (``_handle_socket``) and when it wants to be woken
(``_set_timeout``); the `.IOLoop` does both, and every event is passed on with ``socket_action``. Transfers that ended are then collected,
and their handles reset and used again.
"""

import contextvars
import functools
import inspect
import logging
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from io import BytesIO
from os import fspath
from typing import Any

import pycurl

from tornadolike import _imported_names, gen, httputil
from tornadolike._client.request_head import check_body, check_method, valid_url
from tornadolike.escape import native_str
from tornadolike.httpclient import AsyncHTTPClient, HTTPError, HTTPRequest, HTTPResponse, _when_cancelled, main
from tornadolike.ioloop import IOLoop
from tornadolike.log import app_log

curl_log = logging.getLogger("tornado.curl_httpclient")
"""What libcurl tells about its work goes here, at the level DEBUG."""

CR_OR_LF_RE = re.compile(b"\r|\n")
"""What must not stand in a header field that is given to libcurl."""

_EVENTS = {
    pycurl.POLL_NONE: IOLoop.NONE,
    pycurl.POLL_IN: IOLoop.READ,
    pycurl.POLL_OUT: IOLoop.WRITE,
    pycurl.POLL_INOUT: IOLoop.READ | IOLoop.WRITE,
}

# libcurl has options of their own for some methods, and treats redirects accordingly. All others are CUSTOMREQUEST.
_METHOD_OPTIONS = {"GET": pycurl.HTTPGET, "POST": pycurl.POST, "PUT": pycurl.UPLOAD, "HEAD": pycurl.NOBODY}
_SUPPORTED_METHODS = frozenset({*_METHOD_OPTIONS, "DELETE", "OPTIONS", "PATCH"})

_AUTH_MODES = {None: pycurl.HTTPAUTH_BASIC, "basic": pycurl.HTTPAUTH_BASIC, "digest": pycurl.HTTPAUTH_DIGEST}

_LONGEST_MS = 2**31 - 1

# A cancelled fetch whose response is on its way need not cost a connection.
_LINGER_SECONDS = 0.1

_TIMINGS = {
    "namelookup": pycurl.NAMELOOKUP_TIME,
    "connect": pycurl.CONNECT_TIME,
    "appconnect": pycurl.APPCONNECT_TIME,
    "pretransfer": pycurl.PRETRANSFER_TIME,
    "starttransfer": pycurl.STARTTRANSFER_TIME,
    "total": pycurl.TOTAL_TIME,
    "redirect": pycurl.REDIRECT_TIME,
}


class CurlError(HTTPError):
    """libcurl's report that a transfer failed: ``errno`` is its error number (one of ``pycurl.E_*``), ``code`` is 599."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(599, message)
        self.errno = errno


class _WholeBody:
    """Collects a body in memory, up to ``max_body_size`` bytes."""

    def __init__(self, max_body_size: int) -> None:
        self.buffer = BytesIO()
        self.body_too_large = False
        self._max_body_size = max_body_size

    def write(self, chunk: bytes) -> int:
        if self.buffer.tell() + len(chunk) > self._max_body_size:
            self.body_too_large = True
            return 0  # fewer bytes than offered: libcurl gives up
        return self.buffer.write(chunk)

    def finish(self) -> None:
        self.buffer.seek(0)


class _CurlStreamingBuffer:
    """Between libcurl and a ``streaming_callback``.

    libcurl delivers from within ``socket_action``, where the application must not run, so chunks wait here for the next turn of the loop.
    What waits is bounded: the transfer is paused while there are ``max_buffer_size`` bytes. (What libcurl has got from the socket by then
    it still decodes, and keeps; for that it has a limit of its own.)
    """

    max_buffer_size = 1024 * 1024

    def __init__(self, client: "CurlAsyncHTTPClient", curl: pycurl.Curl, callback: Callable[[bytes], Any]) -> None:
        """``callback`` gets each chunk, and raises nothing."""
        self.buffer = BytesIO()
        self.paused = False
        self.body_too_large = False
        self._client = client
        self._curl: pycurl.Curl | None = curl
        self._callback = callback
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._total_bytes = 0
        self._flush_scheduled = False

    def write(self, chunk: bytes) -> int:
        """What libcurl calls with each chunk: bytes taken, or a request to pause, after which it brings the same chunk again."""
        if self._total_bytes + len(chunk) > self._client.max_body_size:
            self.body_too_large = True
            return 0
        if self._waiting_bytes >= self.max_buffer_size:
            self.paused = True
            return pycurl.WRITEFUNC_PAUSE  # type: ignore[no-any-return]  # pycurl has no types
        self._chunks.append(chunk)
        self._waiting_bytes += len(chunk)
        self._total_bytes += len(chunk)
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._client.io_loop.add_callback(self.flush)
        return len(chunk)

    def flush(self) -> None:
        """Hand out what is here, then let a paused transfer go on."""
        self._flush_scheduled = False
        while self._chunks:
            chunk = self._chunks.popleft()
            self._waiting_bytes -= len(chunk)
            self._callback(chunk)
        if self.paused:
            self.paused = False
            self._resume()

    def _resume(self) -> None:
        if self._curl is None:
            return
        try:
            # Calls write() before it returns, if libcurl has something.
            self._curl.pause(pycurl.PAUSE_CONT)
        except pycurl.error:
            return  # the transfer failed meanwhile, which its end will report
        # Some libcurl versions do not notice by themselves that there is something to do.
        self._client._set_timeout(0)

    def finish(self) -> None:
        """The transfer is over: hand out the rest, and leave the handle alone from now on."""
        self._curl = None
        self.paused = False
        self.flush()

    def abandon(self) -> None:
        """Nobody wants the rest."""
        self._curl = None
        self.paused = False
        self._chunks.clear()


class _Transfer:
    """One request, from `CurlAsyncHTTPClient.fetch_impl` to its callback. All that belongs to the application runs in its context."""

    __slots__ = (
        "_context",
        "_entered",
        "abandoned",
        "body",
        "callback",
        "headers",
        "malformed",
        "queue_timeout",
        "queued_at",
        "request",
        "running",
        "start_time",
        "start_wall_time",
    )

    def __init__(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None], now: float) -> None:
        self._context = contextvars.copy_context()
        self._entered = False
        self.request = request
        self.callback = callback
        self.queued_at = self.start_time = now
        self.queue_timeout: object = None
        self.start_wall_time = time.time()
        self.headers = httputil.HTTPHeaders()
        self.body: _WholeBody | _CurlStreamingBuffer
        self.malformed: str | None = None
        self.running = self.abandoned = False

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call ``function`` in the context of the fetch."""
        if self._entered:
            return function(*args)
        self._entered = True
        try:
            return self._context.run(function, *args)
        finally:
            self._entered = False

    def call_back(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call a function of the application; what it raises is logged."""
        try:
            self.run(callback, *args)
        except Exception:
            self.run(functools.partial(app_log.error, "Exception in callback %r", callback, exc_info=True))

    def seconds_left(self, now: float) -> float | None:
        """What is left of the request time, None if that is without limit."""
        seconds = self.request.request_timeout
        return self.queued_at + seconds - now if seconds else None


class CurlAsyncHTTPClient(AsyncHTTPClient):
    """The implementation of `.AsyncHTTPClient` over libcurl.

    ``max_clients`` requests run at a time. ``max_body_size`` limits a response's body, in bytes after decompression. ``defaults``: see
    `.AsyncHTTPClient`. Differences in `.HTTPRequest`'s options: no ``ssl_options``, ``body_producer``, ``expect_100_continue``, nor
    coroutines as ``streaming_callback``; all of the proxy options, ``auth_mode="digest"``, and ``prepare_curl_callback``.
    """

    def initialize(  # type: ignore[override]  # each implementation has arguments of its own
        self, max_clients: int = 10, defaults: dict[str, Any] | None = None, max_body_size: int = 104857600
    ) -> None:
        super().initialize(defaults=defaults)
        self.max_body_size = max_body_size
        self._timeout: object = None
        self._watched_fds: set[int] = set()
        self._requests: deque[_Transfer] = deque()
        self._transfers: dict[pycurl.Curl, _Transfer] = {}
        self._free_list = [self._curl_create() for _ in range(max_clients)]
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timeout)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._handle_socket)

    def close(self) -> None:
        super().close()
        if self._multi is None:
            return
        for curl in self._transfers:
            self._multi.remove_handle(curl)
            curl.close()
        for curl in self._free_list:
            curl.close()
        self._multi.close()
        self._remove_timeout()
        for transfer in self._requests:
            self._stop_queue_timeout(transfer)
        for fd in self._watched_fds:
            self.io_loop.remove_handler(fd)
        self._watched_fds.clear()
        self._transfers.clear()
        self._free_list.clear()
        # It holds methods of ours, which would keep both alive until the garbage collector comes.
        self._multi = None

    def fetch_impl(self, request: HTTPRequest, callback: Callable[[HTTPResponse], None]) -> None:
        transfer = _Transfer(request, callback, self.io_loop.time())
        self._requests.append(transfer)
        _when_cancelled(callback, functools.partial(self._abandon, transfer))
        self._process_queue()
        if not transfer.abandoned and self._requests and self._requests[-1] is transfer:
            seconds = transfer.seconds_left(transfer.queued_at)
            if seconds is not None:
                transfer.queue_timeout = self.io_loop.call_later(seconds, self._on_queue_timeout, transfer)
        self._set_timeout(0)

    def _on_queue_timeout(self, transfer: _Transfer) -> None:
        transfer.queue_timeout = None
        self._requests.remove(transfer)
        error = CurlError(pycurl.E_OPERATION_TIMEDOUT, "Timeout in request queue")
        elapsed = self.io_loop.time() - transfer.queued_at
        self._report(transfer, HTTPResponse(transfer.request, 599, error=error, request_time=elapsed))

    def _stop_queue_timeout(self, transfer: _Transfer) -> None:
        if transfer.queue_timeout is not None:
            self.io_loop.remove_timeout(transfer.queue_timeout)
            transfer.queue_timeout = None

    def _abandon(self, transfer: _Transfer) -> None:
        """Nobody waits for this response any more."""
        transfer.abandoned = True
        self._stop_queue_timeout(transfer)
        if transfer in self._requests:
            self._requests.remove(transfer)
            return
        if transfer.running:  # else it begins or ends at this moment
            self.io_loop.call_later(_LINGER_SECONDS, self._end_lingering, transfer)

    def _end_lingering(self, transfer: _Transfer) -> None:
        if not transfer.running or self._multi is None:
            return
        transfer.running = False
        curl = next(curl for curl, running in self._transfers.items() if running is transfer)
        del self._transfers[curl]
        if isinstance(transfer.body, _CurlStreamingBuffer):
            transfer.body.abandon()
        self._multi.remove_handle(curl)
        self._put_back(curl)
        self._process_queue()
        self._set_timeout(0)

    # What libcurl asks for

    def _handle_socket(self, event: int, fd: int, multi: pycurl.CurlMulti, data: object) -> None:
        # Never update_handler: libcurl may have closed the socket and got another one with the same number, of which the kernel's list
        # of watched descriptors knows nothing.
        if fd in self._watched_fds:
            self._watched_fds.discard(fd)
            self.io_loop.remove_handler(fd)
        if event != pycurl.POLL_REMOVE:
            self.io_loop.add_handler(fd, self._handle_events, _EVENTS[event])
            self._watched_fds.add(fd)

    def _set_timeout(self, msecs: int) -> None:
        self._remove_timeout()
        if msecs >= 0:  # -1: no wake-up wanted
            self._timeout = self.io_loop.call_later(msecs / 1000, self._handle_timeout)

    def _remove_timeout(self) -> None:
        if self._timeout is not None:
            self.io_loop.remove_timeout(self._timeout)
            self._timeout = None

    # What the loop reports

    def _handle_events(self, fd: int, events: int) -> None:
        action = 0
        if events & IOLoop.READ:
            action |= pycurl.CSELECT_IN
        if events & IOLoop.WRITE:
            action |= pycurl.CSELECT_OUT
        self._perform(fd, action)

    def _handle_timeout(self) -> None:
        self._timeout = None
        self._perform(pycurl.SOCKET_TIMEOUT, 0)
        # libcurl only reports a change of its wishes. If our clock is ahead of its clock it found nothing to do just now, still wants the
        # same, and would wait for ever.
        if self._multi is not None and self._timeout is None:
            self._set_timeout(self._multi.timeout())

    def _perform(self, fd: int, action: int) -> None:
        try:
            self._multi.socket_action(fd, action)
        except pycurl.error:
            curl_log.debug("socket_action failed", exc_info=True)
        self._finish_pending_requests()

    # The transfers

    def _process_queue(self) -> None:
        while self._multi is not None and self._free_list and self._requests:
            transfer = self._requests.popleft()
            self._stop_queue_timeout(transfer)
            transfer.start_time, transfer.start_wall_time = self.io_loop.time(), time.time()
            transfer.run(self._start, self._free_list.pop(), transfer)

    def _start(self, curl: pycurl.Curl, transfer: _Transfer) -> None:
        try:
            self._prepare(curl, transfer)
        except Exception as e:  # there is no caller to raise it to, except for the one who waits for the response
            self._transfers.pop(curl, None)
            self._put_back(curl)
            self._report(transfer, HTTPResponse(transfer.request, 599, error=e))
            return
        if transfer.abandoned:  # by the application's own part of the preparations
            self._transfers.pop(curl, None)
            self._put_back(curl)
        else:
            transfer.running = True
            self._multi.add_handle(curl)

    def _prepare(self, curl: pycurl.Curl, transfer: _Transfer) -> None:
        streaming_callback = transfer.request.streaming_callback
        if streaming_callback is None:
            transfer.body = _WholeBody(self.max_body_size)
        elif gen.is_coroutine_function(streaming_callback) or inspect.iscoroutinefunction(streaming_callback):
            raise TypeError("'CurlAsyncHTTPClient' does not support async streaming_callbacks.")
        else:
            transfer.body = _CurlStreamingBuffer(self, curl, functools.partial(transfer.call_back, streaming_callback))
        self._transfers[curl] = transfer
        self._curl_setup_request(curl, transfer.request, transfer.body, transfer.headers)

    def _curl_create(self) -> pycurl.Curl:
        return pycurl.Curl()

    def _curl_setup_request(self, curl: pycurl.Curl, request: HTTPRequest, buffer: Any, headers: httputil.HTTPHeaders) -> None:
        """Set all options for ``request``, whose body goes to ``buffer.write`` and whose header goes into ``headers``.

        Private, but extended by subclasses, which set more of them.
        """
        transfer = self._transfers[curl]
        curl.setopt(pycurl.WRITEFUNCTION, buffer.write)
        curl.setopt(pycurl.HEADERFUNCTION, functools.partial(self._on_header_line, transfer, headers))
        if curl_log.isEnabledFor(logging.DEBUG):
            curl.setopt(pycurl.VERBOSE, 1)
            curl.setopt(pycurl.DEBUGFUNCTION, functools.partial(transfer.run, _log_debug))
            curl_log.debug("%s %s (username: %r)", request.method, request.url, request.auth_username)
        for part in (_set_target, _set_headers, _set_method, _set_limits, _set_proxy, _set_credentials, _set_tls):
            part(curl, request)
        seconds = transfer.seconds_left(self.io_loop.time())
        if seconds is not None:
            # 0 means no limit to libcurl, so a small one must not be rounded to it.
            curl.setopt(pycurl.TIMEOUT_MS, max(math.ceil(1000 * seconds), 1))
        if request.prepare_curl_callback is not None:
            request.prepare_curl_callback(curl)

    def _put_back(self, curl: pycurl.Curl) -> None:
        # Nothing that one request has set (certificates, proxy credentials, callbacks) may reach the next one.
        curl.reset()
        self._free_list.append(curl)

    def _finish_pending_requests(self) -> None:
        waiting = 1
        while waiting and self._multi is not None:
            waiting, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._finish(curl)
            for curl, errno, message in failed:
                self._finish(curl, errno, message)
        self._process_queue()

    def _finish(self, curl: pycurl.Curl, curl_error: int | None = None, curl_message: str | None = None) -> None:
        """End a transfer: with an error, one of ``pycurl.E_*``, or with the response that is there. Private, but extended by subclasses."""
        transfer = self._transfers.pop(curl, None)
        if transfer is None:
            return  # closed by a callback meanwhile
        transfer.running = False
        self._multi.remove_handle(curl)
        transfer.body.finish()
        if curl_error is not None:
            error = self._explain(transfer, CurlError(curl_error, curl_message or ""))
            response = self._make_failure(transfer, error, self._timings(curl, transfer))
        else:
            response = self._make_response(curl, transfer)
        del transfer.body  # with a callback it leads back to the transfer
        self._put_back(curl)
        self._report(transfer, response)

    def _explain(self, transfer: _Transfer, error: CurlError) -> CurlError:
        """Where we stopped the transfer ourselves, libcurl only says that something could not be written."""
        if transfer.body.body_too_large:
            return CurlError(error.errno, f"body exceeded max_body_size of {self.max_body_size} bytes")
        if transfer.malformed is not None:
            return CurlError(error.errno, transfer.malformed)
        return error

    def _make_failure(self, transfer: _Transfer, error: CurlError, timings: dict[str, float]) -> HTTPResponse:
        return HTTPResponse(
            transfer.request,
            error.code,
            headers=transfer.headers,
            error=error,
            reason=transfer.headers.get("X-Http-Reason"),
            request_time=self.io_loop.time() - transfer.start_time,
            start_time=transfer.start_wall_time,
            time_info=timings,
        )

    def _make_response(self, curl: pycurl.Curl, transfer: _Transfer) -> HTTPResponse:
        return HTTPResponse(
            transfer.request,
            curl.getinfo(pycurl.HTTP_CODE),
            headers=transfer.headers,
            buffer=transfer.body.buffer,
            effective_url=curl.getinfo(pycurl.EFFECTIVE_URL),
            reason=transfer.headers.get("X-Http-Reason"),
            request_time=self.io_loop.time() - transfer.start_time,
            start_time=transfer.start_wall_time,
            time_info=self._timings(curl, transfer),
        )

    @staticmethod
    def _timings(curl: pycurl.Curl, transfer: _Transfer) -> dict[str, float]:
        timings = {name: curl.getinfo(option) for name, option in _TIMINGS.items()}
        return {"queue": transfer.start_time - transfer.queued_at, **timings}

    def _report(self, transfer: _Transfer, response: HTTPResponse) -> None:
        try:
            transfer.run(transfer.callback, response)
        except Exception:
            transfer.run(self.handle_callback_exception, transfer.callback)

    def handle_callback_exception(self, callback: Any) -> None:
        """Called, with the exception being handled, when the callback of `fetch_impl` raised. Logs it."""
        app_log.error("Exception in callback %r", callback, exc_info=True)

    def _on_header_line(self, transfer: _Transfer, headers: httputil.HTTPHeaders, line_bytes: bytes) -> int:
        """Take one line of a header; fewer bytes taken than offered end the transfer."""
        callback = transfer.request.header_callback
        if callback is not None:
            self.io_loop.add_callback(transfer.call_back, callback, line_bytes.decode("latin1"))
        try:
            self._curl_header_callback(headers, None, line_bytes)
        except httputil.HTTPInputError as e:
            transfer.malformed = str(e)
            return 0
        return len(line_bytes)

    def _curl_header_callback(
        self, headers: httputil.HTTPHeaders, header_callback: Callable[[str], None] | None, header_line_bytes: bytes
    ) -> None:
        """Put a line into ``headers``, and have ``header_callback`` called with it. Raises `.HTTPInputError` for a field that is none."""
        line = header_line_bytes.decode("latin1")
        if header_callback is not None:
            self.io_loop.add_callback(header_callback, line)
        line = line.rstrip()
        if line.startswith("HTTP/"):
            # A header of its own: what came before belongs to a redirect, a proxy or an interim response.
            headers.clear()
            try:
                reason = httputil.parse_response_start_line(line).reason
            except httputil.HTTPInputError:
                return  # HTTP/2 has no reason, nor have some servers; libcurl has understood the line, and knows the status
            headers["X-Http-Reason"] = reason
        elif line:
            headers.parse_line(line)


# Each of these sets the libcurl options for one aspect of a request, on a handle that has libcurl's defaults.


def _set_target(curl: pycurl.Curl, request: HTTPRequest) -> None:
    curl.setopt(pycurl.URL, valid_url(native_str(request.url)))
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.FOLLOWLOCATION, bool(request.follow_redirects))
    curl.setopt(pycurl.MAXREDIRS, request.max_redirects or 0)
    if request.network_interface:
        curl.setopt(pycurl.INTERFACE, request.network_interface)
    if request.allow_ipv6 is False:
        curl.setopt(pycurl.IPRESOLVE, pycurl.IPRESOLVE_V4)


def _set_headers(curl: pycurl.Curl, request: HTTPRequest) -> None:
    fields = [(native_str(name), native_str(value)) for name, value in request.headers.get_all()]
    # An empty value keeps libcurl from sending its own: waiting for "100 Continue", which many servers never send, costs a second.
    fields += [(name, "") for name in ("Expect", "Pragma") if name not in request.headers]
    lines = [f"{name}: ".encode("ascii") + value.encode("latin1") for name, value in fields]
    user_agent = native_str(request.user_agent or "Mozilla/5.0 (compatible; pycurl)")
    for line in (*lines, user_agent.encode("utf-8")):
        if CR_OR_LF_RE.search(line):
            raise ValueError(f"Illegal characters in header (CR or LF): {line!r}")
    curl.setopt(pycurl.HTTPHEADER, lines)
    curl.setopt(pycurl.USERAGENT, user_agent)
    if request.decompress_response:
        curl.setopt(pycurl.ENCODING, "gzip,deflate")


def _set_method(curl: pycurl.Curl, request: HTTPRequest) -> None:
    method, body = request.method, request.body
    allow_nonstandard = bool(request.allow_nonstandard_methods)
    check_method(method, _SUPPORTED_METHODS, allow_nonstandard)
    if not allow_nonstandard:
        check_body(method, body is not None)
    if method in _METHOD_OPTIONS:
        curl.setopt(_METHOD_OPTIONS[method], True)
    else:
        curl.setopt(pycurl.CUSTOMREQUEST, method)
    if body is not None or method in ("POST", "PUT", "PATCH"):
        if method == "GET":
            raise ValueError("Body must be None for GET request")
        _set_body(curl, method, body or b"")


def _set_body(curl: pycurl.Curl, method: str, body: bytes) -> None:
    source = BytesIO(body)

    def rewind(offset: int, origin: int) -> int:
        source.seek(offset, origin)
        return pycurl.SEEKFUNC_OK  # type: ignore[no-any-return]  # pycurl has no types

    curl.setopt(pycurl.READFUNCTION, source.read)
    curl.setopt(pycurl.SEEKFUNCTION, rewind)
    if method == "POST":
        curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
    else:
        curl.setopt(pycurl.UPLOAD, True)
        curl.setopt(pycurl.INFILESIZE_LARGE, len(body))


def _set_limits(curl: pycurl.Curl, request: HTTPRequest) -> None:
    # 0 means 300 seconds to libcurl, and no limit to us: as long as it can wait.
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, math.ceil(1000 * (request.connect_timeout or 0)) or _LONGEST_MS)
    if threading.active_count() > 1:
        # libcurl built without a resolver thread times name lookups with SIGALRM, which must not be with several threads.
        curl.setopt(pycurl.NOSIGNAL, 1)


def _set_proxy(curl: pycurl.Curl, request: HTTPRequest) -> None:
    if not request.proxy_host or not request.proxy_port:
        return
    curl.setopt(pycurl.PROXY, request.proxy_host)
    curl.setopt(pycurl.PROXYPORT, request.proxy_port)
    if request.proxy_username:
        curl.setopt(pycurl.PROXYUSERPWD, httputil.encode_username_password(request.proxy_username, request.proxy_password or ""))
    if request.proxy_auth_mode not in _AUTH_MODES:
        raise ValueError(f"Unsupported proxy_auth_mode {request.proxy_auth_mode}")
    curl.setopt(pycurl.PROXYAUTH, _AUTH_MODES[request.proxy_auth_mode])


def _set_credentials(curl: pycurl.Curl, request: HTTPRequest) -> None:
    if request.auth_username is None:
        return
    if request.auth_mode not in _AUTH_MODES:
        raise ValueError(f"Unsupported auth_mode {request.auth_mode}")
    curl.setopt(pycurl.HTTPAUTH, _AUTH_MODES[request.auth_mode])
    curl.setopt(pycurl.USERPWD, httputil.encode_username_password(request.auth_username, request.auth_password or ""))


def _set_tls(curl: pycurl.Curl, request: HTTPRequest) -> None:
    if request.ssl_options is not None:
        raise ValueError("ssl_options not supported in curl_httpclient")
    if not request.validate_cert:
        curl.setopt(pycurl.SSL_VERIFYPEER, 0)
        curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    for option, path in ((pycurl.CAINFO, request.ca_certs), (pycurl.SSLCERT, request.client_cert), (pycurl.SSLKEY, request.client_key)):
        if path is not None:
            curl.setopt(option, fspath(path))


def _log_debug(kind: int, message: bytes) -> None:
    """libcurl's own account of a transfer: notes (kind 0), header lines in and out (1, 2), data in and out (3, 4)."""
    if kind == 0:
        curl_log.debug("%s", message.decode("utf-8", "replace").strip())
    elif kind in (1, 2):
        for line in message.decode("latin1").splitlines():
            curl_log.debug("%s %s", "<" if kind == 1 else ">", line)
    elif kind == 4:
        curl_log.debug("> %r", message)


if __name__ == "__main__":
    AsyncHTTPClient.configure(CurlAsyncHTTPClient)
    main()


_imported_names.complete(globals())
