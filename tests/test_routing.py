"""Rules and routers, without an application."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornadolike import httputil, routing


def request(path="/", **headers):
    return httputil.HTTPServerRequest(
        start_line=httputil.RequestStartLine("GET", path, "HTTP/1.1"), headers=httputil.HTTPHeaders({"Host": "Example.test:80", **headers})
    )


class Target(httputil.HTTPServerConnectionDelegate):
    def start_request(self, server_conn, request_conn):
        return (self, request_conn)


class Sink:
    """A connection that keeps what is sent."""

    def __init__(self):
        self.sent = []

    def write_headers(self, start_line, headers, chunk=None):
        self.sent.append((start_line, dict(headers), chunk))

    def finish(self):
        self.sent.append("finish")


def test_the_first_rule_wins_and_none_is_none():
    one, two = Target(), Target()
    router = routing.RuleRouter([("/a.*", one), (routing.PathMatches("/ab"), two)])
    incoming = request("/ab")
    incoming.connection = "connection"
    assert router.find_handler(incoming) == (one, "connection")
    assert router.find_handler(request("/x")) is None
    assert routing.RuleRouter().find_handler(incoming) is None


def test_targets_that_do_not_know_pass_on():
    two = Target()
    router = routing.RuleRouter([("/.*", routing.RuleRouter([("/other", two)])), ("/.*", None), ("/.*", two)])
    incoming = request("/ab")
    incoming.connection = "connection"
    assert router.find_handler(incoming) == (two, "connection")


def test_rules_have_two_to_four_parts():
    for parts in (("/a",), ("/a", None, {}, "n", 5), "text"):
        with pytest.raises(AssertionError):
            routing.RuleRouter([parts])


async def test_functions_are_targets():
    seen = []
    router = routing.RuleRouter([("/(.*)", lambda request, **kwargs: seen.append((request.body, kwargs)), {"x": 1})])
    delegate = router.start_request(object(), Sink())
    delegate.on_connection_close()
    line = httputil.RequestStartLine("POST", "/a", "HTTP/1.1")
    delegate.headers_received(line, httputil.HTTPHeaders({"Host": "x"}))
    delegate.data_received(b"body")
    delegate.finish()
    assert seen == [(b"body", {"path_args": [b"a"], "path_kwargs": {}, "target_kwargs": {"x": 1}})]


def test_what_nobody_takes_is_404():
    sink = Sink()
    delegate = routing.RuleRouter().start_request(object(), sink)
    delegate.headers_received(httputil.RequestStartLine("GET", "/a", "HTTP/1.1"), httputil.HTTPHeaders({"Host": "x"}))
    delegate.data_received(b"ignored")
    delegate.finish()
    delegate.on_connection_close()
    assert sink.sent == [(("HTTP/1.1", 404, "Not Found"), {}, None), "finish"]


def test_names(logs):
    inner = routing.ReversibleRuleRouter([routing.Rule(routing.PathMatches("/i/(.*)"), None, name="inner")])
    router = routing.ReversibleRuleRouter([("/a", None, {}, "a"), ("/b", None, None, "a"), ("/i.*", inner), ("/c", None)])
    logs.take("tornado.application", "Multiple handlers named a; replacing previous value")
    assert router.reverse_url("a") == "/b"
    assert router.reverse_url("inner", 5) == "/i/5"
    assert router.reverse_url("none") is None
    assert routing.Rule(routing.AnyMatches(), None).reverse() is None


def test_representations():
    assert repr(routing.URLSpec("/a", int, {"k": 1}, "n")) == "URLSpec('/a$', <class 'int'>, kwargs={'k': 1}, name='n')"
    rule = routing.Rule("matcher", int)
    assert repr(rule) == "Rule('matcher', <class 'int'>, kwargs={}, name=None)"


def test_targets_by_name():
    spec = routing.URLSpec("/a", "tornadolike.httputil.HTTPHeaders")
    assert spec.target is spec.handler_class is httputil.HTTPHeaders
    assert (spec.regex.pattern, spec.kwargs, spec.target_kwargs) == ("/a$", None, {})


def test_hosts():
    assert routing.HostMatches(r"example\.test").match(request()) == {}
    assert routing.HostMatches("example").match(request()) is None
    assert routing.HostMatches(re.compile("exam")).match(request()) == {}
    default = routing.DefaultHostMatches(type("App", (), {"default_host": "d.test"}), re.compile("d"))
    assert default.match(request()) == {}
    assert default.match(request(**{"X-Real-Ip": "1"})) is None
    assert routing.DefaultHostMatches(default.application, re.compile("e")).match(request()) is None


def test_paths():
    assert routing.PathMatches("/a").match(request("/ab")) is None
    assert routing.PathMatches(re.compile("/a")).match(request("/ab")) == {}
    assert routing.PathMatches("/(.)(x)?").match(request("/%41?q")) is None
    assert routing.PathMatches("/([^x]*)(x)?").match(request("/%41+%ff?q")) == {"path_args": [b"A+\xff", None], "path_kwargs": {}}
    assert routing.PathMatches("/(?P<n>.)").match(request("/a")) == {"path_args": [], "path_kwargs": {"n": b"a"}}
    with pytest.raises(AssertionError, match="all named or all positional"):
        routing.PathMatches("/(?P<n>.)(.)")


@pytest.mark.parametrize(
    ("pattern", "args", "path"),
    [
        ("/a", (), "/a"),
        ("^/a$", (), "/a"),
        (r"/a\.b/(.*)", ("x y",), "/a.b/x%20y"),
        ("/(?P<n>[0-9]+)", (7,), "/7"),
        (r"/100%/(.*)", ("ü&",), "/100%/%C3%BC%26"),
        ("/(.)/(.)", (b"\xff", "b"), "/%FF/b"),
        ("/a%s/100%%", (), "/a%s/100%%"),
    ],
)
def test_reversing(pattern, args, path):
    assert routing.PathMatches(pattern).reverse(*args) == path


@pytest.mark.parametrize("pattern", [r"/(?:a|b)", r"/\d", r"/(a)\w"])
def test_patterns_that_cannot_be_reversed(pattern):
    matcher = routing.PathMatches(pattern)
    assert matcher._find_groups() == (None, None)
    with pytest.raises(ValueError, match="Cannot reverse url regex"):
        matcher.reverse()


def test_reversing_wants_all_arguments():
    with pytest.raises(AssertionError, match="required number of arguments"):
        routing.PathMatches("/(.)").reverse()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), max_size=3))
def test_what_is_reversed_matches(args):
    matcher = routing.PathMatches(re.escape("/a.b%c/") + "/".join(["([^/]*)"] * len(args)))
    args = [arg.replace("/", "") for arg in args]
    path = matcher.reverse(*args)
    found = matcher.match(request(path.replace("?", "%3F")))
    assert (found or {"path_args": []}).get("path_args", []) == [arg.encode() for arg in args]


def test_abstract_things():
    for call in (
        lambda: routing.Router().find_handler(request()),
        lambda: routing.ReversibleRouter().reverse_url("x"),
        lambda: routing.Matcher().match(request()),
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert routing.Matcher().reverse() is None
