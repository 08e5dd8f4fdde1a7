"""What proxies say of those before them."""

from tornadolike._http.lazy import pattern

# An address in brackets, as in URLs, or an IPv4 address, with or without a port.
_WITH_PORT = pattern(r"\[([0-9A-Fa-f:.%]+)\](?::[0-9]{1,5})?|([0-9]+(?:\.[0-9]+){3}):[0-9]{1,5}")


def address(hop: str) -> str:
    """The address in one entry of ``X-Forwarded-For``: some proxies put IPv6 into brackets, some add a port (RFC 7239 §6 has both).

    >>> [address(hop) for hop in (" 192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:443", "2001:db8::1", "unknown")]
    ['192.0.2.1', '192.0.2.1', '2001:db8::1', '2001:db8::1', '2001:db8::1', 'unknown']
    """
    hop = hop.strip()
    found = _WITH_PORT.fullmatch(hop)
    return hop if found is None else found[1] or found[2]
