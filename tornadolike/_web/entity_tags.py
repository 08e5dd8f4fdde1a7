"""Entity tags (RFC 9110 §8.8.3) of what is sent: hashes.

Hashing costs more than all else that is done for a small answer, and programs give the same small ones again and again.
"""

from collections.abc import Callable
from typing import Any

MAX_KNOWN = 500
"""How many tags are remembered."""
MAX_KNOWN_BYTES = 200
"""The largest body whose tag is: looking for a larger one would cost nearly as much as hashing it."""

known: dict[bytes, str] = {}


def strong(body: bytes, sha1: Callable[[bytes], Any]) -> str:
    """The tag of ``body``, quotes included."""
    if len(body) > MAX_KNOWN_BYTES or type(body) is not bytes:  # what can be changed cannot be looked for
        return f'"{sha1(body).hexdigest()}"'
    tag = known.get(body)
    if tag is None:
        if len(known) >= MAX_KNOWN:
            known.clear()
        tag = known[body] = f'"{sha1(body).hexdigest()}"'
    return tag
