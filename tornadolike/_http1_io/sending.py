"""The way out: heads, pieces of bodies and files, and when small ones are sent together."""

import io
from collections.abc import Awaitable
from time import monotonic
from typing import Any, cast

from tornadolike import httputil, iostream
from tornadolike._http.response_head import ResponseHead as ResponseFields
from tornadolike._http1.engine import DONE, ClientEngine, ServerEngine
from tornadolike._http1.errors import BodyTooLong
from tornadolike._http1_io.server_session import ServerSession
from tornadolike._http1_io.state import ExchangeState
from tornadolike.concurrent import Future, future_set_result_unless_cancelled

_BODYLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
# What a response may write, while the kernel takes it all, before awaiting the write lets the loop go on to others. Sockets have
# megabytes of buffer: a handler that sends a stream in small pieces would fill it in one turn of several milliseconds.
BURST_BYTES = 128 * 1024
# What is copied behind its head, to go out with it in one piece; more than that is dearer to copy than to write apart.
MOST_COPIED = 64 * 1024
# A small piece of a body that comes so soon after another was sent goes out with what follows, at the latest at the end of the loop's
# turn: a send costs more than all the rest of a `flush`.
BURST_SECONDS = 0.001
# After one that nothing followed in its turn, so many small pieces are sent by themselves.
ALONE = 7
SMALL_PIECE = 16 * 1024
# Answers to requests that were sent ahead go out together, as long as the next one is given within two turns of the loop.
_SMALL_ANSWER = 4 * 1024


