"""``tornadolike run package.module:attribute``, with each of its options, as a user starts it."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHOP = """
import asyncio, os, sys
import tornado.web, tornado.websocket

class Who(tornado.web.RequestHandler):
    def get(self, *args):
        self.write(f"{self.request.remote_ip} {self.request.protocol} {sys.argv[1:]}")

    def post(self):
        self.write(str(len(self.request.body)))

class Slow(tornado.web.RequestHandler):
    async def get(self):
        os.write(1, b"slow is inside\\n")
        await asyncio.sleep(float(self.get_argument("seconds")))
        self.write("slow")

class Echo(tornado.websocket.WebSocketHandler):
    def open(self, name):
        pass

    def on_message(self, message):
        self.write_message(message)
        self.close(4001)

def make():
    return tornado.web.Application([("/ws/(x)", Echo), ("/", Who), ("/item/([0-9]+)", Who), ("/slow", Slow)])

async def make_later():
    await asyncio.sleep(0)
    return make()

app = make()

class Holder:
    app = app

async def asgi(scope, receive, send):
    pass

def wants(argument):
    pass

number = 3

def fails():
    raise ValueError("in the factory")
"""


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "shop.py").write_text(SHOP, encoding="utf-8")


@pytest.mark.parametrize("attribute", ["app", "make", "make()", "make_later", "Holder.app"])
def test_what_an_attribute_may_be(start: Any, attribute: str) -> None:
    command = start(f"package.shop:{attribute}", "--port", "0", "--", "--colour=red")
    assert command.get().endswith(b"\r\n\r\n127.0.0.1 http ['--colour=red']")
    assert command.end() == 0
    assert command.lines[-1] == "tornadolike run: SIGTERM: nothing in flight, ending"


ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            what = (await receive())["type"]
            print(what, flush=True)
            await send({"type": what + ".complete"})
            if what == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"from " + scope["path"].encode()})

text = "no application"
"""


FAILING_ASGI = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no place"})
"""


def test_an_asgi_application(start: Any, tmp_path: Path) -> None:
    (tmp_path / "modern.py").write_text(ASGI + "\ndef make():\n    return app\n", encoding="utf-8")
    command = start("modern:app", "--asgi", "--port", "0", "--access-log", "json", "--health", "/healthz")
    assert command.get("/here").endswith(b"from /here")
    assert command.get("/healthz").endswith(b"ok\n")
    assert command.end() == 0
    stages = [line for line in command.lines if line.startswith("lifespan")]
    assert stages == ["lifespan.startup", "lifespan.shutdown"]
    [line] = [json.loads(line) for line in command.lines if line.startswith("{")]
    assert (line["method"], line["target"], line["status"]) == ("GET", "/here", 200)
    made = start("modern:make", "--asgi", "--port", "0")
    assert made.get("/made").endswith(b"from /made")
    unasked = start("modern:app", "--asgi", "--port", "0")
    unasked.expect("listening on")
    assert unasked.end() == 0
    said = [line for line in unasked.lines if line.startswith("lifespan") or "listening" in line]
    assert (said[0], "listening" in said[1], said[2:]) == ("lifespan.startup", True, ["lifespan.shutdown"])
    (tmp_path / "failing.py").write_text(FAILING_ASGI, encoding="utf-8")
    failing = start("failing:app", "--asgi", "--port", "0")
    assert failing.process.wait(20) == 1
    failing.expect("The start-up of an ASGI application failed: no place")
    assert not [line for line in failing.lines if "listening" in line or "Traceback" in line]
    wrong = start("modern:text", "--asgi", "--port", "0")
    assert wrong.process.wait(20) == 2
    wrong.expect("modern:text is a str, no ASGI application")


@pytest.mark.parametrize(
    ("target", "message", "status"),
    [
        ("package.shop:ap", "module package.shop has no ap (did you mean app?)", 2),
        ("package.shop:Holder.apps", "module package.shop has no Holder.apps (did you mean app?)", 2),
        ("package.shoq:app", "no module named package.shoq", 2),
        ("nopackage.shop:app", "no module named nopackage.shop", 2),
        ("package.shop:asgi", "package.shop:asgi looks like an ASGI application: say --asgi", 2),
        ("package.shop:wants", "package.shop:wants needs arguments: name an Application, or a function that makes one without any", 2),
        ("package.shop:sys", "package.shop:sys is a module, neither an Application", 2),
        (
            "--asgi package.shop:app",
            "package.shop:app is no ASGI application, but an Application: leave --asgi out",
            2,
        ),
        ("--asgi package.shop:make", "package.shop:make is no ASGI application, but an Application", 2),
        ("--asgi package.shop:wants", "package.shop:wants is no ASGI application: it does not take scope, receive and send", 2),
        ("--asgi package.shop:Who", "package.shop:Who is no ASGI application: it does not take scope, receive and send", 2),
        ("--asgi package.shop:number", "package.shop:number is an int, no ASGI application", 2),
        ("package.shop:fails", "ValueError: in the factory", 1),
    ],
)
def test_what_it_may_not_be(start: Any, target: str, message: str, status: int) -> None:
    command = start(*target.split(), "--port", "0")
    command.expect(message.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?"))
    assert command.process.wait(20) == status
    if status == 2:
        assert len(command.lines) == 2


def test_a_module_that_fails_shows_its_own_traceback(start: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    command = start("broken:app")
    assert command.process.wait(20) == 1
    command.expect("ZeroDivisionError")
    assert "_cli" not in "".join(command.lines)
    assert "importlib" not in "".join(command.lines)


def test_host_and_a_port_that_is_taken(start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = start("package.shop:app", "--port", str(port), "--host", "127.0.0.1")
        assert command.process.wait(20) == 2
        command.expect(f"tornadolike run: cannot listen on 127.0.0.1:{port}: Address already in use")
    command = start("package.shop:app", "--port", "0", "--host", "[::1]")
    command.expect(r"listening on http://\[::1\]:\d+$")


LIVING = """
import asyncio, os
import tornado.web

