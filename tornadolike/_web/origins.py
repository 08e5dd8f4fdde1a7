"""Whether another site made the browser send this request.

``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/) answers that, and scripts cannot set it. Old browsers and
plain HTTP leave it out; then ``Origin`` is compared with ``Host``. Clients that are no browsers send neither.
"""

import urllib.parse
from collections.abc import Callable


def is_host(origin: str, host: str | None) -> bool:
    """True when ``origin`` names ``host``, port included; letters of either case."""
    place = _netloc(origin)
    return place is not None and place.lower() == (host or "").lower()


def _netloc(origin: str) -> str | None:
    """The host and port of an origin; None if it is none, such as ``http://[``."""
    try:
        return urllib.parse.urlsplit(origin).netloc
    except ValueError:
        return None


def _trusted(origin: str, trusts: Callable[[str], bool]) -> bool:
    try:
        return trusts(origin)
    except ValueError:
        if _netloc(origin) is None:
            return False  # it could not be parsed there, either
        raise


def refusal(site: str | None, origin: str | None, host: str | None, trusts: Callable[[str], bool]) -> str | None:
    """Return None for a request that may pass, else the reason why it may not.

    ``site``, ``origin`` and ``host`` are the three headers, None where missing. ``trusts`` is asked about an origin
    only when the request comes from somewhere else.
    """
    if site is None:
        if origin is None or is_host(origin, host) or _trusted(origin, trusts):
            return None
        return f"Origin {origin!r} not allowed"
    if site in ("same-origin", "none") or (origin and _trusted(origin, trusts)):
        return None
    return f"Sec-Fetch-Site {site} & origin {origin!r} not allowed"
