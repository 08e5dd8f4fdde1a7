"""Every code sample of the documentation runs, and does what the page says."""

import asyncio
import configparser
import doctest
import hashlib
import io
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tornadolike
from tornadolike import __main__ as command_line
from tornadolike import gen, locks, sse
from tornadolike.httpserver import HTTPServer
from tornadolike.hub import RedisBroker
from tornadolike.netutil import bind_sockets

DOCS = Path(tornadolike.__file__).parent.parent / "docs"
Samples = Callable[[str], SimpleNamespace]


async def test_handlers(samples: Samples, serve: Any, logs: Any) -> None:
    page = samples("guide/handlers.md")
    async with serve(page.app) as fetch:
        assert (await fetch("/hello/Ada")).body == b"Hello, Ada!"
        assert (await fetch("/hello/Ada?end=?")).body == b"Hello, Ada?"
        assert json.loads((await fetch("/sum", method="POST", body="[1, 2, 4]")).body) == {"sum": 7}
    assert page.app.reverse_url("hello", "Ada") == "/hello/Ada"
    async with serve(page.api) as fetch:
        assert json.loads((await fetch("/books/1")).body) == {"title": "Ulysses"}
        assert json.loads((await fetch("/books/2")).body) == {"error": "No such book", "status": 404}
        assert json.loads((await fetch("/films")).body) == {"error": "Not Found", "status": 404}
    logs.take("tornado.general", "no book 2")
    for path in ("/books/2", "/films"):
        logs.take("tornado.access", path)


async def test_cookies_files_and_blocking_work(samples: Samples, serve: Any) -> None:
    page = samples("guide/handlers.md")
    async with serve(page.site) as fetch:
        first = await fetch("/home")
        assert first.body.startswith(b"visit 1, style at /static/style.css?v=")
        again = await fetch("/", headers={"Cookie": "visits=1"})
        assert again.body.startswith(b"visit 2")
        assert (await fetch(again.body.decode().rpartition(" ")[2])).body == b"body { margin: 0 }"
    async with serve(page.digests) as fetch:
        assert (await fetch("/", method="POST", body=b"abc")).body == hashlib.sha256(b"abc").hexdigest().encode()


async def test_asgi(samples: Samples, serve: Any) -> None:
    pytest.importorskip("fastapi", reason="the extra `hosts` is not installed")
    import httpx
    import httpx_ws
    import httpx_ws.transport

    logging.getLogger("httpx").setLevel(logging.WARNING)
    page = samples("asgi.md")
    await page.open_place(page.old)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page.asgi), base_url="http://shop") as client:
        assert (await client.get("/")).text == "Hello from here"
    await page.close_place(page.old)
    transport = httpx_ws.transport.ASGIWebSocketTransport(page.asgi)
    async with httpx.AsyncClient(transport=transport) as client, httpx_ws.aconnect_ws("http://shop/clock", client) as clock:
        await clock.send_text("now")
        assert "T" in await clock.receive_text()
    async with serve(page.site) as fetch:
        assert json.loads((await fetch("/api/me")).body) == {"user": None}
        cookie = (await fetch("/login", method="POST", body="name=Ada")).headers["Set-Cookie"].partition(";")[0]
        assert json.loads((await fetch("/api/me", headers={"Cookie": cookie})).body) == {"user": "Ada"}
    async with serve(page.moving) as fetch:
        assert json.loads((await fetch("/films/7")).body) == {"film": 7, "by": "FastAPI"}
        assert json.loads((await fetch("/books/7")).body) == {"book": "7", "by": "a handler"}


async def test_running(samples: Samples, serve: Any) -> None:
    page = samples("running.md")
    server = HTTPServer(page.app)
    server.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /ticker HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"0\n")
    assert await asyncio.wait_for(server.drain(20), 10) is True  # the ticker was told
    writer.close()


async def test_observing(samples: Samples, serve: Any, capsys: Any) -> None:
    pytest.importorskip("prometheus_client", reason="the extra `metrics` is not installed")
    page = samples("observing.md")
    async with serve(page.app) as fetch:
        answer = await fetch("/", headers={"X-Request-ID": "one"})
        assert (answer.body, answer.headers["X-Request-ID"]) == (b"Hello, one", "one")
    page.app.settings["log_function"].flush()  # lines that follow one another closely are written together
    assert json.loads(capsys.readouterr().out)["request_id"] == "one"
    async with serve(page.measured) as fetch:
        await fetch("/hello")
        metrics = (await fetch("/metrics")).body.decode()
    labels = 'error_type="",http_request_method="GET",http_response_status_code="200",http_route="/hello",url_scheme="http"'
    assert f"http_server_request_duration_seconds_count{{{labels}}} 1.0" in metrics
    text = (DOCS / "observing.md").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", text, re.MULTILINE):
        assert all(one in metrics for one in name)