class Living(tornado.web.Application):
    async def on_startup(self):
        await asyncio.sleep(0)
        os.write(1, b"method started\\n")

    def on_shutdown(self):
        os.write(1, b"method stopped\\n")

class Slow(tornado.web.RequestHandler):
    async def get(self):
        os.write(1, b"slow is inside\\n")
        await asyncio.sleep(0.3)
        self.write(self.settings["place"])
        os.write(1, b"slow is answered\\n")

async def open_place(application):
    application.settings["place"] = "here"
    application.settings["task"] = asyncio.create_task(asyncio.sleep(60))
    os.write(1, b"setting started\\n")

async def close_place(application):
    await asyncio.sleep(0)
    os.write(1, b"setting stopped\\n" if not application.settings["task"].cancelled() else b"too late\\n")

app = Living([("/", Slow)], on_startup=[open_place], on_shutdown=close_place)

def fail(application):
    1 / 0

broken = tornado.web.Application(on_startup=fail)
broken_end = tornado.web.Application(on_shutdown=fail)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("workers", [(), ("--workers", "1")])
def test_an_application_hears_of_its_start_and_its_end(
    start: Any, tmp_path: Path, number: int, loop: str, workers: tuple[str, ...]
) -> None:
    (tmp_path / "living.py").write_text(LIVING, encoding="utf-8")
    command = start("living:app", "--port", "0", "--loop", loop, *workers)
    got: list[bytes] = []
    client = threading.Thread(target=lambda: got.append(command.get()))
    command.expect("^setting started$")
    client.start()
    command.expect("^slow is inside$")
    assert command.end(number) in (0, -number, 128 + number)
    client.join(20)
    assert got[0].endswith(b"here")
    said = [line for line in command.lines if line.split()[-1] in ("started", "inside", "answered", "stopped") and line[0] in "ms"]
    assert said == [
        *("method started", "setting started", "slow is inside"),
        *("slow is answered", "method stopped", "setting stopped"),
    ]


def test_an_application_that_cannot_start_is_not_served(start: Any, tmp_path: Path) -> None:
    (tmp_path / "living.py").write_text(LIVING, encoding="utf-8")
    command = start("living:broken", "--port", "0")
    assert command.process.wait(20) == 1
    command.expect("^ZeroDivisionError")
    assert not [line for line in command.lines if "listening" in line]
    command = start("living:broken_end", "--port", "0")
    command.expect("listening on")
    assert command.end() == 0
    command.expect("on_shutdown has failed$")
    command.expect("ZeroDivisionError")


