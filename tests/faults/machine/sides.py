"""Both packages, side by side: Tornado on asyncio's loop, ours on the one that is asked for."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Iterator
from pathlib import Path

from tests.faults.machine.running import Side

LOGGERS = ("tornado.access", "tornado.general", "tornado.application")


@contextlib.contextmanager
def both(loop: str, parser: str, directory: Path) -> Iterator[tuple[Side, Side]]:
    """Tornado's side and ours; ``directory`` gets the files that they serve."""
    from tornadolike._http1 import select

    (directory / "small").write_bytes(b"s" * 100)
    (directory / "big").write_bytes(b"x" * 300_000)
    factory = asyncio.new_event_loop
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    select.set_default(parser)
    with quiet(), asyncio.Runner(loop_factory=asyncio.new_event_loop) as theirs, asyncio.Runner(loop_factory=factory) as own:
        gc.collect()
        gc.freeze()  # what is there now does not have to be looked through after each script
        try:
            yield Side("tornado", theirs, directory), Side("tornadolike", own, directory)
        finally:
            gc.unfreeze()
            select.set_default(None)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without log lines: scripts are full of errors."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False
