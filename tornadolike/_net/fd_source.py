"""Bytes from and to a file descriptor, moved when the loop says that it is ready."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol

from tornadolike._net import kept_buffers, loops, transport_source
from tornadolike._net.ports import CAN_SEND_FILES, Receiver, SourceOwner, Writer, send_file

_SOCKET, _ERROR = socket.SOL_SOCKET, socket.SO_ERROR
_MAX_ROUNDS = 16
_READ_BYTES = 64 * 1024
_MAX_FULL_READS = 4
# So many reads within a second, and the connection is busy.
_BUSY_READS = 8
_BUSY_SECONDS = 1.0
# Who reads when the loop says that there are bytes, if it has been asked to say so.
_NOBODY, _OWNER, _SOURCE, _SOURCE_BY_HOOK = range(4)


def _not_called(*args: object) -> None:
    """Fills the handler's place in the registry: the loop calls the source itself."""


class FdOwner(SourceOwner, Protocol):
    """An owner whose hooks move the bytes, as subclasses of ``BaseIOStream`` define them."""

    read_chunk_size: int

    def fileno(self) -> Any: ...
    def read_from_fd(self, buf: bytearray | memoryview, /) -> int | None: ...
    def write_to_fd(self, data: memoryview, /) -> int: ...
    def _on_readable(self) -> None: ...
    def _on_unsent(self, rest: memoryview, /) -> None: ...
    def _on_write_error(self, error: OSError, /) -> None: ...
    def _on_read_error(self, error: BaseException, /) -> None: ...
    def _move(self) -> bool: ...


