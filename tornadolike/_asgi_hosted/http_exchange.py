"""One request that came over ASGI, and its response."""

import asyncio
import os
import stat
from collections.abc import Awaitable

import tornadolike
from tornadolike import gen, httputil, iostream
from tornadolike._asgi import requests, responses
from tornadolike._asgi.interface import Message
from tornadolike._asgi_hosted.carrier import DEFAULT_MAX_BODY, Adapter, Carrier, Written, done, is_being_cancelled, one_turn
from tornadolike._http.log_text import one_line
from tornadolike.concurrent import Future
from tornadolike.http1connection import parse_int
from tornadolike.log import app_log, gen_log

_DEFAULT_SERVER = f"TornadoServer/{tornadolike.version}"
# Turns of the loop in which a file, or a body, may follow a head that was flushed by itself, before the head goes out alone.
_TURNS_FOR_BODY = 3
_WITHOUT_CONTENT = frozenset((204, 304))
_TOO_LONG = "Tried to write more data than Content-Length"
_START_LINE = httputil.RequestStartLine
_new_tuple = tuple.__new__


class HTTPExchange(Carrier):
    """One request and its response."""

    is_client = False
    _runs_at_once = True
    _read_all = False
    _started = False
    _finished: bool
    _contentless = False  # such as answers to HEAD are
    _said_last = False  # in an event that is sent, or waits to be
    _broken: bool
    _unsent: int | None = None  # of the length that was announced; without content there is nothing to send
    _announced = 0  # the length of the request's body, as far as it was said
    _body_size = 0
    _body_timer: asyncio.TimerHandle | None = None
    _body_limit_set: int | None = None
    _body_timeout: float | None = None

    def begin(self, adapter: Adapter) -> Written | None:
        """Have ``adapter``'s application answer; returns the whole answer if it is there, else `run` is what is left to do."""
        try:
            wanted = self._request_context.run(self._give_head, adapter)
            if wanted is not None or not self._read_all:
                self._reader = self._loop.create_task(self._read(wanted))
        except (Exception, asyncio.CancelledError) as error:  # nothing was awaited: it is the application's
            self._failed(error)
        return self._whole_answer() if self._over else None

    async def run(self, adapter: Adapter) -> Written | None:
        """Send what is there and what is to come, until the answer is complete, or the client is gone. Returns what is left to be sent,
        where that is all.
        """
        if self._reader is None and not self._over:
            # Most handlers need no more than one turn of the loop, and nobody has to look whether their clients are still there.
            try:
                await one_turn()
            except asyncio.CancelledError:
                self._lose()
                raise
            if not self._over:
                self._reader = self._loop.create_task(self._until_disconnect())
            elif (answer := self._whole_answer()) is not None:
                return answer
        await self._carry(adapter)
        if self._delegate_open:
            # It was answered before it was there; who reads it shall not wait for the rest.
            self._tell_of_close()
        self._delegate = None  # which leads back to us
        return None

    def _whole_answer(self) -> Written | None:
        """What is over, where it was written in one piece and nobody has to be stopped. Then nothing leads back to us any more."""
        written = self._outbox
        if type(written) is not list or not written or self._reader is not None or self._incomplete:
            return None
        self._outbox = self._delegate = None
        return written[0]

    def not_sent(self, future: "Future[None]", error: BaseException) -> None:
        """The server's ``send`` has raised ``error``, which is raised again unless it says that the client is gone."""
        self._fail_write(future, error)
        if not isinstance(error, OSError):
            raise error

    def _give_head(self, adapter: Adapter) -> Awaitable[None] | None:
        """Give the head to the application; returns what the body has to wait for."""
        self._finished = self._broken = False
        scope = self.scope
        method = self._method = scope["method"]
        version = self._version = "HTTP/1.1" if scope.get("http_version") == "1.1" else requests.version(scope)
        uri = requests.plain_target(scope)
        if uri is None:
            target = requests.target(scope, adapter._strips_root_path)
            uri, self._root_path = target.uri, target.root_path
        pairs, bare, announces_body = requests.survey(scope["headers"])
        headers = httputil.HTTPHeaders._from_wire(pairs, bare)
        self._read_all = not announces_body and ((version == "HTTP/1.1" and method == "GET") or not requests.may_have_body(method, version))
        if announces_body:
            self._announced = requests.announced_length(pairs)
        delegate = adapter.application.start_request(adapter, self) if adapter._starts_plainly else adapter._start_request(self)
        self._delegate = delegate
        self._delegate_open = True
        wanted = delegate.headers_received(_new_tuple(_START_LINE, (method, uri, version)), headers)
        if wanted is None and self._read_all:
            self._end_request()
        return wanted

    # -- reading

    async def _read(self, wanted: Awaitable[None] | None) -> None:
        """Give the body to the delegate, piece by piece as it is ready for them; then wait for the client to leave."""
        try:
            if wanted is not None:
                await gen.convert_yielded(wanted)
            if not self._read_all:
                self._start_body_timer()
                await self._read_body()
            elif not self._over:
                self._request_context.run(self._end_request)
            await self._until_disconnect()
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            self._failed(error)  # what the application waited for was cancelled
        except Exception as error:
            self._failed(error)

    async def _read_body(self) -> None:
        delegate = self._delegate
        assert delegate is not None
        if self._announced > self._body_limit():
            raise httputil.HTTPInputError("Content-Length too long")
        while not self._over:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._lose()
                return
            chunk = message.get("body", b"")
            if chunk and not self._finished:
                self._count_body(len(chunk))
                wanted = self._request_context.run(delegate.data_received, bytes(chunk))
                if wanted is not None:
                    await gen.convert_yielded(wanted)
            if not message.get("more_body", False):
                if self._body_timer is not None:
                    self._body_timer.cancel()
                self._request_context.run(self._end_request)
                return

    def _count_body(self, size: int) -> None:
        self._body_size += size
        if self._body_size > self._body_limit():
            raise httputil.HTTPInputError("body too large")

    def _body_limit(self) -> int:
        for limit in (self._body_limit_set, self.params.max_body_size):
            if limit is not None:
                return limit
        return DEFAULT_MAX_BODY

    def _end_request(self) -> None:
        """The request is complete."""
        self._read_all = True
        delegate = self._delegate
        if self._finished or self._over or delegate is None:
            self._delegate_open = False
            return
        self._delegate_open = False
        try:
            delegate.finish()
        except Exception:
            self._delegate_open = True
            raise
        # A handler that waits is all there is to it now: the fewer objects wait, the less the garbage collector has to look at.
        self._delegate = None

    async def _until_disconnect(self) -> None:
        # One reader, since ``receive`` is not for two. What a body without content still has to say is passed over.
        while not self._over:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                # Servers say so after a complete response too: that is no client who left.
                if not (self._finished or self._said_last):
                    self._lose()
                return

    def set_max_body_size(self, max_body_size: int) -> None:
        """Largest body of this request in bytes; has to be called before the body is read."""
        self._body_limit_set = max_body_size

    def set_body_timeout(self, timeout: float) -> None:
        """Seconds that reading the body of this request may take."""
        self._body_timeout = timeout

    def _start_body_timer(self) -> None:
        seconds = self._body_timeout if self._body_timeout is not None else self.params.body_timeout
        if seconds is not None:
            self._body_timer = self._loop.call_later(seconds, self._on_body_timeout)

    def _on_body_timeout(self) -> None:
        gen_log.info("Timeout reading body from %s", self.context)
        self._give_up()

    # -- endings

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, httputil.HTTPInputError):
            gen_log.info("Malformed HTTP message from %s: %s", self.context, one_line(str(error)))
            if not self._started:
                self._tell_of_close()
                self._put([_start(400, [(b"connection", b"close")] if self._version.startswith("HTTP/1") else []), _body(b"", False)])
                self._started = self._finished = self._over = True
                return
        elif not isinstance(error, iostream.StreamClosedError) or not self._lost:
            app_log.error("Uncaught exception", exc_info=error)
        self._give_up()

    def _tell_of_close(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
        delegate, is_open = self._delegate, self._delegate_open
        self._delegate_open = False
        if is_open and delegate is not None:
            self._call_later(delegate.on_connection_close)
        else:
            super()._tell_of_close()

    # -- the response

    def write_headers(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "Future[None]":
        """Send the head, and with it the first piece of the body. The reason phrase, ``Date`` and a ``Server`` that nobody chose are left
        to the server. Raises `ValueError` for header text that would break out of its line.
        """
        code: int = start_line[1]  # type: ignore[assignment]  # a server's
        base = getattr(headers, "_head", None)
        try:
            if base is None:
                pairs = responses.fields(headers.get_all(), self._version, _DEFAULT_SERVER)
                length = headers.get("Content-Length")
            else:
                # What headers stand on says nothing about the length.
                added = headers._joined
                pairs = responses.fields_on(base, added, self._version, _DEFAULT_SERVER)
                length = added.get("Content-Length")
        except responses.IllegalHeader:
            self._give_up()
            raise
        self._started = True
        head: Message = {"type": "http.response.start", "status": code, "headers": pairs}
        if self._method == "HEAD" or code in _WITHOUT_CONTENT:
            self._unsent = 0
            self._contentless = True
        elif length is not None:
            if chunk and length == str(len(chunk)):  # the whole answer, as nearly always
                self._unsent = 0
                self._said_last = True
                return self._put([head, {"type": "http.response.body", "body": bytes(chunk), "more_body": False}])
            self._unsent = parse_int(length)
        if not chunk:
            self._head_only = True
            return self._put([head])
        return self._put([head, self._piece(bytes(chunk))])

    def write(self, chunk: bytes) -> "Future[None]":
        """Send a piece of the body; done when the server has taken it. Raises `.HTTPOutputError` beyond the Content-Length."""
        if not chunk:
            return done()
        if self._contentless and not self._finished:
            self.finish()  # which is complete as it is
            raise httputil.HTTPOutputError(_TOO_LONG)
        return self._put([self._piece(bytes(chunk))])

    def _piece(self, chunk: bytes) -> Message:
        self._head_only = False
        if self._unsent is None:
            return _body(chunk, True)
        self._unsent -= len(chunk)
        if self._unsent < 0:
            self._leave_incomplete()
            raise httputil.HTTPOutputError(_TOO_LONG)
        self._said_last = self._unsent == 0
        return _body(chunk, not self._said_last)

    def _write_file(self, fd: int, offset: int, count: int) -> "Future[None] | None":
        """Have the server send a whole open file (the extension ``http.response.pathsend``); None where it cannot."""
        extensions = self.scope.get("extensions") or {}
        if "http.response.pathsend" not in extensions or not self._head_only or offset or self._unsent != count:
            return None
        path = _path_of(fd, count)
        if path is None:
            return None
        self._unsent = 0
        self._head_only, self._said_last = False, True
        return self._put([{"type": "http.response.pathsend", "path": path}])

    def _break_off(self) -> None:
        if self._unsent is None:
            self._broken = True

    def finish(self) -> None:
        """End the response. Raises `.HTTPOutputError` when less than the Content-Length was written."""
        if self._finished:
            return
        self._finished = True
        self._close_callback = None
        if self._over:
            return
        if self._unsent:
            missing, self._unsent = self._unsent, None
            self._leave_incomplete()
            raise httputil.HTTPOutputError(f"Tried to write {missing} bytes less than Content-Length")
        if self._broken:
            self._leave_incomplete()
            return
        if not self._said_last:
            self._end_body()
        self._over = True
        if self._waiter is not None:
            self._wake()

    def _leave_incomplete(self) -> None:
        """What was written is sent, and then no more."""
        self._close_callback = None
        self._incomplete = self._finished = self._over = True
        self._wake()

    def _end_body(self) -> None:
        """Say with the last event that it is the last; one more event only where it cannot be said with one that waits."""
        self._said_last = True
        waiting = self._outbox[-1][0] if self._outbox else None
        if waiting is None:
            self._put([_body(b"", False)])
        elif waiting[-1]["type"] == "http.response.body":
            waiting[-1]["more_body"] = False
        else:
            waiting.append(_body(b"", False))

    async def _settle_head(self) -> None:
        for _ in range(_TURNS_FOR_BODY):
            await asyncio.sleep(0)
            if self._outbox or self._over:
                return
        # Servers keep the head until there is a first piece of the body, be it empty.
        self._head_only = False
        self._put([_body(b"", True)])


def _start(status: int, pairs: responses.Pairs) -> Message:
    return {"type": "http.response.start", "status": status, "headers": pairs}


def _body(chunk: bytes, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more_body}


def _path_of(fd: int, size: int) -> str | None:
    """The path of an open file of ``size`` bytes, if it leads there still."""
    try:
        path = os.readlink(f"/proc/self/fd/{fd}")
        found, opened = os.stat(path), os.fstat(fd)
    except OSError:
        return None
    return path if os.path.samestat(found, opened) and found.st_size == size and stat.S_ISREG(found.st_mode) else None
