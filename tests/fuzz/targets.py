"""What is fuzzed: each target takes any bytes, and may raise nothing but the errors that it promises.

In the gate by test_targets.py; for long runs ``python tests/fuzz/long_run.py TARGET`` (needs atheris).

Where there are two ways to the same answer (two parsers, two lanes, bytes whole or in pieces), a target takes both and compares.
"""

import io
import sys
import zlib
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from tornadolike import escape, httputil, options, template
from tornadolike._client import request_head
from tornadolike._http import content_coding, cookies, header_values, multipart, ranges
from tornadolike._http1 import select
from tornadolike._http1.body import ChunkedReader
from tornadolike._http1.engine import DONE, ClientEngine, ServerEngine
from tornadolike._http1.errors import PeerError
from tornadolike._http1.events import BodyChunk, BodyStart, MessageEnd, RequestHead
from tornadolike._web import signing
from tornadolike._websocket import errors as websocket_errors
from tornadolike._websocket import handshake
from tornadolike._websocket.deflate import Inflater
from tornadolike._websocket.wsproto_engine import WsprotoEngine

CORPUS = Path(__file__).with_name("corpus")
MAX_HEAD = 4096
MAX_MESSAGE = 3000


def _splits(data: bytes) -> tuple[int, bytes]:
    """The first byte says in pieces of how many bytes the others come; 0: all at once."""
    return (data[0] or 1 << 30, data[1:]) if data else (1 << 30, b"")


def _served(name: str, wire: bytes, step: int) -> tuple[list[Any], str]:
    """What a server on the parser ``name`` reads from ``wire``: heads and bodies; and how it ended."""
    engine = ServerEngine(select.parser(name), MAX_HEAD, 1000)
    seen: list[Any] = []
    try:
        for start in range(0, len(wire), step):
            events = engine.feed(wire[start : start + step])
            while True:
                for event in events:
                    _note(event, seen)
                if engine.peer is DONE:
                    engine.send_head(200, "OK", [("Content-Length", "0")], 0, False)
                    engine.send_end()
                    if not engine.next_exchange():
                        return seen, "closed"
                elif not engine.has_more and not (events and isinstance(events[-1], RequestHead | BodyStart)):
                    break
                events = engine.feed()
        engine.feed_eof()
    except PeerError as error:
        return seen, str(error.status)
    return seen, "open"


def _note(event: Any, seen: list[Any]) -> None:
    if isinstance(event, RequestHead):
        fields = [(name, value.strip(b" \t")) for name, value in event.headers]
        seen.append([*event.start_line, event.keep_alive, event.expects_continue, fields, b""])
    elif isinstance(event, BodyChunk):
        assert 0 < len(event.data) <= 1000
        seen[-1][-1] += event.data
    elif not isinstance(event, BodyStart):
        assert isinstance(event, MessageEnd)
        seen[-1].append("end")


def h11(data: bytes) -> None:
    """A server on h11: the same whether bytes come whole or in pieces (but for 431, which may come before another fault is seen)."""
    _in_pieces("h11", data)


def httptools(data: bytes) -> None:
    """The same on httptools."""
    _in_pieces("httptools", data)


def _in_pieces(name: str, data: bytes) -> None:
    step, wire = _splits(data)
    whole, end = _served(name, wire, 1 << 30)
    pieces, end_of_pieces = _served(name, wire, step)
    if "431" in (end, end_of_pieces):
        return
    assert end == end_of_pieces, (end, end_of_pieces)
    # Body bytes before a fault in the same body may or may not have been handed out.
    done = sum(one[-1] == "end" for one in whole)
    assert whole[:done] == pieces[:done]
    assert done == sum(one[-1] == "end" for one in pieces)


def both_parsers(data: bytes) -> None:
    """h11 and httptools give the same verdict on the same bytes."""
    step, wire = _splits(data)
    assert _served("h11", wire, step) == _served("httptools", wire, step)


def responses(data: bytes) -> None:
    """A client: the same from both parsers. The first byte's lowest bit: asked by HEAD."""
    verdicts = []
    for name in ("h11", "httptools"):
        engine = ClientEngine(select.parser(name), MAX_HEAD)
        engine.send_head("HEAD" if data[:1] and data[0] & 1 else "GET", "/", [], None, False)
        engine.send_end()
        try:
            events = engine.feed(data[1:])
            seen = [repr(event) for event in events]
            while engine.has_more or (events and engine.waiting_bytes and engine.peer is not DONE):
                events = engine.feed()
                seen += [repr(event) for event in events]
            engine.feed_eof()
            verdicts.append((seen, "fine"))
        except PeerError as error:
            verdicts.append(([], str(error)))
    assert _loosely(verdicts[0]) == _loosely(verdicts[1])


