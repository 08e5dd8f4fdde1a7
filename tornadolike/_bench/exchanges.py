"""What goes over one connection again and again: the bytes of a request, and when its answer is complete and right."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tornadolike._bench.errors import WrongAnswer

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_SHOWN = 200


class Exchange(Protocol):
    """One request and its answer, as the load generator needs them."""

    request: bytes
    closes: bool

    def answered(self, data: bytes | bytearray) -> bool:
        """Whether ``data`` is the whole answer; raises `WrongAnswer` where it is not the one that has to come."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request by its parts."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def closes(self) -> bool:
        """Whether each request gets a connection of its own."""
        return self.headers.get("Connection") == "close"

    def wire(self, host: str, port: int) -> bytes:
        """The request as it is sent."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """What has to come back. ``body`` is None where it may differ from one request to the next."""

    status: int = 200
    body: bytes | None = None

    def check(self, status: int, body: bytes) -> None:
        """Raises `WrongAnswer`."""
        if status != self.status:
            raise WrongAnswer(f"answers with status {status} instead of {self.status}: {body[:_SHOWN]!r}")
        if self.body is not None and body != self.body:
            raise WrongAnswer(f"answers with a wrong body, {_described(body)} instead of {_described(self.body)}")


class HTTPExchange:
    """Checks every answer: completely where head and body come as they came the first time, by status and body otherwise."""

    def __init__(self, request: Request, answer: Answer, host: str, port: int) -> None:
        self.request = request.wire(host, port)
        self.closes = request.closes
        self._answer = answer
        # Of an answer that was already found right: what it begins and ends with, and its length.
        self._head, self._tail, self._length = b"", b"", -1

    def answered(self, data: bytes | bytearray) -> bool:
        if len(data) == self._length and data.startswith(self._head) and data.endswith(self._tail):
            return True
        if len(data) < self._length and data.startswith(self._head):
            return False
        parts = split(data)
        if parts is None:
            return False
        self._answer.check(*parts)
        if self._answer.body is not None:
            line_end, body_at = data.index(b"\r\n"), data.index(b"\r\n\r\n")
            self._head, self._tail, self._length = bytes(data[:line_end]), bytes(data[body_at:]), len(data)
        return True


class PipelinedExchange:
    """The same request several times in one go; done when all answers are there. Each has to have the status and the body."""

    closes = False

    def __init__(self, request: Request, answer: Answer, host: str, port: int, count: int) -> None:
        self.request = request.wire(host, port) * count
        self._count = count
        self._status_start, self._rest = b"HTTP/1.1 %d " % answer.status, b"\r\n\r\n" + (answer.body or b"")

    def answered(self, data: bytes | bytearray) -> bool:
        if not data.startswith(self._status_start[: len(data)]):
            raise WrongAnswer(f"answers a pipelined request with {bytes(data[:_SHOWN])!r}")
        # Counted once at the end, not with every piece: what is long would else be looked at again and again.
        if not data.endswith(self._rest):
            return False
        heads, ends = data.count(b"HTTP/1."), data.count(self._rest)
        if heads != data.count(self._status_start) or heads != ends or heads > self._count:
            raise WrongAnswer(f"answers {self._count} pipelined requests with {heads} heads and {ends} right bodies")
        return ends == self._count


def split(data: bytes | bytearray) -> tuple[int, bytes] | None:
    """Status and body of a whole HTTP/1.1 answer; None while there is more to come (or only the connection's end tells)."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    status = _STATUS.match(data)
    if status is None:
        raise WrongAnswer(f"answers with something else than HTTP/1.1: {bytes(data[:_SHOWN])!r}")
    code, body_at = int(status[1]), end + 4
    if code in (204, 304):
        return code, b""
    if _CHUNKED.search(data, 0, body_at):
        body = _unchunked(data, body_at)
        return None if body is None else (code, body)
    length = _LENGTH.search(data, 0, body_at)
    if length is None or len(data) < body_at + int(length[1]):
        return None
    return code, bytes(data[body_at : body_at + int(length[1])])


def _unchunked(data: bytes | bytearray, at: int) -> bytes | None:
    pieces: list[bytes] = []
    while (line_end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line_end].partition(b";")[0], 16)
        start = line_end + 2
        if len(data) < start + size + 2:
            return None
        if size == 0:
            return b"".join(pieces)
        pieces.append(bytes(data[start : start + size]))
        at = start + size + 2
    return None


def _described(body: bytes) -> str:
    if len(body) <= _SHOWN:
        return repr(body)
    return f"{len(body)} bytes (SHA-256 {hashlib.sha256(body).hexdigest()[:16]}, {body[:60]!r} ...)"
