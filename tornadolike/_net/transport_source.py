"""Bytes from and to an asyncio transport."""

import asyncio
import errno
import functools
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any, cast

from tornadolike._net import kept_buffers, loops
from tornadolike._net.ports import CAN_SEND_FILES, Receiver, SourceOwner, send_file

_SEND_BYTES = 256 * 1024
_SMALL_READ = 8 * 1024
_SCRATCH_BYTES = kept_buffers.SCRATCH_BYTES
_ENDINGS = KeyboardInterrupt, SystemExit

_Registry = dict[int, tuple[Any, Callable[..., Any]]]


def suits(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a transport of ``loop`` is the fastest way to a connection.

    It is where transports are native code, and fit for it. asyncio's own are written in Python: each chunk passes more frames than
    with readiness.
    """
    return loops.on_libuv(loop)


def take_over(
    loop: asyncio.AbstractEventLoop, registry: _Registry, sock: socket.socket, on_connection: Callable[["TransportSource"], None]
) -> None:
    """Put a connected socket on a transport of ``loop``, which owns its descriptor from then on.

    ``on_connection(source)`` runs inside ``connection_made``, with the next turn of the loop; it must give the source an owner (``adopt``)
    or end the transport. Until then the socket can be used, but neither be watched nor be closed. Until it ends, the source stands in
    ``registry``, the IOLoop's, which ``IOLoop.close(all_fds=True)`` looks through. What the loop raises leaves the socket as it was.
    """
    source = TransportSource(on_connection)
    source.registry, source.fd = registry, sock.fileno()
    _step(loop, loop.connect_accepted_socket(lambda: source, sock))


def _step(loop: asyncio.AbstractEventLoop, steps: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine up to where it waits, at once: a task would begin a turn later, and everybody could cancel it."""
    try:
        waiting = steps.send(None)
    except StopIteration:
        return
    if waiting is None:
        loop.call_soon(_step, loop, steps)
    else:
        waiting.add_done_callback(lambda _: _step(loop, steps))


def _not_called(*args: object) -> None:
    """Fills the handler's place in the registry: the loop calls the transport."""


class TransportSource(asyncio.BaseProtocol):
    """A byte source on a transport; also the transport's protocol, while what arrives comes in small pieces."""

    __slots__ = ("_ended", "_on_connection", "_owner", "_receiver", "_writing_fd", "blocked", "fd", "registry", "transport")

    def __init__(self, on_connection: Callable[["TransportSource"], None]) -> None:
        self._on_connection: Callable[[TransportSource], None] | None = on_connection
        self._owner: SourceOwner | None = None
        self._writing_fd = -1  # our own descriptor of the socket, while a file waits until writing is possible
        self.blocked = False
        self._ended = False  # the other end sends no more
        self._receiver: Receiver | None = None
        self.registry: _Registry | None = None
        self.fd = -1  # where it stands in the registry

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # Both limits 0: pause_writing says that the kernel did not take everything, resume_writing that it has.
        self.transport.set_write_buffer_limits(0)
        if self.registry is not None:
            self.registry[self.fd] = (self, _not_called)
        on_connection, self._on_connection = self._on_connection, None
        if on_connection is not None:
            on_connection(self)

    @property
    def writer(self) -> asyncio.Transport:
        return self.transport

    def adopt(self, owner: SourceOwner, receiver: Receiver | None = None) -> None:
        """Tell ``owner`` from now on, and hand arriving bytes to ``receiver`` as `deliver` does."""
        self._owner = owner
        self.deliver(receiver)

    def deliver(self, receiver: Receiver | None) -> None:
        self._receiver = receiver if self._owner is not None else None

    def unsent(self) -> int:
        return self.transport.get_write_buffer_size() if self.blocked else 0

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        if not self._ended and self._owner is not None:
            self._owner._context.copy().run(self.transport.resume_reading)

    def send(self, data: memoryview) -> int:
        if self.blocked:
            return 0
        # A copy: some transports keep what they are given, and the caller may want to resize its bytearray.
        piece = bytes(data[:_SEND_BYTES])
        self.transport.write(piece)
        return len(piece)

    def takes_files(self) -> bool:
        return CAN_SEND_FILES and self.transport.get_extra_info("sslcontext") is None

    def send_file(self, fd: int, offset: int, count: int) -> int | None:
        # Past the transport, which has nothing to send as long as it is not blocked. uvloop has no loop.sendfile().
        if self.transport.is_closing():
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))  # its descriptor may be another one's soon
        sent = send_file(self.transport.get_extra_info("socket").fileno(), fd, offset, count)
        if sent is None or 0 < sent < count:
            self._watch_writing()
        return sent

    def _watch_writing(self) -> None:
        self.blocked = True
        if self._writing_fd < 0:
            # Loops refuse to watch a transport's descriptor, but not another one of the same socket.
            self._writing_fd = os.dup(self.transport.get_extra_info("socket").fileno())
            assert self._owner is not None
            self._owner._context.copy().run(asyncio.get_running_loop().add_writer, self._writing_fd, self._on_writable)

    def _on_writable(self) -> None:
        self.resume_writing()
        if not self.blocked or self.transport.get_write_buffer_size():
            # No file waits any more. What the transport holds is its own affair: before that is sent, no file may go past it.
            self._unwatch_writing()

    def _unwatch_writing(self) -> None:
        if self._writing_fd >= 0:
            asyncio.get_running_loop().remove_writer(self._writing_fd)
            os.close(self._writing_fd)
            self._writing_fd = -1

    def _unregister(self) -> None:
        if self.registry is not None:
            self.registry.pop(self.fd, None)
            self.registry = None

    def close(self) -> None:
        if self._owner is None:
            return
        self._owner = None
        self._unregister()
        self._unwatch_writing()
        self._receiver = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    # What the transport calls.

    def data_received(self, data: bytes) -> None:
        if len(data) > _SCRATCH_BYTES:
            self.transport.set_protocol(_Bulk(self))
        receiver = self._receiver
        try:
            if receiver is not None:
                receiver.data_received(data)
            elif self._owner is not None:  # None: it comes after the end
                self._owner._on_data(data)
        except _ENDINGS as ending:
            self.end_program(ending)

    def end_program(self, ending: BaseException) -> None:
        """``sys.exit()`` or a second Ctrl-C while data was taken: uvloop would take it for the transport's error, it is the program's."""
        asyncio.get_running_loop().call_soon(_raise, ending)
        self.transport.abort()

    def eof_received(self) -> bool:
        self._ended = True
        if self._owner is not None:
            self._owner._on_eof()
        return True  # the owner decides when to close

    def connection_lost(self, exc: BaseException | None) -> None:
        owner, self._owner = self._owner, None
        self._unregister()
        self._unwatch_writing()
        self._receiver = None
        if hasattr(self.transport, "_read_ready_cb"):
            self.transport._read_ready_cb = None  # asyncio leaves a reference cycle behind: the transport holds its own method
        ending = exc if isinstance(exc, _ENDINGS) else None
        if owner is not None:
            owner._on_lost(None if ending else exc)
        if ending is not None:
            # sys.exit() in data_received, or a second Ctrl-C. uvloop takes it for the transport's error; it is meant for the program,
            # and from here it reaches run_forever().
            raise ending

    def pause_writing(self) -> None:
        self.blocked = True
        if self._owner is not None:
            self._owner._on_blocked()

    def resume_writing(self) -> None:
        self.blocked = False
        if self._owner is not None:
            self._owner._on_drained()


