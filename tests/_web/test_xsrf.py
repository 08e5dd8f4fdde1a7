"""XSRF tokens come back, and what is none is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._web import xsrf

quick = settings(max_examples=100, deadline=None)


@quick
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=4, max_size=4), st.integers(0, 2**33))
def test_tokens_come_back(token, mask, seconds):
    assert xsrf.decode(xsrf.encode(2, token, mask, seconds).decode(), 5) == (2, token, seconds)
    assert xsrf.decode(xsrf.encode(1, token, mask, seconds).decode(), 5.5) == (1, token, 5)


def test_tokens_in_version_2_are_tornados():
    assert xsrf.encode(2, b"\x00\x01\x02\x03\x04", b"\xff\x00\x0f\x10", 7.9) == b"2|ff000f10|ff010d13fb|7"


@pytest.mark.parametrize("text", ["2|", "2|a|b|c", "2|00|00|1", "2|00000000|0|1", "2|00000000|00|x", "3|a", "2|00000000|00|1|1", "\ud800"])
def test_what_is_no_token(text):
    with pytest.raises(ValueError, match=r"."):
        xsrf.decode(text, 0)


def test_old_tokens_stand_for_themselves():
    assert xsrf.decode("not hex", 1)[1] == b"not hex"
    with pytest.raises(ValueError, match="unknown xsrf cookie version 9"):
        xsrf.encode(9, b"", b"", 0)
