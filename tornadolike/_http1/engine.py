"""One side of one HTTP/1.1 connection, without I/O: `ServerEngine` and `ClientEngine`.

Theory of operation
-------------------
A connection carries exchanges, one after the other. An exchange is two messages, one each way, and each message goes
through the same states, IDLE -> BODY -> DONE. The engine holds both:

* ``peer``: what the peer sent. `feed` moves it: a head takes it to BODY, the end of the body to DONE. Bytes behind a finished
  message wait in the engine, unread, until the next exchange begins: that is how pipelined requests stay in order.
* ``own``: what we sent. `send_head` takes it to BODY, `send_end` to DONE.

=====  ======  ======================================================================
peer   own     what may happen next
=====  ======  ======================================================================
IDLE   IDLE    server: `feed` looks for a request's head
IDLE   BODY    client: `feed` looks for a response's head
IDLE   DONE    client: `feed` looks for it; server: what came was no request, the connection has to be closed
BODY   any     `feed` reads the body
DONE   any     `feed` only stores; at most ``max_head_bytes`` more should be fed
any    IDLE    `send_head`
any    BODY    `send_body`, `send_end`
DONE   DONE    `next_exchange`: back to IDLE, IDLE, or the connection has to be closed
=====  ======  ======================================================================

After a head which has a body comes `events.START`, and `feed` stops, so that the caller can settle the limit (`limit_body`) before any of
the body is read; ``feed(b"")`` goes on. It also stops after `body.MAX_CHUNKS_PER_FEED` chunks: ``has_more`` tells that another
``feed(b"")`` is due.

The parser behind the engine sees whole heads and nothing else. Everything on which two parsers could disagree is decided by
`framing` and `body`, once for all of them.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Protocol

from tornadolike._http.response_head import ResponseHead as ResponseFields
from tornadolike._http1 import framing, serialize
from tornadolike._http1.body import BodyReader, ChunkedReader, FixedReader, UntilCloseReader
from tornadolike._http1.errors import BodyTooLarge, BodyTooLong, BodyTooShort, HeadTooLarge, IncompleteMessage, PeerError, TooManyFields
from tornadolike._http1.events import END, START, BodyChunk, Event, Pairs, RequestHead, ResponseHead


class HeadParser(Protocol):
    """What a parser of heads offers; one instance may serve any number of heads, in any order, within one thread."""

    def plain_request(self, head: bytes) -> tuple[str, str, str, Pairs] | None:
        """As `request`, for a head on which nothing has been checked; None unless it is a plain, flawless one."""
        ...

    def plain_response(self, head: bytes) -> tuple[str, int, str, Pairs] | None:
        """As `response`, in the same way."""
        ...

    def request(self, head: bytes) -> tuple[str, str, str, Pairs]:
        """Method, target, version ("HTTP/1.1") and fields of a whole request head. Raises `PeerError`."""
        ...

    def response(self, head: bytes) -> tuple[str, int, str, Pairs]:
        """Version, status, reason and fields of a whole response head. Raises `PeerError`."""
        ...


class Progress(IntEnum):
    """How far one message of the exchange has come."""

    IDLE = 0
    BODY = 1
    DONE = 2


IDLE, BODY, DONE = Progress.IDLE, Progress.BODY, Progress.DONE
NO_EVENTS: list[Event] = []
MAX_FIELDS = 1000
"""How many header fields a head may have, unless told otherwise: ten times what other servers allow."""
# Heads that are remembered, and the largest of them.
_MAX_KNOWN_HEADS = 256
_MAX_KNOWN_HEAD_BYTES = 2048
# The shortest field, ``a:`` with a bare LF.
_MIN_FIELD_BYTES = 3
_MANY = 1024
_DECIMALS = tuple(map(str, range(_MANY)))
# Statuses of responses which may have a body, and end no connection.
_ORDINARY_STATUS = frozenset(range(200, 600)) - {204, 304}


_NO_REQUEST = RequestHead("", "", "HTTP/1.1", [], True, False)


def _framed(method: str, target: str, version: str, pairs: Pairs) -> RequestHead:
    framed = framing.decide_request(pairs, version, method)
    body, keep_alive, expects_continue = framed
    return RequestHead(method, target, version, pairs, keep_alive, expects_continue, framed is framing.BARE, body)


class Engine:
    """What both sides share: buffering, bodies in both directions, the states of the exchange."""

    __slots__ = (
        "_broken_off",
        "_light_head_bytes",
        "_parser",
        "_reader",
        "_scanned",
        "_stash",
        "has_more",
        "keep_alive",
        "max_chunk_bytes",
        "max_fields",
        "max_head_bytes",
        "own",
        "peer",
        "stored",
        "unsent_bytes",
    )

    def __init__(self, parser: HeadParser, max_head_bytes: int = 65536, max_chunk_bytes: int = 65536, max_fields: int = MAX_FIELDS) -> None:
        self._parser = parser
        self.max_head_bytes = max_head_bytes
        self.max_chunk_bytes = max_chunk_bytes
        self.max_fields = max_fields
        # A head of no more bytes cannot have too many fields; they are only counted in others.
        self._light_head_bytes = min(max_head_bytes, max_fields * _MIN_FIELD_BYTES)
        self.peer = IDLE
        self.own = IDLE
        self.keep_alive = True
        self.has_more = False
        self.stored: bytes | bytearray = b""
        self._scanned = 0
        self._reader: BodyReader | None = None
        # Body pieces smaller than max_chunk_bytes which wait for more of the same input.
        self._stash: list[bytes] = []
        self._broken_off = False
        # Of our message: what is left of its length, None without one, `framing.CHUNKED`. Zero or None: its end takes no bytes.
        self.unsent_bytes: int | None = None

    # -- receiving

    @property
    def waiting_bytes(self) -> int:
        """How many bytes are ``stored``, unread."""
        return len(self.stored)

    @property
    def expects_continue(self) -> bool:
        """Whether the peer waits for an interim response before it sends its body (RFC 9110 §10.1.1)."""
        return False

    def take_waiting(self) -> bytes:
        """Hand over the stored bytes, for another protocol that takes the connection over."""
        waiting, self.stored = bytes(self.stored), b""
        return waiting

    def feed(self, data: bytes = b"") -> list[Event]:
        """Bytes from the peer; b"" goes on with what is stored. Raises `PeerError`, after which the connection is lost."""
        self.has_more = False
        if self.stored:
            if data:
                self.store(data)
        else:
            self.stored = data
        if self.peer is BODY:
            return self._read_body()
        if self.peer is IDLE and self.stored:
            return self._read_head()
        return NO_EVENTS

    def store(self, data: bytes) -> None:
        """Bytes from the peer for a later `feed`: the caller is not ready for more events."""
        if type(self.stored) is bytes:
            self.stored = bytearray(self.stored)
        self.stored += data

    def feed_eof(self) -> list[Event]:
        """The peer will send nothing more. Raises `IncompleteMessage` in the middle of a message."""
        if self.peer is BODY and isinstance(self._reader, UntilCloseReader):
            self._reader.finished = True
            return self._read_body()
        if self.peer is BODY or (self.peer is IDLE and self.stored):
            raise IncompleteMessage("connection closed in the middle of a message")
        return NO_EVENTS

    def limit_body(self, max_body_bytes: int) -> None:
        """The largest body that is accepted for the message whose head came last. Raises `PeerError` if it is known to be larger."""
        self.has_more = bool(self.stored)
        reader = self._reader
        if isinstance(reader, FixedReader):
            if reader.remaining > max_body_bytes:
                raise BodyTooLarge("Content-Length too long")
        elif isinstance(reader, (ChunkedReader, UntilCloseReader)):
            reader.max_body_bytes = max_body_bytes

    def _take_head(self) -> bytes | None:
        """Cut one whole head off the stored bytes, or None while it is incomplete."""
        tail = self.stored
        if tail[0] in b"\r\n":
            # Empty lines before a start line are ignored (RFC 9112 §2.2).
            tail = self.stored = tail.lstrip(b"\r\n")
        end = tail.find(b"\r\n\r\n", self._scanned) + 4
        if end == 3 or tail.count(b"\n", 0, end) != tail.count(b"\r\n", 0, end):
            # Incomplete, or with bare LFs, which may have ended it earlier.
            end = framing.find_head_end(tail, self._scanned)
        if end > self.max_head_bytes or (end < 0 and len(tail) > self.max_head_bytes):
            raise HeadTooLarge(self.max_head_bytes)
        if end < 0:
            self._scanned = max(0, len(tail) - 3)
            return None
        if end > self._light_head_bytes and not self._fits(tail, end):
            raise TooManyFields(self.max_fields)
        self._scanned = 0
        if end == len(tail):
            self.stored = b""
            return bytes(tail)
        self.stored = tail[end:]
        return bytes(tail[:end])

    def _fits(self, head: bytes | bytearray, end: int) -> bool:
        """Whether a head that ends there keeps to the limits on its size and its fields.

        Lines are counted before anything is parsed, so that all parsers agree and a refused head costs nothing: as Python objects
        the smallest fields take sixty times the bytes that they have on the wire.
        """
        return end <= self.max_head_bytes and head.count(b"\n", 0, end) <= self.max_fields + 2

    def _read_head(self) -> list[Event]:
        head = self._take_head()
        return NO_EVENTS if head is None else self._on_head(head)

    def _on_head(self, head: bytes) -> list[Event]:
        raise NotImplementedError

    def _start_body(self, body: int) -> bool:
        """Prepare for the body that the framing announced; whether there is one to read."""
        if body == 0:
            self.peer = DONE
            return False
        self.peer = BODY
        if body > 0:
            self._reader = FixedReader(body)
        else:
            self._reader = (ChunkedReader if body == framing.CHUNKED else UntilCloseReader)(1 << 62)
        return True

    def takes_piece(self, data: bytes) -> bool:
        """Whether ``data`` is a piece of the body and nothing else, as nearly all of a large one: then it counts as read, without an event.

        False: `feed` has to see to it.
        """
        reader = self._reader
        if type(reader) is not FixedReader or self.stored or self._stash:
            return False
        size = len(data)
        if not 0 < size <= self.max_chunk_bytes or size >= reader.remaining:
            return False
        reader.remaining -= size
        reader.received_bytes += size
        self.has_more = False
        return True

    def _read_body(self) -> list[Event]:
        reader = self._reader
        assert reader is not None
        pieces, used = reader.read(self.stored)
        if used == len(self.stored):
            self.stored = b""
        elif used:
            self.stored = self.stored[used:]
        self.has_more = bool(self.stored) and used > 0 and not reader.finished
        events = self._pieces_to_events(pieces)
        if reader.finished:
            self._reader = None
            self.peer = DONE
            events.append(END)
        return events

    def _pieces_to_events(self, pieces: list[bytes]) -> list[Event]:
        """Pieces of a chunked body as few, larger chunks; all that is there is given out as soon as the input runs dry."""
        if self._stash:
            pieces = [*self._stash, *pieces]
            self._stash = []
        if not pieces:
            return []
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        size = self.max_chunk_bytes
        if self.has_more and len(data) < size:
            self._stash = [data]
            return []
        if len(data) <= size:
            return [BodyChunk(data)]
        return [BodyChunk(data[start : start + size]) for start in range(0, len(data), size)]

    # -- sending

    def _begin(self, begin: bytes, fields: Iterable[tuple[str, str]], content_bytes: int | None, chunked: bool, body: bytes) -> bytes:
        lines = serialize.lines(fields)
        self.own = BODY
        self.unsent_bytes = framing.CHUNKED if chunked else content_bytes
        return b"%b%b\r\n%b" % (begin, lines, self.send_body(body) if body else body)

    def send_body(self, data: bytes) -> bytes:
        """Body bytes as they go on the wire. Raises `BodyTooLong` beyond the announced length."""
        unsent = self.unsent_bytes
        if unsent == framing.CHUNKED:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else data
        if unsent is not None:
            if len(data) > unsent:
                raise BodyTooLong
            self.unsent_bytes = unsent - len(data)
        return data

    def may_bypass(self, size: int) -> bool:
        """Whether so many body bytes may go on the wire past `send_body`: as they are, and within an announced length."""
        return self.own is BODY and self.unsent_bytes is not None and size <= self.unsent_bytes

    def count_bypassed(self, size: int) -> None:
        """So many did."""
        assert self.unsent_bytes is not None
        self.unsent_bytes -= size

    def send_end(self) -> bytes:
        """The end of our message. Raises `BodyTooShort`."""
        unsent = self.unsent_bytes
        if unsent and unsent != framing.CHUNKED:
            raise BodyTooShort(unsent)
        self.own = DONE
        return b"0\r\n\r\n" if unsent and not self._broken_off else b""

    def break_off(self) -> None:
        """What is sent now ends too early: a chunked body gets no last chunk, and the connection is over with it (RFC 9112 §8)."""
        if self.unsent_bytes == framing.CHUNKED:
            self._broken_off = True
            self.keep_alive = False

    def next_exchange(self) -> bool:
        """Both messages are done: back to the beginning. False: this connection must be closed instead."""
        if not self.keep_alive or self.peer is not DONE or self.own is not DONE:
            return False
        self.peer = self.own = IDLE
        return True


class ServerEngine(Engine):
    """Reads requests, writes responses."""

    __slots__ = ("_known", "_request")

    def __init__(
        self,
        parser: HeadParser,
        max_head_bytes: int = 65536,
        max_chunk_bytes: int = 65536,
        max_fields: int = MAX_FIELDS,
        known: dict[bytes, RequestHead] | None = None,
    ) -> None:
        """``known``: what engines with the same parser and limits share, so that they need not read what one of them has read before."""
        super().__init__(parser, max_head_bytes, max_chunk_bytes, max_fields)
        self._known: dict[bytes, RequestHead] = {} if known is None else known
        self._request = _NO_REQUEST

    def take_whole(self, data: bytes) -> RequestHead | None:
        """A request that is all there, and whose head came before, without the events; None where `feed` has to see to it.

        To be asked where ``peer`` is IDLE. The body, if it has one, waits for `take_body`: the limit has to be settled first.
        """
        if self.stored and data:
            return None
        # Long data is no head that is known, and to look it up takes a hash of all of it.
        event = self._known.get(data) if len(data) <= _MAX_KNOWN_HEAD_BYTES else None
        if event is None:
            event = self._take_first(data or bytes(self.stored))
            if event is None:
                return None
        elif event.body:
            return None
        else:
            self.peer = DONE
        self._request = event
        self.keep_alive = event.keep_alive
        return event

    def _take_first(self, data: bytes) -> RequestHead | None:
        """The first of several requests, or one with a body, as `take_whole` takes it; what follows is stored."""
        end = data.find(b"\r\n\r\n") + 4
        event = self._known.get(data[:end])
        if event is None:
            return None
        size = len(data) - end
        if event.body == 0:
            self.peer = DONE
        elif event.body == size <= self.max_chunk_bytes:
            self._start_body(size)
        else:
            return None
        self.stored = data[end:]
        return event

    def take_body(self) -> bytes:
        """The whole body that waits."""
        body, self.stored = bytes(self.stored), b""
        self._reader = None
        self.has_more = False
        self.peer = DONE
        return body

    def feed(self, data: bytes = b"") -> list[Event]:
        # A whole head at once, and nothing waits: a capable parser takes that head as it is, at a third of the price.
        if self.peer is IDLE and not self.stored:
            end = data.find(b"\r\n\r\n") + 4
            if 3 < end <= self._light_head_bytes or (end > 3 and self._fits(data, end)):
                event = self._known_request(data if end == len(data) else data[:end])
                if event is not None:
                    self.stored = data[end:]
                    return self._on_request(event)
        return super().feed(data)

    def _known_request(self, head: bytes) -> RequestHead | None:
        """A whole head, if it is a plain, flawless one. Clients repeat themselves: a head that came before is not read again."""
        event = self._known.get(head)
        if event is None:
            parsed = self._parser.plain_request(head)
            if parsed is None:
                return None
            event = _framed(*parsed)
            if len(head) <= _MAX_KNOWN_HEAD_BYTES:
                if len(self._known) >= _MAX_KNOWN_HEADS:
                    self._known.clear()
                self._known[head] = event
        return event

    feed.__doc__ = Engine.feed.__doc__

    @property
    def expects_continue(self) -> bool:
        return self._request.expects_continue

    def _on_head(self, head: bytes) -> list[Event]:
        event = self._known_request(head)
        if event is None:
            framing.check_head(head)
            event = _framed(*self._parser.request(head))
        return self._on_request(event)

    def _on_request(self, event: RequestHead) -> list[Event]:
        self._request = event
        self.keep_alive = event.keep_alive
        if event.body == 0:
            self.peer = DONE
            return [event, END]
        self._start_body(event.body)
        return [event, START]

    def frame_response(self, status: int) -> bool:
        """Whether a response without a length goes out chunked (RFC 9112 §6.1). Where that cannot be, the connection ends with it."""
        if self._request.head_only or status < 200 or status in (204, 304):
            return False
        if self._request.version == "HTTP/1.1":
            return True
        self.keep_alive = False
        return False

    def connection_field(self) -> str | None:
        """The Connection field that the response must have: "close" (1.1), "Keep-Alive" (1.0) or none (RFC 9112 §9.3)."""
        if self._request.version == "HTTP/1.1":
            return None if self.keep_alive else "close"
        return "Keep-Alive" if self.keep_alive else None

    def has_no_content(self, status: int) -> bool:
        """Whether no body follows the head of this response, whatever its fields say (RFC 9110 §6.4.1)."""
        return self._request.head_only or status == 304

    def send_head(
        self,
        status: int,
        reason: str,
        fields: Iterable[tuple[str, str]],
        content_bytes: int | None,
        chunked: bool,
        body: bytes = b"",
        base: ResponseFields | None = None,
    ) -> bytes:
        """A response head, and with it a piece of the body. ``content_bytes`` is the Content-Length, None without one; ``base`` the fields
        that go before ``fields``. Raises `IllegalHeader`, and `BodyTooLong`.
        """
        if self._request.head_only or status == 304:
            content_bytes = 0
        begin = serialize.start_line(f"HTTP/1.1 {status} {reason}\r\n") if base is None else self.ready_head(status, reason, base)
        return self._begin(begin, fields, content_bytes, chunked, body)

    def ready_head(self, status: int, reason: str, head: ResponseFields) -> bytes:
        """Status line and first fields, serialised. Raises `IllegalHeader`."""
        ready = head.forms.get(status)
        if ready is None or ready[0] is not reason:
            ready = head.forms[status] = reason, serialize.start_line(f"HTTP/1.1 {status} {reason}\r\n") + head.lines
        return ready[1]

    def send_whole(self, line: tuple[str, int, str], head: ResponseFields | None, fields: dict[str, str], body: bytes) -> bytes | None:
        """A whole response: version, status and reason, the fields that it begins with, the others, the body. Raises `IllegalHeader`.

        None where it is not whole, or the head must say something about the connection, or the request is not read yet, or wants no body.
        """
        if head is None or not self.keep_alive or not self._request.is_plain or self.peer is not DONE or "Connection" in fields:
            return None
        _, status, reason = line
        size = len(body)
        if fields.get("Content-Length") != (_DECIMALS[size] if size < _MANY else str(size)) or status not in _ORDINARY_STATUS:
            return None
        ready = head.forms.get(status)
        data: bytes = ready[1] if ready is not None and ready[0] is reason else self.ready_head(status, reason, head)
        known = serialize.known
        for field in fields.items():
            data += known.get(field) or serialize.line(field)
        self.own = BODY
        self.unsent_bytes = 0
        return b"%b\r\n%b" % (data, body)


class KnownResponse:
    """The head of a response and what it says, but for what the request's method makes of it."""

    __slots__ = ("body", "head", "is_plain", "keep_alive_field")

    def __init__(self, head: ResponseHead, body: int) -> None:
        names = {name.lower() for name, _ in head.headers}
        self.head = head
        self.body = body
        self.is_plain = head.status >= 200 and b"content-encoding" not in names
        self.keep_alive_field: str | None = None
        if b"keep-alive" in names:
            self.keep_alive_field = ",".join([value.decode("latin-1") for name, value in head.headers if name.lower() == b"keep-alive"])


