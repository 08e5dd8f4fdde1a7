"""The HTTP client that needs nothing but this package: HTTP/1.1 over `.TCPClient` and `.HTTP1Connection`.

Way of a request: `SimpleAsyncHTTPClient.fetch_impl` queues it; when a slot is free, a ``_HTTPConnection`` is made, which goes through these
states, and on from any of them to DONE when it fails, is cancelled or takes too long:

==========  ====================================================================================================================
state       what is under way
==========  ====================================================================================================================
CONNECTING  ``run`` looks for a connection: an idle one (``Link``) of a client that keeps them, else a new one
SENDING     the request goes out; its response is read already, since a server need not wait for the end to refuse
WAITING     all is sent
DONE        the outcome was handed out, the slot is free; a body that was still being produced is cancelled
==========  ====================================================================================================================

The callbacks of the application run in the context of the fetch (a copy of its caller's), everything of ours in copies of that.
"""

import asyncio
import contextlib
import contextvars
import functools
import math
import os
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from enum import IntEnum
from io import BytesIO
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import tornadolike._client as _client  # from the package, the alias would look it up under a second name
import tornadolike._fetch as _fetch
from tornadolike import _imported_names, gen, httputil
from tornadolike._http1.engine import ClientEngine
from tornadolike._http1.events import ResponseHead
from tornadolike.concurrent import Future
from tornadolike.escape import _unicode
from tornadolike.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornadolike.httpclient import AsyncHTTPClient, HTTPError, HTTPRequest, HTTPResponse, _Delivery, _RequestProxy, _when_cancelled, main
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import IOStream, StreamClosedError
from tornadolike.log import app_log, gen_log
from tornadolike.netutil import OverrideResolver, Resolver, _client_ssl_defaults, is_valid_ip
from tornadolike.tcpclient import TCPClient

if TYPE_CHECKING:
    from tornadolike._client.request_head import Target
    from tornadolike._fetch.links import KeptConnections, Link
    from tornadolike._fetch.plans import Plan, Plans
    from tornadolike._fetch.timeouts import Timeouts

_PROXY_OPTIONS = ("proxy_host", "proxy_port", "proxy_username", "proxy_password", "proxy_auth_mode")

# RFC 9110 §9.2.2, of the methods that are sent without being asked twice.
_IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

# Servers commonly close idle connections after 60 seconds or more, some after 15 or less; sooner than most is what avoids failed reuse.
_IDLE_SECONDS = 15.0

# A cancelled fetch whose response is on its way need not cost a connection. How many of them at a time: as many as others.
_LINGER_SECONDS = 0.1

_KEEP_ALIVE_VARIABLE = "TORNADOLIKE_KEEP_ALIVE"

_Callback: TypeAlias = Callable[[HTTPResponse], None]


class _State(IntEnum):
    CONNECTING = 0
    SENDING = 1
    WAITING = 2
    DONE = 3


_CONNECTING, _SENDING, _WAITING, _DONE = _State


class HTTPTimeoutError(HTTPError):
    """The request took too long; ``code`` is 599, the message says what was being waited for."""

    def __init__(self, message: str) -> None:
        super().__init__(599, message or "Timeout")

    def __str__(self) -> str:
        return str(self.message)


class HTTPStreamClosedError(HTTPError):
    """The connection ended before the response did; ``code`` is 599.

    Where the operating system gave a reason, that exception (such as `ConnectionResetError`) is raised instead.
    """

    def __init__(self, message: str) -> None:
        super().__init__(599, message)

    def __str__(self) -> str:
        return str(self.message)


