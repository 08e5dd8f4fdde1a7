"""Every step that a program can replace is called as often as on Tornado: each public method, replaced by a recording double."""

import asyncio
import functools
import importlib
import inspect
import logging
import re
import socket
import threading
import types
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.faults.machine.scripts import FRAMES, Upgrade

tornado = pytest.importorskip("tornado", reason="needs the real Tornado to compare with")
if tornado.__name__ != "tornado":
    pytest.skip("`import tornado` is answered by tornadolike here", allow_module_level=True)

MODULES = ("httputil", "http1connection", "httpserver", "routing", "web")

# Steps which the two packages divide otherwise, by intent (docs/differences.md).
ELSEWHERE = {
    "httputil.HTTPHeaders": "heads are parsed by the engine, and headers are made on first sight",
    "httputil.HTTPConnection": "the interface: HTTP1Connection's methods are the ones that are called",
    "httputil.HTTPMessageDelegate": "the interface",
    "httputil.HTTPServerConnectionDelegate.start_request": "the interface",
    "httputil.HTTPFile": "no step",
    "http1connection.HTTP1ConnectionParameters": "no step",
    "http1connection.HTTP1Connection.__init__": "made when a request comes, not when one is waited for",
    "http1connection.HTTP1Connection.read_response": "bytes are pushed in",
    "http1connection.HTTP1Connection.close": "the stream is closed",
    "httpserver.HTTPServer.start_request": "asked when a request comes, not when one is waited for",
    "routing.Router.start_request": "likewise",
    "web.RequestHandler.get_status": "the log looks itself",
}


FILES: list[str] = []  # where they are


@pytest.fixture(scope="module", autouse=True)
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    directory = tmp_path_factory.mktemp("files")
    (directory / "small.txt").write_bytes(b"small")
    (directory / "big.txt").write_bytes(b"b" * 65_536)  # one piece to both
    FILES[:] = [str(directory)]
    yield
    FILES.clear()


# Functions of modules that ours asks less often.
FUNCTIONS_ELSEWHERE = {
    "http1connection.is_transfer_encoding_chunked": "decided by the engine",
    "http1connection.parse_int": "likewise, for requests; asked for what handlers say",
    "httputil.parse_request_start_line": "heads are parsed by the engine",
    "httputil.split_host_and_port": "likewise",
    "httputil.format_timestamp": "a date is made once for each second",
    "httputil.parse_body_arguments": "asked where a request says what its body is",
    "httputil.qs_to_qsl": "how URLs are put together: no step",
}

# What a stream does for a server that waits for bytes; ours is given them.
STREAM_STEPS = ("write", "write_to_fd", "read_from_fd")


def application(web: Any, **settings: Any) -> Any:
    class Page(web.RequestHandler):  # type: ignore[misc]
        def initialize(self, **kwargs: Any) -> None:
            pass

        async def get(self, name: str = "") -> None:
            self.write(name + self.get_argument("q", "") + (self.get_cookie("c") or ""))
            if name == "flush":
                await self.flush()
                self.write("more")
            if name == "cookie":
                self.set_cookie("a", "b")
            if name == "error":
                raise web.HTTPError(418)

        head = get

        def post(self, name: str = "") -> None:
            self.write(self.get_body_argument("b", "") or self.request.body)

    @web.stream_request_body
    class Upload(web.RequestHandler):  # type: ignore[misc]
        def prepare(self) -> None:
            self.size = 0

        def data_received(self, chunk: bytes) -> None:
            self.size += len(chunk)

        def post(self) -> None:
            self.write(str(self.size))

    routes = [("/page/(.*)", Page), ("/page", Page, {"x": 1}), ("/upload", Upload), ("/go", web.RedirectHandler, {"url": "/page"})]
    return web.Application(routes, log_function=lambda handler: None, static_path=FILES[0], **settings or {"compress_response": True})


def wire(method: str, target: str, *fields: str, body: bytes = b"") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *fields, *length, "", ""]).encode() + body


