"""What applications send, read and checked."""

from typing import Any

import pytest

from tornadolike._asgi import messages, responses, scopes


def test_a_head() -> None:
    head = messages.response_head(
        {"status": 200, "headers": [(b"X-A", b"1"), [b"content-length", b"3"], (b"transfer-encoding", b"chunked")]}
    )
    assert head == (200, [(b"x-a", b"1")], 3, False, False)
    assert messages.response_head({"status": 404}).pairs == []
    assert messages.response_head({"status": 200, "headers": [(b"Date", b"now"), (b"server", b"s")]})[3:] == (True, True)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"status": "200"},
        {"status": 99},
        {"status": 101},
        {"status": 200, "headers": [("x", "y")]},
        {"status": 200, "headers": [(b"x",)]},
        {"status": 200, "headers": [3]},
        {"status": 200, "headers": [(b"a b", b"")]},
        {"status": 200, "headers": [(b"", b"")]},
        {"status": 200, "headers": [(b"a", b"b\r\nc: d")]},
        {"status": 200, "headers": [(b"a", b"\0")]},
        {"status": 200, "headers": [(b"content-length", b"-1")]},
        {"status": 200, "headers": [(b"content-length", b"1"), (b"content-length", b"2")]},
    ],
)
def test_heads_that_are_none(message: dict[str, Any]) -> None:
    with pytest.raises(messages.MessageError):
        messages.response_head(message)


def test_bodies() -> None:
    assert messages.body({}) == (b"", False)
    assert messages.body({"body": bytearray(b"a"), "more_body": True}) == (b"a", True)
    with pytest.raises(messages.MessageError):
        messages.body({"body": "text"})


def test_websocket_data() -> None:
    assert messages.websocket_data({"text": "a", "bytes": None}) == "a"
    assert messages.websocket_data({"bytes": b""}) == b""
    for wrong in ({}, {"text": "a", "bytes": b"b"}, {"text": b"a"}, {"text": None, "bytes": None}):
        with pytest.raises(messages.MessageError):
            messages.websocket_data(wrong)


def test_fields_of_a_response_for_a_server() -> None:
    fields = [
        ("Content-Type", "text/plain"),
        ("Server", "default"),
        ("Date", "now"),
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
    ]
    assert responses.fields(fields, "HTTP/1.1", "default") == [(b"content-type", b"text/plain"), (b"connection", b"close")]
    assert responses.fields(fields, "HTTP/2.0", "other") == [(b"content-type", b"text/plain"), (b"server", b"default")]
    for value in ("a\nb", "a\rb", "a\0b", "a\u0100"):
        with pytest.raises(responses.IllegalHeader):
            responses.fields([("X", value)], "HTTP/1.1", "")


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        ("/a%20b?x=%20", "/a b", b"/a%20b", b"x=%20"),
        ("/\xc3\xa4", "/ä", b"/\xc3\xa4", b""),
        ("http://h/p?q", "/p", b"/p", b"q"),
        ("http://h", "/", b"/", b""),
        ("*", "*", b"*", b""),
    ],
)
def test_scopes_of_targets(target: str, path: str, raw_path: bytes, query: bytes) -> None:
    made = scopes.scope("http", ("GET", target, "HTTP/1.1"), [], ("http", None, None), "/r")
    assert (made["path"], made["raw_path"], made["query_string"], made["root_path"]) == (path, raw_path, query, "/r")


def test_scopes_of_websockets() -> None:
    fields = [(b"sec-websocket-protocol", b"a, b"), (b"sec-websocket-protocol", b"c")]
    made = scopes.scope("websocket", ("GET", "/", "HTTP/2.0"), fields, ("https", None, None), "")
    assert (made["scheme"], made["http_version"], made["subprotocols"]) == ("wss", "2", ["a", "b", "c"])
    assert "method" not in made
