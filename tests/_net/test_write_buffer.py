"""The queue of bytes to be written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._net.write_buffer import WriteBuffer


def content(buffer: WriteBuffer) -> bytes:
    """Everything, taken out piece by piece."""
    taken = b""
    while buffer:
        with buffer.peek(1000) as view:
            taken += view
            size = len(view)
        buffer.advance(size)
    return taken


def test_small_pieces_are_joined() -> None:
    buffer = WriteBuffer()
    for _ in range(100):
        buffer.append(b"abc")
    assert len(buffer) == 300
    with buffer.peek(10_000) as view:
        assert bytes(view) == b"abc" * 100


def test_a_large_piece_is_not_copied() -> None:
    buffer = WriteBuffer()
    large = bytearray(10_000)
    buffer.append(b"small")
    buffer.append(large)
    large[0] = 7
    buffer.advance(5)
    with buffer.peek(1) as view:
        assert bytes(view) == b"\x07"


def test_a_large_piece_is_free_once_it_is_consumed() -> None:
    buffer = WriteBuffer()
    large = bytearray(10_000)
    buffer.append(large)
    buffer.advance(9_999)
    with pytest.raises(BufferError):
        large.append(1)
    buffer.advance(1)
    large.append(1)


def test_clear_frees_what_is_left() -> None:
    buffer = WriteBuffer()
    large = bytearray(10_000)
    buffer.append(large)
    buffer.advance(10)
    buffer.clear()
    large.append(1)
    assert len(buffer) == 0
    assert bytes(buffer.peek(5)) == b""
    buffer.append(b"usable")
    assert content(buffer) == b"usable"


@pytest.mark.parametrize("size", [0, -1, 4])
def test_advance_within_what_is_there(size: int) -> None:
    buffer = WriteBuffer()
    buffer.append(b"abc")
    with pytest.raises(AssertionError):
        buffer.advance(size)
    assert content(buffer) == b"abc"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 5000), st.integers(-5000, -1))))
def test_behaves_like_one_bytearray(steps: list[int]) -> None:
    buffer, model = WriteBuffer(), bytearray()
    for number, step in enumerate(steps):
        if step >= 0:
            data = bytes([number % 256]) * step
            buffer.append(data)
            model += data
        elif model:
            size = min(-step, len(model))
            buffer.advance(size)
            del model[:size]
        assert len(buffer) == len(model)
        if model:
            with buffer.peek(700) as view:
                assert 0 < len(view) <= 700
                assert model.startswith(view)
    assert content(buffer) == model
