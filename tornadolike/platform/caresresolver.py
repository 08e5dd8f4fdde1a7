"""Name resolution with c-ares, which asks name servers itself and needs no threads. It needs the package ``pycares``."""

import socket
from collections.abc import Generator
from typing import Any

import pycares

from tornadolike import _imported_names, gen
from tornadolike.concurrent import Future, future_set_result_unless_cancelled
from tornadolike.ioloop import IOLoop
from tornadolike.netutil import Resolver, is_valid_ip

# c-ares has retries and time limits of its own, but no clock: it looks at them when it is called. Not more often than this, in seconds.
_SHORTEST_TICK = 0.1

# The channels with open sockets. pycares destroys a forgotten channel in a thread of its own, where closing a socket still calls the
# channel's callback, which is gone by then: that ends the interpreter. So a channel is not forgotten before its sockets are closed.
_busy: set[pycares.Channel] = set()


class CaresResolver(Resolver):
    """A `.Resolver` on c-ares: non-blocking and without threads. It may answer otherwise than the system's resolver does.

    Of the sources of names it knows ``/etc/hosts`` and DNS. Deprecated; the default resolver serves all systems.
    """

    def initialize(self) -> None:
        self.fds: dict[int, int] = {}
        self._timer: object = None
        self.io_loop = IOLoop.current()
        self.channel = pycares.Channel(sock_state_cb=self._sock_state_cb)

    def _sock_state_cb(self, fd: int, readable: bool, writable: bool) -> None:
        """c-ares wants another set of events for one of its sockets; the empty set means that it is about to close it."""
        events = (IOLoop.READ if readable else IOLoop.NONE) | (IOLoop.WRITE if writable else IOLoop.NONE)
        if not events:
            self.io_loop.remove_handler(fd)
            self.fds.pop(fd, None)
            if not self.fds:
                _busy.discard(self.channel)
            return
        _busy.add(self.channel)
        if fd in self.fds:
            self.io_loop.update_handler(fd, events)
        else:
            self.io_loop.add_handler(fd, self._handle_events, events)
        self.fds[fd] = events
        self._keep_time()

    def _handle_events(self, fd: int, events: int) -> None:
        nothing = pycares.ARES_SOCKET_BAD
        self.channel.process_fd(fd if events & IOLoop.READ else nothing, fd if events & IOLoop.WRITE else nothing)

    def _keep_time(self) -> None:
        if self._timer is None and self.fds:
            self._timer = self.io_loop.call_later(max(self.channel.timeout(), _SHORTEST_TICK), self._tick)  # type: ignore[no-untyped-call]  # pycares says no type

    def _tick(self) -> None:
        self._timer = None
        self._handle_events(pycares.ARES_SOCKET_BAD, IOLoop.NONE)
        self._keep_time()

    @gen.coroutine
    def resolve(self, host: str, port: int, family: int = 0) -> "Generator[Any, Any, list[tuple[int, Any]]]":
        """The addresses of ``host``, as `.Resolver.resolve` describes them: of both families unless ``family`` is one of them.

        Raises `OSError` where there are none.
        """
        addresses = [host] if is_valid_ip(host) else (yield self._look_up(host, family))
        return [(self._family_of(address, family), (address, port)) for address in addresses]

    @gen.coroutine
    def _look_up(self, host: str, family: int) -> "Generator[Any, Any, list[str]]":
        answered: Future[tuple[Any, int | None]] = Future()

        def answer(result: Any, error: int | None) -> None:
            future_set_result_unless_cancelled(answered, (result, error))

        # Of what pycares offers only this asks for both families, and is the same in its versions 4 and 5.
        self.channel.getaddrinfo(host, None, family=socket.AddressFamily(family), type=socket.SOCK_STREAM, callback=answer)
        result, error = yield answered
        if error:
            raise OSError(f"C-Ares returned error {error}: {pycares.errno.strerror(error)!s} while resolving {host}")
        return [node.addr[0].decode("ascii") for node in result.nodes]

    @staticmethod
    def _family_of(address: str, wanted: int) -> int:
        found = socket.AF_INET6 if ":" in address else socket.AF_INET
        if wanted not in (socket.AF_UNSPEC, found):
            raise OSError(f"Requested socket family {wanted} but got {found}")
        return found


_imported_names.complete(globals())
