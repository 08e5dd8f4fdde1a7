"""Scopes as requests."""

from typing import Any

import pytest

from tornadolike._asgi import requests


def scope(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "headers": [], **more}


@pytest.mark.parametrize(
    ("given", "uri", "path", "root_path"),
    [
        (scope("/a"), "/a", "/a", ""),
        (scope("/a", query_string=b"x=1"), "/a?x=1", "/a", ""),
        (scope(""), "/", "/", ""),
        (scope("/a b", raw_path=b"/a%20b"), "/a%20b", "/a%20b", ""),
        (scope("/a b", raw_path=b"/a%20b?x=1", query_string=b"x=1"), "/a%20b?x=1", "/a%20b", ""),
        (scope("/a b", raw_path=b"/something/else"), "/a%20b", "/a%20b", ""),
        (scope("/r/a", root_path="/r"), "/r/a", "/a", "/r"),
        (scope("/r/a", root_path="/r/"), "/r/a", "/a", "/r"),
        (scope("/r", root_path="/r"), "/r", "/", "/r"),
        (scope("/ra", root_path="/r"), "/r/ra", "/ra", "/r"),
        (scope("/other", root_path="/r", query_string=b"x=1"), "/r/other?x=1", "/other", "/r"),
        (scope("/a b", root_path="/r r", raw_path=b"/a%20b"), "/r%20r/a%20b", "/a%20b", "/r%20r"),
        (scope("*", root_path="/r", raw_path=b"*"), "*", "*", ""),
        (scope("/r r/a", root_path="/r r", raw_path=b"/a"), "/r%20r/a", "/a", "/r%20r"),
        (scope("/r/s/a/b", root_path="/r/s", raw_path=b"/%72/s/a%2Fb"), "/%72/s/a%2Fb", "/a%2Fb", "/%72/s"),
    ],
)
def test_targets(given: dict[str, Any], uri: str, path: str, root_path: str) -> None:
    assert requests.target(given) == (uri, path, root_path)


def test_a_kept_root_path_is_a_path() -> None:
    assert requests.target(scope("/r/a", root_path="/r"), strip_root_path=False) == ("/r/a", "/r/a", "")


@pytest.mark.parametrize(
    ("method", "version", "fields", "may"),
    [
        ("GET", "HTTP/1.1", [], False),
        ("GET", "HTTP/1.1", [(b"content-length", b"0")], False),
        ("GET", "HTTP/1.1", [(b"content-length", b"2")], True),
        ("HEAD", "HTTP/1.1", [(b"transfer-encoding", b"chunked")], True),
        ("GET", "HTTP/2.0", [], True),
        ("POST", "HTTP/1.1", [], True),
        ("DELETE", "HTTP/1.1", [], True),
    ],
)
def test_who_may_have_a_body(method: str, version: str, fields: requests.Pairs, may: bool) -> None:
    announced = requests.survey(fields)[2]
    assert (announced or requests.may_have_body(method, version)) is may


@pytest.mark.parametrize(
    ("fields", "bare"),
    [
        ([(b"host", b"a.example:80"), (b"accept", b"*/*"), (b"cookie", b"a=1")], True),
        ([(b"host", b"a.example"), (b"content-type", b"text/plain")], False),
        ([(b"host", b"a.example"), (b"range", b"bytes=0-")], False),
        ([(b"if-none-match", b"*"), (b"host", b"[::1]:8000")], False),
        ([], None),
        ([(b"host", b"a"), (b"host", b"a")], None),
        ([(b"host", b"a,b")], None),
        ([(b"host", b"a b")], None),
        ([(b"host", b"a" * 300)], None),
    ],
)
def test_what_is_bare(fields: requests.Pairs, bare: bool | None) -> None:
    for _ in range(2):  # the second time from memory
        assert requests.survey(fields)[1] is bare


def test_plain_targets() -> None:
    assert requests.plain_target(scope("/a", raw_path=b"/a")) == "/a"
    assert requests.plain_target(scope("/a", raw_path=b"/a", query_string=b"x=%20")) == "/a?x=%20"
    for other in (
        scope("/a"),
        scope("/a b", raw_path=b"/a%20b"),
        scope("/a", raw_path=b"/a", root_path="/a"),
        scope("/ä", raw_path="/ä".encode()),
    ):
        assert requests.plain_target(other) is None


def test_raw_bytes_in_a_path_stay_as_they_came() -> None:
    assert requests.target(scope("/ä", raw_path="/ä".encode())).uri == "/Ã¤"
    assert requests.target(scope("/ä", raw_path=b"/%C3%A4")).uri == "/%C3%A4"


def test_schemes() -> None:
    named = [requests.scheme({"scheme": one}) for one in ("http", "https", "ws", "wss")]
    assert named == ["http", "https", "http", "https"]
    assert requests.scheme({}) == "http"


def test_the_fields_of_a_handshake_are_filled_in() -> None:
    made = dict(requests.handshake_fields(scope("/", headers=[(b"host", b"a")], subprotocols=["x", "y"])))
    assert made[b"upgrade"] == b"websocket"
    assert made[b"sec-websocket-protocol"] == b"x, y"
    assert len(made[b"sec-websocket-key"]) == 24


def test_the_fields_of_a_handshake_that_came_stay() -> None:
    came = [(b"upgrade", b"WebSocket"), (b"sec-websocket-key", b"k"), (b"sec-websocket-version", b"12"), (b"connection", b"x, Upgrade")]
    assert requests.handshake_fields(scope("/", headers=came)) == came
