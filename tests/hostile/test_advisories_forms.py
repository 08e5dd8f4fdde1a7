"""The advisories about python-multipart, 2024 to 2026, each by its number: forms made to hurt a parser get one verdict here, whether the
body comes whole or in pieces of any size, and get it soon.
"""

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from tornadolike import httputil, uploads, web

TYPE = "multipart/form-data; boundary=B"
END = b"\r\n--B--"


def part(disposition: bytes, content: bytes = b"1", more: bytes = b"") -> bytes:
    return b"--B\r\nContent-Disposition: form-data; " + disposition + b"\r\n" + more + b"\r\n" + content


PART = part(b"name=a")

Form = list[tuple[str, str | None, bytes]] | None


def whole(body: bytes, content_type: str = TYPE) -> Form:
    """Fields of the whole body as (name, file name, content), sorted; None for a refusal."""
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[httputil.HTTPFile]] = {}
    try:
        httputil.parse_body_arguments(content_type, body, arguments, files)
    except httputil.HTTPInputError:
        return None
    found = [(name, None, value) for name, values in arguments.items() for value in values]
    found += [(name, file.filename, file.body) for name, several in files.items() for file in several]  # type: ignore[misc]
    return sorted(found, key=str)


class Fields(httputil.MultipartDelegate):
    def __init__(self) -> None:
        self.found: list[tuple[str, str | None, bytes]] = []

    def part_started(self, name: str, filename: str | None, headers: httputil.HTTPHeaders) -> None:
        self.found.append((name, filename or None, b""))

    def part_data_received(self, chunk: bytes) -> None:
        name, filename, content = self.found.pop()
        self.found.append((name, filename, content + chunk))


def in_pieces(body: bytes, size: int) -> Form:
    fields = Fields()
    parser = httputil.StreamingMultipartFormDataParser.from_content_type(TYPE, fields)
    try:
        for at in range(0, len(body), size):
            parser.data_received(body[at : at + size])
        parser.finish()
    except httputil.HTTPInputError:
        return None
    return sorted(fields.found, key=str)


LONG = 300_000
FORMS: dict[str, list[tuple[bytes, Form]]] = {
    # Line ends before the first boundary, and anything behind the last one, were taken byte by byte, with a line in the log for each.
    "CVE-2024-53981 / GHSA-59g5-xgcq-4qw3": [
        (b"\r\n" * LONG + PART + END, [("a", None, b"1")]),
        (b"\n" * LONG + b"\r\n" + PART + END, [("a", None, b"1")]),
        (PART + END + b"\r\n" * LONG, [("a", None, b"1")]),
        (PART + END + b"x" * LONG, [("a", None, b"1")]),
    ],
    # The same two places again: quadratic in what stands before the first boundary, linear work for what nobody reads behind the last.
    "CVE-2026-40347 / GHSA-mj87-hwqh-73pj": [
        (b"\r" * LONG + b"\r\n" + PART + END, [("a", None, b"1")]),
        (b"\r\n--" * LONG + b"\r\n" + PART + END, [("a", None, b"1")]),
        (b"\r\n--A" * LONG + b"\r\n" + PART + END, [("a", None, b"1")]),
        (b"x" * LONG, None),
        (PART + END + b"\r\n--B\r\n" * LONG, [("a", None, b"1")]),
    ],
    # No limit for the fields in a part's head, and for the length of one.
    "CVE-2026-42561 / GHSA-pp6c-gr5w-3c5g": [
        (part(b"name=a", more=b"A: b\r\n" * LONG) + END, None),
        (part(b"name=a", more=b"A:\r\n" * 101) + END, None),
        (part(b"name=a", more=b"A: " + b"b" * LONG + b"\r\n") + END, None),
        (part(b"name=a", more=b"A" * LONG + b": b\r\n") + END, None),
        (b"--B\r\n" + b"A" * LONG, None),
        (part(b"name=a", more=b"A: b\r\n" * 50) + END, [("a", None, b"1")]),
    ],
    # Parameters in the form of RFC 2231 take the place of the plain ones, which a filter in front may look at. Tornado reads them, and so
    # do we; what must not be is that one way of reading a form takes the one and another way the other.
    "CVE-2026-53537": [
        (part(b"name=a; filename=good.txt; filename*=utf-8''evil.php") + END, [("a", "evil.php", b"1")]),
        (part(b"name=a; filename*0=ev; filename*1=il.php") + END, [("a", "evil.php", b"1")]),
        (part(b"name=a; name*=utf-8''admin") + END, [("admin", None, b"1")]),
        (part(b"name*=utf-8''%ff; name=a") + END, [("\N{REPLACEMENT CHARACTER}", None, b"1")]),
    ],
    # A length below zero was no limit. A part's length, which a form need not have, is not believed here.
    "CVE-2026-53540 / GHSA-v9pg-7xvm-68hf": [
        (part(b"name=a", more=b"Content-Length: -1\r\n") + END, [("a", None, b"1")]),
        (part(b"name=a", more=b"Content-Length: 99999999999\r\n") + END, [("a", None, b"1")]),
    ],
}


