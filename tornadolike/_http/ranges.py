"""``Range`` and ``Content-Range`` for one range of bytes (RFC 9110 §14)."""

import re

_BYTES_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]*)\s*(?:-\s*([0-9]*)\s*)?", re.ASCII)
_MAX_DIGITS = 100


def parse_range(field: str) -> tuple[int | None, int | None] | None:
    """``bytes=first-last`` as a pair of slice indices; None where the field is to be ignored.

    Ignored are other units, several ranges, and anything that is not plain decimal digits. ``bytes=-5``, the last
    five bytes, is ``(-5, None)``, and ``bytes=-0``, of which there are none, is ``(None, 0)``.
    """
    found = _BYTES_RANGE.fullmatch(field)
    if found is None:
        return None
    first, last = found[1], found[2] or ""
    if len(first) > _MAX_DIGITS or len(last) > _MAX_DIGITS:
        return None
    if not last:
        return (int(first) if first else None, None)
    if first:
        return int(first), int(last) + 1
    suffix_length = int(last)
    return (-suffix_length, None) if suffix_length else (None, 0)


def content_range(start: int | None, end: int | None, total: int) -> str:
    """The ``Content-Range`` of the slice ``start:end`` of ``total`` bytes."""
    return f"bytes {start or 0}-{(end or total) - 1}/{total}"
