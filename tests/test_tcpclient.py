"""tcpclient: the race of the connector with made-up streams, and connections over real sockets."""

import asyncio
import contextlib
import pathlib
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

import tornadolike
from tornadolike.concurrent import Future
from tornadolike.iostream import IOStream, SSLIOStream, StreamClosedError
from tornadolike.netutil import Resolver
from tornadolike.tcpclient import TCPClient, _Connector, _format_addr, _server_name
from tornadolike.tcpserver import TCPServer

HERE = pathlib.Path(tornadolike.__file__).parent
SIX, FOUR = 6, 4


class Stream:
    closed = False

    def close(self) -> None:
        self.closed = True


class Race:
    """A connector whose attempts are decided by the test. Addresses are letters; capital ones are of the second family."""

    def __init__(self, addresses: str, refused: str = "", **start: Any) -> None:
        self.streams: dict[str, Stream] = {}
        self.futures: dict[str, Any] = {}
        self.refused = refused
        self.connector = _Connector([(SIX if a.islower() else FOUR, a) for a in addresses], self.connect)  # type: ignore[arg-type]
        self.result = self.connector.start(**({"timeout": 3600} | start))

    def connect(self, family: int, addr: str) -> Any:
        assert family == (SIX if addr.islower() else FOUR)
        if addr in self.refused:
            raise OSError(f"{addr} refused at once")
        self.streams[addr] = Stream()
        self.futures[addr] = Future()
        return self.streams[addr], self.futures[addr]

    async def settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    async def succeed(self, addr: str) -> None:
        self.futures[addr].set_result(self.streams[addr])
        await self.settle()

    async def fail(self, addr: str) -> None:
        self.futures[addr].set_exception(OSError(f"{addr} failed"))
        await self.settle()

    def begun(self) -> str:
        return "".join(self.streams)

    def open(self) -> str:
        return "".join(addr for addr, stream in self.streams.items() if not stream.closed)


async def test_the_first_connection_wins() -> None:
    race = Race("abC")
    assert race.begun() == "a"
    await race.succeed("a")
    assert race.result.result() == (SIX, "a", race.streams["a"])
    assert race.open() == "a"


async def test_a_failure_starts_both_the_next_and_the_other_family() -> None:
    race = Race("abCD")
    await race.fail("a")
    assert race.begun() == "abC"
    await race.fail("C")
    assert race.begun() == "abCD"
    await race.succeed("D")
    assert race.result.result() == (FOUR, "D", race.streams["D"])
    assert race.open() == "D"


async def test_slowness_starts_the_other_family() -> None:
    race = Race("abCD", timeout=0)
    await asyncio.sleep(0.005)
    assert race.begun() == "aC"
    await race.succeed("C")
    assert race.result.result()[1] == "C"
    assert race.open() == "C"
    await race.fail("a")
    assert race.begun() == "aC"


async def test_second_place_is_closed() -> None:
    race = Race("aC")
    race.connector.on_timeout()
    race.futures["a"].set_result(race.streams["a"])
    race.futures["C"].set_result(race.streams["C"])
    await race.settle()
    assert race.result.result()[1] == "a"
    assert race.open() == "a"


async def test_a_refusal_at_once_is_a_failure_like_others() -> None:
    race = Race("abCD", refused="aC")
    assert race.begun() == "Db"
    await race.succeed("b")
    assert race.result.result()[1] == "b"


async def test_refusal_of_all_others_leaves_the_rest_of_the_first_family() -> None:
    race = Race("abCD", refused="aCD")
    assert race.begun() == "b"
    assert not race.result.done()
    await race.succeed("b")
    assert race.result.result()[1] == "b"


async def test_many_refusals_do_not_recurse() -> None:
    race = Race("a" * 3000, refused="a")
    with pytest.raises(OSError, match="a refused at once"):
        race.result.result()


async def test_all_fail() -> None:
    race = Race("abCD")
    race.connector.on_timeout()
    for addr in "CDa":
        await race.fail(addr)
        assert not race.result.done()
    await race.fail("b")
    with pytest.raises(OSError, match="b failed"):
        race.result.result()
    assert race.open() == ""


async def test_a_cancelled_attempt_is_a_failure() -> None:
    race = Race("ab")
    race.futures["a"].cancel()
    await race.settle()
    assert (race.begun(), race.open()) == ("ab", "b")
    race.futures["b"].cancel()
    await race.settle()
    with pytest.raises(OSError, match="connection failed"):
        race.result.result()


async def test_cancelling_ends_all_attempts() -> None:
    race = Race("aC")
    race.connector.on_timeout()
    race.result.cancel()
    await race.settle()
    assert race.open() == ""


@pytest.mark.parametrize(("failed", "message"), [("", "connecting to C, a"), ("a", "connecting to C")])
async def test_time_is_up(failed: str, message: str) -> None:
    race = Race("aC", connect_timeout=timedelta(milliseconds=20))
    race.connector.on_timeout()
    for addr in failed:
        await race.fail(addr)
    with pytest.raises(TimeoutError, match=f"^Timeout while {message}$"):
        await race.result
    assert race.open() == ""


