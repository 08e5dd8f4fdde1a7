"""How one side runs what Hypothesis drew: a conversation with an echoing application, or one call of a function."""

from collections.abc import Awaitable, Callable
from typing import Any

from tornado import escape, httputil, web

from compat_suite.differential import conversation
from compat_suite.differential.applications import echo
from compat_suite.differential.scenario import outcome


async def wire(value: dict[str, Any]) -> Any:
    """``pieces``: text in Latin-1, sent one after the other; ``settings``: of the server."""
    pieces = [piece.encode("latin-1") for piece in value["pieces"]]
    return await conversation.talk(echo(), pieces, settings=value.get("settings"))


async def form(value: dict[str, Any]) -> Any:
    """A body and its content type, parsed."""
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[httputil.HTTPFile]] = {}
    result = outcome(httputil.parse_body_arguments, value["type"], value["body"].encode("latin-1"), arguments, files)
    return [result, repr(arguments), repr(files)]


async def call(value: dict[str, Any]) -> Any:
    """A function by its name; texts in Latin-1 where it takes bytes."""
    return outcome(_FUNCTIONS[value["function"]], value["argument"])


def _headers(text: str) -> Any:
    return list(httputil.HTTPHeaders.parse(text).get_all())


_FUNCTIONS: dict[str, Callable[[str], Any]] = {
    "headers": _headers,
    "cookie": httputil.parse_cookie,
    "request line": httputil.parse_request_start_line,
    "response line": httputil.parse_response_start_line,
    "parameters": httputil._parse_header,
    "range": httputil._parse_request_range,
    "host": httputil.split_host_and_port,
    "unescape": escape.xhtml_unescape,
    "url_unescape": escape.url_unescape,
    "url_unescape bytes": lambda text: escape.url_unescape(text, encoding=None),
    "linkify": escape.linkify,
    "squeeze": escape.squeeze,
    "json": escape.json_encode,
    "signed": lambda text: web.decode_signed_value("secret", "name", text, clock=lambda: 1_300_000_000),
}

KINDS: dict[str, Callable[[Any], Awaitable[Any]]] = {"wire": wire, "form": form, "call": call}
