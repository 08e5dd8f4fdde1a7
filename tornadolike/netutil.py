"""Sockets, names and TLS settings: listening sockets, accepting, DNS resolvers, SSL contexts."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from tornadolike import _imported_names
from tornadolike._net import listening, resolving, tls_settings
from tornadolike.concurrent import dummy_executor, run_on_executor
from tornadolike.ioloop import IOLoop
from tornadolike.log import gen_log
from tornadolike.util import Configurable

_DEFAULT_BACKLOG = listening.DEFAULT_BACKLOG
_SSL_CONTEXT_KEYWORDS = tls_settings.CONTEXT_KEYWORDS


def _client_ssl_defaults() -> ssl.SSLContext:
    return tls_settings.default_context(ssl.Purpose.SERVER_AUTH)


def _server_ssl_defaults() -> ssl.SSLContext:
    return tls_settings.default_context(ssl.Purpose.CLIENT_AUTH)


def _is_link_local_loopback(info: listening.AddressInfo, address: str | None) -> bool:
    # macOS lists fe80::1%lo0 for localhost, and its firewall asks the user about it every time.
    return sys.platform == "darwin" and address == "localhost" and info[0] == socket.AF_INET6 and info[4][3] != 0


def bind_sockets(
    port: int,
    address: str | None = None,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    backlog: int = _DEFAULT_BACKLOG,
    flags: int | None = None,
    reuse_port: bool = False,
) -> list[socket.socket]:
    """Non-blocking listening sockets for ``port``, one for each address that ``address`` stands for.

    :arg port: 0 lets the system choose; all sockets of the list then share the chosen port.
    :arg address: the host name or IP to listen on; None or ``""`` for all interfaces of both families.
    :arg family: ``socket.AF_INET`` for IPv4 only, ``socket.AF_INET6`` for IPv6 only.
    :arg backlog: how many connections may wait in the kernel, as for ``socket.listen``.
    :arg flags: ``AI_*`` flags for ``getaddrinfo``; default ``AI_PASSIVE``.
    :arg reuse_port: sets ``SO_REUSEPORT``, so that several processes can listen on the port, each with a queue of its own.

    IPv6 sockets take IPv6 connections only. Raises OSError when an address cannot be resolved or bound (no socket stays open
    then), ValueError when ``reuse_port`` is not known to the platform. The caller closes the sockets.
    """
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("the platform doesn't support SO_REUSEPORT")
    if family == socket.AF_UNSPEC and not socket.has_ipv6:
        family = socket.AF_INET  # a Python built without IPv6 still gets IPv6 answers from getaddrinfo
    host = address or None
    found: list[Any] = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE if flags is None else flags)
    if len(found) > 1 or sys.platform == "darwin":
        found = sorted(dict.fromkeys(found), key=lambda info: int(info[0]))
        found = [info for info in found if not _is_link_local_loopback(info, host)]
    return listening.bind_addresses(found, host, reuse_port, backlog)


if hasattr(socket, "AF_UNIX"):

    def bind_unix_socket(file: str, mode: int = 0o600, backlog: int = _DEFAULT_BACKLOG) -> socket.socket:
        """A non-blocking listening Unix socket at the path ``file``, with the permissions ``mode``.

        A socket that already lies there is replaced; any other file makes it ValueError. A path that begins with a NUL
        character is a name in Linux's abstract namespace: there is no file, and ``mode`` means nothing.
        Raises OSError when it cannot be bound. The caller closes the socket and removes the file.
        """
        return listening.bind_unix(file, mode, backlog)


class _LoopWatcher:
    """Lets an acceptor watch its socket through an IOLoop."""

    __slots__ = ("_io_loop", "call_later", "time")

    def __init__(self, io_loop: IOLoop) -> None:
        self._io_loop = io_loop
        self.call_later = io_loop.call_later
        self.time = time.monotonic

    def watch(self, sock: socket.socket, on_readable: Callable[[], None]) -> None:
        self._io_loop.add_handler(sock, lambda fd, events: on_readable(), IOLoop.READ)

    def unwatch(self, sock: socket.socket) -> None:
        self._io_loop.remove_handler(sock)

    def exhausted(self, error: OSError) -> None:
        gen_log.error("Cannot accept connections for now: %s", error)


def add_accept_handler(sock: socket.socket, callback: Callable[[socket.socket, Any], None]) -> Callable[[], None]:
    """Call ``callback(connection, address)`` on the current IOLoop for every connection that arrives at ``sock``.

    ``sock`` is non-blocking from now on: one that was inherited, from systemd for example, mostly is not, and would stop the loop.
    ``connection`` is a socket, ``address`` that of the other end. Returns a function without arguments which ends it: not
    one connection is taken after it was called, even if it is called by ``callback``. It leaves ``sock`` open.

    While the process has no file descriptor left, connections wait in the kernel: accepting is tried again ten times a
    second, and an error is logged at most once a second.
    """
    sock.setblocking(False)
    return listening.Acceptor(sock, callback, _LoopWatcher(IOLoop.current())).stop


def is_valid_ip(ip: str) -> bool:
    """Whether ``ip`` is a well-formed IPv4 or IPv6 address: plain ASCII, no surrounding space, no host name. Asks no server."""
    return resolving.is_address_literal(ip)


class Resolver(Configurable):
    """Turns host names into socket addresses, asynchronously.

    ``Resolver()`` makes an instance of the configured implementation, :class:`DefaultLoopResolver` unless
    ``Resolver.configure("tornado.netutil.ThreadedResolver")`` or the like was called. There are also
    :class:`OverrideResolver` (a table in front of another resolver), and for old programs :class:`BlockingResolver`,
    :class:`ThreadedResolver`, :class:`ExecutorResolver`, :class:`DefaultExecutorResolver` and
    ``tornado.platform.caresresolver.CaresResolver``.
    """

    @classmethod
    def configurable_base(cls) -> type[Resolver]:
        return Resolver

    @classmethod
    def configurable_default(cls) -> type[Resolver]:
        return DefaultLoopResolver

    def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> Awaitable[list[tuple[int, Any]]]:
        """Await the addresses of ``host``: a list of ``(family, address)``, ``address`` being what ``socket.connect`` takes.

        ``host`` may be a literal address. ``family`` restricts the answer. Raises OSError when there is none.
        Implementations override this.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Free what the resolver holds. It must not be used after that. Here: nothing."""


class DefaultExecutorResolver(Resolver):
    """Resolves in the IOLoop's default executor. Deprecated: :class:`DefaultLoopResolver` does it without the detour."""

    async def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        return await IOLoop.current().run_in_executor(None, resolving.look_up, host, port, family)


