"""What the first lines of a client request say, decided without any I/O.

``parse_target`` takes a URL apart, ``valid_url`` makes one that may be sent of what people write, ``check_method`` and ``check_body``
refuse requests that make no sense, and ``fill_in`` adds the header fields that the caller left to us. Everything here works on plain
values: the caller reads the request's options.
"""

import re
from collections.abc import Container, MutableMapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from tornadolike._http.lazy import pattern

_DEFAULT_PORTS = {"http": 80, "https": 443}
_METHODS_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})

# RFC 9110 §5.6.2 token. A method that is none could smuggle a second request line.
_TOKEN = pattern(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = pattern(r"[\x00-\x1f\x7f]")
_CONTROL_OR_SPACE = pattern(r"[\x00-\x20\x7f]")

# What RFC 3986 §3.3 and §3.4 leave out of paths and queries, except for brackets and backslashes, which clients send as they are and
# some servers know in no other way; and a percent sign that encodes nothing.
_NOT_IN_TARGET = pattern(rb"""[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\\\]_a-z~]|%(?![0-9A-Fa-f]{2})""")
_URL = pattern(r"([A-Za-z][A-Za-z0-9+.\-]*://)?([^/?#]*)(.*)", re.DOTALL)


class Target(NamedTuple):
    """Where a request goes, and what its start line and ``Host`` field say."""

    parts: SplitResult
    scheme: str
    host: str
    """Name or address to connect to, spelled as in the URL, IPv6 addresses without brackets; a zone (``fe80::1%eth0``) belongs to it."""
    port: int
    authority: str
    """Value of the ``Host`` field: no user name and no zone in it, non-ASCII host names in their IDNA form."""
    path: str
    """Path and query, never empty, and with nothing in them that has to be percent-encoded (RFC 9112 §3.2)."""
    username: str | None
    password: str


@lru_cache(maxsize=256)
def parse_target(url: str) -> Target:
    """Take an absolute http or https URL apart.

    Raises `ValueError` for another scheme, a missing host, a port that is no number up to 65535, and for control characters. White space
    around the URL does not count.
    """
    url = _without_controls(url)
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"Unsupported url scheme: {url}")
    userinfo, at, authority = parts.netloc.rpartition("@")
    path = parts.path or "/"
    if parts.query:
        path = f"{path}?{parts.query}"
    host, port = _split_port(authority)
    authority = _ascii_authority(authority)
    if _CONTROL_OR_SPACE.search(authority):
        raise ValueError(f"Illegal character in url: {url!r}")
    if not host:
        raise ValueError(f"No host in url: {url!r}")
    if "%" in host and authority.startswith("["):
        host, authority = _split_zone(host, authority)
    username, _, password = userinfo.partition(":")
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    return Target(parts, parts.scheme, host, port, authority, percent_encode(path), username if at else None, password)


def valid_url(url: str) -> str:
    """A URL as people write it, with whatever must not stand in one percent-encoded, once: spaces, non-ASCII text (as UTF-8), quotes...

    What is encoded already stays as it is, and so does the structure; a non-ASCII host name gets its IDNA form. Raises `ValueError` for
    control characters.
    """
    url = _without_controls(url)
    if not _NOT_IN_TARGET.search(url.encode("utf-8")):
        return url
    match = _URL.fullmatch(url)
    assert match is not None  # it takes anything
    scheme, authority, rest = match.groups(default="")
    userinfo, at, authority = authority.rpartition("@")
    return f"{scheme}{percent_encode(userinfo)}{at}{_ascii_authority(authority)}{percent_encode(rest)}"


def percent_encode(text: str | bytes) -> str:
    """Path and query with all octets percent-encoded that must not stand there; text as UTF-8."""
    octets = text.encode("utf-8") if isinstance(text, str) else text
    return _NOT_IN_TARGET.sub(lambda found: b"%%%02X" % ord(found[0]), octets).decode("ascii")


def _without_controls(url: str) -> str:
    url = url.strip()
    if _CONTROL.search(url):
        raise ValueError(f"Illegal character in url: {url!r}")
    return url


def _ascii_authority(authority: str) -> str:
    # Encoding normalises as well, which may bring up a space.
    return authority if authority.isascii() else authority.encode("idna").decode("ascii")


def _split_zone(host: str, authority: str) -> tuple[str, str]:
    """The zone of an address is nobody's business but ours (RFC 6874 §4); there it is written ``%25eth0``, or, by everybody, ``%eth0``."""
    address, _, zone = host.partition("%")
    zone = zone[2:] if zone.startswith("25") and len(zone) > 2 else zone
    return f"{address}%{zone}", f"[{address}{authority[authority.index(']') :]}"


def _split_port(authority: str) -> tuple[str, int | None]:
    """Separate host and port; brackets around an IPv6 address are taken off."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"Invalid host in url: {authority!r}")
        digits = rest[1:]
    else:
        host, _, digits = authority.partition(":")
    if not digits:
        return host, None
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 5 or int(digits) > 65535:
        raise ValueError(f"Invalid port in url: {authority!r}")
    return host, int(digits)


def check_method(method: str, supported: Container[str], allow_nonstandard: bool) -> None:
    """Raise `KeyError` for a method that is not ``supported`` (unless allowed), `ValueError` for one that is no token at all."""
    if method in supported:
        return
    if not allow_nonstandard:
        raise KeyError(f"unknown method {method}")
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"Illegal character in method: {method!r}")


def check_body(method: str, present: bool) -> None:
    """Raise `ValueError` when a request has a body but its method never has one, or the reverse."""
    expected = method in _METHODS_WITH_BODY
    if expected is not present:
        negation = "not " if expected else ""
        raise ValueError(f"Body must {negation}be None for method {method} (unless allow_nonstandard_methods is true)")


def fill_in(
    headers: MutableMapping[str, str],
    *,
    connection: str | None,
    authority: str,
    authorization: str | None,
    user_agent: str | None,
    default_user_agent: str,
    content_length: int | None,
    form_by_default: bool,
    expect_continue: bool,
    accept_gzip: bool,
) -> None:
    """Add to ``headers`` what the request's options ask for.

    ``Connection``, ``Host`` and ``Content-Type`` of the caller are kept. ``user_agent`` and ``authorization``, options of their own,
    win over header fields of that name.
    """
    if connection is not None and "Connection" not in headers:
        headers["Connection"] = connection
    if "Host" not in headers:
        headers["Host"] = authority
    if authorization is not None:
        headers["Authorization"] = authorization
    if user_agent or "User-Agent" not in headers:
        headers["User-Agent"] = user_agent or default_user_agent
    if expect_continue:
        headers["Expect"] = "100-continue"
    if content_length is not None:
        headers["Content-Length"] = str(content_length)
    if "Content-Length" in headers and "Transfer-Encoding" in headers:
        # Perhaps copied from another message. The body goes out as it is, and two framings are none (RFC 9112 §6.2).
        del headers["Transfer-Encoding"]
    if form_by_default and "Content-Type" not in headers:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if accept_gzip:
        headers["Accept-Encoding"] = "gzip"
