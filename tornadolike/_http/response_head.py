"""Header fields that many responses begin with: made once, shared by all of them, changed by nobody."""

from typing import Any

_MAX_VARIANTS = 32


class ResponseHead:
    """Fields with one value each, none of them a length. ``values`` is by spelled name and in order, ``lines`` is the same as HTTP/1.1
    sends it (Latin-1).

    ``forms`` is for carriers to remember what they make of it, under keys of their own. ``variants`` are what `replacing`
    has made, by the name and the value.
    """

    __slots__ = ("forms", "lines", "tagged", "values", "variants")

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.tagged = "Etag" in values
        self.lines = "".join([f"{name}: {value}\r\n" for name, value in values.items()]).encode("latin-1")
        self.forms: dict[Any, Any] = {}
        self.variants: dict[tuple[str, str], ResponseHead] = {}

    def replacing(self, name: str, value: str) -> "ResponseHead | None":
        """The same with another value in one field; None for a value that has to be looked at before it is sent.

        Few values come up again and again, such as the media types of an application: these are made once.
        """
        found = self.variants.get((name, value))
        if found is None and value.isascii() and value.isprintable():
            found = ResponseHead({**self.values, name: value})
            if len(self.variants) < _MAX_VARIANTS:
                self.variants[name, value] = found
        return found
