"""When Python's collector of cyclic garbage looks for some, in a process that serves."""

import gc
from typing import Any

CHOICES = ("server", "python")

# Of objects that came and did not go again before they are looked at. Python's own 700 (3.14: 2,000) come with a few connections.
_YOUNG = 20_000


def install(choice: str) -> None:
    """Let the policy for servers begin with the first server that listens, unless ``choice`` is to leave all to Python.

    What is there by then (modules, classes, the application) is looked through once and from then on passed by; and the collector runs once
    for 20,000 new objects that stay. A program that has set thresholds of its own, or switched the collector off, is left alone.
    """
    if choice == "python":
        return
    from tornadolike import httpserver

    before, settled = gc.get_threshold(), False

    def settle(_: Any) -> None:
        nonlocal settled
        if settled or not gc.isenabled() or gc.get_threshold() != before:
            return
        settled = True
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG, *before[1:])

    httpserver._on_listen.append(settle)
