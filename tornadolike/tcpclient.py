"""Making TCP connections: name look-up, Happy Eyeballs, optional TLS, all within one time limit."""

import asyncio
import functools
import numbers
import socket
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from tornadolike import _imported_names, gen  # noqa: F401 - before the others, as in Tornado
from tornadolike.concurrent import Future, future_add_done_callback
from tornadolike.ioloop import IOLoop
from tornadolike.iostream import IOStream
from tornadolike.netutil import Resolver

_T = TypeVar("_T")
_Address = tuple[Any, Any]  # family and address
_Connection = tuple[Any, Any, IOStream]  # the same and the stream

#: Seconds that the first address family has for itself (RFC 8305 §5 allows up to 2; Tornado has always had 0.3).
_INITIAL_CONNECT_TIMEOUT = 0.3


def _format_addr(addr: Any) -> str:
    """A socket address for people: ``192.0.2.1:80``, ``[2001:db8::1]:80``, or the path of a Unix socket."""
    if not isinstance(addr, tuple) or len(addr) < 2:
        return str(addr)
    host, port, *_ = addr
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _server_name(host: str) -> str:
    """What a certificate is checked for: an address without its zone, which only means something on this machine (RFC 6874 §1)."""
    return host.partition("%")[0] if ":" in host else host


class _Connector:
    """Races for a connection to any of several addresses: "Happy Eyeballs" (RFC 8305), with one lane for each family.

    The family of the first address starts; the others start when that has failed once, or has taken too long. In each lane
    the addresses are tried one after another. The first connection wins, and everything else is closed.

    ``connect(family, address)`` begins an attempt and returns the stream with a future that is done when it is connected.
    ``streams`` are those of the losers, closed or to be closed.
    """

    def __init__(self, addrinfo: list[_Address], connect: Callable[[Any, Any], tuple[IOStream, "Future[IOStream]"]]) -> None:
        self.io_loop = IOLoop.current()
        self.connect = connect
        self.future: Future[_Connection] = Future()
        self.last_error: Exception | None = None
        self.streams: set[IOStream] = set()
        self.primary_addrs, self.secondary_addrs = self.split(addrinfo)
        self._first_lane, self._second_lane = deque(self.primary_addrs), deque(self.secondary_addrs)
        self._second_lane_waits = True
        self._attempts: list[Any] = []  # addresses that are being tried
        self._timers: list[object] = []

    @staticmethod
    def split(addrinfo: list[_Address]) -> tuple[list[_Address], list[_Address]]:
        """The addresses of the same family as the first one, and the others."""
        family = addrinfo[0][0]
        return [info for info in addrinfo if info[0] == family], [info for info in addrinfo if info[0] != family]

    def start(self, timeout: float = _INITIAL_CONNECT_TIMEOUT, connect_timeout: float | timedelta | None = None) -> "Future[_Connection]":
        """Begin. The future becomes ``(family, address, stream)``; cancelling it ends all attempts.

        :arg timeout: seconds until the second family may start.
        :arg connect_timeout: when to give up with ``TimeoutError``, as for ``IOLoop.add_timeout``.
        """
        if self.secondary_addrs:
            self._timers.append(self.io_loop.call_later(timeout, self.on_timeout))
        if connect_timeout is not None:
            self._timers.append(self.io_loop.add_timeout(connect_timeout, self.on_connect_timeout))
        future_add_done_callback(self.future, self._on_end)
        self._try_next(self._first_lane)
        return self.future

    def on_timeout(self) -> None:
        """Let the second family start, if it has not."""
        if self._second_lane_waits and not self.future.done():
            self._second_lane_waits = False
            self._try_next(self._second_lane)

    def on_connect_timeout(self) -> None:
        """Give up."""
        if not self.future.done():
            tried = ", ".join(sorted(map(_format_addr, self._attempts)))
            self.future.set_exception(TimeoutError(f"Timeout while connecting to {tried}" if tried else "Timeout while connecting"))
        self._close_streams()

    def _try_next(self, lane: deque[_Address]) -> None:
        """Begin the next attempt of a lane; the end of both lanes is the end of the race."""
        while lane and not self.future.done():
            family, addr = lane.popleft()
            try:
                stream, connected = self.connect(family, addr)
            except Exception as error:
                self.last_error = error
                self.on_timeout()
                continue
            self.streams.add(stream)
            self._attempts.append(addr)
            future_add_done_callback(connected, functools.partial(self._on_attempt_done, lane, family, addr, stream))
            return
        unfinished = self._first_lane or self._second_lane or self._second_lane_waits or self._attempts
        if not unfinished and not self.future.done():
            self.future.set_exception(self.last_error or OSError("connection failed"))
            self._close_streams()

    def _on_attempt_done(self, lane: deque[_Address], family: Any, addr: Any, stream: IOStream, connected: "Future[IOStream]") -> None:
        self._attempts.remove(addr)
        error = None if connected.cancelled() else connected.exception()
        if connected.cancelled() or error is not None:
            stream.close()
            if isinstance(error, Exception):
                self.last_error = error
            if not self.future.done():
                self._try_next(lane)
                self.on_timeout()
        elif self.future.done():
            stream.close()  # second place
        else:
            self.streams.discard(stream)
            self.future.set_result((family, addr, connected.result()))
            self._close_streams()

    def _on_end(self, future: "Future[_Connection]") -> None:
        for timer in self._timers:
            self.io_loop.remove_timeout(timer)
        if future.cancelled():
            self._close_streams()

    def _close_streams(self) -> None:
        for stream in self.streams:
            stream.close()


