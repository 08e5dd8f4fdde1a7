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


@pytest.mark.parametrize(
    ("fields", "length", "expected"),
    [
        ({}, None, {}),
        ({"Content-Length": "2000"}, 100, {"Content-Length": "100"}),
        ({"Content-Length": "2000"}, None, {}),
        ({"Etag": '"x"'}, 100, {"Etag": 'W/"x"'}),
        ({"Etag": 'W/"x"'}, 100, {"Etag": 'W/"x"'}),
    ],
)
def test_what_a_compressed_answer_says(fields, length, expected):
    content_codings.announce_gzip(fields, length)
    assert fields == {"Content-Encoding": "gzip", **expected}


@pytest.mark.parametrize(
    ("fields", "size", "is_head", "expected"),
    [
        ({}, 10, False, True),
        ({}, 9, False, False),
        ({"Content-Length": "10"}, 0, True, True),
        ({"Content-Length": "10"}, 0, False, False),
        ({"Content-Length": "ten"}, 0, True, False),
        ({"Content-Encoding": "br"}, 10, False, False),
        ({"Content-Range": "bytes 0-9/100"}, 10, False, False),
    ],
)
def test_what_can_be_encoded(fields, size, is_head, expected):
    assert content_codings.can_be_encoded(fields, size, 10, is_head) == expected