class DefaultLoopResolver(Resolver):
    """Resolves with the event loop's own ``getaddrinfo``. A literal address is answered without leaving the thread."""

    async def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        literal = resolving.literal_address(host, port, family)
        if literal is not None:
            return [literal]
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        return [(info[0], info[4]) for info in infos]


class ExecutorResolver(Resolver):
    """Resolves in a ``concurrent.futures.Executor`` of your choice. Deprecated: use the default resolver.

    :arg executor: None resolves at once in the calling thread, which blocks the loop.
    :arg close_executor: whether :meth:`close` shuts ``executor`` down. The attribute ``close_executor`` says so afterwards.
    """

    executor: concurrent.futures.Executor
    close_executor: bool

    def initialize(self, executor: concurrent.futures.Executor | None = None, close_executor: bool = True) -> None:
        self.executor = dummy_executor if executor is None else executor
        self.close_executor = executor is not None and close_executor

    def close(self) -> None:
        executor, self.executor = self.executor, None  # type: ignore[assignment]  # gone, as Tornado shows it
        if self.close_executor:
            executor.shutdown()

    @run_on_executor
    def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        return resolving.look_up(host, port, family)


class BlockingResolver(ExecutorResolver):
    """Resolves in the calling thread: the loop stands still meanwhile. Deprecated: use the default resolver."""

    def initialize(self) -> None:  # type: ignore[override]  # Tornado's signature
        super().initialize()


