"""Static files on real sockets: large ones are sent by the kernel, and nobody can tell from the outside."""

import asyncio
import hashlib
import os
import random
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

import tornadolike
from tornadolike import access_log, iostream, netutil, web
from tornadolike._web import kept_files
from tornadolike._web.static_files import CHUNK_BYTES, LEAST_FOR_KERNEL
from tornadolike.httpserver import HTTPServer

SIZES = {"small": 1000, "edge": LEAST_FOR_KERNEL, "medium": CHUNK_BYTES + 1, "large": 9 << 20}
CERTIFICATE = Path(tornadolike.__file__).parent / "testing.crt"


class Read(web.StaticFileHandler):
    """Has an opinion on its content, so that it has to be asked for it."""

    @classmethod
    def get_content(cls, abspath, start=None, end=None):
        return super().get_content(abspath, start, end)


class Noting(web.StaticFileHandler):
    finished: list[str] = []

    def on_finish(self):
        self.finished.append(self.path)


class Overstated(web.StaticFileHandler):
    """As though the file became shorter after its size was asked."""

    def get_content_size(self):
        return super().get_content_size() + 5


class Impatient(web.StaticFileHandler):
    """Gives up in the middle of a file; then other files are opened, under the numbers that became free."""

    opened: list[int] = []
    goes_on = asyncio.Event()

    async def get(self, path, include_body=True):
        try:
            async with asyncio.timeout(0.05):
                await super().get(path, include_body)
        except TimeoutError:
            other = Path(self.root) / "other.txt"
            self.opened += [os.open(other, os.O_RDONLY) for _ in range(8)]
            await asyncio.wait_for(self.goes_on.wait(), 10)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    for name, size in SIZES.items():
        (root / f"{name}.txt").write_bytes(random.Random(size).randbytes(size))
    (root / "other.txt").write_bytes(b"OTHER" * (9 << 18))
    return root


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch):
    """Files that are kept in memory are not sent by the kernel."""
    monkeypatch.setattr(kept_files, "MAX_FILE_BYTES", 0)


@pytest.fixture
def kernel_sends(monkeypatch):
    """How many bytes went the short way."""
    sent = []
    send = iostream.BaseIOStream._write_file

    def note(self, fd, offset, count):
        sent.append(count)
        return send(self, fd, offset, count)

    monkeypatch.setattr(iostream.BaseIOStream, "_write_file", note)
    return sent


@pytest.fixture
async def connect(root):
    """``await connect(tls=...)``: a reader and a writer, connected to a server of those files."""
    kinds = {"kernel": web.StaticFileHandler, "read": Read, "noting": Noting, "overstated": Overstated, "impatient": Impatient}
    rules: list[Any] = [(f"/{name}/(.*)", kind, {"path": str(root)}) for name, kind in kinds.items()]
    started: list[HTTPServer] = []
    writers: list[asyncio.StreamWriter] = []

    async def connect(tls=False, **settings):
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_suffix(".key"))
        server = HTTPServer(web.Application(rules, **settings), ssl_options=context)
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        started.append(server)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(*sockets[0].getsockname(), limit=1 << 24, ssl=trusting if tls else None)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.transport.abort()
    for server in started:
        server.stop()
        await server.close_all_connections()


def request(path, *fields, method="GET", version="1.1"):
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: a", *fields, "", ""]).encode()


async def answer(reader, method="GET"):
    """Status and headers without the date, and the body."""
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = [line for line in head if not line.startswith("Date:")]
        length = next((int(line[15:]) for line in fields if line.startswith("Content-Length:")), 0)
        return fields, b"" if method == "HEAD" else await reader.readexactly(length)


def etag(root, name):
    return f'"{hashlib.sha512((root / name).read_bytes()).hexdigest()}"'


@pytest.mark.parametrize("name", SIZES)
async def test_both_ways_answer_alike(connect, root, name, kernel_sends, logs):
    size, path = SIZES[name], f"{name}.txt"
    tag = etag(root, path)
    shapes = [
        (),
        ("Range: bytes=0-",),
        ("Range: bytes=1-",),
        (f"Range: bytes={size // 3}-{size - 2}",),
        ("Range: bytes=-7",),
        (f"Range: bytes={size}-",),
        ("Range: bytes=5-10", f"If-Range: {tag}"),
        ("Range: bytes=5-10", 'If-Range: "another"'),
        (f"If-None-Match: {tag}",),
        ("Accept-Encoding: gzip",),
    ]
    reader, writer = await connect()
    for method in ("GET", "HEAD"):
        for fields in shapes:
            answers = []
            for kind in ("kernel", "read"):
                writer.write(request(f"/{kind}/{path}", *fields, method=method))
                answers.append(await answer(reader, method))
            assert answers[0] == answers[1], fields
    assert bool(kernel_sends) == (size >= LEAST_FOR_KERNEL)
    for _ in range(4):
        logs.take("tornado.access", "416")


