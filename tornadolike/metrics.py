"""Metrics for Prometheus, on ``prometheus-client`` (``pip install 'tornadolike[metrics]'``). Not in Tornado.

::

    application = Application([(r"/", FrontPage), (r"/metrics", MetricsHandler)])
    instrument(application)

What is measured, with names of OpenTelemetry's conventions for HTTP:

* ``http_server_request_duration_seconds``: a histogram by ``http_request_method``, ``http_route`` (the pattern of the rule, never the
  path; empty where no rule fits), ``http_response_status_code``, ``url_scheme`` and ``error_type``. Its ``_count`` is the number of
  requests. A WebSocket is counted with status 101. ``error_type`` is the status where that is 500 or more, ``StreamClosedError`` where the
  connection was lost before the answer was complete (as a rule by a client that leaves; the status is empty where no answer had begun),
  else empty.
* ``http_server_active_requests`` by ``http_request_method`` and ``url_scheme``, ``http_server_open_connections``: what is under way now.
* ``websocket_server_open_connections``, ``websocket_server_queued_bytes``, ``websocket_server_messages_total`` (by ``direction``).
* ``event_loop_lag_seconds``: how late a timer of the loop fired when it was last looked at; ``event_loop_max_lag_seconds``: the worst of
  the last minute.
* With ``instrument(application, hub=hub)``: ``hub_messages_published_total``, ``hub_messages_delivered_total`` (messages times members),
  ``hub_gaps_total``; ``hub_members`` and ``hub_rooms`` of this process, ``hub_broker_connected`` (1, or 0),
  ``hub_broker_waiting_requests``.

With ``tornadolike run --workers`` (and wherever ``PROMETHEUS_MULTIPROC_DIR`` is set before prometheus-client is imported) `MetricsHandler`
shows the sums of all workers. The supervisor adds up the counts of workers that have ended, and removes their files.
"""

import asyncio
import atexit
import os
from bisect import bisect_left
from collections import Counter as Counted
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, exposition, multiprocess

from tornadolike import httpserver, httputil, web, websocket
from tornadolike.access_log import _route, _routes


class _Hub(Protocol):
    """A `.Hub`, as far as it is looked at here."""

    def statistics(self) -> Any:
        """See `.Hub.statistics`."""


DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The bounds in seconds that OpenTelemetry's conventions recommend."""

