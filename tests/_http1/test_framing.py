"""The same verdict on the same bytes, whichever parser reads them (RFC 9112, RFC 9110)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http1 import select
from tornadolike._http1.engine import ClientEngine, HeadParser, ServerEngine
from tornadolike._http1.errors import HeadTooLarge, PeerError
from tornadolike._http1.events import BodyChunk, MessageEnd, RequestHead, ResponseHead

MAX_HEAD = 4096


def exchange(parser: HeadParser, wire: bytes) -> list[object]:
    """All events of the first message in ``wire``."""
    engine = ServerEngine(parser, MAX_HEAD)
    events: list[object] = list(engine.feed(wire))
    while events and not isinstance(events[-1], MessageEnd):
        more = engine.feed()
        if not more:
            break
        events += more
    return events


def request(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bool = True, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, *([b"Host: a"] if host else []), *fields, b"", body])


CHUNKED = b"Transfer-Encoding: chunked"

# section, bytes, what the log line must say, status
REFUSED = {
    "9112 §3 no request line": (b"garbage\r\n\r\n", "Malformed HTTP request line", 400),
    "9112 §3 two words": (request(line=b"GET /"), "Malformed HTTP request line", 400),
    "9112 §3 four words": (request(line=b"GET / x HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §3 two spaces": (request(line=b"GET  / HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §3 tab": (request(line=b"GET\t/ HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §3 leading space": (request(line=b" GET / HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §3 trailing space": (request(line=b"GET / HTTP/1.1 "), "Malformed HTTP request line", 400),
    "9112 §3 method with brackets": (request(line=b"G<T / HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §3.1 empty method": (request(line=b" / HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §3.2 control in target": (request(line=b"GET /\x01 HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §3.2 NUL in target": (request(line=b"GET /\0 HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §2.3 lower-case name": (request(line=b"GET / http/1.1"), "Malformed HTTP request line", 400),
    "9112 §2.3 version without minor": (request(line=b"GET / HTTP/1"), "Malformed HTTP request line", 400),
    "9112 §2.3 version of three parts": (request(line=b"GET / HTTP/1.1.1"), "Malformed HTTP request line", 400),
    "9112 §2.3 version with two digits": (request(line=b"GET / HTTP/1.10"), "Malformed HTTP request line", 400),
    "9112 §2.3 HTTP/2.0": (request(line=b"GET / HTTP/2.0"), "Unexpected HTTP version 'HTTP/2.0'", 505),
    "9112 §2.3 HTTP/0.9": (request(line=b"GET / HTTP/0.9"), "Unexpected HTTP version 'HTTP/0.9'", 505),
    "9112 §2.3 HTTP/9.9": (request(line=b"GET / HTTP/9.9"), "Unexpected HTTP version 'HTTP/9.9'", 505),
    "9112 §2.2 bare CR in the line": (request(line=b"GET /\r HTTP/1.1"), "Malformed HTTP request line", 400),
    "9112 §2.2 bare CR in a value": (request(b"X: a\rb"), r"Invalid header value 'a\\rb'", 400),
    "9112 §2.2 space before the first field": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "folding", 400),
    "9112 §5.2 obs-fold with space": (request(b"X: a\r\n b"), "folding", 400),
    "9112 §5.2 obs-fold with tab": (request(b"X: a\r\n\tb"), "folding", 400),
    "9112 §5.1 space before colon": (request(b"X : a"), "Invalid header name 'X '", 400),
    "9112 §5.1 tab before colon": (request(b"X\t: a"), "Invalid header name", 400),
    "9112 §5 no colon": (request(b"X"), "no colon in header line", 400),
    "9112 §5 empty name": (request(b": a"), "Invalid header name ''", 400),
    "9110 §5.6.2 name with non-ASCII": (request(b"X\xe9: a"), "Invalid header name", 400),
    "9110 §5.6.2 name with slash": (request(b"X/Y: a"), "Invalid header name", 400),
    "9110 §5.6.2 name with brackets": (request(b"X[0]: a"), "Invalid header name", 400),
    "9110 §5.6.2 name with at": (request(b"X@: a"), "Invalid header name", 400),
    "9110 §5.5 NUL in value": (request(b"X: a\0b"), "Invalid header value", 400),
    "9110 §5.5 control in value": (request(b"X: a\x0bb"), "Invalid header value", 400),
    "9110 §5.5 DEL in value": (request(b"X: a\x7fb"), "Invalid header value", 400),
    "9110 §5.5 escape in value": (request(b"X: \x1b[0m"), "Invalid header value", 400),
    "9112 §3.2 no Host": (request(host=False), "Missing Host header", 400),
    "9112 §3.2 two equal Hosts": (request(b"Host: a"), "Multiple host headers not allowed", 400),
    "9112 §3.2 two Hosts": (request(b"Host: b"), "Multiple host headers not allowed", 400),
    "9112 §3.2 two Hosts in two spellings": (request(b"HOST: b"), "Multiple host headers not allowed", 400),
    "9112 §3.2 Host with space": (request(b"Host: a b", host=False), "Invalid Host header", 400),
    "9112 §3.2 Host with path": (request(b"Host: a/b", host=False), "Invalid Host header", 400),
    "9112 §3.2 Host with user": (request(b"Host: u@a", host=False), "Invalid Host header", 400),
    "9112 §3.2 Host with word as port": (request(b"Host: a:http", host=False), "Invalid Host header", 400),
    "9112 §3.2 Host with two ports": (request(b"Host: a:1:2", host=False), "Invalid Host header", 400),
    "9112 §3.2 Hosts joined by a proxy": (request(b"Host: a,b", host=False), "Multiple host headers not allowed", 400),
    "9112 §6.1 TE and CL": (request(b"Content-Length: 5", CHUNKED), "Message with both Transfer-Encoding and Content-Length", 400),
    "9112 §6.1 CL and TE": (request(CHUNKED, b"Content-Length: 5"), "Message with both Transfer-Encoding and Content-Length", 400),
    "9112 §6.1 TE and CL 0": (request(CHUNKED, b"Content-Length: 0"), "Message with both", 400),
    "9112 §6.1 TE gzip": (request(b"Transfer-Encoding: gzip"), "Unsupported Transfer-Encoding gzip", 400),
    "9112 §6.1 TE gzip, chunked": (request(b"Transfer-Encoding: gzip, chunked"), "Unsupported Transfer-Encoding gzip, chunked", 400),
    "9112 §6.1 TE chunked twice": (request(CHUNKED, CHUNKED), "Unsupported Transfer-Encoding chunked,chunked", 400),
    "9112 §6.1 TE chunked, chunked": (request(b"Transfer-Encoding: chunked, chunked"), "Unsupported Transfer-Encoding", 400),
    "9112 §6.1 TE identity": (request(b"Transfer-Encoding: identity"), "Unsupported Transfer-Encoding identity", 400),
    "9112 §6.1 TE xchunked": (request(b"Transfer-Encoding: xchunked"), "Unsupported Transfer-Encoding xchunked", 400),
    "9112 §6.1 TE empty": (request(b"Transfer-Encoding:"), "Unsupported Transfer-Encoding", 400),
    "9112 §6.1 TE with parameter": (request(b"Transfer-Encoding: chunked;q=1"), "Unsupported Transfer-Encoding", 400),
    "9112 §6.1 TE quoted": (request(b'Transfer-Encoding: "chunked"'), "Unsupported Transfer-Encoding", 400),
    "9112 §6.1 TE with vertical tab": (request(b"Transfer-Encoding: \x0bchunked"), "Invalid header value", 400),
    "9112 §6.1 TE with no-break space": (request(b"Transfer-Encoding: chunked\xa0"), "Unsupported Transfer-Encoding", 400),
    "9112 §6.3 CL twice": (request(b"Content-Length: 5", b"Content-Length: 6"), "Multiple unequal Content-Lengths", 400),
    "9112 §6.3 CL list": (request(b"Content-Length: 5, 6"), "Multiple unequal Content-Lengths", 400),
    "9112 §6.3 CL list with space": (request(b"Content-Length: 5 , 5"), "Multiple unequal Content-Lengths", 400),
    "9112 §6.3 CL list with empty": (request(b"Content-Length: 5,"), "Multiple unequal Content-Lengths", 400),
    "9112 §6.2 CL +5": (request(b"Content-Length: +5"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL -5": (request(b"Content-Length: -5"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL 1_0": (request(b"Content-Length: 1_0"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL 0x5": (request(b"Content-Length: 0x5"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL 5.0": (request(b"Content-Length: 5.0"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL empty": (request(b"Content-Length:"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL word": (request(b"Content-Length: five"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL in Arabic digits": (request("Content-Length: \u0665".encode()), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL superscript": (request(b"Content-Length: \xb2"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL with inner space": (request(b"Content-Length: 1 0"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL beyond 18 digits": (request(b"Content-Length: 1" + b"0" * 20), "Content-Length too long", 400),
    "9112 §7.1 chunk size sign": (request(CHUNKED, body=b"+5\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size minus": (request(CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size 0x": (request(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size underscore": (request(CHUNKED, body=b"0_5\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size empty": (request(CHUNKED, body=b"\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size leading space": (request(CHUNKED, body=b" 5\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size word": (request(CHUNKED, body=b"five\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size beyond all limits": (request(CHUNKED, body=b"f" * 17 + b"\r\n"), "chunked body too large", 400),
    "9112 §7.1 chunk size with a space behind": (request(CHUNKED, body=b"5 \r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size line without CR": (request(CHUNKED, body=b"5\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk longer than its size": (request(CHUNKED, body=b"4\r\nhello\r\n0\r\n\r\n"), "improperly terminated chunk", 400),
    "9112 §7.1 chunk without CRLF (CVE-2025-43859)": (request(CHUNKED, body=b"5\r\nhelloXX0\r\n\r\n"), "improperly terminated chunk", 400),
    "9112 §7.1 chunk with bare LF": (request(CHUNKED, body=b"5\r\nhello\n\n0\r\n\r\n"), "improperly terminated chunk", 400),
    "9112 §7.1.1 NUL in extension": (request(CHUNKED, body=b"5;a=\0\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1.1 bare LF in extension (CVE-2025-22871)": (
        request(CHUNKED, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
        "invalid chunk size",
        400,
    ),
    "9112 §7.1.1 bare CR in extension": (request(CHUNKED, body=b"5;a\rb\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1.1 endless extension": (request(CHUNKED, body=b"5;" + b"a" * 300), "invalid chunk size", 400),
    "9112 §7.1.2 trailer without colon": (
        request(CHUNKED, body=b"0\r\nGET / HTTP/1.1\r\n\r\n"),
        "improperly terminated chunked request",
        400,
    ),
    "9112 §7.1.2 trailer with NUL": (request(CHUNKED, body=b"0\r\nX: \0\r\n\r\n"), "improperly terminated chunked request", 400),
    "9112 §6.2 CL hexadecimal letter": (request(b"Content-Length: a"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL exponent": (request(b"Content-Length: 1e1"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL quoted": (request(b'Content-Length: "5"'), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL with semicolon": (request(b"Content-Length: 5;"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL with no-break space": (request(b"Content-Length: \xa05"), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL in full-width digits": (request("Content-Length: \uff15".encode()), "Only integer Content-Length is allowed", 400),
    "9112 §6.2 CL minus zero": (request(b"Content-Length: -0"), "Only integer Content-Length is allowed", 400),
    "9112 §6.1 TE deflate": (request(b"Transfer-Encoding: deflate"), "Unsupported Transfer-Encoding deflate", 400),
    "9112 §6.1 TE chunked, identity": (request(b"Transfer-Encoding: chunked, identity"), "Unsupported Transfer-Encoding", 400),
    "9112 §6.1 TE with comma before": (request(b"Transfer-Encoding: ,chunked"), "Unsupported Transfer-Encoding", 400),
    "9112 §6.1 TE with comma behind": (request(b"Transfer-Encoding: chunked,"), "Unsupported Transfer-Encoding", 400),
    "9112 §6.1 TE in two fields": (request(b"Transfer-Encoding: gzip", CHUNKED), "Unsupported Transfer-Encoding", 400),
    "9112 §6.1 TE with inner space": (request(b"Transfer-Encoding: chun ked"), "Unsupported Transfer-Encoding", 400),
    "9112 §5.1 space before colon of TE": (request(b"Transfer-Encoding : chunked"), "Invalid header name", 400),
    "9112 §5.1 space before colon of CL": (request(b"Content-Length : 5"), "Invalid header name", 400),
    "9112 §5.2 obs-fold of TE": (request(b"Transfer-Encoding:\r\n chunked"), "folding", 400),
    "9112 §7.1 chunk size in full-width digits": (
        request(CHUNKED, body="\uff15\r\nhello\r\n0\r\n\r\n".encode()),
        "invalid chunk size",
        400,
    ),
    "9112 §7.1 chunk size with tab before": (request(CHUNKED, body=b"\t5\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size with comma": (request(CHUNKED, body=b"5,5\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1 chunk size h": (request(CHUNKED, body=b"5h\r\nhello\r\n0\r\n\r\n"), "invalid chunk size", 400),
    "9112 §7.1.2 endless trailers": (request(CHUNKED, body=b"0\r\n" + b"X: y\r\n" * 5000), "trailers too large", 400),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(parser: HeadParser, case: str) -> None:
    wire, reason, status = REFUSED[case]
    with pytest.raises(PeerError, match=reason if "\\" in reason else re.escape(reason)) as caught:
        exchange(parser, wire)
    assert caught.value.status == status


@pytest.mark.parametrize("case", REFUSED)
def test_refused_when_it_comes_byte_by_byte(parser: HeadParser, case: str) -> None:
    wire, _, status = REFUSED[case]
    engine = ServerEngine(parser, MAX_HEAD)
    with pytest.raises(PeerError) as caught:
        for index in range(len(wire)):
            engine.feed(wire[index : index + 1])
    assert caught.value.status == status


# section, bytes, (method, target, version), keep-alive, body
SERVED = {
    "plain": (request(), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §2.2 bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §2.2 mixed line ends": (b"GET / HTTP/1.1\r\nHost: a\n\r\n", ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §2.2 empty line before": (b"\r\n" + request(), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §2.2 empty lines before": (b"\r\n\n\r\n" + request(), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §2.3 HTTP/1.0": (request(line=b"GET / HTTP/1.0", host=False), ("GET", "/", "HTTP/1.0"), False, b""),
    "9110 §2.5 HTTP/1.2": (request(line=b"GET / HTTP/1.2"), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §3.2 absolute form": (request(line=b"GET http://a/b?c HTTP/1.1"), ("GET", "http://a/b?c", "HTTP/1.1"), True, b""),
    "9112 §3.2 authority form": (request(line=b"CONNECT a:80 HTTP/1.1"), ("CONNECT", "a:80", "HTTP/1.1"), True, b""),
    "9112 §3.2 asterisk form": (request(line=b"OPTIONS * HTTP/1.1"), ("OPTIONS", "*", "HTTP/1.1"), True, b""),
    "9110 §9.1 own method": (request(line=b"BREW /pot HTTP/1.1"), ("BREW", "/pot", "HTTP/1.1"), True, b""),
    "9110 §9.1 lower-case method": (request(line=b"get / HTTP/1.1"), ("get", "/", "HTTP/1.1"), True, b""),
    "bytes above ASCII in the target": (request(line=b"GET /\xc3\xa9 HTTP/1.1"), ("GET", "/\xc3\xa9", "HTTP/1.1"), True, b""),
    "9112 §3.2 Host with port": (request(b"Host: a.b:80", host=False), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §3.2 Host IPv6": (request(b"Host: [::1]:80", host=False), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §3.2 Host empty": (request(b"Host:", host=False), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §9.3 close": (request(b"Connection: close"), ("GET", "/", "HTTP/1.1"), False, b""),
    "9112 §9.3 Close": (request(b"connection: Close"), ("GET", "/", "HTTP/1.1"), False, b""),
    "9110 §7.6.1 close in a list": (request(b"Connection: foo, close"), ("GET", "/", "HTTP/1.1"), False, b""),
    "9110 §7.6.1 close in a second field": (request(b"Connection: foo", b"Connection: close"), ("GET", "/", "HTTP/1.1"), False, b""),
    "9110 §7.6.1 not close": (request(b"Connection: closed"), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §9.3 1.0 keep-alive": (request(b"Connection: Keep-Alive", line=b"GET / HTTP/1.0"), ("GET", "/", "HTTP/1.0"), True, b""),
    "9112 §6.3 CL": (request(b"Content-Length: 5", body=b"hello"), ("GET", "/", "HTTP/1.1"), True, b"hello"),
    "9112 §6.3 CL 0": (request(b"Content-Length: 0"), ("GET", "/", "HTTP/1.1"), True, b""),
    "9112 §6.2 CL with zeros": (request(b"Content-Length: 005", body=b"hello"), ("GET", "/", "HTTP/1.1"), True, b"hello"),
    "9112 §6.3 CL twice the same": (request(b"Content-Length: 2", b"content-length: 2", body=b"hi"), ("GET", "/", "HTTP/1.1"), True, b"hi"),
    "9112 §6.3 CL list of the same": (request(b"Content-Length: 2, 2", body=b"hi"), ("GET", "/", "HTTP/1.1"), True, b"hi"),
    "9110 §5.5 white space around": (request(b"Content-Length: \t 2 \t", body=b"hi"), ("GET", "/", "HTTP/1.1"), True, b"hi"),
    "9112 §7.1 chunked": (request(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"), ("GET", "/", "HTTP/1.1"), True, b"hello"),
    "9112 §7.1 Chunked": (
        request(b"transfer-encoding: Chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        ("GET", "/", "HTTP/1.1"),
        True,
        b"hello",
    ),
    "9112 §7.1 upper-case size": (request(CHUNKED, body=b"A\r\n0123456789\r\n0\r\n\r\n"), ("GET", "/", "HTTP/1.1"), True, b"0123456789"),
    "9112 §7.1 zeros before the size": (request(CHUNKED, body=b"0005\r\nhello\r\n000\r\n\r\n"), ("GET", "/", "HTTP/1.1"), True, b"hello"),
    "9112 §7.1 seventeen digits": (request(CHUNKED, body=b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n"), ("GET", "/", "HTTP/1.1"), True, b"hello"),
    "9112 §7.1.1 white space before an extension": (
        request(CHUNKED, body=b"5 ;a\r\nhello\r\n0\r\n\r\n"),
        ("GET", "/", "HTTP/1.1"),
        True,
        b"hello",
    ),
    "9112 §7.1.1 extension": (request(CHUNKED, body=b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n'), ("GET", "/", "HTTP/1.1"), True, b"hello"),
    "9112 §7.1.2 trailers": (request(CHUNKED, body=b"5\r\nhello\r\n0\r\nX: y\r\nZ: w\r\n\r\n"), ("GET", "/", "HTTP/1.1"), True, b"hello"),
    "9112 §6.1 TE in HTTP/1.0": (
        request(CHUNKED, line=b"POST / HTTP/1.0", body=b"2\r\nhi\r\n0\r\n\r\n"),
        ("POST", "/", "HTTP/1.0"),
        False,
        b"hi",
    ),
    "9112 §6.1 TE in HTTP/1.0 with keep-alive": (
        request(CHUNKED, b"Connection: keep-alive", line=b"POST / HTTP/1.0", body=b"2\r\nhi\r\n0\r\n\r\n"),
        ("POST", "/", "HTTP/1.0"),
        False,
        b"hi",
    ),
    "9112 §6.1 TE in HTTP/1.0 with keep-alive, GET": (
        request(b"Connection: Keep-Alive", CHUNKED, line=b"GET / HTTP/1.0", body=b"0\r\n\r\n"),
        ("GET", "/", "HTTP/1.0"),
        False,
        b"",
    ),
    "9110 §7.8 upgrade with a body": (
        request(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 2", body=b"hi"),
        ("GET", "/", "HTTP/1.1"),
        True,
        b"hi",
    ),
    "9110 §9.3.6 CONNECT has no body": (request(line=b"CONNECT a:1 HTTP/1.1", body=b"tunnel"), ("CONNECT", "a:1", "HTTP/1.1"), True, b""),
}


@pytest.mark.parametrize("case", SERVED)
def test_served(parser: HeadParser, case: str) -> None:
    wire, line, keep_alive, body = SERVED[case]
    head, *rest = exchange(parser, wire)
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.version) == line
    assert head.keep_alive is keep_alive
    assert b"".join(event.data for event in rest if isinstance(event, BodyChunk)) == body
    assert isinstance(rest[-1], MessageEnd)


@pytest.mark.parametrize("case", SERVED)
def test_served_when_it_comes_byte_by_byte(parser: HeadParser, case: str) -> None:
    wire, line, _, body = SERVED[case]
    engine = ServerEngine(parser, MAX_HEAD)
    events: list[object] = []
    for index in range(len(wire)):
        events += engine.feed(wire[index : index + 1])
    head = events[0]
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.version) == line
    assert b"".join(event.data for event in events if isinstance(event, BodyChunk)) == body
    assert sum(isinstance(event, MessageEnd) for event in events) == 1


def test_fields_keep_order_spelling_and_repeats(parser: HeadParser) -> None:
    head, _ = exchange(parser, request(b"X-b: 1", b"x-A:2  ", b"X-b:\t3", b"Empty:", b"Latin: \xe9"))
    assert isinstance(head, RequestHead)
    assert [(name, value.strip()) for name, value in head.headers] == [
        (b"Host", b"a"),
        (b"X-b", b"1"),
        (b"x-A", b"2"),
        (b"X-b", b"3"),
        (b"Empty", b""),
        (b"Latin", b"\xe9"),
    ]


@pytest.mark.parametrize("whole", [True, False])
def test_a_head_is_limited_whether_it_comes_whole_or_not(parser: HeadParser, whole: bool) -> None:
    engine = ServerEngine(parser, 200)
    wire = request(b"X: " + b"a" * 200)
    with pytest.raises(HeadTooLarge) as caught:
        for piece in [wire] if whole else [wire[:150], wire[150:230]]:
            engine.feed(piece)
    assert caught.value.status == 431


def test_a_head_of_exactly_the_limit_is_served(parser: HeadParser) -> None:
    wire = request(b"X: y")
    assert ServerEngine(parser, len(wire)).feed(wire)
    with pytest.raises(HeadTooLarge):
        ServerEngine(parser, len(wire) - 1).feed(wire)


def test_expect_continue_counts_for_http_1_1_alone(parser: HeadParser) -> None:
    for line, expected in ((b"PUT / HTTP/1.1", True), (b"PUT / HTTP/1.0", False)):
        head = exchange(parser, request(b"Expect: 100-Continue", b"Content-Length: 1", line=line))[0]
        assert isinstance(head, RequestHead)
        assert head.expects_continue is expected


PIECES = st.sampled_from(
    [
        b"GET",
        b"POST",
        b"FOO",
        b"get",
        b"/",
        b"/a?b",
        b"*",
        b"a:1",
        b"http://a/",
        b" ",
        b"  ",
        b"\t",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"HTTP/1.2",
        b"HTTP/2.0",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"Host",
        b"host",
        b":",
        b": ",
        b"a",
        b"Content-Length",
        b"Transfer-Encoding",
        b"chunked",
        b"5",
        b",",
        b"Connection",
        b"close",
        b"keep-alive",
        b"Upgrade",
        b"websocket",
        b"\0",
        b"\x7f",
        b"\xe9",
        b"Expect",
        b"100-continue",
        b"X-Y",
        b"\x0b",
    ]
)
FIELDS = st.sampled_from(
    [
        b"Host: a",
        b"host:b",
        b"Host:  c ",
        b"Content-Length: 5",
        b"content-length:5\t",
        b"Content-Length: 5, 5",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"X: y",
        b"X : y",
        b"X: \xe9",
        b"X: \x01",
        b" folded",
        b"nothing",
        b":",
    ]
)
LINES = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"GET /x?y HTTP/1.0",
        b"POST / HTTP/1.1",
        b"BREW / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /",
        b"CONNECT a:1 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET http://a/ HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
        b"GET / HTTP/1.3",
        b"GET / HTTP/3.0",
        b"GET /#x HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"GET /a b HTTP/1.1",
    ]
)
HEADS = st.one_of(
    st.lists(PIECES, max_size=25).map(b"".join),
    st.tuples(LINES, st.lists(FIELDS, max_size=6), st.sampled_from([b"\r\n", b"\n"])).map(
        lambda parts: parts[2].join([parts[0], *parts[1], b"", b""])
    ),
)


def verdict(name: str, wire: bytes) -> object:
    try:
        events = exchange(select.parser(name), wire)
    except PeerError as error:
        return str(error), error.status
    if not events:
        return None
    head = events[0]
    assert isinstance(head, RequestHead)
    return (
        head.method,
        head.target,
        head.version,
        head.keep_alive,
        head.expects_continue,
        [(k, v.strip()) for k, v in head.headers],
        len(events),
    )


@settings(max_examples=600, deadline=None)
@given(HEADS)
def test_both_engines_give_the_same_verdict(wire: bytes) -> None:
    assert verdict("h11", wire) == verdict("httptools", wire)
    assert verdict("h11", wire + b"\r\n\r\n") == verdict("httptools", wire + b"\r\n\r\n")


def test_equal_lengths_are_shown_as_one(parser: HeadParser) -> None:
    for fields in ([b"Content-Length: 2", b"X: y", b"content-length: 2"], [b"Content-Length: 2, 2", b"X: y"]):
        head = exchange(parser, request(*fields, body=b"hi"))[0]
        assert isinstance(head, RequestHead)
        assert head.headers == [(b"Host", b"a"), (b"Content-Length", b"2"), (b"X", b"y")]


STATUS_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 304 ",
        b"HTTP/1.1 204",
        b"HTTP/1.1 101 Switching",
        b"HTTP/1.1 103 x",
        b"HTTP/2.0 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1  200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 200 caf\xe9",
        b"HTTP/1.1 999 ?",
        b"HTTP/1.1 200 a  b ",
        b"HTTP/1.1 200 a\0b",
        b"HTTP/1.1 200 a\x7fb",
    ]
)
RESPONSE_HEADS = st.tuples(STATUS_LINES, st.lists(FIELDS, max_size=6), st.sampled_from([b"\r\n", b"\n"])).map(
    lambda parts: parts[2].join([parts[0], *parts[1], b"", b""])
)


def response_verdict(name: str, wire: bytes) -> object:
    engine = ClientEngine(select.parser(name), MAX_HEAD)
    engine.send_head("GET", "/", [], None, False)
    try:
        events = engine.feed(wire)
    except PeerError as error:
        return str(error), error.status
    head = events[0]
    assert isinstance(head, ResponseHead)
    return head.version, head.status, head.reason, head.keep_alive, [(k, v.strip()) for k, v in head.headers], len(events)


@settings(max_examples=300, deadline=None)
@given(RESPONSE_HEADS)
def test_both_engines_give_the_same_verdict_on_responses(wire: bytes) -> None:
    assert response_verdict("h11", wire) == response_verdict("httptools", wire)
