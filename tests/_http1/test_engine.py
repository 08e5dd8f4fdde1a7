"""Both directions of an exchange, its states, and input cut anywhere."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http1 import select
from tornadolike._http1.engine import DONE, IDLE, ClientEngine, HeadParser, ServerEngine
from tornadolike._http1.errors import BodyTooLong, BodyTooShort, IllegalHeader, IncompleteMessage, PeerError
from tornadolike._http1.events import BodyChunk, BodyStart, Event, MessageEnd, RequestHead, ResponseHead

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


def drain(engine: ServerEngine | ClientEngine, data: bytes = b"") -> list[Event]:
    """Feed and go on until the engine has nothing more to say."""
    events = list(engine.feed(data))
    while engine.peer is not DONE and (more := engine.feed()):
        events += more
    return events


def body_of(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, BodyChunk))


def answer(engine: ServerEngine) -> bytes:
    wire = engine.send_head(200, "OK", [("Content-Length", "2")], 2, False) + engine.send_body(b"ok") + engine.send_end()
    assert engine.next_exchange()
    return wire


def test_requests_sent_ahead_wait_for_their_turn(parser: HeadParser) -> None:
    engine = ServerEngine(parser)
    events = engine.feed(GET % 1 + GET % 2 + GET % 3)
    for number in (1, 2, 3):
        head, end = events
        assert isinstance(head, RequestHead)
        assert head.target == f"/{number}"
        assert isinstance(end, MessageEnd)
        assert engine.feed() == []
        assert answer(engine) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        events = engine.feed()
    assert engine.waiting_bytes == 0


def test_nothing_is_read_behind_a_message_until_it_is_answered(parser: HeadParser) -> None:
    engine = ServerEngine(parser)
    engine.feed(GET % 1)
    assert engine.feed(b"not http at all\r\n\r\n") == []
    answer(engine)
    with pytest.raises(PeerError):
        engine.feed()


def test_no_next_exchange_before_both_messages_are_done_or_after_close(parser: HeadParser) -> None:
    engine = ServerEngine(parser)
    assert not engine.next_exchange()
    engine.feed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    engine.send_head(204, "No Content", [], None, False)
    engine.send_end()
    assert not engine.next_exchange()


def test_the_body_waits_until_its_limit_is_settled(parser: HeadParser) -> None:
    engine = ServerEngine(parser)
    assert [type(event) for event in engine.feed(POST + b"0123456789")] == [RequestHead, BodyStart]
    engine.limit_body(10)
    assert body_of(engine.feed()) == b"0123456789"
    engine = ServerEngine(parser)
    engine.feed(POST)
    with pytest.raises(PeerError, match="Content-Length too long"):
        engine.limit_body(9)


def test_a_piece_of_a_body_and_nothing_else_is_no_event(parser: HeadParser) -> None:
    engine = ServerEngine(parser, max_chunk_bytes=4)
    assert not engine.takes_piece(b"GET")
    engine.feed(POST)
    engine.limit_body(10)
    assert engine.takes_piece(b"0123")
    assert not engine.takes_piece(b"")
    assert not engine.takes_piece(b"45678")  # larger than a chunk
    engine.store(b"4")
    assert not engine.takes_piece(b"5")  # something waits before it
    assert body_of(engine.feed(b"5")) == b"45"
    assert not engine.takes_piece(b"6789")  # the end
    events = engine.feed(b"6789")
    assert body_of(events) == b"6789"
    assert isinstance(events[-1], MessageEnd)
    engine = ServerEngine(parser)
    engine.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    engine.limit_body(10)
    assert not engine.takes_piece(b"1\r\n")


def test_a_chunked_body_is_limited_before_its_bytes_come(parser: HeadParser) -> None:
    engine = ServerEngine(parser)
    engine.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    engine.limit_body(10)
    assert body_of(engine.feed(b"a\r\n0123456789\r\n")) == b"0123456789"
    with pytest.raises(PeerError, match="chunked body too large"):
        engine.feed(b"1\r\n")


def test_chunks_are_no_larger_than_asked_for(parser: HeadParser) -> None:
    engine = ServerEngine(parser, max_chunk_bytes=4)
    events = drain(engine, POST + b"0123456789")
    assert [event.data for event in events if isinstance(event, BodyChunk)] == [b"0123", b"4567", b"89"]


def test_tiny_chunks_are_joined_and_the_engine_rests_between(parser: HeadParser) -> None:
    engine = ServerEngine(parser)
    engine.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    events, rounds = engine.feed(b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n"), 1
    while engine.has_more:
        events += engine.feed()
        rounds += 1
    assert body_of(events) == b"x" * 5000
    assert len(events) == 2
    assert rounds > 10


@pytest.mark.parametrize(
    ("status", "version", "method", "chunked", "field"),
    [
        (200, "1.1", "GET", True, None),
        (200, "1.0", "GET", False, None),
        (200, "1.1", "HEAD", False, None),
        (204, "1.1", "GET", False, None),
        (304, "1.1", "GET", False, None),
        (101, "1.1", "GET", False, None),
    ],
)
def test_when_a_response_of_unknown_length_is_chunked(
    parser: HeadParser, status: int, version: str, method: str, chunked: bool, field: None
) -> None:
    engine = ServerEngine(parser)
    engine.feed(f"{method} / HTTP/{version}\r\nHost: a\r\n\r\n".encode())
    assert engine.connection_field() is field
    assert engine.frame_response(status) is chunked


def test_the_connection_field_tells_the_peer_what_it_may_not_guess(parser: HeadParser) -> None:
    engine = ServerEngine(parser)
    engine.feed(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert engine.connection_field() == "Keep-Alive"
    engine = ServerEngine(parser)
    engine.feed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert engine.connection_field() == "close"


def test_chunked_output() -> None:
    engine = ServerEngine(select.parser("h11"))
    engine.feed(GET % 1)
    assert engine.send_head(200, "OK", [("Transfer-Encoding", "chunked")], None, True).endswith(b"chunked\r\n\r\n")
    assert engine.send_body(b"hello, world, hello") == b"13\r\nhello, world, hello\r\n"
    assert engine.send_body(b"") == b""
    assert engine.send_end() == b"0\r\n\r\n"


def test_output_must_be_as_long_as_announced() -> None:
    engine = ServerEngine(select.parser("h11"))
    engine.feed(GET % 1)
    engine.send_head(200, "OK", [], 5, False)
    engine.send_body(b"abc")
    with pytest.raises(BodyTooShort) as caught:
        engine.send_end()
    assert caught.value.missing_bytes == 2
    with pytest.raises(BodyTooLong):
        engine.send_body(b"defg")


@pytest.mark.parametrize("field", [("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\rb"), ("X", "a\0b"), ("X\r\nY", "b"), ("X", "\u20ac")])
def test_a_header_cannot_break_out_of_its_line(field: tuple[str, str]) -> None:
    engine = ServerEngine(select.parser("h11"))
    engine.feed(GET % 1)
    with pytest.raises(IllegalHeader):
        engine.send_head(200, "OK", [field], None, False)
    if field[1].isascii():
        with pytest.raises(IllegalHeader):
            engine.send_head(200, f"OK {field[1]}{field[0]}", [], None, False)


def test_a_reason_is_sent_as_utf_8() -> None:
    engine = ServerEngine(select.parser("h11"))
    engine.feed(GET % 1)
    assert engine.send_head(200, "\u20ac", [], None, False) == b"HTTP/1.1 200 \xe2\x82\xac\r\n\r\n"


RESPONSES = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi", True),
    "close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
    "1.0 keep-alive": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
    "1.0 chunked, 9112 §6.1": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"hi",
        False,
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", True),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
}


@pytest.mark.parametrize("case", RESPONSES)
def test_responses(parser: HeadParser, case: str) -> None:
    wire, body, keep_alive = RESPONSES[case]
    engine = ClientEngine(parser)
    engine.send_head("GET", "/", [("Host", "a")], None, False)
    engine.send_end()
    events = drain(engine, wire)
    assert body_of(events) == body
    assert isinstance(events[-1], MessageEnd)
    assert engine.next_exchange() is keep_alive


def test_a_response_body_may_end_with_the_connection(parser: HeadParser) -> None:
    engine = ClientEngine(parser)
    engine.send_head("GET", "/", [], None, False)
    events = drain(engine, b"HTTP/1.1 200 OK\r\n\r\nhel")
    events += engine.feed(b"lo")
    events += engine.feed_eof()
    assert body_of(events) == b"hello"
    assert isinstance(events[-1], MessageEnd)


def test_the_answer_to_head_has_no_body(parser: HeadParser) -> None:
    engine = ClientEngine(parser)
    engine.send_head("HEAD", "/", [], None, False)
    assert [type(event) for event in engine.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")] == [ResponseHead, MessageEnd]


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "Response with code 204 should not have body"),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "Response with code 204 should not have body"),
        (b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", "Response code 100 cannot have body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 4\r\n\r\n", "Multiple unequal Content-Lengths"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "Error parsing response start line"),
        (b"ICY 200 OK\r\n\r\n", "Error parsing response start line"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "Unexpected HTTP version"),
        (b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", "Invalid header name"),
    ],
)
def test_responses_that_are_refused(parser: HeadParser, wire: bytes, reason: str) -> None:
    engine = ClientEngine(parser)
    engine.send_head("GET", "/", [], None, False)
    with pytest.raises(PeerError, match=reason):
        engine.feed(wire)


@pytest.mark.parametrize(
    "wire", [b"GET / HT", POST, POST + b"01234", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"]
)
def test_an_end_in_the_middle_of_a_message(parser: HeadParser, wire: bytes) -> None:
    engine = ServerEngine(parser)
    drain(engine, wire)
    with pytest.raises(IncompleteMessage):
        engine.feed_eof()


def test_an_end_between_messages_is_fine(parser: HeadParser) -> None:
    engine = ServerEngine(parser)
    assert engine.feed_eof() == []
    engine.feed(GET % 1)
    answer(engine)
    assert engine.feed_eof() == []
    assert engine.peer is IDLE


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    wire, bodies = b"", []
    for _ in range(draw(st.integers(1, 4))):
        body = draw(st.binary(max_size=40))
        fields = draw(st.lists(st.sampled_from([b"Accept: */*", b"X-Y: z", b"Cookie: a=b"]), max_size=3))
        kind = draw(st.sampled_from(["none", "length", "chunked"]))
        if kind == "none":
            body = b""
        elif kind == "length":
            fields.append(b"Content-Length: %d" % len(body))
        else:
            fields.append(b"Transfer-Encoding: chunked")
        wire += b"\r\n".join([b"POST /x HTTP/1.1", b"Host: a", *fields, b"", b""])
        if kind == "chunked":
            size = draw(st.integers(1, 9))
            pieces = [body[start : start + size] for start in range(0, len(body), size)]
            wire += b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        else:
            wire += body
        bodies.append(body)
    return wire, bodies


@settings(max_examples=150, deadline=None)
@given(conversations(), st.lists(st.integers(0, 400), max_size=8), st.sampled_from(["h11", "httptools"]))
def test_where_the_input_is_cut_makes_no_difference(conversation: tuple[bytes, list[bytes]], cuts: list[int], name: str) -> None:
    wire, bodies = conversation
    engine = ServerEngine(select.parser(name))
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    found: list[bytes] = []
    body = b""
    for start, end in itertools.pairwise(edges):
        events = engine.feed(wire[start:end])
        while True:
            for event in events:
                if isinstance(event, BodyChunk):
                    body += event.data
                elif isinstance(event, MessageEnd):
                    found.append(body)
                    body = b""
                    answer(engine)
            more = engine.feed()
            if not more and not engine.has_more:
                break
            events = more
    assert found == bodies


_RESPONSES = st.tuples(
    st.sampled_from(
        [b"HTTP/1.1 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 X", b"HTTP/1.1 100 Go", b"HTTP/1.0 200 OK", b"HTTP/2 2"]
    ),
    st.lists(
        st.sampled_from(
            [
                b"Content-Length: 3",
                b"content-length: 0",
                b"Content-Length: 3, 3",
                b"Content-Length: x",
                b"Transfer-Encoding: chunked",
                b"Connection: close",
                b"Connection: keep-alive",
                b"Content-Encoding: gzip",
                b"Set-Cookie: a=b",
                b"Odd : name",
                b"Empty:",
                b" folded",
            ]
        ),
        max_size=4,
    ),
    st.sampled_from([b"", b"abc", b"abcd", b"3\r\nabc\r\n0\r\n\r\n"]),
    st.sampled_from([b"\r\n", b"\n"]),
).map(lambda parts: parts[3].join([parts[0], *parts[1], b"", parts[2]]))


def _outcome(engine: ClientEngine, data: bytes) -> object:
    try:
        events = drain(engine, data)
    except PeerError as error:
        return type(error), str(error)
    return [repr(event) for event in events if type(event) not in (BodyStart, BodyChunk)], body_of(events), engine.peer, engine.keep_alive


@given(_RESPONSES, st.sampled_from(["GET", "HEAD"]), st.sampled_from(["h11", "httptools"]))
@settings(max_examples=300, deadline=None)
def test_a_whole_response_is_what_feeding_it_gives(data: bytes, method: str, name: str) -> None:
    engine, other = ClientEngine(select.parser(name)), ClientEngine(select.parser(name))
    engine.whole_request_sent(method)
    other.whole_request_sent(method)
    expected = _outcome(other, data)
    whole = engine.whole_response(data, 3)
    if whole is None:
        assert _outcome(engine, data) == expected  # it has left no trace
    else:
        head, body = whole
        assert ([repr(head), "MessageEnd()"], body, engine.peer, engine.keep_alive) == expected


def test_what_is_no_whole_response(parser: HeadParser) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    engine = ClientEngine(parser, max_head_bytes=60)
    engine.whole_request_sent("GET")
    assert engine.whole_response(whole, 2) is None
    assert engine.whole_response(whole[:-1], 3) is None
    assert engine.whole_response(whole + b"d", 3) is None
    assert engine.whole_response(whole[:10], 3) is None
    assert engine.whole_response(whole.replace(b"OK", b"OK" * 20), 3) is None
    engine.feed(whole[:10])
    assert engine.whole_response(whole, 3) is None


@pytest.mark.parametrize("first_bytes", [38, 40], ids=["the head", "a part of the body"])
def test_the_head_of_a_response_in_pieces_is_parsed_once(parser: HeadParser, monkeypatch: pytest.MonkeyPatch, first_bytes: int) -> None:
    engine = ClientEngine(parser)
    engine.whole_request_sent("GET")
    parsed = []
    monkeypatch.setattr(ClientEngine, "_parse", lambda self, head, parse=ClientEngine._parse: parsed.append(head) or parse(self, head))
    first, rest = (wire := b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")[:first_bytes], wire[first_bytes:]
    assert engine.whole_response(first, 3) is None
    assert repr([*engine.feed(first), *engine.feed(rest)][-1]) == "MessageEnd()"
    assert parsed == [wire[:38]]


def test_a_request_that_ends_its_connection_does_not_spoil_the_parser() -> None:
    parser = select.parser("httptools")
    for head in (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n") * 2:
        assert parser.plain_request(head) is not None


def test_long_data_is_not_looked_up_as_a_head(parser: HeadParser) -> None:
    """To look it up means to hash it, which costs as much as to receive it."""

    class Piece(bytes):
        def __hash__(self) -> int:
            raise AssertionError("hashed")

    engine = ServerEngine(parser)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    first = engine.feed(head)[0]
    assert isinstance(first, RequestHead)
    other = ServerEngine(parser, known=engine._known)
    assert other.take_whole(Piece(head + b"x" * 50000)) is None
    assert ServerEngine(parser, known=engine._known).feed(Piece(head + b"x" * 50000))[0] is first
