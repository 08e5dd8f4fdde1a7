"""Whether connections are kept, and for how long the server will."""

import re

from tornadolike._http.lazy import pattern

_ON = frozenset({"1", "true", "yes", "on"})
_OFF = frozenset({"", "0", "false", "no", "off"})

_PARAMETER = pattern(r"\s*([A-Za-z]+)\s*=\s*\"?(\d{1,9})\"?\s*", re.ASCII)

# The server's clock began when it had sent the response, ours when that was here.
_MARGIN = 0.9


def switched_on(variable: str, value: str) -> bool:
    """The meaning of an environment variable that is a switch. Raises `ValueError` for a value that means nothing."""
    chosen = value.strip().lower()
    if chosen not in _ON and chosen not in _OFF:
        raise ValueError(f"{variable} must be 1 (true, yes, on) or 0 (false, no, off), not {value!r}")
    return chosen in _ON


def idle_seconds_allowed(field: str) -> float:
    """For how many seconds a connection may lie idle whose last response had this ``Keep-Alive`` field; infinity without a limit.

    Its parameter ``timeout`` is seconds. ``max`` is the number of requests that are left to some servers, the number of all of them to
    others: 1 or 0 means that the next one might find the connection closed.
    """
    parameters = {found[1].lower(): int(found[2]) for part in field.split(",") if (found := _PARAMETER.fullmatch(part))}
    if parameters.get("max", 2) <= 1:
        return 0.0
    return parameters["timeout"] * _MARGIN if "timeout" in parameters else float("inf")