@pytest.mark.parametrize("number", FORMS)
def test_one_verdict(number: str) -> None:
    for (body, expected), size in itertools.product(FORMS[number], (1, 7, 100, 4096, 65536)):
        if size < 100 and len(body) > 20_000:
            body = body[:4000] + body[-4000:]  # in pieces of a byte
            expected = whole(body)
        assert whole(body) == expected, body[:60]
        assert in_pieces(body, size) == expected, (body[:60], size)


@pytest.mark.parametrize("number", FORMS)
def test_time_is_linear(number: str) -> None:
    for body, _ in FORMS[number]:
        began = time.process_time()
        whole(body)
        in_pieces(body, 4096)
        assert time.process_time() - began < 5  # milliseconds, where the machine has nothing else to do; quadratic would be minutes


@pytest.mark.parametrize(
    "options",
    [
        '; !="' + "\\" * 100_000,
        "; a=" + '\\"' * 50_000,
        "; " + "a" * 100_000,
        ";" * 100_000,
        '; boundary="' + "\\" * 99_999,
        '; boundary="' + '\\"' * 50_000,
    ],
    ids=len,
)
def test_the_options_of_a_content_type_cost_no_time(options: str) -> None:
    """CVE-2024-24762: an expression over a Content-Type's options took minutes."""
    began = time.process_time()
    assert whole(PART + END, "multipart/form-data" + options) is None
    with pytest.raises(httputil.HTTPInputError):
        httputil.StreamingMultipartFormDataParser.from_content_type("multipart/form-data" + options, Fields()).finish()
    assert time.process_time() - began < 5


def test_a_semicolon_separates_no_fields() -> None:
    """CVE-2026-53538 / GHSA-6jv3-5f52-599m: ``;`` between fields of a urlencoded body, where others only know ``&``."""
    urlencoded = "application/x-www-form-urlencoded"
    assert whole(b"a=1;b=2", urlencoded) == [("a", None, b"1;b=2")]
    assert whole(b"a=1;b=2&c=3", urlencoded) == [("a", None, b"1;b=2"), ("c", None, b"3")]


def test_semicolons_cost_no_time() -> None:
    """CVE-2026-53539 / GHSA-5rvq-cxj2-64vf: each ``;`` had the rest of the body searched for ``&`` once more."""
    began = time.process_time()
    body = b"a=" + b";" * 2_000_000
    assert whole(body, "application/x-www-form-urlencoded") == [("a", None, body[2:])]
    assert time.process_time() - began < 5


class Upload(uploads.UploadHandler):
    async def post(self) -> None:
        self.write({"paths": [file.path for file in self.uploads], "filenames": [file.filename for file in self.uploads]})


class Whole(web.RequestHandler):
    def post(self) -> None:
        self.write({"names": sorted(self.request.files)})


ROUTES: list[tuple[str, type[web.RequestHandler]]] = [("/upload", Upload), ("/whole", Whole)]


@pytest.mark.parametrize("filename", [b"/etc/cron.d/evil", b"../../evil", b"..\\\\evil", b"evil\\0", b"C:\\\\evil", b"upload-1"])
async def test_a_file_name_is_no_path(serve: Any, tmp_path: Path, filename: bytes) -> None:
    """CVE-2026-24486 / GHSA-wp53-j4wj-2cfg: with some settings the client's file name chose where the file went."""
    site = serve(web.Application(ROUTES, upload_dir=str(tmp_path)))
    client = await site.client()
    body = part(b'name=a; filename="' + filename + b'"') + END
    client.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (TYPE.encode(), len(body)) + body)
    head, answer = await client.response()
    assert head.startswith(b"HTTP/1.1 200")
    [path] = web.escape.json_decode(answer)["paths"]
    assert Path(path).parent == tmp_path
    assert Path(path).name.startswith("upload-")
    assert "evil" not in path
    await site.until(lambda: list(tmp_path.iterdir()) == [])


@pytest.mark.parametrize("path", [b"/upload", b"/whole"])
async def test_a_length_below_zero_is_refused(serve: Any, logs: Any, path: bytes) -> None:
    """CVE-2026-53540 / GHSA-v9pg-7xvm-68hf, at the server: the whole body went to memory."""
    client = await serve(ROUTES).client()
    client.send(b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: %b\r\nContent-Length: -1\r\n\r\n" % (path, TYPE.encode()) + PART + END)
    assert (await client.rest()).startswith(b"HTTP/1.1 400")
    logs.take("tornado.general", "Malformed HTTP message")
