"""``Range`` and ``Content-Range`` for one range of bytes (RFC 9110 §14)."""

_MAX_DIGITS = 100  # int() refuses thousands, and nothing is that long


def parse_range(field: str) -> tuple[int | None, int | None] | None:
    """``bytes=first-last`` as a pair of slice indices; None where the field is to be ignored.

    Ignored are other units, several ranges, and anything that is not plain decimal digits. ``bytes=-5``, the last
    five bytes, is ``(-5, None)``, and ``bytes=-0``, of which there are none, is ``(None, 0)``.
    """
    unit, _, positions = field.partition("=")
    first, _, last = (part.strip() for part in positions.partition("-"))
    if unit.strip() != "bytes" or not _is_position(first) or not _is_position(last):
        return None
    if not last:
        return (int(first) if first else None, None)
    if first:
        return int(first), int(last) + 1
    suffix_length = int(last)
    return (-suffix_length, None) if suffix_length else (None, 0)


def _is_position(text: str) -> bool:
    """Only ASCII digits, or nothing: int() would take signs, underscores and other scripts' digits as well."""
    return not text or (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS)


def content_range(start: int | None, end: int | None, total: int) -> str:
    """The ``Content-Range`` of the slice ``start:end`` of ``total`` bytes."""
    return f"bytes {start or 0}-{(end or total) - 1}/{total}"
