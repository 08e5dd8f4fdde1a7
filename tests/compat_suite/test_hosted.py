"""``differential --host``: what recordings mean, and that our own server and uvicorn come out the same where they should."""

import pytest

from compat_suite.differential import hosted, hosts, meaning
from compat_suite.differential.results import Result
from compat_suite.differential.sides import Side


def test_every_difference_has_a_reason() -> None:
    assert len(hosted.declared()) > 10


def test_what_responses_mean() -> None:
    plain = b"HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 3\r\nX-A: 1\r\n\r\none"
    chunked = b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\nx-a: 1\r\n\r\n1\r\no\r\n2\r\nne\r\n0\r\n\r\n"
    assert meaning.responses(plain)[0]["body"] == meaning.responses(chunked)[0]["body"] == "one"
    assert [one["complete"] for one in meaning.responses(plain + chunked)] == [True, True]
    assert not meaning.responses(chunked[:-5])[0]["complete"]
    assert not meaning.responses(plain[:-1])[0]["complete"]
    assert meaning.responses(b"nonsense\r\n\r\n") == [{"status": 0, "garbage": "nonsense"}]


def test_what_frames_mean() -> None:
    assert meaning.messages(b"\x81\x01a\x89\x00\x01\x01b\x80\x01c\x88\x02\x03\xe8") == [["text", "61"], ["text", "6263"], ["close", 1000]]
    assert meaning.messages(b"\xc1\x07\xcaH\xcd\xc9\xc9\x07\x00") == [["text", "68656c6c6f"]]


def test_the_table() -> None:
    equal, other = Result("web/a"), Result("web/b", different="-")
    declared = Result("web/c", deliberate="no words for it")
    text = hosted.table(
        {("uvicorn", "asyncio"): [equal, other, declared], ("uvicorn", "uvloop"): [equal, declared], ("daphne", "asyncio"): [equal]}
    )
    assert text.splitlines()[2:] == [
        "| uvicorn | asyncio | 3 | 1 | 1 | 1 |",
        "| uvicorn | uvloop | 2 | 1 | 1 | 0 |",
        "| daphne | asyncio | 1 | 1 | 0 | 0 |",
        "",
        "| what is declared | uvicorn | daphne |",
        "|---|---|---|",
        "| no words for it | 1 |  |",
    ]


def test_declarations_that_nothing_needs() -> None:
    name = "web/calls detach()"
    assert hosted.needless("uvicorn", [Result(name), Result("web/write 'text'")]) == [name]
    assert hosted.needless("uvicorn", [Result(name, deliberate="it raises")]) == []


def test_our_server_and_uvicorn() -> None:
    pytest.importorskip("uvicorn", reason="the extra `hosts` is not installed")
    native, other = (Side(alias=True, loop="asyncio", engine="auto", host=host) for host in (hosts.NATIVE, "uvicorn"))
    try:
        equal = ("web/write 'text'", "web/finish b'bytes'", "web/clear_header", "web/set, add, set", "web/initialize fails")
        for name in (*equal, "web/calls detach()"):
            result = hosted.run_one(native, other, "uvicorn", name, hosted.declared())
            assert result is not None, name
            assert not result.different, result.different
            assert bool(result.deliberate) is (name == "web/calls detach()")
    finally:
        native.close()
        other.close()
