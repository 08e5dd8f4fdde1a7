"""What Tornado's public constructors and functions take by duck typing: called with arguments of many types on either side.

``python -m compat_suite.arguments [--alias]`` prints, for each call, what it gave, or null where it was refused. `differences` runs both
sides: whatever Tornado takes, tornadolike has to take, with the same result. What Tornado refuses is left open.
"""

import collections
import collections.abc
import copy
import datetime as dt
import inspect
import io
import json
import pathlib
import re
import subprocess
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from compat_suite import environment

_ADDRESS = re.compile(r"0x[0-9a-f]+|id=(&#x27;|%27|')\d+|(id%3D%27)\d+")
_ESCAPE = """
utf8 to_unicode native_str xhtml_escape xhtml_unescape json_encode json_decode squeeze url_escape url_unescape linkify recursive_unicode
parse_qs_bytes
"""
_HTTPUTIL = "format_timestamp parse_cookie split_host_and_port parse_request_start_line parse_response_start_line"
# What differs on purpose: an absolute target names the host (RFC 9112 §3.2.2).
DECLARED = ("HTTPServerRequest uri 21 ",)
_PLAIN = (str, bytes, int, float, bool, type(None), list, tuple, dict)


def differences() -> dict[str, str]:
    """The calls that Tornado takes, and tornadolike refuses or answers otherwise."""
    theirs, ours = (_side(alias=alias) for alias in (False, True))
    taken = {name: given for name, given in theirs.items() if given is not None and not name.startswith(DECLARED)}
    return {name: f"Tornado: {given}, tornadolike: {ours[name]}" for name, given in taken.items() if given != ours[name]}


def _side(*, alias: bool) -> dict[str, str | None]:
    command = [sys.executable, "-m", "compat_suite.arguments", *(["--alias"] if alias else [])]
    done = subprocess.run(command, env=environment.child(alias=alias), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"compat_suite: a child process failed\n{done.stderr}")
    answers: dict[str, str | None] = json.loads(done.stdout)
    return answers


class Mapping(collections.abc.Mapping[Any, Any]):
    """One that is no dictionary."""

    def __init__(self, content: dict[Any, Any]) -> None:
        self._content = content

    def __getitem__(self, name: Any) -> Any:
        return self._content[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)


class Text(str):
    __slots__ = ()


class Bytes(bytes):
    __slots__ = ()


class Dictionary(dict[Any, Any]):
    pass


def collections_of_pairs() -> list[Any]:
    """What may stand for headers, parameters and the like."""
    from tornado import httputil

    content = {"X": "y"}
    own = type("Own", (httputil.HTTPHeaders,), {})
    return [
        dict(content), Mapping(content), Dictionary(content), httputil.HTTPHeaders(content), own(content), collections.OrderedDict(content),
        types.MappingProxyType(content), collections.ChainMap(content), [("X", "y")], (("X", "y"),), None, {}, [], "", b"",
        types.SimpleNamespace(X=1), {"X": b"y"}, {b"X": "y"}, {"X": ["y", "z"]}, {"X": 1}, {"X": None}, 3,
    ]  # fmt: skip


def single_values() -> list[Any]:
    """What may stand for a text, a number, a time, a path."""
    return [
        "a", b"a", Text("a"), Bytes(b"a"), bytearray(b"a"), None, 1, 200, ["a"], ("a",), {"a": "b"}, pathlib.PurePosixPath("a"), "",
        b"", "\u00e9", b"\xff", object, dt.datetime(2020, 1, 1), dt.timedelta(1), "a=b", b"a=b", Text("http://a/"), "GET / HTTP/1.1",
    ]  # fmt: skip


def calls() -> Iterator[tuple[str, Callable[[Any], Any], list[Any]]]:
    yield from _calls_with_pairs()
    yield from _calls_of_functions()
    yield from _calls_of_constructors()
    yield from _calls_of_handlers()


