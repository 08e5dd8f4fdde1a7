"""Static files: ranges, conditions, names that must not be served, redirects."""

# ruff: noqa: E501 - rows of tables; names are looked up when the call is made

import os
import tempfile
from pathlib import Path
from typing import Any

from tornado import web

from compat_suite.differential.applications import Echo, application
from compat_suite.differential.conversation import talk
from compat_suite.differential.scenario import add, outcome

_MODIFIED = 1_600_000_000
_FILES = {
    "file.txt": b"0123456789", "empty.txt": b"", "page.html": b"<html>", "dir/index.html": b"index", "dir/other.css": b"css", "script.js": b"js", "data.json": b"{}", "image.png": b"png", "archive.tar.gz": b"gz",
    "noextension": b"none", "sp ace.txt": b"space", "\u00e9.txt": b"accent", "x.unknownkind": b"u", "big.bin": bytes(range(256)) * 1024, "robots.txt": b"robots", "favicon.ico": b"ico", ".hidden": b"hidden", "a.svg": b"<svg/>", "b.bz2": b"b", "c.xz": b"x", "m.mjs": b"m", "w.wasm": b"w",
}  # fmt: skip


def _fill(directory: str) -> Path:
    root = Path(directory, "root")
    for name, content in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (_MODIFIED, _MODIFIED))
    (Path(directory) / "secret.txt").write_bytes(b"secret")
    (Path(directory) / "root-sibling").mkdir()
    (Path(directory) / "root-sibling" / "s.txt").write_bytes(b"sibling")
    (root / "link.txt").symlink_to(root / "file.txt")
    (root / "out.txt").symlink_to(Path(directory) / "secret.txt")
    (root / "nowhere.txt").symlink_to(root / "missing")
    os.mkfifo(root / "fifo")
    return root