def test_uds(start: Any, tmp_path: Path) -> None:
    command = start("package.shop:app", "--uds", "app.sock")
    command.expect("listening on unix:app.sock$")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "app.sock"))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"0.0.0.0 http" in client.recv(65536)
    for workers in ((), ("--workers", "2")):
        other = start("package.shop:app", "--uds", "app.sock", *workers)
        assert other.process.wait(20) == 2
        other.expect("^tornadolike run: cannot listen on app.sock: Address already in use$")
    assert command.end() == 0
    command = start("package.shop:app", "--uds", "app.sock")  # the file that was left behind is in nobody's way
    command.expect("listening on unix:app.sock$")
    command = start("package.shop:app", "--uds", "nowhere/app.sock")
    assert command.process.wait(20) == 2
    command.expect("cannot listen on nowhere/app.sock: there is no directory nowhere$")


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("package/shop.py", "cannot listen on package/shop.py: it exists, and is no socket"),
        ("package", "cannot listen on package: it exists, and is no socket"),
        ("x" * 150, "cannot listen on x{150}: AF_UNIX path too long"),
        ("package/shop.py/a", "cannot listen on package/shop.py/a: Not a directory"),
    ],
)
def test_a_path_where_no_socket_can_be(start: Any, path: str, message: str, workers: tuple[str, ...]) -> None:
    command = start("package.shop:app", "--uds", path, *workers)
    assert command.process.wait(20) == 2
    command.expect(f"^tornadolike run: {message}$")
    assert len(command.lines) == (3 if workers else 2), command.lines


def test_fd(start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = start("package.shop:app", "--fd", str(listening.fileno()), options={"pass_fds": [listening.fileno()]})
        assert command.port == listening.getsockname()[1]
        assert b"127.0.0.1" in command.get()
    command = start("package.shop:app", "--fd", "77")
    assert command.process.wait(20) == 2
    command.expect("cannot listen on descriptor 77: Bad file descriptor")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificates with openssl")
    directory = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    return directory


def test_tls(start: Any, certificate: Path) -> None:
    options = ["--ssl-certfile", str(certificate / "cert.pem"), "--ssl-keyfile", str(certificate / "key.pem")]
    command = start("package.shop:app", "--port", "0", *options, "--ssl-ca-certs", str(certificate / "cert.pem"))
    command.expect("listening on https://127.0.0.1:")
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        context.wrap_socket(socket.create_connection(("127.0.0.1", command.port)), server_hostname="127.0.0.1") as bare,
    ):
        bare.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert not bare.recv(1000)
        raise ConnectionError
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with context.wrap_socket(socket.create_connection(("127.0.0.1", command.port)), server_hostname="127.0.0.1") as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" https " in client.recv(65536)


