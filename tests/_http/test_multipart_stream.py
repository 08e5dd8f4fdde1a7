"""Forms that come in pieces: the verdict is that on the whole form, wherever it is cut."""

import itertools
import os
import random
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http import multipart, multipart_stream
from tornadolike._http.multipart_stream import PART_BEGIN, PART_DATA, PART_END, FormStream, MultipartError

TOKENS = [b"\r\n", b"--B", b"--B--", b"\r\n--B\r\n", b"\r\n--B--", b"A: b", b"\r\n\r\n", b"x", b"\r", b"\n", b"-", b" ", b"\t"]
TOKENS += [b"--B \r\n", b"B", b"\r\n--B", b"A: c\r\n\r\nval", b"--B\r\nA: b\r\n\r\n", b"\r\n--B" + b" " * 256 + b"\r\n", b" " * 200]


TOKENS += [b"Content-Disposition: x\r\n\r\nv", b"content-DISPOSITION:", b"Content-Disp"]


RANDOM = random.Random(1).randbytes(90_000)


def whole(body: bytes, max_parts: int = 5, max_head_bytes: int = 12) -> list[tuple[bytes, bytes]] | None:
    """The parts, or None for a refusal."""
    try:
        return list(multipart.split_parts(b"B", body, max_parts, max_head_bytes))
    except MultipartError:
        return None


def in_pieces(
    pieces: list[bytes], max_parts: int = 5, max_head_bytes: int = 12, boundary: bytes = b"B"
) -> list[tuple[bytes, bytes]] | None:
    stream = FormStream(boundary, max_parts, max_head_bytes)
    parts: list[list[bytes]] = []
    is_open = False
    try:
        for piece in pieces:
            for kind, data in stream.feed(piece):
                if kind == PART_BEGIN:
                    assert not is_open
                    is_open = True
                    parts.append([data, b""])
                elif kind == PART_DATA:
                    assert is_open
                    assert data
                    parts[-1][1] += data
                elif kind == PART_END:
                    assert is_open
                    is_open = False
        stream.feed_eof()
    except MultipartError:
        return None
    assert not is_open
    return [(head, content) for head, content in parts]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=14).map(b"".join), st.booleans(), st.lists(st.integers(0, 400), max_size=6))
def test_cuts_do_not_matter(body: bytes, is_form: bool, cuts: list[int]) -> None:
    if is_form:
        body = b"--B\r\n" + body + b"\r\n--B--"
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    expected = whole(body, max_head_bytes=24)
    assert in_pieces([body[start:end] for start, end in itertools.pairwise(edges)], max_head_bytes=24) == expected
    assert in_pieces([body[at : at + 1] for at in range(len(body))], max_head_bytes=24) == expected


