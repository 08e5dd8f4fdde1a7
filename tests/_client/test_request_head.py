"""URLs taken apart, refused methods and bodies, and the header fields that complete a request."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._client.request_head import check_body, check_method, fill_in, parse_target, percent_encode, valid_url

STANDARD = {"GET", "POST"}


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "path"),
    [
        ("http://example.org", "example.org", 80, "example.org", "/"),
        ("https://example.org?a=b", "example.org", 443, "example.org", "/?a=b"),
        ("http://Example.org:8080/x/y?z#part", "Example.org", 8080, "Example.org:8080", "/x/y?z"),
        ("http://[::1]/", "::1", 80, "[::1]", "/"),
        ("http://[::1]:99/", "::1", 99, "[::1]:99", "/"),
        ("http://example.org:/", "example.org", 80, "example.org:", "/"),
        ("HTTPS://example.org/", "example.org", 443, "example.org", "/"),
        ("http://bücher.example/", "bücher.example", 80, "xn--bcher-kva.example", "/"),
        ("http://example.org/ü b", "example.org", 80, "example.org", "/%C3%BC%20b"),
        ("http://example.org/%C3%BC%2F?100%&a=%zz", "example.org", 80, "example.org", "/%C3%BC%2F?100%25&a=%25zz"),
        ('http://example.org/[1]{2}|"', "example.org", 80, "example.org", "/[1]%7B2%7D%7C%22"),
        ("http://[::1%1]:99/", "::1%1", 99, "[::1]:99", "/"),
        ("http://[fe80::1%25eth0]/", "fe80::1%eth0", 80, "[fe80::1]", "/"),
        ("http://example.org/line\n", "example.org", 80, "example.org", "/line"),
    ],
)
def test_target(url: str, host: str, port: int, authority: str, path: str) -> None:
    target = parse_target(url)
    assert (target.host, target.port, target.authority, target.path) == (host, port, authority, path)
    assert target.username is None


def test_user_name_in_url_stays_out_of_host() -> None:
    target = parse_target("http://anna:p:w@example.org:81/")
    assert (target.username, target.password) == ("anna", "p:w")
    assert (target.host, target.authority) == ("example.org", "example.org:81")


def test_user_name_without_password() -> None:
    target = parse_target("http://anna@example.org/")
    assert (target.username, target.password) == ("anna", "")


def test_userinfo_ends_at_the_last_at_sign() -> None:
    target = parse_target("http://good.example@evil@example.org/")
    assert target.host == "example.org"
    assert target.username == "good.example@evil"


@pytest.mark.parametrize("url", ["ftp://example.org/", "file:///etc/passwd", "javascript:1", "h:5", "example.org", "", "data:,x"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^Unsupported url scheme: "):
        parse_target(url)


@pytest.mark.parametrize(
    "url",
    [
        "http:///path",
        "http://:80/",
        "http://me@/",
        "http://host:port/",
        "http://host:65536/",
        "http://host:99999999999999999999/",
        "http://host:-1/",
        "http://host:٣/",
        "http://[::1]x/",
        "http://[::1/",
        "http://ho st/",
        "http://host\x00/",
        "http://host/\x00",
        "http://host/?\x1b",
        "http://host/\x7f",
    ],
)
def test_malformed_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - some of them are refused by urllib, in its words
        parse_target(url)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_what_is_encoded_is_valid_and_stays_as_it_is(text: str) -> None:
    once = percent_encode(text)
    assert re.fullmatch(r"(?:[!#$&'()*+,\-./0-9:;=?@A-Z\[\\\]_a-z~]|%[0-9A-Fa-f]{2})*", once)
    assert percent_encode(once) == once


@pytest.mark.parametrize(
    ("url", "valid"),
    [
        ("http://example.org/a%20b", "http://example.org/a%20b"),
        (" http://example.org/a b?c=é#d e\n", "http://example.org/a%20b?c=%C3%A9#d%20e"),
        ("http://bücher.example:80/ü", "http://xn--bcher-kva.example:80/%C3%BC"),
        ("http://a b:c@example.org/ü", "http://a%20b:c@example.org/%C3%BC"),
        ("http://[::1%1]:80/ü", "http://[::1%1]:80/%C3%BC"),
        ("example.org/ü", "example.org/%C3%BC"),
    ],
)
def test_valid_url(url: str, valid: str) -> None:
    assert valid_url(url) == valid == valid_url(valid)


@pytest.mark.parametrize("url", ["http://example.org/a\tb", "http://exam\nple.org/", "http://example.org/\x7f", "a\x00"])
def test_control_characters_are_refused(url: str) -> None:
    for function in (valid_url, parse_target):
        with pytest.raises(ValueError, match=r"^Illegal character in url: "):
            function(url)


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_no_url_brings_a_line_break_into_the_head(text: str) -> None:
    try:
        target = parse_target(f"http://{text}")
    except ValueError:
        return
    assert not set("\r\n\x00") & set(target.authority + target.path)
    assert target.authority.isascii()
    assert " " not in target.authority


def test_supported_methods_pass() -> None:
    check_method("GET", STANDARD, False)
    check_method("PURGE", STANDARD, True)


def test_unknown_method() -> None:
    with pytest.raises(KeyError, match="unknown method PURGE"):
        check_method("PURGE", STANDARD, False)


@pytest.mark.parametrize("method", ["", "GET /x", "A\r\nB", "A\nB", "\N{KELVIN SIGN}"])
def test_method_that_is_no_token(method: str) -> None:
    with pytest.raises(ValueError, match="Illegal character in method"):
        check_method(method, STANDARD, True)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_body_is_needed(method: str) -> None:
    check_body(method, True)
    with pytest.raises(ValueError, match=f"Body must not be None for method {method} "):
        check_body(method, False)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_body_is_refused(method: str) -> None:
    check_body(method, False)
    with pytest.raises(ValueError, match=f"Body must be None for method {method} "):
        check_body(method, True)


def filled(headers: dict[str, str], **options: object) -> dict[str, str]:
    settings = {
        "connection": "close",
        "authority": "example.org",
        "authorization": None,
        "user_agent": None,
        "default_user_agent": "ours",
        "content_length": None,
        "form_by_default": False,
        "expect_continue": False,
        "accept_gzip": False,
    }
    fill_in(headers, **{**settings, **options})  # type: ignore[arg-type]
    return headers


def test_least_header() -> None:
    assert filled({}) == {"Connection": "close", "Host": "example.org", "User-Agent": "ours"}
    assert "Connection" not in filled({}, connection=None)


def test_fields_of_the_caller_stay() -> None:
    given_fields = {"Connection": "Upgrade", "Host": "other", "User-Agent": "theirs", "Content-Type": "text/x"}
    assert filled(dict(given_fields), form_by_default=True) == given_fields


@pytest.mark.parametrize("length", [None, 5])
def test_one_framing(length: int | None) -> None:
    """RFC 9112 §6.2: never both."""
    assert "Transfer-Encoding" not in filled({"Transfer-Encoding": "chunked", "Content-Length": "5"}, content_length=length)
    assert filled({"Transfer-Encoding": "chunked"})["Transfer-Encoding"] == "chunked"


def test_options_win_over_fields() -> None:
    result = filled({"User-Agent": "theirs", "Authorization": "x"}, user_agent="option", authorization="Basic abc")
    assert (result["User-Agent"], result["Authorization"]) == ("option", "Basic abc")


def test_all_options() -> None:
    result = filled({}, content_length=0, form_by_default=True, expect_continue=True, accept_gzip=True)
    assert result["Content-Length"] == "0"
    assert result["Content-Type"] == "application/x-www-form-urlencoded"
    assert result["Expect"] == "100-continue"
    assert result["Accept-Encoding"] == "gzip"
