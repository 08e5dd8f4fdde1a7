"""Code samples of the documentation, as modules, and applications from them, served on a free port."""

import importlib.util
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

import tornadolike
from tornadolike.httpclient import AsyncHTTPClient
from tornadolike.httpserver import HTTPServer
from tornadolike.netutil import bind_sockets
from tornadolike.web import Application

DOCS = Path(tornadolike.__file__).parent.parent / "docs"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Samples say `tornado`; within this process the real one may be imported too, so they are given ours by its own name.
_TORNADO = re.compile(r"(?<![\"'\w.])tornado(?=[.\s])|tornado(?=\.curl_httpclient\.)")

Fetch = Callable[..., Any]
Serve = Callable[[Application], AbstractAsyncContextManager[Fetch]]


@pytest.fixture(scope="session")
def program() -> Callable[[str], ModuleType]:
    """Imports a program of the documentation by its path below ``docs``; they are in no package."""

    def load(path: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(Path(path).stem, DOCS / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


class Sample(NamedTuple):
    """One sample: the page, the line where it begins, its text."""

    page: Path
    line: int
    text: str


def read_samples(page: Path, language: str) -> list[Sample]:
    """The samples of one language on a page. Python's are given our names."""
    text = page.read_text(encoding="utf-8")
    found = [Sample(page, text.count("\n", 0, match.start(2)), match[2]) for match in _FENCE.finditer(text) if match[1] == language]
    return [sample._replace(text=_TORNADO.sub("tornadolike", sample.text)) for sample in found] if language == "python" else found


@pytest.fixture
def all_samples() -> Callable[[str], list[Sample]]:
    """All samples of one language, on all pages that are written by hand."""

    def read(language: str) -> list[Sample]:
        return [sample for page in sorted(DOCS.rglob("*.md")) for sample in read_samples(page, language)]

    return read


@pytest.fixture
def samples() -> Callable[[str], SimpleNamespace]:
    """Runs the Python samples of a page, one after the other in one namespace, and gives that."""

    def run(name: str) -> SimpleNamespace:
        page, namespace = DOCS / name, {"__name__": "sample"}
        for sample in read_samples(page, "python"):
            if not sample.text.startswith(">>>"):
                exec(compile("\n" * sample.line + sample.text, str(page), "exec"), namespace)
        return SimpleNamespace(**namespace)

    return run


@pytest.fixture
def serve() -> Serve:
    """Serves an application while a ``with`` block runs; gives a function that fetches paths from it."""

    @asynccontextmanager
    async def serving(app: Application) -> AsyncIterator[Fetch]:
        listener = bind_sockets(0, "127.0.0.1")
        server, client = HTTPServer(app), AsyncHTTPClient(force_instance=True)
        server.add_sockets(listener)
        port = listener[0].getsockname()[1]

        def fetch(path: str, **options: Any) -> Any:
            return client.fetch(f"http://127.0.0.1:{port}{path}", **{"raise_error": False, **options})

        fetch.port = port  # type: ignore[attr-defined]  # for those who speak something else
        try:
            yield fetch
        finally:
            server.stop()
            await server.close_all_connections()
            client.close()

    return serving
