"""One exchange on a stream that is not a server's: `HTTP1Connection.read_response`."""

import asyncio

from tornadolike._http1.engine import IDLE
from tornadolike._http1_io.state import ExchangeState
from tornadolike.concurrent import Future


class SingleExchange:
    """Consumer of a stream for one `HTTP1Connection.read_response`."""

    __slots__ = ("_connection", "_header_timer", "result", "takes_rest")

    def __init__(self, connection: ExchangeState) -> None:
        self._connection = connection
        self.takes_rest = connection.is_client  # a server may have refused what could not be written any more
        self._header_timer: asyncio.TimerHandle | None = None
        self.result: Future[bool] = Future()

    def watch_header_timeout(self) -> None:
        timeout = self._connection.params.header_timeout
        if timeout is not None and not self.result.done():
            self._header_timer = asyncio.get_running_loop().call_later(timeout, self._on_header_timeout)

    def _on_header_timeout(self) -> None:
        if not self._connection._delegate_open and self._connection._engine.peer is IDLE:
            self._connection._give_up()

    def data_received(self, data: bytes) -> None:
        self._connection._input(data)

    def stream_closed(self) -> None:
        self._connection._on_stream_closed()

    def exchange_done(self, connection: ExchangeState) -> None:
        connection._release_gate()
        if not connection.stream.closed():
            unasked = connection._engine.take_waiting()
            if unasked and connection.is_client:
                # Nobody asked for more than one response: whatever this is, it must not answer the next request.
                connection._engine.keep_alive = False
            connection.stream._detach_consumer(unasked)
            if not connection.is_client and not connection._engine.keep_alive:
                connection.close()
        self._settle(True)

    def exchange_lost(self, connection: ExchangeState, error: Exception | None) -> None:
        if error is None:
            self._settle(False)
            return
        self._stop()
        if not self.result.done():
            self.result.set_exception(error)
            self.result.exception()

    def exchange_detached(self, connection: ExchangeState) -> None:
        self._settle(False)

    def _settle(self, outcome: bool) -> None:
        self._stop()
        if not self.result.done():
            self.result.set_result(outcome)

    def _stop(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
