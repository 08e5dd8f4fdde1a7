"""What is drawn: a connection's requests, how each shall be handled, and what its client does meanwhile."""

import gzip
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

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

    @property
    def wire(self) -> bytes:
        head, body = f"X-Who: {self.who}\r\nX-How: {self.how}\r\n", b""
        if self.version == "1.0 keep-alive":
            head += "Connection: keep-alive\r\n"
        elif self.version == "1.1 close":
            head += "Connection: close\r\n"
        method = self.kind.upper() if self.kind in ("get", "head") else "POST"
        if method == "POST":
            body = b"b" * self.size
            if self.kind == "gzip":
                body = gzip.compress(body, 1, mtime=0)
                head += "Content-Encoding: gzip\r\n"
            if self.kind == "expect":
                head += "Expect: 100-continue\r\n"
            if self.kind == "chunked":
                head += "Transfer-Encoding: chunked\r\n"
                body = _in_chunks(body)
            else:
                head += f"Content-Length: {len(body)}\r\n"
        return f"{method} /{self.where} HTTP/{self.version[:3]}\r\nHost: a\r\n{head}\r\n".encode() + body


@dataclass(frozen=True)
class Upgrade:
    """A request for a WebSocket, with frames right behind it."""

    who: str
    how: str = "plain"
    frames: tuple[str, ...] = ()

    @property
    def wire(self) -> bytes:
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
    """Something that the client does. ``send`` and ``part`` have requests, or frames by name."""

    kind: str
    what: tuple[Any, ...] = ()
    share: float = 1.0

    @property
    def data(self) -> bytes:
        return b"".join(FRAMES[one] if isinstance(one, str) else one.wire for one in self.what)

    @property
    def cut(self) -> int:
        """How much of it ``part`` sends; what is left is sent before the next one."""
        return int(len(self.data) * self.share)


@dataclass(frozen=True)
class Script:
    steps: tuple[Step, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def requests(self) -> list[Any]:
        return [one for step in self.steps for one in step.what if not isinstance(one, str)]


_VERSIONS = st.sampled_from(["1.1"] * 8 + ["1.1 close", "1.0", "1.0 keep-alive"])
_SIZES = st.sampled_from([0, 1, 10, 1000, 1000, 100_000, 1_000_000])
_METHODS = st.sampled_from(list(programs.METHOD))
_BEFORE = st.sampled_from(list(programs.PREPARE))
_FILES = st.sampled_from(["file/small", "file/big"])
_HOW = _METHODS | _BEFORE
_WHO = st.just("")


def _requests() -> st.SearchStrategy[Any]:
    bodiless = st.builds(Request, _WHO, st.sampled_from(["get", "get", "head"]), _HOW, st.sampled_from(["plain", "stream"]), _VERSIONS)
    kinds = st.sampled_from(["post", "post", "chunked", "expect", "gzip"])
    posts = st.builds(Request, _WHO, kinds, _HOW, st.just("plain"), _VERSIONS, _SIZES)
    streamed = st.builds(Request, _WHO, kinds, _HOW | st.sampled_from(list(programs.DATA)), st.just("stream"), _VERSIONS, _SIZES)
    files = st.builds(Request, _WHO, st.sampled_from(["get", "head"]), _BEFORE, _FILES, _VERSIONS)
    upgrades = st.builds(Upgrade, _WHO, st.sampled_from(programs.OPEN), _frames(2))
    return bodiless | posts | streamed | streamed | files | upgrades


def _frames(most: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(list(FRAMES)), max_size=most).map(tuple)


def _steps() -> st.SearchStrategy[Step]:
    some = st.lists(_requests(), min_size=1, max_size=3).map(tuple)
    one = _requests().map(lambda request: (request,))
    frames = _frames(3)
    return st.one_of(
        st.builds(Step, st.just("send"), one),
        st.builds(Step, st.just("send"), some),
        st.builds(Step, st.just("part"), some, st.floats(0, 1)),
        st.builds(Step, st.just("send"), frames),
        st.builds(Step, st.sampled_from(["release", "release", "cancel", "end", "leave", "reset", "deaf", "listen"])),
    )


@st.composite
def scripts(draw: Any) -> Script:
    first = Step("send", (draw(_requests()),))
    steps = [first, *draw(st.lists(_steps(), max_size=6))]
    settings = draw(st.sampled_from([{}, {"decompress_request": True}, {"no_keep_alive": True}, {"chunk_size": 500}]))
    return Script(tuple(numbered(steps)), settings)


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
