"""Making gzip, with isal and without."""

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http import compression

HAS_ISAL = compression._isal() is not None
LEVELS = st.integers(-1, 9)


@pytest.fixture(params=["isal", "zlib"])
def made_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "zlib":
        monkeypatch.setattr(compression, "_isal", lambda: None)
    elif not HAS_ISAL:
        pytest.skip("isal is not installed")
    name: str = request.param
    return name


@pytest.mark.parametrize("isal", [True, False])
@settings(max_examples=150, deadline=None)
@given(level=LEVELS, pieces=st.lists(st.tuples(st.binary(max_size=3000), st.booleans()), max_size=8))
def test_it_is_gzip_and_what_was_flushed_can_be_read(isal: bool, level: int, pieces: list[tuple[bytes, bool]]) -> None:
    if isal and not HAS_ISAL:
        pytest.skip("isal is not installed")
    with pytest.MonkeyPatch.context() as patch:
        if not isal:
            patch.setattr(compression, "_isal", lambda: None)
        compressor, reader, sent, read = compression.gzip_compressor(level), zlib.decompressobj(31), b"", b""
        for data, flushed in pieces:
            sent += data
            read += reader.decompress(compressor.compress(data))
            if flushed:
                read += reader.decompress(compressor.flush(zlib.Z_SYNC_FLUSH))
                assert read == sent
        read += reader.decompress(compressor.flush(zlib.Z_FINISH))
        assert read == sent
        assert reader.eof
        assert reader.unused_data == b""


def _size(level: int, data: bytes) -> int:
    compressor = compression.gzip_compressor(level)
    made = compressor.compress(data) + compressor.flush(zlib.Z_FINISH)
    assert gzip.decompress(made) == data
    return len(made)


def test_levels_mean_what_the_documentation_says(made_by: str) -> None:
    data = b"".join(b'{"id": %d, "name": "name %d", "price": %d.5},' % (n, n * 7919 % 1000, n * 31 % 97) for n in range(1500))
    ours = {level: _size(level, data) for level in (-1, 0, 1, 3, 6, 9)}
    theirs = {level: len(gzip.compress(data, level)) for level in (0, 1, 6, 9)}
    assert ours[0] == theirs[0]
    assert ours[9] == theirs[9]
    assert ours[-1] == ours[6]
    if made_by == "zlib":
        assert ours[6] == theirs[6]
    else:
        assert ours[1] == ours[3] == ours[6] <= theirs[1] * 1.2
        assert ours[6] <= theirs[6] * 1.4


@pytest.mark.parametrize("level", [10, -2])
def test_what_is_no_level_is_refused(made_by: Any, level: int) -> None:
    with pytest.raises((ValueError, zlib.error)):
        compression.gzip_compressor(level)
