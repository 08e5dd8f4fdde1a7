"""Headers, requests, start lines, form bodies and the small functions of httputil."""

import copy
import datetime as dt
import doctest
import pickle
import ssl
import time
import urllib.parse
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike import http1connection, httputil
from tornadolike.httputil import (
    HTTPFile,
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    RequestStartLine,
    format_timestamp,
    parse_body_arguments,
    parse_multipart_form_data,
    url_concat,
)

PAIRS = [("Host", "a.test"), ("x-tag", "1"), ("Accept", "*/*"), ("X-TAG", "2")]
DISTINCT = PAIRS[:3]


def wire(pairs: list[tuple[str, str]]) -> HTTPHeaders:
    return HTTPHeaders._from_wire([(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs])


def added(pairs: list[tuple[str, str]]) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in pairs:
        headers.add(name, value)
    return headers


def request(uri: str = "/", version: str = "HTTP/1.1", headers: Any = None, **more: Any) -> HTTPServerRequest:
    headers = HTTPHeaders({"Host": "a.test"}) if headers is None else headers
    return HTTPServerRequest(start_line=RequestStartLine("GET", uri, version), headers=headers, **more)


@pytest.fixture
def body_config() -> Iterator[None]:
    yield
    httputil.set_parse_body_config(ParseBodyConfig())


def test_examples_in_docstrings() -> None:
    results = doctest.testmod(httputil, optionflags=doctest.ELLIPSIS)
    assert results.attempted > 15
    assert results.failed == 0
    assert httputil.doctests().countTestCases() > 10


class TestHeaders:
    def test_ways_to_make_them(self) -> None:
        expected = [("A-B", "1"), ("C", "2")]
        for headers in (
            HTTPHeaders({"a-b": "1", "C": "2"}),
            HTTPHeaders([("a-b", "1"), ("c", "2")]),
            HTTPHeaders({"a-b": "1"}, c="2"),
            HTTPHeaders(added(expected)),
            HTTPHeaders(wire(expected)),
            HTTPHeaders.parse("a-b: 1\r\nC:2\r\n\r\n"),
        ):
            assert list(headers.get_all()) == expected
        assert list(HTTPHeaders().get_all()) == []
        assert HTTPHeaders({"x": "1", "X": "2"})["x"] == "2"

    @pytest.mark.parametrize("make", [wire, added])
    def test_reading_repeated_names(self, make: Any) -> None:
        headers = make(PAIRS)
        assert headers["X-Tag"] == headers["x-tag"] == headers.get("X-TAG") == headers._get("x-tag") == "1,2"
        assert headers.get_list("x-Tag") == ["1", "2"]
        assert headers.get_list("absent") == []
        assert list(headers) == ["Host", "X-Tag", "Accept"]
        assert len(headers) == 3
        assert str(headers) == "Host: a.test\nX-Tag: 1\nX-Tag: 2\nAccept: */*\n"
        assert headers._get("absent") is headers.get("absent") is None
        with pytest.raises(KeyError):
            headers["absent"]

    @pytest.mark.parametrize(
        "read", [lambda h: h["Host"], lambda h: "nope" in h, len, list, str, lambda h: h.get("nope"), lambda h: h.copy()]
    )
    def test_off_the_wire_reading_does_not_change_them(self, read: Any) -> None:
        headers = wire(DISTINCT)
        read(headers)
        read(headers)
        assert list(headers.items()) == list(added(DISTINCT).items())
        assert headers == added(DISTINCT)

    def test_off_the_wire_nothing_is_decoded_before_it_is_read(self) -> None:
        class Raw(bytes):
            def decode(self, *args: Any) -> str:  # type: ignore[override]
                decoded.append(bytes(self))
                return super().decode(*args)

        decoded: list[bytes] = []
        headers = HTTPHeaders._from_wire([(b"Host", Raw(b"h")), (b"Cookie", Raw(b"c"))])
        assert "cookie" in headers
        assert len(headers) == 2
        assert decoded == []
        assert headers["cookie"] == headers["Cookie"] == "c"
        assert decoded == [b"c"]

    def test_off_the_wire_values_are_latin_1(self) -> None:
        assert HTTPHeaders._from_wire([(b"a", b"caf\xe9")])["A"] == "caf\xe9"

    @pytest.mark.parametrize("touch", [lambda h: None, lambda h: h["Host"], lambda h: h.get_list("Host")])
    def test_off_the_wire_they_can_be_changed(self, touch: Any) -> None:
        pairs = [(b"Host", b"a.test"), (b"A", b"1")]
        headers = HTTPHeaders._from_wire(pairs)
        touch(headers)
        duplicate = headers.copy()
        headers.add("a", "2")
        headers["host"] = "b.test"
        headers.setdefault("new", "n")
        assert dict(headers) == {"Host": "b.test", "A": "1,2", "New": "n"}
        del headers["A"]
        assert "a" not in headers
        assert headers.pop("Host") == "b.test"
        assert dict(duplicate) == {"Host": "a.test", "A": "1"}
        assert len(pairs) == 2

    def test_joined_value_follows_changes(self) -> None:
        headers = added([("a", "1")])
        assert headers["A"] == "1"
        headers.add("A", "2")
        assert headers["a"] == "1,2"
        headers.add("A", "3")
        del headers["a"]
        assert "A" not in headers
        with pytest.raises(KeyError):
            del headers["A"]
        headers["a"] = "x"
        assert headers["a"] == "x"

    @pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "\xe9", "a\0", " a"])
    def test_cve_2012_2374_no_such_names(self, name: str) -> None:
        with pytest.raises(HTTPInputError, match="Invalid header name"):
            HTTPHeaders().add(name, "x")

    @pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\n", "\r", "a\0b", "\x7f", " a", "a\t", "\u20ac"])
    def test_cve_2012_2374_no_such_values(self, value: str) -> None:
        """CVE-2012-2374 / PYSEC-2012-5: a line end in a value would begin a header field of the attacker's."""
        with pytest.raises(HTTPInputError, match="Invalid header value"):
            HTTPHeaders().add("x", value)

    def test_characters_or_bytes(self) -> None:
        headers = HTTPHeaders()
        headers.add("a", "€", _chars_are_bytes=False)
        assert headers["a"] == "€"
        with pytest.raises(HTTPInputError):
            headers.add("a", "\r", _chars_are_bytes=False)

    @pytest.mark.parametrize("block", ["a: 1\r\n b", "a: 1\r\n\tb", "a", "a\r\n", ": x", "a : x", "a: b\rc: d", "a: b\r\r\n", "\r"])
    def test_malformed_blocks(self, block: str) -> None:
        with pytest.raises(HTTPInputError):
            HTTPHeaders.parse(block)

    def test_6_6_0_folded_lines_are_refused_at_once(self) -> None:
        """Removed in Tornado 6.6.0: each continuation line copied the whole value once more."""
        with pytest.raises(HTTPInputError, match="folding not supported"):
            HTTPHeaders.parse("a: b\r\n" + " c\r\n" * 200_000)

    @pytest.mark.parametrize("odd", ["\xa0", "\x85", "\u3000", "\x0b", "\x0c"])
    def test_ghsa_753j_mpmx_qq6g_only_space_and_tab_are_stripped(self, odd: str) -> None:
        """GHSA-753j-mpmx-qq6g: str.strip() made ``chunked`` out of what other servers read as an unknown coding."""
        try:
            assert HTTPHeaders.parse(f"Transfer-Encoding: \t{odd}chunked ")["Transfer-Encoding"] == odd + "chunked"
        except HTTPInputError:
            assert odd in "\x0b\x0c\u3000"

    def test_line_ends(self) -> None:
        assert list(HTTPHeaders.parse("a: 1\nb: 2\r\n\nc:\x853\r\n").get_all()) == [("A", "1"), ("B", "2"), ("C", "\x853")]
        headers = HTTPHeaders()
        for line in ("", "\r\n", "\n", "a: 1", "b: 2\n"):
            headers.parse_line(line)
        assert list(headers) == ["A", "B"]

    @pytest.mark.parametrize("make", [wire, added])
    @pytest.mark.parametrize(
        "duplicate", [copy.copy, copy.deepcopy, HTTPHeaders.copy, HTTPHeaders, lambda h: pickle.loads(pickle.dumps(h))]
    )
    def test_duplicates_are_independent(self, make: Any, duplicate: Any) -> None:
        headers = make(PAIRS)
        other = duplicate(headers)
        assert other == headers
        assert list(other.get_all()) == list(added(PAIRS).get_all())
        other.add("X-Tag", "3")
        other["Host"] = "b.test"
        assert headers.get_list("x-tag") == ["1", "2"]
        assert headers["host"] == "a.test"

    @pytest.mark.parametrize("make", [wire, added])
    def test_the_form_in_which_they_are_pickled_is_tornados(self, make: Any) -> None:
        headers = make(PAIRS)
        headers["X-Tag"]
        headers.remark = "mine"
        state = headers.__getstate__()
        lists = {"Host": ["a.test"], "X-Tag": ["1", "2"], "Accept": ["*/*"]}
        assert state == {"_as_list": lists, "_combined_cache": {}, "remark": "mine"}
        made = HTTPHeaders.__new__(HTTPHeaders)
        made.__setstate__({"_as_list": lists, "_combined_cache": {}, "_last_key": "Accept", "remark": "mine"})
        assert made == headers
        assert made.remark == pickle.loads(pickle.dumps(headers)).remark == "mine"
        assert "_last_key" not in vars(made)

    def test_equality(self) -> None:
        assert wire(PAIRS) == added(PAIRS) == {"Host": "a.test", "X-Tag": "1,2", "Accept": "*/*"}
        assert wire(PAIRS) != added(DISTINCT)

    def test_6_5_4_in_knows_no_case_and_takes_anything(self) -> None:
        """Fixed in Tornado 6.5.4: ``in`` had become case-sensitive."""
        headers = added(PAIRS)
        assert "hOsT" in headers
        assert "x-tag" in headers
        headers["X-Tag"]
        assert "X-TAG" in headers
        assert 3 not in headers
        assert b"Host" not in headers

    def test_cve_2025_67725_repeated_names_are_linear(self) -> None:
        """CVE-2025-67725 / GHSA-c98p-7wgm-6p64: each repetition joined all values anew."""
        for headers in (HTTPHeaders.parse("a: b\r\n" * 50_000), HTTPHeaders._from_wire([(b"a", b"b")] * 50_000)):
            for _ in range(50_000):
                assert len(headers["a"]) == 99_999

    def test_subclass_hooks_are_called(self) -> None:
        class Upper(HTTPHeaders):
            def __setitem__(self, name: str, value: str) -> None:
                super().__setitem__(name, value.upper())

        assert Upper({"a": "x"})["a"] == Upper([("a", "x")])["a"] == "X"


