"""Heads parsed by h11: always installed, pure Python, knows every method and every odd spelling that RFC 9112 allows."""

import re

import h11

from tornadolike._http1 import framing
from tornadolike._http1.errors import PeerError
from tornadolike._http1.events import Pairs

# The size of a head is limited before it gets here.
_NO_LIMIT = 1 << 30
# h11 rewrites the values of these: lower case, lists of equal lengths folded into one.
_REWRITTEN = re.compile(rb"(?i)\n(?:content-length|transfer-encoding):")
_ANY_REQUEST = h11.Request(method="GET", target="/", headers=[("Host", "x")])


class H11HeadParser:
    """`engine.HeadParser` on h11; each head gets a connection object of its own, which costs little next to parsing."""

    __slots__ = ()
    name = "h11"

    def plain_request(self, head: bytes) -> tuple[str, str, str, Pairs] | None:
        return None

    def request(self, head: bytes) -> tuple[str, str, str, Pairs]:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_NO_LIMIT)
        connection.receive_data(head)
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return self._second_look(head, error)
        assert isinstance(event, h11.Request)
        method, target, version = event.method, event.target, event.http_version
        if not head.startswith(b"%b %b HTTP/%b\r\n" % (method, target, version)) or version not in (b"1.1", b"1.0"):
            method, target, version = framing.request_line(head)
        return method.decode("ascii"), target.decode("latin-1"), "HTTP/1.0" if version == b"1.0" else "HTTP/1.1", _pairs(head, event)

    def _second_look(self, head: bytes, error: h11.RemoteProtocolError) -> tuple[str, str, str, Pairs]:
        """Targets with bytes above ASCII are served, as Tornado does, though h11 refuses them; all else gets its reason."""
        method, target, version = framing.request_line(head)
        if target.isascii():
            raise _refusal(head, error) from error
        plain = b"GET / HTTP/%b\r\n%b" % (version, head[head.index(b"\n") + 1 :])
        _, _, spoken, pairs = self.request(plain)
        return method.decode("ascii"), target.decode("latin-1"), spoken, pairs

    def response(self, head: bytes) -> tuple[str, int, str, Pairs]:
        version, status, reason = framing.status_line(head)
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_NO_LIMIT)
        connection.send(_ANY_REQUEST)
        # h11 would judge 1xx and 101 by a request that it never saw; it is asked about the fields alone.
        connection.receive_data(b"HTTP/1.1 200 \r\n" + head[head.index(b"\n") + 1 :])
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            raise _refusal(head, error) from error
        assert isinstance(event, h11.Response)
        return version, status, reason, _pairs(head, event)


def _pairs(head: bytes, event: h11.Request | h11.Response) -> Pairs:
    """The fields as they came. h11 has checked each line, so that splitting a line at its colon is all that is left to do."""
    if _REWRITTEN.search(head) is None:
        return event.headers.raw_items()
    lines = (line.partition(b":") for line in head.strip(b"\r\n").split(b"\n")[1:])
    return [(name, value.strip(b" \t\r")) for name, _, value in lines]


def _refusal(head: bytes, error: h11.RemoteProtocolError) -> PeerError:
    """Why h11 refused, in the words that the other engine leads to as well."""
    fault = framing.fault_in_head(head)
    return PeerError(fault or str(error))
