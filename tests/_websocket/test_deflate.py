"""Compression of single messages, and the bound on what comes out of them."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike._websocket.deflate import Deflater, Inflater
from tornadolike._websocket.errors import InflatedTooLarge, InvalidDeflate


@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans(), st.integers(9, 15), st.integers(1, 9), st.integers(1, 9))
def test_there_and_back(messages: list[bytes], takeover: bool, bits: int, level: int, mem_level: int) -> None:
    deflater, inflater = Deflater(takeover, bits, level, mem_level), Inflater(takeover, bits, 300)
    for message in messages:
        assert inflater.decompress(deflater.compress(message)) == message


def test_takeover_makes_repetitions_short() -> None:
    message = bytes(range(256))
    kept, fresh = Deflater(True, 15), Deflater(False, 15)
    assert [len(kept.compress(message)) < 20 for _ in range(3)] == [False, True, True]
    assert [len(fresh.compress(message)) < 20 for _ in range(3)] == [False, False, False]


def test_the_limit_is_exact() -> None:
    for size in (1, 257, 258, 259, 1000, 65536):
        data = Deflater(False, 15).compress(b"z" * size)
        assert Inflater(False, 15, size).decompress(data) == b"z" * size
        with pytest.raises(InflatedTooLarge):
            Inflater(False, 15, size - 1).decompress(data)


def test_a_bomb_does_not_go_off() -> None:
    data = Deflater(False, 15).compress(bytes(100_000_000))
    inflater = Inflater(True, 15, 100_000)
    tracemalloc.start()
    try:
        with pytest.raises(InflatedTooLarge):
            inflater.decompress(data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_garbage() -> None:
    with pytest.raises(InvalidDeflate):
        Inflater(True, 15, 100).decompress(b"\xff\xff\xff")


@pytest.mark.parametrize("bits", [7, 16, 0, -1])
def test_window_bits(bits: int) -> None:
    for make in (lambda: Deflater(True, bits), lambda: Inflater(True, bits, 10)):
        with pytest.raises(ValueError, match="allowed range 8-15"):
            make()