class ClientEngine(Engine):
    """Writes requests, reads responses."""

    __slots__ = ("_known", "_method", "keep_alive_field")

    def __init__(
        self,
        parser: HeadParser,
        max_head_bytes: int = 65536,
        max_chunk_bytes: int = 65536,
        max_fields: int = MAX_FIELDS,
        known: "dict[bytes, KnownResponse] | None" = None,
    ) -> None:
        """``known``: as for a `ServerEngine`; servers repeat themselves, too."""
        super().__init__(parser, max_head_bytes, max_chunk_bytes, max_fields)
        self._method = ""
        self._known: dict[bytes, KnownResponse] = {} if known is None else known
        self.keep_alive_field: str | None = None
        """Value of the last response's ``Keep-Alive`` field; None without one."""

    def send_head(
        self,
        method: str,
        target: str,
        fields: Iterable[tuple[str, str]],
        content_bytes: int | None,
        chunked: bool,
        body: bytes = b"",
        lines: bytes = b"",
    ) -> bytes:
        """A request head; parameters as for a response, ``lines`` being the fields that go first. Raises `IllegalHeader`."""
        begin = serialize.start_line(f"{method} {target} HTTP/1.1\r\n") + lines
        self._method = method
        return self._begin(begin, fields, content_bytes, chunked, body)

    def whole_request_sent(self, method: str) -> None:
        """A request goes out in one piece that the caller has made."""
        self._method = method
        self.own = DONE

    def whole_response(self, data: bytes, max_body_bytes: int) -> tuple[ResponseHead, bytes] | None:
        """The final response and its body, if ``data`` is that from the first byte to the last; None: let `feed` see to it.

        Saves the events of the body. Responses with a content coding, of which somebody has to undo it, are left to `feed`; so are those
        in chunks, interim and faulty ones.
        """
        end = data.find(b"\r\n\r\n") + 4
        if self.peer is not IDLE or self.stored or not 3 < end <= self.max_head_bytes:
            return None
        head = data[:end]
        known = self._known.get(head)
        if known is None:
            known = self._read_whole_head(head, len(data) - end)
        if known is None or not known.is_plain:
            return None
        event, body = known.head, known.body
        status = event.status
        if self._method == "HEAD" or status in (204, 304):
            try:
                body = self._body_of_response(status, body)
            except PeerError:
                return None
        if body != len(data) - end or body > max_body_bytes:
            return None
        self.keep_alive, self.keep_alive_field = event.keep_alive, known.keep_alive_field
        self.peer = DONE
        return event, data[end:]

    def _read_whole_head(self, head: bytes, body_bytes: int) -> "KnownResponse | None":
        lowered = head.lower()
        if not self._body_may_be(body_bytes, lowered):
            return None
        # With a bare LF in it, it may end earlier (or begin later).
        if head.count(b"\n") != head.count(b"\r\n") or not head.startswith(b"HTTP/"):
            return None
        if not self._fits(head, len(head)):
            return None
        try:
            return self._read_response_head(head)
        except PeerError:
            return None

    def _read_response_head(self, head: bytes) -> "KnownResponse":
        version, status, reason, pairs = self._parse(head)
        body, keep_alive, _ = framing.decide_response(pairs, version)
        known = KnownResponse(ResponseHead(version, status, reason, pairs, keep_alive), body)
        if len(head) <= _MAX_KNOWN_HEAD_BYTES:
            if len(self._known) >= _MAX_KNOWN_HEADS:
                self._known.clear()
            self._known[head] = known
        return known

    def _body_may_be(self, size: int, lowered: bytes) -> bool:
        """A cheap guess, so that no head is parsed here, only for `feed` to parse it again since its body is not all there."""
        return b"\r\ncontent-length: %d\r\n" % size in lowered or self._method == "HEAD" or lowered[9:12] in (b"204", b"304")

    def _parse(self, head: bytes) -> tuple[str, int, str, Pairs]:
        parsed = self._parser.plain_response(head)
        if parsed is None:
            framing.check_head(head)
            parsed = self._parser.response(head)
        return parsed

    def _on_head(self, head: bytes) -> list[Event]:
        known = self._known.get(head) or self._read_response_head(head)
        event, body = known.head, known.body
        status = event.status
        if 100 <= status < 200:
            return self._interim(event, body)
        self.keep_alive, self.keep_alive_field = event.keep_alive, known.keep_alive_field
        body = self._body_of_response(status, body)
        if body == framing.UNTIL_CLOSE:
            self.keep_alive = False
        return [event, START if self._start_body(body) else END]

    def _interim(self, event: ResponseHead, body: int) -> list[Event]:
        # Behind a 101 come another protocol's bytes, whatever its head says (RFC 9112 §6.3); some say that it is empty.
        if body != framing.UNTIL_CLOSE and event.status != 101:
            raise PeerError(f"Response code {event.status} cannot have body")
        # Peer stays IDLE: the final head follows. The caller goes on with feed(b"").
        self.has_more = bool(self.stored)
        return [event]

    def _body_of_response(self, status: int, body: int) -> int:
        if self._method == "HEAD" or status == 304:
            return 0
        if status == 204:
            if body not in (0, framing.UNTIL_CLOSE):
                raise PeerError("Response with code 204 should not have body")
            return 0
        return body
