"""Content on its way out: in pieces, as fast as the client takes them, or by the kernel, which need not be shown it."""

import io
from collections.abc import Iterable
from typing import Any

from tornadolike import httputil
from tornadolike._web import static_files


async def send(handler: Any, content: bytes | Iterable[bytes], size: int) -> None:
    """Send ``size`` bytes of ``content``, as announced: not what a file has grown by meanwhile."""
    left = size
    for chunk in [content] if isinstance(content, bytes) else content:
        handler.write(chunk if len(chunk) <= left else chunk[:left])
        await handler.flush()
        left -= len(chunk)
        if left < 0:
            break


async def send_file(handler: Any, file: int, span: static_files.Span) -> bytes:
    """Send a part of an open file. Returns the last piece of it."""
    chunk = b""
    for chunk in static_files.chunks(file, span):
        handler.write(chunk)
        await handler.flush()
    return chunk


async def sent_by_kernel(handler: Any, file: int, span: static_files.Span) -> bool:
    """Have the kernel send a part of an open file; False where it cannot."""
    connection = handler.request.connection
    if not isinstance(connection, httputil.HTTPConnection) or not issubclass(type(connection), httputil.HTTPConnection):
        return False  # which a mock says to be
    await handler.flush()
    sending = connection._write_file(file, span.start, span.size)
    if sending is None:
        return False
    try:
        await sending
    except io.UnsupportedOperation:
        return False
    return True