async def _ask(line: bytes, headers: tuple[bytes, ...], options: dict[str, Any], settings: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory(prefix="compat_scenario") as directory:
        root = str(_fill(directory))
        os.chdir(directory)  # some messages show relative paths
        app = application((r"/s/(.*)", web.StaticFileHandler, {"path": root, **options}), (r"/e", Echo), static_path=root, **settings)
        try:
            return await talk(app, [b"\r\n".join([line + b" HTTP/1.1", b"Host: h", *headers, b"", b""])])
        finally:
            os.chdir("/")


def static(name: str, line: bytes, *headers: bytes, options: dict[str, Any] | None = None, settings: dict[str, Any] | None = None) -> None:
    add(f"static/{name}", lambda: _ask(line, headers, options or {}, settings or {}))


for _name in (
    b"file.txt", b"empty.txt", b"page.html", b"script.js", b"data.json", b"image.png", b"archive.tar.gz", b"noextension", b"sp%20ace.txt", b"%C3%A9.txt", b"x.unknownkind", b".hidden", b"a.svg", b"b.bz2", b"c.xz",
    b"m.mjs", b"w.wasm", b"missing", b"dir", b"dir/", b"dir/index.html", b"../secret.txt", b"..%2fsecret.txt", b"%2e%2e/secret.txt", b"../root-sibling/s.txt", b"/etc/passwd", b"//etc/passwd", b"file.txt/", b"file.txt/x",
    b"dir/../file.txt", b"./file.txt", b"link.txt", b"out.txt", b"nowhere.txt", b"fifo", b"", b"file.txt%00", b"file%2etxt", b"..\\secret.txt", b"%ff", b"file.txt?v=1", b"dir//other.css", b"..", b"../", b"a" * 300, b"dir%2Fother.css",
    b"FILE.TXT", b"file.txt::$DATA", b"../root", b"../root/", b"dir?x", b"%2e%2e%2froot%2ffile.txt",
):  # fmt: skip
    static(f"GET {_name[:40]!r}", b"GET /s/" + _name)
    static(f"HEAD {_name[:40]!r}", b"HEAD /s/" + _name)
    static(f"default_filename {_name[:40]!r}", b"GET /s/" + _name, options={"default_filename": "index.html"})
for _line in (
    b"POST /s/file.txt",
    b"DELETE /s/file.txt",
    b"OPTIONS /s/file.txt",
    b"PUT /s/missing",
    b"GET /static/file.txt",
    b"GET /robots.txt",
    b"GET /favicon.ico",
    b"GET /static/../secret.txt",
    b"GET /other",
):
    static(f"{_line!r}", _line)
static("static_url_prefix", b"GET /f/file.txt", settings={"static_url_prefix": "/f/"})

for _range in (
    b"bytes=0-4", b"bytes=5-", b"bytes=-3", b"bytes=0-", b"bytes=0-9", b"bytes=0-100", b"bytes=9-9", b"bytes=10-", b"bytes=10-20", b"bytes=4-2", b"bytes=-0", b"bytes=-100", b"bytes=", b"bytes=-", b"bytes=a-b",
    b"bytes=0-1,3-4", b"bytes 0-1", b"Bytes=0-1", b"chars=0-1", b"bytes=0-0", b" bytes=0-1", b"bytes = 0-1", b"bytes=0 - 1", b"bytes=+1-2", b"bytes=1_0-", b"bytes=--1", b"bytes=\xb2-", b"bytes=0-1;", b"=0-1", b"bytes=99999999999999999999-", b"bytes=-9", b"bytes=-10", b"bytes=-11",
):  # fmt: skip
    for _name in (b"file.txt", b"empty.txt"):
        static(f"range {_range!r} of {_name!r}", b"GET /s/" + _name, b"Range: " + _range)
    static(f"range {_range!r}, HEAD", b"HEAD /s/file.txt", b"Range: " + _range)
static("range of a large file", b"GET /s/big.bin", b"Range: bytes=70000-200000")
static("large file", b"GET /s/big.bin")
_ETAG = b'"781e5e245d69b566979b86e28d23f2c7"'
for _condition in (
    b"If-Modified-Since: Sun, 13 Sep 2020 12:26:40 GMT", b"If-Modified-Since: Sun, 13 Sep 2020 12:26:39 GMT", b"If-Modified-Since: Sun, 13 Sep 2020 12:26:41 GMT", b"If-Modified-Since: nonsense", b"If-Modified-Since: ",
    b"If-Modified-Since: Sunday, 13-Sep-20 12:26:40 GMT", b"If-Modified-Since: Sun Sep 13 12:26:40 2020", b"If-Modified-Since: Sun, 13 Sep 2020 14:26:40 +0200", b"If-Modified-Since: Sun, 13 Sep 2020 12:26:40", b"If-Modified-Since: Sun, 99 Sep 2020 12:26:40 GMT",
    b"If-Modified-Since: Sun, 13 Sep 99999 12:26:40 GMT", b"If-None-Match: *", b'If-None-Match: "x"', b"If-None-Match: W/*", b'If-None-Match: "87acec17cd9dcd20a716cc2cf67417b71c8a7016"', b'If-None-Match: W/"87acec17cd9dcd20a716cc2cf67417b71c8a7016"',
    b"If-Unmodified-Since: Sun, 13 Sep 2020 12:26:39 GMT", b"If-Match: " + _ETAG, b'If-Range: "x"', b'If-None-Match: "x"\r\nIf-Modified-Since: Sun, 13 Sep 2020 12:26:40 GMT', b"If-Modified-Since: 0", b"If-Modified-Since: -1",
):  # fmt: skip
    static(f"condition {_condition!r}"[:90], b"GET /s/file.txt", _condition)
    static(f"condition, HEAD {_condition!r}"[:90], b"HEAD /s/file.txt", _condition)
    static(f"condition with range {_condition!r}"[:90], b"GET /s/file.txt", _condition, b"Range: bytes=1-2")
static("compressed", b"GET /s/page.html", b"Accept-Encoding: gzip", settings={"compress_response": True})
static("compressed range", b"GET /s/big.bin", b"Accept-Encoding: gzip", b"Range: bytes=0-3000", settings={"compress_response": True})
static("symlink allowed", b"GET /s/out.txt", settings={"allowed_symlink_directory": "/"})
static("symlinks allowed", b"GET /s/out.txt", settings={"allowed_symlink_directories": ["/"]})


async def _urls() -> Any:
    with tempfile.TemporaryDirectory(prefix="compat_scenario") as directory:
        root = str(_fill(directory))
        settings = {"static_path": root}
        make = web.StaticFileHandler.make_static_url
        web.StaticFileHandler.reset()
        found = [make(settings, name) for name in ("file.txt", "missing", "dir/other.css", "empty.txt", "file.txt")]
        found += [make(settings, "file.txt", include_version=False), make({**settings, "static_url_prefix": "/x/"}, "file.txt")]
        found.append(outcome(make, settings, "../secret.txt"))
        paths = [web.StaticFileHandler.parse_url_path(web.StaticFileHandler, "a/b/c")]  # type: ignore[arg-type]
        return [found, paths, web.StaticFileHandler.get_content_version(os.path.join(root, "file.txt"))]


add("static/urls", _urls)