def test_an_encrypted_key(start: Any, certificate: Path) -> None:
    encrypt = f"openssl rsa -aes256 -passout pass:secret -in {certificate / 'key.pem'} -out {certificate / 'encrypted.pem'}"
    subprocess.run(encrypt.split(), check=True, capture_output=True)
    (certificate / "password").write_text("secret\n", encoding="utf-8")
    options = ["--ssl-certfile", str(certificate / "cert.pem"), "--ssl-keyfile", str(certificate / "encrypted.pem")]
    for password, message in (
        ([], "--ssl-keyfile: the key in \\S+encrypted.pem is encrypted: give --ssl-keyfile-password$"),
        (["--ssl-keyfile-password", "wrong"], "--ssl-keyfile-password: the password does not open the key in \\S+encrypted.pem$"),
        (["--ssl-keyfile-password", "@nowhere"], "--ssl-keyfile-password: cannot read nowhere: No such file or directory$"),
        (["--ssl-keyfile-password", "secret"], "listening on https://"),
        (["--ssl-keyfile-password", f"@{certificate / 'password'}", "--workers", "2"], "listening on https://"),
    ):
        command = start("package.shop:app", "--port", "0", *options, *password)
        command.expect(message)
        if "listening" not in message:
            assert (command.process.wait(20), len(command.lines)) == (2, 1), command.lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--ssl-certfile nosuch.pem", "--ssl-certfile: no such file: nosuch.pem"),
        ("--ssl-certfile package", "--ssl-certfile: a directory, not a file: package"),
        ("--ssl-certfile text", "--ssl-certfile: there is no certificate \\(PEM\\) in text"),
        (
            "--ssl-certfile DIR/cert.pem",
            "--ssl-keyfile: there is no private key \\(PEM\\) in \\S+cert.pem: name its file with --ssl-keyfile",
        ),
        ("--ssl-certfile DIR/cert.pem --ssl-keyfile text", "--ssl-keyfile: there is no private key \\(PEM\\) in text"),
        (
            "--ssl-certfile DIR/cert.pem --ssl-keyfile DIR/other.pem",
            "--ssl-keyfile: the key in \\S+other.pem does not belong to the certificate in \\S+cert.pem",
        ),
        (
            "--ssl-certfile DIR/cert.pem --ssl-keyfile DIR/key.pem --ssl-ca-certs text",
            "--ssl-ca-certs: no certificate can be read from text",
        ),
        ("--ssl-ca-certs text", "--ssl-ca-certs needs --ssl-certfile"),
        ("--fd 0", "--fd: cannot listen on descriptor 0: it is no socket"),
        ("--fd 77", "--fd: cannot listen on descriptor 77: Bad file descriptor"),
    ],
)
@pytest.mark.parametrize("workers", ["", " --workers 2"])
def test_what_cannot_be_used_is_one_line(start: Any, tmp_path: Path, certificate: Path, words: str, message: str, workers: str) -> None:
    if not (certificate / "other.pem").exists():
        command = f"openssl genrsa -out {certificate / 'other.pem'} 2048"
        subprocess.run(command.split(), check=True, capture_output=True)
    (tmp_path / "text").write_text("some text", encoding="utf-8")
    with open("/dev/null", encoding="ascii") as nothing:
        options = {"stdin": nothing}
        command = start("package.shop:app", *(words + workers).replace("DIR", str(certificate)).split(), options=options)
    assert command.process.wait(20) == 2
    assert len(command.lines) == 1, command.lines
    command.expect(f"^tornadolike run: {message}$")


def test_proxy_headers(start: Any) -> None:
    command = start("package.shop:app", "--port", "0", "--proxy-headers", "--trusted-proxies", "10.0.0.1, 10.0.0.2")
    headers = "X-Forwarded-For: 192.0.2.7, 10.0.0.2, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
    assert b"192.0.2.7 https" in command.get(headers=headers)
    plain = start("package.shop:app", "--port", "0")
    assert b"127.0.0.1 http" in plain.get(headers=headers)


def test_limit_connections(start: Any) -> None:
    command = start("package.shop:app", "--port", "0", "--limit-connections", "2")
    address = ("127.0.0.1", command.port)
    with socket.create_connection(address) as one, socket.create_connection(address) as two:
        for client in (one, two):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        with socket.create_connection(address) as three:
            try:
                assert three.recv(1) == b""
            except ConnectionResetError:
                pass
    command.expect("Too many connections")


def test_max_body_size(start: Any) -> None:
    command = start("package.shop:app", "--port", "0", "--max-body-size", "1k")
    for size, status in ((1024, b"200"), (1025, b"400")):
        with socket.create_connection(("127.0.0.1", command.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size))
            assert client.recv(1000).split()[1] == status


def test_request_timeout(start: Any) -> None:
    command = start("package.shop:app", "--port", "0", "--request-timeout", "0.2")
    assert command.get("/slow?seconds=60").startswith(b"HTTP/1.1 503 ")
    command.expect(r"503 GET /slow\?seconds=60 \(127\.0\.0\.1\): no answer within 0\.2 seconds")
    assert command.get("/").startswith(b"HTTP/1.1 200 ")


def test_health_and_ready_through_a_drain(start: Any) -> None:
    options = ["--health", "/healthz", "--ready", "/ready.txt", "--drain-delay", "1.5", "--access-log", "common"]
    command = start("package.shop:app", "--port", "0", *options)
    assert command.get("/healthz").endswith(b"\r\n\r\nok\n")
    assert command.get("/ready.txt").endswith(b"\r\n\r\nready\n")
    assert b" 404 " in command.get("/readyxtxt")
    slow = threading.Thread(target=command.get, args=("/slow?seconds=2",))
    slow.start()
    command.expect("slow is inside")
    command.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while b" 503 " not in command.get("/ready.txt"):
        assert time.monotonic() < deadline
    assert b" 200 " in command.get("/healthz")
    assert b" 200 " in command.get("/")  # work is still done
    assert command.process.wait(20) == 0
    slow.join()
    assert not any("/healthz" in line or "/ready.txt" in line for line in command.lines)


