"""Memory that is read into again and again.

What a process reads is mostly given on as ``bytes`` and gone at once. Large pieces of it lie at the top of the heap, where the C library
gives them back to the system each time they are freed and gets them again, page by page (379 page faults for each MB of an upload, on
an unlucky layout of the heap). Hence nothing above `SCRATCH_BYTES` is made for reading: the kernel writes into memory that is kept.
"""

import threading

SCRATCH_BYTES = 64 * 1024
_MOST_KEPT_BYTES = 1 << 20  # of one buffer that was lent
_MOST_KEPT = 4


class _Kept(threading.local):
    """Of one thread: a loop reads one piece at a time, and another thread's loop may read meanwhile."""

    def __init__(self) -> None:
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self.lent: list[bytearray] = []


_kept = _Kept()


def scratch(size: int = SCRATCH_BYTES) -> memoryview:
    """Room for a single read, whose bytes have to be copied out before the next one."""
    room = _kept.scratch
    if size == len(room):
        return room
    return room[:size] if size < len(room) else memoryview(bytearray(size))


def borrow(size: int) -> bytearray:
    """At least ``size`` bytes, with any content, to be filled over several reads."""
    lent = _kept.lent
    for position, buffer in enumerate(lent):
        if len(buffer) >= size:
            return lent.pop(position)
    return bytearray(size)


def give_back(buffer: bytearray) -> None:
    """The borrower has copied out what he wanted."""
    if len(buffer) <= _MOST_KEPT_BYTES and len(_kept.lent) < _MOST_KEPT:
        _kept.lent.append(buffer)