async def test_uploads_deadlines_and_rates(samples: Samples, serve: Any, logs: Any) -> None:
    pytest.importorskip("limits", reason="the extra `limits` is not installed")
    page = samples("guide/uploads.md")
    part = '--B\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    body = part.format("title", "", "Two") + part.format("f", '; filename="a"', "abc") + part.format("f", '; filename="b"', "") + "--B--"
    form: dict[str, Any] = {"method": "POST", "body": body, "headers": {"Content-Type": "multipart/form-data; boundary=B"}}
    async with serve(page.app) as fetch:
        assert json.loads((await fetch("/upload", **form)).body) == {"title": "Two", "bytes": [3, 0]}
    assert sorted(os.listdir(page.incoming)) == ["file-0", "file-1"]
    shutil.rmtree(page.incoming)
    async with serve(page.sums) as fetch:
        assert json.loads((await fetch("/", **form)).body)["title"] == hashlib.sha256(b"Two").hexdigest()
    async with serve(page.slow) as fetch:
        assert (await fetch("/")).code == 503
        logs.take("tornado.general", "no answer within 0.1 seconds")
        logs.take("tornado.access", "503")
    async with serve(page.login) as fetch:
        assert [(await fetch("/", method="POST", body="")).code for _ in range(4)] == [200, 200, 200, 429]
        logs.take("tornado.access", "429")


async def test_streaming(samples: Samples, serve: Any) -> None:
    async with serve(samples("guide/streaming.md").app) as fetch:
        pieces: list[bytes] = []
        await fetch("/countdown", streaming_callback=pieces.append)
        assert b"".join(pieces) == b"3\n2\n1\ngo\n"
        assert len(pieces) > 1
        events = await fetch("/events")
        assert events.body.startswith(b"id: 0\ndata: tick\n\n")
        assert (await fetch("/hash", method="PUT", body=b"x" * 300_000)).body == hashlib.sha256(b"x" * 300_000).hexdigest().encode()


async def test_websocket(samples: Samples, serve: Any) -> None:
    page = samples("guide/websocket.md")
    people = page.Room.people
    async with serve(page.app) as fetch:
        assert json.loads(await page.ask(f"ws://127.0.0.1:{fetch.port}/room")) == {"said": "hello"}
        async with asyncio.timeout(5):
            while people:  # noqa: ASYNC110 - the sample has no event for it
                await asyncio.sleep(0.001)
    own, other = "https://app.example.com", "https://app.example.com.evil.example"
    assert page.OpenRoom.check_origin(None, own)
    assert not page.OpenRoom.check_origin(None, other)


async def test_hardening(samples: Samples) -> None:
    page = samples("hardening.md")
    application = tornadolike.web.Application()
    for server in (page.limited(application), page.hardened(application)):
        server.listen(0, "127.0.0.1")
        assert await page.end(server)
    assert page.hardened(application).conn_params.max_body_size == 10 * 1024 * 1024


async def test_client(samples: Samples, serve: Any) -> None:
    page = samples("guide/client.md")

    class Echo(tornadolike.web.RequestHandler):
        def get(self) -> None:
            self.set_status(int(self.get_argument("status", "200")))
            self.write("<title>It works</title>")

        def post(self) -> None:
            self.write(self.get_body_argument("a"))

        def put(self) -> None:
            self.write(self.request.body)

    async with serve(tornadolike.web.Application([(r"/", Echo)], log_function=lambda handler: None)) as fetch:
        address = f"http://127.0.0.1:{fetch.port}/"
        assert await page.title(address) == "It works"
        assert await page.title(address + "?status=503") == "failed with 503"
        assert (await page.send_form(address, {"a": "1&2"})).body == b"1&2"
        assert await page.send_json(address, {"a": 1}) == 200
        file = io.BytesIO()
        await page.save(address, file)
        assert file.getvalue() == b"<title>It works</title>"
        assert (await page.upload(address, [b"one", b"two"])).body == b"onetwo"
    assert await page.title(address) == "no answer"


