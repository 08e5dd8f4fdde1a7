"""Where a redirect leads."""

import pytest

from tornadolike._web import redirects


@pytest.mark.parametrize("url", ["//x", "\\\\x", "/\\x", "\\/x", " //x", "\t/\n/x", "\x00//x", "/\r/x", "///x"])
def test_other_hosts_in_disguise(url):
    assert redirects.leaves_host(url)
    assert redirects.origin(url) == ("", "x")


@pytest.mark.parametrize("url", ["/x//y", "x", "/ /x", "", "/%5Cx"])
def test_paths_are_paths(url):
    assert not redirects.leaves_host(url)
    assert redirects.origin(url) == ("", "")


@pytest.mark.parametrize(
    ("template", "url", "kept"),
    [
        ("/a", "/a?b", True),
        ("/{}", "/x//y", True),
        ("{{x}}/{}", "{x}/y", True),
        ("https://A.test/{}", "HTTPS://a.TEST/x", True),
        ("https://a.test/{}", "http://a.test/x", False),
        ("https://a.test{}", "https://a.test.evil/x", False),
        ("https://{}", "https://a/", False),
        ("{}", "https://[", False),
        ("mailto:{}", "mailto:a@b.test", True),
    ],
)
def test_templates_fix_the_origin(template, url, kept):
    assert redirects.keeps_origin(template, url) is kept


def test_header_characters():
    assert redirects.refusal("/{}", "/a\tb\u20ac") is None
    assert all(redirects.refusal("/{}", f"/a{c}") == "Redirect URL contains invalid characters" for c in "\r\n\x00\x7f\x1b")
    assert redirects.refusal("{}", "https://a\r") == redirects.OTHER_ORIGIN


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("/login", "/login?next=%2Fpage%3Fa%3Db"),
        ("https://elsewhere/login", "https://elsewhere/login?next=http%3A%2F%2Fhere%2Fpage"),
        ("/login?next=/", "/login?next=/"),
    ],
)
def test_the_way_back_from_a_login(login, expected):
    assert redirects.with_way_back(login, lambda: "http://here/page", "/page?a=b") == expected


def test_the_status_of_a_redirect():
    assert [redirects.status(None, permanent) for permanent in (True, False)] == [301, 302]
    assert redirects.status(307, True) == 307
    for wrong in (200, 400, "301"):
        with pytest.raises(AssertionError):
            redirects.status(wrong, False)