def _loosely(verdict: tuple[list[str], str]) -> tuple[list[str], str]:
    """White space that may still stand behind a value is no difference."""
    return [text.replace(" ", "").replace("\\t", "") for text in verdict[0]], verdict[1]


def chunked(data: bytes) -> None:
    """A chunked body: whole and in pieces it is the same body, or the same refusal."""
    step, wire = _splits(data)
    assert _dechunked(wire, 1 << 30) == _dechunked(wire, step)


def _dechunked(wire: bytes, step: int) -> object:
    reader = ChunkedReader(MAX_MESSAGE)
    body, waiting = b"", b""
    try:
        for start in range(0, len(wire), step):
            waiting += wire[start : start + step]
            while not reader.finished:
                pieces, used = reader.read(waiting)
                body += b"".join(pieces)
                waiting = waiting[used:]
                assert len(body) == reader.received_bytes <= MAX_MESSAGE
                if not used:
                    break
    except PeerError:
        return "refused"
    return (body, True) if reader.finished else (body, False)


def multipart_body(data: bytes) -> None:
    boundary, _, body = data.partition(b"\n")
    try:
        parts = list(multipart.split_parts(boundary or b"b", body, 20, 500))
    except multipart.MultipartError:
        return
    assert len(parts) <= 20
    assert sum(len(head) + len(content) for head, content in parts) <= len(body)
    assert all(len(head) <= 500 for head, _ in parts)


def form(data: bytes) -> None:
    kind, _, body = data.partition(b"\n")
    try:
        httputil.parse_body_arguments(kind.decode("latin-1"), body, {}, {})
    except httputil.HTTPInputError:
        pass


def query(data: bytes) -> None:
    """A request's target and Host, and what handlers ask of it."""
    target, _, host = data.decode("latin-1").partition("\n")
    try:
        headers = httputil.HTTPHeaders()
        headers.add("Host", host)
        request = httputil.HTTPServerRequest(start_line=httputil.RequestStartLine("GET", target, "HTTP/1.1"), headers=headers)
    except httputil.HTTPInputError:
        return
    assert set(request.host) <= set(host + target)
    assert not set(request.host) & set("/?#@\\ \r\n,")
    assert len(request.arguments) <= 1000
    request.full_url()


def header_block(data: bytes) -> None:
    """Fields as text, as in parts of a form and in the curl client; what was read can be written and read again."""
    try:
        headers = httputil.HTTPHeaders.parse(data.decode("latin-1"))
    except httputil.HTTPInputError:
        return
    written = "".join(f"{name}: {value}\r\n" for name, value in headers.get_all())
    assert list(httputil.HTTPHeaders.parse(written).get_all()) == list(headers.get_all())


def cookie(data: bytes) -> None:
    text = data.decode("latin-1")
    pairs = cookies.parse_cookie_pairs(text)
    assert len(pairs) <= text.count(";") + 1


def header_value(data: bytes) -> None:
    text = data.decode("latin-1")
    value, parameters = header_values.parse_parameters(text)
    assert len(value) + sum(map(len, parameters)) <= 2 * len(text)
    wanted = ranges.parse_range(text)
    assert wanted is None or text.lstrip().startswith("bytes")
    for _, offered in (extensions := handshake.parse_extensions(text)):
        try:
            handshake.settle_deflate(offered, is_client=bool(len(text) & 1))
        except handshake.NotNegotiable:
            pass
    handshake.choose_deflate(extensions)
    handshake.is_key(text)


def signed_value(data: bytes) -> None:
    """Nothing is accepted but the one value that was signed with the key."""
    for verify, secret in ((signing.verify_v1, "key"), (signing.verify_v2, {0: "key", 1: "key"})):
        try:
            value = verify(secret, "name", data, 31, 1_700_000_000.0)  # type: ignore[operator]
        except signing.Refused:
            continue
        assert value is None or value == b"genuine"


