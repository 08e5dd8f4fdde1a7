"""wsgi: the environment an application gets, and what becomes of its answer."""

import asyncio
import concurrent.futures
import threading
from typing import Any

import pytest

from tornadolike import httputil
from tornadolike.wsgi import HTTPRequest, WSGIContainer, to_wsgi_str


class Connection:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.finished = False

    def write_headers(self, start_line: Any, headers: Any, chunk: bytes | None = None) -> None:
        self.start_line, self.headers, self.body = start_line, headers, chunk

    def finish(self) -> None:
        self.finished = True


def request_for(method: str = "GET", uri: str = "/", body: bytes = b"", host: str = "example.org", **headers: str) -> HTTPRequest:
    connection: Any = Connection()
    start = httputil.RequestStartLine(method, uri, "HTTP/1.1")
    lines = httputil.HTTPHeaders({"Host": host, **headers})
    request = HTTPRequest(headers=lines, body=body, connection=connection, start_line=start)
    request.remote_ip = "192.0.2.1"
    return request


def application(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("X-Thread", str(threading.get_ident()))])
    return [b"hello, ", environ["PATH_INFO"].encode("latin-1")]


async def answer(app: Any, request: HTTPRequest | None = None, **kwargs: Any) -> Any:
    request = request or request_for()
    await WSGIContainer(app, **kwargs).handle_request(request)
    assert request.connection.finished  # type: ignore[union-attr]
    return request.connection


async def test_answer() -> None:
    sent = await answer(application, request_for(uri="/caf%C3%A9+1?q=a%20b"))
    assert sent.start_line == ("HTTP/1.1", 200, "OK")
    assert sent.body == b"hello, /caf\xc3\xa9+1"
    assert sent.headers["Content-Length"] == str(len(sent.body))
    assert sent.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert sent.headers["Server"].startswith("TornadoServer/")
    assert sent.headers["X-Thread"] == str(threading.get_ident())


async def test_executor() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sent = await answer(application, executor=pool)
        assert sent.headers["X-Thread"] == str(pool.submit(threading.get_ident).result())
        assert WSGIContainer(application, pool).environ(request_for())["wsgi.multithread"] is True


async def test_headers_of_the_application_win() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("content-length", "2"), ("CONTENT-TYPE", "text/x"), ("Server", "s"), ("A", "1"), ("A", "2")])
        return [b"no"]

    sent = await answer(app)
    assert [sent.headers[name] for name in ("Content-Length", "Content-Type", "Server")] == ["2", "text/x", "s"]
    assert sent.headers.get_list("A") == ["1", "2"]


@pytest.mark.parametrize(("status", "level"), [("204 No Content", 20), ("304 Not Modified", 20), ("404 None", 30), ("500", 40)])
async def test_status(status: str, level: int, logs: Any) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [])
        return []

    sent = await answer(app)
    assert ("Content-Length" in sent.headers) == (level > 20)
    assert str(sent.start_line.code) == status[:3]
    if level > 20:
        logs.take("tornado.access", rf"{status[:3]} GET / \(192.0.2.1\) [0-9.]+ms", level=level)


async def test_no_body_for_head() -> None:
    sent = await answer(application, request_for("HEAD"))
    assert (sent.body, sent.headers["Content-Length"]) == (None, "8")


async def test_written_and_closed() -> None:
    closed = []

    class Chunks(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("500 Not yet", [("X", "old")])
        write = start_response("200 OK", [], None)
        write(b"first ")
        return Chunks([b"second"])

    sent = await answer(app)
    assert (sent.start_line.code, "X" in sent.headers, sent.body, closed) == (200, False, b"first second", [True])


async def test_errors() -> None:
    def silent(environ: Any, start_response: Any) -> Any:
        return []

    def broken(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"some"
        raise ValueError("broken")

    with pytest.raises(Exception, match="did not call start_response"):
        await answer(silent)
    with pytest.raises(ValueError, match="broken"):
        await answer(broken)


async def test_call_answers_later(logs: Any) -> None:
    request = request_for()
    WSGIContainer(application)(request)
    for _ in range(20):
        await asyncio.sleep(0)
    assert request.connection.finished  # type: ignore[union-attr]


def test_environ() -> None:
    headers = {"Content-Type": "text/plain", "Content-Length": "4", "X-Real-Ip": "1.1.1.1", "Accept": "*/*"}
    request = request_for("POST", "/a%2Fb?x=1&y", b"body", "example.org:8080", **headers)
    environ = WSGIContainer(application).environ(request)
    assert environ["wsgi.input"].read() == b"body"
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "x=1&y",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "4",
        "HTTP_X_REAL_IP": "1.1.1.1",
        "HTTP_ACCEPT": "*/*",
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
    }
    assert {key: environ[key] for key in expected} == expected
    assert "HTTP_CONTENT_TYPE" not in environ
    assert request.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(("host", "name", "port"), [("a", "a", "80"), ("[::1]:8080", "[::1]", "8080"), ("[::1]", "[::1]", "80")])
def test_server_name(host: str, name: str, port: str) -> None:
    environ = WSGIContainer(application).environ(request_for(host=host))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)


@pytest.mark.parametrize("names", [("X-Real-Ip", "X_Real_Ip"), ("X_Real_Ip", "X-Real-Ip")])
def test_underscores_do_not_pass_for_hyphens(names: tuple[str, str]) -> None:
    request = request_for(**{name: name for name in names}, Content_Length="99")
    environ = WSGIContainer(application).environ(request)
    assert environ["HTTP_X_REAL_IP"] == "X-Real-Ip"
    assert "CONTENT_LENGTH" not in environ


def test_wsgi_str() -> None:
    assert to_wsgi_str(b"\xff\x00a") == "\xff\x00a"
    with pytest.raises(AssertionError):
        to_wsgi_str("text")  # type: ignore[arg-type]
