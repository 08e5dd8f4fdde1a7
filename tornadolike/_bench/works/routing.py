"""The handler for a path, and the path for a name."""

import importlib
from collections.abc import Callable
from typing import Any

from tornadolike._bench.works.registry import Run, calls, sibling, work


def _found(count: int, path: str, pattern: str) -> Callable[[Any], Callable[[], object]]:
    def make(routing: Any) -> Callable[[], object]:
        web, httputil = sibling(routing, "web"), sibling(routing, "httputil")
        rules: list[Any] = [(pattern % number, web.RequestHandler) for number in range(count)]
        application = web.Application(rules)
        headers = httputil.HTTPHeaders({"Host": "a"})

        def once() -> None:
            request = httputil.HTTPServerRequest(method="GET", uri=path, headers=headers)
            assert application.find_handler(request) is not None

        return once

    return make


def _find(routing: Any, router: Any, path: str) -> Callable[[], object]:
    httputil = sibling(routing, "httputil")
    headers = httputil.HTTPHeaders({"Host": "example.com"})
    return lambda: router.find_handler(httputil.HTTPServerRequest(method="GET", uri=path, headers=headers))


def _hosts(routing: Any) -> Callable[[], object]:
    web = sibling(routing, "web")
    application = web.Application()
    application.add_handlers(r"a\.com", [("/(.*)", web.RequestHandler)])
    application.add_handlers(r"example\.com", [("/(.*)", web.RequestHandler)])
    return _find(routing, application, "/x")


def _nested(routing: Any) -> Callable[[], object]:
    web = sibling(routing, "web")
    inner = web.Application([("/inner/(.*)", web.RequestHandler)])
    return _find(routing, routing.RuleRouter([routing.Rule(routing.PathMatches("/inner.*"), inner)]), "/inner/x")


def _reverse(routing: Any) -> Callable[[], object]:
    web = sibling(routing, "web")
    application = web.Application(
        [web.url("/a/([0-9]+)/([^/]+)", web.RequestHandler, name="x"), web.url("/b", web.RequestHandler, name="y")]
    )
    return lambda: (application.reverse_url("x", 1, "a b"), application.reverse_url("y"))


def _rules_made(routing: Any) -> Callable[[], object]:
    return lambda: routing.ReversibleRuleRouter([routing.URLSpec(f"/made{number}/(.*)", int, name=str(number)) for number in range(10)])


def _application_made(routing: Any) -> Callable[[], object]:
    web = sibling(routing, "web")
    return lambda: web.Application([(f"/made{number}/(.*)", web.RequestHandler) for number in range(10)], debug=False)


@work("routing: find and reverse")
def _routing(routing: Any) -> Run:
    package = routing.__name__.partition(".")[0]
    web, httputil = (importlib.import_module(f"{package}.{name}") for name in ("web", "httputil"))
    names: list[Any] = [(f"/section{number}/([^/]+)/([0-9]+)", web.RequestHandler, {}, f"s{number}") for number in range(10)]
    application = web.Application([web.url(*one) for one in names])
    request = httputil.HTTPServerRequest(method="GET", uri="/section7/a/12", headers=httputil.HTTPHeaders({"Host": "a"}))

    def run(n: int) -> None:
        for _ in range(n):
            assert application.find_handler(request) is not None
            assert application.reverse_url("s7", "a", 12) == "/section7/a/12"

    return run


calls("routing: the last of 200 that are names", _found(200, "/section199", "/section%d"))
calls("routing: the last of 200 that are patterns", _found(200, "/section199/a", "/section%d/([a-z]+)"))
calls("routing: the first of ten", _found(10, "/section0/a", "/section%d/([a-z]+)"))
calls("routing: no rule", _found(10, "/none", "/section%d/([a-z]+)"))
calls("routing: named groups", _found(3, "/section2/a", "/section%d/(?P<name>[a-z]+)"))
calls("routing: by host", _hosts)
calls("routing: nested", _nested)
calls("routing: reverse", _reverse)
calls("routing: RuleRouter, made", _rules_made)
calls("routing: Application, made", _application_made)
