"""The server, the proxy, the clients, and what came of it."""

import argparse
import asyncio
import contextlib
import itertools
import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from compat_suite.rooms.servers import CannotRun, free_port, program, wait_until_it_listens
from tornadolike.hub import Hub
from tornadolike.sse import EventStreamHandler, ServerSentEvent
from tornadolike.web import Application, RequestHandler

_CLIENTS = Path(__file__).with_name("clients")
_SECONDS = 60.0
EXPECTED = [f"news {number}, täglich" for number in range(9)]

_PAGE = """<!DOCTYPE html>
<title>EventSource</title>
<script>
let told = Promise.resolve();
new EventSource("/room").onmessage = ({lastEventId, data}) => {
    told = told.then(() => fetch("/heard", {method: "POST", body: `${lastEventId} ${data}`}));
};
</script>
"""

_NGINX = """daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
        }}
    }}
}}
"""


class Site:
    """A room of a hub as an event stream, and what clients say that they were sent."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.open: set[Room] = set()
        self.heard: list[tuple[str, str]] = []
        self.resumed: list[str] = []
        site = {"site": self}
        application = Application([("/", Page), ("/room", Room, site), ("/heard", Heard, site)], log_function=lambda handler: None)
        self.server = application.listen(0, "127.0.0.1")
        self.port: int = next(iter(self.server._sockets.values())).getsockname()[1]

    def cut(self) -> None:
        """All streams end in the middle."""
        for handler in tuple(self.open):
            handler.request.connection.stream.close()  # type: ignore[attr-defined,union-attr]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(_SECONDS):
            while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        self.server.stop()
        self.cut()
        await self.hub.close()
        await self.server.close_all_connections()


class Room(EventStreamHandler):
    def initialize(self, site: Site) -> None:
        self.site = site

    def prepare(self) -> None:
        self.site.open.add(self)
        self.site.resumed.append(self.last_event_id)
        self.send(ServerSentEvent("come back soon", event="hint", retry=20))
        self.site.hub.join("news", self, last_id=self.last_event_id or None)

    def on_finish(self) -> None:
        self.gone()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.gone()

    def gone(self) -> None:
        self.site.open.discard(self)
        self.site.hub.leave(self)


class Heard(RequestHandler):
    def initialize(self, site: Site) -> None:
        self.site = site

    def post(self) -> None:
        id_, _, data = self.request.body.decode().partition(" ")
        self.site.heard.append((id_, data))


class Page(RequestHandler):
    def get(self) -> None:
        self.write(_PAGE)


@contextlib.contextmanager
def nginx(upstream: int) -> Iterator[int]:
    """In front of a port, with defaults; its own port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nginx") as directory:
        Path(directory).chmod(0o755)
        Path(directory, "nginx.conf").write_text(_NGINX.format(directory=directory, port=port, upstream=upstream))
        with _running([program("nginx"), "-e", "stderr", "-p", directory, "-c", f"{directory}/nginx.conf"]) as process:
            wait_until_it_listens(process, port, _SECONDS)
            yield port


@contextlib.contextmanager
def _running(command: list[str]) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def install_eventsource(directory: Path) -> None:
    """``eventsource`` from npm, into a directory. Raises `CannotRun`."""
    command = [program("npm"), "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(directory), "eventsource@4"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=180, cwd=directory)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise CannotRun(f"npm cannot install eventsource: {error}") from None


def chromium(base: str, directory: Path) -> list[str]:
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio"]
    return [program("chromium"), *options, f"--user-data-dir={directory}/profile", base + "/"]


def npm_eventsource(base: str, directory: Path) -> list[str]:
    return [program("node"), str(_CLIENTS / "npm_eventsource.mjs"), base, str(directory)]


def httpx_sse(base: str, directory: Path) -> list[str]:
    return [sys.executable, str(_CLIENTS / "httpx_sse_reader.py"), base]


CLIENTS = {"chromium": chromium, "eventsource": npm_eventsource, "httpx-sse": httpx_sse}


async def check(name: str, directory: Path, *, proxied: bool) -> list[str]:
    """What is wrong with one client's reading; nothing, as a rule.

    :arg directory: where its packages are, or its profile may be.
    """
    site = Site()
    try:
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(nginx(site.port)) if proxied else site.port
            stack.enter_context(_running(CLIENTS[name](f"http://127.0.0.1:{port}", directory)))
            await _play(site)
        return _problems(site)
    except TimeoutError:
        return [f"heard {site.heard} after {_SECONDS:g} s, connected {len(site.resumed)} times", *_problems(site)]
    finally:
        await site.close()


async def _play(site: Site) -> None:
    news = iter(EXPECTED)
    await site.until(lambda: site.open)
    for message in itertools.islice(news, 3):
        await site.hub.publish("news", message)
    await site.until(lambda: len(site.heard) >= 3)
    site.cut()  # and at once, before anybody can be back:
    for message in itertools.islice(news, 3):
        await site.hub.publish("news", message)
    await site.until(lambda: len(site.heard) >= 6)
    for message in news:
        await site.hub.publish("news", message)
    await site.until(lambda: len(site.heard) >= len(EXPECTED))


def _problems(site: Site) -> list[str]:
    problems = []
    if [data for _, data in site.heard] != EXPECTED:
        problems.append(f"heard {site.heard}")
    if len(site.heard) >= 3 and site.resumed[:2] != ["", site.heard[2][0]]:
        problems.append(f"resumed behind {site.resumed}")
    return problems


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", choices=list(CLIENTS), help="only this client (can be repeated)")


def execute(arguments: argparse.Namespace) -> int:
    """0: every client got everything; 1: one did not; 2: one cannot be run."""
    logging.getLogger("tornado").setLevel(logging.ERROR)
    status = 0
    for name in arguments.only or CLIENTS:
        with tempfile.TemporaryDirectory(prefix="event-streams", ignore_cleanup_errors=True) as directory:
            try:
                if name == "eventsource":
                    install_eventsource(Path(directory))
                for proxied in (False, True):
                    problems = asyncio.run(check(name, Path(directory), proxied=proxied))
                    print(
                        f"{name}{' through nginx' if proxied else ''}: {'; '.join(problems) or 'each message once, in order'}", flush=True
                    )
                    status = max(status, int(bool(problems)))
            except CannotRun as error:
                print(f"{name}: {error}", file=sys.stderr)
                status = 2
    return status