class Sending(ExchangeState):
    """The sending half of an exchange."""

    def _collect_answer(self, data: bytes) -> "Future[None] | None":
        """The client has sent more requests: small answers go out together. None where this one has to go by itself."""
        stream = self.stream
        if len(data) > _SMALL_ANSWER or not isinstance(self._owner, ServerSession):
            return None
        pieces = stream._collect() if stream._collected is None else stream._collected
        if pieces is None:
            return None
        pieces.append(data)
        self._last_write = stream._finished  # which is there wherever pieces are collected
        return self._last_write

    def _head_and_chunk(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders, chunk: bytes
    ) -> bytes:
        """What is to be sent now; before much of a body, the head has been sent by itself."""
        rest = b""
        if len(chunk) > MOST_COPIED:
            chunk, rest = b"", chunk
        if self.is_client:
            data = self._request_head(start_line, headers, chunk)  # type: ignore[arg-type]  # a client's
        else:
            data = self._response_head(start_line, headers, chunk, len(rest))  # type: ignore[arg-type]  # a server's
        if not rest:
            return data
        self._send(data)
        return self._body_bytes(rest)

    def _request_head(self, start_line: httputil.RequestStartLine, headers: httputil.HTTPHeaders, chunk: bytes) -> bytes:
        engine = cast(ClientEngine, self._engine)
        method, target = start_line.method, start_line.path
        base: ResponseFields | None = getattr(headers, "_head", None)
        if base is not None and not headers._joined and not chunk and method in _BODYLESS_METHODS:
            # Fields that many requests share, and that say nothing of a body.
            return engine.send_head(method, target, (), None, False, lines=base.lines)
        field = headers.get("Content-Length")
        length = None if field is None else self._length_in(field)
        chunked = length is None and method in ("POST", "PUT", "PATCH")
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        return engine.send_head(method, target, headers.get_all(), length, chunked, chunk)

    def _response_head(self, start_line: httputil.ResponseStartLine, headers: httputil.HTTPHeaders, chunk: bytes, later: int) -> bytes:
        """The head and ``chunk``, behind which so many bytes come at once."""
        engine: ServerEngine = self._engine  # type: ignore[assignment]  # a server's
        base: ResponseFields | None = getattr(headers, "_head", None)
        _, code, reason = start_line
        said: Any = headers if base is None else headers._joined  # what they stand on says nothing about framing
        length, chunked = self._frame(code, headers, said.get("Content-Length"), said.get("Connection"), len(chunk) + later)
        fields = headers.get_all() if base is None else said.items()
        return engine.send_head(code, reason, fields, length, chunked, chunk, base)

    def _frame(
        self, code: int, headers: httputil.HTTPHeaders, field: str | None, options: str | None, size: int
    ) -> tuple[int | None, bool]:
        """The length of a response, and whether it is chunked; sets what its head has to say about that, and about the connection."""
        engine: ServerEngine = self._engine  # type: ignore[assignment]  # a server's
        length = 0 if engine.has_no_content(code) else None
        if field is not None and length is None:
            length = self._length_in(field)
            if engine.peer is not DONE and length == size:
                # This is the whole answer, and the rest of the request is not worth waiting for.
                engine.keep_alive = False
        chunked = field is None and engine.frame_response(code)
        announced = options is not None and engine.keep_alive and "close" in options.lower()
        if announced:
            engine.keep_alive = False
        if code == 101:
            self._upgraded = True
        option = engine.connection_field() if code != 101 else None  # what comes behind it has its own end
        if option is not None and not announced:  # which stays as it was written
            headers["Connection"] = option
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
            self._sent_at = monotonic()  # others mostly go out whole, and need not know
        return length, chunked

    def _body_bytes(self, chunk: bytes) -> bytes:
        try:
            return self._engine.send_body(chunk)
        except BodyTooLong:
            raise self._too_long() from None

    def _too_long(self) -> httputil.HTTPOutputError:
        self.stream.close()
        return httputil.HTTPOutputError("Tried to write more data than Content-Length")

    def _not_sent(self) -> "Future[None]":
        """What a write returns that comes after the end: nothing is sent, and if it ended too early, that is an error."""
        future: Future[None] = Future()
        if self.stream is None or self.stream.closed():
            future.set_exception(iostream.StreamClosedError(real_error=None if self.stream is None else self.stream.error))
            future.exception()
        else:
            future.set_result(None)
        return future

    def _send(self, data: bytes) -> "Future[None]":
        try:
            future = self._last_write = self.stream.write(data)
        except iostream.StreamClosedError as error:
            return self._lost(error)
        return future

    def _lost(self, error: iostream.StreamClosedError) -> "Future[None]":
        """What a write returns that finds the stream closed."""
        future: Future[None] = Future()
        # Later, behind the news of the close; and another error, since the traceback of this one holds this frame and the future.
        self.stream.io_loop.add_callback(iostream._fail, future, iostream.StreamClosedError(error.real_error))
        return future

    def _begin_to_collect(self, stream: iostream.IOStream) -> list[bytes] | None:
        """A list for this piece and those that follow in the same turn; None where this one had better go at once.

        Who lets the loop run between pieces gains nothing by collecting: after a list of one, the next pieces go by themselves.
        """
        if self._alone_left:
            self._alone_left -= 1
            return None
        if self._was_alone:
            self._alone_left, self._was_alone = ALONE, False
            return None
        pieces = stream._collect()
        self._was_alone = pieces is not None
        return pieces

    def _write_at_once(self, chunk: bytes) -> "Future[None]":
        # As `_send` and `_body_bytes`, with two calls less for each message of a broadcast.
        stream = self.stream
        try:
            data = chunk if stream.closed() else self._engine.send_body(chunk)
        except BodyTooLong:
            raise self._too_long() from None
        try:
            written = self._last_write = stream.write(data)
        except iostream.StreamClosedError as error:
            written = self._lost(error)
        self._sent_at = monotonic()
        if self._burst_bytes >= BURST_BYTES:
            self._burst_bytes = 0
            if written.done() and written.exception() is None:
                return self._in_the_next_turn()
        return written

    def _in_the_next_turn(self) -> "Future[None]":
        """A future for somebody who has written much, all of which the kernel took: others shall have their turn, too."""
        turn: Future[None] = Future()
        self.stream.io_loop.add_callback(future_set_result_unless_cancelled, turn, None)
        return turn

    def _write_file(self, fd: int, offset: int, count: int) -> Awaitable[None] | None:
        stream = self.stream
        if self._over or stream.closed() or not self._engine.may_bypass(count):
            return None
        stream._send_collected()
        return self._write_file_part(fd, offset, count) if stream._takes_files() and not stream.writing() else None

    async def _write_file_part(self, fd: int, offset: int, count: int) -> None:
        future = self._last_write = self.stream._write_file(fd, offset, count)
        try:
            await future
        except iostream._UnsendableFileError as error:
            raise io.UnsupportedOperation(str(error)) from error
        # Not before it went out: of a file that turned out to be shorter less was sent, and finish() has to notice.
        self._engine.count_bypassed(count)
