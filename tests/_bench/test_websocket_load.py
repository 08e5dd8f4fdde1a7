"""Frames made and measured by hand (RFC 6455 §5.2)."""

import zlib

import pytest

from tornadolike._bench import websocket_load
from tornadolike._bench.errors import WrongAnswer


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_sizes(size: int, head: int) -> None:
    made = websocket_load.frame(b"x" * size, masked=False)
    assert len(made) == head + size
    assert websocket_load.frame_size(made) == len(made)
    assert websocket_load.frame_size(made[: head - 1]) is None


def test_masked_payload_comes_back() -> None:
    made = websocket_load.frame(b"masked", masked=True)
    mask, payload = made[2:6], made[6:]
    assert made[1] == 0x80 | 6
    assert bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload)) == b"masked"


def test_echo_is_compared_byte_by_byte() -> None:
    exchange = websocket_load.EchoExchange(b"hello")
    right = websocket_load.frame(b"hello", masked=False)
    assert exchange.answered(right)
    assert not exchange.answered(right[:3])
    for wrong in (websocket_load.frame(b"hullo", masked=False), right + b"x", b"\x88\x02\x03\xe8"):
        with pytest.raises(WrongAnswer):
            exchange.answered(wrong)


def test_deflated_echo() -> None:
    exchange = websocket_load.DeflatedEchoExchange(b"hello" * 100)
    answer = websocket_load.frame(websocket_load.deflated(b"hello" * 100), masked=False, compressed=True)
    assert exchange.answered(answer)
    assert not exchange.answered(answer[:-1])
    with pytest.raises(WrongAnswer, match="compressed"):
        exchange.answered(websocket_load.frame(b"hello", masked=False))
    with pytest.raises(WrongAnswer, match="more than one"):
        exchange.answered(answer + b"x")


def test_deflated_payload_inflates() -> None:
    inflater = zlib.decompressobj(wbits=-15)
    assert inflater.decompress(websocket_load.deflated(b"some words") + b"\x00\x00\xff\xff") == b"some words"