FORM = "Content-Type: application/x-www-form-urlencoded"
REQUESTS = [
    wire("GET", "/page"),
    wire("GET", "/page?q=1", "Cookie: c=2"),
    wire("GET", "/page/flush"),
    wire("GET", "/page/cookie"),
    wire("HEAD", "/page/x"),
    wire("POST", "/page", FORM, body=b"b=3"),
    wire("POST", "/upload", body=b"x" * 1000),
    wire("GET", "/go"),
    wire("GET", "/page", "If-None-Match: *"),
    wire("GET", "/page/error"),
    wire("GET", "/nowhere"),
    wire("GET", "/static/small.txt"),
    wire("GET", "/static/big.txt", "Accept-Encoding: gzip"),
    wire("HEAD", "/static/small.txt"),
    wire("GET", "/static/small.txt", "Range: bytes=1-2"),
    wire("GET", "/static/small.txt", "If-None-Match: *"),
    wire("GET", "/static/none.txt"),
    wire("GET", "/page", "Accept-Encoding: gzip"),
    wire("GET", "/page", "Connection: close"),
]


def nothing(http: Any, application: Any) -> None:
    pass


async def conversation(
    package: str, change: Callable[[Any, Any], Any] = nothing, midway: Callable[[Any, Any], Any] = nothing, **settings: Any
) -> bytes:
    """All requests on one connection; ``change`` is called before it is there, ``midway`` while it waits for the half of them."""
    web, server, iostream = (importlib.import_module(f"{package}.{name}") for name in ("web", "httpserver", "iostream"))
    ours, theirs = socket.socketpair()
    target = application(web, **settings)
    http = server.HTTPServer(target)
    change(http, target)
    http.handle_stream(iostream.IOStream(ours), ("192.0.2.1", 1))
    reader, writer = await asyncio.open_connection(sock=theirs)
    answers = b""
    async with asyncio.timeout(10):
        for number, request in enumerate(REQUESTS):
            if number == len(REQUESTS) // 2:
                midway(http, target)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            answers += head
            if b"chunked" in head:
                answers += await reader.readuntil(b"0\r\n\r\n")
            elif not request.startswith(b"HEAD"):
                length = re.search(rb"Content-Length: ([0-9]+)", head)
                answers += await reader.readexactly(int(length[1]) if length else 0)
        answers += await reader.read()
    writer.close()
    await http.close_all_connections()
    return answers


def public_steps() -> Iterator[tuple[str, str, str]]:
    for name in MODULES:
        theirs = importlib.import_module(f"tornado.{name}")
        for class_name, cls in inspect.getmembers(theirs, inspect.isclass):
            if cls.__module__ != theirs.__name__ or class_name.startswith("_") or issubclass(cls, (BaseException, tuple)):
                continue
            for method, value in vars(cls).items():
                kinds = types.FunctionType, classmethod, staticmethod, property
                if isinstance(value, kinds) and (not method.startswith("_") or method == "__init__"):
                    yield name, class_name, method


STEPS = [step for step in public_steps() if not {f"{step[0]}.{step[1]}", ".".join(step)} & set(ELSEWHERE) and step[1] != "UIModule"]


