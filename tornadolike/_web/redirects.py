"""Where a redirect really leads, read the way a browser reads it (https://url.spec.whatwg.org)."""

import re
import string
import urllib.parse
from collections.abc import Callable

# Browsers trim these at both ends of a URL and leave out the three below anywhere inside it.
_TRIMMED = "".join(map(chr, range(0x21)))
_DROPPED = str.maketrans({"\t": None, "\n": None, "\r": None, "\\": "/"})
_SLASHES = re.compile(r"^//+")

OTHER_ORIGIN = "Redirect URL cannot change the scheme or netloc"
_INVALID = "Redirect URL contains invalid characters"
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def as_browser(url: str) -> str:
    """Return ``url`` without what browsers ignore, and with the slash that they see in a backslash."""
    return url.strip(_TRIMMED).translate(_DROPPED)


def leaves_host(path: str) -> bool:
    """True when a browser reads ``path`` as ``//host/...``, the URL of another host."""
    return as_browser(path).startswith("//")


def origin(url: str) -> tuple[str, str]:
    """Return scheme and network location, in lower case and empty where there is none. Raises ValueError."""
    parts = urllib.parse.urlsplit(_SLASHES.sub("//", as_browser(url)))
    return parts.scheme.lower(), parts.netloc.lower()


def template_origin(template: str) -> tuple[str, str] | None:
    """Return the `origin` that a ``str.format`` template fixes before its first field; None where it fixes half of one.

    ``http://{}`` names a scheme but leaves the host to whoever fills it in.
    """
    literal = ""
    for text, field, _, _ in string.Formatter().parse(template):
        literal += text
        if field is not None:
            scheme, host = origin(literal)
            return None if scheme in ("http", "https") and not host else (scheme, host)
    return origin(literal)


def keeps_origin(template: str, url: str) -> bool:
    """True when filling ``template`` to ``url`` changed neither scheme nor host."""
    try:
        fixed = template_origin(template)
        return fixed is not None and origin(url) == fixed
    except ValueError:
        return False


def status(asked: int | None, permanent: bool) -> int:
    """The status of a redirect: the one that is ``asked`` for, which must be one."""
    if asked is None:
        return 301 if permanent else 302
    assert isinstance(asked, int), f"not a status: {asked!r}"
    assert 300 <= asked <= 399, f"{asked} is no redirect"
    return asked


def refusal(template: str, url: str) -> str | None:
    """Why nobody may be sent to ``url``, which a request has made of ``template``; None when they may."""
    if not keeps_origin(template, url):
        return OTHER_ORIGIN
    return _INVALID if _FORBIDDEN.search(url) else None


def with_way_back(login: str, full_url: Callable[[], str], uri: str | None) -> str:
    """The URL of a login page, with the argument ``next`` that says where to go afterwards, unless it has arguments already."""
    if "?" in login:
        return login
    # A login page on another host has to know which host to come back to.
    elsewhere = bool(urllib.parse.urlsplit(login).scheme)
    return f"{login}?{urllib.parse.urlencode({'next': full_url() if elsewhere else uri})}"