async def test_content_is_that_of_the_file(connect, root):
    reader, writer = await connect()
    writer.write(request("/kernel/large.txt", "Range: bytes=1000-8999999"))
    fields, body = await answer(reader)
    assert fields[0] == "HTTP/1.1 206 Partial Content"
    assert body == (root / "large.txt").read_bytes()[1000:9_000_000]


async def test_requests_behind_a_large_file_are_answered_in_order(connect, root, kernel_sends):
    reader, writer = await connect()
    writer.write(request("/kernel/large.txt") + request("/kernel/small.txt") + request("/kernel/medium.txt"))
    for name in ("large.txt", "small.txt", "medium.txt"):
        assert (await answer(reader))[1] == (root / name).read_bytes()
    assert kernel_sends == [SIZES["large"], SIZES["medium"]]


async def test_http_1_0_closes_behind_the_file(connect, root, kernel_sends):
    reader, writer = await connect()
    writer.write(request("/kernel/large.txt", version="1.0"))
    head, _, body = (await asyncio.wait_for(reader.read(-1), 20)).partition(b"\r\n\r\n")
    assert b"Connection: close" not in head
    assert body == (root / "large.txt").read_bytes()
    assert kernel_sends == [SIZES["large"]]


async def test_a_slow_client_costs_no_memory(connect, root, kernel_sends):
    reader, writer = await connect()
    writer.transport.pause_reading()
    writer.write(request("/kernel/large.txt"))
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert kernel_sends == [SIZES["large"]]
    writer.transport.resume_reading()
    assert (await answer(reader))[1] == (root / "large.txt").read_bytes()


@pytest.mark.parametrize("name", ["small", "large"])
async def test_a_file_that_became_shorter_closes_the_connection(connect, root, logs, name):
    """Nothing is put in the place of what is missing, and no request is answered behind it."""
    reader, writer = await connect()
    writer.write(request(f"/overstated/{name}.txt") + request("/kernel/small.txt"))
    head, _, body = (await asyncio.wait_for(reader.read(-1), 20)).partition(b"\r\n\r\n")
    assert f"Content-Length: {SIZES[name] + 5}".encode() in head
    assert body == (root / f"{name}.txt").read_bytes()
    assert isinstance(logs.take("tornado.application", "Uncaught exception").exc_info[1], EOFError)
    logs.take("tornado.general", "Cannot send error response after headers written")
    logs.take("tornado.general", "Failed to flush partial response")


async def test_a_client_that_leaves_ends_the_request_like_any_other(connect, kernel_sends):
    Noting.finished.clear()
    reader, writer = await connect()
    writer.write(request("/noting/large.txt"))
    await reader.readexactly(100_000)
    assert Noting.finished == []
    writer.transport.abort()
    async with asyncio.timeout(10):
        while Noting.finished != ["large.txt"]:  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.001)
    assert kernel_sends == [SIZES["large"]]


@pytest.mark.parametrize("size", ["small.txt", "large.txt"])
async def test_every_response_is_finished_and_its_file_closed(connect, size):
    Noting.finished.clear()
    reader, writer = await connect()
    writer.write(request(f"/noting/{size}"))
    await answer(reader)
    descriptors = len(os.listdir("/dev/fd"))
    for _ in range(5):
        writer.write(request(f"/noting/{size}"))
        await answer(reader)
    writer.write(request("/noting/small.txt", method="HEAD"))
    await answer(reader, "HEAD")
    assert len(os.listdir("/dev/fd")) <= descriptors
    assert Noting.finished[:6] == [size] * 6


async def test_tls_has_to_be_read(connect, root, kernel_sends):
    reader, writer = await connect(tls=True)
    writer.write(request("/kernel/large.txt"))
    assert (await answer(reader))[1] == (root / "large.txt").read_bytes()
    assert kernel_sends == []


