import pytest

from tornadolike._web import content_codings


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.1, br", True),
        ("gzip;q=1.000", True),
        ("gzip;q=0", False),
        ("gzip; Q=0.000", False),
        ("x-gzip-not", False),
        ("gzipped", False),
        ("*", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity, *;q=0, gzip", True),
        ("", False),
        (",".join(["a"] * 200) + ", gzip", False),
    ],
)
def test_who_wants_gzip(header, wanted):
    assert content_codings.accepts_gzip(header) is wanted