class FdSource:
    """A byte source on readiness.

    Without a receiver the owner reads by itself (``_on_readable``), since it knows how much it wants. With one, bytes are read here
    and passed on: straight from the socket when there is one, otherwise with the owner's ``read_from_fd``.

    A connection that was just accepted ``expects_bytes``: they are looked for before the loop is asked to watch, since one that is
    answered and closed within a turn or two need not be registered at all. One that is busy is offered to its owner (``_move``), which
    may have something better for it, and heavier; if so, the descriptor is not watched any more, and `leave` is this source's end.
    """

    __slots__ = (
        "_broken",
        "_counted_since",
        "_ended",
        "_expects_bytes",
        "_fd",
        "_loop",
        "_moving",
        "_owner",
        "_reads_left",
        "_receiver",
        "_registered",
        "_registry",
        "_socket",
        "_watches_reading",
        "_watches_writing",
        "blocked",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        registry: dict[int, tuple[Any, Callable[..., Any]]],
        owner: FdOwner,
        sock: socket.socket | None,
        expects_bytes: bool = False,
    ) -> None:
        self._loop = loop
        self._registry = registry  # the IOLoop's handlers: it closes what stands there in close(all_fds=True)
        self._owner = owner
        self._socket = sock  # only when the owner's hooks do nothing but read and write it
        self._fd = -1
        self._receiver: Receiver | None = None
        # Reading is wanted: the loop may not know of that yet, or not know yet that it is no longer so.
        self._watches_reading = self._watches_writing = False
        self._registered = _NOBODY
        self._ended = False  # the other end sends no more: a descriptor is readable then for ever
        self._expects_bytes = expects_bytes
        # Until it is looked whether that many took long; 0: it does not move, as nothing does where there is no libuv.
        self._reads_left = _BUSY_READS if expects_bytes and transport_source.suits(loop) else 0
        self._counted_since = 0.0
        self._moving = False
        self._broken = 0  # the error of a connection that may have bytes left
        self.blocked = False

    def _descriptor(self) -> int:
        if self._fd < 0:
            fd = self._owner.fileno()
            self._fd = fd if isinstance(fd, int) else fd.fileno()
            # It also keeps the owner alive while nothing is being waited for.
            self._registry[self._fd] = (self._owner, _not_called)
        return self._fd

    def deliver(self, receiver: Receiver | None) -> None:
        """Pass arriving bytes to ``receiver``; None: the owner reads by itself."""
        self._receiver = receiver
        if self._registered:
            self._register()

    def unsent(self) -> int:
        return 0

    def pause(self) -> None:
        # The loop hears of it when it tells of bytes, since most pauses are over by then: to leave it and to come back takes two system
        # calls, on libuv seven.
        self._watches_reading = False

    def _unregister(self) -> None:
        if self._registered:
            self._registered = _NOBODY
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        if self._watches_reading or self._ended:
            return
        self._watches_reading = True
        if self._expects_bytes and self._receiver is not None and self._socket is not None:
            self._expects_bytes = False
            self._descriptor()
            self._call_soon(self._receive_expected)
        else:
            self._register()

    def _receive_expected(self) -> None:
        if self._registered or not self._watches_reading or self._receiver is None:
            self._register()
            return
        try:
            self._receive()
        finally:
            self._call_soon(self._register_or_move)  # behind what this made the loop do, such as running a handler

    def _register(self) -> None:
        """See to it that the loop calls who reads now, if anybody wants to."""
        if self._moving or not self._watches_reading:
            return
        reader = _OWNER if self._receiver is None else _SOURCE_BY_HOOK if self._socket is None else _SOURCE
        if reader == _SOURCE_BY_HOOK:
            # The owner may hold bytes already (as TLS does) which no readiness announces.
            self._call_soon(self._receive_held)
        if reader != self._registered:
            self._call_when_readable(reader)

    def _call_when_readable(self, reader: int) -> None:
        # The loop replaces a callback in place: no system call.
        self._registered = reader
        self._owner._context.copy().run(self._watch_reading, self._callback(reader))

    def _callback(self, reader: int) -> Callable[[], object]:
        """What the loop calls.

        libuv tells of an error once, together with the bytes that came before it, and watches no more: so look behind them.
        """
        libuv = loops.on_libuv(self._loop)
        if reader == _OWNER:
            return self._tell_owner_to_the_end if libuv else self._tell_owner
        if reader == _SOURCE:
            return self._receive_to_the_end if libuv else self._receive
        return self._receive_with_hook_to_the_end if libuv else self._receive_with_hook

    def _watch_reading(self, callback: Callable[[], object]) -> None:
        fd = self._descriptor()
        try:
            self._loop.add_reader(fd, callback)
        except RuntimeError:
            if not loops.on_libuv(self._loop):
                raise
            # The handle there is closed, since it has told of an error before. A new one tells of it again.
            self._loop.remove_reader(fd)
            self._loop.add_reader(fd, callback)

    def _receive_to_the_end(self) -> None:
        self._receive()
        if self._registered == _SOURCE:
            # To ask costs half of another look, which mostly would find nothing.
            try:
                self._broken = self._socket.getsockopt(_SOCKET, _ERROR)  # type: ignore[union-attr]  # as in _receive
            except OSError as error:
                self._broken = error.errno or errno.EBADF
            if self._broken:
                self._receive_last()
        if self._reads_left and self._watches_reading and self._registered and self._is_busy():
            self._move()

    def _receive_last(self) -> None:
        """The connection is broken: read what came before."""
        while self._watches_reading and self._registered == _SOURCE:
            if not self._receive() and self._watches_reading and self._registered == _SOURCE:
                self._end()
        self._forget_dead_watch()

    def _forget_dead_watch(self) -> None:
        """Where reading was paused while libuv may have told of an error, it may not watch any more: who goes on has to ask anew."""
        if not self._watches_reading:
            self._unregister()

    def _tell_owner(self) -> None:
        if self._watches_reading:
            self._owner._on_readable()
        else:
            self._unregister()

    def _tell_owner_to_the_end(self) -> None:
        self._tell_owner()
        if self._watches_reading and self._registered == _OWNER:
            self._owner._on_readable()
        self._forget_dead_watch()

    def _receive_with_hook_to_the_end(self) -> None:
        self._receive_with_hook()  # which reads to the end in any case
        self._forget_dead_watch()

    def _register_or_move(self) -> None:
        """Behind the first read."""
        # Where the owner reads by itself, as `handle_stream` does, a short connection would pay for the move, and not get it back.
        if self._reads_left and self._watches_reading and self._receiver is not None and self._is_busy():
            self._move()
        else:
            self._register()

    def _is_busy(self) -> bool:
        """Whether so much was read so quickly that a transport pays; each call counts a read."""
        if not self._counted_since:
            self._counted_since = self._loop.time()
        self._reads_left -= 1
        if self._reads_left:
            return False
        self._reads_left = _BUSY_READS
        since, self._counted_since = self._counted_since, self._loop.time()
        return self._counted_since - since < _BUSY_SECONDS and not self._watches_writing

    def _move(self) -> None:
        self._reads_left = 0
        self._unregister()
        self._moving = self._owner._move()
        self._register()

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(callback, context=self._owner._context.copy())

    def use_hooks(self) -> None:
        """Read and write with the owner's hooks alone from now on."""
        self._socket = None
        self._reads_left = 0
        if self._registered:
            self._register()

    def leave(self) -> Receiver | None:
        """The end for one that moved; returns the receiver."""
        receiver = self._receiver
        self._watches_reading = False
        self._receiver = self._socket = None
        return receiver

    def send(self, data: memoryview) -> int:
        try:
            sent = self._owner.write_to_fd(data) if self._socket is None else self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent < len(data):
            self.watch_writing()
        return sent

    @property
    def writer(self) -> Writer | None:
        return None if self._socket is None else self

    def write(self, data: bytes) -> None:
        """Send at once what can be; the owner gets the rest back."""
        sock = self._socket
        if sock is None:
            return
        try:
            sent = sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._owner._on_write_error(error)
            return
        if sent < len(data):
            self.watch_writing()
            self._owner._on_unsent(memoryview(data)[sent:])

    def takes_files(self) -> bool:
        return CAN_SEND_FILES and self._socket is not None

    def send_file(self, fd: int, offset: int, count: int) -> int | None:
        # The socket knows when it has been closed; the number alone may already be another one's.
        sent = send_file(self._socket.fileno(), fd, offset, count)  # type: ignore[union-attr]  # see takes_files
        if sent is None or 0 < sent < count:
            self.watch_writing()
        return sent

    def watch_writing(self) -> None:
        """Have ``owner._on_drained`` called when writing is possible."""
        self.blocked = True
        if not self._watches_writing and not self._moving:
            self._watches_writing = True
            self._owner._context.copy().run(self._loop.add_writer, self._descriptor(), self._on_writable)

    def _on_writable(self) -> None:
        self.blocked = False
        self._owner._on_drained()
        if not self.blocked:
            if not self._registered and self._socket is not None and not self._ended and loops.on_libuv(self._loop):
                # It has connected just now, and will read soon. For libuv to go on watching takes two system calls, to begin anew seven.
                self._call_when_readable(_OWNER if self._receiver is None else _SOURCE)
            self._unwatch_writing()

    def _unwatch_writing(self) -> None:
        if self._watches_writing:
            self._watches_writing = False
            self._loop.remove_writer(self._fd)

    def close(self) -> None:
        self._watches_reading = False
        self._unregister()
        self._unwatch_writing()
        entry = self._registry.get(self._fd)
        if entry is not None and entry[0] is self._owner:
            del self._registry[self._fd]
        self.blocked = False
        self._receiver = self._socket = None

    def _receive(self) -> bool:
        """Read once, or some times while there is more than fits in at once: a turn of the loop costs as much as the reading.

        Returns whether something was read last.
        """
        if not self._watches_reading:
            self._unregister()
            return False
        for _ in range(_MAX_FULL_READS):
            try:
                data = self._socket.recv(_READ_BYTES)  # type: ignore[union-attr]  # resume() chose this method because there is one
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                self._owner._on_read_error(error)
                return False
            if not data:
                self._end()
                return False
            try:
                self._receiver.data_received(data)  # type: ignore[union-attr]  # and because there is a receiver
            except Exception as error:
                self._owner._on_read_error(error)  # as a transport does: the connection ends, and the loop reports it
                raise
            if len(data) < _READ_BYTES or not self._watches_reading or self._receiver is None or self._socket is None:
                return True
        return True

    def _end(self) -> None:
        self._ended = True
        self._watches_reading = False
        self._unregister()
        if self._broken:
            self._owner._on_read_error(OSError(self._broken, os.strerror(self._broken)))
        else:
            self._owner._on_eof()

    def _receive_held(self) -> None:
        if self._watches_reading and self._receiver is not None:
            self._receive_with_hook()

    def _receive_with_hook(self) -> None:
        """Read until nothing is left: what a TLS layer has buffered makes no descriptor ready."""
        if not self._watches_reading:
            self._unregister()
            return
        for _ in range(_MAX_ROUNDS):
            if not self._receive_once() or not self._watches_reading or self._receiver is None:
                return
        self._call_soon(self._receive_held)  # others want a turn, too

    def _receive_once(self) -> bool:
        buffer = kept_buffers.scratch(self._owner.read_chunk_size)
        try:
            size = self._owner.read_from_fd(buffer)
        except Exception as error:  # hooks are foreign code: whatever they raise ends this connection, not the loop
            self._owner._on_read_error(error)
            return False
        if size is None:
            return False
        if size == 0:
            self._end()
            return False
        if self._receiver is not None:
            data = bytes(buffer[:size])
            try:
                self._receiver.data_received(data)
            except Exception as error:
                self._owner._on_read_error(error)
                raise
        return True
