"""Escaping, JSON and links."""

from tornadolike._bench.works.registry import TEXT, calls

_HTML = '<a href="/x?a=1&b=2">' + TEXT + "</a>"


calls("escape: xhtml_escape, a word", lambda m: lambda f=m.xhtml_escape: f("some words"))
calls("escape: xhtml_escape, a sentence", lambda m: lambda f=m.xhtml_escape: f(TEXT))
calls("escape: xhtml_escape, markup", lambda m: lambda f=m.xhtml_escape: f(_HTML))
calls("escape: xhtml_unescape", lambda m: lambda f=m.xhtml_unescape: f("&lt;a&gt; &amp; &quot;b&quot; &#39;"))
calls("escape: linkify, text without links", lambda m: lambda f=m.linkify: f(TEXT))
calls(
    "escape: linkify, three links",
    lambda m: lambda f=m.linkify: f(f"See http://example.com/a?b=c and www.example.org, {TEXT} (https://x.y/z)."),
)
calls("escape: linkify, shortened", lambda m: lambda f=m.linkify: f("See http://example.com/a/long/path/to/some/thing.html", shorten=True))
calls("escape: json_encode", lambda m: lambda f=m.json_encode: f({"a": [1, 2, 3], "b": "text", "c": None}))
calls("escape: json_decode", lambda m: lambda f=m.json_decode: f('{"a": [1, 2, 3], "b": "text", "c": null}'))
calls("escape: url_escape", lambda m: lambda f=m.url_escape: f("a b/c?d=é"))
calls("escape: url_unescape", lambda m: lambda f=m.url_unescape: f("a+b%2Fc%3Fd%3D%C3%A9"))
calls("escape: squeeze", lambda m: lambda f=m.squeeze: f("  a  b \n c  "))
calls("escape: parse_qs_bytes", lambda m: lambda f=m.parse_qs_bytes: f("name=Ada+Lovelace&page=3&tag=a&tag=b&q=%C3%A9", True))
calls("escape: utf8, to_unicode", lambda m: lambda a=m.utf8, b=m.to_unicode: b(a("text")))
calls("escape: recursive_unicode", lambda m: lambda f=m.recursive_unicode: f({b"a": [b"b", b"c"], b"d": {b"e": b"f"}}))
calls("escape: url_escape, a path", lambda m: lambda f=m.url_escape: f("/a/b c/é", plus=False))
calls("escape: url_unescape, to bytes", lambda m: lambda f=m.url_unescape: f("a+b%2Fc", encoding=None))
calls("escape: url_unescape, nothing in it", lambda m: lambda f=m.url_unescape: f("plain-text"))
calls("escape: xhtml_escape, bytes", lambda m: lambda f=m.xhtml_escape: f(b"a < b"))
calls("escape: xhtml_unescape, names", lambda m: lambda f=m.xhtml_unescape: f("&eacute;t&eacute; &copy; &nbsp; &#x27;"))
calls("escape: xhtml_unescape, nothing in it", lambda m: lambda f=m.xhtml_unescape: f(TEXT))
calls("escape: json_encode, 100 rows", lambda m: lambda f=m.json_encode, d=[{"id": n, "name": "x"} for n in range(100)]: f(d))
calls("escape: json_encode, with a tag", lambda m: lambda f=m.json_encode: f({"a": "</script>"}))
calls("escape: json_decode, bytes", lambda m: lambda f=m.json_decode: f(b'{"a": 1}'))
calls("escape: utf8, text that is not ASCII", lambda m: lambda f=m.utf8: f("é" * 20))
calls("escape: to_unicode, bytes", lambda m: lambda f=m.to_unicode: f(b"some bytes of text"))
calls("escape: to_unicode, text", lambda m: lambda f=m.to_unicode: f("text"))
calls("escape: utf8, None", lambda m: lambda f=m.utf8: f(None))
calls("escape: native_str", lambda m: lambda f=m.native_str: f(b"some bytes of text"))
calls("escape: recursive_unicode, a list", lambda m: lambda f=m.recursive_unicode: f([b"a", ("b", b"c"), 1, None]))
calls("escape: linkify, an address of mail", lambda m: lambda f=m.linkify: f("write to ada@example.com or see example.org"))
calls("escape: linkify, extra parameters", lambda m: lambda f=m.linkify: f("http://a.b/c", extra_params='rel="nofollow"'))
calls("escape: linkify, protocol required", lambda m: lambda f=m.linkify: f("www.a.b http://c.d", require_protocol=True))
calls("escape: squeeze, a page", lambda m: lambda f=m.squeeze, t=("<p>\n    " + TEXT + "\n</p>\n") * 5: f(t))
calls("escape: parse_qs_bytes, bytes", lambda m: lambda f=m.parse_qs_bytes: f(b"a=1&b=2"))
calls("escape: json_encode, a text", lambda m: lambda f=m.json_encode: f("hello"))
calls("escape: linkify, a page", lambda m: lambda f=m.linkify, t=f"{TEXT} see http://example.com/x or www.python.org. " * 10: f(t))
