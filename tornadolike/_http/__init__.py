"""What HTTP means (RFC 9110, 6265, 7578), whatever the wire. The ground on which every other room may stand.

A module is imported when it is first looked up (``_http.ranges.parse_range``), or all together with `load`, as in ``_web``.
"""

import importlib
from typing import TYPE_CHECKING

_LATE = ("cookies", "header_values", "multipart", "ranges")

if TYPE_CHECKING:
    from tornadolike._http import cookies as cookies
    from tornadolike._http import header_values as header_values
    from tornadolike._http import multipart as multipart
    from tornadolike._http import ranges as ranges
else:

    def __getattr__(name: str) -> object:
        if name in _LATE:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load() -> None:
    """Import what was put off, compile the patterns of ``grammar``."""
    from tornadolike._http import grammar

    grammar.load()
    for name in _LATE:
        importlib.import_module(f"{__name__}.{name}")
    globals().pop("__getattr__", None)  # of no use now, and while there is one every look-up takes three times as long
