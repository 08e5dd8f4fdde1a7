"""What is drawn: a connection's requests, how each shall be handled, and what its client does meanwhile."""

import gzip
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.faults.machine import programs

PROBE = b"GET /plain HTTP/1.1\r\nHost: a\r\nX-Who: probe\r\n\r\n"
_KEY = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nOrigin: http://a\r\n"


@dataclass(frozen=True)
class Request:
    """One request: ``kind`` is how it is written, ``how`` what its handler does."""

    who: str
    kind: str
    how: str = "plain"
    where: str = "plain"
    version: str = "1.1"
    size: int = 0
    fields: tuple[str, ...] = ()

    def wire(self, package: str) -> bytes:
        """Trailers and chunk extensions, which Tornado refuses, are zeros to it, so that the same number of bytes says the same."""
        head, body = "".join(f"{field}\r\n" for field in (f"X-Who: {self.who}", f"X-How: {self.how}", *self.fields)), b""
        if self.version == "1.0 keep-alive":
            head += "Connection: keep-alive\r\n"
        elif self.version == "1.1 close":
            head += "Connection: close\r\n"
        method = self.kind.upper() if self.kind in ("get", "head", "options") else "POST"
        if method == "POST":
            head, body = self._body(head, b"b" * self.size, package)
        return f"{method} /{self.where} HTTP/{self.version[:3]}\r\nHost: a\r\n{head}\r\n".encode() + body

    def _body(self, head: str, body: bytes, package: str) -> tuple[str, bytes]:
        if self.kind in ("gzip", "bad gzip"):
            body = gzip.compress(body, 1, mtime=0)
            body = body[:-8] + bytes(8) if self.kind == "bad gzip" else body
            head += "Content-Encoding: gzip\r\n"
        if self.kind == "expect":
            head += "Expect: 100-continue\r\n"
        if self.kind == "bad length":
            return f"{head}Content-Length: 1x\r\n", body
        if self.kind in ("chunked", "bad chunk", "trailers"):
            head += "Transfer-Encoding: chunked\r\n"
            body = _in_chunks(body)
            if self.kind == "bad chunk":
                body = body[:-5] + b"5\r\n123456\r\n0\r\n\r\n"
            elif self.kind == "trailers":
                body = body[:-5] + (b"0;ext=1\r\nTrailer: 1\r\n\r\n" if package == "tornadolike" else b"%019d\r\n\r\n" % 0)
            return head, body
        return f"{head}Content-Length: {len(body)}\r\n", body


@dataclass(frozen=True)
class Upgrade:
    """A request for a WebSocket, with frames right behind it."""

    who: str
    how: str = "plain"
    frames: tuple[str, ...] = ()

    def wire(self, package: str) -> bytes:
        head = f"GET /socket HTTP/1.1\r\nHost: a\r\nX-Who: {self.who}\r\nX-How: {self.how}\r\n{_KEY}\r\n"
        return head.encode() + b"".join(FRAMES[name] for name in self.frames)


def _frame(first: int, payload: bytes) -> bytes:
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0xFE, *len(payload).to_bytes(2, "big")])
    return bytes([first]) + length + bytes(4) + payload


FRAMES = {
    "text": _frame(0x81, b"hello"),
    "bytes": _frame(0x82, b"\0\1"),
    "first half": _frame(0x01, b"hel"),
    "second half": _frame(0x80, b"lo"),
    "ping": _frame(0x89, b"p"),
    "pong": _frame(0x8A, b"p"),
    "close": _frame(0x88, b"\x03\xe8bye"),
    "close, bare": _frame(0x88, b""),
    **{word: _frame(0x81, word.encode()) for word in ("raise", "wait", "turn", "big")},
    "asks to close": _frame(0x81, b"close"),
    "asks for a ping": _frame(0x81, b"ping"),
}