def _calls_with_pairs() -> Iterator[tuple[str, Callable[[Any], Any], list[Any]]]:
    from tornado import httpclient, httputil, util

    given = collections_of_pairs()
    request = httpclient.HTTPRequest("http://a")
    yield "HTTPHeaders", httputil.HTTPHeaders, given
    yield "HTTPHeaders.update", lambda one: _after(httputil.HTTPHeaders(a="b"), "update", one), given
    yield "HTTPServerRequest headers=", lambda one: httputil.HTTPServerRequest("GET", "/a?b=c", headers=one, host="h"), given
    yield "HTTPRequest headers=", lambda one: httpclient.HTTPRequest("http://a/", headers=one), given
    yield "HTTPResponse headers=", lambda one: httpclient.HTTPResponse(request, 200, headers=one, buffer=io.BytesIO(b"x")), given
    yield "url_concat arguments", lambda one: httputil.url_concat("http://a/?z=1", one), given
    yield "parse_body_arguments headers", lambda one: _parsed("application/x-www-form-urlencoded", b"a=b", one), given
    yield "ObjectDict", util.ObjectDict, given


def _calls_of_functions() -> Iterator[tuple[str, Callable[[Any], Any], list[Any]]]:
    from tornado import concurrent, escape, httputil, locale, netutil, util, web

    given = single_values()
    for name in _ESCAPE.split():
        yield f"escape.{name}", getattr(escape, name), given
    for name in _HTTPUTIL.split():
        yield f"httputil.{name}", getattr(httputil, name), given
    yield "url_concat url", lambda one: httputil.url_concat(one, {"a": "b"}), given
    yield "url_concat value", lambda one: httputil.url_concat("http://a", {"a": one}), given
    yield "parse_body_arguments type", lambda one: _parsed(one, b"a=b", None), given
    yield "parse_body_arguments body", lambda one: _parsed("application/x-www-form-urlencoded", one, None), given
    yield "qs_to_qsl", lambda one: list(httputil.qs_to_qsl({"a": [one]})), given
    yield "create_signed_value", lambda one: web.create_signed_value("secret", "a", one, clock=lambda: 1), given
    yield "create_signed_value secret", lambda one: web.create_signed_value(one, "a", "v", clock=lambda: 1), given
    yield "decode_signed_value", lambda one: web.decode_signed_value("secret", "a", one), given
    yield "is_valid_ip", netutil.is_valid_ip, given
    yield "timedelta_to_seconds", util.timedelta_to_seconds, given
    yield "locale.get", lambda one: locale.get(one).code, given
    yield "is_future", concurrent.is_future, given


def _calls_of_constructors() -> Iterator[tuple[str, Callable[[Any], Any], list[Any]]]:
    from tornado import httpclient, httputil, template, web

    given = single_values()
    headers = httputil.HTTPHeaders
    yield "HTTPServerRequest uri", lambda one: httputil.HTTPServerRequest("GET", one, headers=headers(), host="h"), given
    yield "HTTPServerRequest method", lambda one: httputil.HTTPServerRequest(one, "/", headers=headers(), host="h"), given
    yield "HTTPServerRequest body", lambda one: httputil.HTTPServerRequest("GET", "/", body=one, headers=headers(), host="h"), given
    yield "HTTPServerRequest host", lambda one: httputil.HTTPServerRequest("GET", "/", headers=headers(), host=one), given
    yield "HTTPRequest url", httpclient.HTTPRequest, given
    yield "HTTPRequest body", lambda one: httpclient.HTTPRequest("http://a", body=one, method="POST"), given
    yield "HTTPHeaders[]", lambda one: _after(headers(), "__setitem__", "A", one), given
    yield "HTTPHeaders.add", lambda one: _after(headers(), "add", "A", one), given
    yield "HTTPHeaders.get", lambda one: headers(a="b").get(one), given
    yield "HTTPHeaders in", lambda one: one in headers(a="b"), given
    yield "Template", lambda one: template.Template(one).generate(), given
    yield "Template value", lambda one: template.Template("{{ x }}").generate(x=one), given
    yield "DictLoader", lambda one: template.DictLoader({"a": one}).load("a").generate(), given
    yield "Loader", template.Loader, given
    yield "HTTPError log_message", lambda one: str(web.HTTPError(404, one)), given
    yield "HTTPError reason", lambda one: repr(web.HTTPError(404, reason=one)), given
    yield "HTTPClientError message", lambda one: repr(httpclient.HTTPClientError(599, one)), given
    yield "URLSpec", lambda one: repr(web.URLSpec(one, web.RequestHandler)), given
    yield "URLSpec.reverse", lambda one: web.URLSpec("/(.*)/x", web.RequestHandler).reverse(one), given
    yield "Application", lambda one: web.Application([(one, web.RequestHandler)]), given


