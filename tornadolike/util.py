"""Small building blocks which the rest of the package shares.

Applications meet `Configurable.configure` here, by way of `.AsyncHTTPClient`, `.IOLoop` and `.Resolver`. The other
names are public because Tornado made them so; new code has better choices in the standard library.
"""

from __future__ import annotations

import builtins
import inspect
import re
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from tornadolike import _imported_names
from tornadolike._http.lazy import pattern

if TYPE_CHECKING:
    import datetime as dt
    import unittest
    from types import TracebackType

bytes_type = bytes
"""The type of byte strings."""
unicode_type = str
"""The type of text."""
basestring_type = str
"""The type of text, under its name of old."""

TimeoutError = builtins.TimeoutError  # noqa: A001 - Tornado's name for what asyncio raises
"""Raised where a time limit ran out; the same as the builtin exception."""


class ObjectDict(dict[str, Any]):
    """A ``dict`` whose items can also be read and assigned as attributes.

    A missing name raises `AttributeError` as an attribute and `KeyError` as an item.

    >>> point = ObjectDict(x=1)
    >>> point.y = 2
    >>> point["x"] + point["y"]
    3
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


# What one call hands to zlib at a time. zlib returns a copy of everything behind the end of a member, so whole
# chunks would make a body of many tiny members cost the square of its length.
_GZIP_WINDOW = 8192
_GZIP_MAGIC = b"\x1f\x8b"


class GzipDecompressor:
    """Decompresses a gzip stream (RFC 1952) piece by piece, in bounded memory.

    A stream may hold any number of members, one after the other; an empty stream is valid too. Feed it with
    `decompress`, give `unconsumed_tail` back until that is empty, and call `flush` at the end to learn whether the
    stream was whole.
    """

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self._tail = b""

    def decompress(self, value: bytes, max_length: int = 0) -> bytes:
        """Take in ``value`` and return what it decompresses to, at most ``max_length`` bytes of it.

        Where the limit held input back, that is found in `unconsumed_tail`: pass it to the next call. A result may
        be shorter than the limit, even empty, while a tail is left.

        Without a limit (0) a small input can fill the memory: that is deprecated and warns.

        Raises `zlib.error` for anything that is not gzip, behind the last member too.
        """
        if not max_length:
            warnings.warn("GzipDecompressor.decompress without max_length is deprecated", DeprecationWarning, stacklevel=2)
        size, member = len(value), self._member
        if member is not None and max_length > 0 and 0 < size <= _GZIP_WINDOW:  # as most pieces behind the first
            piece = member.decompress(value, max_length)
            if not member.eof:
                self._tail = member.unconsumed_tail
                return piece
            self._member, unused = None, len(member.unused_data)
            position = size - unused
        elif size <= _GZIP_WINDOW:
            piece, unused = self._inflate(value, max_length) if size else (b"", 0)
            position = size - unused
        else:
            piece, unused = self._inflate(value[:_GZIP_WINDOW], max_length)
            position = _GZIP_WINDOW - unused
        if position == size:
            self._tail = b""
            return piece
        pieces, limit = [piece], max_length - len(piece)
        while position < size and (not max_length or limit > 0):
            window = value[position : position + _GZIP_WINDOW]
            piece, unused = self._inflate(window, limit)
            pieces.append(piece)
            position += len(window) - unused
            limit -= len(piece)
        self._tail = bytes(value[position:])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _inflate(self, window: bytes, limit: int) -> tuple[bytes, int]:
        """The output for ``window``, at most ``limit`` bytes of it (0 or less: all), and how many of its bytes were not used."""
        member = self._member
        if member is None:
            # A member may start with its last byte in sight only; zlib itself then checks the next one.
            if window[:2] != _GZIP_MAGIC and not _GZIP_MAGIC.startswith(window[:2]):
                raise zlib.error(f"not a gzip member, it starts with {bytes(window[:2])!r}")
            member = self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        piece = member.decompress(window, max(0, limit))
        if not member.eof:
            return piece, len(member.unconsumed_tail)
        self._member = None
        return piece, len(member.unused_data)

    @property
    def unconsumed_tail(self) -> bytes:
        """The input which the last `decompress` did not use; it must be passed to the next one."""
        return self._tail

    def flush(self) -> bytes:
        """End the stream; the result is always empty, and the object is of no further use.

        Raises `ValueError` while there is an `unconsumed_tail`, and `zlib.error` where the stream stops inside of a
        member.
        """
        if self._tail:
            raise ValueError("unconsumed_tail is not empty: decompress it first")
        if self._member is not None:
            raise zlib.error("the gzip stream ends inside of a member")
        return b""


def import_object(name: str) -> Any:
    """The module, or the attribute of a module, with this dotted name, imported when needed.

    `ImportError` says that there is no such thing.

    >>> import os.path
    >>> import_object("os.path.join") is os.path.join
    True
    >>> import_object("os.path") is os.path
    True
    >>> import_object("os") is os
    True
    """
    package, _, last = name.rpartition(".")
    if not package:
        return __import__(name)
    # A name in fromlist is imported where it is a submodule, and passed over where it is not.
    module = __import__(package, fromlist=[last])
    try:
        return getattr(module, last)
    except AttributeError:
        raise ImportError(f"No module named {last}") from None


def exec_in(code: Any, glob: dict[str, Any], loc: Mapping[str, Any] | None = None) -> None:
    """Run ``code`` (source text or a code object) with these globals and locals.

    The source sees no ``__future__`` import but its own.
    """
    exec(compile(code, "<string>", "exec", dont_inherit=True) if isinstance(code, str) else code, glob, loc)


def raise_exc_info(exc_info: tuple[type | None, BaseException | None, TracebackType | None]) -> NoReturn:
    """Raise again what `sys.exc_info` returned, with its traceback."""
    _, error, traceback = exc_info
    if error is None:
        raise TypeError("raise_exc_info called with no exception")
    try:
        raise error.with_traceback(traceback)
    finally:
        # The traceback refers to this frame: a frame which refers back would be garbage for the cycle collector only.
        del exc_info, error, traceback


def errno_from_exception(e: BaseException) -> int | None:
    """The ``errno`` of an exception; without one, its first argument; None when it has neither."""
    if hasattr(e, "errno"):
        number: int | None = e.errno
        return number
    return e.args[0] if e.args else None


_ESCAPED_CHARACTER = pattern(r"\\(.)", re.DOTALL)


def _literal_character(match: re.Match[str]) -> str:
    character = match[1]
    if character.isascii() and character.isalnum():
        raise ValueError(f"cannot unescape '\\\\{character}'")
    return character


def re_unescape(s: str) -> str:
    r"""The text that `re.escape` turned into ``s``.

    Raises `ValueError` for patterns which `re.escape` cannot have made.

    >>> re_unescape(re.escape("a+b (c)"))
    'a+b (c)'
    >>> re_unescape(r"\d")
    Traceback (most recent call last):
        ...
    ValueError: cannot unescape '\\d'
    """
    return _ESCAPED_CHARACTER.sub(_literal_character, s) if "\\" in s else s


class Configurable:
    """An interface whose constructor makes an instance of the implementation that was chosen for it.

    Calling the base class gives an object of its configured implementation (`configure`), or else of its default;
    calling an implementation gives that. `isinstance` and subclassing work as they always do.

    A hierarchy defines `configurable_base` and `configurable_default`; its implementations define `initialize`
    instead of ``__init__``. An implementation may be the base of a hierarchy of its own.
    """

    # An inner base without keyword arguments of its own sees those of the outer one, by inheritance.
    __impl_class: type[Configurable] | None = None
    __impl_kwargs: dict[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        base = cls.configurable_base()
        implementation: type[Configurable] = cls
        if cls is base:
            implementation = cls.configured_class()
            if base.__impl_kwargs:
                kwargs = base.__impl_kwargs | kwargs
        if implementation.configurable_base() is not base:
            return implementation(*args, **kwargs)
        instance = super().__new__(implementation)
        # Not __init__: Python would call that for every result of the constructor, made earlier or not, and
        # AsyncHTTPClient returns one object many times.
        instance.initialize(*args, **kwargs)
        return instance

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        """The class at the top of this hierarchy: as a rule the one that defines this method, not ``cls``."""
        raise NotImplementedError

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        """The implementation to use when none was configured."""
        raise NotImplementedError

    if TYPE_CHECKING:
        # Implementations choose their own parameters, which a plain method would forbid them.
        initialize: Callable[..., None]
    else:

        def initialize(self) -> None:
            """Set up a new instance, with the arguments of the constructor; implementations override this."""

    @classmethod
    def configure(cls, impl: str | type[Configurable] | None, **kwargs: Any) -> None:
        """Choose what the base class makes from now on.

        ``impl`` is a subclass, its dotted name, or None for the default. The keyword arguments are passed to every
        instance made through the base class, unless the call itself names them.

        Raises `ValueError` when ``impl`` is no subclass of this class.
        """
        implementation: type[Configurable] | None = import_object(impl) if isinstance(impl, str) else impl
        if implementation is not None and not issubclass(implementation, cls):
            raise ValueError(f"Invalid subclass of {cls}")
        cls._restore_configuration((implementation, kwargs))

    @classmethod
    def configured_class(cls) -> type[Configurable]:
        """The implementation which the base class makes now."""
        base = cls.configurable_base()
        # Looked up in the class itself: the choice made for an outer base is not a choice for this one.
        chosen: type[Configurable] | None = vars(base).get("_Configurable__impl_class")
        if chosen is None:
            chosen = base.__impl_class = cls.configurable_default()
        return chosen

    @classmethod
    def _save_configuration(cls) -> tuple[type[Configurable] | None, dict[str, Any] | None]:
        base = cls.configurable_base()
        return base.__impl_class, base.__impl_kwargs

    @classmethod
    def _restore_configuration(cls, saved: tuple[type[Configurable] | None, dict[str, Any] | None]) -> None:
        base = cls.configurable_base()
        base.__impl_class, base.__impl_kwargs = saved


class ArgReplacer:
    """Finds and exchanges one argument of a call, however the caller passed it: for decorators.

    ``func`` is the function to be called, ``name`` the name of its parameter.
    """

    def __init__(self, func: Callable[..., Any], name: str) -> None:
        self.name = name
        names = _positional_parameters(func)
        self.arg_pos: int | None = names.index(name) if name in names else None

    def get_old_value(self, args: Sequence[Any], kwargs: dict[str, Any], default: Any = None) -> Any:
        """The argument as it was passed, or ``default``."""
        position = self.arg_pos
        if position is not None and position < len(args):
            return args[position]
        return kwargs.get(self.name, default)

    def replace(self, new_value: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Sequence[Any], dict[str, Any]]:
        """Exchange the argument and return ``(old value or None, args, kwargs)`` for the call.

        An argument which was not passed is added to ``kwargs``. ``kwargs`` is changed in place, ``args`` never.
        """
        position = self.arg_pos
        if position is not None and position < len(args):
            old_value = args[position]
            args = list(args)
            args[position] = new_value
        else:
            old_value = kwargs.get(self.name)
            kwargs[self.name] = new_value
        return old_value, args, kwargs


def _positional_parameters(func: Callable[..., Any]) -> Sequence[str]:
    try:
        return inspect.getfullargspec(func).args
    except TypeError:
        # Functions compiled by Cython have a code object, under its old name, but no signature.
        code = getattr(func, "func_code", None)
        if code is None:
            raise
        names: Sequence[str] = code.co_varnames[: code.co_argcount]
        return names


def timedelta_to_seconds(td: dt.timedelta) -> float:
    """``td`` in seconds."""
    return td.total_seconds()


def _websocket_mask_python(mask: bytes, data: bytes) -> bytes:
    """``data`` exclusive-or the four bytes of ``mask``, repeated over its length (RFC 6455 §5.3)."""
    if len(mask) != 4:
        raise ValueError("mask must be 4 bytes")
    size = len(data)
    # Two big integers: some hundred times as fast as a loop over the bytes.
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")


_websocket_mask = _websocket_mask_python


def doctests() -> unittest.TestSuite:
    """The examples in this module's docstrings, as a test suite."""
    import doctest

    return doctest.DocTestSuite(__name__)


_imported_names.complete(globals())
