"""Making gzip (RFC 1952), by `isal` where that is installed, else by `zlib`.

ISA-L's compressor takes a twelfth of the time. Its levels are not zlib's, and the second of them is both fast and good. So of the levels of
zlib, in which what is wanted is said, 0 and 9 mean what they always do (nothing compressed; as small as zlib can make it), and all others
mean that one where isal is installed: about as large as zlib's 1, or 5 to 30 % larger than zlib's 6.

Only for making it: what others have sent is inflated by zlib, which says at each limit of the output what input is left. ISA-L takes
the input in and keeps output back.
"""

import functools
import importlib
import zlib
from typing import Any, Protocol

_ISAL_LEVEL = 2
_ZLIBS_ALONE = frozenset({0, 9})


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
    compressor: Compressor = isal.compressobj(_ISAL_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return compressor
