"""Cutting form bodies into parts."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http.multipart import MultipartError, split_parts

HEAD = b"Content-Disposition: form-data; name=x"


def build(*contents: bytes) -> bytes:
    return b"".join(b"--B\r\n" + HEAD + b"\r\n\r\n" + content + b"\r\n" for content in contents) + b"--B--\r\n"


def split(body: bytes, max_parts: int = 100, max_head_bytes: int = 10240) -> list[tuple[bytes, bytes]]:
    return list(split_parts(b"B", body, max_parts, max_head_bytes))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=60).filter(lambda content: b"\r\n--B" not in b"\r\n" + content), max_size=6),
    st.binary(max_size=9),
    st.sampled_from([b"", b" ", b"\t  "]),
)
def test_round_trip(contents: list[bytes], around: bytes, padding: bytes) -> None:
    """RFC 2046 §5.1.1: with a preamble, blanks behind delimiters, and an epilogue."""
    parts = [(HEAD, content) for content in contents]
    body = build(*contents)
    assert split(body) == parts
    padded = b"".join(b"--B" + padding + b"\r\n" + HEAD + b"\r\n\r\n" + content + b"\r\n" for content in contents) + b"--B--" + padding
    assert split(padded) == parts
    if b"\r\n--B" not in b"\r\n" + around:
        assert split(around + b"\r\n" + padded + b"\r\n" + around) == parts


def test_three_parts_stay_three_with_blanks_behind_a_later_delimiter() -> None:
    body = build(b"1", b"2", b"3")
    assert split(b"--B \t\r\n".join([b"", *body.split(b"--B\r\n")[1:]])) == split(body) == [(HEAD, b"1"), (HEAD, b"2"), (HEAD, b"3")]


def test_a_delimiter_is_a_line_of_its_own() -> None:
    for content in (b"x--B\r\ny", b"\n--B\r\n", b"\r\n--Bx\r\n", b"\r\n--B x\r\n", b"\r\n--B \n", b"x--B--"):
        assert split(build(content, b"v")) == [(HEAD, content), (HEAD, b"v")]


def test_the_first_closing_delimiter_ends_it() -> None:
    assert split(build(b"v") + build(b"w")) == [(HEAD, b"v")]


def test_parts_of_nothing() -> None:
    assert split(b"--B\r\n--B\r\n" + HEAD + b"\r\n\r\n--B--") == [(HEAD, b"")]
    assert split(b"--B--") == []


def test_cve_2024_53981_what_follows_the_end_is_ignored() -> None:
    """CVE-2024-53981 (python-multipart): every byte of an epilogue was logged."""
    assert split(build(b"v") + b"an epilogue" * 100_000) == [(HEAD, b"v")]


def test_content_may_look_like_a_line_end() -> None:
    assert split(build(b"\r\n\r\n", b"")) == [(HEAD, b"\r\n\r\n"), (HEAD, b"")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no final boundary"),
        (build(b"v")[:-4], "no final boundary"),
        (b"preamble" + build(b"v")[:-4], "no final boundary"),
        (b"--B\r\nContent-Disposition: x\r\n--B--", "missing headers"),
        (b"--B\r\n" + HEAD + b"\r\n\r\nvalue--B--", "no final boundary"),
        (b"--B\r\n" + HEAD + b"\r\nvalue\r\n--B--", "missing headers"),
    ],
)
def test_malformed(body: bytes, message: str) -> None:
    with pytest.raises(MultipartError, match=message):
        split(body)


def test_cve_2026_31958_parts_are_limited() -> None:
    """CVE-2026-31958 / GHSA-qjxf-f2mg-c6mc. What stands before the first delimiter counts, as in Tornado."""
    assert len(split(build(*[b"v"] * 99))) == 99
    with pytest.raises(MultipartError, match="too many parts"):
        split(build(*[b"v"] * 100))


def test_cve_2026_31958_part_heads_are_limited() -> None:
    assert split(build(b"v"), max_head_bytes=len(HEAD)) == [(HEAD, b"v")]
    with pytest.raises(MultipartError, match="part header too large"):
        split(build(b"v"), max_head_bytes=len(HEAD) - 1)


def test_fields_of_a_part_are_limited() -> None:
    def body(fields: int) -> bytes:
        return b"--B\r\n" + b"\r\n".join([b"a:"] * fields) + b"\r\n\r\nv\r\n--B--"

    assert split(body(100)) == [(b"\r\n".join([b"a:"] * 100), b"v")]
    with pytest.raises(MultipartError, match="too many header fields"):
        split(body(101))


def test_ghsa_8423_8fgw_73vq_refused_before_anything_is_copied() -> None:
    """GHSA-8423-8fgw-73vq, GHSA-5w76-955r-9v8r: a body with too many parts was split into all of them first."""
    body = b"--B\r\n" * 200_000 + b"--B--"
    tracemalloc.start()
    try:
        with pytest.raises(MultipartError):
            split(body)
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("unit", [b"--A", b"\r\n", b"\r\n\r", b"\r", b"-"])
def test_cve_2023_46136_content_of_near_delimiters_is_linear(unit: bytes) -> None:
    """CVE-2023-46136 (Werkzeug): content made of beginnings of delimiters was searched again and again."""
    content = unit * 300_000
    assert split(build(content)) == [(HEAD, content)]
