"""What HTTP means (RFC 9110, 6265, 7578), whatever the wire. The ground on which every other room may stand.

A module is imported when it is first looked up (``_http.ranges.parse_range``), or all together with `load`, as in ``_web``.
"""

import functools
import importlib
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING


def late(package: str, names: Collection[str]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package whose modules of these names are imported when they are first looked up."""

    def look_up(name: str) -> object:
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return look_up


def import_all(package: str, names: Collection[str]) -> None:
    """Import them now."""
    for name in names:
        importlib.import_module(f"{package}.{name}")
    # Of no use from now on, and while a module has one every look-up in it takes three times as long.
    vars(sys.modules[package]).pop("__getattr__", None)


_LATE = ("compression", "cookies", "form_parts", "header_values", "multipart", "multipart_stream", "ranges", "urls")

if TYPE_CHECKING:
    from tornadolike._http import compression as compression
    from tornadolike._http import cookies as cookies
    from tornadolike._http import form_parts as form_parts
    from tornadolike._http import header_values as header_values
    from tornadolike._http import multipart as multipart
    from tornadolike._http import multipart_stream as multipart_stream
    from tornadolike._http import ranges as ranges
    from tornadolike._http import urls as urls
else:
    __getattr__ = late(__name__, _LATE)


@functools.cache
def load() -> None:
    """Import what was put off, compile the patterns of ``grammar``."""
    from tornadolike._http import grammar

    grammar.load()
    import_all(__name__, _LATE)
    sys.modules[f"{__name__}.compression"].load()