async def _within(deadline: float | None, awaitable: Awaitable[_T], late: Callable[[], str]) -> _T:
    """Await something until ``deadline`` (a time of `time.monotonic`, or None); after that raise ``TimeoutError(late())``."""
    if deadline is None:
        return await awaitable
    if isinstance(awaitable, asyncio.Future):
        awaitable = asyncio.shield(awaitable)  # somebody else may be waiting for the same future
    limit = asyncio.timeout(deadline - time.monotonic())
    try:
        async with limit:
            return await awaitable
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(late()) from None
        raise


def _deadline(timeout: float | timedelta | None) -> float | None:
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if not isinstance(seconds, numbers.Real):
        raise TypeError(f"Unsupported timeout {timeout!r}")
    return time.monotonic() + float(seconds)


class TCPClient:
    """Makes TCP connections.

    :arg resolver: looks up the host names; default a ``Resolver()`` of its own, which :meth:`close` closes.
    """

    def __init__(self, resolver: Resolver | None = None) -> None:
        self.resolver = Resolver() if resolver is None else resolver
        self._own_resolver = resolver is None

    def close(self) -> None:
        """Free the resolver if it is our own. Connections stay open."""
        if self._own_resolver:
            self.resolver.close()

    async def connect(
        self,
        host: str,
        port: int,
        af: socket.AddressFamily = socket.AF_UNSPEC,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        source_ip: str | None = None,
        source_port: int | None = None,
        timeout: float | timedelta | None = None,  # noqa: ASYNC109 - Tornado's parameter
    ) -> IOStream:
        """Connect to ``host`` and ``port``, and return an IOStream, with ``ssl_options`` an SSLIOStream after its handshake.

        All addresses of ``host`` are tried, IPv6 and IPv4 side by side when the first one is slow (RFC 8305).

        :arg af: restrict to an address family.
        :arg ssl_options: an ``ssl.SSLContext``, or a dictionary for :func:`tornado.netutil.ssl_options_to_context`.
        :arg max_buffer_size: bytes that the stream may buffer, see IOStream.
        :arg source_ip: the local address to connect from.
        :arg source_port: the local port to connect from; without ``source_ip`` on the loopback interface.
        :arg timeout: seconds, or a timedelta, for everything together. ``TimeoutError`` says which step it was that took too
            long: resolving, connecting (and to which addresses), or the TLS handshake.

        Raises OSError: that of the resolver, of the last address tried, or of the handshake. The caller closes the stream.
        """
        deadline = _deadline(timeout)
        addrinfo = await _within(deadline, self.resolver.resolve(host, port, af), lambda: f"Timeout while resolving {host}")
        begin = functools.partial(self._create_stream, max_buffer_size, source_ip=source_ip, source_port=source_port)
        left = None if deadline is None else timedelta(seconds=max(deadline - time.monotonic(), 0))
        _, addr, stream = await _Connector(addrinfo, begin).start(connect_timeout=left)
        if ssl_options is None:
            return stream
        handshake = stream.start_tls(False, ssl_options=ssl_options, server_hostname=_server_name(host))
        try:
            return await _within(deadline, handshake, lambda: f"Timeout during TLS handshake with {_format_addr(addr)}")
        finally:
            handshake.cancel()  # the stream belongs to the handshake until that is over: this closes it

    def _create_stream(
        self, max_buffer_size: int | None, af: socket.AddressFamily, addr: Any, source_ip: str | None = None, source_port: int | None = None
    ) -> tuple[IOStream, "Future[IOStream]"]:
        """Begin to connect to one address, without TLS."""
        local_port = source_port if isinstance(source_port, int) else 0
        if local_port and not source_ip:
            source_ip = "::1" if af == socket.AF_INET6 else "127.0.0.1"
        sock = socket.socket(af)
        try:
            if source_ip:
                sock.bind((source_ip, local_port))
            stream = IOStream(sock, max_buffer_size=max_buffer_size)
            stream._family = int(af)
        except BaseException:
            sock.close()
            raise
        return stream, stream.connect(addr)


_imported_names.complete(globals())
