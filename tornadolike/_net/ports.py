"""The port between a stream and what carries its bytes.

A *source* moves bytes; its *owner* (a stream, or the TLS layer between the two) decides what they mean. Two kinds of source exist:
``transport_source.TransportSource`` on an asyncio transport, and ``fd_source.FdSource`` on the readiness of a file descriptor.
``tls.TLSSource`` lies on top of the former, or of ``socket_source.SocketSource``, which does for it what a transport would.

A server's stream begins as ``IOStream(connection)``. Where ``transport_source.suits(loop)``, it moves to a transport if it is busy
(``IOStream._move``), and what speaks TLS is put on one at once::

    def on_connection(source: TransportSource) -> None:            # synchronous, inside connection_made
        stream = SSLIOStream._from_transport(source, ssl_options=context, server_side=True, max_buffer_size=..., ...)

    transport_source.take_over(loop, io_loop.handlers, connection, on_connection)
"""

import contextvars
import os
from typing import Protocol

CAN_SEND_FILES = hasattr(os, "sendfile")


class SourceOwner(Protocol):
    """What a source tells. Each call comes from the event loop, except ``_on_blocked``, which may come from inside ``write``.

    The loop makes them in copies of ``_context``, whoever's call it was that made the source watch.
    """

    _context: contextvars.Context

    def _on_data(self, data: bytes, /) -> None:
        """Bytes arrived (never empty). May come even though reading is paused: the owner keeps them."""

    def _room(self) -> memoryview | None:
        """Where bytes may be put directly, to be told of with ``_on_filled``; None: they are to be given to ``_on_data``."""

    def _on_filled(self, size: int, /) -> None:
        """So many bytes were put into what ``_room`` returned."""

    def _on_eof(self) -> None:
        """The other end will send nothing more. Writing still works, and the source reads no more."""

    def _on_lost(self, error: BaseException | None, /) -> None:
        """The connection is gone. Comes once, and not after ``close``."""

    def _on_blocked(self) -> None:
        """The kernel takes no more for now."""

    def _on_drained(self) -> None:
        """All that was written is in the kernel, or (readiness) the kernel takes more."""


class Receiver(Protocol):
    """Takes what arrives."""

    def data_received(self, data: bytes, /) -> None: ...


class Writer(Protocol):
    """Takes what is to go out: a source, or the transport below one."""

    def write(self, data: bytes, /) -> None: ...


class Failing(Protocol):
    """A transport, as long as it may have failed without our knowing."""

    def is_closing(self) -> bool: ...


class ByteSource(Protocol):
    """What a stream asks of its source."""

    @property
    def blocked(self) -> bool:
        """Bytes are waiting for the kernel; ``_on_drained`` will follow."""

    @property
    def writer(self) -> "Writer | None":
        """Whose ``write`` takes all of its argument at once: not a method of its own, which each connection would have to keep.

        Only to be called while not ``blocked``. None where a source has no such way.
        """

    def deliver(self, receiver: "Receiver | None", /) -> None:
        """Hand arriving bytes to ``receiver.data_received``; None: to the owner."""

    def pause(self) -> None:
        """Stop reading, idempotent. What is already under way may still be delivered."""

    def resume(self) -> None:
        """Read again, idempotent."""

    def unsent(self) -> int:
        """How many of the bytes taken have not reached the kernel."""

    def send(self, data: memoryview, /) -> int:
        """Take as many bytes as make sense now and return their number; 0 while blocked. Keeps no reference to ``data``.

        A source on readiness raises OSError; one on a transport reports the error through ``_on_lost``.
        """

    def close(self) -> None:
        """Let go of the connection at once, idempotent. Bytes that the kernel has not taken are dropped. The owner hears nothing more."""


class FileTaker(Protocol):
    """A source that may send files without their bytes passing through the process, as both kinds on plain TCP do."""

    blocked: bool

    def takes_files(self) -> bool:
        """Whether `send_file` works: on a plain socket, where the system has such a call."""

    def send_file(self, fd: int, offset: int, count: int, /) -> int | None:
        """Send as much as the kernel takes now of ``count`` bytes (not 0) from ``offset`` of an open file.

        Returns their number, 0 at the end of the file, None where nothing could be sent. Unless all was sent, or the file has ended, the
        source is ``blocked`` and ``_on_drained`` follows. Only to be called while it is not. Raises OSError, for which the connection or
        the file may be the reason.
        """


def send_file(socket_fd: int, fd: int, offset: int, count: int) -> int | None:
    """One system call of `FileTaker.send_file`; None where the socket takes nothing now."""
    try:
        return os.sendfile(socket_fd, fd, offset, count)
    except (BlockingIOError, InterruptedError):
        return None
