"""The programs of the "How do I …?" pages, of the settings and of the reference do what their pages say."""

import asyncio
import io
import json
import logging
import logging.config
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tornadolike
from tornadolike import netutil, web
from tornadolike.httpclient import AsyncHTTPClient

DOCS = Path(tornadolike.__file__).parent.parent / "docs"
Samples = Callable[[str], SimpleNamespace]


async def test_cors(samples: Samples, serve: Any, logs: Any) -> None:
    page = samples("howto/cors.md")
    own, other = "https://app.example.com", "https://evilapp.example.com"
    async with serve(page.app) as fetch:
        answer = await fetch("/items/7", headers={"Origin": own})
        assert json.loads(answer.body) == {"item": 7}
        assert (answer.headers["Access-Control-Allow-Origin"], answer.headers["Vary"]) == (own, "Origin")
        answer = await fetch("/items/7", headers={"Origin": other})
        assert ("Access-Control-Allow-Origin" in answer.headers, answer.headers["Vary"]) == (False, "Origin")
        asked = await fetch("/items/7", method="OPTIONS", headers={"Origin": own, "Access-Control-Request-Method": "PUT"})
        assert (asked.code, asked.headers["Access-Control-Allow-Origin"]) == (204, own)
        assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
        refused = await fetch("/items/7", method="POST", body="", headers={"Origin": own})
        assert (refused.code, refused.headers["Access-Control-Allow-Origin"]) == (405, own)
    logs.take("tornado.access", "405 POST")