def url(data: bytes) -> None:
    """URLs that the client is asked for."""
    try:
        target = request_head.parse_target(data.decode("utf-8", "replace"))
    except ValueError:
        return
    assert 0 <= target.port < 65536
    assert not set(target.authority + target.path) & set("\r\n\0")


def template_source(data: bytes) -> None:
    try:
        template.Template(escape.to_unicode(data.decode("utf-8", "replace")))
    except (template.ParseError, SyntaxError, ValueError):
        pass  # not a template; or its expressions are not Python


def gzip_body(data: bytes) -> None:
    """Whole or in pieces: the same body, never more than the limit."""
    step, wire = _splits(data)
    assert _inflated(wire, 1 << 30) == _inflated(wire, step)


def _inflated(wire: bytes, step: int) -> object:
    inflater = content_coding.GzipInflater(100, MAX_MESSAGE)
    body = b""
    try:
        for start in range(0, len(wire), step):
            for piece in inflater.feed(wire[start : start + step]):
                assert 0 < len(piece) <= 100
                body += piece
        inflater.feed_eof()
    except content_coding.InflateError:
        return "refused"
    assert len(body) <= MAX_MESSAGE
    return body


class _NoDeflater:
    """Nothing is sent."""

    def compress(self, data: bytes) -> bytes:
        return data


def _frames(data: bytes, is_client: bool) -> None:
    """Frames through the plain lane and through wsproto alone, whole and in pieces. The first byte's highest bit: compressed."""
    if not data:
        return
    step, wire = data[0] & 0x7F or 1 << 30, data[1:]
    ways = [(lane, size) for lane in (True, False) for size in (1 << 30, step)]
    verdicts = [_read_frames(wire, is_client, lane, size, bool(data[0] & 0x80)) for lane, size in ways]
    # wsproto sees that text is no UTF-8 while its frame is still incomplete; that may be all that two verdicts differ in.
    whole = max(verdicts, key=len)
    assert all(verdict == whole or [*verdict, 1007] == whole for verdict in verdicts), verdicts


def _read_frames(wire: bytes, is_client: bool, lane: bool, step: int, deflate: bool) -> list[Any]:
    engine = WsprotoEngine(is_client, MAX_MESSAGE, lane)
    if deflate:
        engine.use_deflate(_NoDeflater(), Inflater(True, zlib.MAX_WBITS, MAX_MESSAGE))  # type: ignore[arg-type]
    seen: list[Any] = []
    try:
        for start in range(0, len(wire), step):
            events = engine.feed(wire[start : start + step])
            while True:
                seen += [event if isinstance(event, (str, bytes)) else repr(event) for event in events]
                if not engine.has_more:
                    break
                events = engine.feed()
    except websocket_errors.PeerError as error:
        seen.append(error.code)
    assert all(len(event) <= MAX_MESSAGE for event in seen if isinstance(event, (str, bytes)))
    return seen


def websocket_server(data: bytes) -> None:
    """Frames that a client sent."""
    _frames(data, is_client=False)


def websocket_client(data: bytes) -> None:
    """Frames that a server sent."""
    _frames(data, is_client=True)


def option_values(data: bytes) -> None:
    """Command lines, one argument a line."""
    parser = options.OptionParser()
    for kind in (str, int, float, bool, options.dt.datetime, options.dt.timedelta):
        parser.define(kind.__name__, type=kind)
        parser.define(f"{kind.__name__}s", type=kind, multiple=True)
    arguments = data.decode("utf-8", "replace").split("\n")
    if any("ints=" in line and ":" in line and any(len(number) > 3 for number in line.split(":")) for line in arguments):
        return  # whoever starts a program may ask for a list of a billion numbers
    try:
        with redirect_stderr(io.StringIO()):
            parser.parse_command_line([sys.argv[0], *arguments])
    except (options.Error, ValueError, SystemExit):
        pass  # what int() and float() say about text that is no number; the end of --help


_ALL: tuple[Callable[[bytes], None], ...] = (
    h11,
    httptools,
    both_parsers,
    responses,
    chunked,
    multipart_body,
    form,
    query,
    header_block,
    cookie,
    header_value,
    signed_value,
    url,
    template_source,
    gzip_body,
    websocket_server,
    websocket_client,
    option_values,
)
TARGETS = {target.__name__: target for target in _ALL}


def seeds(name: str) -> list[bytes]:
    """The corpus of a target: what it begins with, and what was found. One file each."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
