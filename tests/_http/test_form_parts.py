"""What the fields of a form say, and how a listener hears of them."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from tornadolike import httputil
from tornadolike._http import form_parts, header_values
from tornadolike._http.multipart_stream import FormStream

FORM = b'--B\r\nname: a\r\n\r\none\r\n--B\r\nname: b; file="f"\r\n\r\ntwo\r\n--B--\r\n'


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data ; charset=x; BOUNDARY="a;b"', '"a;b"'),
        ("multipart/form-data; boundary=; boundary=b", "b"),
    ],
)
def test_boundary(content_type: str, expected: str) -> None:
    assert form_parts.boundary(content_type) == expected


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("text/plain; boundary=a", "Invalid content type"),
        ("multipart/form-data", "not found"),
        ("multipart/form-data; boundary=", "not found"),
    ],
)
def test_no_boundary(content_type: str, message: str) -> None:
    with pytest.raises(form_parts.FieldError, match=message):
        form_parts.boundary(content_type)


@pytest.mark.parametrize(("text", "expected"), [(b"a", b"a"), (b'"a"', b"a"), (b'"a', b'"a'), (b"", b"")])
def test_unquoted(text: bytes, expected: bytes) -> None:
    assert form_parts.unquoted(text) == expected


def test_names() -> None:
    assert form_parts.names({"Content-Disposition": 'form-data; name="a"'}) == ("a", None)
    assert form_parts.names({"Content-Disposition": "FORM-DATA; name=a; filename*=UTF-8''%C3%A9"}) == ("a", "é")
    for odd in ({}, {"Content-Disposition": "attachment; name=a"}, {"Content-Disposition": 'form-data; name=""'}):
        with pytest.raises(form_parts.FieldError):
            form_parts.names(odd)


class Heard(list[Any]):
    """A listener that notes what it hears, and wants time for it where told so."""

    slow = False

    def _note(self, *what: Any) -> Awaitable[None] | None:
        self.append(what)
        return asyncio.sleep(0) if self.slow else None

    def part_started(self, name: str, filename: str | None, headers: Any) -> Awaitable[None] | None:
        return self._note(name, filename, headers["at"])

    def part_data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._note(chunk)

    def part_finished(self) -> Awaitable[None] | None:
        return self._note()


def read_head(head: bytes) -> dict[str, str]:
    name = head.decode().partition("name: ")[2]
    return {"Content-Disposition": f"form-data; name={name.replace('file=', 'filename=')}", "at": name[:1]}


def reporter(heard: Heard) -> form_parts.Reporter:
    return form_parts.Reporter(FormStream(b"B", 10, 1000), heard, read_head, LookupError)


ALL = [("a", None, "a"), (b"one",), (), ("b", "f", "b"), (b"two",), ()]


VALUES = [
    'form-data; name="a"',
    'form-data; name="a"; filename="b c;d.txt"',
    'form-data; name="\xe4"; filename=""',
    'form-data; name=""',
    'form-data; name="a\\\\b"',
    'form-data; name="a\\"b"',
    'form-data; name="a"; filename="C:\\x"',
    "form-data; name=a",
    'FORM-DATA; name="a"',
    'form-data; name="a"; filename="b"; filename*=UTF-8\'\'c',
    'form-data;name="a"',
    'form-data; filename="b"; name="a"',
    "text/plain",
    "7bit",
    'form-data; name="a" ',
    ' form-data; name="a"',
    'form-data; name="a\tb"',
    "a\x7f",
    "a\rb",
    "",
    "form-data",
    'form-data; name="a"; name="b"',
]


@pytest.mark.parametrize("value", VALUES)
def test_ordinary_names_are_what_reading_them_closely_gives(value: str) -> None:
    disposition, parameters = header_values.parse_parameters(value)
    closely = (parameters.get("name"), parameters.get("filename")) if disposition.lower() == "form-data" else (None, None)
    try:
        found = form_parts.names({"Content-Disposition": value})
    except form_parts.FieldError:
        assert not closely[0]
    else:
        assert found == closely


@pytest.mark.parametrize("name", ["Content-Disposition", "content-type", "Content-Type", "X-Other", ""])
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("begin", ["", "Content-Type: a/b\r\n", "Content-Type: a/b\n", "a: b\r\n"])
def test_ordinary_fields_are_what_reading_them_closely_gives(begin: str, name: str, value: str) -> None:
    head = f"{begin}{name}: {value}"
    ordinary = form_parts.ordinary_fields(head)
    if ordinary is None:
        return
    closely = httputil.HTTPHeaders.parse(head, _chars_are_bytes=False)
    assert httputil._part_headers(head.encode()) == closely
    assert list(httputil._part_headers(head.encode()).get_all()) == list(closely.get_all())


def test_which_fields_are_ordinary() -> None:
    head = 'Content-Disposition: form-data; name="a"; filename="b"\r\nContent-Type: text/plain'
    assert form_parts.ordinary_fields(head) == {"Content-Disposition": 'form-data; name="a"; filename="b"', "Content-Type": "text/plain"}
    for odd in (f"{head}\r\nContent-Type: text/html", f"{head}\r\n folded", head.replace(": ", ":"), f"{head} ", head.lower(), ""):
        assert form_parts.ordinary_fields(odd) is None


def test_a_listener_that_needs_no_time() -> None:
    heard = Heard()
    telling = reporter(heard)
    assert telling.take(FORM) is None
    telling.take_end()
    assert heard == ALL


async def test_nothing_is_told_while_the_listener_needs_time() -> None:
    heard = Heard()
    heard.slow = True
    telling = reporter(heard)
    wanted = telling.take(FORM)
    assert wanted is not None
    assert heard == ALL[:1]
    await wanted
    assert heard == ALL


def test_what_is_wrong_with_the_form_is_raised_as_wanted() -> None:
    telling = reporter(Heard())
    telling.take(FORM[:40])
    with pytest.raises(LookupError, match="no final boundary"):
        telling.take_end()
    with pytest.raises(LookupError, match=r"^'?multipart/form-data missing name'?$"):
        reporter(Heard()).take(b"--B\r\nx: 1\r\n\r\n")
    with pytest.raises(LookupError, match=r"Invalid multipart/form-data: .*can't decode"):
        reporter(Heard()).take(b"--B\r\nname: \xff\r\n\r\n")
