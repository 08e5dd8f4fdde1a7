"""Who may connect: counts of open connections, altogether and for each address.

Counting is by owner: whatever stands for a connection is admitted with its address and released when it ends. Those that end
without a word (a stream which somebody else took over) are found by :meth:`Admission.sweep`. It runs when somebody would be
turned away, then at most once a second, so that a flood of refused connections stays cheap, and when the count has doubled.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from ipaddress import IPv6Address
from typing import Any, Generic, TypeVar

SWEEP_SECONDS = 1.0
_LEAST_SWEEP = 64

Owner = TypeVar("Owner", bound=Hashable)


def address_key(address: Any) -> str | None:
    """What is counted as one address: an IPv4 address, the /64 network of an IPv6 one, which a single host can have whole.

    None, which is not counted, for anything else, such as the peer of a Unix socket.
    """
    if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
        return None
    host = address[0].partition("%")[0]
    if ":" not in host:
        return host
    parsed = IPv6Address(host)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex()


class Admission(Generic[Owner]):
    """Admits owners while both limits hold; None is no limit. ``is_gone(owner)`` says whether one has ended unnoticed."""

    __slots__ = ("_by_address", "_is_gone", "_keys", "_sweep_at", "_swept", "max_connections", "max_per_address")

    def __init__(self, max_connections: int | None, max_per_address: int | None, is_gone: Callable[[Owner], bool]) -> None:
        self.max_connections = max_connections
        self.max_per_address = max_per_address
        self._is_gone = is_gone
        self._keys: dict[Owner, str | None] = {}
        self._by_address: Counter[str] = Counter()
        self._swept = float("-inf")
        self._sweep_at = _LEAST_SWEEP

    def admit(self, owner: Owner, address: Any, now: float) -> bool:
        """Count ``owner``, or say that there is no room for it. Released or not, an owner is counted once."""
        key = address_key(address)
        if not self._has_room(key):
            if now - self._swept < SWEEP_SECONDS:
                return False
            self._swept = now
            self.sweep()
            if not self._has_room(key):
                return False
        if len(self._keys) >= self._sweep_at:
            self.sweep()
        self._keys[owner] = key
        if key is not None:
            self._by_address[key] += 1
        return True

    def _has_room(self, key: str | None) -> bool:
        if self.max_connections is not None and len(self._keys) >= self.max_connections:
            return False
        return self.max_per_address is None or key is None or self._by_address[key] < self.max_per_address

    def release(self, owner: Owner) -> None:
        """``owner`` has ended. Nothing happens for one that was never admitted."""
        key = self._keys.pop(owner, None)
        if key is not None:
            self._by_address[key] -= 1
            if not self._by_address[key]:
                del self._by_address[key]

    def sweep(self) -> None:
        """Release all owners that have ended without a word."""
        for owner in [owner for owner in self._keys if self._is_gone(owner)]:
            self.release(owner)
        self._sweep_at = max(_LEAST_SWEEP, 2 * len(self._keys))

    def __len__(self) -> int:
        return len(self._keys)
