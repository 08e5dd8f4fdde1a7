"""Which responses redirect, and what the next request looks like (RFC 9110 §15.4)."""

from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from tornadolike._client.request_head import percent_encode, valid_url

REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})

DESCRIBES_BODY = ("Content-Length", "Content-Type", "Content-Encoding", "Expect")
"""Header fields that make no sense once the body of the request is dropped."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Hop(NamedTuple):
    """The request that a redirect asks for."""

    url: str
    method: str
    drops_body: bool
    same_origin: bool
    """False: credentials of the original request must not be sent to ``url``."""


def next_hop(code: int, method: str, url: str, location: str, original_url: str) -> Hop:
    """Decide how to follow a ``Location`` in the response to ``method url``.

    ``original_url`` is what the application asked for: credentials belong to its origin, however many redirects lie between. A user name
    in a location of another origin is taken off. Octets beyond ASCII in ``location``, each a character of it, mean UTF-8. Raises
    `ValueError` when the location cannot be parsed.
    """
    target = urlsplit(valid_url(urljoin(url, _as_url(location))))
    same_origin = _origin(target) == _origin(urlsplit(original_url))
    if not same_origin and "@" in target.netloc:
        target = target._replace(netloc=target.netloc.rpartition("@")[2])
    becomes_get = _becomes_get(code, method)
    return Hop(target.geturl(), "GET" if becomes_get else method, becomes_get, same_origin)


def _as_url(location: str) -> str:
    if location.isascii():
        return location
    try:
        octets = location.encode("latin-1")
    except UnicodeEncodeError:
        return location  # it did not come from the wire
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return percent_encode(octets)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port if parts.port is not None else _DEFAULT_PORTS.get(parts.scheme)


def _becomes_get(code: int, method: str) -> bool:
    # 303 always means "look there instead". For 301 and 302 the standard leaves POST to us, and every browser turns it into GET.
    return (code == 303 and method != "HEAD") or (code in (301, 302) and method == "POST")
