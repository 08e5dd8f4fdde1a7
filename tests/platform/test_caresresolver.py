"""The c-ares resolver, on names that need no network and on a name server that never answers."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("pycares")

import pycares

from tornadolike import gen
from tornadolike.ioloop import IOLoop
from tornadolike.platform import caresresolver
from tornadolike.platform.caresresolver import CaresResolver


async def test_literal_addresses_are_answered_at_once() -> None:
    resolver = CaresResolver()
    assert resolver.resolve("127.0.0.1", 80).result() == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert resolver.resolve("::1", 80).result() == [(socket.AF_INET6, ("::1", 80))]
    with pytest.raises(OSError, match="Requested socket family"):
        resolver.resolve("127.0.0.1", 80, socket.AF_INET6).result()


async def test_localhost_is_known_without_a_name_server() -> None:
    answer = await CaresResolver().resolve("localhost", 80, socket.AF_INET)
    assert (socket.AF_INET, ("127.0.0.1", 80)) in answer


async def test_both_families_of_localhost() -> None:
    answer = await CaresResolver().resolve("localhost", 80)
    assert set(answer) == {(socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET6, ("::1", 80))}
    assert await CaresResolver().resolve("localhost", 80, socket.AF_INET6) == [(socket.AF_INET6, ("::1", 80))]


@pytest.fixture
def name_server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def asking(name_server: socket.socket) -> Any:
    resolver: Any = CaresResolver()
    port = name_server.getsockname()[1]
    resolver.channel = pycares.Channel(
        sock_state_cb=resolver._sock_state_cb, servers=["127.0.0.1"], udp_port=port, timeout=0.25, tries=2, lookups="b"
    )
    return resolver


async def idle(resolver: Any) -> None:
    """c-ares closes its sockets on the occasion of a call, and the resolver's clock sees to it that there is one."""
    while resolver.fds:
        assert resolver.channel in caresresolver._busy
        await gen.sleep(0.01)
    assert resolver.channel not in caresresolver._busy


async def test_a_name_server_that_never_answers_is_given_up(name_server: socket.socket) -> None:
    resolver = asking(name_server)
    with pytest.raises(OSError, match=r"C-Ares returned error .* while resolving server.example"):
        await gen.with_timeout(IOLoop.current().time() + 5, resolver.resolve("server.example", 443, socket.AF_INET))
    await asyncio.wait_for(idle(resolver), 5)