def recording(original: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    @functools.wraps(original)
    def double(*args: Any, **kwargs: Any) -> Any:
        calls.append(original.__name__)
        return original(*args, **kwargs)

    return double


def replace(package: str, step: tuple[str, str, str], patch: pytest.MonkeyPatch, calls: list[str] | None = None) -> list[str]:
    module: ModuleType = importlib.import_module(f"{package}.{step[0]}")
    cls = getattr(module, step[1])
    calls = [] if calls is None else calls
    value = inspect.getattr_static(cls, step[2])
    if isinstance(value, property):
        accessors = [recording(one, calls) if one else None for one in (value.fget, value.fset, value.fdel)]
        patch.setattr(cls, step[2], property(*accessors))
    elif isinstance(value, classmethod | staticmethod):
        patch.setattr(cls, step[2], type(value)(recording(value.__func__, calls)))
    else:
        patch.setattr(cls, step[2], recording(value, calls))
    return calls


def how_often(step: tuple[str, str, str], calls: list[str]) -> int:
    """What is no call but an attribute, and each time gives the same: whether it was asked at all."""
    is_attribute = isinstance(inspect.getattr_static(getattr(importlib.import_module(f"tornado.{step[0]}"), step[1]), step[2]), property)
    return min(len(calls), 1) if is_attribute else len(calls)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    loggers = [logging.getLogger(f"tornado.{name}") for name in ("access", "general", "application")]
    for logger in loggers:
        logger.disabled = True
    yield
    for logger in loggers:
        logger.disabled = False


@pytest.mark.parametrize("step", STEPS, ids=".".join)
async def test_a_replaced_step_is_called_as_often_as_on_tornado(step: tuple[str, str, str]) -> None:
    counts = []
    for package in ("tornado", "tornadolike"):
        with pytest.MonkeyPatch.context() as patch:
            calls = replace(package, step, patch)
            answers = await conversation(package)
        assert answers.count(b"HTTP/1.1 ") == len(REQUESTS)
        counts.append(how_often(step, calls))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("step", STEPS, ids=".".join)
async def test_a_step_replaced_while_a_connection_is_open(step: tuple[str, str, str]) -> None:
    counts = []
    for package in ("tornado", "tornadolike"):
        calls: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            await conversation(package, midway=lambda *_: replace(package, step, patch, calls))  # noqa: B023
        counts.append(how_often(step, calls))
    assert counts[0] == counts[1]


def public_functions() -> Iterator[tuple[str, str]]:
    for name in (*MODULES, "websocket", "iostream"):
        theirs = importlib.import_module(f"tornado.{name}")
        for function, value in inspect.getmembers(theirs, inspect.isfunction):
            if value.__module__ == theirs.__name__ and not function.startswith("_") and f"{name}.{function}" not in FUNCTIONS_ELSEWHERE:
                yield name, function


@pytest.mark.parametrize("step", list(public_functions()), ids=".".join)
async def test_a_replaced_function_of_a_module(step: tuple[str, str]) -> None:
    counts = []
    for package in ("tornado", "tornadolike"):
        module, calls = importlib.import_module(f"{package}.{step[0]}"), list[str]()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, step[1], recording(getattr(module, step[1]), calls))
            await conversation(package)
        counts.append(len(calls))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("class_name", ["BaseIOStream", "IOStream"])
@pytest.mark.parametrize("method", STREAM_STEPS)
async def test_every_byte_goes_through_what_was_put_in_place_of_a_step_of_streams(class_name: str, method: str) -> None:
    """How often depends on when bytes come; that none goes past it, does not."""
    from tornadolike import iostream

    cls, passed = getattr(iostream, class_name), list[Any]()
    original = getattr(cls, method)

    def double(self: Any, data: Any, *args: Any) -> Any:
        result = original(self, data, *args)
        passed.append(result if method != "write" else len(data))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, method, double)
        answers = await conversation("tornadolike")
    if class_name == "BaseIOStream" and method != "write":
        assert passed == []  # it is no more than the interface
    else:
        assert sum(filter(None, passed)) == len(answers if method != "read_from_fd" else b"".join(REQUESTS))


@pytest.mark.parametrize("method", ["write", "flush"])
async def test_a_large_file_goes_through_what_was_put_in_place_of_a_step(method: str) -> None:
    """The kernel sends it only where nobody looks at its bytes."""
    counts = []
    for package in ("tornado", "tornadolike"):
        with pytest.MonkeyPatch.context() as patch:
            calls = replace(package, ("web", "RequestHandler", method), patch)
            await conversation(package, compress_response=False)
        counts.append(len(calls))
    assert counts[0] == counts[1]


# -- over a WebSocket


async def chat(package: str) -> None:
    names = "web", "websocket", "httpserver", "iostream"
    web, websocket, server, iostream = (importlib.import_module(f"{package}.{name}") for name in names)

    class Echo(websocket.WebSocketHandler):  # type: ignore[misc, name-defined]
        def check_origin(self, origin: str) -> bool:
            return True

        def on_message(self, message: str | bytes) -> None:
            if message == "close":
                self.close(4000, "asked")
            elif message == "ping":
                self.ping(b"x")
            else:
                self.write_message(message)

    http = server.HTTPServer(web.Application([("/socket", Echo)], log_function=lambda handler: None))
    ours, theirs = socket.socketpair()
    http.handle_stream(iostream.IOStream(ours), ("192.0.2.1", 1))
    reader, writer = await asyncio.open_connection(sock=theirs)
    async with asyncio.timeout(10):
        writer.write(Upgrade("1").wire(package))
        await reader.readuntil(b"\r\n\r\n")
        for frame, size in (("text", 7), ("bytes", 4), ("asks for a ping", 3), ("ping", 3), ("pong", 0), ("asks to close", 9)):
            writer.write(FRAMES[frame])
            await reader.readexactly(size)
        writer.write(FRAMES["close"])
        assert await reader.read() == b""
    writer.close()
    await http.close_all_connections()