CONTENTS = [b"random", b"\r\n", b"\r\n--", b"-", b"-" * 1022 + b"\r\n", b"\r", b"text, text\r\n", b"\r\n--" + b"B" * 8]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CONTENTS), st.integers(0, 90_000)), max_size=4), st.integers(20_000, 70_000))
def test_cuts_do_not_matter_where_pieces_are_large(parts: list[tuple[bytes, int]], size: int) -> None:
    """Large pieces are looked through in other ways than small ones."""
    boundary = b"BBBBBBBBB"
    contents = [(RANDOM if content == b"random" else content * (length // len(content)))[:length] for content, length in parts]
    body = b"".join(b"--" + boundary + b"\r\nA: b\r\n\r\n" + content + b"\r\n" for content in contents) + b"--" + boundary + b"--"
    expected = [(b"A: b", content) for content in contents]
    assert list(multipart.split_parts(boundary, body, 10, 100)) == expected
    assert in_pieces([body[at : at + size] for at in range(0, len(body), size)], 10, 100, boundary) == expected


LARGE = [
    RANDOM,
    b"\r\n" * 40_000,
    b"\r\n--" * 20_000,
    b"-" * 70_000,
    b"a line that ends\r\n" * 4_000,
    b"\r\n--b" * 9_000,
    b"x" * 33_000,
    b"\r",
]


@pytest.mark.parametrize("seed", range(12))
def test_large_contents_of_all_kinds_one_behind_the_other(seed: int) -> None:
    """Each is passed over in the way that suits it, and the way of one must not go on into the next."""
    chosen = random.Random(seed)
    contents = [chosen.choice(LARGE) + chosen.choice(LARGE) for _ in range(6)]
    expected = [(b"A: b", content) for content in contents]
    body = b"".join(b"--B\r\nA: b\r\n\r\n" + content + b"\r\n" for content in contents) + b"--B--"
    assert whole(body, 10) == expected
    for size in (1000, 40_000, 65_536, 1_000_000):
        assert in_pieces([body[start : start + size] for start in range(0, len(body), size)], 10) == expected


def test_a_form_whose_first_delimiter_was_left_out() -> None:
    """As some clients send it, and Tornado takes it."""
    head = b"Content-Disposition: form-data; name=a"
    body = head + b"\r\n\r\n1\r\n--B\r\n" + head + b"\r\n\r\n2\r\n--B--\r\n"
    expected = [(head, b"1"), (head, b"2")]
    assert whole(body, max_head_bytes=99) == expected
    assert in_pieces([body[at : at + 1] for at in range(len(body))], max_head_bytes=99) == expected
    assert whole(b"preamble\r\n--B\r\n" + body, max_head_bytes=99) == expected


# What parsers have fallen over, by python-multipart's advisories of 2024 to 2026 and their kin. Neither way may differ from the other.
MALFORMED = {
    "preamble of line ends, GHSA-59g5-xgcq-4qw3": b"\r\n" * 50_000 + b"--B\r\nA: b\r\n\r\n1\r\n--B--",
    "text behind the end, GHSA-59g5-xgcq-4qw3": b"--B\r\nA: b\r\n\r\n1\r\n--B--\r\n" + b"\r\n" * 50_000,
    "preamble that never ends": b"x" * 100_000,
    "a head without end": b"--B\r\n" + b"A: b\r\n" * 20_000,
    "a head of one long line": b"--B\r\nA: " + b"b" * 100_000 + b"\r\n\r\n1\r\n--B--",
    "very many fields in a head": b"--B\r\n" + b"A:\r\n" * 150 + b"\r\n1\r\n--B--",
    "very many parts": b"--B\r\nA: b\r\n\r\n1\r\n" * 10_000 + b"--B--",
    "very many empty parts": b"--B\r\n" * 10_000 + b"--B--",
    "no end": b"--B\r\nA: b\r\n\r\n" + b"x" * 100_000,
    "half an end": b"--B\r\nA: b\r\n\r\n1\r\n--B-",
    "no head": b"--B\r\n\r\n1\r\n--B--",
    "head without its empty line": b"--B\r\nA: b\r\n--B--",
    "bare line feeds": b"--B\nA: b\n\n1\n--B--\n",
    "carriage returns alone": b"--B\rA: b\r\r1\r--B--",
    "a delimiter that goes on": b"--B\r\nA: b\r\n\r\n1\r\n--Bx\r\n--B--",
    "blanks without end": b"--B\r\nA: b\r\n\r\n1\r\n--B" + b" " * 100_000 + b"\r\n\r\n2\r\n--B--",
    "another boundary within": b"--B\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n--C\r\n\r\n--C--\r\n--B--",
    "NUL": b"--B\r\nA: \0\r\n\r\n\0\r\n--B--",
    "negative length": b"--B\r\nContent-Length: -1\r\n\r\n1\r\n--B--",
    "empty": b"",
    "only an end": b"--B--",
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_malformed_forms_get_the_same_verdict(name: str, size: int) -> None:
    body = MALFORMED[name]
    if size == 1 and len(body) > 5000:
        body = body[:2000] + body[-2000:]
    expected = whole(body, 100, 10240)
    assert in_pieces([body[at : at + size] for at in range(0, len(body), size)], 100, 10240) == expected


@pytest.mark.parametrize("content", ["random", "crlf", "dashes", "nearly", "carriage returns", "blanks"])
def test_time_is_linear_and_memory_flat(content: str) -> None:
    megabyte = {
        "random": os.urandom(2**20),
        "crlf": b"\r\n" * 2**19,
        "dashes": b"\r\n--" * 2**18,
        "nearly": b"\r\n----WebKitFormBoundary" * (2**20 // 24),
        "carriage returns": b"\r" * 2**20,
        "blanks": (b"\r\n------WebKitFormBoundaryX" + b" " * 300) * (2**20 // 328),
    }[content]
    pieces = [megabyte[at : at + 65536] for at in range(0, len(megabyte), 65536)]

    def run(megabytes: int) -> float:
        stream = FormStream(b"----WebKitFormBoundaryX", 100, 10240)
        list(stream.feed(b"------WebKitFormBoundaryX\r\nA: b\r\n\r\n"))
        began, size = time.process_time(), 0
        for _ in range(megabytes):
            for piece in pieces:
                size += sum(len(data) for kind, data in stream.feed(piece) if kind == PART_DATA)
        list(stream.feed(b"\r\n------WebKitFormBoundaryX--"))
        stream.feed_eof()
        assert size > (megabytes - 1) * len(megabyte)
        return time.process_time() - began

    assert min(run(8) for _ in range(3)) / 8 < 0.03  # of a second; a tenth of that on a quiet machine, and much less for most
    tracemalloc.start()
    run(4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_part_behind_the_end_counts_for_nothing() -> None:
    body = b"--B\r\nA: b\r\n\r\n1\r\n--B--\r\n" + b"--B\r\n" * 200 + b"--B--"
    assert whole(body, 100, 10240) == [(b"A: b", b"1")]


def test_kinds_are_what_they_say() -> None:
    stream = FormStream(b"B", 100, 100)
    events = [*stream.feed(b"--B\r\nA: b\r\n\r\none"), *stream.feed(b" two\r\n--"), *stream.feed(b"B--")]
    kinds = multipart_stream
    assert events == [
        (kinds.PART_BEGIN, b"A: b"),
        (kinds.PART_DATA, b"one"),
        (kinds.PART_DATA, b" two"),
        (kinds.PART_END, b""),
        (kinds.FORM_END, b""),
    ]
