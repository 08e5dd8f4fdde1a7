"""``multipart/form-data``, piece by piece (RFC 2046 §5.1, RFC 7578): where parts begin and end in bytes that are still coming.

Theory of operation. A delimiter is a line that begins with ``--`` and the boundary. Behind it stand ``--``, which ends the form, or
blanks and a line end, which begin a part; anything else makes it part of the text. A part is a head, an empty line, and content up to
the line end before the next delimiter. That line end may be the empty line's own, if there is no content. Parts without even a head,
between delimiters that follow each other, are none. What stands before the first delimiter is a preamble, and ignored; but some clients
leave the first delimiter out, and a form that begins with a part's ``Content-Disposition`` is read as if it were there, as Tornado does.

`FormScanner.scan` walks through a buffer and says what lies where; it copies nothing. What it cannot decide yet, such as half a delimiter,
its caller keeps and gives again with more behind it: `FormStream` for a form that is still coming. Who has the whole form scans it at
once. So both give the same verdict on every form, wherever it is cut.

What costs time is to look for delimiters in content that has none. Forwards, Python takes 0.1 ms for a MB in large pieces, whatever they
are, and in small ones where many bytes are such as no delimiter has, else up to 2.5 ms. Backwards, it takes 0.1 ms where there are many
carriage returns, as it leaps from one to the next, 0.2 ms elsewhere, and 0.9 ms over many dashes. So a sample of each large piece,
and of every fourth small one, says which way is taken.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

PART_BEGIN, PART_DATA, PART_END, FORM_END, PART = range(5)
"""Kinds of events: the head of a part, a piece of its content, its end, the end of the form; and a whole part at once."""

Event = tuple[int, int, int, int]
"""A kind, and where in the buffer it begins and ends; of a whole part where head and content end."""

# Forms send two or three for a part.
MAX_PART_FIELDS = 100

_PREAMBLE, _HEAD, _BODY, _EPILOGUE = range(4)
_HEAD_END = b"\r\n\r\n"
_WINDOW = 64 * 1024
_LEAST_WINDOW = 2048
_LARGE = 32 * 1024
_SAMPLE = 64
_MANY_RETURNS = 8  # in a sample
_TRUSTED = 3  # small pieces behind the one that a sample is of
_MAX_BLANKS = 256
_BLANKS = re.compile(rb"[ \t]{1,%d}" % _MAX_BLANKS)
# What `_behind` says of a delimiter, besides the index of the next line.
_LAST, _TEXT, _UNKNOWN = -1, -2, -3


_FIRST_FIELD = b"content-disposition:"


def opened(boundary: bytes, begin: bytes) -> bytes | None:
    """What is to be put before the form that begins so, to give it the delimiter that it lacks: nothing, as a rule; None: more has to come
    before that can be said.
    """
    if begin[: len(_FIRST_FIELD)].lower() == _FIRST_FIELD:
        return b"--" + boundary + b"\r\n"
    return None if _FIRST_FIELD.startswith(begin.lower()) else b""


class MultipartError(ValueError):
    """The body is not well-formed, or larger in some way than allowed."""


class FormScanner:
    """Finds the parts of one form; buffers have to be given in order.

    ``max_parts`` counts, as in Tornado, what stands before the first delimiter as a part. Methods raise `MultipartError`.
    """

    __slots__ = ("_content", "_delimiter", "_delimiters", "_forwards", "_max_head_bytes", "_max_parts", "_state", "_trusted", "kept")

    def __init__(self, boundary: bytes, max_parts: int, max_head_bytes: int) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._max_parts = max_parts
        self._max_head_bytes = max_head_bytes
        self._state = _PREAMBLE
        self._delimiters = 0
        self._forwards, self._trusted = False, 0  # whether small pieces are gone through forwards, and for how many more that is said
        self._content = 0  # where a part's head or content begins in the buffer that comes next
        self.kept = 0
        """How many bytes at the end of the last buffer have to be at the beginning of the next one."""

    @property
    def least(self) -> int:
        """How many bytes it takes to see whether a form begins with a delimiter."""
        return len(self._delimiter)

    def end(self) -> None:
        """No more comes."""
        if self._state != _EPILOGUE:
            raise MultipartError("Invalid multipart/form-data: no final boundary found")

    def scan(self, data: bytes, *, first: bool = False) -> Iterator[Event]:
        """Yield what is in ``data``; ``first``: it begins where the form does, and not with the line end before the first delimiter."""
        if self._state == _EPILOGUE:
            self.kept = 0
            return
        at, width = self._content, len(self._delimiter)
        for position in self._positions(data, first):
            behind = position + width
            line = behind + 2 if data.startswith(b"\r\n", behind) else self._behind(data, behind)
            if line == _TEXT:
                continue
            if line == _UNKNOWN:
                yield from self._rest(data, at, position)
                return
            yield from self._before(data, at, position)
            if line == _LAST:
                self._state, self.kept = _EPILOGUE, 0
                yield FORM_END, position, position, 0
                return
            self._delimiters += 1
            if self._delimiters >= self._max_parts:
                raise MultipartError("multipart/form-data has too many parts")
            self._state, at = _HEAD, line
        yield from self._rest(data, at, None)

    def _before(self, data: bytes, at: int, position: int) -> Iterable[Event]:
        """What ends with the delimiter at ``position``."""
        if self._state == _BODY:
            over = (PART_END, position, position, 0)
            return ((PART_DATA, at, position, 0), over) if position > at else (over,)
        if self._state == _HEAD and position > at:  # else two delimiters in a row, which are no part
            end = self._head_end(data, at, position + 2)
            if end == -1:
                raise MultipartError("multipart/form-data missing headers")
            return ((PART, at, end, position),)
        return ()

    def _positions(self, data: bytes, first: bool) -> Iterator[int] | list[int]:
        """Where the delimiter's text stands, in order."""
        found = [-2] if first and data.startswith(self._delimiter[2:]) else []
        if len(data) <= _LEAST_WINDOW:
            return found + self._in_window(data, 0, len(data))
        return self._in_windows(data, found)

    def _in_windows(self, data: bytes, found: list[int]) -> Iterator[int]:
        """The same for more than is looked through at once. The first window is small: most heads are in it."""
        yield from found
        overlap = len(self._delimiter) - 1
        begin, window = 0, _WINDOW if self._state == _BODY else _LEAST_WINDOW
        while begin < len(data):
            if len(data) - begin >= _LARGE and window == _WINDOW:
                begin = self._passed_over(data, begin)
            yield from self._in_window(data, begin, begin + window + overlap)
            begin += window
            window = _WINDOW

    def _passed_over(self, data: bytes, begin: int) -> int:
        """Where to look closer from ``begin`` on: forwards, content of any size that has no delimiter is passed over at once."""
        begin = data.find(b"\r", begin)
        if begin != -1 and not _has_many_returns(data, begin):
            begin = data.find(self._delimiter, begin)
        return len(data) if begin == -1 else begin

    def _in_window(self, data: bytes, begin: int, end: int) -> list[int]:
        begin = data.find(b"\r", begin, end)  # the cheapest of all, and often there is none
        delimiter = self._delimiter
        if end - begin >= _LARGE and not _has_many_returns(data, begin):
            begin = data.find(delimiter, begin, end)
        positions = []
        while begin != -1 and (end := data.rfind(delimiter, begin, end)) != -1:
            positions.append(end)
        return positions[::-1]

    def content(self, rest: bytes, data: bytes) -> bytes | None:
        """What ``rest`` that was kept of the last buffer has of a part's content, now that ``data`` says that it is no delimiter; None: it
        still may be one, or something else was kept.
        """
        if self._state != _BODY or self._delimiter.startswith((rest + data[: len(self._delimiter)])[: len(self._delimiter)]):
            return None
        start, self._content = self._content, 0
        return rest[start:]

    def content_end(self, data: bytes) -> int:
        """Where content ends with which ``data`` begins: at a delimiter, or the beginning of one at the end of ``data``; -1: it has to be
        scanned.
        """
        if self._state != _BODY or self._content:
            return -1
        size, delimiter = len(data), self._delimiter
        begin = data.find(b"\r")
        if begin == -1:
            return size
        # As `_has_many_returns` has it: this is done for each piece.
        if data.count(b"\r", begin, begin + _SAMPLE) < _MANY_RETURNS if size >= _LARGE else self._goes_forwards(data, begin):
            if (found := data.find(delimiter, begin)) != -1:
                return found
        elif (found := data.rfind(delimiter, begin)) != -1:
            return found if data.rfind(delimiter, begin, found + len(delimiter) - 1) == -1 else -1
        begin = data.rfind(b"\r", 1 - len(delimiter))
        return begin if begin != -1 and delimiter.startswith(data[begin:]) else size

    def _goes_forwards(self, data: bytes, begin: int) -> bool:
        """Say which way a small piece is gone through; what a sample says of one goes for the next few, too."""
        if self._trusted:
            self._trusted -= 1
        else:
            self._trusted = _TRUSTED
            self._forwards = len(data[begin : begin + _SAMPLE].translate(None, self._delimiter)) > _SAMPLE // 2
        return self._forwards

    def ends_with(self, rest: bytes) -> bool:
        """Whether what stands at `content_end` ends part and form; then they are over."""
        width = len(self._delimiter)
        if rest[width : width + 2] != b"--":
            return False
        self._state, self.kept = _EPILOGUE, 0
        return True

    def is_delimiter(self, rest: bytes) -> bool:
        """Whether there is a delimiter at `content_end`, whole."""
        return len(rest) >= len(self._delimiter)

    def _behind(self, data: bytes, at: int) -> int:
        """What stands behind a delimiter, unless it is a line end: `_LAST`, `_TEXT`, `_UNKNOWN`; past blanks, where a line begins."""
        two = data[at : at + 2]
        if two == b"--":
            return _LAST
        if two in (b"", b"\r", b"-"):
            return _UNKNOWN
        blanks = _BLANKS.match(data, at)
        if blanks is None:
            return _TEXT
        behind = data[blanks.end() : blanks.end() + 2]
        if behind == b"\r\n":
            return blanks.end() + 2
        return _UNKNOWN if behind in (b"", b"\r") else _TEXT

    def _head_end(self, data: bytes, at: int, limit: int) -> int:
        end = data.find(_HEAD_END, at, min(limit, at + self._max_head_bytes + len(_HEAD_END)))
        if end == -1:
            if limit - at > self._max_head_bytes + len(_HEAD_END):
                raise MultipartError("multipart/form-data part header too large")
        elif data.count(b"\n", at, end) >= MAX_PART_FIELDS:
            raise MultipartError("multipart/form-data part has too many header fields")
        return end

    def _rest(self, data: bytes, at: int, half: int | None) -> Iterator[Event]:
        """What stands behind the last delimiter that can be decided, up to half a one, if there is one."""
        size = len(data)
        if self._state == _HEAD:
            end = self._head_end(data, at, size if half is None else half + 2)
            if end == -1:
                self._keep(size, at - 2, at)  # with the line end, which may be that of the next delimiter
                return
            self._state = _BODY
            yield PART_BEGIN, at, end, 0
            at = end + len(_HEAD_END)
        tail = self._half_delimiter(data, at - 2 if self._state == _BODY else 0) if half is None else half
        if self._state == _BODY and tail > at:
            yield PART_DATA, at, tail, 0
        self._keep(size, tail, max(at, tail))

    def _half_delimiter(self, data: bytes, least: int) -> int:
        """Where the beginning of a delimiter stands at the end of ``data``; its length where there is none."""
        size = len(data)
        begin = data.rfind(b"\r", max(0, least, size - len(self._delimiter) + 1))
        return begin if begin != -1 and self._delimiter.startswith(data[begin:]) else size

    def _keep(self, size: int, start: int, content: int) -> None:
        start = max(0, start)
        self.kept, self._content = size - start, max(0, content - start)