def _calls_of_handlers() -> Iterator[tuple[str, Callable[[Any], Any], list[Any]]]:
    from tornado import httputil, web

    def handler() -> Any:
        request = httputil.HTTPServerRequest("GET", "/?a=b", headers=httputil.HTTPHeaders(), connection=mock.Mock())
        return web.RequestHandler(web.Application(cookie_secret="x"), request)

    given = single_values()
    yield "set_header", lambda one: _after(handler(), "set_header", "A", one)._headers.get("A"), given
    yield "add_header", lambda one: _after(handler(), "add_header", "A", one)._headers.get("A"), given
    yield "set_status", lambda one: _after(handler(), "set_status", one).get_status(), given
    yield "set_status reason", lambda one: _after(handler(), "set_status", 200, one)._reason, given
    yield "write", lambda one: b"".join(_after(handler(), "write", one)._write_buffer), given
    yield "set_cookie", lambda one: str(_after(handler(), "set_cookie", "a", one)._new_cookie), given
    yield "set_cookie name", lambda one: str(_after(handler(), "set_cookie", one, "a")._new_cookie), given
    yield "set_cookie expires", lambda one: str(_after(handler(), "set_cookie", "a", "b", None, one)._new_cookie), given
    yield "redirect", lambda one: _after(handler(), "redirect", one)._headers.get("Location"), given
    yield "decode_argument", lambda one: handler().decode_argument(one), given
    yield "get_argument", lambda one: handler().get_argument(one, "default"), given


def _after(target: Any, method: str, *arguments: Any) -> Any:
    getattr(target, method)(*arguments)
    return target


def _parsed(content_type: Any, body: Any, headers: Any) -> Any:
    from tornado import httputil

    found: dict[str, Any] = {}
    httputil.parse_body_arguments(content_type, body, found, {}, headers)
    return found


def _shown(value: Any) -> str:
    """A result as both sides show it; a ``repr`` that raises is one that is seen here."""
    from tornado import httpclient, httputil

    text = repr(value)
    if isinstance(value, httputil.HTTPHeaders):
        text = f"HTTPHeaders {sorted(value.get_all())}"
    elif isinstance(value, httputil.HTTPServerRequest):
        parts = [value.method, value.uri, value.body, value.host, value.path, value.query, value.arguments, value.version, value.full_url()]
        text = f"HTTPServerRequest {parts} {_shown(value.headers)} {sorted(value.cookies)}"
    elif isinstance(value, httpclient.HTTPRequest):
        text = f"HTTPRequest {[value.url, value.method, value.body]} {_shown(value.headers)}"
    elif isinstance(value, httpclient.HTTPResponse):
        text = f"HTTPResponse {[value.code, value.reason, value.body]} {_shown(value.headers)}"
    elif not isinstance(value, _PLAIN):
        text = str(type(value))
    return _ADDRESS.sub("", f"{type(value).__name__ if isinstance(value, _PLAIN) else ''} {text}")


def answers() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, function, values in calls():
        for number, value in enumerate(values):
            label = f"{name} {number} {_ADDRESS.sub('', repr(value)) if not inspect.isclass(value) else value.__name__}"
            try:
                found[label] = _shown(function(copy.copy(value) if isinstance(value, (dict, list)) else value))
            except Exception:
                found[label] = None
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    if "--alias" in sys.argv[1:]:
        import tornadolike._alias

        tornadolike._alias.install()
    json.dump(answers(), sys.stdout)


if __name__ == "__main__":
    main()