def test_curl_can_be_chosen(samples: Samples) -> None:
    curl = pytest.importorskip("tornadolike.curl_httpclient")
    client = tornadolike.httpclient.AsyncHTTPClient
    before = client._save_configuration()
    try:
        samples("guide/client.md").use_curl()
        assert client.configured_class() is curl.CurlAsyncHTTPClient
    finally:
        client._restore_configuration(before)


async def test_coroutines(samples: Samples) -> None:
    page = samples("guide/coroutines.md")

    async def one() -> int:
        await asyncio.sleep(0)
        return 1

    async def double(item: int) -> int:
        return 2 * item

    assert await page.together(one, one) == [1, 1]
    assert await page.by_name(one, one) == {"first": 1, "second": 1}
    assert await page.patient(asyncio.Future()) == "too late"
    assert await page.patient(one()) == 1
    assert "tick" in await page.count(0.05)
    assert sorted(await page.with_workers(range(5), double)) == [0, 2, 4, 6, 8]
    assert await page.one_at_a_time(locks.Lock(), one) == 1
    assert await page.in_the_old_style(one) == 2
    assert gen.is_coroutine_function(page.in_the_old_style)


async def test_templates(samples: Samples, serve: Any) -> None:
    page = samples("guide/templates.md")
    assert page.invitation.generate(name="Ada", guests=["Bob", "Eve"]) == b"Dear Ada, bring Bob, Eve."
    assert page.greeting.generate(name="<b>", footer="<hr>") == b"<p>&lt;b&gt;</p><hr>"
    listed = page.pages.load("list.html").generate(heading="Fruit", items=["a&b"])
    assert listed == b"<title>Fruit</title><main><ul><li>a&amp;b</li></ul></main>"
    async with serve(page.blog) as fetch:
        body = (await fetch("/")).body
    assert b"<p class=entry>second &lt;b&gt;</p>" in body
    assert b".entry { margin: 1em }" in body


async def test_security(samples: Samples, serve: Any, logs: Any) -> None:
    page = samples("guide/security.md")
    async with serve(page.app) as fetch:
        assert (await fetch("/private", follow_redirects=False)).headers["Location"] == "/login?next=%2Fprivate"
        cookie = (await fetch("/login", method="POST", body="")).headers["Set-Cookie"].partition(";")[0]
        assert (await fetch("/private", headers={"Cookie": cookie})).body == b"only for ada"
        forged = cookie.replace("YWRh", "YWRi")
        assert (await fetch("/private", headers={"Cookie": forged}, follow_redirects=False)).code == 302
    async with serve(page.guarded) as fetch:
        form = await fetch("/form")
        token = re.search(rb'value="([^"]+)"', form.body)[1].decode()  # type: ignore[index]  # a TypeError is as good here
        headers = {"Cookie": f"_xsrf={token}", "X-XSRFToken": token}
        assert (await fetch("/form", method="POST", body="", headers=headers)).body == b"accepted"
        assert (await fetch("/form", method="POST", body="")).code == 403
        logs.take("tornado.general", "403 POST /form")
        logs.take("tornado.access", "403 POST")
    async with serve(page.shop) as fetch:
        for site, origin, expected in [
            ("same-origin", "https://shop.example", 200),
            ("cross-site", "https://partner.example.com", 200),
            ("cross-site", "https://evil.example", 403),
        ]:
            headers = {"Sec-Fetch-Site": site, "Origin": origin}
            assert (await fetch("/order", method="POST", body="", headers=headers)).code == expected
        logs.take("tornado.general", "403 POST /order")
        logs.take("tornado.access", "403 POST")


async def test_sessions(samples: Samples, serve: Any) -> None:
    async with serve(samples("live.md").visits) as fetch:
        first = await fetch("/")
        assert first.body == b"visit 1"
        cookie = first.headers["Set-Cookie"].partition(";")[0]
        assert (await fetch("/", headers={"Cookie": cookie})).body == b"visit 2"
        assert (await fetch("/")).body == b"visit 1"


async def test_live(samples: Samples) -> None:
    page = samples("live.md")
    assert isinstance(page.hub.broker, RedisBroker)
    server = HTTPServer(page.clock)
    server.add_sockets(bind_sockets(0, "127.0.0.1"))
    try:
        stream = sse.listen(f"http://127.0.0.1:{next(iter(server._sockets.values())).getsockname()[1]}/clock")
        assert re.fullmatch(r"\w+ \w+ +\d+ [0-9:]{8} \d{4}", (await anext(stream)).data or "")
        await stream.aclose()  # type: ignore[attr-defined]
    finally:
        server.stop()
        await server.close_all_connections()