class ThreadedResolver(ExecutorResolver):
    """Resolves in threads. Deprecated: use the default resolver.

    All instances of a process share one pool; its size is the ``num_threads`` of the first.
    """

    _threadpool: ClassVar[concurrent.futures.ThreadPoolExecutor | None] = None
    _threadpool_pid: ClassVar[int | None] = None

    def initialize(self, num_threads: int = 10) -> None:  # type: ignore[override]  # Tornado's signature
        super().initialize(executor=self._create_threadpool(num_threads), close_executor=False)

    @classmethod
    def _create_threadpool(cls, num_threads: int) -> concurrent.futures.ThreadPoolExecutor:
        pool, pid = ThreadedResolver._threadpool, os.getpid()
        if pool is None or ThreadedResolver._threadpool_pid != pid:  # a pool's threads do not come along into a forked child
            pool = concurrent.futures.ThreadPoolExecutor(num_threads)
            ThreadedResolver._threadpool, ThreadedResolver._threadpool_pid = pool, pid
        return pool


class OverrideResolver(Resolver):
    """Looks into a table before it asks another resolver, for tests or local changes to DNS.

    ``mapping`` may have three kinds of entries, of which the most specific counts::

        {
            "example.com": "127.0.1.1",                                          # host: other host or IP
            ("login.example.com", 443): ("localhost", 1443),                     # host and port: other host and port
            ("login.example.com", 443, socket.AF_INET6): ("::1", 1443),          # the same for one family
        }

    The replacement is resolved by ``resolver``, which :meth:`close` closes too.
    """

    def initialize(self, resolver: Resolver, mapping: dict[Any, Any]) -> None:
        self.resolver = resolver
        self.mapping = mapping

    def close(self) -> None:
        self.resolver.close()

    def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> Awaitable[list[tuple[int, Any]]]:
        mapping = self.mapping
        host, port = mapping.get((host, port, family)) or mapping.get((host, port)) or (mapping.get(host, host), port)
        return self.resolver.resolve(host, port, family)


def ssl_options_to_context(ssl_options: dict[str, Any] | ssl.SSLContext, server_side: bool | None = None) -> ssl.SSLContext:
    """An ``ssl.SSLContext`` for ``ssl_options``: itself if it is one, else made from a dictionary.

    Keys: ``certfile``, ``keyfile``, ``cert_reqs``, ``ca_certs``, ``ciphers`` and ``ssl_version``, with the meaning they had
    for the old ``ssl.wrap_socket``; others are an AssertionError. ``server_side`` says which end it is for; left at None the
    context can be either, and Python gives a DeprecationWarning. TLS compression is off.
    """
    if isinstance(ssl_options, ssl.SSLContext):
        return ssl_options
    assert isinstance(ssl_options, dict), ssl_options
    assert ssl_options.keys() <= _SSL_CONTEXT_KEYWORDS, ssl_options
    return tls_settings.context_from_options(ssl_options, server_side)


def ssl_wrap_socket(
    socket: socket.socket,
    ssl_options: dict[str, Any] | ssl.SSLContext,
    server_hostname: str | None = None,
    server_side: bool | None = None,
    **kwargs: Any,
) -> ssl.SSLSocket:
    """``socket`` wrapped for TLS with ``ssl_options``, as :func:`ssl_options_to_context` takes them.

    ``kwargs`` go to ``SSLContext.wrap_socket``. The handshake begins at once unless ``do_handshake_on_connect=False``.
    """
    context = ssl_options_to_context(ssl_options, server_side=server_side)
    return context.wrap_socket(socket, bool(server_side), server_hostname=server_hostname, **kwargs)


_imported_names.complete(globals())
