"""What header objects keep their fields in: as they came off the wire, on a head that answers share, or as lists of values.

There are three forms of the same. Fields off the wire are only raw pairs until somebody reads them. Then ``_index`` finds them by name, if
no name repeats, and values are decoded one by one; messages with the same head share it (`WireFields`). Those of a response stand on a
shared ``_head``, beside which ``_joined`` has what was added. Whoever wants more than either can do gets ``_lists``, which from then on is
all there is; ``_joined`` remembers the strings already shown, so that n values are joined once, not n times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

from tornadolike._http import grammar
from tornadolike._http.response_head import ResponseHead

OWS = " \t"
"""What may surround a value (RFC 9110 §5.6.3), for `str.strip`."""

_SPELLINGS = grammar.SPELLINGS
_new = object.__new__
_WIRE_SPELLINGS = grammar.WIRE_SPELLINGS


class WireFields(list[tuple[bytes, bytes]]):
    """Raw pairs that messages share, because their heads are the same, and what readers have made of them."""

    __slots__ = ("by_name",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__(pairs)
        self.by_name: dict[str, bytes | str] | None = None


class HeaderFields:
    """The inside of a mapping of fields: the forms, and the ways from one to the next."""

    # Each instance has all of them, and the class has none: what a class has under the name of an attribute makes each look at that
    # attribute ten times as dear. One of `_lists`, `_head` and `_pairs` is not None, and says which form it is.
    _lists: dict[str, list[str]] | None
    _head: ResponseHead | None
    _pairs: list[tuple[bytes, bytes]] | None
    _joined: dict[str, str]
    _index: dict[str, bytes | str] | None
    # Not None: the framing has looked at Host already, so that a request need not. True: it has seen, too, that there is no Content-Type,
    # If-None-Match, If-Modified-Since or Range; no longer said once `_pairs` is gone.
    _bare: bool | None
    _packed_form: ClassVar[type[Any]]

    @classmethod
    def _from_wire(cls, pairs: list[tuple[bytes, bytes]], bare: bool | None = None) -> Self:
        """Headers from raw pairs that the framing has checked; nothing is decoded until it is read. ``pairs`` is kept.

        White space around a value goes when the value is read: hardly any has it, and hardly any is read. ``bare`` is given for those of
        a request: what the framing says, which has seen to Host, too.
        """
        headers = _new(cls)
        headers._lists = headers._head = headers._index = None
        headers._pairs = pairs
        headers._joined = {}
        headers._bare = bare
        return headers

    @classmethod
    def _standing_on(cls, head: ResponseHead) -> Self:
        """Headers of a response, which begin like all others: cheaper than to copy them."""
        headers = _new(cls)
        headers._lists = headers._pairs = headers._index = headers._bare = None
        headers._head = head
        headers._joined = {}
        return headers

    def _shares_form_of(self, source: HeaderFields) -> bool:
        """Take the form of ``source`` for a copy of it, unless it is lists, which each has for itself."""
        if source._lists is not None:
            return False
        self._lists, self._pairs, self._head = None, source._pairs, source._head
        self._joined = {} if self._head is None else source._joined.copy()
        return True

    def _take_sound_lists(self, source: HeaderFields) -> Iterable[tuple[str, str]]:
        """Take the fields of ``source`` that could have been added; what was assigned was not checked, and is returned."""
        is_name = grammar.field_name.fullmatch
        lists, others = self._listed(), []
        for name, values in source._listed().items():
            if is_name(name) and all(map(_is_sound, values)):
                lists[name] = values.copy()
            else:
                others.extend([(name, value) for value in values])
        return others

    def _listed(self) -> dict[str, list[str]]:
        """The fields as lists of values, which from then on is their form."""
        if self._lists is not None:
            return self._lists
        if self._head is not None:
            self._joined = {**self._head.values, **self._joined}
            lists = {name: [value] for name, value in self._joined.items()}
        else:
            lists = {}
            for raw_name, raw_value in self._pairs or ():
                lists.setdefault(_WIRE_SPELLINGS[raw_name], []).append(raw_value.decode("latin-1").strip(OWS))
            if self._bare:
                self._bare = False
        self._head = self._pairs = self._index = None
        self._lists = lists
        return lists

    def _names(self) -> Mapping[str, object]:
        """Something that knows which fields there are, at the least cost that answers it."""
        if self._lists is not None:
            return self._lists
        if self._head is not None:
            return {**self._head.values, **self._joined}
        if self._index is None:
            self._index = self._read_index(self._pairs or [])
        return self._listed() if self._index is None else self._index

    def _read_index(self, pairs: list[tuple[bytes, bytes]]) -> dict[str, bytes | str] | None:
        """The pairs by name, values as they are until somebody reads one; None where a name repeats."""
        shared = pairs if isinstance(pairs, WireFields) else None
        if shared is not None and shared.by_name is not None:
            return shared.by_name
        index: dict[str, bytes | str] = {_WIRE_SPELLINGS[name]: value for name, value in pairs}
        if len(index) < len(pairs):
            return None
        if shared is not None:
            shared.by_name = index
        return index

    def _join(self, name: str) -> str:
        if self._head is not None:
            return self._head.values[name]
        lists = self._lists
        if lists is None:
            self._names()
            if self._index is not None:
                return self._read(self._index, name)
            lists = self._listed()
        return self._join_values(name, lists[name])

    def _join_values(self, name: str, values: list[str]) -> str:
        # Cookies are the exception: they are a list of their own (RFC 6265 §5.4; RFC 9113 §8.2.3).
        joined = values[0] if len(values) == 1 else ("; " if name == "Cookie" else ",").join(values)
        self._joined[name] = joined
        return joined

    def _read(self, index: dict[str, bytes | str], name: str) -> str:
        raw = index[name]
        if isinstance(raw, bytes):
            raw = index[name] = raw.decode("latin-1").strip(OWS)
        self._joined[name] = raw
        return raw

    def _get(self, name: str) -> str | None:
        """``get(name)`` without the exception behind its back; for the request path."""
        name = _SPELLINGS[name]
        joined = self._joined.get(name)
        if joined is not None:
            return joined
        if self._head is not None:
            return self._head.values.get(name)
        return self._join(name) if name in self._names() else None

    def _pack(self) -> None:
        """Take a third of the memory until somebody reads a field again. For headers off the wire that have been read, but must be kept.

        Only those can whose very class has a form for it as ``_packed_form``: a class with `unpacking`.
        """
        if self._pairs and (packed := vars(type(self)).get("_packed_form")):
            self._pairs = b"\n".join([part for pair in self._pairs for part in pair])  # type: ignore[assignment]  # until unpacked
            self._index = None
            self._joined = None  # type: ignore[assignment]
            self.__class__ = packed


def value_on_wire(pairs: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The value of a field that came once, as a request's Host did; ``name`` in lower case."""
    for raw_name, value in pairs:
        if len(raw_name) == len(name) and raw_name.lower() == name:
            return value.decode("latin-1").strip(OWS)
    return None


def unpacking(unpacked: type) -> Callable[[Any, str], Any]:
    """The ``__getattribute__`` of a class whose instances are packed ones of ``unpacked``.

    Whatever is wanted of them, they unpack themselves first: then they are what they were.
    """

    def unpack(self: Any, name: str) -> Any:
        packed: Any = object.__getattribute__(self, "_pairs")
        if isinstance(packed, bytes):  # else another thread has been quicker
            parts = iter(packed.split(b"\n"))
            self._joined = {}
            self._pairs = list(zip(parts, parts, strict=True))
            self.__class__ = unpacked
        return object.__getattribute__(self, name)

    return unpack


def _is_sound(value: Any) -> bool:
    text = value.decode() if isinstance(value, bytes) else value
    return isinstance(text, str) and grammar.field_value.fullmatch(text) is not None
