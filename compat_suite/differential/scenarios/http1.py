"""The HTTP/1.1 wire: heads, framing, what is refused and how, what becomes of the connection."""

# ruff: noqa: E501 - rows of tables; names are looked up when the call is made

from typing import Any

from compat_suite.differential.applications import echo
from compat_suite.differential.conversation import talk
from compat_suite.differential.scenario import add


def wire(name: str, *pieces: bytes, settings: dict[str, Any] | None = None, **options: Any) -> None:
    add(f"http1/{name}", lambda: talk(echo(), pieces, settings=settings, **options))


def get(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: h", body: bytes = b"") -> bytes:
    return b"\r\n".join([first, *([host] if host else []), *lines, b"", b""]) + body


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return get(*lines, first=b"POST /p HTTP/1.1", body=body)


# Request lines
for _line in (
    b"GET / HTTP/1.1", b"GET /a?b=c&d HTTP/1.1", b"GET /a%20b%C3%A9?x=%zz HTTP/1.1", b"GET //a//b HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1",
    b"GET http://other/x?y HTTP/1.1", b"GET * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"HEAD / HTTP/1.1", b"get / HTTP/1.1",
    b"PROPFIND /d HTTP/1.1", b"FOO /d HTTP/1.1", b"TRACE / HTTP/1.1", b"CONNECT h:1 HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/1.2",
    b"GET / HTTP/2.0", b"GET / HTTP/0.9", b"GET / HTTP/11", b"GET / HTTP/1.1 ", b"GET  / HTTP/1.1", b" GET / HTTP/1.1", b"GET /a b HTTP/1.1",
    b"GET\t/\tHTTP/1.1", b"GET / http/1.1", b"GET / HTTQ/1.1", b"GET /", b"GET", b"", b"\r\n", b"GET /\x00 HTTP/1.1", b"GET /\x7f HTTP/1.1",
    b"GET /#frag HTTP/1.1", b"GET ?q HTTP/1.1", b"GET x HTTP/1.1", b"G(T / HTTP/1.1", b"GET /\x0b HTTP/1.1", b"GET / HTTP/1.10", b"GET / HTTP/01.1",
    b"M-SEARCH / HTTP/1.1", b"GE\xc9 / HTTP/1.1", b"GET /;p=1?a=1;b=2 HTTP/1.1", b"GET /?a=%41%42&a=+x&%61=y HTTP/1.1",
):  # fmt: skip
    wire(f"line {_line!r}", get(first=_line))

# Single header lines
for _header in (
    b"X: y", b"x-lower-name: v", b"X_Under: v", b"X:v", b"X:   v  ", b"X:\tv\t", b"X: ", b"X:", b"X: a, b", b"X: a\x00b", b"X: a\x01b",
    b"X: \xe9\xff", b"X: caf\xc3\xa9", b"X : v", b"X\t: v", b": v", b"no colon", b"X: v\n folded", b"X: v\r\n folded", b"X: v\r\n\tfolded", b" X: v",
    b"X: v\rY: z", b"X: v\nY: z", b"X(: v", b"\xe9: v", b"X: a\x7fb", b"X: a\x0bb", b"X: v\r\nX: w\r\nx: z", b"Host: second",
    b"Expect: 100-continue", b"Expect: nonsense", b"Connection: close", b"Connection: keep-alive", b"Connection: Close", b"Connection: upgrade",
    b"Connection: keep-alive, close", b"Connection: close, x", b"Upgrade: websocket\r\nConnection: Upgrade", b"Upgrade: h2c\r\nConnection: Upgrade",
    b"Content-Length: 0", b"Transfer-Encoding: identity", b"TE: trailers", b"Cookie: a=b; c=d", b'Cookie: a="x\\"y"; b', b"Cookie: a=b; a=c; =x; ;",
    b"Cookie: n=1\r\nCookie: m=2", b"Accept-Encoding: gzip", b"X-Forwarded-For: 1.2.3.4", b"Date: x", b"X" * 300 + b": v", b"X: " + b"v" * 5000,
    b"Content-Type: application/x-www-form-urlencoded", b"Proxy-Connection: close", b"X: \x80\x9f", b"X;Y: v", b"X\x00: v", b"X:  \t ",
):  # fmt: skip
    wire(f"header {_header[:40]!r}", get(_header))

# Host
for _host in (b"", b"Host:", b"Host: ", b"Host: a b", b"Host: a,b", b"Host: H:80", b"Host: [::1]:8", b"Host: a/b", b"Host: user@h", b"Host: \xe9", b"Host: h:x", b"host: lower",
              b"Host: a\r\nHost: b", b"Host: a\r\nHost: a", b"Host: h:99999", b"Host: h_x", b"Host: 1.2.3.4", b"Host: a%20b", b"Host: h."):  # fmt: skip
    wire(f"host {_host!r}", get(host=_host))
    if _host in (b"", b"Host:"):
        wire(f"host {_host!r} in HTTP/1.0", get(host=_host, first=b"GET / HTTP/1.0"))

# Bodies with a length
for _length in (b"3", b"03", b"+3", b"-3", b"3 ", b" 3", b"3,3", b"3, 3", b"3,4", b"1_0", b"0x3", b"3.0", b"", b"a", b"\xb2", b"3\r\nContent-Length: 3", b"3\r\nContent-Length: 4",
                b"99999999999999999999999", b"3;x", b"0", b"3,", b"00000000000000000000003"):  # fmt: skip
    wire(f"length {_length!r}", post(b"Content-Length: " + _length, body=b"abc"))

# Chunked bodies
for _chunks in (
    b"3\r\nabc\r\n0\r\n\r\n", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"A\r\n0123456789\r\n0\r\n\r\n", b"a\r\n0123456789\r\n0\r\n\r\n", b"03\r\nabc\r\n0\r\n\r\n",
    b"0\r\n\r\n", b"3;ext\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b" 3\r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"3\r\nabcX\r\n0\r\n\r\n", b"3\r\nabc\r\n0\r\nT: v\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n", b"+3\r\nabc\r\n0\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n", b"3_\r\nabc\r\n0\r\n\r\n", b"\r\nabc\r\n0\r\n\r\n", b"g\r\nabc\r\n0\r\n\r\n",
    b"00000000000000003\r\nabc\r\n0\r\n\r\n", b"0" * 70 + b"3\r\nabc\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\nabc", b"3\r\nabc\r\n00\r\n\r\n", b"3\r\nabc\r\n0;x\r\n\r\n", b"3\r\nabc\r\n0\r\nX",
    b"3\r\nab", b"3\r\nabc\r\n", b"3\r\nabc0\r\n\r\n", b"0\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n", b"0\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n",
):  # fmt: skip
    wire(f"chunked {_chunks[:40]!r}", post(b"Transfer-Encoding: chunked", body=_chunks))

_THREE = b"3\r\nabc\r\n0\r\n\r\n"
for _coding in (b"Chunked", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"gzip", b"x", b"chunked\r\nTransfer-Encoding: chunked", b"chunked\r\nContent-Length: 3", b" chunked",
                b"chunked;q=1", b"\x0bchunked", b"", b"identity, chunked"):  # fmt: skip
    wire(f"transfer-encoding {_coding!r}", post(b"Transfer-Encoding: " + _coding, body=_THREE))
wire("length before transfer-encoding", post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=_THREE))
wire("chunked in HTTP/1.0", get(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0", body=_THREE))
wire(
    "chunked in HTTP/1.0, keep-alive", get(b"Transfer-Encoding: chunked", b"Connection: keep-alive", first=b"POST / HTTP/1.0", body=_THREE)
)
wire("GET with a body", get(b"Content-Length: 3", body=b"abc"))
wire("GET with a chunked body", get(b"Transfer-Encoding: chunked", body=_THREE))
wire("POST without a body", post())
wire("HEAD with a body", get(b"Content-Length: 3", first=b"HEAD / HTTP/1.1", body=b"abc"))
wire("DELETE with a body", get(b"Content-Length: 3", first=b"DELETE / HTTP/1.1", body=b"abc"))
wire("too little body", post(b"Content-Length: 9", body=b"abc"))
wire("expect with a body", post(b"Content-Length: 3", b"Expect: 100-continue"), b"abc")
wire("expect with a body at once", post(b"Content-Length: 3", b"Expect: 100-continue", body=b"abc"))
wire("expect in HTTP/1.0", get(b"Content-Length: 3", b"Expect: 100-continue", first=b"POST / HTTP/1.0", body=b"abc"))
wire("expect in capitals", post(b"Content-Length: 3", b"Expect: 100-CONTINUE", body=b"abc"))

# Sequences
wire("two in one piece", get() + get(first=b"GET /2 HTTP/1.1"))
wire("two in two pieces", get(), get(first=b"GET /2 HTTP/1.1"))
wire("ten in one piece", b"".join(get(first=b"GET /%d HTTP/1.1" % n) for n in range(10)))
wire("byte by byte", *(bytes([byte]) for byte in post(b"Content-Length: 3", body=b"abc") + get()))
wire("chunked, byte by byte", *(bytes([byte]) for byte in post(b"Transfer-Encoding: chunked", body=_THREE) + get()))
wire("body, then another", post(b"Content-Length: 3", body=b"abc") + post(b"Content-Length: 2", body=b"de"))
wire("close, then another", get(b"Connection: close") + get())
wire("HTTP/1.0 keep-alive, then another", get(b"Connection: keep-alive", first=b"GET / HTTP/1.0") + get())
wire("HTTP/1.0 Keep-Alive, HEAD", get(b"Connection: Keep-Alive", first=b"HEAD / HTTP/1.0"))
wire("HTTP/1.0 POST keep-alive", get(b"Connection: keep-alive", b"Content-Length: 3", first=b"POST / HTTP/1.0", body=b"abc"))
for _method in (b"DELETE", b"OPTIONS"):
    wire(f"HTTP/1.0 {_method.decode()} keep-alive", get(b"Connection: keep-alive", first=_method + b" / HTTP/1.0"))
wire("garbage after a request", get() + b"\x00\x01garbage\r\n\r\n")
wire("bad request after a good one", get() + get(b"X : v"))
wire("empty line before a request", b"\r\n" + get())
wire("empty lines between requests", get() + b"\r\n\r\n" + get())
wire("bare line feeds", b"GET / HTTP/1.1\nHost: h\n\n")
wire("bare carriage returns", b"GET / HTTP/1.1\rHost: h\r\r")
wire("nothing at all", probe=False)
wire("half a head", b"GET / HT")
wire("half a head, then the client goes", b"GET / HT", eof=True)
wire("half a body, then the client goes", post(b"Content-Length: 9", body=b"abc"), eof=True, probe=False)
wire("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 60 + b"\r\n\r\n")
wire("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
wire("proxy protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get())

# Limits
wire("head too long", get(b"X: " + b"v" * 70000), probe=False)
wire("head too long, never ending", b"GET / HTTP/1.1\r\nX: " + b"v" * 70000, probe=False)
wire("many headers", get(*(b"X-%d: v" % n for n in range(200))))
wire("same header many times", get(*(b"X: %d" % n for n in range(200))))
wire("max_header_size", get(b"X: " + b"v" * 300), settings={"max_header_size": 200}, probe=False)
wire("max_header_size is enough", get(b"X: " + b"v" * 100), settings={"max_header_size": 200})
wire("max_body_size", post(b"Content-Length: 30", body=b"a" * 30), settings={"max_body_size": 20})
wire(
    "max_body_size, chunked",
    post(b"Transfer-Encoding: chunked", body=b"1e\r\n" + b"a" * 30 + b"\r\n0\r\n\r\n"),
    settings={"max_body_size": 20},
)
wire(
    "max_body_size, chunked in parts",
    post(b"Transfer-Encoding: chunked", body=b"a\r\n" + b"a" * 10 + b"\r\na\r\n" + b"a" * 10 + b"\r\n1\r\na\r\n0\r\n\r\n"),
    settings={"max_body_size": 20},
)
wire("max_buffer_size", post(b"Content-Length: 300", body=b"a" * 300), settings={"max_buffer_size": 100})
wire("chunk_size", post(b"Content-Length: 300", body=b"a" * 300), settings={"chunk_size": 7})
wire("no_keep_alive", get() + get(), settings={"no_keep_alive": True})
wire("no_keep_alive, HTTP/1.0", get(b"Connection: keep-alive", first=b"GET / HTTP/1.0"), settings={"no_keep_alive": True})
wire("idle_connection_timeout", get(), settings={"idle_connection_timeout": 0.05}, idle=0.15)
wire("idle_connection_timeout at the first request", b"GET", settings={"idle_connection_timeout": 0.05}, idle=0.15, probe=False)
wire("body_timeout", post(b"Content-Length: 9", body=b"abc"), settings={"body_timeout": 0.05}, idle=0.15, probe=False)

# Behind a proxy
for _forwarded in (
    b"X-Forwarded-For: 4.4.4.4, 1.2.3.4", b"X-Real-Ip: 5.5.5.5", b"X-Forwarded-For: nonsense", b"X-Forwarded-For: 1.2.3.4\r\nX-Real-Ip: 5.5.5.5", b"X-Forwarded-For: ::1",
    b"X-Forwarded-For: 4.4.4.4, 5.5.5.5, 127.0.0.1", b"X-Scheme: https", b"X-Forwarded-Proto: https", b"X-Forwarded-Proto: https, http", b"X-Scheme: gopher", b"X-Forwarded-For: ",
    b"X-Forwarded-For: 4.4.4.4\r\nX-Forwarded-For: 5.5.5.5", b"X-Real-Ip: 1.2.3.4:80",
):  # fmt: skip
    wire(f"xheaders {_forwarded!r}", get(_forwarded) + get(), settings={"xheaders": True, "trusted_downstream": ["127.0.0.1", "5.5.5.5"]})
wire("protocol setting", get(), settings={"protocol": "https"})

# Compressed requests
import gzip as _gzip  # noqa: E402 - used by the rest of the table only

_PACKED = _gzip.compress(b"name=value&x=y" * 3, mtime=0)
for _name, _body, _coding in (
    ("gzip", _PACKED, b"gzip"), ("two members", _PACKED + _PACKED, b"gzip"), ("cut off", _PACKED[:-6], b"gzip"), ("garbage", b"garbage", b"gzip"), ("trailing", _PACKED + b"xx", b"gzip"),
    ("GZIP", _PACKED, b"GZIP"), ("deflate", _PACKED, b"deflate"), ("bomb", _gzip.compress(b"\0" * 500_000, mtime=0), b"gzip"), ("empty", b"", b"gzip"),
):  # fmt: skip
    for _on in (True, False):
        wire(
            f"request body {_name}, decompress_request={_on}",
            post(
                b"Content-Encoding: " + _coding,
                b"Content-Type: application/x-www-form-urlencoded",
                b"Content-Length: %d" % len(_body),
                body=_body,
            ),
            settings={"decompress_request": _on, "max_body_size": 100_000},
        )
