"""Signed values come back, and nothing else does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._web import signing

quick = settings(max_examples=100, deadline=None)


@quick
@given(st.binary(max_size=40), st.text(st.characters(exclude_categories=("Cs",)), max_size=10), st.integers(1, 2**40), st.integers(0, 99))
def test_signed_values_come_back(value, name, now, key_version):
    assert signing.verify_v1("s", name, signing.sign_v1("s", name, value, now), 31, now) == value
    signed = signing.sign_v2("s", name, value, now, key_version)
    assert signing.verify_v2({key_version: "s"}, name, signed, 31, now) == value
    assert signing.fields_v2(signed).key_version == key_version


@quick
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_politely(garbage):
    assert 1 <= signing.version(garbage) <= 999
    for verify in (signing.verify_v1, signing.verify_v2):
        with pytest.raises(signing.Refused):
            verify("secret", "name", garbage, 31, 0)


def test_versions():
    assert [signing.version(text) for text in (b"2|x", b"999|", b"1000|", b"02|", b"x", b"", b"2")] == [2, 999, 1, 1, 1, 1, 1]
