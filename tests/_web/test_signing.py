"""Signed values come back, and nothing else does."""

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._web import signing

quick = settings(max_examples=100, deadline=None)
NOW = 1e9


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
    assert signing.verify_v2("secret", "name", garbage, 31, 0) is None
    try:
        value = signing.verify_v1("secret", "name", garbage, 31, 0)
    except signing.Refused:
        return
    assert value is None


def test_versions():
    assert [signing.version(text) for text in (b"2|x", b"999|", b"1000|", b"02|", b"x", b"", b"2")] == [2, 999, 1, 1, 1, 1, 1]


fields = st.one_of(
    st.binary(max_size=12),
    st.from_regex(rb"[0-9]{1,3}", fullmatch=True),
    st.sampled_from([b"a|3:abc", b"", b"7:x|", b"9" * 5000, b"0012"]),
)
sizes = st.one_of(st.none(), st.sampled_from([b"0", b"3", b"-1", b"+3", b" 3", b"03", b"x", b"9" * 5000]))


@quick
@given(st.lists(st.tuples(sizes, fields), min_size=3, max_size=5), st.binary(max_size=10), st.sampled_from([b"2|", b"2", b"", b"3|"]))
def test_fields_are_found_at_once_as_they_are_one_by_one(parts, signature, prefix):
    """The expression for the usual value against counting bytes, above all where lengths and separators disagree."""
    text = prefix + b"".join([b"%b:%b|" % (b"%d" % len(field) if size is None else size, field) for size, field in parts]) + signature
    if text.startswith(b"2|"):
        assert signing.fields_v2(text) == signing._fields_by_length(text)


@quick
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_signatures_are_those_of_the_standard_library(secret, signed):
    for _ in range(2):
        assert signing.signature_v2(secret, signed) == hmac.digest(secret, signed, "sha256").hex().encode()


@pytest.mark.parametrize("form", [1, 2])
def test_either_format_is_read_from_the_least_on(form):
    signed = signing.sign(form, "secret", "name", b"value", NOW, None)
    assert signing.version(signed) == form
    for least in (1, 2):
        if least > form:
            assert signing.verify("secret", "name", signed, 1, NOW, least) is None
        else:
            assert signing.verify("secret", "name", signed, 1, NOW, least) == b"value"


def test_several_keys_are_of_the_second_format():
    secrets = {1: "one", 2: "two"}
    signed = signing.sign(2, secrets, "name", b"value", NOW, 2)
    assert signing.key_version(signed) == 2
    assert signing.verify(secrets, "name", signed, 1, NOW, 1) == b"value"
    assert signing.verify(secrets, "name", signing.sign(1, "one", "name", b"value", NOW, None), 1, NOW, 1) is None
    with pytest.raises(AssertionError, match="at least 2"):
        signing.sign(1, secrets, "name", b"value", NOW, 1)
    with pytest.raises(AssertionError, match="must be set"):
        signing.sign(2, secrets, "name", b"value", NOW, None)


def test_formats_to_come():
    with pytest.raises(ValueError, match="Unsupported version 3"):
        signing.sign(3, "secret", "name", b"value", NOW, None)
    assert signing.verify("secret", "name", b"3|whatever", 1, NOW, 1) is None


@pytest.mark.parametrize("signed", [b"value|0|signature", b"2|1:x|", b""])
def test_values_that_name_no_key(signed):
    assert signing.key_version(signed) is None


@pytest.mark.parametrize(
    ("written", "complaint"),
    [(NOW - 2 * 86400, "Expired cookie %r"), (NOW + 32 * 86400, "Cookie timestamp in future; possible tampering %r"), (NOW, None)],
)
def test_what_is_logged_of_the_first_format(written, complaint):
    signed = signing.sign_v1("secret", "name", b"value", written)
    if complaint is None:
        assert signing.verify_v1("secret", "name", signed, 1, NOW) == b"value"
        return
    with pytest.raises(signing.Refused) as caught:
        signing.verify_v1("secret", "name", signed, 1, NOW)
    assert caught.value.log == complaint


def test_the_second_format_is_refused_in_silence():
    signed = signing.sign_v2("secret", "name", b"value", NOW - 2 * 86400, 0)
    assert signing.verify_v2("secret", "name", signed, 1, NOW) is None
    assert signing.verify_v2("another", "name", signed, 3, NOW) is None
    assert signing.verify_v2("secret", "another", signed, 3, NOW) is None
    assert signing.verify_v2({1: "secret"}, "name", signed, 3, NOW) is None
    assert signing.verify_v2("secret", "name", signed, 3, NOW) == b"value"
