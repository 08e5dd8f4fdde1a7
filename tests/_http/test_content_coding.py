"""Bounded inflating of gzip bodies."""

import gzip
import zlib
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http.content_coding import GzipInflater, InflatedTooLarge, InflateError


def inflate(*chunks: bytes, piece: int = 64, total: int = 1 << 20) -> bytes:
    inflater = GzipInflater(piece, total)
    pieces = [made for chunk in chunks for made in inflater.feed(chunk)]
    inflater.feed_eof()
    assert all(0 < len(made) <= piece for made in pieces)
    return b"".join(pieces)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(1, 50))
def test_any_members_in_any_chunks(members: list[bytes], step: int) -> None:
    body = b"".join(gzip.compress(member) for member in members)
    chunks = [body[start : start + step] for start in range(0, len(body), step)]
    assert inflate(*chunks) == b"".join(members)


def test_no_body_is_a_body() -> None:
    assert inflate() == inflate(b"") == b""


def test_truncated_member() -> None:
    whole = gzip.compress(b"a" * 100)
    for length in range(1, len(whole)):
        with pytest.raises(InflateError, match="incomplete or truncated"):
            inflate(whole[:length])


def test_6_6_0_truncated_second_member() -> None:
    """Fixed in Tornado 6.6.0: whatever followed the first member was not looked at."""
    with pytest.raises(InflateError, match="truncated"):
        inflate(gzip.compress(b"one") + gzip.compress(b"two")[:-1])


@pytest.mark.parametrize("tail", [b"x", b"\0", b"\x1f\x8c", b"garbage behind the member"])
def test_garbage_behind_a_member(tail: bytes) -> None:
    with pytest.raises(InflateError):
        inflate(gzip.compress(b"one") + tail)


@pytest.mark.parametrize("data", [b"plain", zlib.compress(b"zlib, not gzip"), b"\x1f\x8b\x09"])
def test_not_gzip(data: bytes) -> None:
    with pytest.raises(InflateError):
        inflate(data)


def test_wrong_checksum() -> None:
    damaged = bytearray(gzip.compress(b"abc"))
    damaged[-8] ^= 1
    with pytest.raises(InflateError, match="incorrect data check"):
        inflate(bytes(damaged))


def test_total_is_inclusive() -> None:
    assert inflate(gzip.compress(b"a" * 1000), total=1000) == b"a" * 1000
    with pytest.raises(InflatedTooLarge):
        inflate(gzip.compress(b"a" * 1001), total=1000)


def test_total_counts_all_members() -> None:
    with pytest.raises(InflatedTooLarge):
        inflate(gzip.compress(b"a" * 600) * 2, total=1000)


def test_cve_2026_49855_a_bomb_stops_at_the_limit() -> None:
    """CVE-2026-49855 / GHSA-mgf9-4vpg-hj56: what counts is the size after inflating, and it is checked on the way."""
    bomb = gzip.compress(bytes(20_000_000))
    made = 0
    with pytest.raises(InflatedTooLarge):
        for piece in GzipInflater(65536, 100_000).feed(bomb):
            made += len(piece)
    assert made <= 100_000


def test_pieces_are_made_on_demand() -> None:
    inflater = GzipInflater(10, 1 << 30)
    stream = inflater.feed(gzip.compress(bytes(1_000_000)))
    assert list(islice(stream, 3)) == [bytes(10)] * 3
    with pytest.raises(InflateError):
        inflater.feed_eof()
