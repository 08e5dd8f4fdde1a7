"""What is known of event loops that decides how bytes are best moved on them."""

import asyncio
import functools
from typing import Any

# Their transports are native code and complete. Others that are no selector loops have transports with gaps: rloop 0.5 and blazio 0.1
# cannot take an accepted socket over, zuvloop 0.0.17 loses what is written right before a close. Readiness works on all of them.
_ON_LIBUV = frozenset({"uvloop", "winloop"})


def on_libuv(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether ``loop`` is uvloop's or winloop's, or a subclass of theirs."""
    kind: Any = type(loop)
    return _is_on_libuv(kind)


@functools.cache
def _is_on_libuv(kind: Any) -> bool:
    return any(one.__module__.partition(".")[0] in _ON_LIBUV for one in kind.__mro__)
