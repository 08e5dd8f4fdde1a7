"""What a pending read finds in the bytes that have come."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._net.read_buffer import Count, Delimiter, Into, Pattern, Unsatisfiable, UntilClose, consume


def test_count() -> None:
    assert Count(3, partial=False).find(bytearray(b"ab")) is None
    assert Count(3, partial=False).find(bytearray(b"abcd")) == 3
    assert Count(3, partial=True).find(bytearray(b"ab")) == 2
    assert Count(3, partial=True).find(bytearray()) is None
    assert Count(0, partial=True).find(bytearray()) == 0
    assert Count(3, partial=False).enough(3)
    assert not Count(3, partial=False).enough(2)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40), st.binary(min_size=1, max_size=3), st.lists(st.integers(1, 10)))
def test_a_delimiter_is_found_however_the_bytes_are_cut(data: bytes, delimiter: bytes, cuts: list[int]) -> None:
    request, buffer, rest = Delimiter(delimiter, None), bytearray(), data
    for cut in [*cuts, len(data)]:
        buffer += rest[:cut]
        rest = rest[cut:]
        found = request.find(buffer)
        whole = bytes(buffer).find(delimiter)
        assert found == (None if whole < 0 else whole + len(delimiter))
        if found is not None:
            return


def test_a_delimiter_is_not_searched_twice_in_the_same_bytes() -> None:
    class Counting(bytearray):
        searched = 0

        def find(self, *args: object) -> int:  # type: ignore[override]  # only as it is called
            start = args[1]
            assert isinstance(start, int)
            Counting.searched += len(self) - start
            return super().find(*args)  # type: ignore[arg-type]

    buffer, request = Counting(), Delimiter(b"\r\n", None)
    for _ in range(1000):
        buffer += b"x"
        assert request.find(buffer) is None
    assert Counting.searched < 3000


@pytest.mark.parametrize("request_", [Delimiter(b"def", 5), Pattern(b"d.f", 5)])
def test_the_limit_counts_even_if_the_end_is_there(request_: Delimiter | Pattern) -> None:
    with pytest.raises(Unsatisfiable, match="not found within 5 bytes"):
        request_.find(bytearray(b"abcdef"))
    assert request_.find(bytearray(b"bcdef")) == 5
    assert request_.find(bytearray(b"abcde")) is None
    assert request_.find(bytearray()) is None
    assert request_.enough(5)
    assert not request_.enough(4)


def test_pattern() -> None:
    assert Pattern(rb"\d+;", None).find(bytearray(b"ab12;3;")) == 5
    assert Pattern(rb"\d+;", None).find(bytearray(b"ab12")) is None
    assert not Pattern(rb"x", None).enough(1 << 40)


def test_until_close_never_ends_by_itself() -> None:
    assert UntilClose().find(bytearray(b"abc")) is None
    assert not UntilClose().enough(1 << 40)


def test_into_takes_what_fits() -> None:
    target, buffer = bytearray(4), bytearray(b"abcdef")
    request = Into(target, partial=False)
    assert request.find(buffer) == 4
    assert (target, buffer) == (b"abcd", b"ef")
    assert request.find(buffer) == 4
    assert buffer == b"ef"
    target.clear()


def test_into_waits_for_all_unless_partial() -> None:
    request = Into(bytearray(4), partial=False)
    assert request.find(bytearray(b"ab")) is None
    assert request.find(bytearray()) is None
    assert request.find(bytearray(b"cd")) == 4
    assert request.target == b"abcd"
    assert Into(bytearray(4), partial=True).find(bytearray(b"ab")) == 2
    assert Into(bytearray(4), partial=True).find(bytearray()) is None
    assert Into(bytearray(), partial=False).find(bytearray()) == 0


def test_consume() -> None:
    buffer = bytearray(b"abcdef")
    assert consume(buffer, 2) == b"ab"
    assert consume(buffer, 0) == b""
    assert buffer == b"cdef"
    assert consume(buffer, 4) == b"cdef"
    assert not buffer
