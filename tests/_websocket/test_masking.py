"""Masks: the compiled function and the fallback do the same."""

import importlib
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadolike._websocket import masking


def slowly(data: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))


@given(st.one_of(st.binary(max_size=40), st.binary(min_size=1498, max_size=1503)), st.binary(min_size=4, max_size=4))
def test_every_way_agrees(data: bytes, mask: bytes) -> None:
    assert masking.apply_pure(data, mask) == masking.apply(data, mask) == slowly(data, mask)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 1499, 1500, 1501, 16384, 16387])
def test_lengths(size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    masked = masking.apply_pure(data, b"\x01\x80\x00\xff")
    assert type(masked) is bytes
    assert masked == slowly(data, b"\x01\x80\x00\xff")
    assert masking.apply_pure(masked, b"\x01\x80\x00\xff") == data


def test_the_compiled_function_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(data: bytes, mask: bytes) -> bytes:
        return b"compiled"

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace(apply_mask=compiled))
    assert masking.choose() is compiled
    monkeypatch.setattr(importlib, "import_module", absent)
    assert masking.choose() is masking.apply_pure
