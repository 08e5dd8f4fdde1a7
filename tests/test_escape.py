"""tornadolike.escape: HTML, JSON, URLs and UTF-8, there and back."""

import doctest
import html
import json
import re
import time
import tracemalloc
import urllib.parse
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike import escape
from tornadolike.escape import linkify, parse_qs_bytes, url_escape, url_unescape

modest = settings(max_examples=80, deadline=None)
# Bytes in which whole, broken and doubled escapes are frequent.
escaped_bytes = st.lists(st.sampled_from([b"%", b"4", b"1", b"f", b"\\", b"x", b"\n", b"=", b"+", b"&", b"\xe9", b"%25"]), max_size=30).map(
    b"".join
)


def test_docstring_examples_hold() -> None:
    result = doctest.testmod(escape)
    assert result.attempted >= 3
    assert result.failed == 0


class TestUtf8:
    @pytest.mark.parametrize(
        ("value", "encoded"), [("smørrebrød", b"sm\xc3\xb8rrebr\xc3\xb8d"), (b"\xff", b"\xff"), (None, None), ("", b"")]
    )
    def test_utf8(self, value: Any, encoded: Any) -> None:
        assert escape.utf8(value) == encoded

    @pytest.mark.parametrize(("value", "decoded"), [(b"sm\xc3\xb8r", "smør"), ("smør", "smør"), (None, None), (b"", "")])
    def test_to_unicode(self, value: Any, decoded: Any) -> None:
        assert escape.to_unicode(value) == decoded

    @pytest.mark.parametrize("function", [escape.utf8, escape.to_unicode])
    @pytest.mark.parametrize("value", [1, bytearray(b"x"), ["x"]])
    def test_other_types_are_refused(self, function: Any, value: Any) -> None:
        with pytest.raises(TypeError, match=f"Expected bytes, unicode, or None; got <class '{type(value).__name__}'>"):
            function(value)

    def test_bytes_which_are_not_utf8_are_refused(self) -> None:
        with pytest.raises(UnicodeDecodeError):
            escape.to_unicode(b"\xe9")

    def test_older_names(self) -> None:
        assert escape.native_str is escape.to_basestring is escape._unicode is escape.to_unicode

    def test_recursive_unicode(self) -> None:
        nested = {b"k": [b"a", (b"b", 1)], "n": None, 2: {b"x": "y"}}
        assert escape.recursive_unicode(nested) == {"k": ["a", ("b", 1)], "n": None, 2: {"x": "y"}}


class TestHtml:
    @given(st.text(st.sampled_from("<>&'\"é;a#x3")))
    @modest
    def test_escape_agrees_with_the_standard_library_and_round_trips(self, text: str) -> None:
        assert escape.xhtml_escape(text) == html.escape(text) == escape.xhtml_escape(text.encode())
        assert escape.xhtml_unescape(escape.xhtml_escape(text)) == text

    @given(st.lists(st.sampled_from([*"&;#xX1a \n<\x80", "amp", "&lt;", "&notit;", "&eacute", "&#x80;", "&#0;", "q" * 30])).map("".join))
    @modest
    def test_unescape_agrees_with_the_standard_library(self, text: str) -> None:
        for _ in range(2):
            assert escape.xhtml_unescape(text) == html.unescape(text)

    def test_unescape_takes_bytes_and_html5_references(self) -> None:
        assert escape.xhtml_unescape(b"&eacute;&#xe9;&notareference;") == "éé¬areference;"