names = st.sampled_from(["a", "A", "b-c", "B-C", "d"])
steps = st.one_of(
    st.tuples(st.just("add"), names), st.tuples(st.just("set"), names), st.tuples(st.just("del"), names), st.tuples(st.just("read"), names)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(names, st.sampled_from("xyz")), max_size=6), st.lists(steps, max_size=10))
def test_lazy_headers_behave_like_eager_ones(pairs: list[tuple[str, str]], what: list[tuple[str, str]]) -> None:
    lazy, eager = wire(pairs), added(pairs)
    for step, name in what:
        for headers in (lazy, eager):
            if step == "add":
                headers.add(name, "n")
            elif step == "set":
                headers[name] = "s"
            elif step == "del":
                headers.pop(name, None)
        assert lazy.get(name) == eager.get(name) == lazy._get(name)
        assert (name in lazy) == (name in eager)
    assert list(lazy.get_all()) == list(eager.get_all())
    assert list(lazy.items()) == list(eager.items())


class TestRequest:
    def test_parts_of_the_target(self) -> None:
        made = request("/p/q?a=1&b=&a=2?x")
        assert (made.method, made.uri, made.version) == ("GET", "/p/q?a=1&b=&a=2?x", "HTTP/1.1")
        assert (made.path, made.query) == ("/p/q", "a=1&b=&a=2?x")
        assert made.arguments == made.query_arguments == {"a": [b"1", b"2?x"], "b": [b""]}
        assert made.full_url() == "http://a.test/p/q?a=1&b=&a=2?x"
        assert made.body == b""
        assert made.files == made.body_arguments == made.cookies == {}

    def test_arguments_are_separate(self) -> None:
        made = request("/?a=1")
        made.arguments["a"].append(b"2")
        assert made.query_arguments == {"a": [b"1"]}
        made.query_arguments = {}
        made.arguments = {"z": [b""]}
        assert made.query_arguments == {}
        assert made.arguments == {"z": [b""]}

    def test_arguments_are_those_of_the_request(self) -> None:
        made = request("/?a=1")
        made.query = "b=2"
        assert made.arguments == {"a": [b"1"]}

    def test_attributes_are_values_not_descriptors_once_read(self) -> None:
        made = request("/?a=1")
        assert made.arguments is made.arguments
        assert made.files is made.files
        assert HTTPServerRequest.arguments is HTTPServerRequest.__dict__["arguments"]

    def test_context_of_the_connection(self) -> None:
        connection: Any = SimpleNamespace(context=SimpleNamespace(remote_ip="192.0.2.1", protocol="https"))
        made = request(connection=connection, server_connection="server")
        assert (made.remote_ip, made.protocol, made.server_connection) == ("192.0.2.1", "https", "server")
        assert made.full_url() == "https://a.test/"
        assert (request().remote_ip, request().protocol) == (None, "http")

    def test_repr_shows_no_headers(self) -> None:
        shown = repr(request(headers=HTTPHeaders({"Host": "a.test", "Authorization": "secret"})))
        assert shown.startswith("HTTPServerRequest(protocol='http', host='a.test', method='GET', uri='/'")
        assert "secret" not in shown

    @pytest.mark.parametrize(("host", "name"), [("A.test:80", "a.test"), ("[::1]:8", "[::1]"), ("[::1]", "[::1]"), ("", ""), ("x:", "x:")])
    def test_host(self, host: str, name: str) -> None:
        made = request(headers=wire([("host", host)]))
        assert (made.host, made.host_name) == (host, name)

    def test_host_is_optional_in_http_1_0(self) -> None:
        assert request(version="HTTP/1.0", headers=HTTPHeaders()).host == "127.0.0.1"
        with pytest.raises(HTTPInputError, match="Missing Host header"):
            request(headers=wire([("a", "b")]))

    @pytest.mark.parametrize("headers", [[("Host", "a"), ("Host", "a")], [("Host", "a,b")]])
    def test_6_5_hosts_are_not_repeated(self, headers: list[tuple[str, str]]) -> None:
        """Tornado 6.5.0/.2, and RFC 9112 §3.2: a proxy and we might choose different ones."""
        with pytest.raises(HTTPInputError, match="Multiple host headers not allowed"):
            request(headers=wire(headers))

    @pytest.mark.parametrize("host", ["a b", "a/../b", "u@a", "a?b", "a#b", "a\\b", "\xe9", "a%zz", "a<script>"])
    def test_cve_2026_48710_hosts_keep_the_url_whole(self, host: str) -> None:
        """CVE-2026-48710 (Starlette): a Host with a slash or the like changed the path in the URL built from it."""
        with pytest.raises(HTTPInputError, match="Invalid Host header"):
            request(headers=wire([("Host", host)]))

    @pytest.mark.parametrize(
        ("target", "host", "path", "url"),
        [
            ("http://other.test:8/a/b?c", "other.test:8", "/a/b", "http://other.test:8/a/b?c"),
            ("HTTPS://other.test", "other.test", "/", "http://other.test/"),
            ("http://other.test?c=/d", "other.test", "/", "http://other.test/?c=/d"),
            ("http://[::1]/?", "[::1]", "/", "http://[::1]/?"),
            ("http://other.test//x", "other.test", "//x", "http://other.test//x"),
            ("ftp://other.test/a", "a.test", "ftp://other.test/a", "http://a.testftp://other.test/a"),
            ("*", "a.test", "*", "http://a.test*"),
        ],
    )
    def test_9112_3_2_2_absolute_targets(self, target: str, host: str, path: str, url: str) -> None:
        """RFC 9112 §3.2.2: the host of an absolute target replaces the Host field."""
        made = request(target, headers=wire([("Host", "a.test")]))
        assert (made.uri, made.host, made.path, made.full_url()) == (target, host, path, url)
        assert made.host_name == host.partition(":8")[0]

    @pytest.mark.parametrize("authority", ["", "u@b", "b,c", "b c", "b\\c", "b#c", "%zz", "u:p@b"])
    def test_absolute_targets_with_odd_hosts(self, authority: str) -> None:
        with pytest.raises(HTTPInputError, match=r"No host|Invalid Host|Multiple host"):
            request(f"http://{authority}/x", headers=wire([("Host", "a.test")]))

    def test_long_hosts_are_not_remembered(self) -> None:
        before = httputil._known_host_name.cache_info()
        long_host = "a" * 5000
        assert request(headers=wire([("Host", long_host + ":" + "9" * 5000)])).host_name.startswith(long_host)
        assert httputil._known_host_name.cache_info() == before

    def test_6_5_9_query_arguments_are_limited(self, body_config: None) -> None:
        """Tornado 6.5.9: the query string is limited like a form, and refused when the request begins."""
        assert len(request("/?" + "&".join(f"n{number}" for number in range(1000))).arguments) == 1000
        with pytest.raises(HTTPInputError, match="Invalid query string: Max number of fields exceeded"):
            request("/?" + "&" * 1000)
        httputil.set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=2)))
        assert request("/?a&b").arguments == {"a": [b""], "b": [b""]}
        with pytest.raises(HTTPInputError):
            request("/?a&b&c")
        httputil.set_parse_body_config(ParseBodyConfig(urlencoded=ParseUrlEncodedConfig(max_arguments=0)))
        assert request("/?").query == ""

    def test_odd_targets(self) -> None:
        with pytest.raises(HTTPInputError, match="Invalid query string"):
            request("/?\u20ac")
        with pytest.raises(HTTPInputError, match="Invalid query string"):
            HTTPServerRequest(start_line=RequestStartLine("GET", None, "HTTP/1.0"))  # type: ignore[arg-type]
        assert request("/?%80=%FF").arguments == {"\x80": [b"\xff"]}

    def test_6_6_1_percent_decoding_is_linear(self) -> None:
        assert request("/?a=" + "%41" * 300_000).arguments == {"a": [b"A" * 300_000]}

    def test_deprecated_arguments_still_work(self) -> None:
        with pytest.warns(DeprecationWarning, match="HTTPServerRequest") as caught:
            made = HTTPServerRequest("POST", "/x?y=1", "HTTP/1.1", host="h.test")
        assert {warning.filename for warning in caught} == {__file__}
        assert len(caught) == 3
        assert (made.method, made.path, made.version, made.host, made.arguments) == ("POST", "/x", "HTTP/1.1", "h.test", {"y": [b"1"]})
        with pytest.warns(DeprecationWarning, match="needs a start_line") as caught:
            made = HTTPServerRequest()
        assert len(caught) == 1
        assert (made.method, made.uri, made.version) == ("GET", "/", "HTTP/1.0")

    @pytest.mark.parametrize("kind", [httputil.HTTPConnection, http1connection.HTTP1Connection, None])
    def test_a_mocked_connection_says_nothing_about_the_path(self, kind: type | None) -> None:
        made = request("/a/b?c=d", connection=mock.Mock(spec=kind))
        assert (made.path, made.query, made.arguments) == ("/a/b", "c=d", {"c": [b"d"]})

    @pytest.mark.parametrize("connection", [None, mock.Mock(), mock.Mock(spec=http1connection.HTTP1Connection)])
    def test_equal_cookies_of_a_request_that_nobody_sent(self, connection: Any) -> None:
        """What webargs' tests ask: as in `httputil.parse_cookie` the last counts. Those that were sent: tests/web/test_reports.py."""
        made = request(headers={"Cookie": "a=1 ;b=2 ;a=3", "Host": "h"}, connection=connection)
        assert {name: morsel.value for name, morsel in made.cookies.items()} == {"a": "3", "b": "2"}

    def test_the_usual_way_does_not_warn(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            request()

    def test_cookies(self) -> None:
        made = request(headers=wire([("Host", "h"), ("Cookie", 'a="x y"; b[]=1; c=2; a/b=3')]))
        assert {name: morsel.value for name, morsel in made.cookies.items()} == {"a": "x y", "c": "2"}
        assert made.cookies is made.cookies
        with pytest.raises(AttributeError):
            made.cookies = {}  # type: ignore[misc]

    def test_form_body(self) -> None:
        headers = HTTPHeaders({"Host": "h", "Content-Type": "application/x-www-form-urlencoded"})
        made = request("/?a=1", headers=headers, body=b"a=2&b=3")
        made._parse_body()
        assert made.body_arguments == {"a": [b"2"], "b": [b"3"]}
        assert made.query_arguments == {"a": [b"1"]}
        assert made.arguments == {"a": [b"1", b"2"], "b": [b"3"]}

    def test_body_of_no_form(self) -> None:
        for headers in ({"Host": "h"}, {"Host": "h", "Content-Type": "application/json"}):
            made = request(headers=HTTPHeaders(headers), body=b"a=2")
            made._parse_body()
            assert made.body_arguments == made.arguments == made.files == {}

    def test_files_given(self) -> None:
        upload = HTTPFile(filename="f", body=b"", content_type="t/p")
        assert request(files={"x": [upload]}).files == {"x": [upload]}

    def test_request_time(self) -> None:
        made = request()
        assert 0 <= made.request_time() < 10
        made._finish_time = made._start_time + 2.5
        assert made.request_time() == 2.5

    def test_certificate(self) -> None:
        asked: list[bool] = []

        def getpeercert(*, binary_form: bool) -> bytes:
            asked.append(binary_form)
            if len(asked) > 1:
                raise ssl.SSLError
            return b"DER"

        connection: Any = SimpleNamespace(stream=SimpleNamespace(socket=SimpleNamespace(getpeercert=getpeercert)))
        made = request(connection=connection)
        assert made.get_ssl_certificate(binary_form=True) == b"DER"
        assert made.get_ssl_certificate() is None
        assert asked == [True, False]
        assert request().get_ssl_certificate() is None


class TestForms:
    URLENCODED = "application/x-www-form-urlencoded"

    def parse(self, content_type: str, body: bytes, **more: Any) -> tuple[dict[str, list[bytes]], dict[str, list[HTTPFile]]]:
        arguments: dict[str, list[bytes]] = {}
        files: dict[str, list[HTTPFile]] = {}
        parse_body_arguments(content_type, body, arguments, files, **more)
        return arguments, files

    def part(self, disposition: str, content: bytes = b"v", more: str = "") -> bytes:
        return f"--B\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode() + content + b"\r\n"

    @pytest.mark.parametrize("content_type", [URLENCODED, URLENCODED + "; charset=utf-8", "Application/X-WWW-Form-URLEncoded"])
    def test_urlencoded(self, content_type: str) -> None:
        assert self.parse(content_type, b"a=1&a=2+3&%C3%A9=&b")[0] == {"a": [b"1", b"2 3"], "\xc3\xa9": [b""], "b": [b""]}

    def test_ghsa_mpf4_983q_p7j4_arguments_are_limited(self) -> None:
        """GHSA-mpf4-983q-p7j4 / CVE-2026-82397."""
        assert len(self.parse(self.URLENCODED, b"&".join([b"a=1"] * 1000))[0]["a"]) == 1000
        with pytest.raises(HTTPInputError, match="Invalid x-www-form-urlencoded body"):
            self.parse(self.URLENCODED, b"&".join([b"a=1"] * 1001))

    @pytest.mark.parametrize("content_type", [URLENCODED, "multipart/form-data; boundary=B"])
    def test_compressed_forms_are_refused(self, content_type: str) -> None:
        with pytest.raises(HTTPInputError, match="Unsupported Content-Encoding: gzip"):
            self.parse(content_type, b"", headers=HTTPHeaders({"Content-Encoding": "gzip"}))

    @pytest.mark.parametrize(
        "content_type", ["multipart/form-data; boundary=B", 'Multipart/Form-Data ; x=y; Boundary="B"', "multipart/form-data;boundary=B;q=1"]
    )
    def test_multipart(self, content_type: str) -> None:
        body = (
            self.part("form-data; name=a")
            + self.part('form-data; name="f"; filename="x;y.txt"', b"\0", "content-type: text/x\r\n")
            + b"--B--"
        )
        arguments, files = self.parse(content_type, body)
        assert arguments == {"a": [b"v"]}
        assert files == {"f": [HTTPFile(filename="x;y.txt", body=b"\0", content_type="text/x")]}
        assert files["f"][0].filename == files["f"][0]["filename"]

    def test_a_boundary_may_be_quoted_with_semicolons(self) -> None:
        body = self.part("form-data; name=a").replace(b"--B", b"--B;c d") + b"--B;c d--"
        assert self.parse('multipart/form-data; x="a;b"; boundary="B;c d"; y=1', body)[0] == {"a": [b"v"]}

    def test_a_preamble_and_an_epilogue_are_no_parts(self) -> None:
        body = b"MIME, for old readers\r\n" + self.part("form-data; name=a") + b"--B--\r\nthe end"
        assert self.parse("multipart/form-data; boundary=B", body)[0] == {"a": [b"v"]}

    def test_file_without_type(self) -> None:
        files = self.parse("multipart/form-data; boundary=B", self.part("form-data; name=\"f\"; filename*=utf-8''%C3%BC") + b"--B--")[1]
        assert files["f"] == [{"filename": "ü", "body": b"v", "content_type": "application/unknown"}]

    def test_raw_utf_8_names(self) -> None:
        assert self.parse("multipart/form-data; boundary=B", self.part('form-data; name="€"') + b"--B--")[0] == {"€": [b"v"]}

    @pytest.mark.parametrize("content_type", ["multipart/form-dataX; boundary=B", "multipart/form-data", "multipart/form-data; boundary="])
    def test_no_such_type(self, content_type: str) -> None:
        with pytest.raises(HTTPInputError, match="Invalid multipart/form-data: "):
            self.parse(content_type, b"--B--")

    @pytest.mark.parametrize(
        "disposition",
        ["attachment; name=a", "form-data", 'form-data; name=""', "form-data; name=a\rb", "form-data; name=\x01", "form-data\r\nfoo"],
    )
    def test_malformed_parts(self, disposition: str) -> None:
        """Control characters in part headers are refused since Tornado 6.5.5 (cf. CVE-2026-50269 of aiohttp)."""
        with pytest.raises(HTTPInputError):
            self.parse("multipart/form-data; boundary=B", self.part(disposition) + b"--B--")

    def test_part_header_in_another_encoding(self) -> None:
        with pytest.raises(HTTPInputError):
            self.parse("multipart/form-data; boundary=B", b"--B\r\nContent-Disposition: form-data; name=\xff\r\n\r\nv\r\n--B--")

    def test_cve_2026_31958_limits_and_switch(self, body_config: None) -> None:
        """CVE-2026-31958 / GHSA-qjxf-f2mg-c6mc: ≤ 100 parts, ≤ 10 KiB for the header of one; all of it can be off."""
        multipart, one = "multipart/form-data; boundary=B", self.part("form-data; name=a")
        assert len(self.parse(multipart, one * 99 + b"--B--")[0]["a"]) == 99
        with pytest.raises(HTTPInputError, match="too many parts"):
            self.parse(multipart, one * 100 + b"--B--")
        with pytest.raises(HTTPInputError, match="header too large"):
            self.parse(multipart, self.part("form-data; name=" + "a" * 10_240) + b"--B--")
        assert self.parse(multipart, one * 100 + b"--B--", config=ParseBodyConfig(ParseMultipartConfig(max_parts=101)))[0]
        httputil.set_parse_body_config(ParseBodyConfig(multipart=ParseMultipartConfig(enabled=False)))
        with pytest.raises(HTTPInputError, match="parsing is disabled"):
            self.parse(multipart, one + b"--B--")
        with pytest.raises(HTTPInputError, match="parsing is disabled"):
            parse_multipart_form_data(b"B", b"--B--", {}, {})

    def test_cve_2025_47287_one_bad_body_is_one_error_and_no_log(self) -> None:
        """CVE-2025-47287 / GHSA-7cx3-6m66-7c5m: every bad part wrote a log line (the logs fixture would see one)."""
        with pytest.raises(HTTPInputError):
            self.parse("multipart/form-data; boundary=B", b"--B\r\nbad\r\n\r\n\r\n" * 90 + b"--B--")

    def test_configs_are_values(self) -> None:
        assert ParseBodyConfig() == ParseBodyConfig(ParseMultipartConfig(True, 100, 10240), ParseUrlEncodedConfig(1000))
        assert "max_parts=3" in repr(ParseMultipartConfig(max_parts=3))


_URL_BITS = ["http://", "a.b", "/", "?", "#", ";", "x=1", "&", "é", " ", "+", "%20", ":80", "//", "=", ";p=1"]
_VALUES = st.one_of(st.text(max_size=4), st.binary(max_size=3), st.integers(), st.none(), st.sampled_from(["a b", "&=", "_-.~"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_URL_BITS), max_size=8).map("".join), st.lists(st.tuples(_VALUES, _VALUES), max_size=3))
def test_url_concat_is_what_the_standard_library_makes_of_the_parts(url: str, pairs: list[Any]) -> None:
    parts = urllib.parse.urlparse(url)
    query = urllib.parse.urlencode([*urllib.parse.parse_qsl(parts.query, keep_blank_values=True), *pairs])
    assert url_concat(url, pairs) == urllib.parse.urlunparse(parts._replace(query=query))


class TestStartLines:
    def test_requests(self) -> None:
        assert httputil.parse_request_start_line("M-SEARCH * HTTP/1.0") == ("M-SEARCH", "*", "HTTP/1.0")

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "GET",
            "GET / HTTP/1.1 ",
            "GET  / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "G(T / HTTP/1.1",
            "GET / HTTP/11",
            "GET / http/1.1",
            "GET /\0 HTTP/1.1",
        ],
    )
    def test_no_requests(self, line: str) -> None:
        with pytest.raises(HTTPInputError, match="Malformed HTTP request line"):
            httputil.parse_request_start_line(line)

    def test_responses(self) -> None:
        assert httputil.parse_response_start_line("HTTP/1.1 204 ") == ("HTTP/1.1", 204, None)
        assert httputil.parse_response_start_line("HTTP/1.1 200 All is\twell \xe9").reason == "All is\twell \xe9"

    @pytest.mark.parametrize("line", ["", "HTTP/1.1 200", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 200 \r"])
    def test_no_responses(self, line: str) -> None:
        with pytest.raises(HTTPInputError, match="Error parsing response start line"):
            httputil.parse_response_start_line(line)

    def test_other_versions(self) -> None:
        with pytest.raises(HTTPInputError, match=r"Unexpected HTTP version 'HTTP/2\.0'"):
            httputil.parse_request_start_line("GET / HTTP/2.0")
        with pytest.raises(HTTPInputError, match=r"Unexpected HTTP version 'HTTP/0\.9'"):
            httputil.parse_response_start_line("HTTP/0.9 200 OK")


@pytest.mark.parametrize(
    "when",
    [
        1_000_000_007,
        1_000_000_007.9,
        time.gmtime(1_000_000_007),
        tuple(time.gmtime(1_000_000_007)),
        dt.datetime(2001, 9, 9, 1, 46, 47),
        dt.datetime(2001, 9, 9, 3, 46, 47, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    ],
)
def test_format_timestamp(when: Any) -> None:
    assert format_timestamp(when) == "Sun, 09 Sep 2001 01:46:47 GMT"


@pytest.mark.parametrize(
    ("when", "error"), [("x", TypeError), (None, TypeError), (float("nan"), ValueError), (float("inf"), OverflowError)]
)
def test_no_timestamps(when: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        format_timestamp(when)


@pytest.mark.parametrize(
    ("url", "args", "expected"),
    [
        ("/a", None, "/a"),
        ("/a?", None, "/a?"),
        ("/a?", {"k": "v"}, "/a?k=v"),
        ("/a?x", {"k": "v"}, "/a?x=&k=v"),
        ("http://h/a?x=%2F#f", [("k", "1"), ("k", "ü&")], "http://h/a?x=%2F&k=1&k=%C3%BC%26#f"),
        ("/a", (("k", "v"),), "/a?k=v"),
    ],
)
def test_url_concat(url: str, args: Any, expected: str) -> None:
    assert url_concat(url, args) == expected


def test_url_concat_takes_nothing_else() -> None:
    with pytest.raises(TypeError, match="'args' parameter should be dict, list or tuple"):
        url_concat("/", {"k"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("netloc", "expected"),
    [
        ("h", ("h", None)),
        ("h:1", ("h", 1)),
        ("::1", (":", 1)),
        ("[::1]", ("[::1]", None)),
        (":1", (":1", None)),
        ("h:\u0661", ("h:\u0661", None)),
    ],
)
def test_split_host_and_port(netloc: str, expected: tuple[str, int | None]) -> None:
    assert httputil.split_host_and_port(netloc) == expected
    assert httputil.split_host_and_port("h:" + "1" * 5000)[1] is None


def test_small_functions() -> None:
    assert list(httputil.qs_to_qsl({"a": ["1", "2"], "b": [], "c": ["3"]})) == [("a", "1"), ("a", "2"), ("c", "3")]
    assert httputil.encode_username_password("e\u0301", b"\xff") == b"\xc3\xa9:\xff"
    assert list(httputil._parseparam('; a=1 ;b="x;y"')) == ["a=1", 'b="x;y"']
    assert list(httputil._parseparam("a=1")) == []
    assert httputil._unquote_cookie('"a"') == "a"
    assert httputil.responses[404] == "Not Found"


def test_interfaces_of_connections() -> None:
    connection, delegate = httputil.HTTPConnection(), httputil.HTTPMessageDelegate()
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    for call in (lambda: connection.write_headers(line, HTTPHeaders()), lambda: connection.write(b""), connection.finish):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(NotImplementedError):
        httputil.HTTPServerConnectionDelegate().start_request(object(), connection)
    httputil.HTTPServerConnectionDelegate().on_close(object())
    assert delegate.headers_received(line, HTTPHeaders()) is delegate.data_received(b"") is None
    delegate.finish()
    delegate.on_connection_close()


@pytest.mark.parametrize("header", ["a=1; b=2", 'q="x\\073y"; path=/; Secure; a[0]=1; a=2; a=3', "=x; y; z=", "é=1; ok=é"])
def test_one_cookie_is_what_it_is_among_all(header: str) -> None:
    """The short way of `RequestHandler.get_cookie` against `HTTPServerRequest.cookies`."""
    start_line = RequestStartLine("GET", "/", "HTTP/1.0")
    names = ["a", "b", "q", "path", "Secure", "secure", "a[0]", "", "y", "z", "é", "ok", "missing"]
    request, other = (HTTPServerRequest(start_line=start_line, headers=HTTPHeaders({"Cookie": header})) for _ in range(2))
    expected = {name: morsel.value for name, morsel in other.cookies.items()}
    assert {name: request._cookie_value(name) for name in names} == {name: expected.get(name) for name in names}
    assert {name: other._cookie_value(name) for name in names} == {name: expected.get(name) for name in names}


class TestPackedHeaders:
    """Whoever looks at packed headers, in whichever way, sees what was there before."""

    PAIRS: ClassVar = [(b"Host", b"a"), (b"X-List", b"1"), (b"x-list", b" 2 "), (b"Empty", b"")]

    @pytest.mark.parametrize(
        "look",
        [
            lambda headers: headers["host"],
            lambda headers: headers.get("missing"),
            lambda headers: "x-list" in headers,
            len,
            list,
            str,
            dict,
            lambda headers: list(headers.get_all()),
            lambda headers: headers.get_list("X-List"),
            lambda headers: headers.copy()["X-List"],
            lambda headers: copy.copy(headers)["X-List"],
            lambda headers: copy.deepcopy(headers)["X-List"],
            lambda headers: pickle.loads(pickle.dumps(headers))["X-List"],
            lambda headers: headers._bare,
            lambda headers: headers == HTTPHeaders(headers),
            lambda headers: (headers.add("X-List", "3"), headers["X-List"]),
            lambda headers: (headers.__setitem__("Host", "b"), sorted(headers.items())),
            lambda headers: (headers.__delitem__("Host"), sorted(headers.items())),
            lambda headers: headers.pop("Host"),
            lambda headers: type(copy.copy(headers)),
        ],
    )
    def test_looking(self, look: Any) -> None:
        plain, packed = (HTTPHeaders._from_wire(list(self.PAIRS), bare=False) for _ in range(2))
        assert packed["X-List"] == "1,2"
        packed._pack()
        assert isinstance(packed, HTTPHeaders)
        assert look(packed) == look(plain)
        assert type(packed) is HTTPHeaders

    def test_those_that_were_changed_stay_as_they_are(self) -> None:
        headers = HTTPHeaders._from_wire(list(self.PAIRS))
        headers["Host"] = "b"
        headers._pack()
        assert type(headers) is HTTPHeaders
        assert headers["Host"] == "b"

    def test_subclasses_and_empty_ones(self) -> None:
        class Own(HTTPHeaders):
            pass

        own = Own._from_wire(list(self.PAIRS))
        own._pack()
        assert type(own) is Own
        empty = HTTPHeaders._from_wire([])
        empty._pack()
        assert list(empty.get_all()) == []
