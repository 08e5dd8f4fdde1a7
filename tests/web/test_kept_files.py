"""Files that are kept in memory are answered with as though each had been opened and read."""

import asyncio
import mimetypes
import os
import re
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tornadolike import iostream, web
from tornadolike._web import kept_files
from tornadolike.httpserver import HTTPServer

SETTLED_SECONDS = 0.02
pytestmark = pytest.mark.skipif(os.name != "posix", reason="nothing is kept elsewhere")


def quiet(*_: Any) -> None:
    """Nothing goes to the log."""


class Plain(web.StaticFileHandler):
    log_exception = quiet


class Decorated(Plain):
    """Has a hook that many have."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("X-Path", path)


class Undecorated(Plain):
    """Has one that does nothing."""

    def set_extra_headers(self, path: str) -> None:
        pass


def reading(kind: type[web.StaticFileHandler]) -> type[web.StaticFileHandler]:
    """The same, but each file is opened and read for each request."""

    def get_content(cls: Any, abspath: str, start: int | None = None, end: int | None = None) -> Any:
        return super(reader, cls).get_content(abspath, start, end)

    reader: Any = type(f"Reading{kind.__name__}", (kind,), {"get_content": classmethod(get_content)})
    return reader  # type: ignore[no-any-return]


class Site:
    """A directory, and what may become of it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "root"
        (self.root / "sub").mkdir(parents=True)
        (base / "out").mkdir()
        (base / "out" / "a.txt").write_bytes(b"outside")
        for name in ("a.txt", "b.html", "sub/index.html"):
            self.rewrite(name, b"first")
        self.link(base / "root" / "a.txt")

    def rewrite(self, name: str, content: bytes) -> None:
        """In place; as long as before for most of the contents that are used."""
        path = self.root / name
        if path.is_dir() or (path.is_symlink() and not path.exists()):
            return
        with path.open("wb") as file:
            file.write(content)

    def replace(self, name: str, content: bytes) -> None:
        (self.base / "new").write_bytes(content)
        if not (self.root / name).is_dir():
            os.replace(self.base / "new", self.root / name)

    def keep_times(self, name: str, content: bytes) -> None:
        """Another content, of the same time of modification."""
        path = self.root / name
        if path.is_file():
            before = path.stat()
            path.write_bytes(content)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def touch(self, name: str) -> None:
        if (self.root / name).is_file():
            os.utime(self.root / name, (1_000_000_000, 1_000_000_000))

    def delete(self, name: str) -> None:
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def link(self, target: Path, name: str = "link.txt") -> None:
        self.delete(name)
        (self.root / name).symlink_to(target)

    def become_directory(self, name: str) -> None:
        self.delete(name)
        (self.root / name).mkdir()

    def swap_directory(self) -> None:
        """``sub`` leads elsewhere, or comes back."""
        sub, aside = self.root / "sub", self.base / "aside"
        if sub.is_symlink():
            sub.unlink()
            aside.rename(sub)
        elif sub.is_dir():
            sub.rename(aside)
            sub.symlink_to(self.base / "out")

    def pause(self) -> None:
        time.sleep(SETTLED_SECONDS + 0.01)


# Most as long as what is there in the beginning.
contents = st.sampled_from([b"first", b"other", b"third", b"other", b"third", b"", b"longer than the first", b"large" * 20_000])


def changes(name: str) -> st.SearchStrategy[tuple[Any, ...]]:
    """What may become of a file, mostly of that name."""
    return st.one_of(
        st.tuples(st.sampled_from(["rewrite", "replace", "keep_times"]), st.sampled_from([name, name, "a.txt"]), contents),
        st.tuples(st.sampled_from(["touch", "delete", "become_directory"]), st.just(name)),
        st.sampled_from([("link", "root/a.txt"), ("link", "root/b.html"), ("link", "out/a.txt"), ("link", "none"), ("swap_directory",)]),
        st.just(("reset",)),
    )


