"""What every way through the WebSocket engine must do with the same bytes.

The cases follow the groups of the Autobahn suite (https://github.com/crossbario/autobahn-testsuite), which itself needs Python 2.
Each runs on both sides of a connection, with the plain lane and without.
"""

import io
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from tornadolike._websocket.deflate import Deflater, Inflater
from tornadolike._websocket.engine import MAX_BYTES, MAX_EVENTS
from tornadolike._websocket.errors import IllegalFrame, PeerError
from tornadolike._websocket.events import Close, Ping, Pong
from tornadolike._websocket.masking import apply_pure
from tornadolike._websocket.wsproto_engine import WsprotoEngine

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
FIN, RSV1 = 0x80, 0x40
KINDS = [(is_client, lane) for is_client in (False, True) for lane in (True, False)]
LIMIT = 200_000


def frame(first: int, payload: bytes = b"", masked: bool = True, mask: bytes = b"\xa1\x00\x7f\x33") -> bytes:
    """A frame, written down independently of the engine."""
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes((first, size | bit))
    elif size < 1 << 16:
        head = bytes((first, 126 | bit)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 127 | bit)) + size.to_bytes(8, "big")
    return head + (mask + apply_pure(payload, mask) if masked else payload)


def told(events: Iterable[Any]) -> list[Any]:
    """Events as values that compare."""
    plain: list[Any] = []
    for event in events:
        if isinstance(event, Close):
            plain.append(("close", event.code, event.reason))
        elif isinstance(event, Ping | Pong):
            plain.append((type(event).__name__.lower(), bytes(event.data)))
        else:
            plain.append(event)
    return plain


def feed(engine: WsprotoEngine, data: bytes, step: int = 1 << 30) -> list[Any]:
    """All that ``data`` comes to, in pieces of ``step`` bytes; a violation stands last, as its close code."""
    events: list[Any] = []
    try:
        for start in range(0, len(data), step):
            events += told(engine.feed(data[start : start + step]))
            while engine.has_more:
                events += told(engine.feed())
    except PeerError as error:
        events.append(error.code)
    return events


@pytest.fixture(params=KINDS, ids=lambda kind: f"{'client' if kind[0] else 'server'}-{'lane' if kind[1] else 'wsproto'}")
def kind(request: pytest.FixtureRequest) -> tuple[bool, bool]:
    return request.param  # type: ignore[no-any-return]  # what pytest was given


class Peer:
    """An engine and how its peer writes."""

    def __init__(self, kind: tuple[bool, bool], limit: int = LIMIT) -> None:
        self.is_client, self.lane = kind
        self.engine = WsprotoEngine(self.is_client, limit, self.lane)

    def frame(self, first: int, payload: bytes = b"") -> bytes:
        return frame(first, payload, not self.is_client)

    def gets(self, *frames: tuple[int, bytes], step: int = 1 << 30) -> list[Any]:
        return feed(self.engine, b"".join(self.frame(first, payload) for first, payload in frames), step)


@pytest.fixture
def peer(kind: tuple[bool, bool]) -> Peer:
    return Peer(kind)