def test_addresses_for_people() -> None:
    assert _format_addr(("192.0.2.7", 80)) == "192.0.2.7:80"
    assert _format_addr(("2001:db8::7", 80, 0, 0)) == "[2001:db8::7]:80"
    assert _format_addr("/run/socket") == "/run/socket"


class Echo(TCPServer):
    """Sends back what comes; keeps the streams."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.streams: list[IOStream] = []

    async def handle_stream(self, stream: IOStream, address: Any) -> None:  # type: ignore[override]
        self.streams.append(stream)
        with contextlib.suppress(OSError):
            while True:
                await stream.write(await stream.read_bytes(100, partial=True))


@contextlib.asynccontextmanager
async def echo(**kwargs: Any) -> AsyncIterator[int]:
    server = Echo(**kwargs)
    server.listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()
    yield sock.getsockname()[1]
    server.stop()
    for stream in server.streams:
        stream.close()


@pytest.fixture
async def client() -> AsyncIterator[TCPClient]:
    made = TCPClient()
    yield made
    made.close()


@pytest.mark.parametrize("limit", [None, 5, timedelta(seconds=5)])
async def test_connect(client: TCPClient, limit: Any) -> None:
    async with echo() as port:
        stream = await client.connect("localhost", port, af=socket.AF_INET, timeout=limit, max_buffer_size=4711)
        assert stream.max_buffer_size == 4711
        await stream.write(b"ping")
        assert await stream.read_bytes(4) == b"ping"
        stream.close()


async def test_connect_with_tls(client: TCPClient) -> None:
    options = {"certfile": str(HERE / "testing.crt"), "keyfile": str(HERE / "testing.key")}
    async with echo(ssl_options=options) as port:
        trusting = ssl.create_default_context(cafile=options["certfile"])
        stream = await client.connect("localhost", port, af=socket.AF_INET, ssl_options=trusting, timeout=5)
        assert isinstance(stream, SSLIOStream)
        await stream.write(b"ping")
        assert await stream.read_bytes(4) == b"ping"
        stream.close()


async def test_tls_handshake_takes_too_long(client: TCPClient) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with listener, pytest.raises(TimeoutError, match=f"^Timeout during TLS handshake with 127.0.0.1:{port}$"):
        await client.connect("127.0.0.1", port, ssl_options={"cert_reqs": ssl.CERT_NONE}, timeout=0.05)


async def test_resolving_takes_too_long() -> None:
    class Slow(Resolver):
        def resolve(self, host: str, port: int, family: Any = socket.AF_UNSPEC) -> Any:
            self.answer: Future[Any] = Future()
            return self.answer

    resolver = Slow()
    client = TCPClient(resolver)
    with pytest.raises(TimeoutError, match=r"^Timeout while resolving example\.com$"):
        await client.connect("example.com", 80, timeout=0.01)
    assert not resolver.answer.cancelled()  # it may be another's answer too


async def test_a_timeout_of_the_resolver_is_its_own() -> None:
    class Broken(Resolver):
        async def resolve(self, host: str, port: int, family: Any = socket.AF_UNSPEC) -> Any:
            raise TimeoutError("name server silent")

    with pytest.raises(TimeoutError, match="name server silent"):
        await TCPClient(Broken()).connect("example.com", 80, timeout=5)


async def test_nobody_listens(client: TCPClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StreamClosedError):
        await client.connect("127.0.0.1", port)


async def test_source(client: TCPClient) -> None:
    async with echo() as port:
        stream = await client.connect("127.0.0.1", port, source_ip="127.0.0.2")
        assert stream.socket.getsockname()[0] == "127.0.0.2"
        stream.close()
        with socket.create_server(("127.0.0.1", 0)) as unused:
            free = unused.getsockname()[1]
        stream = await client.connect("127.0.0.1", port, source_port=free)
        assert stream.socket.getsockname() == ("127.0.0.1", free)
        stream.close()


async def test_source_that_is_not_ours(client: TCPClient) -> None:
    async with echo() as port:
        with pytest.raises(OSError, match="assign"):
            await client.connect("127.0.0.1", port, source_ip="192.0.2.1")


async def test_strange_timeout(client: TCPClient) -> None:
    with pytest.raises(TypeError, match="Unsupported timeout '5'"):
        await client.connect("127.0.0.1", 1, timeout="5")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [True, False])
def test_only_an_own_resolver_is_closed(given: bool) -> None:
    class Closing(Resolver):
        closed = False

        def close(self) -> None:
            self.closed = True

    resolver = Closing()
    client = TCPClient(resolver if given else None)
    client.resolver = resolver
    client.close()
    assert resolver.closed is not given


@pytest.mark.parametrize(
    ("host", "name"), [("::1%1", "::1"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1"), ("a.example", "a.example"), ("50%", "50%")]
)
def test_the_zone_of_an_address_is_no_part_of_the_servers_name(host: str, name: str) -> None:
    assert _server_name(host) == name


@pytest.mark.skipif(not socket.has_ipv6, reason="IPv6")
async def test_an_address_with_a_zone_over_tls() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "testing.crt", HERE / "testing.key")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "::1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    stream = await TCPClient().connect("::1%1", port, ssl_options={"cert_reqs": ssl.CERT_NONE}, timeout=10)
    stream.close()
    server.close()
