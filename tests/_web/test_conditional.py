"""Conditional requests: entity tags and dates."""

import datetime as dt
import time

import pytest

from tornadolike._web import conditional


@pytest.mark.parametrize(
    ("header", "etag", "match"),
    [
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),
        ('"a"', 'W/"a"', True),
        ('"b", "a"', '"a"', True),
        ("*", '"a"', True),
        ('"b", *', '"a"', False),
        ("a", '"a"', False),
        ('"a', '"a"', False),
        ("", '"a"', False),
        ("*", "", False),
    ],
)
def test_if_none_match(header, etag, match):
    assert conditional.none_match(header, etag) is match


def test_if_none_match_is_linear():
    for header in ('"' * 100_000, 'W/"' * 50_000, '""' * 50_000):
        began = time.perf_counter()
        assert conditional.none_match(header, '"a"') is False
        assert time.perf_counter() - began < 1


MODIFIED = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "text", ["", "x", "Wed, 01 Jan 2020", "Wed, 99 Jan 2020 00:00:00 GMT", "Wed, 01 Jan 99999 00:00:00 GMT", "\x00", "0" * 5000]
)
def test_what_is_no_date(text):
    assert conditional.http_date(text) is None
    assert not conditional.not_modified_since(text, MODIFIED)
    assert conditional.if_range(text, '"a"', MODIFIED) is (text == "")


def test_dates():
    assert conditional.not_modified_since("Wed, 01 Jan 2020 00:00:00 GMT", MODIFIED)
    assert conditional.not_modified_since("Wed, 01 Jan 2020 00:00:00 -0000", MODIFIED)
    assert conditional.not_modified_since("Wed, 01 Jan 2020 01:00:00 +0100", MODIFIED)
    assert not conditional.not_modified_since("Tue, 31 Dec 2019 23:59:59 GMT", MODIFIED)
    assert not conditional.not_modified_since("Wed, 01 Jan 2020 00:00:00 GMT", None)
    assert conditional.if_range("Wed, 01 Jan 2020 00:00:00 GMT", "", MODIFIED)
    assert not conditional.if_range("Wed, 01 Jan 2020 00:00:01 GMT", "", MODIFIED)
    assert not conditional.if_range('W/"a"', 'W/"a"', MODIFIED)
