"""One connection, and whatever can happen on it: random requests, handlers and clients, on Tornado and here, compared.

``machine/scripts.py`` says what is drawn, ``machine/programs.py`` what handlers do, ``machine/differences.py`` what may differ, and why.
``python -m tests.faults.machine`` draws on for as long as wanted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.machine import comparing, differences, scripts, sides

tornado = pytest.importorskip("tornado", reason="needs the real Tornado to compare with")
if tornado.__name__ != "tornado":
    pytest.skip("`import tornado` is answered by tornadolike here", allow_module_level=True)


@pytest.fixture(scope="module", params=["h11", "httptools"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    directory: Path = tmp_path_factory.mktemp("machine")
    with sides.both(request.config.getoption("--loop"), request.param, directory) as made:
        yield made


@pytest.mark.parametrize("ten", range(12))
def test_whatever_happens_on_a_connection(both: Any, ten: int) -> None:
    for number in range(10 * ten, 10 * ten + 10):
        assert comparing.shown(scripts.script(number), *both) == []


def _script(
    *steps: scripts.Step, settings: dict[str, Any] | None = None, program: dict[str, Any] | None = None, tls: bool = False
) -> scripts.Script:
    return scripts.Script(tuple(scripts.numbered(list(steps))), settings or {}, program or {}, tls)


def _send(*what: Any, way: str = "send", share: float = 1.0) -> scripts.Step:
    return scripts.Step(way, what, share)


def _one(kind: str, how: str = "plain", where: str = "plain", version: str = "1.1", size: int = 10, **more: Any) -> scripts.Request:
    return scripts.Request("", kind, how, where, version, 0 if kind in ("get", "head", "options") else size, **more)


_RESET, _LEAVE, _RELEASE = scripts.Step("reset"), scripts.Step("leave"), scripts.Step("release")
_KEPT = "1.0 keep-alive"
# Each has shown what was not known before: of the product, of Tornado or of this machine.
DIFFERED = {
    "HTTP/1.0 kept, and another of them behind": _script(
        _send(_one("get", "flush, raises", version=_KEPT), _one("get"), _one("get", "prepare says close", "file/small", _KEPT))
    ),
    "HTTP/1.0 kept, a head without a length": _script(_send(_one("get", "flush, waits", version=_KEPT)), _RELEASE, _send(_one("get"))),
    "HTTP/1.0 kept, OPTIONS": _script(_send(_one("options", version=_KEPT), _one("get"))),
    "HTTP/1.0 kept, a callable without a length": _script(_send(_one("get", "no length", "call", _KEPT))),
    "HTTP/1.0 with trailers": _script(_send(_one("trailers", version=_KEPT))),
    "Content-Length that is no number": _script(_send(_one("bad length", where="stream"))),
    "Expect, refused": _script(_send(_one("expect", "prepare limits", "stream", size=100_000))),
    "Expect without a body, closed": _script(_send(_one("expect", "prepare closes", "stream", size=0))),
    "closed in prepare": _script(_send(_one("get", "prepare closes", "stream"))),
    "closed in prepare, with a transform": _script(_send(_one("get", "prepare closes", "file/small")), program={"transforms": True}),
    "closed in data_received": _script(_send(_one("chunked", "data closes", "stream", size=100_000))),
    "closed in prepare, of a body in small pieces": _script(
        _send(_one("chunked", "prepare closes", "stream", size=6000)), settings={"chunk_size": 500}
    ),
    "closed in data_received, of a body in small pieces": _script(
        _send(_one("gzip", "data closes", "stream", size=1_000_000)), settings={"chunk_size": 500}
    ),
    "a bad chunk behind small pieces": _script(
        _send(_one("get", "waits"), _one("bad chunk", "data raises", "stream", size=1000), way="drip"), settings={"chunk_size": 500}
    ),
    "cancelled while data_received waits": _script(_send(_one("chunked", "data waits, finishes", "stream")), scripts.Step("cancel")),
    "HEAD of a file that says GET, with a transform": _script(
        _send(_one("head", "prepare says GET", "file/big")), program={"transforms": True}
    ),
    "HEAD, later, reset": _script(_send(_one("head", "waits", "call")), _send(_one("get")), _RESET),
    "closed in data_received, with a transform": _script(
        _send(_one("trailers", "data closes", "stream", size=100_000)), program={"transforms": True}
    ),
    "cancelled in data_received behind the end, with a transform": _script(
        _send(_one("gzip", "data waits", "stream"), _one("expect", size=6000), way="part", share=0.24),
        scripts.Step("end"),
        scripts.Step("cancel"),
        program={"transforms": True},
    ),
    "reset while another task writes": _script(_send(_one("get", "writes elsewhere")), _send(_one("get")), _RESET),
    "flushed between small pieces": _script(_send(_one("chunked", "data flushes", "stream"), way="drip"), program={"transforms": True}),
    "a large file, closed in prepare, with a transform": _script(
        _send(_one("get", "prepare closes", "file/big")), program={"transforms": True}
    ),
    "a reset while one polls, with a transform": _script(_send(_one("get", "polls")), _send("close"), _RESET, program={"transforms": True}),
    "broken off, which nobody reads": _script(scripts.Step("deaf"), _send(_one("get", "flush, raises"), _one("get"))),
    "reset while another task writes, before much": _script(
        _send(_one("get", "writes elsewhere")), _send(_one("trailers", size=1_000_000)), _RESET
    ),
    "closed by a callable": _script(_send(_one("get", "closes", "call"), _one("get"))),
    "cancelled in prepare": _script(_send(_one("get", "prepare cancels", "stream"))),
    "cancelled in data_received": _script(_send(_one("post", "data cancels", "stream"))),
    "send_error behind flush": _script(_send(_one("get", "flush, sends error"))),
    "a bad chunk within an answer": _script(_send(_one("bad chunk", "prepare flushes", "stream"))),
    "a bad chunk behind many": _script(_send(_one("bad chunk", where="stream", size=1_000_000))),
    "a bad chunk behind what was refused": _script(_send(_one("bad chunk", "data fails", "stream", size=100_000))),
    "a bad chunk while data_received waits": _script(_send(_one("bad chunk", "data waits", "stream", size=1_000_000)), _RESET, tls=True),
    "a limit on what is inflated": _script(
        _send(_one("gzip", "prepare limits", "stream", size=1_000_000)), settings={"decompress_request": True}
    ),
    "too large a head": _script(_send(_one("get", fields=("X-Long: " + "l" * 1000,))), settings={"max_header_size": 900}),
    "detached and cancelled": _script(_send(_one("get", "detaches, waits")), scripts.Step("cancel")),
    "detached and reset": _script(_send(_one("get", "detaches, waits")), _RESET),
    "reset while prepare waits": _script(_send(scripts.Upgrade("", "prepare waits", ("asks for a ping", "asks to close"))), _RESET),
    "a reset while open waits, which is cancelled": _script(
        _send(scripts.Upgrade("", "open waits", ("asks for a ping", "turn"))), _RESET, scripts.Step("cancel")
    ),
    "much while prepare waits": _script(_send(scripts.Upgrade("", "prepare waits")), _send("asks for a ping", "big"), _LEAVE),
    "HTTP/1.0 kept, OPTIONS, says close": _script(_send(_one("options", "prepare says close", version=_KEPT), way="part")),
    "frames while prepare waits": _script(_send(scripts.Upgrade("", "prepare waits", ("asks to close",))), _send("wait"), _LEAVE),
    "a close behind much, and a pong": _script(
        _send(scripts.Upgrade("", "prepare waits", ("text",))), _send("big"), _send("ping", "close"), _send("asks to close"), tls=True
    ),
    "a close that was asked for behind much": _script(
        _send(scripts.Upgrade("", "prepare waits", ("text",))),
        _send("big", "asks to close"),
        _send("close"),
        _send("asks to close"),
        tls=True,
    ),
    "a close behind much": _script(_send(scripts.Upgrade("", "prepare waits", ("big", "close, bare"))), _send(_one("get"))),
    "half a TLS connection, with a callable": _script(
        _send(_one("get", "in pieces", "call")), _send(_one("get"), way="part", share=0.9), scripts.Step("end"), tls=True
    ),
    "HTTP/1.0 kept, in chunks, answered while nobody reads": _script(
        _send(_one("chunked", "waits", version=_KEPT)), scripts.Step("deaf"), _RELEASE
    ),
    "Expect in HTTP/1.0, answered while nobody reads": _script(scripts.Step("deaf"), _send(_one("expect", version="1.0"))),
    "a close of the server's, and then what is no frame": _script(
        _send(_one("get"), scripts.Upgrade("", "open closes"), scripts.Upgrade("", "open raises", ("close", "wait")), way="drip")
    ),
    **{
        f"{how}, {end} with what was sent ahead{', in TLS' * tls}": _script(
            _send(_one("gzip", how)), scripts.Step(end, (_one("get"),)), tls=tls
        )
        for how in ("writes elsewhere", "polls", "waits")
        for tls, end in ((False, "leave"), (True, "leave"), (True, "reset"))
    },
    "a close that was asked for before what is no frame": _script(
        _send(scripts.Upgrade("", "open waits", ("big", "asks to close")), _one("get")), _send(_one("get"))
    ),
    "Expect in HTTP/1.0, and half of the body": _script(_send(_one("expect", version=_KEPT, size=1_000_000), way="part", share=0.3)),
    "a bad chunk in small pieces": _script(_send(_one("bad chunk", "data finishes", "stream", size=0), way="drip")),
    "a bad chunk behind a good one, later": _script(
        _send(_one("bad chunk", "data fails", "stream", size=1), way="part", share=0.73), _send(_one("get"), way="drip", share=0.2)
    ),
    "enough of what is inflated": _script(
        _send(_one("gzip", "data finishes", "stream", size=100_000)), settings={"decompress_request": True}
    ),
    "a chunk that is too much": _script(_send(_one("chunked", "prepare limits", "stream", size=6000)), settings={"chunk_size": 500}),
    "large and compressed": _script(_send(_one("get", "big", fields=("Accept-Encoding: gzip",))), program={"compress_response": True}),
    "a bad chunk before much, which nobody reads": _script(
        _send(_one("get")),
        scripts.Step("deaf"),
        _send(_one("get", "no length", "call"), _one("bad chunk"), _one("post", size=1_000_000), way="drip"),
    ),
    "not modified, reset, and sent ahead": _script(
        _send(_one("get", "on_connection_close raises", fields=("If-None-Match: *",))), _send(_one("get")), _RESET
    ),
    "Expect in HTTP/1.0, closed in prepare, which nobody reads": _script(
        scripts.Step("deaf"), _send(_one("expect", "prepare closes", "stream", _KEPT))
    ),
    "detached, and much behind what is echoed": _script(_send(_one("get", "detaches, echoes"), _one("trailers", size=100_000))),
    "a large file, and what is no frame": _script(
        _send(_one("get", where="file/big"), scripts.Upgrade("", "open raises"), _one("post", size=1_000_000)), tls=True
    ),
    "data_received waits with a small piece": _script(_send(_one("chunked", "data waits", "stream"), way="drip", share=0.15)),
    "data_received waits for what is inflated": _script(
        _send(_one("gzip", "data waits", "stream", size=100_000)), settings={"chunk_size": 500}
    ),
    "closed in data_received, and another behind": _script(_send(_one("trailers", "data closes", "stream", size=100_000), _one("get"))),
    "a large file, closed in prepare, and another behind": _script(
        _send(_one("get", "prepare closes", "file/big"), way="drip", share=0.8), _send(_one("get")), program={"transforms": True}
    ),
    "HEAD of a file that says GET, and another behind": _script(
        _send(_one("head", "prepare says GET", "file/big"), _one("get")), program={"transforms": True}
    ),
    "on_message raises behind much": _script(
        _send(scripts.Upgrade("", "prepare waits")), _send("big", "asks for a ping", "raise"), _send("turn")
    ),
    "half a TLS connection, with a WebSocket": _script(
        _send(scripts.Upgrade("", "prepare waits", ("bytes", "close"))), scripts.Step("end"), tls=True
    ),
    "one that polls behind an early answer, which nobody reads": _script(
        _send(_one("get", "prepare waits, fails")),
        scripts.Step("deaf"),
        _RELEASE,
        _send(_one("get", "prepare waits, fails", "stream"), way="part", share=0.36),
        _send(_one("get", "on_connection_close raises")),
    ),
    "much in pieces, which nobody reads": _script(
        scripts.Step("deaf"), _send(_one("get", "big, in pieces"), _one("get"), way="drip", share=0.88), program={"transforms": True}
    ),
    "the rest of an upload behind the last answer": _script(
        _send(_one("get", "big, in pieces", version="1.0"), _one("post", size=100_000)), tls=True
    ),
    "a large file before an upload whose stream is taken": _script(
        _send(_one("get", "flush, waits"), _one("get", where="file/big"), way="drip"),
        _send(_one("chunked", "prepare detaches", "stream", size=1_000_000)),
        tls=True,
    ),
    "a large file, compressed behind a flush": _script(
        _send(_one("get", "prepare flushes", "file/big", fields=("Accept-Encoding: gzip",))), program={"compress_response": True}
    ),
    "a bad chunk, and data_received closes": _script(
        _send(_one("bad chunk", "data closes", "stream", size=1000)), settings={"chunk_size": 500}
    ),
    "frames behind an answer, which nobody reads": _script(
        _send(scripts.Upgrade("", "prepare finishes", ("text", "close"))),
        scripts.Step("deaf"),
        _send(scripts.Upgrade("", "refuses"), way="part"),
        _send(_one("get", where="stream")),
        _send(_one("post", "in pieces", "call"), way="part", share=0.64),
        tls=True,
    ),
    "a bad chunk behind many, which nobody reads": _script(scripts.Step("deaf"), _send(_one("bad chunk", where="stream", size=100_000))),
    "Expect without a body, half a connection": _script(_send(_one("expect", "prepare waits", "stream", size=0)), scripts.Step("end")),
    "cancelled while data_received waits behind the time for bodies": _script(
        _send(_one("get", "prepare waits")),
        _send(_one("gzip", "data waits", "stream")),
        _RELEASE,
        scripts.Step("later"),
        scripts.Step("cancel"),
        settings={"body_timeout": 60},
    ),
    "a reset right behind a request that is refused": _script(
        _send(_one("get", "waits", "call")), _send(_one("expect")), _send(_one("bad length", size=1_000_000)), _RESET
    ),
    "Expect without a body, and nobody there": _script(_send(_one("expect", "prepare waits", "stream", size=0)), _LEAVE),
    "two large messages before what is no frame": _script(
        _send(scripts.Upgrade("", "open waits", ("big", "big"))), _send(_one("get"), way="part")
    ),
    "on_message raises behind the end": _script(
        _send(scripts.Upgrade("", "prepare waits", ("wait", "asks to close"))), _send("raise"), _LEAVE
    ),
    "a reset while prepare waits, which is cancelled": _script(
        _send(scripts.Upgrade("", "prepare waits", ("wait", "turn"))), _RESET, scripts.Step("cancel")
    ),
    "on_message raises behind very much": _script(_send(scripts.Upgrade("", "open waits")), _send("big", "big", "raise")),
    "a stream that is taken before an upload": _script(
        _send(_one("get", "waits", "call")),
        _send(_one("get", where="file/big")),
        _send(_one("get"), _one("get", "prepare detaches")),
        _send(_one("trailers", size=1_000_000), way="drip"),
        tls=True,
    ),
    "a large file, and then too large a head": _script(
        _send(_one("get", "prepare flushes", "file/big"), _one("get", fields=("X-Long: " + "l" * 1000,))), settings={"max_header_size": 900}
    ),
    "a bad chunk in small pieces, behind a flush": _script(_send(_one("bad chunk", "data flushes", "stream", size=0), way="drip")),
    "too large a body behind much": _script(
        _send(*[_one("get", "waits"), _one("get", where="file/big")] * 6),
        _send(_one("expect", size=100_000)),
        settings={"max_body_size": 5000},
    ),
    "a bad chunk, and data_received flushes": _script(
        _send(_one("get"), way="drip", share=0.02), _send(_one("bad chunk", "data flushes", "stream", size=100_000))
    ),
    "too large a body for a handler, and much behind": _script(
        _send(_one("get", "waits")),
        _send(*[_one("get"), _one("get", "prepare turns", "stream")] * 7),
        _send(
            _one("expect", "prepare limits", "stream", "1.1 close", 6000), _one("trailers", "writes after finish", "stream", size=1_000_000)
        ),
    ),
    "a refusal behind an answer, which nobody reads": _script(
        _send(_one("get", "prepare waits, finishes")),
        scripts.Step("deaf"),
        _RELEASE,
        _send(_one("bad length", size=1_000_000)),
        _send(_one("get")),
        tls=True,
    ),
    "cancelled in data_received, and then too large a head": _script(
        _send(_one("post", "data cancels", "stream"), _one("get", fields=("X-Long: " + "l" * 1000,))), settings={"max_header_size": 900}
    ),
    "a refusal behind a large file": _script(
        _send(_one("get", "prepare waits", "file/big"), way="drip"),
        _send(_one("bad length", size=0)),
        _send(_one("get"), way="drip"),
        tls=True,
    ),
    "HTTP/1.0 kept, flushed between the pieces of an upload": _script(
        _send(_one("get", "writes elsewhere"), _one("get")),
        _send(_one("post", "data flushes", "stream", _KEPT, 1_000_000), _one("get", where="stream")),
        program={"transforms": True},
    ),
    "Expect, and then in HTTP/1.0": _script(_send(_one("expect")), _send(_one("expect", version="1.0", size=6000), way="part", share=0.64)),
    "data_received waits with a small piece, and one is broken off behind": _script(
        _send(_one("chunked", "data waits", "stream"), way="drip"), _send(_one("get", "flush, sends error"), _one("get"), way="drip")
    ),
    "Expect with all of its body, and nobody there": _script(
        _send(_one("expect", size=100_000), _one("expect", "prepare waits", "stream", size=100_000)), _LEAVE
    ),
    "enough of what is inflated, later": _script(
        _send(_one("get", "waits")),
        _send(_one("gzip", "data waits, finishes", "stream", size=100_000), way="drip"),
        settings={"decompress_request": True},
        tls=True,
    ),
    "much in pieces, and nobody there": _script(scripts.Step("deaf"), _send(_one("get", "big, in pieces")), _LEAVE),
    "a large file behind a flush, before an upload whose stream is taken": _script(
        _send(_one("get", "waits"), _one("get", "prepare flushes", "file/big")),
        _send(_one("trailers", "prepare detaches", "stream", size=100_000)),
        tls=True,
    ),
    "much in pieces, half a connection": _script(scripts.Step("deaf"), _send(_one("get", "big, in pieces")), scripts.Step("end")),
    "Expect in HTTP/1.0, data_received raises, and Expect behind": _script(
        _send(_one("expect", "data raises", "stream", _KEPT), _one("expect"))
    ),
    "flushed between pieces, and one behind says close": _script(
        _send(_one("post", "data flushes", "stream", size=1_000_000), _one("get", "says close"), _one("get")),
        settings={"chunk_size": 500},
        program={"transforms": True},
    ),
    "a large file in two steps, and one is broken off behind": _script(
        _send(_one("get", where="file/big"), way="part", share=0.68),
        scripts.Step("deaf"),
        _send(_one("get", "flush, sends error"), _one("get")),
        program={"transforms": True},
    ),
    "HEAD, in pieces, reset": _script(_send(_one("head", "in pieces", "call")), _send(_one("get")), _RESET),
    "a large file in chunks before an early answer": _script(
        _send(_one("get", "prepare flushes", "file/big"), _one("get", "prepare raises", "stream"), _one("get"))
    ),
}


@pytest.mark.parametrize("name", DIFFERED)
def test_scripts_that_differed(both: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tornadolike._http1_io.server_session._SECONDS_TO_ANSWER", 0.3)  # nothing else waits for that long
    assert comparing.difference(DIFFERED[name], *both) == []


def test_the_differences_are_declared() -> None:
    """Each says in which row of the documentation it stands, in its words, but for what is none."""
    text = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8").replace("`", "")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for one in differences.DIFFERENCES:
        where, _, what = one.why.partition(": ")
        assert where == "no difference" or any(row.startswith(f"| {where} |") and what in row for row in rows), one.why
