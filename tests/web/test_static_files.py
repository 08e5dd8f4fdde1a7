"""Files: which, how much of them, and whether at all."""

import asyncio
import datetime as dt
import hashlib
import os
from pathlib import Path
from unittest import mock

import pytest

from tornadolike import httputil, web

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "static"
    (root / "sub").mkdir(parents=True)
    (root / "file.bin").write_bytes(CONTENT)
    (root / "empty.txt").write_bytes(b"")
    (root / "sub" / "index.html").write_text("<p>index</p>")
    (root / "a.tar.gz").write_bytes(b"gz")
    (root / "b.txt.bz2").write_bytes(b"bz")
    (tmp_path / "static-secret").mkdir()
    (tmp_path / "static-secret" / "key").write_text("secret")
    (tmp_path / "outside.txt").write_text("outside")
    web.StaticFileHandler.reset()
    return root


@pytest.fixture
def files(root, ask):
    async def files(uri, headers=(), method="GET", handler=web.StaticFileHandler, pattern="/s/(.*)", **kwargs):
        app = web.Application([(pattern, handler, {"path": str(root), **kwargs})])
        return await ask(app, uri, headers=dict(headers), method=method)

    return files


@pytest.fixture(autouse=True)
def _errors_are_logged(logs):
    yield
    logs.records = [r for r in logs.records if r.name != "tornado.access"]


async def test_a_whole_file(files, root):
    answer = await files("/s/file.bin")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Length"] == "1024"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Etag"] == f'"{hashlib.sha512(CONTENT).hexdigest()}"'
    modified = dt.datetime.fromtimestamp(int((root / "file.bin").stat().st_mtime), dt.UTC)
    assert answer.headers["Last-Modified"] == httputil.format_timestamp(modified)
    assert "Cache-Control" not in answer.headers


async def test_head_and_empty_files(files):
    answer = await files("/s/file.bin", method="HEAD")
    assert (answer.body, answer.headers["Content-Length"]) == (b"", "1024")
    answer = await files("/s/empty.txt")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


async def test_large_files_go_in_pieces(files, root):
    (root / "large").write_bytes(b"x" * 600_000)
    answer = await files("/s/large")
    assert [len(piece) for piece in answer.pieces if piece] == [262144, 262144, 75712]


