"""What an exchange is made of, whatever it does: the state that its rooms share, and what they ask of each other and of the class."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from tornadolike import httputil, iostream
from tornadolike._http1.engine import ClientEngine, ServerEngine
from tornadolike._http1.errors import BodyTooLarge
from tornadolike._http1.events import Event
from tornadolike._http1_io.gate import Gate
from tornadolike.concurrent import Future

CONTINUE = b"HTTP/1.1 100 (Continue)\r\n\r\n"


class BodyTooLargeInput(BodyTooLarge, httputil.HTTPInputError):
    """What code that works on Tornado's class may wait for."""


class Owner(Protocol):
    """Who is told what became of an exchange."""

    def exchange_done(self, connection: "ExchangeState") -> None:
        """Both messages are through and flushed."""

    def exchange_lost(self, connection: "ExchangeState", error: Exception | None) -> None:
        """It ended early; ``error`` where the stream broke, None where the failure was logged and the stream closed here."""

    def exchange_detached(self, connection: "ExchangeState") -> None:
        """Somebody else took the stream."""


if TYPE_CHECKING:

    class _Port(httputil.HTTPConnection): ...

else:
    _Port = object


class ExchangeState(_Port):
    """The base of `receiving.Receiving`, `classic_reading.ClassicReading`, `sending.Sending` and `endings.Endings`.

    They are one object with the connection, not parts of it: one is made for every request. What they cannot do themselves, since it
    needs a public name (a log, a class, a function that programs replace), is declared here and defined by ``HTTP1Connection``.
    """

    # The constructor sets these: from the class, reading costs four times as much.
    stream: iostream.IOStream
    is_client: bool
    params: Any
    context: Any
    no_keep_alive: bool
    _over: bool  # the exchange has ended
    _read_done: bool  # the peer's message has been handed over to its end
    _delegate_open: bool  # the delegate has seen a head, and is owed an end
    _upgraded: bool  # 101 was sent, and what follows is no HTTP
    _delegate: httputil.HTTPMessageDelegate | None
    _close_callback: Callable[[], None] | None
    _last_write: Future[None] | None
    _body_timer: asyncio.TimerHandle | None
    # Set for few exchanges, so they live on the class until then.
    _max_body_size: int | None = None
    _body_timeout: float | None = None
    _stream_lost = False
    _request_start_line: httputil.RequestStartLine
    _request_headers: httputil.HTTPHeaders
    _burst_bytes = 0
    _sent_at = 0.0
    _was_alone = False  # nothing has followed the piece that was collected last
    _alone_left = 0  # so many go by themselves before some are collected again
    _rest: Iterator[Event] | None = None  # events that wait while the delegate wants time
    # The exchanges of a server connection share these: it sets them.
    _owner: Owner | None = None
    _gate: Gate | None = None
    _engine: ServerEngine | ClientEngine = None  # type: ignore[assignment]  # there is one before the first byte comes or goes

    if TYPE_CHECKING:
        # The public side.

        def close(self) -> None: ...
        def _chunk_size(self, line: str) -> int: ...
        def _count_interim(self) -> None: ...
        def _failed(self, error: BaseException) -> None: ...
        def _inflating(self, delegate: httputil.HTTPMessageDelegate) -> httputil.HTTPMessageDelegate: ...
        def _length_in(self, field: str) -> int: ...
        def _on_body_timeout(self) -> None: ...
        def _read_body(
            self, code: int, headers: httputil.HTTPHeaders, delegate: httputil.HTTPMessageDelegate
        ) -> Awaitable[None] | None: ...
        def _run_close_callback(self) -> None: ...
        def _tell_delegate_of_close(self) -> None: ...

        # What the rooms ask of each other.

        def _abandon(self, _: Future[None] | None = None) -> None: ...
        def _body_limit(self) -> int: ...
        def _complete(self) -> None: ...
        def _give_up(self) -> None: ...
        def _input(self, data: bytes) -> None: ...
        def _maybe_done(self) -> None: ...
        def _on_end(self) -> None: ...
        def _on_stream_closed(self) -> None: ...
        def _on_whole_request(self, head: Any) -> None: ...
        def _pump(self, events: Iterator[Event]) -> None: ...
        def _release_gate(self) -> None: ...
        def _stop_body_timer(self) -> None: ...
        def _run(self, function: Callable[..., None], *args: Any) -> None: ...
        def _send(self, data: bytes) -> Future[None]: ...
