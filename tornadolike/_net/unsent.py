"""How many bytes the kernel keeps for a connection before they can be sent.

Left to itself, Linux takes up to 4 MiB for each connection, whatever the other end's pace. Some hundred clients that ask for much and
read little then fill the memory that all of TCP may use; from that moment on the kernel is slow with everybody's bytes, and what a
server is asked next waits for tens of milliseconds. With ``TCP_NOTSENT_LOWAT`` a connection says "enough" as soon as so many bytes
wait that have not even been sent once; what is on its way over a long line does not count. Accepted sockets inherit the limit from
the listening one, so it costs no call per connection.

To a peer that takes its bytes quickly, a small limit would only mean many small steps: for it the limit grows while it keeps its pace.
"""

import contextlib
import socket

LEAST_BYTES = 128 << 10
MOST_BYTES = 4 << 20

QUICK_SECONDS = 0.25
SLOW_SECONDS = 2.0

_OPTION: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)


def _is_tcp(sock: socket.socket) -> bool:
    return sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM


def limit(listening: socket.socket) -> None:
    """Have connections begin with `LEAST_BYTES`, unless the socket has a limit already. No effect where the system has no such option."""
    if _OPTION is None or not _is_tcp(listening):
        return
    with contextlib.suppress(OSError):
        if not listening.getsockopt(socket.IPPROTO_TCP, _OPTION):
            listening.setsockopt(socket.IPPROTO_TCP, _OPTION, LEAST_BYTES)


class Allowance:
    """The limit of one connection, following its peer's pace. One without a limit, or with somebody else's, is left alone."""

    __slots__ = ("_bytes", "_drained_at")

    def __init__(self, sock: socket.socket) -> None:
        self._drained_at = float("-inf")
        self._bytes = 0
        if _OPTION is not None and _is_tcp(sock):
            with contextlib.suppress(OSError):
                self._bytes = sock.getsockopt(socket.IPPROTO_TCP, _OPTION)

    def drained(self, sock: socket.socket, now: float) -> None:
        """The kernel takes bytes again, at the time ``now`` (seconds, of a clock that never goes back)."""
        interval, self._drained_at = now - self._drained_at, now
        if not LEAST_BYTES <= self._bytes <= MOST_BYTES:
            return
        if interval < QUICK_SECONDS:
            self._change(sock, min(self._bytes * 2, MOST_BYTES))
        elif interval > SLOW_SECONDS:
            self._change(sock, LEAST_BYTES)

    def _change(self, sock: socket.socket, size: int) -> None:
        if size != self._bytes and _OPTION is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, _OPTION, size)
                self._bytes = size
