"""netutil: listening, accepting, resolvers, TLS settings."""

import asyncio
import concurrent.futures
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tornadolike import netutil
from tornadolike.ioloop import IOLoop
from tornadolike.netutil import (
    BlockingResolver,
    DefaultExecutorResolver,
    DefaultLoopResolver,
    ExecutorResolver,
    OverrideResolver,
    Resolver,
    ThreadedResolver,
    add_accept_handler,
    bind_sockets,
    bind_unix_socket,
    is_valid_ip,
    ssl_options_to_context,
    ssl_wrap_socket,
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    (sock,) = bind_sockets(0, "127.0.0.1")
    yield sock
    sock.close()


def test_all_addresses_of_a_name_share_one_port() -> None:
    sockets = bind_sockets(0, "localhost")
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        assert [sock.family for sock in sockets] == sorted(sock.family for sock in sockets)
        assert not any(sock.getblocking() for sock in sockets)
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.parametrize("address", [None, ""])
def test_every_interface(address: str | None) -> None:
    sockets = bind_sockets(0, address, family=socket.AF_INET)
    assert [sock.getsockname()[0] for sock in sockets] == ["0.0.0.0"]
    sockets[0].close()


def test_reuse_port_lets_two_sockets_listen() -> None:
    (first,) = bind_sockets(0, "127.0.0.1", reuse_port=True)
    port = first.getsockname()[1]
    (second,) = bind_sockets(port, "127.0.0.1", reuse_port=True)
    with first, second:
        assert second.getsockname() == first.getsockname()
        with pytest.raises(OSError, match="in use"):
            bind_sockets(port, "127.0.0.1")


def test_reuse_port_on_a_platform_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(ValueError, match="SO_REUSEPORT"):
        bind_sockets(0, "127.0.0.1", reuse_port=True)


def test_flags_reach_the_resolver() -> None:
    with pytest.raises(socket.gaierror):
        bind_sockets(0, "localhost", flags=socket.AI_NUMERICHOST)


def test_a_foreign_address_cannot_be_bound() -> None:
    with pytest.raises(OSError, match="assign"):
        bind_sockets(0, "192.0.2.1")


def test_abstract_unix_socket(tmp_path: Any) -> None:
    name = f"\0{tmp_path}"
    with bind_unix_socket(name) as sock:
        assert sock.getsockname() == name.encode()
        with pytest.raises(OSError, match="in use"):
            bind_unix_socket(name)


async def test_accepting(listener: socket.socket) -> None:
    taken: asyncio.Queue[tuple[socket.socket, Any]] = asyncio.Queue()
    remove = add_accept_handler(listener, lambda connection, address: taken.put_nowait((connection, address)))
    with socket.create_connection(listener.getsockname()) as client:
        connection, address = await asyncio.wait_for(taken.get(), 5)
        assert address == client.getsockname()
        connection.close()
    remove()
    remove()
    with socket.create_connection(listener.getsockname()):
        await asyncio.sleep(0.01)
        assert taken.empty()


async def test_accepting_survives_a_lack_of_descriptors(listener: socket.socket, logs: Any) -> None:
    taken: asyncio.Queue[socket.socket] = asyncio.Queue()
    exhausted = asyncio.Event()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    remove = add_accept_handler(listener, lambda connection, address: taken.put_nowait(connection))
    with socket.create_connection(listener.getsockname()) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(netutil._LoopWatcher, "exhausted", lambda self, error: exhausted.set())
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno(), limits[1]))
        try:
            await asyncio.wait_for(exhausted.wait(), 5)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        (await asyncio.wait_for(taken.get(), 5)).close()
    remove()


async def test_lack_of_descriptors_is_an_error_in_the_log(logs: Any) -> None:
    netutil._LoopWatcher(IOLoop.current()).exhausted(OSError(24, "Too many open files"))
    logs.take("tornado.general", "Cannot accept connections for now.*Too many open files", level=40)


def test_is_valid_ip() -> None:
    assert is_valid_ip("10.9.8.7")
    assert not is_valid_ip("example.org")


