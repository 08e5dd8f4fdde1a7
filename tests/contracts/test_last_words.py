"""What the other end says before it breaks the connection off is heard: a refusal of an upload, a TLS alert."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tornadolike
from tornadolike import httpclient, web
from tornadolike.iostream import IOStream, SSLIOStream, StreamClosedError

HERE = Path(tornadolike.__file__).parent
SECONDS = 10


def cut(sock: socket.socket) -> None:
    """Leave with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket], None]], tuple[str, int]]]:
    """``peer(behave)``: the address of a server in a thread that calls ``behave(connection)`` for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def serve(behave: Callable[[socket.socket], None]) -> None:
            with contextlib.suppress(OSError):
                while True:
                    behave(listener.accept()[0])

        def start(behave: Callable[[socket.socket], None]) -> tuple[str, int]:
            threads.append(threading.Thread(target=serve, args=(behave,), daemon=True))
            threads[-1].start()
            address: tuple[str, int] = listener.getsockname()
            return address

        yield start
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(SECONDS)


class Consumer:
    takes_rest = True

    def __init__(self) -> None:
        self.received = b""
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        assert not self.closed.is_set()
        self.received += data

    def stream_closed(self) -> None:
        self.closed.set()


async def connected(address: tuple[str, int]) -> IOStream:
    return await IOStream(socket.socket()).connect(address)


def refuse(connection: socket.socket) -> None:
    connection.recv(10)
    connection.sendall(b"no")
    connection.close()  # with unread bytes: a reset follows at once


@pytest.mark.parametrize("waits", [True, False])
async def test_bytes_and_a_reset_in_one_event(peer: Any, waits: bool) -> None:
    """libuv tells of both at once, and of the reset never again."""
    stream, consumer = await connected(peer(refuse)), Consumer()
    if waits:
        stream._attach_consumer(consumer)
    await stream.write(b"x" * 100_000)
    if not waits:
        threading.Event().wait(0.05)  # the loop sees nothing of it meanwhile
        stream._attach_consumer(consumer)
    await asyncio.wait_for(consumer.closed.wait(), SECONDS)
    assert consumer.received == b"no"


async def test_bytes_and_a_reset_in_one_event_for_a_reader(peer: Any) -> None:
    stream, closed = await connected(peer(refuse)), asyncio.Event()
    stream.set_close_callback(closed.set)
    await stream.write(b"x" * 100_000)
    threading.Event().wait(0.05)
    assert await asyncio.wait_for(stream.read_bytes(2), SECONDS) == b"no"
    await asyncio.wait_for(closed.wait(), SECONDS)


@pytest.mark.parametrize("reads", [True, False])
async def test_a_refusal_is_heard_though_writing_fails_first(peer: Any, reads: bool) -> None:
    stream, consumer = await connected(peer(refuse)), Consumer()
    if not reads:
        stream._attach_consumer(consumer)
    stream.write(b"x" * 100_000)
    threading.Event().wait(0.05)
    failed = stream.write(b"x" * 100_000)
    assert stream.closed()
    with pytest.raises(StreamClosedError):
        await asyncio.wait_for(failed, SECONDS)
    if reads:
        assert await stream.read_bytes(2) == b"no"
    else:
        assert consumer.closed.is_set()
        assert consumer.received == b"no"


async def test_an_upload_that_is_refused(serve: Any, logs: Any) -> None:
    """At once, not when the time is over."""

    class Taking(web.RequestHandler):
        def post(self) -> None:
            self.write("taken")

    site = serve([("/", Taking)], max_body_size=1 << 20)
    client = httpclient.AsyncHTTPClient(force_instance=True)
    for size in (1_100_000, 3_000_000, 20_000_000):
        for _ in range(5):
            with pytest.raises(httpclient.HTTPError) as raised:
                await client.fetch(f"http://127.0.0.1:{site.port}/", method="POST", body=b"x" * size)
            assert raised.value.code in (400, 413)
    client.close()
    logs.records.clear()


def refuse_upload(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    cut(connection)


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_an_upload_whose_writing_fails(peer: Any, keep_alive: bool) -> None:
    """The refusal lies in the kernel, and the connection is reset, before our client has looked."""
    host, port = peer(refuse_upload)
    client = httpclient.AsyncHTTPClient(force_instance=True)

    async def produce(write: Any) -> None:
        for _ in range(100):
            await write(b"x" * 1000)
            threading.Event().wait(0.01)

    for _ in range(5):
        headers = {} if keep_alive else {"Connection": "close"}
        with pytest.raises(httpclient.HTTPError) as raised:
            await client.fetch(f"http://{host}:{port}/", method="POST", body_producer=produce, headers=headers)
        assert raised.value.code == 413
    client.close()


def wanting_certificates(connection: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "testing.crt", HERE / "testing.key")
    context.load_verify_locations(HERE / "testing.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with connection, contextlib.suppress(OSError):
        connection.settimeout(SECONDS)
        context.wrap_socket(connection, server_side=True).close()


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("after", ["at once", "idle", "writing", "writing after idling", "watching"])
async def test_the_alert_of_a_server_that_wants_a_certificate(peer: Any, after: str, logs: Any) -> None:
    address = peer(wanting_certificates)
    for _ in range(5):
        stream = SSLIOStream(socket.socket(), ssl_options=trusting())
        await stream.connect(address)
        closed = asyncio.Event()
        if after == "watching":
            stream.set_close_callback(closed.set)
            if not stream.closed():
                await asyncio.wait_for(closed.wait(), SECONDS)
        if "idl" in after:
            await asyncio.sleep(0.05)
        with pytest.raises(StreamClosedError) as raised:
            if after.startswith("writing"):
                await stream.write(b"x" * 1000)
                await stream.write(b"x" * 1000)
            await asyncio.wait_for(stream.read_bytes(1), SECONDS)
        assert isinstance(raised.value.real_error, ssl.SSLError)
        assert "CERTIFICATE_REQUIRED" in str(raised.value.real_error)
    logs.records.clear()


async def test_the_alert_reaches_who_fetches(peer: Any, logs: Any) -> None:
    host, port = peer(wanting_certificates)
    client = httpclient.AsyncHTTPClient(force_instance=True)
    for _ in range(20):
        with pytest.raises((OSError, httpclient.HTTPError)) as raised:
            await client.fetch(f"https://{host}:{port}/", ssl_options=trusting())
        found = f"{raised.value!r} {getattr(raised.value, 'real_error', None)!r}"
        assert "CERTIFICATE_REQUIRED" in found
    client.close()
    logs.records.clear()