class TestFraming:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536, 100_000])
    def test_lengths(self, peer: Peer, size: int) -> None:
        assert peer.gets((FIN | TEXT, b"*" * size), (FIN | BINARY, b"\xfe" * size)) == ["*" * size, b"\xfe" * size]
        assert peer.engine.message_bytes_in == 2 * size

    @pytest.mark.parametrize("step", [1, 2, 3, 7, 997])
    def test_pieces(self, peer: Peer, step: int) -> None:
        sent = [(FIN | TEXT, b"a" * 300), (FIN | BINARY, b""), (FIN | PING, b"p"), (FIN | TEXT, "ä".encode() * 1000)]
        assert peer.gets(*sent, step=step) == ["a" * 300, b"", ("ping", b"p"), "ä" * 1000]

    @pytest.mark.parametrize(("size", "width"), [(5, 2), (125, 2), (5, 8), (300, 8), (65535, 8)])
    def test_a_length_has_its_shortest_form(self, peer: Peer, size: int, width: int) -> None:
        bit = 0 if peer.is_client else 0x80
        head = bytes((FIN | TEXT, bit | (126 if width == 2 else 127))) + size.to_bytes(width, "big")
        assert feed(peer.engine, head + b"\0\0\0\0" + b"x" * size) == [1002]

    @pytest.mark.parametrize("first", [FIN | PING, FIN | PONG, FIN | CLOSE])
    @pytest.mark.parametrize("length", [bytes((126, 0, 0)), bytes((126, 0, 5)), bytes((126, 0, 126)), bytes((127,)) + bytes(8)])
    def test_that_of_a_control_frame_too(self, peer: Peer, first: int, length: bytes) -> None:
        mask = 0 if peer.is_client else 0x80
        header = bytes((first, length[0] | mask)) + length[1:] + bytes(4 if mask else 0)
        assert feed(peer.engine, header + bytes(126)) == [1002]

    def test_masks_on_the_wrong_side(self, peer: Peer) -> None:
        assert feed(peer.engine, frame(FIN | TEXT, b"hello", peer.is_client)) == [1002]

    def test_a_large_message_is_gathered_in_linear_time(self, kind: tuple[bool, bool]) -> None:
        peer = Peer(kind, 8_000_000)
        assert peer.gets((FIN | BINARY, bytes(4_000_000)), step=16_384) == [bytes(4_000_000)]


class TestControlFrames:
    @pytest.mark.parametrize("opcode", [PING, PONG])
    @pytest.mark.parametrize("data", [b"", b"hello", bytes(range(125))])
    def test_data(self, peer: Peer, opcode: int, data: bytes) -> None:
        assert peer.gets((FIN | opcode, data), (FIN | TEXT, b"t"), step=3) == [("ping" if opcode == PING else "pong", data), "t"]

    @pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
    def test_too_long(self, peer: Peer, opcode: int) -> None:
        assert peer.gets((FIN | opcode, bytes(126))) == [1002]

    @pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
    def test_fragmented(self, peer: Peer, opcode: int) -> None:
        assert peer.gets((opcode, b""), (FIN, b"")) == [1002]

    def test_many_in_order(self, peer: Peer) -> None:
        assert peer.gets(*((FIN | PING, b"%d" % n) for n in range(300))) == [("ping", b"%d" % n) for n in range(300)]


class TestReservedBitsAndOpcodes:
    @pytest.mark.parametrize("bits", range(0x10, 0x80, 0x10))
    @pytest.mark.parametrize("opcode", [TEXT, BINARY, CONTINUATION, PING, CLOSE])
    def test_reserved_bits(self, peer: Peer, bits: int, opcode: int) -> None:
        assert peer.gets((FIN | TEXT, b"before"), (FIN | bits | opcode, b""), (FIN | TEXT, b"after")) == ["before", 1002]

    @pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    def test_unknown_opcodes(self, peer: Peer, opcode: int) -> None:
        assert peer.gets((FIN | TEXT, b"before"), (FIN | opcode, b"x"), (FIN | TEXT, b"after")) == ["before", 1002]

    def test_nothing_is_read_behind_a_violation(self, peer: Peer) -> None:
        assert peer.gets((FIN | 3, b"")) == [1002]
        assert peer.gets((FIN | TEXT, b"after")) == []
        assert not peer.engine.has_more


class TestFragmentation:
    def test_text_and_binary(self, peer: Peer) -> None:
        assert peer.gets((TEXT, b"a"), (CONTINUATION, b""), (CONTINUATION, b"b"), (FIN, b"c"), step=5) == ["abc"]
        assert peer.gets((BINARY, b"a"), (FIN, b"c")) == [b"ac"]
        assert peer.gets((TEXT, b""), (FIN, b"")) == [""]
        assert peer.engine.message_bytes_in == 5

    def test_control_frames_in_between(self, peer: Peer) -> None:
        sent = [(TEXT, b"a"), (FIN | PING, b"1"), (CONTINUATION, b"b"), (FIN | PONG, b"2"), (FIN, b"c"), (FIN | TEXT, b"d")]
        assert peer.gets(*sent) == [("ping", b"1"), ("pong", b"2"), "abc", "d"]

    @pytest.mark.parametrize("final", [0, FIN])
    def test_a_continuation_of_nothing(self, peer: Peer, final: int) -> None:
        assert peer.gets((FIN | TEXT, b"whole"), (final | CONTINUATION, b"x")) == ["whole", 1002]

    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_a_message_within_a_message(self, peer: Peer, opcode: int) -> None:
        assert peer.gets((TEXT, b"a"), (FIN | opcode, b"b"), (FIN, b"c")) == [1002]

    def test_close_within_a_message(self, peer: Peer) -> None:
        assert peer.gets((TEXT, b"a"), (FIN | CLOSE, b"")) == [("close", None, None)]