SAMPLE_SECONDS = 0.5
"""How often gauges are brought up to date, and the loop's lag is measured."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_WORST_OF = int(60 / SAMPLE_SECONDS)

# Method, route, status (0: none was sent), scheme, and whether the connection was lost.
_Key = tuple[str, str | None, int, str, bool]
_LOST = "StreamClosedError"


class Metrics:
    """The metrics of a registry; what `instrument` returns."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, mode: str = "livesum", labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(name, text, labels, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type,unused-ignore]  # a literal

        self.duration = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            ["http_request_method", "http_route", "http_response_status_code", "url_scheme", "error_type"],
            registry=registry,
            buckets=DURATION_BUCKETS,
        )
        labels = ("http_request_method", "url_scheme")
        self.active = gauge("http_server_active_requests", "Number of active HTTP server requests.", labels=labels)
        self._seen_active: set[tuple[str, str]] = set()
        self.connections = gauge("http_server_open_connections", "Number of open connections to the HTTP server.")
        self.websockets = gauge("websocket_server_open_connections", "Number of open WebSockets.")
        self.queued = gauge("websocket_server_queued_bytes", "Bytes that wait to be sent to WebSocket peers.")
        self.messages = Counter("websocket_server_messages", "WebSocket messages.", ["direction"], registry=registry)
        self.lag = gauge("event_loop_lag_seconds", "How late the event loop ran a timer, last time.", "livemax")
        self.max_lag = gauge("event_loop_max_lag_seconds", "How late the event loop ran a timer, at worst, within a minute.", "livemax")
        # Requests that prometheus-client does not know of yet: how many in each bucket, and how long they took together.
        self._waiting: dict[_Key, tuple[list[int], list[float]]] = {}
        self._servers: WeakSet[httpserver.HTTPServer] = WeakSet()
        self._open: dict[Any, tuple[int, int]] = {}  # WebSockets, and how many messages of theirs are counted already
        self._lags: deque[float] = deque(maxlen=_WORST_OF)
        self._sampling: set[asyncio.AbstractEventLoop] = set()
        self._registry = registry
        self._hubs: _HubMetrics | None = None

    def add_hub(self, hub: _Hub) -> None:
        """Show what a hub does, too."""
        if self._hubs is None:
            self._hubs = _HubMetrics(self._registry)
        self._hubs.known.setdefault(hub, (0, 0, 0))

    def observe(self, handler: web.RequestHandler) -> None:
        """Count a request that is finished."""
        request, kind, status = handler.request, handler.__class__, handler.get_status()
        if request._is_counted:
            return
        if kind._stream_request_body:  # it may be answered before its body has come, and then the end of that is none
            request._is_counted = True
        # The usual case of `_count`: a request of a kind that is known.
        key = request.method, _routes(handler.application).single.get(kind), status, request.protocol, False
        waiting = self._waiting.get(key)
        if waiting is None or key[1] is None:
            self._count(handler.application, kind, request, status, False)
            return
        _add(waiting, request.request_time())

    def observe_loss(self, application: web.Application, lost: object) -> None:
        """Count a request whose connection is lost, now: its handler may go on for ever."""
        if isinstance(lost, web.RequestHandler):
            handler: web.RequestHandler | None = lost
            handler_class, request = lost.__class__, lost.request
        elif isinstance(lost, web._HandlerDelegate):
            handler = getattr(lost, "handler", None)  # there is one already, where the body is streamed
            handler_class, request = lost.handler_class, lost.request
        else:
            return
        if lost.application is application and not issubclass(handler_class, MetricsHandler) and not request._is_counted:
            request._is_counted = True
            status = handler.get_status() if handler is not None and handler._headers_written else 0
            self._count(application, handler_class, request, status, True)

    def _count(
        self,
        application: web.Application,
        handler_class: type[web.RequestHandler],
        request: httputil.HTTPServerRequest,
        status: int,
        is_lost: bool,
    ) -> None:
        method = request.method
        key = (
            _shown_method(method),
            _route(application, handler_class, request.path),
            status,
            request.protocol,
            is_lost,
        )
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = [0] * (len(DURATION_BUCKETS) + 1), [0.0]
        _add(waiting, request.request_time())

    def _hand_over(self) -> None:
        """Give what has been counted to prometheus-client, whose locks and files would cost each request as much as all the rest."""
        waiting, self._waiting = self._waiting, {}
        for (method, pattern, status, scheme, is_lost), (counts, total) in waiting.items():
            error = _LOST if is_lost else str(status) if status >= 500 else ""
            child = self.duration.labels(method, pattern or "", str(status or ""), scheme, error)
            child._sum.inc(total[0])
            for bucket, count in zip(child._buckets, counts, strict=True):
                if count:
                    bucket.inc(count)

    # -- what is looked at now and then

    def watch(self, server: httpserver.HTTPServer) -> None:
        """Look after a server that has begun to listen."""
        self._servers.add(server)
        loop = server._listening_loop
        if loop is not None and loop not in self._sampling:
            self._sampling = {one for one in self._sampling if not one.is_closed()} | {loop}
            self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(SAMPLE_SECONDS, self._sample, loop, loop.time() + SAMPLE_SECONDS)

    def _sample(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        lag = max(0.0, loop.time() - due)
        self._lags.append(lag)
        self.lag.set(lag)
        self.max_lag.set(max(self._lags))
        self.sample()
        self._arm(loop)

    def sample(self) -> None:
        """Bring everything up to date."""
        self._hand_over()
        servers = tuple(self._servers)
        self.connections.set(sum(len(server._connections) for server in servers))
        active = Counted(kind for server in servers for kind in _active(server))
        self._seen_active.update(active)
        for method, scheme in self._seen_active:  # those that are over, too
            self.active.labels(method, scheme).set(active[method, scheme])
        self.websockets.set(len(self._open))
        self.queued.set(sum(map(_queued, self._open)))
        for protocol in tuple(self._open):
            self._count_messages(protocol)
        if self._hubs is not None:
            self._hubs.sample()

    def observe_websocket(self, event: str, protocol: Any) -> None:
        """A WebSocket is open now, or over."""
        if event == "open":
            self._open[protocol] = (0, 0)
        elif protocol in self._open:
            self._count_messages(protocol)
            del self._open[protocol]

    def _count_messages(self, protocol: Any) -> None:
        """Count what has come and gone since the last time."""
        now = protocol._messages_in, protocol._messages_out
        for direction, before, after in zip(("received", "sent"), self._open[protocol], now, strict=True):
            if after > before:
                self.messages.labels(direction).inc(after - before)
        self._open[protocol] = now


def _add(waiting: tuple[list[int], list[float]], seconds: float) -> None:
    counts, total = waiting
    counts[bisect_left(DURATION_BUCKETS, seconds)] += 1
    total[0] += seconds


class _HubMetrics:
    """What hubs do; in a registry only where there is one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, mode: str = "livesum") -> Gauge:
            return Gauge(name, text, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type,unused-ignore]  # a literal

        self.counters = (
            Counter("hub_messages_published", "Messages published to rooms.", registry=registry),
            Counter("hub_messages_delivered", "Messages sent to members of rooms.", registry=registry),
            Counter("hub_gaps", "How often messages of a room were lost.", registry=registry),
        )
        self.rooms = gauge("hub_rooms", "Rooms with members, summed over processes.")
        self.members = gauge("hub_members", "Members of rooms.")
        self.connected = gauge("hub_broker_connected", "1 while the broker can be reached, by all processes.", "livemin")
        self.waiting = gauge("hub_broker_waiting_requests", "Requests that wait for the broker.")
        self.known: WeakKeyDictionary[_Hub, tuple[int, ...]] = WeakKeyDictionary()

    def sample(self) -> None:
        """Bring everything up to date."""
        states = {hub: hub.statistics() for hub in self.known}
        for hub, state in states.items():
            for counter, before, now in zip(self.counters, self.known[hub], state, strict=False):
                counter.inc(now - before)
            self.known[hub] = state[:3]
        self.rooms.set(sum(state.rooms for state in states.values()))
        self.members.set(sum(state.members for state in states.values()))
        self.connected.set(min((state.connected for state in states.values()), default=False))
        self.waiting.set(sum(state.waiting for state in states.values()))


def _active(server: httpserver.HTTPServer) -> Iterator[tuple[str, str]]:
    """Method and scheme of each request that is under way."""
    for connection in tuple(server._connections):
        for exchange in connection.exchanges():
            engine: Any = getattr(exchange, "_engine", None)
            method = None if engine is None else engine._request.start_line[0]
            yield _shown_method(method), str(getattr(exchange.context, "protocol", "http"))


def _shown_method(method: str | None) -> str:
    return method if method in _METHODS else "_OTHER"


def _queued(protocol: Any) -> int:
    stream = getattr(protocol, "stream", None)
    unwritten = getattr(stream, "_unwritten", None)
    return 0 if unwritten is None else int(unwritten() if callable(unwritten) else unwritten)


_by_registry: dict[CollectorRegistry, Metrics] = {}


def instrument(application: web.Application, registry: CollectorRegistry | None = None, *, hub: _Hub | None = None) -> Metrics:
    """Measure what an application serves; call it before the application listens.

    :arg registry: prometheus-client's default registry without it. Several applications may share one.
    :arg hub: a `.Hub`, whose messages, members and broker are shown, too.

    Returns the `Metrics`. A second call for the same application does nothing more, but for another hub.
    """
    registry = REGISTRY if registry is None else registry
    if registry not in _by_registry:
        _by_registry[registry] = Metrics(registry)
        atexit.register(_by_registry[registry]._hand_over)
    metrics: Metrics = _by_registry[registry]
    if hub is not None:
        metrics.add_hub(hub)
    known: object = getattr(application, "_metrics", None)
    if known is metrics:
        return metrics
    application._metrics = metrics  # type: ignore[attr-defined]  # ours
    log_request = application.log_request

    def observe_and_log(handler: web.RequestHandler) -> None:
        metrics.observe(handler)
        log_request(handler)

    httputil._loss_observers.append(lambda lost: metrics.observe_loss(application, lost))
    application.log_request = observe_and_log  # type: ignore[method-assign]  # the one step that every request goes through
    httpserver._on_listen.append(lambda server: metrics.watch(server) if server.request_callback is application else None)
    websocket._observers.append(
        lambda event, handler, protocol: metrics.observe_websocket(event, protocol) if handler.application is application else None
    )
    return metrics


class MetricsHandler(web.RequestHandler):
    """Shows the metrics of a registry, or of all workers together, to Prometheus::

    (r"/metrics", MetricsHandler)
    (r"/metrics", MetricsHandler, {"registry": registry})
    """

    def initialize(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = REGISTRY if registry is None else registry

    def get(self) -> None:
        """Answer in the format that ``Accept`` asks for: text, or OpenMetrics."""
        for metrics in tuple(_by_registry.values()):
            metrics.sample()
        registry = self.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call,unused-ignore]  # prometheus-client's
        encode, content_type = exposition.choose_encoder(", ".join(self.request.headers.get_list("Accept")))
        self.set_header("Content-Type", content_type)
        self.write(encode(registry))

    def compute_etag(self) -> str | None:
        """None: it is never the same twice."""
        return None

    def _log(self) -> None:
        """Scrapes are in no access log, and not measured."""


__all__ = ["DURATION_BUCKETS", "SAMPLE_SECONDS", "Metrics", "MetricsHandler", "instrument"]
