"""Which codings of its answer a client wants (RFC 9110 §12.5.3), and what an answer says of the one that it has."""

import re
from collections.abc import Mapping, MutableMapping

_MAX_CODINGS = 100
_ZERO = re.compile(r"0(?:\.0{0,3})?")


def accepts_gzip(header: str) -> bool:
    """True when ``Accept-Encoding: header`` asks for gzip by its name, or the old one, with a weight above 0.

    >>> [accepts_gzip(field) for field in ("br, GZIP", "gzip;q=0", "x-gzip-not", "*", "gzip; q=0.0", "gzip;q=0.5", "")]
    [True, False, False, False, False, True, False]
    """
    for item in header.split(",", _MAX_CODINGS)[:_MAX_CODINGS]:
        coding, _, parameter = item.partition(";")
        name, _, weight = parameter.partition("=")
        coding = coding.strip().lower()
        wanted = not (name.strip().lower() == "q" and _ZERO.fullmatch(weight.strip()))
        if coding in ("gzip", "x-gzip"):
            return wanted
    return False


def can_be_encoded(headers: Mapping[str, str], size: int, least: int, is_head: bool) -> bool:
    """Whether an answer is plain and whole, and has at least so many bytes. That to HEAD says how many it would have."""
    if is_head and headers.get("Content-Length", "").isdigit():
        size = int(headers["Content-Length"])
    return size >= least and "Content-Encoding" not in headers and "Content-Range" not in headers


def announce_gzip(headers: MutableMapping[str, str], length: int | None) -> None:
    """Change the fields of an answer that is compressed now; ``length`` is what it comes to, None where that is not known yet: chunked."""
    headers["Content-Encoding"] = "gzip"
    etag = headers.get("Etag", "")
    if etag.startswith('"'):
        headers["Etag"] = f"W/{etag}"  # other bytes than those of the plain form (RFC 9110 §8.8.1)
    if "Content-Length" in headers:
        if length is None:
            del headers["Content-Length"]
        else:
            headers["Content-Length"] = str(length)
