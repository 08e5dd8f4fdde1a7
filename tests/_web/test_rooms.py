"""The computations behind handlers, without handlers."""

import datetime as dt
import http.cookies
import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike._web import (
    arguments,
    conditional,
    cookie_attributes,
    error_pages,
    languages,
    origins,
    redirects,
    signing,
    static_files,
    ui_resources,
    url_patterns,
    xsrf,
)

quick = settings(max_examples=100, deadline=None)


# ---- signing


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


# ---- xsrf


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


# ---- conditions


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


# ---- files


@quick
@given(st.integers(0, 20), st.one_of(st.none(), st.integers(-25, 25)), st.one_of(st.none(), st.integers(0, 25)))
def test_spans_are_what_a_slice_is(size, first, last):
    content = bytes(range(size))
    span = static_files.span((first, last), size)
    if span is None:
        assert last == 0 or first is None or content[first:last] == b"" or (last is not None and first + size * (first < 0) >= last)
        return
    start = first if first is None or first >= -size else None
    assert content[span.start : span.end] == content[start:last]
    assert 0 <= span.start <= span.end <= size
    assert span.size == span.end - span.start


@quick
@given(st.integers(0, 300_000), st.integers(0, 300_000), st.integers(0, 300_000))
def test_chunks_are_the_part_asked_for(size, a, b):
    start, end = sorted((min(a, size), min(b, size)))
    content = bytes(size)
    chunks = list(static_files.chunks(io.BytesIO(content), start, end))
    assert sum(map(len, chunks)) == end - start
    assert all(0 < len(chunk) <= static_files.CHUNK_BYTES for chunk in chunks)
    assert b"".join(static_files.chunks(io.BytesIO(content), start or None, None)) == content[start:]


def test_files_that_shrink_are_noticed():
    with pytest.raises(AssertionError, match="ended 5 bytes early"):
        list(static_files.chunks(io.BytesIO(b"12345"), 0, 10))


def test_inside():
    assert static_files.is_inside("/a", "/a/b")
    assert static_files.is_inside("/a/", "/a")
    assert not static_files.is_inside("/a", "/ab")
    assert static_files.is_inside("/", "/x")
    assert static_files.names_stream("C:\\r\\", "C:\\r\\a::$DATA")
    assert not static_files.names_stream("C:\\r\\", "C:\\r\\a")


# ---- redirects


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
    assert redirects.fits_header("/a\tb\u20ac")
    assert not any(redirects.fits_header("/a" + c) for c in "\r\n\x00\x7f\x1b")


# ---- others


def test_arguments():
    assert arguments.texts([b" a\x00 ", b"\x1fb\t"], bytes.decode, strip=True) == ["a", "b"]
    assert arguments.texts([b" a\x00 "], bytes.decode, strip=False) == [" a  "]
    assert arguments.texts([b" a"], lambda value: value, strip=False) == [b" a"]


def test_cookie_attributes():
    jar = http.cookies.SimpleCookie()
    cookie_attributes.put(jar, "a", "1", [("path", "/"), ("domain", None)])
    cookie_attributes.put(jar, "a", "2", [("httponly", True)])
    assert jar.output(header="") == " a=2; HttpOnly"
    cookie_attributes.check("a", "1", [("path", None)])


def test_origins():
    asked = []
    assert origins.refusal("same-origin", None, "h", asked.append) is None
    assert origins.refusal(None, "http://H", "h", asked.append) is None
    assert asked == []
    assert origins.refusal("cross-site", None, "h", asked.append) == "Sec-Fetch-Site cross-site & origin None not allowed"
    assert asked == []
    assert origins.refusal(None, "http://x", None, lambda origin: False) == "Origin 'http://x' not allowed"
    assert not origins.is_host("http://x", None)


def test_languages():
    assert languages.preferred("de;q=0.2, en ,fr;q=0.9,it;q=0,es;q=-1,nl;q=x,pt;level=1,xx;q=nan") == ["en", "pt", "fr", "de"]
    assert languages.preferred("") == [""]


def test_pages_escape():
    assert error_pages.page(404, "<b>&'\"").count("404: &lt;b&gt;&amp;&#x27;&quot;") == 2


def test_resources_are_placed():
    assert ui_resources.place(b"<x><y><x>", [(b"<x>", b"1"), (b"<x>", b"2"), (b"<z>", b"")], last=True) == b"<x><y>1\n2\n<x>"
    assert ui_resources.place(b"<x><x>", [(b"<x>", b"1")], last=False) == b"1\n<x><x>"
    with pytest.raises(ValueError, match="not found"):
        ui_resources.place(b"", [(b"<x>", b"1")], last=False)
    assert ui_resources.flattened(["a", b"b", ["c", "d"]]) == ["a", b"b", "c", "d"]
    assert ui_resources.unique(["a", "A", "b"], str.lower) == ["a", "b"]


class Piece:
    def embedded_javascript(self):
        return b"js"

    def javascript_files(self):
        return b"f.js"

    def embedded_css(self):
        return ""

    def css_files(self):
        return ()

    def html_head(self):
        return None

    def html_body(self):
        return "é"


def test_resources_are_collected():
    found = ui_resources.Resources([Piece(), Piece()])
    assert (found.js_embedded, found.js_files, found.css_embedded, found.css_files) == ([b"js"] * 2, ["f.js"] * 2, [], [])
    assert (found.heads, found.bodies) == ([], ["é".encode()] * 2)


def test_url_patterns():
    assert url_patterns.template("^/(a)/x(b)$", 2, str) == "/%s/x%s"
    assert url_patterns.template("/(?:a)", 0, str) is None
    assert url_patterns.fill("/%s/%x%s", ["1", "%s"]) == "/1/%x%s"
    with pytest.raises(ValueError, match="1 slots, not 2"):
        url_patterns.fill("/%s", ["1", "2"])