def test_health_of_a_program_that_serves_something_else(start: Any, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(
        "import asyncio, tornado.httpserver, tornado.httputil\n"
        "def answer(request):\n"
        "    line = tornado.httputil.ResponseStartLine('HTTP/1.1', 200, 'OK')\n"
        "    request.connection.write_headers(line, tornado.httputil.HTTPHeaders({'Content-Length': '5'}), b'plain')\n"
        "    request.connection.finish()\n"
        "async def main():\n"
        "    server = tornado.httpserver.HTTPServer(answer)\n"
        "    server.listen(0, '127.0.0.1')\n"
        "    print('listening on x:%d' % next(iter(server._sockets.values())).getsockname()[1], flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n",
        encoding="utf-8",
    )
    command = start("--health", "/healthz", "plain.py")
    assert command.get("/healthz").endswith(b"ok\n")
    assert command.get("/").endswith(b"plain")


def test_access_log_json(start: Any) -> None:
    command = start("package.shop:app", "--port", "0", "--access-log", "json")
    answer = command.get("/item/7?x=%22", headers="X-Request-ID: from-the-proxy\r\n")
    assert b"\r\nX-Request-Id: from-the-proxy\r\n" in answer
    command.expect('"from-the-proxy"')
    command.get("/nowhere")
    command.expect('"status": ?404')
    assert command.end() == 0
    first, second = (json.loads(line) for line in command.lines if line.startswith("{"))
    assert first["time"].endswith("Z")
    assert first["duration"] < 1
    kept = ("method", "route", "target", "status", "bytes", "protocol", "peer", "request_id")
    values = ["GET", "/item/([0-9]+)", "/item/7?x=%22", 200, 17, "HTTP/1.1", "127.0.0.1", "from-the-proxy"]
    assert [first[name] for name in kept] == values
    assert (second["status"], second["route"]) == (404, None)
    assert second["request_id"]


@pytest.mark.parametrize("form", ["json", "common"])
def test_an_access_log_that_is_cut_to_nothing_meanwhile(start: Any, tmp_path: Path, form: str) -> None:
    log = tmp_path / "access.log"
    command = start("package.shop:app", "--port", "0", "--access-log", form, wrapper=("sh", "-c", 'exec "$@" > access.log', "sh"))
    for path in ("/item/1", "/item/2"):
        assert command.get(path)
        until(lambda path=path: path in log.read_text(encoding="utf-8"))
        text = log.read_text(encoding="utf-8")
        os.truncate(log, 0)
        assert text.count("\n") == 1
        assert "\0" not in text
    assert command.end() == 0


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_log_files_are_opened_again_at_sigusr1(start: Any, tmp_path: Path, workers: tuple[str, ...]) -> None:
    handler = {"class": "logging.FileHandler", "filename": "app.log", "mode": "a"}
    settings = {"version": 1, "handlers": {"file": handler}, "loggers": {"tornado.access": {"level": "INFO", "handlers": ["file"]}}}
    (tmp_path / "log.json").write_text(json.dumps(settings), encoding="utf-8")
    command = start("package.shop:app", "--port", "0", "--log-config", "log.json", *workers)
    log, rotated = tmp_path / "app.log", tmp_path / "app.log.1"
    assert command.get("/item/1")
    until(lambda: "/item/1" in log.read_text(encoding="utf-8"))
    log.rename(rotated)
    command.process.send_signal(signal.SIGUSR1)

    def is_opened_again() -> bool:
        assert command.get("/item/2")
        return log.exists() and "/item/2" in log.read_text(encoding="utf-8")

    until(is_opened_again)
    assert command.end() == 0
    assert "/item/1" in rotated.read_text(encoding="utf-8")
    assert "/item/1" not in log.read_text(encoding="utf-8")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_access_log_of_a_websocket(start: Any) -> None:
    command = start("package.shop:app", "--port", "0", "--access-log", "json")
    with socket.create_connection(("127.0.0.1", command.port), timeout=20) as client:
        key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        client.sendall(f"GET /ws/x HTTP/1.1\r\nHost: a\r\n{key}\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 101")
        client.sendall(b"\x81\x82\0\0\0\0hi")
        client.recv(1000)
        client.sendall(b"\x88\x82\0\0\0\0\x0f\xa1")
    command.expect("websocket closed")
    assert command.end() == 0
    opened, closed = (json.loads(line) for line in command.lines if line.startswith("{"))
    assert (opened["status"], opened["route"]) == (101, "/ws/(x)")
    assert [closed[name] for name in ("route", "code", "messages_in", "messages_out")] == ["/ws/(x)", 4001, 1, 1]
    assert closed["request_id"] == opened["request_id"]
    assert 0 < closed["duration"] < 20


def test_access_log_common_and_off(start: Any) -> None:
    command = start("package.shop:app", "--port", "0", "--access-log", "common")
    command.get("/item/7?a")
    line = command.expect(r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /item/7\?a HTTP/1\.1" 200 17$')
    assert line
    silent = start("package.shop:app", "--port", "0", "--access-log", "off")
    silent.get()
    assert silent.end() == 0
    assert not any("GET" in line for line in silent.lines)


STARTING = """
import asyncio, tornado.web

async def start(application):
    print("starting", flush=True)
    await asyncio.sleep(60)

app = tornado.web.Application(on_startup=start)
"""


def test_ctrl_c_at_each_stage(tmp_path: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    (tmp_path / "sleepy.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n", encoding="utf-8")
    import tornadolike

    root = str(Path(tornadolike.__file__).parent.parent)

    (tmp_path / "starting.py").write_text(STARTING, encoding="utf-8")
    for target, stage, said in (
        ("package.shop:app", "on Python", None),
        ("sleepy:app", "importing", None),
        ("starting:app", "starting", b"SIGINT: the application had not started yet"),
        ("package.shop:app", "listening on .*:(\\d+)", b"SIGINT: nothing in flight, ending"),
    ):
        words = ["-m", "tornadolike", "run", target, "--port", "0"]
        child = pexpect.spawn(sys.executable, words, cwd=str(tmp_path), env={"PYTHONPATH": root, "PATH": "/usr/bin"}, timeout=20)
        child.expect(stage)
        child.sendintr()
        child.expect(pexpect.EOF)
        child.close()
        assert child.signalstatus == signal.SIGINT
        assert b"_cli" not in child.before
        assert (b"Traceback" in child.before) == (stage == "importing")
        assert said is None or said in child.before


@pytest.mark.parametrize("options", [[], ["--workers", "1"], ["--reload"]], ids=["alone", "workers", "reload"])
def test_ctrl_c_while_a_request_is_answered(tmp_path: Path, options: list[str]) -> None:
    """At a terminal, where all processes get it: the first one waits for the answer, the second one does not."""
    pexpect = pytest.importorskip("pexpect")
    import tornadolike

    root = str(Path(tornadolike.__file__).parent.parent)
    words = ["-m", "tornadolike", "run", "package.shop:app", "--port", "0", "--drain-timeout", "50", *options]
    for seconds, times in ((1.5, 1), (60, 2)):
        child = pexpect.spawn(sys.executable, words, cwd=str(tmp_path), env={"PYTHONPATH": root, "PATH": "/usr/bin"}, timeout=30)
        child.expect(r"listening on \S*127\.0\.0\.1:(\d+)")
        with socket.create_connection(("127.0.0.1", int(child.match[1]))) as client:
            client.sendall(f"GET /slow?seconds={seconds} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            child.expect("slow is inside")
            child.sendintr()
            child.expect("waiting up to")
            if times == 2:
                child.sendintr()
            child.expect(pexpect.EOF)
            answer = client.recv(1000)
        child.close()
        assert (b"Traceback" in child.before, b"_cli" in child.before) == (False, False)
        assert answer.startswith(b"HTTP/1.1 200") is (times == 1)
        assert (child.signalstatus, child.exitstatus) in ((signal.SIGINT, None), (None, 130))


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "tornadolike", "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("tornadolike ")
    assert "(API of Tornado 6." in done.stdout