def _raise(error: BaseException) -> None:
    raise error


class _Bulk(asyncio.BufferedProtocol):
    """The protocol in the source's place while much arrives: has it read into memory that is kept, or to where it belongs."""

    __slots__ = ("_room", "_source")

    def __init__(self, source: TransportSource) -> None:
        self._source = source
        self._room: memoryview | None = None

    def get_buffer(self, sizehint: int) -> memoryview:
        owner = self._source._owner
        self._room = None if owner is None else owner._room()
        return self._room or kept_buffers.scratch()

    def buffer_updated(self, nbytes: int) -> None:
        source, room, self._room = self._source, self._room, None
        if nbytes < _SMALL_READ:
            source.transport.set_protocol(source)
        try:
            if room and source._owner is not None:
                source._owner._on_filled(nbytes)
            elif source._receiver is not None:
                source._receiver.data_received(bytes(kept_buffers.scratch()[:nbytes]))
            elif source._owner is not None:
                source._owner._on_data(bytes(kept_buffers.scratch()[:nbytes]))
        except _ENDINGS as ending:
            source.end_program(ending)

    def eof_received(self) -> bool:
        return self._source.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._source.connection_lost(exc)

    def pause_writing(self) -> None:
        self._source.pause_writing()

    def resume_writing(self) -> None:
        self._source.resume_writing()


# What a loop's own stand-in refuses, and a program may do to the socket of a stream even so.
_IO = frozenset({"shutdown", "set_inheritable", "send", "sendall", "sendto", "sendmsg", "sendfile"}) | {
    *("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into"),
}


class TransportSocket:
    """What stands in for the socket of a stream on a transport.

    Everything that can be asked of a socket works (``getsockname``, ``getsockopt``, ``setsockopt``, ``fileno``, ``family`` ...), and so do
    ``shutdown``, ``recv`` with or without ``MSG_PEEK``, ``send`` and their kin, past the transport as they would go past the stream.
    The descriptor belongs to the transport: it can neither be detached nor be given to ``IOLoop.add_handler``.
    """

    __slots__ = ("_transport",)

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def getpeername(self) -> Any:
        # The transport has noted it, so that it is known even when the other end has already gone.
        known = self._transport.get_extra_info("peername")
        return known or self._transport.get_extra_info("socket").getpeername()

    def close(self) -> None:
        self._transport.close()

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        known = self._transport.get_extra_info("socket")
        real = socket.socket(known.family, known.type, known.proto, known.fileno())
        try:
            real.setblocking(False)
            return getattr(real, method)(*args, **kwargs)
        finally:
            real.detach()

    def __getattr__(self, name: str) -> Any:
        if name in _IO:
            return functools.partial(self._call, name)
        return getattr(self._transport.get_extra_info("socket"), name)