def _has_many_returns(data: bytes, begin: int) -> bool:
    return data.count(b"\r", begin, begin + _SAMPLE) >= _MANY_RETURNS


class FormStream:
    """A form that comes in pieces."""

    __slots__ = ("_begun", "_boundary", "_rest", "_scanner")

    def __init__(self, boundary: bytes, max_parts: int, max_head_bytes: int) -> None:
        self._boundary = boundary
        self._begun = False
        self._scanner = FormScanner(boundary, max_parts, max_head_bytes)
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield kinds of events and their bytes. Has to be iterated to its end before the next piece. Raises `MultipartError`."""
        events = self.feed_unless_content(data)
        return iter(((PART_DATA, data),)) if events is None else events

    def feed_unless_content(self, data: bytes) -> Iterator[tuple[int, bytes]] | None:
        """The same; None where ``data`` is nothing but content of the part that has begun, as most of it is."""
        if not self._rest:
            end = self._scanner.content_end(data)
            if end == len(data):
                return None if data else iter(())
            if end > 0:
                rest, content = data[end:], ((PART_DATA, data[:end]),)
                if self._scanner.ends_with(rest):
                    return iter((*content, (PART_END, b""), (FORM_END, b"")))
                if self._scanner.is_delimiter(rest):
                    return itertools.chain(content, self._scan(rest))
                self._rest = rest
                return iter(content)
        return self._scan(data)

    def _scan(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        scanner = self._scanner
        if self._rest and self._begun and (content := scanner.content(self._rest, data)) is not None:
            self._rest = b""
            if content:
                yield PART_DATA, content
            yield from self.feed(data)
            return
        if self._rest:
            data = self._rest + data
        first = not self._begun
        if first:
            before = opened(self._boundary, data[: len(_FIRST_FIELD)])
            if before is None or len(data) < self._scanner.least:
                self._rest = data
                return
            data = before + data
        whole = len(data)
        for kind, start, end, last in scanner.scan(data, first=first):
            if kind != PART:
                yield kind, data if end - start == whole else data[start:end]
                continue
            yield PART_BEGIN, data[start:end]
            if end + 4 < last:
                yield PART_DATA, data[end + 4 : last]
            yield PART_END, b""
        kept = scanner.kept
        # Else the beginning comes once more, where the line end before the first delimiter may lack.
        self._begun = self._begun or kept < whole
        self._rest = data[whole - kept :] if kept else b""

    def feed_eof(self) -> None:
        """No more comes. Raises `MultipartError` where the form is not complete."""
        self._scanner.end()
