"""Bytes from and to a plain socket on readiness, for a layer above that takes whatever comes and writes whole messages."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from tornadolike._net import loops
from tornadolike._net.ports import SourceOwner
from tornadolike._net.write_buffer import WriteBuffer

_READ_BYTES = 64 * 1024


class SocketSource:
    """What a transport's source is, without the transport: for loops whose transports are slower than this.

    ``keeper`` stands in the IOLoop's registry: it has a ``close()``, which ``IOLoop.close(all_fds=True)`` calls.
    """

    __slots__ = ("_backlog", "_ended", "_fd", "_loop", "_owner", "_reading", "_registry", "_socket", "blocked")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, registry: dict[int, tuple[Any, Callable[..., Any]]], sock: socket.socket, keeper: Any
    ) -> None:
        self._loop = loop
        self._registry = registry
        self._socket = sock
        self._fd = sock.fileno()
        self._owner: SourceOwner | None = None
        self._backlog: WriteBuffer | None = None
        self._reading = self._ended = False
        self.blocked = False
        registry[self._fd] = (keeper, keeper.close)

    def adopt(self, owner: SourceOwner) -> None:
        """Tell ``owner`` from now on, and read."""
        self._owner = owner
        self.resume()

    def unsent(self) -> int:
        return len(self._backlog or b"")

    def pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        if not self._reading and not self._ended and self._owner is not None:
            self._reading = True
            receive = self._receive_to_the_end if loops.on_libuv(self._loop) else self._receive
            self._owner._context.copy().run(self._loop.add_reader, self._fd, receive)

    @property
    def writer(self) -> "SocketSource":
        return self

    def write(self, data: bytes) -> None:
        """Send ``data``, what the kernel does not take later."""
        if self._owner is None:
            return
        if self._backlog is not None:
            self._backlog.append(data)
            return
        sent = self._send(data)
        if sent is not None and sent < len(data):
            self._backlog = WriteBuffer()
            self._backlog.append(memoryview(data)[sent:])
            self.blocked = True
            self._owner._context.copy().run(self._loop.add_writer, self._fd, self._on_writable)
            self._owner._on_blocked()

    def _send(self, data: bytes | memoryview) -> int | None:
        """None: the connection is broken, and the owner knows."""
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._lose(error)
            return None

    def _on_writable(self) -> None:
        backlog = self._backlog
        while backlog:
            with backlog.peek(len(backlog)) as view:
                sent = self._send(view)
            if not sent:
                return
            backlog.advance(sent)
        self._stop_writing()
        if self._owner is not None:
            self._owner._on_drained()

    def _stop_writing(self) -> None:
        self.blocked = False
        if self._backlog is not None:
            self._backlog = None
            self._loop.remove_writer(self._fd)

    def _receive_to_the_end(self) -> None:
        """libuv tells of an error once, together with the bytes that came before it, and watches no more: so look behind them."""
        self._receive()
        if self._reading:
            self._receive()

    def _receive(self) -> None:
        owner = self._owner
        if owner is None:
            return
        try:
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if not data:
            self._ended = True
            self.pause()  # the end stays readable for ever
            owner._on_eof()
            return
        try:
            owner._on_data(data)
        except Exception as error:
            self._lose(error)  # as a transport does: the connection ends, and the loop reports it
            raise

    def _lose(self, error: Exception) -> None:
        owner = self._owner
        self.close()
        if owner is not None:
            owner._on_lost(error)

    def close(self) -> None:
        self.pause()
        self._stop_writing()
        if self._owner is not None:
            self._owner = None
            self._registry.pop(self._fd, None)
            self._socket.close()
