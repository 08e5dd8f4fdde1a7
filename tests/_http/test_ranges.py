"""Range fields."""

import pytest

from tornadolike._http.ranges import content_range, parse_range


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=3-", (3, None)),
        ("bytes=-7", (-7, None)),
        ("bytes=-0", (None, 0)),
        ("bytes=", (None, None)),
        ("bytes=9-3", (9, 4)),
        (" bytes = 1 - 2 ", (1, 3)),
        ("items=0-1", None),
        ("bytes=0-1,5-6", None),
        ("bytes=1-2-3", None),
        ("bytes=+1-2", None),
        ("bytes=1_0-", None),
        ("bytes=\u0661-", None),
        ("bytes=--5", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("", None),
    ],
)
def test_parse_range(field: str, expected: tuple[int | None, int | None] | None) -> None:
    assert parse_range(field) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(None, None, "bytes 0-8/9"), (2, None, "bytes 2-8/9"), (None, 4, "bytes 0-3/9"), (2, 4, "bytes 2-3/9")]
)
def test_content_range(start: int | None, end: int | None, expected: str) -> None:
    assert content_range(start, end, 9) == expected


def test_cve_2025_62727_many_ranges_cost_nothing() -> None:
    """CVE-2025-62727 (Starlette): merging thousands of ranges was quadratic. Several ranges are not served here at all."""
    assert parse_range("bytes=" + "0-1," * 100_000) is None
    assert parse_range("bytes=" + " " * 100_000 + "x") is None