class TestJson:
    def test_a_script_element_cannot_be_closed(self) -> None:
        value = {"html": "<b></b></script>"}
        text = escape.json_encode(value)
        assert "</" not in text
        assert json.loads(text) == value

    @given(
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
            lambda inner: st.one_of(
                st.lists(inner), st.tuples(inner), st.dictionaries(st.one_of(st.text(), st.integers(), st.floats(), st.none()), inner)
            ),
            max_leaves=8,
        )
    )
    @modest
    def test_it_is_what_the_standard_library_writes(self, value: Any) -> None:
        assert escape.json_encode(value) == json.dumps(value).replace("</", "<\\/")

    @pytest.mark.parametrize("bad", [object(), {"a": [b"x"]}, {(1, 2): 3}, {1: {2}}])
    def test_what_is_no_json_is_refused_as_there(self, bad: Any) -> None:
        with pytest.raises(TypeError) as expected:
            json.dumps(bad)
        with pytest.raises(TypeError) as error:
            escape.json_encode(bad)
        assert str(error.value) == str(expected.value)

    def test_cycles_are_refused(self) -> None:
        cycle: list[Any] = []
        cycle.append(cycle)
        with pytest.raises(ValueError, match="Circular"):
            escape.json_encode(cycle)

    def test_types_and_functions_of_the_application(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json.JSONEncoder, "default", lambda self, value: list(value))
        assert escape.json_encode({"a": {1}}) == '{"a": [1]}'
        monkeypatch.setattr(json, "dumps", lambda value: "</>")
        assert escape.json_encode(1) == "<\\/>"

    def test_without_the_accelerator(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(escape, "_encode_plain_json", escape._unknown_to_json)
        assert escape.json_encode([1]) == "[1]"
        monkeypatch.setattr(json.encoder, "c_make_encoder", None)
        with pytest.raises(TypeError):
            escape._plain_json_encoder()("text", 0)

    def test_decode_takes_both_kinds_of_strings(self) -> None:
        assert escape.json_decode('{"a": "\\u00e9"}') == escape.json_decode('{"a": "é"}'.encode()) == {"a": "é"}
        with pytest.raises(ValueError, match="Expecting"):
            escape.json_decode("{")


def test_squeeze() -> None:
    assert escape.squeeze("\n a \x00\t b\u00a0 \r\n") == "a b"
    assert escape.squeeze("") == ""


class TestUrl:
    @given(st.one_of(st.text(), st.binary()), st.booleans())
    @modest
    def test_round_trip(self, value: str | bytes, plus: bool) -> None:
        escaped = url_escape(value, plus)
        assert escaped.isascii()
        assert " " not in escaped
        assert url_unescape(escaped, None, plus) == escape.utf8(value)

    @given(st.one_of(st.text(), st.text(st.characters(max_codepoint=127)), st.binary(), st.binary().map(bytearray)))
    @modest
    def test_escape_agrees_with_the_standard_library(self, value: Any) -> None:
        assert url_escape(value) == urllib.parse.quote_plus(value)
        assert url_escape(value, plus=False) == urllib.parse.quote(value)

    @pytest.mark.parametrize("value", ["\ud800", "a\udfff b"])
    def test_what_is_no_text_is_not_escaped(self, value: str) -> None:
        with pytest.raises(UnicodeEncodeError):
            url_escape(value)

    def test_plus_decides_over_spaces_and_slashes(self) -> None:
        assert url_escape("a b/c+d") == "a+b%2Fc%2Bd"
        assert url_escape("a b/c+d", plus=False) == "a%20b/c%2Bd"
        assert url_unescape("a+b") == "a b"
        assert url_unescape("a+b", plus=False) == "a+b"

    @given(escaped_bytes, st.sampled_from(["", "é", "é%c3%a9"]), st.sampled_from(["utf-8", "latin1"]))
    @modest
    def test_unescape_agrees_with_the_standard_library(self, data: bytes, end: str, encoding: str) -> None:
        text = data.decode("latin1") + end
        assert url_unescape(text, encoding) == urllib.parse.unquote_plus(text, encoding)
        assert url_unescape(text, encoding, plus=False) == urllib.parse.unquote(text, encoding)
        assert url_unescape(text, None, plus=False) == urllib.parse.unquote_to_bytes(text)

    def test_undecodable_escapes_become_the_replacement_character(self) -> None:
        assert url_unescape(b"%ff") == "\ufffd"


class TestUnquote:
    @given(escaped_bytes, st.integers(4, 40))
    @modest
    def test_agrees_with_the_standard_library_whatever_the_window(self, data: bytes, window: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(escape, "_STRAY_WINDOW", window)
            assert escape._unquote_to_bytes(data) == urllib.parse.unquote_to_bytes(data)

    @pytest.mark.parametrize("unit", [b"%41", b"%", b"%z", b"%zz", b"%4", b"\\%41", b"%41z%"])
    def test_memory_stays_a_small_multiple_of_the_input(self, unit: bytes) -> None:
        data = unit * (200_000 // len(unit))
        tracemalloc.start()
        try:
            escape._unquote_to_bytes(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 10 * len(data)


class TestQueryStrings:
    def test_values_are_bytes_and_names_latin1(self) -> None:
        assert parse_qs_bytes("%E9=1&x=%ff&x=a+b") == {"é": [b"1"], "x": [b"\xff", b"a b"]}
        assert parse_qs_bytes(b"") == parse_qs_bytes("&&") == {}

    def test_blank_values(self) -> None:
        assert parse_qs_bytes("a=&b&c=1&&=2") == {"c": [b"1"], "": [b"2"]}
        assert parse_qs_bytes("a=&b&c=1&&", keep_blank_values=True) == {"a": [b""], "b": [b""], "c": [b"1"]}

    def test_strict_parsing(self) -> None:
        assert parse_qs_bytes("a=1&b=", strict_parsing=True) == {"a": [b"1"]}
        for bad in ("a", "a=1&", "a=1&&b=2"):
            with pytest.raises(ValueError, match="bad query field"):
                parse_qs_bytes(bad, strict_parsing=True)

    def test_the_number_of_fields_is_limited(self) -> None:
        assert len(parse_qs_bytes("a=1&b=2", max_num_fields=2)) == 2
        with pytest.raises(ValueError, match="Max number of fields exceeded"):
            parse_qs_bytes("a=1&b=2&", max_num_fields=2)
        assert parse_qs_bytes("", max_num_fields=0) == {}

    @given(st.lists(st.tuples(st.text(st.characters(codec="latin1")), st.binary()), max_size=6))
    @modest
    def test_round_trip(self, pairs: list[tuple[str, bytes]]) -> None:
        query = "&".join(f"{url_escape(name.encode('latin1'))}={url_escape(value)}" for name, value in pairs)
        expected: dict[str, list[bytes]] = {}
        for name, value in pairs:
            expected.setdefault(name, []).append(value)
        assert parse_qs_bytes(query, keep_blank_values=True) == expected


# What a link is, in one expression: too slow for use, but easy to compare with.
_LINK = re.compile(
    r"""
    (?:
        (?<![\w-]) (?P<before>-*+) (?P<protocol>[\w-]++) :/{1,3}
    |
        \b www\.
    )
    (?:
        (?: [^\s&()] | &amp; | &quot; )*  [^\s!"\#$%&'()*+,.:;<=>?@\[\]^`{|}~]
    |
        \( (?: [^\s&()] | &amp; | &quot; )* \)
    )+
    """,
    re.VERBOSE,
)
_BITS = [
    "http",
    ":",
    "/",
    "//",
    "www.",
    "(",
    ")",
    "&amp;",
    "&quot;",
    "&",
    '"',
    "\\",
    "a",
    "-",
    "_",
    "é",
    ".",
    ",",
    " ",
    "\n",
    ";",
    "x.y",
    "://",
    ":/",
    "&lt;",
]


class TestLinkify:
    @settings(max_examples=500, deadline=None)
    @given(st.lists(st.sampled_from(_BITS), max_size=16).map("".join))
    def test_links_are_those_of_the_expression(self, text: str) -> None:
        pieces, behind, protocols = list[str](), 0, {"http"}
        escaped = escape.xhtml_escape(text)
        for found in _LINK.finditer(escaped):
            begin = found.start() + len(found["before"] or "")
            url = escaped[begin : found.end()]
            target = url if found["protocol"] else f"http://{url}"
            pieces += escaped[behind:begin], f'<a href="{target}">{url}</a>'
            behind = found.end()
            protocols.add(found["protocol"])
        assert linkify(text, permitted_protocols=list(protocols)) == "".join([*pieces, escaped[behind:]])

    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("no link", "no link"),
            ("go to http://a.org/x?b=1&c=2.", 'go to <a href="http://a.org/x?b=1&amp;c=2">http://a.org/x?b=1&amp;c=2</a>.'),
            ("(https://a.org/p(q)r)", '(<a href="https://a.org/p(q)r">https://a.org/p(q)r</a>)'),
            (b"www.a.org!", '<a href="http://www.a.org">www.a.org</a>!'),
            ("<http://a.org>", '&lt;<a href="http://a.org">http://a.org</a>&gt;'),
            ("--http://a.org", '--<a href="http://a.org">http://a.org</a>'),
            ("x-www.a.org", 'x-<a href="http://www.a.org">www.a.org</a>'),
            ("javascript:/alert(1)", "javascript:/alert(1)"),
            ("--ftp://a.org", "--ftp://a.org"),
            ('"http://a.org"', '&quot;<a href="http://a.org">http://a.org</a>&quot;'),
        ],
    )
    def test_links(self, text: str | bytes, result: str) -> None:
        assert linkify(text) == result

    def test_protocols(self) -> None:
        assert linkify("www.a.org http://b.org", require_protocol=True) == 'www.a.org <a href="http://b.org">http://b.org</a>'
        assert linkify("mailto:/x http://b.org", permitted_protocols=["mailto"]) == '<a href="mailto:/x">mailto:/x</a> http://b.org'

    def test_extra_params(self) -> None:
        assert linkify("www.a.org", extra_params='  rel="x" ') == '<a href="http://www.a.org" rel="x">www.a.org</a>'
        assert linkify("www.a.org", extra_params=lambda href: f'id="{len(href)}"') == '<a href="http://www.a.org" id="16">www.a.org</a>'

    @pytest.mark.parametrize(
        ("url", "label"),
        [
            ("http://short.example.org/abc", "http://short.example.org/abc"),
            ("http://quite-a-host.example.org/directory-name/file.html", "http://quite-a-host.example.org/director..."),
            ("http://quite-a-host.example.org/a.html?x=1", "http://quite-a-host.example.org/a..."),
            ("http://" + "h" * 60, "http://" + "h" * 23 + "..."),
            ("http://a.example.org/123456789012", "http://a.example.org/12345678..."),
            ("http://a.example.org/12345678901", "http://a.example.org/12345678901"),
            ("http://" + "h" * 20 + "&" + "h" * 40, "http://" + "h" * 20 + "..."),
            ("www.example.org/and-this-is-a-long-path", "www.example.org/and-this..."),
        ],
    )
    def test_long_urls_are_shortened(self, url: str, label: str) -> None:
        target = escape.xhtml_escape(url if url.startswith("http") else "http://" + url)
        title = f' title="{target}"' if label != url else ""
        assert linkify(url, shorten=True) == f'<a href="{target}"{title}>{label}</a>'

    @pytest.mark.parametrize(
        "text",
        ["a-" * 50_000, "-" * 100_000, "(" * 50_000, "www.(" * 20_000, "http://" * 10_000, "a:" * 50_000, "http://a." + "." * 100_000],
    )
    def test_time_is_linear(self, text: str) -> None:
        start = time.process_time()
        linkify(text)
        assert time.process_time() - start < 1