def test_testing(samples: Samples, logs: Any) -> None:
    case = samples("guide/testing.md").HelloTest
    result = unittest.TestResult()
    unittest.TestLoader().loadTestsFromTestCase(case).run(result)
    assert (result.testsRun, result.failures, result.errors) == (3, [], [])
    logs.take("tornado.access", "400 GET")


def test_dialogues(all_samples: Any) -> None:
    """Samples in the form of a dialogue answer as they say."""
    runner, parser = doctest.DocTestRunner(), doctest.DocTestParser()
    for page, line, text in all_samples("python"):
        if text.startswith(">>>"):
            runner.run(parser.get_doctest(text, {}, page.name, str(page), line))
    assert runner.summarize(verbose=False).attempted > 0
    assert runner.failures == 0


def test_every_page_with_samples_is_tested(all_samples: Any) -> None:
    tested = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    pages = {page.relative_to(DOCS).as_posix() for page, _, text in all_samples("python") if not text.startswith(">>>")}
    assert [page for page in sorted(pages) if f'samples("{page}")' not in tested and f'samples, "{page}")' not in tested] == []


def test_languages_of_samples_are_known() -> None:
    """No sample escapes the tests by the name of its language."""
    known = {"python", "sh", "ini", "nginx", "dockerfile", "toml", "text", "console", "json"}
    for page in DOCS.rglob("*.md"):
        opened = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert {name for name in opened[::2] if not name.startswith("{")} <= known, page


def command_lines(all_samples: Any) -> list[list[str]]:
    """What the samples for the shell, for systemd and for containers run, as words."""
    found = []
    for language in ("sh", "ini", "dockerfile", "console"):
        for _, _, text in all_samples(language):
            lines = text.replace("\\\n", " ").splitlines()
            for line in lines if language != "console" else [line[2:] for line in lines if line.startswith("$ ")]:
                line = re.sub(r"^(ExecStart=|ENTRYPOINT |CMD |RUN )", "", line)
                found.append(json.loads(line) if line.startswith('["') else shlex.split(line, comments=True))
    return found


def test_commands_exist(all_samples: Any) -> None:
    """Commands of ours have the options that the pages say."""
    parser, commands = command_line.build()
    seen = 0
    for words in command_lines(all_samples):
        at = next((index for index, word in enumerate(words) if word.rpartition("/")[2] == "tornadolike"), None)
        if at is not None and words[at + 1] not in ("--version", "--print-completion") and "--help" not in words:
            own, _ = command_line._split(words[at + 1 :], commands)
            _, unknown = parser.parse_known_args(own)
            assert not unknown, words
            seen += 1
    assert seen >= 8


def test_units_and_tables_can_be_parsed(all_samples: Any) -> None:
    for _, _, text in all_samples("ini"):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of units are case-sensitive
        unit.read_string(text)
        assert {"Unit", "Service"} <= set(unit.sections()) or "Socket" in unit.sections()
    for _, _, text in all_samples("toml"):
        tomllib.loads(text)


def test_configuration_of_nginx_is_balanced(all_samples: Any) -> None:
    texts = [text for _, _, text in all_samples("nginx")]
    assert texts
    for text in texts:
        assert text.count("{") == text.count("}")
        statements = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        assert [line for line in statements if line[-1] not in "{};"] == []


