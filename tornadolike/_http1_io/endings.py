"""How an exchange ends: done, refused, abandoned, or with its stream. Each of them once, and exactly one of them."""

import asyncio

from tornadolike import httputil, iostream
from tornadolike._http1.engine import DONE, IDLE
from tornadolike._http1.errors import BodyTooLarge, BodyTooShort, IncompleteMessage, PeerError
from tornadolike._http1.events import Event
from tornadolike._http1_io.state import ExchangeState
from tornadolike.concurrent import Future

# What a server answers before it closes, by the status of the error. Tornado's 400 is bare, and its tests ask for these very bytes.
_BARE_REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\n"
_REFUSALS = {
    status: b"HTTP/1.1 %d %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % (status, reason)
    for status, reason in {
        400: b"Bad Request",
        413: b"Content Too Large",
        431: b"Request Header Fields Too Large",
        505: b"HTTP Version Not Supported",
    }.items()
}


class Endings(ExchangeState):
    """The end of an exchange."""

    def _maybe_done(self) -> None:
        """Tell the owner once both messages are through and ours has reached the kernel."""
        if self._over or self._upgraded or not self._read_done or self._engine.own is not DONE:
            return
        last = self._last_write
        if last is None or last.done():
            self._complete()
        else:
            last.add_done_callback(self._flushed)

    def _complete(self) -> None:
        self._over = True
        self._delegate = self._close_callback = self._last_write = None
        self._owner.exchange_done(self)  # type: ignore[union-attr]  # nothing is read without one

    def _flushed(self, future: "Future[None]") -> None:
        if not future.cancelled() and future.exception() is None:
            self._maybe_done()

    def _end_body(self) -> bool:
        """The end of a body that is in chunks, or shorter than was announced; False where the connection is lost with it."""
        stream, engine = self.stream, self._engine
        try:
            end = engine.send_end()
        except BodyTooShort as error:
            engine.own = DONE
            if not stream.closed():
                stream.close()
                raise httputil.HTTPOutputError(f"Tried to write {error.missing_bytes} bytes less than Content-Length") from None
            return False
        if (end or (stream._collected is not None and not (engine.stored and engine.keep_alive))) and not stream.closed():
            self._last_write = stream.write(end)
        return True

    def _end_unread(self) -> None:
        """The rest of the request is not worth waiting for: answer, then close."""
        self._engine.keep_alive = False
        if self._last_write is None or self._last_write.done():
            # Not at once: the handler shall have finished before its delegate hears that the connection is closed.
            asyncio.get_running_loop().call_soon(self._abandon, context=self._request_context)
        else:
            self._last_write.add_done_callback(self._abandon, context=self._request_context)

    def _will_be_long(self) -> None:
        """The request has been read, and its answer lasts as long as the client stays: let go what only the beginning needed."""
        if self._read_done and not self._delegate_open:
            self._delegate = None
        last = self._last_write
        if last is not None and last.done():
            self._last_write = None
        if self.stream is not None:
            self.stream._forget_finished()
        server = getattr(self._owner, "_server", None)
        if server is not None:
            server._end_lent_task()

    def _was_not_upgraded(self) -> None:
        self._upgraded = False
        self._maybe_done()

    def _break_off(self) -> None:
        if not self._over:
            self._engine.break_off()

    def _abandon(self, _: "Future[None] | None" = None) -> None:
        if not self._over:
            self._give_up()

    def _stop_body_timer(self) -> None:
        timer, self._body_timer = self._body_timer, None
        if timer is not None:
            timer.cancel()

    def _status_of(self, error: BaseException) -> int:
        if isinstance(error, BodyTooLarge) and self.params._standard_refusals:
            return 413
        return error.status if isinstance(error, PeerError) else 400

    def _refuse(self, status: int) -> None:
        if not self.is_client and self.stream is not None and self._engine.own is IDLE and not self.stream.closed():
            self._engine.own = DONE
            bare = status == 400 and not self.params._standard_refusals
            self._last_write = self.stream.write(_BARE_REFUSAL if bare else _REFUSALS[status])

    def _give_up(self) -> None:
        """End an exchange that cannot be completed, once what was written is flushed."""
        self._over = True
        self._stop_body_timer()
        self._tell_delegate_of_close()
        self._delegate = self._close_callback = None
        owner, self._owner = self._owner, None
        if self.stream is not None and self.stream._collected is not None:
            self._send(b"")
        last = self._last_write
        if last is not None and not last.done() and not self.stream.closed():
            last.add_done_callback(lambda _: self._leave())
        else:
            self._leave()
        self._last_write = None
        if owner is not None:
            owner.exchange_lost(self, None)

    def _leave(self) -> None:
        """Close. One who was answered while he still sends gets time to read the answer."""
        stream = self.stream
        graceful = getattr(stream, "_close_gracefully", None)  # a stream that is none of ours has no such way
        if graceful is None or self.is_client or self._engine.own is not DONE or self._engine.peer is DONE:
            self.close()
        else:
            graceful()

    def _on_stream_closed(self) -> None:
        """The stream is gone: an orderly end for a body that ends with it, a loss for anything else."""
        if self._rest is not None:
            self._stream_lost = True
            return
        if self._over:
            return
        try:
            events = self._engine.feed_eof()
        except IncompleteMessage:
            events = []
        if events and not self._hand_over_last(events):
            return
        self._over = True
        self._stop_body_timer()
        # Who hears of it depends on how far the peer's message has come; never both.
        if self._delegate_open:
            self._tell_delegate_of_close()
        else:
            self._run_close_callback()
        # The future's error has the frames of whoever waited for it, and through them this exchange and its answer.
        self._delegate = self._close_callback = self._last_write = None
        owner, self._owner = self._owner, None
        if owner is None:
            return
        if self.is_client and self._engine.peer is DONE:
            owner.exchange_done(self)
        else:
            owner.exchange_lost(self, iostream.StreamClosedError(real_error=self.stream.error))

    def _hand_over_last(self, events: list[Event]) -> bool:
        """Events that only the end of the stream brought; whether the exchange is still ours to end."""
        try:
            self._pump(iter(events))
        except Exception as error:
            self._failed(error)
        if self._rest is not None:
            self._stream_lost = True
        return not self._over and self._rest is None