INVALID = [
    b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited",
    b"\xf4\x90\x80\x80",
    b"\xc0\xaf",
    b"\x80",
    b"\xff",
    b"\xed\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",
    b"abc\xe2\x82",
]
VALID = ["κόσμε", "\U0010ffff", "\x00\x7f\x80\u07ff\u0800\ufffd\U00010000", "\ufffe\uffff", "Hello-µ@ßöäüàá-UTF-8!!"]


class TestUTF8:
    @pytest.mark.parametrize("text", VALID)
    def test_valid(self, peer: Peer, text: str) -> None:
        data = text.encode()
        assert peer.gets((FIN | TEXT, data)) == [text]
        pieces = [(CONTINUATION, data[n : n + 1]) for n in range(len(data))]
        assert peer.gets((TEXT, b""), *pieces, (FIN, b"")) == [text]

    @pytest.mark.parametrize("data", INVALID)
    def test_invalid(self, kind: tuple[bool, bool], data: bytes) -> None:
        assert Peer(kind).gets((FIN | TEXT, b"ok"), (FIN | TEXT, data)) == ["ok", 1007]
        assert Peer(kind).gets((TEXT, data[:2]), (FIN, data[2:])) == [1007]
        assert Peer(kind).gets((FIN | BINARY, data)) == [data]

    def test_a_broken_fragment_is_noticed_before_the_end(self, peer: Peer) -> None:
        assert peer.gets((TEXT, b"a"), (CONTINUATION, b"\xff")) == [1007]


class TestClose:
    def test_without_and_with_a_code(self, kind: tuple[bool, bool]) -> None:
        assert Peer(kind).gets((FIN | CLOSE, b"")) == [("close", None, None)]
        assert Peer(kind).gets((FIN | CLOSE, b"\x03\xe8")) == [("close", 1000, None)]
        assert Peer(kind).gets((FIN | CLOSE, b"\x03\xe8" + "ö".encode() * 61)) == [("close", 1000, "ö" * 61)]

    @pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999])
    def test_codes(self, peer: Peer, code: int) -> None:
        assert peer.gets((FIN | CLOSE, code.to_bytes(2, "big"))) == [("close", code, None)]

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
    def test_codes_that_must_not_be_sent(self, peer: Peer, code: int) -> None:
        assert peer.gets((FIN | CLOSE, code.to_bytes(2, "big"))) == [1002]

    def test_half_a_code_and_a_broken_reason(self, kind: tuple[bool, bool]) -> None:
        assert Peer(kind).gets((FIN | CLOSE, b"\x03")) == [1002]
        assert Peer(kind).gets((FIN | CLOSE, b"\x03\xe8\xff")) == [1007]

    def test_nothing_is_read_behind_it(self, peer: Peer) -> None:
        assert peer.gets((FIN | CLOSE, b""), (FIN | TEXT, b"late"), (FIN | 3, b"")) == [("close", None, None)]
        assert peer.gets((FIN | TEXT, b"later")) == []

    def test_eof_forgets_half_a_message(self, peer: Peer) -> None:
        assert peer.gets((TEXT, b"half")) == []
        assert feed(peer.engine, peer.frame(FIN | TEXT, b"whole")[:-1]) in ([], [1002])
        assert peer.engine.feed_eof() == []
        assert peer.gets((FIN, b"")) == []


