"""What wrk is told and what it says."""

import pytest

from tornadolike._bench import wrk
from tornadolike._bench.errors import BenchError, WrongAnswer
from tornadolike._bench.exchanges import Request
from tornadolike._bench.figures import Load, Percentiles


def test_result() -> None:
    output = "Running 1s test\n  Requests/sec: 1\n@ 1000 2000000 150000 0 0 0 1500 2500 3500\n"
    assert wrk.parse(output) == Load(1000, 2.0, Percentiles(0.0015, 0.0025, 0.0035), 150000)


@pytest.mark.parametrize(
    ("output", "error", "message"),
    [
        ("unable to connect", BenchError, "unable to connect"),
        ("@ 10 1000000 100 0 0 3 1 1 1\n", WrongAnswer, "3 of 10 requests with an error status"),
        ("@ 10 1000000 100 2 1 0 1 1 1\n", BenchError, "2 connections broke and 1 requests"),
        ("@ 0 1000000 0 0 0 0 0 0 0\n", BenchError, "of 0 requests"),
    ],
)
def test_what_is_no_number(output: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrk.parse(output)


def test_script_holds_any_bytes() -> None:
    script = wrk._script(Request("/p", "PUT", {"X-A": 'quote"'}, b'\x00\xff"\n\\'))
    assert script.isascii()
    assert 'wrk.body = "\\000\\255\\034\\010\\092"' in script
    assert f"wrk.headers[{wrk._quoted(b'X-A')}]" in script
