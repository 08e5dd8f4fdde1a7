"""What the fields of ``multipart/form-data`` say: the delimiter, and the names of parts (RFC 7578 §4)."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol

from tornadolike._http import header_values
from tornadolike._http.lazy import pattern
from tornadolike._http.multipart_stream import PART_BEGIN, PART_DATA, PART_END, FormStream, MultipartError

# As nearly all forms have them: what `header_values.parse_parameters` would find, at a fifth of the price.
_ORDINARY_NAMES = pattern(r'form-data; name="([^"\\]+)"(?:; filename="([^"\\]*)")?')
# The same of whole fields.
_ORDINARY_FIELDS = frozenset(("Content-Disposition", "Content-Type", "Content-Length", "Content-Transfer-Encoding"))


class FieldError(MultipartError):
    """A field that is no such thing, or lacks what it must say."""


def boundary(content_type: str) -> str:
    """The parameter of that name, as it stands there. Raises `FieldError` for another type, or where it has none."""
    media_type, *parameters = header_values.split_parameters(content_type)
    if media_type.strip().lower() != "multipart/form-data":
        raise FieldError("Invalid content type")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.lower() == "boundary" and value:
            return value
    raise FieldError("multipart boundary not found")


def unquoted(text: bytes) -> bytes:
    """A boundary without the quotes around it, if there are any."""
    return text[1:-1] if text.startswith(b'"') and text.endswith(b'"') else text


def names(fields: Mapping[str, str]) -> tuple[str, str | None]:
    """The name of a form's field, and of a file, if it is one. Raises `FieldError` where it is neither."""
    field = fields.get("Content-Disposition", "")
    if (ordinary := _ORDINARY_NAMES.fullmatch(field)) is not None:
        return ordinary[1], ordinary[2]
    disposition, parameters = header_values.parse_parameters(field)
    if disposition.lower() != "form-data":
        raise FieldError("Invalid multipart/form-data")
    name = parameters.get("name")
    if not name:
        raise FieldError("multipart/form-data missing name")
    return name, parameters.get("filename")


def ordinary_fields(head: str) -> dict[str, str] | None:
    """The fields of a part's head where they are those that forms have, each once and written as they are by all; None: look closer."""
    fields: dict[str, str] = {}
    for line in head.split("\r\n"):
        name, _, value = line.partition(": ")
        if name not in _ORDINARY_FIELDS or name in fields or not value.isprintable() or value[:1] in _SPACE or value[-1:] in _SPACE:
            return None
        fields[name] = value
    return fields


_SPACE = ("", " ", "\t")


class Listener(Protocol):
    """Who is told of the parts of a form that is still coming."""

    def part_started(self, name: str, filename: str | None, headers: Any) -> Awaitable[None] | None: ...
    def part_data_received(self, chunk: bytes) -> Awaitable[None] | None: ...
    def part_finished(self) -> Awaitable[None] | None: ...


class Reporter:
    """Tells a listener of the parts of a form, piece by piece, and goes no further while it needs time.

    ``read_head`` makes of the bytes before a part's content what the listener gets as headers; ``refuse`` makes of what is wrong with
    the form the exception that is raised.
    """

    __slots__ = ("_feed", "_listener", "_read_head", "_refuse", "_stream")

    def __init__(
        self, stream: FormStream, listener: Listener, read_head: Callable[[bytes], Any], refuse: Callable[[str], Exception]
    ) -> None:
        self._stream = stream
        self._feed = stream.feed_unless_content
        self._listener = listener
        self._read_head = read_head
        self._refuse = refuse

    def take(self, chunk: bytes) -> Awaitable[None] | None:
        """Tell of what ``chunk`` brings. Returns what has to be awaited before the next one, if the listener needs time."""
        events = self._feed(chunk)
        if events is None:
            return self._listener.part_data_received(chunk)
        wanted = self._tell(events)
        return None if wanted is None else self._go_on(wanted, events)

    def take_end(self) -> None:
        """The form must be complete."""
        try:
            self._stream.feed_eof()
        except MultipartError as error:
            raise self._refuse(str(error)) from error

    def _tell(self, events: Iterator[tuple[int, bytes]]) -> Awaitable[None] | None:
        listener = self._listener
        try:
            for kind, data in events:
                wanted = None
                if kind == PART_DATA:
                    wanted = listener.part_data_received(data)
                elif kind == PART_BEGIN:
                    wanted = self._begin_part(data)
                elif kind == PART_END:
                    wanted = listener.part_finished()
                if wanted is not None:
                    return wanted
        except (MultipartError, UnicodeDecodeError) as error:
            raise self._refuse(f"Invalid multipart/form-data: {error}") from error
        return None

    def _begin_part(self, head: bytes) -> Awaitable[None] | None:
        headers = self._read_head(head)
        try:
            name, filename = names(headers)
        except FieldError as error:
            raise self._refuse(str(error)) from error
        return self._listener.part_started(name, filename, headers)

    async def _go_on(self, wanted: Awaitable[None] | None, events: Iterator[tuple[int, bytes]]) -> None:
        while wanted is not None:
            await wanted
            wanted = self._tell(events)
