"""Cutting a ``multipart/form-data`` body into its parts (RFC 2046 §5.1, RFC 7578)."""

from collections.abc import Iterator

_HEAD_END = b"\r\n\r\n"
# Forms send two or three for a part.
MAX_PART_FIELDS = 100


class MultipartError(ValueError):
    """The body is not well-formed, or larger in some way than allowed."""


def split_parts(boundary: bytes, body: bytes, max_parts: int, max_head_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (head, content) of every part, from the first to the closing delimiter; what follows that is ignored.

    The parts are counted before the first one is copied, and one part at a time is copied, so that a refused body
    costs no memory (GHSA-8423-8fgw-73vq, GHSA-5w76-955r-9v8r). As in Tornado, what stands before the first delimiter,
    mostly nothing, counts as one of ``max_parts``.
    Raises `MultipartError`.
    """
    delimiter = b"--" + boundary
    last = body.rfind(delimiter + b"--")
    if last == -1:
        raise MultipartError("Invalid multipart/form-data: no final boundary found")
    delimiter += b"\r\n"
    if body.count(delimiter, 0, last) >= max_parts:
        raise MultipartError("multipart/form-data has too many parts")
    start = 0
    while start <= last:
        end = body.find(delimiter, start, last)
        if end == -1:
            end = last
        if end > start:
            yield _split_part(body, start, end, max_head_bytes)
        start = end + len(delimiter)


def _split_part(body: bytes, start: int, end: int, max_head_bytes: int) -> tuple[bytes, bytes]:
    head_end = body.find(_HEAD_END, start, end)
    if head_end == -1:
        raise MultipartError("multipart/form-data missing headers")
    if head_end - start > max_head_bytes:
        raise MultipartError("multipart/form-data part header too large")
    if body.count(b"\n", start, head_end) >= MAX_PART_FIELDS:
        raise MultipartError("multipart/form-data part has too many header fields")
    if not body.endswith(b"\r\n", start, end):
        raise MultipartError("Invalid multipart/form-data")
    return body[start:head_end], body[head_end + len(_HEAD_END) : end - 2]
