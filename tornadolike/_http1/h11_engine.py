"""Heads parsed by h11: always installed, pure Python, knows every method and every odd spelling that RFC 9112 allows.

h11's readers are called directly. Its connection object would check once more what our engine keeps itself (states, framing,
limits), and costs twice as much as the reading; the readers are private there, which is why h11's version is pinned to one minor.
"""

import re

import h11
from h11._readers import header_field_re, maybe_read_from_IDLE_client, maybe_read_from_SEND_RESPONSE_server, request_line_re
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
        first, pairs = _plain(head)
        line = request_line_re.fullmatch(first)
        if line is None or pairs is None:
            return None
        method, target, version = line.group("method", "target", "http_version")
        if version not in (b"1.1", b"1.0"):
            return None
        return method.decode("ascii"), target.decode("ascii"), "HTTP/1.1" if version == b"1.1" else "HTTP/1.0", pairs

    def plain_response(self, head: bytes) -> tuple[str, int, str, Pairs] | None:
        first, pairs = _plain(head)
        return None if pairs is None or b"\n" in first or b"\r" in first else (*framing.status_line(head), pairs)

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


def _plain(head: bytes) -> tuple[bytes, Pairs | None]:
    """The start line, unread, and the fields by h11's own grammar; None for those where a line does not fit.

    A fifth of what h11's events cost: they look at each field twice, and decide about the framing, which is ours. Where something does
    not fit, h11 tells what is wrong, or has a way.
    """
    first, *lines = head[:-4].split(b"\r\n")
    if head[-4:] != b"\r\n\r\n" or not framing.has_allowed_bytes(head):
        return first, None
    match = header_field_re.fullmatch
    pairs: Pairs = []
    for line in lines:
        field = match(line)
        if field is None:
            return first, None
        pairs.append(field.group("field_name", "field_value"))  # type: ignore[arg-type]  # where the line matches, both do
    return first, pairs


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
