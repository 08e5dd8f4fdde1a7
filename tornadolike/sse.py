"""Event streams (HTML standard §9.2, "Server-sent events"): a handler that sends them, and a client that reads them. Not in Tornado.

::

    class Ticker(EventStreamHandler):
        async def stream(self):
            async for message in hub.listen("ticker", self.last_event_id or None):
                yield ServerSentEvent(message.data, id=message.id)

    async for event in tornadolike.sse.listen("http://127.0.0.1:8888/ticker"):
        print(event.data)

A browser reads the stream with ``new EventSource("/ticker")``, comes back by itself when it is cut, and then says which event it saw last.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from operator import methodcaller
from typing import Any
from weakref import WeakKeyDictionary

from tornadolike import httputil
from tornadolike._sse.beats import Beats
from tornadolike._sse.events import EventReader, EventStreamTooLong, ServerSentEvent, encode
from tornadolike.concurrent import future_set_result_unless_cancelled
from tornadolike.escape import json_encode
from tornadolike.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornadolike.iostream import StreamClosedError
from tornadolike.log import app_log
from tornadolike.web import OutputTransform, RequestHandler

__all__ = ["EventStreamHandler", "EventStreamTooLong", "ServerSentEvent", "listen"]

for _public in (ServerSentEvent, EventStreamTooLong):
    _public.__module__ = __name__
del _public

_HEARTBEAT = b":\n\n"
# What a server says when it is being replaced or has too much to do: worth coming back for.
_PASSING_STATUSES = frozenset({429, 502, 503, 504})


class _NothingYet:
    """Events that come from elsewhere: who waits here for one waits until the stream ends."""

    def __aiter__(self) -> "_NothingYet":
        return self

    async def __anext__(self) -> Any:
        await asyncio.get_running_loop().create_future()


_NOTHING_YET = _NothingYet()


class _Latest:
    """The message that was encoded last: a message of a room is sent to many."""

    message: Any = None
    encoded = b""


_beats: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, Beats]]" = WeakKeyDictionary()
# A compressor for each stream would take more memory than all the rest of it.
_NO_TRANSFORMS: list[OutputTransform] = []


class EventStreamHandler(RequestHandler):
    """Answers GET with an event stream. Override `stream`; or join a `.Hub` in `prepare`, and every message of the room becomes an event,
    with its id.

    The stream ends when `stream` does, when the client leaves, when the server is drained, or when it cannot be written to for
    ``write_timeout`` seconds. Clients come back by themselves; to tell one not to, answer 204 in `prepare` (``self.set_status(204)``,
    ``self.finish()``).

    Class attributes, to be overridden:

    * ``heartbeat``: seconds without an event after which a comment is sent, which keeps proxies from closing the connection and shows
      whether the client is there; 15 by default, None: never.
    * ``write_timeout``: seconds; 60 by default.
    * ``max_queued_bytes``: with a hub, what may wait for a client that reads slowly; more ends its stream, and it comes back for what it
      missed. 1 MiB by default.
    """

    heartbeat: float | None = 15.0
    write_timeout: float = 60.0
    max_queued_bytes: int = 1 << 20

    _RequestHandler__set_late = (
        *("_transforms", "path_args", "path_kwargs", "ui"),
        *("_began", "_beats", "_stream_task", "_ending", "_has_reader"),
    )
    _stream_task: "asyncio.Task[Any] | None" = None
    _beats: Beats | None = None
    _unsent: "asyncio.Future[None] | None" = None
    _unsent_since = 0.0
    _queued_bytes = 0
    _ending = False
    _began = False
    _has_reader = True

    @property
    def last_event_id(self) -> str:
        """What the client says it saw last, as it may say anything; empty on its first visit."""
        sent = self.request.headers.get("Last-Event-ID", "")
        if not sent.isascii():
            with contextlib.suppress(UnicodeError):
                return sent.encode("latin-1").decode()  # which it is sent as (§9.2.3)
        return sent

    def stream(self, *args: str, **kwargs: str) -> AsyncIterator[ServerSentEvent | str | dict[str, Any]]:
        """Override with an asynchronous generator, which yields `ServerSentEvent`, a str (its data), or a dict (data as JSON).

        Gets the arguments that the URL pattern captured. The next event is asked for when the one before went out. It is cancelled where it
        waits when the stream ends from outside; its ``finally`` runs. Without an override the stream stays open until then, for events
        from `send` or a hub.
        """
        return _NOTHING_YET

    async def get(self, *args: str, **kwargs: str) -> None:
        """Run the stream."""
        self._stream_task = asyncio.current_task()
        source = self.stream(*args, **kwargs)
        if source is _NOTHING_YET:
            # Nothing to run: without a task that waits an open stream takes half of the memory.
            self._stream_task, self._auto_finish = None, False
            await self._begin_stream()
            self._RequestHandler__will_be_long()  # type: ignore[attr-defined]
            return
        try:
            await self._begin_stream()
            self._RequestHandler__will_be_long()  # type: ignore[attr-defined]
            async for event in source:
                await self.send(event)
        except asyncio.CancelledError:
            if not self._ending:
                raise
            assert self._stream_task is not None
            self._stream_task.uncancel()
        except StreamClosedError:
            self._auto_finish = False  # the client left
        finally:
            self._stream_task = None
            self._stop_beating()
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()

    def _begin_stream(self) -> "asyncio.Future[None]":
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")  # nginx collects answers otherwise
        self._transforms = _NO_TRANSFORMS
        self._began = True
        self._start_beating()
        if self._write_buffer:
            return self.flush()  # from a hub that was joined in prepare
        self.write(_HEARTBEAT)  # some proxies wait for the first byte of a body
        return self.flush()

    def send(self, event: ServerSentEvent | str | dict[str, Any]) -> "asyncio.Future[None]":
        """Send an event. The future is done when it went out to the network; await it, or it waits in memory.

        Raises `ValueError` for what cannot be sent; see `ServerSentEvent`.
        """
        if isinstance(event, dict):
            event = json_encode(event)
        return self._send_bytes(encode(event if isinstance(event, ServerSentEvent) else ServerSentEvent(event)))

    @property
    def stream_ended(self) -> bool:
        """Whether nothing more is sent; a hub takes such a handler off."""
        return self._finished or self._ending

    def on_hub_message(self, message: Any) -> "asyncio.Future[None]":
        """Called by a `.Hub` for a message of a room that was joined: sends it as an event with its id. Bytes are taken for UTF-8."""
        if self._finished or self._ending:
            raise StreamClosedError
        if _Latest.message is not message:
            data = message.data
            text = data if isinstance(data, str) else data.decode("utf-8", "replace")
            _Latest.message, _Latest.encoded = message, encode(ServerSentEvent(text, id=message.id))
        if self._queued_bytes > self.max_queued_bytes:
            self._end_stream()
            raise StreamClosedError
        return self._send_bytes(_Latest.encoded)

    def _send_bytes(self, data: bytes) -> "asyncio.Future[None]":
        self._write_buffer.append(data)
        if not self._began:  # the head goes first
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        flushed = self.flush()
        if not flushed.done():
            self._wait_for(flushed, len(data))
        return flushed

    def _wait_for(self, flushed: "asyncio.Future[None]", size: int) -> None:
        """Remember since when nothing went out, and how much waits."""
        if self._unsent is None or self._unsent.done():
            self._unsent, self._unsent_since = flushed, asyncio.get_running_loop().time()
        self._queued_bytes += size

        def sent(future: "asyncio.Future[None]") -> None:
            self._queued_bytes -= size
            if not future.cancelled():
                future.exception()

        flushed.add_done_callback(sent)

    def _start_beating(self) -> None:
        if self.heartbeat is None:
            return
        loop = asyncio.get_running_loop()
        by_seconds = _beats.setdefault(loop, {})
        beats = by_seconds.get(self.heartbeat)
        if beats is None:
            beats = by_seconds[self.heartbeat] = Beats(loop, self.heartbeat, methodcaller("_beat"))
        self._beats = beats
        beats.add(self)

    def _stop_beating(self) -> None:
        if self._beats is not None:
            self._beats.remove(self)
            self._beats = None

    def _beat(self) -> None:
        if self._unsent is not None and not self._unsent.done():
            if asyncio.get_running_loop().time() - self._unsent_since >= self.write_timeout:
                app_log.info("event stream to %s ends: nothing went out for %g s", self.request.remote_ip, self.write_timeout)
                self._end_stream()
                stream = getattr(self.request.connection, "stream", None)
                if stream is not None:
                    stream.close()
                return
        else:
            self._send_bytes(_HEARTBEAT)
            self._RequestHandler__will_be_long()  # type: ignore[attr-defined]
        self._start_beating()

    def _end_stream(self) -> None:
        if not self._ending:
            self._ending = True
            if self._stream_task is not None:
                self._stream_task.cancel()
            else:
                self._stop_beating()
                if self._began and self._has_reader and not self._finished:
                    self.finish()

    def on_drain(self) -> None:
        """The server is about to end: so does the stream, in whole events. Clients come back, to who comes next."""
        self._end_stream()

    def on_connection_close(self) -> None:
        """The client left."""
        super().on_connection_close()
        self._auto_finish = self._has_reader = False
        self._end_stream()


async def listen(
    url: str,
    *,
    client: AsyncHTTPClient | None = None,
    last_event_id: str = "",
    retry: float = 3.0,
    headers: "Mapping[str, str] | None" = None,
    max_event_bytes: int = 1 << 20,
    **request: Any,
) -> AsyncIterator[ServerSentEvent]:
    """``async for event in listen(url)``: the events of a stream, for as long as it exists.

    When the connection ends or cannot be made it is made again, after ``retry`` seconds or what the server asked for, and with the id of
    the last event. It ends when the server answers 204. ``id`` of an event is the last that was given, ``event`` is "message" where none
    was.

    :arg client: an `.AsyncHTTPClient`; by default the one of this loop. A stream takes one of its ``max_clients``.
    :arg last_event_id: where to resume.
    :arg headers: more header fields of the request; other keyword arguments are those of `.HTTPRequest`.
    :arg max_event_bytes: one event may have so many characters; 1 Mi by default.

    Raises `.HTTPClientError` for another status than 200 (429, 502, 503 and 504 are tried again), `ValueError` where the answer is not an
    event stream, `EventStreamTooLong`, and `ssl.SSLCertVerificationError`.
    """
    reader = EventReader(max_event_bytes)
    reader.last_id = last_event_id
    while True:
        attempt = _Attempt(reader, client or AsyncHTTPClient(), url, dict(headers or {}), request)
        try:
            async for event in attempt.events():
                yield event
        finally:
            attempt.cancel()
        if attempt.status == 204:
            return
        await asyncio.sleep(retry if reader.retry is None else reader.retry / 1000)


class _Attempt:
    """One connection of `listen`."""

    def __init__(self, reader: EventReader, client: AsyncHTTPClient, url: str, headers: dict[str, str], options: dict[str, Any]) -> None:
        self.status = 0
        self._url = url
        self._reader = reader
        self._fields = httputil.HTTPHeaders()
        self._arrived: list[ServerSentEvent] = []
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self._taken: asyncio.Future[None] | None = None
        headers.setdefault("Accept", "text/event-stream")
        headers.setdefault("Cache-Control", "no-cache")
        if reader.last_id:
            headers["Last-Event-ID"] = reader.last_id.encode().decode("latin-1")  # as it goes into a header (§9.2.3)
        self._reader_begins()
        options = {"request_timeout": 0, "connect_timeout": 20, **options}
        asked = HTTPRequest(url, headers=headers, header_callback=self._on_header, streaming_callback=self._on_data, **options)
        self._fetch = asyncio.ensure_future(client.fetch(asked, raise_error=False))
        self._fetch.add_done_callback(lambda fetch: self._wake())

    def _reader_begins(self) -> None:
        """What the connection before left half is thrown away (§9.2.6)."""
        last_id, retry, limit = self._reader.last_id, self._reader.retry, self._reader.max_event_bytes
        self._reader.__init__(limit)  # type: ignore[misc]
        self._reader.last_id, self._reader.retry = last_id, retry

    def cancel(self) -> None:
        """Leave: the connection is closed."""
        self._fetch.cancel()
        self._go_on()

    def _go_on(self) -> None:
        """What was read is taken: let the connection be read again."""
        if self._taken is not None:
            future_set_result_unless_cancelled(self._taken, None)
            self._taken = None

    def _on_header(self, line: str) -> None:
        if line.startswith("HTTP/"):
            self.status = int(line.split()[1])
            self._fields = httputil.HTTPHeaders()
        elif line.strip():
            self._fields.parse_line(line)
        elif self.status == 200:
            kind = self._fields.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind != "text/event-stream":
                self._error = ValueError(f"the answer is {kind or 'of no type'}, not text/event-stream")
                self._wake()

    async def _on_data(self, data: bytes) -> None:
        if self.status != 200 or self._error is not None:
            return
        try:
            self._arrived += self._reader.feed(data)
        except EventStreamTooLong as error:
            self._error = error
        self._wake()
        if self._arrived:
            self._taken = asyncio.get_running_loop().create_future()
            await self._taken

    def _wake(self) -> None:
        if self._news is not None:
            future_set_result_unless_cancelled(self._news, None)
            self._news = None

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Those of this connection, until it ends."""
        while True:
            arrived, self._arrived = self._arrived, []
            for event in arrived:
                yield event
            self._go_on()
            if self._error is not None:
                raise self._error
            if self._arrived:
                continue
            if self._fetch.done():
                break
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        try:
            response = self._fetch.result()
        except (OSError, HTTPClientError) as error:
            if isinstance(error, ssl.SSLCertVerificationError) or getattr(error, "code", 599) != 599:
                raise
            app_log.info("event stream %s: %s", self._url, error or type(error).__name__)
            return
        if response.code not in {200, 204, 599} and response.code not in _PASSING_STATUSES:
            raise HTTPClientError(response.code, response.reason, response)
