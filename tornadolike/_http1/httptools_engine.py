"""Heads parsed by llhttp through httptools: many times cheaper than h11, for the heads that nearly every peer sends.

What llhttp refuses is not refused here: it goes to h11, which knows more (methods of one's own, obs-text, bare LF). What llhttp
takes more loosely than RFC 9112 (repeated spaces, a missing version) is seen by splitting the start line, and goes to h11 as well.
A property test holds the two against each other.

llhttp's callbacks are methods of a dictionary and of lists, so that no Python code runs for a header field. A dictionary would lose
repeated fields: where it has fewer entries than the head has lines, h11 takes the head.
"""

import httptools

from tornadolike._http.lazy import pattern
from tornadolike._http1.events import Pairs
from tornadolike._http1.h11_engine import H11HeadParser

# llhttp lets control characters pass here (RFC 9112 §4).
_REASON = pattern(rb"[\t\x20-\x7e\x80-\xff]*")


class _Callbacks:
    """What httptools calls while it parses one head."""

    __slots__ = ("on_header", "on_message_complete")

    def __init__(self, fields: dict[bytes, bytes], unfinished: list[bool]) -> None:
        self.on_header = fields.setdefault
        self.on_message_complete = unfinished.clear


class _ResponseCallbacks:
    """The same for a response."""

    __slots__ = ("on_header", "on_status")

    def __init__(self, fields: dict[bytes, bytes], reasons: list[bytes]) -> None:
        self.on_header = fields.setdefault
        self.on_status = reasons.append


class HttptoolsHeadParser:
    """`engine.HeadParser` on httptools, with h11 behind it. For one thread."""

    __slots__ = ("_callbacks", "_feed", "_fields", "_thorough", "_unfinished")
    name = "httptools"

    def __init__(self) -> None:
        self._thorough = H11HeadParser()
        self._fields: dict[bytes, bytes] = {}
        self._unfinished: list[bool] = []
        self._callbacks = _Callbacks(self._fields, self._unfinished)
        self._renew()

    def _renew(self) -> None:
        """A parser that remembers nothing of the head before, which has failed, ends its connection, or goes on with a body."""
        self._fields.clear()
        self._unfinished.clear()
        self._feed = httptools.HttpRequestParser(self._callbacks).feed_data

    def plain_request(self, head: bytes) -> tuple[str, str, str, Pairs] | None:
        unfinished, fields = self._unfinished, self._fields
        unfinished.append(True)
        try:
            self._feed(head)
        except httptools.HttpParserUpgrade:
            pass  # it has read this head, and expects another protocol behind it
        except httptools.HttpParserError:
            self._renew()
            return None
        pairs = list(fields.items())
        if unfinished or fields.get(b"Connection") == b"close":
            # The next head is of another connection, not behind this one. llhttp would refuse it, and it would have to be parsed twice.
            self._renew()
        else:
            fields.clear()
        line = head[: head.find(b"\r\n")].decode("latin-1").split(" ")
        if len(line) != 3 or head.count(b"\n") != len(pairs) + 2:
            return None
        method, target, version = line
        if version == "HTTP/1.1":
            return method, target, version, pairs
        self._renew()  # as above
        return (method, target, version, pairs) if version == "HTTP/1.0" else None

    def plain_response(self, head: bytes) -> tuple[str, int, str, Pairs] | None:
        fields: dict[bytes, bytes] = {}
        reasons: list[bytes] = []
        # A parser for each: after nearly every response llhttp waits for a body, which is not its business.
        parser = httptools.HttpResponseParser(_ResponseCallbacks(fields, reasons))
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass  # as above
        except httptools.HttpParserError:
            return None
        if not reasons:
            return None
        line = b"HTTP/1.1 %d %b\r\n" % (parser.get_status_code(), reasons[0])
        if not head.startswith(line) or head.count(b"\n") != len(fields) + 2 or not _REASON.fullmatch(reasons[0]):
            return None
        return "HTTP/1.1", parser.get_status_code(), reasons[0].decode("latin-1"), list(fields.items())

    def request(self, head: bytes) -> tuple[str, str, str, Pairs]:
        return self._thorough.request(head)

    def response(self, head: bytes) -> tuple[str, int, str, Pairs]:
        return self._thorough.response(head)