@pytest.mark.parametrize("implementation", [BlockingResolver, ThreadedResolver, DefaultExecutorResolver, DefaultLoopResolver])
async def test_resolvers_agree(implementation: Any) -> None:
    resolver = implementation()
    try:
        assert await resolver.resolve("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
        found = await resolver.resolve("localhost", 443, socket.AF_INET)
        assert set(found) == {(socket.AF_INET, ("127.0.0.1", 443))}
        with pytest.raises(OSError, match=r".+"):
            await resolver.resolve("no such name", 80, socket.AF_INET)
    finally:
        resolver.close()


def test_default_resolver() -> None:
    assert type(Resolver()) is DefaultLoopResolver


async def test_default_resolver_needs_no_thread_for_a_literal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert await Resolver().resolve("::1", 8) == [(socket.AF_INET6, ("::1", 8, 0, 0))]


def test_threaded_resolvers_share_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadedResolver, "_threadpool", None)
    first, second = ThreadedResolver(num_threads=2), ThreadedResolver(num_threads=7)
    assert first.executor is second.executor
    monkeypatch.setattr(ThreadedResolver, "_threadpool_pid", -1)
    assert ThreadedResolver().executor is not first.executor


def test_closing_an_executor_resolver() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        kept = ExecutorResolver(executor=pool, close_executor=False)
        kept.close()
        assert pool.submit(threading.get_ident).result()
        owned = ExecutorResolver(executor=pool)
        owned.close()
        with pytest.raises(RuntimeError, match="shutdown"):
            pool.submit(threading.get_ident)


async def test_override_takes_the_most_specific_entry() -> None:
    class Echo(Resolver):
        closed = False

        async def resolve(self, host: str, port: int, family: Any = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
            return [(family, (host, port))]

        def close(self) -> None:
            self.closed = True

    inner = Echo()
    mapping = {"a": "b", ("a", 1): ("c", 2), ("a", 1, socket.AF_INET): ("d", 3)}
    resolver = OverrideResolver(inner, mapping)
    assert await resolver.resolve("a", 1, socket.AF_INET) == [(socket.AF_INET, ("d", 3))]
    assert await resolver.resolve("a", 1) == [(socket.AF_UNSPEC, ("c", 2))]
    assert await resolver.resolve("a", 9) == [(socket.AF_UNSPEC, ("b", 9))]
    assert await resolver.resolve("z", 9) == [(socket.AF_UNSPEC, ("z", 9))]
    resolver.close()
    assert inner.closed


def test_a_context_is_taken_as_it_is() -> None:
    context = ssl.create_default_context()
    assert ssl_options_to_context(context) is context


@pytest.mark.parametrize(("server_side", "protocol"), [(True, ssl.PROTOCOL_TLS_SERVER), (False, ssl.PROTOCOL_TLS_CLIENT)])
def test_options_to_context(server_side: bool, protocol: int) -> None:
    context = ssl_options_to_context({"cert_reqs": ssl.CERT_NONE, "ciphers": "ECDHE+AESGCM"}, server_side=server_side)
    assert context.protocol == protocol
    assert context.verify_mode == ssl.CERT_NONE
    assert context.options & ssl.OP_NO_COMPRESSION


def test_options_without_side_warn() -> None:
    with pytest.warns(DeprecationWarning, match="PROTOCOL_TLS"):
        ssl_options_to_context({})


def test_unknown_option() -> None:
    with pytest.raises(AssertionError, match="cert_file"):
        ssl_options_to_context({"cert_file": "x"}, server_side=True)


def test_wrapping_a_socket_for_either_side() -> None:
    left, right = socket.socketpair()
    options = {"do_handshake_on_connect": False, "suppress_ragged_eofs": True}
    client_context = ssl.create_default_context()
    with left, right:
        client = ssl_wrap_socket(left, client_context, server_hostname="localhost", **options)
        server = ssl_wrap_socket(right, {}, server_side=True, **options)
        with client, server:
            assert (client.server_side, client.server_hostname, client.context) == (False, "localhost", client_context)
            assert server.server_side


def test_default_contexts_are_made_once() -> None:
    assert netutil._client_ssl_defaults() is netutil._client_ssl_defaults()
    assert netutil._client_ssl_defaults().check_hostname
    assert netutil._server_ssl_defaults().verify_mode == ssl.CERT_NONE
