"""The same verdict on the same bytes, whichever parser reads them (RFC 9112, RFC 9110)."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests._http1.smuggling_corpus import REFUSED, SERVED, request
from tornadolike._http1 import framing, select
from tornadolike._http1.engine import ClientEngine, HeadParser, ServerEngine
from tornadolike._http1.errors import HeadTooLarge, PeerError, TooManyFields
from tornadolike._http1.events import BodyChunk, MessageEnd, RequestHead, ResponseHead
from tornadolike._http1.h11_engine import H11HeadParser

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


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["h11", "httptools"]),
    st.lists(st.sampled_from([b"a:", b"b: c", b"Long-Name: " + b"v" * 30, b"", b" folded", b"bad name: x"]), max_size=12),
    st.sampled_from([b"\r\n", b"\n"]),
    st.integers(1, 12),
    st.integers(0, 400),
)
def test_9110_5_4_fields_are_counted_before_they_are_read(name: str, fields: list[bytes], line_end: bytes, limit: int, cut: int) -> None:
    """One field beyond the limit is 431, by either parser, however it is spelled and cut; up to the limit it is as without one."""
    lines = [line for line in fields if line]  # an empty line would end the head
    wire = line_end.join([b"GET / HTTP/1.1", b"Host: a", *lines, b"", b""])
    verdicts = []
    for engine in (ServerEngine(select.parser(name), max_fields=limit), ServerEngine(select.parser(name))):
        try:
            events = engine.feed(wire[:cut]) + (engine.feed(wire[cut:]) if cut < len(wire) else [])
            verdicts.append(repr(events))
        except PeerError as error:
            verdicts.append(f"{error.status} {error}")
    expected = f"431 more than {limit} header fields" if len(lines) + 1 > limit else verdicts[1]
    assert verdicts[0] == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([b"close", b"Close ", b" keep-alive", b"keep-alive\t", b"xclose", b"close-x", b"", b" ", b"TE"]), max_size=5)
)
def test_connection_options_are_those_between_the_commas(options: list[bytes]) -> None:
    stripped = [option.strip(b" \t").lower() for option in options]
    pairs = [(b"Host", b"a"), (b"Connection", b",".join(options))]
    assert framing.decide_request(pairs, "HTTP/1.1", "GET")[1] is (b"close" not in stripped)
    assert framing.decide_request(pairs, "HTTP/1.0", "GET")[1] is (b"keep-alive" in stripped and b"close" not in stripped)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"5", b"5", b"5", b"05", b"6", b""]), min_size=2, max_size=4), st.sampled_from([b"", b" ", b" \t"]))
def test_lengths_in_a_list_are_all_the_same(lengths: list[bytes], space: bytes) -> None:
    value = (b"," + space).join(lengths)
    if len(set(lengths)) == 1 and lengths[0]:
        assert framing.content_length(value) == int(lengths[0])
    else:
        with pytest.raises(PeerError):
            framing.content_length(value)


def test_a_thousand_fields_unless_told_otherwise(parser: HeadParser) -> None:
    allowed = request(*[b"X-%d: y" % index for index in range(999)])
    assert isinstance(ServerEngine(parser).feed(allowed)[0], RequestHead)
    with pytest.raises(TooManyFields):
        ServerEngine(parser).feed(allowed[:-2] + b"a:\r\n\r\n")


def test_a_response_with_too_many_fields(parser: HeadParser) -> None:
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\na:\r\na:\r\n\r\nb"
    for limit, served in ((3, True), (2, False)):
        short, ordinary = (ClientEngine(parser, max_fields=limit) for _ in range(2))
        for engine in (short, ordinary):
            engine.whole_request_sent("GET")
        assert (short.whole_response(wire, 10) is not None) is served
        if served:
            assert isinstance(ordinary.feed(wire)[0], ResponseHead)
        else:
            with pytest.raises(TooManyFields):
                ordinary.feed(wire)


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
    # Line ends of both kinds in one head.
    st.tuples(LINES, st.lists(st.tuples(st.sampled_from([b"\r\n", b"\n"]), FIELDS), max_size=6), st.sampled_from([b"\r\n", b"\n"])).map(
        lambda parts: b"".join([parts[0], *(end + field for end, field in parts[1]), parts[2], b"\n"])
    ),
)


class Thorough(H11HeadParser):
    """Does without the short way for plain heads."""

    def plain_request(self, head: bytes) -> None:
        return None

    def plain_response(self, head: bytes) -> None:
        return None


def verdict(parser: HeadParser, wire: bytes) -> object:
    try:
        events = exchange(parser, wire)
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
@example(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")
def test_both_engines_give_the_same_verdict(wire: bytes) -> None:
    for whole in (wire, wire + b"\r\n\r\n"):
        assert verdict(select.parser("h11"), whole) == verdict(select.parser("httptools"), whole) == verdict(Thorough(), whole)


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


def response_verdict(parser: HeadParser, wire: bytes) -> object:
    engine = ClientEngine(parser, MAX_HEAD)
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
    thorough = response_verdict(Thorough(), wire)
    assert response_verdict(select.parser("h11"), wire) == response_verdict(select.parser("httptools"), wire) == thorough
