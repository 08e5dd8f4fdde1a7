"""The examples that are clients, or speak no HTTP."""

import http.server
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

PAGES = {
    "/": b'<a href="/one">one</a> <a href="two#part">two</a> <a href="http://elsewhere.invalid/">not ours</a>',
    "/one": b'<a href="/">back</a> <a href=/gone>gone</a>',
    "/two": b"<a name=part></a>",
}


class Site(http.server.BaseHTTPRequestHandler):
    """Four pages, one of which is missing."""

    def do_GET(self) -> None:
        page = PAGES.get(self.path)
        self.send_response(200 if page is not None else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page or b"")))
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_crawler_finds_the_broken_link(site: str, run: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    done = run("crawler.py", f"{site}/")
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [f"200 {site}/", f"404 {site}/gone", f"200 {site}/one", f"200 {site}/two"]


def test_crawler_says_when_nobody_answers(run: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    with socket.socket() as never_listening:
        never_listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{never_listening.getsockname()[1]}/"
        done = run("crawler.py", address)
    assert (done.returncode, done.stdout) == (1, f"no answer {address}\n")


def test_echo_client_and_server(start: Callable[..., Any], run: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    server = start("echo_server.py")
    done = run("echo_client.py", f"--port={server.port}", input="one\nzwölf\n")
    assert (done.returncode, done.stdout) == (0, "one\nzwölf\n")
    assert server.stdout.readline() == "2 lines, then the end\n"


def test_echo_server_bounds_a_line(start: Callable[..., Any]) -> None:
    server = start("echo_server.py")
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"x" * 70_000)
        assert server.stdout.readline().startswith("0 lines, then delimiter")
