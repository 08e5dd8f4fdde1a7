"""Applications: their rules, settings and little handlers."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike import httputil, routing, web


class Shown(web.RequestHandler):
    def initialize(self, name="?"):
        self.name = name

    def get(self, *args, **kwargs):
        self.write(repr((self.name, args, kwargs)))


def shown(name, *args, **kwargs):
    return repr((name, args, kwargs))


async def test_rules_in_every_form(ask):
    app = web.Application(
        [
            ("/tuple/(.*)", Shown, {"name": "tuple"}),
            ["/list", Shown, {"name": "list"}, "named"],
            web.url("/url", Shown, {"name": "url"}, name="spec"),
            routing.Rule(routing.PathMatches("/rule"), Shown, {"name": "rule"}),
            ("/nested/.*", [("/nested/(?P<x>.*)", Shown, {"name": "nested"}, "inside")]),
            ("/imported", "tornadolike.web.RedirectHandler", {"url": "/away"}),
            (routing.HostMatches("other.test"), [("/(.*)", Shown, {"name": "host"})]),
        ]
    )
    for uri, text in {
        "/tuple/a": shown("tuple", "a"),
        "/list": shown("list"),
        "/url": shown("url"),
        "/rule": shown("rule"),
        "/nested/b": shown("nested", x="b"),
    }.items():
        assert (await ask(app, uri)).text == text
    assert (await ask(app, "/imported")).headers["Location"] == "/away"
    assert (await ask(app, "/h", headers={"Host": "other.test:80"})).text == shown("host", "h")
    assert [app.reverse_url(name, *args) for name, args in (("named", ()), ("spec", ()), ("inside", ("ü/",)))] == [
        "/list",
        "/url",
        "/nested/%C3%BC/",
    ]
    with pytest.raises(KeyError, match="nowhere not found in named urls"):
        app.reverse_url("nowhere")


async def test_hosts(ask):
    app = web.Application([("/", Shown, {"name": "wildcard"})], default_host="b.test")
    app.add_handlers(r"a\.test", [("/", Shown, {"name": "a"})])
    app.add_handlers(r"b\.test", [("/b", Shown, {"name": "b"})])
    assert (await ask(app, headers={"Host": "A.test"})).text == shown("a")
    assert (await ask(app)).text == shown("wildcard")
    assert (await ask(app, "/b")).text == shown("b")
    assert (await ask(app, "/b", headers={"X-Real-Ip": "192.0.2.1"})).status == 404


@pytest.fixture(autouse=True)
def _quiet_404(logs):
    yield
    logs.records = [record for record in logs.records if "404" not in record.getMessage()]


async def test_rules_may_change_between_requests(ask):
    app = web.Application([("/", Shown, {"name": "first"})])
    assert (await ask(app)).text == shown("first")
    app.wildcard_router.rules.insert(0, routing.Rule(routing.AnyMatches(), Shown, {"name": "inserted"}))
    assert (await ask(app)).text == shown("inserted")
    app.wildcard_router.rules[0].target_kwargs = {"name": "changed"}
    assert (await ask(app)).text == shown("changed")
    app.default_router.rules.insert(0, routing.Rule(routing.AnyMatches(), Shown, {"name": "before"}))
    assert (await ask(app)).text == shown("before")
    app.default_router.rules[:] = [routing.Rule(routing.AnyMatches(), Shown, {"name": "only"})]
    assert (await ask(app)).text == shown("only")


async def test_default_handler_and_404(ask):
    app = web.Application([], default_handler_class=Shown, default_handler_args={"name": "default"})
    assert (await ask(app)).text == shown("default")
    assert (await ask(web.Application())).status == 404


async def test_overridden_ways_are_taken(ask):
    seen = []

    class App(web.Application):
        def get_handler_delegate(self, request, target_class, **kwargs):
            seen.append((target_class, kwargs))
            return super().get_handler_delegate(request, Shown)

    app = App([("/(.)", web.RequestHandler)])
    assert (await ask(app, "/x")).text == shown("?")
    assert seen[0][0] is web.RequestHandler


class Matcher(routing.Matcher):
    def match(self, request):
        return {"path_args": [b"custom"]} if request.path.startswith("/m") else None


PATTERNS = ["/", "/a", "/(a*)", "/(?P<x>[ab]+)", "/a/?", "/(a)?(b)?", "/a|/b", ".*b", "/m.*", "^/ab", "/%61", "", "/(a)(b)", r"/\%61"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(PATTERNS), st.just(None)), max_size=5),
    st.text("/abm%61\n", max_size=5),
)
def test_the_short_way_finds_what_the_rules_say(patterns, path):
    rules = [(Matcher() if p is None else p, Shown, {"name": n}) for n, p in enumerate(patterns)]
    app = web.Application(rules)
    request = httputil.HTTPServerRequest(
        start_line=httputil.RequestStartLine("GET", "/", "HTTP/1.1"), headers=httputil.HTTPHeaders({"Host": "x"}), connection=object()
    )
    request.path = path
    expected = (web.ErrorHandler, {"status_code": 404}, [], {})
    for rule in app.wildcard_router.rules:
        params = rule.matcher.match(request)
        if params is not None:
            expected = (Shown, rule.target_kwargs, params.get("path_args", []), params.get("path_kwargs", {}))
            break
    found = app.find_handler(request)
    assert (found.handler_class, found.handler_kwargs, found.path_args, found.path_kwargs) == expected


async def test_an_application_can_be_called(begin):
    connection = begin(Shown)
    request = httputil.HTTPServerRequest(
        start_line=httputil.RequestStartLine("GET", "/", "HTTP/1.1"),
        headers=httputil.HTTPHeaders({"Host": "x"}),
        connection=type(connection)(),
    )
    assert web.Application([("/", Shown)])(request) is None
    await asyncio.wait_for(request.connection.finished.wait(), 5)
    assert request.connection.text == shown("?")


# ---- redirects


@pytest.mark.parametrize(
    ("url", "uri", "location"),
    [
        ("/new", "/old", "/new"),
        ("/new", "/old?a=1&b=%FF", "/new?a=1&b=%FF"),
        ("/new?x=y#z", "/old?a=1", "/new?x=y&a=1#z"),
        ("https://o.test/{0}", "/(a)", "https://o.test/%28a%29"),
        ("https://o.test/{0}", "/a", "https://o.test/a"),
        ("/x/{0}", "//evil.test", "/x//evil.test"),
    ],
)
async def test_redirect_handler(ask, url, uri, location):
    app = web.Application([("/(.*)", web.RedirectHandler, {"url": url})])
    answer = await ask(app, uri)
    assert answer.status == 301
    assert answer.headers["Location"].replace("(", "%28").replace(")", "%29") == location
    app = web.Application([("/.*", web.RedirectHandler, {"url": "/new", "permanent": False})])
    assert (await ask(app)).status == 302


@pytest.mark.parametrize(
    ("pattern", "url", "uri"),
    [
        ("/(.*)", "{0}", "/https://evil.test"),
        ("/(.*)", "{0}", "///evil.test"),
        ("(.*)", "{0}", "//evil.test"),
        ("/(.*)", "/{0}", "//evil.test"),
        ("/(.*)", "/{0}", "/%5Cevil.test"),
        ("/(.*)", "/{0}", "/%09/evil.test"),
        ("/(.*)", "{0}", "/%20%5C%5Cevil.test"),
        ("/(.*)", "{0}", "/%0A//evil.test"),
        ("/(.*)", "https://good.test{0}", "/.evil.test"),
        ("/(.*)", "https://good.test{0}", "/@evil.test"),
        ("/(.*)", "https:{0}", "///evil.test"),
        ("/(.*)", "http://{0}", "/evil.test"),
        ("/(.*)", "/x{0}", "/%0D%0ASet-Cookie:a=b"),
        ("/(.*)", "/x{0}", "/%00"),
        ("/(.*)", "{0}", "/javascript:alert(1)"),
        ("/(.*)", "{0}", "/http://[bad"),
    ],
)
async def test_open_redirects_6_6_0_and_6_6_1(ask, logs, pattern, url, uri):
    """Fixed in 6.6.0 and 6.6.1: what the client asks for cannot change where RedirectHandler leads."""
    answer = await ask(web.Application([(pattern, web.RedirectHandler, {"url": url})]), uri)
    assert answer.status == 400
    assert "Location" not in answer.headers
    logs.take("tornado.general", "Redirect URL")
    logs.take("tornado.access", "400")


class Slashes(web.RequestHandler):
    @web.removeslash
    def get(self):
        self.write("bare")

    @web.addslash
    def head(self):
        self.write("slash")

    post = web.removeslash(lambda self: self.write("posted"))
    put = web.addslash(lambda self: self.write("put"))


async def test_slashes(ask):
    assert (await ask(Slashes, "/a")).text == "bare"
    assert (await ask(Slashes, "/a//?b=c")).headers["Location"] == "/a?b=c"
    assert (await ask(Slashes, "/")).text == "bare"
    assert (await ask(Slashes, "/a", method="HEAD")).headers["Location"] == "/a/"
    assert (await ask(Slashes, "/a?b", method="HEAD")).headers["Location"] == "/a/?b"
    assert (await ask(Slashes, "/a/", method="HEAD")).status == 200
    assert (await ask(Slashes, "/a", method="POST")).text == "posted"
    assert (await ask(Slashes, "/a/", method="POST")).status == 404
    assert (await ask(Slashes, "/a", method="PUT")).status == 404
    assert (await ask(Slashes, "/a/", method="PUT")).text == "put"


@pytest.mark.parametrize("path", ["//evil.test", "/\\evil.test", "/\t/evil.test", "\\/evil.test"])
async def test_slashes_are_no_open_redirect_6_6_1(ask, logs, path):
    """Fixed in 6.6.1: @addslash and @removeslash on a path that browsers take for another host."""
    for method, uri in (("GET", path + "/"), ("HEAD", path)):
        answer = await ask(web.Application([(".*", Slashes)]), uri, method=method)
        assert answer.status == 403
        logs.take("tornado.general", "cannot redirect path with two initial slashes")
        logs.take("tornado.access", "403")


# ---- others


async def test_fallback_handler(begin):
    seen, finished = [], []

    class Page(web.FallbackHandler):
        def on_finish(self):
            finished.append(True)

    begin(web.Application([("/.*", Page, {"fallback": seen.append})]), "/x")
    await asyncio.sleep(0)  # the handler's turn
    assert seen[0].path == "/x"
    assert finished == [True]


async def test_error_handler(ask, logs):
    answer = await ask(web.Application([("/", web.ErrorHandler, {"status_code": 410})], xsrf_cookies=True), method="POST")
    assert answer.status == 410
    logs.take("tornado.access", "410")


def test_settings_of_debug_mode(monkeypatch):
    app = web.Application(debug=True, autoreload=False, serve_traceback=False)
    assert app.settings == {
        "debug": True,
        "autoreload": False,
        "compiled_template_cache": False,
        "static_hash_cache": False,
        "serve_traceback": False,
    }


# ---- compression


class Long(web.RequestHandler):
    def get(self):
        kind = self.get_argument("type", "")
        if kind:
            self.set_header("Content-Type", kind)
        if self.get_argument("encoded", ""):
            self.set_header("Content-Encoding", "br")
        if self.get_argument("vary", ""):
            self.set_header("Vary", "Cookie")
        self.write("x" * int(self.get_argument("size", "2000")))
        if self.get_argument("flush", ""):
            self.flush()
            self.write("y" * 10)


GZIP = {"Accept-Encoding": "gzip, br"}


async def test_compression(ask):
    answer = await ask(Long, headers=GZIP, compress_response=True)
    assert answer.gunzipped() == b"x" * 2000
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")


async def test_compression_of_a_response_in_pieces(ask):
    answer = await ask(Long, "/?flush=1&size=5", headers=GZIP, gzip=True)
    assert answer.gunzipped() == b"x" * 5 + b"y" * 10
    assert "Content-Length" not in answer.headers
    assert len(answer.pieces) == 2
    import zlib

    assert zlib.decompressobj(31).decompress(answer.pieces[0]) == b"xxxxx"


@pytest.mark.parametrize(
    ("uri", "headers"),
    [("/?size=1023", GZIP), ("/?type=image/png", GZIP), ("/?encoded=1", GZIP), ("/", {}), ("/", {"Accept-Encoding": "br"})],
)
async def test_what_is_not_compressed_varies_all_the_same(ask, uri, headers):
    answer = await ask(Long, uri, headers=headers, compress_response=True)
    assert set(answer.body) == {ord("x")}
    assert answer.headers.get("Content-Encoding") != "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"


async def test_compressible_types_and_vary(ask):
    answer = await ask(Long, "/?type=application/json;charset=utf8&vary=1", headers=GZIP, compress_response=True)
    assert answer.gunzipped() == b"x" * 2000
    assert answer.headers["Vary"] == "Cookie, Accept-Encoding"


async def test_transforms_of_ones_own(ask):
    class Upper(web.OutputTransform):
        def transform_first_chunk(self, status_code, headers, chunk, finishing):
            headers["X-Finishing"] = str(finishing)
            return 203, headers, chunk.upper()

        def transform_chunk(self, chunk, finishing):
            return chunk.upper()

    app = web.Application([("/", Long)], transforms=[web.OutputTransform])
    app.add_transform(Upper)
    answer = await ask(app, "/?flush=1&size=3")
    assert (answer.status, answer.body, answer.headers["X-Finishing"]) == (203, b"XXX" + b"Y" * 10, "False")