def test_configuration_of_nginx_is_taken(all_samples: Any, tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("needs nginx")
    pair = tornadolike.testing.AsyncHTTPSTestCase.default_ssl_options()
    paths = "".join(f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    for _, _, text in all_samples("nginx"):
        text = text.replace("/etc/ssl/app.crt", pair["certfile"]).replace("/etc/ssl/app.key", pair["keyfile"])
        text = re.sub(r"\blisten \d+", "listen 127.0.0.1:18443", text)  # below 1024 it would need a right
        whole = f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{text}}}\n"
        (tmp_path / "nginx.conf").write_text(whole, encoding="utf-8")
        command = [nginx, "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_shell_samples_are_syntactically_right(all_samples: Any) -> None:
    for page, line, text in all_samples("sh"):
        done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (page, line, done.stderr)


def program(all_samples: Any, name: str) -> str:
    """The Python samples of a page as one program, as the reader sees them."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


def run_program(text: str, *, alias: bool = False, timeout: float = 30) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORNADOLIKE_")}
    variables = {**kept, "PYTHONPATH": str(DOCS.parent)}
    command = [sys.executable, *(["-m", "tornadolike", "run"] if alias else [])]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "program.py")
        path.write_text(text, encoding="utf-8")
        return subprocess.run([*command, str(path)], env=variables, capture_output=True, text=True, timeout=timeout, check=False)


def test_migrating(all_samples: Any) -> None:
    text = program(all_samples, "migrating.md")
    done = run_program(text + "\nimport tornadolike.web\nassert tornado.web is tornadolike.web\nprint(answers)")
    assert (done.returncode, done.stdout) == (0, f"{tornadolike.__version__}\n"), done.stderr


def test_versions(samples: Samples) -> None:
    page = samples("versions.md")
    assert (page.api, page.ours) == (tornadolike.version, tornadolike.__version__)


async def test_start(samples: Samples, serve: Any) -> None:
    async with serve(samples("start.md").make_app()) as fetch:
        assert (await fetch("/guests", method="POST", body="entry=Ada")).code == 201
        assert json.loads((await fetch("/guests")).body) == {"entries": ["Ada"]}


async def test_index(samples: Samples, serve: Any) -> None:
    async with serve(tornadolike.web.Application([("/", samples("index.md").Hello)])) as fetch:
        assert (await fetch("/")).body == b"Hello, world\n"


def test_engines(samples: Samples) -> None:
    loop = os.environ["TORNADOLIKE_LOOP"]
    assert samples("engines.md").ask().partition(".")[0] == loop


def test_processes_share_a_port(all_samples: Any) -> None:
    talk = """
import os, sys, threading, time, urllib.request
with __import__("socket").create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
def ask():
    time.sleep(0.2)
    for _ in range(100):
        try:
            print(urllib.request.urlopen(f"http://127.0.0.1:{port}/").read().decode(), flush=True)
            break
        except OSError:
            time.sleep(0.05)
    os.killpg(0, 15)
os.setpgid(0, 0)
if os.fork() == 0:
    ask()
main(port, 2)
"""
    done = run_program(program(all_samples, "deployment.md") + talk, alias=True)
    assert json.loads(done.stdout)["process"] in (0, 1), done.stderr


async def test_ending_well(samples: Samples) -> None:
    page = samples("deployment.md")
    told, entered, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Slow(page.Handler):  # type: ignore[name-defined,misc]  # a class from the page
        async def get(self) -> None:
            entered.set()
            await go_on.wait()
            self.write("finished")

    server = tornadolike.httpserver.HTTPServer(tornadolike.web.Application([("/", Slow)]))
    listening = tornadolike.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(listening)
    port = listening[0].getsockname()[1]
    client = tornadolike.httpclient.AsyncHTTPClient(force_instance=True)
    answer = asyncio.ensure_future(client.fetch(f"http://127.0.0.1:{port}/"))
    ending = asyncio.create_task(page.serve_until_told(server, told))
    await entered.wait()
    told.set()
    await asyncio.sleep(0)
    go_on.set()
    assert (await answer).body == b"finished"
    await ending
    with pytest.raises(ConnectionRefusedError):
        await client.fetch(f"http://127.0.0.1:{port}/")
    client.close()


def test_whole_server_ends_on_sigterm(all_samples: Any) -> None:
    talk = """
import os, threading, time
before = signal.getsignal(15)
def tell():
    while signal.getsignal(15) is before:
        time.sleep(0.01)
    os.kill(os.getpid(), 15)
threading.Thread(target=tell).start()
print(asyncio.run(run(tornado.web.Application(), 0)))
"""
    done = run_program(program(all_samples, "deployment.md") + talk, alias=True)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_limits(samples: Samples) -> None:
    server = samples("deployment.md").strict_server(tornadolike.web.Application())
    assert server.conn_params.max_body_size == 1024 * 1024
    assert server.conn_params.body_timeout is not None


async def test_tls(samples: Samples) -> None:
    page = samples("deployment.md")

    class Hello(tornadolike.web.RequestHandler):
        def get(self) -> None:
            self.write(self.request.protocol)

    pair = tornadolike.testing.AsyncHTTPSTestCase.default_ssl_options()
    server = page.tls_server(tornadolike.web.Application([("/", Hello)]), pair["certfile"], pair["keyfile"])
    listening = tornadolike.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(listening)
    client = tornadolike.httpclient.AsyncHTTPClient(force_instance=True, defaults={"validate_cert": False})
    response = await client.fetch(f"https://127.0.0.1:{listening[0].getsockname()[1]}/")
    assert response.body == b"https"
    server.stop()
    await server.close_all_connections()
    client.close()
