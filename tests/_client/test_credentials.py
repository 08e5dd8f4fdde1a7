"""The Basic scheme, by the examples of its standard."""

from tornadolike._client.credentials import BOUND_TO_ORIGIN, basic_authorization


def test_ascii() -> None:
    assert basic_authorization("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_text_is_utf8() -> None:
    assert basic_authorization("test", "123\N{POUND SIGN}") == "Basic dGVzdDoxMjPCow=="


def test_text_is_normalised() -> None:
    assert basic_authorization("e\N{COMBINING ACUTE ACCENT}", "") == basic_authorization("\N{LATIN SMALL LETTER E WITH ACUTE}", "")


def test_bytes_are_taken_as_they_are() -> None:
    assert basic_authorization(b"\xff", b"\xfe") == "Basic /zr+"


def test_fields_that_stay_behind() -> None:
    assert {"Authorization", "Cookie"} <= set(BOUND_TO_ORIGIN)
