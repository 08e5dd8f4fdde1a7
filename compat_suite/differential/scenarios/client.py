"""The HTTP client: the bytes of its requests, and what it makes of the bytes of answers."""

# ruff: noqa: E501, PLW0108 - rows of tables; names are looked up when the call is made

import asyncio
import datetime as dt
import gzip
from typing import Any

from tornado import httpclient, httputil, simple_httpclient

from compat_suite.differential.recording import Logs
from compat_suite.differential.scenario import add, calls, outcome, raised

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def _fetch(
    answers: tuple[bytes, ...], options: dict[str, Any], client_options: dict[str, Any], url: str, *, hold: bool = False
) -> Any:
    requests: list[str] = []
    left = list(answers)

    async def serve(reader: Any, writer: Any) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"Content-Length: " in head:
            head += await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
        elif b"chunked" in head:
            head += await reader.readuntil(b"0\r\n\r\n")
        requests.append(head.decode("latin-1"))
        writer.write(left.pop(0) if left else b"")
        if hold:
            await asyncio.sleep(1)
        writer.close()

    notes: list[Any] = []
    options = {name: (value(notes) if name.endswith("_callback") else value) for name, value in options.items()}
    with Logs() as logs:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = simple_httpclient.SimpleAsyncHTTPClient(force_instance=True, **client_options)
        try:
            response = await client.fetch(url.replace("PORT", str(port)), **options)
            notes.append(_shown(response, port))
        except httpclient.HTTPError as error:
            notes.append(
                [
                    f"{type(error).__module__}.{type(error).__name__}",
                    error.code,
                    str(error),
                    error.message,
                    _shown(error.response, port) if error.response else None,
                ]
            )
        except Exception as error:
            notes.append(raised(error))
        client.close()
        server.close()
        return [[one.replace(str(port), "<port>") for one in requests], repr(notes).replace(str(port), "<port>"), list(logs)]


def _shown(response: Any, port: int) -> list[Any]:
    request = response.request
    return [
        response.code,
        response.reason,
        list(response.headers.get_all()),
        response.body,
        response.effective_url,
        repr(response.error),
        sorted(response.time_info) == [],
        request.method,
        request.url,
        bool(response.request_time is not None),
    ]


def fetch(
    name: str,
    *answers: bytes,
    url: str = "http://127.0.0.1:PORT/p?q=1",
    client: dict[str, Any] | None = None,
    hold: bool = False,
    **options: Any,
) -> None:
    add(f"client/{name}", lambda: _fetch(answers or (_OK,), options, client or {}, url, hold=hold))