def _in_chunks(body: bytes) -> bytes:
    size = max(1, len(body) // 3)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@dataclass(frozen=True)
class Step:
    """Something that the client does. ``send`` and ``part`` have requests, or frames by name; ``leave`` and ``reset`` may."""

    kind: str
    what: tuple[Any, ...] = ()
    share: float = 1.0

    def data(self, package: str) -> bytes:
        return b"".join(FRAMES[one] if isinstance(one, str) else one.wire(package) for one in self.what)


@dataclass(frozen=True)
class Script:
    steps: tuple[Step, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    program: dict[str, Any] = field(default_factory=dict)
    tls: bool = False

    @property
    def requests(self) -> list[Any]:
        return [one for step in self.steps for one in step.what if not isinstance(one, str)]


_VERSIONS = ["1.1"] * 8 + ["1.1 close", "1.0", "1.0 keep-alive"]
_SIZES = [0, 1, 10, 1000, 1000, 6000, 100_000, 1_000_000]
_METHODS, _BEFORE, _DATA = list(programs.METHOD), list(programs.PREPARE), list(programs.DATA)
_FIELDS: list[tuple[str, ...]] = [
    *[()] * 6,
    ("Accept-Encoding: gzip",),
    ("X-Real-Ip: 192.0.2.9", "X-Scheme: https"),
    ("X-Forwarded-For: 192.0.2.7, 127.0.0.1",),
    ("If-None-Match: *",),
    ("Range: bytes=10-19",),
    ("X-Long: " + "l" * 1000,),
]
_SERVERS: list[dict[str, Any]] = [
    *[{}] * 5,
    *[{"decompress_request": True}] * 2,
    {"no_keep_alive": True},
    {"chunk_size": 500},
    {"xheaders": True},
    {"max_body_size": 5000},
    {"max_header_size": 900},
    {"idle_connection_timeout": 60},
    {"body_timeout": 60},
]
_PROGRAMS: list[dict[str, Any]] = [*[{}] * 3, {"compress_response": True}, {"transforms": True}]
_BODIES = [*["post", "chunked"] * 3, *["expect", "gzip", "trailers"] * 2, "bad chunk", "bad gzip", "bad length"]
_DOINGS = [*["release"] * 5, "later", "later", "cancel", "end", "leave", "reset", "deaf", "listen"]
_WAYS = ["send", "send", "send", "send", "part", "drip", "flood", "frames"]


class _Drawn:
    """What comes of one source of random numbers."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def request(self) -> Any:
        one = self.random.choice
        match self.random.randrange(8):
            case 0 | 1:
                kind, how, where, size = (
                    one(["get", "get", "head", "options"]),
                    one([one(_METHODS), one(_BEFORE)]),
                    one(["plain", "stream"]),
                    0,
                )
            case 2:
                kind, how, where, size = one(_BODIES), one([one(_METHODS), one(_BEFORE)]), "plain", one(_SIZES)
            case 3 | 4:
                kind, how, where, size = one(_BODIES), one([one(_METHODS), one(_BEFORE), one(_DATA)]), "stream", one(_SIZES)
            case 5:
                kind, how, where, size = one(["get", "head"]), one(["plain", one(_BEFORE)]), one(["file/small", "file/big"]), 0
            case 6:
                kind, how, where, size = one(["get", "head", "post", "chunked"]), one(programs.CALLED), "call", one(_SIZES)
            case _:
                return Upgrade("", one(programs.OPEN), self.frames(2))
        return Request("", kind, how, where, one(_VERSIONS), size, one(_FIELDS))

    def frames(self, most: int) -> tuple[str, ...]:
        return tuple(self.random.choices(list(FRAMES), k=self.random.randrange(most + 1)))

    def step(self, upgraded: bool) -> Step:
        if self.random.randrange(3) == 0:
            return Step(self.random.choice(_DOINGS))
        way, some = self.random.choice(_WAYS), tuple(self.request() for _ in range(self.random.randint(1, 3)))
        if (upgraded and self.random.randrange(2)) or way == "frames":
            return Step("send", self.frames(3))
        if way == "flood":
            return Step("send", (replace(some[0], size=min(some[0].size, 1000)) if isinstance(some[0], Request) else some[0],) * 20)
        return Step(way, some, 1.0 if way == "send" else self.random.choice([1.0, self.random.random()]))

    def script(self) -> Script:
        steps = [Step("send", (self.request(),))]
        for _ in range(self.random.randrange(7)):
            steps.append(self.step(isinstance(steps[0].what[-1], Upgrade)))
        settings, program = self.random.choice(_SERVERS), self.random.choice(_PROGRAMS)
        return Script(tuple(numbered(steps)), settings, program, self.random.randrange(5) == 0)


def script(number: int) -> Script:
    """The script of this number."""
    return _Drawn(Random(number)).script()


def numbered(steps: list[Step]) -> list[Step]:
    """The same with a name for each request."""
    result, count = [], 0
    for step in steps:
        what = []
        for one in step.what:
            if not isinstance(one, str):
                count += 1
                one = type(one)(**{**vars(one), "who": str(count)})
            what.append(one)
        result.append(Step(step.kind, tuple(what), step.share))
    return result
