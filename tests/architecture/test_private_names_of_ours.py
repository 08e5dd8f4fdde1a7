"""Programs derive from Tornado's classes, and give their methods private names of their own: ours must not be the same.

Bokeh's WebSocket handler has a ``_receive``. So has nothing of ours a private name that Tornado does not have, in a class that programs
derive from, unless Python keeps the name apart (``__receive``), or it is one of the few which another module of ours needs.
"""

import ast
import importlib
import inspect
import itertools
import re
import textwrap
from typing import Any

import pytest

# Derived from in programs. Those which are made, not derived from (a stream, a connection, a request), are not here.
_DERIVED_FROM = {
    "auth": ["FacebookGraphMixin", "GoogleOAuth2Mixin", "OAuth2Mixin", "OAuthMixin", "OpenIdMixin", "TwitterMixin"],
    "httpserver": ["HTTPServer"],
    "httputil": ["HTTPMessageDelegate", "HTTPServerConnectionDelegate"],
    "locale": ["CSVLocale", "GettextLocale"],
    "netutil": ["Resolver"],
    "routing": ["Matcher", "ReversibleRouter", "Router"],
    "tcpserver": ["TCPServer"],
    "template": ["BaseLoader", "DictLoader", "Loader"],
    "testing": ["AsyncHTTPTestCase", "AsyncTestCase"],
    "util": ["Configurable"],
    "web": [
        "Application",
        "ErrorHandler",
        "FallbackHandler",
        "OutputTransform",
        "RedirectHandler",
        "RequestHandler",
        "StaticFileHandler",
        "UIModule",
    ],
    "websocket": ["WebSocketHandler"],
}
# Needed by other modules or classes of ours, and named so that nobody else is likely to hit on the same.
_SHARED = {
    "_admission",
    "_listen_to",
    "_listening_loop",
    "_websocket_carrier",
}
# What Python makes of two underscores, whichever class of ours they stand in.
_KEPT_APART = re.compile("__|_[A-Z][A-Za-z0-9]*__")
_SHARED_PREFIXES = ("_oauth_", "_xsrf_")


def private_names(cls: type[Any]) -> set[str]:
    """Names that a class defines, or sets on ``self``, and that begin with one underscore."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    on_self = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    }
    return {name for name in on_self | set(vars(cls)) if name.startswith("_") and not _KEPT_APART.match(name)}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in _DERIVED_FROM.items() for name in names])
def test_no_private_name_can_meet_one_of_a_program(module: str, name: str) -> None:
    tornado = pytest.importorskip("tornado", reason="needs the real Tornado for its names")
    if tornado.__name__ != "tornado":
        pytest.skip("`import tornado` is answered by tornadolike here")
    ours, theirs = (getattr(importlib.import_module(f"{package}.{module}"), name) for package in ("tornadolike", "tornado"))
    known = set(itertools.chain.from_iterable(private_names(one) for one in theirs.__mro__[:-1] if one.__module__.startswith("tornado.")))
    new = {one for one in private_names(ours) - known - _SHARED if not one.startswith(_SHARED_PREFIXES)}
    assert not new, f"name them __{'/__'.join(sorted(one.strip('_') for one in new))}: a class of a program may have such names"


def test_a_program_may_use_any_name() -> None:
    """What Python's mangling promises holds between our classes too: a handler class and its base keep their names apart."""
    web = importlib.import_module("tornadolike.web")
    assert "_RequestHandler__escapes" in vars(web.RequestHandler)
    assert not hasattr(web.RequestHandler, "_escapes")
