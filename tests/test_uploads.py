"""Forms whose files go to disk while they come."""

import asyncio
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from tornadolike import httputil, uploads

HEAD = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=B\r\n"


class Upload(uploads.UploadHandler):
    max_file_size = 5000
    max_field_size = 100
    max_total_size = 20_000
    max_files = 2
    seen: list[tuple[int, int | None]] = []
    ended = 0

    async def post(self) -> None:
        await asyncio.sleep(0)
        files = [[one.name, one.filename, one.content_type, one.size, begin(one.path)] for one in self.uploads]
        if self.get_argument("keep", None):
            self.uploads[0].move_to(os.path.join(self.settings["upload_dir"], "kept"))
        self.write({"title": self.get_body_argument("title", ""), "files": files})

    def get(self) -> None:
        self.write("form")

    def progress(self, received: int, total: int | None) -> None:
        Upload.seen.append((received, total))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish(f"own page {status_code}")


def begin(path: str) -> str:
    with open(path, encoding="latin-1") as file:
        return file.read(5)


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def file(content: bytes, name: bytes = b"f", filename: bytes = b"a.txt") -> bytes:
    return b'--B\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\nContent-Type: text/plain\r\n\r\n%b\r\n' % (
        name,
        filename,
        content,
    )


def field(name: bytes, value: bytes) -> bytes:
    return b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name, value)


@pytest.fixture
def site(serve: Any, tmp_path: Path) -> Any:
    made = serve([("/", Upload)])
    made.server.request_callback.settings["upload_dir"] = str(tmp_path)
    Upload.seen = []
    return made


async def post(site: Any, body: bytes, path: bytes = b"/", head: bytes = HEAD) -> tuple[bytes, bytes]:
    client = await site.client()
    client.send(head % path + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return await client.response()  # type: ignore[no-any-return]


async def test_files_go_to_disk_and_fields_are_arguments(site: Any, tmp_path: Path) -> None:
    body = field(b"title", "Bücher".encode()) + file(b"hello" * 900) + file(b"", b"g", b"../../etc/passwd") + b"--B--"
    head, answer = await post(site, body)
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(answer) == {
        "title": "Bücher",
        "files": [["f", "a.txt", "text/plain", 4500, "hello"], ["g", "../../etc/passwd", "text/plain", 0, ""]],
    }
    assert Upload.seen[-1] == (len(body), len(body))
    await site.until(lambda: names(tmp_path) == [])


async def test_what_is_moved_stays(site: Any, tmp_path: Path) -> None:
    await post(site, file(b"hello") + b"--B--", b"/?keep=1")
    assert names(tmp_path) == ["kept"]
    assert begin(str(tmp_path / "kept")) == "hello"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (file(b"x" * 5001) + b"--B--", 413),
        (field(b"title", b"x" * 101) + b"--B--", 413),
        (file(b"x") * 3 + b"--B--", 413),
        (file(b"x" * 4000) * 2 + b"x" * 12_000 + b"--B--", 413),
        (b"no form", 400),
        (file(b"x"), 400),
        (b"--B\r\nContent-Disposition: attachment\r\n\r\n\r\n--B--", 400),
    ],
)
async def test_what_is_too_large_or_malformed_is_refused(site: Any, logs: Any, tmp_path: Path, body: bytes, status: int) -> None:
    head, answer = await post(site, body)
    assert head.split()[1] == b"%d" % status
    assert answer == b"own page %d" % status
    for record in list(logs.records):
        assert record.name in ("tornado.general", "tornado.access")
        logs.records.remove(record)
    await site.until(lambda: names(tmp_path) == [])


async def test_a_refusal_does_not_wait_for_the_body(site: Any, logs: Any) -> None:
    client = await site.client()
    client.send(HEAD % b"/" + b"Content-Length: 1000000\r\n\r\n")
    assert (await client.response())[0].startswith(b"HTTP/1.1 413")
    logs.take("tornado.access", "413 POST")
    client = await site.client()
    client.send(HEAD % b"/" + b"Content-Length: 19000\r\n\r\n" + file(b"x" * 6000))
    assert (await client.response())[0].startswith(b"HTTP/1.1 413")
    logs.take("tornado.general", "f is larger than allowed")
    logs.take("tornado.access", "413 POST")


async def test_other_types(site: Any, logs: Any) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    assert (await post(site, b"{}", head=head))[0].startswith(b"HTTP/1.1 415")
    logs.take("tornado.access", "415")
    client = await site.client()
    client.get("/")
    assert (await client.response())[1] == b"form"


async def test_a_client_that_leaves_leaves_nothing(site: Any, tmp_path: Path) -> None:
    client = await site.client()
    client.send(HEAD % b"/" + b"Content-Length: 10000\r\n\r\n" + file(b"x" * 2000)[:1500])
    await site.until(lambda: names(tmp_path))
    client.reset()
    await site.until(lambda: names(tmp_path) == [])


