"""Cutting a whole ``multipart/form-data`` body into its parts (RFC 2046 §5.1, RFC 7578), by what reads one that is still coming, too."""

from collections.abc import Iterator

from tornadolike._http.multipart_stream import MAX_PART_FIELDS, PART, FormScanner, MultipartError, opened

__all__ = ["MAX_PART_FIELDS", "MultipartError", "split_parts"]


def split_parts(boundary: bytes, body: bytes, max_parts: int, max_head_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (head, content) of every part of a whole form; what stands before the first and behind the last delimiter is ignored.

    The parts are counted before the first one is copied, and one part at a time is copied, so that a refused body costs no memory
    (GHSA-8423-8fgw-73vq, GHSA-5w76-955r-9v8r). Raises `MultipartError`.
    """
    if before := opened(boundary, body[:32]):
        body = before + body
    scanner = FormScanner(boundary, max_parts, max_head_bytes)
    parts = [event for event in scanner.scan(body, first=True) if event[0] == PART]
    scanner.end()
    for _, start, end, last in parts:
        yield body[start:end], body[end + 4 : last]