async def test_versions_are_cached_for_ever(files):
    answer = await files("/s/file.bin?v=1")
    assert answer.headers["Cache-Control"] == "max-age=315360000"
    assert "Expires" in answer.headers


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.tar.gz", "application/gzip"),
        ("b.txt.bz2", "application/octet-stream"),
        ("file.bin", "application/octet-stream"),
        ("empty.txt", "text/plain"),
    ],
)
async def test_content_types(files, name, kind):
    assert (await files("/s/" + name)).headers["Content-Type"] == kind


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, 1024),
        ("bytes=-10", 1014, 1024),
        ("bytes=1023-", 1023, 1024),
        ("bytes=1000-5000", 1000, 1024),
        ("bytes=0-0", 0, 1),
    ],
)
async def test_ranges(files, asked, start, end):
    answer = await files("/s/file.bin", {"Range": asked})
    assert (answer.status, answer.body) == (206, CONTENT[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/1024"
    assert answer.headers["Content-Length"] == str(end - start)
    head = await files("/s/file.bin", {"Range": asked}, method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (206, b"", str(end - start))


@pytest.mark.parametrize(
    "asked", ["bytes=0-", "bytes=0-1023", "bytes=-1024", "bytes=-5000", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes=5-1-2", ""]
)
async def test_ranges_that_are_the_whole_or_make_no_sense(files, asked):
    answer = await files("/s/file.bin", {"Range": asked})
    assert (answer.status, answer.body) == (200, CONTENT)
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=2000-3000", "bytes=-0"])
async def test_ranges_that_are_not_there(files, asked):
    answer = await files("/s/file.bin", {"Range": asked})
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == "bytes */1024"
    assert (await files("/s/empty.txt", {"Range": "bytes=0-5"})).status == 416


async def test_ghsa_7f5h_v6xp_fcq8_a_range_header_costs_no_more_than_its_length(files):
    """CVE-2025-62727 / GHSA-7f5h-v6xp-fcq8 (starlette): many ranges are not parsed one against the other."""
    answer = await files("/s/file.bin", {"Range": "bytes=" + ",".join(["0-1"] * 20000)})
    assert answer.status == 200


async def test_if_none_match(files):
    etag = (await files("/s/file.bin")).headers["Etag"]
    for header in (etag, "W/" + etag, '"x", ' + etag, "*"):
        answer = await files("/s/file.bin", {"If-None-Match": header})
        assert (answer.status, answer.body, answer.headers["Etag"]) == (304, b"", etag)
        assert "Content-Type" not in answer.headers
    assert (await files("/s/file.bin", {"If-None-Match": '"x"', "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})).status == 200


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("Fri, 01 Jan 2100 00:00:00 GMT", 304),
        ("Fri, 01 Jan 2100 00:00:00 -0000", 304),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("garbage", 200),
        ("Thu, 32 Jan 1970", 200),
    ],
)
async def test_if_modified_since(files, since, status):
    assert (await files("/s/file.bin", {"If-Modified-Since": since})).status == status


async def test_if_range(files):
    first = await files("/s/file.bin")
    for validator, status in (
        (first.headers["Etag"], 206),
        (first.headers["Last-Modified"], 206),
        ('"other"', 200),
        ("W/" + first.headers["Etag"], 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("garbage", 200),
    ):
        answer = await files("/s/file.bin", {"Range": "bytes=1-2", "If-Range": validator})
        assert (answer.status, answer.body) == (status, CONTENT[1:3] if status == 206 else CONTENT), validator
    # A range that is not there does not matter either, once the validator fails.
    assert (await files("/s/file.bin", {"Range": "bytes=5000-", "If-Range": '"other"'})).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/s/nothing", 404),
        ("/s/sub", 403),
        ("/s/sub/", 403),
        ("/s/../outside.txt", 403),
        ("/s/%2e%2e%2foutside.txt", 403),
        ("/s/sub/../../outside.txt", 403),
        ("/s//etc/passwd", 403),
        ("/s/%2Fetc%2Fpasswd", 403),
        ("/s/x%00y", 404),
    ],
)
async def test_paths_that_lead_nowhere_good(files, logs, path, status):
    answer = await files(path)
    assert answer.status == status
    assert b"outside" not in answer.body
    if status == 403:
        logs.take("tornado.general", "403 GET .*(is not in root static directory|is not a file)")


async def test_static_secret_is_no_part_of_static_4_2_1(files, logs):
    """Fixed in 4.2.1: a sibling directory whose name begins like the root (also starlette's CVE-2023-29159)."""
    answer = await files("/s/../static-secret/key")
    assert (answer.status, b"secret" in answer.body) == (403, False)
    logs.take("tornado.general", "is not in root static directory")


async def test_default_filename(files):
    answer = await files("/s/sub", default_filename="index.html")
    assert (answer.status, answer.headers["Location"]) == (301, "/s/sub/")
    assert (await files("/s/sub/", default_filename="index.html")).text == "<p>index</p>"
    assert (await files("/s/file.bin", default_filename="index.html")).status == 200


async def test_ghsa_hj3f_6gcp_jg8j_no_open_redirect(files, root, logs):
    """GHSA-hj3f-6gcp-jg8j / CVE-2023-28370: the slash of a directory must not make a URL of another host."""
    (root.parent / "static" / "evil.test").mkdir()
    for uri in ("//evil.test", f"/{root}/sub", "/\\evil.test/..%2Fsub"):
        answer = await files(uri, default_filename="index.html", pattern="/(.*)")
        assert answer.status in (403, 404), uri
    logs.records.clear()
    (root / "x").mkdir()
    answer = await files("//sub", default_filename="index.html", pattern="//(.*)")
    assert answer.status == 403
    logs.take("tornado.general", "cannot redirect path with two initial slashes")


async def test_symlinks_6_5_9(files, root, logs):
    """Fixed in 6.5.9: links out of the root are refused unless allowed, also as default file and by way of directories."""
    (root / "in").symlink_to(root / "file.bin")
    (root / "out").symlink_to(root.parent / "outside.txt")
    (root / "outdir").symlink_to(root.parent / "static-secret")
    (root / "d").mkdir()
    (root / "d" / "index.html").symlink_to(root.parent / "outside.txt")
    assert (await files("/s/in")).status == 200
    for uri in ("/s/out", "/s/outdir/key", "/s/d/"):
        answer = await files(uri, default_filename="index.html")
        assert (answer.status, answer.body.count(b"outside") + answer.body.count(b"secret")) == (403, 0)
        logs.take("tornado.general", "is not in root static directory")
    assert (await files("/s/out", allowed_symlink_directory=str(root.parent))).text == "outside"
    both = [str(root), str(root.parent / "static-secret")]
    assert (await files("/s/outdir/key", allowed_symlink_directory=both)).text == "secret"
    assert (await files("/s/out", allowed_symlink_directory=both)).status == 403
    logs.take("tornado.general", "is not in root static directory")


async def test_what_a_path_leads_to_is_looked_at_for_each_request(files, root, logs):
    """Although it is remembered where a path led the last time."""
    path, outside = root / "file.bin", root.parent / "outside.txt"
    for _ in range(2):
        assert (await files("/s/file.bin")).status == 200
        path.rename(root / "kept")
        assert (await files("/s/file.bin")).status == 404
        path.symlink_to(outside)
        assert (await files("/s/file.bin")).status == 403
        assert (await files("/s/file.bin", allowed_symlink_directory=str(root.parent))).text == "outside"
        assert (await files("/s/file.bin")).status == 403
        path.unlink()
        path.mkdir()
        assert (await files("/s/file.bin")).status == 403
        path.rmdir()
        (root / "kept").rename(path)
    for _ in range(6):
        logs.take("tornado.general", "^403 GET")


async def test_a_root_that_leads_elsewhere_from_now_on(ask, root, tmp_path):
    """As deployments do: a link that is moved from one release to the next."""
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "file.bin").write_bytes(b"second")
    app = web.Application([("/s/(.*)", web.StaticFileHandler, {"path": str(tmp_path / "current")})])
    for target, content in [(root, CONTENT), (tmp_path / "second", b"second"), (root, CONTENT)]:
        (tmp_path / "current").unlink(missing_ok=True)
        (tmp_path / "current").symlink_to(target)
        answer = await ask(app, "/s/file.bin")
        assert (answer.status, answer.body) == (200, content)


async def test_a_root_that_is_a_symlink(ask, root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    app = web.Application([("/(.*)", web.StaticFileHandler, {"path": str(tmp_path / "link")})])
    assert (await ask(app, "/file.bin")).body == CONTENT


async def test_fifos_and_devices_are_no_files_6_6_0(files, root, logs):
    """Fixed in 6.6.0: opening a FIFO would block the loop for ever; static_url must not either."""
    os.mkfifo(root / "fifo")
    assert (await files("/s/fifo")).status == 403
    logs.take("tornado.general", "fifo is not a file")
    assert web.StaticFileHandler.make_static_url({"static_path": str(root)}, "fifo") == "/static/fifo"
    logs.take("tornado.general", "Could not open static file")


def test_static_url_does_not_read_outside_of_the_root_6_6_0(root):
    """Fixed in 6.6.0: whoever chooses the argument of static_url learned hashes of any file."""
    for path in ("../outside.txt", "/etc/passwd", "../static-secret/key"):
        with pytest.raises(web.HTTPError) as caught:
            web.StaticFileHandler.make_static_url({"static_path": str(root)}, path)
        assert caught.value.status_code == 403


def test_ntfs_streams_6_6_1(root, monkeypatch):
    """Fixed in 6.6.1, Windows only: a.txt::$DATA is a.txt under a name with another type."""
    monkeypatch.setattr(web.os, "name", "nt")
    with pytest.raises(web.HTTPError) as caught:
        web.StaticFileHandler._check_in_root(str(root), str(root / "file.bin::$DATA"), "x")
    assert caught.value.status_code == 403


# ---- versions


class Versioned(web.StaticFileHandler):
    _static_hashes: dict = {}
    reads = 0

    @classmethod
    def get_content_version(cls, abspath):
        cls.reads += 1
        return super().get_content_version(abspath)


async def test_static_urls(ask, root):
    class Page(web.RequestHandler):
        def get(self):
            self.write(self.static_url("file.bin", include_version=bool(self.get_argument("v", ""))))
            if self.get_argument("host", ""):
                self.include_host = True
                self.write(self.static_url("x y"))
                self.write(self.static_url("x y", include_host=False))

    settings = {"static_path": str(root), "static_url_prefix": "/st/"}
    app = web.Application([("/", Page)], **settings)
    version = hashlib.sha512(CONTENT).hexdigest()
    assert (await ask(app, "/?v=1")).text == f"/st/file.bin?v={version}"
    assert (await ask(app)).text == "/st/file.bin"
    (root / "x y").write_text("1")
    assert "http://example.test/st/x y?v=" in (await ask(app, "/?host=1")).text
    assert (await ask(app, "/st/file.bin")).body == CONTENT
    (root / "robots.txt").write_text("robots")
    assert (await ask(app, "/robots.txt")).text == "robots"


async def test_static_url_needs_a_path(ask, logs):
    class Page(web.RequestHandler):
        def get(self):
            self.static_url("x")

    assert (await ask(Page)).status == 500
    assert "You must define the 'static_path' setting" in str(logs.take("tornado.application", "Uncaught").exc_info[1])


def test_versions_are_remembered_and_forgotten(root, monkeypatch, logs):
    Versioned.reset()
    monkeypatch.setattr(Versioned, "MAX_CACHED_VERSIONS", 2)
    settings = {"static_path": str(root)}
    for name in ("file.bin", "file.bin", "empty.txt", "file.bin", "missing", "file.bin"):
        Versioned.get_version(settings, name)
    logs.take("tornado.general", r"Could not open static file .*missing.*: HTTP 404: Not Found$")
    assert Versioned.reads == 3
    assert [os.path.basename(path) for path in Versioned._static_hashes] == ["missing", "file.bin"]
    Versioned.reset()
    assert Versioned._static_hashes == {}


async def test_too_large_for_a_version(files, monkeypatch, logs):
    monkeypatch.setattr(web.StaticFileHandler, "MAX_VERSION_CONTENT_SIZE", 1000)
    answer = await files("/s/file.bin")
    assert (answer.body, "Etag" in answer.headers) == (CONTENT, False)
    logs.take("tornado.general", r"larger than MAX_VERSION_CONTENT_SIZE \(1000 bytes\)")


async def test_hash_cache_can_be_off(ask, root):
    app = web.Application(static_path=str(root), static_hash_cache=False)
    first = (await ask(app, "/static/file.bin")).headers["Etag"]
    (root / "file.bin").write_bytes(b"changed")
    assert (await ask(app, "/static/file.bin")).headers["Etag"] != first


# ---- things that are no files


async def test_content_from_elsewhere(ask):
    class Made(web.StaticFileHandler):
        def initialize(self):
            super().initialize(path="")

        @classmethod
        def get_absolute_path(cls, root, path):
            return path

        def validate_absolute_path(self, root, absolute_path):
            return absolute_path

        @classmethod
        def get_content(cls, abspath, start=None, end=None):
            return b"0123456789"[start:end]

        def get_content_size(self):
            return 10

        def get_modified_time(self):
            return None

        def set_extra_headers(self, path):
            self.set_header("X-Path", path)

    app = web.Application([("/(.*)", Made)])
    answer = await ask(app, "/name", headers={"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})
    assert (answer.body, answer.headers["X-Path"]) == (b"0123456789", "name")
    assert answer.headers["Etag"] == f'"{hashlib.sha512(b"0123456789").hexdigest()}"'
    assert "Last-Modified" not in answer.headers
    assert (await ask(app, "/name", headers={"Range": "bytes=2-4"})).body == b"234"


async def test_a_mocked_connection_is_written_to(tmp_path: Path) -> None:
    """It says that it is an instance of what its ``spec`` says, but sends no files."""
    (tmp_path / "a.txt").write_bytes(b"content" * 100_000)
    connection = mock.Mock(spec=httputil.HTTPConnection)
    written: list[bytes] = []

    def take(*arguments: object) -> asyncio.Future[None]:
        written.extend(one for one in arguments if isinstance(one, bytes))
        taken = asyncio.get_running_loop().create_future()
        taken.set_result(None)
        return taken

    connection.write_headers.side_effect = connection.write.side_effect = take
    line = httputil.RequestStartLine("GET", "/a.txt", "HTTP/1.1")
    request = httputil.HTTPServerRequest(start_line=line, headers=httputil.HTTPHeaders({"Host": "h"}), connection=connection)
    handler = web.StaticFileHandler(web.Application(), request, path=str(tmp_path))
    handler._transforms = []
    await handler.get("a.txt")
    handler.finish()
    assert b"".join(written) == b"content" * 100_000
