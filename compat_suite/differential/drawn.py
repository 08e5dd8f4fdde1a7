"""How one side runs what Hypothesis drew: a conversation with an echoing application, or one call of a function."""

import itertools
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tornado import escape, httputil, web

from compat_suite.differential import conversation
from compat_suite.differential.applications import application, echo
from compat_suite.differential.scenario import outcome

_MODIFIED = 1_600_000_000


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


async def file(value: dict[str, Any]) -> Any:
    """A request with ``headers`` for ten bytes that were last changed at a time which is always the same."""
    with tempfile.TemporaryDirectory(prefix="compat_drawn") as directory:
        _fill(Path(directory, "file.txt"))
        lines = [f"{value['method']} /file.txt HTTP/1.1", "Host: h", *value["headers"], "", ""]
        app = application((r"/(.*)", web.StaticFileHandler, {"path": directory}))
        return await conversation.talk(app, ["\r\n".join(lines).encode("latin-1")])


def _fill(path: Path) -> None:
    path.write_bytes(b"0123456789")
    os.utime(path, (_MODIFIED, _MODIFIED))


async def frames(value: dict[str, Any]) -> Any:
    """``frames`` ([opcode, last of its message, payload in Latin-1]), as one run of bytes that is cut at ``cuts``."""
    from compat_suite.differential.scenarios import websocket  # a table, which is read when all modules are there

    data = b"".join(websocket.frame(code, text.encode("latin-1"), fin=last) for code, last, text in value["frames"])
    places = [0, *sorted({cut for cut in value["cuts"] if 0 < cut < len(data)}), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    return await websocket.talk((websocket.hello(), *pieces), {}, {}, eof=True, idle=0)


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

KINDS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "wire": wire,
    "form": form,
    "file": file,
    "frames": frames,
    "call": call,
}
