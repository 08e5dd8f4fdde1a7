"""Heads parsed by h11: always installed, pure Python, knows every method and every odd spelling that RFC 9112 allows.

h11's readers are called directly. Its connection object would check once more what our engine keeps itself (states, framing,
limits), and costs twice as much as the reading; the readers are private there, which is why h11's version is pinned to one minor.
"""

import re

import h11
from h11._readers import maybe_read_from_IDLE_client, maybe_read_from_SEND_RESPONSE_server
from h11._receivebuffer import ReceiveBuffer

from tornadolike._http1 import framing
from tornadolike._http1.errors import PeerError
from tornadolike._http1.events import Pairs

# h11 rewrites the values of these: lower case, lists of equal lengths folded into one.
_REWRITTEN = re.compile(rb"(?i)\n(?:content-length|transfer-encoding):")


class H11HeadParser:
    """`engine.HeadParser` on h11."""

    __slots__ = ()
    name = "h11"

    def plain_request(self, head: bytes) -> tuple[str, str, str, Pairs] | None:
        return None

    def plain_response(self, head: bytes) -> tuple[str, int, str, Pairs] | None:
        return None

    def request(self, head: bytes) -> tuple[str, str, str, Pairs]:
        try:
            event = maybe_read_from_IDLE_client(_buffer(head))
        except h11.ProtocolError as error:
            return self._second_look(head, error)
        assert event is not None
        method, target, version = event.method, event.target, event.http_version
        if not head.startswith(b"%b %b HTTP/%b\r\n" % (method, target, version)) or version not in (b"1.1", b"1.0"):
            method, target, version = framing.request_line(head)
        return method.decode("ascii"), target.decode("latin-1"), "HTTP/1.0" if version == b"1.0" else "HTTP/1.1", _pairs(head, event)

    def _second_look(self, head: bytes, error: h11.ProtocolError) -> tuple[str, str, str, Pairs]:
        """Targets with bytes above ASCII are served, as Tornado does, though h11 refuses them; all else gets its reason."""
        method, target, version = framing.request_line(head)
        if target.isascii():
            raise _refusal(head, error) from error
        plain = b"GET / HTTP/%b\r\n%b" % (version, head[head.index(b"\n") + 1 :])
        _, _, spoken, pairs = self.request(plain)
        return method.decode("ascii"), target.decode("latin-1"), spoken, pairs

    def response(self, head: bytes) -> tuple[str, int, str, Pairs]:
        version, status, reason = framing.status_line(head)
        try:
            # The status line is judged already, and more mildly than h11 would: it is asked about the fields alone.
            event = maybe_read_from_SEND_RESPONSE_server(_buffer(b"HTTP/1.1 200 \r\n" + head[head.index(b"\n") + 1 :]))
        except h11.ProtocolError as error:
            raise _refusal(head, error) from error
        assert event is not None
        return version, status, reason, _pairs(head, event)


def _buffer(head: bytes) -> ReceiveBuffer:
    buffer = ReceiveBuffer()
    buffer += head
    return buffer


def _pairs(head: bytes, event: h11.Request | h11.Response | h11.InformationalResponse) -> Pairs:
    """The fields as they came. h11 has checked each line, so that splitting a line at its colon is all that is left to do."""
    if _REWRITTEN.search(head) is None:
        return event.headers.raw_items()
    lines = (line.partition(b":") for line in head.strip(b"\r\n").split(b"\n")[1:])
    return [(name, value.strip(b" \t\r")) for name, _, value in lines]


def _refusal(head: bytes, error: h11.ProtocolError) -> PeerError:
    """Why h11 refused, in the words that the other engine leads to as well."""
    fault = framing.fault_in_head(head)
    return PeerError(fault or str(error))
