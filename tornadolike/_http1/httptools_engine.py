"""Heads parsed by llhttp through httptools: many times cheaper than h11, for the heads that nearly every peer sends.

What llhttp refuses is not refused here: it goes to h11, which knows more (methods of one's own, obs-text, bare LF). What llhttp
takes more loosely than RFC 9112 (repeated spaces, a missing version) is seen by comparing the start line with what came out, and
goes to h11 as well. A property test holds the two against each other.

llhttp's callbacks are methods of a dictionary and of lists, so that no Python code runs for a header field. A dictionary would lose
repeated fields: where it has fewer entries than the head has lines, h11 takes the head.
"""

import re

import httptools

from tornadolike._http1.events import Pairs
from tornadolike._http1.h11_engine import H11HeadParser

# llhttp lets control characters pass here (RFC 9112 §4).
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class _Callbacks:
    """What httptools calls while it parses one head."""

    __slots__ = ("on_header", "on_message_complete", "on_url")

    def __init__(self, fields: dict[bytes, bytes], targets: list[bytes], unfinished: list[bool]) -> None:
        self.on_header = fields.setdefault
        self.on_url = targets.append
        self.on_message_complete = unfinished.clear


class _ResponseCallbacks:
    """The same for a response."""

    __slots__ = ("on_header", "on_status")

    def __init__(self, fields: dict[bytes, bytes], reasons: list[bytes]) -> None:
        self.on_header = fields.setdefault
        self.on_status = reasons.append


class HttptoolsHeadParser:
    """`engine.HeadParser` on httptools, with h11 behind it. For one thread."""

    __slots__ = ("_callbacks", "_fields", "_parser", "_targets", "_thorough", "_unfinished")
    name = "httptools"

    def __init__(self) -> None:
        self._thorough = H11HeadParser()
        self._fields: dict[bytes, bytes] = {}
        self._targets: list[bytes] = []
        self._unfinished: list[bool] = []
        self._callbacks = _Callbacks(self._fields, self._targets, self._unfinished)
        self._parser = httptools.HttpRequestParser(self._callbacks)

    def plain_request(self, head: bytes) -> tuple[str, str, str, Pairs] | None:
        fields, targets, unfinished, parser = self._fields, self._targets, self._unfinished, self._parser
        unfinished.append(True)
        try:
            parser.feed_data(head)
            line = b"%b %b HTTP/1." % (parser.get_method(), targets[0])
            pairs = list(fields.items())
            method, target = line[:-8].decode("latin-1").split(" ", 1)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, IndexError):
            # Also for upgrades, after which llhttp expects another protocol: they are rare enough for the slow way.
            # IndexError: no target, since there was no start line.
            unfinished.append(True)
            return None
        finally:
            if unfinished:
                # It failed, or waits for a body, which is not its business.
                unfinished.clear()
                self._parser = httptools.HttpRequestParser(self._callbacks)
            fields.clear()
            targets.clear()
        minor = head[len(line) : len(line) + 3]
        if not head.startswith(line) or head.count(b"\n") != len(pairs) + 2:
            return None
        if minor == b"1\r\n":
            return method, target, "HTTP/1.1", pairs
        return (method, target, "HTTP/1.0", pairs) if minor == b"0\r\n" else None

    def plain_response(self, head: bytes) -> tuple[str, int, str, Pairs] | None:
        fields: dict[bytes, bytes] = {}
        reasons: list[bytes] = []
        # A parser for each: after nearly every response llhttp waits for a body, which is not its business.
        parser = httptools.HttpResponseParser(_ResponseCallbacks(fields, reasons))
        try:
            parser.feed_data(head)
            line = b"HTTP/1.1 %d %b\r\n" % (parser.get_status_code(), reasons[0])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, IndexError):
            return None
        if not head.startswith(line) or head.count(b"\n") != len(fields) + 2 or not _REASON.fullmatch(reasons[0]):
            return None
        return "HTTP/1.1", parser.get_status_code(), reasons[0].decode("latin-1"), list(fields.items())

    def request(self, head: bytes) -> tuple[str, str, str, Pairs]:
        return self._thorough.request(head)

    def response(self, head: bytes) -> tuple[str, int, str, Pairs]:
        return self._thorough.response(head)