class SimpleAsyncHTTPClient(AsyncHTTPClient):
    """The default implementation of `.AsyncHTTPClient`.

    Arguments, for `.AsyncHTTPClient.configure`, or for the constructor beside ``force_instance=True``:

    * ``max_clients``: requests in flight at a time; more wait in a queue. That counts against their
      ``request_timeout``; if neither they nor ``defaults`` have one, against their ``connect_timeout``, too.
    * ``hostname_mapping``: dict of host name to address, asked before the resolver (see `.OverrideResolver`).
    * ``resolver``: a `.Resolver` to use, which the caller closes; default is one of the client's own.
    * ``max_buffer_size``: bytes read into memory at a time, default 100 MiB.
    * ``max_header_size``: bytes of a response's header, default 64 KiB.
    * ``max_body_size``: bytes of a response's body after decompression, with a ``streaming_callback`` too; default ``max_buffer_size``.
    * ``defaults``: see `.AsyncHTTPClient`.

    Every request has a connection of its own and says ``Connection: close``, unless ``defaults`` has the key ``"keep_alive"``
    (not known to Tornado, which ignores it): True, or the number of seconds (True: 15) that an idle connection is kept for reuse::

        AsyncHTTPClient.configure(None, defaults={"keep_alive": True})

    The environment variable ``TORNADOLIKE_KEEP_ALIVE=1`` (also ``true``, ``yes``, ``on``) does the same for programs that cannot be
    changed; ``0``, ``false``, ``no``, ``off`` leave it off, ``defaults`` win over it, and another value is a `ValueError`.

    At most ``max_clients`` idle connections are kept for one server, four times that altogether, and none for longer than a ``Keep-Alive``
    field of the server says. A request with a ``Connection`` header other than ``keep-alive``, or with a dict as ``ssl_options``, is not
    sent over a kept connection. When the server turns out to have closed a kept connection before any response, an idempotent request
    without ``body_producer`` and ``streaming_callback`` is sent once more over a new one.
    """

    _kept: "KeptConnections | None" = None
    _timeouts: "Timeouts"
    _plans: "Plans"
    _lingering = 0  # cancelled requests whose connections are still open

    def initialize(  # type: ignore[override]  # each implementation has arguments of its own
        self,
        max_clients: int = 10,
        hostname_mapping: dict[str, str] | None = None,
        max_buffer_size: int = 104857600,
        resolver: Resolver | None = None,
        defaults: dict[str, Any] | None = None,
        max_header_size: int | None = None,
        max_body_size: int | None = None,
    ) -> None:
        super().initialize(defaults=defaults)
        # Requests by a key of their own: in order of arrival, waiting for a slot (with the handle of their time-out), and in flight.
        self.queue: deque[tuple[_Waiting, HTTPRequest, _Callback]] = deque()
        self.waiting: dict[_Waiting, tuple[HTTPRequest, _Callback, object]] = {}
        self.active: dict[object, tuple[HTTPRequest, _Callback]] = {}
        self.max_body_size, self.max_header_size, self.max_buffer_size = max_body_size, max_header_size, max_buffer_size
        self.max_clients = max_clients
        self.own_resolver = not resolver
        lookup = resolver or Resolver()
        self.resolver = lookup if hostname_mapping is None else OverrideResolver(resolver=lookup, mapping=hostname_mapping)
        self.tcp_client = TCPClient(resolver=self.resolver)
        _fetch.load()
        self._timeouts, self._plans = _fetch.timeouts.Timeouts(self.io_loop), _fetch.plans.Plans()
        self._says_request_timeout = bool(defaults) and "request_timeout" in cast("dict[str, Any]", defaults)
        keep_alive = self.defaults.get("keep_alive")
        if keep_alive is None:
            keep_alive = _client.keep_alive.switched_on(_KEEP_ALIVE_VARIABLE, os.environ.get(_KEEP_ALIVE_VARIABLE, ""))
        if keep_alive:
            self._kept = _fetch.links.KeptConnections(self.io_loop, max_clients, _IDLE_SECONDS if keep_alive is True else keep_alive)

    def close(self) -> None:
        super().close()
        self._timeouts.close()
        if self._kept is not None:
            self._kept.close()
        if self.own_resolver:
            self.resolver.close()
        self.tcp_client.close()

    def fetch_impl(self, request: HTTPRequest, callback: _Callback) -> None:
        if request._fetched_at is None and isinstance(request, _RequestProxy):
            request._fetched_at = time.monotonic()
        if len(self.active) < self.max_clients and not self.queue:
            key = object()
            self.active[key] = (request, callback)
            self._handle_request(request, functools.partial(self._release_fetch, key), callback)
            return
        waiting = _Waiting()
        self.waiting[waiting] = (request, callback, self._start_queue_timeout(waiting, request))
        self.queue.append((waiting, request, callback))
        _when_cancelled(callback, functools.partial(self._leave_queue, waiting))
        self._process_queue()
        if self.queue:
            gen_log.debug("max_clients limit reached, request queued. %d active, %d queued requests.", len(self.active), len(self.queue))

    def _start_queue_timeout(self, key: "_Waiting", request: HTTPRequest) -> object:
        seconds = request.request_timeout
        if not self._says_request_timeout and getattr(request, "request", request).request_timeout is None:
            seconds = _sooner(request.connect_timeout, seconds)
        if not seconds:
            return None
        if request._fetched_at is not None:
            seconds += request._fetched_at - time.monotonic()  # a redirect has used some of it
        return self.io_loop.call_later(seconds, key.context.run, self._on_timeout, key, "in request queue")

    def _process_queue(self) -> None:
        while len(self.active) < self.max_clients and self.queue:
            key, request, callback = self.queue.popleft()
            self.active[key] = (request, callback)
            self._remove_timeout(key)
            key.context.run(self._handle_request, request, functools.partial(self._release_fetch, key), callback)

    def _connection_class(self) -> type:
        return _HTTPConnection

    def _handle_request(self, request: HTTPRequest, release_callback: Callable[[], None], final_callback: _Callback) -> None:
        limits = (self.max_buffer_size, self.tcp_client, self.max_header_size, self.max_body_size)
        self._connection_class()(self, request, release_callback, final_callback, *limits)

    def _release_fetch(self, key: object) -> None:
        self.active.pop(key)
        self._process_queue()

    def _remove_timeout(self, key: "_Waiting") -> None:
        _, _, timeout = self.waiting.pop(key, (None, None, None))
        if timeout is not None:
            self.io_loop.remove_timeout(timeout)

    def _leave_queue(self, key: "_Waiting") -> None:
        request, callback, _ = self.waiting[key]
        self._remove_timeout(key)
        self.queue.remove((key, request, callback))

    def _on_timeout(self, key: "_Waiting", info: str | None = None) -> None:
        request, callback, _ = self.waiting.pop(key)
        self.queue.remove((key, request, callback))
        error = HTTPTimeoutError(f"Timeout {info}" if info else "Timeout")
        # HTTPRequest.start_time is wall-clock time, hence not the loop's clock.
        response = HTTPResponse(request, 599, error=error, request_time=time.time() - request.start_time)
        self.io_loop.add_callback(callback, response)