def requests(name: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.tuples(
        st.sampled_from(["GET"] * 6 + ["HEAD", "POST"]),
        st.sampled_from([name] * 8 + ["sub/index.html", "sub/a.txt", "sub", "sub/", "none", f"./{name}", f"{name}?v=1"]),
        st.sampled_from(
            [""] * 6
            + ["Range: bytes=1-3", "Range: bytes=9-", "If-None-Match: *", 'If-None-Match: "1"', "Range: bytes=1-3\r\nIf-Range: x"]
            + ["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"]
            + ["Connection: close", "Content-Type: text/plain", "Accept-Encoding: gzip"]
        ),
        st.sampled_from(["1.1"] * 4 + ["1.0"]),
    )


def rounds(name: str) -> st.SearchStrategy[tuple[Any, ...]]:
    """A request that may lead to a file being kept, at once or when it is at rest, a change or two, and what is said then."""
    before = st.tuples(st.just("GET"), st.just(name), st.just(""), st.just("1.1"))
    rest = st.sampled_from([("pause",), ("pause",), ("go on",)])
    return st.tuples(rest, before, changes(name), requests(name), changes(name), requests(name))


ASKED = ("GET", "a.txt", "", "1.1")
ASKED_LINK = ("GET", "link.txt", "", "1.1")
steps = st.lists(st.sampled_from(["a.txt", "a.txt", "b.html", "link.txt"]).flatmap(rounds), min_size=1, max_size=4).map(
    lambda found: [step for steps in found for step in steps]
)


def wire(method: str, path: str, field: str, version: str) -> bytes:
    lines = [f"{method} /s/{path} HTTP/{version}", "Host: a", *([field] if field else []), "", ""]
    return "\r\n".join(lines).encode()


async def answer(application: web.Application, data: bytes) -> bytes:
    """What is said to a request, and to one behind it, without what depends on the time."""
    ours, theirs = socket.socketpair()
    server = HTTPServer(application)
    server.handle_stream(iostream.IOStream(ours), ("192.0.2.1", 1))
    theirs.setblocking(False)
    said = b""
    with theirs:
        theirs.send(data + b"GET /s/end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while piece := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 65536), 10):
            said += piece
    await server.close_all_connections()
    return re.sub(rb"(Date|Expires): [^\r]+", rb"\1: then", said)


def sites(base: Path, kind: type[web.StaticFileHandler], **options: Any) -> tuple[web.Application, web.Application]:
    """One application as it is, and one that reads each file each time."""

    def site(kind: type[web.StaticFileHandler], **settings: Any) -> web.Application:
        rules: list[Any] = [("/s/(.*)", kind, {"path": str(base / "root"), "default_filename": "index.html", **options})]
        return web.Application(rules, log_function=quiet, **settings)

    return site(kind), site(reading(kind))


async def compare(course: list[tuple[Any, ...]], kind: type[web.StaticFileHandler], outside: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory))
        site.pause()
        kept, read = sites(site.base, kind, **({"allowed_symlink_directory": directory} if outside else {}))
        for step in course:
            if len(step) == 4:
                for _ in range(2):
                    # The first time it may be kept, the second time it may be there.
                    assert await answer(kept, wire(*step)) == await answer(read, wire(*step))
            elif step[0] == "go on":
                pass
            elif step[0] == "reset":
                web.StaticFileHandler.reset()
            elif step[0] == "link":
                site.link(site.base / step[1])
            else:
                getattr(site, step[0])(*step[1:])


@pytest.mark.parametrize("kind", [Plain, Decorated])
@given(course=steps, outside=st.booleans())
@example(course=[ASKED, ("keep_times", "a.txt", b"other"), ASKED], outside=False)
@example(course=[ASKED, ("replace", "a.txt", b"other"), ASKED, ("pause",), ASKED, ("delete", "a.txt"), ASKED], outside=False)
@example(course=[("link", "out/a.txt"), ASKED_LINK, ("link", "root/a.txt"), ASKED_LINK, ("link", "out/a.txt"), ASKED_LINK], outside=False)
@example(course=[ASKED_LINK, ("link", "root/b.html"), ASKED_LINK, ("link", "out/a.txt"), ASKED_LINK], outside=False)
@settings(max_examples=15, deadline=None)
def test_what_is_kept_is_what_would_be_read(kind: type[web.StaticFileHandler], course: list[tuple[Any, ...]], outside: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_files, "SETTLED_SECONDS", SETTLED_SECONDS)
        asyncio.run(compare(course, kind, outside))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(kept_files, "SETTLED_SECONDS", SETTLED_SECONDS)
    web.StaticFileHandler.reset()
    site = Site(tmp_path)
    site.pause()
    return site


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were opened to be read."""
    paths: list[str] = []
    really = os.open

    def note(path: Any, *args: Any, **kwargs: Any) -> int:
        paths.append(os.path.basename(path))
        return really(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", note)
    return paths


@pytest.mark.parametrize("kind", [web.StaticFileHandler, Decorated])
async def test_a_file_that_is_kept_is_not_opened(site: Site, opened: list[str], kind: type[web.StaticFileHandler]) -> None:
    kept, _ = sites(site.base, kind)
    said = [await answer(kept, wire("GET", "a.txt", field, "1.1")) for field in ("", "", "Range: bytes=0-1", "Connection: close")]
    assert opened.count("a.txt") == 2  # for its version, and for what is in it
    assert said[0] == said[1]
    site.rewrite("a.txt", b"other")
    assert b"\r\n\r\nother" in await answer(kept, wire("GET", "a.txt", "", "1.1"))
    assert opened.count("a.txt") == 4  # both again


@pytest.mark.parametrize("kind", [web.StaticFileHandler, Decorated])
async def test_a_change_that_shows_nowhere_is_seen_in_the_end(
    site: Site, opened: list[str], kind: type[web.StaticFileHandler], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, _ = sites(site.base, kind)
    await answer(kept, wire("GET", "a.txt", "", "1.1"))
    monkeypatch.setattr(kept_files, "MAX_AGE_SECONDS", 0)
    for count in (3, 4):
        await answer(kept, wire("GET", "a.txt", "", "1.1"))
        assert opened.count("a.txt") == count


async def test_a_file_that_was_just_changed_is_not_kept(site: Site, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_files, "SETTLED_SECONDS", 1000)
    kept, _ = sites(site.base, web.StaticFileHandler)
    for count in (2, 3, 4):
        await answer(kept, wire("GET", "a.txt", "", "1.1"))
        assert opened.count("a.txt") == count


async def test_nothing_is_kept_where_versions_are_not(site: Site, opened: list[str]) -> None:
    kept, _ = sites(site.base, web.StaticFileHandler)
    kept.settings["static_hash_cache"] = False
    for count in (2, 4, 6):
        await answer(kept, wire("GET", "a.txt", "", "1.1"))
        assert opened.count("a.txt") == count


async def test_many_names_of_a_file_are_kept_once(site: Site) -> None:
    kept, _ = sites(site.base, web.StaticFileHandler)
    for dots in range(1, 20):
        assert b"first" in await answer(kept, wire("GET", "./" * dots + "a.txt", "", "1.1"))
    assert len(web._kept_files._files) == 1


async def test_a_type_that_is_added_later(site: Site) -> None:
    site.rewrite("c.kept", b"first")
    site.pause()
    kept, _ = sites(site.base, web.StaticFileHandler)
    ask = wire("GET", "c.kept", "", "1.1")
    assert b"Content-Type: application/octet-stream" in await answer(kept, ask)
    assert b"Content-Type: application/octet-stream" in await answer(kept, ask)
    mimetypes.add_type("text/x-kept", ".kept")
    assert b"Content-Type: text/x-kept" in await answer(kept, ask)


HOOKS = [
    *("get", "parse_url_path", "get_absolute_path", "validate_absolute_path", "get_content", "get_content_version", "get_content_size"),
    *("get_content_type", "get_modified_time", "get_cache_time", "compute_etag", "set_headers", "set_extra_headers", "set_header"),
    *(
        "set_etag_header",
        "check_etag_header",
        "should_return_304",
        "set_status",
        "write",
        "flush",
        "finish",
        "_get_cached_version",
        "_stat",
    ),
]


@pytest.mark.parametrize("name", HOOKS)
async def test_whoever_overrides_a_hook_is_asked(site: Site, name: str) -> None:
    """As often, and in the same order, as when nothing is kept."""
    calls: list[str] = []

    class Noting(Plain):
        pass

    def note(name: str) -> None:
        raw = next(vars(base)[name] for base in Plain.__mro__ if name in vars(base))
        inner = getattr(raw, "__func__", raw)

        def step(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return inner(*args, **kwargs)

        setattr(Noting, name, type(raw)(step) if isinstance(raw, (classmethod, staticmethod)) else step)

    note(name)
    application, _ = sites(site.base, Noting)
    plain, _ = sites(site.base, Plain)
    asked = wire("GET", "a.txt", "", "1.1")
    await answer(application, asked)
    calls.clear()
    said = await answer(application, asked)
    usual, calls[:] = list(calls), []
    for _ in range(2):
        await answer(plain, asked)
    assert web._kept_files._files
    assert await answer(application, asked) == said
    assert calls == usual


async def test_a_hook_of_one_request_is_asked(site: Site) -> None:
    class Own(Plain):
        def prepare(self) -> None:
            self.get_content_type = lambda: "text/x-own"  # type: ignore[method-assign]

    application, _ = sites(site.base, Own)
    for _ in range(3):
        assert b"Content-Type: text/x-own" in await answer(application, wire("GET", "a.txt", "", "1.1"))


@pytest.mark.parametrize("name", ["set_header", "set_etag_header", "check_etag_header", "write", "flush"])
async def test_an_inherited_hook_that_is_replaced_on_the_class_is_asked(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    application, _ = sites(site.base, web.StaticFileHandler)
    asked = wire("GET", "a.txt", "", "1.1")
    counts = []
    for kept in (True, False):
        calls: list[str] = []
        original = getattr(web.RequestHandler, name)

        def step(*args: Any, calls: list[str] = calls, original: Any = original, **kwargs: Any) -> Any:
            calls.append(name)
            return original(*args, **kwargs)

        web.StaticFileHandler.reset()
        if kept:
            await answer(application, asked)
            await answer(application, asked)
            assert web._kept_answers._answers
        with monkeypatch.context() as patch:
            patch.setattr(web.StaticFileHandler, name, step)
            await answer(application, asked)
        counts.append(len(calls))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", ["prepare", "_execute", "decode_argument", "set_default_headers", "get"])
async def test_a_hook_that_a_replaced_step_sets_on_a_handler_is_asked(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    application, _ = sites(site.base, web.StaticFileHandler)
    asked = wire("GET", "a.txt", "", "1.1")
    await answer(application, asked)
    original = getattr(web.StaticFileHandler, name)

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.get_content_type = lambda: "text/x-own"
        return original(self, *args, **kwargs)

    for owner in (web.RequestHandler, web.StaticFileHandler):
        if name != "get" or owner is web.StaticFileHandler:
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, step)
                assert b"Content-Type: text/x-own" in await answer(application, asked)
        assert b"Content-Type: text/plain" in await answer(application, asked)


async def test_what_is_seen_afterwards(site: Site) -> None:
    seen: list[Any] = []

    class Looking(Plain):
        def on_finish(self) -> None:
            if self.path == "a.txt":
                fields = {name: value for name, value in self._headers.get_all() if name not in ("Date", "Expires")}
                seen.append((self.get_status(), fields, self.modified, self.absolute_path, self._headers_written, self.get_content_size()))

    application, _ = sites(site.base, Looking)
    for _ in range(3):
        await answer(application, wire("GET", "a.txt?v=1", "", "1.1"))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][1]["Content-Length"] == "5"
    assert seen[0][1]["Cache-Control"] == "max-age=315360000"