async def test_what_is_transformed_has_to_be_read(connect, kernel_sends):
    reader, writer = await connect(compress_response=True)
    writer.write(request("/kernel/large.txt", "Accept-Encoding: gzip"))
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert kernel_sends == []


async def test_an_id_in_the_head_leaves_the_body_to_the_kernel(connect, root, kernel_sends):
    reader, writer = await connect(transforms=[access_log.RequestId])
    writer.write(request("/kernel/large.txt", "X-Request-ID: one") + request("/kernel/small.txt", "X-Request-ID: two"))
    for name, given in (("large", "one"), ("small", "two")):
        head, body = await answer(reader)
        assert f"X-Request-Id: {given}" in head
        assert body == (root / f"{name}.txt").read_bytes()
    assert sum(kernel_sends) == SIZES["large"]


async def test_a_transform_that_builds_on_it_sees_the_body(connect, root, kernel_sends):
    class Upper(access_log.RequestId):
        def transform_first_chunk(self, status_code, headers, chunk, finishing):
            return super().transform_first_chunk(status_code, headers, chunk.swapcase(), finishing)

        def transform_chunk(self, chunk, finishing):
            return chunk.swapcase()

    reader, writer = await connect(transforms=[Upper])
    writer.write(request("/kernel/other.txt"))
    assert (await answer(reader))[1] == (root / "other.txt").read_bytes().swapcase()
    assert kernel_sends == []


@pytest.mark.parametrize("hook", ["write", "flush", "get_content"])
async def test_whoever_overrides_a_hook_sees_the_bytes(connect, root, kernel_sends, monkeypatch, hook):
    seen = []
    original = getattr(web.RequestHandler, hook, None) or web.StaticFileHandler.get_content.__func__

    def note(self, *args, **kwargs):
        seen.append(args)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(web.StaticFileHandler, hook, classmethod(note) if hook == "get_content" else note)
    reader, writer = await connect()
    writer.write(request("/kernel/large.txt"))
    assert (await answer(reader))[1] == (root / "large.txt").read_bytes()
    assert len(seen) >= 1
    assert kernel_sends == [] or hook == "get_content"  # what the original returns is still a file


async def test_a_file_that_the_kernel_refuses_is_read(connect, root, monkeypatch):
    def refuse(*args):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", refuse)
    reader, writer = await connect()
    writer.write(request("/kernel/large.txt", "Range: bytes=10-") + request("/kernel/small.txt"))
    assert (await answer(reader))[1] == (root / "large.txt").read_bytes()[10:]
    assert (await answer(reader))[1] == (root / "small.txt").read_bytes()


async def test_a_length_of_ones_own_is_still_checked(connect, root, logs, kernel_sends, monkeypatch):
    """A Content-Length that is too small for the file: it is not sent past the check."""
    original = web.StaticFileHandler._StaticFileHandler__send_content

    async def shorten(self, span, size, key):
        self.set_header("Content-Length", "10")
        await original(self, span, size, key)

    monkeypatch.setattr(web.StaticFileHandler, "_StaticFileHandler__send_content", shorten)
    reader, writer = await connect()
    writer.write(request("/kernel/large.txt"))
    assert (await asyncio.wait_for(reader.read(-1), 20)).partition(b"\r\n\r\n")[2] == b""
    assert kernel_sends == []
    logs.take("tornado.application", "Uncaught exception")
    logs.take("tornado.general", "Cannot send error response")


async def test_a_file_that_is_given_up_does_not_go_on_as_another_one(connect, root):
    """The client that reads slowly gets a beginning of what it asked for and the end of its connection, nothing else."""
    reader, writer = await connect()
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    writer.write(b"GET /impatient/large.txt HTTP/1.1\r\nHost: a\r\n\r\n")
    try:
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()
            while not Impatient.opened:  # noqa: ASYNC110 - a handler fills it
                await asyncio.sleep(0.01)
            writer.transport.resume_reading()
            received = await reader.read(5 << 20)
            while len(received) < 9 << 20 and (piece := await reader.read(1 << 20)):
                received += piece
    finally:
        Impatient.goes_on.set()
        while Impatient.opened:
            os.close(Impatient.opened.pop())
    content = (root / "large.txt").read_bytes()
    assert len(received) < len(content)
    assert content.startswith(received)
