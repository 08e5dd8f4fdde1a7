"""Conditional requests (RFC 9110 §13): is what the client has still good?"""

import datetime as dt
import re

# One list of tags is scanned once from left to right; an unfinished quote ends the matching, not the scan.
_TAGS = re.compile(r'\*|(?:W/)?"[^"]*"')


def none_match(header: str, etag: str) -> bool:
    """True when ``If-None-Match: header`` names ``etag`` (weak comparison, RFC 9110 §8.8.3.2) or begins with ``*``."""
    if not header or not etag:
        return False
    first = _TAGS.search(header)
    opaque = etag.removeprefix("W/")
    return first is not None and (first[0] == "*" or any(tag[0].removeprefix("W/") == opaque for tag in _TAGS.finditer(header)))


def http_date(text: str) -> dt.datetime | None:
    """Read a date with its zone (UTC when it says none); None for anything that is no date."""
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def not_modified_since(header: str, modified: dt.datetime | None) -> bool:
    """True when ``If-Modified-Since: header`` is a date, and not before ``modified``."""
    since = http_date(header)
    return since is not None and modified is not None and since >= modified


def if_range(header: str, etag: str, modified: dt.datetime | None) -> bool:
    """True when a range may be served (RFC 9110 §13.1.5): no ``If-Range``, or the very validator that we would send.

    Tags compare strongly, dates exactly.
    """
    if not header:
        return True
    if header.startswith(('"', "W/")):
        return header == etag and not header.startswith("W/")
    return modified is not None and http_date(header) == modified