def test_logging_is_configured() -> None:
    text = "\n".join(
        re.findall(r"^```python\n(.*?)^```$", (DOCS / "howto" / "logging.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    )
    text += (
        "\nlogging.config.dictConfig(CONFIG)\n"
        "logging.getLogger('shop').info('seen')\nlogging.getLogger('shop').debug('unseen')\n"
        "logging.getLogger('tornado.access').warning('unseen')\nlogging.getLogger('tornado.general').warning('seen, too')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parent), "TORNADOLIKE_AS_TORNADO": "0"}
    command = [sys.executable, "-c", "import tornadolike; tornadolike.install_as_tornado()\n" + text]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert [re.sub(r"\d+", "0", line) for line in lines] == ["[I 0 0:0:0 <string>:0] seen", "[W 0 0:0:0 <string>:0] seen, too"]


async def test_logging_of_slow_requests(samples: Samples, serve: Any, logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = samples("howto/logging.md")
    async with serve(page.make_app()) as fetch:
        await fetch("/")
        monkeypatch.setattr(tornadolike.httputil.HTTPServerRequest, "request_time", lambda request: 0.7)
        await fetch("/")
    assert logs.take("shop.slow", "took").getMessage() == "/ took 0.7 s"


async def test_shutdown(samples: Samples) -> None:
    page = samples("howto/shutdown.md")
    told, sockets = asyncio.Event(), netutil.bind_sockets(0, "127.0.0.1")
    serving = asyncio.create_task(page.serve(sockets, told))
    client = AsyncHTTPClient(force_instance=True)
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
    assert (await client.fetch(url)).body == b"stored"
    running = asyncio.ensure_future(client.fetch(url))
    entered = asyncio.Event()
    original = page.Report.prepare

    def prepare(handler: Any) -> None:
        entered.set()
        original(handler)

    page.Report.prepare = prepare
    await entered.wait()
    told.set()
    assert (await running).body == b"stored"
    assert await serving is True
    client.close()
    loop = asyncio.get_running_loop()
    for number in (2, 15):
        loop.remove_signal_handler(number)


async def test_gunicorn(samples: Samples, serve: Any) -> None:
    async with serve(samples("howto/gunicorn.md").app) as fetch:
        assert (await fetch("/")).body == b"welcome"


def test_pytest(tmp_path: Path) -> None:
    """The page's tests pass as they stand, with the page's configuration."""
    text = (DOCS / "howto" / "pytest.md").read_text(encoding="utf-8")
    (tmp_path / "test_it.py").write_text("\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        "\n".join(re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)), encoding="utf-8"
    )
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parent), "TORNADOLIKE_AS_TORNADO": "1"}
    (tmp_path / "sitecustomize.py").write_text("import tornadolike; tornadolike.install_as_tornado()", encoding="utf-8")
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(DOCS.parent)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_pytest_has_samples(samples: Samples) -> None:
    assert callable(samples("howto/pytest.md").make_app)


async def test_context(samples: Samples, serve: Any) -> None:
    page = samples("howto/context.md")
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(page.AddId())
    handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        async with serve(page.app) as fetch:
            answers = await asyncio.gather(*(fetch(f"/price/{n}", headers={"X-Request-ID": f"r{n}"}) for n in range(5)))
            assert [json.loads(answer.body)["id"] for answer in answers] == [f"r{n}" for n in range(5)]
            assert re.fullmatch("[0-9a-f]{8}", (await fetch("/price/x")).headers["X-Request-ID"])
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    lines = text.getvalue().splitlines()
    assert sorted(lines[:5]) == [f"r{n} looking for the price of {n}" for n in range(5)]
    assert page.request_id.get() == "-"


async def test_typing(samples: Samples, serve: Any, logs: Any) -> None:
    async with serve(samples("howto/typing.md").app) as fetch:
        assert json.loads((await fetch("/books/1")).body) == {"title": "Ulysses", "language": "en"}
        assert (await fetch("/books/2")).code == 404
    logs.take("tornado.general", "no book 2")
    logs.take("tornado.access", "404")


async def test_tracing(samples: Samples, serve: Any, logs: Any) -> None:
    page = samples("howto/tracing.md")
    async with serve(page.app) as fetch:
        assert (await fetch("/broken")).code == 500
    assert list(page.seconds) == [("Broken", 500)]
    assert [str(error) for error in page.reported] == ["no idea"]
    logs.take("tornado.application", "Uncaught exception")


async def test_debugging(samples: Samples, serve: Any) -> None:
    page = samples("howto/debugging.md")
    async with serve(page.app) as fetch:
        sleeping = asyncio.ensure_future(fetch("/sleep?seconds=1"))
        text = ""
        async with asyncio.timeout(20):
            while "Sleeper.get, line" not in text:
                text = (await fetch("/tasks")).body.decode()
        await sleeping


async def test_settings(samples: Samples, serve: Any) -> None:
    page = samples("settings.md")
    async with serve(page.make_app("secret")) as fetch:
        assert json.loads((await fetch("/")).body) == {"shop": "Corner shop"}


def settings_in(source: str) -> set[str]:
    """The names that a module's code (not its comments) looks up in settings."""
    found = set(re.findall(r"settings(?:\.get\(|\[|\.setdefault\()\"([a-z_]+)\"", source))
    return found | set(re.findall(r"\"([a-z_]+)\" in (?:self\.)?settings", source))


def test_every_setting_is_on_the_page() -> None:
    described = set(re.findall(r"`([a-z_]+)`", (DOCS / "settings.md").read_text(encoding="utf-8")))
    package = Path(tornadolike.__file__).parent
    used: set[str] = set()
    for module in ("web", "websocket", "sessions", "uploads"):
        with tokenize.open(package / f"{module}.py") as file:
            used |= settings_in(file.read())
    assert len(used) > 30
    assert used - described - {"gzip"} == set()  # Tornado's old name of compress_response


def test_every_public_name_of_web_is_on_its_page() -> None:
    """The page groups them, so that one that is new could be forgotten."""
    text = (DOCS / "reference" / "web.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^ *\.\. auto\w+:: (?:tornadolike\.web\.)?([\w.]+)", text, re.MULTILINE))
    grouped = (web.RequestHandler,)
    for name, value in vars(web).items():
        if not name.startswith("_") and isinstance(value, type) and value.__module__ == web.__name__:
            assert name in listed, name
    for owner in grouped:
        for name, value in vars(owner).items():
            if not name.startswith("_") and (callable(value) or isinstance(value, property | classmethod | staticmethod)):
                assert f"{owner.__name__}.{name}" in listed, name


def test_the_house_of_compat_suite_names_every_part() -> None:
    page = (DOCS / "design" / "compat_suite.md").read_text(encoding="utf-8")
    suite = DOCS.parent / "compat_suite"
    if not suite.is_dir():
        pytest.skip("needs the checkout")
    parts = [path for path in suite.iterdir() if (path.is_dir() and (path / "__init__.py").exists()) or path.suffix == ".py"]
    assert len(parts) > 15
    assert [path.stem for path in parts if path.stem != "__init__" and path.stem not in page] == []
