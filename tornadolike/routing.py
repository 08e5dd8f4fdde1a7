"""Which code answers a request: rules, the matchers that select them, and the routers that hold them.

A router is an `.HTTPServerConnectionDelegate`, so it can be given to `.HTTPServer` directly. For each request it is
asked for an `.HTTPMessageDelegate` (`Router.find_handler`). `RuleRouter` answers from a list of `Rule` objects: the
first one whose matcher accepts the request, and whose target yields a delegate, wins. Targets are other routers, any
`.HTTPServerConnectionDelegate`, functions of one request and, inside an `.Application`, `.RequestHandler` classes::

    router = RuleRouter([
        Rule(HostMatches("admin.example.org"), Application([("/", AdminPage)])),
        Rule(PathMatches("/ping"), answer_ping),
        (r"/.*", Application([(r"/(.*)", Page)])),
    ])
    HTTPServer(router).listen(8888)

`ReversibleRouter` adds the way back: from the name of a rule to its URL.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from functools import partial
from re import Pattern
from typing import Any, Union

from tornadolike import _imported_names, httputil
from tornadolike._http.lazy import Lazy
from tornadolike._web import url_patterns
from tornadolike.escape import url_escape, url_unescape
from tornadolike.httpserver import _CallableAdapter
from tornadolike.log import app_log
from tornadolike.util import import_object, re_unescape


class Router(httputil.HTTPServerConnectionDelegate):
    """Finds the delegate that handles a request. Subclasses define `find_handler`."""

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> httputil.HTTPMessageDelegate | None:
        """Return who handles ``request``, or None when this router does not know it.

        Called when the head of the request has arrived; its body is not there yet. ``kwargs`` are what an outer rule
        found out about the request, such as its path arguments.
        """
        raise NotImplementedError

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """Begin a message whose head will be routed; a request that nobody takes is answered 404."""
        return _RoutingDelegate(self, server_conn, request_conn)


class ReversibleRouter(Router):
    """A router which can also turn the name of a route into a URL."""

    def reverse_url(self, name: str, *args: Any) -> str | None:
        """Return the path of the route called ``name`` with ``args`` in place of its groups; None if there is none."""
        raise NotImplementedError


# Until the head of a request has come there is nobody to tell anything.
_NOBODY = httputil.HTTPMessageDelegate()


class _RoutingDelegate(httputil.HTTPMessageDelegate):
    """Stands in for the handler until the head of the request has come and the router can be asked."""

    def __init__(self, router: Router, server_conn: object, request_conn: httputil.HTTPConnection) -> None:
        self.router = router
        self.connections = server_conn, request_conn
        self.delegate = _NOBODY

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        server_conn, request_conn = self.connections
        request = httputil.HTTPServerRequest(
            start_line=start_line,  # type: ignore[arg-type]  # a request's
            headers=headers,
            connection=request_conn,
            server_connection=server_conn,
        )
        found = self.router.find_handler(request)
        if found is None:
            app_log.debug("Delegate for %s %s request not found", request.method, request.uri)
            found = _DefaultMessageDelegate(request_conn)
        self.delegate = found
        return found.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self.delegate.data_received(chunk)

    def finish(self) -> None:
        self.delegate.finish()

    def on_connection_close(self) -> None:
        self.delegate.on_connection_close()


class _DefaultMessageDelegate(httputil.HTTPMessageDelegate):
    """Answers a request that no rule takes."""

    def __init__(self, connection: httputil.HTTPConnection) -> None:
        self.connection = connection

    def finish(self) -> None:
        not_found = httputil.ResponseStartLine("HTTP/1.1", 404, "Not Found")
        self.connection.write_headers(not_found, httputil.HTTPHeaders())
        self.connection.finish()


_Pattern = Union[str, "Matcher"]
_Kwargs = dict[str, Any]
# What applications may write for a rule: a Rule, or its arguments, of which the last two can be left out.
_RuleForm = Union["Rule", list[Any], tuple[_Pattern, Any], tuple[_Pattern, Any, _Kwargs], tuple[_Pattern, Any, _Kwargs, str]]
_RuleList = Sequence[_RuleForm]


class RuleRouter(Router):
    """Routes by a list of rules, tried in order.

    :arg rules: each a `Rule`, or a tuple or list ``(matcher, target[, target_kwargs[, name]])`` where a ``str`` in
        place of the matcher stands for `PathMatches`.

    ``rules`` is the live list: rules may be added to or removed from it between requests.
    """

    def __init__(self, rules: _RuleList | None = None) -> None:
        self.rules: list[Rule] = []
        if rules:
            self.add_rules(rules)

    def add_rules(self, rules: _RuleList) -> None:
        """Append ``rules``, in the forms which the constructor takes."""
        for rule in rules:
            self.rules.append(self.process_rule(rule if isinstance(rule, Rule) else _rule_from(rule)))

    def process_rule(self, rule: Rule) -> Rule:
        """Return what shall be stored for a rule being added; a hook for subclasses."""
        return rule

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> httputil.HTTPMessageDelegate | None:
        for rule in self.rules:
            params = rule.matcher.match(request)
            if params is None:
                continue
            if rule.target_kwargs:
                params["target_kwargs"] = rule.target_kwargs
            # The usual case, without a dictionary of nothing.
            found = self.get_target_delegate(rule.target, request, **params) if params else self.get_target_delegate(rule.target, request)
            if found is not None:
                return found
        return None

    def get_target_delegate(
        self, target: Any, request: httputil.HTTPServerRequest, **target_params: Any
    ) -> httputil.HTTPMessageDelegate | None:
        """Return the delegate for the target of a rule that matched; None sends the search on to the next rule.

        Override it to accept further kinds of targets. ``target_params`` are what the matcher returned, and the
        rule's own ``target_kwargs`` under that name.
        """
        if isinstance(target, Router):
            return target.find_handler(request, **target_params) if target_params else target.find_handler(request)
        if isinstance(target, httputil.HTTPServerConnectionDelegate):
            assert request.connection is not None
            return target.start_request(request.server_connection, request.connection)
        if callable(target):
            assert request.connection is not None
            return _CallableAdapter(partial(target, **target_params), request.connection)
        return None


def _rule_from(parts: Any) -> Rule:
    """Make a Rule from the short form in which applications list it."""
    assert isinstance(parts, (tuple, list)), f"not a rule: {parts!r}"
    assert 2 <= len(parts) <= 4, f"a rule has two to four parts: {parts!r}"
    matcher, *others = parts
    return Rule(PathMatches(matcher) if isinstance(matcher, str) else matcher, *others)


class ReversibleRuleRouter(ReversibleRouter, RuleRouter):
    """A `RuleRouter` whose named rules can be reversed, also those of routers which its rules lead to."""

    def __init__(self, rules: _RuleList | None = None) -> None:
        self.named_rules: dict[str, Any] = {}
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        kept = super().process_rule(rule)
        name = kept.name
        if name and self.named_rules.setdefault(name, kept) is not kept:
            app_log.warning("Multiple handlers named %s; replacing previous value", name)
            self.named_rules[name] = kept
        return kept

    def reverse_url(self, name: str, *args: Any) -> str | None:
        named = self.named_rules.get(name)
        if named is not None:
            reversed_url: str | None = named.matcher.reverse(*args)
            return reversed_url
        for rule in self.rules:
            target = rule.target
            if isinstance(target, ReversibleRouter):
                url = target.reverse_url(name, *args)
                if url is not None:
                    return url
        return None


class Rule:
    """One line of a routing table: requests which ``matcher`` accepts belong to ``target``.

    :arg matcher: a `Matcher`.
    :arg target: see `RuleRouter.get_target_delegate`; a ``str`` is imported (``"package.module.Name"``).
    :arg target_kwargs: given to the target, for a handler class as arguments of ``initialize()``.
    :arg name: what `ReversibleRouter.reverse_url` knows this rule by.
    """

    def __init__(self, matcher: Matcher, target: Any, target_kwargs: dict[str, Any] | None = None, name: str | None = None) -> None:
        self.matcher = matcher
        self.target = import_object(target) if isinstance(target, str) else target
        self.target_kwargs: dict[str, Any] = target_kwargs or {}
        self.name = name

    def reverse(self, *args: Any) -> str | None:
        """Return the path for which this rule matches with groups ``args``; None if its matcher knows no path."""
        return self.matcher.reverse(*args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.matcher!r}, {self.target}, kwargs={self.target_kwargs!r}, name={self.name!r})"


class Matcher:
    """Decides whether a rule applies to a request."""

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        """Return None when the rule does not apply, else the arguments for its target.

        For a handler class ``path_args`` (a list) and ``path_kwargs`` (a dict) mean what they mean to
        `.Application.get_handler_delegate`. The dict belongs to the caller.
        """
        raise NotImplementedError

    def reverse(self, *args: Any) -> str | None:
        """Return a path that matches with ``args`` for its groups, or None when paths do not matter here."""
        return None


class AnyMatches(Matcher):
    """Accepts every request."""

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        return {}


class HostMatches(Matcher):
    """Accepts requests whose host name (no port, lower case) matches a regex.

    :arg host_pattern: a ``str`` is anchored at the end; a compiled pattern is used as it is.
    """

    def __init__(self, host_pattern: str | Pattern[str]) -> None:
        self.host_pattern = _anchored(host_pattern)

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        return None if self.host_pattern.match(request.host_name) is None else {}


class DefaultHostMatches(Matcher):
    """Accepts requests when the application's default host matches, as though they had asked for it.

    Requests with an ``X-Real-Ip`` header have come through a proxy, which passes on the true host; they are refused.
    """

    def __init__(self, application: Any, host_pattern: Pattern[str]) -> None:
        self.application = application
        self.host_pattern = host_pattern

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        if "X-Real-Ip" in request.headers:
            return None
        return None if self.host_pattern.match(self.application.default_host) is None else {}


class PathMatches(Matcher):
    """Accepts requests whose path matches a regex; what its groups matched becomes the path arguments.

    :arg path_pattern: a ``str`` is anchored at the end; a compiled pattern is used as it is. Its groups are either
        all named (keyword arguments) or all unnamed (positional arguments), AssertionError otherwise.

    Arguments are percent-decoded ``bytes``, None for a group that took no part in the match.
    """

    def __init__(self, path_pattern: str | Pattern[str]) -> None:
        self.regex = _anchored(path_pattern)
        assert len(self.regex.groupindex) in (0, self.regex.groups), (
            f"groups in url regexes must either be all named or all positional: {self.regex.pattern!r}"
        )
        self._format: str | None = None  # of `_path`, made when it is first filled
        self._is_ascii = isinstance(self.regex.pattern, str) and self.regex.pattern.isascii()

    def match(self, request: httputil.HTTPServerRequest) -> dict[str, Any] | None:
        found = self.regex.match(request.path)
        if found is None:
            if self._is_ascii:
                return None
            # On the wire such characters are percent-encoded.
            found = self.regex.match(url_patterns.readable(request.path))
            if found is None:
                return None
        return self._params(found) if self.regex.groups else {}

    def _params(self, found: re.Match[str]) -> dict[str, Any]:
        if self.regex.groupindex:
            return {"path_args": [], "path_kwargs": {name: _unquote_or_none(value) for name, value in found.groupdict().items()}}
        return {"path_args": [_unquote_or_none(value) for value in found.groups()], "path_kwargs": {}}

    def reverse(self, *args: Any) -> str | None:
        path = self._format
        if path is None:
            if self._path is None:
                raise ValueError("Cannot reverse url regex " + self.regex.pattern)
            self._format = path = url_patterns.format_of(self._path, self.regex.groups)
        assert len(args) == self.regex.groups, "required number of arguments not found"
        return path % tuple([url_escape(arg if isinstance(arg, (str, bytes)) else str(arg), plus=False) for arg in args])

    def _find_groups(self) -> tuple[str | None, int | None]:
        """Return the path with ``%s`` for each group, and their number; (None, None) if it cannot be told."""
        path = url_patterns.template(self.regex.pattern, self.regex.groups, re_unescape)
        return (None, None) if path is None else (url_patterns.encoded(path), self.regex.groups)

    # Few rules are reversed.
    _path = Lazy[str | None](lambda matcher: matcher._find_groups()[0])
    _group_count = Lazy[int | None](lambda matcher: matcher._find_groups()[1])


class URLSpec(Rule):
    """The rule for a path, as `.Application` lists it; also known as ``tornado.web.url``.

    :arg pattern: a regex for the path, see `PathMatches`.
    :arg handler: a `.RequestHandler` subclass or its full name.
    :arg kwargs: arguments of the handler's ``initialize()``.
    :arg name: for `.Application.reverse_url`.
    """

    def __init__(self, pattern: str | Pattern[str], handler: Any, kwargs: dict[str, Any] | None = None, name: str | None = None) -> None:
        matcher = PathMatches(pattern)
        super().__init__(matcher, handler, kwargs, name)
        self.kwargs = kwargs
        self.regex, self.handler_class = matcher.regex, self.target

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.regex.pattern!r}, {self.handler_class}, kwargs={self.kwargs!r}, name={self.name!r})"


def _anchored(pattern: str | Pattern[str]) -> Pattern[str]:
    if isinstance(pattern, str):
        return re.compile(pattern if pattern.endswith("$") else pattern + "$")
    return pattern


def _unquote_or_none(quoted: str | None) -> bytes | None:
    if quoted is None:
        return None
    return url_unescape(quoted, encoding=None, plus=False) if "%" in quoted else quoted.encode()


_imported_names.complete(globals())
