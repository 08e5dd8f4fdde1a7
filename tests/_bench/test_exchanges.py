"""Requests as bytes, and when an answer is whole and right."""

import pytest

from tornadolike._bench.errors import WrongAnswer
from tornadolike._bench.exchanges import Answer, HTTPExchange, PipelinedExchange, Request, split

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: now\r\n\r\nhello"


def test_a_request_as_it_is_sent() -> None:
    request = Request("/a?b=1", "POST", {"X-One": "1"}, b"body")
    assert request.wire("127.0.0.1", 80) == b"POST /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX-One: 1\r\nContent-Length: 4\r\n\r\nbody"
    assert b"Content-Length" not in Request("/").wire("127.0.0.1", 80)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (_ANSWER, (200, b"hello")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n", (200, b"abcd")),
    ],
)
def test_an_answer_is_whole_only_at_its_last_byte(data: bytes, expected: tuple[int, bytes]) -> None:
    assert split(data) == expected
    assert [split(data[:length]) for length in range(len(data))] == [None] * len(data)


def test_something_else_than_http_is_wrong() -> None:
    with pytest.raises(WrongAnswer, match="something else"):
        split(b"SSH-2.0\r\n\r\n")


def test_every_answer_is_compared_also_after_a_right_one() -> None:
    exchange = HTTPExchange(Request("/"), Answer(200, b"hello"), "127.0.0.1", 80)
    assert exchange.answered(_ANSWER)
    assert exchange.answered(_ANSWER.replace(b"now", b"yes"))
    assert not exchange.answered(_ANSWER[:-1])
    with pytest.raises(WrongAnswer, match="wrong body"):
        exchange.answered(_ANSWER.replace(b"hello", b"world"))
    with pytest.raises(WrongAnswer, match="status 500 instead of 200"):
        exchange.answered(_ANSWER.replace(b"200 OK", b"500 No"))


def test_a_body_that_may_differ_is_not_compared_but_its_status_is() -> None:
    exchange = HTTPExchange(Request("/"), Answer(200, None), "127.0.0.1", 80)
    assert exchange.answered(_ANSWER)
    assert exchange.answered(_ANSWER.replace(b"hello", b"world"))
    with pytest.raises(WrongAnswer):
        exchange.answered(_ANSWER.replace(b"200 OK", b"404 No"))


def test_pipelined_answers() -> None:
    exchange = PipelinedExchange(Request("/"), Answer(200, b"hi"), "h", 1, 2)
    assert exchange.request.count(b"GET / HTTP/1.1") == 2
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert [exchange.answered((good * 2)[:end]) for end in (4, len(good), len(good) + 5, 2 * len(good))] == [False, False, False, True]


@pytest.mark.parametrize("wrong", ["HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhiHTTP/1.1 500 No\r\n\r\nhi", "nonsense"])
def test_wrong_pipelined_answers(wrong: str) -> None:
    with pytest.raises(WrongAnswer, match="pipelined"):
        PipelinedExchange(Request("/"), Answer(200, b"hi"), "h", 1, 2).answered(wrong.encode())
