"""The package itself: its two versions, and its modules on demand."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tornadolike

# Modules that Tornado has not; some need packages of their extra.
BEYOND_TORNADO = {"access_log", "asgi", "gunicorn", "hub", "limits", "metrics", "sessions", "sse", "uploads"}


def test_versions() -> None:
    assert tornadolike.version == "6.6.1"
    assert tornadolike.version_info[:3] == (6, 6, 1)
    assert re.fullmatch(r"\d+\.\d+\.\d+", tornadolike.__version__)


def test_modules_are_imported_when_looked_up() -> None:
    assert tornadolike.escape is importlib.import_module("tornadolike.escape")
    with pytest.raises(AttributeError, match="module 'tornadolike' has no attribute 'nowhere'"):
        _ = tornadolike.nowhere


def test_what_a_star_brings() -> None:
    package = Path(tornadolike.__file__).parent
    modules = {path.stem for path in package.glob("*.py")} | {"platform"}
    public = {name for name in modules if not name.startswith("_")}
    assert len(tornadolike.__all__) == len(set(tornadolike.__all__))
    assert public - set(tornadolike.__all__) == {"websocket", "wsgi"} | BEYOND_TORNADO


def _printed(program: str, *arguments: str) -> object:
    """What a process of its own prints, read as JSON."""
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


_NOT_FOR_HANDLERS = {
    *("html", "csv", "gettext", "glob", "random", "concurrent.futures.thread", "encodings.idna"),
    *("http.client", "email", "http.cookies", "mimetypes", "hashlib", "hmac"),
    *("h11", "httptools", "wsproto", "tornadolike._web.signing", "tornadolike._http.multipart"),
}


def test_importing_web_does_not_import_what_only_requests_need() -> None:
    loaded = _printed(
        "import json, sys; before = set(sys.modules); import tornadolike.web; print(json.dumps([*set(sys.modules) - before]))"
    )
    assert isinstance(loaded, list)
    assert "tornadolike.web" in loaded
    assert not _NOT_FOR_HANDLERS.intersection(loaded)


@pytest.mark.parametrize("name", ["mimetypes", "hashlib", "hmac"])
def test_modules_that_web_imports_late_are_there(name: str) -> None:
    program = f"""
import json, sys, tornadolike.web
late = {name!r} not in sys.modules
print(json.dumps([late, tornadolike.web.{name} is sys.modules[{name!r}]]))
"""
    assert _printed(program) == [True, True]


def test_modules_that_web_imports_late_can_be_replaced_without_an_application() -> None:
    program = """
import json
from unittest import mock
from tornadolike import web
handler = object.__new__(web.StaticFileHandler)
handler.absolute_path = "a.html"
ordinary = handler.get_content_type()
with mock.patch("tornadolike.web.mimetypes") as double:
    double.guess_type.return_value = "a/b", None
    print(json.dumps([ordinary, handler.get_content_type()]))
"""
    assert _printed(program) == ["text/html", "a/b"]


_SERVING = r"""
import asyncio, json, sys
from tornadolike import _http, _web, httputil, web

class Everything(web.RequestHandler):
    def get(self):
        self.set_cookie("a", "b", expires_days=1)
        self.set_signed_cookie("c", "d")
        self.get_cookie("e")
        self.get_argument("f")
        self.xsrf_token
        self.locale
        self.set_status(203)

    def post(self):
        self.get_body_argument("g")

async def main(directory):
    handlers = [("/", Everything), ("/static/(.*)", web.StaticFileHandler, {"path": directory}), ("/r", web.RedirectHandler, {"url": "/"})]
    application = web.Application(handlers, cookie_secret="secret", log_function=lambda handler: None)
    server = application.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(request, status):
        writer.write(request.replace("\n", "\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert f" {status} ".encode() in head, head
        size = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        await reader.readexactly(int(size[0].partition(b":")[2]) if size else 0)

    await ask("PUT / HTTP/1.1\nHost: x\nContent-Length: 0\n\n", 405)  # the parser is loaded by the first one
    before = set(sys.modules)
    late = (_http, _http.grammar, _web, httputil)
    assert not any("__getattr__" in vars(module) for module in late)  # it would slow down the look-ups of requests
    await ask("GET /?f=1 HTTP/1.1\nHost: x\nCookie: e=1\nAccept-Language: es\n\n", 203)
    await ask("GET /static/file.txt HTTP/1.1\nHost: x\nRange: bytes=0-1\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\n\n", 200)
    await ask("GET /static/file.txt HTTP/1.1\nHost: x\nRange: bytes=0-1\nIf-None-Match: a\n\n", 206)
    await ask("GET /nowhere HTTP/1.1\nHost: x\n\n", 404)
    await ask("GET /r HTTP/1.1\nHost: x\n\n", 301)
    form = '--b\nContent-Disposition: form-data; name="g"\n\n1\n--b--\n'
    size = len(form) + form.count("\n")
    await ask(f"POST / HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=b\nContent-Length: {size}\n\n{form}", 200)
    print(json.dumps(sorted(set(sys.modules) - before)))
    writer.close()

asyncio.run(main(sys.argv[1]))
"""


def test_requests_import_nothing(tmp_path: Path) -> None:
    """A server may have no file descriptor left, or another root directory, by the time they come."""
    (tmp_path / "file.txt").write_text("text", encoding="utf-8")
    assert _printed(_SERVING, str(tmp_path)) == []


def test_a_star_brings_what_is_set_late() -> None:
    program = "import json; from tornadolike.httputil import *; import http.client; print(json.dumps(responses is http.client.responses))"
    assert _printed(program) is True


@pytest.mark.parametrize("name", ["_web", "_http", "_http.grammar", "httputil"])
def test_no_module_has_every_name(name: str) -> None:
    module = importlib.import_module(f"tornadolike.{name}")
    with pytest.raises(AttributeError, match=f"module 'tornadolike.{name}' has no attribute 'nowhere'"):
        _ = module.nowhere


def test_a_thread_resolves_a_name_while_the_program_is_being_imported(tmp_path: Path) -> None:
    """It imports the codec for that, which must not wait for the module whose import waits for the thread."""
    (tmp_path / "program.py").write_text(
        "from tornadolike.ioloop import IOLoop\nfrom tornadolike.netutil import ThreadedResolver\n"
        "answer = IOLoop.current().run_sync(lambda: ThreadedResolver().resolve('127.0.0.1', 80), timeout=30)\n",
        encoding="utf-8",
    )
    program = "import json, sys; sys.path.insert(0, sys.argv[1]); import program; print(json.dumps(program.answer))"
    assert _printed(program, str(tmp_path)) == [[2, ["127.0.0.1", 80]]]
