"""The frame that many connections share is the one that each would have made."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._websocket import wsproto_engine
from tornadolike._websocket.deflate import Deflater, Inflater
from tornadolike._websocket.frames import frame
from tornadolike._websocket.latest_frame import MAX_KEPT_BYTES, LatestFrame
from tornadolike._websocket.wsproto_engine import WsprotoEngine

MESSAGES = ["", "a", "κόσμε", "x" * 126, "x" * 4096, "ä" * 2049, b"", b"a", b"\xff" * 200, bytes(65_537)]
sendings = st.lists(st.tuples(st.sampled_from(MESSAGES), st.booleans(), st.integers(0, 2)), max_size=30)


@settings(max_examples=200, deadline=None)
@given(sendings)
def test_every_engine_sends_what_it_would_send_alone(sent: list[tuple[str | bytes, bool, int]]) -> None:
    engines = [WsprotoEngine(False, 1 << 20) for _ in range(3)]
    sizes = [0, 0, 0]
    for message, binary, which in sent:
        payload = message.encode() if isinstance(message, str) else message
        sizes[which] += len(payload)
        assert engines[which].send_message(message, binary) == frame(0x82 if binary else 0x81, payload)
    assert [engine.message_bytes_out for engine in engines] == sizes


def test_it_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsproto_engine, "latest", LatestFrame())
    message = "to all of you"
    frames = {id(WsprotoEngine(False, 1000).send_message(message, False)) for _ in range(5)}
    assert len(frames) == 1


def test_clients_and_compression_share_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    latest = LatestFrame()
    monkeypatch.setattr(wsproto_engine, "latest", latest)
    untouched = latest.entry
    assert WsprotoEngine(True, 1000).send_message("hello", False)[1] == 0x80 | 5
    compressing = WsprotoEngine(False, 1000)
    compressing.use_deflate(Deflater(True, 15), Inflater(True, 15, 1000))
    frames = [compressing.send_message("hello", False) for _ in range(2)]
    assert frames[0][0] == 0xC1
    assert frames[0] != frames[1]  # the second refers to the first
    assert latest.entry is untouched


@pytest.mark.parametrize(("size", "kept"), [(MAX_KEPT_BYTES, True), (MAX_KEPT_BYTES + 1, False)])
def test_large_messages_are_not_kept(size: int, kept: bool) -> None:
    latest = LatestFrame()
    entry = latest.replace(bytes(size), True)
    assert entry[2:] == (size, frame(0x82, bytes(size)))
    assert (latest.entry is entry) is kept


def test_nothing_is_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before there was any message: it must not be taken for the one that was sent last."""
    monkeypatch.setattr(wsproto_engine, "latest", LatestFrame())
    with pytest.raises(TypeError):
        WsprotoEngine(False, 1000).send_message(None, False)  # type: ignore[arg-type]
    assert WsprotoEngine(False, 1000).send_message("", False) == frame(0x81, b"")