class TestLimits:
    def test_whole_messages(self, kind: tuple[bool, bool]) -> None:
        peer = Peer(kind, 1000)
        assert peer.gets((FIN | TEXT, b"x" * 1000), (FIN | TEXT, b"x" * 1001)) == ["x" * 1000, 1009]

    def test_the_header_is_enough(self, kind: tuple[bool, bool]) -> None:
        peer = Peer(kind, 1000)
        header = peer.frame(FIN | BINARY, b"x" * 5000)[: 4 if peer.is_client else 8]
        assert feed(peer.engine, header) == [1009]

    def test_the_largest_length_there_is(self, peer: Peer) -> None:
        bit = 0 if peer.is_client else 0x80
        assert feed(peer.engine, bytes((FIN | TEXT, bit | 127)) + b"\x7f" + b"\xff" * 7 + b"\0\0\0\0") == [1009]

    def test_fragments_are_added_up(self, kind: tuple[bool, bool]) -> None:
        assert Peer(kind, 10).gets((TEXT, b"12345"), (CONTINUATION, b"6789"), (FIN, b"0")) == ["1234567890"]
        assert Peer(kind, 10).gets((TEXT, b"12345"), (FIN | PING, b"123456"), (FIN, b"678901")) == [("ping", b"123456"), 1009]

    def test_a_flood_comes_in_portions(self, peer: Peer) -> None:
        data = peer.frame(FIN | TEXT, b"x") * 1000
        assert len(peer.engine.feed(data)) == MAX_EVENTS
        assert peer.engine.has_more
        rest = 0
        while peer.engine.has_more:
            rest += len(peer.engine.feed())
        assert rest == 1000 - MAX_EVENTS

    def test_a_flood_of_empty_fragments_comes_in_portions(self, peer: Peer) -> None:
        data = peer.frame(TEXT, b"") + peer.frame(CONTINUATION, b"") * 1000 + peer.frame(FIN, b"x")
        assert peer.engine.feed(data) == []
        portions = 1
        while peer.engine.has_more:
            portions += 1
            events = peer.engine.feed()
        assert events == ["x"]
        assert portions == -(-1002 // MAX_EVENTS)

    @pytest.mark.parametrize("cut", [1, 3, 5, 1000])
    def test_nothing_is_due_while_the_next_frame_is_incomplete(self, kind: tuple[bool, bool], cut: int) -> None:
        peer = Peer(kind, 1 << 20)
        large, text = peer.frame(FIN | BINARY, bytes(MAX_BYTES + 1)), peer.frame(FIN | TEXT, b"x" * 5000)
        assert feed(peer.engine, large + text[:cut]) == [bytes(MAX_BYTES + 1)]
        assert peer.engine.feed() == []
        assert not peer.engine.has_more
        assert feed(peer.engine, text[cut:]) == ["x" * 5000]

    def test_fragments_take_no_more_memory_than_their_bytes(self, kind: tuple[bool, bool]) -> None:
        peer = Peer(kind, 1 << 20)
        assert peer.gets((TEXT, b""), *((CONTINUATION, b"ab") for _ in range(2000))) == []
        assert isinstance(peer.engine._gathered, io.StringIO)


class Deflating(Peer):
    """A peer that compresses."""

    def __init__(self, kind: tuple[bool, bool], limit: int = LIMIT, takeover: bool = True, bits: int = 15) -> None:
        super().__init__(kind, limit)
        self.engine.use_deflate(Deflater(takeover, bits), Inflater(takeover, bits, limit))
        self.deflater = Deflater(takeover, bits)

    def gets_deflated(self, opcode: int, *messages: bytes) -> list[Any]:
        return self.gets(*((FIN | RSV1 | opcode, self.deflater.compress(message)) for message in messages))


class TestCompression:
    @pytest.mark.parametrize("takeover", [True, False])
    @pytest.mark.parametrize("bits", [9, 12, 15])
    def test_messages(self, kind: tuple[bool, bool], takeover: bool, bits: int) -> None:
        peer = Deflating(kind, takeover=takeover, bits=bits)
        texts = ["", "a", "κόσμε" * 500, "", "κόσμε" * 500, "x" * 70_000]
        assert peer.gets_deflated(TEXT, *(text.encode() for text in texts)) == texts
        assert peer.gets_deflated(BINARY, b"\xff" * 1000) == [b"\xff" * 1000]
        assert peer.gets((FIN | TEXT, b"not compressed")) == ["not compressed"]

    def test_fragments_with_a_ping_between(self, kind: tuple[bool, bool]) -> None:
        peer = Deflating(kind)
        data = peer.deflater.compress(b"hello " * 100)
        sent = [(RSV1 | TEXT, data[:3]), (FIN | PING, b"p"), (CONTINUATION, data[3:9]), (CONTINUATION, b""), (FIN, data[9:])]
        assert peer.gets(*sent, step=2) == [("ping", b"p"), "hello " * 100]
        assert peer.gets_deflated(TEXT, b"hello again") == ["hello again"]

    @pytest.mark.parametrize("fragmented", [False, True])
    def test_invalid_text_and_invalid_compression(self, kind: tuple[bool, bool], fragmented: bool) -> None:
        for data in (Deflater(True, 15).compress(b"\xff\xfe"), b"\x07\x00\x11\x22"):
            sent = [(RSV1 | TEXT, data[:1]), (FIN, data[1:])] if fragmented else [(FIN | RSV1 | TEXT, data)]
            assert Deflating(kind).gets(*sent) == [1007]

    @pytest.mark.parametrize("opcode", [CONTINUATION, PING, PONG, CLOSE])
    def test_where_the_bit_must_not_be(self, kind: tuple[bool, bool], opcode: int) -> None:
        assert Deflating(kind).gets((RSV1 | TEXT, b""), (FIN | RSV1 | opcode, b"")) == [1002]
        assert Deflating(kind).gets((FIN | RSV1 | opcode, b"")) == [1002]
        assert Deflating(kind).gets((TEXT, b""), (FIN | RSV1 | TEXT, b"")) == [1002]

    @pytest.mark.parametrize("bits", [0x20, 0x10, 0x60])
    def test_the_other_bits(self, kind: tuple[bool, bool], bits: int) -> None:
        assert Deflating(kind).gets((FIN | bits | TEXT, Deflater(True, 15).compress(b"x"))) == [1002]

    def test_the_limit_holds_after_inflating(self, kind: tuple[bool, bool]) -> None:
        assert Deflating(kind, 1000).gets_deflated(TEXT, b"x" * 1000) == ["x" * 1000]
        assert Deflating(kind, 1000).gets_deflated(TEXT, b"x" * 1001) == [1009]
        assert Deflating(kind, 1000).gets_deflated(TEXT, bytes(50_000_000)) == [1009]

    def test_large_messages_come_one_by_one(self, kind: tuple[bool, bool]) -> None:
        peer = Deflating(kind, 1 << 20)
        data = b"".join(peer.frame(FIN | RSV1 | BINARY, peer.deflater.compress(bytes(MAX_BYTES + 1))) for _ in range(5))
        assert len(peer.engine.feed(data)) == 1
        assert peer.engine.has_more

    def test_a_last_block(self, kind: tuple[bool, bool]) -> None:
        stream = zlib.compressobj(wbits=-15)
        data = stream.compress(b"the end") + stream.flush(zlib.Z_FINISH) + b"\0"
        assert Deflating(kind).gets((FIN | RSV1 | TEXT, data), (FIN | RSV1 | TEXT, data)) == ["the end", "the end"]


class TestSending:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
    @pytest.mark.parametrize("binary", [False, True])
    def test_the_other_side_reads_it(self, kind: tuple[bool, bool], size: int, binary: bool) -> None:
        is_client, lane = kind
        sender, receiver = Peer(kind).engine, Peer((not is_client, lane)).engine
        sent = sender.send_message(b"y" * size, binary)
        assert feed(receiver, sent) == [b"y" * size if binary else "y" * size]
        assert bool(sent[1] & 0x80) is is_client
        assert sender.message_bytes_out == size

    def test_compressed(self, kind: tuple[bool, bool]) -> None:
        is_client, lane = kind
        sender, receiver = Deflating(kind).engine, Deflating((not is_client, lane)).engine
        frames = [sender.send_message(data, False) for data in (b"", b"", b"hello " * 50, b"hello " * 50)]
        assert feed(receiver, b"".join(frames)) == ["", "", "hello " * 50, "hello " * 50]
        assert len(frames[3]) < len(frames[2]) < 50

    def test_control_frames(self, peer: Peer) -> None:
        other = WsprotoEngine(not peer.is_client, LIMIT)
        sent = peer.engine.send_frame(FIN | PING, b"x" * 125) + peer.engine.send_frame(FIN | CLOSE, b"\x03\xe8bye")
        assert feed(other, sent) == [("ping", b"x" * 125), ("close", 1000, "bye")]

    @pytest.mark.parametrize(("first", "size"), [(FIN | PING, 126), (FIN | CLOSE, 126), (PONG, 0)])
    def test_what_must_not_be_sent(self, peer: Peer, first: int, size: int) -> None:
        with pytest.raises(IllegalFrame):
            peer.engine.send_frame(first, bytes(size))


# The same bytes, every way.

payloads = st.one_of(
    st.binary(max_size=20), st.text(max_size=20).map(str.encode), st.sampled_from([b"x" * 126, b"\xc3\xa4" * 70, bytes(65536)])
)
usual = st.sampled_from([FIN | TEXT, FIN | BINARY, FIN | TEXT, TEXT, BINARY, CONTINUATION, FIN, FIN | PING, FIN | PONG, FIN | CLOSE])
firsts = st.one_of(usual, usual, usual, st.integers(0, 255))
steps = st.sampled_from([1, 3, 50, 1 << 30])


def oracle(data: bytes, is_client: bool) -> list[Any]:
    """wsproto alone."""
    protocol = FrameProtocol(client=is_client, extensions=[])
    protocol.receive_bytes(data)
    events: list[Any] = []
    pieces: list[Any] = []
    try:
        for event in protocol.received_frames():
            payload: Any = event.payload
            if event.opcode is Opcode.CLOSE:
                code, reason = payload
                events.append(("close", None if code == 1005 else int(code), reason or None))
                break
            if event.opcode.iscontrol():
                events.append((event.opcode.name.lower(), bytes(payload)))
                continue
            pieces.append(payload)
            if event.frame_finished and event.message_finished:
                events.append(type(payload)().join(pieces))
                pieces = []
    except ParseFailed as error:
        events.append(int(error.code))
    return events


@settings(max_examples=250, deadline=None)
@given(st.booleans(), st.lists(st.tuples(firsts, payloads), max_size=8), steps)
def test_both_ways_agree_with_wsproto(is_client: bool, sent: list[tuple[int, bytes]], step: int) -> None:
    data = b"".join(frame(first, payload, not is_client) for first, payload in sent)
    expected = oracle(data, is_client)
    for lane in (True, False):
        assert feed(WsprotoEngine(is_client, 1 << 30, lane), data, step) == expected


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.lists(st.tuples(usual, payloads, st.booleans()), max_size=6), steps)
def test_both_ways_agree_about_compressed_messages(is_client: bool, sent: list[tuple[int, bytes, bool]], step: int) -> None:
    deflater = Deflater(True, 15)
    data = b""
    for first, payload, compressed in sent:
        if compressed and first & 0x0F in (TEXT, BINARY):
            first, payload = first | RSV1, deflater.compress(payload)
        data += frame(first, payload, not is_client)
    results = [feed(Deflating((is_client, lane), 1000).engine, data, size) for lane in (True, False) for size in (step, 1 << 30)]
    assert results == [results[0]] * 4


@settings(max_examples=250, deadline=None)
@given(st.booleans(), st.booleans(), st.binary(max_size=60), st.lists(st.tuples(firsts, payloads), max_size=3), steps)
def test_nothing_but_a_violation_comes_of_garbage(
    lane: bool, is_client: bool, garbage: bytes, sent: list[tuple[int, bytes]], step: int
) -> None:
    data = b"".join(frame(first, payload, not is_client) for first, payload in sent) + garbage
    events = feed(Deflating((is_client, lane), 1000).engine, data, step)
    assert all(code in (1002, 1007, 1009) for code in events if isinstance(code, int))


def test_the_fallback_of_the_mask_is_used_by_both(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Callable[..., bytes]] = []
    from tornadolike._websocket import masking

    def spy(data: bytes, mask: bytes) -> bytes:
        calls.append(spy)
        return apply_pure(data, mask)

    monkeypatch.setattr(masking, "apply", spy)
    assert feed(WsprotoEngine(False, LIMIT), frame(FIN | TEXT, b"hello")) == ["hello"]
    WsprotoEngine(True, LIMIT).send_message(b"hello", False)
    assert len(calls) == 2
