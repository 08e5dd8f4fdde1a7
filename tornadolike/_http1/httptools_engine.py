"""Heads parsed by llhttp through httptools: about twenty times cheaper than h11, for the heads that nearly every peer sends.

What llhttp refuses is not refused here: it goes to h11, which knows more (methods of one's own, obs-text, bare LF). What llhttp
takes more loosely than RFC 9112 (repeated spaces, no version) is caught by comparing the start line with the head's first bytes.
"""

import httptools

from tornadolike._http1.events import Pairs
from tornadolike._http1.h11_engine import H11HeadParser


class _Sink:
    """The callbacks that httptools looks for."""

    __slots__ = ("pairs", "target")

    def __init__(self) -> None:
        self.pairs: Pairs = []
        self.target = b""

    def on_url(self, url: bytes) -> None:
        self.target = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))


class HttptoolsHeadParser:
    """`engine.HeadParser` on httptools, with h11 behind it."""

    __slots__ = ("_thorough",)
    name = "httptools"

    def __init__(self) -> None:
        self._thorough = H11HeadParser()

    def request(self, head: bytes) -> tuple[str, str, str, Pairs]:
        sink = _Sink()
        parser = httptools.HttpRequestParser(sink)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            return self._thorough.request(head)
        method, version = parser.get_method(), parser.get_http_version()
        line = b"%b %b HTTP/%b\r\n" % (method, sink.target, version.encode())
        # Values with white space before their CRLF are rare; llhttp leaves it in.
        if not head.startswith(line) or version not in ("1.1", "1.0") or b" \r\n" in head or b"\t\r\n" in head:
            return self._thorough.request(head)
        return method.decode("ascii"), sink.target.decode("latin-1"), "HTTP/" + version, sink.pairs

    def response(self, head: bytes) -> tuple[str, int, str, Pairs]:
        return self._thorough.response(head)