# Requests
for _name, _options in {
    "GET": {}, "POST": {"method": "POST", "body": "a=b"}, "POST bytes": {"method": "POST", "body": b"\xff"}, "POST empty": {"method": "POST", "body": ""}, "POST without body": {"method": "POST"}, "GET with body": {"body": "x"}, "GET with body allowed": {"body": "x", "allow_nonstandard_methods": True}, "PUT": {"method": "PUT", "body": "x"},
    "DELETE": {"method": "DELETE"}, "DELETE with body": {"method": "DELETE", "body": "x", "allow_nonstandard_methods": True}, "PATCH": {"method": "PATCH", "body": "x"}, "HEAD": {"method": "HEAD"}, "OPTIONS": {"method": "OPTIONS"}, "PROPFIND": {"method": "PROPFIND"}, "PROPFIND allowed": {"method": "PROPFIND", "allow_nonstandard_methods": True},
    "lower": {"method": "get"}, "headers": {"headers": {"X-A": "b", "user-agent": "me"}}, "header list": {"headers": httputil.HTTPHeaders([("X", "1"), ("X", "2")])}, "host header": {"headers": {"Host": "other"}}, "connection header": {"headers": {"Connection": "keep-alive"}}, "content type": {"method": "POST", "body": "{}", "headers": {"Content-Type": "application/json"}},
    "content length": {"method": "POST", "body": "abc", "headers": {"Content-Length": "3"}}, "bad header": {"headers": {"X": "a\r\nb"}}, "bad header name": {"headers": {"X\r\n": "b"}}, "auth": {"auth_username": "u", "auth_password": "p"}, "auth basic": {"auth_username": "u", "auth_password": "p\u00e9", "auth_mode": "basic"}, "auth digest": {"auth_username": "u", "auth_mode": "digest"},
    "auth nosuch": {"auth_username": "u", "auth_mode": "nosuch"}, "auth without password": {"auth_username": "u"}, "user agent": {"user_agent": "agent"}, "no gzip": {"decompress_response": False}, "use_gzip": {"use_gzip": False}, "expect": {"method": "POST", "body": "x", "expect_100_continue": True, "request_timeout": 0.2}, "if modified": {"if_modified_since": dt.datetime(2020, 1, 2)},
    "if modified number": {"if_modified_since": 1_577_836_800}, "proxy": {"proxy_host": "x", "proxy_port": 1}, "interface": {"network_interface": "127.0.0.1"}, "interface nosuch": {"network_interface": "nosuch"}, "both bodies": {"method": "POST", "body": "x", "body_producer": print}, "nosuch option": {"nosuch": 1}, "accept encoding": {"headers": {"Accept-Encoding": "x"}},
    "method injection": {"method": "GET / HTTP/1.1\r\nX: y", "allow_nonstandard_methods": True}, "header not text": {"headers": {"X": 3}}, "header accents": {"headers": {"X": "\u00e9"}}, "header euro": {"headers": {"X": "\u20ac"}}, "cookie": {"headers": {"Cookie": "a=b"}}, "body number": {"method": "POST", "body": 3}, "transfer encoding": {"method": "POST", "body": "x", "headers": {"Transfer-Encoding": "chunked"}},
}.items():  # fmt: skip
    fetch(f"request {_name}", (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" if _name == "HEAD" else _OK), **_options)


async def _produce(write: Any) -> None:
    await write(b"ab")
    await write(b"")
    await write(b"cd")


async def _produce_badly(write: Any) -> None:
    await write(b"ab")
    raise ValueError("producer")


fetch("request producer", method="POST", body_producer=_produce)
fetch("request producer with length", method="POST", body_producer=_produce, headers={"Content-Length": "4"})
fetch("request producer with wrong length", method="POST", body_producer=_produce, headers={"Content-Length": "3"})
fetch("request producer fails", method="POST", body_producer=_produce_badly)
for _url in (
    "http://127.0.0.1:PORT", "http://127.0.0.1:PORT/", "http://127.0.0.1:PORT?x=y", "http://127.0.0.1:PORT/a b", "http://127.0.0.1:PORT/\u00e9", "http://127.0.0.1:PORT/x#frag", "http://u:p@127.0.0.1:PORT/x", "http://u%40x:p%3a@127.0.0.1:PORT/x", "http://u@127.0.0.1:PORT/", "ftp://127.0.0.1:PORT/", "127.0.0.1:PORT/x", "http:///x", "", "http://127.0.0.1:x/", "http://127.0.0.1:99999/",
    "HTTP://127.0.0.1:PORT/x", "http://127.0.0.1:PORT//a//b", "http://127.0.0.1:PORT/a\r\nX: y", "http://[::1/", "http://127.0.0.1:1/", "http://127.0.0.1:PORT/%zz?%zz", "//127.0.0.1:PORT/", "http://127.0.0.1:PORT/\x00", "http://\u00e9.invalid/",
):  # fmt: skip
    fetch(f"url {_url!r}", url=_url)

# Answers
_BODY = gzip.compress(b"unpacked" * 10, mtime=0)
for _name, _answer in {
    "201": b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", "500 without reason": b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", "204": b"HTTP/1.1 204 No Content\r\n\r\n", "204 with length": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", "204 with length 0": b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n",
    "204 chunked": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "304": b"HTTP/1.1 304 Not Modified\r\n\r\n", "304 with length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "until close": b"HTTP/1.1 200 OK\r\n\r\nto the end", "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nold", "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunked cut": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", "chunked bad": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "length cut": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "nothing": b"", "garbage": b"garbage\r\n\r\n", "half a head": b"HTTP/1.1 200 OK\r\nX:", "no status": b"HTTP/1.1\r\n\r\n", "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "bad header": b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n", "folded": b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n", "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "100 first": b"HTTP/1.1 100 Continue\r\n\r\n" + _OK, "103 first": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + _OK, "eleven 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 11 + _OK, "101": b"HTTP/1.1 101 Switching\r\n\r\n",
    "ten 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 10 + _OK, "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY, "gzip cut": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(_BODY) - 5) + _BODY[:-5], "gzip garbage": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "gzip empty": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "gzip chunked": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(_BODY) + _BODY + b"\r\n0\r\n\r\n", "length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "lengths differ": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", "headers": b"HTTP/1.1 200 OK\r\nx-lower: 1\r\nX-Lower: 2\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX: \xe9\r\nContent-Length: 0\r\n\r\n",
    "too much": _OK + b"more", "599": b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", "reason accents": b"HTTP/1.1 200 \xc3\xa9\r\nContent-Length: 0\r\n\r\n", "long head": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n", "deflate": b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 2\r\n\r\nok", "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: v\r\n\r\n",
    "extension": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\n", "leading line": b"\r\n" + _OK, "status 99": b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n", "status 1000": b"HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n", "304 with etag": b'HTTP/1.1 304 Not Modified\r\nEtag: "x"\r\n\r\n', "407": b"HTTP/1.1 407 Proxy\r\nContent-Length: 0\r\n\r\n",
}.items():  # fmt: skip
    fetch(f"answer {_name}", _answer)
    fetch(f"answer {_name}, HEAD", _answer, method="HEAD")
    fetch(f"answer {_name}, no raise", _answer, raise_error=False)
    fetch(
        f"answer {_name}, callbacks",
        _answer,
        header_callback=lambda notes: lambda line: notes.append(line),
        streaming_callback=lambda notes: lambda chunk: notes.append(chunk),
    )
fetch("max_body_size", b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200, client={"max_body_size": 100})
fetch("max_body_size, until close", b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 200, client={"max_body_size": 100})
fetch(
    "max_body_size, unpacked",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY,
    client={"max_body_size": 50},
)
fetch("max_buffer_size", b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200, client={"max_buffer_size": 100})
fetch("max_header_size", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200 + b"\r\nContent-Length: 0\r\n\r\n", client={"max_header_size": 100})
fetch("defaults", client={"defaults": {"user_agent": "dflt", "decompress_response": False}})
fetch("timeout", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", request_timeout=0.05, hold=True)
fetch("timeout before the head", b"", request_timeout=0.05, hold=True)
fetch("connect timeout is no request timeout", connect_timeout=0.5, request_timeout=0)
fetch("hostname_mapping", url="http://mapped:PORT/x", client={"hostname_mapping": {"mapped": "127.0.0.1"}})
fetch("streaming callback fails", streaming_callback=lambda notes: lambda chunk: 1 / 0)
fetch("header callback fails", header_callback=lambda notes: lambda line: 1 / 0)

# Redirects
for _code in (300, 301, 302, 303, 304, 305, 307, 308):
    for _method in ("GET", "POST", "HEAD", "PUT", "DELETE"):
        fetch(
            f"redirect {_code} {_method}",
            b"HTTP/1.1 %d Moved\r\nLocation: /next?x\r\nContent-Length: 0\r\n\r\n" % _code,
            _OK if _method != "HEAD" else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            method=_method,
            body="abc" if _method in ("POST", "PUT") else None,
        )
for _location in (
    b"rel",
    b"?q",
    b"#f",
    b"//127.0.0.1:1/x",
    b"http://localhost:1/x",
    b"ftp://x/",
    b"javascript:x",
    b"",
    b"/a b",
    b"/\xc3\xa9",
    b"/\xe9",
    b"http://",
    b"data:,x",
    b"file:///etc/passwd",
    b"http://127.0.0.1:x/",
    b"/x\tY",
):
    fetch(
        f"redirect to {_location!r}",
        b"HTTP/1.1 302 Found\r\nLocation: " + _location + b"\r\nContent-Length: 0\r\n\r\n",
        auth_username="u",
        auth_password="p",
        headers={"Authorization": "x", "Cookie": "c"},
    )
fetch("redirect without location", b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
fetch("redirects off", b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", follow_redirects=False)
fetch("too many redirects", *([b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"] * 7))
fetch("max_redirects", *([b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"] * 3), max_redirects=1)
fetch("max_redirects 0", b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", max_redirects=0)
fetch("redirect with body", b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 4\r\n\r\nbody", _OK)
fetch(
    "redirect with callbacks",
    b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 4\r\n\r\nbody",
    _OK,
    header_callback=lambda notes: lambda line: notes.append(line),
    streaming_callback=lambda notes: lambda chunk: notes.append(chunk),
)


# Objects
def _request_fields(*arguments: Any, **keywords: Any) -> Any:
    request = httpclient.HTTPRequest(*arguments, **keywords)
    return {name: value for name, value in sorted(vars(request).items()) if name != "start_time"}, request.headers, request.body


async def _objects() -> Any:
    make = httpclient.HTTPRequest
    record: list[Any] = [
        outcome(_request_fields, "http://h/"),
        outcome(_request_fields, "http://h/", "POST", {"A": "b"}, "body"),
        outcome(_request_fields, 3),
        outcome(_request_fields),
        outcome(_request_fields, "u", nosuch=1),
    ]
    request = make("http://h/x")
    for code in (200, 304, 404, 599, 777):
        response = httpclient.HTTPResponse(request, code)
        record += [
            outcome(
                lambda response=response: (
                    response.code,
                    response.reason,
                    response.body,
                    str(response.error),
                    response.request_time,
                    response.time_info,
                )
            ),
            outcome(response.rethrow),
        ]
    record += [
        outcome(
            lambda: (
                str(httpclient.HTTPError(404)),
                repr(httpclient.HTTPError(599, "m")),
                httpclient.HTTPClientError is httpclient.HTTPError,
                str(httpclient.HTTPError(777)),
            )
        )
    ]
    record += [
        outcome(lambda: str(simple_httpclient.HTTPTimeoutError("t"))),
        outcome(lambda: str(simple_httpclient.HTTPStreamClosedError(""))),
    ]
    client = httpclient.AsyncHTTPClient()
    record += [type(client).__name__, client is httpclient.AsyncHTTPClient(), client is httpclient.AsyncHTTPClient(force_instance=True)]
    client.close()
    record += [outcome(client.close), outcome(client.fetch, "http://h/")]
    return record


add("client/objects", _objects)
calls(
    "client._RequestProxy",
    lambda defaults: httpclient._RequestProxy(httpclient.HTTPRequest("http://h/"), defaults).user_agent,
    [({},), ({"user_agent": "x"},), (None,)],
)
