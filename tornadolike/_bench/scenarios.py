"""The built-in scenarios: what is asked of the application, what has to come back, per what the cost is counted."""

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from tornadolike._bench import candidates, generator, importing, many_connections, websocket_load, wrk
from tornadolike._bench.errors import WrongAnswer
from tornadolike._bench.exchanges import Answer, Request
from tornadolike._bench.figures import Load
from tornadolike._bench.server_process import ServerProcess

_STATIC_PATTERN = bytes(range(256))
_FORM = urllib.parse.urlencode({"name": "Some Body", "email": "somebody@example.com", "text": "x" * 200}).encode()
_MIB = 1 << 20
_LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Settings:
    """How loads are made. ``origin_port`` is a server of its own for scenarios in which the candidate is the client."""

    use_wrk: bool = True
    connections: int = 64
    many: int = 10_000
    upload_mib: int = 100
    origin_port: int = 0


class Driver(Protocol):
    """Load on one server, as often as wanted. It finds out first whether the server answers as it has to."""

    def run(self, seconds: float) -> Load:
        """Raises `WrongAnswer` and other `BenchError`."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """``figure`` is the one that counts: ``cpu_us`` per unit or ``memory_kib`` per unit.

    ``fresh_process``: a new process for each round. ``many``: needs thousands of connections. ``origin``: the candidates fetch from
    a server of their own. ``every_loop``: False where loop and engine make no difference, so that one of each framework will do.
    """

    name: str
    title: str
    drive: Callable[[ServerProcess, Settings], Driver]
    unit: str = "request"
    figure: str = "cpu_us"
    peers: tuple[str, ...] = ()
    fresh_process: bool = False
    many: bool = False
    origin: bool = False
    every_loop: bool = True


class HTTPDriver:
    """One request from many connections. Before and after each round one answer is looked at whole.

    The generator compares all answers; it also makes the warm-up, which is too short for wrk.
    """

    def __init__(self, server: ServerProcess, settings: Settings, request: Request, answer: Answer, *, connections: int = 0) -> None:
        self._server, self._settings = server, settings
        self._request, self._answer = request, answer
        self._connections = connections or settings.connections

    def run(self, seconds: float) -> Load:
        host, port = self._server.host, self._server.port
        self._look()
        if self._settings.use_wrk and seconds >= wrk.LEAST_SECONDS:
            load = wrk.load(self._request, host, port, self._connections, seconds)
            self._check_size(load)
        else:
            load = generator.http_load(self._request, self._answer, host, port, self._connections, seconds)
        self._look()
        return load

    def _check_size(self, load: Load) -> None:
        """wrk counts statuses, but compares no bodies: too few bytes is what can be seen of wrong ones."""
        body = self._answer.body
        if body is not None and load.received_bytes < load.work * len(body):
            raise WrongAnswer(f"answers under load with {load.received_bytes / load.work:.0f} bytes, less than a body of {len(body)}")

    def _look(self) -> None:
        status, _, body = generator.ask(self._request, self._server.host, self._server.port)
        self._answer.check(status, body)


class BytesDriver(HTTPDriver):
    """As `HTTPDriver`, counted in MiB that arrived."""

    def run(self, seconds: float) -> Load:
        load = HTTPDriver.run(self, seconds)
        return Load(load.received_bytes / _MIB, load.seconds, load.latency, load.received_bytes)


@dataclass(slots=True)
class CallingDriver:
    """Repeats ``once`` until the time is over; it returns the work that it did. ``timed``: how long it takes is worth knowing."""

    once: Callable[[], float]
    timed: bool = True

    def run(self, seconds: float) -> Load:
        load = Load.of_calls(self.once, seconds)
        return load if self.timed else replace(load, latency=None)


@dataclass(slots=True)
class RunningDriver:
    """A load that knows its own time."""

    run_for: Callable[[float], Load]

    def run(self, seconds: float) -> Load:
        return self.run_for(seconds)


def http(
    name: str,
    title: str,
    request: Request,
    body: bytes | None,
    *,
    status: int = 200,
    unit: str = "request",
    peers: tuple[str, ...] = (),
    connections: int = 0,
    driver: type[HTTPDriver] = HTTPDriver,
) -> Scenario:
    """A scenario of one request and its answer."""

    def drive(server: ServerProcess, settings: Settings) -> Driver:
        return driver(server, settings, request, Answer(status, body), connections=connections)

    return Scenario(name, title, drive, unit=unit, peers=peers)


def _static_body(size: int) -> bytes:
    return (_STATIC_PATTERN * (size // 256 + 1))[:size]


def _cookie(server: ServerProcess, settings: Settings) -> Driver:
    _, head, _ = generator.ask(Request("/login"), server.host, server.port)
    cookies = [line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"set-cookie:")]
    if not cookies:
        raise WrongAnswer("sets no cookie")
    cookie = cookies[0].partition(b";")[0].decode("latin-1")
    return HTTPDriver(server, settings, Request("/member", headers={"Cookie": cookie}), Answer(200, b"Hello, somebody"))


def _xsrf(server: ServerProcess, settings: Settings) -> Driver:
    _, head, token = generator.ask(Request("/protected"), server.host, server.port)
    cookie = next((line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"set-cookie:")), b"")
    headers = {"Cookie": cookie.partition(b";")[0].decode("latin-1"), "Content-Type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode({"name": "Some Body", "_xsrf": token.decode("latin-1")}).encode()
    return HTTPDriver(server, settings, Request("/protected", "POST", headers, body), Answer(200, b"Some Body"))


def _not_modified(server: ServerProcess, settings: Settings) -> Driver:
    _, head, _ = generator.ask(Request("/static/1k.bin"), server.host, server.port)
    etags = [line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"etag:")]
    if not etags:
        raise WrongAnswer("has no entity tag")
    return HTTPDriver(server, settings, Request("/static/1k.bin", headers={"If-None-Match": etags[0].decode("latin-1")}), Answer(304, b""))


def _page(server: ServerProcess, settings: Settings) -> Driver:
    return HTTPDriver(server, settings, Request("/page"), Answer(200, _page_body()))


def _page_body() -> bytes:
    """The page as the template has to make it, made without it."""
    rows = []
    for number in range(20):
        price = number * 1.25
        shown = f"<b>{price}</b>" if price > 10 else f"{price}"
        kind = "odd" if number % 2 else "even"
        rows.append(f'<tr class="{kind}">\n<td>{number}</td><td>item {number}</td>\n<td>{shown}</td>\n</tr>')
    title = "Items &amp; more"
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title></head><body>\n<h1>{title}</h1><p>Hello, reader</p>\n"
        f"<table>{''.join(rows)}</table></body></html>\n"
    ).encode()


def _upload(server: ServerProcess, settings: Settings) -> Driver:
    piece, count = b"u" * _MIB, settings.upload_mib
    head = Request("/upload", "PUT", {"Content-Type": "application/octet-stream"}).wire(server.host, server.port)
    head = head.replace(b"Content-Length: 0", b"Content-Length: %d" % (count * _MIB))
    answer = Answer(200, str(count * _MIB).encode())

    def once() -> float:
        with generator.connect(server.host, server.port) as connection:
            connection.sendall(head)
            for _ in range(count):
                connection.sendall(piece)
            _, status, body = generator.receive(connection)
        answer.check(status, body)
        return count

    return CallingDriver(once)


def _echo(message: bytes, path: str, *, deflate: bool = False) -> Callable[[ServerProcess, Settings], Driver]:
    def drive(server: ServerProcess, settings: Settings) -> Driver:
        if deflate:
            websocket_load.check_deflated(message, path, server.host, server.port)

        def run(seconds: float) -> Load:
            return websocket_load.echo_load(message, path, server.host, server.port, settings.connections, seconds, deflate=deflate)

        return RunningDriver(run)

    return drive


def _idle_http(server: ServerProcess, settings: Settings) -> Driver:
    answer = Answer(200, b"Hello, world")
    return RunningDriver(lambda _: many_connections.idle_http(server, Request("/hello"), answer, settings.many))


def _idle_websockets(server: ServerProcess, settings: Settings) -> Driver:
    return RunningDriver(lambda _: many_connections.idle_websockets(server, "/echo", settings.many))


def _broadcast(server: ServerProcess, settings: Settings) -> Driver:
    return RunningDriver(lambda seconds: many_connections.broadcast(server, "/channel", settings.many, seconds))


def _fetches(server: ServerProcess, settings: Settings) -> Driver:
    count = 640
    query = urllib.parse.urlencode({"n": count, "url": f"http://{_LOCAL}:{settings.origin_port}/hello"})
    answer = Answer(200, str(count).encode())

    def once() -> float:
        status, _, body = generator.ask(Request(f"/fetches?{query}"), server.host, server.port)
        answer.check(status, body)
        return count

    return CallingDriver(once, timed=False)


def _import(server: ServerProcess, settings: Settings) -> Driver:
    return importing.ImportDriver(server.candidate)


_BOTH = ("aiohttp", "starlette")
_JSON = b'{"message": "Hello, world", "items": [1, 2, 3], "ok": true}'
_PATH = "/users/somebody/posts/42?q=tornado&page=3&tag=a&tag=b"
_POST = Request("/form", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, _FORM)
_EVENTS = b"".join(b"data: event %d\n\n" % number for number in range(20))
_CLOSE = Request("/hello", headers={"Connection": "close"})
_RANGE = Request("/static/100k.bin", headers={"Range": "bytes=1000-1999"})
_FILES = Request(
    "/files",
    "POST",
    {"Content-Type": "multipart/form-data; boundary=BOUNDARY"},
    b'--BOUNDARY\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
    + b"f" * (100 << 10)
    + b"\r\n--BOUNDARY--\r\n",
)
_WORDS = (b"the quick brown fox jumps over the lazy dog, " * 30)[:1024]

BUILT_IN: tuple[Scenario, ...] = (
    http("hello", "Hello, world (async get)", Request("/hello"), b"Hello, world", peers=(*_BOTH, *candidates.ASGI)),
    http("sync", "Hello, world (sync get)", Request("/sync"), b"Hello, world", peers=_BOTH),
    http("json", "JSON", Request("/json"), _JSON, peers=_BOTH),
    http("args", "Path and query arguments", Request(_PATH), b"somebody 42 tornado 3 a,b", peers=_BOTH),
    http("form", "Form post", _POST, b"Some Body somebody@example.com 200", peers=("aiohttp",)),
    Scenario("cookie", "Signed cookie", _cookie),
    Scenario("template", "Template page", _page),
    http("static-1k", "Static file, 1 KB", Request("/static/1k.bin"), _static_body(1 << 10)),
    http("static-100k", "Static file, 100 KB", Request("/static/100k.bin"), _static_body(100 << 10)),
    http(
        "static-10m",
        "Static file, 10 MB",
        Request("/static/10m.bin"),
        _static_body(10 << 20),
        unit="MiB",
        connections=4,
        driver=BytesDriver,
    ),
    Scenario("upload", "Streaming upload, 100 MB", _upload, unit="MiB"),
    http("flushes", "50 flushes", Request("/flushes"), b"x" * 5000),
    http("hooks", "Handler with hooks and five headers", Request("/hooks?user=Ada"), b"Hello, Ada"),
    Scenario("xsrf", "Form post with XSRF token", _xsrf),
    Scenario("not-modified", "Static file that is not modified (304)", _not_modified),
    http("range", "1 KB of a static file of 100 KB", _RANGE, _static_body(100 << 10)[1000:2000], status=206),
    http("gzip", "JSON of 70 KB, compressed", Request("/compressed", headers={"Accept-Encoding": "gzip"}), None),
    http("multipart", "Multipart form, a file of 100 KB", _FILES, b"102400"),
    http("post-1m", "POST of 1 MB", Request("/size", "POST", body=b"p" * _MIB), b"1048576"),
    http("events", "Event stream, 20 events with a turn of the loop between", Request("/events"), _EVENTS),
    http("connect", "Connect, request, close", _CLOSE, b"Hello, world", peers=_BOTH),
    Scenario("ws-64", "WebSocket echo, 64 B", _echo(b"m" * 64, "/echo"), unit="message", peers=("aiohttp", *candidates.ASGI)),
    Scenario("ws-16k", "WebSocket echo, 16 KB", _echo(b"m" * (16 << 10), "/echo"), unit="message", peers=("aiohttp",)),
    Scenario("ws-deflate", "WebSocket echo, 1 KB, deflate", _echo(_WORDS, "/deflated", deflate=True), unit="message", peers=("aiohttp",)),
    Scenario("broadcast", "Broadcast to 10,000 WebSockets", _broadcast, unit="message", many=True),
    Scenario("fetch", "AsyncHTTPClient, 64 in flight", _fetches, unit="fetch", peers=("aiohttp",), origin=True),
    Scenario("import", "Importing the web module", _import, unit="import", every_loop=False),
    Scenario("idle-http", "10,000 idle connections", _idle_http, "connection", "memory_kib", fresh_process=True, many=True),
    Scenario("idle-ws", "10,000 idle WebSockets", _idle_websockets, "connection", "memory_kib", fresh_process=True, many=True),
)


def named(names: list[str]) -> list[Scenario]:
    """These of the built-in scenarios, all for none. Raises `LookupError` with a message that lists what there is."""
    known = {one.name: one for one in BUILT_IN}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LookupError(f"no scenario {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(BUILT_IN)
