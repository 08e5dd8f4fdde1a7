"""HTTP dates."""

import locale
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._http.dates import http_date


def test_example_of_the_rfc() -> None:
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"


@settings(max_examples=200, deadline=None)
@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_every_second_that_datetime_knows(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)


@pytest.mark.parametrize("seconds", [10**15, -(10**15), 10**300])
def test_beyond(seconds: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        http_date(seconds)


def test_the_locale_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, "")
        assert http_date(1_000_000_007) == "Sun, 09 Sep 2001 01:46:47 GMT"
    finally:
        locale.setlocale(locale.LC_TIME, before)
