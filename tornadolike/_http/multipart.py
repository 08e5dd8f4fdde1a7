"""Cutting a ``multipart/form-data`` body into its parts (RFC 2046 §5.1, RFC 7578)."""

import re
from collections.abc import Iterator

_HEAD_END = b"\r\n\r\n"
_PADDED_LINE_END = re.compile(rb"[ \t]*\r\n")
# Forms send two or three for a part.
MAX_PART_FIELDS = 100


class MultipartError(ValueError):
    """The body is not well-formed, or larger in some way than allowed."""


def split_parts(boundary: bytes, body: bytes, max_parts: int, max_head_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (head, content) of every part, from the first to the closing delimiter; what stands before and behind these is ignored.

    A delimiter begins a line, and blanks may follow it. The parts are counted before the first one is copied, and one part at a time
    is copied, so that a refused body costs no memory (GHSA-8423-8fgw-73vq, GHSA-5w76-955r-9v8r). As in Tornado, what stands before the
    first delimiter, mostly nothing, counts as one of ``max_parts``.
    Raises `MultipartError`.
    """
    for start, end in _places(b"\r\n--" + boundary, body, max_parts):
        yield _split_part(body, start, end, max_head_bytes)


def _places(delimiter: bytes, body: bytes, max_parts: int) -> list[tuple[int, int]]:
    """Where the parts begin and end. Looked for from the end of the body: so Python takes a third of the time."""
    places, delimiters, end = list[tuple[int, int]](), 0, -1
    for position in _backwards(delimiter, body):
        behind = position + len(delimiter)
        if body.startswith(b"--", behind):
            places.clear()  # what was found so far is behind the end of the form
            end, delimiters = position, 0
        elif end != -1 and (start := _line_end(body, behind)) != -1:  # else it is the beginning of another text
            delimiters += 1
            if delimiters >= max_parts:
                raise MultipartError("multipart/form-data has too many parts")
            if start < end:
                places.append((start, end))
            end = position
    if end == -1:
        raise MultipartError("Invalid multipart/form-data: no final boundary found")
    return places[::-1]


def _backwards(delimiter: bytes, body: bytes) -> Iterator[int]:
    position = len(body)
    while (position := body.rfind(delimiter, 0, position)) != -1:
        yield position
    if body.startswith(delimiter[2:]):
        yield -2  # at the very beginning it lacks its line end


def _line_end(body: bytes, start: int) -> int:
    """Where the next line begins, if nothing but blanks stands before that; else -1."""
    if body.startswith(b"\r\n", start):
        return start + 2
    found = _PADDED_LINE_END.match(body, start)
    return -1 if found is None else found.end()


def _split_part(body: bytes, start: int, end: int, max_head_bytes: int) -> tuple[bytes, bytes]:
    # Of a part without content the line end before the delimiter may be that of the empty line behind the head.
    head_end = body.find(_HEAD_END, start, end + 2)
    if head_end == -1:
        raise MultipartError("multipart/form-data missing headers")
    if head_end - start > max_head_bytes:
        raise MultipartError("multipart/form-data part header too large")
    if body.count(b"\n", start, head_end) >= MAX_PART_FIELDS:
        raise MultipartError("multipart/form-data part has too many header fields")
    return body[start:head_end], body[head_end + len(_HEAD_END) : end]
