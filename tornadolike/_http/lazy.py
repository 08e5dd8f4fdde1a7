"""What is made when somebody looks: attributes, and compiled regular expressions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, AnyStr, Generic, TypeVar, cast, overload

_T = TypeVar("_T")


class Lazy(Generic[_T]):
    """An attribute which is computed when first read, and an ordinary instance attribute ever after.

    Unlike `functools.cached_property` it takes no lock (Python 3.11) and does not look like a property, which these
    attributes are not in Tornado: they can be assigned and deleted.
    """

    def __init__(self, compute: Callable[[Any], _T]) -> None:
        self._compute = compute

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Lazy[_T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...
    def __get__(self, instance: object | None, owner: type) -> _T | Lazy[_T]:
        if instance is None:
            return self
        value = self._compute(instance)
        setattr(instance, self._name, value)  # in its dictionary it would cost more, and make all attributes dearer
        return value


class Empty(Lazy[Any]):
    """An attribute which is empty until it is set, and made when it is read: objects that last long need not keep one each.

    Read from the class it is None.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__(lambda instance: make())

    def __get__(self, instance: object | None, owner: type) -> Any:
        return None if instance is None else super().__get__(instance, owner)


if TYPE_CHECKING:
    MappingProperty = property
else:

    class MappingProperty(property):
        """A property with a mapping, one value of which can be had without the others: other kinds do not promise that."""

        def getter(self, compute):
            return property(compute, self.fset, self.fdel)


class _Pattern:
    """A regular expression that is compiled when it is first used; its methods are attributes of its own from then on."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, value)
        return value


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """`re.compile`, put off until the pattern is first used: those of a server together take a fiftieth of what its import takes."""
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))