class _Waiting:
    """A request in the queue: its key, and the context of its fetch."""

    __slots__ = ("context",)

    def __init__(self) -> None:
        self.context = contextvars.copy_context()


class _HTTPConnection(httputil.HTTPMessageDelegate):
    """One request: from its start to the call of ``final_callback``. Private, but subclassed (by `.WebSocketClientConnection` and others).

    ``final_callback`` becomes None when it was called, or when someone else has taken the connection over; nothing may be reported then.
    """

    _SUPPORTED_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}

    stream: IOStream
    connection: HTTP1Connection
    code: int | None = None
    _loss = "Connection closed"  # what a lost connection is called; another word before there was any head
    reason: str | None = None
    headers: httputil.HTTPHeaders | None = None
    final_callback: _Callback | None
    release_callback: Callable[[], None] | None

    _state = _CONNECTING
    _timeout: object = None
    _sockaddr: object = None
    _target: "Target"
    _source_ip: str | None = None
    _ssl_options: dict[str, Any] | ssl.SSLContext | None = None
    # Where the connection belongs among those that the client keeps; None: it is closed after the response.
    _key: Hashable = None
    _link: "Link | None" = None
    # What connects, and produces a body that is not at hand.
    _task: "asyncio.Future[None] | None" = None
    # The head of an ordinary request, as it goes on the wire.
    _head: bytes | None = None
    _prepared = False
    _resends = False  # a kept connection was dead
    _redirecting = False
    # The connection was kept from an earlier request: should it be dead, the request may be sent again over a new one.
    _retriable = False
    # Nobody wants to see the response before it is complete.
    _takes_whole = False
    # The response is complete, but was not yet handed out.
    _response_read = False
    _asked_for_body = False
    _lingers = False  # cancelled, and not yet given up
    # What a callback of the application raised, which ends the request.
    _raised: BaseException | None = None
    _misuse: httputil.HTTPOutputError | None = None

    def __init__(
        self,
        client: SimpleAsyncHTTPClient | None,
        request: HTTPRequest,
        release_callback: Callable[[], None],
        final_callback: _Callback,
        max_buffer_size: int,
        tcp_client: TCPClient,
        max_header_size: int | None,
        max_body_size: int | None,
    ) -> None:
        self.request, self.client = request, client
        self.final_callback, self.release_callback = final_callback, release_callback
        self.tcp_client = tcp_client
        self.max_buffer_size, self.max_header_size, self.max_body_size = max_buffer_size, max_header_size, max_body_size
        self.chunks: bytes | bytearray = b""
        self.io_loop = IOLoop.current() if client is None else client.io_loop
        self.start_wall_time = time.time()
        self.start_time = time.monotonic()  # not the clock on the wall, which may be set meanwhile
        self._context = contextvars.copy_context()
        _when_cancelled(final_callback, self._cancelled)
        if client is None or client._kept is None or not self._sent_at_once():
            self._task = self._spawn(self.run())

    # Sending

    async def run(self) -> None:
        """Find a connection, and send over it whatever is sent piece by piece, or could not be sent at once."""
        try:
            self._prepare()
            await self._send(self._take_link() or await self._connect())
        except asyncio.CancelledError:
            if self.final_callback is not None:  # it was not us
                self._abandon()
                raise
        except Exception:
            if not self._handle_exception(*sys.exc_info()):
                raise

    def _sent_at_once(self) -> bool:
        """Send a whole request over an idle connection, now: nothing is waited for, so it costs no task. False: leave it to `run`."""
        try:
            self._prepare()
            head = self._whole_head()
        except Exception:
            return False  # it will be raised again where it can be reported
        link = None if head is None else self._take_link()
        if link is None or head is None:
            return False
        self._send_over_link(link, head)
        return True

    def _take_link(self) -> "Link | None":
        if self._key is None or self._resends or self.client is None or self.client._kept is None:
            return None
        return self.client._kept.take(self._key)

    async def _send(self, link: "Link | None") -> None:
        """Send the request: over a link, or over a new connection (`stream`) that will carry no other."""
        if link is None:
            self._state = _SENDING
            self.connection = self._create_connection(self.stream)
        else:
            head = self._whole_head()
            if head is not None:
                self._send_over_link(link, head)
                return
            self._use(link, _SENDING)
            self.connection = link.connect(self)
        self._start_timeout()
        await self._exchange()

    def _send_over_link(self, link: "Link", head: bytes) -> None:
        request = self.request
        self._use(link, _WAITING)
        self._takes_whole = request.streaming_callback is None and request.header_callback is None
        self._start_timeout()
        try:
            link.send(self, request.method, head, request.body)
        except StreamClosedError as error:  # since it was looked at
            link.abandon()
            self._connection_lost(error)

    def _use(self, link: "Link", state: _State) -> None:
        request = self.request
        self._link, self.stream, self._state = link, link.stream, state
        if link.used:
            streams = request.body_producer is not None or request.streaming_callback is not None
            self._retriable = not streams and request.method in _IDEMPOTENT_METHODS
        link.used = True

    def _whole_head(self) -> bytes | None:
        """The head of a request that is at hand, body and all, and of which no subclass wants to see how it is sent; else None."""
        request = self.request
        if self._key is None or type(self) is not _HTTPConnection or request.body_producer or request.expect_100_continue:
            return None
        if self._head is not None:
            return self._head
        if request.body is None and (request.method in ("POST", "PUT", "PATCH") or "Content-Length" in request.headers):
            return None  # its length is somebody else's business
        return _fetch.plans.head_of(_fetch.plans.start_line(request.method, self._target), request.headers)

    def _prepare(self) -> None:
        """Decide everything that needs no connection; raise for what cannot be sent."""
        if self._prepared:
            return
        options = None if self.client is None or type(self) is not _HTTPConnection else _fetch.plans.options_of(self.request)
        try:
            plan = self.client._plans[options]  # type: ignore[union-attr]  # see above
        except (KeyError, TypeError, AttributeError) as missing:
            self._decide(options if type(missing) is KeyError else None)
        else:
            self._follow(plan)
        self._prepared = True

    def _follow(self, plan: "Plan") -> None:
        """Do as an earlier request like this one did."""
        target = self._target = plan.target
        self.parsed = target.parts
        self.parsed_hostname = target.host
        self._key, self._head = plan.key, plan.head
        request: Any = self.request
        request.headers = request.request._headers = httputil.HTTPHeaders._standing_on(plan.fields)

    def _decide(self, options: Hashable) -> None:
        request = self.request
        self._target = target = _client.request_head.parse_target(_unicode(request.url))
        self.parsed = target.parts
        self.parsed_hostname = target.host
        allow_nonstandard = bool(request.allow_nonstandard_methods)
        _client.request_head.check_method(request.method, self._SUPPORTED_METHODS, allow_nonstandard)
        if not allow_nonstandard:
            _client.request_head.check_body(request.method, request.body is not None or request.body_producer is not None)
        if request.proxy_host or request.proxy_port or request.proxy_username or request.proxy_password or request.proxy_auth_mode:
            option = next(name for name in _PROXY_OPTIONS if getattr(request, name))
            raise NotImplementedError(f"{option} not supported")
        self._source_ip = self._get_source_ip()
        self._ssl_options = self._get_ssl_options(target.scheme)
        self._key = self._get_key()
        plan = None if options is None else _fetch.plans.ordinary_plan(request, target, self._key)
        if plan is None:
            _fetch.plans.complete_headers(request, target, "close" if self._key is None else None)
            return
        self._follow(plan)
        if target.scheme == "http" and self._source_ip is None:
            self.client._plans.add(options, plan)  # type: ignore[union-attr]  # those who have none have no options

    def _get_source_ip(self) -> str | None:
        address = self.request.network_interface
        if address and not is_valid_ip(address):
            raise ValueError(f"Unrecognized IPv4 or IPv6 address for network_interface, got {address!r}")
        return address or None

    def _get_ssl_options(self, scheme: str) -> dict[str, Any] | ssl.SSLContext | None:
        request = self.request
        if scheme != "https":
            return None
        if request.ssl_options is not None:
            return request.ssl_options
        context = _fetch.plans.own_context(request)
        return _client_ssl_defaults() if context is None else context

    def _get_key(self) -> Hashable:
        request, target = self.request, self._target
        if self.client is None or self.client._kept is None or isinstance(self._ssl_options, dict):
            return None
        if request.headers and request.headers.get("Connection", "keep-alive").lower() != "keep-alive":
            return None
        return (target.scheme, target.host, target.port, request.allow_ipv6, self._source_ip, self._ssl_options)

    async def _connect(self) -> "Link | None":
        """A new connection: as a link if it may be kept, else as `stream`."""
        target = self._target
        try:
            stream = await self.tcp_client.connect(
                target.host,
                target.port,
                af=socket.AF_INET if self.request.allow_ipv6 is False else socket.AF_UNSPEC,
                ssl_options=self._ssl_options,
                max_buffer_size=self.max_buffer_size,
                source_ip=self._source_ip,
                timeout=self._connect_seconds(),
            )
        except TimeoutError as e:
            raise HTTPTimeoutError(str(e) or "Timeout while connecting") from None
        self.stream = stream
        stream.set_nodelay(True)
        kept = None if self.client is None else self.client._kept
        if self._key is None or kept is None:
            return None
        return _fetch.links.Link(kept, stream, cast(ClientEngine, self._create_connection(stream)._own_engine()))

    def _deadline(self) -> float | None:
        """When the response has to be there, on the clock of `time.monotonic`."""
        seconds, since = self.request.request_timeout, self.request._fetched_at
        return (self.start_time if since is None else since) + seconds if seconds else None

    def _connect_seconds(self) -> float | None:
        now, deadline, seconds = time.monotonic(), self._deadline(), self.request.connect_timeout
        left = math.inf if deadline is None else max(deadline - now, 0)
        return min(seconds, left) if seconds else None if deadline is None else left

    def _create_connection(self, stream: IOStream) -> HTTP1Connection:
        parameters = HTTP1ConnectionParameters(
            no_keep_alive=self._key is None,
            max_header_size=self.max_header_size,
            max_body_size=self.max_body_size,
            decompress=bool(self.request.decompress_response),
        )
        return HTTP1Connection(stream, True, parameters, self._sockaddr)

    def _start_timeout(self) -> None:
        deadline = self._deadline() if self._timeout is None else None
        if deadline is None:
            return
        if self.client is None:
            self._timeout = self.io_loop.call_later(deadline - time.monotonic(), self._on_timeout, "during request")
        else:
            timeouts = self._timeout = self.client._timeouts
            timeouts.watch(self, deadline)

    async def _exchange(self) -> None:
        """Send the request piece by piece, while the response is read to its end."""
        request = self.request
        start_line = httputil.RequestStartLine(request.method, self._target.path, "")
        if request.expect_100_continue:
            self.connection.write_headers(start_line, request.headers)
            await self._read_response()
        elif request.body_producer is not None and request.body is None:
            self.connection.write_headers(start_line, request.headers)
            # The response may come before everything is sent; then nobody needs the rest.
            reading = self._begin_reading()
            with contextlib.suppress(StreamClosedError):  # the other end tells why, or else the reader does
                await self._write_body(False)
            await self._end_reading(reading)
        else:
            self.connection.write_headers(start_line, request.headers, request.body)
            await self._write_body(True)

    async def _write_body(self, start_read: bool) -> None:
        request = self.request
        if request.body is not None:
            if request.expect_100_continue:  # else it went with the head, in one write
                self.connection.write(request.body)
        elif request.body_producer is not None:
            await self._produce(request.body_producer)
        if self._state is _DONE:
            return
        self._state = _WAITING
        self.connection.finish()
        if start_read:
            await self._read_response()

    async def _produce(self, producer: Callable[[Callable[[bytes], Any]], Any]) -> None:
        produced = self._context.run(producer, self._write_piece)
        if produced is not None:
            await (self._in_context(produced) if asyncio.iscoroutine(produced) else gen.convert_yielded(produced))

    def _write_piece(self, chunk: bytes) -> "asyncio.Future[None]":
        try:
            return self.connection.write(chunk)
        except httputil.HTTPOutputError as error:
            self._misuse = error  # it closes the connection, but that is not what is to be told
            raise

    def _in_context(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Future[None]":
        """A task for a coroutine of the application, in the context of the callbacks."""
        loop = asyncio.get_event_loop()
        if loop.get_task_factory() is None:
            task = loop.create_task(coroutine, context=self._context)
        else:  # some factories take no context, and some begin at once, where it may be in use
            task = self._context.copy().run(loop.create_task, coroutine)
        self.io_loop._register_task(task)
        task.add_done_callback(self.io_loop._unregister_task)
        return task

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Future[None]":
        """A task for a coroutine of ours."""
        task = asyncio.get_event_loop().create_task(coroutine)
        self.io_loop._register_task(task)
        task.add_done_callback(self._log_failure)
        return task

    def _log_failure(self, task: "asyncio.Future[None]") -> None:
        self.io_loop._unregister_task(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            app_log.error("Exception in callback %r", task, exc_info=error)

    # Time-outs and errors

    def _on_timeout(self, info: str | None = None) -> None:
        self._timeout = None
        error = HTTPTimeoutError(f"Timeout {info}" if info else "Timeout")
        if self.final_callback is not None:
            self._handle_exception(HTTPTimeoutError, error, None)

    def _remove_timeout(self) -> None:
        timeout, self._timeout = self._timeout, None
        if type(timeout) is _fetch.timeouts.Timeouts:
            timeout.forget(self)
        elif timeout is not None:
            self.io_loop.remove_timeout(timeout)

    def _cancelled(self) -> None:
        """Nobody waits for the response any more. If it is here soon, well; in any case the slot is free now."""
        if self.final_callback is None:
            return
        self._release()
        if self.client is not None and self.client._lingering < self.client.max_clients:
            self.client._lingering += 1
            self._lingers = True
            self.io_loop.call_later(_LINGER_SECONDS, self._end_lingering, self.client)
        else:
            self._abandon()

    def _end_lingering(self, client: SimpleAsyncHTTPClient) -> None:
        client._lingering -= 1
        self._abandon()

    def _abandon(self) -> None:
        if self.final_callback is None:
            return
        self.final_callback = None
        self._end()
        self._release()

    def _end(self) -> None:
        """Whatever is under way for this request, it is over."""
        self._stop_sending()
        self._retriable = False
        self._remove_timeout()
        link, self._link = self._link, None
        if link is not None:
            link.abandon()
        elif hasattr(self, "stream"):
            self.stream.close()

    def _stop_sending(self) -> None:
        state, self._state = self._state, _DONE
        if state < _WAITING and self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def _connection_lost(self, error: Exception | None) -> None:
        """The end of a link; without ``error`` it was the response that was bad."""
        if error is None:
            self._retriable = False
            self.on_connection_close()
        elif self._retriable:
            self._retriable = False
            self._link = None
            self._state = _CONNECTING
            self._resends = True
            self._task = self._spawn(self.run())
        else:
            self._handle_exception(type(error), error, None)

    def on_connection_close(self) -> None:
        if self.final_callback is None or self._retriable or self._response_read:
            return
        error = self._misuse or self.stream.error
        if error is None or self._raised is not None:
            error = HTTPStreamClosedError(self._loss)
            error.__cause__ = self._raised
        self._handle_exception(type(error), error, None)

    def _on_stream_closed(self) -> None:
        if self.code is None:  # else it may be the end of the response, of which the connection tells
            self._loss = "Stream closed"
            self.on_connection_close()

    def _handle_exception(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> bool:
        """Report an error as the outcome of the request. False: there is already an outcome, so the error is not ours to swallow."""
        if self.final_callback is None:
            return isinstance(value, StreamClosedError)
        if self._lingers:
            self._abandon()
            return True
        if isinstance(value, StreamClosedError):
            value = value.real_error or HTTPStreamClosedError("Stream closed")
        self._end()
        self._run_callback(self._failure(value))
        return True

    def _failure(self, error: BaseException | None) -> HTTPResponse:
        elapsed = time.monotonic() - self.start_time
        return HTTPResponse(self.request, 599, error=error, request_time=elapsed, start_time=self.start_wall_time)

    # Reading

    async def _read_response(self) -> None:
        await self._end_reading(self._begin_reading())

    def _begin_reading(self) -> "asyncio.Future[bool] | None":
        if self._link is not None or self._state is _DONE:
            return None  # what comes over a link needs no asking
        reading = cast("asyncio.Future[bool]", self.connection.read_response(self))
        self.stream.set_close_callback(self._on_stream_closed)
        return reading

    async def _end_reading(self, reading: "asyncio.Future[bool] | None") -> None:
        if reading is not None and not await reading and self.connection.stream is not None:  # neither complete nor detached
            self._retriable = False
            self.on_connection_close()

    def headers_received(
        self, first_line: httputil.ResponseStartLine | httputil.RequestStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None]:
        assert isinstance(first_line, httputil.ResponseStartLine)
        self._retriable = False
        # Subclasses await what this method returns, so it cannot be None; a coroutine would cost a task for each response.
        ready: Future[None] = Future()
        ready.set_result(None)
        if first_line.code == 100 and self.request.expect_100_continue and not self._asked_for_body:
            self._asked_for_body = True
            self._task = self._spawn(self._send_body_now())
        elif first_line.code >= 200:
            self._final_headers_received(first_line, headers)
        elif self.request.header_callback is not None:
            self._run_header_callback(self.request.header_callback, first_line, headers)
        return ready

    async def _send_body_now(self) -> None:
        """The server has asked for it; the response is read meanwhile."""
        try:
            with contextlib.suppress(StreamClosedError):  # as above
                await self._write_body(False)
        except asyncio.CancelledError:
            if self.final_callback is not None:
                self._abandon()
                raise
        except Exception:
            if not self._handle_exception(*sys.exc_info()):
                raise

    def _final_headers_received(self, first_line: httputil.ResponseStartLine, headers: httputil.HTTPHeaders) -> None:
        self.code = first_line.code
        self.reason = first_line.reason
        self.headers = headers
        self._redirecting = self._should_follow_redirect()
        if self.request.header_callback is not None and not self._redirecting:
            self._run_header_callback(self.request.header_callback, first_line, headers)

    def _run_header_callback(
        self, callback: Callable[[str], None], first_line: httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> None:
        fields = [f"{name}: {value}\r\n" for name, value in headers.get_all()]
        for line in (f"{first_line.version} {first_line.code} {first_line.reason}\r\n", *fields, "\r\n"):
            self._call(callback, line)

    def _call(self, callback: Callable[..., Any], *args: Any) -> Any:
        """Call a callback of the application, whose failure ends the request."""
        try:
            return self._context.run(callback, *args)
        except Exception as error:
            self._raised = error
            raise

    async def _wait_for(self, awaitable: Any) -> None:
        try:
            await _awaited(awaitable)
        except Exception as error:
            self._raised = error
            raise

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self._redirecting:
            return None
        if self.request.streaming_callback is not None:
            awaitable = self._call(self.request.streaming_callback, chunk)
            return None if awaitable is None else self._in_context(self._wait_for(awaitable))
        if not self.chunks:
            self.chunks = chunk  # mostly the only one
        else:
            if isinstance(self.chunks, bytes):
                self.chunks = bytearray(self.chunks)
            self.chunks += chunk
        return None

    def finish(self) -> None:
        self._remove_timeout()
        # A connection to be kept must first get to its own end, or the next request would not find it. That end comes at once, unless
        # the server answered before it had the whole request; then the connection is not worth waiting for.
        self._response_read = self._link is not None and self._state is _WAITING and not self.stream.writing()
        if not self._response_read:
            self._conclude()

    def _body_limit(self) -> int:
        return self.stream.max_buffer_size if self.max_body_size is None else self.max_body_size

    def _whole_response_received(self, head: ResponseHead, body: bytes) -> None:
        """The same as `headers_received`, `data_received` and `finish` together."""
        self._remove_timeout()
        self.code, self.reason = head.status, head.reason
        self.headers = httputil.HTTPHeaders._from_wire(head.headers)
        self._redirecting = self._should_follow_redirect()
        if not self._redirecting:
            self.chunks = body
        self._response_read = self._link.sent.done()  # type: ignore[union-attr]  # it came over a link
        self._conclude()

    def _conclude(self) -> None:
        """The response is complete: let go of the connection, then hand the response out or go where it points to."""
        self._on_end_request()
        if self._redirecting:
            self._follow_redirect()
        else:
            self._run_callback(self._make_response())

    def _on_end_request(self) -> None:
        link, self._link = self._link, None
        kept = None if self.client is None else self.client._kept
        if link is None:
            self.stream.close()
        elif kept is None or not self._response_read or link.stream.closed() or not link.engine.next_exchange():
            link.abandon()
        else:
            kept.put(self._key, link, link.engine.keep_alive_field)

    def _make_response(self) -> HTTPResponse:
        assert self.code is not None
        return HTTPResponse(
            vars(self.request).get("original_request", self.request),
            self.code,
            reason=self.reason,
            headers=self.headers,
            request_time=time.monotonic() - self.start_time,
            start_time=self.start_wall_time,
            buffer=BytesIO(self.chunks),
            effective_url=self.request.url,
        )

    def _run_callback(self, response: HTTPResponse) -> None:
        callback, self.final_callback = self.final_callback, None
        self._stop_sending()
        self._release()
        if callback is not None:
            self._report(callback, response)

    def _release(self) -> None:
        release, self.release_callback = self.release_callback, None
        if release is not None:
            release()

    def _report(self, callback: _Callback, response: HTTPResponse) -> None:
        if type(callback) is _Delivery:
            callback(response)
        else:
            self._context.run(_report, callback, response)

    # Redirects

    def _should_follow_redirect(self) -> bool:
        return (
            self.code in _client.redirects.REDIRECT_CODES
            and bool(self.request.follow_redirects)
            and (self.request.max_redirects or 0) > 0
            and self.headers is not None
            and "Location" in self.headers
        )

    def _follow_redirect(self) -> None:
        callback, self.final_callback = self.final_callback, None
        self._stop_sending()
        self._release()
        if callback is None:
            return
        assert self.client is not None
        try:
            # Not by way of the client: a subclass may have a fetch() of its own, with other arguments, or another result.
            assert self.code is not None
            assert self.headers is not None
            redirected = _fetch.redirects.redirected_request(self.request, self.code, self.headers["Location"])
            future = AsyncHTTPClient.fetch(self.client, redirected, raise_error=False)
        except Exception as e:  # it belongs to whoever waits for the response
            self._report(callback, self._failure(e))
        else:
            _when_cancelled(callback, future.cancel)
            future.add_done_callback(functools.partial(self._on_redirect_done, callback))

    def _on_redirect_done(self, callback: _Callback, future: "Future[HTTPResponse]") -> None:
        if future.cancelled():
            return
        error = future.exception()
        self._report(callback, future.result() if error is None else self._failure(error))


def _sooner(connect_timeout: float | None, request_timeout: float | None) -> float:
    """The shorter of two time-outs, of which None and 0 mean "never"; 0 if both do."""
    first, second = connect_timeout or 0, request_timeout or 0
    return min(first, second) or first or second


def _report(callback: _Callback, response: HTTPResponse) -> None:
    try:
        callback(response)
    except Exception:
        app_log.error("Exception in callback %r", callback, exc_info=True)


def _awaited(yielded: Any) -> Awaitable[Any]:
    """What a callback returned, as something to await."""
    return cast(Awaitable[Any], yielded if asyncio.iscoroutine(yielded) else gen.convert_yielded(yielded))


if __name__ == "__main__":
    AsyncHTTPClient.configure(SimpleAsyncHTTPClient)
    main()


_imported_names.complete(globals())
