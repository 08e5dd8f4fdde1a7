"""Uploads that are refused while they are still being sent: clients that people use, directly and through proxies, hear of it."""

import asyncio
import collections
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, free_port, tool
from tornadolike import web
from tornadolike.httpserver import HTTPServer

TIMES = 20
SIZE = 20_000_000
SECONDS = 120

PYTHON = {
    "requests": """
import requests
def upload(url, body):
    return requests.post(url, data=body, timeout=60).status_code
""",
    "httpx": """
import httpx
def upload(url, body):
    return httpx.post(url, content=body, timeout=60).status_code
""",
    "aiohttp": """
import aiohttp, asyncio
async def send(url, body):
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
        return response.status
def upload(url, body):
    return asyncio.run(send(url, body))
""",
    "chunked": """
import http.client, urllib.parse
def upload(url, body):
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=60)
    connection.request("POST", address.path, body=(body[at : at + 65536] for at in range(0, len(body), 65536)), encode_chunked=True)
    return connection.getresponse().status
""",
}
LOOP = """
import sys, warnings
warnings.simplefilter("ignore")
body = open(sys.argv[3], "rb").read()
for _ in range(int(sys.argv[2])):
    try:
        print(upload(sys.argv[1], body))
    except Exception as error:
        print(type(error).__name__)
"""
NODE = """
const [url, times, file] = process.argv.slice(1)
const body = require("fs").readFileSync(file)
const upload = () => new Promise(done => {
    const request = require("http").request(url, {method: "POST", agent: false, headers: {"Content-Length": body.length}}, response => {
        response.resume().on("close", () => done(response.statusCode))
    })
    request.on("error", error => done(error.code)).end(body)
})
const run = async () => { for (let i = 0; i < times; i++) console.log(await upload()) }
run()
"""


def command(client: str, url: str, file: Path) -> list[str]:
    """What sends the file so many times, each on a connection of its own, and prints a status or an error for each."""
    if client == "curl":
        each = [url, "-s", "-o", "/dev/null", "-w", "%{http_code} %{errormsg}\\n", "-H", "Expect:", "--data-binary", f"@{file}"]
        return [tool("curl"), *(word for number in range(TIMES) for word in ["--next"][: min(number, 1)] + each)]
    if client == "node":
        return [tool("node"), "-e", NODE, url, str(TIMES), str(file)]
    if client != "chunked":
        pytest.importorskip(client)
    return [sys.executable, "-c", PYTHON[client] + LOOP, url, str(TIMES), str(file)]


class Forbidden(web.RequestHandler):
    def prepare(self) -> None:
        raise web.HTTPError(403)


@web.stream_request_body
class ForbiddenStream(Forbidden):
    def data_received(self, chunk: bytes) -> None:
        raise AssertionError("refused")


class Hello(web.RequestHandler):
    def post(self) -> None:
        self.write("hello")


@pytest.fixture(scope="module")
def upload_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("uploads") / "upload"
    path.write_bytes(b"x" * SIZE)
    return path


NGINX = """
daemon off; {user} worker_processes 1; pid {directory}/pid; error_log {directory}/errors;
events {{ worker_connections 64; }}
http {{
    access_log off; client_max_body_size 100m; client_body_temp_path {directory}; proxy_temp_path {directory};
    fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream}; }} }}
}}
"""
HAPROXY = """
global
    maxconn 64
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen all
    bind 127.0.0.1:{port}
    server one 127.0.0.1:{upstream}
"""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Any]:
    """``proxy(name, port)``: the port where this proxy, in front of the port, listens; ``direct`` is none."""
    servers: list[Server] = []

    def start(name: str, upstream: int) -> int:
        if name == "direct":
            return upstream
        port, config = free_port(), tmp_path / "proxy.conf"
        user = "user root;" if os.getuid() == 0 else ""  # its worker would be nobody, to whom the directory is closed
        template = NGINX if name == "nginx" else HAPROXY
        config.write_text(template.format(port=port, upstream=upstream, directory=tmp_path, user=user))
        words = [tool("nginx"), "-c", str(config), "-e", "stderr"] if name == "nginx" else [tool("haproxy"), "-f", str(config), "-db"]
        servers.append(Server(f"http://127.0.0.1:{port}", port, words))
        servers[-1].start()
        return port

    yield start
    for server in servers:
        server.kill()


def asked_for_413(server: HTTPServer) -> None:
    server.configure_limits(standard_refusals=True)


WAYS = ["direct", "nginx", "haproxy"]
CLIENTS = ["curl", "requests", "httpx", "aiohttp", "node", "chunked"]
CASES = [(client, way, 400) for client in CLIENTS for way in WAYS] + [(client, "direct", 403) for client in CLIENTS]
CASES += [(client, way, 403) for client in ("curl", "node") for way in WAYS[1:]] + [("curl", way, 413) for way in WAYS[1:]]


@pytest.mark.parametrize(("client", "way", "status"), CASES)
async def test_all_hear_of_it(serve: Any, logs: Any, proxy: Any, upload_file: Path, client: str, way: str, status: int) -> None:
    routes = [("/", Hello), ("/stream", ForbiddenStream)]
    limit = 1 << 30 if status == 403 else 1 << 20
    site = serve(routes, asked_for_413 if status == 413 else None, max_body_size=limit)
    port = await asyncio.to_thread(proxy, way, site.port)
    path = "/stream" if status == 403 else "/"
    words = command(client, f"http://127.0.0.1:{port}{path}", upload_file)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    assert collections.Counter(output.decode().split("\n")[:-1]) == {f"{status}{' ' if client == 'curl' else ''}": TIMES}
    logs.records.clear()