async def test_in_pieces_that_need_no_time_and_some_that_do(serve: Any, tmp_path: Path, monkeypatch: Any) -> None:
    class Chatty(uploads.UploadHandler):
        upload_dir = str(tmp_path)
        waited: list[bool] = []

        async def data_received(self, chunk: bytes) -> None:
            wanted = super().data_received(chunk)
            self.waited.append(not (isinstance(wanted, asyncio.Future) and wanted.done()))
            await wanted

        def post(self) -> None:
            self.write({"sizes": [one.size for one in self.uploads], "same": [content(one) == expected for one in self.uploads]})

    def content(one: Any) -> bytes:
        return Path(one.path).read_bytes()

    monkeypatch.setattr(uploads, "_WRITE_BYTES", 150_000)
    site = serve([("/", Chatty)])
    expected = os.urandom(500_000)
    body = file(expected) + file(expected, b"g") + b"--B--"
    _, answer = await post(site, body)
    assert json.loads(answer) == {"sizes": [500_000, 500_000], "same": [True, True]}
    assert set(Chatty.waited) == {True, False}
    await site.until(lambda: names(tmp_path) == [])


async def test_a_body_where_none_is_wanted(serve: Any) -> None:
    class Deletes(uploads.UploadHandler):
        def delete(self) -> None:
            self.write("deleted")

    client = await serve([("/", Deletes)]).client()
    client.send(b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
    assert (await client.response())[1] == b"deleted"


class Told(httputil.MultipartDelegate):
    """Notes what it is told, in time of its own."""

    def __init__(self, slow: bool) -> None:
        self.slow = slow
        self.told: list[Any] = []

    def _note(self, what: Any) -> Any:
        if not self.slow:
            self.told.append(what)
            return None
        return self._later(what)

    async def _later(self, what: Any) -> None:
        await asyncio.sleep(0)
        self.told.append(what)

    def part_started(self, name: str, filename: str | None, headers: httputil.HTTPHeaders) -> Any:
        return self._note((name, filename, headers.get("Content-Type")))

    def part_data_received(self, chunk: bytes) -> Any:
        return self._note(chunk)

    def part_finished(self) -> Any:
        return self._note("end")


@pytest.mark.parametrize("slow", [False, True])
async def test_the_parser_tells_in_order(slow: bool) -> None:
    delegate = Told(slow)
    parser = httputil.StreamingMultipartFormDataParser.from_content_type('multipart/form-data; boundary="B"', delegate)
    for piece in (field(b"a", b"1") + file(b"hel"), b"x", file(b"") + b"--B--"):
        wanted = parser.data_received(piece)
        assert (wanted is not None) is slow
        if wanted is not None:
            await wanted
    parser.finish()
    ends = [("a", None, None), b"1", "end", ("f", "a.txt", "text/plain"), b"hel"]
    assert delegate.told[:5] == ends
    assert delegate.told[-1] == "end"


def test_the_parser_refuses() -> None:
    make = httputil.StreamingMultipartFormDataParser
    with pytest.raises(httputil.HTTPInputError, match="Invalid content type"):
        make.from_content_type("text/plain; boundary=B", Told(False))
    with pytest.raises(httputil.HTTPInputError, match="boundary not found"):
        make.from_content_type("multipart/form-data", Told(False))
    with pytest.raises(httputil.HTTPInputError, match="disabled"):
        make(b"B", Told(False), config=httputil.ParseMultipartConfig(enabled=False))
    parser = make(b"B", Told(False))
    with pytest.raises(httputil.HTTPInputError, match="missing name"):
        parser.data_received(b"--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n")
    with pytest.raises(httputil.HTTPInputError, match="no final boundary"):
        make(b"B", Told(False)).finish()


async def test_a_large_upload_takes_no_memory(serve: Any, tmp_path: Path) -> None:
    class Large(uploads.UploadHandler):
        upload_dir = str(tmp_path)
        max_file_size = 4 * 1024**3

        def post(self) -> None:
            self.write(str(self.uploads[0].size))

    megabytes = int(os.environ.get("UPLOAD_MEGABYTES", "64"))
    site = serve([("/", Large)])
    client = await site.client()
    begin, end = file(b"")[:-2], b"\r\n--B--"
    size = megabytes * 2**20
    client.send(HEAD % b"/" + b"Content-Length: %d\r\n\r\n" % (len(begin) + size + len(end)) + begin)
    piece = os.urandom(2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(megabytes):
        client.send(piece)
        await client.writer.drain()
    client.send(end)
    assert (await client.response())[1] == b"%d" % size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 * 1024  # KiB
    await site.until(lambda: names(tmp_path) == [])
