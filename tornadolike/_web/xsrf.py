"""XSRF tokens on the wire.

Version 1 is the token in hex. Version 2 hides it under a mask which is new each time, so that a compressed page gives
nothing away by its length (BREACH): ``2|hex(mask)|hex(token xor mask)|seconds``.
"""

import binascii
import re
from itertools import cycle

_CLAIMS_VERSION = re.compile(r"([1-9][0-9]*)\|", re.ASCII)

Decoded = tuple[int, bytes, float]
"""Version, bare token, and the time at which it was made (version 1 does not say: now)."""


def _masked(mask: bytes, token: bytes) -> bytes:
    return bytes([a ^ b for a, b in zip(token, cycle(mask), strict=False)])


def encode(version: int, token: bytes, mask: bytes, seconds: float) -> bytes:
    """Return ``token`` as it goes into a cookie or a form. Raises ValueError for a version other than 1 and 2."""
    if version == 1:
        return token.hex().encode()
    if version == 2:
        return b"2|%b|%b|%d" % (mask.hex().encode(), _masked(mask, token).hex().encode(), int(seconds))
    raise ValueError(f"unknown xsrf cookie version {version}")


def decode(text: str, now: float) -> Decoded:
    """Read a token from a cookie or a form. Raises ValueError where it is not one.

    Anything that claims no version is a version 1 token; one that is not in hex stands for itself.
    """
    claim = _CLAIMS_VERSION.match(text)
    if claim is None:
        try:
            token = binascii.a2b_hex(text.encode())
        except binascii.Error:
            token = text.encode()
        return 1, token, int(now)
    if claim[1] != "2":
        raise ValueError("unknown xsrf cookie version")
    _, mask, masked, seconds = text.split("|")
    octets = binascii.a2b_hex(mask.encode())
    if len(octets) != 4:
        raise ValueError("an xsrf mask is four bytes long")
    return 2, _masked(octets, binascii.a2b_hex(masked.encode())), int(seconds)