def methods_of_a_socket() -> Iterator[tuple[str, str, str]]:
    for class_name in ("WebSocketHandler", "WebSocketProtocol"):
        for name, value in vars(getattr(importlib.import_module("tornado.websocket"), class_name)).items():
            if isinstance(value, types.FunctionType | property) and (not name.startswith("_") or name == "__init__"):
                yield "websocket", class_name, name


@pytest.mark.parametrize("step", list(methods_of_a_socket()), ids=".".join)
async def test_a_replaced_step_of_a_websocket(step: tuple[str, str, str]) -> None:
    counts = []
    for package in ("tornado", "tornadolike"):
        with pytest.MonkeyPatch.context() as patch:
            calls = replace(package, step, patch)
            await chat(package)
            counts.append(how_often(step, calls))
    assert counts[0] == counts[1]


class Other:
    """In place of the matcher of a rule: takes nothing."""

    def match(self, request: Any) -> None:
        return None

    def reverse(self, *args: Any) -> None:
        return None


@pytest.mark.parametrize("when", ["change", "midway"])
async def test_another_matcher_for_a_rule(when: str) -> None:
    answers = []
    for package in ("tornado", "tornadolike"):

        def change(http: Any, application: Any) -> None:
            for rule in application.wildcard_router.rules[:2]:
                rule.matcher = Other()

        answers.append((await conversation(package, **{when: change})).count(b" 404 "))
    assert answers[0] == answers[1] > 1


async def test_rules_that_a_thread_adds_and_removes() -> None:
    from tornadolike import routing, web

    over = threading.Event()
    changed = 0

    def keep_changing(rules: list[Any]) -> None:
        nonlocal changed
        while not over.is_set():
            rule = routing.Rule(routing.PathMatches("/other"), web.RequestHandler)
            rules.append(rule)
            rules.remove(rule)
            changed += 1

    threads: list[threading.Thread] = []

    def change(http: Any, application: Any) -> None:
        threads.append(threading.Thread(target=keep_changing, args=(application.wildcard_router.rules,)))
        threads[-1].start()

    expected = statuses(await conversation("tornadolike"))
    for _ in range(5):
        over.clear()
        try:
            assert statuses(await conversation("tornadolike", change)) == expected
        finally:
            over.set()
            threads[-1].join()
    assert changed > 20


