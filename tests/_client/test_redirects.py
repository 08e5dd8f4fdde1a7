"""Where a redirect leads, with which method, and whether credentials may come along."""

import pytest

from tornadolike._client.redirects import REDIRECT_CODES, Hop, next_hop

ORIGIN = "http://example.org/start"


def hop(location: str, code: int = 302, method: str = "GET", url: str = ORIGIN, original: str = ORIGIN) -> Hop:
    return next_hop(code, method, url, location, original)


def test_codes() -> None:
    assert sorted(REDIRECT_CODES) == [301, 302, 303, 307, 308]


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/next?a=b", "http://example.org/next?a=b"),
        ("next", "http://example.org/next"),
        ("?a", "http://example.org/start?a"),
        ("//other.example/", "http://other.example/"),
        ("https://other.example/x", "https://other.example/x"),
    ],
)
def test_location_is_resolved(location: str, url: str) -> None:
    assert hop(location).url == url


@pytest.mark.parametrize(
    ("code", "method", "expected"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "HEAD", "HEAD"),
        (302, "DELETE", "DELETE"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
def test_method(code: int, method: str, expected: str) -> None:
    result = hop("/", code, method)
    assert result.method == expected
    assert result.drops_body is ((code == 303 and method != "HEAD") or expected != method)


@pytest.mark.parametrize(
    "location",
    ["/next", "http://example.org/", "http://example.org:80/", "http://EXAMPLE.org/", "http://other:pw@example.org/"],
)
def test_same_origin(location: str) -> None:
    assert hop(location).same_origin


@pytest.mark.parametrize(
    "location",
    [
        "https://example.org/",
        "http://example.org:81/",
        "http://example.com/",
        "http://sub.example.org/",
        "//example.org.evil.example/",
        "http://example.org@evil.example/",
        "http://example.org:80@evil.example/",
        "ftp://example.org/",
    ],
)
def test_other_origin(location: str) -> None:
    assert not hop(location).same_origin


def test_user_name_of_the_original_does_not_make_it_another_origin() -> None:
    assert hop("http://example.org/next", original="http://anna:pw@example.org/start").same_origin


def test_user_name_in_a_foreign_location_is_taken_off() -> None:
    assert hop("http://me:secret@other.example:81/x").url == "http://other.example:81/x"


def test_credentials_belong_to_the_original_origin() -> None:
    assert not hop("/deeper", url="http://other.example/").same_origin
    assert hop("http://example.org/back", url="http://other.example/").same_origin


@pytest.mark.parametrize("location", ["http://host:port/", "http://host:99999/", "http://[bad/"])
def test_malformed_location(location: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - urllib's words
        hop(location)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/café".encode().decode("latin-1"), "http://a.example/caf%C3%A9"),
        ("/caf\xe9", "http://a.example/caf%E9"),
        ("/a b?c d", "http://a.example/a%20b?c%20d"),
        ("/a%20b?100%", "http://a.example/a%20b?100%25"),
        ("http://bücher.example/ü".encode().decode("latin-1"), "http://xn--bcher-kva.example/%C3%BC"),
        ("/\u2603", "http://a.example/%E2%98%83"),
    ],
)
def test_the_location_is_made_valid(location: str, url: str) -> None:
    assert next_hop(302, "GET", "http://a.example/", location, "http://a.example/").url == url
