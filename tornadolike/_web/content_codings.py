"""Which codings of its answer a client wants (RFC 9110 §12.5.3)."""

import re

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
