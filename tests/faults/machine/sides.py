"""Both packages, side by side: Tornado on asyncio's loop, ours on the one that is asked for."""

import asyncio
import contextlib
import gc
import importlib.util
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import tornadolike
from tests.faults.machine.running import Clock, Side

_CERTIFICATE = Path(tornadolike.__file__).parent / "testing.crt"
LOGGERS = ("tornado.access", "tornado.general", "tornado.application")


class _Clocked(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def time(self) -> float:
        return super().time() + self._clock.ahead


def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(_CERTIFICATE, _CERTIFICATE.with_suffix(".key"))
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return server, client


@contextlib.contextmanager
def both(loop: str, parser: str, directory: Path) -> Iterator[tuple[Side, Side]]:
    """Tornado's side and ours; ``directory`` gets the files that they serve."""
    from tornadolike._http1 import select

    (directory / "small").write_bytes(b"s" * 100)
    (directory / "big").write_bytes(b"x" * 300_000)
    clock = Clock()
    expected = factory = lambda: _Clocked(clock)
    if loop == "uvloop":
        import uvloop

        expected, factory = asyncio.new_event_loop, uvloop.new_event_loop
    select.set_default(parser)
    contexts = _contexts()
    with quiet(), _zlib_alone(), asyncio.Runner(loop_factory=expected) as theirs, asyncio.Runner(loop_factory=factory) as own:
        gc.collect()
        gc.freeze()  # what is there now does not have to be looked through after each script
        try:
            yield Side("tornado", theirs, directory, contexts, clock), Side("tornadolike", own, directory, contexts, clock)
        finally:
            gc.unfreeze()
            select.set_default(None)


@contextlib.contextmanager
def _zlib_alone() -> Iterator[None]:
    """The one level of compression at which both packages make the same bytes."""
    packages = [package for package in ("tornado", "tornadolike") if importlib.util.find_spec(package)]
    classes = [importlib.import_module(f"{package}.web").GZipContentEncoding for package in packages]
    levels = [one.GZIP_LEVEL for one in classes]
    for one in classes:
        one.GZIP_LEVEL = 9
    try:
        yield
    finally:
        for one, level in zip(classes, levels, strict=True):
            one.GZIP_LEVEL = level


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
