"""TLS without I/O, and as a byte source on top of another one."""

import ssl
from typing import Any, Protocol

from tornadolike._net.ports import Receiver, SourceOwner, Writer

_RECORD_BYTES = 16 * 1024  # RFC 8446 §5.1: what one record holds at most
_SEND_BYTES = 256 * 1024


class Session:
    """One TLS connection: ciphertext in, plaintext out, and the other way round.

    The handshake makes progress in :meth:`start` and :meth:`feed`. After each call, and also after one that raised (there is an
    alert to send then), the caller sends what :meth:`outgoing` returns.
    """

    __slots__ = ("_incoming", "_outgoing", "established", "object", "peer_closed")

    def __init__(self, context: ssl.SSLContext, server_side: bool, server_hostname: str | None = None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_side, server_hostname)
        self.established = False
        self.peer_closed = False  # the other end has said that it sends no more (close_notify)

    def start(self) -> None:
        """Begin, or go on with, the handshake. Raises ssl.SSLError when it has failed."""
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.established = True

    def feed(self, ciphertext: bytes) -> bytes:
        """The plaintext which ``ciphertext`` completes. Raises ssl.SSLError when the handshake or a record is bad."""
        self._incoming.write(ciphertext)
        if not self.established:
            self.start()
            if not self.established:
                return b""
        return self._decrypt(len(ciphertext))

    def _decrypt(self, expected: int) -> bytes:
        pieces: list[bytes] = []
        size = min(max(expected, 256), _RECORD_BYTES)
        try:
            while piece := self.object.read(size):
                pieces.append(piece)
                if not self._incoming.pending and not self.object.pending():
                    break
            else:
                self.peer_closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # what a read finds where we had said goodbye first
            self.peer_closed = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, plaintext: bytes | memoryview) -> bytes:
        """``plaintext`` (not empty) as records, in front of them whatever else is to be sent."""
        written = 0
        with memoryview(plaintext) as view:
            while written < len(view):
                written += self.object.write(view[written:])
        return self._outgoing.read()

    def outgoing(self) -> bytes:
        """What is to be sent for the protocol's own sake: handshake messages, alerts, tickets."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def finish(self) -> bytes:
        """The alert that says that we send no more."""
        try:
            self.object.unwrap()
        except ssl.SSLError:
            pass  # it wants the other end's alert, or the session is broken; there may be something to send even so
        return self.outgoing()


class SecureOwner(SourceOwner, Protocol):
    """An owner who also wants to know how the handshake ends."""

    def _on_secured(self) -> None: ...
    def _on_handshake_failed(self, error: BaseException, /) -> None: ...
    def _on_read_error(self, error: BaseException, /) -> None: ...


class RawSource(Protocol):
    """What carries the ciphertext: the source of a transport, or of a plain socket."""

    blocked: bool

    @property
    def writer(self) -> Writer: ...
    def adopt(self, owner: SourceOwner, /) -> None: ...
    def unsent(self) -> int: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


class TLSSource:
    """A byte source which encrypts, on top of another one. Until the handshake is done it is ``blocked``."""

    __slots__ = ("_context", "_ended", "_out", "_owner", "_raw", "_receiver", "blocked", "session")

    def __init__(self, raw: RawSource, session: Session, owner: SecureOwner) -> None:
        self._raw = raw
        self._out = raw.writer
        self._owner: SecureOwner | None = owner
        self._context = owner._context
        self._ended = False
        self._receiver: Receiver | None = None
        self.session = session
        self.blocked = True
        raw.adopt(self)

    def start(self) -> None:
        """Say hello, if that is our part."""
        if self._owner is None or self.session.established:
            return
        try:
            self.session.start()
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._send_outgoing()

    def deliver(self, receiver: Receiver | None) -> None:
        self._receiver = receiver

    @property
    def writer(self) -> Writer | None:
        return None if self._owner is None else self

    def pause(self) -> None:
        if self.session.established:
            self._raw.pause()

    def resume(self) -> None:
        self._raw.resume()

    def unsent(self) -> int:
        return self._raw.unsent()

    def write(self, data: bytes) -> None:
        if not data:
            return
        try:
            ciphertext = self.session.encrypt(data)
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._out.write(ciphertext)

    def send(self, data: memoryview) -> int:
        if self.blocked:
            return 0
        with data[:_SEND_BYTES] as piece:
            self._out.write(self.session.encrypt(piece))
            return len(piece)

    def close(self) -> None:
        if self._owner is None:
            return
        self._owner = None
        self.say_goodbye()
        self._raw.close()

    def say_goodbye(self) -> None:
        """Send the alert that says that we send no more, if it can go out now."""
        if self.session.established and not self._raw.blocked and (farewell := self.session.finish()):
            self._out.write(farewell)

    def _send_outgoing(self) -> None:
        if data := self.session.outgoing():
            self._out.write(data)

    def _fail(self, error: BaseException) -> None:
        self._send_outgoing()  # the alert: the other end learns why
        owner = self._owner
        if owner is None:
            return
        if self.session.established:
            owner._on_read_error(error)
        else:
            owner._on_handshake_failed(error)

    # What the raw source calls.

    def _room(self) -> None:
        return None

    def _on_filled(self, size: int) -> None:
        raise AssertionError("there is no room here")

    def _on_data(self, data: bytes) -> None:
        session = self.session
        secured = session.established
        try:
            plaintext = session.feed(data)
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._send_outgoing()
        if not secured and session.established:
            self.blocked = self._raw.blocked
            if self._owner is not None:
                self._owner._on_secured()
        if plaintext and self._owner is not None:
            if self._receiver is not None:
                self._receiver.data_received(plaintext)
            else:
                self._owner._on_data(plaintext)
        if session.peer_closed:
            self._end()

    def _end(self) -> None:
        """The other end sends no more: it says so in TLS, in TCP, or first in the one and then in the other."""
        if not self._ended and self._owner is not None:
            self._ended = True
            self._owner._on_eof()

    def _on_eof(self) -> None:
        if self._owner is None:
            return
        if self.session.established:
            self._end()
        else:
            self._owner._on_handshake_failed(ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol"))

    def _on_lost(self, error: BaseException | None) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner._on_lost(error)

    def _on_blocked(self) -> None:
        self.blocked = True
        if self._owner is not None and self.session.established:
            self._owner._on_blocked()

    def _on_drained(self) -> None:
        self.blocked = not self.session.established
        if self._owner is not None and not self.blocked:
            self._owner._on_drained()


class TLSSocket:
    """Stands in for the ``ssl.SSLSocket`` of a stream: also knows ``getpeercert``, ``cipher``, ``version`` and the like.

    ``plain`` is the socket below, or what stands in for it.
    """

    __slots__ = ("_object", "_plain")

    def __init__(self, plain: Any, session: Session) -> None:
        self._plain = plain
        self._object = session.object

    def __getattr__(self, name: str) -> Any:
        # Reading and writing would go round the stream.
        if name not in _TLS_IO and hasattr(ssl.SSLObject, name):
            return getattr(self._object, name)
        return getattr(self._plain, name)


_TLS_IO = frozenset({"read", "write", "do_handshake", "unwrap", "pending"})
