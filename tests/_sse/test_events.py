"""Events as text, written and read, against the rules of the HTML standard §9.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike._sse.events import EventReader, EventStreamTooLong, ServerSentEvent, encode


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ServerSentEvent("a"), "data: a\n\n"),
        (ServerSentEvent(""), "data: \n\n"),
        (ServerSentEvent("a\r\nb\rc\n\nd"), "data: a\ndata: b\ndata: c\ndata: \ndata: d\n\n"),
        (ServerSentEvent(" a"), "data:  a\n\n"),
        (ServerSentEvent("a", "tick", "7", 100, "note"), ": note\nevent: tick\nid: 7\nretry: 100\ndata: a\n\n"),
        (ServerSentEvent(id=""), "id\n\n"),
        (ServerSentEvent(comment="a\nevent: b"), ": a\n: event: b\n\n"),
        (ServerSentEvent(), ":\n\n"),
    ],
)
def test_writing(event: ServerSentEvent, text: str) -> None:
    assert encode(event).decode() == text


@pytest.mark.parametrize(
    "event",
    [
        ServerSentEvent("a", event="a\ndata: b"),
        ServerSentEvent("a", event="a\r"),
        ServerSentEvent("a", id="1\r\n"),
        ServerSentEvent("a", id="1\0"),
        ServerSentEvent("a", retry=-1),
    ],
)
def test_a_field_cannot_begin_another(event: ServerSentEvent) -> None:
    with pytest.raises(ValueError, match=r"one line|retry"):
        encode(event)


def read(*pieces: bytes) -> list[tuple[str | None, str, str | None]]:
    reader = EventReader()
    return [(event.data, event.event, event.id) for piece in pieces for event in reader.feed(piece)]


# The examples of the standard, §9.2.6.
@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n", ["first event", "second event"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
        (b"\xef\xbb\xbfdata: a\r\rdata: b\r\n\r\n", ["a", "b"]),
        (b"id: 1\n\nevent: x\n\nunknown: 1\ndata: a\n\n", ["a"]),
    ],
)
def test_reading(stream: bytes, events: list[str]) -> None:
    assert [data for data, _, _ in read(stream)] == events
    assert [data for data, _, _ in read(*(bytes([byte]) for byte in stream))] == events


def test_ids_stay_and_are_forgotten() -> None:
    stream = b"id: 1\ndata: a\n\ndata: b\n\nid: 2\0\ndata: c\n\nid\ndata: d\n\nid: 3\n\nretry: 5x\nretry: 70\n"
    reader = EventReader()
    assert [event.id for event in reader.feed(stream)] == ["1", "1", "1", ""]
    assert (reader.last_id, reader.retry) == ("3", 70)


def test_an_empty_piece_is_none() -> None:
    reader = EventReader()
    assert [event.data for piece in (b"data: a\r", b"", b"\ndata: b\n\n") for event in reader.feed(piece)] == ["a\nb"]


def test_an_event_without_end_is_refused() -> None:
    for piece in (b"data: " + b"a" * 60, b"data: a\n"):
        reader = EventReader(max_event_bytes=100)
        with pytest.raises(EventStreamTooLong):
            for _ in range(1000):
                reader.feed(piece)


texts = st.text(alphabet=st.sampled_from("ab \r\n:\0é☃"), max_size=12)
lines = st.text(alphabet=st.sampled_from("ab :é☃"), min_size=1, max_size=8)


@given(st.lists(st.tuples(texts, lines | st.just(""), lines | st.none()), max_size=5), st.data())
def test_what_is_written_is_read(events: list[tuple[str, str, str | None]], data: st.DataObject) -> None:
    stream, expected, last = b"", [], ""
    for text, kind, id_ in events:
        stream += encode(ServerSentEvent(text, kind, id_))
        last = last if id_ is None else id_
        expected.append((text.replace("\r\n", "\n").replace("\r", "\n"), kind or "message", last))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == expected
