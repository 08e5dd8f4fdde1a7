"""Making gzip (RFC 1952), by `isal` where that is installed, else by `zlib`.

ISA-L's compressor takes an eighth of the time. It has three levels of its own, so what is asked for in zlib's levels means this:

====== ============================================= ================================================
level  with isal                                     without
====== ============================================= ================================================
0, 9   as without                                    zlib's: nothing compressed; as small as zlib can
1 to 3 ISA-L's first, about as large as zlib's first zlib's
others ISA-L's third, 5 to 30 % larger than zlib's 6 zlib's, 6 where it is -1
====== ============================================= ================================================

Only for making it: what others have sent is inflated by zlib, which says at each limit of the output what input is left. ISA-L takes
the input in and keeps output back.
"""

import functools
import importlib
import zlib
from typing import Any, Protocol

_FAST, _GOOD = 1, 3  # of ISA-L's levels
_ZLIBS_ALONE = frozenset({0, 9})
_FAST_UP_TO = 3


class Compressor(Protocol):
    """What `zlib.compressobj` returns, as far as it is used."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...


@functools.cache
def _isal() -> Any:
    """The module, or None where it is not installed, or does not work on this processor."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return None


def load() -> None:
    """Import what makes gzip now."""
    _isal()


def gzip_compressor(level: int) -> Compressor:
    """A new gzip stream at a level as `zlib` counts them. Raises `ValueError` or `zlib.error` for what is none."""
    isal = None if level in _ZLIBS_ALONE or not -1 <= level <= 9 else _isal()
    if isal is None:
        return zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    compressor: Compressor = isal.compressobj(_FAST if 0 < level <= _FAST_UP_TO else _GOOD, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return compressor
