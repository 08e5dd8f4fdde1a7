"""A forked child that does not outlive its parent."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent() -> Callable[[], None]:
    """To be called before a fork: what it returns has the child, where that calls it, get SIGTERM when its parent is gone.

    Linux has this; elsewhere the child is on its own. It says nothing to the child's own children.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl: Callable[[int, int], int] | None = None
    with contextlib.suppress(ImportError, OSError, AttributeError):  # a Python without ctypes, a C library without the call
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def bind() -> None:
        if prctl is not None and prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) == 0 and os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)  # it ended between the fork and now

    return bind