def statuses(answers: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 ([0-9]{3})", answers)


# -- on instances and in modules


def on_instances(name: str, calls: list[str]) -> Callable[[Any, Any], None]:
    def change(http: Any, application: Any) -> None:
        owner: Any = http if name == "server.start_request" else application
        attribute = name.rpartition(".")[2]
        original = getattr(owner, attribute)

        def double(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return original(*args, **kwargs)

        setattr(owner, attribute, double)

    return change


@pytest.mark.parametrize("name", ["find_handler", "get_handler_delegate", "log_request"])
async def test_a_step_replaced_on_an_application(name: str) -> None:
    counts = []
    for package in ("tornado", "tornadolike"):
        calls: list[str] = []
        await conversation(package, on_instances(name, calls))
        counts.append(len(calls))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("name", ["server.start_request", "start_request"])
async def test_each_request_begins_with_what_was_put_in_place_of_start_request(name: str) -> None:
    calls: list[str] = []
    await conversation("tornadolike", on_instances(name, calls))
    assert len(calls) == len(REQUESTS)


async def test_another_router_in_place_of_the_default_one() -> None:
    answers = []
    for package in ("tornado", "tornadolike"):
        routing, httputil = (importlib.import_module(f"{package}.{name}") for name in ("routing", "httputil"))

        class Teapot(routing.Router):  # type: ignore[misc, name-defined]
            def find_handler(self, request: Any, httputil: Any = httputil, **kwargs: Any) -> Any:
                class Answer(httputil.HTTPMessageDelegate):  # type: ignore[misc, name-defined]
                    def finish(self) -> None:
                        request.connection.write_headers(
                            httputil.ResponseStartLine("", 418, "Teapot"), httputil.HTTPHeaders({"Content-Length": "0"})
                        )
                        request.connection.finish()

                return Answer()

        def change(http: Any, application: Any, router: Any = Teapot) -> None:
            application.default_router = router()

        answers.append(await conversation(package, change))
    assert answers[0] == answers[1]
    assert answers[1].count(b"418 Teapot") == len(REQUESTS)


@pytest.mark.parametrize("name", ["flush", "compute_etag", "set_header", "write", "finish", "set_etag_header", "check_etag_header"])
async def test_a_step_replaced_on_a_handler(name: str) -> None:
    counts = []
    for package in ("tornado", "tornadolike"):
        calls: list[str] = []

        def initialize(handler: Any, calls: list[str] = calls, **kwargs: Any) -> None:
            original = getattr(handler, name)

            def double(*args: Any, **kwargs: Any) -> Any:
                calls.append(name)
                return original(*args, **kwargs)

            setattr(handler, name, double)

        def change(http: Any, application: Any, initialize: Any = initialize) -> None:
            for rule in application.wildcard_router.rules:
                if getattr(rule.target, "__name__", "") == "Page":
                    rule.target.initialize = initialize

        await conversation(package, change)
        counts.append(len(calls))
    assert counts[0] == counts[1] > 0


async def test_another_class_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for package in ("tornado", "tornadolike"):
        httputil = importlib.import_module(f"{package}.httputil")
        made: list[str] = []

        class Own(httputil.HTTPServerRequest):  # type: ignore[misc, name-defined]
            def __init__(self, *args: Any, made: list[str] = made, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                made.append(self.path)

        monkeypatch.setattr(httputil, "HTTPServerRequest", Own)
        await conversation(package)
        counts.append(made)
    assert counts[0] == counts[1]


class Proxy:
    """Stands for an object as those of wrapt do: a class of its own, everything else looked up in what it wraps."""

    def __init__(self, wrapped: Any) -> None:
        self.__dict__["wrapped"] = wrapped

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.__dict__["wrapped"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["wrapped"], name)


async def test_a_delegate_that_wraps_the_application_is_not_passed_by() -> None:
    from tornadolike import httputil

    class Refusing(httputil.HTTPMessageDelegate):
        def __init__(self, connection: Any) -> None:
            self.connection = connection

        def finish(self) -> None:
            self.connection.write_headers(httputil.ResponseStartLine("", 403, "No"), httputil.HTTPHeaders({"Content-Length": "0"}))
            self.connection.finish()

    class Guard(Proxy):
        def start_request(self, server: Any, connection: Any) -> Any:
            return Refusing(connection)

    def change(http: Any, application: Any) -> None:
        http.request_callback = Guard(application)

    answers = await conversation("tornadolike", change)
    assert answers.count(b"403 No") == len(REQUESTS)


async def test_what_only_writes_answers_is_enough_of_a_connection() -> None:
    """A double with the three methods of `HTTPConnection`, with Tornado's signatures."""
    from tornadolike import httputil, web

    class Bare:
        said: list[Any] = []

        def write_headers(self, start_line: Any, headers: Any, chunk: bytes | None = None) -> Any:
            self.said.append((start_line.code, chunk))

        def write(self, chunk: bytes) -> Any:
            self.said.append(chunk)

        def finish(self) -> None:
            self.said.append("finish")

        def set_close_callback(self, callback: Any) -> None:
            pass

    class Hello(web.RequestHandler):
        def get(self) -> None:
            self.write("hello")

    connection: Any = Bare()
    line = httputil.RequestStartLine("GET", "/", "HTTP/1.1")
    request = httputil.HTTPServerRequest(start_line=line, headers={"Host": "a"}, connection=connection)  # type: ignore[arg-type]
    web.Application([("/", Hello)], log_function=lambda handler: None)(request)
    await asyncio.sleep(0.01)
    assert connection.said == [(200, b"hello"), "finish"]
